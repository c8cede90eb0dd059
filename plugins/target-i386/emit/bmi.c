/* bmi.c -- the instructions of BMI1 and BMI2 with three operands. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

#define CC_DST bp_ir_global (G_CC_DST)
#define CC_SRC bp_ir_global (G_CC_SRC)

static unsigned
size_of (const X86Insn *insn)
{
  return insn->operand[0].size;
}

/* ZF and SF of the result, CF as given, OF 0: a right shift whose operand has the result's sign. */
static void
set_result (Translator *s, const X86Insn *insn, BpTemp r, BpTemp carry)
{
  unsigned size = size_of (insn);
  BpTemp before = local_for (s, size);
  bp_ir_deposit (s->b, op_type (size), before, r, carry, 0, 1);
  set_operand (s, insn, 0, r);
  set (s, size, CC_SRC, before);
  set (s, size, CC_DST, r);
  flags_set (s, K_SAR, size);
}

void
emit_andn (Translator *s, const X86Insn *insn)
{
  BpTemp r = binary (s, size_of (insn), BP_IR_andc, operand (s, insn, 2), operand (s, insn, 1));
  set_operand (s, insn, 0, r);
  flags_set_logic (s, size_of (insn), r);
}

/* x with the bits from `from` on cleared; `from` is any number up to 255. */
static BpTemp
low_bits (Translator *s, unsigned size, BpTemp x, BpTemp from)
{
  BpTemp above = binary (s, size, BP_IR_shl, constant (s, size, ~(uint64_t) 0), from);
  Compare beyond = compare (BP_IR_GTU, from, i32 (s, 8 * size - 1));
  return movcond_of (s, size, beyond, x, binary (s, size, BP_IR_andc, x, above));
}

/* Operand 2: where the field starts in its first byte, how long it is in its second. */
void
emit_bextr (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp control = copy_of (s, operand (s, insn, 2), 4), start = zx (s, control, 1);
  BpTemp x = copy_of (s, operand (s, insn, 1), size);
  Compare beyond = compare (BP_IR_GTU, start, i32 (s, 8 * size - 1));
  BpTemp shifted = movcond_of (s, size, beyond, constant (s, size, 0), binary (s, size, BP_IR_shr, x, start));
  BpTemp r = low_bits (s, size, shifted, extract (s, control, 8, 8));
  set_operand (s, insn, 0, r);
  flags_set_logic (s, size, r);
}

/* CF: the index lies beyond the operand. */
void
emit_bzhi (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp index = copy (s, zx (s, operand (s, insn, 2), 1));
  BpTemp r = low_bits (s, size, operand (s, insn, 1), index);
  set_result (s, insn, r, setcond (s, compare (BP_IR_GTU, index, i32 (s, 8 * size - 1))));
}

/* --- the lowest bit that is set ----------------------------------------------------------------- */

static BpTemp
is_zero (Translator *s, unsigned size, BpTemp x)
{
  return setcond (s, compare_of (size, BP_IR_EQ, x, constant (s, size, 0)));
}

/* That bit alone; CF: there is one. */
void
emit_blsi (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp x = copy_of (s, operand (s, insn, 1), size);
  BpTemp r = binary (s, size, BP_IR_and, x, unary (s, size, BP_IR_neg, x));
  set_result (s, insn, r, setcond (s, compare_of (size, BP_IR_NE, x, constant (s, size, 0))));
}

/* Ones up to it; CF: there is none. */
void
emit_blsmsk (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp x = copy_of (s, operand (s, insn, 1), size);
  BpTemp r = binary (s, size, BP_IR_xor, x, binary_imm (s, size, BP_IR_sub, x, 1));
  set_result (s, insn, r, is_zero (s, size, x));
}

/* All others; CF: there is none. */
void
emit_blsr (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp x = copy_of (s, operand (s, insn, 1), size);
  BpTemp r = binary (s, size, BP_IR_and, x, binary_imm (s, size, BP_IR_sub, x, 1));
  set_result (s, insn, r, is_zero (s, size, x));
}

/* --- no flags ------------------------------------------------------------------------------------ */

/* Operands 0 and 1 get the upper and the lower half; of one register twice, the upper stays. */
void
emit_mulx (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp low = local_for (s, size), high = local_for (s, size);
  bp_ir_op4 (s->b, BP_IR_mulu2, op_type (size), low, high, gpr (X86_RDX), operand (s, insn, 2));
  set_operand (s, insn, 1, low);
  set_operand (s, insn, 0, high);
}

static void
spread (Translator *s, const X86Insn *insn, unsigned helper)
{
  unsigned size = size_of (insn);
  BpTemp mask = zx64 (s, operand (s, insn, 2), size), x = zx64 (s, operand (s, insn, 1), size), r = local64 (s);
  emit_call (s, helper, r, x, mask);
  set_operand (s, insn, 0, r);
}

void emit_pdep (Translator *s, const X86Insn *insn) { spread (s, insn, H_pdep); }
void emit_pext (Translator *s, const X86Insn *insn) { spread (s, insn, H_pext); }

void
emit_rorx (Translator *s, const X86Insn *insn)
{
  unsigned size = size_of (insn);
  BpTemp by = constant (s, size, insn->operand[2].imm & count_mask (size));
  set_operand (s, insn, 0, binary (s, size, BP_IR_rotr, operand (s, insn, 1), by));
}

static void
shift_by_register (Translator *s, const X86Insn *insn, BpIrOp op)
{
  BpTemp by = operand (s, insn, 2);
  set_operand (s, insn, 0, binary (s, size_of (insn), op, operand (s, insn, 1), by));
}

void emit_sarx (Translator *s, const X86Insn *insn) { shift_by_register (s, insn, BP_IR_sar); }
void emit_shlx (Translator *s, const X86Insn *insn) { shift_by_register (s, insn, BP_IR_shl); }
void emit_shrx (Translator *s, const X86Insn *insn) { shift_by_register (s, insn, BP_IR_shr); }
