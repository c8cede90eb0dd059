/* fuzz-qmp.c -- any bytes at a monitor: messages of QMP or errors, checked against every command's arguments, and keys of a console. */
/* SPDX-License-Identifier: MIT */
/* Commands are not done: they write files. */
#include "monitor/json.h"
#include "monitor/line-edit.h"
#include "monitor/monitor.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

typedef struct Run {
  GString *all;                 /* what came of it */
  bool again;                   /* these are messages that were printed: each is one */
  unsigned messages;
} Run;

static void
try_commands (JsonObject *arguments)
{
  unsigned cursor = 0;
  for (const Command *c; (c = command_next (&cursor));)
    command_check (c, arguments, NULL);
}

static void
on_message (void *user, JsonNode *message)
{
  Run *run = user;
  run->messages++;
  if (!run->again) {
    json_print (message, run->all);
    g_string_append_c (run->all, '\n');
  }
  if (json_node_get_node_type (message) == JSON_NODE_OBJECT)
    try_commands (json_node_get_object (message));
  json_node_free (message);
}

static void
on_error (void *user, const char *why)
{
  if (((Run *) user)->again || !g_utf8_validate (why, -1, NULL))
    abort ();
}

static const JsonStreamClient client = { on_message, on_error };

static void
feed (Run *run, const char *bytes, size_t size, size_t piece)
{
  JsonStream *stream = json_stream_new (&client, run);
  for (size_t at = 0; at < size; at += piece)
    json_stream_feed (stream, bytes + at, MIN (piece, size - at));
  json_stream_free (stream);
}

static void on_write (void *user, const char *bytes, size_t size) { }
static void on_left (void *user) { }

/* A line is looked for among the commands, its words and its numbers are read. */
static void
on_line (void *user, const char *line)
{
  const char *rest;
  char *word;
  int64_t value;
  command_find_console (line, &rest);
  for (rest = line; (word = word_next (&rest, NULL)); g_free (word))
    if (!strchr (word, '$'))    /* registers need a machine */
      expression_parse (NULL, word, &value, NULL);
}

static void
type (const char *bytes, size_t size)
{
  static const LineClient lines = { on_write, on_line, on_left, NULL };
  LineEdit *edit = line_edit_new (&lines, NULL, "> ");
  while (size) {
    size_t used = line_edit_input (edit, bytes, size);
    if (used == 0 || used > size)
      abort ();
    bytes += used;
    size -= used;
  }
  line_edit_free (edit);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Run run = { .all = g_string_new (NULL) };
  feed (&run, (const char *) data, size, 1 + size % 7);
  Run again = { .all = run.all, .again = true };
  feed (&again, run.all->str, run.all->len, 4096);
  if (run.messages != again.messages)
    abort ();
  g_string_free (run.all, TRUE);
  type ((const char *) data, size);
  return 0;
}
