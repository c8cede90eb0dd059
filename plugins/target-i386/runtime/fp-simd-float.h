/* fp-simd-float.h -- lanes of the portable SSE as numbers. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_RUNTIME_FP_SIMD_FLOAT_H
#define TARGET_I386_RUNTIME_FP_SIMD_FLOAT_H

#include "fp-simd.h"

typedef enum Width { SINGLE, DOUBLE } Width;

static inline FpRounding
simd_rounding (const Simd *s)
{
  return (FpRounding) (simd_mxcsr (s) >> MXCSR_RC_SHIFT & 3);
}

static inline uint32_t
simd_masked (const Simd *s)
{
  return simd_mxcsr (s) >> MXCSR_MASK_SHIFT & FP_ALL;
}

/* Denormals are zeros when MXCSR says so. */
FpNumber simd_number (const Simd *s, const FxVector *v, Width width, unsigned lane);
void simd_put (FxVector *v, Width width, unsigned lane, const FpNumber *x);
/* Rounds as MXCSR says, and notes flags and what rounding found. */
FpNumber simd_round (Simd *s, FpNumber r, Width width, uint32_t flags);
/* A NaN among the operands settles the result. */
bool simd_nan (FpNumber *r, const FpNumber *a, const FpNumber *b, uint32_t *flags);

#endif
