/* ide-cdrom.c -- ide-cdrom: a CD and DVD drive; packets over ATA registers (ATA/ATAPI-6, 9.8 to 9.10), its tray and its media. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include <string.h>
#include "hw-pc.h"
#include "ide-cdrom.h"

enum { REASON_COMMAND = 1 << 0, REASON_TO_HOST = 1 << 1 };      /* in the count register */
enum { FEATURE_DMA = 1 << 0, FEATURE_OVERLAP = 1 << 1 };

/* --- ends of a packet ------------------------------------------------------------------------ */

static void
end (IdeCdrom *c)
{
  IdeDrive *d = &c->drive;
  ide_dma_end (d);
  d->position = d->end = d->filled = 0;
  c->phase = CD_IDLE;
  c->parts = 0;
  c->left = 0;
  d->count[0] = REASON_COMMAND | REASON_TO_HOST;
}

void
cd_done (IdeCdrom *c)
{
  end (c);
  c->drive.error = 0;
  c->drive.status = STATUS_DRDY;
  ide_raise (&c->drive);
}

void
cd_fail (IdeCdrom *c, unsigned key, unsigned code)
{
  end (c);
  c->key = (uint8_t) key;
  c->code = (uint16_t) code;
  c->drive.error = (uint8_t) (key << 4);
  c->drive.status = STATUS_DRDY | STATUS_ERR;
  ide_raise (&c->drive);
}

/* --- data ---------------------------------------------------------------------------------------- */

static void
offer (IdeCdrom *c, bool to_host, uint32_t bytes)
{
  IdeDrive *d = &c->drive;
  d->mid[0] = (uint8_t) bytes;
  d->high[0] = (uint8_t) (bytes >> 8);
  d->count[0] = to_host ? REASON_TO_HOST : 0;
  ide_pio (d, to_host, bytes, true);
  d->status = STATUS_DRDY | STATUS_DRQ;
}

static void
sent (IdeCdrom *c)
{
  if (c->parts && c->left)
    cd_read_on (c);
  else
    cd_done (c);
}

void
cd_send (IdeCdrom *c)
{
  IdeDrive *d = &c->drive;
  uint32_t rest = d->filled - MIN (d->position, d->filled);
  c->phase = CD_DATA_IN;
  if (!rest)
    sent (c);
  else if (c->dma)
    ide_dma_start (d, true);
  else
    offer (c, true, MIN (rest, c->limit));
}

void
cd_reply (IdeCdrom *c, uint32_t size, uint32_t allowed)
{
  IdeDrive *d = &c->drive;
  d->position = 0;
  d->filled = MIN (size, allowed);
  if (d->filled)
    cd_send (c);
  else
    cd_done (c);
}

void
cd_want (IdeCdrom *c, uint32_t size)
{
  c->phase = CD_DATA_OUT;
  c->wanted = MIN (size, IDE_BUFFER);
  c->drive.position = 0;
  if (!c->wanted)
    cd_run_with_data (c);
  else if (c->dma)
    ide_dma_start (&c->drive, false);
  else
    offer (c, false, MIN (c->wanted, c->limit));
}

static void
pio_done (IdeDrive *d)
{
  IdeCdrom *c = cdrom_of (d);
  switch (c->phase) {
  case CD_PACKET_WANTED:
    memcpy (c->packet, d->buffer, CD_PACKET);
    c->phase = CD_IDLE;
    d->position = d->end = d->filled = 0;
    cd_run (c);
    break;
  case CD_DATA_IN:
    if (d->position < d->filled)
      offer (c, true, MIN (d->filled - d->position, c->limit));
    else
      sent (c);
    break;
  case CD_DATA_OUT:
    if (d->position < c->wanted)
      offer (c, false, MIN (c->wanted - d->position, c->limit));
    else
      cd_run_with_data (c);
    break;
  default:                      /* a page of ATA's own */
    d->position = d->end = d->filled = 0;
    d->status = STATUS_DRDY;
    break;
  }
}

/* Whole sectors go from the image to the guest's memory directly, everything else comes from the buffer. */
static void
dma_ready (IdeDrive *d)
{
  IdeCdrom *c = cdrom_of (d);
  if (d->work)
    return;
  if (c->phase == CD_DATA_OUT) {
    if (ide_dma_copy (d, false, c->wanted - MIN (d->position, c->wanted)))
      cd_run_with_data (c);
  } else if (c->phase == CD_DATA_IN && c->parts == PART_DATA) {
    cd_read_on (c);
  } else if (c->phase == CD_DATA_IN) {
    if (!ide_dma_copy (d, true, d->filled - MIN (d->position, d->filled)))
      return;
    ide_dma_end (d);
    sent (c);
  }
}

/* --- ATA commands ---------------------------------------------------------------------------------- */

static void
run_packet (IdeCdrom *c)
{
  IdeDrive *d = &c->drive;
  uint32_t limit = (uint32_t) (d->high[0] << 8 | d->mid[0]);
  c->dma = d->features[0] & FEATURE_DMA;
  if (d->features[0] & FEATURE_OVERLAP || (c->dma && !ide_bus (d)->has_dma (d->bus.instance, d->slot))) {
    ide_fail (d, ERROR_ABRT);
    return;
  }
  c->limit = limit & 0xfffe ? limit & 0xfffe : 0xfffe;
  c->phase = CD_PACKET_WANTED;
  c->parts = 0;
  d->count[0] = REASON_COMMAND;
  ide_pio (d, false, CD_PACKET, false);
  d->status = STATUS_DRDY | STATUS_DRQ;
}

/* IDENTIFY PACKET DEVICE (ATA/ATAPI-7, 6.17). */
static void
run_identify (IdeCdrom *c)
{
  IdeDrive *d = &c->drive;
  uint16_t w[256] = { 0 };
  uint8_t sum = 0;
  w[0] = 0x85c0;                /* CD drive, removable, packets of 12 bytes, DRQ within 50 us */
  ide_put_text (w + 10, c->serial ? c->serial : c->own_serial, 20);
  w[20] = 3;
  w[21] = 512;
  ide_put_text (w + 23, c->revision, 8);
  ide_put_text (w + 27, c->model, 40);
  w[49] = 0x0a00;               /* IORDY, LBA */
  w[53] = 7;
  w[64] = 3;
  w[65] = w[66] = w[67] = w[68] = 180;
  w[71] = w[72] = 30;
  w[80] = 0x70;                 /* ATA/ATAPI-4 to 6 */
  w[82] = 0x4218;               /* NOP, DEVICE RESET, PACKET, power management */
  w[83] = 0x4000;
  w[84] = 0x4000;
  w[85] = 0x4218;
  w[87] = 0x4000;
  w[93] = d->unit ? 0x6b00 : 0x600b;
  if (ide_bus (d)->has_dma (d->bus.instance, d->slot)) {
    w[49] |= 1 << 8;
    w[62] = w[63] = 7;
    w[88] = 0x3f;
    if ((c->mode & 0xf8) == 0x20)
      w[63] |= (uint16_t) (0x100 << (c->mode & 7));
    else if ((c->mode & 0xf8) == 0x40)
      w[88] |= (uint16_t) (0x100 << (c->mode & 7));
  }
  w[255] = 0xa5;
  for (unsigned i = 0; i < 256; i++) {
    w[i] = GUINT16_TO_LE (w[i]);
    sum = (uint8_t) (sum + w[i] + (w[i] >> 8));
  }
  memcpy (d->buffer, w, 512);
  d->buffer[511] = (uint8_t) -sum;
  c->phase = CD_IDLE;
  d->filled = 512;
  ide_pio (d, true, 512, true);
  d->status = STATUS_DRDY | STATUS_DRQ;
}

static void
run_features (IdeCdrom *c)
{
  IdeDrive *d = &c->drive;
  uint8_t mode = d->count[0];
  bool dma = (mode >= 0x20 && mode <= 0x22) || (mode >= 0x40 && mode <= 0x45);
  bool pio = mode <= 0x01 || (mode >= 0x08 && mode <= 0x0c);
  bool good = d->features[0] == 0x03 ? pio || (dma && ide_bus (d)->has_dma (d->bus.instance, d->slot)) : d->features[0] == 0x66 || d->features[0] == 0xcc;
  if (!good) {
    ide_fail (d, ERROR_ABRT);
    return;
  }
  if (d->features[0] == 0x03 && dma)
    c->mode = mode;
  ide_finish (d);
}

static void
run_power (IdeCdrom *c, uint8_t power, bool sleeps)
{
  c->power = power;
  ide_finish (&c->drive);
  c->drive.sleeping = sleeps;
}

static void
run_command (IdeDrive *d, uint8_t command)
{
  IdeCdrom *c = cdrom_of (d);
  c->phase = CD_IDLE;
  switch (command) {
  case 0xa0: run_packet (c); break;
  case 0xa1: run_identify (c); break;
  case 0xe7: case 0xea: ide_finish (d); break;  /* nothing is cached */
  case 0xef: run_features (c); break;
  case 0xe1: case 0x95: case 0xe3: case 0x97: run_power (c, 0x80, false); break;
  case 0xe0: case 0x94: case 0xe2: case 0x96: run_power (c, 0x00, false); break;
  case 0xe6: case 0x99: run_power (c, 0x00, true); break;
  case 0xe5: case 0x98:
    d->count[0] = c->power;
    ide_finish (d);
    break;
  case 0x20: case 0x21: case 0xec:      /* so that hosts know what they are talking to (6.16, 6.33) */
    ide_set_signature (d);
    d->device = d->unit ? DEVICE_DEV : 0;
    ide_fail (d, ERROR_ABRT);
    break;
  default: ide_fail (d, ERROR_ABRT); break;
  }
}

/* --- the medium ------------------------------------------------------------------------------------- */

bool
cd_is_dvd (const IdeCdrom *c)
{
  return c->n_sectors > CD_MOST_SECTORS;
}

static void
look_at_medium (IdeCdrom *c)
{
  BpBlockInfo info = bp_block_info (&c->drive.backend);
  c->n_sectors = (uint32_t) MIN (info.size / CD_SECTOR, UINT32_MAX - 1);
}

static void
medium_changed (void *user)
{
  IdeCdrom *c = user;
  look_at_medium (c);
  c->open = false;              /* whoever changed it has shut the door */
  c->attention = c->n_sectors ? ASC_MEDIUM_CHANGED : 0;
  c->event = c->n_sectors ? EVENT_NEW : EVENT_REMOVAL;
}

/* The guest hears of the button, and may open the door itself. */
static bool
may_eject (void *user)
{
  IdeCdrom *c = user;
  if (c->locked)
    c->event = EVENT_EJECT;
  return !c->locked;
}

static const BpBlockHandlers handlers = { .struct_size = sizeof handlers, .changed = medium_changed, .may_eject = may_eject };

/* --- life cycle: realize, reset ------------------------------------------------------------------------ */

static void
reset_settings (IdeDrive *d, bool power)
{
  IdeCdrom *c = cdrom_of (d);
  c->phase = CD_IDLE;
  c->parts = 0;
  c->left = 0;
  c->most = 1;
  c->limit = 0xfffe;
  c->power = 0xff;
  if (!power)
    return;
  c->key = 0;
  c->code = 0;
  c->attention = ASC_RESET;
  c->event = EVENT_NONE;
  c->open = c->locked = c->dma = false;
  c->mode = 0x45;
  memset (c->recovery, 0, sizeof c->recovery);
  memset (c->audio, 0, sizeof c->audio);
}

static void
answered (IdeDrive *d, unsigned work, int error)
{
  cd_read_answered (cdrom_of (d), error);
}

static const IdeWork works[] = { [CD_WORK_READ] = { 1 << BP_BLOCK_READ, 1 << IDE_MEMORY_BUFFER | 1 << IDE_MEMORY_DMA } };
static const IdeDriveOps cdrom_ops = { .works = works, .n_works = G_N_ELEMENTS (works), .sector = CD_SECTOR, .signature_mid = 0x14, .signature_high = 0xeb, .ready = 0, .command = run_command, .pio_done = pio_done,
                                       .dma_ready = dma_ready, .answered = answered, .reset = reset_settings };

static bool
cdrom_realize (void *self, GError **error)
{
  IdeCdrom *c = self;
  const uint32_t no_geometry[3] = { 0, 0, 0 };
  if (!c->serial) {
    g_autofree char *id = g_ascii_strup (bp_object_id (self), -1);
    c->own_serial = g_strdup_printf ("BP-%.16s", id);
  }
  look_at_medium (c);
  return ide_drive_realize (&c->drive, &cdrom_ops, no_geometry, &handlers, error);
}

static void
cdrom_unrealize (void *self)
{
  IdeCdrom *c = self;
  ide_drive_unrealize (&c->drive);
  g_clear_pointer (&c->own_serial, g_free);
}

static void
cdrom_reset (void *self, BpResetKind kind)
{
  IdeCdrom *c = self;
  look_at_medium (c);
  ide_drive_reset (&c->drive);
}

static bool
cdrom_post_load (void *self, GError **error)
{
  IdeCdrom *c = self;
  look_at_medium (c);
  c->limit = CLAMP (c->limit & 0xfffe, 2, 0xfffe);
  c->wanted = MIN (c->wanted, IDE_BUFFER);
  c->most = CLAMP (c->most, 1, IDE_MOST_DMA / CD_SECTOR);
  c->parts &= PART_SYNC | PART_HEADER | PART_DATA | PART_ECC;
  return ide_drive_post_load (&c->drive, error);
}

/* --- tables: properties, saved fields, type ------------------------------------------------------------------ */

static const BpProperty cdrom_properties[] = {
  IDE_DRIVE_PROPERTIES (IdeCdrom),
  BP_PROP_STRING ("serial", IdeCdrom, serial, NULL, "Serial number, up to 20 characters; unset: BP- and the object's name."),
  BP_PROP_STRING ("model", IdeCdrom, model, "BACKPLANE DVD-ROM", "Model, up to 40 characters; INQUIRY has the first word as the vendor's name."),
  BP_PROP_STRING ("revision", IdeCdrom, revision, "1.0", "Revision of the drive's firmware, up to 8 characters."), BP_PROP_END
};

static const BpStateField cdrom_state[] = {
  IDE_DRIVE_STATE (IdeCdrom), BP_STATE_FIELD_U8 (IdeCdrom, phase), BP_STATE_FIELD_BYTES (IdeCdrom, packet), BP_STATE_FIELD_BOOL (IdeCdrom, dma),
  BP_STATE_FIELD_U32 (IdeCdrom, limit), BP_STATE_FIELD_U32 (IdeCdrom, wanted), BP_STATE_FIELD_U32 (IdeCdrom, sector), BP_STATE_FIELD_U32 (IdeCdrom, left),
  BP_STATE_FIELD_U8 (IdeCdrom, parts), BP_STATE_FIELD_U32 (IdeCdrom, most), BP_STATE_FIELD_U8 (IdeCdrom, key), BP_STATE_FIELD_U16 (IdeCdrom, code),
  BP_STATE_FIELD_U16 (IdeCdrom, attention), BP_STATE_FIELD_U8 (IdeCdrom, event), BP_STATE_FIELD_BOOL (IdeCdrom, open),
  BP_STATE_FIELD_BOOL (IdeCdrom, locked), BP_STATE_FIELD_U8 (IdeCdrom, mode), BP_STATE_FIELD_U8 (IdeCdrom, power),
  BP_STATE_FIELD_BYTES (IdeCdrom, recovery), BP_STATE_FIELD_BYTES (IdeCdrom, audio), BP_STATE_END
};

const BpTypeDesc ide_cdrom_type = {
  BP_TYPE ("ide-cdrom", BP_KIND_DEVICE, IdeCdrom),
  .description = "IDE CD and DVD drive (ATAPI), with or without a disc",
  .properties = cdrom_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = cdrom_state,
  .realize = cdrom_realize,
  .unrealize = cdrom_unrealize,
  .reset = cdrom_reset,
  .post_load = cdrom_post_load,
};
