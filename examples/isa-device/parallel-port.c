/* parallel-port.c -- a PC's parallel port with a printer at it: IEEE 1284 compatibility mode, port by port. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <backplane/iface/char.h>

/* --- registers -------------------------------------------------------------- */

/* IBM PC AT Technical Reference, Printer Adapter; the signals are IEEE 1284-1994, clause 6. */
enum { REG_DATA, REG_STATUS, REG_CONTROL, N_REGISTERS };
enum {                          /* as the register shows them: BUSY is inverted, the others are the lines' levels */
  STATUS_NOT_ERROR = 0x08, STATUS_SELECTED = 0x10, STATUS_PAPER_OUT = 0x20, STATUS_NOT_ACK = 0x40, STATUS_NOT_BUSY = 0x80, STATUS_ONES = 0x07
};
enum { CONTROL_STROBE = 0x01, CONTROL_NOT_INIT = 0x04, CONTROL_SELECT = 0x08, CONTROL_IRQ = 0x10, CONTROL_WRITABLE = 0x1f, CONTROL_ONES = 0xe0 };

/* What the printer does: nothing, print a byte (BUSY), and say that it has (nACK, for so long). */
enum { IDLE, PRINTING, ACKNOWLEDGING, N_PHASES };
#define ACK_NS 5000

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct ParallelPort {
  uint8_t data, control;
  uint8_t phase, byte;          /* the byte that is being printed */
  BpTimer *timer;               /* the end of the phase */
  uint32_t speed;               /* properties */
  bool paper;
  BpLink backend;
  BpPin *irq;
  BpRegion *pio0;
} ParallelPort;

/* --- the printer ------------------------------------------------------------ */

static void
enter (ParallelPort *p, unsigned phase, int64_t ns)
{
  p->phase = (uint8_t) phase;
  bp_timer_arm (p->timer, bp_clock_now (bp_object_machine (p), BP_CLOCK_VIRTUAL) + ns);
}

static bool
is_ready (const ParallelPort *p)
{
  return p->phase == IDLE && p->paper && p->control & CONTROL_NOT_INIT;
}

static void
strobe (ParallelPort *p)
{
  if (!(p->control & CONTROL_SELECT)) {
    bp_log_guest (p, "a byte for a printer that is not selected");
  } else if (!is_ready (p)) {
    bp_log_guest (p, "a byte for a printer that is busy: lost");
  } else {
    p->byte = p->data;
    enter (p, PRINTING, BP_NS_PER_SECOND / p->speed);
  }
}

static void
timer_fires (void *user)
{
  ParallelPort *p = user;
  if (p->phase == PRINTING) {
    bp_char_write (&p->backend, &p->byte, 1);
    enter (p, ACKNOWLEDGING, ACK_NS);
    return;
  }
  p->phase = IDLE;
  if (p->control & CONTROL_IRQ)         /* the end of nACK is an edge for the interrupt controller */
    bp_pin_pulse (p->irq);
}

/* --- guest access ----------------------------------------------------------- */

static uint8_t
status (const ParallelPort *p)
{
  uint8_t value = STATUS_ONES | STATUS_SELECTED;
  if (p->phase != ACKNOWLEDGING)
    value |= STATUS_NOT_ACK;
  if (is_ready (p))
    value |= STATUS_NOT_BUSY;
  return value | (p->paper ? STATUS_NOT_ERROR : STATUS_PAPER_OUT);
}

static uint64_t
port_read (void *self, uint64_t offset, unsigned size)
{
  const ParallelPort *p = self;
  switch (offset) {
  case REG_DATA: return p->data;
  case REG_STATUS: return status (p);
  default: return p->control | CONTROL_ONES;
  }
}

static void
write_control (ParallelPort *p, uint8_t value)
{
  uint8_t before = p->control;
  p->control = value & CONTROL_WRITABLE;
  if (!(p->control & CONTROL_NOT_INIT)) {       /* nInit: the printer forgets what it does */
    p->phase = IDLE;
    bp_timer_cancel (p->timer);
  } else if (p->control & ~before & CONTROL_STROBE) {
    strobe (p);
  }
}

static void
port_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  ParallelPort *p = self;
  switch (offset) {
  case REG_DATA: p->data = (uint8_t) value; break;
  case REG_CONTROL: write_control (p, (uint8_t) value); break;
  default: bp_log_guest (self, "write of 0x%02x to the status register", (unsigned) value);
  }
}

/* --- life cycle: realize, reset, unrealize ---------------------------------- */

static bool
port_realize (void *self, GError **error)
{
  static const BpCharHandlers nothing_comes_back = { .struct_size = sizeof nothing_comes_back };
  ParallelPort *p = self;
  if (!bp_char_attach (&p->backend, &nothing_comes_back, p)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "backend: another device uses it");
    return false;
  }
  p->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, timer_fires, p);
  return true;
}

static void
port_reset (void *self, BpResetKind kind)
{
  ParallelPort *p = self;
  p->data = p->control = p->byte = 0;
  p->phase = IDLE;
  bp_timer_cancel (p->timer);
}

static void
port_unrealize (void *self)
{
  ParallelPort *p = self;
  if (p->timer)
    bp_char_attach (&p->backend, NULL, NULL);
  bp_timer_free (p->timer);
  p->timer = NULL;
}

/* A snapshot is a file, and may hold what this device never is. */
static bool
port_post_load (void *self, GError **error)
{
  ParallelPort *p = self;
  if (p->phase < N_PHASES && !(p->control & ~CONTROL_WRITABLE) && (p->phase != IDLE) == bp_timer_is_armed (p->timer))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the printer is in no such state: phase %u, control 0x%02x", p->phase, p->control);
  return false;
}

/* --- tables: properties, regions, pins, saved fields, type ------------------ */

static const BpProperty port_properties[] = {
  BP_PROP_LINK ("backend", ParallelPort, backend, BP_CHAR_ID, 0, "Where the printed bytes go; without one they are lost."),
  BP_PROP_U32_RANGE ("speed", ParallelPort, speed, 10000, 1, 1000000, "Bytes a second that the printer prints."),
  BP_PROP_ ("paper", BP_PROPERTY_BOOL, ParallelPort, paper, .flags = BP_PROPERTY_RUNTIME, .default_int = true,
            .help = "Whether the printer has paper; it may be taken out and put in while the machine runs."),
  BP_PROP_END
};

/* The dispatcher splits wider accesses, so that the callbacks only see bytes. */
static const BpRegionOps port_ops = BP_REGION_OPS (.read = port_read, .write = port_write, .impl_max = 1);
static const BpRegionDesc port_regions[] = {
  BP_REGION_DESC ("pio0", ParallelPort, pio0, &port_ops, N_REGISTERS, "Data, status, control; the first port of a PC has them at 0x378."),
  BP_REGION_DESC_END
};

static const BpPinDesc port_pins[] = {
  BP_PIN_DESC_OUT ("irq", ParallelPort, irq, 0, "Pulses when a byte is printed, while the guest wants it; interrupt 7 on a PC."),
  BP_PIN_DESC_END
};

static const BpStateField port_state[] = {
  BP_STATE_FIELD_U8 (ParallelPort, data), BP_STATE_FIELD_U8 (ParallelPort, control), BP_STATE_FIELD_U8 (ParallelPort, phase),
  BP_STATE_FIELD_U8 (ParallelPort, byte), BP_STATE_FIELD_TIMER (ParallelPort, timer), BP_STATE_END
};

static const BpTypeDesc port_type = {
  BP_TYPE ("parallel-port", BP_KIND_DEVICE, ParallelPort),
  .description = "A PC's parallel port with a printer at it",
  .properties = port_properties,
  .regions = port_regions,
  .pins = port_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = port_state,
  .realize = port_realize,
  .reset = port_reset,
  .unrealize = port_unrealize,
  .post_load = port_post_load,
};

static const BpTypeDesc *const types[] = { &port_type, NULL };

BP_PLUGIN_DEFINE (.id = "parallel-port", .version = "1.0", .licence = "MIT", .description = "A PC's parallel port", .types = types);
