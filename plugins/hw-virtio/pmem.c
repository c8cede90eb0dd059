/* pmem.c -- virtio persistent memory (VIRTIO 1.2, 5.19): a file that the guest sees as memory, and a queue to flush it. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/virtio.h>
#include <backplane/log.h>
#include <backplane/loop.h>
#include "memory-place.h"
#include <errno.h>
#include <unistd.h>
#include <string.h>

/* --- what the driver sees ----------------------------------------------------- */

enum { DEVICE_ID = 27, QUEUE = 0, QUEUE_SIZE = 64, CONFIG_SIZE = 16, REQUEST_FLUSH = 0 };
#define PMEM_ALIGN (UINT64_C (2) << 20)

/* --- state: saved | wiring | derived ------------------------------------------ */

typedef struct Pmem {
  /* wiring */
  BpLink bus;
  char *address;
  MemoryPlace place;
  BpVirtioDevice *device;
  /* derived */
  GThreadPool *flusher;         /* one thread; fdatasync blocks */
  uint32_t life;                /* buffers of another are lost */
} Pmem;

static const BpVirtioBusIface *bus_of (const Pmem *p) { return p->bus.table; }

static void
config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  Pmem *p = self;
  uint64_t config[2] = { GUINT64_TO_LE (p->place.address), GUINT64_TO_LE (memory_place_size (&p->place)) };
  memcpy (bytes, (uint8_t *) config + offset, size);
}

/* --- requests ------------------------------------------------------------------------- */

typedef struct Flush {
  Pmem *pmem;
  BpVirtioBuffer *buffer;
  uint32_t life;
  int fd, code;                 /* errno */
} Flush;

static void
answer (Pmem *p, BpVirtioBuffer *b, bool good)
{
  uint32_t result = GUINT32_TO_LE (good ? 0 : 1);
  uint32_t n = (uint32_t) bp_virtio_write (b, 0, &result, sizeof result);
  bp_virtio_push (&p->bus, p->device, b, n);
  bp_virtio_notify (&p->bus, p->device, QUEUE);
}

/* [main] */
static void
on_flushed (void *user)
{
  Flush *f = user;
  if (f->life == f->pmem->life) {
    if (f->code)
      bp_warn (f->pmem, "what the guest flushes is not kept: %s", g_strerror (f->code));
    answer (f->pmem, f->buffer, f->code == 0);
  }
  g_free (f);
}

/* [the pool's thread] */
static void
flush (void *data, void *user)
{
  Flush *f = data;
  BpMachine *machine = bp_object_machine (f->pmem);
  f->code = fdatasync (f->fd) == 0 ? 0 : errno;
  bp_loop_post (bp_loop_main (machine), true, machine, on_flushed, f);
}

static void
on_kick (void *self, unsigned queue)
{
  Pmem *p = self;
  for (BpVirtioBuffer *b; (b = bp_virtio_pop (&p->bus, p->device, queue));) {
    uint32_t type = UINT32_MAX;
    int fd = memory_place_fd (&p->place);
    if (bp_virtio_read (b, 0, &type, sizeof type) != sizeof type || b->in_size < sizeof (uint32_t)) {
      bus_of (p)->broken (p->bus.instance, p->device, "a request of persistent memory is too short");
      return;
    }
    if (GUINT32_FROM_LE (type) != REQUEST_FLUSH) {
      bp_log_guest (p, "request of unknown type %u", GUINT32_FROM_LE (type));
      answer (p, b, false);
    } else if (fd < 0) {
      answer (p, b, true);      /* as good as it gets: see realize */
    } else {
      Flush *f = g_new (Flush, 1);
      *f = (Flush) { p, b, p->life, fd, 0 };
      g_thread_pool_push (p->flusher, f, NULL);
    }
  }
}

static void
on_stop (void *self)
{
  ((Pmem *) self)->life++;
}

/* --- life cycle: realize, reset ----------------------------------------------------------------- */

static bool
pmem_realize (void *self, GError **error)
{
  static const uint16_t sizes[] = { QUEUE_SIZE };
  Pmem *p = self;
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = 1, .queue_sizes = sizes, .config_size = CONFIG_SIZE, .self = p,
                         .config_read = config_read, .stop = on_stop, .kick = on_kick };
  if (!memory_place_take (&p->place, p, PMEM_ALIGN, error))
    return false;
  if (memory_place_fd (&p->place) < 0)
    bp_warn (p, "memory = %s is no shared file: what the guest writes does not outlive the machine", bp_object_id (p->place.memory.instance));
  p->flusher = g_thread_pool_new (flush, NULL, 1, FALSE, error);
  p->device = p->flusher ? bus_of (p)->add (p->bus.instance, p->address, &f, error) : NULL;
  return p->device != NULL;
}

/* What the thread still posts comes before the object is freed, and finds another life. */
static void
pmem_unrealize (void *self)
{
  Pmem *p = self;
  if (p->device)
    bus_of (p)->remove (p->bus.instance, p->device);
  p->device = NULL;
  p->life++;
  if (p->flusher)
    g_thread_pool_free (p->flusher, FALSE, TRUE);
  p->flusher = NULL;
  memory_place_give (&p->place, p);
}

static void
pmem_reset (void *self, BpResetKind kind)
{
  Pmem *p = self;
  bus_of (p)->reset (p->bus.instance, p->device);
}

/* --- tables: properties, type ---------------------------------------------------------------------- */

static void
pmem_info (void *self, BpMemoryDeviceInfo *info)
{
  Pmem *p = self;
  const BpMemoryDeviceInfo all = { .struct_size = info->struct_size, .slot = -1, .address = p->place.address, .size = memory_place_size (&p->place), .kind = "virtio-pmem",
                                   .memory = p->place.memory.instance };
  memcpy (info, &all, MIN (info->struct_size, sizeof all));
}

static const BpMemoryDeviceIface device_iface = { .struct_size = sizeof (BpMemoryDeviceIface), .info = pmem_info };
static const BpInterfaceDesc pmem_interfaces[] = { { BP_MEMORY_DEVICE_ID, &device_iface }, { NULL, NULL } };
static const BpProperty pmem_properties[] = { BP_VIRTIO_DEVICE_PROPERTIES (Pmem, bus, address), MEMORY_PLACE_PROPERTIES (Pmem), BP_PROP_END };

const BpTypeDesc virtio_pmem_type = {
  BP_TYPE ("virtio-pmem", BP_KIND_DEVICE, Pmem),
  .description = "Virtio persistent memory: a file as memory",
  .properties = pmem_properties,
  .interfaces = pmem_interfaces,
  .realize = pmem_realize,
  .unrealize = pmem_unrealize,
  .reset = pmem_reset,
};
