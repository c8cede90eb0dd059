/* ps2-mouse.c -- a PS/2 mouse, IntelliMouse or IntelliMouse Explorer (IBM PS/2 Technical Reference, 1990; Microsoft's IntelliMouse notes). */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/iface/input.h>
#include <backplane/log.h>
#include "ps2.h"

enum { ID_STANDARD = 0, ID_WHEEL = 3, ID_EXPLORER = 4 };
enum { RATE_DEFAULT = 100, RESOLUTION_DEFAULT = 2 };
enum { FIRST_ALWAYS = 0x08, FIRST_X_NEGATIVE = 0x10, FIRST_Y_NEGATIVE = 0x20, BUTTONS_FIRST = 0x07 };
enum { STATUS_DOUBLED = 0x10, STATUS_REPORTING = 0x20, STATUS_REMOTE = 0x40 };

/* --- packets --------------------------------------------------------------------------------- */

/* What one packet can say of a distance; the rest stays. */
static int
portion (uint32_t *left, int most)
{
  int value = CLAMP ((int32_t) *left, -most, most);
  *left -= (uint32_t) value;
  return value;
}

/* Scaling 2:1 makes fast movements faster. */
static int
doubled (int d)
{
  static const uint8_t small[] = { 0, 1, 1, 3, 6, 9 };
  int size = ABS (d), scaled = size < 6 ? small[size] : MIN (2 * size, 255);
  return d < 0 ? -scaled : scaled;
}

static void
put (Ps2Mouse *m, bool reply, uint8_t byte)
{
  m->last[m->last_count++] = byte;
  if (reply)
    ps2_reply (&m->dev, byte);
  else
    ps2_send (&m->dev, byte);
}

static uint8_t
wheel_byte (const Ps2Mouse *m, Ps2Move *move)
{
  int wheel = portion (&move->wheel, 7);
  if (m->id == ID_WHEEL)
    return (uint8_t) wheel;
  return (uint8_t) ((wheel & 15) | (move->buttons & BP_INPUT_SIDE ? 0x10 : 0) | (move->buttons & BP_INPUT_EXTRA ? 0x20 : 0));
}

/* One packet of a movement; positive y is up. */
static void
put_packet (Ps2Mouse *m, Ps2Move *move, bool reply)
{
  int dx = portion (&move->dx, 255), dy = -portion (&move->dy, 255);
  if (m->doubled && !reply) {
    dx = doubled (dx);
    dy = doubled (dy);
  }
  m->last_count = 0;
  put (m, reply, (uint8_t) (FIRST_ALWAYS | (move->buttons & BUTTONS_FIRST) | (dx < 0 ? FIRST_X_NEGATIVE : 0) | (dy < 0 ? FIRST_Y_NEGATIVE : 0)));
  put (m, reply, (uint8_t) dx);
  put (m, reply, (uint8_t) dy);
  if (m->id != ID_STANDARD)
    put (m, reply, wheel_byte (m, move));
  else
    move->wheel = 0;
  m->buttons = move->buttons;
}

static bool is_done (const Ps2Mouse *m, const Ps2Move *move) { return !move->dx && !move->dy && !move->wheel && move->buttons == m->buttons; }

static void
drop_first (Ps2Mouse *m)
{
  m->move_count--;
  for (unsigned i = 0; i < m->move_count; i++)
    m->moves[i] = m->moves[i + 1];
}

static void
drop_done (Ps2Mouse *m)
{
  while (m->move_count && is_done (m, &m->moves[0]))
    drop_first (m);
}

/* Buttons that changed unseen are a movement too. */
static void
note_buttons (Ps2Mouse *m)
{
  if (!m->move_count && m->held != m->buttons)
    m->moves[m->move_count++] = (Ps2Move) { .buttons = m->held };
}

/* A packet a sample, when the one before has left. */
static void
report (Ps2Mouse *m)
{
  drop_done (m);
  note_buttons (m);
  if (!m->reporting || m->remote || m->wrap || !m->move_count || m->dev.data_count || bp_timer_is_armed (m->sample))
    return;
  put_packet (m, &m->moves[0], false);
  drop_done (m);
  bp_timer_arm (m->sample, ps2_now (&m->dev) + BP_NS_PER_SECOND / m->rate);
}

static void sample (void *user) { report (user); }

/* --- events (input, timers) --------------------------------------------------------------------- */

bool ps2_mouse_listens (const Ps2Mouse *m) { return m->model != PS2_MOUSE_NONE && (m->reporting || m->remote) && !m->wrap; }

static uint8_t
known_buttons (const Ps2Mouse *m, uint32_t buttons)
{
  return buttons & (m->id == ID_EXPLORER ? BP_INPUT_LEFT | BP_INPUT_RIGHT | BP_INPUT_MIDDLE | BP_INPUT_SIDE | BP_INPUT_EXTRA : BUTTONS_FIRST);
}

/* No click is lost to a later one, unless there are many that nobody takes. */
static Ps2Move *
move_with (Ps2Mouse *m, uint8_t buttons)
{
  Ps2Move *last = m->move_count ? &m->moves[m->move_count - 1] : NULL;
  if (last && (last->buttons == buttons || m->move_count == PS2_MOVES)) {
    last->buttons = buttons;
    return last;
  }
  m->moves[m->move_count] = (Ps2Move) { .buttons = buttons };
  return &m->moves[m->move_count++];
}

/* Counters that nobody reads stop somewhere. */
static void
advance (uint32_t *counter, int by)
{
  *counter = (uint32_t) (int32_t) CLAMP ((int64_t) (int32_t) *counter + by, -0x7fff, 0x7fff);
}

void
ps2_mouse_move (Ps2Mouse *m, int dx, int dy, int wheel, uint32_t buttons)
{
  if (!ps2_mouse_listens (m))
    return;
  m->held = known_buttons (m, buttons);
  Ps2Move *move = move_with (m, m->held);
  advance (&move->dx, dx);
  advance (&move->dy, dy);
  if (m->id != ID_STANDARD)
    advance (&move->wheel, wheel);
  report (m);
}

/* --- commands ---------------------------------------------------------------------------------------- */

static void
forget_moves (Ps2Mouse *m)
{
  ps2_clear_data (&m->dev);
  m->move_count = 0;
  bp_timer_cancel (m->sample);
}

/* What happens to them from here on is not noticed. */
static void
forget_buttons (Ps2Mouse *m)
{
  m->held = m->buttons = 0;
}

static void
set_defaults (Ps2Mouse *m)
{
  forget_moves (m);
  forget_buttons (m);
  m->rate = RATE_DEFAULT;
  m->resolution = RESOLUTION_DEFAULT;
  m->doubled = m->reporting = m->remote = m->wrap = false;
  m->command = 0;
}

/* Three sample rates in a row ask for the wheel, three others for the side buttons. */
static void
set_rate (Ps2Mouse *m, uint8_t rate)
{
  if (m->knock[0] == 200 && m->knock[1] == 100 && rate == 80 && m->model >= PS2_MOUSE_WHEEL)
    m->id = ID_WHEEL;
  if (m->knock[0] == 200 && m->knock[1] == 200 && rate == 80 && m->model >= PS2_MOUSE_EXPLORER)
    m->id = ID_EXPLORER;
  m->knock[0] = m->knock[1];
  m->knock[1] = rate;
  m->rate = rate;
}

static bool
is_rate (uint8_t value)
{
  static const uint8_t rates[] = { 10, 20, 40, 60, 80, 100, 200 };
  for (unsigned i = 0; i < G_N_ELEMENTS (rates); i++)
    if (value == rates[i])
      return true;
  return false;
}

/* The second one in a row is an error. */
static void
refuse (Ps2Mouse *m, const char *what, uint8_t value)
{
  bp_log_guest (m->dev.object, "mouse %s %02x is unknown", what, value);
  ps2_reply (&m->dev, m->wrong_before ? PS2_ERROR : PS2_NAK);
  m->wrong_before = !m->wrong_before;
}

static void
take_parameter (Ps2Mouse *m, uint8_t value)
{
  uint8_t command = m->command;
  if (command == 0xe8 ? value > 3 : !is_rate (value)) {
    refuse (m, command == 0xe8 ? "resolution" : "sample rate", value);
    return;
  }
  m->command = 0;
  m->wrong_before = false;
  if (command == 0xe8)
    m->resolution = value;
  else
    set_rate (m, value);
  ps2_reply (&m->dev, PS2_ACK);
}

/* Left, middle and right are the other way round here. */
static void
put_status (Ps2Mouse *m)
{
  uint8_t buttons = (uint8_t) ((m->held & BP_INPUT_LEFT ? 4 : 0) | (m->held & BP_INPUT_MIDDLE ? 2 : 0) | (m->held & BP_INPUT_RIGHT ? 1 : 0));
  ps2_reply (&m->dev,
             buttons | (m->doubled ? STATUS_DOUBLED : 0) | (m->reporting ? STATUS_REPORTING : 0) | (m->remote ? STATUS_REMOTE : 0));
  ps2_reply (&m->dev, m->resolution);
  ps2_reply (&m->dev, m->rate);
}

/* In any mode: what has happened since the last packet, and be it nothing. */
static void
put_data (Ps2Mouse *m)
{
  Ps2Move nothing = { .buttons = m->buttons };
  drop_done (m);
  note_buttons (m);
  put_packet (m, m->move_count ? &m->moves[0] : &nothing, true);
  drop_done (m);
}

static void
send_again (Ps2Mouse *m)
{
  for (unsigned i = 0; i < m->last_count; i++)
    ps2_reply (&m->dev, m->last[i]);
}

static void
take_command (Ps2Mouse *m, uint8_t value)
{
  bool is_data = value == 0xeb;
  switch (value) {
  case 0xe6: case 0xe7:
    m->doubled = value == 0xe7;
    break;
  case 0xe8:                    /* resolution */
  case 0xf3:                    /* sample rate */
    m->command = value;
    break;
  case 0xe9: case 0xeb: case 0xf2:
    break;
  case 0xec:
    m->wrap = false;
    break;
  case 0xea:
    m->remote = false;
    break;
  case 0xee:
    m->wrap = true;
    break;
  case 0xf0:
    m->remote = true;
    break;
  case 0xf4: case 0xf5:
    m->reporting = value == 0xf4;
    forget_buttons (m);
    break;
  case 0xf6:
    set_defaults (m);
    break;
  case 0xfe:
    send_again (m);
    return;
  case 0xff:
    set_defaults (m);
    m->id = ID_STANDARD;
    m->last_count = 0;
    ps2_test (&m->dev);
    return;
  default:
    refuse (m, "command", value);
    return;
  }
  m->wrong_before = false;
  if (!is_data)
    forget_moves (m);           /* every command but this one clears the counters */
  ps2_reply (&m->dev, PS2_ACK);
  if (value == 0xe9)
    put_status (m);
  else if (is_data)
    put_data (m);
  else if (value == 0xf2)
    ps2_reply (&m->dev, m->id);
}

/* A command ends the packet that is being sent. */
static void
receive (Ps2Device *dev, uint8_t value)
{
  Ps2Mouse *m = (Ps2Mouse *) dev;
  ps2_abort_test (dev);
  ps2_clear_data (dev);
  if (m->wrap && value != 0xec && value != 0xff)
    ps2_reply (dev, value);
  else if (m->command && value < 0xe6)
    take_parameter (m, value);
  else {
    m->command = 0;
    take_command (m, value);
  }
}

static void
taken (Ps2Device *dev)
{
  Ps2Mouse *m = (Ps2Mouse *) dev;
  if (ps2_test_ends (dev)) {
    ps2_reply (dev, PS2_TEST_PASSED);
    ps2_reply (dev, ID_STANDARD);
  }
  report (m);
}

/* --- life cycle ---------------------------------------------------------------------------------------- */

void
ps2_mouse_init (Ps2Mouse *m, void *object, void (*wake) (void *object))
{
  static const Ps2Ops ops = { receive, taken };
  m->dev.ops = &ops;
  m->dev.object = object;
  m->dev.wake = wake;
  m->sample = bp_timer_new (object, BP_CLOCK_VIRTUAL, sample, m);
}

void
ps2_mouse_finish (Ps2Mouse *m)
{
  if (m->sample)
    bp_timer_cancel (m->sample);
  g_clear_pointer (&m->sample, bp_timer_free);
}

void
ps2_mouse_reset (Ps2Mouse *m)
{
  ps2_clear (&m->dev);
  set_defaults (m);
  m->id = ID_STANDARD;
  m->last_count = m->knock[0] = m->knock[1] = 0;
  m->wrong_before = false;
}

void
ps2_mouse_post_load (Ps2Mouse *m)
{
  ps2_post_load (&m->dev);
  m->move_count = MIN (m->move_count, PS2_MOVES);
  m->last_count = MIN (m->last_count, G_N_ELEMENTS (m->last));
  m->resolution &= 3;
  m->rate = is_rate (m->rate) ? m->rate : RATE_DEFAULT;
}

static const BpStateField move_state[] = {
  BP_STATE_FIELD_U32 (Ps2Move, dx), BP_STATE_FIELD_U32 (Ps2Move, dy), BP_STATE_FIELD_U32 (Ps2Move, wheel), BP_STATE_FIELD_U8 (Ps2Move, buttons),
  BP_STATE_END
};

const BpStateField ps2_mouse_state[] = {
  BP_STATE_FIELD_STRUCTS (Ps2Mouse, dev, 1, ps2_state), BP_STATE_FIELD_U8 (Ps2Mouse, command), BP_STATE_FIELD_U8 (Ps2Mouse, id),
  BP_STATE_FIELD_U8 (Ps2Mouse, resolution), BP_STATE_FIELD_U8 (Ps2Mouse, rate), BP_STATE_FIELD_BYTES (Ps2Mouse, knock),
  BP_STATE_FIELD_BOOL (Ps2Mouse, reporting), BP_STATE_FIELD_BOOL (Ps2Mouse, remote), BP_STATE_FIELD_BOOL (Ps2Mouse, wrap),
  BP_STATE_FIELD_BOOL (Ps2Mouse, doubled), BP_STATE_FIELD_BOOL (Ps2Mouse, wrong_before), BP_STATE_FIELD_U8 (Ps2Mouse, held),
  BP_STATE_FIELD_U8 (Ps2Mouse, buttons), BP_STATE_FIELD_BYTES (Ps2Mouse, last), BP_STATE_FIELD_U8 (Ps2Mouse, last_count),
  BP_STATE_FIELD_STRUCTS (Ps2Mouse, moves, PS2_MOVES, move_state), BP_STATE_FIELD_U8 (Ps2Mouse, move_count),
  BP_STATE_FIELD_TIMER (Ps2Mouse, sample), BP_STATE_END
};
