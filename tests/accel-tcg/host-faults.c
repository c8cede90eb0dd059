/* host-faults.c -- linked into a test of host-x64: SIGFPE inside a block becomes the fake CPU's fault. */
/* SPDX-License-Identifier: MIT */
#include "fake-cpu.h"
#include "host-x64/thunks.h"
#include <signal.h>
#include <ucontext.h>

static void
on_fpe (int signal_number, siginfo_t *info, void *context)
{
  const ucontext_t *uc = context;
  void *env = (void *) uc->uc_mcontext.gregs[REG_RBP];
  x64_store_context (env, context);
  tcg_vcpu (env)->ret_pc = (uintptr_t) uc->uc_mcontext.gregs[REG_RIP] + 1;
  ((FakeCpu *) env)->kind = FAKE_DIVIDE;
  bp_tcg_ops (env)->raise (env);
}

static void __attribute__ ((constructor))
install (void)
{
  struct sigaction action = { .sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO | SA_NODEFER };
  sigemptyset (&action.sa_mask);
  sigaction (SIGFPE, &action, NULL);
}
