/* test-ps2-mouse.c -- packets of each model, sampling, modes, and the mouse's commands. */
/* SPDX-License-Identifier: MIT */
#include "ps2-test.h"

static Harness *
mouse (const char *more)
{
  g_autofree char *sections = g_strdup_printf (PS2_KBD ("%s"), more);
  Harness *h = harness_new (hw_pc (), sections);
  command_byte (h, 0x47);
  return h;
}

static void
command (Harness *h, uint8_t value)
{
  to_mouse (h, value);
  EXPECT_AUX (h, 0xfa);
}

static void
rates (Harness *h, uint8_t a, uint8_t b, uint8_t c)
{
  const uint8_t all[] = { a, b, c };
  for (unsigned i = 0; i < 3; i++) {
    command (h, 0xf3);
    command (h, all[i]);
  }
}

START_TEST (the_mouse_answers)
{
  Harness *h = mouse ("");
  to_mouse (h, 0xff);
  EXPECT_AUX (h, 0xfa, 0xaa, 0x00);
  to_mouse (h, 0xf2);
  EXPECT_AUX (h, 0xfa, 0x00);
  to_mouse (h, 0xe9);
  EXPECT_AUX (h, 0xfa, 0x00, 0x02, 0x64);
  command (h, 0xe8);
  command (h, 0x03);
  command (h, 0xf3);
  command (h, 200);
  command (h, 0xe7);
  command (h, 0xf4);
  to_mouse (h, 0xe9);
  EXPECT_AUX (h, 0xfa, 0x30, 0x03, 0xc8);
  command (h, 0xf6);
  to_mouse (h, 0xe9);
  EXPECT_AUX (h, 0xfa, 0x00, 0x02, 0x64);
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 0);
  harness_free (h);
}
END_TEST

START_TEST (what_is_wrong_is_refused)
{
  Harness *h = mouse ("");
  to_mouse (h, 0xe0);
  EXPECT_AUX (h, 0xfe);
  to_mouse (h, 0xe0);
  EXPECT_AUX (h, 0xfc);
  command (h, 0xf3);
  to_mouse (h, 55);
  EXPECT_AUX (h, 0xfe);
  command (h, 60);              /* it still waits */
  command (h, 0xe8);
  to_mouse (h, 4);
  EXPECT_AUX (h, 0xfe);
  to_mouse (h, 0xe9);
  EXPECT_AUX (h, 0xfa, 0x00, 0x02, 60);
  harness_free (h);
}
END_TEST

START_TEST (movement_is_reported)
{
  Harness *h = mouse ("");
  ck_assert (!move (h, 5, 5, 0, 0));    /* nobody has switched it on */
  command (h, 0xf4);
  ck_assert (move (h, 5, 3, 0, BP_INPUT_LEFT));
  EXPECT_AUX (h, 0x29, 0x05, 0xfd);
  move (h, -1, -2, 0, BP_INPUT_RIGHT);
  EXPECT_AUX (h, 0x1a, 0xff, 0x02);
  move (h, 0, 0, 0, BP_INPUT_MIDDLE | BP_INPUT_SIDE);
  EXPECT_AUX (h, 0x0c, 0x00, 0x00);
  move (h, 0, 0, 3, BP_INPUT_MIDDLE);   /* a wheel that it has not */
  EXPECT_NOTHING (h);
  move (h, 600, 0, 0, 0);
  EXPECT_AUX (h, 0x08, 0xff, 0x00, 0x08, 0xff, 0x00, 0x08, 0x5a, 0x00);
  command (h, 0xf5);
  ck_assert (!move (h, 1, 1, 0, 0));
  harness_free (h);
}
END_TEST

START_TEST (samples_are_apart)
{
  Harness *h = mouse ("");
  command (h, 0xf3);
  command (h, 20);
  command (h, 0xf4);
  move (h, 1, 0, 0, 0);
  ck_assert_int_eq (next_byte (h), 0x108);
  int64_t start = harness_now (h);
  move (h, 1, 0, 0, 0);
  move (h, 2, 0, 0, 0);
  ck_assert_int_eq (next_byte (h), 0x101);
  ck_assert_int_eq (next_byte (h), 0x100);
  harness_round_trip (h);
  while (!full (h))
    harness_advance (h, MS);
  ck_assert_int_ge (harness_now (h) - start, 45 * MS);
  ck_assert_int_le (harness_now (h) - start, 55 * MS);
  EXPECT_AUX (h, 0x08, 0x03, 0x00);
  harness_free (h);
}
END_TEST

START_TEST (no_click_is_lost)
{
  Harness *h = mouse ("");
  command (h, 0xf4);
  for (unsigned i = 0; i < 3; i++) {
    move (h, 1, 0, 0, BP_INPUT_LEFT);
    move (h, 0, 0, 0, 0);
  }
  EXPECT_AUX (h, 0x09, 0x01, 0x00, 0x08, 0x00, 0x00, 0x09, 0x01, 0x00, 0x08, 0x00, 0x00, 0x09, 0x01, 0x00, 0x08, 0x00, 0x00);
  for (unsigned i = 0; i < 100; i++) {
    move (h, 1000, 0, 0, BP_INPUT_LEFT);
    move (h, 0, 0, 0, 0);
  }
  unsigned last = 0, n = 0;
  for (int byte = next_byte (h); byte >= 0; byte = next_byte (h), n++)
    if (n % 3 == 0)
      last = (unsigned) byte;
  ck_assert_uint_eq (n % 3, 0);
  ck_assert_uint_eq (last & 7, 0);
  harness_free (h);
}
END_TEST

START_TEST (a_wheel_by_knocking)
{
  Harness *h = mouse ("");
  rates (h, 200, 100, 80);
  to_mouse (h, 0xf2);
  EXPECT_AUX (h, 0xfa, 0x03);
  command (h, 0xf4);
  move (h, 1, 1, -1, BP_INPUT_SIDE);
  EXPECT_AUX (h, 0x28, 0x01, 0xff, 0xff);
  move (h, 0, 0, 10, 0);
  EXPECT_AUX (h, 0x08, 0x00, 0x00, 0x07, 0x08, 0x00, 0x00, 0x03);
  rates (h, 200, 200, 80);
  to_mouse (h, 0xf2);
  EXPECT_AUX (h, 0xfa, 0x04);
  move (h, 0, 0, -1, BP_INPUT_SIDE);
  EXPECT_AUX (h, 0x08, 0x00, 0x00, 0x1f);
  move (h, 0, 0, 1, BP_INPUT_EXTRA | BP_INPUT_LEFT);
  EXPECT_AUX (h, 0x09, 0x00, 0x00, 0x21);
  to_mouse (h, 0xff);
  EXPECT_AUX (h, 0xfa, 0xaa, 0x00);
  to_mouse (h, 0xf2);
  EXPECT_AUX (h, 0xfa, 0x00);
  harness_free (h);
}
END_TEST

START_TEST (simple_mice_do_not_hear_it)
{
  Harness *h = mouse ("mouse = standard\n");
  rates (h, 200, 100, 80);
  rates (h, 200, 200, 80);
  to_mouse (h, 0xf2);
  EXPECT_AUX (h, 0xfa, 0x00);
  harness_free (h);
  h = mouse ("mouse = wheel\n");
  rates (h, 200, 100, 80);
  rates (h, 200, 200, 80);
  to_mouse (h, 0xf2);
  EXPECT_AUX (h, 0xfa, 0x03);
  harness_free (h);
}
END_TEST

START_TEST (remote_mode_is_asked)
{
  Harness *h = mouse ("");
  command (h, 0xf0);
  ck_assert (move (h, 3, 0, 0, BP_INPUT_LEFT));
  EXPECT_NOTHING (h);
  to_mouse (h, 0xeb);
  EXPECT_AUX (h, 0xfa, 0x09, 0x03, 0x00);
  to_mouse (h, 0xeb);
  EXPECT_AUX (h, 0xfa, 0x09, 0x00, 0x00);
  to_mouse (h, 0xe9);
  EXPECT_AUX (h, 0xfa, 0x44, 0x02, 0x64);
  command (h, 0xea);
  command (h, 0xf4);
  move (h, 1, 0, 0, 0);
  EXPECT_AUX (h, 0x08, 0x01, 0x00);
  harness_free (h);
}
END_TEST

START_TEST (wrap_mode_echoes)
{
  Harness *h = mouse ("");
  command (h, 0xf4);
  command (h, 0xee);
  ck_assert (!move (h, 1, 1, 0, 0));
  to_mouse (h, 0x42);
  EXPECT_AUX (h, 0x42);
  to_mouse (h, 0xf2);
  EXPECT_AUX (h, 0xf2);
  command (h, 0xec);
  move (h, 1, 0, 0, 0);
  EXPECT_AUX (h, 0x08, 0x01, 0x00);
  command (h, 0xee);
  to_mouse (h, 0xff);
  EXPECT_AUX (h, 0xfa, 0xaa, 0x00);
  harness_free (h);
}
END_TEST

START_TEST (scaling_makes_it_faster)
{
  Harness *h = mouse ("");
  command (h, 0xe7);
  command (h, 0xf4);
  move (h, 3, -2, 0, 0);
  EXPECT_AUX (h, 0x08, 0x03, 0x01);
  move (h, -10, 0, 0, 0);
  EXPECT_AUX (h, 0x18, 0xec, 0x00);
  command (h, 0xe6);
  move (h, 4, 0, 0, 0);
  EXPECT_AUX (h, 0x08, 0x04, 0x00);
  harness_free (h);
}
END_TEST

START_TEST (packets_are_sent_again)
{
  Harness *h = mouse ("");
  command (h, 0xf4);
  move (h, 1, 2, 0, 0);
  EXPECT_AUX (h, 0x28, 0x01, 0xfe);
  to_mouse (h, 0xfe);
  EXPECT_AUX (h, 0x28, 0x01, 0xfe);
  harness_free (h);
}
END_TEST

/* A command ends the packet that is on its way, and what is held down stays so. */
START_TEST (commands_interrupt)
{
  Harness *h = mouse ("");
  command (h, 0xf4);
  move (h, 1, 2, 0, BP_INPUT_LEFT);
  ck_assert_int_eq (next_byte (h), 0x129);
  to_mouse (h, 0xf2);
  EXPECT_AUX (h, 0xfa, 0x00);
  to_mouse (h, 0xe9);
  EXPECT_AUX (h, 0xfa, 0x24, 0x02, 0x64);
  bp_input_release_all (harness_machine (h));
  EXPECT_AUX (h, 0x08, 0x00, 0x00);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("ps2-mouse", the_mouse_answers, what_is_wrong_is_refused, movement_is_reported, samples_are_apart, no_click_is_lost, a_wheel_by_knocking,
              simple_mice_do_not_hear_it, remote_mode_is_asked, wrap_mode_echoes, scaling_makes_it_faster, packets_are_sent_again, commands_interrupt)
