/* avx.c -- VEX-encoded vector instructions: natives, but for what may touch some of its memory operand only. */
/* SPDX-License-Identifier: MIT */

#include "fp.h"
#include "../runtime/helpers.h"

/* VMASKMOVPS and kin: elements whose sign bit in vvvv is set are all that is loaded or stored. */
static void
emit_masked_move (Translator *s, const X86Insn *insn)
{
  bool store = insn->mem_operand == 0;
  bool quads = insn->op == X86_OP_VMASKMOVPD || insn->op == X86_OP_VPMASKMOVQ;
  uint32_t what = insn->operand[store ? 2 : 0].reg | (uint32_t) insn->vex.vvvv << VMASKMOV_MASK_SHIFT
                  | (insn->vex.L ? VMASKMOV_256 : 0) | (quads ? VMASKMOV_QUADS : 0) | (store ? VMASKMOV_STORE : 0);
  BpTemp linear = operand_linear (s, insn, (unsigned) insn->mem_operand);
  emit_call (s, H_vmaskmov, BP_IR_NONE, BP_IR_ENV, linear_argument (s, linear), i32 (s, what));
}

static bool
has_quad_indexes (const X86Insn *insn)
{
  return insn->opcode & 1;      /* 91, 93 */
}

/* Operands: destination, elements in memory, mask.  The address of each is its index's, scaled, and an offset. */
static bool
emit_gather (Translator *s, const X86Insn *insn)
{
  const X86Mem *mem = &insn->operand[1].mem;
  unsigned to = insn->operand[0].reg, mask = insn->operand[2].reg, index = mem->index;
  if (to == mask || to == index || mask == index)
    return false;
  X86Mem base = *mem;
  base.index = X86_NO_REG;
  base.vsib = 0;
  uint32_t what = to | mask << GATHER_MASK_SHIFT | index << GATHER_INDEX_SHIFT
                  | (uint32_t) mem->scale << GATHER_SCALE_SHIFT | (uint32_t) mem->seg << GATHER_SEG_SHIFT
                  | (insn->operand[1].size == 8 ? GATHER_QUADS : 0) | (insn->vex.L ? GATHER_256 : 0)
                  | (has_quad_indexes (insn) ? GATHER_QUAD_INDEXES : 0)
                  | (mem->adsize == 8 ? GATHER_ADDRESS_64 : mem->adsize == 2 ? GATHER_ADDRESS_16 : 0);
  BpTemp offset = linear_argument (s, emit_offset (s, &base));
  emit_call (s, H_gather, BP_IR_NONE, BP_IR_ENV, offset, i32 (s, what));
  return true;
}

/* 32-bit code does not reach the registers from YMM8 on, which the host's instruction would clear too. */
static void
emit_zero_some (Translator *s, const X86Insn *insn)
{
  bool all = insn->op == X86_OP_VZEROALL;
  uint64_t move = BP_NATIVE_MAKE (0x28, 1, 0), xor = BP_NATIVE_MAKE (0x57, 1, 0);
  uint64_t state = BP_NATIVE_SET_STATE (BP_NATIVE_SSE | BP_NATIVE_SSE_HIGH | BP_NATIVE_AVX);
  for (unsigned i = 0; i < 8; i++)
    bp_ir_native (s->b, (all ? xor : move) | state | BP_NATIVE_SET_VEX (all, all ? i : 0)
                  | BP_NATIVE_SET_REG (BP_NATIVE_FIELD, i) | BP_NATIVE_SET_RM (BP_NATIVE_FIELD, i), 0,
                  BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE, BP_IR_NONE);
}

bool
emit_avx (Translator *s, const X86Insn *insn)
{
  if (!s->is_protected)
    return false;
  if (insn->mem_operand >= 0 && insn->operand[insn->mem_operand].mem.vsib)
    return emit_gather (s, insn);
  switch (insn->op) {
  case X86_OP_VMASKMOVPS:
  case X86_OP_VMASKMOVPD:
  case X86_OP_VPMASKMOVD:
  case X86_OP_VPMASKMOVQ: emit_masked_move (s, insn); return true;
  case X86_OP_VZEROUPPER:
  case X86_OP_VZEROALL:
    if (insn->mode == X86_MODE_64)
      emit_native (s, insn);
    else
      emit_zero_some (s, insn);
    return true;
  default: return emit_sse (s, insn);
  }
}
