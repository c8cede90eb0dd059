/* memory.h -- regions, address spaces, flat views, dispatch, dirty logs. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A region is a span of addresses with a meaning: container, RAM, ROM, ROM device, I/O callbacks, alias, reserved.  Containers hold
 * regions at offsets with priorities (higher wins; equal: the later one).  An address space is a root container; changes of its tree are grouped
 * in transactions, flattened into sorted non-overlapping ranges, and published to readers without a lock.
 * An access that hits nothing reads all ones and is ignored on write.  An I/O access outside the size limits is split or widened by the
 * dispatcher, so a device only sees sizes between impl_min and impl_max, naturally aligned unless it says otherwise.
 */
#ifndef BACKPLANE_MEMORY_H
#define BACKPLANE_MEMORY_H

#include <backplane/common.h>
BP_BEGIN_DECLS

typedef enum BpEndian { BP_LITTLE_ENDIAN, BP_BIG_ENDIAN } BpEndian;

enum {
  BP_REGION_OPS_UNALIGNED = 1 << 0,     /* the device takes unaligned accesses as they come */
  BP_REGION_OPS_LOCK_FREE = 1 << 1,     /* callbacks are thread-safe: called without the machine lock */
  BP_REGION_OPS_LATE_WRITES = 1 << 2    /* writes may come later than the guest made them, in their order, but before the vCPU's next access to anything that is
                                           not of this kind (RAM and doorbells apart), and before bp_memory_flush_writes returns: KVM's coalesced MMIO.  Frame buffers, transmit
                                           rings */
};

/* Callbacks of an I/O region, copied; NULL reads ones, ignores writes.  self: the region's owner.  offset is from the region's start, size 1, 2, 4 or 8 bytes; values
 * are right-aligned, and of what read returns bits beyond size are ignored.  A write that is narrower than impl_min is merged into what read gives.
 * A callback that does DMA (bp_as_write) may be called again by it, a few levels deep. [any][locked][realized], LOCK_FREE: not locked */
typedef struct BpRegionOps {
  uint32_t struct_size;
  uint32_t flags;               /* BP_REGION_OPS_* */
  uint64_t (*read) (void *self, uint64_t offset, unsigned size);
  void (*write) (void *self, uint64_t offset, uint64_t value, unsigned size);
  uint8_t access_min, access_max;       /* sizes the guest may use; others read ones / are dropped, and logged. 0: 1 and 8 */
  uint8_t impl_min, impl_max;           /* sizes the callbacks handle. 0: 1 and 4 */
  uint8_t endian;                       /* BpEndian */
} BpRegionOps;
#define BP_REGION_OPS(...) { .struct_size = sizeof (BpRegionOps), __VA_ARGS__ }

/* Row of a type's regions: the host creates the region and stores it in the field; the descriptor maps it by its name. */
typedef struct BpRegionDesc {
  const char *name;             /* "pio0", "mmio0": the descriptor's key; NULL ends the table */
  uint32_t offset;              /* of BpRegion *field */
  const BpRegionOps *ops;
  uint64_t size;                /* bytes */
  uint32_t flags;               /* 0 */
  const char *help;             /* required */
} BpRegionDesc;
#define BP_REGION_DESC(name_, T, field, ops_, size_, help_) \
  { (name_), (uint32_t) offsetof (T, field), (ops_), (size_), 0, (help_) }
#define BP_REGION_DESC_END BP_ROW_END_

/* --- regions [main or locked] ------------------------------------------------------------ */
/* owner: the object that makes it, and frees it in unrealize; NULL: nobody's (a container, RAM), and then I/O is not locked.  The name is copied.  Made in configure,
 * realize or later; enabled at first, and in no container.  `host' and its bytes stay the caller's. */
BP_EXPORT BpRegion *bp_region_new_container (void *owner, const char *name, uint64_t size);    /* size UINT64_MAX: 2^64 */
BP_EXPORT BpRegion *bp_region_new_io (void *owner, const char *name, const BpRegionOps *ops, uint64_t size);
/* host: page-aligned memory of `size` bytes that outlives the region (a RAM block). */
BP_EXPORT BpRegion *bp_region_new_ram (void *owner, const char *name, void *host, uint64_t size);
BP_EXPORT BpRegion *bp_region_new_rom (void *owner, const char *name, void *host, uint64_t size);
/* Reads come from host memory while `rom_mode` is on; writes (and reads while it is off) go to ops. */
BP_EXPORT BpRegion *bp_region_new_rom_device (void *owner, const char *name, const BpRegionOps *ops, void *host, uint64_t size);
BP_EXPORT BpRegion *bp_region_new_alias (void *owner, const char *name, BpRegion *target, uint64_t offset, uint64_t size);
BP_EXPORT BpRegion *bp_region_new_reserved (void *owner, const char *name, uint64_t size);
BP_EXPORT void bp_region_free (BpRegion *region);      /* removes it from its container first; its aliases then show nothing.  NULL is fine */
/* The child has no container yet; it may reach beyond the container, which shows what is inside.  Neither owns the other. */
BP_EXPORT void bp_region_add (BpRegion *container, uint64_t offset, BpRegion *child, int priority);
BP_EXPORT void bp_region_remove (BpRegion *child);
BP_EXPORT void bp_region_set_enabled (BpRegion *region, bool enabled);
BP_EXPORT void bp_region_set_readonly (BpRegion *region, bool readonly);       /* RAM and aliases of RAM: writes are dropped */
BP_EXPORT void bp_region_set_offset (BpRegion *child, uint64_t offset);
BP_EXPORT void bp_region_set_size (BpRegion *region, uint64_t size);           /* not of RAM, ROM and ROM devices, whose host memory has its size: that ends the process */
BP_EXPORT void bp_region_set_rom_mode (BpRegion *region, bool on);
/* [any] */
BP_EXPORT const char *bp_region_name (const BpRegion *region);
BP_EXPORT uint64_t bp_region_size (const BpRegion *region);
BP_EXPORT void *bp_region_owner (const BpRegion *region);
BP_EXPORT void *bp_region_ram (const BpRegion *region);        /* host memory of RAM/ROM kinds, else NULL */
/* In configure: the descriptor can map this region of the object's (or nobody's) by its name, as if it were in the type's table.  It stays the object's to free. [main] */
BP_EXPORT void bp_region_publish (void *self, BpRegion *region, const char *help);

/* A write of `size' bytes (0: of any) at `offset' signals an eventfd instead of calling the region: the device's thread does the rest, and under KVM the
 * vCPU does not leave the guest.  It is the write as the guest made it, before it is split or widened.  `match': only of this value, as the callback would get
 * it; then size is not 0.  I/O regions; fd stays the caller's, open until it is removed and the outermost commit is over.  No two that the same write
 * would signal.  The region's freeing removes what is left.  Late writes that the vCPU made before may not have been made when it rings: who is woken calls
 * bp_memory_flush_writes where that matters. [main or locked] */
typedef struct BpDoorbell {
  uint32_t struct_size;
  uint32_t size;                /* 0, 1, 2, 4, 8 */
  uint64_t offset;              /* in the region */
  uint64_t value;
  bool match;
  int fd;
} BpDoorbell;
BP_EXPORT void bp_region_add_doorbell (BpRegion *region, const BpDoorbell *doorbell);
BP_EXPORT void bp_region_remove_doorbell (BpRegion *region, const BpDoorbell *doorbell);

/* What vCPUs have written to regions with late writes reaches them now.  A device calls this before it looks at itself other than by an access of the guest
 * (a display that draws). [any][locked] */
BP_EXPORT void bp_memory_flush_writes (BpMachine *machine);
/* For what may take a little while and is not worth another thread: called from a callback of a region (or what that calls), it has f (user) called by the same thread when the
 * access is over, before the guest's next instruction, and without the machine lock, unless who made the access has it.  One call at a time; f may leave the next.  false: there
 * is one already, or no access; f is not called. [any][locked] */
BP_EXPORT bool bp_memory_after_access (BpMachine *machine, void (*f) (void *user), void *user);

/* Changes between begin and commit become visible at once, at the outermost commit.  One thread is between them at a time, the others wait: do nothing else there. [main or locked] */
BP_EXPORT void bp_memory_begin (void);
BP_EXPORT void bp_memory_commit (void);

/* --- address spaces -------------------------------------------------------------------- */
/* One of a device's own (a bus, an IOMMU), besides those of the machine (object.h), which are not freed.  The root stays the caller's and outlives it. [main or locked] */
BP_EXPORT BpAddressSpace *bp_address_space_new (BpMachine *machine, const char *name, BpRegion *root);
BP_EXPORT void bp_address_space_free (BpAddressSpace *as);
BP_EXPORT BpRegion *bp_address_space_root (BpAddressSpace *as);

/* Access by a device or the host (DMA), of any size and alignment, byte by byte as the bus has them.  false: some of it hit nothing, a reserved region, or was
 * refused; reads give ones there, the rest was read or written.  What lies at a device's registers is called, under the machine lock:
 * those of the device that does the DMA, too, if a guest says so, whose callback then runs within its own.  Of accesses within each other the 17th is refused, and logged.  [any] */
BP_EXPORT bool bp_as_read (BpAddressSpace *as, uint64_t address, void *buffer, uint64_t size);
BP_EXPORT bool bp_as_write (BpAddressSpace *as, uint64_t address, const void *buffer, uint64_t size);
/* One guest access of 1, 2, 4 or 8 bytes, little-endian value. [any] */
BP_EXPORT uint64_t bp_as_load (BpAddressSpace *as, uint64_t address, unsigned size);
BP_EXPORT void bp_as_store (BpAddressSpace *as, uint64_t address, uint64_t value, unsigned size);
/* Writes that also reach ROM (loaders, debuggers). [any] */
BP_EXPORT bool bp_as_write_rom (BpAddressSpace *as, uint64_t address, const void *buffer, uint64_t size);

/* --- flat view: for accelerators and listeners ------------------------------------------- */
typedef struct BpFlatRange {
  uint32_t struct_size;
  uint32_t readonly;            /* ROM, or RAM set read-only, or a ROM device in ROM mode: stores go to `region` or nowhere */
  uint64_t address, size;       /* in the address space; size 0 stands for 2^64 */
  BpRegion *region;             /* the leaf */
  uint64_t region_offset;       /* of `address` in the leaf */
  uint8_t *host;                /* host memory of `address` when reads are plain memory, else NULL */
  uint64_t ram_address;         /* of `address` in the machine-wide numbering of RAM blocks (dirty logs); ~0 when not RAM */
  uint32_t late_writes;         /* BP_REGION_OPS_LATE_WRITES, the region takes an access of any size, and has no doorbells */
  uint32_t reserved;
} BpFlatRange;

/* The range that holds `address`, valid until bp_as_leave; NULL for a hole (then there is nothing to leave).  Read-side critical section: no
 * blocking inside.  Once a RAM region was freed or disabled (and the outermost commit is over), no section that can see it is left. [any] */
BP_EXPORT const BpFlatRange *bp_as_lookup (BpAddressSpace *as, uint64_t address);
BP_EXPORT void bp_as_leave (BpAddressSpace *as);
/* Dispatch one access to an I/O range found by lookup (takes the machine lock as the region needs).  Between lookup and leave this is safe
 * against a region that goes away meanwhile, but the range is stale afterwards: the map may have changed. [any] */
BP_EXPORT uint64_t bp_region_dispatch_read (BpRegion *region, uint64_t offset, unsigned size);
BP_EXPORT void bp_region_dispatch_write (BpRegion *region, uint64_t offset, uint64_t value, unsigned size);

typedef struct BpMemoryListener {
  uint32_t struct_size;
  void (*begin) (void *user);
  void (*add) (void *user, const BpFlatRange *range);           /* also called for all that is there when registering */
  void (*remove) (void *user, const BpFlatRange *range);
  void (*commit) (void *user);  /* caches of translations must be dropped now */
  /* A doorbell is, or is no longer, at `address' of the space; between begin and commit, after the ranges.  Its value is as the guest stores it, little-endian. */
  void (*doorbell_add) (void *user, uint64_t address, const BpDoorbell *doorbell);
  void (*doorbell_remove) (void *user, uint64_t address, const BpDoorbell *doorbell);
} BpMemoryListener;
/* Called at commits, in the committing thread, under the map's lock and perhaps without the machine lock, which a listener must not take.  Returns a number for removal; once
 * bp_as_unlisten returns, nobody is called any more.  Not between bp_as_lookup and bp_as_leave. [any] */
BP_EXPORT unsigned bp_as_listen (BpAddressSpace *as, const BpMemoryListener *listener, void *user);
BP_EXPORT void bp_as_unlisten (BpAddressSpace *as, unsigned number);

/* --- dirty logs: one bit a 4 KiB page of RAM and client --------------------------------------- */
typedef enum BpDirtyClient { BP_DIRTY_DISPLAY, BP_DIRTY_MIGRATION, BP_DIRTY_CODE, BP_DIRTY_N_CLIENTS } BpDirtyClient;
/* Marks pages written.  For BP_DIRTY_CODE a *clear* bit means the page holds translated code: its writers must tell the code
 * listener before the bit is set. [any] */
BP_EXPORT void bp_dirty_mark (uint64_t ram_address, uint64_t size);
BP_EXPORT bool bp_dirty_test (BpDirtyClient client, uint64_t ram_address);
BP_EXPORT bool bp_dirty_test_all (uint64_t ram_address);       /* every client's bit is set: a store needs no care */
/* Clears the client's bits of a span and returns whether any was set. [any] */
BP_EXPORT bool bp_dirty_clear (BpDirtyClient client, uint64_t ram_address, uint64_t size);
/* Called before any write that goes through bp_as_* or bp_dirty_mark touches a page whose CODE bit is clear. One listener (the accelerator);
 * NULL: none.  A call to the one before may be under way still. [any] */
BP_EXPORT void bp_dirty_set_code_listener (void (*written) (void *user, uint64_t ram_address, uint64_t size), void *user);

/* Of the region's first byte in the machine-wide numbering; ~0 for a region without host memory. */
BP_EXPORT uint64_t bp_region_ram_address (const BpRegion *region);
/* Starts or ends the upkeep of DISPLAY or MIGRATION bits (counted).  At the start every bit is set.  While nobody wants a client's bits,
 * bp_dirty_test_all leaves it out, and bp_dirty_test and bp_dirty_clear say that everything is dirty. [any] */
BP_EXPORT void bp_dirty_enable (BpDirtyClient client, bool enable);
/* Sets the bits without a write.  For BP_DIRTY_CODE: the accelerator dropped the last translated block of these pages.  bp_dirty_mark never
 * sets CODE bits, because a page may hold other blocks than those that were hit. [any] */
BP_EXPORT void bp_dirty_set (BpDirtyClient client, uint64_t ram_address, uint64_t size);

/* For an accelerator that caches "a store here needs no care", or logs writes in a place of its own.  One at a time; NULL: none. */
typedef struct BpDirtyWatcher {
  uint32_t struct_size;
  /* DISPLAY or MIGRATION bits were cleared: from now on stores there need care again. [any] */
  void (*cleared) (void *user, uint64_t ram_address, uint64_t size);
  /* Bring in (bp_dirty_mark) what was written there behind the core's back. [any] */
  void (*sync) (void *user, uint64_t ram_address, uint64_t size);
  /* Somebody wants DISPLAY or MIGRATION bits, or nobody does any more.  Told when the watcher is set, too. [any] */
  void (*wanted) (void *user, BpDirtyClient client, bool wanted);
} BpDirtyWatcher;
/* A call to the one before may be under way still. [any] */
BP_EXPORT void bp_dirty_set_watcher (const BpDirtyWatcher *watcher, void *user);
/* A client calls this once before it looks at the bits of a span (a display: once a frame). [any] */
BP_EXPORT void bp_dirty_sync (uint64_t ram_address, uint64_t size);

BP_END_DECLS
#endif
