/* commands-machine.c -- commands about the machine as a whole: its state, stop and go, what it is. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "config.h"
#include <backplane/arch/x86-state.h>
#include <backplane/iface/accel.h>
#include <backplane/iface/char.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/log.h>
#include <stdio.h>
#include <string.h>

/* --- state --------------------------------------------------------------------------------------- */

static JsonNode *
query_status (Call *call, JsonObject *arguments, GError **error)
{
  BpRunState state = bp_machine_run_state (call->monitor->machine);
  JsonObject *o = json_object_new ();
  json_object_set_string_member (o, "status", bp_run_state_name (state));
  json_object_set_boolean_member (o, "singlestep", FALSE);
  json_object_set_boolean_member (o, "running", state == BP_RUN_RUNNING);
  return node_take_object (o);
}

static void
print_status (JsonNode *result, GString *out)
{
  JsonObject *o = json_node_get_object (result);
  bool running = json_object_get_boolean_member (o, "running");
  const char *status = json_object_get_string_member (o, "status");
  bool paused = strcmp (status, "paused") == 0;
  g_string_append_printf (out, "VM status: %s%s%s%s\n", running ? "running" : "paused", running || paused ? "" : " (", running || paused ? "" : status,
                          running || paused ? "" : ")");
}

static JsonNode *
stop (Call *call, JsonObject *arguments, GError **error)
{
  BpRunState state = bp_machine_run_state (call->monitor->machine);
  if (state != BP_RUN_SHUTDOWN)
    bp_machine_stop (call->monitor->machine, BP_RUN_PAUSED);
  return node_empty ();
}

static JsonNode *
cont (Call *call, JsonObject *arguments, GError **error)
{
  return bp_machine_continue (call->monitor->machine, error) ? node_empty () : NULL;
}

static JsonNode *
system_reset (Call *call, JsonObject *arguments, GError **error)
{
  call->monitor->resets = true;
  bp_machine_request_reset (call->monitor->machine, "a monitor asked for it");
  return node_empty ();
}

static JsonNode *
system_powerdown (Call *call, JsonObject *arguments, GError **error)
{
  if (!bp_machine_request_powerdown (call->monitor->machine))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "the machine has no power button");
  return node_empty ();
}

static JsonNode *
quit (Call *call, JsonObject *arguments, GError **error)
{
  call->monitor->quits = true;
  bp_machine_request_shutdown (call->monitor->machine, 0, "a monitor asked for it");
  return node_empty ();
}

/* --- what it is -------------------------------------------------------------------------------------- */

/* The member `qemu' is where clients look for the server's version. */
JsonObject *
version_object (void)
{
  JsonObject *o = json_object_new (), *numbers = json_object_new ();
  int version[3] = { 0 };
  static const char *const names[] = { "major", "minor", "micro" };
  sscanf (PACKAGE_VERSION, "%d.%d.%d", &version[0], &version[1], &version[2]);
  for (guint i = 3; i-- > 0;)
    json_object_set_int_member (numbers, names[i], version[i]);
  json_object_set_object_member (o, "qemu", numbers);
  json_object_set_string_member (o, "package", "backplane " PACKAGE_VERSION);
  return o;
}

static JsonNode *
query_version (Call *call, JsonObject *arguments, GError **error)
{
  return node_take_object (version_object ());
}

static void
print_version (JsonNode *result, GString *out)
{
  g_string_append_printf (out, "%s\n", json_object_get_string_member (json_node_get_object (result), "package"));
}

static JsonNode *
query_commands (Call *call, JsonObject *arguments, GError **error)
{
  JsonArray *list = json_array_new ();
  unsigned cursor = 0;
  for (const Command *c; (c = command_next (&cursor));)
    if (c->qmp) {
      JsonObject *o = json_object_new ();
      json_object_set_string_member (o, "name", c->qmp);
      json_array_add_object_element (list, o);
    }
  return node_take_array (list);
}

static JsonNode *
query_name (Call *call, JsonObject *arguments, GError **error)
{
  const char *description = bp_machine_description (call->monitor->machine);
  JsonObject *o = json_object_new ();
  if (description)
    json_object_set_string_member (o, "name", description);
  return node_take_object (o);
}

static void
print_name (JsonNode *result, GString *out)
{
  const char *name = argument_string (json_node_get_object (result), "name");
  if (name)
    g_string_append_printf (out, "%s\n", name);
}

/* A machine has none: QMP's word for that is all zeros. */
static JsonNode *
query_uuid (Call *call, JsonObject *arguments, GError **error)
{
  JsonObject *o = json_object_new ();
  json_object_set_string_member (o, "UUID", "00000000-0000-0000-0000-000000000000");
  return node_take_object (o);
}

static void
print_uuid (JsonNode *result, GString *out)
{
  g_string_append_printf (out, "%s\n", json_object_get_string_member (json_node_get_object (result), "UUID"));
}

/* Present is one whose type is loaded; a plugin that no machine named yet may still be there, and nobody can ask. */
static JsonNode *
query_kvm (Call *call, JsonObject *arguments, GError **error)
{
  unsigned cursor = 0;
  bool enabled = false, present = false;
  for (void *o; (o = bp_machine_next (call->monitor->machine, BP_ACCEL_ID, &cursor));)
    enabled = strstr (bp_object_type_name (o), "kvm") != NULL;
  cursor = 0;
  for (const BpTypeDesc *t; (t = bp_type_next (&cursor));)
    present |= t->kind == BP_KIND_ACCEL && strstr (t->name, "kvm");
  JsonObject *o = json_object_new ();
  json_object_set_boolean_member (o, "enabled", enabled);
  json_object_set_boolean_member (o, "present", present);
  return node_take_object (o);
}

static void
print_kvm (JsonNode *result, GString *out)
{
  bool enabled = json_object_get_boolean_member (json_node_get_object (result), "enabled");
  g_string_append_printf (out, "kvm support: %s\n", enabled ? "enabled" : "disabled");
}

/* --- backends ------------------------------------------------------------------------------------------ */

/* "stdio", "file:NAME", "unix:PATH", "pty:/dev/pts/3": the type and what it is given. */
static char *
chardev_filename (void *object)
{
  static const char *const keys[] = { "address", "path", "file", "name" };
  const char *type = bp_object_type_name (object);
  const char *kind = g_str_has_prefix (type, "char-") ? type + strlen ("char-") : type;
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autofree char *value = bp_object_get (object, keys[i], NULL);
    if (value && strcmp (kind, "socket") == 0)
      return g_steal_pointer (&value);
    if (value)
      return g_strdup_printf ("%s:%s", kind, value);
  }
  return g_strdup (kind);
}

void *
monitor_user_of (Monitor *monitor, const void *object)
{
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next_object (monitor->machine, &cursor));) {
    const BpProperty *p;
    for (unsigned i = 0; (p = bp_object_property (o, i)); i++) {
      g_autofree char *target = p->kind == BP_PROPERTY_LINK ? bp_object_get (o, p->name, NULL) : NULL;
      if (target && strcmp (target, bp_object_id (object)) == 0)
        return o;
    }
  }
  return NULL;
}

static JsonNode *
query_chardev (Call *call, JsonObject *arguments, GError **error)
{
  JsonArray *list = json_array_new ();
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next (call->monitor->machine, BP_CHAR_ID, &cursor));) {
    g_autofree char *filename = chardev_filename (o);
    JsonObject *c = json_object_new ();
    json_object_set_boolean_member (c, "frontend-open", monitor_user_of (call->monitor, o) != NULL);
    json_object_set_string_member (c, "filename", filename);
    json_object_set_string_member (c, "label", bp_object_id (o));
    json_array_add_object_element (list, c);
  }
  return node_take_array (list);
}

static void
print_chardev (JsonNode *result, GString *out)
{
  JsonArray *list = json_node_get_array (result);
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonObject *c = json_array_get_object_element (list, i);
    g_string_append_printf (out, "%s: filename=%s\n", json_object_get_string_member (c, "label"), json_object_get_string_member (c, "filename"));
  }
}

/* --- the log -------------------------------------------------------------------------------------------- */

static JsonNode *
log_topics (Call *call, JsonObject *arguments, GError **error)
{
  const char *topics = argument_string (arguments, "topics");
  if (strcmp (topics, "help") == 0)
    return node_take_string (bp_log_topics_text ());
  return bp_log_set_topics (strcmp (topics, "none") == 0 ? "" : topics, error) ? node_empty () : NULL;
}

/* --- rows ------------------------------------------------------------------------------------------------ */

const Command machine_commands[] = {
  BOTH ("query-status", "info status", "whether the machine runs", query_status, .print = print_status),
  BOTH ("stop", "stop", "stop the machine", stop, .alias = "s"),
  BOTH ("cont", "cont", "let the machine run on", cont, .alias = "c"),
  BOTH ("system_reset", "system_reset", "reset the machine", system_reset),
  BOTH ("system_powerdown", "system_powerdown", "press the power button", system_powerdown),
  BOTH ("quit", "quit", "end the run", quit, .alias = "q"),
  BOTH ("query-version", "info version", "the program's version", query_version, .print = print_version),
  QMP ("query-commands", query_commands),
  BOTH ("query-name", "info name", "the machine's description", query_name, .print = print_name),
  BOTH ("query-uuid", "info uuid", "the machine's UUID", query_uuid, .print = print_uuid),
  BOTH ("query-kvm", "info kvm", "whether the host's processor runs the guest", query_kvm, .print = print_kvm),
  BOTH ("query-chardev", "info chardev", "character backends", query_chardev, .print = print_chardev),
  CONSOLE ("log", "log these topics from now on (comma-separated); `log help` lists them, `log none` ends it", log_topics,
    .arguments = { ARGUMENT ("topics", STRING) }),
  COMMANDS_END
};
