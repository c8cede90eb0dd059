/* sse.c -- SSE instructions on XMM registers: natives, but for MXCSR, MASKMOV, implied operands. */
/* SPDX-License-Identifier: MIT */

#include "fp.h"

/* A value with reserved bits must raise the guest's #GP, not the host's. */
static void
emit_ldmxcsr (Translator *s, const X86Insn *insn)
{
  BpTemp value = emit_load (s, operand_linear (s, insn, 0), 4);
  emit_call (s, H_ldmxcsr, BP_IR_NONE, BP_IR_ENV, value);
}

/* MASKMOVQ and MASKMOVDQU: bytes of operand 0 that operand 1 selects, to DS:[(E)DI]. */
void
emit_maskmov (Translator *s, const X86Insn *insn)
{
  const X86Operand *o = &insn->operand[2];
  BpTemp linear = emit_linear (s, o->mem.seg, emit_offset (s, &o->mem), o->mem.adsize, o->size, X86_ACCESS_W);
  uint32_t source = insn->operand[0].reg, mask = insn->operand[1].reg, is_xmm = o->size == 16;
  uint32_t registers = source | mask << 4 | is_xmm << 8;
  emit_call (s, H_maskmov, BP_IR_NONE, BP_IR_ENV, linear, i32 (s, registers));
}

bool
emit_sse (Translator *s, const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_LDMXCSR: emit_ldmxcsr (s, insn); return true;
  case X86_OP_MASKMOVDQU: emit_maskmov (s, insn); return true;
  /* These work on EAX, EDX and ECX without naming them, which a native insn cannot say: no CPU model
   * announces SSE4.2's strings. */
  case X86_OP_PCMPESTRM:
  case X86_OP_PCMPESTRI:
  case X86_OP_PCMPISTRI: return false;
  default: emit_native (s, insn); return true;
  }
}
