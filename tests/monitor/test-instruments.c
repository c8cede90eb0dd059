/* test-instruments.c -- a monitor lists, starts, stops and asks instruments. */
/* SPDX-License-Identifier: MIT */
#include "../core/toy-instrument.h"
#include "monitor-test.h"
#include "monitor/console.h"
#include "../suite.h"
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#define PROBE "[override accel]\ntype = toy-tcg\n[instrument probe]\ntype = toy-probe\nstart = never\n"

static BpMachine *machine;

static void
setup (void)
{
  toy_instrument_register ();
  machine = monitor_test_machine (PROBE);
}

static void
teardown (void)
{
  monitor_test_end ();
}

/* The whole answer, or, with a * at the end, its beginning. */
static void
expect (char *got, const char *wanted)
{
  size_t length = strlen (wanted);
  bool open = length && wanted[length - 1] == '*';
  ck_assert_msg (open ? strncmp (got, wanted, length - 1) == 0 : strcmp (got, wanted) == 0, "%s\ninstead of\n%s", got, wanted);
  g_free (got);
}

#define QMP_IS(message_, wanted_) expect (monitor_test_qmp (message_), wanted_)
#define LINE_IS(line_, wanted_) expect (monitor_test_line (line_), wanted_)
#define NAMED(command_, name_) "{\"execute\": \"x-instrument-" command_ "\", \"arguments\": {\"name\": \"" name_ "\"}}"

START_TEST (list_start_stop)
{
  LINE_IS ("instrument-list", "probe (toy-probe): stopped\n");
  QMP_IS (NAMED ("start", "probe"), "{\"return\": {}}");
  LINE_IS ("info instruments", "probe (toy-probe): running\n");
  QMP_IS ("{\"execute\": \"x-instrument-list\"}", "{\"return\": [{\"name\": \"probe\", \"type\": \"toy-probe\", \"running\": true, \"running-cpus\": 1}]}");
  LINE_IS ("instrument-stop probe", "");
  LINE_IS ("instrument-list", "probe (toy-probe): stopped\n");
  LINE_IS ("instrument-start /machine/probe", "");
  LINE_IS ("instrument-list", "probe (toy-probe): running\n");
}
END_TEST

START_TEST (report)
{
  static const char file[] = "/tmp/backplane-test-instruments.json";
  LINE_IS ("instrument-report probe", "probe (toy-probe)\n=================\nSize          7\nnone          -\n");
  QMP_IS (NAMED ("report", "probe"), "{\"return\": {\"backplane\": *");
  g_autofree char *answer = monitor_test_qmp (NAMED ("report", "probe"));
  ck_assert_msg (strstr (answer, "\"instruments\": {\"probe\": {\"size\": 7, \"none\": null}}}}") != NULL, "%s", answer);
  LINE_IS ("instrument-report probe /tmp/backplane-test-instruments.json", "");
  g_autofree char *text = NULL;
  ck_assert (g_file_get_contents (file, &text, NULL, NULL));
  ck_assert_ptr_nonnull (strstr (text, "\"size\": 7"));
  g_unlink (file);
}
END_TEST

START_TEST (refused)
{
  QMP_IS (NAMED ("start", "nope"), "{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device 'nope' not found\"}}");
  QMP_IS (NAMED ("report", "ram"), "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Device 'ram' is a test-ram and not an instrument\"}}");
  QMP_IS ("{\"execute\": \"x-instrument-stop\"}", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'name' is missing\"}}");
  LINE_IS ("instrument-report probe /nowhere/x.json", "Error: cannot write `/nowhere/x.json`: there is no directory `/nowhere`\n");
  LINE_IS ("instrument-start", "name is missing\nTry \"help instrument-start\" for more information\n");
}
END_TEST

START_TEST (completion)
{
  static const char text[] = "instrument-report ";
  size_t start = strlen (text);
  g_autoptr (GPtrArray) words = console_complete (machine, text, &start);
  ck_assert_uint_eq (words->len, 1);
  ck_assert_str_eq (words->pdata[0], "probe");
}
END_TEST

START_TEST (none)
{
  monitor_test_end ();
  machine = monitor_test_machine ("");
  LINE_IS ("instrument-list", "The machine has no instrument.\n");
  QMP_IS ("{\"execute\": \"x-instrument-list\"}", "{\"return\": []}");
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("instruments");
  TCase *tests = tcase_create ("instruments");
  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_test (tests, list_start_stop);
  tcase_add_test (tests, report);
  tcase_add_test (tests, refused);
  tcase_add_test (tests, completion);
  tcase_add_test (tests, none);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
