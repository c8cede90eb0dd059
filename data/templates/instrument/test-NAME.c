/* test-@{name}.c -- code that the test makes up, and what the instrument says of it. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include <backplane/test-instrument.h>
#include <string.h>

/* The number behind a name in the report's text. */
static uint64_t
reported (BpTest *t, const char *name)
{
  char *text = bp_test_report (t, "counts");
  const char *at = strstr (text, name);
  bp_test_expect (at != NULL);
  uint64_t value = 0;
  for (at += strlen (name); *at && *at != '\n'; at++)
    if (g_ascii_isdigit (*at))
      value = value * 10 + (uint64_t) (*at - '0');      /* 1,234 */
  g_free (text);
  return value;
}

BP_TEST (instructions_and_accesses_are_counted)
{
  BpTest *t = bp_test_new (NULL, "[instrument counts]\nmodule = @{name}\ntype = @{name}\n");
  BpTestCode *c = bp_test_code_new (t, 0x1000, 3, 4);
  bp_test_code_access (c, 1, BP_LOADS, 0x8000, 4, 0);
  bp_test_code_access (c, 2, BP_LOADS, 0x8004, 4, 0);
  bp_test_code_access (c, 2, BP_STORES, 0x8004, 4, 1);
  bp_test_code_run (c, 0, 100);
  bp_test_code_run (c, 1, 11);
  bp_test_expect_eq (reported (t, "Instructions"), 333);
  bp_test_expect_eq (reported (t, "Loads"), 222);
  bp_test_expect_eq (reported (t, "Stores"), 111);
  bp_test_free (t);
}

BP_TEST (a_range_is_counted_apart)
{
  BpTest *t = bp_test_new (NULL, "[instrument counts]\nmodule = @{name}\ntype = @{name}\nfirst = 0x1004\nlast = 0x1007\n");
  bp_test_code_run (bp_test_code_new (t, 0x1000, 4, 4), 0, 10);
  bp_test_expect_eq (reported (t, "Instructions"), 40);
  bp_test_expect_eq (reported (t, "In the range"), 10);
  bp_test_free (t);
}

BP_TEST (an_empty_range_is_refused)
{
  char *why = bp_test_refusal (NULL, "[instrument counts]\nmodule = @{name}\ntype = @{name}\nfirst = 2\nlast = 1\n");
  bp_test_expect_has (why, "first = 0x2 is behind last = 0x1");
  g_free (why);
}

BP_TEST_MAIN ("@{name}", &instructions_and_accesses_are_counted, &a_range_is_counted_apart, &an_empty_range_is_refused)
