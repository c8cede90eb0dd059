/* kbd-i8042.c -- Intel 8042 keyboard controller of the PC/AT, and its two ports (IBM PS/2 Technical Reference, 1990). */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/iface/input.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include <string.h>
#include "a20-gate.h"
#include "hw-pc.h"
#include "ps2.h"

/* --- registers -------------------------------------------------------------- */

enum {                          /* status */
  ST_OUTPUT_FULL = 0x01, ST_SYSTEM = 0x04, ST_COMMAND = 0x08, ST_UNLOCKED = 0x10, ST_AUX_FULL = 0x20, ST_TIMEOUT = 0x40
};
enum {                          /* command byte */
  CB_IRQ1 = 0x01, CB_IRQ12 = 0x02, CB_SYSTEM = 0x04, CB_NO_KEYBOARD = 0x10, CB_NO_AUX = 0x20, CB_TRANSLATE = 0x40
};
enum {                          /* output port; reset is active low */
  OP_NOT_RESET = 0x01, OP_A20 = 0x02, OP_AUX_IDLE = 0x08, OP_OUTPUT_FULL = 0x10, OP_AUX_FULL = 0x20, OP_LINES = 0xc0
};
enum { BREAK = 0xf0 };

#define RAM_SIZE 32             /* byte 0 is the command byte */

/* --- state: saved | wiring | derived ---------------------------------------- */

enum { KEYBOARD, AUX, PORTS };

typedef struct Kbd {
  uint8_t ram[RAM_SIZE];
  uint8_t output;               /* the output buffer, and what it says about itself: ST_OUTPUT_FULL, ST_AUX_FULL, ST_TIMEOUT */
  uint8_t output_status;
  uint8_t pushed, pushed_status;        /* a device's byte, unread when an answer of the controller's own took its place; it comes again */
  bool output_is_own;           /* such an answer is in the buffer */
  uint8_t port;                 /* output port, bits 4 and 5 left out */
  uint8_t data_command;         /* the command whose data byte port 0x60 gets next; 0: the byte is for the keyboard */
  bool last_was_command, passed_test;
  bool break_prefix;            /* translation: F0 has come, the code follows */
  bool aux_last;                /* the last byte came from the aux port: the keyboard is next */
  Ps2Keyboard keyboard;
  Ps2Mouse mouse;
  BpTimer *wire;                /* fires when the next byte has arrived */
  /* wiring */
  bool has_keyboard;
  BpPin *irq1, *irq12, *a20;
  BpRegion *data_port, *command_port;
  /* derived */
  Ps2Device *device[PORTS];     /* NULL: nothing is plugged in */
} Kbd;

/* --- the output buffer ------------------------------------------------------------------ */

static void
update_irqs (Kbd *k)
{
  bool full = k->output_status & ST_OUTPUT_FULL, aux = k->output_status & ST_AUX_FULL;
  bp_pin_set (k->irq1, full && !aux && k->ram[0] & CB_IRQ1);
  bp_pin_set (k->irq12, full && aux && k->ram[0] & CB_IRQ12);
}

static void
put_output (Kbd *k, uint8_t byte, uint8_t extra_status)
{
  k->output = byte;
  k->output_status = ST_OUTPUT_FULL | extra_status;
  update_irqs (k);
}

/* The controller's own answer, which does not wait. */
static void
answer (Kbd *k, uint8_t byte, uint8_t extra_status)
{
  if (k->output_status & ST_OUTPUT_FULL && !k->output_is_own) {
    k->pushed = k->output;
    k->pushed_status = k->output_status;
    k->output_status = 0;
    update_irqs (k);
  }
  k->output_is_own = true;
  put_output (k, byte, extra_status);
}

/* False: the byte was a prefix that translation swallowed. */
static bool
translate (Kbd *k, uint8_t *byte)
{
  if (!(k->ram[0] & CB_TRANSLATE))
    return true;
  if (*byte == BREAK) {
    k->break_prefix = true;
    return false;
  }
  *byte = ps2_set1_of (*byte);
  if (k->break_prefix)
    *byte |= 0x80;
  k->break_prefix = false;
  return true;
}

/* --- the ports ---------------------------------------------------------------------------- */

static int64_t now (const Kbd *k) { return bp_clock_now (bp_object_machine (k), BP_CLOCK_VIRTUAL); }

/* A device may send while its clock is not held. */
static bool
can_send (const Kbd *k, unsigned port)
{
  return k->device[port] && !ps2_is_empty (k->device[port]) && !(k->ram[0] & (port == AUX ? CB_NO_AUX : CB_NO_KEYBOARD));
}

/* Both clocks are held while the output buffer is full; then the next byte takes its time on the wire. */
static void
expect_byte (void *self)
{
  Kbd *k = self;
  int64_t soonest = INT64_MAX;
  for (unsigned port = 0; port < PORTS; port++)
    if (can_send (k, port))
      soonest = MIN (soonest, MAX (now (k) + PS2_WIRE_NS, (int64_t) k->device[port]->not_before));
  if (soonest == INT64_MAX || k->output_status & ST_OUTPUT_FULL)
    bp_timer_cancel (k->wire);
  else if (!bp_timer_is_armed (k->wire) || bp_timer_expiry (k->wire) > soonest)
    bp_timer_arm (k->wire, soonest);
}

static bool is_due (const Kbd *k, unsigned port) { return can_send (k, port) && (int64_t) k->device[port]->not_before <= now (k); }

static void
take_byte (Kbd *k)
{
  unsigned first = k->aux_last ? KEYBOARD : AUX, port = is_due (k, first) ? first : !first;
  if (k->output_status & ST_OUTPUT_FULL || !is_due (k, port))
    return;
  uint8_t byte = ps2_take (k->device[port]);
  k->aux_last = port == AUX;
  k->output_is_own = false;
  if (port == AUX)
    put_output (k, byte, ST_AUX_FULL);
  else if (translate (k, &byte))
    put_output (k, byte, 0);
}

static void
byte_arrived (void *user)
{
  take_byte (user);
  expect_byte (user);
}

static void
to_device (Kbd *k, unsigned port, uint8_t value)
{
  k->ram[0] &= (uint8_t) ~(port == AUX ? CB_NO_AUX : CB_NO_KEYBOARD);   /* to send, the clock is released */
  if (k->device[port])
    k->device[port]->ops->receive (k->device[port], value);
  else                          /* nobody answers in time */
    answer (k, PS2_NAK, (port == AUX ? ST_AUX_FULL : 0) | ST_TIMEOUT);
}

/* --- events (input) ------------------------------------------------------------------------- */

static uint32_t
input_kinds (void *self)
{
  const Kbd *k = self;
  return (k->has_keyboard && k->keyboard.scanning ? BP_INPUT_KEYS : 0u) | (ps2_mouse_listens (&k->mouse) ? BP_INPUT_RELATIVE : 0u);
}

static void
input_key (void *self, unsigned code, bool down)
{
  Kbd *k = self;
  if (k->has_keyboard)
    ps2_keyboard_key (&k->keyboard, code, down);
}

static void
input_relative (void *self, int dx, int dy, int wheel, uint32_t buttons)
{
  Kbd *k = self;
  ps2_mouse_move (&k->mouse, dx, dy, wheel, buttons);
}

static void
input_release (void *self)
{
  Kbd *k = self;
  if (k->has_keyboard)
    ps2_keyboard_release (&k->keyboard);
  ps2_mouse_move (&k->mouse, 0, 0, 0, 0);
}

/* --- guest access -------------------------------------------------------------------- */

static void follow_gate (Kbd *k) { bp_pin_set (k->a20, k->port & OP_A20); }

static void
write_output_port (Kbd *k, uint8_t value)
{
  k->port = value & (uint8_t) ~(OP_OUTPUT_FULL | OP_AUX_FULL);
  follow_gate (k);
  if (!(value & OP_NOT_RESET))
    bp_machine_request_reset (bp_object_machine (k), "keyboard controller");
}

static void
write_command_byte (Kbd *k, uint8_t value)
{
  k->ram[0] = value;
  update_irqs (k);
}

static uint8_t
output_port (const Kbd *k)
{
  uint8_t full = k->output_status & ST_OUTPUT_FULL ? k->output_status & ST_AUX_FULL ? OP_AUX_FULL : OP_OUTPUT_FULL : 0;
  return k->port | full;
}

static void
self_test (Kbd *k)
{
  k->passed_test = true;
  k->ram[0] = CB_SYSTEM | CB_TRANSLATE | CB_NO_KEYBOARD | CB_NO_AUX;
  k->output_status = k->pushed_status = 0;
  k->break_prefix = false;
  answer (k, 0x55, 0);
}

static void
write_command (Kbd *k, uint8_t value)
{
  k->data_command = 0;
  k->last_was_command = true;
  switch (value) {
  case 0x20 ... 0x3f:
    answer (k, k->ram[value & 0x1f], 0);
    break;
  case 0x60 ... 0x7f:
  case 0xd1: case 0xd2: case 0xd3: case 0xd4:
    k->data_command = value;
    break;
  case 0xa5:
    bp_log_unimp (k, "a password");
    k->data_command = value;
    break;
  case 0xa4:                    /* no password is installed */
    answer (k, 0xf1, 0);
    break;
  case 0xa7:
    write_command_byte (k, k->ram[0] | CB_NO_AUX);
    break;
  case 0xa8:
    write_command_byte (k, k->ram[0] & (uint8_t) ~CB_NO_AUX);
    break;
  case 0xa9:                    /* the aux lines are fine: nothing pulls them down */
  case 0xab:
    answer (k, 0x00, 0);
    break;
  case 0xaa:
    self_test (k);
    break;
  case 0xad:
    write_command_byte (k, k->ram[0] | CB_NO_KEYBOARD);
    break;
  case 0xae:
    write_command_byte (k, k->ram[0] & (uint8_t) ~CB_NO_KEYBOARD);
    break;
  case 0xc0:                    /* input port: not locked, colour display, no manufacturing jumper */
    answer (k, 0xb0, 0);
    break;
  case 0xd0:
    answer (k, output_port (k), 0);
    break;
  case 0xdd:                    /* what many controllers added: A20 off and on in one step */
    write_output_port (k, k->port & (uint8_t) ~OP_A20);
    break;
  case 0xdf:
    write_output_port (k, k->port | OP_A20);
    break;
  case 0xe0:                    /* test inputs: both clocks are high unless held */
    answer (k, (uint8_t) ((k->ram[0] & CB_NO_KEYBOARD ? 0 : 1) | (k->ram[0] & CB_NO_AUX ? 0 : 2)), 0);
    break;
  case 0xf0 ... 0xff:           /* pulse the output port's low bits that are 0 here; only bit 0 has an effect in so short a time */
    if (!(value & 1))
      bp_machine_request_reset (bp_object_machine (k), "keyboard controller");
    break;
  default:
    bp_log_unimp (k, "controller command %02x", value);
  }
}

static void
write_data (Kbd *k, uint8_t value)
{
  uint8_t command = k->data_command;
  k->data_command = 0;
  k->last_was_command = false;
  switch (command) {
  case 0:
    to_device (k, KEYBOARD, value);
    break;
  case 0x60:
    write_command_byte (k, value);
    k->passed_test = value & CB_SYSTEM;
    break;
  case 0x61 ... 0x7f:
    k->ram[command & 0x1f] = value;
    break;
  case 0xd1:
    write_output_port (k, value);
    break;
  case 0xd2:
    answer (k, value, 0);
    break;
  case 0xd3:
    answer (k, value, ST_AUX_FULL);
    break;
  case 0xd4:
    to_device (k, AUX, value);
    break;
  case 0xa5:                    /* up to the zero at its end */
    k->data_command = value ? command : 0;
    break;
  }
}

static uint64_t
data_read (void *self, uint64_t offset, unsigned size)
{
  Kbd *k = self;
  uint8_t byte = k->output;
  if (k->output_status & ST_OUTPUT_FULL) {
    k->output_status = 0;
    update_irqs (k);
    k->output_is_own = false;
    if (k->pushed_status)
      put_output (k, k->pushed, k->pushed_status & (uint8_t) ~ST_OUTPUT_FULL);
    k->pushed_status = 0;
    expect_byte (k);
  }
  return byte;
}

static void
data_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Kbd *k = self;
  write_data (k, (uint8_t) value);
  expect_byte (k);
}

static uint64_t
status_read (void *self, uint64_t offset, unsigned size)
{
  const Kbd *k = self;
  return (uint64_t) (k->output_status | (k->passed_test ? ST_SYSTEM : 0) | (k->last_was_command ? ST_COMMAND : 0) | ST_UNLOCKED);
}

static void
command_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Kbd *k = self;
  write_command (k, (uint8_t) value);
  expect_byte (k);
}

/* --- the gate, as port 0x92 has it ------------------------------------------------------------ */

static void
gate_set (void *self, bool open)
{
  Kbd *k = self;
  k->port = (uint8_t) ((k->port & ~OP_A20) | (open ? OP_A20 : 0));
  follow_gate (k);
}

static bool gate_is_open (void *self) { return ((const Kbd *) self)->port & OP_A20; }

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static bool
kbd_realize (void *self, GError **error)
{
  Kbd *k = self;
  ps2_keyboard_init (&k->keyboard, k, expect_byte);
  ps2_mouse_init (&k->mouse, k, expect_byte);
  k->device[KEYBOARD] = k->has_keyboard ? &k->keyboard.dev : NULL;
  k->device[AUX] = k->mouse.model == PS2_MOUSE_NONE ? NULL : &k->mouse.dev;
  k->wire = bp_timer_new (k, BP_CLOCK_VIRTUAL, byte_arrived, k);
  return true;
}

static void
kbd_unrealize (void *self)
{
  Kbd *k = self;
  ps2_keyboard_finish (&k->keyboard);
  ps2_mouse_finish (&k->mouse);
  if (k->wire)
    bp_timer_cancel (k->wire);
  g_clear_pointer (&k->wire, bp_timer_free);
}

/* The command byte is as firmware leaves it, so that a program which is started without firmware finds a keyboard that works. */
static void
kbd_reset (void *self, BpResetKind kind)
{
  Kbd *k = self;
  memset (k->ram, 0, sizeof k->ram);
  k->ram[0] = CB_IRQ1 | CB_TRANSLATE | CB_NO_AUX;
  k->output = k->output_status = k->data_command = 0;
  k->last_was_command = false;
  if (kind == BP_RESET_COLD)
    k->passed_test = false;
  k->pushed = k->pushed_status = 0;
  k->output_is_own = k->break_prefix = k->aux_last = false;
  bp_timer_cancel (k->wire);
  ps2_keyboard_reset (&k->keyboard);
  ps2_mouse_reset (&k->mouse);
  k->port = OP_LINES | OP_AUX_IDLE | OP_A20 | OP_NOT_RESET;
  update_irqs (k);
  follow_gate (k);
}

static bool
kbd_post_load (void *self, GError **error)
{
  Kbd *k = self;
  ps2_keyboard_post_load (&k->keyboard);
  ps2_mouse_post_load (&k->mouse);
  update_irqs (k);
  follow_gate (k);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpRegionOps data_ops = BP_REGION_OPS (.read = data_read, .write = data_write, .impl_max = 1);
static const BpRegionOps command_ops = BP_REGION_OPS (.read = status_read, .write = command_write, .impl_max = 1);

static const BpRegionDesc kbd_regions[] = {
  BP_REGION_DESC ("pio0", Kbd, data_port, &data_ops, 1, "Data: output buffer and input buffer, 0x60 in a PC."),
  BP_REGION_DESC ("pio1", Kbd, command_port, &command_ops, 1, "Status and command, 0x64 in a PC."),
  BP_REGION_DESC_END
};

static const BpPinDesc kbd_pins[] = {
  BP_PIN_DESC_OUT ("irq1", Kbd, irq1, 0, "Output buffer full by the keyboard, IRQ 1 in a PC."),
  BP_PIN_DESC_OUT ("irq12", Kbd, irq12, 0, "Output buffer full by the aux device, IRQ 12 in a PC."),
  BP_PIN_DESC_OUT ("a20", Kbd, a20, 0, "Bit 1 of the output port: 1 lets address line 20 through."),
  BP_PIN_DESC_END
};

static const char *const mouse_models[] = { "none", "standard", "wheel", "explorer", NULL };

static const BpProperty kbd_properties[] = {
  BP_PROP_BOOL ("keyboard", Kbd, has_keyboard, true, "Whether a keyboard is plugged in."),
  BP_PROP_ENUM ("mouse", Kbd, mouse.model, PS2_MOUSE_EXPLORER, mouse_models,
                "The mouse that is plugged in: none, standard (3 buttons), wheel (IntelliMouse) or explorer (IntelliMouse Explorer: wheel and 5 buttons)."),
  BP_PROP_END
};

static const BpInputIface input_iface = { .struct_size = sizeof (BpInputIface), .kinds = input_kinds, .key = input_key, .relative = input_relative,
                                          .release = input_release };
static const A20GateIface gate_iface = { .struct_size = sizeof (A20GateIface), .set = gate_set, .is_open = gate_is_open };
static const BpInterfaceDesc kbd_interfaces[] = { { BP_INPUT_ID, &input_iface }, { A20_GATE_ID, &gate_iface }, { NULL, NULL } };

static const BpStateField kbd_state[] = {
  BP_STATE_FIELD_BYTES (Kbd, ram), BP_STATE_FIELD_U8 (Kbd, output), BP_STATE_FIELD_U8 (Kbd, output_status), BP_STATE_FIELD_U8 (Kbd, pushed),
  BP_STATE_FIELD_U8 (Kbd, pushed_status), BP_STATE_FIELD_BOOL (Kbd, output_is_own), BP_STATE_FIELD_U8 (Kbd, port),
  BP_STATE_FIELD_U8 (Kbd, data_command), BP_STATE_FIELD_BOOL (Kbd, last_was_command), BP_STATE_FIELD_BOOL (Kbd, passed_test),
  BP_STATE_FIELD_BOOL (Kbd, break_prefix), BP_STATE_FIELD_BOOL (Kbd, aux_last), BP_STATE_FIELD_STRUCTS (Kbd, keyboard, 1, ps2_keyboard_state),
  BP_STATE_FIELD_STRUCTS (Kbd, mouse, 1, ps2_mouse_state), BP_STATE_FIELD_TIMER (Kbd, wire), BP_STATE_END
};

const BpTypeDesc i8042_type = {
  BP_TYPE ("i8042", BP_KIND_DEVICE, Kbd),
  .description = "Intel 8042 keyboard controller with a PS/2 keyboard and a PS/2 mouse",
  .properties = kbd_properties,
  .regions = kbd_regions,
  .pins = kbd_pins,
  .interfaces = kbd_interfaces,
  .state_version = 2,
  .state_minimum = 2,
  .state = kbd_state,
  .realize = kbd_realize,
  .reset = kbd_reset,
  .unrealize = kbd_unrealize,
  .post_load = kbd_post_load,
};
