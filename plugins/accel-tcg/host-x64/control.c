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

/* Whether control reaches the label at insn i from the one before. */
static bool
falls_into (const Gen *g, uint32_t i)
{
  while (i > 0 && g->ir->insns[i - 1].op == BP_IR_insn_start)
    i--;
  return i > 0 ? !ir_ends_flow (&g->ir->insns[i - 1]) : true;
}

/* --- labels --------------------------------------------------------------------------- */

void
x64_label (Gen *g, const BpIrInsn *insn)
{
  Regalloc *ra = &g->ra;
  if (falls_into (g, g->at))
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
  if (g->label[label] || g->label_refs[label] != 1 || falls_into (g, i))
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

static void
set_exit_jump (Gen *g, unsigned n, const uint8_t *rel32)
{
  g->exit[n].jump = rel32 ? (uint32_t) (rel32 - g->start) : 0;
  g->n_exits = MAX (g->n_exits, n + 1);
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
    set_exit_jump (g, (unsigned) exit, fixup.rel32);
    g->direct_exit[exit] = true;
  }
  *LIST_ADD (&g->fixups) = fixup;
}

/* --- exits ------------------------------------------------------------------------------ */

void
x64_goto_tb (Gen *g, const BpIrInsn *insn)
{
  unsigned n = insn->aux;
  if (!g->direct_exit[n]) {
    align_jump (g, 1, g->e.p);
    set_exit_jump (g, n, enc_jmp (&g->e));
  }
  g->exit[n].unlinked = offset_here (g);
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

/* The next instructions are a part of a jump-cache look-up that a signal may have done again from offset `again`. */
static void
note_restart (Gen *g, uint32_t from, uint32_t again)
{
  g->restart[g->n_restart][0] = from;
  g->restart[g->n_restart][1] = offset_here (g);
  g->restart[g->n_restart++][2] = again;
}

static void
look_up (Gen *g, unsigned pc)
{
  enc_mov_rr (&g->e, X64_W, RAX, pc);
  x64_call_marked (g, g->set->miss);
  enc_u8 (&g->e, 0x0f), enc_u8 (&g->e, 0x0b);           /* ud2: the return address lies within the block */
}

/* Goes on when the entry, at `displacement` from where the register points to, is not the one. */
static void
try_entry (Gen *g, unsigned entry, int32_t displacement, unsigned pc, uint8_t *miss[2])
{
  Enc *e = &g->e;
  enc_alu_mr (e, ALU_CMP, X64_W, x64_mem (entry, displacement + (int32_t) offsetof (JumpEntry, pc)), pc);
  miss[0] = enc_jcc (e, CC_NE);
  enc_alu_mi (e, ALU_CMP, 0, x64_mem (entry, displacement + (int32_t) offsetof (JumpEntry, mode)), (int32_t) g->block->tb->exit_mode);
  miss[1] = enc_jcc (e, CC_NE);
  enc_jmp_m (e, x64_mem (entry, displacement + (int32_t) offsetof (JumpEntry, code)));
}

/* The second place that it may be at. */
static void
late_second (Gen *g, const Late *late)
{
  uint8_t *miss[2];
  uint32_t from = offset_here (g);
  enc_patch (late->from_too, g->e.p);
  try_entry (g, late->entry, sizeof (JumpEntry), late->address.reg, miss);
  note_restart (g, from - 1, late->aux);
  enc_patch (miss[0], g->e.p);
  enc_patch (miss[1], g->e.p);
  look_up (g, late->address.reg);
}

static void
late_miss_link (Gen *g, const Late *late)
{
  enc_mov_ri (&g->e, RAX, late->address.imm);
  enc_mov_ri (&g->e, RDX, late->aux);
  x64_call_marked (g, g->set->miss_link);
  enc_u8 (&g->e, 0x0f), enc_u8 (&g->e, 0x0b);
}

/* An exit number that the block has not got yet, TB_MAX_EXITS: none. */
static unsigned
free_exit (const Gen *g)
{
  uint32_t used = 0;
  for (unsigned n = 0; n < g->n_exits; n++)
    used |= (uint32_t) (g->exit[n].jump != TB_NO_EXIT) << n;
  for (uint32_t i = g->at + 1; i < g->ir->n_insns; i++)
    if (g->ir->insns[i].op == BP_IR_goto_tb)
      used |= 1u << g->ir->insns[i].aux;
  return MIN ((unsigned) __builtin_ctz (~used), TB_MAX_EXITS);
}

/* To another page, always the same pc: a jump that is taken while the page is named as it was when the jump was linked. */
static bool
goto_constant (Gen *g, uint64_t pc)
{
  Enc *e = &g->e;
  unsigned n = free_exit (g);
  if (n == TB_MAX_EXITS)
    return false;
  unsigned t = ra_scratch (&g->ra, 0);
  enc_load (e, X64_W, t, ENV (page_ids));
  enc_nops (e, (unsigned) -((uintptr_t) e->p + 2) & 7);
  enc_u8 (e, 0x81), enc_u8 (e, (uint8_t) (0xb8 | t));   /* cmp dword [t + disp32], imm32 */
  g->exit[n].guard = offset_here (g);
  enc_u32 (e, 0), enc_u32 (e, UINT32_MAX);
  align_jump (g, 2, e->p);
  set_exit_jump (g, n, enc_jcc (e, CC_E));
  g->exit[n].unlinked = offset_here (g);
  Late *late = x64_late (g, late_miss_link, enc_jmp (e));
  late->address = (Operand) { .kind = IS_IMMEDIATE, .imm = (int64_t) pc };
  late->aux = n;
  ra_release_dead (&g->ra);
  return true;
}

void
x64_goto_ptr (Gen *g, const BpIrInsn *insn)
{
  Enc *e = &g->e;
  if (ra_is_const (&g->ra, insn->a[0])
      && goto_constant (g, (uint64_t) x64_address (g, insn->a[0], insn->type == BP_IR_I64, true).imm))
    return;
  if (ra_is_sum (&g->ra, insn->a[0]))
    ra_use (&g->ra, insn->a[0], 0);
  unsigned pc = x64_address (g, insn->a[0], insn->type == BP_IR_I64, false).reg, t = ra_scratch (&g->ra, 0);
  uint32_t from = offset_here (g);
  uint8_t *miss[2];
  if (g->has_look_up) {         /* no room to note another one: by way of C */
    look_up (g, pc);
    ra_release_dead (&g->ra);
    return;
  }
  g->has_look_up = true;
  if (x64_host.cpu & CPU_BMI2) {
    enc_rorx (e, X64_W, t, pc, 64 - JUMP_CACHE_SHIFT);
  } else {
    enc_mov_rr (e, X64_W, t, pc);
    enc_shift_ri (e, SHIFT_SHL, X64_W, t, JUMP_CACHE_SHIFT);
  }
  enc_alu_ri (e, ALU_AND, 0, t, ((1 << (JUMP_CACHE_BITS - 1)) - 1) << JUMP_CACHE_SHIFT);
  _Static_assert (2 * sizeof (JumpEntry) == 1 << JUMP_CACHE_SHIFT, "jump_index, in place as an offset");
  enc_alu_rm (e, ALU_ADD, X64_W, t, ENV (jump_cache));
  try_entry (g, t, 0, pc, miss);
  note_restart (g, from, from);
  Late *late = x64_late (g, late_second, miss[0]);
  late->from_too = miss[1];
  late->address = (Operand) { .kind = IN_REGISTER, .reg = (uint8_t) pc };
  late->entry = (uint8_t) t;
  late->aux = from;
  ra_release_dead (&g->ra);
}

void
x64_goto_any (Gen *g, const BpIrInsn *insn)
{
  enc_jmp_to (&g->e, g->set->any);
}

/* --- deterministic mode ------------------------------------------------------------------- */

/* Whoever jumped here has not stored the pc. */
static void
store_own_pc (Gen *g)
{
  const BpTcgFrontend *frontend = g->block->frontend;
  uint64_t pc = g->block->tb->key.pc - g->block->tb->key.base;
  X64Mem to = x64_mem (RBP, (int32_t) frontend->pc_offset);
  if (frontend->pc_size == 4) {
    enc_mov_ri (&g->e, RAX, (uint32_t) pc);
    enc_store (&g->e, 0, RAX, to);
  } else {
    enc_mov_ri (&g->e, RAX, (int64_t) pc);
    enc_store (&g->e, X64_W, RAX, to);
  }
}

static void
late_icount (Gen *g, const Late *late)
{
  enc_alu_mi (&g->e, ALU_ADD, X64_W, ENV (icount_left), (int32_t) late->op);
  store_own_pc (g);
  leave_with (g, TCG_EXIT_LEAVE);
}

void
x64_icount (Gen *g)
{
  uint32_t n = g->block->tb->n_insns;
  enc_alu_mi (&g->e, ALU_SUB, X64_W, ENV (icount_left), (int32_t) n);
  x64_late (g, late_icount, enc_jcc (&g->e, CC_S))->op = n;
}

/* --- counting ---------------------------------------------------------------------------------- */

static void
late_hot (Gen *g, const Late *late)
{
  leave_with (g, TCG_EXIT_HOT);
}

void
x64_count (Gen *g)
{
  Enc *e = &g->e;
  const CodeBuffer *buffer = g->block->buffer;
  uint64_t after = (uintptr_t) (buffer->rx + (e->p - buffer->rw)) + 7;
  if (!enc_begin (e))
    return;
  enc_u8 (e, 0x83), enc_u8 (e, 0x2d);                   /* sub dword [rip + disp32], 1 */
  enc_u32 (e, (uint32_t) ((uintptr_t) g->block->tb->counter - after)), enc_u8 (e, 1);
  x64_late (g, late_hot, enc_jcc (e, CC_S));
}

/* --- second pages ---------------------------------------------------------------------------- */

static void
late_second_page (Gen *g, const Late *late)
{
  store_own_pc (g);
  x64_call_marked (g, g->set->miss);    /* finds this block again, or another */
  enc_u8 (&g->e, 0x0f), enc_u8 (&g->e, 0x0b);
}

void
x64_second_page (Gen *g)
{
  uint32_t id = g->block->tb->page_id[1];
  enc_load (&g->e, X64_W, RAX, ENV (page_ids));
  enc_alu_mi (&g->e, ALU_CMP, 0, x64_mem (RAX, (int32_t) (id % PAGE_IDS * sizeof (uint32_t))), (int32_t) id);
  x64_late (g, late_second_page, enc_jcc (&g->e, CC_NE));
}

/* --- helpers ---------------------------------------------------------------------------------- */

/* ThreadSanitizer's library is called from everywhere, and uses what it likes. */
#ifdef __SANITIZE_THREAD__
#define CALLS_SPARE_FP false
#else
#define CALLS_SPARE_FP true
#endif

void
x64_call (Gen *g, const BpIrInsn *insn)
{
  const BpIrHelper *helper = ir_helper (insn);
  Regalloc *ra = &g->ra;
  bool no_globals = helper->flags & (BP_HELPER_NO_GLOBALS | BP_HELPER_PURE);
  bool writes = !no_globals && !(helper->flags & BP_HELPER_NO_WRITE);
  bool fp_safe = CALLS_SPARE_FP && (helper->flags & BP_HELPER_FP_SAFE) && !(helper->flags & BP_HELPER_FP_STATE);
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
