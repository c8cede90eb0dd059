/* test-irq.c -- pins: propagation, several drivers, lines that change themselves. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <string.h>

#include "object.h"
#include "../suite.h"

typedef struct Chip {
  BpPin *irq;
  BpPin *gates[2];
  BpPin *late;
  int level[4];
  unsigned n_calls;
  BpPin *answer;                /* driven from inside the callback */
  bool inverts;
} Chip;

static void
chip_set (void *self, unsigned index, int level)
{
  Chip *chip = self;
  chip->level[index] = level;
  chip->n_calls++;
  if (chip->answer) {
    bp_pin_set (chip->answer, chip->inverts ? !level : 0);
  }
}

static bool
chip_configure (void *self, GError **error)
{
  Chip *chip = self;
  chip->late = bp_pin_new_out (chip, "late", "made by configure");
  return chip->late != NULL;
}

static const BpPinDesc pins[] = {
  BP_PIN_DESC_OUT ("irq", Chip, irq, 0, "the interrupt"),
  BP_PIN_DESC_OUTS ("gate", Chip, gates, 2, 0, "gates"),
  BP_PIN_DESC_IN ("in", 4, chip_set, 0, "inputs"),
  BP_PIN_DESC_IN ("shared", 1, chip_set, BP_PIN_WIRED_OR, "an input for many"),
  BP_PIN_DESC_END,
};
static const BpTypeDesc type = { BP_TYPE ("chip", BP_KIND_DEVICE, Chip), .description = "a chip",
                                 .pins = pins, .configure = chip_configure };

static BpObject *a, *b, *c;

static Chip *
chip (BpObject *object)
{
  return object_instance (object);
}

static BpPin *
pin (BpObject *object, const char *name)
{
  ObjectPin *entry = object_pin (object, name);
  ck_assert_ptr_nonnull (entry);
  return entry->pin;
}

static void
setup (void)
{
  a = object_new (&type, "a", NULL);
  b = object_new (&type, "b", NULL);
  c = object_new (&type, "c", NULL);
}

static void
teardown (void)
{
  object_free (a);
  object_free (b);
  object_free (c);
}

START_TEST (a_change_reaches_every_input_once) {
  setup ();
  ck_assert (pin_connect (chip (a)->irq, pin (b, "in3"), NULL));
  ck_assert (pin_connect (chip (a)->irq, pin (c, "in0"), NULL));
  bp_pin_raise (chip (a)->irq);
  bp_pin_raise (chip (a)->irq);
  ck_assert_int_eq (chip (b)->level[3], 1);
  ck_assert_uint_eq (chip (b)->n_calls, 1);
  ck_assert_uint_eq (chip (c)->n_calls, 1);
  ck_assert_int_eq (bp_pin_level (chip (a)->irq), 1);
  bp_pin_lower (chip (a)->irq);
  ck_assert_int_eq (chip (b)->level[3], 0);
  bp_pin_pulse (chip (a)->irq);
  ck_assert_uint_eq (chip (b)->n_calls, 4);
  teardown ();
}
END_TEST

START_TEST (unwired_and_null_swallow) {
  setup ();
  bp_pin_raise (chip (a)->irq);
  bp_pin_raise (NULL);
  ck_assert_int_eq (bp_pin_level (NULL), 0);
  ck_assert (!pin_is_connected (chip (a)->irq));
  teardown ();
}
END_TEST

START_TEST (wired_or_is_high_while_any_is) {
  setup ();
  ck_assert (pin_connect (chip (a)->irq, pin (c, "shared"), NULL));
  ck_assert (pin_connect (chip (b)->irq, pin (c, "shared"), NULL));
  bp_pin_raise (chip (a)->irq);
  bp_pin_raise (chip (b)->irq);
  bp_pin_lower (chip (a)->irq);
  ck_assert_int_eq (chip (c)->level[0], 1);
  ck_assert_uint_eq (chip (c)->n_calls, 1);
  bp_pin_lower (chip (b)->irq);
  ck_assert_int_eq (chip (c)->level[0], 0);
  ck_assert_uint_eq (chip (c)->n_calls, 2);
  teardown ();
}
END_TEST

static void
refused (BpPin *out, BpPin *in, const char *because)
{
  GError *error = NULL;
  ck_assert (!pin_connect (out, in, &error));
  ck_assert_msg (strstr (error->message, because) != NULL, "%s", error->message);
  g_error_free (error);
}

START_TEST (wrong_wires_are_refused) {
  setup ();
  ck_assert (pin_connect (chip (a)->irq, pin (c, "in1"), NULL));
  refused (chip (b)->irq, pin (c, "in1"), "c.in1 has two drivers, a.irq and b.irq");
  refused (chip (a)->irq, pin (c, "in1"), "already wired");
  refused (pin (a, "in0"), pin (c, "in2"), "a.in0 is an input");
  refused (chip (a)->irq, chip (b)->irq, "b.irq is an output");
  teardown ();
}
END_TEST

START_TEST (names_and_targets) {
  setup ();
  BpPin *in = pin (c, "in2");
  ck_assert (pin_connect (chip (a)->gates[1], in, NULL));
  g_autofree char *out_path = pin_path (chip (a)->gates[1]), *in_path = pin_path (in);
  ck_assert_str_eq (out_path, "a.gate1");
  ck_assert_str_eq (in_path, "c.in2");
  ck_assert_ptr_eq (pin (a, "gate1"), chip (a)->gates[1]);
  ck_assert_ptr_null (object_pin (a, "in4"));
  g_autoptr (GPtrArray) targets = pin_targets (chip (a)->gates[1]);
  ck_assert_uint_eq (targets->len, 1);
  ck_assert_ptr_eq (g_ptr_array_index (targets, 0), in);
  ck_assert_ptr_eq (pin_owner (in), c);
  teardown ();
}
END_TEST

START_TEST (an_input_that_answers_at_once) {
  setup ();
  /* b lowers the line from inside its own callback: c, which is wired after b, ends up low as well */
  ck_assert (pin_connect (chip (a)->irq, pin (b, "in0"), NULL));
  ck_assert (pin_connect (chip (a)->irq, pin (c, "in0"), NULL));
  chip (b)->answer = chip (a)->irq;
  bp_pin_raise (chip (a)->irq);
  ck_assert_int_eq (bp_pin_level (chip (a)->irq), 0);
  ck_assert_int_eq (chip (b)->level[0], 0);
  ck_assert_int_eq (chip (c)->level[0], 0);
  teardown ();
}
END_TEST

START_TEST (a_ring_that_never_settles) {
  setup ();
  ck_assert (pin_connect (chip (a)->irq, pin (b, "in0"), NULL));
  chip (b)->answer = chip (a)->irq;
  chip (b)->inverts = true;
  bp_pin_raise (chip (a)->irq);         /* warns, and comes back */
  ck_assert_uint_lt (chip (b)->n_calls, 1000);
  teardown ();
}
END_TEST

START_TEST (reset_is_silent) {
  setup ();
  ck_assert (pin_connect (chip (a)->irq, pin (c, "shared"), NULL));
  bp_pin_raise (chip (a)->irq);
  pin_reset (chip (a)->irq);
  ck_assert_uint_eq (chip (c)->n_calls, 1);
  ck_assert_int_eq (bp_pin_level (chip (a)->irq), 0);
  ck_assert_int_eq (bp_pin_level (pin (c, "shared")), 0);
  bp_pin_raise (chip (a)->irq);
  ck_assert_uint_eq (chip (c)->n_calls, 2);
  bp_pin_lower (chip (a)->irq);
  ck_assert_int_eq (chip (c)->level[0], 0);
  teardown ();
}
END_TEST

START_TEST (driving_an_input_by_hand) {
  setup ();
  bp_pin_raise (pin (b, "in1"));
  ck_assert_int_eq (chip (b)->level[1], 1);
  bp_pin_lower (pin (b, "in1"));
  ck_assert_int_eq (chip (b)->level[1], 0);
  teardown ();
}
END_TEST

START_TEST (pins_of_configure) {
  setup ();
  ck_assert (object_configure (a, NULL));
  ck_assert_ptr_eq (pin (a, "late"), chip (a)->late);
  ck_assert (pin_connect (chip (a)->late, pin (b, "in2"), NULL));
  bp_pin_raise (chip (a)->late);
  ck_assert_int_eq (chip (b)->level[2], 1);
  teardown ();
}
END_TEST

START_TEST (freeing_an_end_unwires) {
  setup ();
  ck_assert (pin_connect (chip (a)->irq, pin (c, "shared"), NULL));
  ck_assert (pin_connect (chip (b)->irq, pin (c, "shared"), NULL));
  bp_pin_raise (chip (a)->irq);
  object_free (a);
  bp_pin_raise (chip (b)->irq);
  bp_pin_lower (chip (b)->irq);
  ck_assert_int_eq (bp_pin_level (pin (c, "shared")), 0);
  object_free (c);
  bp_pin_raise (chip (b)->irq);
  object_free (b);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("irq");
  TCase *tests = tcase_create ("irq");
  tcase_add_test (tests, a_change_reaches_every_input_once);
  tcase_add_test (tests, unwired_and_null_swallow);
  tcase_add_test (tests, wired_or_is_high_while_any_is);
  tcase_add_test (tests, wrong_wires_are_refused);
  tcase_add_test (tests, names_and_targets);
  tcase_add_test (tests, an_input_that_answers_at_once);
  tcase_add_test (tests, a_ring_that_never_settles);
  tcase_add_test (tests, reset_is_silent);
  tcase_add_test (tests, driving_an_input_by_hand);
  tcase_add_test (tests, pins_of_configure);
  tcase_add_test (tests, freeing_an_end_unwires);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
