/* fs-owner.c -- whose the files of a shared folder are, and with which mode: as on the host, root's, or as an extended attribute says. */
/* SPDX-License-Identifier: MIT */
/*
 * squash: the process's own files are root's, others nobody's; owners stay, and modes are without set-user-ID, set-group-ID and sticky bits.  A guest that is broken into
 *   leaves nothing in the folder that is more than a file of the person who started the machine.
 * mapped: owner, group, mode and device number of what the driver makes are in the attribute; on the host it is a file or folder of the process that others cannot read,
 *   links, devices, FIFOs and sockets a file.  What has no attribute looks as by squash.
 * passthrough: as on the host, which decides; a process without privileges cannot give files away, and what it makes is its own.  Devices are not made.
 */
#include "fs-private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { NOBODY = 65534, PERMISSIONS = 0777, MODE_BITS = 07777 };

typedef struct Owner {
  uint32_t uid, gid, mode, rdev;
} Owner;

/* --- the attribute ------------------------------------------------------------------------------ */

static bool
read_owner (int fd, const struct stat *st, Owner *o)
{
  char text[64];
  ssize_t n = S_ISREG (st->st_mode) || S_ISDIR (st->st_mode) ? getxattr (FD_PATH (fd), FS_OWNER_ATTRIBUTE, text, sizeof text - 1) : -1;
  if (n < 0)
    return false;
  text[n] = 0;
  unsigned type = S_ISDIR (st->st_mode) ? S_IFDIR : 0;
  if (sscanf (text, "%u:%u:%o:%x", &o->uid, &o->gid, &o->mode, &o->rdev) != 4 || o->mode & ~(unsigned) (S_IFMT | MODE_BITS))
    return false;
  return type ? (o->mode & S_IFMT) == type : !S_ISDIR (o->mode) && o->mode & S_IFMT;
}

static int
write_owner (int fd, const struct stat *st, const Owner *o)
{
  char text[64];
  int n = snprintf (text, sizeof text, "%u:%u:%o:%x", o->uid, o->gid, o->mode, o->rdev);
  if (!S_ISREG (st->st_mode) && !S_ISDIR (st->st_mode))
    return EPERM;
  return setxattr (FD_PATH (fd), FS_OWNER_ATTRIBUTE, text, (size_t) n, 0) == 0 ? 0 : errno;
}

/* As by squash: what is the process's is root's. */
static Owner
squashed (const struct stat *st)
{
  return (Owner) { st->st_uid == geteuid () ? 0 : NOBODY, st->st_gid == getegid () ? 0 : NOBODY, st->st_mode & (S_IFMT | PERMISSIONS), 0 };
}

/* As Linux tells device numbers to user space: 12 bits of major, 20 of minor. */
static uint32_t
device_number (dev_t device)
{
  unsigned major = gnu_dev_major (device), minor = gnu_dev_minor (device);
  return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static Owner
owner_of (const FsServer *s, int fd, const struct stat *st)
{
  Owner o;
  if (s->share->security == FS_SECURITY_PASSTHROUGH)
    return (Owner) { st->st_uid, st->st_gid, st->st_mode, device_number (st->st_rdev) };
  if (s->share->security == FS_SECURITY_MAPPED && read_owner (fd, st, &o))
    return o;
  return squashed (st);
}

/* --- what the driver sees --------------------------------------------------------------------------- */

int
owner_attributes (const FsServer *s, int fd, const struct stat *st, struct fuse_attr *a)
{
  Owner o = owner_of (s, fd, st);
  *a = (struct fuse_attr) {
    .ino = st->st_ino, .size = (uint64_t) st->st_size, .blocks = (uint64_t) st->st_blocks, .atime = (uint64_t) st->st_atim.tv_sec,
    .mtime = (uint64_t) st->st_mtim.tv_sec, .ctime = (uint64_t) st->st_ctim.tv_sec, .atimensec = (uint32_t) st->st_atim.tv_nsec,
    .mtimensec = (uint32_t) st->st_mtim.tv_nsec, .ctimensec = (uint32_t) st->st_ctim.tv_nsec, .mode = o.mode, .nlink = (uint32_t) st->st_nlink,
    .uid = o.uid, .gid = o.gid, .rdev = o.rdev, .blksize = (uint32_t) st->st_blksize
  };
  if (!S_ISREG (o.mode) && !S_ISDIR (o.mode) && !S_ISLNK (o.mode))
    a->size = 0;
  return 0;
}

bool
owner_attribute_is_open (const FsServer *s, const char *name)
{
  if (s->share->security == FS_SECURITY_PASSTHROUGH)
    return true;
  return g_str_has_prefix (name, "user.") && !g_str_has_prefix (name, "user.backplane.");
}

/* --- what the driver changes -------------------------------------------------------------------------- */

static int
host_mode (int fd, mode_t mode)
{
  return chmod (FD_PATH (fd), mode) == 0 ? 0 : errno;
}

int
owner_set_mode (const FsServer *s, int fd, const struct stat *st, uint32_t mode)
{
  if (S_ISLNK (st->st_mode))
    return EOPNOTSUPP;
  if (s->share->security != FS_SECURITY_MAPPED)
    return host_mode (fd, mode & (s->share->security == FS_SECURITY_PASSTHROUGH ? MODE_BITS : PERMISSIONS));
  Owner o = owner_of (s, fd, st);
  o.mode = (o.mode & S_IFMT) | (mode & MODE_BITS);
  return write_owner (fd, st, &o);
}

int
owner_set (const FsServer *s, int fd, const struct stat *st, uint32_t uid, uint32_t gid)
{
  if (s->share->security == FS_SECURITY_PASSTHROUGH)
    return fchownat (fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
  Owner o = owner_of (s, fd, st);
  bool same = (uid == ~0u || uid == o.uid) && (gid == ~0u || gid == o.gid);
  if (s->share->security == FS_SECURITY_SQUASH)
    return same ? 0 : EPERM;
  o.uid = uid == ~0u ? o.uid : uid;
  o.gid = gid == ~0u ? o.gid : gid;
  return same ? 0 : write_owner (fd, st, &o);
}

/* The kernel takes set-user-ID from a file that is written to, but not when root writes; and the driver does not see the bit.  What is not the process's is left to
 * the kernel. */
void
owner_opened_to_write (const FsServer *s, int fd, const struct stat *st)
{
  mode_t mode = st->st_mode & MODE_BITS;
  if (s->share->security != FS_SECURITY_PASSTHROUGH && mode & (S_ISUID | S_ISGID))
    fchmod (fd, mode & ~(mode_t) (S_ISUID | S_ISGID));
}

mode_t owner_first_mode (bool is_folder) { return is_folder ? 0700 : 0600; }

mode_t
owner_host_type (const FsServer *s, mode_t type)
{
  switch (type) {
  case S_IFREG: case S_IFDIR: return type;
  case S_IFIFO: case S_IFSOCK: return s->share->security == FS_SECURITY_MAPPED ? S_IFREG : type;
  case S_IFLNK: return s->share->security == FS_SECURITY_MAPPED ? S_IFREG : type;
  case S_IFCHR: case S_IFBLK: return s->share->security == FS_SECURITY_MAPPED ? S_IFREG : 0;
  }
  return 0;
}

/* A process that may not give files away keeps them; set-user-ID counts for its owner alone, whoever that is.  (EPERM: root without the capability.) */
static int
pass_through (int fd, const struct stat *st, const Owner *o)
{
  if (geteuid () == 0 && fchownat (fd, "", o->uid, o->gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 && errno != EPERM)
    return errno;
  return S_ISLNK (st->st_mode) ? 0 : host_mode (fd, o->mode & MODE_BITS);
}

int
owner_new (const FsServer *s, int folder, int fd, const struct fuse_in_header *who, uint32_t mode, uint32_t rdev)
{
  struct stat st, above;
  if (fstat (fd, &st) != 0 || fstat (folder, &above) != 0)
    return errno;
  Owner o = { who->uid, who->gid, mode & (S_IFMT | MODE_BITS), rdev }, of_folder = owner_of (s, folder, &above);
  if (of_folder.mode & S_ISGID) {       /* what is in such a folder is its group's, and so it goes on below */
    o.gid = of_folder.gid;
    o.mode |= S_ISDIR (st.st_mode) ? S_ISGID : 0;
  }
  switch (s->share->security) {
  case FS_SECURITY_PASSTHROUGH:
    return pass_through (fd, &st, &o);
  case FS_SECURITY_MAPPED:
    return write_owner (fd, &st, &o);
  case FS_SECURITY_SQUASH:
    break;
  }
  return S_ISLNK (st.st_mode) ? 0 : host_mode (fd, mode & PERMISSIONS);
}
