/* image-lock.c -- byte-range locks on image files, by the convention that QEMU's programs follow too. */
/* SPDX-License-Identifier: MIT */
/*
 * Nothing is stored at those bytes; they only have locks.  A user of the file holds shared locks on one byte for each thing that it does (from
 * BYTE_DOES on), and on one byte for each thing that it bears nobody else to do (from BYTE_EXCLUDES on).  Then it looks whether anybody
 * else excludes what it does, or does what it excludes.  The locks belong to the open file (F_OFD_SETLK): a second opener in this program is another one.
 */
#include "image-file.h"
#include <errno.h>
#include <fcntl.h>

#define BYTE_DOES 100
#define BYTE_EXCLUDES 200
enum { READS_CONSISTENTLY = 1 << 0, WRITES = 1 << 1, RESIZES = 1 << 3 };
#define N_THINGS 4

static int
range_lock (int fd, int command, short type, off_t start, struct flock *range)
{
  int code;
  do {
    *range = (struct flock) { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = 1 };
    code = fcntl (fd, command, range) == 0 ? 0 : errno;
  } while (code == EINTR);
  return code;
}

/* File systems that know no such locks have no users that could be kept out. */
static bool
is_unsupported (int code)
{
  return code == EINVAL || code == ENOSYS || code == ENOTSUP || code == ENOLCK;
}

static bool
refuse (const char *name, bool writable, bool other_writes, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO,
               other_writes ? "`%s` is in use: another program, or another backend, writes to it (locking = off ignores that)"
                            : "`%s` is in use by another program or backend that reads it, so it cannot be %s (locking = off ignores that)",
               name, writable ? "written" : "read");
  return false;
}

/* Another's lock, or a host that cannot say. */
static bool
fail (const char *name, bool writable, int code, GError **error)
{
  if (code == EAGAIN || code == EACCES)
    return refuse (name, writable, true, error);
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot lock `%s`: %s (locking = off does without)", name, g_strerror (code));
  return false;
}

/* Whether somebody does, or excludes, the i-th thing. */
static int
ask (int fd, off_t start, bool *held)
{
  struct flock range;
  int code = range_lock (fd, F_OFD_GETLK, F_WRLCK, start, &range);
  *held = !code && range.l_type != F_UNLCK;
  return is_unsupported (code) ? 0 : code;
}

bool
image_lock (int fd, const char *name, bool writable, GError **error)
{
  unsigned does = READS_CONSISTENTLY | (writable ? WRITES | RESIZES : 0), excludes = WRITES | RESIZES;
  struct flock range;
  for (int i = 0; i < N_THINGS; i++) {
    int code = does >> i & 1 ? range_lock (fd, F_OFD_SETLK, F_RDLCK, BYTE_DOES + i, &range) : 0;
    if (!code && excludes >> i & 1)
      code = range_lock (fd, F_OFD_SETLK, F_RDLCK, BYTE_EXCLUDES + i, &range);
    if (code)
      return is_unsupported (code) || fail (name, writable, code, error);
  }
  for (int i = 0; i < N_THINGS; i++) {
    bool other_does = false, other_excludes = false;
    int code = excludes >> i & 1 ? ask (fd, BYTE_DOES + i, &other_does) : 0;
    if (!code && does >> i & 1)
      code = ask (fd, BYTE_EXCLUDES + i, &other_excludes);
    if (code)
      return fail (name, writable, code, error);
    if (other_does || other_excludes)
      return refuse (name, writable, other_does, error);
  }
  return true;
}
