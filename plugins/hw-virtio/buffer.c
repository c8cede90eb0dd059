/* buffer.c -- a driver's buffers as host memory: made from descriptors, kept in a pool, marked when they were written. */
/* SPDX-License-Identifier: MIT */
#include "virtio.h"
#include <string.h>

enum { CAPACITY_FIRST = 8 };

/* The device's own bytes are behind it. */
static size_t data_at (void) { return (sizeof (Buffer) + 15) & ~(size_t) 15; }

Buffer *
buffer_take (Queue *q)
{
  BpVirtioDevice *d = q->device;
  Buffer *b = d->pool;
  if (b) {
    d->pool = b->next;
  } else {
    b = g_malloc0 (data_at () + d->function.data_size);
    b->capacity = CAPACITY_FIRST;
    b->iov = g_new (struct iovec, b->capacity);
    b->parts = g_new (Part, b->capacity);
  }
  b->pub = (BpVirtioBuffer) { .queue = q->index, .data = d->function.data_size ? (uint8_t *) b + data_at () : NULL };
  if (b->pub.data)
    memset (b->pub.data, 0, d->function.data_size);
  b->queue = q;
  b->previous = b->next = b->next_pushed = NULL;
  b->n_parts = 0;
  b->n_descriptors = 0;
  b->again = b->done = false;
  b->written = 0;
  return b;
}

/* To the pool.  A device that was stopped in the middle of something may still give it back: then it is nobody's. */
void
buffer_release (Buffer *b)
{
  BpVirtioDevice *d = b->queue->device;
  b->queue = NULL;
  b->next = d->pool;
  d->pool = b;
}

static void
add_part (Buffer *b, Part part, uint8_t *host, uint64_t size)
{
  if (b->n_parts == b->capacity) {
    b->capacity *= 2;
    b->iov = g_renew (struct iovec, b->iov, b->capacity);
    b->parts = g_renew (Part, b->parts, b->capacity);
  }
  b->iov[b->n_parts] = (struct iovec) { host, size };
  b->parts[b->n_parts++] = part;
}

static const char *
fault (const Buffer *b, uint32_t size, bool writable)
{
  if (!size)
    return "an empty part";
  if (!writable && b->pub.n_in)
    return "a part to read behind one to write";
  return b->pub.out_size + b->pub.in_size + size > UINT32_MAX ? "4 GiB or more in one buffer" : NULL;
}

bool
buffer_add (Buffer *b, uint64_t address, uint32_t size, bool writable)
{
  Queue *q = b->queue;
  BpVirtioDevice *d = q->device;
  const char *wrong = fault (b, size, writable);
  if (wrong)
    device_break (d, q, "%s", wrong);
  *(writable ? &b->pub.in_size : &b->pub.out_size) += size;
  for (uint64_t left = size, part, ram; !wrong && left; left -= part, address += part) {
    part = left;
    uint8_t *host = guest_memory_at (&d->memory, address, writable, &part, &ram);
    if (!host) {
      device_break (d, q, "a buffer at 0x%" G_GINT64_MODIFIER "x, which is no memory", address);
      return false;
    }
    add_part (b, (Part) { address, ram }, host, part);
    (writable ? &b->pub.n_in : &b->pub.n_out)[0]++;
  }
  return !wrong;
}

void
buffer_seal (Buffer *b)
{
  b->pub.out = b->iov;
  b->pub.in = b->iov + b->pub.n_out;
}

void
buffer_mark_written (Buffer *b, uint64_t written)
{
  for (unsigned i = b->pub.n_out; i < b->n_parts && written; i++) {
    uint64_t part = MIN (written, b->iov[i].iov_len);
    if (b->parts[i].ram != UINT64_MAX)
      bp_dirty_mark (b->parts[i].ram, part);
    written -= part;
  }
}

/* --- what the device has, by age ---------------------------------------------------------------- */

void
buffer_link (Queue *q, Buffer *b)
{
  b->previous = q->newest;
  b->next = NULL;
  *(q->newest ? &q->newest->next : &q->oldest) = b;
  q->newest = b;
}

void
buffer_unlink (Queue *q, Buffer *b)
{
  *(b->previous ? &b->previous->next : &q->oldest) = b->next;
  *(b->next ? &b->next->previous : &q->newest) = b->previous;
}
