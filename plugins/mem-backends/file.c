/* file.c -- memory-file: RAM whose bytes are those of a host file. */
/* SPDX-License-Identifier: MIT */
#include "mem-backend.h"
#include <backplane/migration.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HUGETLBFS_MAGIC 0x958458f6      /* linux/magic.h */

typedef struct File {
  MemBackend base;
  /* properties */
  char *path;
  bool readonly, create;
  uint64_t offset;
  /* derived */
  bool made;                    /* by this object, */
  int64_t length;               /* or made longer, from this; -1: not */
  bool used;                    /* by a machine, and not only looked at */
} File;

/* --- opening ---------------------------------------------------------------------------------- */

static int
fail_open (const File *f, bool for_writing, GError **error)
{
  int code = errno;
  if (for_writing && (code == EACCES || code == EROFS || code == EPERM))
    g_set_error (error, BP_ERROR, BP_ERROR_IO,
                 "`%s` cannot be written: %s (readonly = on makes it read-only memory, share = off keeps "
                 "changes out of the file)",
                 f->path, g_strerror (code));
  else if (code == ENOENT && !f->create)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` does not exist (create = on makes it)", f->path);
  else
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot %s `%s`: %s", f->create ? "create" : "open", f->path,
                 g_strerror (code));
  return -1;
}

static int
open_file (File *f, GError **error)
{
  bool for_writing = f->create || (f->base.share && !f->readonly);
  int flags = (for_writing ? O_RDWR : O_RDONLY) | O_CLOEXEC, fd = f->create ? open (f->path, flags | O_CREAT | O_EXCL, 0600) : -1;
  f->length = -1;
  f->made = fd >= 0;
  if (fd < 0)
    fd = open (f->path, flags | (f->create ? O_CREAT : 0), 0600);
  return fd >= 0 ? fd : fail_open (f, for_writing, error);
}

/* Nothing came of it: the file is as it was. */
static void
undo (File *f)
{
  if (f->made ? unlink (f->path) : f->length >= 0 ? truncate (f->path, (off_t) f->length) : 0)
    bp_warn (f, "`%s` stays as it is now: %s", f->path, g_strerror (errno));
  f->made = false;
  f->length = -1;
}

/* The file must hold the span; with create it is made longer. */
static bool
check_length (File *f, int fd, const struct stat *st, GError **error)
{
  uint64_t need = f->offset + f->base.size;
  if ((uint64_t) st->st_size >= need)
    return true;
  if (!f->create) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO,
                 "`%s` is %" G_GUINT64_FORMAT " bytes long, shorter than offset %" G_GUINT64_FORMAT
                 " + size %" G_GUINT64_FORMAT " = %" G_GUINT64_FORMAT " bytes (create = on makes it longer)",
                 f->path, (uint64_t) st->st_size, f->offset, f->base.size, need);
    return false;
  }
  f->length = st->st_size;
  if (ftruncate (fd, (off_t) need) == 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot make `%s` %" G_GUINT64_FORMAT " bytes long: %s", f->path, need, g_strerror (errno));
  return false;
}

/* Disk space now, rather than SIGBUS later: a file that is long enough may have holes. */
static bool
fill_holes (const File *f, int fd, GError **error)
{
  int code = f->base.prealloc && f->base.share && !f->readonly ? posix_fallocate (fd, (off_t) f->offset, (off_t) f->base.size) : 0;
  if (code)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "prealloc = on: cannot get %" G_GUINT64_FORMAT " MiB of disk space for `%s`: %s", f->base.size >> 20, f->path,
                 g_strerror (code));
  return !code;
}

static bool
check_file (File *f, int fd, uint64_t *page_size, GError **error)
{
  struct stat st;
  struct statfs fs;
  if (fstat (fd, &st) != 0 || fstatfs (fd, &fs) != 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot examine `%s`: %s", f->path, g_strerror (errno));
    return false;
  }
  if (!S_ISREG (st.st_mode)) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` is not a regular file", f->path);
    return false;
  }
  if ((unsigned) fs.f_type == HUGETLBFS_MAGIC)
    *page_size = (uint64_t) fs.f_bsize;
  if (f->offset % *page_size) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY,
                 "offset is %" G_GUINT64_FORMAT "; it must be a multiple of the page size, %" G_GUINT64_FORMAT
                 " bytes",
                 f->offset, *page_size);
    return false;
  }
  bool is_pool = *page_size != (uint64_t) sysconf (_SC_PAGESIZE);       /* whose pages the mapping reserves */
  return mem_backend_check_size (&f->base, *page_size, error) && check_length (f, fd, &st, error) && (is_pool || fill_holes (f, fd, error));
}

/* --- life cycle ------------------------------------------------------------------------------- */

static bool
check_properties (const File *f, GError **error)
{
  if (f->readonly && f->create) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "readonly and create exclude each other");
    return false;
  }
  if (f->offset > INT64_MAX - f->base.size) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY,
                 "offset %" G_GUINT64_FORMAT " + size is more than a file can hold", f->offset);
    return false;
  }
  return true;
}

static bool
configure (void *self, GError **error)
{
  File *f = self;
  uint64_t page_size = (uint64_t) sysconf (_SC_PAGESIZE);
  if (!check_properties (f, error) || !mem_backend_check_size (&f->base, page_size, error))
    return false;
  int fd = open_file (f, error);
  if (fd < 0)
    return false;
  if (!check_file (f, fd, &page_size, error)) {
    close (fd);
    undo (f);
    return false;
  }
  /* Read-only memory is mapped privately: a loader that patches it changes its copy, not the file. */
  if (f->readonly)
    f->base.share = false;
  f->base.has_contents = true;
  if (!mem_backend_map (&f->base, fd, f->offset, page_size, error)) {
    undo (f);
    return false;
  }
  bp_region_set_readonly (f->base.region, f->readonly);
  return true;
}

/* Whoever has the file as memory that others see holds a lock of it: the bytes of a machine that comes must not be put over those of the one that they come from. */
static bool
realize (void *self, GError **error)
{
  File *f = self;
  BpMachine *machine = bp_object_machine (self);
  f->used = true;
  if (!f->base.share)
    return true;
  if (machine && bp_machine_is_incoming (machine) && flock (f->base.fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` is another process's memory, and a machine that comes is written to its memory: give it another file", f->path);
    return false;
  }
  flock (f->base.fd, LOCK_SH | LOCK_NB);        /* (a file system without locks does without) */
  return true;
}

static void
unrealize (void *self)
{
  File *f = self;
  bool was_made = f->base.region;
  mem_backend_unrealize (self);
  if (was_made && !f->used)
    undo (f);
}

/* --- tables ----------------------------------------------------------------------------------- */

static const BpProperty properties[] = {
  MEM_BACKEND_SHARE (
    File, true,
    "Write changes to the file; off: the file is the first content, changes are lost at the end."),
  BP_PROP_FILE ("path", File, path, BP_PROPERTY_REQUIRED | BP_PROPERTY_MAYBE_NEW, "The file that holds the memory's bytes."),
  BP_PROP_BOOL ("readonly", File, readonly, false,
                "The guest's writes are dropped, and the file need not be writable."),
  BP_PROP_BOOL ("create", File, create, false,
                "Create the file if it is missing, and make it longer if it is too short."),
  BP_PROP_SIZE ("offset", File, offset, 0,
                "Where in the file the memory starts, in bytes; a multiple of the page size."),
  BP_PROP_END
};

const BpTypeDesc memory_file_type = {
  BP_TYPE ("memory-file", BP_KIND_MEMORY, File),
  .description = "RAM whose bytes are those of a host file",
  .parent = &mem_backend_type,
  .properties = properties,
  .configure = configure,
  .realize = realize,
  .unrealize = unrealize,
  .flags = BP_TYPE_HOT_PLUG,
};
