/* cpu.c -- vCPUs: their threads, pending interrupts, kicks, queued work, stopping and starting. */
/* SPDX-License-Identifier: MIT */
/*
 * No wake-up is lost: `kicked` is set, and `waiting` and `in_run` are looked at, under the vCPU's lock; a
 * thread about to sleep looks at `kicked` under the same lock, and one about to run guest code looks at
 * `wanted` and at the pending word after `in_run` was set.
 */
#include "contract.h"
#include "machine.h"
#include <pthread.h>

struct BpVcpu {
  BpObject *object;
  BpMachine *machine;
  unsigned index;
  uint32_t pending;             /* atomic */
  int has_work;                 /* atomic: `work` is not empty */
  int wanted;                   /* atomic: guest code should run */
  int quitting;                 /* atomic: the thread should end */
  bool initialised;             /* by the accelerator */
  GThread *thread;

  GMutex lock;                  /* for what follows */
  GCond wake;                   /* for the thread: parked or waiting */
  GCond parked_cond;
  pthread_t pthread;
  bool kicked;                  /* since bp_vcpu_wait last returned */
  bool waiting, in_run, parked;
  bool lent;                    /* parked, and stays so: the loop's thread does its work */
  GQueue work;                  /* of Work * */
};

static __thread BpVcpu *current;

static bool
is_set (const int *flag)
{
  return __atomic_load_n (flag, __ATOMIC_SEQ_CST);
}

/* --- questions -------------------------------------------------------------------------------- */

BpVcpu *
bp_vcpu_of (const void *cpu)
{
  return object_of (cpu)->vcpu;
}

void *
bp_vcpu_cpu (BpVcpu *vcpu)
{
  return object_instance (vcpu->object);
}

unsigned
bp_vcpu_index (const BpVcpu *vcpu)
{
  return vcpu->index;
}

uint32_t
bp_vcpu_pending (const BpVcpu *vcpu)
{
  return __atomic_load_n (&vcpu->pending, __ATOMIC_ACQUIRE);
}

bool
bp_vcpu_is_current (const BpVcpu *vcpu)
{
  return current == vcpu;
}

bool
vcpu_is_here (const BpMachine *m)
{
  return current && current->machine == m;
}

/* --- kicks and interrupts --------------------------------------------------------------------- */

/* Under the vCPU's lock, which keeps the thread inside vcpu_run (and alive) meanwhile.  The accelerator's
 * vcpu_kick must not come back here. */
static void
kick_locked (BpVcpu *v)
{
  v->kicked = true;
  if (v->waiting || v->parked) {
    g_cond_signal (&v->wake);
  } else if (v->in_run && current != v) {
    const BpAccelIface *accel = v->machine->accel_iface;
    if (BP_TABLE_HAS (accel, vcpu_kick))
      accel->vcpu_kick (object_instance (v->machine->accel), v, v->thread, (uint64_t) v->pthread);
  }
}

void
bp_vcpu_kick (BpVcpu *vcpu)
{
  g_mutex_lock (&vcpu->lock);
  kick_locked (vcpu);
  g_mutex_unlock (&vcpu->lock);
}

void
bp_vcpu_raise (BpVcpu *vcpu, uint32_t bits)
{
  uint32_t before = __atomic_fetch_or (&vcpu->pending, bits, __ATOMIC_SEQ_CST);
  if (~before & bits)
    bp_vcpu_kick (vcpu);
}

void
bp_vcpu_lower (BpVcpu *vcpu, uint32_t bits)
{
  __atomic_fetch_and (&vcpu->pending, ~bits, __ATOMIC_SEQ_CST);
}

static bool
should_run (const BpVcpu *v)
{
  return is_set (&v->wanted) && !is_set (&v->quitting);
}

/* --- work for the vCPU's thread --------------------------------------------------------------- */

typedef struct Work {
  void (*f) (void *cpu, void *user);
  void *user;
  bool waited_for, done;        /* waited for: the struct is the waiter's */
} Work;

static GMutex done_lock;
static GCond done_cond;

static void
finish_work (Work *w)
{
  if (!w->waited_for) {
    g_free (w);
    return;
  }
  g_mutex_lock (&done_lock);
  w->done = true;
  g_cond_broadcast (&done_cond);
  g_mutex_unlock (&done_lock);
}

static void
fetch (BpVcpu *v)
{
  const BpAccelIface *accel = v->machine->accel_iface;
  if (v->initialised && BP_TABLE_HAS (accel, vcpu_fetch))
    accel->vcpu_fetch (object_instance (v->machine->accel), v);
}

static void
run_work (BpVcpu *v)
{
  if (is_set (&v->has_work))
    fetch (v);
  for (;;) {
    g_mutex_lock (&v->lock);
    Work *w = g_queue_pop_head (&v->work);
    if (!w)
      __atomic_store_n (&v->has_work, 0, __ATOMIC_SEQ_CST);
    g_mutex_unlock (&v->lock);
    if (!w)
      return;
    w->f (bp_vcpu_cpu (v), w->user);
    finish_work (w);
  }
}

/* The loop's thread alone starts vCPUs.  In a machine that stands still it writes to them, as in a reset or when a snapshot is loaded, and what a pin does to a
 * vCPU meanwhile must neither come in between nor after. */
static bool
can_be_lent (const BpVcpu *v)
{
  return v->parked && !should_run (v) && !is_set (&v->has_work) && v->machine->main_thread == g_thread_self ();
}

/* Under the vCPU's lock, which is given up meanwhile. */
static void
run_lent (BpVcpu *v, void (*f) (void *cpu, void *user), void *user)
{
  bool before = v->lent;        /* f may come back here */
  v->lent = true;
  g_mutex_unlock (&v->lock);
  fetch (v);
  f (bp_vcpu_cpu (v), user);
  g_mutex_lock (&v->lock);
  v->lent = before;
  g_cond_signal (&v->wake);
}

void
bp_vcpu_run_on (BpVcpu *vcpu, void (*f) (void *cpu, void *user), void *user, bool wait)
{
  g_mutex_lock (&vcpu->lock);
  if (can_be_lent (vcpu)) {
    run_lent (vcpu, f, user);
    g_mutex_unlock (&vcpu->lock);
    return;
  }
  if (current == vcpu || !vcpu->thread) {       /* no thread: nothing runs, the caller's will do */
    g_mutex_unlock (&vcpu->lock);
    f (bp_vcpu_cpu (vcpu), user);
    return;
  }
  Work here = { f, user, true, false };
  g_queue_push_tail (&vcpu->work, wait ? &here : g_memdup2 (&(Work){ f, user, false, false }, sizeof (Work)));
  __atomic_store_n (&vcpu->has_work, 1, __ATOMIC_SEQ_CST);
  kick_locked (vcpu);
  g_mutex_unlock (&vcpu->lock);
  if (!wait)
    return;
  g_mutex_lock (&done_lock);
  while (!here.done)
    g_cond_wait (&done_cond, &done_lock);
  g_mutex_unlock (&done_lock);
}

/* --- for accelerators ------------------------------------------------------------------------- */

/* It has asked for something that ends its run: until that is done it executes no more, or how much would depend on the loop's thread. */
void
vcpu_hold_current (BpMachine *machine)
{
  if (current && current->machine == machine)
    __atomic_store_n (&current->wanted, 0, __ATOMIC_SEQ_CST);
}

bool
bp_vcpu_is_held (const BpVcpu *vcpu)
{
  return !is_set (&vcpu->wanted);
}

bool
bp_vcpu_may_run (BpVcpu *vcpu)
{
  g_assert (current == vcpu);
  if (is_set (&vcpu->has_work))
    run_work (vcpu);
  return should_run (vcpu);
}

void
bp_vcpu_wait (BpVcpu *vcpu)
{
  CONTRACT_VCPU_UNLOCKED (vcpu->machine);
  g_assert (current == vcpu);
  g_mutex_lock (&vcpu->lock);
  vcpu->waiting = true;
  while (!vcpu->kicked && !is_set (&vcpu->has_work) && should_run (vcpu))
    g_cond_wait (&vcpu->wake, &vcpu->lock);
  vcpu->waiting = false;
  vcpu->kicked = false;
  g_mutex_unlock (&vcpu->lock);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void
park (BpVcpu *v)
{
  g_mutex_lock (&v->lock);
  v->parked = true;
  g_cond_broadcast (&v->parked_cond);
  while (v->lent || (!should_run (v) && !is_set (&v->quitting) && !is_set (&v->has_work)))
    g_cond_wait (&v->wake, &v->lock);
  v->parked = false;
  g_mutex_unlock (&v->lock);
}

static void
run_guest (BpVcpu *v)
{
  g_mutex_lock (&v->lock);
  v->in_run = true;
  g_mutex_unlock (&v->lock);
  v->machine->accel_iface->vcpu_run (object_instance (v->machine->accel), v);
  g_mutex_lock (&v->lock);
  v->in_run = false;
  g_mutex_unlock (&v->lock);
}

static void *
vcpu_thread (void *data)
{
  BpVcpu *v = data;
  current = v;
  g_mutex_lock (&v->lock);
  v->pthread = pthread_self ();
  g_mutex_unlock (&v->lock);
  while (!is_set (&v->quitting)) {
    if (bp_vcpu_may_run (v))
      run_guest (v);
    else
      park (v);
  }
  run_work (v);                 /* nobody who waits is left behind */
  return NULL;
}

/* --- the host's side -------------------------------------------------------------------------- */

BpVcpu *
vcpu_new (BpObject *cpu, unsigned index)
{
  BpVcpu *v = g_new0 (BpVcpu, 1);
  v->object = cpu;
  v->machine = cpu->machine;
  v->index = index;
  g_mutex_init (&v->lock);
  g_cond_init (&v->wake);
  g_cond_init (&v->parked_cond);
  g_queue_init (&v->work);
  cpu->vcpu = v;
  return v;
}

void
vcpu_free (BpVcpu *v)
{
  if (!v)
    return;
  g_assert (!v->thread && g_queue_is_empty (&v->work));
  if (v->object->vcpu == v)
    v->object->vcpu = NULL;
  g_mutex_clear (&v->lock);
  g_cond_clear (&v->wake);
  g_cond_clear (&v->parked_cond);
  g_free (v);
}

static bool
initialise (BpMachine *m, BpVcpu *v, GError **error)
{
  if (!v->initialised && BP_TABLE_HAS (m->accel_iface, vcpu_init))
    v->initialised = m->accel_iface->vcpu_init (object_instance (m->accel), v, error);
  else
    v->initialised = true;
  return v->initialised;
}

static bool
start_thread (BpVcpu *v, GError **error)
{
  if (v->thread)
    return true;
  char name[16];
  g_snprintf (name, sizeof name, "vcpu%u", v->index);
  g_mutex_lock (&v->lock);      /* the thread's handle is there before the thread does anything */
  v->quitting = 0;
  v->parked = false;
  v->thread = g_thread_try_new (name, vcpu_thread, v, error);
  g_mutex_unlock (&v->lock);
  return v->thread != NULL;
}

static void
set_wanted (BpVcpu *v, bool wanted)
{
  g_mutex_lock (&v->lock);
  __atomic_store_n (&v->wanted, wanted, __ATOMIC_SEQ_CST);
  kick_locked (v);
  g_mutex_unlock (&v->lock);
}

bool
vcpus_init (BpMachine *m, GError **error)
{
  for (unsigned i = 0; m->vcpus && i < m->vcpus->len; i++)
    if (!initialise (m, g_ptr_array_index (m->vcpus, i), error))
      return false;
  return true;
}

bool
vcpus_start (BpMachine *m, GError **error)
{
  if (!m->vcpus || !m->vcpus->len)
    return true;
  if (!m->accel || !BP_TABLE_HAS (m->accel_iface, vcpu_run)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the machine has vCPUs but no accelerator that runs them");
    return false;
  }
  if (!vcpus_init (m, error))
    return false;
  for (unsigned i = 0; i < m->vcpus->len; i++)
    if (!start_thread (g_ptr_array_index (m->vcpus, i), error))
      return false;
  for (unsigned i = 0; i < m->vcpus->len; i++)
    set_wanted (g_ptr_array_index (m->vcpus, i), true);
  return true;
}

void
vcpus_stop (BpMachine *m)
{
  for (unsigned i = 0; m->vcpus && i < m->vcpus->len; i++)
    set_wanted (g_ptr_array_index (m->vcpus, i), false);
  for (unsigned i = 0; m->vcpus && i < m->vcpus->len; i++) {
    BpVcpu *v = g_ptr_array_index (m->vcpus, i);
    g_assert (!bp_vcpu_is_current (v));
    g_mutex_lock (&v->lock);
    while (v->thread && !v->parked)
      g_cond_wait (&v->parked_cond, &v->lock);
    g_mutex_unlock (&v->lock);
  }
}

void
vcpu_set_pending (BpVcpu *vcpu, uint32_t pending)
{
  __atomic_store_n (&vcpu->pending, pending, __ATOMIC_SEQ_CST);
}

static void
nothing (void *cpu, void *user)
{
}

void
vcpus_settle (BpMachine *m)
{
  for (unsigned i = 0; m->vcpus && i < m->vcpus->len; i++)
    bp_vcpu_run_on (g_ptr_array_index (m->vcpus, i), nothing, NULL, true);
}

void
vcpus_join (BpMachine *m)
{
  vcpus_stop (m);
  for (unsigned i = 0; m->vcpus && i < m->vcpus->len; i++) {
    BpVcpu *v = g_ptr_array_index (m->vcpus, i);
    if (v->thread) {
      g_mutex_lock (&v->lock);
      __atomic_store_n (&v->quitting, 1, __ATOMIC_SEQ_CST);
      kick_locked (v);
      g_mutex_unlock (&v->lock);
      g_thread_join (v->thread);
      g_mutex_lock (&v->lock);
      v->thread = NULL;
      g_mutex_unlock (&v->lock);
    }
    if (v->initialised && BP_TABLE_HAS (m->accel_iface, vcpu_finish))
      m->accel_iface->vcpu_finish (object_instance (m->accel), v);
    v->initialised = false;
  }
}
