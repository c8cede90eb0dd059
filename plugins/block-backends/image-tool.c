/* image-tool.c -- what `backplane img` asks for: images made, examined, copied, resized, and their snapshots. */
/* SPDX-License-Identifier: MIT */
#include "block-backends.h"
#include "image-create.h"
#include "qcow2.h"
#include <errno.h>
#include <string.h>

#define COPY_BYTES (1u << 20)
#define HOLE_BYTES (64u << 10)  /* zeros as long as that are not written */

static bool
fail (GError **error, const char *what, const char *file, int code)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot %s `%s`: %s", what, file, g_strerror (code));
  return false;
}

static Image *
open_file (const char *file, const char *format, bool write, unsigned flags, GError **error)
{
  ImageOptions options = { .format = format, .read_only = !write, .lock = !(flags & BP_IMAGE_SHARE), .unmap = true };
  return image_open (file, &options, error);
}

/* Closing writes what is not written yet: an error then counts, too. */
static bool
close_file (Image *image, bool good, GError **error)
{
  return image_close (image, good ? error : NULL) && good;
}

/* --- info -------------------------------------------------------------------------------------------- */

/* What the caller of info reads until the next call. */
typedef struct Told {
  GPtrArray *details;           /* of char *, NULL at the end */
  GArray *snapshots;            /* of BpImageSnapshot */
  GStringChunk *strings;
} Told;

static Told told;

static void
forget_told (void)
{
  if (told.strings) {
    g_ptr_array_unref (told.details);
    g_array_unref (told.snapshots);
    g_string_chunk_free (told.strings);
  }
  told.details = g_ptr_array_new ();
  told.snapshots = g_array_new (FALSE, TRUE, sizeof (BpImageSnapshot));
  told.strings = g_string_chunk_new (256);
}

static const char *
keep (const char *text)
{
  return text ? g_string_chunk_insert (told.strings, text) : NULL;
}

static void G_GNUC_PRINTF (2, 3)
detail (const char *key, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *value = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_ptr_array_add (told.details, (char *) keep (key));
  g_ptr_array_add (told.details, (char *) keep (value));
}

static void
tell_snapshots (const Qcow2 *q)
{
  for (guint i = 0; i < q->snapshots->len; i++) {
    const Qcow2Snapshot *s = &g_array_index (q->snapshots, Qcow2Snapshot, i);
    BpImageSnapshot out = { .struct_size = sizeof out, .id = keep (s->id), .name = keep (s->name), .vm_state_size = s->vm_state_size,
                            .disk_size = s->disk_size, .date = s->seconds, .vm_clock = s->vm_clock };
    g_array_append_val (told.snapshots, out);
  }
}

static void
tell_qcow2 (const Image *image, BpImageInfo *info)
{
  const Qcow2 *q = image->state;
  info->cluster_size = q->cluster_size;
  info->dirty = q->header.incompatible & QCOW2_DIRTY;
  info->corrupt = q->header.incompatible & QCOW2_CORRUPT;
  detail ("compat", "%s", q->header.version >= 3 ? "1.1" : "0.10");
  detail ("compression type", "%s", q->header.compression ? "zstd" : "zlib");
  if (q->header.version >= 3) {
    detail ("lazy refcounts", "%s", q->header.compatible & QCOW2_LAZY ? "true" : "false");
    detail ("refcount bits", "%u", 1u << q->header.refcount_order);
    detail ("corrupt", "%s", info->corrupt ? "true" : "false");
  }
  tell_snapshots (q);
}

static bool
tool_info (const char *file, const char *format, unsigned flags, BpImageInfo *info, GError **error)
{
  ImageOptions options = { .format = format, .read_only = true, .lock = !(flags & BP_IMAGE_SHARE), .no_backing = true };
  uint32_t size = MIN (info->struct_size, (uint32_t) sizeof *info);
  BpImageInfo out = { .struct_size = info->struct_size };
  Image *image = image_open (file, &options, error);
  if (!image)
    return false;
  forget_told ();
  out.format = image->format->name;
  out.size = image->size;
  out.disk_size = image_file_allocated (image->file);
  out.backing = keep (image->backing_name);
  out.backing_format = keep (image->backing_format);
  if (image->backing_name) {
    g_autofree char *path = image_backing_path (file, image->backing_name, NULL);
    out.backing_path = keep (path);
  }
  if (image->format == &format_qcow2)
    tell_qcow2 (image, &out);
  g_ptr_array_add (told.details, NULL);
  out.details = (const char *const *) told.details->pdata;
  out.snapshots = (const BpImageSnapshot *) (void *) told.snapshots->data;
  out.n_snapshots = told.snapshots->len;
  memcpy (info, &out, size);
  return image_close (image, error);
}

/* --- check ------------------------------------------------------------------------------------------- */

static bool
tool_check (const char *file, const char *format, unsigned flags, BpImageCheck *check, GError **error)
{
  bool repair = flags & (BP_IMAGE_REPAIR_LEAKS | BP_IMAGE_REPAIR_ALL);
  ImageOptions options = { .format = format, .read_only = !repair, .lock = !(flags & BP_IMAGE_SHARE), .no_backing = true, .for_check = true };
  Image *image = image_open (file, &options, error);
  if (!image)
    return false;
  check->supported = image->format == &format_qcow2;
  if (check->supported)
    qcow2_check (image->state, flags & BP_IMAGE_REPAIR_ALL ? IMAGE_CHECK_ALL : repair ? IMAGE_CHECK_LEAKS : IMAGE_CHECK_ONLY, check);
  return image_close (image, error);
}

/* --- create ------------------------------------------------------------------------------------------ */

static bool
tool_create (const char *file, const char *format, uint64_t size, const char *backing, const char *backing_format, BpImageOptions options,
             GError **error)
{
  ImageNew new = { .format = format ? format : "raw", .size = size, .backing = backing, .backing_format = backing_format };
  return image_new_options (&new, options, error) && image_create (file, &new, error);
}

/* --- convert ----------------------------------------------------------------------------------------- */

/* Zeros of the new image stay as they are: not written. */
static int
copy_chunk (Image *out, uint64_t offset, const uint8_t *data, size_t size)
{
  int code = 0;
  for (size_t at = 0; at < size && !code;) {
    size_t n = MIN (HOLE_BYTES - (offset + at) % HOLE_BYTES, size - at);
    if (!image_is_zero (data + at, n))
      code = image_write (out, offset + at, data + at, n);
    at += n;
  }
  return code;
}

static bool
copy_image (Image *in, Image *out, void (*progress) (void *user, uint64_t done, uint64_t all), void *user, GError **error)
{
  g_autofree uint8_t *data = g_malloc (COPY_BYTES);
  for (uint64_t at = 0; at < in->size;) {
    size_t n = (size_t) MIN (in->size - at, COPY_BYTES);
    int code = image_read (in, at, data, n);
    if (code)
      return fail (error, "read", image_file_name (in->file), code);
    code = copy_chunk (out, at, data, n);
    if (code)
      return fail (error, "write", image_file_name (out->file), code);
    at += n;
    if (progress)
      progress (user, at, in->size);
  }
  int code = image_flush (out);
  return code ? fail (error, "write", image_file_name (out->file), code) : true;
}

static bool
tool_convert (const char *in_name, const char *in_format, const char *out_name, const char *out_format, BpImageOptions options,
              void (*progress) (void *user, uint64_t done, uint64_t all), void *user, GError **error)
{
  ImageNew new = { .format = out_format ? out_format : "raw" };
  Image *in = open_file (in_name, in_format, false, 0, error), *out = NULL;
  if (!in)
    return false;
  new.size = in->size;
  bool good = image_new_options (&new, options, error) && image_create (out_name, &new, error) &&
              (out = open_file (out_name, new.format, true, 0, error)) != NULL && copy_image (in, out, progress, user, error);
  good = close_file (out, good, error);
  image_close (in, NULL);
  return good;
}

/* --- resize ------------------------------------------------------------------------------------------ */

static bool
tool_resize (const char *file, const char *format, int direction, uint64_t size, unsigned flags, GError **error)
{
  Image *image = open_file (file, format, true, flags, error);
  if (!image)
    return false;
  bool good = false;
  if (direction < 0 && size > image->size)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` has only %" G_GUINT64_FORMAT " bytes", file, image->size);
  else if (direction > 0 && size > INT64_MAX - image->size)
    fail (error, "resize", file, EFBIG);
  else if (size = direction > 0 ? image->size + size : direction < 0 ? image->size - size : size, size % IMAGE_SECTOR)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "%" G_GUINT64_FORMAT " bytes are not a multiple of %u", size, IMAGE_SECTOR);
  else if (size < image->size && !(flags & BP_IMAGE_SHRINK))
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` would lose what is behind the new end (--shrink does it)", file);
  else {
    int code = image_resize (image, size);
    good = !code || fail (error, code == ENOTSUP ? "resize (an image of version 2 with snapshots)" : "resize", file, code);
  }
  return close_file (image, good, error);
}

/* --- snapshots --------------------------------------------------------------------------------------- */

static bool
tool_snapshot (const char *file, const char *format, BpImageSnapshotOp op, const char *name, GError **error)
{
  Image *image = open_file (file, format, true, 0, error);
  int code = 0;
  if (!image)
    return false;
  bool good = image->format == &format_qcow2;
  if (!good)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: %s images have no snapshots", file, image->format->name);
  else if (op == BP_IMAGE_SNAPSHOT_CREATE)
    code = qcow2_snapshot_create (image->state, name, 0, 0);
  else
    code = op == BP_IMAGE_SNAPSHOT_APPLY ? qcow2_snapshot_apply (image->state, name) : qcow2_snapshot_delete (image->state, name);
  if (code == ENOENT)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` has no snapshot `%s`", file, name);
  else if (code == ERANGE)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: its refcounts are too narrow for another snapshot", file);
  else if (code)
    fail (error, "change the snapshots of", file, code);
  return close_file (image, good && !code, error);
}

const BpImageTool image_tool = {
  .struct_size = sizeof image_tool,
  .create = tool_create,
  .info = tool_info,
  .check = tool_check,
  .convert = tool_convert,
  .resize = tool_resize,
  .snapshot = tool_snapshot,
};
