/* fp-vex.h -- the portable AVX: instructions that work on 256 bits as one, and those of SSE lane by lane. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_RUNTIME_FP_VEX_H
#define TARGET_I386_RUNTIME_FP_VEX_H

#include "fp-simd.h"

/* How a lane of 128 bits gets its operands.  Without any of these: d is the lane of vvvv (of rm when modrm.reg is
 * part of the opcode, of modrm.reg when there is no result), s that of modrm.rm. */
enum {
  VEX_SOURCE = 7,               /* mask; 1 << n bytes of rm are a lane's source, one after the other: */
  VEX_SOURCE_2 = 1, VEX_SOURCE_4 = 2, VEX_SOURCE_8 = 3,
  VEX_SOURCE_SAME = 7,          /* every lane sees the first one of rm */
  VEX_NARROW = 8,               /* 8 bytes of result a lane, side by side */
  VEX_IS4 = 16,                 /* t is the register in bits 7:4 of the immediate */
  VEX_FMA = 32                  /* d is the destination as it was, t is vvvv */
};

/* An instruction that sees all lanes at once. */
typedef struct Wide {
  FpInsn *x;
  FxVector d[2];                /* result; the destination's upper half is cleared when VEX.L is */
  FxVector a[2], s[2];          /* vvvv; rm, with zeros after its size */
  unsigned imm;
  uint32_t exceptions;          /* FP_*: go to MXCSR */
} Wide;

typedef void WideFunction (Wide *w);

typedef struct VexRow {
  SimdFunction *lane;           /* both NULL: SSE's row does it, lane by lane */
  WideFunction *wide;
  uint8_t shape, form;
  uint8_t step;                 /* bits that a lane takes of the immediate, or gives to an integer result; 0: all see all */
} VexRow;

#define LANE(map, opcode, prefix, shape, form, step, function) SimdFunction simd_##function;
#define WIDE(map, opcode, prefix, shape, function) WideFunction wide_##function;
#include "fp-vex.def"
#undef LANE
#undef WIDE

#endif
