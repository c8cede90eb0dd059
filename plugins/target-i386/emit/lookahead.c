/* lookahead.c -- whether the flags of an instruction die unseen, seen from the instructions that follow it. */
/* SPDX-License-Identifier: MIT */
/*
 * Some operations need the old flags to make the new ones (INC, DEC, rotates keep some; shifts by CL may
 * keep all), which costs a call when the old ones come from another block.  Mostly the next flags are not
 * far: then nothing is computed, and a fault on the way finds what to do in its state word.
 */

#include "translate.h"

#define REACH 8                 /* instructions */

/* By a count other than zero that is known. */
static bool
is_fixed (const X86Insn *insn)
{
  return insn->operand[1].kind == X86_OPERAND_IMM && (insn->operand[1].imm & count_mask (insn->operand[0].size)) != 0;
}

static bool
is_fixed_rotation (const X86Insn *insn)
{
  return (insn->op == X86_OP_ROL || insn->op == X86_OP_ROR) && is_fixed (insn);
}

static bool
overwrites_flags (const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_SHL: case X86_OP_SHR: case X86_OP_SAR: return is_fixed (insn);
  case X86_OP_ADD: case X86_OP_SUB: case X86_OP_CMP: case X86_OP_AND: case X86_OP_OR: case X86_OP_XOR: case X86_OP_TEST: case X86_OP_NEG:
  case X86_OP_IMUL2: case X86_OP_IMUL3: return true;
  default: return false;
  }
}

static bool
writes_register (const X86Insn *insn, unsigned reg)
{
  if ((insn->attributes & X86_A_STACK) && reg == X86_RSP)
    return true;
  for (unsigned i = 0; i < insn->n_operands; i++) {
    const X86Operand *o = &insn->operand[i];
    if (o->kind == X86_OPERAND_GPR && o->reg == reg && (o->access & X86_ACCESS_W))
      return true;
  }
  return false;
}

/* Plain code that has nothing to do with flags and calls no helper. */
static bool
is_neutral (const X86Insn *insn, unsigned reg)
{
  switch (insn->op) {
  case X86_OP_MOV: case X86_OP_MOVZX: case X86_OP_MOVSX: case X86_OP_LEA: case X86_OP_PUSH: case X86_OP_POP: return !writes_register (insn, reg);
  case X86_OP_NOT: case X86_OP_BSWAP: return !writes_register (insn, reg);
  case X86_OP_NOP: return true;
  default: return false;
  }
}

static bool
may_fault (const X86Insn *insn)
{
  return (insn->attributes & X86_A_STACK) || (insn->mem_operand >= 0 && insn->mem_access != X86_ACCESS_NONE);
}

/* Decodes what stands at pc; false when it does not lie in this page, or within CS's limit. */
static bool
peek (const Translator *s, uint64_t pc, X86Insn *insn)
{
  uint8_t bytes[X86_MAX_INSN_LENGTH];
  uint64_t linear = code_linear (s, pc);
  if ((linear ^ s->t->key.pc) >> 12 || pc > s->cs_limit)
    return false;
  uint64_t in_page = 4096 - (linear & 4095), below_limit = s->cs_limit - pc;
  unsigned want = (unsigned) MIN (MIN (sizeof bytes - 1, in_page - 1), below_limit) + 1;
  unsigned got = s->env->tcg.ops->fetch (s->env, s->t, linear, bytes, want, false);
  return x86_decode (bytes, got, s->mode, insn) == X86_DECODE_OK;
}

bool
flags_die_unseen (const Translator *s, const X86Insn *insn, bool without_faults)
{
  const X86Operand *o = &insn->operand[0];
  uint64_t pc = s->next_pc;
  if (o->kind != X86_OPERAND_GPR || o->high || s->mode_changed || s->end_block
      || (s->hflags & (HF_TF | HF_BREAKPOINTS)))
    return false;
  /* t->n_insns counts those before insn */
  for (unsigned i = 1; i <= REACH && s->t->n_insns + i < s->t->max_insns; i++) {
    X86Insn next;
    if (!peek (s, pc, &next) || (without_faults && may_fault (&next)))
      return false;
    if (overwrites_flags (&next) || (is_fixed_rotation (insn) && is_fixed_rotation (&next)))
      return true;
    if (!is_neutral (&next, o->reg))
      return false;
    pc += next.length;
  }
  return false;
}
