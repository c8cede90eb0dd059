/* fdc-82078.c -- Intel 82078 floppy disk controller (data sheet 290475-005) as in an AT: registers, interrupt, DMA request, reset. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/iface/cmos.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include <string.h>
#include "fdc-82078.h"

/* Mechanics are quick here; what drivers can tell is that nothing is over before the guest has gone on. */
#define RESET_NS INT64_C (20000)

/* --- registers -------------------------------------------------------------- */

enum { REG_SRA, REG_SRB, REG_DOR, REG_TDR, REG_MSR, REG_FIFO };        /* REG_MSR is DSR when written; DIR and CCR lie at 7 */
enum { MSR_BUSY = 0x10, MSR_NON_DMA = 0x20, MSR_TO_HOST = 0x40, MSR_READY = 0x80 };
enum { DSR_RATE = 0x03, DSR_POWERDOWN = 0x40, DSR_RESET = 0x80 };
enum { DIR_CHANGED = 0x80 };

int64_t fdc_now (Fdc *f) { return bp_clock_now (bp_object_machine (f), BP_CLOCK_VIRTUAL); }

/* --- interrupt, results, delays ---------------------------------------------------- */

static void update_irq (Fdc *f) { bp_pin_set (f->irq, f->interrupt && f->dor & DOR_DMA_GATE); }

void
fdc_interrupt (Fdc *f, bool on)
{
  f->interrupt = on;
  update_irq (f);
}

void
fdc_result (Fdc *f, const uint8_t *bytes, unsigned n)
{
  memcpy (f->fifo, bytes, n);
  f->count = (uint8_t) n;
  f->at = 0;
  f->phase = FDC_RESULT;
}

void
fdc_wait (Fdc *f, FdcPhase phase, int64_t ns)
{
  f->phase = (uint8_t) phase;
  bp_timer_arm (f->delay, fdc_now (f) + ns);
}

static void
on_delay (void *user)
{
  Fdc *f = user;
  if (f->phase == FDC_START)
    fdc_start (f);
  else if (f->phase == FDC_END)
    fdc_end (f);
  else if (f->phase == FDC_DISK)
    fdc_disk_done (f, 0);
}

static void on_seek0 (void *user) { fdc_seek_over (user, 0); }
static void on_seek1 (void *user) { fdc_seek_over (user, 1); }
static void on_seek2 (void *user) { fdc_seek_over (user, 2); }
static void on_seek3 (void *user) { fdc_seek_over (user, 3); }

/* While the host has bytes to move: has it moved any? */
static void
on_patience (void *user)
{
  Fdc *f = user;
  if (f->phase != FDC_HOST)
    return;
  if (f->moved == f->watched)
    fdc_overrun (f);
  else {
    f->watched = f->moved;
    bp_timer_arm (f->patience, fdc_now (f) + FDC_PATIENCE_NS);
  }
}

/* --- reset ------------------------------------------------------------------------------ */

static void
stop_everything (Fdc *f)
{
  bp_timer_cancel (f->delay);
  bp_timer_cancel (f->patience);
  bp_timer_cancel (f->ready);
  for (unsigned i = 0; i < FDC_UNITS; i++)
    bp_timer_cancel (f->seek_timer[i]);
  bp_isa_dma_request (&f->dma, f->dma_channel, false);
  fdc_drop_request (f);
  f->seeking = f->seek_done = f->reset_senses = f->count = f->at = 0;
  f->moved = f->length = 0;
  f->job = FDC_NO_JOB;
  f->tc = false;
  fdc_interrupt (f, false);
}

/* Through DOR it lasts until the bit is set again, through DSR a moment. */
static void
begin_reset (Fdc *f)
{
  stop_everything (f);
  fdc_commands_reset (f, false);
  f->phase = FDC_IN_RESET;
}

static void
end_reset (Fdc *f)
{
  if (f->phase == FDC_IN_RESET && f->dor & DOR_NOT_RESET)
    bp_timer_arm (f->ready, fdc_now (f) + RESET_NS);
}

/* The drives have been polled, and each is found to have become ready. */
static void
on_ready (void *user)
{
  Fdc *f = user;
  f->phase = FDC_COMMAND;
  f->count = 0;
  f->reset_senses = FDC_UNITS;
  fdc_interrupt (f, true);
}

/* --- guest access -------------------------------------------------------------------- */

static uint8_t
main_status (Fdc *f)
{
  uint8_t value = f->seeking | f->seek_done;
  switch ((FdcPhase) f->phase) {
  case FDC_COMMAND:
    return (uint8_t) (value | MSR_READY | (f->count ? MSR_BUSY : 0));
  case FDC_RESULT:
    return value | MSR_READY | MSR_TO_HOST | MSR_BUSY;
  case FDC_HOST:
    if (fdc_uses_dma (f))
      return value | MSR_BUSY;
    return (uint8_t) (value | MSR_READY | MSR_NON_DMA | MSR_BUSY | (fdc_host_gives (f) ? 0 : MSR_TO_HOST));
  case FDC_START: case FDC_END: case FDC_DISK:
    return (uint8_t) (value | MSR_BUSY | (fdc_uses_dma (f) ? 0 : MSR_NON_DMA));
  case FDC_IN_RESET:
    break;
  }
  return 0;
}

static uint8_t
read_fifo (Fdc *f)
{
  if (f->phase == FDC_HOST && !fdc_uses_dma (f) && !fdc_host_gives (f))
    return fdc_host_read (f);
  if (f->phase != FDC_RESULT) {
    bp_log_guest (f, "nothing is there to be read");
    return 0;
  }
  uint8_t value = f->fifo[f->at++];
  fdc_interrupt (f, false);
  if (f->at == f->count) {
    f->phase = FDC_COMMAND;
    f->count = f->at = 0;
    if (!f->reset_senses && f->seek_done)       /* another drive has something to tell */
      fdc_interrupt (f, true);
  }
  return value;
}

static void
write_fifo (Fdc *f, uint8_t value)
{
  if (f->phase == FDC_COMMAND)
    fdc_command_byte (f, value);
  else if (f->phase == FDC_HOST && !fdc_uses_dma (f) && fdc_host_gives (f))
    fdc_host_write (f, value);
  else
    bp_log_guest (f, "%02x written while no byte is wanted", value);
}

static void
write_dor (Fdc *f, uint8_t value)
{
  uint8_t before = f->dor;
  f->dor = value;
  if (before & ~value & DOR_NOT_RESET)
    begin_reset (f);
  else if (value & ~before & DOR_NOT_RESET)
    end_reset (f);
  update_irq (f);
  if ((before ^ value) & DOR_DMA_GATE && f->phase == FDC_HOST && fdc_uses_dma (f))
    bp_isa_dma_request (&f->dma, f->dma_channel, value & DOR_DMA_GATE);
}

static void
write_dsr (Fdc *f, uint8_t value)
{
  f->dsr = value & (uint8_t) ~DSR_RESET;
  if (value & DSR_POWERDOWN)
    bp_log_unimp (f, "power is never taken down");
  if (value & DSR_RESET) {
    begin_reset (f);
    end_reset (f);
  }
}

/* In an AT the two status registers are not driven. */
static uint64_t
fdc_read (void *self, uint64_t offset, unsigned size)
{
  Fdc *f = self;
  switch (offset) {
  case REG_DOR: return f->dor;
  case REG_TDR: return f->tdr | 0xfc;
  case REG_MSR: return main_status (f);
  case REG_FIFO: return read_fifo (f);
  default: return 0xff;
  }
}

static void
fdc_write (void *self, uint64_t offset, uint64_t data, unsigned size)
{
  Fdc *f = self;
  uint8_t value = (uint8_t) data;
  switch (offset) {
  case REG_DOR: write_dor (f, value); break;
  case REG_TDR: f->tdr = value & 3; break;
  case REG_MSR: write_dsr (f, value); break;
  case REG_FIFO: write_fifo (f, value); break;
  }
}

/* The selected drive's change line.  The other bits are a fixed disk's; without one nothing pulls them up. */
static uint64_t
dir_read (void *self, uint64_t offset, unsigned size)
{
  Fdc *f = self;
  const FloppyDrive *d = fdc_drive (f, f->dor & 3);
  return d && f->dor >> (4 + (f->dor & 3)) & 1 && (d->changed || !d->format) ? DIR_CHANGED : 0;
}

static void
ccr_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Fdc *f = self;
  f->dsr = (uint8_t) ((f->dsr & ~DSR_RATE) | (value & DSR_RATE));
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

/* What firmware and DOS learn of the drives: types at 0x10; at 0x14 whether there are any, and how many but one. */
static void
fill_cmos (Fdc *f)
{
  uint8_t a = floppy_cmos_type (&f->drive[0]), b = floppy_cmos_type (&f->drive[1]);
  bp_cmos_set (&f->cmos, 0x10, 0xff, (uint8_t) (a << 4 | b));
  bp_cmos_set (&f->cmos, 0x14, 0xc1, (uint8_t) ((a || b ? 1 : 0) | (a && b ? 0x40 : 0)));
}

static bool
fdc_realize (void *self, GError **error)
{
  static void (*const seek[FDC_UNITS]) (void *user) = { on_seek0, on_seek1, on_seek2, on_seek3 };
  Fdc *f = self;
  f->delay = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_delay, f);
  f->patience = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_patience, f);
  f->ready = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_ready, f);
  for (unsigned i = 0; i < FDC_UNITS; i++)
    f->seek_timer[i] = bp_timer_new (self, BP_CLOCK_VIRTUAL, seek[i], f);
  if (!bp_isa_dma_attach (&f->dma, f->dma_channel, &fdc_dma_handlers, f)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "DMA channel %u is in use by another device, or there is no such channel", f->dma_channel);
    f->dma = (BpLink) { NULL, NULL };
    return false;
  }
  for (unsigned i = 0; i < FDC_DRIVES; i++)
    if (!floppy_realize (&f->drive[i], self, error))
      return false;
  fill_cmos (f);
  return true;
}

static void
fdc_unrealize (void *self)
{
  Fdc *f = self;
  BpTimer **timers[] = { &f->delay, &f->patience, &f->ready, &f->seek_timer[0], &f->seek_timer[1], &f->seek_timer[2], &f->seek_timer[3] };
  bp_machine_lock (bp_object_machine (f));      /* an answer may be on its way */
  fdc_drop_request (f);
  bp_machine_unlock (bp_object_machine (f));
  for (unsigned i = 0; i < FDC_DRIVES; i++)
    floppy_unrealize (&f->drive[i]);
  bp_isa_dma_attach (&f->dma, f->dma_channel, NULL, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (timers); i++) {
    bp_timer_free (*timers[i]);
    *timers[i] = NULL;
  }
}

/* The reset line leaves DOR's bit at 0: software ends the reset. */
static void
fdc_reset (void *self, BpResetKind kind)
{
  Fdc *f = self;
  stop_everything (f);
  fdc_commands_reset (f, true);
  f->phase = FDC_IN_RESET;
  f->dor = f->tdr = 0;
  f->dsr = 0x02;                /* 250 kbit/s */
  memset (f->sector, 0, sizeof f->sector);
  update_irq (f);
  for (unsigned i = 0; i < FDC_DRIVES && kind == BP_RESET_COLD; i++)
    floppy_power_on (&f->drive[i]);
}

static bool
is_possible (const Fdc *f)
{
  if (f->phase > FDC_IN_RESET || f->job >= FDC_N_JOBS || f->unit >= FDC_UNITS || f->reset_senses > FDC_UNITS || (f->seeking | f->seek_done) >> FDC_UNITS)
    return false;
  if (f->count > FDC_FIFO || f->at > f->count || (f->phase == FDC_RESULT && f->at == f->count) || (f->phase == FDC_COMMAND && f->count == FDC_FIFO))
    return false;
  if (f->length > FLOPPY_SECTOR || f->moved > f->length || (f->phase == FDC_HOST && f->moved == f->length) || f->number >= FLOPPY_MOST_SECTORS)
    return false;
  return f->drive[0].cylinder < FLOPPY_MOST_CYLINDERS && f->drive[1].cylinder < FLOPPY_MOST_CYLINDERS;
}

static bool
fdc_post_load (void *self, GError **error)
{
  Fdc *f = self;
  if (!is_possible (f)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the state of a command is impossible");
    return false;
  }
  fdc_drop_request (f);
  for (unsigned i = 0; i < FDC_DRIVES; i++)
    floppy_look (&f->drive[i]);
  if (f->phase == FDC_DISK && !bp_timer_is_armed (f->delay))
    fdc_request_again (f);
  update_irq (f);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty fdc_properties[] = {
  BP_PROP_LINK ("drive0", Fdc, drive[0].block, BP_BLOCK_ID, 0, "The block backend whose image is the disk in the first drive; empty: no disk."),
  BP_PROP_ENUM ("drive0-type", Fdc, drive[0].wanted, FLOPPY_AUTO, floppy_type_names,
                "What kind the first drive is; auto: the commonest that takes the image (1.44M without one), and none without a block backend."),
  BP_PROP_LINK ("drive1", Fdc, drive[1].block, BP_BLOCK_ID, 0, "The same for the second drive."),
  BP_PROP_ENUM ("drive1-type", Fdc, drive[1].wanted, FLOPPY_AUTO, floppy_type_names, "What kind the second drive is."),
  BP_PROP_LINK ("dma", Fdc, dma, BP_ISA_DMA_ID, 0, "The DMA controller; none: only transfers through the FIFO work."),
  BP_PROP_ ("dma-channel", BP_PROPERTY_U8, Fdc, dma_channel, .default_int = 2, .min = 0, .max = 3, .help = "The channel of the DMA controller, 2 in a PC."),
  BP_PROP_LINK ("cmos", Fdc, cmos, BP_CMOS_ID, 0, "The clock whose CMOS RAM tells firmware the types of the drives."),
  BP_PROP_END
};

static const BpRegionOps fdc_ops = BP_REGION_OPS (.read = fdc_read, .write = fdc_write, .impl_max = 1);
static const BpRegionOps port7_ops = BP_REGION_OPS (.read = dir_read, .write = ccr_write, .impl_max = 1);
static const BpRegionDesc fdc_regions[] = {
  BP_REGION_DESC ("pio0", Fdc, ports, &fdc_ops, 6, "The registers; 0x3f0 in a PC."),
  BP_REGION_DESC ("pio1", Fdc, port7, &port7_ops, 1, "Disk change line and data rate; 0x3f7 in a PC (0x3f6 between them is the fixed disk's)."),
  BP_REGION_DESC_END
};
static const BpPinDesc fdc_pins[] = { BP_PIN_DESC_OUT ("irq", Fdc, irq, 0, "Interrupt request, IRQ 6 in a PC."), BP_PIN_DESC_END };

static const BpStateField drive_state[] = {
  BP_STATE_FIELD_U8 (FloppyDrive, cylinder), BP_STATE_FIELD_BOOL (FloppyDrive, changed), BP_STATE_FIELD_BYTES (FloppyDrive, deleted), BP_STATE_END
};
static const BpStateField fdc_state[] = {
  BP_STATE_FIELD_U8 (Fdc, dor), BP_STATE_FIELD_U8 (Fdc, dsr), BP_STATE_FIELD_U8 (Fdc, tdr), BP_STATE_FIELD_U8 (Fdc, phase),
  BP_STATE_FIELD_BYTES (Fdc, fifo), BP_STATE_FIELD_U8 (Fdc, count), BP_STATE_FIELD_U8 (Fdc, at),
  BP_STATE_FIELD_U8 (Fdc, srt_hut), BP_STATE_FIELD_U8 (Fdc, hlt_nd), BP_STATE_FIELD_U8 (Fdc, config), BP_STATE_FIELD_U8 (Fdc, precomp_track),
  BP_STATE_FIELD_U8 (Fdc, perpendicular), BP_STATE_FIELD_U8 (Fdc, power), BP_STATE_FIELD_U8 (Fdc, option), BP_STATE_FIELD_BYTES (Fdc, drive_spec),
  BP_STATE_FIELD_U8 (Fdc, last_eot), BP_STATE_FIELD_BOOL (Fdc, lock), BP_STATE_FIELD_BOOL (Fdc, interrupt),
  BP_STATE_FIELD_BYTES (Fdc, pcn), BP_STATE_FIELD_BYTES (Fdc, seek_st0), BP_STATE_FIELD_U8 (Fdc, seeking), BP_STATE_FIELD_U8 (Fdc, seek_done),
  BP_STATE_FIELD_U8 (Fdc, reset_senses), BP_STATE_FIELD_U8 (Fdc, job), BP_STATE_FIELD_U8 (Fdc, unit), BP_STATE_FIELD_U8 (Fdc, flags),
  BP_STATE_FIELD_U8 (Fdc, head), BP_STATE_FIELD_U8 (Fdc, c), BP_STATE_FIELD_U8 (Fdc, h), BP_STATE_FIELD_U8 (Fdc, r), BP_STATE_FIELD_U8 (Fdc, n),
  BP_STATE_FIELD_U8 (Fdc, eot), BP_STATE_FIELD_U8 (Fdc, step), BP_STATE_FIELD_U8 (Fdc, filler), BP_STATE_FIELD_U8 (Fdc, left),
  BP_STATE_FIELD_U8 (Fdc, st0), BP_STATE_FIELD_U8 (Fdc, st1), BP_STATE_FIELD_U8 (Fdc, st2), BP_STATE_FIELD_BOOL (Fdc, tc),
  BP_STATE_FIELD_BOOL (Fdc, count_given), BP_STATE_FIELD_U8 (Fdc, scan), BP_STATE_FIELD_U32 (Fdc, number), BP_STATE_FIELD_BYTES (Fdc, sector),
  BP_STATE_FIELD_U16 (Fdc, moved), BP_STATE_FIELD_U16 (Fdc, length), BP_STATE_FIELD_U16 (Fdc, watched),
  BP_STATE_FIELD_TIMER (Fdc, delay), BP_STATE_FIELD_TIMER (Fdc, patience), BP_STATE_FIELD_TIMER (Fdc, ready),
  BP_STATE_FIELD_ARRAY (BP_STATE_TIMER, Fdc, seek_timer, FDC_UNITS),
  BP_STATE_FIELD_STRUCTS (Fdc, drive, FDC_DRIVES, drive_state), BP_STATE_END
};

const BpTypeDesc fdc_82078_type = {
  BP_TYPE ("fdc-82078", BP_KIND_DEVICE, Fdc),
  .description = "Intel 82078 floppy disk controller with up to two drives",
  .properties = fdc_properties,
  .regions = fdc_regions,
  .pins = fdc_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = fdc_state,
  .realize = fdc_realize,
  .unrealize = fdc_unrealize,
  .reset = fdc_reset,
  .post_load = fdc_post_load,
};
