/* format-raw.c -- raw images: the file's bytes are the disk's. */
/* SPDX-License-Identifier: MIT */
#include "image.h"
#include <backplane/log.h>
#include <errno.h>
#include <string.h>

#define ZERO_CHUNK (1u << 20)

static bool
raw_open (Image *image, GError **error)
{
  int code = image_file_size (image->file, &image->size);
  if (code)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot find out how large `%s` is: %s", image_file_name (image->file), g_strerror (code));
  return !code;
}

static int
raw_close (Image *image)
{
  return image_flush (image);
}

/* A file that somebody has cut short since it was opened lacks a part of the disk. */
static int
raw_read (Image *image, uint64_t offset, ImageSpan *to, uint64_t size)
{
  uint64_t there;
  int code = image_file_read_span (image->file, offset, to, size, &there);
  return code || there == size ? code : EIO;
}

static int
raw_try_read (Image *image, uint64_t offset, ImageSpan *to, uint64_t size)
{
  return image_file_try_read (image->file, offset, to, size);
}

/* --- writing ------------------------------------------------------------------------------------ */

/* Whether a disk that is raw only because it looked like nothing else would look like something else now. */
static int
check_head (Image *image, uint64_t offset, const ImageSpan *from, uint64_t size)
{
  uint8_t head[IMAGE_PROBE_BYTES] = { 0 };
  if (!image->guessed || offset >= sizeof head)
    return 0;
  int code = image_file_read (image->file, 0, head, sizeof head);
  if (code)
    return code;
  ImageSpan begin = *from;
  image_span_load (&begin, head + offset, (size_t) MIN (size, sizeof head - offset));
  const char *format = image_probe (head);
  if (!format)
    return 0;
  bp_warn (NULL, "`%s`: a write was refused that would make this raw image look like %s (format = raw allows it)",
           image_file_name (image->file), format);
  return EIO;
}

static int
raw_write (Image *image, uint64_t offset, ImageSpan *from, uint64_t size)
{
  int code = check_head (image, offset, from, size);
  return code ? code : image_file_write_span (image->file, offset, from, size);
}

static int
raw_try_write (Image *image, uint64_t offset, ImageSpan *from, uint64_t size)
{
  return image->guessed && offset < IMAGE_PROBE_BYTES ? EAGAIN : image_file_try_write (image->file, offset, from, size);
}

static bool
raw_plan (Image *image, uint64_t offset, const ImageSpan *span, uint64_t size, ImagePlan *plan)
{
  if (plan->kind == IMAGE_PLAN_WRITE_DURABLE && !image_file_can_flush (image->file))
    return false;
  if (plan->kind != IMAGE_PLAN_READ && image->guessed && offset < IMAGE_PROBE_BYTES)
    return false;
  return image_plan_add (plan, image->file, offset, size);
}

static int
raw_zero (Image *image, uint64_t offset, uint64_t size, bool unmap)
{
  int code = unmap ? image_file_zero (image->file, offset, size, true) : ENOTSUP;
  if (code == ENOTSUP)
    code = image_file_zero (image->file, offset, size, false);
  if (code != ENOTSUP)
    return code;
  g_autofree uint8_t *zeros = g_malloc0 (ZERO_CHUNK);
  for (code = 0; size && !code;) {
    size_t n = (size_t) MIN (size, ZERO_CHUNK);
    code = image_file_write (image->file, offset, zeros, n);
    offset += n;
    size -= n;
  }
  return code;
}

static int
raw_discard (Image *image, uint64_t offset, uint64_t size)
{
  int code = image_file_zero (image->file, offset, size, true);
  return code == ENOTSUP ? 0 : code;
}

static int
raw_flush (Image *image)
{
  return image_file_flush (image->file);
}

static int
raw_resize (Image *image, uint64_t size)
{
  int code = image_file_truncate (image->file, size);
  if (!code)
    image->size = size;
  return code;
}

const ImageFormat format_raw = {
  .name = "raw",
  .open = raw_open,
  .close = raw_close,
  .read = raw_read,
  .write = raw_write,
  .try_read = raw_try_read,
  .try_write = raw_try_write,
  .plan = raw_plan,
  .zero = raw_zero,
  .discard = raw_discard,
  .flush = raw_flush,
  .resize = raw_resize,
};
