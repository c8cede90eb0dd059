/* memory-place.h -- addresses of the machine's memory slots for a virtio device that brings memory. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_MEMORY_PLACE_H
#define HW_VIRTIO_MEMORY_PLACE_H

#include <backplane/bus/memory-slots.h>
#include <backplane/iface/memory-backend.h>

typedef struct MemoryPlace {
  /* properties */
  BpLink memory, slots;
  uint64_t address;             /* 0: any; then the one that was chosen */
  /* derived */
  void *bus;                    /* NULL: it has no place */
  BpRegion *shown;
} MemoryPlace;

#define MEMORY_PLACE_PROPERTIES(T) \
  BP_PROP_LINK ("memory", T, place.memory, BP_MEMORY_BACKEND_ID, BP_PROPERTY_REQUIRED, "The memory backend that it shows to the guest."), \
  BP_PROP_LINK ("slots", T, place.slots, BP_MEMORY_SLOTS_ID, 0, "The memory slots that give it addresses; unset: the machine's first."), \
  BP_PROP_SIZE ("memory-address", T, place.address, 0, "Where the guest finds the memory; 0: the first place that is free.")

/* The memory's size must be a multiple of `align', and its place is. [main] */
bool memory_place_take (MemoryPlace *p, void *device, uint64_t align, GError **error);
void memory_place_give (MemoryPlace *p, void *device);
uint64_t memory_place_size (const MemoryPlace *p);
BpRegion *memory_place_region (const MemoryPlace *p);
int memory_place_fd (const MemoryPlace *p);     /* the backend's, or -1 */

#endif
