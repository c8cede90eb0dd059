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
  for (unsigned reg = 0; reg < G_N_ELEMENTS (s->version); reg++)
    if (x == gpr (reg))
      return s->version[reg];
  return 0;
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
  set (s, 4, CC_SRC, eflags);
  set_op (s, CC_EFLAGS);
}

void
flags_set_logic (Translator *s, unsigned size, BpTemp result)
{
  set (s, size, CC_DST, result);
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
    set (s, 4, CC_SRC, flags_carry (s));
    set (s, size, CC_DST, result);
    flags_set (s, kind == PENDING_INC ? K_INC : K_DEC, size);
  } else {
    flags_set_rotated (s, BP_IR_NONE, result, size, kind == PENDING_ROL);
  }
}

void
flags_settle (Translator *s)
{
  flush_pending (s);
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
  BpTemp zero = i64 (s, 0), r = local (s);
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

Compare
compare_of (unsigned size, BpIrCond cond, BpTemp a, BpTemp b)
{
  return (Compare) { op_type (size), cond, a, b };
}

Compare
compare (BpIrCond cond, BpTemp a, BpTemp b)
{
  return compare_of (4, cond, a, b);
}

static Compare
test_bits (Translator *s, BpTemp x, uint32_t mask)
{
  return compare (BP_IR_TSTNE, x, i32 (s, mask));
}

static Compare
test_zero (Translator *s, BpTemp x, unsigned size)
{
  if (size >= 4)
    return compare_of (size, BP_IR_EQ, x, constant (s, size, 0));
  return negated (test_bits (s, x, (uint32_t) size_mask (size)));
}

static Compare
test_sign (Translator *s, BpTemp x, unsigned size)
{
  if (size >= 4)
    return compare_of (size, BP_IR_LT, x, constant (s, size, 0));
  return test_bits (s, x, (uint32_t) sign_bit (size));
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

BpTemp
setcond (Translator *s, Compare c)
{
  BpTemp r = c.type == BP_IR_I64 ? local64 (s) : local (s);
  bp_ir_setcond (s->b, c.type, c.cond, r, c.a, c.b);
  return r;
}

/* The operands of the subtraction whose flags these are: as they were if still at hand, else made again. */
static BpTemp
sub_second (Translator *s)
{
  bool usable = s->cc_second != BP_IR_NONE && s->cc_second_version == version_of (s, s->cc_second);
  return usable ? s->cc_second : CC_SRC;
}

static BpTemp
sub_first (Translator *s, unsigned size)
{
  bool usable = s->cc_first != BP_IR_NONE && s->cc_first_version == version_of (s, s->cc_first);
  return usable ? s->cc_first : binary (s, size, BP_IR_add, CC_DST, CC_SRC);
}

static Compare
compare_operands (Translator *s, BpIrCond cond, bool is_signed, unsigned size)
{
  BpTemp first = sub_first (s, size), second = sub_second (s);
  if (is_signed)
    return compare_of (size, cond, sx (s, first, size), sx (s, second, size));
  return compare_of (size, cond, zx (s, first, size), zx (s, second, size));
}

/* x < src + carry: x < src, or equal with a carry.  LE: or the result is 0. */
static Compare
compare_with_carry_64 (Translator *s, BpIrCond cond, bool is_signed, BpTemp x)
{
  BpTemp less = setcond (s, compare_of (8, is_signed ? BP_IR_LT : BP_IR_LTU, x, CC_SRC));
  BpTemp equal = setcond (s, compare_of (8, BP_IR_EQ, x, CC_SRC));
  BpTemp r = op3 (s, BP_IR_or, less, op3 (s, BP_IR_and, equal, CC_SRC2));
  if (cond == BP_IR_LE)
    r = op3 (s, BP_IR_or, r, setcond (s, test_zero (s, CC_DST, 8)));
  return compare (BP_IR_NE, r, i32 (s, 0));
}

/* With a carry or borrow in: x cond src + carry, without losing the top bit. */
static Compare
compare_with_carry (Translator *s, BpIrCond cond, bool is_signed, BpTemp x, unsigned size)
{
  if (size == 8)
    return compare_with_carry_64 (s, cond, is_signed, x);
  if (size < 4) {
    BpTemp src = is_signed ? sx (s, CC_SRC, size) : zx (s, CC_SRC, size);
    return compare (cond, is_signed ? sx (s, x, size) : zx (s, x, size), op3 (s, BP_IR_add, src, CC_SRC2));
  }
  BpTemp a = is_signed ? sx64 (s, x, 4) : zx64 (s, x, 4), b = is_signed ? sx64 (s, CC_SRC, 4) : zx64 (s, CC_SRC, 4);
  return compare_of (8, cond, a, binary (s, 8, BP_IR_add, b, zx64 (s, CC_SRC2, 4)));
}

static BpTemp
sbb_first (Translator *s, unsigned size)
{
  return binary (s, size, BP_IR_add, binary (s, size, BP_IR_add, CC_DST, CC_SRC), CC_SRC2);
}

static bool
carry_test (Translator *s, CcKind kind, unsigned size, Compare *c)
{
  switch (kind) {
  case K_ADD: *c = compare_of (size, BP_IR_LTU, zx (s, CC_DST, size), zx (s, CC_SRC, size)); return true;
  case K_ADC: *c = compare_with_carry (s, BP_IR_LTU, false, CC_DST, size); return true;
  case K_SUB: *c = compare_operands (s, BP_IR_LTU, false, size); return true;
  case K_SBB: *c = compare_with_carry (s, BP_IR_LTU, false, sbb_first (s, size), size); return true;
  case K_LOGIC: *c = never (s); return true;
  case K_INC:
  case K_DEC: *c = compare (BP_IR_NE, CC_SRC, i32 (s, 0)); return true;
  case K_MUL: *c = negated (test_zero (s, CC_SRC, MAX (size, 4))); return true;
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
    BpTemp first = sub_first (s, size);
    BpTemp differs = binary (s, size, BP_IR_xor, first, sub_second (s));
    BpTemp flipped = binary (s, size, BP_IR_xor, first, CC_DST);
    *c = test_sign (s, binary (s, size, BP_IR_and, differs, flipped), size);
    return true;
  }
  case K_ADD: {
    BpTemp first = binary (s, size, BP_IR_sub, CC_DST, CC_SRC);
    BpTemp flipped1 = binary (s, size, BP_IR_xor, first, CC_DST);
    BpTemp flipped2 = binary (s, size, BP_IR_xor, CC_SRC, CC_DST);
    *c = test_sign (s, binary (s, size, BP_IR_and, flipped1, flipped2), size);
    return true;
  }
  case K_LOGIC: *c = never (s); return true;
  case K_INC:
  case K_DEC:
    *c = compare_of (size, BP_IR_EQ, zx (s, CC_DST, size), constant (s, size, sign_bit (size) - (kind == K_DEC)));
    return true;
  case K_MUL: *c = negated (test_zero (s, CC_SRC, MAX (size, 4))); return true;
  case K_SHL:
  case K_SAR: *c = test_sign (s, binary (s, size, BP_IR_xor, CC_DST, CC_SRC), size); return true;
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
  case K_SBB: *c = compare_with_carry (s, cond, true, sbb_first (s, size), size); return true;
  case K_LOGIC: *c = compare_of (size, cond, sx (s, CC_DST, size), constant (s, size, 0)); return true;
  case K_INC:
  case K_DEC: {
    BpTemp first = binary_imm (s, size, kind == K_INC ? BP_IR_sub : BP_IR_add, CC_DST, 1);
    *c = compare_of (size, cond, sx (s, first, size), constant (s, size, kind == K_INC ? ~(uint64_t) 0 : 1));
    return true;
  }
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
  BpTemp op = ENV32 (s, cc_op), r = copy (s, setcond (s, *c));
  uint32_t done = bp_ir_label_new (s->b);
  check_guess (s, op, done);
  bp_ir_mov (s->b, BP_IR_I32, r, setcond (s, eflags_test (s, condition, call_compute_cc (s, op))));
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
  return setcond (s, flags_condition (s, condition, may_commit));
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
  case K_ROR: return bit_of (s, CC_SRC, size_of (s->cc_op), 8 * size_of (s->cc_op) - 1);
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

/* The comparison on 64 bits. */
static Compare
widened (Translator *s, Compare c)
{
  bool is_signed = c.cond >= BP_IR_LT && c.cond <= BP_IR_GT;
  c.a = is_signed ? sx64 (s, c.a, 4) : zx64 (s, c.a, 4);
  c.b = is_signed ? sx64 (s, c.b, 4) : zx64 (s, c.b, 4);
  c.type = BP_IR_I64;
  return c;
}

BpTemp
movcond_of (Translator *s, unsigned size, Compare c, BpTemp if_true, BpTemp if_false)
{
  bool wide = size == 8;
  if (wide && c.type == BP_IR_I32) {
    c = widened (s, c);
  } else if (!wide && c.type == BP_IR_I64) {
    if (s->is_64)
      wide = true;
    else
      c = compare (BP_IR_NE, setcond (s, c), i32 (s, 0));
  }
  BpTemp r = wide ? local64 (s) : local (s);
  if (wide)
    if_true = zx64 (s, if_true, 8), if_false = zx64 (s, if_false, 8);
  bp_ir_movcond (s->b, c.type, c.cond, r, c.a, c.b, if_true, if_false);
  return r;
}

BpTemp
movcond (Translator *s, Compare c, BpTemp if_true, BpTemp if_false)
{
  return movcond_of (s, 4, c, if_true, if_false);
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
    set (s, size, CC_SRC, result);
    flags_set (s, left ? K_ROL : K_ROR, size);
    return;
  }
  BpTemp top = bit_of (s, result, size, bits - 1);
  BpTemp carry = left ? op3i (s, BP_IR_and, result, 1) : top;
  BpTemp other = left ? carry : bit_of (s, result, size, bits - 2);
  flags_set_carry_overflow (s, count, carry, op3 (s, BP_IR_xor, top, other));
}

/* global = count == 0 ? itself : value; nothing of it need be kept when the flags before did not use it. */
static void
set_unless_zero (Translator *s, unsigned size, BpTemp count, BpTemp global, bool used, BpTemp value)
{
  if (!used) {
    set (s, size, global, value);
    return;
  }
  Compare is_zero = compare (BP_IR_EQ, count, i32 (s, 0));
  if (s->is_64)         /* all of it is kept, whatever its width was */
    bp_ir_mov (s->b, BP_IR_I64, global, movcond_of (s, 8, is_zero, global, size == 8 ? value : zx64 (s, value, 4)));
  else
    bp_ir_movcond (s->b, BP_IR_I32, BP_IR_EQ, global, is_zero.a, is_zero.b, global, value);
}

void
flags_set_shift_by (Translator *s, BpTemp count, CcKind kind, unsigned size, BpTemp dst, BpTemp src)
{
  flush_pending (s);
  unsigned uses = uses_of (s->cc_op);
  BpTemp old_op = s->cc_op == CC_DYNAMIC ? ENV32 (s, cc_op) : i32 (s, s->cc_op);
  BpTemp op = movcond (s, compare (BP_IR_EQ, count, i32 (s, 0)), old_op, i32 (s, make_op (kind, size)));
  set_unless_zero (s, size, count, CC_DST, uses & USES_DST, dst);
  set_unless_zero (s, size, count, CC_SRC, uses & USES_SRC, src);
  SET_ENV32 (s, cc_op, op);
  s->cc_op = CC_DYNAMIC;
  s->cc_op_stored = true;
  s->cc_guess = make_op (kind, size);
  s->cc_first = s->cc_second = BP_IR_NONE;
}
