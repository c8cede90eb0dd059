/* fs-names.c -- names in the shared folder: looked up, made, removed, moved, linked. */
/* SPDX-License-Identifier: MIT */
#include "fs-private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* --- answers about a name ------------------------------------------------------------------------ */

void
call_validity (const FsServer *s, uint64_t *seconds, uint32_t *nanoseconds)
{
  *nanoseconds = 0;
  *seconds = s->share->cache == FS_CACHE_NONE ? 0 : s->share->cache == FS_CACHE_AUTO ? 1 : 86400;
}

/* What is at a descriptor is `name' in `parent', and counted. */
static int
entry_of_fd (FsServer *s, int fd, uint64_t parent, const char *name, struct fuse_entry_out *e)
{
  struct stat st;
  memset (e, 0, sizeof *e);
  if (fstat (fd, &st) != 0)
    return errno;
  int error = owner_attributes (s, fd, &st, &e->attr);
  if (error)
    return error;
  e->nodeid = nodes_learn (s, parent, name, &st);
  if (!e->nodeid)
    return ENFILE;
  call_validity (s, &e->entry_valid, &e->entry_valid_nsec);
  e->attr_valid = e->entry_valid;
  return 0;
}

int
call_entry (FsServer *s, int parent_fd, uint64_t parent, const char *name, struct fuse_entry_out *e)
{
  int fd = openat (parent_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno;
  int error = entry_of_fd (s, fd, parent, name, e);
  close (fd);
  return error;
}

static int
open_parent (FsServer *s, uint64_t id, int *fd)
{
  struct stat st;
  *fd = nodes_open_held (s, id, &st);
  return *fd < 0 ? -*fd : 0;
}

int
op_lookup (Call *c)
{
  struct fuse_entry_out e;
  int parent;
  g_rw_lock_reader_lock (&c->s->names);
  int error = open_parent (c->s, c->h.nodeid, &parent);
  if (!error) {
    error = call_entry (c->s, parent, c->h.nodeid, c->names[0], &e);
    close (parent);
  }
  g_rw_lock_reader_unlock (&c->s->names);
  if (!error)
    call_put (c, &e, sizeof e);
  return error;
}

/* --- making ------------------------------------------------------------------------------------------- */

typedef struct Making {
  mode_t type;                  /* on the host */
  uint32_t mode, rdev;          /* for the driver */
  const char *target;           /* of a symbolic link */
} Making;

static int
make_file (int parent, const char *name, const Making *m)
{
  int fd = openat (parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, owner_first_mode (false));
  if (fd < 0)
    return errno;
  size_t size = m->target ? strlen (m->target) : 0;
  int error = size && write (fd, m->target, size) != (ssize_t) size ? EIO : 0;
  close (fd);
  return error;
}

static int
make (int parent, const char *name, const Making *m)
{
  switch (m->type) {
  case S_IFREG: return make_file (parent, name, m);
  case S_IFDIR: return mkdirat (parent, name, owner_first_mode (true)) == 0 ? 0 : errno;
  case S_IFLNK: return symlinkat (m->target, parent, name) == 0 ? 0 : errno;
  case S_IFIFO: case S_IFSOCK: return mknodat (parent, name, m->type | owner_first_mode (false), 0) == 0 ? 0 : errno;
  }
  return EPERM;
}

static void
unmake (int parent, const char *name, mode_t type)
{
  unlinkat (parent, name, type == S_IFDIR ? AT_REMOVEDIR : 0);
}

/* It gets its owner and mode, or does not stay. */
static int
finish_new (Call *c, int parent, const Making *m, struct fuse_entry_out *e)
{
  int fd = openat (parent, c->names[0], O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno;
  int error = owner_new (c->s, parent, fd, &c->h, m->mode, m->rdev);
  if (error)
    unmake (parent, c->names[0], m->type);
  else
    error = entry_of_fd (c->s, fd, c->h.nodeid, c->names[0], e);
  close (fd);
  return error;
}

static int
make_entry (Call *c, Making *m)
{
  struct fuse_entry_out e;
  int parent;
  m->type = owner_host_type (c->s, m->mode & S_IFMT);
  if (!m->type)
    return EPERM;
  g_rw_lock_reader_lock (&c->s->names);
  int error = open_parent (c->s, c->h.nodeid, &parent);
  if (!error) {
    error = make (parent, c->names[0], m);
    if (!error)
      error = finish_new (c, parent, m, &e);
    close (parent);
  }
  g_rw_lock_reader_unlock (&c->s->names);
  if (!error)
    call_put (c, &e, sizeof e);
  return error;
}

int
op_mknod (Call *c)
{
  CALL_IN (c, fuse_mknod_in, in);
  Making m = { .mode = in.mode & S_IFMT ? in.mode : in.mode | S_IFREG, .rdev = in.rdev };
  return S_ISDIR (m.mode) || S_ISLNK (m.mode) ? EINVAL : make_entry (c, &m);
}

int
op_mkdir (Call *c)
{
  CALL_IN (c, fuse_mkdir_in, in);
  return make_entry (c, &(Making) { .mode = (in.mode & 07777) | S_IFDIR });
}

int
op_symlink (Call *c)
{
  if (strlen (c->names[1]) >= PATH_MAX)
    return ENAMETOOLONG;
  return *c->names[1] ? make_entry (c, &(Making) { .mode = 0777 | S_IFLNK, .target = c->names[1] }) : ENOENT;
}

/* --- symbolic links, hard links -------------------------------------------------------------------------- */

/* By `mapped', a file with the target in it. */
static ssize_t
read_target (const FsServer *s, int fd, const struct stat *st, char *target, size_t room)
{
  struct fuse_attr a;
  if (S_ISLNK (st->st_mode))
    return readlinkat (fd, "", target, room);
  owner_attributes (s, fd, st, &a);
  if (!S_ISLNK (a.mode)) {
    errno = EINVAL;
    return -1;
  }
  int file = handles_reopen (s, fd, st, O_RDONLY, false);
  if (file < 0) {
    errno = -file;
    return -1;
  }
  ssize_t n = pread (file, target, room, 0);
  close (file);
  return n;
}

int
op_readlink (Call *c)
{
  char target[PATH_MAX];
  struct stat st;
  int fd = nodes_open (c->s, c->h.nodeid, &st);
  if (fd < 0)
    return -fd;
  ssize_t n = read_target (c->s, fd, &st, target, sizeof target);
  int error = n < 0 ? errno : (size_t) n > c->room ? EINVAL : 0;
  close (fd);
  if (!error)
    call_put (c, target, (size_t) n);
  return error;
}

/* Of what the number stands for, and no other file that has its name meanwhile. */
int
op_link (Call *c)
{
  CALL_IN (c, fuse_link_in, in);
  struct fuse_entry_out e;
  struct stat st;
  int parent;
  g_rw_lock_reader_lock (&c->s->names);
  int error = open_parent (c->s, c->h.nodeid, &parent);
  int fd = error ? -1 : nodes_open_held (c->s, in.oldnodeid, &st);
  if (!error && fd < 0)
    error = -fd;
  if (!error && linkat (AT_FDCWD, FD_PATH (fd), parent, c->names[0], AT_SYMLINK_FOLLOW) != 0)
    error = errno;
  if (!error)
    error = entry_of_fd (c->s, fd, c->h.nodeid, c->names[0], &e);
  if (fd >= 0)
    close (fd);
  if (parent >= 0)
    close (parent);
  g_rw_lock_reader_unlock (&c->s->names);
  if (!error)
    call_put (c, &e, sizeof e);
  return error;
}

/* --- removing, moving -------------------------------------------------------------------------------------- */

static int
remove_name (Call *c, int flags)
{
  struct stat st;
  int parent;
  g_rw_lock_writer_lock (&c->s->names);
  int error = open_parent (c->s, c->h.nodeid, &parent);
  if (!error) {
    if (fstatat (parent, c->names[0], &st, AT_SYMLINK_NOFOLLOW) != 0 || unlinkat (parent, c->names[0], flags) != 0)
      error = errno;
    else
      nodes_lose_name (c->s, c->h.nodeid, c->names[0], &st);
    close (parent);
  }
  g_rw_lock_writer_unlock (&c->s->names);
  return error;
}

int op_unlink (Call *c) { return remove_name (c, 0); }
int op_rmdir (Call *c) { return remove_name (c, AT_REMOVEDIR); }

/* The syscall, and what it means for the nodes of both names. */
static int
move (Call *c, int from, int to, uint64_t to_id, unsigned flags)
{
  struct stat st, other;
  const char *old_name = c->names[0], *new_name = c->names[1];
  if (fstatat (from, old_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno;
  bool replaces = fstatat (to, new_name, &other, AT_SYMLINK_NOFOLLOW) == 0;
  if (renameat2 (from, old_name, to, new_name, flags) != 0)
    return errno;
  if (replaces && st.st_ino == other.st_ino && st.st_dev == other.st_dev)
    return 0;                   /* two names of one file: both stay */
  if (flags & RENAME_EXCHANGE) {
    nodes_exchange (c->s, c->h.nodeid, old_name, &st, to_id, new_name, &other);
    return 0;
  }
  if (replaces)
    nodes_lose_name (c->s, to_id, new_name, &other);
  nodes_move (c->s, c->h.nodeid, old_name, to_id, new_name, &st);
  return 0;
}

static int
rename_with (Call *c, uint64_t to_id, unsigned flags)
{
  int from, to = -1;
  if (flags & ~(unsigned) (RENAME_NOREPLACE | RENAME_EXCHANGE))
    return EINVAL;
  g_rw_lock_writer_lock (&c->s->names);
  int error = open_parent (c->s, c->h.nodeid, &from);
  if (!error)
    error = open_parent (c->s, to_id, &to);
  if (!error)
    error = move (c, from, to, to_id, flags);
  if (to >= 0)
    close (to);
  if (from >= 0)
    close (from);
  g_rw_lock_writer_unlock (&c->s->names);
  return error;
}

int
op_rename (Call *c)
{
  CALL_IN (c, fuse_rename_in, in);
  return rename_with (c, in.newdir, 0);
}

int
op_rename2 (Call *c)
{
  CALL_IN (c, fuse_rename2_in, in);
  return rename_with (c, in.newdir, in.flags);
}
