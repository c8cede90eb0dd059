/* io.c -- ports: who may touch which, and the access itself (SDM 1 chapter 19). */
/* SPDX-License-Identifier: MIT */
#include "common.h"
#include "helpers.h"

/* The bitmap is read as two bytes, so the byte after the port's must lie in the TSS too. */
void
helper_check_io (X86Cpu *env, uint32_t port, uint32_t size)
{
  const BpX86Segment *tr = &env->segment[BP_X86_TR];
  uint64_t base = tr->base;
  port &= 0xffff;
  if (!(env->cr0 & CR0_PE) || (!in_v86 (env) && x86_cpl (env) <= iopl (env)))
    return;
  if ((tr->attributes & (SEG_P | SEG_TYPE)) != (SEG_P | SYS_TSS32_BUSY) || tr->limit < 103)
    x86_raise_error (env, EXC_GP, 0);
  uint32_t offset = (uint32_t) x86_load_kernel (env, base + 102, BP_MO_16) + port / 8;
  if (offset + 1 > tr->limit)
    x86_raise_error (env, EXC_GP, 0);
  uint32_t bits = (uint32_t) x86_load_kernel (env, base + offset, BP_MO_16) >> (port & 7);
  if (bits & ((1u << size) - 1))
    x86_raise_error (env, EXC_GP, 0);
}

uint32_t
helper_in (X86Cpu *env, uint32_t port, uint32_t size)
{
  if (UNLIKELY (env->hflags & HF_BREAKPOINTS))
    x86_check_io_breakpoints (env, port, size);
  return env->tcg.ops->io_read (env, (uint16_t) port, size);
}

void
helper_out (X86Cpu *env, uint32_t port, uint32_t value, uint32_t size)
{
  if (UNLIKELY (env->hflags & HF_BREAKPOINTS))
    x86_check_io_breakpoints (env, port, size);
  env->tcg.ops->io_write (env, (uint16_t) port, value, size);
}
