/* shift.c -- SHL, SHR, SAR and the double shifts. */
/* SPDX-License-Identifier: MIT */
/*
 * Flags: the result, and the operand shifted by one less, whose top (SHL) or low bit is CF.  A count of
 * zero, which an immediate shows and CL does not, leaves the flags alone; memory is accessed all the same.
 */

#include "translate.h"

#define CC_DST bp_ir_global (G_CC_DST)
#define CC_SRC bp_ir_global (G_CC_SRC)

/* A shift by `count` (1..31) known while translating. */
static void
finish_fixed (Translator *s, const X86Insn *insn, CcKind kind, BpTemp result, BpTemp before)
{
  set_operand (s, insn, 0, result);
  bp_ir_mov (s->b, BP_IR_I32, CC_SRC, before);
  bp_ir_mov (s->b, BP_IR_I32, CC_DST, result);
  flags_set (s, kind, insn->operand[0].size);
}

static void
finish_by_cl (Translator *s, const X86Insn *insn, CcKind kind, BpTemp count, BpTemp result, BpTemp before)
{
  bool unseen = s->pending == 0 && flags_die_unseen (s, insn, true);
  set_operand (s, insn, 0, result);
  if (!unseen)
    flags_set_shift_by (s, count, kind, insn->operand[0].size, result, before);
}

static BpTemp
cl_count (Translator *s)
{
  return op3i (s, BP_IR_and, gpr (X86_RCX), 31);
}

static void
emit_shift (Translator *s, const X86Insn *insn, BpIrOp op, CcKind kind)
{
  const X86Operand *by = &insn->operand[1];
  unsigned fixed = by->imm & 31;
  if (by->kind == X86_OPERAND_IMM && fixed == 0) {
    touch_operand (s, insn);
    return;
  }
  BpTemp x = op == BP_IR_shl ? operand (s, insn, 0) : op == BP_IR_shr ? operand_zx (s, insn, 0)
      : operand_sx (s, insn, 0);
  if (by->kind == X86_OPERAND_IMM) {
    BpTemp before = fixed > 1 ? op3i (s, op, x, fixed - 1) : is_mem (insn, 0) ? x : copy (s, x);
    finish_fixed (s, insn, kind, op3i (s, op, x, fixed), before);
    return;
  }
  BpTemp count = cl_count (s);
  BpTemp before = op3 (s, op, x, op3i (s, BP_IR_sub, count, 1));
  finish_by_cl (s, insn, kind, count, op3 (s, op, x, count), before);
}

void emit_shl (Translator *s, const X86Insn *insn) { emit_shift (s, insn, BP_IR_shl, K_SHL); }
void emit_shr (Translator *s, const X86Insn *insn) { emit_shift (s, insn, BP_IR_shr, K_SAR); }
void emit_sar (Translator *s, const X86Insn *insn) { emit_shift (s, insn, BP_IR_sar, K_SAR); }

/* --- SHLD, SHRD ------------------------------------------------------------------------------- */

typedef struct Double {
  BpTemp result, before;        /* before: shifted by one less, for CF */
} Double;

/* 32 bits: the count is 0..31. */
static Double
double_word (Translator *s, BpTemp x, BpTemp fill, BpTemp count, bool left)
{
  BpIrOp op = left ? BP_IR_shl : BP_IR_shr, back = left ? BP_IR_shr : BP_IR_shl;
  /* fill >> (32 - count) in two steps, so that 0 works too */
  BpTemp in = op3 (s, back, op3i (s, back, fill, 1), op3i (s, BP_IR_xor, count, 31));
  BpTemp result = op3 (s, BP_IR_or, op3 (s, op, x, count), in);
  return (Double) { result, op3 (s, op, x, op3i (s, BP_IR_sub, count, 1)) };
}

/* 16 bits: a count above 16 leaves everything undefined; here the bits of the pair run out. */
static Double
double_half (Translator *s, BpTemp x, BpTemp fill, BpTemp count, bool left)
{
  BpTemp both = local (s), less = op3i (s, BP_IR_sub, count, 1);
  if (left) {
    bp_ir_deposit (s->b, BP_IR_I32, both, fill, x, 16, 16);
    return (Double) { op3i (s, BP_IR_shr, op3 (s, BP_IR_shl, both, count), 16), op3 (s, BP_IR_shl, x, less) };
  }
  bp_ir_deposit (s->b, BP_IR_I32, both, x, fill, 16, 16);
  return (Double) { op3 (s, BP_IR_shr, both, count), op3 (s, BP_IR_shr, both, less) };
}

static void
emit_double (Translator *s, const X86Insn *insn, bool left)
{
  const X86Operand *by = &insn->operand[2];
  unsigned size = insn->operand[0].size, fixed = by->imm & 31;
  if (by->kind == X86_OPERAND_IMM && fixed == 0) {
    touch_operand (s, insn);
    return;
  }
  BpTemp count = by->kind == X86_OPERAND_IMM ? i32 (s, fixed) : cl_count (s);
  BpTemp fill = operand (s, insn, 1), x = operand (s, insn, 0);
  Double d = size == 4 ? double_word (s, x, fill, count, left) : double_half (s, x, fill, count, left);
  if (by->kind == X86_OPERAND_IMM)
    finish_fixed (s, insn, left ? K_SHL : K_SAR, d.result, d.before);
  else
    finish_by_cl (s, insn, left ? K_SHL : K_SAR, count, d.result, d.before);
}

void emit_shld (Translator *s, const X86Insn *insn) { emit_double (s, insn, true); }
void emit_shrd (Translator *s, const X86Insn *insn) { emit_double (s, insn, false); }
