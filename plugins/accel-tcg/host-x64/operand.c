/* operand.c -- the values of temps as operands of host instructions. */
/* SPDX-License-Identifier: MIT */
#include "host.h"

X64Mem
x64_home_mem (RaHome home)
{
  return home.in_state ? x64_mem (RBP, (int32_t) home.offset) : x64_mem (RSP, FRAME_SLOT (home.offset));
}

/* A global of the state that is better loaded than read twice, and there is room. */
static bool
is_wanted (const Gen *g, BpTemp t, BpIrType type)
{
  return g->ir->temps[t].kind == BP_IR_TEMP_GLOBAL && g->ir->temps[t].type == type && ra_n_free (&g->ra) >= 3
         && ra_is_wanted (&g->ra, t, true);
}

Operand
x64_operand (Gen *g, BpTemp t, BpIrType type, unsigned allow)
{
  Operand o = { .kind = IN_REGISTER };
  int64_t value = x64_const_value (g, t, type);
  if (ra_is_const (&g->ra, t) && ((allow & ALLOW_IMM64) || ((allow & ALLOW_IMM) && value == (int32_t) value))) {
    o.kind = IS_IMMEDIATE;
    o.imm = value;
  } else if (ra_register (&g->ra, t) == RA_NONE && !ra_is_sum (&g->ra, t) && (allow & ALLOW_MEM) && !ra_is_const (&g->ra, t)
             && !is_wanted (g, t, type)) {
    o.kind = IN_MEMORY;
    o.mem = x64_home_mem (ra_home (&g->ra, t));
  } else {
    o.reg = (uint8_t) ra_use (&g->ra, t, 0);
  }
  return o;
}

void
x64_constant (Gen *g, unsigned dst, int64_t value, BpIrType type)
{
  if (value == 0 && !g->flags.in_use)
    enc_alu_rr (&g->e, ALU_XOR, 0, dst, dst);
  else
    enc_mov_ri (&g->e, dst, type == BP_IR_I32 ? (int64_t) (uint32_t) value : value);
}

/* Does not change flags when they are in use. */
void
x64_move_operand (Gen *g, BpIrType type, unsigned dst, Operand src)
{
  if (src.kind == IS_IMMEDIATE)
    x64_constant (g, dst, src.imm, type);
  else if (src.kind == IN_MEMORY)
    enc_load (&g->e, W (type), dst, src.mem);
  else if (src.reg != dst)
    enc_mov_rr (&g->e, W (type), dst, src.reg);
}

void
x64_move_result (Gen *g, BpIrType type, unsigned dst, Operand src)
{
  if (type == BP_IR_I32 && src.kind == IN_REGISTER && src.reg == dst && !ra_is_clean (&g->ra, dst))
    enc_mov_rr (&g->e, 0, dst, dst);
  else
    x64_move_operand (g, type, dst, src);
}

void
x64_alu_operand (Gen *g, X64Alu alu, BpIrType type, unsigned dst, Operand src)
{
  if (src.kind == IS_IMMEDIATE)
    enc_alu_ri (&g->e, alu, W (type), dst, (int32_t) src.imm);
  else if (src.kind == IN_MEMORY)
    enc_alu_rm (&g->e, alu, W (type), dst, src.mem);
  else
    enc_alu_rr (&g->e, alu, W (type), dst, src.reg);
}

void
x64_flags_result (Gen *g, BpIrType type, BpTemp t, bool logic)
{
  g->flags = (Flags) { .in_use = true, .logic = logic, .type = type, .result = ra_value (&g->ra, t) };
}
