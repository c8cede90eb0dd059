/* control-flow.c -- branches, calls, returns, interrupts; how a block is left. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

/* --- leaving the block ------------------------------------------------------------------------ */

/* Outside 64-bit mode the upper half is 0, and stays so. */
static void
set_eip (Translator *s, uint64_t eip)
{
  if (s->is_64)
    store_env64 (s, offsetof (X86Cpu, eip), i64 (s, eip));
  else
    SET_ENV32 (s, eip, i32 (s, (uint32_t) eip));
}

BpTemp
next_eip (Translator *s)
{
  return i64 (s, s->next_pc);
}

void
emit_this_eip (Translator *s)
{
  set_eip (s, s->pc);
}

void
emit_next_eip (Translator *s)
{
  set_eip (s, s->next_pc);
}

/* Whether the exits need not look at the mode, and have no trap on the way. */
static bool
stays_in_mode (const Translator *s)
{
  return !(s->hflags & HF_TF) && !s->mode_changed && !(s->t->cflags & BP_TCG_CF_NO_CHAIN);
}

void
emit_go_anywhere (Translator *s)
{
  if (s->t->cflags & BP_TCG_CF_NO_CHAIN)
    bp_ir_exit_tb (s->b, BP_IR_EXIT_NONE);
  else
    bp_ir_goto_any (s->b);
}

void
emit_exit_dynamic (Translator *s)
{
  if ((s->hflags & HF_TF) && !s->skip_trap)
    emit_call (s, H_single_step, BP_IR_NONE, BP_IR_ENV);
  else
    emit_go_anywhere (s);
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
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_EQ, mode, i32 (s, s->hflags & x86_key_mask (s->hflags)), same);
  emit_next_eip (s);
  emit_go_anywhere (s);
  bp_ir_label (s->b, same);
}

/* A page may be mapped elsewhere while its neighbour's blocks stay: only jumps within one are direct. */
static bool
is_on_page (const Translator *s, uint64_t target)
{
  return !((code_linear (s, target) ^ s->t->key.pc) >> 12);
}

static bool
may_jump_to (const Translator *s, uint64_t target)
{
  return s->is_64 ? x86_is_canonical (target) : target <= s->cs_limit;
}

static void
jump_to (Translator *s, uint64_t target)
{
  if (!stays_in_mode (s) || !may_jump_to (s, target)) {         /* running on to where nothing can be faults there */
    set_eip (s, target);
    emit_exit_dynamic (s);
  } else if (is_on_page (s, target)) {
    unsigned n = s->n_exits++;
    bp_ir_goto_tb (s->b, n);
    set_eip (s, target);
    bp_ir_exit_tb (s->b, n);
  } else {
    bp_ir_goto_ptr (s->b, i64 (s, target));
  }
}

static void
emit_jump_to (Translator *s, uint64_t target)
{
  flags_store_op (s);
  if (!may_jump_to (s, target))
    emit_raise_error (s, EXC_GP, 0);
  else
    jump_to (s, target);
}

void
emit_go_on (Translator *s)
{
  flags_store_op (s);
  jump_to (s, s->next_pc);
}

/* --- following a hot path -------------------------------------------------------------------------- */

/* Whether the path goes on at pc, so that translation can, too. */
static bool
is_followed (const Translator *s, uint64_t pc)
{
  const BpTranslation *t = s->t;
  return s->n_followed < t->n_path && code_linear (s, pc) == t->path[s->n_followed] && stays_in_mode (s)
         && may_jump_to (s, pc) && is_on_page (s, pc) && t->n_insns + 1 < t->max_insns;
}

static void
follow (Translator *s, uint64_t pc)
{
  s->n_followed++;
  s->next_pc = pc;
  s->end_block = false;         /* which any jump asks for */
}

/* If one side of a branch is on the path: goes on there, and leaves the other to emit_side_exits. */
static bool
follow_branch (Translator *s, uint64_t target, Compare taken)
{
  bool is_taken = is_followed (s, target);
  if (s->n_side == MAX_SIDE_EXITS || !(is_taken || is_followed (s, s->next_pc)) || !may_jump_to (s, target) || target == s->next_pc)
    return false;
  flags_settle (s);
  SideExit *side = &s->side[s->n_side++];
  *side = (SideExit) { bp_ir_label_new (s->b), s->pc, is_taken ? s->next_pc : target, s->hflags, s->cc_op, s->cc_op_stored };
  brcond (s, is_taken ? negated (taken) : taken, side->label);
  follow (s, is_taken ? target : s->next_pc);
  return true;
}

/* What has changed the mode since lets only the block's end go on directly in that (BpTranslation.exit_flags). */
void
emit_side_exits (Translator *s)
{
  uint32_t hflags = s->hflags;
  s->pending = 0;               /* the block's end has seen to it, or needs it no more */
  for (unsigned i = 0; i < s->n_side; i++) {
    const SideExit *side = &s->side[i];
    s->cc_op = side->cc_op;
    s->cc_op_stored = side->cc_op_stored;
    s->mode_changed = side->hflags != hflags;
    bp_ir_insn_start (s->b, side->pc, side->cc_op);
    bp_ir_label (s->b, side->label);
    emit_jump_to (s, side->target);
  }
}

/* checked already */
static void
emit_jump_indirect (Translator *s, BpTemp target)
{
  flags_store_op (s);
  if (stays_in_mode (s)) {
    bp_ir_goto_ptr (s->b, s->is_64 ? target : zx64 (s, target, 4));
    return;
  }
  if (s->is_64)
    store_env64 (s, offsetof (X86Cpu, eip), target);
  else
    SET_ENV32 (s, eip, target);
  emit_exit_dynamic (s);
}

/* --- near ------------------------------------------------------------------------------------- */

/* A target of `size` bytes that lies beyond CS's limit, or is not canonical, is #GP(0) at this instruction.  The code for that
 * goes behind the jump: a label for emit_bad_target, NO_LABEL when there is nothing to fear, or when goto_ptr sees to it (frontend.c, may_jump)
 * because the instruction can be `undone`. */
#define NO_LABEL 0xffffffffu

static uint32_t
check_target (Translator *s, BpTemp target, unsigned size, bool undone)
{
  if (size < 8 ? s->cs_limit >= size_mask (size) : undone && stays_in_mode (s))
    return NO_LABEL;
  uint32_t bad = bp_ir_label_new (s->b);
  if (size < 8) {
    bp_ir_brcond (s->b, BP_IR_I32, BP_IR_GTU, target, i32 (s, (uint32_t) s->cs_limit), bad);
  } else {                      /* bits 63:47 are one and the same (SDM 1, 3.3.7.1) */
    BpTemp top = binary_imm (s, 8, BP_IR_add, binary_imm (s, 8, BP_IR_sar, target, 47), 1);
    bp_ir_brcond (s->b, BP_IR_I64, BP_IR_GTU, top, i64 (s, 1), bad);
  }
  return bad;
}

static void
emit_bad_target (Translator *s, uint32_t label)
{
  if (label == NO_LABEL)
    return;
  bp_ir_label (s->b, label);
  emit_raise_error (s, EXC_GP, 0);
}

static void
emit_branch (Translator *s, const X86Insn *insn, Compare c)
{
  uint64_t target = x86_branch_target (insn, s->pc);
  if (follow_branch (s, target, c))
    return;
  uint32_t taken = bp_ir_label_new (s->b);
  flags_store_op (s);
  brcond (s, c, taken);
  emit_go_on (s);
  bp_ir_label (s->b, taken);
  emit_jump_to (s, target);
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
  unsigned size = insn->adsize;
  emit_branch (s, insn, compare_of (size, BP_IR_EQ, zx (s, gpr (X86_RCX), size), constant (s, size, 0)));
}

/* LOOP, LOOPE, LOOPNE */
void
emit_loop (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->adsize;
  BpTemp count = binary_imm (s, size, BP_IR_sub, gpr (X86_RCX), 1), zero = i32 (s, 0);
  bool may_fault = s->is_64 && !x86_is_canonical (x86_branch_target (insn, s->pc));
  if (!may_fault)
    write_gpr (s, X86_RCX, size, false, count);
  Compare c = compare_of (size, BP_IR_NE, zx (s, count, size), constant (s, size, 0));
  if (insn->op != X86_OP_LOOP) {
    BpTemp wanted = flags_setcond (s, insn->op == X86_OP_LOOPE ? X86_COND_Z : X86_COND_NZ, true);
    c = compare (BP_IR_NE, movcond (s, c, wanted, zero), zero);
  }
  if (may_fault) {              /* the jump is #GP, and counts nothing then */
    uint32_t taken = bp_ir_label_new (s->b), counted = bp_ir_label_new (s->b);
    brcond (s, c, taken);
    write_gpr (s, X86_RCX, size, false, count);
    bp_ir_br (s->b, counted);
    bp_ir_label (s->b, taken);
    emit_raise_error (s, EXC_GP, 0);
    bp_ir_label (s->b, counted);
    return;
  }
  emit_branch (s, insn, c);
}

static BpTemp
indirect_target (Translator *s, const X86Insn *insn)
{
  return copy_of (s, operand_zx (s, insn, 0), insn->opsize);
}

void
emit_jmp (Translator *s, const X86Insn *insn)
{
  if (insn->operand[0].kind == X86_OPERAND_REL) {
    uint64_t to = x86_branch_target (insn, s->pc);
    if (is_followed (s, to)) {
      follow (s, to);
      return;
    }
    emit_jump_to (s, to);
    s->ended = true;
    return;
  }
  s->ended = true;
  BpTemp target = indirect_target (s, insn);
  uint32_t bad = check_target (s, target, insn->opsize, true);
  emit_jump_indirect (s, target);
  emit_bad_target (s, bad);
}

void
emit_call_near (Translator *s, const X86Insn *insn)
{
  BpTemp next = constant (s, insn->opsize, s->next_pc);
  if (insn->operand[0].kind != X86_OPERAND_REL) {
    s->ended = true;
    BpTemp target = indirect_target (s, insn);
    uint32_t bad = check_target (s, target, insn->opsize, true);
    emit_push (s, next, insn->opsize);
    emit_jump_indirect (s, target);
    emit_bad_target (s, bad);
    return;
  }
  uint64_t target = x86_branch_target (insn, s->pc);
  if (may_jump_to (s, target))  /* else the jump raises, before anything is pushed */
    emit_push (s, next, insn->opsize);
  if (is_followed (s, target)) {
    follow (s, target);
    return;
  }
  emit_jump_to (s, target);
  s->ended = true;
}

void
emit_ret (Translator *s, const X86Insn *insn)
{
  uint32_t release = insn->n_operands ? (uint32_t) insn->operand[0].imm & 0xffff : 0;
  BpTemp target = stack_load (s, stack_pointer (s), insn->opsize);
  uint32_t bad = check_target (s, target, insn->opsize, release == 0);
  set_stack_pointer (s, stack_add (s, gpr (X86_RSP), (int32_t) (insn->opsize + release)));
  emit_jump_indirect (s, target);
  emit_bad_target (s, bad);
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
    return (FarPointer) { i32 (s, o->selector), constant (s, insn->opsize, o->imm) };
  BpTemp linear = operand_linear (s, insn, 0);
  BpTemp offset = emit_load (s, linear, insn->opsize);
  return (FarPointer) { emit_load (s, linear_plus (s, linear, insn->opsize), 2), offset };
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
             next_eip (s));
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
    emit_call (s, H_iret_protected, BP_IR_NONE, BP_IR_ENV, i32 (s, insn->opsize), next_eip (s));
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
  emit_this_eip (s);
  emit_call (s, H_interrupt, BP_IR_NONE, BP_IR_ENV, i32 (s, vector), next_eip (s));
  emit_go_anywhere (s);
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
  emit_call (s, H_icebp, BP_IR_NONE, BP_IR_ENV, next_eip (s));
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
