/* log.c -- the debug log: topics chosen by name, whole lines to stderr or a file, warnings. */
/* SPDX-License-Identifier: MIT */

#include <backplane/log.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "object.h"

typedef struct Topic {
  const char *name;
  BpLogTopic bit;
  const char *help;
} Topic;

static const Topic topics[] = {
  { "in_asm", BP_LOG_IN_ASM, "guest code of each translated block" },
  { "op", BP_LOG_OP, "intermediate code as the CPU frontend emitted it" },
  { "op_opt", BP_LOG_OP_OPT, "intermediate code after optimisation" },
  { "out_asm", BP_LOG_OUT_ASM, "host code of each translated block" },
  { "exec", BP_LOG_EXEC, "each block entered (switches chaining off)" },
  { "int", BP_LOG_INT, "interrupts and exceptions" },
  { "mmu", BP_LOG_MMU, "page walks and TLB flushes" },
  { "cpu_reset", BP_LOG_CPU_RESET, "registers at reset" },
  { "guest_errors", BP_LOG_GUEST_ERRORS, "what the guest did against a device's rules" },
  { "unimp", BP_LOG_UNIMP, "what the guest used and no plugin models" },
};

uint32_t bp_log_mask;

static GMutex lock;             /* one line at a time, and the file below */
static FILE *file;              /* NULL: stderr */
static bool write_failed;
static void (*sink) (const char *line); /* NULL: the file */

/* --- choosing ------------------------------------------------------------------------------- */

static const Topic *
topic_find (const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS (topics); i++) {
    if (strcmp (topics[i].name, name) == 0) {
      return &topics[i];
    }
  }
  return NULL;
}

static const char *
topic_name (BpLogTopic bit)
{
  for (size_t i = 0; i < G_N_ELEMENTS (topics); i++) {
    if (topics[i].bit == bit) {
      return topics[i].name;
    }
  }
  return "log";
}

static void
topic_unknown (const char *name, GError **error)
{
  const char *names[G_N_ELEMENTS (topics) + 1] = { NULL };
  for (size_t i = 0; i < G_N_ELEMENTS (topics); i++) {
    names[i] = topics[i].name;
  }
  const char *nearest = nearest_name (name, names);
  g_autofree char *hint =
      nearest ? g_strdup_printf (" (did you mean `%s`?)", nearest) : g_strdup ("; `-d help` lists them");
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no log topic `%s`%s", name, hint);
}

bool
log_set_topics (const char *list, GError **error)
{
  uint32_t mask = 0;
  g_auto (GStrv) names = g_strsplit (list, ",", -1);
  for (char **name = names; *name; name++) {
    g_strstrip (*name);
    if (strcmp (*name, "all") == 0) {
      for (size_t i = 0; i < G_N_ELEMENTS (topics); i++) {
        mask |= topics[i].bit;
      }
    } else if (**name) {
      const Topic *topic = topic_find (*name);
      if (!topic) {
        topic_unknown (*name, error);
        return false;
      }
      mask |= topic->bit;
    }
  }
  __atomic_store_n (&bp_log_mask, mask, __ATOMIC_RELAXED);
  return true;
}

char *
log_topics_text (void)
{
  GString *text = g_string_new (NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (topics); i++) {
    g_string_append_printf (text, "%-13s %s\n", topics[i].name, topics[i].help);
  }
  g_string_append_printf (text, "%-13s %s\n", "all", "every topic above");
  return g_string_free (text, FALSE);
}

bool
bp_log_set_topics (const char *list, GError **error)
{
  return log_set_topics (list, error);
}

char *
bp_log_topics_text (void)
{
  return log_topics_text ();
}

bool
log_set_file (const char *path, GError **error)
{
  FILE *opened = NULL;
  if (path) {
    opened = fopen (path, "we");
    if (!opened) {
      g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write the log file %s: %s", path,
                   g_strerror (errno));
      return false;
    }
    setvbuf (opened, NULL, _IOLBF, 0);          /* the last lines before a crash are the ones wanted */
  }
  g_mutex_lock (&lock);
  FILE *closing = file;
  file = opened;
  write_failed = false;
  g_mutex_unlock (&lock);
  if (closing) {
    fclose (closing);
  }
  return true;
}

void
log_set_sink (void (*take) (const char *line))
{
  g_mutex_lock (&lock);
  sink = take;
  g_mutex_unlock (&lock);
}

/* --- writing -------------------------------------------------------------------------------- */

static void
write_line (GString *line)
{
  while (line->len > 0 && line->str[line->len - 1] == '\n') {
    g_string_truncate (line, line->len - 1);
  }
  g_string_append_c (line, '\n');
  g_mutex_lock (&lock);
  bool failed = false;
  if (sink)
    sink (line->str);
  else
    failed = fwrite (line->str, 1, line->len, file ? file : stderr) < line->len;
  if (failed && file && !write_failed) {
    write_failed = true;
    fprintf (stderr, "backplane: warning: the log file cannot be written: %s\n", g_strerror (errno));
  }
  g_mutex_unlock (&lock);
}

static const char *
id_of (const void *self)
{
  return self ? bp_object_id (self) : "-";
}

/* Takes the line. */
static void
finish_line (GString *line, const char *format, va_list args)
{
  g_string_append_vprintf (line, format, args);
  write_line (line);
  g_string_free (line, TRUE);
}

void
bp_log_write (BpLogTopic topic, const char *format, ...)
{
  if (!bp_log_on (topic)) {
    return;
  }
  va_list args;
  va_start (args, format);
  finish_line (g_string_new (NULL), format, args);
  va_end (args);
}

void
bp_log_object (const void *self, BpLogTopic topic, const char *format, ...)
{
  if (!bp_log_on (topic)) {
    return;
  }
  GString *line = g_string_new (NULL);
  g_string_append_printf (line, "%s: %s: ", id_of (self), topic_name (topic));
  va_list args;
  va_start (args, format);
  finish_line (line, format, args);
  va_end (args);
}

void
bp_warn (const void *self, const char *format, ...)
{
  GString *line = g_string_new ("backplane: warning: ");
  if (self) {
    g_string_append_printf (line, "%s: ", id_of (self));
  }
  va_list args;
  va_start (args, format);
  g_string_append_vprintf (line, format, args);
  va_end (args);
  g_string_append_c (line, '\n');
  g_mutex_lock (&lock);
  fputs (line->str, stderr);
  g_mutex_unlock (&lock);
  g_string_free (line, TRUE);
}
