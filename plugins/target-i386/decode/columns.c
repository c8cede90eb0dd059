/* columns.c -- what a row says besides its operands: sizes, flags, condition, repetition, alignment. */
/* SPDX-License-Identifier: MIT */

#include "row.h"

/* --- effective sizes ------------------------------------------------------------------------------------ */

uint8_t
x86_adsize (const X86Insn *insn)
{
  bool toggled = insn->prefixes & X86_PREFIX_ADSIZE;
  switch (insn->mode) {
  case X86_MODE_16: return toggled ? 4 : 2;
  case X86_MODE_32: return toggled ? 2 : 4;
  default: return toggled ? 4 : 8;
  }
}

uint8_t
x86_opsize (const X86Insn *insn, const Row *row)
{
  bool toggled = insn->prefixes & X86_PREFIX_OPSIZE;
  if (insn->vex.present) {
    bool by_w = row->vex_w == VEX_W_SIZE;
    return by_w && insn->mode == X86_MODE_64 && insn->vex.W ? 8 : 4;
  }
  if (insn->mode == X86_MODE_16) {
    return toggled ? 4 : 2;
  }
  if (insn->mode == X86_MODE_32) {
    return toggled ? 2 : 4;
  }
  if ((row->columns & COLUMN_F64) || (insn->rex & 8)) {
    return 8;
  }
  if (toggled) {
    return 2;
  }
  return row->columns & COLUMN_D64 ? 8 : 4;
}

uint16_t
x86_size_of (const X86Insn *insn, Size size)
{
  bool is_64 = insn->mode == X86_MODE_64;
  uint16_t vector = insn->vex.L ? 32 : 16;
  switch (size) {
  case SIZE_b: return 1;
  case SIZE_w: return 2;
  case SIZE_d: return 4;
  case SIZE_q: return 8;
  case SIZE_dq: return 16;
  case SIZE_t: return 10;
  case SIZE_x: return vector;
  case SIZE_x2: return vector / 2;
  case SIZE_x4: return vector / 4;
  case SIZE_x8: return vector / 8;
  case SIZE_dd: return insn->vex.L ? 32 : 8;
  case SIZE_v: return insn->opsize;
  case SIZE_z: return insn->opsize == 2 ? 2 : 4;
  case SIZE_y: return insn->opsize == 8 ? 8 : 4;
  case SIZE_n: return is_64 ? 8 : 4;
  case SIZE_p: return insn->opsize + 2;
  case SIZE_a: return 2 * insn->opsize;
  case SIZE_s: return is_64 ? 10 : 6;
  case SIZE_env: return insn->opsize == 2 ? 14 : 28;
  case SIZE_save: return insn->opsize == 2 ? 94 : 108;
  case SIZE_fx: return 512;
  case SIZE_xs: return 576;
  default: return 0;
  }
}

/* --- flags, repetition, alignment ----------------------------------------------------------------------- */

static const uint32_t flags_of_condition[8] = {
  X86_FL_OF, X86_FL_CF, X86_FL_ZF, X86_FL_CF | X86_FL_ZF, X86_FL_SF, X86_FL_PF, X86_FL_SF | X86_FL_OF,
  X86_FL_ZF | X86_FL_SF | X86_FL_OF
};

static void
set_condition (X86Insn *insn, const Row *row)
{
  switch (insn->op) {
  case X86_OP_FCMOVB: insn->cond = X86_COND_B; break;
  case X86_OP_FCMOVE: insn->cond = X86_COND_Z; break;
  case X86_OP_FCMOVBE: insn->cond = X86_COND_BE; break;
  case X86_OP_FCMOVU: insn->cond = X86_COND_P; break;
  case X86_OP_FCMOVNB: insn->cond = X86_COND_NB; break;
  case X86_OP_FCMOVNE: insn->cond = X86_COND_NZ; break;
  case X86_OP_FCMOVNBE: insn->cond = X86_COND_NBE; break;
  case X86_OP_FCMOVNU: insn->cond = X86_COND_NP; break;
  default: insn->cond = row->columns & COLUMN_CC ? insn->opcode & 15 : 0; break;
  }
  if (row->flags == FLAGS_cc) {
    insn->flags_read = flags_of_condition[insn->cond >> 1];
  }
}

static void
make_undefined (X86Insn *insn, uint32_t flags)
{
  insn->flags_undefined |= flags;
  insn->flags_written &= ~flags;
}

/* Shifts and rotates by an immediate: what is defined depends on the masked count. */
static void
refine_immediate_count (X86Insn *insn, FlagEffect effect)
{
  unsigned size = insn->operand[0].size;
  unsigned count = insn->imm8 & (size == 8 ? 63 : 31);
  if (count == 0) {
    insn->flags_read = insn->flags_written = insn->flags_undefined = 0;
    return;
  }
  if (count > 1) {
    make_undefined (insn, X86_FL_OF);
  }
  if (effect == FLAGS_shifti && insn->op != X86_OP_SAR && count >= 8 * size) {
    make_undefined (insn, X86_FL_CF);
  }
  if (effect == FLAGS_shdi && count > 8 * size) {
    make_undefined (insn, X86_FL_ARITH);
  }
}

static void
set_flags (X86Insn *insn, const Row *row)
{
  const FlagInfo *info = &x86_flag_info[row->flags];
  insn->flags_read = info->read;
  insn->flags_written = info->written;
  insn->flags_undefined = info->undefined;
  insn->flags_varying = info->varying;
  switch (row->flags) {
  case FLAGS_shifti:
  case FLAGS_roti:
  case FLAGS_rci:
  case FLAGS_shdi: refine_immediate_count (insn, row->flags); break;
  case FLAGS_shiftc:
    if (insn->operand[0].size < 4 && insn->op != X86_OP_SAR) {
      insn->flags_varying |= X86_FL_CF;
    }
    break;
  case FLAGS_shdc:
    if (insn->operand[0].size == 2) {
      insn->flags_varying = insn->flags_written;
    }
    break;
  default: break;
  }
}

static void
set_rep (X86Insn *insn, const Row *row, uint8_t last_rep)
{
  if (!last_rep) {
    return;
  }
  if (row->columns & COLUMN_REP) {
    insn->rep = X86_REP_PLAIN;
  } else if (row->columns & COLUMN_REP_CC) {
    insn->rep = last_rep == 0xf3 ? X86_REP_E : X86_REP_NE;
    insn->attributes |= X86_A_FLAGS_KEEP;
  }
}

static void
set_alignment (X86Insn *insn, const Row *row)
{
  if (insn->mem_operand < 0) {
    return;
  }
  uint16_t size = insn->operand[insn->mem_operand].size;
  if (row->columns & (COLUMN_ALIGN16 | COLUMN_ALIGN64)) {
    insn->mem_align = row->columns & COLUMN_ALIGN64 ? 64 : 16;
  } else if (insn->vex.present) {
    insn->mem_align = row->columns & COLUMN_ALIGNED ? size : 0;
    insn->attributes |= size >= 16 && !insn->mem_align ? X86_A_UNALIGNED : 0;
  } else {
    insn->mem_align = size == 16 && !(row->columns & X86_A_UNALIGNED) ? 16 : 0;
  }
}

void
x86_set_columns (X86Insn *insn, const Row *row, uint8_t last_rep)
{
  insn->branch = (row->columns >> COLUMN_BRANCH_SHIFT) & 15;
  insn->unit = (row->columns >> COLUMN_UNIT_SHIFT) & 15;
  insn->feature = row->columns >> COLUMN_FEATURE_SHIFT;
  insn->attributes |= (uint32_t) row->columns;
  if (insn->vex.present) {
    insn->unit = insn->unit == X86_UNIT_SSE ? X86_UNIT_AVX : insn->unit;
    insn->feature = row->vex[insn->vex.L];
    insn->attributes |= X86_A_PMODE_ONLY;
  }
  set_flags (insn, row);
  set_condition (insn, row);
  set_rep (insn, row, last_rep);
  set_alignment (insn, row);
}

/* --- the same bytes on a lesser processor --------------------------------------------------------------- */

static bool
become_scan (X86Insn *insn, X86Op op)
{
  const FlagInfo *info = &x86_flag_info[FLAGS_scan];
  insn->op = op;
  insn->feature = X86_FEATURE_NONE;
  insn->mandatory = 0;
  insn->operand[0].access = X86_ACCESS_RW;
  insn->flags_written = info->written;
  insn->flags_undefined = info->undefined;
  return true;
}

bool
x86_insn_without_feature (X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_LZCNT: return become_scan (insn, X86_OP_BSR);
  case X86_OP_TZCNT: return become_scan (insn, X86_OP_BSF);
  case X86_OP_PREFETCHNTA:
  case X86_OP_PREFETCHT0:
  case X86_OP_PREFETCHT1:
  case X86_OP_PREFETCHT2:
  case X86_OP_PREFETCHW:
    insn->op = X86_OP_NOP;
    insn->feature = X86_FEATURE_HINT_NOP;
    return true;
  default: return false;
  }
}
