/* xsave.c -- XSAVE and its family, XGETBV, XSETBV: calls of helpers, which know the rules. */
/* SPDX-License-Identifier: MIT */

#include "fp.h"
#include "../runtime/helpers.h"

static void
emit_area (Translator *s, const X86Insn *insn, unsigned helper, uint32_t form)
{
  BpTemp linear = linear_argument (s, operand_linear (s, insn, 0));
  emit_call (s, helper, BP_IR_NONE, BP_IR_ENV, linear, i32 (s, form));
}

/* EDX:EAX of what ECX names. */
static void
emit_xgetbv (Translator *s)
{
  BpTemp value = bp_ir_local (s->b, BP_IR_I64), high = bp_ir_local (s->b, BP_IR_I64);
  emit_call (s, H_xgetbv, value, BP_IR_ENV);
  bp_ir_op3 (s->b, BP_IR_shr, BP_IR_I64, high, value, bp_ir_i64 (s->b, 32));
  write_gpr (s, X86_RAX, 4, false, value);
  write_gpr (s, X86_RDX, 4, false, high);
}

/* AVX may be there from now on, or no longer. */
static void
emit_xsetbv (Translator *s)
{
  emit_call (s, H_xsetbv, BP_IR_NONE, BP_IR_ENV);
  s->mode_changed = true;
}

bool
emit_xsave (Translator *s, const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_XGETBV: emit_xgetbv (s); return true;
  case X86_OP_XSETBV: emit_xsetbv (s); return true;
  case X86_OP_XSAVE: emit_area (s, insn, H_xsave, XSAVE_PLAIN); return true;
  case X86_OP_XSAVEOPT: emit_area (s, insn, H_xsave, XSAVE_OPTIMISED); return true;
  case X86_OP_XSAVEC: emit_area (s, insn, H_xsave, XSAVE_COMPACT); return true;
  case X86_OP_XSAVES: emit_area (s, insn, H_xsave, XSAVE_COMPACT); return true;
  case X86_OP_XRSTOR: emit_area (s, insn, H_xrstor, 0); return true;
  case X86_OP_XRSTORS: emit_area (s, insn, H_xrstor, 1); return true;
  default: return false;
  }
}
