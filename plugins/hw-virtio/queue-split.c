/* queue-split.c -- split virtqueues (VIRTIO 1.2, 2.7): a table of descriptors, a ring of what is available, a ring of what is used. */
/* SPDX-License-Identifier: MIT */
#include "virtio.h"

/* --- the rings ------------------------------------------------------------------------------ */

enum { DESCRIPTOR_SIZE = 16, NEXT = 1, WRITE = 2, INDIRECT = 4 };
enum { AVAILABLE_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };
enum { RING_FLAGS = 0, RING_INDEX = 2, RING_ENTRIES = 4 };

typedef struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
} Descriptor;

static uint16_t available_index (Queue *q) { return GUINT16_FROM_LE (__atomic_load_n (ring_field (q->driver_area, RING_INDEX), __ATOMIC_ACQUIRE)); }

static void
store (Queue *q, unsigned offset, uint16_t value, int order)
{
  uint16_t *at = ring_field (q->device_area, offset), le = GUINT16_TO_LE (value);
  if (order == __ATOMIC_RELEASE)
    __atomic_store_n (at, le, __ATOMIC_RELEASE);
  else
    __atomic_store_n (at, le, __ATOMIC_RELAXED);
  bp_dirty_mark (q->device_ram + offset, 2);
}

static bool
split_resolve (Queue *q)
{
  QueueState *s = q->s;
  uint64_t size = s->size, event = has_event_index (q) ? 2 : 0, ram;
  return (q->descriptors = queue_area (q, s->descriptors, size * DESCRIPTOR_SIZE, 16, false, &ram, "descriptor table"))
         && (q->driver_area = queue_area (q, s->driver, RING_ENTRIES + 2 * size + event, 2, false, &ram, "available ring"))
         && (q->device_area = queue_area (q, s->device, RING_ENTRIES + 8 * size + event, 4, true, &q->device_ram, "used ring"));
}

/* --- chains that the device holds: a list in saved state ------------------------------------------ */

static uint16_t *links (const Queue *q) { return q->s->held.data; }
static uint16_t next_held (const Queue *q, uint16_t head) { return GUINT16_FROM_LE (links (q)[head]); }
static bool is_held (const Queue *q, uint16_t head) { return next_held (q, head) != HELD_NOT; }

static void
set_next (Queue *q, uint16_t head, uint16_t next)
{
  if (head == HELD_END)
    q->s->held_first = next;
  else
    links (q)[head] = GUINT16_TO_LE (next);
}

/* The newest is the one that the newest buffer is made of: what waits to be popped again comes before all others, and is popped first. */
static void
hold (Queue *q, uint16_t head)
{
  uint16_t before = q->newest ? q->newest->head : HELD_END;
  set_next (q, before, head);
  links (q)[head] = GUINT16_TO_LE (HELD_END);
  q->held_previous[head] = before;
}

static void
let_go (Queue *q, uint16_t head)
{
  uint16_t before = q->held_previous[head], behind = next_held (q, head);
  set_next (q, before, behind);
  if (behind != HELD_END)
    q->held_previous[behind] = before;
  links (q)[head] = GUINT16_TO_LE (HELD_NOT);
}

static void
split_restart (Queue *q)
{
  q->s->taken = q->s->used = 0;
  q->again = HELD_END;
}

/* A file may hold any list: one that ends, within the table. */
static bool
split_loaded (Queue *q)
{
  uint16_t before = HELD_END, head = q->s->held_first;
  unsigned n = 0;
  for (; head != HELD_END; before = head, head = next_held (q, head)) {
    if (head >= q->s->size || ++n > q->s->size || !is_held (q, head))
      return false;
    q->held_previous[head] = before;
  }
  q->again = q->s->held_first;
  return true;
}

/* --- chains -------------------------------------------------------------------------------------------- */

static bool
fetch (Queue *q, uint64_t table, unsigned index, Descriptor *out)
{
  Descriptor raw;
  G_STATIC_ASSERT (sizeof raw == DESCRIPTOR_SIZE);
  if (!guest_memory_read (&q->device->memory, table + index * (uint64_t) DESCRIPTOR_SIZE, &raw, sizeof raw)) {
    device_break (q->device, q, "a table of descriptors at 0x%" G_GINT64_MODIFIER "x, which is no memory", table);
    return false;
  }
  *out = (Descriptor) { GUINT64_FROM_LE (raw.address), GUINT32_FROM_LE (raw.length), GUINT16_FROM_LE (raw.flags), GUINT16_FROM_LE (raw.next) };
  return true;
}

/* From `first' on, in a table of n; a chain is no longer than the queue (2.7.5.3.1). */
static bool
follow_chain (Queue *q, Buffer *b, uint64_t table, unsigned n, Descriptor first, bool inside)
{
  Descriptor d = first;
  for (unsigned length = 1;; length++) {
    if (d.flags & INDIRECT) {
      device_break (q->device, q, "an indirect descriptor %s", inside ? "in an indirect table" : "behind another");
      return false;
    }
    if (length > q->s->size) {
      device_break (q->device, q, "a chain that is longer than the queue, or has no end");
      return false;
    }
    if (!buffer_add (b, d.address, d.length, d.flags & WRITE))
      return false;
    if (!(d.flags & NEXT))
      return true;
    if (d.next >= n) {
      device_break (q->device, q, "a chain goes on at descriptor %u of %u", d.next, n);
      return false;
    }
    if (!fetch (q, table, d.next, &d))
      return false;
  }
}

static bool
read_chain (Queue *q, Buffer *b, uint16_t head)
{
  Descriptor d;
  if (!fetch (q, q->s->descriptors, head, &d))
    return false;
  if (!(d.flags & INDIRECT))
    return follow_chain (q, b, q->s->descriptors, q->s->size, d, false);
  unsigned n = d.length / DESCRIPTOR_SIZE;
  uint64_t table = d.address;
  if (!device_has (q->device, FEATURE_INDIRECT) || d.flags & NEXT || !n || d.length % DESCRIPTOR_SIZE) {
    device_break (q->device, q, "an indirect descriptor of %u bytes%s", d.length,
                  device_has (q->device, FEATURE_INDIRECT) ? d.flags & NEXT ? ", and a next one" : "" : ", which was not agreed on");
    return false;
  }
  return fetch (q, table, 0, &d) && follow_chain (q, b, table, MIN (n, 65536u), d, true);
}

/* --- pop ------------------------------------------------------------------------------------------------- */

/* How many there are to take; 0, broken: more than there can be. */
static uint16_t
n_available (Queue *q)
{
  uint16_t n = (uint16_t) (available_index (q) - q->s->taken);
  if (n <= q->s->size)
    return n;
  device_break (q->device, q, "the available index is %u ahead, of %u entries", n, q->s->size);
  return 0;
}

/* There is nothing: the driver has to kick for what comes.  What came while it was not asked to is found here. */
static bool
ask_for_kicks (Queue *q)
{
  if (!has_event_index (q))
    return false;
  store (q, RING_ENTRIES + 8u * q->s->size, q->s->taken, __ATOMIC_RELAXED);
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  return n_available (q) > 0;
}

static bool
split_has (Queue *q)
{
  return q->again != HELD_END || n_available (q) || (!q->s->no_kicks && ask_for_kicks (q));
}

static bool
next_head (Queue *q, uint16_t *head)
{
  if (q->again != HELD_END) {
    *head = q->again;
    return true;
  }
  if (!split_has (q))
    return false;
  *head = ring_load (q->driver_area, RING_ENTRIES + 2u * (q->s->taken & (q->s->size - 1u)));
  if (*head < q->s->size && !is_held (q, *head))
    return true;
  device_break (q->device, q, *head < q->s->size ? "descriptor %u is made available while the device has it" : "descriptor %u is made available, and there is none",
                *head);
  return false;
}

static Buffer *
split_pop (Queue *q)
{
  uint16_t head;
  if (!next_head (q, &head))
    return NULL;
  Buffer *b = buffer_take (q);
  if (!read_chain (q, b, head)) {
    buffer_release (b);
    return NULL;
  }
  b->head = head;
  b->again = q->again != HELD_END;
  if (b->again) {
    q->again = next_held (q, head);
  } else {
    hold (q, head);
    q->s->taken++;
  }
  return b;
}

static void
split_unpop (Queue *q, Buffer *b)
{
  if (b->again) {
    q->again = b->head;
    return;
  }
  let_go (q, b->head);
  q->s->taken--;
}

/* --- publish ------------------------------------------------------------------------------------------------ */

static void
write_used (Queue *q, const Buffer *b)
{
  unsigned offset = RING_ENTRIES + 8u * (q->s->used & (q->s->size - 1u));
  uint32_t *at = (uint32_t *) (void *) (q->device_area + offset);
  __atomic_store_n (&at[0], GUINT32_TO_LE (b->head), __ATOMIC_RELAXED);
  __atomic_store_n (&at[1], GUINT32_TO_LE (b->written), __ATOMIC_RELAXED);
  bp_dirty_mark (q->device_ram + offset, 8);
}

static bool
split_publish (Queue *q)
{
  uint16_t before = q->s->used;
  while (q->first_pushed) {
    Buffer *b = q->first_pushed;
    q->first_pushed = b->next_pushed;
    write_used (q, b);
    q->s->used++;
    let_go (q, b->head);
    buffer_unlink (q, b);
    buffer_release (b);
  }
  q->last_pushed = NULL;
  if (q->s->used == before)
    return false;
  store (q, RING_INDEX, q->s->used, __ATOMIC_RELEASE);
  __atomic_thread_fence (__ATOMIC_SEQ_CST);     /* what the driver wants is looked at after it can see the index */
  if (has_event_index (q))
    return passes (ring_load (q->driver_area, RING_ENTRIES + 2u * q->s->size), q->s->used, before);
  return !(ring_load (q->driver_area, RING_FLAGS) & AVAILABLE_NO_INTERRUPT);
}

static bool
split_want_kicks (Queue *q, bool wanted)
{
  if (!has_event_index (q)) {
    store (q, RING_FLAGS, wanted ? 0 : USED_NO_NOTIFY, __ATOMIC_RELAXED);
    __atomic_thread_fence (__ATOMIC_SEQ_CST);
  }
  return wanted && split_has (q);
}

static uint32_t split_position (const Queue *q) { return q->s->taken; }

static bool
split_give (Queue *q, uint32_t position)
{
  if (position > UINT16_MAX)
    return false;
  q->s->taken = q->s->used = (uint16_t) position;
  return true;
}

const Layout split_layout = {
  .name = "split", .resolve = split_resolve, .restart = split_restart, .loaded = split_loaded, .has = split_has, .pop = split_pop, .unpop = split_unpop,
  .publish = split_publish, .want_kicks = split_want_kicks, .position = split_position, .give = split_give
};
