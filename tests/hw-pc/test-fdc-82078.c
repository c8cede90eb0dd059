/* test-fdc-82078.c -- commands, results, interrupts, formats and errors of the floppy disk controller. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "harness-block.h"
#include "hw-pc-test.h"

#define CHIPS(size) \
  "[memory ram]\ntype = test-ram\nsize = 1M\nram = memory@0\n" \
  "[device dma]\ntype = i8237-pair\npio0 = io@0\npio1 = io@0xc0\npio2 = io@0x80\n[device rtc]\ntype = mc146818\npio0 = io@0x70\n" \
  "[device probe]\ntype = test-probe\n[backend fda]\ntype = test-block\nsize = " size "\n" \
  "[device fdc]\ntype = fdc-82078\npio0 = io@0x3f0\npio1 = io@0x3f7\nirq = probe.in6\ndma = dma\ncmos = rtc\ndrive0 = fda\n"
static const char board[] = CHIPS ("1474560");

enum { DOR = 0x3f2, MSR = 0x3f4, DSR = 0x3f4, FIFO = 0x3f5, CHANGE = 0x3f7, CCR = 0x3f7 };
#define BUFFER 0x10000u

/* --- a guest's driver --------------------------------------------------------------------------- */

/* Until nothing moves any more. */
static void
settle (Harness *h)
{
  for (unsigned i = 0; i < 300; i++) {
    harness_advance (h, 20000);
    harness_block_answer (h, "fda");
  }
}

static void
send (Harness *h, const uint8_t *bytes, unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    ck_assert_uint_eq (in8 (h, MSR) & 0xd0, 0x80 | (i ? 0x10 : 0));
    out8 (h, FIFO, bytes[i]);
  }
}
#define SEND(...) send (h, (const uint8_t[]) { __VA_ARGS__ }, sizeof (const uint8_t[]) { __VA_ARGS__ })

/* The whole result, as hexadecimal digits. */
static const char *
result (Harness *h)
{
  static char text[64];
  unsigned n = 0;
  while ((in8 (h, MSR) & 0xd0) == 0xd0 && n < 20)
    n += (unsigned) g_snprintf (text + n * 3, 4, "%02x ", in8 (h, FIFO)) / 3;
  text[n ? 3 * n - 1 : 0] = 0;
  return text;
}

static int irq (Harness *h) { return harness_level (h, "fdc.irq"); }

static void
sense (Harness *h, const char *expected)
{
  SEND (0x08);
  ck_assert_str_eq (result (h), expected);
}

/* As a driver starts: reset, four senses, SPECIFY, rate, motor. */
static void
start (Harness *h)
{
  out8 (h, DOR, 0x1c);
  settle (h);
  ck_assert_int_eq (irq (h), 1);
  for (unsigned i = 0; i < 4; i++) {
    char expected[8];
    g_snprintf (expected, sizeof expected, "%02x 00", 0xc0 | i);
    sense (h, expected);
    ck_assert_int_eq (irq (h), 0);
  }
  sense (h, "80");
  SEND (0x03, 0xaf, 0x02);
  out8 (h, CCR, 0);
}

static Harness *
started (const char *sections)
{
  Harness *h = harness_new (hw_pc (), sections);
  start (h);
  return h;
}

static void
seek (Harness *h, uint8_t unit, uint8_t cylinder)
{
  SEND (0x0f, unit, cylinder);
  settle (h);
  SEND (0x08);
  result (h);
}

static void
program (Harness *h, unsigned bytes, uint8_t mode)
{
  out8 (h, 10, 6);
  out8 (h, 12, 0);
  out8 (h, 11, mode | 2);
  out8 (h, 4, BUFFER & 0xff);
  out8 (h, 4, BUFFER >> 8 & 0xff);
  out8 (h, 5, (uint8_t) (bytes - 1));
  out8 (h, 5, (uint8_t) ((bytes - 1) >> 8));
  out8 (h, 0x81, BUFFER >> 16);
  out8 (h, 10, 2);
}
enum { TO_MEMORY = 0x44, TO_DISK = 0x48, VERIFY = 0x40 };

/* A command with a sector's address: its result. */
static const char *
command (Harness *h, uint8_t code, uint8_t head_unit, uint8_t c, uint8_t head, uint8_t r, uint8_t eot)
{
  SEND (code, head_unit, c, head, r, 2, eot, 0x1b, 0xff);
  settle (h);
  ck_assert_int_eq (irq (h), 1);
  return result (h);
}

static void
check_memory (Harness *h, unsigned sector, unsigned bytes)
{
  for (unsigned i = 0; i < bytes; i++) {
    uint8_t got = (uint8_t) harness_read (h, "memory", BUFFER + i, 1), expected = (uint8_t) ((sector + i / 512) * 7 + i % 512);
    ck_assert_msg (got == expected, "byte %u is %02x instead of %02x", i, got, expected);
  }
}

static void
fill_memory (Harness *h, unsigned bytes, uint8_t value)
{
  for (unsigned i = 0; i < bytes; i++)
    harness_write (h, "memory", BUFFER + i, value, 1);
}

/* --- reset, status -------------------------------------------------------------------------------- */

START_TEST (reset_is_told_four_times)
{
  Harness *h = harness_new (hw_pc (), board);
  ck_assert_uint_eq (in8 (h, MSR), 0);
  start (h);
  out8 (h, DOR, 0x18);
  ck_assert_uint_eq (in8 (h, MSR), 0);
  out8 (h, DOR, 0x1c);
  ck_assert_uint_eq (in8 (h, MSR), 0);          /* a moment later */
  start (h);
  out8 (h, DSR, 0x80);
  settle (h);
  sense (h, "c0 00");
  out8 (h, DOR, 0x14);          /* the gate closed: the line is dead */
  out8 (h, DSR, 0x80);
  settle (h);
  ck_assert_int_eq (irq (h), 0);
  out8 (h, DOR, 0x1c);
  ck_assert_int_eq (irq (h), 1);
  harness_free (h);
}
END_TEST

START_TEST (unknown_commands_are_invalid)
{
  static const uint8_t codes[] = { 0x00, 0x01, 0x0b, 0x15, 0x1a, 0x1f, 0x2f, 0x34, 0x4f, 0x8a, 0xad };
  Harness *h = started (board);
  for (unsigned i = 0; i < G_N_ELEMENTS (codes); i++) {
    out8 (h, FIFO, codes[i]);
    ck_assert_str_eq (result (h), "80");
  }
  ck_assert_uint_eq (in8 (h, MSR), 0x80);
  harness_free (h);
}
END_TEST

START_TEST (settings_are_told)
{
  Harness *h = started (board);
  SEND (0x10);
  ck_assert_str_eq (result (h), "90");
  SEND (0x18);
  ck_assert_str_eq (result (h), "01");
  SEND (0x13, 0, 0x57, 0x20);
  SEND (0x12, 0x8f);
  SEND (0x0e);
  ck_assert_str_eq (result (h), "00 00 00 00 af 02 00 0f 57 20");
  SEND (0x94);
  ck_assert_str_eq (result (h), "10");
  out8 (h, DSR, 0x80);
  settle (h);
  SEND (0x0e);
  ck_assert_str_eq (result (h), "00 00 00 00 af 02 00 8c 07 20");
  SEND (0x14);
  ck_assert_str_eq (result (h), "00");
  out8 (h, DSR, 0x80);
  settle (h);
  SEND (0x0e);
  ck_assert_str_eq (result (h), "00 00 00 00 af 02 00 0c 20 00");
  SEND (0x17, 0x03);
  ck_assert_str_eq (result (h), "03");
  SEND (0x33, 0x01);
  SEND (0x2e);
  ck_assert_str_eq (result (h), "00 01 00 00 00 00 af 02 00 0c 20 00 03 00 00 00");
  SEND (0x4e, 2, 0, 5, 6, 7, 8, 0xdf, 4, 9, 0x84, 0x11, 3, 0, 0, 0, 0);
  SEND (0x0e);
  ck_assert_str_eq (result (h), "05 06 07 08 df 04 09 84 11 03");
  SEND (0x8e, 0x04, 0x28, 0x80);
  ck_assert_str_eq (result (h), "04 08 00 00");
  SEND (0x8e, 0xc0);
  ck_assert_uint_eq (in8 (h, MSR), 0x80);
  harness_free (h);
}
END_TEST

START_TEST (firmware_learns_of_the_drives)
{
  static const struct { const char *size, *types; uint8_t cmos, equipment; } cases[] = {
    { "1474560", "", 0x40, 0x01 }, { "163840", "", 0x10, 0x01 }, { "368640", "", 0x10, 0x01 }, { "1228800", "", 0x20, 0x01 },
    { "737280", "", 0x40, 0x01 }, { "2949120", "", 0x50, 0x01 }, { "1720320", "", 0x40, 0x01 }, { "0", "", 0x40, 0x01 },
    { "737280", "drive0-type = 720K\n", 0x30, 0x01 }, { "368640", "drive0-type = 1.2M\ndrive1-type = 360K\n", 0x21, 0x41 },
    { "0", "drive0-type = none\n", 0x00, 0x00 }, { "512", "", 0x40, 0x01 }
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    char *text = g_strdup_printf ("%s%s[override fda]\nsize = %s\n", board, cases[i].types, cases[i].size);
    Harness *h = harness_new (hw_pc (), text);
    unsigned sum = 0;
    out8 (h, 0x70, 0x10);
    ck_assert_uint_eq (in8 (h, 0x71), cases[i].cmos);
    out8 (h, 0x70, 0x14);
    ck_assert_uint_eq (in8 (h, 0x71), cases[i].equipment);
    for (uint8_t n = 0x10; n < 0x2e; n++) {
      out8 (h, 0x70, n);
      sum += in8 (h, 0x71);
    }
    out8 (h, 0x70, 0x2f);
    ck_assert_uint_eq (in8 (h, 0x71), sum & 0xff);
    harness_free (h);
    g_free (text);
  }
}
END_TEST

START_TEST (images_that_are_no_disks_are_refused)
{
  static const struct { const char *size, *type, *says; } cases[] = {
    { "10240000", "auto", "any drive" }, { "1474560", "720K", "720K drive" }, { "2949120", "1.44M", "1.44M drive" }, { "1474560", "none", "no drive" }
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    char *text = g_strdup_printf ("%sdrive0-type = %s\n[override fda]\nsize = %s\n", board, cases[i].type, cases[i].size);
    char *refusal = harness_refusal (hw_pc (), text);
    ck_assert_msg (strstr (refusal, cases[i].says) && strstr (refusal, cases[i].size), "%s", refusal);
    g_free (refusal);
    g_free (text);
  }
  char *refusal = harness_refusal (hw_pc (), CHIPS ("1474560") "drive1 = fda\n");
  ck_assert_msg (strstr (refusal, "in use"), "%s", refusal);
  g_free (refusal);
}
END_TEST

/* --- seeks ------------------------------------------------------------------------------------------- */

START_TEST (seeks_end_with_an_interrupt)
{
  Harness *h = started (board);
  SEND (0x0f, 0x04, 12);
  ck_assert_uint_eq (in8 (h, MSR), 0x81);       /* ready for another drive's */
  ck_assert_int_eq (irq (h), 0);
  settle (h);
  ck_assert_uint_eq (in8 (h, MSR), 0x81);
  ck_assert_int_eq (irq (h), 1);
  sense (h, "24 0c");
  ck_assert_int_eq (irq (h), 0);
  ck_assert_uint_eq (in8 (h, MSR), 0x80);
  SEND (0xcf, 0, 5);            /* relative: inwards, then outwards */
  settle (h);
  sense (h, "20 11");
  SEND (0x8f, 0, 2);
  settle (h);
  sense (h, "20 0f");
  SEND (0x04, 0);
  ck_assert_str_eq (result (h), "28");
  SEND (0x07, 0);
  settle (h);
  sense (h, "20 00");
  SEND (0x04, 0);
  ck_assert_str_eq (result (h), "38");
  SEND (0x07, 1);               /* no such drive: track 0 never comes */
  settle (h);
  sense (h, "71 00");
  harness_free (h);
}
END_TEST

/* Of the four senses after a reset firmware makes one. */
START_TEST (a_seek_is_told_before_what_is_left_of_a_reset)
{
  Harness *h = harness_new (hw_pc (), board);
  out8 (h, DOR, 0x1c);
  settle (h);
  sense (h, "c0 00");
  SEND (0x0f, 0, 7);
  settle (h);
  sense (h, "20 07");
  sense (h, "80");
  harness_free (h);
}
END_TEST

START_TEST (several_drives_seek_at_once)
{
  Harness *h = started (CHIPS ("1474560") "drive1-type = 1.44M\n");
  SEND (0x0f, 1, 40);
  SEND (0x0f, 0, 5);
  ck_assert_uint_eq (in8 (h, MSR), 0x83);
  settle (h);
  ck_assert_int_eq (irq (h), 1);
  sense (h, "20 05");
  ck_assert_int_eq (irq (h), 1);                /* there is more to tell */
  ck_assert_uint_eq (harness_rises (h, "probe", 6), 3);
  sense (h, "21 28");
  ck_assert_int_eq (irq (h), 0);
  sense (h, "80");
  harness_free (h);
}
END_TEST

START_TEST (the_change_line_goes_down_by_a_step)
{
  Harness *h = started (board);
  ck_assert_uint_eq (in8 (h, CHANGE), 0x80);
  seek (h, 0, 0);
  ck_assert_uint_eq (in8 (h, CHANGE), 0x80);
  seek (h, 0, 1);
  ck_assert_uint_eq (in8 (h, CHANGE), 0);
  harness_block_change (h, "fda", 0, false, true);
  ck_assert_uint_eq (in8 (h, CHANGE), 0x80);
  seek (h, 0, 2);
  ck_assert_uint_eq (in8 (h, CHANGE), 0x80);       /* nothing there */
  ck_assert_str_eq (command (h, 0xe6, 0, 2, 0, 1, 18), "40 01 00 02 00 01 02");
  harness_block_change (h, "fda", 737280, true, true);
  ck_assert_uint_eq (in8 (h, CHANGE), 0x80);
  seek (h, 0, 0);
  ck_assert_uint_eq (in8 (h, CHANGE), 0);
  SEND (0x04, 0);
  ck_assert_str_eq (result (h), "78");          /* write-protected */
  out8 (h, CCR, 2);
  program (h, 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0xe6, 0, 0, 0, 9, 9), "00 00 00 00 01 01 02");
  check_memory (h, 8, 512);
  harness_block_change (h, "fda", 1228800, false, true);        /* 5.25 inches */
  seek (h, 0, 1);
  ck_assert_uint_eq (in8 (h, CHANGE), 0x80);
  harness_free (h);
}
END_TEST

/* --- reading ------------------------------------------------------------------------------------------- */

START_TEST (sectors_are_read)
{
  Harness *h = started (board);
  program (h, 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 1, 18), "00 00 00 00 00 02 02");
  ck_assert_int_eq (irq (h), 0);
  check_memory (h, 0, 512);
  seek (h, 0, 79);
  program (h, 2048, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x66, 4, 79, 1, 10, 18), "04 00 00 4f 01 0e 02");
  check_memory (h, (79 * 2 + 1) * 18 + 9, 2048);
  program (h, 9 * 512, TO_MEMORY);              /* from one side to the other */
  ck_assert_str_eq (command (h, 0xe6, 0, 79, 0, 15, 18), "04 00 00 4f 01 06 02");
  check_memory (h, 79 * 36 + 14, 9 * 512);
  program (h, 36 * 512, TO_MEMORY);             /* a cylinder, to its very end */
  ck_assert_str_eq (command (h, 0xe6, 0, 79, 0, 1, 18), "04 00 00 50 00 01 02");
  check_memory (h, 79 * 36, 36 * 512);
  program (h, 100, TO_MEMORY);                  /* a part of a sector */
  ck_assert_str_eq (command (h, 0x46, 0, 79, 0, 3, 18), "00 00 00 4f 00 04 02");
  ck_assert_uint_eq (harness_read (h, "memory", BUFFER + 100, 1), (uint8_t) (79 * 36 * 7 + 100));
  harness_free (h);
}
END_TEST

START_TEST (without_terminal_count_the_cylinder_ends)
{
  Harness *h = started (board);
  program (h, 4096, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 17, 18), "40 80 00 00 00 12 02");
  check_memory (h, 16, 1024);
  ck_assert_str_eq (command (h, 0xe6, 4, 0, 1, 18, 18), "44 80 00 00 01 12 02");
  harness_free (h);
}
END_TEST

START_TEST (a_sector_has_to_be_there)
{
  Harness *h = started (board);
  program (h, 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 19, 19), "40 04 00 00 00 13 02");
  ck_assert_str_eq (command (h, 0x46, 0, 5, 0, 1, 18), "40 04 10 05 00 01 02");
  ck_assert_str_eq (command (h, 0x46, 0, 0, 1, 1, 18), "40 04 00 00 01 01 02");
  SEND (0x46, 0, 0, 0, 1, 3, 18, 0x1b, 0xff);
  settle (h);
  ck_assert_str_eq (result (h), "40 04 00 00 00 01 03");
  ck_assert_str_eq (command (h, 0x06, 0, 0, 0, 1, 18), "40 01 00 00 00 01 02");         /* FM */
  out8 (h, CCR, 2);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 1, 18), "40 01 00 00 00 01 02");         /* the wrong rate */
  out8 (h, CCR, 0);
  out8 (h, DOR, 0x0c);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 1, 18), "40 01 00 00 00 01 02");         /* the disk does not turn */
  out8 (h, DOR, 0x1c);
  ck_assert_str_eq (command (h, 0x46, 1, 0, 0, 1, 18), "41 01 00 00 00 01 02");         /* no such drive */
  harness_block_fail (h, "fda", 0, UINT64_MAX, EIO);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 1, 18), "40 20 20 00 00 01 02");
  harness_block_fail (h, "fda", 0, UINT64_MAX, 0);
  seek (h, 0, 82);
  ck_assert_str_eq (command (h, 0x46, 0, 82, 0, 1, 18), "40 01 00 52 00 01 02");        /* past the last track */
  harness_free (h);
}
END_TEST

START_TEST (rates_belong_to_disks_and_drives)
{
  static const struct { const char *size, *type; uint8_t ccr; } cases[] = {
    { "1474560", "auto", 0 }, { "1720320", "auto", 0 }, { "737280", "auto", 2 }, { "2949120", "auto", 3 }, { "1228800", "auto", 0 },
    { "368640", "auto", 2 }, { "368640", "1.2M", 1 }, { "163840", "auto", 2 }, { "1474560", "2.88M", 0 }
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    char *text = g_strdup_printf ("%sdrive0-type = %s\n[override fda]\nsize = %s\n", board, cases[i].type, cases[i].size);
    Harness *h = started (text);
    for (uint8_t rate = 0; rate < 4; rate++) {
      out8 (h, CCR, rate);
      SEND (0x4a, 0);
      settle (h);
      const char *r = result (h);
      ck_assert_msg (g_str_has_prefix (r, rate == cases[i].ccr ? "00 00 00 00 00 " : "40 01 00 "), "%s at rate %u: %s", cases[i].size, rate, r);
    }
    harness_free (h);
    g_free (text);
  }
}
END_TEST

START_TEST (wide_tracks_are_two_steps_apart)
{
  Harness *h = started (CHIPS ("368640") "drive0-type = 1.2M\n");
  out8 (h, CCR, 1);
  seek (h, 0, 20);
  program (h, 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x46, 0, 10, 0, 1, 9), "00 00 00 0a 00 02 02");
  check_memory (h, 180, 512);
  seek (h, 0, 21);
  ck_assert_str_eq (command (h, 0x46, 0, 10, 0, 1, 9), "40 01 00 0a 00 01 02");
  harness_free (h);
}
END_TEST

START_TEST (ids_come_by)
{
  Harness *h = started (board);
  unsigned seen = 0;
  seek (h, 0, 3);
  for (unsigned i = 0; i < 200; i++) {
    SEND (0x4a, 4);
    settle (h);
    harness_advance (h, 7700000);
    unsigned c, head, r, n;
    ck_assert_int_eq (sscanf (result (h), "04 00 00 %x %x %x %x", &c, &head, &r, &n), 4);
    ck_assert (c == 3 && head == 1 && n == 2 && r >= 1 && r <= 18);
    seen |= 1u << r;
  }
  ck_assert_uint_eq (seen, 0x7fffe);
  harness_free (h);
}
END_TEST

START_TEST (a_seek_can_be_implied)
{
  Harness *h = started (board);
  SEND (0x13, 0, 0x47, 0);
  program (h, 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x46, 0, 33, 0, 2, 18), "00 00 00 21 00 03 02");
  check_memory (h, 33 * 36 + 1, 512);
  sense (h, "80");
  harness_free (h);
}
END_TEST

START_TEST (a_track_is_read_as_it_is)
{
  Harness *h = started (board);
  program (h, 5 * 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x42, 0, 0, 0, 1, 5), "00 00 00 00 00 01 02");
  check_memory (h, 0, 5 * 512);
  program (h, 19 * 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x42, 4, 9, 1, 1, 19), "44 05 00 09 01 01 02");         /* another cylinder is said; 18 are there */
  check_memory (h, 18, 18 * 512);
  harness_free (h);
}
END_TEST

START_TEST (verify_reads_for_itself)
{
  Harness *h = started (board);
  out8 (h, 10, 6);              /* the DMA controller has no part in it */
  ck_assert_str_eq (command (h, 0x56, 0, 0, 0, 1, 18), "00 00 00 01 00 01 02");
  SEND (0xd6, 0x80, 0, 0, 17, 2, 18, 0x1b, 4);          /* 4 sectors, over both sides */
  settle (h);
  ck_assert_str_eq (result (h), "04 00 00 00 01 03 02");
  harness_block_fail (h, "fda", 0, UINT64_MAX, EIO);
  ck_assert_str_eq (command (h, 0x56, 0, 0, 0, 1, 18), "40 20 20 00 00 01 02");
  program (h, 512, VERIFY);
  harness_block_fail (h, "fda", 0, UINT64_MAX, 0);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 1, 18), "00 00 00 00 00 02 02");
  ck_assert_uint_eq (read32 (h, BUFFER), 0);
  harness_free (h);
}
END_TEST

/* --- writing -------------------------------------------------------------------------------------------- */

START_TEST (sectors_are_written)
{
  Harness *h = started (board);
  const uint8_t *disk = harness_block_bytes (h, "fda");
  seek (h, 0, 7);
  fill_memory (h, 1536, 0xa5);
  program (h, 1100, TO_DISK);                   /* the rest of the third sector is zeros */
  ck_assert_str_eq (command (h, 0xc5, 0, 7, 0, 18, 18), "04 00 00 07 01 03 02");
  const uint8_t *at = disk + (7 * 36 + 17) * 512;
  for (unsigned i = 0; i < 1536; i++)
    ck_assert_uint_eq (at[i], i < 1100 ? 0xa5 : 0);
  ck_assert_uint_eq (at[1536], (uint8_t) ((7 * 36 + 20) * 7));
  harness_block_fail (h, "fda", 0, UINT64_MAX, EIO);
  program (h, 512, TO_DISK);
  ck_assert_str_eq (command (h, 0x45, 0, 7, 0, 1, 18), "50 00 00 07 00 01 02");
  harness_free (h);
}
END_TEST

START_TEST (a_protected_disk_stays_as_it_is)
{
  Harness *h = started (CHIPS ("1474560") "[override fda]\nread-only = on\n");
  program (h, 512, TO_DISK);
  ck_assert_str_eq (command (h, 0x45, 0, 0, 0, 1, 18), "40 02 00 00 00 01 02");
  ck_assert_str_eq (command (h, 0x49, 0, 0, 0, 1, 18), "40 02 00 00 00 01 02");
  SEND (0x4d, 0, 2, 18, 0x54, 0xf6);
  settle (h);
  ck_assert (g_str_has_prefix (result (h), "40 02 00 "));
  ck_assert_uint_eq (harness_block_bytes (h, "fda")[1], 1);
  harness_free (h);
}
END_TEST

START_TEST (deleted_data_is_marked)
{
  Harness *h = started (board);
  program (h, 512, TO_DISK);
  ck_assert_str_eq (command (h, 0x49, 0, 0, 0, 2, 18), "00 00 00 00 00 03 02");
  program (h, 4 * 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 1, 18), "00 00 40 00 00 03 02");         /* ends behind the marked one */
  program (h, 2 * 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x66, 0, 0, 0, 1, 18), "00 00 40 00 00 04 02");         /* skips it */
  ck_assert_uint_eq (harness_read (h, "memory", BUFFER + 512, 1), 14);
  program (h, 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x6c, 0, 0, 0, 1, 18), "00 00 40 00 00 03 02");         /* looks for it */
  program (h, 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x4c, 0, 0, 0, 2, 18), "00 00 00 00 00 03 02");
  program (h, 512, TO_DISK);
  command (h, 0x45, 0, 0, 0, 2, 18);
  program (h, 512, TO_MEMORY);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 2, 18), "00 00 00 00 00 03 02");
  harness_free (h);
}
END_TEST

START_TEST (a_track_is_formatted)
{
  Harness *h = started (board);
  seek (h, 0, 4);
  for (unsigned i = 0; i < 18; i++)             /* interleaved */
    write32 (h, BUFFER + 4 * i, 4 | 1 << 8 | (i * 7 % 18 + 1) << 16 | 2 << 24);
  program (h, 72, TO_DISK);
  SEND (0x4d, 4, 2, 18, 0x54, 0xf6);
  settle (h);
  ck_assert (g_str_has_prefix (result (h), "04 00 00 "));
  const uint8_t *disk = harness_block_bytes (h, "fda");
  for (unsigned i = 0; i < 18 * 512; i++)
    ck_assert_uint_eq (disk[(4 * 36 + 18) * 512 + i], 0xf6);
  ck_assert_uint_eq (disk[(4 * 36 + 36) * 512], (uint8_t) (180 * 7));
  write32 (h, BUFFER + 4, 4 | 1 << 8 | 19 << 16 | 2 << 24);     /* an image has no place for it */
  program (h, 72, TO_DISK);
  SEND (0x4d, 4, 2, 18, 0x54, 0xe5);
  settle (h);
  ck_assert_str_eq (result (h), "44 04 00 04 01 13 02");
  harness_free (h);
}
END_TEST

START_TEST (an_image_may_end_early)
{
  Harness *h = started (CHIPS ("5120"));
  program (h, 12 * 512, TO_MEMORY);
  fill_memory (h, 12 * 512, 0xff);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 1, 18), "00 00 00 00 00 0d 02");
  check_memory (h, 0, 5120);
  ck_assert_uint_eq (read32 (h, BUFFER + 5120), 0);
  program (h, 512, TO_DISK);
  ck_assert_str_eq (command (h, 0x45, 0, 0, 0, 11, 18), "50 00 00 00 00 0b 02");
  harness_free (h);
}
END_TEST

/* --- comparing --------------------------------------------------------------------------------------------- */

static const char *
scan (Harness *h, uint8_t code, int difference, uint8_t step)
{
  const uint8_t *disk = harness_block_bytes (h, "fda");
  for (unsigned i = 0; i < 5 * 512; i++)        /* the same for each sector */
    harness_write (h, "memory", BUFFER + i, i % 512 < 10 ? 0xff : disk[3 * 512 + i % 512] + (i % 512 == 100 ? difference : 0), 1);
  program (h, 5 * 512, TO_DISK);
  SEND (code, 0, 0, 0, 1, 2, 5, 0x1b, step);
  for (unsigned i = 0; i < 8; i++)
    settle (h);
  return result (h);
}

START_TEST (sectors_are_compared)
{
  Harness *h = started (board);
  static const uint8_t values[5] = { 0x10, 0x20, 0x30, 0x40, 0x50 };
  for (unsigned i = 0; i < 5; i++)
    memset (harness_block_bytes (h, "fda") + i * 512, values[i], 512);
  ck_assert_str_eq (scan (h, 0x51, 0, 1), "00 00 08 00 00 05 02");      /* the fourth is equal, where memory has no FF */
  ck_assert_str_eq (scan (h, 0x51, 1, 1), "00 00 04 01 00 01 02");      /* none is */
  ck_assert_str_eq (scan (h, 0x51, 0, 2), "00 00 04 01 00 01 02");      /* 1, 3, 5 */
  ck_assert_str_eq (scan (h, 0x59, 0, 1), "00 00 00 00 00 02 02");      /* the first is less */
  ck_assert_str_eq (scan (h, 0x5d, 0, 1), "00 00 08 00 00 05 02");
  ck_assert_str_eq (scan (h, 0x5d, 1, 1), "00 00 00 01 00 01 02");      /* the fifth is greater */
  harness_free (h);
}
END_TEST

/* --- without DMA --------------------------------------------------------------------------------------------- */

START_TEST (bytes_go_through_the_fifo)
{
  Harness *h = started (board);
  SEND (0x13, 0, 0x07, 0);
  SEND (0x03, 0xaf, 0x03);
  SEND (0x46, 0, 0, 0, 18, 2, 18, 0x1b, 0xff);
  ck_assert_uint_eq (in8 (h, MSR), 0x30);
  settle (h);
  ck_assert_uint_eq (in8 (h, MSR), 0xf0);
  unsigned rises = harness_rises (h, "probe", 6);
  for (unsigned i = 0; i < 512; i++) {
    ck_assert_int_eq (irq (h), 1);
    ck_assert_uint_eq (in8 (h, FIFO), (uint8_t) (17 * 7 + i));
  }
  ck_assert_uint_eq (harness_rises (h, "probe", 6), rises + 63);
  ck_assert_int_eq (irq (h), 0);
  settle (h);
  ck_assert_str_eq (result (h), "40 80 00 00 00 12 02");
  SEND (0x45, 0, 0, 0, 18, 2, 18, 0x1b, 0xff);
  settle (h);
  ck_assert_uint_eq (in8 (h, MSR), 0xb0);
  for (unsigned i = 0; i < 512; i++)
    out8 (h, FIFO, 0x5a);
  settle (h);
  ck_assert_str_eq (result (h), "40 80 00 00 00 12 02");
  ck_assert_uint_eq (harness_block_bytes (h, "fda")[17 * 512 + 511], 0x5a);
  harness_free (h);
}
END_TEST

START_TEST (a_host_can_be_too_slow)
{
  Harness *h = started (board);
  out8 (h, 10, 6);
  SEND (0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
  settle (h);
  ck_assert_uint_eq (in8 (h, MSR), 0x10);
  harness_advance (h, 400000000);
  settle (h);
  ck_assert_str_eq (result (h), "40 10 00 00 00 01 02");
  SEND (0x03, 0xaf, 0x03);
  SEND (0x45, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
  settle (h);
  for (unsigned i = 0; i < 5; i++) {            /* slow, but not too slow */
    harness_advance (h, 150000000);
    out8 (h, FIFO, 0);
  }
  harness_advance (h, 500000000);
  settle (h);
  ck_assert_str_eq (result (h), "40 10 00 00 00 01 02");
  ck_assert_uint_eq (harness_block_bytes (h, "fda")[1], 1);
  harness_free (h);
}
END_TEST

/* --- in the middle of things ------------------------------------------------------------------------------------ */

START_TEST (reset_ends_whatever_goes_on)
{
  Harness *h = started (board);
  program (h, 512, TO_MEMORY);
  SEND (0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
  harness_advance (h, 100000);
  out8 (h, DOR, 0x18);          /* the request is with the backend */
  ck_assert_uint_eq (harness_block_answer (h, "fda"), 1);
  start (h);
  ck_assert_uint_eq (read32 (h, BUFFER), 0);
  ck_assert_str_eq (command (h, 0x46, 0, 0, 0, 1, 18), "00 00 00 00 00 02 02");
  SEND (0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
  harness_advance (h, 100000);
  harness_block_change (h, "fda", 0, false, true);
  settle (h);
  harness_free (h);             /* with a command on its way */
}
END_TEST

START_TEST (state_survives)
{
  for (unsigned moment = 0; moment < 40; moment++) {
    Harness *h = started (board);
    program (h, 1024, TO_MEMORY);
    SEND (0x0f, 1, 3);
    SEND (0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    for (unsigned i = 0; i < moment; i++) {
      harness_advance (h, 4000);
      if (i % 8 == 7)
        harness_block_answer (h, "fda");
    }
    harness_round_trip (h);
    settle (h);
    ck_assert_str_eq (result (h), "00 00 00 00 00 03 02");
    check_memory (h, 0, 1024);
    sense (h, "21 03");
    harness_free (h);
  }
}
END_TEST

HARNESS_MAIN ("fdc-82078", reset_is_told_four_times, unknown_commands_are_invalid, settings_are_told, firmware_learns_of_the_drives,
              images_that_are_no_disks_are_refused, seeks_end_with_an_interrupt, a_seek_is_told_before_what_is_left_of_a_reset, several_drives_seek_at_once, the_change_line_goes_down_by_a_step,
              sectors_are_read, without_terminal_count_the_cylinder_ends, a_sector_has_to_be_there, rates_belong_to_disks_and_drives,
              wide_tracks_are_two_steps_apart, ids_come_by, a_seek_can_be_implied, a_track_is_read_as_it_is, verify_reads_for_itself, sectors_are_written,
              a_protected_disk_stays_as_it_is, deleted_data_is_marked, a_track_is_formatted, an_image_may_end_early, sectors_are_compared,
              bytes_go_through_the_fifo, a_host_can_be_too_slow, reset_ends_whatever_goes_on, state_survives)
