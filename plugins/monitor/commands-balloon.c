/* commands-balloon.c -- commands about a memory balloon: how much memory the guest has, shall have, and says it uses. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/iface/balloon.h>
#include <backplane/loop.h>

enum { NUMBERS_MOST = 32, EVENT_PAUSE_MS = 1000 };

/* NULL with error. */
static const BpBalloonIface *
find_balloon (Monitor *m, void **self, GError **error)
{
  unsigned cursor = 0;
  *self = bp_machine_next (m->machine, BP_BALLOON_ID, &cursor);
  const BpBalloonIface *t = *self ? bp_object_interface (*self, BP_BALLOON_ID) : NULL;
  if (t && t->is_active (*self))
    return t;
  return monitor_fail (error, MONITOR_ERROR_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
}

/* --- events ---------------------------------------------------------------------------------- */

static void
tell (Monitor *m)
{
  void *self;
  bp_machine_lock (m->machine);
  const BpBalloonIface *t = find_balloon (m, &self, NULL);
  uint64_t size = t ? t->actual (self) : 0;
  bp_machine_unlock (m->machine);
  if (!t)
    return;
  JsonObject *data = json_object_new ();
  json_object_set_int_member (data, "actual", (int64_t) size);
  monitor_event (m, "BALLOON_CHANGE", data);
}

static void schedule (Monitor *m, unsigned ms);

/* A balloon that fills changes a thousand times a second: clients hear of it at once, then once a second, and what it came to. */
static gboolean
on_turn (void *user)
{
  Monitor *m = user;
  g_clear_pointer (&m->balloon_turn, g_source_unref);
  if (m->balloon_changed) {
    m->balloon_changed = false;
    schedule (m, EVENT_PAUSE_MS);
    tell (m);
  }
  return G_SOURCE_REMOVE;
}

static void
schedule (Monitor *m, unsigned ms)
{
  m->balloon_turn = g_timeout_source_new (ms);
  g_source_set_callback (m->balloon_turn, on_turn, m, NULL);
  g_source_attach (m->balloon_turn, bp_loop_context (bp_loop_main (m->machine)));
}

/* Under the lock, without which clients are told. */
static void
on_changed (void *user)
{
  Monitor *m = user;
  m->balloon_changed = true;
  if (!m->balloon_turn)
    schedule (m, 0);
}

static void
watch (Monitor *m, void (*changed) (void *user))
{
  unsigned cursor = 0;
  void *self = bp_machine_next (m->machine, BP_BALLOON_ID, &cursor);
  const BpBalloonIface *t = self ? bp_object_interface (self, BP_BALLOON_ID) : NULL;
  if (t)
    t->watch (self, changed, m);
}

void balloon_init (Monitor *m) { watch (m, on_changed); }

void
balloon_finish (Monitor *m)
{
  watch (m, NULL);
  if (m->balloon_turn)
    g_source_destroy (m->balloon_turn);
  g_clear_pointer (&m->balloon_turn, g_source_unref);
}

/* --- sizes ------------------------------------------------------------------------------------- */

static JsonNode *
query_balloon (Call *call, JsonObject *arguments, GError **error)
{
  void *self;
  bp_machine_lock (call->monitor->machine);
  const BpBalloonIface *t = find_balloon (call->monitor, &self, error);
  uint64_t size = t ? t->actual (self) : 0;
  bp_machine_unlock (call->monitor->machine);
  if (!t)
    return NULL;
  JsonObject *o = json_object_new ();
  json_object_set_int_member (o, "actual", (int64_t) size);
  return node_take_object (o);
}

static void
print_balloon (JsonNode *result, GString *out)
{
  g_string_append_printf (out, "balloon: actual=%" G_GINT64_FORMAT "\n", json_object_get_int_member (json_node_get_object (result), "actual") >> 20);
}

static JsonNode *
set_balloon (Call *call, int64_t size, GError **error)
{
  void *self;
  if (size <= 0)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter 'target' expects a size");
  bp_machine_lock (call->monitor->machine);
  const BpBalloonIface *t = find_balloon (call->monitor, &self, error);
  if (t)
    t->set_target (self, (uint64_t) size);
  bp_machine_unlock (call->monitor->machine);
  return t ? node_empty () : NULL;
}

/* Bytes in QMP, MiB in the console, as QEMU has it. */
static JsonNode *
balloon (Call *call, JsonObject *arguments, GError **error)
{
  int64_t value = argument_int (arguments, "value", 0);
  if (call->console && value > 0)
    value = value > INT64_MAX >> 20 ? INT64_MAX : value << 20;
  return set_balloon (call, value, error);
}

/* --- statistics ----------------------------------------------------------------------------------- */

static JsonNode *
balloon_statistics (Call *call, JsonObject *arguments, GError **error)
{
  void *self;
  BpBalloonNumber numbers[NUMBERS_MOST];
  unsigned n = 0;
  int64_t told = 0;
  bp_machine_lock (call->monitor->machine);
  const BpBalloonIface *t = find_balloon (call->monitor, &self, error);
  if (t)
    n = t->statistics (self, numbers, NUMBERS_MOST, &told);
  bp_machine_unlock (call->monitor->machine);
  if (!t)
    return NULL;
  JsonObject *o = json_object_new (), *stats = json_object_new ();
  for (unsigned i = 0; i < n; i++)
    json_object_set_int_member (stats, numbers[i].name, (int64_t) numbers[i].value);    /* -1: not told */
  json_object_set_object_member (o, "stats", stats);
  json_object_set_int_member (o, "last-update", told);
  return node_take_object (o);
}

static void
print_statistics (JsonNode *result, GString *out)
{
  JsonObject *o = json_node_get_object (result), *stats = json_object_get_object_member (o, "stats");
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  if (!json_object_get_int_member (o, "last-update")) {
    g_string_append (out, "The guest has told nothing.\n");
    return;
  }
  json_object_iter_init_ordered (&iter, stats);
  while (json_object_iter_next_ordered (&iter, &name, &value))
    if (json_node_get_int (value) != -1)
      g_string_append_printf (out, "%s: %" G_GINT64_FORMAT "\n", name, json_node_get_int (value));
}

const Command balloon_commands[] = {
  BOTH ("query-balloon", "info balloon", "how much memory the guest has, in MiB", query_balloon, .print = print_balloon),
  BOTH ("balloon", "balloon", "how much memory the guest shall have, in MiB; it gives the rest to the host", balloon,
        .arguments = { ARGUMENT ("value", INTEGER) }),
  BOTH ("x-query-balloon-statistics", "info balloon-statistics", "what the guest tells about its memory", balloon_statistics, .print = print_statistics),
  COMMANDS_END
};
