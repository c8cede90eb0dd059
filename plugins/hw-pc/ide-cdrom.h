/* ide-cdrom.h -- a CD and DVD drive behind ATA registers: what the transport, its commands and its reads share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_IDE_CDROM_H
#define HW_PC_IDE_CDROM_H

#include "ide-drive.h"

#define CD_SECTOR 2048u
#define CD_PACKET 12u
#define CD_MOST_SECTORS (80u * 60 * 75) /* what is more is a DVD */

enum { SENSE_NOT_READY = 2, SENSE_MEDIUM = 3, SENSE_HARDWARE = 4, SENSE_ILLEGAL = 5, SENSE_ATTENTION = 6 };
/* Additional sense code << 8 | its qualifier (MMC-5, annex F). */
enum {
  ASC_READ_ERROR = 0x1100, ASC_INVALID_OPCODE = 0x2000, ASC_OUT_OF_RANGE = 0x2100, ASC_INVALID_FIELD = 0x2400, ASC_PARAMETER_LIST = 0x2600,
  ASC_MEDIUM_CHANGED = 0x2800, ASC_RESET = 0x2900, ASC_CANNOT_READ = 0x3002, ASC_NO_MEDIUM = 0x3a00, ASC_TRAY_CLOSED = 0x3a01, ASC_TRAY_OPEN = 0x3a02,
  ASC_REMOVAL_PREVENTED = 0x5302, ASC_ILLEGAL_MODE = 0x6400, ASC_INTERNAL = 0x4400, ASC_SAVING = 0x3900
};
enum { EVENT_NONE, EVENT_EJECT, EVENT_NEW, EVENT_REMOVAL };     /* of media: GET EVENT STATUS NOTIFICATION */
enum { CD_IDLE, CD_PACKET_WANTED, CD_DATA_IN, CD_DATA_OUT };
enum { CD_WORK_READ = 1 };

/* Which parts of a sector the guest wants. */
enum { PART_SYNC = 1 << 0, PART_HEADER = 1 << 1, PART_DATA = 1 << 2, PART_ECC = 1 << 3 };

typedef struct IdeCdrom {
  IdeDrive drive;               /* first */
  /* saved: the packet and its data */
  uint8_t phase;                /* CD_* */
  uint8_t packet[CD_PACKET];
  bool dma;
  uint32_t limit;               /* bytes between two interrupts of a PIO transfer */
  uint32_t wanted;              /* bytes that the guest gives to a command */
  uint32_t sector, left;        /* a read's */
  uint8_t parts;                /* PART_*, 0: no read */
  uint32_t most;                /* sectors in a request; fewer after an error */
  /* saved: the drive's state */
  uint8_t key;
  uint16_t code;                /* sense data */
  uint16_t attention;           /* sense code of a unit attention that waits, 0: none */
  uint8_t event;
  bool open, locked;
  uint8_t mode;                 /* transfer mode */
  uint8_t power;
  uint8_t recovery[8], audio[12];       /* the contents of mode pages 01 and 0e that can be changed */
  /* properties */
  char *serial, *model, *revision;
  /* derived */
  char *own_serial;
  uint32_t n_sectors;           /* 0: no medium */
} IdeCdrom;

static inline IdeCdrom *cdrom_of (IdeDrive *d) { return (IdeCdrom *) d; }
static inline uint32_t cd_get16 (const uint8_t *p) { return (uint32_t) (p[0] << 8 | p[1]); }
static inline uint32_t cd_get32 (const uint8_t *p) { return cd_get16 (p) << 16 | cd_get16 (p + 2); }
static inline void cd_put16 (uint8_t *p, uint32_t v) { p[0] = (uint8_t) (v >> 8); p[1] = (uint8_t) v; }
static inline void cd_put32 (uint8_t *p, uint32_t v) { cd_put16 (p, v >> 16); cd_put16 (p + 2, v); }
/* Minutes, seconds and frames; the first sector of the disc is 00:02:00. */
static inline void
cd_put_msf (uint8_t p[3], uint32_t sector)
{
  sector += 150;
  p[0] = (uint8_t) (sector / (60 * 75));
  p[1] = (uint8_t) (sector / 75 % 60);
  p[2] = (uint8_t) (sector % 75);
}

/* --- ide-cdrom.c: the ends of a packet --- */
void cd_done (IdeCdrom *c);
void cd_fail (IdeCdrom *c, unsigned key, unsigned code);
/* Bytes of the buffer; not more than the guest allows. */
void cd_reply (IdeCdrom *c, uint32_t size, uint32_t allowed);
/* The next part of a longer answer: `filled` bytes of the buffer. */
void cd_send (IdeCdrom *c);
/* Bytes from the guest, then cd_run_with_data. */
void cd_want (IdeCdrom *c, uint32_t size);
bool cd_is_dvd (const IdeCdrom *c);

/* --- ide-atapi.c --- */
void cd_run (IdeCdrom *c);              /* the packet is here */
void cd_run_with_data (IdeCdrom *c);    /* and what the guest gives to it */

/* --- ide-cdrom-read.c --- */
void cd_read (IdeCdrom *c, uint32_t sector, uint32_t n, unsigned parts);
void cd_read_on (IdeCdrom *c);          /* what was read before is with the guest */
void cd_read_answered (IdeCdrom *c, int error);

/* --- ide-cdrom-info.c: pages in the buffer, their sizes; 0: there is none --- */
uint32_t cd_inquiry (IdeCdrom *c, uint8_t *page);
uint32_t cd_mode_page (IdeCdrom *c, uint8_t *page, unsigned code, unsigned control);
uint32_t cd_configuration (IdeCdrom *c, uint8_t *page, unsigned kind, unsigned first);
uint32_t cd_toc (IdeCdrom *c, uint8_t *page, unsigned format, bool msf, unsigned track);
uint32_t cd_dvd_structure (IdeCdrom *c, uint8_t *page, unsigned format, unsigned layer);

#endif
