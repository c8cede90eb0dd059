/* test-terminal.c -- the program on a terminal: Ctrl-A C goes to the console and back, keys reach it, its commands act on the machine. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "../scratch.h"
#include "../suite.h"
#include <check.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MACHINE \
  "[machine]\nformat = 1\ndescription = a terminal and little else\n[accel]\nmodule = accel-tcg\n[memory ram]\nmodule = mem-backends\ntype = memory-anonymous\n" \
  "size = 1M\nram = memory@0\n[backend console]\nmodule = char-backends\ntype = char-stdio\n"

static int master;
static pid_t child;
static GString *shown;

/* --- the program --------------------------------------------------------------------------------------- */

/* On a terminal of its own; arguments end with NULL. */
static void
start (const char *const *more)
{
  const char *program = getenv ("BACKPLANE_RUN");
  ck_assert (g_file_set_contents ("terminal.ini", MACHINE, -1, NULL));
  master = posix_openpt (O_RDWR | O_NOCTTY);
  ck_assert (master >= 0 && grantpt (master) == 0 && unlockpt (master) == 0);
  g_autofree char *path = g_strdup (ptsname (master));
  shown = g_string_new (NULL);
  child = fork ();
  if (child == 0) {
    const char *arguments[16] = { program, "run", "terminal.ini", "--machine-timeout", "30" };
    for (unsigned i = 0; more[i]; i++)
      arguments[5 + i] = more[i];
    setsid ();
    int slave = open (path, O_RDWR);
    dup2 (slave, 0);
    dup2 (slave, 1);
    dup2 (slave, 2);
    execv (program, (char *const *) arguments);
    _exit (127);
  }
}

static bool
take (int timeout)
{
  struct pollfd ready = { .fd = master, .events = POLLIN };
  char bytes[4096];
  ssize_t n = poll (&ready, 1, timeout) == 1 ? read (master, bytes, sizeof bytes) : 0;
  if (n > 0)
    g_string_append_len (shown, bytes, n);
  return n > 0;
}

/* Until the text is shown; what was shown up to its end is forgotten. */
static void
shows (const char *text)
{
  gint64 end = patience_ends (20);
  const char *at;
  while (!(at = strstr (shown->str, text)) && g_get_monotonic_time () < end)
    take (200);
  ck_assert_msg (at != NULL, "no %s in %s", text, shown->str);
  g_string_erase (shown, 0, at - shown->str + (gssize) strlen (text));
}

static void
type (const char *keys)
{
  ck_assert_int_eq (write (master, keys, strlen (keys)), (ssize_t) strlen (keys));
}

static void
ends (int code)
{
  int status = 0;
  gint64 end = patience_ends (20);
  while (waitpid (child, &status, WNOHANG) == 0 && g_get_monotonic_time () < end)
    take (50);
  ck_assert_msg (WIFEXITED (status) && WEXITSTATUS (status) == code, "status %x: %s", status, shown->str);
  close (master);
  g_string_free (shown, TRUE);
}

/* --- conversations ----------------------------------------------------------------------------------------- */

#define PROMPT "(backplane) "

START_TEST (there_and_back)
{
  start ((const char *[]) { NULL });
  type ("\x01" "c");
  shows (PROMPT);
  type ("info st\t\r");
  shows ("VM status: running");
  shows (PROMPT);
  type ("\x01" "h");
  shows ("Ctrl-A C       go to the console of commands, and back");
  type ("stop\rinfo status\r");
  shows ("VM status: paused");
  type ("xx\x01\x01p \x0bp 6*7 #\x7f\x7f\r");  /* Ctrl-A Ctrl-A is the console's Ctrl-A: the line's beginning */
  shows ("Error");
  shows (PROMPT);
  type ("p 6*7\r");
  shows ("0x2a");
  shows (PROMPT);
  type ("\x01" "c");
  shows ("\r\n");
  type ("lost");                /* the guest's, who has nothing to read it */
  type ("\x01" "c");
  shows (PROMPT);
  type ("\x04");                /* Ctrl-D goes back too */
  shows ("\r\n");
  g_usleep (100000);
  type ("\x01" "c");
  shows (PROMPT);
  type ("q\r");
  ends (0);
}
END_TEST

START_TEST (from_the_start)
{
  start ((const char *[]) { "--monitor", "stdio", NULL });
  shows (PROMPT);
  type ("info name\r");
  shows ("a terminal and little else");
  type ("\x01x");
  ends (0);
}
END_TEST

START_TEST (none)
{
  start ((const char *[]) { "--set", "monitor.module=nowhere", NULL });
  shows ("nowhere");
  ends (1);
  start ((const char *[]) { "--monitor", "unix:t.sock", "--monitor", "stdio", NULL });
  shows (PROMPT);
  ck_assert (g_file_test ("t.sock", G_FILE_TEST_EXISTS));
  type ("quit\r");
  ends (0);
  ck_assert (!g_file_test ("t.sock", G_FILE_TEST_EXISTS));
}
END_TEST

START_TEST (wrong_addresses)
{
  start ((const char *[]) { "--monitor", "nowhere", NULL });
  shows ("--monitor takes unix:PATH, tcp:HOST:PORT or stdio, not `nowhere`");
  ends (2);
  start ((const char *[]) { "--monitor", "unix:", NULL });
  shows ("listen: the path is empty");
  ends (1);
  start ((const char *[]) { "--monitor", "unix:/nonexistent/x", NULL });
  shows ("cannot listen on unix:/nonexistent/x: No such file or directory");
  ends (1);
}
END_TEST

int
main (void)
{
  if (!getenv ("BACKPLANE_RUN")) {
    g_print ("test-terminal: skipped: BACKPLANE_RUN does not say what to run\n");
    return 77;
  }
  scratch_enter ();
  Suite *suite = suite_create ("terminal");
  TCase *tcase = tcase_create ("all");
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, there_and_back);
  tcase_add_test (tcase, from_the_start);
  tcase_add_test (tcase, none);
  tcase_add_test (tcase, wrong_addresses);
  suite_add_tcase (suite, tcase);
  int failed = suite_run (suite);
  scratch_leave ();
  return failed;
}
