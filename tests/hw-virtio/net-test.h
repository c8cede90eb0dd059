/* net-test.h -- a network backend for tests: keeps what a device sends, or gives it back, and gives the device what the test says. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_NET_TEST_H
#define TESTS_NET_TEST_H

#include <backplane/device.h>
#include <backplane/iface/net.h>

/* Type `net-test'. */
typedef struct NetTest {
  bool loop;                    /* property: every packet comes back, as far as the device takes its work */
  bool full;                    /* send says no */
  bool down;                    /* no link */
  bool attached;
  BpNetHandlers handlers;
  void *user;
  uint32_t work, queues;        /* what the device takes */
  unsigned n_sent, n_accepts;
  BpNetPacket sent;             /* the last one */
  uint8_t bytes[128 * 1024];
} NetTest;

extern const BpTypeDesc net_test_type;
/* Offers a packet to the device; true: it took it. */
bool net_test_give (NetTest *n, const uint8_t *bytes, uint32_t size, uint32_t work, uint32_t queue);
void net_test_set_link (NetTest *n, bool up);

#endif
