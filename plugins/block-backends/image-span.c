/* image-span.c -- memory in pieces, and how far a transfer has come in it. */
/* SPDX-License-Identifier: MIT */
#include "image-span.h"
#include <string.h>

/* At most `size` bytes of the next piece; 0: that is all. */
static size_t
piece (ImageSpan *span, uint64_t size, uint8_t **at)
{
  size_t n = image_span_piece (span, at);
  return (size_t) MIN (size, (uint64_t) n);
}

void
image_span_skip (ImageSpan *span, uint64_t size)
{
  uint8_t *at;
  for (size_t n; (n = piece (span, size, &at)); size -= n)
    span->used += n;
}

unsigned
image_span_vectors (const ImageSpan *span, uint64_t size, struct iovec *vectors, unsigned most, uint64_t *bytes)
{
  ImageSpan at = *span;
  unsigned n = 0;
  uint8_t *from;
  *bytes = 0;
  for (size_t part; n < most && (part = piece (&at, size - *bytes, &from)); n++) {
    vectors[n] = (struct iovec) { from, part };
    *bytes += part;
    at.used += part;
  }
  return n;
}

void
image_span_load (ImageSpan *span, void *data, size_t size)
{
  uint8_t *to = data, *at;
  for (size_t n; (n = piece (span, size, &at)); size -= n) {
    memcpy (to, at, n);
    to += n;
    span->used += n;
  }
}

void
image_span_zero (ImageSpan *span, uint64_t size)
{
  uint8_t *at;
  for (size_t n; (n = piece (span, size, &at)); size -= n) {
    memset (at, 0, n);
    span->used += n;
  }
}
