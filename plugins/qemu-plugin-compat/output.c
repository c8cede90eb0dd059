/* output.c -- what a plugin says with qemu_plugin_outs: a file, and the report. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "compat.h"

#define FILE_BUFFER (256u << 10)

bool
output_open (Plugin *plugin, GError **error)
{
  Output *out = &plugin->out;
  g_mutex_init (&out->lock);
  out->kept = g_string_new (NULL);
  if (!plugin->output_path || !*plugin->output_path) {
    return true;
  }
  out->file = fopen (plugin->output_path, "we");
  if (!out->file) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s: %s", plugin->output_path, g_strerror (errno));
    return false;
  }
  setvbuf (out->file, NULL, _IOFBF, FILE_BUFFER);
  return true;
}

/* What was written before stays; the plugin runs on. */
static void
check_file (Plugin *plugin, bool ok)
{
  if (!ok && !plugin->out.has_failed) {
    plugin->out.has_failed = true;
    bp_warn (plugin, "%s: %s; nothing more is written to it", plugin->output_path, g_strerror (errno));
  }
}

static void
keep (Plugin *plugin, const char *text, size_t size)
{
  Output *out = &plugin->out;
  size_t room = plugin->keep > out->kept->len ? (size_t) plugin->keep - out->kept->len : 0;
  if (size > room && !out->is_cut) {
    out->is_cut = true;
    if (!out->file) {
      bp_warn (plugin, "the plugin has written more than %" G_GUINT64_FORMAT " bytes; the rest is lost (name a file with `output', or `keep' more)", plugin->keep);
    }
  }
  g_string_append_len (out->kept, text, (gssize) MIN (size, room));
}

void
output_write (Plugin *plugin, const char *text)
{
  Output *out = &plugin->out;
  size_t size = strlen (text);
  if (!out->kept || !size) {
    return;
  }
  g_mutex_lock (&out->lock);
  if (out->file && !out->has_failed) {
    check_file (plugin, fwrite (text, 1, size, out->file) == size);
  }
  if (!out->is_cut) {
    keep (plugin, text, size);
  }
  g_mutex_unlock (&out->lock);
}

void
output_report (Plugin *plugin, BpReport *report)
{
  Output *out = &plugin->out;
  g_mutex_lock (&out->lock);
  if (out->file && !out->has_failed) {
    check_file (plugin, fflush (out->file) == 0);
  }
  if (out->file) {
    bp_report_text (report, "file", "File", plugin->output_path);
  }
  /* A file that could be written tells all; people need it only once. */
  bp_report_text (report, "output", "Output", out->kept->str);
  if (out->is_cut) {
    bp_report_note (report, out->file && !out->has_failed ? "This is the beginning; the file has all." : "This is the beginning; the rest is lost.");
  }
  out->reported = out->kept->len;
  g_mutex_unlock (&out->lock);
}

/* What came after the last report is not to be lost. */
void
output_close (Plugin *plugin)
{
  Output *out = &plugin->out;
  if (!out->kept) {
    return;
  }
  if (out->file) {
    check_file (plugin, fclose (out->file) == 0 || out->has_failed);
  } else if (out->kept->len > out->reported) {
    fputs (out->kept->str + out->reported, stderr);
  }
  out->file = NULL;
  g_string_free (out->kept, TRUE);
  out->kept = NULL;
  g_mutex_clear (&out->lock);
}
