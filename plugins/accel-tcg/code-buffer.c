/* code-buffer.c -- memory for host code, mapped twice: written at one address, executed at another. */
/* SPDX-License-Identifier: MIT */
#include "backend.h"
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static bool
fail (GError **error, const char *what, int saved_errno)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved_errno), "code buffer: %s: %s", what,
               g_strerror (saved_errno));
  return false;
}

bool
code_buffer_init (CodeBuffer *buffer, size_t size, GError **error)
{
  memset (buffer, 0, sizeof *buffer);
  size = (size + 0xfff) & ~(size_t) 0xfff;
  int fd = memfd_create ("backplane-code", MFD_CLOEXEC);
  if (fd < 0)
    return fail (error, "memfd_create", errno);
  if (ftruncate (fd, (off_t) size) < 0) {
    int saved = errno;
    close (fd);
    return fail (error, "ftruncate", saved);
  }
  void *rw = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void *rx = rw == MAP_FAILED ? MAP_FAILED : mmap (NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  int saved = errno;
  close (fd);                   /* the mappings keep the memory */
  if (rx == MAP_FAILED) {
    if (rw != MAP_FAILED)
      munmap (rw, size);
    return fail (error, "mmap", saved);
  }
  buffer->rw = rw;
  buffer->rx = rx;
  buffer->size = buffer->limit = size;
  return true;
}

void
code_buffer_finish (CodeBuffer *buffer)
{
  if (buffer->rw) {
    munmap (buffer->rw, buffer->size);
    munmap ((void *) buffer->rx, buffer->size);
  }
  memset (buffer, 0, sizeof *buffer);
}
