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
    if (!c->console || (what ? !matches (c, what) : strchr (c->console, ' ') != NULL))
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

/* Runs to its end: the answer is one string. */
static JsonNode *
human_monitor_command (Call *call, JsonObject *arguments, GError **error)
{
  unsigned cpu = *call->cpu;
  int64_t index = argument_int (arguments, "cpu-index", -1);
  if (index >= 0) {
    if (!monitor_cpu (call, index, error))
      return NULL;
    cpu = (unsigned) index;
  }
  Call inner = { .monitor = call->monitor, .cpu = &cpu, .console = true };
  g_autofree char *text = command_execute_all (&inner, argument_string (arguments, "command-line"));
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  return node_take_string (g_strjoinv ("\r\n", lines));         /* as QEMU's comes */
}

const Command help_commands[] = {
  CONSOLE ("help", "all commands, or what one does", help, .alias = "?",
    .arguments = { OPTIONAL ("command", COMMAND) }),
  CONSOLE ("info", "what there is to know", info,
    .arguments = { OPTIONAL ("what", REST) }),
  QMP ("human-monitor-command", human_monitor_command, .arguments = { ARGUMENT ("command-line", STRING), OPTIONAL ("cpu-index", INTEGER) }),
  COMMANDS_END
};
