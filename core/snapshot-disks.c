/* snapshot-disks.c -- what the machine's disks keep of a snapshot: their contents, and one of them the machine's state. */
/* SPDX-License-Identifier: MIT */
#include "snapshot.h"
#include <backplane/log.h>
#include <string.h>

/* --- disks ---------------------------------------------------------------------------------------- */

static bool
can (const SnapshotDisk *d)
{
  return d->able >= BP_BLOCK_SNAPSHOTS_TEMPORARY;
}

GArray *
snapshot_disks (BpMachine *m)
{
  GArray *disks = g_array_new (FALSE, TRUE, sizeof (SnapshotDisk));
  for (guint i = 0; i < m->objects->len; i++) {
    SnapshotDisk d = { .object = m->objects->pdata[i], .info.struct_size = sizeof d.info };
    void *self = object_instance (d.object);
    d.iface = bp_object_interface (self, BP_BLOCK_ID);
    if (!d.iface)
      continue;
    if (BP_TABLE_HAS (d.iface, info))
      d.iface->info (self, &d.info);
    bool is_written = d.info.inserted && !d.info.read_only;
    d.able = BP_TABLE_HAS (d.iface, snapshots) ? d.iface->snapshots (self) : is_written ? BP_BLOCK_SNAPSHOTS_NONE : BP_BLOCK_SNAPSHOTS_NOT_NEEDED;
    if (can (&d) && !BP_TABLE_HAS (d.iface, vm_state_read))
      d.able = is_written ? BP_BLOCK_SNAPSHOTS_NONE : BP_BLOCK_SNAPSHOTS_NOT_NEEDED;
    g_array_append_val (disks, d);
  }
  return disks;
}

/* One that is still there after the run, if there is any. */
const SnapshotDisk *
snapshot_disks_first (const GArray *disks)
{
  for (BpBlockSnapshots able = BP_BLOCK_SNAPSHOTS_KEPT; able >= BP_BLOCK_SNAPSHOTS_TEMPORARY; able--)
    for (guint i = 0; i < disks->len; i++)
      if (g_array_index (disks, SnapshotDisk, i).able == able)
        return &g_array_index (disks, SnapshotDisk, i);
  return NULL;
}

bool
snapshot_disks_able (const GArray *disks, GError **error)
{
  g_autoptr (GString) bad = g_string_new (NULL);
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    if (d->able == BP_BLOCK_SNAPSHOTS_NONE)
      g_string_append_printf (bad, "%s%s (`%s`, %s)", bad->len ? ", " : "", d->object->id, d->info.file, d->info.format);
  }
  return !bad->len || snapshot_refuse (error,
                                       "the guest writes to %s, which cannot keep a snapshot: convert the image with `backplane img convert -O qcow2`, or "
                                       "give the disk read-only = on, or snapshot = on to forget what is written at the end of the run",
                                       bad->str);
}

/* --- their entries ---------------------------------------------------------------------------------- */

static void
entry_clear (void *data)
{
  g_free (((SnapshotEntry *) data)->id);
  g_free (((SnapshotEntry *) data)->name);
}

typedef struct Listing {
  const SnapshotDisk *disk;
  GArray *entries;
} Listing;

static void
take_entry (void *user, const BpBlockSnapshot *s)
{
  Listing *l = user;
  SnapshotEntry e = { l->disk, g_strdup (s->id), g_strdup (s->name), s->vm_state_size, s->disk_size, s->vm_clock, s->date, s->date_ns };
  g_array_append_val (l->entries, e);
}

GArray *
snapshot_entries (const SnapshotDisk *disk, GError **error)
{
  Listing l = { disk, g_array_new (FALSE, TRUE, sizeof (SnapshotEntry)) };
  g_array_set_clear_func (l.entries, entry_clear);
  if (disk->iface->snapshot_list (object_instance (disk->object), take_entry, &l, error))
    return l.entries;
  g_array_unref (l.entries);
  return NULL;
}

const SnapshotEntry *
snapshot_entry_match (const GArray *all, const char *name, int64_t date, uint32_t date_ns, uint64_t vm_clock)
{
  for (guint i = 0; i < all->len; i++) {
    const SnapshotEntry *e = &g_array_index (all, SnapshotEntry, i);
    if (strcmp (e->name, name) == 0 && e->date == date && e->date_ns == date_ns && e->vm_clock == vm_clock)
      return e;
  }
  return NULL;
}

static bool
is_of (const SnapshotEntry *e, const SnapshotHeader *h)
{
  return e->date == h->date && e->date_ns == h->date_ns && e->vm_clock == (uint64_t) h->vm_clock;
}

/* --- create ------------------------------------------------------------------------------------------- */

static bool
act (const SnapshotDisk *d, BpBlockSnapshotOp op, const BpBlockSnapshot *s, GError **error)
{
  if (d->iface->snapshot_do (object_instance (d->object), op, s, error))
    return true;
  g_prefix_error (error, "%s: ", d->object->id);
  return false;
}

static bool
delete_entry (const SnapshotEntry *e, GError **error)
{
  BpBlockSnapshot s = { .struct_size = sizeof s, .id = e->id, .name = e->name };
  return act (e->disk, BP_BLOCK_SNAPSHOT_DELETE, &s, error);
}

/* Deletes what was made before it went wrong, or what had the name before it went well. */
static void
forget (const GArray *disks, const char *name, const SnapshotHeader *h, bool of_now)
{
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    g_autoptr (GArray) all = can (d) ? snapshot_entries (d, NULL) : NULL;
    for (guint j = 0; all && j < all->len; j++) {
      const SnapshotEntry *e = &g_array_index (all, SnapshotEntry, j);
      g_autoptr (GError) error = NULL;
      if (strcmp (e->name, name) == 0 && is_of (e, h) == of_now && !delete_entry (e, &error))
        bp_warn (object_instance (d->object), "a snapshot `%s` could not be deleted: %s", name, error->message);
    }
  }
}

void
snapshot_disks_forget_older (const GArray *disks, const char *name, const SnapshotHeader *header)
{
  forget (disks, name, header, false);
}

void
snapshot_disks_forget (const GArray *disks, const char *name, const SnapshotHeader *header)
{
  forget (disks, name, header, true);
}

bool
snapshot_disks_create (const GArray *disks, const SnapshotDisk *keeper, uint64_t vm_state_size, const char *name, const SnapshotHeader *h, GError **error)
{
  BpBlockSnapshot s = { .struct_size = sizeof s, .name = name, .date = h->date, .date_ns = h->date_ns, .vm_clock = (uint64_t) h->vm_clock };
  bool good = true;
  for (guint i = 0; good && i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    good = d == keeper || !can (d) || act (d, BP_BLOCK_SNAPSHOT_CREATE, &s, error);
  }
  if (good && keeper) {
    s.vm_state_size = vm_state_size;
    good = act (keeper, BP_BLOCK_SNAPSHOT_CREATE, &s, error);
  }
  if (!good)
    forget (disks, name, h, true);
  return good;
}

/* --- delete ------------------------------------------------------------------------------------------- */

bool
snapshot_disks_delete (const GArray *disks, const char *name, unsigned *n_deleted, GError **error)
{
  *n_deleted = 0;
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    g_autoptr (GArray) all = can (d) ? snapshot_entries (d, error) : NULL;
    if (can (d) && !all)
      return false;
    for (guint j = 0; all && j < all->len; j++) {
      const SnapshotEntry *e = &g_array_index (all, SnapshotEntry, j);
      if (strcmp (e->name, name) != 0)
        continue;
      if (!delete_entry (e, error))
        return false;
      ++*n_deleted;
    }
  }
  return true;
}

/* --- find and apply ------------------------------------------------------------------------------------- */

static bool
each_part (const GArray *disks, const SnapshotPlan *plan, const char *name, const SnapshotHeader *h, bool *changed, GError **error)
{
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    if (!snapshot_plan_wants_disk (plan, d->object->id))
      continue;
    g_autoptr (GArray) all = can (d) ? snapshot_entries (d, error) : g_array_new (FALSE, FALSE, sizeof (SnapshotEntry));
    if (!all)
      return false;
    const SnapshotEntry *e = snapshot_entry_match (all, name, h->date, h->date_ns, (uint64_t) h->vm_clock);
    if (!e)
      return snapshot_refuse (error, "%s (`%s`) lacks its part of snapshot `%s`%s", d->object->id, d->info.file, name,
                              d->able == BP_BLOCK_SNAPSHOTS_TEMPORARY ? ": what is written to it is forgotten at the end of each run" : "");
    if (!changed && e->disk_size != d->info.size)
      return snapshot_refuse (error, "%s (`%s`) had %" G_GUINT64_FORMAT " bytes when the snapshot was taken, and has %" G_GUINT64_FORMAT " now",
                              d->object->id, d->info.file, e->disk_size, d->info.size);
    BpBlockSnapshot s = { .struct_size = sizeof s, .id = e->id, .name = e->name };
    if (changed && !act (d, BP_BLOCK_SNAPSHOT_APPLY, &s, error))
      return false;
    if (changed)
      *changed = true;
  }
  return true;
}

bool
snapshot_disks_find (const GArray *disks, const SnapshotPlan *plan, const char *name, const SnapshotHeader *header, GError **error)
{
  return each_part (disks, plan, name, header, NULL, error);
}

bool
snapshot_disks_apply (const GArray *disks, const SnapshotPlan *plan, const char *name, const SnapshotHeader *header, bool *any, GError **error)
{
  *any = false;
  return each_part (disks, plan, name, header, any, error);
}

/* --- the machine's state in a disk ------------------------------------------------------------------------ */

static bool
write_disk (void *user, const void *data, size_t size, GError **error)
{
  SnapshotInDisk *s = user;
  if (!s->disk->iface->vm_state_write (object_instance (s->disk->object), s->at, data, size, error))
    return false;
  s->at += size;
  return true;
}

static ssize_t
read_disk (void *user, void *data, size_t size, GError **error)
{
  SnapshotInDisk *s = user;
  size_t n = (size_t) MIN ((uint64_t) size, s->size - s->at);
  if (n && !s->disk->iface->vm_state_read (object_instance (s->disk->object), s->id, s->at, data, n, error))
    return -1;
  s->at += n;
  return (ssize_t) n;
}

SnapshotPlace
snapshot_in_disk (SnapshotInDisk *s)
{
  return (SnapshotPlace){ write_disk, read_disk, s };
}
