/* code-buffer.c -- memory for host code, mapped twice: written at one address, executed at another. */
/* SPDX-License-Identifier: MIT */
/* What code counts stands behind it, in pages of its own: a CPU that sees writes to a page that it executes from starts over each time. */
#include "backend.h"
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static bool
fail (GError **error, size_t size, const char *what, int saved_errno)
{
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved_errno), "cannot get %zu MiB for translated code (accel-tcg's `code-cache'): %s: %s",
               size >> 20, what, g_strerror (saved_errno));
  return false;
}

static size_t
counters_size (size_t size)
{
  return (size / CODE_BLOCK_LEAST * sizeof (uint32_t) + 0xfff) & ~(size_t) 0xfff;
}

/* The executable view and the counters: one reservation, so that they are near each other. */
static void *
map_executable (int fd, size_t size, void **counters)
{
  uint8_t *both = mmap (NULL, size + counters_size (size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (both == MAP_FAILED)
    return MAP_FAILED;
  *counters = both + size;
  if (mmap (both, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
    return both;
  int saved = errno;
  munmap (both, size + counters_size (size));
  errno = saved;
  return MAP_FAILED;
}

bool
code_buffer_init (CodeBuffer *buffer, size_t size, GError **error)
{
  memset (buffer, 0, sizeof *buffer);
  size = (size + 0xfff) & ~(size_t) 0xfff;
  int fd = memfd_create ("backplane-code", MFD_CLOEXEC);
  if (fd < 0)
    return fail (error, size, "memfd_create", errno);
  if (ftruncate (fd, (off_t) size) < 0) {
    int saved = errno;
    close (fd);
    return fail (error, size, "ftruncate", saved);
  }
  void *rw = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void *counters, *rx = rw == MAP_FAILED ? MAP_FAILED : map_executable (fd, size, &counters);
  int saved = errno;
  close (fd);                   /* the mappings keep the memory */
  if (rx == MAP_FAILED) {
    if (rw != MAP_FAILED)
      munmap (rw, size);
    return fail (error, size, "mmap", saved);
  }
  buffer->rw = rw;
  buffer->rx = rx;
  buffer->counter = counters;
  buffer->size = buffer->limit = size;
  return true;
}

/* All at once, instead of two faults a page. */
void
code_buffer_populate (const CodeBuffer *buffer, size_t start, size_t size)
{
  size_t from = start & ~(size_t) 0xfff, n = ((start + size + 0xfff) & ~(size_t) 0xfff) - from;
  if (madvise (buffer->rw + from, n, MADV_POPULATE_WRITE) == 0)
    madvise ((void *) (buffer->rx + from), n, MADV_POPULATE_READ);
}

void *
code_buffer_take (CodeBuffer *buffer, size_t size)
{
  if (size + TB_ALIGN > buffer->limit - buffer->used)
    return NULL;
  buffer->limit = (buffer->limit - size) & ~(size_t) (TB_ALIGN - 1);
  return buffer->rw + buffer->limit;
}

void
code_buffer_expect (const CodeBuffer *buffer)
{
  const uint8_t *code = buffer->rw + buffer->used, *taken = buffer->rw + buffer->limit;
  for (unsigned i = 0; i < 384; i += 64) {
    __builtin_prefetch (code + i, 1);
    __builtin_prefetch (taken - i - 64, 1);
  }
}

void
code_buffer_finish (CodeBuffer *buffer)
{
  if (buffer->rw) {
    munmap (buffer->rw, buffer->size);
    munmap ((void *) buffer->rx, buffer->size + counters_size (buffer->size));
  }
  memset (buffer, 0, sizeof *buffer);
}
