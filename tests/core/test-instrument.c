/* test-instrument.c -- instruments in a machine: keys of their sections, who is attached, symbols, and results at the end. */
/* SPDX-License-Identifier: MIT */
#include "toy-instrument.h"
#include "../scratch.h"
#include "../suite.h"
#include <backplane/iface/symbols.h>
#include <check.h>
#include <string.h>
#include <unistd.h>

#define HEAD "[accel]\ntype = toy-tcg\n[cpu]\ntype = toy-cpu\ncount = 2\n"
#define PROBE "[instrument probe]\ntype = toy-probe\n"
#define NAMES "[device names]\ntype = toy-names\n"

static BpMachine *machine;

static void
setup (void)
{
  scratch_enter ();
  toy_instrument_register ();
  toy_forget ();
}

static void
teardown (void)
{
  static const char *const files[] = { "out.json", "out.html", "out.txt", "all.json", "link.json" };
  g_clear_pointer (&machine, toy_free);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    g_unlink (files[i]);
  ck_assert_uint_eq (scratch_empty ("."), 0);   /* nothing else was left there */
  scratch_leave ();
}

static void
build (const char *text)
{
  g_autofree char *errors = NULL;
  machine = toy_build (text, NULL, &errors);
  ck_assert_msg (machine != NULL, "%s", errors);
}

static void
realize (const char *text)
{
  g_autoptr (GError) error = NULL;
  build (text);
  ck_assert_msg (machine_realize (machine, &error), "%s", error ? error->message : "");
}

static void *
probe (void)
{
  return bp_machine_find (machine, "probe");
}

static void
events_are (const char *wanted)
{
  g_ptr_array_add (toy_events, NULL);
  g_autofree char *got = g_strjoinv (", ", (char **) toy_events->pdata);
  ck_assert_str_eq (got, wanted);
  g_ptr_array_set_size (toy_events, 0);
}

/* --- keys ----------------------------------------------------------------------------------- */

static const struct { const char *keys, *error; } bad_keys[] = {
  { "start = nwo\n", "[instrument probe] start: `nwo` is neither now, marker, never nor an address, and no object of the machine has symbols (did you mean `now`?)" },
  { "start = main\n", "start: `main` is neither now, marker, never nor an address, and no object of the machine has symbols\n" },
  { "start = 0x1z\n", "start: `0x1z`: that is not an address" },
  { "start =\n", "start: ``: the value is empty" },
  { "stop = now\n", "stop: `now`: an instrument does not stop before it has begun" },
  { "stop = makrer\n", "(did you mean `marker`?)" },
  { "patience = long\n", "patience: `long` is not a number of milliseconds in 0..3600000" },
  { "patience = 3600001\n", "patience: `3600001` is not" },
  { "patience = -1\n", "patience: `-1` is not" },
  { "report =\n", "report: the value is empty" },
  { "report = /\n", "report: `/` is a directory, not a file" },
  { "report = nowhere/out.json\n", "report: cannot write `nowhere/out.json`: there is no directory `nowhere`" },
  { "html = out.json\nreport = ./out.json\n", "html: `out.json` is written by [instrument probe] already" },
  { "reprot = out.json\n", "(did you mean `report`?)" },
  { "strat = now\n", "(did you mean `start`?)" },
};

START_TEST (wrong_keys)
{
  g_autofree char *text = g_strconcat (HEAD PROBE, bad_keys[_i].keys, NULL), *errors = NULL;
  ck_assert_ptr_null (toy_build (text, NULL, &errors));
  ck_assert_msg (strstr (errors, bad_keys[_i].error) != NULL, "%s", errors);
}
END_TEST

static const struct { const char *keys; BpInstrumentControl control; } good_keys[] = {
  { "", { .start = BP_WHEN_NOW, .stop = BP_WHEN_NEVER, .patience_ms = 10000 } },
  { "start = now ; at once\nstop = never\n", { .start = BP_WHEN_NOW, .stop = BP_WHEN_NEVER, .patience_ms = 10000 } },
  { "start = marker\nstop = marker\npatience = 0\n", { .start = BP_WHEN_MARKER, .stop = BP_WHEN_MARKER, .patience_ms = 0 } },
  { "start = never\npatience = 25\n", { .start = BP_WHEN_NEVER, .stop = BP_WHEN_NEVER, .patience_ms = 25 } },
  { "start = 0xffffffff81000000\nstop = 4096\n",
    { .start = BP_WHEN_ADDRESS, .stop = BP_WHEN_ADDRESS, .start_address = 0xffffffff81000000, .stop_address = 4096, .patience_ms = 10000 } },
  { "start = main\nstop = start_kernel\n",
    { .start = BP_WHEN_ADDRESS, .stop = BP_WHEN_ADDRESS, .start_address = 0x401000, .stop_address = 0xffffffff81000000, .patience_ms = 10000 } },
};

START_TEST (keys)
{
  g_autofree char *text = g_strconcat (HEAD PROBE, good_keys[_i].keys, NAMES, NULL);
  const BpInstrumentControl *wanted = &good_keys[_i].control;
  realize (text);
  ck_assert_uint_eq (toy_control.struct_size, sizeof toy_control);
  ck_assert_int_eq (toy_control.start, wanted->start);
  ck_assert_int_eq (toy_control.stop, wanted->stop);
  ck_assert_uint_eq (toy_control.start_address, wanted->start_address);
  ck_assert_uint_eq (toy_control.stop_address, wanted->stop_address);
  ck_assert_uint_eq (toy_control.patience_ms, wanted->patience_ms);
}
END_TEST

START_TEST (unknown_symbol)
{
  g_autoptr (GError) error = NULL;
  build (HEAD PROBE "stop = nevr\n" NAMES);
  ck_assert (!machine_realize (machine, &error));
  ck_assert_msg (strstr (error->message, "[instrument probe] stop: no object of the machine knows a symbol `nevr` (did you mean `never`?)") != NULL, "%s", error->message);
  ck_assert_ptr_null (bp_instrument_of (probe ()));
}
END_TEST

/* `describe' and `show --explain' know the keys as they know a property. */
START_TEST (told_to_people)
{
  BpReport *report = report_new ();
  g_autoptr (GString) out = g_string_new (NULL);
  describe_type (report, type_find ("toy-probe"));
  g_autofree char *text = report_text (report, 0);
  report_free (report);
  ck_assert_msg (strstr (text, "\nsection keys:\n") != NULL && strstr (text, "\npatience  10000    0..3600000 ") != NULL, "%s", text);
  build (HEAD PROBE);
  ck_assert (explain_value (machine, "probe.start", out, NULL));
  ck_assert_msg (strstr (out->str, "not given\n  now, marker, ADDRESS, SYMBOL, never, default now\n  When it begins") != NULL, "%s", out->str);
}
END_TEST

/* --- attached ------------------------------------------------------------------------------- */

START_TEST (order)
{
  realize (PROBE NAMES HEAD);
  ck_assert_ptr_nonnull (bp_instrument_of (probe ()));
  ck_assert_ptr_null (bp_instrument_of (bp_machine_find (machine, "names")));
  events_are ("realize names, realize accel, realize cpu0, realize cpu1, realize probe, attach probe");
  machine_unrealize (machine);
  ck_assert_ptr_null (bp_instrument_of (probe ()));
  events_are ("unrealize probe, detach probe, unrealize cpu1, unrealize cpu0, unrealize accel, unrealize names");
}
END_TEST

START_TEST (no_host)
{
  g_autofree char *errors = NULL;
  ck_assert_ptr_null (toy_build ("[accel]\ntype = toy-accel\n" PROBE, NULL, &errors));
  ck_assert_msg (strstr (errors, "`toy-accel` will not do: it cannot be instrumented, which [instrument probe] asks for (accel-tcg can)") != NULL, "%s", errors);
}
END_TEST

START_TEST (once_only)
{
  g_autoptr (GError) error = NULL;
  build (HEAD PROBE "twice = on\n");
  ck_assert (!machine_realize (machine, &error));
  ck_assert_msg (strstr (error->message, "attached already") != NULL, "%s", error->message);
  ck_assert_ptr_null (bp_instrument_of (probe ()));
}
END_TEST

START_TEST (not_in_configure)
{
  g_autofree char *errors = NULL;
  ck_assert_ptr_null (toy_build (HEAD PROBE "early = on\n", NULL, &errors));
  ck_assert_msg (strstr (errors, "[instrument probe]: it is attached too early: bp_instrument_attach is for `realize`, not for `configure`") != NULL, "%s", errors);
}
END_TEST

/* Who has left, or has never quite joined, is asked for nothing any more. */
START_TEST (comes_and_goes)
{
  static const BpObjectKey good[] = { { "type", "toy-probe" }, { NULL, NULL } }, wrong[] = { { "type", "toy-probe" }, { "twice", "on" }, { NULL, NULL } };
  g_autoptr (GError) error = NULL;
  realize (HEAD);
  ck_assert_ptr_nonnull (bp_machine_add_object (machine, "instrument", "probe", good, NULL));
  ck_assert_ptr_nonnull (bp_instrument_of (probe ()));
  ck_assert_int_eq (bp_machine_remove_object (machine, "probe", NULL), BP_REMOVAL_NOW);
  ck_assert_ptr_null (results_collect (machine));
  ck_assert_ptr_null (bp_machine_add_object (machine, "instrument", "probe", wrong, &error));
  ck_assert_msg (strstr (error->message, "attached already") != NULL, "%s", error->message);
  ck_assert_ptr_null (results_collect (machine));
  ck_assert_ptr_nonnull (bp_machine_add_object (machine, "instrument", "probe", good, NULL));
  Results *results = results_collect (machine);
  g_autofree char *text = results_text (results);
  ck_assert_str_eq (text, "probe (toy-probe)\n=================\nSize          7\nnone          -\n");
  results_free (results);
}
END_TEST

/* --- symbols -------------------------------------------------------------------------------- */

START_TEST (symbols)
{
  uint64_t address = 0;
  BpSymbolQuery query = { .struct_size = sizeof query, .privilege = 3, .address = 0x401010 };
  BpSymbolAnswer answer = { .struct_size = sizeof answer };
  build (HEAD "[device no-names]\ntype = toy-names\nempty = on\n" NAMES);
  ck_assert_ptr_eq (bp_machine_symbol (machine, &query, &answer), bp_machine_find (machine, "names"));
  ck_assert_str_eq (answer.name, "main");
  ck_assert_uint_eq (answer.line, 7);
  query.address = 0xffffffff81000123;
  ck_assert_ptr_null (bp_machine_symbol (machine, &query, &answer));
  ck_assert_ptr_null (answer.name);
  query.privilege = 0;
  ck_assert_ptr_nonnull (bp_machine_symbol (machine, &query, &answer));
  ck_assert_str_eq (answer.name, "start_kernel");
  ck_assert_uint_eq (answer.line, 0);
  ck_assert (bp_machine_symbol_address (machine, "main", &address));
  ck_assert_uint_eq (address, 0x401000);
  ck_assert (!bp_machine_symbol_address (machine, "mian", &address));
}
END_TEST

/* --- results -------------------------------------------------------------------------------- */

static const char probe_json[] = "\"instruments\": {\n    \"probe\": {\n      \"size\": 7,\n      \"none\": null\n    }\n  }\n}\n";

static char *
contents (const char *name)
{
  char *text = NULL;
  ck_assert_msg (g_file_get_contents (name, &text, NULL, NULL), "%s is not there", name);
  return text;
}

static void
file_has (const char *name, const char *part)
{
  g_autofree char *text = contents (name);
  ck_assert_msg (strstr (text, part) != NULL, "no `%s` in\n%s", part, text);
}

static GString *told;

static void
tell (const char *message)
{
  g_string_append_printf (told, "%s\n", message);
}

static Results *
run (const char *text)
{
  toy_exit_code = 0;
  realize (text);
  g_ptr_array_set_size (toy_events, 0);
  ck_assert_int_eq (machine_run (machine), 0);
  return machine_take_results (machine);
}

/* They outlive the machine. */
START_TEST (at_the_end)
{
  Results *results = run (HEAD "[boot]\ntype = toy-boot\n" PROBE "report = out.json\nhtml = out.html\n[instrument mute]\ntype = toy-probe\nsilent = on\n");
  ck_assert_ptr_null (machine_take_results (machine));
  events_are ("cold cpu0, cold cpu1, cold boot, load boot, flush probe, report probe, flush mute");
  g_clear_pointer (&machine, toy_free);
  g_autofree char *text = results_text (results);
  ck_assert_str_eq (text, "probe (toy-probe)\n=================\nSize          7\nnone          -\n\nmute (toy-probe)\n================\nIt has nothing to report.\n");
  told = g_string_new (NULL);
  ck_assert (results_write_own (results, tell));
  ck_assert (results_write (results, "all.json", NULL));
  ck_assert_uint_eq (told->len, 0);
  g_string_free (told, TRUE);
  file_has ("out.json", probe_json);
  file_has ("out.json", "\"machine\": \"toy-");
  file_has ("out.html", "<h1>probe (toy-probe)</h1>");
  file_has ("all.json", "\"mute\": {}");
  results_free (results);
}
END_TEST

START_TEST (no_instruments)
{
  ck_assert_ptr_null (run (HEAD "[boot]\ntype = toy-boot\n"));
}
END_TEST

/* The old file stays when the new one cannot be written, and a link stays a link. */
START_TEST (written_whole)
{
  g_autoptr (GError) error = NULL;
  Results *results = run (HEAD "[boot]\ntype = toy-boot\n" PROBE "report = /dev/full\n");
  told = g_string_new (NULL);
  ck_assert (!results_write_own (results, tell));
  ck_assert_str_eq (told->str, "[instrument probe]: cannot write `/dev/full`: No space left on device\n");
  g_string_free (told, TRUE);
  ck_assert (g_file_test ("/dev/full", G_FILE_TEST_EXISTS) && !g_file_test ("/dev/full", G_FILE_TEST_IS_REGULAR));
  ck_assert (!results_write (results, "nowhere/x.json", &error));
  ck_assert_msg (strstr (error->message, "cannot write `nowhere/x.json`: ") != NULL, "%s", error->message);
  ck_assert (g_file_set_contents ("out.json", "old", -1, NULL));
  ck_assert_int_eq (symlink ("out.json", "link.json"), 0);
  ck_assert (results_write (results, "link.json", NULL));
  ck_assert (g_file_test ("link.json", G_FILE_TEST_IS_SYMLINK));
  file_has ("out.json", probe_json);
  results_free (results);
}
END_TEST

/* --- while it runs -------------------------------------------------------------------------- */

static unsigned n_events;

static void
count_event (void *user, BpMachineEvent event, const char *detail)
{
  n_events++;
}

START_TEST (meanwhile)
{
  realize (HEAD PROBE);
  ck_assert (bp_machine_continue (machine, NULL));
  bp_machine_watch (machine, count_event, NULL);
  g_ptr_array_set_size (toy_events, 0);
  g_autofree char *text = bp_instrument_report (probe (), BP_REPORT_FORM_TEXT), *json = bp_instrument_report (probe (), BP_REPORT_FORM_JSON);
  g_autofree char *page = bp_instrument_report (probe (), BP_REPORT_FORM_HTML);
  ck_assert_str_eq (text, "probe (toy-probe)\n=================\nSize          7\nnone          -\n");
  ck_assert_ptr_nonnull (strstr (json, probe_json));
  ck_assert (g_str_has_prefix (page, "<!DOCTYPE html>"));
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_RUNNING);
  ck_assert_uint_eq (n_events, 0);
  events_are ("flush probe, report probe, flush probe, report probe, flush probe, report probe");
  ck_assert (bp_instrument_write_report (probe (), "out.txt", NULL));
  file_has ("out.txt", "Size          7");
  g_autoptr (GError) error = NULL;
  ck_assert (!bp_instrument_write_report (probe (), "nowhere/x", &error));
  ck_assert_str_eq (error->message, "cannot write `nowhere/x`: there is no directory `nowhere`");
  bp_machine_stop (machine, BP_RUN_PAUSED);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("instrument");
  TCase *tests = tcase_create ("instrument");
  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_loop_test (tests, wrong_keys, 0, G_N_ELEMENTS (bad_keys));
  tcase_add_loop_test (tests, keys, 0, G_N_ELEMENTS (good_keys));
  tcase_add_test (tests, unknown_symbol);
  tcase_add_test (tests, told_to_people);
  tcase_add_test (tests, order);
  tcase_add_test (tests, no_host);
  tcase_add_test (tests, once_only);
  tcase_add_test (tests, not_in_configure);
  tcase_add_test (tests, comes_and_goes);
  tcase_add_test (tests, symbols);
  tcase_add_test (tests, at_the_end);
  tcase_add_test (tests, no_instruments);
  tcase_add_test (tests, written_whole);
  tcase_add_test (tests, meanwhile);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
