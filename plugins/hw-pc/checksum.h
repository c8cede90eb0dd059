/* checksum.h -- the byte that tables and pages for firmware and drivers end in, or have in them. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_CHECKSUM_H
#define HW_PC_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* What makes the sum of all 0. */
static inline uint8_t
checksum (const uint8_t *bytes, size_t size)
{
  uint8_t sum = 0;
  for (size_t i = 0; i < size; i++)
    sum = (uint8_t) (sum + bytes[i]);
  return (uint8_t) -sum;
}

#endif
