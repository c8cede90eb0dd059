/* integer.c -- decimal adjustment, rotations through carry, CRC32, scattered bits, CMPXCHG16B. */
/* SPDX-License-Identifier: MIT */

#include "../cpu.h"
#include "helpers.h"

/* --- decimal (SDM 2A/2B: AAA, AAS, DAA, DAS) -------------------------------------------------- */

static uint32_t
flags_now (const X86Cpu *env)
{
  return x86_compute_cc (env->cc_op, env->cc_dst, env->cc_src, env->cc_src2);
}

static void
set_flags (X86Cpu *env, uint32_t flags)
{
  env->cc_src = flags;
  env->cc_op = CC_EFLAGS;
}

static void
set_ax (X86Cpu *env, uint32_t ax)
{
  env->gpr[X86_RAX] = (env->gpr[X86_RAX] & 0xffff0000u) | (ax & 0xffff);
}

static uint32_t
byte_result_flags (uint32_t al)
{
  return (al == 0 ? X86_FL_ZF : 0) | (al & 0x80 ? X86_FL_SF : 0) | (__builtin_parity (al) ? 0 : X86_FL_PF);
}

static void
adjust_packed (X86Cpu *env, bool subtract)
{
  uint32_t flags = flags_now (env), ax = (uint32_t) env->gpr[X86_RAX] & 0xffff, result = 0;
  uint32_t old = ax & 0xff, al = old;
  if ((al & 0xf) > 9 || flags & X86_FL_AF) {
    /* a borrow or carry out of the low adjustment counts */
    if (subtract ? al < 6 : al > 0xf9)
      result |= X86_FL_CF;
    al = (subtract ? al - 6 : al + 6) & 0xff;
    result |= X86_FL_AF | (flags & X86_FL_CF);
  }
  if (old > 0x99 || flags & X86_FL_CF) {
    al = (subtract ? al - 0x60 : al + 0x60) & 0xff;
    result |= X86_FL_CF;
  } else if (!subtract) {
    result &= ~(uint32_t) X86_FL_CF;
  }
  set_ax (env, (ax & 0xff00) | al);
  set_flags (env, result | byte_result_flags (al));
}

void helper_daa (X86Cpu *env) { adjust_packed (env, false); }
void helper_das (X86Cpu *env) { adjust_packed (env, true); }

static void
adjust_unpacked (X86Cpu *env, bool subtract)
{
  uint32_t ax = (uint32_t) env->gpr[X86_RAX] & 0xffff, result = 0;
  if ((ax & 0xf) > 9 || flags_now (env) & X86_FL_AF) {
    ax = subtract ? ax - 0x106 : ax + 0x106;
    result = X86_FL_AF | X86_FL_CF;
  }
  ax &= 0xff0f;
  set_ax (env, ax);
  set_flags (env, result | byte_result_flags (ax & 0xff));
}

void helper_aaa (X86Cpu *env) { adjust_unpacked (env, false); }
void helper_aas (X86Cpu *env) { adjust_unpacked (env, true); }

/* --- rotations through carry: of bits + 1 ----------------------------------------------------- */

static uint64_t
rotate_left (uint64_t value, unsigned count, unsigned width)
{
  uint64_t mask = ((uint64_t) 1 << width) - 1;
  return count == 0 ? value : ((value << count) | (value >> (width - count))) & mask;
}

static uint64_t
rotate_through (uint32_t value, unsigned count, uint32_t carry, uint32_t bits)
{
  uint64_t r = rotate_left (value | (uint64_t) carry << bits, count, bits + 1);
  uint64_t low = r & (((uint64_t) 1 << bits) - 1);
  return low | (r >> bits & 1) << 32;
}

uint64_t
helper_rcl (uint32_t value, uint32_t count, uint32_t carry, uint32_t bits)
{
  return rotate_through (value, count % (bits + 1), carry, bits);
}

uint64_t
helper_rcr (uint32_t value, uint32_t count, uint32_t carry, uint32_t bits)
{
  return rotate_through (value, (bits + 1 - count % (bits + 1)) % (bits + 1), carry, bits);
}

/* --- CRC32: the polynomial 11EDC6F41, reflected (SDM 2A, CRC32) ------------------------------- */

static uint32_t
crc32_by_table (uint32_t crc, uint64_t data, uint32_t bytes)
{
  /* of the four low bits, shifted out */
  static const uint32_t table[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75
  };
  for (unsigned i = 0; i < 2 * bytes; i++, data >>= 4)
    crc = crc >> 4 ^ table[(crc ^ data) & 15];
  return crc;
}

#ifdef __x86_64__
static uint32_t
crc32_by_host (uint32_t crc, uint64_t data, uint32_t bytes)
{
  uint64_t wide = crc;
  switch (bytes) {
  case 1: __asm__ ("crc32b %1, %0" : "+r" (crc) : "r" ((uint8_t) data)); return crc;
  case 2: __asm__ ("crc32w %1, %0" : "+r" (crc) : "r" ((uint16_t) data)); return crc;
  case 4: __asm__ ("crc32l %1, %0" : "+r" (crc) : "r" ((uint32_t) data)); return crc;
  default: __asm__ ("crc32q %1, %0" : "+r" (wide) : "r" (data)); return (uint32_t) wide;
  }
}
#define HOST_HAS(feature) __builtin_cpu_supports (feature)
#else
#define HOST_HAS(feature) false
#define crc32_by_host crc32_by_table
#endif

uint32_t
helper_crc32 (uint32_t crc, uint64_t data, uint32_t bytes)
{
  return HOST_HAS ("sse4.2") ? crc32_by_host (crc, data, bytes) : crc32_by_table (crc, data, bytes);
}

/* --- scattered bits (SDM 2B, PDEP and PEXT) ----------------------------------------------------- */

static uint64_t
deposit_bits (uint64_t source, uint64_t mask)
{
  uint64_t r = 0;
  for (; mask != 0; mask &= mask - 1, source >>= 1)
    if (source & 1)
      r |= mask & -mask;
  return r;
}

static uint64_t
extract_bits (uint64_t source, uint64_t mask)
{
  uint64_t r = 0;
  for (unsigned i = 0; mask != 0; mask &= mask - 1, i++)
    if (source & mask & -mask)
      r |= (uint64_t) 1 << i;
  return r;
}

uint64_t
helper_pdep (uint64_t source, uint64_t mask)
{
#ifdef __x86_64__
  uint64_t r;
  if (HOST_HAS ("bmi2")) {
    __asm__ ("pdep %2, %1, %0" : "=r" (r) : "r" (source), "r" (mask));
    return r;
  }
#endif
  return deposit_bits (source, mask);
}

uint64_t
helper_pext (uint64_t source, uint64_t mask)
{
#ifdef __x86_64__
  uint64_t r;
  if (HOST_HAS ("bmi2")) {
    __asm__ ("pext %2, %1, %0" : "=r" (r) : "r" (source), "r" (mask));
    return r;
  }
#endif
  return extract_bits (source, mask);
}

/* --- CMPXCHG16B ------------------------------------------------------------------------------------ */

typedef struct Pair {
  uint64_t low, high;
} Pair;

static bool
exchange_in_ram (Pair *at, Pair *expected, const Pair *desired)
{
#ifdef __x86_64__
  bool equal;
  __asm__ volatile ("lock cmpxchg16b %1" : "=@ccz" (equal), "+m" (*at), "+a" (expected->low), "+d" (expected->high)
                    : "b" (desired->low), "c" (desired->high) : "memory");
  return equal;
#else
  unsigned __int128 old = (unsigned __int128) expected->high << 64 | expected->low;
  unsigned __int128 found = __sync_val_compare_and_swap ((unsigned __int128 *) at, old,
                                                         (unsigned __int128) desired->high << 64 | desired->low);
  *expected = (Pair) { (uint64_t) found, (uint64_t) (found >> 64) };
  return found == old;
#endif
}

/* A device, which nobody else exchanges with. */
static bool
exchange_elsewhere (X86Cpu *env, uint64_t linear, Pair *expected, const Pair *desired)
{
  const BpTcgOps *ops = env->tcg.ops;
  BpMemOp memop = BP_MO_64 | BP_MO_ADDR64 | BP_MO_MMU (x86_mmu_index (env));
  Pair found = { ops->load (env, linear, memop), ops->load (env, linear + 8, memop) };
  bool equal = found.low == expected->low && found.high == expected->high;
  ops->store (env, linear, equal ? desired->low : found.low, memop);
  ops->store (env, linear + 8, equal ? desired->high : found.high, memop);
  *expected = found;
  return equal;
}

uint32_t
helper_cmpxchg16b (X86Cpu *env, uint64_t linear)
{
  Pair expected = { env->gpr[X86_RAX], env->gpr[X86_RDX] }, desired = { env->gpr[X86_RBX], env->gpr[X86_RCX] };
  if (linear & 15)
    x86_raise_error (env, EXC_GP, 0);
  Pair *at = env->tcg.ops->probe (env, linear, sizeof *at, BP_MMU_STORE, x86_mmu_index (env));
  bool equal = at != NULL ? exchange_in_ram (at, &expected, &desired)
                          : exchange_elsewhere (env, linear, &expected, &desired);
  if (at != NULL && env->tcg.ops->accessed) {
    env->tcg.ops->accessed (env, linear, sizeof *at, BP_MMU_LOAD, x86_mmu_index (env));
    env->tcg.ops->accessed (env, linear, sizeof *at, BP_MMU_STORE, x86_mmu_index (env));
  }
  env->gpr[X86_RAX] = expected.low;
  env->gpr[X86_RDX] = expected.high;
  return equal;
}
