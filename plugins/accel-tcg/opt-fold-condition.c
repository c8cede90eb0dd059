/* opt-fold-condition.c -- conditions that opt_fold decides or simplifies. */
/* SPDX-License-Identifier: MIT */
#include "opt-fold.h"

/* Compares with 0 what is compared with the edge of the unsigned range. */
static void
simplify_unsigned (Folder *x, BpIrInsn *insn, BpTemp *b)
{
  BpIrCond cond = (BpIrCond) insn->cond;
  bool one = is_value (x, *b, insn->type, 1), zero = is_value (x, *b, insn->type, 0);
  if ((cond == BP_IR_LTU && one) || (cond == BP_IR_LEU && zero))
    cond = BP_IR_EQ;
  else if ((cond == BP_IR_GEU && one) || (cond == BP_IR_GTU && zero))
    cond = BP_IR_NE;
  else
    return;
  BpTemp c = fold_constant (x, (BpIrType) insn->type, 0);
  if (c == BP_IR_NONE)
    return;
  insn->cond = (uint8_t) cond;
  *b = c;
}

/* Whether what is tested by a mask is 0, and is a sum of a constant and something without bits beyond the mask: compares that. */
static bool
simplify_masked_sum (Folder *x, BpIrInsn *insn, BpTemp *a, BpTemp *b)
{
  uint64_t mask = const_value (x, *b, insn->type);
  const BpIrInsn *def = def_of (x, *a);
  if ((mask & (mask + 1)) || !def || def->op != BP_IR_add || def->type != insn->type || !is_const (x, def->a[2])
      || (ones_of (x, def->a[1], insn->type) & ~mask))
    return false;
  BpTemp c = fold_constant (x, (BpIrType) insn->type, -const_value (x, def->a[2], insn->type) & mask);
  if (c == BP_IR_NONE)
    return false;
  insn->cond = insn->cond == BP_IR_TSTEQ ? BP_IR_EQ : BP_IR_NE;
  *a = def->a[1];
  *b = c;
  return true;
}

/* Decides a condition: 0, 1, or -1 when it depends; puts a constant second and simplifies what it can. */
static int
decide (Folder *x, BpIrInsn *insn, BpTemp *a, BpTemp *b)
{
  BpIrType type = (BpIrType) insn->type;
  if (is_const (x, *a) && !is_const (x, *b)) {
    swap_temps (a, b);
    insn->cond = (uint8_t) ir_cond_swap ((BpIrCond) insn->cond);
  }
  BpIrCond cond = (BpIrCond) insn->cond;
  if (cond <= BP_IR_ALWAYS)
    return cond == BP_IR_ALWAYS;
  if (is_const (x, *a))
    return ir_cond_holds (type, cond, const_value (x, *a, type), const_value (x, *b, type));
  if (*a == *b) {
    if (cond < BP_IR_TSTEQ)
      return ir_cond_holds (type, cond, 0, 0);
    BpTemp zero = fold_constant (x, type, 0);
    if (zero != BP_IR_NONE) {
      insn->cond = cond == BP_IR_TSTEQ ? BP_IR_EQ : BP_IR_NE;
      *b = zero;
    }
    return -1;
  }
  uint64_t ones = ones_of (x, *a, type);
  if (cond >= BP_IR_TSTEQ && (ones & ones_of (x, *b, type)) == 0)
    return cond == BP_IR_TSTEQ;
  if (!is_const (x, *b))
    return -1;

  uint64_t value = const_value (x, *b, type);
  if (cond <= BP_IR_NE && (value & ~ones))
    return cond == BP_IR_NE;
  if ((cond == BP_IR_LTU || cond == BP_IR_GEU) && (ones < value || value == 0))
    return value != 0 ? cond == BP_IR_LTU : cond == BP_IR_GEU;
  if ((cond == BP_IR_LEU || cond == BP_IR_GTU) && ones <= value)
    return cond == BP_IR_LEU;
  if ((cond == BP_IR_LT || cond == BP_IR_GE) && value == 0 && !(ones >> (ir_type_bits (type) - 1)))
    return cond == BP_IR_GE;
  if (cond >= BP_IR_TSTEQ && (ones & ~value) == 0) {
    BpTemp zero = fold_constant (x, type, 0);
    if (zero != BP_IR_NONE) {
      insn->cond = cond == BP_IR_TSTEQ ? BP_IR_EQ : BP_IR_NE;
      *b = zero;
    }
    return -1;
  }
  if (cond < BP_IR_TSTEQ || !simplify_masked_sum (x, insn, a, b))
    simplify_unsigned (x, insn, b);
  return -1;
}

void
fold_setcond (Folder *x, BpIrInsn *insn)
{
  int decided = decide (x, insn, &insn->a[1], &insn->a[2]);
  if (decided >= 0)
    fold_to_const (x, insn, (uint64_t) decided);
  else if (insn->cond == BP_IR_NE && is_value (x, insn->a[2], insn->type, 0) && ones_of (x, insn->a[1], insn->type) <= 1)
    fold_to_mov (x, insn, insn->a[1]);
}

void
fold_movcond (Folder *x, BpIrInsn *insn)
{
  int decided = decide (x, insn, &insn->a[1], &insn->a[2]);
  if (decided >= 0 || insn->a[3] == insn->a[4]) {
    fold_to_mov (x, insn, insn->a[decided == 0 ? 4 : 3]);
  } else if (is_value (x, insn->a[3], insn->type, 1) && is_value (x, insn->a[4], insn->type, 0)) {
    insn->op = BP_IR_setcond;
    insn->a[3] = insn->a[4] = BP_IR_NONE;
  } else if (is_value (x, insn->a[3], insn->type, 0) && is_value (x, insn->a[4], insn->type, 1)) {
    insn->op = BP_IR_setcond;
    insn->cond = (uint8_t) ir_cond_invert ((BpIrCond) insn->cond);
    insn->a[3] = insn->a[4] = BP_IR_NONE;
  }
}

void
fold_brcond (Folder *x, BpIrInsn *insn)
{
  int decided = decide (x, insn, &insn->a[0], &insn->a[1]);
  if (decided == 0) {
    x->label_uses[insn->aux]--;
    to_nop (insn);
  } else if (decided == 1) {
    uint32_t label = insn->aux;
    to_nop (insn);
    insn->op = BP_IR_br;
    insn->type = BP_IR_I32;
    insn->cond = 0;
    insn->aux = label;
  }
}
