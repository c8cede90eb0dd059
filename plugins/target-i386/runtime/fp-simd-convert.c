/* fp-simd-convert.c -- portable SSE: conversions between formats, and rounding to integral values. */
/* SPDX-License-Identifier: MIT */

#include "fp-simd-float.h"

/* --- to integers ---------------------------------------------------------------------------------------- */

static int64_t
to_int (Simd *s, Width width, unsigned lane, unsigned bits, bool truncate)
{
  int64_t value;
  FpRounding rounding = truncate ? FP_CHOP : simd_rounding (s);
  s->exceptions |= fp_to_int (&value, simd_number (s, &s->s, width, lane), bits, rounding);
  return value;
}

/* The rest of the destination is zero. */
static void
lanes_to_int (Simd *s, Width width, unsigned lanes, bool truncate)
{
  FxVector r = { .q = { 0, 0 } };
  for (unsigned i = 0; i < lanes; i++)
    r.d[i] = (uint32_t) to_int (s, width, i, 32, truncate);
  s->d = r;
}

void simd_cvtps2pi (Simd *s) { lanes_to_int (s, SINGLE, 2, false); }
void simd_cvttps2pi (Simd *s) { lanes_to_int (s, SINGLE, 2, true); }
void simd_cvtps2dq (Simd *s) { lanes_to_int (s, SINGLE, 4, false); }
void simd_cvttps2dq (Simd *s) { lanes_to_int (s, SINGLE, 4, true); }
void simd_cvtpd2dq (Simd *s) { lanes_to_int (s, DOUBLE, 2, false); }
void simd_cvttpd2dq (Simd *s) { lanes_to_int (s, DOUBLE, 2, true); }

static void
scalar_to_int (Simd *s, Width width, bool truncate)
{
  bool wide = BP_NATIVE_W (s->x->native);
  s->d.sq[0] = to_int (s, width, 0, wide ? 64 : 32, truncate);
}

void simd_cvtss2si (Simd *s) { scalar_to_int (s, SINGLE, false); }
void simd_cvttss2si (Simd *s) { scalar_to_int (s, SINGLE, true); }
void simd_cvtsd2si (Simd *s) { scalar_to_int (s, DOUBLE, false); }
void simd_cvttsd2si (Simd *s) { scalar_to_int (s, DOUBLE, true); }

/* --- from integers -------------------------------------------------------------------------------------- */

static void
from_int (Simd *s, Width width, unsigned lane, int64_t value)
{
  FpNumber r = simd_round (s, fp_from_int (value), width, 0);
  simd_put (&s->d, width, lane, &r);
}

static void
lanes_from_int (Simd *s, Width width, unsigned lanes)
{
  for (unsigned i = 0; i < lanes; i++)
    from_int (s, width, i, s->s.sd[i]);
}

void simd_cvtpi2ps (Simd *s) { lanes_from_int (s, SINGLE, 2); }
void simd_cvtdq2ps (Simd *s) { lanes_from_int (s, SINGLE, 4); }
void simd_cvtdq2pd (Simd *s) { lanes_from_int (s, DOUBLE, 2); }

static int64_t
integer_operand (const Simd *s)
{
  return BP_NATIVE_W (s->x->native) ? s->s.sq[0] : s->s.sd[0];
}

void simd_cvtsi2ss (Simd *s) { from_int (s, SINGLE, 0, integer_operand (s)); }
void simd_cvtsi2sd (Simd *s) { from_int (s, DOUBLE, 0, integer_operand (s)); }

/* --- between formats ------------------------------------------------------------------------------------ */

static FpNumber
change (Simd *s, Width from, unsigned lane)
{
  FpNumber a = simd_number (s, &s->s, from, lane), r = a;
  uint32_t flags = 0;
  if (!simd_nan (&r, &a, &a, &flags) && a.denormal)
    flags = FP_DE;
  return simd_round (s, r, from == SINGLE ? DOUBLE : SINGLE, flags);
}

void
simd_cvtps2pd (Simd *s)
{
  for (unsigned i = 0; i < 2; i++) {
    FpNumber r = change (s, SINGLE, i);
    simd_put (&s->d, DOUBLE, i, &r);
  }
}

void
simd_cvtpd2ps (Simd *s)
{
  FxVector result = { .q = { 0, 0 } };
  for (unsigned i = 0; i < 2; i++) {
    FpNumber r = change (s, DOUBLE, i);
    simd_put (&result, SINGLE, i, &r);
  }
  s->d = result;
}

void
simd_cvtss2sd (Simd *s)
{
  FpNumber r = change (s, SINGLE, 0);
  simd_put (&s->d, DOUBLE, 0, &r);
}

void
simd_cvtsd2ss (Simd *s)
{
  FpNumber r = change (s, DOUBLE, 0);
  simd_put (&s->d, SINGLE, 0, &r);
}

/* --- ROUNDPS and kin ------------------------------------------------------------------------------------ */

/* imm: a rounding mode; bit 2: MXCSR's instead; bit 3: inexactness is not reported */
static void
round_lanes (Simd *s, Width width, unsigned lanes)
{
  FpRounding rounding = s->imm & 4 ? simd_rounding (s) : (FpRounding) (s->imm & 3);
  for (unsigned i = 0; i < lanes; i++) {
    FpNumber a = simd_number (s, &s->s, width, i), r = a;
    uint32_t flags = 0;
    if (!simd_nan (&r, &a, &a, &flags))
      flags = fp_round_to_integer (&r, rounding) & (s->imm & 8 ? 0 : FP_PE);
    s->exceptions |= flags;
    simd_put (&s->d, width, i, &r);
  }
}

void simd_round_ps (Simd *s) { round_lanes (s, SINGLE, 4); }
void simd_round_pd (Simd *s) { round_lanes (s, DOUBLE, 2); }
void simd_round_ss (Simd *s) { round_lanes (s, SINGLE, 1); }
void simd_round_sd (Simd *s) { round_lanes (s, DOUBLE, 1); }
