/* flags.c -- the arithmetic flags as values: what they are now, and tests of conditions on them. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

/* --- the representation ----------------------------------------------------------------------- */

enum { USES_DST = 1, USES_SRC = 2, USES_SRC2 = 4, USES_ALL = 7 };

static bool has_kind (unsigned op) { return op >= CC_ADD8; }
static CcKind kind_of (unsigned op) { return (CcKind) ((op - CC_ADD8) >> 2); }
static unsigned size_of (unsigned op) { return 1u << ((op - CC_ADD8) & 3); }
static bool is_step (unsigned op) { return op >= CC_INC8 && op <= CC_DEC64; }
static unsigned make_op (CcKind kind, unsigned size) { return CC_ADD8 + 4 * kind + log2_size (size); }

static unsigned
uses_of (unsigned op)
{
  if (op == CC_DYNAMIC)
    return USES_ALL;
  if (op == CC_EFLAGS)
    return USES_SRC;
  switch (kind_of (op)) {
  case K_ADC:
  case K_SBB: return USES_ALL;
  case K_LOGIC: return USES_DST;
  default: return USES_DST | USES_SRC;
  }
}

#define CC_DST bp_ir_global (G_CC_DST)
#define CC_SRC bp_ir_global (G_CC_SRC)
#define CC_SRC2 bp_ir_global (G_CC_SRC2)

static void
set_op (Translator *s, unsigned op)
{
  unsigned dead = uses_of (s->cc_op) & ~uses_of (op);
  if (dead & USES_DST)
    bp_ir_discard (s->b, CC_DST);
  if (dead & USES_SRC)
    bp_ir_discard (s->b, CC_SRC);
  if (dead & USES_SRC2)
    bp_ir_discard (s->b, CC_SRC2);
  if (op != s->cc_op) {
    s->cc_op = op;
    s->cc_op_stored = false;
  }
  s->cc_first = s->cc_second = BP_IR_NONE;
  s->pending = 0;
}

void
flags_set (Translator *s, CcKind kind, unsigned size)
{
  set_op (s, make_op (kind, size));
}

static uint32_t
version_of (const Translator *s, BpTemp x)
{
  return x >= gpr (0) && x < gpr (8) ? s->version[x - gpr (0)] : 0;
}

void
flags_set_sub (Translator *s, unsigned size, BpTemp first, BpTemp second)
{
  flags_set (s, K_SUB, size);
  s->cc_first = first;
  s->cc_second = second;
  s->cc_first_version = first == BP_IR_NONE ? 0 : version_of (s, first);
  s->cc_second_version = second == BP_IR_NONE ? 0 : version_of (s, second);
}

void
flags_set_eflags (Translator *s, BpTemp eflags)
{
  bp_ir_mov (s->b, BP_IR_I32, CC_SRC, eflags);
  set_op (s, CC_EFLAGS);
}

void
flags_set_logic (Translator *s, unsigned size, BpTemp result)
{
  bp_ir_mov (s->b, BP_IR_I32, CC_DST, result);
  flags_set (s, K_LOGIC, size);
}

void
flags_dynamic (Translator *s, unsigned likely)
{
  set_op (s, CC_DYNAMIC);
  s->cc_op_stored = true;
  s->cc_guess = likely;
}

/* --- flags not computed yet ------------------------------------------------------------------- */

static uint32_t pending_kind (uint32_t pending) { return pending >> WORD_PENDING_SHIFT & 7; }
static unsigned pending_reg (uint32_t pending) { return pending >> WORD_PENDING_REG_SHIFT & 15; }
static unsigned pending_size (uint32_t pending) { return 1u << (pending >> WORD_PENDING_SIZE_SHIFT & 3); }

void
flags_set_pending (Translator *s, const X86Insn *insn, unsigned kind)
{
  s->pending = kind << WORD_PENDING_SHIFT | (uint32_t) insn->operand[0].reg << WORD_PENDING_REG_SHIFT
               | log2_size (insn->operand[0].size) << WORD_PENDING_SIZE_SHIFT;
  s->cc_first = s->cc_second = BP_IR_NONE;
}

bool
flags_pending_is_rotation (const Translator *s)
{
  return pending_kind (s->pending) == PENDING_ROL || pending_kind (s->pending) == PENDING_ROR;
}

/* The block ended early, or someone looks after all: compute them. */
static void
flush_pending (Translator *s)
{
  uint32_t pending = s->pending, kind = pending_kind (pending);
  if (pending == 0)
    return;
  s->pending = 0;
  BpTemp result = gpr (pending_reg (pending));
  unsigned size = pending_size (pending);
  if (kind == PENDING_INC || kind == PENDING_DEC) {
    bp_ir_mov (s->b, BP_IR_I32, CC_SRC, flags_carry (s));
    bp_ir_mov (s->b, BP_IR_I32, CC_DST, result);
    flags_set (s, kind == PENDING_INC ? K_INC : K_DEC, size);
  } else {
    flags_set_rotated (s, BP_IR_NONE, result, size, kind == PENDING_ROL);
  }
}

void
flags_store_op (Translator *s)
{
  flush_pending (s);
  if (!s->cc_op_stored)
    SET_ENV32 (s, cc_op, i32 (s, s->cc_op));
  s->cc_op_stored = true;
}

/* --- all of them ------------------------------------------------------------------------------ */

BpTemp
flags_value (Translator *s)
{
  flush_pending (s);
  if (s->cc_op == CC_EFLAGS)
    return CC_SRC;
  unsigned uses = uses_of (s->cc_op);
  BpTemp zero = i32 (s, 0), r = local (s);
  BpTemp op = s->cc_op == CC_DYNAMIC ? ENV32 (s, cc_op) : i32 (s, s->cc_op);
  emit_call (s, H_compute_cc, r, op, uses & USES_DST ? CC_DST : zero, uses & USES_SRC ? CC_SRC : zero,
             uses & USES_SRC2 ? CC_SRC2 : zero);
  return r;
}

void
flags_materialize (Translator *s)
{
  if (s->cc_op != CC_EFLAGS)
    flags_set_eflags (s, flags_value (s));
}

/* --- tests on a known representation ---------------------------------------------------------- */

static Compare
compare (BpIrCond cond, BpTemp a, BpTemp b)
{
  return (Compare) { BP_IR_I32, cond, a, b };
}

static Compare
test_bits (Translator *s, BpTemp x, uint32_t mask)
{
  return compare (BP_IR_TSTNE, x, i32 (s, mask));
}

static Compare
test_zero (Translator *s, BpTemp x, unsigned size)
{
  return size >= 4 ? compare (BP_IR_EQ, x, i32 (s, 0)) : negated (test_bits (s, x, size_mask (size)));
}

static Compare
test_sign (Translator *s, BpTemp x, unsigned size)
{
  return size >= 4 ? compare (BP_IR_LT, x, i32 (s, 0)) : test_bits (s, x, sign_bit (size));
}

static Compare
test_odd_parity (Translator *s, BpTemp x)
{
  return test_bits (s, op2 (s, BP_IR_popcnt, zx (s, x, 1)), 1);
}

static Compare
never (Translator *s)
{
  BpTemp zero = i32 (s, 0);
  return compare (BP_IR_NEVER, zero, zero);
}

/* The operands of the subtraction whose flags these are: as they were if still at hand, else made again. */
static BpTemp
sub_second (Translator *s)
{
  bool usable = s->cc_second != BP_IR_NONE && s->cc_second_version == version_of (s, s->cc_second);
  return usable ? s->cc_second : CC_SRC;
}

static BpTemp
sub_first (Translator *s)
{
  bool usable = s->cc_first != BP_IR_NONE && s->cc_first_version == version_of (s, s->cc_first);
  return usable ? s->cc_first : op3 (s, BP_IR_add, CC_DST, CC_SRC);
}

static Compare
compare_operands (Translator *s, BpIrCond cond, bool is_signed, unsigned size)
{
  BpTemp first = sub_first (s), second = sub_second (s);
  if (is_signed)
    return compare (cond, sx (s, first, size), sx (s, second, size));
  return compare (cond, zx (s, first, size), zx (s, second, size));
}

/* With a carry or borrow in: x cond src + carry, without losing the top bit. */
static Compare
compare_with_carry (Translator *s, BpIrCond cond, bool is_signed, BpTemp x, unsigned size)
{
  if (size < 4) {
    BpTemp src = is_signed ? sx (s, CC_SRC, size) : zx (s, CC_SRC, size);
    return compare (cond, is_signed ? sx (s, x, size) : zx (s, x, size), op3 (s, BP_IR_add, src, CC_SRC2));
  }
  BpIrOp widen = is_signed ? BP_IR_ext32s : BP_IR_ext32u;
  BpTemp a = bp_ir_local (s->b, BP_IR_I64), b = bp_ir_local (s->b, BP_IR_I64),
      c = bp_ir_local (s->b, BP_IR_I64);
  bp_ir_op2 (s->b, widen, BP_IR_I64, a, x);
  bp_ir_op2 (s->b, widen, BP_IR_I64, b, CC_SRC);
  bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, c, CC_SRC2);
  bp_ir_op3 (s->b, BP_IR_add, BP_IR_I64, b, b, c);
  return (Compare) { BP_IR_I64, cond, a, b };
}

static BpTemp
sbb_first (Translator *s)
{
  return op3 (s, BP_IR_add, op3 (s, BP_IR_add, CC_DST, CC_SRC), CC_SRC2);
}

static bool
carry_test (Translator *s, CcKind kind, unsigned size, Compare *c)
{
  switch (kind) {
  case K_ADD: *c = compare (BP_IR_LTU, zx (s, CC_DST, size), zx (s, CC_SRC, size)); return true;
  case K_ADC: *c = compare_with_carry (s, BP_IR_LTU, false, CC_DST, size); return true;
  case K_SUB: *c = compare_operands (s, BP_IR_LTU, false, size); return true;
  case K_SBB: *c = compare_with_carry (s, BP_IR_LTU, false, sbb_first (s), size); return true;
  case K_LOGIC: *c = never (s); return true;
  case K_INC:
  case K_DEC:
  case K_MUL: *c = compare (BP_IR_NE, CC_SRC, i32 (s, 0)); return true;
  case K_SHL:
  case K_ROR: *c = test_sign (s, CC_SRC, size); return true;
  case K_SAR:
  case K_ROL: *c = test_bits (s, CC_SRC, 1); return true;
  default: return false;
  }
}

static bool
overflow_test (Translator *s, CcKind kind, unsigned size, Compare *c)
{
  switch (kind) {
  case K_SUB: {
    BpTemp first = sub_first (s);
    BpTemp differs = op3 (s, BP_IR_xor, first, sub_second (s)), flipped = op3 (s, BP_IR_xor, first, CC_DST);
    *c = test_sign (s, op3 (s, BP_IR_and, differs, flipped), size);
    return true;
  }
  case K_ADD: {
    BpTemp first = op3 (s, BP_IR_sub, CC_DST, CC_SRC);
    BpTemp flipped1 = op3 (s, BP_IR_xor, first, CC_DST), flipped2 = op3 (s, BP_IR_xor, CC_SRC, CC_DST);
    *c = test_sign (s, op3 (s, BP_IR_and, flipped1, flipped2), size);
    return true;
  }
  case K_LOGIC: *c = never (s); return true;
  case K_INC: *c = compare (BP_IR_EQ, zx (s, CC_DST, size), i32 (s, sign_bit (size))); return true;
  case K_DEC: *c = compare (BP_IR_EQ, zx (s, CC_DST, size), i32 (s, sign_bit (size) - 1)); return true;
  case K_MUL: *c = compare (BP_IR_NE, CC_SRC, i32 (s, 0)); return true;
  case K_SHL:
  case K_SAR: *c = test_sign (s, op3 (s, BP_IR_xor, CC_DST, CC_SRC), size); return true;
  default: return false;
  }
}

static bool
below_or_equal_test (Translator *s, CcKind kind, unsigned size, Compare *c)
{
  if (kind == K_SUB)
    *c = compare_operands (s, BP_IR_LEU, false, size);
  else if (kind == K_LOGIC)
    *c = test_zero (s, CC_DST, size);
  else
    return false;
  return true;
}

/* INC and DEC are a subtraction of -1 and 1 but for the carry: compare the first operand with that. */
static bool
signed_test (Translator *s, CcKind kind, unsigned size, BpIrCond cond, Compare *c)
{
  switch (kind) {
  case K_SUB: *c = compare_operands (s, cond, true, size); return true;
  case K_SBB: *c = compare_with_carry (s, cond, true, sbb_first (s), size); return true;
  case K_LOGIC: *c = compare (cond, sx (s, CC_DST, size), i32 (s, 0)); return true;
  case K_INC: *c = compare (cond, sx (s, op3i (s, BP_IR_sub, CC_DST, 1), size),
  i32 (s, (uint32_t) -1)); return true;
  case K_DEC: *c = compare (cond, sx (s, op3i (s, BP_IR_add, CC_DST, 1), size), i32 (s, 1)); return true;
  default: return false;
  }
}

static bool
known_test (Translator *s, unsigned condition, Compare *c)
{
  CcKind kind = kind_of (s->cc_op);
  unsigned size = size_of (s->cc_op);
  switch (condition & ~1u) {
  case X86_COND_O: return overflow_test (s, kind, size, c);
  case X86_COND_B: return carry_test (s, kind, size, c);
  case X86_COND_Z: *c = test_zero (s, CC_DST, size); return true;
  case X86_COND_BE: return below_or_equal_test (s, kind, size, c);
  case X86_COND_S: *c = test_sign (s, CC_DST, size); return true;
  case X86_COND_P: *c = negated (test_odd_parity (s, CC_DST)); return true;
  case X86_COND_L: return signed_test (s, kind, size, BP_IR_LT, c);
  default: return signed_test (s, kind, size, BP_IR_LE, c);
  }
}

/* --- tests on EFLAGS bits --------------------------------------------------------------------- */

/* SF != OF in the place of SF. */
static BpTemp
less_bit (Translator *s, BpTemp eflags)
{
  return op3 (s, BP_IR_xor, op3i (s, BP_IR_shr, eflags, 4), eflags);
}

static Compare
eflags_test (Translator *s, unsigned condition, BpTemp eflags)
{
  switch (condition & ~1u) {
  case X86_COND_O: return test_bits (s, eflags, X86_FL_OF);
  case X86_COND_B: return test_bits (s, eflags, X86_FL_CF);
  case X86_COND_Z: return test_bits (s, eflags, X86_FL_ZF);
  case X86_COND_BE: return test_bits (s, eflags, X86_FL_CF | X86_FL_ZF);
  case X86_COND_S: return test_bits (s, eflags, X86_FL_SF);
  case X86_COND_P: return test_bits (s, eflags, X86_FL_PF);
  case X86_COND_L: return test_bits (s, less_bit (s, eflags), X86_FL_SF);
  default: {
    BpTemp less = op3i (s, BP_IR_and, less_bit (s, eflags), X86_FL_SF),
        zero = op3i (s, BP_IR_and, eflags, X86_FL_ZF);
    return compare (BP_IR_NE, op3 (s, BP_IR_or, less, zero), i32 (s, 0));
  }
  }
}

/* What s->cc_op says, tested without asking for all the flags; false: that cannot be. */
static bool
direct_test (Translator *s, unsigned condition, Compare *c)
{
  if (s->cc_op == CC_EFLAGS) {
    *c = eflags_test (s, condition, CC_SRC);
    return true;
  }
  return has_kind (s->cc_op) && known_test (s, condition, c);
}

static BpTemp
setcond_of (Translator *s, Compare c)
{
  if (c.type == BP_IR_I32) {
    BpTemp r = local (s);
    bp_ir_setcond (s->b, BP_IR_I32, c.cond, r, c.a, c.b);
    return r;
  }
  BpTemp wide = bp_ir_local (s->b, BP_IR_I64);
  bp_ir_setcond (s->b, BP_IR_I64, c.cond, wide, c.a, c.b);
  return op2 (s, BP_IR_trunc, wide);
}

/* --- guessing --------------------------------------------------------------------------------- */

/*
 * Where only env->cc_op knows (the flags are another block's, say) a call would have to find out.  But a place
 * is mostly reached with flags of one kind, and it is translated because it is being reached: the kind of now is
 * tested inline, and the call is made when it turns out to be another.
 */

/* Takes the guess for the truth, until check_guess; false: there is none. */
static bool
begin_guess (Translator *s)
{
  if (s->cc_op != CC_DYNAMIC || s->cc_guess == CC_DYNAMIC)
    return false;
  s->cc_op = s->cc_guess;
  return true;
}

/* The result is made: to `done` when the guess was right. */
static void
check_guess (Translator *s, BpTemp op, uint32_t done)
{
  s->cc_op = CC_DYNAMIC;
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_EQ, op, i32 (s, s->cc_guess), done);
}

static BpTemp
call_compute_cc (Translator *s, BpTemp op)
{
  BpTemp eflags = local (s);
  emit_call (s, H_compute_cc, eflags, op, CC_DST, CC_SRC, CC_SRC2);
  return eflags;
}

static bool
guessed_test (Translator *s, unsigned condition, Compare *c)
{
  if (!begin_guess (s))
    return false;
  if (!direct_test (s, condition, c)) {
    s->cc_op = CC_DYNAMIC;
    return false;
  }
  BpTemp op = ENV32 (s, cc_op), r = copy (s, setcond_of (s, *c));
  uint32_t done = bp_ir_label_new (s->b);
  check_guess (s, op, done);
  bp_ir_mov (s->b, BP_IR_I32, r, setcond_of (s, eflags_test (s, condition, call_compute_cc (s, op))));
  bp_ir_label (s->b, done);
  *c = compare (BP_IR_NE, r, i32 (s, 0));
  return true;
}

/* --- conditions ------------------------------------------------------------------------------- */

Compare
flags_condition (Translator *s, unsigned condition, bool may_commit)
{
  Compare c;
  flush_pending (s);
  if (!direct_test (s, condition, &c) && !guessed_test (s, condition, &c)) {
    if (may_commit)
      flags_materialize (s);
    c = eflags_test (s, condition, flags_value (s));
  }
  return condition & 1 ? negated (c) : c;
}

BpTemp
flags_setcond (Translator *s, unsigned condition, bool may_commit)
{
  return setcond_of (s, flags_condition (s, condition, may_commit));
}

/* The carry by what s->cc_op says. */
static BpTemp
direct_carry (Translator *s)
{
  if (s->cc_op == CC_EFLAGS)
    return op3i (s, BP_IR_and, CC_SRC, X86_FL_CF);
  switch (kind_of (s->cc_op)) {
  case K_LOGIC: return i32 (s, 0);
  case K_INC:
  case K_DEC: return CC_SRC;
  case K_SAR:
  case K_ROL: return op3i (s, BP_IR_and, CC_SRC, 1);
  case K_SHL:
  case K_ROR: return extract (s, CC_SRC, 8 * size_of (s->cc_op) - 1, 1);
  default: return flags_setcond (s, X86_COND_B, false);
  }
}

/* Besides the guess, INC and DEC are tried, which hand the carry on: a loop on them may have been entered with
 * other flags. */
static BpTemp
guessed_carry (Translator *s)
{
  BpTemp op = ENV32 (s, cc_op), r = local (s);
  uint32_t done = bp_ir_label_new (s->b);
  if (!is_step (s->cc_guess) && begin_guess (s)) {
    bp_ir_mov (s->b, BP_IR_I32, r, direct_carry (s));
    check_guess (s, op, done);
  }
  bp_ir_mov (s->b, BP_IR_I32, r, CC_SRC);
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_LTU, op3i (s, BP_IR_sub, op, CC_INC8), i32 (s, CC_DEC64 + 1 - CC_INC8), done);
  bp_ir_op3 (s->b, BP_IR_and, BP_IR_I32, r, call_compute_cc (s, op), i32 (s, X86_FL_CF));
  bp_ir_label (s->b, done);
  return r;
}

BpTemp
flags_carry (Translator *s)
{
  flush_pending (s);
  return s->cc_op == CC_DYNAMIC ? guessed_carry (s) : direct_carry (s);
}

void
brcond (Translator *s, Compare c, uint32_t label)
{
  bp_ir_brcond (s->b, c.type, c.cond, c.a, c.b, label);
}

BpTemp
movcond (Translator *s, Compare c, BpTemp if_true, BpTemp if_false)
{
  if (c.type == BP_IR_I64)
    c = compare (BP_IR_NE, setcond_of (s, c), i32 (s, 0));
  BpTemp r = local (s);
  bp_ir_movcond (s->b, BP_IR_I32, c.cond, r, c.a, c.b, if_true, if_false);
  return r;
}

void
flags_set_carry_overflow (Translator *s, BpTemp count, BpTemp carry, BpTemp overflow)
{
  BpTemp old = flags_value (s);
  BpTemp kept = op3i (s, BP_IR_and, old, ~(uint32_t) (X86_FL_CF | X86_FL_OF));
  BpTemp flags = op3 (s, BP_IR_or, op3 (s, BP_IR_or, kept, carry), op3i (s, BP_IR_shl, overflow, 11));
  if (count != BP_IR_NONE)
    flags = movcond (s, compare (BP_IR_EQ, count, i32 (s, 0)), old, flags);
  flags_set_eflags (s, flags);
}

/* A logic operation's flags, or those with the CF and OF of a rotation. */
static bool
is_logic (unsigned op, unsigned size)
{
  return op == make_op (K_LOGIC, size) || op == make_op (K_ROL, size) || op == make_op (K_ROR, size);
}

/* OF: left, the top bit against the carry; right, the top two bits (SDM 2B; for counts above 1 it is
 * undefined). */
void
flags_set_rotated (Translator *s, BpTemp count, BpTemp result, unsigned size, bool left)
{
  unsigned bits = 8 * size;
  flush_pending (s);
  if (count == BP_IR_NONE && is_logic (s->cc_op, size)) {
    bp_ir_mov (s->b, BP_IR_I32, CC_SRC, result);
    flags_set (s, left ? K_ROL : K_ROR, size);
    return;
  }
  BpTemp top = extract (s, result, bits - 1, 1);
  BpTemp carry = left ? op3i (s, BP_IR_and, result, 1) : top;
  BpTemp other = left ? carry : extract (s, result, bits - 2, 1);
  flags_set_carry_overflow (s, count, carry, op3 (s, BP_IR_xor, top, other));
}

void
flags_set_shift_by (Translator *s, BpTemp count, CcKind kind, unsigned size, BpTemp dst, BpTemp src)
{
  flush_pending (s);
  unsigned uses = uses_of (s->cc_op);
  BpTemp zero = i32 (s, 0);
  BpTemp old_op = s->cc_op == CC_DYNAMIC ? ENV32 (s, cc_op) : i32 (s, s->cc_op);
  BpTemp op = local (s);
  bp_ir_movcond (s->b, BP_IR_I32, BP_IR_EQ, op, count, zero, old_op, i32 (s, make_op (kind, size)));
  bp_ir_movcond (s->b, BP_IR_I32, BP_IR_EQ, CC_DST, count, zero, uses & USES_DST ? CC_DST : dst, dst);
  bp_ir_movcond (s->b, BP_IR_I32, BP_IR_EQ, CC_SRC, count, zero, uses & USES_SRC ? CC_SRC : src, src);
  SET_ENV32 (s, cc_op, op);
  s->cc_op = CC_DYNAMIC;
  s->cc_op_stored = true;
  s->cc_guess = make_op (kind, size);
  s->cc_first = s->cc_second = BP_IR_NONE;
}
