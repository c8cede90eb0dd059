/* opt-fold-rewrite.c -- what opt_fold's rules end in: an insn becomes a move or a constant. */
/* SPDX-License-Identifier: MIT */
#include "opt-fold.h"

BpTemp
fold_constant (Folder *x, BpIrType type, uint64_t value)
{
  int64_t stored = type == BP_IR_I32 ? (int32_t) value : (int64_t) value;
  BpTemp *recent = &x->recent[(value ^ value >> 5) % G_N_ELEMENTS (x->recent)];
  const BpIrTemp *t = &x->ir->temps[*recent];
  if (t->kind == BP_IR_TEMP_CONST && t->type == type && t->value == stored)
    return *recent;
  if (x->ir->n_temps >= x->max_temps)
    return BP_IR_NONE;
  memset (&x->known[x->ir->n_temps], 0, sizeof *x->known);
  return *recent = bp_ir_temp_add (x->ir, BP_IR_TEMP_CONST, type, stored);
}

void
fold_to_mov (const Folder *x, BpIrInsn *insn, BpTemp source)
{
  BpTemp dst = insn->a[0];
  BpIrType width = ir_operand_type (insn, 0);
  to_nop (insn);
  insn->type = (uint8_t) width;
  if (dst == source && (width == x->ir->temps[dst].type || !(ones_of (x, dst, BP_IR_I64) >> 32)))
    return;
  insn->op = BP_IR_mov;
  insn->aux = 0;
  insn->a[0] = dst;
  insn->a[1] = source;
}

void
fold_to_const (Folder *x, BpIrInsn *insn, uint64_t value)
{
  BpTemp c = fold_constant (x, ir_operand_type (insn, 0), value);
  if (c != BP_IR_NONE)
    fold_to_mov (x, insn, c);
}
