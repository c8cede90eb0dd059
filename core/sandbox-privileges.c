/* sandbox-privileges.c -- who the process is, and what it may besides: another user, no capabilities, in all threads. */
/* SPDX-License-Identifier: MIT */
/*
 * The C library changes users for all threads; capabilities the kernel changes for one.  When there are any, each thread drops its own in a signal's handler.
 */
#include "sandbox.h"
#include <errno.h>
#include <glib-unix.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DROP_SIGNAL SIGSYS      /* nobody else's before there is a filter */
#define STEP 100                /* us */
#define PATIENCE 5000           /* steps: a thread takes its signal when the kernel lets it go, and none when it has just been made */

/* --- the user --------------------------------------------------------------------------------------- */

static bool
failed (const char *what, const char *name, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "user = %s: %s: %s", name, what, g_strerror (errno));
  return false;
}

/* A change of users takes core dumps and /proc/self away, as if the program had been set-user-ID; it was its own before. */
bool
privileges_change_user (const char *name, GError **error)
{
  errno = 0;
  const struct passwd *who = getpwnam (name);
  if (!who) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "user = %s: the host has no such user", name);
    return false;
  }
  uid_t uid = who->pw_uid;
  gid_t gid = who->pw_gid;
  if (geteuid () == uid && getuid () == uid)
    return true;
  if (geteuid () != 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "user = %s: only a machine that root has started becomes another user", name);
    return false;
  }
  int dumpable = prctl (PR_GET_DUMPABLE, 0, 0, 0, 0);
  if (initgroups (name, gid) != 0)
    return failed ("its groups", name, error);
  if (setresgid (gid, gid, gid) != 0)
    return failed ("its group", name, error);
  if (setresuid (uid, uid, uid) != 0)
    return failed ("its number", name, error);
  if (dumpable == 1)
    prctl (PR_SET_DUMPABLE, 1, 0, 0, 0);
  return true;
}

/* --- capabilities of one thread ----------------------------------------------------------------------- */

typedef struct __user_cap_header_struct Header;
typedef struct __user_cap_data_struct Half;

static uint64_t
permitted_here (void)
{
  Header h = { _LINUX_CAPABILITY_VERSION_3, 0 };
  Half d[2] = { { 0 } };
  return syscall (SYS_capget, &h, d) ? 0 : d[0].permitted | (uint64_t) d[1].permitted << 32;
}

/* async-signal-safe */
static void
drop_here (uint64_t kept)
{
  uint64_t left = permitted_here () & kept;
  Header h = { _LINUX_CAPABILITY_VERSION_3, 0 };
  Half d[2] = { { (uint32_t) left, (uint32_t) left, 0 }, { (uint32_t) (left >> 32), (uint32_t) (left >> 32), 0 } };
  for (int i = 0; i < 64 && prctl (PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
    if (!(kept >> i & 1))
      prctl (PR_CAPBSET_DROP, i, 0, 0, 0);
  prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  syscall (SYS_capset, &h, d);
}

/* --- all threads ------------------------------------------------------------------------------------------ */

/* A thread is asked once, and has answered when it has nothing more to do: a filter that comes while it is in its handler would end the process. */
typedef struct Asked Asked;
struct Asked {
  pid_t tid;
  bool answered;                /* atomic */
  Asked *next;
};

static uint64_t kept_by_all;
static Asked *asked;            /* atomic: handlers read it */

static Asked *
asked_of (pid_t tid)
{
  Asked *a = __atomic_load_n (&asked, __ATOMIC_ACQUIRE);
  while (a && a->tid != tid)
    a = a->next;
  return a;
}

static void
on_drop (int signal)
{
  int saved_errno = errno;
  drop_here (kept_by_all);
  Asked *a = asked_of ((pid_t) syscall (SYS_gettid));
  if (a)
    __atomic_store_n (&a->answered, true, __ATOMIC_RELEASE);
  errno = saved_errno;
}

static void
ask (pid_t tid)
{
  Asked *a = asked_of (tid);
  if (a && !__atomic_load_n (&a->answered, __ATOMIC_ACQUIRE))
    return;                     /* its signal waits */
  if (!a) {
    a = g_new0 (Asked, 1);
    a->tid = tid;
    a->next = asked;
    __atomic_store_n (&asked, a, __ATOMIC_RELEASE);
  }
  __atomic_store_n (&a->answered, false, __ATOMIC_RELEASE);     /* of a thread before it with the same number */
  syscall (SYS_tgkill, getpid (), tid, DROP_SIGNAL);
}

/* ThreadSanitizer's own thread blocks all signals for good. */
static bool
is_tools_own (const char *status)
{
#ifdef __SANITIZE_THREAD__
  uint64_t blocked;
  const char *line = strstr (status, "\nSigBlk:");
  return line && sscanf (line, "\nSigBlk: %" G_GINT64_MODIFIER "x", &blocked) == 1 && (blocked >> (DROP_SIGNAL - 1) & 1);
#else
  return false;
#endif
}

/* The name of a thread that has more than it keeps, and is asked to drop it; NULL: it has not.  The kernel's own workers for rings are among a process's threads,
 * take no signals, and have the rights of whoever asked. */
static char *
ask_thread (const char *tid)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%s/status", tid), *text = NULL;
  uint64_t permitted;
  if (!g_file_get_contents (path, &text, NULL, NULL) || g_str_has_prefix (text, "Name:\tiou-") || is_tools_own (text))
    return NULL;
  const char *line = strstr (text, "\nCapPrm:"), *name = text + strlen ("Name:\t");
  if (!line || sscanf (line, "\nCapPrm: %" G_GINT64_MODIFIER "x", &permitted) != 1 || !(permitted & ~kept_by_all))
    return NULL;
  ask (atoi (tid));
  return g_strndup (name, strcspn (name, "\n"));
}

/* One of them. */
static char *
ask_threads (void)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);
  char *one = NULL;
  for (const char *tid; tasks && (tid = g_dir_read_name (tasks));) {
    char *name = ask_thread (tid);
    if (!name)
      continue;
    g_free (one);
    one = name;
  }
  return one;
}

/* The name of one that is in its handler still; NULL: there is none. */
static char *
unanswered (void)
{
  char *name = NULL;
  for (const Asked *a = asked; a && !name; a = a->next) {
    g_autofree char *path = g_strdup_printf ("/proc/self/task/%d/comm", a->tid);
    if (!__atomic_load_n (&a->answered, __ATOMIC_ACQUIRE) && g_file_get_contents (path, &name, NULL, NULL))
      g_strchomp (name);
  }
  return name;
}

static void
forget_asked (void)
{
  for (Asked *a = g_steal_pointer (&asked), *next; a; a = next) {
    next = a->next;
    g_free (a);
  }
}

bool
privileges_drop (uint64_t kept, GError **error)
{
  struct sigaction action = { .sa_handler = on_drop, .sa_flags = SA_RESTART };
  bool had_any = permitted_here ();
  char *name;
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  kept_by_all = kept;
  drop_here (kept);
  if (!had_any)
    return true;                /* nor has a thread that it has made */
  sigemptyset (&action.sa_mask);
  sigaction (DROP_SIGNAL, &action, NULL);
  for (unsigned i = 0; ((name = ask_threads ()) || (name = unanswered ())) && i < PATIENCE; i++) {
    g_free (name);
    g_usleep (STEP);
  }
  signal (DROP_SIGNAL, SIG_IGN);
  if (!name) {
    forget_asked ();
    return true;
  }
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the thread `%s` takes no signals, and keeps root's capabilities (`user = NAME` takes them away)", name);
  g_free (name);
  return false;
}

/* --- GLib's thread ---------------------------------------------------------------------------------------- */

static void *
make_worker (void *kept)
{
  drop_here (*(const uint64_t *) kept);
  g_source_unref (g_unix_signal_source_new (SIGTERM));
  return NULL;
}

void
privileges_prepare (uint64_t kept)
{
  GThread *thread = permitted_here () ? g_thread_try_new ("worker", make_worker, &kept, NULL) : NULL;
  if (thread)
    g_thread_join (thread);     /* else GLib's thread has what it is made with, and privileges_drop asks it */
}
