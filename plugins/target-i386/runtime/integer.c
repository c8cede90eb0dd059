/* integer.c -- decimal adjustment, rotations through carry, CRC32. */
/* SPDX-License-Identifier: MIT */

#include "../cpu.h"
#include "helpers.h"

/* --- decimal (SDM 2A/2B: AAA, AAS, DAA, DAS) -------------------------------------------------- */

static uint32_t
flags_now (const X86Cpu *env)
{
  return x86_compute_cc (env->cc_op, (uint32_t) env->cc_dst, (uint32_t) env->cc_src, (uint32_t) env->cc_src2);
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

uint32_t
helper_crc32 (uint32_t crc, uint32_t data, uint32_t bytes)
{
  crc ^= data;
  for (unsigned i = 0; i < 8 * bytes; i++)
    crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  return crc;
}
