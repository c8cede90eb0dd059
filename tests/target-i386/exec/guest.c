/* guest.c -- runs a case through decoder, translator and IR interpreter, over a flat memory of its own. */
/* SPDX-License-Identifier: MIT */

#include "exec.h"
#include "../check-ir.h"

#include <glib.h>
#include <setjmp.h>
#include <string.h>

#include <signal.h>

#include "accel-tcg/backend.h"
#ifdef HAVE_HOST_X64
#include "accel-tcg/host-x64/context.h"
#endif
#include "target-i386/cpu.h"
#include "target-i386/emit/translate.h"
#include "target-i386/runtime/helpers.h"

static X86Cpu *cpu;
static sigjmp_buf out;
static Tb tb;
static const Tb *running;
static ExecState *state;
static const uint8_t *code;
static Backend *backend;
static bool optimise;
enum { MAX_PATH = 8 };
static CodeBuffer buffer;
static size_t buffer_start;             /* behind the backend's thunks */
static uint32_t true_cc_op;             /* while translating */
static TlbEntry tlb[8];
static bool use_tlb;                    /* in every other case */

/* --- memory ----------------------------------------------------------------------------------- */

/* The address in the low copy of the case's memory. */
static uint64_t
low (uint64_t address)
{
  return state->mode == EXEC_LONG64 && address >> 32 == EXEC_HIGH >> 32 ? (uint32_t) address : address;
}

/* The host's byte for a guest address; NULL: not mapped so. */
static uint8_t *
byte_at (uint64_t address, bool write)
{
  address = low (address);
  if (address - EXEC_CODE < EXEC_CODE_SIZE)
    return write ? NULL : (uint8_t *) &code[address - EXEC_CODE];
  if (address - EXEC_DATA < sizeof state->data)
    return write && address - EXEC_DATA >= EXEC_DATA_SIZE ? NULL : &state->data[address - EXEC_DATA];
  if (address - EXEC_STACK < sizeof state->stack)
    return &state->stack[address - EXEC_STACK];
  return NULL;
}

/* So that generated code finds the page itself from now on. */
static void
remember (uint64_t address)
{
  TlbEntry *entry = &tlb[(address / EXEC_PAGE) % G_N_ELEMENTS (tlb)];
  uint64_t page = address & TLB_PAGE_MASK;
  if (!use_tlb)
    return;
  *entry = (TlbEntry) { .load = page, .store = byte_at (page, true) ? page : TLB_INVALID, .fetch = TLB_INVALID };
  entry->addend = (uintptr_t) byte_at (page, false) - page;
}

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

static void __attribute__ ((noreturn))
leave_with (int vector, uint32_t error, uint64_t cr2)
{
  cpu->exc_vector = vector;
  cpu->exc_error = error;
  restore (cpu);
  tcg_vcpu (cpu)->ret_pc = 0;
  state->vector = cpu->exc_vector;
  state->error = cpu->exc_error;
  state->cr2 = cr2;
  siglongjmp (out, 1);
}

static void
check_canonical (uint64_t address)
{
  if ((uint64_t) ((int64_t) (address << 16) >> 16) == address)
    return;
  cpu->bad_address = address;
  leave_with (EXC_GP, 0, 0);
}

static void __attribute__ ((noreturn))
page_fault (uint64_t address, bool write)
{
  bool present = byte_at (address, false) != NULL;
  leave_with (EXC_PF, (present ? 1 : 0) | (write ? 2 : 0) | 4, address);
}

/* Outside 64-bit mode addresses are 32 bits long. */
static uint64_t
wrapped (uint64_t address, unsigned i)
{
  return state->mode == EXEC_LONG64 ? address + i : (uint32_t) (address + i);
}

/* All bytes are there, or the first that is not faults; as the processor does, at its own address or the next
 * page's start. */
static void
check (uint64_t address, unsigned size, bool write)
{
  check_canonical (address);
  check_canonical (wrapped (address, size - 1));
  for (unsigned i = 0; i < size; i++)
    if (byte_at (wrapped (address, i), write) == NULL)
      page_fault (wrapped (address, i), write);
  if ((address & (EXEC_PAGE - 1)) + size <= EXEC_PAGE)
    remember (address);
}

static void
check_top (uint64_t address, BpMemOp memop)
{
  g_assert (!(memop & BP_MO_ADDR64) == (state->mode != EXEC_LONG64));
  if (memop & BP_MO_TOP && address + BP_MO_BYTES (memop) > (uint64_t) 1 << 32)
    leave_with (memop & BP_MO_STACK ? EXC_SS : EXC_GP, 0, 0);
}

static uint64_t
load (void *env, uint64_t address, BpMemOp memop)
{
  uint64_t value = 0;
  unsigned size = BP_MO_BYTES (memop);
  bool crosses = (address & (EXEC_PAGE - 1)) + size > EXEC_PAGE;
  check_top (address, memop);
  check (address, size, memop & BP_MO_RMW && crosses);
  for (unsigned i = 0; i < size; i++)
    value |= (uint64_t) *byte_at (wrapped (address, i), false) << (8 * i);
  if (memop & BP_MO_SIGN && size < 8)
    value = (uint64_t) ((int64_t) (value << (64 - 8 * size)) >> (64 - 8 * size));
  return value;
}

static void
store (void *env, uint64_t address, uint64_t value, BpMemOp memop)
{
  unsigned size = BP_MO_BYTES (memop);
  check_top (address, memop);
  check (address, size, true);
  for (unsigned i = 0; i < size; i++)
    *byte_at (wrapped (address, i), true) = (uint8_t) (value >> (8 * i));
}

uint64_t tcg_slow_load (void *env, uint64_t address, BpMemOp memop) { return load (env, address, memop); }
void tcg_slow_store (void *env, uint64_t address, uint64_t value,
                     BpMemOp memop) { store (env, address, value, memop); }

uint64_t
tcg_slow_atomic (void *env, uint64_t address, uint64_t value, BpMemOp memop, uint32_t op)
{
  check_top (address, memop);
  check (address, BP_MO_BYTES (memop), true);
  uint64_t old = load (env, address, memop);
  uint64_t r = op == BP_IR_gxchg ? value : op == BP_IR_gfetch_add ? old + value : op == BP_IR_gfetch_and
      ? old & value
               : op == BP_IR_gfetch_or ? old | value : old ^ value;
  store (env, address, r, memop);
  return old;
}

uint64_t
tcg_slow_cmpxchg (void *env, uint64_t address, uint64_t expected, uint64_t desired, BpMemOp memop)
{
  unsigned bits = 8 * BP_MO_BYTES (memop);
  uint64_t mask = bits == 64 ? ~(uint64_t) 0 : ((uint64_t) 1 << bits) - 1;
  check_top (address, memop);
  check (address, BP_MO_BYTES (memop), true);
  uint64_t old = load (env, address, memop);
  if (((old ^ expected) & mask) == 0)
    store (env, address, desired, memop);
  return old;
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
void tcg_fp_store (void *env) { }
void *tcg_native_operand (void *env, uint64_t address, uint32_t aux) { g_assert_not_reached (); }
void tcg_native_commit (void *env, uint64_t address, uint32_t aux) { g_assert_not_reached (); }
void tcg_slow_record (void *env, uint64_t address, uint64_t value, uint64_t imm, uint32_t aux) { g_assert_not_reached (); }
void tcg_ring_full (void *env, uint32_t channel) { g_assert_not_reached (); }

static void *
probe (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu_index)
{
  check (address, size, access == BP_MMU_STORE);
  return byte_at (address, access == BP_MMU_STORE);
}

static unsigned
fetch (void *env, BpTranslation *t, uint64_t address, uint8_t *bytes, unsigned want, bool must)
{
  unsigned n = 0;
  while (n < want && low (address + n) - EXEC_CODE < EXEC_CODE_SIZE) {
    bytes[n] = code[low (address + n) - EXEC_CODE];
    n++;
  }
  if (n < want && must) {
    cpu->cc_op = true_cc_op;
    uint64_t at = address + n;
    bool present = byte_at (at, false) != NULL;
    leave_with (EXC_PF, 4 | 16 | (present ? 1 : 0), at);
  }
  return n;
}

static uint32_t io_read (void *env, uint16_t port, unsigned size) { return 0; }
static void io_write (void *env, uint16_t port, uint32_t value, unsigned size) { }
static void nothing (void *env) { }

static void __attribute__ ((noreturn))
raise_recorded (void *env)
{
  leave_with (cpu->exc_vector, cpu->exc_error, 0);
}

static const BpTcgOps ops = {
  .struct_size = sizeof ops, .fetch = fetch, .raise = raise_recorded, .restore = restore, .load = load,
    .store = store,
  .probe = probe, .io_read = io_read, .io_write = io_write, .leave_soon = nothing, .fp_store = nothing
};

/* --- what the runtime would do: here every exception ends the case ---------------------------- */

void x86_raise (X86Cpu *env, unsigned vector) { leave_with ((int) vector, 0, 0); }
void x86_raise_error (X86Cpu *env, unsigned vector, uint32_t error) { leave_with ((int) vector, error, 0); }

void
x86_record_exception (X86Cpu *env, unsigned vector, uint32_t error)
{
  env->exc_vector = (int32_t) vector;
  env->exc_error = error;
}

void helper_raise (X86Cpu *env, uint32_t vector) { x86_raise (env, vector); }
void helper_raise_error (X86Cpu *env, uint32_t vector,
                         uint32_t error) { x86_raise_error (env, vector, error); }
void helper_check_io (X86Cpu *env, uint32_t port, uint32_t size) { x86_raise_error (env, EXC_GP, 0); }
void helper_cli (X86Cpu *env) { x86_raise_error (env, EXC_GP, 0); }
void helper_sti (X86Cpu *env) { x86_raise_error (env, EXC_GP, 0); }
void helper_marker (X86Cpu *env, uint64_t number) {}    /* no instrument hears it */
uint32_t helper_read_eflags (X86Cpu *env) { return x86_eflags (env); }

void
helper_interrupt (X86Cpu *env, uint32_t vector, uint64_t next)
{
  restore (env);
  tcg_vcpu (env)->ret_pc = 0;
  env->eip = next;
  leave_with ((int) vector, 0, 0);
}

#ifdef HAVE_HOST_X64
static void
fault (TcgVcpu *v, BpHostFault kind)
{
  g_assert (kind == BP_HOST_FAULT_DIVIDE);
  leave_with (EXC_DE, 0, 0);
}

/* A division in generated code, from the handler of its signal. */
bool
exec_guest_fault (int number, void *context)
{
  if (number != SIGFPE || running == NULL || tb_insn_at (running, (const uint8_t *) x64_context_pc (context)) < 0)
    return false;
  x64_take_fault (tcg_vcpu (cpu), context, fault);
  return true;
}
#else
bool
exec_guest_fault (int number, void *context)
{
  return false;
}
#endif

void
x86_host_fault (void *env, BpHostFault fault)
{
  cpu->exc_vector = EXC_DE;
  cpu->exc_error = 0;
}

static void
tlb_start (TcgVcpu *vcpu)
{
  static JumpEntry jumps[1 << JUMP_CACHE_BITS];
  static uint32_t page_ids[PAGE_IDS];
  for (unsigned i = 0; i < 16; i++)
    vcpu->tlb[i] = (TlbFast) { (G_N_ELEMENTS (tlb) - 1) * sizeof *tlb, tlb };
  vcpu->jump_cache = jumps;
  vcpu->page_ids = page_ids;
}

/* By the backend that made it. */
static void
release_block (void)
{
  if (tb.code != NULL && backend->release)
    backend->release (&tb);
  memset (&tb, 0, sizeof tb);
}

static bool
choose_backend (const char *how)
{
  GError *error = NULL;
  backend = &backend_interp;
  optimise = strcmp (how, "interp") != 0;
  if (!strcmp (how, "x64")) {
#ifdef HAVE_HOST_X64
    backend = &backend_x64;
#else
    return false;
#endif
  }
  if (backend != &backend_interp && !code_buffer_init (&buffer, 1 << 20, &error))
    g_error ("%s", error->message);
  if (!backend->begin (&buffer, &x86_frontend, &error))
    g_error ("%s", error->message);
  buffer_start = buffer.used;
  return true;
}

/* --- running ---------------------------------------------------------------------------------- */

bool
exec_guest_start (const char *how)
{
  static uint8_t *memory;
  release_block ();
  if (!choose_backend (how))
    return false;
  g_free (memory);
  memory = g_malloc0 (sizeof *cpu + 64);
  cpu = (X86Cpu *) (((uintptr_t) memory + 63) & ~(uintptr_t) 63);
  cpu->tcg.ops = &ops;
  tcg_vcpu (cpu)->frontend = &x86_frontend;
  tlb_start (tcg_vcpu (cpu));
  for (unsigned i = 0; i < X86_FEATURE__COUNT; i++)
    cpu->feature[i] = true;
  cpu->cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP;
  cpu->eflags = 2 | X86_FL_IF;
  return true;
}

static void
put_state (const ExecState *s)
{
  memcpy (cpu->gpr, s->gpr, sizeof s->gpr);
  cpu->eip = s->pc;
  cpu->efer = s->mode == EXEC_LONG64 ? EFER_LME | EFER_LMA : 0;
  cpu->cr4 = s->mode == EXEC_LONG64 ? CR4_PAE : 0;
  for (unsigned seg = X86_ES; seg <= X86_DS; seg++) {
    const ExecSegment *d = exec_segment (s->mode, seg);
    cpu->segment[seg] = (BpX86Segment) { d->selector, d->attributes, d->limit, d->base };
  }
  cpu->segment[X86_GS] = (BpX86Segment) { 0, 0xc0f3, 0xffffffff, s->mode == EXEC_LONG64 ? EXEC_GS_BASE : 0 };
  cpu->bad_address = 0;
  x86_set_eflags (cpu, s->eflags, X86_FL_ARITH | X86_FL_DF);
  x86_update_hflags (cpu);
  cpu->hflags |= s->mode == EXEC_LONG64 ? HF_CODE64 : 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (tlb); i++)
    tlb[i] = (TlbEntry) { .load = TLB_INVALID, .store = TLB_INVALID, .fetch = TLB_INVALID };
}

static void
get_state (ExecState *s)
{
  bool is_64 = s->mode == EXEC_LONG64;
  for (unsigned i = 0; i < (is_64 ? 16 : 8); i++)
    s->gpr[i] = is_64 ? cpu->gpr[i] : (uint32_t) cpu->gpr[i];
  s->pc = is_64 ? cpu->eip : (uint32_t) cpu->eip;
  s->eflags = x86_eflags (cpu) & (X86_FL_ARITH | X86_FL_DF);
}

/* Where the next branches might go, one after the other: what a hot path from here would be. */
static uint32_t
make_path (const BpTranslation *t, uint64_t *path, uint32_t dice)
{
  X86Mode mode = t->key.flags & HF_CODE64 ? X86_MODE_64 : t->key.flags & HF_CS32 ? X86_MODE_32 : X86_MODE_16;
  uint64_t pc = t->key.pc;
  uint32_t n = 0;
  for (unsigned i = 0; i < 32 && n < MAX_PATH; i++) {
    uint8_t bytes[X86_MAX_INSN_LENGTH];
    X86Insn insn;
    unsigned got = fetch (cpu, NULL, pc, bytes, sizeof bytes, false);
    if (x86_decode (bytes, got, mode, &insn) != X86_DECODE_OK)
      break;
    uint64_t next = pc + insn.length;
    if (insn.branch == X86_BRANCH_NONE) {
      pc = next;
      continue;
    }
    if (insn.operand[0].kind != X86_OPERAND_REL)
      break;
    uint64_t target = x86_branch_target (&insn, pc - t->key.base) + t->key.base;
    pc = insn.branch == X86_BRANCH_JCC && (dice >> n & 1) ? next : target;
    path[n++] = pc;
  }
  return n;
}

/* Blocks of varied length, so that flags are often another block's; and of what those are, the translator is told the
 * truth or anything, since the block may be entered with others later. */
static void
translate (BpTranslation *t)
{
  uint32_t dice = (uint32_t) t->key.pc * 2654435761u >> 8;
  t->max_insns = dice & 3 ? 64 : 1 + (dice >> 2) % 3;
  uint64_t path[MAX_PATH];
  t->path = path;
  t->n_path = dice & 0x100 ? make_path (t, path, dice >> 9) : 0;
  true_cc_op = cpu->cc_op;
  if (dice & 16)
    cpu->cc_op = (dice >> 5) % CC_N_OPS;
  x86_translate (cpu, t);
  cpu->cc_op = true_cc_op;
}

static void
run_block (bool explain)
{
  static BpIrBlock ir;
  static GArray *recoveries;
  if (ir.insns == NULL)
    bp_ir_block_init (&ir, x86_globals, G_N, x86_helper_list);
  if (recoveries == NULL)
    recoveries = g_array_new (false, false, sizeof (TbRecovery));
  bp_ir_block_reset (&ir);
  BpTranslation t = { .ir = &ir };
  x86_block_key (cpu, &t.key);
  running = NULL;
  translate (&t);
  if (explain)
    print_ir ("translated", &ir);
  check_ir (&ir);
  if (optimise) {
    opt_fold (&ir);
    opt_flags (&ir);
    opt_liveness (&ir);
    opt_recover (&ir, recoveries);
    if (explain)
      print_ir ("optimised", &ir);
    check_ir (&ir);
  }
  release_block ();
  buffer.used = buffer_start;
  buffer.limit = buffer.size;
  tb.key = t.key;
  BackendBlock block = { .tb = &tb, .frontend = &x86_frontend, .buffer = &buffer, .recoveries = optimise ? recoveries : NULL };
  tb.n_insns = t.n_insns;
  tb.n_bytes = t.n_bytes;
  g_assert (backend->compile (&block, &ir));
  running = &tb;
  backend->execute (cpu, &tb);
}

static void
run (const uint8_t *bytes, ExecState *s, bool explain)
{
  code = bytes;
  state = s;
  running = NULL;
  tcg_vcpu (cpu)->ret_pc = 0;
  use_tlb = s->gpr[X86_RAX] & 1;
  put_state (s);
  if (sigsetjmp (out, 1) == 0)
    for (;;)
      run_block (explain);
  get_state (s);
}

void
exec_guest (const uint8_t *bytes, ExecState *s)
{
  run (bytes, s, false);
}

void
exec_guest_explain (const uint8_t *bytes, const ExecState *before)
{
  ExecState copy = *before;
  run (bytes, &copy, true);
}
