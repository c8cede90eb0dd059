/* kbd-i8042.c -- Intel 8042 keyboard controller of the PC/AT, with a PS/2 keyboard (IBM PS/2 Technical Reference, 1990) and no mouse. */
/* SPDX-License-Identifier: MIT */
#include "kbd-i8042.h"
#include <string.h>
#include "hw-pc.h"

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
enum { REPLY_ACK = 0xfa, REPLY_RESEND = 0xfe, REPLY_ECHO = 0xee, REPLY_TEST_PASSED = 0xaa, BREAK = 0xf0, OVERRUN = 0x00 };

#define RAM_SIZE 32             /* byte 0 is the command byte */
#define QUEUE_SIZE 32
#define SCAN_ROOM 16            /* of the queue, for scan codes; the rest is for replies */

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Kbd {
  /* the controller */
  uint8_t ram[RAM_SIZE];
  uint8_t output;               /* the output buffer, and what it says about itself: ST_OUTPUT_FULL, ST_AUX_FULL, ST_TIMEOUT */
  uint8_t output_status;
  uint8_t port;                 /* output port, bits 4 and 5 left out */
  uint8_t data_command;         /* the command whose data byte port 0x60 gets next; 0: the byte is for the keyboard */
  bool last_was_command, passed_test;
  bool break_prefix;            /* translation: F0 has come, the code follows */
  /* the keyboard */
  uint8_t queue[QUEUE_SIZE], queue_head, queue_count;
  uint8_t last_sent, waiting_for;       /* the command whose parameter comes next */
  uint8_t leds, rate, scan_set;
  bool scanning, overrun;
  BpPin *irq1, *irq12, *a20;
  BpRegion *data_port, *command_port;
} Kbd;

/* Scan codes of set 2 below 0x85 as the controller translates them to set 1 (Technical Reference, keyboard section).  Others pass. */
static const uint8_t set1_of[0x85] = {
  0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
  0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
  0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
  0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
  0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
  0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
  0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
  0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
  0x80, 0x81, 0x82, 0x41, 0x54
};

/* --- controller: the output buffer ------------------------------------------------ */

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
  if (*byte < sizeof set1_of)
    *byte = set1_of[*byte];
  if (k->break_prefix)
    *byte |= 0x80;
  k->break_prefix = false;
  return true;
}

/* The keyboard may send while its clock is not held and the buffer is empty. */
static void
take_from_keyboard (Kbd *k)
{
  while (k->queue_count && !(k->output_status & ST_OUTPUT_FULL) && !(k->ram[0] & CB_NO_KEYBOARD)) {
    uint8_t byte = k->queue[k->queue_head];
    k->queue_head = (uint8_t) ((k->queue_head + 1) % QUEUE_SIZE);
    k->queue_count--;
    k->last_sent = byte;
    if (translate (k, &byte))
      put_output (k, byte, 0);
  }
  if (!k->queue_count)
    k->overrun = false;
}

/* --- keyboard ------------------------------------------------------------------------ */

static void
send (Kbd *k, uint8_t byte)
{
  if (k->queue_count == QUEUE_SIZE)
    return;
  k->queue[(k->queue_head + k->queue_count++) % QUEUE_SIZE] = byte;
}

static void
set_defaults (Kbd *k)
{
  k->queue_head = k->queue_count = 0;
  k->rate = 0x2b;
  k->scan_set = 2;
  k->waiting_for = 0;
  k->break_prefix = k->overrun = false;
}

static void
take_parameter (Kbd *k, uint8_t value)
{
  uint8_t command = k->waiting_for;
  k->waiting_for = 0;
  if (command == 0xf0 && value > 3) {
    send (k, REPLY_RESEND);
    return;
  }
  send (k, REPLY_ACK);
  if (command == 0xed)
    k->leds = value & 7;
  else if (command == 0xf3)
    k->rate = value & 0x7f;
  else if (value == 0)
    send (k, k->scan_set);
  else
    k->scan_set = value;
}

static void
to_keyboard (Kbd *k, uint8_t value)
{
  if (k->waiting_for && value < 0xed) {
    take_parameter (k, value);
    return;
  }
  k->waiting_for = 0;
  switch (value) {
  case 0xed:                    /* lamps */
  case 0xf0:                    /* scan code set */
  case 0xf3:                    /* typematic rate */
    k->waiting_for = value;
    break;
  case 0xee:
    send (k, REPLY_ECHO);
    return;
  case 0xf2:                    /* identify: an MF2 keyboard */
    send (k, REPLY_ACK);
    send (k, 0xab);
    send (k, 0x83);
    return;
  case 0xf4:
    k->queue_head = k->queue_count = 0;
    k->scanning = true;
    break;
  case 0xf5:
  case 0xf6:
    set_defaults (k);
    k->scanning = value == 0xf6;
    break;
  case 0xf7: case 0xf8: case 0xf9: case 0xfa:   /* typematic and make/break of all keys: set 3 alone uses them */
    break;
  case 0xfe:
    send (k, k->last_sent);
    return;
  case 0xff:
    set_defaults (k);
    k->leds = 0;
    k->scanning = true;
    send (k, REPLY_ACK);
    send (k, REPLY_TEST_PASSED);
    return;
  default:
    bp_log_guest (k, "keyboard command %02x is unknown", value);
    send (k, REPLY_RESEND);
    return;
  }
  send (k, REPLY_ACK);
}

/* --- events (input, timers) ------------------------------------------------------- */

bool
i8042_send_codes (void *self, const uint8_t *codes, unsigned n)
{
  Kbd *k = self;
  if (!k->scanning || k->overrun)
    return false;
  if (k->queue_count + n > SCAN_ROOM) {
    k->overrun = true;
    send (k, OVERRUN);
    return false;
  }
  for (unsigned i = 0; i < n; i++)
    send (k, codes[i]);
  take_from_keyboard (k);
  return true;
}

/* --- guest access -------------------------------------------------------------------- */

static void
write_output_port (Kbd *k, uint8_t value)
{
  k->port = value & (uint8_t) ~(OP_OUTPUT_FULL | OP_AUX_FULL);
  bp_pin_set (k->a20, value & OP_A20);
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
  put_output (k, 0x55, 0);
}

static void
write_command (Kbd *k, uint8_t value)
{
  k->data_command = 0;
  k->last_was_command = true;
  switch (value) {
  case 0x20 ... 0x3f:
    put_output (k, k->ram[value & 0x1f], 0);
    break;
  case 0x60 ... 0x7f:
  case 0xd1: case 0xd2: case 0xd3: case 0xd4:
    k->data_command = value;
    break;
  case 0xa4:                    /* no password is installed */
    put_output (k, 0xf1, 0);
    break;
  case 0xa7:
    write_command_byte (k, k->ram[0] | CB_NO_AUX);
    break;
  case 0xa8:
    write_command_byte (k, k->ram[0] & (uint8_t) ~CB_NO_AUX);
    break;
  case 0xa9:                    /* the aux lines are fine: nothing pulls them down */
  case 0xab:
    put_output (k, 0x00, 0);
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
    put_output (k, 0xb0, 0);
    break;
  case 0xd0:
    put_output (k, output_port (k), 0);
    break;
  case 0xdd:                    /* what many controllers added: A20 off and on in one step */
    write_output_port (k, k->port & (uint8_t) ~OP_A20);
    break;
  case 0xdf:
    write_output_port (k, k->port | OP_A20);
    break;
  case 0xe0:                    /* test inputs: both clocks are high unless held */
    put_output (k, (uint8_t) ((k->ram[0] & CB_NO_KEYBOARD ? 0 : 1) | (k->ram[0] & CB_NO_AUX ? 0 : 2)), 0);
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
    write_command_byte (k, k->ram[0] & (uint8_t) ~CB_NO_KEYBOARD);      /* to send, the clock is released */
    to_keyboard (k, value);
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
    put_output (k, value, 0);
    break;
  case 0xd3:
    put_output (k, value, ST_AUX_FULL);
    break;
  case 0xd4:                    /* there is no mouse to answer */
    put_output (k, REPLY_RESEND, ST_AUX_FULL | ST_TIMEOUT);
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
    take_from_keyboard (k);
  }
  return byte;
}

static void
data_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Kbd *k = self;
  write_data (k, (uint8_t) value);
  take_from_keyboard (k);
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
  take_from_keyboard (k);
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

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
  set_defaults (k);
  k->leds = k->last_sent = 0;
  k->scanning = true;
  k->port = OP_LINES | OP_AUX_IDLE | OP_A20 | OP_NOT_RESET;
  update_irqs (k);
  bp_pin_set (k->a20, 1);
}

static bool
kbd_post_load (void *self, GError **error)
{
  Kbd *k = self;
  k->queue_head %= QUEUE_SIZE;
  k->queue_count = MIN (k->queue_count, QUEUE_SIZE);
  update_irqs (k);
  bp_pin_set (k->a20, k->port & OP_A20);
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

static const BpStateField kbd_state[] = {
  BP_STATE_FIELD_BYTES (Kbd, ram), BP_STATE_FIELD_U8 (Kbd, output), BP_STATE_FIELD_U8 (Kbd, output_status), BP_STATE_FIELD_U8 (Kbd, port),
  BP_STATE_FIELD_U8 (Kbd, data_command), BP_STATE_FIELD_BOOL (Kbd, last_was_command), BP_STATE_FIELD_BOOL (Kbd, passed_test),
  BP_STATE_FIELD_BOOL (Kbd, break_prefix), BP_STATE_FIELD_BYTES (Kbd, queue), BP_STATE_FIELD_U8 (Kbd, queue_head),
  BP_STATE_FIELD_U8 (Kbd, queue_count), BP_STATE_FIELD_U8 (Kbd, last_sent), BP_STATE_FIELD_U8 (Kbd, waiting_for), BP_STATE_FIELD_U8 (Kbd, leds),
  BP_STATE_FIELD_U8 (Kbd, rate), BP_STATE_FIELD_U8 (Kbd, scan_set), BP_STATE_FIELD_BOOL (Kbd, scanning), BP_STATE_FIELD_BOOL (Kbd, overrun),
  BP_STATE_END
};

const BpTypeDesc i8042_type = {
  BP_TYPE ("i8042", BP_KIND_DEVICE, Kbd),
  .description = "Intel 8042 keyboard controller with a PS/2 keyboard",
  .regions = kbd_regions,
  .pins = kbd_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = kbd_state,
  .reset = kbd_reset,
  .post_load = kbd_post_load,
};
