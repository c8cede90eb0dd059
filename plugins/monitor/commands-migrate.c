/* commands-migrate.c -- commands that send the machine to another process, wait for one, and tell how it goes. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/migration.h>
#include <string.h>

#define MIB (1024.0 * 1024.0)

static BpMigrationInfo
info_of (Call *call)
{
  BpMigrationInfo info = { .struct_size = sizeof info };
  bp_migration_info (call->monitor->machine, &info);
  return info;
}

static BpMigrationParameters
parameters_of (Call *call)
{
  BpMigrationParameters p = { .struct_size = sizeof p };
  bp_migration_parameters (call->monitor->machine, &p);
  return p;
}

/* --- how it goes ------------------------------------------------------------------------------------------ */

static JsonObject *
ram_object (const BpMigrationInfo *i)
{
  JsonObject *o = json_object_new ();
  json_object_set_int_member (o, "transferred", (gint64) i->transferred);
  json_object_set_int_member (o, "remaining", (gint64) i->remaining);
  json_object_set_int_member (o, "total", (gint64) i->total);
  json_object_set_int_member (o, "duplicate", (gint64) i->zero_pages);
  json_object_set_int_member (o, "skipped", 0);
  json_object_set_int_member (o, "normal", (gint64) i->pages);
  json_object_set_int_member (o, "normal-bytes", (gint64) i->pages * 4096);
  json_object_set_int_member (o, "dirty-pages-rate", (gint64) i->dirty_rate);
  json_object_set_int_member (o, "dirty-sync-count", (gint64) i->rounds);
  json_object_set_int_member (o, "page-size", 4096);
  json_object_set_double_member (o, "mbps", (double) i->bandwidth * 8 / 1e6);
  return o;
}

static JsonNode *
query_migrate (Call *call, JsonObject *arguments, GError **error)
{
  BpMigrationInfo i = info_of (call);
  JsonObject *o = json_object_new ();
  if (i.status == BP_MIGRATION_NONE)
    return node_take_object (o);
  json_object_set_string_member (o, "status", bp_migration_status_name (i.status));
  if (i.error)
    json_object_set_string_member (o, "error-desc", i.error);
  if (i.total)
    json_object_set_object_member (o, "ram", ram_object (&i));
  json_object_set_int_member (o, "total-time", (gint64) i.total_time);
  json_object_set_int_member (o, "setup-time", (gint64) i.setup_time);
  if (i.status == BP_MIGRATION_COMPLETED)
    json_object_set_int_member (o, "downtime", (gint64) i.downtime);
  else
    json_object_set_int_member (o, "expected-downtime", (gint64) i.expected_downtime);
  if (i.throttle)
    json_object_set_int_member (o, "cpu-throttle-percentage", i.throttle);
  return node_take_object (o);
}

static JsonNode *
info_migrate (Call *call, JsonObject *arguments, GError **error)
{
  BpMigrationInfo i = info_of (call);
  GString *out = g_string_new (NULL);
  if (i.status != BP_MIGRATION_NONE)
    g_string_append_printf (out, "Migration status: %s%s%s%s\n", bp_migration_status_name (i.status), i.incoming ? " (incoming)" : "", i.error ? ": " : "",
                            i.error ? i.error : "");
  if (i.total)
    g_string_append_printf (out, "ram: %.1f MiB, %.1f MiB left, %.1f MiB transferred in %" G_GUINT64_FORMAT " rounds\n"
                            "pages: %" G_GUINT64_FORMAT " sent, %" G_GUINT64_FORMAT " zero, %" G_GUINT64_FORMAT " a second written by the guest\n"
                            "bandwidth: %.1f MiB/s\n",
                            (double) i.total / MIB, (double) i.remaining / MIB, (double) i.transferred / MIB, i.rounds, i.pages, i.zero_pages, i.dirty_rate,
                            (double) i.bandwidth / MIB);
  if (i.status != BP_MIGRATION_NONE)
    g_string_append_printf (out, "total time: %" G_GUINT64_FORMAT " ms\n%s: %" G_GUINT64_FORMAT " ms\n", i.total_time,
                            i.status == BP_MIGRATION_COMPLETED ? "downtime" : "expected downtime",
                            i.status == BP_MIGRATION_COMPLETED ? i.downtime : i.expected_downtime);
  if (i.throttle)
    g_string_append_printf (out, "cpu throttle: %u %%\n", i.throttle);
  return node_take_string (g_string_free (out, FALSE));
}

static void
on_status (void *user, BpMigrationStatus status)
{
  JsonObject *data = json_object_new ();
  json_object_set_string_member (data, "status", bp_migration_status_name (status));
  monitor_event (user, "MIGRATION", data);
}

void
migration_events_init (Monitor *monitor)
{
  monitor->migration_watch = bp_migration_watch (monitor->machine, on_status, monitor);
}

void
migration_events_finish (Monitor *monitor)
{
  bp_migration_unwatch (monitor->machine, monitor->migration_watch);
}

/* --- begin and cancel ---------------------------------------------------------------------------------------- */

static JsonNode *
migrate (Call *call, JsonObject *arguments, GError **error)
{
  return bp_migration_start (call->monitor->machine, argument_string (arguments, "uri"), error) ? node_empty () : NULL;
}

static JsonNode *
migrate_cancel (Call *call, JsonObject *arguments, GError **error)
{
  bp_migration_cancel (call->monitor->machine);
  return node_empty ();
}

static JsonNode *
migrate_incoming (Call *call, JsonObject *arguments, GError **error)
{
  return bp_migration_receive (call->monitor->machine, argument_string (arguments, "uri"), error) ? node_empty () : NULL;
}

/* The console waits, unless -d says that it is not to. */
typedef struct Wait {
  BpMachine *machine;
} Wait;

static bool
wait_step (void *user, bool *done, GError **error)
{
  BpMigrationInfo i = { .struct_size = sizeof i };
  bp_migration_info (((Wait *) user)->machine, &i);
  *done = i.status == BP_MIGRATION_COMPLETED || i.status == BP_MIGRATION_FAILED || i.status == BP_MIGRATION_CANCELLED;
  if (!*done || i.status == BP_MIGRATION_COMPLETED)
    return true;
  g_set_error_literal (error, BP_ERROR, BP_ERROR_FAILED, i.error ? i.error : "cancelled");
  return false;
}

/* As long as the longest line, so that nothing of it stays. */
static void
show_progress (void *user, GString *out)
{
  BpMigrationInfo i = { .struct_size = sizeof i };
  bp_migration_info (((Wait *) user)->machine, &i);
  g_autofree char *slow = i.throttle ? g_strdup_printf (", vCPUs held for %u %%", i.throttle) : g_strdup (""),
                  *line = g_strdup_printf ("%s, round %" G_GUINT64_FORMAT ": %.0f MiB sent, %.0f of %.0f MiB left, %.0f MiB/s%s", bp_migration_status_name (i.status), i.rounds,
                                           (double) i.transferred / MIB, (double) i.remaining / MIB, (double) i.total / MIB, (double) i.bandwidth / MIB, slow);
  g_string_append_printf (out, "\r%-79s", line);
}

static JsonNode *
migrate_and_wait (Call *call, JsonObject *arguments, GError **error)
{
  if (!bp_migration_start (call->monitor->machine, argument_string (arguments, "uri"), error))
    return NULL;
  if (argument_bool (arguments, "detach", false))
    return node_empty ();
  Wait *w = g_new (Wait, 1);
  w->machine = call->monitor->machine;
  call->job = job_new (wait_step, g_free, w);
  call->job->pause = 100;
  call->job->progress = show_progress;
  return NULL;
}

/* --- parameters ------------------------------------------------------------------------------------------------- */

static const char *const parameter_names[] = { "downtime-limit", "max-bandwidth", "max-cpu-throttle", "x-patience", "x-compress" };

static JsonNode *
query_parameters (Call *call, JsonObject *arguments, GError **error)
{
  BpMigrationParameters p = parameters_of (call);
  JsonObject *o = json_object_new ();
  json_object_set_int_member (o, "downtime-limit", p.downtime_limit);
  json_object_set_int_member (o, "max-bandwidth", (gint64) p.max_bandwidth);
  json_object_set_int_member (o, "max-cpu-throttle", p.max_throttle);
  json_object_set_int_member (o, "x-patience", p.patience);
  json_object_set_int_member (o, "x-compress", p.compress);
  return node_take_object (o);
}

static void
print_parameters (JsonNode *result, GString *out)
{
  JsonObject *o = json_node_get_object (result);
  for (guint i = 0; i < G_N_ELEMENTS (parameter_names); i++)
    g_string_append_printf (out, "%s: %" G_GINT64_FORMAT "\n", parameter_names[i], json_object_get_int_member (o, parameter_names[i]));
}

static JsonNode *
set_parameters (Call *call, JsonObject *arguments, GError **error)
{
  BpMigrationParameters p = parameters_of (call);
  int64_t limit = argument_int (arguments, "downtime-limit", p.downtime_limit), patience = argument_int (arguments, "x-patience", p.patience),
          compress = argument_int (arguments, "x-compress", p.compress), most = argument_int (arguments, "max-bandwidth", (int64_t) p.max_bandwidth),
          throttle = argument_int (arguments, "max-cpu-throttle", p.max_throttle);
  p.downtime_limit = (uint32_t) CLAMP (limit, 0, UINT32_MAX);
  p.patience = (uint32_t) CLAMP (patience, 0, UINT32_MAX);
  p.compress = (uint32_t) CLAMP (compress, 0, UINT32_MAX);
  p.max_throttle = (uint32_t) CLAMP (throttle, 0, UINT32_MAX);
  if (most < 0) {
    monitor_fail (error, MONITOR_ERROR_GENERIC, "max-bandwidth is a number of bytes a second; 0: no limit");
    return NULL;
  }
  p.max_bandwidth = (uint64_t) most;
  return bp_migration_set_parameters (call->monitor->machine, &p, error) ? node_empty () : NULL;
}

static JsonNode *
set_parameter (Call *call, JsonObject *arguments, GError **error)
{
  const char *name = argument_string (arguments, "name");
  JsonObject *one = json_object_new ();
  JsonNode *result = NULL;
  json_object_set_int_member (one, name, argument_int (arguments, "value", 0));
  bool there = false;
  for (guint i = 0; i < G_N_ELEMENTS (parameter_names); i++)
    there |= strcmp (parameter_names[i], name) == 0;
  if (there)
    result = set_parameters (call, one, error);
  else
    monitor_fail (error, MONITOR_ERROR_GENERIC, "there is no parameter '%s'; there are downtime-limit, max-bandwidth, max-cpu-throttle, x-patience, x-compress", name);
  json_object_unref (one);
  return result;
}

/* --- templates ----------------------------------------------------------------------------------------------------- */

static JsonNode *
save_template (Call *call, JsonObject *arguments, GError **error)
{
  return bp_machine_save_template (call->monitor->machine, argument_string (arguments, "folder"), error) ? node_empty () : NULL;
}

/* --- rows ------------------------------------------------------------------------------------------------------------ */

const Command migrate_commands[] = {
  QMP ("migrate", migrate, .arguments = { ARGUMENT ("uri", STRING), OPTIONAL ("detach", BOOL) }),
  CONSOLE ("migrate", "send the machine to another process, at unix:PATH, tcp:HOST:PORT, or to file:PATH; -d: do not wait for the end", migrate_and_wait,
           .arguments = { OPTIONAL ("detach", BOOL, .flag = 'd'), ARGUMENT ("uri", STRING) }),
  BOTH ("migrate_cancel", "migrate_cancel", "the machine stays here", migrate_cancel),
  BOTH ("migrate-incoming", "migrate_incoming", "wait for the machine there (--incoming defer)", migrate_incoming, .arguments = { ARGUMENT ("uri", STRING) }),
  QMP ("query-migrate", query_migrate),
  CONSOLE ("info migrate", "how far the machine is on its way", info_migrate),
  BOTH ("query-migrate-parameters", "info migrate_parameters", "limits of a migration", query_parameters, .print = print_parameters),
  QMP ("migrate-set-parameters", set_parameters,
       .arguments = { OPTIONAL ("downtime-limit", INTEGER), OPTIONAL ("max-bandwidth", INTEGER), OPTIONAL ("max-cpu-throttle", INTEGER),
                      OPTIONAL ("x-patience", INTEGER), OPTIONAL ("x-compress", INTEGER) }),
  CONSOLE ("migrate_set_parameter", "set one of `info migrate_parameters`", set_parameter, .arguments = { ARGUMENT ("name", STRING), ARGUMENT ("value", INTEGER) }),
  BOTH ("x-template-save", "template-save", "save the machine as a folder that others begin with (--template)", save_template,
        .arguments = { ARGUMENT ("folder", STRING) }),
  COMMANDS_END
};
