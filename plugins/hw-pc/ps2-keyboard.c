/* ps2-keyboard.c -- an MF2 keyboard: scan code sets 1 to 3, typematic repeat, commands (IBM PS/2 Technical Reference, 1990, keyboards). */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include <linux/input-event-codes.h>
#include <string.h>
#include "ps2.h"

/* --- the keys ------------------------------------------------------------------- */

typedef enum Shape { SHAPE_NONE, SHAPE_PLAIN, SHAPE_EXTENDED, SHAPE_NAVIGATION, SHAPE_SLASH, SHAPE_PRINT, SHAPE_PAUSE } Shape;
typedef enum Stroke { MAKE, REPEAT, RELEASE } Stroke;
enum { MODE_MAKE = 0, MODE_BREAK = 1, MODE_REPEAT = 2, MODE_BOTH = MODE_BREAK, MODE_TYPEMATIC = MODE_BREAK | MODE_REPEAT };

typedef struct Key {
  uint8_t set2, set3, shape, mode;
} Key;

static const Key keys[PS2_KEYS] = {
#define KEY(name_, set2_, set3_, shape_, mode_) [KEY_##name_] = { set2_, set3_, SHAPE_##shape_, MODE_##mode_ },
#include "ps2-keys.def"
#undef KEY
};

enum { BREAK = 0xf0, E0 = 0xe0, E1 = 0xe1, SHIFT_LEFT = 0x12, SHIFT_RIGHT = 0x59, SYSRQ = 0x84, CONTROL = 0x14, CTRL_BREAK = 0x7e };
enum { LED_NUM = 2, RATE_DEFAULT = 0x2b, LOWEST_COMMAND = 0xed };

/* Codes of set 1 for those of set 2 below 0x85, whether the keyboard sends them or its controller translates (Technical Reference, keyboard section).  Others pass. */
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

uint8_t
ps2_set1_of (uint8_t set2)
{
  return set2 < sizeof set1_of ? set1_of[set2] : set2;
}

#define SCAN_ROOM 16            /* the buffer, and one for the code that says that it was too small */
#define STROKE_ROOM 16
#define STROKE_UP 0x8000

/* --- strokes as bytes ------------------------------------------------------------------ */

typedef struct Bytes {
  uint8_t byte[STROKE_ROOM], n;
} Bytes;

static void add (Bytes *b, uint8_t byte) { b->byte[b->n++] = byte; }

static void
add_code (Bytes *b, bool extended, bool release, uint8_t code)
{
  if (extended)
    add (b, E0);
  if (release)
    add (b, BREAK);
  add (b, code);
}

static bool is_held (const Ps2Keyboard *k, unsigned code) { return k->held[code / 8] >> code % 8 & 1; }
static bool shift_is_held (const Ps2Keyboard *k) { return is_held (k, KEY_LEFTSHIFT) || is_held (k, KEY_RIGHTSHIFT); }
static bool control_is_held (const Ps2Keyboard *k) { return is_held (k, KEY_LEFTCTRL) || is_held (k, KEY_RIGHTCTRL); }
static bool alt_is_held (const Ps2Keyboard *k) { return is_held (k, KEY_LEFTALT) || is_held (k, KEY_RIGHTALT); }

/* For programs that know the numeric pad alone: shift seems to be let go of around the key, and pressed again. */
static void
add_without_shift (Bytes *b, const Ps2Keyboard *k, Stroke stroke, uint8_t code)
{
  bool left = is_held (k, KEY_LEFTSHIFT), right = is_held (k, KEY_RIGHTSHIFT);
  if (stroke == MAKE && left)
    add_code (b, true, true, SHIFT_LEFT);
  if (stroke == MAKE && right)
    add_code (b, true, true, SHIFT_RIGHT);
  add_code (b, true, stroke == RELEASE, code);
  if (stroke == RELEASE && left)
    add_code (b, true, false, SHIFT_LEFT);
  if (stroke == RELEASE && right)
    add_code (b, true, false, SHIFT_RIGHT);
}

static void
add_with_shift (Bytes *b, Stroke stroke, uint8_t code)
{
  if (stroke == MAKE)
    add_code (b, true, false, SHIFT_LEFT);
  add_code (b, true, stroke == RELEASE, code);
  if (stroke == RELEASE)
    add_code (b, true, true, SHIFT_LEFT);
}

static void
add_navigation (Bytes *b, const Ps2Keyboard *k, Stroke stroke, uint8_t code)
{
  if (shift_is_held (k) && !(k->leds & LED_NUM))
    add_without_shift (b, k, stroke, code);
  else if (!shift_is_held (k) && k->leds & LED_NUM)
    add_with_shift (b, stroke, code);
  else
    add_code (b, true, stroke == RELEASE, code);
}

static void
add_print (Bytes *b, Ps2Keyboard *k, Stroke stroke, uint8_t code)
{
  if (stroke == MAKE)
    k->print_is_sysrq = alt_is_held (k);
  if (k->print_is_sysrq)
    add_code (b, false, stroke == RELEASE, SYSRQ);
  else if (control_is_held (k) || shift_is_held (k))
    add_code (b, true, stroke == RELEASE, code);
  else
    add_with_shift (b, stroke, code);
}

/* It says press and release at once. */
static void
add_pause (Bytes *b, const Ps2Keyboard *k, Stroke stroke, uint8_t code)
{
  if (stroke != MAKE)
    return;
  if (control_is_held (k)) {
    add_code (b, true, false, CTRL_BREAK);
    add_code (b, true, true, CTRL_BREAK);
    return;
  }
  for (unsigned release = 0; release < 2; release++) {
    add (b, E1);
    add_code (b, false, release, CONTROL);
    add_code (b, false, release, code);
  }
}

static void
add_set2 (Bytes *b, Ps2Keyboard *k, const Key *key, Stroke stroke)
{
  switch ((Shape) key->shape) {
  case SHAPE_NONE:
    break;
  case SHAPE_PLAIN:
  case SHAPE_EXTENDED:
    add_code (b, key->shape == SHAPE_EXTENDED, stroke == RELEASE, key->set2);
    break;
  case SHAPE_NAVIGATION:
    add_navigation (b, k, stroke, key->set2);
    break;
  case SHAPE_SLASH:
    add_without_shift (b, k, stroke, key->set2);
    break;
  case SHAPE_PRINT:
    add_print (b, k, stroke, key->set2);
    break;
  case SHAPE_PAUSE:
    add_pause (b, k, stroke, key->set2);
    break;
  }
}

static void
make_set1 (Bytes *b)
{
  Bytes from = *b;
  uint8_t release = 0;
  b->n = 0;
  for (unsigned i = 0; i < from.n; i++) {
    uint8_t byte = from.byte[i];
    if (byte == BREAK)
      release = 0x80;
    else if (byte == E0 || byte == E1)
      add (b, byte);
    else {
      add (b, ps2_set1_of (byte) | release);
      release = 0;
    }
  }
}

static Bytes
bytes_of (Ps2Keyboard *k, unsigned code, Stroke stroke)
{
  const Key *key = &keys[code];
  Bytes b = { .n = 0 };
  if (k->set != 3)
    add_set2 (&b, k, key, stroke);
  else if (key->set3 && (stroke != RELEASE || k->modes[key->set3] & MODE_BREAK))
    add_code (&b, false, stroke == RELEASE, key->set3);
  if (k->set == 1)
    make_set1 (&b);
  return b;
}

/* --- typematic repeat --------------------------------------------------------------------- */

static bool
repeats (const Ps2Keyboard *k, unsigned code)
{
  return k->set == 3 ? keys[code].set3 && k->modes[keys[code].set3] & MODE_REPEAT : keys[code].shape != SHAPE_PAUSE;
}

static void
stop_repeating (Ps2Keyboard *k)
{
  k->repeating = 0;
  bp_timer_cancel (k->repeat);
}

/* Bits 5 and 6: a quarter of a second each; bits 0 to 4: (8 + A) * 2^B * 1/240 s. */
static int64_t delay_ns (const Ps2Keyboard *k) { return ((k->rate >> 5 & 3) + 1) * BP_NS_PER_SECOND / 4; }
static int64_t period_ns (const Ps2Keyboard *k) { return ((8 + (k->rate & 7)) << (k->rate >> 3 & 3)) * BP_NS_PER_SECOND / 240; }

/* Never into a buffer that the guest is slow to empty. */
static void
repeat (void *user)
{
  Ps2Keyboard *k = user;
  if (!k->repeating)
    return;
  Bytes b = bytes_of (k, k->repeating, REPEAT);
  for (unsigned i = 0, waits = k->dev.data_count; !waits && i < b.n; i++)
    ps2_send (&k->dev, b.byte[i]);
  bp_timer_arm (k->repeat, ps2_now (&k->dev) + period_ns (k));
}

/* --- events (input, timers) ------------------------------------------------------------------ */

static void
mark (Ps2Keyboard *k, unsigned code, bool down)
{
  if (down)
    k->held[code / 8] |= (uint8_t) (1 << code % 8);
  else
    k->held[code / 8] &= (uint8_t) ~(1 << code % 8);
}

static void
stroke_done (Ps2Keyboard *k, unsigned code, bool down)
{
  mark (k, code, down);
  if (down && repeats (k, code)) {
    k->repeating = (uint16_t) code;
    bp_timer_arm (k->repeat, ps2_now (&k->dev) + delay_ns (k));
  } else if (down || code == k->repeating)
    stop_repeating (k);
}

/* What waits goes into the buffer as far as there is room for whole strokes. */
static void
type_waiting (Ps2Keyboard *k)
{
  unsigned done = 0;
  for (; done < k->waiting_count; done++) {
    unsigned code = k->waiting[done] & 0xff;
    bool down = !(k->waiting[done] & STROKE_UP);
    if (is_held (k, code) == down)
      continue;
    Bytes b = bytes_of (k, code, down ? MAKE : RELEASE);
    if (k->dev.data_count + b.n > SCAN_ROOM)
      break;
    stroke_done (k, code, down);
    for (unsigned i = 0; i < b.n; i++)
      ps2_send (&k->dev, b.byte[i]);
  }
  k->waiting_count = (uint8_t) (k->waiting_count - done);
  memmove (k->waiting, k->waiting + done, k->waiting_count * sizeof k->waiting[0]);
}

/* The buffer's last byte is for this. */
static void
overrun (Ps2Keyboard *k)
{
  if (!k->overrun)
    ps2_send (&k->dev, k->set == 1 ? 0xff : 0x00);
  k->overrun = true;
}

void
ps2_keyboard_key (Ps2Keyboard *k, unsigned code, bool down)
{
  if (code >= PS2_KEYS || keys[code].shape == SHAPE_NONE || !k->scanning)
    return;
  if (k->waiting_count == PS2_WAITING) {
    overrun (k);
    return;
  }
  k->waiting[k->waiting_count++] = (uint16_t) (code | (down ? 0 : STROKE_UP));
  type_waiting (k);
}

/* What nobody has room for is not typed at all. */
void
ps2_keyboard_release (Ps2Keyboard *k)
{
  uint8_t down[sizeof k->held];
  memcpy (down, k->held, sizeof down);
  for (unsigned i = 0; i < k->waiting_count; i++)
    if (!(k->waiting[i] & STROKE_UP))
      down[(k->waiting[i] & 0xff) / 8] |= (uint8_t) (1 << (k->waiting[i] & 7));
  if (k->waiting_count > PS2_WAITING / 2) {
    k->waiting_count = 0;
    memcpy (down, k->held, sizeof down);
  }
  for (unsigned code = 0; code < PS2_KEYS; code++)
    if (down[code / 8] >> code % 8 & 1)
      ps2_keyboard_key (k, code, false);
}

/* --- commands ------------------------------------------------------------------------------------ */

static void
forget_strokes (Ps2Keyboard *k)
{
  ps2_clear_data (&k->dev);
  k->waiting_count = 0;
  k->overrun = false;
  stop_repeating (k);
}

/* Keys that go up meanwhile are not noticed. */
static void
stop_scanning (Ps2Keyboard *k)
{
  k->scanning = false;
  memset (k->held, 0, sizeof k->held);
}

static void
set_all_modes (Ps2Keyboard *k, uint8_t mode)
{
  memset (k->modes, mode, sizeof k->modes);
}

static void
set_defaults (Ps2Keyboard *k)
{
  forget_strokes (k);
  k->rate = RATE_DEFAULT;
  k->set = 2;
  k->command = 0;
  set_all_modes (k, MODE_MAKE);
  for (unsigned code = 0; code < PS2_KEYS; code++)
    if (keys[code].set3)
      k->modes[keys[code].set3] = keys[code].mode;
}

/* For 0xfb to 0xfd: the codes of set 3 that get another mode, until the next command. */
static void
set_mode (Ps2Keyboard *k, uint8_t code)
{
  static const uint8_t modes[] = { MODE_REPEAT, MODE_BOTH, MODE_MAKE };
  if (code >= PS2_SET3_CODES) {
    ps2_reply (&k->dev, PS2_NAK);
    return;
  }
  k->modes[code] = modes[k->command - 0xfb];
  ps2_reply (&k->dev, PS2_ACK);
}

static void
choose_set (Ps2Keyboard *k, uint8_t set)
{
  if (set > 3) {
    ps2_reply (&k->dev, PS2_NAK);
    return;
  }
  ps2_reply (&k->dev, PS2_ACK);
  if (set == 0) {
    ps2_reply (&k->dev, k->set);
    return;
  }
  forget_strokes (k);
  k->set = set;
}

static bool
has_parameter (uint8_t command)
{
  return command == 0xed || command == 0xf0 || command == 0xf3 || (command >= 0xfb && command <= 0xfd);
}

static void
take_parameter (Ps2Keyboard *k, uint8_t value)
{
  uint8_t command = k->command;
  if (command >= 0xfb) {
    set_mode (k, value);
    return;
  }
  k->command = 0;
  switch (command) {
  case 0xed:
    k->leds = value & 7;
    ps2_reply (&k->dev, PS2_ACK);
    break;
  case 0xf0:
    choose_set (k, value);
    break;
  case 0xf3:
    k->rate = value & 0x7f;
    ps2_reply (&k->dev, PS2_ACK);
    break;
  }
}

static void
identify (Ps2Keyboard *k)
{
  ps2_reply (&k->dev, PS2_ACK);
  ps2_reply (&k->dev, 0xab);
  ps2_reply (&k->dev, 0x83);
}

static void
take_command (Ps2Keyboard *k, uint8_t value)
{
  static const uint8_t modes[] = { MODE_REPEAT, MODE_BOTH, MODE_MAKE, MODE_TYPEMATIC };
  k->command = 0;
  switch (value) {
  case 0xed:                    /* lamps */
  case 0xf0:                    /* scan code set */
  case 0xf3:                    /* typematic rate */
    k->command = value;
    break;
  case 0xee:
    ps2_reply (&k->dev, 0xee);
    return;
  case 0xf2:
    identify (k);
    return;
  case 0xf4:
    forget_strokes (k);
    k->scanning = true;
    break;
  case 0xf5:
    set_defaults (k);
    stop_scanning (k);
    break;
  case 0xf6:
    set_defaults (k);
    break;
  case 0xf7: case 0xf8: case 0xf9: case 0xfa:
    forget_strokes (k);
    set_all_modes (k, modes[value - 0xf7]);
    break;
  case 0xfb: case 0xfc: case 0xfd:
    forget_strokes (k);
    stop_scanning (k);
    k->command = value;
    break;
  case 0xfe:
    ps2_reply (&k->dev, k->dev.last);
    return;
  case 0xff:
    set_defaults (k);
    stop_scanning (k);
    k->leds = 0;
    k->scanning = true;
    ps2_test (&k->dev);
    return;
  default:
    bp_log_guest (k->dev.object, "keyboard command %02x is unknown", value);
    ps2_reply (&k->dev, PS2_NAK);
    return;
  }
  ps2_reply (&k->dev, PS2_ACK);
}

static void
receive (Ps2Device *dev, uint8_t value)
{
  Ps2Keyboard *k = (Ps2Keyboard *) dev;
  ps2_abort_test (dev);
  if (k->command && value < LOWEST_COMMAND)
    take_parameter (k, value);
  else
    take_command (k, value);
}

static void
taken (Ps2Device *dev)
{
  Ps2Keyboard *k = (Ps2Keyboard *) dev;
  if (ps2_test_ends (dev))
    ps2_reply (dev, PS2_TEST_PASSED);
  if (!dev->data_count)
    k->overrun = false;
  if (!k->overrun)
    type_waiting (k);
}

/* --- life cycle ---------------------------------------------------------------------------------------- */

void
ps2_keyboard_init (Ps2Keyboard *k, void *object, void (*wake) (void *object))
{
  static const Ps2Ops ops = { receive, taken };
  k->dev.ops = &ops;
  k->dev.object = object;
  k->dev.wake = wake;
  k->repeat = bp_timer_new (object, BP_CLOCK_VIRTUAL, repeat, k);
}

void
ps2_keyboard_finish (Ps2Keyboard *k)
{
  if (k->repeat)
    bp_timer_cancel (k->repeat);
  g_clear_pointer (&k->repeat, bp_timer_free);
}

/* Power-on: the test has passed, and its result is not sent to a controller that was not there yet. */
void
ps2_keyboard_reset (Ps2Keyboard *k)
{
  ps2_clear (&k->dev);
  set_defaults (k);
  memset (k->held, 0, sizeof k->held);
  k->print_is_sysrq = false;
  k->leds = k->dev.last = 0;
  k->scanning = true;
}

void
ps2_keyboard_post_load (Ps2Keyboard *k)
{
  ps2_post_load (&k->dev);
  k->waiting_count = MIN (k->waiting_count, PS2_WAITING);
  k->command = has_parameter (k->command) ? k->command : 0;
  k->set = CLAMP (k->set, 1, 3);
  k->repeating %= PS2_KEYS;
}

const BpStateField ps2_keyboard_state[] = {
  BP_STATE_FIELD_STRUCTS (Ps2Keyboard, dev, 1, ps2_state), BP_STATE_FIELD_U8 (Ps2Keyboard, command),
  BP_STATE_FIELD_U8 (Ps2Keyboard, leds), BP_STATE_FIELD_U8 (Ps2Keyboard, rate), BP_STATE_FIELD_U8 (Ps2Keyboard, set),
  BP_STATE_FIELD_BOOL (Ps2Keyboard, scanning), BP_STATE_FIELD_BOOL (Ps2Keyboard, overrun), BP_STATE_FIELD_BYTES (Ps2Keyboard, modes),
  BP_STATE_FIELD_BYTES (Ps2Keyboard, held), BP_STATE_FIELD_BOOL (Ps2Keyboard, print_is_sysrq),
  BP_STATE_FIELD_ARRAY (BP_STATE_U16, Ps2Keyboard, waiting, PS2_WAITING), BP_STATE_FIELD_U8 (Ps2Keyboard, waiting_count),
  BP_STATE_FIELD_U16 (Ps2Keyboard, repeating), BP_STATE_FIELD_TIMER (Ps2Keyboard, repeat), BP_STATE_END
};
