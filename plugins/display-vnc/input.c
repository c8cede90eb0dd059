/* input.c -- what people type and point at: from a connection's thread to the main loop, and from there to the guest. */
/* SPDX-License-Identifier: MIT */
#include "display-vnc.h"

/* --- queue --------------------------------------------------------------------------------- */

/* A client that is faster than the main loop waits. */
void
vnc_input_push (VncClient *c, VncEventKind kind, uint32_t value, uint32_t x, uint32_t y)
{
  VncDisplay *d = c->display;
  g_mutex_lock (&d->lock);
  while (d->n_events == MAX_EVENTS && !d->ending)
    g_cond_wait (&d->room, &d->lock);
  if (!d->ending)
    d->events[d->n_events++] = (VncEvent) { kind, c->index, value, x, y, c->shown_width, c->shown_height };
  g_mutex_unlock (&d->lock);
  vnc_signal (d->news);
}

/* --- keys ---------------------------------------------------------------------------------- */

static bool
is_held (const VncDisplay *d, unsigned code)
{
  for (unsigned i = 0; i < d->n_clients; i++)
    for (unsigned k = 0; k < d->clients[i].typing.n_held; k++)
      if (d->clients[i].typing.held[k].code == code)
        return true;
  return false;
}

static void send_key (VncDisplay *d, unsigned code, bool down) { bp_input_send_key (bp_object_machine (d), code, down); }

static VncHeld *
find_held (VncTyping *t, uint32_t name)
{
  for (unsigned i = 0; i < t->n_held; i++)
    if (t->held[i].name == name)
      return &t->held[i];
  return NULL;
}

static void
press (VncDisplay *d, VncTyping *t, uint32_t name, unsigned code)
{
  if (!find_held (t, name)) {
    if (t->n_held == MAX_HELD)
      return;
    t->held[t->n_held++] = (VncHeld) { name, code };
  }
  send_key (d, code, true);         /* again, if it repeats */
}

/* Two clients, or two keysyms, may hold one key. */
static void
let_go (VncDisplay *d, VncTyping *t, VncHeld *h)
{
  unsigned code = h->code;
  *h = t->held[--t->n_held];
  if (!is_held (d, code))
    send_key (d, code, false);
}

/* [main] */
static void
vnc_input_release (VncDisplay *d, VncTyping *t)
{
  while (t->n_held)
    let_go (d, t, &t->held[0]);
  if (t->mask)
    bp_input_send_relative (bp_object_machine (d), 0, 0, 0, 0);
  *t = (VncTyping) { .n_held = 0 };
}

/* --- characters: where they are on the guest's keyboard, which is taken for a US one ---------------- */

static bool
commands_are_held (const VncDisplay *d)
{
  static const uint16_t modifiers[] = { KEY_LEFTCTRL, KEY_RIGHTCTRL, KEY_LEFTALT, KEY_RIGHTALT, KEY_LEFTMETA, KEY_RIGHTMETA };
  for (unsigned i = 0; i < G_N_ELEMENTS (modifiers); i++)
    if (is_held (d, modifiers[i]))
      return true;
  return false;
}

/* On the client's keyboard the character may be with shift and here without, or the other way round: shift is what the character needs while it goes down. */
static void
press_character (VncDisplay *d, VncTyping *t, uint32_t keysym)
{
  bool shift = false, left = is_held (d, KEY_LEFTSHIFT), right = is_held (d, KEY_RIGHTSHIFT);
  unsigned code = bp_input_key_of_character ((char) keysym, &shift);
  if (!code)
    return;
  bool turn = keysym != ' ' && shift != (left || right) && !commands_are_held (d);
  if (turn && shift)
    send_key (d, KEY_LEFTSHIFT, true);
  if (turn && !shift && left)
    send_key (d, KEY_LEFTSHIFT, false);
  if (turn && !shift && right)
    send_key (d, KEY_RIGHTSHIFT, false);
  press (d, t, keysym, code);
  if (turn && shift)
    send_key (d, KEY_LEFTSHIFT, false);
  if (turn && !shift && left)
    send_key (d, KEY_LEFTSHIFT, true);
  if (turn && !shift && right)
    send_key (d, KEY_RIGHTSHIFT, true);
}

/* A client that lets shift go first may name the other character of the key. */
static VncHeld *
find_same_key (VncTyping *t, uint32_t keysym)
{
  bool shift;
  unsigned code = keysym > ' ' && keysym < 0x7f ? bp_input_key_of_character ((char) keysym, &shift) : 0;
  for (unsigned i = 0; code && i < t->n_held; i++)
    if (t->held[i].code == code && t->held[i].name < 0x7f)
      return &t->held[i];
  return NULL;
}

static void
type_keysym (VncDisplay *d, VncTyping *t, uint32_t keysym, bool down)
{
  unsigned code = vnc_key_of_keysym (keysym);
  VncHeld *h = down ? NULL : find_held (t, keysym);
  if (!down && !h)
    h = find_same_key (t, keysym);
  if (h)
    let_go (d, t, h);
  else if (down && code)
    press (d, t, keysym, code);
  else if (down && keysym >= ' ' && keysym < 0x7f)
    press_character (d, t, keysym);
}

/* Named apart from keysyms. */
static void
type_code (VncDisplay *d, VncTyping *t, uint32_t scan, bool down)
{
  uint32_t name = UINT32_C (1) << 31 | scan;
  VncHeld *h = find_held (t, name);
  if (down)
    press (d, t, name, vnc_key_of_scan_code (scan));
  else if (h)
    let_go (d, t, h);
}

/* --- pointer ------------------------------------------------------------------------------------ */

/* RFB's mask: left, middle, right, wheel away, wheel towards the user. */
static uint32_t
buttons_of (uint32_t mask)
{
  return (mask & 1 ? BP_INPUT_LEFT : 0) | (mask & 2 ? BP_INPUT_MIDDLE : 0) | (mask & 4 ? BP_INPUT_RIGHT : 0);
}

static unsigned
scaled (uint32_t at, uint32_t size)
{
  return size > 1 ? (unsigned) (MIN (at, size - 1) * (uint64_t) BP_INPUT_ABSOLUTE_MAX / (size - 1)) : 0;
}

static void
point (VncDisplay *d, VncTyping *t, const VncEvent *e)
{
  BpMachine *machine = bp_object_machine (d);
  uint32_t pressed = e->value & ~t->mask, buttons = buttons_of (e->value);
  int wheel = (pressed & 16 ? 1 : 0) - (pressed & 8 ? 1 : 0);
  int dx = t->has_pointed ? (int) e->x - (int) t->x : 0, dy = t->has_pointed ? (int) e->y - (int) t->y : 0;
  if (!bp_input_send_absolute (machine, scaled (e->x, e->width), scaled (e->y, e->height), wheel, buttons) && (dx || dy || wheel || buttons != buttons_of (t->mask)))
    bp_input_send_relative (machine, dx, dy, wheel, buttons);
  t->has_pointed = true;
  t->x = e->x;
  t->y = e->y;
  t->mask = e->value;
}

/* --- size ---------------------------------------------------------------------------------------- */

static void
want_size (VncDisplay *d, VncClient *c, uint32_t width, uint32_t height)
{
  const BpScreenIface *screen = d->screen.table;
  BpMachine *machine = bp_object_machine (d);
  bp_machine_lock (machine);
  bool fine = screen->want_size (d->screen.instance, d->head, width, height);
  bp_machine_unlock (machine);
  if (fine)
    return;
  __atomic_store_n (&c->is_refused, true, __ATOMIC_RELEASE);
  vnc_signal (c->wake);
}

/* --- to the guest ----------------------------------------------------------------------------------- */

static void
deliver (VncDisplay *d, const VncEvent *e)
{
  VncTyping *t = &d->clients[e->client].typing;
  switch (e->kind) {
  case VNC_KEYSYM:
    type_keysym (d, t, e->value, e->x);
    break;
  case VNC_CODE:
    type_code (d, t, e->value, e->x);
    break;
  case VNC_POINTER:
    point (d, t, e);
    break;
  case VNC_SIZE:
    want_size (d, &d->clients[e->client], e->x, e->y);
    break;
  case VNC_LEFT:
    vnc_input_release (d, t);
    break;
  }
}

void
vnc_input_drain (VncDisplay *d)
{
  VncEvent events[MAX_EVENTS];
  g_mutex_lock (&d->lock);
  unsigned n = d->n_events;
  for (unsigned i = 0; i < n; i++)
    events[i] = d->events[i];
  d->n_events = 0;
  g_cond_broadcast (&d->room);
  g_mutex_unlock (&d->lock);
  for (unsigned i = 0; i < n; i++)
    deliver (d, &events[i]);
}
