/* segment.c -- segment and descriptor-table registers. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

/* --- loading a segment register ------------------------------------------------------------------
 * In two steps: the load, which may fault, and after the instruction's other results the question whether
 * this block's mode still holds.  Mostly it does (a flat segment for a flat one), and the block goes on. */

static BpTemp
load_attributes (Translator *s, unsigned seg)
{
  BpTemp r = local (s);
  bp_ir_ld (s->b, BP_IR_ld16u, BP_IR_I32, r, BP_IR_ENV, (int64_t) offsetof (X86Cpu, segment[seg].attributes));
  return r;
}

/* Returns the attributes before. */
static BpTemp
load_segment (Translator *s, unsigned seg, BpTemp selector)
{
  BpTemp before = load_attributes (s, seg);
  flags_store_op (s);
  emit_call (s, H_load_seg, BP_IR_NONE, BP_IR_ENV, i32 (s, seg), selector);
  return before;
}

static void
leave_when_mode_changed (Translator *s, unsigned seg, BpTemp before)
{
  if (seg == X86_SS || s->mode_changed || (s->hflags & HF_TF)) {
    s->mode_changed = true;
    return;
  }
  if (s->is_64) {               /* nothing there depends on what a data segment is */
    s->end_block = false;
    return;
  }
  emit_check_mode (s);
  bool in_key = seg != X86_GS || !x86_key_leaves_out_gs (s->hflags);
  if (in_key && !(s->hflags & HF_FLAT (seg))) { /* hflags do not say what kind of segment that is */
    uint32_t same = bp_ir_label_new (s->b);
    bp_ir_brcond (s->b, BP_IR_I32, BP_IR_EQ, before, load_attributes (s, seg), same);
    emit_next_eip (s);
    emit_go_anywhere (s);
    bp_ir_label (s->b, same);
  }
  s->end_block = false;
}

/* Interrupts and traps wait until the instruction after MOV SS and POP SS is done, and a breakpoint on that one does not fire
 * (SDM 3A 6.8.3): as after an IRET with RF, which is what its mode bit says. */
static void
inhibit (Translator *s)
{
  uint32_t bits = HF_INHIBIT | (s->hflags & HF_BREAKPOINTS ? HF_RF : 0);
  SET_ENV32 (s, hflags, op3i (s, BP_IR_or, ENV32 (s, hflags), bits));
  s->skip_trap = true;
}

void
emit_mov_to_seg (Translator *s, const X86Insn *insn)
{
  unsigned seg = insn->operand[0].reg;
  BpTemp before = load_segment (s, seg, operand_zx (s, insn, 1));
  if (seg == X86_SS)
    inhibit (s);
  leave_when_mode_changed (s, seg, before);
}

void
emit_pop_seg (Translator *s, const X86Insn *insn)
{
  unsigned seg = insn->operand[0].reg;
  BpTemp selector = zx (s, stack_load (s, stack_pointer (s), insn->opsize), 2);
  BpTemp sp = stack_add (s, gpr (X86_RSP), insn->opsize);
  BpTemp before = load_segment (s, seg, selector);
  set_stack_pointer (s, sp);    /* at the width of the stack popped from */
  if (seg == X86_SS)
    inhibit (s);
  leave_when_mode_changed (s, seg, before);
}

void
emit_load_far_pointer (Translator *s, const X86Insn *insn)
{
  static const struct { uint16_t op, seg; } rows[] = { { X86_OP_LES, X86_ES }, { X86_OP_LSS, X86_SS },
                                                       { X86_OP_LDS, X86_DS },
                                                       { X86_OP_LFS, X86_FS }, { X86_OP_LGS, X86_GS } };
  unsigned seg = X86_DS;
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++)
    if (insn->op == rows[i].op)
      seg = rows[i].seg;
  BpTemp linear = operand_linear (s, insn, 1);
  BpTemp offset = emit_load (s, linear, insn->opsize);
  BpTemp selector = emit_load (s, linear_plus (s, linear, insn->opsize), 2);
  BpTemp before = load_segment (s, seg, selector);
  set_operand (s, insn, 0, offset);
  leave_when_mode_changed (s, seg, before);
}

/* --- reading them ----------------------------------------------------------------------------- */

static BpTemp
selector_of (Translator *s, unsigned seg)
{
  BpTemp r = local (s);
  bp_ir_ld (s->b, BP_IR_ld16u, BP_IR_I32, r, BP_IR_ENV, (int64_t) offsetof (X86Cpu, segment[seg].selector));
  return r;
}

void
emit_push_seg (Translator *s, const X86Insn *insn)
{
  emit_push (s, selector_of (s, insn->operand[0].reg), insn->opsize);
}

void
emit_mov_from_seg (Translator *s, const X86Insn *insn)
{
  set_operand (s, insn, 0, selector_of (s, insn->operand[1].reg));
}

/* SLDT, STR */
void
emit_sldt (Translator *s, const X86Insn *insn)
{
  emit_umip_check (s);
  set_operand (s, insn, 0, selector_of (s, insn->op == X86_OP_SLDT ? BP_X86_LDTR : BP_X86_TR));
}

/* LLDT, LTR */
void
emit_lldt (Translator *s, const X86Insn *insn)
{
  emit_call (s, insn->op == X86_OP_LLDT ? H_lldt : H_ltr, BP_IR_NONE, BP_IR_ENV, operand_zx (s, insn, 0));
}

/* --- questions about selectors: the answer is in ZF ------------------------------------------- */

static void
set_zero_flag (Translator *s, BpTemp zero)
{
  BpTemp flags = local (s);
  bp_ir_deposit (s->b, BP_IR_I32, flags, flags_value (s), zero, 6, 1);
  flags_set_eflags (s, flags);
}

/* LAR, LSL */
void
emit_lar (Translator *s, const X86Insn *insn)
{
  BpTemp answer = bp_ir_local (s->b, BP_IR_I64), high = bp_ir_local (s->b, BP_IR_I64);
  emit_call (s, insn->op == X86_OP_LAR ? H_lar : H_lsl, answer, BP_IR_ENV, operand_zx (s, insn, 1));
  bp_ir_op3 (s->b, BP_IR_shr, BP_IR_I64, high, answer, bp_ir_i64 (s->b, 32));
  BpTemp valid = op2 (s, BP_IR_trunc, high), value = op2 (s, BP_IR_trunc, answer);
  set_operand_unless (s, insn, (Compare) { BP_IR_I32, BP_IR_TSTEQ, valid, i32 (s, 1) }, value);
  set_zero_flag (s, valid);
}

/* VERR, VERW */
void
emit_verr (Translator *s, const X86Insn *insn)
{
  BpTemp valid = local (s);
  emit_call (s, insn->op == X86_OP_VERR ? H_verr : H_verw, valid, BP_IR_ENV, operand_zx (s, insn, 0));
  set_zero_flag (s, valid);
}

static BpTemp
arpl_linear (Translator *s, const X86Insn *insn, unsigned access)
{
  return operand_linear_at (s, insn, 0, 0, 2, access);
}

/* The destination is written, and must be writable, only when its RPL is raised. */
void
emit_arpl (Translator *s, const X86Insn *insn)
{
  uint32_t keep = bp_ir_label_new (s->b);
  bool in_memory = is_mem (insn, 0);
  BpTemp dst = in_memory ? emit_load (s, arpl_linear (s, insn, X86_ACCESS_R), 2)
      : copy (s, operand (s, insn, 0));
  BpTemp src = copy (s, operand (s, insn, 1)), raised = local (s), r = local (s);
  BpTemp rpl = op3i (s, BP_IR_and, dst, 3), wanted = op3i (s, BP_IR_and, src, 3);
  bp_ir_setcond (s->b, BP_IR_I32, BP_IR_LTU, raised, rpl, wanted);
  bp_ir_deposit (s->b, BP_IR_I32, r, dst, wanted, 0, 2);
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_EQ, raised, i32 (s, 0), keep);
  if (in_memory)
    emit_store (s, r, arpl_linear (s, insn, X86_ACCESS_W), 2);
  else
    set_operand (s, insn, 0, r);
  bp_ir_label (s->b, keep);
  set_zero_flag (s, raised);
}

/* --- descriptor-table registers --------------------------------------------------------------- */

typedef struct TableRegister {
  size_t base, limit;
} TableRegister;

static TableRegister
table_register (const X86Insn *insn)
{
  if (insn->op == X86_OP_SGDT || insn->op == X86_OP_LGDT)
    return (TableRegister) { offsetof (X86Cpu, gdtr.base), offsetof (X86Cpu, gdtr.limit) };
  return (TableRegister) { offsetof (X86Cpu, idtr.base), offsetof (X86Cpu, idtr.limit) };
}

/* SGDT, SIDT.  All 32 bits of the base, whatever the operand size: as processors do since the 80386. */
void
emit_sgdt (Translator *s, const X86Insn *insn)
{
  TableRegister t = table_register (insn);
  emit_umip_check (s);
  BpTemp linear = operand_linear (s, insn, 0);
  emit_store (s, load_env32 (s, t.limit), linear, 2);
  if (s->is_64)
    emit_store (s, load_env64 (s, t.base), linear_plus (s, linear, 2), 8);
  else
    emit_store (s, load_env32 (s, t.base), linear_plus (s, linear, 2), 4);
}

/* LGDT, LIDT.  16-bit operands: 24 bits of base. */
void
emit_lgdt (Translator *s, const X86Insn *insn)
{
  BpTemp linear = operand_linear (s, insn, 0);
  BpTemp limit = emit_load (s, linear, 2), base = emit_load (s, linear_plus (s, linear, 2), s->is_64 ? 8 : 4);
  if (insn->opsize == 2 && !s->is_64)
    base = op3i (s, BP_IR_and, base, 0xffffff);
  emit_call (s, H_load_table, BP_IR_NONE, BP_IR_ENV, i32 (s, insn->op == X86_OP_LIDT), base, limit);
}

/* --- bases that need no descriptor -------------------------------------------------------------- */

static unsigned
base_of (const X86Insn *insn)
{
  return insn->op == X86_OP_RDFSBASE || insn->op == X86_OP_WRFSBASE ? X86_FS : X86_GS;
}

/* RDFSBASE, RDGSBASE */
void
emit_rdfsbase (Translator *s, const X86Insn *insn)
{
  BpTemp base = local64 (s);
  emit_call (s, H_read_base, base, BP_IR_ENV, i32 (s, base_of (insn)));
  set_operand (s, insn, 0, base);
}

/* WRFSBASE, WRGSBASE */
void
emit_wrfsbase (Translator *s, const X86Insn *insn)
{
  BpTemp base = zx64 (s, operand (s, insn, 0), insn->operand[0].size);
  emit_call (s, H_write_base, BP_IR_NONE, BP_IR_ENV, i32 (s, base_of (insn)), base);
}

/* What 64-bit code is translated to does not depend on the base of GS: the block goes on. */
void
emit_swapgs (Translator *s, const X86Insn *insn)
{
  size_t gs = offsetof (X86Cpu, segment[X86_GS].base), other = offsetof (X86Cpu, kernel_gs_base);
  BpTemp base = load_env64 (s, gs), next = load_env64 (s, other);
  store_env64 (s, gs, next);
  store_env64 (s, other, base);
  s->end_block = s->mode_changed;
}
