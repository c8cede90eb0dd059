/* ds1wm.c -- Dallas Semiconductor DS1WM (Synthesizable 1-Wire Bus Master): five registers, an interrupt, the search accelerator; the bus is its own. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <one-wire/one-wire.h>

/* --- registers -------------------------------------------------------------- */

enum { REG_COMMAND, REG_DATA, REG_INTERRUPT, REG_ENABLE, REG_CLOCK, N_REGISTERS };
enum { COMMAND_RESET = 0x01, COMMAND_SEARCH = 0x02, COMMAND_FORCE_LOW = 0x04, COMMAND_LINE = 0x08, COMMAND_KEPT = 0x06 };
enum {                          /* of the interrupt register; 0x01 and 0x04 to 0x20 have an enable bit at the same place */
  INT_PRESENCE = 0x01, INT_NOT_PRESENT = 0x02, INT_TX_EMPTY = 0x04, INT_TX_IDLE = 0x08, INT_RX_FULL = 0x10, INT_RX_WAITS = 0x20, INT_SOURCES = 0x3d
};
enum { FLAGS = INT_PRESENCE | INT_NOT_PRESENT | INT_RX_FULL | INT_RX_WAITS };   /* those that are kept; the others follow from what it does */
enum { ENABLE_ACTIVE_HIGH = 0x02, ENABLE_KEPT = 0x3f };
enum { CLOCK_ON = 0x80 };

enum { IDLE, RESETTING, SHIFTING, N_PHASES };
#define RESET_NS 1000000        /* the line low, the wait, the presence pulse */
#define SLOT_NS 70000

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Ds1wm {
  uint8_t command, enable, clock, flags;        /* flags: of FLAGS */
  uint8_t phase, tx, shift, rx, rx_waits;
  bool tx_full;
  BpTimer *timer;               /* the end of the phase */
  BpPin *irq;
  BpRegion *pio0;
  GArray *devices;              /* Attached */
} Ds1wm;

typedef struct Attached {
  const OneWireDevice *device;
  void *self;
} Attached;

/* --- the line ----------------------------------------------------------------- */

static bool
line_slot (Ds1wm *w, bool high)
{
  high = high && !(w->command & COMMAND_FORCE_LOW);
  for (unsigned i = 0; i < w->devices->len; i++) {
    const Attached *a = &g_array_index (w->devices, Attached, i);
    if (BP_TABLE_HAS (a->device, slot) && !a->device->slot (a->self, high))
      high = false;             /* the others see what the master does, not what a device adds: no device's receiving overlaps another's sending */
  }
  return high;
}

static bool
line_reset (Ds1wm *w)
{
  bool present = false;
  for (unsigned i = 0; i < w->devices->len; i++) {
    const Attached *a = &g_array_index (w->devices, Attached, i);
    if (BP_TABLE_HAS (a->device, reset) && a->device->reset (a->self))
      present = true;
  }
  return present;
}

static uint8_t
shift_byte (Ds1wm *w, uint8_t out)
{
  uint8_t in = 0;
  for (unsigned i = 0; i < 8; i++)
    if (line_slot (w, out >> i & 1))
      in |= (uint8_t) (1 << i);
  return in;
}

/* With the search accelerator a byte is four steps of a search: its odd bits say which way to go where devices differ.  What comes back has the way that was
 * gone in the odd bits, and in the even ones whether there was a choice, or nobody at all. */
static uint8_t
shift_search (Ds1wm *w, uint8_t out)
{
  uint8_t in = 0;
  for (unsigned i = 0; i < 8; i += 2) {
    bool bit = line_slot (w, true), complement = line_slot (w, true);
    bool differ = bit == complement, way = differ ? out >> (i + 1) & 1 : bit;
    line_slot (w, way);
    in |= (uint8_t) (differ << i | way << (i + 1));
  }
  return in;
}

/* --- interrupts ------------------------------------------------------------------ */

static uint8_t
interrupts (const Ds1wm *w)
{
  return w->flags | (w->tx_full ? 0 : INT_TX_EMPTY) | (w->phase == SHIFTING ? 0 : INT_TX_IDLE);
}

static void
follow (Ds1wm *w)
{
  bool active = (interrupts (w) & w->enable & INT_SOURCES) != 0;
  bp_pin_set (w->irq, active == ((w->enable & ENABLE_ACTIVE_HIGH) != 0));
}

/* --- events ------------------------------------------------------------------------- */

static void
enter (Ds1wm *w, unsigned phase, int64_t ns)
{
  w->phase = (uint8_t) phase;
  bp_timer_arm (w->timer, bp_clock_now (bp_object_machine (w), BP_CLOCK_VIRTUAL) + ns);
}

static void
start_byte (Ds1wm *w, uint8_t byte)
{
  w->shift = byte;
  enter (w, SHIFTING, (w->command & COMMAND_SEARCH ? 12 : 8) * SLOT_NS);
}

static void
receive (Ds1wm *w, uint8_t byte)
{
  if (!(w->flags & INT_RX_FULL)) {
    w->rx = byte;
    w->flags |= INT_RX_FULL;
  } else if (!(w->flags & INT_RX_WAITS)) {
    w->rx_waits = byte;
    w->flags |= INT_RX_WAITS;
  } else {
    bp_log_guest (w, "two bytes wait to be read: the third is lost");
  }
}

static void
timer_fires (void *user)
{
  Ds1wm *w = user;
  unsigned phase = w->phase;
  w->phase = IDLE;
  if (phase == RESETTING) {
    w->command &= (uint8_t) ~COMMAND_RESET;
    w->flags &= (uint8_t) ~INT_NOT_PRESENT;
    w->flags |= line_reset (w) ? INT_PRESENCE : INT_PRESENCE | INT_NOT_PRESENT;
  } else {
    receive (w, w->command & COMMAND_SEARCH ? shift_search (w, w->shift) : shift_byte (w, w->shift));
  }
  if (w->tx_full) {
    w->tx_full = false;
    start_byte (w, w->tx);
  }
  follow (w);
}

/* --- guest access ----------------------------------------------------------------------- */

static uint8_t
read_data (Ds1wm *w)
{
  uint8_t value = w->rx;
  if (w->flags & INT_RX_WAITS) {
    w->rx = w->rx_waits;
    w->flags &= (uint8_t) ~INT_RX_WAITS;
  } else {
    w->flags &= (uint8_t) ~INT_RX_FULL;
  }
  return value;
}

static uint64_t
master_read (void *self, uint64_t offset, unsigned size)
{
  Ds1wm *w = self;
  uint8_t value;
  switch (offset) {
  case REG_COMMAND: return w->command | (w->command & COMMAND_FORCE_LOW ? 0 : COMMAND_LINE);
  case REG_ENABLE: return w->enable;
  case REG_CLOCK: return w->clock;
  case REG_DATA: value = read_data (w); break;
  default:
    value = interrupts (w);
    w->flags &= (uint8_t) ~INT_PRESENCE;
  }
  follow (w);
  return value;
}

static void
write_command (Ds1wm *w, uint8_t value)
{
  if (value & ~w->command & COMMAND_FORCE_LOW)
    bp_log_unimp (w, "the line forced low: devices do not take it for a reset or a slot");
  w->command = (uint8_t) ((w->command & ~COMMAND_KEPT) | (value & COMMAND_KEPT));
  if (!(value & COMMAND_RESET))
    return;
  if (!(w->clock & CLOCK_ON) || w->phase != IDLE) {
    bp_log_guest (w, "a reset of the line while %s: ignored", w->phase != IDLE ? "something is under way" : "the clock is off");
    return;
  }
  w->command |= COMMAND_RESET;
  enter (w, RESETTING, RESET_NS);
}

static void
write_data (Ds1wm *w, uint8_t value)
{
  if (!(w->clock & CLOCK_ON)) {
    bp_log_guest (w, "a byte while the clock is off: lost");
  } else if (w->phase == IDLE) {
    start_byte (w, value);
  } else {
    if (w->tx_full)
      bp_log_guest (w, "a byte before the last one was sent: that one is lost");
    w->tx = value;
    w->tx_full = true;
  }
}

static void
master_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Ds1wm *w = self;
  switch (offset) {
  case REG_COMMAND: write_command (w, (uint8_t) value); break;
  case REG_DATA: write_data (w, (uint8_t) value); break;
  case REG_ENABLE: w->enable = value & ENABLE_KEPT; break;
  case REG_CLOCK: w->clock = (uint8_t) value; break;
  default: bp_log_guest (self, "write of 0x%02x to the interrupt register", (unsigned) value);
  }
  follow (w);
}

/* --- the bus, for devices -------------------------------------------------------------------- */

static void
bus_attach (void *bus, const OneWireDevice *device, void *self)
{
  Attached a = { device, self };
  g_array_append_val (((Ds1wm *) bus)->devices, a);
}

static void
bus_detach (void *bus, void *self)
{
  GArray *devices = ((Ds1wm *) bus)->devices;
  for (unsigned i = 0; devices && i < devices->len; i++)
    if (g_array_index (devices, Attached, i).self == self)
      g_array_remove_index (devices, i--);
}

/* --- life cycle: realize, reset, unrealize ------------------------------------------------------ */

static bool
master_realize (void *self, GError **error)
{
  Ds1wm *w = self;
  w->devices = g_array_new (FALSE, FALSE, sizeof (Attached));
  w->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, timer_fires, w);
  return true;
}

static void
master_reset (void *self, BpResetKind kind)
{
  Ds1wm *w = self;
  w->command = w->enable = w->clock = w->flags = 0;
  w->phase = IDLE;
  w->tx = w->shift = w->rx = w->rx_waits = 0;
  w->tx_full = false;
  bp_timer_cancel (w->timer);
  follow (w);
}

static void
master_unrealize (void *self)
{
  Ds1wm *w = self;
  bp_timer_free (w->timer);
  w->timer = NULL;
  if (w->devices)
    g_array_free (w->devices, TRUE);
  w->devices = NULL;
}

/* A snapshot is a file, and may hold what the master never is. */
static bool
master_post_load (void *self, GError **error)
{
  Ds1wm *w = self;
  bool registers = !(w->command & ~(COMMAND_RESET | COMMAND_KEPT)) && !(w->enable & ~ENABLE_KEPT) && !(w->flags & ~FLAGS);
  bool resetting = w->command & COMMAND_RESET;
  if (registers && w->phase < N_PHASES && (w->phase != IDLE) == bp_timer_is_armed (w->timer) && resetting == (w->phase == RESETTING)
      && !(w->tx_full && w->phase == IDLE)) {
    follow (w);
    return true;
  }
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the master is in no such state: phase %u, command 0x%02x, enable 0x%02x, flags 0x%02x", w->phase, w->command,
               w->enable, w->flags);
  return false;
}

/* --- tables: interface, regions, pins, saved fields, type --------------------------------------- */

static const OneWireBus bus_iface = { .struct_size = sizeof bus_iface, .attach = bus_attach, .detach = bus_detach };
static const BpInterfaceDesc master_interfaces[] = { { ONE_WIRE_BUS_ID, &bus_iface }, { NULL, NULL } };

static const BpRegionOps master_ops = BP_REGION_OPS (.read = master_read, .write = master_write, .impl_max = 1);
static const BpRegionDesc master_regions[] = {
  BP_REGION_DESC ("pio0", Ds1wm, pio0, &master_ops, N_REGISTERS, "Command, data, interrupt, interrupt enable, clock divisor."),
  BP_REGION_DESC_END
};

static const BpPinDesc master_pins[] = {
  BP_PIN_DESC_OUT ("irq", Ds1wm, irq, 0, "Interrupt; bit 1 of the interrupt enable register says whether it is active high."),
  BP_PIN_DESC_END
};

static const BpStateField master_state[] = {
  BP_STATE_FIELD_U8 (Ds1wm, command), BP_STATE_FIELD_U8 (Ds1wm, enable), BP_STATE_FIELD_U8 (Ds1wm, clock), BP_STATE_FIELD_U8 (Ds1wm, flags),
  BP_STATE_FIELD_U8 (Ds1wm, phase), BP_STATE_FIELD_U8 (Ds1wm, tx), BP_STATE_FIELD_U8 (Ds1wm, shift), BP_STATE_FIELD_U8 (Ds1wm, rx),
  BP_STATE_FIELD_U8 (Ds1wm, rx_waits), BP_STATE_FIELD_BOOL (Ds1wm, tx_full), BP_STATE_FIELD_TIMER (Ds1wm, timer), BP_STATE_END
};

static const BpTypeDesc master_type = {
  BP_TYPE ("ds1wm", BP_KIND_DEVICE, Ds1wm),
  .description = "1-Wire bus master",
  .interfaces = master_interfaces,
  .regions = master_regions,
  .pins = master_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = master_state,
  .realize = master_realize,
  .reset = master_reset,
  .unrealize = master_unrealize,
  .post_load = master_post_load,
};

static const BpTypeDesc *const types[] = { &master_type, NULL };

BP_PLUGIN_DEFINE (.id = "ds1wm", .version = "1.0", .licence = "MIT", .description = "A 1-Wire bus and its master", .types = types);
