/* validate.c -- the parent of a validation: starts children, takes what they say, and finds out how they died. */
/* SPDX-License-Identifier: MIT */
#include "validate.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Run {
  const char *file;             /* absolute */
  unsigned seconds;
  char *directory;              /* of scratch files; children work in it */
  BpReportTable *table;
  Validation counts;
  /* of the child that runs */
  pid_t pid;
  int fd;
  GString *line;
  ValidatePlace place;          /* of the item that was begun last */
  char *type, *what, *step;
  bool open, ended;             /* open: the item has no result yet; ended: the child has said that all is done */
} Run;

/* --- rows ------------------------------------------------------------------------------------------- */

static void
row (Run *r, const char *type, const char *what, ValidateResult result, const char *detail)
{
  static const char *const words[] = { "passed", "FAILED", "skipped" };
  unsigned *const counts[] = { &r->counts.passed, &r->counts.failed, &r->counts.skipped };
  ++*counts[result];
  report_row (r->table, type, what, words[result], *detail ? detail : NULL);
}

static void
set (char **field, const char *text)
{
  g_free (*field);
  *field = g_strdup (text);
}

/* --- what the child says ------------------------------------------------------------------------------ */

static void
take_begin (Run *r, const char *text)
{
  int used = 0;
  if (sscanf (text, "%d %d %n", &r->place.type, &r->place.item, &used) < 2)
    return;
  const char *tab = strchr (text + used, '\t');
  g_free (r->type);
  r->type = tab ? g_strndup (text + used, (gsize) (tab - text - used)) : g_strdup (text + used);
  set (&r->what, tab ? tab + 1 : "");
  set (&r->step, "the beginning");
  r->open = true;
}

static void
take_end (Run *r, const char *text)
{
  int result = *text - '0';
  if (result < VALIDATE_PASSED || result > VALIDATE_SKIPPED || !r->open)
    return;
  row (r, r->type, r->what, (ValidateResult) result, text + (text[1] ? 2 : 1));
  r->open = false;
}

static void
take_line (Run *r, const char *line)
{
  switch (*line) {
  case '@': take_begin (r, line + 1); break;
  case ':': set (&r->step, line + 1); break;
  case '=': take_end (r, line + 1); break;
  case '.': r->ended = true; break;
  default: break;
  }
}

/* false: it says no more.  *silent: it has been for too long. */
static bool
listen_to (Run *r, bool *silent)
{
  struct pollfd p = { .fd = r->fd, .events = POLLIN };
  char bytes[4096];
  int ready = poll (&p, 1, (int) MIN (r->seconds, 86400) * 1000);
  *silent = ready == 0;
  if (ready < 0)
    return errno == EINTR;
  ssize_t n = ready > 0 ? read (r->fd, bytes, sizeof bytes) : 0;
  for (ssize_t i = 0; i < n; i++) {
    if (bytes[i] != '\n') {
      g_string_append_c (r->line, bytes[i]);
      continue;
    }
    take_line (r, r->line->str);
    g_string_truncate (r->line, 0);
  }
  return n > 0;
}

/* --- how it died ---------------------------------------------------------------------------------------- */

/* The line of standard error that tells most: of an assertion, of a sanitizer, else the last one; *grave: it is one of the former. */
static char *
last_words (const Run *r, bool *grave)
{
  g_autofree char *path = g_build_filename (r->directory, "stderr", NULL), *text = NULL;
  const char *found = NULL;
  *grave = false;
  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  g_auto (GStrv) lines = g_strsplit (g_strdelimit (text, "\r\t", ' '), "\n", -1);
  for (char **l = lines; *l; l++) {
    if (strstr (*l, "ERROR: ") || strstr (*l, "runtime error: ") || strstr (*l, "assertion failed")) {
      found = *l;
      *grave = true;
      break;
    }
    if (*g_strstrip (*l))
      found = *l;
  }
  g_autofree char *valid = found ? g_utf8_make_valid (found, -1) : NULL;
  return valid ? g_strdup_printf ("%.300s", valid) : NULL;
}

static void
report_death (Run *r, int status, bool silent)
{
  bool grave;
  g_autofree char *words = last_words (r, &grave);
  g_autofree char *how = silent                ? g_strdup_printf ("no end within %u s", r->seconds)
                         : WIFSIGNALED (status) ? g_strdup_printf ("crash (%s)", strsignal (WTERMSIG (status)))
                                                : g_strdup_printf ("the process ended (exit status %d)", WEXITSTATUS (status));
  g_autofree char *detail = g_strdup_printf ("%s: %s%s%s", r->step, how, words ? ": " : "", words ? words : "");
  row (r, r->type, r->what, VALIDATE_FAILED, detail);
  if (r->place.type >= 0 && r->place.item == 0)
    row (r, r->type, "properties", VALIDATE_SKIPPED, "its life does not come to an end");
}

/* Sanitizers that do not end the process say it on standard error alone. */
static void
report_words (Run *r)
{
  bool grave;
  g_autofree char *words = last_words (r, &grave);
  if (grave)
    row (r, r->type, "standard error", VALIDATE_FAILED, words);
}

/* --- children ---------------------------------------------------------------------------------------------- */

static void
redirect (int to, const char *path, int flags)
{
  int fd = open (path, flags, 0600);
  if (fd < 0 || dup2 (fd, to) < 0)
    _exit (127);
  if (fd != to)
    close (fd);
}

/* Without a terminal, which a plugin could take, in a folder of its own, and without a core dump. */
static void
become_child (const Run *r, ValidatePlace from, int fd)
{
  const struct rlimit none = { 0, 0 };
  setsid ();
  if (chdir (r->directory) < 0)
    _exit (127);
  redirect (STDIN_FILENO, "/dev/null", O_RDONLY);
  redirect (STDOUT_FILENO, "/dev/null", O_WRONLY);
  redirect (STDERR_FILENO, "stderr", O_WRONLY | O_CREAT | O_TRUNC);
  setrlimit (RLIMIT_CORE, &none);
  validate_child (r->file, from, fd);
}

static bool
start (Run *r, ValidatePlace from)
{
  int ends[2];
  if (pipe2 (ends, O_CLOEXEC) < 0)
    return false;
  r->pid = fork ();
  if (r->pid == 0) {
    close (ends[0]);
    become_child (r, from, ends[1]);
  }
  close (ends[1]);
  r->fd = ends[0];
  if (r->pid > 0)
    return true;
  close (r->fd);
  return false;
}

/* Its own children, which are of its group, go with it; until it is waited for, the group's number is nobody else's. */
static int
stop (const Run *r, bool by_force)
{
  siginfo_t info;
  int status = 0;
  if (by_force)
    kill (r->pid, SIGKILL);
  while (waitid (P_PID, (id_t) r->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
    ;
  kill (-r->pid, SIGKILL);
  while (waitpid (r->pid, &status, 0) < 0 && errno == EINTR)
    ;
  return status;
}

/* One child, from `from' on; false: there is nothing behind what it did. */
static bool
run_child (Run *r, ValidatePlace *from)
{
  bool silent = false;
  r->ended = r->open = false;
  g_string_truncate (r->line, 0);
  set (&r->step, "load");
  if (!start (r, *from)) {
    row (r, r->type ? r->type : r->file, "load", VALIDATE_FAILED, g_strerror (errno));
    return false;
  }
  r->place = (ValidatePlace) { -2, 0 };
  while (!r->ended && listen_to (r, &silent))
    ;
  int status = stop (r, silent || r->ended);
  close (r->fd);
  if (r->ended) {
    report_words (r);
    return false;
  }
  if (r->place.type == -2) {    /* it did not even come to its first item */
    set (&r->what, "load once more");
    r->place = (ValidatePlace) { -1, 0 };
  }
  report_death (r, status, silent);
  *from = r->place.item == 0 ? (ValidatePlace) { r->place.type + 1, 0 } : (ValidatePlace) { r->place.type, r->place.item + 1 };
  return r->place.type >= 0;
}

/* --- all of it ------------------------------------------------------------------------------------------------ */

static bool
make_sample (const Run *r)
{
  g_autofree char *path = g_build_filename (r->directory, "sample.bin", NULL), *zeros = g_malloc0 (VALIDATE_SAMPLE_SIZE);
  return g_file_set_contents (path, zeros, VALIDATE_SAMPLE_SIZE, NULL);
}

/* What plugins wrote has no folders but what they made themselves. */
static void
remove_tree (const char *path)
{
  GDir *dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *inside = g_build_filename (path, name, NULL);
    remove_tree (inside);
  }
  if (dir)
    g_dir_close (dir);
  g_remove (path);
}

Validation
validate_plugin (const char *file, unsigned seconds, BpReport *report)
{
  static const char *const columns[] = { "type", "what", "result", "detail", NULL };
  g_autofree char *path = g_canonicalize_filename (file, NULL), *name = g_path_get_basename (file);
  Run r = { .file = path, .seconds = seconds, .directory = g_dir_make_tmp ("backplane-validate-XXXXXX", NULL), .line = g_string_new (NULL) };
  ValidatePlace from = { -1, 0 };
  r.table = report_table (report, "validation", columns);
  set (&r.type, name);
  set (&r.what, "load");
  plugin_path_anchor ();        /* children run in a folder of their own */
  if (!r.directory || !make_sample (&r))
    row (&r, name, "load", VALIDATE_FAILED, "there is no place for temporary files");
  else
    while (run_child (&r, &from))
      ;
  if (r.directory)
    remove_tree (r.directory);
  g_free (r.directory);
  g_free (r.type);
  g_free (r.what);
  g_free (r.step);
  g_string_free (r.line, TRUE);
  return r.counts;
}
