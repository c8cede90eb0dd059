/* qmp-dispatch.c -- one message of a QMP client, and the answer. */
/* SPDX-License-Identifier: MIT */
#include "qmp.h"
#include <string.h>

/* --- answers ----------------------------------------------------------------------------------------- */

static void
append_line (JsonObject *o, GString *out)
{
  JsonNode *node = node_take_object (o);
  json_print (node, out);
  g_string_append (out, "\r\n");
  json_node_free (node);
}

static void
set_id (JsonObject *o, const JsonNode *id)
{
  if (id)
    json_object_set_member (o, "id", json_node_copy ((JsonNode *) id));
}

void
qmp_append_error (const JsonNode *id, const char *class, const char *description, GString *out)
{
  JsonObject *o = json_object_new (), *error = json_object_new ();
  json_object_set_string_member (error, "class", class);
  json_object_set_string_member (error, "desc", description);
  set_id (o, id);
  json_object_set_object_member (o, "error", error);
  append_line (o, out);
}

/* Takes the result; NULL: {}. */
static void
append_return (const JsonNode *id, JsonNode *result, GString *out)
{
  JsonObject *o = json_object_new ();
  json_object_set_member (o, "return", result ? result : node_empty ());
  set_id (o, id);
  append_line (o, out);
}

void
qmp_append_greeting (GString *out)
{
  JsonObject *o = json_object_new (), *qmp = json_object_new ();
  json_object_set_object_member (qmp, "version", version_object ());
  json_object_set_array_member (qmp, "capabilities", json_array_new ());
  json_object_set_object_member (o, "QMP", qmp);
  append_line (o, out);
}

void
qmp_append_event (const char *name, JsonObject *data, GString *out)
{
  JsonObject *o = json_object_new (), *timestamp = json_object_new ();
  gint64 now = g_get_real_time ();
  json_object_set_int_member (timestamp, "seconds", now / G_USEC_PER_SEC);
  json_object_set_int_member (timestamp, "microseconds", now % G_USEC_PER_SEC);
  json_object_set_object_member (o, "timestamp", timestamp);
  json_object_set_string_member (o, "event", name);
  if (data)
    json_object_set_object_member (o, "data", json_object_ref (data));
  append_line (o, out);
}

/* --- commands ------------------------------------------------------------------------------------------ */

/* The one command that is QMP's own: there is nothing to choose. */
static const Command negotiation = { .qmp = "qmp_capabilities", .arguments = { OPTIONAL ("enable", ARRAY) } };

static JsonNode *
negotiate (QmpDialogue *d, JsonObject *arguments, GError **error)
{
  JsonArray *wanted = json_object_has_member (arguments, "enable") ? json_object_get_array_member (arguments, "enable") : NULL;
  if (d->negotiated)
    return monitor_fail (error, MONITOR_ERROR_COMMAND_NOT_FOUND, "Capabilities negotiation is already complete, command ignored");
  if (wanted && json_array_get_length (wanted) > 0)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "there are no capabilities to enable");
  d->negotiated = true;
  return node_empty ();
}

static JsonNode *
run (QmpDialogue *d, const char *name, JsonObject *arguments, GError **error)
{
  bool negotiates = strcmp (name, negotiation.qmp) == 0;
  const Command *c = negotiates ? &negotiation : command_find_qmp (name);
  if (!d->negotiated && !negotiates)
    return monitor_fail (error, MONITOR_ERROR_COMMAND_NOT_FOUND, "Expecting capabilities negotiation with 'qmp_capabilities'");
  if (!c)
    return monitor_fail (error, MONITOR_ERROR_COMMAND_NOT_FOUND, "The command %s has not been found", name);
  if (!command_check (c, arguments, error))
    return NULL;
  return negotiates ? negotiate (d, arguments, error) : c->run (&d->call, arguments, error);
}

/* What is wrong with a message before it is a command; NULL: nothing. */
static char *
message_wrong (JsonObject *o)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init_ordered (&iter, o);
  while (json_object_iter_next_ordered (&iter, &name, &value)) {
    if (strcmp (name, "execute") == 0) {
      if (json_node_get_node_type (value) != JSON_NODE_VALUE || json_node_get_value_type (value) != G_TYPE_STRING)
        return g_strdup ("QMP input member 'execute' must be a string");
    } else if (strcmp (name, "arguments") == 0) {
      if (json_node_get_node_type (value) != JSON_NODE_OBJECT)
        return g_strdup ("QMP input member 'arguments' must be an object");
    } else if (strcmp (name, "id") != 0) {
      return g_strdup_printf ("QMP input member '%s' is unexpected", name);
    }
  }
  return json_object_has_member (o, "execute") ? NULL : g_strdup ("QMP input lacks member 'execute'");
}

void
qmp_dispatch (QmpDialogue *d, JsonNode *message, GString *out)
{
  g_autoptr (GError) error = NULL;
  if (json_node_get_node_type (message) != JSON_NODE_OBJECT) {
    qmp_append_error (NULL, "GenericError", "QMP input must be a JSON object", out);
    return;
  }
  JsonObject *o = json_node_get_object (message), *empty = json_object_new ();
  JsonNode *id = json_object_get_member (o, "id");
  JsonObject *arguments = empty;
  g_autofree char *wrong = message_wrong (o);
  if (!wrong && json_object_has_member (o, "arguments"))
    arguments = json_object_get_object_member (o, "arguments");
  d->call.job = NULL;
  JsonNode *result = wrong ? NULL : run (d, json_object_get_string_member (o, "execute"), arguments, &error);
  if (wrong)
    qmp_append_error (id, "GenericError", wrong, out);
  else if (error)
    qmp_append_error (id, monitor_error_class (error), error->message, out);
  else if (d->call.job)
    d->id = id ? json_node_copy (id) : NULL;
  else
    append_return (id, g_steal_pointer (&result), out);
  if (result)
    json_node_free (result);
  json_object_unref (empty);
}

bool
qmp_continue (QmpDialogue *d, GString *out)
{
  g_autoptr (GError) error = NULL;
  bool done = false;
  if (d->call.job->step (d->call.job->user, &done, &error) && !done)
    return false;
  if (error)
    qmp_append_error (d->id, monitor_error_class (error), error->message, out);
  else
    append_return (d->id, g_steal_pointer (&d->call.job->result), out);
  qmp_dialogue_clear (d);
  return true;
}

void
qmp_dialogue_clear (QmpDialogue *d)
{
  g_clear_pointer (&d->call.job, job_free);
  g_clear_pointer (&d->id, json_node_free);
}
