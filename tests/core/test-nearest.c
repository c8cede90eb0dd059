/* test-nearest.c -- which name a mistyped one was meant to be. */
/* SPDX-License-Identifier: MIT */

#include <check.h>

#include "object.h"
#include "../suite.h"

static const char *const keys[] = { "size", "prealloc",   "share",     "frequency",
                                    "irq",  "uart-16550", "uart-mmio", NULL };

START_TEST (one_edit) {
  ck_assert_str_eq (nearest_name ("sise", keys), "size");
  ck_assert_str_eq (nearest_name ("siz", keys), "size");
  ck_assert_str_eq (nearest_name ("ssize", keys), "size");
  ck_assert_str_eq (nearest_name ("qri", (const char *const[]) { "qir", NULL }), "qir");
}
END_TEST

START_TEST (swapped_neighbours_count_once) {
  /* a transposition of two letters in a three-letter word is one edit, and one is allowed */
  ck_assert_str_eq (nearest_name ("iqr", keys), "irq");
}
END_TEST

START_TEST (case_and_underscore_do_not_matter) {
  ck_assert_str_eq (nearest_name ("IRQ", keys), "irq");
  ck_assert_str_eq (nearest_name ("uart_16550", keys), "uart-16550");
}
END_TEST

START_TEST (longer_words_allow_more) {
  ck_assert_str_eq (nearest_name ("freqency", keys), "frequency");
  ck_assert_str_eq (nearest_name ("frekwensy", keys), "frequency");
}
END_TEST

START_TEST (nothing_is_near) {
  ck_assert_ptr_null (nearest_name ("backend", keys));
  ck_assert_ptr_null (nearest_name ("", keys));
  ck_assert_ptr_null (nearest_name ("x", (const char *const[]) { "y", NULL }));
  ck_assert_ptr_null (nearest_name ("size", (const char *const[]) { NULL }));
}
END_TEST

START_TEST (the_nearest_wins) {
  const char *const names[] = { "pio1", "mmio0", "pio0", NULL };
  ck_assert_str_eq (nearest_name ("poi0", names), "pio0");
}
END_TEST

START_TEST (an_abbreviation) {
  ck_assert_str_eq (nearest_name ("uart", keys), "uart-16550");
  ck_assert_ptr_null (nearest_name ("prea", keys));
}
END_TEST

/* Other programs' names say more: their buses, their makers. */
START_TEST (a_name_with_more_to_it) {
  const char *const names[] = { "virtio-pci", "virtio", "virtio-net", "virtio-rng", "size", "size-max", NULL };
  ck_assert_str_eq (nearest_name ("virtio-net-device", names), "virtio-net");
  ck_assert_str_eq (nearest_name ("virtio_rng-pci", names), "virtio-rng");
  ck_assert_str_eq (nearest_name ("virtio-unheard-of", names), "virtio");
  ck_assert_str_eq (nearest_name ("size-mx", names), "size-max");       /* a slip comes first */
  ck_assert_ptr_null (nearest_name ("networking", names));
}
END_TEST

START_TEST (the_last_part)
{
  const char *const names[] = { "accel-kvm", "accel-tcg", "tcg-cache", "kvm", NULL };
  ck_assert_str_eq (nearest_name ("tcg", names), "tcg-cache");  /* how it begins says more */
  ck_assert_str_eq (nearest_name ("kvm", (const char *const[]) { "accel-kvm", NULL }), "accel-kvm");
  ck_assert_ptr_null (nearest_name ("vm", (const char *const[]) { "accel-kvm", NULL }));
  ck_assert_ptr_null (nearest_name ("accel-kvm", (const char *const[]) { "vm", NULL }));
}
END_TEST

START_TEST (very_long_words) {
  g_autofree char *longest = g_strnfill (10000, 'a');
  const char *const names[] = { longest, NULL };
  ck_assert_ptr_null (nearest_name (longest, keys));
  ck_assert_ptr_null (nearest_name ("aaaa", names));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("nearest");
  TCase *tests = tcase_create ("nearest");
  tcase_add_test (tests, one_edit);
  tcase_add_test (tests, swapped_neighbours_count_once);
  tcase_add_test (tests, case_and_underscore_do_not_matter);
  tcase_add_test (tests, longer_words_allow_more);
  tcase_add_test (tests, nothing_is_near);
  tcase_add_test (tests, the_nearest_wins);
  tcase_add_test (tests, an_abbreviation);
  tcase_add_test (tests, a_name_with_more_to_it);
  tcase_add_test (tests, the_last_part);
  tcase_add_test (tests, very_long_words);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
