/* control-flow.c -- branches, calls, returns, interrupts; how a block is left. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

/* --- leaving the block ------------------------------------------------------------------------ */

static void
set_eip (Translator *s, uint64_t eip)
{
  SET_ENV32 (s, eip, i32 (s, (uint32_t) eip));
}

void
emit_next_eip (Translator *s)
{
  set_eip (s, s->next_pc);
}

static bool
goes_through_loop (const Translator *s)
{
  return s->mode_changed || (s->t->cflags & BP_TCG_CF_NO_CHAIN);
}

void
emit_exit_dynamic (Translator *s)
{
  if ((s->hflags & HF_TF) && !s->skip_trap)
    emit_call (s, H_single_step, BP_IR_NONE, BP_IR_ENV);
  else
    bp_ir_exit_tb (s->b, 2);
}

void
emit_check_mode (Translator *s)
{
  if (s->mode_changed || (s->hflags & HF_TF)) {
    s->mode_changed = true;
    return;
  }
  uint32_t same = bp_ir_label_new (s->b);
  BpTemp mode = op3i (s, BP_IR_and, ENV32 (s, hflags), x86_key_mask (s->hflags));
  flags_store_op (s);
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_EQ, mode, i32 (s, s->hflags), same);
  emit_next_eip (s);
  bp_ir_exit_tb (s->b, 2);
  bp_ir_label (s->b, same);
}

/* A page may be mapped elsewhere while its neighbour's blocks stay: only jumps within one are direct. */
static bool
is_on_page (const Translator *s, uint64_t target)
{
  return !(((uint32_t) (s->cs_base + target) ^ s->t->key.pc) >> 12);
}

static void
jump_to (Translator *s, uint64_t target, unsigned slot)
{
  if ((s->hflags & HF_TF) || goes_through_loop (s)) {
    set_eip (s, target);
    emit_exit_dynamic (s);
  } else if (is_on_page (s, target)) {
    bp_ir_goto_tb (s->b, slot);
    set_eip (s, target);
    bp_ir_exit_tb (s->b, slot);
  } else {
    set_eip (s, target);
    bp_ir_goto_ptr (s->b, i32 (s, (uint32_t) target));
  }
}

void
emit_jump_to (Translator *s, uint64_t target, unsigned slot)
{
  flags_store_op (s);
  if (target > s->cs_limit)
    emit_raise_error (s, EXC_GP, 0);
  else
    jump_to (s, target, slot);
}

void
emit_go_on (Translator *s, unsigned slot)
{
  flags_store_op (s);
  jump_to (s, s->next_pc, slot);
}

void
emit_jump_indirect (Translator *s, BpTemp target)
{
  flags_store_op (s);
  SET_ENV32 (s, eip, target);
  if ((s->hflags & HF_TF) || goes_through_loop (s))
    emit_exit_dynamic (s);
  else
    bp_ir_goto_ptr (s->b, target);
}

/* --- near ------------------------------------------------------------------------------------- */

/* #GP(0) at this instruction when the target, of `size` bytes, lies beyond CS's limit. */
static void
check_target (Translator *s, BpTemp target, unsigned size)
{
  if (s->cs_limit >= size_mask (size))
    return;
  uint32_t good = bp_ir_label_new (s->b);
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_LEU, target, i32 (s, (uint32_t) s->cs_limit), good);
  emit_raise_error (s, EXC_GP, 0);
  bp_ir_label (s->b, good);
}

static void
emit_branch (Translator *s, const X86Insn *insn, Compare c)
{
  uint32_t taken = bp_ir_label_new (s->b);
  flags_store_op (s);
  brcond (s, c, taken);
  emit_go_on (s, 0);
  bp_ir_label (s->b, taken);
  emit_jump_to (s, x86_branch_target (insn, s->pc), 1);
  s->ended = true;
}

void
emit_jcc (Translator *s, const X86Insn *insn)
{
  emit_branch (s, insn, flags_condition (s, insn->cond, true));
}

void
emit_jcxz (Translator *s, const X86Insn *insn)
{
  emit_branch (s, insn, (Compare) { BP_IR_I32, BP_IR_EQ, zx (s, gpr (X86_RCX), insn->adsize), i32 (s, 0) });
}

/* LOOP, LOOPE, LOOPNE */
void
emit_loop (Translator *s, const X86Insn *insn)
{
  BpTemp count = op3i (s, BP_IR_sub, gpr (X86_RCX), 1), zero = i32 (s, 0);
  write_gpr (s, X86_RCX, insn->adsize, false, count);
  Compare c = { BP_IR_I32, BP_IR_NE, zx (s, count, insn->adsize), zero };
  if (insn->op != X86_OP_LOOP) {
    BpTemp wanted = flags_setcond (s, insn->op == X86_OP_LOOPE ? X86_COND_Z : X86_COND_NZ, true);
    c = (Compare) { BP_IR_I32, BP_IR_NE, movcond (s, c, wanted, zero), zero };
  }
  emit_branch (s, insn, c);
}

static BpTemp
indirect_target (Translator *s, const X86Insn *insn)
{
  BpTemp target = copy (s, operand_zx (s, insn, 0));
  check_target (s, target, insn->opsize);
  return target;
}

void
emit_jmp (Translator *s, const X86Insn *insn)
{
  if (insn->operand[0].kind == X86_OPERAND_REL)
    emit_jump_to (s, x86_branch_target (insn, s->pc), 0);
  else
    emit_jump_indirect (s, indirect_target (s, insn));
  s->ended = true;
}

void
emit_call_near (Translator *s, const X86Insn *insn)
{
  s->ended = true;
  if (insn->operand[0].kind != X86_OPERAND_REL) {
    BpTemp target = indirect_target (s, insn);
    emit_push (s, i32 (s, (uint32_t) s->next_pc), insn->opsize);
    emit_jump_indirect (s, target);
    return;
  }
  uint64_t target = x86_branch_target (insn, s->pc);
  if (target <= s->cs_limit)    /* else the jump raises, before anything is pushed */
    emit_push (s, i32 (s, (uint32_t) s->next_pc), insn->opsize);
  emit_jump_to (s, target, 0);
}

void
emit_ret (Translator *s, const X86Insn *insn)
{
  uint32_t release = insn->n_operands ? (uint32_t) insn->operand[0].imm & 0xffff : 0;
  BpTemp target = stack_load (s, stack_pointer (s), insn->opsize);
  check_target (s, target, insn->opsize);
  set_stack_pointer (s, stack_add (s, gpr (X86_RSP), (int32_t) (insn->opsize + release)));
  emit_jump_indirect (s, target);
  s->ended = true;
}

/* --- far -------------------------------------------------------------------------------------- */

typedef struct FarPointer {
  BpTemp selector, offset;
} FarPointer;

static FarPointer
far_pointer (Translator *s, const X86Insn *insn)
{
  const X86Operand *o = &insn->operand[0];
  if (o->kind == X86_OPERAND_FAR)
    return (FarPointer) { i32 (s, o->selector), i32 (s, (uint32_t) o->imm) };
  BpTemp linear = operand_linear (s, insn, 0);
  BpTemp offset = emit_load (s, linear, insn->opsize);
  return (FarPointer) { emit_load (s, op3i (s, BP_IR_add, linear, insn->opsize), 2), offset };
}

/* A helper has set CS:EIP. */
static void
end_far (Translator *s)
{
  flags_dynamic (s, CC_EFLAGS);
  emit_exit_dynamic (s);
  s->ended = true;
}

static void
emit_far (Translator *s, const X86Insn *insn, unsigned helper)
{
  FarPointer to = far_pointer (s, insn);
  flags_store_op (s);
  emit_call (s, helper, BP_IR_NONE, BP_IR_ENV, to.selector, to.offset, i32 (s, insn->opsize),
             i32 (s, (uint32_t) s->next_pc));
  end_far (s);
}

void emit_jmpf (Translator *s, const X86Insn *insn) { emit_far (s, insn, H_ljmp); }
void emit_callf (Translator *s, const X86Insn *insn) { emit_far (s, insn, H_lcall); }

void
emit_retf (Translator *s, const X86Insn *insn)
{
  uint32_t release = insn->n_operands ? (uint32_t) insn->operand[0].imm & 0xffff : 0;
  flags_store_op (s);
  emit_call (s, H_lret, BP_IR_NONE, BP_IR_ENV, i32 (s, insn->opsize), i32 (s, release));
  end_far (s);
}

void
emit_iret (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  if (s->is_protected)
    emit_call (s, H_iret_protected, BP_IR_NONE, BP_IR_ENV, i32 (s, insn->opsize),
               i32 (s, (uint32_t) s->next_pc));
  else
    emit_call (s, H_iret_real, BP_IR_NONE, BP_IR_ENV, i32 (s, insn->opsize));
  end_far (s);
}

void
emit_sysenter (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_sysenter, BP_IR_NONE, BP_IR_ENV);
  end_far (s);
}

void
emit_sysexit (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_sysexit, BP_IR_NONE, BP_IR_ENV, i32 (s, insn->opsize));
  end_far (s);
}

/* --- interrupts ------------------------------------------------------------------------------- */

/* No trap follows it: the handler starts with TF clear. */
static void
emit_interrupt (Translator *s, uint32_t vector)
{
  flags_store_op (s);
  set_eip (s, s->pc);
  emit_call (s, H_interrupt, BP_IR_NONE, BP_IR_ENV, i32 (s, vector), i32 (s, (uint32_t) s->next_pc));
  bp_ir_exit_tb (s->b, 2);
}

void
emit_int (Translator *s, const X86Insn *insn)
{
  emit_interrupt (s, insn->operand[0].imm & 0xff);
  s->ended = true;
}

void
emit_int3 (Translator *s, const X86Insn *insn)
{
  emit_interrupt (s, EXC_BP);
  s->ended = true;
}

void
emit_int1 (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_icebp, BP_IR_NONE, BP_IR_ENV, i32 (s, (uint32_t) s->next_pc));
  s->ended = true;
}

void
emit_into (Translator *s, const X86Insn *insn)
{
  uint32_t none = bp_ir_label_new (s->b);
  Compare overflow = flags_condition (s, X86_COND_O, false);
  flags_store_op (s);
  brcond (s, negated (overflow), none);
  emit_interrupt (s, EXC_OF);
  bp_ir_label (s->b, none);
}

/* Signed bounds, both included. */
void
emit_bound (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->opsize;
  uint32_t out = bp_ir_label_new (s->b), in = bp_ir_label_new (s->b);
  BpTemp linear = operand_linear (s, insn, 1), index = sx (s, operand (s, insn, 0), size);
  BpTemp lower = sx (s, emit_load (s, linear, size), size);
  BpTemp upper = sx (s, emit_load (s, op3i (s, BP_IR_add, linear, size), size), size);
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_LT, index, lower, out);
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_LE, index, upper, in);
  bp_ir_label (s->b, out);
  emit_raise (s, EXC_BR);
  bp_ir_label (s->b, in);
}

void
emit_ud (Translator *s, const X86Insn *insn)
{
  emit_raise (s, EXC_UD);
  s->ended = true;
}
