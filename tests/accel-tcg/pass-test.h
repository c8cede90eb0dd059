/* pass-test.h -- a table of blocks and what one pass makes of them. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PASS_TEST_H
#define TESTS_PASS_TEST_H

#include "fake-cpu.h"
#include "../suite.h"
#include <check.h>
#include <string.h>

typedef struct PassCase {
  const char *what;
  const char *in, *out;         /* blocks as text; an insn_start comes before and "exit_tb 2" after */
} PassCase;

static inline char *
pass_test_print (const BpIrBlock *ir)
{
  GString *text = g_string_new (NULL);
  ir_print (ir, text);
  return g_string_free (text, FALSE);
}

static inline void
pass_test_parse (BpIrBlock *ir, const char *what, const char *body)
{
  GError *error = NULL;
  char *text = g_strdup_printf ("insn_start 0x1000, 0x0\n%s\n  exit_tb 2\n", body);
  fake_cpu_block_init (ir);
  if (!ir_parse (ir, text, &error))
    ck_abort_msg ("%s: %s\n%s", what, error->message, text);
  g_free (text);
}

static inline void
pass_test_run (const PassCase *cases, unsigned n, void (*pass) (BpIrBlock *ir))
{
  for (unsigned i = 0; i < n; i++) {
    BpIrBlock in, out;
    GError *error = NULL;
    pass_test_parse (&in, cases[i].what, cases[i].in);
    pass_test_parse (&out, cases[i].what, cases[i].out);
    if (!ir_verify (&in, &error))
      ck_abort_msg ("%s: %s", cases[i].what, error->message);
    pass (&in);
    if (!ir_verify (&in, &error))
      ck_abort_msg ("%s, after the pass: %s", cases[i].what, error->message);
    char *is = pass_test_print (&in), *want = pass_test_print (&out);
    ck_assert_msg (strcmp (is, want) == 0, "%s: is\n%s\nnot\n%s", cases[i].what, is, want);
    g_free (is);
    g_free (want);
    bp_ir_block_finish (&in);
    bp_ir_block_finish (&out);
  }
}

static inline int
pass_test_main (const char *name, const TTest *const *tests, unsigned n)
{
  Suite *suite = suite_create (name);
  TCase *tcase = tcase_create ("all");
  for (unsigned i = 0; i < n; i++)
    tcase_add_test (tcase, tests[i]);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}

#endif
