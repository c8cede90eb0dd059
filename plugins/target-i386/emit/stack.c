/* stack.c -- PUSH, POP and their kin. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

/* A decoded 8-bit immediate comes extended to the operand size, which is what is pushed. */
void
emit_push_insn (Translator *s, const X86Insn *insn)
{
  emit_push (s, operand (s, insn, 0), insn->opsize);
}

/* An address that uses ESP sees it after the increment (SDM 2B, POP); a store that faults must still find it
 * before. */
static void
pop_to_memory (Translator *s, const X86Insn *insn, BpTemp value, BpTemp sp)
{
  const X86Mem *mem = &insn->operand[0].mem;
  X86Insn moved = *insn;
  if (mem->base == X86_RSP && mem->adsize >= 4)
    moved.operand[0].mem.disp += insn->opsize;
  set_operand (s, &moved, 0, value);
  set_stack_pointer (s, sp);
}

void
emit_pop (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->opsize;
  BpTemp value = stack_load (s, stack_pointer (s), size), sp = stack_add (s, gpr (X86_RSP), (int32_t) size);
  if (is_mem (insn, 0)) {
    pop_to_memory (s, insn, value, sp);
    return;
  }
  set_stack_pointer (s, sp);    /* POP ESP: what was popped stays */
  set_operand (s, insn, 0, value);
}

void
emit_pusha (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->opsize;
  BpTemp sp = BP_IR_NONE;
  for (unsigned reg = X86_RAX; reg <= X86_RDI; reg++) {
    sp = stack_add (s, gpr (X86_RSP), -(int32_t) (size * (reg + 1)));
    stack_store (s, gpr (reg), sp, size);
  }
  set_stack_pointer (s, sp);
}

/* What was pushed for ESP is skipped. */
void
emit_popa (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->opsize;
  BpTemp value[8];
  for (unsigned i = 0; i < 8; i++)
    if (7 - i != X86_RSP)
      value[7 - i] = stack_load (s, i == 0 ? stack_pointer (s)
                                 : stack_add (s, gpr (X86_RSP), (int32_t) (size * i)), size);
  BpTemp sp = stack_add (s, gpr (X86_RSP), (int32_t) (8 * size));
  for (unsigned reg = X86_RAX; reg <= X86_RDI; reg++)
    if (reg != X86_RSP)
      write_gpr (s, reg, size, false, value[reg]);
  set_stack_pointer (s, sp);
}

void
emit_pushf (Translator *s, const X86Insn *insn)
{
  BpTemp image = local (s);
  if (s->is_vm86 && !s->io_ok)
    emit_call (s, H_pushf_check, BP_IR_NONE, BP_IR_ENV);
  flags_store_op (s);
  emit_call (s, H_read_eflags, image, BP_IR_ENV);
  emit_push (s, image, insn->opsize);
}

void
emit_popf (Translator *s, const X86Insn *insn)
{
  BpTemp value = stack_load (s, stack_pointer (s), insn->opsize);
  flags_store_op (s);
  emit_call (s, H_popf, BP_IR_NONE, BP_IR_ENV, value, i32 (s, MIN (insn->opsize, 4)));
  flags_dynamic (s, CC_EFLAGS);
  set_stack_pointer (s, stack_add (s, gpr (X86_RSP), insn->opsize));
  emit_check_mode (s);          /* the block ends here in any case: an interrupt may be due */
}

/* --- frames ----------------------------------------------------------------------------------- */

/* The frame pointer as an offset in the stack: RBP, EBP, or BP zero-extended. */
static BpTemp
frame_pointer (Translator *s)
{
  return zx (s, gpr (X86_RBP), stack_width (s));
}

void
emit_enter (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->opsize, level = insn->operand[1].imm & 31;
  uint32_t room = (uint32_t) insn->operand[0].imm & 0xffff;
  uint32_t below = size;
  BpTemp pushed = stack_add (s, gpr (X86_RSP), -(int32_t) size), frame = copy_of (s, pushed, stack_width (s));
  stack_store (s, gpr (X86_RBP), pushed, size);
  if (stack_width (s) == 2)     /* FrameTemp is all of ESP, whose upper half a 16-bit push leaves alone */
    bp_ir_deposit (s->b, BP_IR_I32, frame, gpr (X86_RSP), frame, 0, 16);
  for (unsigned i = 1; i < level; i++) {
    below += size;
    BpTemp outer = stack_load (s, stack_add (s, frame_pointer (s), -(int32_t) (size * i)), size);
    stack_store (s, outer, stack_add (s, gpr (X86_RSP), -(int32_t) below), size);
  }
  if (level > 0) {
    below += size;
    stack_store (s, frame, stack_add (s, gpr (X86_RSP), -(int32_t) below), size);
  }
  BpTemp sp = stack_add (s, gpr (X86_RSP), -(int32_t) (below + room));
  /* the new top of the stack must be writable (SDM 2A, ENTER): a probe that changes nothing */
  BpTemp top = emit_linear (s, X86_SS, sp, stack_width (s), 1, X86_ACCESS_RW);
  bp_ir_gatomic (s->b, BP_IR_gfetch_or, BP_IR_I32, local (s), top, i32 (s, 0), memop (s, 1) | BP_MO_STACK);
  set_stack_pointer (s, sp);
  write_gpr (s, X86_RBP, size, false, frame);
}

void
emit_leave (Translator *s, const X86Insn *insn)
{
  BpTemp frame = frame_pointer (s);
  BpTemp value = stack_load (s, frame, insn->opsize);
  set_stack_pointer (s, stack_add (s, frame, insn->opsize));
  write_gpr (s, X86_RBP, insn->opsize, false, value);
}
