/* typist.c -- presses and releases keys, one step after the other: a terminal says that a key was hit, and not how long. */
/* SPDX-License-Identifier: MIT */
#include "typist.h"
#include <backplane/iface/input.h>
#include <backplane/loop.h>
#include <linux/input-event-codes.h>

enum { STEP_MS = 10, HURRY_MS = 3, HURRY_FROM = 32, MOST_STEPS = 1 << 16 };

typedef struct Step {
  Chord chord;
  bool down;
} Step;

static void
send_modifiers (Typist *t, unsigned modifiers, bool down)
{
  static const uint16_t keys[] = { KEY_LEFTSHIFT, KEY_LEFTALT, KEY_LEFTCTRL };
  for (unsigned i = 0; i < G_N_ELEMENTS (keys); i++)
    if (modifiers >> i & 1)
      bp_input_send_key (t->machine, keys[i], down);
}

static void
take_step (Typist *t)
{
  g_autofree Step *s = g_queue_pop_head (&t->steps);
  if (s->down)
    send_modifiers (t, s->chord.modifiers, true);
  bp_input_send_key (t->machine, s->chord.key, s->down);
  if (!s->down)
    send_modifiers (t, s->chord.modifiers, false);
}

static void
forget_timer (Typist *t)
{
  if (!t->timer)
    return;
  g_source_destroy (t->timer);
  g_clear_pointer (&t->timer, g_source_unref);
}

static gboolean on_time (void *user);

static void
wait_for_next (Typist *t)
{
  t->timer = g_timeout_source_new (g_queue_get_length (&t->steps) > HURRY_FROM ? HURRY_MS : STEP_MS);
  g_source_set_callback (t->timer, on_time, t, NULL);
  g_source_attach (t->timer, bp_loop_context (bp_loop_main (t->machine)));
}

static gboolean
on_time (void *user)
{
  Typist *t = user;
  forget_timer (t);
  if (g_queue_is_empty (&t->steps))
    return G_SOURCE_REMOVE;
  take_step (t);
  wait_for_next (t);
  return G_SOURCE_REMOVE;
}

static void
add_step (Typist *t, Chord chord, bool down)
{
  Step *s = g_new (Step, 1);
  *s = (Step) { chord, down };
  g_queue_push_tail (&t->steps, s);
}

/* The first step is taken at once; what is pasted without end is cut. */
void
typist_press (Typist *t, Chord chord)
{
  if (g_queue_get_length (&t->steps) >= MOST_STEPS)
    return;
  add_step (t, chord, true);
  add_step (t, chord, false);
  if (t->timer)
    return;
  take_step (t);
  wait_for_next (t);
}

void
typist_init (Typist *t, BpMachine *machine)
{
  t->machine = machine;
  g_queue_init (&t->steps);
}

void
typist_finish (Typist *t)
{
  forget_timer (t);
  g_queue_clear_full (&t->steps, g_free);
}
