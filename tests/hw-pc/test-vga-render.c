/* test-vga-render.c -- pictures of the VGA's text and graphics modes, dot by dot against what the test works out from memory. */
/* SPDX-License-Identifier: MIT */
#include "vga-test.h"

#define FRAME_NS (INT64_C (31778) * 449)

/* --- text ------------------------------------------------------------------------------------ */

static void
set_cell (Harness *h, unsigned n, uint8_t character, uint8_t attribute)
{
  vram_put (h, 2 * n, (vram_get (h, 2 * n) & 0xffff0000) | character | attribute << 8);
}

static void
set_glyph (Harness *h, unsigned font, uint8_t character, unsigned scan, uint8_t bits)
{
  unsigned at = font + 32u * character + scan;
  vram_put (h, at, (vram_get (h, at) & 0xff00ffff) | bits << 16);
}

/* `dots` of a character's line, the first highest. */
static void
expect_dots (const BpScreenFrame *f, unsigned x, unsigned y, unsigned dots, unsigned n, unsigned front, unsigned back)
{
  for (unsigned i = 0; i < n; i++)
    ck_assert_pixel (f, x + i, y, vga_colour (dots >> (n - 1 - i) & 1 ? front : back));
}

static Harness *
text_mode (void)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_3);
  cr_put (h, 0x0a, 0x20);                       /* no cursor */
  for (unsigned scan = 0; scan < 16; scan++)
    for (unsigned c = 0x41; c <= 0xc4; c++)
      set_glyph (h, 0, (uint8_t) c, scan, (uint8_t) (c + 0x11 * scan));
  return h;
}

START_TEST (characters_have_nine_dots)
{
  Harness *h = text_mode ();
  BpScreenFrame f = { .serial = 0 };
  set_cell (h, 81, 0x41, 0x1e);
  set_cell (h, 82, 0xc3, 0x2f);                 /* a line's ninth dot is its eighth */
  screen_update (h, &f);
  ck_assert_uint_eq (f.width, 720);
  ck_assert_uint_eq (f.height, 400);
  for (unsigned scan = 0; scan < 16; scan++) {
    unsigned line = (0xc3 + 0x11 * scan) & 0xff;
    expect_dots (&f, 9, 16 + scan, ((0x41 + 0x11 * scan) & 0xff) << 1, 9, 14, 1);
    expect_dots (&f, 18, 16 + scan, line << 1 | (line & 1), 9, 15, 2);
  }
  ar_put (h, 0x10, 0x08);
  screen_update (h, &f);
  expect_dots (&f, 18, 16, 0xc3 << 1, 9, 15, 2);
  sr_put (h, 1, 1);                             /* eight dots */
  ar_put (h, 0x13, 0);
  screen_update (h, &f);
  ck_assert (f.resized);
  ck_assert_uint_eq (f.width, 640);
  expect_dots (&f, 8, 16, 0x41, 8, 14, 1);
  expect_dots (&f, 16, 16, 0xc3, 8, 15, 2);
  bp_screen_frame_clear (&f);
  harness_free (h);
}
END_TEST

START_TEST (forty_columns_are_twice_as_wide)
{
  Harness *h = text_mode ();
  BpScreenFrame f = { .serial = 0 };
  sr_put (h, 1, 8);
  cr_put (h, 0x11, 0);
  cr_put (h, 1, 39);
  cr_put (h, 0x13, 20);
  set_cell (h, 41, 0x41, 0x1e);
  screen_update (h, &f);
  ck_assert_uint_eq (f.width, 720);
  for (unsigned i = 0; i < 18; i++)
    ck_assert_pixel (&f, 18 + i, 16, vga_colour ((0x41 << 1) >> (8 - i / 2) & 1 ? 14 : 1));
  bp_screen_frame_clear (&f);
  harness_free (h);
}
END_TEST

START_TEST (attributes_choose_a_font_and_underline)
{
  Harness *h = text_mode ();
  BpScreenFrame f = { .serial = 0 };
  sr_put (h, 3, 0x04);                          /* with bit 3: the block at 16K */
  set_glyph (h, 0x4000, 0x41, 5, 0x99);
  set_cell (h, 0, 0x41, 0x0e);
  set_cell (h, 1, 0x41, 0x06);
  set_cell (h, 2, 0x41, 0x01);
  cr_put (h, 0x14, 5);
  screen_update (h, &f);
  expect_dots (&f, 0, 5, 0x99 << 1, 9, 14, 0);
  expect_dots (&f, 9, 5, ((0x41 + 0x55) & 0xff) << 1, 9, 6, 0);
  expect_dots (&f, 18, 5, 0x1ff, 9, 1, 0);
  sr_put (h, 3, 0x20);                          /* and the one at 8K */
  set_glyph (h, 0x2000, 0x41, 5, 0x18);
  screen_update (h, &f);
  expect_dots (&f, 0, 5, 0x18 << 1, 9, 14, 0);
  bp_screen_frame_clear (&f);
  harness_free (h);
}
END_TEST

START_TEST (cursor_and_characters_blink)
{
  Harness *h = text_mode ();
  BpScreenFrame f = { .serial = 0 };
  set_cell (h, 81, 0x41, 0x9e);
  cr_put (h, 0x0a, 13);
  cr_put (h, 0x0b, 14);
  cr_put (h, 0x0e, 0);
  cr_put (h, 0x0f, 81);
  screen_update (h, &f);
  expect_dots (&f, 9, 16 + 0, 0x41 << 1, 9, 14, 1);
  expect_dots (&f, 9, 16 + 13, 0x1ff, 9, 14, 1);
  expect_dots (&f, 9, 16 + 14, 0x1ff, 9, 14, 1);
  harness_advance (h, 8 * FRAME_NS);            /* the cursor goes */
  screen_update (h, &f);
  ck_assert_uint_eq (f.first_row, 16);
  ck_assert_uint_eq (f.end_row, 32);
  expect_dots (&f, 9, 16 + 13, ((0x41 + 0xdd) & 0xff) << 1, 9, 14, 1);
  harness_advance (h, 8 * FRAME_NS);            /* it is back, and the characters go */
  screen_update (h, &f);
  expect_dots (&f, 9, 16 + 0, 0, 9, 14, 1);
  expect_dots (&f, 9, 16 + 13, 0x1ff, 9, 14, 1);
  ar_put (h, 0x10, 0x04);                       /* a bright background instead */
  screen_update (h, &f);
  expect_dots (&f, 9, 16 + 0, 0x41 << 1, 9, 14, 9);
  cr_put (h, 0x0a, 0x2d);
  screen_update (h, &f);
  expect_dots (&f, 9, 16 + 13, ((0x41 + 0xdd) & 0xff) << 1, 9, 14, 9);
  bp_screen_frame_clear (&f);
  harness_free (h);
}
END_TEST

START_TEST (text_scrolls_by_lines_and_dots)
{
  Harness *h = text_mode ();
  BpScreenFrame f = { .serial = 0 };
  set_cell (h, 160, 0x41, 0x1e);
  cr_put (h, 0x0d, 80);                         /* from the second row */
  cr_put (h, 0x08, 3);                          /* less three lines */
  ar_put (h, 0x13, 1);                          /* and two dots */
  set_cell (h, 161, 0x42, 0x1e);
  screen_update (h, &f);
  expect_dots (&f, 0, 16 - 3, (0x41 << 1) & 0x7f, 7, 14, 1);
  expect_dots (&f, 7, 16 - 3, 0x42 << 1, 9, 14, 1);
  bp_screen_frame_clear (&f);
  harness_free (h);
}
END_TEST

/* --- graphics: the whole picture against memory -------------------------------------------------- */

static uint32_t memory[0x10000];

static void
fill (Harness *h)
{
  uint32_t x = 1;
  for (unsigned i = 0; i < 0x10000; i++) {
    x = x * 1664525 + 1013904223;
    memory[i] = x ^ x >> 15;
    vram_put (h, i, memory[i]);
  }
}

static unsigned
planes_at (unsigned word, unsigned dot)
{
  unsigned colour = 0;
  for (unsigned p = 0; p < 4; p++)
    colour |= (memory[word & 0xffff] >> (8 * p + 7 - dot) & 1) << p;
  return colour;
}

static void
expect_picture (Harness *h, unsigned width, unsigned height, unsigned (*colour) (unsigned x, unsigned y))
{
  BpScreenFrame f = { .serial = 0 };
  screen_update (h, &f);
  ck_assert_uint_eq (f.width, width);
  ck_assert_uint_eq (f.height, height);
  unsigned wrong = 0;
  for (unsigned y = 0; y < height; y++)
    for (unsigned x = 0; x < width; x++)
      if (pixel (&f, x, y) != vga_colour (colour (x, y)) && !wrong++)
        ck_assert_pixel (&f, x, y, vga_colour (colour (x, y)));
  bp_screen_frame_clear (&f);
}

static unsigned colour_12 (unsigned x, unsigned y) { return planes_at (80 * y + x / 8, x & 7); }
static unsigned colour_12_moved (unsigned x, unsigned y) { return planes_at (0x1234 + 80 * y + (x + 3) / 8, (x + 3) & 7); }
static unsigned colour_12_split (unsigned x, unsigned y) { return y <= 300 ? colour_12_moved (x, y) : colour_12 (x, y - 301); }
static unsigned colour_12_split_panned (unsigned x, unsigned y) { return y <= 300 ? colour_12_moved (x, y) : colour_12 (x + 3, y - 301); }
static unsigned colour_12_masked (unsigned x, unsigned y) { return colour_12 (x, y) & 0x6; }
static unsigned colour_12_selected (unsigned x, unsigned y) { return colour_12 (x, y) | 0xb0; }
static unsigned colour_d (unsigned x, unsigned y) { return planes_at (40 * (y / 2) + x / 16, x / 2 & 7); }

START_TEST (sixteen_colours)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_12);
  fill (h);
  expect_picture (h, 640, 480, colour_12);
  ar_put (h, 0x12, 0x6);
  expect_picture (h, 640, 480, colour_12_masked);
  ar_put (h, 0x12, 0xf);
  ar_put (h, 0x10, 0x81);
  ar_put (h, 0x14, 0xb);
  expect_picture (h, 640, 480, colour_12_selected);
  ar_put (h, 0x10, 0x01);
  ar_put (h, 0x14, 0);
  cr_put (h, 0x0c, 0x12);
  cr_put (h, 0x0d, 0x34);
  ar_put (h, 0x13, 3);
  expect_picture (h, 640, 480, colour_12_moved);
  cr_put (h, 0x11, 0);
  cr_put (h, 0x09, 0x00);
  cr_put (h, 0x18, 300 & 255);                  /* the lower part is not moved, but panned */
  expect_picture (h, 640, 480, colour_12_split_panned);
  ar_put (h, 0x10, 0x21);
  expect_picture (h, 640, 480, colour_12_split);
  vga_set (h, &mode_d);
  cr_put (h, 0x0c, 0);
  cr_put (h, 0x0d, 0);
  expect_picture (h, 640, 400, colour_d);
  harness_free (h);
}
END_TEST

static unsigned colour_13 (unsigned x, unsigned y) { return memory[80 * (y / 2) + x / 8] >> 8 * (x / 2 & 3) & 0xff; }
static unsigned colour_x_moved (unsigned x, unsigned y) { return memory[(0x4321 + 80 * (y / 2) + (x + 4) / 8) & 0xffff] >> 8 * ((x + 4) / 2 & 3) & 0xff; }
static unsigned colour_x_masked (unsigned x, unsigned y) { return colour_x_moved (x, y) & 0x3f; }

START_TEST (two_hundred_and_fifty_six_colours)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_13);
  fill (h);
  expect_picture (h, 640, 400, colour_13);
  sr_put (h, 4, 6);                             /* mode X */
  cr_put (h, 0x14, 0);
  cr_put (h, 0x17, 0xe3);
  expect_picture (h, 640, 400, colour_13);
  cr_put (h, 0x0c, 0x43);
  cr_put (h, 0x0d, 0x21);
  ar_put (h, 0x13, 4);
  expect_picture (h, 640, 400, colour_x_moved);
  out8 (h, 0x3c6, 0x3f);
  expect_picture (h, 640, 400, colour_x_masked);
  harness_free (h);
}
END_TEST

/* Odd lines of the CGA are 8 KiB further on. */
static unsigned cga_bank (unsigned y) { return (y / 2 & 1) << 13; }
static unsigned colour_6 (unsigned x, unsigned y) { return memory[cga_bank (y) | (80 * (y / 4) + x / 8)] >> (7 - (x & 7)) & 1; }

static unsigned
colour_4 (unsigned x, unsigned y)
{
  unsigned word = memory[cga_bank (y) | 2 * (40 * (y / 4) + x / 16)], dot = x / 2 & 7;
  return word >> (dot < 4 ? 6 - 2 * dot : 8 + 6 - 2 * (dot - 4)) & 3;
}

START_TEST (the_modes_of_the_cga)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_6);
  fill (h);
  expect_picture (h, 640, 400, colour_6);
  vga_set (h, &mode_4);
  expect_picture (h, 640, 400, colour_4);
  harness_write (h, "memory", 0xba000, 0x1b, 1);        /* through the window: 0 1 2 3, on the second line */
  memory[0x2000] = (memory[0x2000] & ~0xffu) | 0x1b;
  expect_picture (h, 640, 400, colour_4);
  harness_free (h);
}
END_TEST

START_TEST (nothing_and_black)
{
  Harness *h = vga_new ();
  BpScreenFrame f = { .serial = 0 };
  screen_update (h, &f);
  ck_assert_uint_eq (f.width, 0);
  ck_assert_ptr_null (f.pixels);
  ck_assert (!f.resized);
  vga_set (h, &mode_13);
  fill (h);
  screen_update (h, &f);
  ck_assert (f.resized);
  ck_assert_uint_ne (pixel (&f, 300, 300), 0);
  sr_put (h, 1, 0x21);                          /* the screen is off */
  screen_update (h, &f);
  ck_assert (!f.resized);
  ck_assert_uint_eq (f.end_row, 400);
  ck_assert_pixel (&f, 300, 300, 0u);
  sr_put (h, 1, 0x01);
  in8 (h, 0x3da);
  out8 (h, 0x3c0, 0);                           /* the palette belongs to the CPU */
  screen_update (h, &f);
  ck_assert_pixel (&f, 300, 300, 0u);
  out8 (h, 0x3c0, 0);
  out8 (h, 0x3c0, 0x20);
  screen_update (h, &f);
  ck_assert_uint_ne (pixel (&f, 300, 300), 0);
  cr_put (h, 0x17, 0x23);                       /* no retraces: no signal */
  screen_update (h, &f);
  ck_assert (f.resized);
  ck_assert_uint_eq (f.width + f.height, 0);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("vga-render", characters_have_nine_dots, forty_columns_are_twice_as_wide, attributes_choose_a_font_and_underline, cursor_and_characters_blink,
              text_scrolls_by_lines_and_dots, sixteen_colours, two_hundred_and_fifty_six_colours, the_modes_of_the_cga, nothing_and_black)
