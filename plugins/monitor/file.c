/* file.c -- files that are there whole or not at all. */
/* SPDX-License-Identifier: MIT */
#include "monitor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
failed (NewFile *file, const char *what, GError **error)
{
  int reason = errno;
  monitor_fail (error, MONITOR_ERROR_GENERIC, "Could not %s '%s': %s", what, file->name, g_strerror (reason));
  new_file_discard (file);
  return false;
}

/* A pipe or a device is written as it is; a link's target is what is replaced. */
bool
new_file_open (NewFile *file, const char *name, GError **error)
{
  struct stat st;
  bool there = stat (name, &st) == 0;
  *file = (NewFile) { .name = g_strdup (name), .fd = -1 };
  if (there && S_ISDIR (st.st_mode)) {
    errno = EISDIR;
    return failed (file, "open", error);
  }
  if (there && !S_ISREG (st.st_mode)) {
    file->fd = open (name, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    return file->fd >= 0 || failed (file, "open", error);
  }
  if (there && access (name, W_OK) != 0)
    return failed (file, "open", error);
  char *target = there ? realpath (name, NULL) : NULL;
  file->temporary = g_strdup_printf ("%s.XXXXXX", target ? target : name);
  if (target) {
    g_free (file->name);
    file->name = g_strdup (target);
    free (target);
  }
  file->fd = g_mkstemp_full (file->temporary, O_WRONLY | O_CLOEXEC, there ? st.st_mode & 0777 : 0666);
  if (file->fd >= 0)
    return true;
  g_clear_pointer (&file->temporary, g_free);
  return failed (file, "open", error);
}

bool
new_file_write (NewFile *file, const void *bytes, size_t size, GError **error)
{
  const char *p = bytes;
  while (size) {
    ssize_t n = write (file->fd, p, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return failed (file, "write", error);
    p += n;
    size -= (size_t) n;
  }
  return true;
}

bool
new_file_commit (NewFile *file, GError **error)
{
  int fd = file->fd;
  file->fd = -1;
  if (close (fd) != 0 || (file->temporary && rename (file->temporary, file->name) != 0))
    return failed (file, "write", error);
  g_clear_pointer (&file->temporary, g_free);
  new_file_discard (file);
  return true;
}

void
new_file_discard (NewFile *file)
{
  if (!file->name)
    return;
  if (file->fd >= 0)
    close (file->fd);
  if (file->temporary)
    unlink (file->temporary);
  g_free (file->temporary);
  g_free (file->name);
  *file = (NewFile) { .fd = -1 };
}
