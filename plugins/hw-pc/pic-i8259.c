/* pic-i8259.c -- Intel 8259A (December 1988), two of them cascaded as in the PC/AT, with the edge/level control register. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-irqchip.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/object.h>
#include <string.h>
#include "hw-pc.h"

/* --- registers -------------------------------------------------------------- */

enum {
  ICW1_IC4 = 1 << 0, ICW1_SNGL = 1 << 1, ICW1_LTIM = 1 << 3, ICW1_INIT = 1 << 4,
  ICW4_AEOI = 1 << 1, ICW4_SFNM = 1 << 4,
  OCW3_RIS = 1 << 0, OCW3_RR = 1 << 1, OCW3_POLL = 1 << 2, OCW3_SELECT = 1 << 3, OCW3_SMM = 1 << 5, OCW3_ESMM = 1 << 6
};

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Chip {
  uint8_t irr, imr, isr;
  uint8_t lines;                /* levels of the request pins */
  uint8_t elcr;                 /* 1: level-triggered */
  uint8_t priority_add;         /* the request with the highest priority */
  uint8_t vector_base;          /* ICW2 bits 7..3 */
  uint8_t init_state;           /* 0: operating; 1..3: the next ICW */
  bool init_needs_icw4, single, ltim;
  bool auto_eoi, rotate_on_auto_eoi, special_fully_nested, special_mask;
  bool read_isr, poll;
} Chip;

typedef struct Pair {
  Chip chip[2];                 /* master, slave */
  BpPin *intr;
  const BpX86IrqchipOwner *owner;       /* NULL: this does the work */
  void *owner_user;
  BpRegion *master_ports, *slave_ports, *elcr_ports;
} Pair;

/* --- priority ------------------------------------------------------------------ */

/* Distance of the most urgent request in `mask` from the top priority; 8: none. */
static unsigned
most_urgent (const Chip *c, uint8_t mask)
{
  unsigned n = 0;
  if (!mask)
    return 8;
  while (!(mask & 1 << ((n + c->priority_add) & 7)))
    n++;
  return n;
}

/* The request that the chip presents, or -1. */
static int
requesting (const Pair *p, const Chip *c)
{
  unsigned urgent = most_urgent (c, c->irr & (uint8_t) ~c->imr);
  if (urgent == 8)
    return -1;
  uint8_t in_service = c->isr;
  if (c->special_mask)
    in_service &= (uint8_t) ~c->imr;
  if (c->special_fully_nested && c == &p->chip[0])
    in_service &= (uint8_t) ~(1 << 2);
  return urgent < most_urgent (c, in_service) ? (int) ((urgent + c->priority_add) & 7) : -1;
}

static void set_line (Pair *p, Chip *c, unsigned n, int level);

static void
update (Pair *p)
{
  if (p->owner) {
    bp_pin_lower (p->intr);
    return;
  }
  set_line (p, &p->chip[0], 2, requesting (p, &p->chip[1]) >= 0);
  bp_pin_set (p->intr, requesting (p, &p->chip[0]) >= 0);
}

/* --- events (input, timers) ------------------------------------------------------- */

/* A request must stay high until the first INTA in both modes, else it is forgotten and the answer is vector 7 (8259A data sheet, "Edge and
 * level triggered modes"; 386EX manual, 9.4.3).  The models of Bochs, MAME and 86Box do the same, and software for real machines depends on it;
 * those of KVM and QEMU keep an edge, so guests made for them alone may expect that. */
static void
set_line (Pair *p, Chip *c, unsigned n, int level)
{
  uint8_t bit = (uint8_t) (1 << n);
  bool level_triggered = c->ltim || c->elcr & bit;
  if (level) {
    if (level_triggered || !(c->lines & bit))
      c->irr |= bit;
    c->lines |= bit;
  } else {
    c->irr &= (uint8_t) ~bit;
    c->lines &= (uint8_t) ~bit;
  }
}

static void
pair_set_in (void *self, unsigned index, int level)
{
  Pair *p = self;
  if (index == 2)
    return;
  if (p->owner) {
    uint8_t *lines = &p->chip[index >> 3].lines, bit = (uint8_t) (1 << (index & 7));
    *lines = (uint8_t) (level ? *lines | bit : *lines & ~bit);
    p->owner->line (p->owner_user, index, level);
    return;
  }
  set_line (p, &p->chip[index >> 3], index & 7, level);
  update (p);
}

static void
accept_request (Chip *c, unsigned n)
{
  uint8_t bit = (uint8_t) (1 << n);
  if (c->auto_eoi) {
    if (c->rotate_on_auto_eoi)
      c->priority_add = (n + 1) & 7;
  } else
    c->isr |= bit;
  if (!(c->ltim || c->elcr & bit))
    c->irr &= (uint8_t) ~bit;
}

/* INTA cycles.  A request that went away is answered with a spurious interrupt 7 of the chip that had it. */
static int
pair_acknowledge (void *self)
{
  Pair *p = self;
  Chip *master = &p->chip[0], *slave = &p->chip[1];
  int n = requesting (p, master), vector;
  if (p->owner)
    return -1;
  if (n < 0)
    vector = master->vector_base + 7;
  else if (n == 2 && !master->single) {
    int m = requesting (p, slave);
    if (m >= 0)
      accept_request (slave, (unsigned) m);
    vector = slave->vector_base + (m < 0 ? 7 : m);
    accept_request (master, 2);
    set_line (p, master, 2, 0);         /* the slave's INT falls at INTA; what else it has is a new edge */
  } else {
    accept_request (master, (unsigned) n);
    vector = master->vector_base + n;
  }
  update (p);
  return vector;
}

/* --- guest access -------------------------------------------------------------------- */

static void
start_init (Chip *c, uint8_t icw1)
{
  uint8_t elcr = c->elcr, lines = c->lines;
  *c = (Chip) { .elcr = elcr, .lines = lines, .init_state = 1, .init_needs_icw4 = icw1 & ICW1_IC4, .single = icw1 & ICW1_SNGL,
                .ltim = icw1 & ICW1_LTIM };
  c->irr = (uint8_t) (lines & (c->ltim ? 0xff : elcr));
}

static void
command_eoi (Chip *c, uint8_t value)
{
  unsigned command = value >> 5, n;
  switch (command) {
  case 0:                       /* rotate in automatic EOI mode: clear, set */
  case 4:
    c->rotate_on_auto_eoi = command == 4;
    break;
  case 1:                       /* non-specific EOI, with rotation */
  case 5:
    n = most_urgent (c, c->special_mask ? c->isr & (uint8_t) ~c->imr : c->isr);
    if (n == 8)
      break;
    n = (n + c->priority_add) & 7;
    c->isr &= (uint8_t) ~(1 << n);
    if (command == 5)
      c->priority_add = (n + 1) & 7;
    break;
  case 3:                       /* specific EOI, with rotation */
  case 7:
    c->isr &= (uint8_t) ~(1 << (value & 7));
    if (command == 7)
      c->priority_add = ((value & 7) + 1) & 7;
    break;
  case 6:
    c->priority_add = ((value & 7) + 1) & 7;
    break;
  }
}

static void
write_command (Chip *c, uint8_t value)
{
  if (value & ICW1_INIT)
    start_init (c, value);
  else if (value & OCW3_SELECT) {
    if (value & OCW3_POLL)
      c->poll = true;
    if (value & OCW3_RR)
      c->read_isr = value & OCW3_RIS;
    if (value & OCW3_ESMM)
      c->special_mask = value & OCW3_SMM;
  } else
    command_eoi (c, value);
}

static void
write_data (Chip *c, uint8_t value)
{
  switch (c->init_state) {
  case 0:
    c->imr = value;
    break;
  case 1:
    c->vector_base = value & 0xf8;
    c->init_state = c->single ? (c->init_needs_icw4 ? 3 : 0) : 2;
    break;
  case 2:                       /* ICW3: the cascade is wired */
    c->init_state = c->init_needs_icw4 ? 3 : 0;
    break;
  default:
    c->special_fully_nested = value & ICW4_SFNM;
    c->auto_eoi = value & ICW4_AEOI;
    c->init_state = 0;
  }
}

static uint8_t
read_poll (Pair *p, Chip *c)
{
  int n = requesting (p, c);
  c->poll = false;
  if (n < 0)
    return 0;
  accept_request (c, (unsigned) n);
  return (uint8_t) (0x80 | n);
}

static uint64_t
chip_read (Pair *p, Chip *c, uint64_t offset)
{
  uint8_t value;
  if (c->poll) {
    value = read_poll (p, c);
    update (p);
    return value;
  }
  return offset ? c->imr : c->read_isr ? c->isr : c->irr;
}

static void
chip_write (Pair *p, Chip *c, uint64_t offset, uint8_t value)
{
  if (offset)
    write_data (c, value);
  else
    write_command (c, value);
  update (p);
}

static uint64_t master_read (void *self, uint64_t o, unsigned size) { return chip_read (self, &((Pair *) self)->chip[0], o); }
static uint64_t slave_read (void *self, uint64_t o, unsigned size) { return chip_read (self, &((Pair *) self)->chip[1], o); }
static void master_write (void *self, uint64_t o, uint64_t v, unsigned size) { chip_write (self, &((Pair *) self)->chip[0], o, (uint8_t) v); }
static void slave_write (void *self, uint64_t o, uint64_t v, unsigned size) { chip_write (self, &((Pair *) self)->chip[1], o, (uint8_t) v); }

static uint64_t
elcr_read (void *self, uint64_t offset, unsigned size)
{
  return ((Pair *) self)->chip[offset].elcr;
}

/* Lines 0, 1, 2, 8 and 13 are edge-triggered for good (82371SB, 2.5.1.10). */
static void
elcr_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Pair *p = self;
  Chip *c = &p->chip[offset];
  c->elcr = (uint8_t) value & (offset ? 0xde : 0xf8);
  c->irr = (uint8_t) ((c->irr & ~c->elcr) | (c->lines & c->elcr));
  update (p);
}

/* --- in an accelerator's hands ------------------------------------------------------------ */

static void
pair_take_over (void *self, const BpX86IrqchipOwner *owner, void *user)
{
  Pair *p = self;
  p->owner = owner;
  p->owner_user = user;
  update (p);
}

static void
pair_get_state (void *self, BpX86IrqchipState *state)
{
  const Pair *p = self;
  memset (&state->i8259, 0, sizeof state->i8259);
  for (unsigned i = 0; i < 2; i++) {
    const Chip *c = &p->chip[i];
    state->i8259.chip[i] = (typeof (state->i8259.chip[i])) {
      .irr = c->irr, .imr = c->imr, .isr = c->isr, .lines = c->lines, .elcr = c->elcr, .priority_add = c->priority_add,
      .vector_base = c->vector_base, .init_state = c->init_state, .init_needs_icw4 = c->init_needs_icw4, .single = c->single,
      .level_triggered = c->ltim, .auto_eoi = c->auto_eoi, .rotate_on_auto_eoi = c->rotate_on_auto_eoi,
      .special_fully_nested = c->special_fully_nested, .special_mask = c->special_mask, .read_isr = c->read_isr, .poll = c->poll
    };
  }
}

static void
pair_set_state (void *self, const BpX86IrqchipState *state)
{
  Pair *p = self;
  for (unsigned i = 0; i < 2; i++) {
    typeof (&state->i8259.chip[0]) c = &state->i8259.chip[i];
    p->chip[i] = (Chip) {
      .irr = c->irr, .imr = c->imr, .isr = c->isr, .lines = c->lines, .elcr = c->elcr & (i ? 0xde : 0xf8), .priority_add = c->priority_add & 7,
      .vector_base = c->vector_base & 0xf8, .init_state = c->init_state & 3, .init_needs_icw4 = c->init_needs_icw4, .single = c->single,
      .ltim = c->level_triggered, .auto_eoi = c->auto_eoi, .rotate_on_auto_eoi = c->rotate_on_auto_eoi,
      .special_fully_nested = c->special_fully_nested, .special_mask = c->special_mask, .read_isr = c->read_isr, .poll = c->poll
    };
  }
  update (p);
}

static const BpX86IrqchipIface pair_irqchip = {
  .struct_size = sizeof (BpX86IrqchipIface), .kind = BP_X86_I8259_PAIR, .take_over = pair_take_over, .get_state = pair_get_state,
  .set_state = pair_set_state
};

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static void
pair_reset (void *self, BpResetKind kind)
{
  Pair *p = self;
  for (unsigned i = 0; i < 2; i++)
    p->chip[i] = (Chip) { .imr = 0 };
  bp_pin_lower (p->intr);
}

static bool
pair_post_load (void *self, GError **error)
{
  Pair *p = self;
  for (unsigned i = 0; i < 2; i++) {
    p->chip[i].priority_add &= 7;
    p->chip[i].init_state &= 3;
  }
  update (p);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpRegionOps master_ops = BP_REGION_OPS (.read = master_read, .write = master_write, .impl_max = 1);
static const BpRegionOps slave_ops = BP_REGION_OPS (.read = slave_read, .write = slave_write, .impl_max = 1);
static const BpRegionOps elcr_ops = BP_REGION_OPS (.read = elcr_read, .write = elcr_write, .impl_max = 1);

static const BpRegionDesc pair_regions[] = {
  BP_REGION_DESC ("pio0", Pair, master_ports, &master_ops, 2, "Command and data port of the master, 0x20 in a PC."),
  BP_REGION_DESC ("pio1", Pair, slave_ports, &slave_ops, 2, "Command and data port of the slave, 0xa0 in a PC."),
  BP_REGION_DESC ("pio2", Pair, elcr_ports, &elcr_ops, 2, "Edge/level control registers, 0x4d0 in a PC."),
  BP_REGION_DESC_END
};

static const BpPinDesc pair_pins[] = {
  BP_PIN_DESC_IN ("in", 16, pair_set_in, BP_PIN_WIRED_OR, "Interrupt requests IRQ0 to IRQ15; IRQ2 is the cascade and is not for devices."),
  BP_PIN_DESC_OUT ("intr", Pair, intr, 0, "INT of the master, to the CPU or to LINT0 of a local APIC."),
  BP_PIN_DESC_END
};

static const BpInterruptControllerIface pair_controller = { .struct_size = sizeof (BpInterruptControllerIface), .acknowledge = pair_acknowledge };
static const BpInterfaceDesc pair_interfaces[] = { { BP_INTERRUPT_CONTROLLER_ID, &pair_controller }, { BP_X86_IRQCHIP_ID, &pair_irqchip }, { NULL, NULL } };

static const BpStateField chip_state[] = {
  BP_STATE_FIELD_U8 (Chip, irr), BP_STATE_FIELD_U8 (Chip, imr), BP_STATE_FIELD_U8 (Chip, isr), BP_STATE_FIELD_U8 (Chip, lines),
  BP_STATE_FIELD_U8 (Chip, elcr), BP_STATE_FIELD_U8 (Chip, priority_add), BP_STATE_FIELD_U8 (Chip, vector_base),
  BP_STATE_FIELD_U8 (Chip, init_state), BP_STATE_FIELD_BOOL (Chip, init_needs_icw4), BP_STATE_FIELD_BOOL (Chip, single),
  BP_STATE_FIELD_BOOL (Chip, ltim), BP_STATE_FIELD_BOOL (Chip, auto_eoi), BP_STATE_FIELD_BOOL (Chip, rotate_on_auto_eoi),
  BP_STATE_FIELD_BOOL (Chip, special_fully_nested), BP_STATE_FIELD_BOOL (Chip, special_mask), BP_STATE_FIELD_BOOL (Chip, read_isr),
  BP_STATE_FIELD_BOOL (Chip, poll), BP_STATE_END
};
static const BpStateField pair_state[] = { BP_STATE_FIELD_STRUCTS (Pair, chip, 2, chip_state), BP_STATE_END };

const BpTypeDesc i8259_pair_type = {
  BP_TYPE ("i8259-pair", BP_KIND_DEVICE, Pair),
  .description = "Two cascaded Intel 8259A interrupt controllers with ELCR",
  .regions = pair_regions,
  .pins = pair_pins,
  .interfaces = pair_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = pair_state,
  .reset = pair_reset,
  .post_load = pair_post_load,
};
