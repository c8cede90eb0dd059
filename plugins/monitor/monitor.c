/* monitor.c -- what all monitors of a machine share: events on their way to clients, errors, small help for commands. */
/* SPDX-License-Identifier: MIT */
#include "monitor.h"
#include "commands.h"
#include <string.h>

/* A machine has one, for as long as it has monitors. */
static GPtrArray *monitors;

/* --- events --------------------------------------------------------------------------------- */

void
monitor_event (Monitor *m, const char *name, JsonObject *data)
{
  for (guint i = 0; i < m->sinks->len; i++) {
    MonitorSink *sink = m->sinks->pdata[i];
    sink->event (sink->user, name, data);
  }
  if (data)
    json_object_unref (data);
}

/* Who ended the run, in QMP's words; whatever else it was, it came from the guest. */
static const char *
shutdown_reason (const Monitor *m, const char *detail)
{
  static const char *const hosts[][2] = {
    { "interrupted", "host-signal" }, { "Ctrl-A", "host-ui" }, { "timed out", "host-ui" }, { "standard output", "host-error" }
  };
  if (m->quits)
    return "host-qmp-quit";
  if (m->resets)                /* [machine] on-reset = exit */
    return "host-qmp-system-reset";
  for (guint i = 0; detail && i < G_N_ELEMENTS (hosts); i++)
    if (g_str_has_prefix (detail, hosts[i][0]))
      return hosts[i][1];
  return "guest-shutdown";
}

static JsonObject *
reason_data (const char *reason)
{
  JsonObject *data = json_object_new ();
  json_object_set_boolean_member (data, "guest", g_str_has_prefix (reason, "guest-"));
  json_object_set_string_member (data, "reason", reason);
  return data;
}

static void
on_machine (void *user, BpMachineEvent event, const char *detail)
{
  Monitor *m = user;
  switch (event) {
  case BP_MACHINE_STOPPED:      /* for good: SHUTDOWN will tell */
    if (bp_machine_run_state (m->machine) != BP_RUN_SHUTDOWN)
      monitor_event (m, "STOP", NULL);
    break;
  case BP_MACHINE_RESUMED:
    keys_resume (m);
    monitor_event (m, "RESUME", NULL);
    break;
  case BP_MACHINE_RESET:
    monitor_event (m, "RESET", reason_data (m->resets ? "host-qmp-system-reset" : "guest-reset"));
    m->resets = false;
    break;
  case BP_MACHINE_POWERDOWN:
    monitor_event (m, "POWERDOWN", NULL);
    break;
  case BP_MACHINE_SHUTDOWN:
    monitor_event (m, "SHUTDOWN", reason_data (shutdown_reason (m, detail)));
    break;
  case BP_MACHINE_RESUMING:     /* RESUME is told when it has */
    break;
  case BP_MACHINE_OBJECT_ADDED:
    hotplug_added (m, detail);
    break;
  case BP_MACHINE_OBJECT_REMOVED:
    hotplug_removed (m, detail);
    break;
  case BP_MACHINE_REMOVAL_REFUSED:
    hotplug_refused (m, detail);
    break;
  }
}

void
monitor_add_sink (Monitor *m, MonitorSink *sink)
{
  g_ptr_array_add (m->sinks, sink);
}

void
monitor_remove_sink (Monitor *m, MonitorSink *sink)
{
  g_ptr_array_remove (m->sinks, sink);
}

/* --- life cycle ------------------------------------------------------------------------------- */

Monitor *
monitor_ref (void *self)
{
  BpMachine *machine = bp_object_machine (self);
  if (!monitors)
    monitors = g_ptr_array_new ();
  for (guint i = 0; i < monitors->len; i++) {
    Monitor *m = monitors->pdata[i];
    if (m->machine == machine) {
      m->refs++;
      return m;
    }
  }
  Monitor *m = g_new0 (Monitor, 1);
  m->machine = machine;
  m->refs = 1;
  m->sinks = g_ptr_array_new ();
  m->added = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  m->watch = bp_machine_watch (machine, on_machine, m);
  trays_init (m);
  balloon_init (m);
  migration_events_init (m);
  keys_init (m, self);
  g_ptr_array_add (monitors, m);
  return m;
}

void
monitor_unref (Monitor *m)
{
  if (!m || --m->refs)
    return;
  g_ptr_array_remove (monitors, m);
  if (monitors->len == 0)
    g_clear_pointer (&monitors, g_ptr_array_unref);
  bp_machine_unwatch (m->machine, m->watch);
  keys_finish (m);
  migration_events_finish (m);
  trays_finish (m);
  balloon_finish (m);
  g_ptr_array_unref (m->sinks);
  g_hash_table_unref (m->added);
  g_free (m);
}

/* --- errors ------------------------------------------------------------------------------------ */

G_DEFINE_QUARK (backplane-monitor-error, monitor_error)

const char *
monitor_error_class (const GError *error)
{
  static const char *const names[] = { "GenericError", "CommandNotFound", "DeviceNotActive", "DeviceNotFound", "KVMMissingCap" };
  return names[error->domain == MONITOR_ERROR ? error->code : MONITOR_ERROR_GENERIC];
}

void *
monitor_fail (GError **error, MonitorError code, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, MONITOR_ERROR, (int) code, message);
  return NULL;
}

/* --- values -------------------------------------------------------------------------------------- */

JsonNode *
node_take_string (char *text)
{
  JsonNode *node = node_string (text);
  g_free (text);
  return node;
}

JsonNode *
node_take_object (JsonObject *object)
{
  JsonNode *node = json_node_init_object (json_node_alloc (), object);
  json_object_unref (object);
  return node;
}

JsonNode *
node_take_array (JsonArray *array)
{
  JsonNode *node = json_node_init_array (json_node_alloc (), array);
  json_array_unref (array);
  return node;
}

JsonNode *
node_empty (void)
{
  return node_take_object (json_object_new ());
}

int64_t
argument_int (JsonObject *arguments, const char *name, int64_t otherwise)
{
  return json_object_has_member (arguments, name) ? json_object_get_int_member (arguments, name) : otherwise;
}

bool
argument_bool (JsonObject *arguments, const char *name, bool otherwise)
{
  return json_object_has_member (arguments, name) ? json_object_get_boolean_member (arguments, name) : otherwise;
}

const char *
argument_string (JsonObject *arguments, const char *name)
{
  return json_object_has_member (arguments, name) ? json_object_get_string_member (arguments, name) : NULL;
}

/* --- objects --------------------------------------------------------------------------------------- */

char *
monitor_path (const void *object)
{
  return g_strconcat ("/machine/", bp_object_id (object), NULL);
}

void *
monitor_object (Call *call, const char *name, const char *interface_id, GError **error)
{
  const char *id = g_str_has_prefix (name, "/machine/") ? name + strlen ("/machine/") : name;
  void *object = bp_machine_find (call->monitor->machine, id);
  if (!object)
    return monitor_fail (error, MONITOR_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", name);
  if (interface_id && !bp_object_interface (object, interface_id))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Device '%s' is a %s and has no %s", name, bp_object_type_name (object), interface_id);
  return object;
}

void *
monitor_cpu (Call *call, int64_t index, GError **error)
{
  unsigned cursor = 0;
  int64_t wanted = index < 0 ? (int64_t) *call->cpu : index;
  for (void *o; (o = bp_machine_next_object (call->monitor->machine, &cursor));)
    if (bp_object_type (o)->kind == BP_KIND_CPU && bp_vcpu_index (bp_vcpu_of (o)) == wanted)
      return o;
  return monitor_fail (error, MONITOR_ERROR_GENERIC, index < 0 ? "the machine has no CPU" : "Parameter 'cpu-index' expects a CPU number");
}

Job *
job_new (bool (*step) (void *user, bool *done, GError **error), void (*free) (void *user), void *user)
{
  Job *job = g_new0 (Job, 1);
  *job = (Job) { .step = step, .free = free, .user = user };
  return job;
}

void
job_free (Job *job)
{
  if (!job)
    return;
  job->free (job->user);
  if (job->result)
    json_node_free (job->result);
  g_free (job);
}
