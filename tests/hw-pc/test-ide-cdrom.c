/* test-ide-cdrom.c -- the CD drive: packets and their data by PIO and DMA, sense, the tray, media that change or end too soon, saved state. */
/* SPDX-License-Identifier: MIT */
#include "ide-test.h"
#include <errno.h>
#include <string.h>
#include "build.h"

#define SECTORS 600u
#define DRIVE "[device cd]\ntype = ide-cdrom\nbus = ide\naddress = 1.0\ndrive = disc\n[backend disc]\ntype = test-block\nread-only = on\nsize = "

static uint8_t page[65536];
static size_t got;

static uint8_t
packet (Harness *h, const uint8_t bytes[12])
{
  memset (page, 0xee, sizeof page);
  return ide_packet (h, bytes, page, sizeof page, &got);
}
#define PACKET(h, ...) packet (h, (const uint8_t[12]) { __VA_ARGS__ })

/* Key, code and qualifier of the command before. */
static uint32_t
sense (Harness *h)
{
  ck_assert_uint_eq (PACKET (h, 0x03, [4] = 18), DRDY);
  ck_assert_uint_eq (got, 18);
  return (uint32_t) (page[2] << 16 | page[12] << 8 | page[13]);
}

static void
expect_failure (Harness *h, uint8_t status, uint32_t why)
{
  ck_assert_uint_eq (status, DRDY | ERR);
  ck_assert_uint_eq (in8 (h, 0x171) >> 4, why >> 16);
  ck_assert_uint_eq (sense (h), why);
  ck_assert_uint_eq (sense (h), 0);
}

/* A disc in a drive that has told of its reset. */
static Harness *
drive (const char *size)
{
  g_autofree char *text = g_strconcat (DRIVE, size, "\n", NULL);
  Harness *h = ide_new (text);
  if (*size != '0')
    ide_fill (harness_block_bytes (h, "disc"), SECTORS * 2048, 3);
  expect_failure (h, PACKET (h, 0x00), 0x062900);
  return h;
}

/* --- the drive ---------------------------------------------------------------------------------- */

START_TEST (identification)
{
  Harness *h = drive ("1200K");
  uint16_t w[256];
  out8 (h, 0x376, 4);
  out8 (h, 0x376, 0);
  ck_assert_uint_eq (in8 (h, 0x174) | in8 (h, 0x175) << 8, 0xeb14);
  ck_assert_uint_eq (in8 (h, 0x177), 0);
  ide_command (h, 0x170, 0xec, 0xa0, 0, 0);
  ck_assert_uint_eq (in8 (h, 0x177) & ERR, ERR);
  ck_assert_uint_eq (in8 (h, 0x174) | in8 (h, 0x175) << 8, 0xeb14);
  ide_command (h, 0x170, 0xa1, 0xa0, 0, 0);
  ck_assert_uint_eq (in8 (h, 0x177), DRDY | DRQ);
  ide_read_data (h, 0x170, w, 512);
  ck_assert_uint_eq (w[0] & 0xff63, 0x8540);  /* DRQ at once */
  ck_assert_uint_eq (in8 (h, 0x177), DRDY);
  ck_assert_uint_eq (PACKET (h, 0x12, [4] = 36), DRDY);
  ck_assert_uint_eq (got, 36);
  ck_assert (memcmp (page, "\5\x80", 2) == 0 && memcmp (page + 8, "BACKPLANDVD-ROM ", 16) == 0);
  ck_assert_uint_eq (PACKET (h, 0x12, 1, 0x80, [4] = 255), DRDY);
  ck_assert (memcmp (page + 4, "BP-CD", 5) == 0);
  ck_assert_uint_eq (PACKET (h, 0x12, [4] = 5), DRDY);
  ck_assert_uint_eq (got, 5);
  harness_free (h);
}
END_TEST

START_TEST (device_reset)
{
  Harness *h = drive ("1200K");
  out8 (h, 0x177, 0xa0);
  ck_assert_uint_eq (in8 (h, 0x177) & DRQ, DRQ);
  out8 (h, 0x177, 0x08);
  ck_assert_uint_eq (in8 (h, 0x177), 0);
  ck_assert_uint_eq (in8 (h, 0x174) | in8 (h, 0x175) << 8, 0xeb14);
  ck_assert_uint_eq (PACKET (h, 0x00), DRDY);
  harness_free (h);
}
END_TEST

START_TEST (pages)
{
  Harness *h = drive ("1200K");
  ck_assert_uint_eq (PACKET (h, 0x5a, 0, 0x2a, [8] = 255), DRDY);
  ck_assert_uint_eq (got, 8 + 22);
  ck_assert_uint_eq (page[8], 0x2a);
  ck_assert_uint_eq (PACKET (h, 0x5a, 0, 0x3f, [8] = 255), DRDY);
  ck_assert_uint_eq (got, 8 + 8 + 16 + 22);
  expect_failure (h, PACKET (h, 0x5a, 0, 0x1c, [8] = 255), 0x052400);
  expect_failure (h, PACKET (h, 0x5a, 0, 0xc1, [8] = 255), 0x053900);
  ck_assert_uint_eq (PACKET (h, 0x46, 0, [8] = 255), DRDY);
  ck_assert_uint_eq (page[7], 0x08);            /* the profile of a CD */
  ck_assert_uint_eq (page[3], got - 4);
  ck_assert_uint_eq (PACKET (h, 0x46, 2, 0, 0x1f, [8] = 255), DRDY);
  ck_assert_uint_eq (got, 8 + 8);
  ck_assert_uint_eq (page[8 + 2] & 1, 0);       /* no DVD is in */
  ck_assert_uint_eq (PACKET (h, 0xbd, [9] = 8), DRDY);
  expect_failure (h, PACKET (h, 0xff), 0x052000);
  harness_free (h);
}
END_TEST

START_TEST (page_from_guest)
{
  Harness *h = drive ("1200K");
  const uint8_t select[12] = { 0x55, 0x10, [8] = 16 }, list[16] = { [8] = 0x01, 6, 0x20, 5 };
  out8 (h, 0x171, 0);
  out8 (h, 0x174, 0xff);
  out8 (h, 0x175, 0xff);
  out8 (h, 0x177, 0xa0);
  ide_write_data (h, 0x170, select, 12);
  ck_assert_uint_eq (ide_wait (h, 0x170), DRDY | DRQ);
  ck_assert_uint_eq (in8 (h, 0x172), 0);
  ide_write_data (h, 0x170, list, 16);
  ck_assert_uint_eq (ide_wait (h, 0x170), DRDY);
  ck_assert_uint_eq (PACKET (h, 0x5a, 0, 0x01, [8] = 255), DRDY);
  ck_assert_uint_eq (page[8 + 2], 0x20);
  ck_assert_uint_eq (page[8 + 3], 5);
  harness_free (h);
}
END_TEST

/* --- the disc ----------------------------------------------------------------------------------------- */

START_TEST (contents)
{
  Harness *h = drive ("1200K");
  ck_assert_uint_eq (PACKET (h, 0x25), DRDY);
  ck_assert_uint_eq (page[2] << 8 | page[3], SECTORS - 1);
  ck_assert_uint_eq (page[6], 8);
  ck_assert_uint_eq (PACKET (h, 0x43, 0, [8] = 255), DRDY);
  ck_assert_uint_eq (got, 20);
  ck_assert_uint_eq (page[6], 1);
  ck_assert_uint_eq (page[14], 0xaa);
  ck_assert_uint_eq (page[18] << 8 | page[19], SECTORS);
  ck_assert_uint_eq (PACKET (h, 0x43, 2, [8] = 255), DRDY);
  ck_assert (memcmp (page + 8, "\0\0\2\0", 4) == 0 && memcmp (page + 16, "\0\0\12\0", 4) == 0);
  ck_assert_uint_eq (PACKET (h, 0x43, 2, 1, [8] = 255), DRDY);
  ck_assert_uint_eq (got, 12);
  ck_assert_uint_eq (PACKET (h, 0x43, 2, 2, [8] = 255), DRDY);
  ck_assert_uint_eq (got, 4 + 4 * 11);
  expect_failure (h, PACKET (h, 0x43, 0, 5, [8] = 255), 0x052400);
  ck_assert_uint_eq (PACKET (h, 0x51, [8] = 255), DRDY);
  ck_assert_uint_eq (got, 34);
  ck_assert_uint_eq (PACKET (h, 0x42, 2, 0x40, 1, [8] = 255), DRDY);
  ck_assert_uint_eq (got, 16);
  expect_failure (h, PACKET (h, 0xad, [8] = 8), 0x053002);
  harness_free (h);
}
END_TEST

START_TEST (reads_by_pio)
{
  Harness *h = drive ("1200K");
  const uint8_t *there = harness_block_bytes (h, "disc");
  ck_assert_uint_eq (PACKET (h, 0x28, [5] = 7, [8] = 3), DRDY);
  ck_assert_uint_eq (got, 3 * 2048);
  ck_assert (memcmp (page, there + 7 * 2048, got) == 0);
  ck_assert_uint_eq (PACKET (h, 0xa8, [4] = 1, 0, [9] = 90), DRDY);
  ck_assert_uint_eq (got, 90 * 2048);
  ck_assert (memcmp (page, there + 256 * 2048, sizeof page) == 0);
  ck_assert_uint_eq (PACKET (h, 0x28, [5] = 7), DRDY);
  ck_assert_uint_eq (got, 0);
  expect_failure (h, PACKET (h, 0x28, [4] = SECTORS >> 8, (SECTORS & 255) - 1, [8] = 2), 0x052100);
  ck_assert_uint_eq (PACKET (h, 0xbe, 0, 0, 0, 0, 16, 0, 0, 2, 0xf8), DRDY);
  ck_assert_uint_eq (got, 2 * 2352);
  ck_assert (memcmp (page, "\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\2\x16\1", 16) == 0);
  ck_assert (memcmp (page + 16, there + 16 * 2048, 2048) == 0 && memcmp (page + 2352 + 16, there + 17 * 2048, 2048) == 0);
  ck_assert_uint_eq (PACKET (h, 0xbe, 0, 0, 0, 0, 16, 0, 0, 2, 0x10), DRDY);
  ck_assert_uint_eq (got, 2 * 2048);
  ck_assert_uint_eq (PACKET (h, 0xb9, 0, 0, 0, 2, 5, 0, 2, 6, 0x10), DRDY);
  ck_assert_uint_eq (got, 2048);
  ck_assert (memcmp (page, there + 5 * 2048, 2048) == 0);
  expect_failure (h, PACKET (h, 0xbe, 4, 0, 0, 0, 16, 0, 0, 2, 0x10), 0x056400);
  harness_free (h);
}
END_TEST

/* The guest says how much it takes at once. */
START_TEST (byte_count)
{
  Harness *h = drive ("1200K");
  const uint8_t read[12] = { 0x28, [8] = 2 };
  unsigned parts = 0;
  out8 (h, 0x171, 0);
  out8 (h, 0x174, 0xe8);
  out8 (h, 0x175, 3);           /* 1000 */
  out8 (h, 0x177, 0xa0);
  ide_write_data (h, 0x170, read, 12);
  for (; ide_wait (h, 0x170) & DRQ; parts++) {
    unsigned n = in8 (h, 0x174) | (unsigned) in8 (h, 0x175) << 8;
    ck_assert_uint_eq (n, parts < 4 ? 1000 : 96);
    ide_read_data (h, 0x170, page, n);
  }
  ck_assert_uint_eq (parts, 5);
  harness_free (h);
}
END_TEST

static uint8_t
packet_by_dma (Harness *h, const uint8_t bytes[12], uint32_t memory)
{
  out8 (h, 0x171, 1);
  out8 (h, 0x177, 0xa0);
  ide_write_data (h, 0x170, bytes, 12);
  ide_start_dma (h, 1, true, memory, 4096);
  return ide_wait (h, 0x170);
}

START_TEST (reads_by_dma)
{
  Harness *h = drive ("1200K");
  BpAddressSpace *space = bp_machine_address_space (harness_machine (h), "memory");
  const uint8_t *there = harness_block_bytes (h, "disc");
  unsigned rises = harness_rises (h, "probe", 15);
  ck_assert_uint_eq (packet_by_dma (h, (const uint8_t[12]) { 0x28, [5] = 9, [8] = 20 }, 20 * 2048), DRDY);
  bp_as_read (space, IDE_MEMORY, page, 20 * 2048);
  ck_assert (memcmp (page, there + 9 * 2048, 20 * 2048) == 0);
  ck_assert_uint_eq (ide_master_status (h, 1) & 7, 4);
  ck_assert_uint_eq (harness_rises (h, "probe", 15), rises + 1);
  ck_assert_uint_eq (packet_by_dma (h, (const uint8_t[12]) { 0xbe, 0, 0, 0, 0, 16, 0, 0, 2, 0xf8 }, 2 * 2352), DRDY);
  bp_as_read (space, IDE_MEMORY, page, 2 * 2352);
  ck_assert (memcmp (page + 16, there + 16 * 2048, 2048) == 0);
  ck_assert_uint_eq (packet_by_dma (h, (const uint8_t[12]) { 0x12, [4] = 36 }, 4096), DRDY);
  bp_as_read (space, IDE_MEMORY, page, 36);
  ck_assert_uint_eq (page[0], 5);
  harness_free (h);
}
END_TEST

/* Answers that are there at once do not pile up on the host's stack. */
START_TEST (a_long_read_goes_round)
{
  Harness *h = drive ("1200K");
  harness_machine (h)->deterministic = false;
  harness_block_at_once (h, "disc");
  ck_assert_uint_eq (packet_by_dma (h, (const uint8_t[12]) { 0xbe, [7] = 2, [8] = 0x58, [9] = 0xf8 }, SECTORS * 2352), DRDY);
  ck_assert_uint_eq (harness_block_count (h, "disc", BP_BLOCK_READ), (SECTORS + 26) / 27);
  size_t depth = harness_block_depth (h, "disc");
  ck_assert_msg (depth < 1024, "%zu bytes", depth);
  harness_machine (h)->deterministic = true;
  harness_free (h);
}
END_TEST

/* --- media ------------------------------------------------------------------------------------------------- */

START_TEST (empty_and_changed)
{
  Harness *h = drive ("0");
  expect_failure (h, PACKET (h, 0x00), 0x023a01);
  expect_failure (h, PACKET (h, 0x28, [8] = 1), 0x023a01);
  ck_assert (harness_block_change (h, "disc", 100 * 2048, true, false));
  ck_assert_uint_eq (PACKET (h, 0x4a, 1, [4] = 0x10, [8] = 8), DRDY);
  ck_assert_uint_eq (page[4], 2);               /* a new disc, which is in */
  ck_assert_uint_eq (page[5], 2);
  expect_failure (h, PACKET (h, 0x00), 0x062800);
  ck_assert_uint_eq (PACKET (h, 0x00), DRDY);
  ck_assert_uint_eq (PACKET (h, 0x25), DRDY);
  ck_assert_uint_eq (page[3], 99);
  harness_free (h);
}
END_TEST

START_TEST (tray)
{
  Harness *h = drive ("1200K");
  ck_assert_uint_eq (PACKET (h, 0x1e, [4] = 1), DRDY);
  expect_failure (h, PACKET (h, 0x1b, [4] = 2), 0x055302);
  ck_assert (!harness_block_change (h, "disc", 0, true, false));      /* but the guest hears of it */
  ck_assert_uint_eq (PACKET (h, 0x4a, 1, [4] = 0x10, [8] = 8), DRDY);
  ck_assert_uint_eq (page[4], 1);
  ck_assert_uint_eq (PACKET (h, 0x4a, 1, [4] = 0x10, [8] = 8), DRDY);
  ck_assert_uint_eq (page[4], 0);
  ck_assert_uint_eq (PACKET (h, 0x1e), DRDY);
  ck_assert_uint_eq (PACKET (h, 0x1b, [4] = 2), DRDY);
  expect_failure (h, PACKET (h, 0x00), 0x023a02);
  ck_assert_uint_eq (PACKET (h, 0x1b, [4] = 3), DRDY);
  expect_failure (h, PACKET (h, 0x00), 0x062800);
  ck_assert_uint_eq (PACKET (h, 0x00), DRDY);
  ck_assert (harness_block_change (h, "disc", 0, true, false));
  expect_failure (h, PACKET (h, 0x00), 0x023a01);
  harness_free (h);
}
END_TEST

START_TEST (dvd)
{
  Harness *h = drive ("800M");
  ck_assert_uint_eq (PACKET (h, 0x46, 0, [8] = 255), DRDY);
  ck_assert_uint_eq (page[7], 0x10);
  ck_assert_uint_eq (PACKET (h, 0xad, [8] = 8, 4), DRDY);
  ck_assert_uint_eq (got, 2052);
  ck_assert_uint_eq (page[9], 3);
  harness_free (h);
}
END_TEST

START_TEST (errors)
{
  Harness *h = drive ("1200K");
  harness_block_fail (h, "disc", 4 * 50, 4, EIO);
  expect_failure (h, PACKET (h, 0x28, [5] = 40, [8] = 20), 0x031100);
  ck_assert_uint_eq (PACKET (h, 0x28, [5] = 40, [8] = 10), DRDY);
  expect_failure (h, packet_by_dma (h, (const uint8_t[12]) { 0x28, [5] = 40, [8] = 20 }, 20 * 2048), 0x031100);
  harness_block_truncate (h, "disc", 100 * 2048);
  expect_failure (h, PACKET (h, 0x28, [5] = 120, [8] = 1), 0x031100);
  harness_block_change (h, "disc", 50 * 2048, true, true);    /* in the middle of a read */
  PACKET (h, 0x00);
  const uint8_t read[12] = { 0x28, [5] = 3, [8] = 40 };
  out8 (h, 0x171, 0);
  out8 (h, 0x177, 0xa0);
  ide_write_data (h, 0x170, read, 12);
  harness_block_change (h, "disc", 0, true, true);
  ide_wait (h, 0x170);
  ide_read_data (h, 0x170, page, 65536);
  for (unsigned i = 0; i < 4 && ide_wait (h, 0x170) & DRQ; i++)
    ide_read_data (h, 0x170, page, 65536);
  ck_assert_uint_eq (in8 (h, 0x177), DRDY | ERR);
  ck_assert_uint_eq (sense (h), 0x023a00);
  harness_free (h);
}
END_TEST

START_TEST (saved_state)
{
  Harness *h = drive ("1200K");
  const uint8_t read[12] = { 0x28, [5] = 7, [8] = 40 };
  uint8_t *there = harness_block_bytes (h, "disc");
  g_autofree uint8_t *all = g_malloc (40 * 2048 + 65536);
  size_t n = 0;
  out8 (h, 0x171, 0);
  out8 (h, 0x174, 0xff);
  out8 (h, 0x175, 0xff);
  out8 (h, 0x177, 0xa0);
  harness_round_trip (h);
  ide_write_data (h, 0x170, read, 6);
  harness_round_trip (h);
  ide_write_data (h, 0x170, read + 6, 6);
  harness_round_trip (h);
  for (; ide_wait (h, 0x170) & DRQ && n < 40 * 2048;) {
    size_t part = (size_t) (in8 (h, 0x175) << 8 | in8 (h, 0x174));
    ide_read_data (h, 0x170, all + n, 100);
    harness_round_trip (h);
    ide_read_data (h, 0x170, all + n + 100, part - 100);
    n += part;
  }
  ck_assert_uint_eq (n, 40 * 2048);
  ck_assert (memcmp (all, there + 7 * 2048, n) == 0);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("ide-cdrom", identification, device_reset, pages, page_from_guest, contents, reads_by_pio, byte_count, reads_by_dma, a_long_read_goes_round, empty_and_changed, tray,
              dvd, errors, saved_state)
