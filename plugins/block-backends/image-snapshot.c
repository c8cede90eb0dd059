/* image-snapshot.c -- snapshots inside an image, for whoever takes one of the whole machine. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#include <errno.h>

static bool
fail (const Image *image, const char *what, int code, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot %s `%s`: %s", what, image_file_name (image->file), g_strerror (code));
  return false;
}

static Qcow2 *
qcow2_of (const Image *image, GError **error)
{
  if (image && image->format == &format_qcow2)
    return image->state;
  if (image)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: %s images have no snapshots", image_file_name (image->file), image->format->name);
  else
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "there is no medium");
  return NULL;
}

BpBlockSnapshots
image_snapshots (const Image *image)
{
  if (!image || image->read_only)
    return BP_BLOCK_SNAPSHOTS_NOT_NEEDED;
  return qcow2_of (image, NULL) ? BP_BLOCK_SNAPSHOTS_KEPT : BP_BLOCK_SNAPSHOTS_NONE;
}

bool
image_snapshot_list (Image *image, void (*found) (void *user, const BpBlockSnapshot *snapshot), void *user, GError **error)
{
  Qcow2 *q = qcow2_of (image, error);
  if (!q)
    return false;
  /* Only the main loop changes the table, and it is here. */
  for (guint i = 0; i < q->snapshots->len; i++) {
    const Qcow2Snapshot *s = &g_array_index (q->snapshots, Qcow2Snapshot, i);
    BpBlockSnapshot out = { .struct_size = sizeof out, .id = s->id, .name = s->name, .vm_state_size = s->vm_state_size, .disk_size = s->disk_size,
                            .date = s->seconds, .date_ns = s->nanoseconds, .vm_clock = s->vm_clock };
    found (user, &out);
  }
  return true;
}

bool
image_snapshot_do (Image *image, BpBlockSnapshotOp op, const BpBlockSnapshot *snapshot, GError **error)
{
  static const char *const what[] = { "make a snapshot in", "go back to a snapshot in", "delete a snapshot from" };
  Qcow2 *q = qcow2_of (image, error);
  if (!q)
    return false;
  Qcow2Snapshot like = { .vm_state_size = snapshot->vm_state_size, .vm_clock = snapshot->vm_clock, .seconds = (uint32_t) snapshot->date,
                         .nanoseconds = snapshot->date_ns };
  int code = op == BP_BLOCK_SNAPSHOT_CREATE  ? qcow2_snapshot_create_like (q, snapshot->name, &like)
             : op == BP_BLOCK_SNAPSHOT_APPLY ? qcow2_snapshot_apply (q, snapshot->id)
                                             : qcow2_snapshot_delete (q, snapshot->id);
  return !code || fail (image, what[op], code, error);
}

bool
image_vm_state_clear (Image *image, GError **error)
{
  Qcow2 *q = qcow2_of (image, error);
  int code = q ? qcow2_vm_state_clear (q) : 0;
  return q && (!code || fail (image, "write the machine's state to", code, error));
}

bool
image_vm_state_write (Image *image, uint64_t position, const void *data, size_t size, GError **error)
{
  Qcow2 *q = qcow2_of (image, error);
  int code = q ? qcow2_vm_state_write (q, position, data, size) : 0;
  return q && (!code || fail (image, "write the machine's state to", code, error));
}

bool
image_vm_state_read (Image *image, const char *snapshot_id, uint64_t position, void *data, size_t size, GError **error)
{
  Qcow2 *q = qcow2_of (image, error);
  int code = q ? qcow2_vm_state_read_of (q, snapshot_id, position, data, size) : 0;
  return q && (!code || fail (image, "read the machine's state from", code, error));
}
