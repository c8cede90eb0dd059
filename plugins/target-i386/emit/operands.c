/* operands.c -- registers, immediates and memory as operands: reading, writing, widths. */
/* SPDX-License-Identifier: MIT */

#include <stdarg.h>

#include "translate.h"

/* --- small words ------------------------------------------------------------------------------ */

BpTemp
local_for (Translator *s, unsigned size)
{
  return size == 8 ? local64 (s) : local (s);
}

BpTemp
constant (Translator *s, unsigned size, uint64_t value)
{
  return size == 8 ? i64 (s, value) : i32 (s, (uint32_t) value);
}

BpTemp
unary (Translator *s, unsigned size, BpIrOp op, BpTemp x)
{
  BpTemp r = local_for (s, size);
  bp_ir_op2 (s->b, op, op_type (size), r, x);
  return r;
}

BpTemp
binary (Translator *s, unsigned size, BpIrOp op, BpTemp x, BpTemp y)
{
  BpTemp r = local_for (s, size);
  bp_ir_op3 (s->b, op, op_type (size), r, x, y);
  return r;
}

BpTemp
binary_imm (Translator *s, unsigned size, BpIrOp op, BpTemp x, uint64_t y)
{
  return binary (s, size, op, x, constant (s, size, y));
}

BpTemp
op2 (Translator *s, BpIrOp op, BpTemp x)
{
  return unary (s, 4, op, x);
}

BpTemp
op3 (Translator *s, BpIrOp op, BpTemp x, BpTemp y)
{
  return binary (s, 4, op, x, y);
}

BpTemp
op3i (Translator *s, BpIrOp op, BpTemp x, uint32_t y)
{
  return binary_imm (s, 4, op, x, y);
}

static bool
is_const (const Translator *s, BpTemp x)
{
  return s->b->temps[x].kind == BP_IR_TEMP_CONST;
}

/* An i32 constant or local where an i64 is needed. */
static BpTemp
wide (Translator *s, BpTemp x)
{
  const BpIrTemp *t = &s->b->temps[x];
  if (t->type == BP_IR_I64)
    return x;
  if (t->kind == BP_IR_TEMP_CONST)
    return i64 (s, (uint32_t) t->value);
  BpTemp r = local64 (s);
  bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, r, x);
  return r;
}

void
set (Translator *s, unsigned size, BpTemp dst, BpTemp src)
{
  if (size == 8)
    bp_ir_mov (s->b, BP_IR_I64, dst, wide (s, src));
  else if (dst != src)
    bp_ir_mov (s->b, BP_IR_I32, dst, src);
  else if (s->is_64)            /* not nothing: the upper half becomes 0 */
    bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, dst, src);
}

BpTemp
zx (Translator *s, BpTemp x, unsigned size)
{
  if (size >= 4)
    return x;
  if (is_const (s, x))
    return i32 (s, (uint32_t) (s->b->temps[x].value & size_mask (size)));
  return op2 (s, size == 1 ? BP_IR_ext8u : BP_IR_ext16u, x);
}

BpTemp
sx (Translator *s, BpTemp x, unsigned size)
{
  if (size >= 4)
    return x;
  if (is_const (s, x)) {
    int64_t v = s->b->temps[x].value;
    return i32 (s, (uint32_t) (size == 1 ? (int8_t) v : (int16_t) v));
  }
  return op2 (s, size == 1 ? BP_IR_ext8s : BP_IR_ext16s, x);
}

BpTemp
zx64 (Translator *s, BpTemp x, unsigned size)
{
  if (size == 8)
    return wide (s, x);
  if (is_const (s, x))
    return i64 (s, (uint64_t) s->b->temps[x].value & size_mask (size));
  BpTemp r = local64 (s);
  if (size == 4)
    bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, r, x);
  else
    bp_ir_op2 (s->b, size == 1 ? BP_IR_ext8u : BP_IR_ext16u, BP_IR_I32, r, x);
  return r;
}

BpTemp
sx64 (Translator *s, BpTemp x, unsigned size)
{
  if (size == 8)
    return wide (s, x);
  if (is_const (s, x))
    return i64 (s, (uint64_t) (int32_t) s->b->temps[sx (s, x, size)].value);
  BpTemp r = local64 (s);
  if (size == 4)
    bp_ir_op2 (s->b, BP_IR_ext32s, BP_IR_I64, r, x);
  else
    bp_ir_op2 (s->b, size == 1 ? BP_IR_ext8s : BP_IR_ext16s, BP_IR_I64, r, x);
  return r;
}

BpTemp
copy_of (Translator *s, BpTemp x, unsigned size)
{
  BpTemp r = local_for (s, size);
  set (s, size, r, x);
  return r;
}

BpTemp
copy (Translator *s, BpTemp x)
{
  return copy_of (s, x, 4);
}

BpTemp
extract (Translator *s, BpTemp x, unsigned pos, unsigned len)
{
  BpTemp r = local (s);
  bp_ir_field (s->b, BP_IR_extract, BP_IR_I32, r, x, pos, len);
  return r;
}

BpTemp
bit_of (Translator *s, BpTemp x, unsigned size, unsigned pos)
{
  BpTemp r = local_for (s, size);
  bp_ir_field (s->b, BP_IR_extract, op_type (size), r, x, pos, 1);
  return r;
}

BpTemp
load_env32 (Translator *s, size_t offset)
{
  BpTemp r = local (s);
  bp_ir_ld (s->b, BP_IR_ld32u, BP_IR_I32, r, BP_IR_ENV, (int64_t) offset);
  return r;
}

void
store_env32 (Translator *s, size_t offset, BpTemp value)
{
  bp_ir_st (s->b, BP_IR_st32, value, BP_IR_ENV, (int64_t) offset);
}

BpTemp
load_env64 (Translator *s, size_t offset)
{
  BpTemp r = local64 (s);
  bp_ir_ld (s->b, BP_IR_ld64, BP_IR_I64, r, BP_IR_ENV, (int64_t) offset);
  return r;
}

void
store_env64 (Translator *s, size_t offset, BpTemp value)
{
  bp_ir_st (s->b, BP_IR_st64, wide (s, value), BP_IR_ENV, (int64_t) offset);
}

/* --- general registers ------------------------------------------------------------------------ */

BpTemp
read_gpr (Translator *s, unsigned reg, unsigned size, bool high)
{
  return high ? extract (s, gpr (reg), 8, 8) : gpr (reg);
}

void
gpr_changed (Translator *s, unsigned reg)
{
  s->version[reg]++;
}

/* a helper may have written any */
static void
all_gprs_changed (Translator *s)
{
  for (unsigned reg = 0; reg < G_N_ELEMENTS (s->version); reg++)
    s->version[reg]++;
}

void
write_gpr (Translator *s, unsigned reg, unsigned size, bool high, BpTemp value)
{
  if (size >= 4)
    set (s, size, gpr (reg), value);
  else
    bp_ir_deposit (s->b, s->word, gpr (reg), gpr (reg), s->is_64 ? wide (s, value) : value, high ? 8 : 0, 8 * size);
  gpr_changed (s, reg);
}

/* --- operands of an instruction --------------------------------------------------------------- */

bool
is_mem (const X86Insn *insn, unsigned i)
{
  return insn->operand[i].kind == X86_OPERAND_MEM;
}

bool
same_register (const X86Insn *insn)
{
  const X86Operand *x = &insn->operand[0], *y = &insn->operand[1];
  return x->kind == X86_OPERAND_GPR && y->kind == X86_OPERAND_GPR && x->reg == y->reg && x->high == y->high
         && x->size == y->size;
}

BpTemp
operand (Translator *s, const X86Insn *insn, unsigned i)
{
  const X86Operand *o = &insn->operand[i];
  switch (o->kind) {
  case X86_OPERAND_GPR: return read_gpr (s, o->reg, o->size, o->high);
  case X86_OPERAND_IMM: return constant (s, o->size, o->imm);
  case X86_OPERAND_MEM: return emit_load (s, operand_linear (s, insn, i), o->size);
  default: g_assert_not_reached ();
  }
}

BpTemp
operand_zx (Translator *s, const X86Insn *insn, unsigned i)
{
  const X86Operand *o = &insn->operand[i];
  BpTemp value = operand (s, insn, i);
  return o->kind == X86_OPERAND_MEM || o->high ? value : zx (s, value, o->size);
}

BpTemp
operand_sx (Translator *s, const X86Insn *insn, unsigned i)
{
  const X86Operand *o = &insn->operand[i];
  if (o->kind != X86_OPERAND_MEM || o->size >= 4)
    return sx (s, operand (s, insn, i), o->size);
  return emit_load_signed (s, operand_linear (s, insn, i), o->size, 4);
}

void
set_operand (Translator *s, const X86Insn *insn, unsigned i, BpTemp value)
{
  const X86Operand *o = &insn->operand[i];
  if (o->kind == X86_OPERAND_MEM)
    emit_store (s, value, operand_linear (s, insn, i), o->size);
  else
    write_gpr (s, o->reg, o->size, o->high, value);
}

BpTemp
operand_in_place (Translator *s, const X86Insn *insn, unsigned i)
{
  const X86Operand *o = &insn->operand[i];
  return o->kind == X86_OPERAND_GPR && o->size >= 4 ? gpr (o->reg) : BP_IR_NONE;
}

void
touch_operand (Translator *s, const X86Insn *insn)
{
  const X86Operand *o = &insn->operand[0];
  if (is_mem (insn, 0))
    set_operand (s, insn, 0, operand (s, insn, 0));
  else if (s->is_64 && o->size == 4)
    set_operand (s, insn, 0, gpr (o->reg));
}

/* A 32-bit register that keeps its value keeps its upper half. */
void
set_operand_unless (Translator *s, const X86Insn *insn, Compare keeps, BpTemp value)
{
  const X86Operand *o = &insn->operand[0];
  if (s->is_64 && o->size == 4 && o->kind == X86_OPERAND_GPR) {
    set (s, 8, gpr (o->reg), movcond_of (s, 8, keeps, gpr (o->reg), zx64 (s, value, 4)));
    gpr_changed (s, o->reg);
  } else {
    set_operand (s, insn, 0, movcond_of (s, o->size, keeps, operand (s, insn, 0), value));
  }
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Outside 64-bit mode a register is its low half. */
static BpTemp
argument (Translator *s, BpIrType type, BpTemp x)
{
  if (type == BP_IR_I64)
    return !s->is_64 && x >= gpr (X86_RAX) && x <= gpr (X86_RDI) ? zx64 (s, x, 4) : wide (s, x);
  return is_const (s, x) ? i32 (s, (uint32_t) s->b->temps[x].value) : x;
}

void
emit_call (Translator *s, unsigned helper, BpTemp result, ...)
{
  const BpIrHelper *h = &x86_helpers[helper];
  BpTemp args[BP_HELPER_MAX_ARGS];
  va_list list;
  va_start (list, result);
  for (unsigned i = 0; i < h->n_args; i++)
    args[i] = argument (s, (BpIrType) h->arg_type[i], (BpTemp) va_arg (list, int));
  va_end (list);
  bp_ir_call (s->b, h, result, args, h->n_args);
  if (!(h->flags & (BP_HELPER_NO_WRITE | BP_HELPER_NO_GLOBALS | BP_HELPER_PURE)))
    all_gprs_changed (s);
}

void
emit_raise (Translator *s, unsigned vector)
{
  emit_call (s, H_raise, BP_IR_NONE, BP_IR_ENV, i32 (s, vector));
}

void
emit_raise_error (Translator *s, unsigned vector, uint32_t error)
{
  emit_call (s, H_raise_error, BP_IR_NONE, BP_IR_ENV, i32 (s, vector), i32 (s, error));
}
