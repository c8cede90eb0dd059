/* guest-memory.h -- an address space's RAM as host memory: a map that follows every change of the space. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_GUEST_MEMORY_H
#define HW_VIRTIO_GUEST_MEMORY_H

#include <backplane/memory.h>

typedef struct GuestRange {
  uint64_t address, size;
  uint8_t *host;
  uint64_t ram;                 /* of `address' in the numbering of RAM blocks; ~0: no dirty log */
  bool readonly;
} GuestRange;

typedef struct GuestMemory {
  GArray *told;                 /* of GuestRange, as the space has them, by address */
  GArray *ranges;               /* the same, neighbours joined that go on in host memory as well */
  unsigned last;                /* range found last */
  unsigned generation;          /* another after each change */
  bool changed;
  BpAddressSpace *as;
  unsigned listener;
  void (*moved) (void *user);   /* after a change. [locked] */
  void *user;
} GuestMemory;

void guest_memory_init (GuestMemory *m, BpAddressSpace *as, void (*moved) (void *user), void *user);
void guest_memory_finish (GuestMemory *m);
/* Host memory of `address', *size clipped to how far it goes on from there, *ram for dirty logs; NULL: it is no RAM, or must not be written. */
uint8_t *guest_memory_at (GuestMemory *m, uint64_t address, bool write, uint64_t *size, uint64_t *ram);
/* Bytes as they are now, read once.  false: not all of them are RAM. */
bool guest_memory_read (GuestMemory *m, uint64_t address, void *bytes, unsigned size);
static inline bool guest_memory_is_empty (const GuestMemory *m) { return m->ranges->len == 0; }

#endif
