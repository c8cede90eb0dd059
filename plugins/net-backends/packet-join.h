/* packet-join.h -- segments of one TCP connection that follow each other, joined to one large packet for a device that takes such. */
/* SPDX-License-Identifier: MIT */
#ifndef NET_BACKENDS_PACKET_JOIN_H
#define NET_BACKENDS_PACKET_JOIN_H

#include "packet-work.h"

typedef struct PacketJoin PacketJoin;

/* Gives packets to `emit' in the order in which they came. */
PacketJoin *packet_join_new (void (*emit) (void *user, const BpNetPacket *packet), void *user);
void packet_join_free (PacketJoin *join);       /* NULL is fine; what was not flushed is gone */
/* A frame whose checksums are right; work: what the receiver takes.  It is emitted (BP_NET_CHECKED), or kept until flush for what may follow. */
void packet_join_add (PacketJoin *join, const uint8_t *frame, uint32_t size, uint32_t work);
void packet_join_flush (PacketJoin *join);
/* What is kept is gone. */
void packet_join_drop (PacketJoin *join);
bool packet_join_is_empty (const PacketJoin *join);

#endif
