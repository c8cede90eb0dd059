/* snapshot-file.c -- a snapshot in a file of its own: the old one stays until the new one is complete. */
/* SPDX-License-Identifier: MIT */
#include "snapshot.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct SnapshotFile {
  int fd;
  char *path;
  char *temporary;              /* the name it has until commit; NULL: it has its own */
};

static bool
failed (const SnapshotFile *f, const char *what, GError **error)
{
  int code = errno;
  return snapshot_refuse (error, "`%s` cannot be %s: %s", f->path, what, g_strerror (code));
}

/* --- writing -------------------------------------------------------------------------------------- */

static bool
write_file (void *user, const void *data, size_t size, GError **error)
{
  SnapshotFile *f = user;
  for (const uint8_t *at = data; size;) {
    ssize_t n = write (f->fd, at, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return failed (f, "written", error);
    at += n;
    size -= (size_t) n;
  }
  return true;
}

SnapshotFile *
snapshot_file_create (const char *path, GError **error)
{
  SnapshotFile *f = g_new0 (SnapshotFile, 1);
  struct stat there;
  f->path = g_strdup (path);
  f->fd = -1;
  if (stat (path, &there) == 0 && !S_ISREG (there.st_mode)) {
    snapshot_refuse (error, "`%s` is no file", path);
    snapshot_file_close (f);
    return NULL;
  }
  f->temporary = g_strdup_printf ("%s.XXXXXX", path);
  f->fd = g_mkstemp_full (f->temporary, O_RDWR | O_CLOEXEC, 0600);      /* it has all that the guest knows, passwords too */
  if (f->fd < 0) {
    failed (f, "made", error);
    g_clear_pointer (&f->temporary, g_free);
    snapshot_file_close (f);
    return NULL;
  }
  return f;
}

bool
snapshot_file_sync (SnapshotFile *f, GError **error)
{
  return fsync (f->fd) == 0 || failed (f, "written", error);
}

/* A name is on the disk when its folder is. */
static void
sync_folder (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return;
  fsync (fd);
  close (fd);
}

bool
snapshot_file_commit (SnapshotFile *f, GError **error)
{
  if (g_rename (f->temporary, f->path))
    return failed (f, "replaced", error);
  g_clear_pointer (&f->temporary, g_free);
  sync_folder (f->path);
  return true;
}

/* --- reading -------------------------------------------------------------------------------------- */

static ssize_t
read_file (void *user, void *data, size_t size, GError **error)
{
  SnapshotFile *f = user;
  ssize_t n;
  do
    n = read (f->fd, data, size);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    failed (f, "read", error);
  return n;
}

SnapshotFile *
snapshot_file_open (const char *path, GError **error)
{
  SnapshotFile *f = g_new0 (SnapshotFile, 1);
  struct stat there;
  f->path = g_strdup (path);
  f->fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);       /* a pipe must not keep us waiting */
  if (f->fd >= 0 && fstat (f->fd, &there) == 0 && S_ISREG (there.st_mode))
    return f;
  if (f->fd < 0)
    failed (f, "opened", error);
  else
    snapshot_refuse (error, "`%s` is no file", path);
  snapshot_file_close (f);
  return NULL;
}

bool
snapshot_file_rewind (SnapshotFile *f, GError **error)
{
  return lseek (f->fd, 0, SEEK_SET) == 0 || failed (f, "read", error);
}

void
snapshot_file_close (SnapshotFile *f)
{
  if (!f)
    return;
  if (f->fd >= 0)
    close (f->fd);
  if (f->temporary)
    g_unlink (f->temporary);
  g_free (f->temporary);
  g_free (f->path);
  g_free (f);
}

SnapshotPlace
snapshot_in_file (SnapshotFile *f)
{
  return (SnapshotPlace){ write_file, read_file, f };
}
