/* queue-packed.c -- packed virtqueues (VIRTIO 1.2, 2.8): one ring of descriptors that both sides write. */
/* SPDX-License-Identifier: MIT */
/*
 * Used descriptors are written over those that the driver made available, so that what a buffer was made of is gone when a later one is given back before it.
 * Buffers are therefore published in the order in which they were popped: then what lies behind the used position is whole at any time, and a machine that
 * is loaded pops all of it again.
 */
#include "virtio.h"

/* --- the ring ------------------------------------------------------------------------------- */

enum { DESCRIPTOR_SIZE = 16, NEXT = 1, WRITE = 2, INDIRECT = 4, AVAILABLE = 1 << 7, USED = 1 << 15 };
enum { FLAGS_AT = 14, EVENT_OFFSET = 0, EVENT_FLAGS = 2, EVENT_AREA = 4 };
enum { EVENT_ENABLE = 0, EVENT_DISABLE = 1, EVENT_DESCRIPTOR = 2 };
enum { WRAP = 1 << 15 };

typedef struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t id, flags;
} Descriptor;

static bool
packed_resolve (Queue *q)
{
  QueueState *s = q->s;
  uint64_t ram;
  return (q->descriptors = queue_area (q, s->descriptors, s->size * (uint64_t) DESCRIPTOR_SIZE, 16, true, &q->descriptors_ram, "ring"))
         && (q->driver_area = queue_area (q, s->driver, EVENT_AREA, 4, false, &ram, "driver event suppression"))
         && (q->device_area = queue_area (q, s->device, EVENT_AREA, 4, true, &q->device_ram, "device event suppression"));
}

/* A position n further on; n is at most the queue's size. */
static uint16_t
advance (const Queue *q, uint16_t position, unsigned n)
{
  unsigned at = (position & ~WRAP) + n;
  uint16_t wrap = position & WRAP;
  return at < q->s->size ? (uint16_t) (at | wrap) : (uint16_t) ((at - q->s->size) | (wrap ^ WRAP));
}

static void
packed_restart (Queue *q)
{
  q->s->taken = 0;
  q->s->used = q->next = WRAP;
  q->in_flight = 0;
}

static bool
packed_loaded (Queue *q)
{
  q->next = q->s->used;
  q->in_flight = 0;
  return (q->s->used & ~WRAP) < q->s->size;
}

/* --- pop --------------------------------------------------------------------------------------- */

static bool
is_available (Queue *q)
{
  uint16_t *at = ring_field (q->descriptors, (q->next & ~WRAP) * (unsigned) DESCRIPTOR_SIZE + FLAGS_AT);
  uint16_t flags = GUINT16_FROM_LE (__atomic_load_n (at, __ATOMIC_ACQUIRE));
  bool wrap = q->next & WRAP;
  return !!(flags & AVAILABLE) == wrap && !!(flags & USED) != wrap;
}

static void
set_event (Queue *q, uint16_t offset, uint16_t flags)
{
  __atomic_store_n (ring_field (q->device_area, EVENT_OFFSET), GUINT16_TO_LE (offset), __ATOMIC_RELAXED);
  __atomic_store_n (ring_field (q->device_area, EVENT_FLAGS), GUINT16_TO_LE (flags), __ATOMIC_RELEASE);
  bp_dirty_mark (q->device_ram, EVENT_AREA);
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
}

static bool
packed_has (Queue *q)
{
  if (is_available (q))
    return true;
  if (q->s->no_kicks || !has_event_index (q))
    return false;
  set_event (q, q->next, EVENT_DESCRIPTOR);
  return is_available (q);
}

static bool
fetch (Queue *q, uint64_t at, Descriptor *out)
{
  Descriptor raw;
  G_STATIC_ASSERT (sizeof raw == DESCRIPTOR_SIZE);
  if (!guest_memory_read (&q->device->memory, at, &raw, sizeof raw)) {
    device_break (q->device, q, "a descriptor at 0x%" G_GINT64_MODIFIER "x, which is no memory", at);
    return false;
  }
  *out = (Descriptor) { GUINT64_FROM_LE (raw.address), GUINT32_FROM_LE (raw.length), GUINT16_FROM_LE (raw.id), GUINT16_FROM_LE (raw.flags) };
  return true;
}

/* All of the table belongs to the buffer (2.8.7). */
static bool
read_table (Queue *q, Buffer *b, uint64_t table, uint32_t size)
{
  uint32_t n = size / DESCRIPTOR_SIZE;
  if (!device_has (q->device, FEATURE_INDIRECT) || !n || size % DESCRIPTOR_SIZE || n > q->s->size) {
    device_break (q->device, q, "an indirect descriptor of %u bytes%s", size, device_has (q->device, FEATURE_INDIRECT) ? "" : ", which was not agreed on");
    return false;
  }
  for (uint32_t i = 0; i < n; i++) {
    Descriptor d;
    if (!fetch (q, table + i * (uint64_t) DESCRIPTOR_SIZE, &d))
      return false;
    if (d.flags & INDIRECT) {
      device_break (q->device, q, "an indirect descriptor in an indirect table");
      return false;
    }
    if (!buffer_add (b, d.address, d.length, d.flags & WRITE))
      return false;
  }
  return true;
}

static bool
read_chain (Queue *q, Buffer *b)
{
  uint16_t at = q->next;
  Descriptor d;
  do {
    if (q->in_flight + b->n_descriptors >= q->s->size) {
      device_break (q->device, q, "more descriptors are available than it has");
      return false;
    }
    if (!fetch (q, q->s->descriptors + (at & ~WRAP) * (uint64_t) DESCRIPTOR_SIZE, &d))
      return false;
    if (d.flags & INDIRECT && (b->n_descriptors || d.flags & NEXT)) {
      device_break (q->device, q, "an indirect descriptor in a chain");
      return false;
    }
    if (!(d.flags & INDIRECT ? read_table (q, b, d.address, d.length) : buffer_add (b, d.address, d.length, d.flags & WRITE)))
      return false;
    b->n_descriptors++;
    at = advance (q, at, 1);
  } while (d.flags & NEXT);
  b->head = d.id;
  return true;
}

static Buffer *
packed_pop (Queue *q)
{
  if (!packed_has (q))
    return NULL;
  Buffer *b = buffer_take (q);
  if (!read_chain (q, b)) {
    buffer_release (b);
    return NULL;
  }
  q->next = advance (q, q->next, b->n_descriptors);
  q->in_flight += b->n_descriptors;
  return b;
}

static void
packed_unpop (Queue *q, Buffer *b)
{
  unsigned at = q->next & ~WRAP;
  uint16_t wrap = q->next & WRAP;
  q->next = at >= b->n_descriptors ? (uint16_t) ((at - b->n_descriptors) | wrap) : (uint16_t) ((at + q->s->size - b->n_descriptors) | (wrap ^ WRAP));
  q->in_flight -= b->n_descriptors;
}

/* --- publish -------------------------------------------------------------------------------------- */

static void
write_used (Queue *q, const Buffer *b)
{
  unsigned offset = (q->s->used & ~WRAP) * (unsigned) DESCRIPTOR_SIZE;
  uint16_t flags = (uint16_t) ((q->s->used & WRAP ? AVAILABLE | USED : 0) | (b->written ? WRITE : 0));
  __atomic_store_n ((uint32_t *) (void *) (q->descriptors + offset + 8), GUINT32_TO_LE (b->written), __ATOMIC_RELAXED);
  __atomic_store_n (ring_field (q->descriptors, offset + 12), GUINT16_TO_LE (b->head), __ATOMIC_RELAXED);
  __atomic_store_n (ring_field (q->descriptors, offset + FLAGS_AT), GUINT16_TO_LE (flags), __ATOMIC_RELEASE);
  bp_dirty_mark (q->descriptors_ram + offset, DESCRIPTOR_SIZE);
}

static bool
wants_interrupt (Queue *q, uint16_t n)
{
  uint16_t flags = ring_load (q->driver_area, EVENT_FLAGS) & 3;
  __atomic_thread_fence (__ATOMIC_ACQUIRE);     /* the driver writes the offset first */
  if (flags != EVENT_DESCRIPTOR || !has_event_index (q))
    return flags != EVENT_DISABLE;
  uint16_t event = ring_load (q->driver_area, EVENT_OFFSET), at = event & (uint16_t) ~WRAP, now = q->s->used & (uint16_t) ~WRAP;
  if ((event ^ q->s->used) & WRAP)
    at = (uint16_t) (at - q->s->size);
  return passes (at, now, (uint16_t) (now - n));
}

static bool
packed_publish (Queue *q)
{
  uint16_t n = 0;
  q->first_pushed = q->last_pushed = NULL;
  while (q->oldest && q->oldest->done) {
    Buffer *b = q->oldest;
    write_used (q, b);
    q->s->used = advance (q, q->s->used, b->n_descriptors);
    q->in_flight -= b->n_descriptors;
    n = (uint16_t) (n + b->n_descriptors);
    buffer_unlink (q, b);
    buffer_release (b);
  }
  if (!n)
    return false;
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  return wants_interrupt (q, n);
}

static bool
packed_want_kicks (Queue *q, bool wanted)
{
  set_event (q, q->next, wanted ? EVENT_ENABLE : EVENT_DISABLE);
  return wanted && packed_has (q);
}

static uint32_t packed_position (const Queue *q) { return q->next | (uint32_t) q->s->used << 16; }

static bool
packed_give (Queue *q, uint32_t position)
{
  uint16_t next = (uint16_t) position, used = (uint16_t) (position >> 16);
  if ((next & ~WRAP) >= q->s->size || (used & ~WRAP) >= q->s->size)
    return false;
  q->next = next;
  q->s->used = used;
  return true;
}

const Layout packed_layout = {
  .name = "packed", .resolve = packed_resolve, .restart = packed_restart, .loaded = packed_loaded, .has = packed_has, .pop = packed_pop, .unpop = packed_unpop,
  .publish = packed_publish, .want_kicks = packed_want_kicks, .position = packed_position, .give = packed_give
};
