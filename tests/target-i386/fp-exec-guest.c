/* fp-exec-guest.c -- runs a case through decoder, translator and a backend; the guest's addresses are the host's. */
/* SPDX-License-Identifier: MIT */
/*
 * What generated code calls finds the guest's FP state in the host's registers, so that this file uses none.
 */

#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include "fp-exec.h"
#include "check-ir.h"

#include "accel-tcg/backend.h"
#ifdef HAVE_HOST_X64
#include "accel-tcg/host-x64/context.h"
#endif
#include "target-i386/emit/translate.h"
#include "target-i386/runtime/helpers.h"

#ifdef __x86_64__
#pragma GCC target ("general-regs-only")
#endif

static X86Cpu *cpu;
static sigjmp_buf out;
static const Tb *running;
static FpExecState *state;
static const uint8_t *code;
static Backend *backend;
static bool optimise;
static GArray *recoveries;              /* of the block being run */
static CodeBuffer buffer;
static size_t buffer_start;             /* behind the backend's thunks */

/* --- leaving -------------------------------------------------------------------------------------------- */

static void
restore (void *env)
{
  uintptr_t ret = tcg_vcpu (env)->ret_pc;
  if (ret == 0 || running == NULL)
    return;
  int i = tb_insn_at (running, (const uint8_t *) ret - 1);
  g_assert (i >= 0);
  tb_recover (running, i, env);
  x86_restore (env, tb_insn_pc (running, (unsigned) i), running->insns[i].word);
}

void
tcg_fp_store (void *env)
{
#ifdef HAVE_HOST_X64
  TcgVcpu *v = env;
  uint32_t resident = v->fp_resident;
  if (!resident)
    return;
  backend_x64.fp_store (env);
  v->fp_dropped |= resident;
  v->events |= TCG_EVENT_FP_DROPPED;
#endif
}

static void __attribute__ ((noreturn))
leave (void)
{
  tcg_fp_store (cpu);
  restore (cpu);
  tcg_vcpu (cpu)->ret_pc = 0;
  state->vector = cpu->exc_vector;
  state->error = cpu->exc_vector == EXC_PF ? cpu->exc_error : 0;
  state->cr2 = cpu->exc_vector == EXC_PF ? cpu->cr2 : 0;
  siglongjmp (out, 1);
}

static void __attribute__ ((noreturn)) raise_recorded (void *env) { leave (); }

static void __attribute__ ((noreturn))
page_fault (uint64_t address, bool write)
{
  if (!x86_is_canonical (address)) {
    cpu->exc_vector = EXC_GP;
    leave ();
  }
  cpu->exc_vector = EXC_PF;
  cpu->exc_error = 4 | (write ? 2 : 0);
  cpu->cr2 = address;
  leave ();
}

/* --- memory --------------------------------------------------------------------------------------------- */

static bool
is_there (uint64_t address)
{
  return address - FP_EXEC_DATA < FP_EXEC_DATA_SIZE;
}

static void
check (uint64_t address, unsigned size, bool write)
{
  for (unsigned i = 0; i < size; i++)
    if (!is_there (address + i))
      page_fault (address + i, write);
}

static void
check_alignment (uint64_t address, BpMemOp memop)
{
  if (!(memop & BP_MO_ALIGN) || !(address & (BP_MO_BYTES (memop) - 1)))
    return;
  cpu->exc_vector = EXC_AC;
  leave ();
}

static uint64_t
load (void *env, uint64_t address, BpMemOp memop)
{
  uint64_t value = 0;
  check_alignment (address, memop);
  check (address, BP_MO_BYTES (memop), false);
  for (unsigned i = 0; i < BP_MO_BYTES (memop); i++)
    value |= (uint64_t) ((const uint8_t *) (uintptr_t) address)[i] << 8 * i;
  return value;
}

static void
store (void *env, uint64_t address, uint64_t value, BpMemOp memop)
{
  check_alignment (address, memop);
  check (address, BP_MO_BYTES (memop), true);
  for (unsigned i = 0; i < BP_MO_BYTES (memop); i++)
    ((uint8_t *) (uintptr_t) address)[i] = (uint8_t) (value >> 8 * i);
}

static void *
probe (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu_index)
{
  check (address, size, access == BP_MMU_STORE);
  return address & 64 ? NULL : (void *) (uintptr_t) address;    /* some of it is only to be had in pieces */
}

uint64_t tcg_slow_load (void *env, uint64_t address, BpMemOp memop) { return load (env, address, memop); }
void tcg_slow_store (void *env, uint64_t address, uint64_t value, BpMemOp memop) { store (env, address, value, memop); }
uint64_t tcg_slow_atomic (void *env, uint64_t address, uint64_t value, BpMemOp memop, uint32_t op) { g_assert_not_reached (); }

uint64_t
tcg_slow_cmpxchg (void *env, uint64_t address, uint64_t expected, uint64_t desired, BpMemOp memop)
{
  g_assert_not_reached ();
}

void
tcg_jump (void *env, uint64_t pc)
{
  if (!x86_frontend.may_jump (env, pc))
    ((X86Cpu *) env)->tcg.ops->raise (env);
  ((X86Cpu *) env)->eip = pc;
}

const void *
tcg_lookup (void *env, uint64_t pc, unsigned exit)
{
  tcg_jump (env, pc);
  return backend->leave_code;
}

const void *tcg_continue (void *env) { return backend->leave_code; }
void tcg_leave_block (void *env) { }

static void
copy_bytes (uint8_t *to, const uint8_t *from, unsigned n)
{
  for (volatile unsigned i = 0; i < n; i++)
    to[i] = from[i];
}

/* Across two pages by way of the bounce buffer. Now and then the FP state goes and has to come back. */
void *
tcg_native_operand (void *env, uint64_t address, uint32_t aux)
{
  TcgVcpu *v = env;
  unsigned size = BP_NATIVE_MEM_SIZE (aux);
  if (aux & BP_NATIVE_MEM_ALIGN && address & (size - 1)) {
    x86_host_fault (env, BP_HOST_FAULT_ALIGN);
    leave ();
  }
  check (address, size, aux & BP_NATIVE_MEM_WRITE);
  if (address & 32)
    tcg_fp_store (env);
  uint8_t *p = (uint8_t *) (uintptr_t) address;
  if ((address & (FP_EXEC_PAGE - 1)) + size <= FP_EXEC_PAGE)
    return p;
  if (aux & BP_NATIVE_MEM_READ)
    copy_bytes (v->bounce, p, size);
  return v->bounce;
}

void tcg_slow_record (void *env, uint64_t address, uint64_t value, uint64_t imm, uint32_t aux) { g_assert_not_reached (); }
void tcg_ring_full (void *env, uint32_t channel) { g_assert_not_reached (); }

void
tcg_native_commit (void *env, uint64_t address, uint32_t aux)
{
  unsigned size = BP_NATIVE_MEM_SIZE (aux);
  if ((address & (FP_EXEC_PAGE - 1)) + size > FP_EXEC_PAGE)
    copy_bytes ((uint8_t *) (uintptr_t) address, tcg_vcpu (env)->bounce, size);
}

static unsigned
fetch (void *env, BpTranslation *t, uint64_t address, uint8_t *bytes, unsigned want, bool must)
{
  copy_bytes (bytes, code + (address - FP_EXEC_CODE), want);
  return want;
}

static void nothing (void *env) { }

static const BpTcgOps ops = {
  .struct_size = sizeof ops, .fetch = fetch, .raise = raise_recorded, .restore = restore, .load = load,
  .store = store, .probe = probe, .leave_soon = nothing, .fp_store = tcg_fp_store
};

/* --- faults of the host --------------------------------------------------------------------------------- */

#ifdef HAVE_HOST_X64
static void
fault (TcgVcpu *v, BpHostFault kind)
{
  x86_host_fault (cpu, kind);
  leave ();
}

bool
fp_exec_guest_fault (int number, void *context)
{
  if (number != SIGFPE || running == NULL || tb_insn_at (running, (const uint8_t *) x64_context_pc (context)) < 0)
    return false;
  x64_take_fault (tcg_vcpu (cpu), context, fault);
  return true;
}
#else
bool fp_exec_guest_fault (int number, void *context) { return false; }
#endif

/* Of the rest of the CPU type: no case gets there. */
void x86_dump (const void *env, char *text, size_t size) { g_assert_not_reached (); }
void x86_reset_registers (X86Cpu *env, bool init) { g_assert_not_reached (); }

/* --- starting ------------------------------------------------------------------------------------------- */

static const uint64_t usual_cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP | CR0_MP;
static const uint64_t usual_cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;

static void
set_up_mode (uint64_t cr0, uint64_t cr4, uint64_t xcr0)
{
  for (unsigned seg = X86_ES; seg <= X86_GS; seg++)
    cpu->segment[seg] = (BpX86Segment) { 0x2b, 0xc0f3, 0xffffffff, 0 };
  cpu->segment[X86_CS] = (BpX86Segment) { 0x33, 0xa0fb, 0xffffffff, 0 };
  cpu->cr0 = cr0;
  cpu->cr4 = cr4;
  cpu->efer = EFER_LME | EFER_LMA;
  cpu->xcr0 = xcr0;
  cpu->eflags = 2 | X86_FL_IF | (cr0 & CR0_AM ? X86_FL_AC : 0);
  x86_update_hflags (cpu);
}

/* Which of the two pages generated code finds for itself. */
static void
set_up_tlb (bool use)
{
  static TlbEntry none = { .load = TLB_INVALID, .store = TLB_INVALID, .fetch = TLB_INVALID };
  static TlbEntry table[8];
  TcgVcpu *v = tcg_vcpu (cpu);
  for (unsigned i = 0; i < 16; i++)
    v->tlb[i] = (TlbFast) { 0, &none };
  for (unsigned i = 0; i < 8; i++)
    table[i] = none;
  if (!use)
    return;
  for (uint64_t page = FP_EXEC_DATA; page < FP_EXEC_DATA + FP_EXEC_DATA_SIZE; page += FP_EXEC_PAGE)
    table[page >> TLB_PAGE_BITS & 7] = (TlbEntry) { page, page, TLB_INVALID, 0 };
  v->tlb[MMU_USER] = (TlbFast) { 7 * sizeof (TlbEntry), table };
}

bool
fp_exec_guest_start (const char *how)
{
  static JumpEntry jumps[1 << JUMP_CACHE_BITS];
  static uint32_t page_ids[PAGE_IDS];
  GError *error = NULL;
  backend = &backend_interp;
  optimise = strcmp (how, "interp") != 0;
  if (!strcmp (how, "x64")) {
#ifdef HAVE_HOST_X64
    backend = &backend_x64;
    if (!code_buffer_init (&buffer, 1 << 20, &error))
      g_error ("%s", error->message);
#else
    return false;
#endif
  }
  if (!backend->begin (&buffer, &x86_frontend, &error))
    g_error ("%s", error->message);
  buffer_start = buffer.used;
  cpu = g_malloc0 (sizeof *cpu + 64);
  cpu = (X86Cpu *) (((uintptr_t) cpu + 63) & ~(uintptr_t) 63);
  cpu->tcg.ops = &ops;
  tcg_vcpu (cpu)->frontend = &x86_frontend;
  tcg_vcpu (cpu)->jump_cache = jumps;
  tcg_vcpu (cpu)->page_ids = page_ids;
  for (unsigned i = 0; i < X86_FEATURE__COUNT; i++)
    cpu->feature[i] = true;
  set_up_mode (usual_cr0, usual_cr4, 7);
  return true;
}

/* --- running -------------------------------------------------------------------------------------------- */

static void
prepare (BpIrBlock *ir, BpTranslation *t, bool explain)
{
  bp_ir_block_reset (ir);
  *t = (BpTranslation) { .ir = ir, .max_insns = 64 };
  x86_block_key (cpu, &t->key);
  running = NULL;
  x86_translate (cpu, t);
  if (explain)
    print_ir ("translated", ir);
  check_ir (ir);
  if (!optimise)
    return;
  opt_fold (ir);
  opt_flags (ir);
  opt_liveness (ir);
  opt_recover (ir, recoveries);
  check_ir (ir);
}

static void
run_block (bool explain)
{
  static BpIrBlock ir;
  static Tb tb;
  BpTranslation t;
  if (ir.insns == NULL) {
    bp_ir_block_init (&ir, x86_globals, G_N, x86_helper_list);
    recoveries = g_array_new (false, false, sizeof (TbRecovery));
  }
  prepare (&ir, &t, explain);
  if (tb.code != NULL && backend->release)
    backend->release (&tb);
  buffer.used = buffer_start;
  buffer.limit = buffer.size;
  memset (&tb, 0, sizeof tb);
  tb.key = t.key;
  BackendBlock block = { .tb = &tb, .frontend = &x86_frontend, .buffer = &buffer, .dump = explain ? g_string_new (NULL) : NULL, .recoveries = recoveries };
  tb.n_insns = t.n_insns;
  tb.n_bytes = t.n_bytes;
  g_assert (backend->compile (&block, &ir));
  if (explain && block.dump)
    g_printerr ("%s\n", block.dump->str);
  running = &tb;
  backend->execute (cpu, &tb);
}

static void
put_state (const FpExecState *s)
{
  memcpy (cpu->gpr, s->gpr, sizeof cpu->gpr);
  memcpy (cpu->fp, s->fp, sizeof cpu->fp);
  memcpy ((void *) (uintptr_t) FP_EXEC_DATA, s->data, sizeof s->data);
  cpu->eip = s->rip;
  x86_set_eflags (cpu, s->eflags, X86_FL_ARITH);
}

static void
run (const FpExecCase *c, FpExecState *s, bool use_tlb, bool explain)
{
  code = c->code;
  state = s;
  running = NULL;
  tcg_vcpu (cpu)->ret_pc = 0;
  cpu->exc_vector = cpu->exc_old = -1;
  put_state (s);
  set_up_tlb (use_tlb);
  if (sigsetjmp (out, 1) == 0)
    for (;;)
      run_block (explain);
  tcg_vcpu (cpu)->events = tcg_vcpu (cpu)->fp_dropped = 0;
  memcpy (s->gpr, cpu->gpr, sizeof s->gpr);
  memcpy (s->fp, cpu->fp, sizeof s->fp);
  memcpy (s->data, (void *) (uintptr_t) FP_EXEC_DATA, sizeof s->data);
  s->rip = cpu->eip;
  s->eflags = x86_eflags (cpu) & X86_FL_ARITH;
}

void
fp_exec_guest (const FpExecCase *c, FpExecState *s, bool use_tlb)
{
  run (c, s, use_tlb, false);
}

void
fp_exec_guest_explain (const FpExecCase *c)
{
  static FpExecState copy;
  copy = c->start;
  run (c, &copy, true, true);
}

int
fp_exec_guest_vector (const uint8_t *bytes, unsigned n, uint64_t cr0, uint64_t cr4, uint64_t xcr0)
{
  static FpExecCase c;
  static FpExecState s;
  memset (&c, 0, sizeof c);
  memcpy (c.code, bytes, n);
  c.code[n] = 0x0f, c.code[n + 1] = 0x0b;
  s = c.start;
  s.rip = FP_EXEC_CODE;
  s.gpr[X86_RDI] = FP_EXEC_DATA;
  ((FxImage *) s.fp)->fcw = FCW_INIT;
  ((FxImage *) s.fp)->mxcsr = MXCSR_INIT;
  memset (((FxImage *) s.fp)->xmm, 0xff, sizeof ((FxImage *) s.fp)->xmm);
  set_up_mode (cr0 | usual_cr0, cr4, xcr0);
  run (&c, &s, false, false);
  set_up_mode (usual_cr0, usual_cr4, 7);
  return s.rip == FP_EXEC_CODE ? s.vector : -1;
}
