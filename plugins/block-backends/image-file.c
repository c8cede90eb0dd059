/* image-file.c -- a host file that holds an image: short transfers, interruptions, alignment, holes, flushes that failed. */
/* SPDX-License-Identifier: MIT */
#include "image-file.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECT_ALIGN 4096u      /* of memory, offsets and sizes; every file system that has O_DIRECT takes it */
#define BOUNCE (1u << 20)
#define MOST (1u << 30)         /* bytes in one call */

struct ImageFile {
  int fd;
  char *name;
  unsigned flags;
  int failed;                   /* atomic: errno of the first flush that failed */
  bool no_punch, no_zero;       /* the file system has said so; racing threads only ask it once more */
  pthread_rwlock_t direct;      /* with O_DIRECT: a write of a part of a block excludes other writes */
};

/* --- opening ---------------------------------------------------------------------------------- */

static ImageFile *
file_new (int fd, const char *name, unsigned flags)
{
  ImageFile *file = g_new0 (ImageFile, 1);
  file->fd = fd;
  file->name = g_strdup (name);
  file->flags = flags;
  pthread_rwlock_init (&file->direct, NULL);
  return file;
}

static void
fail_open (const char *name, unsigned flags, int code, GError **error)
{
  if (code == EINVAL && flags & IMAGE_FILE_DIRECT)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: its file system cannot do cache = direct", name);
  else if (flags & IMAGE_FILE_WRITE && !(flags & IMAGE_FILE_CREATE) && (code == EACCES || code == EROFS || code == EPERM))
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` cannot be written: %s (read-only = on or snapshot = on leave it alone)", name,
                 g_strerror (code));
  else
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot %s `%s`: %s", flags & IMAGE_FILE_CREATE ? "create" : "open", name, g_strerror (code));
}

static bool
check_kind (int fd, const char *name, GError **error)
{
  struct stat st;
  if (fstat (fd, &st) != 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot examine `%s`: %s", name, g_strerror (errno));
    return false;
  }
  if (S_ISREG (st.st_mode) || S_ISBLK (st.st_mode))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` is neither a file nor a block device", name);
  return false;
}

ImageFile *
image_file_open (const char *name, unsigned flags, GError **error)
{
  int mode = (flags & IMAGE_FILE_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  mode |= (flags & IMAGE_FILE_DIRECT ? O_DIRECT : 0) | (flags & IMAGE_FILE_CREATE ? O_CREAT : 0);
  int fd = open (name, mode, 0644);
  if (fd < 0) {
    fail_open (name, flags, errno, error);
    return NULL;
  }
  bool good = check_kind (fd, name, error) &&
              (!(flags & IMAGE_FILE_LOCK) || image_lock (fd, name, flags & IMAGE_FILE_WRITE, error));
  if (good && flags & IMAGE_FILE_CREATE && ftruncate (fd, 0) != 0 && errno != EINVAL) {
    fail_open (name, flags, errno, error);
    good = false;
  }
  if (!good)
    close (fd);
  return good ? file_new (fd, name, flags) : NULL;
}

ImageFile *
image_file_temporary (GError **error)
{
  const char *directory = g_getenv ("TMPDIR");
  g_autofree char *name = g_build_filename (directory && *directory ? directory : "/var/tmp", "backplane-XXXXXX", NULL);
  int fd = g_mkstemp_full (name, O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot create a temporary file `%s`: %s", name, g_strerror (errno));
    return NULL;
  }
  g_unlink (name);
  return file_new (fd, name, IMAGE_FILE_WRITE | IMAGE_FILE_UNSAFE);
}

void
image_file_close (ImageFile *file)
{
  if (!file)
    return;
  close (file->fd);
  pthread_rwlock_destroy (&file->direct);
  g_free (file->name);
  g_free (file);
}

/* --- what there is to know -------------------------------------------------------------------- */

const char *
image_file_name (const ImageFile *file)
{
  return file->name;
}

bool
image_file_is_writable (const ImageFile *file)
{
  return file->flags & IMAGE_FILE_WRITE;
}

bool
image_file_is_same (const ImageFile *a, const ImageFile *b)
{
  struct stat x, y;
  return fstat (a->fd, &x) == 0 && fstat (b->fd, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

uint64_t
image_file_size (ImageFile *file)
{
  off_t end = lseek (file->fd, 0, SEEK_END);    /* of a block device too; nothing uses the position */
  return end < 0 ? 0 : (uint64_t) end;
}

uint64_t
image_file_allocated (ImageFile *file)
{
  struct stat st;
  return fstat (file->fd, &st) == 0 ? (uint64_t) st.st_blocks * 512 : 0;
}

/* --- plain transfers -------------------------------------------------------------------------- */

static int
read_all (int fd, uint64_t offset, uint8_t *data, size_t size)
{
  while (size) {
    ssize_t n = pread (fd, data, MIN (size, MOST), (off_t) offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno;
    if (n == 0) {               /* the end of the file */
      memset (data, 0, size);
      return 0;
    }
    data += n;
    offset += (size_t) n;
    size -= (size_t) n;
  }
  return 0;
}

static int
write_all (int fd, uint64_t offset, const uint8_t *data, size_t size)
{
  while (size) {
    ssize_t n = pwrite (fd, data, MIN (size, MOST), (off_t) offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? errno : ENOSPC;
    data += n;
    offset += (size_t) n;
    size -= (size_t) n;
  }
  return 0;
}

/* --- transfers past the page cache ------------------------------------------------------------ */

static bool
is_aligned (const void *data, uint64_t offset, size_t size)
{
  return (((uintptr_t) data | offset | size) & (DIRECT_ALIGN - 1)) == 0;
}

/* The aligned blocks around a piece of the transfer. */
typedef struct Piece {
  uint64_t start;
  size_t skip, use, whole;      /* bytes before the piece, of it, and of all blocks */
} Piece;

static Piece
piece_at (uint64_t offset, size_t size)
{
  Piece p = { .start = offset & ~(uint64_t) (DIRECT_ALIGN - 1) };
  p.skip = (size_t) (offset - p.start);
  p.use = MIN (size, BOUNCE - p.skip);
  p.whole = (p.skip + p.use + DIRECT_ALIGN - 1) & ~(size_t) (DIRECT_ALIGN - 1);
  return p;
}

static int
read_direct (ImageFile *file, uint64_t offset, uint8_t *data, size_t size)
{
  uint8_t *bounce = aligned_alloc (DIRECT_ALIGN, BOUNCE);
  int code = bounce ? 0 : ENOMEM;
  while (size && !code) {
    Piece p = piece_at (offset, size);
    code = read_all (file->fd, p.start, bounce, p.whole);
    memcpy (data, bounce + p.skip, p.use);
    data += p.use;
    offset += p.use;
    size -= p.use;
  }
  free (bounce);
  return code;
}

/* A block written for a part of it must not make the file longer than what was asked for. */
static int
write_direct (ImageFile *file, uint64_t offset, const uint8_t *data, size_t size)
{
  uint8_t *bounce = aligned_alloc (DIRECT_ALIGN, BOUNCE);
  uint64_t length = image_file_size (file);
  int code = bounce ? 0 : ENOMEM;
  while (size && !code) {
    Piece p = piece_at (offset, size);
    if (p.skip || p.use != p.whole)
      code = read_all (file->fd, p.start, bounce, p.whole);
    memcpy (bounce + p.skip, data, p.use);
    if (!code)
      code = write_all (file->fd, p.start, bounce, p.whole);
    if (!code && p.start + p.whole > MAX (length, offset + p.use) &&
        ftruncate (file->fd, (off_t) MAX (length, offset + p.use)) != 0 && errno != EINVAL)
      code = errno;
    data += p.use;
    offset += p.use;
    size -= p.use;
  }
  free (bounce);
  return code;
}

/* --- transfers -------------------------------------------------------------------------------- */

static bool
is_within (uint64_t offset, uint64_t size)
{
  return offset <= INT64_MAX - DIRECT_ALIGN && size <= INT64_MAX - DIRECT_ALIGN - offset;
}

int
image_file_read (ImageFile *file, uint64_t offset, void *data, size_t size)
{
  if (!is_within (offset, size))
    return EIO;
  if (!(file->flags & IMAGE_FILE_DIRECT) || is_aligned (data, offset, size))
    return read_all (file->fd, offset, data, size);
  return read_direct (file, offset, data, size);
}

int
image_file_write (ImageFile *file, uint64_t offset, const void *data, size_t size)
{
  if (!(file->flags & IMAGE_FILE_WRITE))
    return EROFS;
  if (!is_within (offset, size))
    return EFBIG;
  if (!(file->flags & IMAGE_FILE_DIRECT))
    return write_all (file->fd, offset, data, size);
  bool aligned = is_aligned (data, offset, size);
  if (aligned)
    pthread_rwlock_rdlock (&file->direct);
  else
    pthread_rwlock_wrlock (&file->direct);
  int code = aligned ? write_all (file->fd, offset, data, size) : write_direct (file, offset, data, size);
  pthread_rwlock_unlock (&file->direct);
  return code;
}

/* The kernel tells of a page that it could not write once, and then takes it for clean. */
int
image_file_flush (ImageFile *file)
{
  int failed = g_atomic_int_get (&file->failed);
  if (failed || file->flags & IMAGE_FILE_UNSAFE || !(file->flags & IMAGE_FILE_WRITE))
    return failed;
  int code = 0;
  while (fdatasync (file->fd) != 0)
    if (errno != EINTR) {
      code = errno;
      break;
    }
  if (code == EINVAL || code == EROFS)          /* a device without anything to flush */
    code = 0;
  if (code)
    g_atomic_int_compare_and_exchange (&file->failed, 0, code);
  return code;
}

/* --- space ------------------------------------------------------------------------------------ */

int
image_file_truncate (ImageFile *file, uint64_t size)
{
  if (size > INT64_MAX)
    return EFBIG;
  return ftruncate (file->fd, (off_t) size) == 0 ? 0 : errno;
}

int
image_file_allocate (ImageFile *file, uint64_t offset, uint64_t size)
{
  return size ? posix_fallocate (file->fd, (off_t) offset, (off_t) size) : 0;
}

static int
reserve_or_punch (ImageFile *file, int mode, uint64_t offset, uint64_t size, bool *never)
{
  if (*never)
    return ENOTSUP;
  if (fallocate (file->fd, mode, (off_t) offset, (off_t) size) == 0)
    return 0;
  int code = errno;
  if (code == EOPNOTSUPP || code == ENOSYS || code == EINVAL || code == ENODEV || code == EPERM) {
    *never = true;
    return ENOTSUP;
  }
  return code;
}

int
image_file_zero (ImageFile *file, uint64_t offset, uint64_t size, bool punch)
{
  if (!(file->flags & IMAGE_FILE_WRITE))
    return EROFS;
  if (!is_within (offset, size))
    return EFBIG;
  if (!size)
    return 0;
  if (punch)
    return reserve_or_punch (file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size, &file->no_punch);
  return reserve_or_punch (file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, size, &file->no_zero);
}
