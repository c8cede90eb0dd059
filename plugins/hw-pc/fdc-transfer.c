/* fdc-transfer.c -- commands of the 82078 that move data: sectors found on the disk, read, written, compared, formatted. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include <errno.h>
#include <string.h>
#include "fdc-82078.h"

#define START_NS INT64_C (20000)
#define END_NS INT64_C (100000)          /* from the last byte to the result: an interrupt handler that moved it has returned */
#define FAIL_NS INT64_C (500000)        /* stands for the two turns in which nothing was found */
#define STEP_NS INT64_C (20000)
#define SIZE_CODE 2u                    /* 128 << 2: the sectors of every format here */
#define ID_BYTES 4u

struct FdcRequest {
  BpBlockRequest block;
  struct iovec iov;
  Fdc *fdc;                             /* NULL: it was dropped */
  uint8_t bytes[FLOPPY_SECTOR];
};

static void sector_over (Fdc *f);

static bool is_write (const Fdc *f) { return f->job == FDC_WRITE || f->job == FDC_WRITE_DELETED || f->job == FDC_FORMAT; }
static bool is_scan (const Fdc *f) { return f->job == FDC_SCAN_EQUAL || f->job == FDC_SCAN_LOW || f->job == FDC_SCAN_HIGH; }
bool fdc_host_gives (const Fdc *f) { return is_write (f) || is_scan (f); }

/* --- the end of a command ------------------------------------------------------------------ */

static void
finish (Fdc *f, uint8_t st0, int64_t ns)
{
  f->st0 = st0;
  bp_timer_cancel (f->patience);
  bp_isa_dma_request (&f->dma, f->dma_channel, false);
  fdc_interrupt (f, false);     /* it rises anew with the result, though it was up for a byte that nobody took */
  fdc_wait (f, FDC_END, ns);
}

static void
fail (Fdc *f, uint8_t st1, uint8_t st2)
{
  f->st1 |= st1;
  f->st2 |= st2;
  finish (f, ST0_ABNORMAL, st1 & (ST1_MISSING_MARK | ST1_NO_DATA) ? FAIL_NS : END_NS);
}

void
fdc_end (Fdc *f)
{
  const uint8_t result[7] = { (uint8_t) (f->st0 | f->head << 2 | f->unit), f->st1, f->st2, f->c, f->h, f->r, f->n };
  f->job = FDC_NO_JOB;
  fdc_result (f, result, sizeof result);
  fdc_interrupt (f, true);
}

void
fdc_overrun (Fdc *f)
{
  bp_log_guest (f, "overrun: the host let %u of %u bytes of sector %u/%u/%u wait", f->length - f->moved, f->length, f->c, f->h, f->r);
  fail (f, ST1_OVERRUN, 0);
}

/* --- between the sector buffer and the disk --------------------------------------------------- */

static void
on_done (BpBlockRequest *block, int error)
{
  FdcRequest *r = block->user;
  Fdc *f = r->fdc;
  if (f) {
    f->request = NULL;
    if (block->op == BP_BLOCK_READ && !error)
      memcpy (f->sector, r->bytes, FLOPPY_SECTOR);
    fdc_disk_done (f, error);
  }
  g_free (r);
}

static void
submit (Fdc *f, FloppyDrive *d)
{
  FdcRequest *r = g_new0 (FdcRequest, 1);
  r->fdc = f;
  r->iov = (struct iovec) { r->bytes, FLOPPY_SECTOR };
  memcpy (r->bytes, f->sector, FLOPPY_SECTOR);
  r->block = (BpBlockRequest) { .struct_size = sizeof r->block, .op = is_write (f) ? BP_BLOCK_WRITE : BP_BLOCK_READ, .offset = (uint64_t) f->number * FLOPPY_SECTOR,
                                .size = FLOPPY_SECTOR, .iov = &r->iov, .n_iov = 1, .done = on_done, .user = r };
  f->request = r;
  f->phase = FDC_DISK;
  bp_block_submit (&d->block, &r->block);
}

/* Of an image that ends before the disk does the rest is zeros, and there is no place to write to. */
static void
start_disk (Fdc *f)
{
  FloppyDrive *d = fdc_drive (f, f->unit);
  if (!d || !d->format)
    fail (f, ST1_MISSING_MARK, 0);
  else if ((uint64_t) f->number * FLOPPY_SECTOR < d->size)
    submit (f, d);
  else if (is_write (f)) {
    bp_log_unimp (f, "sector %u lies past the end of the image, which does not grow", f->number);
    finish (f, ST0_ABNORMAL | ST0_EQUIPMENT, END_NS);
  } else {
    memset (f->sector, 0, sizeof f->sector);
    fdc_wait (f, FDC_DISK, END_NS);
  }
}

void
fdc_drop_request (Fdc *f)
{
  if (f->request)
    f->request->fdc = NULL;
  f->request = NULL;
}

void
fdc_request_again (Fdc *f)
{
  start_disk (f);
}

/* --- between the sector buffer and the host ---------------------------------------------------- */

static void
begin_host (Fdc *f, unsigned length)
{
  f->moved = f->watched = 0;
  f->length = (uint16_t) length;
  f->phase = FDC_HOST;
  bp_timer_arm (f->patience, fdc_now (f) + FDC_PATIENCE_NS);
  if (!fdc_uses_dma (f))
    fdc_interrupt (f, true);
  else if (f->dor & DOR_DMA_GATE)
    bp_isa_dma_request (&f->dma, f->dma_channel, true);
}

/* What the host gives; a comparison goes by the first byte that differs, and FF from the host is equal to anything (8272A, Scan Commands). */
static void
take (Fdc *f, const uint8_t *bytes, unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    uint8_t *at = &f->sector[f->moved++];
    if (!is_scan (f))
      *at = bytes[i];
    else if (!f->scan && bytes[i] != 0xff && *at != bytes[i])
      f->scan = *at < bytes[i] ? 1 : 2;
  }
}

/* The four bytes of a sector's ID have come.  What an image can have is its own sectors, in whatever order. */
static void
format_sector (Fdc *f)
{
  FloppyDrive *d = fdc_drive (f, f->unit);
  int track = d ? floppy_track (d, f->head) : -1;
  f->c = f->sector[0];
  f->h = f->sector[1];
  f->r = f->sector[2];
  f->n = f->sector[3];
  if (track < 0) {
    fail (f, ST1_MISSING_MARK, 0);
    return;
  }
  if (f->c != track || f->h != f->head || f->n != SIZE_CODE || f->r < 1 || f->r > d->format->sectors) {
    bp_log_unimp (f, "a sector %u/%u/%u of size %u has no place in the image of this disk", f->c, f->h, f->r, f->n);
    fail (f, ST1_NO_DATA, 0);
    return;
  }
  f->number = floppy_sector_number (d, (unsigned) track, f->head, f->r);
  memset (f->sector, f->filler, FLOPPY_SECTOR);
  start_disk (f);
}

static void
host_over (Fdc *f)
{
  bp_timer_cancel (f->patience);
  if (fdc_uses_dma (f))
    bp_isa_dma_request (&f->dma, f->dma_channel, false);
  else
    fdc_interrupt (f, false);
  if (f->job == FDC_FORMAT && f->moved == f->length)
    format_sector (f);
  else if (f->job == FDC_FORMAT)
    fail (f, ST1_OVERRUN, 0);
  else if (is_write (f)) {
    memset (f->sector + f->moved, 0, FLOPPY_SECTOR - f->moved);
    start_disk (f);
  } else
    sector_over (f);
}

static size_t
on_transfer (void *user, BpIsaDmaKind kind, uint8_t *bytes, size_t size, bool tc)
{
  static const uint8_t nothing[FLOPPY_SECTOR] = { 0 };
  Fdc *f = user;
  if (f->phase != FDC_HOST || !fdc_uses_dma (f) || kind == BP_ISA_DMA_CASCADE)
    return 0;
  unsigned n = (unsigned) MIN (size, (size_t) (f->length - f->moved));
  if (fdc_host_gives (f))
    take (f, kind == BP_ISA_DMA_READ ? bytes : nothing, n);
  else {
    if (kind != BP_ISA_DMA_READ)
      memcpy (bytes, f->sector + f->moved, n);
    f->moved = (uint16_t) (f->moved + n);
  }
  f->tc = tc && n == size;
  if (f->tc || f->moved == f->length)
    host_over (f);
  return n;
}

const BpIsaDmaHandlers fdc_dma_handlers = { .struct_size = sizeof fdc_dma_handlers, .transfer = on_transfer };

/* One byte went through the FIFO: the line drops, and rises again every so many bytes as the FIFO's threshold says. */
static void
host_moved (Fdc *f)
{
  unsigned threshold = f->config & CONFIG_NO_FIFO ? 1 : (f->config & CONFIG_THRESHOLD) + 1u;
  if (f->moved == f->length)
    host_over (f);
  else if (f->moved % threshold == 0) {
    fdc_interrupt (f, false);
    fdc_interrupt (f, true);
  }
}

uint8_t
fdc_host_read (Fdc *f)
{
  uint8_t value = f->sector[f->moved++];
  host_moved (f);
  return value;
}

void
fdc_host_write (Fdc *f, uint8_t value)
{
  take (f, &value, 1);
  host_moved (f);
}

/* --- from sector to sector -------------------------------------------------------------------- */

static bool is_last_of_side (const Fdc *f) { return is_scan (f) ? f->r >= f->eot : f->r == f->eot; }

/* To where a next command would go on; true: this one can, on the same cylinder. */
static bool
go_on (Fdc *f)
{
  unsigned step = is_scan (f) && f->step == 2 ? 2 : 1;
  if (!is_last_of_side (f)) {
    f->r = (uint8_t) (f->r + step);
    return true;
  }
  bool is_more = f->flags & COMMAND_MT && f->head == 0;
  f->r = 1;
  if (f->flags & COMMAND_MT)
    f->h ^= 1;
  if (!is_more)
    f->c++;
  return is_more;
}

/* On to the other side, if that is where go_on went. */
static void
next_sector (Fdc *f)
{
  if (f->flags & COMMAND_MT && f->r == 1)
    f->head = f->h & 1;
  fdc_start (f);
}

static bool
is_scan_satisfied (Fdc *f)
{
  f->st2 &= (uint8_t) ~(ST2_SCAN_EQUAL | ST2_SCAN_NOT_SATISFIED);
  if (f->scan == 0)
    f->st2 |= ST2_SCAN_EQUAL;
  else if (f->job == FDC_SCAN_EQUAL || (f->job == FDC_SCAN_LOW) != (f->scan == 1))
    f->st2 |= ST2_SCAN_NOT_SATISFIED;
  return !(f->st2 & ST2_SCAN_NOT_SATISFIED);
}

static void
track_sector_over (Fdc *f)
{
  f->left--;
  if (f->tc || f->left == 0)
    finish (f, f->st1 ? ST0_ABNORMAL : 0, END_NS);
  else
    fdc_start (f);
}

/* Without terminal count the end of the cylinder is an error, which happened in the last sector, except where nothing was to be moved. */
static void
end_of_cylinder (Fdc *f, uint8_t c, uint8_t h, uint8_t r)
{
  if (is_scan (f) || (f->job == FDC_VERIFY && !f->count_given))
    finish (f, 0, END_NS);
  else {
    f->c = c;
    f->h = h;
    f->r = r;
    fail (f, ST1_END_OF_CYLINDER, 0);
  }
}

static void
sector_over (Fdc *f)
{
  bool is_over = f->tc || (f->st2 & ST2_CONTROL_MARK && !(f->flags & COMMAND_SK));
  if (f->job == FDC_READ_TRACK) {
    track_sector_over (f);
    return;
  }
  if (is_scan (f)) {
    is_over |= is_scan_satisfied (f);
    f->scan = 0;
  }
  if (f->job == FDC_VERIFY && f->count_given)
    is_over |= --f->left == 0;
  uint8_t c = f->c, h = f->h, r = f->r;
  bool is_more = go_on (f);
  if (is_over)
    finish (f, 0, END_NS);
  else if (is_more)
    next_sector (f);
  else
    end_of_cylinder (f, c, h, r);
}

static void
format_over (Fdc *f)
{
  if (--f->left == 0)
    finish (f, 0, END_NS);
  else
    begin_host (f, ID_BYTES);
}

/* The backend is done, or there was nothing for it to do. */
void
fdc_disk_done (Fdc *f, int error)
{
  FloppyDrive *d = fdc_drive (f, f->unit);
  if (error == ENOMEDIUM || error == ECANCELED || error == EINVAL || !d || !d->format)
    fail (f, ST1_MISSING_MARK, 0);
  else if (error == EROFS)
    fail (f, ST1_NOT_WRITABLE, 0);
  else if (error && is_write (f))
    finish (f, ST0_ABNORMAL | ST0_EQUIPMENT, END_NS);
  else if (error)
    fail (f, ST1_DATA_ERROR, ST2_DATA_ERROR);
  else if (is_write (f)) {
    floppy_set_deleted (d, f->number, f->job == FDC_WRITE_DELETED);
    (f->job == FDC_FORMAT ? format_over : sector_over) (f);
  } else if (f->job == FDC_VERIFY)
    sector_over (f);
  else
    begin_host (f, FLOPPY_SECTOR);
}

/* --- looking for a sector ----------------------------------------------------------------------- */

/* In kbit/s, as CCR or DSR and the drive's rate table have it. */
static unsigned
selected_rate (const Fdc *f)
{
  static const uint16_t second[4] = { 300, 500, 2000, 300 };
  switch (f->dsr & 3) {
  case 0: return 500;
  case 1: return second[f->drive_spec[f->unit] >> 2 & 3];
  case 2: return 250;
  default: return 1000;
  }
}

static bool
can_hear (Fdc *f, const FloppyDrive *d)
{
  return d && d->format && f->dor >> (4 + f->unit) & 1 && f->flags & COMMAND_MFM && selected_rate (f) == floppy_rate (d);
}

static void
read_id (Fdc *f, const FloppyDrive *d, unsigned track)
{
  f->c = (uint8_t) track;
  f->h = f->head;
  f->r = (uint8_t) floppy_passing (d, fdc_now (f));
  f->n = SIZE_CODE;
  finish (f, 0, END_NS);
}

/* Sectors as they come by, whatever they are called. */
static void
read_track (Fdc *f, const FloppyDrive *d, unsigned track)
{
  unsigned place = f->eot - f->left + 1u;
  if (place > d->format->sectors) {
    fail (f, ST1_MISSING_MARK, 0);
    return;
  }
  if (f->c != track || f->h != f->head || f->n != SIZE_CODE || f->r + place - 1 != place)
    f->st1 |= ST1_NO_DATA;
  f->number = floppy_sector_number (d, track, f->head, place);
  start_disk (f);
}

static void
found (Fdc *f, const FloppyDrive *d)
{
  bool deleted = floppy_is_deleted (d, f->number);
  if (is_write (f)) {
    begin_host (f, FLOPPY_SECTOR);
    return;
  }
  if (f->job != FDC_VERIFY && deleted != (f->job == FDC_READ_DELETED)) {
    f->st2 |= ST2_CONTROL_MARK;
    if (f->flags & COMMAND_SK) {
      sector_over (f);
      return;
    }
  }
  start_disk (f);
}

static void
find (Fdc *f, const FloppyDrive *d, unsigned track)
{
  if (f->c != track || f->h != f->head || f->n != SIZE_CODE || f->r < 1 || f->r > d->format->sectors) {
    fail (f, ST1_NO_DATA, f->c == track ? 0 : ST2_WRONG_CYLINDER);
    return;
  }
  f->number = floppy_sector_number (d, track, f->head, f->r);
  found (f, d);
}

void
fdc_start (Fdc *f)
{
  const FloppyDrive *d = fdc_drive (f, f->unit);
  if (is_write (f) && d && d->format && d->read_only) {
    fail (f, ST1_NOT_WRITABLE, 0);
    return;
  }
  int track = can_hear (f, d) ? floppy_track (d, f->head) : -1;
  if (track < 0)
    fail (f, ST1_MISSING_MARK, 0);
  else if (f->job == FDC_READ_ID)
    read_id (f, d, (unsigned) track);
  else if (f->job == FDC_READ_TRACK)
    read_track (f, d, (unsigned) track);
  else if (f->job == FDC_FORMAT)
    begin_host (f, ID_BYTES);
  else
    find (f, d, (unsigned) track);
}

/* --- the beginning of a command ------------------------------------------------------------------ */

static void
take_format (Fdc *f)
{
  f->n = f->fifo[2];
  f->left = f->last_eot = f->fifo[3];
  f->filler = f->fifo[5];
}

static void
take_address (Fdc *f)
{
  f->c = f->fifo[2];
  f->h = f->fifo[3];
  f->r = f->fifo[4];
  f->n = f->fifo[5];
  f->eot = f->last_eot = f->fifo[6];
  f->step = f->fifo[8];
  f->left = f->job == FDC_VERIFY ? f->step : f->eot;
  f->count_given = f->job == FDC_VERIFY && f->fifo[1] & 0x80;
}

void
fdc_begin (Fdc *f, FdcJob job)
{
  unsigned steps = 0;
  f->job = (uint8_t) job;
  f->flags = f->fifo[0] & (COMMAND_MT | COMMAND_MFM | COMMAND_SK);
  f->unit = f->fifo[1] & 3;
  f->head = f->fifo[1] >> 2 & 1;
  f->st1 = f->st2 = f->scan = 0;
  f->tc = f->count_given = false;
  if (job == FDC_FORMAT)
    take_format (f);
  else if (job != FDC_READ_ID) {
    take_address (f);
    if (f->config & CONFIG_IMPLIED_SEEK)
      steps = fdc_seek_to (f, f->unit, f->c);
  }
  fdc_wait (f, FDC_START, START_NS + STEP_NS * steps);
}
