/* shift.c -- SHL, SHR, SAR and the double shifts. */
/* SPDX-License-Identifier: MIT */
/*
 * Flags: the result, and the operand shifted by one less, whose top (SHL) or low bit is CF.  A count of
 * zero, which an immediate shows and CL does not, leaves the flags alone; memory is accessed all the same.
 */

#include "translate.h"

#define CC_DST bp_ir_global (G_CC_DST)
#define CC_SRC bp_ir_global (G_CC_SRC)

/* A shift by a count (1..31 or 63) known while translating. */
static void
finish_fixed (Translator *s, const X86Insn *insn, CcKind kind, BpTemp result, BpTemp before)
{
  unsigned size = insn->operand[0].size;
  set_operand (s, insn, 0, result);
  set (s, size, CC_SRC, before);
  set (s, size, CC_DST, result);
  flags_set (s, kind, size);
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
cl_count (Translator *s, unsigned size)
{
  return op3i (s, BP_IR_and, gpr (X86_RCX), count_mask (size));
}

static void
emit_shift (Translator *s, const X86Insn *insn, BpIrOp op, CcKind kind)
{
  const X86Operand *by = &insn->operand[1];
  unsigned size = insn->operand[0].size, fixed = by->imm & count_mask (size);
  if (by->kind == X86_OPERAND_IMM && fixed == 0) {
    touch_operand (s, insn);
    return;
  }
  BpTemp x = op == BP_IR_shl ? operand (s, insn, 0) : op == BP_IR_shr ? operand_zx (s, insn, 0)
      : operand_sx (s, insn, 0);
  if (by->kind == X86_OPERAND_IMM) {
    BpTemp before = fixed > 1 ? binary_imm (s, size, op, x, fixed - 1) : is_mem (insn, 0) ? x : copy_of (s, x, size);
    finish_fixed (s, insn, kind, binary_imm (s, size, op, x, fixed), before);
    return;
  }
  BpTemp count = cl_count (s, size);
  BpTemp before = binary (s, size, op, x, op3i (s, BP_IR_sub, count, 1));
  finish_by_cl (s, insn, kind, count, binary (s, size, op, x, count), before);
}

void emit_shl (Translator *s, const X86Insn *insn) { emit_shift (s, insn, BP_IR_shl, K_SHL); }
void emit_shr (Translator *s, const X86Insn *insn) { emit_shift (s, insn, BP_IR_shr, K_SAR); }
void emit_sar (Translator *s, const X86Insn *insn) { emit_shift (s, insn, BP_IR_sar, K_SAR); }

/* --- SHLD, SHRD ------------------------------------------------------------------------------- */

typedef struct Double {
  BpTemp result, before;        /* before: shifted by one less, for CF */
} Double;

/* 32 or 64 bits: the count is below that. */
static Double
double_word (Translator *s, unsigned size, BpTemp x, BpTemp fill, BpTemp count, bool left)
{
  BpIrOp op = left ? BP_IR_shl : BP_IR_shr, back = left ? BP_IR_shr : BP_IR_shl;
  /* fill >> (bits - count) in two steps, so that 0 works too */
  BpTemp back_by = binary_imm (s, size, BP_IR_xor, count, 8 * size - 1);
  BpTemp in = binary (s, size, back, binary_imm (s, size, back, fill, 1), back_by);
  BpTemp result = binary (s, size, BP_IR_or, binary (s, size, op, x, count), in);
  return (Double) { result, binary (s, size, op, x, binary_imm (s, size, BP_IR_sub, count, 1)) };
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
  unsigned size = insn->operand[0].size, fixed = by->imm & count_mask (size);
  if (by->kind == X86_OPERAND_IMM && fixed == 0) {
    touch_operand (s, insn);
    return;
  }
  BpTemp count = by->kind == X86_OPERAND_IMM ? constant (s, size, fixed) : cl_count (s, size);
  BpTemp fill = operand (s, insn, 1), x = operand (s, insn, 0);
  Double d = size >= 4 ? double_word (s, size, x, fill, count, left) : double_half (s, x, fill, count, left);
  if (by->kind == X86_OPERAND_IMM)
    finish_fixed (s, insn, left ? K_SHL : K_SAR, d.result, d.before);
  else
    finish_by_cl (s, insn, left ? K_SHL : K_SAR, count, d.result, d.before);
}

void emit_shld (Translator *s, const X86Insn *insn) { emit_double (s, insn, true); }
void emit_shrd (Translator *s, const X86Insn *insn) { emit_double (s, insn, false); }
