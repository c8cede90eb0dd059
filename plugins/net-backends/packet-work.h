/* packet-work.h -- what a packet leaves to others, done in software: checksums, and segments of TCP and UDP. */
/* SPDX-License-Identifier: MIT */
#ifndef NET_BACKENDS_PACKET_WORK_H
#define NET_BACKENDS_PACKET_WORK_H

#include <backplane/iface/net.h>

enum { PACKET_MOST = 128 * 1024, ETHERNET_HEADER = 14 };
#define BP_NET_SEGMENTS (BP_NET_TCP4 | BP_NET_TCP6 | BP_NET_UDP)

/* Where things are in a frame with TCP or UDP over IP. */
typedef struct PacketHeaders {
  uint32_t network, transport, payload; /* offsets */
  bool v6;
  uint8_t protocol;             /* of the transport: 6 TCP, 17 UDP */
} PacketHeaders;

enum { PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32, TCP_ECE = 64, TCP_CWR = 128 };

/* false: it is something else, a fragment, or cut short. */
bool packet_parse (const uint8_t *frame, uint32_t size, PacketHeaders *h);
/* The sum of 16-bit words, not inverted, folded to 16 bits; in the order of the bytes in memory (RFC 1071). */
uint16_t packet_sum (const uint8_t *bytes, size_t size, uint64_t start);
/* Of the pseudo header, for so many bytes of transport header and payload. */
uint16_t packet_pseudo_sum (const uint8_t *frame, const PacketHeaders *h, uint32_t transport_size);
/* TCP or UDP with checksums, and they are right. */
bool packet_is_checked (const uint8_t *frame, uint32_t size);
/* Tells the IP header its length, and sums it up. */
void packet_set_length (uint8_t *frame, const PacketHeaders *h, uint32_t size);
uint32_t packet_copy (const BpNetPacket *packet, uint8_t *bytes, uint32_t most);

static inline uint32_t packet_get16 (const uint8_t *p) { return (uint32_t) p[0] << 8 | p[1]; }
static inline uint32_t packet_get32 (const uint8_t *p) { return packet_get16 (p) << 16 | packet_get16 (p + 2); }
static inline void packet_put16 (uint8_t *p, uint32_t v) { p[0] = (uint8_t) (v >> 8), p[1] = (uint8_t) v; }
static inline void packet_put32 (uint8_t *p, uint32_t v) { packet_put16 (p, v >> 16), packet_put16 (p + 2, v & 0xffff); }

/*
 * Does what a packet leaves to others and `takes` has not, and gives what comes of it to `emit`: the packet itself, one, or many, in memory that is theirs for the
 * call.  `takes' with segments but without BP_NET_CHECKSUM: one large packet whose checksum is right.  The number that emit took; -1: the packet is not what it says
 * that it is, and nothing was emitted.
 */
int packet_finish (const BpNetPacket *packet, uint32_t takes, bool (*emit) (void *user, const BpNetPacket *packet), void *user);

#endif
