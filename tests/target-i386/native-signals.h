/* native-signals.h -- code that runs on this very processor from one signal to the next: SIGUSR1 enters, what it ends with leaves. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_NATIVE_SIGNALS_H
#define TESTS_NATIVE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef void NativeHandler (int number, siginfo_t *info, void *context);

/* The handlers have a stack of their own: the code's may be anything. */
static inline bool
native_signals (NativeHandler *enter, NativeHandler *leave)
{
  static const int ends[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
  static uint8_t stack[1 << 16];
  stack_t alternative = { .ss_sp = stack, .ss_size = sizeof stack };
  struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
  if (sigaltstack (&alternative, NULL))
    return false;
  sigfillset (&action.sa_mask);
  action.sa_sigaction = enter;
  sigaction (SIGUSR1, &action, NULL);
  action.sa_sigaction = leave;
  for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
    sigaction (ends[i], &action, NULL);
  return true;
}

#endif
