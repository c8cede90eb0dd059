/* native.c -- runs a case on this very processor. */
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
#include "../native-signals.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define CONTEXT_FLAGS 0xcd5u            /* the arithmetic flags and DF */

/* From here on Linux claims that there are pages. */
#define KERNEL_START 0x7ffffffff000u

static ExecState *current;
static gregset_t outside;
static volatile sig_atomic_t inside;

static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

static unsigned n_registers (void) { return current->mode == EXEC_LONG64 ? 16 : 8; }
static uint64_t in_mode (greg_t x) { return current->mode == EXEC_LONG64 ? (uint64_t) x : (uint32_t) x; }

static void
enter (int number, siginfo_t *info, void *context)
{
  greg_t *g = ((ucontext_t *) context)->uc_mcontext.gregs;
  memcpy (outside, g, sizeof outside);
  for (unsigned i = 0; i < n_registers (); i++)
    g[order[i]] = (greg_t) current->gpr[i];
  g[REG_RIP] = (greg_t) current->pc;
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
  for (unsigned i = 0; i < n_registers (); i++)
    current->gpr[i] = in_mode (g[order[i]]);
  current->pc = in_mode (g[REG_RIP]);
  current->eflags = (uint32_t) g[REG_EFL] & CONTEXT_FLAGS;
  current->vector = (int) g[REG_TRAPNO];
  current->error = (uint32_t) g[REG_ERR];
  current->cr2 = current->vector == 14 ? in_mode (g[REG_CR2]) : 0;
  if (current->cr2 >= KERNEL_START)
    current->error &= ~1u;
  memcpy (g, outside, sizeof outside);
}

/* The same pages at both places. */
static int backing = -1;

static bool
map (uint32_t address, size_t size)
{
  static off_t used;
  for (unsigned high = 0; high < 2; high++) {
    void *at = (void *) (uintptr_t) (address + (high ? EXEC_HIGH : 0));
    if (mmap (at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, backing, used) != at)
      return false;
  }
  used += (off_t) size;
  return true;
}

static bool
map_all (void)
{
  size_t total = EXEC_CODE_SIZE + 3 * EXEC_PAGE + EXEC_PAGE;
  backing = memfd_create ("case", 0);
  return backing >= 0 && ftruncate (backing, (off_t) total) == 0 && map (EXEC_CODE, EXEC_CODE_SIZE)
         && map (EXEC_DATA, 3 * EXEC_PAGE) && map (EXEC_STACK, EXEC_PAGE);
}

static void *
view (uint32_t address)
{
  return (void *) (uintptr_t) address;
}

static void
protect (uint32_t address, size_t size, int protection)
{
  mprotect (view (address), size, protection);
  mprotect ((void *) (uintptr_t) (EXEC_HIGH + address), size, protection);
}

/* A page that is there but not in the page table would show in the error code. */
static void
touch (uint32_t address, size_t size)
{
  for (size_t at = 0; at < size; at += EXEC_PAGE) {
    (void) *(volatile uint8_t *) view (address + (uint32_t) at);
    (void) *(volatile uint8_t *) (uintptr_t) (EXEC_HIGH + address + at);
  }
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
  for (ExecMode mode = EXEC_SMALL32; mode <= EXEC_SMALL16; mode++)
    for (unsigned seg = 0; seg < 4; seg++)
      if (!set_segment (exec_segment (mode, seg)))
        return false;
  return true;
}

bool
exec_native_start (void)
{
  if (!map_all () || !set_segments () || syscall (SYS_arch_prctl, ARCH_SET_GS, EXEC_GS_BASE))
    return false;
  protect (EXEC_CODE, EXEC_CODE_SIZE, PROT_READ | PROT_EXEC);
  protect (EXEC_DATA + 2 * EXEC_PAGE, EXEC_PAGE, PROT_READ);
  touch (EXEC_CODE, EXEC_CODE_SIZE);
  touch (EXEC_DATA, 3 * EXEC_PAGE);
  touch (EXEC_STACK, EXEC_PAGE);
  return native_signals (enter, leave);
}

/* Behind the pages' protection. */
static void
write_backing (size_t offset, const void *bytes, size_t size)
{
  if (pwrite (backing, bytes, size, (off_t) offset) != (ssize_t) size)
    abort ();
}

void
exec_native (const uint8_t *code, ExecState *state)
{
  write_backing (0, code, EXEC_CODE_SIZE);
  write_backing (EXEC_CODE_SIZE, state->data, sizeof state->data);
  write_backing (EXEC_CODE_SIZE + sizeof state->data, state->stack, sizeof state->stack);
  current = state;
  __asm__ volatile ("mov %0, %%es\n\tmov %1, %%ds"
                    : : "r" ((uint32_t) exec_segment (state->mode, 0)->selector),
                      "r" ((uint32_t) exec_segment (state->mode, 3)->selector));
  raise (SIGUSR1);
  memcpy (state->data, view (EXEC_DATA), sizeof state->data);
  memcpy (state->stack, view (EXEC_STACK), sizeof state->stack);
}
