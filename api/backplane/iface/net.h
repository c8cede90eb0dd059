/* iface/net.h -- you implement this: where a network device's packets go and come from. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A network device links to a backend (property kind LINK, interface BP_NET_ID), attaches in realize, and sends Ethernet frames without their check
 * sequence.  A packet may leave work to the other side (a checksum to fill in, segments to cut): each side says what it takes, and a backend that cannot pass
 * such a packet on does the work itself, so that a guest may always leave it.
 */
#ifndef BACKPLANE_IFACE_NET_H
#define BACKPLANE_IFACE_NET_H

#include <backplane/common.h>
#include <string.h>
#include <sys/uio.h>
BP_BEGIN_DECLS

#define BP_NET_ID "bp.net/1"

/* Work that a packet leaves to who gets it.  As in VIRTIO 1.2, 5.1.6. */
enum {
  BP_NET_CHECKSUM = 1 << 0,     /* the 16 bits at checksum_start + checksum_offset hold the pseudo header's sum: add that of all from checksum_start on */
  BP_NET_CHECKED = 1 << 1,      /* received: its checksums are known to be right */
  BP_NET_TCP4 = 1 << 2,         /* TCP over IPv4: segments of segment_size bytes of payload each */
  BP_NET_TCP6 = 1 << 3,
  BP_NET_ECN = 1 << 4,          /* with TCP4, TCP6: CWR in the first segment only */
  BP_NET_UDP = 1 << 5           /* UDP segments (USO), over either */
};

typedef struct BpNetPacket {
  uint32_t struct_size;
  uint32_t work;                /* BP_NET_* */
  const struct iovec *iov;      /* the frame, from the destination address on; at least 14 bytes */
  unsigned n_iov;
  uint32_t size;                /* bytes in all, below 128 KiB */
  uint16_t checksum_start, checksum_offset;
  uint16_t header_size;         /* of all headers, when there are segments; a hint */
  uint16_t segment_size;
  uint32_t queue;               /* pair of queues; 0 when there is one */
} BpNetPacket;

typedef struct BpNetInfo {
  uint32_t struct_size;
  bool link_up;
  uint32_t mtu;                 /* bytes of payload behind the Ethernet header */
  uint32_t queues;              /* pairs that it can serve */
  uint32_t takes;               /* work that it does not have to do itself: the rest it does in software */
  uint64_t packets[2], bytes[2];        /* received by the device, sent */
  char what[128];               /* "user, 10.0.2.0/24" */
} BpNetInfo;

/* The device's side; can_send and changed may be NULL. [any][locked] */
typedef struct BpNetHandlers {
  uint32_t struct_size;
  /* The packet is the backend's.  false: there is no room now; the backend keeps it, and what comes behind (not without end), until accept_input. */
  bool (*receive) (void *user, const BpNetPacket *packet);
  /* Packets can be sent again, after send has said no. */
  void (*can_send) (void *user);
  /* Look at info again. */
  void (*changed) (void *user);
} BpNetHandlers;

typedef struct BpNetIface {
  uint32_t struct_size;
  /* One device at a time; NULL handlers detach.  false: another device is attached. [main] */
  bool (*attach) (void *self, const BpNetHandlers *handlers, void *user);
  void (*info) (void *self, BpNetInfo *info);                   /* fills up to info->struct_size. [any] */
  /* What received packets may leave to the device from now on, and on how many pairs of queues; none and 1 at first.  NULL: it is none and 1. [any][locked] */
  void (*set_receive) (void *self, uint32_t work, uint32_t queues);
  /* The packet is the device's, and can be reused when this returns.  false: not now, it was not sent; can_send is called. [any][locked] */
  bool (*send) (void *self, const BpNetPacket *packet);
  /* The device has room again.  NULL: nothing is kept. [any][locked] */
  void (*accept_input) (void *self);
  /* For monitors: takes the link away, or gives it back.  NULL: cannot. [main] */
  void (*set_link) (void *self, bool up);
} BpNetIface;

static inline bool bp_net_attach (const BpLink *link, const BpNetHandlers *handlers, void *user)
{
  const BpNetIface *t = (const BpNetIface *) link->table;
  return BP_TABLE_HAS (t, attach) ? t->attach (link->instance, handlers, user) : true;
}
/* Without a backend: no link. */
static inline BpNetInfo bp_net_info (const BpLink *link)
{
  const BpNetIface *t = (const BpNetIface *) link->table;
  BpNetInfo info;
  memset (&info, 0, sizeof info);
  info.struct_size = sizeof info;
  info.queues = 1;
  info.mtu = 1500;
  if (BP_TABLE_HAS (t, info))
    t->info (link->instance, &info);
  return info;
}
/* Without a backend the packet is gone. */
static inline bool bp_net_send (const BpLink *link, const BpNetPacket *packet)
{
  const BpNetIface *t = (const BpNetIface *) link->table;
  return BP_TABLE_HAS (t, send) ? t->send (link->instance, packet) : true;
}

BP_END_DECLS
#endif
