/* fp.h -- what the emitters of x87, MMX, SSE and AVX share: building `native` insns from decoded instructions. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_EMIT_FP_H
#define TARGET_I386_EMIT_FP_H

#include "translate.h"

/* The instruction as itself: its encoding, memory operand, general registers and flags all follow from the
 * decoder's value. */
void emit_native (Translator *s, const X86Insn *insn);
/* lengths: PCMPESTRI's and PCMPESTRM's, as ir.h has them; else NONE */
void emit_native_with (Translator *s, const X86Insn *insn, BpTemp lengths);
/* Opcode, immediate, VEX fields. */
uint64_t native_opcode (const X86Insn *insn);
/* A linear address as the 64 bits that helpers take. */
BpTemp linear_argument (Translator *s, BpTemp linear);

/* false: not provided */
bool emit_x87 (Translator *s, const X86Insn *insn);
bool emit_sse (Translator *s, const X86Insn *insn);
bool emit_mmx (Translator *s, const X86Insn *insn);
bool emit_avx (Translator *s, const X86Insn *insn);
bool emit_xsave (Translator *s, const X86Insn *insn);
void emit_maskmov (Translator *s, const X86Insn *insn);

#endif
