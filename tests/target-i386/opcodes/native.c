/* native.c -- runs each instruction of a batch on this very processor, under single-step. */
/* SPDX-License-Identifier: MIT */
/*
 * SIGUSR1's handler goes to the first instruction, the signal that ends it to the next one, and so on: a handler edits what it returns
 * to.  What an instruction leaves in registers is gone then; those of segments it cannot load (opcodes.h).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <asm/ldt.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "opcodes.h"
#include "../native-signals.h"

enum { PAGE = 4096 };
enum { LDT_CODE = 0x07, LDT_STACK = 0x0f, LDT_DATA = 0x17, FLAGS_TF = 0x100, FLAGS_SET = 0x54dd5 };
/* The frame's XSAVE area: image of FXSAVE, header, upper halves. */
enum { LEGACY_SIZE = 416, XSTATE_BV = 512, UPPERS = 576, UPPERS_SIZE = 256 };

static const Batch *batch;
static Outcome *outcome;
static unsigned at;
static volatile sig_atomic_t inside;
static gregset_t outside;
static uint8_t outside_fp[LEGACY_SIZE];
static bool has_avx;

static uint64_t
start_of (unsigned i)
{
  uint64_t start = batch->split[i] ? OPCODES_EDGE_END - (uint64_t) batch->split[i] : OPCODES_CODE + i * OPCODES_SIZE;
  return start - (batch->mode == X86_MODE_16 ? OPCODES_BASE16 : 0);
}

static void
put_fp (uint8_t *area)
{
  static const uint16_t control[4] = { 0x37f, 0, 0, 0 };
  static const uint32_t mxcsr = 0x1f80;
  memcpy (area, control, sizeof control);
  memcpy (area + 24, &mxcsr, sizeof mxcsr);
  memset (area + 32, 0xff, LEGACY_SIZE - 32);
  area[XSTATE_BV] |= has_avx ? 7 : 3;
  if (has_avx)
    memset (area + UPPERS, 0xff, UPPERS_SIZE);
}

static void
go_to (mcontext_t *m)
{
  static const uint16_t code[] = { LDT_CODE, 0x23, 0x33 }, stack[] = { LDT_STACK, 0x2b, 0x2b };
  for (unsigned i = REG_R8; i <= REG_RCX; i++)
    m->gregs[i] = (greg_t) (batch->value ? batch->value : OPCODES_REGISTER);
  m->gregs[REG_RSP] = OPCODES_STACK_TOP - (batch->mode == X86_MODE_16 ? OPCODES_BASE16 : 0);
  m->gregs[REG_RIP] = (greg_t) start_of (at);
  m->gregs[REG_EFL] = (m->gregs[REG_EFL] & ~(greg_t) FLAGS_SET) | FLAGS_TF;
  m->gregs[REG_CSGSFS] = (m->gregs[REG_CSGSFS] & 0x0000ffffffff0000) | code[batch->mode] | (greg_t) stack[batch->mode] << 48;
  put_fp ((uint8_t *) m->fpregs);
  memcpy ((void *) (uintptr_t) (OPCODES_EDGE_END - batch->split[at]), batch->code[at], batch->split[at]);
  for (unsigned i = 0; i < 16; i++)
    ((uint64_t *) (OPCODES_STACK_TOP - 64))[i] = OPCODES_FILL;
}

static void
enter (int number, siginfo_t *info, void *context)
{
  mcontext_t *m = &((ucontext_t *) context)->uc_mcontext;
  memcpy (outside, m->gregs, sizeof outside);
  memcpy (outside_fp, m->fpregs, sizeof outside_fp);
  inside = 1;
  go_to (m);
}

static void
leave (int number, siginfo_t *info, void *context)
{
  mcontext_t *m = &((ucontext_t *) context)->uc_mcontext;
  if (!inside) {
    signal (number, SIG_DFL);
    return;
  }
  uint64_t rip = (uint64_t) m->gregs[REG_RIP];
  outcome[at] = (Outcome) { .vector = (uint8_t) m->gregs[REG_TRAPNO], .rip = (int64_t) (rip - start_of (at)) };
  if (outcome[at].vector == 14) {
    outcome[at].error = (uint16_t) m->gregs[REG_ERR];
    outcome[at].cr2 = (uint32_t) m->gregs[REG_CR2];
  }
  if (++at < batch->n) {
    go_to (m);
    return;
  }
  inside = 0;
  memcpy (m->gregs, outside, sizeof outside);
  memcpy (m->fpregs, outside_fp, sizeof outside_fp);
}

static bool
set_segment (unsigned selector, uint32_t base, uint32_t limit, unsigned contents)
{
  struct user_desc d = {
    .entry_number = selector >> 3, .base_addr = base, .limit = limit, .useable = 1, .contents = contents, .read_exec_only = contents == 2
  };
  return syscall (SYS_modify_ldt, 1, &d, sizeof d) == 0;
}

static bool
map (uintptr_t address, size_t size)
{
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE;
  return mmap ((void *) address, size, PROT_READ | PROT_WRITE, flags, -1, 0) == (void *) address;
}

bool
native_start (void)
{
  has_avx = __builtin_cpu_supports ("avx");
  if (!map (OPCODES_STACK, PAGE) || !map (OPCODES_EDGE, 2 * PAGE) || !map (OPCODES_CODE, OPCODES_BATCH * OPCODES_SIZE)
      || !set_segment (LDT_CODE, OPCODES_BASE16, OPCODES_CODE_LIMIT16, 2) || !set_segment (LDT_STACK, OPCODES_BASE16, OPCODES_STACK_LIMIT16, 0)
      || !set_segment (LDT_DATA, OPCODES_DATA16, 0xffff, 0))
    return false;
  return native_signals (enter, leave);
}

void
native_run (const Batch *b, Outcome *out)
{
  void *code = (void *) OPCODES_CODE;
  mprotect (code, sizeof b->code, PROT_READ | PROT_WRITE);
  memcpy (code, b->code, sizeof b->code);
  for (unsigned i = 0; i < 512; i++)
    ((uint64_t *) OPCODES_STACK)[i] = OPCODES_FILL;
  mprotect (code, sizeof b->code, PROT_READ | PROT_EXEC);
  mprotect ((void *) OPCODES_EDGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
  mprotect ((void *) OPCODES_EDGE_END, PAGE, b->no_execute ? PROT_READ | PROT_WRITE : PROT_NONE);
  if (b->no_execute)            /* what is there but not in the page table would show in the error code */
    *(volatile uint8_t *) OPCODES_EDGE_END = 0;
  batch = b;
  outcome = out;
  at = 0;
  __asm__ volatile ("mov %0, %%es\n\tmov %0, %%ds" : : "r" (b->mode == X86_MODE_16 ? LDT_DATA : 0x2b));
  raise (SIGUSR1);
  __asm__ volatile ("mov %0, %%es\n\tmov %0, %%ds" : : "r" (0));
}
