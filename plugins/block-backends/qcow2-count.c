/* qcow2-count.c -- goes through all tables of a qcow2 image and counts who uses each cluster. */
/* SPDX-License-Identifier: MIT */
#include "qcow2-count.h"
#include <errno.h>
#include <string.h>

#define PAGE_BITS 10u
#define PAGE_MASK ((UINT64_C (1) << PAGE_BITS) - 1)
#define MOST_BITMAPS 65535u

/* --- the counts -------------------------------------------------------------------------------------- */

void
qcow2_counts_free (Qcow2Counts *counts)
{
  if (counts)
    g_hash_table_unref (counts->pages);
  g_free (counts);
}

uint32_t
qcow2_counts_get (const Qcow2Counts *counts, uint64_t cluster)
{
  const uint32_t *page = g_hash_table_lookup (counts->pages, GSIZE_TO_POINTER (cluster >> PAGE_BITS));
  return page ? page[cluster & PAGE_MASK] : 0;
}

void
qcow2_counts_add (Qcow2Counts *counts, uint64_t cluster)
{
  uint32_t *page = g_hash_table_lookup (counts->pages, GSIZE_TO_POINTER (cluster >> PAGE_BITS));
  if (!page) {
    page = g_new0 (uint32_t, PAGE_MASK + 1);
    g_hash_table_insert (counts->pages, GSIZE_TO_POINTER (cluster >> PAGE_BITS), page);
  }
  page[cluster & PAGE_MASK] += page[cluster & PAGE_MASK] < UINT32_MAX;
}

static int
compare_keys (const void *a, const void *b)
{
  return a < b ? -1 : a > b;
}

void
qcow2_counts_each (const Qcow2Counts *counts, void (*f) (void *user, uint64_t cluster, uint32_t users), void *user)
{
  GList *keys = g_list_sort (g_hash_table_get_keys (counts->pages), compare_keys);
  for (GList *l = keys; l; l = l->next) {
    const uint32_t *page = g_hash_table_lookup (counts->pages, l->data);
    for (uint64_t k = 0; k <= PAGE_MASK; k++)
      if (page[k])
        f (user, ((uint64_t) GPOINTER_TO_SIZE (l->data) << PAGE_BITS) + k, page[k]);
  }
  g_list_free (keys);
}

static void
note_end (void *end, uint64_t cluster, uint32_t users)
{
  *(uint64_t *) end = cluster + 1;
}

void
qcow2_counts_end (const Qcow2Counts *counts, uint64_t *end)
{
  *end = 0;
  qcow2_counts_each (counts, note_end, end);
}

/* --- the tour ---------------------------------------------------------------------------------------- */

typedef struct Tour {
  Qcow2 *q;
  Qcow2Counts *counts;
  uint64_t file_end;            /* whole clusters */
  GHashTable *seen;             /* L2 tables of this L1 table */
  void (*wrong) (void *user, const char *text);
  void *user;
} Tour;

static void G_GNUC_PRINTF (2, 3)
wrong (Tour *t, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  t->counts->n_wrong++;
  if (t->wrong)
    t->wrong (t->user, text);
}

static void
use (Tour *t, const char *what, uint64_t offset, uint64_t bytes)
{
  unsigned bits = t->q->header.cluster_bits;
  uint64_t last = (offset + bytes - 1) >> bits;
  if (!bytes)
    return;
  if (offset >= t->file_end || last << bits >= t->file_end) {
    wrong (t, "%s at 0x%" G_GINT64_MODIFIER "x is behind the end of the file", what, offset);
    return;
  }
  for (uint64_t c = offset >> bits; c <= last; c++)
    qcow2_counts_add (t->counts, c);
}

static void
tour_entry (Tour *t, uint64_t entry, bool active)
{
  uint64_t offset, bytes;
  Qcow2Kind kind = qcow2_entry_kind (t->q, entry);
  if (kind == QCOW2_WRONG) {
    wrong (t, "an L2 entry is 0x%" G_GINT64_MODIFIER "x", entry);
    return;
  }
  t->counts->n_data += active && (kind == QCOW2_DATA || kind == QCOW2_PACKED);
  t->counts->n_packed += active && kind == QCOW2_PACKED;
  qcow2_entry_extent (t->q, entry, &offset, &bytes);
  use (t, "a cluster of data", offset, bytes);
}

static void
tour_l2 (Tour *t, uint64_t offset, bool active)
{
  Qcow2 *q = t->q;
  Qcow2Table *table;
  if (offset & (q->cluster_size - 1) || offset + q->cluster_size > t->file_end) {
    wrong (t, "an L2 table is at 0x%" G_GINT64_MODIFIER "x", offset);
    return;
  }
  use (t, "an L2 table", offset, q->cluster_size);
  if (!g_hash_table_add (t->seen, GSIZE_TO_POINTER (offset >> q->header.cluster_bits))) {
    wrong (t, "two entries of an L1 table lead to the L2 table at 0x%" G_GINT64_MODIFIER "x", offset);
    return;
  }
  if (qcow2_table_get (q, &q->l2, offset, false, &table)) {
    t->counts->n_errors++;
    return;
  }
  for (uint64_t k = 0; k < UINT64_C (1) << q->l2_bits; k++)
    tour_entry (t, qcow2_get64 (table->data + k * 8), active);
}

static void
tour_l1 (Tour *t, uint64_t offset, const uint64_t *l1, uint64_t n, bool active)
{
  use (t, "an L1 table", offset, n * 8);
  t->seen = g_hash_table_new (g_direct_hash, g_direct_equal);
  for (uint64_t i = 0; i < n; i++)
    if (l1[i] & QCOW2_L1_RESERVED)
      wrong (t, "entry %" G_GUINT64_FORMAT " of an L1 table is 0x%" G_GINT64_MODIFIER "x", i, l1[i]);
    else if (l1[i] & QCOW2_OFFSET)
      tour_l2 (t, l1[i] & QCOW2_OFFSET, active);
  g_clear_pointer (&t->seen, g_hash_table_unref);
}

static void
tour_snapshots (Tour *t)
{
  Qcow2 *q = t->q;
  use (t, "the table of snapshots", q->header.snapshots_offset, q->snapshots_size);
  for (guint i = 0; i < q->snapshots->len; i++) {
    const Qcow2Snapshot *s = &g_array_index (q->snapshots, Qcow2Snapshot, i);
    g_autofree uint64_t *l1 = NULL;
    if (qcow2_snapshot_l1 (q, s, &l1))
      t->counts->n_errors++;
    else
      tour_l1 (t, s->l1_offset, l1, s->l1_size, false);
  }
}

static void
tour_refcounts (Tour *t)
{
  Qcow2 *q = t->q;
  use (t, "the refcount table", q->header.rt_offset, (uint64_t) q->header.rt_clusters << q->header.cluster_bits);
  for (uint64_t i = 0; i < q->rt_size; i++)
    if (q->rt[i] && !(q->rt[i] & (q->cluster_size - 1)) && q->rt[i] < t->file_end)
      use (t, "a refcount block", q->rt[i], q->cluster_size);
}

/* --- bitmaps of others ------------------------------------------------------------------------------- */

static void
tour_bitmap (Tour *t, uint64_t offset, uint32_t n)
{
  Qcow2 *q = t->q;
  if (offset & (q->cluster_size - 1) || offset > t->file_end || (uint64_t) n * 8 > t->file_end - offset) {
    wrong (t, "a bitmap's table is at 0x%" G_GINT64_MODIFIER "x", offset);
    return;
  }
  use (t, "a bitmap's table", offset, (uint64_t) n * 8);
  g_autofree uint8_t *entries = g_try_malloc ((size_t) n * 8 + 1);
  if (!entries || image_file_read (q->file, offset, entries, (size_t) n * 8)) {
    t->counts->n_errors++;
    return;
  }
  for (uint32_t i = 0; i < n; i++)
    if (qcow2_get64 (entries + (size_t) i * 8) & QCOW2_OFFSET)
      use (t, "a bitmap's cluster", qcow2_get64 (entries + (size_t) i * 8) & QCOW2_OFFSET & ~(q->cluster_size - 1), q->cluster_size);
}

static void
tour_bitmaps (Tour *t)
{
  const Qcow2Header *h = &t->q->header;
  uint64_t offset = h->bitmaps_offset, size = h->bitmaps_size, at = 0;
  if (!h->n_bitmaps || !(h->autoclear & QCOW2_BITMAPS))         /* without the bit they are not to be trusted, and QEMU gives them up */
    return;
  if (h->n_bitmaps > MOST_BITMAPS || offset & (t->q->cluster_size - 1) || offset > t->file_end || size > t->file_end - offset ||
      size > UINT64_C (64) << 20) {
    wrong (t, "the directory of bitmaps is at 0x%" G_GINT64_MODIFIER "x", offset);
    return;
  }
  use (t, "the directory of bitmaps", offset, size);
  g_autofree uint8_t *directory = g_try_malloc0 (size + 24);
  if (!directory || image_file_read (t->q->file, offset, directory, size)) {
    t->counts->n_errors++;
    return;
  }
  for (uint32_t i = 0; i < h->n_bitmaps && at + 24 <= size; i++) {
    const uint8_t *entry = directory + at;
    tour_bitmap (t, qcow2_get64 (entry), qcow2_get32 (entry + 8));
    at += (UINT64_C (24) + qcow2_get16 (entry + 18) + qcow2_get32 (entry + 20) + 7) & ~UINT64_C (7);
  }
}

/* --- QCOW2_COPIED -------------------------------------------------------------------------------------- */

static void
check_own (Tour *t, uint64_t entry)
{
  if (entry & QCOW2_COPIED && !(entry & QCOW2_COMPRESSED) && entry & QCOW2_OFFSET &&
      qcow2_counts_get (t->counts, (entry & QCOW2_OFFSET) >> t->q->header.cluster_bits) > 1)
    t->counts->n_bad_copied++;
}

static void
check_owners (Tour *t)
{
  Qcow2 *q = t->q;
  for (uint64_t i = 0; i < q->header.l1_size; i++) {
    uint64_t offset = q->l1[i] & QCOW2_OFFSET;
    Qcow2Table *table;
    check_own (t, q->l1[i]);
    if (!offset || q->l1[i] & QCOW2_L1_RESERVED || offset & (q->cluster_size - 1) || offset + q->cluster_size > t->file_end ||
        qcow2_counts_get (t->counts, offset >> q->header.cluster_bits) > q->snapshots->len + 1 ||
        qcow2_table_get (q, &q->l2, offset, false, &table))
      continue;
    for (uint64_t k = 0; k < UINT64_C (1) << q->l2_bits; k++)
      check_own (t, qcow2_get64 (table->data + k * 8));
  }
}

Qcow2Counts *
qcow2_count (Qcow2 *q, bool refcounts, void (*told) (void *user, const char *text), void *user)
{
  Tour t = { .q = q, .wrong = told, .user = user, .counts = g_new0 (Qcow2Counts, 1) };
  t.counts->pages = g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, g_free);
  if (image_file_size (q->file, &t.file_end)) {
    t.counts->n_errors++;
    return t.counts;
  }
  t.file_end = qcow2_align (q, t.file_end);
  use (&t, "the header", 0, 1);
  tour_l1 (&t, q->header.l1_offset, q->l1, q->header.l1_size, true);
  tour_snapshots (&t);
  tour_bitmaps (&t);
  if (refcounts)
    tour_refcounts (&t);
  check_owners (&t);
  return t.counts;
}
