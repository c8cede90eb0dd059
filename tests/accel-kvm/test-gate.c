/* test-gate.c -- the gate before the guest: whoever closes it has the guest empty until it opens, however often vCPUs come and go; needs no /dev/kvm. */
/* SPDX-License-Identifier: MIT */
#include "accel-kvm/kvm.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>

enum { N_VCPUS = 3, N_ROUNDS = 3000 };

typedef struct Runner {
  KvmVcpu v;
  int kicked;                   /* atomic: as KVM_RUN sees immediate_exit */
  unsigned n_runs, n_kicked;
} Runner;

static Kvm kvm;
static Runner runner[N_VCPUS];
static int is_torn, has_ended, n_wrong; /* atomic */

/* In place of bp_vcpu_kick: the vCPU's number stands for it. */
void
test_kick (BpVcpu *vcpu)
{
  __atomic_store_n (&runner[GPOINTER_TO_UINT (vcpu)].kicked, 1, __ATOMIC_SEQ_CST);
}

/* A guest that computes leaves for nothing but a kick; every other run ends by itself. */
static void
in_guest (Runner *r)
{
  bool leaves = r->n_runs++ % 2;
  unsigned turns = 0;
  do {
    if (__atomic_load_n (&is_torn, __ATOMIC_SEQ_CST))
      __atomic_add_fetch (&n_wrong, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n (&r->kicked, __ATOMIC_SEQ_CST)) {
      r->n_kicked++;
      return;
    }
    if (++turns % 16 == 0)
      g_thread_yield ();
  } while (!leaves && !__atomic_load_n (&has_ended, __ATOMIC_SEQ_CST));
}

static void *
run (void *data)
{
  Runner *r = data;
  while (!__atomic_load_n (&has_ended, __ATOMIC_SEQ_CST)) {
    __atomic_store_n (&r->kicked, 0, __ATOMIC_SEQ_CST);
    kvm_gate_enter (&r->v);
    in_guest (r);
    kvm_gate_leave (&r->v);
  }
  return NULL;
}

START_TEST (nobody_is_inside)
{
  GThread *threads[N_VCPUS];
  kvm.vcpus = g_ptr_array_new ();
  kvm_gate_init (&kvm);
  for (unsigned i = 0; i < N_VCPUS; i++) {
    runner[i].v = (KvmVcpu) { .kvm = &kvm, .vcpu = GUINT_TO_POINTER (i) };
    g_ptr_array_add (kvm.vcpus, &runner[i].v);
  }
  for (unsigned i = 0; i < N_VCPUS; i++)
    threads[i] = g_thread_new ("vcpu", run, &runner[i]);
  for (unsigned i = 0; i < N_ROUNDS; i++) {
    kvm_gate_close (&kvm);
    __atomic_store_n (&is_torn, 1, __ATOMIC_SEQ_CST);
    if (i % 8 == 0)
      g_thread_yield ();
    __atomic_store_n (&is_torn, 0, __ATOMIC_SEQ_CST);
    kvm_gate_open (&kvm);
    if (i % 4 == 0)
      g_usleep (50);
  }
  __atomic_store_n (&has_ended, 1, __ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < N_VCPUS; i++)
    g_thread_join (threads[i]);
  ck_assert_int_eq (n_wrong, 0);
  ck_assert_uint_gt (runner[0].n_kicked, 0);
  kvm_gate_finish (&kvm);
  g_ptr_array_unref (kvm.vcpus);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("gate");
  TCase *tcase = tcase_create ("all");
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, nobody_is_inside);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
