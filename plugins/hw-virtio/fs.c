/* fs.c -- virtio file system device (VIRTIO 1.2, 5.11): a folder of the host, by FUSE messages on queues. */
/* SPDX-License-Identifier: MIT */
#include "fs-server.h"
#include <backplane/bus/virtio.h>
#include <backplane/clock.h>
#include <backplane/log.h>
#include <backplane/machine.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

/* --- what the driver sees ----------------------------------------------------------------------- */

enum { DEVICE_ID = 26, TAG_SIZE = 36, QUEUES_MOST = 16, QUEUE_SIZE = 256 };

typedef struct __attribute__ ((packed)) Config {
  char tag[TAG_SIZE];           /* UTF-8; a NUL behind it when it is shorter */
  uint32_t request_queues;      /* queue 0 is for what must not wait */
} Config;

/* --- state: saved | wiring | derived -------------------------------------------------------------- */

typedef struct Buffers {        /* of one that serves */
  uint8_t request[FS_REQUEST_MOST], answer[FS_ANSWER_MOST];
} Buffers;

typedef struct Fs {
  BpStateBuffer saved;          /* what the server knows, from when it is saved or loaded until the next reset */
  /* wiring */
  BpLink bus;
  char *address, *tag, *folder;
  bool read_only;
  uint32_t queues, threads;
  int cache, security;
  BpVirtioDevice *device;
  FsShare share;
  unsigned watch;
  GPtrArray *workers;           /* GThreads; none: the vCPU that kicks does the work */
  Buffers *own;                 /* without workers */
  /* derived; [locked] */
  FsServer *server;             /* while the driver has the device started */
  FsServer *loaded;             /* what the start takes that follows a load; the bus and this object are loaded in any order */
  uint64_t life;                /* counts the driver's resets: what was begun in another is not answered */
  unsigned turn;                /* the request queue that is looked at first */
  /* [mutex], which is taken after the machine lock */
  GMutex mutex;
  GCond wake, idle;
  unsigned kicks, busy;         /* kicks nobody has seen; workers that have */
  bool ends;
} Fs;

static const BpVirtioBusIface *bus_of (const Fs *f) { return f->bus.table; }

/* --- requests ----------------------------------------------------------------------------------------- */

typedef struct Job {
  BpVirtioBuffer *buffer;
  FsServer *server;             /* a reference */
  uint64_t life;
  size_t size, room;
} Job;

static BpVirtioBuffer *
next_buffer (Fs *f)
{
  BpVirtioBuffer *b = bp_virtio_pop (&f->bus, f->device, 0);
  for (unsigned i = 0; !b && i < f->queues; i++)
    b = bp_virtio_pop (&f->bus, f->device, 1 + (f->turn + i) % f->queues);
  if (b && b->queue)
    f->turn = b->queue % f->queues;
  return b;
}

/* The message is copied: the driver may change it, and lose the memory it is in, while the host is asked.  [locked] */
static bool
begin (Fs *f, Job *j, Buffers *buffers)
{
  j->buffer = f->server ? next_buffer (f) : NULL;
  if (!j->buffer)
    return false;
  j->server = fs_server_ref (f->server);
  j->life = f->life;
  j->size = bp_virtio_read (j->buffer, 0, buffers->request, sizeof buffers->request);
  j->room = (size_t) MIN (j->buffer->in_size, sizeof buffers->answer);
  return true;
}

/* [locked] */
static void
finish (Fs *f, const Job *j, const Buffers *buffers, size_t size)
{
  if (j->life != f->life)
    return;                     /* the buffer is lost */
  uint32_t queue = j->buffer->queue;
  if (!size && j->room)
    bp_log_guest (f, "a message of %zu bytes with room for %zu that nothing can be answered to", j->size, j->room);
  bp_virtio_write (j->buffer, 0, buffers->answer, size);
  bp_virtio_push (&f->bus, f->device, j->buffer, (uint32_t) size);
  bp_virtio_notify (&f->bus, f->device, queue);
}

static bool
has_more (const Fs *f)
{
  for (unsigned i = 0; i <= f->queues; i++)
    if (bus_of (f)->has_buffers (f->bus.instance, f->device, i))
      return true;
  return false;
}

static void
wake_one (Fs *f)
{
  g_mutex_lock (&f->mutex);
  f->kicks = 1;
  g_cond_signal (&f->wake);
  g_mutex_unlock (&f->mutex);
}

/* The host is asked without the machine lock: a slow file holds those up that want it, and nobody else. */
static bool
serve_one (Fs *f, Buffers *buffers)
{
  BpMachine *machine = bp_object_machine (f);
  Job j;
  bp_machine_lock (machine);
  bool any = begin (f, &j, buffers), more = any && has_more (f);
  bp_machine_unlock (machine);
  if (!any)
    return false;
  if (more)
    wake_one (f);
  size_t size = fs_server_answer (j.server, buffers->request, j.size, buffers->answer, j.room);
  bp_machine_lock (machine);
  finish (f, &j, buffers, size);
  bp_machine_unlock (machine);
  fs_server_unref (j.server);
  return true;
}

static gpointer
work (gpointer user)
{
  Fs *f = user;
  Buffers *buffers = g_new (Buffers, 1);
  g_mutex_lock (&f->mutex);
  while (!f->ends) {
    if (!f->kicks) {
      g_cond_wait (&f->wake, &f->mutex);
      continue;
    }
    f->kicks = 0;
    f->busy++;
    g_mutex_unlock (&f->mutex);
    while (serve_one (f, buffers))
      ;
    g_mutex_lock (&f->mutex);
    if (--f->busy == 0)
      g_cond_broadcast (&f->idle);
  }
  g_mutex_unlock (&f->mutex);
  g_free (buffers);
  return NULL;
}

/* In a deterministic machine an answer must come at the same instruction in each run: it is there when the kick returns. */
static void
serve_here (Fs *f)
{
  Job j;
  while (begin (f, &j, f->own)) {
    finish (f, &j, f->own, fs_server_answer (j.server, f->own->request, j.size, f->own->answer, j.room));
    fs_server_unref (j.server);
  }
}

static void
on_kick (void *self, unsigned queue)
{
  Fs *f = self;
  if (f->own)
    serve_here (f);
  else
    wake_one (f);
}

/* --- the driver comes and goes ---------------------------------------------------------------------------- */

/* The machine has confined itself by now, and may have nothing left to give files away with. */
static void
warn_of_owners (const Fs *f)
{
  static bool told;
  if (f->share.security == FS_SECURITY_PASSTHROUGH && geteuid () == 0 && prctl (PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0) == 0 && !__atomic_exchange_n (&told, true, __ATOMIC_RELAXED))
    bp_warn (f, "security = passthrough: what the guest makes is root's, who cannot give files away ([sandbox] capabilities = chown dac_override fowner fsetid)");
}

static void
on_start (void *self)
{
  Fs *f = self;
  warn_of_owners (f);
  g_clear_pointer (&f->server, fs_server_unref);
  f->server = f->loaded ? g_steal_pointer (&f->loaded) : fs_server_new (&f->share);
}

static void
on_stop (void *self)
{
  Fs *f = self;
  f->life++;
  g_clear_pointer (&f->server, fs_server_unref);
}

static void
config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  const Fs *f = self;
  Config c = { .request_queues = GUINT32_TO_LE (f->queues) };
  memcpy (c.tag, f->tag, strlen (f->tag));
  memcpy (bytes, (const uint8_t *) &c + offset, size);
}

/* --- a machine that stands, and one that was loaded ---------------------------------------------------------- */

/* A request is done once: none is under way when the machine is saved. */
static void
drain (Fs *f)
{
  g_mutex_lock (&f->mutex);
  while (f->workers->len && (f->busy || f->kicks))
    g_cond_wait (&f->idle, &f->mutex);
  g_mutex_unlock (&f->mutex);
}

static void
on_event (void *user, BpMachineEvent event, const char *detail)
{
  Fs *f = user;
  if (event == BP_MACHINE_RESUMING)
    g_clear_pointer (&f->loaded, fs_server_unref);
  if (event == BP_MACHINE_STOPPED)
    drain (f);
}

static void
release_saved (Fs *f)
{
  g_free (f->saved.data);
  f->saved = (BpStateBuffer) { NULL, 0 };
}

/* Asked before it is saved: what the server knows is put there then. */
static bool
fill_saved (const void *self)
{
  Fs *f = (Fs *) self;
  release_saved (f);
  if (!f->server)
    return false;
  GByteArray *bytes = fs_server_save (f->server);
  f->saved.size = bytes->len;
  f->saved.data = g_byte_array_free (bytes, FALSE);
  return true;
}

static bool
fs_post_load (void *self, GError **error)
{
  Fs *f = self;
  g_clear_pointer (&f->loaded, fs_server_unref);
  if (f->saved.size <= 1)
    return true;                /* there was no server; older states say it with a byte */
  if (!f->device) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the saved machine shares a folder here, and this one does not: folder is not given");
    return false;
  }
  f->loaded = fs_server_new (&f->share);
  bool fine = fs_server_load (f->loaded, f->saved.data, f->saved.size, error);
  g_clear_pointer (&f->server, fs_server_unref);
  f->server = fs_server_ref (f->loaded);
  return fine;
}

/* --- life cycle: configure, realize, reset ---------------------------------------------------------------------- */

static bool
fs_configure (void *self, GError **error)
{
  Fs *f = self;
  if (*f->tag && strlen (f->tag) <= TAG_SIZE && g_utf8_validate (f->tag, -1, NULL))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "tag = %s: 1 to %d bytes of UTF-8 are a tag", f->tag, TAG_SIZE);
  return false;
}

/* Fewer than were asked for do it, too. */
static bool
start_workers (Fs *f, GError **error)
{
  if (bp_machine_is_deterministic (bp_object_machine (f), NULL)) {
    f->own = g_new (Buffers, 1);
    return true;
  }
  for (unsigned i = 0; i < f->threads; i++) {
    GThread *thread = g_thread_try_new ("virtio-fs", work, f, f->workers->len ? NULL : error);
    if (!thread)
      break;
    g_ptr_array_add (f->workers, thread);
  }
  return f->workers->len;
}

static bool
fs_realize (void *self, GError **error)
{
  Fs *f = self;
  uint16_t sizes[1 + QUEUES_MOST];
  if (!f->folder || !*f->folder)
    return true;                /* there is no device */
  for (unsigned i = 0; i <= f->queues; i++)
    sizes[i] = QUEUE_SIZE;
  g_mutex_init (&f->mutex);
  g_cond_init (&f->wake);
  g_cond_init (&f->idle);
  f->workers = g_ptr_array_new ();
  f->share = (FsShare) { .root = -1, .read_only = f->read_only, .cache = (FsCache) f->cache, .security = (FsSecurity) f->security };
  if (!fs_share_open (&f->share, f->folder, error))
    return false;
  if (f->share.security == FS_SECURITY_MAPPED && !fs_share_keeps_owners (&f->share)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "security = mapped: the file system of `%s` has no extended attributes (user.*), in which owners would be kept", f->folder);
    return false;
  }
  BpVirtioFunction function = { .struct_size = sizeof function, .device_id = DEVICE_ID, .n_queues = 1 + f->queues, .queue_sizes = sizes,
                                .config_size = sizeof (Config), .self = f, .config_read = config_read, .start = on_start, .stop = on_stop, .kick = on_kick };
  f->device = bus_of (f)->add (f->bus.instance, f->address, &function, error);
  if (!f->device)
    return false;
  f->watch = bp_machine_watch (bp_object_machine (f), on_event, f);
  return start_workers (f, error);
}

static void
end_workers (Fs *f)
{
  g_mutex_lock (&f->mutex);
  f->ends = true;
  g_cond_broadcast (&f->wake);
  g_mutex_unlock (&f->mutex);
  for (unsigned i = 0; i < f->workers->len; i++)
    g_thread_join (g_ptr_array_index (f->workers, i));
  g_clear_pointer (&f->workers, g_ptr_array_unref);
  g_mutex_clear (&f->mutex);
  g_cond_clear (&f->wake);
  g_cond_clear (&f->idle);
}

static void
fs_unrealize (void *self)
{
  Fs *f = self;
  release_saved (f);
  if (!f->workers)
    return;                     /* it was never realized, or is none */
  if (f->watch)
    bp_machine_unwatch (bp_object_machine (f), f->watch);
  end_workers (f);
  if (f->device)
    bus_of (f)->remove (f->bus.instance, f->device);
  f->device = NULL;
  on_stop (f);
  g_clear_pointer (&f->loaded, fs_server_unref);
  fs_share_close (&f->share);
  g_clear_pointer (&f->own, g_free);
}

static void
fs_reset (void *self, BpResetKind kind)
{
  Fs *f = self;
  release_saved (f);
  if (!f->device)
    return;
  bus_of (f)->reset (f->bus.instance, f->device);
  on_stop (f);
  g_clear_pointer (&f->loaded, fs_server_unref);
}

/* --- tables: properties, saved fields, type ------------------------------------------------------------------------ */

static const char *const cache_names[] = { "none", "auto", "always", NULL };
static const char *const security_names[] = { "squash", "passthrough", "mapped", NULL };
static const BpProperty fs_properties[] = {
  BP_VIRTIO_DEVICE_PROPERTIES (Fs, bus, address),
  BP_PROP_STRING ("tag", Fs, tag, "share", "What the guest mounts it by: mount -t virtiofs TAG /mnt."),
  BP_PROP_FILE ("folder", Fs, folder, BP_PROPERTY_FOLDER, "The folder of the host that is shared; nothing outside of it is reached.  Not given: there is no device."),
  BP_PROP_BOOL ("read-only", Fs, read_only, false, "Whether the guest can change nothing in it."),
  BP_PROP_U32_RANGE ("queues", Fs, queues, 1, 1, QUEUES_MOST, "Queues for requests, beside the one for what must not wait."),
  BP_PROP_U32_RANGE ("threads", Fs, threads, 4, 1, 64, "Requests that are done at a time, each by a thread; a deterministic machine has none, and does them one by one."),
  BP_PROP_ENUM ("cache", Fs, cache, FS_CACHE_AUTO, cache_names,
                "How long the guest believes what it knows of the folder: none (it always asks, and files cannot be mapped to share them), auto (a second), always."),
  BP_PROP_ENUM ("security", Fs, security, FS_SECURITY_SQUASH, security_names,
                "Whose files are: squash (all are root's, no set-user-ID), passthrough (as on the host), mapped (as the guest says, kept in extended attributes)."),
  BP_PROP_END
};
static const BpStateField fs_state[] = { BP_STATE_ (BP_STATE_BLOB, Fs, saved, 1, .needed = fill_saved), BP_STATE_END };

const BpTypeDesc virtio_fs_type = {
  BP_TYPE ("virtio-fs", BP_KIND_DEVICE, Fs),
  .description = "Virtio file system device: a shared folder",
  .properties = fs_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = fs_state,
  .configure = fs_configure,
  .realize = fs_realize,
  .unrealize = fs_unrealize,
  .reset = fs_reset,
  .post_load = fs_post_load,
};
