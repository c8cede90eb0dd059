/* trap.c -- exceptions and interrupts: recorded, taken, returned from (privileged, 3.1.6 to 3.1.9, 3.3). */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "riscv.h"

/* --- exceptions ---------------------------------------------------------------------------------- */

void
rv_record (RvCpu *env, uint32_t cause, uint32_t value)
{
  env->cause = cause;
  env->value = value;
}

/* The accelerator restores pc to the current instruction, and calls rv_deliver from its loop. */
void
rv_raise (RvCpu *env, uint32_t cause, uint32_t value)
{
  rv_record (env, cause, value);
  bp_tcg_ops (env)->raise (env);
}

static void
enter (RvCpu *env, uint32_t cause, uint32_t value)
{
  bool is_vectored = cause & CAUSE_INTERRUPT && env->mtvec & 1;
  bp_log (BP_LOG_INT, "hart %u: cause %08x value %08x pc %08x -> mtvec %08x", env->hart_id, cause, value, env->pc, env->mtvec);
  env->mepc = env->pc;
  env->mcause = cause;
  env->mtval = value;
  env->mstatus = (env->mstatus & MSTATUS_MIE ? MSTATUS_MPIE : 0) | MSTATUS_MPP;
  env->pc = (env->mtvec & ~3u) + (is_vectored ? 4 * (cause & 31) : 0);
}

void
rv_deliver (void *self)
{
  RvCpu *env = self;
  enter (env, env->cause, env->value);
}

void
rv_return (RvCpu *env)
{
  env->mstatus = (env->mstatus & MSTATUS_MPIE ? MSTATUS_MIE : 0) | MSTATUS_MPIE | MSTATUS_MPP;
  env->pc = env->mepc;
  rv_look_at_interrupts (env);
}

/* --- interrupts ------------------------------------------------------------------------------------ */

uint32_t
rv_mip (uint32_t pending)
{
  return (pending & IRQ_SOFTWARE ? MIP_SOFTWARE : 0) | (pending & IRQ_TIMER ? MIP_TIMER : 0) | (pending & IRQ_EXTERNAL ? MIP_EXTERNAL : 0);
}

/* A hart in WFI goes on for an interrupt that is enabled in mie, whatever mstatus.MIE says (privileged, 3.3.3). */
bool
rv_wakes (const void *self, uint32_t pending)
{
  const RvCpu *env = self;
  return rv_mip (pending) & env->mie && (env->halted || env->mstatus & MSTATUS_MIE);
}

bool
rv_interrupt (void *self, uint32_t pending)
{
  RvCpu *env = self;
  uint32_t waiting = rv_mip (pending) & env->mie;
  if (!waiting)
    return false;
  env->halted = false;
  if (!(env->mstatus & MSTATUS_MIE))
    return false;
  uint32_t number = waiting & MIP_EXTERNAL ? 11 : waiting & MIP_SOFTWARE ? 3 : 7;
  enter (env, CAUSE_INTERRUPT | number, 0);
  return true;
}

void
rv_look_at_interrupts (RvCpu *env)
{
  if (rv_wakes (env, bp_vcpu_pending (bp_vcpu_of (env))))
    bp_tcg_ops (env)->leave_soon (env);
}
