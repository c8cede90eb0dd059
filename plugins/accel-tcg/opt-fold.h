/* opt-fold.h -- what the parts of opt_fold share: what is known of temps, and how an insn is rewritten. */
/* SPDX-License-Identifier: MIT */
#ifndef ACCEL_TCG_OPT_FOLD_H
#define ACCEL_TCG_OPT_FOLD_H

#include "ir-info.h"
#include <string.h>

typedef struct Known {
  uint64_t ones;                /* the bits that may be 1 */
  uint32_t epoch;               /* the stretch that the rest was learnt in */
  uint32_t version;
  uint32_t def;                 /* 1 + the insn that wrote it, 0 when unknown */
  uint32_t def_version;         /* of that insn's first input, when it ran */
  uint32_t copy_version;
  BpTemp copy;                  /* a temp that held the same value, or NONE */
  uint8_t copy_width;           /* BpIrType: as far as that many bits go */
  uint8_t reserved;
} Known;

typedef struct Folder {
  BpIrBlock *ir;
  Known *known;
  uint32_t *label_uses;
  uint32_t epoch;
  uint32_t max_temps;           /* entries of known */
  uint32_t n;                   /* insns kept so far: the next is written there */
  BpTemp recent[32];            /* constants made lately, by their low bits */
} Folder;

static inline bool
is_const (const Folder *x, BpTemp temp)
{
  return x->ir->temps[temp].kind == BP_IR_TEMP_CONST;
}

/* A constant's value as an insn of that width reads it, zero-extended. */
static inline uint64_t
const_value (const Folder *x, BpTemp temp, unsigned width)
{
  return ir_const_bits (&x->ir->temps[temp], (BpIrType) width);
}

static inline bool
is_value (const Folder *x, BpTemp temp, unsigned width, uint64_t value)
{
  return is_const (x, temp) && const_value (x, temp, width) == value;
}

/* The bits that may be 1 in what an insn of that width reads. */
static inline uint64_t
ones_of (const Folder *x, BpTemp temp, unsigned width)
{
  const BpIrTemp *t = &x->ir->temps[temp];
  if (t->kind == BP_IR_TEMP_CONST)
    return const_value (x, temp, width);
  return ir_type_mask (width) & (x->known[temp].epoch == x->epoch ? x->known[temp].ones : ir_type_mask (t->type));
}

/* The insn that made the temp's value, if its first input still holds what it held then. */
static inline const BpIrInsn *
def_of (const Folder *x, BpTemp temp)
{
  const Known *k = &x->known[temp];
  if (x->ir->temps[temp].kind == BP_IR_TEMP_CONST || k->epoch != x->epoch || k->def == 0)
    return NULL;
  const BpIrInsn *def = &x->ir->insns[k->def - 1];
  return x->known[def->a[1]].version == k->def_version ? def : NULL;
}

static inline void
to_nop (BpIrInsn *insn)
{
  insn->op = BP_IR_nop;
  memset (insn->a, 0xff, sizeof insn->a);
}

static inline void
swap_temps (BpTemp *a, BpTemp *b)
{
  BpTemp t = *a;
  *a = *b;
  *b = t;
}

/* opt-fold-rewrite.c */
/* A constant; NONE when the block has too many temps.  Equal ones need not be one temp: seeking them would cost more. */
BpTemp fold_constant (Folder *x, BpIrType type, uint64_t value);
void fold_to_mov (const Folder *x, BpIrInsn *insn, BpTemp source);      /* as wide as the result was */
void fold_to_const (Folder *x, BpIrInsn *insn, uint64_t value);
/* opt-fold-condition.c */
void fold_setcond (Folder *x, BpIrInsn *insn);
void fold_movcond (Folder *x, BpIrInsn *insn);
void fold_brcond (Folder *x, BpIrInsn *insn);

#endif
