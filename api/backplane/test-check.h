/* test-check.h -- libbackplane-test in a suite of Check; test.h includes it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  In a test that Check runs, a failure of the harness is a failure of that test.  It is inline, so that the library needs no Check.
 */
#ifndef BACKPLANE_TEST_CHECK_H
#define BACKPLANE_TEST_CHECK_H

#include <backplane/common.h>
BP_BEGIN_DECLS

/* Who is told of a failure; it does not return.  NULL: the message goes to stderr and the process ends with 1. */
typedef void BpTestFailed (const char *file, int line, const char *message);
BP_EXPORT void bp_test_on_failure (BpTestFailed *failed);

BP_END_DECLS
#endif

/* Once <check.h> was there: test.h, which includes this header, may come before it. */
#if defined CHECK_MAJOR_VERSION && !defined BACKPLANE_TEST_CHECK_INLINE_
#define BACKPLANE_TEST_CHECK_INLINE_
BP_BEGIN_DECLS

static inline void
bp_test_check_failed (const char *file, int line, const char *message)
{
  ck_abort_msg ("%s:%d: %s", file, line, message);
}

static inline void bp_test_use_check (void) { bp_test_on_failure (bp_test_check_failed); }

/* Runs tests of START_TEST; the program's exit code. */
static inline int
bp_test_check_run (const char *name, const TTest *const *tests, unsigned n)
{
  Suite *suite = suite_create (name);
  TCase *all = tcase_create (name);
  for (unsigned i = 0; i < n; i++)
    tcase_add_test (all, tests[i]);
  tcase_set_timeout (all, 60);
  suite_add_tcase (suite, all);
  SRunner *runner = srunner_create (suite);
  bp_test_use_check ();
  srunner_run_all (runner, CK_NORMAL);
  int failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}

/* BP_TEST_CHECK_MAIN ("my-device", one_test, another) */
#define BP_TEST_CHECK_MAIN(name_, ...) \
  int \
  main (void) \
  { \
    const TTest *const tests[] = { __VA_ARGS__ }; \
    return bp_test_check_run (name_, tests, BP_N_ELEMENTS (tests)); \
  }

BP_END_DECLS
#endif
