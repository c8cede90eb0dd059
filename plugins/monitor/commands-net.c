/* commands-net.c -- commands about networks: what backends there are, what went over them, and their links. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/iface/net.h>
#include <string.h>

static BpNetInfo
info_of (void *backend)
{
  BpLink link = { backend, bp_object_interface (backend, BP_NET_ID) };
  return bp_net_info (&link);
}

/* --- what there is ---------------------------------------------------------------------------- */

static JsonArray *
work_names (uint32_t work)
{
  static const struct { uint32_t bit; const char *name; } names[] = {
    { BP_NET_CHECKSUM, "checksum" }, { BP_NET_TCP4, "tcp4" }, { BP_NET_TCP6, "tcp6" }, { BP_NET_ECN, "ecn" }, { BP_NET_UDP, "udp" }
  };
  JsonArray *list = json_array_new ();
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (work & names[i].bit)
      json_array_add_string_element (list, names[i].name);
  return list;
}

static JsonObject *
net_object (Monitor *monitor, void *backend)
{
  BpNetInfo info = info_of (backend);
  JsonObject *o = json_object_new ();
  void *device = monitor_user_of (monitor, backend);
  json_object_set_string_member (o, "name", bp_object_id (backend));
  json_object_set_string_member (o, "type", bp_object_type_name (backend));
  json_object_set_string_member (o, "info", info.what);
  json_object_set_boolean_member (o, "link", info.link_up);
  json_object_set_int_member (o, "mtu", info.mtu);
  json_object_set_int_member (o, "queues", info.queues);
  json_object_set_array_member (o, "offloads", work_names (info.takes));
  json_object_set_int_member (o, "rx-packets", (int64_t) info.packets[0]);
  json_object_set_int_member (o, "rx-bytes", (int64_t) info.bytes[0]);
  json_object_set_int_member (o, "tx-packets", (int64_t) info.packets[1]);
  json_object_set_int_member (o, "tx-bytes", (int64_t) info.bytes[1]);
  if (device) {
    g_autofree char *path = monitor_path (device);
    json_object_set_string_member (o, "peer", bp_object_id (device));
    json_object_set_string_member (o, "qdev", path);
  }
  return o;
}

static JsonNode *
query_netdev (Call *call, JsonObject *arguments, GError **error)
{
  JsonArray *list = json_array_new ();
  unsigned cursor = 0;
  for (void *backend; (backend = bp_machine_next (call->monitor->machine, BP_NET_ID, &cursor));)
    json_array_add_object_element (list, net_object (call->monitor, backend));
  return node_take_array (list);
}

static void
print_networks (JsonNode *result, GString *out)
{
  JsonArray *list = json_node_get_array (result);
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonObject *o = json_array_get_object_element (list, i);
    const char *peer = argument_string (o, "peer");
    g_string_append_printf (out, "%s: %s%s%s, link %s\n", json_object_get_string_member (o, "name"), json_object_get_string_member (o, "info"),
                            peer ? ", of " : ", of no device", peer ? peer : "", json_object_get_boolean_member (o, "link") ? "up" : "down");
    g_string_append_printf (out, "    received: %" G_GINT64_FORMAT " packets, %" G_GINT64_FORMAT " bytes; sent: %" G_GINT64_FORMAT " packets, %" G_GINT64_FORMAT " bytes\n",
                            json_object_get_int_member (o, "rx-packets"), json_object_get_int_member (o, "rx-bytes"),
                            json_object_get_int_member (o, "tx-packets"), json_object_get_int_member (o, "tx-bytes"));
  }
}

/* --- links ------------------------------------------------------------------------------------------ */

/* The backend, or that of a device. */
static void *
find_backend (Call *call, const char *name, GError **error)
{
  void *object = monitor_object (call, name, NULL, error);
  unsigned cursor = 0;
  if (!object || bp_object_interface (object, BP_NET_ID))
    return object;
  for (void *backend; (backend = bp_machine_next (call->monitor->machine, BP_NET_ID, &cursor));)
    if (monitor_user_of (call->monitor, backend) == object)
      return backend;
  return monitor_fail (error, MONITOR_ERROR_GENERIC, "Device '%s' is a %s, which is on no network", name, bp_object_type_name (object));
}

static JsonNode *
set_link (Call *call, JsonObject *arguments, GError **error)
{
  void *backend = find_backend (call, argument_string (arguments, "name"), error);
  const BpNetIface *t = backend ? bp_object_interface (backend, BP_NET_ID) : NULL;
  if (!backend)
    return NULL;
  if (!BP_TABLE_HAS (t, set_link))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "The link of '%s' cannot be taken away", bp_object_id (backend));
  t->set_link (backend, argument_bool (arguments, "up", true));
  return node_empty ();
}

/* --- rows ---------------------------------------------------------------------------------------------- */

const Command net_commands[] = {
  BOTH ("query-netdev", "info network", "networks, what went over them, and whether their links are up", query_netdev, .print = print_networks),
  BOTH ("set_link", "set_link", "take the link of a network or of its device away (off), or give it back (on)", set_link,
    .arguments = { ARGUMENT ("name", OBJECT), ARGUMENT ("up", BOOL) }),
  COMMANDS_END
};
