/* operands.c -- registers, immediates and memory as operands: reading, writing, widths. */
/* SPDX-License-Identifier: MIT */

#include <stdarg.h>

#include "translate.h"

/* --- small words ------------------------------------------------------------------------------ */

BpTemp
op2 (Translator *s, BpIrOp op, BpTemp x)
{
  BpTemp r = local (s);
  bp_ir_op2 (s->b, op, BP_IR_I32, r, x);
  return r;
}

BpTemp
op3 (Translator *s, BpIrOp op, BpTemp x, BpTemp y)
{
  BpTemp r = local (s);
  bp_ir_op3 (s->b, op, BP_IR_I32, r, x, y);
  return r;
}

BpTemp
op3i (Translator *s, BpIrOp op, BpTemp x, uint32_t y)
{
  return op3 (s, op, x, i32 (s, y));
}

static bool
is_const (const Translator *s, BpTemp x)
{
  return s->b->temps[x].kind == BP_IR_TEMP_CONST;
}

BpTemp
zx (Translator *s, BpTemp x, unsigned size)
{
  if (size >= 4)
    return x;
  if (is_const (s, x))
    return i32 (s, (uint32_t) s->b->temps[x].value & size_mask (size));
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
copy (Translator *s, BpTemp x)
{
  BpTemp r = local (s);
  bp_ir_mov (s->b, BP_IR_I32, r, x);
  return r;
}

BpTemp
extract (Translator *s, BpTemp x, unsigned pos, unsigned len)
{
  BpTemp r = local (s);
  bp_ir_field (s->b, BP_IR_extract, BP_IR_I32, r, x, pos, len);
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

void
all_gprs_changed (Translator *s)
{
  for (unsigned reg = 0; reg < G_N_ELEMENTS (s->version); reg++)
    s->version[reg]++;
}

void
write_gpr (Translator *s, unsigned reg, unsigned size, bool high, BpTemp value)
{
  if (size >= 4)
    bp_ir_mov (s->b, BP_IR_I32, gpr (reg), value);
  else
    bp_ir_deposit (s->b, BP_IR_I32, gpr (reg), gpr (reg), value, high ? 8 : 0, 8 * size);
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
  case X86_OPERAND_IMM: return i32 (s, (uint32_t) o->imm);
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
  BpTemp linear = operand_linear (s, insn, i), r = local (s);
  bp_ir_gld (s->b, BP_IR_I32, r, linear, memop (s, o->size) | BP_MO_SIGN | s->rmw_bit);
  return r;
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
  return o->kind == X86_OPERAND_GPR && o->size == 4 ? gpr (o->reg) : BP_IR_NONE;
}

void
touch_operand (Translator *s, const X86Insn *insn)
{
  if (is_mem (insn, 0))
    set_operand (s, insn, 0, operand (s, insn, 0));
}

/* --- calls ------------------------------------------------------------------------------------ */

static BpTemp
as_wide_as (Translator *s, BpTemp x, BpIrType type)
{
  if (x == BP_IR_ENV || type != BP_IR_I64 || s->b->temps[x].type == BP_IR_I64)
    return x;
  BpTemp wide = bp_ir_local (s->b, BP_IR_I64);
  bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, wide, x);
  return wide;
}

void
emit_call (Translator *s, unsigned helper, BpTemp result, ...)
{
  const BpIrHelper *h = &x86_helpers[helper];
  BpTemp args[BP_HELPER_MAX_ARGS];
  va_list list;
  va_start (list, result);
  for (unsigned i = 0; i < h->n_args; i++)
    args[i] = as_wide_as (s, (BpTemp) va_arg (list, int), h->arg_type[i]);
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
