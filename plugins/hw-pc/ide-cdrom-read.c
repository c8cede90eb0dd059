/* ide-cdrom-read.c -- sectors of a disc: the user data that the image holds, and what READ CD makes around it. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include "ide-cdrom.h"

enum { SYNC_BYTES = 12, HEADER_BYTES = 4, ECC_BYTES = 288 };
#define DMA_SECTORS (IDE_MOST_DMA / CD_SECTOR)

/* Bytes of one sector that the guest wants; mode 1. */
static uint32_t
cd_part_size (unsigned parts)
{
  return (parts & PART_SYNC ? SYNC_BYTES : 0) + (parts & PART_HEADER ? HEADER_BYTES : 0) + (parts & PART_DATA ? CD_SECTOR : 0) +
         (parts & PART_ECC ? ECC_BYTES : 0);
}

/* --- what is not in the image ---------------------------------------------------------------- */

static uint8_t bcd (uint8_t n) { return (uint8_t) (n / 10 << 4 | n % 10); }

/* Nobody keeps codes that correct errors of a medium that has none: zeros stand for them. */
static uint8_t *
put_sector (uint8_t *to, const uint8_t *data, uint32_t sector, unsigned parts)
{
  if (parts & PART_SYNC) {
    memset (to, 0xff, SYNC_BYTES);
    to[0] = to[SYNC_BYTES - 1] = 0;
    to += SYNC_BYTES;
  }
  if (parts & PART_HEADER) {
    cd_put_msf (to, sector);
    for (unsigned i = 0; i < 3; i++)
      to[i] = bcd (to[i]);
    to[3] = 1;                  /* mode 1 */
    to += HEADER_BYTES;
  }
  if (parts & PART_DATA) {
    memcpy (to, data, CD_SECTOR);
    to += CD_SECTOR;
  }
  if (parts & PART_ECC) {
    memset (to, 0, ECC_BYTES);
    to += ECC_BYTES;
  }
  return to;
}

/* The buffer holds the data of `n` sectors, and then whatever of them is wanted. */
static void
dress (IdeCdrom *c, uint32_t n)
{
  g_autofree uint8_t *data = g_memdup2 (c->drive.buffer, (size_t) n * CD_SECTOR);
  uint8_t *to = c->drive.buffer;
  for (uint32_t i = 0; i < n; i++)
    to = put_sector (to, data + (size_t) i * CD_SECTOR, c->sector + i, c->parts);
}

/* --- requests ------------------------------------------------------------------------------------- */

/* By PIO no more than the guest takes at once, so that there are no odd ends. */
static uint32_t
buffer_sectors (const IdeCdrom *c)
{
  uint32_t size = MAX (cd_part_size (c->parts), CD_SECTOR);
  return !c->dma && c->limit >= size ? c->limit / size : IDE_BUFFER / size;
}

static void
read_to_memory (IdeCdrom *c)
{
  ide_submit (&c->drive, CD_WORK_READ, BP_BLOCK_READ, (uint64_t) c->sector * CD_SECTOR, (uint64_t) MIN (c->left, c->most) * CD_SECTOR, IDE_MEMORY_DMA, 0);
}

static void
read_to_buffer (IdeCdrom *c)
{
  uint32_t n = MIN (MIN (c->left, c->most), buffer_sectors (c));
  c->drive.position = c->drive.end = c->drive.filled = 0;
  ide_submit (&c->drive, CD_WORK_READ, BP_BLOCK_READ, (uint64_t) c->sector * CD_SECTOR, (uint64_t) n * CD_SECTOR, IDE_MEMORY_BUFFER, 0);
}

void
cd_read_on (IdeCdrom *c)
{
  c->drive.status = STATUS_DRDY | STATUS_BSY;
  if (c->dma && c->parts == PART_DATA)
    read_to_memory (c);
  else
    read_to_buffer (c);
}

void
cd_read (IdeCdrom *c, uint32_t sector, uint32_t n, unsigned parts)
{
  if (sector >= c->n_sectors || n > c->n_sectors - sector) {
    cd_fail (c, SENSE_ILLEGAL, ASC_OUT_OF_RANGE);
    return;
  }
  if (!n || !cd_part_size (parts)) {
    cd_done (c);
    return;
  }
  c->sector = sector;
  c->left = n;
  c->parts = (uint8_t) parts;
  c->most = DMA_SECTORS;
  c->phase = CD_DATA_IN;
  if (c->dma && parts == PART_DATA)
    ide_dma_start (&c->drive, true);
  else
    read_to_buffer (c);
}

/* --- answers ------------------------------------------------------------------------------------- */

static void
fail (IdeCdrom *c, int error)
{
  if (error == ENOMEDIUM || error == ECANCELED)
    cd_fail (c, SENSE_NOT_READY, ASC_NO_MEDIUM);
  else if (error == EINVAL)     /* the disc has become shorter */
    cd_fail (c, SENSE_ILLEGAL, ASC_OUT_OF_RANGE);
  else
    cd_fail (c, SENSE_MEDIUM, ASC_READ_ERROR);
}

void
cd_read_answered (IdeCdrom *c, int error)
{
  IdeDrive *d = &c->drive;
  uint32_t n = (uint32_t) (d->size / CD_SECTOR);
  if (error == EIO && n > 1) {  /* the good ones are read before the bad one is told */
    c->most = n / 2;
    cd_read_on (c);
    return;
  }
  if (error) {
    fail (c, error);
    return;
  }
  n = MIN (n, c->left);
  if (d->memory == IDE_MEMORY_BUFFER) {
    n = MIN (n, buffer_sectors (c));
    if (c->parts != PART_DATA)
      dress (c, n);
    d->filled = n * cd_part_size (c->parts);
    d->position = 0;
  }
  c->sector += n;
  c->left -= n;
  if (d->memory == IDE_MEMORY_BUFFER)
    cd_send (c);
  else if (c->left)
    cd_read_on (c);
  else
    cd_done (c);
}
