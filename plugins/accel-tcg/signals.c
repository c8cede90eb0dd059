/* signals.c -- what reaches a vCPU's thread as a host signal: kicks, and faults inside generated code. */
/* SPDX-License-Identifier: MIT */
/*
 * A kick takes the direct jumps out of the block that runs and swaps the jump cache for an empty one, so that the vCPU comes back to its
 * loop at the block's end; blocks themselves never poll.  The handler runs on the vCPU's thread: nothing else executes meanwhile.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "instr.h"

#define KICK_SIGNAL SIGUSR1

static __thread TcgVcpu *current __attribute__ ((tls_model ("initial-exec")));
static struct sigaction old_fpe;

/* What stood below `frame' when generated code was left last may have become anything else since: any block's exits may be taken out.  But while it is not
 * counted as running, blocks may become others under its eyes (exclusive.c), and there is nothing to get out of. */
__attribute__ ((no_sanitize ("address"))) TCG_IN_SIGNAL
static void
on_kick (int signal, siginfo_t *info, void *context)
{
  TcgVcpu *v = current;
  if (!v)
    return;
  int saved_errno = errno;
  TcgMachine *m = v->machine;
  const Backend *b = m->backend;
  tcg_leave_soon (v);
  if (b->restart && __atomic_load_n (&tcg_extra (v)->running, __ATOMIC_RELAXED)) { /* native code: the block may be anywhere on the way in or out */
    Tb *tb = tb_at (m, b->context_pc (context));
    tb_unlink_exits (m, tb);
    if (tb)
      b->restart (tb, context);         /* inside a look-up the next block may be at hand already */
    if (v->frame)                       /* in C or in a thunk: whether that has noted its caller in ret_pc or not */
      tb_unlink_exits (m, tb_at (m, ((const uintptr_t *) v->frame)[-1] - 1));
    tb_unlink_exits (m, v->entering);
  }
  errno = saved_errno;
}

static bool
take_fault (void *context)
{
  TcgVcpu *v = current;
  if (!v || !v->machine->backend->take_fault)
    return false;
  if (!tb_at (v->machine, v->machine->backend->context_pc (context)))
    return false;
  v->machine->backend->take_fault (v, context, tcg_host_fault);
  return true;
}

static void name_culprit (int signal);

static void
on_fpe (int signal, siginfo_t *info, void *context)
{
  if (take_fault (context))
    return;
  name_culprit (SIGFPE);
  sigaction (SIGFPE, &old_fpe, NULL);   /* not ours: let it happen again for whoever it belongs to */
}

/* --- crashes of instruments ----------------------------------------------------------------- */

static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGABRT };
static struct sigaction old_crash[G_N_ELEMENTS (crash_signals)];

static void
say (const char *text)
{
  if (write (STDERR_FILENO, text, strlen (text)) < 0)
    return;
}

/* Whose code this thread is in is said, and then what would have happened happens. */
static void
name_culprit (int signal)
{
  TcgVcpu *v = current;
  const Instr *in = v && v->instr && v->instr->calling ? v->instr->calling : instr_consumed;
  if (!in)
    return;
  say ("backplane: ");
  say (in->label);
  say (" crashed: ");
  say (signal == SIGSEGV ? "segmentation fault" : signal == SIGBUS ? "bus error" : signal == SIGILL ? "illegal instruction"
       : signal == SIGFPE ? "arithmetic error" : "it aborted");
  say ("\n");
}

static void
on_crash (int signal, siginfo_t *info, void *context)
{
  name_culprit (signal);
  for (unsigned i = 0; i < G_N_ELEMENTS (crash_signals); i++)
    if (crash_signals[i] == signal)
      sigaction (signal, &old_crash[i], NULL);
  if (info->si_code <= 0 && signal != SIGABRT)  /* it was sent, and does not come again by itself */
    raise (signal);
}

void
signals_name_instruments (void)
{
  static bool installed;
  if (installed)
    return;
  struct sigaction action;
  memset (&action, 0, sizeof action);
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset (&action.sa_mask);
  action.sa_sigaction = on_crash;
  for (unsigned i = 0; i < G_N_ELEMENTS (crash_signals); i++)
    sigaction (crash_signals[i], &action, &old_crash[i]);
  installed = true;
}

/* ThreadSanitizer puts handlers off until the thread calls the C library next, which generated code may never do. */
static int
set_handler (int signal, const struct sigaction *action)
{
#ifdef __SANITIZE_THREAD__
  void *libc = dlopen ("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  int (*own) (int, const struct sigaction *, struct sigaction *) = libc ? (int (*) (int, const struct sigaction *, struct sigaction *)) dlsym (libc, "sigaction") : NULL;
  return own ? own (signal, action, NULL) : -1;
#else
  return sigaction (signal, action, NULL);
#endif
}

bool
signals_install (GError **error)
{
  static bool installed;
  if (installed)
    return true;
  struct sigaction action;
  memset (&action, 0, sizeof action);
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset (&action.sa_mask);
  action.sa_sigaction = on_kick;
  if (set_handler (KICK_SIGNAL, &action)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "cannot install the vCPU signal: %s", g_strerror (errno));
    return false;
  }
  sigaddset (&action.sa_mask, KICK_SIGNAL);
  action.sa_sigaction = on_fpe;
  sigaction (SIGFPE, &action, &old_fpe);
  installed = true;
  return true;
}

void
signals_thread (TcgVcpu *v)
{
  current = v;
  if (v) {
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, KICK_SIGNAL);
    pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  }
}

void
signals_kick (uint64_t pthread_id)
{
  pthread_kill ((pthread_t) pthread_id, KICK_SIGNAL);
}
