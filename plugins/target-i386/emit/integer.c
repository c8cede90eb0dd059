/* integer.c -- addition, logic, comparison and the atomic exchanges. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

#define CC_DST bp_ir_global (G_CC_DST)
#define CC_SRC bp_ir_global (G_CC_SRC)
#define CC_SRC2 bp_ir_global (G_CC_SRC2)

static unsigned
size_of (const X86Insn *insn)
{
  return insn->operand[0].size;
}

static void
set_cc (Translator *s, unsigned size, BpTemp dst, BpTemp src)
{
  set (s, size, CC_SRC, src);
  set (s, size, CC_DST, dst);
}

/* LOCK on memory: old = memory; memory = old op x. */
static BpTemp
fetch_op (Translator *s, const X86Insn *insn, BpIrOp op, BpTemp x)
{
  unsigned size = size_of (insn);
  BpTemp linear = operand_linear (s, insn, 0), old = local_for (s, size);
  bp_ir_gatomic (s->b, op, op_type (size), old, linear, x, memop (s, size));
  return old;
}

/* A result goes to operand 0, and with its second operand to the flags: to memory first, since that may fault;
 * to a register last, since the second operand may be (part of) that register. */
static void
store_result (Translator *s, const X86Insn *insn, BpTemp r, BpTemp src)
{
  if (is_mem (insn, 0)) {
    set_operand (s, insn, 0, r);
    set_cc (s, size_of (insn), r, src);
  } else {
    set_cc (s, size_of (insn), r, src);
    set_operand (s, insn, 0, r);
  }
}

/* operand 0 = x op y, flags from it and `src`; a whole register is computed in place. */
static void
compute (Translator *s, const X86Insn *insn, BpIrOp op, BpTemp x, BpTemp y, BpTemp src)
{
  unsigned size = size_of (insn);
  BpTemp in_place = operand_in_place (s, insn, 0);
  if (in_place == BP_IR_NONE) {
    store_result (s, insn, binary (s, size, op, x, y), src);
    return;
  }
  set (s, size, CC_SRC, src);
  bp_ir_op3 (s->b, op, op_type (size), in_place, x, y);
  gpr_changed (s, insn->operand[0].reg);
  set (s, size, CC_DST, in_place);
}

/* Operand 0's value, to be used after the register was written. */
static BpTemp
kept_operand (Translator *s, const X86Insn *insn)
{
  BpTemp x = operand (s, insn, 0);
  return is_mem (insn, 0) ? x : copy_of (s, x, size_of (insn));
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
  unsigned size = size_of (insn);
  BpTemp src = operand (s, insn, 1);
  if (insn->lock) {
    BpTemp old = fetch_op (s, insn, BP_IR_gfetch_add, src);
    set_cc (s, size, binary (s, size, BP_IR_add, old, src), src);
  } else {
    compute (s, insn, BP_IR_add, operand (s, insn, 0), src, src);
  }
  flags_set (s, K_ADD, size);
}

void
emit_sub (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  if (same_register (insn)) {
    BpTemp zero = constant (s, size, 0);
    set_operand (s, insn, 0, zero);
    flags_set_logic (s, size, zero);
    return;
  }
  BpTemp src = operand (s, insn, 1), first, second = kept_source (insn, src);
  if (insn->lock) {
    first = fetch_op (s, insn, BP_IR_gfetch_add, unary (s, size, BP_IR_neg, src));
    set_cc (s, size, binary (s, size, BP_IR_sub, first, src), src);
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
  unsigned size = size_of (insn);
  BpTemp src = operand (s, insn, 1), first = operand (s, insn, 0);
  if (same_register (insn)) {
    flags_set_logic (s, size, constant (s, size, 0));
    return;
  }
  set (s, size, CC_SRC, src);
  bp_ir_op3 (s->b, BP_IR_sub, op_type (size), CC_DST, first, src);
  flags_set_sub (s, size, first, src);
}

void
emit_adc (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp src = operand (s, insn, 1), carry = copy_of (s, flags_carry (s), size);
  if (insn->lock) {
    BpTemp sum = binary (s, size, BP_IR_add, src, carry);
    BpTemp old = fetch_op (s, insn, BP_IR_gfetch_add, sum);
    set_cc (s, size, binary (s, size, BP_IR_add, old, sum), src);
  } else {
    BpTemp r = local_for (s, size);
    bp_ir_op4 (s->b, BP_IR_addc, op_type (size), r, operand (s, insn, 0), src, carry);
    store_result (s, insn, r, src);
  }
  set (s, size, CC_SRC2, carry);
  flags_set (s, K_ADC, size);
}

void
emit_sbb (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp borrow = copy_of (s, flags_carry (s), size);
  if (same_register (insn)) {   /* 0 - borrow */
    BpTemp r = unary (s, size, BP_IR_neg, borrow);
    store_result (s, insn, r, borrow);
    flags_set_sub (s, size, constant (s, size, 0), borrow);
    return;
  }
  BpTemp src = operand (s, insn, 1);
  if (insn->lock) {
    BpTemp sum = binary (s, size, BP_IR_add, src, borrow);
    BpTemp old = fetch_op (s, insn, BP_IR_gfetch_add, unary (s, size, BP_IR_neg, sum));
    set_cc (s, size, binary (s, size, BP_IR_sub, old, sum), src);
  } else {
    BpTemp r = local_for (s, size);
    bp_ir_op4 (s->b, BP_IR_subb, op_type (size), r, operand (s, insn, 0), src, borrow);
    store_result (s, insn, r, src);
  }
  set (s, size, CC_SRC2, borrow);
  flags_set (s, K_SBB, size);
}

/* --- AND, OR, XOR, TEST, NOT ------------------------------------------------------------------ */

static void
emit_logic (Translator *s, const X86Insn *insn, BpIrOp op, BpIrOp atomic_op)
{
  unsigned size = size_of (insn);
  BpTemp src = operand (s, insn, 1), r, in_place = operand_in_place (s, insn, 0);
  if (insn->lock) {
    r = binary (s, size, op, fetch_op (s, insn, atomic_op, src), src);
  } else if (same_register (insn)) {    /* AND, OR: only a test */
    touch_operand (s, insn);
    r = src;
  } else if (in_place != BP_IR_NONE) {
    bp_ir_op3 (s->b, op, op_type (size), in_place, in_place, src);
    gpr_changed (s, insn->operand[0].reg);
    r = in_place;
  } else {
    r = binary (s, size, op, operand (s, insn, 0), src);
    set_operand (s, insn, 0, r);
  }
  flags_set_logic (s, size, r);
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
  unsigned size = size_of (insn);
  BpTemp src = operand (s, insn, 1);
  if (same_register (insn))
    set (s, size, CC_DST, src);
  else
    bp_ir_op3 (s->b, BP_IR_and, op_type (size), CC_DST, operand (s, insn, 0), src);
  flags_set (s, K_LOGIC, size);
}

void
emit_not (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  if (insn->lock)
    fetch_op (s, insn, BP_IR_gfetch_xor, constant (s, size, ~(uint64_t) 0));
  else
    set_operand (s, insn, 0, unary (s, size, BP_IR_not, operand (s, insn, 0)));
}

/* --- one operand ------------------------------------------------------------------------------ */

static BpTemp
locked_neg (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  uint32_t again = bp_ir_label_new (s->b);
  BpTemp linear = operand_linear (s, insn, 0), found = emit_load (s, linear, size), old = local_for (s, size);
  bp_ir_label (s->b, again);
  set (s, size, old, found);
  BpTemp r = unary (s, size, BP_IR_neg, old);
  bp_ir_gcmpxchg (s->b, op_type (size), found, linear, old, r, memop (s, size));
  bp_ir_brcond (s->b, op_type (size), BP_IR_NE, found, old, again);
  return old;
}

void
emit_neg (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp old;
  if (insn->lock) {
    old = locked_neg (s, insn);
    set_cc (s, size, unary (s, size, BP_IR_neg, old), old);
  } else {
    old = kept_operand (s, insn);
    store_result (s, insn, unary (s, size, BP_IR_neg, old), old);
  }
  flags_set_sub (s, size, constant (s, size, 0), old);
}

/* The carry stays; only when it is another block's is it expensive to say what it was. */
static void
emit_step (Translator *s, const X86Insn *insn, BpIrOp op, CcKind kind)
{
  unsigned size = size_of (insn);
  if (s->cc_op == CC_DYNAMIC && s->pending == 0 && flags_die_unseen (s, insn, false)) {
    set_operand (s, insn, 0, binary_imm (s, size, op, operand (s, insn, 0), 1));
    flags_set_pending (s, insn, kind == K_INC ? PENDING_INC : PENDING_DEC);
    return;
  }
  BpTemp carry = flags_carry (s);
  if (insn->lock) {
    BpTemp delta = constant (s, size, kind == K_INC ? 1 : ~(uint64_t) 0);
    set_cc (s, size, binary (s, size, BP_IR_add, fetch_op (s, insn, BP_IR_gfetch_add, delta), delta), carry);
  } else {
    compute (s, insn, op, operand (s, insn, 0), constant (s, size, 1), carry);
  }
  flags_set (s, kind, size);
}

void emit_inc (Translator *s, const X86Insn *insn) { emit_step (s, insn, BP_IR_add, K_INC); }
void emit_dec (Translator *s, const X86Insn *insn) { emit_step (s, insn, BP_IR_sub, K_DEC); }

/* --- exchanges -------------------------------------------------------------------------------- */

void
emit_xadd (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  const X86Operand *source = &insn->operand[1];
  BpTemp src = copy_of (s, operand (s, insn, 1), size), old, sum;
  if (insn->lock) {
    old = fetch_op (s, insn, BP_IR_gfetch_add, src);
    sum = binary (s, size, BP_IR_add, old, src);
    write_gpr (s, source->reg, source->size, source->high, old);
  } else {
    old = copy_of (s, operand (s, insn, 0), size);
    sum = binary (s, size, BP_IR_add, old, src);
    if (is_mem (insn, 0))
      set_operand (s, insn, 0, sum);
    write_gpr (s, source->reg, source->size, source->high, old);
    if (!is_mem (insn, 0))      /* last: of one register twice, the sum stays */
      set_operand (s, insn, 0, sum);
  }
  set_cc (s, size, sum, src);
  flags_set (s, K_ADD, source->size);
}

/* Memory is written in any case: with itself when the comparison fails (SDM 2A, CMPXCHG). */
void
emit_cmpxchg (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp src = operand (s, insn, 1), expected = copy_of (s, zx (s, gpr (X86_RAX), size), size);
  BpTemp old = local_for (s, size);
  if (insn->lock) {
    BpTemp linear = operand_linear (s, insn, 0);
    bp_ir_gcmpxchg (s->b, op_type (size), old, linear, expected, src, memop (s, size));
  } else {
    set (s, size, old, operand_zx (s, insn, 0));
    if (is_mem (insn, 0))
      set_operand (s, insn, 0, movcond_of (s, size, compare_of (size, BP_IR_EQ, expected, old), src, old));
    else
      set_operand_unless (s, insn, compare_of (size, BP_IR_NE, expected, old), src);
  }
  /* equal: the accumulator keeps its value, all of it, which may be what was just stored into it */
  Compare equal = compare_of (size, BP_IR_EQ, expected, old);
  if (size == 4 && s->is_64) {
    set (s, 8, gpr (X86_RAX), movcond_of (s, 8, equal, gpr (X86_RAX), zx64 (s, old, 4)));
    gpr_changed (s, X86_RAX);
  } else {
    write_gpr (s, X86_RAX, size, false, movcond_of (s, size, equal, zx (s, gpr (X86_RAX), size), old));
  }
  set_cc (s, size, binary (s, size, BP_IR_sub, expected, old), old);
  flags_set_sub (s, size, expected, old);
}

/* --- CMPXCHG8B, CMPXCHG16B: only ZF changes --------------------------------------------------- */

static BpTemp
pair (Translator *s, unsigned low, unsigned high)
{
  BpTemp r = local64 (s);
  bp_ir_deposit (s->b, BP_IR_I64, r, zx64 (s, gpr (low), 4), zx64 (s, gpr (high), 4), 32, 32);
  return r;
}

/* Not equal: the register gets a half of what was found. */
static void
set_half (Translator *s, unsigned reg, BpTemp equal, BpTemp found, unsigned pos)
{
  BpTemp half = pos == 0 ? zx64 (s, found, 4) : binary_imm (s, 8, BP_IR_shr, found, pos);
  if (s->is_64) {
    set (s, 8, gpr (reg), movcond_of (s, 8, compare_of (8, BP_IR_NE, equal, i64 (s, 0)), gpr (reg), half));
    gpr_changed (s, reg);
  } else {
    write_gpr (s, reg, 4, false, half);
  }
}

static void
set_zero_flag (Translator *s, BpTemp equal)
{
  BpTemp flags = local (s);
  bp_ir_deposit (s->b, BP_IR_I32, flags, flags_value (s), equal, 6, 1);
  flags_set_eflags (s, flags);
}

/* Always as if locked: one processor cannot tell the difference. */
void
emit_cmpxchg8b (Translator *s, const X86Insn *insn)
{
  BpTemp expected = pair (s, X86_RAX, X86_RDX), desired = pair (s, X86_RBX, X86_RCX);
  BpTemp linear = operand_linear (s, insn, 0), old = local64 (s);
  bp_ir_gcmpxchg (s->b, BP_IR_I64, old, linear, expected, desired, memop (s, 8));
  BpTemp equal = setcond (s, compare_of (8, BP_IR_EQ, old, expected));
  set_half (s, X86_RAX, equal, old, 0);
  set_half (s, X86_RDX, equal, old, 32);
  set_zero_flag (s, equal);
}

void
emit_cmpxchg16b (Translator *s, const X86Insn *insn)
{
  BpTemp equal = local (s);
  emit_call (s, H_cmpxchg16b, equal, BP_IR_ENV, operand_linear (s, insn, 0));
  set_zero_flag (s, equal);
}
