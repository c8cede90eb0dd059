/* fp-native.h -- one FP instruction on the host's processor and on the portable code, from one state. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_FP_NATIVE_H
#define TEST_FP_NATIVE_H

#include "target-i386/runtime/fp.h"

/* What an instruction starts from, and what it leaves. */
typedef struct FpState {
  FxImage image __attribute__ ((aligned (64)));
  uint64_t header[8];           /* with these three an XSAVE area */
  FxUppers upper;
  uint8_t memory[64] __attribute__ ((aligned (64)));
  uint64_t integer;             /* operand, then result */
  uint32_t flags;
  int exception;                /* EXC_*, -1: none */
} FpState;

typedef struct FpCase {
  uint64_t native;
  uint32_t aux;
  const char *text;             /* disassembly */
  X86Insn insn;
  uint8_t mem_size;
} FpCase;

/* From the bytes of a 64-bit instruction (memory operand: [rdx], integer register: up to r11). false: not an
 * instruction that becomes a native. */
bool fp_case_make (FpCase *c, const uint8_t *bytes, unsigned n);

bool fp_native_open (void);     /* false: this host cannot run them */
bool fp_native_is_amd (void);
bool fp_native_has_avx (void);
void fp_native_run (const FpCase *c, FpState *state);
void fp_portable_run (const FpCase *c, FpState *state);

#endif
