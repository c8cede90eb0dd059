/* fp-simd-string.c -- portable SSE4.2: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 2, 4.1). */
/* SPDX-License-Identifier: MIT */

#include "fp-simd.h"

enum { WORDS = 1, SIGNED = 2, AGGREGATION_SHIFT = 2, NEGATIVE = 1 << 4, MASKED = 1 << 5, LAST = 1 << 6 };
typedef enum Aggregation { EQUAL_ANY, RANGES, EQUAL_EACH, EQUAL_ORDERED } Aggregation;

/* One comparison: first is the operand of modrm.reg (a set, ranges, a needle), second the text. */
typedef struct Strings {
  unsigned imm, n;              /* elements in a vector */
  int first[16], second[16];
  unsigned first_length, second_length;
} Strings;

static int
element (const FxVector *v, unsigned imm, unsigned i)
{
  switch (imm & (WORDS | SIGNED)) {
  case 0: return v->b[i];
  case WORDS: return v->w[i];
  case SIGNED: return v->sb[i];
  default: return v->sw[i];
  }
}

static unsigned
up_to_zero (const int *elements, unsigned n)
{
  unsigned length = 0;
  while (length < n && elements[length])
    length++;
  return length;
}

static unsigned
from_register (uint32_t value, unsigned n)
{
  uint32_t magnitude = (int32_t) value < 0 ? -value : value;
  return magnitude < n ? magnitude : n;
}

static Strings
strings_of (const Simd *s, bool explicit)
{
  Strings x = { .imm = s->imm, .n = s->imm & WORDS ? 8 : 16 };
  for (unsigned i = 0; i < x.n; i++) {
    x.first[i] = element (&s->d, s->imm, i);
    x.second[i] = element (&s->s, s->imm, i);
  }
  uint64_t lengths = s->x->in;
  x.first_length = explicit ? from_register ((uint32_t) lengths, x.n) : up_to_zero (x.first, x.n);
  x.second_length = explicit ? from_register ((uint32_t) (lengths >> 32), x.n) : up_to_zero (x.second, x.n);
  return x;
}

/* Elements beyond the ends count as the aggregation wants it (SDM, table 4-7). */
static bool
equal (const Strings *x, unsigned i, unsigned j, Aggregation aggregation)
{
  bool first = i < x->first_length, second = j < x->second_length;
  if (first && second)
    return x->first[i] == x->second[j];
  return aggregation == EQUAL_ORDERED ? !first : aggregation == EQUAL_EACH && !first && !second;
}

static bool
in_ranges (const Strings *x, unsigned j)
{
  for (unsigned i = 0; i + 1 < x->first_length && j < x->second_length; i += 2)
    if (x->second[j] >= x->first[i] && x->second[j] <= x->first[i + 1])
      return true;
  return false;
}

static bool
in_set (const Strings *x, unsigned j)
{
  for (unsigned i = 0; i < x->n; i++)
    if (equal (x, i, j, EQUAL_ANY))
      return true;
  return false;
}

static bool
starts_at (const Strings *x, unsigned j)
{
  for (unsigned k = 0; j + k < x->n; k++)
    if (!equal (x, k, j + k, EQUAL_ORDERED))
      return false;
  return true;
}

static unsigned
aggregate (const Strings *x)
{
  unsigned r = 0;
  for (unsigned j = 0; j < x->n; j++) {
    bool found;
    switch ((Aggregation) (x->imm >> AGGREGATION_SHIFT & 3)) {
    case EQUAL_ANY: found = in_set (x, j); break;
    case RANGES: found = in_ranges (x, j); break;
    case EQUAL_EACH: found = equal (x, j, j, EQUAL_EACH); break;
    default: found = starts_at (x, j); break;
    }
    r |= (unsigned) found << j;
  }
  return r;
}

/* Sets the flags too. */
static unsigned
compare (Simd *s, const Strings *x)
{
  unsigned all = (1u << x->n) - 1, result = aggregate (x);
  if (x->imm & NEGATIVE)
    result ^= x->imm & MASKED ? (1u << x->second_length) - 1 : all;
  *s->x->flags = (result ? X86_FL_CF : 0) | (x->second_length < x->n ? X86_FL_ZF : 0)
                 | (x->first_length < x->n ? X86_FL_SF : 0) | (result & 1 ? X86_FL_OF : 0);
  return result;
}

static void
to_index (Simd *s, bool explicit)
{
  Strings x = strings_of (s, explicit);
  unsigned result = compare (s, &x);
  if (!result)
    s->x->out = x.n;
  else
    s->x->out = x.imm & LAST ? 31 - (unsigned) __builtin_clz (result) : (unsigned) __builtin_ctz (result);
}

/* bits, or elements of ones, in XMM0 */
static void
to_mask (Simd *s, bool explicit)
{
  Strings x = strings_of (s, explicit);
  unsigned result = compare (s, &x);
  FxVector r = { .d = { result } };
  for (unsigned i = 0; x.imm & LAST && i < x.n; i++) {
    unsigned ones = result >> i & 1 ? 0xffff : 0;
    if (x.imm & WORDS)
      r.w[i] = (uint16_t) ones;
    else
      r.b[i] = (uint8_t) ones;
  }
  s->x->f->xmm[0] = r;
  if (BP_NATIVE_VEX (s->x->native))
    s->x->upper->ymm[0] = (FxVector) { .q = { 0, 0 } };
}

void simd_pcmpestri (Simd *s) { to_index (s, true); }
void simd_pcmpistri (Simd *s) { to_index (s, false); }
void simd_pcmpestrm (Simd *s) { to_mask (s, true); }
void simd_pcmpistrm (Simd *s) { to_mask (s, false); }
