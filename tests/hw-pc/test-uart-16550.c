/* test-uart-16550.c -- registers, FIFOs, interrupts and loop-back of the UART. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "hw-pc-test.h"

static const char com1[] = "[device com1]\ntype = uart-16550\npio0 = io@0x3f8\nirq = probe.in4\nbackend = line\n"
                           "[backend line]\ntype = test-char\n[device probe]\ntype = test-probe\n";

START_TEST (bytes_go_out)
{
  Harness *h = harness_new (hw_pc (), com1);
  for (const char *p = "hello"; *p; p++)
    out8 (h, 0x3f8, (uint8_t) *p);
  ck_assert_str_eq (harness_text (h, "line"), "hello");
  ck_assert_uint_eq (in8 (h, 0x3fd), 0x60);
  harness_free (h);
}
END_TEST

START_TEST (without_fifos_one_byte_waits)
{
  Harness *h = harness_new (hw_pc (), com1);
  ck_assert_uint_eq (harness_type (h, "line", "ab", 2), 1);
  ck_assert_uint_eq (harness_type (h, "line", "b", 1), 0);
  ck_assert_uint_eq (in8 (h, 0x3fd), 0x61);
  ck_assert_uint_eq (in8 (h, 0x3f8), 'a');
  ck_assert_uint_eq (in8 (h, 0x3fd), 0x60);
  harness_free (h);
}
END_TEST

START_TEST (the_trigger_level_and_the_timeout)
{
  Harness *h = harness_new (hw_pc (), com1);
  out8 (h, 0x3fa, 0x81);        /* FIFOs, trigger at 8 */
  out8 (h, 0x3f9, 0x01);
  ck_assert_uint_eq (in8 (h, 0x3fa), 0xc1);
  harness_type (h, "line", "1234567", 7);
  ck_assert_int_eq (harness_level (h, "com1.irq"), 0);
  harness_advance (h, 50000000);
  ck_assert_uint_eq (in8 (h, 0x3fa), 0xcc);
  harness_type (h, "line", "8", 1);
  ck_assert_uint_eq (in8 (h, 0x3fa), 0xc4);
  for (unsigned i = 0; i < 8; i++)
    ck_assert_uint_eq (in8 (h, 0x3f8), '1' + i);
  ck_assert_int_eq (harness_level (h, "com1.irq"), 0);
  harness_free (h);
}
END_TEST

START_TEST (the_transmit_interrupt_is_read_away)
{
  Harness *h = harness_new (hw_pc (), com1);
  out8 (h, 0x3f9, 0x02);
  ck_assert_int_eq (harness_level (h, "com1.irq"), 1);
  ck_assert_uint_eq (in8 (h, 0x3fa), 0x02);
  ck_assert_int_eq (harness_level (h, "com1.irq"), 0);
  out8 (h, 0x3f8, 'x');
  ck_assert_int_eq (harness_level (h, "com1.irq"), 1);
  harness_free (h);
}
END_TEST

START_TEST (loop_back_stays_inside)
{
  Harness *h = harness_new (hw_pc (), com1);
  out8 (h, 0x3fc, 0x1f);
  ck_assert_uint_eq (in8 (h, 0x3fe) & 0xf0, 0xf0);
  out8 (h, 0x3fc, 0x10);
  ck_assert_uint_eq (in8 (h, 0x3fe) & 0xf0, 0x00);
  out8 (h, 0x3f8, 0x5a);
  ck_assert_uint_eq (in8 (h, 0x3f8), 0x5a);
  ck_assert_str_eq (harness_text (h, "line"), "");
  harness_free (h);
}
END_TEST

START_TEST (an_overrun_is_told_once)
{
  Harness *h = harness_new (hw_pc (), com1);
  out8 (h, 0x3fc, 0x10);
  out8 (h, 0x3f8, 'a');
  out8 (h, 0x3f8, 'b');
  ck_assert_uint_eq (in8 (h, 0x3fd), 0x63);
  ck_assert_uint_eq (in8 (h, 0x3fd), 0x61);
  ck_assert_uint_eq (in8 (h, 0x3f8), 'b');
  harness_free (h);
}
END_TEST

START_TEST (the_divisor_is_behind_its_bit)
{
  Harness *h = harness_new (hw_pc (), com1);
  out8 (h, 0x3fb, 0x83);
  out8 (h, 0x3f8, 0x01);
  out8 (h, 0x3f9, 0x02);
  ck_assert_uint_eq (in8 (h, 0x3f8), 0x01);
  ck_assert_uint_eq (in8 (h, 0x3f9), 0x02);
  out8 (h, 0x3fb, 0x03);
  ck_assert_uint_eq (in8 (h, 0x3f9), 0x00);
  out8 (h, 0x3ff, 0x77);
  ck_assert_uint_eq (in8 (h, 0x3ff), 0x77);
  harness_free (h);
}
END_TEST

START_TEST (a_backend_has_one_device)
{
  char *text = harness_refusal (hw_pc (), "[device a]\ntype = uart-16550\npio0 = io@0x3f8\nbackend = line\n"
                                          "[device b]\ntype = uart-16550\npio0 = io@0x2f8\nbackend = line\n[backend line]\ntype = test-char\n");
  ck_assert_msg (strstr (text, "in use"), "%s", text);
  g_free (text);
}
END_TEST

START_TEST (state_survives)
{
  Harness *h = harness_new (hw_pc (), com1);
  out8 (h, 0x3fa, 0x01);
  out8 (h, 0x3f9, 0x01);
  harness_type (h, "line", "xyz", 3);
  harness_round_trip (h);
  ck_assert_int_eq (harness_level (h, "com1.irq"), 1);
  ck_assert_uint_eq (in8 (h, 0x3f8), 'x');
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("uart-16550", bytes_go_out, without_fifos_one_byte_waits, the_trigger_level_and_the_timeout, the_transmit_interrupt_is_read_away,
              loop_back_stays_inside, an_overrun_is_told_once, the_divisor_is_behind_its_bit, a_backend_has_one_device, state_survives)
