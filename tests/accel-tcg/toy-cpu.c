/* toy-cpu.c -- the toy instruction set as a CPU frontend: every instruction as IR. */
/* SPDX-License-Identifier: MIT */
#include "toy-cpu.h"
#include <check.h>
#include <string.h>

#define STATE(field) ((uint32_t) offsetof (ToyCpu, s.field))

static const BpIrGlobal globals[] = {
  { "r0", STATE (r[0]), BP_IR_I32, 1 }, { "r1", STATE (r[1]), BP_IR_I32, 1 }, { "r2", STATE (r[2]), BP_IR_I32, 1 },
  { "r3", STATE (r[3]), BP_IR_I32, 1 }, { "r4", STATE (r[4]), BP_IR_I32, 1 }, { "r5", STATE (r[5]), BP_IR_I32, 1 },
  { "r6", STATE (r[6]), BP_IR_I32, 1 }, { "r7", STATE (r[7]), BP_IR_I32, 1 },
};

/* --- paging --------------------------------------------------------------------------------- */

bool
toy_walk (const ToyState *s, const uint8_t *ram, uint32_t linear, uint32_t *entry, uint32_t *physical)
{
  *entry = TOY_VALID | TOY_WRITABLE | TOY_EXECUTABLE;
  *physical = linear;
  if (!s->table)
    return true;
  uint32_t index = linear >> 12;
  if (index >= 1024)
    return false;
  memcpy (entry, ram + s->table + 4 * (index & ~15u), 4);
  if ((*entry & (TOY_VALID | TOY_LARGE)) == (TOY_VALID | TOY_LARGE)) {
    *physical = (*entry & 0xffff0000) | (linear & 0xffff);
    return true;
  }
  memcpy (entry, ram + s->table + 4 * index, 4);
  *physical = (*entry & 0xfffff000) | (linear & 0xfff);
  return (*entry & (TOY_VALID | TOY_LARGE)) == TOY_VALID;
}

bool
toy_allows (uint32_t entry, unsigned kind)
{
  return kind == TOY_FAULT_LOAD || (kind == TOY_FAULT_STORE && entry & TOY_WRITABLE) || (kind == TOY_FAULT_FETCH && entry & TOY_EXECUTABLE);
}

static const uint8_t *
ram_of (const ToyCpu *cpu)
{
  return ((Toy *) object_of (cpu)->machine)->board.ram;         /* (the machine is a Toy's first member) */
}

/* What toy_walk has looked at: the entry that could be a large page's, and the page's own. */
static void
tell_words (const ToyCpu *cpu, uint32_t index, uint32_t entry, BpTlbFill *fill)
{
  uint32_t large = cpu->s.table + 4 * (index & ~15u);
  fill->word_size = 4;
  if (!(entry & TOY_LARGE)) {
    uint32_t first;
    memcpy (&first, ram_of (cpu) + large, 4);
    fill->word[fill->n_words++] = (BpTlbWord) { large, first };
  }
  fill->word[fill->n_words++] = (BpTlbWord) { entry & TOY_LARGE ? large : cpu->s.table + 4 * index, entry };
}

static bool
toy_tlb_fill (void *env, uint64_t address, BpMmuAccess access, unsigned mmu, bool quiet, BpTlbFill *fill)
{
  ToyCpu *cpu = env;
  uint32_t entry, physical;
  unsigned kind = access == BP_MMU_LOAD ? TOY_FAULT_LOAD : access == BP_MMU_STORE ? TOY_FAULT_STORE : TOY_FAULT_FETCH;
  ck_assert (!quiet || access == BP_MMU_FETCH);         /* a processor may fetch ahead; it does not touch data that the program does not */
  if (!toy_walk (&cpu->s, ram_of (cpu), (uint32_t) address, &entry, &physical) || !toy_allows (entry, kind)) {
    if (!quiet) {
      cpu->fault_kind = kind;
      cpu->fault_address = (uint32_t) address;
    }
    return false;
  }
  fill->physical = physical & 0xfffff000;
  fill->page_shift = entry & TOY_LARGE ? 16 : 12;
  fill->readable = 1;
  fill->writable = (entry & TOY_WRITABLE) != 0;
  fill->executable = (entry & TOY_EXECUTABLE) != 0;
  fill->global = (entry & TOY_GLOBAL) != 0;
  fill->key = (uint8_t) ((entry & 0xfff) / TOY_KEY);
  if (cpu->s.table)
    tell_words (cpu, (uint32_t) address >> 12, entry, fill);
  return true;
}

static bool
toy_translate (void *self, uint64_t address, BpDebugPage *page)
{
  uint32_t entry, physical;
  if (!toy_walk (&((ToyCpu *) self)->s, ram_of (self), (uint32_t) address, &entry, &physical))
    return false;
  page->physical = physical;
  return true;
}

const BpCpuDebugIface toy_debug = { .struct_size = sizeof toy_debug, .translate = toy_translate };

/* --- helpers ----------------------------------------------------------------------------------- */

uint32_t
toy_mix (uint32_t a, uint32_t b)
{
  return (a << 7 | a >> 25) * 2654435761u + b;
}

static void __attribute__ ((noreturn))
h_halt (ToyCpu *cpu, uint32_t how)
{
  __atomic_store_n (&cpu->s.halted, how, __ATOMIC_RELEASE);
  bp_tcg_ops (cpu)->leave (cpu);
  g_assert_not_reached ();
}

static void __attribute__ ((noreturn))
h_trap (ToyCpu *cpu)
{
  cpu->fault_kind = TOY_FAULT_TRAP;
  cpu->fault_address = 0;
  bp_tcg_ops (cpu)->raise (cpu);
  g_assert_not_reached ();
}

static uint32_t
h_in (ToyCpu *cpu, uint32_t port)
{
  return bp_tcg_ops (cpu)->io_read (cpu, (uint16_t) port, 4);
}

static void
h_out (ToyCpu *cpu, uint32_t port, uint32_t value)
{
  bp_tcg_ops (cpu)->io_write (cpu, (uint16_t) port, value, 4);
}

static void
h_enable (ToyCpu *cpu)
{
  cpu->s.enabled = 1;
  bp_tcg_ops (cpu)->leave_soon (cpu);
}

static void
h_table (ToyCpu *cpu, uint32_t table)
{
  cpu->s.table = table & (TOY_RAM_SIZE - 1) & ~0xfffu;
  bp_tcg_ops (cpu)->tlb_switch_space (cpu, cpu->s.table, 0, false);
}

/* As toy-reference.c has it. */
static void
h_map (ToyCpu *cpu, uint32_t linear, uint32_t entry)
{
  const BpTcgOps *ops = bp_tcg_ops (cpu);
  uint32_t index = linear >> 12;
  if (!cpu->s.table || index >= 1024)
    return;
  ops->store_physical (cpu, cpu->s.table + 4 * index, entry, 4);
  if (entry & TOY_GLOBAL)
    ops->store_physical (cpu, (cpu->s.table ^ 0x1000) + 4 * index, entry, 4);
  for (unsigned i = 0; i < (entry & TOY_LARGE ? 16 : 1); i++)
    ops->tlb_flush_page (cpu, linear + (i << 12));
}

static void
h_copy (ToyCpu *cpu, uint32_t to, uint32_t from, uint32_t n)
{
  const BpTcgOps *ops = bp_tcg_ops (cpu);
  uint8_t bytes[64];
  n = MIN (MIN (n & 63, 0x1000 - (to & 0xfff)), 0x1000 - (from & 0xfff));
  if (n == 0)
    return;
  const uint8_t *src = ops->probe (cpu, from, n, BP_MMU_LOAD, 0);
  for (uint32_t i = 0; i < n; i++)
    bytes[i] = src ? src[i] : (uint8_t) ops->load (cpu, from + i, BP_MO_8);
  if (src && ops->accessed)
    ops->accessed (cpu, from, n, BP_MMU_LOAD, 0);
  uint8_t *dst = ops->probe (cpu, to, n, BP_MMU_STORE, 0);
  for (uint32_t i = 0; i < n; i++)
    if (dst)
      dst[i] = bytes[i];
    else
      ops->store (cpu, to + i, bytes[i], BP_MO_8);
  if (dst && ops->accessed)
    ops->accessed (cpu, to, n, BP_MMU_STORE, 0);
}

#define HELPER(name, function, flags, n, result, ...) \
  static const BpIrHelper name = { #name, (void (*) (void)) function, flags, n, result, BP_IR_I32, { __VA_ARGS__ } }
HELPER (helper_pure, toy_mix, BP_HELPER_PURE | BP_HELPER_FP_SAFE, 2, 1, BP_IR_I32, BP_IR_I32);
HELPER (helper_halt, h_halt, BP_HELPER_NO_RETURN, 2, 0, BP_IR_I64, BP_IR_I32);
HELPER (helper_trap, h_trap, BP_HELPER_NO_RETURN, 1, 0, BP_IR_I64);
HELPER (helper_in, h_in, BP_HELPER_NO_WRITE, 2, 1, BP_IR_I64, BP_IR_I32);
HELPER (helper_out, h_out, BP_HELPER_NO_WRITE, 3, 0, BP_IR_I64, BP_IR_I32, BP_IR_I32);
HELPER (helper_enable, h_enable, BP_HELPER_NO_WRITE, 1, 0, BP_IR_I64);
HELPER (helper_table, h_table, 0, 2, 0, BP_IR_I64, BP_IR_I32);
HELPER (helper_map, h_map, 0, 3, 0, BP_IR_I64, BP_IR_I32, BP_IR_I32);
HELPER (helper_copy, h_copy, 0, 4, 0, BP_IR_I64, BP_IR_I32, BP_IR_I32, BP_IR_I32);
static const BpIrHelper *const helpers[] = { &helper_pure, &helper_halt, &helper_trap, &helper_in, &helper_out, &helper_enable, &helper_table,
                                             &helper_map, &helper_copy, NULL };

/* --- translation ---------------------------------------------------------------------------------- */

#define MAX_SIDE_EXITS (BP_IR_EXITS - 2)

typedef struct Gen {
  BpTranslation *t;
  BpIrBlock *b;
  uint32_t base, next;          /* pc of the instruction after this one */
  unsigned n_exits, n_side;
  uint32_t n_followed;
  struct { uint32_t label, pc, target; } side[MAX_SIDE_EXITS];
} Gen;

static BpTemp reg (unsigned i) { return bp_ir_global (i & 7); }
static BpTemp constant (Gen *g, uint32_t value) { return bp_ir_i32 (g->b, (int32_t) value); }

static void
set_pc (Gen *g, BpTemp pc)
{
  bp_ir_st (g->b, BP_IR_st32, pc, BP_IR_ENV, STATE (pc));
}

static void
jump_loop (Gen *g, uint32_t to)
{
  set_pc (g, constant (g, to));
  bp_ir_exit_tb (g->b, BP_IR_EXIT_NONE);
}

static void
jump (Gen *g, uint32_t to)
{
  if (g->t->cflags & BP_TCG_CF_NO_CHAIN) {
    jump_loop (g, to);
  } else if (((g->base + to) ^ (uint32_t) g->t->key.pc) >> 12) {
    set_pc (g, constant (g, to));
    bp_ir_goto_ptr (g->b, constant (g, to));
  } else {
    unsigned n = g->n_exits++;
    bp_ir_goto_tb (g->b, n);
    set_pc (g, constant (g, to));
    bp_ir_exit_tb (g->b, n);
  }
}

static bool
follow (Gen *g, uint32_t to)
{
  const BpTranslation *t = g->t;
  if (g->n_followed == t->n_path || (uint32_t) (g->base + to) != t->path[g->n_followed])
    return false;
  g->n_followed++;
  g->next = to;
  return true;
}

/* Of a branch to `taken`: true when one side is followed, and the other left to side_exits. */
static bool
follow_branch (Gen *g, BpTemp a, uint32_t taken)
{
  uint32_t here = g->next - 4, other = g->next;
  bool is_taken = g->n_side < MAX_SIDE_EXITS && follow (g, taken);
  if (!is_taken) {
    other = taken;
    if (g->n_side == MAX_SIDE_EXITS || !follow (g, g->next))
      return false;
  }
  uint32_t label = bp_ir_label_new (g->b);
  bp_ir_brcond (g->b, BP_IR_I32, is_taken ? BP_IR_EQ : BP_IR_NE, a, constant (g, 0), label);
  g->side[g->n_side].label = label;
  g->side[g->n_side].pc = here;
  g->side[g->n_side++].target = other;
  return true;
}

static void
side_exits (Gen *g)
{
  for (unsigned i = 0; i < g->n_side; i++) {
    bp_ir_insn_start (g->b, g->side[i].pc, 0);
    bp_ir_label (g->b, g->side[i].label);
    jump (g, g->side[i].target);
  }
}

static void
call (Gen *g, const BpIrHelper *helper, BpTemp result, BpTemp a, BpTemp b, BpTemp c)
{
  BpTemp args[4] = { BP_IR_ENV, a, b, c };
  unsigned n = 1;
  while (n < 4 && args[n] != BP_IR_NONE)
    n++;
  bp_ir_call (g->b, helper, result, args, n);
}

static void
atomic (Gen *g, ToyOp op, BpTemp a, BpTemp address)
{
  BpTemp old = bp_ir_local (g->b, BP_IR_I32);
  if (op == TOY_CAS)
    bp_ir_gcmpxchg (g->b, BP_IR_I32, old, address, reg (0), a, BP_MO_32);
  else
    bp_ir_gatomic (g->b, op == TOY_SWAP ? BP_IR_gxchg : BP_IR_gfetch_add, BP_IR_I32, old, address, a, BP_MO_32);
  bp_ir_mov (g->b, BP_IR_I32, a, old);
}

static BpTemp
address_of (Gen *g, unsigned b, int imm)
{
  BpTemp address = bp_ir_local (g->b, BP_IR_I32);
  bp_ir_op3 (g->b, BP_IR_add, BP_IR_I32, address, reg (b), constant (g, (uint32_t) imm));
  return address;
}

static void
memory (Gen *g, ToyOp op, BpTemp a, BpTemp address)
{
  static const BpMemOp size[] = { BP_MO_32, BP_MO_16, BP_MO_8 };
  BpMemOp near = (g->next >> 2) % 4 ? BP_MO_NEAR : 0;   /* (a hint: for most, so that the tests of the TLB see whether it is obeyed) */
  if (op <= TOY_LD8)
    bp_ir_gld (g->b, BP_IR_I32, a, address, size[op - TOY_LD32] | near);
  else if (op <= TOY_ST8)
    bp_ir_gst (g->b, a, address, size[op - TOY_ST32] | near);
  else
    atomic (g, op, a, address);
}

static void
poke (Gen *g, unsigned a, unsigned b, int imm)
{
  BpTemp word = bp_ir_local (g->b, BP_IR_I32);
  bp_ir_op3 (g->b, BP_IR_and, BP_IR_I32, word, reg (a), constant (g, 0xffff0000));
  bp_ir_op3 (g->b, BP_IR_or, BP_IR_I32, word, word, constant (g, toy_insn (TOY_LI, b, 0, 0)));
  bp_ir_gst (g->b, word, constant (g, g->base + g->next - 4 + (uint32_t) imm), BP_MO_32);
}

/* Values in registers. */
static void
compute (Gen *g, ToyOp op, unsigned a, unsigned b, int imm)
{
  BpIrBlock *ir = g->b;
  switch (op) {
  case TOY_LI: bp_ir_mov (ir, BP_IR_I32, reg (a), constant (g, (uint32_t) imm)); break;
  case TOY_LUI: bp_ir_mov (ir, BP_IR_I32, reg (a), constant (g, (uint32_t) imm << 16)); break;
  case TOY_ORI: bp_ir_op3 (ir, BP_IR_or, BP_IR_I32, reg (a), reg (a), constant (g, (uint32_t) imm & 0xffff)); break;
  case TOY_ADDI: bp_ir_op3 (ir, BP_IR_add, BP_IR_I32, reg (a), reg (b), constant (g, (uint32_t) imm)); break;
  case TOY_ADD: bp_ir_op3 (ir, BP_IR_add, BP_IR_I32, reg (a), reg (a), reg (b)); break;
  case TOY_XOR: bp_ir_op3 (ir, BP_IR_xor, BP_IR_I32, reg (a), reg (a), reg (b)); break;
  case TOY_MUL: bp_ir_op3 (ir, BP_IR_mul, BP_IR_I32, reg (a), reg (a), reg (b)); break;
  case TOY_DIV: {
    BpTemp q = bp_ir_local (ir, BP_IR_I32), rest = bp_ir_local (ir, BP_IR_I32);
    bp_ir_op5 (ir, BP_IR_divu2, BP_IR_I32, q, rest, reg (a), constant (g, 0), reg (b));
    bp_ir_mov (ir, BP_IR_I32, reg (a), q);
    break;
  }
  default: {
    BpTemp args[2] = { reg (a), reg (b) };
    bp_ir_call (ir, &helper_pure, reg (a), args, 2);
  }
  }
}

/* True: the block ends here. */
static bool
control (Gen *g, ToyOp op, unsigned a, int imm)
{
  switch (op) {
  case TOY_BNZ: {
    if (follow_branch (g, reg (a), g->next + (uint32_t) imm))
      return false;
    uint32_t taken = bp_ir_label_new (g->b);
    bp_ir_brcond (g->b, BP_IR_I32, BP_IR_NE, reg (a), constant (g, 0), taken);
    jump (g, g->next);
    bp_ir_label (g->b, taken);
    jump (g, g->next + (uint32_t) imm);
    return true;
  }
  case TOY_JMP:
    if (follow (g, g->next + (uint32_t) imm))
      return false;
    jump (g, g->next + (uint32_t) imm);
    return true;
  case TOY_SYNC:
    jump (g, g->next);
    return true;
  case TOY_JR:
    set_pc (g, reg (a));
    if (g->t->cflags & BP_TCG_CF_NO_CHAIN)
      bp_ir_exit_tb (g->b, BP_IR_EXIT_NONE);
    else
      bp_ir_goto_ptr (g->b, reg (a));
    return true;
  case TOY_RETI: {
    BpTemp pc = bp_ir_local (g->b, BP_IR_I32);
    bp_ir_st (g->b, BP_IR_st32, constant (g, 1), BP_IR_ENV, STATE (enabled));
    bp_ir_ld (g->b, BP_IR_ld32u, BP_IR_I32, pc, BP_IR_ENV, STATE (epc));
    set_pc (g, pc);
    bp_ir_exit_tb (g->b, BP_IR_EXIT_NONE);
    return true;
  }
  case TOY_TRAP:
    call (g, &helper_trap, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE);
    bp_ir_exit_tb (g->b, BP_IR_EXIT_NONE);
    return true;
  default:
    set_pc (g, constant (g, g->next));
    call (g, &helper_halt, BP_IR_NONE, constant (g, op == TOY_WAIT ? TOY_WAITS : TOY_STOPPED), BP_IR_NONE, BP_IR_NONE);
    bp_ir_exit_tb (g->b, BP_IR_EXIT_NONE);
    return true;
  }
}

static bool
instruction (Gen *g, uint32_t word)
{
  ToyOp op = (ToyOp) ((word & 0xff) % TOY_N_OPS);
  unsigned a = word >> 8 & 7, b = word >> 12 & 7;
  int imm = (int16_t) (word >> 16);
  if (op >= TOY_LI && op <= TOY_DIV)
    compute (g, op, a, b, imm);
  else if (op >= TOY_LD32 && op <= TOY_CAS)
    memory (g, op, reg (a), address_of (g, b, imm));
  else if (op == TOY_OUT)
    call (g, &helper_out, BP_IR_NONE, constant (g, (uint32_t) imm & 0xffff), reg (a), BP_IR_NONE);
  else if (op == TOY_IN)
    call (g, &helper_in, reg (a), constant (g, (uint32_t) imm & 0xffff), BP_IR_NONE, BP_IR_NONE);
  else if (op == TOY_EI)
    call (g, &helper_enable, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE);
  else if (op == TOY_DI)
    bp_ir_st (g->b, BP_IR_st32, constant (g, 0), BP_IR_ENV, STATE (enabled));
  else if (op == TOY_POKE)
    poke (g, a, b, imm);
  else if (op == TOY_COPY)
    call (g, &helper_copy, BP_IR_NONE, reg (a), reg (b), constant (g, (uint32_t) imm));
  else if (op == TOY_TABLE || op == TOY_MAP) {
    if (op == TOY_TABLE)
      call (g, &helper_table, BP_IR_NONE, reg (a), BP_IR_NONE, BP_IR_NONE);
    else
      call (g, &helper_map, BP_IR_NONE, reg (a), reg (b), BP_IR_NONE);
    jump_loop (g, g->next);
    return true;
  } else
    return control (g, op, a, imm);
  return false;
}

static void
translate (void *env, BpTranslation *t)
{
  ToyCpu *cpu = env;
  Gen g = { .t = t, .b = t->ir, .base = (uint32_t) t->key.base, .next = (uint32_t) (t->key.pc - t->key.base) };
  for (bool end = false; !end;) {
    uint32_t word;
    bool first = t->n_insns == 0;
    unsigned got = bp_tcg_ops (cpu)->fetch (env, t, (uint32_t) (g.base + g.next), (uint8_t *) &word, 4, first);
    if (got < 4 || t->n_insns == t->max_insns) {
      jump (&g, g.next);
      break;
    }
    bp_ir_insn_start (t->ir, g.next, 0);
    t->n_insns++;
    int32_t from = (int32_t) (g.base + g.next - (uint32_t) t->key.pc);
    t->n_before = MAX (t->n_before, (uint32_t) MAX (-from, 0));
    t->n_bytes = MAX (t->n_bytes, (uint32_t) MAX (from + 4, 0));
    g.next += 4;
    end = instruction (&g, word);
  }
  side_exits (&g);
}

/* --- the rest of the table --------------------------------------------------------------------------- */

static void
key (const void *env, BpTbKey *k)
{
  const ToyCpu *cpu = env;
  k->pc = (uint32_t) (cpu->s.base + cpu->s.pc);
  k->base = cpu->s.base;
  k->flags = cpu->s.table != 0;
}

static unsigned fetch_mmu_index (const void *env) { return 0; }
static void restore (void *env, uint64_t pc, uint32_t word) { ((ToyCpu *) env)->s.pc = (uint32_t) pc; }

static void
deliver (void *env)
{
  ToyCpu *cpu = env;
  cpu->s.faults = cpu->s.faults * 31 + cpu->fault_address + cpu->fault_kind;
  __atomic_fetch_add (&cpu->s.n_faults, 1, __ATOMIC_RELEASE);   /* (a test may be waiting for it) */
  cpu->s.pc += 4;
}

static bool
wakes (const void *env, uint32_t pending)
{
  const ToyCpu *cpu = env;
  return pending & BP_VCPU_IRQ_HARD && cpu->s.enabled && cpu->s.halted != TOY_STOPPED;
}

static bool
interrupt (void *env, uint32_t pending)
{
  ToyCpu *cpu = env;
  if (!wakes (env, pending))
    return false;
  cpu->trace = (cpu->trace ^ bp_tcg_ops (cpu)->instructions (cpu)) * 0x9e3779b97f4a7c15u + cpu->s.pc;
  cpu->s.epc = cpu->s.pc;
  cpu->s.pc = TOY_VECTOR - cpu->s.base;
  cpu->s.enabled = 0;
  __atomic_store_n (&cpu->s.halted, TOY_RUNS, __ATOMIC_RELEASE);
  __atomic_add_fetch (&cpu->n_interrupts, 1, __ATOMIC_SEQ_CST);
  return true;
}

static bool is_halted (const void *env) { return ((const ToyCpu *) env)->s.halted != TOY_RUNS; }

static void
host_fault (void *env, BpHostFault fault)
{
  ToyCpu *cpu = env;
  g_assert (fault == BP_HOST_FAULT_DIVIDE);
  cpu->fault_kind = TOY_FAULT_DIVIDE;
  cpu->fault_address = 0;
}

static void dump (const void *env, char *out, size_t size) { g_strlcpy (out, "toy", size); }

const BpTcgFrontend toy_frontend = {
  .struct_size = sizeof (BpTcgFrontend),
  .name = "toy",
  .globals = globals,
  .n_globals = G_N_ELEMENTS (globals),
  .helpers = helpers,
  .pc_offset = STATE (pc),
  .pc_size = 4,
  .address_bits = 32,
  .n_mmu_indexes = 1,
  .max_insn_bytes = 4,
  .key = key,
  .fetch_mmu_index = fetch_mmu_index,
  .translate = translate,
  .restore = restore,
  .tlb_fill = toy_tlb_fill,
  .deliver = deliver,
  .interrupt = interrupt,
  .wakes = wakes,
  .is_halted = is_halted,
  .host_fault = host_fault,
  .dump = dump,
};
