/* arith.c -- integer arithmetic: two-operand forms, lea, shifts. */
/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "../ir-info.h"

/* --- add, sub and logic ------------------------------------------------------------------- */

/* A global in the state changed in place, all of it. */
static bool
in_place (Gen *g, const BpIrInsn *insn, BpTemp other)
{
  BpTemp d = insn->a[0];
  if (g->ir->temps[d].kind != BP_IR_TEMP_GLOBAL || ra_register (&g->ra, d) != RA_NONE || g->ir->temps[d].type != insn->type
      || ra_is_wanted (&g->ra, d, false))
    return false;
  X64Alu alu = (X64Alu) g->row->code;
  uint32_t w = W (insn->type);
  Operand b = x64_operand (g, other, (BpIrType) insn->type, ALLOW_IMM);
  X64Mem home = x64_home_mem (ra_home (&g->ra, d));
  if (b.kind == IS_IMMEDIATE)
    enc_alu_mi (&g->e, alu, w, home, (int32_t) b.imm);
  else
    enc_alu_mr (&g->e, alu, w, home, b.reg);
  ra_release_dead (&g->ra);
  ra_defined_in_memory (&g->ra, d);
  x64_flags_result (g, (BpIrType) insn->type, d, alu == ALU_AND || alu == ALU_OR || alu == ALU_XOR);
  return true;
}

void
x64_binary (Gen *g, const BpIrInsn *insn)
{
  const SelectRow *row = g->row;
  X64Alu alu = (X64Alu) row->code;
  BpIrType type = (BpIrType) insn->type;
  BpTemp s0 = insn->a[1], s1 = insn->a[2];
  if (row->extra && (ra_is_const (&g->ra, s0) || s1 == insn->a[0])) {
    s0 = insn->a[2], s1 = insn->a[1];
  }
  if (s0 == insn->a[0] && s1 != s0 && in_place (g, insn, s1))
    return;
  uint32_t v0 = ra_value (&g->ra, s0), v1 = ra_value (&g->ra, s1);
  bool const1 = ra_is_const (&g->ra, s1);
  Operand b = x64_operand (g, s1, type, ALLOW_IMM | ALLOW_MEM), a = x64_operand (g, s0, type, ALLOW_IMM | ALLOW_MEM);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), row->extra ? 0 : x64_operand_mask (b));
  bool reversed = false;
  if (x64_operand_reg (b) == d && x64_operand_reg (a) != d) {
    if (row->extra) {
      Operand t = a;
      a = b, b = t;
    } else {                    /* d = a - d */
      enc_unary (&g->e, UNARY_NEG, W (type), d);
      x64_alu_operand (g, ALU_ADD, type, d, a);
      reversed = true;
    }
  }
  if (!reversed) {
    x64_move_operand (g, type, d, a);
    x64_alu_operand (g, alu, type, d, b);
  }
  ra_defined (&g->ra, insn->a[0], 0);
  x64_flags_result (g, type, insn->a[0], alu != ALU_ADD && alu != ALU_SUB);
  if (alu == ALU_SUB && !reversed) {
    g->flags.compare = true;
    g->flags.a = v0, g->flags.b = v1;
    g->flags.b_const = const1;
    g->flags.b_value = const1 ? x64_const_value (g, s1, type) : 0;
  }
}

void
x64_and_not (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  Operand b = x64_operand (g, insn->a[2], type, ALLOW_MEM);
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_IMM | ALLOW_MEM);
  bool andn = (x64_host.cpu & CPU_BMI1) && a.kind != IS_IMMEDIATE && b.kind == IN_REGISTER;
  unsigned t = andn ? RA_NONE : ra_scratch (&g->ra, 0);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), 0);
  if (andn && a.kind == IN_MEMORY) {
    enc_vex_rm (&g->e, OP_ANDN | W (type), d, b.reg, a.mem);
  } else if (andn) {
    enc_vex_rr (&g->e, OP_ANDN | W (type), d, b.reg, a.reg);
  } else {
    x64_move_operand (g, type, t, b);
    enc_unary (&g->e, UNARY_NOT, W (type), t);
    x64_alu_operand (g, ALU_AND, type, t, a);
    enc_mov_rr (&g->e, W (type), d, t);
  }
  ra_defined (&g->ra, insn->a[0], 0);
  x64_flags_result (g, type, insn->a[0], true);
}

void
x64_unary (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  X64Unary unary = (X64Unary) g->row->code;
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_IMM | ALLOW_MEM);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), 0);
  x64_move_operand (g, type, d, a);
  enc_unary (&g->e, unary, W (type), d);
  ra_defined (&g->ra, insn->a[0], 0);
  if (unary == UNARY_NEG)
    x64_flags_result (g, type, insn->a[0], false);
}

void
x64_carry (Gen *g, const BpIrInsn *insn)
{
  const SelectRow *row = g->row;
  X64Alu alu = (X64Alu) row->code;
  BpIrType type = (BpIrType) insn->type;
  unsigned carry = ra_use (&g->ra, insn->a[3], 0);
  Operand b = x64_operand (g, insn->a[2], type, ALLOW_IMM | ALLOW_MEM);
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_IMM | ALLOW_MEM);
  ra_release_dead (&g->ra);
  g->flags.in_use = true;       /* the carry, from here on */
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), row->extra ? 0 : x64_operand_mask (b));
  unsigned to = d;
  if (x64_operand_reg (b) == d && x64_operand_reg (a) != d) {
    if (row->extra) {
      Operand t = a;
      a = b, b = t;
    } else {
      to = ra_scratch (&g->ra, 0);
    }
  }
  enc_bt_ri (&g->e, 0, carry, 0);
  x64_move_operand (g, type, to, a);
  x64_alu_operand (g, alu, type, to, b);
  if (to != d)
    enc_mov_rr (&g->e, W (type), d, to);
  ra_defined (&g->ra, insn->a[0], 0);
  x64_flags_result (g, type, insn->a[0], false);
}

/* --- lea ----------------------------------------------------------------------------------------- */

typedef struct Chain {
  BpIrType type;
  BpTemp base, index, result;
  unsigned scale;
  int64_t disp;
  uint32_t last;                /* insn */
} Chain;

static bool
chain_takes (const Gen *g, Chain *c, BpTemp t)
{
  if (ra_is_const (&g->ra, t)) {
    int64_t disp;
    if (__builtin_add_overflow (c->disp, x64_const_value (g, t, c->type), &disp) || disp != (int32_t) disp)
      return false;
    c->disp = disp;
  } else if (c->base == BP_IR_NONE) {
    c->base = t;
  } else if (c->index == BP_IR_NONE) {
    c->index = t;
    c->scale = 0;
  } else {
    return false;
  }
  return true;
}

static bool
is_small_shift (const Gen *g, const BpIrInsn *insn, BpIrType type)
{
  if (insn->op != BP_IR_shl || insn->type != type || !ra_is_const (&g->ra, insn->a[2]))
    return false;
  int64_t count = x64_const_value (g, insn->a[2], type);
  return count >= 1 && count <= 3 && !ra_is_const (&g->ra, insn->a[1]);
}

static bool
is_local (const Gen *g, BpTemp t)
{
  return g->ir->temps[t].kind == BP_IR_TEMP_LOCAL;
}

/* `insn` adds something to the chain's result, which dies in it. */
static bool
chain_extends (const Gen *g, Chain *c, const BpIrInsn *insn)
{
  if (insn->op != BP_IR_add || insn->a[1] == insn->a[2] || !is_local (g, c->result))
    return false;
  unsigned slot = insn->a[1] == c->result ? 1 : 2;
  return insn->a[slot] == c->result && (insn->mark >> slot & 1) && chain_takes (g, c, insn->a[3 - slot]);
}

/* `add t, result, (x << n)` from two insns, of which `shift` is the first. */
static bool
chain_takes_shift (const Gen *g, Chain *c, const BpIrInsn *shift, BpIrType type)
{
  const BpIrInsn *sum = shift + 1;
  if (c->index != BP_IR_NONE || c->last + 2 >= g->ir->n_insns || !is_small_shift (g, shift, type)
      || !is_local (g, shift->a[0]) || shift->a[0] == c->result || shift->a[1] == c->result
      || !is_local (g, c->result))
    return false;
  bool forward = sum->a[1] == c->result && sum->a[2] == shift->a[0];
  bool backward = sum->a[2] == c->result && sum->a[1] == shift->a[0];
  if (sum->op != BP_IR_add || sum->type != type || !(forward || backward) || (sum->mark & 6) != 6)
    return false;
  c->index = shift->a[1];
  c->scale = (unsigned) x64_const_value (g, shift->a[2], type);
  return true;
}

/* The longest chain that begins at the current insn; false when a lea would not be better. */
static bool
chain_find (const Gen *g, Chain *c)
{
  const BpIrInsn *insn = &g->ir->insns[g->at];
  BpIrType type = (BpIrType) insn->type;
  *c = (Chain) { type, BP_IR_NONE, BP_IR_NONE, insn->a[0], 0, 0, g->at };
  if (insn->op == BP_IR_shl) {
    if (!is_small_shift (g, insn, type))
      return false;
    c->index = insn->a[1];
    c->scale = (unsigned) x64_const_value (g, insn->a[2], type);
  } else if (!chain_takes (g, c, insn->a[1]) || !chain_takes (g, c, insn->a[2])) {
    return false;
  }
  while (c->last + 1 < g->ir->n_insns) {
    const BpIrInsn *next = &g->ir->insns[c->last + 1];
    if (next->type <= type && chain_extends (g, c, next))      /* of 64 bits at first, and 32 in the end */
      c->last += 1;
    else if (chain_takes_shift (g, c, next, type))
      c->last += 2;
    else
      break;
    c->result = g->ir->insns[c->last].a[0];
    c->type = type = (BpIrType) g->ir->insns[c->last].type;
  }
  return c->last > g->at;
}

/* Several adds and a shift as one lea; g->at is the last of them then. */
static bool
address_chain (Gen *g)
{
  Regalloc *ra = &g->ra;
  Chain c;
  if (!chain_find (g, &c))
    return false;
  unsigned base = c.base != BP_IR_NONE ? ra_use (ra, c.base, 0) : X64_NO_REG;
  unsigned index = c.index != BP_IR_NONE ? ra_use (ra, c.index, 0) : X64_NO_REG;
  for (uint32_t i = g->at; i <= c.last; i++) {
    ra->at = i;
    ra_release_dead (ra);
  }
  g->at = c.last;
  unsigned d = ra_define (ra, c.result, base, 0);
  if (index == X64_NO_REG && d == base)
    enc_alu_ri (&g->e, ALU_ADD, W (c.type), d, (int32_t) c.disp);
  else
    enc_rm (&g->e, OP_LEA | W (c.type), d,
            (X64Mem) { (uint8_t) base, (uint8_t) index, (uint8_t) c.scale, (int32_t) c.disp });
  ra_defined (ra, c.result, 0);
  return true;
}

void
x64_add (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  BpTemp s0 = insn->a[1], s1 = insn->a[2], d = insn->a[0];
  Regalloc *ra = &g->ra;
  if (address_chain (g))
    return;
  if (ra_is_const (ra, s0))
    s0 = insn->a[2], s1 = insn->a[1];
  if ((s0 == d || s1 == d) && s0 != s1 && in_place (g, insn, s0 == d ? s1 : s0))
    return;
  if (type == BP_IR_I64 && ra_is_const (ra, s1) && ra_sum (ra, d, s0, g->ir->temps[s1].value, 0))
    return;
  Operand b = x64_operand (g, s1, type, ALLOW_IMM | ALLOW_MEM), a = x64_operand (g, s0, type, ALLOW_IMM | ALLOW_MEM);
  ra_release_dead (ra);
  unsigned r = ra_define (ra, d, x64_operand_reg (a), 0);
  bool lea = a.kind == IN_REGISTER && b.kind != IN_MEMORY && r != a.reg && r != x64_operand_reg (b);
  if (lea) {
    enc_rm (&g->e, OP_LEA | W (type), r, b.kind == IS_IMMEDIATE ? x64_mem (a.reg, (int32_t) b.imm)
                                                               : x64_mem_index (a.reg, b.reg, 0, 0));
  } else if (x64_operand_reg (b) == r) {
    x64_alu_operand (g, ALU_ADD, type, r, a);
  } else {
    x64_move_operand (g, type, r, a);
    x64_alu_operand (g, ALU_ADD, type, r, b);
  }
  ra_defined (ra, d, 0);
  if (!lea)
    x64_flags_result (g, type, d, false);
}

/* --- shifts ------------------------------------------------------------------------------------------ */

static void
shift_by_constant (Gen *g, const BpIrInsn *insn, unsigned count)
{
  const SelectRow *row = g->row;
  X64Shift shift = (X64Shift) row->code;
  BpIrType type = (BpIrType) insn->type;
  unsigned width = type == BP_IR_I64 ? 64 : 32;
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_IMM | ALLOW_MEM);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), 0);
  bool flags = false;
  if (count == 0) {
    x64_move_result (g, type, d, a);
  } else if (!row->extra && (x64_host.cpu & CPU_BMI2) && a.kind == IN_REGISTER && a.reg != d) {
    enc_rorx (&g->e, W (type), d, a.reg, shift == SHIFT_ROR ? count : width - count);
  } else if (shift == SHIFT_SHL && count <= 3 && a.kind == IN_REGISTER && a.reg != d) {
    enc_rm (&g->e, OP_LEA | W (type), d, count == 1 ? x64_mem_index (a.reg, a.reg, 0, 0)
                                                    : x64_mem_index (X64_NO_REG, a.reg, count, 0));
  } else {
    x64_move_operand (g, type, d, a);
    enc_shift_ri (&g->e, shift, W (type), d, count);
    flags = row->extra != 0;
  }
  ra_defined (&g->ra, insn->a[0], 0);
  if (flags)
    x64_flags_result (g, type, insn->a[0], false);
}

/* The count has to be in cl. */
static void
shift_by_cl (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  Regalloc *ra = &g->ra;
  bool there = ra_register (ra, insn->a[2]) == RCX;
  if (there)
    ra_use (ra, insn->a[2], 0);
  else
    ra_take (ra, RCX);
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_IMM | ALLOW_MEM);
  if (!there)
    x64_move_operand (g, BP_IR_I32, RCX, x64_operand (g, insn->a[2], type, ALLOW_MEM));
  ra_release_dead (ra);
  unsigned d = ra_define (ra, insn->a[0], x64_operand_reg (a), 1u << RCX);
  x64_move_operand (g, type, d, a);
  enc_shift_cl (&g->e, (X64Shift) g->row->code, W (type), d);
  ra_defined (ra, insn->a[0], 0);
}

void
x64_shift (Gen *g, const BpIrInsn *insn)
{
  const SelectRow *row = g->row;
  BpIrType type = (BpIrType) insn->type;
  unsigned width = type == BP_IR_I64 ? 64 : 32;
  if (insn->op == BP_IR_shl && address_chain (g))
    return;
  if (ra_is_const (&g->ra, insn->a[2])) {
    shift_by_constant (g, insn, (unsigned) g->ir->temps[insn->a[2]].value & (width - 1));
    return;
  }
  if (!row->extra || !(x64_host.cpu & CPU_BMI2)) {
    shift_by_cl (g, insn);
    return;
  }
  unsigned count = ra_use (&g->ra, insn->a[2], 0);
  Operand a = x64_operand (g, insn->a[1], type, ALLOW_MEM);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), 0);
  if (a.kind == IN_MEMORY)
    enc_vex_rm (&g->e, row->extra | W (type), d, count, a.mem);
  else
    enc_vex_rr (&g->e, row->extra | W (type), d, count, a.reg);
  ra_defined (&g->ra, insn->a[0], 0);
}
