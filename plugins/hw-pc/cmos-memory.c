/* cmos-memory.c -- what a PC's set-up memory says of its RAM (IBM PC/AT Technical Reference, 1984; from 0x34 on as Bochs and SeaBIOS have it). */
/* SPDX-License-Identifier: MIT */
#include "hw-pc.h"
#include <backplane/iface/cmos.h>

#define MIB (UINT64_C (1) << 20)

enum { CMOS_BASE = 0x15, CMOS_EXTENDED = 0x17, CMOS_EXTENDED_FOUND = 0x30, CMOS_ABOVE_16M = 0x34, CMOS_ABOVE_4G = 0x5b };

static void
set (const BpLink *cmos, unsigned index, unsigned n, uint64_t value)
{
  for (unsigned i = 0; i < n; i++)
    bp_cmos_set (cmos, index + i, 0xff, (uint8_t) (value >> 8 * i));
}

/* KiB up to 640, KiB from 1 MiB up to 64 MiB, blocks of 64 KiB from 16 MiB and from 4 GiB on. */
void
cmos_describe_memory (const BpLink *cmos, uint64_t size)
{
  uint64_t low = MIN (size, PC_RAM_LIMIT), extended = low > MIB ? MIN ((low - MIB) >> 10, 63u << 10) : 0;
  set (cmos, CMOS_BASE, 2, MIN (low >> 10, 640));
  set (cmos, CMOS_EXTENDED, 2, extended);
  set (cmos, CMOS_EXTENDED_FOUND, 2, extended);
  set (cmos, CMOS_ABOVE_16M, 2, low > 16 * MIB ? (low - 16 * MIB) >> 16 : 0);
  set (cmos, CMOS_ABOVE_4G, 3, MIN ((size - low) >> 16, 0xffffff));
}
