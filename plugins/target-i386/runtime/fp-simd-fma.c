/* fp-simd-fma.c -- portable FMA and F16C: one rounding for a product and a sum; half precision. */
/* SPDX-License-Identifier: MIT */

#include "fp-simd-float.h"
#include "fp-vex.h"

/* --- FMA: the opcode says it all (SDM vol. 2, VFMADD132PD and kin) ------------------------------------------ */

/* x * y + z, either negated before the one rounding.  Of NaNs the first in the order of the operands wins, which is not the order here. */
static FpNumber
fused (Simd *s, Width width, const FpNumber operand[3], const uint8_t order[3], bool negate_product, bool negate_sum)
{
  FpNumber x = operand[order[0]], y = operand[order[1]], z = operand[order[2]], r;
  uint32_t flags = 0;
  bool is_nan = false;
  for (unsigned i = 0; i < 3; i++)
    flags |= operand[i].kind == KIND_SNAN ? FP_IE : 0;
  for (unsigned i = 0; i < 3 && !is_nan; i++) {
    is_nan = fp_is_nan (&operand[order[i]]);
    r = operand[order[i]];
  }
  if (is_nan) {
    s->exceptions |= flags;
    return fp_quiet (r);
  }
  x.sign ^= negate_product;
  z.sign ^= negate_sum;
  flags = fp_mul (&r, x, y);
  if (!flags)
    flags = fp_add (&r, r, z, simd_rounding (s));
  if (!flags && (x.denormal || y.denormal || z.denormal))
    flags = FP_DE;
  return simd_round (s, r, width, flags);
}

/* d is the first operand, t the second, s the third. */
void
simd_fma (Simd *s)
{
  static const uint8_t orders[3][3] = { { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 } };         /* 132, 213, 231 */
  uint64_t n = s->x->native;
  unsigned opcode = BP_NATIVE_OPCODE (n), kind = opcode & 15;
  const uint8_t *order = orders[(opcode >> 4) - 9];
  Width width = BP_NATIVE_W (n) ? DOUBLE : SINGLE;
  bool alternates = kind < 8, scalar = !alternates && kind & 1;
  unsigned lanes = scalar ? 1 : width == DOUBLE ? 2 : 4;
  for (unsigned i = 0; i < lanes; i++) {
    FpNumber operand[3] = {
      simd_number (s, &s->d, width, i), simd_number (s, &s->t, width, i), simd_number (s, &s->s, width, i)
    };
    bool subtract = alternates ? (kind & 1) == (i & 1) : kind & 2;        /* 6: even lanes; 7: odd ones */
    FpNumber r = fused (s, width, operand, order, !alternates && kind & 4, subtract);
    simd_put (&s->d, width, i, &r);
  }
}

/* --- F16C: denormal halves are ordinary numbers, whatever MXCSR says of denormals ----------------------------- */

void
simd_vcvtph2ps (Simd *s)
{
  for (unsigned i = 0; i < 4; i++) {
    FpNumber r = fp_unpack16 (s->s.w[i]);
    if (r.kind == KIND_SNAN)
      s->exceptions |= FP_IE;
    if (fp_is_nan (&r))
      r = fp_quiet (r);
    s->d.d[i] = fp_pack32 (&r);
  }
}

/* imm: a rounding mode; bit 2: MXCSR's instead */
void
simd_vcvtps2ph (Simd *s)
{
  FpRounding rounding = s->imm & 4 ? simd_rounding (s) : (FpRounding) (s->imm & 3);
  FxVector result = { .q = { 0, 0 } };
  for (unsigned i = 0; i < 4; i++) {
    FpNumber r = simd_number (s, &s->s, SINGLE, i);
    uint32_t flags = r.denormal ? FP_DE : 0;
    if (r.kind == KIND_SNAN)
      flags = FP_IE;
    if (fp_is_nan (&r))
      r = fp_quiet (r);
    s->exceptions |= flags | fp_round (&r, &fp_half, rounding, simd_masked (s));
    result.w[i] = fp_pack16 (&r);
  }
  s->d = result;
}
