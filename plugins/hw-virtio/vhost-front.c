/* vhost-front.c -- virtio devices whose queues another process drives: rings handed over and taken back. */
/* SPDX-License-Identifier: MIT */
#include "vhost-front.h"
#include <backplane/loop.h>
#include <backplane/machine.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static BpLoop *loop_of (VhostFront *f) { return bp_loop_main (bp_object_machine (f)); }

/* --- rings ------------------------------------------------------------------------------------------------ */

static bool
on_call (void *user, GIOCondition condition)
{
  VhostQueue *q = user;
  uint64_t count;
  if (read (q->call_fd, &count, sizeof count) != sizeof count || !q->runs)
    return true;
  q->front->warned = false;
  vhost_mark_used (q);
  count = 1;
  return write (q->ring.call_fd, &count, sizeof count) == sizeof count || errno == EAGAIN;
}

static void
close_call (VhostQueue *q)
{
  if (q->watch)
    bp_loop_unwatch (loop_of (q->front), q->watch);
  q->watch = 0;
  if (q->call_fd >= 0)
    close (q->call_fd);
  q->call_fd = -1;
}

/* Where a ring stands whose back end does not tell.  What a packed one looked like before is overwritten: only the back end that follows can know, by what this one
 * had written down for it. */
static uint32_t
last_known (VhostQueue *q)
{
  VhostFront *f = q->front;
  if (!q->packed)
    return vhost_used_index (q);
  if (f->v.inflight_fd < 0 || !f->reconnect)
    vhost_front_bus (f)->broken (f->bus.instance, f->device, "a packed ring's back end is gone, and nobody knows what it has done");
  return q->ring.next;
}

/* Back to the bus, where the back end stood when it was asked to stop, or as far as it had come.  What it has begun and not done, without a word of it to the one
 * that follows, is done again. */
static void
end_ring (VhostQueue *q, bool give)
{
  VhostFront *f = q->front;
  uint32_t next = 0;
  if (!q->runs)
    return;
  bool told = f->v.fd >= 0 && vhost_stop_ring (&f->v, q->index, &next, NULL);
  if (told && !q->packed && f->v.inflight_fd < 0)
    next = vhost_used_index (q);
  vhost_mark_used (q);
  q->runs = false;
  close_call (q);
  if (give)
    vhost_front_bus (f)->ring_give (f->bus.instance, f->device, q->index, told ? next : last_known (q));
}

void
vhost_front_end_rings (VhostFront *f, bool give)
{
  for (unsigned i = 0; i < f->n_queues; i++)
    end_ring (&f->queues[i], give);
}

/* The rings' host memory, by layout; *available: what the back end only reads.  false: it is not among the shared. */
static bool
find_ring (VhostQueue *q, const VhostMemory *m, const uint8_t **available)
{
  uint32_t n = q->ring.size;
  q->descriptors = vhost_host_of (m, q->ring.descriptors, VHOST_RING_DESCRIPTOR * n);
  q->used = vhost_host_of (m, q->ring.device, q->packed ? VHOST_EVENT_SUPPRESSION : 6 + 8 * n);
  *available = vhost_host_of (m, q->ring.driver, q->packed ? VHOST_EVENT_SUPPRESSION : 6 + 2 * n);
  return q->descriptors && q->used && *available;
}

static bool
hand_over (VhostFront *f, VhostQueue *q, const VhostMemory *m, GError **error)
{
  const uint8_t *available;
  q->ring = (BpVirtioRing) { .struct_size = sizeof q->ring };
  if (!vhost_front_bus (f)->ring_take (f->bus.instance, f->device, q->index, &q->ring))
    return true;                /* the driver does without it */
  q->packed = vhost_front_bus (f)->features (f->bus.instance, f->device) & VHOST_BIT (VHOST_F_PACKED);
  q->call_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!find_ring (q, m, &available) || q->call_fd < 0) {
    close_call (q);
    vhost_front_bus (f)->ring_give (f->bus.instance, f->device, q->index, q->ring.next);
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "queue %u is in memory that the back end cannot have", q->index);
    return false;
  }
  q->runs = true;
  q->seen = q->packed ? 0 : (uint16_t) vhost_used_index (q);
  q->watch = bp_loop_watch_fd (loop_of (f), bp_object_machine (f), q->call_fd, G_IO_IN, on_call, q);
  VhostRing r = { q->index, q->ring.size, q->ring.next, (uintptr_t) q->descriptors, (uintptr_t) available, (uintptr_t) q->used, q->ring.kick_fd, q->call_fd };
  return vhost_start_ring (&f->v, &r, error);
}

static bool
machine_stands (VhostFront *f)
{
  BpRunState state = bp_machine_run_state (bp_object_machine (f));
  return state != BP_RUN_RUNNING && state != BP_RUN_PRELAUNCH;
}

static bool
has_rings (const VhostFront *f)
{
  for (unsigned i = 0; i < f->n_queues; i++)
    if (f->queues[i].runs)
      return true;
  return false;
}

/* All of the memory that is shared. */
static bool
begin_log (VhostFront *f, const VhostMemory *m, GError **error)
{
  uint64_t end = 0;
  if (!vhost_can_log (&f->v)) {
    vhost_log_finish (&f->log);
    return true;
  }
  for (unsigned i = 0; i < m->n; i++)
    end = MAX (end, m->regions[i].guest + m->regions[i].size);
  return vhost_log_cover (&f->log, end, error) && vhost_set_log (&f->v, f->log.fd, f->log.size, error);
}

void
vhost_front_begin_rings (VhostFront *f)
{
  g_autoptr (GError) error = NULL;
  VhostMemory m;
  if (!f->started || machine_stands (f) || f->v.fd < 0 || has_rings (f))
    return;
  uint64_t features = vhost_front_bus (f)->features (f->bus.instance, f->device);
  bool fine = vhost_front_share (f, &m, &error) && begin_log (f, &m, &error) && vhost_start (&f->v, features, &m, f->n_queues, f->queue_size, &error);
  for (unsigned i = 0; i < f->n_queues && fine; i++)
    fine = hand_over (f, &f->queues[i], &m, &error);
  if (!fine)
    vhost_front_lose (f, error->message);
}

static void
spans_committed (void *user)
{
  VhostFront *f = user;
  if (!f->spans_changed)
    return;
  f->spans_changed = false;
  if (!f->started)
    return;
  vhost_front_end_rings (f, true);
  if (f->spans->len)            /* else the function may not master its bus */
    vhost_front_begin_rings (f);
}

/* --- the driver ---------------------------------------------------------------------------------------------- */

static void
on_start (void *self)
{
  VhostFront *f = self;
  f->started = true;
  vhost_front_begin_rings (f);
}

static void
on_stop (void *self)
{
  VhostFront *f = self;
  f->started = false;
  vhost_front_end_rings (f, false);
  vhost_forget_inflight (&f->v);        /* the driver's next rings have nothing to do with it */
}

/* Of a queue that the bus has: its back end is gone, or not there yet. */
static void
on_kick (void *self, unsigned queue)
{
  VhostFront *f = self;
  if (f->v.fd < 0 && !f->reconnect)
    f->kind->fail (f, queue);
}

/* --- a machine that stands ------------------------------------------------------------------------------------------ */

/* Whoever saves the machine finds the rings where the back end has left them. */
static void
on_event (void *user, BpMachineEvent event, const char *detail)
{
  VhostFront *f = user;
  bp_machine_lock (bp_object_machine (f));
  if (event == BP_MACHINE_STOPPED) {
    vhost_front_end_rings (f, true);
  } else if (event == BP_MACHINE_RESUMING) {
    vhost_front_begin_rings (f);
  } else if (event == BP_MACHINE_OBJECT_ADDED) {
    f->spans_changed = true;    /* it may be memory, which could be seen before it had a name */
    spans_committed (f);
  }
  bp_machine_unlock (bp_object_machine (f));
}

/* --- life cycle ---------------------------------------------------------------------------------------------------------- */

bool
vhost_front_configure (VhostFront *f, GError **error)
{
  g_autofree char *wrong = vhost_wrong (f->socket);
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "socket: %s", wrong);
  return !wrong;
}

bool
vhost_front_connect (VhostFront *f, GError **error)
{
  vhost_init (&f->v);
  vhost_log_init (&f->log);
  f->spans = g_array_new (FALSE, FALSE, sizeof (VhostSpan));
  for (unsigned i = 0; i < VHOST_QUEUES_MOST; i++)
    f->queues[i] = (VhostQueue) { .front = f, .index = i, .call_fd = -1 };
  return vhost_front_find (f, error);
}

bool
vhost_front_add (VhostFront *f, BpVirtioFunction *function, GError **error)
{
  static const BpMemoryListener listener = { .struct_size = sizeof listener, .add = vhost_span_added, .remove = vhost_span_removed, .commit = spans_committed };
  uint16_t sizes[VHOST_QUEUES_MOST];
  for (unsigned i = 0; i < f->n_queues; i++)
    sizes[i] = (uint16_t) f->queue_size;
  function->struct_size = sizeof *function;
  function->n_queues = f->n_queues;
  function->queue_sizes = sizes;
  function->self = f;
  function->start = on_start;
  function->stop = on_stop;
  function->kick = on_kick;
  function->without = f->without = vhost_unknown_features (f);
  f->device = vhost_front_bus (f)->add (f->bus.instance, f->address, function, error);
  if (!f->device)
    return false;
  f->listener = bp_as_listen (vhost_front_bus (f)->dma (f->bus.instance, f->device), &listener, f);
  f->machine_watch = bp_machine_watch (bp_object_machine (f), on_event, f);
  return true;
}

void
vhost_front_unrealize (VhostFront *f)
{
  if (!f->spans)
    return;                     /* it was never realized */
  if (f->machine_watch)
    bp_machine_unwatch (bp_object_machine (f), f->machine_watch);
  if (f->listener)
    bp_as_unlisten (vhost_front_bus (f)->dma (f->bus.instance, f->device), f->listener);
  if (f->device)
    vhost_front_bus (f)->remove (f->bus.instance, f->device);
  f->device = NULL;
  vhost_front_forget (f);
  vhost_finish (&f->v);
  vhost_log_finish (&f->log);
  g_clear_pointer (&f->spans, g_array_unref);
}

void
vhost_front_reset (VhostFront *f)
{
  vhost_front_bus (f)->reset (f->bus.instance, f->device);
}
