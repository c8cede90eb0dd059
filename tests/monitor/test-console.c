/* test-console.c -- the console at a terminal and at a backend of its own: prompts, lines, completion, commands that take long. */
/* SPDX-License-Identifier: MIT */
#include "migrate.h"
#include "monitor-test.h"
#include "monitor/console.h"
#include "../suite.h"
#include <backplane/iface/char.h>
#include <backplane/iface/console.h>
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static BpMachine *machine;
static void *console;
static const BpConsoleIface *iface;
static GString *shown;
static unsigned left;

/* --- a terminal --------------------------------------------------------------------------------------- */

static void on_write (void *user, const char *bytes, size_t size) { g_string_append_len (shown, bytes, (gssize) size); }
static void on_leave (void *user) { left++; }
static const BpConsoleTerminal terminal = { sizeof terminal, on_write, on_leave };

static void
setup (void)
{
  machine = monitor_test_machine ("[device vga]\ntype = test-screen\n[device vga2]\ntype = test-screen\n[device button]\ntype = toy-button\n"
                                  "[device input]\ntype = test-input\n[device far]\ntype = stub\nsize = 4\nregs = memory@0xfffffffffc\n[monitor c]\ntype = monitor-console\nstart = on\n");
  console = bp_machine_find (machine, "c");
  iface = bp_object_interface (console, BP_CONSOLE_ID);
  shown = g_string_new (NULL);
  left = 0;
}

static void
teardown (void)
{
  monitor_test_end ();
  g_string_free (shown, TRUE);
}

static void
type (const char *keys)
{
  iface->input (console, keys, strlen (keys));
  monitor_test_turn (NULL);
}

/* What is shown after the keys ends with the text; then it is forgotten. */
static void
shows (const char *keys, const char *text)
{
  type (keys);
  ck_assert_msg (g_str_has_suffix (shown->str, text), "%s: %s", keys, shown->str);
  g_string_truncate (shown, 0);
}

#define PROMPT "\r(backplane) \x1b[K"

START_TEST (lines_and_answers)
{
  ck_assert (iface->at_start (console));
  ck_assert (iface->open (console, &terminal, NULL));
  ck_assert (!iface->open (console, &terminal, NULL));
  ck_assert_str_eq (shown->str, "\r\n" PROMPT);
  shows ("info status\r", "info status\r\nVM status: paused (prelaunch)\r\n" PROMPT);
  shows ("\r", "\r\n" PROMPT);
  shows ("p 1\rp 2\rp 3\r", "0x1\r\n" PROMPT "p 2\r\n0x2\r\n" PROMPT "p 3\r\n0x3\r\n" PROMPT);
  shows ("nope\r", "unknown command: 'nope'; try `help`\r\n" PROMPT);
  type ("unfin");
  iface->close (console);
  g_string_truncate (shown, 0);
  type ("x");                   /* nobody shows it, but it is kept */
  ck_assert_str_eq (shown->str, "");
  ck_assert (iface->open (console, &terminal, NULL));
  ck_assert_str_eq (shown->str, "\r\n\r(backplane) unfinx\x1b[K");
  shows ("\x15\x04", "\r\n");
  ck_assert_uint_eq (left, 1);
  iface->close (console);
}
END_TEST

START_TEST (single_lines)
{
  g_autofree char *a = iface->execute (console, "info status"), *b = iface->execute (console, "pmemsave 0 4M saved"), *c = iface->execute (console, "cpu 7");
  ck_assert_str_eq (a, "VM status: paused (prelaunch)\n");
  ck_assert_str_eq (b, "");
  ck_assert_str_eq (c, "Error: Parameter 'cpu-index' expects a CPU number\n");
  ck_assert_int_eq (g_unlink ("saved"), 0);
}
END_TEST

static const struct { const char *text, *words; size_t start; } completions[] = {
  { "sto", "stop", 0 },
  { "system_", "system_powerdown system_reset", 0 },
  { "  info v", "version", 7 },
  { "info cp", "cpus", 5 },
  { "help system_r", "system_reset", 5 },
  { "help info ch", "chardev", 10 },
  { "get b", "button.", 4 },
  { "get button.", "button.strength", 4 },
  { "get nope.", "", 4 },
  { "screendump f v", "vga vga2", 13 },
  { "screendump f -f p", "png ppm", 16 },
  { "screendump -f png f vga", "vga vga2", 20 },
  { "screendump -f png cmpl-t", "cmpl-tmp/", 18 },
  { "screendump cmpl-tmp/o", "cmpl-tmp/one", 11 },
  { "eject -f v", "vga vga2", 9 },
  { "eject vga v", "", 10 },
  { "sendkey ctrl-alt-del", "ctrl-alt-delete", 8 },
  { "set button.strength 1", "", 20 },
  { "x /4xw v", "", 7 },
  { "nope v", "", 5 },
  { "qom-list vga2", "vga2", 9 },
};

static int
by_name (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

START_TEST (completion)
{
  size_t start = strlen (completions[_i].text);
  ck_assert_int_eq (g_mkdir ("cmpl-tmp", 0777), 0);
  ck_assert (g_file_set_contents ("cmpl-tmp/one", "", 0, NULL) && g_file_set_contents ("cmpl-tmp/.hidden", "", 0, NULL));
  GPtrArray *words = console_complete (machine, completions[_i].text, &start);
  g_unlink ("cmpl-tmp/one");
  g_unlink ("cmpl-tmp/.hidden");
  g_rmdir ("cmpl-tmp");
  g_ptr_array_sort (words, by_name);
  g_ptr_array_add (words, NULL);
  g_autofree char *all = g_strjoinv (" ", (char **) words->pdata);
  ck_assert_msg (strcmp (all, completions[_i].words) == 0, "%s: %s", completions[_i].text, all);
  ck_assert_uint_eq (start, completions[_i].start);
  g_ptr_array_unref (words);
}
END_TEST

START_TEST (interrupted)
{
  iface->open (console, &terminal, NULL);
  iface->input (console, "pmemsave 0 1T huge\r", 19);
  for (unsigned i = 0; i < 10; i++)
    g_main_context_iteration (NULL, FALSE);
  iface->input (console, "lost\x03p 5\r", 9);
  monitor_test_turn (NULL);
  ck_assert_msg (strstr (shown->str, "^C\r\n" PROMPT "p 5\r\n0x5\r\n"), "%s", shown->str);
  ck_assert (!g_file_test ("huge", G_FILE_TEST_EXISTS));
  iface->input (console, "pmemsave 0 1T huge\r", 19);
  for (unsigned i = 0; i < 10; i++)
    g_main_context_iteration (NULL, FALSE);             /* teardown ends it */
}
END_TEST

/* --- a backend ------------------------------------------------------------------------------------------ */

typedef struct Line {
  const BpCharHandlers *handlers;
  void *user;
} Line;

static bool
line_attach (void *self, const BpCharHandlers *handlers, void *user)
{
  *(Line *) self = (Line) { handlers, user };
  return true;
}

static void line_write (void *self, const uint8_t *data, size_t size) { g_string_append_len (shown, (const char *) data, (gssize) size); }
static const BpCharIface line_iface = { .struct_size = sizeof line_iface, .attach = line_attach, .write = line_write };
static const BpInterfaceDesc line_interfaces[] = { { BP_CHAR_ID, &line_iface }, { NULL, NULL } };
static const BpTypeDesc line_type = { BP_TYPE ("test-line", BP_KIND_BACKEND, Line), .description = "a line", .interfaces = line_interfaces };

START_TEST (backend)
{
  teardown ();
  shown = g_string_new (NULL);
  ck_assert (type_register (&line_type, plugin_core (), NULL));
  machine = monitor_test_machine ("[backend line]\ntype = test-line\n[monitor c]\ntype = monitor-console\nbackend = line\n");
  monitor_test_turn (NULL);
  ck_assert_str_eq (shown->str, "Backplane's console; `help` lists its commands.\r\n" PROMPT);
  console = bp_machine_find (machine, "c");
  iface = bp_object_interface (console, BP_CONSOLE_ID);
  ck_assert (!iface->open (console, &terminal, NULL));
  g_string_truncate (shown, 0);
  const Line *line = bp_machine_find (machine, "line");
  ck_assert_uint_gt (line->handlers->can_receive (line->user), 100);
  bp_machine_lock (machine);
  line->handlers->receive (line->user, (const uint8_t *) "cont\rinfo status\r\x04", 18);
  bp_machine_unlock (machine);
  monitor_test_turn (NULL);
  ck_assert_str_eq (shown->str, "cont\r\n" PROMPT "info status\r\nVM status: running\r\n" PROMPT "\r\n" PROMPT);
}
END_TEST

/* What waits for the loop does not keep it; a line says how far it is. */
START_TEST (a_migration)
{
  ck_assert (iface->open (console, &terminal, NULL));
  type ("migrate 'exec:sleep 0.5; cat >moved'\r");
  for (unsigned i = 0; i < 500 && !g_str_has_suffix (shown->str, "\r\n" PROMPT); i++) {
    g_usleep (10000);
    monitor_test_turn (NULL);
  }
  ck_assert_msg (strstr (shown->str, ", round ") != NULL && g_str_has_suffix (shown->str, "\r\n" PROMPT), "%s", shown->str);
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_MOVED);
  ck_assert (bp_machine_continue (machine, NULL));
  g_autofree char *said = iface->execute (console, "migrate file:moved");
  ck_assert_str_eq (said, "it goes on by itself\n");
  for (unsigned i = 0; i < 500 && bp_machine_run_state (machine) != BP_RUN_MOVED; i++) {
    g_usleep (10000);
    monitor_test_turn (NULL);
  }
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_MOVED);
  migration_finish (machine);
  ck_assert_int_eq (g_unlink ("moved"), 0);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("console");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, lines_and_answers);
  tcase_add_test (tcase, single_lines);
  tcase_add_test (tcase, a_migration);
  tcase_add_loop_test (tcase, completion, 0, G_N_ELEMENTS (completions));
  tcase_add_test (tcase, interrupted);
  tcase_add_test (tcase, backend);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
