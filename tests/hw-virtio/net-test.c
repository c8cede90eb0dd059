/* net-test.c -- a network backend for tests: keeps what a device sends, or gives it back, and gives the device what the test says. */
/* SPDX-License-Identifier: MIT */
#include "net-test.h"

static bool
attach (void *self, const BpNetHandlers *handlers, void *user)
{
  NetTest *n = self;
  if (handlers && n->attached)
    return false;
  n->attached = handlers;
  n->user = user;
  if (handlers)
    n->handlers = *handlers;
  return true;
}

static void
info (void *self, BpNetInfo *out)
{
  const NetTest *n = self;
  out->link_up = !n->down;
  out->queues = 4;
  out->mtu = 1500;
}

static void
set_receive (void *self, uint32_t work, uint32_t queues)
{
  NetTest *n = self;
  n->work = work;
  n->queues = queues;
}

bool
net_test_give (NetTest *n, const uint8_t *bytes, uint32_t size, uint32_t work, uint32_t queue)
{
  uint32_t head = MIN (size, 7);        /* parts of odd sizes */
  struct iovec iov[2] = { { (void *) (uintptr_t) bytes, head }, { (void *) (uintptr_t) (bytes + head), size - head } };
  BpNetPacket p = { .struct_size = sizeof p, .work = work, .iov = iov, .n_iov = size > head ? 2 : 1, .size = size, .queue = queue, .checksum_start = 34,
                    .checksum_offset = 16, .header_size = 54, .segment_size = 1000 };
  return n->handlers.receive (n->user, &p);
}

static bool
send_packet (void *self, const BpNetPacket *p)
{
  NetTest *n = self;
  uint32_t at = 0;
  if (n->full)
    return false;
  g_assert (p->size >= 14 && p->size <= sizeof n->bytes);
  for (unsigned i = 0; i < p->n_iov; i++) {
    g_assert (p->iov[i].iov_len && p->iov[i].iov_len <= p->size - at);
    memcpy (n->bytes + at, p->iov[i].iov_base, p->iov[i].iov_len);
    at += (uint32_t) p->iov[i].iov_len;
  }
  g_assert (at == p->size);
  n->n_sent++;
  n->sent = *p;
  n->sent.iov = NULL;
  if (n->loop)
    net_test_give (n, n->bytes, p->size, p->work & n->work, p->queue);
  return true;
}

static void accept_input (void *self) { ((NetTest *) self)->n_accepts++; }

void
net_test_set_link (NetTest *n, bool up)
{
  n->down = !up;
  n->handlers.changed (n->user);
}

static const BpNetIface iface = { sizeof iface, attach, info, set_receive, send_packet, accept_input, NULL };
static const BpInterfaceDesc interfaces[] = { { BP_NET_ID, &iface }, { NULL, NULL } };
static const BpProperty properties[] = { BP_PROP_BOOL ("loop", NetTest, loop, false, "Whether packets come back."), BP_PROP_END };
const BpTypeDesc net_test_type = { BP_TYPE ("net-test", BP_KIND_BACKEND, NetTest), .description = "a network for tests", .properties = properties,
                                   .interfaces = interfaces };
