/* qcow2-refcount.c -- how many users each cluster of the file has: widths of 1 to 64 bits, allocation, release. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#include <errno.h>
#include <string.h>

/* --- entries of a block -------------------------------------------------------------------------- */

uint64_t
qcow2_refcount_most (const Qcow2 *q)
{
  unsigned bits = 1u << q->header.refcount_order;
  return bits == 64 ? UINT64_MAX : (UINT64_C (1) << bits) - 1;
}

uint64_t
qcow2_entry_get (const Qcow2 *q, const uint8_t *block, uint64_t index)
{
  unsigned order = q->header.refcount_order;
  switch (order) {
  case 3: return block[index];
  case 4: return qcow2_get16 (block + index * 2);
  case 5: return qcow2_get32 (block + index * 4);
  case 6: return qcow2_get64 (block + index * 8);
  default: {                    /* several in a byte, the first one in the low bits */
    unsigned per_byte_log = 3 - order, bits = 1u << order;
    unsigned shift = (unsigned) (index & ((1u << per_byte_log) - 1)) * bits;
    return block[index >> per_byte_log] >> shift & ((1u << bits) - 1);
  }
  }
}

void
qcow2_entry_set (const Qcow2 *q, uint8_t *block, uint64_t index, uint64_t count)
{
  unsigned order = q->header.refcount_order;
  switch (order) {
  case 3: block[index] = (uint8_t) count; break;
  case 4: qcow2_put16 (block + index * 2, (unsigned) count); break;
  case 5: qcow2_put32 (block + index * 4, (uint32_t) count); break;
  case 6: qcow2_put64 (block + index * 8, count); break;
  default: {
    unsigned per_byte_log = 3 - order, bits = 1u << order;
    unsigned shift = (unsigned) (index & ((1u << per_byte_log) - 1)) * bits;
    uint8_t *byte = &block[index >> per_byte_log];
    *byte = (uint8_t) ((*byte & ~(((1u << bits) - 1) << shift)) | (unsigned) count << shift);
  }
  }
}

/* --- one cluster's count -------------------------------------------------------------------------- */

/* The block for a cluster; NULL without error: there is none, and the count is 0. */
static int
block_of (Qcow2 *q, uint64_t cluster, Qcow2Table **block)
{
  uint64_t index = cluster >> q->rb_bits;
  *block = NULL;
  if (index >= q->rt_size || !q->rt[index])
    return 0;
  if (q->rt[index] & (q->cluster_size - 1) || q->rt[index] > INT64_MAX - q->cluster_size)
    return qcow2_found_corrupt (q, "entry %" G_GUINT64_FORMAT " of the refcount table is 0x%" G_GINT64_MODIFIER "x", index, q->rt[index]);
  return qcow2_table_get (q, &q->rb, q->rt[index], false, block);
}

/* Dirty blocks may be written whenever there are too many of them. */
static int
limit_blocks (Qcow2 *q)
{
  return g_hash_table_size (q->rb.by_offset) > q->rb.most ? qcow2_write_blocks (q) : 0;
}

int
qcow2_refcount_get (Qcow2 *q, uint64_t cluster, uint64_t *count)
{
  Qcow2Table *block;
  int code = block_of (q, cluster, &block);
  *count = block ? qcow2_entry_get (q, block->data, cluster & ((UINT64_C (1) << q->rb_bits) - 1)) : 0;
  return code;
}

int
qcow2_refcount_set (Qcow2 *q, uint64_t cluster, uint64_t count)
{
  Qcow2Table *block;
  int code = q->corrupt ? EIO : limit_blocks (q);       /* nothing is freed, either: what the disk's tables refer to is not known any more */
  if (!code)
    code = block_of (q, cluster, &block);
  if (code)
    return code;
  if (!block)
    return qcow2_found_corrupt (q, "cluster %" G_GUINT64_FORMAT " is used and has no refcount", cluster);
  qcow2_entry_set (q, block->data, cluster & ((UINT64_C (1) << q->rb_bits) - 1), count);
  block->dirty = true;
  return 0;
}

/* The cluster is nobody's any more. */
static void
release (Qcow2 *q, uint64_t cluster)
{
  uint64_t offset = cluster << q->header.cluster_bits, end;
  qcow2_table_forget (q, offset);
  q->hint = MIN (q->hint, cluster);
  if (q->image->options.unmap && image_file_size (q->file, &end) == 0 && offset < end)
    image_file_zero (q->file, offset, q->cluster_size, true);   /* else it only stays as large as it was */
}

int
qcow2_refcount_add (Qcow2 *q, uint64_t cluster, int delta)
{
  uint64_t count;
  int code = qcow2_refcount_get (q, cluster, &count);
  if (code)
    return code;
  if (delta > 0 && count >= qcow2_refcount_most (q))
    return ERANGE;
  if (delta < 0 && count == 0)
    return qcow2_found_corrupt (q, "cluster %" G_GUINT64_FORMAT " was used, and has the refcount 0", cluster);
  if (delta < 0 && count == 1 && qcow2_is_metadata (q, cluster))
    return qcow2_found_corrupt (q, "cluster %" G_GUINT64_FORMAT " has one user too few: it holds a table", cluster);
  code = qcow2_refcount_set (q, cluster, delta > 0 ? count + 1 : count - 1);
  if (!code && delta < 0 && count == 1)
    release (q, cluster);
  return code;
}

/* --- space at the end of the file ------------------------------------------------------------------ */

void
qcow2_add_metadata (Qcow2 *q, uint64_t first, uint64_t n)
{
  for (uint64_t i = 0; i < n; i++)
    g_hash_table_add (q->metadata, GSIZE_TO_POINTER (first + i));
}

/* The cluster behind everything: behind the file, and behind all that has a refcount. */
static int
find_end (Qcow2 *q, uint64_t *end)
{
  uint64_t file_end;
  int code = image_file_size (q->file, &file_end);
  if (code)
    return code;
  file_end = (file_end + q->cluster_size - 1) >> q->header.cluster_bits;
  for (uint64_t i = q->rt_size; i-- > 0 && (i + 1) << q->rb_bits > file_end;) {
    Qcow2Table *block;
    code = block_of (q, i << q->rb_bits, &block);
    if (code)
      return code;
    for (uint64_t k = block ? UINT64_C (1) << q->rb_bits : 0; k-- > 0;)
      if (qcow2_entry_get (q, block->data, k)) {
        *end = MAX (file_end, (i << q->rb_bits) + k + 1);
        return 0;
      }
  }
  *end = file_end;
  return 0;
}

typedef struct Area {           /* at the end of the file: refcount blocks, perhaps a longer refcount table, what was asked for */
  uint64_t start, blocks, table, wanted;
  uint64_t rt_size;             /* entries of the longer table */
} Area;

static uint64_t
area_size (const Area *a)
{
  return a->blocks + a->table + a->wanted;
}

/* Each block and cluster of the table needs a refcount itself. */
static int
plan (Qcow2 *q, Area *a)
{
  for (uint64_t before = 0; before != area_size (a);) {
    before = area_size (a);
    uint64_t first = a->start >> q->rb_bits, last = (a->start + before - 1) >> q->rb_bits;
    a->blocks = 0;
    for (uint64_t i = first; i <= last; i++)
      a->blocks += i >= q->rt_size || !q->rt[i];
    if (last >= q->rt_size) {
      uint64_t per_cluster = q->cluster_size / 8;
      a->table = (MAX (last + 1, q->rt_size + q->rt_size / 2) + per_cluster - 1) / per_cluster;
      a->rt_size = a->table * per_cluster;
    }
    if (a->rt_size * 8 > QCOW2_MAX_RT_BYTES || a->start + area_size (a) > QCOW2_OFFSET >> q->header.cluster_bits)
      return EFBIG;
  }
  return 0;
}

static int
add_blocks (Qcow2 *q, const Area *a)
{
  uint64_t cluster = a->start, last = (a->start + area_size (a) - 1) >> q->rb_bits;
  int code = 0;
  for (uint64_t i = a->start >> q->rb_bits; i <= last && !code; i++) {
    Qcow2Table *block;
    if (q->rt[i])
      continue;
    code = limit_blocks (q);
    if (!code)
      code = qcow2_table_get (q, &q->rb, cluster << q->header.cluster_bits, true, &block);
    if (!code)
      code = qcow2_table_write (q, block);      /* has a place on the disk before anything relies on it */
    if (code)
      break;
    block->dirty = true;
    q->rt[i] = cluster++ << q->header.cluster_bits;
    q->rt_dirty[0] = q->rt_dirty[1] ? MIN (q->rt_dirty[0], i) : i;
    q->rt_dirty[1] = MAX (q->rt_dirty[1], i + 1);
  }
  return code;
}

/* The longer table takes the place of the old one: blocks, table, header, and only then is the old one free. */
static int
switch_table (Qcow2 *q, const Area *a)
{
  uint64_t old_offset = q->header.rt_offset;
  uint32_t old_clusters = q->header.rt_clusters;
  uint64_t offset = (a->start + a->blocks) << q->header.cluster_bits;
  int code = qcow2_write_blocks (q);
  if (!code) {
    g_autofree uint64_t *bytes = g_try_new (uint64_t, q->rt_size);
    if (!bytes)
      return ENOMEM;
    for (uint64_t i = 0; i < q->rt_size; i++)
      bytes[i] = GUINT64_TO_BE (q->rt[i]);
    code = image_file_write (q->file, offset, bytes, q->rt_size * 8);
  }
  if (!code)
    code = image_file_flush (q->file);
  if (code)
    return code;
  q->header.rt_offset = offset;
  q->header.rt_clusters = (uint32_t) a->table;
  code = qcow2_header_write_rt (q);
  if (code)
    return code;
  q->rt_dirty[0] = q->rt_dirty[1] = 0;
  return qcow2_free_table (q, old_offset, (uint64_t) old_clusters << q->header.cluster_bits);
}

static void
forget_blocks (Qcow2 *q, const Area *a, uint64_t old_size)
{
  for (uint64_t i = 0; i < q->rt_size; i++) {
    uint64_t cluster = q->rt[i] >> q->header.cluster_bits;
    if (q->rt[i] && cluster >= a->start && cluster < a->start + a->blocks) {
      qcow2_table_forget (q, q->rt[i]);
      q->rt[i] = 0;
    }
  }
  q->rt_size = old_size;
}

static int
extend (Qcow2 *q, uint64_t n, bool metadata, uint64_t *cluster)
{
  Area a = { .wanted = n };
  uint64_t old_size = q->rt_size;
  int code = q->corrupt ? EIO : find_end (q, &a.start);
  if (!code)
    code = plan (q, &a);
  if (code)
    return code;
  if (a.table) {
    uint64_t *rt = g_try_renew (uint64_t, q->rt, a.rt_size);
    if (!rt)
      return ENOMEM;
    q->rt = rt;
    memset (q->rt + old_size, 0, (a.rt_size - old_size) * 8);
    q->rt_size = a.rt_size;
  }
  code = add_blocks (q, &a);
  if (code) {                   /* nothing refers to them on the disk */
    forget_blocks (q, &a, old_size);
    return code;
  }
  for (uint64_t i = 0; i < area_size (&a) && !code; i++)
    code = qcow2_refcount_set (q, a.start + i, 1);
  if (!code && a.table)
    code = switch_table (q, &a);
  qcow2_add_metadata (q, a.start, a.blocks + a.table + (metadata ? n : 0));
  *cluster = a.start + a.blocks + a.table;
  return code;
}

/* --- allocation ------------------------------------------------------------------------------------ */

/* The first free cluster that has a refcount block; extends the file when there is none. */
static int
find_free (Qcow2 *q, uint64_t *cluster, bool *found)
{
  uint64_t per_block = UINT64_C (1) << q->rb_bits;
  for (uint64_t c = q->hint; c >> q->rb_bits < q->rt_size;) {
    Qcow2Table *block;
    int code = block_of (q, c, &block);
    if (code)
      return code;
    uint64_t base = c & ~(per_block - 1), k = c - base;
    while (block && k < per_block && qcow2_entry_get (q, block->data, k))
      k++;
    if (block && k < per_block) {
      q->hint = *cluster = base + k;
      *found = true;
      return 0;
    }
    c = base + per_block;
  }
  *found = false;
  return 0;
}

int
qcow2_alloc (Qcow2 *q, bool metadata, uint64_t *offset)
{
  uint64_t cluster = 0;
  bool found;
  int code = q->corrupt ? EIO : find_free (q, &cluster, &found);
  if (code)
    return code;
  if (found && (cluster == 0 || qcow2_is_metadata (q, cluster)))
    return qcow2_found_corrupt (q, "cluster %" G_GUINT64_FORMAT " has the refcount 0, and holds a table", cluster);
  if (!found) {
    code = extend (q, 1, metadata, &cluster);
  } else {
    code = cluster > QCOW2_OFFSET >> q->header.cluster_bits ? EFBIG : qcow2_refcount_set (q, cluster, 1);
    if (!code && metadata)
      qcow2_add_metadata (q, cluster, 1);
  }
  if (!code)
    q->hint = cluster + 1;
  *offset = cluster << q->header.cluster_bits;
  return code;
}

int
qcow2_alloc_run (Qcow2 *q, uint64_t bytes, uint64_t *offset)
{
  uint64_t n = (bytes + q->cluster_size - 1) >> q->header.cluster_bits, cluster = 0;
  if (n == 1)
    return qcow2_alloc (q, true, offset);
  int code = extend (q, n, true, &cluster);
  *offset = cluster << q->header.cluster_bits;
  return code;
}

/* --- release --------------------------------------------------------------------------------------- */

void
qcow2_free_later (Qcow2 *q, uint64_t offset, uint64_t bytes, bool table)
{
  uint64_t first = offset >> q->header.cluster_bits, last = (offset + bytes - 1) >> q->header.cluster_bits;
  for (uint64_t c = first; bytes && c <= last; c++) {
    if (table)
      g_hash_table_remove (q->metadata, GSIZE_TO_POINTER (c));
    g_array_append_val (q->frees, c);
  }
}

int
qcow2_free_table (Qcow2 *q, uint64_t offset, uint64_t bytes)
{
  uint64_t first = offset >> q->header.cluster_bits, last = (offset + bytes - 1) >> q->header.cluster_bits;
  int code = 0;
  for (uint64_t c = first; bytes && c <= last && !code; c++) {
    g_hash_table_remove (q->metadata, GSIZE_TO_POINTER (c));
    code = qcow2_refcount_add (q, c, -1);
  }
  return code;
}

static int
apply (Qcow2 *q, GArray *clusters)
{
  int code = 0;
  guint done = 0;
  while (done < clusters->len && !code)
    code = qcow2_refcount_add (q, g_array_index (clusters, uint64_t, done++), -1);
  if (done)
    g_array_remove_range (clusters, 0, done);
  return code;
}

/* Twice: those from before, and what became free of those that were just looked at. */
int
qcow2_apply_frees (Qcow2 *q)
{
  int code = 0;
  for (int i = 0; i < 2 && !code && qcow2_plan_parted (q); i++)
    code = apply (q, q->parted);
  return code ? code : qcow2_write_blocks (q);
}
