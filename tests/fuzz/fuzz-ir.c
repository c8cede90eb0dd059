/* fuzz-ir.c -- text that parses as IR prints and parses the same; what verifies still does when optimised. */
/* SPDX-License-Identifier: MIT */
#include "../accel-tcg/fake-cpu.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static char *
print (const BpIrBlock *ir)
{
  GString *text = g_string_new (NULL);
  ir_print (ir, text);
  return g_string_free (text, FALSE);
}

static void
check_round_trip (const BpIrBlock *ir)
{
  BpIrBlock again;
  char *text = print (ir);
  fake_cpu_block_init (&again);
  g_assert_true (ir_parse (&again, text, NULL));
  char *reprinted = print (&again);
  g_assert_cmpstr (text, ==, reprinted);
  g_free (reprinted);
  g_free (text);
  bp_ir_block_finish (&again);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  BpIrBlock ir;
  char *text = g_strndup ((const char *) data, size);
  fake_cpu_block_init (&ir);
  if (size < 65536 && ir_parse (&ir, text, NULL)) {
    check_round_trip (&ir);
    if (ir_verify (&ir, NULL)) {
      void (*const passes[]) (BpIrBlock *) = { opt_fold, opt_flags, opt_liveness };
      for (unsigned i = 0; i < G_N_ELEMENTS (passes); i++) {
        GError *error = NULL;
        passes[i] (&ir);
        if (!ir_verify (&ir, &error))
          g_error ("pass %u: %s", i, error->message);
      }
      check_round_trip (&ir);
    }
  }
  bp_ir_block_finish (&ir);
  g_free (text);
  return 0;
}
