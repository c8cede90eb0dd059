/* block-image.c -- block-image: a disk whose contents are an image file. */
/* SPDX-License-Identifier: MIT */
#include "block-backends.h"
#include "image-requests.h"
#include <backplane/migration.h>
#include <backplane/log.h>
#include <errno.h>
#include <string.h>

typedef enum Cache { CACHE_WRITEBACK, CACHE_WRITETHROUGH, CACHE_DIRECT, CACHE_UNSAFE, CACHE_NONE, CACHE_DIRECTSYNC } Cache;
typedef enum Io { IO_AUTO, IO_URING, IO_THREADS } Io;
typedef enum Format { FORMAT_AUTO, FORMAT_RAW, FORMAT_QCOW2 } Format;

typedef struct BlockImage {
  /* properties */
  char *file;
  int format, cache, io, discard;
  bool read_only, snapshot, locking;
  /* wiring */
  const BpBlockHandlers *handlers;      /* NULL: no device */
  void *user;
  /* derived */
  Requests *requests;
  Image *image;                 /* NULL: no medium, or it was released */
  char *medium, *medium_format; /* what was opened, and as what */
  bool released;                /* another process has it, or is about to */
  GMutex lock;                  /* of `shown` */
  BpBlockInfo shown;
} BlockImage;

static const char *const format_names[] = { "auto", "raw", "qcow2", NULL };

/* --- the medium ------------------------------------------------------------------------------------------ */

static void
show (BlockImage *b, const char *name)
{
  BpBlockInfo info = { .struct_size = sizeof info, .inserted = b->image != NULL };
  if (b->image) {
    info.read_only = b->image->read_only;
    info.size = b->image->size / BP_BLOCK_SECTOR * BP_BLOCK_SECTOR;
    g_strlcpy (info.file, name, sizeof info.file);
    /* of the file that was named, not of what a temporary overlay is */
    bool overlay = b->snapshot && !b->image->read_only;
    g_strlcpy (info.format, (overlay ? b->image->backing : b->image)->format->name, sizeof info.format);
  }
  g_mutex_lock (&b->lock);
  b->shown = info;
  g_mutex_unlock (&b->lock);
}

static Image *
open_medium (const BlockImage *b, const char *name, const char *format, bool read_only, GError **error)
{
  ImageOptions options = { .format = format,
                           .read_only = read_only,
                           .snapshot = b->snapshot,
                           .direct = b->cache == CACHE_DIRECT || b->cache == CACHE_NONE || b->cache == CACHE_DIRECTSYNC,
                           .unsafe = b->cache == CACHE_UNSAFE,
                           .unmap = b->discard,
                           .lock = b->locking };
  return image_open (name, &options, error);
}

static void
note_medium (BlockImage *b, const char *name, const char *format)
{
  g_autofree char *was = b->medium, *was_format = b->medium_format;
  b->medium = g_strdup (name);
  b->medium_format = g_strdup (format);
  b->released = false;
}

static void
close_medium (BlockImage *b, Image *image)
{
  g_autoptr (GError) error = NULL;
  if (!image_close (image, &error))
    bp_warn (b, "%s", error->message);
}

static void
tell_device (BlockImage *b)
{
  if (!BP_TABLE_HAS (b->handlers, changed))
    return;
  bp_machine_lock (bp_object_machine (b));
  b->handlers->changed (b->user);
  bp_machine_unlock (bp_object_machine (b));
}

/* The old one is closed before the new one is opened: they may be one file. */
static void
take_medium (BlockImage *b)
{
  Image *old = b->image;
  requests_set_image (b->requests, NULL);
  b->image = NULL;
  if (old)
    close_medium (b, old);
  note_medium (b, NULL, NULL);
  show (b, NULL);
}

static bool
may_take (BlockImage *b, bool force, GError **error)
{
  bool may = true;
  if (!b->image || force || !BP_TABLE_HAS (b->handlers, may_eject))
    return true;
  bp_machine_lock (bp_object_machine (b));
  may = b->handlers->may_eject (b->user);
  bp_machine_unlock (bp_object_machine (b));
  if (!may)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the guest has locked the drive");
  return may;
}

/* --- the interface ---------------------------------------------------------------------------------------- */

/* A device may come before this object is realized. */
static Requests *
requests_of (BlockImage *b)
{
  if (!b->requests)
    b->requests = requests_new (b, b->cache == CACHE_WRITETHROUGH || b->cache == CACHE_DIRECTSYNC);
  return b->requests;
}

static bool
block_attach (void *self, const BpBlockHandlers *handlers, void *user)
{
  BlockImage *b = self;
  if (handlers && b->handlers)
    return false;
  if (!handlers && b->requests)
    requests_drain (b->requests);
  b->handlers = handlers;
  b->user = handlers ? user : NULL;
  if (handlers || b->requests)
    requests_attach (requests_of (b), handlers, BP_TABLE_HAS (handlers, loop) ? handlers->loop : NULL);
  return true;
}

static void
block_info (void *self, BpBlockInfo *info)
{
  BlockImage *b = self;
  uint32_t size = MIN (info->struct_size, (uint32_t) sizeof *info);
  g_mutex_lock (&b->lock);
  BpBlockInfo full = b->shown;
  g_mutex_unlock (&b->lock);
  if (b->requests)
    requests_counters (b->requests, full.bytes, full.requests);
  full.struct_size = info->struct_size;
  memcpy (info, &full, size);
}

static void
block_submit (void *self, BpBlockRequest *request)
{
  requests_submit (requests_of (self), request);
}

static bool
block_try (void *self, BpBlockRequest *request, int *error)
{
  return requests_try (requests_of (self), request, error);
}

static void block_batch_begin (void *self) { requests_batch (requests_of (self), true); }
static void block_batch_end (void *self) { requests_batch (requests_of (self), false); }

static void
block_drain (void *self)
{
  BlockImage *b = self;
  if (b->requests)
    requests_drain (b->requests);
}

static bool
block_insert (void *self, const char *file, const char *format, bool read_only, GError **error)
{
  BlockImage *b = self;
  if (!may_take (b, false, error))
    return false;
  bool had = b->image;
  take_medium (b);
  b->image = open_medium (b, file, format, read_only, error);
  if (b->image)
    note_medium (b, file, format);
  show (b, file);
  requests_set_image (requests_of (b), b->image);
  if (had || b->image)
    tell_device (b);
  return b->image;
}

static bool
block_eject (void *self, bool force, GError **error)
{
  BlockImage *b = self;
  if (!may_take (b, force, error))
    return false;
  bool had = b->image;
  take_medium (b);
  if (had)
    tell_device (b);
  return true;
}

static void
show_size (BlockImage *b)
{
  g_mutex_lock (&b->lock);
  b->shown.size = b->image->size / BP_BLOCK_SECTOR * BP_BLOCK_SECTOR;
  g_mutex_unlock (&b->lock);
}

static bool
block_resize (void *self, uint64_t size, GError **error)
{
  BlockImage *b = self;
  if (!b->image || b->image->read_only || size % BP_BLOCK_SECTOR) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, !b->image ? "there is no medium" : b->image->read_only ? "`%s` is read-only" : "`%s`: a size is a multiple of 512 bytes",
                 b->medium);
    return false;
  }
  int code = requests_resize (b->requests, size);
  if (code)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot resize `%s`%s: %s", b->medium, code == ENOTSUP ? " (an image of version 2 with snapshots)" : "", g_strerror (code));
  show_size (b);
  tell_device (b);
  return !code;
}

static BpBlockSnapshots
block_snapshots (void *self)
{
  const BlockImage *b = self;
  BpBlockSnapshots able = image_snapshots (b->image);
  return able == BP_BLOCK_SNAPSHOTS_KEPT && b->snapshot ? BP_BLOCK_SNAPSHOTS_TEMPORARY : able;
}

static bool
block_snapshot_list (void *self, void (*found) (void *user, const BpBlockSnapshot *snapshot), void *user, GError **error)
{
  return image_snapshot_list (((BlockImage *) self)->image, found, user, error);
}

/* The device is not told: what it knows of the medium is in its own state. */
static bool
block_snapshot_do (void *self, BpBlockSnapshotOp op, const BpBlockSnapshot *snapshot, GError **error)
{
  BlockImage *b = self;
  bool good = image_snapshot_do (b->image, op, snapshot, error);
  if (b->image)
    show_size (b);
  return good;
}

static bool
block_vm_state_clear (void *self, GError **error)
{
  return image_vm_state_clear (((BlockImage *) self)->image, error);
}

static bool
block_vm_state_write (void *self, uint64_t position, const void *data, size_t size, GError **error)
{
  return image_vm_state_write (((BlockImage *) self)->image, position, data, size, error);
}

static bool
block_vm_state_read (void *self, const char *snapshot_id, uint64_t position, void *data, size_t size, GError **error)
{
  return image_vm_state_read (((BlockImage *) self)->image, snapshot_id, position, data, size, error);
}

/* --- a medium that another process gets, or has had ------------------------------------------------------------ */

/* What the device has to know of a medium that is not ours yet: read, without a lock. */
static Image *
look_at_medium (BlockImage *b, GError **error)
{
  ImageOptions options = { .format = format_names[b->format], .read_only = true };
  Image *image = image_open (b->file, &options, error);
  if (!image)
    return NULL;
  b->image = image;
  show (b, b->file);
  b->shown.read_only = false;
  note_medium (b, b->file, format_names[b->format]);
  b->released = true;
  return image;
}

static bool
block_release (void *self, GError **error)
{
  BlockImage *b = self;
  if (!b->image || b->image->read_only || b->released)
    return true;
  int code = image_flush (b->image);
  if (code) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` cannot be written: %s", b->medium, g_strerror (code));
    return false;
  }
  requests_set_image (b->requests, NULL);
  close_medium (b, g_steal_pointer (&b->image));
  b->released = true;
  return true;
}

static bool
block_take (void *self, GError **error)
{
  BlockImage *b = self;
  uint64_t size = b->shown.size;
  if (!b->released)
    return true;
  Image *image = open_medium (b, b->medium, b->medium_format, false, error);
  if (image && image->size / BP_BLOCK_SECTOR * BP_BLOCK_SECTOR != size) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` has another size than before", b->medium);
    close_medium (b, g_steal_pointer (&image));
  }
  if (!image)
    return false;
  requests_set_image (b->requests, NULL);
  if (b->image)
    close_medium (b, b->image);
  b->image = image;
  b->released = false;
  show (b, b->medium);
  requests_set_image (b->requests, image);
  return true;
}

static const BpBlockIface block_iface = {
  .struct_size = sizeof block_iface, .attach = block_attach, .info = block_info, .submit = block_submit, .drain = block_drain,
  .insert = block_insert, .eject = block_eject, .snapshots = block_snapshots, .snapshot_list = block_snapshot_list,
  .snapshot_do = block_snapshot_do, .vm_state_clear = block_vm_state_clear, .vm_state_write = block_vm_state_write,
  .vm_state_read = block_vm_state_read, .try_now = block_try, .release = block_release, .take = block_take, .batch_begin = block_batch_begin,
  .batch_end = block_batch_end, .resize = block_resize,
};

/* --- life cycle -------------------------------------------------------------------------------------------- */

/* The host's lack is told once, and not to somebody who wants threads. */
static bool
begin_io (BlockImage *b, GError **error)
{
  static bool told;
  g_autoptr (GError) lack = NULL;
  Requests *requests = requests_of (b);
  if (b->io == IO_THREADS || requests_use_ring (requests, &lack))
    return true;
  if (b->io == IO_URING) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "io = uring: %s (io = auto does without)", lack->message);
    return false;
  }
  if (!__atomic_exchange_n (&told, true, __ATOMIC_RELAXED))
    bp_log (BP_LOG_UNIMP, "%s: threads do its input and output: %s", bp_object_id (b), lack->message);
  return true;
}

static bool
block_realize (void *self, GError **error)
{
  BlockImage *b = self;
  if (!begin_io (b, error))
    return false;
  if (!b->file)
    return true;
  bool waits = bp_machine_is_incoming (bp_object_machine (b)) && !b->read_only && !b->snapshot;
  b->image = waits ? look_at_medium (b, error) : open_medium (b, b->file, format_names[b->format], b->read_only, error);
  if (b->image && !waits) {
    note_medium (b, b->file, format_names[b->format]);
    show (b, b->file);
  }
  requests_set_image (b->requests, b->image);
  return b->image;
}

static void
block_unrealize (void *self)
{
  BlockImage *b = self;
  if (!b->requests)
    return;
  requests_drain (b->requests);
  take_medium (b);
  requests_free (b->requests);
  b->requests = NULL;
}

/* --- tables ------------------------------------------------------------------------------------------------ */

static const char *const cache_names[] = { "writeback", "writethrough", "direct", "unsafe", "none", "directsync", NULL };
static const char *const io_names[] = { "auto", "uring", "threads", NULL };
static const char *const discard_names[] = { "ignore", "unmap", NULL };

static const BpProperty properties[] = {
  BP_PROP_FILE ("file", BlockImage, file, 0, "The image; without one the drive has no medium until a monitor inserts one."),
  BP_PROP_ENUM ("format", BlockImage, format, FORMAT_AUTO, format_names,
                "The image's format; auto looks at the file, and takes it for raw when it looks like nothing else. Such an image cannot be made to "
                "look like one of another format by its guest; format = raw allows that."),
  BP_PROP_BOOL ("read-only", BlockImage, read_only, false, "The guest cannot write, and the file need not be writable."),
  BP_PROP_BOOL ("snapshot", BlockImage, snapshot, false, "What the guest writes goes to a temporary file and is forgotten at the end."),
  BP_PROP_ENUM ("cache", BlockImage, cache, CACHE_WRITEBACK, cache_names,
                "writeback: on the disk when the guest flushes; writethrough: when each write is done; none: writeback past the host's page cache (direct is the same); "
                "directsync: writethrough past it; unsafe: the guest's flushes are ignored."),
  BP_PROP_ENUM ("io", BlockImage, io, IO_AUTO, io_names,
                "Who does the host's input and output: the kernel by itself (uring), a few threads (threads), or uring where the host has it (auto)."),
  BP_PROP_ENUM ("discard", BlockImage, discard, 0, discard_names,
                "What becomes of space that the guest gives back: nothing (ignore), or the host gets it (unmap)."),
  BP_PROP_BOOL ("locking", BlockImage, locking, true,
                "Refuse a file that another program writes, and keep others from writing this one; QEMU's programs follow the same rules."),
  BP_PROP_END
};

static const BpInterfaceDesc interfaces[] = { { BP_BLOCK_ID, &block_iface }, { BP_IMAGE_TOOL_ID, &image_tool }, { NULL, NULL } };

const BpTypeDesc block_image_type = {
  BP_TYPE ("block-image", BP_KIND_BACKEND, BlockImage),
  .description = "a disk whose contents are an image file, raw or qcow2",
  .properties = properties,
  .interfaces = interfaces,
  .realize = block_realize,
  .unrealize = block_unrealize,
};
