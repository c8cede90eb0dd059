/* debug.c -- debug registers, instruction breakpoints, and the log of events (SDM 3B chapter 17). */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "common.h"
#include "helpers.h"

#define DR6_FIXED 0xffff0ff0u
#define DR6_WRITABLE 0x0000e00fu
#define DR7_WRITABLE 0xffff23ffu
#define DR7_FIXED (1u << 10)

/* --- access ----------------------------------------------------------------------------- */

/* DR4 and DR5 are names of DR6 and DR7 unless CR4.DE says that they are not there. */
static unsigned
check_access (X86Cpu *env, unsigned number)
{
  if (number == 4 || number == 5) {
    if (env->cr4 & CR4_DE)
      x86_raise (env, EXC_UD);
    number += 2;
  }
  if (env->dr[7] & DR7_GD) {
    env->dr[6] |= DR6_BD;
    x86_raise (env, EXC_DB);
  }
  return number;
}

static void __attribute__ ((noinline))
warn_data_breakpoint (X86Cpu *env)
{
  env->tcg.ops->fp_store (env);
  env->data_breakpoint_warned = true;
  bp_log_unimp (env, "DR7 %08x enables a breakpoint on data or I/O: these never strike", (uint32_t) env->dr[7]);
}

void
helper_mov_to_dr (X86Cpu *env, uint32_t number, uint32_t value)
{
  number = check_access (env, number);
  if (number == 6)
    value = (value & DR6_WRITABLE) | DR6_FIXED;
  else if (number == 7)
    value = (value & DR7_WRITABLE) | DR7_FIXED;
  env->dr[number] = value;
  if (number != 7)
    return;
  for (unsigned i = 0; i < 4 && !env->data_breakpoint_warned; i++)
    if (value >> 2 * i & 3 && value >> (16 + 4 * i) & 3)
      warn_data_breakpoint (env);
  x86_update_mode (env);
}

uint32_t
helper_mov_from_dr (X86Cpu *env, uint32_t number)
{
  number = check_access (env, number);
  return (uint32_t) env->dr[number];
}

/* --- breakpoints -------------------------------------------------------------------------------- */

void
helper_check_breakpoint (X86Cpu *env, uint32_t linear)
{
  uint32_t dr7 = (uint32_t) env->dr[7], hit = 0, enabled = 0;
  if (env->eflags & X86_FL_RF)
    return;
  for (unsigned i = 0; i < 4; i++)
    if (!(dr7 >> (16 + 4 * i) & 3) && (uint32_t) env->dr[i] == linear) {
      hit |= DR6_B0 << i;
      enabled |= dr7 >> 2 * i & 3;
    }
  if (!enabled)
    return;
  env->dr[6] = (env->dr[6] & ~(uint64_t) 15) | hit;
  x86_raise (env, EXC_DB);
}

/* --- log ----------------------------------------------------------------------------------------------- */

void __attribute__ ((noinline))
x86_log_event (X86Cpu *env, unsigned vector, uint32_t error, unsigned kind, uint32_t eip)
{
  char text[2048];
  env->tcg.ops->fp_store (env);
  x86_dump (env, text, sizeof text);
  bp_log (BP_LOG_INT, "v=%02x e=%04x i=%u cpl=%u IP=%04x:%08x pc=%08x SP=%04x:%08x CR2=%08x EAX=%08x\n%s", vector, error, kind, x86_cpl (env),
          env->segment[X86_CS].selector, eip, (uint32_t) env->segment[X86_CS].base + eip, env->segment[X86_SS].selector,
          gpr (env, X86_RSP), (uint32_t) env->cr2, gpr (env, X86_RAX), text);
}
