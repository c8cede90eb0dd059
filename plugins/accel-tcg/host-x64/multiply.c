/* multiply.c -- products, double-width products, and divisions. */
/* SPDX-License-Identifier: MIT */
#include "host.h"

void
x64_multiply (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  BpTemp s0 = insn->a[1], s1 = insn->a[2];
  if (ra_is_const (&g->ra, s0))
    s0 = insn->a[2], s1 = insn->a[1];
  Operand b = x64_operand (g, s1, type, ALLOW_IMM | ALLOW_MEM);
  Operand a = x64_operand (g, s0, type, ALLOW_MEM);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], x64_operand_reg (a), 0);
  if (b.kind == IS_IMMEDIATE && a.kind == IN_MEMORY) {
    enc_imul_rmi (&g->e, W (type), d, a.mem, (int32_t) b.imm);
  } else if (b.kind == IS_IMMEDIATE) {
    enc_imul_rri (&g->e, W (type), d, a.reg, (int32_t) b.imm);
  } else {
    if (x64_operand_reg (b) == d) {
      Operand t = a;
      a = b, b = t;
    }
    x64_move_operand (g, type, d, a);
    if (b.kind == IN_MEMORY)
      enc_rm (&g->e, OP_IMUL | W (type), d, b.mem);
    else
      enc_rr (&g->e, OP_IMUL | W (type), d, b.reg);
  }
  ra_defined (&g->ra, insn->a[0], 0);
}

/* --- operands in rax and rdx ------------------------------------------------------------ */

/* Locks `r` for an input: in place when t is there alone and dies now, else emptied. */
static void
claim (Gen *g, unsigned r, BpTemp t, unsigned slot)
{
  Regalloc *ra = &g->ra;
  if (ra_register (ra, t) == r && ra_dies (ra, slot) && ra->head[r] == t && ra->temps[t].next == BP_IR_NONE)
    ra->locked |= 1u << r;
  else
    ra_take (ra, r);
}

static void
on_rax (Gen *g, uint32_t unary_op, BpIrType type, Operand o)
{
  if (o.kind == IN_MEMORY)
    enc_rm (&g->e, 0xf7 | W (type), unary_op, o.mem);
  else
    enc_unary (&g->e, (X64Unary) unary_op, W (type), o.reg);
}

void
x64_wide_multiply (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  Regalloc *ra = &g->ra;
  /* A constant, or what is there already, goes to rax; the other factor stays where it is. */
  unsigned slot = 2;
  if (!ra_is_const (ra, insn->a[2]) && (ra_is_const (ra, insn->a[3]) || ra_register (ra, insn->a[3]) == RAX))
    slot = 3;
  unsigned other = 5 - slot;
  claim (g, RAX, insn->a[slot], slot);
  ra_take (ra, RDX);
  Operand b = x64_operand (g, insn->a[other], type, ALLOW_MEM);
  Operand a = x64_operand (g, insn->a[slot], type, ALLOW_IMM64 | ALLOW_MEM);
  x64_move_operand (g, type, RAX, a);
  on_rax (g, g->row->code, type, b);
  ra_release_dead (ra);
  ra_define_in (ra, insn->a[0], 0, RAX);
  ra_define_in (ra, insn->a[1], 1, RDX);
}

/* rdx:rax / s2; a host fault here is the guest's. */
void
x64_divide (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  Regalloc *ra = &g->ra;
  claim (g, RAX, insn->a[2], 2);
  claim (g, RDX, insn->a[3], 3);
  x64_move_operand (g, type, RAX, x64_operand (g, insn->a[2], type, ALLOW_IMM64 | ALLOW_MEM));
  x64_move_operand (g, type, RDX, x64_operand (g, insn->a[3], type, ALLOW_IMM64 | ALLOW_MEM));
  ra->locked = 1u << RAX | 1u << RDX;
  Operand divisor = x64_operand (g, insn->a[4], type, ALLOW_MEM);
  x64_mark (g);
  on_rax (g, g->row->code, type, divisor);
  ra_release_dead (ra);
  ra_define_in (ra, insn->a[0], 0, RAX);
  ra_define_in (ra, insn->a[1], 1, RDX);
}
