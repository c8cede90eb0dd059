/* commands-help.c -- help, and the console's commands through QMP. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <string.h>

static bool
matches (const Command *c, const char *what)
{
  size_t length = strlen (what);
  return g_strcmp0 (c->alias, what) == 0 || (strncmp (c->console, what, length) == 0 && (c->console[length] == 0 || c->console[length] == ' '));
}

/* Of all commands, or of one, or of those that begin with a word: help info. */
static JsonNode *
help (Call *call, JsonObject *arguments, GError **error)
{
  const char *what = argument_string (arguments, "command");
  GString *out = g_string_new (NULL);
  unsigned cursor = 0;
  for (const Command *c; (c = command_next (&cursor));) {
    if (!c->console || (what ? !matches (c, what) : strchr (c->console, ' ') || strcmp (c->console, "info") == 0))
      continue;
    g_autofree char *usage = command_synopsis (c);
    g_string_append_printf (out, "%s -- %s\n", usage, c->help);
  }
  if (!what)
    g_string_append (out, "info WHAT -- what there is to know; `help info` lists it\n");
  else if (out->len == 0)
    g_string_append_printf (out, "there is no command `%s`\n", what);
  return node_take_string (g_string_free (out, FALSE));
}

static JsonNode *
info (Call *call, JsonObject *arguments, GError **error)
{
  JsonObject *all = json_object_new ();
  const char *what = argument_string (arguments, "what");
  json_object_set_string_member (all, "command", "info");
  JsonNode *node = help (call, all, error);
  json_object_unref (all);
  if (what)
    monitor_fail (error, MONITOR_ERROR_GENERIC, "there is no `info %s`; `help info` lists what there is", what);
  if (what)
    g_clear_pointer (&node, json_node_free);
  return node;
}

/* --- human-monitor-command ------------------------------------------------------------------------------ */

/* A line of the console that goes on, as a job of QMP's. */
typedef struct Human {
  Call call;
  unsigned cpu;
  GString *out;
  Job *job;                     /* the QMP command's own: it gets the result */
} Human;

/* As QEMU's comes. */
static JsonNode *
human_result (Human *h)
{
  g_auto (GStrv) lines = g_strsplit (h->out->str, "\n", -1);
  return node_take_string (g_strjoinv ("\r\n", lines));
}

static bool
human_step (void *user, bool *done, GError **error)
{
  Human *h = user;
  *done = command_continue (&h->call, h->out);
  if (*done)
    h->job->result = human_result (h);
  return true;
}

static void
human_free (void *user)
{
  Human *h = user;
  job_free (h->call.job);
  g_string_free (h->out, TRUE);
  g_free (h);
}

static JsonNode *
human_monitor_command (Call *call, JsonObject *arguments, GError **error)
{
  int64_t index = argument_int (arguments, "cpu-index", -1);
  if (index >= 0 && !monitor_cpu (call, index, error))
    return NULL;
  Human *h = g_new0 (Human, 1);
  h->cpu = index >= 0 ? (unsigned) index : *call->cpu;
  h->call = (Call) { .monitor = call->monitor, .cpu = &h->cpu, .console = true };
  h->out = g_string_new (NULL);
  command_execute (&h->call, argument_string (arguments, "command-line"), h->out);
  if (h->call.job) {
    call->job = h->job = job_new (human_step, human_free, h);
    h->job->pause = h->call.job->pause;
    return NULL;
  }
  JsonNode *result = human_result (h);
  human_free (h);
  return result;
}

const Command help_commands[] = {
  CONSOLE ("help", "all commands, or what one does", help, .alias = "?",
    .arguments = { OPTIONAL ("command", COMMAND) }),
  CONSOLE ("info", "what there is to know", info,
    .arguments = { OPTIONAL ("what", REST) }),
  QMP ("human-monitor-command", human_monitor_command, .arguments = { ARGUMENT ("command-line", STRING), OPTIONAL ("cpu-index", INTEGER) }),
  COMMANDS_END
};
