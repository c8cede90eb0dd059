/* memory.h -- the insides of regions, flat views and address spaces: what the memory-*.c files share. */
/* SPDX-License-Identifier: MIT */
/*
 * The tree (memory-region.c) is changed under one lock, the map lock, which a transaction holds from begin
 * to commit; the machine lock, where both are taken, comes first.  Commits flatten (memory-flatten.c) the
 * trees that changed and publish views (memory-view.c).  Readers take no lock: they enter a section, which
 * keeps every view and region that they can see alive, and leave it.
 */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <backplane/memory.h>

/* Addresses, sizes up to 2^64, and differences that may be negative. */
typedef __int128 Wide;
#define WIDE_2_64 ((Wide) 1 << 64)

#define GUEST_PAGE_BITS 12
#define GUEST_PAGE_SIZE (UINT64_C (1) << GUEST_PAGE_BITS)
#define NO_RAM_ADDRESS UINT64_MAX

/* --- regions (memory-region.c) ---------------------------------------------------------------- */

typedef enum RegionKind {
  REGION_CONTAINER, REGION_RAM, REGION_ROM, REGION_ROM_DEVICE, REGION_IO, REGION_ALIAS, REGION_RESERVED
} RegionKind;

struct BpRegion {
  RegionKind kind;
  bool enabled, readonly, rom_mode;
  bool told_too_deep;           /* atomic: that accesses from within others were refused */
  bool dead;                    /* freed by its owner; the struct stays while a view or a dispatch names it */
  int refs;                     /* atomic */
  void *owner;
  void *publisher;              /* whose list of regions has it, by bp_region_publish: the owner, or another object; NULL: nobody's */
  BpMachine *machine;           /* the owner's; NULL without an owner: dispatched without a lock */
  char *name;
  Wide size;

  BpRegion *container;          /* where it is, or NULL */
  uint64_t offset;
  int priority;

  GPtrArray *children;          /* CONTAINER: highest priority first, of equals the later first */
  GPtrArray *aliases;           /* the aliases that show this region; NULL: none ever */
  BpRegion *target;             /* ALIAS; NULL once the target was freed */
  uint64_t target_offset;

  BpRegionOps ops;              /* IO, ROM_DEVICE: a full-size copy with the defaults filled in */
  struct Doorbells *doorbells;  /* IO; atomic: published; NULL: none */
  uint8_t *host;                /* RAM, ROM, ROM_DEVICE */
  uint64_t ram_address;
  uint64_t stamp;               /* of the transaction round that last changed it or something below it */
};

static inline bool region_has_host (const BpRegion *r)
{ return r->kind == REGION_RAM || r->kind == REGION_ROM || r->kind == REGION_ROM_DEVICE; }
void region_unref (BpRegion *region);
/* Those of the machine's objects that show memory of their own, in the order in which they were made.  g_ptr_array_unref */
GPtrArray *memory_regions_with_host (BpMachine *machine);
const char *region_kind_name (RegionKind kind);         /* "ram" */
unsigned memory_n_regions (void);                       /* alive in the process */
unsigned memory_n_listeners (BpMachine *machine);       /* of its address spaces */
/* In a transaction: views that show the region may differ.  `wait': what it had until now is not in use by anyone once the outermost commit is over. */
void region_changed (BpRegion *region, bool wait);

/* --- doorbells (memory-doorbell.c) -------------------------------------------------------------- */
/* Signals the doorbell that a guest's write hits; false: there is none, call the region. */
bool doorbell_ring (BpRegion *region, uint64_t offset, uint64_t value, unsigned size);
/* In a transaction: the region has none any more. */
void doorbells_drop (BpRegion *region);

/* A doorbell where an address space shows it. */
typedef struct FlatDoorbell {
  uint64_t address;
  BpDoorbell doorbell;          /* value: as the guest stores it, little-endian */
} FlatDoorbell;
/* Those of the ranges' regions that are visible as a whole, sorted; an array of FlatDoorbell, or NULL. */
GArray *doorbells_flatten (const BpFlatRange *ranges, unsigned n_ranges);
int doorbells_compare (const FlatDoorbell *a, const FlatDoorbell *b);

/* --- flattening (memory-flatten.c): pure functions -------------------------------------------- */

/* Sorted, not overlapping, adjacent ones of a leaf merged; an array of BpFlatRange.  root NULL: none. */
GArray *memory_flatten (const BpRegion *root);

static inline uint64_t range_last (const BpFlatRange *r) { return r->address + r->size - 1; }

/* A level of the page table: its index is (address >> shift) & ((1 << bits) - 1). */
typedef struct ViewLevel {
  uint8_t shift, bits;
} ViewLevel;

enum {
  VIEW_HOLE = 0,                        /* else, without the bits below: index of the range + 1 */
  VIEW_SEARCH = 0x7fffffff,             /* several ranges, or a part of one: look in the array */
  VIEW_NODE = (int) 0x80000000          /* index into the table of the next level's first entry */
};

typedef struct FlatView {
  BpFlatRange *ranges;
  unsigned n_ranges;
  const ViewLevel *levels;
  Wide limit;                   /* addresses below it are in the table */
  uint32_t *table;
  GArray *doorbells;            /* of FlatDoorbell, sorted; NULL: none */
} FlatView;

FlatView *view_new (const BpRegion *root);
void view_free (FlatView *view);
/* Index of the first range whose last address is at or above `address`; n_ranges when there is none. */
unsigned view_search (const FlatView *view, uint64_t address);

static inline const BpFlatRange *
view_find (const FlatView *view, uint64_t address)
{
  if (G_LIKELY (address < view->limit)) {
    const ViewLevel *level = view->levels;
    uint32_t entry = view->table[address >> level->shift];
    while (entry & (uint32_t) VIEW_NODE) {
      level++;
      entry =
        view
          ->table[(entry & ~(uint32_t) VIEW_NODE) + ((address >> level->shift) & ((1u << level->bits) - 1))];
    }
    if (entry == VIEW_HOLE)
      return NULL;
    if (entry != VIEW_SEARCH)
      return &view->ranges[entry - 1];
  }
  unsigned i = view_search (view, address);
  return i < view->n_ranges && view->ranges[i].address <= address ? &view->ranges[i] : NULL;
}

/* --- address spaces and published views (memory-view.c) --------------------------------------- */

struct BpAddressSpace {
  BpMachine *machine;
  char *name;
  BpRegion *root;               /* NULL once it was freed */
  FlatView *view;               /* atomic: published */
  bool stale;
  GArray *listeners;            /* of struct Listening */
  unsigned next_listener;
  GMutex log_lock;
  GHashTable *logged;           /* pages that were complained about */
};

const char *address_space_name (const BpAddressSpace *as);
/* Of a machine, the builder's and those that its objects have made; NULL: there is none of that name. [any] */
BpAddressSpace *memory_space_find (BpMachine *machine, const char *name);
unsigned memory_n_spaces (BpMachine *machine);
/* The read-side section.  Sections nest. */
const FlatView *view_enter (BpAddressSpace *as);
void view_leave (void);
void section_enter (void);                              /* the same without a view to look at; view_leave ends it */
/* Steps out of all sections of this thread, and back in. */
unsigned view_pause (void);
void view_resume (unsigned nest);
/* Writers' side, under the map lock. */
void views_update (uint64_t stamp);                     /* rebuilds the spaces whose root carries the stamp */
void views_forget_root (const BpRegion *root);
/* destroy (what) once no section that could see it is left */
void view_retire (void *what, void (*destroy) (void *what));
void views_synchronise (void);                          /* waits until the sections now open are left */
void memory_map_lock (void);
void memory_map_unlock (void);

/* --- RAM blocks (memory-ram.c) ---------------------------------------------------------------- */
uint64_t ram_block_new (uint64_t size);
void ram_block_free (uint64_t ram_address, uint64_t size);
/* Clears the bits of a span and says which were set: bit n of `bits', of page n of the span; words for all of them are the caller's.  A page that is written to
 * from then on is marked again, so its contents are read afterwards.  false: none was. [any] */
bool dirty_take (BpDirtyClient client, uint64_t ram_address, uint64_t n_pages, uint64_t *bits);
uint64_t dirty_count (BpDirtyClient client, uint64_t ram_address, uint64_t size);       /* pages [any] */
/* Tells the code listener when pages of the span hold translated code. */
void ram_tell_code (uint64_t ram_address, uint64_t size);

#endif
