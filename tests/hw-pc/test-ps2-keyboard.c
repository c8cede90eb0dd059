/* test-ps2-keyboard.c -- scan codes of each set, false shifts, repeat, and the keyboard's commands. */
/* SPDX-License-Identifier: MIT */
#include "ps2-test.h"

static const char kbd[] = PS2_KBD ("");

/* Without translation, and with what it needs to be in another set. */
static Harness *
keyboard (uint8_t set)
{
  Harness *h = harness_new (hw_pc (), kbd);
  command_byte (h, 0x05);
  if (set == 2)
    return h;
  out8 (h, 0x60, 0xf0);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, set);
  EXPECT (h, 0xfa);
  return h;
}

static void
stroke (Harness *h, unsigned code)
{
  press (h, code);
  release (h, code);
}

static void
command (Harness *h, uint8_t a, uint8_t b)
{
  out8 (h, 0x60, a);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, b);
  EXPECT (h, 0xfa);
}

START_TEST (the_keyboard_answers)
{
  Harness *h = keyboard (2);
  out8 (h, 0x60, 0xff);
  EXPECT (h, 0xfa, 0xaa);
  out8 (h, 0x60, 0xf2);
  EXPECT (h, 0xfa, 0xab, 0x83);
  out8 (h, 0x60, 0xee);
  EXPECT (h, 0xee);
  command (h, 0xed, 0x07);
  out8 (h, 0x60, 0xf0);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0x00);
  EXPECT (h, 0xfa, 0x02);
  out8 (h, 0x60, 0xf0);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0x04);
  EXPECT (h, 0xfe);
  out8 (h, 0x60, 0xf3);
  out8 (h, 0x60, 0x20);
  EXPECT (h, 0xfa, 0xfa);
  out8 (h, 0x60, 0xfe);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0x01);         /* no command */
  EXPECT (h, 0xfe);
  out8 (h, 0x60, 0xed);         /* a command instead of the parameter */
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0xee);
  EXPECT (h, 0xee);
  harness_free (h);
}
END_TEST

START_TEST (a_test_takes_time)
{
  Harness *h = keyboard (2);
  press (h, KEY_A);
  out8 (h, 0x60, 0xff);
  ck_assert_int_eq (next_byte (h), 0xfa);
  harness_advance (h, 5 * MS);
  ck_assert (!full (h));
  harness_round_trip (h);
  EXPECT (h, 0xaa);
  out8 (h, 0x60, 0xff);
  EXPECT (h, 0xfa, 0xaa);
  out8 (h, 0x60, 0xff);
  ck_assert_int_eq (next_byte (h), 0xfa);
  harness_advance (h, MS);
  out8 (h, 0x60, 0xee);         /* ends it */
  EXPECT (h, 0xee);
  harness_free (h);
}
END_TEST

START_TEST (plain_keys)
{
  Harness *h = keyboard (2);
  stroke (h, KEY_A);
  EXPECT (h, 0x1c, 0xf0, 0x1c);
  stroke (h, KEY_RIGHTALT);
  EXPECT (h, 0xe0, 0x11, 0xe0, 0xf0, 0x11);
  stroke (h, KEY_KPENTER);
  EXPECT (h, 0xe0, 0x5a, 0xe0, 0xf0, 0x5a);
  press (h, KEY_B);
  press (h, KEY_B);             /* it is down already */
  EXPECT (h, 0x32);
  release (h, KEY_B);
  release (h, KEY_B);
  EXPECT (h, 0xf0, 0x32);
  stroke (h, KEY_MAX);
  stroke (h, 255);
  stroke (h, 0);
  EXPECT_NOTHING (h);
  harness_free (h);
}
END_TEST

START_TEST (false_shifts)
{
  Harness *h = keyboard (2);
  press (h, KEY_LEFTSHIFT);
  stroke (h, KEY_LEFT);
  EXPECT (h, 0x12, 0xe0, 0xf0, 0x12, 0xe0, 0x6b, 0xe0, 0xf0, 0x6b, 0xe0, 0x12);
  stroke (h, KEY_KPSLASH);
  EXPECT (h, 0xe0, 0xf0, 0x12, 0xe0, 0x4a, 0xe0, 0xf0, 0x4a, 0xe0, 0x12);
  press (h, KEY_RIGHTSHIFT);
  EXPECT (h, 0x59);
  press (h, KEY_HOME);
  EXPECT (h, 0xe0, 0xf0, 0x12, 0xe0, 0xf0, 0x59, 0xe0, 0x6c);
  release (h, KEY_HOME);
  EXPECT (h, 0xe0, 0xf0, 0x6c, 0xe0, 0x12, 0xe0, 0x59);
  release (h, KEY_LEFTSHIFT);
  release (h, KEY_RIGHTSHIFT);
  EXPECT (h, 0xf0, 0x12, 0xf0, 0x59);
  command (h, 0xed, 0x02);      /* numeric lock */
  stroke (h, KEY_LEFT);
  EXPECT (h, 0xe0, 0x12, 0xe0, 0x6b, 0xe0, 0xf0, 0x6b, 0xe0, 0xf0, 0x12);
  stroke (h, KEY_KPSLASH);
  EXPECT (h, 0xe0, 0x4a, 0xe0, 0xf0, 0x4a);
  press (h, KEY_LEFTSHIFT);
  stroke (h, KEY_LEFT);
  EXPECT (h, 0x12, 0xe0, 0x6b, 0xe0, 0xf0, 0x6b);
  harness_free (h);
}
END_TEST

START_TEST (print_and_pause)
{
  Harness *h = keyboard (2);
  stroke (h, KEY_SYSRQ);
  EXPECT (h, 0xe0, 0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12);
  stroke (h, KEY_PAUSE);
  EXPECT (h, 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
  press (h, KEY_LEFTCTRL);
  stroke (h, KEY_PAUSE);
  EXPECT (h, 0x14, 0xe0, 0x7e, 0xe0, 0xf0, 0x7e);
  stroke (h, KEY_SYSRQ);
  EXPECT (h, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c);
  release (h, KEY_LEFTCTRL);
  press (h, KEY_LEFTALT);
  press (h, KEY_SYSRQ);
  EXPECT (h, 0xf0, 0x14, 0x11, 0x84);
  release (h, KEY_LEFTALT);
  release (h, KEY_SYSRQ);       /* as what it went down */
  EXPECT (h, 0xf0, 0x11, 0xf0, 0x84);
  harness_free (h);
}
END_TEST

START_TEST (set_1)
{
  Harness *h = keyboard (1);
  stroke (h, KEY_A);
  EXPECT (h, 0x1e, 0x9e);
  stroke (h, KEY_UP);
  EXPECT (h, 0xe0, 0x48, 0xe0, 0xc8);
  stroke (h, KEY_SYSRQ);
  EXPECT (h, 0xe0, 0x2a, 0xe0, 0x37, 0xe0, 0xb7, 0xe0, 0xaa);
  stroke (h, KEY_PAUSE);
  EXPECT (h, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
  out8 (h, 0x60, 0xf0);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0x00);
  EXPECT (h, 0xfa, 0x01);
  out8 (h, 0x60, 0xf6);
  EXPECT (h, 0xfa);
  stroke (h, KEY_A);
  EXPECT (h, 0x1c, 0xf0, 0x1c);
  harness_free (h);
}
END_TEST

/* Every key that both have is in set 1 what Linux calls it, up to the point where Linux follows other rules. */
START_TEST (linux_codes_are_set_1)
{
  Harness *h = keyboard (1);
  for (unsigned code = KEY_ESC; code <= KEY_F12; code++) {
    if (code == KEY_ZENKAKUHANKAKU || code == 84)
      continue;
    press (h, code);
    ck_assert_int_eq (next_byte (h), (int) code);
    release (h, code);
    ck_assert_int_eq (next_byte (h), (int) code | 0x80);
  }
  harness_free (h);
}
END_TEST

START_TEST (set_3_has_modes)
{
  Harness *h = keyboard (3);
  stroke (h, KEY_A);            /* make, break, repeat */
  EXPECT (h, 0x1c, 0xf0, 0x1c);
  stroke (h, KEY_LEFTCTRL);
  EXPECT (h, 0x11, 0xf0, 0x11);
  stroke (h, KEY_F1);           /* make alone */
  EXPECT (h, 0x07);
  stroke (h, KEY_UP);
  EXPECT (h, 0x63, 0xf0, 0x63);
  stroke (h, KEY_VOLUMEUP);     /* has no code */
  EXPECT_NOTHING (h);
  out8 (h, 0x60, 0xf8);         /* all make and break */
  EXPECT (h, 0xfa);
  stroke (h, KEY_F1);
  EXPECT (h, 0x07, 0xf0, 0x07);
  press (h, KEY_A);
  EXPECT (h, 0x1c);
  harness_advance (h, 2000 * MS);
  EXPECT_NOTHING (h);
  release (h, KEY_A);
  EXPECT (h, 0xf0, 0x1c);
  out8 (h, 0x60, 0xfd);         /* of some: make alone */
  EXPECT (h, 0xfa);
  ck_assert (!press (h, KEY_Q));
  out8 (h, 0x60, 0x1c);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0x32);
  EXPECT (h, 0xfa);
  out8 (h, 0x60, 0xb0);         /* there is no such code */
  EXPECT (h, 0xfe);
  harness_round_trip (h);
  out8 (h, 0x60, 0xf4);
  EXPECT (h, 0xfa);
  stroke (h, KEY_A);
  stroke (h, KEY_S);
  stroke (h, KEY_B);
  EXPECT (h, 0x1c, 0x1b, 0xf0, 0x1b, 0x32);
  harness_free (h);
}
END_TEST

static unsigned
count_bytes (Harness *h, int byte, int64_t ms)
{
  unsigned n = 0;
  for (; ms > 0; ms--) {
    harness_advance (h, MS);
    if (!full (h))
      continue;
    ck_assert_int_eq (in8 (h, 0x60), byte);
    n++;
  }
  return n;
}

START_TEST (keys_repeat)
{
  Harness *h = keyboard (2);
  press (h, KEY_A);
  ck_assert_uint_eq (count_bytes (h, 0x1c, 490), 1);
  ck_assert_uint_eq (count_bytes (h, 0x1c, 1000), 11);  /* 10.9 in a second */
  harness_round_trip (h);
  release (h, KEY_A);
  EXPECT (h, 0xf0, 0x1c);
  command (h, 0xf3, 0x60);      /* a second, then 30 in one */
  press (h, KEY_A);
  ck_assert_uint_eq (count_bytes (h, 0x1c, 990), 1);
  ck_assert_uint_eq (count_bytes (h, 0x1c, 1000), 30);
  press (h, KEY_UP);            /* the last one repeats */
  EXPECT (h, 0xe0, 0x75);
  release (h, KEY_A);
  EXPECT (h, 0xf0, 0x1c);
  harness_advance (h, 1000 * MS);
  ck_assert_int_eq (next_byte (h), 0xe0);
  ck_assert_int_eq (next_byte (h), 0x75);
  release (h, KEY_UP);
  while (next_byte (h) != 0xf0)
    ;
  ck_assert_int_eq (next_byte (h), 0x75);
  harness_advance (h, 2000 * MS);
  EXPECT_NOTHING (h);
  harness_free (h);
}
END_TEST

START_TEST (scanning_is_switched)
{
  Harness *h = keyboard (2);
  press (h, KEY_LEFTSHIFT);
  EXPECT (h, 0x12);
  out8 (h, 0x60, 0xf5);
  EXPECT (h, 0xfa);
  ck_assert (!release (h, KEY_LEFTSHIFT));
  ck_assert (!press (h, KEY_A));
  out8 (h, 0x60, 0xf4);
  EXPECT (h, 0xfa);
  ck_assert (press (h, KEY_LEFTSHIFT));
  EXPECT (h, 0x12);
  harness_free (h);
}
END_TEST

START_TEST (answers_go_before_keys)
{
  Harness *h = keyboard (2);
  stroke (h, KEY_A);
  out8 (h, 0x60, 0xee);
  EXPECT (h, 0xee, 0x1c, 0xf0, 0x1c);
  stroke (h, KEY_UP);           /* but never between a prefix and its code */
  ck_assert_int_eq (next_byte (h), 0xe0);
  out8 (h, 0x60, 0xee);
  EXPECT (h, 0x75, 0xee, 0xe0, 0xf0, 0x75);
  stroke (h, KEY_A);
  out8 (h, 0x60, 0xf4);         /* this one empties the buffer */
  EXPECT (h, 0xfa);
  harness_free (h);
}
END_TEST

START_TEST (fast_typists_wait)
{
  Harness *h = keyboard (2);
  for (unsigned i = 0; i < 30; i++)
    stroke (h, KEY_1 + i % 9);
  harness_round_trip (h);
  static const uint8_t codes[] = { 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46 };
  for (unsigned i = 0; i < 30; i++) {
    ck_assert_int_eq (next_byte (h), codes[i % 9]);
    ck_assert_int_eq (next_byte (h), 0xf0);
    ck_assert_int_eq (next_byte (h), codes[i % 9]);
  }
  EXPECT_NOTHING (h);
  harness_free (h);
}
END_TEST

START_TEST (too_many_keys_overrun)
{
  Harness *h = keyboard (2);
  for (unsigned i = 0; i < 200; i++)
    stroke (h, KEY_A);
  for (unsigned i = 0; i < 5; i++) {
    ck_assert_int_eq (next_byte (h), 0x1c);
    ck_assert_int_eq (next_byte (h), 0xf0);
    ck_assert_int_eq (next_byte (h), 0x1c);
  }
  ck_assert_int_eq (next_byte (h), 0x1c);
  ck_assert_int_eq (next_byte (h), 0x00);
  ck_assert_int_eq (next_byte (h), 0xf0);       /* and on with what waited */
  out8 (h, 0x60, 0xf4);
  EXPECT (h, 0xfa);
  harness_free (h);
}
END_TEST

START_TEST (keys_are_let_go)
{
  Harness *h = keyboard (2);
  press (h, KEY_LEFTCTRL);
  press (h, KEY_A);
  EXPECT (h, 0x14, 0x1c);
  bp_input_release_all (harness_machine (h));
  EXPECT (h, 0xf0, 0x14, 0xf0, 0x1c);
  harness_advance (h, 2000 * MS);
  EXPECT_NOTHING (h);
  for (unsigned i = 0; i < 100; i++)
    press (h, KEY_A + i % 9);
  bp_input_release_all (harness_machine (h));
  uint8_t held[256] = { 0 };
  for (int byte = next_byte (h); byte >= 0; byte = next_byte (h))
    if (byte == 0xf0)
      held[next_byte (h)] = 0;
    else
      held[byte] = 1;
  for (unsigned i = 0; i < sizeof held; i++)
    ck_assert_msg (!held[i], "%x is still down", i);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("ps2-keyboard", the_keyboard_answers, a_test_takes_time, plain_keys, false_shifts, print_and_pause, set_1, linux_codes_are_set_1,
              set_3_has_modes, keys_repeat, scanning_is_switched, answers_go_before_keys, fast_typists_wait, too_many_keys_overrun, keys_are_let_go)
