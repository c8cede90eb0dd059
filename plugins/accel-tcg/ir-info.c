/* ir-info.c -- the rows of ir-ops.def as data, operand types, conditions, a block's marks and recoveries. */
/* SPDX-License-Identifier: MIT */
#include "ir-info.h"
#include <string.h>

/* --- tables --------------------------------------------------------------------- */

#define END BP_IR_ATTR_END
#define SIDE BP_IR_ATTR_SIDE
#define FAULT BP_IR_ATTR_FAULT
#define TYPED BP_IR_ATTR_TYPED

const BpIrOpInfo ir_op_info[BP_IR_N_OPS] = {
#define BP_IR_OP(name, n_out, n_in, attributes, operands, meaning) \
  [BP_IR_##name] = { #name, n_out, n_in, attributes, operands, meaning },
#include <backplane/tcg/ir-ops.def>
#undef BP_IR_OP
};

#undef END
#undef SIDE
#undef FAULT
#undef TYPED

const char *const ir_cond_names[14] = {
  [BP_IR_NEVER] = "never", [BP_IR_ALWAYS] = "always",
  [BP_IR_EQ] = "eq",       [BP_IR_NE] = "ne",
  [BP_IR_LT] = "lt",       [BP_IR_GE] = "ge",
  [BP_IR_LE] = "le",       [BP_IR_GT] = "gt",
  [BP_IR_LTU] = "ltu",     [BP_IR_GEU] = "geu",
  [BP_IR_LEU] = "leu",     [BP_IR_GTU] = "gtu",
  [BP_IR_TSTEQ] = "tsteq", [BP_IR_TSTNE] = "tstne",
};

/* --- operand types ---------------------------------------------------------------- */

static BpIrType
address_type (const BpIrInsn *insn)
{
  bool wide = insn->op == BP_IR_native ? insn->aux & BP_NATIVE_MEM_ADDR64 : insn->aux & BP_MO_ADDR64;
  return wide ? BP_IR_I64 : BP_IR_I32;
}

const uint8_t ir_has_other_types[BP_IR_N_OPS] = {
  [BP_IR_ext32s] = 1, [BP_IR_ext32u] = 1, [BP_IR_trunc] = 1,
  [BP_IR_ld8u] = 1, [BP_IR_ld8s] = 1, [BP_IR_ld16u] = 1, [BP_IR_ld16s] = 1, [BP_IR_ld32u] = 1, [BP_IR_ld32s] = 1, [BP_IR_ld64] = 1,
  [BP_IR_st8] = 1, [BP_IR_st16] = 1, [BP_IR_st32] = 1, [BP_IR_st64] = 1,
  [BP_IR_gld] = 1, [BP_IR_gst] = 1, [BP_IR_gxchg] = 1, [BP_IR_gfetch_add] = 1, [BP_IR_gfetch_and] = 1, [BP_IR_gfetch_or] = 1,
  [BP_IR_gfetch_xor] = 1, [BP_IR_gcmpxchg] = 1, [BP_IR_native] = 1, [BP_IR_call] = 1, [BP_IR_record] = 1,
};

BpIrType
ir_other_operand_type (const BpIrInsn *insn, unsigned slot)
{
  BpIrType type = (BpIrType) insn->type;
  switch (insn->op) {
  case BP_IR_ext32s:
  case BP_IR_ext32u:
    return slot == 0 ? BP_IR_I64 : BP_IR_I32;
  case BP_IR_trunc:
    return slot == 0 ? BP_IR_I32 : BP_IR_I64;
  case BP_IR_ld8u:
  case BP_IR_ld8s:
  case BP_IR_ld16u:
  case BP_IR_ld16s:
  case BP_IR_ld32u:
  case BP_IR_ld32s:
  case BP_IR_st8:
  case BP_IR_st16:
  case BP_IR_st32:
    return slot == 0 ? type : BP_IR_I64;
  case BP_IR_ld64:
  case BP_IR_st64:
    return BP_IR_I64;
  case BP_IR_gld:
  case BP_IR_gst:
  case BP_IR_gxchg:
  case BP_IR_gfetch_add:
  case BP_IR_gfetch_and:
  case BP_IR_gfetch_or:
  case BP_IR_gfetch_xor:
  case BP_IR_gcmpxchg:
    return slot == 1 ? address_type (insn) : type;
  case BP_IR_native:
    if (slot == 2 && BP_NATIVE_LENGTHS_IN ((uint64_t) insn->imm))
      return BP_IR_I64;
    return slot == 3 ? address_type (insn) : slot == 1 || slot == 4 ? BP_IR_I32 : type;
  case BP_IR_record:
    return slot == 0 ? address_type (insn) : type;
  case BP_IR_call:
    return (BpIrType) (slot == 0 ? ir_helper (insn)->result_type : ir_helper (insn)->arg_type[slot - 1]);
  default:
    return type;
  }
}

bool
ir_has_suffix (BpIrOp op)
{
  switch (op) {
  case BP_IR_discard:
  case BP_IR_st8:
  case BP_IR_st16:
  case BP_IR_st32:
  case BP_IR_gst:
  case BP_IR_goto_ptr:
  case BP_IR_native:
    return true;
  default:
    return ir_op_info[op].attributes & BP_IR_ATTR_TYPED;
  }
}

BpIrType
ir_implied_type (BpIrOp op)
{
  switch (op) {
  case BP_IR_insn_start:
  case BP_IR_ext32s:
  case BP_IR_ext32u:
  case BP_IR_ld64:
  case BP_IR_st64:
    return BP_IR_I64;
  default:
    return BP_IR_I32;
  }
}

unsigned
ir_host_access_size (BpIrOp op)
{
  switch (op) {
  case BP_IR_ld8u:
  case BP_IR_ld8s:
  case BP_IR_st8:
    return BP_MO_8;
  case BP_IR_ld16u:
  case BP_IR_ld16s:
  case BP_IR_st16:
    return BP_MO_16;
  case BP_IR_ld32u:
  case BP_IR_ld32s:
  case BP_IR_st32:
    return BP_MO_32;
  default:
    return BP_MO_64;
  }
}

/* --- conditions --------------------------------------------------------------------- */

BpIrCond
ir_cond_swap (BpIrCond cond)
{
  static const uint8_t swapped[14] = {
    BP_IR_NEVER, BP_IR_ALWAYS, BP_IR_EQ, BP_IR_NE, BP_IR_GT, BP_IR_LE, BP_IR_GE, BP_IR_LT,
    BP_IR_GTU, BP_IR_LEU, BP_IR_GEU, BP_IR_LTU, BP_IR_TSTEQ, BP_IR_TSTNE,
  };
  return (BpIrCond) swapped[cond];
}

/* --- values ------------------------------------------------------------------------ */

static uint64_t
sign_extend (uint64_t value, unsigned bits)
{
  return (uint64_t) ((int64_t) (value << (64 - bits)) >> (64 - bits));
}

bool
ir_compute (const BpIrInsn *insn, uint64_t a, uint64_t b, uint64_t c, uint64_t *value)
{
  unsigned bits = ir_type_bits (insn->type), count = (unsigned) b & (bits - 1);
  unsigned pos = insn->aux & 0xff, len = insn->aux >> 8 & 0xff;
  switch (insn->op) {
  case BP_IR_add: *value = a + b; return true;
  case BP_IR_sub: *value = a - b; return true;
  case BP_IR_addc: *value = a + b + c; return true;
  case BP_IR_subb: *value = a - b - c; return true;
  case BP_IR_mul: *value = a * b; return true;
  case BP_IR_and: *value = a & b; return true;
  case BP_IR_or: *value = a | b; return true;
  case BP_IR_xor: *value = a ^ b; return true;
  case BP_IR_andc: *value = a & ~b; return true;
  case BP_IR_neg: *value = -a; return true;
  case BP_IR_not: *value = ~a; return true;
  case BP_IR_shl: *value = a << count; return true;
  case BP_IR_shr: *value = a >> count; return true;
  case BP_IR_sar: *value = (uint64_t) ((int64_t) sign_extend (a, bits) >> count); return true;
  case BP_IR_rotl: *value = count == 0 ? a : a << count | a >> (bits - count); return true;
  case BP_IR_rotr: *value = count == 0 ? a : a >> count | a << (bits - count); return true;
  case BP_IR_clz: *value = a == 0 ? b : (uint64_t) __builtin_clzll (a) - (64 - bits); return true;
  case BP_IR_ctz: *value = a == 0 ? b : (uint64_t) __builtin_ctzll (a); return true;
  case BP_IR_popcnt: *value = (uint64_t) __builtin_popcountll (a); return true;
  case BP_IR_bswap: *value = __builtin_bswap64 (a) >> (64 - bits); return true;
  case BP_IR_ext8s: *value = sign_extend (a, 8); return true;
  case BP_IR_ext8u: *value = a & 0xff; return true;
  case BP_IR_ext16s: *value = sign_extend (a, 16); return true;
  case BP_IR_ext16u: *value = a & 0xffff; return true;
  case BP_IR_ext32s: *value = sign_extend (a, 32); return true;
  case BP_IR_ext32u: *value = a; return true;
  case BP_IR_trunc: *value = a; return true;
  case BP_IR_deposit:
    *value = (a & ~(ir_low_mask (len) << pos)) | (b & ir_low_mask (len)) << pos;
    return true;
  case BP_IR_extract: *value = a >> pos & ir_low_mask (len); return true;
  case BP_IR_sextract: *value = sign_extend (a >> pos, len); return true;
  case BP_IR_setcond:
    *value = ir_cond_holds ((BpIrType) insn->type, (BpIrCond) insn->cond, a, b);
    return true;
  default: return false;
  }
}

/* --- marks --------------------------------------------------------------------------- */

int
tb_insn_at (const Tb *tb, const uint8_t *pc)
{
  if (pc < tb->code || pc > tb->code + tb->code_size)
    return -1;
  uint32_t offset = (uint32_t) (pc - tb->code), low = 0, high = tb->n_marks;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (tb->marks[middle].offset <= offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low == 0 ? -1 : (int) tb->marks[low - 1].insn;
}

/* --- recoveries ------------------------------------------------------------------------ */

static uint64_t
recovery_operand (const TbRecovery *r, unsigned i, const uint8_t *env)
{
  TbOperand from = r->from[i];
  uint64_t whole;
  uint32_t half;
  if (from.is_value)
    return (uint64_t) (int64_t) r->value & ir_type_mask (r->type);
  memcpy (&half, env + from.offset, sizeof half);
  if (!from.is_wide)
    return half;
  memcpy (&whole, env + from.offset, sizeof whole);
  return whole & ir_type_mask (r->type);
}

static void
do_recovery (const TbRecovery *r, uint8_t *env)
{
  BpIrInsn insn = { .op = r->op, .type = r->type, .aux = r->aux };
  unsigned n_in = ir_op_info[r->op].n_in;
  uint64_t a = recovery_operand (r, 0, env), b = n_in > 1 ? recovery_operand (r, 1, env) : 0, value = a;
  if (r->op != BP_IR_mov)
    ir_compute (&insn, a, b, 0, &value);
  value &= ir_type_mask (r->type);
  uint32_t half = (uint32_t) value;
  if (r->to.is_wide)
    memcpy (env + r->to.offset, &value, sizeof value);
  else
    memcpy (env + r->to.offset, &half, sizeof half);
}

void
tb_recover (const Tb *tb, int insn, void *env)
{
  for (uint32_t i = 0; i < tb->n_recoveries; i++)
    if (tb->recoveries[i].first <= insn && insn <= tb->recoveries[i].last)
      do_recovery (&tb->recoveries[i], env);
}
