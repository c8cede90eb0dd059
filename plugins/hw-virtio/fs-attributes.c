/* fs-attributes.c -- attributes of files in the shared folder, and of its file system. */
/* SPDX-License-Identifier: MIT */
#include "fs-private.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* --- reading -------------------------------------------------------------------------------------- */

static int
put_attributes (Call *c, int fd, const struct stat *st)
{
  struct fuse_attr_out out = { 0 };
  int error = owner_attributes (c->s, fd, st, &out.attr);
  call_validity (c->s, &out.attr_valid, &out.attr_valid_nsec);
  if (!error)
    call_put (c, &out, sizeof out);
  return error;
}

/* An open file's, when the driver names one, so that one without a name is found too. */
static int
open_target (Call *c, bool has_handle, uint64_t handle, struct stat *st, int *fd)
{
  int error = 0;
  Handle *h = has_handle ? handles_get (c->s, handle, false, &error) : NULL;
  if (h) {
    *fd = fcntl (h->fd, F_DUPFD_CLOEXEC, 0);
    error = *fd < 0 || fstat (*fd, st) != 0 ? errno : 0;
    if (error && *fd >= 0)
      close (*fd);
    handle_unref (c->s, h);
    return error;
  }
  *fd = nodes_open_moved (c->s, c->h.nodeid, st);
  return *fd < 0 ? -*fd : 0;
}

int
op_getattr (Call *c)
{
  CALL_IN (c, fuse_getattr_in, in);
  struct stat st;
  int fd, error = open_target (c, in.getattr_flags & FUSE_GETATTR_FH, in.fh, &st, &fd);
  if (error)
    return error;
  error = put_attributes (c, fd, &st);
  close (fd);
  return error;
}

/* --- changing ---------------------------------------------------------------------------------------- */

/* A path's descriptor cannot be cut.  What is open is cut as it was opened: its mode may forbid more by now, or it may have moved out of the folder. */
static int
set_size (Call *c, const struct fuse_setattr_in *in, int fd, const struct stat *st)
{
  if (in->size > INT64_MAX)
    return EFBIG;
  if (!(fcntl (fd, F_GETFL) & O_PATH))
    return ftruncate (fd, (off_t) in->size) == 0 ? 0 : errno;
  int file = handles_reopen (c->s, fd, st, O_WRONLY, false);
  if (file < 0)
    return -file;
  int error = ftruncate (file, (off_t) in->size) == 0 ? 0 : errno;
  close (file);
  return error;
}


static struct timespec
time_to_set (uint32_t valid, uint32_t bit, uint32_t bit_now, uint64_t seconds, uint32_t nanoseconds)
{
  struct timespec t = { .tv_nsec = UTIME_OMIT };
  if (valid & bit_now)
    t.tv_nsec = UTIME_NOW;
  else if (valid & bit)
    t = (struct timespec) { (time_t) seconds, (long) nanoseconds };
  return t;
}

static int
set_times (const struct fuse_setattr_in *in, int fd)
{
  if ((in->valid & FATTR_ATIME && in->atimensec > 999999999) || (in->valid & FATTR_MTIME && in->mtimensec > 999999999))
    return EINVAL;
  struct timespec times[2] = { time_to_set (in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
                               time_to_set (in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec) };
  return utimensat (AT_FDCWD, FD_PATH (fd), times, 0) == 0 ? 0 : errno;
}

static int
change (Call *c, const struct fuse_setattr_in *in, int fd, const struct stat *st)
{
  int error = 0;
  if (in->valid & (FATTR_UID | FATTR_GID))
    error = owner_set (c->s, fd, st, in->valid & FATTR_UID ? in->uid : ~0u, in->valid & FATTR_GID ? in->gid : ~0u);
  if (!error && in->valid & FATTR_MODE)
    error = owner_set_mode (c->s, fd, st, in->mode);
  if (!error && in->valid & FATTR_SIZE)
    error = set_size (c, in, fd, st);
  if (!error && in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW))
    error = set_times (in, fd);
  return error;
}

int
op_setattr (Call *c)
{
  CALL_IN (c, fuse_setattr_in, in);
  struct stat st;
  int fd, error = open_target (c, in.valid & FATTR_FH, in.fh, &st, &fd);
  if (error)
    return error;
  error = change (c, &in, fd, &st);
  if (!error && fstat (fd, &st) != 0)
    error = errno;
  if (!error)
    error = put_attributes (c, fd, &st);
  close (fd);
  return error;
}

/* Drivers check access by attributes themselves, as Linux's does; whoever asks is told by the same. */
int
op_access (Call *c)
{
  CALL_IN (c, fuse_access_in, in);
  struct fuse_attr a;
  struct stat st;
  int fd = nodes_open (c->s, c->h.nodeid, &st);
  if (fd < 0)
    return -fd;
  int error = owner_attributes (c->s, fd, &st, &a);
  close (fd);
  if (error)
    return error;
  if (in.mask & W_OK && c->s->share->read_only)
    return EROFS;
  uint32_t all = a.mode & 0111 || S_ISDIR (a.mode) ? 7 : 6;
  uint32_t may = c->h.uid == 0 ? all : c->h.uid == a.uid ? a.mode >> 6 : c->h.gid == a.gid ? a.mode >> 3 : a.mode;
  return in.mask & 7 & ~may ? EACCES : 0;
}

/* --- the file system ------------------------------------------------------------------------------------ */

int
op_statfs (Call *c)
{
  struct statvfs v;
  if (fstatvfs (c->s->share->root, &v) != 0)
    return errno;
  struct fuse_statfs_out out = { .st = { .blocks = v.f_blocks, .bfree = v.f_bfree, .bavail = v.f_bavail, .files = v.f_files, .ffree = v.f_ffree,
                                         .bsize = (uint32_t) v.f_bsize, .namelen = (uint32_t) v.f_namemax, .frsize = (uint32_t) v.f_frsize } };
  call_put (c, &out, sizeof out);
  return 0;
}

int
op_syncfs (Call *c)
{
  if (c->s->share->read_only)
    return 0;
  int fd = openat (c->s->share->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return errno;
  int error = syncfs (fd) == 0 ? 0 : errno;
  close (fd);
  return error;
}
