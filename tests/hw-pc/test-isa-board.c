/* test-isa-board.c -- where a 486 board's BIOS is, and what it is told about memory. */
/* SPDX-License-Identifier: MIT */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "hw-pc-test.h"

/* A machine with a BIOS of so many bytes (of 0x5a), and so much RAM; or why there is none. */
static Harness *
board (unsigned bios, const char *ram, char **refusal)
{
  char *path = NULL, *image = g_malloc (bios + 1);
  memset (image, 0x5a, bios);
  int fd = g_file_open_tmp ("board-XXXXXX.rom", &path, NULL);
  ck_assert (fd >= 0 && g_file_set_contents (path, image, bios, NULL));
  close (fd);
  char *text = g_strdup_printf ("[memory ram]\ntype = test-ram\nsize = %s\nram = memory@0\n[device rtc]\ntype = mc146818\npio0 = io@0x70\n"
                                "[device board]\ntype = isa-board\nbios = %s\nram = ram\ncmos = rtc\ntop = memory@0xff000000\n", ram, path);
  Harness *h = refusal ? NULL : harness_new (hw_pc (), text);
  if (refusal)
    *refusal = harness_refusal (hw_pc (), text);
  g_unlink (path);
  g_free (path);
  g_free (image);
  g_free (text);
  return h;
}

static unsigned
cmos16 (Harness *h, uint8_t index)
{
  out8 (h, 0x70, index);
  unsigned low = in8 (h, 0x71);
  out8 (h, 0x70, index + 1);
  return low | (unsigned) in8 (h, 0x71) << 8;
}

START_TEST (the_bios_is_in_rom_and_copied_to_ram)
{
  Harness *h = board (0x20000, "4M", NULL);
  ck_assert_uint_eq (read32 (h, 0xfffffff0), 0x5a5a5a5a);
  ck_assert_uint_eq (read32 (h, 0xfffe0000), 0x5a5a5a5a);
  ck_assert_uint_eq (read32 (h, 0xfffdfffc), 0xffffffff);
  ck_assert_uint_eq (read32 (h, 0xe0000), 0x5a5a5a5a);
  ck_assert_uint_eq (read32 (h, 0xdfffc), 0);
  write32 (h, 0xffff0, 0x12345678);
  write32 (h, 0xfffffff0, 0x12345678);
  ck_assert_uint_eq (read32 (h, 0xffff0), 0x12345678);
  ck_assert_uint_eq (read32 (h, 0xfffffff0), 0x5a5a5a5a);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (read32 (h, 0xffff0), 0x5a5a5a5a);
  harness_free (h);
}
END_TEST

START_TEST (cmos_has_the_size_of_memory)
{
  static const struct { const char *ram; unsigned base, extended, above; } cases[] = {
    { "512K", 512, 0, 0 }, { "4M", 640, 3072, 0 }, { "16M", 640, 15360, 0 }, { "128M", 640, 64512, 1792 }
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    Harness *h = board (0x10000, cases[i].ram, NULL);
    ck_assert_uint_eq (cmos16 (h, 0x15), cases[i].base);
    ck_assert_uint_eq (cmos16 (h, 0x17), cases[i].extended);
    ck_assert_uint_eq (cmos16 (h, 0x30), cases[i].extended);
    ck_assert_uint_eq (cmos16 (h, 0x34), cases[i].above);
    harness_free (h);
  }
}
END_TEST

START_TEST (odd_images_are_refused)
{
  char *text;
  board (0x40000, "4M", &text);
  ck_assert_msg (strstr (text, "262144 bytes"), "%s", text);
  g_free (text);
  text = harness_refusal (hw_pc (), "[memory ram]\ntype = test-ram\nsize = 1M\n[device b]\ntype = isa-board\nram = ram\n");
  ck_assert_msg (strstr (text, "--set b.bios=FILE"), "%s", text);
  g_free (text);
}
END_TEST

HARNESS_MAIN ("isa-board", the_bios_is_in_rom_and_copied_to_ram, cmos_has_the_size_of_memory, odd_images_are_refused)
