/* command.c -- finds commands, checks the arguments of QMP's, and makes those of the console's out of words. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/iface/input.h>
#include <string.h>

/* --- rows ------------------------------------------------------------------------------------- */

static const Command *const tables[] = { machine_commands, cpu_commands, memory_commands, balloon_commands, paging_commands, block_commands, net_commands, screen_commands, input_commands,
                                         object_commands, hotplug_commands, snapshot_commands, migrate_commands, instrument_commands, help_commands };

const Command *
command_next (unsigned *cursor)
{
  unsigned n = (*cursor)++;
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    for (const Command *c = tables[i]; c->qmp || c->console; c++)
      if (n-- == 0)
        return c;
  return NULL;
}

const Command *
command_find_qmp (const char *name)
{
  unsigned cursor = 0;
  const Command *c;
  while ((c = command_next (&cursor)))
    if (g_strcmp0 (c->qmp, name) == 0)
      break;
  return c;
}

/* Whether the line begins with the name (words are apart by any blanks): what follows, else NULL. */
static const char *
after_name (const char *line, const char *name)
{
  for (; *name; name++) {
    if (*name == ' ' && *line == ' ') {
      line += strspn (line, " ");
      continue;
    }
    if (*line++ != *name)
      return NULL;
  }
  return *line == 0 || *line == ' ' || *line == '/' ? line : NULL;      /* x/4xw is x /4xw */
}

const Command *
command_find_console (const char *line, const char **rest)
{
  unsigned cursor = 0;
  const Command *c;
  while ((c = command_next (&cursor))) {
    if (!c->console)
      continue;
    if ((*rest = after_name (line, c->console)) || (c->alias && (*rest = after_name (line, c->alias))))
      break;
  }
  return c;
}

char *
command_synopsis (const Command *c)
{
  GString *out = g_string_new (c->console);
  if (c->alias)
    g_string_append_printf (out, "|%s", c->alias);
  for (const Argument *a = c->arguments; a->kind != ARGUMENT_END; a++) {
    bool is_switch = a->flag && a->kind == ARGUMENT_BOOL;
    const char *name = a->kind == ARGUMENT_FORMAT ? "/fmt" : a->name;
    g_string_append (out, a->optional ? " [" : " ");
    if (a->flag)
      g_string_append_printf (out, "-%c%s", a->flag, is_switch ? "" : " ");
    g_string_append_printf (out, "%s%s", is_switch ? "" : name, a->optional ? "]" : "");
  }
  return g_string_free (out, FALSE);
}

/* --- QMP's arguments ------------------------------------------------------------------------------ */

static bool
is_type (JsonNode *node, GType type)
{
  return json_node_get_node_type (node) == JSON_NODE_VALUE && json_node_get_value_type (node) == type;
}

static bool
check_type (const Argument *a, JsonNode *node, GError **error)
{
  const char *expected = NULL;
  switch (a->kind) {
  case ARGUMENT_INTEGER:
    expected = is_type (node, G_TYPE_INT64) ? NULL : "integer";
    break;
  case ARGUMENT_BOOL:
    expected = is_type (node, G_TYPE_BOOLEAN) ? NULL : "boolean";
    break;
  case ARGUMENT_KEYS:
  case ARGUMENT_ARRAY:
    expected = json_node_get_node_type (node) == JSON_NODE_ARRAY ? NULL : "array";
    break;
  case ARGUMENT_ANY:
    break;
  default:
    expected = is_type (node, G_TYPE_STRING) ? NULL : "string";
  }
  if (expected)
    monitor_fail (error, MONITOR_ERROR_GENERIC, "Invalid parameter type for '%s', expected: %s", a->name, expected);
  else if (a->names && !g_strv_contains (a->names, json_node_get_string (node)))
    monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter '%s' does not accept value '%s'", a->name, json_node_get_string (node));
  else
    return true;
  return false;
}

static bool
has_argument (const Command *c, const char *name)
{
  for (const Argument *a = c->arguments; a->kind != ARGUMENT_END; a++)
    if (strcmp (a->name, name) == 0)
      return true;
  return false;
}

bool
command_check (const Command *c, JsonObject *arguments, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  for (const Argument *a = c->arguments; a->kind != ARGUMENT_END; a++) {
    value = json_object_get_member (arguments, a->name);
    if (value ? !check_type (a, value, error) : !a->optional) {
      if (!value)
        monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter '%s' is missing", a->name);
      return false;
    }
  }
  json_object_iter_init_ordered (&iter, arguments);
  while (json_object_iter_next_ordered (&iter, &name, &value))
    if (!c->open && !has_argument (c, name)) {
      monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter '%s' is unexpected", name);
      return false;
    }
  return true;
}

/* --- the console's arguments ------------------------------------------------------------------------ */

/* ctrl-alt-f1, ctrl-0x1e: keys by name or by number, as QMP's KeyValues. */
static JsonNode *
keys_of_word (const char *word, GError **error)
{
  JsonArray *keys = json_array_new ();
  g_auto (GStrv) names = g_strsplit (word, "-", -1);
  for (char **name = names; *name; name++) {
    JsonObject *key = json_object_new ();
    bool number = g_str_has_prefix (*name, "0x");
    const char *known = strcmp (*name, "<") == 0 ? "less" : *name;
    if (!**name && name[1] && !*name[1])
      known = *++name, known = "minus";         /* "ctrl--" */
    json_object_set_string_member (key, "type", number ? "number" : "qcode");
    if (number)
      json_object_set_int_member (key, "data", g_ascii_strtoll (*name, NULL, 16));
    else
      json_object_set_string_member (key, "data", known);
    json_array_add_object_element (keys, key);
    if (!number && !bp_input_key_code (known)) {
      json_array_unref (keys);
      return monitor_fail (error, MONITOR_ERROR_GENERIC, "unknown key: '%s'", *name);
    }
  }
  return node_take_array (keys);
}

static JsonNode *
switch_of_word (const char *word, GError **error)
{
  static const char *const on[] = { "on", "yes", "true", "1", NULL }, *const off[] = { "off", "no", "false", "0", NULL };
  bool value = g_strv_contains (on, word);
  if (!value && !g_strv_contains (off, word))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "'%s' is neither on nor off", word);
  return json_node_init_boolean (json_node_alloc (), value);
}

static JsonNode *
node_of_word (Call *call, const Argument *a, const char *word, GError **error)
{
  int64_t value;
  switch (a->kind) {
  case ARGUMENT_INTEGER:
    return expression_parse (call, word, &value, error) ? json_node_init_int (json_node_alloc (), value) : NULL;
  case ARGUMENT_BOOL:
    return switch_of_word (word, error);
  case ARGUMENT_KEYS:
    return keys_of_word (word, error);
  case ARGUMENT_ENUM:
    if (!g_strv_contains (a->names, word)) {
      g_autofree char *names = g_strjoinv (", ", (char **) a->names);
      return monitor_fail (error, MONITOR_ERROR_GENERIC, "%s: '%s' is not one of %s", a->name, word, names);
    }
    return node_string (word);
  default:
    return node_string (word);
  }
}

static const Argument *
flag_of_word (const Command *c, const char *word)
{
  for (const Argument *a = c->arguments; a->kind != ARGUMENT_END; a++)
    if (a->flag && word[0] == '-' && word[1] == a->flag && !word[2])
      return a;
  return NULL;
}

/* The argument that the next word without a flag is. */
static const Argument *
next_place (const Argument *a)
{
  while (a->kind != ARGUMENT_END && a->flag)
    a++;
  return a;
}

/* One word's worth of arguments; *place moves on.  false: with error, or at the end without. */
static bool
take_argument (Call *call, const Command *c, const Argument **place, const char **line, JsonObject *arguments, GError **error)
{
  const Argument *a = next_place (*place);
  GError *wrong = NULL;
  *line += strspn (*line, " ");
  if (a->kind == ARGUMENT_FORMAT && **line && **line != '/')
    a = next_place (*place = a + 1);            /* not given */
  if ((a->kind == ARGUMENT_REST || a->kind == ARGUMENT_COMMAND) && **line) {
    json_object_set_string_member (arguments, a->name, *line);
    *line += strlen (*line);
    return true;
  }
  g_autofree char *word = word_next (line, &wrong);
  if (!word) {
    if (wrong)
      g_propagate_error (error, wrong);
    return false;
  }
  const Argument *flag = flag_of_word (c, word);
  if (flag && flag->kind == ARGUMENT_BOOL) {
    json_object_set_boolean_member (arguments, flag->name, true);
    return true;
  }
  if (flag) {
    g_autofree char *value = word_next (line, error);
    JsonNode *node = value ? node_of_word (call, flag, value, error) : NULL;
    if (node)
      json_object_set_member (arguments, flag->name, node);
    else if (!value && error && !*error)
      monitor_fail (error, MONITOR_ERROR_GENERIC, "-%c needs a value", flag->flag);
    return node;
  }
  if (a->kind == ARGUMENT_END) {
    monitor_fail (error, MONITOR_ERROR_GENERIC, "extraneous characters at the end of line: '%s'", word);
    return false;
  }
  JsonNode *node = node_of_word (call, a, word, error);
  if (node)
    json_object_set_member (arguments, a->name, node);
  *place = a + 1;
  return node;
}

static bool
take_arguments (Call *call, const Command *c, const char *line, JsonObject *arguments, GError **error)
{
  const Argument *place = c->arguments;
  GError *wrong = NULL;
  while (take_argument (call, c, &place, &line, arguments, &wrong))
    ;
  for (const Argument *a = c->arguments; !wrong && a->kind != ARGUMENT_END; a++)
    if (!a->optional && !json_object_has_member (arguments, a->name))
      monitor_fail (&wrong, MONITOR_ERROR_GENERIC, "%s is missing", a->name);
  if (wrong)
    g_propagate_error (error, wrong);
  return !wrong;
}

/* --- a line of the console ------------------------------------------------------------------------------ */

static void
print_outcome (const Command *c, JsonNode *result, const GError *error, GString *out)
{
  if (error)
    g_string_append_printf (out, "Error: %s\n", error->message);
  else if (result && c->print)
    c->print (result, out);
  else if (result && is_type (result, G_TYPE_STRING))
    g_string_append (out, json_node_get_string (result));
}

void
command_execute (Call *call, const char *text, GString *out)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line = g_strstrip (g_strdup (text));
  const char *rest;
  call->job = NULL;
  if (!*line || *line == '#')
    return;
  const Command *c = command_find_console (line, &rest);
  if (!c) {
    g_string_append_printf (out, "unknown command: '%.*s'; try `help`\n", (int) strcspn (line, " "), line);
    return;
  }
  JsonObject *arguments = json_object_new ();
  if (take_arguments (call, c, rest, arguments, &error)) {
    call->command = c;
    JsonNode *result = c->run (call, arguments, &error);
    if (!call->job)
      print_outcome (c, result, error, out);
    if (result)
      json_node_free (result);
  } else {
    g_string_append_printf (out, "%s\nTry \"help %s\" for more information\n", error->message, c->console);
  }
  json_object_unref (arguments);
}

bool
command_continue (Call *call, GString *out)
{
  g_autoptr (GError) error = NULL;
  bool done = false;
  if (call->job->step (call->job->user, &done, &error) && !done)
    return false;
  print_outcome (call->command, call->job->result, error, out);
  g_clear_pointer (&call->job, job_free);
  return true;
}

char *
command_execute_all (Call *call, const char *line)
{
  GString *out = g_string_new (NULL);
  command_execute (call, line, out);
  while (call->job && !call->job->pause && !command_continue (call, out))
    ;
  if (call->job) {
    g_string_append (out, "it goes on by itself\n");
    g_clear_pointer (&call->job, job_free);
  }
  return g_string_free (out, FALSE);
}
