/* balloon-pages.c -- pages of guest RAM on their way back to the host, through the memory backend behind them. */
/* SPDX-License-Identifier: MIT */
#include "balloon.h"
#include <backplane/iface/memory-backend.h>

typedef struct Span {           /* of one memory backend */
  void *backend;
  uint64_t offset, size, ram;
} Span;

/* The RAM at an address, and on, at most `most' bytes; false: there is none that a guest can write.  *size: how far that goes in either case. */
static bool
span_at (BpAddressSpace *as, uint64_t address, uint64_t most, Span *span)
{
  *span = (Span) { .size = MIN (most, PAGE_SIZE_BYTES - (address & (PAGE_SIZE_BYTES - 1))) };
  const BpFlatRange *r = bp_as_lookup (as, address);
  if (!r)
    return false;
  uint64_t inside = address - r->address;
  bool ram = r->host && !r->readonly && r->ram_address != UINT64_MAX;
  if (r->size)
    span->size = MIN (most, r->size - inside);
  else
    span->size = most;
  if (ram) {
    span->backend = bp_region_owner (r->region);
    span->offset = r->region_offset + inside;
    span->ram = r->ram_address + inside;
  }
  bp_as_leave (as);
  return ram && span->backend;
}

/* Only whole pages of the backend's: what is around them belongs to somebody else. */
static uint64_t
discard_span (Span s)
{
  const BpMemoryBackendIface *iface = bp_object_interface (s.backend, BP_MEMORY_BACKEND_ID);
  uint64_t skip = -s.offset & (PAGE_SIZE_BYTES - 1);
  if (!BP_TABLE_HAS (iface, discard) || s.size < skip)
    return 0;
  s.size = (s.size - skip) & ~(uint64_t) (PAGE_SIZE_BYTES - 1);
  if (!s.size)
    return 0;
  if (!iface->discard (s.backend, s.offset + skip, s.size))
    return 0;
  bp_dirty_mark (s.ram + skip, s.size); /* it reads as zeros now: translated code goes, migration sends it again */
  return s.size;
}

uint64_t
balloon_discard (BpAddressSpace *as, uint64_t address, uint64_t size)
{
  uint64_t done = 0;
  for (Span s; size; address += s.size, size -= s.size)
    if (span_at (as, address, size, &s))
      done += discard_span (s);
  return done;
}

static bool
span_of (BpMachine *machine, const uint8_t *host, uint64_t size, Span *span)
{
  unsigned cursor = 0;
  for (void *m; (m = bp_machine_next (machine, BP_MEMORY_BACKEND_ID, &cursor));) {
    const BpMemoryBackendIface *iface = bp_object_interface (m, BP_MEMORY_BACKEND_ID);
    BpRegion *region = BP_TABLE_HAS (iface, region) ? iface->region (m) : NULL;
    const uint8_t *first = region ? bp_region_ram (region) : NULL;
    if (!first || host < first || (uint64_t) (host - first) >= bp_region_size (region))
      continue;
    uint64_t offset = (uint64_t) (host - first);
    *span = (Span) { m, offset, MIN (size, bp_region_size (region) - offset), bp_region_ram_address (region) + offset };
    return true;
  }
  return false;
}

uint64_t
balloon_discard_host (BpMachine *machine, const uint8_t *host, uint64_t size)
{
  uint64_t done = 0;
  for (Span s; size && span_of (machine, host, size, &s); host += s.size, size -= s.size)
    done += discard_span (s);
  return done;
}
