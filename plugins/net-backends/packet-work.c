/* packet-work.c -- what a packet leaves to others, done in software: checksums, and segments of TCP and UDP. */
/* SPDX-License-Identifier: MIT */
#include "packet-work.h"

/* --- headers ------------------------------------------------------------------------- */

enum { TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd, TYPE_VLAN = 0x8100, TYPE_SERVICE_VLAN = 0x88a8 };
enum { IPV4_HEADER = 20, IPV6_HEADER = 40, TCP_HEADER = 20, UDP_HEADER = 8 };

static bool
parse_ipv4 (const uint8_t *frame, uint32_t size, PacketHeaders *h)
{
  const uint8_t *ip = frame + h->network;
  uint32_t header = (uint32_t) (ip[0] & 15) * 4;
  if (size - h->network < IPV4_HEADER || ip[0] >> 4 != 4 || header < IPV4_HEADER || header > size - h->network || packet_get16 (ip + 6) & 0x3fff)
    return false;
  h->v6 = false;
  h->protocol = ip[9];
  h->transport = h->network + header;
  return true;
}

/* Extension headers that may stand before the transport's (RFC 8200, 4.1). */
static bool
parse_ipv6 (const uint8_t *frame, uint32_t size, PacketHeaders *h)
{
  enum { HOP_BY_HOP = 0, ROUTING = 43, DESTINATION = 60 };
  if (size - h->network < IPV6_HEADER || frame[h->network] >> 4 != 6)
    return false;
  uint32_t at = h->network + IPV6_HEADER;
  uint8_t next = frame[h->network + 6];
  while (next == HOP_BY_HOP || next == ROUTING || next == DESTINATION) {
    if (size - at < 8)
      return false;
    next = frame[at];
    uint32_t length = ((uint32_t) frame[at + 1] + 1) * 8;
    if (length > size - at)
      return false;
    at += length;
  }
  h->v6 = true;
  h->protocol = next;
  h->transport = at;
  return true;
}

bool
packet_parse (const uint8_t *frame, uint32_t size, PacketHeaders *h)
{
  uint32_t at = 12, type;
  do {
    if (size < at + 2)
      return false;
    type = packet_get16 (frame + at);
    at += type == TYPE_VLAN || type == TYPE_SERVICE_VLAN ? 4 : 2;
  } while (type == TYPE_VLAN || type == TYPE_SERVICE_VLAN);
  h->network = at;
  if (size - at < IPV4_HEADER || !(type == TYPE_IPV4 ? parse_ipv4 (frame, size, h) : type == TYPE_IPV6 && parse_ipv6 (frame, size, h)))
    return false;
  uint32_t left = size - h->transport, header = UDP_HEADER;
  if (h->protocol == PROTOCOL_TCP)
    header = left < TCP_HEADER ? TCP_HEADER : (uint32_t) (frame[h->transport + 12] >> 4) * 4;
  else if (h->protocol != PROTOCOL_UDP)
    return false;
  h->payload = h->transport + header;
  return header <= left && (h->protocol == PROTOCOL_UDP || header >= TCP_HEADER);
}

/* --- checksums ------------------------------------------------------------------------ */

static uint16_t
fold (uint64_t sum)
{
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t) sum;
}

uint16_t
packet_sum (const uint8_t *bytes, size_t size, uint64_t start)
{
  uint64_t sum = start, more = 0;
  for (; size >= 16; bytes += 16, size -= 16) {
    uint64_t words[2];
    memcpy (words, bytes, sizeof words);
    sum += (words[0] & 0xffffffff) + (words[0] >> 32);
    more += (words[1] & 0xffffffff) + (words[1] >> 32);
  }
  for (; size >= 2; bytes += 2, size -= 2) {
    uint16_t word;
    memcpy (&word, bytes, sizeof word);
    more += word;
  }
  if (size) {
    uint16_t word = 0;
    memcpy (&word, bytes, 1);
    more += word;
  }
  return fold (sum + more);
}

uint16_t
packet_pseudo_sum (const uint8_t *frame, const PacketHeaders *h, uint32_t transport_size)
{
  const uint8_t *ip = frame + h->network;
  uint8_t tail[8] = { [7] = h->protocol };
  packet_put32 (tail, transport_size);
  uint16_t addresses = h->v6 ? packet_sum (ip + 8, 32, 0) : packet_sum (ip + 12, 8, 0);
  return packet_sum (tail, sizeof tail, addresses);
}

static uint32_t checksum_offset (const PacketHeaders *h) { return h->protocol == PROTOCOL_TCP ? 16 : 6; }

/* Behind a short packet there may be padding. */
bool
packet_is_checked (const uint8_t *frame, uint32_t size)
{
  PacketHeaders h;
  if (!packet_parse (frame, size, &h))
    return false;
  const uint8_t *ip = frame + h.network;
  uint32_t end = h.network + (h.v6 ? IPV6_HEADER + packet_get16 (ip + 4) : packet_get16 (ip + 2));
  if (end < h.payload || end > size || (!h.v6 && packet_sum (ip, h.transport - h.network, 0) != 0xffff)
      || !packet_get16 (frame + h.transport + checksum_offset (&h)))
    return false;
  return packet_sum (frame + h.transport, end - h.transport, packet_pseudo_sum (frame, &h, end - h.transport)) == 0xffff;
}

/* As it stands in a packet.  Zero would say that there is none (UDP), and all ones are the same number. */
static void
put_checksum (uint8_t *field, uint16_t sum)
{
  uint16_t value = (uint16_t) ~sum;
  if (!value)
    value = 0xffff;
  memcpy (field, &value, sizeof value);
}

void
packet_set_length (uint8_t *frame, const PacketHeaders *h, uint32_t size)
{
  uint8_t *ip = frame + h->network;
  if (h->v6) {
    packet_put16 (ip + 4, size - h->network - IPV6_HEADER);
  } else {
    packet_put16 (ip + 2, size - h->network);
    packet_put16 (ip + 10, 0);
    uint16_t sum = (uint16_t) ~packet_sum (ip, h->transport - h->network, 0);
    memcpy (ip + 10, &sum, sizeof sum);
  }
  if (h->protocol == PROTOCOL_UDP)
    packet_put16 (frame + h->transport + 4, size - h->transport);
}

/* Of the transport, over headers whose lengths are right; `whole': or the pseudo header's alone, for whoever adds the rest. */
static void
set_transport_checksum (uint8_t *frame, const PacketHeaders *h, uint32_t size, bool whole)
{
  uint8_t *field = frame + h->transport + checksum_offset (h);
  uint16_t pseudo = packet_pseudo_sum (frame, h, size - h->transport);
  memcpy (field, &pseudo, sizeof pseudo);
  if (whole) {
    memset (field, 0, 2);
    put_checksum (field, packet_sum (frame + h->transport, size - h->transport, pseudo));
  }
}

/* --- segments -------------------------------------------------------------------------- */

typedef struct Cut {            /* one packet's */
  const BpNetPacket *packet;
  PacketHeaders h;
  const uint8_t *frame;
  uint32_t size, id, sequence;
  bool checksum;                /* is done here */
  bool (*emit) (void *user, const BpNetPacket *packet);
  void *user;
} Cut;

static bool
emit_bytes (const Cut *c, uint8_t *bytes, uint32_t size, uint32_t work)
{
  struct iovec iov = { bytes, size };
  BpNetPacket out = { .struct_size = sizeof out, .work = work, .iov = &iov, .n_iov = 1, .size = size, .queue = c->packet->queue };
  if (work & BP_NET_CHECKSUM) {
    out.checksum_start = (uint16_t) c->h.transport;
    out.checksum_offset = (uint16_t) checksum_offset (&c->h);
  }
  if (work & BP_NET_SEGMENTS) {
    out.header_size = (uint16_t) c->h.payload;
    out.segment_size = c->packet->segment_size;
  }
  return c->emit (c->user, &out);
}

/* The part of the payload from `from' on, `n' bytes, as the index-th packet. */
static bool
emit_segment (const Cut *c, uint8_t *out, uint32_t index, uint32_t from, uint32_t n)
{
  const PacketHeaders *h = &c->h;
  uint32_t size = h->payload + n;
  bool last = h->payload + from + n == c->size;
  memcpy (out, c->frame, h->payload);
  memcpy (out + h->payload, c->frame + h->payload + from, n);
  if (!h->v6)
    packet_put16 (out + h->network + 4, (c->id + index) & 0xffff);
  packet_set_length (out, h, size);
  if (h->protocol == PROTOCOL_TCP) {
    packet_put32 (out + h->transport + 4, c->sequence + from);
    out[h->transport + 13] &= (uint8_t) ~((last ? 0 : TCP_FIN | TCP_PSH) | (from ? TCP_CWR : 0));
  }
  set_transport_checksum (out, h, size, c->checksum);
  return emit_bytes (c, out, size, c->checksum ? 0 : BP_NET_CHECKSUM);
}

static int
emit_segments (const Cut *c)
{
  uint32_t total = c->size - c->h.payload, step = c->packet->segment_size, index = 0;
  int taken = 0;
  g_autofree uint8_t *out = g_malloc (c->h.payload + MIN (step, total));
  uint32_t from = 0;
  do {
    uint32_t n = MIN (step, total - from);
    if (!emit_segment (c, out, index++, from, n))
      break;
    taken++;
    from += n;
  } while (from < total);
  return taken;
}

/* What the packet says of itself is what is in it. */
static bool
is_as_it_says (Cut *c)
{
  uint32_t kind = c->packet->work & BP_NET_SEGMENTS;
  if (!c->packet->segment_size || !packet_parse (c->frame, c->size, &c->h))
    return false;
  return kind == BP_NET_UDP ? c->h.protocol == PROTOCOL_UDP : c->h.protocol == PROTOCOL_TCP && kind == (c->h.v6 ? BP_NET_TCP6 : BP_NET_TCP4);
}

static int
finish_segments (Cut *c, uint8_t *frame, uint32_t takes)
{
  if (!is_as_it_says (c))
    return -1;
  c->id = c->h.v6 ? 0 : packet_get16 (frame + c->h.network + 4);
  c->sequence = c->h.protocol == PROTOCOL_TCP ? packet_get32 (frame + c->h.transport + 4) : 0;
  c->checksum = !(takes & BP_NET_CHECKSUM);
  if (!(c->packet->work & BP_NET_SEGMENTS & takes) || c->size - c->h.network > 0xffff)
    return emit_segments (c);
  packet_set_length (frame, &c->h, c->size);
  set_transport_checksum (frame, &c->h, c->size, c->checksum);
  return emit_bytes (c, frame, c->size, c->packet->work & ~(uint32_t) (c->checksum ? BP_NET_CHECKSUM : 0)) ? 1 : 0;
}

/* --- a packet --------------------------------------------------------------------------- */

uint32_t
packet_copy (const BpNetPacket *packet, uint8_t *bytes, uint32_t most)
{
  uint32_t done = 0;
  for (unsigned i = 0; i < packet->n_iov && done < most; i++) {
    uint32_t part = (uint32_t) MIN (packet->iov[i].iov_len, most - done);
    memcpy (bytes + done, packet->iov[i].iov_base, part);
    done += part;
  }
  return done;
}

static int
finish_checksum (Cut *c, uint8_t *frame)
{
  uint32_t start = c->packet->checksum_start, field = start + c->packet->checksum_offset;
  if (start >= c->size || field + 2 > c->size)
    return -1;
  put_checksum (frame + field, packet_sum (frame + start, c->size - start, 0));
  return emit_bytes (c, frame, c->size, 0) ? 1 : 0;
}

int
packet_finish (const BpNetPacket *packet, uint32_t takes, bool (*emit) (void *user, const BpNetPacket *packet), void *user)
{
  if (packet->work & BP_NET_ECN & ~takes)
    takes &= ~(uint32_t) BP_NET_SEGMENTS;       /* CWR in the first segment only: who does not know of that must not cut */
  uint32_t segments = packet->work & BP_NET_SEGMENTS, left = packet->work & ~takes & (BP_NET_SEGMENTS | BP_NET_CHECKSUM);
  if (packet->size < ETHERNET_HEADER || packet->size > PACKET_MOST || segments & (segments - 1))
    return -1;
  if (!left)
    return emit (user, packet) ? 1 : 0;
  g_autofree uint8_t *frame = g_malloc (packet->size);
  Cut c = { .packet = packet, .frame = frame, .size = packet_copy (packet, frame, packet->size), .emit = emit, .user = user };
  if (c.size != packet->size)
    return -1;
  return segments ? finish_segments (&c, frame, takes) : finish_checksum (&c, frame);
}
