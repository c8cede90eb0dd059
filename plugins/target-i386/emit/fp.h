/* fp.h -- what the emitters of x87, MMX and SSE share: building `native` insns from decoded instructions. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_EMIT_FP_H
#define TARGET_I386_EMIT_FP_H

#include "translate.h"

/* The instruction as itself: its encoding, memory operand, general registers and flags all follow from the
 * decoder's value. */
void emit_native (Translator *s, const X86Insn *insn);

/* false: not provided */
bool emit_x87 (Translator *s, const X86Insn *insn);
bool emit_sse (Translator *s, const X86Insn *insn);
bool emit_mmx (Translator *s, const X86Insn *insn);
void emit_maskmov (Translator *s, const X86Insn *insn);

#endif
