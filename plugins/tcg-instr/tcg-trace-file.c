/* tcg-trace-file.c -- output files: a piece is written whole, or taken back; compressing and writing is a thread's work. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "tcg-trace-file.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

/* Jobs that may wait: some megabytes. */
enum { JOBS = 16 };

typedef struct Posted {
  TraceJob *run;
  void *job;
} Posted;

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
  /* the thread; NULL: there is none */
  GThread *thread;
  GMutex lock;
  GCond cond;
  Posted posted[JOBS];
  unsigned first, n;            /* n: with the one that is being done */
  bool ends;
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

/* --- the thread ------------------------------------------------------------------------------ */

static void *
work (void *user)
{
  TraceFile *file = user;
  g_mutex_lock (&file->lock);
  while (file->n || !file->ends) {
    if (!file->n) {
      g_cond_wait (&file->cond, &file->lock);
      continue;
    }
    Posted p = file->posted[file->first];
    g_mutex_unlock (&file->lock);
    p.run (file, p.job);
    g_mutex_lock (&file->lock);
    file->first = (file->first + 1) % JOBS;
    file->n--;
    g_cond_broadcast (&file->cond);
  }
  g_mutex_unlock (&file->lock);
  return NULL;
}

void
trace_file_post (TraceFile *file, TraceJob *run, void *job)
{
  if (!file->thread) {
    run (file, job);
    return;
  }
  g_mutex_lock (&file->lock);
  while (file->n == JOBS)
    g_cond_wait (&file->cond, &file->lock);
  file->posted[(file->first + file->n++) % JOBS] = (Posted) { run, job };
  g_cond_broadcast (&file->cond);
  g_mutex_unlock (&file->lock);
}

void
trace_file_wait (TraceFile *file)
{
  if (!file->thread)
    return;
  g_mutex_lock (&file->lock);
  while (file->n)
    g_cond_wait (&file->cond, &file->lock);
  g_mutex_unlock (&file->lock);
}

static bool
start_thread (TraceFile *file, GError **error)
{
  g_mutex_init (&file->lock);
  g_cond_init (&file->cond);
  file->thread = g_thread_try_new ("trace-file", work, file, error);
  return file->thread != NULL;
}

static void
stop_thread (TraceFile *file)
{
  if (!file->thread)
    return;
  g_mutex_lock (&file->lock);
  file->ends = true;
  g_cond_broadcast (&file->cond);
  g_mutex_unlock (&file->lock);
  g_thread_join (file->thread);
  file->thread = NULL;
  g_mutex_clear (&file->lock);
  g_cond_clear (&file->cond);
}

/* --- the file ---------------------------------------------------------------------------------- */

TraceFile *
trace_file_create (const char *path, int zstd_level, bool thread, GError **error)
{
  TraceFile *file = g_new0 (TraceFile, 1);
  /* (what a guest does may hold its secrets) */
  file->fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  file->path = g_strdup (path);
  file->level = zstd_level;
  if (file->fd < 0)
    g_set_error (error, g_quark_from_static_string ("tcg-trace"), 0, "%s: %s", path, g_strerror (errno));
  else if ((!zstd_level || set_compression (file, error)) && (!thread || start_thread (file, error)))
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
    if (n == 0)
      errno = ENOSPC;
    if (n <= 0)
      return false;
    data += n;
    size -= (size_t) n;
  }
  return true;
}

static void fail (TraceFile *file) { __atomic_store_n (&file->failure, g_strdup (g_strerror (errno)), __ATOMIC_RELEASE); }

bool
trace_file_write (TraceFile *file, const void *data, size_t size)
{
  if (file->failure)
    return false;
  if (write_all (file->fd, data, size)) {
    __atomic_store_n (&file->size, file->size + size, __ATOMIC_RELAXED);
    return true;
  }
  fail (file);
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

const char *trace_file_error (const TraceFile *file) { return __atomic_load_n (&file->failure, __ATOMIC_ACQUIRE); }
const char *trace_file_path (const TraceFile *file) { return file->path; }
uint64_t trace_file_size (const TraceFile *file) { return __atomic_load_n (&file->size, __ATOMIC_RELAXED); }

/* Some hosts only say here that there was no room. */
void
trace_file_finish (TraceFile *file)
{
  stop_thread (file);
  if (file->fd >= 0 && close (file->fd) != 0 && errno != EINTR && !file->failure)
    fail (file);
  file->fd = -1;
}

void
trace_file_close (TraceFile *file)
{
  if (!file)
    return;
  trace_file_finish (file);
#ifdef HAVE_ZSTD
  ZSTD_freeCCtx (file->zstd);
#endif
  g_free (file->packed);
  g_free (file->path);
  g_free (file->failure);
  g_free (file);
}
