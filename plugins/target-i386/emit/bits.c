/* bits.c -- bit tests, scans and counts, CRC32, ADCX and ADOX. */
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
    bp_ir_mov (s->b, BP_IR_I32, CC_SRC, shifted);
    flags_set (s, K_SAR, 1u << ((s->cc_op - CC_ADD8) & 3));
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
  BpTemp index = operand_sx (s, insn, 1);
  BpTemp bytes = op3i (s, BP_IR_shl, op3i (s, BP_IR_sar, index, o->size == 2 ? 4 : 5), log2_size (o->size));
  BpTemp offset = op3 (s, BP_IR_add, emit_offset (s, &o->mem), bytes);
  if (o->mem.adsize == 2)
    offset = zx (s, offset, 2);
  return emit_linear (s, o->mem.seg, offset, o->mem.adsize, o->size, o->access);
}

static BpTemp
changed (Translator *s, X86Op op, BpTemp x, BpTemp mask)
{
  return op3 (s, op == X86_OP_BTS ? BP_IR_or : op == X86_OP_BTR ? BP_IR_andc : BP_IR_xor, x, mask);
}

static BpTemp
locked_change (Translator *s, const X86Insn *insn, BpTemp mask)
{
  bool sets = insn->op == X86_OP_BTS, resets = insn->op == X86_OP_BTR;
  BpIrOp op = sets ? BP_IR_gfetch_or : resets ? BP_IR_gfetch_and : BP_IR_gfetch_xor;
  BpTemp old = local (s), linear = operand_linear (s, insn, 0);
  if (resets)
    mask = op2 (s, BP_IR_not, mask);
  bp_ir_gatomic (s->b, op, BP_IR_I32, old, linear, mask, memop (s, insn->operand[0].size));
  return old;
}

void
emit_bit (Translator *s, const X86Insn *insn)
{
  unsigned bits = 8 * insn->operand[0].size;
  if (is_mem (insn, 0) && insn->operand[1].kind == X86_OPERAND_GPR)
    s->linear = bit_string_linear (s, insn);
  BpTemp index = op3i (s, BP_IR_and, operand (s, insn, 1), bits - 1);
  BpTemp mask = op3 (s, BP_IR_shl, i32 (s, 1), index), old;
  if (insn->lock) {
    old = locked_change (s, insn, mask);
  } else {
    old = copy (s, operand (s, insn, 0));
    if (insn->op != X86_OP_BT)
      set_operand (s, insn, 0, changed (s, (X86Op) insn->op, old, mask));
  }
  set_carry_keep_zero (s, op3 (s, BP_IR_shr, old, index));
}

/* --- scans and counts ------------------------------------------------------------------------- */

/* A source of 0 leaves the destination alone. */
static void
emit_scan (Translator *s, const X86Insn *insn, bool from_top)
{
  unsigned size = insn->operand[0].size;
  BpTemp x = copy (s, operand_zx (s, insn, 1)), zero = i32 (s, 0), r;
  if (from_top)
    r = op3 (s, BP_IR_xor, op3 (s, BP_IR_clz, x, zero), i32 (s, 31));
  else
    r = op3 (s, BP_IR_ctz, x, zero);
  set_operand (s, insn, 0, movcond (s, (Compare) { BP_IR_I32, BP_IR_EQ, x, zero }, operand (s, insn, 0), r));
  flags_set_logic (s, size, x);
}

void emit_bsf (Translator *s, const X86Insn *insn) { emit_scan (s, insn, false); }
void emit_bsr (Translator *s, const X86Insn *insn) { emit_scan (s, insn, true); }

/* CF: the source was 0; ZF: the result is.  The others are undefined, and 0. */
static void
set_count_flags (Translator *s, BpTemp x, BpTemp r)
{
  BpTemp zero = i32 (s, 0), carry = local (s), none = local (s), flags = local (s);
  bp_ir_setcond (s->b, BP_IR_I32, BP_IR_EQ, carry, x, zero);
  bp_ir_setcond (s->b, BP_IR_I32, BP_IR_EQ, none, r, zero);
  bp_ir_deposit (s->b, BP_IR_I32, flags, carry, none, 6, 26);
  flags_set_eflags (s, flags);
}

void
emit_tzcnt (Translator *s, const X86Insn *insn)
{
  BpTemp x = copy (s, operand_zx (s, insn, 1)), r = op3i (s, BP_IR_ctz, x, 8 * insn->operand[0].size);
  set_operand (s, insn, 0, r);
  set_count_flags (s, x, r);
}

void
emit_lzcnt (Translator *s, const X86Insn *insn)
{
  unsigned bits = 8 * insn->operand[0].size;
  BpTemp x = copy (s, operand_zx (s, insn, 1)), r = op3i (s, BP_IR_clz, x, 32);
  if (bits < 32)
    r = op3i (s, BP_IR_sub, r, 32 - bits);
  set_operand (s, insn, 0, r);
  set_count_flags (s, x, r);
}

void
emit_popcnt (Translator *s, const X86Insn *insn)
{
  BpTemp x = operand_zx (s, insn, 1), r = op2 (s, BP_IR_popcnt, x), none = local (s);
  bp_ir_setcond (s->b, BP_IR_I32, BP_IR_EQ, none, r, i32 (s, 0));
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
  unsigned pos = insn->op == X86_OP_ADCX ? 0 : 11;
  BpTemp src = copy (s, operand (s, insn, 1)), dst = copy (s, operand (s, insn, 0)), old = flags_value (s);
  BpTemp carry = extract (s, old, pos, 1), r = local (s);
  BpTemp below = local (s), equal = local (s), flags = local (s);
  bp_ir_op4 (s->b, BP_IR_addc, BP_IR_I32, r, dst, src, carry);
  bp_ir_setcond (s->b, BP_IR_I32, BP_IR_LTU, below, r, dst);
  bp_ir_setcond (s->b, BP_IR_I32, BP_IR_EQ, equal, r, dst);
  /* r == dst with a carry in: src was all ones */
  BpTemp out = op3 (s, BP_IR_or, below, op3 (s, BP_IR_and, equal, carry));
  bp_ir_deposit (s->b, BP_IR_I32, flags, old, out, pos, 1);
  set_operand (s, insn, 0, r);
  flags_set_eflags (s, flags);
}
