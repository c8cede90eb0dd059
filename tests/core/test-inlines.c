/* test-inlines.c -- what public headers compute themselves: places on buses from text, products that do not overflow. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/ata.h>
#include <backplane/bus/pci.h>
#include <backplane/clock.h>
#include <check.h>

#include "../suite.h"

START_TEST (places_on_a_pci_bus)
{
  static const char *const none[] = { "", ".", "3", "3.", ".3", "20.0", "1f.8", "3.0 ", " 3.0", "+3.+0", "0x3.0", "-3.0", "3.-0", "3. 0", "3.0.0", "100000003.0", "3.4294967296",
                                      "-ffffffe1.0", "3.10", "g.0", "3.a", "3.\n1" };
  ck_assert_int_eq (bp_pci_address_parse ("3.0"), 24);
  ck_assert_int_eq (bp_pci_address_parse ("03.0"), 24);
  ck_assert_int_eq (bp_pci_address_parse ("0.0"), 0);
  ck_assert_int_eq (bp_pci_address_parse ("1f.7"), 255);
  ck_assert_int_eq (bp_pci_address_parse ("1F.7"), 255);
  ck_assert_int_eq (bp_pci_address_parse (NULL), -1);
  for (unsigned i = 0; i < BP_N_ELEMENTS (none); i++)
    ck_assert_msg (bp_pci_address_parse (none[i]) == -1, "`%s` is a place", none[i]);
}
END_TEST

START_TEST (places_on_an_ata_bus)
{
  static const char *const none[] = { "", ".", "1", "1.", ".1", "0.2", "128.0", " 1.0", "1. 1", "-0.1", "+0.1", "1.0 ", "1.0.0", "4294967296.1", "0.4294967296", "a.0" };
  ck_assert_int_eq (bp_ata_address_parse ("0.0"), 0);
  ck_assert_int_eq (bp_ata_address_parse ("1.0"), 2);
  ck_assert_int_eq (bp_ata_address_parse ("127.1"), 255);
  ck_assert_int_eq (bp_ata_address_parse (NULL), -1);
  for (unsigned i = 0; i < BP_N_ELEMENTS (none); i++)
    ck_assert_msg (bp_ata_address_parse (none[i]) == -1, "`%s` is a place", none[i]);
}
END_TEST

START_TEST (products)
{
  ck_assert_uint_eq (bp_muldiv (BP_NS_PER_SECOND, 1193182, BP_NS_PER_SECOND), 1193182);
  ck_assert_uint_eq (bp_muldiv (UINT64_MAX, 3, 4), UINT64_MAX / 4 * 3 + 2);
  /* rates above 4 GHz, and periods of more than four seconds */
  ck_assert_uint_eq (bp_muldiv (BP_NS_PER_SECOND, 5000000000, BP_NS_PER_SECOND), 5000000000);
  ck_assert_uint_eq (bp_muldiv (5000000000, BP_NS_PER_SECOND, 5000000000), BP_NS_PER_SECOND);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("inlines");
  TCase *tests = tcase_create ("inlines");
  tcase_add_test (tests, places_on_a_pci_bus);
  tcase_add_test (tests, places_on_an_ata_bus);
  tcase_add_test (tests, products);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
