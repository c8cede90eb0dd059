/* test-vga-registers.c -- the VGA's ports: which bits are kept, where the CRTC answers, palette, status and its timing. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/accel.h>
#include "vga-test.h"

START_TEST (registers_keep_their_bits)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_3);
  ck_assert_uint_eq (in8 (h, 0x3cc), 0x67);
  for (unsigned i = 0; i < 16; i++)
    gr_put (h, i, 0xff);
  ck_assert_uint_eq (gr_get (h, 3), 0x1f);
  ck_assert_uint_eq (gr_get (h, 5), 0x7b);
  ck_assert_uint_eq (gr_get (h, 8), 0xff);
  ck_assert_uint_eq (gr_get (h, 9), 0);
  sr_put (h, 2, 0xff);
  ck_assert_uint_eq (in8 (h, 0x3c5), 0x0f);
  out8 (h, 0x3c4, 0xff);
  ck_assert_uint_eq (in8 (h, 0x3c4), 7);
  ck_assert_uint_eq (in8 (h, 0x3da) & 0xf6, 0);
  out8 (h, 0x3c0, 0x30);
  ck_assert_uint_eq (in8 (h, 0x3c1), 0x0c);
  out8 (h, 0x3c0, 0xff);
  ck_assert_uint_eq (in8 (h, 0x3c1), 0xef);
  ck_assert_uint_eq (in8 (h, 0x3c0), 0x30);
  out8 (h, 0x3c6, 0x5a);
  ck_assert_uint_eq (in8 (h, 0x3c6), 0x5a);
  harness_free (h);
}
END_TEST

START_TEST (the_crtc_is_where_misc_says)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_3);
  cr_put (h, 0x0f, 0x77);
  ck_assert_uint_eq (cr_get (h, 0x0f), 0x77);
  ck_assert_uint_eq (in8 (h, 0x3b5), 0xff);
  out8 (h, 0x3c2, 0x66);
  ck_assert_uint_eq (in8 (h, 0x3b5), 0x77);
  ck_assert_uint_eq (in8 (h, 0x3d5), 0xff);
  ck_assert_uint_eq (in8 (h, 0x3da), 0xff);
  harness_free (h);
}
END_TEST

START_TEST (timing_registers_can_be_protected)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_3);
  ck_assert_uint_eq (cr_get (h, 0x11), 0x8e);
  cr_put (h, 0, 0x12);
  cr_put (h, 7, 0x00);
  ck_assert_uint_eq (cr_get (h, 0), 0x5f);
  ck_assert_uint_eq (cr_get (h, 7), 0x0f);      /* bit 4 is line compare's */
  cr_put (h, 0x11, 0x0e);
  cr_put (h, 0, 0x12);
  ck_assert_uint_eq (cr_get (h, 0), 0x12);
  ck_assert_uint_eq (cr_get (h, 0x19), 0xff);
  harness_free (h);
}
END_TEST

START_TEST (the_palette_is_read_and_written_in_threes)
{
  Harness *h = vga_new ();
  out8 (h, 0x3c8, 254);
  ck_assert_uint_eq (in8 (h, 0x3c7), 0);
  for (unsigned i = 0; i < 9; i++)
    out8 (h, 0x3c9, (uint8_t) (0xc1 + i));
  ck_assert_uint_eq (in8 (h, 0x3c8), 1);        /* it wrapped */
  out8 (h, 0x3c7, 254);
  ck_assert_uint_eq (in8 (h, 0x3c7), 3);
  for (unsigned i = 0; i < 9; i++)
    ck_assert_uint_eq (in8 (h, 0x3c9), 1 + i);
  out8 (h, 0x3c8, 10);                          /* two of three change nothing */
  out8 (h, 0x3c9, 1);
  out8 (h, 0x3c9, 2);
  out8 (h, 0x3c7, 10);
  ck_assert_uint_eq (in8 (h, 0x3c9), 0);
  vbe_put (h, ENABLE, 0x20);                    /* eight bits */
  out8 (h, 0x3c8, 20);
  for (unsigned i = 0; i < 3; i++)
    out8 (h, 0x3c9, 0xc1);
  out8 (h, 0x3c7, 20);
  ck_assert_uint_eq (in8 (h, 0x3c9), 0xc1);
  harness_free (h);
}
END_TEST

/* Mode 3: lines of 31.778 us, 449 of them, 400 shown, retrace in 412 and 413. */
START_TEST (the_status_follows_the_beam)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_3);
  const int64_t line = 900 * INT64_C (1000000000) / 28322000;
  unsigned retrace = 0, outside = 0;
  for (unsigned i = 0; i < 449; i++) {
    uint8_t s = in8 (h, 0x3da);
    retrace += s >> 3 & 1;
    outside += s & 1;
    ck_assert_uint_eq (s >> 3 & 1, i == 412 || i == 413);
    harness_advance (h, line);
  }
  ck_assert_uint_eq (retrace, 2);
  ck_assert_uint_eq (outside, 49);
  ck_assert_uint_eq (in8 (h, 0x3da), 0);        /* the next frame */
  harness_advance (h, line * 9 / 10);
  ck_assert_uint_eq (in8 (h, 0x3da), 1);        /* right of the picture */
  harness_free (h);
}
END_TEST

START_TEST (impossible_timing_still_has_retraces)
{
  Harness *h = vga_new ();
  unsigned seen = 0;
  out8 (h, 0x3c2, 1);
  for (unsigned i = 0; i < 2000; i++) {
    seen += in8 (h, 0x3da) >> 3 & 1;
    harness_advance (h, 30000);
  }
  ck_assert_uint_gt (seen, 4);
  harness_free (h);
}
END_TEST

START_TEST (the_switch_is_at_3c3)
{
  Harness *h = vga_new ();
  vga_set (h, &mode_13);
  poke (h, 0xa0000, 0x5a);
  out8 (h, 0x3c3, 0);
  ck_assert_uint_eq (in8 (h, 0x3c3), 0);
  ck_assert_uint_eq (in8 (h, 0x3cc), 0xff);
  ck_assert_uint_eq (peek (h, 0xa0000), 0xff);
  poke (h, 0xa0000, 0x11);
  out8 (h, 0x3c2, 0);
  out8 (h, 0x3c3, 1);
  ck_assert_uint_eq (in8 (h, 0x3cc), 0x63);
  ck_assert_uint_eq (peek (h, 0xa0000), 0x5a);
  harness_free (h);
}
END_TEST

/* CR11: bit 4 lets the latch be set, bit 5 keeps it from the line. */
START_TEST (the_retrace_interrupts)
{
  Harness *h = harness_new (hw_pc (), "[device vga]\ntype = vga-isa\nvram = 1M\npio0 = io@0x3b0\nirq = probe.in0\n[device probe]\ntype = test-probe\n");
  int64_t line = INT64_C (900) * 1000000000 / 28322000, before = 0;
  vga_set (h, &mode_3);
  harness_advance (h, 20000000);
  ck_assert_int_eq (harness_level (h, "probe.in0"), 0);
  cr_put (h, 0x11, 0x9e);
  for (unsigned n = 0; n < 3; n++) {
    for (unsigned i = 0; i < 5000 && !harness_level (h, "probe.in0"); i++)
      harness_advance (h, 10000);
    ck_assert_uint_eq (in8 (h, 0x3c2), 0x90);
    ck_assert_uint_eq (in8 (h, 0x3da) & 8, 8);  /* the beam is there */
    if (n)
      ck_assert_int_lt (ABS (harness_now (h) - before - 449 * line), 20000);
    before = harness_now (h);
    cr_put (h, 0x11, 0x8e);
    ck_assert_int_eq (harness_level (h, "probe.in0"), 0);
    ck_assert_uint_eq (in8 (h, 0x3c2), 0x10);
    cr_put (h, 0x11, 0x9e);
  }
  harness_advance (h, 40000000);
  ck_assert_uint_eq (harness_rises (h, "probe", 0), 4);         /* once, until it is cleared */
  cr_put (h, 0x11, 0xbe);
  ck_assert_int_eq (harness_level (h, "probe.in0"), 0);
  ck_assert_uint_eq (in8 (h, 0x3c2), 0x90);
  harness_reset (h, BP_RESET_COLD);
  ck_assert_uint_eq (in8 (h, 0x3c2), 0x10);
  harness_free (h);
}
END_TEST

#define RETRACE "[device vga]\ntype = vga-isa\nvram = 1M\npio0 = io@0x3b0\nirq = probe.in0\n[device probe]\ntype = test-probe\n"

START_TEST (a_retrace_in_a_loaded_machine)
{
  Harness *h = harness_new (hw_pc (), RETRACE), *twin = harness_new (hw_pc (), RETRACE);
  vga_set (h, &mode_3);
  cr_put (h, 0x11, 0x8e);
  cr_put (h, 0x11, 0x9e);
  vga_set (twin, &mode_3);
  for (unsigned i = 0; i < 100; i++)    /* which has armed more timers in its life */
    cr_put (twin, 0x11, i & 1 ? 0x9e : 0x8e);
  harness_copy (h, twin);
  ck_assert_int_eq (bp_machine_next_virtual_timer (harness_machine (twin)), bp_machine_next_virtual_timer (harness_machine (h)));
  harness_advance (h, 20000000);
  harness_advance (twin, 20000000);
  ck_assert_int_eq (harness_level (h, "probe.in0"), 1);
  ck_assert_int_eq (harness_level (twin, "probe.in0"), 1);
  harness_check_same (h, twin);
  harness_free (twin);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("vga-registers", registers_keep_their_bits, the_crtc_is_where_misc_says, timing_registers_can_be_protected,
              the_palette_is_read_and_written_in_threes, the_status_follows_the_beam, impossible_timing_still_has_retraces, the_switch_is_at_3c3, the_retrace_interrupts, a_retrace_in_a_loaded_machine)
