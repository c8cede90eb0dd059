/* rotate.c -- ROL, ROR, RCL, RCR: only CF and OF change. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

/* CF and OF as given (0 or 1 each), the rest as it was; nothing changes where count, if not NONE, is 0. */
static void
set_carry_overflow (Translator *s, BpTemp count, BpTemp carry, BpTemp overflow)
{
  BpTemp old = flags_value (s);
  BpTemp kept = op3i (s, BP_IR_and, old, ~(uint32_t) (X86_FL_CF | X86_FL_OF));
  BpTemp flags = op3 (s, BP_IR_or, op3 (s, BP_IR_or, kept, carry), op3i (s, BP_IR_shl, overflow, 11));
  if (count != BP_IR_NONE)
    flags = movcond (s, (Compare) { BP_IR_I32, BP_IR_EQ, count, i32 (s, 0) }, old, flags);
  flags_set_eflags (s, flags);
}

/* --- ROL, ROR ------------------------------------------------------------------------------------------------------------- */

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

/* OF: left, the top bit against the carry; right, the top two bits (SDM 2B; for counts above 1 it is undefined). */
static void
emit_rotate (Translator *s, const X86Insn *insn, BpIrOp op)
{
  const X86Operand *by = &insn->operand[1];
  unsigned bits = 8 * insn->operand[0].size;
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
  BpTemp r = op3 (s, op, repeated (s, insn), amount);
  set_operand (s, insn, 0, r);
  BpTemp top = extract (s, r, bits - 1, 1);
  if (op == BP_IR_rotl) {
    BpTemp carry = op3i (s, BP_IR_and, r, 1);
    set_carry_overflow (s, count, carry, op3 (s, BP_IR_xor, top, carry));
  } else {
    set_carry_overflow (s, count, top, op3 (s, BP_IR_xor, top, extract (s, r, bits - 2, 1)));
  }
}

void emit_rol (Translator *s, const X86Insn *insn) { emit_rotate (s, insn, BP_IR_rotl); }
void emit_ror (Translator *s, const X86Insn *insn) { emit_rotate (s, insn, BP_IR_rotr); }

/* --- RCL, RCR -------------------------------------------------------------------------------------------------------------- */

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
  set_carry_overflow (s, BP_IR_NONE, out, overflow);
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
  set_carry_overflow (s, by->kind == X86_OPERAND_IMM ? BP_IR_NONE : count, carry, overflow);
}

void emit_rcl (Translator *s, const X86Insn *insn) { emit_rotate_carry (s, insn, true); }
void emit_rcr (Translator *s, const X86Insn *insn) { emit_rotate_carry (s, insn, false); }
