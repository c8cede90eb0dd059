/* ide-geometry.c -- cylinders, heads and sectors for disks that have none. */
/* SPDX-License-Identifier: MIT */
#include "ide-disk.h"

#define MOST_CYLINDERS 16383u
#define BIOS_CYLINDERS 1024u
#define TABLE 0x1be

/* The last sector of a partition is, as a rule, the last one of a cylinder. */
static bool
partition_geometry (uint64_t n_sectors, const uint8_t *head, DiskGeometry *g)
{
  if (!head || head[510] != 0x55 || head[511] != 0xaa)
    return false;
  for (unsigned i = 0; i < 4; i++) {
    const uint8_t *p = head + TABLE + 16 * i;
    bool used = p[12] | p[13] | p[14] | p[15];
    uint32_t heads = p[5] + 1u, sectors = p[6] & 63;
    if (!used || heads < 2 || !sectors)
      continue;
    uint64_t cylinders = n_sectors / (heads * sectors);
    if (cylinders < 1 || cylinders > MOST_CYLINDERS)
      continue;
    *g = (DiskGeometry) { (uint32_t) cylinders, heads, sectors };
    return true;
  }
  return false;
}

/* As many heads as it takes to stay within the cylinders that a BIOS can count. */
static DiskGeometry
assisted_geometry (uint64_t n_sectors)
{
  uint32_t heads = 16;
  while (heads < 128 && n_sectors / (heads * 63) > BIOS_CYLINDERS)
    heads *= 2;
  if (n_sectors / (heads * 63) > BIOS_CYLINDERS)
    heads = 255;
  return (DiskGeometry) { (uint32_t) CLAMP (n_sectors / (heads * 63), 1, BIOS_CYLINDERS), heads, 63 };
}

void
disk_guess_geometry (uint64_t n_sectors, const uint8_t *head, DiskGeometry *physical, DiskGeometry *logical)
{
  *physical = (DiskGeometry) { (uint32_t) CLAMP (n_sectors / (16 * 63), 1, MOST_CYLINDERS), 16, 63 };
  if (partition_geometry (n_sectors, head, logical)) {
    if (logical->heads <= 16)   /* nothing was translated */
      *physical = *logical;
    logical->cylinders = MIN (logical->cylinders, BIOS_CYLINDERS);
    return;
  }
  *logical = physical->cylinders <= BIOS_CYLINDERS ? *physical : assisted_geometry (n_sectors);
}
