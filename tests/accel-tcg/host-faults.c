/* host-faults.c -- linked into a test of host-x64: SIGFPE inside a block becomes the fake CPU's fault. */
/* SPDX-License-Identifier: MIT */
#include "fake-cpu.h"
#include "host-x64/context.h"
#include <check.h>
#include <dlfcn.h>
#include <signal.h>
#include <ucontext.h>

static void
fault (TcgVcpu *v, BpHostFault kind)
{
  void *env = v;
  ck_assert_int_eq (kind, BP_HOST_FAULT_DIVIDE);
  ((FakeCpu *) env)->kind = FAKE_DIVIDE;
  bp_tcg_ops (env)->raise (env);
}

static void
on_fpe (int signal_number, siginfo_t *info, void *context)
{
  const ucontext_t *uc = context;
  x64_take_fault (tcg_vcpu ((void *) uc->uc_mcontext.gregs[REG_RBP]), context, fault);
}

static void __attribute__ ((constructor))
install (void)
{
  struct sigaction action = { .sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO | SA_NODEFER };
  sigemptyset (&action.sa_mask);
#ifdef __SANITIZE_THREAD__
  /* ThreadSanitizer's own sigaction does not stand handlers that do not return. */
  ((int (*) (int, const struct sigaction *, struct sigaction *)) dlsym (dlopen ("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), "sigaction")) (SIGFPE, &action, NULL);
#else
  sigaction (SIGFPE, &action, NULL);
#endif
}
