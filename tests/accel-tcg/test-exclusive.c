/* test-exclusive.c -- who has the blocks to itself has them alone, and whoever wanted them at the same time knows that somebody had. */
/* SPDX-License-Identifier: MIT */
#include "machine-tcg.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>

#define N_THREADS 4
#define N_ROUNDS 20000

static TcgMachine machine;
static uint32_t alone, times, wrong;    /* atomic */

/* Between what this vCPU saw while it ran and its turn nobody else had one: what it saw still holds. */
static gpointer
want_it (gpointer unused)
{
  VcpuExtra extra = { 0 };
  TcgVcpu *v = g_aligned_alloc0 (1, sizeof (TcgVcpu), 64);
  v->machine = &machine;
  v->extra = &extra;
  run_enter (v);
  for (unsigned i = 0; i < N_ROUNDS; i++) {
    uint32_t seen = __atomic_load_n (&times, __ATOMIC_SEQ_CST);
    if (!exclusive_begin (v))
      continue;
    if (__atomic_fetch_add (&alone, 1, __ATOMIC_SEQ_CST) != 0 || times != seen)
      __atomic_store_n (&wrong, 1, __ATOMIC_SEQ_CST);
    times = seen + 1;
    __atomic_fetch_sub (&alone, 1, __ATOMIC_SEQ_CST);
    exclusive_end (v);
  }
  run_leave (v);
  g_aligned_free (v);
  return NULL;
}

START_TEST (one_after_the_other)
{
  GThread *thread[N_THREADS];
  g_mutex_init (&machine.run_lock);
  g_cond_init (&machine.run_cond);
  machine.vcpus = g_ptr_array_new ();
  for (unsigned i = 0; i < N_THREADS; i++)
    thread[i] = g_thread_new ("vcpu", want_it, NULL);
  for (unsigned i = 0; i < N_THREADS; i++)
    g_thread_join (thread[i]);
  ck_assert_uint_eq (wrong, 0);
  ck_assert_uint_ge (times, N_ROUNDS / 10);
  ck_assert_uint_eq (machine.n_running, 0);
  g_ptr_array_unref (machine.vcpus);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("exclusive");
  TCase *tcase = tcase_create ("all");
  tcase_add_test (tcase, one_after_the_other);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
