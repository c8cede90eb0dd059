/* fp-core.c -- unpacking, rounding, packing, and the arithmetic of IEEE 754 on 128-bit significands. */
/* SPDX-License-Identifier: MIT */

#include "fp-core.h"

#define WIDE_TOP ((FpWide) 1 << 127)
#define INTEGER_BIT ((uint64_t) 1 << 63)

const FpFormat fp_half = { 11, -14, 15, 0, false };
const FpFormat fp_single = { 24, -126, 127, 0, false };
const FpFormat fp_double = { 53, -1022, 1023, 0, false };
const FpFormat fp_extended = { 64, -16382, 16383, 24576, false };

/* --- numbers -------------------------------------------------------------------------------------------- */

static FpWide
wide (uint64_t high)
{
  return (FpWide) high << 64;
}

static unsigned
leading_zeros (FpWide x)
{
  uint64_t high = (uint64_t) (x >> 64);
  return high ? (unsigned) __builtin_clzll (high) : 64 + (unsigned) __builtin_clzll ((uint64_t) x);
}

/* Shifts right; what falls out is remembered in the lowest bit. */
static FpWide
shift_right_sticky (FpWide x, uint32_t n)
{
  if (n == 0)
    return x;
  if (n > 127)
    return x != 0;
  return x >> n | ((x << (128 - n)) != 0);
}

FpNumber
fp_zero (bool sign)
{
  return (FpNumber) { .kind = KIND_ZERO, .sign = sign };
}

FpNumber
fp_infinity (bool sign)
{
  return (FpNumber) { .kind = KIND_INFINITY, .sign = sign, .sig = WIDE_TOP };
}

/* "Real indefinite": negative, quiet, no payload (SDM vol. 1, 4.8.3.7). */
FpNumber
fp_default_nan (void)
{
  return (FpNumber) { .kind = KIND_QNAN, .sign = true, .sig = wide ((uint64_t) 3 << 62) };
}

FpNumber
fp_quiet (FpNumber x)
{
  x.kind = KIND_QNAN;
  x.sig |= wide ((uint64_t) 1 << 62);
  return x;
}

FpNumber
fp_make (bool sign, int32_t exp, FpWide sig)
{
  if (sig == 0)
    return fp_zero (sign);
  unsigned n = leading_zeros (sig);
  return (FpNumber) { .kind = KIND_FINITE, .sign = sign, .exp = exp - (int32_t) n, .sig = sig << n };
}

FpNumber
fp_from_magnitude (bool sign, uint64_t magnitude)
{
  return fp_make (sign, 63, wide (magnitude));
}

FpNumber
fp_from_int (int64_t value)
{
  return fp_from_magnitude (value < 0, value < 0 ? -(uint64_t) value : (uint64_t) value);
}

/* --- unpacking ------------------------------------------------------------------------------------------ */

/* fraction: left-aligned below the integer bit */
static FpNumber
unpack (bool sign, int biased, int biased_max, int bias, uint64_t fraction)
{
  if (biased == biased_max) {
    if (fraction == 0)
      return fp_infinity (sign);
    bool quiet = fraction & INTEGER_BIT >> 1;
    FpWide sig = wide (INTEGER_BIT | fraction);
    return (FpNumber) { .kind = quiet ? KIND_QNAN : KIND_SNAN, .sign = sign, .sig = sig };
  }
  if (biased == 0) {
    FpNumber x = fp_make (sign, 1 - bias, wide (fraction));
    x.denormal = fraction != 0;
    return x;
  }
  return fp_make (sign, biased - bias, wide (INTEGER_BIT | fraction));
}

FpNumber
fp_unpack16 (uint16_t bits)
{
  return unpack (bits >> 15, bits >> 10 & 0x1f, 0x1f, 15, (uint64_t) (bits & 0x3ff) << 53);
}

FpNumber
fp_unpack32 (uint32_t bits)
{
  return unpack (bits >> 31, bits >> 23 & 0xff, 0xff, 127, (uint64_t) (bits & 0x7fffff) << 40);
}

FpNumber
fp_unpack64 (uint64_t bits)
{
  return unpack (bits >> 63, bits >> 52 & 0x7ff, 0x7ff, 1023, (bits & 0xfffffffffffffull) << 11);
}

/* The integer bit is explicit: wherever it contradicts the exponent the encoding is unsupported (SDM vol.
 * 1, 8.2.2), but for pseudo-denormals. */
FpNumber
fp_unpack80 (uint64_t sig, uint16_t sign_exp)
{
  bool sign = sign_exp >> 15;
  int biased = sign_exp & 0x7fff;
  if (biased == 0) {
    FpNumber x = fp_make (sign, -16382, wide (sig));
    x.denormal = sig != 0;
    return x;
  }
  if (!(sig & INTEGER_BIT))
    return (FpNumber) { .kind = KIND_UNSUPPORTED, .sign = sign, .sig = wide (sig) };
  return unpack (sign, biased, 0x7fff, 16383, sig & ~INTEGER_BIT);
}

/* --- packing -------------------------------------------------------------------------------------------- */

/* Biased exponent and the high 64 bits of the significand, integer bit included. */
static uint64_t
fields (const FpNumber *x, int32_t exp_min, int biased_max, int *biased)
{
  switch (x->kind) {
  case KIND_ZERO: *biased = 0; return 0;
  case KIND_FINITE:
    if (x->exp < exp_min) {
      *biased = 0;
      return exp_min - x->exp < 64 ? (uint64_t) (x->sig >> 64) >> (exp_min - x->exp) : 0;
    }
    *biased = x->exp - exp_min + 1;
    return (uint64_t) (x->sig >> 64);
  default: *biased = biased_max; return (uint64_t) (x->sig >> 64);
  }
}

uint16_t
fp_pack16 (const FpNumber *x)
{
  int biased;
  uint64_t sig = fields (x, fp_half.exp_min, 0x1f, &biased);
  return (uint16_t) (x->sign << 15 | biased << 10 | (unsigned) (sig >> 53 & 0x3ff));
}

uint32_t
fp_pack32 (const FpNumber *x)
{
  int biased;
  uint64_t sig = fields (x, fp_single.exp_min, 0xff, &biased);
  return (uint32_t) x->sign << 31 | (uint32_t) biased << 23 | (uint32_t) (sig >> 40 & 0x7fffff);
}

uint64_t
fp_pack64 (const FpNumber *x)
{
  int biased;
  uint64_t sig = fields (x, fp_double.exp_min, 0x7ff, &biased);
  return (uint64_t) x->sign << 63 | (uint64_t) biased << 52 | (sig >> 11 & 0xfffffffffffffull);
}

uint64_t
fp_pack80 (const FpNumber *x, uint16_t *sign_exp)
{
  int biased;
  uint64_t sig = fields (x, fp_extended.exp_min, 0x7fff, &biased);
  *sign_exp = (uint16_t) (x->sign << 15 | biased);
  return sig;
}

/* --- rounding ------------------------------------------------------------------------------------------- */

/* Keeps the bits of sig above `drop`; carry: the result is 2^128. */
static bool
round_bits (FpWide *sig, unsigned drop, bool sign, FpRounding rounding, bool *inexact, bool *carry)
{
  FpWide unit = (FpWide) 1 << drop, rest = *sig & (unit - 1), half = unit >> 1;
  bool up = false;
  switch (rounding) {
  case FP_NEAREST: up = rest && (rest > half || (rest == half && (*sig & unit))); break;
  case FP_DOWN: up = sign && rest; break;
  case FP_UPWARD: up = !sign && rest; break;
  case FP_CHOP: break;
  }
  *inexact = rest != 0;
  *sig -= rest;
  *carry = false;
  if (up) {
    *sig += unit;
    *carry = *sig == 0;
  }
  return up;
}

static uint32_t
inexact_flags (bool inexact, bool up)
{
  return (inexact ? FP_PE : 0) | (up ? FP_UP : 0);
}

static uint32_t
round_tiny (FpNumber *x, const FpFormat *format, FpRounding rounding)
{
  bool inexact, carry;
  FpWide sig = shift_right_sticky (x->sig, (uint32_t) (format->exp_min - x->exp));
  bool up = round_bits (&sig, 128 - (unsigned) format->precision, x->sign, rounding, &inexact, &carry);
  *x = fp_make (x->sign, format->exp_min, sig);
  return inexact_flags (inexact, up) | (inexact ? FP_UE : 0);
}

static uint32_t
overflow (FpNumber *x, const FpFormat *format, FpRounding rounding)
{
  bool to_infinity = rounding == FP_NEAREST || rounding == (x->sign ? FP_DOWN : FP_UPWARD);
  if (to_infinity)
    *x = fp_infinity (x->sign);
  else {
    x->exp = format->exp_max;
    x->sig = ~(FpWide) 0 << (128 - format->precision);
  }
  return FP_OE | inexact_flags (true, to_infinity);
}

/* Tininess is looked for after rounding (SDM vol. 1, 4.9.1.5). */
uint32_t
fp_round (FpNumber *x, const FpFormat *format, FpRounding rounding, uint32_t masked)
{
  if (x->kind != KIND_FINITE)
    return 0;
  FpNumber r = *x;
  bool inexact, carry;
  bool up = round_bits (&r.sig, 128 - (unsigned) format->precision, x->sign, rounding, &inexact, &carry);
  if (carry) {
    r.sig = WIDE_TOP;
    r.exp++;
  }
  r.denormal = false;
  if (r.exp < format->exp_min) {
    if (masked & FP_UE) {
      if (!format->flush)
        return round_tiny (x, format, rounding);
      *x = fp_zero (x->sign);
      return FP_UE | FP_PE;
    }
    *x = r;
    x->exp += format->wrap;
    if (format->wrap && x->exp < format->exp_min) {     /* FSCALE goes further than any wrap */
      *x = fp_zero (x->sign);
      return FP_UE | FP_PE;
    }
    return FP_UE | inexact_flags (inexact, up);
  }
  *x = r;
  if (r.exp <= format->exp_max)
    return inexact_flags (inexact, up);
  if (masked & FP_OE)
    return overflow (x, format, rounding);
  x->exp -= format->wrap;
  if (format->wrap && x->exp > format->exp_max) {
    *x = fp_infinity (x->sign);
    return FP_OE | inexact_flags (true, true);
  }
  return FP_OE | inexact_flags (inexact, up);
}

uint32_t
fp_round_to_integer (FpNumber *x, FpRounding rounding)
{
  if (x->kind != KIND_FINITE || x->exp >= 127)
    return 0;
  bool inexact, carry, sign = x->sign;
  FpWide sig = x->exp < -1 ? 1 : x->sig >> 1 | (x->sig & 1);     /* one bit more, for values below 1 */
  int32_t exp = x->exp < -1 ? -1 : x->exp;
  bool up = round_bits (&sig, (unsigned) (126 - exp), sign, rounding, &inexact, &carry);
  *x = fp_make (sign, exp + 1, sig);
  return inexact_flags (inexact, up);
}

uint32_t
fp_to_int (int64_t *value, FpNumber x, unsigned bits, FpRounding rounding)
{
  int64_t indefinite = (int64_t) (~(uint64_t) 0 << (bits - 1));
  *value = indefinite;
  if (x.kind == KIND_ZERO) {
    *value = 0;
    return 0;
  }
  if (x.kind != KIND_FINITE)
    return FP_IE;
  uint32_t flags = fp_round_to_integer (&x, rounding);
  if (x.kind == KIND_ZERO) {
    *value = 0;
    return flags;
  }
  if (x.exp > 63)
    return FP_IE;
  uint64_t magnitude = (uint64_t) (x.sig >> 64) >> (63 - x.exp);
  uint64_t limit = ((uint64_t) 1 << (bits - 1)) - !x.sign;
  if (magnitude > limit)
    return FP_IE;
  *value = (int64_t) (x.sign ? -magnitude : magnitude);
  return flags;
}

/* --- arithmetic ----------------------------------------------------------------------------------------- */

static uint32_t
invalid (FpNumber *r)
{
  *r = fp_default_nan ();
  return FP_IE;
}

_Static_assert (KIND_ZERO < KIND_FINITE && KIND_FINITE < KIND_INFINITY, "kinds are in order of magnitude");

static int
compare_magnitude (const FpNumber *a, const FpNumber *b)
{
  if (a->kind != b->kind || a->kind != KIND_FINITE)
    return (int) a->kind - (int) b->kind;
  if (a->exp != b->exp)
    return a->exp < b->exp ? -1 : 1;
  return a->sig < b->sig ? -1 : a->sig > b->sig;
}

int
fp_compare (const FpNumber *a, const FpNumber *b)
{
  if (a->kind == KIND_ZERO && b->kind == KIND_ZERO)
    return 0;
  if (a->sign != b->sign)
    return a->sign ? -1 : 1;
  int c = compare_magnitude (a, b);
  c = c < 0 ? -1 : c > 0;
  return a->sign ? -c : c;
}

uint32_t
fp_add (FpNumber *r, FpNumber a, FpNumber b, FpRounding rounding)
{
  if (a.kind == KIND_INFINITY || b.kind == KIND_INFINITY) {
    if (a.kind == b.kind && a.sign != b.sign)
      return invalid (r);
    *r = fp_infinity (a.kind == KIND_INFINITY ? a.sign : b.sign);
    return 0;
  }
  if (a.kind == KIND_ZERO && b.kind == KIND_ZERO) {
    *r = fp_zero (a.sign == b.sign ? a.sign : rounding == FP_DOWN);
    return 0;
  }
  if (a.kind == KIND_ZERO || b.kind == KIND_ZERO) {
    *r = a.kind == KIND_ZERO ? b : a;
    return 0;
  }
  int c = compare_magnitude (&a, &b);
  if (c < 0) {
    FpNumber t = a;
    a = b;
    b = t;
  }
  /* two bits of room: one for a carry, and the sticky bit stays below everything that counts */
  FpWide x = shift_right_sticky (a.sig, 2), y = shift_right_sticky (b.sig, 2);
  y = shift_right_sticky (y, (uint32_t) (a.exp - b.exp));
  if (a.sign == b.sign)
    *r = fp_make (a.sign, a.exp + 2, x + y);
  else if (c == 0)
    *r = fp_zero (rounding == FP_DOWN);
  else
    *r = fp_make (a.sign, a.exp + 2, x - y);
  return 0;
}

/* Significands of at most 64 bits, as all operands have. */
uint32_t
fp_mul (FpNumber *r, FpNumber a, FpNumber b)
{
  bool sign = a.sign != b.sign;
  if (a.kind == KIND_INFINITY || b.kind == KIND_INFINITY) {
    if (a.kind == KIND_ZERO || b.kind == KIND_ZERO)
      return invalid (r);
    *r = fp_infinity (sign);
    return 0;
  }
  if (a.kind == KIND_ZERO || b.kind == KIND_ZERO)
    *r = fp_zero (sign);
  else
    *r = fp_make (sign, a.exp + b.exp + 1, (FpWide) (uint64_t) (a.sig >> 64) * (uint64_t) (b.sig >> 64));
  return 0;
}

uint32_t
fp_div (FpNumber *r, FpNumber a, FpNumber b)
{
  bool sign = a.sign != b.sign;
  if (a.kind == b.kind && a.kind != KIND_FINITE)
    return invalid (r);
  if (a.kind == KIND_INFINITY || b.kind == KIND_ZERO) {
    *r = fp_infinity (sign);
    return a.kind == KIND_FINITE ? FP_ZE : 0;
  }
  if (a.kind == KIND_ZERO || b.kind == KIND_INFINITY) {
    *r = fp_zero (sign);
    return 0;
  }
  uint64_t divisor = (uint64_t) (b.sig >> 64);
  FpWide high = (a.sig >> 1) / divisor, rest = (a.sig >> 1) % divisor;  /* 63 or 64 bits */
  FpWide low = (rest << 62) / divisor, left = (rest << 62) % divisor;
  *r = fp_make (sign, a.exp - b.exp + 2, high << 62 | low | (left != 0));
  return 0;
}

/* Digit by digit: 67 bits of root, then the sticky bit. */
uint32_t
fp_sqrt (FpNumber *r, FpNumber a)
{
  if (a.kind == KIND_ZERO || (a.kind == KIND_INFINITY && !a.sign)) {
    *r = a;
    return 0;
  }
  if (a.sign)
    return invalid (r);
  bool odd = a.exp & 1;
  FpWide radicand = odd ? a.sig : a.sig >> 1, root = 0, rest = 0;
  for (int i = 0; i < 67; i++) {
    rest = rest << 2 | (FpWide) (i < 64 ? (uint64_t) (radicand >> (126 - 2 * i)) & 3 : 0);
    FpWide trial = root << 2 | 1;
    root <<= 1;
    if (rest >= trial) {
      rest -= trial;
      root |= 1;
    }
  }
  *r = fp_make (false, ((a.exp - odd) >> 1) + 60, root << 1 | (rest != 0));
  return 0;
}
