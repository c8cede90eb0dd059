/* control.c -- labels and jumps, exits to other blocks and to the loop, helper calls. */
/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "../ir-info.h"
#include <string.h>

static uint32_t
offset_here (const Gen *g)
{
  return (uint32_t) (g->e.p - g->start);
}

/* --- labels --------------------------------------------------------------------------- */

void
x64_label (Gen *g, const BpIrInsn *insn)
{
  Regalloc *ra = &g->ra;
  if (g->at > 0 && !ir_ends_flow (&g->ir->insns[g->at - 1]))
    ra_block_end (ra, insn->aux);
  ra_block_begin (ra);
  g->fp_known = 0;
  g->label[insn->aux] = g->e.p;
}

/* The exit that label's code begins with, when only one jump goes there: that jump itself can be linked.
 * -1: none. */
static int
exit_at (const Gen *g, uint32_t label)
{
  const BpIrBlock *ir = g->ir;
  uint32_t i = g->ra.label_at[label];
  if (g->label[label] || g->label_refs[label] != 1 || i == 0 || !ir_ends_flow (&ir->insns[i - 1]))
    return -1;
  do
    i++;
  while (i < ir->n_insns && ir->insns[i].op == BP_IR_nop);
  return i < ir->n_insns && ir->insns[i].op == BP_IR_goto_tb ? (int) ir->insns[i].aux : -1;
}

/* Makes the next jump's rel32, `opcode` bytes on, 4-byte aligned: no-operations go before `from`, so that
 * a compare stays next to its jump. */
static void
align_jump (Gen *g, unsigned opcode, uint8_t *from)
{
  Enc *e = &g->e;
  unsigned pad = (unsigned) -((uintptr_t) e->p + opcode) & 3;
  size_t n = (size_t) (e->p - from);
  if (pad == 0 || !enc_begin (e) || (size_t) (e->end - e->p) < n + 32)
    return;
  uint8_t moved[64];
  if (n > sizeof moved)
    from = e->p, n = 0;
  memcpy (moved, from, n);
  e->p = from;
  enc_nops (e, pad);
  memcpy (e->p, moved, n);
  e->p += n;
}

void
x64_label_jump (Gen *g, unsigned cc, uint32_t label, uint8_t *compare)
{
  if (g->label[label]) {
    enc_jcc_to (&g->e, cc, g->label[label]);
    return;
  }
  int exit = exit_at (g, label);
  if (exit >= 0)
    align_jump (g, cc == CC_ALWAYS ? 1 : 2, compare);
  Fixup fixup = { enc_jcc (&g->e, cc), label };
  if (exit >= 0 && fixup.rel32) {
    g->exit_jump[exit] = (uint32_t) (fixup.rel32 - g->start);
    g->direct_exit[exit] = true;
  }
  g_array_append_val (g->fixups, fixup);
}

/* --- exits ------------------------------------------------------------------------------ */

void
x64_goto_tb (Gen *g, const BpIrInsn *insn)
{
  unsigned n = insn->aux;
  if (!g->direct_exit[n]) {
    align_jump (g, 1, g->e.p);
    uint8_t *rel32 = enc_jmp (&g->e);
    g->exit_jump[n] = rel32 ? (uint32_t) (rel32 - g->start) : 0;
  }
  g->exit_unlinked[n] = offset_here (g);
}

static void
leave_with (Gen *g, unsigned n)
{
  enc_mov_ri (&g->e, RAX, (int64_t) ((uintptr_t) g->block->tb | n));
  enc_jmp_to (&g->e, g->set->exit);
}

void
x64_exit_tb (Gen *g, const BpIrInsn *insn)
{
  leave_with (g, insn->aux);
}

static void
late_miss (Gen *g, const Late *late)
{
  x64_move_operand (g, BP_IR_I64, RAX, late->address);
  x64_call_marked (g, g->set->miss);
  enc_u8 (&g->e, 0x0f), enc_u8 (&g->e, 0x0b);           /* ud2: the return address lies within the block */
}

/* Where the entry for pc is: in register t, and displaced when pc is constant. */
static int32_t
jump_entry (Gen *g, Operand pc, unsigned t)
{
  Enc *e = &g->e;
  _Static_assert (sizeof (JumpEntry) == 32, "the index is shifted by 5");
  if (pc.kind == IS_IMMEDIATE) {
    uint64_t value = (uint64_t) pc.imm;
    enc_load (e, X64_W, t, ENV (jump_cache));
    return (int32_t) ((value ^ value >> JUMP_CACHE_BITS) & ((1u << JUMP_CACHE_BITS) - 1)) << 5;
  }
  if (x64_host.cpu & CPU_BMI2) {
    enc_rorx (e, X64_W, t, pc.reg, JUMP_CACHE_BITS);
  } else {
    enc_mov_rr (e, X64_W, t, pc.reg);
    enc_shift_ri (e, SHIFT_SHR, X64_W, t, JUMP_CACHE_BITS);
  }
  enc_alu_rr (e, ALU_XOR, 0, t, pc.reg);
  enc_alu_ri (e, ALU_AND, 0, t, (1 << JUMP_CACHE_BITS) - 1);
  enc_shift_ri (e, SHIFT_SHL, 0, t, 5);
  enc_alu_rm (e, ALU_ADD, X64_W, t, ENV (jump_cache));
  return 0;
}

/* A 64-bit field compared with what may be a long number. */
static void
compare_field (Gen *g, X64Mem field, Operand with)
{
  if (with.kind == IN_REGISTER) {
    enc_alu_mr (&g->e, ALU_CMP, X64_W, field, with.reg);
  } else if (with.imm == (int32_t) with.imm) {
    enc_alu_mi (&g->e, ALU_CMP, X64_W, field, (int32_t) with.imm);
  } else {
    unsigned r = ra_scratch (&g->ra, 0);
    enc_mov_ri (&g->e, r, with.imm);
    enc_alu_mr (&g->e, ALU_CMP, X64_W, field, r);
  }
}

static void
unless_equal_miss (Gen *g, Operand pc)
{
  x64_late (g, late_miss, enc_jcc (&g->e, CC_NE))->address = pc;
}

void
x64_goto_ptr (Gen *g, const BpIrInsn *insn)
{
  Operand pc = x64_address (g, insn->a[0], insn->type == BP_IR_I64, true);
  Operand mode = { .kind = IS_IMMEDIATE, .imm = g->block->tb->mode };
  if (g->n_restart == 2) {      /* no room to note another one: by way of the look-up */
    Late always = { .address = pc };
    late_miss (g, &always);
    ra_release_dead (&g->ra);
    return;
  }
  unsigned t = ra_scratch (&g->ra, 0);
  uint32_t from = offset_here (g);
  int32_t at = jump_entry (g, pc, t);
  compare_field (g, x64_mem (t, at + (int32_t) offsetof (JumpEntry, pc)), pc);
  unless_equal_miss (g, pc);
  compare_field (g, x64_mem (t, at + (int32_t) offsetof (JumpEntry, mode)), mode);
  unless_equal_miss (g, pc);
  enc_jmp_m (&g->e, x64_mem (t, at + (int32_t) offsetof (JumpEntry, code)));
  g->restart[g->n_restart][0] = from;
  g->restart[g->n_restart++][1] = offset_here (g);
  ra_release_dead (&g->ra);
}

/* --- deterministic mode ------------------------------------------------------------------- */

static void
late_icount (Gen *g, const Late *late)
{
  const BackendBlock *block = g->block;
  const BpTcgFrontend *frontend = block->frontend;
  uint64_t pc = block->tb->key.pc - block->tb->key.base;
  X64Mem to = x64_mem (RBP, (int32_t) frontend->pc_offset);
  enc_alu_mi (&g->e, ALU_ADD, X64_W, ENV (icount_left), (int32_t) late->op);
  if (frontend->pc_size == 4) {         /* whoever jumped here has not stored the pc */
    enc_mov_mi (&g->e, 0, to, (int32_t) pc);
  } else if ((int64_t) pc == (int32_t) pc) {
    enc_mov_mi (&g->e, X64_W, to, (int32_t) pc);
  } else {
    enc_mov_ri (&g->e, RAX, (int64_t) pc);
    enc_store (&g->e, X64_W, RAX, to);
  }
  leave_with (g, 3);
}

void
x64_icount (Gen *g)
{
  uint32_t n = g->block->tb->n_insns;
  enc_alu_mi (&g->e, ALU_SUB, X64_W, ENV (icount_left), (int32_t) n);
  x64_late (g, late_icount, enc_jcc (&g->e, CC_S))->op = n;
}

/* --- helpers ---------------------------------------------------------------------------------- */

void
x64_call (Gen *g, const BpIrInsn *insn)
{
  const BpIrHelper *helper = ir_helper (insn);
  Regalloc *ra = &g->ra;
  bool no_globals = helper->flags & (BP_HELPER_NO_GLOBALS | BP_HELPER_PURE);
  bool writes = !no_globals && !(helper->flags & BP_HELPER_NO_WRITE);
  bool fp_safe = (helper->flags & BP_HELPER_FP_SAFE) && !(helper->flags & BP_HELPER_FP_STATE);
  for (unsigned i = 0; i < helper->n_args; i++) {
    ra->locked = 0;
    Operand o = x64_operand (g, insn->a[1 + i], (BpIrType) helper->arg_type[i], ALLOW_IMM);
    x64_put_argument (g, i, o);
  }
  ra->locked = 0;
  ra_release_dead (ra);
  ra_call (ra, writes);
  enc_mov_ri (&g->e, RAX, (int64_t) (intptr_t) helper->function);
  x64_call_marked (g, g->set->call[no_globals ? CALL_NO_GLOBALS : writes ? CALL_WRITES
                                    : CALL_READS][fp_safe]);
  if (!fp_safe)
    g->fp_known = 0;
  if (helper->flags & BP_HELPER_NO_RETURN) {
    enc_u8 (&g->e, 0x0f), enc_u8 (&g->e, 0x0b);
    return;
  }
  if (!helper->has_result || insn->a[0] == BP_IR_NONE)
    return;
  ra_take (ra, RAX);
  if (helper->result_type == BP_IR_I32 && !ra_is_pinned (ra, insn->a[0]))
    enc_mov_rr (&g->e, 0, RAX, RAX);                    /* the upper half is undefined by the ABI */
  ra_define_in (ra, insn->a[0], 0, RAX);
}
