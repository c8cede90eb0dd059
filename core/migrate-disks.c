/* migrate-disks.c -- images that a machine on its way leaves to its receiver, and takes back when that fails. */
/* SPDX-License-Identifier: MIT */
#include "migrate.h"

typedef bool HandOver (void *self, GError **error);

static const BpBlockIface *
block_of (const BpObject *o)
{
  return bp_object_interface (object_instance ((BpObject *) o), BP_BLOCK_ID);
}

static bool
can_move (const BpBlockIface *iface)
{
  return BP_TABLE_HAS (iface, release) && BP_TABLE_HAS (iface, take);
}

bool
disks_movable (BpMachine *m, GError **error)
{
  g_autoptr (GArray) disks = snapshot_disks (m);
  g_autoptr (GString) bad = g_string_new (NULL);
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    bool written = d->info.inserted && !d->info.read_only;
    if (written && (!can_move (d->iface) || d->able == BP_BLOCK_SNAPSHOTS_TEMPORARY))
      g_string_append_printf (bad, "%s%s (`%s`)", bad->len ? ", " : "", d->object->id, d->info.file);
  }
  return !bad->len || snapshot_refuse (error,
                                       "what the guest writes to %s is in this process alone, and cannot be handed over: give the disk an image that both can "
                                       "open, without snapshot = on, or read-only = on",
                                       bad->str);
}

bool
disks_shared (BpMachine *m)
{
  g_autoptr (GArray) disks = snapshot_disks (m);
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    if (d->info.inserted && !d->info.read_only && can_move (d->iface))
      return true;
  }
  return false;
}

/* Of the first n disks; the first error counts. */
static bool
each (BpMachine *m, bool take, guint n, guint *n_done, GError **error)
{
  bool good = true;
  guint i = 0;
  for (; good && i < MIN (n, m->objects->len); i++) {
    BpObject *o = m->objects->pdata[i];
    const BpBlockIface *iface = block_of (o);
    if (!iface || !can_move (iface))
      continue;
    HandOver *f = take ? iface->take : iface->release;
    good = f (object_instance (o), error);
    if (!good)
      g_prefix_error (error, "%s: ", o->id);
  }
  if (n_done)
    *n_done = good ? i : i - 1;
  return good;
}

bool
disks_release (BpMachine *m, GError **error)
{
  guint n;
  if (each (m, false, G_MAXUINT, &n, error))
    return true;
  g_autoptr (GError) wrong = NULL;
  if (!each (m, true, n, NULL, &wrong))
    g_prefix_error (error, "%s; and ", wrong->message);
  return false;
}

bool
disks_take (BpMachine *m, GError **error)
{
  guint n;
  if (each (m, true, G_MAXUINT, &n, error))
    return true;
  each (m, false, n, NULL, NULL);
  return false;
}
