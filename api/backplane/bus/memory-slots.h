/* bus/memory-slots.h -- where memory joins a machine that runs: the chipset's slots, and the devices that hold memory. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A chipset keeps a span of physical addresses for memory that comes later, and slots by which the guest's firmware tables name it.  A device that
 * brings memory (a dimm; virtio-mem and virtio-pmem, which need addresses alone) asks the slots for a place when it is realized, and gives it back when it is
 * unrealized.  Monitors ask such devices what they are (BP_MEMORY_DEVICE_ID).  All functions [main or locked].
 */
#ifndef BACKPLANE_BUS_MEMORY_SLOTS_H
#define BACKPLANE_BUS_MEMORY_SLOTS_H

#include <backplane/memory.h>
BP_BEGIN_DECLS

/* --- slots: a chipset implements this ------------------------------------------------------- */

#define BP_MEMORY_SLOTS_ID "bp.memory-slots/1"

enum { BP_MEMORY_ANY_SLOT = -1, BP_MEMORY_NO_SLOT = -2 };
#define BP_MEMORY_ANYWHERE UINT64_MAX

typedef struct BpMemorySlotsInfo {
  uint32_t struct_size;
  uint32_t slots;               /* 0: this machine takes no memory later */
  uint64_t base, size;          /* the span of addresses */
} BpMemorySlotsInfo;

typedef struct BpMemorySlotsIface {
  uint32_t struct_size;
  void (*info) (void *self, BpMemorySlotsInfo *info);   /* struct_size is set by the caller, and no more is filled */
  /* Shows `region' to the guest: in a slot, of which the guest is told, or (BP_MEMORY_NO_SLOT) only at its address.  *slot and *address say which, or leave the
   * choice, and say then what was chosen: the first that is free, at a multiple of `align' (a power of two).  false: error says what is in the way. */
  bool (*plug) (void *self, void *device, BpRegion *region, uint64_t align, int *slot, uint64_t *address, GError **error);
  void (*unplug) (void *self, void *device);    /* also of one that was not plugged */
  /* Asks the guest to let go of what is in the device's slot.  It answers by bp_object_removal_done and bp_object_removal_refused for the device; after
   * `done' it no longer sees the memory. */
  void (*ask) (void *self, void *device);
} BpMemorySlotsIface;

/* --- devices that hold memory ---------------------------------------------------------------- */

#define BP_MEMORY_DEVICE_ID "bp.memory-device/1"

typedef struct BpMemoryDeviceInfo {
  uint32_t struct_size;
  int32_t slot;                 /* negative: none */
  uint64_t address, size;
  uint32_t node;
  const char *kind;             /* QMP's word: "dimm", "virtio-mem", "virtio-pmem" */
  void *memory;                 /* the backend's instance */
  uint64_t block, requested;    /* of one whose size follows a wish: what it changes by (0: it does not), and the wish */
} BpMemoryDeviceInfo;

typedef struct BpMemoryDeviceIface {
  uint32_t struct_size;
  void (*info) (void *self, BpMemoryDeviceInfo *info);  /* struct_size is set by the caller, and no more is filled */
} BpMemoryDeviceIface;

BP_END_DECLS
#endif
