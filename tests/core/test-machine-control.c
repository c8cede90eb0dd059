/* test-machine-control.c -- a machine is stopped, continued, watched and asked about its objects, as a monitor does. */
/* SPDX-License-Identifier: MIT */
#include "toy.h"
#include "../suite.h"
#include <backplane/machine.h>
#include <backplane/clock.h>
#include <check.h>
#include <string.h>

#define HEAD "[accel]\ntype = toy-accel\n[cpu]\ntype = toy-cpu\n"

static GString *heard;
static BpMachine *machine;

static BpMachine *
build (const char *text)
{
  g_autofree char *errors = NULL;
  toy_forget ();
  toy_exit_code = -1;
  toy_resets = 0;
  machine = toy_build (text, NULL, &errors);
  ck_assert_msg (machine != NULL, "%s", errors);
  ck_assert (machine_realize (machine, NULL));
  g_ptr_array_set_size (toy_events, 0);
  return machine;
}

static void
listen_to (void *user, BpMachineEvent event, const char *detail)
{
  static const char *const names[] = { "stopped", "resumed", "reset", "powerdown", "shutdown", "resuming" };
  g_string_append_printf (heard, "%s%s%s%s%s ", (const char *) user, names[event], detail ? "(" : "", detail ? detail : "", detail ? ")" : "");
}

/* Runs the machine, and `script` once on its main loop. */
static int
run (void (*script) (void *user))
{
  bp_loop_post (bp_loop_main (machine), false, machine, script, NULL);
  return machine_run (machine);
}

static void
setup (void)
{
  heard = g_string_new (NULL);
}

static void
teardown (void)
{
  toy_free (machine);
  g_string_free (heard, TRUE);
}

/* --- run state ------------------------------------------------------------------------------ */

static void
stop_and_go (void *user)
{
  BpClock clock = BP_CLOCK_VIRTUAL;
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_RUNNING);
  ck_assert (bp_machine_continue (machine, NULL));
  bp_machine_stop (machine, BP_RUN_PAUSED);
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_PAUSED);
  int64_t stood = bp_clock_now (machine, clock);
  g_usleep (2000);
  ck_assert_int_eq (bp_clock_now (machine, clock), stood);
  bp_machine_stop (machine, BP_RUN_DEBUG);              /* stands already: nobody is told */
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_DEBUG);
  ck_assert (bp_machine_continue (machine, NULL));
  g_usleep (2000);
  ck_assert_int_gt (bp_clock_now (machine, clock), stood);
  bp_machine_request_shutdown (machine, 5, "enough");
}

START_TEST (stops_and_continues)
{
  GError *error = NULL;
  build (HEAD);
  bp_machine_watch (machine, listen_to, (void *) "");
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_PRELAUNCH);
  ck_assert_int_eq (run (stop_and_go), 5);
  ck_assert_str_eq (heard->str, "resuming resumed stopped resuming resumed stopped shutdown(enough) ");
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_SHUTDOWN);
  ck_assert (!bp_machine_continue (machine, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "has shut down"));
  g_error_free (error);
}
END_TEST

static void
end (void *user)
{
  bp_machine_request_shutdown (machine, 0, NULL);
}

static void
look_at_it_stopped (void *user)
{
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_PRELAUNCH);
  bp_machine_request_reset (machine, "a test");
  bp_loop_post (bp_loop_main (machine), false, machine, end, NULL);
}

START_TEST (waits_to_be_started)
{
  build (HEAD "[boot]\ntype = toy-boot\n");
  bp_machine_watch (machine, listen_to, (void *) "");
  machine_set_stopped (machine, true);
  ck_assert_int_eq (run (look_at_it_stopped), 0);
  ck_assert_str_eq (heard->str, "reset(a test) shutdown ");
}
END_TEST

static void
ask_to_stop (void *user)
{
  bp_machine_request_stop (machine, BP_RUN_IO_ERROR);
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_RUNNING);    /* soon, not now */
  bp_machine_request_reset (machine, "first");
}

static void
end_when_stopped (void *user, BpMachineEvent event, const char *detail)
{
  if (event == BP_MACHINE_STOPPED && bp_machine_run_state (machine) == BP_RUN_IO_ERROR)
    bp_machine_request_shutdown (machine, 3, NULL);
}

START_TEST (requests)
{
  build (HEAD);
  bp_machine_watch (machine, listen_to, (void *) "");
  bp_machine_watch (machine, end_when_stopped, NULL);
  ck_assert_int_eq (run (ask_to_stop), 3);
  ck_assert_str_eq (heard->str, "resuming resumed reset(first) stopped shutdown ");
}
END_TEST

START_TEST (names_of_states)
{
  build (HEAD);
  ck_assert_str_eq (bp_run_state_name (BP_RUN_RUNNING), "running");
  ck_assert_str_eq (bp_run_state_name (BP_RUN_SHUTDOWN), "shutdown");
  ck_assert_str_eq (bp_run_state_name ((BpRunState) 99), "internal-error");
}
END_TEST

/* --- the power button ----------------------------------------------------------------------- */

static void *
press_elsewhere (void *user)
{
  ck_assert (bp_machine_request_powerdown (machine));
  return NULL;
}

/* Any thread may. */
static void
press (void *user)
{
  g_thread_join (g_thread_new ("presses", press_elsewhere, NULL));
  bp_loop_post (bp_loop_main (machine), false, machine, end, NULL);
}

START_TEST (power_button)
{
  build (HEAD "[device button]\ntype = toy-button\n");
  bp_machine_watch (machine, listen_to, (void *) "");
  ck_assert_int_eq (run (press), 0);
  ck_assert_str_eq (heard->str, "resuming resumed powerdown stopped shutdown ");
  ck_assert (g_ptr_array_find_with_equal_func (toy_events, "press button", g_str_equal, NULL));
}
END_TEST

START_TEST (no_power_button)
{
  build (HEAD);
  ck_assert (!bp_machine_request_powerdown (machine));
}
END_TEST

/* --- watchers --------------------------------------------------------------------------------- */

static unsigned second;

static void
unwatch_second (void *user, BpMachineEvent event, const char *detail)
{
  bp_machine_unwatch (machine, second);
}

START_TEST (watcher_goes_while_told)
{
  build (HEAD);
  bp_machine_watch (machine, unwatch_second, NULL);
  second = bp_machine_watch (machine, listen_to, (void *) "b-");
  bp_machine_watch (machine, listen_to, (void *) "c-");
  machine_tell (machine, BP_MACHINE_RESET, NULL);
  bp_machine_unwatch (machine, 999);
  machine_tell (machine, BP_MACHINE_RESET, NULL);
  ck_assert_str_eq (heard->str, "c-reset c-reset ");
}
END_TEST

/* --- objects ------------------------------------------------------------------------------------ */

START_TEST (objects_and_properties)
{
  g_autoptr (GError) error = NULL;
  build ("[machine]\ndescription = for a test\n" HEAD "[device button]\ntype = toy-button\n[device com1]\ntype = toy-uart\n");
  unsigned cursor = 0;
  g_autoptr (GString) ids = g_string_new (NULL);
  for (void *o; (o = bp_machine_next_object (machine, &cursor));)
    g_string_append_printf (ids, "%s:%s ", bp_object_id (o), bp_object_type (o)->name);
  ck_assert_str_eq (ids->str, "accel:toy-accel cpu0:toy-cpu button:toy-button com1:toy-uart ");
  ck_assert_str_eq (bp_machine_description (machine), "for a test");
  void *button = bp_machine_find (machine, "button"), *com1 = bp_machine_find (machine, "com1");
  ck_assert_str_eq (bp_object_property (button, 0)->name, "strength");
  ck_assert_ptr_null (bp_object_property (button, 1));
  ck_assert (bp_object_set (button, "strength", "7", &error));
  g_autofree char *value = bp_object_get (button, "strength", &error);
  ck_assert_str_eq (value, "7");
  ck_assert_str_eq (toy_events->pdata[0], "strength button");
  ck_assert (!bp_object_set (button, "strength", "12", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "1..9"));
  g_clear_error (&error);
  ck_assert_ptr_null (bp_object_get (button, "strenght", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "did you mean `strength`?"));
  g_clear_error (&error);
  ck_assert (!bp_object_set (com1, "depth", "2", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "cannot be changed any more"));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("machine-control");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, stops_and_continues);
  tcase_add_test (tcase, waits_to_be_started);
  tcase_add_test (tcase, requests);
  tcase_add_test (tcase, names_of_states);
  tcase_add_test (tcase, power_button);
  tcase_add_test (tcase, no_power_button);
  tcase_add_test (tcase, watcher_goes_while_told);
  tcase_add_test (tcase, objects_and_properties);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
