/* image.c -- what everybody calls on an image: checks of ranges and permissions before the format's own functions. */
/* SPDX-License-Identifier: MIT */
#include "image.h"
#include <errno.h>
#include <string.h>

static bool
is_within (const Image *image, uint64_t offset, uint64_t size)
{
  return offset <= image->size && size <= image->size - offset;
}

int
image_read_span (Image *image, uint64_t offset, ImageSpan *to, uint64_t size)
{
  return is_within (image, offset, size) ? image->format->read (image, offset, to, size) : EINVAL;
}

int
image_try_read (Image *image, uint64_t offset, const ImageSpan *to, uint64_t size)
{
  ImageSpan span = *to;
  return is_within (image, offset, size) && image->format->try_read ? image->format->try_read (image, offset, &span, size) : EAGAIN;
}

int
image_try_write (Image *image, uint64_t offset, const ImageSpan *from, uint64_t size)
{
  ImageSpan span = *from;
  return !image->read_only && is_within (image, offset, size) && image->format->try_write ? image->format->try_write (image, offset, &span, size) : EAGAIN;
}

int
image_write_span (Image *image, uint64_t offset, ImageSpan *from, uint64_t size)
{
  if (image->read_only)
    return EROFS;
  return is_within (image, offset, size) ? image->format->write (image, offset, from, size) : EINVAL;
}

/* Pieces that go on where the last one ends are one. */
bool
image_plan_add (ImagePlan *plan, ImageFile *file, uint64_t offset, uint64_t size)
{
  ImagePiece *last = plan->n ? &plan->pieces[plan->n - 1] : NULL;
  if (last && last->file == file && (!file || last->offset + last->size == offset)) {
    last->size += size;
    return true;
  }
  if (plan->n == IMAGE_PIECES)
    return false;
  plan->pieces[plan->n++] = (ImagePiece) { file, offset, size };
  return true;
}

bool
image_plan (Image *image, uint64_t offset, const ImageSpan *span, uint64_t size, ImagePlan *plan)
{
  bool write = plan->kind != IMAGE_PLAN_READ;
  if (!image->format->plan || (write && image->read_only) || !size || !is_within (image, offset, size))
    return false;
  if (!image->format->plan (image, offset, span, size, plan)) {
    image_plan_over (image, plan);
    return false;
  }
  ImageSpan at = *span;
  for (unsigned i = 0; i < plan->n; i++) {
    const ImagePiece *p = &plan->pieces[i];
    if (p->file && !image_file_is_plain (p->file, write, p->offset, &at, p->size)) {
      image_plan_over (image, plan);
      return false;
    }
    image_span_skip (&at, p->size);
  }
  return true;
}

void
image_plan_over (Image *image, const ImagePlan *plan)
{
  if (plan->held)
    image->format->plan_over (image, plan);
}

int
image_read (Image *image, uint64_t offset, void *data, size_t size)
{
  struct iovec iov = { data, size };
  ImageSpan span = { &iov, 1, 0 };
  return image_read_span (image, offset, &span, size);
}

int
image_write (Image *image, uint64_t offset, const void *data, size_t size)
{
  struct iovec iov = { (void *) data, size };
  ImageSpan span = { &iov, 1, 0 };
  return image_write_span (image, offset, &span, size);
}

int
image_read_padded (Image *image, uint64_t offset, void *data, size_t size)
{
  size_t there = offset >= image->size ? 0 : (size_t) MIN ((uint64_t) size, image->size - offset);
  memset ((uint8_t *) data + there, 0, size - there);
  return there ? image_read (image, offset, data, there) : 0;
}

int
image_zero (Image *image, uint64_t offset, uint64_t size, bool unmap)
{
  if (image->read_only)
    return EROFS;
  return is_within (image, offset, size) ? image->format->zero (image, offset, size, unmap && image->options.unmap) : EINVAL;
}

int
image_discard (Image *image, uint64_t offset, uint64_t size)
{
  if (image->read_only)
    return EROFS;
  if (!is_within (image, offset, size))
    return EINVAL;
  return image->options.unmap ? image->format->discard (image, offset, size) : 0;
}

int
image_flush (Image *image)
{
  return image->read_only ? 0 : image->format->flush (image);
}

int
image_resize (Image *image, uint64_t size)
{
  return image->read_only ? EROFS : image->format->resize (image, size);
}

bool
image_is_zero (const void *data, size_t size)
{
  const uint8_t *bytes = data;
  return !size || (bytes[0] == 0 && memcmp (bytes, bytes + 1, size - 1) == 0);
}
