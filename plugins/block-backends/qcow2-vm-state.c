/* qcow2-vm-state.c -- a machine's state in a qcow2 image: it lies behind the disk's end, until a snapshot takes it. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#include <errno.h>
#include <string.h>

#define FLUSH_SOON 22           /* 4 MiB are enough for a disk to begin with: the snapshot that takes the state waits for all of it */

static unsigned
l1_shift (const Qcow2 *q)
{
  return q->header.cluster_bits + q->l2_bits;
}

/* Of a disk with so many bytes. */
static uint64_t
vm_state_offset (const Qcow2 *q, uint64_t disk_size)
{
  return qcow2_l1_entries (q->header.cluster_bits, disk_size) << l1_shift (q);
}

static bool
is_in_range (uint64_t start, uint64_t position, uint64_t size)
{
  return position <= INT64_MAX - start && size <= INT64_MAX - start - position;
}

/* --- writing -------------------------------------------------------------------------------------- */

int
qcow2_vm_state_write (Qcow2 *q, uint64_t position, const void *data, uint64_t size)
{
  qcow2_lock (q);
  uint64_t start = vm_state_offset (q, q->header.size);
  int code = q->image->read_only ? EROFS : !is_in_range (start, position, size) ? EFBIG : 0;
  if (!code && size)
    code = qcow2_l1_grow (q, ((start + position + size - 1) >> l1_shift (q)) + 1);
  if (!code)
    code = qcow2_write (q, start + position, data, size);
  if (!code && position >> FLUSH_SOON != (position + size) >> FLUSH_SOON)
    image_file_flush_soon (q->file);
  return qcow2_unlock (q, code);
}

int
qcow2_vm_state_drop (Qcow2 *q)
{
  uint64_t start = vm_state_offset (q, q->header.size), end = (uint64_t) q->header.l1_size << l1_shift (q);
  return end > start ? qcow2_drop (q, start, end - start, QCOW2_DROP_FORGET) : 0;
}

int
qcow2_vm_state_clear (Qcow2 *q)
{
  qcow2_lock (q);
  int code = q->image->read_only ? EROFS : qcow2_vm_state_drop (q);
  return qcow2_unlock (q, code ? code : qcow2_flush (q));
}

/* --- reading -------------------------------------------------------------------------------------- */

typedef struct L1Entry {        /* the one read last */
  uint64_t index, entry;
} L1Entry;

static int
snapshot_l1 (Qcow2 *q, const Qcow2Snapshot *s, uint64_t index, L1Entry *last)
{
  if (last->index == index)
    return 0;
  last->entry = 0;
  int code = index < s->l1_size ? image_file_read (q->file, s->l1_offset + index * 8, &last->entry, 8) : 0;
  last->entry = GUINT64_FROM_BE (last->entry);
  last->index = index;
  return code;
}

/* The L2 entry for `offset` in a snapshot's tables, which need not be the active ones. */
static int
snapshot_entry (Qcow2 *q, const Qcow2Snapshot *s, uint64_t offset, L1Entry *last, uint64_t *entry)
{
  uint64_t cluster = offset >> q->header.cluster_bits;
  Qcow2Table *table;
  *entry = 0;
  int code = snapshot_l1 (q, s, cluster >> q->l2_bits, last);
  uint64_t l1 = last->entry;
  if (code || !(l1 & QCOW2_OFFSET))
    return code;
  if (l1 & QCOW2_L1_RESERVED || (l1 & QCOW2_OFFSET) & (q->cluster_size - 1))
    return EIO;
  g_mutex_lock (&q->tables);
  code = qcow2_table_get (q, &q->l2, l1 & QCOW2_OFFSET, false, &table);
  if (!code)
    *entry = qcow2_get64 (table->data + (cluster & ((UINT64_C (1) << q->l2_bits) - 1)) * 8);
  g_mutex_unlock (&q->tables);
  return code;
}

static int
read_cluster (Qcow2 *q, uint64_t entry, uint64_t skip, uint8_t *data, uint64_t size)
{
  switch (qcow2_entry_kind (q, entry)) {
  case QCOW2_DATA: return image_file_read (q->file, (entry & QCOW2_OFFSET) + skip, data, size);
  case QCOW2_PACKED: return qcow2_unpack (q, entry, skip, data, size);
  case QCOW2_WRONG: return EIO;
  default: memset (data, 0, size); return 0;
  }
}

static int
read_of (Qcow2 *q, const Qcow2Snapshot *s, uint64_t position, uint8_t *data, uint64_t size)
{
  uint64_t start = vm_state_offset (q, s->disk_size);
  L1Entry last = { .index = UINT64_MAX };
  if (!is_in_range (start, position, size))
    return EINVAL;
  for (uint64_t offset = start + position, n; size; offset += n, data += n, size -= n) {
    uint64_t skip = offset & (q->cluster_size - 1), entry;
    n = MIN (size, q->cluster_size - skip);
    int code = snapshot_entry (q, s, offset, &last, &entry);
    if (!code)
      code = read_cluster (q, entry, skip, data, n);
    if (code)
      return code;
  }
  return 0;
}

int
qcow2_vm_state_read_of (Qcow2 *q, const char *id_or_name, uint64_t position, void *data, uint64_t size)
{
  pthread_rwlock_rdlock (&q->lock);
  const Qcow2Snapshot *s = qcow2_snapshot_find (q, id_or_name);
  int code = s ? read_of (q, s, position, data, size) : ENOENT;
  pthread_rwlock_unlock (&q->lock);
  return code;
}
