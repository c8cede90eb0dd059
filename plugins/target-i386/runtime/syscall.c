/* syscall.c -- SYSENTER, SYSEXIT, SYSCALL, SYSRET: to the kernel and back without descriptors (SDM 2B; APM 3 for legacy SYSCALL). */
/* SPDX-License-Identifier: MIT */
#include "common.h"
#include "helpers.h"

/* --- flat segments out of nothing ---------------------------------------------------------------- */

enum { FLAT_CODE32 = 0xc09b, FLAT_CODE64 = 0xa09b, FLAT_DATA = 0xc093 };

static void
put_flat (X86Cpu *env, unsigned seg, unsigned selector, unsigned attributes, unsigned cpl)
{
  x86_put_segment (env, seg, selector | cpl, 0, 0xffffffff, attributes | cpl << SEG_DPL_SHIFT);
}

static void
put_flat_pair (X86Cpu *env, unsigned cs, unsigned ss, bool wide, unsigned cpl)
{
  put_flat (env, X86_CS, cs, wide ? FLAT_CODE64 : FLAT_CODE32, cpl);
  put_flat (env, X86_SS, ss, FLAT_DATA, cpl);
}

/* --- SYSENTER, SYSEXIT ------------------------------------------------------------------------------- */

void
helper_sysenter (X86Cpu *env)
{
  unsigned cs = (unsigned) env->sysenter_cs & 0xfffc;
  bool wide = x86_in_long_mode (env);
  uint32_t hflags = env->hflags;
  if (!(env->cr0 & CR0_PE) || !cs)
    x86_raise_error (env, EXC_GP, 0);
  env->eflags &= ~(X86_FL_VM | X86_FL_IF | X86_FL_RF);
  put_flat_pair (env, cs, cs + 8, wide, 0);
  env->gpr[X86_RSP] = wide ? env->sysenter_esp : (uint32_t) env->sysenter_esp;
  env->eip = wide ? env->sysenter_eip : (uint32_t) env->sysenter_eip;
  x86_update_mode (env);
  x86_leave_if_widened (env, hflags);
}

/* size 8: to 64-bit code, else to 32-bit code. */
void
helper_sysexit (X86Cpu *env, uint32_t size)
{
  unsigned cs = (unsigned) env->sysenter_cs & 0xfffc;
  uint32_t hflags = env->hflags;
  uint64_t rip = env->gpr[X86_RDX], rsp = env->gpr[X86_RCX];
  if (!(env->cr0 & CR0_PE) || !cs || x86_cpl (env) != 0)
    x86_raise_error (env, EXC_GP, 0);
  if (size == 8) {
    if (!x86_is_canonical (rip) || !x86_is_canonical (rsp))
      x86_raise_error (env, EXC_GP, 0);
    put_flat_pair (env, cs + 32, cs + 40, true, 3);
  } else {
    rip = (uint32_t) rip;
    rsp = (uint32_t) rsp;
    put_flat_pair (env, cs + 16, cs + 24, false, 3);
  }
  env->gpr[X86_RSP] = rsp;
  env->eip = rip;
  x86_update_mode (env);
  x86_leave_if_widened (env, hflags);
}

/* --- SYSCALL, SYSRET --------------------------------------------------------------------------------- */

enum { R11 = 11 };

/* As x86_set_eflags, without looking at the mode, which changes more yet. */
static void
put_eflags (X86Cpu *env, uint32_t value)
{
  env->cc_src = value & X86_FL_ARITH;
  env->cc_op = CC_EFLAGS;
  env->df = value & X86_FL_DF ? -1 : 1;
  env->eflags = (value & ~(uint32_t) (X86_FL_ARITH | X86_FL_DF)) | 2;
}

/* A single-step trap follows when TF is set at the end. */
static void
finish (X86Cpu *env)
{
  x86_update_mode (env);
  if (UNLIKELY (env->eflags & X86_FL_TF)) {
    x86_pend_trap (env, DR6_BS);
    env->tcg.ops->leave_soon (env);
  }
}

/* Outside 64-bit mode Intel's processors raise #UD; the feature syscall32 is AMD's way (APM 3, SYSCALL). */
static void
check_syscall (X86Cpu *env)
{
  if (!(env->efer & EFER_SCE) || !(x86_in_code64 (env) || env->own_features & OWN_SYSCALL32))
    x86_raise (env, EXC_UD);
}

void
helper_syscall (X86Cpu *env, uint64_t next)
{
  unsigned cs = (unsigned) (env->star >> 32) & 0xfffc;
  uint32_t hflags = env->hflags;
  bool is_long = x86_in_long_mode (env);
  check_syscall (env);
  if (is_long) {
    uint32_t eflags = x86_eflags (env) & ~(uint32_t) X86_FL_RF;
    env->gpr[X86_RCX] = next;
    env->gpr[R11] = eflags;
    env->eip = x86_in_code64 (env) ? env->lstar : env->cstar;
    put_eflags (env, eflags & ~(uint32_t) env->sfmask);
  } else {
    set_gpr (env, X86_RCX, (uint32_t) next);
    env->eflags &= ~(X86_FL_VM | X86_FL_IF | X86_FL_RF);
    env->eip = (uint32_t) env->star;
  }
  put_flat_pair (env, cs, cs + 8, is_long, 0);
  finish (env);
  x86_leave_if_widened (env, hflags);
}

#define SYSRET_FLAGS (X86_FL_ALL & ~(X86_FL_RF | X86_FL_VM))

static void
sysret64 (X86Cpu *env, uint32_t size)
{
  unsigned cs = (unsigned) (env->star >> 48) & 0xfffc;
  uint64_t rip = env->gpr[X86_RCX];
  if (size == 8 && !x86_is_canonical (rip))
    x86_raise_error (env, EXC_GP, 0);
  put_eflags (env, (uint32_t) env->gpr[R11] & SYSRET_FLAGS);
  put_flat_pair (env, size == 8 ? cs + 16 : cs, cs + 8, size == 8, 3);
  env->eip = size == 8 ? rip : (uint32_t) rip;
}

static void
sysret_legacy (X86Cpu *env)
{
  unsigned cs = (unsigned) (env->star >> 48) & 0xfffc;
  put_flat_pair (env, cs, cs + 8, false, 3);
  env->eip = gpr (env, X86_RCX);
  env->eflags |= X86_FL_IF;
}

void
helper_sysret (X86Cpu *env, uint32_t size)
{
  bool was_enabled = env->eflags & X86_FL_IF;
  uint32_t hflags = env->hflags;
  check_syscall (env);
  if (!(env->cr0 & CR0_PE) || x86_cpl (env) != 0)
    x86_raise_error (env, EXC_GP, 0);
  if (x86_in_long_mode (env))
    sysret64 (env, size);
  else
    sysret_legacy (env);
  finish (env);
  if (!was_enabled && env->eflags & X86_FL_IF)
    x86_look_for_interrupts (env);
  x86_leave_if_widened (env, hflags);
}
