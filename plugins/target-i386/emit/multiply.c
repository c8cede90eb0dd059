/* multiply.c -- multiplication, division and decimal adjustment. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

#define CC_DST bp_ir_global (G_CC_DST)
#define CC_SRC bp_ir_global (G_CC_SRC)

/* `overflow` is nonzero when the high half says more than the sign (or zero) of the low one. */
static void
set_product_flags (Translator *s, unsigned size, BpTemp low, BpTemp overflow)
{
  set (s, size, CC_DST, low);
  set (s, size, CC_SRC, overflow);
  flags_set (s, K_MUL, size);
}

/* AX = AL * x; DX:AX = AX * x: the product fits an i32. */
static void
multiply_narrow (Translator *s, const X86Insn *insn, bool is_signed)
{
  unsigned size = insn->operand[0].size;
  BpTemp x = is_signed ? operand_sx (s, insn, 0) : operand_zx (s, insn, 0);
  BpTemp a = is_signed ? sx (s, gpr (X86_RAX), size) : zx (s, gpr (X86_RAX), size);
  BpTemp product = op3 (s, BP_IR_mul, a, x);
  BpTemp high = op3i (s, BP_IR_shr, product, 8 * size);
  BpTemp overflow = is_signed ? op3 (s, BP_IR_sub, product, sx (s, product, size)) : zx (s, high, size);
  write_gpr (s, X86_RAX, 2, false, product);
  if (size == 2)
    write_gpr (s, X86_RDX, 2, false, high);
  set_product_flags (s, size, product, overflow);
}

/* 0 when `high` repeats the sign of `low` and nothing else. */
static BpTemp
beyond_sign (Translator *s, unsigned size, BpTemp low, BpTemp high)
{
  return binary (s, size, BP_IR_sub, high, binary_imm (s, size, BP_IR_sar, low, 8 * size - 1));
}

static void
multiply (Translator *s, const X86Insn *insn, bool is_signed)
{
  unsigned size = insn->operand[0].size;
  if (size < 4) {
    multiply_narrow (s, insn, is_signed);
    return;
  }
  BpTemp x = operand (s, insn, 0), low = local_for (s, size), high = local_for (s, size);
  bp_ir_op4 (s->b, is_signed ? BP_IR_muls2 : BP_IR_mulu2, op_type (size), low, high, gpr (X86_RAX), x);
  write_gpr (s, X86_RAX, size, false, low);
  write_gpr (s, X86_RDX, size, false, high);
  set_product_flags (s, size, low, is_signed ? beyond_sign (s, size, low, high) : high);
}

void emit_mul (Translator *s, const X86Insn *insn) { multiply (s, insn, false); }
void emit_imul (Translator *s, const X86Insn *insn) { multiply (s, insn, true); }

/* The wide product serves the flags alone: it goes away with them. */
static void
multiply_into (Translator *s, const X86Insn *insn, unsigned i, unsigned k)
{
  unsigned size = insn->operand[0].size;
  if (size == 2) {
    BpTemp product = op3 (s, BP_IR_mul, operand_sx (s, insn, i), operand_sx (s, insn, k));
    set_operand (s, insn, 0, product);
    set_product_flags (s, size, product, op3 (s, BP_IR_sub, product, sx (s, product, size)));
    return;
  }
  BpTemp x = operand (s, insn, i), y = operand (s, insn, k);
  BpTemp product = binary (s, size, BP_IR_mul, x, y), low = local_for (s, size), high = local_for (s, size);
  bp_ir_op4 (s->b, BP_IR_muls2, op_type (size), low, high, x, y);
  BpTemp overflow = beyond_sign (s, size, product, high);
  set_operand (s, insn, 0, product);
  set_product_flags (s, size, product, overflow);
}

void emit_imul2 (Translator *s, const X86Insn *insn) { multiply_into (s, insn, 0, 1); }
void emit_imul3 (Translator *s, const X86Insn *insn) { multiply_into (s, insn, 1, 2); }

/* --- division: the flags are undefined, and stay ---------------------------------------------- */

static void
raise_unless_equal (Translator *s, BpTemp x, BpTemp y)
{
  uint32_t good = bp_ir_label_new (s->b);
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_EQ, x, y, good);
  emit_raise (s, EXC_DE);
  bp_ir_label (s->b, good);
}

static void
divide (Translator *s, const X86Insn *insn, bool is_signed)
{
  unsigned size = insn->operand[0].size;
  BpIrOp op = is_signed ? BP_IR_divs2 : BP_IR_divu2;
  BpTemp quotient = local_for (s, size), remainder = local_for (s, size);
  if (size >= 4) {
    BpTemp divisor = operand (s, insn, 0);
    bp_ir_op5 (s->b, op, op_type (size), quotient, remainder, gpr (X86_RAX), gpr (X86_RDX), divisor);
    write_gpr (s, X86_RAX, size, false, quotient);
    write_gpr (s, X86_RDX, size, false, remainder);
    return;
  }
  BpTemp divisor = is_signed ? operand_sx (s, insn, 0) : operand_zx (s, insn, 0), dividend;
  if (size == 1) {
    dividend = is_signed ? sx (s, gpr (X86_RAX), 2) : zx (s, gpr (X86_RAX), 2);
  } else {
    dividend = local (s);
    bp_ir_deposit (s->b, BP_IR_I32, dividend, gpr (X86_RAX), gpr (X86_RDX), 16, 16);
  }
  BpTemp upper = is_signed ? op3i (s, BP_IR_sar, dividend, 31) : i32 (s, 0);
  bp_ir_op5 (s->b, op, BP_IR_I32, quotient, remainder, dividend, upper, divisor);
  raise_unless_equal (s, quotient, is_signed ? sx (s, quotient, size) : zx (s, quotient, size));
  write_gpr (s, X86_RAX, size, false, quotient);
  write_gpr (s, size == 1 ? X86_RAX : X86_RDX, size, size == 1, remainder);
}

void emit_div (Translator *s, const X86Insn *insn) { divide (s, insn, false); }
void emit_idiv (Translator *s, const X86Insn *insn) { divide (s, insn, true); }

/* --- decimal ---------------------------------------------------------------------------------- */

void
emit_aam (Translator *s, const X86Insn *insn)
{
  BpTemp divisor = i32 (s, insn->operand[0].imm & 0xff), quotient = local (s), remainder = local (s);
  bp_ir_op5 (s->b, BP_IR_divu2, BP_IR_I32, quotient, remainder, zx (s, gpr (X86_RAX), 1), i32 (s, 0),
             divisor);
  write_gpr (s, X86_RAX, 1, false, remainder);
  write_gpr (s, X86_RAX, 1, true, quotient);
  flags_set_logic (s, 1, remainder);
}

void
emit_aad (Translator *s, const X86Insn *insn)
{
  BpTemp high = extract (s, gpr (X86_RAX), 8, 8);
  BpTemp sum = op3 (s, BP_IR_add, gpr (X86_RAX), op3i (s, BP_IR_mul, high, insn->operand[0].imm & 0xff));
  BpTemp low = zx (s, sum, 1);
  write_gpr (s, X86_RAX, 2, false, low);
  flags_set_logic (s, 1, low);
}

/* DAA, DAS, AAA, AAS */
void
emit_bcd (Translator *s, const X86Insn *insn)
{
  X86Op op = (X86Op) insn->op;
  unsigned helper = op == X86_OP_DAA ? H_daa : op == X86_OP_DAS ? H_das : op == X86_OP_AAA ? H_aaa : H_aas;
  flags_store_op (s);
  emit_call (s, helper, BP_IR_NONE, BP_IR_ENV);
  flags_dynamic (s, CC_EFLAGS);
}
