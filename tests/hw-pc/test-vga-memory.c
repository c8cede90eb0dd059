/* test-vga-memory.c -- the VGA's window: write and read modes, latches, odd/even, chain-4, where it lies, and when it is video RAM itself. */
/* SPDX-License-Identifier: MIT */
#include "vga-test.h"

#define A 0xa0000u

static Harness *
planar (void)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_12);
  return h;
}

/* Loads the latches with a word that it puts at address 0x100. */
static void
load_latches (Harness *h, uint32_t word)
{
  vram_put (h, 0x100, word);
  peek (h, A + 0x100);
}

START_TEST (write_mode_0_reaches_the_planes_of_the_mask)
{
  Harness *h = planar ();
  poke (h, A + 5, 0xc3);
  ck_assert_uint_eq (vram_get (h, 5), 0xc3c3c3c3);
  sr_put (h, 2, 0x6);
  poke (h, A + 5, 0x81);
  ck_assert_uint_eq (vram_get (h, 5), 0xc38181c3);
  sr_put (h, 2, 0xf);
  gr_put (h, 3, 3);                             /* rotate right by 3 */
  poke (h, A + 6, 0x81);
  ck_assert_uint_eq (vram_get (h, 6), 0x30303030);
  gr_put (h, 3, 0);
  gr_put (h, 0, 0x5);                           /* set/reset: planes 0 and 2 are set */
  gr_put (h, 1, 0x7);                           /* on planes 0 to 2 */
  poke (h, A + 7, 0x3c);
  ck_assert_uint_eq (vram_get (h, 7), 0x3cff00ff);
  harness_free (h);
}
END_TEST

START_TEST (the_bit_mask_keeps_what_the_latches_hold)
{
  Harness *h = planar ();
  load_latches (h, 0x11223344);
  gr_put (h, 8, 0xf0);
  poke (h, A + 9, 0xa5);
  ck_assert_uint_eq (vram_get (h, 9), 0xa1a2a3a4);
  harness_free (h);
}
END_TEST

START_TEST (the_functions_combine_with_the_latches)
{
  Harness *h = planar ();
  static const uint32_t results[] = { 0x3c3c3c3c, 0x3c3c3c3c & 0x0f33aaf0, 0x3c3c3c3c | 0x0f33aaf0, 0x3c3c3c3c ^ 0x0f33aaf0 };
  load_latches (h, 0x0f33aaf0);
  for (unsigned i = 0; i < 4; i++) {
    gr_put (h, 3, (uint8_t) (i << 3));
    poke (h, A + 10 + i, 0x3c);
    ck_assert_uint_eq (vram_get (h, 10 + i), results[i]);
  }
  harness_free (h);
}
END_TEST

START_TEST (write_mode_1_copies)
{
  Harness *h = planar ();
  load_latches (h, 0xdeadbeef);
  gr_put (h, 5, 1);
  gr_put (h, 8, 0);
  poke (h, A + 20, 0x12);
  ck_assert_uint_eq (vram_get (h, 20), 0xdeadbeef);
  harness_free (h);
}
END_TEST

START_TEST (write_mode_2_writes_a_colour)
{
  Harness *h = planar ();
  load_latches (h, 0x33333333);
  gr_put (h, 5, 2);
  gr_put (h, 8, 0x0f);
  poke (h, A + 21, 0xa);
  ck_assert_uint_eq (vram_get (h, 21), 0x3f303f30);
  harness_free (h);
}
END_TEST

START_TEST (write_mode_3_masks_with_the_byte)
{
  Harness *h = planar ();
  load_latches (h, 0x55555555);
  gr_put (h, 0, 0x9);
  gr_put (h, 1, 0);                             /* has no effect in this mode */
  gr_put (h, 5, 3);
  gr_put (h, 3, 4);
  gr_put (h, 8, 0x7f);
  poke (h, A + 22, 0x0f);                       /* turned: 0xf0; masked: 0x70 */
  ck_assert_uint_eq (vram_get (h, 22), 0x75050575);
  harness_free (h);
}
END_TEST

START_TEST (read_modes_choose_a_plane_or_compare)
{
  Harness *h = planar ();
  vram_put (h, 30, 0x40302010);
  for (unsigned i = 0; i < 4; i++) {
    gr_put (h, 4, (uint8_t) i);
    ck_assert_uint_eq (peek (h, A + 30), 0x10 * (i + 1));
  }
  vram_put (h, 31, 0xff00f0cc);                 /* colours 9 9 8 8 ... from the left: bits of planes 0, 1, 3 */
  gr_put (h, 5, 8);
  gr_put (h, 2, 0xb);
  ck_assert_uint_eq (peek (h, A + 31), 0xc0);
  gr_put (h, 7, 0x8);                           /* only plane 3 counts */
  ck_assert_uint_eq (peek (h, A + 31), 0xff);
  gr_put (h, 7, 0);
  ck_assert_uint_eq (peek (h, A + 31), 0xff);
  out8 (h, 0x3d4, 0x22);                        /* the latch shows in the CRTC */
  gr_put (h, 4, 1);
  ck_assert_uint_eq (in8 (h, 0x3d5), 0xf0);
  harness_free (h);
}
END_TEST

START_TEST (odd_and_even_go_to_two_planes)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_3);
  harness_write (h, "memory", 0xb8000, 0x1f421e41, 4);
  ck_assert_uint_eq (vram_get (h, 0), 0x00001e41);
  ck_assert_uint_eq (vram_get (h, 2), 0x00001f42);
  ck_assert_uint_eq (harness_read (h, "memory", 0xb8000, 8), 0x1f421e41);
  ck_assert_uint_eq (peek (h, 0xa0000), 0xff);
  ck_assert_uint_eq (peek (h, 0xb0000), 0xff);
  harness_free (h);
}
END_TEST

START_TEST (the_window_has_four_places)
{
  static const struct { uint32_t inside, outside; } places[] = { { 0xbffff, 0xc0000 }, { 0xaffff, 0xb0000 }, { 0xb7fff, 0xb8000 }, { 0xb8000, 0xb7fff } };
  Harness *h = planar ();
  for (unsigned i = 0; i < 4; i++) {
    gr_put (h, 6, (uint8_t) (1 | i << 2));
    poke (h, places[i].inside, (uint8_t) (i + 1));
    ck_assert_uint_eq (peek (h, places[i].inside), i + 1);
    ck_assert_uint_eq (peek (h, places[i].outside), i ? 0xff : peek (h, 0xc0000));
  }
  gr_put (h, 6, 5);
  out8 (h, 0x3c2, 0xe1);                        /* RAM off */
  poke (h, A, 1);
  ck_assert_uint_eq (peek (h, A), 0xff);
  out8 (h, 0x3c2, 0xe3);
  ck_assert_uint_eq (peek (h, A), 4);           /* all four begin at the same byte */
  harness_free (h);
}
END_TEST

static bool
is_direct (Harness *h, uint32_t address)
{
  BpAddressSpace *as = bp_machine_address_space (harness_machine (h), "memory");
  const BpFlatRange *r = bp_as_lookup (as, address);
  bool direct = r && r->host;
  if (r)
    bp_as_leave (as);
  return direct;
}

START_TEST (chain_4_is_video_ram)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_13);
  ck_assert (is_direct (h, A));
  ck_assert (!is_direct (h, 0xb0000));
  write32 (h, A + 0x1234, 0x04030201);
  ck_assert_uint_eq (vram_get (h, 0x1234 / 4), 0x04030201);
  sr_put (h, 2, 0x5);                           /* a mask: bytes go one by one */
  ck_assert (!is_direct (h, A));
  write32 (h, A + 0x1234, 0xffffffff);
  ck_assert_uint_eq (vram_get (h, 0x1234 / 4), 0x04ff02ff);
  ck_assert_uint_eq (peek (h, A + 0x1237), 4);
  sr_put (h, 2, 0xf);
  sr_put (h, 4, 0x06);                          /* mode X */
  ck_assert (!is_direct (h, A));
  poke (h, A + 1, 0x77);
  ck_assert_uint_eq (vram_get (h, 1), 0x77777777);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("vga-memory", write_mode_0_reaches_the_planes_of_the_mask, the_bit_mask_keeps_what_the_latches_hold, the_functions_combine_with_the_latches,
              write_mode_1_copies, write_mode_2_writes_a_colour, write_mode_3_masks_with_the_byte, read_modes_choose_a_plane_or_compare,
              odd_and_even_go_to_two_planes, the_window_has_four_places, chain_4_is_video_ram)
