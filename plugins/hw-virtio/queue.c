/* queue.c -- what split and packed virtqueues have in common: their life, their memory, the buffers that a device has. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "virtio.h"
#include <string.h>

void
queue_init (Queue *q, BpVirtioDevice *d, unsigned index, uint16_t size_most)
{
  QueueState *s = (QueueState *) d->state->queues.data + index;
  *q = (Queue) { .s = s, .device = d, .index = index, .size_most = size_most, .kick_fd = -1, .call_fd = -1 };
  s->held.size = 2u * size_most;
  s->held.data = g_malloc (s->held.size);
  q->held_previous = g_new (uint16_t, size_most);
  queue_reset (q);
}

void
queue_finish (Queue *q)
{
  g_clear_pointer (&q->s->held.data, g_free);
  g_clear_pointer (&q->held_previous, g_free);
}

static void
forget_held (Queue *q)
{
  uint16_t *next = q->s->held.data;
  for (unsigned i = 0; i < q->size_most; i++)
    next[i] = GUINT16_TO_LE (HELD_NOT);
  q->s->held_first = q->again = HELD_END;
}

/* As after power-on. */
void
queue_reset (Queue *q)
{
  QueueState *s = q->s;
  queue_lose_buffers (q);
  *s = (QueueState) { .size = q->size_most, .vector = NO_VECTOR, .held = s->held };
  forget_held (q);
  q->layout = NULL;
  q->generation = 0;
  q->next = 0;
  q->in_flight = 0;
}

/* The device may still give them back: then they go. */
void
queue_lose_buffers (Queue *q)
{
  for (Buffer *b = q->oldest, *next; b; b = next) {
    next = b->next;
    buffer_mark_written (b, b->pub.in_size);    /* as far as anybody can know */
    buffer_release (b);
  }
  q->oldest = q->newest = NULL;
  q->first_pushed = q->last_pushed = NULL;
  q->in_flight = 0;
}

static const Layout *layout_of (const Queue *q) { return device_has (q->device, FEATURE_PACKED) ? &packed_layout : &split_layout; }

void
queue_set_size (Queue *q, uint32_t size)
{
  if (q->s->enabled || !size || size > q->size_most) {
    bp_log_guest (q->device->bus, "%s, queue %u: %u entries, of %u, %s", q->device->address, q->index, size, q->size_most,
                  q->s->enabled ? "while it is in use" : "are impossible");
    return;
  }
  q->s->size = (uint16_t) size;
}

void
queue_set_enabled (Queue *q, bool enabled)
{
  BpVirtioDevice *d = q->device;
  if (q->s->enabled == enabled)
    return;
  q->layout = layout_of (q);
  q->generation = 0;
  if (!enabled) {
    /* The driver may use their memory for something else at once. */
    if (q->oldest || q->taken_away) {
      device_break (d, q, "switched off while the device has buffers");
      device_stop (d);
    }
    q->s->enabled = false;
    return;
  }
  if (q->layout == &split_layout && q->s->size & (q->s->size - 1)) {
    device_break (d, q, "%u entries: not a power of two", q->s->size);
    return;
  }
  forget_held (q);
  q->layout->restart (q);
  q->s->enabled = true;
}

/* A driver that switches queues on before it has agreed on features may change its mind about their layout. */
bool
queue_is_as_agreed (const Queue *q)
{
  return !q->s->enabled || q->layout == layout_of (q);
}

bool
queue_loaded (Queue *q)
{
  QueueState *s = q->s;
  q->generation = 0;
  q->layout = layout_of (q);
  if (s->size == 0 || s->size > q->size_most || (q->layout == &split_layout && s->enabled && s->size & (s->size - 1)))
    return false;
  return q->layout->loaded (q);
}

bool
queue_buffers_are_there (Queue *q)
{
  for (Buffer *b = q->oldest; b; b = b->next)
    for (unsigned i = 0; i < b->n_parts; i++) {
      uint64_t size = b->iov[i].iov_len, ram;
      uint8_t *host = guest_memory_at (&q->device->memory, b->parts[i].address, i >= b->pub.n_out, &size, &ram);
      if (host != b->iov[i].iov_base || size != b->iov[i].iov_len)
        return false;
    }
  return true;
}

/* --- rings ------------------------------------------------------------------------------------------ */

uint8_t *
queue_area (Queue *q, uint64_t address, uint64_t size, unsigned alignment, bool write, uint64_t *ram, const char *what)
{
  uint64_t there = size;
  uint8_t *host = address % alignment ? NULL : guest_memory_at (&q->device->memory, address, write, &there, ram);
  if (host && there == size)
    return host;
  device_break (q->device, q, "its %s at 0x%" G_GINT64_MODIFIER "x, of 0x%" G_GINT64_MODIFIER "x bytes, %s", what, address, size,
                address % alignment ? "is not aligned" : "is not in memory");
  return NULL;
}

/* A function that may not master its bus sees no memory at all: that is no error, it waits. */
bool
queue_is_ready (Queue *q)
{
  BpVirtioDevice *d = q->device;
  if (!q->s->enabled || !device_is_running (d) || q->taken_away || guest_memory_is_empty (&d->memory))
    return false;
  if (q->generation == d->memory.generation)
    return true;
  if (!q->layout->resolve (q))
    return false;
  q->generation = d->memory.generation;
  return true;
}
