/* rotate.c -- ROL, ROR, RCL, RCR: only CF and OF change. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

/* --- ROL, ROR --------------------------------------------------------------------------------- */

/* The value, of less than 32 bits repeated over them: a rotation of that is the rotation, repeated. */
static BpTemp
repeated (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  if (size >= 4)
    return operand (s, insn, 0);
  BpTemp x = operand_zx (s, insn, 0);
  return size == 1 ? op3i (s, BP_IR_mul, x, 0x01010101) : op3 (s, BP_IR_or, x, op3i (s, BP_IR_shl, x, 16));
}

static void
emit_rotate (Translator *s, const X86Insn *insn, bool left)
{
  const X86Operand *by = &insn->operand[1];
  unsigned size = insn->operand[0].size, mask = count_mask (size);
  BpTemp count = BP_IR_NONE, amount;
  if (by->kind == X86_OPERAND_IMM) {
    if ((by->imm & mask) == 0) {
      touch_operand (s, insn);
      return;
    }
    amount = constant (s, size, by->imm & mask);
  } else {
    amount = count = op3i (s, BP_IR_and, gpr (X86_RCX), mask);
  }
  bool fixed = count == BP_IR_NONE;
  bool unseen = fixed && (s->pending == 0 || flags_pending_is_rotation (s)) && flags_die_unseen (s, insn, false);
  BpTemp r = binary (s, size, left ? BP_IR_rotl : BP_IR_rotr, repeated (s, insn), amount);
  set_operand (s, insn, 0, r);
  if (fixed && flags_pending_is_rotation (s))
    s->pending = 0;             /* what it would have changed is changed again */
  if (unseen)
    flags_set_pending (s, insn, left ? PENDING_ROL : PENDING_ROR);
  else
    flags_set_rotated (s, count, r, size, left);
}

void emit_rol (Translator *s, const X86Insn *insn) { emit_rotate (s, insn, true); }
void emit_ror (Translator *s, const X86Insn *insn) { emit_rotate (s, insn, false); }

/* --- RCL, RCR --------------------------------------------------------------------------------- */

static void
rotate_carry_by_one (Translator *s, const X86Insn *insn, bool left)
{
  unsigned size = insn->operand[0].size, bits = 8 * size;
  BpTemp x = copy_of (s, operand_zx (s, insn, 0), size), carry = copy_of (s, flags_carry (s), size), r, out, overflow;
  if (left) {
    r = binary (s, size, BP_IR_or, binary_imm (s, size, BP_IR_shl, x, 1), carry);
    out = bit_of (s, x, size, bits - 1);
    overflow = op3 (s, BP_IR_xor, bit_of (s, r, size, bits - 1), out);
  } else {
    BpTemp in = binary_imm (s, size, BP_IR_shl, carry, bits - 1);
    r = binary (s, size, BP_IR_or, binary_imm (s, size, BP_IR_shr, x, 1), in);
    out = op3i (s, BP_IR_and, x, 1);
    overflow = op3 (s, BP_IR_xor, carry, bit_of (s, x, size, bits - 1));
  }
  set_operand (s, insn, 0, r);
  flags_set_carry_overflow (s, BP_IR_NONE, out, overflow);
}

typedef struct Rotated {
  BpTemp value, carry;
} Rotated;

static Rotated
rotate_narrow (Translator *s, const X86Insn *insn, BpTemp count, bool left)
{
  BpTemp both = local64 (s);
  emit_call (s, left ? H_rcl : H_rcr, both, operand_zx (s, insn, 0), count, flags_carry (s),
             i32 (s, 8 * insn->operand[0].size));
  return (Rotated) { op2 (s, BP_IR_trunc, both), op2 (s, BP_IR_trunc, binary_imm (s, 8, BP_IR_shr, both, 32)) };
}

/* Left by n: x << n, the carry in front of that, and what of x went out before the carry did, x >> (65 - n); that
 * in two steps, so that 1 works too.  The last to go out is bit 64 - n.  Nothing for 0. */
static Rotated
rotate_wide (Translator *s, const X86Insn *insn, BpTemp count, bool left)
{
  BpIrOp op = left ? BP_IR_shl : BP_IR_shr, back = left ? BP_IR_shr : BP_IR_shl;
  BpTemp x = copy_of (s, operand (s, insn, 0), 8), carry = zx64 (s, flags_carry (s), 4), zero = i64 (s, 0), n = zx64 (s, count, 4);
  BpTemp less = binary_imm (s, 8, BP_IR_sub, n, 1), rest = binary (s, 8, BP_IR_sub, i64 (s, 64), n);
  BpTemp in = left ? binary (s, 8, BP_IR_shl, carry, less) : binary (s, 8, BP_IR_shl, carry, rest);
  BpTemp wrapped = binary (s, 8, back, binary_imm (s, 8, back, x, 1), rest);
  BpTemp r = binary (s, 8, BP_IR_or, binary (s, 8, BP_IR_or, binary (s, 8, op, x, n), in), wrapped);
  BpTemp out = binary_imm (s, 8, BP_IR_and, binary (s, 8, BP_IR_shr, x, left ? rest : less), 1);
  Compare is_zero = compare_of (8, BP_IR_EQ, n, zero);
  return (Rotated) { movcond_of (s, 8, is_zero, x, r), movcond_of (s, 8, is_zero, carry, out) };
}

static void
emit_rotate_carry (Translator *s, const X86Insn *insn, bool left)
{
  const X86Operand *by = &insn->operand[1];
  unsigned size = insn->operand[0].size, bits = 8 * size, mask = count_mask (size);
  bool fixed = by->kind == X86_OPERAND_IMM;
  if (fixed && (by->imm & mask) <= 1) {
    if ((by->imm & mask) == 1)
      rotate_carry_by_one (s, insn, left);
    else
      touch_operand (s, insn);
    return;
  }
  BpTemp count = fixed ? i32 (s, by->imm & mask) : op3i (s, BP_IR_and, gpr (X86_RCX), mask);
  Rotated r = size == 8 ? rotate_wide (s, insn, count, left) : rotate_narrow (s, insn, count, left);
  set_operand (s, insn, 0, r.value);
  BpTemp top = bit_of (s, r.value, size, bits - 1);
  BpTemp overflow = op3 (s, BP_IR_xor, top, left ? r.carry : bit_of (s, r.value, size, bits - 2));
  flags_set_carry_overflow (s, fixed ? BP_IR_NONE : count, r.carry, overflow);
}

void emit_rcl (Translator *s, const X86Insn *insn) { emit_rotate_carry (s, insn, true); }
void emit_rcr (Translator *s, const X86Insn *insn) { emit_rotate_carry (s, insn, false); }
