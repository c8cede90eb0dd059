/* move.c -- moves, extensions, exchanges, conditions as values, single flags. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

void
emit_mov (Translator *s, const X86Insn *insn)
{
  const X86Operand *dst = &insn->operand[0];
  if (is_mem (insn, 1) && dst->size >= 4) {     /* straight into the register */
    BpTemp linear = operand_linear (s, insn, 1);
    bp_ir_gld (s->b, op_type (dst->size), gpr (dst->reg), linear, memop (s, dst->size));
    gpr_changed (s, dst->reg);
    return;
  }
  set_operand (s, insn, 0, operand (s, insn, 1));
}

void emit_movzx (Translator *s, const X86Insn *insn) { set_operand (s, insn, 0, operand_zx (s, insn, 1)); }

/* MOVSXD too, which with 32-bit operands is a move. */
void
emit_movsx (Translator *s, const X86Insn *insn)
{
  const X86Operand *src = &insn->operand[1];
  if (insn->operand[0].size < 8)
    set_operand (s, insn, 0, operand_sx (s, insn, 1));
  else if (is_mem (insn, 1))
    set_operand (s, insn, 0, emit_load_signed (s, operand_linear (s, insn, 1), src->size, 8));
  else
    set_operand (s, insn, 0, sx64 (s, operand (s, insn, 1), src->size));
}

static BpTemp
swapped (Translator *s, BpTemp x, unsigned size)
{
  BpTemp r = unary (s, size, BP_IR_bswap, x);
  return size == 2 ? op3i (s, BP_IR_shr, r, 16) : r;
}

void
emit_movbe (Translator *s, const X86Insn *insn)
{
  set_operand (s, insn, 0, swapped (s, operand (s, insn, 1), insn->operand[0].size));
}

/* Of 16 bits the manual leaves the result undefined; processors give 0. */
void
emit_bswap (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  set_operand (s, insn, 0, size == 2 ? i32 (s, 0) : unary (s, size, BP_IR_bswap, operand (s, insn, 0)));
}

void
emit_lea (Translator *s, const X86Insn *insn)
{
  set_operand (s, insn, 0, emit_offset (s, &insn->operand[1].mem));
}

/* With memory it is atomic, LOCK or not. */
void
emit_xchg (Translator *s, const X86Insn *insn)
{
  if (x86_insn_is_marker (insn)) {
    emit_marker (s);
    return;
  }
  unsigned m = is_mem (insn, 0) ? 0 : 1, r = 1 - m, size = insn->operand[m].size;
  BpTemp value = operand (s, insn, r), old;
  if (is_mem (insn, m)) {
    BpTemp linear = operand_linear (s, insn, m);
    old = local_for (s, size);
    bp_ir_gatomic (s->b, BP_IR_gxchg, op_type (size), old, linear, value, memop (s, size));
    set_operand (s, insn, r, old);
    return;
  }
  value = copy_of (s, value, size);
  old = copy_of (s, operand (s, insn, m), size);
  set_operand (s, insn, m, value);
  set_operand (s, insn, r, old);
}

void
emit_setcc (Translator *s, const X86Insn *insn)
{
  set_operand (s, insn, 0, flags_setcond (s, insn->cond, !is_mem (insn, 0)));
}

/* The source is read, and faults, whatever the condition. */
void
emit_cmovcc (Translator *s, const X86Insn *insn)
{
  BpTemp src = operand (s, insn, 1);
  Compare c = flags_condition (s, insn->cond, true);
  set_operand (s, insn, 0, movcond_of (s, insn->operand[0].size, c, src, operand (s, insn, 0)));
}

/* [rBX + AL] */
void
emit_xlat (Translator *s, const X86Insn *insn)
{
  const X86Operand *table = &insn->operand[0];
  BpTemp offset = add_offset (s, table->mem.adsize, gpr (X86_RBX), zx (s, gpr (X86_RAX), 1));
  BpTemp linear = emit_linear (s, table->mem.seg, offset, table->mem.adsize, 1, X86_ACCESS_R);
  write_gpr (s, X86_RAX, 1, false, emit_load (s, linear, 1));
}

void
emit_cbw (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->opsize;
  BpTemp half = size == 8 ? sx64 (s, gpr (X86_RAX), 4) : sx (s, gpr (X86_RAX), size / 2);
  write_gpr (s, X86_RAX, size, false, half);
}

void
emit_cwd (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->opsize;
  BpTemp value = sx (s, gpr (X86_RAX), size);
  write_gpr (s, X86_RDX, size, false, binary_imm (s, size, BP_IR_sar, value, size == 8 ? 63 : 31));
}

void
emit_nop (Translator *s, const X86Insn *insn)
{
}

/* --- single flags ----------------------------------------------------------------------------- */

/* CLC, STC, CMC */
void
emit_flag_carry (Translator *s, const X86Insn *insn)
{
  static const struct { uint16_t op; BpIrOp how; uint32_t mask; } rows[] = {
    { X86_OP_CLC, BP_IR_and, ~(uint32_t) X86_FL_CF },
    { X86_OP_STC, BP_IR_or, X86_FL_CF },
    { X86_OP_CMC, BP_IR_xor, X86_FL_CF }
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++)
    if (insn->op == rows[i].op)
      flags_set_eflags (s, op3i (s, rows[i].how, flags_value (s), rows[i].mask));
}

/* CLD, STD */
void
emit_direction (Translator *s, const X86Insn *insn)
{
  SET_ENV32 (s, df, i32 (s, insn->op == X86_OP_STD ? (uint32_t) -1 : 1));
}

#define FLAGS_OF_AH (X86_FL_CF | X86_FL_PF | X86_FL_AF | X86_FL_ZF | X86_FL_SF)

void
emit_lahf (Translator *s, const X86Insn *insn)
{
  flags_materialize (s);
  write_gpr (s, X86_RAX, 1, true, op3i (s, BP_IR_or, flags_value (s), 2));
}

void
emit_sahf (Translator *s, const X86Insn *insn)
{
  BpTemp overflow = op3i (s, BP_IR_shl, flags_setcond (s, X86_COND_O, false), 11);
  BpTemp rest = op3i (s, BP_IR_and, extract (s, gpr (X86_RAX), 8, 8), FLAGS_OF_AH);
  flags_set_eflags (s, op3 (s, BP_IR_or, rest, overflow));
}

void
emit_salc (Translator *s, const X86Insn *insn)
{
  write_gpr (s, X86_RAX, 1, false, op2 (s, BP_IR_neg, flags_carry (s)));
}
