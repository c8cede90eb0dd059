/* test-vga-screen.c -- what changed on the VGA's screen, for two who ask at different times; and the text of a text screen. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "vga-test.h"

#define LFB 0xe0000000u

static void
expect_rows (const BpScreenFrame *f, unsigned first, unsigned end)
{
  ck_assert_uint_eq (f->first_row, first);
  ck_assert_uint_eq (f->end_row, end);
}

START_TEST (each_asker_gets_what_it_has_not_seen)
{
  Harness *h = vga_new ();
  BpScreenFrame a = { .serial = 0 }, b = { .serial = 0 };
  vbe_set (h, 512, 256, 32);                    /* two lines a page */
  screen_update (h, &a);
  ck_assert (a.resized);
  expect_rows (&a, 0, 256);
  screen_update (h, &a);
  ck_assert (!a.resized);
  expect_rows (&a, 0, 0);
  write32 (h, LFB + 2048 * 11 + 4 * 7, 0x123456);
  screen_update (h, &a);
  expect_rows (&a, 10, 12);
  ck_assert_pixel (&a, 7, 11, 0x123456u);
  write32 (h, LFB + 2048 * 100, 0xffabcdef);
  screen_update (h, &b);                        /* its first */
  expect_rows (&b, 0, 256);
  ck_assert_pixel (&b, 7, 11, 0x123456u);
  ck_assert_pixel (&b, 0, 100, 0xabcdefu);
  screen_update (h, &a);
  expect_rows (&a, 100, 102);
  ck_assert_pixel (&a, 0, 100, 0xabcdefu);
  write32 (h, LFB + 2048 * 20, 1);
  screen_update (h, &a);
  write32 (h, LFB + 2048 * 30, 1);
  screen_update (h, &b);
  expect_rows (&b, 20, 32);
  screen_update (h, &a);
  expect_rows (&a, 30, 32);
  ck_assert_int_eq (memcmp (a.pixels, b.pixels, 512 * 256 * 4), 0);
  bp_screen_frame_clear (&a);
  bp_screen_frame_clear (&b);
  harness_free (h);
}
END_TEST

START_TEST (a_palette_makes_all_new)
{
  Harness *h = vga_new ();
  BpScreenFrame f = { .serial = 0 };
  vbe_set (h, 512, 256, 8);
  screen_update (h, &f);
  out8 (h, 0x3c8, 0);
  for (unsigned i = 0; i < 3; i++)
    out8 (h, 0x3c9, 63);
  screen_update (h, &f);
  expect_rows (&f, 0, 256);
  ck_assert (!f.resized);
  ck_assert_pixel (&f, 1, 1, 0xffffffu);
  bp_screen_frame_clear (&f);
  harness_free (h);
}
END_TEST

START_TEST (the_window_counts_too)
{
  Harness *h = vga_new ();
  BpScreenFrame f = { .serial = 0 };
  vga_set (h, &mode_12);
  screen_update (h, &f);
  poke (h, 0xa0000 + 80 * 240, 0x80);           /* a page is 1024 words: rows 230 to 243 have some of it */
  screen_update (h, &f);
  ck_assert_uint_le (f.first_row, 240);
  ck_assert_uint_ge (f.end_row, 241);
  ck_assert_uint_le (f.end_row - f.first_row, 16);
  ck_assert_pixel (&f, 0, 240, vga_colour (15));
  vga_set (h, &mode_13);
  screen_update (h, &f);
  write32 (h, 0xa0000 + 320 * 100, 0x01010101); /* video RAM itself */
  screen_update (h, &f);
  ck_assert_uint_le (f.first_row, 200);
  ck_assert_uint_ge (f.end_row, 202);
  ck_assert_uint_le (f.end_row - f.first_row, 32);
  ck_assert_pixel (&f, 7, 201, vga_colour (1));
  bp_screen_frame_clear (&f);
  harness_free (h);
}
END_TEST

START_TEST (a_text_row_is_drawn_alone)
{
  Harness *h = vga_new ();
  BpScreenFrame a = { .serial = 0 }, b = { .serial = 0 };
  vga_set (h, &mode_3);
  screen_update (h, &a);
  screen_update (h, &b);
  harness_write (h, "memory", 0xb8000 + 160 * 7, 0x1f41, 2);
  screen_update (h, &a);
  expect_rows (&a, 7 * 16, 8 * 16);
  harness_write (h, "memory", 0xb8000 + 160 * 7, 0x1f41, 2);    /* the same again */
  screen_update (h, &a);
  expect_rows (&a, 0, 0);
  screen_update (h, &b);
  expect_rows (&b, 7 * 16, 8 * 16);
  cr_put (h, 0x0f, 80);                         /* the cursor leaves row 0 for row 1 */
  screen_update (h, &b);
  expect_rows (&b, 0, 2 * 16);
  vram_put (h, 0x20, vram_get (h, 0x20) | 0xff0000);    /* a glyph */
  screen_update (h, &a);
  expect_rows (&a, 0, 400);
  bp_screen_frame_clear (&a);
  bp_screen_frame_clear (&b);
  harness_free (h);
}
END_TEST

START_TEST (text_is_there_as_text)
{
  Harness *h = vga_new ();
  BpScreenText t = { .struct_size = sizeof t };
  vga_set (h, &mode_3);
  static const char hello[] = "Hello";
  for (unsigned i = 0; i < 5; i++)
    harness_write (h, "memory", 0xb8000 + 160 * 24 + 2 * i, 0x0700u | (uint8_t) hello[i], 2);
  cr_put (h, 0x0e, (24 * 80 + 5) >> 8);
  cr_put (h, 0x0f, (24 * 80 + 5) & 255);
  ck_assert (screen_text (h, &t));
  ck_assert_uint_eq (t.columns, 80);
  ck_assert_uint_eq (t.rows, 25);
  for (unsigned i = 0; i < 5; i++)
    ck_assert_uint_eq (t.cells[24 * 80 + i], 0x0700 | hello[i]);
  ck_assert_uint_eq (t.cursor_row, 24);
  ck_assert_uint_eq (t.cursor_column, 5);
  ck_assert (t.cursor_visible && t.blinks);
  cr_put (h, 0x0a, 14);
  cr_put (h, 0x0b, 15);
  ck_assert (screen_text (h, &t));
  ck_assert_uint_eq (t.cursor_height, 12);
  cr_put (h, 0x0a, 0x20);
  ck_assert (screen_text (h, &t));
  ck_assert (!t.cursor_visible);
  vga_set (h, &mode_12);
  ck_assert (!screen_text (h, &t));
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("vga-screen", each_asker_gets_what_it_has_not_seen, a_palette_makes_all_new, the_window_counts_too, a_text_row_is_drawn_alone,
              text_is_there_as_text)
