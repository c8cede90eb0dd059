/* translate.c -- one block of guest code into IR: globals, fetching, checks before each instruction. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "translate.h"

/* Which sets of host registers hold it: those of legacy modes and of 64-bit mode are the same (R8 and R9 instead of the flags' operands
 * cost 3 % of Linux's start), but the former's have 32 bits.  cc_src2 is seldom used. */
#define REGISTER(name, n, sets) { name, offsetof (X86Cpu, gpr[n]), BP_IR_I64, sets }

const BpIrGlobal x86_globals[G_N] = {
  [G_RAX] = REGISTER ("rax", BP_X86_RAX, 3),
  [G_RCX] = REGISTER ("rcx", BP_X86_RCX, 3),
  [G_RDX] = REGISTER ("rdx", BP_X86_RDX, 3),
  [G_RBX] = REGISTER ("rbx", BP_X86_RBX, 3),
  [G_RSP] = REGISTER ("rsp", BP_X86_RSP, 3),
  [G_RBP] = REGISTER ("rbp", BP_X86_RBP, 3),
  [G_RSI] = REGISTER ("rsi", BP_X86_RSI, 3),
  [G_RDI] = REGISTER ("rdi", BP_X86_RDI, 3),
  [G_CC_DST] = { "cc_dst", offsetof (X86Cpu, cc_dst), BP_IR_I64, 3 },
  [G_CC_SRC] = { "cc_src", offsetof (X86Cpu, cc_src), BP_IR_I64, 3 },
  [G_R8] = REGISTER ("r8", 8, 0),
  [G_R9] = REGISTER ("r9", 9, 0),
  [G_R10] = REGISTER ("r10", 10, 0),
  [G_R11] = REGISTER ("r11", 11, 0),
  [G_R12] = REGISTER ("r12", 12, 0),
  [G_R13] = REGISTER ("r13", 13, 0),
  [G_R14] = REGISTER ("r14", 14, 0),
  [G_R15] = REGISTER ("r15", 15, 0),
  [G_CC_SRC2] = { "cc_src2", offsetof (X86Cpu, cc_src2), BP_IR_I64, 0 },
};

/* --- fetching --------------------------------------------------------------------------------- */

typedef enum Fetched { FETCH_OK, FETCH_STOP, FETCH_RAISE_UD, FETCH_RAISE_GP } Fetched;

/* Bytes of code from here to CS's limit, at most an instruction's. */
static unsigned
bytes_below_limit (const Translator *s)
{
  if (s->is_64)
    return X86_MAX_INSN_LENGTH;
  if (s->pc > s->cs_limit)
    return 0;
  uint64_t n = s->cs_limit - s->pc + 1;
  return n < X86_MAX_INSN_LENGTH ? (unsigned) n : X86_MAX_INSN_LENGTH;
}

uint64_t
code_linear (const Translator *s, uint64_t pc)
{
  return s->is_64 ? pc : (uint32_t) (s->cs_base + pc);
}

/* Decodes the instruction at s->pc.  One that reaches into the next page is translated only as a block's
 * first. */
static Fetched
fetch (Translator *s, X86Insn *insn)
{
  const BpTcgOps *ops = s->env->tcg.ops;
  uint8_t bytes[16];
  uint64_t linear = code_linear (s, s->pc);
  unsigned in_page = 4096 - (unsigned) (linear & 4095), allowed = bytes_below_limit (s);
  unsigned want = MIN (allowed, in_page), got = 0;
  bool is_first = s->t->n_insns == 0;

  if (want > 0) {
    got = ops->fetch (s->env, s->t, linear, bytes, want, is_first);
    if (got == 0)
      return FETCH_STOP;
  }
  X86DecodeResult result = x86_decode (bytes, got, s->mode, insn);
  if (result == X86_DECODE_NEED_MORE && got < allowed) {
    if (!is_first)
      return FETCH_STOP;
    got = ops->fetch (s->env, s->t, linear, bytes, allowed, true);
    result = x86_decode (bytes, got, s->mode, insn);
  }
  switch (result) {
  case X86_DECODE_OK: return FETCH_OK;
  case X86_DECODE_UD: return FETCH_RAISE_UD;
  default: return FETCH_RAISE_GP;       /* too long, or beyond the limit */
  }
}

/* --- checks in the order decode.h gives ------------------------------------------------------- */

static bool
has_feature (const Translator *s, const X86Insn *insn)
{
  return insn->feature == X86_FEATURE_NONE || s->env->feature[insn->feature];
}

/* #UD or #NM by what the instruction's unit asks of CR0 and CR4 (decode.h, X86Unit); -1: go on. */
static int
unit_fault (const Translator *s, const X86Insn *insn)
{
  uint32_t h = s->hflags;
  switch (insn->unit) {
  case X86_UNIT_X87:
  case X86_UNIT_FXSR: return h & (HF_EM | HF_TS) ? EXC_NM : -1;
  case X86_UNIT_WAIT: return (h & (HF_MP | HF_TS)) == (HF_MP | HF_TS) ? EXC_NM : -1;
  case X86_UNIT_MMX: return h & HF_EM ? EXC_UD : h & HF_TS ? EXC_NM : -1;
  case X86_UNIT_SSE: return (h & HF_EM) || !(h & HF_OSFXSR) ? EXC_UD : h & HF_TS ? EXC_NM : -1;
  case X86_UNIT_AVX: return !(h & HF_AVX) ? EXC_UD : h & HF_TS ? EXC_NM : -1;
  default: return -1;
  }
}

/* In virtual-8086 mode with IOPL below 3; with CR4.VME the helpers know more. */
static bool
is_v86_sensitive (const Translator *s, const X86Insn *insn)
{
  return (insn->attributes & X86_A_VM86) && s->is_vm86 && !s->io_ok && !(s->hflags & HF_VME);
}

/* Emits the fault that this instruction raises whatever its operands are; true when there is one. */
static bool
emit_certain_fault (Translator *s, X86Insn *insn)
{
  int vector = -1;
  while (!has_feature (s, insn))
    if (!x86_insn_without_feature (insn)) {
      vector = EXC_UD;
      break;
    }
  if (vector < 0 && (insn->attributes & X86_A_PMODE_ONLY) && !s->is_protected)
    vector = EXC_UD;
  if (vector < 0 && s->cpl != 0 && (insn->op == X86_OP_CLAC || insn->op == X86_OP_STAC))
    vector = EXC_UD;            /* instead of #GP */
  if (vector < 0)
    vector = unit_fault (s, insn);
  if (vector >= 0) {
    emit_raise (s, (unsigned) vector);
    return true;
  }
  if (((insn->attributes & X86_A_PRIV0) && s->cpl != 0 && insn->op != X86_OP_SYSRET) || is_v86_sensitive (s, insn)) {
    if (insn->unit == X86_UNIT_XSAVE)
      emit_call (s, H_osxsave_check, BP_IR_NONE, BP_IR_ENV);
    emit_raise_error (s, EXC_GP, 0);
    return true;
  }
  return false;
}

/* --- the block -------------------------------------------------------------------------------- */

static void
init (Translator *s, X86Cpu *env, BpTranslation *t)
{
  memset (s, 0, sizeof *s);
  s->env = env;
  s->t = t;
  s->b = t->ir;
  s->key = t->key.flags;
  s->hflags = (uint32_t) t->key.flags;
  s->is_64 = s->hflags & HF_CODE64;
  s->mode = s->is_64 ? X86_MODE_64 : s->hflags & HF_CS32 ? X86_MODE_32 : X86_MODE_16;
  s->word = s->is_64 ? BP_IR_I64 : BP_IR_I32;
  s->cpl = s->hflags & HF_CPL;
  s->mmu = x86_mmu_index_of (s->hflags);
  s->io_ok = s->hflags & HF_IO_OK;
  s->ss32 = s->hflags & HF_SS32;
  s->is_vm86 = s->hflags & HF_VM;
  s->is_protected = (s->hflags & (HF_PE | HF_VM)) == HF_PE;
  s->cs_base = t->key.base;
  s->cs_limit = s->is_64 ? UINT64_MAX : s->hflags & HF_FLAT (X86_CS) ? 0xffffffffu : env->segment[BP_X86_CS].limit;
  s->pc = s->is_64 ? t->key.pc : (uint32_t) (t->key.pc - t->key.base);
  s->low = t->key.pc;
  s->high = t->key.pc + 1;
  s->cc_op = CC_DYNAMIC;
  s->cc_op_stored = true;
  s->cc_guess = env->cc_op;
  s->cc_first = s->cc_second = BP_IR_NONE;
}

/* States that last for one instruction end when it starts; RF also keeps its breakpoint from firing again. */
static void
emit_one_shot_states (Translator *s)
{
  uint32_t mode = s->hflags & (HF_INHIBIT | HF_RF);
  if (mode) {
    SET_ENV32 (s, hflags, op3i (s, BP_IR_and, ENV32 (s, hflags), ~mode));
    s->mode_changed = true;
  }
  if (mode & HF_RF)
    SET_ENV32 (s, eflags, op3i (s, BP_IR_and, ENV32 (s, eflags), ~(uint32_t) X86_FL_RF));
  else if (s->hflags & HF_BREAKPOINTS)
    emit_call (s, H_check_breakpoint, BP_IR_NONE, BP_IR_ENV, i64 (s, code_linear (s, s->pc)));
}

static void
emit_insn (Translator *s, X86Insn *insn)
{
  if (emit_certain_fault (s, insn)) {
    s->ended = true;
    return;
  }
  /* What was written to the code behind a serializing instruction before it is fetched (SDM 3A, "Handling Self- and Cross-Modifying Code"). */
  s->end_block |= (insn->attributes & (X86_A_ENDS_BLOCK | X86_A_SERIALIZE)) != 0;
  if (insn->attributes & X86_A_SERIALIZE)       /* and others see what was stored before it ahead of what is loaded behind it (SDM 3A, "Serializing Instructions") */
    emit_fence (s, insn);
  if (insn->unit != X86_UNIT_INT) {
    if (!emit_fp (s, insn))
      emit_ud (s, insn);
    return;
  }
  Emit *emit = x86_emit[insn->op];
  (emit != NULL ? emit : emit_ud) (s, insn);
}

/* ARPL decides after the load whether it writes. */
static bool
reads_to_write (const X86Insn *insn)
{
  return insn->mem_operand >= 0 && insn->mem_access == X86_ACCESS_RW && insn->op != X86_OP_ARPL;
}

/* Which faults on addresses that are not canonical are #SS.  A descriptor table, say, is elsewhere too. */
static uint32_t
stack_bits (const Translator *s, const X86Insn *insn)
{
  if (!s->is_64)
    return 0;
  bool implied = insn->attributes & X86_A_STACK, operand = insn->mem_operand >= 0;
  if (operand && insn->operand[insn->mem_operand].mem.seg == X86_SS)
    return WORD_STACK;
  return !implied ? 0 : operand ? WORD_STACK | WORD_STACK_TOO : WORD_STACK;
}

/* What the fault of a bad target (frontend.c, may_jump) has to undo. */
static uint32_t
jump_bits (const X86Insn *insn)
{
  return insn->opsize < 8 ? 0 : insn->op == X86_OP_CALL ? WORD_CALLS : insn->op == X86_OP_RET ? WORD_RETURNS : 0;
}

/* One instruction; false when the block ends before it. */
static bool
translate_insn (Translator *s)
{
  X86Insn insn;
  BpTranslation *t = s->t;
  Fetched fetched = fetch (s, &insn);
  if (fetched == FETCH_STOP || (fetched == FETCH_OK && insn.op == X86_OP_INS && t->n_insns > 0))
    return false;               /* INS cannot be done again for the sake of a data breakpoint (BpTcgFrontend, watch) */
  unsigned length = insn.length ? insn.length : 1;
  uint64_t linear = code_linear (s, s->pc);
  s->next_pc = s->pc + length;
  s->linear = BP_IR_NONE;
  s->rmw_bit = fetched == FETCH_OK && reads_to_write (&insn) ? BP_MO_RMW : 0;
  uint32_t word = s->cc_op | s->pending | (s->rmw_bit ? WORD_RMW : 0);
  if (fetched == FETCH_OK)
    word |= stack_bits (s, &insn) | jump_bits (&insn) | (insn.mem_operand >= 0 && fp_is_waiting (&insn) ? WORD_WAITS : 0);
  bp_ir_insn_start (s->b, s->pc, word);
  emit_one_shot_states (s);
  if (fetched == FETCH_OK) {
    emit_insn (s, &insn);
  } else {
    if (fetched == FETCH_RAISE_UD)
      emit_raise (s, EXC_UD);
    else
      emit_raise_error (s, EXC_GP, 0);
    s->ended = true;
  }
  t->n_insns++;
  s->low = MIN (s->low, linear);
  s->high = MAX (s->high, linear + length);
  s->pc = s->next_pc;
  return true;
}

/* So many temps that the next instruction might not find room for its own. */
#define TEMPS_FULL 48000

static bool
is_full (const Translator *s)
{
  bool left_page = (code_linear (s, s->pc) ^ s->t->key.pc) >> 12;
  return s->t->n_insns >= s->t->max_insns || left_page || s->b->n_temps > TEMPS_FULL || s->end_block
         || (s->hflags & HF_TF) || s->mode_changed;
}

void
x86_translate (void *cpu, BpTranslation *t)
{
  Translator s;
  init (&s, cpu, t);
  t->n_insns = 0;
  while (translate_insn (&s) && !s.ended && !is_full (&s))
    ;
  if (!s.ended)
    emit_go_on (&s);
  emit_side_exits (&s);
  t->n_before = (uint32_t) (t->key.pc - s.low);
  t->n_bytes = (uint32_t) (s.high - t->key.pc);
  t->exit_flags = (t->key.flags & ~(uint64_t) UINT32_MAX) | s.hflags;
}
