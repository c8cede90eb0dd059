/* fdc-commands.c -- commands of the 82078 (data sheet, chapter 6): the table, and those that move no data. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include <string.h>
#include "fdc-82078.h"

#define STEP_NS INT64_C (20000) /* a step of the head, whatever SPECIFY says */
#define SETTLE_NS INT64_C (50000)
#define RECALIBRATE_STEPS 80

typedef struct Command {
  uint8_t mask, code;           /* of the first byte: what is compared, with what */
  uint8_t bytes;                /* in all */
  FdcJob job;                   /* one that moves data; else: */
  void (*execute) (Fdc *f);     /* leaves a result, or nothing */
} Command;

/* --- seeks --------------------------------------------------------------------------------- */

static void done (Fdc *f) { f->phase = FDC_COMMAND, f->count = 0; }

static void
start_seek (Fdc *f, unsigned unit, unsigned steps, uint8_t st0)
{
  f->seeking |= (uint8_t) (1u << unit);
  f->seek_done &= (uint8_t) ~(1u << unit);
  f->seek_st0[unit] = (uint8_t) (st0 | ST0_SEEK_END | unit);
  bp_timer_arm (f->seek_timer[unit], fdc_now (f) + SETTLE_NS + STEP_NS * steps);
}

/* What a reset left to be told is forgotten: who has asked once and then seeks, as SeaBIOS does, wants to hear of the seek. */
void
fdc_seek_over (Fdc *f, unsigned unit)
{
  f->reset_senses = 0;
  f->seeking &= (uint8_t) ~(1u << unit);
  f->seek_done |= (uint8_t) (1u << unit);
  fdc_interrupt (f, true);
}

unsigned
fdc_seek_to (Fdc *f, unsigned unit, uint8_t c)
{
  FloppyDrive *d = fdc_drive (f, unit);
  int steps = c - f->pcn[unit];
  if (d)
    floppy_step (d, steps);
  f->pcn[unit] = c;
  return (unsigned) ABS (steps);
}

static uint8_t head_bit (const Fdc *f) { return f->fifo[1] & ST0_HEAD; }

static void
seek (Fdc *f)
{
  unsigned unit = f->fifo[1] & 3;
  start_seek (f, unit, fdc_seek_to (f, unit, f->fifo[2]), head_bit (f));
  done (f);
}

static void
relative_seek (Fdc *f)
{
  unsigned unit = f->fifo[1] & 3;
  int steps = f->fifo[0] & 0x40 ? f->fifo[2] : -f->fifo[2];
  FloppyDrive *d = fdc_drive (f, unit);
  if (d)
    floppy_step (d, steps);
  f->pcn[unit] = (uint8_t) (f->pcn[unit] + steps);
  start_seek (f, unit, f->fifo[2], head_bit (f));
  done (f);
}

/* Where no drive is, the track 0 signal never comes. */
static void
recalibrate (Fdc *f)
{
  unsigned unit = f->fifo[1] & 3;
  FloppyDrive *d = fdc_drive (f, unit);
  unsigned steps = d ? MIN (d->cylinder, RECALIBRATE_STEPS) : RECALIBRATE_STEPS;
  if (d)
    floppy_step (d, -(int) steps);
  f->pcn[unit] = 0;
  start_seek (f, unit, steps, d && d->cylinder == 0 ? 0 : ST0_ABNORMAL | ST0_EQUIPMENT);
  done (f);
}

/* --- senses ---------------------------------------------------------------------------------- */

static void
refuse (Fdc *f)
{
  static const uint8_t invalid = ST0_INVALID;
  fdc_result (f, &invalid, 1);
}

/* What is first to be told: the units after a reset, then each seek. */
static void
sense_interrupt (Fdc *f)
{
  uint8_t result[2];
  fdc_interrupt (f, false);
  if (f->reset_senses) {
    unsigned unit = FDC_UNITS - f->reset_senses--;
    result[0] = (uint8_t) (ST0_POLLED | unit);
    result[1] = f->pcn[unit];
  } else if (f->seek_done) {
    unsigned unit = (unsigned) g_bit_nth_lsf (f->seek_done, -1);
    f->seek_done &= (uint8_t) ~(1u << unit);
    result[0] = f->seek_st0[unit];
    result[1] = f->pcn[unit];
  } else {
    refuse (f);
    return;
  }
  fdc_result (f, result, 2);
}

static void
sense_drive (Fdc *f)
{
  const FloppyDrive *d = fdc_drive (f, f->fifo[1] & 3);
  uint8_t st3 = 0x28 | (f->fifo[1] & 7);
  if (d && d->cylinder == 0)
    st3 |= 0x10;
  if (d && d->format && d->read_only)
    st3 |= 0x40;
  fdc_result (f, &st3, 1);
}

/* --- settings ----------------------------------------------------------------------------------- */

static void
specify (Fdc *f)
{
  f->srt_hut = f->fifo[1];
  f->hlt_nd = f->fifo[2];
  done (f);
}

static void
configure (Fdc *f)
{
  f->config = f->fifo[2] & 0x7f;
  f->precomp_track = f->fifo[3];
  done (f);
}

static void
perpendicular (Fdc *f)
{
  uint8_t value = f->fifo[1] & 0x3f;
  f->perpendicular = f->fifo[1] & 0x80 ? value : (uint8_t) ((f->perpendicular & 0x3c) | (value & 3));
  done (f);
}

static void
lock (Fdc *f)
{
  f->lock = f->fifo[0] & 0x80;
  fdc_result (f, (const uint8_t[]) { f->lock ? 0x10 : 0 }, 1);
}

static void
powerdown (Fdc *f)
{
  f->power = f->fifo[1] & 0x37;
  if (f->power & 0x20)
    bp_log_unimp (f, "the enhanced register mode");
  fdc_result (f, &f->power, 1);
}

static void
option (Fdc *f)
{
  f->option = f->fifo[1] & 1;
  done (f);
}

static void version (Fdc *f) { fdc_result (f, (const uint8_t[]) { 0x90 }, 1); }
static void part_id (Fdc *f) { fdc_result (f, (const uint8_t[]) { 0x01 }, 1); }

/* What DUMPREG and SAVE tell in the same order, from the specified times on: 6 bytes. */
static void
put_settings (const Fdc *f, uint8_t *to)
{
  to[0] = f->srt_hut;
  to[1] = f->hlt_nd;
  to[2] = f->last_eot;
  to[3] = (uint8_t) (f->lock << 7 | f->perpendicular);
  to[4] = f->config;
  to[5] = f->precomp_track;
}

static void
dump_registers (Fdc *f)
{
  uint8_t result[10];
  memcpy (result, f->pcn, FDC_UNITS);
  put_settings (f, result + 4);
  fdc_result (f, result, sizeof result);
}

/* Rates, option, cylinders, settings, power, status. */
static void
save (Fdc *f)
{
  uint8_t result[16] = { f->dsr & 0x1f, f->option };
  memcpy (result + 2, f->pcn, FDC_UNITS);
  put_settings (f, result + 6);
  result[12] = f->power;
  fdc_result (f, result, sizeof result);
}

static void
restore (Fdc *f)
{
  const uint8_t *from = f->fifo + 1;
  f->dsr = (uint8_t) ((f->dsr & ~0x1f) | (from[0] & 0x1f));
  f->option = from[1] & 1;
  memcpy (f->pcn, from + 2, FDC_UNITS);
  f->srt_hut = from[6];
  f->hlt_nd = from[7];
  f->last_eot = from[8];
  f->lock = from[9] & 0x80;
  f->perpendicular = from[9] & 0x3f;
  f->config = from[10] & 0x7f;
  f->precomp_track = from[11];
  f->power = from[12] & 0x37;
  done (f);
}

/* A byte a drive, until one that says that it is the last. */
static void
drive_specification (Fdc *f)
{
  uint8_t value = f->fifo[1];
  f->count = 1;
  if (!(value & 0x80)) {
    f->drive_spec[value >> 5 & 3] = value & 0x1f;
    return;
  }
  if (value & 0x40)
    done (f);
  else
    fdc_result (f, f->drive_spec, FDC_UNITS);
}

/* --- the table -------------------------------------------------------------------------------------- */

static const Command commands[] = {
  { 0x1f, 0x06, 9, FDC_READ, NULL }, { 0x3f, 0x05, 9, FDC_WRITE, NULL }, { 0x1f, 0x0c, 9, FDC_READ_DELETED, NULL },
  { 0x3f, 0x09, 9, FDC_WRITE_DELETED, NULL }, { 0x9f, 0x02, 9, FDC_READ_TRACK, NULL }, { 0xbf, 0x0a, 2, FDC_READ_ID, NULL },
  { 0xbf, 0x0d, 6, FDC_FORMAT, NULL }, { 0x1f, 0x16, 9, FDC_VERIFY, NULL }, { 0x1f, 0x11, 9, FDC_SCAN_EQUAL, NULL },
  { 0x1f, 0x19, 9, FDC_SCAN_LOW, NULL }, { 0x1f, 0x1d, 9, FDC_SCAN_HIGH, NULL },
  { 0xff, 0x03, 3, FDC_NO_JOB, specify }, { 0xff, 0x04, 2, FDC_NO_JOB, sense_drive }, { 0xff, 0x07, 2, FDC_NO_JOB, recalibrate },
  { 0xff, 0x08, 1, FDC_NO_JOB, sense_interrupt }, { 0xff, 0x0e, 1, FDC_NO_JOB, dump_registers }, { 0xff, 0x0f, 3, FDC_NO_JOB, seek },
  { 0xbf, 0x8f, 3, FDC_NO_JOB, relative_seek }, { 0xff, 0x10, 1, FDC_NO_JOB, version }, { 0xff, 0x12, 2, FDC_NO_JOB, perpendicular },
  { 0xff, 0x13, 4, FDC_NO_JOB, configure }, { 0x7f, 0x14, 1, FDC_NO_JOB, lock }, { 0xff, 0x17, 2, FDC_NO_JOB, powerdown },
  { 0xff, 0x18, 1, FDC_NO_JOB, part_id }, { 0xff, 0x2e, 1, FDC_NO_JOB, save }, { 0xff, 0x33, 2, FDC_NO_JOB, option },
  { 0xff, 0x4e, 17, FDC_NO_JOB, restore }, { 0xff, 0x8e, 2, FDC_NO_JOB, drive_specification }
};

static const Command *
find_command (uint8_t first)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (commands); i++)
    if ((first & commands[i].mask) == commands[i].code)
      return &commands[i];
  return NULL;
}

void
fdc_command_byte (Fdc *f, uint8_t value)
{
  f->fifo[f->count++] = value;
  const Command *c = find_command (f->fifo[0]);
  if (!c) {
    bp_log_unimp (f, "command %02x", value);
    refuse (f);
  } else if (f->count < c->bytes)
    return;
  else if (c->job)
    fdc_begin (f, c->job);
  else
    c->execute (f);
}

/* A software reset keeps what SPECIFY said and, if LOCK said so, the FIFO's settings. */
void
fdc_commands_reset (Fdc *f, bool hardware)
{
  uint8_t kept = CONFIG_NO_FIFO | CONFIG_THRESHOLD;
  if (hardware) {
    f->srt_hut = f->hlt_nd = f->last_eot = f->power = f->option = 0;
    f->st0 = f->st1 = f->st2 = 0;
    f->unit = f->flags = f->head = f->c = f->h = f->r = f->n = f->eot = f->step = f->filler = f->left = 0;
    f->count_given = false;
    f->scan = 0;
    f->watched = 0;
    f->number = 0;
    f->lock = false;
    memset (f->pcn, 0, sizeof f->pcn);
    memset (f->seek_st0, 0, sizeof f->seek_st0);
    memset (f->drive_spec, 0, sizeof f->drive_spec);
    memset (f->fifo, 0, sizeof f->fifo);
  }
  f->config = (uint8_t) (f->lock ? f->config & kept : CONFIG_NO_FIFO);
  if (!f->lock)
    f->precomp_track = 0;
  f->perpendicular &= hardware ? 0 : 0x3c;
}
