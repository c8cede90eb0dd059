/* ir-info.h -- what the passes over the IR ask about an insn: operand types, conditions. */
/* SPDX-License-Identifier: MIT */
#ifndef ACCEL_TCG_IR_INFO_H
#define ACCEL_TCG_IR_INFO_H

#include "backend.h"

/* How many of a[] the op uses, outputs and inputs together. */
static inline unsigned
ir_n_operands (const BpIrInsn *insn)
{
  return ir_op_info[insn->op].n_out + ir_op_info[insn->op].n_in;
}

/* How wide the insn reads or writes a[slot]: I64 needs an i64 temp; I32 is the low half of any temp, and zero-extends when it is
 * written to an i64 one.  For calls imm must be a helper. */
BpIrType ir_other_operand_type (const BpIrInsn *insn, unsigned slot);
extern const uint8_t ir_has_other_types[BP_IR_N_OPS];   /* not all operands are of the insn's type */
static inline BpIrType
ir_operand_type (const BpIrInsn *insn, unsigned slot)
{
  return ir_has_other_types[insn->op] ? ir_other_operand_type (insn, slot) : (BpIrType) insn->type;
}

/* Whether the text form needs a type suffix to know the operands' types. */
bool ir_has_suffix (BpIrOp op);

/* The insn->type that the builders give to ops whose types are all implied. */
BpIrType ir_implied_type (BpIrOp op);

static inline bool
ir_is_exit (unsigned op)
{
  return op >= BP_IR_goto_tb && op <= BP_IR_goto_any;
}

static inline bool
ir_op_is_host_load (unsigned op)
{
  return op >= BP_IR_ld8u && op <= BP_IR_ld64;
}

static inline bool
ir_op_is_host_store (unsigned op)
{
  return op >= BP_IR_st8 && op <= BP_IR_st64;
}

static inline bool
ir_op_is_guest_access (unsigned op)
{
  return op >= BP_IR_gld && op <= BP_IR_gcmpxchg;
}

/* log2 of the bytes that a host load or store touches. */
unsigned ir_host_access_size (BpIrOp op);

static inline const BpIrHelper *
ir_helper (const BpIrInsn *insn)
{
  return (const BpIrHelper *) (intptr_t) insn->imm;
}

/* The value of an op with one output and up to three constant inputs (zero-extended to 64 bits); false for an
 * op that is no function of values alone.  Bits above the type are garbage. */
bool ir_compute (const BpIrInsn *insn, uint64_t a, uint64_t b, uint64_t c, uint64_t *value);

/* What an insn that reads `width` bits of a constant finds there, zero-extended. */
static inline uint64_t
ir_const_bits (const BpIrTemp *t, BpIrType width)
{
  return width == BP_IR_I64 ? (uint64_t) t->value : (uint32_t) t->value;
}

static inline uint64_t
ir_type_mask (unsigned type)
{
  return type == BP_IR_I64 ? ~(uint64_t) 0 : 0xffffffffu;
}

static inline unsigned
ir_type_bits (unsigned type)
{
  return type == BP_IR_I64 ? 64 : 32;
}

static inline uint64_t
ir_low_mask (unsigned len)
{
  return len >= 64 ? ~(uint64_t) 0 : ((uint64_t) 1 << len) - 1;
}

/* The same test with its operands exchanged: a cond b == b swapped a. */
BpIrCond ir_cond_swap (BpIrCond cond);

static inline BpIrCond
ir_cond_invert (BpIrCond cond)
{
  return (BpIrCond) (cond ^ 1);
}

/* a cond b on values of the given type; bits above an i32 are ignored. */
static inline bool
ir_cond_holds (BpIrType type, BpIrCond cond, uint64_t a, uint64_t b)
{
  int64_t x = (int64_t) a, y = (int64_t) b;
  if (type == BP_IR_I32) {
    x = (int32_t) a, y = (int32_t) b;
    a = (uint32_t) a, b = (uint32_t) b;
  }
  switch (cond) {
  case BP_IR_NEVER: return false;
  case BP_IR_ALWAYS: return true;
  case BP_IR_EQ: return a == b;
  case BP_IR_NE: return a != b;
  case BP_IR_LT: return x < y;
  case BP_IR_GE: return x >= y;
  case BP_IR_LE: return x <= y;
  case BP_IR_GT: return x > y;
  case BP_IR_LTU: return a < b;
  case BP_IR_GEU: return a >= b;
  case BP_IR_LEU: return a <= b;
  case BP_IR_GTU: return a > b;
  case BP_IR_TSTEQ: return (a & b) == 0;
  case BP_IR_TSTNE: return (a & b) != 0;
  }
  return false;
}

/* Whether control never reaches the insn after this one. */
static inline bool
ir_ends_flow (const BpIrInsn *insn)
{
  switch (insn->op) {
  case BP_IR_br:
  case BP_IR_exit_tb:
  case BP_IR_goto_ptr:
  case BP_IR_goto_any:
    return true;
  case BP_IR_call:
    return (ir_helper (insn)->flags & BP_HELPER_NO_RETURN) != 0;
  default:
    return false;
  }
}

#endif
