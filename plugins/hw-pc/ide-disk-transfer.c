/* ide-disk-transfer.c -- sectors between a disk and the guest: addresses, PIO, DMA, verification, flushes, ranges that are given back. */
/* SPDX-License-Identifier: MIT */
#include "ide-disk.h"
#include <errno.h>
#include <string.h>

#define BUFFER_SECTORS (IDE_BUFFER / DISK_SECTOR)
#define DMA_SECTORS (IDE_MOST_DMA / DISK_SECTOR)

/* --- addresses --------------------------------------------------------------------------- */

static bool
is_wide (uint8_t command)
{
  static const uint8_t wide[] = { 0x24, 0x25, 0x29, 0x34, 0x35, 0x39, 0x3d, 0x42, 0xce };
  return memchr (wide, command, sizeof wide) != NULL;
}

static bool
take_chs (const IdeDisk *k, uint64_t *sector)
{
  const IdeDrive *d = &k->drive;
  uint32_t cylinder = (uint32_t) (d->high[0] << 8 | d->mid[0]), head = d->device & 15;
  if (d->low[0] < 1 || d->low[0] > k->sectors || head >= k->heads)
    return false;
  *sector = ((uint64_t) cylinder * k->heads + head) * k->sectors + d->low[0] - 1;
  return true;
}

static uint64_t
take_lba (const IdeDrive *d, bool wide)
{
  uint64_t low = (uint64_t) (d->high[0] << 16 | d->mid[0] << 8 | d->low[0]);
  return wide ? low | (uint64_t) (d->high[1] << 16 | d->mid[1] << 8 | d->low[1]) << 24 : low | (uint64_t) (d->device & 15) << 24;
}

void
disk_put_address (IdeDisk *k, bool wide, uint64_t sector)
{
  IdeDrive *d = &k->drive;
  if (!wide && !(d->device & DEVICE_LBA)) {
    uint64_t track = sector / MAX (k->sectors, 1), cylinder = track / MAX (k->heads, 1);
    d->low[0] = (uint8_t) (sector % MAX (k->sectors, 1) + 1);
    d->mid[0] = (uint8_t) cylinder;
    d->high[0] = (uint8_t) (cylinder >> 8);
    d->device = (uint8_t) ((d->device & 0xf0) | (track % MAX (k->heads, 1) & 15));
    return;
  }
  d->low[0] = (uint8_t) sector;
  d->mid[0] = (uint8_t) (sector >> 8);
  d->high[0] = (uint8_t) (sector >> 16);
  if (!wide) {
    d->device = (uint8_t) ((d->device & 0xf0) | (sector >> 24 & 15));
    return;
  }
  d->low[1] = (uint8_t) (sector >> 24);
  d->mid[1] = (uint8_t) (sector >> 32);
  d->high[1] = (uint8_t) (sector >> 40);
}

bool
disk_take_address (IdeDisk *k, bool wide)
{
  IdeDrive *d = &k->drive;
  bool linear = wide || d->device & DEVICE_LBA;
  k->left = wide ? (uint32_t) (d->count[1] << 8 | d->count[0]) : d->count[0];
  if (!k->left)
    k->left = wide ? 65536 : 256;
  k->sector = linear ? take_lba (d, wide) : 0;
  if (!linear && !take_chs (k, &k->sector)) {
    ide_fail (d, ERROR_IDNF);
    return false;
  }
  if (k->sector < k->n_sectors && k->left <= k->n_sectors - k->sector)
    return true;
  disk_put_address (k, wide, MAX (k->sector, k->n_sectors));
  ide_fail (d, ERROR_IDNF);
  return false;
}

/* --- ends ---------------------------------------------------------------------------------- */

static void
end_transfer (IdeDisk *k)
{
  ide_dma_end (&k->drive);
  k->drive.position = k->drive.end = k->drive.filled = 0;
}

static void
fail_at (IdeDisk *k, int error)
{
  uint8_t bits = ERROR_ABRT;
  switch (error) {
  case ENOMEDIUM: case ECANCELED: bits = k->removable ? ERROR_NM : ERROR_IDNF; break;
  case EROFS: bits = ERROR_WP | ERROR_ABRT; break;
  case EINVAL: bits = ERROR_IDNF; break;
  case EIO: bits = k->drive.op == BP_BLOCK_READ ? ERROR_UNC : ERROR_ABRT; break;
  default: break;
  }
  end_transfer (k);
  disk_put_address (k, is_wide (k->drive.command), k->sector);
  ide_fail (&k->drive, bits);
}

static void
advance (IdeDisk *k, uint64_t bytes)
{
  uint32_t n = (uint32_t) MIN (bytes / DISK_SECTOR, k->left);
  k->sector += n;
  k->left -= n;
}

/* --- PIO ------------------------------------------------------------------------------------- */

static void
offer (IdeDisk *k, bool interrupt)
{
  IdeDrive *d = &k->drive;
  uint32_t room = k->writes ? MIN (k->left * DISK_SECTOR, IDE_BUFFER) - d->position : d->filled - d->position;
  k->offered = MIN (k->block * DISK_SECTOR, room);
  ide_pio (d, !k->writes, k->offered, interrupt);
}

static void
fetch (IdeDisk *k)
{
  k->drive.position = k->drive.end = k->drive.filled = 0;
  ide_submit (&k->drive, WORK_FETCH, BP_BLOCK_READ, k->sector * DISK_SECTOR, (uint64_t) MIN (k->left, k->most) * DISK_SECTOR, IDE_MEMORY_BUFFER, 0);
}

void
disk_read (IdeDisk *k, uint32_t block)
{
  k->writes = false;
  k->block = block;
  k->most = BUFFER_SECTORS;
  fetch (k);
}

void
disk_write (IdeDisk *k, uint32_t block, bool durable)
{
  k->writes = true;
  k->durable = durable || !k->write_cache;
  k->block = block;
  k->most = BUFFER_SECTORS;
  offer (k, false);
}

void
disk_give (IdeDisk *k, const void *page)
{
  memcpy (k->drive.buffer, page, DISK_SECTOR);
  k->writes = false;
  k->left = 0;
  k->block = 1;
  k->drive.filled = DISK_SECTOR;
  offer (k, true);
}

/* With the write cache on, the guest goes on as soon as there is room for its next block. */
static void
written (IdeDisk *k)
{
  IdeDrive *d = &k->drive;
  uint32_t wanted = MIN (k->left * DISK_SECTOR, IDE_BUFFER);
  d->filled = d->position;
  if (!k->durable && d->filled < wanted) {
    offer (k, true);
    return;
  }
  d->position = 0;
  ide_submit (d, WORK_STORE, BP_BLOCK_WRITE, k->sector * DISK_SECTOR, d->filled, IDE_MEMORY_BUFFER, k->durable ? BP_BLOCK_FUA : 0);
}

void
disk_pio_done (IdeDrive *d)
{
  IdeDisk *k = disk_of (d);
  if (k->writes) {
    written (k);
    return;
  }
  advance (k, k->offered);
  if (d->position < d->filled) {
    offer (k, true);
  } else if (k->left) {
    fetch (k);
  } else {
    end_transfer (k);
    ide_finish_silently (d);
  }
}

/* --- DMA --------------------------------------------------------------------------------------- */

void
disk_dma (IdeDisk *k, bool writes, bool durable)
{
  k->writes = writes;
  k->durable = durable || !k->write_cache;
  k->most = DMA_SECTORS;
  ide_dma_start (&k->drive, !writes);
}

static void
segment (IdeDisk *k)
{
  ide_submit (&k->drive, WORK_DMA, k->writes ? BP_BLOCK_WRITE : BP_BLOCK_READ, k->sector * DISK_SECTOR, (uint64_t) MIN (k->left, k->most) * DISK_SECTOR,
              IDE_MEMORY_DMA, k->writes && k->durable ? BP_BLOCK_FUA : 0);
}

/* --- commands without data ------------------------------------------------------------------------ */

static void
verify (IdeDisk *k)
{
  k->drive.position = 0;
  ide_submit (&k->drive, WORK_VERIFY, BP_BLOCK_READ, k->sector * DISK_SECTOR, (uint64_t) MIN (k->left, k->most) * DISK_SECTOR, IDE_MEMORY_BUFFER, 0);
}

void
disk_verify (IdeDisk *k)
{
  k->most = BUFFER_SECTORS;
  verify (k);
}

void
disk_flush (IdeDisk *k)
{
  ide_submit (&k->drive, WORK_FLUSH, BP_BLOCK_FLUSH, 0, 0, IDE_MEMORY_NONE, 0);
}

/* --- ranges that are given back (DATA SET MANAGEMENT, TRIM) ------------------------------------------ */

/* `left` counts blocks of ranges until they are here, `position` then goes from range to range. */
void
disk_trim (IdeDisk *k)
{
  IdeDrive *d = &k->drive;
  k->left = (uint32_t) (d->count[1] << 8 | d->count[0]);
  if (!k->left || k->left > DISK_MAX_TRIM) {
    ide_fail (d, ERROR_ABRT);
    return;
  }
  k->writes = true;
  ide_dma_start (d, false);
}

static uint64_t
range_at (const IdeDrive *d)
{
  uint64_t range;
  memcpy (&range, d->buffer + d->position, 8);
  return GUINT64_FROM_LE (range);
}

static void
trim_next (IdeDisk *k)
{
  IdeDrive *d = &k->drive;
  while (d->position + 8 <= d->filled && !(range_at (d) >> 48))
    d->position += 8;
  if (d->position + 8 > d->filled) {
    end_transfer (k);
    ide_finish (d);
    return;
  }
  uint64_t range = range_at (d), n = range >> 48;
  k->sector = range & ((UINT64_C (1) << 48) - 1);
  d->position += 8;
  if (k->sector >= k->n_sectors || n > k->n_sectors - k->sector) {
    end_transfer (k);
    ide_fail (d, ERROR_ABRT | ERROR_IDNF);
    return;
  }
  ide_submit (d, WORK_TRIM, BP_BLOCK_DISCARD, k->sector * DISK_SECTOR, n * DISK_SECTOR, IDE_MEMORY_NONE, 0);
}

static void
take_ranges (IdeDisk *k)
{
  IdeDrive *d = &k->drive;
  if (!ide_dma_copy (d, false, MIN (k->left, DISK_MAX_TRIM) * DISK_SECTOR - d->position))
    return;
  d->filled = d->position;
  d->position = 0;
  ide_dma_end (d);
  trim_next (k);
}

void
disk_dma_ready (IdeDrive *d)
{
  IdeDisk *k = disk_of (d);
  if (d->work)
    return;
  if (d->command == 0x06)
    take_ranges (k);
  else
    segment (k);
}

/* --- answers ---------------------------------------------------------------------------------------- */

/* A request that failed is made again for fewer sectors, until it is known which one is bad. */
static bool
narrow_down (IdeDisk *k, unsigned work, int error)
{
  uint32_t n = (uint32_t) (k->drive.size / DISK_SECTOR), least = work == WORK_FETCH || work == WORK_STORE ? k->block : 1;
  if (error != EIO || n <= least || work == WORK_STORE || work == WORK_FLUSH || work == WORK_TRIM)
    return false;
  k->most = MAX (n / 2, least);
  if (work == WORK_FETCH)
    k->most = MAX (k->most / k->block * k->block, k->block);
  return true;
}

static void
repeat (IdeDisk *k, unsigned work)
{
  switch (work) {
  case WORK_FETCH: fetch (k); break;
  case WORK_DMA: segment (k); break;
  default: verify (k); break;
  }
}

static void
store_done (IdeDisk *k)
{
  advance (k, k->drive.filled);
  k->drive.position = k->drive.end = k->drive.filled = 0;
  if (k->left)
    offer (k, true);
  else
    ide_finish (&k->drive);
}

static void
fetch_done (IdeDisk *k)
{
  k->drive.position = 0;
  k->drive.filled = (uint32_t) k->drive.size;
  offer (k, true);
}

void
disk_answered (IdeDrive *d, unsigned work, int error)
{
  IdeDisk *k = disk_of (d);
  if (error && narrow_down (k, work, error)) {
    repeat (k, work);
    return;
  }
  if (error) {
    fail_at (k, error);
    return;
  }
  if (work == WORK_DMA || work == WORK_VERIFY)
    advance (k, d->size);
  switch (work) {
  case WORK_FETCH: fetch_done (k); return;
  case WORK_STORE: store_done (k); return;
  case WORK_TRIM: trim_next (k); return;
  case WORK_FLUSH: break;
  default:
    if (k->left) {
      repeat (k, work);
      return;
    }
  }
  end_transfer (k);
  ide_finish (d);
}
