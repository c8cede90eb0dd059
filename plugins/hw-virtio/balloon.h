/* balloon.h -- the parts of the virtio balloon device: the device, and pages on their way back to the host. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_BALLOON_H
#define HW_VIRTIO_BALLOON_H

#include "hw-virtio.h"

enum { PAGE_SHIFT = 12, PAGE_SIZE_BYTES = 1 << PAGE_SHIFT };

/* balloon-pages.c: gives whole pages of RAM in this span of a space back to the host.  How many bytes went; the rest is no RAM, or cannot be given back. [locked] */
uint64_t balloon_discard (BpAddressSpace *as, uint64_t address, uint64_t size);
/* The same of host memory that a buffer's part is. */
uint64_t balloon_discard_host (BpMachine *machine, const uint8_t *host, uint64_t size);

#endif
