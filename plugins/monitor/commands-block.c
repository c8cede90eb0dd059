/* commands-block.c -- commands about disks and drives: what is in them, and changing it. */
/* SPDX-License-Identifier: MIT */
/*
 * A drive with an open tray looks to the guest like one without a medium, and that is all that a block backend knows of trays.  What lies in an open tray is
 * remembered here: closing it puts that back, and taking it out or putting something else in changes what is remembered.
 */
#include "commands.h"
#include <backplane/iface/block.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Tray {
  bool open;
  char *file, *format;          /* what lies in it while it is open; NULL: nothing */
  bool read_only;
} Tray;

static void
tray_clear (Tray *t)
{
  g_free (t->file);
  g_free (t->format);
  *t = (Tray) { .open = t->open };
}

static void
tray_free (void *tray)
{
  tray_clear (tray);
  g_free (tray);
}

void
trays_init (Monitor *monitor)
{
  monitor->trays = g_hash_table_new_full (NULL, NULL, NULL, tray_free);
}

void
trays_finish (Monitor *monitor)
{
  g_hash_table_unref (monitor->trays);
}

/* --- drives -------------------------------------------------------------------------------------------- */

typedef struct Drive {
  void *backend;
  const BpBlockIface *iface;
  BpBlockInfo info;
  Tray *tray;
  void *device;                 /* NULL: none has it */
} Drive;

static void
look (Monitor *monitor, void *backend, Drive *d)
{
  BpLink link = { backend, bp_object_interface (backend, BP_BLOCK_ID) };
  *d = (Drive) { .backend = backend, .iface = link.table, .info = bp_block_info (&link), .device = monitor_user_of (monitor, backend) };
  d->tray = g_hash_table_lookup (monitor->trays, backend);
  if (!d->tray)
    g_hash_table_insert (monitor->trays, backend, d->tray = g_new0 (Tray, 1));
  if (d->info.inserted && d->tray->open) {      /* somebody else closed it */
    d->tray->open = false;
    tray_clear (d->tray);
  }
}

/* Hard disks are built in: what a device's type says that it is. */
static bool
is_removable (const Drive *d)
{
  g_autofree char *media = d->device ? bp_object_get (d->device, "media", NULL) : NULL;
  const char *type = d->device ? bp_object_type_name (d->device) : "";
  return !(media ? strcmp (media, "disk") == 0 : g_str_has_suffix (type, "-disk") || g_str_has_suffix (type, "-hd"));
}

/* The backend that a link of the object leads to: a drive may be named by the device that has it. */
static void *
backend_of (Call *call, void *object)
{
  const BpProperty *p;
  if (bp_object_interface (object, BP_BLOCK_ID))
    return object;
  for (unsigned i = 0; (p = bp_object_property (object, i)); i++) {
    g_autofree char *target = p->kind == BP_PROPERTY_LINK ? bp_object_get (object, p->name, NULL) : NULL;
    void *o = target ? bp_machine_find (call->monitor->machine, target) : NULL;
    if (o && bp_object_interface (o, BP_BLOCK_ID))
      return o;
  }
  return NULL;
}

/* By `device' or `id' (`node-name', where a command has that), one of which is given. */
static bool
find_drive (Call *call, JsonObject *arguments, bool removable, Drive *d, GError **error)
{
  const char *device = argument_string (arguments, "device"), *id = argument_string (arguments, "id");
  id = id ? id : argument_string (arguments, "node-name");
  if (!device == !id)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Need exactly one of 'device' and 'id'");
  void *object = monitor_object (call, device ? device : id, NULL, error);
  void *backend = object ? backend_of (call, object) : NULL;
  if (object && !backend)
    monitor_fail (error, MONITOR_ERROR_GENERIC, "Device '%s' is a %s, which holds no medium", device ? device : id, bp_object_type_name (object));
  if (!backend)
    return false;
  look (call->monitor, backend, d);
  if (removable && !is_removable (d))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Device '%s' is not removable", bp_object_id (backend));
  return true;
}

static void
tray_moved (Call *call, const Drive *d, bool open)
{
  JsonObject *data = json_object_new ();
  g_autofree char *path = monitor_path (d->device ? d->device : d->backend);
  json_object_set_string_member (data, "device", bp_object_id (d->backend));
  json_object_set_boolean_member (data, "tray-open", open);
  json_object_set_string_member (data, "id", path);
  monitor_event (call->monitor, "DEVICE_TRAY_MOVED", data);
}

/* --- trays and media -------------------------------------------------------------------------------------- */

static bool
open_tray (Call *call, Drive *d, bool force, GError **error)
{
  if (d->tray->open)
    return true;
  if (!BP_TABLE_HAS (d->iface, eject))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Device '%s' cannot be opened", bp_object_id (d->backend));
  if (!d->iface->eject (d->backend, force, error))
    return false;
  d->tray->open = true;
  if (d->info.inserted) {
    d->tray->file = g_strdup (d->info.file);
    d->tray->format = g_strdup (d->info.format);
    d->tray->read_only = d->info.read_only;
  }
  tray_moved (call, d, true);
  return true;
}

static bool
insert (Drive *d, const char *file, const char *format, bool read_only, GError **error)
{
  if (BP_TABLE_HAS (d->iface, insert))
    return d->iface->insert (d->backend, file, format, read_only, error);
  return monitor_fail (error, MONITOR_ERROR_GENERIC, "Device '%s' takes no medium", bp_object_id (d->backend));
}

static bool
close_tray (Call *call, Drive *d, GError **error)
{
  Tray *t = d->tray;
  if (!t->open)
    return true;
  if (t->file && !insert (d, t->file, t->format, t->read_only, error))
    return false;
  t->open = false;
  tray_clear (t);
  tray_moved (call, d, false);
  return true;
}

/* A drive closes its tray by itself only when a medium is put in: an ejected one stays open. */
static JsonNode *
eject (Call *call, JsonObject *arguments, GError **error)
{
  Drive d;
  if (!find_drive (call, arguments, true, &d, error) || !open_tray (call, &d, argument_bool (arguments, "force", false), error))
    return NULL;
  tray_clear (d.tray);
  return node_empty ();
}

static JsonNode *
blockdev_open_tray (Call *call, JsonObject *arguments, GError **error)
{
  Drive d;
  bool good = find_drive (call, arguments, true, &d, error) && open_tray (call, &d, argument_bool (arguments, "force", false), error);
  return good ? node_empty () : NULL;
}

static JsonNode *
blockdev_close_tray (Call *call, JsonObject *arguments, GError **error)
{
  Drive d;
  return find_drive (call, arguments, true, &d, error) && close_tray (call, &d, error) ? node_empty () : NULL;
}

static JsonNode *
blockdev_remove_medium (Call *call, JsonObject *arguments, GError **error)
{
  Drive d;
  if (!find_drive (call, arguments, true, &d, error))
    return NULL;
  if (!d.tray->open && d.info.inserted)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Tray of device '%s' is not open", bp_object_id (d.backend));
  tray_clear (d.tray);
  return node_empty ();
}

/* Before the old medium is out. */
static bool
may_open (const char *file, bool read_only, GError **error)
{
  struct stat st;
  int reason = stat (file, &st) != 0 || access (file, R_OK | (read_only ? 0 : W_OK)) != 0 ? errno : S_ISDIR (st.st_mode) ? EISDIR : 0;
  if (reason)
    monitor_fail (error, MONITOR_ERROR_GENERIC, "Could not open '%s': %s", file, g_strerror (reason));
  return !reason;
}

/* What cannot be used leaves what was there. */
static bool
change_medium (Call *call, Drive *d, const char *file, const char *format, bool read_only, bool force, GError **error)
{
  Tray *t = d->tray;
  if (!may_open (file, read_only, error) || !open_tray (call, d, force, error))
    return false;
  Tray old = *t;
  t->file = g_strdup (file);
  t->format = g_strdup (format);
  t->read_only = read_only;
  bool good = close_tray (call, d, error);
  if (!good) {
    tray_clear (t);
    *t = old;
    close_tray (call, d, NULL);
  } else {
    g_free (old.file);
    g_free (old.format);
  }
  return good;
}

static JsonNode *
blockdev_change_medium (Call *call, JsonObject *arguments, GError **error)
{
  Drive d;
  const char *mode = argument_string (arguments, "read-only-mode"), *format = argument_string (arguments, "format");
  if (!find_drive (call, arguments, true, &d, error))
    return NULL;
  g_autofree char *property = bp_object_get (d.backend, "read-only", NULL);
  bool read_only = d.info.inserted ? d.info.read_only : d.tray->file ? d.tray->read_only : g_strcmp0 (property, "on") == 0;
  if (mode && strcmp (mode, "retain") != 0)
    read_only = strcmp (mode, "read-only") == 0;
  else if (!mode && access (argument_string (arguments, "filename"), W_OK) != 0)
    read_only = true;           /* who does not say takes what there is */
  bool good = change_medium (call, &d, argument_string (arguments, "filename"), format, read_only, argument_bool (arguments, "force", false), error);
  return good ? node_empty () : NULL;
}

/* --- another size -------------------------------------------------------------------------------------------- */

/* Bytes in QMP, MiB in the console, as QEMU has it. */
static JsonNode *
block_resize (Call *call, JsonObject *arguments, GError **error)
{
  Drive d;
  int64_t size = argument_int (arguments, "size", -1);
  if (call->console && __builtin_mul_overflow (size, INT64_C (1) << 20, &size))
    size = -1;
  if (!find_drive (call, arguments, false, &d, error))
    return NULL;
  if (size < 0)
    monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter 'size' expects a >0 size");
  else if (!BP_TABLE_HAS (d.iface, resize))
    monitor_fail (error, MONITOR_ERROR_GENERIC, "Device '%s' cannot be resized", bp_object_id (d.backend));
  else if (d.iface->resize (d.backend, (uint64_t) size, error))
    return node_empty ();
  return NULL;
}

/* --- what is in them ------------------------------------------------------------------------------------------ */

static JsonObject *
image_object (const BpBlockInfo *info)
{
  JsonObject *o = json_object_new ();
  struct stat st;
  json_object_set_int_member (o, "virtual-size", (int64_t) info->size);
  json_object_set_string_member (o, "filename", info->file);
  json_object_set_string_member (o, "format", info->format);
  if (stat (info->file, &st) == 0)
    json_object_set_int_member (o, "actual-size", (int64_t) st.st_blocks * 512);
  json_object_set_boolean_member (o, "dirty-flag", FALSE);
  return o;
}

static JsonObject *
cache_object (const Drive *d)
{
  g_autofree char *cache = bp_object_get (d->backend, "cache", NULL);
  JsonObject *o = json_object_new ();
  const char *mode = cache ? cache : "";
  json_object_set_boolean_member (o, "no-flush", strcmp (mode, "unsafe") == 0);
  json_object_set_boolean_member (o, "direct", strcmp (mode, "direct") == 0 || strcmp (mode, "none") == 0 || strcmp (mode, "directsync") == 0);
  json_object_set_boolean_member (o, "writeback", strcmp (mode, "writethrough") != 0 && strcmp (mode, "directsync") != 0);
  return o;
}

static JsonObject *
inserted_object (const Drive *d)
{
  static const char *const limits[] = { "iops_rd", "iops_wr", "iops", "bps_wr", "bps", "bps_rd", "write_threshold", "backing_file_depth" };
  JsonObject *o = json_object_new ();
  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    json_object_set_int_member (o, limits[i], 0);
  json_object_set_string_member (o, "detect_zeroes", "off");
  json_object_set_object_member (o, "image", image_object (&d->info));
  json_object_set_boolean_member (o, "ro", d->info.read_only);
  json_object_set_string_member (o, "node-name", bp_object_id (d->backend));
  json_object_set_string_member (o, "drv", d->info.format);
  json_object_set_boolean_member (o, "encrypted", FALSE);
  json_object_set_object_member (o, "cache", cache_object (d));
  json_object_set_string_member (o, "file", d->info.file);
  return o;
}

static JsonObject *
drive_object (const Drive *d)
{
  JsonObject *o = json_object_new ();
  json_object_set_string_member (o, "io-status", "ok");
  json_object_set_string_member (o, "device", bp_object_id (d->backend));
  json_object_set_boolean_member (o, "locked", FALSE);
  json_object_set_boolean_member (o, "removable", is_removable (d));
  if (d->info.inserted)
    json_object_set_object_member (o, "inserted", inserted_object (d));
  if (is_removable (d))
    json_object_set_boolean_member (o, "tray_open", d->tray->open);
  if (d->device) {
    g_autofree char *path = monitor_path (d->device);
    json_object_set_string_member (o, "qdev", path);
  }
  json_object_set_string_member (o, "type", "unknown");
  return o;
}

/* Every drive, as `each' makes an object of it. */
static JsonNode *
list_drives (Call *call, JsonObject *(*each) (const Drive *d))
{
  JsonArray *list = json_array_new ();
  unsigned cursor = 0;
  for (void *backend; (backend = bp_machine_next (call->monitor->machine, BP_BLOCK_ID, &cursor));) {
    Drive d;
    look (call->monitor, backend, &d);
    json_array_add_object_element (list, each (&d));
  }
  return node_take_array (list);
}

static JsonNode *
query_block (Call *call, JsonObject *arguments, GError **error)
{
  return list_drives (call, drive_object);
}

static void
print_drive (JsonObject *o, GString *out)
{
  JsonObject *i = json_object_has_member (o, "inserted") ? json_object_get_object_member (o, "inserted") : NULL;
  g_string_append_printf (out, "%s: ", json_object_get_string_member (o, "device"));
  if (i)
    g_string_append_printf (out, "%s (%s%s)\n", json_object_get_string_member (i, "file"), json_object_get_string_member (i, "drv"),
                            json_object_get_boolean_member (i, "ro") ? ", read-only" : "");
  else
    g_string_append (out, "[not inserted]\n");
  if (argument_string (o, "qdev"))
    g_string_append_printf (out, "    Attached to:      %s\n", argument_string (o, "qdev"));
  if (json_object_get_boolean_member (o, "removable"))
    g_string_append_printf (out, "    Removable device: tray %s\n", argument_bool (o, "tray_open", false) ? "open" : "closed");
  if (i) {
    JsonObject *cache = json_object_get_object_member (i, "cache");
    bool direct = json_object_get_boolean_member (cache, "direct"), unsafe = json_object_get_boolean_member (cache, "no-flush");
    g_string_append_printf (out, "    Cache mode:       %s%s%s\n", json_object_get_boolean_member (cache, "writeback") ? "writeback" : "writethrough",
                            direct ? ", direct" : "", unsafe ? ", ignore flushes" : "");
    g_string_append_printf (out, "    Size:             %" G_GINT64_FORMAT " bytes\n",
                            json_object_get_int_member (json_object_get_object_member (i, "image"), "virtual-size"));
  }
}

static void
print_drives (JsonNode *result, GString *out)
{
  JsonArray *list = json_node_get_array (result);
  for (guint i = 0; i < json_array_get_length (list); i++) {
    if (i)
      g_string_append_c (out, '\n');
    print_drive (json_array_get_object_element (list, i), out);
  }
}

/* QMP's clients look for every member; what is not counted is 0. */
static JsonObject *
statistics_object (const Drive *d)
{
  static const char *const zeros[] = {
    "flush_operations", "unmap_operations", "unmap_merged", "unmap_bytes", "wr_merged", "rd_merged", "wr_highest_offset", "flush_total_time_ns",
    "wr_total_time_ns", "rd_total_time_ns", "unmap_total_time_ns", "failed_wr_operations", "failed_rd_operations", "failed_unmap_operations",
    "failed_flush_operations", "invalid_rd_operations", "invalid_wr_operations", "invalid_unmap_operations", "invalid_flush_operations"
  };
  JsonObject *o = json_object_new (), *s = json_object_new ();
  for (guint i = 0; i < G_N_ELEMENTS (zeros); i++)
    json_object_set_int_member (s, zeros[i], 0);
  json_object_set_int_member (s, "rd_bytes", (int64_t) d->info.bytes[0]);
  json_object_set_int_member (s, "wr_bytes", (int64_t) d->info.bytes[1]);
  json_object_set_int_member (s, "rd_operations", (int64_t) d->info.requests[0]);
  json_object_set_int_member (s, "wr_operations", (int64_t) d->info.requests[1]);
  json_object_set_boolean_member (s, "account_invalid", FALSE);
  json_object_set_boolean_member (s, "account_failed", FALSE);
  json_object_set_array_member (s, "timed_stats", json_array_new ());
  json_object_set_string_member (o, "device", bp_object_id (d->backend));
  json_object_set_string_member (o, "node-name", bp_object_id (d->backend));
  json_object_set_object_member (o, "stats", s);
  if (d->device) {
    g_autofree char *path = monitor_path (d->device);
    json_object_set_string_member (o, "qdev", path);
  }
  return o;
}

static JsonNode *
query_blockstats (Call *call, JsonObject *arguments, GError **error)
{
  return list_drives (call, statistics_object);
}

static void
print_statistics (JsonNode *result, GString *out)
{
  static const char *const names[] = { "rd_bytes", "wr_bytes", "rd_operations", "wr_operations" };
  JsonArray *list = json_node_get_array (result);
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonObject *o = json_array_get_object_element (list, i), *s = json_object_get_object_member (o, "stats");
    g_string_append_printf (out, "%s:", json_object_get_string_member (o, "device"));
    for (guint j = 0; j < G_N_ELEMENTS (names); j++)
      g_string_append_printf (out, " %s=%" G_GINT64_FORMAT, names[j], json_object_get_int_member (s, names[j]));
    g_string_append_c (out, '\n');
  }
}

/* --- rows ---------------------------------------------------------------------------------------------------------- */

static const char *const modes[] = { "retain", "read-only", "read-write", NULL };
#define DRIVE OPTIONAL ("device", OBJECT), OPTIONAL ("id", OBJECT)

const Command block_commands[] = {
  BOTH ("query-block", "info block", "disks and drives, and what is in them", query_block, .print = print_drives),
  BOTH ("query-blockstats", "info blockstats", "what was read and written", query_blockstats, .print = print_statistics,
    .arguments = { OPTIONAL ("query-nodes", BOOL, .flag = 'n') }),
  QMP ("eject", eject, .arguments = { DRIVE, OPTIONAL ("force", BOOL) }),
  CONSOLE ("eject", "take the medium out of a drive; -f: even if the guest has locked it", eject,
    .arguments = { OPTIONAL ("force", BOOL, .flag = 'f'), ARGUMENT ("device", OBJECT) }),
  QMP ("blockdev-open-tray", blockdev_open_tray, .arguments = { DRIVE, OPTIONAL ("force", BOOL) }),
  QMP ("blockdev-close-tray", blockdev_close_tray, .arguments = { DRIVE }),
  QMP ("blockdev-remove-medium", blockdev_remove_medium, .arguments = { DRIVE }),
  QMP ("blockdev-change-medium", blockdev_change_medium,
    .arguments = { DRIVE, ARGUMENT ("filename", FILE), OPTIONAL ("format", STRING), OPTIONAL ("force", BOOL),
                   OPTIONAL ("read-only-mode", ENUM, .names = modes) }),
  CONSOLE ("change", "put another medium into a drive; -f: even if the guest has locked it", blockdev_change_medium,
    .arguments = { OPTIONAL ("force", BOOL, .flag = 'f'), ARGUMENT ("device", OBJECT), ARGUMENT ("filename", FILE), OPTIONAL ("format", STRING),
      OPTIONAL ("read-only-mode", ENUM, .names = modes) }),
  QMP ("block_resize", block_resize, .arguments = { OPTIONAL ("device", OBJECT), OPTIONAL ("node-name", OBJECT), ARGUMENT ("size", INTEGER) }),
  CONSOLE ("block_resize", "make a disk's image longer or shorter, to so many MiB; the guest is told", block_resize,
    .arguments = { ARGUMENT ("device", OBJECT), ARGUMENT ("size", INTEGER) }),
  COMMANDS_END
};
