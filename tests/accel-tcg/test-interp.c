/* test-interp.c -- the interpreting backend: entry, exits, faults, guest memory, native insns. */
/* SPDX-License-Identifier: MIT */
#include "pass-test.h"

static FakeResult
run (FakeCpu *cpu, const char *text)
{
  BpIrBlock ir;
  GError *error = NULL;
  fake_cpu_block_init (&ir);
  if (!ir_parse (&ir, text, &error) || !ir_verify (&ir, &error))
    ck_abort_msg ("%s", error->message);
  FakeResult result = fake_cpu_run (cpu, &backend_interp, NULL, &ir);
  bp_ir_block_finish (&ir);
  return result;
}

START_TEST (test_exits)
{
  FakeCpu *cpu = fake_cpu_new ();
  ck_assert_uint_eq (run (cpu, "goto_tb 0\n exit_tb 0").number, 0);
  ck_assert_uint_eq (run (cpu, "exit_tb 1").number, 1);
  cpu->state.r[0] = 0x1234;
  ck_assert_uint_eq (run (cpu, "goto_ptr.i32 eax").number, TCG_EXIT_NONE);
  ck_assert_uint_eq (cpu->jumped_to, 0x1234);
  cpu->state.r[0] = 0;
  ck_assert_uint_eq (run (cpu, "goto_any").number, TCG_EXIT_NONE);
  tcg_vcpu (cpu)->exit_request = 1;
  ck_assert_uint_eq (run (cpu, "mov.i32 eax, $0x1\n exit_tb 1").number, TCG_EXIT_LEAVE);
  ck_assert_uint_eq (cpu->state.r[0], 0);
  fake_cpu_free (cpu);
}
END_TEST

START_TEST (test_faults_name_their_insn)
{
  FakeCpu *cpu = fake_cpu_new ();
  FakeResult result = run (cpu, "insn_start 0x10, 0x1\n mov.i32 eax, $0x1\ninsn_start 0x12, 0x2\n"
                                " gld.i32 ebx, $0x0, le.u32.mmu0\n"
                           "insn_start 0x14, 0x3\n mov.i32 eax, $0x2\n exit_tb 2");
  ck_assert_int_eq (result.kind, FAKE_PAGE_FAULT);
  ck_assert_uint_eq (result.pc, 0x12);
  ck_assert_uint_eq (result.word, 2);
  ck_assert_uint_eq (cpu->state.r[0], 1);

  result = run (cpu, "insn_start 0x20, 0x5\n divu2.i32 eax, edx, $0x0, $0x1, $0x1\n exit_tb 2");
  ck_assert_int_eq (result.kind, FAKE_DIVIDE);
  ck_assert_uint_eq (result.pc, 0x20);

  result = run (cpu, "insn_start 0x30, 0x7\n nop\ninsn_start 0x31, 0x8\n call _, h_raise (env)");
  ck_assert_int_eq (result.kind, FAKE_RAISED);
  ck_assert_uint_eq (result.pc, 0x31);
  fake_cpu_free (cpu);
}
END_TEST

/* Every quotient that just fits and just does not. */
START_TEST (test_division_edges)
{
  static const struct {
    const char *op, *low, *high, *by;
    bool fits;
    uint64_t quotient, remainder;
  } cases[] = {
    { "divu2.i32", "$0xffffffff", "$0x1", "$0x2", true, 0xffffffff, 1 },
    { "divu2.i32", "$0x0", "$0x2", "$0x2", false, 0, 0 },
    { "divs2.i32", "$0x80000000", "$0xffffffff", "$0x1", true, 0x80000000, 0 },
    { "divs2.i32", "$0x80000000", "$0xffffffff", "$0xffffffff", false, 0, 0 },
    { "divs2.i32", "$0xfffffff9", "$0xffffffff", "$0x2", true, 0xfffffffd, 0xffffffff },
    { "divs2.i32", "$0x7", "$0x0", "$0xfffffffe", true, 0xfffffffd, 1 },
    { "divs2.i32", "$0x0", "$0x80000000", "$0xffffffff", false, 0, 0 },
    { "divu2.i64", "$0xffffffffffffffff", "$0x1", "$0x2", true, ~(uint64_t) 0, 1 },
    { "divs2.i64", "$0x8000000000000000", "$0xffffffffffffffff", "$0xffffffffffffffff", false, 0, 0 },
    { "divs2.i64", "$0x0", "$0x8000000000000000", "$0xffffffffffffffff", false, 0, 0 },
    { "divs2.i64", "$0x8000000000000000", "$0xffffffffffffffff", "$0x1", true, (uint64_t) 1 << 63, 0 },
    { "divs2.i64", "$0x1", "$0x0", "$0x0", false, 0, 0 },
  };
  FakeCpu *cpu = fake_cpu_new ();
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    bool wide = strstr (cases[i].op, "i64") != NULL;
    char *text = g_strdup_printf ("insn_start 0x0, 0x0\n %s %s, %s, %s, %s\n exit_tb 2", cases[i].op,
                                  wide ? "w0, w1" : "eax, edx",
                                  cases[i].low, cases[i].high, cases[i].by);
    FakeResult result = run (cpu, text);
    ck_assert_msg ((result.kind == FAKE_EXIT) == cases[i].fits, "%s", text);
    if (cases[i].fits) {
      ck_assert_msg ((wide ? cpu->state.w[0] : cpu->state.r[0]) == cases[i].quotient, "%s", text);
      ck_assert_msg ((wide ? cpu->state.w[1] : cpu->state.r[2]) == cases[i].remainder, "%s", text);
    }
    g_free (text);
  }
  fake_cpu_free (cpu);
}
END_TEST

START_TEST (test_tlb)
{
  FakeCpu *cpu = fake_cpu_new ();
  memcpy (cpu->memory + 0x10, "\x11\x22\x83\x84\x55\x66\x77\x88", 8);
  const char *load = "insn_start 0x0, 0x0\n gld.i32 eax, $0x10010, le.u32.mmu0\n"
                     " gld.i32 ecx, $0x10012, le.s16.mmu0\n"
                     "gld.i64 w0, $0x10010, be.u64.mmu1\n exit_tb 2";
  run (cpu, load);
  ck_assert_uint_eq (cpu->state.r[0], 0x84832211);
  ck_assert_uint_eq (cpu->state.r[1], 0xffff8483);
  ck_assert_uint_eq (cpu->state.w[0], 0x1122838455667788);
  ck_assert_uint_eq (cpu->slow_accesses, 1);
  run (cpu, load);
  ck_assert_uint_eq (cpu->slow_accesses, 1);
  run (cpu, "insn_start 0x0, 0x0\n gld.i32 eax, $0x10ffe, le.u32.mmu0\n exit_tb 2");    /* crosses a page */
  ck_assert_uint_eq (cpu->slow_accesses, 2);
  run (cpu, "insn_start 0x0, 0x0\n gld.i32 eax, $0x10ffc, le.u32.mmu0\n"
            " gst.i32 $0x7, $0x10ffc, le.u32.mmu0\n exit_tb 2");
  ck_assert_uint_eq (cpu->slow_accesses, 2);
  ck_assert_uint_eq (cpu->memory[0xffc], 7);

  cpu->slow_accesses = 0;
  run (cpu, "insn_start 0x0, 0x0\n gst.i32 $0x1, $0x1d000, le.u8.mmu0\n gst.i32 $0x2, $0x1d001, le.u8.mmu0\n"
            "gld.i32 eax, $0x1d000, le.u16.mmu0\n exit_tb 2");
  ck_assert_uint_eq (cpu->state.r[0], 0x201);
  ck_assert_uint_eq (cpu->slow_accesses, 2);    /* both stores to the watched page */
  ck_assert_int_eq (run (cpu, "insn_start 0x0, 0x0\n gld.i32 eax, $0x1f000, le.u32.mmu0\n"
                              " gst.i32 $0x1, $0x1f000, le.u32.mmu0\n"
                              "exit_tb 2").kind, FAKE_PAGE_FAULT);
  ck_assert_int_eq (run (cpu, "insn_start 0x0, 0x0\n gld.i32 eax, $0x10001, le.u32.mmu0.align\n"
                              " exit_tb 2").kind, FAKE_ALIGN);
  fake_cpu_free (cpu);
}
END_TEST

START_TEST (test_atomics)
{
  FakeCpu *cpu = fake_cpu_new ();
  for (unsigned fast = 0; fast < 2; fast++) {   /* the first time through the slow path */
    memcpy (cpu->memory, "\xff\x80\0\0\x05\0\0\0", 8);
    run (cpu, "insn_start 0x0, 0x0\n gfetch_add.i32 eax, $0x10000, $0x1, le.u8.mmu0\n"
              " gxchg.i32 ecx, $0x10001, $0x7f, le.s8.mmu0\n"
              "gcmpxchg.i32 edx, $0x10004, $0x5, $0x9, le.u32.mmu0\n"
              " gcmpxchg.i32 ebx, $0x10004, $0x5, $0xa, le.u32.mmu0\n"
              "gfetch_xor.i64 w0, $0x10000, $0xff, le.u64.mmu0\n exit_tb 2");
    ck_assert_uint_eq (cpu->state.r[0], 0xff);
    ck_assert_uint_eq (cpu->state.r[1], 0xffffff80);
    ck_assert_uint_eq (cpu->state.r[2], 5);
    ck_assert_uint_eq (cpu->state.r[3], 9);
    ck_assert_uint_eq (cpu->state.w[0], 0x900007f00);
    ck_assert_uint_eq (cpu->memory[0], 0xff);
  }
  ck_assert_uint_eq (cpu->slow_accesses, 3);   /* one, and the two accesses within it */
  fake_cpu_free (cpu);
}
END_TEST

/* The fake CPU's native insns: result = input + opcode + operand bytes; flags change in two bits. */
START_TEST (test_native)
{
  FakeCpu *cpu = fake_cpu_new ();
  memcpy (cpu->memory + 0x100, "\x01\x02\x03\x04", 4);
  run (cpu, "insn_start 0x0, 0x0\n mov.i32 ebx, $0x10100\n"
            "native.i32 eax, ecx, _, ebx, $0x1, {opcode=0x10 map=1 reg_kind=out rm_kind=mem state=2 "
            "flags_out=1 flags_in=1 size=4 read=1}\n"
            "native.i64 w0, _, $0x100000000, _, _, {opcode=0x7e map=1 w=1 reg_kind=in rm_kind=out state=2}\n"
            "native.i32 _, _, $0xaa, $0x10200, _, {opcode=0x11 map=1 reg_kind=in rm_kind=mem state=2 size=2 "
            "write=1}\n exit_tb 2");
  ck_assert_uint_eq (cpu->state.r[0], 0x10 + 10);
  ck_assert_uint_eq (cpu->state.r[1], 0x40);
  ck_assert_uint_eq (cpu->state.w[0], 0x10000007e);
  ck_assert_uint_eq (cpu->memory[0x201], 0xaa);
  FakeResult result = run (cpu, "insn_start 0x77, 0x0\n"
                                " native.i32 _, _, _, $0x10, _, {opcode=0xd9 rm_kind=mem state=1 size=4 "
                                "read=1}\n"
                           "exit_tb 2");
  ck_assert_int_eq (result.kind, FAKE_PAGE_FAULT);
  ck_assert_uint_eq (result.pc, 0x77);
  fake_cpu_free (cpu);
}
END_TEST

START_TEST (test_calls)
{
  FakeCpu *cpu = fake_cpu_new ();
  cpu->state.r[0] = 1;
  run (cpu, "insn_start 0x0, 0x0\n call w0, h_seven (env, $0xffffffff, $0x2, $0x3, $0x4, $0x5, $0x6)\n"
            "call ecx, h_pure ($0xffffffff, $0x4)\n exit_tb 2");
  ck_assert_uint_eq (cpu->state.w[0], 0xffffffffull + 4 + 9 + 20 + 35 + 66 + 1);
  ck_assert_uint_eq (cpu->state.r[1], 1);
  fake_cpu_free (cpu);
}
END_TEST

/* What blocks take is charged to the buffer, so that a flush comes. */
START_TEST (test_buffer_fills)
{
  CodeBuffer buffer = { .size = 400, .limit = 400 };
  BpIrBlock ir;
  Tb tb[8] = { 0 };
  unsigned n = 0;
  fake_cpu_block_init (&ir);
  bp_ir_exit_tb (&ir, BP_IR_EXIT_NONE);
  for (; n < 8; n++) {
    BackendBlock block = { .tb = &tb[n], .frontend = &fake_frontend, .buffer = &buffer };
    if (!backend_interp.compile (&block, &ir))
      break;
  }
  ck_assert_uint_gt (n, 0);
  ck_assert_uint_lt (n, 8);
  ck_assert_uint_le (buffer.used, buffer.size);
  while (n-- > 0)
    backend_interp.release (&tb[n]);
  bp_ir_block_finish (&ir);
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = { test_exits, test_faults_name_their_insn, test_division_edges, test_tlb,
                                 test_atomics, test_native,
                                 test_calls, test_buffer_fills };
  return pass_test_main ("interp", tests, G_N_ELEMENTS (tests));
}
