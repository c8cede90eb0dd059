/* fs-files.c -- files of the shared folder: opened, read, written. */
/* SPDX-License-Identifier: MIT */
#include "fs-private.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

/* --- opening ------------------------------------------------------------------------------------------ */

static uint32_t
open_answer_flags (const FsServer *s)
{
  return s->share->cache == FS_CACHE_NONE ? FOPEN_DIRECT_IO : s->share->cache == FS_CACHE_ALWAYS ? FOPEN_KEEP_CACHE : 0;
}

static int
put_open (Call *c, uint64_t node, int fd, uint32_t flags)
{
  struct fuse_open_out out = { .open_flags = open_answer_flags (c->s) };
  int error = handles_add (c->s, node, fd, flags, false, &out.fh);
  if (!error)
    call_put (c, &out, sizeof out);
  return error;
}

int
op_open (Call *c)
{
  CALL_IN (c, fuse_open_in, in);
  struct stat st;
  int path_fd = nodes_open (c->s, c->h.nodeid, &st);
  if (path_fd < 0)
    return -path_fd;
  int fd = handles_reopen (c->s, path_fd, &st, in.flags, false);
  close (path_fd);
  return fd < 0 ? -fd : put_open (c, c->h.nodeid, fd, in.flags);
}

/* One that is there already is opened by what it is, as OPEN does. */
static int
create_at (Call *c, int parent, const struct fuse_create_in *in)
{
  const char *name = c->names[0];
  int kept = (int) in->flags & (O_ACCMODE | O_SYNC | O_DSYNC);
  int fd = openat (parent, name, kept | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, owner_first_mode (false));
  if (fd >= 0) {
    int error = owner_new (c->s, parent, fd, &c->h, (in->mode & 07777) | S_IFREG, 0);
    if (!error)
      return fd;
    close (fd);
    return unlinkat (parent, name, 0) == 0 || errno == ENOENT ? -error : -EIO;
  }
  if (errno != EEXIST || in->flags & O_EXCL)
    return -errno;
  struct stat st;
  int path_fd = openat (parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (path_fd < 0)
    return -errno;
  fd = fstat (path_fd, &st) == 0 ? handles_reopen (c->s, path_fd, &st, in->flags, false) : -EIO;
  close (path_fd);
  return fd;
}

/* The name may be another file's by now: the node is that of what was opened. */
static int
entry_of (Call *c, int parent, int fd, struct fuse_entry_out *e)
{
  struct stat st, named;
  if (fstat (fd, &st) != 0 || fstatat (parent, c->names[0], &named, AT_SYMLINK_NOFOLLOW) != 0)
    return errno;
  return st.st_ino == named.st_ino && st.st_dev == named.st_dev ? call_entry (c->s, parent, c->h.nodeid, c->names[0], e) : ESTALE;
}

int
op_create (Call *c)
{
  CALL_IN (c, fuse_create_in, in);
  struct fuse_entry_out e;
  struct stat st;
  g_rw_lock_reader_lock (&c->s->names);
  int parent = nodes_open_held (c->s, c->h.nodeid, &st), fd = parent < 0 ? parent : create_at (c, parent, &in);
  int error = fd < 0 ? -fd : entry_of (c, parent, fd, &e);
  if (parent >= 0)
    close (parent);
  g_rw_lock_reader_unlock (&c->s->names);
  if (error) {
    if (fd >= 0)
      close (fd);
    return error;
  }
  call_put (c, &e, sizeof e);
  error = put_open (c, e.nodeid, fd, in.flags);
  if (error)
    nodes_forget (c->s, e.nodeid, 1);
  return error;
}

/* --- an open file --------------------------------------------------------------------------------------- */

int
op_release (Call *c)
{
  CALL_IN (c, fuse_release_in, in);
  return handles_remove (c->s, in.fh, false);
}

/* The host tells what it could not write when a descriptor is closed. */
int
op_flush (Call *c)
{
  CALL_IN (c, fuse_flush_in, in);
  int error;
  Handle *h = handles_get (c->s, in.fh, false, &error);
  if (!h)
    return error;
  int copy = fcntl (h->fd, F_DUPFD_CLOEXEC, 0);
  error = copy < 0 || close (copy) != 0 ? errno : 0;
  handle_unref (c->s, h);
  return error;
}

int
op_fsync (Call *c)
{
  CALL_IN (c, fuse_fsync_in, in);
  int error;
  Handle *h = handles_get (c->s, in.fh, false, &error);
  if (!h)
    return error;
  error = (in.fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync (h->fd) : fsync (h->fd)) == 0 ? 0 : errno;
  handle_unref (c->s, h);
  return error;
}

int
op_read (Call *c)
{
  CALL_IN (c, fuse_read_in, in);
  int error;
  if (in.size > c->room || in.offset > INT64_MAX)
    return EINVAL;
  Handle *h = handles_get (c->s, in.fh, false, &error);
  if (!h)
    return error;
  while (c->out_size < in.size) {
    ssize_t n = pread (h->fd, c->out + c->out_size, in.size - c->out_size, (off_t) (in.offset + c->out_size));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && !c->out_size)
      error = errno;
    if (n <= 0)
      break;
    c->out_size += (size_t) n;
  }
  handle_unref (c->s, h);
  return error;
}

/* At the end of the file, whatever the host has appended to it meanwhile, when the program has asked for that with this very write.  What a driver writes back of a
 * mapping has its place. */
static ssize_t
write_part (const Handle *h, const struct fuse_write_in *in, const uint8_t *bytes, size_t size, uint64_t offset)
{
  const struct iovec part = { (void *) bytes, size };
  bool append = in->flags & O_APPEND && !(in->write_flags & FUSE_WRITE_CACHE);
  return pwritev2 (h->fd, &part, 1, (off_t) offset, append ? RWF_APPEND : 0);
}

int
op_write (Call *c)
{
  CALL_IN (c, fuse_write_in, in);
  struct fuse_write_out out = { 0 };
  int error;
  if (in.size > c->data_size || in.offset > INT64_MAX)
    return EINVAL;
  Handle *h = handles_get (c->s, in.fh, false, &error);
  if (!h)
    return error;
  while (out.size < in.size && !error) {
    ssize_t n = write_part (h, &in, c->data + out.size, in.size - out.size, in.offset + out.size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      error = errno;
    else
      out.size += (uint32_t) n;
    if (n == 0)
      break;
  }
  handle_unref (c->s, h);
  if (out.size || !error)
    call_put (c, &out, sizeof out);
  return out.size ? 0 : error;
}

/* Where data or a hole is; the rest a driver knows by itself. */
int
op_lseek (Call *c)
{
  CALL_IN (c, fuse_lseek_in, in);
  int error;
  if ((in.whence != SEEK_DATA && in.whence != SEEK_HOLE) || in.offset > INT64_MAX)
    return EINVAL;
  Handle *h = handles_get (c->s, in.fh, false, &error);
  if (!h)
    return error;
  off_t at = lseek (h->fd, (off_t) in.offset, (int) in.whence);
  error = at < 0 ? errno : 0;
  handle_unref (c->s, h);
  if (!error)
    call_put (c, &(struct fuse_lseek_out) { .offset = (uint64_t) at }, sizeof (struct fuse_lseek_out));
  return error;
}

int
op_fallocate (Call *c)
{
  CALL_IN (c, fuse_fallocate_in, in);
  int error;
  if (in.offset > INT64_MAX || in.length > INT64_MAX)
    return EFBIG;
  Handle *h = handles_get (c->s, in.fh, false, &error);
  if (!h)
    return error;
  error = fallocate (h->fd, (int) in.mode, (off_t) in.offset, (off_t) in.length) == 0 ? 0 : errno;
  handle_unref (c->s, h);
  return error;
}

/* At most as much as the driver is told in 32 bits: it asks again. */
int
op_copy_file_range (Call *c)
{
  CALL_IN (c, fuse_copy_file_range_in, in);
  enum { COPY_MOST = 1 << 30 };
  int error;
  if (in.off_in > INT64_MAX || in.off_out > INT64_MAX || in.flags)
    return EINVAL;
  Handle *from = handles_get (c->s, in.fh_in, false, &error), *to = from ? handles_get (c->s, in.fh_out, false, &error) : NULL;
  if (to) {
    off_t off_in = (off_t) in.off_in, off_out = (off_t) in.off_out;
    ssize_t n = copy_file_range (from->fd, &off_in, to->fd, &off_out, (size_t) MIN (in.len, COPY_MOST), 0);
    error = n < 0 ? errno : 0;
    handle_unref (c->s, to);
    if (!error)
      call_put (c, &(struct fuse_write_out) { .size = (uint32_t) n }, sizeof (struct fuse_write_out));
  }
  if (from)
    handle_unref (c->s, from);
  return error;
}
