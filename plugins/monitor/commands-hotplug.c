/* commands-hotplug.c -- commands that add objects to a running machine and remove them, and the events that tell what came of it. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/bus/memory-slots.h>
#include <backplane/iface/memory-backend.h>
#include <string.h>

/* --- keys ------------------------------------------------------------------------------------------- */

typedef struct Keys {
  GPtrArray *texts;             /* owned */
  GArray *rows;                 /* of BpObjectKey, ended by zeros */
  const char *id;
} Keys;

static Keys
keys_new (void)
{
  return (Keys) { g_ptr_array_new_with_free_func (g_free), g_array_new (TRUE, TRUE, sizeof (BpObjectKey)), NULL };
}

static void
keys_clear (Keys *k)
{
  g_ptr_array_unref (k->texts);
  g_array_unref (k->rows);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Keys, keys_clear)

/* Takes the value. */
static void
keys_add (Keys *k, const char *key, char *value)
{
  char *name = g_strdup (key);
  g_ptr_array_add (k->texts, name);
  g_ptr_array_add (k->texts, value);
  if (strcmp (key, "id") == 0) {
    k->id = value;
    return;
  }
  BpObjectKey row = { name, value };
  g_array_append_val (k->rows, row);
}

static bool
has_key (const Keys *k, const char *key)
{
  for (guint i = 0; i < k->rows->len; i++)
    if (strcmp (g_array_index (k->rows, BpObjectKey, i).key, key) == 0)
      return true;
  return k->id && strcmp (key, "id") == 0;
}

/* --- what QMP and the console give ---------------------------------------------------------------------- */

/* A member as the text that a descriptor would have; NULL: it has none. */
static char *
member_text (JsonNode *node)
{
  if (json_node_get_node_type (node) == JSON_NODE_ARRAY) {
    JsonArray *list = json_node_get_array (node);
    g_autoptr (GString) out = g_string_new (NULL);
    for (guint i = 0; i < json_array_get_length (list); i++) {
      g_autofree char *one = member_text (json_array_get_element (list, i));
      if (!one)
        return NULL;
      g_string_append_printf (out, "%s%s", i ? "," : "", one);
    }
    return g_strdup (out->str);
  }
  if (json_node_get_node_type (node) != JSON_NODE_VALUE)
    return NULL;
  GType type = json_node_get_value_type (node);
  if (type == G_TYPE_BOOLEAN)
    return g_strdup (json_node_get_boolean (node) ? "on" : "off");
  if (type == G_TYPE_INT64)
    return g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (node));
  return type == G_TYPE_STRING ? g_strdup (json_node_get_string (node)) : NULL;
}

/* type_member: what the command calls the type. */
static bool
keys_of_members (Keys *k, JsonObject *members, const char *type_member, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;
  json_object_iter_init_ordered (&iter, members);
  while (json_object_iter_next_ordered (&iter, &name, &node)) {
    char *text = member_text (node);
    if (!text) {
      monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter '%s' is neither text, number, boolean, nor a list of them", name);
      return false;
    }
    keys_add (k, strcmp (name, type_member) == 0 ? "type" : name, text);
  }
  return true;
}

/* "dimm,id=d1,memory=m1"; a comma in a value is written twice. */
static bool
keys_of_line (Keys *k, const char *line, GError **error)
{
  while (*line) {
    g_autoptr (GString) part = g_string_new (NULL);
    for (; *line && (*line != ',' || line[1] == ','); line += 1 + (*line == ','))
      g_string_append_c (part, *line);
    line += *line == ',';
    g_strstrip (part->str);
    char *equals = strchr (part->str, '=');
    const char *key = equals ? part->str : k->rows->len || k->id ? NULL : "type";
    if (equals)
      *equals = 0;
    if (!key || !*key || has_key (k, key)) {
      monitor_fail (error, MONITOR_ERROR_GENERIC, key && *key ? "'%s' is there twice" : "'%s' is not KEY=VALUE", key && *key ? key : part->str);
      return false;
    }
    keys_add (k, key, g_strdup (equals ? equals + 1 : part->str));
  }
  return true;
}

/* --- adding and removing ------------------------------------------------------------------------------ */

static JsonNode *
add (Call *call, const Keys *k, GError **error)
{
  if (!k->id)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter 'id' is missing");
  return bp_machine_add_object (call->monitor->machine, NULL, k->id, (const BpObjectKey *) k->rows->data, error) ? node_empty () : NULL;
}

static JsonNode *
object_add (Call *call, JsonObject *arguments, GError **error)
{
  g_auto (Keys) k = keys_new ();
  return keys_of_members (&k, arguments, "qom-type", error) ? add (call, &k, error) : NULL;
}

static JsonNode *
device_add (Call *call, JsonObject *arguments, GError **error)
{
  g_auto (Keys) k = keys_new ();
  return keys_of_members (&k, arguments, "driver", error) ? add (call, &k, error) : NULL;
}

static JsonNode *
add_line (Call *call, JsonObject *arguments, GError **error)
{
  g_auto (Keys) k = keys_new ();
  return keys_of_line (&k, argument_string (arguments, "type"), error) ? add (call, &k, error) : NULL;
}

/* is_device: it must be one, or must be none. */
static JsonNode *
take_away (Call *call, JsonObject *arguments, bool is_device, GError **error)
{
  void *object = monitor_object (call, argument_string (arguments, "id"), NULL, error);
  if (!object)
    return NULL;
  const char *id = bp_object_id (object);
  if ((bp_object_type (object)->kind == BP_KIND_DEVICE) != is_device)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, is_device ? "'%s' is not a device: object-del removes it" : "'%s' is a device: device_del removes it",
                         id);
  call->monitor->deletes_object = !is_device;
  BpRemoval what = bp_machine_remove_object (call->monitor->machine, id, error);
  call->monitor->deletes_object = false;
  return what == BP_REMOVAL_REFUSED ? NULL : node_empty ();
}

static JsonNode *
object_del (Call *call, JsonObject *arguments, GError **error)
{
  return take_away (call, arguments, false, error);
}

static JsonNode *
device_del (Call *call, JsonObject *arguments, GError **error)
{
  return take_away (call, arguments, true, error);
}

/* --- devices that hold memory -------------------------------------------------------------------------- */

/* The next one; NULL at the end. */
static void *
next_memory (Monitor *m, unsigned *cursor, BpMemoryDeviceInfo *info)
{
  void *o = bp_machine_next (m->machine, BP_MEMORY_DEVICE_ID, cursor);
  const BpMemoryDeviceIface *t = o ? bp_object_interface (o, BP_MEMORY_DEVICE_ID) : NULL;
  *info = (BpMemoryDeviceInfo) { .struct_size = sizeof *info, .slot = -1, .kind = "dimm" };
  if (BP_TABLE_HAS (t, info))
    t->info (o, info);
  return o;
}

uint64_t
hotplug_memory_size (Monitor *m, uint64_t *behind)
{
  BpMemoryDeviceInfo info;
  uint64_t size = 0;
  unsigned cursor = 0;
  *behind = 0;
  while (next_memory (m, &cursor, &info)) {
    const BpMemoryBackendIface *t = info.memory ? bp_object_interface (info.memory, BP_MEMORY_BACKEND_ID) : NULL;
    *behind += BP_TABLE_HAS (t, size) ? t->size (info.memory) : 0;
    size += info.size;
  }
  return size;
}

static JsonNode *
query_memory_devices (Call *call, JsonObject *arguments, GError **error)
{
  JsonArray *list = json_array_new ();
  BpMemoryDeviceInfo info;
  unsigned cursor = 0;
  for (void *o; (o = next_memory (call->monitor, &cursor, &info));) {
    JsonObject *row = json_object_new (), *data = json_object_new ();
    bool is_dimm = strcmp (info.kind, "dimm") == 0;
    json_object_set_string_member (data, "id", bp_object_id (o));
    json_object_set_int_member (data, is_dimm ? "addr" : "memaddr", (int64_t) info.address);
    json_object_set_int_member (data, "size", (int64_t) info.size);
    if (is_dimm) {
      json_object_set_int_member (data, "slot", info.slot);
      json_object_set_boolean_member (data, "hotpluggable", (bp_object_type (o)->flags & BP_TYPE_HOT_PLUG) != 0);
      json_object_set_boolean_member (data, "hotplugged", g_hash_table_contains (call->monitor->added, bp_object_id (o)));
    }
    if (info.block) {
      const BpMemoryBackendIface *t = info.memory ? bp_object_interface (info.memory, BP_MEMORY_BACKEND_ID) : NULL;
      json_object_set_int_member (data, "block-size", (int64_t) info.block);
      json_object_set_int_member (data, "requested-size", (int64_t) info.requested);
      json_object_set_int_member (data, "max-size", BP_TABLE_HAS (t, size) ? (int64_t) t->size (info.memory) : 0);
    }
    json_object_set_int_member (data, "node", info.node);
    g_autofree char *path = info.memory ? monitor_path (info.memory) : NULL;
    if (path)
      json_object_set_string_member (data, "memdev", path);
    json_object_set_string_member (row, "type", info.kind);
    json_object_set_object_member (row, "data", data);
    json_array_add_object_element (list, row);
  }
  return node_take_array (list);
}

static void
print_memory_devices (JsonNode *result, GString *out)
{
  JsonArray *list = json_node_get_array (result);
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonObject *row = json_array_get_object_element (list, i), *data = json_object_get_object_member (row, "data");
    bool is_dimm = json_object_has_member (data, "slot");
    g_string_append_printf (out, "%s: %s", json_object_get_string_member (data, "id"), json_object_get_string_member (row, "type"));
    if (is_dimm)
      g_string_append_printf (out, " in slot %d", (int) json_object_get_int_member (data, "slot"));
    g_string_append_printf (out, " at 0x%" G_GINT64_MODIFIER "x, %" G_GINT64_FORMAT " bytes, memory %s\n",
                            (guint64) json_object_get_int_member (data, is_dimm ? "addr" : "memaddr"), json_object_get_int_member (data, "size"),
                            argument_string (data, "memdev"));
  }
}

/* --- events ------------------------------------------------------------------------------------------- */

static JsonObject *
device_data (const char *id)
{
  JsonObject *data = json_object_new ();
  g_autofree char *path = g_strconcat ("/machine/", id, NULL);
  json_object_set_string_member (data, "device", id);
  json_object_set_string_member (data, "path", path);
  return data;
}

void
hotplug_added (Monitor *m, const char *id)
{
  g_hash_table_add (m->added, g_strdup (id));
}

void
hotplug_removed (Monitor *m, const char *id)
{
  g_hash_table_remove (m->added, id);
  if (!m->deletes_object)
    monitor_event (m, "DEVICE_DELETED", device_data (id));
}

/* Two events, the older one for clients that know no other. */
void
hotplug_refused (Monitor *m, const char *detail)
{
  const char *why = strstr (detail, ": ");
  g_autofree char *id = why ? g_strndup (detail, (gsize) (why - detail)) : g_strdup (detail);
  JsonObject *data = json_object_new ();
  json_object_set_string_member (data, "device", id);
  json_object_set_string_member (data, "msg", why ? why + 2 : "");
  monitor_event (m, "MEM_UNPLUG_ERROR", data);
  monitor_event (m, "DEVICE_UNPLUG_GUEST_ERROR", device_data (id));
}

/* --- rows ------------------------------------------------------------------------------------------------ */

const Command hotplug_commands[] = {
  QMP ("object-add", object_add, .open = true, .arguments = { ARGUMENT ("qom-type", STRING), ARGUMENT ("id", STRING) }),
  QMP ("device_add", device_add, .open = true, .arguments = { ARGUMENT ("driver", STRING), ARGUMENT ("id", STRING) }),
  CONSOLE ("object_add", "add what is no device to the running machine: object_add TYPE,id=ID[,KEY=VALUE]...", add_line, .alias = "object-add",
    .arguments = { ARGUMENT ("type", REST) }),
  CONSOLE ("device_add", "add a device to the running machine: device_add TYPE,id=ID[,KEY=VALUE]...", add_line, .arguments = { ARGUMENT ("type", REST) }),
  BOTH ("object-del", "object_del", "remove what is no device and nothing uses", object_del, .alias = "object-del",
    .arguments = { ARGUMENT ("id", OBJECT) }),
  BOTH ("device_del", "device_del", "remove a device, when the guest lets go of it", device_del, .arguments = { ARGUMENT ("id", OBJECT) }),
  BOTH ("query-memory-devices", "info memory-devices", "devices that hold memory, such as dimms", query_memory_devices, .print = print_memory_devices),
  COMMANDS_END
};
