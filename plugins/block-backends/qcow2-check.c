/* qcow2-check.c -- does every cluster of a qcow2 image have as many users as its refcount says; and what to do when not. */
/* SPDX-License-Identifier: MIT */
#include "qcow2-count.h"
#include <errno.h>
#include <string.h>

#define MOST_SAID 200u

typedef struct Checker {
  Qcow2 *q;
  BpImageCheck *check;
  Qcow2Counts *counts;
  uint64_t file_end;
  unsigned n_said;
  bool rebuild;                 /* refcounts are too low, or have no place */
} Checker;

/* --- findings --------------------------------------------------------------------------------------- */

static void G_GNUC_PRINTF (3, 4)
finding (Checker *c, uint64_t *counter, const char *format, ...)
{
  ++*counter;
  if (!c->check->say || c->n_said++ > MOST_SAID)
    return;
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  c->check->say (c->check->user, c->n_said > MOST_SAID ? "... and more" : text);
}

static void
corrupt (void *user, const char *text)
{
  Checker *c = user;
  finding (c, &c->check->corruptions, "ERROR %s", text);
}

/* --- refcounts and counts --------------------------------------------------------------------------- */

/* While something could not be read, nobody knows who uses what: then nothing is called a leak, and freed. */
static void
compare_cluster (Checker *c, uint64_t cluster, uint64_t refcount, uint64_t users)
{
  if (refcount > users && !c->check->errors) {
    finding (c, &c->check->leaks, "Leaked cluster %" G_GUINT64_FORMAT " refcount=%" G_GUINT64_FORMAT " reference=%" G_GUINT64_FORMAT, cluster,
             refcount, users);
  } else if (refcount < users) {
    c->rebuild = true;
    finding (c, &c->check->corruptions, "ERROR cluster %" G_GUINT64_FORMAT " refcount=%" G_GUINT64_FORMAT " reference=%" G_GUINT64_FORMAT,
             cluster, refcount, users);
  }
}

static bool
is_block_good (Checker *c, uint64_t index)
{
  Qcow2 *q = c->q;
  uint64_t offset = q->rt[index];
  return !(offset & (q->cluster_size - 1)) && offset <= c->file_end && c->file_end - offset >= q->cluster_size;
}

static void
compare_blocks (Checker *c)
{
  Qcow2 *q = c->q;
  for (uint64_t i = 0; i < q->rt_size; i++) {
    Qcow2Table *block;
    if (!q->rt[i])
      continue;
    if (!is_block_good (c, i)) {
      c->rebuild = true;
      finding (c, &c->check->corruptions, "ERROR refcount block %" G_GUINT64_FORMAT " is at 0x%" G_GINT64_MODIFIER "x", i, q->rt[i]);
      continue;
    }
    if (qcow2_table_get (q, &q->rb, q->rt[i], false, &block)) {
      c->check->errors++;
      continue;
    }
    for (uint64_t k = 0; k < UINT64_C (1) << q->rb_bits; k++) {
      uint64_t cluster = (i << q->rb_bits) + k, refcount = qcow2_entry_get (q, block->data, k);
      compare_cluster (c, cluster, refcount, qcow2_counts_get (c->counts, cluster));
    }
  }
}

static void
compare_homeless (void *user, uint64_t cluster, uint32_t users)
{
  Checker *c = user;
  uint64_t i = cluster >> c->q->rb_bits;
  if (i >= c->q->rt_size || !c->q->rt[i])
    compare_cluster (c, cluster, 0, users);
}

/* An entry of the active tables that lets the guest write in place what others use too. */
static void
check_copied (Checker *c)
{
  uint64_t n = c->counts->n_bad_copied;
  for (uint64_t i = 0; i < n; i++)
    finding (c, &c->check->corruptions, "ERROR an entry says that a cluster has one user; it has more");
}

static void
look (Checker *c)
{
  Qcow2 *q = c->q;
  BpImageCheck *check = c->check;
  uint64_t end = 0;
  check->corruptions = check->leaks = check->errors = 0;
  c->rebuild = false;
  g_clear_pointer (&c->counts, qcow2_counts_free);
  c->counts = qcow2_count (q, true, corrupt, c);
  check->errors += c->counts->n_errors + (image_file_size (q->file, &c->file_end) != 0);
  compare_blocks (c);
  qcow2_counts_each (c->counts, compare_homeless, c);
  check_copied (c);
  qcow2_counts_end (c->counts, &end);
  check->end_offset = end << q->header.cluster_bits;
  check->total_clusters = qcow2_align (q, q->header.size) >> q->header.cluster_bits;
  check->allocated_clusters = c->counts->n_data;
  check->compressed_clusters = c->counts->n_packed;
}

/* --- repair ------------------------------------------------------------------------------------------ */

static int
fix_leaks (Checker *c)
{
  Qcow2 *q = c->q;
  int code = 0;
  for (uint64_t i = 0; i < q->rt_size && !code; i++)
    for (uint64_t k = 0; q->rt[i] && is_block_good (c, i) && k < UINT64_C (1) << q->rb_bits && !code; k++) {
      uint64_t cluster = (i << q->rb_bits) + k, refcount, users = qcow2_counts_get (c->counts, cluster);
      code = qcow2_refcount_get (q, cluster, &refcount);
      if (!code && refcount > users)
        code = qcow2_refcount_set (q, cluster, users);
    }
  return code;
}

/* All flags that speak of refcounts, now that these are right. */
static int
fix_flags (Checker *c)
{
  uint64_t n_changed = 0;
  int code = qcow2_update_copied (c->q, &n_changed);
  return code ? code : qcow2_flush (c->q);
}

static int
fix (Checker *c, ImageCheckRepair how)
{
  Qcow2 *q = c->q;
  g_autoptr (GError) error = NULL;
  int code = 0;
  if (how == IMAGE_CHECK_ALL && c->rebuild)
    code = qcow2_rebuild (q);
  else if (c->check->leaks)
    code = fix_leaks (c);
  if (!code)
    code = qcow2_flush (q);
  if (!code && !qcow2_load_tables (q, &error))
    code = EIO;
  return code || how != IMAGE_CHECK_ALL || c->counts->n_wrong ? code : fix_flags (c);
}

static int
clear_marks (Checker *c)
{
  Qcow2Header *h = &c->q->header;
  if (c->check->corruptions || c->check->errors || !(h->incompatible & (QCOW2_DIRTY | QCOW2_CORRUPT)))
    return 0;
  h->incompatible &= ~(uint64_t) (QCOW2_DIRTY | QCOW2_CORRUPT);
  return qcow2_header_write_features (c->q);
}

bool
qcow2_check (Qcow2 *q, ImageCheckRepair repair, BpImageCheck *check)
{
  Checker c = { .q = q, .check = check };
  bool was_for_check = q->image->options.for_check;
  int code = 0;
  q->image->options.for_check = true;           /* what it finds is said here */
  look (&c);
  if (repair != IMAGE_CHECK_ONLY) {
    uint64_t leaks = check->leaks, corruptions = check->corruptions;
    if (check->errors)
      code = EIO;
    else if (leaks || (repair == IMAGE_CHECK_ALL && (corruptions || q->header.incompatible & (QCOW2_DIRTY | QCOW2_CORRUPT))))
      code = fix (&c, repair);
    c.check->say = NULL;
    look (&c);
    check->leaks_fixed = leaks - MIN (leaks, check->leaks);
    check->corruptions_fixed = corruptions - MIN (corruptions, check->corruptions);
    if (!code && repair == IMAGE_CHECK_ALL)
      code = clear_marks (&c);
    check->errors += code != 0;
  }
  q->image->options.for_check = was_for_check;
  qcow2_counts_free (c.counts);
  return code == 0;
}
