/* qcow2-open.c -- opening and closing qcow2 images, their locks, and the functions that a format has. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#include <backplane/log.h>
#include <errno.h>
#include <string.h>

#define MOST_FREES 8192u
#define CHUNK (UINT64_C (1) << 20)

/* --- corruption ---------------------------------------------------------------------------------- */

int
qcow2_found_corrupt (Qcow2 *q, const char *format, ...)
{
  if (q->image->options.for_check || __atomic_exchange_n (&q->corrupt, true, __ATOMIC_RELAXED))
    return EIO;
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (!q->image->options.quiet)
    bp_warn (NULL, "`%s` is corrupt: %s; nothing is written to it any more (`backplane img check` says more)", image_file_name (q->file),
             what);
  q->header.incompatible |= QCOW2_CORRUPT;
  if (!q->image->read_only)
    qcow2_header_write_features (q);
  return EIO;
}

/* --- loading ------------------------------------------------------------------------------------- */

static int
load_entries (ImageFile *file, uint64_t offset, uint64_t n, uint64_t **entries)
{
  *entries = g_try_new0 (uint64_t, n + 1);
  if (!*entries)
    return ENOMEM;
  int code = n ? image_file_read (file, offset, *entries, n * 8) : 0;
  for (uint64_t i = 0; i < n && !code; i++)
    (*entries)[i] = GUINT64_FROM_BE ((*entries)[i]);
  return code;
}

static void
note_table (Qcow2 *q, uint64_t offset, uint64_t bytes)
{
  qcow2_add_metadata (q, offset >> q->header.cluster_bits, qcow2_align (q, bytes) >> q->header.cluster_bits);
}

static void
note_metadata (Qcow2 *q)
{
  const Qcow2Header *h = &q->header;
  g_hash_table_remove_all (q->metadata);
  note_table (q, 0, 1);
  note_table (q, h->l1_offset, (uint64_t) h->l1_size * 8);
  note_table (q, h->rt_offset, (uint64_t) h->rt_clusters << h->cluster_bits);
  note_table (q, h->snapshots_offset, q->snapshots_size);
  for (uint64_t i = 0; i < q->rt_size; i++)
    if (q->rt[i])
      note_table (q, q->rt[i], 1);
  for (uint64_t i = 0; i < h->l1_size; i++)
    if (q->l1[i] & QCOW2_OFFSET)
      note_table (q, q->l1[i] & QCOW2_OFFSET, 1);
  for (guint i = 0; i < q->snapshots->len; i++) {
    const Qcow2Snapshot *s = &g_array_index (q->snapshots, Qcow2Snapshot, i);
    note_table (q, s->l1_offset, (uint64_t) s->l1_size * 8);
  }
}

/* All of them, or those from before stay. */
bool
qcow2_load_tables (Qcow2 *q, GError **error)
{
  g_autofree uint64_t *l1 = NULL, *rt = NULL;
  g_autoptr (GArray) old = q->snapshots;
  uint64_t rt_size = ((uint64_t) q->header.rt_clusters << q->header.cluster_bits) / 8, old_size = q->snapshots_size;
  int code = load_entries (q->file, q->header.l1_offset, q->header.l1_size, &l1);
  if (!code)
    code = load_entries (q->file, q->header.rt_offset, rt_size, &rt);
  if (code)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot read the tables of `%s`: %s", image_file_name (q->file), g_strerror (code));
  q->snapshots = g_array_new (FALSE, TRUE, sizeof (Qcow2Snapshot));
  if (code || !qcow2_snapshots_load (q, error)) {
    qcow2_snapshots_clear (q->snapshots);
    g_array_unref (q->snapshots);
    q->snapshots = g_steal_pointer (&old);
    q->snapshots_size = old_size;
    return false;
  }
  qcow2_snapshots_clear (old);
  g_free (q->l1);
  g_free (q->rt);
  q->l1 = g_steal_pointer (&l1);
  q->rt = g_steal_pointer (&rt);
  q->rt_size = rt_size;
  note_metadata (q);
  q->hint = 0;
  return true;
}

/* --- opening ------------------------------------------------------------------------------------- */

static Qcow2 *
state_new (Image *image)
{
  Qcow2 *q = g_new0 (Qcow2, 1);
  pthread_rwlockattr_t attributes;
  q->image = image;
  q->file = image->file;
  pthread_rwlockattr_init (&attributes);
  pthread_rwlockattr_setkind_np (&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init (&q->lock, &attributes);
  pthread_rwlockattr_destroy (&attributes);
  g_mutex_init (&q->tables);
  g_mutex_init (&q->unpack);
  q->frees = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  q->parted = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  q->snapshots = g_array_new (FALSE, TRUE, sizeof (Qcow2Snapshot));
  q->metadata = g_hash_table_new (g_direct_hash, g_direct_equal);
  return q;
}

static void
state_free (Qcow2 *q)
{
  qcow2_caches_finish (q);
  qcow2_snapshots_clear (q->snapshots);
  g_array_unref (q->snapshots);
  g_array_unref (q->frees);
  g_array_unref (q->parted);
  g_hash_table_unref (q->metadata);
  qcow2_header_clear (&q->header);
  pthread_rwlock_destroy (&q->lock);
  g_mutex_clear (&q->tables);
  g_mutex_clear (&q->unpack);
  g_free (q->l1);
  g_free (q->rt);
  g_free (q->unpacked);
  g_free (q);
}

/* The program that had it open last did not close it: its refcounts may be too low. */
static bool
repair (Qcow2 *q, GError **error)
{
  BpImageCheck check = { 0 };
  if (!q->image->options.quiet)
    bp_warn (NULL, "`%s` was not closed properly: its refcounts are made anew", image_file_name (q->file));
  if (qcow2_check (q, IMAGE_CHECK_ALL, &check) && !check.corruptions && !check.errors)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` was not closed properly and could not be repaired: `backplane img check` says more",
               image_file_name (q->file));
  return false;
}

/* What has to be done before the first write. */
static bool
prepare_writing (Qcow2 *q, GError **error)
{
  if (q->header.incompatible & QCOW2_CORRUPT) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` is marked corrupt, and cannot be written (`backplane img check -r all` may repair it)",
                 image_file_name (q->file));
    return false;
  }
  if (q->header.incompatible & QCOW2_DIRTY && !repair (q, error))
    return false;
  if (!q->header.autoclear)
    return true;
  q->header.autoclear = 0;      /* what they promise we do not keep */
  int code = qcow2_header_write_features (q);
  if (code)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write `%s`: %s", image_file_name (q->file), g_strerror (code));
  return !code;
}

static bool
open_image (Image *image, GError **error)
{
  Qcow2 *q = state_new (image);
  image->state = q;
  if (!qcow2_header_read (image->file, &q->header, error)) {
    state_free (q);
    return false;
  }
  q->cluster_size = UINT64_C (1) << q->header.cluster_bits;
  q->l2_bits = q->header.cluster_bits - 3;
  q->rb_bits = q->header.cluster_bits + 3 - q->header.refcount_order;
  qcow2_caches_init (q);
  if (!qcow2_load_tables (q, error) || (!image->read_only && !image->options.for_check && !prepare_writing (q, error))) {
    state_free (q);
    return false;
  }
  image->size = q->header.size;
  image->backing_name = g_strdup (q->header.backing_name);
  image->backing_format = g_strdup (q->header.backing_format);
  return true;
}

int
qcow2_flush (Qcow2 *q)
{
  if (q->corrupt)
    return EIO;
  int code = qcow2_write_tables (q);
  if (!code)
    code = image_file_flush (q->file);
  if (!code)
    code = qcow2_apply_frees (q);
  if (!code)
    q->changed = q->frees->len || q->parted->len;
  return code;
}

static int
close_image (Image *image)
{
  Qcow2 *q = image->state;
  int code = image->read_only ? 0 : q->changed ? qcow2_flush (q) : 0;
  if (!code && !image->read_only)
    code = image_file_flush (q->file);
  state_free (q);
  image->state = NULL;
  return code;
}

/* --- the format's functions ------------------------------------------------------------------------ */

static int
read_image (Image *image, uint64_t offset, ImageSpan *to, uint64_t size)
{
  Qcow2 *q = image->state;
  pthread_rwlock_rdlock (&q->lock);
  int code = qcow2_read_span (q, offset, to, size);
  pthread_rwlock_unlock (&q->lock);
  return code;
}

static int
try_read_image (Image *image, uint64_t offset, ImageSpan *to, uint64_t size)
{
  Qcow2 *q = image->state;
  if (pthread_rwlock_tryrdlock (&q->lock) != 0)
    return EAGAIN;
  int code = qcow2_try_read (q, offset, to, size);
  pthread_rwlock_unlock (&q->lock);
  return code;
}

static int
try_write_image (Image *image, uint64_t offset, ImageSpan *from, uint64_t size)
{
  Qcow2 *q = image->state;
  if (pthread_rwlock_tryrdlock (&q->lock) != 0)
    return EAGAIN;
  int code = qcow2_try_write (q, offset, from, size);
  pthread_rwlock_unlock (&q->lock);
  return code;
}

void
qcow2_lock (Qcow2 *q)
{
  pthread_rwlock_wrlock (&q->lock);
}

/* Clusters that wait to be freed are not left to be many. */
int
qcow2_unlock (Qcow2 *q, int code)
{
  if (!code && q->frees->len > MOST_FREES)
    code = qcow2_flush (q);
  q->changed = true;            /* also when there was a flush in between */
  pthread_rwlock_unlock (&q->lock);
  return code;
}

/* Through a buffer where it is in small pieces: a new cluster is written as a whole. */
static int
write_rest (Qcow2 *q, uint64_t offset, ImageSpan *from, uint64_t size)
{
  uint8_t *piece;
  int code = 0;
  if (image_span_piece (from, &piece) >= size) {
    image_span_skip (from, size);
    return qcow2_write (q, offset, piece, size);
  }
  uint64_t most = MAX (q->cluster_size, CHUNK);
  g_autofree uint8_t *flat = g_try_malloc (MIN (size, most));
  if (!flat)
    return ENOMEM;
  while (size && !code) {
    uint64_t n = MIN (size, most - (offset & (most - 1)));
    image_span_load (from, flat, n);
    code = qcow2_write (q, offset, flat, n);
    offset += n;
    size -= n;
  }
  return code;
}

/* What lies in clusters of its own is written by several threads at once. */
static int
write_image (Image *image, uint64_t offset, ImageSpan *from, uint64_t size)
{
  Qcow2 *q = image->state;
  pthread_rwlock_rdlock (&q->lock);
  int code = qcow2_write_own (q, &offset, from, &size);
  pthread_rwlock_unlock (&q->lock);
  if (code || !size)
    return code;
  qcow2_lock (q);
  return qcow2_unlock (q, write_rest (q, offset, from, size));
}

static int
zero_image (Image *image, uint64_t offset, uint64_t size, bool unmap)
{
  Qcow2 *q = image->state;
  qcow2_lock (q);
  return qcow2_unlock (q, qcow2_drop (q, offset, size, unmap ? QCOW2_DROP_UNMAP : QCOW2_DROP_ZERO));
}

static int
discard_image (Image *image, uint64_t offset, uint64_t size)
{
  Qcow2 *q = image->state;
  qcow2_lock (q);
  return qcow2_unlock (q, qcow2_drop (q, offset, size, QCOW2_DROP_DISCARD));
}

static int
flush_image (Image *image)
{
  Qcow2 *q = image->state;
  pthread_rwlock_rdlock (&q->lock);
  bool changed = q->changed;
  int code = changed ? 0 : q->corrupt ? EIO : image_file_flush (q->file);
  pthread_rwlock_unlock (&q->lock);
  if (!changed)
    return code;
  pthread_rwlock_wrlock (&q->lock);
  code = qcow2_flush (q);
  pthread_rwlock_unlock (&q->lock);
  return code;
}

static int
resize_image (Image *image, uint64_t size)
{
  Qcow2 *q = image->state;
  qcow2_lock (q);
  int code = qcow2_resize (q, size);
  image->size = q->header.size;
  return qcow2_unlock (q, code);
}

const ImageFormat format_qcow2 = {
  .name = "qcow2",
  .open = open_image,
  .close = close_image,
  .read = read_image,
  .write = write_image,
  .try_read = try_read_image,
  .try_write = try_write_image,
  .plan = qcow2_plan,
  .plan_over = qcow2_plan_over,
  .zero = zero_image,
  .discard = discard_image,
  .flush = flush_image,
  .resize = resize_image,
};
