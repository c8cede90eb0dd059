/* ide-disk.h -- a hard disk behind ATA registers: what its commands, its transfers and its identification share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_IDE_DISK_H
#define HW_PC_IDE_DISK_H

#include "ide-drive.h"

#define DISK_SECTOR 512u
#define DISK_MAX_MULTIPLE 16u
#define DISK_MAX_TRIM 8u        /* blocks of ranges in one command */

typedef struct DiskGeometry {
  uint32_t cylinders, heads, sectors;
} DiskGeometry;

typedef struct IdeDisk {
  IdeDrive drive;               /* first */
  /* saved: the transfer */
  uint64_t sector;              /* the next one */
  uint32_t left;                /* sectors */
  uint32_t most;                /* sectors in a request; fewer after an error, to find the one that is bad */
  uint32_t block;               /* sectors between two interrupts of a PIO transfer */
  uint32_t offered;             /* bytes that DRQ stands for */
  bool writes, durable;
  /* saved: settings */
  uint8_t multiple, mode;       /* transfer mode, as SET FEATURES has it */
  uint8_t power;                /* as CHECK POWER MODE says it */
  uint8_t heads, sectors;       /* of CHS addresses */
  bool write_cache, look_ahead, smart;
  bool locked, changed;         /* removable: the door, and a medium that the guest has not been told of */
  /* properties */
  char *serial, *model, *revision;
  uint64_t wwn;
  uint32_t geometry_cylinders, geometry_heads, geometry_sectors;
  bool cache, removable, read_only;
  /* derived: the medium */
  char *own_serial;
  uint64_t n_sectors;           /* 0: none */
  bool write_protected;
  DiskGeometry physical, logical;       /* what IDENTIFY says; what a BIOS shall use */
} IdeDisk;

static inline IdeDisk *disk_of (IdeDrive *d) { return (IdeDisk *) d; }

/* --- ide-disk-transfer.c --- */
enum { WORK_FETCH = 1, WORK_STORE, WORK_DMA, WORK_VERIFY, WORK_FLUSH, WORK_TRIM };
/* The command's address and count, checked against the disk; false: the command has failed with it. */
bool disk_take_address (IdeDisk *k, bool wide);
void disk_put_address (IdeDisk *k, bool wide, uint64_t sector);
void disk_read (IdeDisk *k, uint32_t block);
void disk_write (IdeDisk *k, uint32_t block, bool durable);
void disk_dma (IdeDisk *k, bool writes, bool durable);
void disk_verify (IdeDisk *k);
void disk_flush (IdeDisk *k);
void disk_trim (IdeDisk *k);
/* A page of data for the guest. */
void disk_give (IdeDisk *k, const void *page);
void disk_pio_done (IdeDrive *d);
void disk_dma_ready (IdeDrive *d);
void disk_answered (IdeDrive *d, unsigned work, int error);

/* --- ide-identify.c --- */
void disk_identify (const IdeDisk *k, uint16_t words[256]);
void disk_smart (IdeDisk *k);

/* --- ide-geometry.c --- */
/* What fits a disk of so many sectors; `head` is its first sector, whose partitions tell what it was made with, NULL: not known. */
void disk_guess_geometry (uint64_t n_sectors, const uint8_t *head, DiskGeometry *physical, DiskGeometry *logical);

#endif
