/* fp-simd-crypto.c -- portable SSE: AES rounds (FIPS 197) and SHA-1, SHA-256 steps (FIPS 180-4). */
/* SPDX-License-Identifier: MIT */

#include "fp-simd.h"

/* --- the field of AES: polynomials over GF(2), modulo x^8 + x^4 + x^3 + x + 1 ------------------------------ */

static uint8_t
field_multiply (uint8_t a, uint8_t b)
{
  unsigned product = 0, x = a;
  for (; b; b >>= 1) {
    product ^= b & 1 ? x : 0;
    x = x << 1 ^ (x & 0x80 ? 0x11b : 0);
  }
  return (uint8_t) product;
}

/* a^254; of 0 it is 0, as AES wants it */
static uint8_t
field_inverse (uint8_t a)
{
  uint8_t power = a, r = 1;
  for (unsigned i = 1; i < 8; i++) {
    power = field_multiply (power, power);
    r = field_multiply (r, power);
  }
  return r;
}

static uint8_t
rotate_byte (uint8_t x, unsigned n)
{
  return (uint8_t) (x << n | x >> (8 - n));
}

static uint8_t
substitute (uint8_t x)
{
  uint8_t b = field_inverse (x);
  return (uint8_t) (b ^ rotate_byte (b, 1) ^ rotate_byte (b, 2) ^ rotate_byte (b, 3) ^ rotate_byte (b, 4) ^ 0x63);
}

static uint8_t
substitute_back (uint8_t x)
{
  return field_inverse ((uint8_t) (rotate_byte (x, 1) ^ rotate_byte (x, 3) ^ rotate_byte (x, 6) ^ 5));
}

/* --- rounds: byte 4 c + r of the vector is row r of column c -------------------------------------------------- */

static FxVector
shift_rows (const FxVector *v, bool back)
{
  FxVector r;
  for (unsigned i = 0; i < 16; i++) {
    unsigned row = i & 3;
    r.b[i] = v->b[(i + (back ? 16 - 4 * row : 4 * row)) & 15];
  }
  return r;
}

static void
mix_columns (FxVector *v, const uint8_t factor[4])
{
  FxVector old = *v;
  for (unsigned i = 0; i < 16; i++) {
    v->b[i] = 0;
    for (unsigned k = 0; k < 4; k++)
      v->b[i] ^= field_multiply (old.b[(i & ~3u) + ((i + k) & 3)], factor[k]);
  }
}

static const uint8_t mix[4] = { 2, 3, 1, 1 }, mix_back[4] = { 14, 11, 13, 9 };

static void
aes_round (Simd *s, bool back, bool last)
{
  FxVector v = shift_rows (&s->d, back);
  for (unsigned i = 0; i < 16; i++)
    v.b[i] = back ? substitute_back (v.b[i]) : substitute (v.b[i]);
  if (!last)
    mix_columns (&v, back ? mix_back : mix);
  s->d.q[0] = v.q[0] ^ s->s.q[0];
  s->d.q[1] = v.q[1] ^ s->s.q[1];
}

void simd_aesenc (Simd *s) { aes_round (s, false, false); }
void simd_aesenclast (Simd *s) { aes_round (s, false, true); }
void simd_aesdec (Simd *s) { aes_round (s, true, false); }
void simd_aesdeclast (Simd *s) { aes_round (s, true, true); }

void
simd_aesimc (Simd *s)
{
  s->d = s->s;
  mix_columns (&s->d, mix_back);
}

static uint32_t
substitute_word (uint32_t x)
{
  uint32_t r = 0;
  for (unsigned i = 0; i < 32; i += 8)
    r |= (uint32_t) substitute ((uint8_t) (x >> i)) << i;
  return r;
}

static uint32_t
rotate_left (uint32_t x, unsigned n)
{
  return x << n | x >> (32 - n);
}

void
simd_aeskeygenassist (Simd *s)
{
  for (unsigned i = 0; i < 4; i += 2) {
    uint32_t x = substitute_word (s->s.d[i + 1]);
    s->d.d[i] = x;
    s->d.d[i + 1] = rotate_left (x, 24) ^ s->imm;
  }
}

/* --- SHA-1: the first word of a group of four is the highest of its vector ------------------------------------ */

static uint32_t choose (uint32_t x, uint32_t y, uint32_t z) { return (x & y) ^ (~x & z); }
static uint32_t majority (uint32_t x, uint32_t y, uint32_t z) { return (x & y) ^ (x & z) ^ (y & z); }
static uint32_t parity (uint32_t x, uint32_t y, uint32_t z) { return x ^ y ^ z; }

void
simd_sha1rnds4 (Simd *s)
{
  static const struct { uint32_t (*f) (uint32_t x, uint32_t y, uint32_t z); uint32_t k; } round[4] = {
    { choose, 0x5a827999 }, { parity, 0x6ed9eba1 }, { majority, 0x8f1bbcdc }, { parity, 0xca62c1d6 }
  };
  unsigned which = s->imm & 3;
  uint32_t a = s->d.d[3], b = s->d.d[2], c = s->d.d[1], d = s->d.d[0], e = 0;   /* the caller has added E to W0 */
  for (unsigned i = 0; i < 4; i++) {
    uint32_t next = round[which].f (b, c, d) + rotate_left (a, 5) + s->s.d[3 - i] + e + round[which].k;
    e = d;
    d = c;
    c = rotate_left (b, 30);
    b = a;
    a = next;
  }
  s->d = (FxVector) { .d = { d, c, b, a } };
}

void
simd_sha1nexte (Simd *s)
{
  uint32_t e = rotate_left (s->d.d[3], 30);
  s->d = s->s;
  s->d.d[3] += e;
}

void
simd_sha1msg1 (Simd *s)
{
  const uint32_t *w = s->d.d, *next = s->s.d;
  s->d = (FxVector) { .d = { w[0] ^ next[2], w[1] ^ next[3], w[2] ^ w[0], w[3] ^ w[1] } };
}

void
simd_sha1msg2 (Simd *s)
{
  FxVector r;
  for (unsigned i = 3; i > 0; i--)
    r.d[i] = rotate_left (s->d.d[i] ^ s->s.d[i - 1], 1);
  r.d[0] = rotate_left (s->d.d[0] ^ r.d[3], 1);
  s->d = r;
}

/* --- SHA-256 --------------------------------------------------------------------------------------------- */

static uint32_t rotate_right (uint32_t x, unsigned n) { return rotate_left (x, 32 - n); }
static uint32_t big_0 (uint32_t x) { return rotate_right (x, 2) ^ rotate_right (x, 13) ^ rotate_right (x, 22); }
static uint32_t big_1 (uint32_t x) { return rotate_right (x, 6) ^ rotate_right (x, 11) ^ rotate_right (x, 25); }
static uint32_t small_0 (uint32_t x) { return rotate_right (x, 7) ^ rotate_right (x, 18) ^ x >> 3; }
static uint32_t small_1 (uint32_t x) { return rotate_right (x, 17) ^ rotate_right (x, 19) ^ x >> 10; }

/* d: CDGH, s: ABEF, t: two words with their constants added */
void
simd_sha256rnds2 (Simd *s)
{
  uint32_t a = s->s.d[3], b = s->s.d[2], c = s->d.d[3], d = s->d.d[2];
  uint32_t e = s->s.d[1], f = s->s.d[0], g = s->d.d[1], h = s->d.d[0];
  for (unsigned i = 0; i < 2; i++) {
    uint32_t step = choose (e, f, g) + big_1 (e) + s->t.d[i] + h;
    uint32_t next = step + majority (a, b, c) + big_0 (a);
    h = g;
    g = f;
    f = e;
    e = step + d;
    d = c;
    c = b;
    b = a;
    a = next;
  }
  s->d = (FxVector) { .d = { f, e, b, a } };
}

void
simd_sha256msg1 (Simd *s)
{
  for (unsigned i = 0; i < 4; i++)
    s->d.d[i] += small_0 (i < 3 ? s->d.d[i + 1] : s->s.d[0]);
}

void
simd_sha256msg2 (Simd *s)
{
  s->d.d[0] += small_1 (s->s.d[2]);
  s->d.d[1] += small_1 (s->s.d[3]);
  s->d.d[2] += small_1 (s->d.d[0]);
  s->d.d[3] += small_1 (s->d.d[1]);
}
