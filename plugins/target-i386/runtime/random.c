/* random.c -- what RDRAND and RDSEED deliver. */
/* SPDX-License-Identifier: MIT */

#include <sys/random.h>

#include "../cpu.h"
#include "helpers.h"

/* SplitMix64's finalizer. */
static uint64_t
mix (uint64_t x)
{
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

/* Deterministic: a function of how far the vCPU has come, which a saved machine takes with it.  Each of these
 * instructions is the last of its block, so that the count tells them apart. */
uint64_t
helper_random (X86Cpu *env, uint32_t is_deterministic)
{
  uint64_t value;
  if (!is_deterministic && getrandom (&value, sizeof value, 0) == sizeof value)
    return value;
  uint64_t place = env->tcg.ops->instructions (env);
  return mix ((place + 1) * 0x9e3779b97f4a7c15u + env->apic_id);
}
