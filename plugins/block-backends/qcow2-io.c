/* qcow2-io.c -- the guest's reads, writes, zeroes and discards on a qcow2 image. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#include <errno.h>
#include <string.h>

/* --- reading ------------------------------------------------------------------------------------- */

/* The file may end within its last cluster; one that is behind the end was lost. */
static int
read_data (Qcow2 *q, uint64_t host, ImageSpan *to, uint64_t size)
{
  uint64_t there, end;
  int code = image_file_read_span (q->file, host, to, size, &there);
  if (code || there)
    return code;
  code = image_file_size (q->file, &end);
  return code || (host & ~(q->cluster_size - 1)) < end ? code : EIO;
}

static int
read_elsewhere (Qcow2 *q, uint64_t offset, const Qcow2Run *run, uint8_t *data, uint64_t size)
{
  if (run->kind == QCOW2_PACKED)
    return qcow2_unpack (q, run->entry, offset & (q->cluster_size - 1), data, size);
  if (run->kind == QCOW2_UNALLOCATED && q->image->backing && offset < q->header.size)   /* not what is behind the disk's end, which is vm state */
    return image_read_padded (q->image->backing, offset, data, size);
  memset (data, 0, size);
  return 0;
}

static int
read_run (Qcow2 *q, uint64_t offset, const Qcow2Run *run, ImageSpan *to)
{
  int code = 0;
  if (run->kind == QCOW2_DATA)
    return read_data (q, run->host, to, run->size);
  for (uint64_t left = run->size; left && !code;) {
    uint8_t *piece;
    uint64_t n = MIN (left, (uint64_t) image_span_piece (to, &piece));
    code = read_elsewhere (q, offset, run, piece, n);
    image_span_skip (to, n);
    offset += n;
    left -= n;
  }
  return code;
}

int
qcow2_read_span (Qcow2 *q, uint64_t offset, ImageSpan *to, uint64_t size)
{
  while (size) {
    Qcow2Run run;
    int code = qcow2_map (q, offset, size, &run);
    if (!code)
      code = read_run (q, offset, &run, to);
    if (code)
      return code;
    offset += run.size;
    size -= run.size;
  }
  return 0;
}

int
qcow2_try_read (Qcow2 *q, uint64_t offset, ImageSpan *to, uint64_t size)
{
  while (size) {
    Qcow2Run run;
    if (!qcow2_map_now (q, offset, size, &run) || (run.kind != QCOW2_DATA && run.kind != QCOW2_ZEROS && run.kind != QCOW2_UNALLOCATED))
      return EAGAIN;
    if (run.kind == QCOW2_UNALLOCATED && q->image->backing) {
      if (image_try_read (q->image->backing, offset, to, run.size))     /* one that is shorter than this disk takes longer */
        return EAGAIN;
      image_span_skip (to, run.size);
    } else if (run.kind != QCOW2_DATA)
      image_span_zero (to, run.size);
    else if (image_file_try_read (q->file, run.host, to, run.size))
      return EAGAIN;
    else
      image_span_skip (to, run.size);
    offset += run.size;
    size -= run.size;
  }
  return 0;
}

int
qcow2_read (Qcow2 *q, uint64_t offset, uint8_t *data, uint64_t size)
{
  struct iovec iov = { data, size };
  ImageSpan span = { &iov, 1, 0 };
  return qcow2_read_span (q, offset, &span, size);
}

/* --- writing ------------------------------------------------------------------------------------- */

/* Data never goes where tables are, whatever an L2 entry says. */
static int
check_data (Qcow2 *q, uint64_t host, uint64_t size)
{
  uint64_t first = host >> q->header.cluster_bits, last = (host + size - 1) >> q->header.cluster_bits;
  if (q->corrupt)
    return EIO;
  for (uint64_t c = first; c <= last; c++)
    if (qcow2_is_metadata (q, c))
      return qcow2_found_corrupt (q, "a cluster of data at 0x%" G_GINT64_MODIFIER "x is one of a table", c << q->header.cluster_bits);
  return 0;
}

static int
write_data (Qcow2 *q, uint64_t host, const uint8_t *data, uint64_t size)
{
  int code = check_data (q, host, size);
  return code ? code : image_file_write (q->file, host, data, size);
}

int
qcow2_write_own (Qcow2 *q, uint64_t *offset, ImageSpan *from, uint64_t *size)
{
  while (*size) {
    Qcow2Run run;
    int code = qcow2_map (q, *offset, *size, &run);
    if (code || run.kind != QCOW2_DATA || !run.own)
      return code;
    code = check_data (q, run.host, run.size);
    if (!code)
      code = image_file_write_span (q->file, run.host, from, run.size);
    if (code)
      return code;
    *offset += run.size;
    *size -= run.size;
  }
  return 0;
}

/* The whole cluster, as it will be read, to a place of its own; then the entry that leads there. */
static int
write_cluster (Qcow2 *q, uint64_t offset, const uint8_t *data, uint64_t size)
{
  uint64_t skip = offset & (q->cluster_size - 1), start = offset - skip, entry, index, host, old, bytes;
  Qcow2Table *table;
  int code = qcow2_l2_own (q, offset, &table, &index);
  if (code)
    return code;
  entry = qcow2_get64 (table->data + index * 8);
  g_autofree uint8_t *whole = size < q->cluster_size ? g_try_malloc (q->cluster_size) : NULL;
  if (size < q->cluster_size) {
    if (!whole)
      return ENOMEM;
    code = qcow2_read (q, start, whole, q->cluster_size);
    memcpy (whole + skip, data, size);
    data = whole;
  }
  bool reuse = qcow2_entry_kind (q, entry) == QCOW2_ZEROS && entry & QCOW2_COPIED && entry & QCOW2_OFFSET;
  host = entry & QCOW2_OFFSET;
  if (!code && !reuse)
    code = qcow2_alloc (q, false, &host);
  if (code)
    return code;
  code = write_data (q, host, data, q->cluster_size);
  if (!code)
    code = qcow2_l2_own (q, offset, &table, &index);    /* reading may have moved tables in the cache */
  if (code) {
    if (!reuse)
      qcow2_refcount_add (q, host >> q->header.cluster_bits, -1);
    return code;
  }
  qcow2_put64 (table->data + index * 8, host | QCOW2_COPIED);
  table->dirty = true;
  qcow2_entry_extent (q, entry, &old, &bytes);
  if (!reuse)
    qcow2_free_later (q, old, bytes, false);
  return 0;
}

int
qcow2_write (Qcow2 *q, uint64_t offset, const uint8_t *data, uint64_t size)
{
  while (size) {
    Qcow2Run run;
    int code = qcow2_map (q, offset, size, &run);
    if (code)
      return code;
    if (run.kind == QCOW2_DATA && run.own) {
      code = write_data (q, run.host, data, run.size);
    } else {
      run.size = MIN (size, q->cluster_size - (offset & (q->cluster_size - 1)));
      code = write_cluster (q, offset, data, run.size);
    }
    if (code)
      return code;
    offset += run.size;
    data += run.size;
    size -= run.size;
  }
  return 0;
}

/* --- clusters without contents -------------------------------------------------------------------- */

/* What becomes of a cluster's entry. */
static uint64_t
dropped (const Qcow2 *q, uint64_t entry, Qcow2Drop how)
{
  bool behind = q->image->backing && how != QCOW2_DROP_FORGET, zeros = q->header.version >= 3;
  if (how == QCOW2_DROP_ZERO && zeros && entry & QCOW2_COPIED)
    return entry | QCOW2_ZERO;  /* it keeps its space */
  return behind || how == QCOW2_DROP_ZERO ? (zeros ? QCOW2_ZERO : 0) : 0;
}

static int
drop_cluster (Qcow2 *q, uint64_t offset, Qcow2Drop how)
{
  uint64_t entry, index, old, bytes;
  Qcow2Table *table;
  int code = qcow2_l2_peek (q, offset, &entry);
  Qcow2Kind kind = qcow2_entry_kind (q, entry);
  bool behind = q->image->backing && how != QCOW2_DROP_FORGET;
  if (code)
    return code;
  if (kind == QCOW2_WRONG)
    return qcow2_found_corrupt (q, "the L2 entry for 0x%" G_GINT64_MODIFIER "x is 0x%" G_GINT64_MODIFIER "x", offset, entry);
  if (kind == QCOW2_UNALLOCATED && !behind)
    return 0;
  if (dropped (q, entry, how) == entry)
    return 0;
  code = qcow2_l2_own (q, offset, &table, &index);
  if (code)
    return code;
  entry = qcow2_get64 (table->data + index * 8);        /* a copied table's entry is not one's own any more */
  uint64_t now = dropped (q, entry, how);
  qcow2_put64 (table->data + index * 8, now);
  table->dirty = true;
  qcow2_entry_extent (q, entry, &old, &bytes);
  if (!(now & QCOW2_OFFSET))
    qcow2_free_later (q, old, bytes, false);
  return 0;
}

/* Where there is no L2 table there is nothing to drop. */
static uint64_t
next_to_drop (const Qcow2 *q, uint64_t at, Qcow2Drop how)
{
  unsigned shift = q->header.cluster_bits + q->l2_bits;
  bool behind = q->image->backing && how != QCOW2_DROP_FORGET;
  if (at >> shift >= q->header.l1_size)
    return UINT64_MAX;
  return behind || q->l1[at >> shift] ? at : ((at >> shift) + 1) << shift;
}

static int
write_zeros (Qcow2 *q, uint64_t offset, uint64_t size)
{
  g_autofree uint8_t *zeros = g_try_malloc0 (MIN (size, q->cluster_size));
  int code = !size || zeros ? 0 : ENOMEM;
  while (size && !code) {
    uint64_t n = MIN (size, q->cluster_size - (offset & (q->cluster_size - 1)));
    Qcow2Run run;
    code = qcow2_map (q, offset, n, &run);
    bool zero = run.kind == QCOW2_ZEROS ||
                (run.kind == QCOW2_UNALLOCATED && (!q->image->backing || offset >= q->image->backing->size));
    if (!code && !zero)
      code = qcow2_write (q, offset, zeros, n);
    offset += n;
    size -= n;
  }
  return code;
}

/* Clusters that the range has only a part of: zeros are written, a discard leaves them. */
int
qcow2_drop (Qcow2 *q, uint64_t offset, uint64_t size, Qcow2Drop how)
{
  uint64_t mask = q->cluster_size - 1, end = offset + size;
  bool zero = how == QCOW2_DROP_ZERO || how == QCOW2_DROP_UNMAP;
  bool to_end = end == q->header.size;          /* the disk's last cluster may be a part of one */
  uint64_t first = MIN ((offset + mask) & ~mask, end), last = MAX (to_end ? (end + mask) & ~mask : end & ~mask, first);
  if (q->header.version < 3 && q->image->backing && how != QCOW2_DROP_FORGET)
    return zero ? write_zeros (q, offset, size) : 0;
  int code = zero ? write_zeros (q, offset, first - offset) : 0;
  for (uint64_t at = first, next; at < last && !code; at = next) {
    next = next_to_drop (q, at, how);
    if (next == at) {
      code = drop_cluster (q, at, how);
      next = at + q->cluster_size;
    }
  }
  return code || !zero || last >= end ? code : write_zeros (q, last, end - last);
}
