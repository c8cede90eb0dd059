/* ioapic.c -- Intel 82093AA I/O APIC (May 1996): 24 inputs, a redirection table, messages to local APICs. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-irqchip.h>
#include <backplane/iface/msi.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include "apic-bus.h"
#include "hw-pc.h"

/* --- registers -------------------------------------------------------------- */

enum { REG_SELECT = 0x00, REG_WINDOW = 0x10 };
enum { INDEX_ID = 0, INDEX_VERSION = 1, INDEX_ARBITRATION = 2, INDEX_TABLE = 0x10 };
#define N_INPUTS 24
enum { VERSION = 0x11 | (N_INPUTS - 1) << 16 };
enum {
  ENTRY_LOGICAL = 1 << 11, ENTRY_REMOTE_IRR = 1 << 14, ENTRY_LEVEL = 1 << 15, ENTRY_MASKED = 1 << 16,
  ENTRY_WRITABLE = 0x1afff      /* vector, delivery, destination mode, polarity, trigger, mask */
};

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct IoApic {
  uint32_t low[N_INPUTS], high[N_INPUTS];       /* the redirection table */
  uint32_t lines;               /* levels of the inputs: 1 asserted, whatever the polarity bit says */
  uint8_t select, id;
  BpRegion *mmio;
  ApicBus bus;
  const BpX86IrqchipOwner *owner;       /* NULL: this does the work */
  void *owner_user;
  void (*changed) (void *user, unsigned entry); /* NULL: local APICs are on the bus */
  void *changed_user;
} IoApic;

/* --- messages -------------------------------------------------------------------- */

static ApicDelivery delivery (const IoApic *a, unsigned n) { return (ApicDelivery) (a->low[n] >> 8 & 7); }

/* What has no vector is not ended by EOI: SMI, NMI, INIT and ExtINT are edges whatever the trigger bit says (3.2.4, delivery mode). */
static bool is_level (const IoApic *a, unsigned n) { return a->low[n] & ENTRY_LEVEL && delivery (a, n) <= APIC_LOWEST; }

/* false: nobody takes it. */
static bool
send_message (IoApic *a, const ApicMessage *m)
{
  uint64_t address;
  uint32_t data;
  if (!a->changed)
    return apic_bus_send (&a->bus, m);
  apic_message_encode (m, &address, &data);
  return bp_msi_send (bp_object_machine (a), address, data);
}

/* Remote IRR says that a local APIC has accepted a level (3.2.4); one that nobody took is sent again with the next write of its entry. */
static void
send (IoApic *a, unsigned n)
{
  ApicMessage m = { .delivery = delivery (a, n), .vector = (uint8_t) a->low[n], .destination = apic_destination_8 (a->high[n] >> 24),
                    .logical = a->low[n] & ENTRY_LOGICAL, .level = is_level (a, n) };
  if (send_message (a, &m) && m.level)
    a->low[n] |= ENTRY_REMOTE_IRR;
}

/* A level that is there, is not masked, and was not accepted yet. */
static void
service_level (IoApic *a, unsigned n)
{
  if (!a->owner && is_level (a, n) && a->lines >> n & 1 && !(a->low[n] & (ENTRY_MASKED | ENTRY_REMOTE_IRR)))
    send (a, n);
}

static void
bus_end_of_interrupt (void *self, uint8_t vector)
{
  IoApic *a = self;
  for (unsigned n = 0; n < N_INPUTS; n++) {
    if (!(a->low[n] & ENTRY_REMOTE_IRR) || (uint8_t) a->low[n] != vector)
      continue;
    a->low[n] &= ~(uint32_t) ENTRY_REMOTE_IRR;
    service_level (a, n);
  }
}

/* --- events (input, timers) ------------------------------------------------------- */

/* An edge at a masked input is lost (3.2.4, interrupt mask). */
static void
set_in (void *self, unsigned index, int level)
{
  IoApic *a = self;
  bool rises = level && !(a->lines >> index & 1);
  a->lines = level ? a->lines | 1u << index : a->lines & ~(1u << index);
  if (a->owner)
    a->owner->line (a->owner_user, index, level);
  else if (is_level (a, index))
    service_level (a, index);
  else if (rises && !(a->low[index] & ENTRY_MASKED))
    send (a, index);
}

/* --- guest access -------------------------------------------------------------------- */

static uint32_t
read_indexed (const IoApic *a)
{
  unsigned entry = (a->select - INDEX_TABLE) / 2u;
  switch (a->select) {
  case INDEX_ID:
  case INDEX_ARBITRATION:
    return (uint32_t) a->id << 24;
  case INDEX_VERSION:
    return VERSION;
  default:
    if (a->select < INDEX_TABLE || entry >= N_INPUTS)
      return 0;
    return a->select & 1 ? a->high[entry] : a->low[entry];
  }
}

static void
write_entry (IoApic *a, unsigned entry, uint32_t value)
{
  if (a->select & 1)
    a->high[entry] = value & 0xff000000;
  else
    a->low[entry] = (value & ENTRY_WRITABLE) | (value & ENTRY_LEVEL ? a->low[entry] & ENTRY_REMOTE_IRR : 0);
}

static void
write_indexed (IoApic *a, uint32_t value)
{
  unsigned entry = (a->select - INDEX_TABLE) / 2u;
  if (a->select == INDEX_ID)
    a->id = value >> 24 & 0x0f;
  else if (a->select < INDEX_TABLE || entry >= N_INPUTS)
    bp_log_guest (a, "write of register %02x, which is read-only or does not exist", a->select);
  else {
    write_entry (a, entry, value);
    if (a->changed)
      a->changed (a->changed_user, entry);
    service_level (a, entry);
  }
}

static uint64_t
ioapic_read (void *self, uint64_t offset, unsigned size)
{
  const IoApic *a = self;
  return offset == REG_SELECT ? a->select : offset == REG_WINDOW ? read_indexed (a) : 0;
}

static void
ioapic_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  IoApic *a = self;
  if (offset == REG_SELECT)
    a->select = (uint8_t) value;
  else if (offset == REG_WINDOW)
    write_indexed (a, (uint32_t) value);
}

/* --- in an accelerator's hands ------------------------------------------------------------ */

static void
service_all (IoApic *a)
{
  for (unsigned n = 0; n < N_INPUTS; n++)
    service_level (a, n);
}

static void
ioapic_take_over (void *self, const BpX86IrqchipOwner *owner, void *user)
{
  IoApic *a = self;
  a->owner = owner;
  a->owner_user = user;
  service_all (a);
}

static void
ioapic_get_state (void *self, BpX86IrqchipState *state)
{
  const IoApic *a = self;
  state->ioapic = (BpX86IoapicState) { .id = a->id, .select = a->select, .lines = a->lines };
  for (unsigned n = 0; n < N_INPUTS; n++)
    state->ioapic.redirection[n] = (uint64_t) a->high[n] << 32 | a->low[n];
}

static void
ioapic_set_state (void *self, const BpX86IrqchipState *state)
{
  IoApic *a = self;
  const BpX86IoapicState *s = &state->ioapic;
  a->id = s->id & 0x0f;
  a->select = s->select;
  a->lines = s->lines & ((1u << N_INPUTS) - 1);
  for (unsigned n = 0; n < N_INPUTS; n++) {
    uint32_t low = (uint32_t) s->redirection[n];
    a->low[n] = low & (ENTRY_WRITABLE | (low & ENTRY_LEVEL ? ENTRY_REMOTE_IRR : 0));
    a->high[n] = (uint32_t) (s->redirection[n] >> 32) & 0xff000000;
  }
  service_all (a);
}

static void
ioapic_split (void *self, void (*changed) (void *user, unsigned entry), void *user)
{
  IoApic *a = self;
  a->changed = changed;
  a->changed_user = user;
}

static const BpX86IrqchipIface irqchip_iface = {
  .struct_size = sizeof (BpX86IrqchipIface), .kind = BP_X86_IOAPIC, .take_over = ioapic_take_over, .get_state = ioapic_get_state,
  .set_state = ioapic_set_state, .end_of_interrupt = bus_end_of_interrupt, .split = ioapic_split
};

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static bool
ioapic_realize (void *self, GError **error)
{
  apic_bus_join (&((IoApic *) self)->bus, bp_object_machine (self));
  return true;
}

static void
ioapic_unrealize (void *self)
{
  apic_bus_leave (&((IoApic *) self)->bus);
}

/* Who follows the table hears of all of it. */
static void
tell_all (IoApic *a)
{
  for (unsigned n = 0; n < N_INPUTS && a->changed; n++)
    a->changed (a->changed_user, n);
}

static void
ioapic_reset (void *self, BpResetKind kind)
{
  IoApic *a = self;
  for (unsigned n = 0; n < N_INPUTS; n++) {
    a->low[n] = ENTRY_MASKED;
    a->high[n] = 0;
  }
  a->lines = 0;
  a->select = a->id = 0;
  tell_all (a);
}

static bool
ioapic_post_load (void *self, GError **error)
{
  tell_all (self);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpRegionOps ioapic_ops = BP_REGION_OPS (.read = ioapic_read, .write = ioapic_write, .impl_min = 4, .impl_max = 4);
static const BpRegionDesc ioapic_regions[] = {
  BP_REGION_DESC ("mmio0", IoApic, mmio, &ioapic_ops, 0x1000, "Register select at 0, window at 0x10; 0xfec00000 in a PC."), BP_REGION_DESC_END
};
static const BpPinDesc ioapic_pins[] = {
  BP_PIN_DESC_IN ("in", N_INPUTS, set_in, BP_PIN_WIRED_OR,
                  "Interrupt inputs.  In a PC in0 is the PIC's intr, in1 and in3 to in15 are ISA's, in2 is the timer, in16 to in23 are PCI's."),
  BP_PIN_DESC_END
};

static const ApicBusIface bus_iface = { .struct_size = sizeof (ApicBusIface), .end_of_interrupt = bus_end_of_interrupt };
static const BpInterfaceDesc ioapic_interfaces[] = { { APIC_BUS_ID, &bus_iface }, { BP_X86_IRQCHIP_ID, &irqchip_iface }, { NULL, NULL } };

static const BpStateField ioapic_state[] = {
  BP_STATE_FIELD_ARRAY (BP_STATE_U32, IoApic, low, N_INPUTS), BP_STATE_FIELD_ARRAY (BP_STATE_U32, IoApic, high, N_INPUTS),
  BP_STATE_FIELD_U32 (IoApic, lines), BP_STATE_FIELD_U8 (IoApic, select), BP_STATE_FIELD_U8 (IoApic, id), BP_STATE_END
};

const BpTypeDesc ioapic_type = {
  BP_TYPE ("ioapic", BP_KIND_DEVICE, IoApic),
  .description = "Intel 82093AA I/O APIC",
  .regions = ioapic_regions,
  .pins = ioapic_pins,
  .interfaces = ioapic_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = ioapic_state,
  .realize = ioapic_realize,
  .unrealize = ioapic_unrealize,
  .reset = ioapic_reset,
  .post_load = ioapic_post_load,
};
