/* list.c -- every opcode of every map under prefixes and forms of its operands, by number; and ones at random. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "opcodes.h"

enum {
  N_FORMS = 72,                 /* (rbx) and each register, under each reg */
  N_PREFIXES = 10, N_LEGACY = 4 * 256 * N_FORMS * N_PREFIXES * 4,        /* maps, opcodes, forms, prefixes, LOCK, REX.W */
  N_VEX_MAPS = 8, N_VEX_FORMS = 16, N_VEX = N_VEX_MAPS * 256 * N_VEX_FORMS * 4 * 2 * 2 * 2        /* pp, W, L, vvvv */
};

/* What the instruction does not need is more of this: no valid address, selector or target. */
static void
fill (uint8_t bytes[OPCODES_SIZE], unsigned n)
{
  for (unsigned i = 0; n + i < OPCODES_SIZE; i++)
    bytes[n + i] = i & 1 ? 0 : 0x70;
}

static uint8_t
form (unsigned n)
{
  return n < 8 ? (uint8_t) (n << 3 | 3) : (uint8_t) (0xc0 + n - 8);
}

static unsigned
put_map (uint8_t *bytes, unsigned map)
{
  unsigned n = 0;
  if (map > 0)
    bytes[n++] = 0x0f;
  if (map > 1)
    bytes[n++] = map == 2 ? 0x38 : 0x3a;
  return n;
}

static uint64_t
take (uint64_t *n, unsigned radix)
{
  uint64_t digit = *n % radix;
  *n /= radix;
  return digit;
}

static void
legacy (X86Mode mode, uint64_t number, uint8_t bytes[OPCODES_SIZE])
{
  static const uint8_t prefixes[N_PREFIXES][2] = {
    { 0, 0 }, { 0x66, 0 }, { 0xf2, 0 }, { 0xf3, 0 }, { 0x66, 0xf2 }, { 0x66, 0xf3 }, { 0xf3, 0xf2 }, { 0xf2, 0xf3 }, { 0x67, 0 },
    { 0xf3, 0x66 }
  };
  uint64_t opcode = take (&number, 256), modrm = take (&number, N_FORMS), map = take (&number, 4);
  const uint8_t *p = prefixes[take (&number, N_PREFIXES)];
  bool lock = take (&number, 2);
  unsigned n = 0;
  for (unsigned i = 0; i < 2; i++)
    if (p[i])
      bytes[n++] = p[i];
  if (lock)
    bytes[n++] = 0xf0;
  if (mode == X86_MODE_64 && take (&number, 2))
    bytes[n++] = 0x48;
  n += put_map (bytes + n, (unsigned) map);
  bytes[n++] = (uint8_t) opcode;
  bytes[n++] = form ((unsigned) modrm);
  fill (bytes, n);
}

/* Three bytes of VEX, for the last of the maps two. */
static void
vex (uint64_t number, uint8_t bytes[OPCODES_SIZE])
{
  static const uint8_t maps[N_VEX_MAPS] = { 1, 2, 3, 0, 4, 8, 31, 1 };
  uint64_t opcode = take (&number, 256), modrm = take (&number, N_VEX_FORMS), map = take (&number, N_VEX_MAPS);
  uint64_t pp = take (&number, 4), W = take (&number, 2), L = take (&number, 2), vvvv = take (&number, 2) ? 15 : 10;
  unsigned n = 0;
  bytes[n++] = map == N_VEX_MAPS - 1 ? 0xc5 : 0xc4;
  if (bytes[0] == 0xc4)
    bytes[n++] = (uint8_t) (0xe0 | maps[map]);
  bytes[n++] = (uint8_t) ((bytes[0] == 0xc4 ? W << 7 : 0x80) | vvvv << 3 | L << 2 | pp);
  bytes[n++] = (uint8_t) opcode;
  bytes[n++] = (uint8_t) ((modrm >> 3 ? 0xc0 : 0) | (modrm & 7) << 3 | 3);
  fill (bytes, n);
}

uint64_t
list_count (X86Mode mode)
{
  return (mode == X86_MODE_64 ? N_LEGACY : N_LEGACY / 2) + N_VEX;
}

void
list_case (X86Mode mode, uint64_t n, uint8_t bytes[OPCODES_SIZE])
{
  uint64_t n_legacy = list_count (mode) - N_VEX;
  if (n < n_legacy)
    legacy (mode, n, bytes);
  else
    vex (n - n_legacy, bytes);
}

/* --- at random ------------------------------------------------------------------------------------ */

static uint64_t
random64 (uint64_t *state)
{
  *state += 0x9e3779b97f4a7c15u;
  uint64_t z = *state;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static unsigned below (uint64_t *state, unsigned n) { return (unsigned) (random64 (state) >> 32) % n; }

/* FS and GS are the host's own. */
static unsigned
random_prefixes (X86Mode mode, uint64_t *r, uint8_t *bytes)
{
  static const uint8_t prefixes[] = { 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x26, 0x2e, 0x36, 0x3e };
  unsigned n = 0, wanted = below (r, 4) ? below (r, 3) : below (r, 9);
  while (n < wanted)
    bytes[n++] = mode == X86_MODE_64 && below (r, 8) == 0 ? (uint8_t) (0x40 + below (r, 16)) : prefixes[below (r, sizeof prefixes)];
  if (mode == X86_MODE_64 && below (r, 3) == 0)
    bytes[n++] = (uint8_t) (0x40 + below (r, 16));
  return n;
}

/* The bits that say whether these are VEX, EVEX or XOP, or LES, LDS, BOUND or POP, lean to the former. */
static unsigned
random_vex (uint64_t *r, uint8_t *bytes)
{
  static const uint8_t first[] = { 0xc4, 0xc5, 0xc4, 0x62, 0x8f };
  unsigned n = 0, length[256] = { [0xc4] = 3, [0xc5] = 2, [0x62] = 4, [0x8f] = 3 };
  bytes[n++] = first[below (r, sizeof first)];
  while (n < length[bytes[0]])
    bytes[n++] = (uint8_t) random64 (r);
  if (below (r, 4))
    bytes[1] |= 0xc0;
  if (below (r, 2) && bytes[0] != 0xc5)
    bytes[1] = (uint8_t) ((bytes[1] & 0xe0) | (bytes[0] == 0x8f ? 8 + below (r, 3) : 1 + below (r, 3)));
  if (below (r, 3))
    bytes[n < 4 ? n - 1 : 2] |= 0x78;                   /* vvvv */
  return n;
}

void
list_random (X86Mode mode, uint64_t seed, uint8_t bytes[OPCODES_SIZE])
{
  uint64_t r = seed * 0x2545f4914f6cdd1du + mode;
  unsigned n = random_prefixes (mode, &r, bytes), modrm = (unsigned) random64 (&r);
  if (below (&r, 3) == 0)
    n += random_vex (&r, bytes + n);
  else
    n += put_map (bytes + n, below (&r, 4));
  bytes[n++] = (uint8_t) random64 (&r);
  if ((modrm & 0xc0) != 0xc0 && (modrm & 7) == 4)       /* (rsp) */
    modrm ^= 1;
  bytes[n++] = (uint8_t) modrm;
  fill (bytes, n);
}
