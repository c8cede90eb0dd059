/* x87.c -- the coprocessor instructions, and FXSAVE and FXRSTOR, which share its image in memory. */
/* SPDX-License-Identifier: MIT */

#include "fp.h"

/* The environment has four layouts: 16 or 32 bits, real or protected mode (SDM vol. 1, figures 8-9 to
 * 8-12). */
static void
emit_image (Translator *s, const X86Insn *insn, unsigned helper)
{
  BpTemp linear = operand_linear (s, insn, 0);
  bool real = !s->is_protected;
  emit_call (s, helper, BP_IR_NONE, BP_IR_ENV, linear_argument (s, linear),
             i32 (s, insn->opsize | (real ? 1u << 8 : 0)));
}

static void
emit_fxsr (Translator *s, const X86Insn *insn, unsigned helper)
{
  emit_call (s, helper, BP_IR_NONE, BP_IR_ENV, linear_argument (s, operand_linear (s, insn, 0)));
}

bool
emit_x87 (Translator *s, const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_FLDENV: emit_image (s, insn, H_fldenv); break;
  case X86_OP_FNSTENV: emit_image (s, insn, H_fnstenv); break;
  case X86_OP_FRSTOR: emit_image (s, insn, H_frstor); break;
  case X86_OP_FNSAVE: emit_image (s, insn, H_fnsave); break;
  case X86_OP_FXSAVE: emit_fxsr (s, insn, H_fxsave); break;
  case X86_OP_FXRSTOR: emit_fxsr (s, insn, H_fxrstor); break;
  /* The 8087's interrupt mask and the 80287's mode switch: nothing on what came after. */
  case X86_OP_FNENI:
  case X86_OP_FNDISI:
  case X86_OP_FNSETPM: break;
  default: emit_native (s, insn); break;
  }
  return true;
}
