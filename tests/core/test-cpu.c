/* test-cpu.c -- vCPU threads: start, stop, kicks that are never lost, work on their thread. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "machine.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* --- an accelerator whose guests count and halt ----------------------------------------------- */

typedef struct Cpu {
  unsigned n_irqs, n_runs;      /* atomic */
  uint32_t leave;               /* atomic: kicked out of "guest code" */
  bool spins;                   /* never halts */
} Cpu;

typedef struct Accel {
  unsigned n_init, n_finish, n_kicks;
  bool fails;
} Accel;

static bool
accel_init (void *self, BpVcpu *vcpu, GError **error)
{
  Accel *a = self;
  a->n_init++;
  if (a->fails)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "no");
  return !a->fails;
}

static void
accel_finish (void *self, BpVcpu *vcpu)
{
  ((Accel *) self)->n_finish++;
}

static void
accel_kick (void *self, BpVcpu *vcpu, GThread *thread, uint64_t pthread_id)
{
  Cpu *cpu = bp_vcpu_cpu (vcpu);
  ck_assert (thread && pthread_id && !bp_vcpu_is_current (vcpu));
  __atomic_add_fetch (&((Accel *) self)->n_kicks, 1, __ATOMIC_SEQ_CST);
  __atomic_store_n (&cpu->leave, 1, __ATOMIC_SEQ_CST);
}

static void
accel_run (void *self, BpVcpu *vcpu)
{
  Cpu *cpu = bp_vcpu_cpu (vcpu);
  __atomic_add_fetch (&cpu->n_runs, 1, __ATOMIC_SEQ_CST);
  while (bp_vcpu_may_run (vcpu)) {
    if (bp_vcpu_pending (vcpu) & BP_VCPU_IRQ_HARD) {
      bp_vcpu_lower (vcpu, BP_VCPU_IRQ_HARD);
      __atomic_add_fetch (&cpu->n_irqs, 1, __ATOMIC_SEQ_CST);
    } else if (cpu->spins) {
      while (!__atomic_exchange_n (&cpu->leave, 0, __ATOMIC_SEQ_CST))   /* only a kick gets it out */
        g_thread_yield ();
    } else {
      bp_vcpu_wait (vcpu);
    }
  }
}

static const BpAccelIface iface = {
  .struct_size = sizeof iface,
  .vcpu_init = accel_init,
  .vcpu_run = accel_run,
  .vcpu_kick = accel_kick,
  .vcpu_finish = accel_finish,
};
static const BpTypeDesc cpu_type = { BP_TYPE ("test-cpu", BP_KIND_CPU, Cpu), .description = "counts" };
static const BpTypeDesc accel_type = { BP_TYPE ("test-accel", BP_KIND_ACCEL, Accel), .description = "runs" };

enum { N = 3 };
static BpMachine machine;
static BpObject *cpu[N], *accel;
static BpVcpu *vcpu[N];

static void
setup (void)
{
  memset (&machine, 0, sizeof machine);
  g_rec_mutex_init (&machine.lock);
  accel = object_new (&accel_type, "accel", &machine);
  machine.accel = accel;
  machine.accel_iface = &iface;
  machine.vcpus = g_ptr_array_new ();
  for (unsigned i = 0; i < N; i++) {
    cpu[i] = object_new (&cpu_type, "cpu", &machine);
    vcpu[i] = vcpu_new (cpu[i], i);
    g_ptr_array_add (machine.vcpus, vcpu[i]);
  }
}

static void
teardown (void)
{
  vcpus_join (&machine);
  for (unsigned i = 0; i < N; i++) {
    vcpu_free (vcpu[i]);
    object_free (cpu[i]);
  }
  g_ptr_array_unref (machine.vcpus);
  object_free (accel);
  g_rec_mutex_clear (&machine.lock);
}

static Cpu *
state (unsigned i)
{
  return object_instance (cpu[i]);
}

static void
wait_irqs (unsigned i, unsigned n)
{
  int64_t end = patience_ends (10);
  while (__atomic_load_n (&state (i)->n_irqs, __ATOMIC_SEQ_CST) < n) {
    ck_assert_msg (g_get_monotonic_time () < end, "vCPU %u slept through interrupt %u", i, n);
    g_thread_yield ();
  }
}

/* --- tests ------------------------------------------------------------------------------------ */

START_TEST (start_and_stop)
{
  ck_assert_ptr_eq (bp_vcpu_of (state (1)), vcpu[1]);
  ck_assert_ptr_eq (bp_vcpu_cpu (vcpu[2]), state (2));
  ck_assert_uint_eq (bp_vcpu_index (vcpu[2]), 2);
  state (1)->spins = true;
  for (unsigned round = 0; round < 300; round++) {
    ck_assert (vcpus_start (&machine, NULL));
    if (round % 3 == 0)
      g_usleep (100);
    vcpus_stop (&machine);
    unsigned before = state (0)->n_irqs;
    bp_vcpu_raise (vcpu[0], BP_VCPU_IRQ_HARD);  /* nothing runs while stopped */
    ck_assert_uint_eq (__atomic_load_n (&state (0)->n_irqs, __ATOMIC_SEQ_CST), before);
    ck_assert_uint_eq (bp_vcpu_pending (vcpu[0]), BP_VCPU_IRQ_HARD);
  }
  ck_assert (vcpus_start (&machine, NULL));
  wait_irqs (0, 1);
  vcpus_join (&machine);
  Accel *a = object_instance (accel);
  ck_assert_uint_eq (a->n_init, N);
  ck_assert_uint_eq (a->n_finish, N);
  ck_assert (vcpus_start (&machine, NULL));     /* and again from the start */
}
END_TEST

START_TEST (refusals)
{
  GError *error = NULL;
  ((Accel *) object_instance (accel))->fails = true;
  ck_assert (!vcpus_start (&machine, &error));
  ck_assert_str_eq (error->message, "no");
  g_clear_error (&error);
  machine.accel_iface = NULL;
  ck_assert (!vcpus_start (&machine, &error));
  g_clear_error (&error);
}
END_TEST

START_TEST (no_interrupt_is_lost)
{
  state (1)->spins = _i;
  ck_assert (vcpus_start (&machine, NULL));
  for (unsigned n = 1; n <= 5000; n++) {
    bp_vcpu_raise (vcpu[1], BP_VCPU_IRQ_HARD);
    wait_irqs (1, n);
  }
}
END_TEST

/* --- work on the vCPU's thread ---------------------------------------------------------------- */

typedef struct Job {
  BpVcpu *vcpu;
  unsigned n;                   /* atomic */
} Job;

static void
work (void *self, void *user)
{
  Job *job = user;
  ck_assert (bp_vcpu_is_current (job->vcpu));
  ck_assert_ptr_eq (self, bp_vcpu_cpu (job->vcpu));
  __atomic_add_fetch (&job->n, 1, __ATOMIC_SEQ_CST);
}

static void
work_anywhere (void *self, void *user)
{
  ((Job *) user)->n++;
}

static void *
give_work (void *data)
{
  Job *job = data;
  for (unsigned i = 0; i < 2000; i++)
    bp_vcpu_run_on (job->vcpu, work, job, i % 2);
  return NULL;
}

START_TEST (run_on)
{
  Job early = { vcpu[0], 0 };
  bp_vcpu_run_on (vcpu[0], work_anywhere, &early, true);        /* no thread yet */
  ck_assert_uint_eq (early.n, 1);
  state (1)->spins = true;
  ck_assert (vcpus_start (&machine, NULL));
  Job jobs[N] = { { vcpu[0], 0 }, { vcpu[1], 0 }, { vcpu[2], 0 } };
  GThread *threads[N];
  for (unsigned i = 0; i < N; i++)
    threads[i] = g_thread_new ("giver", give_work, &jobs[i]);
  for (unsigned i = 0; i < N; i++)
    g_thread_join (threads[i]);
  for (unsigned i = 0; i < N; i++)
    ck_assert_uint_eq (jobs[i].n, 2000);        /* the last was waited for, the others came before it */
  vcpus_stop (&machine);
  bp_vcpu_run_on (vcpu[2], work, &jobs[2], true);       /* parked threads work too */
  ck_assert_uint_eq (jobs[2].n, 2001);
  bp_vcpu_run_on (vcpu[1], work, &jobs[1], false);
  vcpus_join (&machine);
  ck_assert_uint_eq (jobs[1].n, 2001);
}
END_TEST

static void
note_thread (void *self, void *user)
{
  *(GThread **) user = g_thread_self ();
}

static void
work_again (void *self, void *user)
{
  bp_vcpu_run_on (((Job *) user)->vcpu, work_anywhere, user, false);
}

/* Of vCPUs that stand still the loop's thread does the work itself, before it goes on; that of others stays with the vCPU's. */
START_TEST (run_on_what_stands_still)
{
  GThread *at = NULL;
  machine.main_thread = g_thread_self ();
  ck_assert (vcpus_start (&machine, NULL));
  bp_vcpu_run_on (vcpu[0], note_thread, &at, true);
  ck_assert (at && at != g_thread_self ());
  vcpus_stop (&machine);
  bp_vcpu_run_on (vcpu[0], note_thread, &at, false);
  ck_assert_ptr_eq (at, g_thread_self ());
  Job mine = { vcpu[0], 0 }, others = { vcpu[0], 0 };
  bp_vcpu_run_on (vcpu[0], work_again, &mine, false);
  ck_assert_uint_eq (mine.n, 1);
  GThread *giver = g_thread_new ("giver", give_work, &others);
  for (unsigned i = 0; i < 2000; i++) {
    bp_vcpu_run_on (vcpu[0], work_anywhere, &mine, true);
    ck_assert_uint_eq (mine.n, i + 2);
  }
  g_thread_join (giver);
  ck_assert_uint_eq (others.n, 2000);
  ck_assert (vcpus_start (&machine, NULL));
  bp_vcpu_run_on (vcpu[0], note_thread, &at, true);
  ck_assert_ptr_ne (at, g_thread_self ());
  vcpus_join (&machine);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("cpu");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, start_and_stop);
  tcase_add_test (tcase, refusals);
  tcase_add_loop_test (tcase, no_interrupt_is_lost, 0, 2);
  tcase_add_test (tcase, run_on);
  tcase_add_test (tcase, run_on_what_stands_still);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
