/* rotate.c -- ROL, ROR, RCL, RCR: only CF and OF change. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

/* --- ROL, ROR --------------------------------------------------------------------------------- */

/* The value repeated over 32 bits: a rotation of that is the rotation, repeated. */
static BpTemp
repeated (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  if (size == 4)
    return operand (s, insn, 0);
  BpTemp x = operand_zx (s, insn, 0);
  return size == 1 ? op3i (s, BP_IR_mul, x, 0x01010101) : op3 (s, BP_IR_or, x, op3i (s, BP_IR_shl, x, 16));
}

static void
emit_rotate (Translator *s, const X86Insn *insn, bool left)
{
  const X86Operand *by = &insn->operand[1];
  BpTemp count = BP_IR_NONE, amount;
  if (by->kind == X86_OPERAND_IMM) {
    if ((by->imm & 31) == 0) {
      touch_operand (s, insn);
      return;
    }
    amount = i32 (s, by->imm & 31);
  } else {
    amount = count = op3i (s, BP_IR_and, gpr (X86_RCX), 31);
  }
  bool fixed = count == BP_IR_NONE;
  bool unseen = fixed && (s->pending == 0 || flags_pending_is_rotation (s)) && flags_die_unseen (s, insn, false);
  BpTemp r = op3 (s, left ? BP_IR_rotl : BP_IR_rotr, repeated (s, insn), amount);
  set_operand (s, insn, 0, r);
  if (fixed && flags_pending_is_rotation (s))
    s->pending = 0;             /* what it would have changed is changed again */
  if (unseen)
    flags_set_pending (s, insn, left ? PENDING_ROL : PENDING_ROR);
  else
    flags_set_rotated (s, count, r, insn->operand[0].size, left);
}

void emit_rol (Translator *s, const X86Insn *insn) { emit_rotate (s, insn, true); }
void emit_ror (Translator *s, const X86Insn *insn) { emit_rotate (s, insn, false); }

/* --- RCL, RCR --------------------------------------------------------------------------------- */

static void
rotate_carry_by_one (Translator *s, const X86Insn *insn, bool left)
{
  unsigned bits = 8 * insn->operand[0].size;
  BpTemp x = copy (s, operand_zx (s, insn, 0)), carry = flags_carry (s), r, out, overflow;
  if (left) {
    r = op3 (s, BP_IR_or, op3i (s, BP_IR_shl, x, 1), carry);
    out = extract (s, x, bits - 1, 1);
    overflow = op3 (s, BP_IR_xor, extract (s, r, bits - 1, 1), out);
  } else {
    r = op3 (s, BP_IR_or, op3i (s, BP_IR_shr, x, 1), op3i (s, BP_IR_shl, carry, bits - 1));
    out = op3i (s, BP_IR_and, x, 1);
    overflow = op3 (s, BP_IR_xor, carry, extract (s, x, bits - 1, 1));
  }
  set_operand (s, insn, 0, r);
  flags_set_carry_overflow (s, BP_IR_NONE, out, overflow);
}

static void
emit_rotate_carry (Translator *s, const X86Insn *insn, bool left)
{
  const X86Operand *by = &insn->operand[1];
  unsigned bits = 8 * insn->operand[0].size;
  BpTemp count;
  if (by->kind == X86_OPERAND_IMM && (by->imm & 31) <= 1) {
    if ((by->imm & 31) == 1)
      rotate_carry_by_one (s, insn, left);
    else
      touch_operand (s, insn);
    return;
  }
  count = by->kind == X86_OPERAND_IMM ? i32 (s, by->imm & 31) : op3i (s, BP_IR_and, gpr (X86_RCX), 31);
  BpTemp wide = bp_ir_local (s->b, BP_IR_I64), shifted = bp_ir_local (s->b, BP_IR_I64);
  emit_call (s, left ? H_rcl : H_rcr, wide, operand_zx (s, insn, 0), count, flags_carry (s), i32 (s, bits));
  BpTemp r = op2 (s, BP_IR_trunc, wide);
  bp_ir_op3 (s->b, BP_IR_shr, BP_IR_I64, shifted, wide, bp_ir_i64 (s->b, 32));
  BpTemp carry = op2 (s, BP_IR_trunc, shifted);
  set_operand (s, insn, 0, r);
  BpTemp top = extract (s, r, bits - 1, 1);
  BpTemp overflow = op3 (s, BP_IR_xor, top, left ? carry : extract (s, r, bits - 2, 1));
  flags_set_carry_overflow (s, by->kind == X86_OPERAND_IMM ? BP_IR_NONE : count, carry, overflow);
}

void emit_rcl (Translator *s, const X86Insn *insn) { emit_rotate_carry (s, insn, true); }
void emit_rcr (Translator *s, const X86Insn *insn) { emit_rotate_carry (s, insn, false); }
