/* fp-vex-move.c -- portable AVX: what moves elements across lanes, and what SSE has no form of. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "fp-vex.h"

/* --- across lanes --------------------------------------------------------------------------------------- */

#define BROADCAST(bits, field) \
  void wide_broadcast##bits (Wide *w) \
  { \
    for (unsigned i = 0; i < 256 / bits; i++) \
      w->d[i / (128 / bits)].field[i % (128 / bits)] = w->s[0].field[0]; \
  }

BROADCAST (8, b)
BROADCAST (16, w)
BROADCAST (32, d)
BROADCAST (64, q)

void
wide_broadcast128 (Wide *w)
{
  w->d[0] = w->d[1] = w->s[0];
}

void
wide_vpermd (Wide *w)
{
  for (unsigned i = 0; i < 8; i++) {
    unsigned from = w->a[i / 4].d[i & 3] & 7;
    w->d[i / 4].d[i & 3] = w->s[from / 4].d[from & 3];
  }
}

void
wide_vpermq (Wide *w)
{
  for (unsigned i = 0; i < 4; i++) {
    unsigned from = w->imm >> 2 * i & 3;
    w->d[i / 2].q[i & 1] = w->s[from / 2].q[from & 1];
  }
}

/* Each half: one of four, or zero. */
void
wide_vperm2x128 (Wide *w)
{
  for (unsigned i = 0; i < 2; i++) {
    unsigned control = w->imm >> 4 * i;
    FxVector zero = { .q = { 0, 0 } };
    w->d[i] = control & 8 ? zero : control & 2 ? w->s[control & 1] : w->a[control & 1];
  }
}

void
wide_vinsertx128 (Wide *w)
{
  w->d[0] = w->a[0];
  w->d[1] = w->a[1];
  w->d[w->imm & 1] = w->s[0];
}

/* The other half of a destination register is cleared. */
void
wide_vextractx128 (Wide *w)
{
  w->d[0] = w->s[w->imm & 1];
  w->d[1] = (FxVector) { .q = { 0, 0 } };
}

/* --- within a lane -------------------------------------------------------------------------------------- */

void
simd_vpermilpd (Simd *s)
{
  s->d = (FxVector) { .q = { s->s.q[s->imm & 1], s->s.q[s->imm >> 1 & 1] } };
}

void
simd_vpermilps_by (Simd *s)
{
  FxVector r;
  for (unsigned i = 0; i < 4; i++)
    r.d[i] = s->d.d[s->s.d[i] & 3];
  s->d = r;
}

void
simd_vpermilpd_by (Simd *s)
{
  s->d = (FxVector) { .q = { s->d.q[s->s.q[0] >> 1 & 1], s->d.q[s->s.q[1] >> 1 & 1] } };
}

void
simd_vpsllv (Simd *s)
{
  if (BP_NATIVE_W (s->x->native))
    for (unsigned i = 0; i < 2; i++)
      s->d.q[i] = s->s.q[i] < 64 ? s->d.q[i] << s->s.q[i] : 0;
  else
    for (unsigned i = 0; i < 4; i++)
      s->d.d[i] = s->s.d[i] < 32 ? s->d.d[i] << s->s.d[i] : 0;
}

void
simd_vpsrlv (Simd *s)
{
  if (BP_NATIVE_W (s->x->native))
    for (unsigned i = 0; i < 2; i++)
      s->d.q[i] = s->s.q[i] < 64 ? s->d.q[i] >> s->s.q[i] : 0;
  else
    for (unsigned i = 0; i < 4; i++)
      s->d.d[i] = s->s.d[i] < 32 ? s->d.d[i] >> s->s.d[i] : 0;
}

void
simd_vpsravd (Simd *s)
{
  for (unsigned i = 0; i < 4; i++)
    s->d.sd[i] >>= s->s.d[i] < 32 ? s->s.d[i] : 31;
}

/* As PTEST, of the signs alone. */
static void
test_signs (Simd *s, uint64_t signs)
{
  uint64_t both = 0, other = 0;
  for (unsigned i = 0; i < 2; i++) {
    both |= s->d.q[i] & s->s.q[i] & signs;
    other |= ~s->d.q[i] & s->s.q[i] & signs;
  }
  *s->x->flags = (both ? 0 : X86_FL_ZF) | (other ? 0 : X86_FL_CF);
}

void simd_vtestps (Simd *s) { test_signs (s, 0x8000000080000000); }
void simd_vtestpd (Simd *s) { test_signs (s, 0x8000000000000000); }
