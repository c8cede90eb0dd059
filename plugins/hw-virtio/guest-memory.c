/* guest-memory.c -- an address space's RAM as host memory: a map that follows every change of the space. */
/* SPDX-License-Identifier: MIT */
#include "guest-memory.h"
#include <string.h>

static GuestRange *range_at (GArray *ranges, unsigned i) { return &g_array_index (ranges, GuestRange, i); }

/* Index of the first that begins behind `address'. */
static unsigned
first_behind (GArray *ranges, uint64_t address)
{
  unsigned low = 0, high = ranges->len;
  while (low < high) {
    unsigned middle = low + (high - low) / 2;
    if (range_at (ranges, middle)->address <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* --- listening ---------------------------------------------------------------------------------- */

static bool is_memory (const BpFlatRange *r) { return r->host && r->size; }

static void
range_added (void *user, const BpFlatRange *r)
{
  GuestMemory *m = user;
  if (!is_memory (r))
    return;
  GuestRange range = { r->address, r->size, r->host, r->ram_address, r->readonly != 0 };
  g_array_insert_val (m->told, first_behind (m->told, r->address), range);
  m->changed = true;
}

static void
range_removed (void *user, const BpFlatRange *r)
{
  GuestMemory *m = user;
  unsigned i = first_behind (m->told, r->address);
  if (!is_memory (r) || !i || range_at (m->told, i - 1)->address != r->address)
    return;
  g_array_remove_index (m->told, i - 1);
  m->changed = true;
}

static bool
goes_on (const GuestRange *a, const GuestRange *b)
{
  bool ram = a->ram == UINT64_MAX ? b->ram == UINT64_MAX : a->ram + a->size == b->ram;
  return a->address + a->size == b->address && a->host + a->size == b->host && ram && a->readonly == b->readonly;
}

static void
committed (void *user)
{
  GuestMemory *m = user;
  if (!m->changed)
    return;
  m->changed = false;
  g_array_set_size (m->ranges, 0);
  for (unsigned i = 0; i < m->told->len; i++) {
    GuestRange *r = range_at (m->told, i), *before = m->ranges->len ? range_at (m->ranges, m->ranges->len - 1) : NULL;
    if (before && goes_on (before, r))
      before->size += r->size;
    else
      g_array_append_val (m->ranges, *r);
  }
  m->last = 0;
  m->generation++;
  if (m->moved)
    m->moved (m->user);
}

/* --- life cycle ------------------------------------------------------------------------------------ */

void
guest_memory_init (GuestMemory *m, BpAddressSpace *as, void (*moved) (void *user), void *user)
{
  static const BpMemoryListener listener = { .struct_size = sizeof listener, .add = range_added, .remove = range_removed, .commit = committed };
  *m = (GuestMemory) { .told = g_array_new (FALSE, FALSE, sizeof (GuestRange)), .ranges = g_array_new (FALSE, FALSE, sizeof (GuestRange)),
                       .generation = 1, .as = as, .user = user };
  m->listener = bp_as_listen (as, &listener, m);
  m->moved = moved;             /* what there is at first is no change */
}

void
guest_memory_finish (GuestMemory *m)
{
  if (!m->as)
    return;
  bp_as_unlisten (m->as, m->listener);
  g_array_unref (m->told);
  g_array_unref (m->ranges);
  *m = (GuestMemory) { 0 };
}

/* --- looking up -------------------------------------------------------------------------------------- */

static bool has (const GuestRange *r, uint64_t address) { return address >= r->address && address - r->address < r->size; }

static const GuestRange *
find (GuestMemory *m, uint64_t address)
{
  if (m->last < m->ranges->len && has (range_at (m->ranges, m->last), address))
    return range_at (m->ranges, m->last);
  unsigned i = first_behind (m->ranges, address);
  if (!i || !has (range_at (m->ranges, i - 1), address))
    return NULL;
  m->last = i - 1;
  return range_at (m->ranges, m->last);
}

uint8_t *
guest_memory_at (GuestMemory *m, uint64_t address, bool write, uint64_t *size, uint64_t *ram)
{
  const GuestRange *r = find (m, address);
  if (!r || (write && r->readonly))
    return NULL;
  uint64_t inside = address - r->address;
  *size = MIN (*size, r->size - inside);
  *ram = r->ram == UINT64_MAX ? UINT64_MAX : r->ram + inside;
  return r->host + inside;
}

bool
guest_memory_read (GuestMemory *m, uint64_t address, void *bytes, unsigned size)
{
  for (uint8_t *to = bytes; size;) {
    uint64_t part = size, ram;
    const uint8_t *from = guest_memory_at (m, address, false, &part, &ram);
    if (!from)
      return false;
    memcpy (to, from, part);
    to += part;
    size -= (unsigned) part;
    address += part;
  }
  /* A driver may change it now: what was copied is what counts, and must not be read again. */
  __asm__ volatile ("" ::: "memory");
  return true;
}
