/* test-kbd-i8042.c -- controller and keyboard commands, translation, interrupts, A20 and reset of the keyboard controller. */
/* SPDX-License-Identifier: MIT */
#include "hw-pc-test.h"
#include "hw-pc/kbd-i8042.h"

static const char kbd[] = "[device kbd]\ntype = i8042\npio0 = io@0x60\npio1 = io@0x64\nirq1 = probe.in1\nirq12 = probe.in12\na20 = probe.in20\n"
                          "[device probe]\ntype = harness-probe\n";

static bool full (Harness *h) { return in8 (h, 0x64) & 1; }

/* The bytes that come, none more. */
static void
expect (Harness *h, const uint8_t *bytes, unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    ck_assert_msg (full (h), "byte %u did not come", i);
    ck_assert_uint_eq (in8 (h, 0x60), bytes[i]);
  }
  ck_assert (!full (h));
}
#define EXPECT(h, ...) do { static const uint8_t bytes_[] = { __VA_ARGS__ }; expect ((h), bytes_, sizeof bytes_); } while (0)

static bool
type (Harness *h, uint8_t a, uint8_t b, unsigned n)
{
  uint8_t codes[2] = { a, b };
  bp_machine_lock (harness_machine (h));
  bool taken = i8042_send_codes (harness_object (h, "kbd"), codes, n);
  bp_machine_unlock (harness_machine (h));
  return taken;
}

START_TEST (the_controller_tests_itself)
{
  Harness *h = harness_new (hw_pc (), kbd);
  ck_assert_uint_eq (in8 (h, 0x64) & 4, 0);
  out8 (h, 0x64, 0xaa);
  EXPECT (h, 0x55);
  ck_assert_uint_eq (in8 (h, 0x64) & 4, 4);
  out8 (h, 0x64, 0xab);
  EXPECT (h, 0x00);
  out8 (h, 0x64, 0xa9);
  EXPECT (h, 0x00);
  harness_free (h);
}
END_TEST

START_TEST (the_command_byte_is_kept)
{
  Harness *h = harness_new (hw_pc (), kbd);
  out8 (h, 0x64, 0x60);
  out8 (h, 0x60, 0x47);
  out8 (h, 0x64, 0x20);
  EXPECT (h, 0x47);
  out8 (h, 0x64, 0xad);
  out8 (h, 0x64, 0xa7);
  out8 (h, 0x64, 0x20);
  ck_assert_uint_eq (in8 (h, 0x60), 0x77);
  out8 (h, 0x64, 0xae);
  out8 (h, 0x64, 0xa8);
  out8 (h, 0x64, 0x20);
  EXPECT (h, 0x47);
  out8 (h, 0x64, 0x65);
  out8 (h, 0x60, 0x99);
  out8 (h, 0x64, 0x25);
  EXPECT (h, 0x99);
  harness_free (h);
}
END_TEST

START_TEST (the_keyboard_answers)
{
  Harness *h = harness_new (hw_pc (), kbd);
  out8 (h, 0x64, 0x60);
  out8 (h, 0x60, 0x05);         /* no translation */
  out8 (h, 0x60, 0xff);
  EXPECT (h, 0xfa, 0xaa);
  out8 (h, 0x60, 0xf2);
  EXPECT (h, 0xfa, 0xab, 0x83);
  out8 (h, 0x60, 0xee);
  EXPECT (h, 0xee);
  out8 (h, 0x60, 0xed);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0x07);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0xf0);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0x00);
  EXPECT (h, 0xfa, 0x02);
  out8 (h, 0x60, 0xf3);
  out8 (h, 0x60, 0x20);
  EXPECT (h, 0xfa, 0xfa);
  out8 (h, 0x60, 0xfe);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0x01);         /* no command */
  EXPECT (h, 0xfe);
  harness_free (h);
}
END_TEST

START_TEST (keys_are_translated)
{
  Harness *h = harness_new (hw_pc (), kbd);
  ck_assert (type (h, 0x1c, 0, 1));             /* A */
  EXPECT (h, 0x1e);
  ck_assert (type (h, 0xf0, 0x1c, 2));
  EXPECT (h, 0x9e);
  ck_assert (type (h, 0xe0, 0x75, 2));          /* up */
  EXPECT (h, 0xe0, 0x48);
  ck_assert (type (h, 0x83, 0, 1));             /* F7 */
  EXPECT (h, 0x41);
  out8 (h, 0x64, 0x60);
  out8 (h, 0x60, 0x05);
  ck_assert (type (h, 0xf0, 0x1c, 2));
  EXPECT (h, 0xf0, 0x1c);
  harness_free (h);
}
END_TEST

START_TEST (each_byte_is_an_interrupt)
{
  Harness *h = harness_new (hw_pc (), kbd);
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 0);
  type (h, 0xe0, 0x75, 2);
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 1);
  in8 (h, 0x60);
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 2);
  in8 (h, 0x60);
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 0);
  harness_free (h);
}
END_TEST

START_TEST (a_held_clock_keeps_keys_back)
{
  Harness *h = harness_new (hw_pc (), kbd);
  out8 (h, 0x64, 0xad);
  type (h, 0x1c, 0, 1);
  ck_assert (!full (h));
  out8 (h, 0x64, 0xae);
  EXPECT (h, 0x1e);
  out8 (h, 0x60, 0xf5);
  EXPECT (h, 0xfa);
  ck_assert (!type (h, 0x1c, 0, 1));
  out8 (h, 0x60, 0xf4);
  EXPECT (h, 0xfa);
  ck_assert (type (h, 0x1c, 0, 1));
  harness_free (h);
}
END_TEST

START_TEST (too_many_keys_overrun)
{
  Harness *h = harness_new (hw_pc (), kbd);
  unsigned n = 0;
  while (type (h, 0x1c, 0, 1))
    n++;
  ck_assert_uint_eq (n, 17);
  for (unsigned i = 0; i < n; i++)
    ck_assert_uint_eq (in8 (h, 0x60), 0x1e);
  EXPECT (h, 0xff);             /* 00, translated */
  ck_assert (type (h, 0x1c, 0, 1));
  harness_free (h);
}
END_TEST

START_TEST (there_is_no_mouse)
{
  Harness *h = harness_new (hw_pc (), kbd);
  out8 (h, 0x64, 0x60);
  out8 (h, 0x60, 0x47);
  out8 (h, 0x64, 0xd4);
  out8 (h, 0x60, 0xff);
  ck_assert_uint_eq (in8 (h, 0x64) & 0x61, 0x61);
  ck_assert_int_eq (harness_level (h, "kbd.irq12"), 1);
  EXPECT (h, 0xfe);
  out8 (h, 0x64, 0xd3);
  out8 (h, 0x60, 0x42);
  ck_assert_uint_eq (in8 (h, 0x64) & 0x21, 0x21);
  EXPECT (h, 0x42);
  harness_free (h);
}
END_TEST

START_TEST (the_output_port_gates_a20)
{
  Harness *h = harness_new (hw_pc (), kbd);
  ck_assert_int_eq (harness_level (h, "kbd.a20"), 1);
  out8 (h, 0x64, 0xd1);
  out8 (h, 0x60, 0xdd);
  ck_assert_int_eq (harness_level (h, "kbd.a20"), 0);
  out8 (h, 0x64, 0xd0);
  ck_assert_uint_eq (in8 (h, 0x60) & 3, 1);
  harness_round_trip (h);
  ck_assert_int_eq (harness_level (h, "kbd.a20"), 0);
  out8 (h, 0x64, 0xdf);
  ck_assert_int_eq (harness_level (h, "kbd.a20"), 1);
  harness_free (h);
}
END_TEST

START_TEST (both_ways_reset)
{
  Harness *h = harness_new (hw_pc (), kbd);
  out8 (h, 0x64, 0xff);
  ck_assert (!harness_take_reset (h));
  out8 (h, 0x64, 0xfe);
  ck_assert (harness_take_reset (h));
  out8 (h, 0x64, 0xd1);
  out8 (h, 0x60, 0xde);
  ck_assert (harness_take_reset (h));
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("kbd-i8042", the_controller_tests_itself, the_command_byte_is_kept, the_keyboard_answers, keys_are_translated,
              each_byte_is_an_interrupt, a_held_clock_keeps_keys_back, too_many_keys_overrun, there_is_no_mouse, the_output_port_gates_a20,
              both_ways_reset)
