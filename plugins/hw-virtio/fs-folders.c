/* fs-folders.c -- folders below the shared one: opened and listed. */
/* SPDX-License-Identifier: MIT */
#include "fs-private.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int
op_opendir (Call *c)
{
  CALL_IN (c, fuse_open_in, in);
  struct fuse_open_out out = { .open_flags = c->s->share->cache == FS_CACHE_ALWAYS ? FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR : 0 };
  struct stat st;
  int path_fd = nodes_open (c->s, c->h.nodeid, &st);
  if (path_fd < 0)
    return -path_fd;
  int fd = handles_reopen (c->s, path_fd, &st, O_RDONLY, true);
  close (path_fd);
  int error = fd < 0 ? -fd : handles_add (c->s, c->h.nodeid, fd, in.flags, true, &out.fh);
  if (!error)
    call_put (c, &out, sizeof out);
  return error;
}

int
op_releasedir (Call *c)
{
  CALL_IN (c, fuse_release_in, in);
  return handles_remove (c->s, in.fh, true);
}

int
op_fsyncdir (Call *c)
{
  CALL_IN (c, fuse_fsync_in, in);
  int error;
  Handle *h = handles_get (c->s, in.fh, true, &error);
  if (!h)
    return error;
  error = (in.fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync (h->fd) : fsync (h->fd)) == 0 ? 0 : errno;
  handle_unref (c->s, h);
  return error;
}

/* --- listing --------------------------------------------------------------------------------------- */

typedef struct Listing {
  Call *c;
  const Handle *h;
  int folder;                   /* where it is now */
  size_t room;                  /* what the driver has asked for */
  bool plus;                    /* with attributes, and nodes that count */
} Listing;

static bool is_dots (const char *name) { return strcmp (name, ".") == 0 || strcmp (name, "..") == 0; }

/* What has gone since it was listed is an entry without a node; the driver looks it up. */
static void
fill_entry (const Listing *l, const struct dirent64 *d, struct fuse_entry_out *e)
{
  FsServer *s = l->c->s;
  memset (e, 0, sizeof *e);
  if (is_dots (d->d_name))
    return;
  g_rw_lock_reader_lock (&s->names);
  if (call_entry (s, l->folder, l->c->h.nodeid, d->d_name, e) != 0)
    memset (e, 0, sizeof *e);
  g_rw_lock_reader_unlock (&s->names);
}

/* false: there is no room for it. */
static bool
put_one (const Listing *l, const struct dirent64 *d)
{
  Call *c = l->c;
  size_t length = strlen (d->d_name), head = l->plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET, size = FUSE_REC_ALIGN (head + length);
  if (length > NAME_MAX || c->out_size + size > l->room)
    return length > NAME_MAX;
  /* what is above the folder is none of the driver's business */
  bool above = c->h.nodeid == FUSE_ROOT_ID && strcmp (d->d_name, "..") == 0;
  struct fuse_dirent one = { .ino = above ? c->s->share->inode : d->d_ino, .off = (uint64_t) d->d_off, .namelen = (uint32_t) length, .type = d->d_type };
  if (one.type == DT_REG && c->s->share->security == FS_SECURITY_MAPPED)
    one.type = DT_UNKNOWN;      /* it may be anything to the driver */
  struct fuse_entry_out e;
  memset (c->out + c->out_size, 0, size);
  if (l->plus) {
    fill_entry (l, d, &e);
    memcpy (c->out + c->out_size, &e, sizeof e);
    if (e.nodeid)
      one.type = (e.attr.mode & S_IFMT) >> 12;
  }
  memcpy (c->out + c->out_size + head - FUSE_NAME_OFFSET, &one, FUSE_NAME_OFFSET);
  memcpy (c->out + c->out_size + head, d->d_name, length);
  c->out_size += size;
  return true;
}

/* The driver's offset is the host's own: nothing is kept between two messages. */
static int
list (const Listing *l, uint64_t offset)
{
  enum { AT_ONCE = 32768 };
  g_autofree uint8_t *buffer = g_malloc (AT_ONCE);
  if (lseek (l->h->fd, (off_t) offset, SEEK_SET) < 0)
    return errno;
  for (;;) {
    ssize_t n = getdents64 (l->h->fd, buffer, AT_ONCE);
    if (n < 0)
      return l->c->out_size ? 0 : errno;
    if (n == 0)
      return 0;
    for (ssize_t at = 0; at < n;) {
      const struct dirent64 *d = (const struct dirent64 *) (buffer + at);
      if (!put_one (l, d))
        return l->c->out_size ? 0 : EINVAL;
      at += d->d_reclen;
    }
  }
}

static int
read_folder (Call *c, bool plus)
{
  CALL_IN (c, fuse_read_in, in);
  int error;
  if (in.offset > INT64_MAX)
    return EINVAL;
  struct stat st;
  Handle *h = handles_get (c->s, in.fh, true, &error);
  if (!h)
    return error;
  /* the folder may have moved out since it was opened, and what is in it is no longer shared */
  Listing l = { c, h, h->node_id == c->h.nodeid ? nodes_open (c->s, h->node_id, &st) : -EBADF, MIN (in.size, c->room), plus };
  if (l.folder >= 0) {
    g_mutex_lock (&h->reading);
    error = list (&l, in.offset);
    g_mutex_unlock (&h->reading);
    close (l.folder);
  } else {
    error = -l.folder;
  }
  handle_unref (c->s, h);
  return error;
}

int op_readdir (Call *c) { return read_folder (c, false); }
int op_readdirplus (Call *c) { return read_folder (c, true); }
