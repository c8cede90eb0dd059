/* image-span.c -- memory in pieces, and how far a transfer has come in it. */
/* SPDX-License-Identifier: MIT */
#include "image-span.h"
#include <string.h>

void
image_span_skip (ImageSpan *span, uint64_t size)
{
  uint8_t *at;
  while (size && span->left) {
    uint64_t n = MIN (size, image_span_piece (span, &at));
    span->used += (size_t) n;
    size -= n;
    if (span->used == span->iov->iov_len) {
      span->iov++;
      span->left--;
      span->used = 0;
    }
  }
}

unsigned
image_span_vectors (const ImageSpan *span, uint64_t size, struct iovec *vectors, unsigned most, uint64_t *bytes)
{
  ImageSpan at = *span;
  unsigned n = 0;
  for (*bytes = 0; *bytes < size && at.left && n < most; n++) {
    uint8_t *piece;
    size_t room = image_span_piece (&at, &piece);
    vectors[n] = (struct iovec) { piece, (size_t) MIN (room, size - *bytes) };
    *bytes += vectors[n].iov_len;
    image_span_skip (&at, vectors[n].iov_len);
  }
  return n;
}

void
image_span_store (ImageSpan *span, const void *data, size_t size)
{
  const uint8_t *from = data;
  while (size && span->left) {
    uint8_t *at;
    size_t n = MIN (size, image_span_piece (span, &at));
    memcpy (at, from, n);
    from += n;
    size -= n;
    image_span_skip (span, n);
  }
}

void
image_span_load (ImageSpan *span, void *data, size_t size)
{
  uint8_t *to = data;
  while (size && span->left) {
    uint8_t *at;
    size_t n = MIN (size, image_span_piece (span, &at));
    memcpy (to, at, n);
    to += n;
    size -= n;
    image_span_skip (span, n);
  }
}

void
image_span_zero (ImageSpan *span, uint64_t size)
{
  while (size && span->left) {
    uint8_t *at;
    size_t n = (size_t) MIN (size, (uint64_t) image_span_piece (span, &at));
    memset (at, 0, n);
    size -= n;
    image_span_skip (span, n);
  }
}
