/* test-contract.c -- calls on the wrong thread, or without the machine lock, end the process where contracts are kept; the right ones do not. */
/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "build.h"
#include "contract.h"
#include "../suite.h"

static FullMachine full;
static BpMachine *const machine = &full.machine;

static void
make (BpRunState state)
{
  full = (FullMachine) { .machine = { .main_thread = g_thread_self () } };
  full.state = state;
  signal (SIGTRAP, SIG_DFL);
}

static void lock_it (void) { machine->lock_owner = g_thread_self (); }

static void *elsewhere_main (void *unused) { contract_main (machine, "f"); return NULL; }
static void *elsewhere_either (void *unused) { contract_main_or_locked (machine, "f"); return NULL; }
static void *elsewhere_locked (void *unused) { lock_it (); contract_main_or_locked (machine, "f"); contract_locked (machine, "f"); return NULL; }
static void run_elsewhere (GThreadFunc f) { g_thread_join (g_thread_new ("elsewhere", f, NULL)); }

START_TEST (what_is_right_goes_on)
{
  make (BP_RUN_RUNNING);
  contract_main (machine, "f");
  contract_main_or_locked (machine, "f");
  contract_main_unlocked (machine, "f");
  run_elsewhere (elsewhere_locked);
  lock_it ();
  contract_locked (machine, "f");
  make (BP_RUN_PRELAUNCH);      /* nothing else runs */
  contract_locked (machine, "f");
  contract_vcpu_unlocked (machine, "f");
}
END_TEST

START_TEST (main_elsewhere) { make (BP_RUN_PAUSED); run_elsewhere (elsewhere_main); } END_TEST
START_TEST (neither) { make (BP_RUN_PAUSED); run_elsewhere (elsewhere_either); } END_TEST
START_TEST (without_the_lock) { make (BP_RUN_RUNNING); contract_locked (machine, "f"); } END_TEST
START_TEST (with_the_lock) { make (BP_RUN_RUNNING); lock_it (); contract_main_unlocked (machine, "f"); } END_TEST
START_TEST (no_vcpu) { make (BP_RUN_RUNNING); contract_vcpu_unlocked (machine, "f"); } END_TEST

/* What exported functions do at their beginning. */
START_TEST (kept_where_wanted)
{
  make (BP_RUN_RUNNING);
  contracts_are_kept = false;
  CONTRACT_LOCKED (machine);
  contracts_are_kept = true;
  bp_machine_lock (machine);
  bp_machine_lock (machine);
  CONTRACT_LOCKED (machine);
  bp_machine_unlock (machine);
  CONTRACT_LOCKED (machine);
  bp_machine_unlock (machine);
  exit (machine->lock_owner ? 1 : 0);
}
END_TEST

START_TEST (and_then_end_it)
{
  make (BP_RUN_RUNNING);
  contracts_are_kept = true;
  CONTRACT_LOCKED (machine);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("contract");
  TCase *t = tcase_create ("contract");
  tcase_add_test (t, what_is_right_goes_on);
  tcase_add_test_raise_signal (t, main_elsewhere, SIGTRAP);
  tcase_add_test_raise_signal (t, neither, SIGTRAP);
  tcase_add_test_raise_signal (t, without_the_lock, SIGTRAP);
  tcase_add_test_raise_signal (t, with_the_lock, SIGTRAP);
  tcase_add_test_raise_signal (t, no_vcpu, SIGTRAP);
  tcase_add_exit_test (t, kept_where_wanted, 0);
  tcase_add_test_raise_signal (t, and_then_end_it, SIGTRAP);
  suite_add_tcase (suite, t);
  return suite_run (suite);
}
