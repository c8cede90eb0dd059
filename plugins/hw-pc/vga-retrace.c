/* vga-retrace.c -- the interrupt at the vertical retrace. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/object.h>
#include "vga.h"

enum { CR11_NOT_CLEARED = 1 << 4, CR11_DISABLED = 1 << 5 };

/* When the retrace begins next, after now. */
static int64_t
next_retrace (const Vga *v, int64_t now)
{
  int64_t frame = v->line_ns * v->lines, at = now / frame * frame + v->line_ns * v->retrace;
  return at > now ? at : at + frame;
}

/* A timer that is right, or due, keeps its turn, as in a machine that was not saved and loaded. */
static void
wait_for_retrace (Vga *v)
{
  int64_t now = bp_clock_now (bp_object_machine (v), BP_CLOCK_VIRTUAL), at = next_retrace (v, now);
  int64_t set = bp_timer_is_armed (v->retrace_timer) ? bp_timer_expiry (v->retrace_timer) : INT64_MAX;
  if (set > now && set != at)
    bp_timer_arm (v->retrace_timer, at);
}

/* The latch, once set, stays until CR11 clears it: one retrace at most is waited for. */
void
vga_retrace_follow (Vga *v)
{
  bool may = v->cr[CR_V_RETRACE_END] & CR11_NOT_CLEARED;
  if (!may)
    v->retrace_pending = false;
  if (!v->retrace_timer)
    return;
  bp_pin_set (v->irq, v->retrace_pending && !(v->cr[CR_V_RETRACE_END] & CR11_DISABLED));
  if (may && !v->retrace_pending)
    wait_for_retrace (v);
  else
    bp_timer_cancel (v->retrace_timer);
}

static void
on_retrace (void *user)
{
  Vga *v = user;
  v->retrace_pending = true;
  vga_retrace_follow (v);
}

void
vga_retrace_start (Vga *v)
{
  v->retrace_timer = bp_timer_new (v, BP_CLOCK_VIRTUAL, on_retrace, v);
}

void
vga_retrace_stop (Vga *v)
{
  bp_timer_free (v->retrace_timer);
  v->retrace_timer = NULL;
}
