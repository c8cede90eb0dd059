/* qcow2-map.c -- from a guest's offset to the host's cluster, through L1 and L2 tables; tables that may be changed. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#include <errno.h>
#include <string.h>

/* --- entries ------------------------------------------------------------------------------------- */

Qcow2Kind
qcow2_entry_kind (const Qcow2 *q, uint64_t entry)
{
  if (entry & QCOW2_COMPRESSED)
    return entry & QCOW2_COPIED ? QCOW2_WRONG : QCOW2_PACKED;
  if (entry & QCOW2_L2_RESERVED || (entry & QCOW2_ZERO && q->header.version < 3) || (entry & QCOW2_OFFSET) & (q->cluster_size - 1))
    return QCOW2_WRONG;
  if (entry & QCOW2_ZERO)
    return QCOW2_ZEROS;
  if (!(entry & QCOW2_OFFSET))
    return entry & QCOW2_COPIED ? QCOW2_WRONG : QCOW2_UNALLOCATED;
  return QCOW2_DATA;
}

void
qcow2_entry_extent (const Qcow2 *q, uint64_t entry, uint64_t *offset, uint64_t *bytes)
{
  *offset = *bytes = 0;
  if (entry & QCOW2_COMPRESSED) {
    unsigned x = 62 - (q->header.cluster_bits - 8);
    uint64_t start = entry & ((UINT64_C (1) << x) - 1) & UINT64_C (0x00ffffffffffffff);
    uint64_t sectors = (entry & (QCOW2_COMPRESSED - 1)) >> x;
    *offset = start;
    *bytes = (sectors + 1) * 512 - (start & 511);
  } else if (entry & QCOW2_OFFSET) {
    *offset = entry & QCOW2_OFFSET;
    *bytes = q->cluster_size;
  }
}

static bool
is_l1_entry_good (const Qcow2 *q, uint64_t entry)
{
  return !(entry & QCOW2_L1_RESERVED) && !((entry & QCOW2_OFFSET) & (q->cluster_size - 1));
}

/* --- looking up ---------------------------------------------------------------------------------- */

/* The L2 table that holds `offset`; NULL without error: there is none. */
static int
l2_find (Qcow2 *q, uint64_t offset, Qcow2Table **table, uint64_t *index)
{
  uint64_t cluster = offset >> q->header.cluster_bits, i = cluster >> q->l2_bits;
  *index = cluster & ((UINT64_C (1) << q->l2_bits) - 1);
  *table = NULL;
  if (i >= q->header.l1_size)
    return 0;
  if (!is_l1_entry_good (q, q->l1[i]))
    return qcow2_found_corrupt (q, "entry %" G_GUINT64_FORMAT " of the L1 table is 0x%" G_GINT64_MODIFIER "x", i, q->l1[i]);
  if (!(q->l1[i] & QCOW2_OFFSET))
    return 0;
  return qcow2_table_get (q, &q->l2, q->l1[i] & QCOW2_OFFSET, false, table);
}

/* What the next cluster must be to go on with the run. */
static bool
continues (const Qcow2 *q, const Qcow2Run *run, uint64_t entry, uint64_t clusters)
{
  if (qcow2_entry_kind (q, entry) != run->kind)
    return false;
  if (run->kind == QCOW2_DATA)
    return (entry & QCOW2_OFFSET) == (run->entry & QCOW2_OFFSET) + clusters * q->cluster_size && !(entry & QCOW2_COPIED) == !run->own;
  return run->kind != QCOW2_PACKED;
}

static void
measure (const Qcow2 *q, const Qcow2Table *table, uint64_t index, uint64_t skip, uint64_t size, Qcow2Run *run)
{
  run->entry = qcow2_get64 (table->data + index * 8);
  run->kind = qcow2_entry_kind (q, run->entry);
  run->own = run->entry & QCOW2_COPIED;
  run->host = (run->entry & QCOW2_OFFSET) + skip;
  uint64_t n = 1, end = UINT64_C (1) << q->l2_bits;
  while (index + n < end && n * q->cluster_size - skip < size && continues (q, run, qcow2_get64 (table->data + (index + n) * 8), n))
    n++;
  run->size = MIN (size, n * q->cluster_size - skip);
}

int
qcow2_map (Qcow2 *q, uint64_t offset, uint64_t size, Qcow2Run *run)
{
  uint64_t skip = offset & (q->cluster_size - 1), index;
  Qcow2Table *table;
  memset (run, 0, sizeof *run);
  g_mutex_lock (&q->tables);
  int code = l2_find (q, offset, &table, &index);
  if (table)
    measure (q, table, index, skip, size, run);
  else
    run->size = MIN (size, (((UINT64_C (1) << q->l2_bits) - index) << q->header.cluster_bits) - skip);
  g_mutex_unlock (&q->tables);
  if (!code && run->kind == QCOW2_WRONG)
    code = qcow2_found_corrupt (q, "the L2 entry for 0x%" G_GINT64_MODIFIER "x is 0x%" G_GINT64_MODIFIER "x", offset, run->entry);
  return code;
}

/* False: a table would have to be read, or somebody else is at them. */
bool
qcow2_map_now (Qcow2 *q, uint64_t offset, uint64_t size, Qcow2Run *run)
{
  uint64_t skip = offset & (q->cluster_size - 1), cluster = offset >> q->header.cluster_bits, i = cluster >> q->l2_bits;
  uint64_t index = cluster & ((UINT64_C (1) << q->l2_bits) - 1);
  if (i >= q->header.l1_size || !is_l1_entry_good (q, q->l1[i]) || !g_mutex_trylock (&q->tables))
    return false;
  uint64_t at = q->l1[i] & QCOW2_OFFSET;
  Qcow2Table *table = at ? g_hash_table_lookup (q->l2.by_offset, &at) : NULL;
  memset (run, 0, sizeof *run);
  if (table) {
    table->used = ++q->l2.now;
    measure (q, table, index, skip, size, run);
  } else if (!at) {
    run->size = MIN (size, (((UINT64_C (1) << q->l2_bits) - index) << q->header.cluster_bits) - skip);
  }
  g_mutex_unlock (&q->tables);
  return table || !at;
}

int
qcow2_l2_peek (Qcow2 *q, uint64_t offset, uint64_t *entry)
{
  Qcow2Table *table;
  uint64_t index;
  int code = l2_find (q, offset, &table, &index);
  *entry = table ? qcow2_get64 (table->data + index * 8) : 0;
  return code;
}

/* --- changing ------------------------------------------------------------------------------------ */

void
qcow2_l1_set (Qcow2 *q, uint64_t index, uint64_t entry)
{
  q->l1[index] = entry;
  q->l1_dirty[0] = q->l1_dirty[1] ? MIN (q->l1_dirty[0], index) : index;
  q->l1_dirty[1] = MAX (q->l1_dirty[1], index + 1);
}

/* A table of our own; `old`: a copy of that one. */
static int
l2_make (Qcow2 *q, uint64_t i, const uint8_t *old, Qcow2Table **table)
{
  uint64_t offset;
  int code = qcow2_alloc (q, true, &offset);
  if (code)
    return code;
  code = qcow2_table_get (q, &q->l2, offset, true, table);
  for (uint64_t k = 0; !code && old && k < UINT64_C (1) << q->l2_bits; k++) {
    uint64_t entry = qcow2_get64 (old + k * 8);         /* what two tables refer to is not one's own */
    qcow2_put64 ((*table)->data + k * 8, entry & QCOW2_COMPRESSED ? entry : entry & ~QCOW2_COPIED);
  }
  if (!code)
    code = qcow2_table_write (q, *table);       /* so that a full disk is noticed now */
  if (code) {
    qcow2_table_forget (q, offset);
    qcow2_free_table (q, offset, q->cluster_size);
    return code;
  }
  (*table)->dirty = true;
  if (q->l1[i] & QCOW2_OFFSET)
    qcow2_free_later (q, q->l1[i] & QCOW2_OFFSET, q->cluster_size, true);
  qcow2_l1_set (q, i, offset | QCOW2_COPIED);
  return 0;
}

int
qcow2_l2_own (Qcow2 *q, uint64_t offset, Qcow2Table **table, uint64_t *index)
{
  uint64_t i = offset >> (q->header.cluster_bits + q->l2_bits);
  if (i >= q->header.l1_size)
    return EINVAL;
  if (g_hash_table_size (q->l2.by_offset) > q->l2.most) {
    int code = qcow2_write_tables (q);
    if (code)
      return code;
  }
  int code = l2_find (q, offset, table, index);
  if (code || (*table && q->l1[i] & QCOW2_COPIED))
    return code;
  g_autofree uint8_t *old = *table ? g_try_malloc (q->cluster_size) : NULL;
  if (*table && !old)
    return ENOMEM;
  if (old)
    memcpy (old, (*table)->data, q->cluster_size);
  return l2_make (q, i, old, table);
}

int
qcow2_l1_grow (Qcow2 *q, uint64_t entries)
{
  uint64_t old_offset = q->header.l1_offset, old_size = q->header.l1_size, per_cluster = q->cluster_size / 8, offset;
  if (entries <= old_size)
    return 0;
  entries = (entries + per_cluster - 1) / per_cluster * per_cluster;
  if (entries > QCOW2_MAX_L1)
    return EFBIG;
  g_autofree uint64_t *bytes = g_try_new0 (uint64_t, entries), *l1 = g_try_new0 (uint64_t, entries);
  int code = bytes && l1 ? qcow2_flush (q) : ENOMEM;    /* so that nothing waits to be written to the old one */
  if (!code)
    code = qcow2_alloc_run (q, entries * 8, &offset);
  if (code)
    return code;
  for (uint64_t i = 0; i < old_size; i++)
    bytes[i] = GUINT64_TO_BE (q->l1[i]);
  code = image_file_write (q->file, offset, bytes, entries * 8);
  if (!code)
    code = qcow2_flush (q);
  if (code) {
    qcow2_free_table (q, offset, entries * 8);
    return code;
  }
  if (old_size)
    memcpy (l1, q->l1, old_size * 8);
  g_free (q->l1);
  q->l1 = g_steal_pointer (&l1);
  q->header.l1_offset = offset;
  q->header.l1_size = (uint32_t) entries;
  code = qcow2_header_write_l1 (q);
  return code || !old_size ? code : qcow2_free_table (q, old_offset, old_size * 8);
}
