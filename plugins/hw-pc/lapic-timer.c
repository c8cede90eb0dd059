/* lapic-timer.c -- the local APIC's timer (Intel SDM 3A, 11.5.4): one-shot and periodic counts, deadlines. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/object.h>
#include "lapic.h"

/* However short the guest makes the period, the host is not asked to do more than this; the counts stay right. */
#define SHORTEST_SLEEP_NS INT64_C (10000)

static int64_t now (const Lapic *l) { return bp_clock_now (bp_object_machine (l), BP_CLOCK_VIRTUAL); }

/* Divide configuration: bits 3, 1 and 0 are a power of two, 111 means 1. */
static unsigned
divisor (const Lapic *l)
{
  unsigned power = (l->divide & 3) | (l->divide >> 1 & 4);
  return power == 7 ? 1 : 2u << power;
}

/* Rounded up, so that a count is over when its time is. */
static int64_t
count_to_ns (const Lapic *l, uint32_t count)
{
  unsigned __int128 ticks = (unsigned __int128) count * divisor (l) * (uint64_t) BP_NS_PER_SECOND;
  return (int64_t) ((ticks + l->timer_hz - 1) / l->timer_hz);
}

static uint32_t
ns_to_count (const Lapic *l, int64_t ns)
{
  uint64_t per_count = (uint64_t) BP_NS_PER_SECOND * divisor (l);
  uint64_t count = (uint64_t) (((unsigned __int128) (uint64_t) ns * l->timer_hz + per_count - 1) / per_count);
  return (uint32_t) MIN (count, l->initial_count);
}

void
lapic_timer_arm (Lapic *l)
{
  if (l->owner || !l->counting || l->lvt[LVT_TIMER] & LVT_MASKED) {
    bp_timer_cancel (l->timer);
    return;
  }
  int64_t soonest = l->lvt[LVT_TIMER] & LVT_PERIODIC ? now (l) + SHORTEST_SLEEP_NS : 0;
  bp_timer_arm (l->timer, MAX (l->zero_at, soonest));
}

void
lapic_timer_sync (Lapic *l)
{
  int64_t t = now (l);
  if (l->owner || !l->counting || t < l->zero_at)
    return;
  int64_t period = count_to_ns (l, l->initial_count);
  if (l->lvt[LVT_TIMER] & LVT_PERIODIC && period > 0)
    l->zero_at += ((t - l->zero_at) / period + 1) * period;
  else {
    l->counting = false;
    l->deadline = 0;
  }
  lapic_deliver_local (l, LVT_TIMER);
  lapic_timer_arm (l);
}

static void
fire (void *lapic)
{
  Lapic *l = lapic;
  lapic_timer_sync (l);
  if (!bp_timer_is_armed (l->timer))
    lapic_timer_arm (l);
}

static bool has_deadlines (const Lapic *l) { return l->lvt[LVT_TIMER] & LVT_DEADLINE; }

void
lapic_timer_stop (Lapic *l)
{
  l->counting = false;
  l->deadline = 0;
  lapic_timer_arm (l);
}

/* The initial count is ignored where deadlines are set. */
void
lapic_timer_start (Lapic *l, uint32_t initial_count)
{
  if (has_deadlines (l))
    return;
  l->initial_count = initial_count;
  l->counting = initial_count != 0;
  l->zero_at = now (l) + count_to_ns (l, initial_count);
  lapic_timer_arm (l);
}

uint32_t
lapic_timer_count (Lapic *l)
{
  lapic_timer_sync (l);
  return l->counting && !has_deadlines (l) ? ns_to_count (l, MAX (l->zero_at - now (l), 0)) : 0;
}

void
lapic_timer_restore (Lapic *l, uint32_t count)
{
  bool periodic = l->lvt[LVT_TIMER] & LVT_PERIODIC;
  l->counting = !has_deadlines (l) && (count || (periodic && l->initial_count));
  l->zero_at = now (l) + count_to_ns (l, count ? count : l->initial_count);
  l->deadline = 0;
  lapic_timer_arm (l);
}

void
lapic_deadline_write (void *lapic, uint64_t deadline, int64_t at)
{
  Lapic *l = lapic;
  if (!has_deadlines (l))
    return;
  l->deadline = deadline;
  l->counting = deadline != 0;
  l->zero_at = at;
  lapic_timer_sync (l);
  lapic_timer_arm (l);
}

uint64_t
lapic_deadline_read (void *lapic)
{
  lapic_timer_sync (lapic);
  return ((Lapic *) lapic)->deadline;
}

void
lapic_timer_set_divide (Lapic *l, uint32_t divide)
{
  uint32_t count = lapic_timer_count (l);
  l->divide = divide;
  if (!l->counting || has_deadlines (l))
    return;
  l->zero_at = now (l) + count_to_ns (l, count);
  lapic_timer_arm (l);
}

void lapic_timer_init (Lapic *l) { l->timer = bp_timer_new (l, BP_CLOCK_VIRTUAL, fire, l); }

void
lapic_timer_finish (Lapic *l)
{
  bp_timer_free (l->timer);
  l->timer = NULL;
}
