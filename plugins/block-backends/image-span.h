/* image-span.h -- memory in pieces, and how far a transfer has come in it. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_IMAGE_SPAN_H
#define BLOCK_BACKENDS_IMAGE_SPAN_H

#include <backplane/common.h>
#include <sys/uio.h>

typedef struct ImageSpan {
  const struct iovec *iov;      /* the piece that is next */
  unsigned left;                /* pieces from there on */
  size_t used;                  /* bytes of the first one */
} ImageSpan;

/* How many bytes lie in one piece from here on, and where; 0: the memory has ended.  Pieces without bytes, which a device may give, are passed over. */
static inline size_t
image_span_piece (ImageSpan *span, uint8_t **at)
{
  for (; span->left && span->used == span->iov->iov_len; span->iov++, span->left--)
    span->used = 0;
  *at = span->left ? (uint8_t *) span->iov->iov_base + span->used : NULL;
  return span->left ? span->iov->iov_len - span->used : 0;
}

/* All of these stop where the memory ends. */
void image_span_skip (ImageSpan *span, uint64_t size);
/* The next bytes as vectors, no more than `most` of these; gives their number, and how many bytes they are. */
unsigned image_span_vectors (const ImageSpan *span, uint64_t size, struct iovec *vectors, unsigned most, uint64_t *bytes);
void image_span_load (ImageSpan *span, void *data, size_t size);
void image_span_zero (ImageSpan *span, uint64_t size);

#endif
