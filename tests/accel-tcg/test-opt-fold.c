/* test-opt-fold.c -- what opt_fold makes of small blocks. */
/* SPDX-License-Identifier: MIT */
#include "pass-test.h"
#include "ir-info.h"

static const PassCase cases[] = {
  { "constants through locals",
    "mov.i32 t0, $0x5\n add.i32 t1, t0, $0x7\n mov.i32 eax, t1",
    "mov.i32 t0, $0x5\n mov.i32 t1, $0xc\n mov.i32 eax, $0xc" },
  { "i32 arithmetic wraps", "mul.i32 eax, $0x80000001, $0x2", "mov.i32 eax, $0x2" },
  { "shift counts are modulo the width", "shl.i32 eax, $0x3, $0x21\n sar.i32 ebx, ecx, $0x40",
    "mov.i32 eax, $0x6\n mov.i32 ebx, ecx" },
  { "sar of a negative i32", "sar.i32 eax, $0xfffffff0, $0x2", "mov.i32 eax, $0xfffffffc" },
  { "a count needs no mask", "and.i32 t0:i64, w1, $0x3f\n shl.i64 w0, w0, t0\n and.i32 t1, ecx, $0x1f\n sar.i32 eax, eax, t1\n"
                             " and.i32 t2, ecx, $0xf\n shr.i32 ebx, ebx, t2",
    "and.i32 t0:i64, w1, $0x3f\n shl.i64 w0, w0, w1\n and.i32 t1, ecx, $0x1f\n sar.i32 eax, eax, ecx\n"
    " and.i32 t2, ecx, $0xf\n shr.i32 ebx, ebx, t2" },
  { "a byte less a constant is 0", "ext8u.i32 ecx, ebx\n sub.i32 cc_dst, ecx, $0x2c\n brcond.i32 cc_dst, $0xff, tsteq, $L0\n mov.i32 edx, eax\nlabel $L0",
    "ext8u.i32 ecx, ebx\n add.i32 cc_dst, ecx, $0xffffffd4\n brcond.i32 ecx, $0x2c, eq, $L0\n mov.i32 edx, eax\nlabel $L0" },
  { "not of more than a byte", "sub.i32 cc_dst, ecx, $0x2c\n brcond.i32 cc_dst, $0xff, tstne, $L0\n mov.i32 edx, eax\nlabel $L0",
    "add.i32 cc_dst, ecx, $0xffffffd4\n brcond.i32 cc_dst, $0xff, tstne, $L0\n mov.i32 edx, eax\nlabel $L0" },
  { "a raise that is not reached leaves all that was known",
    "mov.i32 t0, eax\n brcond.i32 ebx, ecx, lt, $L0\n call _, h_raise (env)\nlabel $L0\n add.i32 edx, t0, ebx",
    "mov.i32 t0, eax\n brcond.i32 ebx, ecx, lt, $L0\n call _, h_raise (env)\nlabel $L0\n add.i32 edx, eax, ebx" },
  { "rotations", "rotl.i32 eax, $0x80000001, $0x1\n rotr.i64 w0, $0x1, $0x4",
    "mov.i32 eax, $0x3\n mov.i64 w0, $0x1000000000000000" },
  { "widths", "ext32s w0, $0x80000000\n ext32u w1, $0x80000000\n trunc eax, $0x1ffffffff",
    "mov.i64 w0, $0xffffffff80000000\n mov.i64 w1, $0x80000000\n mov.i32 eax, $0xffffffff" },
  { "a 32-bit copy is one for those that read 32 bits",
    "mov.i32 t0:i64, w0\n add.i32 eax, t0:i64, ecx\n add.i64 w1, t0, w2",
    "mov.i32 t0:i64, w0\n add.i32 eax, w0, ecx\n add.i64 w1, t0, w2" },
  { "and for all when there are no more",
    "ld32u.i64 t1, [env + 0x4060]\n mov.i32 t0:i64, t1:i64\n add.i64 w1, t0, w2",
    "ld32u.i64 t1, [env + 0x4060]\n mov.i32 t0:i64, t1:i64\n add.i64 w1, t1, w2" },
  { "a 64-bit copy is one for both", "mov.i64 t0, w0\n add.i32 eax, t0:i64, ecx\n add.i64 w1, t0, w2",
    "mov.i64 t0, w0\n add.i32 eax, w0, ecx\n add.i64 w1, w0, w2" },
  { "constants have the width of their reader",
    "mov.i32 t0:i64, $0xffffffff\n add.i64 w0, w0, t0\n mov.i64 t1, $0x100000005\n add.i32 eax, eax, t1:i64\n"
    " add.i32 ebx, ebx, $0x700000001:i64",
    "mov.i32 t0:i64, $0xffffffff\n add.i64 w0, w0, $0xffffffff\n mov.i64 t1, $0x100000005\n add.i32 eax, eax, $0x5\n"
    " add.i32 ebx, ebx, $0x1" },
  { "a 32-bit result has zeros above", "add.i32 t0:i64, w0, w1\n and.i64 w2, t0, $0xffffffff\n shr.i64 w3, t0, $0x20",
    "add.i32 t0:i64, w0, w1\n mov.i64 w2, t0\n mov.i64 w3, $0x0" },
  { "a 64-bit register moved to itself", "mov.i32 w0, w0\n mov.i32 w0, w0\n mov.i64 w0, w0\n add.i64 w0, w0, $0x0",
    "mov.i32 w0, w0" },
  { "nothing is added, but the upper half goes", "add.i32 w0, w0, $0x0\n or.i32 w1, w2, $0x0", "mov.i32 w0, w0\n mov.i32 w1, w2" },
  { "32 of 64 bits", "extract.i64 w0, w1, 0, 32\n sextract.i64 w1, w2, 0, 32\n and.i64 w2, w3, $0xffffffff",
    "mov.i32 w0, w1\n ext32s w1, w2\n mov.i32 w2, w3" },
  { "sums of different widths do not add up", "add.i32 t0:i64, w0, $0xffffffff\n add.i64 w1, t0, $0x1",
    "add.i32 t0:i64, w0, $0xffffffff\n add.i64 w1, t0, $0x1" },
  { "decided by half", "ext8u.i64 t0, w0\n deposit.i64 t1, t0, w1, 32, 32\n setcond.i32 eax, t1:i64, $0x100, ltu\n"
                       " setcond.i64 w2, t1, $0x100, ltu",
    "ext8u.i64 t0, w0\n deposit.i64 t1, t0, w1, 32, 32\n mov.i32 eax, $0x1\n setcond.i64 w2, t1, $0x100, ltu" },
  { "clz of zero is its second input", "clz.i32 eax, $0x0, $0x20\n ctz.i32 ebx, $0x0, ecx",
    "mov.i32 eax, $0x20\n ctz.i32 ebx, $0x0, ecx" },
  { "deposit of constants", "deposit.i32 eax, $0x11223344, $0xff, 8, 8", "mov.i32 eax, $0x1122ff44" },
  { "deposit of zero is a mask", "deposit.i32 eax, eax, $0x0, 0, 8", "and.i32 eax, eax, $0xffffff00" },
  { "deposit of everything is a move", "deposit.i32 eax, ebx, ecx, 0, 32", "mov.i32 eax, ecx" },
  { "deposit does not need its field extended", "ext8u.i32 t0, ebx\n deposit.i32 eax, eax, t0, 0, 8",
    "ext8u.i32 t0, ebx\n deposit.i32 eax, eax, ebx, 0, 8" },
  { "identities", "add.i32 eax, eax, $0x0\n or.i32 ebx, $0x0, ecx\n xor.i32 ecx, edx, $0xffffffff\n"
                  " sub.i32 edx, esi, esi",
    "mov.i32 ebx, ecx\n not.i32 ecx, edx\n mov.i32 edx, $0x0" },
  { "a subtraction of a constant is an addition", "sub.i32 eax, ebx, $0x4", "add.i32 eax, ebx, $0xfffffffc" },
  { "a known carry", "addc.i32 eax, ebx, ecx, $0x0\n subb.i32 ecx, ebx, $0x4, $0x1",
    "add.i32 eax, ebx, ecx\n add.i32 ecx, ebx, $0xfffffffb" },
  { "a chain of additions", "add.i32 t0, esp, $0xfffffffc\n add.i32 t1, t0, $0xfffffffc\n mov.i32 eax, t1",
    "add.i32 t0, esp, $0xfffffffc\n add.i32 t1, esp, $0xfffffff8\n mov.i32 eax, t1" },
  { "a chain whose base has changed",
    "add.i32 t0, esp, $0xfffffffc\n mov.i32 esp, $0x1\n add.i32 t1, t0, $0xfffffffc\n mov.i32 eax, t1",
    "add.i32 t0, esp, $0xfffffffc\n mov.i32 esp, $0x1\n add.i32 t1, t0, $0xfffffffc\n mov.i32 eax, t1" },
  { "a copy of a global is the global", "mov.i32 t0, eax\n add.i32 ebx, t0, ecx",
    "mov.i32 t0, eax\n add.i32 ebx, eax, ecx" },
  { "until the global is redefined", "mov.i32 t0, eax\n add.i32 eax, eax, ebx\n add.i32 ecx, t0, eax",
    "mov.i32 t0, eax\n add.i32 eax, eax, ebx\n add.i32 ecx, t0, eax" },
  { "or a call writes it", "mov.i32 t0, ebx\n call _, h_write (env, ecx)\n add.i32 ecx, t0, edx",
    "mov.i32 t0, ebx\n call _, h_write (env, ecx)\n add.i32 ecx, t0, edx" },
  { "a call that writes no global changes none", "mov.i32 t0, ebx\n call eax, h_read (env)\n"
                                                 " add.i32 ecx, t0, edx",
    "mov.i32 t0, ebx\n call eax, h_read (env)\n add.i32 ecx, ebx, edx" },
  { "extensions of extensions", "ext8u.i32 t0, eax\n ext16u.i32 ebx, t0\n ext8s.i32 ecx, t0\n"
                                " and.i32 edx, t0, $0x1ff",
    "ext8u.i32 t0, eax\n mov.i32 ebx, t0\n ext8s.i32 ecx, eax\n mov.i32 edx, t0" },
  { "a narrow load is narrow", "gld.i32 t0, eax, le.u8.mmu0\n and.i32 ebx, t0, $0xff\n"
                               " gld.i32 t1, eax, le.s8.mmu0\n"
    "ext8u.i32 ecx, t1", "gld.i32 t0, eax, le.u8.mmu0\n mov.i32 ebx, t0\n gld.i32 t1, eax, le.s8.mmu0\n"
                         " ext8u.i32 ecx, t1" },
  { "trunc undoes widening", "ext32s t0, eax\n trunc ebx, t0\n ext32u w0, eax\n trunc w1, w2",
    "ext32s t0, eax\n mov.i32 ebx, eax\n mov.i32 w0, eax\n mov.i32 w1, w2" },
  { "decided by the bits that may be set", "ext8u.i32 t0, eax\n setcond.i32 ebx, t0, $0x100, ltu\n"
                                           " setcond.i32 ecx, t0, $0x0, lt",
    "ext8u.i32 t0, eax\n mov.i32 ebx, $0x1\n mov.i32 ecx, $0x0" },
  { "unsigned edges", "setcond.i32 eax, ebx, $0x1, ltu\n setcond.i32 ecx, $0x0, ebx, ltu",
    "setcond.i32 eax, ebx, $0x0, eq\n setcond.i32 ecx, ebx, $0x0, ne" },
  { "movcond of one and zero", "movcond.i32 eax, ebx, ecx, $0x0, $0x1, lt", "setcond.i32 eax, ebx, ecx, ge" },
  { "a branch that is taken drops what it skips",
    "brcond.i32 $0x1, $0x2, ltu, $L0\n mov.i32 eax, $0x1\nlabel $L0\n mov.i32 ebx, $0x2",
      "mov.i32 ebx, $0x2" },
  { "a branch that is not taken goes, and its label joins nothing",
    "mov.i32 t0, $0x3\n brcond.i32 t0, $0x2, ltu, $L0\nlabel $L0\n add.i32 eax, t0, $0x1",
      "mov.i32 t0, $0x3\n mov.i32 eax, $0x4" },
  { "nothing is known after a label that is branched to",
    "mov.i32 t0, $0x3\n brcond.i32 eax, $0x2, ltu, $L0\n mov.i32 t0, $0x4\nlabel $L0\n add.i32 eax, t0, $0x1",
    "mov.i32 t0, $0x3\n brcond.i32 eax, $0x2, ltu, $L0\n mov.i32 t0, $0x4\nlabel $L0\n"
    " add.i32 eax, t0, $0x1" },
  { "a global keeps its name when set from a local", "add.i32 t0, eax, ebx\n mov.i32 eax, t0\n"
                                                     " add.i32 ecx, eax, $0x1",
    "add.i32 t0, eax, ebx\n mov.i32 eax, t0\n add.i32 ecx, eax, $0x1" },
};

START_TEST (test_cases)
{
  pass_test_run (cases, G_N_ELEMENTS (cases), opt_fold);
}
END_TEST

/* Every op of values alone, on constants, agrees with the interpreter. */
START_TEST (test_agrees_with_interpreter)
{
  static const uint64_t values[] = { 0, 1, 2, 31, 33, 64, 0x7f, 0x80, 0xffff, 0x12345678, 0x7fffffff,
                                     0x80000000, 0xffffffff,
                                     0x123456789abcdef0, 0x8000000000000000, ~(uint64_t) 0 };
  FakeCpu *cpu = fake_cpu_new ();
  for (unsigned op = BP_IR_mov; op <= BP_IR_setcond; op++)
    for (unsigned type = 0; type < 2; type++)
      for (unsigned i = 0; i < G_N_ELEMENTS (values) * G_N_ELEMENTS (values); i++) {
        BpIrInsn insn = { .op = (uint8_t) op, .type = (uint8_t) type, .cond = (uint8_t) (i % 14),
                          .aux = 3 | 9 << 8 };
        uint64_t mask = type ? ~(uint64_t) 0 : 0xffffffffu;
        uint64_t a = values[i % 16] & mask, b = values[i / 16] & mask, c = i & 1, value;
        if (ir_op_info[op].n_out != 1 || !ir_compute (&insn, a, b, c, &value))
          continue;
        if (!(ir_op_info[op].attributes & BP_IR_ATTR_TYPED))
          continue;
        BpIrBlock ir;
        fake_cpu_block_init (&ir);
        bp_ir_insn_start (&ir, 0, 0);
        bp_ir_op4 (&ir, (BpIrOp) op, (BpIrType) type, bp_ir_global (type ? 10 : 0),
                   bp_ir_const (&ir, (BpIrType) type, (int64_t) a),
                   ir_op_info[op].n_in > 1 ? bp_ir_const (&ir, (BpIrType) type, (int64_t) b) : BP_IR_NONE,
                   ir_op_info[op].n_in > 2 ? bp_ir_const (&ir, (BpIrType) type, (int64_t) c) : BP_IR_NONE);
        ir.insns[1].cond = insn.cond;
        ir.insns[1].aux = insn.aux;
        bp_ir_exit_tb (&ir, BP_IR_EXIT_NONE);
        fake_cpu_run (cpu, &backend_interp, NULL, &ir);
        uint64_t is = type ? cpu->state.w[0] : cpu->state.r[0];
        ck_assert_msg (is == (value & mask), "%s.%s %#lx %#lx: interpreted %#lx, folded %#lx",
                       ir_op_info[op].name,
                       type ? "i64" : "i32", (unsigned long) a, (unsigned long) b, (unsigned long) is,
                       (unsigned long) (value & mask));
        bp_ir_block_finish (&ir);
      }
  fake_cpu_free (cpu);
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = { test_cases, test_agrees_with_interpreter };
  return pass_test_main ("opt-fold", tests, G_N_ELEMENTS (tests));
}
