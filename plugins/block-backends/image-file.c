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

#define DIRECT_ALIGN 4096u      /* of memory, offsets and sizes with O_DIRECT; every file system takes it */
#define SECTOR 512u             /* what guests' requests are multiples of */
#define BOUNCE (1u << 20)
#define MOST (UINT64_C (1) << 30)       /* bytes in one call */
#define VECTORS 512u            /* pieces in one call */

struct ImageFile {
  int fd;
  char *name;
  unsigned flags;
  int failed;                   /* atomic: errno of the first flush that failed */
  bool no_punch, no_zero, no_try;       /* the file system has said so; racing threads only ask it once more */
  unsigned align_memory, align; /* what O_DIRECT wants here of memory, and of offsets and sizes: powers of two up to DIRECT_ALIGN */
  pthread_rwlock_t direct;      /* with O_DIRECT: a write of a part of a block excludes other writes */
};

/* --- opening ---------------------------------------------------------------------------------- */

static bool
is_alignment (unsigned n)
{
  return n && n <= DIRECT_ALIGN && !(n & (n - 1));
}

/* The kernel tells since 6.1. */
static void
ask_alignment (ImageFile *file)
{
  file->align_memory = file->align = DIRECT_ALIGN;
#ifdef STATX_DIOALIGN
  struct statx st;
  if (!(file->flags & IMAGE_FILE_DIRECT) || statx (file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) != 0 || !(st.stx_mask & STATX_DIOALIGN))
    return;
  if (is_alignment (st.stx_dio_mem_align) && is_alignment (st.stx_dio_offset_align)) {
    file->align_memory = st.stx_dio_mem_align;
    file->align = st.stx_dio_offset_align;
  }
#endif
}

static ImageFile *
file_new (int fd, const char *name, unsigned flags)
{
  ImageFile *file = g_new0 (ImageFile, 1);
  file->fd = fd;
  file->name = g_strdup (name);
  file->flags = flags;
  ask_alignment (file);
  pthread_rwlock_init (&file->direct, NULL);
  return file;
}

static void
fail_open (const char *name, unsigned flags, int code, GError **error)
{
  if (code == EINVAL && flags & IMAGE_FILE_DIRECT)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: its file system cannot do cache = none or directsync", name);
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
  if (S_ISREG (st.st_mode) || S_ISBLK (st.st_mode)) {
    fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) & ~O_NONBLOCK);     /* it was for opening something else; io_uring would not wait for the disk */
    return true;
  }
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` is neither a file nor a block device", name);
  return false;
}

static int
resize (int fd, uint64_t size)
{
  while (ftruncate (fd, (off_t) size) != 0)
    if (errno != EINTR)
      return errno;
  return 0;
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
  int code = good && flags & IMAGE_FILE_CREATE ? resize (fd, 0) : 0;
  if (code && code != EINVAL) {
    fail_open (name, flags, code, error);
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
image_file_is_same (const ImageFile *a, const ImageFile *b)
{
  struct stat x, y;
  return fstat (a->fd, &x) == 0 && fstat (b->fd, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int
image_file_size (ImageFile *file, uint64_t *size)
{
  off_t end = lseek (file->fd, 0, SEEK_END);    /* of a block device too; nothing uses the position */
  *size = end < 0 ? 0 : (uint64_t) end;
  return end < 0 ? errno : 0;
}

uint64_t
image_file_allocated (ImageFile *file)
{
  struct stat st;
  return fstat (file->fd, &st) == 0 ? (uint64_t) st.st_blocks * 512 : 0;
}

/* --- plain transfers -------------------------------------------------------------------------- */

/* *there: bytes before the end of the file; the others are made zeros. */
static int
read_span (int fd, uint64_t offset, ImageSpan *to, uint64_t size, uint64_t *there)
{
  struct iovec vectors[VECTORS];
  for (*there = 0; size;) {
    uint64_t bytes;
    unsigned n = image_span_vectors (to, MIN (size, MOST), vectors, VECTORS, &bytes);
    ssize_t got = n == 1 ? pread (fd, vectors->iov_base, vectors->iov_len, (off_t) offset) : preadv (fd, vectors, (int) n, (off_t) offset);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return errno;
    if (got == 0) {
      image_span_zero (to, size);
      return 0;
    }
    image_span_skip (to, (uint64_t) got);
    *there += (uint64_t) got;
    offset += (uint64_t) got;
    size -= (uint64_t) got;
  }
  return 0;
}

static int
write_span (int fd, uint64_t offset, ImageSpan *from, uint64_t size)
{
  struct iovec vectors[VECTORS];
  while (size) {
    uint64_t bytes;
    unsigned n = image_span_vectors (from, MIN (size, MOST), vectors, VECTORS, &bytes);
    ssize_t put = n == 1 ? pwrite (fd, vectors->iov_base, vectors->iov_len, (off_t) offset) : pwritev (fd, vectors, (int) n, (off_t) offset);
    if (put < 0 && errno == EINTR)
      continue;
    if (put <= 0)
      return put < 0 ? errno : ENOSPC;
    image_span_skip (from, (uint64_t) put);
    offset += (uint64_t) put;
    size -= (uint64_t) put;
  }
  return 0;
}

static int
read_all (int fd, uint64_t offset, uint8_t *data, size_t size)
{
  struct iovec iov = { data, size };
  ImageSpan span = { &iov, 1, 0 };
  uint64_t there;
  return read_span (fd, offset, &span, size, &there);
}

static int
write_all (int fd, uint64_t offset, const uint8_t *data, size_t size)
{
  struct iovec iov = { (uint8_t *) data, size };
  ImageSpan span = { &iov, 1, 0 };
  return write_span (fd, offset, &span, size);
}

/* --- transfers past the page cache ------------------------------------------------------------ */

static bool
is_aligned (const ImageFile *file, const void *data, uint64_t offset, size_t size)
{
  return ((uintptr_t) data & (file->align_memory - 1)) == 0 && ((offset | size) & (file->align - 1)) == 0;
}

/* The aligned blocks around a piece of the transfer. */
typedef struct Piece {
  uint64_t start;
  size_t skip, use, whole;      /* bytes before the piece, of it, and of all blocks */
} Piece;

static Piece
piece_at (const ImageFile *file, uint64_t offset, size_t size)
{
  Piece p = { .start = offset & ~(uint64_t) (file->align - 1) };
  p.skip = (size_t) (offset - p.start);
  p.use = MIN (size, BOUNCE - p.skip);
  p.whole = (p.skip + p.use + file->align - 1) & ~(size_t) (file->align - 1);
  return p;
}

static int
read_direct (ImageFile *file, uint64_t offset, uint8_t *data, size_t size)
{
  uint8_t *bounce = aligned_alloc (DIRECT_ALIGN, BOUNCE);
  int code = bounce ? 0 : ENOMEM;
  while (size && !code) {
    Piece p = piece_at (file, offset, size);
    code = read_all (file->fd, p.start, bounce, p.whole);
    if (!code)                  /* else there is only what this program had there before */
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
  uint64_t length;
  int code = bounce ? image_file_size (file, &length) : ENOMEM;
  while (size && !code) {
    Piece p = piece_at (file, offset, size);
    if (p.skip || p.use != p.whole)
      code = read_all (file->fd, p.start, bounce, p.whole);
    memcpy (bounce + p.skip, data, p.use);
    if (!code)
      code = write_all (file->fd, p.start, bounce, p.whole);
    if (!code && p.start + p.whole > MAX (length, offset + p.use)) {
      code = resize (file->fd, MAX (length, offset + p.use));
      code = code == EINVAL ? 0 : code;         /* a block device */
    }
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

/* Whether O_DIRECT takes all pieces as they are. */
static bool
is_span_aligned (const ImageFile *file, const ImageSpan *span, uint64_t offset, uint64_t size)
{
  ImageSpan at = *span;
  while (size && at.left) {
    uint8_t *piece;
    size_t n = (size_t) MIN (size, (uint64_t) image_span_piece (&at, &piece));
    if (!is_aligned (file, piece, offset, n))
      return false;
    offset += n;
    size -= n;
    image_span_skip (&at, n);
  }
  return true;
}

static int
read_pieces (ImageFile *file, uint64_t offset, ImageSpan *to, uint64_t size, uint64_t *there)
{
  uint64_t end;
  int code = image_file_size (file, &end);
  *there = offset < end ? MIN (size, end - offset) : 0;
  while (size && !code) {
    uint8_t *piece;
    size_t n = (size_t) MIN (size, (uint64_t) image_span_piece (to, &piece));
    code = read_direct (file, offset, piece, n);
    offset += n;
    size -= n;
    image_span_skip (to, n);
  }
  return code;
}

static int
write_pieces (ImageFile *file, uint64_t offset, ImageSpan *from, uint64_t size)
{
  while (size) {
    uint8_t *piece;
    size_t n = (size_t) MIN (size, (uint64_t) image_span_piece (from, &piece));
    int code = write_direct (file, offset, piece, n);
    if (code)
      return code;
    offset += n;
    size -= n;
    image_span_skip (from, n);
  }
  return 0;
}

int
image_file_read_span (ImageFile *file, uint64_t offset, ImageSpan *to, uint64_t size, uint64_t *there)
{
  *there = 0;
  if (!is_within (offset, size))
    return EIO;
  if (!(file->flags & IMAGE_FILE_DIRECT) || is_span_aligned (file, to, offset, size))
    return read_span (file->fd, offset, to, size, there);
  return read_pieces (file, offset, to, size, there);
}

int
image_file_try_read (ImageFile *file, uint64_t offset, const ImageSpan *to, uint64_t size)
{
#ifdef RWF_NOWAIT
  struct iovec vectors[VECTORS];
  uint64_t bytes;
  if (file->flags & IMAGE_FILE_DIRECT || !is_within (offset, size))
    return EAGAIN;
  unsigned n = image_span_vectors (to, size, vectors, VECTORS, &bytes);
  return bytes == size && preadv2 (file->fd, vectors, (int) n, (off_t) offset, RWF_NOWAIT) == (ssize_t) size ? 0 : EAGAIN;
#else
  return EAGAIN;
#endif
}

int
image_file_try_write (ImageFile *file, uint64_t offset, const ImageSpan *from, uint64_t size)
{
#ifdef RWF_NOWAIT
  struct iovec vectors[VECTORS];
  uint64_t bytes;
  if (file->flags & IMAGE_FILE_DIRECT || !(file->flags & IMAGE_FILE_WRITE) || file->no_try || !is_within (offset, size))
    return EAGAIN;
  unsigned n = image_span_vectors (from, size, vectors, VECTORS, &bytes);
  ssize_t put = bytes == size ? pwritev2 (file->fd, vectors, (int) n, (off_t) offset, RWF_NOWAIT) : 0;
  if (put < 0 && errno == EOPNOTSUPP)
    file->no_try = true;
  return put == (ssize_t) size ? 0 : EAGAIN;
#else
  return EAGAIN;
#endif
}

int
image_file_write_span (ImageFile *file, uint64_t offset, ImageSpan *from, uint64_t size)
{
  if (!(file->flags & IMAGE_FILE_WRITE))
    return EROFS;
  if (!is_within (offset, size))
    return EFBIG;
  if (!(file->flags & IMAGE_FILE_DIRECT))
    return write_span (file->fd, offset, from, size);
  bool aligned = is_span_aligned (file, from, offset, size);
  if (aligned)
    pthread_rwlock_rdlock (&file->direct);
  else
    pthread_rwlock_wrlock (&file->direct);
  int code = aligned ? write_span (file->fd, offset, from, size) : write_pieces (file, offset, from, size);
  pthread_rwlock_unlock (&file->direct);
  return code;
}

int
image_file_read (ImageFile *file, uint64_t offset, void *data, size_t size)
{
  struct iovec iov = { data, size };
  ImageSpan span = { &iov, 1, 0 };
  uint64_t there;
  return image_file_read_span (file, offset, &span, size, &there);
}

int
image_file_write (ImageFile *file, uint64_t offset, const void *data, size_t size)
{
  struct iovec iov = { (void *) data, size };
  ImageSpan span = { &iov, 1, 0 };
  return image_file_write_span (file, offset, &span, size);
}

/* With O_DIRECT and blocks larger than sectors a transfer may touch a block that another thread reads and writes back: those writes have their order from `direct`. */
bool
image_file_is_plain (const ImageFile *file, bool write, uint64_t offset, const ImageSpan *span, uint64_t size)
{
  bool direct = file->flags & IMAGE_FILE_DIRECT;
  if (!is_within (offset, size) || (write && !(file->flags & IMAGE_FILE_WRITE && direct && file->align <= SECTOR)))
    return false;
  return !direct || is_span_aligned (file, span, offset, size);
}

int
image_file_descriptor (const ImageFile *file)
{
  return file->fd;
}

bool
image_file_can_flush (ImageFile *file)
{
  return !g_atomic_int_get (&file->failed) && !(file->flags & IMAGE_FILE_UNSAFE) && file->flags & IMAGE_FILE_WRITE;
}

/* The kernel tells of a page that it could not write once, and then takes it for clean. */
int
image_file_flush (ImageFile *file)
{
  if (!image_file_can_flush (file))
    return g_atomic_int_get (&file->failed);
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

void
image_file_flush_soon (ImageFile *file)
{
  if (image_file_can_flush (file) && !(file->flags & IMAGE_FILE_DIRECT))
    sync_file_range (file->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* --- space ------------------------------------------------------------------------------------ */

int
image_file_truncate (ImageFile *file, uint64_t size)
{
  return size > INT64_MAX ? EFBIG : resize (file->fd, size);
}

int
image_file_allocate (ImageFile *file, uint64_t offset, uint64_t size)
{
  int code = EINTR;
  while (size && code == EINTR)
    code = posix_fallocate (file->fd, (off_t) offset, (off_t) size);
  return size ? code : 0;
}

static int
reserve_or_punch (ImageFile *file, int mode, uint64_t offset, uint64_t size, bool *never)
{
  int code = 0;
  if (*never)
    return ENOTSUP;
  pthread_rwlock_rdlock (&file->direct);        /* or a block that is being read and written back brings back what was there */
  do
    code = fallocate (file->fd, mode, (off_t) offset, (off_t) size) == 0 ? 0 : errno;
  while (code == EINTR);
  pthread_rwlock_unlock (&file->direct);
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
