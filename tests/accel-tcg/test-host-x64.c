/* test-host-x64.c -- blocks on the host: exits, slow paths, helpers, resident FP state, faults, deterministic mode. */
/* SPDX-License-Identifier: MIT */
#include "host-x64-machine.h"
#include "../suite.h"

/* --- exits -------------------------------------------------------------------------------------- */


START_TEST (test_link)
{
  Tb *a = adder (1), *b = adder (100);
  cpu->r[0] = 0;
  ck_assert_uint_eq (run (a), 0);
  ck_assert_uint_eq (cpu->r[0], 1);
  ck_assert_uint_eq (a->exit[0].jump % 4, 0);
  ck_assert_uint_eq (a->n_exits, 1);
  backend_x64.link (&buffer, a, 0, b);
  uintptr_t result = backend_x64.execute (cpu, a);
  ck_assert_ptr_eq (TCG_EXIT_TB (result), b);
  ck_assert_uint_eq (cpu->r[0], 102);
  backend_x64.link (&buffer, a, 0, NULL);
  result = backend_x64.execute (cpu, a);
  ck_assert_ptr_eq (TCG_EXIT_TB (result), a);
  ck_assert_uint_eq (cpu->r[0], 103);
  release (a);
  release (b);
}
END_TEST

/* A conditional jump that is linked itself: count r1 down in a loop of one block. */
START_TEST (test_link_conditional)
{
  uint32_t taken = bp_ir_label_new (&ir);
  bp_ir_insn_start (&ir, 0x100, 0);
  bp_ir_op3 (&ir, BP_IR_sub, BP_IR_I32, g (1), g (1), c32 (1));
  bp_ir_brcond (&ir, BP_IR_I32, BP_IR_NE, g (1), c32 (0), taken);
  bp_ir_goto_tb (&ir, 0);
  bp_ir_exit_tb (&ir, 0);
  bp_ir_label (&ir, taken);
  bp_ir_goto_tb (&ir, 1);
  bp_ir_exit_tb (&ir, 1);
  Tb *tb = compile ();
  cpu->r[1] = 5;
  ck_assert_uint_eq (run (tb), 1);
  ck_assert_uint_eq (cpu->r[1], 4);
  ck_assert_uint_eq (tb->exit[1].jump % 4, 0);
  backend_x64.link (&buffer, tb, 1, tb);
  ck_assert_uint_eq (run (tb), 0);
  ck_assert_uint_eq (cpu->r[1], 0);
  release (tb);
}
END_TEST

START_TEST (test_goto_ptr)
{
  Tb *target = adder (7);
  bp_ir_insn_start (&ir, 0x200, 0);
  bp_ir_goto_ptr (&ir, g (2));
  Tb *tb = compile ();
  uint32_t pc = 0x8048123;
  cpu->r[0] = 0;
  cpu->r[2] = pc;
  ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);              /* the stub's look-up finds nothing */
  ck_assert_uint_eq (seen.lookups, 1);
  ck_assert_uint_eq (seen.address, pc);
  seen.lookup = target->code;
  ck_assert_uint_eq (run (tb), 0);
  ck_assert_uint_eq (cpu->r[0], 7);
  ck_assert_uint_eq (cpu->r[9], 0x1009);
  for (unsigned way = 0; way < 2; way++) {
    JumpEntry *entry = &cpu->cache[jump_index (pc) + way];
    unsigned lookups = seen.lookups, r0 = cpu->r[0];
    *entry = (JumpEntry) { .pc = pc, .mode = tb->mode, .code = target->code };
    ck_assert_uint_eq (run (tb), 0);
    ck_assert_uint_eq (cpu->r[0], r0 + 7);
    ck_assert_uint_eq (seen.lookups, lookups);
    entry->mode = tb->mode + 1;
    ck_assert_uint_eq (run (tb), 0);
    ck_assert_uint_eq (seen.lookups, lookups + 1);
    ck_assert_uint_eq (seen.exit, BP_IR_EXIT_NONE);
  }
  release (tb);
  release (target);
}
END_TEST

/* Jumps to two other pages: each is linked and guarded on its own. */
START_TEST (test_guard)
{
  const uint32_t name = 5 + PAGE_IDS;
  Tb *target = adder (7);
  uint32_t taken = bp_ir_label_new (&ir);
  bp_ir_insn_start (&ir, 0x200, 0);
  bp_ir_brcond (&ir, BP_IR_I32, BP_IR_NE, g (1), c32 (0), taken);
  bp_ir_goto_ptr (&ir, c32 (0x1234));
  bp_ir_label (&ir, taken);
  bp_ir_goto_ptr (&ir, c32 (0x5678));
  Tb *tb = compile ();
  cpu->r[0] = 0;
  for (unsigned n = 0; n < 2; n++) {
    cpu->r[1] = n;
    ck_assert_uint_eq (tb->exit[n].guard % 8, 0);
    ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
    ck_assert (seen.address == (n ? 0x5678 : 0x1234) && seen.exit == n);
    backend_x64.guard (&buffer, tb, n, name);
    backend_x64.link (&buffer, tb, n, target);
    memset (cpu->page_ids, 0, sizeof cpu->page_ids);
    ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);            /* the page is not there */
    cpu->page_ids[5] = name + PAGE_IDS;
    ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
    cpu->page_ids[5] = name;
    ck_assert_uint_eq (run (tb), 0);
    ck_assert_uint_eq (cpu->r[0], 7 * (n + 1));
    backend_x64.link (&buffer, tb, n, NULL);
    ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
  }
  ck_assert_uint_eq (seen.lookups, 8);
  release (tb);
  release (target);
}
END_TEST

/* A block of two pages, entered while the second is another one: it is looked up again, with its pc stored. */
START_TEST (test_second_page)
{
  page_id = 77;
  key.pc = 0x1ffe;
  key.base = 0x1000;
  Tb *tb = adder (1);
  page_id = 0;
  cpu->r[0] = 0;
  cpu->pc = 0;
  ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
  ck_assert (cpu->r[0] == 0 && cpu->pc == 0xffe && seen.address == 0xffe && seen.exit == BP_IR_EXIT_NONE);
  cpu->page_ids[77] = 77;
  ck_assert_uint_eq (run (tb), 0);
  ck_assert_uint_eq (cpu->r[0], 1);
  release (tb);
}
END_TEST

START_TEST (test_exit_request)
{
  Tb *tb = adder (1);
  cpu->r[0] = 0;
  vcpu->exit_request = 1;
  ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
  ck_assert_uint_eq (cpu->r[0], 0);
  release (tb);
}
END_TEST

START_TEST (test_icount)
{
  bp_ir_insn_start (&ir, 0x100, 0);
  bp_ir_insn_start (&ir, 0x101, 0);
  bp_ir_exit_tb (&ir, BP_IR_EXIT_NONE);
  Tb *tb = compile_with (BP_TCG_CF_ICOUNT | BP_TCG_CF_NO_CHAIN);
  vcpu->icount_left = 3;
  ck_assert_uint_eq (run (tb), TCG_EXIT_NONE);
  ck_assert_int_eq (vcpu->icount_left, 1);
  ck_assert_uint_eq (run (tb), TCG_EXIT_LEAVE);
  ck_assert_int_eq (vcpu->icount_left, 1);
  release (tb);
}
END_TEST

START_TEST (test_full_buffer)
{
  size_t size = buffer.limit;
  Tb *tb = g_aligned_alloc0 (1, sizeof *tb, 64);
  BackendBlock block = { .tb = tb, .frontend = &frontend, .buffer = &buffer };
  for (unsigned i = 0; i < 40; i++)
    bp_ir_gst (&ir, g (i % 10), g (0), BP_MO_32);
  bp_ir_exit_tb (&ir, 0);
  for (unsigned left = 0; left < 2000; left += 37) {
    size_t used = buffer.used;
    buffer.limit = used + left;
    ck_assert (!backend_x64.compile (&block, &ir));
    ck_assert_uint_eq (buffer.used, used);
    ck_assert_ptr_null (tb->code);
  }
  buffer.limit = size;
  release (tb);
}
END_TEST

/* --- memory ------------------------------------------------------------------------------------- */

START_TEST (test_fast_and_slow)
{
  uint32_t word = 0xcafe1234;
  memcpy (page + 0x10, &word, 4);
  memcpy (slow_page + 0x20, &word, 4);
  BpTemp a = t32 (), b = t32 (), keep[6];
  for (unsigned i = 0; i < 6; i++) {            /* more values than temporaries: some are spilled */
    keep[i] = t32 ();
    bp_ir_op3 (&ir, BP_IR_xor, BP_IR_I32, keep[i], g (i), g (i + 1));
  }
  bp_ir_gld (&ir, BP_IR_I32, a, c32 (PAGE + 0x10), BP_MO_32);
  bp_ir_gld (&ir, BP_IR_I32, b, g (1), BP_MO_32);
  bp_ir_gst (&ir, a, g (2), BP_MO_32);
  bp_ir_gst (&ir, b, c32 (PAGE + 0x40), BP_MO_16);
  for (unsigned i = 0; i < 6; i++)
    bp_ir_mov (&ir, BP_IR_I32, g (4 + i), keep[i]);
  cpu->r[1] = 0x20020;
  cpu->r[2] = 0xfffffffe;
  uint32_t r[10];
  memcpy (r, cpu->r, sizeof r);
  run_once ();
  ck_assert_uint_eq (seen.loads, 1);
  ck_assert_uint_eq (seen.stores, 1);
  ck_assert_uint_eq (seen.address, 0xfffffffe);
  ck_assert_uint_eq (seen.value, word);
  ck_assert_uint_eq (page[0x40] | page[0x41] << 8, 0x1234);
  ck_assert_uint_eq (cpu->r[0], r[0]);
  for (unsigned i = 0; i < 6; i++)
    ck_assert_uint_eq (cpu->r[4 + i], r[i] ^ r[i + 1]);
}
END_TEST

/* Non-temporal stores are the host's own, and so is what orders them.  What only orders other loads or stores is nothing there. */
START_TEST (test_fences)
{
  static const uint8_t sfence[] = { 0x0f, 0xae, 0xf8 };
  for (unsigned kind = 1; kind <= 3; kind++) {
    bp_ir_insn_start (&ir, 0x100, 0);
    bp_ir_append (&ir, BP_IR_fence, BP_IR_I32)->aux = kind;
    bp_ir_exit_tb (&ir, 0);
    Tb *tb = compile ();
    unsigned n = 0;
    for (uint32_t i = 0; i + sizeof sfence <= tb->code_size; i++)
      n += memcmp ((const uint8_t *) tb->code + i, sfence, sizeof sfence) == 0;
    ck_assert_uint_eq (n, kind == 2);
    ck_assert_uint_eq (run (tb), 0);
    release (tb);
  }
}
END_TEST

/* The last byte lies in the next page: never inline. */
START_TEST (test_page_crossing)
{
  BpTemp t = t32 ();
  bp_ir_gld (&ir, BP_IR_I32, t, g (1), BP_MO_32);
  bp_ir_gld (&ir, BP_IR_I32, t, g (2), BP_MO_32);
  bp_ir_gld (&ir, BP_IR_I32, t, g (3), BP_MO_32 | BP_MO_ALIGN);
  bp_ir_mov (&ir, BP_IR_I32, g (0), t);
  cpu->r[1] = PAGE + 0xffc;
  cpu->r[2] = PAGE + 0xffd;
  cpu->r[3] = PAGE + 0x102;
  run_once ();
  ck_assert_uint_eq (seen.loads, 2);
  ck_assert_uint_eq (seen.memop, BP_MO_32 | BP_MO_ALIGN);
}
END_TEST

START_TEST (test_leave_event)
{
  bp_ir_gld (&ir, BP_IR_I32, g (3), g (1), BP_MO_8);
  seen.on_load = TCG_EVENT_LEAVE;
  slow_page[1] = 99;
  cpu->r[1] = 0x20001;
  run_once ();
  ck_assert_uint_eq (seen.left, 1);
  ck_assert_uint_eq (vcpu->events, 0);
  ck_assert_uint_eq (cpu->r[3], 99);
}
END_TEST

START_TEST (test_slow_atomics)
{
  bp_ir_gatomic (&ir, BP_IR_gfetch_add, BP_IR_I32, g (3), g (1), g (2), BP_MO_32);
  bp_ir_gcmpxchg (&ir, BP_IR_I32, g (4), g (1), g (2), c32 (7), BP_MO_32);
  cpu->r[1] = 0x30000;
  cpu->r[2] = 5;
  run_once ();
  ck_assert_uint_eq (seen.atomics, 2);
  ck_assert_uint_eq (cpu->r[3], BP_IR_gfetch_add);
  ck_assert_uint_eq (cpu->r[4], 5007);
}
END_TEST

/* --- helpers ------------------------------------------------------------------------------------ */

static uint32_t
h_swap (Cpu *env, uint32_t x)
{
  ck_assert (vcpu->ret_pc != 0);
  uint32_t r = env->r[8];
  env->r[8] = env->r[0];
  env->r[0] = r;
  env->other += x;
  return x + 1;
}

static void
h_fp (Cpu *env)
{
  ck_assert_uint_eq (vcpu->fp_resident, 0);
  volatile double x = env->r[0];
  env->r[0] = (uint32_t) (x * 1.5);
}

static void __attribute__ ((noreturn))
h_raise (Cpu *env)
{
  env->fault_pc = vcpu->ret_pc;
  vcpu->ret_pc = 0;
  siglongjmp (env->raised, 1);
}

static const BpIrHelper swap = { "swap", (void (*) (void)) h_swap, 0, 2, 1, BP_IR_I32,
                                 { BP_IR_I64, BP_IR_I32 } };
static const BpIrHelper fp = { "fp", (void (*) (void)) h_fp, BP_HELPER_FP_STATE, 1, 0, BP_IR_I32,
                               { BP_IR_I64 } };
static const BpIrHelper raise_it = { "raise", (void (*) (void)) h_raise, BP_HELPER_NO_RETURN, 1, 0, BP_IR_I32,
                                     { BP_IR_I64 } };

START_TEST (test_helper_writes)
{
  BpTemp args[2] = { BP_IR_ENV, g (5) }, copy = t32 (), result = t32 ();
  bp_ir_mov (&ir, BP_IR_I32, copy, g (8));              /* a copy of a global survives the global's change */
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I32, g (10), g (10), c32 (3));
  bp_ir_call (&ir, &swap, result, args, 2);
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I32, g (6), g (8), result);
  bp_ir_op3 (&ir, BP_IR_sub, BP_IR_I32, g (7), copy, g (10));
  run_once ();
  ck_assert_uint_eq (cpu->r[0], 0x1008);
  ck_assert_uint_eq (cpu->r[8], 0x1000);
  ck_assert_uint_eq (cpu->other, 3 + 0x1005);
  ck_assert_uint_eq (cpu->r[6], 0x1000 + 0x1006);
  ck_assert_uint_eq (cpu->r[7], 0x1008 - (3 + 0x1005));
}
END_TEST

START_TEST (test_raise_and_marks)
{
  BpTemp args[1] = { BP_IR_ENV };
  bp_ir_insn_start (&ir, 0x100, 1);
  bp_ir_gst (&ir, g (0), c32 (PAGE), BP_MO_32);
  bp_ir_insn_start (&ir, 0x104, 2);
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I32, g (8), g (8), g (9));
  bp_ir_insn_start (&ir, 0x106, 3);
  bp_ir_call (&ir, &raise_it, BP_IR_NONE, args, 1);
  Tb *tb = compile ();
  ck_assert_uint_eq (tb->n_insns, 3);
  if (sigsetjmp (cpu->raised, 0) == 0)
    run (tb);
  int i = -1;
  for (unsigned k = 0; k < tb->n_marks; k++)
    if (tb->code + tb->marks[k].offset <= (const uint8_t *) cpu->fault_pc - 1)
      i = (int) tb->marks[k].insn;
  ck_assert_int_eq (i, 2);
  ck_assert_uint_eq (tb_insn_pc (tb, 2), 0x106);
  ck_assert_uint_eq (tb->insns[2].word, 3);
  ck_assert_uint_eq (cpu->r[8], 0x1008 + 0x1009);       /* what the state holds is current */
  release (tb);
}
END_TEST

/* --- native -------------------------------------------------------------------------------------- */

#define REG(n) BP_NATIVE_SET_REG (BP_NATIVE_FIELD, n)
#define RM(n) BP_NATIVE_SET_RM (BP_NATIVE_FIELD, n)
#define SSE BP_NATIVE_SET_STATE (BP_NATIVE_SSE)
#define X87 BP_NATIVE_SET_STATE (BP_NATIVE_X87)

static float *xmm (unsigned i) { return (float *) (void *) (cpu->fp + 160 + 16 * i); }

static void
native (uint64_t code, uint32_t mem, BpTemp out, BpTemp flags_out, BpTemp in, BpTemp address, BpTemp flags_in)
{
  bp_ir_native (&ir, code, mem, out, flags_out, in, address, flags_in);
}

static void
simple (uint64_t code)
{
  native (code, 0, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE);
}

START_TEST (test_sse)
{
  const uint64_t addps = BP_NATIVE_MAKE (0x58, 1, 0) | SSE;
  for (unsigned i = 0; i < 4; i++)
    xmm (1)[i] = (float) i, xmm (2)[i] = 10.5f;
  simple (addps | REG (1) | RM (2));
  simple (addps | REG (1) | RM (1));
  run_once ();
  for (unsigned i = 0; i < 4; i++)
    ck_assert (xmm (1)[i] == 2 * ((float) i + 10.5f));
}
END_TEST

/* movups xmm3, [r1]; movups [r2], xmm3, by the TLB and past it */
START_TEST (test_sse_memory)
{
  const uint64_t load = BP_NATIVE_MAKE (0x10, 1, 0) | SSE | REG (3) | BP_NATIVE_SET_RM (BP_NATIVE_MEM, 0);
  const uint64_t store = BP_NATIVE_MAKE (0x11, 1, 0) | SSE | REG (3) | BP_NATIVE_SET_RM (BP_NATIVE_MEM, 0);
  for (unsigned slow = 0; slow < 4; slow++) {
    memset (slow_page, 0, sizeof slow_page);
    memset (page, 0, sizeof page);
    for (unsigned i = 0; i < 16; i++)
      page[0x104 + i] = slow_page[0x44 + i] = (uint8_t) (i * 7 + slow);
    native (load, 16 | BP_NATIVE_MEM_READ, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, g (1), BP_IR_NONE);
    native (store, 16 | BP_NATIVE_MEM_WRITE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, g (2), BP_IR_NONE);
    cpu->r[1] = slow & 1 ? 0x50044 : PAGE + 0x104;
    cpu->r[2] = slow & 2 ? 0x60088 : PAGE + 0x208;
    seen.loads = seen.commits = 0;
    run_once ();
    const uint8_t *to = slow & 2 ? slow_page + 0x88 : page + 0x208;
    for (unsigned i = 0; i < 16; i++)
      ck_assert_uint_eq (to[i], (uint8_t) (i * 7 + slow));
    ck_assert_uint_eq (seen.loads, (slow & 1) + (slow >> 1));
    ck_assert_uint_eq (seen.commits, slow >> 1);
    ck_assert_uint_eq (vcpu->events, 0);
  }
}
END_TEST

START_TEST (test_sse_align)
{
  const uint64_t movaps = BP_NATIVE_MAKE (0x28, 1, 0) | SSE | REG (3) | BP_NATIVE_SET_RM (BP_NATIVE_MEM, 0);
  native (movaps, 16 | BP_NATIVE_MEM_READ | BP_NATIVE_MEM_ALIGN, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, g (1),
          BP_IR_NONE);
  cpu->r[1] = PAGE + 0x108;
  /* The stub does not raise: its buffer is aligned. */
  cpu->r[1] = PAGE + 0x100;
  run_once ();
  ck_assert_uint_eq (seen.loads, 0);
}
END_TEST

/* cvttss2si r3, xmm1; movd xmm4, r5; ucomiss xmm1, xmm2 -> flags */
START_TEST (test_sse_integers)
{
  xmm (1)[0] = -77.9f;
  xmm (2)[0] = -77.9f;
  native (BP_NATIVE_MAKE (0x2c, 1, 2) | SSE | BP_NATIVE_SET_REG (BP_NATIVE_OUT, 0) | RM (1), 0,
          g (3), BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE);
  native (BP_NATIVE_MAKE (0x6e, 1, 1) | SSE | REG (4) | BP_NATIVE_SET_RM (BP_NATIVE_IN, 0), 0,
          BP_IR_NONE, BP_IR_NONE, g (5), BP_IR_NONE, BP_IR_NONE);
  native (BP_NATIVE_MAKE (0x2e, 1, 0) | SSE | BP_NATIVE_SET_FLAGS_OUT | REG (1) | RM (2), 0,
          BP_IR_NONE, g (6), BP_IR_NONE, BP_IR_NONE, BP_IR_NONE);
  run_once ();
  ck_assert_int_eq ((int32_t) cpu->r[3], -77);
  ck_assert_uint_eq (*(uint32_t *) (void *) xmm (4), 0x1005);
  ck_assert_uint_eq (cpu->r[6], 0x40);                  /* equal: ZF */
}
END_TEST

/* fld1; fldpi; fadd st0, st1; fcomi; fnstsw ax; fstp m64, by the TLB and past it; and fcmovb with flags
 * in. */
START_TEST (test_x87)
{
  for (unsigned slow = 0; slow < 2; slow++) {
    simple (BP_NATIVE_MAKE (0xd9, 0, 0) | X87 | REG (5) | RM (0));          /* fld1 */
    simple (BP_NATIVE_MAKE (0xd9, 0, 0) | X87 | REG (5) | RM (3));          /* fldpi */
    native (BP_NATIVE_MAKE (0xda, 0, 0) | X87 | BP_NATIVE_SET_FLAGS_IN | REG (0) | RM (1),
            /* fcmovb st1 */
            0, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, g (7));
    simple (BP_NATIVE_MAKE (0xd8, 0, 0) | X87 | REG (0) | RM (1));          /* fadd st0, st1 */
    native (BP_NATIVE_MAKE (0xdf, 0, 0) | X87 | BP_NATIVE_SET_RAX_OUT | REG (4) | RM (0),
            /* fnstsw ax */
            0, g (9), BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE);
    native (BP_NATIVE_MAKE (0xdd, 0, 0) | X87 | REG (3) | BP_NATIVE_SET_RM (BP_NATIVE_MEM, 0),
            /* fstp m64 */
            8 | BP_NATIVE_MEM_WRITE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, g (1), BP_IR_NONE);
    simple (BP_NATIVE_MAKE (0xdd, 0, 0) | X87 | REG (3) | RM (0));          /* fstp st0 */
    cpu->r[1] = slow ? 0x70008 : PAGE + 8;
    cpu->r[7] = slow;                                   /* CF */
    run_once ();
    double result;
    memcpy (&result, slow ? slow_page + 8 : page + 8, 8);
    ck_assert (result == (slow ? 2.0 : M_PI + 1));
    ck_assert_uint_eq (cpu->r[9] >> 11 & 7, 6);         /* top of stack */
    ck_assert_uint_eq (cpu->fp[4], 0);                  /* abridged tag word: all empty */
  }
}
END_TEST

/* SSE resident, then x87 wanted as well; a helper between that uses the host's registers. */
START_TEST (test_residency)
{
  BpTemp args[1] = { BP_IR_ENV };
  const uint64_t addss = BP_NATIVE_MAKE (0x58, 1, 2) | SSE | REG (0) | RM (1);
  xmm (0)[0] = 1;
  xmm (1)[0] = 2;
  simple (addss);
  simple (BP_NATIVE_MAKE (0xd9, 0, 0) | X87 | REG (5) | RM (0));
  simple (addss);
  bp_ir_call (&ir, &fp, BP_IR_NONE, args, 1);
  simple (addss);
  bp_ir_gld (&ir, BP_IR_I32, g (4), g (1), BP_MO_32);
  simple (addss);
  seen.on_load = TCG_EVENT_FP_DROPPED;
  cpu->r[0] = 100;
  cpu->r[1] = 0x90000;
  run_once ();
  ck_assert (xmm (0)[0] == 9);
  ck_assert_uint_eq (cpu->r[0], 150);
  ck_assert_uint_eq (seen.loads, 1);
  ck_assert_uint_eq (cpu->fp[4], 0x80);                 /* one x87 register in use */
  ck_assert_uint_eq (vcpu->fp_dropped, 0);
}
END_TEST

/* --- host faults ------------------------------------------------------------------------------------ */

START_TEST (test_faults)
{
  struct sigaction action = { .sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO | SA_NODEFER }, old;
  sigaction (SIGFPE, &action, &old);
  BpTemp q = t32 (), r = t32 ();
  xmm (1)[0] = 3;
  xmm (2)[0] = 0;
  bp_ir_insn_start (&ir, 0x100, 0);
  simple (BP_NATIVE_MAKE (0x58, 1, 2) | SSE | REG (1) | RM (1));
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I32, g (3), g (3), g (4));
  bp_ir_insn_start (&ir, 0x102, 0);
  bp_ir_op5 (&ir, BP_IR_divu2, BP_IR_I32, q, r, g (0), c32 (0), g (1));
  bp_ir_mov (&ir, BP_IR_I32, g (0), q);
  bp_ir_mov (&ir, BP_IR_I32, g (2), r);
  bp_ir_insn_start (&ir, 0x104, 0);
  simple (BP_NATIVE_MAKE (0x5e, 1, 2) | SSE | REG (1) | RM (2));
  bp_ir_exit_tb (&ir, BP_IR_EXIT_NONE);
  Tb *tb = compile ();
  for (unsigned part = 0; part < 2; part++) {
    uint32_t mxcsr = 0x1f80 & ~(part ? 0x200u : 0u);    /* unmask divide-by-zero */
    memcpy (cpu->fp + 24, &mxcsr, 4);
    cpu->r[0] = 17;
    cpu->r[1] = part ? 5 : 0;
    cpu->r[3] = 1, cpu->r[4] = 2;
    xmm (1)[0] = 3;
    if (sigsetjmp (cpu->raised, 1) == 0) {
      run (tb);
      ck_abort_msg ("no fault");
    }
    int insn = -1;
    for (unsigned k = 0; k < tb->n_marks; k++)
      if (tb->code + tb->marks[k].offset <= (const uint8_t *) cpu->fault_pc)
        insn = (int) tb->marks[k].insn;
    ck_assert_int_eq (insn, part ? 2 : 1);
    ck_assert_uint_eq (cpu->r[3], 3);
    ck_assert_uint_eq (cpu->r[0], part ? 3 : 17);
    ck_assert_uint_eq (cpu->r[2], part ? 2 : 0x1002);
    ck_assert (xmm (1)[0] == 6);
    ck_assert_uint_eq (vcpu->fp_resident, 0);
  }
  sigaction (SIGFPE, &old, NULL);
  release (tb);
}
END_TEST

/* A signal in the middle of the jump-cache look-up starts it again. */
START_TEST (test_restart)
{
  bp_ir_insn_start (&ir, 0x200, 0);
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I32, g (2), g (2), c32 (1));
  bp_ir_goto_ptr (&ir, g (2));
  Tb *tb = compile ();
  ucontext_t uc = { 0 };
  ck_assert_uint_lt (tb->restart[0].from, tb->restart[0].to);
  for (unsigned way = 0; way < 2; way++) {
    uc.uc_mcontext.gregs[REG_RIP] = (greg_t) (uintptr_t) (tb->code + tb->restart[way].to - 1);
    ck_assert (x64_restart (tb, &uc));
    ck_assert_uint_eq ((uintptr_t) uc.uc_mcontext.gregs[REG_RIP], (uintptr_t) (tb->code + tb->restart[0].from));
    ck_assert (!x64_restart (tb, &uc));
  }
  release (tb);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("host-x64");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, test_link);
  tcase_add_test (tcase, test_link_conditional);
  tcase_add_test (tcase, test_goto_ptr);
  tcase_add_test (tcase, test_guard);
  tcase_add_test (tcase, test_second_page);
  tcase_add_test (tcase, test_exit_request);
  tcase_add_test (tcase, test_icount);
  tcase_add_test (tcase, test_full_buffer);
  tcase_add_test (tcase, test_fast_and_slow);
  tcase_add_test (tcase, test_page_crossing);
  tcase_add_test (tcase, test_leave_event);
  tcase_add_test (tcase, test_slow_atomics);
  tcase_add_test (tcase, test_fences);
  tcase_add_test (tcase, test_helper_writes);
  tcase_add_test (tcase, test_raise_and_marks);
  tcase_add_test (tcase, test_sse);
  tcase_add_test (tcase, test_sse_memory);
  tcase_add_test (tcase, test_sse_align);
  tcase_add_test (tcase, test_sse_integers);
  tcase_add_test (tcase, test_x87);
  tcase_add_test (tcase, test_residency);
  tcase_add_test (tcase, test_faults);
  tcase_add_test (tcase, test_restart);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
