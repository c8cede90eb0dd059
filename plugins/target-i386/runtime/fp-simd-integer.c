/* fp-simd-integer.c -- portable MMX and SSE: integer arithmetic, comparison and shifts, lane by lane. */
/* SPDX-License-Identifier: MIT */

#include "fp-simd.h"

/* a and b are the lanes of destination and source. */
#define LANES(name, T, field, expression) \
  void simd_##name (Simd *s) \
  { \
    for (unsigned i = 0; i < s->bytes / sizeof (T); i++) { \
      T a = s->d.field[i], b = s->s.field[i]; \
      (void) a, (void) b; \
      s->d.field[i] = (T) (expression); \
    } \
  }

static int
clamp (int value, int low, int high)
{
  return value < low ? low : value > high ? high : value;
}

#define SAT_SB(x) clamp ((x), -128, 127)
#define SAT_UB(x) clamp ((x), 0, 255)
#define SAT_SW(x) clamp ((x), -32768, 32767)
#define SAT_UW(x) clamp ((x), 0, 65535)

/* --- comparison ----------------------------------------------------------------------------------------- */

LANES (pcmpgtb, int8_t, sb, a > b ? -1 : 0)
LANES (pcmpgtw, int16_t, sw, a > b ? -1 : 0)
LANES (pcmpgtd, int32_t, sd, a > b ? -1 : 0)
LANES (pcmpgtq, int64_t, sq, a > b ? -1 : 0)
LANES (pcmpeqb, int8_t, sb, a == b ? -1 : 0)
LANES (pcmpeqw, int16_t, sw, a == b ? -1 : 0)
LANES (pcmpeqd, int32_t, sd, a == b ? -1 : 0)
LANES (pcmpeqq, int64_t, sq, a == b ? -1 : 0)

LANES (pminub, uint8_t, b, a < b ? a : b)
LANES (pmaxub, uint8_t, b, a > b ? a : b)
LANES (pminsw, int16_t, sw, a < b ? a : b)
LANES (pmaxsw, int16_t, sw, a > b ? a : b)
LANES (pminsb, int8_t, sb, a < b ? a : b)
LANES (pminsd, int32_t, sd, a < b ? a : b)
LANES (pminuw, uint16_t, w, a < b ? a : b)
LANES (pminud, uint32_t, d, a < b ? a : b)
LANES (pmaxsb, int8_t, sb, a > b ? a : b)
LANES (pmaxsd, int32_t, sd, a > b ? a : b)
LANES (pmaxuw, uint16_t, w, a > b ? a : b)
LANES (pmaxud, uint32_t, d, a > b ? a : b)

/* --- addition and subtraction --------------------------------------------------------------------------- */

LANES (paddb, uint8_t, b, a + b)
LANES (paddw, uint16_t, w, a + b)
LANES (paddd, uint32_t, d, a + b)
LANES (paddq, uint64_t, q, a + b)
LANES (psubb, uint8_t, b, a - b)
LANES (psubw, uint16_t, w, a - b)
LANES (psubd, uint32_t, d, a - b)
LANES (psubq, uint64_t, q, a - b)
LANES (paddsb, int8_t, sb, SAT_SB (a + b))
LANES (paddsw, int16_t, sw, SAT_SW (a + b))
LANES (paddusb, uint8_t, b, SAT_UB (a + b))
LANES (paddusw, uint16_t, w, SAT_UW (a + b))
LANES (psubsb, int8_t, sb, SAT_SB (a - b))
LANES (psubsw, int16_t, sw, SAT_SW (a - b))
LANES (psubusb, uint8_t, b, SAT_UB (a - b))
LANES (psubusw, uint16_t, w, SAT_UW (a - b))
LANES (pavgb, uint8_t, b, (a + b + 1) >> 1)
LANES (pavgw, uint16_t, w, (a + b + 1) >> 1)

LANES (psignb, int8_t, sb, b < 0 ? -a : b ? a : 0)
LANES (psignw, int16_t, sw, b < 0 ? -a : b ? a : 0)
LANES (psignd, int32_t, sd, b < 0 ? (int32_t) -(uint32_t) a : b ? a : 0)
LANES (pabsb, int8_t, sb, b < 0 ? -b : b)
LANES (pabsw, int16_t, sw, b < 0 ? -b : b)
LANES (pabsd, int32_t, sd, b < 0 ? (int32_t) -(uint32_t) b : b)

/* Neighbours: those of the destination make the lower half of the result, those of the source the upper
 * one. */
#define NEIGHBOURS(name, T, field, expression) \
  void simd_##name (Simd *s) \
  { \
    FxVector r; \
    unsigned half = s->bytes / sizeof (T) / 2; \
    for (unsigned i = 0; i < 2 * half; i++) { \
      const FxVector *v = i < half ? &s->d : &s->s; \
      T a = v->field[2 * (i % half)], b = v->field[2 * (i % half) + 1]; \
      r.field[i] = (T) (expression); \
    } \
    s->d = r; \
  }

NEIGHBOURS (phaddw, int16_t, sw, a + b)
NEIGHBOURS (phaddd, uint32_t, d, a + b)
NEIGHBOURS (phaddsw, int16_t, sw, SAT_SW (a + b))
NEIGHBOURS (phsubw, int16_t, sw, a - b)
NEIGHBOURS (phsubd, uint32_t, d, a - b)
NEIGHBOURS (phsubsw, int16_t, sw, SAT_SW (a - b))

/* --- multiplication ------------------------------------------------------------------------------------- */

LANES (pmullw, int16_t, sw, (int32_t) a * b)
LANES (pmulhw, int16_t, sw, ((int32_t) a * b) >> 16)
LANES (pmulhuw, uint16_t, w, ((uint32_t) a * b) >> 16)
LANES (pmulhrsw, int16_t, sw, ((((int32_t) a * b) >> 14) + 1) >> 1)
LANES (pmulld, uint32_t, d, a * b)
LANES (pmuludq, uint64_t, q, (uint64_t) (uint32_t) a * (uint32_t) b)
LANES (pmuldq, int64_t, sq, (int64_t) (int32_t) a * (int32_t) b)

void
simd_pmaddwd (Simd *s)
{
  for (unsigned i = 0; i < s->bytes / 4; i++) {
    int32_t low = s->d.sw[2 * i] * s->s.sw[2 * i], high = s->d.sw[2 * i + 1] * s->s.sw[2 * i + 1];
    s->d.d[i] = (uint32_t) low + (uint32_t) high;
  }
}

void
simd_pmaddubsw (Simd *s)
{
  for (unsigned i = 0; i < s->bytes / 2; i++)
    s->d.sw[i] = (int16_t) SAT_SW (s->d.b[2 * i] * s->s.sb[2 * i] + s->d.b[2 * i + 1] * s->s.sb[2 * i + 1]);
}

static unsigned
distance (uint8_t a, uint8_t b)
{
  return a > b ? (unsigned) (a - b) : (unsigned) (b - a);
}

void
simd_psadbw (Simd *s)
{
  for (unsigned i = 0; i < s->bytes / 8; i++) {
    unsigned sum = 0;
    for (unsigned j = 8 * i; j < 8 * i + 8; j++)
      sum += distance (s->d.b[j], s->s.b[j]);
    s->d.q[i] = sum;
  }
}

void
simd_mpsadbw (Simd *s)
{
  FxVector r;
  unsigned from = s->imm & 4, block = 4 * (s->imm & 3);
  for (unsigned i = 0; i < 8; i++) {
    unsigned sum = 0;
    for (unsigned j = 0; j < 4; j++)
      sum += distance (s->d.b[from + i + j], s->s.b[block + j]);
    r.w[i] = (uint16_t) sum;
  }
  s->d = r;
}

void
simd_phminposuw (Simd *s)
{
  unsigned at = 0;
  for (unsigned i = 1; i < 8; i++)
    if (s->s.w[i] < s->s.w[at])
      at = i;
  uint16_t least = s->s.w[at];
  s->d = (FxVector) { .w = { least, (uint16_t) at } };
}

void
simd_pclmulqdq (Simd *s)
{
  uint64_t a = s->d.q[s->imm & 1], b = s->s.q[s->imm >> 4 & 1];
  unsigned __int128 product = 0;
  for (unsigned i = 0; i < 64; i++)
    if (b >> i & 1)
      product ^= (unsigned __int128) a << i;
  s->d.q[0] = (uint64_t) product;
  s->d.q[1] = (uint64_t) (product >> 64);
}

/* --- bits, shifts --------------------------------------------------------------------------------------- */

LANES (pand, uint64_t, q, a & b)
LANES (pandn, uint64_t, q, ~a & b)
LANES (por, uint64_t, q, a | b)
LANES (pxor, uint64_t, q, a ^ b)

/* Counts of the lane's width and more leave nothing, or the sign. */
#define SHIFT(name, T, field, too_large, expression) \
  static void name (Simd *s, uint64_t count) \
  { \
    for (unsigned i = 0; i < s->bytes / sizeof (T); i++) { \
      T a = s->d.field[i]; \
      s->d.field[i] = (T) (count >= 8 * sizeof (T) ? (too_large) : (expression)); \
    } \
  }

SHIFT (right16, uint16_t, w, 0, a >> count)
SHIFT (right32, uint32_t, d, 0, a >> count)
SHIFT (right64, uint64_t, q, 0, a >> count)
SHIFT (left16, uint16_t, w, 0, a << count)
SHIFT (left32, uint32_t, d, 0, a << count)
SHIFT (left64, uint64_t, q, 0, a << count)
SHIFT (arithmetic16, int16_t, sw, a < 0 ? -1 : 0, a >> count)
SHIFT (arithmetic32, int32_t, sd, a < 0 ? -1 : 0, a >> count)

void simd_psrlw (Simd *s) { right16 (s, s->s.q[0]); }
void simd_psrld (Simd *s) { right32 (s, s->s.q[0]); }
void simd_psrlq (Simd *s) { right64 (s, s->s.q[0]); }
void simd_psraw (Simd *s) { arithmetic16 (s, s->s.q[0]); }
void simd_psrad (Simd *s) { arithmetic32 (s, s->s.q[0]); }
void simd_psllw (Simd *s) { left16 (s, s->s.q[0]); }
void simd_pslld (Simd *s) { left32 (s, s->s.q[0]); }
void simd_psllq (Simd *s) { left64 (s, s->s.q[0]); }

static void
shift_bytes (Simd *s, bool left)
{
  FxVector r = { .q = { 0, 0 } };
  if (s->bytes != 16)
    s->undefined = true;
  for (unsigned i = 0; s->imm < 16 && i < 16 - s->imm; i++)
    r.b[left ? i + s->imm : i] = s->d.b[left ? i : i + s->imm];
  s->d = r;
}

/* Groups 12, 13 and 14: shifts by an immediate. */
void
simd_shift16 (Simd *s)
{
  switch (s->reg) {
  case 2: right16 (s, s->imm); break;
  case 4: arithmetic16 (s, s->imm); break;
  case 6: left16 (s, s->imm); break;
  default: s->undefined = true; break;
  }
}

void
simd_shift32 (Simd *s)
{
  switch (s->reg) {
  case 2: right32 (s, s->imm); break;
  case 4: arithmetic32 (s, s->imm); break;
  case 6: left32 (s, s->imm); break;
  default: s->undefined = true; break;
  }
}

void
simd_shift64 (Simd *s)
{
  switch (s->reg) {
  case 2: right64 (s, s->imm); break;
  case 3: shift_bytes (s, false); break;
  case 6: left64 (s, s->imm); break;
  case 7: shift_bytes (s, true); break;
  default: s->undefined = true; break;
  }
}

void
simd_ptest (Simd *s)
{
  bool zero = !((s->d.q[0] & s->s.q[0]) | (s->d.q[1] & s->s.q[1]));
  bool carry = !((~s->d.q[0] & s->s.q[0]) | (~s->d.q[1] & s->s.q[1]));
  *s->x->flags = (zero ? X86_FL_ZF : 0) | (carry ? X86_FL_CF : 0);
}
