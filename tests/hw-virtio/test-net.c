/* test-net.c -- virtio-net under the driver of libbackplane-test: packets both ways, the control queue, links, and drivers that break rules. */
/* SPDX-License-Identifier: MIT */
#include "hw-virtio/net.h"
#include "net-test.h"
#include "virtio-test.h"
#include <stdlib.h>

const BpPluginDesc *bp_plugin_query (void);

enum { RX = 0, TX = 1, CONTROL = 2, HEADER = 12, NEEDS_RESET = 0x40 };
static const uint8_t mac[] = { 2, 0, 0, 0, 0, 5 };

/* --- the machine --------------------------------------------------------------------------- */

typedef struct Net {
  BpTest *t;
  BpTestVirtio *v;
  NetTest *n;
  uint64_t features;
} Net;

static BpTest *
machine (bool pci, bool packed, const char *keys)
{
  static const BpTypeDesc *types[64] = { &net_test_type };
  const BpTypeDesc *const *own = bp_plugin_query ()->types;
  for (unsigned i = 0; own[i]; i++)
    types[i + 1] = own[i];
  g_autofree char *text = g_strdup_printf (
    "[memory ram]\ntype = test-ram\nsize = 4M\n[map ram]\nregion = ram\nat = memory@0\n[device probe]\ntype = test-probe\n%s[device bus]\npacked = %s\n%s"
    "[backend net]\ntype = net-test\n[device nic]\ntype = virtio-net\nbus = bus\naddress = %s\nbackend = net\nmac = 02:00:00:00:00:05\n%s",
    pci ? "[device pci]\ntype = test-pci\n" : "", packed ? "on" : "off",
    pci ? "type = virtio-pci\nbus = pci\n" : "type = virtio-mmio\nmmio0 = memory@0x10000000\nirq0 = probe.in0\n", pci ? "03.0" : "0", keys ? keys : "");
  return bp_test_new (types, text);
}

static BpTestVirtio *
driver (BpTest *t, bool pci)
{
  return pci ? bp_test_virtio_pci (t, "pci", BP_TEST_PCI (3, 0), 0x10000, 0x3e0000) : bp_test_virtio_mmio (t, VIRTIO_TEST_MMIO, 0x10000, 0x3e0000);
}

static Net
net_new (bool pci, bool packed, const char *keys, uint64_t features, unsigned queues)
{
  Net m = { .t = machine (pci, packed, keys) };
  m.n = bp_test_object (m.t, "net");
  m.v = driver (m.t, pci);
  m.features = bp_test_virtio_setup (m.v, features, queues);
  bp_test_keep_log ("guest_errors");
  return m;
}
#define ALL BP_TEST_VIRTIO_ALL

static void
net_free (Net *m)
{
  bp_test_virtio_free (m->v);
  bp_test_free (m->t);
}

/* --- what a driver does ------------------------------------------------------------------------ */

static void
settle (Net *m)
{
  for (unsigned i = 0; i < 20; i++)
    bp_test_iterate (m->t);
  bp_test_advance (m->t, 1000);
}

static void
fill_frame (uint8_t *frame, uint32_t size, unsigned seed)
{
  for (uint32_t i = 0; i < size; i++)
    frame[i] = (uint8_t) (i * 13 + seed);
  memcpy (frame, mac, sizeof mac);
  frame[12] = 0x88;
}

/* Sends a frame with these fields of the header. */
static void
send_frame (Net *m, unsigned queue, const uint8_t *frame, uint32_t size, uint8_t flags, uint8_t gso, uint16_t segment)
{
  g_autofree uint8_t *out = g_malloc0 (HEADER + size);
  out[0] = flags;
  out[1] = gso;
  out[4] = (uint8_t) segment;
  out[5] = (uint8_t) (segment >> 8);
  out[6] = 34;
  out[8] = 16;
  memcpy (out + HEADER, frame, size);
  bp_test_virtio_add_bytes (m->v, queue, out, HEADER + size, 0, NULL);
  bp_test_virtio_kick (m->v, queue);
  settle (m);
}

static void
expect_sent (Net *m, unsigned n, const uint8_t *frame, uint32_t size, uint32_t work)
{
  bp_test_expect_eq (m->n->n_sent, n);
  bp_test_expect_eq (m->n->sent.size, size);
  bp_test_expect_eq (m->n->sent.work, work);
  bp_test_expect (memcmp (m->n->bytes, frame, size) == 0);
}

/* A command; its answer. */
static unsigned
command (Net *m, unsigned queue, uint8_t class, uint8_t code, const void *bytes, uint32_t size)
{
  uint8_t out[1024] = { class, code }, answer = 0xee;
  memcpy (out + 2, bytes, size);
  bp_test_expect_eq (bp_test_virtio_call (m->v, queue, out, 2 + size, &answer, 1), 1);
  return answer;
}
#define COMMAND(m, class, code, ...) command (m, CONTROL, class, code, (const uint8_t[]){ __VA_ARGS__ }, sizeof ((const uint8_t[]){ __VA_ARGS__ }))

/* --- packets --------------------------------------------------------------------------------------- */

BP_TEST (sends)
{
  for (unsigned kind = 0; kind < 4; kind++) {
    Net m = net_new (kind & 1, kind & 2, NULL, ALL, 3);
    uint8_t frame[3000];
    fill_frame (frame, sizeof frame, 1);
    send_frame (&m, TX, frame, 60, 0, 0, 0);
    expect_sent (&m, 1, frame, 60, 0);
    send_frame (&m, TX, frame, 1514, 1, 0, 0);
    expect_sent (&m, 2, frame, 1514, BP_NET_CHECKSUM);
    bp_test_expect_eq (m.n->sent.checksum_start, 34);
    bp_test_expect_eq (m.n->sent.checksum_offset, 16);
    send_frame (&m, TX, frame, 3000, 1, 1 | 0x80, 1448);
    expect_sent (&m, 3, frame, 3000, BP_NET_CHECKSUM | BP_NET_TCP4 | BP_NET_ECN);
    bp_test_expect_eq (m.n->sent.segment_size, 1448);
    send_frame (&m, TX, frame, 3000, 1, 4, 1000);
    expect_sent (&m, 4, frame, 3000, BP_NET_CHECKSUM | BP_NET_TCP6);
    send_frame (&m, TX, frame, 3000, 1, 5, 1000);
    expect_sent (&m, 5, frame, 3000, BP_NET_CHECKSUM | BP_NET_UDP);
    uint32_t written;
    unsigned id;
    for (unsigned i = 0; i < 5; i++)
      bp_test_expect (bp_test_virtio_wait (m.v, TX, &id, &written) && written == 0);
    net_free (&m);
  }
}

/* What was not agreed on, and what is no packet, is dropped; the queue goes on. */
BP_TEST (nonsense_is_dropped)
{
  Net m = net_new (false, false, NULL, ALL & ~NET_BIT (NET_HOST_TSO4) & ~NET_BIT (NET_HOST_ECN), 3);
  uint8_t frame[3000];
  fill_frame (frame, sizeof frame, 1);
  send_frame (&m, TX, frame, 3000, 1, 1, 1448);
  send_frame (&m, TX, frame, 3000, 1, 2, 1448);
  send_frame (&m, TX, frame, 3000, 1, 4 | 0x80, 1448);
  send_frame (&m, TX, frame, 13, 0, 0, 0);
  g_autofree uint8_t *large = g_malloc0 (140000);
  send_frame (&m, TX, large, 140000, 0, 0, 0);
  bp_test_expect_eq (m.n->n_sent, 0);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "a packet of 13 bytes, flags 0x0, kind 0x0 is dropped");
  send_frame (&m, TX, frame, 100, 0, 0, 0);
  expect_sent (&m, 1, frame, 100, 0);
  bp_test_virtio_add_bytes (m.v, TX, frame, 11, 0, NULL);
  bp_test_virtio_kick (m.v, TX);
  settle (&m);
  bp_test_expect_eq (bp_test_virtio_status (m.v) & NEEDS_RESET, NEEDS_RESET);
  bp_test_expect (!net_test_give (m.n, frame, 100, 0, 0));
  bp_test_virtio_set_status (m.v, 0);
  bp_test_expect (net_test_give (m.n, frame, 100, 0, 0));       /* to nobody */
  bp_test_virtio_setup (m.v, ALL, 3);
  send_frame (&m, TX, frame, 100, 0, 0, 0);
  expect_sent (&m, 2, frame, 100, 0);
  net_free (&m);
}

/* The backend says no: nothing is lost, nothing changes its place. */
BP_TEST (sending_waits)
{
  for (unsigned packed = 0; packed < 2; packed++) {
    Net m = net_new (false, packed, NULL, ALL, 3);
    uint8_t frame[100];
    m.n->full = true;
    for (unsigned i = 0; i < 5; i++) {
      fill_frame (frame, sizeof frame, i);
      send_frame (&m, TX, frame, 60 + i, 0, 0, 0);
    }
    bp_test_expect_eq (m.n->n_sent, 0);
    m.n->full = false;
    m.n->handlers.can_send (m.n->user);
    settle (&m);
    expect_sent (&m, 5, frame, 64, 0);
    net_free (&m);
  }
}

static void
expect_received (Net *m, uint64_t at, uint32_t written, const uint8_t *frame, uint32_t size, unsigned n_buffers)
{
  g_autofree uint8_t *in = g_malloc (HEADER + size);
  bp_test_expect_eq (written, HEADER + size);
  bp_test_read (m->t, at, in, HEADER + size);
  bp_test_expect_eq (in[10] | in[11] << 8, n_buffers);
  bp_test_expect (memcmp (in + HEADER, frame, size) == 0);
}

BP_TEST (receives)
{
  for (unsigned kind = 0; kind < 4; kind++) {
    Net m = net_new (kind & 1, kind & 2, NULL, ALL, 3);
    uint8_t frame[1514], header[HEADER];
    uint64_t at[4];
    uint32_t written;
    unsigned id;
    fill_frame (frame, sizeof frame, 3);
    bp_test_expect (!net_test_give (m.n, frame, 60, 0, 0));     /* there is no buffer */
    for (unsigned i = 0; i < 3; i++)
      bp_test_virtio_add_bytes (m.v, RX, NULL, 0, 2000, &at[i]);
    bp_test_virtio_kick (m.v, RX);
    settle (&m);
    bp_test_expect (m.n->n_accepts > 0);
    bp_test_expect (net_test_give (m.n, frame, 60, 0, 0));
    bp_test_expect (bp_test_virtio_wait (m.v, RX, &id, &written));
    expect_received (&m, at[0], written, frame, 60, 1);
    bp_test_expect (net_test_give (m.n, frame, 1514, BP_NET_CHECKED, 0));
    bp_test_expect (bp_test_virtio_wait (m.v, RX, &id, &written));
    expect_received (&m, at[1], written, frame, 1514, 1);
    bp_test_read (m.t, at[1], header, HEADER);
    bp_test_expect_eq (header[0], 2);
    bp_test_expect (net_test_give (m.n, frame, 1514, BP_NET_CHECKSUM | BP_NET_TCP4, 0));
    bp_test_expect (bp_test_virtio_wait (m.v, RX, &id, &written));
    bp_test_read (m.t, at[2], header, HEADER);
    bp_test_expect (header[0] == 1 && header[1] == 1 && header[2] == 54 && header[4] + 256 * header[5] == 1000 && header[6] == 34 && header[8] == 16);
    bp_test_expect (!net_test_give (m.n, frame, 60, 0, 0));
    net_free (&m);
  }
}

/* A driver without GUEST_CSUM, or that has given it back, sees no flags. */
BP_TEST (no_flags)
{
  Net m = net_new (false, false, NULL, ALL & ~(NET_GUEST_OFFLOADS | NET_BIT (NET_CTRL_GUEST_OFFLOADS)), 3);
  uint8_t frame[60], header[HEADER];
  fill_frame (frame, sizeof frame, 3);
  for (unsigned round = 0; round < 2; round++) {
    uint64_t at;
    uint32_t written;
    unsigned id;
    bp_test_virtio_add_bytes (m.v, RX, NULL, 0, 2000, &at);
    bp_test_expect (net_test_give (m.n, frame, sizeof frame, BP_NET_CHECKED, 0));
    bp_test_expect (bp_test_virtio_wait (m.v, RX, &id, &written));
    bp_test_read (m.t, at, header, HEADER);
    bp_test_expect_eq (header[0], 0);
    bp_test_virtio_setup (m.v, ALL, 3);
    bp_test_expect_eq (COMMAND (&m, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0);
  }
  net_free (&m);
}

/* One packet in many buffers; when they are too few now it waits, and takes none. */
BP_TEST (buffers_are_merged)
{
  for (unsigned packed = 0; packed < 2; packed++) {
    Net m = net_new (packed, packed, NULL, ALL, 3);
    g_autofree uint8_t *frame = g_malloc (65000), *got = g_malloc0 (65012);
    uint64_t at[100];
    uint32_t written, done = 0;
    unsigned id;
    fill_frame (frame, 65000, 3);
    for (unsigned i = 0; i < 65; i++)
      bp_test_virtio_add_bytes (m.v, RX, NULL, 0, 1000, &at[i]);
    bp_test_expect (!net_test_give (m.n, frame, 65000, 0, 0));
    bp_test_expect (!bp_test_virtio_take (m.v, RX, &id, &written));
    unsigned accepts = m.n->n_accepts;
    bp_test_virtio_add_bytes (m.v, RX, NULL, 0, 1000, &at[65]);
    bp_test_expect (bp_test_virtio_wants_kick (m.v, RX));
    bp_test_virtio_kick (m.v, RX);
    settle (&m);
    bp_test_expect (m.n->n_accepts > accepts);
    bp_test_expect (net_test_give (m.n, frame, 65000, 0, 0));
    for (unsigned i = 0; i < 66; i++) {
      bp_test_expect (bp_test_virtio_wait (m.v, RX, &id, &written));
      bp_test_expect_eq (written, i < 65 ? 1000 : 12);
      bp_test_read (m.t, at[i], got + done, written);
      done += written;
    }
    bp_test_expect_eq (got[10], 66);
    bp_test_expect (memcmp (got + HEADER, frame, 65000) == 0);
    net_free (&m);
  }
}

/* Buffers that can never hold it: the packet is dropped, they are there for the next one. */
BP_TEST (small_buffers)
{
  Net m = net_new (false, false, NULL, ALL & ~NET_BIT (NET_MRG_RXBUF), 3);
  uint8_t frame[1514];
  uint64_t at;
  uint32_t written;
  unsigned id;
  fill_frame (frame, sizeof frame, 3);
  bp_test_virtio_add_bytes (m.v, RX, NULL, 0, 100, &at);
  bp_test_expect (net_test_give (m.n, frame, 1514, 0, 0));
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "the driver's buffers are too small");
  bp_test_expect (net_test_give (m.n, frame, 60, 0, 0));
  bp_test_expect (bp_test_virtio_wait (m.v, RX, &id, &written));
  expect_received (&m, at, written, frame, 60, 1);
  /* without room for the header in one piece */
  bp_test_virtio_setup (m.v, ALL, 3);
  for (unsigned i = 0; i < 10; i++)
    bp_test_virtio_add_bytes (m.v, RX, NULL, 0, 11, &at);
  bp_test_expect (net_test_give (m.n, frame, 60, 0, 0));
  bp_test_expect (!bp_test_virtio_take (m.v, RX, &id, &written));
  /* a ring that cannot hold enough of them, even when it is full */
  bp_test_virtio_negotiate (m.v, ALL);
  bp_test_virtio_queue (m.v, RX, 16);
  bp_test_virtio_start (m.v);
  for (unsigned i = 0; i < 15; i++)
    bp_test_virtio_add_bytes (m.v, RX, NULL, 0, 90, &at);
  bp_test_expect (!net_test_give (m.n, frame, 1514, 0, 0));
  bp_test_virtio_add_bytes (m.v, RX, NULL, 0, 90, &at);
  bp_test_expect (net_test_give (m.n, frame, 1514, 0, 0));
  bp_test_expect (!bp_test_virtio_take (m.v, RX, &id, &written));
  bp_test_expect (net_test_give (m.n, frame, 100, 0, 0));
  bp_test_expect (bp_test_virtio_wait (m.v, RX, &id, &written) && written == 90);
  net_free (&m);
}

/* --- the control queue ------------------------------------------------------------------------------ */

static bool
passes (Net *m, const uint8_t *address, int vlan)
{
  uint8_t frame[64] = { 0 };
  unsigned id;
  uint32_t written;
  memcpy (frame, address, 6);
  if (vlan >= 0) {
    frame[12] = 0x81;
    frame[14] = (uint8_t) (vlan >> 8 | 0x60);   /* with a priority */
    frame[15] = (uint8_t) vlan;
  }
  bp_test_virtio_add_bytes (m->v, RX, NULL, 0, 200, NULL);
  bp_test_expect (net_test_give (m->n, frame, sizeof frame, 0, 0));
  return bp_test_virtio_take (m->v, RX, &id, &written);
}

BP_TEST (filters)
{
  static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, other[6] = { 2, 0, 0, 0, 0, 6 }, group[6] = { 1, 0, 0, 0, 0, 1 }, group2[6] = { 1, 0, 0, 0, 0, 2 };
  Net m = net_new (false, false, NULL, ALL, 3);
  bp_test_expect (passes (&m, other, -1) && passes (&m, group, -1));    /* until the driver says otherwise */
  bp_test_expect_eq (COMMAND (&m, 0, 0, 0), 0);
  bp_test_expect (passes (&m, mac, -1) && passes (&m, all, -1) && !passes (&m, other, -1) && !passes (&m, group, -1));
  bp_test_expect_eq (COMMAND (&m, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 6, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1), 0);
  bp_test_expect (passes (&m, other, -1) && passes (&m, group, -1) && !passes (&m, group2, -1));
  bp_test_round_trip (m.t);
  bp_test_expect (passes (&m, other, -1) && passes (&m, group, -1) && !passes (&m, group2, -1));
  bp_test_expect_eq (COMMAND (&m, 0, 1, 1), 0);
  bp_test_expect (passes (&m, group2, -1));
  bp_test_expect_eq (COMMAND (&m, 0, 3, 1), 0);
  bp_test_expect (!passes (&m, group, -1));
  bp_test_expect_eq (COMMAND (&m, 0, 5, 1), 0);
  bp_test_expect (!passes (&m, all, -1));
  bp_test_expect_eq (COMMAND (&m, 0, 4, 1), 0);
  bp_test_expect (!passes (&m, mac, -1));
  bp_test_expect_eq (COMMAND (&m, 0, 4, 0), 0);
  bp_test_expect_eq (COMMAND (&m, 0, 2, 1), 0);
  bp_test_expect (passes (&m, other, -1));
  /* more than the table holds: all pass */
  uint8_t many[4 + 65 * 6 + 4] = { 65 };
  bp_test_expect_eq (COMMAND (&m, 0, 2, 0), 0);
  bp_test_expect_eq (command (&m, CONTROL, 1, 0, many, sizeof many), 0);
  bp_test_expect (passes (&m, other, -1));
  /* VLANs */
  bp_test_expect (!passes (&m, mac, 5));
  bp_test_expect_eq (COMMAND (&m, 2, 0, 5, 0), 0);
  bp_test_expect (passes (&m, mac, 5) && !passes (&m, mac, 6));
  bp_test_expect_eq (COMMAND (&m, 2, 1, 5, 0), 0);
  bp_test_expect (!passes (&m, mac, 5));
  /* another address */
  bp_test_expect_eq (command (&m, CONTROL, 1, 1, other, 6), 0);
  bp_test_expect_eq (bp_test_virtio_config (m.v, 5, 1), 6);
  net_free (&m);
}

BP_TEST (commands_are_checked)
{
  static const struct { uint8_t class, code, bytes[16]; uint32_t size; } rows[] = {
    { 0, 0, { 0 }, 0 }, { 0, 6, { 1 }, 1 }, { 1, 0, { 1, 0, 0, 0 }, 4 }, { 1, 0, { 0xff, 0xff, 0xff, 0xff, 1 }, 12 }, { 1, 0, { 0 }, 4 }, { 1, 1, { 1 }, 5 },
    { 1, 2, { 1 }, 6 }, { 2, 0, { 0, 0x10 }, 2 }, { 2, 2, { 0, 0 }, 2 }, { 2, 0, { 0 }, 1 }, { 3, 1, { 0 }, 0 }, { 4, 0, { 0, 0 }, 2 }, { 4, 0, { 2, 0 }, 2 },
    { 5, 0, { 0xff, 0xff, 0xff, 0xff }, 8 }, { 5, 0, { 0 }, 7 }, { 5, 1, { 0 }, 8 }, { 6, 0, { 0 }, 0 }, { 255, 255, { 0 }, 0 }
  };
  Net m = net_new (true, false, NULL, ALL, 3);
  uint8_t answer;
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++)
    bp_test_expect_eq (command (&m, CONTROL, rows[i].class, rows[i].code, rows[i].bytes, rows[i].size), 1);
  bp_test_expect_eq (bp_test_virtio_call (m.v, CONTROL, "", 1, &answer, 1), 1);
  bp_test_expect_eq (answer, 1);
  /* offloads are taken back and given again */
  bp_test_expect_eq (m.n->work, BP_NET_CHECKSUM | BP_NET_CHECKED | BP_NET_TCP4 | BP_NET_TCP6 | BP_NET_ECN | BP_NET_UDP);
  bp_test_expect_eq (COMMAND (&m, 5, 0, 0x82, 0, 0, 0, 0, 0, 0, 0), 0);
  bp_test_expect_eq (m.n->work, BP_NET_CHECKSUM | BP_NET_CHECKED | BP_NET_TCP4);
  bp_test_expect_eq (COMMAND (&m, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0);
  bp_test_expect_eq (m.n->work, 0);
  /* no room for the answer */
  bp_test_virtio_add_bytes (m.v, CONTROL, "abc", 3, 0, NULL);
  bp_test_virtio_kick (m.v, CONTROL);
  settle (&m);
  bp_test_expect_eq (bp_test_virtio_status (m.v) & NEEDS_RESET, NEEDS_RESET);
  net_free (&m);
}

/* More than one turn has: all are obeyed. */
BP_TEST (commands_take_turns)
{
  enum { MANY = 30 };
  Net m = net_new (true, false, NULL, ALL, 3);
  uint32_t written;
  unsigned id;
  for (unsigned i = 0; i < MANY; i++)
    bp_test_virtio_add_bytes (m.v, CONTROL, "\0\0\1", 3, 1, NULL);
  bp_test_virtio_kick (m.v, CONTROL);
  for (unsigned i = 0; i < MANY; i++) {
    settle (&m);
    bp_test_expect (bp_test_virtio_take (m.v, CONTROL, &id, &written) && written == 1);
  }
  net_free (&m);
}

BP_TEST (many_queues)
{
  Net m = net_new (true, false, "queues = 4\n", ALL, 9);
  uint8_t frame[100], flow[60] = { 2, 0, 0, 0, 0, 5, 2, 0, 0, 0, 0, 6, 8, 0, 0x45 };
  unsigned id;
  uint32_t written;
  fill_frame (frame, sizeof frame, 1);
  bp_test_expect_eq (bp_test_virtio_config (m.v, 8, 2), 4);
  bp_test_expect_eq (m.n->queues, 1);
  bp_test_expect_eq (command (&m, 8, 4, 0, "\4", 2), 0);
  bp_test_expect_eq (m.n->queues, 4);
  bp_test_expect_eq (command (&m, 8, 4, 0, "\5", 2), 1);
  for (unsigned i = 0; i < 4; i++) {
    send_frame (&m, 2 * i + 1, frame, 60, 0, 0, 0);
    bp_test_expect_eq (m.n->sent.queue, i);
    bp_test_virtio_add_bytes (m.v, 2 * i, NULL, 0, 200, NULL);
    bp_test_expect (net_test_give (m.n, frame, 60, 0, i));
    bp_test_expect (bp_test_virtio_wait (m.v, 2 * i, &id, &written));
  }
  /* an answer comes where the question was sent from */
  send_frame (&m, 5, flow, sizeof flow, 0, 0, 0);
  bp_test_virtio_add_bytes (m.v, 4, NULL, 0, 200, NULL);
  bp_test_expect (net_test_give (m.n, flow, sizeof flow, 0, 0));
  bp_test_expect (bp_test_virtio_wait (m.v, 4, &id, &written));
  /* without MQ the control queue is the third one */
  bp_test_virtio_setup (m.v, ALL & ~NET_BIT (NET_MQ), 3);
  bp_test_expect_eq (COMMAND (&m, 0, 0, 0), 0);
  net_free (&m);
}

/* --- links, features, state ------------------------------------------------------------------------------- */

BP_TEST (link_is_told)
{
  Net m = net_new (true, false, "mtu = 9000\n", ALL, 3);
  bp_test_expect_eq (bp_test_virtio_config (m.v, 6, 2), 1);
  bp_test_expect_eq (bp_test_virtio_config (m.v, 10, 2), 9000);
  bp_test_virtio_interrupts (m.v, -1);
  net_test_set_link (m.n, false);
  bp_test_expect_eq (bp_test_virtio_interrupts (m.v, -1), 1);
  bp_test_expect_eq (bp_test_virtio_config (m.v, 6, 2), 0);
  net_test_set_link (m.n, false);
  bp_test_expect_eq (bp_test_virtio_interrupts (m.v, -1), 0);
  net_test_set_link (m.n, true);
  bp_test_expect_eq (bp_test_virtio_config (m.v, 6, 2), 1);
  net_free (&m);
}

BP_TEST (features_need_others)
{
  static const uint64_t wrong[] = { NET_BIT (NET_GUEST_TSO4), NET_BIT (NET_HOST_TSO6), NET_BIT (NET_HOST_USO), NET_BIT (NET_CTRL_RX), NET_BIT (NET_GUEST_ECN),
                                    NET_BIT (NET_HOST_ECN), NET_BIT (NET_GUEST_USO4) };
  Net m = net_new (false, false, NULL, ALL, 3);
  for (unsigned i = 0; i < G_N_ELEMENTS (wrong); i++) {
    uint64_t chosen = wrong[i] | UINT64_C (1) << 32;
    bp_test_virtio_set_status (m.v, 0);
    bp_test_virtio_set_status (m.v, 3);
    for (unsigned half = 0; half < 2; half++) {
      bp_test_store32 (m.t, VIRTIO_TEST_MMIO + 0x24, half);
      bp_test_store32 (m.t, VIRTIO_TEST_MMIO + 0x20, (uint32_t) (chosen >> 32 * half));
    }
    bp_test_virtio_set_status (m.v, 11);
    bp_test_expect_eq (bp_test_virtio_status (m.v), 3);
  }
  net_free (&m);
}

/* A machine that was loaded goes on. */
BP_TEST (loaded)
{
  Net m = net_new (true, false, NULL, ALL, 3), other = { .t = machine (true, false, NULL) };
  uint8_t frame[100];
  uint64_t at;
  uint32_t written;
  unsigned id;
  fill_frame (frame, sizeof frame, 1);
  bp_test_virtio_add_bytes (m.v, RX, NULL, 0, 200, &at);
  bp_test_expect_eq (COMMAND (&m, 0, 0, 0), 0);
  other.n = bp_test_object (other.t, "net");
  other.v = driver (other.t, true);
  bp_test_copy (m.t, other.t);
  bp_test_virtio_copy (m.v, other.v);
  bp_test_expect_eq (other.n->work, m.n->work);
  settle (&other);
  bp_test_expect_eq (bp_test_virtio_config (other.v, 6, 2), NET_STATUS_LINK_UP);        /* ANNOUNCE would be another run than the saved one: time is the test's */
  bp_test_expect_eq (command (&other, CONTROL, 3, 0, "", 0), 0);
  bp_test_expect (net_test_give (other.n, frame, 60, 0, 0));
  bp_test_expect (bp_test_virtio_wait (other.v, RX, &id, &written));
  expect_received (&other, at, written, frame, 60, 1);
  net_free (&m);
  net_free (&other);
}

BP_TEST (refusals)
{
  static const struct { const char *keys, *why; } rows[] = {
    { "mac = 02:00:00:00:00\n", "mac: six bytes" }, { "mac = 01:00:00:00:00:00\n", "mac: six bytes" }, { "mac = 02:00:00:00:00:00:00\n", "mac: six bytes" },
    { "rx-entries = 100\n", "a power of two" }, { "queues = 0\n", "queues" }, { "mtu = 70000\n", "mtu" }
  };
  static const BpTypeDesc *types[64] = { &net_test_type };
  const BpTypeDesc *const *own = bp_plugin_query ()->types;
  const char *bus = "[device probe]\ntype = test-probe\n[device bus]\ntype = virtio-mmio\nmmio0 = memory@0x10000000\nirq0 = probe.in0\n[backend net]\ntype = net-test\n";
  for (unsigned i = 0; own[i]; i++)
    types[i + 1] = own[i];
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *text = g_strdup_printf ("%s[device nic]\ntype = virtio-net\nbus = bus\naddress = 0\n%s", bus, rows[i].keys), *refusal = bp_test_refusal (types, text);
    bp_test_expect_has (refusal, rows[i].why);
  }
  g_autofree char *two = g_strdup_printf ("%s[device a]\ntype = virtio-net\nbus = bus\naddress = 0\nbackend = net\n[device b]\ntype = virtio-net\nbus = bus\naddress = 1\nbackend = net\n", bus);
  g_autofree char *refusal = bp_test_refusal (types, two);
  bp_test_expect_has (refusal, "backend: `net` is in use by another device, `a`, and serves one");
}

int
main (int argc, char **argv)
{
  static const BpTestCase *const cases[] = { &sends, &nonsense_is_dropped, &sending_waits, &receives, &no_flags, &buffers_are_merged, &small_buffers, &filters,
                                             &commands_are_checked, &commands_take_turns, &many_queues, &link_is_told, &features_need_others, &loaded, &refusals, NULL };
  return bp_test_main ("virtio-net", cases, argc, argv);
}
