/* inject.h -- faults of the host on demand: which calls fail, and how. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULTS_INJECT_H
#define TESTS_FAULTS_INJECT_H

#include <stdbool.h>
#include <stdint.h>

/* What a call does for its caller, whatever its name is. */
typedef enum InjectKind {
  INJECT_OPEN,                  /* open, openat, mkstemp's open, memfd_create */
  INJECT_READ,                  /* read, readv, pread, preadv, preadv2 */
  INJECT_WRITE,                 /* write, writev, pwrite, pwritev, pwritev2, fwrite's flushes are not seen */
  INJECT_FLUSH,                 /* fsync, fdatasync */
  INJECT_SPACE,                 /* ftruncate, fallocate, posix_fallocate */
  INJECT_SEEK,                  /* lseek */
  INJECT_STAT,                  /* fstat */
  INJECT_LOCK,                  /* fcntl's locks */
  INJECT_RENAME,                /* rename, link */
  INJECT_MAP,                   /* mmap, mremap: `least` bytes or more */
  INJECT_MEMORY,                /* malloc, calloc, realloc, aligned_alloc: `least` bytes or more; not under AddressSanitizer */
  INJECT_SOCKET,                /* socket, socketpair, bind, listen, getsockname, getaddrinfo */
  INJECT_CONNECT,
  INJECT_ACCEPT,
  INJECT_SEND,                  /* send, sendto, sendmsg, sendmmsg */
  INJECT_RECEIVE,               /* recv, recvfrom, recvmsg, recvmmsg */
  INJECT_RING,                  /* io_uring: the setup, submissions */
  INJECT_RING_ENTRY,            /* what is submitted: it fails with EBADF, whatever the fault is, or is short */
  INJECT_CONTROL,               /* ioctl, pipe, eventfd, timerfd, a thread's start */
  INJECT_KINDS
} InjectKind;

/* Instead of an errno. */
enum { INJECT_SHORT = -1, INJECT_END = -2 };    /* half of what was asked for (at least a byte), the end of the file */

/* One page, which a process that is tested shares with the test (BACKPLANE_FAULTS names its file), or which is the test's own. */
typedef struct InjectPage {
  char pattern[128];            /* a part of the path (/proc/self/fd), for descriptors too: "socket:", "pipe:", "/dev/ptmx"; "": all */
  uint64_t least;               /* for memory */
  int32_t kind;                 /* what is counted and fails; -1: nothing */
  int32_t fault;                /* an errno, or INJECT_SHORT, INJECT_END */
  uint32_t first, n;            /* the first call that fails, counted from 0, and how many do; n 0: none, only count */
  uint32_t calls;               /* atomic: that matched so far */
  uint32_t failed;              /* atomic: of these */
  uint32_t descriptors;         /* the most that a program begins with; 0: as it is */
} InjectPage;

extern InjectPage *inject_page;

#define INJECT_FOREVER UINT32_MAX

/* From now on. */
void inject_arm (InjectKind kind, const char *pattern, uint32_t first, uint32_t n, int fault);
/* No more; how many calls there were. */
uint32_t inject_disarm (void);

#endif
