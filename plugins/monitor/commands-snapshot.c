/* commands-snapshot.c -- commands that save the whole machine, and load, delete and list what was saved. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/snapshot.h>
#include <string.h>
#include <time.h>

/* vm-20261122105000, as long as nobody chose a name. */
static char *
dated_name (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  return g_date_time_format (now, "vm-%Y%m%d%H%M%S");
}

static JsonNode *
savevm (Call *call, JsonObject *arguments, GError **error)
{
  const char *name = argument_string (arguments, "name");
  g_autofree char *dated = name ? NULL : dated_name ();
  if (!bp_machine_save_snapshot (call->monitor->machine, name ? name : dated, error))
    return NULL;
  return name ? node_empty () : node_take_string (g_strdup_printf ("Saved as %s\n", dated));
}

static JsonNode *
loadvm (Call *call, JsonObject *arguments, GError **error)
{
  return bp_machine_load_snapshot (call->monitor->machine, argument_string (arguments, "name"), error) ? node_empty () : NULL;
}

static JsonNode *
delvm (Call *call, JsonObject *arguments, GError **error)
{
  return bp_machine_delete_snapshot (call->monitor->machine, argument_string (arguments, "name"), error) ? node_empty () : NULL;
}

/* --- what there is ------------------------------------------------------------------------------------ */

static void
print_snapshot (void *user, const BpSnapshotInfo *info)
{
  GString *out = user;
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_local (info->date);
  g_autofree char *when = date ? g_date_time_format (date, "%Y-%m-%d %H:%M:%S") : g_strdup ("-");
  g_autofree char *size = g_strdup_printf ("%" G_GUINT64_FORMAT " KiB", (info->vm_state_size + 1023) / 1024);
  int64_t ms = info->vm_clock / 1000000;
  if (out->len == 0)
    g_string_append_printf (out, "%-6s %-20s %12s  %-19s %15s  %s\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "WHERE");
  g_string_append_printf (out, "%-6s %-20s %12s  %-19s %4" G_GINT64_FORMAT ":%02d:%02d.%03d  %s%s\n", *info->id ? info->id : "-", info->name, size, when,
                          ms / 3600000, (int) (ms / 60000 % 60), (int) (ms / 1000 % 60), (int) (ms % 1000), info->where,
                          info->complete ? "" : " (some disks lack their part)");
}

static JsonNode *
info_snapshots (Call *call, JsonObject *arguments, GError **error)
{
  GString *out = g_string_new (NULL);
  bool good = bp_machine_list_snapshots (call->monitor->machine, print_snapshot, out, error);
  if (good && out->len == 0)
    g_string_append (out, "There is no snapshot available.\n");
  char *text = g_string_free (out, FALSE);
  if (good)
    return node_take_string (text);
  g_free (text);
  return NULL;
}

const Command snapshot_commands[] = {
  CONSOLE ("savevm", "save the whole machine, into its disks or a file NAME.bps", savevm, .arguments = { OPTIONAL ("name", STRING) }),
  CONSOLE ("loadvm", "go back to what was saved", loadvm, .arguments = { ARGUMENT ("name", STRING) }),
  CONSOLE ("delvm", "delete what was saved", delvm, .arguments = { ARGUMENT ("name", STRING) }),
  CONSOLE ("info snapshots", "what was saved", info_snapshots),
  COMMANDS_END
};
