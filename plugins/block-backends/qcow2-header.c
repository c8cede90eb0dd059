/* qcow2-header.c -- the header of a qcow2 image: every field and extension read and checked, a few written. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#include <errno.h>
#include <string.h>

#define LONGEST_HEADER 4096u    /* what a header of version 3 may grow to before we call it broken */
#define LONGEST_NAME 1023u

enum { EXTENSION_END = 0, EXTENSION_BACKING_FORMAT = (int) 0xe2792aca, EXTENSION_BITMAPS = 0x23852875 };

static bool
wrong (const ImageFile *file, GError **error, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: qcow2 header: %s", image_file_name (file), what);
  return false;
}

/* --- the fields --------------------------------------------------------------------------------- */

static void
parse (const uint8_t *p, Qcow2Header *h)
{
  h->version = qcow2_get32 (p + 4);
  h->backing_offset = qcow2_get64 (p + 8);
  h->backing_size = qcow2_get32 (p + 16);
  h->cluster_bits = qcow2_get32 (p + 20);
  h->size = qcow2_get64 (p + QCOW2_AT_SIZE);
  h->crypt = qcow2_get32 (p + 32);
  h->l1_size = qcow2_get32 (p + QCOW2_AT_L1_SIZE);
  h->l1_offset = qcow2_get64 (p + QCOW2_AT_L1);
  h->rt_offset = qcow2_get64 (p + QCOW2_AT_RT);
  h->rt_clusters = qcow2_get32 (p + QCOW2_AT_RT_CLUSTERS);
  h->n_snapshots = qcow2_get32 (p + QCOW2_AT_N_SNAPSHOTS);
  h->snapshots_offset = qcow2_get64 (p + QCOW2_AT_SNAPSHOTS);
  h->refcount_order = 4;
  h->length = QCOW2_V2_LENGTH;
  if (h->version < 3)
    return;
  h->incompatible = qcow2_get64 (p + QCOW2_AT_INCOMPATIBLE);
  h->compatible = qcow2_get64 (p + 80);
  h->autoclear = qcow2_get64 (p + QCOW2_AT_AUTOCLEAR);
  h->refcount_order = qcow2_get32 (p + 96);
  h->length = qcow2_get32 (p + 100);
  h->compression = h->length > 104 ? p[104] : 0;
}

static bool
check_features (const ImageFile *file, const Qcow2Header *h, GError **error)
{
  uint64_t known = QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_COMPRESSION;
  if (h->incompatible & QCOW2_EXTERNAL)
    return wrong (file, error, "its data is in another file (external data file), which is not supported");
  if (h->incompatible & QCOW2_EXTENDED_L2)
    return wrong (file, error, "it has extended L2 entries (subclusters), which are not supported");
  if (h->incompatible & ~known)
    return wrong (file, error, "it has features that are not known: incompatible bits 0x%" G_GINT64_MODIFIER "x", h->incompatible & ~known);
  if (!(h->incompatible & QCOW2_COMPRESSION) != (h->compression == QCOW2_ZLIB))
    return wrong (file, error, "compression type %u does not go with the feature bits", h->compression);
  if (h->compression > QCOW2_ZSTD)
    return wrong (file, error, "compression type %u is not known", h->compression);
  if (!qcow2_can_unpack (h->compression))
    return wrong (file, error, "its compressed clusters are zstd's, which this program was built without");
  return true;
}

uint64_t
qcow2_l1_entries (unsigned cluster_bits, uint64_t size)
{
  unsigned shift = cluster_bits + (cluster_bits - 3);
  uint64_t n = (size >> shift) + ((size & ((UINT64_C (1) << shift) - 1)) != 0);
  return n > QCOW2_MAX_L1 ? UINT64_MAX : n;
}

/* A table of `bytes` at `offset`: on a cluster's boundary, and all of it in the file. */
static bool
check_table (ImageFile *file, const Qcow2Header *h, const char *what, uint64_t offset, uint64_t bytes, GError **error)
{
  uint64_t end;
  int code = image_file_size (file, &end);
  if (code)
    return wrong (file, error, "%s", g_strerror (code));
  if (offset & ((UINT64_C (1) << h->cluster_bits) - 1))
    return wrong (file, error, "%s is at 0x%" G_GINT64_MODIFIER "x, not on a cluster's boundary", what, offset);
  if (bytes && (offset == 0 || offset > end || bytes > end - offset))
    return wrong (file, error, "%s (0x%" G_GINT64_MODIFIER "x, %" G_GUINT64_FORMAT " bytes) is not within the file's %" G_GUINT64_FORMAT " bytes", what,
                  offset, bytes, end);
  return true;
}

static bool
check_fields (ImageFile *file, const Qcow2Header *h, GError **error)
{
  if (h->version < 2 || h->version > 3)
    return wrong (file, error, "version %u is not supported", h->version);
  if (h->cluster_bits < 9 || h->cluster_bits > 21)
    return wrong (file, error, "clusters of 2^%u bytes are not supported (2^9 to 2^21 are)", h->cluster_bits);
  if (h->version == 3 && (h->length < QCOW2_V3_LENGTH || h->length % 8 || h->length > MIN (LONGEST_HEADER, 1u << h->cluster_bits)))
    return wrong (file, error, "a length of %u bytes", h->length);
  if (h->crypt)
    return wrong (file, error, "it is encrypted (method %u), which is not supported", h->crypt);
  if (h->refcount_order > 6)
    return wrong (file, error, "refcounts of 2^%u bits", h->refcount_order);
  if (!check_features (file, h, error))
    return false;
  if (h->size > INT64_MAX || h->l1_size > QCOW2_MAX_L1 || qcow2_l1_entries (h->cluster_bits, h->size) > h->l1_size)
    return wrong (file, error, "an L1 table of %u entries for %" G_GUINT64_FORMAT " bytes", h->l1_size, h->size);
  if (!h->rt_clusters || (uint64_t) h->rt_clusters << h->cluster_bits > QCOW2_MAX_RT_BYTES)
    return wrong (file, error, "a refcount table of %u clusters", h->rt_clusters);
  if (h->n_snapshots > QCOW2_MAX_SNAPSHOTS)
    return wrong (file, error, "%u snapshots", h->n_snapshots);
  return check_table (file, h, "the L1 table", h->l1_offset, (uint64_t) h->l1_size * 8, error) &&
         check_table (file, h, "the refcount table", h->rt_offset, (uint64_t) h->rt_clusters << h->cluster_bits, error) &&
         check_table (file, h, "the table of snapshots", h->snapshots_offset, (uint64_t) h->n_snapshots * 40, error);
}

/* --- extensions and the backing file's name ----------------------------------------------------- */

static char *
copy_name (const uint8_t *bytes, size_t size)
{
  return memchr (bytes, 0, size) ? NULL : g_strndup ((const char *) bytes, size);
}

static bool
read_extension (const ImageFile *file, Qcow2Header *h, uint32_t type, const uint8_t *data, uint32_t size, GError **error)
{
  if (type == (uint32_t) EXTENSION_BACKING_FORMAT && !h->backing_format) {
    h->backing_format = size < 32 ? copy_name (data, size) : NULL;
    return h->backing_format || wrong (file, error, "the backing file's format has no proper name");
  }
  if (type == EXTENSION_BITMAPS) {
    if (size != 24)
      return wrong (file, error, "the extension for bitmaps has %u bytes", size);
    h->n_bitmaps = qcow2_get32 (data);
    h->bitmaps_size = qcow2_get64 (data + 8);
    h->bitmaps_offset = qcow2_get64 (data + 16);
  }
  return true;
}

static bool
read_extensions (const ImageFile *file, Qcow2Header *h, const uint8_t *cluster, size_t end, GError **error)
{
  for (size_t at = h->length; at + 8 <= end;) {
    uint32_t type = qcow2_get32 (cluster + at), size = qcow2_get32 (cluster + at + 4);
    if (type == EXTENSION_END)
      return true;
    if (size > end - at - 8)
      return wrong (file, error, "an extension (0x%x) of %u bytes leaves the first cluster", type, size);
    if (!read_extension (file, h, type, cluster + at + 8, size, error))
      return false;
    at += 8 + ((size_t) size + 7) / 8 * 8;
  }
  return true;
}

static bool
read_rest (ImageFile *file, Qcow2Header *h, GError **error)
{
  size_t cluster_size = (size_t) 1 << h->cluster_bits, end = cluster_size;
  g_autofree uint8_t *cluster = g_try_malloc (cluster_size);
  int code = cluster ? image_file_read (file, 0, cluster, cluster_size) : ENOMEM;
  if (code)
    return wrong (file, error, "%s", g_strerror (code));
  if (h->backing_offset) {
    if (h->backing_offset < h->length || h->backing_offset > cluster_size || h->backing_size > LONGEST_NAME || !h->backing_size ||
        h->backing_size > cluster_size - h->backing_offset)
      return wrong (file, error, "the backing file's name (%u bytes at 0x%" G_GINT64_MODIFIER "x) is not in the first cluster",
                    h->backing_size, h->backing_offset);
    h->backing_name = copy_name (cluster + h->backing_offset, h->backing_size);
    if (!h->backing_name)
      return wrong (file, error, "the backing file's name has a NUL in it");
    end = (size_t) h->backing_offset;
  }
  return read_extensions (file, h, cluster, end, error);
}

void
qcow2_header_clear (Qcow2Header *header)
{
  g_clear_pointer (&header->backing_name, g_free);
  g_clear_pointer (&header->backing_format, g_free);
}

bool
qcow2_header_read (ImageFile *file, Qcow2Header *header, GError **error)
{
  uint8_t bytes[112];
  uint64_t end;
  int code = image_file_read (file, 0, bytes, sizeof bytes);
  if (!code)
    code = image_file_size (file, &end);
  memset (header, 0, sizeof *header);
  if (code)
    return wrong (file, error, "%s", g_strerror (code));
  if (end < QCOW2_V2_LENGTH || qcow2_get32 (bytes) != QCOW2_MAGIC)
    return wrong (file, error, "there is none");
  parse (bytes, header);
  if (check_fields (file, header, error) && read_rest (file, header, error))
    return true;
  qcow2_header_clear (header);
  return false;
}

/* --- writing ------------------------------------------------------------------------------------ */

/* When it fails, which of the two the disk has is not known: nothing is written any more. */
static int
write_fields (Qcow2 *q, uint64_t at, const uint8_t *bytes, size_t size)
{
  int code = image_file_write (q->file, at, bytes, size);
  if (!code)
    code = image_file_flush (q->file);
  if (code)
    q->corrupt = true;
  return code;
}

int
qcow2_header_write_l1 (Qcow2 *q)
{
  uint8_t bytes[24] = { 0 };    /* from the size to the L1 table's place; no encryption */
  qcow2_put64 (bytes, q->header.size);
  qcow2_put32 (bytes + 12, q->header.l1_size);
  qcow2_put64 (bytes + 16, q->header.l1_offset);
  return write_fields (q, QCOW2_AT_SIZE, bytes, sizeof bytes);
}

int
qcow2_header_write_rt (Qcow2 *q)
{
  uint8_t bytes[12];
  qcow2_put64 (bytes, q->header.rt_offset);
  qcow2_put32 (bytes + 8, q->header.rt_clusters);
  return write_fields (q, QCOW2_AT_RT, bytes, sizeof bytes);
}

int
qcow2_header_write_snapshots (Qcow2 *q)
{
  uint8_t bytes[12];
  qcow2_put32 (bytes, q->header.n_snapshots);
  qcow2_put64 (bytes + 4, q->header.snapshots_offset);
  return write_fields (q, QCOW2_AT_N_SNAPSHOTS, bytes, sizeof bytes);
}

int
qcow2_header_write_features (Qcow2 *q)
{
  uint8_t bytes[24];
  if (q->header.version < 3)
    return 0;
  qcow2_put64 (bytes, q->header.incompatible);
  qcow2_put64 (bytes + 8, q->header.compatible);
  qcow2_put64 (bytes + 16, q->header.autoclear);
  return write_fields (q, QCOW2_AT_INCOMPATIBLE, bytes, sizeof bytes);
}
