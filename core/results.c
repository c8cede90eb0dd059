/* results.c -- what instruments have to say: asked while they are there, shown on the terminal and written to files. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"
#include "instrument.h"
#include <backplane/iface/symbols.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif
#define ROWS_ON_TERMINAL 20

/* Of one instrument. */
typedef struct Result {
  char *id, *type, *json_path, *html_path;
  BpReport *report;
} Result;

struct Results {
  GPtrArray *all;               /* of Result *, in the order in which they attached */
  char *machine;                /* the descriptor's file name */
};

/* --- asking ------------------------------------------------------------------------------- */

static void
result_free (void *data)
{
  Result *r = data;
  g_free (r->id);
  g_free (r->type);
  g_free (r->json_path);
  g_free (r->html_path);
  report_free (r->report);
  g_free (r);
}

static char *
own_path (const Attached *a, const char *key)
{
  Value *v = instrument_value (a->object, key);
  return v && *v->text ? g_strdup (v->text) : NULL;
}

/* An instrument that has seen nothing would report plain zeros. */
static void
note_start (const Attached *a, BpReport *report)
{
  const BpInstrumentHost *host = a->instrument->host;
  Value *start = instrument_value (a->object, "start");
  const char *text = start ? start->text : "";
  uint64_t address;
  g_autofree char *why = NULL;
  if (!BP_TABLE_HAS (host, has_run) || host->has_run (a->instrument))
    return;
  if (strcmp (text, "marker") == 0)
    why = g_strdup ("the guest gave no marker 1 (start = marker)");
  else if (strcmp (text, "never") == 0)
    why = g_strdup ("nobody said so (start = never)");
  else if (bp_machine_symbol_address (a->object->machine, text, &address))
    why = g_strdup_printf ("0x%" G_GINT64_MODIFIER "x (%s) was not reached", address, text);
  else
    why = g_strdup_printf ("%s was not reached", *text ? text : "its start");
  bp_report_text (report, "never_started", "It never started", why);
}

static Result *
ask (const Attached *a)
{
  Result *r = g_new0 (Result, 1);
  r->id = g_strdup (a->object->id);
  r->type = g_strdup (a->object->type->name);
  r->json_path = own_path (a, "report");
  r->html_path = own_path (a, "html");
  r->report = report_new ();
  bp_instrument_flush (a->instrument);
  note_start (a, r->report);
  if (BP_TABLE_HAS (a->ops, report))
    a->ops->report (a->user, r->report);
  return r;
}

static Results *
results_new (BpMachine *m)
{
  Results *results = g_new0 (Results, 1);
  results->all = g_ptr_array_new_with_free_func (result_free);
  results->machine = g_path_get_basename (m->descriptor->path);
  return results;
}

Results *
results_collect (BpMachine *m)
{
  GPtrArray *attached = full_machine (m)->instruments;
  if (!attached || attached->len == 0)
    return NULL;
  Results *results = results_new (m);
  for (guint i = 0; i < attached->len; i++)
    g_ptr_array_add (results->all, ask (attached->pdata[i]));
  return results;
}

void
results_free (Results *results)
{
  if (!results)
    return;
  g_ptr_array_unref (results->all);
  g_free (results->machine);
  g_free (results);
}

/* --- forms -------------------------------------------------------------------------------- */

static char *
title_of (const Result *r)
{
  return strcmp (r->id, r->type) == 0 ? g_strdup (r->id) : g_strdup_printf ("%s (%s)", r->id, r->type);
}

static BpReport *
tree_of (Result *const *some, guint n, bool with_types)
{
  BpReport *tree = report_new ();
  for (guint i = 0; i < n; i++) {
    g_autofree char *title = with_types ? title_of (some[i]) : NULL;
    report_adopt (tree, some[i]->id, title, some[i]->report);
    if (with_types && report_is_empty (some[i]->report))
      bp_report_note (some[i]->report, "It has nothing to report.");
  }
  return tree;
}

static char *
text_of (Result *const *some, guint n)
{
  BpReport *tree = tree_of (some, n, true);
  char *text = report_text (tree, ROWS_ON_TERMINAL);
  report_free (tree);
  return text;
}

static char *
json_of (const Results *results, Result *const *some, guint n)
{
  BpReport *root = report_new (), *tree = tree_of (some, n, false);
  bp_report_text (root, "backplane", NULL, PACKAGE_VERSION);
  bp_report_text (root, "machine", NULL, results->machine);
  report_adopt (root, "instruments", NULL, tree);
  char *text = report_json (root);
  report_free (tree);
  report_free (root);
  return text;
}

/* One instrument's page has its own parts at the top. */
static char *
html_of (const Results *results, Result *const *some, guint n)
{
  BpReport *tree = n == 1 ? report_ref (some[0]->report) : tree_of (some, n, true);
  g_autofree char *title = n == 1 ? title_of (some[0]) : g_strdup ("Instruments");
  g_autofree char *subtitle = g_strdup_printf ("Machine %s, Backplane %s", results->machine, PACKAGE_VERSION);
  char *text = report_html (tree, title, subtitle);
  report_free (tree);
  return text;
}

static char *
form_of (const Results *results, Result *const *some, guint n, BpReportForm form)
{
  switch (form) {
  case BP_REPORT_FORM_JSON: return json_of (results, some, n);
  case BP_REPORT_FORM_HTML: return html_of (results, some, n);
  case BP_REPORT_FORM_TEXT: break;
  }
  return text_of (some, n);
}

static Result *const *
all_of (const Results *results)
{
  return (Result *const *) results->all->pdata;
}

char *
results_text (const Results *results)
{
  return text_of (all_of (results), results->all->len);
}

/* --- files -------------------------------------------------------------------------------- */

static bool
write_all (int fd, const char *text)
{
  for (size_t left = strlen (text); left > 0;) {
    ssize_t n = write (fd, text, left);
    if (n < 0 && errno != EINTR)
      return false;
    text += MAX (n, 0);
    left -= (size_t) MAX (n, 0);
  }
  return true;
}

static bool
write_special (const char *path, const char *text, GError **error)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  bool good = fd >= 0 && write_all (fd, text);
  int reason = errno;
  if (fd >= 0 && close (fd) != 0 && good) {
    good = false;
    reason = errno;
  }
  if (!good)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write `%s`: %s", path, g_strerror (reason));
  return good;
}

/* Whole or not at all: a file that is there is replaced when all is written.  What is no regular file is written to as it is. */
static bool
write_whole (const char *path, const char *text, GError **error)
{
  g_autoptr (GError) reason = NULL;
  if (g_file_test (path, G_FILE_TEST_EXISTS) && !g_file_test (path, G_FILE_TEST_IS_REGULAR))
    return write_special (path, text, error);
  char *target = realpath (path, NULL);         /* a link stays one */
  bool good = g_file_set_contents_full (target ? target : path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0666, &reason);
  free (target);
  if (!good)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write `%s`: %s", path, reason->message);
  return good;
}

static BpReportForm
form_by_name (const char *path)
{
  return g_str_has_suffix (path, ".html") ? BP_REPORT_FORM_HTML : g_str_has_suffix (path, ".txt") ? BP_REPORT_FORM_TEXT : BP_REPORT_FORM_JSON;
}

static bool
write_form (const Results *results, Result *const *some, guint n, BpReportForm form, const char *path, GError **error)
{
  g_autofree char *text = form_of (results, some, n, form);
  if (strcmp (path, "-") != 0)
    return write_whole (path, text, error);
  if (fputs (text, stdout) >= 0 && fflush (stdout) == 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write the report to standard output: %s", g_strerror (errno));
  return false;
}

bool
results_write (const Results *results, const char *path, GError **error)
{
  return write_form (results, all_of (results), results->all->len, form_by_name (path), path, error);
}

bool
results_write_own (const Results *results, void (*tell) (const char *message))
{
  bool good = true;
  for (guint i = 0; i < results->all->len; i++) {
    Result *const *r = all_of (results) + i;
    const struct { const char *path; BpReportForm form; } files[] = { { (*r)->json_path, BP_REPORT_FORM_JSON }, { (*r)->html_path, BP_REPORT_FORM_HTML } };
    for (guint j = 0; j < G_N_ELEMENTS (files); j++) {
      g_autoptr (GError) error = NULL;
      if (files[j].path && !write_form (results, r, 1, files[j].form, files[j].path, &error)) {
        g_autofree char *message = g_strdup_printf ("[instrument %s]: %s", (*r)->id, error->message);
        tell (message);
        good = false;
      }
    }
  }
  return good;
}

/* --- while the machine runs ------------------------------------------------------------------ */

/* A reset, stop or end that was asked for will be served by the main loop; until then its vCPUs run no more. */
static bool
is_held (BpMachine *m)
{
  bp_machine_lock (m);
  bool held = full_machine (m)->requested & (REQUEST_RESET | REQUEST_STOP | REQUEST_SHUTDOWN);
  bp_machine_unlock (m);
  return held;
}

/* One instrument's, of a machine that stands for as long as that takes; nobody is told. */
static Results *
results_now (const Attached *a)
{
  BpMachine *m = a->object->machine;
  g_autoptr (GError) error = NULL;
  bool was_running = bp_machine_run_state (m) == BP_RUN_RUNNING;
  if (was_running) {
    vcpus_stop (m);
    clock_stop (m);
  }
  Results *results = results_new (m);
  g_ptr_array_add (results->all, ask (a));
  if (was_running) {
    clock_start (m);
    if (!is_held (m) && !vcpus_start (m, &error))
      bp_machine_request_shutdown (m, 1, error->message);
  }
  return results;
}

char *
bp_instrument_report (const void *self, BpReportForm form)
{
  CONTRACT_MAIN_UNLOCKED (bp_object_machine (self));
  const Attached *a = instrument_attached (object_of (self));
  g_return_val_if_fail (a, NULL);
  Results *results = results_now (a);
  char *text = form_of (results, all_of (results), 1, form);
  results_free (results);
  return text;
}

bool
bp_instrument_write_report (const void *self, const char *path, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (bp_object_machine (self));
  const Attached *a = instrument_attached (object_of (self));
  g_return_val_if_fail (a, false);
  g_autofree char *wrong = output_wrong (path);
  if (wrong) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s", wrong);
    return false;
  }
  g_autofree char *text = bp_instrument_report (self, form_by_name (path));
  return write_whole (path, text, error);
}
