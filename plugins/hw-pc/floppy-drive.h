/* floppy-drive.h -- a floppy disk drive with its head, its lines and the disk that is in it. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_FLOPPY_DRIVE_H
#define HW_PC_FLOPPY_DRIVE_H

#include <backplane/iface/block.h>
#include "hw-pc.h"

#define FLOPPY_SECTOR 512u
#define FLOPPY_MOST_CYLINDERS 84u
#define FLOPPY_MOST_SECTORS (FLOPPY_MOST_CYLINDERS * 2 * 44)

typedef enum FloppyType {
  FLOPPY_AUTO, FLOPPY_NONE, FLOPPY_360K, FLOPPY_1200K, FLOPPY_720K, FLOPPY_1440K, FLOPPY_2880K
} FloppyType;
extern const char *const floppy_type_names[];

typedef struct FloppyFormat {
  uint8_t inches, density;      /* 5 or 3; FLOPPY_DD ... */
  uint8_t cylinders, heads, sectors;
} FloppyFormat;

typedef struct FloppyDrive {
  uint8_t cylinder;             /* where the head is */
  bool changed;                 /* the disk change line: up from power-on or a change until a step with a disk in the drive */
  uint8_t deleted[(FLOPPY_MOST_SECTORS + 7) / 8];       /* sectors with a deleted data mark, which no image keeps */
  BpLink block;
  int wanted;                   /* FloppyType as in the descriptor */
  void *owner;                  /* the controller: whom messages speak of */
  FloppyType type;              /* never FLOPPY_AUTO once realized */
  const FloppyFormat *format;   /* of the disk; NULL: no disk, or none that fits */
  uint64_t size;                /* of the image, which may end before the format does */
  bool read_only;
} FloppyDrive;

/* Attaches to the block backend and chooses the type. [main] */
bool floppy_realize (FloppyDrive *drive, void *owner, GError **error);
void floppy_unrealize (FloppyDrive *drive);
/* What the disk is may have changed without a word. */
void floppy_look (FloppyDrive *drive);
void floppy_power_on (FloppyDrive *drive);
static inline bool floppy_exists (const FloppyDrive *drive) { return drive->type != FLOPPY_NONE; }
/* The type as CMOS has it, 0 to 5. */
uint8_t floppy_cmos_type (const FloppyDrive *drive);
/* Moves the head by so many steps, up to what stops it. */
void floppy_step (FloppyDrive *drive, int steps);
/* The bit rate, in kbit/s, at which the disk can be read in this drive. */
unsigned floppy_rate (const FloppyDrive *drive);
/* Which of the disk's tracks is under the head; -1: nothing that was ever formatted. */
int floppy_track (const FloppyDrive *drive, unsigned head);
/* The sector that comes by next, at this virtual time. */
unsigned floppy_passing (const FloppyDrive *drive, int64_t now);
uint32_t floppy_sector_number (const FloppyDrive *drive, unsigned track, unsigned head, unsigned sector);
bool floppy_is_deleted (const FloppyDrive *drive, uint32_t number);
void floppy_set_deleted (FloppyDrive *drive, uint32_t number, bool deleted);

#endif
