/* net-packet.c -- virtio network device: packets from the driver's buffers to the backend, and back (VIRTIO 1.2, 5.1.6). */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include "net.h"

/* --- the header of a packet --------------------------------------------------------------- */

typedef struct Header {         /* little-endian */
  uint8_t flags, gso_type;
  uint16_t header_size, segment_size, checksum_start, checksum_offset;
  uint16_t n_buffers;           /* not with drivers of before 1.0 without mergeable buffers */
} Header;
enum { NEEDS_CHECKSUM = 1, DATA_VALID = 2 };
enum { GSO_NONE = 0, GSO_TCP4 = 1, GSO_TCP6 = 4, GSO_UDP = 5, GSO_ECN = 0x80 };

/* What of a packet is left to us; false: more than was agreed on. */
static bool
work_of (const VirtioNet *n, const Header *h, uint32_t *work)
{
  static const struct { uint8_t type; uint8_t feature; uint32_t work; } kinds[] = {
    { GSO_TCP4, NET_HOST_TSO4, BP_NET_TCP4 }, { GSO_TCP6, NET_HOST_TSO6, BP_NET_TCP6 }, { GSO_UDP, NET_HOST_USO, BP_NET_UDP }
  };
  uint8_t type = h->gso_type & (uint8_t) ~GSO_ECN;
  bool fine = type == GSO_NONE;
  *work = h->flags & NEEDS_CHECKSUM ? BP_NET_CHECKSUM : 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (type == kinds[i].type) {
      fine = net_has (n, kinds[i].feature);
      *work |= kinds[i].work;
    }
  if (h->gso_type & GSO_ECN) {
    fine &= net_has (n, NET_HOST_ECN);
    *work |= BP_NET_ECN;
  }
  return fine && (!*work || net_has (n, NET_CSUM));
}

/* Without GUEST_CSUM no flag is set (5.1.6.4.1). */
static Header
header_of (const VirtioNet *n, const BpNetPacket *p, unsigned n_buffers)
{
  Header h = { .n_buffers = GUINT16_TO_LE ((uint16_t) n_buffers) };
  if (p->work & BP_NET_CHECKSUM) {
    h.flags = NEEDS_CHECKSUM;
    h.checksum_start = GUINT16_TO_LE (p->checksum_start);
    h.checksum_offset = GUINT16_TO_LE (p->checksum_offset);
  } else if (p->work & BP_NET_CHECKED && n->features & n->guest_offloads & NET_BIT (NET_GUEST_CSUM)) {
    h.flags = DATA_VALID;
  }
  h.gso_type = p->work & BP_NET_TCP4 ? GSO_TCP4 : p->work & BP_NET_TCP6 ? GSO_TCP6 : p->work & BP_NET_UDP ? GSO_UDP : GSO_NONE;
  if (h.gso_type) {
    h.gso_type |= p->work & BP_NET_ECN ? GSO_ECN : 0;
    h.header_size = GUINT16_TO_LE (p->header_size);
    h.segment_size = GUINT16_TO_LE (p->segment_size);
  }
  return h;
}

/* --- which pair of queues --------------------------------------------------------------------- */

/* The same for both directions of a conversation. */
static unsigned
flow_of (const BpNetPacket *p)
{
  enum { HEAD = 14 + 60 + 4 };  /* with the longest IPv4 header, up to the ports */
  uint8_t b[HEAD];
  BpVirtioBuffer whole = { .out = p->iov, .n_out = p->n_iov };
  memset (b, 0, sizeof b);
  bp_virtio_read (&whole, 0, b, sizeof b);
  unsigned type = (unsigned) b[12] << 8 | b[13], sum = 0, from, to;
  if (type == 0x0800)
    from = 26, to = 14 + (b[14] & 15) * 4u + 4;
  else if (type == 0x86dd)
    from = 22, to = 58;
  else
    return 0;
  for (unsigned i = from; i < MIN (to, sizeof b); i++)
    sum += b[i];
  return sum % NET_FLOWS;
}

static unsigned
pair_for (const VirtioNet *n, const BpNetPacket *p)
{
  unsigned pair = n->pairs > 1 ? p->queue ? p->queue : n->flows[flow_of (p)] : 0;
  return pair % n->pairs;
}

/* --- to the backend ---------------------------------------------------------------------------- */

/* Parts of a buffer, from its header on. */
static unsigned
parts_behind (VirtioNet *n, const BpVirtioBuffer *b, size_t skip)
{
  unsigned parts = 0;
  if (n->iov_room < b->n_out) {
    n->iov_room = b->n_out;
    n->iov = g_renew (struct iovec, n->iov, n->iov_room);
  }
  for (unsigned i = 0; i < b->n_out; i++) {
    struct iovec part = b->out[i];
    size_t over = MIN (skip, part.iov_len);
    skip -= over;
    if (part.iov_len > over)
      n->iov[parts++] = (struct iovec){ (uint8_t *) part.iov_base + over, part.iov_len - over };
  }
  return parts;
}

/* false: the backend takes nothing now. */
static bool
send_one (VirtioNet *n, const BpVirtioBuffer *b, unsigned pair)
{
  enum { SMALLEST = 14, LARGEST = 128 * 1024 };
  Header h = { 0 };
  BpNetPacket p = { .struct_size = sizeof p, .queue = pair };
  bp_virtio_read (b, 0, &h, n->header_size);
  p.size = (uint32_t) (b->out_size - n->header_size);
  if (p.size < SMALLEST || b->out_size > LARGEST || !work_of (n, &h, &p.work)) {
    bp_log_guest (n, "a packet of %u bytes, flags 0x%x, kind 0x%x is dropped", p.size, h.flags, h.gso_type);
    return true;
  }
  p.n_iov = parts_behind (n, b, n->header_size);
  p.iov = n->iov;
  p.checksum_start = GUINT16_FROM_LE (h.checksum_start);
  p.checksum_offset = GUINT16_FROM_LE (h.checksum_offset);
  p.header_size = GUINT16_FROM_LE (h.header_size);
  p.segment_size = GUINT16_FROM_LE (h.segment_size);
  if (n->pairs > 1)
    n->flows[flow_of (&p)] = (uint8_t) pair;
  return bp_net_send (&n->backend, &p);
}

/* One from the queue; false: there is none, or it has to wait. */
static bool
transmit_one (VirtioNet *n, unsigned pair, unsigned queue)
{
  BpVirtioBuffer *b = bp_virtio_pop (&n->bus, n->device, queue);
  if (!b)
    return false;
  if (b->out_size < n->header_size) {
    net_bus (n)->broken (n->bus.instance, n->device, "a packet without its header");
    return false;
  }
  if (!send_one (n, b, pair)) {
    net_bus (n)->unpop (n->bus.instance, n->device, b);
    n->blocked |= 1u << pair;
    return false;
  }
  bp_virtio_push (&n->bus, n->device, b, 0);
  return true;
}

/* Until there is nothing, the backend says no, or others have to have their turn. */
void
net_transmit (VirtioNet *n, unsigned pair)
{
  enum { TURN = 512 };
  const unsigned queue = 2 * pair + 1;
  unsigned done = 0;
  n->blocked &= ~(1u << pair);
  n->unfinished &= ~(1u << pair);
  while (done < TURN && transmit_one (n, pair, queue))
    done++;
  if (done)
    bp_virtio_notify (&n->bus, n->device, queue);
  if (done == TURN) {
    n->unfinished |= 1u << pair;
    bp_timer_arm (n->again, bp_clock_now (bp_object_machine (n), BP_CLOCK_VIRTUAL));
  }
}

/* --- to the driver -------------------------------------------------------------------------------- */

static uint32_t
entries_of (const VirtioNet *n, unsigned queue)
{
  return BP_TABLE_HAS (net_bus (n), queue_size) ? net_bus (n)->queue_size (n->bus.instance, n->device, queue) : n->rx_entries;
}

/* As many buffers as hold `size' bytes.  0: there are not that many now, or, never: all that the ring can hold are not enough. */
static unsigned
take_buffers (VirtioNet *n, unsigned queue, uint64_t size, bool *never)
{
  unsigned most = net_has (n, NET_MRG_RXBUF) ? n->rx_entries : 1, taken = 0;
  uint64_t room = 0, parts = 0;
  BpVirtioBuffer *b = NULL;
  while (room < size && taken < most && (b = bp_virtio_pop (&n->bus, n->device, queue))) {
    n->rx[taken++] = b;
    room += b->in_size;
    parts += b->n_in + b->n_out;
  }
  *never = room < size && (taken == most || parts >= entries_of (n, queue));
  if (room >= size && n->rx[0]->in_size >= n->header_size)
    return taken;
  *never |= room >= size;       /* not even the header is in one piece */
  while (taken)
    net_bus (n)->unpop (n->bus.instance, n->device, n->rx[--taken]);
  return 0;
}

typedef struct Cursor {         /* in the packet that is copied */
  const struct iovec *iov;
  size_t offset;
} Cursor;

static uint32_t
fill (const BpVirtioBuffer *b, uint64_t at, Cursor *c, uint32_t left)
{
  uint32_t done = 0;
  while (done < left && at < b->in_size) {
    size_t part = MIN (c->iov->iov_len - c->offset, left - done);
    size_t n = bp_virtio_write (b, at, (const uint8_t *) c->iov->iov_base + c->offset, part);
    at += n;
    done += (uint32_t) n;
    c->offset += n;
    if (c->offset == c->iov->iov_len) {
      c->iov++;
      c->offset = 0;
    }
  }
  return done;
}

static void
deliver (VirtioNet *n, const BpNetPacket *p, unsigned n_buffers)
{
  Header h = header_of (n, p, n_buffers);
  Cursor c = { p->iov, 0 };
  uint32_t left = p->size;
  for (unsigned i = 0; i < n_buffers; i++) {
    uint32_t skip = i ? 0 : (uint32_t) bp_virtio_write (n->rx[i], 0, &h, n->header_size);
    uint32_t part = fill (n->rx[i], skip, &c, left);
    left -= part;
    bp_virtio_push (&n->bus, n->device, n->rx[i], skip + part);
  }
}

bool
net_receive (void *device, const BpNetPacket *p)
{
  VirtioNet *n = device;
  bool never;
  if (!n->features || !net_filter_passes (n, p))
    return true;
  unsigned queue = 2 * pair_for (n, p), n_buffers = take_buffers (n, queue, (uint64_t) n->header_size + p->size, &never);
  if (!n_buffers) {
    if (never)
      bp_log_guest (n, "a packet of %u bytes is dropped: the driver's buffers are too small", p->size);
    return never;
  }
  deliver (n, p, n_buffers);
  bp_virtio_notify (&n->bus, n->device, queue);
  return true;
}

void
net_tell_backend (VirtioNet *n)
{
  const BpNetIface *t = n->backend.table;
  static const struct { uint64_t bits; uint32_t work; } kinds[] = {
    { NET_BIT (NET_GUEST_CSUM), BP_NET_CHECKSUM | BP_NET_CHECKED }, { NET_BIT (NET_GUEST_TSO4), BP_NET_TCP4 }, { NET_BIT (NET_GUEST_TSO6), BP_NET_TCP6 },
    { NET_BIT (NET_GUEST_ECN), BP_NET_ECN }, { NET_BIT (NET_GUEST_USO4) | NET_BIT (NET_GUEST_USO6), BP_NET_UDP }
  };
  uint64_t have = n->features & n->guest_offloads;
  uint32_t work = 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
    if ((have & kinds[i].bits) == kinds[i].bits)
      work |= kinds[i].work;
  if (BP_TABLE_HAS (t, set_receive))
    t->set_receive (n->backend.instance, work, n->pairs);
}
