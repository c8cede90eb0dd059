/* vhost-memory.c -- the machine's memory as a vhost-user back end has it: what it may map, and what it has written there. */
/* SPDX-License-Identifier: MIT */
#include "vhost-front.h"
#include <backplane/iface/memory-backend.h>

enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2, DESCRIPTOR_INDIRECT = 4 };

/* --- what it may map ---------------------------------------------------------------------------------- */

void
vhost_span_added (void *user, const BpFlatRange *r)
{
  VhostFront *f = user;
  if (!r->host || !r->size || r->readonly)
    return;
  VhostSpan span = { r->address, r->size, r->host };
  g_array_append_val (f->spans, span);
  f->spans_changed = true;
}

void
vhost_span_removed (void *user, const BpFlatRange *r)
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
    return BP_TABLE_HAS (iface, fd) ? iface->fd (o) : -1;
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
bool
vhost_front_share (VhostFront *f, VhostMemory *m, GError **error)
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

uint8_t *
vhost_host_of (const VhostMemory *m, uint64_t address, uint64_t size)
{
  for (unsigned i = 0; i < m->n; i++) {
    const VhostRegion *r = &m->regions[i];
    if (address >= r->guest && address - r->guest <= r->size && size <= r->size - (address - r->guest))
      return (uint8_t *) (uintptr_t) (r->user + (address - r->guest));
  }
  return NULL;
}

/* --- what it has written ------------------------------------------------------------------------------ */

static void
mark (void *user, uint64_t address, uint64_t size)
{
  VhostFront *f = user;
  BpAddressSpace *as = vhost_front_bus (f)->dma (f->bus.instance, f->device);
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
  BpAddressSpace *as = vhost_front_bus (f)->dma (f->bus.instance, f->device);
  for (unsigned steps = 0; steps < n && at < n; steps++) {
    Descriptor d;
    if (table)
      memcpy (&d, table + at * VHOST_RING_DESCRIPTOR, sizeof d);
    else if (!bp_as_read (as, table_address + at * VHOST_RING_DESCRIPTOR, &d, sizeof d))
      return;
    if (table && d.flags & DESCRIPTOR_INDIRECT) {
      mark_chain (f, NULL, d.address, MIN (d.size / VHOST_RING_DESCRIPTOR, MAX (n, TABLE_MOST)), 0);
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
void
vhost_mark_used (VhostQueue *q)
{
  VhostFront *f = q->front;
  if (f->log.words)
    vhost_log_take (&f->log, mark, f);
  else
    mark_chains (q);
  mark (f, q->ring.device, q->packed ? VHOST_EVENT_SUPPRESSION : 6 + 8 * q->ring.size);
  if (q->packed)
    mark (f, q->ring.descriptors, VHOST_RING_DESCRIPTOR * q->ring.size);
}

/* As far as the back end has come by what the driver can see. */
uint32_t
vhost_used_index (const VhostQueue *q)
{
  uint16_t used;
  memcpy (&used, q->used + 2, sizeof used);
  return used;
}
