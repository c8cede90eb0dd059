/* test-bios-rom.c -- where a BIOS image appears, and which files are refused. */
/* SPDX-License-Identifier: MIT */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "hw-pc-test.h"

/* A file whose first four bytes of each 64 KiB are its number. */
static char *
image (size_t size)
{
  char *path = NULL;
  uint8_t *bytes = g_malloc0 (size + 1);
  for (size_t at = 0; at + 4 <= size; at += 0x10000)
    bytes[at] = (uint8_t) (at >> 16);
  if (size >= 16)
    bytes[size - 16] = 0xea;
  int fd = g_file_open_tmp ("bios-XXXXXX", &path, NULL);
  ck_assert_int_ge (fd, 0);
  close (fd);
  ck_assert (g_file_set_contents (path, (char *) bytes, (gssize) size, NULL));
  g_free (bytes);
  return path;
}

static char *
section (const char *path, const char *maps)
{
  return g_strdup_printf ("[device bios]\ntype = bios-rom\nfile = %s\n%s", path, maps);
}

START_TEST (the_image_ends_at_the_top)
{
  char *path = image (0x40000);
  char *ini = section (path, "top = memory@0xff000000\nlow = memory@0xe0000\n");
  Harness *h = harness_new (hw_pc (), ini);
  ck_assert_uint_eq (harness_read (h, "memory", 0xfffffff0, 1), 0xea);
  ck_assert_uint_eq (harness_read (h, "memory", 0xffff0000, 1), 3);
  ck_assert_uint_eq (harness_read (h, "memory", 0xfffc0000, 1), 0);
  ck_assert_uint_eq (harness_read (h, "memory", 0xfffbffff, 1), 0xff);
  ck_assert_uint_eq (harness_read (h, "memory", 0xffff0, 1), 0xea);
  ck_assert_uint_eq (harness_read (h, "memory", 0xe0000, 1), 2);
  harness_write (h, "memory", 0xffff0, 0x55, 1);
  ck_assert_uint_eq (harness_read (h, "memory", 0xfffffff0, 1), 0xea);
  harness_free (h);
  g_unlink (path);
  g_free (path);
  g_free (ini);
}
END_TEST

START_TEST (a_small_image_is_all_low)
{
  char *path = image (0x10000);
  char *ini = section (path, "rom = memory@0xffff0000\nlow = memory@0xf0000\n");
  Harness *h = harness_new (hw_pc (), ini);
  ck_assert_uint_eq (harness_read (h, "memory", 0xfffffff0, 1), 0xea);
  ck_assert_uint_eq (harness_read (h, "memory", 0xffff0, 1), 0xea);
  ck_assert_uint_eq (harness_read (h, "memory", 0xeffff, 1), 0xff);
  harness_free (h);
  g_unlink (path);
  g_free (path);
  g_free (ini);
}
END_TEST

START_TEST (odd_sizes_are_refused)
{
  static const struct { size_t size; const char *word; } cases[] = { { 0, "empty" }, { 12345, "12345" }, { 0x1010000, "16 MiB" } };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    char *path = image (cases[i].size);
    char *ini = section (path, "");
    char *text = harness_refusal (hw_pc (), ini);
    ck_assert_msg (strstr (text, cases[i].word) && strstr (text, path), "%s", text);
    g_unlink (path);
    g_free (text);
    g_free (ini);
    g_free (path);
  }
}
END_TEST

START_TEST (without_a_file_nothing_runs)
{
  char *text = harness_refusal (hw_pc (), "[device bios]\ntype = bios-rom\ntop = memory@0xff000000\n");
  ck_assert_msg (strstr (text, "--set bios.file="), "%s", text);
  g_free (text);
}
END_TEST

HARNESS_MAIN ("bios-rom", without_a_file_nothing_runs, the_image_ends_at_the_top, a_small_image_is_all_low, odd_sizes_are_refused)
