/* backend.h -- what all network backends have: the device at the other side, the link, counters, a capture file, packets that wait. */
/* SPDX-License-Identifier: MIT */
#ifndef NET_BACKENDS_BACKEND_H
#define NET_BACKENDS_BACKEND_H

#include "capture.h"
#include "packet-join.h"
#include <backplane/device.h>
#include <backplane/loop.h>

/* What a type adds.  Called [any][locked]. */
typedef struct NetOps {
  /* Fills in what is its own: mtu, queues, what. */
  void (*describe) (void *self, BpNetInfo *info);
  /* Only work that `takes' names is left in the packet.  false: not now; the type calls net_can_send later. */
  bool (*send) (void *self, const BpNetPacket *packet);
  /* The device takes packets again: look for more.  NULL: nobody waits. */
  void (*wanted) (void *self);
  /* The device takes other work than before; NULL: it does not matter. */
  void (*work_changed) (void *self);
} NetOps;

/* First member of every backend's state. */
typedef struct NetBackend {
  /* saved */
  bool link_off;                /* taken away by a monitor */
  uint64_t packets[2], bytes[2];        /* received by the device, sent */
  /* wiring */
  char *capture_file;
  uint64_t capture_size;
  /* derived */
  const NetOps *ops;
  uint32_t takes;               /* work that the type passes on */
  bool unplugged;               /* the other end is not there */
  BpNetHandlers handlers;
  void *user;
  bool attached;
  bool within_packet;           /* segments of what is being sent are on their way already */
  uint32_t work, queues;        /* what the device takes */
  GQueue waiting;               /* of Waiting *, for the device */
  uint64_t waiting_bytes;
  GQueue rest;                  /* of Waiting *: segments of one packet that the type had no room for */
  PacketJoin *join;             /* segments on their way to the device */
  Capture *capture;
  unsigned posted;              /* a delivery is on its way: the id of its source */
} NetBackend;

/* In realize, first; and in unrealize, last. */
bool net_realize (void *self, const NetOps *ops, GError **error);
void net_finish (void *self);
/* A packet for the device.  It is the caller's again when this returns; what the device has no room for now waits, but for what is more than a few megabytes, which is
 * lost. */
void net_receive (void *self, const BpNetPacket *packet);
/* The same for one of many: segments of a TCP connection that follow each other reach a device that takes such packets as one, at net_receive_end at last.  `checked':
 * its checksums are known to be right; if not they are looked at, which costs less here than in the guest. */
void net_receive_frame (void *self, const uint8_t *bytes, uint32_t size, bool checked);
void net_receive_end (void *self);
/* Whether packets wait: who can leave his own where they are stops to read until `wanted'. */
bool net_is_full (const void *self);
void net_can_send (void *self);
void net_set_cable (void *self, bool plugged);

#define NET_PROPERTIES(T) \
  BP_PROP_STRING ("capture", T, net.capture_file, NULL, "A file to which all packets are written, for tcpdump or Wireshark (pcap); it is made anew, relative to the current directory."), \
  BP_PROP_ ("capture-size", BP_PROPERTY_SIZE, T, net.capture_size, .default_int = 256 * 1024, .min = 64, .max = 256 * 1024, \
            .help = "Bytes of each packet that `capture` keeps at most.")
#define NET_STATE(T) \
  { "link-off", BP_STATE_BOOL, (uint32_t) offsetof (T, net.link_off), 1, sizeof (bool), 1, 0, NULL, NULL }, \
  { "packets", BP_STATE_U64, (uint32_t) offsetof (T, net.packets), 2, sizeof (uint64_t), 1, 0, NULL, NULL }, \
  { "bytes", BP_STATE_U64, (uint32_t) offsetof (T, net.bytes), 2, sizeof (uint64_t), 1, 0, NULL, NULL }
extern const BpInterfaceDesc net_interfaces[];

extern const BpTypeDesc net_none_type, net_user_type, net_tap_type, net_socket_type, net_dgram_type;

#endif
