/* test-sandbox.c -- the filter of system calls as a program and in the kernel, what is told of refusals, other users, capabilities, and the section's errors. */
/* SPDX-License-Identifier: MIT */
#include "build.h"
#include "sandbox.h"
#include "../suite.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANDBOX_SANITIZED 1
#endif

extern char **environ;

/* --- the program, interpreted ------------------------------------------------------------------ */

static struct seccomp_data
call (int nr, uint64_t a, uint64_t b, uint64_t c)
{
#if defined __aarch64__
  uint32_t arch = AUDIT_ARCH_AARCH64;
#elif defined __riscv
  uint32_t arch = AUDIT_ARCH_RISCV64;
#else
  uint32_t arch = AUDIT_ARCH_X86_64;
#endif
  return (struct seccomp_data) { .nr = nr, .arch = arch, .args = { a, b, c } };
}

static uint32_t
verdict (const GArray *code, struct seccomp_data d)
{
  uint32_t a = 0;
  for (guint pc = 0, steps = 0;; pc++) {
    const struct sock_filter *f = &g_array_index (code, struct sock_filter, pc);
    ck_assert_uint_lt (pc, code->len);
    ck_assert_uint_lt (steps++, 60);    /* what a call costs that the kernel does not remember */
    switch (f->code) {
    case BPF_LD | BPF_W | BPF_ABS: memcpy (&a, (const char *) &d + f->k, 4); break;
    case BPF_ALU | BPF_AND | BPF_K: a &= f->k; break;
    case BPF_JMP | BPF_JA: pc += f->k; break;
    case BPF_JMP | BPF_JEQ | BPF_K: pc += a == f->k ? f->jt : f->jf; break;
    case BPF_JMP | BPF_JGE | BPF_K: pc += a >= f->k ? f->jt : f->jf; break;
    case BPF_RET | BPF_K: return f->k;
    default: ck_abort_msg ("code %#x", f->code);
    }
  }
}

static const struct { const char *name; bool narrowed; } rows[] = {
#define SYSCALL(name, why) { #name, false },
#define NARROWED(name, rule, why) { #name, true },
#include "sandbox-syscalls.def"
};

/* 0: not in the table */
static int
row_of (int nr)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++)
    if (syscall_number (rows[i].name) == nr)
      return 1 + rows[i].narrowed;
  return 0;
}

START_TEST (every_number) {
  g_autoptr (GArray) code = filter_new (NULL, 0, SECCOMP_RET_TRAP);
  for (int nr = 0; nr < 1000; nr++) {
    int row = row_of (nr);
    uint32_t v = verdict (code, call (nr, 0, 0, 0));
    if (row != 2)
      ck_assert_msg (v == (row ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP), "%d (%s): %#x", nr, syscall_name (nr), v);
  }
}
END_TEST

/* Numbers of another architecture, and of x86's third, are other calls. */
START_TEST (other_numbers) {
  g_autoptr (GArray) code = filter_new (NULL, 0, SECCOMP_RET_TRAP);
  struct seccomp_data d = call (syscall_number ("read"), 0, 0, 0);
  ck_assert_uint_eq (verdict (code, d), SECCOMP_RET_ALLOW);
  d.nr |= 0x40000000;
  ck_assert_uint_eq (verdict (code, d), SECCOMP_RET_TRAP);
  d = call (syscall_number ("read"), 0, 0, 0);
  d.arch = AUDIT_ARCH_I386;
  ck_assert_uint_eq (verdict (code, d), SECCOMP_RET_ERRNO | EPERM);
  d.nr = -1;
  d.arch = call (0, 0, 0, 0).arch;
  ck_assert_uint_eq (verdict (code, d), SECCOMP_RET_TRAP);
}
END_TEST

/* What is newer than the oldest headers that we build with may be unknown; a slip of the pen is unknown everywhere. */
START_TEST (names_are_known) {
  static const char *const recent[] = { "futex_waitv", "futex_wait", "futex_wake", "futex_requeue", "epoll_pwait2", NULL };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    for (unsigned j = 0; j < i; j++)
      ck_assert_str_ne (rows[i].name, rows[j].name);
#ifdef __x86_64__
    ck_assert_msg (syscall_number (rows[i].name) >= 0 || g_strv_contains (recent, rows[i].name), "%s", rows[i].name);
#endif
  }
  ck_assert_int_eq (syscall_number ("getpid"), SYS_getpid);
  ck_assert_str_eq (syscall_name (SYS_getpid), "getpid");
  ck_assert_int_eq (syscall_number ("gtpid"), -1);
  ck_assert_str_eq (syscall_nearest ("gtpid"), "getpid");
  ck_assert_int_eq (capability_number ("dac_override"), CAP_DAC_OVERRIDE);
}
END_TEST

START_TEST (arguments) {
  const uint32_t yes = SECCOMP_RET_ALLOW, no = SECCOMP_RET_TRAP, quietly = SECCOMP_RET_ERRNO | EPERM;
  const struct { int nr; uint64_t a, b, c; uint32_t v; } cases[] = {
    { SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, yes }, { SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, yes },
    { SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, no }, { SYS_mmap, 0, 4096, PROT_WRITE | PROT_EXEC, no },
    { SYS_mmap, 0, 4096, UINT64_C (1) << 40 | PROT_WRITE | PROT_EXEC, no },
    { SYS_mprotect, 0, 4096, PROT_READ | PROT_WRITE, yes }, { SYS_mprotect, 0, 4096, PROT_NONE, yes }, { SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC, no },
    { SYS_socket, AF_UNIX, SOCK_STREAM, 0, yes }, { SYS_socket, AF_INET, SOCK_STREAM, 0, yes }, { SYS_socket, AF_INET6, SOCK_DGRAM, 0, yes },
    { SYS_socket, AF_NETLINK, SOCK_RAW, 0, yes }, { SYS_socket, AF_NETLINK, SOCK_RAW, 9, no }, { SYS_socket, AF_PACKET, SOCK_RAW, 0, no }, { SYS_socket, AF_VSOCK, SOCK_STREAM, 0, no },
    { SYS_ioctl, 5, 0xae80, 0, yes }, { SYS_ioctl, 5, TIOCGWINSZ, 0, yes }, { SYS_ioctl, 5, TIOCSTI, 0, no }, { SYS_ioctl, 5, 0x5381, 0, no },
    { SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, 0, 0, yes },
#ifndef SANDBOX_SANITIZED
    { SYS_clone, SIGCHLD, 0, 0, no }, { SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, quietly },
#endif
    { SYS_clone3, 0, 0, 0, SECCOMP_RET_ERRNO | ENOSYS },
    { SYS_io_uring_setup, 8, 0, 0, quietly },
    { SYS_prctl, PR_SET_NAME, 0, 0, yes }, { SYS_prctl, PR_SET_SECCOMP, 0, 0, no }, { SYS_prctl, PR_SET_MM, 0, 0, no },
    { SYS_prlimit64, 0, RLIMIT_NOFILE, 0, yes }, { SYS_prlimit64, 0, RLIMIT_NOFILE, 0x1000, no }, { SYS_prlimit64, 0, RLIMIT_NOFILE, UINT64_C (1) << 40, no },
    { SYS_tgkill, (uint64_t) getpid (), 7, SIGUSR1, yes }, { SYS_kill, 1, SIGTERM, 0, no }, { SYS_kill, (uint64_t) -1, SIGTERM, 0, no }, { SYS_kill, 0, SIGTERM, 0, no },
  };
  g_autoptr (GArray) code = filter_new (NULL, 0, SECCOMP_RET_TRAP);
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    ck_assert_msg (verdict (code, call (cases[i].nr, cases[i].a, cases[i].b, cases[i].c)) == cases[i].v, "case %u (%s)", i, syscall_name (cases[i].nr));
}
END_TEST

START_TEST (more_is_allowed) {
  const int more[] = { SYS_ptrace, SYS_mmap, 1000, SYS_ptrace };
  g_autoptr (GArray) code = filter_new (more, G_N_ELEMENTS (more), SECCOMP_RET_TRAP);
  ck_assert_uint_eq (verdict (code, call (SYS_ptrace, 0, 0, 0)), SECCOMP_RET_ALLOW);
  ck_assert_uint_eq (verdict (code, call (SYS_mmap, 0, 4096, PROT_WRITE | PROT_EXEC)), SECCOMP_RET_ALLOW);
  ck_assert_uint_eq (verdict (code, call (1000, 0, 0, 0)), SECCOMP_RET_ALLOW);
  ck_assert_uint_eq (verdict (code, call (999, 0, 0, 0)), SECCOMP_RET_TRAP);
  ck_assert_uint_eq (verdict (code, call (1001, 0, 0, 0)), SECCOMP_RET_TRAP);
  ck_assert_uint_eq (verdict (code, call (SYS_mount, 0, 0, 0)), SECCOMP_RET_TRAP);
}
END_TEST

/* --- in the kernel: each test is a process of its own ------------------------------------------ */

static char *said_path;
static int gate[2];

static void
listen_to_errors (void)
{
  int fd = g_file_open_tmp ("said-XXXXXX", &said_path, NULL);
  ck_assert_int_ge (fd, 0);
  fflush (stderr);
  dup2 (fd, STDERR_FILENO);
}

static unsigned
times_said (const char *text)
{
  g_autofree char *all = NULL;
  unsigned n = 0;
  ck_assert (g_file_get_contents (said_path, &all, NULL, NULL));
  for (const char *p = all; (p = strstr (p, text)); p++)
    n++;
  return n;
}

/* A host without filters, a container perhaps, has nothing to test. */
static bool
enforced (int a, int b)
{
  const int more[] = { a, b, SYS_timer_create, SYS_timer_delete };      /* Check's clock */
  g_autoptr (GError) error = NULL;
  listen_to_errors ();
  if (filter_enforce (more, G_N_ELEMENTS (more), &error))
    return true;
  printf ("skipped: %s\n", error->message);
  return false;
}

#define ck_assert_refused(expression) \
  do { \
    errno = 0; \
    ck_assert_int_eq ((long) (expression), -1); \
    ck_assert_int_eq (errno, EPERM); \
  } while (0)

START_TEST (refusals) {
  char *argv[] = { (char *) "true", NULL };
  pid_t pid;
  if (!enforced (SYS_read, SYS_read))
    return;
#ifndef SANDBOX_SANITIZED
  ck_assert_refused (execve ("/bin/true", argv, environ));
  ck_assert_refused (fork ());
  ck_assert_int_eq (posix_spawn (&pid, "/bin/true", NULL, NULL, argv, environ), EPERM);
  ck_assert_refused (ptrace (PTRACE_TRACEME, 0, NULL, NULL));
#else
  pid = 0;
  argv[0] = NULL;
#endif
  ck_assert_refused (syscall (SYS_setuid, 0));
  ck_assert_refused (syscall (SYS_unshare, 0));
  ck_assert_refused (syscall (SYS_io_uring_setup, 1, NULL));
  ck_assert_refused (socket (AF_PACKET, SOCK_RAW, 0));
  ck_assert_refused (kill (getppid (), 0));
  ck_assert_refused (mmap (NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
END_TEST

static void *
touch (void *user)
{
  *(int *) user += 1;
  return NULL;
}

START_TEST (what_is_needed) {
  if (!enforced (SYS_read, SYS_read))
    return;
  int n = 0, fd = open ("/dev/null", O_RDWR), s = socket (AF_UNIX, SOCK_STREAM, 0);
  g_thread_join (g_thread_new ("another", touch, &n));
  ck_assert_int_eq (n, 1);
  ck_assert_int_ge (fd, 0);
  ck_assert_int_ge (s, 0);
  char *page = mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne (page, MAP_FAILED);
  ck_assert_int_eq (mprotect (page, 4096, PROT_READ), 0);
  ck_assert_refused (mprotect (page, 4096, PROT_READ | PROT_EXEC));
  struct rlimit limit;
  ck_assert_int_eq (getrlimit (RLIMIT_NOFILE, &limit), 0);
  close (fd);
  close (s);
}
END_TEST

/* --- threads that were there before are confined too, and in the middle of what they do. */
static void *
try_unshare (void *user)
{
  char go;
  ck_assert_int_eq (read (gate[0], &go, 1), 1);
  errno = 0;
  return GINT_TO_POINTER (syscall (SYS_unshare, 0) == -1 ? errno : 0);
}

START_TEST (all_threads) {
  ck_assert_int_eq (pipe (gate), 0);
  GThread *before = g_thread_new ("before", try_unshare, NULL);
  if (!enforced (SYS_read, SYS_read))
    return;
  ck_assert_int_eq (write (gate[1], "x", 1), 1);
  ck_assert_int_eq (GPOINTER_TO_INT (g_thread_join (before)), EPERM);
}
END_TEST

START_TEST (refusals_are_told_once) {
  if (!enforced (SYS_read, SYS_read))
    return;
  for (int i = 0; i < 3; i++) {
    ck_assert_refused (syscall (SYS_unshare, 0));
    ck_assert_refused (socket (AF_PACKET, SOCK_RAW, 0));
    ck_assert_refused (syscall (1000));
  }
  ck_assert_uint_eq (times_said ("backplane: [sandbox] has refused the system call `unshare`; `allow = unshare` in that section permits it\n"), 1);
  ck_assert_uint_eq (times_said ("has refused the system call `socket` for a family other than Unix's and the Internet's; `allow = socket` in"), 1);
  ck_assert_uint_eq (times_said ("has refused the system call `1000`; `allow = 1000` in"), 1);
  ck_assert_uint_eq (times_said ("\n"), 3);
  raise (SIGSYS);               /* somebody's idea of a joke */
  ck_assert_uint_eq (times_said ("\n"), 3);
}
END_TEST

START_TEST (allowed_by_name) {
  if (!enforced (SYS_unshare, SYS_mprotect))
    return;
  ck_assert_int_eq (syscall (SYS_unshare, 0), 0);
  void *page = mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_int_eq (mprotect (page, 4096, PROT_READ | PROT_EXEC), 0);
  ck_assert_uint_eq (times_said ("\n"), 0);
}
END_TEST

static unsigned
said_in_time (const char *text)
{
  for (int i = 0; i < 500 && !times_said (text); i++)
    g_usleep (10000);
  return times_said (text);
}

/* Observed calls are made, those too that another process comes of. */
START_TEST (observed) {
  g_autoptr (GError) error = NULL;
  char *argv[] = { (char *) "true", NULL };
  pid_t pid;
  int status;
  listen_to_errors ();
  if (!filter_observe (NULL, 0, &error)) {
    printf ("skipped: %s\n", error->message);
    return;
  }
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq (syscall (SYS_unshare, 0), 0);
  ck_assert_uint_eq (said_in_time ("backplane: [sandbox] would refuse the system call `unshare`; `allow = unshare` in that section permits it\n"), 1);
  ck_assert_int_eq (posix_spawn (&pid, "/bin/true", NULL, NULL, argv, environ), 0);
  ck_assert_int_eq (waitpid (pid, &status, 0), pid);
  ck_assert_int_eq (status, 0);
#ifndef SANDBOX_SANITIZED
  ck_assert_uint_eq (said_in_time ("would refuse the system call `clone` for a process, not a thread; "), 1);
  ck_assert_uint_eq (said_in_time ("would refuse the system call `execve`; "), 1);
#endif
  void *page = mmap (NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne (page, MAP_FAILED);
  ck_assert_uint_eq (said_in_time ("would refuse the system call `mmap` for memory that is writable and executable; "), 1);
}
END_TEST

/* --- privileges --------------------------------------------------------------------------------------- */

/* ThreadSanitizer's own thread blocks all signals for good, and keeps what it has. */
static bool
is_tools_own (const char *status)
{
#ifdef __SANITIZE_THREAD__
  return strstr (status, "\nSigBlk:\tfffffff");
#else
  return false;
#endif
}

/* The line of each thread's status must be as the first one's, and what is expected. */
static void
all_threads_say (const char *key, const char *expected)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);
  unsigned n = 0;
  for (const char *tid; (tid = g_dir_read_name (tasks));) {
    g_autofree char *path = g_strdup_printf ("/proc/self/task/%s/status", tid), *text = NULL;
    ck_assert (g_file_get_contents (path, &text, NULL, NULL));
    if (is_tools_own (text))
      continue;
    n++;
    const char *line = strstr (text, key);
    ck_assert_ptr_nonnull (line);
    g_autofree char *value = g_strstrip (g_strndup (line + strlen (key), strcspn (line + strlen (key), "\n")));
    ck_assert_msg (strcmp (value, expected) == 0, "thread %s: %s `%s`, not `%s`", tid, key, value, expected);
  }
  ck_assert_uint_ge (n, 3);
}

static void *
wait_for_gate (void *user)
{
  char go;
  while (read (gate[0], &go, 1) < 0)
    continue;
  return NULL;
}

/* Two threads besides the first one. */
static void
make_threads (void)
{
  ck_assert_int_eq (pipe (gate), 0);
  for (int i = 0; i < 2; i++)
    g_thread_unref (g_thread_new ("waits", wait_for_gate, NULL));
}

static bool
is_root (void)
{
  if (geteuid () == 0)
    return true;
  printf ("skipped: not root\n");
  return false;
}

START_TEST (another_user) {
  g_autoptr (GError) error = NULL;
  const struct passwd *who = getpwnam ("nobody");
  gid_t groups[3] = { 0, 1, 2 };
  if (!is_root () || !who)
    return;
  unsigned uid = who->pw_uid, gid = who->pw_gid;
  int dumpable = prctl (PR_GET_DUMPABLE);
  ck_assert_int_eq (setgroups (3, groups), 0);
  make_threads ();
  ck_assert_msg (privileges_change_user ("nobody", &error), "%s", error ? error->message : "");
  ck_assert (privileges_drop (0, NULL));
  g_autofree char *uids = g_strdup_printf ("%u\t%u\t%u\t%u", uid, uid, uid, uid), *gids = g_strdup_printf ("%u\t%u\t%u\t%u", gid, gid, gid, gid);
  g_autofree char *group = g_strdup_printf ("%u", gid);
  all_threads_say ("\nUid:", uids);
  all_threads_say ("\nGid:", gids);
  all_threads_say ("\nGroups:", group);
  all_threads_say ("\nCapEff:", "0000000000000000");
  all_threads_say ("\nCapPrm:", "0000000000000000");
  ck_assert_int_eq (setuid (0), -1);
  ck_assert_int_eq (prctl (PR_GET_DUMPABLE), dumpable);
}
END_TEST

START_TEST (no_capabilities) {
  if (!is_root ())
    return;
  privileges_prepare (0);
  g_source_unref (g_unix_signal_source_new (SIGINT));   /* GLib's thread is there now at the latest */
  make_threads ();
  g_autoptr (GError) error = NULL;
  ck_assert_msg (privileges_drop (0, &error), "%s", error ? error->message : "");
  all_threads_say ("\nCapEff:", "0000000000000000");
  all_threads_say ("\nCapPrm:", "0000000000000000");
  all_threads_say ("\nCapBnd:", "0000000000000000");
  ck_assert_int_eq (prctl (PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}
END_TEST

/* What handlers ask the kernel takes as long as on a host that has better things to do. */
static bool is_slow;

int
prctl (int what, ...)
{
  va_list rest;
  va_start (rest, what);
  unsigned long a = va_arg (rest, unsigned long), b = va_arg (rest, unsigned long), c = va_arg (rest, unsigned long), d = va_arg (rest, unsigned long);
  va_end (rest);
  if (is_slow && what == PR_CAPBSET_READ)
    nanosleep (&(struct timespec) { .tv_nsec = 20000 }, NULL);
  return (int) syscall (SYS_prctl, what, a, b, c, d);
}

/* Threads that have dropped all, and are in their handlers still when the filter comes, would end the process. */
START_TEST (a_filter_comes_after_all_handlers) {
  if (!is_root ())
    return;
  for (int round = 0; round < 20; round++) {
    pid_t child = fork ();
    if (child == 0) {
      make_threads ();
      is_slow = true;
      _exit (!privileges_drop (0, NULL) || !filter_enforce (NULL, 0, NULL));
    }
    int status;
    ck_assert_int_eq (waitpid (child, &status, 0), child);
    ck_assert_msg (status == 0, "round %d: wait status %x", round, (unsigned) status);
  }
}
END_TEST

START_TEST (some_capabilities) {
  const uint64_t chown_only = UINT64_C (1) << CAP_CHOWN;
  if (!is_root ())
    return;
  make_threads ();
  ck_assert (privileges_drop (chown_only, NULL));
  all_threads_say ("\nCapPrm:", "0000000000000001");
  all_threads_say ("\nCapEff:", "0000000000000001");
}
END_TEST

/* A thread that takes no signals keeps what it has, which is said. */
static void *
deaf (void *user)
{
  sigset_t all;
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, NULL);
  ck_assert_int_eq (write (gate[1], "x", 1), 1);
  pause ();
  return NULL;
}

START_TEST (deaf_threads) {
  char ready;
  g_autoptr (GError) error = NULL;
#ifdef SANDBOX_SANITIZED
  return;                       /* a thread with more rights than the others is one that the leak checker waits for, for ever */
#endif
  if (!is_root ())
    return;
  ck_assert_int_eq (pipe (gate), 0);
  g_thread_unref (g_thread_new ("deaf", deaf, NULL));
  ck_assert_int_eq (read (gate[0], &ready, 1), 1);
  ck_assert (!privileges_drop (0, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "the thread `deaf` takes no signals, and keeps root's capabilities"));
}
END_TEST

START_TEST (users_that_cannot_be) {
  g_autoptr (GError) error = NULL;
  ck_assert (!privileges_change_user ("no-such-user-here", &error));
  ck_assert_str_eq (error->message, "user = no-such-user-here: the host has no such user");
  g_clear_error (&error);
  if (geteuid () == 0)
    ck_assert (privileges_change_user ("nobody", NULL));
  ck_assert (!privileges_change_user ("root", &error));
  ck_assert_str_eq (error->message, "user = root: only a machine that root has started becomes another user");
  const struct passwd *me = getpwuid (getuid ());
  ck_assert (!me || privileges_change_user (me->pw_name, NULL));
}
END_TEST

/* --- the section ---------------------------------------------------------------------------------------- */

static Descriptor *
descriptor_of (const char *section)
{
  g_autofree char *path = NULL, *text = g_strdup_printf ("[machine]\nformat = 1\n\n[sandbox]\n%s", section);
  close (g_file_open_tmp ("sandbox-XXXXXX.ini", &path, NULL));
  ck_assert (g_file_set_contents (path, text, -1, NULL));
  Descriptor *d = descriptor_load (path, NULL);
  g_unlink (path);
  return d;
}

START_TEST (errors) {
  static const char *const cases[][2] = {
    { "seccomp = onn\n", "[sandbox] seccomp: `onn` is neither off, log nor on (did you mean `on`?)" },
    { "allow = mbind ptrce\n", "[sandbox] allow: `ptrce` is not a system call of this host (did you mean `ptrace`?)" },
    { "capabilities = chown, CAP_DAC_OVERIDE\n", "[sandbox] capabilities: `CAP_DAC_OVERIDE` is not a capability" },
    { "user = rooot\n", "[sandbox] user: the host has no user `rooot` (did you mean `root`?)" },
    { "user = nobody\ncapabilities = chown\n", "[sandbox] capabilities: another user than root has none" },
    { "secomp = on\n", "[sandbox] secomp: unknown key (did you mean `seccomp`?)" },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    Descriptor *d = descriptor_of (cases[i][0]);
    ck_assert_ptr_null (machine_build (d));
    ck_assert_uint_eq (d->errors->len, 1);
    ck_assert_msg (strstr (d->errors->pdata[0], cases[i][1]) != NULL, "%s", (char *) d->errors->pdata[0]);
    descriptor_free (d);
  }
}
END_TEST

/* What is off changes nothing of the process. */
START_TEST (off) {
  Descriptor *d = descriptor_of ("seccomp = off ; for now\nallow = ptrace, 500\n");
  BpMachine *m = machine_build (d);
  ck_assert_ptr_nonnull (m);
  ck_assert (sandbox_enter (m, NULL));
  ck_assert_int_eq (prctl (PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
  ck_assert_int_eq (prctl (PR_GET_SECCOMP), 0);
  ck_assert (sandbox_may_start_commands ("exec:", NULL));
  machine_free (m);
  descriptor_free (d);
}
END_TEST

START_TEST (on) {
  g_autoptr (GError) error = NULL;
  Descriptor *d = descriptor_of ("seccomp = on\nallow = unshare timer_create timer_delete\n");
  BpMachine *m = machine_build (d);
  ck_assert_ptr_nonnull (m);
  listen_to_errors ();
  ck_assert (sandbox_enter (m, NULL));
  ck_assert_int_eq (prctl (PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
  if (times_said ("takes no filter of system calls") == 0) {
    ck_assert_int_eq (syscall (SYS_unshare, 0), 0);
    ck_assert_refused (syscall (SYS_setuid, 0));
    ck_assert (!sandbox_may_start_commands ("exec:", &error));
    ck_assert_str_eq (error->message, "exec: a confined machine starts no commands (it needs [sandbox] seccomp = off)");
  }
  machine_free (m);
  descriptor_free (d);
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = { every_number, other_numbers, names_are_known, arguments, more_is_allowed, refusals, what_is_needed, all_threads, refusals_are_told_once,
                                 allowed_by_name, observed, another_user, no_capabilities, a_filter_comes_after_all_handlers, some_capabilities, deaf_threads, users_that_cannot_be, errors, off, on };
  Suite *suite = suite_create ("sandbox");
  TCase *all = tcase_create ("all");
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    tcase_add_test (all, tests[i]);
  suite_add_tcase (suite, all);
  return suite_run (suite);
}
