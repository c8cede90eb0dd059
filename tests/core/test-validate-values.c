/* test-validate-values.c -- the limits of each kind of property, and what lies beyond; each good one is taken, each wrong one refused. */
/* SPDX-License-Identifier: MIT */
#include "validate.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = { "odd", "even", NULL };

static void
check (const BpProperty *p, const char *good, const char *wrong)
{
  g_auto (GStrv) goods = validate_good_values (p, "sample"), wrongs = validate_wrong_values (p);
  for (char **v = goods; *v; v++) {
    g_autofree char *bad = property_check (p, *v);
    ck_assert_msg (!bad, "%s", bad);
    if (strlen (*v) > 1000)
      memcpy (*v, "LONG", 5);
  }
  for (char **v = wrongs; *v; v++) {
    g_autofree char *bad = property_check (p, *v);
    ck_assert_msg (bad != NULL, "`%s` is taken", *v);
  }
  g_autofree char *goods_text = g_strjoinv ("|", goods), *wrongs_text = g_strjoinv ("|", wrongs);
  ck_assert_str_eq (goods_text, good);
  ck_assert_str_eq (wrongs_text, wrong);
}

#define ROW(...) (&(const BpProperty) { .name = "p", .help = "x", __VA_ARGS__ })

START_TEST (numbers)
{
  check (ROW (.kind = BP_PROPERTY_U8, .default_int = 3), "3|0|255", "256|-1|18446744073709551616|1e3|x|");
  check (ROW (.kind = BP_PROPERTY_U32, .default_int = 5, .min = 5, .max = 9), "5|9", "4|10|-1|18446744073709551616|1e3|x|");
  check (ROW (.kind = BP_PROPERTY_U64), "0|18446744073709551615", "-1|18446744073709551616|1e3|x|");
  check (ROW (.kind = BP_PROPERTY_I8), "0|-128|127", "-129|128|18446744073709551616|1e3|x|");
  check (ROW (.kind = BP_PROPERTY_I64), "0|-9223372036854775808|9223372036854775807", "18446744073709551616|1e3|x|");
  check (ROW (.kind = BP_PROPERTY_SIZE, .flags = BP_PROPERTY_REQUIRED, .min = 4096, .max = 8192), "4096|8192", "4095|8193|-1|18446744073709551616|1e3|x|");
}
END_TEST

START_TEST (words)
{
  check (ROW (.kind = BP_PROPERTY_BOOL, .default_int = 1), "on|off", "no-such-value|");
  check (ROW (.kind = BP_PROPERTY_ENUM, .names = names, .default_int = 1), "even|odd", "no-such-value|");
  check (ROW (.kind = BP_PROPERTY_STRING, .default_text = "d"), "d||x|a b\\c|%s%n%s%n|LONG", "");
  check (ROW (.kind = BP_PROPERTY_LIST), "|x|x,,y|%s%n%s%n|LONG|LONG", "");
  check (ROW (.kind = BP_PROPERTY_FILE), "sample|no-such-file|.", "");
  check (ROW (.kind = BP_PROPERTY_LINK, .interface_id = "bp.char/1"), "", "");
}
END_TEST

int
main (void)
{
  Suite *s = suite_create ("validate-values");
  TCase *c = tcase_create ("values");
  tcase_add_test (c, numbers);
  tcase_add_test (c, words);
  suite_add_tcase (s, c);
  return suite_run (s);
}
