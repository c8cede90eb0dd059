/* test-fp-emit.c -- x87, MMX and SSE instructions as IR: all well-formed, some of each kind as expected. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "accel-tcg/backend.h"
#include "target-i386/emit/helper-args.h"
#include "target-i386/emit/translate.h"

/* --- what the emitters need of the rest ----------------------------------------------------------------- */

static void
no_helper (void)
{
}

const BpIrHelper x86_helpers[H_N] = {
#define HELPER(name, result, flags, n, args) \
  [H_##name] = { #name, no_helper, flags, n, RESULT_##result, ARGS_##args },
#include "target-i386/helpers.def"
#undef HELPER
};

static const BpIrGlobal globals[G_N] = {
  { "eax", 0, W, 1 }, { "ecx", 8, W, 1 }, { "edx", 16, W, 1 }, { "ebx", 24, W, 1 }, { "esp", 32, W, 1 },
  { "ebp", 40, W, 1 }, { "esi", 48, W, 1 }, { "edi", 56, W, 1 }, { "cc_dst", 64, W, 1 },
  { "cc_src", 72, W, 1 }, { "cc_src2", 80, W, 1 }
};

static BpIrBlock block;
static Translator translator;
static const uint32_t flat =
  HF_PE | HF_CS32 | HF_SS32 | HF_NE | HF_OSFXSR | HF_BASE0_ALL | 0x3fu << HF_FLAT_SHIFT;

static void
start (uint32_t hflags)
{
  bp_ir_block_reset (&block);
  bp_ir_insn_start (&block, 0, 0);
  translator = (Translator) {
    .b = &block, .hflags = hflags, .key = hflags, .mode = X86_MODE_32, .word = BP_IR_I32, .mmu = MMU_USER,
    .cpl = 3, .ss32 = true, .is_protected = hflags & HF_PE, .linear = BP_IR_NONE, .cc_op = CC_EFLAGS,
    .cc_first = BP_IR_NONE, .cc_second = BP_IR_NONE
  };
}

/* The IR of one instruction, without the constants' bookkeeping; NULL: not provided. */
static char *
emit_bytes (const uint8_t *bytes, unsigned n, uint32_t hflags)
{
  X86Insn insn;
  GString *text = g_string_new (NULL);
  start (hflags);
  ck_assert_int_eq (x86_decode (bytes, n, X86_MODE_32, &insn), X86_DECODE_OK);
  if (!emit_fp (&translator, &insn)) {
    g_string_free (text, TRUE);
    return NULL;
  }
  ir_print (&block, text);
  return g_string_free (text, FALSE);
}

/* --- expected IR ---------------------------------------------------------------------------------------- */

typedef struct Expected {
  const char *bytes;
  unsigned n;
  const char *contains[3];
} Expected;

#define BYTES(string) string, sizeof (string) - 1

static const Expected expected[] = {
#include "fp-emit-cases.def"
};

START_TEST (test_expected)
{
  const Expected *e = &expected[_i];
  char *text = emit_bytes ((const uint8_t *) e->bytes, e->n, flat);
  ck_assert_ptr_nonnull (text);
  for (unsigned i = 0; i < 3 && e->contains[i]; i++)
    ck_assert_msg (strstr (text, e->contains[i]) != NULL, "case %d lacks \"%s\":\n%s", _i, e->contains[i],
                   text);
  g_free (text);
}
END_TEST

/* --- all of them ---------------------------------------------------------------------------------------- */

static unsigned n_checked;

static void
check_well_formed (const uint8_t *bytes, unsigned n)
{
  X86Insn insn;
  if (x86_decode (bytes, n, X86_MODE_32, &insn) != X86_DECODE_OK)
    return;
  if (insn.unit == X86_UNIT_INT || insn.unit == X86_UNIT_XSAVE)
    return;
  start (flat);
  if (!emit_fp (&translator, &insn))
    return;
  bp_ir_exit_tb (&block, 2);
  GError *error = NULL;
  char name[80];
  x86_disasm (&insn, 0, name, sizeof name);
  ck_assert_msg (ir_verify (&block, &error), "%s: %s", name, error ? error->message : "");
  n_checked++;
}

START_TEST (test_all)
{
  static const uint8_t prefixes[4] = { 0x90, 0x66, 0xf3, 0xf2 };        /* no first one */
  for (unsigned map = 0; map < 4; map++)
    for (unsigned prefix = 0; prefix < 4; prefix++)
      for (unsigned opcode = 0; opcode < 256; opcode++)
        for (unsigned modrm = 0x0a; modrm < 0x100; modrm += 8) {
          uint8_t bytes[16] = { 0 };
          unsigned n = 0;
          if (prefix)
            bytes[n++] = prefixes[prefix];
          if (map)
            bytes[n++] = 0x0f;
          if (map > 1)
            bytes[n++] = map == 2 ? 0x38 : 0x3a;
          bytes[n++] = (uint8_t) opcode;
          bytes[n++] = (uint8_t) modrm;
          check_well_formed (bytes, 16);
        }
  ck_assert_uint_gt (n_checked, 3000);
}
END_TEST

/* --- pending exceptions --------------------------------------------------------------------------------- */

static bool
asks_for_pending (const char *bytes, unsigned n, uint32_t hflags)
{
  char *text = emit_bytes ((const uint8_t *) bytes, n, hflags);
  bool asks = text && strstr (text, "fp_pending");
  g_free (text);
  return asks;
}

START_TEST (test_pending)
{
  uint32_t no_ne = flat & ~(uint32_t) HF_NE;
  ck_assert (!asks_for_pending (BYTES ("\xd9\xe8"), flat));             /* fld1: the host does it */
  ck_assert (asks_for_pending (BYTES ("\xd9\xe8"), no_ne));
  ck_assert (asks_for_pending (BYTES ("\x9b"), no_ne));                 /* fwait */
  ck_assert (asks_for_pending (BYTES ("\x0f\xfc\xc1"), no_ne));         /* paddb mm */
  ck_assert (asks_for_pending (BYTES ("\x0f\x2a\xc1"), no_ne));         /* cvtpi2ps */
  ck_assert (!asks_for_pending (BYTES ("\x66\x0f\xfc\xc1"), no_ne));    /* paddb xmm */
  ck_assert (!asks_for_pending (BYTES ("\xdb\xe2"), no_ne));            /* fnclex */
  ck_assert (!asks_for_pending (BYTES ("\xdf\xe0"), no_ne));            /* fnstsw ax */
  ck_assert (!asks_for_pending (BYTES ("\x0f\xae\x02"), no_ne));        /* fxsave */
}
END_TEST

/* With CR0.AM in force small operands have to be aligned too. */
START_TEST (test_alignment_check)
{
  static const uint8_t fldl[2] = { 0xdd, 0x02 };
  char *plain = emit_bytes (fldl, 2, flat), *checked = emit_bytes (fldl, 2, flat | HF_AC);
  ck_assert_ptr_null (strstr (plain, "align=1"));
  ck_assert_ptr_nonnull (strstr (checked, "align=1"));
  g_free (plain);
  g_free (checked);
}
END_TEST

int
main (void)
{
  bp_ir_block_init (&block, globals, G_N, NULL);
  Suite *suite = suite_create ("fp-emit");
  TCase *tcase = tcase_create ("emit");
  tcase_add_loop_test (tcase, test_expected, 0, (int) G_N_ELEMENTS (expected));
  tcase_add_test (tcase, test_all);
  tcase_add_test (tcase, test_pending);
  tcase_add_test (tcase, test_alignment_check);
  suite_add_tcase (suite, tcase);
  SRunner *runner = srunner_create (suite);
  srunner_set_fork_status (runner, CK_NOFORK);
  srunner_run_all (runner, CK_NORMAL);
  int failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  bp_ir_block_finish (&block);
  return failed != 0;
}
