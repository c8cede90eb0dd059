/* test-host-x64-wide.c -- blocks on the host for 64-bit guests: pin sets, wide program counters and addresses. */
/* SPDX-License-Identifier: MIT */
#include "host-x64-machine.h"
#include "../suite.h"

static BpTemp c64 (int64_t v) { return bp_ir_i64 (&ir, v); }
static BpTemp t64 (void) { return bp_ir_local (&ir, BP_IR_I64); }

static void
h_add (Cpu *env, uint64_t x)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (env->q); i++)
    env->q[i] += x;
}

static const BpIrHelper add_all = { "add_all", (void (*) (void)) h_add, 0, 2, 0, BP_IR_I32, { BP_IR_I64, BP_IR_I64 } };

/* Entry, slow path, helper and exit of a block bring the registers of its set to the state and back. */
START_TEST (test_pin_sets)
{
  for (unsigned set = 0; set < 2; set++) {
    use_frontend64 (set);
    BpIrType type = set ? BP_IR_I64 : BP_IR_I32;
    BpTemp args[2] = { BP_IR_ENV, c64 (0x1000) };
    for (unsigned i = 0; i < 6; i++)
      bp_ir_op3 (&ir, BP_IR_add, type, g (i), g (i), bp_ir_const (&ir, type, 0x100));
    bp_ir_gld (&ir, type, g (0), g (1), set ? BP_MO_64 | BP_MO_ADDR64 : BP_MO_32);
    bp_ir_call (&ir, &add_all, BP_IR_NONE, args, 2);
    for (unsigned i = 0; i < 6; i++)
      bp_ir_op3 (&ir, BP_IR_add, type, g (i), g (i), bp_ir_const (&ir, type, 1));
    uint64_t address = cpu->q[1] + 0x100, mask = set ? ~(uint64_t) 0 : 0xffffffffu, q[6];
    memcpy (q, cpu->q, sizeof q);
    memset (slow_page, 0, sizeof slow_page);
    slow_page[address & 0xff] = 7;
    run_once ();
    ck_assert_uint_eq (seen.address, address & mask);
    ck_assert_uint_eq (cpu->q[0], 7 + 0x1001);
    for (unsigned i = 1; i < 6; i++)
      ck_assert_uint_eq (cpu->q[i], (q[i] + 0x1101) & mask);
  }
}
END_TEST

/* What is not the block's to use stays. */
START_TEST (test_pins_of_other_set)
{
  use_frontend64 (1);
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, g (0), g (0), c64 (1));
  uint64_t q4 = cpu->q[4];
  run_once ();
  ck_assert_uint_eq (cpu->q[0], 0x1111111100000001u);
  ck_assert_uint_eq (cpu->q[4], q4);
}
END_TEST

/* An indirect jump by the cache, to the loop by C's choice, and a miss; kernel addresses. */
START_TEST (test_wide_pc)
{
  const uint64_t pc = 0xffffffff81000123u;
  use_frontend64 (1);
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, g (0), g (0), c64 (1));
  bp_ir_exit_tb (&ir, 0);
  Tb *target = compile ();
  bp_ir_insn_start (&ir, 0x200, 0);
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, g (5), g (5), c64 (1));
  bp_ir_goto_ptr (&ir, g (2));
  Tb *tb = compile ();
  uint64_t q0 = cpu->q[0], q5 = cpu->q[5];
  cpu->q[2] = pc;
  ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
  ck_assert_uint_eq (seen.address, pc);
  ck_assert_uint_eq (cpu->q[5], q5 + 1);
  seen.lookup = target->code;
  ck_assert_uint_eq (run (tb), 0);
  ck_assert_uint_eq (cpu->q[0], q0 + 1);
  JumpEntry *entry = &cpu->cache[jump_index (pc)];
  *entry = (JumpEntry) { .pc = pc, .mode = tb->mode, .code = target->code };
  ck_assert_uint_eq (run (tb), 0);
  ck_assert_uint_eq (seen.lookups, 2);
  cpu->q[2] = (uint32_t) pc;                    /* not the same place */
  *entry = (JumpEntry) { .pc = pc, .mode = tb->mode, .code = target->code };
  seen.lookup = NULL;
  ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
  ck_assert_uint_eq (seen.lookups, 3);
  release (tb);
  release (target);
}
END_TEST

/* Wherever C says, in the other pin set or the same one, or to the loop. */
START_TEST (test_goto_any)
{
  for (unsigned from = 0; from < 2; from++)
    for (unsigned to = 0; to < 2; to++) {
      use_frontend64 (to);
      bp_ir_op3 (&ir, BP_IR_add, to ? BP_IR_I64 : BP_IR_I32, g (5), g (5), bp_ir_const (&ir, to ? BP_IR_I64 : BP_IR_I32, 1));
      bp_ir_exit_tb (&ir, 0);
      Tb *target = compile ();
      key.flags = from;
      bp_ir_insn_start (&ir, 0x200, 0);
      bp_ir_op3 (&ir, BP_IR_add, from ? BP_IR_I64 : BP_IR_I32, g (5), g (5), bp_ir_const (&ir, from ? BP_IR_I64 : BP_IR_I32, 0x10));
      bp_ir_goto_any (&ir);
      Tb *tb = compile ();
      uint64_t q5 = cpu->q[5], mask = from && to ? ~(uint64_t) 0 : 0xffffffffu;
      ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
      ck_assert_uint_eq (cpu->q[5], (q5 + 0x10) & (from ? ~(uint64_t) 0 : mask));
      seen.lookup = target->code;
      seen.pin_set = to;
      ck_assert_uint_eq (run (tb), 0);
      ck_assert_uint_eq (cpu->q[5], (q5 + 0x21) & mask);
      ck_assert_uint_eq (seen.continued, 2);
      ck_assert_uint_eq (vcpu->pin_set, to);
      seen.lookup = NULL;
      seen.continued = 0;
      release (tb);
      release (target);
    }
}
END_TEST

/* An i32 pc in an i64 temp: its low half. */
START_TEST (test_narrow_pc)
{
  use_frontend64 (1);
  bp_ir_insn_start (&ir, 0x200, 0);
  bp_ir_append (&ir, BP_IR_goto_ptr, BP_IR_I32)->a[0] = g (3);
  Tb *tb = compile ();
  ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
  ck_assert_uint_eq (seen.address, 3);
  release (tb);
}
END_TEST

START_TEST (test_wide_icount)
{
  static const uint64_t pcs[] = { 0x401000, 0xffffffff81000000u, 0x00007f1234567000u };
  for (unsigned i = 0; i < G_N_ELEMENTS (pcs); i++) {
    use_frontend64 (1);
    key.pc = pcs[i];
    bp_ir_insn_start (&ir, (int64_t) pcs[i], 0);
    bp_ir_exit_tb (&ir, BP_IR_EXIT_NONE);
    Tb *tb = compile_with (BP_TCG_CF_ICOUNT);
    vcpu->icount_left = 0;
    cpu->wide_pc = ~(uint64_t) 0;
    ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
    ck_assert_uint_eq (cpu->wide_pc, pcs[i]);
    ck_assert_int_eq (vcpu->icount_left, 0);
    release (tb);
  }
}
END_TEST

/* The same low 32 bits in three places of which the TLB knows one. */
START_TEST (test_wide_addresses)
{
  static const uint64_t pages[] = { PAGE, 0xffffffff80000000u + PAGE, 0x00007f1200000000u + PAGE };
  for (unsigned there = 0; there < 3; there++)
    for (unsigned at = 0; at < 3; at++)
      for (unsigned constant = 0; constant < 2; constant++) {
        use_frontend64 (1);
        cpu->tlb[(PAGE >> 12) & 15] = (TlbEntry) { pages[there], pages[there], pages[there], (uintptr_t) page - pages[there] };
        uint64_t word = 0x0123456789abcdef;
        memcpy (page + 0x10, &word, 8);
        memset (slow_page, 0, sizeof slow_page);
        cpu->q[0] = pages[at] + 0x10;
        seen.loads = seen.stores = 0;
        BpTemp t = t64 (), where = constant ? c64 ((int64_t) cpu->q[0]) : g (0);
        bp_ir_gld (&ir, BP_IR_I64, t, where, BP_MO_64 | BP_MO_ADDR64);
        bp_ir_gst (&ir, t, where, BP_MO_64 | BP_MO_ADDR64);
        bp_ir_mov (&ir, BP_IR_I64, g (1), t);
        bp_ir_gatomic (&ir, BP_IR_gxchg, BP_IR_I64, t, where, c64 (5), BP_MO_64 | BP_MO_ADDR64);
        run_once ();
        memcpy (&word, page + 0x10, 8);
        ck_assert_uint_eq (seen.loads, there != at);
        ck_assert_uint_eq (seen.stores, there != at);
        ck_assert_uint_eq (cpu->q[1], there == at ? 0x0123456789abcdef : 0);
        ck_assert_uint_eq (word, there == at ? 5 : 0x0123456789abcdef);
        if (there != at)
          ck_assert_uint_eq (seen.address, pages[at] + 0x10);
      }
}
END_TEST

/* Accesses that mostly stay in the page of the last one: everywhere around its borders, with the near entry empty, of that page or of another
 * one.  C is asked for what is not all in the page, and nothing else. */
START_TEST (test_near)
{
  static const BpMemOp sizes[] = { BP_MO_8, BP_MO_16, BP_MO_32, BP_MO_64 };
  const uint64_t there = 0xffffffff80000000u + PAGE;
  use_frontend64 (1);
  cpu->tlb[(PAGE >> 12) & 15] = (TlbEntry) { there, there, there, (uintptr_t) page - there };
  for (unsigned k = 0; k < 4; k++)
    for (unsigned store = 0; store < 2; store++) {
      BpTemp t = t64 (), u = t64 ();
      BpMemOp memop = sizes[k] | BP_MO_ADDR64 | BP_MO_NEAR;
      unsigned bytes = 1u << k;
      bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, u, g (0), c64 (8));
      if (store)
        bp_ir_gst (&ir, g (1), u, memop);
      else
        bp_ir_gld (&ir, BP_IR_I64, t, u, memop);
      bp_ir_mov (&ir, BP_IR_I64, g (2), store ? g (1) : t);
      bp_ir_exit_tb (&ir, 2);
      Tb *tb = compile ();
      for (unsigned was = 0; was < 3; was++)
        for (int at = -20; at < 4100; at = at == 20 ? 4070 : at + 1) {
          uint64_t value = 0, other = 0x7f0000005000u;
          bool inside = at >= 0 && at + bytes <= 4096;
          for (unsigned i = 0; i < sizeof page; i++)
            page[i] = (uint8_t) (i * 7);
          tlb_near_drop_all (vcpu);
          if (was)
            vcpu->near[0] = (TlbNear) { .load = was == 1 ? there : other, .store = was == 1 ? there : other,
                                        .addend = was == 1 ? (uintptr_t) page - there : 0, .patience = (unsigned) at & 1 };
          seen.loads = seen.stores = 0;
          cpu->q[0] = there + (uint64_t) (int64_t) at - 8;
          cpu->q[1] = 0x1122334455667788;
          run (tb);
          ck_assert_uint_eq (seen.loads, !store && !inside);
          ck_assert_uint_eq (seen.stores, store && !inside);
          if (!inside)
            continue;
          memcpy (&value, page + at, bytes);
          ck_assert_uint_eq (value, (store ? cpu->q[1] : cpu->q[2]) & (bytes == 8 ? ~(uint64_t) 0 : (UINT64_C (1) << 8 * bytes) - 1));
          bool stays = was == 2 && (at & 1);
          ck_assert_uint_eq (vcpu->near[0].store, stays ? other : there);
        }
      release (tb);
    }
}
END_TEST

/* A page that may be read only is near for loads. */
START_TEST (test_near_read_only)
{
  use_frontend64 (1);
  cpu->tlb[(PAGE >> 12) & 15] = (TlbEntry) { PAGE, PAGE | TLB_WATCHED, PAGE, (uintptr_t) page - PAGE };
  BpTemp t = t64 ();
  bp_ir_gld (&ir, BP_IR_I64, t, g (0), BP_MO_64 | BP_MO_ADDR64 | BP_MO_NEAR);
  bp_ir_mov (&ir, BP_IR_I64, g (1), t);
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, g (2), g (2), c64 (8));
  bp_ir_gst (&ir, g (1), g (2), BP_MO_64 | BP_MO_ADDR64 | BP_MO_NEAR);
  cpu->q[0] = PAGE + 8;
  cpu->q[2] = PAGE + 0x100;
  run_once ();
  ck_assert_uint_eq (seen.loads, 0);
  ck_assert_uint_eq (seen.stores, 1);
  ck_assert_uint_eq (vcpu->near[0].load, PAGE);
  ck_assert_uint_eq (vcpu->near[0].store, TLB_NEAR_NONE);
}
END_TEST

/* A 32-bit address, from a register with more in it, is not taken for the kernel's. */
START_TEST (test_narrow_addresses)
{
  for (unsigned constant = 0; constant < 2; constant++) {
    use_frontend64 (1);
    const uint64_t high = 0xffffffff80000000u + PAGE;
    cpu->tlb[(PAGE >> 12) & 15] = (TlbEntry) { high, high, high, (uintptr_t) page - high };
    cpu->q[0] = high + 0x20;
    seen.loads = 0;
    bp_ir_gld (&ir, BP_IR_I32, g (1), constant ? c32 ((int32_t) high + 0x20) : g (0), BP_MO_32);
    run_once ();
    ck_assert_uint_eq (seen.loads, 1);
    ck_assert_uint_eq (seen.address, (uint32_t) high + 0x20);
  }
}
END_TEST

/* movups xmm3, [where]; movups [where + 0x40], xmm3 */
START_TEST (test_wide_native)
{
  static const uint64_t pages[] = { PAGE, 0xffffffff80000000u + PAGE, 0x00007f1200000000u + PAGE };
  const uint64_t movups = BP_NATIVE_MAKE (0x10, 1, 0) | BP_NATIVE_SET_STATE (BP_NATIVE_SSE) | BP_NATIVE_SET_REG (BP_NATIVE_FIELD, 3)
                          | BP_NATIVE_SET_RM (BP_NATIVE_MEM, 0);
  const uint32_t mem = 16 | BP_NATIVE_MEM_ADDR64;
  for (unsigned there = 0; there < 3; there++)
    for (unsigned at = 0; at < 3; at++)
      for (unsigned constant = 0; constant < 2; constant++) {
        use_frontend64 (1);
        cpu->tlb[(PAGE >> 12) & 15] = (TlbEntry) { pages[there], pages[there], pages[there], (uintptr_t) page - pages[there] };
        memset (page, 0, sizeof page);
        memset (slow_page, 0, sizeof slow_page);
        for (unsigned i = 0; i < 16; i++)
          (there == at ? page : slow_page)[0x10 + i] = (uint8_t) (i + 1);
        cpu->q[0] = pages[at] + 0x10;
        seen.loads = seen.commits = 0;
        BpTemp t = t64 ();
        bp_ir_native (&ir, movups, mem | BP_NATIVE_MEM_READ, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE,
                      constant ? c64 ((int64_t) cpu->q[0]) : g (0), BP_IR_NONE);
        bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, t, g (0), c64 (0x40));
        bp_ir_native (&ir, movups | 1, mem | BP_NATIVE_MEM_WRITE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, t, BP_IR_NONE);
        run_once ();
        ck_assert_uint_eq (seen.loads, there == at ? 0 : 2);
        ck_assert_uint_eq (seen.commits, there != at);
        const uint8_t *to = there == at ? page : slow_page;
        ck_assert_int_eq (memcmp (to + 0x50, to + 0x10, 16), 0);
        if (there != at)
          ck_assert_uint_eq (seen.address, pages[at] + 0x50);
      }
}
END_TEST

/* Addresses a constant away from a register that moves, at the page and past it; as arguments, and across a call of C. */
START_TEST (test_sums)
{
  for (unsigned slow = 0; slow < 2; slow++) {
    use_frontend64 (1);
    BpTemp t = t64 (), u = t64 (), v = t64 (), args[2] = { BP_IR_ENV, c64 (0) };
    uint64_t base = slow ? 0x7f0000050100u : PAGE + 0x100, one = 0x1122334455667788, word = 0;
    cpu->q[0] = base;
    cpu->q[1] = one;
    seen.loads = seen.stores = 0;
    bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, t, g (0), c64 (-8));
    bp_ir_gst (&ir, g (1), t, BP_MO_64 | BP_MO_ADDR64);
    bp_ir_mov (&ir, BP_IR_I64, g (0), t);
    bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, u, g (0), c64 (-16));
    bp_ir_gst (&ir, u, t, BP_MO_64 | BP_MO_ADDR64);     /* the value is a sum */
    bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, v, g (0), c64 (0x20));
    bp_ir_gst (&ir, g (1), v, BP_MO_64 | BP_MO_ADDR64);
    bp_ir_mov (&ir, BP_IR_I64, g (0), g (1));           /* what they were sums of has gone */
    bp_ir_call (&ir, &add_all, BP_IR_NONE, args, 2);
    bp_ir_gst (&ir, g (1), v, BP_MO_32 | BP_MO_ADDR64);
    bp_ir_mov (&ir, BP_IR_I64, g (2), v);
    bp_ir_mov (&ir, BP_IR_I64, g (3), u);
    run_once ();
    ck_assert_uint_eq (cpu->q[0], one);
    ck_assert_uint_eq (cpu->q[2], base - 8 + 0x20);
    ck_assert_uint_eq (cpu->q[3], base - 24);
    ck_assert_uint_eq (seen.stores, slow ? 4 : 0);
    memcpy (&word, page + 0xf8, 8);
    if (slow)
      ck_assert_uint_eq (seen.address, base - 8 + 0x20);
    else
      ck_assert_uint_eq (word, base - 24);
  }
}
END_TEST

START_TEST (test_fault_in_second_set)
{
  struct sigaction action = { .sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO | SA_NODEFER }, old;
  sigaction (SIGFPE, &action, &old);
  use_frontend64 (1);
  BpTemp q = t64 (), r = t64 ();
  bp_ir_insn_start (&ir, 0x100, 0);
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, g (5), g (5), g (3));
  bp_ir_insn_start (&ir, 0x102, 0);
  bp_ir_op5 (&ir, BP_IR_divu2, BP_IR_I64, q, r, g (0), c64 (0), g (1));
  bp_ir_exit_tb (&ir, BP_IR_EXIT_NONE);
  Tb *tb = compile ();
  uint64_t q3 = cpu->q[3], q4 = cpu->q[4], q5 = cpu->q[5];
  cpu->q[1] = 0;
  if (sigsetjmp (cpu->raised, 1) == 0) {
    run (tb);
    ck_abort_msg ("no fault");
  }
  ck_assert_uint_eq (cpu->q[5], q5 + q3);
  ck_assert_uint_eq (cpu->q[4], q4);
  sigaction (SIGFPE, &old, NULL);
  release (tb);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("host-x64-wide");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, test_pin_sets);
  tcase_add_test (tcase, test_pins_of_other_set);
  tcase_add_test (tcase, test_wide_pc);
  tcase_add_test (tcase, test_goto_any);
  tcase_add_test (tcase, test_narrow_pc);
  tcase_add_test (tcase, test_wide_icount);
  tcase_add_test (tcase, test_wide_addresses);
  tcase_add_test (tcase, test_near);
  tcase_add_test (tcase, test_near_read_only);
  tcase_add_test (tcase, test_narrow_addresses);
  tcase_add_test (tcase, test_wide_native);
  tcase_add_test (tcase, test_sums);
  tcase_add_test (tcase, test_fault_in_second_set);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
