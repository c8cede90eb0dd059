/* packet-join.c -- segments of one TCP connection that follow each other, joined to one large packet for a device that takes such. */
/* SPDX-License-Identifier: MIT */
/* What a guest pays for is packets, not bytes: a host's stream arrives as forty segments that differ in nothing but their place in it. */
#include "packet-join.h"

struct PacketJoin {
  void (*emit) (void *user, const BpNetPacket *packet);
  void *user;
  PacketHeaders h;
  uint32_t size, segment_size, segments;        /* segments 0: empty */
  uint8_t bytes[ETHERNET_HEADER + 8 + 65536];   /* with two VLAN tags */
};

PacketJoin *
packet_join_new (void (*emit) (void *user, const BpNetPacket *packet), void *user)
{
  PacketJoin *j = g_new (PacketJoin, 1);
  j->emit = emit;
  j->user = user;
  j->segments = 0;
  return j;
}

void
packet_join_free (PacketJoin *j)
{
  g_free (j);
}

bool
packet_join_is_empty (const PacketJoin *j)
{
  return j->segments == 0;
}

void
packet_join_drop (PacketJoin *j)
{
  j->segments = 0;
}

static void
emit (PacketJoin *j, const uint8_t *frame, uint32_t size, uint32_t work)
{
  struct iovec iov = { (void *) (uintptr_t) frame, size };
  BpNetPacket p = { .struct_size = sizeof p, .work = work, .iov = &iov, .n_iov = 1, .size = size };
  if (work & BP_NET_SEGMENTS) {
    p.checksum_start = (uint16_t) j->h.transport;
    p.checksum_offset = 16;
    p.header_size = (uint16_t) j->h.payload;
    p.segment_size = (uint16_t) j->segment_size;
  }
  j->emit (j->user, &p);
}

void
packet_join_flush (PacketJoin *j)
{
  uint32_t segments = j->segments;
  j->segments = 0;
  if (segments == 1)
    emit (j, j->bytes, j->size, BP_NET_CHECKED);
  if (segments < 2)
    return;
  packet_set_length (j->bytes, &j->h, j->size);
  uint16_t sum = packet_pseudo_sum (j->bytes, &j->h, j->size - j->h.transport);
  memcpy (j->bytes + j->h.transport + 16, &sum, sizeof sum);
  emit (j, j->bytes, j->size, BP_NET_CHECKSUM | (j->h.v6 ? BP_NET_TCP6 : BP_NET_TCP4));
}

/* Plain data: no flags that mean something at one place in the stream, nothing behind the packet. */
static bool
is_data (const uint8_t *frame, uint32_t size, const PacketHeaders *h)
{
  uint32_t length = h->v6 ? packet_get16 (frame + h->network + 4) + 40 : packet_get16 (frame + h->network + 2);
  return h->protocol == PROTOCOL_TCP && (frame[h->transport + 13] | TCP_PSH) == (TCP_ACK | TCP_PSH) && size > h->payload && length == size - h->network;
}

static bool
same (const PacketJoin *j, const uint8_t *frame, uint32_t from, uint32_t to)
{
  return memcmp (j->bytes + from, frame + from, to - from) == 0;
}

/* Everything but lengths, identification, checksums, PSH and the place in the stream. */
static bool
follows (const PacketJoin *j, const uint8_t *frame, uint32_t size, const PacketHeaders *h)
{
  uint32_t ip = h->network, tcp = h->transport, n = size - h->payload;
  if (!j->segments || h->network != j->h.network || h->transport != j->h.transport || h->payload != j->h.payload || h->v6 != j->h.v6
      || n > j->segment_size || j->size + n - ip > 0xffff || j->size + n > sizeof j->bytes)
    return false;
  bool network = h->v6 ? same (j, frame, 0, ip + 4) && same (j, frame, ip + 6, tcp)
                       : same (j, frame, 0, ip + 2) && same (j, frame, ip + 6, ip + 10) && same (j, frame, ip + 12, tcp);
  return network && same (j, frame, tcp, tcp + 4) && same (j, frame, tcp + 8, tcp + 13) && same (j, frame, tcp + 14, tcp + 16)
         && same (j, frame, tcp + 18, h->payload)
         && packet_get32 (frame + tcp + 4) == packet_get32 (j->bytes + tcp + 4) + j->size - j->h.payload;
}

void
packet_join_add (PacketJoin *j, const uint8_t *frame, uint32_t size, uint32_t work)
{
  PacketHeaders h;
  bool whole = size <= ETHERNET_HEADER + 65535 && packet_parse (frame, size, &h) && is_data (frame, size, &h)
               && work & BP_NET_CHECKSUM && work & (h.v6 ? BP_NET_TCP6 : BP_NET_TCP4);
  if (!whole) {
    packet_join_flush (j);
    emit (j, frame, size, BP_NET_CHECKED);
    return;
  }
  uint32_t n = size - h.payload;
  if (follows (j, frame, size, &h)) {
    memcpy (j->bytes + j->size, frame + h.payload, n);
    j->bytes[h.transport + 13] |= frame[h.transport + 13];
    j->size += n;
    j->segments++;
  } else {
    packet_join_flush (j);
    memcpy (j->bytes, frame, size);
    j->h = h;
    j->size = size;
    j->segment_size = n;
    j->segments = 1;
  }
  if (n < j->segment_size)      /* a shorter one is the last */
    packet_join_flush (j);
}
