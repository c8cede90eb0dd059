/* compare.c -- conditions: what sets the host's flags, and what uses them. */
/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "../ir-info.h"

static unsigned
cc_of (BpIrCond cond)
{
  static const uint8_t cc[14] = {
    [BP_IR_NEVER] = CC_NEVER, [BP_IR_ALWAYS] = CC_ALWAYS, [BP_IR_EQ] = CC_E, [BP_IR_NE] = CC_NE,
    [BP_IR_LT] = CC_L, [BP_IR_GE] = CC_GE, [BP_IR_LE] = CC_LE, [BP_IR_GT] = CC_G,
    [BP_IR_LTU] = CC_B, [BP_IR_GEU] = CC_AE, [BP_IR_LEU] = CC_BE, [BP_IR_GTU] = CC_A,
    [BP_IR_TSTEQ] = CC_E, [BP_IR_TSTNE] = CC_NE,
  };
  return cc[cond];
}

/* Whether the flags are already those of cmp a, b, or close enough for cond; the cc, or CC_NEVER. */
static unsigned
flags_at_hand (const Gen *g, BpIrType type, BpIrCond cond, BpTemp a, BpTemp b)
{
  const Flags *f = &g->flags;
  const BpIrTemp *bt = &g->ir->temps[b];
  bool b_const = bt->kind == BP_IR_TEMP_CONST;
  int64_t b_value = x64_const_value (g, b, type);
  uint32_t va = ra_value (&g->ra, a), vb = ra_value (&g->ra, b);
  if (!f->in_use || f->type != type)
    return CC_NEVER;
  if (f->compare && f->a == va && (f->b_const ? b_const && f->b_value == b_value : !b_const && f->b == vb))
    return cc_of (cond);
  if (f->compare && !f->b_const && f->a == vb && f->b == va)
    return cc_of (ir_cond_swap (cond));
  if (!b_const || b_value != 0 || f->result != va)
    return CC_NEVER;
  if (f->logic || cond == BP_IR_EQ || cond == BP_IR_NE)
    return cc_of (cond);
  return cond == BP_IR_LT ? CC_S : cond == BP_IR_GE ? CC_NS : CC_NEVER;
}

static void
emit_test (Gen *g, BpIrType type, BpTemp a, BpTemp b)
{
  Operand y = x64_operand (g, b, type, ALLOW_IMM), x = x64_operand (g, a, type, ALLOW_MEM);
  if (x.kind == IN_MEMORY && y.kind == IS_IMMEDIATE)
    enc_test_mi (&g->e, W (type), x.mem, (int32_t) y.imm);
  else if (x.kind == IN_MEMORY)
    enc_rm (&g->e, OP_TEST | W (type), y.reg, x.mem);
  else if (y.kind == IS_IMMEDIATE)
    enc_test_ri (&g->e, W (type), x.reg, (int32_t) y.imm);
  else
    enc_rr (&g->e, OP_TEST | W (type), y.reg, x.reg);
  g->flags = (Flags) { .in_use = true };
}

static void
emit_compare (Gen *g, BpIrType type, BpTemp a, BpTemp b)
{
  bool b_const = ra_is_const (&g->ra, b);
  int64_t b_value = x64_const_value (g, b, type);
  Operand y = x64_operand (g, b, type, ALLOW_IMM | ALLOW_MEM);
  Operand x = x64_operand (g, a, type, y.kind == IN_MEMORY ? 0 : ALLOW_MEM);
  if (x.kind == IN_MEMORY && y.kind == IS_IMMEDIATE)
    enc_alu_mi (&g->e, ALU_CMP, W (type), x.mem, (int32_t) y.imm);
  else if (x.kind == IN_MEMORY)
    enc_alu_mr (&g->e, ALU_CMP, W (type), x.mem, y.reg);
  else if (y.kind == IS_IMMEDIATE && y.imm == 0)
    enc_rr (&g->e, OP_TEST | W (type), x.reg, x.reg);
  else
    x64_alu_operand (g, ALU_CMP, type, x.reg, y);
  g->flags = (Flags) { .in_use = true, .compare = true, .type = type, .a = ra_value (&g->ra, a),
                       .b = ra_value (&g->ra, b), .b_const = b_const, .b_value = b_value };
}

/* emits what sets flags; the cc */
static unsigned
x64_compare (Gen *g, BpIrType type, BpIrCond cond, BpTemp a, BpTemp b)
{
  if (cond == BP_IR_NEVER || cond == BP_IR_ALWAYS)
    return cc_of (cond);
  if (ra_is_const (&g->ra, a) && !ra_is_const (&g->ra, b)) {
    BpTemp t = a;
    a = b, b = t;
    cond = ir_cond_swap (cond);
  }
  if (cond == BP_IR_TSTEQ || cond == BP_IR_TSTNE) {
    emit_test (g, type, a, b);
    return cc_of (cond);
  }
  unsigned cc = flags_at_hand (g, type, cond, a, b);
  if (cc != CC_NEVER)
    return cc;
  g->flags.in_use = false;
  emit_compare (g, type, a, b);
  return cc_of (cond);
}

/* --- users ------------------------------------------------------------------------------ */

/* `deposit d, d, t, 0, 8` right after `setcond t`, where t dies: setcc writes the byte itself. */
static bool
set_byte (Gen *g, unsigned cc, BpTemp t)
{
  if (g->at + 1 >= g->ir->n_insns || cc >= CC_ALWAYS)
    return false;
  const BpIrInsn *next = &g->ir->insns[g->at + 1];
  if (next->op != BP_IR_deposit || next->a[2] != t || !(next->mark >> 2 & 1) || next->aux != (0 | 8u << 8)
      || next->a[0] != next->a[1] || !ra_is_pinned (&g->ra, next->a[0]))
    return false;
  if (next->type == BP_IR_I32 && !ra_is_clean (&g->ra, ra_register (&g->ra, next->a[0])))
    return false;
  g->at++;
  g->ra.at++;
  unsigned d = ra_define (&g->ra, next->a[0], RA_NONE, 0);
  enc_setcc (&g->e, cc, d);
  ra_defined (&g->ra, next->a[0], 0);
  return true;
}

void
x64_setcond (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  unsigned cc = x64_compare (g, type, (BpIrCond) insn->cond, insn->a[1], insn->a[2]);
  ra_release_dead (&g->ra);
  if (set_byte (g, cc, insn->a[0]))
    return;
  unsigned d = ra_define (&g->ra, insn->a[0], RA_NONE, 0);
  if (cc >= CC_ALWAYS) {
    x64_constant (g, d, cc == CC_ALWAYS, type);
  } else {
    enc_setcc (&g->e, cc, d);
    enc_rr (&g->e, OP_MOVZX8, d, d);
  }
  ra_defined (&g->ra, insn->a[0], 0);
}

void
x64_movcond (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  unsigned cc = x64_compare (g, type, (BpIrCond) insn->cond, insn->a[1], insn->a[2]);
  g->ra.locked = 0;             /* the compared values have done their part */
  if (cc >= CC_ALWAYS) {
    Operand only = x64_operand (g, insn->a[cc == CC_ALWAYS ? 3 : 4], type, ALLOW_IMM | ALLOW_MEM);
    ra_release_dead (&g->ra);
    unsigned d = ra_define (&g->ra, insn->a[0], only.kind == IN_REGISTER ? only.reg : RA_NONE, 0);
    x64_move_result (g, type, d, only);
    ra_defined (&g->ra, insn->a[0], 0);
    return;
  }
  Operand yes = x64_operand (g, insn->a[3], type, ALLOW_MEM), no = x64_operand (g, insn->a[4], type, ALLOW_MEM);
  ra_release_dead (&g->ra);
  unsigned d = ra_define (&g->ra, insn->a[0], no.kind == IN_REGISTER ? no.reg : RA_NONE,
                          yes.kind == IN_REGISTER ? 1u << yes.reg : 0);
  if (yes.kind == IN_REGISTER && yes.reg == d) {
    Operand t = yes;
    yes = no, no = t;
    cc ^= 1;
  }
  x64_move_operand (g, type, d, no);
  if (yes.kind == IN_MEMORY)
    enc_rm (&g->e, (0x40 | cc) | X64_0F | W (type), d, yes.mem);
  else
    enc_cmov (&g->e, cc, W (type), d, yes.reg);
  ra_defined (&g->ra, insn->a[0], 0);
}

void
x64_brcond (Gen *g, const BpIrInsn *insn)
{
  ra_block_end (&g->ra, insn->aux);
  uint8_t *start = g->e.p;
  unsigned cc = x64_compare (g, (BpIrType) insn->type, (BpIrCond) insn->cond, insn->a[0], insn->a[1]);
  ra_release_dead (&g->ra);
  if (cc != CC_NEVER)
    x64_label_jump (g, cc, insn->aux, start);
}
