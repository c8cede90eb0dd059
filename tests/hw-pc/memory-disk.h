/* memory-disk.h -- the type `memory-disk`: a disk under a test's hand, whose requests are done when the test says so. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HW_PC_MEMORY_DISK_H
#define TESTS_HW_PC_MEMORY_DISK_H

#include "harness.h"

/* A backend with the properties `size` (bytes; 0: no medium) and `read-only`; byte i of sector n is (n * 7 + i) & 0xff at first. */
extern const BpTypeDesc memory_disk_type;
/* The types of hw-pc, and this one. */
const BpTypeDesc *const *memory_disk_and_hw_pc (void);

uint8_t *memory_disk_bytes (Harness *h, const char *id);
/* Does all that was submitted; how many requests that was. */
unsigned memory_disk_run (Harness *h, const char *id);
/* What requests end with from now on, 0 or an errno. */
void memory_disk_fail (Harness *h, const char *id, int error);
/* Another medium; size 0: none. */
void memory_disk_change (Harness *h, const char *id, uint64_t size, bool read_only);

#endif
