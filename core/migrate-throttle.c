/* migrate-throttle.c -- vCPUs held for part of their time, when a guest writes faster than the connection takes. */
/* SPDX-License-Identifier: MIT */
/*
 * A thread gives every vCPU a piece of work now and then, which is to sleep.  Of each stretch the vCPU runs RUN_MS, and sleeps for as long as makes the percentage.
 */
#include "machine.h"
#include "migrate.h"

enum { RUN_MS = 10, SLICE_MS = 5 };

struct MigrateThrottle {
  BpMachine *m;
  guint n_vcpus;
  GMutex lock;                  /* of what follows */
  GCond changed;
  GThread *thread;
  unsigned percent;
  bool ends;
  bool *asked;                  /* a vCPU: it has not begun to sleep yet */
};

static int64_t
sleep_us (unsigned percent)
{
  return percent * RUN_MS * INT64_C (1000) / (100 - percent);
}

typedef struct Sleep {
  MigrateThrottle *t;
  unsigned vcpu;
} Sleep;

/* [the vCPU's thread] A machine that is to stop is not held up. */
static void
sleep_for_a_while (void *cpu, void *user)
{
  Sleep s = *(Sleep *) user;
  MigrateThrottle *t = s.t;
  g_free (user);
  g_mutex_lock (&t->lock);
  t->asked[s.vcpu] = false;
  int64_t end = g_get_monotonic_time () + sleep_us (t->percent);
  for (int64_t now; !t->ends && t->percent && (now = g_get_monotonic_time ()) < end && !bp_vcpu_is_held (bp_vcpu_of (cpu));)
    g_cond_wait_until (&t->changed, &t->lock, MIN (end, now + SLICE_MS * 1000));
  g_mutex_unlock (&t->lock);
}

/* One that has not begun to sleep since it was asked last is not asked again. */
static void
ask_all (MigrateThrottle *t)
{
  for (guint i = 0; i < t->n_vcpus; i++) {
    g_mutex_lock (&t->lock);
    bool ask = !t->asked[i];
    t->asked[i] = true;
    g_mutex_unlock (&t->lock);
    if (ask)
      bp_vcpu_run_on (t->m->vcpus->pdata[i], sleep_for_a_while, g_memdup2 (&(Sleep){ t, i }, sizeof (Sleep)), false);
  }
}

static void *
throttle_thread (void *user)
{
  MigrateThrottle *t = user;
  g_mutex_lock (&t->lock);
  while (!t->ends) {
    unsigned percent = t->percent;
    if (!percent) {
      g_cond_wait (&t->changed, &t->lock);
      continue;
    }
    g_mutex_unlock (&t->lock);
    if (bp_machine_run_state (t->m) == BP_RUN_RUNNING)
      ask_all (t);
    g_mutex_lock (&t->lock);
    int64_t end = g_get_monotonic_time () + RUN_MS * 1000 + sleep_us (percent);
    while (!t->ends && t->percent == percent && g_get_monotonic_time () < end)
      g_cond_wait_until (&t->changed, &t->lock, end);
  }
  g_mutex_unlock (&t->lock);
  return NULL;
}

MigrateThrottle *
migrate_throttle_new (BpMachine *m)
{
  MigrateThrottle *t = g_new0 (MigrateThrottle, 1);
  t->m = m;
  g_mutex_init (&t->lock);
  g_cond_init (&t->changed);
  t->n_vcpus = m->vcpus ? m->vcpus->len : 0;
  t->asked = g_new0 (bool, t->n_vcpus + 1);
  return t;
}

/* The thread is there from the first time on that it has something to do. */
void
migrate_throttle_set (MigrateThrottle *t, unsigned percent)
{
  g_mutex_lock (&t->lock);
  t->percent = MIN (percent, MIGRATE_THROTTLE_MOST);
  if (percent && !t->thread)
    t->thread = g_thread_try_new ("throttle", throttle_thread, t, NULL);
  g_cond_broadcast (&t->changed);
  g_mutex_unlock (&t->lock);
}

void
migrate_throttle_free (MigrateThrottle *t)
{
  g_mutex_lock (&t->lock);
  t->ends = true;
  g_cond_broadcast (&t->changed);
  g_mutex_unlock (&t->lock);
  if (t->thread) {
    g_thread_join (t->thread);
    vcpus_settle (t->m);        /* what it has asked for is done */
  }
  g_mutex_clear (&t->lock);
  g_cond_clear (&t->changed);
  g_free (t->asked);
  g_free (t);
}
