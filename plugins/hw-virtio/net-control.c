/* net-control.c -- virtio network device: the control queue, and which packets the driver wants (VIRTIO 1.2, 5.1.6.5). */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include "net.h"

enum { CLASS_RX = 0, CLASS_MAC = 1, CLASS_VLAN = 2, CLASS_ANNOUNCE = 3, CLASS_MQ = 4, CLASS_GUEST_OFFLOADS = 5 };
enum { RX_PROMISCUOUS = 0, RX_ALL_MULTICAST = 1, RX_ALL_UNICAST = 2, RX_NO_MULTICAST = 3, RX_NO_UNICAST = 4, RX_NO_BROADCAST = 5 };
enum { MAC_TABLE_SET = 0, MAC_ADDRESS_SET = 1 };
enum { VLAN_ADD = 0, VLAN_DELETE = 1 };
enum { OK = 0, ERROR = 1 };

/* --- the filter ------------------------------------------------------------------------------ */

/* Until the driver says what it wants, all of it. */
void
net_filter_reset (NetFilter *f)
{
  *f = (NetFilter){ .promiscuous = true };
}

static bool
is_in_table (const NetFilter *f, const uint8_t *address, unsigned from, unsigned to)
{
  for (unsigned i = from; i < to; i++)
    if (memcmp (f->addresses + i * NET_ADDRESS_SIZE, address, NET_ADDRESS_SIZE) == 0)
      return true;
  return false;
}

static bool
vlan_passes (const VirtioNet *n, const uint8_t *frame)
{
  unsigned id = ((unsigned) frame[14] << 8 | frame[15]) & 0xfff;
  if (!net_has (n, NET_CTRL_VLAN) || frame[12] != 0x81 || frame[13] != 0x00)
    return true;
  return n->filter.vlans[id / 8] >> id % 8 & 1;
}

bool
net_filter_passes (const VirtioNet *n, const BpNetPacket *p)
{
  const NetFilter *f = &n->filter;
  BpVirtioBuffer whole = { .out = p->iov, .n_out = p->n_iov };
  uint8_t frame[16] = { 0 };
  bp_virtio_read (&whole, 0, frame, sizeof frame);
  if (f->promiscuous)
    return true;
  if (!vlan_passes (n, frame))
    return false;
  static const uint8_t broadcast[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
  if (memcmp (frame, broadcast, sizeof broadcast) == 0)
    return !f->no_broadcast;
  if (frame[0] & 1)
    return !f->no_multicast && (f->all_multicast || f->more_multicast || is_in_table (f, frame, f->n_unicast, f->n_unicast + f->n_multicast));
  return !f->no_unicast && (f->all_unicast || f->more_unicast || memcmp (frame, n->mac, sizeof n->mac) == 0 || is_in_table (f, frame, 0, f->n_unicast));
}

/* --- commands: OK or ERROR -------------------------------------------------------------------------- */

static uint8_t
set_rx_mode (VirtioNet *n, uint8_t command, const BpVirtioBuffer *b, uint64_t at)
{
  NetFilter *f = &n->filter;
  bool *const modes[] = {
    [RX_PROMISCUOUS] = &f->promiscuous, [RX_ALL_MULTICAST] = &f->all_multicast, [RX_ALL_UNICAST] = &f->all_unicast, [RX_NO_MULTICAST] = &f->no_multicast,
    [RX_NO_UNICAST] = &f->no_unicast, [RX_NO_BROADCAST] = &f->no_broadcast
  };
  uint8_t value;
  unsigned feature = command <= RX_ALL_MULTICAST ? NET_CTRL_RX : NET_CTRL_RX_EXTRA;
  if (command >= G_N_ELEMENTS (modes) || !net_has (n, feature) || bp_virtio_read (b, at, &value, 1) != 1)
    return ERROR;
  *modes[command] = value != 0;
  return OK;
}

/* One of two tables: its length and its addresses.  Where the next begins; 0: it is cut short. */
static uint64_t
read_table (NetFilter *f, const BpVirtioBuffer *b, uint64_t at, unsigned from, uint8_t *count, bool *more)
{
  uint32_t n;
  if (bp_virtio_read (b, at, &n, sizeof n) != sizeof n)
    return 0;
  n = GUINT32_FROM_LE (n);
  at += sizeof n;
  if (n > (b->out_size - at) / NET_ADDRESS_SIZE)
    return 0;
  *more = n > NET_ADDRESSES_MOST - from;
  *count = *more ? 0 : (uint8_t) n;
  bp_virtio_read (b, at, f->addresses + from * NET_ADDRESS_SIZE, (size_t) *count * NET_ADDRESS_SIZE);
  return at + (uint64_t) n * NET_ADDRESS_SIZE;
}

static uint8_t
set_mac (VirtioNet *n, uint8_t command, const BpVirtioBuffer *b, uint64_t at)
{
  if (command == MAC_ADDRESS_SET && net_has (n, NET_CTRL_MAC_ADDR)) {
    uint8_t mac[NET_ADDRESS_SIZE];
    if (bp_virtio_read (b, at, mac, sizeof mac) != sizeof mac)
      return ERROR;
    memcpy (n->mac, mac, sizeof mac);
    return OK;
  }
  NetFilter next = n->filter;
  if (command != MAC_TABLE_SET || !net_has (n, NET_CTRL_RX) || !(at = read_table (&next, b, at, 0, &next.n_unicast, &next.more_unicast))
      || !read_table (&next, b, at, next.n_unicast, &next.n_multicast, &next.more_multicast))
    return ERROR;
  n->filter = next;
  return OK;
}

static uint8_t
set_vlan (VirtioNet *n, uint8_t command, const BpVirtioBuffer *b, uint64_t at)
{
  uint16_t id;
  if (!net_has (n, NET_CTRL_VLAN) || bp_virtio_read (b, at, &id, sizeof id) != sizeof id || command > VLAN_DELETE || (id = GUINT16_FROM_LE (id)) > 0xfff)
    return ERROR;
  uint8_t bit = (uint8_t) (1u << id % 8);
  if (command == VLAN_ADD)
    n->filter.vlans[id / 8] |= bit;
  else
    n->filter.vlans[id / 8] &= (uint8_t) ~bit;
  return OK;
}

static uint8_t
set_pairs (VirtioNet *n, uint8_t command, const BpVirtioBuffer *b, uint64_t at)
{
  uint16_t pairs;
  if (command != 0 || !net_has (n, NET_MQ) || bp_virtio_read (b, at, &pairs, sizeof pairs) != sizeof pairs)
    return ERROR;
  pairs = GUINT16_FROM_LE (pairs);
  if (!pairs || pairs > n->pairs_most)
    return ERROR;
  n->pairs = pairs;
  net_tell_backend (n);
  return OK;
}

static uint8_t
set_offloads (VirtioNet *n, uint8_t command, const BpVirtioBuffer *b, uint64_t at)
{
  uint64_t offloads;
  if (command != 0 || !net_has (n, NET_CTRL_GUEST_OFFLOADS) || bp_virtio_read (b, at, &offloads, sizeof offloads) != sizeof offloads)
    return ERROR;
  offloads = GUINT64_FROM_LE (offloads);
  if (offloads & ~(n->features & NET_GUEST_OFFLOADS))
    return ERROR;
  n->guest_offloads = offloads;
  net_tell_backend (n);
  return OK;
}

static uint8_t
announced (VirtioNet *n, uint8_t command)
{
  if (command != 0 || !net_has (n, NET_GUEST_ANNOUNCE))
    return ERROR;
  n->announce = false;
  return OK;
}

static uint8_t
obey (VirtioNet *n, const BpVirtioBuffer *b)
{
  uint8_t head[2];
  if (bp_virtio_read (b, 0, head, sizeof head) != sizeof head)
    return ERROR;
  switch (head[0]) {
  case CLASS_RX: return set_rx_mode (n, head[1], b, sizeof head);
  case CLASS_MAC: return set_mac (n, head[1], b, sizeof head);
  case CLASS_VLAN: return set_vlan (n, head[1], b, sizeof head);
  case CLASS_ANNOUNCE: return announced (n, head[1]);
  case CLASS_MQ: return set_pairs (n, head[1], b, sizeof head);
  case CLASS_GUEST_OFFLOADS: return set_offloads (n, head[1], b, sizeof head);
  default: return ERROR;
  }
}

/* One from the queue; false: there is none. */
static bool
obey_one (VirtioNet *n, unsigned queue)
{
  BpVirtioBuffer *b = bp_virtio_pop (&n->bus, n->device, queue);
  if (!b)
    return false;
  if (!b->in_size) {
    net_bus (n)->broken (n->bus.instance, n->device, "a command without room for its answer");
    return false;
  }
  uint8_t answer = obey (n, b);
  if (answer != OK)
    bp_log_guest (n, "a command of %u bytes was refused", (unsigned) b->out_size);
  bp_virtio_write (b, 0, &answer, sizeof answer);
  bp_virtio_push (&n->bus, n->device, b, sizeof answer);
  bp_virtio_notify (&n->bus, n->device, queue);
  return true;
}

/* A driver that never stops to command has others have their turn, too. */
void
net_control (VirtioNet *n)
{
  enum { TURN = 16 };
  const unsigned queue = net_control_queue (n);
  unsigned done = 0;
  while (done < TURN && obey_one (n, queue))
    done++;
  n->commanded = done == TURN;
  if (n->commanded)
    bp_timer_arm (n->again, bp_clock_now (bp_object_machine (n), BP_CLOCK_VIRTUAL));
}
