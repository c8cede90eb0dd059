/* test-fp-emit.c -- x87, MMX, SSE and AVX instructions as IR: all well-formed, some of each kind as expected. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "accel-tcg/backend.h"
#include "target-i386/emit/helper-args.h"
#include "target-i386/emit/translate.h"
#include "../suite.h"

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
  { "rax", 0, Q, 3 }, { "rcx", 8, Q, 3 }, { "rdx", 16, Q, 3 }, { "rbx", 24, Q, 3 }, { "rsp", 32, Q, 3 },
  { "rbp", 40, Q, 3 }, { "rsi", 48, Q, 3 }, { "rdi", 56, Q, 3 }, { "cc_dst", 64, Q, 1 }, { "cc_src", 72, Q, 1 },
  { "r8", 88, Q, 2 }, { "r9", 96, Q, 2 }, { "r10", 104, Q, 0 }, { "r11", 112, Q, 0 }, { "r12", 120, Q, 0 },
  { "r13", 128, Q, 0 }, { "r14", 136, Q, 0 }, { "r15", 144, Q, 0 }, { "cc_src2", 80, Q, 0 }
};

static BpIrBlock block;
static Translator translator;
static const uint32_t flat =
  HF_PE | HF_CS32 | HF_SS32 | HF_NE | HF_OSFXSR | HF_BASE0_ALL | 0x3fu << HF_FLAT_SHIFT;

#define FLAT_64 (flat | HF_CODE64 | HF_AVX)

static X86Mode
mode_of (uint32_t hflags)
{
  return hflags & HF_CODE64 ? X86_MODE_64 : X86_MODE_32;
}

static void
start (uint32_t hflags)
{
  bool is_64 = hflags & HF_CODE64;
  bp_ir_block_reset (&block);
  bp_ir_insn_start (&block, 0, 0);
  translator = (Translator) {
    .b = &block, .hflags = hflags, .key = hflags, .mode = mode_of (hflags), .is_64 = is_64,
    .word = is_64 ? BP_IR_I64 : BP_IR_I32, .mmu = MMU_USER,
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
  ck_assert_int_eq (x86_decode (bytes, n, mode_of (hflags), &insn), X86_DECODE_OK);
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

static const Expected expected_64[] = {
#include "fp-emit-cases-64.def"
};

static void
check_expected (const Expected *e, int number, uint32_t hflags)
{
  char *text = emit_bytes ((const uint8_t *) e->bytes, e->n, hflags);
  ck_assert_ptr_nonnull (text);
  for (unsigned i = 0; i < 3 && e->contains[i]; i++)
    ck_assert_msg (strstr (text, e->contains[i]) != NULL, "case %d lacks \"%s\":\n%s", number, e->contains[i],
                   text);
  g_free (text);
}

START_TEST (test_expected)
{
  check_expected (&expected[_i], _i, flat);
}
END_TEST

START_TEST (test_expected_64)
{
  check_expected (&expected_64[_i], _i, FLAT_64);
}
END_TEST

/* --- all of them ---------------------------------------------------------------------------------------- */

static unsigned n_checked;

static void
check_well_formed (const uint8_t *bytes, unsigned n, uint32_t hflags)
{
  X86Insn insn;
  if (x86_decode (bytes, n, mode_of (hflags), &insn) != X86_DECODE_OK)
    return;
  if (insn.unit == X86_UNIT_INT)
    return;
  start (hflags);
  if (!emit_fp (&translator, &insn))
    return;
  bp_ir_exit_tb (&block, BP_IR_EXIT_NONE);
  GError *error = NULL;
  char name[80];
  x86_disasm (&insn, 0, name, sizeof name);
  ck_assert_msg (ir_verify (&block, &error), "%s: %s", name, error ? error->message : "");
  n_checked++;
}

static void
check_opcodes (uint8_t *bytes, unsigned n, uint32_t hflags)
{
  for (unsigned opcode = 0; opcode < 256; opcode++)
    for (unsigned modrm = 0x0a; modrm < 0x100; modrm += 8) {
      bytes[n] = (uint8_t) opcode;
      bytes[n + 1] = (uint8_t) modrm;
      check_well_formed (bytes, 16, hflags);
    }
}

START_TEST (test_all)
{
  static const uint8_t prefixes[4] = { 0x90, 0x66, 0xf3, 0xf2 };        /* no first one */
  for (unsigned map = 0; map < 4; map++)
    for (unsigned prefix = 0; prefix < 4; prefix++)
      for (unsigned rex = 0; rex < 3; rex++) {  /* none; in 64-bit mode without and with W */
        uint8_t bytes[16] = { 0 };
        unsigned n = 0;
        if (prefix)
          bytes[n++] = prefixes[prefix];
        if (rex)
          bytes[n++] = rex == 1 ? 0x45 : 0x4d;
        if (map)
          bytes[n++] = 0x0f;
        if (map > 1)
          bytes[n++] = map == 2 ? 0x38 : 0x3a;
        check_opcodes (bytes, n, rex ? FLAT_64 : flat);
      }
  ck_assert_uint_gt (n_checked, 9000);
}
END_TEST

/* By L, W and whether there is an operand in vvvv, in 32-bit and 64-bit mode. */
START_TEST (test_all_vex)
{
  n_checked = 0;
  for (unsigned map = 1; map < 4; map++)
    for (unsigned fields = 0; fields < 64; fields++) {
      uint8_t bytes[16] = { 0xc4, (uint8_t) (0xe0 | map) };
      bytes[2] = (uint8_t) ((fields & 7) | (fields & 8 ? 0x78 : 0x50) | (fields & 16) << 3);
      if (fields & 32)
        check_opcodes (bytes, 3, flat | HF_AVX);
      else
        check_opcodes (bytes, 3, FLAT_64);
    }
  ck_assert_uint_gt (n_checked, 20000);
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
  tcase_add_loop_test (tcase, test_expected_64, 0, (int) G_N_ELEMENTS (expected_64));
  tcase_add_test (tcase, test_all);
  tcase_add_test (tcase, test_all_vex);
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, test_pending);
  tcase_add_test (tcase, test_alignment_check);
  suite_add_tcase (suite, tcase);
  int failed = suite_run (suite);
  bp_ir_block_finish (&block);
  return failed;
}
