/* fs-xattr.c -- extended attributes of files in the shared folder. */
/* SPDX-License-Identifier: MIT */
#include "fs-private.h"
#include <errno.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { VALUE_MOST = 65536 };    /* of Linux: XATTR_SIZE_MAX, XATTR_LIST_MAX */

static int
open_for (Call *c, int *fd)
{
  struct stat st;
  if (c->names[0] && !owner_attribute_is_open (c->s, c->names[0]))
    return EOPNOTSUPP;
  *fd = nodes_open_moved (c->s, c->h.nodeid, &st);
  return *fd < 0 ? -*fd : 0;
}

int
op_setxattr (Call *c)
{
  uint32_t size, flags;
  memcpy (&size, c->in, 4);
  memcpy (&flags, c->in + 4, 4);
  if (size > c->data_size)
    return EINVAL;
  if (size > VALUE_MOST)
    return E2BIG;
  int fd, error = open_for (c, &fd);
  if (error)
    return error;
  error = setxattr (FD_PATH (fd), c->names[0], c->data, size, (int) flags) == 0 ? 0 : errno;
  close (fd);
  return error;
}

int
op_removexattr (Call *c)
{
  int fd, error = open_for (c, &fd);
  if (error)
    return error;
  error = removexattr (FD_PATH (fd), c->names[0]) == 0 ? 0 : errno;
  close (fd);
  return error;
}

/* Size 0 asks how large it is. */
static int
put_value (Call *c, uint32_t asked, const void *value, size_t size)
{
  struct fuse_getxattr_out out = { .size = (uint32_t) size };
  if (!asked) {
    if (c->room < sizeof out)
      return EINVAL;
    call_put (c, &out, sizeof out);
    return 0;
  }
  if (size > asked || size > c->room)
    return ERANGE;
  call_put (c, value, size);
  return 0;
}

int
op_getxattr (Call *c)
{
  CALL_IN (c, fuse_getxattr_in, in);
  int fd, error = open_for (c, &fd);
  if (error)
    return error;
  g_autofree char *value = g_malloc (VALUE_MOST);
  ssize_t n = getxattr (FD_PATH (fd), c->names[0], value, VALUE_MOST);
  error = n < 0 ? errno : put_value (c, in.size, value, (size_t) n);
  close (fd);
  return error;
}

/* What the driver may not see is not in the list. */
static size_t
keep_open_ones (const FsServer *s, char *list, size_t size)
{
  size_t kept = 0;
  for (size_t at = 0, length; at < size; at += length) {
    length = strnlen (list + at, size - at) + 1;
    if (at + length > size || !owner_attribute_is_open (s, list + at))
      continue;
    memmove (list + kept, list + at, length);
    kept += length;
  }
  return kept;
}

int
op_listxattr (Call *c)
{
  CALL_IN (c, fuse_getxattr_in, in);
  int fd, error = open_for (c, &fd);
  if (error)
    return error;
  g_autofree char *list = g_malloc (VALUE_MOST);
  ssize_t n = listxattr (FD_PATH (fd), list, VALUE_MOST);
  error = n < 0 ? errno : put_value (c, in.size, list, keep_open_ones (c->s, list, (size_t) n));
  close (fd);
  return error;
}
