/* iface/memory-backend.h -- you implement this: host memory for guest RAM. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  An object of kind memory.  It publishes one region, named "ram" (bp_region_publish), which a [map] or a chipset maps. */
#ifndef BACKPLANE_IFACE_MEMORY_BACKEND_H
#define BACKPLANE_IFACE_MEMORY_BACKEND_H

#include <backplane/memory.h>
BP_BEGIN_DECLS

#define BP_MEMORY_BACKEND_ID "bp.memory-backend/1"

typedef struct BpMemoryBackendIface {
  uint32_t struct_size;
  BpRegion *(*region) (void *self);     /* the RAM region, made by configure(); its host memory is there from configure() on. [any][realized] */
  uint64_t (*size) (void *self);        /* bytes. [any] */
  int (*fd) (void *self);               /* file descriptor that others can map, or -1.  NULL, here and below: there is none of this. [any][realized] */
  /* The guest does not need these bytes any more: the host may have them until they are touched again, and then they are zeros.  Whole pages of 4 KiB; the caller
   * marks them dirty afterwards.  false: this memory cannot be given back so (huge pages in part, a private copy of a file), and holds what it held. [any][locked] */
  bool (*discard) (void *self, uint64_t offset, uint64_t size);
  /* The memory becomes the file's contents from `offset' (a multiple of 2 MiB) on, copied as it is written to, at the same host address.  false: memory that others
   * share, or the host refuses: nothing has changed. [main], no vCPU runs */
  bool (*map_private) (void *self, int fd, uint64_t offset);
  uint64_t (*fd_offset) (void *self);   /* where in the file of fd() the memory begins; absent: 0 */
  /* Whether the byte at `offset' is in a hole: a zero for which the host has no memory, and would get some if it were read.  *end: how far that goes, or what is no
   * hole.  As it was at some time during the call. [any] */
  bool (*is_hole) (void *self, uint64_t offset, uint64_t *end);
} BpMemoryBackendIface;

BP_END_DECLS
#endif
