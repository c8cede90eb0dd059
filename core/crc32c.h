/* crc32c.h -- CRC-32C (Castagnoli) of bytes, as iSCSI and ext4 have it. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_CRC32C_H
#define CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`; begin with 0. */
uint32_t crc32c (uint32_t crc, const void *data, size_t size);
uint32_t crc32c_portable (uint32_t crc, const void *data, size_t size);         /* the same without the processor's instruction */

#endif
