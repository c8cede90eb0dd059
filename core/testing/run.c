/* run.c -- the program of a test: each in a process of its own, and files that go when it ends. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- files --------------------------------------------------------------------------------- */

static char *folder;
static GHashTable *files;       /* paths */
static pid_t files_of;          /* the process that made them; one that it forked leaves them alone */

static void
remove_files (void)
{
  if (getpid () != files_of)
    return;
  GHashTableIter i;
  gpointer path;
  g_hash_table_iter_init (&i, files);
  while (g_hash_table_iter_next (&i, &path, NULL))
    g_unlink (path);
  g_rmdir (folder);
}

char *
(bp_test_file) (const char *name, const void *bytes, size_t size)
{
  g_autoptr (GError) error = NULL;
  if (!folder || files_of != getpid ()) {
    folder = g_dir_make_tmp ("backplane-test-XXXXXX", &error);
    if (!folder)
      (bp_test_fail) ("%s", error->message);
    files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    files_of = getpid ();
    atexit (remove_files);
  }
  char *path = g_build_filename (folder, name, NULL);
  g_hash_table_add (files, g_strdup (path));
  if (!g_file_set_contents (path, bytes, (gssize) size, &error))
    (bp_test_fail) ("%s", error->message);
  return path;
}

/* --- one test --------------------------------------------------------------------------------- */

static unsigned
seconds (void)
{
  const char *text = g_getenv ("BP_TEST_SECONDS");
  unsigned n = text ? (unsigned) strtoul (text, NULL, 10) : 0;
  return n ? n : 60;
}

/* Shared with the child, which says so when the test has come to its end: a device that ends the process has not passed. */
static bool *
ended_new (void)
{
  bool *ended = mmap (NULL, sizeof *ended, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return ended == MAP_FAILED ? NULL : ended;
}

static bool
is_passed (const char *suite, const BpTestCase *test, int status, bool ended)
{
  if (WIFSIGNALED (status) && WTERMSIG (status) == SIGALRM)
    fprintf (stderr, "%s: %s: not done after %u seconds (BP_TEST_SECONDS)\n", suite, test->name, seconds ());
  else if (WIFSIGNALED (status))
    fprintf (stderr, "%s: %s: ended by signal %d (%s)\n", suite, test->name, WTERMSIG (status), g_strsignal (WTERMSIG (status)));
  else if (WEXITSTATUS (status) == 0 && !ended)
    fprintf (stderr, "%s: %s: the process was ended before the test\n", suite, test->name);
  return WIFEXITED (status) && WEXITSTATUS (status) == 0 && ended;
}

static bool
run_forked (const char *suite, const BpTestCase *test)
{
  int status = -1;
  bool *ended = ended_new ();
  fflush (NULL);
  signal (SIGCHLD, SIG_DFL);    /* who started this may have no use for children */
  pid_t child = ended ? fork () : -1;
  if (child < 0)
    fprintf (stderr, "%s: cannot fork: %s\n", suite, g_strerror (errno));
  if (child == 0) {
    alarm (seconds ());
    test->run ();
    *ended = true;
    exit (0);
  }
  while (child > 0 && waitpid (child, &status, 0) < 0 && errno == EINTR)
    ;
  bool passed = child > 0 && is_passed (suite, test, status, *ended);
  if (ended)
    munmap (ended, sizeof *ended);
  return passed;
}

/* --- all of them --------------------------------------------------------------------------------- */

static bool
is_chosen (const char *name, int argc, char **argv)
{
  bool any = false;
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] == '-')
      continue;
    any = true;
    if (strcmp (argv[i], name) == 0)
      return true;
  }
  return !any;
}

static bool
is_known (const BpTestCase *const *tests, const char *name)
{
  for (; *tests; tests++)
    if (strcmp ((*tests)->name, name) == 0)
      return true;
  return strcmp (name, "--list") == 0 || strcmp (name, "--no-fork") == 0;
}

static bool
has_option (const char *option, int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    if (strcmp (argv[i], option) == 0)
      return true;
  return false;
}

int
bp_test_main (const char *suite, const BpTestCase *const *tests, int argc, char **argv)
{
  bool fork_each = !has_option ("--no-fork", argc, argv);
  unsigned n = 0, failed = 0;
  for (int i = 1; i < argc; i++)
    if (!is_known (tests, argv[i])) {
      fprintf (stderr, "%s: there is no test `%s`; --list names them all, --no-fork runs them in this process\n", suite, argv[i]);
      return 2;
    }
  for (const BpTestCase *const *t = tests; *t; t++) {
    if (has_option ("--list", argc, argv)) {
      puts ((*t)->name);
      continue;
    }
    if (!is_chosen ((*t)->name, argc, argv))
      continue;
    n++;
    if (!fork_each) {
      (*t)->run ();
    } else if (!run_forked (suite, *t)) {
      fprintf (stderr, "%s: %s: failed\n", suite, (*t)->name);
      failed++;
    }
  }
  if (n)
    printf ("%s: %u of %u tests passed\n", suite, n - failed, n);
  return failed != 0;
}
