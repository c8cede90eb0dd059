/* ide-drive.c -- the registers of an ATA device (ATA/ATAPI-6, chapters 7 to 9): who may write them when, PIO data, interrupts, resets. */
/* SPDX-License-Identifier: MIT */
#include "ide-drive.h"
#include <backplane/log.h>
#include <backplane/object.h>
#include <errno.h>
#include <string.h>
#include "ide-request.h"

enum { COMMAND_DEVICE_RESET = 0x08, COMMAND_DIAGNOSTIC = 0x90 };

/* --- interrupt and status ----------------------------------------------------------------- */

static bool is_selected (const IdeDrive *d) { return (d->device & DEVICE_DEV ? 1u : 0u) == d->unit; }

static void
follow_interrupt (IdeDrive *d)
{
  ide_bus (d)->set_interrupt (d->bus.instance, d->slot, d->interrupt && is_selected (d) && !(d->control & CONTROL_NIEN));
}

static void
lower (IdeDrive *d)
{
  d->interrupt = false;
  follow_interrupt (d);
}

void
ide_raise (IdeDrive *d)
{
  d->interrupt = true;
  follow_interrupt (d);
}

void
ide_finish_silently (IdeDrive *d)
{
  d->status = STATUS_DRDY | STATUS_DSC;
}

void
ide_finish (IdeDrive *d)
{
  ide_finish_silently (d);
  ide_raise (d);
}

void
ide_fail (IdeDrive *d, uint8_t error)
{
  d->error = error;
  d->status = STATUS_DRDY | STATUS_DSC | STATUS_ERR;
  ide_raise (d);
}

/* --- the data register ---------------------------------------------------------------------- */

void
ide_pio (IdeDrive *d, bool to_host, uint32_t bytes, bool interrupt)
{
  d->to_host = to_host;
  d->end = d->position + bytes;
  g_assert (d->end <= IDE_BUFFER && bytes);
  d->status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
  if (interrupt)
    ide_raise (d);
}

static void
moved (IdeDrive *d, unsigned size)
{
  d->position += size;
  if (d->position < d->end)
    return;
  d->position = d->end;
  d->status = STATUS_DRDY | STATUS_BSY;
  d->ops->pio_done (d);
}

static uint32_t
read_data (void *self, unsigned size)
{
  IdeDrive *d = self;
  uint32_t value = 0;
  if (!(d->status & STATUS_DRQ) || !d->to_host)
    return 0;
  memcpy (&value, d->buffer + d->position, MIN (size, d->end - d->position));
  moved (d, size);
  return GUINT32_FROM_LE (value);
}

static void
write_data (void *self, uint32_t value, unsigned size)
{
  IdeDrive *d = self;
  if (!(d->status & STATUS_DRQ) || d->to_host)
    return;
  value = GUINT32_TO_LE (value);
  memcpy (d->buffer + d->position, &value, MIN (size, d->end - d->position));
  moved (d, size);
}

/* --- resets ----------------------------------------------------------------------------------- */

/* What the guest knows the kind of device by (9.12). */
void
ide_set_signature (IdeDrive *d)
{
  const uint8_t values[] = { 1, 1, d->ops->signature_mid, d->ops->signature_high };
  uint8_t *const registers[] = { d->count, d->low, d->mid, d->high };
  for (unsigned i = 0; i < G_N_ELEMENTS (values); i++)
    registers[i][0] = registers[i][1] = values[i];
  d->device = 0;
  d->error = 1;                 /* passed; there is no other code, whoever it is for */
}

/* What is under way ends; the guest's memory is left alone from now on. */
static void
abandon (IdeDrive *d)
{
  ide_cancel (d);
  ide_dma_end (d);
  d->position = d->end = d->filled = 0;
  d->sleeping = false;
  lower (d);
}

static void
become_ready (IdeDrive *d)
{
  ide_set_signature (d);
  d->status = d->ops->ready;
  follow_interrupt (d);
}

static void
write_control (IdeDrive *d, uint8_t value)
{
  uint8_t changed = value ^ d->control;
  d->control = value;
  if (changed & value & CONTROL_SRST) {
    abandon (d);
    d->status = STATUS_BSY;
  } else if (changed & CONTROL_SRST) {
    d->ops->reset (d, false);
    become_ready (d);
  }
  follow_interrupt (d);
}

static void
diagnose (IdeDrive *d)
{
  abandon (d);
  become_ready (d);
  if (d->unit == 0)
    ide_raise (d);
}

/* DEVICE RESET is a packet device's, at any time, and makes no interrupt (8.7). */
static void
reset_device (IdeDrive *d)
{
  uint8_t device = d->device;
  abandon (d);
  become_ready (d);
  d->device = device & DEVICE_DEV;
}

/* --- guest access ------------------------------------------------------------------------------- */

static void
write_command (IdeDrive *d, uint8_t command)
{
  bool packet = d->ops->signature_high;
  if (d->control & CONTROL_SRST || (d->sleeping && !(packet && command == COMMAND_DEVICE_RESET)))
    return;
  if (d->status & STATUS_BSY && !(packet && command == COMMAND_DEVICE_RESET)) {
    bp_log_guest (d, "command 0x%02x while the drive is busy", command);
    return;
  }
  lower (d);
  d->command = command;
  if (command == COMMAND_DIAGNOSTIC) {
    diagnose (d);
  } else if (packet && command == COMMAND_DEVICE_RESET) {
    reset_device (d);
  } else {
    ide_dma_end (d);
    d->position = d->end = d->filled = 0;
    d->error = 0;
    d->status = STATUS_DRDY | STATUS_BSY;
    d->ops->command (d, command);
  }
}

static void
push (uint8_t pair[2], uint8_t value)
{
  pair[1] = pair[0];
  pair[0] = value;
}

static void
write_register (void *self, unsigned reg, uint8_t value)
{
  IdeDrive *d = self;
  if (reg == BP_ATA_CONTROL) {
    write_control (d, value);
    return;
  }
  d->control &= (uint8_t) ~CONTROL_HOB;
  if (reg == BP_ATA_COMMAND) {
    if (is_selected (d) || value == COMMAND_DIAGNOSTIC)
      write_command (d, value);
    return;
  }
  if (d->status & STATUS_BSY) {
    if (reg == BP_ATA_DEVICE)   /* who is selected is the cable's business, too */
      d->device = (uint8_t) ((d->device & ~DEVICE_DEV) | (value & DEVICE_DEV));
    follow_interrupt (d);
    return;
  }
  switch (reg) {
  case BP_ATA_FEATURES: push (d->features, value); break;
  case BP_ATA_COUNT: push (d->count, value); break;
  case BP_ATA_LBA_LOW: push (d->low, value); break;
  case BP_ATA_LBA_MID: push (d->mid, value); break;
  case BP_ATA_LBA_HIGH: push (d->high, value); break;
  case BP_ATA_DEVICE: d->device = value; follow_interrupt (d); break;
  default: break;
  }
}

static uint8_t
read_register (void *self, unsigned reg)
{
  IdeDrive *d = self;
  unsigned old = d->control & CONTROL_HOB ? 1 : 0;
  if (reg == BP_ATA_STATUS)
    lower (d);
  if (d->status & STATUS_BSY)
    return d->status;
  switch (reg) {
  case BP_ATA_ERROR: return d->error;
  case BP_ATA_COUNT: return d->count[old];
  case BP_ATA_LBA_LOW: return d->low[old];
  case BP_ATA_LBA_MID: return d->mid[old];
  case BP_ATA_LBA_HIGH: return d->high[old];
  case BP_ATA_DEVICE: return d->device | 0xa0;
  default: return d->status;
  }
}

/* --- DMA ------------------------------------------------------------------------------------------ */

void
ide_dma_start (IdeDrive *d, bool to_memory)
{
  ide_bus (d)->request_dma (d->bus.instance, d->slot, true, to_memory);
}

void
ide_dma_end (IdeDrive *d)
{
  ide_bus (d)->request_dma (d->bus.instance, d->slot, false, false);
}

static void dma_ready (void *self) { ((IdeDrive *) self)->ops->dma_ready (self); }

/* The transfer waits where it was: the same request can be made again when the engine is started again. */
static void
dma_stopped (void *self)
{
  IdeDrive *d = self;
  if (d->work && d->memory == IDE_MEMORY_DMA)
    ide_cancel (d);
}

/* --- life cycle: realize, reset -------------------------------------------------------------------- */

bool
ide_drive_realize (IdeDrive *d, const IdeDriveOps *ops, const uint32_t geometry[3], const BpBlockHandlers *handlers, GError **error)
{
  BpAtaDrive drive = { .struct_size = sizeof drive, .self = d, .write = write_register, .read = read_register, .read_data = read_data,
                       .write_data = write_data, .dma_ready = dma_ready, .dma_stopped = dma_stopped,
                       .cylinders = geometry[0], .heads = geometry[1], .sectors = geometry[2] };
  int address = bp_ata_address_parse (d->address);
  if (address < 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is no place on an IDE adapter; write CHANNEL.UNIT, as in 0.1", d->address);
    return false;
  }
  if (!bp_block_attach (&d->backend, handlers, d)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the backend `%s' has another device already", bp_object_id (d->backend.instance));
    return false;
  }
  d->ops = ops;
  d->unit = (unsigned) address & 1;
  d->slot = ide_bus (d)->add (d->bus.instance, (unsigned) address, &drive, error);
  if (!d->slot) {
    bp_block_attach (&d->backend, NULL, NULL);
    return false;
  }
  ide_requests_init (d);
  return true;
}

void
ide_drive_unrealize (IdeDrive *d)
{
  if (!d->slot)
    return;
  ide_requests_finish (d);
  ide_bus (d)->remove (d->bus.instance, d->slot);
  bp_block_attach (&d->backend, NULL, NULL);
  d->slot = NULL;
}

void
ide_drive_reset (IdeDrive *d)
{
  if (!d->slot)
    return;
  abandon (d);
  d->control = 0;
  memset (d->features, 0, sizeof d->features);
  d->ops->reset (d, true);
  become_ready (d);
}

/* Whether a drive can have made the request that was under way. */
static bool
is_possible (const IdeDrive *d)
{
  uint64_t most = d->memory == IDE_MEMORY_BUFFER ? IDE_BUFFER : IDE_MOST_DMA;
  if (!d->work || !d->slot)
    return true;
  if (d->work >= d->ops->n_works || d->op > BP_BLOCK_WRITE_ZEROES || d->memory > IDE_MEMORY_DMA ||
      (d->status & (STATUS_BSY | STATUS_DRQ)) != STATUS_BSY)
    return false;
  if (d->memory != IDE_MEMORY_NONE && (d->size < BP_BLOCK_SECTOR || d->size > most))
    return false;
  return d->ops->works[d->work].ops >> d->op & 1 && d->ops->works[d->work].memories >> d->memory & 1;
}

/* Values that no drive has ever saved are made harmless. */
bool
ide_drive_post_load (IdeDrive *d, GError **error)
{
  if (!is_possible (d)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the request that was under way is impossible");
    return false;
  }
  d->end = MIN (d->end, IDE_BUFFER);
  d->position = MIN (d->position, IDE_BUFFER);  /* beyond `end` while DMA fills the buffer */
  d->filled = MIN (d->filled, IDE_BUFFER);
  if (d->position >= d->end)
    d->status &= (uint8_t) ~STATUS_DRQ;
  if (d->slot)
    follow_interrupt (d);
  return true;
}

void
ide_put_text (uint16_t *words, const char *text, unsigned bytes)
{
  size_t length = strlen (text);
  for (unsigned i = 0; i < bytes; i += 2) {
    unsigned first = i < length ? (uint8_t) text[i] : ' ', second = i + 1 < length ? (uint8_t) text[i + 1] : ' ';
    words[i / 2] = (uint16_t) (first << 8 | second);
  }
}

/* --- saved fields ------------------------------------------------------------------------------------ */

static bool has_data (const void *self) { return ((const IdeDrive *) self)->filled || ((const IdeDrive *) self)->end; }

const BpStateField ide_drive_state[] = {
  BP_STATE_FIELD_BYTES (IdeDrive, features), BP_STATE_FIELD_BYTES (IdeDrive, count), BP_STATE_FIELD_BYTES (IdeDrive, low),
  BP_STATE_FIELD_BYTES (IdeDrive, mid), BP_STATE_FIELD_BYTES (IdeDrive, high), BP_STATE_FIELD_U8 (IdeDrive, error), BP_STATE_FIELD_U8 (IdeDrive, device),
  BP_STATE_FIELD_U8 (IdeDrive, status), BP_STATE_FIELD_U8 (IdeDrive, control), BP_STATE_FIELD_U8 (IdeDrive, command),
  BP_STATE_FIELD_BOOL (IdeDrive, interrupt), BP_STATE_FIELD_BOOL (IdeDrive, sleeping), BP_STATE_FIELD_BOOL (IdeDrive, to_host),
  BP_STATE_FIELD_U32 (IdeDrive, position), BP_STATE_FIELD_U32 (IdeDrive, end), BP_STATE_FIELD_U32 (IdeDrive, filled),
  { .name = "buffer", .kind = BP_STATE_BYTES, .offset = (uint32_t) offsetof (IdeDrive, buffer), .count = IDE_BUFFER, .size = 1, .since = 1,
    .needed = has_data },
  BP_STATE_FIELD_U8 (IdeDrive, work), BP_STATE_FIELD_U8 (IdeDrive, op), BP_STATE_FIELD_U8 (IdeDrive, memory), BP_STATE_FIELD_U32 (IdeDrive, flags),
  BP_STATE_FIELD_U64 (IdeDrive, offset), BP_STATE_FIELD_U64 (IdeDrive, size), BP_STATE_FIELD_TIMER (IdeDrive, timer), BP_STATE_END
};
