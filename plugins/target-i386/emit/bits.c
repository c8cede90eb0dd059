/* bits.c -- bit tests, scans and counts, CRC32, ADCX and ADOX, random numbers. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

#define CC_DST bp_ir_global (G_CC_DST)
#define CC_SRC bp_ir_global (G_CC_SRC)

/* --- BT, BTS, BTR, BTC ------------------------------------------------------------------------ */

/* CF becomes bit 0 of `shifted`, ZF stays; PF, AF, SF and OF are undefined.  Every known representation but
 * EFLAGS has ZF in cc_dst, and so has one whose CF is the low bit of cc_src. */
static void
set_carry_keep_zero (Translator *s, BpTemp shifted)
{
  if (s->cc_op >= CC_ADD8) {
    unsigned size = 1u << ((s->cc_op - CC_ADD8) & 3);
    set (s, 4, CC_SRC, shifted);
    flags_set (s, K_SAR, size);
    return;
  }
  BpTemp flags = local (s);
  bp_ir_deposit (s->b, BP_IR_I32, flags, flags_value (s), shifted, 0, 1);
  flags_set_eflags (s, flags);
}

/* A register as bit index reaches beyond the operand: bits are counted from the operand's address in both
 * directions. */
static BpTemp
bit_string_linear (Translator *s, const X86Insn *insn)
{
  const X86Operand *o = &insn->operand[0];
  unsigned width = s->is_64 ? 8 : 4, log2 = log2_size (o->size);
  BpTemp index = operand_sx (s, insn, 1);
  if (s->is_64)
    index = sx64 (s, index, MAX (o->size, 4));
  BpTemp bytes = binary_imm (s, width, BP_IR_shl, binary_imm (s, width, BP_IR_sar, index, log2 + 3), log2);
  BpTemp offset = add_offset (s, o->mem.adsize, emit_offset (s, &o->mem), bytes);
  return emit_linear (s, o->mem.seg, offset, o->mem.adsize, o->size, o->access);
}

static BpTemp
changed (Translator *s, unsigned size, X86Op op, BpTemp x, BpTemp mask)
{
  return binary (s, size, op == X86_OP_BTS ? BP_IR_or : op == X86_OP_BTR ? BP_IR_andc : BP_IR_xor, x, mask);
}

static BpTemp
locked_change (Translator *s, const X86Insn *insn, BpTemp mask)
{
  bool sets = insn->op == X86_OP_BTS, resets = insn->op == X86_OP_BTR;
  BpIrOp op = sets ? BP_IR_gfetch_or : resets ? BP_IR_gfetch_and : BP_IR_gfetch_xor;
  unsigned size = insn->operand[0].size;
  BpTemp old = local_for (s, size), linear = operand_linear (s, insn, 0);
  if (resets)
    mask = unary (s, size, BP_IR_not, mask);
  bp_ir_gatomic (s->b, op, op_type (size), old, linear, mask, memop (s, size));
  return old;
}

void
emit_bit (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  if (is_mem (insn, 0) && insn->operand[1].kind == X86_OPERAND_GPR) {
    s->linear = bit_string_linear (s, insn);
    s->linear_bits = s->access_bits;
  }
  const X86Operand *by = &insn->operand[1];
  BpTemp number = by->kind == X86_OPERAND_IMM ? constant (s, size, by->imm) : operand (s, insn, 1);
  BpTemp index = binary_imm (s, size, BP_IR_and, number, 8 * size - 1);
  BpTemp mask = binary (s, size, BP_IR_shl, constant (s, size, 1), index), old;
  if (insn->lock) {
    old = locked_change (s, insn, mask);
  } else {
    old = copy_of (s, operand (s, insn, 0), size);
    if (insn->op != X86_OP_BT)
      set_operand (s, insn, 0, changed (s, size, (X86Op) insn->op, old, mask));
  }
  set_carry_keep_zero (s, binary (s, size, BP_IR_shr, old, index));
}

/* --- scans and counts ------------------------------------------------------------------------- */

/* A source of 0 leaves the destination alone. */
static void
emit_scan (Translator *s, const X86Insn *insn, bool from_top)
{
  unsigned size = insn->operand[0].size, top = size == 8 ? 63 : 31;
  BpTemp x = copy_of (s, operand_zx (s, insn, 1), size), zero = constant (s, size, 0), r;
  if (from_top)
    r = binary_imm (s, size, BP_IR_xor, binary (s, size, BP_IR_clz, x, zero), top);
  else
    r = binary (s, size, BP_IR_ctz, x, zero);
  Compare is_zero = compare_of (size, BP_IR_EQ, x, zero);
  set_operand_unless (s, insn, is_zero, r);
  flags_set_logic (s, size, x);
}

void emit_bsf (Translator *s, const X86Insn *insn) { emit_scan (s, insn, false); }
void emit_bsr (Translator *s, const X86Insn *insn) { emit_scan (s, insn, true); }

/* CF: the source was 0; ZF: the result is.  The others are undefined, and 0. */
static void
set_count_flags (Translator *s, unsigned size, BpTemp x, BpTemp r)
{
  BpTemp zero = constant (s, size, 0), flags = local (s);
  BpTemp carry = setcond (s, compare_of (size, BP_IR_EQ, x, zero));
  BpTemp none = setcond (s, compare_of (size, BP_IR_EQ, r, zero));
  bp_ir_deposit (s->b, BP_IR_I32, flags, carry, none, 6, 26);
  flags_set_eflags (s, flags);
}

void
emit_tzcnt (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  BpTemp x = copy_of (s, operand_zx (s, insn, 1), size), r = binary_imm (s, size, BP_IR_ctz, x, 8 * size);
  set_operand (s, insn, 0, r);
  set_count_flags (s, size, x, r);
}

void
emit_lzcnt (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size, bits = MAX (8 * size, 32);
  BpTemp x = copy_of (s, operand_zx (s, insn, 1), size), r = binary_imm (s, size, BP_IR_clz, x, bits);
  if (size < 4)
    r = op3i (s, BP_IR_sub, r, bits - 8 * size);
  set_operand (s, insn, 0, r);
  set_count_flags (s, size, x, r);
}

void
emit_popcnt (Translator *s, const X86Insn *insn)
{
  BpTemp x = operand_zx (s, insn, 1), r = unary (s, insn->operand[0].size, BP_IR_popcnt, x);
  BpTemp none = setcond (s, compare (BP_IR_EQ, r, i32 (s, 0)));
  set_operand (s, insn, 0, r);
  flags_set_eflags (s, op3i (s, BP_IR_shl, none, 6));
}

/* --- the rest --------------------------------------------------------------------------------- */

void
emit_crc32 (Translator *s, const X86Insn *insn)
{
  BpTemp r = local (s);
  emit_call (s, H_crc32, r, operand (s, insn, 0), operand_zx (s, insn, 1), i32 (s, insn->operand[1].size));
  set_operand (s, insn, 0, r);
}

/* An addition with one flag as carry in and out; no other flag changes. */
void
emit_adcx (Translator *s, const X86Insn *insn)
{
  unsigned pos = insn->op == X86_OP_ADCX ? 0 : 11, size = insn->operand[0].size;
  BpTemp src = copy_of (s, operand (s, insn, 1), size), dst = copy_of (s, operand (s, insn, 0), size);
  BpTemp old = flags_value (s), carry = extract (s, old, pos, 1), r = local_for (s, size), flags = local (s);
  bp_ir_op4 (s->b, BP_IR_addc, op_type (size), r, dst, src, carry);
  BpTemp below = setcond (s, compare_of (size, BP_IR_LTU, r, dst));
  BpTemp equal = setcond (s, compare_of (size, BP_IR_EQ, r, dst));
  /* r == dst with a carry in: src was all ones */
  BpTemp out = op3 (s, BP_IR_or, below, op3 (s, BP_IR_and, equal, carry));
  bp_ir_deposit (s->b, BP_IR_I32, flags, old, out, pos, 1);
  set_operand (s, insn, 0, r);
  flags_set_eflags (s, flags);
}

/* RDRAND, RDSEED: there is always one ready, which CF says; the other flags are 0. */
void
emit_random (Translator *s, const X86Insn *insn)
{
  bool is_deterministic = s->t->cflags & BP_TCG_CF_ICOUNT;
  BpTemp value = local64 (s);
  emit_call (s, H_random, value, BP_IR_ENV, i32 (s, is_deterministic));
  set_operand (s, insn, 0, value);
  flags_set_eflags (s, i32 (s, X86_FL_CF));
  if (is_deterministic)
    s->end_block = true;
}
