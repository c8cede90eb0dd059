/* test-opt-liveness.c -- what opt_liveness makes of small blocks. */
/* SPDX-License-Identifier: MIT */
#include "pass-test.h"

static const PassCase cases[] = {
  { "a local that no one reads", "add.i32 t0, eax, ebx\n mov.i32 t1, t0", "" },
  { "a 32-bit result is moved as it is", "add.i32 t0:i64, w0, w1\n mov.i32 w0, t0:i64\n add.i32 t1:i64, w1, w2\n mov.i64 w1, t1",
    "add.i32 w0, w0, w1\n add.i32 w1, w1, w2" },
  { "half of a sum is a sum of halves", "add.i64 t0, w0, w1\n mov.i32 w0, t0:i64\n mul.i64 t1, w1, w2\n mov.i32 eax, t1:i64",
    "add.i32 w0, w0, w1\n mul.i32 eax, w1, w2" },
  { "but half of a quotient is not", "shr.i64 t0, w0, w1\n mov.i32 w0, t0:i64\n clz.i64 t1, w1, w2\n mov.i32 eax, t1:i64",
    "shr.i64 t0, w0, w1\n mov.i32 w0, t0:i64\n clz.i64 t1, w1, w2\n mov.i32 eax, t1:i64" },
  { "32 bits overwrite 64", "mov.i64 w0, w1\n mov.i32 w0, eax", "mov.i32 w0, eax" },
  { "a global overwritten before any use", "mov.i32 cc_dst, eax\n mov.i32 cc_dst, ebx",
    "mov.i32 cc_dst, ebx" },
  { "but not across an insn that may fault", "mov.i32 cc_dst, eax\n gst.i32 ebx, ecx, le.u32.mmu0\n"
                                             " mov.i32 cc_dst, ebx",
    "mov.i32 cc_dst, eax\n gst.i32 ebx, ecx, le.u32.mmu0\n mov.i32 cc_dst, ebx" },
  { "nor a call that reads globals", "mov.i32 cc_dst, eax\n call eax, h_read (env)\n mov.i32 cc_dst, ebx",
    "mov.i32 cc_dst, eax\n call eax, h_read (env)\n mov.i32 cc_dst, ebx" },
  { "a pure call does not read them, and goes when unread",
    "mov.i32 cc_dst, eax\n call t0, h_pure (eax, ebx)\n call t1, h_pure (eax, ecx)\n mov.i32 cc_dst, t1",
    "call cc_dst, h_pure (eax, ecx)" },
  { "a call's unread result", "call t0, h_read (env)", "call _, h_read (env)" },
  { "an exit reads globals", "mov.i32 cc_dst, eax\n goto_tb 0\n mov.i32 cc_dst, ebx",
    "mov.i32 cc_dst, eax\n goto_tb 0\n mov.i32 cc_dst, ebx" },
  { "both ways of a branch overwrite",
    "mov.i32 cc_dst, eax\n brcond.i32 eax, ebx, eq, $L0\n mov.i32 cc_dst, ecx\n exit_tb 0\nlabel $L0\n"
    " mov.i32 cc_dst, edx",
    "brcond.i32 eax, ebx, eq, $L0\n mov.i32 cc_dst, ecx\n exit_tb 0\nlabel $L0\n mov.i32 cc_dst, edx" },
  { "only one way of a branch does", "mov.i32 cc_dst, eax\n brcond.i32 eax, ebx, eq, $L0\n"
                                     " mov.i32 cc_dst, ecx\nlabel $L0",
    "mov.i32 cc_dst, eax\n brcond.i32 eax, ebx, eq, $L0\n mov.i32 cc_dst, ecx\nlabel $L0" },
  { "a local lives across a label", "mov.i32 t0, eax\n brcond.i32 eax, ebx, eq, $L0\n mov.i32 t0, ecx\n"
                                    "label $L0\n add.i32 edx, t0, edx",
    "mov.i32 t0, eax\n brcond.i32 eax, ebx, eq, $L0\n mov.i32 t0, ecx\nlabel $L0\n add.i32 edx, t0, edx" },
  { "and around a loop", "mov.i32 t0, eax\nlabel $L0\n add.i32 t0, t0, $0x1\n"
                         " brcond.i32 t0, $0xa, ltu, $L0\n mov.i32 eax, t0",
    "mov.i32 t0, eax\nlabel $L0\n add.i32 t0, t0, $0x1\n brcond.i32 t0, $0xa, ltu, $L0\n mov.i32 eax, t0" },
  { "a discarded global", "mov.i32 cc_dst, eax\n discard.i32 cc_dst", "discard.i32 cc_dst" },
  { "a result goes straight to its global", "add.i32 t0, eax, ebx\n insn_start 0x1001, 0x0\n mov.i32 eax, t0",
    "add.i32 eax, eax, ebx\n insn_start 0x1001, 0x0" },
  { "not when something in between may fault", "add.i32 t0, eax, ebx\n gld.i32 ecx, edx, le.u32.mmu0\n"
                                               " mov.i32 eax, t0",
    "add.i32 t0, eax, ebx\n gld.i32 ecx, edx, le.u32.mmu0\n mov.i32 eax, t0" },
  { "or reads the global", "add.i32 t0, eax, ebx\n mov.i32 ecx, eax\n mov.i32 eax, t0",
    "add.i32 t0, eax, ebx\n mov.i32 ecx, eax\n mov.i32 eax, t0" },
  { "or the local is read again", "add.i32 t0, eax, ebx\n mov.i32 eax, t0\n mov.i32 ecx, t0",
    "add.i32 t0, eax, ebx\n mov.i32 eax, t0\n mov.i32 ecx, t0" },
  { "or a branch leaves in between", "add.i32 t0, eax, ebx\n brcond.i32 ebx, ecx, eq, $L0\n"
                                     " mov.i32 eax, t0\nlabel $L0",
    "add.i32 t0, eax, ebx\n brcond.i32 ebx, ecx, eq, $L0\n mov.i32 eax, t0\nlabel $L0" },
  { "a loaded value too", "gld.i32 t0, ebx, le.u32.mmu0\n mov.i32 eax, t0", "gld.i32 eax, ebx, le.u32.mmu0" },
  { "two outputs to one global stay apart", "mulu2.i32 t0, eax, ebx, ecx\n mov.i32 eax, t0",
    "mul.i32 eax, ebx, ecx" },
  { "both outputs, crossed", "divu2.i32 t0, t1, eax, edx, ecx\n mov.i32 eax, t0\n mov.i32 edx, t1",
    "divu2.i32 eax, edx, eax, edx, ecx" },
  { "no high half", "muls2.i32 eax, t0, ebx, ecx", "mul.i32 eax, ebx, ecx" },
  { "nothing is live after a call that does not return",
    "mov.i32 t0, eax\n brcond.i32 ebx, ecx, eq, $L0\n call _, h_raise (env)\nlabel $L0\n mov.i32 ecx, t0",
    "mov.i32 t0, eax\n brcond.i32 ebx, ecx, eq, $L0\n call _, h_raise (env)\nlabel $L0\n mov.i32 ecx, t0" },
  { "unread flags of a native insn",
    "native.i32 _, t0, _, _, _, {opcode=0x2f map=1 reg=1 rm=2 state=2 flags_out=1}",
    "native.i32 _, _, _, _, _, {opcode=0x2f map=1 reg=1 rm=2 state=2}" },
  { "an unread division still faults", "divu2.i32 t0, t1, eax, edx, ecx", "divu2.i32 t0, t1, eax, edx, ecx" },
};

START_TEST (test_cases)
{
  pass_test_run (cases, G_N_ELEMENTS (cases), opt_liveness);
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = { test_cases };
  return pass_test_main ("opt-liveness", tests, G_N_ELEMENTS (tests));
}
