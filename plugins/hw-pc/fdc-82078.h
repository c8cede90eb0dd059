/* fdc-82078.h -- the floppy disk controller and its drives: their state, and what their files share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_FDC_82078_H
#define HW_PC_FDC_82078_H

#include <backplane/iface/block.h>
#include <backplane/iface/isa-dma.h>

/* --- a drive with its head, its lines and the disk that is in it: floppy-drive.c ----------------------- */
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

/* --- the controller ---------------------------------------------------------------------------------- */
#define FDC_DRIVES 2u           /* that can be there; commands have room for four */
#define FDC_UNITS 4u
/* A host that lets so much time pass without taking or giving a byte (a turn of the disk) has lost the data. */
#define FDC_PATIENCE_NS INT64_C (200000000)
#define FDC_FIFO 32u            /* bytes of a command or a result, of which the longest has 17 */

enum { ST0_HEAD = 0x04, ST0_EQUIPMENT = 0x10, ST0_SEEK_END = 0x20, ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80, ST0_POLLED = 0xc0 };
enum { ST1_MISSING_MARK = 0x01, ST1_NOT_WRITABLE = 0x02, ST1_NO_DATA = 0x04, ST1_OVERRUN = 0x10, ST1_DATA_ERROR = 0x20, ST1_END_OF_CYLINDER = 0x80 };
enum {
  ST2_MISSING_DATA_MARK = 0x01, ST2_SCAN_NOT_SATISFIED = 0x04, ST2_SCAN_EQUAL = 0x08, ST2_WRONG_CYLINDER = 0x10, ST2_DATA_ERROR = 0x20,
  ST2_CONTROL_MARK = 0x40
};
enum { CONFIG_IMPLIED_SEEK = 0x40, CONFIG_NO_FIFO = 0x20, CONFIG_NO_POLL = 0x10, CONFIG_THRESHOLD = 0x0f };
enum { DOR_NOT_RESET = 0x04, DOR_DMA_GATE = 0x08 };
enum { COMMAND_MT = 0x80, COMMAND_MFM = 0x40, COMMAND_SK = 0x20 };

typedef enum FdcPhase {
  FDC_COMMAND,                  /* bytes of a command come in */
  FDC_START,                    /* a delay; then the sector is looked for */
  FDC_END,                      /* a delay; then the result is there */
  FDC_DISK,                     /* a request is with the block backend */
  FDC_HOST,                     /* bytes go between buffer and host */
  FDC_RESULT,
  FDC_IN_RESET
} FdcPhase;

typedef enum FdcJob {
  FDC_NO_JOB, FDC_READ, FDC_READ_DELETED, FDC_WRITE, FDC_WRITE_DELETED, FDC_READ_TRACK, FDC_READ_ID, FDC_FORMAT, FDC_VERIFY, FDC_SCAN_EQUAL,
  FDC_SCAN_LOW, FDC_SCAN_HIGH, FDC_N_JOBS
} FdcJob;

typedef struct FdcRequest FdcRequest;   /* one on its way to a disk; it may outlive the command (reset) */

typedef struct Fdc {
  uint8_t dor, dsr, tdr, phase;
  uint8_t fifo[FDC_FIFO], count, at;    /* of a command: bytes so far; of a result: bytes in all, and the next */
  uint8_t srt_hut, hlt_nd, config, precomp_track, perpendicular, power, option, drive_spec[FDC_UNITS];
  uint8_t last_eot;
  bool lock, interrupt;
  uint8_t pcn[FDC_UNITS], seek_st0[FDC_UNITS];
  uint8_t seeking, seek_done;   /* a bit a unit */
  uint8_t reset_senses;         /* of the four units whose change of state is still to be told after a reset */
  uint8_t job, unit, flags, head, c, h, r, n, eot, step, filler;        /* of the command that runs; flags: COMMAND_* */
  uint8_t left;                 /* sectors: FORMAT, VERIFY with a count, READ TRACK */
  uint8_t st0, st1, st2;
  bool tc, count_given;
  uint8_t scan;                 /* so far the disk's bytes are: 0 equal to, 1 less than, 2 greater than the host's */
  uint32_t number;              /* of the sector in the image */
  uint8_t sector[FLOPPY_SECTOR];
  uint16_t moved, length, watched;      /* bytes between sector and host; moved when last looked at */
  BpTimer *delay, *patience, *ready, *seek_timer[FDC_UNITS];
  FloppyDrive drive[FDC_DRIVES];
  BpLink dma, cmos;             /* wiring */
  uint8_t dma_channel;
  BpPin *irq;
  BpRegion *ports, *port7;
  FdcRequest *request;
} Fdc;

static inline bool fdc_uses_dma (const Fdc *f) { return !(f->hlt_nd & 1); }
/* The drive, or NULL where none is connected. */
static inline FloppyDrive *
fdc_drive (Fdc *f, unsigned unit)
{
  return unit < FDC_DRIVES && floppy_exists (&f->drive[unit]) ? &f->drive[unit] : NULL;
}

/* fdc-82078.c */
void fdc_interrupt (Fdc *f, bool on);
void fdc_result (Fdc *f, const uint8_t *bytes, unsigned n);
void fdc_wait (Fdc *f, FdcPhase phase, int64_t ns);
int64_t fdc_now (Fdc *f);

/* fdc-commands.c: a byte of a command; a seek is over; the state after a reset, hardware or software. */
void fdc_command_byte (Fdc *f, uint8_t value);
void fdc_seek_over (Fdc *f, unsigned unit);
void fdc_commands_reset (Fdc *f, bool hardware);
/* Moves the head to where pcn says that cylinder c is; how many steps that took. */
unsigned fdc_seek_to (Fdc *f, unsigned unit, uint8_t c);

/* fdc-transfer.c */
void fdc_begin (Fdc *f, FdcJob job);    /* the command's bytes are in the FIFO */
void fdc_start (Fdc *f);                /* a delay is over */
void fdc_end (Fdc *f);
void fdc_disk_done (Fdc *f, int error);         /* error: 0 or an errno */
uint8_t fdc_host_read (Fdc *f);         /* by the FIFO, without DMA */
void fdc_host_write (Fdc *f, uint8_t value);
bool fdc_host_gives (const Fdc *f);
void fdc_overrun (Fdc *f);
void fdc_drop_request (Fdc *f);         /* what comes of it is no longer of interest */
void fdc_request_again (Fdc *f);        /* after loading */
extern const BpIsaDmaHandlers fdc_dma_handlers;

#endif
