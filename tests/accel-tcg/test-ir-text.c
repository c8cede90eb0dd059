/* test-ir-text.c -- the IR's text form prints, parses, and refuses. */
/* SPDX-License-Identifier: MIT */
#include "pass-test.h"

/* Every op, exactly as it is printed. */
static const char every_op[] =
  "insn_start 0x1000, 0x2a\n"
  "  nop\n"
  "  discard.i32 t0\n"
  "  mov.i32 t0, $0xffffffff\n"
  "  mov.i64 t1, $0xffffffffffffffff\n"
  "  add.i32 eax, eax, $0x1\n"
  "  addc.i64 w0, w1, t1, $0x1\n"
  "  mulu2.i32 t0, edx, eax, ebx\n"
  "  divs2.i64 w0, w1, w0, w1, t1\n"
  "  clz.i32 t0, eax, $0x20\n"
  "  ext32s w0, eax\n"
  "  trunc eax, w0\n"
  "  deposit.i32 eax, eax, t0, 8, 8\n"
  "  sextract.i64 t1, w0, 63, 1\n"
  "  setcond.i32 t0, eax, ebx, ltu\n"
  "  movcond.i64 t1, w0, w1, w2, $0x0, tstne\n"
  "  ld8u.i32 t0, [env + 0x4058]\n"
  "  ld64 t1, [env + 0x4060]\n"
  "  st16.i32 t0, [env + 0x4070]\n"
  "  st32.i64 t1, [t1 - 0x8]\n"
  "  st64 t1, [env + 0x4078]\n"
  "  gld.i32 t0, eax, le.s16.mmu1\n"
  "  gst.i64 w0, w1, be.u64.mmu15.align.addr64.stack\n"
  "  gxchg.i32 t0, eax, ebx, le.u8.mmu0\n"
  "  gcmpxchg.i32 t0, esi, eax, ebx, le.u32.mmu0\n"
  "  fence 3\n"
  "  native.i64 t1, t0, w0, w1, t0, {opcode=0x2a map=1 prefix=2 w=1 has_imm=1 imm8=0x7f reg_kind=out "
  "reg=0xf rm_kind=mem rm=3 state=2 flags_out=1 flags_in=1 size=0x10 read=1 align=1 addr64=1 mmu=3}\n"
  "  native.i32 _, _, _, _, _, {opcode=0xd8 reg=4 rm=1 state=1}\n"
  "  call t0, h_pure (eax, $0x5)\n"
  "  call _, h_write (env, t0)\n"
  "  brcond.i32 t0, $0x0, eq, $L1\n"
  "  br $L0\n"
  "label $L0\n"
  "  goto_tb 1\n"
  "  exit_tb 1\n"
  "label $L1\n"
  "  goto_ptr.i32 eax\n";

START_TEST (test_round_trip)
{
  BpIrBlock ir;
  GError *error = NULL;
  fake_cpu_block_init (&ir);
  ck_assert_msg (ir_parse (&ir, every_op, &error), "%s", error != NULL ? error->message : "");
  char *text = pass_test_print (&ir);
  ck_assert_str_eq (text, every_op);
  ck_assert_uint_eq (ir.n_labels, 2);
  g_free (text);
  bp_ir_block_finish (&ir);
}
END_TEST

START_TEST (test_fields)
{
  BpIrBlock ir;
  fake_cpu_block_init (&ir);
  ck_assert (ir_parse (&ir, "gst.i32 t3, $-4, stack.be.u16.mmu2 ; comment, with t99\n\n ; another\n"
                            "mov.i64 t1, $5\n", NULL));
  ck_assert_uint_eq (ir.n_insns, 2);
  ck_assert_uint_eq (ir.insns[0].aux, BP_MO_16 | BP_MO_BE | BP_MO_STACK | BP_MO_MMU (2));
  ck_assert_int_eq (ir.temps[ir.insns[0].a[1]].value, -4);
  ck_assert_uint_eq (ir.temps[ir.insns[0].a[0]].type, BP_IR_I32);
  ck_assert_uint_eq (ir.temps[ir.insns[1].a[0]].type, BP_IR_I64);
  ck_assert_uint_eq (ir.insns[1].a[0], 1 + fake_frontend.n_globals + 1);
  bp_ir_block_finish (&ir);
}
END_TEST

/* Of operands that are wider or (against the rules) narrower than their place. */
START_TEST (test_other_types_are_shown)
{
  BpIrBlock ir;
  fake_cpu_block_init (&ir);
  BpTemp local = bp_ir_local (&ir, BP_IR_I64);
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I32, local, bp_ir_global (10), bp_ir_i64 (&ir, 7));
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, local, bp_ir_global (10), bp_ir_global (0));
  char *text = pass_test_print (&ir);
  ck_assert_str_eq (text, "  add.i32 t0:i64, w0, $0x7:i64\n  add.i64 t0, w0, eax:i32\n");
  BpIrBlock again;
  fake_cpu_block_init (&again);
  ck_assert (ir_parse (&again, text, NULL));
  char *reprinted = pass_test_print (&again);
  ck_assert_str_eq (text, reprinted);
  g_free (text);
  g_free (reprinted);
  bp_ir_block_finish (&ir);
  bp_ir_block_finish (&again);
}
END_TEST

START_TEST (test_refusals)
{
  static const struct { const char *text, *message; } cases[] = {
    { "frob eax", "no op is named \"frob\"" },
    { "add eax, eax, eax", "expected '.'" },
    { "add.i16 eax, eax, eax", "not \"i16\"" },
    { "add.i32 eax, eax", "expected ','" },
    { "add.i32 eax, eax, eax eax", "more than an insn" },
    { "mov.i32 eax, xyz", "no global is named \"xyz\"" },
    { "mov.i64 w0, eax", "eax is i32, i64 here" },
    { "mov.i32 eax:i64, w0", "eax is i32, i64 here" },
    { "mov.i32 t0, eax\nmov.i64 w0, t0", "line 2: t0 is i32, i64 here" },
    { "mov.i32 eax, $0x100000000", "does not fit" },
    { "mov.i32 eax, $0x1ffffffffffffffff", "number too large" },
    { "setcond.i32 t0, eax, eax, foo", "expected a condition" },
    { "gld.i32 t0, eax, le.u32.foo", "not a word of a memop" },
    { "gld.i32 t0", "an operand is missing" },
    { "call _, nobody (env)", "expected the name of a helper" },
    { "call _, h_write (env)", "expected ','" },
    { "native.i32 _, _, _, _, _, {foo=1}", "no field \"foo\"" },
    { "native.i32 _, _, _, _, _, {map=4}", "number too large" },
    { "br $L4096", "number too large" },
    { "mov.i32 t70000, eax", "too many temps" },
    { "mov.i32 t99999999999999999999, eax", "too many temps" },
    { "exit_tb 2x", "expected a number" },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    BpIrBlock ir;
    GError *error = NULL;
    fake_cpu_block_init (&ir);
    ck_assert_msg (!ir_parse (&ir, cases[i].text, &error), "accepted: %s", cases[i].text);
    ck_assert_msg (strstr (error->message, cases[i].message) != NULL, "%s: %s", cases[i].text,
                   error->message);
    ck_assert_uint_eq (ir.n_insns, 0);
    g_clear_error (&error);
    bp_ir_block_finish (&ir);
  }
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = { test_round_trip, test_fields, test_other_types_are_shown, test_refusals };
  return pass_test_main ("ir-text", tests, G_N_ELEMENTS (tests));
}
