/* fp-core.h -- binary floating point in integers: numbers unpacked, exact until they are rounded. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  What x87 and SSE have in common: IEEE 754 arithmetic on a wide unpacked form.  An operation
 * gives the exact result, with what does not fit in 128 bits collected in the lowest one; fp_round then
 * makes a value of some format of it and says which exceptions that meant.  What the units do differently
 * (which NaN wins, what an unmasked exception leaves) is theirs.
 */
#ifndef TARGET_I386_RUNTIME_FP_CORE_H
#define TARGET_I386_RUNTIME_FP_CORE_H

#include <stdbool.h>
#include <stdint.h>

typedef unsigned __int128 FpWide;

/* Exceptions: the bits of the x87 status word and of MXCSR. FP_UP is no exception: the result was rounded
 * away from zero. */
enum {
  FP_IE = 1, FP_DE = 2, FP_ZE = 4, FP_OE = 8, FP_UE = 16, FP_PE = 32,
  FP_ALL = 63, FP_PRE = FP_IE | FP_DE | FP_ZE, FP_UP = 1 << 9
};

/* The RC field. */
typedef enum FpRounding { FP_NEAREST, FP_DOWN, FP_UPWARD, FP_CHOP } FpRounding;

typedef enum FpKind { KIND_ZERO, KIND_FINITE, KIND_INFINITY, KIND_QNAN, KIND_SNAN, KIND_UNSUPPORTED } FpKind;

typedef struct FpNumber {
  FpKind kind;
  bool sign;
  bool denormal;                /* it was stored as one */
  int32_t exp;                  /* FINITE: the value is sig / 2^127 * 2^exp, and bit 127 is set */
  FpWide sig;                   /* NaN: the significand from bit 127 (the integer bit) down */
} FpNumber;

typedef struct FpFormat {
  int precision;                /* bits of significand */
  int32_t exp_min, exp_max;     /* of normal numbers */
  int32_t wrap;                 /* moves the exponent after unmasked overflow or underflow; 0: no result */
  bool flush;                   /* results too small are zero */
} FpFormat;

extern const FpFormat fp_half, fp_single, fp_double, fp_extended;

static inline bool fp_is_nan (const FpNumber *x) { return x->kind == KIND_QNAN || x->kind == KIND_SNAN; }

FpNumber fp_unpack16 (uint16_t bits);
FpNumber fp_unpack32 (uint32_t bits);
FpNumber fp_unpack64 (uint64_t bits);
FpNumber fp_unpack80 (uint64_t sig, uint16_t sign_exp);
/* The number fits the format (fp_round has seen to it); NaNs are cut. */
uint16_t fp_pack16 (const FpNumber *x);
uint32_t fp_pack32 (const FpNumber *x);
uint64_t fp_pack64 (const FpNumber *x);
uint64_t fp_pack80 (const FpNumber *x, uint16_t *sign_exp);

FpNumber fp_default_nan (void);
FpNumber fp_zero (bool sign);
FpNumber fp_infinity (bool sign);
FpNumber fp_quiet (FpNumber x);
FpNumber fp_from_int (int64_t value);
FpNumber fp_from_magnitude (bool sign, uint64_t magnitude);
FpNumber fp_make (bool sign, int32_t exp, FpWide sig);  /* normalises; sig of any size: sig / 2^127 * 2^exp */

/* Rounds in place; returns OE UE PE and FP_UP.  masked: exceptions that have a masked response. */
uint32_t fp_round (FpNumber *x, const FpFormat *format, FpRounding rounding, uint32_t masked);

/* Neither operand is a NaN or unsupported.  They return IE, ZE. */
uint32_t fp_add (FpNumber *r, FpNumber a, FpNumber b, FpRounding rounding);
uint32_t fp_mul (FpNumber *r, FpNumber a, FpNumber b);
uint32_t fp_div (FpNumber *r, FpNumber a, FpNumber b);
uint32_t fp_sqrt (FpNumber *r, FpNumber a);

/* -1, 0, 1 */
int fp_compare (const FpNumber *a, const FpNumber *b);

/* To an integer value of the same form; returns PE and FP_UP. */
uint32_t fp_round_to_integer (FpNumber *x, FpRounding rounding);
/* IE when it does not fit in `bits` (the value is then the integer indefinite), else PE and FP_UP. */
uint32_t fp_to_int (int64_t *value, FpNumber x, unsigned bits, FpRounding rounding);

#endif
