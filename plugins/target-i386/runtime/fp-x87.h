/* fp-x87.h -- words of the portable x87: the register stack, its faults, and how exceptions are reported. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_RUNTIME_FP_X87_H
#define TARGET_I386_RUNTIME_FP_X87_H

#include "fp.h"

static inline bool
st_empty (const FxImage *f, unsigned i)
{
  return !(f->tags >> ((fx_top (f) + i) & 7) & 1);
}

static inline FpNumber
st_get (const FxImage *f, unsigned i)
{
  return fp_unpack80 (f->st[i].sig, f->st[i].sign_exp);
}

static inline FpRounding x87_rounding (const FxImage *f) { return (FpRounding) (f->fcw >> 10 & 3); }
/* The PC field, which only addition, subtraction, multiplication, division and square root obey. */
static inline int
x87_precision (const FxImage *f)
{
  static const int bits[4] = { 24, 64, 53, 64 };
  return bits[f->fcw >> 8 & 3];
}

static inline uint32_t x87_masked (const FxImage *f) { return f->fcw & FCW_MASKS; }

void st_set (FxImage *f, unsigned i, const FpNumber *x);        /* and its tag */
void st_push (FxImage *f);                                      /* the new ST(0) is still empty */
void st_pop (FxImage *f);

/* Adds the exceptions to the status word; FP_UP becomes C1, which is cleared otherwise. Exceptions found
 * before the result is (FP_PRE) are looked at: true when all of those are masked, so that the instruction
 * goes on. */
bool x87_report (FxImage *f, uint32_t flags);
/* The stack fault, C1 telling overflow from underflow; true when masked: the result is then the
 * indefinite. */
bool x87_stack_fault (FxImage *f, bool overflow);
void x87_set_cc (FxImage *f, unsigned mask, unsigned value);

/* What an operand that is unsupported or a NaN does to an instruction: true when *r is settled. */
bool x87_nan (FpNumber *r, const FpNumber *a, uint32_t *flags);
bool x87_nan2 (FpNumber *r, const FpNumber *a, const FpNumber *b, uint32_t *flags);

/* Rounds r at the extended format and stores it in ST(i), if what was found before that was masked;
 * whether it did. */
bool x87_finish (FxImage *f, unsigned i, FpNumber r, uint32_t flags, int precision);

/* fp-x87-math.c: D9 F0 .. D9 FF and FTST, FXAM; FBLD and FBSTP */
bool x87_math (FxImage *f, unsigned number);
void x87_load_bcd (FxImage *f, const uint8_t *mem);
void x87_store_bcd (FxImage *f, uint8_t *mem);

#endif
