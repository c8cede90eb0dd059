/* validate.c -- the parent of a validation: starts children, takes what they say, and finds out how they died. */
/* SPDX-License-Identifier: MIT */
#include "validate.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

typedef struct Run {
  const char *file;             /* absolute */
  unsigned seconds;
  char *directory;              /* of scratch files; children work in it */
  BpReportTable *table;
  Validation counts;
  /* of the child that runs */
  Process process;
  ValidatePlace next;           /* the least that it may begin now */
  ValidatePlace place;          /* of the item that was begun last */
  char *type, *what, *step;
  char *words;                  /* the line of standard error that tells most */
  bool grave;                   /* .. an assertion's or a sanitizer's, else it is the last one */
  bool begun, open, ended;      /* begun: an item; open: which has no result yet; ended: the child has said that all is done */
} Run;

/* --- rows ------------------------------------------------------------------------------------------- */

static void
row (Run *r, const char *type, const char *what, ValidateResult result, const char *detail)
{
  static const char *const words[] = { "passed", "FAILED", "skipped" };
  unsigned *const counts[] = { &r->counts.passed, &r->counts.failed, &r->counts.skipped };
  g_autofree char *valid = g_utf8_make_valid (detail, -1);
  ++*counts[result];
  report_row (r->table, type, what, words[result], *valid ? valid : NULL);
}

static void
set (char **field, const char *text)
{
  g_free (*field);
  *field = g_strdup (text);
}

/* --- what the child says ------------------------------------------------------------------------------ */

static bool is_before (ValidatePlace a, ValidatePlace b) { return a.type < b.type || (a.type == b.type && a.item < b.item); }

/* Items come in order, so that there is an end to them. */
static bool
take_begin (Run *r, const char *text)
{
  const ValidatePlace last = { VALIDATE_MOST_ITEMS, VALIDATE_MOST_ITEMS };
  ValidatePlace place;
  int used = 0;
  if (sscanf (text, "%9d %9d %n", &place.type, &place.item, &used) < 2 || is_before (place, r->next) || is_before (last, place))
    return false;
  r->place = place;
  r->next = (ValidatePlace) { place.type, place.item + 1 };
  const char *tab = strchr (text + used, '\t');
  g_free (r->type);
  r->type = tab ? g_strndup (text + used, (gsize) (tab - text - used)) : g_strdup (text + used);
  set (&r->what, tab ? tab + 1 : "");
  set (&r->step, "the beginning");
  return r->begun = r->open = true;
}

static bool
take_end (Run *r, const char *text)
{
  int result = *text - '0';
  if (result < VALIDATE_PASSED || result > VALIDATE_SKIPPED || !r->open)
    return false;
  row (r, r->type, r->what, (ValidateResult) result, text + (text[1] ? 2 : 1));
  r->open = false;
  return true;
}

/* false: that is none of its words; a plugin may write to whatever descriptor it likes. */
static bool
take_line (void *run, const char *line)
{
  Run *r = run;
  switch (*line) {
  case '@': return take_begin (r, line + 1);
  case ':': set (&r->step, line + 1); return true;
  case '=': return take_end (r, line + 1);
  case '.': return r->ended = line[1] == 0;
  default: return false;
  }
}

/* --- how it died ---------------------------------------------------------------------------------------- */

/* Of an assertion or a sanitizer the first line, else the last one that there is. */
static bool
take_words (void *run, const char *line)
{
  Run *r = run;
  bool grave = strstr (line, "ERROR: ") || strstr (line, "runtime error: ") || strstr (line, "assertion failed");
  g_autofree char *valid = g_utf8_make_valid (line, -1);
  g_strstrip (g_strdelimit (valid, "\r\t", ' '));
  if (!*valid || r->grave)
    return false;
  g_free (r->words);
  r->words = g_utf8_substring (valid, 0, MIN (g_utf8_strlen (valid, -1), 300));
  r->grave = grave;
  return false;
}

static void
report_death (Run *r, int status, bool silent)
{
  g_autofree char *how = silent                ? g_strdup_printf ("no end within %u s", r->seconds)
                         : WIFSIGNALED (status) ? g_strdup_printf ("crash (%s)", strsignal (WTERMSIG (status)))
                                                : g_strdup_printf ("the process ended (exit status %d)", WEXITSTATUS (status));
  g_autofree char *detail = g_strdup_printf ("%s: %s%s%s", r->step, how, r->words ? ": " : "", r->words ? r->words : "");
  row (r, r->type, r->what, VALIDATE_FAILED, detail);
  if (r->begun && r->place.type >= 0 && r->place.item == 0)
    row (r, r->type, "properties", VALIDATE_SKIPPED, "its life does not come to an end");
}

/* --- children ---------------------------------------------------------------------------------------------- */

typedef struct Body {
  const Run *run;
  ValidatePlace from;
} Body;

static void
be_child (void *body, int fd)
{
  const Body *b = body;
  validate_child (b->run->file, b->from, fd);
}

static ProcessState
hear (Run *r)
{
  ProcessState state = PROCESS_TALKS;
  while (!r->ended && state == PROCESS_TALKS)
    state = process_listen (&r->process, r->seconds, take_line, take_words, r);
  return state;
}

/* Where the next child begins; false: nowhere. */
static bool
find_next (Run *r, ValidatePlace *from)
{
  if (!r->begun) {              /* what went well before did not this time; if it was the loading, so it will with each child */
    bool loads = strcmp (r->step, "load") != 0;
    *from = (ValidatePlace) { from->type + 1, 0 };
    return loads && from->type > 0;
  }
  *from = r->place.item == 0 ? (ValidatePlace) { r->place.type + 1, 0 } : (ValidatePlace) { r->place.type, r->place.item + 1 };
  return r->place.type >= 0;
}

/* One child, from `from' on; false: there is nothing behind what it did. */
static bool
run_child (Run *r, ValidatePlace *from)
{
  Body body = { r, *from };
  r->begun = r->open = r->ended = r->grave = false;
  r->next = *from;
  g_clear_pointer (&r->words, g_free);
  set (&r->step, "load");
  if (!process_start (&r->process, r->directory, be_child, &body)) {
    row (r, r->type, "load", VALIDATE_FAILED, g_strerror (errno));
    return false;
  }
  ProcessState state = hear (r);
  int status = process_end (&r->process);
  if (state == PROCESS_INTERRUPTED)
    return false;
  if (r->ended) {
    if (r->grave)               /* sanitizers that do not end the process say it there alone */
      row (r, r->type, "standard error", VALIDATE_FAILED, r->words);
    return false;
  }
  if (!r->begun)
    set (&r->what, "once more");
  report_death (r, status, state == PROCESS_SILENT);
  return find_next (r, from);
}

/* --- all of it ------------------------------------------------------------------------------------------------ */

static bool
make_sample (const Run *r)
{
  g_autofree char *path = g_build_filename (r->directory, "sample.bin", NULL), *zeros = g_malloc0 (VALIDATE_SAMPLE_SIZE);
  return g_file_set_contents (path, zeros, VALIDATE_SAMPLE_SIZE, NULL);
}

Validation
validate_plugin (const char *file, unsigned seconds, BpReport *report)
{
  static const char *const columns[] = { "type", "what", "result", "detail", NULL };
  g_autofree char *path = g_canonicalize_filename (file, NULL), *name = g_path_get_basename (file);
  Run r = { .file = path, .seconds = seconds, .directory = g_dir_make_tmp ("backplane-validate-XXXXXX", NULL) };
  ValidatePlace from = { -1, 0 };
  r.table = report_table (report, "validation", columns);
  set (&r.type, name);
  set (&r.what, "load");
  plugin_path_anchor ();        /* children run in a folder of their own */
  process_watch_begin ();
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
  g_free (r.words);
  process_watch_end ();
  return r.counts;
}
