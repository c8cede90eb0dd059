/* integer.c -- addition, logic, comparison and the atomic exchanges. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

#define CC_DST bp_ir_global (G_CC_DST)
#define CC_SRC bp_ir_global (G_CC_SRC)
#define CC_SRC2 bp_ir_global (G_CC_SRC2)

static void
set_cc (Translator *s, BpTemp dst, BpTemp src)
{
  bp_ir_mov (s->b, BP_IR_I32, CC_SRC, src);
  bp_ir_mov (s->b, BP_IR_I32, CC_DST, dst);
}

/* LOCK on memory: old = memory; memory = old op x. */
static BpTemp
fetch_op (Translator *s, const X86Insn *insn, BpIrOp op, BpTemp x)
{
  BpTemp linear = operand_linear (s, insn, 0), old = local (s);
  bp_ir_gatomic (s->b, op, BP_IR_I32, old, linear, x, memop (s, insn->operand[0].size));
  return old;
}

/* A result goes to operand 0, and with its second operand to the flags: to memory first, since that may fault;
 * to a register last, since the second operand may be (part of) that register. */
static void
store_result (Translator *s, const X86Insn *insn, BpTemp r, BpTemp src)
{
  if (is_mem (insn, 0)) {
    set_operand (s, insn, 0, r);
    set_cc (s, r, src);
  } else {
    set_cc (s, r, src);
    set_operand (s, insn, 0, r);
  }
}

/* operand 0 = x op y, flags from it and `src`; a whole register is computed in place. */
static void
compute (Translator *s, const X86Insn *insn, BpIrOp op, BpTemp x, BpTemp y, BpTemp src)
{
  BpTemp in_place = operand_in_place (s, insn, 0);
  if (in_place == BP_IR_NONE) {
    store_result (s, insn, op3 (s, op, x, y), src);
    return;
  }
  bp_ir_mov (s->b, BP_IR_I32, CC_SRC, src);
  bp_ir_op3 (s->b, op, BP_IR_I32, in_place, x, y);
  gpr_changed (s, insn->operand[0].reg);
  bp_ir_mov (s->b, BP_IR_I32, CC_DST, in_place);
}

/* Operand 0's value, to be used after the register was written. */
static BpTemp
kept_operand (Translator *s, const X86Insn *insn)
{
  BpTemp x = operand (s, insn, 0);
  return is_mem (insn, 0) ? x : copy (s, x);
}

/* src, unless it is the register that is being written. */
static BpTemp
kept_source (const X86Insn *insn, BpTemp src)
{
  return !is_mem (insn, 0) && src == gpr (insn->operand[0].reg) ? BP_IR_NONE : src;
}

/* --- ADD, SUB, ADC, SBB ----------------------------------------------------------------------- */

void
emit_add (Translator *s, const X86Insn *insn)
{
  BpTemp src = operand (s, insn, 1);
  if (insn->lock) {
    BpTemp old = fetch_op (s, insn, BP_IR_gfetch_add, src);
    set_cc (s, op3 (s, BP_IR_add, old, src), src);
  } else {
    compute (s, insn, BP_IR_add, operand (s, insn, 0), src, src);
  }
  flags_set (s, K_ADD, insn->operand[0].size);
}

void
emit_sub (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  if (same_register (insn)) {
    BpTemp zero = i32 (s, 0);
    set_operand (s, insn, 0, zero);
    flags_set_logic (s, size, zero);
    return;
  }
  BpTemp src = operand (s, insn, 1), first, second = kept_source (insn, src);
  if (insn->lock) {
    first = fetch_op (s, insn, BP_IR_gfetch_add, op2 (s, BP_IR_neg, src));
    set_cc (s, op3 (s, BP_IR_sub, first, src), src);
  } else {
    first = kept_operand (s, insn);
    BpTemp in_place = operand_in_place (s, insn, 0);
    compute (s, insn, BP_IR_sub, in_place != BP_IR_NONE ? in_place : first, src, src);
  }
  flags_set_sub (s, size, first, second);
}

void
emit_cmp (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  BpTemp src = operand (s, insn, 1), first = operand (s, insn, 0);
  if (same_register (insn)) {
    flags_set_logic (s, size, i32 (s, 0));
    return;
  }
  bp_ir_mov (s->b, BP_IR_I32, CC_SRC, src);
  bp_ir_op3 (s->b, BP_IR_sub, BP_IR_I32, CC_DST, first, src);
  flags_set_sub (s, size, first, src);
}

void
emit_adc (Translator *s, const X86Insn *insn)
{
  BpTemp src = operand (s, insn, 1), carry = copy (s, flags_carry (s));
  if (insn->lock) {
    BpTemp sum = op3 (s, BP_IR_add, src, carry);
    BpTemp old = fetch_op (s, insn, BP_IR_gfetch_add, sum);
    set_cc (s, op3 (s, BP_IR_add, old, sum), src);
  } else {
    BpTemp r = local (s);
    bp_ir_op4 (s->b, BP_IR_addc, BP_IR_I32, r, operand (s, insn, 0), src, carry);
    store_result (s, insn, r, src);
  }
  bp_ir_mov (s->b, BP_IR_I32, CC_SRC2, carry);
  flags_set (s, K_ADC, insn->operand[0].size);
}

void
emit_sbb (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  BpTemp borrow = copy (s, flags_carry (s));
  if (same_register (insn)) {   /* 0 - borrow */
    BpTemp r = op2 (s, BP_IR_neg, borrow);
    store_result (s, insn, r, borrow);
    flags_set_sub (s, size, i32 (s, 0), borrow);
    return;
  }
  BpTemp src = operand (s, insn, 1);
  if (insn->lock) {
    BpTemp sum = op3 (s, BP_IR_add, src, borrow);
    BpTemp old = fetch_op (s, insn, BP_IR_gfetch_add, op2 (s, BP_IR_neg, sum));
    set_cc (s, op3 (s, BP_IR_sub, old, sum), src);
  } else {
    BpTemp r = local (s);
    bp_ir_op4 (s->b, BP_IR_subb, BP_IR_I32, r, operand (s, insn, 0), src, borrow);
    store_result (s, insn, r, src);
  }
  bp_ir_mov (s->b, BP_IR_I32, CC_SRC2, borrow);
  flags_set (s, K_SBB, size);
}

/* --- AND, OR, XOR, TEST, NOT ------------------------------------------------------------------ */

static void
emit_logic (Translator *s, const X86Insn *insn, BpIrOp op, BpIrOp atomic_op)
{
  BpTemp src = operand (s, insn, 1), r, in_place = operand_in_place (s, insn, 0);
  if (insn->lock) {
    r = op3 (s, op, fetch_op (s, insn, atomic_op, src), src);
  } else if (same_register (insn)) {    /* AND, OR: only a test */
    r = src;
  } else if (in_place != BP_IR_NONE) {
    bp_ir_op3 (s->b, op, BP_IR_I32, in_place, in_place, src);
    gpr_changed (s, insn->operand[0].reg);
    r = in_place;
  } else {
    r = op3 (s, op, operand (s, insn, 0), src);
    set_operand (s, insn, 0, r);
  }
  flags_set_logic (s, insn->operand[0].size, r);
}

void emit_and (Translator *s, const X86Insn *insn) { emit_logic (s, insn, BP_IR_and, BP_IR_gfetch_and); }
void emit_or (Translator *s, const X86Insn *insn) { emit_logic (s, insn, BP_IR_or, BP_IR_gfetch_or); }

void
emit_xor (Translator *s, const X86Insn *insn)
{
  if (same_register (insn))
    emit_sub (s, insn);
  else
    emit_logic (s, insn, BP_IR_xor, BP_IR_gfetch_xor);
}

void
emit_test (Translator *s, const X86Insn *insn)
{
  BpTemp src = operand (s, insn, 1);
  if (same_register (insn))
    bp_ir_mov (s->b, BP_IR_I32, CC_DST, src);
  else
    bp_ir_op3 (s->b, BP_IR_and, BP_IR_I32, CC_DST, operand (s, insn, 0), src);
  flags_set (s, K_LOGIC, insn->operand[0].size);
}

void
emit_not (Translator *s, const X86Insn *insn)
{
  if (insn->lock)
    fetch_op (s, insn, BP_IR_gfetch_xor, i32 (s, 0xffffffff));
  else
    set_operand (s, insn, 0, op2 (s, BP_IR_not, operand (s, insn, 0)));
}

/* --- one operand ------------------------------------------------------------------------------ */

static BpTemp
locked_neg (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  uint32_t again = bp_ir_label_new (s->b);
  BpTemp linear = operand_linear (s, insn, 0), found = emit_load (s, linear, size), old = local (s);
  bp_ir_label (s->b, again);
  bp_ir_mov (s->b, BP_IR_I32, old, found);
  BpTemp r = op2 (s, BP_IR_neg, old);
  bp_ir_gcmpxchg (s->b, BP_IR_I32, found, linear, old, r, memop (s, size));
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_NE, found, old, again);
  return old;
}

void
emit_neg (Translator *s, const X86Insn *insn)
{
  BpTemp old;
  if (insn->lock) {
    old = locked_neg (s, insn);
    set_cc (s, op2 (s, BP_IR_neg, old), old);
  } else {
    old = kept_operand (s, insn);
    store_result (s, insn, op2 (s, BP_IR_neg, old), old);
  }
  flags_set_sub (s, insn->operand[0].size, i32 (s, 0), old);
}

/* The carry stays; only when it is another block's is it expensive to say what it was. */
static void
emit_step (Translator *s, const X86Insn *insn, BpIrOp op, CcKind kind)
{
  if (s->cc_op == CC_DYNAMIC && s->pending == 0 && flags_die_unseen (s, insn, false)) {
    set_operand (s, insn, 0, op3i (s, op, operand (s, insn, 0), 1));
    flags_set_pending (s, insn, kind == K_INC ? PENDING_INC : PENDING_DEC);
    return;
  }
  BpTemp carry = flags_carry (s);
  if (insn->lock) {
    BpTemp delta = i32 (s, kind == K_INC ? 1 : (uint32_t) -1);
    set_cc (s, op3 (s, BP_IR_add, fetch_op (s, insn, BP_IR_gfetch_add, delta), delta), carry);
  } else {
    compute (s, insn, op, operand (s, insn, 0), i32 (s, 1), carry);
  }
  flags_set (s, kind, insn->operand[0].size);
}

void emit_inc (Translator *s, const X86Insn *insn) { emit_step (s, insn, BP_IR_add, K_INC); }
void emit_dec (Translator *s, const X86Insn *insn) { emit_step (s, insn, BP_IR_sub, K_DEC); }

/* --- exchanges -------------------------------------------------------------------------------- */

void
emit_xadd (Translator *s, const X86Insn *insn)
{
  const X86Operand *source = &insn->operand[1];
  BpTemp src = copy (s, operand (s, insn, 1)), old, sum;
  if (insn->lock) {
    old = fetch_op (s, insn, BP_IR_gfetch_add, src);
    sum = op3 (s, BP_IR_add, old, src);
    write_gpr (s, source->reg, source->size, source->high, old);
  } else {
    old = copy (s, operand (s, insn, 0));
    sum = op3 (s, BP_IR_add, old, src);
    if (is_mem (insn, 0))
      set_operand (s, insn, 0, sum);
    write_gpr (s, source->reg, source->size, source->high, old);
    if (!is_mem (insn, 0))      /* last: of one register twice, the sum stays */
      set_operand (s, insn, 0, sum);
  }
  set_cc (s, sum, src);
  flags_set (s, K_ADD, source->size);
}

/* The destination is written in any case: with itself when the comparison fails (SDM 2A, CMPXCHG). */
void
emit_cmpxchg (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  BpTemp src = operand (s, insn, 1), expected = copy (s, zx (s, gpr (X86_RAX), size)), old = local (s);
  if (insn->lock) {
    bp_ir_gcmpxchg (s->b, BP_IR_I32, old, operand_linear (s, insn, 0), expected, src, memop (s, size));
  } else {
    bp_ir_mov (s->b, BP_IR_I32, old, operand_zx (s, insn, 0));
    BpTemp stored = local (s);
    bp_ir_movcond (s->b, BP_IR_I32, BP_IR_EQ, stored, expected, old, src, old);
    set_operand (s, insn, 0, stored);
  }
  /* equal: the accumulator keeps its value, which may be what was just stored into it */
  BpTemp now = zx (s, gpr (X86_RAX), size), accumulator = local (s);
  bp_ir_movcond (s->b, BP_IR_I32, BP_IR_EQ, accumulator, expected, old, now, old);
  write_gpr (s, X86_RAX, size, false, accumulator);
  set_cc (s, op3 (s, BP_IR_sub, expected, old), old);
  flags_set_sub (s, size, expected, old);
}

static BpTemp
pair (Translator *s, unsigned low, unsigned high)
{
  BpTemp l = bp_ir_local (s->b, BP_IR_I64), h = bp_ir_local (s->b, BP_IR_I64),
      r = bp_ir_local (s->b, BP_IR_I64);
  bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, l, gpr (low));
  bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, h, gpr (high));
  bp_ir_deposit (s->b, BP_IR_I64, r, l, h, 32, 32);
  return r;
}

static BpTemp
half (Translator *s, BpTemp x, unsigned pos)
{
  BpTemp shifted = x;
  if (pos != 0) {
    shifted = bp_ir_local (s->b, BP_IR_I64);
    bp_ir_op3 (s->b, BP_IR_shr, BP_IR_I64, shifted, x, bp_ir_i64 (s->b, pos));
  }
  return op2 (s, BP_IR_trunc, shifted);
}

/* Always as if locked: one processor cannot tell the difference.  Only ZF changes. */
void
emit_cmpxchg8b (Translator *s, const X86Insn *insn)
{
  if (insn->op == X86_OP_CMPXCHG16B) {
    emit_ud (s, insn);
    return;
  }
  BpTemp expected = pair (s, X86_RAX, X86_RDX), desired = pair (s, X86_RBX, X86_RCX);
  BpTemp linear = operand_linear (s, insn, 0), old = bp_ir_local (s->b, BP_IR_I64),
      equal = bp_ir_local (s->b, BP_IR_I64);
  BpMemOp align = s->hflags & HF_AC ? BP_MO_ALIGN : 0;
  bp_ir_gcmpxchg (s->b, BP_IR_I64, old, linear, expected, desired, BP_MO_64 | BP_MO_MMU (s->mmu) | align);
  bp_ir_setcond (s->b, BP_IR_I64, BP_IR_EQ, equal, old, expected);
  write_gpr (s, X86_RAX, 4, false, half (s, old, 0));   /* equal: these are what they were */
  write_gpr (s, X86_RDX, 4, false, half (s, old, 32));
  BpTemp flags = local (s);
  bp_ir_deposit (s->b, BP_IR_I32, flags, flags_value (s), op2 (s, BP_IR_trunc, equal), 6, 1);
  flags_set_eflags (s, flags);
}
