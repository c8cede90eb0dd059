/* fp-x87-math.c -- portable x87: remainder, scaling, decimal, and the transcendental functions. */
/* SPDX-License-Identifier: MIT */
/*
 * All but the last are exact.  The architecture bounds a transcendental result only to an error below one
 * unit in the last place (SDM vol. 1, 8.3.10), and processors differ in the last bit; here the host's long
 * double functions stand in for them.
 */

#include <math.h>
#include <string.h>

#include "fp-x87.h"

/* Rounds to 64 bits and stores; then the rest of the instruction follows if that happened. */
#define FINISH(f, i, r, flags) x87_finish ((f), (i), (r), (flags), 64)

static void
put_indefinite (FxImage *f, unsigned i)
{
  FpNumber x = fp_default_nan ();
  st_set (f, i, &x);
}

/* --- rounding, roots, scaling --------------------------------------------------------------------------- */

static void
square_root (FxImage *f, FpNumber a)
{
  FpNumber r;
  uint32_t flags = 0;
  if (!x87_nan (&r, &a, &flags)) {
    flags = fp_sqrt (&r, a);
    if (!(flags & FP_IE) && a.denormal)
      flags |= FP_DE;
  }
  x87_finish (f, 0, r, flags, x87_precision (f));
}

static void
round_to_integer (FxImage *f, FpNumber a)
{
  FpNumber r = a;
  uint32_t flags = 0;
  if (!x87_nan (&r, &a, &flags) && a.denormal)
    flags |= FP_DE;
  if (!x87_report (f, flags))
    return;
  flags |= fp_round_to_integer (&r, x87_rounding (f));
  x87_report (f, flags);
  st_set (f, 0, &r);
}

static void
scale (FxImage *f, FpNumber a, FpNumber b)
{
  FpNumber r = a;
  uint32_t flags = 0;
  if (!x87_nan2 (&r, &a, &b, &flags)) {
    if (b.kind == KIND_INFINITY) {
      if (a.kind == (b.sign ? KIND_INFINITY : KIND_ZERO)) {
        r = fp_default_nan ();
        flags = FP_IE;
      } else
        r = b.sign ? fp_zero (a.sign) : fp_infinity (a.sign);
    } else if (a.kind == KIND_FINITE) {
      int64_t count = 0;
      if (fp_to_int (&count, b, 32, FP_CHOP) & FP_IE || count > 0x10000 || count < -0x10000)
        count = b.sign ? -0x10000 : 0x10000;
      r.exp += (int32_t) count;
    }
    if (!(flags & FP_IE) && (a.denormal || b.denormal))
      flags |= FP_DE;
  }
  FINISH (f, 0, r, flags);
}

static void
extract (FxImage *f, FpNumber a)
{
  if (!st_empty (f, 7)) {
    if (x87_stack_fault (f, true)) {
      put_indefinite (f, 0);
      st_push (f);
      put_indefinite (f, 0);
    }
    return;
  }
  FpNumber exponent = a, fraction = a;
  uint32_t flags = 0;
  if (x87_nan (&fraction, &a, &flags))
    exponent = fraction;
  else if (a.kind == KIND_INFINITY)
    exponent.sign = false;
  else if (a.kind == KIND_ZERO) {
    exponent = fp_infinity (true);
    flags = FP_ZE;
  } else {
    exponent = fp_from_int (a.exp);
    fraction.exp = 0;
    if (a.denormal)
      flags = FP_DE;
  }
  if (!x87_report (f, flags))
    return;
  st_set (f, 0, &exponent);
  st_push (f);
  st_set (f, 0, &fraction);
}

/* --- remainder ------------------------------------------------------------------------------------------ */

/* a - b * q for the integer q that `steps` bits of long division give; q's low bits in *quotient. */
static FpNumber
divide_step (FpNumber a, FpNumber b, int steps, uint64_t *quotient)
{
  FpWide rest = a.sig >> 64, divisor = b.sig >> 64;
  uint64_t q = 0;
  for (int i = 0; i <= steps; i++) {
    if (i)
      rest <<= 1;
    q <<= 1;
    if (rest >= divisor) {
      rest -= divisor;
      q |= 1;
    }
  }
  *quotient = q;
  return fp_make (a.sign, a.exp - steps + 64, rest);
}

/* FPREM1 rounds the quotient to nearest even: one more b when that is closer. */
static FpNumber
nearest_remainder (FpNumber r, FpNumber b, uint64_t *quotient)
{
  FpNumber half = b;
  half.exp--;
  half.sign = r.sign;
  int c = r.kind == KIND_ZERO ? -1 : fp_compare (&r, &half);
  if (r.sign)
    c = -c;
  if (r.kind == KIND_ZERO || c < 0 || (c == 0 && !(*quotient & 1)))
    return r;
  b.sign = !r.sign;
  bool sign = r.sign;
  fp_add (&r, r, b, FP_NEAREST);
  if (r.kind == KIND_ZERO)
    r.sign = sign;
  ++*quotient;
  return r;
}

static void
remainder_cc (FxImage *f, bool special, bool partial, uint64_t q)
{
  if (special) {                /* no quotient: C0 and C3 stay */
    x87_set_cc (f, FSW_C1 | FSW_C2, 0);
    return;
  }
  unsigned low_bits = (q & 4 ? FSW_C0 : 0) | (q & 2 ? FSW_C3 : 0) | (q & 1 ? FSW_C1 : 0);
  x87_set_cc (f, FSW_CC, partial ? FSW_C2 : low_bits);
}

static void
partial_remainder (FxImage *f, FpNumber a, FpNumber b, bool nearest)
{
  FpNumber r = a;
  uint32_t flags = 0;
  uint64_t quotient = 0;
  bool partial = false, special = x87_nan2 (&r, &a, &b, &flags);
  if (!special && (a.kind == KIND_INFINITY || b.kind == KIND_ZERO)) {
    special = true;
    r = fp_default_nan ();
    flags = FP_IE;
  }
  if (!special) {
    if (a.denormal || b.denormal)
      flags = FP_DE;
    int32_t difference = a.exp - b.exp;
    if (a.kind == KIND_FINITE && b.kind == KIND_FINITE && difference >= (nearest ? -1 : 0)) {
      partial = difference >= 64;
      if (difference < 0)
        quotient = 0;
      else if (partial)
        r = divide_step (a, b, (difference & 31) | 32, &quotient);
      else
        r = divide_step (a, b, difference, &quotient);
      if (nearest && !partial)
        r = nearest_remainder (r, b, &quotient);
    }
  }
  bool done = FINISH (f, 0, r, flags);
  remainder_cc (f, special || !done, partial, quotient);
}

/* --- decimal -------------------------------------------------------------------------------------------- */

void
x87_load_bcd (FxImage *f, const uint8_t *mem)
{
  uint64_t magnitude = 0;
  for (int i = 8; i >= 0; i--)
    magnitude = magnitude * 100 + (mem[i] >> 4) * 10u + (mem[i] & 15);
  FpNumber x = fp_from_magnitude (mem[9] >> 7, magnitude);
  bool room = st_empty (f, 7);
  if (!room) {
    if (!x87_stack_fault (f, true))
      return;
    x = fp_default_nan ();
  } else
    x87_report (f, 0);
  st_push (f);
  st_set (f, 0, &x);
}

static const uint64_t bcd_limit = 1000000000000000000ull;

void
x87_store_bcd (FxImage *f, uint8_t *mem)
{
  FpNumber x = st_get (f, 0);
  uint32_t flags = FP_IE;
  if (st_empty (f, 0))
    flags |= FSW_STACK;
  else if (x.kind == KIND_ZERO || (x.kind == KIND_FINITE && x.exp < 63)) {
    flags = fp_round_to_integer (&x, x87_rounding (f));
    if (x.kind == KIND_FINITE && (x.exp > 62 || (uint64_t) (x.sig >> 64) >> (63 - x.exp) >= bcd_limit))
      flags = FP_IE;
  }
  if (!x87_report (f, flags))
    return;
  if (flags & FP_IE)
    memcpy (mem, "\0\0\0\0\0\0\0\xc0\xff\xff", 10);
  else {
    uint64_t magnitude = x.kind == KIND_ZERO ? 0 : (uint64_t) (x.sig >> 64) >> (63 - x.exp);
    for (unsigned i = 0; i < 9; i++, magnitude /= 100)
      mem[i] = (uint8_t) (magnitude % 10 | magnitude / 10 % 10 << 4);
    mem[9] = x.sign ? 0x80 : 0;
  }
  st_pop (f);
}

/* --- transcendental functions --------------------------------------------------------------------------- */

static long double
to_host (FpNumber x)
{
  if (x.kind != KIND_FINITE)
    return x.kind == KIND_ZERO ? (x.sign ? -0.0L : 0.0L) : x.sign ? -INFINITY : INFINITY;
  long double r = ldexpl ((long double) (uint64_t) (x.sig >> 64), x.exp - 63);
  return x.sign ? -r : r;
}

static FpNumber
from_host (long double x)
{
  bool sign = signbit (x);
  if (isnan (x))
    return fp_default_nan ();
  if (isinf (x))
    return fp_infinity (sign);
  int exp;
  long double fraction = frexpl (fabsl (x), &exp);
  return fp_make (sign, exp - 1, (FpWide) (uint64_t) ldexpl (fraction, 64) << 64);
}

/* No result of these but a few special ones is a number of 64 bits: says so in the lowest bit, which makes
 * it inexact, and underflow when it is tiny. One so small that the host had nothing but zero for it
 * becomes tiny again. */
static FpNumber
inexact (FpNumber r)
{
  if (r.kind == KIND_ZERO)
    return fp_make (r.sign, -20000, 1);
  if (r.kind == KIND_FINITE)
    r.sig |= 1;
  return r;
}

#define LN2 0.693147180559945309417232121458176568L

/* Below this the first term of a series is all that 64 bits see of it; the host's functions would only
 * lose denormals. */
enum { TINY = -70 };

static const FpFormat unbounded = { 64, INT32_MIN / 2, INT32_MAX / 2, 0, false };

static FpNumber
times (FpNumber x, uint64_t significand, int exp)
{
  FpNumber r;
  fp_mul (&r, x, fp_make (false, exp, (FpWide) significand << 64));
  return r;
}

static FpNumber
times_ln2 (FpNumber x)
{
  return times (x, 0xb17217f7d1cf79ac, -1);
}

static FpNumber
times_log2e (FpNumber x)
{
  return times (x, 0xb8aa3b295c17f0bc, 0);
}

static void
power_minus_1 (FxImage *f, FpNumber a)
{
  FpNumber r = a;
  uint32_t flags = 0;
  bool exact = true;
  if (!x87_nan (&r, &a, &flags)) {
    if (a.kind == KIND_INFINITY) {
      FpNumber minus_1 = fp_from_int (-1);
      r = a.sign ? minus_1 : a;
    } else if (a.kind == KIND_FINITE) {
      flags = a.denormal ? FP_DE : 0;
      exact = a.exp == 0 && a.sig << 1 == 0;
      r = a.exp < TINY ? times_ln2 (a) : from_host (expm1l (to_host (a) * LN2));
      if (exact) {
        r = fp_from_int (1);
        if (a.sign)
          r = fp_make (true, -1, r.sig);
      }
    }
  }
  FINISH (f, 0, exact ? r : inexact (r), flags);
}

/* y * log2 x, or y * log2 (x + 1): into ST(1), then the stack is popped. */
static void
logarithm (FxImage *f, FpNumber x, FpNumber y, bool plus_1)
{
  FpNumber r = y;
  uint32_t flags = 0;
  bool exact = true, is_pole = !plus_1 && x.kind == KIND_ZERO, is_one;
  is_one = plus_1 ? x.kind == KIND_ZERO : x.kind == KIND_FINITE && !x.sign && x.exp == 0 && x.sig << 1 == 0;
  bool negative = is_one ? plus_1 && x.sign : plus_1 ? x.sign : x.exp < 0 || is_pole;
  if (!x87_nan2 (&r, &x, &y, &flags)) {
    bool domain = plus_1 ? x.kind == KIND_INFINITY && x.sign : x.sign && x.kind != KIND_ZERO;
    bool zero_times_infinity = (y.kind == KIND_ZERO && (is_pole || x.kind == KIND_INFINITY))
                               || (y.kind == KIND_INFINITY && is_one);
    if (domain || zero_times_infinity) {
      r = fp_default_nan ();
      flags = FP_IE;
    } else {
      if (x.denormal || y.denormal)
        flags = FP_DE;
      bool sign = y.sign != (x.kind == KIND_INFINITY ? false : negative);
      if (is_pole) {
        r = fp_infinity (sign);
        if (y.kind != KIND_INFINITY)
          flags = FP_ZE;
      } else if (x.kind == KIND_INFINITY || y.kind == KIND_INFINITY)
        r = fp_infinity (sign);
      else if (is_one || y.kind == KIND_ZERO)
        r = fp_zero (sign);
      else {
        FpNumber log2 = !plus_1 ? from_host (log2l (to_host (x)))
                        : x.exp < TINY ? times_log2e (x) : from_host (log1pl (to_host (x)) / LN2);
        fp_round (&log2, &unbounded, FP_NEAREST, 0);
        fp_mul (&r, log2, y);
        exact = !plus_1 && x.sig << 1 == 0;
        if (exact)              /* to the processor it is not */
          flags |= FP_PE | (r.exp < fp_extended.exp_min ? FP_UE : 0);
      }
    }
  }
  if (FINISH (f, 1, exact ? r : inexact (r), flags))
    st_pop (f);
}

static void
arc_tangent (FxImage *f, FpNumber x, FpNumber y)
{
  FpNumber r = y;
  uint32_t flags = 0;
  bool exact = true;
  if (!x87_nan2 (&r, &x, &y, &flags)) {
    if (x.denormal || y.denormal)
      flags = FP_DE;
    exact = !x.sign && (y.kind == KIND_ZERO || (x.kind == KIND_INFINITY && y.kind == KIND_FINITE));
    bool small = x.kind == KIND_FINITE && y.kind == KIND_FINITE && !x.sign && y.exp - x.exp < TINY;
    if (small)
      fp_div (&r, y, x);
    else
      r = from_host (atan2l (to_host (y), to_host (x)));
  }
  if (FINISH (f, 1, exact ? r : inexact (r), flags))
    st_pop (f);
}

typedef enum Circular { SINE, COSINE, TANGENT, SINE_COSINE } Circular;

/* The sine of a small x is a little nearer to zero than x. */
static FpNumber
sine (FpNumber a, long double x)
{
  if (a.exp >= TINY)
    return from_host (sinl (x));
  a.sig--;
  return fp_make (a.sign, a.exp, a.sig);
}

static void
circular_results (Circular which, FpNumber a, FpNumber r[2])
{
  long double x = to_host (a);
  FpNumber one = fp_from_int (1);
  switch (which) {
  case SINE: r[0] = a.kind == KIND_ZERO ? a : sine (a, x); break;
  case COSINE: r[0] = from_host (cosl (x)); break;
  case TANGENT:
    r[0] = a.kind == KIND_ZERO || a.exp < TINY ? a : from_host (tanl (x));
    r[1] = one;
    break;
  case SINE_COSINE:
    r[0] = a.kind == KIND_ZERO ? a : sine (a, x);
    r[1] = from_host (cosl (x));
    break;
  }
}

/* Arguments of 2^63 and more are left alone, and C2 says so. */
static void
circular (FxImage *f, FpNumber a, Circular which)
{
  bool two = which == TANGENT || which == SINE_COSINE;
  FpNumber r[2] = { a, a };
  uint32_t flags = 0;
  bool exact = true;
  if (two && !st_empty (f, 7)) {
    if (x87_stack_fault (f, true)) {
      put_indefinite (f, 0);
      st_push (f);
      put_indefinite (f, 0);
    }
    x87_set_cc (f, FSW_C2, 0);
    return;
  }
  if (x87_nan (&r[0], &a, &flags))
    r[1] = r[0];
  else if (a.kind == KIND_INFINITY) {
    r[0] = r[1] = fp_default_nan ();
    flags = FP_IE;
  } else if (a.kind == KIND_FINITE && a.exp >= 63) {
    x87_report (f, 0);
    x87_set_cc (f, FSW_C2, FSW_C2);
    return;
  } else {
    flags = a.denormal ? FP_DE : 0;
    exact = a.kind == KIND_ZERO;
    circular_results (which, a, r);
  }
  if (!exact) {
    r[0] = inexact (r[0]);
    if (which == SINE_COSINE) {
      r[1] = inexact (r[1]);
      fp_round (&r[1], &fp_extended, x87_rounding (f), FP_ALL);
    }
  }
  bool done = FINISH (f, 0, r[0], flags);
  x87_set_cc (f, FSW_C2, 0);
  if (!done)
    return;
  if (two) {
    st_push (f);
    st_set (f, 0, &r[1]);
  }
}

/* --- FXAM ----------------------------------------------------------------------------------------------- */

static void
examine (FxImage *f)
{
  FpNumber x = st_get (f, 0);
  unsigned class;
  if (st_empty (f, 0))
    class = FSW_C3 | FSW_C0;
  else if (x.kind == KIND_UNSUPPORTED)
    class = 0;
  else if (fp_is_nan (&x))
    class = FSW_C0;
  else if (x.kind == KIND_INFINITY)
    class = FSW_C2 | FSW_C0;
  else if (x.kind == KIND_ZERO)
    class = FSW_C3;
  else
    class = x.denormal ? FSW_C3 | FSW_C2 : FSW_C2;
  x87_set_cc (f, FSW_CC, class | (f->st[0].sign_exp & 0x8000 ? FSW_C1 : 0));
}

/* --- by number ------------------------------------------------------------------------------------------ */

enum {
  D9_F2XM1, D9_FYL2X, D9_FPTAN, D9_FPATAN, D9_FXTRACT, D9_FPREM1, D9_FDECSTP, D9_FINCSTP, D9_FPREM,
  D9_FYL2XP1, D9_FSQRT, D9_FSINCOS, D9_FRNDINT, D9_FSCALE, D9_FSIN, D9_FCOS, D9_FXAM = 0x25
};

static bool
pops (unsigned number)
{
  return number == D9_FYL2X || number == D9_FYL2XP1 || number == D9_FPATAN;
}

static bool
takes_two (unsigned number)
{
  return pops (number) || number == D9_FPREM || number == D9_FPREM1 || number == D9_FSCALE;
}

/* C2 is part of their result: not finished */
static bool
uses_c2 (unsigned number)
{
  return number == D9_FPREM || number == D9_FPREM1 || number == D9_FPTAN || number == D9_FSINCOS
         || number >= D9_FSIN;
}

static void
underflow (FxImage *f, unsigned number)
{
  if (uses_c2 (number))
    x87_set_cc (f, FSW_C2, 0);
  if (!x87_stack_fault (f, false))
    return;
  put_indefinite (f, pops (number));
  if (pops (number))
    st_pop (f);
  if (number == D9_FPTAN || number == D9_FSINCOS || number == D9_FXTRACT) {
    st_push (f);
    put_indefinite (f, 0);
  }
}

bool
x87_math (FxImage *f, unsigned number)
{
  if (number == D9_FDECSTP || number == D9_FINCSTP) {
    x87_report (f, 0);
    fx_set_top (f, (fx_top (f) + (number == D9_FINCSTP ? 1 : 7)) & 7);
    return true;
  }
  if (number == D9_FXAM) {
    examine (f);
    return true;
  }
  if (st_empty (f, 0) || (takes_two (number) && st_empty (f, 1))) {
    underflow (f, number);
    return true;
  }
  FpNumber a = st_get (f, 0), b = st_get (f, 1);
  switch (number) {
  case D9_F2XM1: power_minus_1 (f, a); break;
  case D9_FYL2X: logarithm (f, a, b, false); break;
  case D9_FPTAN: circular (f, a, TANGENT); break;
  case D9_FPATAN: arc_tangent (f, a, b); break;
  case D9_FXTRACT: extract (f, a); break;
  case D9_FPREM1: partial_remainder (f, a, b, true); break;
  case D9_FPREM: partial_remainder (f, a, b, false); break;
  case D9_FYL2XP1: logarithm (f, a, b, true); break;
  case D9_FSQRT: square_root (f, a); break;
  case D9_FSINCOS: circular (f, a, SINE_COSINE); break;
  case D9_FRNDINT: round_to_integer (f, a); break;
  case D9_FSCALE: scale (f, a, b); break;
  case D9_FSIN: circular (f, a, SINE); break;
  case D9_FCOS: circular (f, a, COSINE); break;
  default: return false;
  }
  return true;
}
