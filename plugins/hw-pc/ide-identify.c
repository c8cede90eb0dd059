/* ide-identify.c -- what a disk says of itself: IDENTIFY DEVICE (ATA/ATAPI-7, 6.16) and SMART (6.53). */
/* SPDX-License-Identifier: MIT */
#include "checksum.h"
#include "ide-disk.h"
#include <string.h>

/* --- IDENTIFY DEVICE ------------------------------------------------------------------------- */

static void
put32 (uint16_t *words, uint64_t value)
{
  words[0] = (uint16_t) value;
  words[1] = (uint16_t) (value >> 16);
}

/* The transfer modes of one kind: those that are there, and which is chosen. */
static uint16_t
modes (unsigned there, uint8_t mode, uint8_t kind)
{
  return (uint16_t) (there | ((mode & 0xf8) == kind ? 1u << (mode & 7) << 8 : 0));
}

static void
put_dma (const IdeDisk *k, uint16_t *w)
{
  if (!ide_bus (&k->drive)->has_dma (k->drive.bus.instance, k->drive.slot))
    return;
  w[49] |= 1 << 8;
  w[62] = 0x07;
  w[63] = modes (0x07, k->mode, 0x20);
  w[88] = modes (0x3f, k->mode, 0x40);
  w[105] = DISK_MAX_TRIM;
  w[169] = 1;                   /* TRIM */
}

static void
put_features (const IdeDisk *k, uint16_t *w)
{
  w[80] = 0xf0;                 /* ATA/ATAPI-4 to 7 */
  w[81] = 0x16;
  w[82] = (uint16_t) (0x4069 | (k->removable ? 1 << 2 : 0));    /* NOP, look-ahead, write cache, power management, SMART */
  w[83] = 0x7400;               /* FLUSH CACHE, FLUSH CACHE EXT, 48-bit addresses */
  w[84] = (uint16_t) (0x4040 | (k->wwn ? 1 << 8 : 0));          /* FUA */
  w[85] = (uint16_t) ((w[82] & ~0x61u) | (k->write_cache ? 1 << 5 : 0) | (k->look_ahead ? 1 << 6 : 0) | (k->smart ? 1 : 0));
  w[86] = 0x3400;
  w[87] = w[84];
  w[93] = k->drive.unit ? 0x6b00 : 0x600b;       /* 80 wires */
  for (unsigned i = 0; i < 4 && k->wwn; i++)
    w[108 + i] = (uint16_t) (k->wwn >> (48 - 16 * i));
}

static void
put_geometry (const IdeDisk *k, uint16_t *w)
{
  uint32_t cylinders = (uint32_t) MIN (k->n_sectors / MAX (k->heads * k->sectors, 1), 65535);
  w[1] = (uint16_t) k->physical.cylinders;
  w[3] = (uint16_t) k->physical.heads;
  w[4] = (uint16_t) (DISK_SECTOR * k->physical.sectors);
  w[5] = DISK_SECTOR;
  w[6] = (uint16_t) k->physical.sectors;
  w[54] = (uint16_t) cylinders;
  w[55] = k->heads;
  w[56] = k->sectors;
  put32 (w + 57, (uint64_t) cylinders * k->heads * k->sectors);
  put32 (w + 60, MIN (k->n_sectors, 0x0fffffff));
  put32 (w + 100, k->n_sectors);
  put32 (w + 102, k->n_sectors >> 32);
}

static void put_checksum (uint8_t *page) { page[511] = checksum (page, 511); }

void
disk_identify (const IdeDisk *k, uint16_t words[256])
{
  uint16_t *w = words;
  memset (w, 0, 512);
  w[0] = k->removable ? 0x0080 : 0x0040;
  ide_put_text (w + 10, k->serial ? k->serial : k->own_serial, 20);
  w[20] = 3;
  w[21] = 512;
  ide_put_text (w + 23, k->revision, 8);
  ide_put_text (w + 27, k->model, 40);
  w[47] = 0x8000 | DISK_MAX_MULTIPLE;
  w[48] = 1;
  w[49] = 0x2a00;               /* LBA, IORDY, standard standby timer */
  w[50] = 0x4000;
  w[51] = w[52] = 0x0200;
  w[53] = 7;
  w[59] = (uint16_t) (k->multiple ? 0x100 | k->multiple : 0);
  w[64] = 3;
  w[65] = w[66] = w[67] = w[68] = 120;
  put_geometry (k, w);
  put_features (k, w);
  put_dma (k, w);
  if (k->removable)
    w[127] = 1;
  w[255] = 0xa5;
  for (unsigned i = 0; i < 256; i++)
    w[i] = GUINT16_TO_LE (w[i]);
  put_checksum ((uint8_t *) w);
}

/* --- SMART ------------------------------------------------------------------------------------- */

enum {
  SMART_READ_DATA = 0xd0, SMART_READ_THRESHOLDS = 0xd1, SMART_AUTOSAVE = 0xd2, SMART_EXECUTE = 0xd4, SMART_READ_LOG = 0xd5, SMART_ENABLE = 0xd8,
  SMART_DISABLE = 0xd9, SMART_STATUS = 0xda
};

/* Attributes of a disk that is always well: number, flags, worst allowed, raw value. */
static const struct { uint8_t id; uint16_t flags; uint8_t threshold; uint32_t raw; } attributes[] = {
  { 0x01, 0x0003, 6, 0 }, { 0x03, 0x0003, 0, 16 }, { 0x04, 0x0002, 20, 100 }, { 0x05, 0x0003, 36, 0 }, { 0x09, 0x0003, 0, 1 }, { 0x0c, 0x0003, 0, 0 },
  { 0xbe, 0x0003, 50, 31 | 31 << 16 }
};

static void
give_data (IdeDisk *k)
{
  uint8_t page[DISK_SECTOR] = { 0x01, 0x00 };
  for (unsigned i = 0; i < G_N_ELEMENTS (attributes); i++) {
    uint8_t *a = page + 2 + 12 * i;
    a[0] = attributes[i].id;
    a[1] = (uint8_t) attributes[i].flags;
    a[3] = a[4] = 100;
    for (unsigned j = 0; j < 4; j++)
      a[5 + j] = (uint8_t) (attributes[i].raw >> 8 * j);
  }
  page[362] = 0x82;             /* off-line data collection: complete, on its own */
  page[364] = 114;
  page[367] = 0x19;
  page[368] = 3;
  page[370] = 1;
  page[372] = 2;
  page[373] = 54;
  put_checksum (page);
  disk_give (k, page);
}

static void
give_thresholds (IdeDisk *k)
{
  uint8_t page[DISK_SECTOR] = { 0x01, 0x00 };
  for (unsigned i = 0; i < G_N_ELEMENTS (attributes); i++) {
    page[2 + 12 * i] = attributes[i].id;
    page[3 + 12 * i] = attributes[i].threshold;
  }
  put_checksum (page);
  disk_give (k, page);
}

/* Logs without entries: the directory, errors, self-tests. */
static void
give_log (IdeDisk *k)
{
  uint8_t page[DISK_SECTOR] = { 1 };
  switch (k->drive.low[0]) {
  case 0:
    page[0x01 * 2] = page[0x06 * 2] = 1;
    break;
  case 1:
    put_checksum (page);
    break;
  case 6:
    put_checksum (page);
    break;
  default:
    ide_fail (&k->drive, ERROR_ABRT);
    return;
  }
  disk_give (k, page);
}

void
disk_smart (IdeDisk *k)
{
  IdeDrive *d = &k->drive;
  bool keyed = d->mid[0] == 0x4f && d->high[0] == 0xc2;
  if (!keyed || (!k->smart && d->features[0] != SMART_ENABLE)) {
    ide_fail (d, ERROR_ABRT);
    return;
  }
  switch (d->features[0]) {
  case SMART_READ_DATA: give_data (k); return;
  case SMART_READ_THRESHOLDS: give_thresholds (k); return;
  case SMART_READ_LOG: give_log (k); return;
  case SMART_ENABLE: k->smart = true; break;
  case SMART_DISABLE: k->smart = false; break;
  case SMART_AUTOSAVE: case SMART_STATUS: break;        /* the registers keep 4f and c2: no threshold is passed */
  case SMART_EXECUTE:
    if (d->low[0] > 2 && d->low[0] != 0x7f) {
      ide_fail (d, ERROR_ABRT);
      return;
    }
    break;
  default: ide_fail (d, ERROR_ABRT); return;
  }
  ide_finish (d);
}
