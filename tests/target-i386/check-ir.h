/* check-ir.h -- IR that the translator makes in a test: verified, and printed when it is wrong or somebody wants to see it. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CHECK_IR_H
#define TESTS_CHECK_IR_H

#include "accel-tcg/backend.h"

static inline void
print_ir (const char *what, const BpIrBlock *ir)
{
  GString *text = g_string_new (NULL);
  ir_print (ir, text);
  g_printerr ("%s:\n%s\n", what, text->str);
  g_string_free (text, TRUE);
}

static inline void
check_ir (const BpIrBlock *ir)
{
  GError *error = NULL;
  if (!ir_verify (ir, &error)) {
    print_ir ("wrong", ir);
    g_error ("%s", error->message);
  }
}

#endif
