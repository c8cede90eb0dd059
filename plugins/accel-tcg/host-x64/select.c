/* select.c -- the table that sends each op to its selector; moves and the state's memory. */
/* SPDX-License-Identifier: MIT */
#include "host.h"

/* --- bookkeeping and moves -------------------------------------------------------------- */

static void
x64_nothing (Gen *g, const BpIrInsn *insn)
{
}

static void
x64_insn_start (Gen *g, const BpIrInsn *insn)
{
  TbInsn entry = { (int32_t) ((uint64_t) insn->imm - (g->block->tb->key.pc - g->block->tb->key.base)), insn->aux };
  *LIST_ADD (&g->insns) = entry;
  if (g->block->dump)
    *LIST_ADD (&g->lines) = (uint32_t) (g->e.p - g->start);
  g->insn++;
}

static void
x64_discard (Gen *g, const BpIrInsn *insn)
{
  ra_forget (&g->ra, insn->a[0]);
}

/* To a global in the state. */
static void
mov_to_state (Gen *g, BpTemp d, BpTemp s, BpIrType type)
{
  Regalloc *ra = &g->ra;
  X64Mem home = x64_home_mem (ra_home (ra, d));
  BpIrType home_type = (BpIrType) g->ir->temps[d].type;
  Operand src = x64_operand (g, s, type, ALLOW_IMM);
  bool extends = type != home_type;
  unsigned r = src.kind == IN_REGISTER ? src.reg : RA_NONE;
  uint32_t value = ra_value (ra, s);
  bool extended = r != RA_NONE && !(extends && !ra_is_clean (ra, r));
  if (extended && d != s && ra_may_wait (ra, d)) {
    ra_release_dead (ra);
    ra_defined_in_memory (ra, d);
    ra_copy_in (ra, d, r, value);
    ra->temps[d].in_memory = false;
    return;
  }
  if (src.kind == IS_IMMEDIATE && !(extends && src.imm < 0)) {
    enc_mov_mi (&g->e, W (home_type), home, (int32_t) src.imm);
  } else if (extended) {
    enc_store (&g->e, W (home_type), r, home);
  } else {
    r = ra_scratch (ra, 0);
    x64_move_operand (g, type, r, src);
    enc_store (&g->e, W (home_type), r, home);
    ra->clean |= 1u << r;
    value = 0;
  }
  ra_release_dead (ra);
  ra_defined_in_memory (ra, d);
  if (r != RA_NONE)
    ra_copy_in (ra, d, r, value ? value : ra_value (ra, d));
}

static void
mov_sum (Gen *g, BpTemp d, BpTemp s)
{
  unsigned r = g->ra.temps[s].reg;
  int32_t disp = g->ra.temps[s].disp;
  ra_release_dead (&g->ra);
  unsigned dst = ra_define (&g->ra, d, r, 0);
  enc_rm (&g->e, OP_LEA | X64_W, dst, x64_mem (r, disp));
  ra_defined (&g->ra, d, 0);
}

/* Also ext32u and trunc, which are 32-bit moves. */
static void
x64_mov (Gen *g, const BpIrInsn *insn)
{
  Regalloc *ra = &g->ra;
  BpTemp d = insn->a[0], s = insn->a[1];
  BpIrType type = insn->op == BP_IR_mov ? (BpIrType) insn->type : BP_IR_I32;
  if (d == s && (type == g->ir->temps[d].type || (ra_register (ra, d) != RA_NONE && ra_is_clean (ra, ra_register (ra, d))))) {
    if (g->ir->temps[d].kind == BP_IR_TEMP_GLOBAL)
      ra_to_memory (ra, d);     /* it may have waited for this */
    return;
  }
  bool in_state = g->ir->temps[d].kind == BP_IR_TEMP_GLOBAL && !ra_is_pinned (ra, d);
  if (in_state) {
    mov_to_state (g, d, s, type);
    return;
  }
  if (ra_is_const (ra, s)) {
    x64_constant (g, ra_define (ra, d, RA_NONE, 0), g->ir->temps[s].value, type);
    ra_defined (ra, d, 0);
    return;
  }
  if (ra_is_sum (ra, s) && type == BP_IR_I64) {
    mov_sum (g, d, s);
    return;
  }
  bool whole = g->ir->temps[s].kind == BP_IR_TEMP_GLOBAL && g->ir->temps[s].type == type;
  Operand src = x64_operand (g, s, type, whole && !ra_is_pinned (ra, d) ? 0 : ALLOW_MEM);
  if (src.kind == IN_REGISTER && ra_copy (ra, d, s, type, 0)) {
    if (ra_dies (ra, 1))
      ra_release_dead (ra);
    return;
  }
  uint32_t value = ra_value (ra, s);
  bool same = src.kind == IN_REGISTER && (type == BP_IR_I64 || ra_is_clean (ra, src.reg));
  ra_release_dead (ra);
  unsigned dst = ra_define (ra, d, src.kind == IN_REGISTER ? src.reg : RA_NONE, 0);
  x64_move_result (g, type, dst, src);
  ra_defined (ra, d, 0);
  if (same)
    ra->temps[d].value = value;
  else if (src.kind == IN_MEMORY && whole)
    ra_copy_in (ra, s, dst, ra_value (ra, d));
}

/* --- the state and what it points to ----------------------------------------------------------- */

static X64Mem
host_address (Gen *g, BpTemp base, int64_t offset)
{
  unsigned r = ra_use (&g->ra, base, 0);
  if (offset == (int32_t) offset)
    return x64_mem (r, (int32_t) offset);
  unsigned far = ra_scratch (&g->ra, 0);
  enc_mov_ri (&g->e, far, offset);
  return x64_mem_index (r, far, 0, 0);
}

static void
x64_host_load (Gen *g, const BpIrInsn *insn)
{
  const SelectRow *row = g->row;
  X64Mem mem = host_address (g, insn->a[1], insn->imm);
  ra_release_dead (&g->ra);
  unsigned dst = ra_define (&g->ra, insn->a[0], RA_NONE, 0);
  uint32_t code = row->code;
  if (code == OP_MOVSXD && insn->type == BP_IR_I32)
    code = OP_MOV_LOAD;
  else if (insn->op == BP_IR_ld64 || (!row->extra && insn->type == BP_IR_I64))
    code |= X64_W;
  enc_rm (&g->e, code, dst, mem);
  ra_defined (&g->ra, insn->a[0], 0);
}

static void
x64_host_store (Gen *g, const BpIrInsn *insn)
{
  const SelectRow *row = g->row;
  Operand value = x64_operand (g, insn->a[0], (BpIrType) insn->type, ALLOW_IMM);
  X64Mem mem = host_address (g, insn->a[1], insn->imm);
  if (value.kind == IN_REGISTER) {
    enc_rm (&g->e, row->code, value.reg, mem);
  } else {
    enc_rm (&g->e, row->extra, 0, mem);
    if (insn->op == BP_IR_st8)
      enc_u8 (&g->e, (uint8_t) value.imm);
    else if (insn->op == BP_IR_st16)
      enc_u16 (&g->e, (uint16_t) value.imm);
    else
      enc_u32 (&g->e, (uint32_t) value.imm);
  }
  ra_release_dead (&g->ra);
}

/* Loads and stores of x86 are ordered but for a store before a later load, and non-temporal stores, which are the guest's own (SDM vol. 3, 9.2). */
static void
x64_fence (Gen *g, const BpIrInsn *insn)
{
  if (insn->aux == 3)
    enc_alu_mi (&g->e, ALU_OR, X64_LOCK, x64_mem (RSP, FRAME_RESULT), 0);
  else if (insn->aux == 2 && enc_begin (&g->e))
    enc_u8 (&g->e, 0x0f), enc_u8 (&g->e, 0xae), enc_u8 (&g->e, 0xf8);   /* sfence */
}

static void
x64_br (Gen *g, const BpIrInsn *insn)
{
  ra_block_end (&g->ra, insn->aux);
  x64_label_jump (g, CC_ALWAYS, insn->aux, g->e.p);
}

/* --- dispatch ------------------------------------------------------------------------------------- */

static const SelectRow rows[BP_IR_N_OPS] = {
#define ROW(op, function, keeps_flags, code, extra) [BP_IR_##op] = { function, keeps_flags, code, extra },
#include "select.def"
#undef ROW
};

void
x64_select (Gen *g, const BpIrInsn *insn)
{
  g->row = &rows[insn->op];
  if (!g->row->keeps_flags)
    g->flags = (Flags) { 0 };
  ra_insn (&g->ra, g->at);
  g->row->emit (g, insn);
  x64_share_end (g);
}
