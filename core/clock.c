/* clock.c -- the machine's clocks, and timers on them. */
/* SPDX-License-Identifier: MIT */
/*
 * Each clock has a heap of armed timers, ordered by expiry and, among equals, by when they were armed.  A
 * source of the main loop wakes for the earliest: the loop's own timeouts are in milliseconds, so it polls
 * timer descriptors where the host has them.  In deterministic mode virtual time is the accelerator's:
 * timers of the virtual and of the host clock (a fixed start + virtual) are then run by the vCPU's thread.
 */
#include "contract.h"
#include "machine.h"
#include <backplane/clock.h>
#include <backplane/log.h>
#include <errno.h>
#include <time.h>
#ifdef __linux__
#include <sys/timerfd.h>
#include <unistd.h>
#define HAVE_TIMER_DESCRIPTORS 1
#else
#define HAVE_TIMER_DESCRIPTORS 0
#endif

#define N_CLOCKS 3
/* By how much a timer may be late before a vCPU that asks for the time runs it: longer than an idle host takes to wake the loop. */
#define LATE (100 * INT64_C (1000))
/* The host clock's start in deterministic mode: 2020-01-01 00:00:00 UTC. */
#define DETERMINISTIC_HOST_START (INT64_C (1577836800) * BP_NS_PER_SECOND)

struct BpTimer {
  struct ClockState *state;
  const BpObject *owner;
  BpClock clock;
  void (*fire) (void *user);
  void *user;
  int64_t expiry;               /* atomic */
  uint64_t order;               /* when it was armed, among all */
  int place;                    /* atomic; in its clock's heap, -1 while disarmed */
};

typedef struct Wake {           /* what will wake the source: one for monotonic time, one for the wall's */
  int fd;
  int64_t at;                   /* INT64_MAX: nothing */
} Wake;

enum { WAKE_MONOTONIC, WAKE_WALL, N_WAKES };

struct ClockState {
  BpMachine *machine;
  GMutex lock;                  /* heaps, wakes, started */
  GPtrArray *heaps[N_CLOCKS];   /* of BpTimer * */
  uint64_t last_order;          /* the one given out last */
  int64_t frozen;               /* atomic: virtual time while it stands, -1 while it runs */
  int64_t offset;               /* atomic: host monotonic - virtual, while it runs */
  int64_t first_virtual;        /* atomic: expiry of the earliest timer of the virtual clock, one that fires just now among them */
  int64_t firing_virtual;       /* expiry of that one; INT64_MAX: none does */
  unsigned n_timers;            /* atomic: armed or not */
  GSource *source;
  Wake wakes[N_WAKES];
};

typedef struct ClockSource {
  GSource base;
  struct ClockState *state;
  void *tags[N_WAKES];
} ClockSource;

/* --- time ------------------------------------------------------------------------------------- */

static int64_t
host_time (clockid_t id)
{
  struct timespec t;
  clock_gettime (id, &t);
  return t.tv_sec * BP_NS_PER_SECOND + t.tv_nsec;
}

static int64_t
virtual_now (struct ClockState *s)
{
  BpMachine *m = s->machine;
  if (m->deterministic && m->accel && BP_TABLE_HAS (m->accel_iface, virtual_time)) {
    int64_t t = m->accel_iface->virtual_time (object_instance (m->accel));
    if (t >= 0)
      return t;
  }
  int64_t frozen = __atomic_load_n (&s->frozen, __ATOMIC_ACQUIRE);
  return frozen >= 0 ? frozen : host_time (CLOCK_MONOTONIC) - __atomic_load_n (&s->offset, __ATOMIC_ACQUIRE);
}

static int64_t
now_of (struct ClockState *s, BpClock clock)
{
  if (clock == BP_CLOCK_REALTIME)
    return host_time (CLOCK_MONOTONIC);
  if (clock == BP_CLOCK_VIRTUAL)
    return virtual_now (s);
  return s->machine->deterministic ? DETERMINISTIC_HOST_START + virtual_now (s) : host_time (CLOCK_REALTIME);
}

int64_t
bp_clock_now (BpMachine *machine, BpClock clock)
{
  return now_of (machine->clock, clock);
}

static bool
is_running (struct ClockState *s)
{
  return __atomic_load_n (&s->frozen, __ATOMIC_ACQUIRE) < 0;
}

/* Whether the main loop (rather than a vCPU's thread) runs the clock's timers. */
static bool
is_of_loop (struct ClockState *s, BpClock clock)
{
  return clock == BP_CLOCK_REALTIME || !s->machine->deterministic;
}

/* --- heaps ------------------------------------------------------------------------------------ */

static BpTimer *
heap_at (GPtrArray *heap, int i)
{
  return g_ptr_array_index (heap, i);
}

static bool
is_before (const BpTimer *a, const BpTimer *b)
{
  return a->expiry != b->expiry ? a->expiry < b->expiry : a->order < b->order;
}

static void
heap_put (GPtrArray *heap, int i, BpTimer *timer)
{
  heap->pdata[i] = timer;
  __atomic_store_n (&timer->place, i, __ATOMIC_RELAXED);
}

/* Moves the timer, whose place is `i`, to where it belongs. */
static void
heap_settle (GPtrArray *heap, int i, BpTimer *timer)
{
  int n = (int) heap->len;
  for (; i && is_before (timer, heap_at (heap, (i - 1) / 2)); i = (i - 1) / 2)
    heap_put (heap, i, heap_at (heap, (i - 1) / 2));
  for (int child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n && is_before (heap_at (heap, child + 1), heap_at (heap, child)))
      child++;
    if (!is_before (heap_at (heap, child), timer))
      break;
    heap_put (heap, i, heap_at (heap, child));
  }
  heap_put (heap, i, timer);
}

static void
heap_remove (GPtrArray *heap, BpTimer *timer)
{
  BpTimer *last = heap_at (heap, (int) heap->len - 1);
  int place = timer->place;
  g_ptr_array_set_size (heap, (int) heap->len - 1);
  __atomic_store_n (&timer->place, -1, __ATOMIC_RELAXED);
  if (last != timer)
    heap_settle (heap, place, last);
}

static BpTimer *
heap_first (GPtrArray *heap)
{
  return heap->len ? heap_at (heap, 0) : NULL;
}

/* Under the lock, after a change of the virtual clock's heap. */
static void
note_first (struct ClockState *s)
{
  BpTimer *t = heap_first (s->heaps[BP_CLOCK_VIRTUAL]);
  __atomic_store_n (&s->first_virtual, MIN (s->firing_virtual, t ? t->expiry : INT64_MAX), __ATOMIC_RELAXED);
}

/* --- waking the loop -------------------------------------------------------------------------- */

static void
set_wake (struct ClockState *s, unsigned which, int64_t at)
{
  Wake *w = &s->wakes[which];
  w->at = at;
#if HAVE_TIMER_DESCRIPTORS
  struct itimerspec t = { 0 };
  if (at != INT64_MAX) {
    at = MAX (at, 1);           /* 0 would disarm */
    t.it_value.tv_sec = at / BP_NS_PER_SECOND;
    t.it_value.tv_nsec = at % BP_NS_PER_SECOND;
  }
  /* The wall clock may be set: that cancels the wait, and the source looks again. */
  int flags = TFD_TIMER_ABSTIME | (which == WAKE_WALL ? TFD_TIMER_CANCEL_ON_SET : 0);
  timerfd_settime (w->fd, flags, &t, NULL);
#else
  int64_t monotonic = s->wakes[WAKE_MONOTONIC].at, wall = s->wakes[WAKE_WALL].at;
  if (wall != INT64_MAX)
    monotonic = MIN (monotonic, host_time (CLOCK_MONOTONIC) + wall - host_time (CLOCK_REALTIME));
  g_source_set_ready_time (s->source, monotonic == INT64_MAX ? -1 : monotonic / 1000 + 1);
#endif
}

/* Time, in the wake's terms, of the clock's earliest timer. */
static int64_t
wake_time (struct ClockState *s, BpClock clock)
{
  BpTimer *t = heap_first (s->heaps[clock]);
  if (!t || !is_of_loop (s, clock))
    return INT64_MAX;
  if (clock != BP_CLOCK_VIRTUAL)
    return t->expiry;
  if (!is_running (s))
    return INT64_MAX;
  int64_t at;
  return __builtin_add_overflow (t->expiry, s->offset, &at) ? INT64_MAX : at;
}

/* Under the lock.  A wake that comes too early does no harm, so it is only moved forward; `afresh` after it
 * came. */
static void
update_wakes (struct ClockState *s, bool afresh)
{
  int64_t monotonic = MIN (wake_time (s, BP_CLOCK_VIRTUAL), wake_time (s, BP_CLOCK_REALTIME));
  int64_t wall = wake_time (s, BP_CLOCK_HOST);
  if (monotonic < s->wakes[WAKE_MONOTONIC].at || (afresh && monotonic != s->wakes[WAKE_MONOTONIC].at))
    set_wake (s, WAKE_MONOTONIC, monotonic);
  if (wall < s->wakes[WAKE_WALL].at || (afresh && wall != s->wakes[WAKE_WALL].at))
    set_wake (s, WAKE_WALL, wall);
}

/* --- firing ----------------------------------------------------------------------------------- */

/* The next due timer, disarmed; of those armed up to `order`, so that one that rearms itself in the past
 * cannot hold the caller for good.  The one before has fired. */
static BpTimer *
take_due (struct ClockState *s, BpClock clock, int64_t now, uint64_t order)
{
  g_mutex_lock (&s->lock);
  BpTimer *t = heap_first (s->heaps[clock]);
  if (t && (t->expiry > now || t->order > order))
    t = NULL;
  if (t)
    heap_remove (s->heaps[clock], t);
  if (clock == BP_CLOCK_VIRTUAL)
    s->firing_virtual = t ? t->expiry : INT64_MAX;
  note_first (s);
  g_mutex_unlock (&s->lock);
  return t;
}

/* Machine locked. */
static void
run_due (struct ClockState *s, BpClock clock)
{
  if (clock == BP_CLOCK_VIRTUAL && !s->machine->deterministic && !is_running (s))
    return;
  int64_t now = now_of (s, clock);
  g_mutex_lock (&s->lock);
  uint64_t order = s->last_order;
  g_mutex_unlock (&s->lock);
  for (BpTimer *t; (t = take_due (s, clock, now, order));)
    t->fire (t->user);
}

static gboolean
source_prepare (GSource *base, int *timeout)
{
  *timeout = -1;
  return FALSE;
}

static gboolean
source_check (GSource *base)
{
#if HAVE_TIMER_DESCRIPTORS
  ClockSource *source = (ClockSource *) base;
  for (unsigned i = 0; i < N_WAKES; i++)
    if (g_source_query_unix_fd (base, source->tags[i]))
      return TRUE;
#endif
  return FALSE;
}

static gboolean
source_dispatch (GSource *base, GSourceFunc callback, void *user)
{
  struct ClockState *s = ((ClockSource *) base)->state;
  g_mutex_lock (&s->lock);
  for (unsigned i = 0; i < N_WAKES; i++) {
#if HAVE_TIMER_DESCRIPTORS
    uint64_t n;
    if (read (s->wakes[i].fd, &n, sizeof n) < 0 && errno == EAGAIN)
      continue;
#endif
    s->wakes[i].at = INT64_MAX;
  }
  g_mutex_unlock (&s->lock);
  bp_machine_lock (s->machine);
  for (unsigned clock = 0; clock < N_CLOCKS; clock++)
    if (is_of_loop (s, clock))
      run_due (s, clock);
  bp_machine_unlock (s->machine);
  g_mutex_lock (&s->lock);
  update_wakes (s, true);
  g_mutex_unlock (&s->lock);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_functions = { .prepare = source_prepare,
                                         .check = source_check,
                                         .dispatch = source_dispatch };

/* --- deterministic mode ----------------------------------------------------------------------- */

/* Under the lock: the earliest timer that the vCPU's thread has to run, in virtual time. */
static int64_t
next_deterministic (struct ClockState *s)
{
  BpTimer *t = heap_first (s->heaps[BP_CLOCK_VIRTUAL]), *h = heap_first (s->heaps[BP_CLOCK_HOST]);
  int64_t next = t ? t->expiry : INT64_MAX;
  return h && s->machine->deterministic ? MIN (next, MAX (h->expiry, 0) - DETERMINISTIC_HOST_START) : next;
}

int64_t
bp_machine_next_virtual_timer (BpMachine *machine)
{
  struct ClockState *s = machine->clock;
  g_mutex_lock (&s->lock);
  int64_t next = next_deterministic (s);
  g_mutex_unlock (&s->lock);
  return next;
}

void
bp_machine_run_virtual_timers (BpMachine *machine)
{
  CONTRACT_VCPU_UNLOCKED (machine);
  bp_machine_lock (machine);
  run_due (machine->clock, BP_CLOCK_VIRTUAL);
  if (machine->deterministic)
    run_due (machine->clock, BP_CLOCK_HOST);
  bp_machine_unlock (machine);
}

bool
bp_machine_catch_up (BpMachine *machine, int64_t now)
{
  CONTRACT_VCPU_UNLOCKED (machine);
  struct ClockState *s = machine->clock;
  if (now - LATE <= __atomic_load_n (&s->first_virtual, __ATOMIC_RELAXED) || machine->deterministic)
    return false;
  bp_machine_lock (machine);
  run_due (s, BP_CLOCK_VIRTUAL);
  bp_machine_unlock (machine);
  return true;
}

bool
bp_machine_is_deterministic (BpMachine *machine, unsigned *shift)
{
  if (shift)
    *shift = machine->icount_shift;
  return machine->deterministic;
}

/* --- timers ----------------------------------------------------------------------------------- */

BpTimer *
bp_timer_new (void *self, BpClock clock, void (*fire) (void *user), void *user)
{
  CONTRACT_MAIN (bp_object_machine (self));
  g_assert ((unsigned) clock < N_CLOCKS && fire);
  BpTimer *t = g_new0 (BpTimer, 1);
  t->owner = object_of (self);
  t->state = t->owner->machine->clock;
  g_assert (t->state);
  t->clock = clock;
  t->fire = fire;
  t->user = user;
  t->place = -1;
  __atomic_add_fetch (&t->state->n_timers, 1, __ATOMIC_RELAXED);
  return t;
}

void
bp_timer_free (BpTimer *timer)
{
  if (!timer)
    return;
  CONTRACT_LOCKED (timer->state->machine);
  bp_timer_cancel (timer);
  __atomic_sub_fetch (&timer->state->n_timers, 1, __ATOMIC_RELAXED);
  g_free (timer);
}

/* Changes the heap, then tells whoever runs the clock.  turn 0: the next one. */
static void
rearm (BpTimer *timer, bool armed, int64_t at, uint64_t turn)
{
  struct ClockState *s = timer->state;
  BpMachine *m = s->machine;
  GPtrArray *heap = s->heaps[timer->clock];
  g_mutex_lock (&s->lock);
  int64_t before = next_deterministic (s);
  if (timer->place >= 0)
    heap_remove (heap, timer);
  if (armed) {
    __atomic_store_n (&timer->expiry, at, __ATOMIC_RELAXED);
    s->last_order = MAX (s->last_order, turn);
    timer->order = turn ? turn : ++s->last_order;
    g_ptr_array_add (heap, timer);
    heap_settle (heap, (int) heap->len - 1, timer);
    update_wakes (s, false);
  }
  note_first (s);
  int64_t after = next_deterministic (s);
  g_mutex_unlock (&s->lock);
  if (m->deterministic && before != after && m->accel && BP_TABLE_HAS (m->accel_iface, timer_moved))
    m->accel_iface->timer_moved (object_instance (m->accel), after);
}

void
bp_timer_arm (BpTimer *timer, int64_t at)
{
  CONTRACT_LOCKED (timer->state->machine);
  rearm (timer, true, at, 0);
}

void
bp_timer_cancel (BpTimer *timer)
{
  CONTRACT_LOCKED (timer->state->machine);
  if (bp_timer_is_armed (timer))
    rearm (timer, false, 0, 0);
}

bool
bp_timer_is_armed (const BpTimer *timer)
{
  return __atomic_load_n (&timer->place, __ATOMIC_RELAXED) >= 0;
}

int64_t
bp_timer_expiry (const BpTimer *timer)
{
  return __atomic_load_n (&timer->expiry, __ATOMIC_RELAXED);
}

uint64_t
timer_turn (const BpTimer *timer)
{
  return timer->order;
}

void
timer_restore (BpTimer *timer, int64_t at, uint64_t turn)
{
  rearm (timer, true, at, MIN (turn, UINT64_MAX / 2));  /* (what comes from a file cannot make the count come around) */
}

/* --- the host's side -------------------------------------------------------------------------- */

bool
clock_init (BpMachine *m)
{
  struct ClockState *s = g_new0 (struct ClockState, 1);
  bool good = true;
  s->first_virtual = s->firing_virtual = INT64_MAX;
  m->clock = s;
  s->machine = m;
  g_mutex_init (&s->lock);
  for (unsigned i = 0; i < N_CLOCKS; i++)
    s->heaps[i] = g_ptr_array_new ();
  s->source = g_source_new (&source_functions, sizeof (ClockSource));
  g_source_set_name (s->source, "clock");
  ((ClockSource *) s->source)->state = s;
  for (unsigned i = 0; i < N_WAKES; i++) {
    s->wakes[i] = (Wake) { -1, INT64_MAX };
#if HAVE_TIMER_DESCRIPTORS
    s->wakes[i].fd =
      timerfd_create (i == WAKE_WALL ? CLOCK_REALTIME : CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (s->wakes[i].fd >= 0)
      ((ClockSource *) s->source)->tags[i] = g_source_add_unix_fd (s->source, s->wakes[i].fd, G_IO_IN);
    else
      good = false;
#endif
  }
  g_source_attach (s->source, m->main_loop ? bp_loop_context (m->main_loop) : NULL);
  return good;
}

void
clock_finish (BpMachine *m)
{
  struct ClockState *s = m->clock;
  if (!s)
    return;
  g_source_destroy (s->source);
  g_source_unref (s->source);
  for (unsigned i = 0; i < N_CLOCKS; i++) {
    g_assert (!s->heaps[i]->len);       /* an armed timer outlived its owner */
    g_ptr_array_unref (s->heaps[i]);
  }
#if HAVE_TIMER_DESCRIPTORS
  for (unsigned i = 0; i < N_WAKES; i++)
    if (s->wakes[i].fd >= 0)
      close (s->wakes[i].fd);
#endif
  g_mutex_clear (&s->lock);
  g_free (s);
  m->clock = NULL;
}

void
clock_start (BpMachine *m)
{
  struct ClockState *s = m->clock;
  g_mutex_lock (&s->lock);
  int64_t frozen = __atomic_load_n (&s->frozen, __ATOMIC_ACQUIRE);
  if (frozen >= 0) {
    __atomic_store_n (&s->offset, host_time (CLOCK_MONOTONIC) - frozen, __ATOMIC_RELEASE);
    __atomic_store_n (&s->frozen, -1, __ATOMIC_RELEASE);
    update_wakes (s, false);
  }
  g_mutex_unlock (&s->lock);
}

void
clock_stop (BpMachine *m)
{
  struct ClockState *s = m->clock;
  g_mutex_lock (&s->lock);
  if (is_running (s))
    __atomic_store_n (&s->frozen, host_time (CLOCK_MONOTONIC) - s->offset, __ATOMIC_RELEASE);
  g_mutex_unlock (&s->lock);
}

void
clock_set (BpMachine *m, int64_t now)
{
  struct ClockState *s = m->clock;
  g_mutex_lock (&s->lock);
  g_assert (!is_running (s));
  __atomic_store_n (&s->frozen, MAX (now, 0), __ATOMIC_RELEASE);
  g_mutex_unlock (&s->lock);
}

static BpTimer *
heap_find (GPtrArray *heap, const BpObject *owner)
{
  for (guint i = 0; i < heap->len; i++)
    if (heap_at (heap, (int) i)->owner == owner)
      return heap_at (heap, (int) i);
  return NULL;
}

/* Its timers still armed would fire on memory that is freed, and fire no more.  Nobody is told that time has moved: who wakes for one finds nothing to do. */
void
clock_forget (const BpObject *o)
{
  struct ClockState *s = o->machine ? o->machine->clock : NULL;
  unsigned n = 0;
  if (!s)
    return;
  g_mutex_lock (&s->lock);
  for (unsigned clock = 0; clock < N_CLOCKS; clock++)
    for (BpTimer *t; (t = heap_find (s->heaps[clock], o)); n++)
      heap_remove (s->heaps[clock], t);
  note_first (s);
  g_mutex_unlock (&s->lock);
  if (n)
    bp_warn (NULL, "`%s` (%s) goes with %u timer(s) armed: its unrealize has to free them (bp_timer_free)", o->id, o->type->name, n);
}

unsigned
clock_n_timers (BpMachine *m)
{
  return __atomic_load_n (&m->clock->n_timers, __ATOMIC_RELAXED);
}

uint64_t
clock_turn (BpMachine *m)
{
  return m->clock->last_order;
}

/* Not below what armed timers have, which no saved machine knows of (the loop's, those of a post_load): they would wait for the count to come by. */
void
clock_set_turn (BpMachine *m, uint64_t turn)
{
  struct ClockState *s = m->clock;
  g_mutex_lock (&s->lock);
  s->last_order = MIN (turn, UINT64_MAX / 2);
  for (unsigned clock = 0; clock < N_CLOCKS; clock++)
    for (guint i = 0; i < s->heaps[clock]->len; i++)
      s->last_order = MAX (s->last_order, heap_at (s->heaps[clock], (int) i)->order);
  g_mutex_unlock (&s->lock);
}
