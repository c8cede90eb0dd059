/* tcg-trace-file.c -- output files: a piece is written whole, or taken back. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "tcg-trace-file.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

struct TraceFile {
  int fd;
  char *path, *failure;
  uint64_t size;                /* of all whole pieces */
  int level;
  void *packed;
  size_t packed_size;
#ifdef HAVE_ZSTD
  ZSTD_CCtx *zstd;
#endif
};

static bool
set_compression (TraceFile *file, GError **error)
{
#ifdef HAVE_ZSTD
  file->zstd = ZSTD_createCCtx ();
  ZSTD_CCtx_setParameter (file->zstd, ZSTD_c_compressionLevel, file->level);
  return true;
#else
  g_set_error (error, g_quark_from_static_string ("tcg-trace"), 0, "compress = zstd: this program was built without libzstd");
  return false;
#endif
}

TraceFile *
trace_file_create (const char *path, int zstd_level, GError **error)
{
  TraceFile *file = g_new0 (TraceFile, 1);
  /* (what a guest does may hold its secrets) */
  file->fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  file->path = g_strdup (path);
  file->level = zstd_level;
  if (file->fd < 0)
    g_set_error (error, g_quark_from_static_string ("tcg-trace"), 0, "%s: %s", path, g_strerror (errno));
  else if (!zstd_level || set_compression (file, error))
    return file;
  trace_file_close (file);
  return NULL;
}

static bool
write_all (int fd, const uint8_t *data, size_t size)
{
  while (size) {
    ssize_t n = write (fd, data, MIN (size, 1u << 30));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    data += n;
    size -= (size_t) n;
  }
  return true;
}

bool
trace_file_write (TraceFile *file, const void *data, size_t size)
{
  if (file->failure)
    return false;
  if (write_all (file->fd, data, size)) {
    file->size += size;
    return true;
  }
  file->failure = g_strdup (g_strerror (errno));
  if (ftruncate (file->fd, (off_t) file->size) < 0)
    return false;               /* (a pipe, a device: what it got, it has) */
  return false;
}

size_t
trace_file_pack (TraceFile *file, const void *data, size_t size, const void **packed)
{
#ifdef HAVE_ZSTD
  if (!file->level)
    return 0;
  size_t bound = ZSTD_compressBound (size);
  if (file->packed_size < bound) {
    file->packed = g_realloc (file->packed, bound);
    file->packed_size = bound;
  }
  size_t n = ZSTD_compress2 (file->zstd, file->packed, file->packed_size, data, size);
  *packed = file->packed;
  return ZSTD_isError (n) ? 0 : n;
#else
  return 0;
#endif
}

const char *trace_file_error (const TraceFile *file) { return file->failure; }
const char *trace_file_path (const TraceFile *file) { return file->path; }
uint64_t trace_file_size (const TraceFile *file) { return file->size; }

void
trace_file_close (TraceFile *file)
{
  if (!file)
    return;
  if (file->fd >= 0)
    close (file->fd);
#ifdef HAVE_ZSTD
  ZSTD_freeCCtx (file->zstd);
#endif
  g_free (file->packed);
  g_free (file->path);
  g_free (file->failure);
  g_free (file);
}
