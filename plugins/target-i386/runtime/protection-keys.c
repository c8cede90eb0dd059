/* protection-keys.c -- PKRU and IA32_PKRS: what the keys of pages forbid (SDM 3A 4.6.2; 2B RDPKRU, 2C WRPKRU). */
/* SPDX-License-Identifier: MIT */
/*
 * Translations are made with what the registers say (paging.c), and tell the accelerator their key.  When a key forbids more than it did,
 * those that rest on it are dropped, and only those; one that is stricter than it need be is made anew at the access that misses.
 */
#include "common.h"
#include "helpers.h"

enum { FIRST_USER = 0, FIRST_SUPERVISOR = 16 };         /* bits of tlb_flush_keys */

/* The keys of which `after` forbids something that `before` does not. */
static uint32_t
stricter (uint64_t before, uint64_t after)
{
  uint64_t more = after & ~before;
  uint32_t keys = 0;
  for (unsigned key = 0; more; key++, more >>= 2)
    keys |= (uint32_t) ((more & 3) != 0) << key;
  return keys;
}

static void
drop (X86Cpu *env, uint32_t keys, unsigned first)
{
  if (keys && env->tcg.ops)
    env->tcg.ops->tlb_flush_keys (env, keys << first);
}

void
x86_set_pkru (X86Cpu *env, uint32_t value)
{
  uint32_t keys = stricter (env->pkru, value);
  env->pkru = value;
  drop (env, keys, FIRST_USER);
}

void
x86_set_pkrs (X86Cpu *env, uint32_t value)
{
  uint32_t keys = stricter (env->pkrs, value);
  env->pkrs = value;
  drop (env, keys, FIRST_SUPERVISOR);
}

/* --- instructions ------------------------------------------------------------------------------------ */

static void
check (X86Cpu *env, uint32_t must_be_zero)
{
  if (!(env->cr4 & CR4_PKE))
    x86_raise (env, EXC_UD);
  if (must_be_zero)
    x86_raise_error (env, EXC_GP, 0);
}

uint32_t
helper_rdpkru (X86Cpu *env)
{
  check (env, gpr (env, X86_RCX));
  return (uint32_t) env->pkru;
}

void
helper_wrpkru (X86Cpu *env)
{
  check (env, gpr (env, X86_RCX) | gpr (env, X86_RDX));
  x86_set_pkru (env, gpr (env, X86_RAX));
}
