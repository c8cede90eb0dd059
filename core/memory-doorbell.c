/* memory-doorbell.c -- doorbells: writes that signal an eventfd instead of calling their region. */
/* SPDX-License-Identifier: MIT */
/*
 * A region's doorbells are an array that is never changed: who adds or removes one publishes another array, and frees the last once no read-side section can
 * see it.  So a write finds its doorbell without a lock, and an eventfd that was removed is not signalled once the commit is over.
 */
#include "contract.h"
#include "machine.h"
#include "memory.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef struct Doorbells {
  unsigned n;
  BpDoorbell bell[];            /* by offset, size and value; values as the guest stores them */
} Doorbells;

static inline uint64_t
ones (unsigned size)
{
  return size == 8 ? UINT64_MAX : (UINT64_C (1) << 8 * size) - 1;
}

/* --- order ---------------------------------------------------------------------------------- */

#define ORDER(a, b) if ((a) != (b)) return (a) < (b) ? -1 : 1

static int
compare (const BpDoorbell *a, const BpDoorbell *b)
{
  ORDER (a->offset, b->offset);
  ORDER (a->size, b->size);
  ORDER (a->match, b->match);
  ORDER (a->value, b->value);
  ORDER (a->fd, b->fd);
  return 0;
}

int
doorbells_compare (const FlatDoorbell *a, const FlatDoorbell *b)
{
  ORDER (a->address, b->address);
  return compare (&a->doorbell, &b->doorbell);
}

/* Whether one write could signal both. */
static bool
collide (const BpDoorbell *a, const BpDoorbell *b)
{
  return a->offset == b->offset && (a->size == b->size || !a->size || !b->size) && (!a->match || !b->match || a->value == b->value);
}

/* --- the guest's write ------------------------------------------------------------------------ */

/* Index of the first at or behind `offset'. */
static unsigned
first_at (const Doorbells *d, uint64_t offset)
{
  unsigned low = 0, high = d->n;
  while (low < high) {
    unsigned middle = low + (high - low) / 2;
    if (d->bell[middle].offset < offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* A counter that is full has been signalled already. */
static void
signal_fd (int fd)
{
  const uint64_t one = 1;
  while (write (fd, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

bool
doorbell_ring (BpRegion *region, uint64_t offset, uint64_t value, unsigned size)
{
  bool rung = false;
  section_enter ();
  const Doorbells *d = __atomic_load_n (&region->doorbells, __ATOMIC_SEQ_CST);
  for (unsigned i = d ? first_at (d, offset) : 0; d && !rung && i < d->n && d->bell[i].offset == offset; i++) {
    const BpDoorbell *b = &d->bell[i];
    rung = (!b->size || b->size == size) && (!b->match || b->value == (value & ones (size)));
    if (rung)
      signal_fd (b->fd);
  }
  view_leave ();
  return rung;
}

/* --- adding and removing ------------------------------------------------------------------------ */

static void
publish (BpRegion *region, Doorbells *d, bool wait)
{
  Doorbells *before = region->doorbells;
  __atomic_store_n (&region->doorbells, d, __ATOMIC_SEQ_CST);
  if (before)
    view_retire (before, g_free);
  region_changed (region, wait);
}

/* As the caller says it -> as it is kept. */
static BpDoorbell
normal (const BpRegion *region, const BpDoorbell *given)
{
  BpDoorbell b = { 0 };
  memcpy (&b, given, MIN (given->struct_size, sizeof b));
  g_assert (b.size == 0 || b.size == 1 || b.size == 2 || b.size == 4 || b.size == 8);
  g_assert (!b.match || b.size);
  b.struct_size = sizeof b;
  if (!b.match)
    b.value = 0;
  else if (region->ops.endian == BP_BIG_ENDIAN)
    b.value = GUINT64_SWAP_LE_BE (b.value) >> (64 - 8 * b.size);
  else
    b.value &= ones (b.size);
  return b;
}

void
bp_region_add_doorbell (BpRegion *region, const BpDoorbell *doorbell)
{
  CONTRACT_MAIN_OR_LOCKED (region->machine);
  BpDoorbell b = normal (region, doorbell);
  g_assert (region->kind == REGION_IO && !region->dead);
  g_assert ((Wide) b.offset + MAX (b.size, 1) <= region->size);
  bp_memory_begin ();
  const Doorbells *before = region->doorbells;
  unsigned n = before ? before->n : 0, at = 0;
  Doorbells *d = g_malloc (sizeof *d + (n + 1) * sizeof *d->bell);
  for (unsigned i = 0; i < n; i++) {
    g_assert (!collide (&before->bell[i], &b));
    at += compare (&before->bell[i], &b) < 0;
  }
  if (at)
    memcpy (d->bell, before->bell, at * sizeof b);
  d->bell[at] = b;
  if (at < n)
    memcpy (d->bell + at + 1, before->bell + at, (n - at) * sizeof b);
  d->n = n + 1;
  publish (region, d, false);
  bp_memory_commit ();
}

void
bp_region_remove_doorbell (BpRegion *region, const BpDoorbell *doorbell)
{
  CONTRACT_MAIN_OR_LOCKED (region->machine);
  BpDoorbell b = normal (region, doorbell);
  bp_memory_begin ();
  const Doorbells *before = region->doorbells;
  unsigned n = before ? before->n : 0, at = 0;
  while (at < n && compare (&before->bell[at], &b))
    at++;
  g_assert (at < n);            /* it was never added, or is removed twice */
  Doorbells *d = NULL;
  if (n > 1) {
    d = g_malloc (sizeof *d + (n - 1) * sizeof *d->bell);
    memcpy (d->bell, before->bell, at * sizeof b);
    memcpy (d->bell + at, before->bell + at + 1, (n - 1 - at) * sizeof b);
    d->n = n - 1;
  }
  publish (region, d, true);
  bp_memory_commit ();
}

void
doorbells_drop (BpRegion *region)
{
  if (region->doorbells)
    publish (region, NULL, true);
}

/* --- where address spaces show them ----------------------------------------------------------------- */

/* Sorted, because ranges are and do not overlap. */
GArray *
doorbells_flatten (const BpFlatRange *ranges, unsigned n_ranges)
{
  GArray *all = NULL;
  for (unsigned r = 0; r < n_ranges; r++) {
    const BpFlatRange *range = &ranges[r];
    const Doorbells *d = range->region->doorbells;
    for (unsigned i = d ? first_at (d, range->region_offset) : 0; d && i < d->n; i++) {
      uint64_t inside = d->bell[i].offset - range->region_offset;
      if (inside > range->size - 1)
        break;
      if (MAX (d->bell[i].size, 1) - 1 > range->size - 1 - inside)
        continue;               /* something lies over a part of it: such a write is split */
      FlatDoorbell flat = { range->address + inside, d->bell[i] };
      if (!all)
        all = g_array_new (FALSE, FALSE, sizeof flat);
      g_array_append_val (all, flat);
    }
  }
  return all;
}

/* --- late writes -------------------------------------------------------------------------------------- */

void
bp_memory_flush_writes (BpMachine *machine)
{
  CONTRACT_LOCKED (machine);
  if (BP_TABLE_HAS (machine->accel_iface, flush_writes))
    machine->accel_iface->flush_writes (object_instance (machine->accel));
}
