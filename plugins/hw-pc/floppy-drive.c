/* floppy-drive.c -- floppy disk drives of 5.25 and 3.5 inches, and the formats that images are told by their size to have. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include <string.h>
#include "fdc-82078.h"

enum { FLOPPY_DD, FLOPPY_HD, FLOPPY_ED };

/* Where two have the same size, the first that fits the drive counts. */
static const FloppyFormat formats[] = {
  { 5, FLOPPY_DD, 40, 1, 8 },  { 5, FLOPPY_DD, 40, 1, 9 },  { 5, FLOPPY_DD, 40, 2, 8 },  { 5, FLOPPY_DD, 40, 2, 9 },          /* 160K to 360K */
  { 5, FLOPPY_DD, 40, 2, 10 }, { 5, FLOPPY_DD, 41, 2, 10 }, { 5, FLOPPY_DD, 42, 2, 10 },
  { 3, FLOPPY_DD, 80, 2, 8 },  { 3, FLOPPY_DD, 80, 2, 9 },  { 3, FLOPPY_DD, 80, 2, 10 }, { 3, FLOPPY_DD, 82, 2, 10 },         /* 640K, 720K, 800K */
  { 3, FLOPPY_DD, 83, 2, 10 },
  { 5, FLOPPY_DD, 80, 2, 8 },  { 5, FLOPPY_DD, 80, 2, 9 },
  { 5, FLOPPY_HD, 80, 2, 15 }, { 5, FLOPPY_HD, 80, 2, 17 },                                                                   /* 1.2M */
  { 3, FLOPPY_HD, 80, 2, 18 }, { 3, FLOPPY_HD, 80, 2, 19 }, { 3, FLOPPY_HD, 80, 2, 20 }, { 3, FLOPPY_HD, 80, 2, 21 },         /* 1.44M, 1.68M DMF */
  { 3, FLOPPY_HD, 82, 2, 18 }, { 3, FLOPPY_HD, 83, 2, 18 }, { 3, FLOPPY_HD, 82, 2, 20 }, { 3, FLOPPY_HD, 83, 2, 20 },
  { 3, FLOPPY_HD, 82, 2, 21 }, { 3, FLOPPY_HD, 83, 2, 21 }, { 3, FLOPPY_HD, 80, 2, 22 }, { 3, FLOPPY_HD, 80, 2, 23 },         /* 1.72M */
  { 3, FLOPPY_HD, 80, 2, 24 },
  { 3, FLOPPY_ED, 80, 2, 36 }, { 3, FLOPPY_ED, 80, 2, 39 }, { 3, FLOPPY_ED, 80, 2, 40 }, { 3, FLOPPY_ED, 80, 2, 44 }          /* 2.88M */
};

typedef struct DriveModel {
  const char *name;
  uint8_t inches, cylinders;
  uint16_t rate[3];             /* for DD, HD, ED; 0: no such disks */
  uint8_t cmos;
  uint8_t usual;                /* sectors a track of the format that an image of an odd size is taken for */
} DriveModel;

static const DriveModel models[] = {
  [FLOPPY_AUTO] = { .name = "auto" },
  [FLOPPY_NONE] = { .name = "none" },
  [FLOPPY_360K] = { "360K", 5, 42, { 250, 0, 0 }, 1, 9 },
  [FLOPPY_1200K] = { "1.2M", 5, 83, { 300, 500, 0 }, 2, 15 },
  [FLOPPY_720K] = { "720K", 3, 84, { 250, 0, 0 }, 3, 9 },
  [FLOPPY_1440K] = { "1.44M", 3, 84, { 250, 500, 0 }, 4, 18 },
  [FLOPPY_2880K] = { "2.88M", 3, 84, { 250, 500, 1000 }, 5, 36 }
};
const char *const floppy_type_names[] = { "auto", "none", "360K", "1.2M", "720K", "1.44M", "2.88M", NULL };

static const DriveModel *model (const FloppyDrive *d) { return &models[d->type]; }

/* --- the disk --------------------------------------------------------------------------- */

static uint64_t
format_size (const FloppyFormat *f)
{
  return (uint64_t) f->cylinders * f->heads * f->sectors * FLOPPY_SECTOR;
}

static bool
fits (const DriveModel *m, const FloppyFormat *f)
{
  return m->inches == f->inches && m->rate[f->density] && f->cylinders <= m->cylinders;
}

/* The format of an image in this drive.  One of a size that no disk has, such as a boot loader's output, is a disk of the usual format whose end was
 * left out. */
static const FloppyFormat *
find_format (const DriveModel *m, uint64_t size)
{
  const FloppyFormat *usual = NULL;
  bool is_known = size == 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (formats); i++) {
    bool is_right = format_size (&formats[i]) == size;
    is_known |= is_right;
    if (!fits (m, &formats[i]))
      continue;
    if (is_right)
      return &formats[i];
    if (!usual && formats[i].sectors == m->usual && formats[i].heads == 2)
      usual = &formats[i];
  }
  return !is_known && usual && size < format_size (usual) ? usual : NULL;
}

/* The commonest drive that takes an image of this size; without a disk it is the commonest of all. */
static FloppyType
type_for (uint64_t size)
{
  static const FloppyType common[] = { FLOPPY_1440K, FLOPPY_360K, FLOPPY_1200K, FLOPPY_2880K };
  for (unsigned i = 0; i < G_N_ELEMENTS (common); i++) {
    const FloppyFormat *f = find_format (&models[common[i]], size);
    if (f && format_size (f) == size)
      return common[i];
  }
  return size > UINT64_C (1440) << 10 ? FLOPPY_2880K : FLOPPY_1440K;
}

void
floppy_look (FloppyDrive *d)
{
  BpBlockInfo info = bp_block_info (&d->block);
  d->format = info.inserted ? find_format (model (d), info.size) : NULL;
  d->size = d->format ? info.size : 0;
  d->read_only = info.read_only;
  if (info.inserted && !d->format)
    bp_warn (d->owner, "%s has %" G_GUINT64_FORMAT " bytes, which is no disk for a %s drive; the drive stays empty", info.file, info.size, model (d)->name);
}

static void
on_changed (void *user)
{
  FloppyDrive *d = user;
  floppy_look (d);
  d->changed = true;
  memset (d->deleted, 0, sizeof d->deleted);
}

static const BpBlockHandlers handlers = { .struct_size = sizeof handlers, .changed = on_changed };

/* --- life cycle ------------------------------------------------------------------------------ */

bool
floppy_realize (FloppyDrive *d, void *owner, GError **error)
{
  BpBlockInfo info = bp_block_info (&d->block);
  d->owner = owner;
  d->type = (FloppyType) d->wanted;
  if (d->type == FLOPPY_AUTO)
    d->type = d->block.instance ? type_for (info.size) : FLOPPY_NONE;
  if (!d->block.instance)
    return true;
  if (!bp_block_attach (&d->block, &handlers, d)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "its disk is in use by another device");
    d->block = (BpLink) { NULL, NULL };
    return false;
  }
  if (info.inserted && !find_format (model (d), info.size)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%s has %" G_GUINT64_FORMAT " bytes: no floppy disk for %s drive has that size", info.file, info.size,
                 d->wanted == FLOPPY_AUTO ? "any" : d->type == FLOPPY_NONE ? "no" : model (d)->name);
    return false;
  }
  floppy_look (d);
  return true;
}

void
floppy_unrealize (FloppyDrive *d)
{
  bp_block_attach (&d->block, NULL, NULL);
}

void
floppy_power_on (FloppyDrive *d)
{
  d->cylinder = 0;
  d->changed = floppy_exists (d);
  memset (d->deleted, 0, sizeof d->deleted);
}

uint8_t
floppy_cmos_type (const FloppyDrive *d)
{
  return model (d)->cmos;
}

/* --- mechanics --------------------------------------------------------------------------------- */

void
floppy_step (FloppyDrive *d, int steps)
{
  if (!floppy_exists (d) || steps == 0)
    return;
  d->cylinder = (uint8_t) CLAMP (d->cylinder + steps, 0, model (d)->cylinders - 1);
  if (d->format)
    d->changed = false;
}

unsigned
floppy_rate (const FloppyDrive *d)
{
  return d->format ? model (d)->rate[d->format->density] : 0;
}

/* A disk of 40 tracks in a drive of 80 has them two steps apart. */
int
floppy_track (const FloppyDrive *d, unsigned head)
{
  if (!d->format || head >= d->format->heads)
    return -1;
  bool is_wide = d->format->cylinders <= 42 && model (d)->cylinders > 42;
  if (is_wide && d->cylinder & 1)
    return -1;
  int track = is_wide ? d->cylinder / 2 : d->cylinder;
  return track < d->format->cylinders ? track : -1;
}

unsigned
floppy_passing (const FloppyDrive *d, int64_t now)
{
  int64_t turn = d->type == FLOPPY_1200K ? BP_NS_PER_SECOND / 6 : BP_NS_PER_SECOND / 5;
  return (unsigned) (now % turn * d->format->sectors / turn) + 1;
}

uint32_t
floppy_sector_number (const FloppyDrive *d, unsigned track, unsigned head, unsigned sector)
{
  return (track * d->format->heads + head) * d->format->sectors + sector - 1;
}

bool
floppy_is_deleted (const FloppyDrive *d, uint32_t number)
{
  return d->deleted[number / 8] >> number % 8 & 1;
}

void
floppy_set_deleted (FloppyDrive *d, uint32_t number, bool deleted)
{
  d->deleted[number / 8] = (uint8_t) ((d->deleted[number / 8] & ~(1u << number % 8)) | (unsigned) deleted << number % 8);
}
