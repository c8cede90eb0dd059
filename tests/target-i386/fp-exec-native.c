/* fp-exec-native.c -- runs a case as 64-bit code on this very processor: signal handlers edit what they return to. */
/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "fp-exec.h"
#include "native-signals.h"

#ifdef __x86_64__

static FpExecState *current;
static gregset_t outside;
static uint8_t outside_fp[X86_FP_SIZE];
static volatile sig_atomic_t inside;
static bool has_avx;

static const int order[16] = {
  REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11,
  REG_R12, REG_R13, REG_R14, REG_R15
};

/* The frame's XSAVE area; the rest of its legacy region is the kernel's own. */
enum { LEGACY = 464, HEADER_AT = 512 };

static size_t
upper_size (void)
{
  return has_avx ? X86_FP_SIZE - X86_FP_UPPERS : 0;
}

static void
copy_fp (uint8_t *to, const uint8_t *from)
{
  memcpy (to, from, LEGACY);
  memcpy (to + X86_FP_UPPERS, from + X86_FP_UPPERS, upper_size ());
}

static void
enter (int number, siginfo_t *info, void *context)
{
  mcontext_t *m = &((ucontext_t *) context)->uc_mcontext;
  uint8_t *area = (uint8_t *) m->fpregs;
  memcpy (outside, m->gregs, sizeof outside);
  copy_fp (outside_fp, area);
  for (unsigned i = 0; i < 16; i++)
    m->gregs[order[i]] = (greg_t) current->gpr[i];
  m->gregs[REG_RIP] = (greg_t) current->rip;
  m->gregs[REG_EFL] = (m->gregs[REG_EFL] & ~(greg_t) X86_FL_ARITH) | current->eflags;
  copy_fp (area, current->fp);
  area[HEADER_AT] |= has_avx ? 7 : 3;
  inside = 1;
}

static void
leave (int number, siginfo_t *info, void *context)
{
  mcontext_t *m = &((ucontext_t *) context)->uc_mcontext;
  uint8_t *area = (uint8_t *) m->fpregs;
  if (!inside) {
    if (!fp_exec_guest_fault (number, context))
      signal (number, SIG_DFL);
    return;
  }
  inside = 0;
  for (unsigned i = 0; i < 16; i++)
    current->gpr[i] = (uint64_t) m->gregs[order[i]];
  current->rip = (uint64_t) m->gregs[REG_RIP];
  current->eflags = (uint32_t) m->gregs[REG_EFL] & X86_FL_ARITH;
  current->vector = (int) m->gregs[REG_TRAPNO];
  current->error = current->vector == EXC_PF ? (uint32_t) m->gregs[REG_ERR] : 0;
  current->cr2 = current->vector == EXC_PF ? (uint64_t) m->gregs[REG_CR2] : 0;
  copy_fp (current->fp, area);
  if (has_avx && !(area[HEADER_AT] & 4))
    memset (current->fp + X86_FP_UPPERS, 0, upper_size ());
  memcpy (m->gregs, outside, sizeof outside);
  copy_fp (area, outside_fp);
}

bool fp_exec_host_is_amd (void) { return __builtin_cpu_is ("amd"); }

static void *view (uint32_t address) { return (void *) (uintptr_t) address; }

static bool
map (uint32_t address, size_t size)
{
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  return mmap (view (address), size, PROT_READ | PROT_WRITE, flags, -1, 0) == view (address);
}

bool
fp_exec_native_start (void)
{
  has_avx = __builtin_cpu_supports ("avx");
  if (!map (FP_EXEC_CODE, FP_EXEC_PAGE) || !map (FP_EXEC_DATA, FP_EXEC_DATA_SIZE))
    return false;
  return native_signals (enter, leave);
}

void
fp_exec_native (const FpExecCase *c, FpExecState *state)
{
  mprotect (view (FP_EXEC_CODE), FP_EXEC_PAGE, PROT_READ | PROT_WRITE);
  memcpy (view (FP_EXEC_CODE), c->code, FP_EXEC_PAGE);
  memcpy (view (FP_EXEC_DATA), state->data, sizeof state->data);
  mprotect (view (FP_EXEC_CODE), FP_EXEC_PAGE, PROT_READ | PROT_EXEC);
  current = state;
  raise (SIGUSR1);
  memcpy (state->data, view (FP_EXEC_DATA), sizeof state->data);
}

#else

bool fp_exec_host_is_amd (void) { return false; }
bool fp_exec_native_start (void) { return false; }
void fp_exec_native (const FpExecCase *c, FpExecState *state) { }

#endif
