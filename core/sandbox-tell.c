/* sandbox-tell.c -- the filter in the kernel, and what becomes of calls that it refuses: they fail, and are told, each once. */
/* SPDX-License-Identifier: MIT */
/*
 * A refused call raises SIGSYS in its thread, whose handler makes it return EPERM.  While calls are only observed the kernel asks a thread of ours instead, which has
 * them go on: in a handler, the call could not be made as it was meant.  That way is no confinement: who commands the process could answer himself.
 */
#include "sandbox.h"
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* --- telling: async-signal-safe, without a lock -------------------------------------------------------- */

#define MOST_NUMBERS 1024

typedef struct Line {
  char text[400];
  size_t n;
} Line;

static void
add (Line *l, const char *text)
{
  while (*text && l->n < sizeof l->text)
    l->text[l->n++] = *text++;
}

static void
add_name (Line *l, int number)
{
  const char *name = syscall_name (number);
  char digits[12];
  unsigned at = sizeof digits - 1;
  digits[at] = 0;
  for (unsigned n = (unsigned) number; !name && (n || !digits[at]); n /= 10)
    digits[--at] = (char) ('0' + n % 10);
  add (l, name ? name : digits + at);
}

static void
tell (int number, bool refused)
{
  static uint8_t told[MOST_NUMBERS];
  if ((unsigned) number < MOST_NUMBERS && __atomic_exchange_n (&told[number], 1, __ATOMIC_RELAXED))
    return;
  const char *what = filter_refuses (number);
  Line l = { .n = 0 };
  add (&l, "backplane: [sandbox] ");
  add (&l, refused ? "has refused the system call `" : "would refuse the system call `");
  add_name (&l, number);
  add (&l, *what ? "` for " : "`");
  add (&l, what);
  add (&l, "; `allow = ");
  add_name (&l, number);
  add (&l, "` in that section permits it\n");
  if (write (STDERR_FILENO, l.text, l.n) < 0)
    return;
}

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1           /* the kernel's; not in every C library's headers */
#endif

/* --- refusing ---------------------------------------------------------------------------------------------- */

static void
on_refusal (int signal, siginfo_t *info, void *context)
{
  ucontext_t *c = context;
  int saved_errno = errno;
  if (info->si_code != SYS_SECCOMP)     /* somebody has sent it */
    return;
#if defined __x86_64__
  c->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined __aarch64__
  c->uc_mcontext.regs[0] = (unsigned long long) -EPERM;
#elif defined __riscv
  c->uc_mcontext.__gregs[REG_A0] = (unsigned long) -EPERM;
#endif
  tell (info->si_syscall, true);
  errno = saved_errno;
}

static bool
fail (GError **error, int code)
{
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the kernel takes no filter of system calls%s%s", code == ENOSYS || code == EINVAL ? "" : ": ",
               code == ENOSYS || code == EINVAL ? "" : g_strerror (code));
  return false;
}

/* What seccomp() returns; -1 with errno. */
static long
install (const int *allowed, unsigned n, uint32_t refusal, unsigned flags)
{
  GArray *code = filter_new (allowed, n, refusal);
  if (!code) {
    errno = ENOSYS;
    return -1;
  }
  struct sock_fprog program = { (unsigned short) code->len, (struct sock_filter *) (void *) code->data };
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  long result = syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | flags, &program);
  int saved = errno;
  g_array_unref (code);
  errno = saved;
  return result;
}

bool
filter_enforce (const int *allowed, unsigned n, GError **error)
{
  struct sigaction action = { .sa_flags = SA_SIGINFO | SA_NODEFER, .sa_sigaction = on_refusal }, before;
  sigset_t set;
  sigemptyset (&action.sa_mask);
  sigaction (SIGSYS, &action, &before);
  sigemptyset (&set);
  sigaddset (&set, SIGSYS);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
  long result = install (allowed, n, SECCOMP_RET_TRAP, 0);
  if (result == 0)
    return true;
  sigaction (SIGSYS, &before, NULL);
  return fail (error, result > 0 ? EBUSY : errno);      /* > 0: a thread that has a filter of its own */
}

/* --- observing --------------------------------------------------------------------------------------------- */

/* It goes on before anybody is told: who made the call may hold any lock. */
static void *
observe (void *user)
{
  int fd = GPOINTER_TO_INT (user);
  for (;;) {
    struct seccomp_notif call;
    memset (&call, 0, sizeof call);
    if (ioctl (fd, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
      continue;                 /* interrupted, or the caller is no more */
    struct seccomp_notif_resp answer = { .id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
    ioctl (fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    tell (call.data.nr, false);
  }
  return NULL;
}

bool
filter_observe (const int *allowed, unsigned n, GError **error)
{
  long fd = install (allowed, n, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
  if (fd < 0)
    return fail (error, errno);
  GThread *thread = g_thread_try_new ("sandbox", observe, GINT_TO_POINTER ((int) fd), error);
  if (thread)
    g_thread_unref (thread);
  else
    close ((int) fd);           /* or who makes a call waits for ever */
  return thread;
}
