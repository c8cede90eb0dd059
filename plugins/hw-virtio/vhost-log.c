/* vhost-log.c -- the pages of guest memory that a vhost-user back end has written, as it logs them itself. */
/* SPDX-License-Identifier: MIT */
#include "vhost-user.h"
#include <backplane/common.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, BITS = 64 };        /* the protocol's page, whatever the host's is */

void vhost_log_init (VhostLog *log) { *log = (VhostLog) { .fd = -1 }; }

void
vhost_log_finish (VhostLog *log)
{
  if (log->words)
    munmap (log->words, log->size);
  if (log->fd >= 0)
    close (log->fd);
  vhost_log_init (log);
}

/* Sealed: a back end that makes the file shorter would end this program. */
static bool
make (VhostLog *log, uint64_t size)
{
  log->fd = memfd_create ("vhost-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (log->fd < 0 || ftruncate (log->fd, (off_t) size) != 0 || fcntl (log->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return false;
  void *words = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, log->fd, 0);
  if (words == MAP_FAILED)
    return false;
  log->words = words;
  log->size = size;
  return true;
}

bool
vhost_log_cover (VhostLog *log, uint64_t end, GError **error)
{
  uint64_t pages = end / PAGE + 1, size = (pages / 8 / PAGE + 1) * PAGE;
  if (log->words && log->size >= size)
    return true;
  vhost_log_finish (log);
  if (make (log, size))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "no memory for the log of what a vhost-user back end writes: %s", g_strerror (errno));
  vhost_log_finish (log);
  return false;
}

void
vhost_log_take (VhostLog *log, void (*written) (void *user, uint64_t address, uint64_t size), void *user)
{
  for (uint64_t i = 0; i < log->size / sizeof *log->words; i++) {
    if (!__atomic_load_n (&log->words[i], __ATOMIC_RELAXED))
      continue;
    uint64_t word = GUINT64_FROM_LE (__atomic_exchange_n (&log->words[i], 0, __ATOMIC_ACQ_REL));
    for (; word; word &= word - 1)
      written (user, (i * BITS + (unsigned) __builtin_ctzll (word)) * PAGE, PAGE);
  }
}
