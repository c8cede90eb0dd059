/* test-@{name}.c -- the bus with two devices, and what cannot be on it. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include <backplane/test.h>
#include "@{name}.h"

enum { PLACE = 0x300, DATA, PRESENT, WAITING };

#define BUS "[device bus]\nmodule = @{name}\ntype = @{name}-controller\npio0 = io@0x300\nirq = probe.in0\n[device probe]\ntype = test-probe\n"
#define ECHO(id, more) "[device " id "]\nmodule = @{name}\ntype = @{name}-echo\nbus = bus\n" more
static const char machine[] = BUS ECHO ("a", "place = 3\n") ECHO ("b", "place = 5\nupper = on\n");

BP_TEST (devices_are_at_their_places)
{
  BpTest *t = bp_test_new (NULL, machine);
  unsigned found = 0;
  for (uint8_t i = 0; i < @{C_NAME}_PLACES; i++) {
    bp_test_out8 (t, PLACE, i);
    found |= (unsigned) bp_test_in8 (t, PRESENT) << i;
  }
  bp_test_expect_eq (found, 1 << 3 | 1 << 5);
  bp_test_expect_eq (bp_test_in8 (t, DATA), 0xff);
  bp_test_free (t);
}

BP_TEST (each_answers_for_itself)
{
  BpTest *t = bp_test_new (NULL, machine);
  bp_test_out8 (t, PLACE, 3);
  bp_test_out8 (t, DATA, 'x');
  bp_test_out8 (t, PLACE, 5);
  bp_test_out8 (t, DATA, 'y');
  bp_test_expect_level (t, "bus.irq", 1);
  bp_test_expect_eq (bp_test_in8 (t, WAITING), 3);
  bp_test_expect_eq (bp_test_in8 (t, DATA), 'Y');
  bp_test_expect_level (t, "bus.irq", 1);
  bp_test_out8 (t, PLACE, 3);
  bp_test_expect_eq (bp_test_in8 (t, DATA), 'x');
  bp_test_expect_level (t, "bus.irq", 0);
  bp_test_expect_eq (bp_test_in8 (t, WAITING), 0xff);
  bp_test_free (t);
}

BP_TEST (state_survives)
{
  BpTest *a = bp_test_new (NULL, machine), *b = bp_test_new (NULL, machine);
  bp_test_out8 (a, PLACE, 5);
  bp_test_out8 (a, DATA, 'z');
  unsigned rises = bp_test_rises (b, "probe", 0), falls = bp_test_falls (b, "probe", 0);
  bp_test_copy (a, b);
  bp_test_expect_level (b, "bus.irq", 1);
  bp_test_expect_eq (bp_test_rises (b, "probe", 0), rises);     /* a load is no edge */
  bp_test_expect_eq (bp_test_falls (b, "probe", 0), falls);
  bp_test_expect_eq (bp_test_in8 (b, DATA), 'Z');
  bp_test_free (a);
  bp_test_free (b);
}

BP_TEST (a_reset_forgets)
{
  BpTest *t = bp_test_new (NULL, machine), *fresh = bp_test_new (NULL, machine);
  bp_test_out8 (t, PLACE, 5);
  bp_test_expect_eq (bp_test_in8 (t, PLACE), 5);
  bp_test_out8 (t, DATA, 'a');
  for (unsigned i = 0; i < 20; i++) {   /* round and round */
    bp_test_out8 (t, DATA, (uint8_t) ('b' + i));
    bp_test_expect_eq (bp_test_in8 (t, DATA), 'A' + i);
  }
  bp_test_reset (t, BP_RESET_WARM);
  bp_test_expect_level (t, "bus.irq", 0);
  bp_test_expect_same (t, fresh);
  bp_test_free (t);
  bp_test_free (fresh);
}

BP_TEST (two_cannot_be_at_one_place)
{
  char *why = bp_test_refusal (NULL, BUS ECHO ("a", "place = 3\n") ECHO ("b", "place = 3\n"));
  bp_test_expect_has (why, "the place 3 on `bus` is taken");
  g_free (why);
}

BP_TEST (too_much_is_logged)
{
  BpTest *t = bp_test_new (NULL, machine);
  bp_test_keep_log ("guest_errors");
  bp_test_out8 (t, PLACE, 3);
  for (unsigned i = 0; i < 17; i++)
    bp_test_out8 (t, DATA, 'a');
  char *log = bp_test_take_log ();
  bp_test_expect_str (log, "a: guest_errors: there is no room: the byte 0x61 is lost\n");
  g_free (log);
  bp_test_free (t);
}

BP_TEST_MAIN ("@{name}", &devices_are_at_their_places, &each_answers_for_itself, &state_survives, &a_reset_forgets, &two_cannot_be_at_one_place, &too_much_is_logged)
