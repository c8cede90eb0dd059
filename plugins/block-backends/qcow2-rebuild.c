/* qcow2-rebuild.c -- refcounts of a qcow2 image made anew from what its other tables say. */
/* SPDX-License-Identifier: MIT */
#include "qcow2-count.h"
#include <errno.h>
#include <string.h>

/* The new blocks and the new table lie in one piece, blocks first, behind everything. */
typedef struct Rebuild {
  Qcow2 *q;
  Qcow2Counts *counts;
  GHashTable *needed;           /* entries of the new table that have a block */
  uint64_t start, blocks, table, rt_size;
} Rebuild;

static void
need (void *user, uint64_t cluster, uint32_t users)
{
  Rebuild *r = user;
  uint64_t i = cluster >> r->q->rb_bits;
  g_hash_table_add (r->needed, GSIZE_TO_POINTER (i));
  r->rt_size = MAX (r->rt_size, i + 1);
}

static int
plan (Rebuild *r)
{
  Qcow2 *q = r->q;
  uint64_t per_cluster = q->cluster_size / 8, end, file_end;
  int code = image_file_size (q->file, &file_end);
  if (code)
    return code;
  qcow2_counts_each (r->counts, need, r);
  qcow2_counts_end (r->counts, &end);
  r->start = MAX (end, qcow2_align (q, file_end) >> q->header.cluster_bits);
  for (uint64_t before = UINT64_MAX; before != r->blocks + r->table;) {
    before = r->blocks + r->table;
    for (uint64_t i = 0; i < before; i++)
      need (r, r->start + i, 1);
    r->blocks = g_hash_table_size (r->needed);
    r->table = (r->rt_size + per_cluster - 1) / per_cluster;
    if (r->table * q->cluster_size > QCOW2_MAX_RT_BYTES)
      return EFBIG;
  }
  for (uint64_t i = 0; i < r->blocks + r->table; i++)
    qcow2_counts_add (r->counts, r->start + i);
  return 0;
}

static int
write_block (Rebuild *r, uint64_t index, uint64_t offset, uint8_t *bytes)
{
  Qcow2 *q = r->q;
  memset (bytes, 0, q->cluster_size);
  for (uint64_t k = 0; k < UINT64_C (1) << q->rb_bits; k++) {
    uint64_t users = qcow2_counts_get (r->counts, (index << q->rb_bits) + k);
    if (users > qcow2_refcount_most (q))
      return ERANGE;
    qcow2_entry_set (q, bytes, k, users);
  }
  return image_file_write (q->file, offset, bytes, q->cluster_size);
}

static int
write_all (Rebuild *r)
{
  Qcow2 *q = r->q;
  g_autofree uint8_t *bytes = g_try_malloc (q->cluster_size);
  uint64_t next = r->start, n = r->table * q->cluster_size / 8;
  g_autofree uint64_t *table = g_try_new0 (uint64_t, n);
  int code = bytes && table ? 0 : ENOMEM;
  for (uint64_t i = 0; i < r->rt_size && !code; i++)
    if (g_hash_table_contains (r->needed, GSIZE_TO_POINTER (i))) {
      table[i] = GUINT64_TO_BE (next << q->header.cluster_bits);
      code = write_block (r, i, next++ << q->header.cluster_bits, bytes);
    }
  if (!code)
    code = image_file_write (q->file, next << q->header.cluster_bits, table, n * 8);
  if (!code)
    code = image_file_flush (q->file);
  if (code)
    return code;
  q->header.rt_offset = next << q->header.cluster_bits;
  q->header.rt_clusters = (uint32_t) r->table;
  return qcow2_header_write_rt (q);
}

int
qcow2_rebuild (Qcow2 *q)
{
  Rebuild r = { .q = q, .counts = qcow2_count (q, false, NULL, NULL), .needed = g_hash_table_new (g_direct_hash, g_direct_equal) };
  int code = r.counts->n_errors ? EIO : plan (&r);
  if (!code)
    code = write_all (&r);
  qcow2_counts_free (r.counts);
  g_hash_table_unref (r.needed);
  if (code)
    return code;
  qcow2_caches_finish (q);      /* what they hold of the old refcounts is not written */
  qcow2_caches_init (q);
  q->rt_dirty[0] = q->rt_dirty[1] = 0;
  return 0;
}
