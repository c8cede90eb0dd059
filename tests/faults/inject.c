/* inject.c -- the host's calls, some of which fail on demand: linked into a test, or LD_PRELOADed into a program. */
/* SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "inject.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

#define BLOCK 4096u
#define VISIBLE __attribute__ ((visibility ("default")))
/* ThreadSanitizer's runtime makes some of the calls before it is ready for instrumented code. */
#define UNWATCHED __attribute__ ((no_sanitize ("thread")))
#define EXPORT VISIBLE UNWATCHED
/* What the C library calls the same function for programs that were built for large files. */
#define ALIAS(name, of) VISIBLE __typeof__ (of) name __attribute__ ((alias (#of)))

static InjectPage own_page = { .kind = -1 };
VISIBLE InjectPage *inject_page = &own_page;

/* --- the plan ---------------------------------------------------------------------------------------- */

void
inject_arm (InjectKind kind, const char *pattern, uint32_t first, uint32_t n, int fault)
{
  InjectPage *p = inject_page;
  __atomic_store_n (&p->kind, -1, __ATOMIC_SEQ_CST);
  snprintf (p->pattern, sizeof p->pattern, "%s", pattern);
  p->first = first;
  p->n = n;
  p->fault = fault;
  p->calls = p->failed = 0;
  __atomic_store_n (&p->kind, kind, __ATOMIC_SEQ_CST);
}

uint32_t
inject_disarm (void)
{
  __atomic_store_n (&inject_page->kind, -1, __ATOMIC_SEQ_CST);
  return __atomic_load_n (&inject_page->calls, __ATOMIC_SEQ_CST);
}

/* Shells on the way to the program do not count. */
__attribute__ ((constructor)) static void
share_page (void)
{
  const char *file = getenv ("BACKPLANE_FAULTS");
  int fd = file && strstr (program_invocation_short_name, "backplane") ? (int) syscall (SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0) : -1;
  if (fd < 0)
    return;
  void *page = (void *) syscall (SYS_mmap, NULL, sizeof own_page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page != MAP_FAILED)
    inject_page = page;
  syscall (SYS_close, fd);
  if (inject_page->descriptors)
    setrlimit (RLIMIT_NOFILE, &(struct rlimit) { inject_page->descriptors, inject_page->descriptors });
}

/* 0: the call is made; else what happens instead. */
static UNWATCHED int
count (InjectKind kind)
{
  InjectPage *p = inject_page;
  uint32_t k = __atomic_fetch_add (&p->calls, 1, __ATOMIC_SEQ_CST);
  if (k < p->first || k - p->first >= p->n)
    return 0;
  __atomic_fetch_add (&p->failed, 1, __ATOMIC_SEQ_CST);
  return p->fault;
}

static UNWATCHED bool
is_armed (InjectKind kind)
{
  return __atomic_load_n (&inject_page->kind, __ATOMIC_SEQ_CST) == (int) kind;
}

static UNWATCHED int
of_path (InjectKind kind, const char *path)
{
  return is_armed (kind) && strstr (path, inject_page->pattern) ? count (kind) : 0;
}

static UNWATCHED int
of_descriptor (InjectKind kind, int fd)
{
  char link[32], path[PATH_MAX];
  if (!is_armed (kind))
    return 0;
  if (!*inject_page->pattern)
    return count (kind);
  int saved = errno;
  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink (link, path, sizeof path - 1);
  errno = saved;
  if (n < 0)
    return 0;
  path[n] = 0;
  return strstr (path, inject_page->pattern) ? count (kind) : 0;
}

static UNWATCHED int
of_nothing (InjectKind kind)
{
  return is_armed (kind) ? count (kind) : 0;
}

static UNWATCHED int
of_bytes (InjectKind kind, size_t n)
{
  return is_armed (kind) && n >= inject_page->least ? count (kind) : 0;
}

/* Fails with an errno; what has no short form fails with EIO. */
static UNWATCHED int
refuse (int fault)
{
  errno = fault > 0 ? fault : EIO;
  return -1;
}

/* What goes past the page cache ends on a block's boundary. */
static bool
is_direct (int fd)
{
  return syscall (SYS_fcntl, fd, F_GETFL, 0) & O_DIRECT;
}

static size_t
shorten (int fault, int fd, size_t n)
{
  if (fault != INJECT_SHORT || n < 2)
    return n;
  return !is_direct (fd) ? n / 2 : n >= 2 * BLOCK ? n / 2 & ~(size_t) (BLOCK - 1) : n;
}

#define NEXT(name) static __typeof__ (&name) next; \
  if (!next) next = (__typeof__ (&name)) dlsym (RTLD_NEXT, #name)

/* --- files ------------------------------------------------------------------------------------------- */

static mode_t
mode_of (int flags, va_list arguments)
{
  return flags & (O_CREAT | O_TMPFILE) ? va_arg (arguments, mode_t) : 0;
}

EXPORT int
open (const char *path, int flags, ...)
{
  NEXT (open);
  va_list arguments;
  va_start (arguments, flags);
  mode_t mode = mode_of (flags, arguments);
  va_end (arguments);
  int fault = of_path (INJECT_OPEN, path);
  return fault ? refuse (fault) : next (path, flags, mode);
}
ALIAS (open64, open);

EXPORT int
openat (int directory, const char *path, int flags, ...)
{
  NEXT (openat);
  va_list arguments;
  va_start (arguments, flags);
  mode_t mode = mode_of (flags, arguments);
  va_end (arguments);
  int fault = of_path (INJECT_OPEN, path);
  return fault ? refuse (fault) : next (directory, path, flags, mode);
}
ALIAS (openat64, openat);

EXPORT int
memfd_create (const char *name, unsigned flags)
{
  NEXT (memfd_create);
  int fault = of_path (INJECT_OPEN, name);
  return fault ? refuse (fault) : next (name, flags);
}

/* One function: `fault` is asked of a descriptor; INJECT_END gives 0; a short one is made with `call`, in which `n` is the size. */
#define TRANSFER(kind, fd, n, call) \
  int fault = of_descriptor (kind, fd); \
  if (fault > 0) return refuse (fault); \
  if (fault == INJECT_END) return 0; \
  n = shorten (fault, fd, n); \
  return call

EXPORT ssize_t read (int fd, void *data, size_t n) { NEXT (read); TRANSFER (INJECT_READ, fd, n, next (fd, data, n)); }
EXPORT ssize_t pread (int fd, void *data, size_t n, off_t at) { NEXT (pread); TRANSFER (INJECT_READ, fd, n, next (fd, data, n, at)); }
ALIAS (pread64, pread);
EXPORT ssize_t write (int fd, const void *data, size_t n) { NEXT (write); TRANSFER (INJECT_WRITE, fd, n, next (fd, data, n)); }
EXPORT ssize_t pwrite (int fd, const void *data, size_t n, off_t at) { NEXT (pwrite); TRANSFER (INJECT_WRITE, fd, n, next (fd, data, n, at)); }
ALIAS (pwrite64, pwrite);

/* Vectors are cut: to half as many, or the only one to half of its length. */
static int
cut (int fault, int fd, const struct iovec **iov, int n, struct iovec *half)
{
  if (fault != INJECT_SHORT || n < 1 || (n > 1 && is_direct (fd)))
    return n;
  if (n > 1)
    return n / 2;
  *half = (struct iovec) { (*iov)->iov_base, shorten (fault, fd, (*iov)->iov_len) };
  *iov = half;
  return 1;
}

#define VECTORS(kind, fd, iov, n, call) \
  struct iovec half; \
  int fault = of_descriptor (kind, fd); \
  if (fault > 0) return refuse (fault); \
  if (fault == INJECT_END) return 0; \
  n = cut (fault, fd, &iov, n, &half); \
  return call

EXPORT ssize_t readv (int fd, const struct iovec *iov, int n) { NEXT (readv); VECTORS (INJECT_READ, fd, iov, n, next (fd, iov, n)); }
EXPORT ssize_t preadv (int fd, const struct iovec *iov, int n, off_t at) { NEXT (preadv); VECTORS (INJECT_READ, fd, iov, n, next (fd, iov, n, at)); }
ALIAS (preadv64, preadv);
EXPORT ssize_t preadv2 (int fd, const struct iovec *iov, int n, off_t at, int flags) { NEXT (preadv2); VECTORS (INJECT_READ, fd, iov, n, next (fd, iov, n, at, flags)); }
ALIAS (preadv64v2, preadv2);
EXPORT ssize_t writev (int fd, const struct iovec *iov, int n) { NEXT (writev); VECTORS (INJECT_WRITE, fd, iov, n, next (fd, iov, n)); }
EXPORT ssize_t pwritev (int fd, const struct iovec *iov, int n, off_t at) { NEXT (pwritev); VECTORS (INJECT_WRITE, fd, iov, n, next (fd, iov, n, at)); }
ALIAS (pwritev64, pwritev);
EXPORT ssize_t pwritev2 (int fd, const struct iovec *iov, int n, off_t at, int flags) { NEXT (pwritev2); VECTORS (INJECT_WRITE, fd, iov, n, next (fd, iov, n, at, flags)); }
ALIAS (pwritev64v2, pwritev2);

#define SIMPLE(kind, fd, call) int fault = of_descriptor (kind, fd); return fault ? refuse (fault) : call

/* The power does not fail here: nothing waits for a disk. */
EXPORT int fsync (int fd) { SIMPLE (INJECT_FLUSH, fd, 0); }
EXPORT int fdatasync (int fd) { SIMPLE (INJECT_FLUSH, fd, 0); }
EXPORT int ftruncate (int fd, off_t n) { NEXT (ftruncate); SIMPLE (INJECT_SPACE, fd, next (fd, n)); }
ALIAS (ftruncate64, ftruncate);
EXPORT int fallocate (int fd, int mode, off_t at, off_t n) { NEXT (fallocate); SIMPLE (INJECT_SPACE, fd, next (fd, mode, at, n)); }
ALIAS (fallocate64, fallocate);
EXPORT off_t lseek (int fd, off_t at, int whence) { NEXT (lseek); SIMPLE (INJECT_SEEK, fd, next (fd, at, whence)); }
ALIAS (lseek64, lseek);
EXPORT int fstat (int fd, struct stat *st) { NEXT (fstat); SIMPLE (INJECT_STAT, fd, next (fd, st)); }

EXPORT int
posix_fallocate (int fd, off_t at, off_t n)
{
  NEXT (posix_fallocate);
  int fault = of_descriptor (INJECT_SPACE, fd);
  return fault ? (fault > 0 ? fault : EIO) : next (fd, at, n);
}
ALIAS (posix_fallocate64, posix_fallocate);

EXPORT int
fcntl (int fd, int command, ...)
{
  NEXT (fcntl);
  va_list arguments;
  va_start (arguments, command);
  void *argument = va_arg (arguments, void *);
  va_end (arguments);
  bool lock = command == F_OFD_SETLK || command == F_OFD_GETLK || command == F_OFD_SETLKW || command == F_SETLK;
  int fault = lock ? of_descriptor (INJECT_LOCK, fd) : 0;
  return fault ? refuse (fault) : next (fd, command, argument);
}
ALIAS (fcntl64, fcntl);

EXPORT int
rename (const char *from, const char *to)
{
  NEXT (rename);
  int fault = of_path (INJECT_RENAME, to);
  return fault ? refuse (fault) : next (from, to);
}

EXPORT int
link (const char *from, const char *to)
{
  NEXT (link);
  int fault = of_path (INJECT_RENAME, to);
  return fault ? refuse (fault) : next (from, to);
}

EXPORT int
linkat (int from_directory, const char *from, int to_directory, const char *to, int flags)
{
  NEXT (linkat);
  int fault = of_path (INJECT_RENAME, to);
  return fault ? refuse (fault) : next (from_directory, from, to_directory, to, flags);
}

/* --- sockets ----------------------------------------------------------------------------------------- */

EXPORT int socket (int domain, int type, int protocol) { NEXT (socket); int fault = of_nothing (INJECT_SOCKET); return fault ? refuse (fault) : next (domain, type, protocol); }
EXPORT int socketpair (int domain, int type, int protocol, int ends[2]) { NEXT (socketpair); int fault = of_nothing (INJECT_SOCKET); return fault ? refuse (fault) : next (domain, type, protocol, ends); }
EXPORT int bind (int fd, const struct sockaddr *address, socklen_t n) { NEXT (bind); SIMPLE (INJECT_SOCKET, fd, next (fd, address, n)); }
EXPORT int listen (int fd, int n) { NEXT (listen); SIMPLE (INJECT_SOCKET, fd, next (fd, n)); }
EXPORT int connect (int fd, const struct sockaddr *address, socklen_t n) { NEXT (connect); SIMPLE (INJECT_CONNECT, fd, next (fd, address, n)); }
EXPORT int accept (int fd, struct sockaddr *address, socklen_t *n) { NEXT (accept); SIMPLE (INJECT_ACCEPT, fd, next (fd, address, n)); }
EXPORT int accept4 (int fd, struct sockaddr *address, socklen_t *n, int flags) { NEXT (accept4); SIMPLE (INJECT_ACCEPT, fd, next (fd, address, n, flags)); }

EXPORT int
getaddrinfo (const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
  NEXT (getaddrinfo);
  int fault = of_nothing (INJECT_SOCKET);
  if (!fault)
    return next (node, service, hints, result);
  errno = fault;
  return fault == ENOMEM ? EAI_MEMORY : EAI_SYSTEM;
}

EXPORT ssize_t send (int fd, const void *data, size_t n, int flags) { NEXT (send); TRANSFER (INJECT_SEND, fd, n, next (fd, data, n, flags)); }
EXPORT ssize_t sendto (int fd, const void *data, size_t n, int flags, const struct sockaddr *to, socklen_t size) { NEXT (sendto); TRANSFER (INJECT_SEND, fd, n, next (fd, data, n, flags, to, size)); }
EXPORT ssize_t recv (int fd, void *data, size_t n, int flags) { NEXT (recv); TRANSFER (INJECT_RECEIVE, fd, n, next (fd, data, n, flags)); }
EXPORT ssize_t recvfrom (int fd, void *data, size_t n, int flags, struct sockaddr *from, socklen_t *size) { NEXT (recvfrom); TRANSFER (INJECT_RECEIVE, fd, n, next (fd, data, n, flags, from, size)); }

EXPORT ssize_t
sendmsg (int fd, const struct msghdr *message, int flags)
{
  NEXT (sendmsg);
  struct msghdr copy = *message;
  struct iovec half;
  const struct iovec *iov = message->msg_iov;
  int fault = of_descriptor (INJECT_SEND, fd);
  if (fault > 0)
    return refuse (fault);
  copy.msg_iovlen = (size_t) cut (fault, fd, &iov, (int) message->msg_iovlen, &half);
  copy.msg_iov = (struct iovec *) iov;
  return next (fd, &copy, flags);
}

EXPORT ssize_t
recvmsg (int fd, struct msghdr *message, int flags)
{
  NEXT (recvmsg);
  int fault = of_descriptor (INJECT_RECEIVE, fd);
  if (fault > 0)
    return refuse (fault);
  return fault == INJECT_END ? 0 : next (fd, message, flags);
}

EXPORT int sendmmsg (int fd, struct mmsghdr *messages, unsigned n, int flags) { NEXT (sendmmsg); TRANSFER (INJECT_SEND, fd, n, next (fd, messages, n, flags)); }
EXPORT int recvmmsg (int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout) { NEXT (recvmmsg); TRANSFER (INJECT_RECEIVE, fd, n, next (fd, messages, n, flags, timeout)); }

/* --- memory, threads, others -------------------------------------------------------------------------- */

EXPORT void *
mmap (void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
  int fault = of_bytes (INJECT_MAP, n);
  NEXT (mmap);
  return fault ? refuse (fault), MAP_FAILED : next (at, n, protection, flags, fd, offset);
}
ALIAS (mmap64, mmap);

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
extern void *__libc_malloc (size_t n), *__libc_calloc (size_t n, size_t size), *__libc_realloc (void *old, size_t n), *__libc_memalign (size_t alignment, size_t n);

static bool
lacks_memory (size_t n)
{
  if (!of_bytes (INJECT_MEMORY, n))
    return false;
  errno = ENOMEM;
  return true;
}

EXPORT void *malloc (size_t n) { return lacks_memory (n) ? NULL : __libc_malloc (n); }
EXPORT void *calloc (size_t n, size_t size) { return lacks_memory (n * size) ? NULL : __libc_calloc (n, size); }
EXPORT void *realloc (void *old, size_t n) { return lacks_memory (n) ? NULL : __libc_realloc (old, n); }
EXPORT void *aligned_alloc (size_t alignment, size_t n) { return lacks_memory (n) ? NULL : __libc_memalign (alignment, n); }

EXPORT int
posix_memalign (void **result, size_t alignment, size_t n)
{
  void *memory = lacks_memory (n) ? NULL : __libc_memalign (alignment, n);
  if (memory)
    *result = memory;
  return memory ? 0 : ENOMEM;
}
#endif

EXPORT int
ioctl (int fd, unsigned long request, ...)
{
  NEXT (ioctl);
  va_list arguments;
  va_start (arguments, request);
  void *argument = va_arg (arguments, void *);
  va_end (arguments);
  SIMPLE (INJECT_CONTROL, fd, next (fd, request, argument));
}

EXPORT int pipe2 (int ends[2], int flags) { NEXT (pipe2); int fault = of_nothing (INJECT_CONTROL); return fault ? refuse (fault) : next (ends, flags); }

EXPORT int
eventfd (unsigned start, int flags)
{
  NEXT (eventfd);
  int fault = of_nothing (INJECT_CONTROL);
  return fault ? refuse (fault) : next (start, flags);
}

EXPORT int
pthread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*run) (void *), void *data)
{
  NEXT (pthread_create);
  return of_nothing (INJECT_CONTROL) ? EAGAIN : next (thread, attributes, run, data);
}

/* --- io_uring: what liburing asks the kernel for -------------------------------------------------------- */

#ifdef HAVE_LIBURING
/* A plugin's library is not among those that come next. */
#define NEXT_OF_RING(name) NEXT (name); \
  if (!next) next = (__typeof__ (&name)) dlsym (dlopen ("liburing.so.2", RTLD_LAZY | RTLD_NOLOAD), #name)

EXPORT int
io_uring_queue_init (unsigned entries, struct io_uring *ring, unsigned flags)
{
  NEXT_OF_RING (io_uring_queue_init);
  int fault = of_nothing (INJECT_RING);
  return fault ? -(fault > 0 ? fault : EIO) : next (entries, ring, flags);
}

/* An entry fails by its descriptor, or is left with half of its vectors. */
static void
spoil_entries (struct io_uring *ring)
{
  for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
    struct io_uring_sqe *sqe = &ring->sq.sqes[i & *ring->sq.kring_mask];
    int fault = of_descriptor (INJECT_RING_ENTRY, sqe->fd);
    if (fault > 0)
      sqe->fd = -1;
    else if (fault == INJECT_SHORT && sqe->len > 1 && !is_direct (sqe->fd))
      sqe->len /= 2;
  }
}

EXPORT int
io_uring_submit (struct io_uring *ring)
{
  NEXT_OF_RING (io_uring_submit);
  int fault = of_nothing (INJECT_RING);
  if (fault)
    return -(fault > 0 ? fault : EIO);
  spoil_entries (ring);
  return next (ring);
}
#endif
