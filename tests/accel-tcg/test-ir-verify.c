/* test-ir-verify.c -- ir_verify accepts what ir.h allows and names what it does not. */
/* SPDX-License-Identifier: MIT */
#include "pass-test.h"

typedef struct Case {
  const char *text;
  const char *message;          /* NULL: good */
} Case;

static const Case cases[] = {
  { "insn_start 0x0, 0x0\n mov.i32 t0, eax\n mov.i32 ebx, t0\n exit_tb 2", NULL },
  { "insn_start 0x0, 0x0\n call _, h_raise (env)", NULL },
  { "", "empty" },
  { "mov.i32 eax, ebx", "runs off" },
  { "label $L0\n brcond.i32 eax, ebx, eq, $L0", "runs off" },
  { "mov.i32 $0x1, eax\n exit_tb 2", "cannot be written" },
  { "mov.i64 env, w0\n exit_tb 2", "cannot be written" },
  { "mov.i32 _, eax\n exit_tb 2", "is absent" },
  { "add.i64 w0, eax:i32, w0\n exit_tb 2", "wrong type" },
  { "add.i64 eax:i32, w0, w0\n exit_tb 2", "wrong type" },
  { "ext32s eax:i32, w0\n exit_tb 2", "wrong type" },
  { "trunc w0, eax:i32\n exit_tb 2", "wrong type" },
  { "st64 eax:i32, [env + 0x4060]\n exit_tb 2", "wrong type" },
  { "insn_start 0x0, 0x0\n gld.i32 eax, ebx:i32, le.u32.mmu0.addr64\n exit_tb 2", "wrong type" },
  { "insn_start 0x0, 0x0\n gld.i32 w1, w0, le.u32.mmu0\n gst.i32 w1, w0, le.u32.mmu0.addr64\n exit_tb 2", NULL },
  { "add.i32 w0, w0, eax\n ext32s w1, w0\n ext32u w1, w0\n trunc w1, w0\n st16.i32 w1, [env + 0x4060]\n exit_tb 2", NULL },
  { "insn_start 0x0, 0x0\n call w0, h_pure (w0, $0x7:i64)\n exit_tb 2", NULL },
  { "mov.i32 eax, t0\n exit_tb 2", "t0 is read before it is written" },
  { "brcond.i32 eax, ebx, eq, $L0\n mov.i32 t0, eax\nlabel $L0\n mov.i32 eax, t0\n exit_tb 2",
    "t0 is read before" },
  { "brcond.i32 eax, ebx, eq, $L0\n mov.i32 t0, eax\n br $L1\nlabel $L0\n mov.i32 t0, ebx\nlabel $L1\n"
    " mov.i32 eax, t0\n exit_tb 2", NULL },
  { "mov.i32 t0, eax\n discard.i32 t0\n mov.i32 eax, t0\n exit_tb 2", "t0 is read before" },
  { "mov.i32 t0, eax\nlabel $L0\n mov.i32 eax, t0\n discard.i32 t0\n br $L0", "t0 is read before" },
  { "br $L0", "placed nowhere" },
  { "label $L0\nlabel $L0\n exit_tb 2", "placed twice" },
  { "gld.i32 eax, ebx, le.u32.mmu0\n exit_tb 2", "before the first insn_start" },
  { "insn_start 0x0, 0x0\n gld.i32 eax, ebx, le.u64.mmu0\n exit_tb 2", "needs an i64" },
  { "mulu2.i32 eax, eax, ebx, ecx\n exit_tb 2", "one temp" },
  { "deposit.i32 eax, eax, ebx, 24, 9\n exit_tb 2", "outside the word" },
  { "extract.i32 eax, eax, 0, 0\n exit_tb 2", "outside the word" },
  { "ld32u.i32 t0, [env + 0x4000]\n exit_tb 2", "touches global eax" },
  { "st8.i32 eax, [env + 0x4007]\n exit_tb 2", "touches global ecx" },
  { "ld64 t0, [env + 0x4058]\n exit_tb 2", NULL },
  { "exit_tb 9", "no such exit" },
  { "goto_tb 8\n exit_tb 8", "no such exit" },
  { "goto_tb 7\n exit_tb 7", NULL },
  { "goto_tb 0\n goto_tb 0\n exit_tb 2", "used twice" },
  { "fence 0\n exit_tb 2", "bad fence" },
  { "insn_start 0x0, 0x0\n call eax, h_write (env, eax)\n exit_tb 2", "no result" },
  { "insn_start 0x0, 0x0\n native.i32 eax, _, _, _, _, {opcode=0x7e reg=1}\n exit_tb 2", "disagree" },
  { "insn_start 0x0, 0x0\n native.i32 _, _, _, _, _, {opcode=0x7e w=1}\n exit_tb 2", "disagree" },
  { "insn_start 0x0, 0x0\n native.i32 _, _, _, eax, _, {opcode=0x7e rm_kind=mem}\n exit_tb 2",
    "bad memory operand" },
  { "insn_start 0x0, 0x0\n native.i32 _, _, _, eax, _, {opcode=0xd9 rm_kind=mem size=4 read=1 state=1}\n"
    " exit_tb 2", NULL },
};

START_TEST (test_cases)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    BpIrBlock ir;
    GError *error = NULL;
    fake_cpu_block_init (&ir);
    ck_assert_msg (ir_parse (&ir, cases[i].text, &error), "%s: %s", cases[i].text,
                   error != NULL ? error->message : "");
    bool good = ir_verify (&ir, &error);
    ck_assert_msg (good == (cases[i].message == NULL), "%s: %s", cases[i].text,
                   error != NULL ? error->message : "accepted");
    if (!good)
      ck_assert_msg (strstr (error->message, cases[i].message) != NULL, "%s: %s", cases[i].text,
                     error->message);
    g_clear_error (&error);
    bp_ir_block_finish (&ir);
  }
}
END_TEST

START_TEST (test_raw_fields)
{
  BpIrBlock ir;
  GError *error = NULL;
  fake_cpu_block_init (&ir);
  bp_ir_mov (&ir, BP_IR_I32, bp_ir_global (0), bp_ir_global (1));
  bp_ir_exit_tb (&ir, BP_IR_EXIT_NONE);
  ck_assert (ir_verify (&ir, NULL));
  ir.insns[0].a[5] = 0;
  ck_assert (!ir_verify (&ir, &error));
  ck_assert_str_eq (error->message, "insn 0 (mov): operand 5 is not used by this op");
  g_clear_error (&error);
  ir.insns[0].a[5] = BP_IR_NONE;
  ir.insns[0].mark = 1;
  ck_assert (!ir_verify (&ir, NULL));
  ir.insns[0].mark = 0;
  ir.insns[0].op = BP_IR_N_OPS;
  ck_assert (!ir_verify (&ir, NULL));
  ir.insns[0].op = BP_IR_mov;
  ir.insns[0].a[1] = 500;
  ck_assert (!ir_verify (&ir, NULL));
  bp_ir_block_finish (&ir);
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = { test_cases, test_raw_fields };
  return pass_test_main ("ir-verify", tests, G_N_ELEMENTS (tests));
}
