/* test-kbd-i8042.c -- controller commands, translation, interrupts, A20 and reset of the keyboard controller. */
/* SPDX-License-Identifier: MIT */
#include "ps2-test.h"

static const char kbd[] = PS2_KBD ("");

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

START_TEST (keys_are_translated)
{
  Harness *h = harness_new (hw_pc (), kbd);
  ck_assert (press (h, KEY_A));
  EXPECT (h, 0x1e);
  ck_assert (release (h, KEY_A));
  EXPECT (h, 0x9e);
  press (h, KEY_UP);
  EXPECT (h, 0xe0, 0x48);
  release (h, KEY_UP);
  EXPECT (h, 0xe0, 0xc8);
  press (h, KEY_F7);
  release (h, KEY_F7);
  EXPECT (h, 0x41, 0xc1);
  out8 (h, 0x60, 0xf2);
  EXPECT (h, 0xfa, 0xab, 0x41);
  command_byte (h, 0x05);
  press (h, KEY_A);
  release (h, KEY_A);
  EXPECT (h, 0x1c, 0xf0, 0x1c);
  harness_free (h);
}
END_TEST

/* Each byte takes its time on the wire, and is there until it is read; after that its value stays. */
START_TEST (each_byte_is_an_interrupt)
{
  Harness *h = harness_new (hw_pc (), kbd);
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 0);
  press (h, KEY_UP);
  ck_assert (!full (h));
  harness_advance (h, MS);
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 1);
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 1);
  harness_advance (h, 10 * MS);
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 1);
  ck_assert_uint_eq (in8 (h, 0x60), 0xe0);
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 0);
  ck_assert (!full (h));
  ck_assert_uint_eq (in8 (h, 0x60), 0xe0);
  harness_advance (h, MS);
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 2);
  ck_assert_uint_eq (in8 (h, 0x60), 0x48);
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 0);
  ck_assert_uint_eq (harness_rises (h, "probe", 12), 0);
  command_byte (h, 0x44);       /* no interrupt */
  release (h, KEY_UP);
  harness_advance (h, MS);
  ck_assert (full (h));
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 0);
  command_byte (h, 0x45);
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 1);
  harness_free (h);
}
END_TEST

START_TEST (a_held_clock_keeps_keys_back)
{
  Harness *h = harness_new (hw_pc (), kbd);
  out8 (h, 0x64, 0xad);
  press (h, KEY_A);
  EXPECT_NOTHING (h);
  out8 (h, 0x64, 0xae);
  EXPECT (h, 0x1e);
  out8 (h, 0x64, 0xad);
  out8 (h, 0x60, 0xee);         /* lets go of the clock */
  EXPECT (h, 0xee);
  release (h, KEY_A);
  EXPECT (h, 0x9e);
  harness_free (h);
}
END_TEST

/* An answer of the controller's does not wait for a key to be read, and the key is not lost. */
START_TEST (an_answer_goes_first)
{
  Harness *h = harness_new (hw_pc (), kbd);
  press (h, KEY_A);
  harness_advance (h, MS);
  out8 (h, 0x64, 0x20);
  ck_assert_uint_eq (in8 (h, 0x60), 0x61);
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 3);
  harness_round_trip (h);
  EXPECT (h, 0x1e);
  release (h, KEY_A);
  harness_advance (h, MS);
  out8 (h, 0x64, 0xaa);         /* a test empties the buffer */
  EXPECT (h, 0x55);
  harness_free (h);
}
END_TEST

START_TEST (the_ports_take_turns)
{
  Harness *h = harness_new (hw_pc (), kbd);
  command_byte (h, 0x07);
  to_mouse (h, 0xf4);
  EXPECT_AUX (h, 0xfa);
  press (h, KEY_UP);
  move (h, 1, 0, 0, 0);
  ck_assert_int_eq (next_byte (h), 0xe0);
  ck_assert_int_eq (next_byte (h), 0x108);
  ck_assert_int_eq (next_byte (h), 0x75);
  ck_assert_int_eq (next_byte (h), 0x101);
  ck_assert_int_eq (next_byte (h), 0x100);
  ck_assert_int_eq (next_byte (h), -1);
  move (h, 1, 0, 0, 0);
  out8 (h, 0x64, 0xa7);
  EXPECT_NOTHING (h);
  out8 (h, 0x64, 0xa8);
  EXPECT_AUX (h, 0x08, 0x01, 0x00);
  harness_free (h);
}
END_TEST

START_TEST (bytes_are_written_into_the_buffer)
{
  Harness *h = harness_new (hw_pc (), kbd);
  command_byte (h, 0x47);
  out8 (h, 0x64, 0xd2);
  out8 (h, 0x60, 0x1e);
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 1);
  EXPECT (h, 0x1e);
  out8 (h, 0x64, 0xd3);
  out8 (h, 0x60, 0x42);
  ck_assert_uint_eq (in8 (h, 0x64) & 0x21, 0x21);
  ck_assert_int_eq (harness_level (h, "kbd.irq12"), 1);
  ck_assert_int_eq (harness_level (h, "kbd.irq1"), 0);
  EXPECT_AUX (h, 0x42);
  ck_assert_int_eq (harness_level (h, "kbd.irq12"), 0);
  out8 (h, 0x64, 0xa5);         /* a password is not for the keyboard */
  out8 (h, 0x60, 0xee);
  out8 (h, 0x60, 0x00);
  EXPECT_NOTHING (h);
  harness_free (h);
}
END_TEST

START_TEST (nothing_is_plugged_in)
{
  Harness *h = harness_new (hw_pc (), PS2_KBD ("keyboard = off\nmouse = none\n"));
  command_byte (h, 0x47);
  to_mouse (h, 0xff);
  ck_assert_uint_eq (in8 (h, 0x64) & 0x61, 0x61);
  ck_assert_int_eq (harness_level (h, "kbd.irq12"), 1);
  EXPECT_AUX (h, 0xfe);
  out8 (h, 0x60, 0xff);
  ck_assert_uint_eq (in8 (h, 0x64) & 0x61, 0x41);
  EXPECT (h, 0xfe);
  ck_assert (!press (h, KEY_A));
  ck_assert (!move (h, 1, 0, 0, 0));
  bp_input_release_all (harness_machine (h));
  EXPECT_NOTHING (h);
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

HARNESS_MAIN ("kbd-i8042", the_controller_tests_itself, the_command_byte_is_kept, keys_are_translated, each_byte_is_an_interrupt,
              a_held_clock_keeps_keys_back, an_answer_goes_first, the_ports_take_turns, bytes_are_written_into_the_buffer, nothing_is_plugged_in,
              the_output_port_gates_a20, both_ways_reset)
