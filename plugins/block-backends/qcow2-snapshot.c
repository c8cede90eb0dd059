/* qcow2-snapshot.c -- the snapshots inside a qcow2 image: their table, and the states of the disk that they keep. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#include <errno.h>
#include <string.h>

#define ENTRY_BYTES 40u
#define KNOWN_EXTRA 16u         /* sizes of vm state and disk */
#define MOST_EXTRA 1024u
#define MOST_TABLE (UINT64_C (64) << 20)

/* --- the table of snapshots ------------------------------------------------------------------------ */

void
qcow2_snapshots_clear (GArray *snapshots)
{
  for (guint i = 0; i < snapshots->len; i++) {
    Qcow2Snapshot *s = &g_array_index (snapshots, Qcow2Snapshot, i);
    g_free (s->id);
    g_free (s->name);
    g_free (s->extra);
  }
  g_array_set_size (snapshots, 0);
}

static bool
wrong (Qcow2 *q, unsigned i, const char *what, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: snapshot %u of the table: %s", image_file_name (q->file), i + 1, what);
  return false;
}

/* Reads an entry at *at, which moves behind it. */
static bool
load_entry (Qcow2 *q, unsigned i, uint64_t *at, GError **error)
{
  uint8_t head[ENTRY_BYTES + KNOWN_EXTRA];
  uint64_t end;
  if (image_file_size (q->file, &end) || *at > end || end - *at < ENTRY_BYTES || image_file_read (q->file, *at, head, sizeof head))
    return wrong (q, i, "cannot be read", error);
  Qcow2Snapshot s = { .l1_offset = qcow2_get64 (head), .l1_size = qcow2_get32 (head + 8), .seconds = qcow2_get32 (head + 16),
                      .nanoseconds = qcow2_get32 (head + 20), .vm_clock = qcow2_get64 (head + 24), .vm_state_size = qcow2_get32 (head + 32),
                      .extra_size = qcow2_get32 (head + 36), .disk_size = q->header.size };
  uint32_t id_size = qcow2_get16 (head + 12), name_size = qcow2_get16 (head + 14);
  if (s.extra_size > MOST_EXTRA || (uint64_t) ENTRY_BYTES + s.extra_size + id_size + name_size > end - *at)
    return wrong (q, i, "its sizes are out of range", error);
  uint64_t l1_bytes = (uint64_t) s.l1_size * 8;
  if (s.l1_size > QCOW2_MAX_L1 || s.l1_offset & (q->cluster_size - 1) || s.l1_offset > end || l1_bytes > end - s.l1_offset)
    return wrong (q, i, "its L1 table is not within the file", error);
  if (s.extra_size >= 8)
    s.vm_state_size = qcow2_get64 (head + ENTRY_BYTES);
  if (s.extra_size >= 16)
    s.disk_size = qcow2_get64 (head + ENTRY_BYTES + 8);
  if (s.vm_state_size > INT64_MAX)
    return wrong (q, i, "its vm state is too large", error);
  if (s.disk_size > INT64_MAX || qcow2_l1_entries (q->header.cluster_bits, s.disk_size) > s.l1_size)
    return wrong (q, i, "its disk is larger than its L1 table", error);
  uint32_t more = s.extra_size > KNOWN_EXTRA ? s.extra_size - KNOWN_EXTRA : 0;
  g_autofree uint8_t *rest = g_malloc0 ((size_t) s.extra_size + id_size + name_size + 1);
  if (image_file_read (q->file, *at + ENTRY_BYTES, rest, (size_t) s.extra_size + id_size + name_size))
    return wrong (q, i, "cannot be read", error);
  s.extra = more ? g_memdup2 (rest + KNOWN_EXTRA, more) : NULL;
  s.id = g_strndup ((char *) rest + s.extra_size, id_size);
  s.name = g_strndup ((char *) rest + s.extra_size + id_size, name_size);
  g_array_append_val (q->snapshots, s);
  *at += ((uint64_t) ENTRY_BYTES + s.extra_size + id_size + name_size + 7) & ~UINT64_C (7);
  return true;
}

bool
qcow2_snapshots_load (Qcow2 *q, GError **error)
{
  uint64_t at = q->header.snapshots_offset, l1_bytes = 0, end;
  for (unsigned i = 0; i < q->header.n_snapshots; i++) {
    if (!load_entry (q, i, &at, error))
      return false;
    l1_bytes += (uint64_t) g_array_index (q->snapshots, Qcow2Snapshot, i).l1_size * 8;
    if (at - q->header.snapshots_offset > MOST_TABLE || image_file_size (q->file, &end) || l1_bytes > end)
      return wrong (q, i, "the tables so far are longer than they can be", error);
  }
  q->snapshots_size = at - q->header.snapshots_offset;
  return true;
}

static void
put_entry (GByteArray *out, const Qcow2Snapshot *s)
{
  uint8_t head[ENTRY_BYTES + KNOWN_EXTRA] = { 0 };
  size_t id_size = strlen (s->id), name_size = strlen (s->name);
  uint32_t more = s->extra_size > KNOWN_EXTRA ? s->extra_size - KNOWN_EXTRA : 0;
  qcow2_put64 (head, s->l1_offset);
  qcow2_put32 (head + 8, s->l1_size);
  qcow2_put16 (head + 12, (unsigned) id_size);
  qcow2_put16 (head + 14, (unsigned) name_size);
  qcow2_put32 (head + 16, s->seconds);
  qcow2_put32 (head + 20, s->nanoseconds);
  qcow2_put64 (head + 24, s->vm_clock);
  qcow2_put32 (head + 32, s->vm_state_size > UINT32_MAX ? 0 : (uint32_t) s->vm_state_size);
  qcow2_put32 (head + 36, KNOWN_EXTRA + more);
  qcow2_put64 (head + ENTRY_BYTES, s->vm_state_size);
  qcow2_put64 (head + ENTRY_BYTES + 8, s->disk_size);
  g_byte_array_append (out, head, sizeof head);
  if (more)
    g_byte_array_append (out, s->extra, more);
  g_byte_array_append (out, (const uint8_t *) s->id, (guint) id_size);
  g_byte_array_append (out, (const uint8_t *) s->name, (guint) name_size);
  g_byte_array_append (out, (const uint8_t *) "\0\0\0\0\0\0\0", (8 - out->len % 8) % 8);
}

/* A new table beside the old one; the header switches between them. */
static int
save_table (Qcow2 *q)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  uint64_t offset = 0, old_offset = q->header.snapshots_offset, old_size = q->snapshots_size;
  for (guint i = 0; i < q->snapshots->len; i++)
    put_entry (bytes, &g_array_index (q->snapshots, Qcow2Snapshot, i));
  int code = bytes->len ? qcow2_alloc_run (q, bytes->len, &offset) : 0;
  if (!code && bytes->len)
    code = image_file_write (q->file, offset, bytes->data, bytes->len);
  if (!code)
    code = qcow2_flush (q);
  if (code) {
    if (offset)
      qcow2_free_table (q, offset, bytes->len);
    return code;
  }
  q->header.snapshots_offset = offset;
  q->header.n_snapshots = q->snapshots->len;
  q->snapshots_size = bytes->len;
  code = qcow2_header_write_snapshots (q);
  return code ? code : qcow2_free_table (q, old_offset, old_size);
}

const Qcow2Snapshot *
qcow2_snapshot_find (Qcow2 *q, const char *id_or_name)
{
  for (int by_name = 0; by_name < 2; by_name++)
    for (guint i = 0; i < q->snapshots->len; i++) {
      const Qcow2Snapshot *s = &g_array_index (q->snapshots, Qcow2Snapshot, i);
      if (strcmp (by_name ? s->name : s->id, id_or_name) == 0)
        return s;
    }
  return NULL;
}

int
qcow2_snapshot_l1 (Qcow2 *q, const Qcow2Snapshot *s, uint64_t **l1)
{
  *l1 = g_try_new0 (uint64_t, (size_t) s->l1_size + 1);
  if (!*l1)
    return ENOMEM;
  int code = image_file_read (q->file, s->l1_offset, *l1, (size_t) s->l1_size * 8);
  for (uint32_t i = 0; i < s->l1_size; i++)
    (*l1)[i] = GUINT64_FROM_BE ((*l1)[i]);
  return code;
}

/* --- references ------------------------------------------------------------------------------------ */

/* Counts what an L1 table leads to up or down.  It stops after `steps` changes (*done says how many there were), so that it can be undone. */
typedef struct Walk {
  Qcow2 *q;
  int delta;
  uint64_t steps, done;
} Walk;

static int
count (Walk *w, uint64_t offset, uint64_t bytes)
{
  unsigned bits = w->q->header.cluster_bits;
  int code = 0;
  for (uint64_t c = offset >> bits; bytes && c <= (offset + bytes - 1) >> bits && !code && w->done < w->steps; c++) {
    code = qcow2_refcount_add (w->q, c, w->delta);
    w->done += !code;
  }
  return code;
}

static int
walk_l2 (Walk *w, uint64_t offset)
{
  Qcow2 *q = w->q;
  Qcow2Table *table;
  if (offset & (q->cluster_size - 1))
    return qcow2_found_corrupt (q, "an L2 table is at 0x%" G_GINT64_MODIFIER "x", offset);
  int code = qcow2_table_get (q, &q->l2, offset, false, &table);
  if (code)
    return code;
  g_autofree uint8_t *entries = g_try_malloc (q->cluster_size);
  if (!entries)
    return ENOMEM;
  memcpy (entries, table->data, q->cluster_size);
  for (uint64_t k = 0; k < UINT64_C (1) << q->l2_bits && !code; k++) {
    uint64_t entry = qcow2_get64 (entries + k * 8), start, bytes;
    if (qcow2_entry_kind (q, entry) == QCOW2_WRONG)
      return qcow2_found_corrupt (q, "an L2 entry is 0x%" G_GINT64_MODIFIER "x", entry);
    qcow2_entry_extent (q, entry, &start, &bytes);
    code = count (w, start, bytes);
  }
  return code ? code : count (w, offset, 1);
}

static int
walk (Walk *w, const uint64_t *l1, uint64_t n)
{
  int code = 0;
  for (uint64_t i = 0; i < n && !code && w->done < w->steps; i++)
    if (l1[i] & QCOW2_OFFSET)
      code = walk_l2 (w, l1[i] & QCOW2_OFFSET);
  return code;
}

/* All or nothing. */
static int
add_references (Qcow2 *q, const uint64_t *l1, uint64_t n)
{
  Walk up = { q, 1, UINT64_MAX, 0 };
  int code = walk (&up, l1, n);
  if (code) {
    Walk down = { q, -1, up.done, 0 };
    walk (&down, l1, n);
  }
  return code;
}

static int
drop_references (Qcow2 *q, const uint64_t *l1, uint64_t n)
{
  Walk down = { q, -1, UINT64_MAX, 0 };
  return walk (&down, l1, n);
}

/* --- QCOW2_COPIED ----------------------------------------------------------------------------------- */

static int
should_be_copied (Qcow2 *q, uint64_t entry, bool *copied)
{
  uint64_t n = 0;
  int code = entry & QCOW2_OFFSET ? qcow2_refcount_get (q, (entry & QCOW2_OFFSET) >> q->header.cluster_bits, &n) : 0;
  *copied = n == 1;
  return code;
}

static int
update_l2 (Qcow2 *q, uint64_t offset, uint64_t *n_changed)
{
  Qcow2Table *table;
  int code = g_hash_table_size (q->l2.by_offset) > q->l2.most ? qcow2_write_tables (q) : 0;
  if (!code)
    code = qcow2_table_get (q, &q->l2, offset, false, &table);
  for (uint64_t k = 0; !code && k < UINT64_C (1) << q->l2_bits; k++) {
    uint64_t entry = qcow2_get64 (table->data + k * 8);
    bool copied;
    if (entry & QCOW2_COMPRESSED)
      copied = false;
    else
      code = should_be_copied (q, entry, &copied);
    uint64_t now = (entry & ~QCOW2_COPIED) | (copied ? QCOW2_COPIED : 0);
    if (!code && now != entry) {
      qcow2_put64 (table->data + k * 8, now);
      table->dirty = true;
      ++*n_changed;
    }
  }
  return code;
}

int
qcow2_update_copied (Qcow2 *q, uint64_t *n_changed)
{
  int code = 0;
  for (uint64_t i = 0; i < q->header.l1_size && !code; i++) {
    bool copied;
    if (!(q->l1[i] & QCOW2_OFFSET))
      continue;
    code = should_be_copied (q, q->l1[i], &copied);
    if (!code)
      code = update_l2 (q, q->l1[i] & QCOW2_OFFSET, n_changed);
    uint64_t now = (q->l1[i] & ~QCOW2_COPIED) | (copied ? QCOW2_COPIED : 0);
    if (!code && now != q->l1[i]) {
      qcow2_l1_set (q, i, now);
      ++*n_changed;
    }
  }
  return code;
}

/* --- create ------------------------------------------------------------------------------------------ */

static char *
new_id (Qcow2 *q)
{
  uint64_t most = 0;
  for (guint i = 0; i < q->snapshots->len; i++)
    most = MAX (most, g_ascii_strtoull (g_array_index (q->snapshots, Qcow2Snapshot, i).id, NULL, 10));
  return g_strdup_printf ("%" G_GUINT64_FORMAT, most + 1);
}

static int
save_l1 (Qcow2 *q, const uint64_t *l1, uint64_t n, uint64_t *offset)
{
  g_autofree uint64_t *bytes = g_try_new0 (uint64_t, MAX (n, 1));
  int code = bytes ? qcow2_alloc_run (q, MAX (n, 1) * 8, offset) : ENOMEM;
  if (code)
    return code;
  for (uint64_t i = 0; i < n; i++)
    bytes[i] = GUINT64_TO_BE (l1[i] & ~QCOW2_COPIED);
  code = image_file_write (q->file, *offset, bytes, MAX (n, 1) * 8);
  if (code)
    qcow2_free_table (q, *offset, MAX (n, 1) * 8);
  return code;
}

static int
create (Qcow2 *q, const char *name, const Qcow2Snapshot *like)
{
  uint64_t vm_state_size = like->vm_state_size;
  Qcow2Snapshot s = { .l1_size = q->header.l1_size, .disk_size = q->header.size, .vm_state_size = vm_state_size, .vm_clock = like->vm_clock,
                      .seconds = like->seconds, .nanoseconds = like->nanoseconds, .extra_size = KNOWN_EXTRA };
  uint64_t n_changed = 0;
  if (q->snapshots->len >= QCOW2_MAX_SNAPSHOTS || strlen (name) > UINT16_MAX)
    return EFBIG;
  int code = qcow2_flush (q);
  if (!code)
    code = add_references (q, q->l1, q->header.l1_size);
  if (code)
    return code;
  code = save_l1 (q, q->l1, s.l1_size, &s.l1_offset);
  if (code) {
    drop_references (q, q->l1, q->header.l1_size);
    return code;
  }
  code = qcow2_update_copied (q, &n_changed);
  if (code)
    return code;                /* at worst clusters have a refcount that is too high */
  s.id = new_id (q);
  s.name = g_strdup (name);
  g_array_append_val (q->snapshots, s);
  code = save_table (q);
  if (code) {
    q->snapshots->len--;
    g_free (s.id);
    g_free (s.name);
    qcow2_free_table (q, s.l1_offset, (uint64_t) s.l1_size * 8);
    drop_references (q, q->l1, q->header.l1_size);
    qcow2_update_copied (q, &n_changed);
    return code;
  }
  if (vm_state_size)
    code = qcow2_vm_state_drop (q);     /* it is the snapshot's now */
  return code ? code : qcow2_flush (q);
}

/* --- apply and delete ---------------------------------------------------------------------------------- */

static void
note_tables (Qcow2 *q, const uint64_t *old, uint64_t old_size, const uint64_t *l1, uint64_t size)
{
  for (uint64_t i = 0; i < old_size; i++)
    g_hash_table_remove (q->metadata, GSIZE_TO_POINTER ((old[i] & QCOW2_OFFSET) >> q->header.cluster_bits));
  qcow2_add_metadata (q, 0, 1);
  for (uint64_t i = 0; i < size; i++)
    if (l1[i] & QCOW2_OFFSET)
      qcow2_add_metadata (q, (l1[i] & QCOW2_OFFSET) >> q->header.cluster_bits, 1);
}

/* The new active table is a copy of the snapshot's: nothing in it is one's own.  Until the header leads there, the old one is what counts. */
static int
switch_l1 (Qcow2 *q, const Qcow2Snapshot *s, uint64_t *l1)
{
  uint64_t offset, *old = q->l1, old_size = q->header.l1_size;
  Qcow2Header before = q->header;
  int code = save_l1 (q, l1, s->l1_size, &offset);
  if (!code)
    code = qcow2_flush (q);
  if (code)
    return code;
  q->header.l1_offset = offset;
  q->header.l1_size = s->l1_size;
  q->header.size = s->disk_size;
  code = qcow2_header_write_l1 (q);
  if (code) {
    q->header = before;
    return code;
  }
  for (uint64_t i = 0; i < s->l1_size; i++)
    l1[i] &= ~QCOW2_COPIED;
  note_tables (q, old, old_size, l1, s->l1_size);
  q->l1 = l1;
  code = drop_references (q, old, old_size);
  if (!code && old_size)
    code = qcow2_free_table (q, before.l1_offset, old_size * 8);
  g_free (old);
  return code;
}

static int
apply (Qcow2 *q, const char *name)
{
  const Qcow2Snapshot *s = qcow2_snapshot_find (q, name);
  uint64_t *l1 = NULL, n_changed = 0;
  if (!s)
    return ENOENT;
  int code = qcow2_flush (q);
  if (!code)
    code = qcow2_snapshot_l1 (q, s, &l1);
  if (!code)
    code = add_references (q, l1, s->l1_size);
  if (code) {
    g_free (l1);
    return code;
  }
  code = switch_l1 (q, s, l1);
  if (code && q->l1 != l1) {
    drop_references (q, l1, s->l1_size);
    g_free (l1);
    return code;
  }
  if (!code && s->vm_state_size)        /* it stays the snapshot's */
    code = qcow2_vm_state_drop (q);
  if (!code)
    code = qcow2_update_copied (q, &n_changed);
  q->image->size = q->header.size;
  return code ? code : qcow2_flush (q);
}

static int
delete (Qcow2 *q, const char *name)
{
  const Qcow2Snapshot *found = qcow2_snapshot_find (q, name);
  uint64_t *l1 = NULL, n_changed = 0;
  if (!found)
    return ENOENT;
  Qcow2Snapshot s = *found;
  guint at = (guint) (found - (Qcow2Snapshot *) (void *) q->snapshots->data);
  int code = qcow2_flush (q);
  if (!code)
    code = qcow2_snapshot_l1 (q, &s, &l1);
  if (!code) {
    g_array_remove_index (q->snapshots, at);
    code = save_table (q);
    if (code)
      g_array_insert_val (q->snapshots, at, s);
  }
  if (!code) {
    code = drop_references (q, l1, s.l1_size);
    if (!code)
      code = qcow2_free_table (q, s.l1_offset, MAX ((uint64_t) s.l1_size, 1) * 8);
    g_free (s.id);
    g_free (s.name);
    g_free (s.extra);
    if (!code)
      code = qcow2_update_copied (q, &n_changed);
    if (!code)
      code = qcow2_flush (q);
  }
  g_free (l1);
  return code;
}

/* --- under the lock -------------------------------------------------------------------------------------- */

int
qcow2_snapshot_create_like (Qcow2 *q, const char *name, const Qcow2Snapshot *like)
{
  qcow2_lock (q);
  int code = q->image->read_only ? EROFS : create (q, name, like);
  return qcow2_unlock (q, code);
}

int
qcow2_snapshot_create (Qcow2 *q, const char *name, uint64_t vm_state_size, uint64_t vm_clock)
{
  gint64 now = g_get_real_time ();
  Qcow2Snapshot like = { .vm_state_size = vm_state_size, .vm_clock = vm_clock, .seconds = (uint32_t) (now / G_USEC_PER_SEC),
                         .nanoseconds = (uint32_t) (now % G_USEC_PER_SEC) * 1000 };
  return qcow2_snapshot_create_like (q, name, &like);
}

int
qcow2_snapshot_apply (Qcow2 *q, const char *name)
{
  qcow2_lock (q);
  int code = q->image->read_only ? EROFS : apply (q, name);
  return qcow2_unlock (q, code);
}

int
qcow2_snapshot_delete (Qcow2 *q, const char *name)
{
  qcow2_lock (q);
  int code = q->image->read_only ? EROFS : delete (q, name);
  return qcow2_unlock (q, code);
}
