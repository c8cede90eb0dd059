/* instr-file.c -- files of instruments: buffered, whole up to the last commit when the disk is full. */
/* SPDX-License-Identifier: MIT */
#include "instr-file.h"
#include <backplane/log.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 256 << 10 };

bool
instr_file_open (InstrFile *f, const void *self, const char *path, GError **error)
{
  *f = (InstrFile) { .self = self, .fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) };
  if (f->fd < 0) {
    int why = errno;
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write %s: %s", path, g_strerror (why));
    return false;
  }
  f->path = g_strdup (path);
  f->buffer = g_malloc (BUFFER);
  return true;
}

static void
fail (InstrFile *f, int why)
{
  f->failure = g_strdup (g_strerror (why));
  bool cut = ftruncate (f->fd, (off_t) f->valid) == 0;
  bp_warn (f->self, "%s: %s; recording stops, %s", f->path, f->failure,
           cut ? "what was recorded before is kept" : "the file may end within a record");
  f->used = f->committed = 0;
  f->dropped += f->pending;
}

/* Writes the buffer's first n bytes. */
static void
write_out (InstrFile *f, size_t n)
{
  for (size_t at = 0; at < n;) {
    ssize_t done = write (f->fd, f->buffer + at, n - at);
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0) {
      /* Commits within this buffer were not remembered one by one: the last one before it counts. */
      fail (f, done < 0 ? errno : ENOSPC);
      return;
    }
    at += (size_t) done;
  }
  f->written += n;
  memmove (f->buffer, f->buffer + n, f->used - n);
  f->used -= n;
  if (f->committed)             /* then what is written ends with the last commit */
    f->valid = f->written;
  f->committed = 0;
  f->pending = 0;
}

void
instr_file_write (InstrFile *f, const void *data, size_t size)
{
  const char *from = data;
  while (size && f->fd >= 0 && !f->failure) {
    if (f->used == BUFFER)
      write_out (f, f->committed ? f->committed : f->used);
    if (f->failure)
      return;
    size_t n = MIN (size, BUFFER - f->used);
    memcpy (f->buffer + f->used, from, n);
    f->used += n;
    from += n;
    size -= n;
  }
}

void
instr_file_print (InstrFile *f, const char *format, ...)
{
  char text[512], *longer = NULL;
  va_list args, again;
  va_start (args, format);
  va_copy (again, args);
  int n = vsnprintf (text, sizeof text, format, args);
  if (n >= (int) sizeof text)
    longer = g_strdup_vprintf (format, again);
  va_end (args);
  va_end (again);
  instr_file_write (f, longer ? longer : text, (size_t) n);
  g_free (longer);
}

void
instr_file_commit (InstrFile *f)
{
  if (f->failure) {
    f->dropped++;
    return;
  }
  f->pending++;
  f->committed = f->used;       /* its beginning may be in the file already; `valid' waits until all of it is */
}

uint64_t
instr_file_bytes (const InstrFile *f)
{
  return f->committed ? f->written + f->committed : f->valid;
}

void
instr_file_flush (InstrFile *f)
{
  if (f->fd >= 0 && !f->failure && f->committed)
    write_out (f, f->committed);
}

void
instr_file_close (InstrFile *f)
{
  if (f->fd < 0)
    return;
  instr_file_flush (f);
  /* What was never committed does not stay. */
  if (!f->failure && f->written > f->valid && ftruncate (f->fd, (off_t) f->valid) != 0)
    bp_warn (f->self, "%s: the file may end within a record", f->path);
  if (close (f->fd) != 0 && !f->failure && errno != EINTR) {
    f->failure = g_strdup (g_strerror (errno));
    bp_warn (f->self, "%s: %s", f->path, f->failure);
  }
  f->fd = -1;
}

void
instr_file_finish (InstrFile *f)
{
  if (f->path)
    instr_file_close (f);
  g_free (f->path);
  g_free (f->buffer);
  g_free (f->failure);
  *f = (InstrFile) { .fd = -1 };
}
