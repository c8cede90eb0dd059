/* test-input.c -- keys by name and by character, and who gets an event. */
/* SPDX-License-Identifier: MIT */
#include "toy.h"
#include "../suite.h"
#include <backplane/iface/input.h>
#include <check.h>
#include <linux/input-event-codes.h>

START_TEST (names)
{
  ck_assert_uint_eq (bp_input_key_code ("ret"), KEY_ENTER);
  ck_assert_uint_eq (bp_input_key_code ("ctrl_r"), KEY_RIGHTCTRL);
  ck_assert_uint_eq (bp_input_key_code ("no such key"), 0);
  ck_assert_str_eq (bp_input_key_name (KEY_SPACE), "spc");
  ck_assert_ptr_null (bp_input_key_name (KEY_MAX));
  for (unsigned code = 1; code < 256; code++)
    if (bp_input_key_name (code))
      ck_assert_uint_eq (bp_input_key_code (bp_input_key_name (code)), code);
}
END_TEST

START_TEST (every_character_of_a_keyboard)
{
  for (char c = ' '; c <= '~'; c++) {
    bool shift = false;
    ck_assert_msg (bp_input_key_of_character (c, &shift) != 0, "no key for `%c`", c);
    ck_assert_int_eq (shift, (c >= 'A' && c <= 'Z') || strchr ("~!@#$%^&*()_+{}|:\"<>?", c) != NULL);
  }
  bool shift;
  ck_assert_uint_eq (bp_input_key_of_character ('\n', &shift), KEY_ENTER);
  ck_assert_uint_eq (bp_input_key_of_character (0, &shift), 0);
}
END_TEST

/* The first of two that takes the kind has it. */
START_TEST (routes)
{
  g_autofree char *errors = NULL;
  BpMachine *m = toy_build ("[device deaf]\ntype = toy-keyboard\nkinds = 0\n[device near]\ntype = toy-keyboard\nkinds = 3\n"
                            "[device far]\ntype = toy-keyboard\nkinds = 7\n", NULL, &errors);
  ck_assert_msg (m != NULL, "%s", errors);
  ck_assert (machine_realize (m, NULL));
  toy_forget ();
  ck_assert (bp_input_send_key (m, KEY_A, true));
  ck_assert (bp_input_send_relative (m, 3, -4, 0, BP_INPUT_LEFT));
  ck_assert (bp_input_send_absolute (m, 99999, 5, 1, 0));
  ck_assert_uint_eq (toy_events->len, 3);
  ck_assert_str_eq (toy_events->pdata[0], "key 30 1 near");
  ck_assert_str_eq (toy_events->pdata[1], "relative 3 -4 0 1 near");
  ck_assert_str_eq (toy_events->pdata[2], "absolute 32767 5 1 0 far");
  bp_input_release_all (m);
  ck_assert_uint_eq (toy_events->len, 6);
  ck_assert_str_eq (toy_events->pdata[3], "release deaf");
  ck_assert_str_eq (toy_events->pdata[5], "release far");
  toy_free (m);
  m = toy_build ("[device deaf]\ntype = toy-keyboard\nkinds = 0\n", NULL, &errors);
  ck_assert (!bp_input_send_key (m, KEY_A, true));
  ck_assert (!bp_input_send_relative (m, 0, 0, 0, 0));
  ck_assert (!bp_input_send_absolute (m, 0, 0, 0, 0));
  toy_free (m);
}
END_TEST

/* A later one that is preferred goes before it. */
START_TEST (preferred)
{
  g_autofree char *errors = NULL;
  BpMachine *m = toy_build ("[device near]\ntype = toy-keyboard\nkinds = 7\n[device far]\ntype = toy-keyboard\nkinds = 9\n"
                            "[device later]\ntype = toy-keyboard\nkinds = 15\n", NULL, &errors);
  ck_assert_msg (m != NULL, "%s", errors);
  ck_assert (machine_realize (m, NULL));
  toy_forget ();
  ck_assert (bp_input_send_key (m, KEY_A, true));
  ck_assert (bp_input_send_relative (m, 1, 1, 0, 0));
  ck_assert_str_eq (toy_events->pdata[0], "key 30 1 far");
  ck_assert_str_eq (toy_events->pdata[1], "relative 1 1 0 0 later");
  toy_free (m);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("input");
  TCase *tcase = tcase_create ("all");
  tcase_add_test (tcase, names);
  tcase_add_test (tcase, every_character_of_a_keyboard);
  tcase_add_test (tcase, routes);
  tcase_add_test (tcase, preferred);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
