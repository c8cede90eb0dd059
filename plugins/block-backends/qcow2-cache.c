/* qcow2-cache.c -- L2 tables and refcount blocks in memory, and the order in which all tables go to the disk. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#include <errno.h>
#include <string.h>

#define CACHE_BYTES (UINT64_C (16) << 20)       /* of each kind */
#define FEWEST 8u
#define MOST_TABLES 2048u

/* --- one cache ---------------------------------------------------------------------------------- */

static void
table_free (void *data)
{
  Qcow2Table *table = data;
  g_free (table->data);
  g_free (table);
}

static void
cache_init (Qcow2 *q, Qcow2Cache *cache)
{
  cache->by_offset = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, table_free);
  cache->most = (unsigned) CLAMP (CACHE_BYTES >> q->header.cluster_bits, FEWEST, MOST_TABLES);
}

void
qcow2_caches_init (Qcow2 *q)
{
  cache_init (q, &q->l2);
  cache_init (q, &q->rb);
}

void
qcow2_caches_finish (Qcow2 *q)
{
  g_clear_pointer (&q->l2.by_offset, g_hash_table_unref);
  g_clear_pointer (&q->rb.by_offset, g_hash_table_unref);
}

int
qcow2_table_write (Qcow2 *q, Qcow2Table *table)
{
  int code = q->corrupt ? EIO : image_file_write (q->file, table->offset, table->data, q->cluster_size);
  if (!code)
    table->dirty = false;
  return code;
}

void
qcow2_table_forget (Qcow2 *q, uint64_t offset)
{
  g_hash_table_remove (q->l2.by_offset, &offset);
  g_hash_table_remove (q->rb.by_offset, &offset);
}

static Qcow2Table *
oldest (Qcow2Cache *cache, bool dirty)
{
  GHashTableIter iter;
  void *value;
  Qcow2Table *found = NULL;
  g_hash_table_iter_init (&iter, cache->by_offset);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Qcow2Table *table = value;
    if (table->dirty == dirty && (!found || table->used < found->used))
      found = table;
  }
  return found;
}

/* Only tables that are as on the disk can go: a cache of nothing but others gets longer until qcow2_write_tables. */
static void
make_room (Qcow2Cache *cache)
{
  Qcow2Table *table;
  while (g_hash_table_size (cache->by_offset) >= cache->most && (table = oldest (cache, false)))
    g_hash_table_remove (cache->by_offset, &table->offset);
}

int
qcow2_table_get (Qcow2 *q, Qcow2Cache *cache, uint64_t offset, bool fresh, Qcow2Table **table)
{
  Qcow2Table *t = g_hash_table_lookup (cache->by_offset, &offset);
  if (!t) {
    uint64_t end;
    int code = fresh ? 0 : image_file_size (q->file, &end);
    if (code)
      return code;
    if (!fresh && (offset > end || end - offset < q->cluster_size))
      return qcow2_found_corrupt (q, "a table at 0x%" G_GINT64_MODIFIER "x is not within the file", offset);
    make_room (cache);
    uint8_t *data = g_try_malloc0 (q->cluster_size);
    code = !data ? ENOMEM : fresh ? 0 : image_file_read (q->file, offset, data, q->cluster_size);
    if (code) {
      g_free (data);
      return code;
    }
    t = g_new0 (Qcow2Table, 1);
    t->offset = offset;
    t->data = data;
    g_hash_table_insert (cache->by_offset, &t->offset, t);
  } else if (fresh) {
    memset (t->data, 0, q->cluster_size);
  }
  t->used = ++cache->now;
  *table = t;
  return 0;
}

/* --- all tables, in order ------------------------------------------------------------------------ */

static int
compare_offsets (const void *a, const void *b)
{
  const Qcow2Table *x = *(Qcow2Table *const *) a, *y = *(Qcow2Table *const *) b;
  return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int
write_cache (Qcow2 *q, Qcow2Cache *cache)
{
  g_autoptr (GPtrArray) dirty = g_ptr_array_new ();
  GHashTableIter iter;
  void *value;
  g_hash_table_iter_init (&iter, cache->by_offset);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((Qcow2Table *) value)->dirty)
      g_ptr_array_add (dirty, value);
  g_ptr_array_sort (dirty, compare_offsets);
  int code = 0;
  for (guint i = 0; i < dirty->len && !code; i++)
    code = qcow2_table_write (q, dirty->pdata[i]);
  return code;
}

/* Entries from dirty[0] to dirty[1] of a table in memory. */
static int
write_entries (Qcow2 *q, uint64_t offset, const uint64_t *entries, uint64_t dirty[2])
{
  uint64_t n = dirty[1] - dirty[0];
  g_autofree uint64_t *bytes = g_try_new (uint64_t, n);
  if (!bytes)
    return ENOMEM;
  for (uint64_t i = 0; i < n; i++)
    bytes[i] = GUINT64_TO_BE (entries[dirty[0] + i]);
  int code = q->corrupt ? EIO : image_file_write (q->file, offset + dirty[0] * 8, bytes, n * 8);
  if (!code)
    dirty[0] = dirty[1] = 0;
  return code;
}

int
qcow2_write_blocks (Qcow2 *q)
{
  return write_cache (q, &q->rb);
}

int
qcow2_write_tables (Qcow2 *q)
{
  bool rt = q->rt_dirty[1], l2 = oldest (&q->l2, true), l1 = q->l1_dirty[1];
  int code = qcow2_write_blocks (q);
  if (!code && rt)
    code = image_file_flush (q->file);
  if (!code && rt)
    code = write_entries (q, q->header.rt_offset, q->rt, q->rt_dirty);
  if (!code && (l2 || l1))
    code = image_file_flush (q->file);
  if (!code && l2)
    code = write_cache (q, &q->l2);
  if (!code && l2 && l1)
    code = image_file_flush (q->file);
  if (!code && l1)
    code = write_entries (q, q->header.l1_offset, q->l1, q->l1_dirty);
  return code;
}
