/* fp-simd-float.c -- portable SSE: floating-point arithmetic and comparison (SDM vol. 1, 11.5). */
/* SPDX-License-Identifier: MIT */

#include "fp-simd-float.h"
#include "fp-vex.h"

/* --- lanes as numbers ----------------------------------------------------------------------------------- */

static FpNumber
denormals_are_zeros (const Simd *s, FpNumber x)
{
  return x.denormal && (simd_mxcsr (s) & MXCSR_DAZ) ? fp_zero (x.sign) : x;
}

FpNumber
simd_number (const Simd *s, const FxVector *v, Width width, unsigned lane)
{
  return denormals_are_zeros (s, width == SINGLE ? fp_unpack32 (v->d[lane]) : fp_unpack64 (v->q[lane]));
}

void
simd_put (FxVector *v, Width width, unsigned lane, const FpNumber *x)
{
  if (width == SINGLE)
    v->d[lane] = fp_pack32 (x);
  else
    v->q[lane] = fp_pack64 (x);
}

FpNumber
simd_round (Simd *s, FpNumber r, Width width, uint32_t flags)
{
  FpFormat format = width == SINGLE ? fp_single : fp_double;
  format.flush = simd_mxcsr (s) & MXCSR_FTZ;
  s->exceptions |= flags | fp_round (&r, &format, simd_rounding (s), simd_masked (s));
  return r;
}

/* The first operand wins, whatever the second is (SDM vol. 1, table 4-7). */
bool
simd_nan (FpNumber *r, const FpNumber *a, const FpNumber *b, uint32_t *flags)
{
  if (!fp_is_nan (a) && !fp_is_nan (b))
    return false;
  if (a->kind == KIND_SNAN || b->kind == KIND_SNAN)
    *flags |= FP_IE;
  *r = fp_quiet (fp_is_nan (a) ? *a : *b);
  return true;
}

/* --- arithmetic ----------------------------------------------------------------------------------------- */

typedef enum Operation { ADD, SUB, MUL, DIV } Operation;

static FpNumber
arithmetic (Simd *s, Operation operation, Width width, FpNumber a, FpNumber b)
{
  FpNumber r;
  uint32_t flags = 0;
  if (!simd_nan (&r, &a, &b, &flags)) {
    switch (operation) {
    case SUB:
      b.sign = !b.sign;
      flags = fp_add (&r, a, b, simd_rounding (s));
      break;
    case ADD: flags = fp_add (&r, a, b, simd_rounding (s)); break;
    case MUL: flags = fp_mul (&r, a, b); break;
    case DIV: flags = fp_div (&r, a, b); break;
    }
    if (!(flags & (FP_IE | FP_ZE)) && (a.denormal || b.denormal))
      flags |= FP_DE;
  }
  return simd_round (s, r, width, flags);
}

static void
arithmetic_lanes (Simd *s, Operation operation, Width width, unsigned lanes)
{
  for (unsigned i = 0; i < lanes; i++) {
    FpNumber a = simd_number (s, &s->d, width, i), b = simd_number (s, &s->s, width, i);
    FpNumber r = arithmetic (s, operation, width, a, b);
    simd_put (&s->d, width, i, &r);
  }
}

/* An instruction in its four sizes. */
#define FLOATS(name, function, ...) \
  void simd_##name##_ps (Simd *s) { function (s, __VA_ARGS__ SINGLE, 4); } \
  void simd_##name##_pd (Simd *s) { function (s, __VA_ARGS__ DOUBLE, 2); } \
  void simd_##name##_ss (Simd *s) { function (s, __VA_ARGS__ SINGLE, 1); } \
  void simd_##name##_sd (Simd *s) { function (s, __VA_ARGS__ DOUBLE, 1); }
#define WITH(x) x,

FLOATS (add, arithmetic_lanes, WITH (ADD))
FLOATS (sub, arithmetic_lanes, WITH (SUB))
FLOATS (mul, arithmetic_lanes, WITH (MUL))
FLOATS (div, arithmetic_lanes, WITH (DIV))

static void
square_roots (Simd *s, Width width, unsigned lanes)
{
  for (unsigned i = 0; i < lanes; i++) {
    FpNumber a = simd_number (s, &s->s, width, i), r;
    uint32_t flags = 0;
    if (!simd_nan (&r, &a, &a, &flags)) {
      flags = fp_sqrt (&r, a);
      if (!(flags & FP_IE) && a.denormal)
        flags |= FP_DE;
    }
    r = simd_round (s, r, width, flags);
    simd_put (&s->d, width, i, &r);
  }
}

FLOATS (sqrt, square_roots)

/* --- across and alternating ----------------------------------------------------------------------------- */

static void
horizontal (Simd *s, Operation operation, Width width, unsigned lanes)
{
  FxVector r;
  for (unsigned i = 0; i < lanes; i++) {
    const FxVector *v = i < lanes / 2 ? &s->d : &s->s;
    unsigned from = 2 * i % lanes;
    FpNumber a = simd_number (s, v, width, from), b = simd_number (s, v, width, from + 1);
    FpNumber x = arithmetic (s, operation, width, a, b);
    simd_put (&r, width, i, &x);
  }
  s->d = r;
}

void simd_hadd_ps (Simd *s) { horizontal (s, ADD, SINGLE, 4); }
void simd_hadd_pd (Simd *s) { horizontal (s, ADD, DOUBLE, 2); }
void simd_hsub_ps (Simd *s) { horizontal (s, SUB, SINGLE, 4); }
void simd_hsub_pd (Simd *s) { horizontal (s, SUB, DOUBLE, 2); }

static void
alternating (Simd *s, Width width, unsigned lanes)
{
  for (unsigned i = 0; i < lanes; i++) {
    FpNumber a = simd_number (s, &s->d, width, i), b = simd_number (s, &s->s, width, i);
    FpNumber r = arithmetic (s, i & 1 ? ADD : SUB, width, a, b);
    simd_put (&s->d, width, i, &r);
  }
}

void simd_addsub_ps (Simd *s) { alternating (s, SINGLE, 4); }
void simd_addsub_pd (Simd *s) { alternating (s, DOUBLE, 2); }

/* A result on its way into the next operation is an operand like any other: it may be a denormal. */
static FpNumber
intermediate (const Simd *s, Width width, FpNumber r)
{
  FxVector v;
  simd_put (&v, width, 0, &r);
  return simd_number (s, &v, width, 0);
}

/* The end of a step of all lanes of 128 bits: true when it raises, else its flags are final. */
static bool
step_raises (Simd *s, unsigned n)
{
  uint32_t found = 0;
  for (unsigned k = 0; k < n; k++)
    found |= s[k].exceptions;
  if (found & FP_ALL & ~simd_masked (s))
    return true;
  s->x->f->mxcsr |= found & FP_ALL;
  for (unsigned k = 0; k < n; k++)
    s[k].exceptions = 0;
  return false;
}

/* Each lane's sum with that of the lane at that distance. Which of two NaNs a lane gets is the processor's choice (SDM vol. 2, DPPS); Intel's
 * put the neighbour's first, but in the last step. */
static void
add_across (Simd *s, FpNumber *t, Width width, unsigned lanes, unsigned distance)
{
  FpNumber from[4];
  for (unsigned i = 0; i < lanes; i++)
    from[i] = intermediate (s, width, t[i]);
  for (unsigned i = 0; i < lanes; i++) {
    unsigned first = 2 * distance == lanes ? i : i ^ distance;
    t[i] = arithmetic (s, ADD, width, from[first], from[first ^ distance]);
  }
}

/* imm: the products that count, and the lanes that get the sum. Products, sums and the sum of sums are
 * steps of which each may raise, for all n lanes of 128 bits at a time. */
static void
dot_product (Simd *s, unsigned n, Width width, unsigned lanes)
{
  FpNumber t[2][4];
  for (unsigned k = 0; k < n; k++)
    for (unsigned i = 0; i < lanes; i++) {
      FpNumber a = simd_number (&s[k], &s[k].d, width, i), b = simd_number (&s[k], &s[k].s, width, i);
      t[k][i] = s->imm >> (4 + i) & 1 ? arithmetic (&s[k], MUL, width, a, b) : fp_zero (false);
    }
  for (unsigned distance = 1; distance < lanes && !step_raises (s, n); distance *= 2)
    for (unsigned k = 0; k < n; k++)
      add_across (&s[k], t[k], width, lanes, distance);
  FpNumber zero = fp_zero (false);
  for (unsigned i = 0; i < n * lanes; i++)
    simd_put (&s[i / lanes].d, width, i % lanes, s->imm >> i % lanes & 1 ? &t[i / lanes][i % lanes] : &zero);
}

void simd_dpps (Simd *s) { dot_product (s, 1, SINGLE, 4); }
void simd_dppd (Simd *s) { dot_product (s, 1, DOUBLE, 2); }

void
wide_vdpps (Wide *w)
{
  Simd s[2];
  unsigned n = BP_NATIVE_VEX_L (w->x->native) + 1;
  for (unsigned k = 0; k < n; k++)
    s[k] = (Simd) { .x = w->x, .bytes = 16, .imm = w->imm, .d = w->a[k], .s = w->s[k] };
  dot_product (s, n, SINGLE, 4);
  for (unsigned k = 0; k < n; k++) {
    w->d[k] = s[k].d;
    w->exceptions |= s[k].exceptions;
  }
}

/* --- comparison ----------------------------------------------------------------------------------------- */

typedef enum Order { LESS, EQUAL, GREATER, UNORDERED } Order;

/* quiet: only a signalling NaN is invalid */
static Order
order (Simd *s, const FpNumber *a, const FpNumber *b, bool quiet)
{
  if (fp_is_nan (a) || fp_is_nan (b)) {
    if (!quiet || a->kind == KIND_SNAN || b->kind == KIND_SNAN)
      s->exceptions |= FP_IE;
    return UNORDERED;
  }
  if (a->denormal || b->denormal)
    s->exceptions |= FP_DE;
  int c = fp_compare (a, b);
  return c < 0 ? LESS : c > 0 ? GREATER : EQUAL;
}

/* MINPS, MAXPS: the second operand unless the first is really smaller (larger). */
static void
extremes (Simd *s, Order wanted, Width width, unsigned lanes)
{
  for (unsigned i = 0; i < lanes; i++) {
    FpNumber a = simd_number (s, &s->d, width, i), b = simd_number (s, &s->s, width, i);
    Order found = order (s, &a, &b, false);
    if (found == UNORDERED) {           /* as it is, even when signalling */
      if (width == SINGLE)
        s->d.d[i] = s->s.d[i];
      else
        s->d.q[i] = s->s.q[i];
      if (b.kind == KIND_ZERO)
        simd_put (&s->d, width, i, &b);
    } else
      simd_put (&s->d, width, i, found == wanted ? &a : &b);
  }
}

FLOATS (min, extremes, WITH (LESS))
FLOATS (max, extremes, WITH (GREATER))

/* Predicates 0 to 7: EQ LT LE UNORD, and their negations.  8 to 15: with EQ and NEQ, UNORD counts the other way; LT
 * and LE likewise, and they come as NGE NGT, negated GE GT; FALSE and TRUE in place of UNORD, ORD.  Those from 16 on
 * are the same, loud where the others are quiet and the reverse (SDM vol. 2, table 3-1). */
static bool
predicate_holds (unsigned predicate, Order found)
{
  static const uint8_t holds[16] = {
#define WHEN(less, equal, greater, unordered) \
    (less) << LESS | (equal) << EQUAL | (greater) << GREATER | (unordered) << UNORDERED
    WHEN (0, 1, 0, 0), WHEN (1, 0, 0, 0), WHEN (1, 1, 0, 0), WHEN (0, 0, 0, 1),
    WHEN (1, 0, 1, 1), WHEN (0, 1, 1, 1), WHEN (0, 0, 1, 1), WHEN (1, 1, 1, 0),
    WHEN (0, 1, 0, 1), WHEN (1, 0, 0, 1), WHEN (1, 1, 0, 1), WHEN (0, 0, 0, 0),
    WHEN (1, 0, 1, 0), WHEN (0, 1, 1, 0), WHEN (0, 0, 1, 0), WHEN (1, 1, 1, 1)
#undef WHEN
  };
  return holds[predicate & 15] >> found & 1;
}

static void
compare_lanes (Simd *s, Width width, unsigned lanes)
{
  unsigned predicate = s->imm & (BP_NATIVE_VEX (s->x->native) ? 31 : 7);
  bool quiet = ((predicate & 3) == 0 || (predicate & 3) == 3) != (predicate >= 16);
  for (unsigned i = 0; i < lanes; i++) {
    FpNumber a = simd_number (s, &s->d, width, i), b = simd_number (s, &s->s, width, i);
    uint64_t mask = predicate_holds (predicate, order (s, &a, &b, quiet)) ? ~(uint64_t) 0 : 0;
    if (width == SINGLE)
      s->d.d[i] = (uint32_t) mask;
    else
      s->d.q[i] = mask;
  }
}

FLOATS (cmp, compare_lanes)

static void
compare_to_eflags (Simd *s, Width width, bool quiet)
{
  static const uint32_t eflags[4] = {
    [LESS] = X86_FL_CF, [EQUAL] = X86_FL_ZF, [GREATER] = 0, [UNORDERED] = X86_FL_CF | X86_FL_PF | X86_FL_ZF
  };
  FpNumber a = simd_number (s, &s->d, width, 0), b = simd_number (s, &s->s, width, 0);
  *s->x->flags = eflags[order (s, &a, &b, quiet)];
}

void simd_comiss (Simd *s) { compare_to_eflags (s, SINGLE, false); }
void simd_comisd (Simd *s) { compare_to_eflags (s, DOUBLE, false); }
void simd_ucomiss (Simd *s) { compare_to_eflags (s, SINGLE, true); }
void simd_ucomisd (Simd *s) { compare_to_eflags (s, DOUBLE, true); }

/* --- approximations ------------------------------------------------------------------------------------- */
/*
 * RCP and RSQRT are bounded by 1.5 * 2^-12 relative error; which value they give is every processor's own.
 * Here it is the true one cut to 13 bits.  They raise nothing, and take and give no denormals.
 */

typedef enum Estimate { RECIPROCAL, RECIPROCAL_ROOT } Estimate;

static FpNumber
estimate (Estimate which, FpNumber a)
{
  FpNumber one = fp_from_int (1), r;
  static const FpFormat short_single = { 13, -126, 127, 0, true };
  if (fp_is_nan (&a))
    return fp_quiet (a);
  if (a.denormal)
    a = fp_zero (a.sign);
  if (which == RECIPROCAL_ROOT && a.kind != KIND_ZERO) {
    if (a.sign)
      return fp_default_nan ();
    fp_sqrt (&r, a);
    fp_round (&r, &fp_extended, FP_NEAREST, FP_ALL);
    a = r;
  }
  fp_div (&r, one, a);
  fp_round (&r, &short_single, FP_NEAREST, FP_ALL);
  return r;
}

static void
estimates (Simd *s, Estimate which, unsigned lanes)
{
  for (unsigned i = 0; i < lanes; i++) {
    FpNumber r = estimate (which, fp_unpack32 (s->s.d[i]));
    s->d.d[i] = fp_pack32 (&r);
  }
}

void simd_rcp_ps (Simd *s) { estimates (s, RECIPROCAL, 4); }
void simd_rcp_ss (Simd *s) { estimates (s, RECIPROCAL, 1); }
void simd_rsqrt_ps (Simd *s) { estimates (s, RECIPROCAL_ROOT, 4); }
void simd_rsqrt_ss (Simd *s) { estimates (s, RECIPROCAL_ROOT, 1); }
