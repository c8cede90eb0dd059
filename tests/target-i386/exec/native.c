/* native.c -- runs a case as 32-bit code on this very processor. */
/* SPDX-License-Identifier: MIT */
/*
 * No assembly: a signal handler edits the context it returns to.  SIGUSR1's handler enters the case
 * (compatibility mode is only another code selector), the case ends with INT3 or a fault, and that signal's
 * handler goes back to where SIGUSR1 came from.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "exec.h"

#include <asm/ldt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define CONTEXT_FLAGS 0xcd5u            /* the arithmetic flags and DF */

static ExecState *current;
static gregset_t outside;
static volatile sig_atomic_t inside;

static const int order[8] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI };

static void
enter (int number, siginfo_t *info, void *context)
{
  greg_t *g = ((ucontext_t *) context)->uc_mcontext.gregs;
  memcpy (outside, g, sizeof outside);
  for (unsigned i = 0; i < 8; i++)
    g[order[i]] = current->gpr[i];
  g[REG_RIP] = current->eip;
  g[REG_EFL] = (g[REG_EFL] & ~(greg_t) CONTEXT_FLAGS) | (current->eflags & CONTEXT_FLAGS);
  g[REG_CSGSFS] = (g[REG_CSGSFS] & 0x0000ffffffff0000) | exec_segment (current->mode, 1)->selector
                  | (greg_t) exec_segment (current->mode, 2)->selector << 48;
  inside = 1;
}

static void
leave (int number, siginfo_t *info, void *context)
{
  greg_t *g = ((ucontext_t *) context)->uc_mcontext.gregs;
  if (!inside) {
    if (!exec_guest_fault (number, context))
      signal (number, SIG_DFL);
    return;
  }
  inside = 0;
  for (unsigned i = 0; i < 8; i++)
    current->gpr[i] = (uint32_t) g[order[i]];
  current->eip = (uint32_t) g[REG_RIP];
  current->eflags = (uint32_t) g[REG_EFL] & CONTEXT_FLAGS;
  current->vector = (int) g[REG_TRAPNO];
  current->error = (uint32_t) g[REG_ERR];
  current->cr2 = current->vector == 14 ? (uint32_t) g[REG_CR2] : 0;
  memcpy (g, outside, sizeof outside);
}

static bool
map (uint32_t address, size_t size, int protection)
{
  void *at = (void *) (uintptr_t) address;
  return mmap (at, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == at;
}

static void *
view (uint32_t address)
{
  return (void *) (uintptr_t) address;
}

/* false: the kernel takes no such segment */
static bool
set_segment (const ExecSegment *s)
{
  struct user_desc d = {
    .entry_number = s->selector >> 3, .base_addr = s->base, .limit = s->limit,
      .seg_32bit = s->attributes >> 14 & 1, .useable = 1,
    .contents = s->attributes & 8 ? 2 : s->attributes & 4 ? 1 : 0, .read_exec_only = !(s->attributes & 2)
  };
  return syscall (SYS_modify_ldt, 1, &d, sizeof d) == 0;
}

static bool
set_segments (void)
{
  for (ExecMode mode = EXEC_SMALL32; mode < EXEC_N_MODES; mode++)
    for (unsigned seg = 0; seg < 4; seg++)
      if (!set_segment (exec_segment (mode, seg)))
        return false;
  return true;
}

bool
exec_native_start (void)
{
  static const int ends[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
  static uint8_t stack[1 << 16];
  stack_t alternative = { .ss_sp = stack, .ss_size = sizeof stack };
  struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
  if (!map (EXEC_CODE, EXEC_PAGE, PROT_READ | PROT_WRITE)
      || !map (EXEC_DATA, 3 * EXEC_PAGE, PROT_READ | PROT_WRITE)
      || !map (EXEC_STACK, EXEC_PAGE, PROT_READ | PROT_WRITE) || !set_segments ()
        || sigaltstack (&alternative, NULL))
    return false;
  sigfillset (&action.sa_mask);
  action.sa_sigaction = enter;
  sigaction (SIGUSR1, &action, NULL);
  action.sa_sigaction = leave;
  for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
    sigaction (ends[i], &action, NULL);
  return true;
}

void
exec_native (const uint8_t *code, ExecState *state)
{
  mprotect (view (EXEC_CODE), EXEC_PAGE, PROT_READ | PROT_WRITE);
  mprotect (view (EXEC_DATA), 3 * EXEC_PAGE, PROT_READ | PROT_WRITE);
  memcpy (view (EXEC_CODE), code, EXEC_PAGE);
  memcpy (view (EXEC_DATA), state->data, sizeof state->data);
  memcpy (view (EXEC_STACK), state->stack, sizeof state->stack);
  mprotect (view (EXEC_CODE), EXEC_PAGE, PROT_READ | PROT_EXEC);
  mprotect (view (EXEC_DATA + 2 * EXEC_PAGE), EXEC_PAGE, PROT_READ);
  current = state;
  __asm__ volatile ("mov %0, %%es\n\tmov %1, %%ds"
                    : : "r" ((uint32_t) exec_segment (state->mode, 0)->selector),
                      "r" ((uint32_t) exec_segment (state->mode, 3)->selector));
  raise (SIGUSR1);
  memcpy (state->data, view (EXEC_DATA), sizeof state->data);
  memcpy (state->stack, view (EXEC_STACK), sizeof state->stack);
}
