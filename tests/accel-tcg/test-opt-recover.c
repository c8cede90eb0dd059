/* test-opt-recover.c -- which writes opt_recover leaves out, and what it tells of them. */
/* SPDX-License-Identifier: MIT */
#include "pass-test.h"

/* recoveries: "first-last global = op.type operand, operand; ..." with guest instructions counted from 0, the one that pass_test_parse puts
 * before all others.  The exit is in another one, END. */
typedef struct RecoverCase {
  const char *what, *in, *out, *recoveries;
} RecoverCase;

#define B "insn_start 0x1001, 0x0\n"
#define C "insn_start 0x1002, 0x0\n"
#define D "insn_start 0x1003, 0x0\n"
#define END "\ninsn_start 0x1004, 0x0"
#define LOAD " gld.i32 edx, ebp, le.u32.mmu0\n"

static const RecoverCase cases[] = {
  { "a copy that one load sees", "mov.i32 cc_dst, eax\n" B LOAD C "mov.i32 cc_dst, ecx", B LOAD C "mov.i32 cc_dst, ecx",
    "1-1 cc_dst = mov.i32 eax; " },
  { "a constant, seen by two", "mov.i32 cc_src, $0x2\n" B LOAD C LOAD D "mov.i32 cc_src, ecx", B LOAD C LOAD D "mov.i32 cc_src, ecx",
    "1-2 cc_src = mov.i32 2; " },
  { "a load sees what was before its instruction", "mov.i32 cc_dst, eax\n" B LOAD "mov.i32 cc_dst, ecx", B LOAD "mov.i32 cc_dst, ecx",
    "1-1 cc_dst = mov.i32 eax; " },
  { "a difference", "sub.i32 cc_dst, eax, ecx\n" B LOAD C "mov.i32 cc_dst, ecx", B LOAD C "mov.i32 cc_dst, ecx",
    "1-1 cc_dst = sub.i32 eax, ecx; " },
  { "a constant less something", "sub.i32 cc_dst, $0xfffffff0, ecx\n" B LOAD C "mov.i32 cc_dst, ecx", B LOAD C "mov.i32 cc_dst, ecx",
    "1-1 cc_dst = sub.i32 -16, ecx; " },
  { "halves of wide ones", "add.i32 cc_dst, w0, w1\n mov.i32 w2, eax\n" B LOAD C "mov.i32 cc_dst, ecx\n mov.i64 w2, w3",
    B LOAD C "mov.i32 cc_dst, ecx\n mov.i64 w2, w3", "1-1 w2 = mov.i32 eax; 1-1 cc_dst = add.i32 w0, w1; " },
  { "a wide constant", "mov.i64 w0, $0x123456789\n mov.i64 w1, $0xffffffff80000000\n" B LOAD C "mov.i64 w0, w2\n mov.i64 w1, w2",
    "mov.i64 w0, $0x123456789\n" B LOAD C "mov.i64 w0, w2\n mov.i64 w1, w2", "1-1 w1 = mov.i64 -2147483648; " },
  { "one after the other", "mov.i32 cc_dst, eax\n" B LOAD "mov.i32 cc_dst, ecx\n" C LOAD D "mov.i32 cc_dst, ebx",
    B LOAD C LOAD D "mov.i32 cc_dst, ebx", "2-2 cc_dst = mov.i32 ecx; 1-1 cc_dst = mov.i32 eax; " },
  { "a discarded one", "mov.i32 cc_dst, eax\n" B LOAD C "discard.i32 cc_dst", B LOAD C, "1-1 cc_dst = mov.i32 eax; " },
  { "not a local", "add.i32 t0, eax, ecx\n mov.i32 cc_dst, t0\n mov.i32 ebx, t0\n" B LOAD C "mov.i32 cc_dst, ecx",
    "add.i32 t0, eax, ecx\n mov.i32 cc_dst, t0\n mov.i32 ebx, t0\n" B LOAD C "mov.i32 cc_dst, ecx", "" },
  { "nor what an exit sees", "mov.i32 cc_dst, eax\n" B LOAD, "mov.i32 cc_dst, eax\n" B LOAD, "" },
  { "or a helper", "mov.i32 cc_dst, eax\n" B LOAD C "call ebx, h_read (env)\n" D "mov.i32 cc_dst, ecx",
    "mov.i32 cc_dst, eax\n" B LOAD C "call ebx, h_read (env)\n" D "mov.i32 cc_dst, ecx", "" },
  { "but for one that does not look", "mov.i32 cc_dst, eax\n" B LOAD C "call ebx, h_pure (ecx, edx)\n" D "mov.i32 cc_dst, ecx",
    B LOAD C "call ebx, h_pure (ecx, edx)\n" D "mov.i32 cc_dst, ecx", "1-1 cc_dst = mov.i32 eax; " },
  { "or another insn", "mov.i32 cc_dst, eax\n" B LOAD C "add.i32 ebx, ebx, cc_dst\n" D "mov.i32 cc_dst, ecx",
    "mov.i32 cc_dst, eax\n" B LOAD C "add.i32 ebx, ebx, cc_dst\n" D "mov.i32 cc_dst, ecx", "" },
  { "or one on the way of a branch",
    "mov.i32 cc_dst, eax\n" B LOAD C "brcond.i32 ebx, ecx, eq, $L0\n mov.i32 cc_dst, ecx\nlabel $L0\n" D "mov.i32 cc_dst, edx",
    "mov.i32 cc_dst, eax\n" B LOAD C "brcond.i32 ebx, ecx, eq, $L0\n mov.i32 cc_dst, ecx\nlabel $L0\n" D "mov.i32 cc_dst, edx", "" },
  { "an operand that changes before the load", "mov.i32 cc_dst, eax\n" B "mov.i32 eax, ecx\n" C LOAD D "mov.i32 cc_dst, ecx",
    "mov.i32 cc_dst, eax\n" B "mov.i32 eax, ecx\n" C LOAD D "mov.i32 cc_dst, ecx", "" },
  { "and after it", "mov.i32 cc_dst, eax\n" B LOAD C "mov.i32 eax, ecx\n" D "mov.i32 cc_dst, ecx",
    B LOAD C "mov.i32 eax, ecx\n" D "mov.i32 cc_dst, ecx", "1-1 cc_dst = mov.i32 eax; " },
  { "by the load itself", "mov.i32 cc_dst, edx\n" B LOAD C "mov.i32 cc_dst, ecx", B LOAD C "mov.i32 cc_dst, ecx",
    "1-1 cc_dst = mov.i32 edx; " },
  { "by the first of two", "mov.i32 cc_dst, edx\n" B LOAD C LOAD D "mov.i32 cc_dst, ecx", "mov.i32 cc_dst, edx\n" B LOAD C LOAD D
    "mov.i32 cc_dst, ecx", "" },
  { "its own operand", "add.i32 cc_dst, cc_dst, eax\n" B LOAD C "mov.i32 cc_dst, ecx", "add.i32 cc_dst, cc_dst, eax\n" B LOAD C
    "mov.i32 cc_dst, ecx", "" },
  { "an operand that is left out itself", "mov.i32 cc_src, eax\n add.i32 cc_dst, cc_src, ebx\n" B LOAD C
    "mov.i32 cc_src, ecx\n mov.i32 cc_dst, ecx", "mov.i32 cc_src, eax\n" B LOAD C "mov.i32 cc_src, ecx\n mov.i32 cc_dst, ecx",
    "1-1 cc_dst = add.i32 cc_src, ebx; " },
  { "and one that would be, later", "mov.i32 cc_dst, cc_src\n" B "mov.i32 cc_src, eax\n" C LOAD D
    "mov.i32 cc_src, ecx\n mov.i32 cc_dst, ecx", "mov.i32 cc_dst, cc_src\n" B C LOAD D "mov.i32 cc_src, ecx\n mov.i32 cc_dst, ecx",
    "2-2 cc_src = mov.i32 eax; " },
  { "a write that its own instruction may show", "mov.i32 cc_dst, eax\n" LOAD B "mov.i32 cc_dst, ecx", "mov.i32 cc_dst, eax\n" LOAD B
    "mov.i32 cc_dst, ecx", "" },
  { "or what that overwrites", "mov.i32 cc_dst, eax\n" B LOAD "mov.i32 cc_dst, ecx\n" LOAD, "mov.i32 cc_dst, eax\n" B LOAD
    "mov.i32 cc_dst, ecx\n" LOAD, "" },
  { "not what is not simple", "clz.i32 cc_dst, eax, ecx\n" B LOAD C "mov.i32 cc_dst, ecx", "clz.i32 cc_dst, eax, ecx\n" B LOAD C
    "mov.i32 cc_dst, ecx", "" },
};

/* Side exits: all stands before a first exit, in EXIT, and the label's code after it. */
#define EXIT "\ninsn_start 0x1004, 0x0\n exit_tb 0\n insn_start 0x1005, 0x0\n label $L0\n"
#define JUMP " brcond.i32 ecx, edx, ltu, $L0\n"

static const RecoverCase side_cases[] = {
  { "an operand that one exit sees", "mov.i32 cc_src, eax\n" B JUMP C "mov.i32 cc_src, ecx" EXIT,
    B JUMP C "mov.i32 cc_src, ecx" EXIT "mov.i32 cc_src, eax", "" },
  { "and a fault, before and after the branch", "mov.i32 cc_src, eax\n" B LOAD C JUMP D LOAD "mov.i32 cc_src, ecx" EXIT,
    B LOAD C JUMP D LOAD "mov.i32 cc_src, ecx" EXIT "mov.i32 cc_src, eax", "1-3 cc_src = mov.i32 eax; " },
  { "what is not overwritten stays", "mov.i32 cc_src, eax\n" B JUMP C EXIT, "mov.i32 cc_src, eax\n" B JUMP C EXIT, "" },
  { "so does what the branch reads", "mov.i32 edx, eax\n" B JUMP C "mov.i32 edx, ebx" EXIT, "mov.i32 edx, eax\n" B JUMP C
    "mov.i32 edx, ebx" EXIT, "" },
  { "an operand changes before the branch", "mov.i32 cc_src, eax\n" B "mov.i32 eax, ebx\n" C JUMP D "mov.i32 cc_src, ecx" EXIT,
    "mov.i32 cc_src, eax\n" B "mov.i32 eax, ebx\n" C JUMP D "mov.i32 cc_src, ecx" EXIT, "" },
  { "after it", "mov.i32 cc_src, eax\n" B JUMP C "mov.i32 eax, ebx\n mov.i32 cc_src, ecx" EXIT,
    B JUMP C "mov.i32 eax, ebx\n mov.i32 cc_src, ecx" EXIT "mov.i32 cc_src, eax", "" },
  { "two branches go there", "mov.i32 cc_src, eax\n" B JUMP C JUMP D "mov.i32 cc_src, ecx" EXIT, "mov.i32 cc_src, eax\n" B JUMP C JUMP D
    "mov.i32 cc_src, ecx" EXIT, "" },
  { "code falls into it", "mov.i32 cc_src, eax\n" B JUMP C "mov.i32 cc_src, ecx\n label $L0",
    "mov.i32 cc_src, eax\n" B JUMP C "mov.i32 cc_src, ecx\n label $L0", "" },
  { "something may fault in it", "mov.i32 cc_src, eax\n" B JUMP C "mov.i32 cc_src, ecx" EXIT LOAD, "mov.i32 cc_src, eax\n" B JUMP C
    "mov.i32 cc_src, ecx" EXIT LOAD, "" },
  { "two exits",
    "mov.i32 cc_src, eax\n" B JUMP C "brcond.i32 ecx, edx, eq, $L1\n" D "mov.i32 cc_src, ecx" EXIT "exit_tb 1\n label $L1",
    B JUMP C "brcond.i32 ecx, edx, eq, $L1\n" D "mov.i32 cc_src, ecx" EXIT "mov.i32 cc_src, eax\n exit_tb 1\n label $L1\n mov.i32 cc_src, eax", "" },
  { "a difference that the branch tests", "sub.i32 cc_dst, ecx, edx\n" B "brcond.i32 cc_dst, $0x0, ne, $L0\n" C "mov.i32 cc_dst, eax" EXIT,
    B "brcond.i32 ecx, edx, ne, $L0\n" C "mov.i32 cc_dst, eax" EXIT "sub.i32 cc_dst, ecx, edx", "" },
  { "from a constant", "add.i32 cc_dst, ecx, $0xfffffff0\n" B "brcond.i32 cc_dst, $0x0, ne, $L0\n" C "mov.i32 cc_dst, eax" EXIT,
    B "brcond.i32 ecx, $0x10, ne, $L0\n" C "mov.i32 cc_dst, eax" EXIT "add.i32 cc_dst, ecx, $0xfffffff0", "" },
  { "bits", "and.i32 cc_dst, ecx, $0x4\n" B "brcond.i32 cc_dst, $0x0, eq, $L0\n" C "mov.i32 cc_dst, eax" EXIT,
    B "brcond.i32 ecx, $0x4, tsteq, $L0\n" C "mov.i32 cc_dst, eax" EXIT "and.i32 cc_dst, ecx, $0x4", "" },
  { "a copy, of whatever it is", "mov.i64 w0, w1\n" B "brcond.i32 w0, $0xff, tsteq, $L0\n" C "mov.i64 w0, w2" EXIT,
    B "brcond.i32 w1, $0xff, tsteq, $L0\n" C "mov.i64 w0, w2" EXIT "mov.i64 w0, w1", "" },
  { "but not of half of it", "mov.i32 w0, w1\n" B "brcond.i64 w0, $0x0, lt, $L0\n" C "mov.i64 w0, w2" EXIT,
    "mov.i32 w0, w1\n" B "brcond.i64 w0, $0x0, lt, $L0\n" C "mov.i64 w0, w2" EXIT, "" },
  { "the sign of a difference is none of its operands'", "sub.i32 cc_dst, ecx, edx\n" B "brcond.i32 cc_dst, $0x0, lt, $L0\n" C
    "mov.i32 cc_dst, eax" EXIT, "sub.i32 cc_dst, ecx, edx\n" B "brcond.i32 cc_dst, $0x0, lt, $L0\n" C "mov.i32 cc_dst, eax" EXIT, "" },
  { "two tests", "mov.i32 cc_dst, ecx\n" B "setcond.i32 ebx, cc_dst, $0x0, eq\n" C "brcond.i32 cc_dst, $0x0, lt, $L0\n mov.i32 cc_dst, eax" EXIT,
    "mov.i32 cc_dst, ecx\n" B "setcond.i32 ebx, cc_dst, $0x0, eq\n" C "brcond.i32 cc_dst, $0x0, lt, $L0\n mov.i32 cc_dst, eax" EXIT, "" },
  { "a test without a branch", "mov.i32 cc_dst, ecx\n" B LOAD C "movcond.i32 ebx, cc_dst, $0x0, edi, ebx, ne\n mov.i32 cc_dst, eax\n" D,
    B LOAD C "movcond.i32 ebx, ecx, $0x0, edi, ebx, ne\n mov.i32 cc_dst, eax\n" D, "1-1 cc_dst = mov.i32 ecx; " },
  { "of what has changed", "mov.i32 cc_dst, ecx\n" B LOAD C "mov.i32 ecx, ebx\n" D "setcond.i32 ebx, cc_dst, $0x0, ne\n mov.i32 cc_dst, eax\n",
    "mov.i32 cc_dst, ecx\n" B LOAD C "mov.i32 ecx, ebx\n" D "setcond.i32 ebx, cc_dst, $0x0, ne\n mov.i32 cc_dst, eax\n", "" },
};

static void
print_operand (GString *text, const BpIrBlock *ir, TbOperand o, int32_t value)
{
  if (o.is_value) {
    g_string_append_printf (text, "%d", value);
    return;
  }
  for (uint32_t i = 0; i < ir->n_globals; i++)
    if (ir->globals[i].offset == o.offset) {
      ck_assert_int_eq (o.is_wide, ir->globals[i].type == BP_IR_I64);
      g_string_append (text, ir->globals[i].name);
    }
}

static char *
print_recoveries (const GArray *recoveries, const BpIrBlock *ir)
{
  GString *text = g_string_new (NULL);
  for (unsigned i = 0; i < recoveries->len; i++) {
    const TbRecovery *r = &g_array_index (recoveries, TbRecovery, i);
    g_string_append_printf (text, "%u-%u ", r->first, r->last);
    print_operand (text, ir, r->to, 0);
    g_string_append_printf (text, " = %s.%s ", ir_op_info[r->op].name, r->type == BP_IR_I64 ? "i64" : "i32");
    print_operand (text, ir, r->from[0], r->value);
    if (ir_op_info[r->op].n_in > 1) {
      g_string_append (text, ", ");
      print_operand (text, ir, r->from[1], r->value);
    }
    g_string_append (text, "; ");
  }
  return g_string_free (text, FALSE);
}

static GArray *recoveries;

static void
pass (BpIrBlock *ir)
{
  opt_recover (ir, recoveries);
}

static void
run_cases (const RecoverCase *list, unsigned n)
{
  recoveries = g_array_new (false, false, sizeof (TbRecovery));
  for (unsigned i = 0; i < n; i++) {
    char *in = g_strconcat (list[i].in, END, NULL), *out = g_strconcat (list[i].out, END, NULL);
    const PassCase one = { list[i].what, in, out };
    BpIrBlock ir;
    fake_cpu_block_init (&ir);
    pass_test_run (&one, 1, pass);
    char *is = print_recoveries (recoveries, &ir);
    ck_assert_msg (strcmp (is, list[i].recoveries) == 0, "%s: recoveries are %s\nnot %s", list[i].what, is, list[i].recoveries);
    g_free (is);
    g_free (in);
    g_free (out);
    bp_ir_block_finish (&ir);
  }
  g_array_unref (recoveries);
}

START_TEST (test_faults)
{
  run_cases (cases, G_N_ELEMENTS (cases));
}
END_TEST

START_TEST (test_side_exits)
{
  run_cases (side_cases, G_N_ELEMENTS (side_cases));
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = { test_faults, test_side_exits };
  return pass_test_main ("opt-recover", tests, G_N_ELEMENTS (tests));
}
