/* test-opt-flags.c -- what opt_flags makes of small blocks. */
/* SPDX-License-Identifier: MIT */
#include "pass-test.h"

static const PassCase cases[] = {
  { "setcond and branch", "setcond.i32 t0, eax, ebx, lt\n brcond.i32 t0, $0x0, ne, $L0\nlabel $L0",
    "setcond.i32 t0, eax, ebx, lt\n brcond.i32 eax, ebx, lt, $L0\nlabel $L0" },
  { "inverted", "setcond.i32 t0, eax, ebx, lt\n brcond.i32 t0, $0x0, eq, $L0\nlabel $L0",
    "setcond.i32 t0, eax, ebx, lt\n brcond.i32 eax, ebx, ge, $L0\nlabel $L0" },
  { "compared with one", "setcond.i64 t0, w0, w1, ltu\n brcond.i64 t0, $0x1, ne, $L0\nlabel $L0",
    "setcond.i64 t0, w0, w1, ltu\n brcond.i64 w0, w1, geu, $L0\nlabel $L0" },
  { "not when an operand has changed", "setcond.i32 t0, eax, ebx, lt\n mov.i32 eax, ecx\n"
                                       " brcond.i32 t0, $0x0, ne, $L0\nlabel $L0",
    "setcond.i32 t0, eax, ebx, lt\n mov.i32 eax, ecx\n brcond.i32 t0, $0x0, ne, $L0\nlabel $L0" },
  { "not when a call may have changed it", "setcond.i32 t0, eax, ebx, lt\n call _, h_write (env, ecx)\n"
                                           " setcond.i32 ecx, t0, $0x0, ne",
    "setcond.i32 t0, eax, ebx, lt\n call _, h_write (env, ecx)\n setcond.i32 ecx, t0, $0x0, ne" },
  { "not across a label", "setcond.i32 t0, eax, ebx, lt\nlabel $L0\n brcond.i32 t0, $0x0, ne, $L0",
    "setcond.i32 t0, eax, ebx, lt\nlabel $L0\n brcond.i32 t0, $0x0, ne, $L0" },
  { "64 bits of a 32-bit result", "sub.i32 t0:i64, w0, w1\n brcond.i64 t0, $0x0, eq, $L0\nlabel $L0",
    "sub.i32 t0:i64, w0, w1\n brcond.i32 w0, w1, eq, $L0\nlabel $L0" },
  { "are never negative", "ext8s.i32 t0:i64, w0\n brcond.i64 t0, $0x0, lt, $L0\nlabel $L0",
    "ext8s.i32 t0:i64, w0\n brcond.i64 t0, $0x0, lt, $L0\nlabel $L0" },
  { "32 bits of a 64-bit result say little", "sub.i64 t0, w0, w1\n brcond.i32 t0:i64, $0x0, eq, $L0\nlabel $L0",
    "sub.i64 t0, w0, w1\n brcond.i32 t0:i64, $0x0, eq, $L0\nlabel $L0" },
  { "but of a condition all", "setcond.i64 t0, w0, w1, lt\n brcond.i32 t0:i64, $0x0, ne, $L0\nlabel $L0",
    "setcond.i64 t0, w0, w1, lt\n brcond.i64 w0, w1, lt, $L0\nlabel $L0" },
  { "a widened value", "mov.i32 t0:i64, w0\n brcond.i64 t0, $0x0, ne, $L0\nlabel $L0",
    "mov.i32 t0:i64, w0\n brcond.i32 w0, $0x0, ne, $L0\nlabel $L0" },
  { "a condition's value has no width", "setcond.i32 t0:i64, w0, w1, lt\n setcond.i64 w2, t0, $0x0, eq\n xor.i64 w3, t0, $0x1",
    "setcond.i32 t0:i64, w0, w1, lt\n setcond.i32 w2, w0, w1, ge\n setcond.i32 w3, w0, w1, ge" },
  { "a difference", "sub.i32 t0, eax, ebx\n setcond.i32 ecx, t0, $0x0, eq",
    "sub.i32 t0, eax, ebx\n setcond.i32 ecx, eax, ebx, eq" },
  { "a difference from a constant", "add.i32 t0, eax, $0xffffffff\n setcond.i32 ecx, t0, $0x0, eq",
    "add.i32 t0, eax, $0xffffffff\n setcond.i32 ecx, eax, $0x1, eq" },
  { "but its sign is not that of a comparison", "sub.i32 t0, eax, ebx\n setcond.i32 ecx, t0, $0x0, lt",
    "sub.i32 t0, eax, ebx\n setcond.i32 ecx, t0, $0x0, lt" },
  { "a mask", "and.i32 t0, eax, $0x10\n brcond.i32 t0, $0x0, ne, $L0\nlabel $L0",
    "and.i32 t0, eax, $0x10\n brcond.i32 eax, $0x10, tstne, $L0\nlabel $L0" },
  { "a field", "extract.i32 t0, eax, 4, 2\n brcond.i32 t0, $0x0, eq, $L0\nlabel $L0",
    "extract.i32 t0, eax, 4, 2\n brcond.i32 eax, $0x30, tsteq, $L0\nlabel $L0" },
  { "a byte's sign", "ext8s.i32 t0, eax\n brcond.i32 t0, $0x0, lt, $L0\nlabel $L0",
    "ext8s.i32 t0, eax\n brcond.i32 eax, $0x80, tstne, $L0\nlabel $L0" },
  { "a shifted byte's sign", "shl.i32 t0, eax, $0x18\n brcond.i32 t0, $0x0, ge, $L0\nlabel $L0",
    "shl.i32 t0, eax, $0x18\n brcond.i32 eax, $0x80, tsteq, $L0\nlabel $L0" },
  { "setcond of setcond", "setcond.i32 t0, eax, ebx, leu\n xor.i32 t1, t0, $0x1\n"
                          " setcond.i32 ecx, t1, $0x0, eq",
    "setcond.i32 t0, eax, ebx, leu\n setcond.i32 t1, eax, ebx, gtu\n setcond.i32 ecx, eax, ebx, leu" },
  { "movcond", "setcond.i32 t0, eax, ebx, leu\n movcond.i32 ecx, t0, $0x0, edx, esi, ne",
    "setcond.i32 t0, eax, ebx, leu\n movcond.i32 ecx, eax, ebx, edx, esi, leu" },
  { "a branch may change its width, a value may not",
    "setcond.i64 t0, w0, w1, lt\n trunc t1, t0\n ext32u t2, eax\n brcond.i64 t2, $0x0, eq, $L0\nlabel $L0\n"
    "setcond.i64 w2, t2, $0x0, eq",
    "setcond.i64 t0, w0, w1, lt\n trunc t1, t0\n ext32u t2, eax\n brcond.i32 eax, $0x0, eq, $L0\nlabel $L0\n"
    "setcond.i64 w2, t2, $0x0, eq" },
  { "a global's own test stays", "and.i32 eax, ebx, ecx\n brcond.i32 eax, $0x0, eq, $L0\nlabel $L0",
    "and.i32 eax, ebx, ecx\n brcond.i32 eax, $0x0, eq, $L0\nlabel $L0" },
};

START_TEST (test_cases)
{
  pass_test_run (cases, G_N_ELEMENTS (cases), opt_flags);
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = { test_cases };
  return pass_test_main ("opt-flags", tests, G_N_ELEMENTS (tests));
}
