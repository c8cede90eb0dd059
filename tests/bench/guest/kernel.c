/* kernel.c -- work for the guest's kernel: system calls, processes, page faults, context switches; and two processes at once. */
/* SPDX-License-Identifier: MIT */
#include "sys.h"

void work_syscall (void) { for (int i = 0; i < 2000; i++) sys (SYS_GETPPID, 0, 0, 0, 0); }

/* 64 pages mapped, touched and unmapped. */
void
work_mmap (void)
{
  for (int i = 0; i < 8; i++) {
    u8 *p = map_pages (64 * 4096, 0);
    for (int k = 0; k < 64; k++)
      p[k * 4096] = 1;
    unmap_pages (p, 64 * 4096);
  }
}

void
work_fork (void)
{
  for (int i = 0; i < 8; i++) {
    int pid = (int) sys (SYS_FORK, 0, 0, 0, 0);
    if (pid == 0)
      sys (SYS_EXIT, 0, 0, 0, 0);
    wait_for (pid);
  }
}

void
work_fork_exec (void)
{
  static const char *const arguments[] = { "/proc/self/exe", "nothing", 0 };
  for (int i = 0; i < 4; i++) {
    int pid = (int) sys (SYS_FORK, 0, 0, 0, 0);
    if (pid == 0) {
      sys (SYS_EXECVE, (long) arguments[0], (long) arguments, (long) &arguments[2], 0);
      sys (SYS_EXIT, 1, 0, 0, 0);
    }
    sink += (u32) wait_for (pid);
  }
}

/* One byte there and back, 400 times. */
void
work_pipe (void)
{
  int to[2], from[2];
  char c = 0;
  sys (SYS_PIPE, (long) to, 0, 0, 0);
  sys (SYS_PIPE, (long) from, 0, 0, 0);
  int pid = (int) sys (SYS_FORK, 0, 0, 0, 0);
  if (pid == 0) {
    for (int i = 0; i < 400; i++) {
      sys (SYS_READ, to[0], (long) &c, 1, 0);
      sys (SYS_WRITE, from[1], (long) &c, 1, 0);
    }
    sys (SYS_EXIT, 0, 0, 0, 0);
  }
  for (int i = 0; i < 400; i++) {
    sys (SYS_WRITE, to[1], (long) &c, 1, 0);
    sys (SYS_READ, from[0], (long) &c, 1, 0);
  }
  wait_for (pid);
  for (int i = 0; i < 2; i++) {
    sys (SYS_CLOSE, to[i], 0, 0, 0);
    sys (SYS_CLOSE, from[i], 0, 0, 0);
  }
}

/* The same computation in two processes: on two processors it takes half the time. */
void
work_parallel (void)
{
  int pid[2];
  for (int i = 0; i < 2; i++) {
    pid[i] = (int) sys (SYS_FORK, 0, 0, 0, 0);
    if (pid[i] == 0) {
      for (int k = 0; k < 3000; k++)
        work_integer ();
      sys (SYS_EXIT, 0, 0, 0, 0);
    }
  }
  wait_for (pid[0]);
  wait_for (pid[1]);
}
