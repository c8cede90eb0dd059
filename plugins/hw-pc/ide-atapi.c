/* ide-atapi.c -- the packet commands of a CD drive (SPC-3, MMC-5): when each may run, and what it does. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include <string.h>
#include "ide-cdrom.h"

typedef struct PacketCommand {
  void (*run) (IdeCdrom *c, const uint8_t *p);
  uint8_t flags;
} PacketCommand;

enum { ANY_TIME = 1 << 0 /* a unit attention waits meanwhile */, DISC = 1 << 1 /* needs one */ };

static void invalid_field (IdeCdrom *c) { cd_fail (c, SENSE_ILLEGAL, ASC_INVALID_FIELD); }

/* Fails without a page. */
static void
reply_page (IdeCdrom *c, uint32_t size, uint32_t allowed)
{
  if (size)
    cd_reply (c, size, allowed);
  else
    invalid_field (c);
}

/* --- the drive -------------------------------------------------------------------------------- */

static void test_unit_ready (IdeCdrom *c, const uint8_t *p) { cd_done (c); }

static void
request_sense (IdeCdrom *c, const uint8_t *p)
{
  uint8_t *s = c->drive.buffer;
  if (!c->key && c->attention) {
    c->key = SENSE_ATTENTION;
    c->code = c->attention;
    c->attention = 0;
  }
  memset (s, 0, 18);
  s[0] = 0x70;
  s[2] = c->key;
  s[7] = 10;
  cd_put16 (s + 12, c->code);
  c->key = 0;
  c->code = 0;
  cd_reply (c, 18, p[4]);
}

/* Pages of vital product data: which there are, the serial number, who it is. */
static uint32_t
vital_page (const IdeCdrom *c, uint8_t *page, unsigned code)
{
  const char *serial = c->serial ? c->serial : c->own_serial;
  size_t n = MIN (strlen (serial), 20);
  memset (page, 0, 64);
  page[0] = 5;
  page[1] = (uint8_t) code;
  switch (code) {
  case 0x00:
    page[3] = 3;
    page[5] = 0x80;
    page[6] = 0x83;
    return 7;
  case 0x80:
    page[3] = (uint8_t) n;
    memcpy (page + 4, serial, n);
    return 4 + (uint32_t) n;
  case 0x83:                    /* ASCII, of the vendor's making */
    page[3] = (uint8_t) (n + 4);
    page[4] = 2;
    page[7] = (uint8_t) n;
    memcpy (page + 8, serial, n);
    return 8 + (uint32_t) n;
  default: return 0;
  }
}

static void
inquiry (IdeCdrom *c, const uint8_t *p)
{
  uint32_t allowed = cd_get16 (p + 3);
  if (p[1] & 1)
    reply_page (c, vital_page (c, c->drive.buffer, p[2]), allowed);
  else if (p[2])
    invalid_field (c);
  else
    cd_reply (c, cd_inquiry (c, c->drive.buffer), allowed);
}

static void
mode_sense (IdeCdrom *c, const uint8_t *p)
{
  unsigned control = p[2] >> 6;
  if (control == 3)
    cd_fail (c, SENSE_ILLEGAL, ASC_SAVING);
  else
    reply_page (c, cd_mode_page (c, c->drive.buffer, p[2] & 0x3f, control), cd_get16 (p + 7));
}

static void
mode_select (IdeCdrom *c, const uint8_t *p)
{
  if (p[1] & 1)                 /* saved pages */
    invalid_field (c);
  else
    cd_want (c, cd_get16 (p + 7));
}

/* Pages behind a header; of those that are kept, what can be changed. */
static void
take_pages (IdeCdrom *c)
{
  const uint8_t *p = c->drive.buffer;
  uint32_t size = c->wanted, at = size >= 8 ? 8 + cd_get16 (p + 6) : size;
  while (at + 2 <= size) {
    uint32_t n = 2u + p[at + 1];
    bool known = (p[at] & 0x3f) == 0x01 || (p[at] & 0x3f) == 0x0e || (p[at] & 0x3f) == 0x2a;
    if (!known || at + n > size) {
      cd_fail (c, SENSE_ILLEGAL, ASC_PARAMETER_LIST);
      return;
    }
    if ((p[at] & 0x3f) == 0x01)
      memcpy (c->recovery, p + at, MIN (n, sizeof c->recovery));
    at += n;
  }
  cd_done (c);
}

static void
start_stop (IdeCdrom *c, const uint8_t *p)
{
  bool start = p[4] & 1, tray = p[4] & 2;
  if (p[4] >> 4 || !tray) {     /* power conditions; spinning */
    cd_done (c);
    return;
  }
  if (!start && c->locked) {
    cd_fail (c, SENSE_ILLEGAL, ASC_REMOVAL_PREVENTED);
    return;
  }
  if (start && c->open && c->n_sectors) {
    c->attention = ASC_MEDIUM_CHANGED;
    c->event = EVENT_NEW;
  }
  c->open = !start;
  cd_done (c);
}

static void
prevent_removal (IdeCdrom *c, const uint8_t *p)
{
  c->locked = p[4] & 1;
  cd_done (c);
}

static void
event_status (IdeCdrom *c, const uint8_t *p)
{
  uint8_t *e = c->drive.buffer;
  bool media = p[4] & 1 << 4;
  if (!(p[1] & 1)) {            /* nothing comes on its own */
    invalid_field (c);
    return;
  }
  memset (e, 0, 8);
  cd_put16 (e, media ? 6 : 2);
  e[2] = media ? 4 : 0x80;
  e[3] = 1 << 4;
  if (media) {
    e[4] = c->event;
    e[5] = (uint8_t) ((c->open ? 1 : 0) | (c->n_sectors && !c->open ? 2 : 0));
    c->event = EVENT_NONE;
  }
  cd_reply (c, media ? 8 : 4, cd_get16 (p + 7));
}

static void
mechanism_status (IdeCdrom *c, const uint8_t *p)
{
  uint8_t *m = c->drive.buffer;
  memset (m, 0, 8);
  m[1] = c->open ? 0x10 : 0;
  m[5] = 1;
  cd_reply (c, 8, cd_get16 (p + 8));
}

static void
get_configuration (IdeCdrom *c, const uint8_t *p)
{
  if ((p[1] & 3) == 3)
    invalid_field (c);
  else
    cd_reply (c, cd_configuration (c, c->drive.buffer, p[1] & 3, cd_get16 (p + 2)), cd_get16 (p + 7));
}

static void set_speed (IdeCdrom *c, const uint8_t *p) { cd_done (c); }

/* --- the disc ------------------------------------------------------------------------------------ */

static void
read_capacity (IdeCdrom *c, const uint8_t *p)
{
  cd_put32 (c->drive.buffer, c->n_sectors - 1);
  cd_put32 (c->drive.buffer + 4, CD_SECTOR);
  cd_reply (c, 8, 8);
}

static void read_10 (IdeCdrom *c, const uint8_t *p) { cd_read (c, cd_get32 (p + 2), cd_get16 (p + 7), PART_DATA); }
static void read_12 (IdeCdrom *c, const uint8_t *p) { cd_read (c, cd_get32 (p + 2), cd_get32 (p + 6), PART_DATA); }

static void
seek (IdeCdrom *c, const uint8_t *p)
{
  if (cd_get32 (p + 2) < c->n_sectors)
    cd_done (c);
  else
    cd_fail (c, SENSE_ILLEGAL, ASC_OUT_OF_RANGE);
}

/* All sectors are of mode 1; there is no sub-channel, and there are no C2 errors. */
static void
read_parts (IdeCdrom *c, const uint8_t *p, uint32_t sector, uint32_t n)
{
  unsigned type = p[1] >> 2 & 7, parts = 0;
  if (type != 0 && type != 2) {
    cd_fail (c, SENSE_ILLEGAL, ASC_ILLEGAL_MODE);
    return;
  }
  if (p[9] & 0x06 || p[10] & 7) {
    invalid_field (c);
    return;
  }
  parts |= p[9] & 0x80 ? PART_SYNC : 0;
  parts |= p[9] & 0x20 ? PART_HEADER : 0;
  parts |= p[9] & 0x10 ? PART_DATA : 0;
  parts |= p[9] & 0x08 ? PART_ECC : 0;
  cd_read (c, sector, n, parts);
}

static void read_cd (IdeCdrom *c, const uint8_t *p) { read_parts (c, p, cd_get32 (p + 2), (uint32_t) (p[6] << 16) | cd_get16 (p + 7)); }

static void
read_cd_msf (IdeCdrom *c, const uint8_t *p)
{
  uint32_t first = (p[3] * 60u + p[4]) * 75 + p[5], end = (p[6] * 60u + p[7]) * 75 + p[8];
  if (first < 150 || end < first)
    invalid_field (c);
  else
    read_parts (c, p, first - 150, end - first);
}

/* Older drives have the format in the last byte. */
static void
read_toc (IdeCdrom *c, const uint8_t *p)
{
  unsigned format = p[2] & 15 ? p[2] & 15 : p[9] >> 6;
  reply_page (c, cd_toc (c, c->drive.buffer, format, p[1] & 2, p[6]), cd_get16 (p + 7));
}

static void
read_sub_channel (IdeCdrom *c, const uint8_t *p)
{
  uint8_t *s = c->drive.buffer;
  uint32_t size = !(p[2] & 0x40) ? 4 : p[3] == 1 ? 16 : p[3] == 2 || p[3] == 3 ? 24 : 0;
  memset (s, 0, 24);
  s[1] = 0x15;                  /* nothing is being played */
  cd_put16 (s + 2, size - 4);
  if (size > 4)
    s[4] = p[3];
  if (size == 16) {
    s[5] = 0x14;
    s[6] = s[7] = 1;
  }
  reply_page (c, size, cd_get16 (p + 7));
}

/* One finished session. */
static void
read_disc_information (IdeCdrom *c, const uint8_t *p)
{
  uint8_t *i = c->drive.buffer;
  if (p[1] & 7) {
    invalid_field (c);
    return;
  }
  memset (i, 0, 34);
  cd_put16 (i, 32);
  i[2] = 0x0e;
  i[3] = i[4] = i[5] = i[6] = 1;
  i[7] = 0x20;
  memset (i + 17, 0xff, 7);
  cd_reply (c, 34, cd_get16 (p + 7));
}

static void
read_track_information (IdeCdrom *c, const uint8_t *p)
{
  uint8_t *i = c->drive.buffer;
  uint32_t what = cd_get32 (p + 2);
  bool found = (p[1] & 3) == 0 ? what < c->n_sectors : what == 1;
  memset (i, 0, 36);
  cd_put16 (i, 34);
  i[2] = i[3] = 1;
  i[5] = 0x04;
  i[6] = 0x01;
  cd_put32 (i + 24, c->n_sectors);
  cd_put32 (i + 28, c->n_sectors - 1);
  reply_page (c, found ? 36 : 0, cd_get16 (p + 7));
}

static void
read_dvd_structure (IdeCdrom *c, const uint8_t *p)
{
  if (p[7] != 0xff && !cd_is_dvd (c))
    cd_fail (c, SENSE_ILLEGAL, ASC_CANNOT_READ);
  else
    reply_page (c, cd_dvd_structure (c, c->drive.buffer, p[7], p[6]), cd_get16 (p + 8));
}

/* --- the table -------------------------------------------------------------------------------------- */

static const PacketCommand commands[256] = {
  [0x00] = { test_unit_ready, DISC },
  [0x03] = { request_sense, ANY_TIME },
  [0x12] = { inquiry, ANY_TIME },
  [0x1b] = { start_stop, 0 },
  [0x1e] = { prevent_removal, 0 },
  [0x25] = { read_capacity, DISC },
  [0x28] = { read_10, DISC },
  [0x2b] = { seek, DISC },
  [0x42] = { read_sub_channel, DISC },
  [0x43] = { read_toc, DISC },
  [0x46] = { get_configuration, ANY_TIME },
  [0x4a] = { event_status, ANY_TIME },
  [0x51] = { read_disc_information, DISC },
  [0x52] = { read_track_information, DISC },
  [0x55] = { mode_select, 0 },
  [0x5a] = { mode_sense, 0 },
  [0xa8] = { read_12, DISC },
  [0xad] = { read_dvd_structure, DISC },
  [0xb9] = { read_cd_msf, DISC },
  [0xbb] = { set_speed, 0 },
  [0xbd] = { mechanism_status, 0 },
  [0xbe] = { read_cd, DISC },
};

void
cd_run (IdeCdrom *c)
{
  const PacketCommand *command = &commands[c->packet[0]];
  if (!command->run) {
    bp_log_unimp (c, "packet command 0x%02x", c->packet[0]);
    cd_fail (c, SENSE_ILLEGAL, ASC_INVALID_OPCODE);
    return;
  }
  if (c->packet[0] != 0x03) {   /* sense data is of the command before */
    c->key = 0;
    c->code = 0;
  }
  if (c->attention && !(command->flags & ANY_TIME)) {
    uint16_t attention = c->attention;
    c->attention = 0;
    cd_fail (c, SENSE_ATTENTION, attention);
    return;
  }
  if (command->flags & DISC && (c->open || !c->n_sectors)) {
    cd_fail (c, SENSE_NOT_READY, c->open ? ASC_TRAY_OPEN : ASC_TRAY_CLOSED);
    return;
  }
  command->run (c, c->packet);
}

void
cd_run_with_data (IdeCdrom *c)
{
  take_pages (c);
}
