/* device.c -- what every virtio device has (VIRTIO 1.2, chapters 2 and 3): status, features, configuration, kicks, a life between start and stop. */
/* SPDX-License-Identifier: MIT */
#include "virtio.h"
#include <backplane/log.h>
#include <backplane/loop.h>
#include <backplane/machine.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- errors of the driver ------------------------------------------------------------------ */

/* The device learns of it by pop, which gives nothing any more, and by stop, when the driver resets it. */
void
device_break (BpVirtioDevice *d, const Queue *q, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *why = g_strdup_vprintf (format, args), *where = q ? g_strdup_printf (", queue %u", q->index) : g_strdup ("");
  va_end (args);
  if (d->state->broken)
    return;
  bp_log_guest (d->bus, "%s%s: %s; the device waits for its reset", d->address, where, why);
  d->state->broken = true;
  if (!(d->state->status & STATUS_DRIVER_OK))
    return;
  d->state->isr |= ISR_CONFIG;
  d->bus->interrupt (d, CONFIG_INTERRUPT);
}

/* --- start ----------------------------------------------------------------------------------- */

static bool
accepts (BpVirtioDevice *d)
{
  uint64_t features = d->state->driver_features, strange = features & ~d->offered;
  if (strange) {
    bp_log_guest (d->bus, "%s: features 0x%" G_GINT64_MODIFIER "x were not offered", d->address, strange);
    return false;
  }
  if (!(features & FEATURE_BIT (FEATURE_VERSION_1)) && !d->state->legacy) {
    bp_log_guest (d->bus, "%s: a driver without VIRTIO_F_VERSION_1", d->address);
    return false;
  }
  return !d->function.accept_features || d->function.accept_features (d->function.self, features & DEVICE_BITS);
}

/* 3.1.1: features are agreed on before queues are used. */
static bool
may_start (BpVirtioDevice *d)
{
  for (unsigned i = 0; i < d->n_queues; i++)
    if (!queue_is_as_agreed (&d->queues[i])) {
      device_break (d, &d->queues[i], "switched on before its layout was agreed on");
      return false;
    }
  if (d->state->legacy)
    return accepts (d);
  if (d->state->status & STATUS_FEATURES_OK)
    return true;
  bp_log_guest (d->bus, "%s: DRIVER_OK before FEATURES_OK", d->address);
  return false;
}

static void
start (BpVirtioDevice *d)
{
  d->started = true;
  if (d->function.start)
    d->function.start (d->function.self);
}

/* --- kicks ----------------------------------------------------------------------------------- */

/* While a machine stands nothing of its memory changes. */
static bool
can_run (const BpVirtioDevice *d)
{
  BpRunState state = bp_machine_run_state (d->bus->machine);
  return device_is_running (d) && !d->waits && (state == BP_RUN_RUNNING || state == BP_RUN_PRELAUNCH);
}

/* Drivers older than VIRTIO 1.0 may use the device before they say that they are ready (3.1.2). */
static void
begin_early (BpVirtioDevice *d)
{
  DeviceState *s = d->state;
  if (!s->legacy || d->started || s->broken || !(s->status & STATUS_DRIVER) || !may_start (d))
    return;
  s->early = true;
  start (d);
}

static void
deliver (Queue *q)
{
  BpVirtioDevice *d = q->device;
  begin_early (d);
  if (can_run (d) && q->s->enabled && !q->taken_away)
    d->function.kick (d->function.self, q->index);
}

static void
signal_fd (int fd)
{
  const uint64_t one = 1;
  while (write (fd, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

static void
drain_fd (int fd)
{
  uint64_t count;
  while (read (fd, &count, sizeof count) < 0 && errno == EINTR)
    ;
}

static void
kick (Queue *q)
{
  if (q->taken_away || !queue_is_sync (q))
    signal_fd (q->kick_fd);
  else
    deliver (q);
}

void
device_kick (BpVirtioDevice *d, unsigned queue)
{
  if (queue < d->n_queues)
    kick (&d->queues[queue]);
  else
    bp_log_guest (d->bus, "%s: a kick of queue %u, of %u", d->address, queue, d->n_queues);
}

static bool
on_kick (void *user, GIOCondition condition)
{
  Queue *q = user;
  drain_fd (q->kick_fd);
  deliver (q);
  return true;
}

/* What the driver was not told, or could not tell, while its memory was not to be looked at. */
static void
catch_up (Queue *q)
{
  if (!can_run (q->device) || !queue_is_ready (q))
    return;
  if (q->s->untold)
    q->layout->want_kicks (q, !q->s->no_kicks);
  q->s->untold = false;
  if (q->layout->has (q))
    kick (q);
}

void
device_go_on (BpVirtioDevice *d)
{
  d->waits = false;
  for (unsigned i = 0; i < d->n_queues; i++)
    catch_up (&d->queues[i]);
}

/* --- event file descriptors -------------------------------------------------------------------- */

static void
watch_kicks (Queue *q)
{
  if (q->kick_fd >= 0 && !q->watch)
    q->watch = bp_loop_watch_fd (q->device->loop, q->device->bus->machine, q->kick_fd, G_IO_IN, on_kick, q);
}

static void
unwatch_kicks (Queue *q)
{
  if (q->watch)
    bp_loop_unwatch (q->device->loop, q->watch);
  q->watch = 0;
}

static bool
open_fd (int *fd, GError **error)
{
  if (*fd < 0)
    *fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (*fd >= 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "no event for a queue: %s (ulimit -n says how many files a process may have)", g_strerror (errno));
  return false;
}

bool
device_open_fds (BpVirtioDevice *d, GError **error)
{
  for (unsigned i = 0; i < d->n_queues; i++) {
    if (!open_fd (&d->queues[i].kick_fd, error))
      return false;
    watch_kicks (&d->queues[i]);
  }
  return true;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
close_call (Queue *q)
{
  if (q->call_watch)
    bp_loop_unwatch (bp_loop_main (q->device->bus->machine), q->call_watch);
  q->call_watch = 0;
  close_fd (&q->call_fd);
}

void
device_close_fds (BpVirtioDevice *d)
{
  for (unsigned i = 0; d->queues && i < d->n_queues; i++) {
    unwatch_kicks (&d->queues[i]);
    close_fd (&d->queues[i].kick_fd);
    close_call (&d->queues[i]);
  }
}

/* --- stop, reset ----------------------------------------------------------------------------------- */

static void
take_back (Queue *q)
{
  if (!q->taken_away)
    return;
  q->taken_away = false;
  close_call (q);
  if (queue_is_sync (q))
    close_fd (&q->kick_fd);
  else
    watch_kicks (q);
}

void
device_stop (BpVirtioDevice *d)
{
  if (!d->started)
    return;
  d->started = false;
  if (d->function.stop)
    d->function.stop (d->function.self);
  for (unsigned i = 0; i < d->n_queues; i++) {
    queue_lose_buffers (&d->queues[i]);
    take_back (&d->queues[i]);
  }
}

void
device_reset (BpVirtioDevice *d)
{
  DeviceState *s = d->state;
  device_stop (d);
  for (unsigned i = 0; i < d->n_queues; i++)
    queue_reset (&d->queues[i]);
  *s = (DeviceState) { .place = d->number, .device_id = d->function.device_id, .config_vector = NO_VECTOR, .queues = s->queues };
  d->waits = false;
  d->bus->registers_changed (d);
}

/* Under way in memory that is no longer there: the device must let go of it now.  A function that was told not to master its bus any more, or whose bus is
 * being reset, is no driver's error. */
void
device_memory_moved (void *device)
{
  BpVirtioDevice *d = device;
  bool there = true;
  for (unsigned i = 0; i < d->n_queues && there; i++)
    there = queue_buffers_are_there (&d->queues[i]);
  if (there)
    return;
  if (guest_memory_is_empty (&d->memory))
    d->state->broken = true;
  else
    device_break (d, NULL, "memory went away while the device had it");
  device_stop (d);
}

/* --- status ------------------------------------------------------------------------------------------- */

uint8_t device_status (const BpVirtioDevice *d) { return (uint8_t) (d->state->status | (d->state->broken ? STATUS_NEEDS_RESET : 0)); }

void
device_set_status (BpVirtioDevice *d, uint8_t status)
{
  DeviceState *s = d->state;
  if (!status) {
    device_reset (d);
    return;
  }
  uint8_t before = s->status, set = (uint8_t) (status & ~before & ~STATUS_NEEDS_RESET);
  s->status |= set;             /* bits are taken back by a reset alone (2.1.1) */
  if (set & STATUS_FEATURES_OK && !accepts (d))
    s->status &= (uint8_t) ~STATUS_FEATURES_OK;
  if (!(set & STATUS_DRIVER_OK))
    return;
  if (s->broken || (!d->started && !may_start (d))) {
    s->status &= (uint8_t) ~STATUS_DRIVER_OK;
    return;
  }
  if (!d->started)
    start (d);
  device_go_on (d);
}

/* --- features ------------------------------------------------------------------------------------------- */

uint32_t device_offered (const BpVirtioDevice *d, uint32_t select) { return select < 2 ? (uint32_t) (d->offered >> 32 * select) : 0; }
uint32_t device_driver_features (const BpVirtioDevice *d, uint32_t select) { return select < 2 ? (uint32_t) (d->state->driver_features >> 32 * select) : 0; }

void
device_set_driver_features (BpVirtioDevice *d, uint32_t select, uint32_t bits)
{
  DeviceState *s = d->state;
  if (s->status & (STATUS_FEATURES_OK | STATUS_DRIVER_OK) || s->early || select >= 2) {
    if (bits || select < 2)
      bp_log_guest (d->bus, "%s: features 0x%x of word %u, %s", d->address, bits, select, select < 2 ? "after they were agreed on" : "which there is not");
    return;
  }
  s->driver_features = (s->driver_features & ~(UINT64_C (0xffffffff) << 32 * select)) | (uint64_t) bits << 32 * select;
}

/* --- device-specific configuration -------------------------------------------------------------------------- */

uint64_t
device_config_read (BpVirtioDevice *d, uint64_t offset, unsigned size)
{
  uint8_t bytes[8] = { 0 };
  uint64_t value;
  if (offset >= d->function.config_size || size > d->function.config_size - offset || !d->function.config_read)
    return UINT64_MAX >> (64 - 8 * size);
  d->function.config_read (d->function.self, (unsigned) offset, bytes, size);
  memcpy (&value, bytes, sizeof value);
  return GUINT64_FROM_LE (value);
}

void
device_config_write (BpVirtioDevice *d, uint64_t offset, uint64_t value, unsigned size)
{
  uint64_t le = GUINT64_TO_LE (value);
  uint8_t bytes[8];
  memcpy (bytes, &le, sizeof bytes);
  if (offset < d->function.config_size && size <= d->function.config_size - offset && d->function.config_written)
    d->function.config_written (d->function.self, (unsigned) offset, bytes, size);
  else
    bp_log_guest (d->bus, "%s: a write of %u bytes at 0x%" G_GINT64_MODIFIER "x of its configuration, where nothing can be written", d->address, size, offset);
}

Queue *
device_selected (BpVirtioDevice *d)
{
  return d->state->queue_select < d->n_queues ? &d->queues[d->state->queue_select] : NULL;
}

/* --- a machine that was loaded ---------------------------------------------------------------------------------- */

static bool
is_possible (const BpVirtioDevice *d)
{
  const DeviceState *s = d->state;
  bool agreed = s->status & (STATUS_FEATURES_OK | STATUS_DRIVER_OK) || s->early;
  return s->place == d->number && s->device_id == d->function.device_id && (!agreed || !(s->driver_features & ~d->offered));
}

bool
device_loaded (BpVirtioDevice *d, GError **error)
{
  bool fine = is_possible (d);
  device_stop (d);              /* what it did in the machine that was here before */
  for (unsigned i = 0; i < d->n_queues; i++)
    fine &= queue_loaded (&d->queues[i]);
  d->waits = true;
  d->bus->registers_changed (d);
  if (!fine) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%s: the saved state of the virtio device is one that it cannot have here", d->address);
    return false;
  }
  if ((d->state->status & STATUS_DRIVER_OK || d->state->early) && !d->state->broken)
    start (d);
  return true;
}

/* --- the bus as a device sees it ----------------------------------------------------------------------------------- */

void virtio_iface_reset (void *bus, BpVirtioDevice *d) { device_reset (d); }
uint64_t virtio_iface_features (void *bus, BpVirtioDevice *d) { return d->started ? d->state->driver_features : 0; }
BpAddressSpace *virtio_iface_dma (void *bus, BpVirtioDevice *d) { return d->memory.as; }
uint32_t virtio_iface_queue_size (void *bus, BpVirtioDevice *d, unsigned queue) { return queue < d->n_queues ? d->queues[queue].s->size : 0; }

static bool
can_look (BpVirtioDevice *d, unsigned queue)
{
  return queue < d->n_queues && can_run (d) && queue_is_ready (&d->queues[queue]);
}

BpVirtioBuffer *
virtio_iface_pop (void *bus, BpVirtioDevice *d, unsigned queue)
{
  Queue *q = can_look (d, queue) ? &d->queues[queue] : NULL;
  Buffer *b = q ? q->layout->pop (q) : NULL;
  if (!b)
    return NULL;
  buffer_seal (b);
  buffer_link (q, b);
  return &b->pub;
}

void
virtio_iface_push (void *bus, BpVirtioDevice *d, BpVirtioBuffer *buffer, uint32_t written)
{
  Buffer *b = (Buffer *) buffer;
  Queue *q = b->queue;
  if (!q)
    return;
  g_return_if_fail (!b->done);
  b->written = (uint32_t) MIN (written, buffer->in_size);
  b->done = true;
  buffer_mark_written (b, b->written);
  *(q->last_pushed ? &q->last_pushed->next_pushed : &q->first_pushed) = b;
  q->last_pushed = b;
}

void
virtio_iface_unpop (void *bus, BpVirtioDevice *d, BpVirtioBuffer *buffer)
{
  Buffer *b = (Buffer *) buffer;
  Queue *q = b->queue;
  if (!q)
    return;
  g_return_if_fail (b == q->newest && !b->done);
  buffer_unlink (q, b);
  q->layout->unpop (q, b);
  buffer_release (b);
}

void
virtio_iface_notify (void *bus, BpVirtioDevice *d, unsigned queue)
{
  Queue *q = queue < d->n_queues ? &d->queues[queue] : NULL;
  if (!q || !queue_is_ready (q) || !q->layout->publish (q))
    return;
  d->state->isr |= ISR_QUEUE;
  d->bus->interrupt (d, (int) queue);
}

bool
virtio_iface_want_kicks (void *bus, BpVirtioDevice *d, unsigned queue, bool wanted)
{
  if (queue >= d->n_queues)
    return false;
  Queue *q = &d->queues[queue];
  q->s->no_kicks = !wanted;
  q->s->untold = !can_look (d, queue);
  return !q->s->untold && q->layout->want_kicks (q, wanted);
}

bool
virtio_iface_has_buffers (void *bus, BpVirtioDevice *d, unsigned queue)
{
  return can_look (d, queue) && d->queues[queue].layout->has (&d->queues[queue]);
}

void
virtio_iface_config_changed (void *bus, BpVirtioDevice *d)
{
  d->state->config_generation++;
  if (!d->started)
    return;
  d->state->isr |= ISR_CONFIG;
  d->bus->interrupt (d, CONFIG_INTERRUPT);
}

void virtio_iface_broken (void *bus, BpVirtioDevice *d, const char *why) { device_break (d, NULL, "%s", why); }

/* --- rings that another process has ---------------------------------------------------------------------------------- */

static bool
on_call (void *user, GIOCondition condition)
{
  Queue *q = user;
  drain_fd (q->call_fd);
  q->device->state->isr |= ISR_QUEUE;
  q->device->bus->interrupt (q->device, (int) q->index);
  return true;
}

/* Who had the ring may have called a moment ago, and nobody has listened yet. */
static void
interrupt_once_more (Queue *q)
{
  if (!device_is_running (q->device) || !q->s->enabled)
    return;
  q->device->state->isr |= ISR_QUEUE;
  q->device->bus->interrupt (q->device, (int) q->index);
}

bool
virtio_iface_ring_take (void *bus, BpVirtioDevice *d, unsigned queue, BpVirtioRing *ring)
{
  Queue *q = queue < d->n_queues ? &d->queues[queue] : NULL;
  if (!q || !queue_is_ready (q) || !open_fd (&q->kick_fd, NULL) || !open_fd (&q->call_fd, NULL))
    return false;
  const QueueState *s = q->s;
  BpVirtioRing all = { .struct_size = ring->struct_size, .size = s->size, .descriptors = s->descriptors, .driver = s->driver, .device = s->device,
                       .next = q->layout->position (q), .kick_fd = q->kick_fd, .call_fd = q->call_fd };
  unwatch_kicks (q);
  q->taken_away = true;
  q->call_watch = bp_loop_watch_fd (bp_loop_main (d->bus->machine), d->bus->machine, q->call_fd, G_IO_IN, on_call, q);
  memcpy (ring, &all, MIN (ring->struct_size, sizeof all));
  signal_fd (q->kick_fd);       /* what came before */
  return true;
}

void
virtio_iface_ring_give (void *bus, BpVirtioDevice *d, unsigned queue, uint32_t next)
{
  if (queue >= d->n_queues || !d->queues[queue].taken_away)
    return;
  Queue *q = &d->queues[queue];
  take_back (q);
  if (!q->layout->give (q, next)) {
    device_break (d, q, "given back at 0x%x, where it cannot be", next);
    return;
  }
  interrupt_once_more (q);
  catch_up (q);
}
