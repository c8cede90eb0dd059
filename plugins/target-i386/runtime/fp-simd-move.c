/* fp-simd-move.c -- portable MMX and SSE: moves, shuffles, packing, and traffic with general registers. */
/* SPDX-License-Identifier: MIT */

#include "fp-simd.h"

/* --- moves ---------------------------------------------------------------------------------------------- */

void simd_copy (Simd *s) { s->d = s->s; }
void simd_move_low32 (Simd *s) { s->d.d[0] = s->s.d[0]; }
void simd_move_low64 (Simd *s) { s->d.q[0] = s->s.q[0]; }
void simd_low_to_high64 (Simd *s) { s->d.q[1] = s->s.q[0]; }
void simd_high_to_low64 (Simd *s) { s->d.q[0] = s->s.q[1]; }
void simd_zero_extend64 (Simd *s) { s->d = (FxVector) { .q = { s->s.q[0], 0 } }; }

/* A load from memory clears the rest of the register, a move between registers keeps it. */
void
simd_load_low32 (Simd *s)
{
  if (s->x->mem)
    s->d = s->s;
  else
    simd_move_low32 (s);
}

void
simd_load_low64 (Simd *s)
{
  if (s->x->mem)
    s->d = s->s;
  else
    simd_move_low64 (s);
}

/* MOVLPS from memory, MOVHLPS between registers */
void
simd_movlps (Simd *s)
{
  s->d.q[0] = s->s.q[s->x->mem ? 0 : 1];
}

void simd_movsldup (Simd *s) { s->d = (FxVector) { .d = { s->s.d[0], s->s.d[0], s->s.d[2], s->s.d[2] } }; }
void simd_movshdup (Simd *s) { s->d = (FxVector) { .d = { s->s.d[1], s->s.d[1], s->s.d[3], s->s.d[3] } }; }
void simd_movddup (Simd *s) { s->d = (FxVector) { .q = { s->s.q[0], s->s.q[0] } }; }

/* --- general registers ---------------------------------------------------------------------------------- */

static void
integer_result (Simd *s, uint32_t value)
{
  s->d = (FxVector) { .d = { value } };
}

void
simd_movmskps (Simd *s)
{
  uint32_t r = 0;
  for (unsigned i = 0; i < 4; i++)
    r |= s->s.d[i] >> 31 << i;
  integer_result (s, r);
}

void
simd_movmskpd (Simd *s)
{
  integer_result (s, (uint32_t) (s->s.q[0] >> 63 | s->s.q[1] >> 63 << 1));
}

void
simd_pmovmskb (Simd *s)
{
  uint32_t r = 0;
  for (unsigned i = 0; i < s->bytes; i++)
    r |= (uint32_t) (s->s.b[i] >> 7) << i;
  integer_result (s, r);
}

void simd_pextrb (Simd *s) { integer_result (s, s->s.b[s->imm & 15]); }
void simd_pextrw (Simd *s) { integer_result (s, s->s.w[s->imm & (s->bytes / 2 - 1)]); }
void simd_extractps (Simd *s) { integer_result (s, s->s.d[s->imm & 3]); }

/* and PEXTRQ, with a prefix that widens it; the same of PINSR below */
void
simd_pextrd (Simd *s)
{
  if (BP_NATIVE_W (s->x->native))
    s->d = (FxVector) { .q = { s->s.q[s->imm & 1], 0 } };
  else
    integer_result (s, s->s.d[s->imm & 3]);
}

void simd_pinsrb (Simd *s) { s->d.b[s->imm & 15] = s->s.b[0]; }
void simd_pinsrw (Simd *s) { s->d.w[s->imm & (s->bytes / 2 - 1)] = s->s.w[0]; }

void
simd_pinsrd (Simd *s)
{
  if (BP_NATIVE_W (s->x->native))
    s->d.q[s->imm & 1] = s->s.q[0];
  else
    s->d.d[s->imm & 3] = s->s.d[0];
}

/* imm: which to take (registers only), where to, what to clear */
void
simd_insertps (Simd *s)
{
  s->d.d[s->imm >> 4 & 3] = s->s.d[s->x->mem ? 0 : s->imm >> 6];
  for (unsigned i = 0; i < 4; i++)
    if (s->imm >> i & 1)
      s->d.d[i] = 0;
}

/* --- interleaving --------------------------------------------------------------------------------------- */

#define UNPACK(name, T, field) \
  static void name (Simd *s, bool high) \
  { \
    FxVector r; \
    unsigned half = s->bytes / sizeof (T) / 2, from = high ? half : 0; \
    for (unsigned i = 0; i < half; i++) { \
      r.field[2 * i] = s->d.field[from + i]; \
      r.field[2 * i + 1] = s->s.field[from + i]; \
    } \
    s->d = r; \
  }

UNPACK (unpack8, uint8_t, b)
UNPACK (unpack16, uint16_t, w)
UNPACK (unpack32, uint32_t, d)
UNPACK (unpack64, uint64_t, q)

void simd_unpack_low8 (Simd *s) { unpack8 (s, false); }
void simd_unpack_low16 (Simd *s) { unpack16 (s, false); }
void simd_unpack_low32 (Simd *s) { unpack32 (s, false); }
void simd_unpack_low64 (Simd *s) { unpack64 (s, false); }
void simd_unpack_high8 (Simd *s) { unpack8 (s, true); }
void simd_unpack_high16 (Simd *s) { unpack16 (s, true); }
void simd_unpack_high32 (Simd *s) { unpack32 (s, true); }
void simd_unpack_high64 (Simd *s) { unpack64 (s, true); }

/* --- narrowing and widening ----------------------------------------------------------------------------- */

static int
clamp (int value, int low, int high)
{
  return value < low ? low : value > high ? high : value;
}

#define PACK(name, narrow, wide, low, high) \
  void simd_##name (Simd *s) \
  { \
    FxVector r; \
    unsigned half = s->bytes / sizeof s->d.wide[0]; \
    for (unsigned i = 0; i < 2 * half; i++) { \
      int x = i < half ? s->d.wide[i] : s->s.wide[i - half]; \
      r.narrow[i] = (__typeof__ (r.narrow[0])) clamp (x, low, high); \
    } \
    s->d = r; \
  }

PACK (packsswb, sb, sw, -128, 127)
PACK (packuswb, b, sw, 0, 255)
PACK (packssdw, sw, sd, -32768, 32767)
PACK (packusdw, w, sd, 0, 65535)

#define WIDEN(name, wide, narrow) \
  void simd_##name (Simd *s) \
  { \
    for (unsigned i = 0; i < 16 / sizeof s->d.wide[0]; i++) \
      s->d.wide[i] = s->s.narrow[i]; \
  }

WIDEN (pmovsxbw, sw, sb)
WIDEN (pmovsxbd, sd, sb)
WIDEN (pmovsxbq, sq, sb)
WIDEN (pmovsxwd, sd, sw)
WIDEN (pmovsxwq, sq, sw)
WIDEN (pmovsxdq, sq, sd)
WIDEN (pmovzxbw, w, b)
WIDEN (pmovzxbd, d, b)
WIDEN (pmovzxbq, q, b)
WIDEN (pmovzxwd, d, w)
WIDEN (pmovzxwq, q, w)
WIDEN (pmovzxdq, q, d)

/* --- shuffles ------------------------------------------------------------------------------------------- */

static void
shuffle_words (Simd *s, unsigned from)
{
  FxVector r = s->s;
  for (unsigned i = 0; i < 4; i++)
    r.w[from + i] = s->s.w[from + (s->imm >> 2 * i & 3)];
  s->d = r;
}

void simd_pshufw (Simd *s) { shuffle_words (s, 0); }
void simd_pshuflw (Simd *s) { shuffle_words (s, 0); }
void simd_pshufhw (Simd *s) { shuffle_words (s, 4); }

void
simd_pshufd (Simd *s)
{
  for (unsigned i = 0; i < 4; i++)
    s->d.d[i] = s->s.d[s->imm >> 2 * i & 3];
}

void
simd_shufps (Simd *s)
{
  FxVector r;
  for (unsigned i = 0; i < 4; i++)
    r.d[i] = (i < 2 ? &s->d : &s->s)->d[s->imm >> 2 * i & 3];
  s->d = r;
}

void
simd_shufpd (Simd *s)
{
  s->d = (FxVector) { .q = { s->d.q[s->imm & 1], s->s.q[s->imm >> 1 & 1] } };
}

void
simd_pshufb (Simd *s)
{
  FxVector r;
  for (unsigned i = 0; i < s->bytes; i++)
    r.b[i] = s->s.b[i] & 0x80 ? 0 : s->d.b[s->s.b[i] & (s->bytes - 1)];
  s->d = r;
}

void
simd_palignr (Simd *s)
{
  FxVector r;
  for (unsigned i = 0; i < s->bytes; i++) {
    unsigned from = i + s->imm;
    r.b[i] = from < s->bytes ? s->s.b[from] : from < 2 * s->bytes ? s->d.b[from - s->bytes] : 0;
  }
  s->d = r;
}

/* --- blends: by the bits of the immediate, or by the top bits of the third operand's --------------------------- */

#define BLEND(name, field, selected) \
  void simd_##name (Simd *s) \
  { \
    for (unsigned i = 0; i < 16 / sizeof s->d.field[0]; i++) \
      if (selected) \
        s->d.field[i] = s->s.field[i]; \
  }
BLEND (blendps, d, s->imm >> i & 1)
BLEND (blendpd, q, s->imm >> i & 1)
BLEND (pblendw, w, s->imm >> i & 1)
BLEND (pblendvb, b, s->t.b[i] >> 7)
BLEND (blendvps, d, s->t.d[i] >> 31)
BLEND (blendvpd, q, s->t.q[i] >> 63)
