/* vhost-front.c -- virtio devices whose queues another process drives: rings handed over and taken back, memory shared, a back end that goes and comes. */
/* SPDX-License-Identifier: MIT */
#include "vhost-front.h"
#include <backplane/clock.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/machine.h>
#include <backplane/socket.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RING_DESCRIPTOR = 16, DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2, DESCRIPTOR_INDIRECT = 4, EVENT_SUPPRESSION = 4 };
enum { F_INDIRECT = 28, F_EVENT_INDEX = 29, F_VERSION_1 = 32, F_PACKED = 34 };
#define BIT(n) (UINT64_C (1) << (n))

static const BpVirtioBusIface *bus_of (const VhostFront *f) { return f->bus.table; }
static BpLoop *loop_of (VhostFront *f) { return bp_loop_main (bp_object_machine (f)); }
static void lose (VhostFront *f, const char *why);

/* --- memory that the back end can map --------------------------------------------------------------- */

static void
span_added (void *user, const BpFlatRange *r)
{
  VhostFront *f = user;
  if (!r->host || !r->size || r->readonly)
    return;
  VhostSpan span = { r->address, r->size, r->host };
  g_array_append_val (f->spans, span);
  f->spans_changed = true;
}

static void
span_removed (void *user, const BpFlatRange *r)
{
  VhostFront *f = user;
  for (unsigned i = 0; i < f->spans->len; i++)
    if (g_array_index (f->spans, VhostSpan, i).address == r->address && r->host) {
      g_array_remove_index (f->spans, i);
      f->spans_changed = true;
      return;
    }
}

/* The file behind host memory; -1: other processes cannot have it.  Under the machine lock objects neither come nor go. */
static int
file_of (VhostFront *f, const VhostSpan *s, uint64_t *offset)
{
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next (bp_object_machine (f), BP_MEMORY_BACKEND_ID, &cursor));) {
    const BpMemoryBackendIface *iface = bp_object_interface (o, BP_MEMORY_BACKEND_ID);
    BpRegion *region = iface->region (o);
    const uint8_t *base = region ? bp_region_ram (region) : NULL;
    if (!base || s->host < base || (uint64_t) (s->host - base) >= iface->size (o))
      continue;
    *offset = (uint64_t) (s->host - base) + (BP_TABLE_HAS (iface, fd_offset) ? iface->fd_offset (o) : 0);
    return iface->fd (o);
  }
  return -1;
}

static int
by_address (gconstpointer a, gconstpointer b)
{
  const VhostSpan *m = a, *n = b;
  return m->address < n->address ? -1 : m->address > n->address;
}

/* What no process can map (a display's memory) is left out.  false: nothing is left, or too much. */
static bool
share_memory (VhostFront *f, VhostMemory *m, GError **error)
{
  g_array_sort (f->spans, by_address);
  *m = (VhostMemory) { .n = 0 };
  for (unsigned i = 0; i < f->spans->len; i++) {
    const VhostSpan *s = &g_array_index (f->spans, VhostSpan, i);
    VhostRegion *last = m->n ? &m->regions[m->n - 1] : NULL;
    uint64_t offset;
    int fd = file_of (f, s, &offset);
    if (fd < 0)
      continue;
    if (last && last->guest + last->size == s->address && last->user + last->size == (uintptr_t) s->host && m->fds[m->n - 1] == fd) {
      last->size += s->size;
      continue;
    }
    if (m->n == VHOST_REGIONS_MOST) {
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the machine's memory is in more than %d parts, which is as many as a vhost-user back end takes", VHOST_REGIONS_MOST);
      return false;
    }
    m->fds[m->n] = fd;
    m->regions[m->n++] = (VhostRegion) { s->address, s->size, (uintptr_t) s->host, offset };
  }
  if (!m->n)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the guest's memory is the program's own: another process can have it when it is of type memory-memfd (share = on)");
  return m->n > 0;
}

static uint8_t *
host_of (const VhostMemory *m, uint64_t address, uint64_t size)
{
  for (unsigned i = 0; i < m->n; i++) {
    const VhostRegion *r = &m->regions[i];
    if (address >= r->guest && address - r->guest <= r->size && size <= r->size - (address - r->guest))
      return (uint8_t *) (uintptr_t) (r->user + (address - r->guest));
  }
  return NULL;
}

/* --- what the back end has written ---------------------------------------------------------------------- */

static void
mark (void *user, uint64_t address, uint64_t size)
{
  VhostFront *f = user;
  BpAddressSpace *as = bus_of (f)->dma (f->bus.instance, f->device);
  while (size) {
    const BpFlatRange *r = bp_as_lookup (as, address);
    if (!r)
      return;
    uint64_t inside = address - r->address, part = r->size ? MIN (size, r->size - inside) : size, ram = r->ram_address;
    bp_as_leave (as);
    if (ram != UINT64_MAX)
      bp_dirty_mark (ram + inside, part);
    address += part;
    size -= part;
  }
}

typedef struct Descriptor {
  uint64_t address;
  uint32_t size;
  uint16_t flags, next;
} Descriptor;

#define TABLE_MOST 1024         /* entries that are believed of a ring with fewer */

/* The parts to write of a chain, and of the table that it may consist of.  No chain goes on behind a table, which is no longer than its ring (virtio 1.2,
 * 2.7.5.3.1; Linux goes by what the back end says of requests instead): a driver of which we believed more could hold us up for as long as it likes. */
static void
mark_chain (VhostFront *f, const uint8_t *table, uint64_t table_address, unsigned n, unsigned at)
{
  BpAddressSpace *as = bus_of (f)->dma (f->bus.instance, f->device);
  for (unsigned steps = 0; steps < n && at < n; steps++) {
    Descriptor d;
    if (table)
      memcpy (&d, table + at * RING_DESCRIPTOR, sizeof d);
    else if (!bp_as_read (as, table_address + at * RING_DESCRIPTOR, &d, sizeof d))
      return;
    if (table && d.flags & DESCRIPTOR_INDIRECT) {
      mark_chain (f, NULL, d.address, MIN (d.size / RING_DESCRIPTOR, MAX (n, TABLE_MOST)), 0);
      return;
    }
    if (d.flags & DESCRIPTOR_WRITE)
      mark (f, d.address, d.size);
    if (!(d.flags & DESCRIPTOR_NEXT))
      return;
    at = d.next;
  }
}

static void
mark_chains (VhostQueue *q)
{
  uint16_t now;
  memcpy (&now, q->used + 2, sizeof now);
  for (unsigned n = 0; q->seen != now && n < q->ring.size; n++, q->seen++) {
    uint32_t head;
    memcpy (&head, q->used + 4 + 8 * (q->seen % q->ring.size), sizeof head);
    mark_chain (q->front, q->descriptors, 0, q->ring.size, head);
  }
  q->seen = now;
}

/* Translated code in it must go, and who copies memory must know, before the driver hears of it.  A log knows better than chains, whose descriptors a driver
 * that looks at the ring by itself may have used again. */
static void
mark_used (VhostQueue *q)
{
  VhostFront *f = q->front;
  if (f->log.words)
    vhost_log_take (&f->log, mark, f);
  else
    mark_chains (q);
  mark (f, q->ring.device, q->packed ? EVENT_SUPPRESSION : 6 + 8 * q->ring.size);
  if (q->packed)
    mark (f, q->ring.descriptors, RING_DESCRIPTOR * q->ring.size);
}

static bool
on_call (void *user, GIOCondition condition)
{
  VhostQueue *q = user;
  uint64_t count;
  if (read (q->call_fd, &count, sizeof count) != sizeof count || !q->runs)
    return true;
  q->front->warned = false;
  mark_used (q);
  count = 1;
  return write (q->ring.call_fd, &count, sizeof count) == sizeof count || errno == EAGAIN;
}

/* --- rings ------------------------------------------------------------------------------------------------ */

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

/* As far as the back end has come by what the driver can see. */
static uint32_t
used_index (const VhostQueue *q)
{
  uint16_t used;
  memcpy (&used, q->used + 2, sizeof used);
  return used;
}

/* Where a ring stands whose back end does not tell.  What a packed one looked like before is overwritten: only the back end that follows can know, by what this one
 * had written down for it. */
static uint32_t
last_known (VhostQueue *q)
{
  VhostFront *f = q->front;
  if (!q->packed)
    return used_index (q);
  if (f->v.inflight_fd < 0 || !f->reconnect)
    bus_of (f)->broken (f->bus.instance, f->device, "a packed ring's back end is gone, and nobody knows what it has done");
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
    next = used_index (q);
  mark_used (q);
  q->runs = false;
  close_call (q);
  if (give)
    bus_of (f)->ring_give (f->bus.instance, f->device, q->index, told ? next : last_known (q));
}

static void
end_rings (VhostFront *f, bool give)
{
  for (unsigned i = 0; i < f->n_queues; i++)
    end_ring (&f->queues[i], give);
}

/* The rings' host memory, by layout; *available: what the back end only reads.  false: it is not among the shared. */
static bool
find_ring (VhostQueue *q, const VhostMemory *m, const uint8_t **available)
{
  uint32_t n = q->ring.size;
  q->descriptors = host_of (m, q->ring.descriptors, RING_DESCRIPTOR * n);
  q->used = host_of (m, q->ring.device, q->packed ? EVENT_SUPPRESSION : 6 + 8 * n);
  *available = host_of (m, q->ring.driver, q->packed ? EVENT_SUPPRESSION : 6 + 2 * n);
  return q->descriptors && q->used && *available;
}

static bool
hand_over (VhostFront *f, VhostQueue *q, const VhostMemory *m, GError **error)
{
  const uint8_t *available;
  q->ring = (BpVirtioRing) { .struct_size = sizeof q->ring };
  if (!bus_of (f)->ring_take (f->bus.instance, f->device, q->index, &q->ring))
    return true;                /* the driver does without it */
  q->packed = bus_of (f)->features (f->bus.instance, f->device) & BIT (F_PACKED);
  q->call_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!find_ring (q, m, &available) || q->call_fd < 0) {
    close_call (q);
    bus_of (f)->ring_give (f->bus.instance, f->device, q->index, q->ring.next);
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "queue %u is in memory that the back end cannot have", q->index);
    return false;
  }
  q->runs = true;
  q->seen = q->packed ? 0 : (uint16_t) used_index (q);
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

static void
begin_rings (VhostFront *f)
{
  g_autoptr (GError) error = NULL;
  VhostMemory m;
  if (!f->started || machine_stands (f) || f->v.fd < 0 || has_rings (f))
    return;
  uint64_t features = bus_of (f)->features (f->bus.instance, f->device);
  bool fine = share_memory (f, &m, &error) && begin_log (f, &m, &error) && vhost_start (&f->v, features, &m, f->n_queues, f->queue_size, &error);
  for (unsigned i = 0; i < f->n_queues && fine; i++)
    fine = hand_over (f, &f->queues[i], &m, &error);
  if (!fine)
    lose (f, error->message);
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
  end_rings (f, true);
  if (f->spans->len)            /* else the function may not master its bus */
    begin_rings (f);
}

/* --- the driver ---------------------------------------------------------------------------------------------- */

static void
on_start (void *self)
{
  VhostFront *f = self;
  f->started = true;
  begin_rings (f);
}

static void
on_stop (void *self)
{
  VhostFront *f = self;
  f->started = false;
  end_rings (f, false);
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

/* --- a back end that goes and comes ----------------------------------------------------------------------------- */

static void
unwatch_socket (VhostFront *f)
{
  if (f->watch)
    bp_loop_unwatch (loop_of (f), f->watch);
  if (f->channel_watch)
    bp_loop_unwatch (loop_of (f), f->channel_watch);
  f->watch = f->channel_watch = 0;
}

/* [locked] */
static void
lose (VhostFront *f, const char *why)
{
  if (!f->warned)
    bp_warn (f, "%s; %s", why, f->reconnect ? "its requests wait for another at the same socket" : "the guest gets errors");
  f->warned = true;
  unwatch_socket (f);
  vhost_disconnect (&f->v);
  end_rings (f, true);
  f->kind->changed (f, false);
  for (unsigned i = 0; i < f->n_queues && !f->reconnect && f->started; i++)
    f->kind->fail (f, i);
  if (f->reconnect)
    bp_timer_arm (f->timer, bp_clock_now (bp_object_machine (f), BP_CLOCK_REALTIME) + f->reconnect * INT64_C (1000000));
}

/* It says nothing that it is not asked, and an answer is taken by who has asked: what is there still is its end. */
static bool
on_socket (void *user, GIOCondition condition)
{
  VhostFront *f = user;
  uint8_t byte;
  if (recv (f->v.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR))
    return true;
  f->watch = 0;
  g_autofree char *why = g_strdup_printf ("the vhost-user back end at %s is gone", f->socket);
  lose (f, why);
  return false;
}

/* That its channel ends is told by the socket. */
static bool
on_channel (void *user, GIOCondition condition)
{
  VhostFront *f = user;
  g_autoptr (GError) error = NULL;
  uint32_t request;
  if (vhost_hear_back_end (&f->v, &request, &error)) {
    if (request == VHOST_BACK_END_CONFIG_CHANGE && f->kind->reconfigured && f->device)
      f->kind->reconfigured (f);
    return true;
  }
  f->channel_watch = 0;
  if (error)
    lose (f, error->message);
  return false;
}

/* Bits of the bus's that it does not know, or that do not work with it: what was written in packed rings is told by a log alone. */
static uint64_t
unknown_features (const VhostFront *f)
{
  uint64_t unknown = ~f->v.features & (BIT (F_INDIRECT) | BIT (F_EVENT_INDEX) | BIT (F_PACKED));
  return vhost_can_log (&f->v) ? unknown : unknown | BIT (F_PACKED);
}

static bool
connect_to_it (VhostFront *f, bool again, GError **error)
{
  if (!vhost_connect (&f->v, f->socket, error))
    return false;
  if (!(f->v.features & BIT (F_VERSION_1))) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the vhost-user back end is older than virtio 1.0");
    return false;
  }
  if (f->v.queues_most < f->n_queues) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the vhost-user back end has %u queues, not %u", f->v.queues_most, f->n_queues);
    return false;
  }
  if (again && unknown_features (f) & ~f->without) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the vhost-user back end that is back can do less");
    return false;
  }
  if (!f->kind->connected (f, again, error))
    return false;
  f->watch = bp_loop_watch_fd (loop_of (f), bp_object_machine (f), f->v.fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_socket, f);
  if (f->v.channel >= 0)
    f->channel_watch = bp_loop_watch_fd (loop_of (f), bp_object_machine (f), f->v.channel, G_IO_IN | G_IO_HUP | G_IO_ERR, on_channel, f);
  return true;
}

static void
on_timer (void *user)
{
  VhostFront *f = user;
  g_autoptr (GError) error = NULL;
  if (connect_to_it (f, true, &error)) {
    f->kind->changed (f, true);
    begin_rings (f);
    return;
  }
  if (f->v.fd >= 0 && strcmp (error->message, f->refused ? f->refused : "") != 0) {
    bp_warn (f, "%s", error->message);  /* that none is there was said */
    g_free (f->refused);
    f->refused = g_strdup (error->message);
  }
  vhost_disconnect (&f->v);
  bp_timer_arm (f->timer, bp_clock_now (bp_object_machine (f), BP_CLOCK_REALTIME) + f->reconnect * INT64_C (1000000));
}

/* --- a machine that stands ------------------------------------------------------------------------------------------ */

/* Whoever saves the machine finds the rings where the back end has left them. */
static void
on_event (void *user, BpMachineEvent event, const char *detail)
{
  VhostFront *f = user;
  bp_machine_lock (bp_object_machine (f));
  if (event == BP_MACHINE_STOPPED) {
    end_rings (f, true);
  } else if (event == BP_MACHINE_RESUMING) {
    begin_rings (f);
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
  g_autofree char *wrong = g_str_has_prefix (f->socket, "unix:") ? bp_socket_wrong (f->socket)
                                                                 : g_strdup_printf ("`%s` is not unix:PATH: descriptors cannot be passed otherwise", f->socket);
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
  f->timer = bp_timer_new (f, BP_CLOCK_REALTIME, on_timer, f);
  return connect_to_it (f, false, error);
}

bool
vhost_front_add (VhostFront *f, BpVirtioFunction *function, GError **error)
{
  static const BpMemoryListener listener = { .struct_size = sizeof listener, .add = span_added, .remove = span_removed, .commit = spans_committed };
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
  function->without = f->without = unknown_features (f);
  f->device = bus_of (f)->add (f->bus.instance, f->address, function, error);
  if (!f->device)
    return false;
  f->listener = bp_as_listen (bus_of (f)->dma (f->bus.instance, f->device), &listener, f);
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
    bp_as_unlisten (bus_of (f)->dma (f->bus.instance, f->device), f->listener);
  if (f->device)
    bus_of (f)->remove (f->bus.instance, f->device);
  f->device = NULL;
  unwatch_socket (f);
  vhost_finish (&f->v);
  vhost_log_finish (&f->log);
  bp_timer_free (f->timer);
  g_clear_pointer (&f->spans, g_array_unref);
  g_clear_pointer (&f->refused, g_free);
}

void
vhost_front_reset (VhostFront *f)
{
  bus_of (f)->reset (f->bus.instance, f->device);
}
