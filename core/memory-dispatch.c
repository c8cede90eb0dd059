/* memory-dispatch.c -- accesses: to host memory, or to callbacks in the sizes that a device takes. */
/* SPDX-License-Identifier: MIT */
#include "memory.h"
#include "contract.h"
#include <backplane/log.h>
#include <backplane/object.h>
#include <string.h>

#define MAX_LOGGED_PAGES 4096
#define HEX "0x%" G_GINT64_MODIFIER "x"

static inline uint64_t
ones (unsigned size)
{
  return size == 8 ? UINT64_MAX : (UINT64_C (1) << 8 * size) - 1;
}

/* --- sizes, alignment, byte order ------------------------------------------------------------- */

/* One call of a callback: `size` bytes at `at`, of which `n_used` from `skip` on are asked for. */
typedef struct Piece {
  uint64_t at;
  unsigned size, skip, n_used;
} Piece;

static Piece
next_piece (const BpRegionOps *ops, uint64_t at, uint64_t end)
{
  bool unaligned = ops->flags & BP_REGION_OPS_UNALIGNED;
  unsigned size = ops->impl_max;
  while (size > ops->impl_min && (end - at < size || (!unaligned && at & (size - 1))))
    size /= 2;
  if (end - at >= size && (unaligned || !(at & (size - 1))))
    return (Piece) { at, size, 0, size };
  /* Widened: the smallest word that the device takes, which holds some of the bytes. */
  unsigned skip = (unsigned) (at & (size - 1));
  return (Piece) { at - skip, size, skip, (unsigned) MIN (end - at, size - skip) };
}

/* A callback's value has the region's byte order within `size` bytes; ours is little-endian. */
static inline uint64_t
in_order (const BpRegionOps *ops, uint64_t value, unsigned size)
{
  if (ops->endian == BP_BIG_ENDIAN)
    return GUINT64_SWAP_LE_BE (value) >> (64 - 8 * size);
  return value & ones (size);
}

static inline uint64_t
call_read (const BpRegion *r, uint64_t offset, unsigned size)
{
  return in_order (&r->ops, r->ops.read (r->owner, offset, size), size);
}

static inline void
call_write (const BpRegion *r, uint64_t offset, uint64_t value, unsigned size)
{
  r->ops.write (r->owner, offset, in_order (&r->ops, value, size), size);
}

static inline bool
fits_as_is (const BpRegionOps *ops, uint64_t offset, unsigned size)
{
  return size >= ops->impl_min && size <= ops->impl_max
         && (!(offset & (size - 1)) || ops->flags & BP_REGION_OPS_UNALIGNED);
}

/* The end of a region of 2^64 bytes is 0, so here and below it is not compared but met. */
static uint64_t
read_pieces (const BpRegion *r, uint64_t offset, unsigned size)
{
  uint64_t value = 0;
  for (uint64_t at = offset; at != offset + size && !r->dead;) {
    Piece p = next_piece (&r->ops, at, offset + size);
    uint64_t part = call_read (r, p.at, p.size) >> 8 * p.skip & ones (p.n_used);
    value |= part << 8 * (at - offset);
    at += p.n_used;
  }
  return value;
}

/* A write narrower than the device takes is merged into what it reads there. */
static void
write_pieces (const BpRegion *r, uint64_t offset, uint64_t value, unsigned size)
{
  for (uint64_t at = offset; at != offset + size && !r->dead;) {
    Piece p = next_piece (&r->ops, at, offset + size);
    uint64_t part = value >> 8 * (at - offset) & ones (p.n_used);
    if (p.n_used != p.size) {
      uint64_t kept = r->ops.read ? call_read (r, p.at, p.size) : 0;
      part = (kept & ~(ones (p.n_used) << 8 * p.skip)) | part << 8 * p.skip;
    }
    call_write (r, p.at, part, p.size);
    at += p.n_used;
  }
}

/* --- one access to a region's callbacks ------------------------------------------------------- */

/* A guest may point a device's DMA at registers, its own too, that start DMA again.  Machines are not this deep in one access; the host's stack has room for it. */
enum { DEEPEST = 16 };

/* Once a region: what goes in a circle does so each time. */
static void
log_too_deep (BpRegion *r, uint64_t offset, unsigned size, const char *what)
{
  if (bp_log_on (BP_LOG_GUEST_ERRORS) && !__atomic_exchange_n (&r->told_too_deep, true, __ATOMIC_RELAXED))
    bp_log_guest (r->owner, "%s: %u-byte %s at " HEX " from within %d others is refused: DMA that goes in a circle?", r->name, size, what, offset, DEEPEST);
}

static bool
is_allowed (BpRegion *r, unsigned depth, uint64_t offset, unsigned size, const char *what, bool has_callback)
{
  if (__atomic_load_n (&r->dead, __ATOMIC_ACQUIRE))
    return false;
  if (G_UNLIKELY (depth > DEEPEST)) {
    log_too_deep (r, offset, size, what);
    return false;
  }
  if (G_LIKELY (has_callback && size >= r->ops.access_min && size <= r->ops.access_max))
    return true;
  if (r->kind == REGION_RESERVED)
    bp_log_guest (r->owner, "%s: %u-byte %s at " HEX " of a reserved range", r->name, size, what, offset);
  else if (!has_callback)
    bp_log_guest (r->owner, "%s: %u-byte %s at " HEX ", which has none", r->name, size, what, offset);
  else
    bp_log_guest (r->owner, "%s: %u-byte %s at " HEX ", it takes %u to %u bytes", r->name, size, what, offset,
                  r->ops.access_min, r->ops.access_max);
  return false;
}

/* This thread's accesses: how deep it is in them, and what a device has left for when they are over. */
static __thread struct After {
  unsigned depth;
  unsigned free_depth;          /* in those of lock-free regions, which are no part of depth */
  BpMachine *machine;           /* of the outermost one */
  void (*f) (void *user);
  void *user;
} after __attribute__ ((tls_model ("initial-exec")));   /* (each access looks at it: no call of the linker's for that) */

bool
bp_memory_after_access (BpMachine *machine, void (*f) (void *user), void *user)
{
  CONTRACT_LOCKED (machine);
  if (!after.depth || after.machine != machine || after.f)
    return false;
  after.f = f;
  after.user = user;
  return true;
}

/* What it does may leave the next. */
static void
run_after (void)
{
  for (void (*f) (void *user); (f = after.f);) {
    after.f = NULL;
    f (after.user);
  }
}

/* What holds while callbacks run: the struct is kept, no read-side section is open, the machine is locked. */
typedef struct Call {
  BpRegion *region;
  BpMachine *locked;
  unsigned nest;
  unsigned depth;               /* with this one */
} Call;

static Call
call_begin (BpRegion *region)
{
  Call c = { .region = region,
             .locked = region->ops.flags & BP_REGION_OPS_LOCK_FREE ? NULL : region->machine };
  __atomic_add_fetch (&region->refs, 1, __ATOMIC_RELAXED);
  c.nest = view_pause ();
  if (!c.locked) {
    c.depth = ++after.free_depth;
    return c;
  }
  bp_machine_lock (c.locked);
  if (!after.depth++)
    after.machine = c.locked;
  c.depth = after.depth;
  return c;
}

/* With `leave` the caller's innermost section ends: to open it again only to leave it would cost as much as a lock. */
static void
call_end (const Call *c, bool leave)
{
  if (c->locked) {
    bp_machine_unlock (c->locked);
    if (after.depth == 1 && G_UNLIKELY (after.f))
      run_after ();
    after.depth--;
  } else {
    after.free_depth--;
  }
  view_resume (leave && c->nest ? c->nest - 1 : c->nest);
  region_unref (c->region);
}

static bool
region_read (BpRegion *region, uint64_t offset, unsigned size, uint64_t *value, bool leave)
{
  Call c = call_begin (region);
  bool ok = is_allowed (region, c.depth, offset, size, "read", region->ops.read != NULL);
  if (!ok)
    *value = ones (size);
  else if (G_LIKELY (fits_as_is (&region->ops, offset, size)))
    *value = call_read (region, offset, size);
  else
    *value = read_pieces (region, offset, size);
  call_end (&c, leave);
  return ok;
}

static bool
region_write (BpRegion *region, uint64_t offset, uint64_t value, unsigned size, bool leave)
{
  if (G_UNLIKELY (__atomic_load_n (&region->doorbells, __ATOMIC_RELAXED)) && doorbell_ring (region, offset, value, size)) {
    if (leave)
      view_leave ();
    return true;
  }
  Call c = call_begin (region);
  bool ok = is_allowed (region, c.depth, offset, size, "write", region->ops.write != NULL);
  if (ok && G_LIKELY (fits_as_is (&region->ops, offset, size)))
    call_write (region, offset, value, size);
  else if (ok)
    write_pieces (region, offset, value, size);
  call_end (&c, leave);
  return ok;
}

uint64_t
bp_region_dispatch_read (BpRegion *region, uint64_t offset, unsigned size)
{
  uint64_t value;
  region_read (region, offset, size, &value, false);
  return value;
}

void
bp_region_dispatch_write (BpRegion *region, uint64_t offset, uint64_t value, unsigned size)
{
  region_write (region, offset, value, size, false);
}

/* --- complaints ------------------------------------------------------------------------------- */

/* A stray access is logged once a page: a guest that probes for devices would flood the log. */
static void
log_stray (BpAddressSpace *as, uint64_t address, uint64_t size, const char *what)
{
  if (!bp_log_on (BP_LOG_GUEST_ERRORS))
    return;
  int64_t page = (int64_t) (as->root && as->root->size <= 0x10000 ? address : address >> GUEST_PAGE_BITS);
  g_mutex_lock (&as->log_lock);
  if (!as->logged)
    as->logged = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  bool first =
    g_hash_table_size (as->logged) < MAX_LOGGED_PAGES && !g_hash_table_contains (as->logged, &page);
  if (first)
    g_hash_table_add (as->logged, g_memdup2 (&page, sizeof page));
  g_mutex_unlock (&as->log_lock);
  if (first)
    bp_log_guest (NULL, "%s: %" G_GUINT64_FORMAT "-byte %s at " HEX, as->name, size, what, address);
}

/* --- host memory ------------------------------------------------------------------------------ */

/* Aligned accesses are single: another vCPU never sees half of one. */
static inline uint64_t
load_host (const uint8_t *host, unsigned size)
{
  uint64_t value = 0;
  if (G_UNLIKELY ((uintptr_t) host & (size - 1))) {
    memcpy (&value, host, size);
    return GUINT64_FROM_LE (value) >> (G_BYTE_ORDER == G_BIG_ENDIAN ? 64 - 8 * size : 0);
  }
  switch (size) {
  case 1: return __atomic_load_n (host, __ATOMIC_RELAXED);
  case 2: return GUINT16_FROM_LE (__atomic_load_n ((const uint16_t *) host, __ATOMIC_RELAXED));
  case 4: return GUINT32_FROM_LE (__atomic_load_n ((const uint32_t *) host, __ATOMIC_RELAXED));
  default: return GUINT64_FROM_LE (__atomic_load_n ((const uint64_t *) host, __ATOMIC_RELAXED));
  }
}

static inline void
store_host (uint8_t *host, uint64_t value, unsigned size)
{
  if (G_UNLIKELY ((uintptr_t) host & (size - 1))) {
    for (unsigned i = 0; i < size; i++)
      host[i] = (uint8_t) (value >> 8 * i);
    return;
  }
  switch (size) {
  case 1: __atomic_store_n (host, (uint8_t) value, __ATOMIC_RELAXED); break;
  case 2: __atomic_store_n ((uint16_t *) host, GUINT16_TO_LE ((uint16_t) value), __ATOMIC_RELAXED); break;
  case 4: __atomic_store_n ((uint32_t *) host, GUINT32_TO_LE ((uint32_t) value), __ATOMIC_RELAXED); break;
  default: __atomic_store_n ((uint64_t *) host, GUINT64_TO_LE (value), __ATOMIC_RELAXED); break;
  }
}

/* The code listener hears of it before, so that nothing stale runs on, and after (in mark): a block may have
 * been translated meanwhile from the old bytes.  The fence there orders the bytes before that second look. */
static void
mark_written (uint64_t ram_address, uint64_t size)
{
  bp_dirty_mark (ram_address, size);
}

/* --- single accesses -------------------------------------------------------------------------- */

typedef enum Transfer { TRANSFER_READ, TRANSFER_WRITE, TRANSFER_WRITE_ROM } Transfer;
static bool transfer (BpAddressSpace *as, uint64_t address, uint8_t *buffer, uint64_t size, Transfer how);

uint64_t
bp_as_load (BpAddressSpace *as, uint64_t address, unsigned size)
{
  g_assert (size == 1 || size == 2 || size == 4 || size == 8);
  const BpFlatRange *r = view_find (view_enter (as), address);
  if (r && size - 1 <= range_last (r) - address) {
    uint64_t inside = address - r->address, value;
    if (!r->host) {
      region_read (r->region, r->region_offset + inside, size, &value, true);
      return value;
    }
    value = load_host (r->host + inside, size);
    view_leave ();
    return value;
  }
  view_leave ();
  uint8_t bytes[8];
  uint64_t value = 0;
  transfer (as, address, bytes, size, TRANSFER_READ);
  for (unsigned i = 0; i < size; i++)
    value |= (uint64_t) bytes[i] << 8 * i;
  return value;
}

void
bp_as_store (BpAddressSpace *as, uint64_t address, uint64_t value, unsigned size)
{
  g_assert (size == 1 || size == 2 || size == 4 || size == 8);
  const BpFlatRange *r = view_find (view_enter (as), address);
  if (r && size - 1 <= range_last (r) - address) {
    uint64_t inside = address - r->address;
    if (r->host && !r->readonly) {
      ram_tell_code (r->ram_address + inside, size);
      store_host (r->host + inside, value, size);
      mark_written (r->ram_address + inside, size);
    } else if (r->readonly && r->region->kind != REGION_ROM_DEVICE) {
      log_stray (as, address, size, "write to read-only memory");
    } else {
      region_write (r->region, r->region_offset + inside, value & ones (size), size, true);
      return;
    }
    view_leave ();
    return;
  }
  view_leave ();
  uint8_t bytes[8];
  for (unsigned i = 0; i < size; i++)
    bytes[i] = (uint8_t) (value >> 8 * i);
  transfer (as, address, bytes, size, TRANSFER_WRITE);
}

/* --- buffers ---------------------------------------------------------------------------------- */

/* The widest access that the device takes for the bytes at `address`. */
static unsigned
access_size (const BpRegion *r, uint64_t offset, uint64_t n)
{
  unsigned size = r->kind == REGION_RESERVED ? 8 : r->ops.access_max;
  while (size > 1 && (n < size || offset & (size - 1)))
    size /= 2;
  return size;
}

static bool
transfer_device (BpRegion *region, uint64_t offset, uint8_t *buffer, unsigned size, Transfer how)
{
  uint64_t value = 0;
  bool ok;
  if (how == TRANSFER_READ) {
    ok = region_read (region, offset, size, &value, false);
    for (unsigned i = 0; i < size; i++)
      buffer[i] = (uint8_t) (value >> 8 * i);
  } else {
    for (unsigned i = 0; i < size; i++)
      value |= (uint64_t) buffer[i] << 8 * i;
    ok = region_write (region, offset, value, size, false);
  }
  return ok;
}

static void
write_host (uint8_t *host, uint64_t ram_address, const uint8_t *buffer, uint64_t size)
{
  ram_tell_code (ram_address, size);
  memcpy (host, buffer, size);
  mark_written (ram_address, size);
}

/* As much as one range, or one callback, takes of the span; *done says how much. */
static bool
transfer_some (BpAddressSpace *as, const BpFlatRange *r, uint64_t address, uint8_t *buffer, uint64_t size,
               Transfer how, uint64_t *done)
{
  uint64_t inside = address - r->address;
  uint64_t n = MIN (size - 1, range_last (r) - address) + 1;
  *done = n;
  if (how == TRANSFER_READ && r->host) {
    memcpy (buffer, r->host + inside, n);
    return true;
  }
  if ((how == TRANSFER_WRITE && r->host && !r->readonly)
      || (how == TRANSFER_WRITE_ROM && region_has_host (r->region))) {
    uint64_t offset = r->region_offset + inside;
    write_host (r->region->host + offset, r->region->ram_address + offset, buffer, n);
    return true;
  }
  if (r->readonly && r->region->kind != REGION_ROM_DEVICE) {
    log_stray (as, address, n, "write to read-only memory");
    return false;
  }
  unsigned width = access_size (r->region, r->region_offset + inside, n);
  *done = width;
  return transfer_device (r->region, r->region_offset + inside, buffer, width, how);
}

static bool
transfer (BpAddressSpace *as, uint64_t address, uint8_t *buffer, uint64_t size, Transfer how)
{
  bool ok = true;
  while (size) {
    const FlatView *view = view_enter (as);
    const BpFlatRange *r = view_find (view, address);
    uint64_t done;
    if (r) {
      ok &= transfer_some (as, r, address, buffer, size, how, &done);
    } else {
      unsigned next = view_search (view, address);
      done = next < view->n_ranges ? MIN (size, view->ranges[next].address - address)
                                   : MIN (size - 1, UINT64_MAX - address) + 1;
      log_stray (as, address, done, how == TRANSFER_READ ? "read of nothing" : "write to nothing");
      if (how == TRANSFER_READ)
        memset (buffer, 0xff, done);
      ok = false;
    }
    view_leave ();
    address += done;
    buffer += done;
    size -= done;
    if (!address && size) {     /* past the last address: nothing is there, and nothing wraps */
      if (how == TRANSFER_READ)
        memset (buffer, 0xff, size);
      return false;
    }
  }
  return ok;
}

bool
bp_as_read (BpAddressSpace *as, uint64_t address, void *buffer, uint64_t size)
{
  return transfer (as, address, buffer, size, TRANSFER_READ);
}

bool
bp_as_write (BpAddressSpace *as, uint64_t address, const void *buffer, uint64_t size)
{
  return transfer (as, address, (uint8_t *) buffer, size, TRANSFER_WRITE);
}

bool
bp_as_write_rom (BpAddressSpace *as, uint64_t address, const void *buffer, uint64_t size)
{
  return transfer (as, address, (uint8_t *) buffer, size, TRANSFER_WRITE_ROM);
}
