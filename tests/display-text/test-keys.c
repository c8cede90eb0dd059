/* test-keys.c -- what terminals send for keys, and what becomes of bytes that no terminal sends. */
/* SPDX-License-Identifier: MIT */
#include "display-text/keys.h"
#include "../suite.h"
#include <backplane/iface/input.h>
#include <check.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>

static void
note (void *user, Chord chord)
{
  GString *s = user;
  ck_assert (chord.key != 0 && bp_input_key_name (chord.key));
  g_string_append_printf (s, "%s%s%s%s%s", s->len ? " " : "", chord.modifiers & CHORD_CTRL ? "C-" : "", chord.modifiers & CHORD_ALT ? "A-" : "",
                          chord.modifiers & CHORD_SHIFT ? "S-" : "", bp_input_key_name (chord.key));
}

static char *
keys_of (const char *bytes, size_t n)
{
  KeyParser p = { .count = 0 };
  GString *s = g_string_new (NULL);
  keys_take (&p, (const uint8_t *) bytes, n, note, s);
  keys_settle (&p, note, s);
  ck_assert (!keys_are_pending (&p));
  return g_string_free (s, FALSE);
}

static const struct { const char *bytes, *keys; } cases[] = {
  { "aZ1!", "a S-z 1 S-1" },
  { "\r\n\t\x7f\b", "ret ret tab backspace backspace" },
  { "\x03\x1a\x01", "C-c C-z C-a" },
  { "\x1c\x1d\x1e\x1f", "C-backslash C-bracket_right C-6 C-minus" },
  { "\033", "esc" },
  { "\033\033", "esc esc" },
  { "\033x\033X\033\x18", "A-x A-S-x C-A-x" },
  { "\033[", "A-bracket_left" },
  { "\033O", "A-S-o" },
  { "\033[A\033[B\033[C\033[D\033[H\033[F", "up down right left home end" },
  { "\033OA\033OP\033OS", "up f1 f4" },
  { "\033[1;5C\033[1;2A\033[1;3B\033[1;6D", "C-right S-up A-down C-S-left" },
  { "\033[2~\033[3~\033[5~\033[6~\033[1~\033[4~\033[7~\033[8~", "insert delete pgup pgdn home end home end" },
  { "\033[11~\033[15~\033[17~\033[21~\033[23~\033[24~", "f1 f5 f6 f10 f11 f12" },
  { "\033[3;5~\033[24;2~\033[25~", "C-delete S-f12 S-f1" },
  { "\033[1;2P\033O5P", "S-f1 C-f1" },
  { "\033[[A\033[[E", "f1 f5" },                        /* Linux's console */
  { "\033[3$\033[3^\033[3@\033[a\033Oa", "S-delete C-delete C-S-delete S-up C-up" },    /* rxvt */
  { "\033[Z", "S-tab" },
  { "\033[97;5u", "C-a" },
  { "\033Op\033OM\033Ok", "kp_0 kp_enter kp_add" },
  { "\xc3\xa4" "a", "a" },                             /* no key has it */
  { "\033[<0;1;1M\033[?1;2c" "a", "a" },               /* a mouse, an answer */
  { "\033[99999999999~a", "a" },
  { "\033[1;2\033[A", "up" },                          /* cut short */
  { "\033[200~hi\033[201~", "h i" },
};

START_TEST (sequences)
{
  g_autofree char *keys = keys_of (cases[_i].bytes, strlen (cases[_i].bytes));
  ck_assert_str_eq (keys, cases[_i].keys);
}
END_TEST

START_TEST (a_zero_is_ctrl_space)
{
  g_autofree char *keys = keys_of ("", 1);
  ck_assert_str_eq (keys, "C-spc");
}
END_TEST

/* In whatever pieces the bytes come. */
START_TEST (pieces)
{
  KeyParser p = { .count = 0 };
  GString *s = g_string_new (NULL);
  static const char bytes[] = "\033[1;5C";
  for (unsigned i = 0; i < 6; i++) {
    ck_assert_uint_eq (s->len, 0);
    keys_take (&p, (const uint8_t *) bytes + i, 1, note, s);
  }
  ck_assert_str_eq (s->str, "C-right");
  ck_assert (!keys_are_pending (&p));
  g_string_free (s, TRUE);
}
END_TEST

START_TEST (anything)
{
  GRand *random = g_rand_new_with_seed (1);
  static const char likely[] = "\033\033\033[[[OO123456;;~$^@<?ABCu";
  for (unsigned round = 0; round < 20000; round++) {
    char bytes[64];
    size_t n = (size_t) g_rand_int_range (random, 0, sizeof bytes);
    for (size_t i = 0; i < n; i++)
      bytes[i] = g_rand_boolean (random) ? likely[g_rand_int_range (random, 0, sizeof likely - 1)] : (char) g_rand_int (random);
    g_free (keys_of (bytes, n));
  }
  g_rand_free (random);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("keys");
  TCase *all = tcase_create ("all");
  tcase_add_loop_test (all, sequences, 0, G_N_ELEMENTS (cases));
  tcase_add_test (all, a_zero_is_ctrl_space);
  tcase_add_test (all, pieces);
  tcase_add_test (all, anything);
  suite_add_tcase (suite, all);
  return suite_run (suite);
}
