/* net.h -- virtio network device: what its files share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_NET_H
#define HW_VIRTIO_NET_H

#include <backplane/bus/virtio.h>
#include <backplane/iface/net.h>

enum {                          /* feature bits (VIRTIO 1.2, 5.1.3) */
  NET_CSUM = 0, NET_GUEST_CSUM = 1, NET_CTRL_GUEST_OFFLOADS = 2, NET_MTU = 3, NET_MAC = 5, NET_GUEST_TSO4 = 7, NET_GUEST_TSO6 = 8, NET_GUEST_ECN = 9,
  NET_HOST_TSO4 = 11, NET_HOST_TSO6 = 12, NET_HOST_ECN = 13, NET_MRG_RXBUF = 15, NET_STATUS = 16, NET_CTRL_VQ = 17, NET_CTRL_RX = 18, NET_CTRL_VLAN = 19,
  NET_CTRL_RX_EXTRA = 20, NET_GUEST_ANNOUNCE = 21, NET_MQ = 22, NET_CTRL_MAC_ADDR = 23, NET_GUEST_USO4 = 54, NET_GUEST_USO6 = 55, NET_HOST_USO = 56
};
#define NET_BIT(n) (UINT64_C (1) << (n))
#define NET_GUEST_OFFLOADS \
  (NET_BIT (NET_GUEST_CSUM) | NET_BIT (NET_GUEST_TSO4) | NET_BIT (NET_GUEST_TSO6) | NET_BIT (NET_GUEST_ECN) | NET_BIT (NET_GUEST_USO4) | NET_BIT (NET_GUEST_USO6))
enum { NET_STATUS_LINK_UP = 1, NET_STATUS_ANNOUNCE = 2 };
enum { NET_PAIRS_MOST = 16, NET_ADDRESSES_MOST = 64, NET_ADDRESS_SIZE = 6, NET_FLOWS = 256 };

/* Which packets the driver wants to have (5.1.6.5). */
typedef struct NetFilter {
  bool promiscuous, all_multicast, all_unicast, no_multicast, no_unicast, no_broadcast;
  uint8_t n_unicast, n_multicast;
  bool more_unicast, more_multicast;    /* than the table holds: all pass */
  uint8_t addresses[NET_ADDRESSES_MOST * NET_ADDRESS_SIZE];     /* unicast, then multicast */
  uint8_t vlans[4096 / 8];
} NetFilter;

typedef struct VirtioNet {
  /* saved */
  uint8_t mac[NET_ADDRESS_SIZE];
  NetFilter filter;
  uint16_t pairs;               /* in use */
  uint64_t guest_offloads;      /* feature bits */
  bool announce;                /* the guest shall tell the network where it is */
  /* wiring */
  BpLink bus, backend;
  char *address, *mac_text;
  uint32_t pairs_most, mtu, rx_entries, tx_entries;
  bool mergeable, offload;
  BpVirtioDevice *device;
  BpTimer *again;               /* queues that have more to send than their turn allowed */
  /* derived */
  uint64_t features;            /* in use; 0: the driver has not started it */
  uint32_t header_size;
  bool link_up, attached;
  bool moved;                   /* was loaded, perhaps at another place of the network */
  uint32_t blocked, unfinished; /* pairs: the backend said no; the turn was over */
  bool commanded;               /* the control queue's turn was over */
  struct iovec *iov;            /* of the packet that is being sent */
  unsigned iov_room;
  BpVirtioBuffer **rx;          /* of the packet that arrives: rx_entries */
  uint8_t flows[NET_FLOWS];     /* the pair that a flow was last sent on */
} VirtioNet;

static inline const BpVirtioBusIface *net_bus (const VirtioNet *n) { return n->bus.table; }
static inline bool net_has (const VirtioNet *n, unsigned feature) { return n->features & NET_BIT (feature); }
static inline unsigned net_control_queue (const VirtioNet *n) { return net_has (n, NET_MQ) ? 2 * n->pairs_most : 2; }

/* net-packet.c. [any][locked] */
void net_transmit (VirtioNet *n, unsigned pair);
bool net_receive (void *device, const BpNetPacket *packet);     /* BpNetHandlers.receive */
/* What the driver takes, told to the backend. */
void net_tell_backend (VirtioNet *n);

/* net-control.c. [any][locked] */
void net_control (VirtioNet *n);
void net_filter_reset (NetFilter *f);
bool net_filter_passes (const VirtioNet *n, const BpNetPacket *packet);

#endif
