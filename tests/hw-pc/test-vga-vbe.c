/* test-vga-vbe.c -- Bochs VBE: what its registers hold, banks, offsets, and pictures of every depth. */
/* SPDX-License-Identifier: MIT */
#include "vga-test.h"

#define LFB 0xe0000000u

START_TEST (registers_hold_what_is_possible)
{
  Harness *h = vga_new ();
  ck_assert_uint_eq (vbe_get (h, ID), 0xb0c5);
  vbe_put (h, ID, 0xb0c2);
  ck_assert_uint_eq (vbe_get (h, ID), 0xb0c2);
  vbe_put (h, ID, 0x1234);
  ck_assert_uint_eq (vbe_get (h, ID), 0xb0c2);
  ck_assert_uint_eq (vbe_get (h, MEMORY), 16);
  ck_assert_uint_eq (vbe_get (h, 77), 0);
  out16 (h, 0x1ce, WIDTH);
  out16 (h, 0x1d0, 640);                        /* the aligned port */
  ck_assert_uint_eq (in16 (h, 0x1d0), 640);
  ck_assert_uint_eq (in16 (h, 0x1ce), WIDTH);
  vbe_set (h, 803, 600, 16);
  ck_assert_uint_eq (vbe_get (h, WIDTH), 800);
  ck_assert_uint_eq (vbe_get (h, VIRTUAL_WIDTH), 800);
  ck_assert_uint_eq (vbe_get (h, VIRTUAL_HEIGHT), (1 << 20) / 1600);
  vbe_put (h, VIRTUAL_WIDTH, 100);
  ck_assert_uint_eq (vbe_get (h, VIRTUAL_WIDTH), 800);
  vbe_put (h, VIRTUAL_WIDTH, 816);
  ck_assert_uint_eq (vbe_get (h, VIRTUAL_HEIGHT), (1 << 20) / 1632);
  vbe_put (h, Y_OFFSET, 42);
  ck_assert_uint_eq (vbe_get (h, Y_OFFSET), 42);
  vbe_put (h, Y_OFFSET, 43);                    /* 643 lines do not fit */
  ck_assert_uint_eq (vbe_get (h, Y_OFFSET), 0);
  vbe_set (h, 0, 0, 77);
  ck_assert_uint_eq (vbe_get (h, WIDTH), 8);
  ck_assert_uint_eq (vbe_get (h, HEIGHT), 1);
  ck_assert_uint_eq (vbe_get (h, DEPTH), 8);
  vbe_set (h, 65535, 65535, 32);
  ck_assert_uint_eq (vbe_get (h, WIDTH), 4096);
  ck_assert_uint_eq (vbe_get (h, HEIGHT), 64);
  vbe_put (h, ENABLE, 2);
  ck_assert_uint_eq (vbe_get (h, WIDTH), 4096);
  ck_assert_uint_eq (vbe_get (h, HEIGHT), 4096);
  ck_assert_uint_eq (vbe_get (h, DEPTH), 32);
  ck_assert_uint_eq (in8 (h, 0x1cf), 0xff);     /* only words */
  harness_free (h);
}
END_TEST

START_TEST (memory_is_cleared_unless_told)
{
  Harness *h = vga_new ();
  write32 (h, LFB, 0x55555555);
  write32 (h, LFB + 640 * 400, 0x66666666);
  vbe_set (h, 640, 400, 8);
  ck_assert_uint_eq (read32 (h, LFB), 0);
  ck_assert_uint_eq (read32 (h, LFB + 640 * 400), 0x66666666);
  write32 (h, LFB, 0x55555555);
  vbe_put (h, ENABLE, 0x41);                    /* on already */
  ck_assert_uint_eq (read32 (h, LFB), 0x55555555);
  vbe_put (h, ENABLE, 0);
  vbe_put (h, ENABLE, 0xc1);
  ck_assert_uint_eq (read32 (h, LFB), 0x55555555);
  harness_free (h);
}
END_TEST

START_TEST (the_window_is_a_bank)
{
  Harness *h = vga_new ();
  vbe_set (h, 640, 480, 16);
  vbe_put (h, BANK, 5);
  write32 (h, 0xa0010, 0x12345678);
  ck_assert_uint_eq (read32 (h, LFB + 5 * 65536 + 0x10), 0x12345678);
  ck_assert_uint_eq (peek (h, 0xb0000), 0xff);
  vbe_put (h, BANK, 0xfff3);                    /* sixteen banks */
  ck_assert_uint_eq (vbe_get (h, BANK), 3);
  write32 (h, 0xafffc, 7);
  ck_assert_uint_eq (read32 (h, LFB + 4 * 65536 - 4), 7);
  vbe_set (h, 800, 600, 4);                     /* planes, four banks of them */
  vga_set (h, &mode_12);
  vbe_put (h, BANK, 0xffff);
  ck_assert_uint_eq (vbe_get (h, BANK), 3);
  sr_put (h, 2, 5);
  poke (h, 0xaffff, 0xa5);
  ck_assert_uint_eq (read32 (h, LFB + (1 << 20) - 4), 0x00a500a5);
  harness_free (h);
}
END_TEST

/* A picture of 64 x 32 in a virtual line of 80 pixels, from (5, 3) on, each pixel a number of its own. */
static uint32_t
expected (unsigned depth, unsigned n)
{
  unsigned v = n * 2654435761u >> 8;
  switch (depth) {
  case 8:
    return vga_colour (v & 0xff);
  case 15:
    return (v >> 10 & 31) * 0x21 / 4 << 16 | (v >> 5 & 31) * 0x21 / 4 << 8 | (v & 31) * 0x21 / 4;
  case 16:
    return (v >> 11 & 31) * 0x21 / 4 << 16 | (v >> 5 & 63) * 0x41 / 16 << 8 | (v & 31) * 0x21 / 4;
  default:
    return v & 0xffffff;
  }
}

static void
check_depth (unsigned depth, unsigned bytes)
{
  Harness *h = vga_new ();
  BpScreenFrame f = { .serial = 0 };
  vbe_set (h, 64, 32, depth);
  vbe_put (h, VIRTUAL_WIDTH, 80);
  vbe_put (h, X_OFFSET, 5);
  vbe_put (h, Y_OFFSET, 3);
  for (unsigned n = 0; n < 80 * 40; n++)
    for (unsigned b = 0; b < bytes; b++)
      poke (h, LFB + n * bytes + b, (uint8_t) ((n * 2654435761u >> 8) >> 8 * b));
  screen_update (h, &f);
  ck_assert_uint_eq (f.width, 64);
  ck_assert_uint_eq (f.height, 32);
  for (unsigned y = 0; y < 32; y++)
    for (unsigned x = 0; x < 64; x++)
      ck_assert_uint_eq (pixel (&f, x, y), expected (depth, (y + 3) * 80 + x + 5));
  bp_screen_frame_clear (&f);
  harness_free (h);
}

START_TEST (every_depth_has_its_pixels)
{
  check_depth (8, 1);
  check_depth (15, 2);
  check_depth (16, 2);
  check_depth (24, 3);
  check_depth (32, 4);
}
END_TEST

START_TEST (sixteen_colours_are_planes)
{
  Harness *h = vga_new ();
  BpScreenFrame f = { .serial = 0 };
  vbe_set (h, 800, 600, 4);
  ar_put (h, 0x12, 15);
  vbe_put (h, VIRTUAL_WIDTH, 816);
  vbe_put (h, X_OFFSET, 13);
  vbe_put (h, Y_OFFSET, 2);
  write32 (h, LFB + 4 * (102 * (599 + 2) + 101), 0x80000000);   /* plane 3, x 808, y 601 */
  write32 (h, LFB + 4 * (102 * 2 + 1), 0x00000400);     /* plane 1, x 13, y 2 */
  screen_update (h, &f);
  ck_assert_uint_eq (f.width, 800);
  ck_assert_pixel (&f, 0, 0, vga_colour (2));
  ck_assert_pixel (&f, 1, 0, vga_colour (0));
  ck_assert_pixel (&f, 795, 599, vga_colour (8));
  ck_assert_pixel (&f, 796, 599, vga_colour (0));
  bp_screen_frame_clear (&f);
  harness_free (h);
}
END_TEST

START_TEST (full_hd)
{
  Harness *h = harness_new (hw_pc (), "[memory ram]\ntype = test-ram\nsize = 1M\n"
                            "[device vga]\ntype = vga-isa\npio0 = io@0x3b0\npio1 = io@0x1ce\nlfb = memory@0xe0000000\n");
  BpScreenFrame f = { .serial = 0 };
  vbe_set (h, 1920, 1080, 32);
  ck_assert_uint_eq (vbe_get (h, WIDTH), 1920);
  ck_assert_uint_eq (vbe_get (h, HEIGHT), 1080);
  write32 (h, LFB + 4 * (1920 * 1080 - 1), 0xff102030);
  screen_update (h, &f);
  ck_assert_pixel (&f, 1919, 1079, 0x102030u);
  vbe_put (h, Y_OFFSET, 1080);                  /* the second half of memory */
  ck_assert_uint_eq (vbe_get (h, Y_OFFSET), 1080);
  screen_update (h, &f);
  ck_assert_pixel (&f, 1919, 1079, 0u);
  bp_screen_frame_clear (&f);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("vga-vbe", registers_hold_what_is_possible, memory_is_cleared_unless_told, the_window_is_a_bank, every_depth_has_its_pixels, sixteen_colours_are_planes, full_hd)
