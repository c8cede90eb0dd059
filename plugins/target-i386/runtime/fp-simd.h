/* fp-simd.h -- the portable MMX and SSE: one instruction on its way from operands to result. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_RUNTIME_FP_SIMD_H
#define TARGET_I386_RUNTIME_FP_SIMD_H

#include "fp.h"

/* Where a row's operands are: the register files that modrm.reg and modrm.rm name. Memory in rm follows
 * from the native insn. */
enum {
  REG_X = 0, REG_M = 1, REG_G = 2,      /* XMM, MMX, general (only written) */
  RM_X = 0, RM_M = 4, RM_G = 8,
  TO_RM = 16,                   /* rm is the destination, reg the source */
  NO_RESULT = 32,               /* flags or an integer are all that comes of it */
  GROUP = 64,                   /* modrm.reg is part of the opcode: rm is the only operand */
  MM = REG_M | RM_M
};

typedef struct Simd {
  FpInsn *x;
  FxVector d, s;                /* destination (as it was, then as it shall be), source */
  FxVector t;                   /* a third operand: XMM0 where it is implied, what fp-vex.h says with VEX */
  unsigned bytes;               /* 8: MMX, 16: XMM */
  unsigned imm;
  unsigned reg;                 /* GROUP: modrm.reg */
  uint32_t exceptions;          /* FP_*: go to MXCSR */
  bool undefined;               /* no such instruction after all */
} Simd;

typedef void SimdFunction (Simd *s);

typedef struct SimdRow {
  SimdFunction *function;
  uint8_t shape;
} SimdRow;

static inline uint32_t simd_mxcsr (const Simd *s) { return s->x->f->mxcsr; }

/* NULL function: no such row */
const SimdRow *fp_simd_row (uint64_t native);

/* The register files. */
FxVector simd_low_bytes (const void *from, unsigned size);
/* What a row left in MXCSR, and the exception it raises, if it does. */
void simd_report (FpInsn *x, uint32_t exceptions);

/* Every function that the tables name. */
#define SIMD(map, opcode, prefix, shape, function) SimdFunction simd_##function;
#include "fp-simd.def"
#undef SIMD

#endif
