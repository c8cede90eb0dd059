/* ide-cdrom-info.c -- what a CD drive says of itself and of its disc: INQUIRY, mode pages, features, tables of contents, DVD structures (MMC-5). */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "ide-cdrom.h"

enum { PROFILE_CD = 0x0008, PROFILE_DVD = 0x0010 };
#define DATA_TRACK 0x14         /* position follows; a data track that must not be copied */
#define LEAD_OUT 0xaa
#define SPEED 8467              /* 48 times, in kB/s */
#define DVD_FIRST 0x30000u      /* physical number of a DVD's first sector */

/* --- INQUIRY ---------------------------------------------------------------------------------- */

static void
put_text (uint8_t *to, const char *text, size_t size)
{
  size_t n = MIN (strlen (text), size);
  memset (to, ' ', size);
  memcpy (to, text, n);
}

uint32_t
cd_inquiry (IdeCdrom *c, uint8_t *page)
{
  const char *space = strchr (c->model, ' '), *product = space ? space + 1 : c->model;
  g_autofree char *vendor = space ? g_strndup (c->model, (gsize) (space - c->model)) : g_strdup ("");
  memset (page, 0, 36);
  page[0] = 5;
  page[1] = 0x80;
  page[3] = 0x21;
  page[4] = 31;
  put_text (page + 8, vendor, 8);
  put_text (page + 16, product, 16);
  put_text (page + 32, c->revision, 4);
  return 36;
}

/* --- mode pages ---------------------------------------------------------------------------------- */

static uint32_t
capabilities (const IdeCdrom *c, uint8_t *p)
{
  memset (p, 0, 22);
  p[0] = 0x2a;
  p[1] = 20;
  p[2] = 0x3b;                  /* reads CD-R, CD-RW, DVD-ROM, DVD-R, DVD-RAM */
  p[4] = 0x70;                  /* mode 2, several sessions */
  p[6] = (uint8_t) (0x29 | (c->locked ? 2 : 0));        /* a tray that can be locked and opened */
  cd_put16 (p + 8, SPEED);
  cd_put16 (p + 10, 2);
  cd_put16 (p + 12, IDE_BUFFER / 1024);
  cd_put16 (p + 14, SPEED);
  return 22;
}

/* control: 0 current, 1 which bits can be changed, 2 default. */
static uint32_t
one_page (const IdeCdrom *c, uint8_t *p, unsigned code, unsigned control)
{
  static const uint8_t audio[12] = { 5, [6] = 1, 0xff, 2, 0xff };
  switch (code) {
  case 0x01:
    memset (p, 0, 8);
    if (control == 0)
      memcpy (p, c->recovery, 8);
    else if (control == 1)
      p[2] = p[3] = 0xff;
    p[0] = 0x01;
    p[1] = 6;
    return 8;
  case 0x0e:
    memset (p, 0, 16);
    memcpy (p + 2, audio, sizeof audio);
    if (control == 1)
      memset (p + 2, 0, sizeof audio);
    p[0] = 0x0e;
    p[1] = 14;
    return 16;
  case 0x2a: {
    uint32_t size = capabilities (c, p);
    if (control == 1)
      memset (p + 2, 0, size - 2);
    return size;
  }
  default: return 0;
  }
}

uint32_t
cd_mode_page (IdeCdrom *c, uint8_t *page, unsigned code, unsigned control)
{
  static const uint8_t all[] = { 0x01, 0x0e, 0x2a };
  uint32_t size = 8;
  memset (page, 0, 8);
  for (unsigned i = 0; i < sizeof all; i++)
    if (code == 0x3f || code == all[i])
      size += one_page (c, page + size, all[i], control);
  if (size == 8)
    return 0;
  cd_put16 (page, size - 2);
  page[2] = c->open ? 0x71 : c->n_sectors ? 0x01 : 0x70;
  return size;
}

/* --- features (GET CONFIGURATION) --------------------------------------------------------------------- */

enum { WITH_CD = 1 << 0, WITH_DVD = 1 << 1, ALWAYS = 1 << 2 };

static const struct { uint16_t code; uint8_t version, when, size; uint8_t data[8]; } features[] = {
  { 0x0000, 0, ALWAYS, 8, { PROFILE_DVD >> 8, PROFILE_DVD, 0, 0, PROFILE_CD >> 8, PROFILE_CD, 0, 0 } },
  { 0x0001, 2, ALWAYS, 8, { 0, 0, 0, 2, 1 } },          /* core: ATAPI, device busy events */
  { 0x0002, 1, ALWAYS, 4, { 2 } },                      /* morphing */
  { 0x0003, 2, ALWAYS, 4, { 0x29 } },                   /* removable medium: a tray that can be locked and opened */
  { 0x0010, 0, WITH_CD | WITH_DVD, 8, { 0, 0, 8, 0, 0, 1, 0 } },        /* random readable, in blocks of 2048 bytes */
  { 0x001d, 0, WITH_CD, 0, { 0 } },                     /* multi-read */
  { 0x001e, 2, WITH_CD, 4, { 0 } },                     /* CD read */
  { 0x001f, 1, WITH_DVD, 4, { 0 } },                    /* DVD read */
  { 0x0100, 0, ALWAYS, 0, { 0 } },                      /* power management */
  { 0x0105, 1, ALWAYS, 4, { 0 } },                      /* timeouts */
};

static unsigned
profile (const IdeCdrom *c)
{
  return !c->n_sectors || c->open ? 0 : cd_is_dvd (c) ? PROFILE_DVD : PROFILE_CD;
}

static uint32_t
put_feature (const IdeCdrom *c, uint8_t *p, unsigned n)
{
  unsigned now = profile (c), with = ALWAYS | (now == PROFILE_CD ? WITH_CD : now == PROFILE_DVD ? WITH_DVD : 0);
  cd_put16 (p, features[n].code);
  p[2] = (uint8_t) (features[n].version << 2 | (features[n].when & ALWAYS ? 2 : 0) | (features[n].when & with ? 1 : 0));
  p[3] = features[n].size;
  memcpy (p + 4, features[n].data, features[n].size);
  if (features[n].code == 0) {
    p[4 + 2] = now == PROFILE_DVD;
    p[8 + 2] = now == PROFILE_CD;
  }
  return 4u + features[n].size;
}

/* kind: 0 all from `first` on, 1 those that are current, 2 that one. */
uint32_t
cd_configuration (IdeCdrom *c, uint8_t *page, unsigned kind, unsigned first)
{
  uint32_t size = 8;
  memset (page, 0, 8);
  for (unsigned i = 0; i < G_N_ELEMENTS (features); i++) {
    if (kind == 2 ? features[i].code != first : features[i].code < first)
      continue;
    uint32_t n = put_feature (c, page + size, i);
    if (kind != 1 || page[size + 2] & 1)
      size += n;
  }
  cd_put32 (page, size - 4);
  cd_put16 (page + 6, profile (c));
  return size;
}

/* --- tables of contents -------------------------------------------------------------------------------- */

static void
put_address (uint8_t p[4], uint32_t sector, bool msf)
{
  p[0] = 0;
  if (msf)
    cd_put_msf (p + 1, sector);
  else
    cd_put32 (p, sector);
}

static uint8_t *
put_track (uint8_t *p, unsigned track, uint32_t sector, bool msf)
{
  p[0] = p[3] = 0;
  p[1] = DATA_TRACK;
  p[2] = (uint8_t) track;
  put_address (p + 4, sector, msf);
  return p + 8;
}

static uint8_t *
put_point (uint8_t *p, unsigned point, const uint8_t position[3])
{
  memset (p, 0, 11);
  p[0] = 1;
  p[1] = DATA_TRACK;
  p[3] = (uint8_t) point;
  memcpy (p + 8, position, 3);
  return p + 11;
}

static uint8_t *
put_points (const IdeCdrom *c, uint8_t *p)
{
  static const uint8_t first[3] = { 1, 0, 0 };
  uint8_t msf[3];
  p = put_point (p, 0xa0, first);
  p = put_point (p, 0xa1, first);
  cd_put_msf (msf, c->n_sectors);
  p = put_point (p, 0xa2, msf);
  cd_put_msf (msf, 0);
  return put_point (p, 1, msf);
}

/* One session with one track. */
uint32_t
cd_toc (IdeCdrom *c, uint8_t *page, unsigned format, bool msf, unsigned track)
{
  uint8_t *p = page + 4;
  switch (format) {
  case 0:
    if (track > 1 && track != LEAD_OUT)
      return 0;
    if (track <= 1)
      p = put_track (p, 1, 0, msf);
    p = put_track (p, LEAD_OUT, c->n_sectors, msf);
    break;
  case 1: p = put_track (p, 1, 0, msf); break;
  case 2: p = put_points (c, p); break;
  default: return 0;
  }
  uint32_t size = (uint32_t) (p - page);
  cd_put16 (page, size - 2);
  page[2] = page[3] = 1;
  return size;
}

/* --- DVD structures --------------------------------------------------------------------------------------- */

static uint32_t
physical_format (const IdeCdrom *c, uint8_t *page)
{
  page[4] = 0x01;               /* DVD-ROM, version 1 */
  page[5] = 0x0f;               /* 120 mm */
  page[6] = 0x01;               /* one layer */
  cd_put32 (page + 8, DVD_FIRST);
  cd_put32 (page + 12, DVD_FIRST + c->n_sectors - 1);
  return 2052;
}

static uint32_t
list_of_formats (uint8_t *page)
{
  static const struct { uint8_t format; uint16_t size; } list[] = { { 0x00, 2052 }, { 0x01, 8 }, { 0x04, 2052 } };
  uint8_t *p = page + 4;
  for (unsigned i = 0; i < G_N_ELEMENTS (list); i++, p += 4) {
    p[0] = list[i].format;
    p[1] = 0x40;                /* can be read */
    cd_put16 (p + 2, list[i].size);
  }
  return (uint32_t) (p - page);
}

uint32_t
cd_dvd_structure (IdeCdrom *c, uint8_t *page, unsigned format, unsigned layer)
{
  uint32_t size;
  memset (page, 0, 2052);
  if (layer)
    return 0;
  switch (format) {
  case 0x00: size = physical_format (c, page); break;
  case 0x01: size = 8; break;   /* nothing protects it */
  case 0x04: size = 2052; break;
  case 0xff: size = list_of_formats (page); break;
  default: return 0;
  }
  cd_put16 (page, size - 2);
  return size;
}
