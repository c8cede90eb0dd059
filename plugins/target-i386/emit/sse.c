/* sse.c -- SSE instructions on XMM registers: natives, but for MXCSR, MASKMOV and string lengths. */
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
  emit_call (s, H_maskmov, BP_IR_NONE, BP_IR_ENV, linear_argument (s, linear), i32 (s, registers));
}

/* A length in EAX or EDX, or with REX.W in all of the register: whatever lies beyond a vector's elements, on
 * either side of zero, counts as them. */
static BpTemp
string_length (Translator *s, unsigned reg, bool wide)
{
  BpTemp value = read_gpr (s, reg, wide ? 8 : 4, false), limited;
  if (!wide)
    return value;
  limited = bp_ir_local (s->b, BP_IR_I64);
  bp_ir_movcond (s->b, BP_IR_I64, BP_IR_LT, limited, value, bp_ir_i64 (s->b, 64), value, bp_ir_i64 (s->b, 64));
  bp_ir_movcond (s->b, BP_IR_I64, BP_IR_GT, limited, limited, bp_ir_i64 (s->b, -64), limited,
                 bp_ir_i64 (s->b, -64));
  return limited;
}

/* PCMPESTRI and PCMPESTRM compare EAX and EDX elements, without naming those registers. */
static void
emit_pcmpestr (Translator *s, const X86Insn *insn)
{
  bool wide = insn->mode == X86_MODE_64 && (insn->vex.present ? insn->vex.W : insn->rex & 8);
  BpTemp first = string_length (s, X86_RAX, wide), second = string_length (s, X86_RDX, wide);
  BpTemp lengths = bp_ir_local (s->b, BP_IR_I64), high = bp_ir_local (s->b, BP_IR_I64);
  bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, lengths, first);
  bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, high, second);
  bp_ir_deposit (s->b, BP_IR_I64, lengths, lengths, high, 32, 32);
  if (insn->mem_operand < 0) {
    emit_native_with (s, insn, lengths);
    return;
  }
  /* these need more registers of the host than an address leaves them */
  BpTemp linear = linear_argument (s, operand_linear (s, insn, (unsigned) insn->mem_operand));
  BpTemp result = bp_ir_local (s->b, BP_IR_I64), flags = bp_ir_local (s->b, BP_IR_I64);
  uint64_t native = native_opcode (insn) | BP_NATIVE_SET_REG (BP_NATIVE_FIELD, insn->operand[0].reg)
                    | BP_NATIVE_SET_RM (BP_NATIVE_MEM, 0);
  emit_call (s, H_fp_portable, result, BP_IR_ENV, bp_ir_i64 (s->b, (int64_t) native), linear, lengths);
  bp_ir_op3 (s->b, BP_IR_shr, BP_IR_I64, flags, result, bp_ir_i64 (s->b, 32));
  if (insn->op == X86_OP_PCMPESTRI)
    write_gpr (s, X86_RCX, 4, false, result);
  flags_set_eflags (s, flags);
}

bool
emit_sse (Translator *s, const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_LDMXCSR: emit_ldmxcsr (s, insn); return true;
  case X86_OP_MASKMOVDQU: emit_maskmov (s, insn); return true;
  case X86_OP_PCMPESTRM:
  case X86_OP_PCMPESTRI: emit_pcmpestr (s, insn); return true;
  default: emit_native (s, insn); return true;
  }
}
