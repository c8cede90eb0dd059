/* test-backends.c -- the network backends, each with a device of the test's own at its end. */
/* SPDX-License-Identifier: MIT */
#include "net-backends/backend.h"
#include "../scratch.h"
#include <config.h>
#ifdef HAVE_SLIRP
#include "net-backends/user.h"
#endif
#include <backplane/plugin.h>
#include <backplane/socket.h>
#include <backplane/test.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

const BpPluginDesc *bp_plugin_query (void);

/* --- the device --------------------------------------------------------------------------- */

typedef struct Port {
  BpLink backend;
  GPtrArray *input;             /* of GBytes */
  unsigned room;                /* packets that it takes */
  unsigned n_changed, n_can_send;
  uint32_t work;                /* of the last one */
} Port;

static bool
port_receive (void *user, const BpNetPacket *p)
{
  Port *port = user;
  if (!port->room)
    return false;
  uint8_t *bytes = g_malloc (p->size);
  bp_test_expect_eq (packet_copy (p, bytes, p->size), p->size);
  port->room--;
  port->work = p->work;
  g_ptr_array_add (port->input, g_bytes_new_take (bytes, p->size));
  return true;
}

static void port_changed (void *user) { ((Port *) user)->n_changed++; }
static void port_can_send (void *user) { ((Port *) user)->n_can_send++; }
static void bytes_free (void *bytes) { g_bytes_unref (bytes); }

static bool
port_realize (void *self, GError **error)
{
  static const BpNetHandlers handlers = { sizeof handlers, port_receive, port_can_send, port_changed };
  Port *port = self;
  port->input = g_ptr_array_new_with_free_func (bytes_free);
  port->room = 1000000;
  return bp_net_attach (&port->backend, &handlers, port);
}

static void
port_unrealize (void *self)
{
  Port *port = self;
  bp_net_attach (&port->backend, NULL, NULL);
  g_clear_pointer (&port->input, g_ptr_array_unref);
}

static const BpProperty port_properties[] = { BP_PROP_LINK ("backend", Port, backend, BP_NET_ID, 0, "Its network."), BP_PROP_END };
static const BpTypeDesc port_type = { BP_TYPE ("port", BP_KIND_DEVICE, Port), .description = "the end of a network", .properties = port_properties,
                                      .realize = port_realize, .unrealize = port_unrealize };

static const BpTypeDesc **
types (void)
{
  static const BpTypeDesc *all[16] = { &port_type };
  const BpTypeDesc *const *net = bp_plugin_query ()->types;
  for (unsigned i = 0; net[i]; i++)
    all[i + 1] = net[i];
  return all;
}

static BpTest *machine (const char *sections) { return bp_test_new (types (), sections); }
static Port *port (BpTest *t, const char *id) { return bp_test_object (t, id); }
static const BpNetIface *net (const Port *p) { return p->backend.table; }

static bool
until (BpTest *t, bool (*holds) (void *user), void *user)
{
  for (unsigned i = 0; i < 5000 && !holds (user); i++) {
    bp_test_iterate (t);
    if (!holds (user))
      g_usleep (1000);
  }
  return holds (user);
}

typedef struct Count { Port *p; guint n; } Count;
static bool has_packets (void *user) { return ((Count *) user)->p->input->len >= ((Count *) user)->n; }
static bool is_up (void *user) { return bp_net_info (&((Port *) user)->backend).link_up; }
static bool is_down (void *user) { return !is_up (user); }

/* A frame of a kind of its own, with a number. */
static bool
send_bytes (Port *p, const uint8_t *bytes, uint32_t size)
{
  struct iovec iov[2] = { { (void *) (uintptr_t) bytes, 6 }, { (void *) (uintptr_t) (bytes + 6), size - 6 } };
  BpNetPacket packet = { .struct_size = sizeof packet, .iov = iov, .n_iov = 2, .size = size };
  return bp_net_send (&p->backend, &packet);
}

static bool
send_number (Port *p, uint32_t number, uint32_t size)
{
  uint8_t frame[2000] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
  packet_put32 (frame + 14, number);
  return send_bytes (p, frame, size);
}

static void
expect_numbers (BpTest *t, Port *p, uint32_t n, uint32_t size)
{
  Count c = { p, n };
  bp_test_expect (until (t, has_packets, &c));
  bp_test_expect_eq (p->input->len, n);
  for (uint32_t i = 0; i < n; i++) {
    gsize there;
    const uint8_t *f = g_bytes_get_data (g_ptr_array_index (p->input, i), &there);
    bp_test_expect_eq (there, size);
    bp_test_expect_eq (packet_get32 (f + 14), i);
  }
  g_ptr_array_set_size (p->input, 0);
}

/* --- two machines' ends in one ------------------------------------------------------------------ */

static char *
pair_of (const char *a, const char *b)
{
  return g_strdup_printf ("[backend na]\n%s[backend nb]\n%s[device a]\ntype = port\nbackend = na\n[device b]\ntype = port\nbackend = nb\n", a, b);
}

/* Everything arrives, in its order, at the device's pace; nothing while the link is away. */
static void
check_pair (BpTest *t, unsigned burst)
{
  Port *a = port (t, "a"), *b = port (t, "b");
  bp_test_expect (until (t, is_up, a) && until (t, is_up, b));
  for (unsigned size = 60; size < 1600; size += 700) {
    for (unsigned i = 0; i < burst; i++)
      bp_test_expect (send_number (a, i, size));
    expect_numbers (t, b, burst, size);
  }
  b->room = burst / 2;
  for (unsigned i = 0; i < burst; i++)
    bp_test_expect (send_number (a, i, 60));
  Count half = { b, burst / 2 };
  bp_test_expect (until (t, has_packets, &half));
  for (unsigned i = 0; i < 50; i++)
    bp_test_iterate (t);
  bp_test_expect_eq (b->input->len, burst / 2);
  b->room = 1000000;
  net (b)->accept_input (b->backend.instance);
  expect_numbers (t, b, burst, 60);
  BpNetInfo info = bp_net_info (&a->backend);
  bp_test_expect_eq (info.packets[1], 4 * burst);
  bp_test_expect_eq (info.bytes[1], burst * (60 + 760 + 1460 + 60));
  bp_test_expect_eq (bp_net_info (&b->backend).packets[0], 4 * burst);
  unsigned changed = a->n_changed;
  net (a)->set_link (a->backend.instance, false);
  bp_test_expect_eq (a->n_changed, changed + 1);
  bp_test_expect (!bp_net_info (&a->backend).link_up);
  bp_test_expect (send_number (a, 7, 60));
  bp_test_expect (send_number (b, 7, 60));
  for (unsigned i = 0; i < 50; i++)
    bp_test_iterate (t);
  net (a)->set_link (a->backend.instance, true);
  for (unsigned i = 0; i < 5; i++)
    bp_test_expect (send_number (b, i, 60));
  expect_numbers (t, a, 5, 60);
  bp_test_expect_eq (b->input->len, 0);
  /* what waits is gone with the link, and who had stopped to read goes on */
  b->room = 0;
  for (unsigned i = 0; i < burst; i++)
    bp_test_expect (send_number (a, i, 60));
  for (unsigned i = 0; i < 50; i++)
    bp_test_iterate (t);
  net (b)->set_link (b->backend.instance, false);
  b->room = 1000000;
  for (unsigned i = 0; i < 50; i++)
    bp_test_iterate (t);
  bp_test_expect_eq (b->input->len, 0);
  net (b)->set_link (b->backend.instance, true);
  for (unsigned i = 0; i < 5; i++)
    bp_test_expect (send_number (a, i, 60));
  expect_numbers (t, b, 5, 60);
}

BP_TEST (socket_pair)
{
  g_autofree char *dir = scratch_new (), *path = g_build_filename (dir, "s", NULL), *a = g_strdup_printf ("type = net-socket\naddress = unix:%s\n", path),
                  *b = g_strdup_printf ("type = net-socket\nserver = off\naddress = unix:%s\nreconnect = 20\n", path), *sections = pair_of (a, b);
  BpTest *t = machine (sections);
  check_pair (t, 100);
  bp_test_free (t);
  bp_test_expect (g_access (path, F_OK) != 0);
  scratch_free (g_steal_pointer (&dir));
}

/* More than the host's buffers hold: the sender is told to wait, and nothing is lost. */
BP_TEST (socket_waits)
{
  g_autofree char *dir = scratch_new (), *path = g_build_filename (dir, "s", NULL), *a = g_strdup_printf ("type = net-socket\naddress = unix:%s\n", path),
                  *b = g_strdup_printf ("type = net-socket\nserver = off\naddress = unix:%s\n", path), *sections = pair_of (a, b);
  enum { MANY = 20000 };
  BpTest *t = machine (sections);
  Port *p = port (t, "a"), *q = port (t, "b");
  bp_test_expect (until (t, is_up, p) && until (t, is_up, q));
  q->room = 0;
  uint32_t sent = 0;
  for (unsigned tries = 0; tries < 100 && sent < MANY; tries++) {
    while (sent < MANY && send_number (p, sent, 1500))
      sent++;
    bp_test_iterate (t);
  }
  bp_test_expect (sent < MANY);
  q->room = 1000000;
  net (q)->accept_input (q->backend.instance);
  for (unsigned tries = 0; tries < 100000 && sent < MANY; tries++) {
    unsigned before = p->n_can_send;
    while (sent < MANY && send_number (p, sent, 1500))
      sent++;
    for (unsigned i = 0; i < 1000 && sent < MANY && p->n_can_send == before; i++)
      bp_test_iterate (t);
    bp_test_expect (sent == MANY || p->n_can_send > before);
  }
  expect_numbers (t, q, MANY, 1500);
  bp_test_free (t);
  scratch_free (g_steal_pointer (&dir));
}

/* The other machine goes and comes back: the link says so. */
BP_TEST (socket_reconnects)
{
  g_autofree char *dir = scratch_new (), *path = g_build_filename (dir, "s", NULL),
                  *sections = g_strdup_printf ("[backend n]\ntype = net-socket\nserver = off\naddress = unix:%s\nreconnect = 10\n[device a]\ntype = port\nbackend = n\n", path),
                  *other = g_strdup_printf ("[backend n]\ntype = net-socket\naddress = unix:%s\n[device a]\ntype = port\nbackend = n\n", path);
  BpTest *t = machine (sections);
  Port *p = port (t, "a");
  bp_test_expect (is_down (p));
  bp_test_expect (send_number (p, 0, 60));      /* to nobody */
  BpTest *peer = NULL;
  for (unsigned round = 0; round < 3; round++) {
    peer = machine (other);
    for (unsigned i = 0; i < 5000 && !is_up (p); i++) {
      bp_test_advance (t, 10000000);
      bp_test_iterate (t);
      bp_test_iterate (peer);
      g_usleep (1000);
    }
    bp_test_expect (is_up (p));
    bp_test_free (peer);
    bp_test_expect (until (t, is_down, p));
  }
  bp_test_free (t);
  scratch_free (g_steal_pointer (&dir));
}

/* What is no length ends the connection, and nothing else. */
BP_TEST (socket_hostile)
{
  static const uint8_t nonsense[][8] = { { 0xff, 0xff, 0xff, 0xff }, { 0, 2, 0, 1 } };
  g_autofree char *dir = scratch_new (), *path = g_build_filename (dir, "s", NULL),
                  *sections = g_strdup_printf ("[backend n]\ntype = net-socket\naddress = unix:%s\n[device a]\ntype = port\nbackend = n\n", path),
                  *address = g_strdup_printf ("unix:%s", path);
  BpTest *t = machine (sections);
  Port *p = port (t, "a");
  for (unsigned i = 0; i < G_N_ELEMENTS (nonsense); i++) {
    int fd = bp_socket_connect (address, NULL);
    bp_test_expect (fd >= 0 && until (t, is_up, p));
    bp_test_expect_eq (write (fd, nonsense[i], 8), 8);
    bp_test_expect (until (t, is_down, p));
    close (fd);
  }
  int fd = bp_socket_connect (address, NULL);
  uint8_t frame[4 + 60] = { 0, 0, 0, 60 }, tiny[4 + 3] = { 0, 0, 0, 3 };
  bp_test_expect (until (t, is_up, p));
  bp_test_expect_eq (write (fd, tiny, sizeof tiny), sizeof tiny);       /* less than a header: dropped */
  for (unsigned i = 0; i < sizeof frame; i++) { /* byte by byte */
    bp_test_expect_eq (write (fd, frame + i, 1), 1);
    bp_test_iterate (t);
  }
  Count one = { p, 1 };
  bp_test_expect (until (t, has_packets, &one));
  close (fd);
  bp_test_expect (until (t, is_down, p));
  bp_test_free (t);
  scratch_free (g_steal_pointer (&dir));
}

/* SEGMENTS datagrams in one packet. */
enum { SEGMENTS = 200, STEP = 300 };
static bool
send_segments (Port *p)
{
  static uint8_t frame[14 + 20 + 8 + SEGMENTS * STEP] = { [12] = 8, [14] = 0x45, [22] = 64, [23] = 17 };
  struct iovec iov = { frame, sizeof frame };
  BpNetPacket packet = { .struct_size = sizeof packet, .work = BP_NET_CHECKSUM | BP_NET_UDP, .iov = &iov, .n_iov = 1, .size = sizeof frame, .checksum_start = 34,
                         .checksum_offset = 6, .segment_size = STEP };
  for (unsigned i = 0; i < SEGMENTS; i++)
    packet_put16 (frame + 42 + i * STEP, i);
  return bp_net_send (&p->backend, &packet);
}

static BpTest *
socket_server (const char *path)
{
  g_autofree char *sections = g_strdup_printf ("[backend n]\ntype = net-socket\naddress = unix:%s\n[device a]\ntype = port\nbackend = n\n", path);
  return machine (sections);
}

static int
connect_to (const char *path)
{
  g_autofree char *address = g_strdup_printf ("unix:%s", path);
  return bp_socket_connect (address, NULL);
}

/* The peer goes while a part of a packet waits for it: the next one gets what is sent from then on. */
BP_TEST (socket_loses_peer)
{
  g_autofree char *dir = scratch_new (), *path = g_build_filename (dir, "s", NULL);
  BpTest *t = socket_server (path);
  Port *p = port (t, "a");
  int fd = connect_to (path);
  bp_test_expect (fd >= 0 && until (t, is_up, p));
  for (unsigned tries = 0; tries < 100 && send_segments (p); tries++)
    ;
  bp_test_expect (!send_number (p, 0, 60));
  close (fd);
  bp_test_expect (until (t, is_down, p));
  bp_test_expect (p->n_can_send > 0);
  fd = connect_to (path);
  bp_test_expect (fd >= 0 && until (t, is_up, p));
  bp_test_expect (send_number (p, 5, 60));
  uint8_t got[4 + 60] = { 0 };
  ssize_t n = 0;
  for (unsigned tries = 0; tries < 1000 && n <= 0; tries++) {
    bp_test_iterate (t);
    n = recv (fd, got, sizeof got, MSG_DONTWAIT);
  }
  bp_test_expect_eq (n, sizeof got);
  bp_test_expect (packet_get32 (got) == 60 && packet_get32 (got + 18) == 5);
  close (fd);
  bp_test_free (t);
  scratch_free (g_steal_pointer (&dir));
}

static long
peak_memory (void)
{
  struct rusage u;
  getrusage (RUSAGE_SELF, &u);
  return u.ru_maxrss;
}

/* A peer that is always a little slower than the sender: what waits for it stays small. */
BP_TEST (socket_is_bounded)
{
  enum { CHUNK = 128 << 10, CHUNKS = 800 };
  g_autofree char *dir = scratch_new (), *path = g_build_filename (dir, "s", NULL);
  g_autofree uint8_t *bytes = g_malloc (CHUNK);
  BpTest *t = socket_server (path);
  Port *p = port (t, "a");
  int fd = connect_to (path);
  bp_test_expect (fd >= 0 && until (t, is_up, p));
  for (unsigned tries = 0; tries < 10000 && send_number (p, 0, 1500); tries++)
    ;
  long before = peak_memory ();
  for (unsigned i = 0; i < CHUNKS; i++) {
    for (unsigned done = 0; done < CHUNK;) {
      ssize_t n = recv (fd, bytes, CHUNK - done, MSG_DONTWAIT);
      done += n > 0 ? (unsigned) n : 0;
      bp_test_iterate (t);
    }
    while (send_number (p, 0, 1500))
      ;
  }
  bp_test_expect (peak_memory () - before < 32 << 10);
  close (fd);
  bp_test_free (t);
  scratch_free (g_steal_pointer (&dir));
}

/* --- segments of one stream --------------------------------------------------------------------------- */

/* A packet of TCP that says what is wrong with it, from one machine to the other; what arrives: how many, and the work of the last. */
static uint32_t
stream_over (BpTest *t, uint32_t size, uint32_t segment, guint n)
{
  Port *p = port (t, "a"), *q = port (t, "b");
  g_autofree uint8_t *frame = g_malloc0 (size);
  memcpy (frame + 12, "\x08\0\x45", 3);
  frame[22] = 64;
  frame[23] = 6;
  frame[46] = 5 << 4;
  frame[47] = TCP_ACK;
  struct iovec iov = { frame, size };
  BpNetPacket packet = { .struct_size = sizeof packet, .work = BP_NET_CHECKSUM | BP_NET_TCP4, .iov = &iov, .n_iov = 1, .size = size, .checksum_start = 34,
                         .checksum_offset = 16, .segment_size = (uint16_t) segment };
  g_ptr_array_set_size (q->input, 0);
  bp_test_expect (bp_net_send (&p->backend, &packet));
  Count all = { q, n };
  bp_test_expect (until (t, has_packets, &all));
  bp_test_expect_eq (q->input->len, n);
  bp_test_expect_eq (g_bytes_get_size (g_ptr_array_index (q->input, 0)), n == 1 ? size : 54 + segment);
  return q->work;
}

/* On their way they are many; the device that takes a large packet gets it, the other does not. */
static void
check_stream (BpTest *t)
{
  Port *p = port (t, "a"), *q = port (t, "b");
  bp_test_expect (until (t, is_up, p) && until (t, is_up, q));
  bp_test_expect_eq (stream_over (t, 54 + 5 * 1000, 1000, 5), 0);
  net (q)->set_receive (q->backend.instance, BP_NET_CHECKSUM | BP_NET_CHECKED, 1);
  bp_test_expect_eq (stream_over (t, 54 + 5 * 1000, 1000, 5), BP_NET_CHECKED);
  net (q)->set_receive (q->backend.instance, BP_NET_CHECKSUM | BP_NET_CHECKED | BP_NET_TCP4, 1);
  bp_test_expect_eq (stream_over (t, 54 + 5 * 1000, 1000, 1), BP_NET_CHECKSUM | BP_NET_TCP4);
  /* a checksum that is wrong is the driver's to see */
  g_ptr_array_set_size (q->input, 0);
  uint8_t wrong[60] = { [12] = 8, [14] = 0x45, [17] = 46, [22] = 64, [23] = 6, [46] = 0x50, [47] = TCP_ACK };
  bp_test_expect (send_bytes (p, wrong, sizeof wrong));
  Count one = { q, 1 };
  bp_test_expect (until (t, has_packets, &one));
  bp_test_expect_eq (q->work, 0);
}

BP_TEST (streams_are_joined)
{
  g_autofree char *dir = scratch_new (), *path = g_build_filename (dir, "s", NULL), *a = g_strdup_printf ("type = net-socket\naddress = unix:%s\n", path),
                  *b = g_strdup_printf ("type = net-socket\nserver = off\naddress = unix:%s\n", path), *sections = pair_of (a, b),
                  *da = g_strdup_printf ("type = net-dgram\nlocal = unix:%s\nremote = unix:%s.b\n", path, path),
                  *db = g_strdup_printf ("type = net-dgram\nlocal = unix:%s.b\nremote = unix:%s\n", path, path), *dgram = pair_of (da, db);
  BpTest *t = machine (sections);
  check_stream (t);
  bp_test_free (t);
  t = machine (dgram);
  check_stream (t);
  bp_test_free (t);
  scratch_free (g_steal_pointer (&dir));
}

static int
dgram_at (const char *path)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_strlcpy (a.sun_path, path, sizeof a.sun_path);
  bp_test_expect (fd >= 0 && bind (fd, (struct sockaddr *) &a, sizeof a) == 0);
  return fd;
}

/* Whoever comes by the name of one that took nothing any more, and went, is heard at once. */
BP_TEST (dgram_comes_back)
{
  g_autofree char *dir = scratch_new (), *own = g_build_filename (dir, "a", NULL), *other = g_build_filename (dir, "b", NULL),
                  *sections = g_strdup_printf ("[backend n]\ntype = net-dgram\nlocal = unix:%s\nremote = unix:%s\n[device a]\ntype = port\nbackend = n\n", own, other);
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  uint8_t frame[60] = { 2 };
  BpTest *t = machine (sections);
  Port *p = port (t, "a");
  int fd = dgram_at (other);
  unsigned sent = 0;
  while (sent < 10000 && send_number (p, sent, 60))
    sent++;
  bp_test_expect (sent < 10000);
  close (fd);
  g_unlink (other);
  for (unsigned i = 0; i < 50; i++)
    bp_test_iterate (t);
  bp_test_expect (p->n_can_send > 0);
  fd = dgram_at (other);
  g_strlcpy (a.sun_path, own, sizeof a.sun_path);
  bp_test_expect_eq (sendto (fd, frame, sizeof frame, 0, (struct sockaddr *) &a, sizeof a), sizeof frame);
  Count one = { p, 1 };
  bp_test_expect (until (t, has_packets, &one));
  close (fd);
  g_unlink (other);
  bp_test_free (t);
  scratch_free (g_steal_pointer (&dir));
}

BP_TEST (dgram_pairs)
{
  g_autofree char *dir = scratch_new (), *a = g_build_filename (dir, "a", NULL), *b = g_build_filename (dir, "b", NULL),
                  *na = g_strdup_printf ("type = net-dgram\nlocal = unix:%s\nremote = unix:%s\n", a, b),
                  *nb = g_strdup_printf ("type = net-dgram\nlocal = unix:%s\nremote = unix:%s\n", b, a), *sections = pair_of (na, nb);
  BpTest *t = machine (sections);
  check_pair (t, 5);
  bp_test_free (t);
  bp_test_expect (g_access (a, F_OK) != 0);
  scratch_free (g_steal_pointer (&dir));
  unsigned p = 20000 + (unsigned) getpid () % 20000;
  g_autofree char *ua = g_strdup_printf ("type = net-dgram\nlocal = :%u\nremote = 127.0.0.1:%u\n", p, p + 1),
                  *ub = g_strdup_printf ("type = net-dgram\nlocal = udp:127.0.0.1:%u\nremote = :%u\n", p + 1, p), *udp = pair_of (ua, ub);
  t = machine (udp);
  check_pair (t, 50);
  bp_test_free (t);
}

/* One's own packets do not come back. */
BP_TEST (dgram_group)
{
  unsigned p = 20000 + (unsigned) getpid () % 20000;
  g_autofree char *n = g_strdup_printf ("type = net-dgram\nremote = 230.0.0.1:%u\n", p), *sections = pair_of (n, n), *refusal = bp_test_refusal (types (), sections);
  if (*refusal) {
    g_print ("multicast on the loopback is not tested: %s", refusal);
    return;
  }
  BpTest *t = machine (sections);
  check_pair (t, 50);
  bp_test_free (t);
}

/* --- work, capture, refusals ------------------------------------------------------------------------- */

/* What the other side does not take is done, both ways. */
BP_TEST (work_is_done)
{
  g_autofree char *dir = scratch_new (), *path = g_build_filename (dir, "s", NULL), *pcap = g_build_filename (dir, "c.pcap", NULL), *bytes = NULL,
                  *a = g_strdup_printf ("type = net-socket\naddress = unix:%s\ncapture = %s\ncapture-size = 64\n", path, pcap),
                  *b = g_strdup_printf ("type = net-socket\nserver = off\naddress = unix:%s\n", path), *sections = pair_of (a, b);
  BpTest *t = machine (sections);
  Port *p = port (t, "a"), *q = port (t, "b");
  bp_test_expect (until (t, is_up, p) && until (t, is_up, q));
  uint8_t frame[14 + 20 + 8 + 3000] = { [12] = 8, [14] = 0x45, [22] = 64, [23] = 17 };
  struct iovec iov = { frame, sizeof frame };
  BpNetPacket packet = { .struct_size = sizeof packet, .work = BP_NET_CHECKSUM | BP_NET_UDP, .iov = &iov, .n_iov = 1, .size = sizeof frame, .checksum_start = 34,
                         .checksum_offset = 6, .segment_size = 1000 };
  bp_test_expect (bp_net_send (&p->backend, &packet));
  Count three = { q, 3 };
  bp_test_expect (until (t, has_packets, &three));
  bp_test_expect_eq (q->work, 0);
  bp_test_keep_log ("guest_errors");
  packet.segment_size = 0;
  bp_test_expect (bp_net_send (&p->backend, &packet));
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "a packet of 3042 bytes is not the one that its driver says it is");
  bp_test_free (t);
  gsize size;
  bp_test_expect (g_file_get_contents (pcap, &bytes, &size, NULL));
  bp_test_expect_eq (size, 24 + 3 * (16 + 64));
  g_unlink (pcap);
  scratch_free (g_steal_pointer (&dir));
}

/* More segments than a Unix socket holds: the rest follows, and what is sent behind it waits for that. */
BP_TEST (segments_wait)
{
  g_autofree char *dir = scratch_new (), *a = g_build_filename (dir, "a", NULL), *b = g_build_filename (dir, "b", NULL),
                  *na = g_strdup_printf ("type = net-dgram\nlocal = unix:%s\nremote = unix:%s\n", a, b),
                  *nb = g_strdup_printf ("type = net-dgram\nlocal = unix:%s\nremote = unix:%s\n", b, a), *sections = pair_of (na, nb);
  BpTest *t = machine (sections);
  Port *p = port (t, "a"), *q = port (t, "b");
  bp_test_expect (send_segments (p));
  bp_test_expect (!send_number (p, 0, 60));
  Count all = { q, SEGMENTS };
  bp_test_expect (until (t, has_packets, &all));
  bp_test_expect (p->n_can_send > 0 && send_number (p, 0, 60));
  for (unsigned i = 0; i < SEGMENTS; i++) {
    gsize size;
    const uint8_t *f = g_bytes_get_data (g_ptr_array_index (q->input, i), &size);
    bp_test_expect (size == 42 + STEP && packet_get16 (f + 42) == i);
  }
  bp_test_free (t);
  scratch_free (g_steal_pointer (&dir));
}

BP_TEST (state_is_kept)
{
  BpTest *t = machine ("[backend n]\ntype = net-none\n[device a]\ntype = port\nbackend = n\n");
  Port *p = port (t, "a");
  bp_test_expect (send_number (p, 0, 60));
  net (p)->set_link (p->backend.instance, false);
  bp_test_round_trip (t);
  bp_test_expect (is_down (p));
  bp_test_expect_eq (bp_net_info (&p->backend).packets[1], 1);
  bp_test_free (t);
}

BP_TEST (refusals)
{
  static const struct { const char *section, *why; } rows[] = {
    { "type = net-socket\n", "address" },
    { "type = net-socket\naddress = nowhere\n", "address: `nowhere` is not an address" },
    { "type = net-socket\naddress = unix:/nonexistent/x\nserver = off\nreconnect = 0\n", "address: cannot connect to unix:/nonexistent/x: No such file or directory" },
    { "type = net-socket\naddress = unix:/nonexistent/x\n", "address: cannot listen on unix:/nonexistent/x: No such file or directory" },
    { "type = net-dgram\nlocal = :99999\nremote = :7\n", "local = :99999: HOST:PORT or unix:PATH is meant" },
    { "type = net-dgram\nlocal = :http\nremote = :7\n", "local = :http: HOST:PORT or unix:PATH is meant" },
    { "type = net-dgram\nremote = :0\n", "remote = :0: HOST:PORT or unix:PATH is meant" },
    { "type = net-dgram\n", "remote" },
    { "type = net-dgram\nremote = :1\n", "`local` has to say where packets arrive" },
    { "type = net-dgram\nremote = nothing\n", "remote = nothing: HOST:PORT or unix:PATH is meant" },
    { "type = net-dgram\nlocal = :7001\nremote = unix:/x\n", "another kind than `local`" },
    { "type = net-dgram\nlocal = :7001\nremote = 230.0.0.1:5\n", "a group of machines, whose packets arrive at its own address" },
    { "type = net-none\ncapture = /nonexistent/x\n", "capture = /nonexistent/x: No such file or directory" },
    { "type = net-tap\nifname = averyveryverylongname\n", "an interface's name has up to 15 characters" },
    { "type = net-tap\nifname = tap0\nfd = 3\n", "one of them says which interface" },
    { "type = net-tap\nfd = 1000\n", "fd = 1000: Bad file descriptor" },
    { "type = net-tap\nfd = 0\n", "this is no tap interface" },
#ifdef HAVE_SLIRP
    { "type = net-user\nsubnet = \"\"\n", "an IPv4 network is meant" },
    { "type = net-user\nipv6-prefix = \"\"\n", "an IPv6 network of 64 bits" },
    { "type = net-user\nipv4 = off\nipv6 = off\n", "nothing is left" },
    { "type = net-user\nsubnet = 10.0.2\n", "an IPv4 network is meant" },
    { "type = net-user\nsubnet = 10.0.2.0/33\n", "a network has 8 to 29 bits" },
    { "type = net-user\nsubnet = 10.0.2.1/24\n", "bits set behind" },
    { "type = net-user\nhost = 10.0.3.2\n", "no address of a host within `subnet`" },
    { "type = net-user\ndns = 10.0.2.2\n", "this is the address of `host`" },
    { "type = net-user\nipv6-prefix = fec0::/48\n", "an IPv6 network of 64 bits" },
    { "type = net-user\nipv6-host = fec1::1\n", "no address within `ipv6-prefix`" },
    { "type = net-user\nforward = tcp:80\n", "tcp or udp, the host's side and the guest's" },
    { "type = net-user\nforward = icmp::80-:80\n", "tcp or udp, the host's side and the guest's" },
    { "type = net-user\nforward = tcp::80-:0\n", "tcp or udp, the host's side and the guest's" },
    { "type = net-user\nforward = tcp:host:80-:80\n", "tcp or udp, the host's side and the guest's" },
    { "type = net-user\nforward = tcp:[::1]:80-10.0.2.15:80\n", "both sides have to be IPv4, or both IPv6" },
    { "type = net-user\nforward = tcp::80-[fec0::15]:80\n", "both sides have to be IPv4, or both IPv6" },
    { "type = net-user\nforward = tcp:[::1:80-:80\n", "tcp or udp, the host's side and the guest's" },
    { "type = net-user\nforward = tcp\n", "tcp or udp, the host's side and the guest's" },
    { "type = net-user\nforward = tcp::65536-:80\n", "tcp or udp, the host's side and the guest's" },
    { "type = net-user\nipv6 = off\nforward = tcp:[::1]:80-:80\n", "forward = tcp:[::1]:80-:80: `ipv6` is off" },
    { "type = net-user\ndhcp-start = 10.0.2.2\n", "dhcp-start = 10.0.2.2: this is the address of `host` or `dns`" },
    { "type = net-user\nhostname = a-name-that-is-longer-than-what-fits\n", "DHCP has room for 32 characters" },
    { "type = net-user\ntftp = /nonexistent\n", "/nonexistent" },
#endif
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *section = g_strconcat ("[backend n]\n", rows[i].section, NULL), *refusal = bp_test_refusal (types (), section);
    bp_test_expect_has (refusal, rows[i].why);
  }
}

/* --- user ------------------------------------------------------------------------------------------------ */

#ifdef HAVE_SLIRP
/* Who has 10.0.2.2?  The router answers. */
static void
ask_router (BpTest *t, Port *p)
{
  uint8_t arp[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2 };
  Count one = { p, p->input->len + 1 };
  bp_test_expect (send_bytes (p, arp, sizeof arp));
  bp_test_expect (until (t, has_packets, &one));
  gsize size;
  const uint8_t *answer = g_bytes_get_data (g_ptr_array_index (p->input, one.n - 1), &size);
  bp_test_expect (size >= 42 && answer[12] == 8 && answer[13] == 6 && answer[21] == 2 && answer[31] == 2);
}

BP_TEST (user_answers)
{
  BpTest *t = machine ("[backend n]\ntype = net-user\nipv6 = off\n[device a]\ntype = port\nbackend = n\n");
  Port *p = port (t, "a");
  ask_router (t, p);
  bp_test_expect_str (bp_net_info (&p->backend).what, "user, 10.0.2.0/24");
  bp_test_round_trip (t);
  ask_router (t, p);
  /* whatever a guest sends */
  uint8_t frame[1600];
  GRand *random = g_rand_new_with_seed (1);
  for (unsigned i = 0; i < 20000; i++) {
    uint32_t size = 14 + g_rand_int (random) % 1500;
    for (unsigned k = 0; k < size; k++)
      frame[k] = (uint8_t) g_rand_int (random);
    packet_put16 (frame + 12, i & 1 ? 0x0800 : 0x86dd);
    frame[14] = i & 1 ? 0x45 : 0x60;
    bp_test_expect (send_bytes (p, frame, size));
    if (i % 64 == 0)
      bp_test_iterate (t);
  }
  g_rand_free (random);
  g_ptr_array_set_size (p->input, 0);
  ask_router (t, p);
  bp_test_free (t);
}

/* A device that takes nothing: the loop sleeps, although segments wait to be joined. */
BP_TEST (user_sleeps)
{
  uint8_t segment[1054] = { [12] = 8, [14] = 0x45, [16] = 4, [17] = 16, [22] = 64, [23] = 6, [46] = 0x50, [47] = TCP_ACK };
  BpTest *t = machine ("[backend n]\ntype = net-user\n[device a]\ntype = port\nbackend = n\n");
  Port *p = port (t, "a");
  NetUser *u = bp_test_object (t, "n");
  net (p)->set_receive (p->backend.instance, BP_NET_CHECKSUM | BP_NET_CHECKED | BP_NET_TCP4, 1);
  p->room = 0;
  net_receive_frame (u, segment, 60, false);
  bp_test_expect (net_is_full (u));
  net_receive_frame (u, segment, sizeof segment, true);
  bp_test_expect (!packet_join_is_empty (u->net.join));
  user_loop_look (u);
  for (unsigned i = 0; i < 10; i++)
    bp_test_iterate (t);
  bp_test_expect (packet_join_is_empty (u->net.join));
  p->room = 10;
  net (p)->accept_input (u);
  Count two = { p, 2 };
  bp_test_expect (until (t, has_packets, &two));
  bp_test_free (t);
}

/* The guest reads a file of the folder by TFTP (RFC 1350): a read request to the router, and the first block of data comes back. */
BP_TEST (user_serves_a_folder)
{
  static const char text[] = "what the folder holds";
  g_autofree char *path = bp_test_file ("served.txt", text, strlen (text)), *folder = g_path_get_dirname (path), *name = g_path_get_basename (path);
  g_autofree char *sections = g_strdup_printf ("[backend n]\ntype = net-user\nipv6 = off\ntftp = %s\n[device a]\ntype = port\nbackend = n\n", folder);
  g_autofree char *no_folder = g_strdup_printf ("[backend n]\ntype = net-user\ntftp = %s\n", path), *refusal = bp_test_refusal (types (), no_folder);
  bp_test_expect_has (refusal, "is a file, not a directory");
  BpTest *t = machine (sections);
  Port *p = port (t, "a");
  ask_router (t, p);
  uint8_t frame[128] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, [22] = 64, [23] = 17, [26] = 10, 0, 2, 15, 10, 0, 2, 2, [35] = 200, [37] = 69, [43] = 1 };
  uint32_t end = 44 + (uint32_t) g_snprintf ((char *) frame + 44, 64, "%s%coctet", name, 0) + 1;
  packet_put16 (frame + 16, end - 14);
  packet_put16 (frame + 38, end - 34);
  uint16_t sum = (uint16_t) ~packet_sum (frame + 14, 20, 0);
  memcpy (frame + 24, &sum, sizeof sum);
  Count one = { p, p->input->len + 1 };
  bp_test_expect (send_bytes (p, frame, end) && until (t, has_packets, &one));
  gsize size;
  const uint8_t *data = g_bytes_get_data (g_ptr_array_index (p->input, one.n - 1), &size);
  bp_test_expect (size >= 46 + strlen (text) && data[43] == 3 && memcmp (data + 46, text, strlen (text)) == 0);
  bp_test_free (t);
}

BP_TEST (user_forwards)
{
  unsigned number = 20000 + (unsigned) getpid () % 20000;
  g_autofree char *one = g_strdup_printf ("[backend n]\ntype = net-user\nforward = tcp::%u-:80,udp:127.0.0.1:%u-10.0.2.15:53\n", number, number),
                  *two = g_strdup_printf ("%s[backend m]\ntype = net-user\nforward = tcp::%u-:81\n", one, number), *refusal = bp_test_refusal (types (), two);
  bp_test_expect_has (refusal, "Address already in use; another program has this port");
  BpTest *t = machine (one);
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", number);
  int fd = bp_socket_connect (address, NULL);
  bp_test_expect (fd >= 0);
  close (fd);
  bp_test_free (t);
}
#endif

int
main (int argc, char **argv)
{
  static const BpTestCase *const cases[] = {
    &socket_pair, &socket_waits, &socket_reconnects, &socket_hostile, &socket_loses_peer, &socket_is_bounded, &streams_are_joined,
    &dgram_comes_back, &dgram_pairs, &dgram_group, &work_is_done, &segments_wait, &state_is_kept, &refusals,
#ifdef HAVE_SLIRP
    &user_answers, &user_sleeps, &user_serves_a_folder, &user_forwards,
#endif
    NULL
  };
  return bp_test_main ("net-backends", cases, argc, argv);
}
