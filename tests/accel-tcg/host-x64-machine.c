/* host-x64-machine.c -- a CPU, a page of memory and stubs of the slow paths, for tests of blocks on the host. */
/* SPDX-License-Identifier: MIT */
#include "host-x64-machine.h"

#define R(i, n) { n, (uint32_t) offsetof (Cpu, r[i]), BP_IR_I32, 1 }
static const BpIrGlobal globals[] = {
  R (0, "r0"), R (1, "r1"), R (2, "r2"), R (3, "r3"), R (4, "r4"),
  R (5, "r5"), R (6, "r6"), R (7, "r7"), R (8, "r8"), R (9, "r9"),
  { "other", (uint32_t) offsetof (Cpu, other), BP_IR_I32, 0 },
};

const BpTcgFrontend frontend = {
  .struct_size = sizeof frontend, .name = "test", .globals = globals, .n_globals = G_N_ELEMENTS (globals),
  .pc_offset = offsetof (Cpu, pc), .pc_size = 4, .address_bits = 32, .n_mmu_indexes = 1,
  .fp_offset = offsetof (Cpu, fp), .fp_vectors = 8,
};

/* Two pin sets: the first uses the low halves of q alone, in registers; the second all of them. */
#define Q(i, n) { n, (uint32_t) offsetof (Cpu, q[i]), BP_IR_I64, 3 }
static const BpIrGlobal globals64[] = {
  Q (0, "q0"), Q (1, "q1"), Q (2, "q2"), Q (3, "q3"),
  { "q4", (uint32_t) offsetof (Cpu, q[4]), BP_IR_I64, 1 }, { "q5", (uint32_t) offsetof (Cpu, q[5]), BP_IR_I64, 2 },
  R (0, "r0"), R (1, "r1"),
};

static unsigned
pin_set (const BpTbKey *of)
{
  return of->flags & 1;
}

static const BpTcgFrontend frontend64 = {
  .struct_size = sizeof frontend64, .name = "test64", .globals = globals64, .n_globals = G_N_ELEMENTS (globals64),
  .pc_offset = offsetof (Cpu, wide_pc), .pc_size = 8, .address_bits = 64, .n_mmu_indexes = 1,
  .fp_offset = offsetof (Cpu, fp), .fp_vectors = 8, .pin_set = pin_set, .narrow_pin_sets = 1,
};

const BpTcgFrontend *current;
BpTbKey key;
Cpu *cpu;
TcgVcpu *vcpu;
CodeBuffer buffer;
BpIrBlock ir;
uint8_t page[4096] __attribute__ ((aligned (4096)));
uint8_t slow_page[4096];

Seen seen;


uint64_t
tcg_slow_load (void *env, uint64_t address, BpMemOp memop)
{
  /* Check's own functions would change resident FP state */
  seen.wrong |= env != cpu || vcpu->ret_pc == 0;
  seen.loads++;
  seen.address = address;
  seen.memop = memop;
  if (seen.on_load & TCG_EVENT_FP_DROPPED)
    tcg_fp_store (env);
  vcpu->events |= seen.on_load & TCG_EVENT_LEAVE;
  /* a load does not change globals: this must not be seen (r0 is preserved) */
  memset (cpu->r, 0x5a, sizeof (uint32_t));
  uint64_t value = 0;
  memcpy (&value, slow_page + (address & 0xff), BP_MO_BYTES (memop));
  return value;
}

void
tcg_slow_store (void *env, uint64_t address, uint64_t value, BpMemOp memop)
{
  seen.stores++;
  seen.address = address;
  seen.value = value;
  seen.memop = memop;
}

uint64_t
tcg_slow_atomic (void *env, uint64_t address, uint64_t value, BpMemOp memop, uint32_t op)
{
  seen.atomics++;
  seen.address = address;
  seen.value = value;
  return op;
}

uint64_t
tcg_slow_cmpxchg (void *env, uint64_t address, uint64_t expected, uint64_t desired, BpMemOp memop)
{
  seen.atomics++;
  seen.address = address;
  return expected * 1000 + desired;
}

void *
tcg_native_operand (void *env, uint64_t address, uint32_t aux)
{
  seen.loads++;
  seen.address = address;
  tcg_fp_store (env);           /* as a page walk through C would */
  return slow_page + (address & 0xff);
}

void tcg_slow_record (void *env, uint64_t address, uint64_t value, uint64_t imm, uint32_t aux) { g_assert_not_reached (); }
void tcg_ring_full (void *env, uint32_t channel) { g_assert_not_reached (); }

void
tcg_native_commit (void *env, uint64_t address, uint32_t aux)
{
  seen.wrong |= address != seen.address;
  seen.commits++;
}

const void *
tcg_lookup (void *env, uint64_t pc, unsigned exit)
{
  seen.lookups++;
  seen.exit = exit;
  seen.address = pc;
  return seen.lookup ? seen.lookup : backend_x64.leave_code;
}

const void *
tcg_continue (void *env)
{
  seen.continued++;
  if (seen.lookup)
    vcpu->pin_set = seen.pin_set;
  return seen.lookup ? seen.lookup : backend_x64.leave_code;
}

void
tcg_leave_block (void *env)
{
  seen.left++;
}

void
tcg_fp_store (void *env)
{
  vcpu->fp_dropped |= vcpu->fp_resident;
  if (vcpu->fp_resident)
    vcpu->events |= TCG_EVENT_FP_DROPPED;
  backend_x64.fp_store (env);
}

/* --- running blocks ---------------------------------------------------------------------------- */

void
setup (void)
{
  GError *error = NULL;
  cpu = g_aligned_alloc0 (1, sizeof *cpu, 64);
  vcpu = tcg_vcpu (cpu);
  ck_assert (code_buffer_init (&buffer, 1 << 20, &error));
  current = &frontend;
  key = (BpTbKey) { 0 };
  ck_assert (backend_x64.begin (&buffer, &frontend, &error));
  bp_ir_block_init (&ir, globals, G_N_ELEMENTS (globals), NULL);
  for (unsigned i = 0; i < 16; i++)
    cpu->tlb[i] = (TlbEntry) { TLB_INVALID, TLB_INVALID, TLB_INVALID, 0 };
  cpu->tlb[(PAGE >> 12) & 15] = (TlbEntry) { PAGE, PAGE, PAGE, (uintptr_t) page - PAGE };
  vcpu->tlb[0] = (TlbFast) { 15 << 5, cpu->tlb };
  tlb_near_drop_all (vcpu);
  vcpu->jump_cache = cpu->cache;
  vcpu->page_ids = cpu->page_ids;
  uint16_t fcw = 0x037f;
  uint32_t mxcsr = 0x1f80;
  memcpy (cpu->fp, &fcw, 2);
  memcpy (cpu->fp + 24, &mxcsr, 4);
  memset (&seen, 0, sizeof seen);
  for (unsigned i = 0; i < 10; i++)
    cpu->r[i] = 0x1000 + i;
}

void
teardown (void)
{
  code_buffer_finish (&buffer);
  bp_ir_block_finish (&ir);
  g_aligned_free (cpu);
}

void
use_frontend64 (uint64_t flags)
{
  current = &frontend64;
  key.flags = flags;
  ck_assert (backend_x64.begin (&buffer, &frontend64, NULL));
  bp_ir_block_finish (&ir);
  bp_ir_block_init (&ir, globals64, G_N_ELEMENTS (globals64), NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (cpu->q); i++)
    cpu->q[i] = 0x1111111100000000u * (i + 1) + i;
}

uint32_t page_id;

Tb *
compile_with (uint32_t cflags)
{
  Tb *tb = g_aligned_alloc0 (1, sizeof *tb, 64);
  tb->key = key;
  tb->cflags = cflags;
  tb->mode = tb->exit_mode = 1;
  tb->page_id[1] = page_id;
  for (uint32_t i = 0; i < ir.n_insns; i++)
    tb->n_insns += ir.insns[i].op == BP_IR_insn_start;
  BackendBlock block = { .tb = tb, .frontend = current, .buffer = &buffer };
  ck_assert (backend_x64.compile (&block, &ir));
  bp_ir_block_reset (&ir);
  return tb;
}

Tb *compile (void) { return compile_with (0); }

void
release (Tb *tb)
{
  g_aligned_free (tb);
}

unsigned
run (Tb *tb)
{
  uintptr_t result = backend_x64.execute (cpu, tb);
  ck_assert_uint_eq (vcpu->ret_pc, 0);
  ck_assert_uint_eq (vcpu->fp_resident, 0);
  ck_assert (!seen.wrong);
  return TCG_EXIT_NUMBER (result);
}

unsigned
run_once (void)
{
  bp_ir_exit_tb (&ir, BP_IR_EXIT_NONE);
  Tb *tb = compile ();
  unsigned n = run (tb);
  release (tb);
  return n;
}

Tb *
adder (int32_t amount)
{
  bp_ir_insn_start (&ir, 0x100, 0);
  bp_ir_op3 (&ir, BP_IR_add, BP_IR_I32, g (0), g (0), c32 (amount));
  bp_ir_goto_tb (&ir, 0);
  bp_ir_exit_tb (&ir, 0);
  return compile ();
}

void
on_fpe (int signal_number, siginfo_t *info, void *context)
{
  x64_store_context (cpu, context);
  cpu->fault_pc = (uintptr_t) ((ucontext_t *) context)->uc_mcontext.gregs[REG_RIP];
  siglongjmp (cpu->raised, 1);
}
