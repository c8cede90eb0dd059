/* virtio-queue.c -- the driver's side of virtqueues, split and packed (VIRTIO 1.2, 2.7 and 2.8): buffers in and out. */
/* SPDX-License-Identifier: MIT */
#include "virtio.h"
#include <string.h>

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, AVAILABLE = 1 << 7, USED = 1 << 15, WRAP = 1 << 15 };
enum { FLAGS = 0, INDEX = 2, ENTRIES = 4 };

static uint64_t load (BpTestVirtio *v, uint64_t at, unsigned size) { return (bp_test_load) (v->t, "memory", at, size); }
static void store (BpTestVirtio *v, uint64_t at, uint64_t value, unsigned size) { (bp_test_store) (v->t, "memory", at, value, size); }
static bool is_packed (const BpTestVirtio *v) { return test_virtio_has (v, FEATURE_PACKED); }

/* one that is on; else the test ends */
static TestQueue *
test_virtio_queue (BpTestVirtio *v, unsigned queue)
{
  if (queue >= VIRTIO_QUEUES || !v->queues[queue].size)
    (bp_test_fail) ("queue %u is not on", queue);
  return &v->queues[queue];
}

uint64_t
(bp_test_virtio_alloc) (BpTestVirtio *v, uint64_t size)
{
  uint64_t at = (v->free_at + 15) & ~UINT64_C (15);
  if (at > v->end || size > v->end - at)
    (bp_test_fail) ("the driver's memory is full: 0x%" G_GINT64_MODIFIER "x bytes from 0x%" G_GINT64_MODIFIER "x on", v->end - v->memory, v->memory);
  g_autofree uint8_t *zeros = g_malloc0 (size);
  (bp_test_write) (v->t, at, zeros, size);
  v->free_at = at + size;
  return at;
}

/* --- descriptors ---------------------------------------------------------------------------- */

/* Both layouts: the last four bytes are flags and next, or id and flags. */
static void
write_descriptor (BpTestVirtio *v, uint64_t at, BpTestPart part, unsigned flags, unsigned other)
{
  store (v, at, part.address, 8);
  store (v, at + 8, part.size, 4);
  store (v, at + 12, is_packed (v) ? other : flags, 2);
  store (v, at + 14, is_packed (v) ? flags : other, 2);
}

static BpTestPart
make_table (BpTestVirtio *v, const BpTestPart *parts, unsigned n_out, unsigned n)
{
  uint64_t table = (bp_test_virtio_alloc) (v, 16u * n);
  for (unsigned i = 0; i < n; i++) {
    unsigned next = i + 1 < n && !is_packed (v) ? NEXT : 0;
    write_descriptor (v, table + 16u * i, parts[i], (i < n_out ? 0 : WRITE) | next, is_packed (v) ? 0 : i + 1);
  }
  return (BpTestPart) { table, 16u * n };
}

static unsigned
take_free (TestQueue *q)
{
  for (unsigned i = 0; i < q->size; i++)
    if (!q->busy[i]) {
      q->busy[i] = true;
      return i;
    }
  return 0;
}

static unsigned
add_split (BpTestVirtio *v, TestQueue *q, const BpTestPart *parts, unsigned n_out, unsigned n, unsigned extra)
{
  unsigned head = take_free (q), at = head;
  for (unsigned i = 0; i < n; i++) {
    unsigned next = i + 1 < n ? take_free (q) : 0;
    write_descriptor (v, q->descriptors + 16u * at, parts[i], extra | (i < n_out ? 0 : WRITE) | (i + 1 < n ? NEXT : 0), next);
    q->chain[at] = (uint16_t) (i + 1 < n ? next : UINT16_MAX);
    at = next;
  }
  store (v, q->driver + ENTRIES + 2u * (q->next % q->size), head, 2);
  store (v, q->driver + INDEX, ++q->next, 2);
  return head;
}

static uint16_t
advance (const TestQueue *q, uint16_t position, unsigned n)
{
  unsigned at = (position & ~WRAP) + n;
  return at < q->size ? (uint16_t) (at | (position & WRAP)) : (uint16_t) ((at - q->size) | (~position & WRAP));
}

/* The first descriptor is made available last. */
static unsigned
add_packed (BpTestVirtio *v, TestQueue *q, const BpTestPart *parts, unsigned n_out, unsigned n, unsigned extra)
{
  unsigned id = take_free (q), first_flags = 0;
  uint16_t at = q->next;
  for (unsigned i = 0; i < n; i++, at = advance (q, at, 1)) {
    unsigned flags = extra | (i < n_out ? 0 : WRITE) | (i + 1 < n ? NEXT : 0) | (at & WRAP ? AVAILABLE : USED);
    if (!i)
      first_flags = flags;
    write_descriptor (v, q->descriptors + 16u * (at & ~WRAP), parts[i], i ? flags : at & WRAP ? 0 : AVAILABLE | USED, id);
  }
  store (v, q->descriptors + 16u * (q->next & ~WRAP) + 14, first_flags, 2);
  q->chain[id] = (uint16_t) n;
  q->next = at;
  q->kicked = (uint16_t) (q->kicked + n);
  return id;
}

unsigned
(bp_test_virtio_add) (BpTestVirtio *v, unsigned queue, const BpTestPart *parts, unsigned n_out, unsigned n_in)
{
  TestQueue *q = test_virtio_queue (v, queue);
  unsigned n = n_out + n_in, extra = 0;
  BpTestPart table;
  if (test_virtio_has (v, FEATURE_INDIRECT)) {
    table = make_table (v, parts, n_out, n);
    parts = &table;
    n = n_out = 1;
    extra = INDIRECT;
  }
  if (!n || q->n_busy + n > q->size)
    (bp_test_fail) ("queue %u has no room for %u descriptors: %u of %u are in use", queue, n, q->n_busy, q->size);
  q->n_busy += n;
  return (is_packed (v) ? add_packed : add_split) (v, q, parts, n_out, n, extra);
}

unsigned
(bp_test_virtio_add_bytes) (BpTestVirtio *v, unsigned queue, const void *out, uint32_t out_size, uint32_t in_size, uint64_t *in_address)
{
  BpTestPart parts[2];
  unsigned n = 0;
  if (out_size) {
    parts[n++] = (BpTestPart) { (bp_test_virtio_alloc) (v, out_size), out_size };
    (bp_test_write) (v->t, parts[0].address, out, out_size);
  }
  unsigned n_out = n;
  if (in_size)
    parts[n++] = (BpTestPart) { (bp_test_virtio_alloc) (v, in_size), in_size };
  if (in_address)
    *in_address = in_size ? parts[n - 1].address : 0;
  return (bp_test_virtio_add) (v, queue, parts, n_out, n - n_out);
}

/* --- kicks and interrupts that are asked for ------------------------------------------------------- */

static bool passes (uint16_t event, uint16_t now, uint16_t old) { return (uint16_t) (now - event - 1) < (uint16_t) (now - old); }

bool
bp_test_virtio_wants_kick (BpTestVirtio *v, unsigned queue)
{
  TestQueue *q = test_virtio_queue (v, queue);
  bool event = test_virtio_has (v, FEATURE_EVENT_INDEX);
  if (!is_packed (v))
    return event ? passes ((uint16_t) load (v, q->device + ENTRIES + 8u * q->size, 2), q->next, q->kicked) : !(load (v, q->device + FLAGS, 2) & 1);
  uint16_t offset = (uint16_t) load (v, q->device, 2), flags = load (v, q->device + 2, 2) & 3, now = q->next & (uint16_t) ~WRAP;
  if (flags != 2)
    return flags != 1;
  uint16_t at = offset & (uint16_t) ~WRAP;
  if ((offset ^ q->next) & WRAP)
    at = (uint16_t) (at - q->size);
  return passes (at, now, (uint16_t) (now - q->kicked));
}

void
bp_test_virtio_want_interrupts (BpTestVirtio *v, unsigned queue, bool wanted)
{
  TestQueue *q = test_virtio_queue (v, queue);
  bool event = test_virtio_has (v, FEATURE_EVENT_INDEX);
  if (is_packed (v)) {
    store (v, q->driver, q->used, 2);
    store (v, q->driver + 2, wanted ? event ? 2 : 0 : 1, 2);
  } else if (event) {
    /* far from what the device will reach soon */
    store (v, q->driver + ENTRIES + 2u * q->size, wanted ? q->used : (uint16_t) (q->used - 1), 2);
  } else {
    store (v, q->driver + FLAGS, !wanted, 2);
  }
}

/* --- used buffers --------------------------------------------------------------------------------------- */

static bool
take_split (BpTestVirtio *v, TestQueue *q, unsigned *id, uint32_t *written)
{
  if ((uint16_t) load (v, q->device + INDEX, 2) == q->used)
    return false;
  uint64_t at = q->device + ENTRIES + 8u * (q->used++ % q->size);
  *id = (unsigned) load (v, at, 4);
  *written = (uint32_t) load (v, at + 4, 4);
  if (*id >= q->size || !q->busy[*id])
    (bp_test_fail) ("the device gives back descriptor %u, which it does not have", *id);
  for (unsigned d = *id; d != UINT16_MAX; d = q->chain[d]) {
    q->busy[d] = false;
    q->n_busy--;
  }
  return true;
}

static bool
take_packed (BpTestVirtio *v, TestQueue *q, unsigned *id, uint32_t *written)
{
  uint64_t at = q->descriptors + 16u * (q->used & ~WRAP);
  unsigned flags = (unsigned) load (v, at + 14, 2);
  bool wrap = q->used & WRAP;
  if (!!(flags & AVAILABLE) != wrap || !!(flags & USED) != wrap)
    return false;
  *id = (unsigned) load (v, at + 12, 2);
  *written = flags & WRITE ? (uint32_t) load (v, at + 8, 4) : 0;
  if (*id >= q->size || !q->busy[*id])
    (bp_test_fail) ("the device gives back buffer %u, which it does not have", *id);
  q->busy[*id] = false;
  q->n_busy -= q->chain[*id];
  q->used = advance (q, q->used, q->chain[*id]);
  return true;
}

bool
bp_test_virtio_take (BpTestVirtio *v, unsigned queue, unsigned *id, uint32_t *written)
{
  TestQueue *q = test_virtio_queue (v, queue);
  unsigned which;
  uint32_t bytes;
  if (!(is_packed (v) ? take_packed : take_split) (v, q, &which, &bytes))
    return false;
  if (id)
    *id = which;
  if (written)
    *written = bytes;
  return true;
}

bool
(bp_test_virtio_wait) (BpTestVirtio *v, unsigned queue, unsigned *id, uint32_t *written)
{
  int64_t end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  while (!bp_test_virtio_take (v, queue, id, written)) {
    if (g_get_monotonic_time () > end)
      return false;
    if ((bp_test_iterate) (v->t))
      continue;
    int64_t timer = (bp_test_next_timer) (v->t);
    if (timer == INT64_MAX)
      g_usleep (500);
    else
      (bp_test_advance) (v->t, MAX (timer - (bp_test_now) (v->t), 0));
  }
  return true;
}

uint32_t
(bp_test_virtio_call) (BpTestVirtio *v, unsigned queue, const void *out, uint32_t out_size, void *in, uint32_t in_size)
{
  uint64_t before = v->free_at, at;
  unsigned wanted = (bp_test_virtio_add_bytes) (v, queue, out, out_size, in_size, &at), id;
  uint32_t written;
  bp_test_virtio_kick (v, queue);
  if (!(bp_test_virtio_wait) (v, queue, &id, &written))
    (bp_test_fail) ("the device has not answered within ten seconds");
  if (id != wanted)
    (bp_test_fail) ("the device gives back buffer %u instead of %u", id, wanted);
  if (written > in_size)
    (bp_test_fail) ("the device says that it wrote %u bytes, and there is room for %u", written, in_size);
  if (written)
    (bp_test_read) (v->t, at, in, written);
  v->free_at = before;
  return written;
}

/* --- for tests that break rules, and loads ------------------------------------------------------------------- */

void
bp_test_virtio_rings (BpTestVirtio *v, unsigned queue, uint64_t *descriptors, uint64_t *driver, uint64_t *device)
{
  const TestQueue *q = test_virtio_queue (v, queue);
  *descriptors = q->descriptors;
  *driver = q->driver;
  *device = q->device;
}

void
bp_test_virtio_copy (BpTestVirtio *from, BpTestVirtio *to)
{
  test_virtio_forget_queues (to);
  to->features = from->features;
  to->free_at = from->free_at;
  to->pin = from->pin;
  for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
    TestQueue *q = &to->queues[i];
    *q = from->queues[i];
    q->interrupts = 0;
    q->chain = g_memdup2 (q->chain, q->size * sizeof *q->chain);
    q->busy = g_memdup2 (q->busy, q->size * sizeof *q->busy);
  }
}
