/* mmx.c -- MMX instructions: they run on the x87 registers, so that all but one are natives of that state. */
/* SPDX-License-Identifier: MIT */

#include "fp.h"

bool
emit_mmx (Translator *s, const X86Insn *insn)
{
  if (insn->op == X86_OP_MASKMOVQ)
    emit_maskmov (s, insn);
  else
    emit_native (s, insn);
  return true;
}
