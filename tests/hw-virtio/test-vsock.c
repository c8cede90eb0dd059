/* test-vsock.c -- virtio sockets: connections from both sides, credit both ways, half-closed ones, resets, a load, drivers that lie. */
/* SPDX-License-Identifier: MIT */
#include "one-device.h"
#include "../scratch.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { RX, TX, EVENT, QUEUES };
enum { HEADER = 44, HOST = 2, GUEST = 7, BUFFER = 256 << 10 };
enum { OP_INVALID, OP_REQUEST, OP_RESPONSE, OP_RST, OP_SHUTDOWN, OP_RW, OP_CREDIT_UPDATE, OP_CREDIT_REQUEST };

typedef struct Packet {         /* 44 bytes, and four that are not sent */
  uint64_t source, destination;
  uint32_t source_port, destination_port, size;
  uint16_t type, op;
  uint32_t flags, buffer, forwarded;
} Packet;

static char *directory;

static BpTest *
vsock_new (bool packed)
{
  if (!directory)
    directory = scratch_new ();
  g_autofree char *keys = g_strdup_printf ("type = virtio-vsock\ncid = 7\npath = %s/%s\n", directory, packed ? "p" : "v");
  return one_device_new (NULL, packed, keys, NULL);
}

static void
vsock_end (BpTest *t, BpTestVirtio *v)
{
  bp_test_virtio_free (v);
  bp_test_free (t);
  g_clear_pointer (&directory, scratch_free);
}

static struct sockaddr_un
address (const char *name)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  g_snprintf (a.sun_path, sizeof a.sun_path, "%s/%s", directory, name);
  return a;
}

static int
server (const char *name)
{
  struct sockaddr_un a = address (name);
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  g_unlink (a.sun_path);
  bp_test_expect (bind (fd, (struct sockaddr *) &a, sizeof a) == 0 && listen (fd, 8) == 0);
  return fd;
}

static int
client (const char *name, const char *words)
{
  struct sockaddr_un a = address (name);
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bp_test_expect (connect (fd, (struct sockaddr *) &a, sizeof a) == 0);
  bp_test_expect (write (fd, words, strlen (words)) == (ssize_t) strlen (words));
  fcntl (fd, F_SETFL, O_NONBLOCK);
  return fd;
}

/* What a socket has, "EOF", or "nothing". */
static const char *
text_of (BpTest *t, int fd)
{
  static char text[100];
  for (unsigned i = 0; i < 5; i++)
    bp_test_iterate (t);
  ssize_t n = read (fd, text, sizeof text - 1);
  if (n <= 0)
    return n == 0 ? "EOF" : errno == ECONNRESET ? "reset" : "nothing";
  text[n] = 0;
  return text;
}

static void
guest_sends (BpTestVirtio *v, unsigned op, uint32_t from, uint32_t to, uint32_t flags, const char *data)
{
  uint8_t bytes[HEADER + 1000];
  uint32_t size = data ? (uint32_t) strlen (data) : 0;
  const Packet p = { GUEST, HOST, from, to, size, 1, (uint16_t) op, flags, 4096, 0 };
  memcpy (bytes, &p, HEADER);
  memcpy (bytes + HEADER, data ? data : "", size);
  bp_test_virtio_call (v, TX, bytes, HEADER + size, NULL, 0);
}

/* The next packet for the guest, as "op from>to flags data". */
static const char *
guest_gets_in (BpTest *t, BpTestVirtio *v, uint64_t at)
{
  static char text[300];
  uint32_t written;
  Packet p;
  for (unsigned i = 0; i < 5; i++)
    bp_test_iterate (t);
  if (!bp_test_virtio_take (v, RX, NULL, &written))
    return "nothing";
  bp_test_read (t, at, &p, HEADER);
  bp_test_expect_eq (p.source, HOST);
  bp_test_expect_eq (p.destination, GUEST);
  bp_test_expect_eq (written, HEADER + p.size);
  int n = g_snprintf (text, 100, "%u %u>%u %u ", p.op, p.source_port, p.destination_port, p.flags);
  bp_test_read (t, at + HEADER, text + n, MIN (p.size, 150));
  text[n + (int) MIN (p.size, 150)] = 0;
  return text;
}

static const char *
guest_gets (BpTest *t, BpTestVirtio *v)
{
  return guest_gets_in (t, v, one_device_offer (v, RX, 1024));
}

BP_TEST (guest_to_host)
{
  for (int packed = 0; packed < 2; packed++) {
    BpTest *t = vsock_new (packed);
    BpTestVirtio *v = one_device_driver (t);
    int listener = server (packed ? "p_80" : "v_80");
    bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
    bp_test_expect_eq (bp_test_virtio_device_id (v), 19);
    bp_test_expect_eq (bp_test_virtio_config (v, 0, 8), GUEST);
    guest_sends (v, OP_REQUEST, 1000, 81, 0, NULL);
    bp_test_expect_str (guest_gets (t, v), "3 81>1000 0 ");
    guest_sends (v, OP_REQUEST, 1000, 80, 0, NULL);
    bp_test_expect_str (guest_gets (t, v), "2 80>1000 0 ");
    int fd = accept4 (listener, NULL, NULL, SOCK_NONBLOCK);
    bp_test_expect (fd >= 0);
    guest_sends (v, OP_RW, 1000, 80, 0, "hello");
    bp_test_expect_str (text_of (t, fd), "hello");
    bp_test_expect (write (fd, "answer", 6) == 6);
    bp_test_expect_str (guest_gets (t, v), "5 80>1000 0 answer");
    guest_sends (v, OP_CREDIT_REQUEST, 1000, 80, 0, NULL);
    bp_test_expect_str (guest_gets (t, v), "6 80>1000 0 ");
    /* the guest has said all, the host has not */
    guest_sends (v, OP_SHUTDOWN, 1000, 80, 2, NULL);
    bp_test_expect_str (text_of (t, fd), "EOF");
    bp_test_expect (write (fd, "more", 4) == 4);
    shutdown (fd, SHUT_WR);
    bp_test_expect_str (guest_gets (t, v), "5 80>1000 0 more");
    bp_test_expect_str (guest_gets (t, v), "4 80>1000 3 ");
    guest_sends (v, OP_SHUTDOWN, 1000, 80, 3, NULL);
    bp_test_expect_str (guest_gets (t, v), "3 80>1000 0 ");
    close (fd);
    close (listener);
    vsock_end (t, v);
  }
}

BP_TEST (host_to_guest)
{
  BpTest *t = vsock_new (false);
  BpTestVirtio *v = one_device_driver (t);
  int early = client ("v", "CONNECT 5\n");
  bp_test_expect_str (text_of (t, early), "EOF");
  close (early);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  int fd = client ("v", "CONNECT 52\nat once");
  const char *request = guest_gets (t, v);
  bp_test_expect_has (request, "1 1073741824>52 0");
  guest_sends (v, OP_RESPONSE, 52, 1073741824, 0, NULL);
  bp_test_expect_str (text_of (t, fd), "OK 1073741824\n");
  bp_test_expect_str (guest_gets (t, v), "5 1073741824>52 0 at once");
  guest_sends (v, OP_RW, 52, 1073741824, 0, "yes");
  bp_test_expect_str (text_of (t, fd), "yes");
  close (fd);
  bp_test_expect_str (guest_gets (t, v), "4 1073741824>52 3 ");
  int refused = client ("v", "CONNECT 53\n"), wrong = client ("v", "GET / HTTP/1.1\n"), endless = client ("v", "CONNECT 000000000000000000000000000052");
  for (unsigned i = 0; i < 5; i++)
    bp_test_iterate (t);
  guest_sends (v, OP_RST, 53, 1073741825, 0, NULL);
  bp_test_expect_str (text_of (t, refused), "EOF");
  bp_test_expect_str (text_of (t, wrong), "EOF");
  bp_test_expect_str (text_of (t, endless), "reset");      /* it said more than was read */
  close (refused);
  close (wrong);
  close (endless);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* Nothing is sent that the other side has no room for, and nothing is lost. */
BP_TEST (credit)
{
  BpTest *t = vsock_new (false);
  BpTestVirtio *v = one_device_driver (t);
  int listener = server ("v_80");
  static char block[1000], text[HEADER + 60000];
  memset (block, 'x', sizeof block - 1);
  bp_test_keep_log ("guest_errors");
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  guest_sends (v, OP_REQUEST, 1, 80, 0, NULL);
  bp_test_expect_str (guest_gets (t, v), "2 80>1 0 ");
  int fd = accept4 (listener, NULL, NULL, SOCK_NONBLOCK);
  /* to the guest: it has 4096 bytes */
  for (unsigned i = 0; i < 6; i++)
    bp_test_expect (write (fd, block, 999) == 999);
  uint32_t got = 0, written;
  for (unsigned i = 0; i < 8; i++)
    one_device_offer (v, RX, HEADER + 1000);
  for (unsigned i = 0; i < 5; i++)
    bp_test_iterate (t);
  while (bp_test_virtio_take (v, RX, NULL, &written))
    got += written > HEADER ? written - HEADER : 0;
  bp_test_expect_eq (got, 4096);
  Packet p = { GUEST, HOST, 1, 80, 0, 1, OP_CREDIT_UPDATE, 0, 4096, 4096 };
  bp_test_virtio_call (v, TX, &p, HEADER, NULL, 0);
  while (bp_test_virtio_take (v, RX, NULL, &written))
    got += written > HEADER ? written - HEADER : 0;
  bp_test_expect_eq (got, 6 * 999);
  /* to the host, which takes nothing: its socket, then our buffer, then no more */
  Packet data = { GUEST, HOST, 1, 80, 60000, 1, OP_RW, 0, 4096, 6 * 999 };
  memcpy (text, &data, HEADER);
  unsigned sent = 0;
  for (uint64_t room = bp_test_virtio_alloc (v, sizeof text); sent < 100; sent++) {
    bp_test_write (t, room, text, sizeof text);
    bp_test_virtio_add (v, TX, &(BpTestPart) { room, sizeof text }, 1, 0);
    bp_test_virtio_kick (v, TX);
    bp_test_expect (bp_test_virtio_wait (v, TX, NULL, NULL));
    g_autofree char *log = bp_test_take_log ();
    bp_test_keep_log ("guest_errors");
    if (strstr (log, "credit"))
      break;
  }
  bp_test_expect (sent > BUFFER / 60000 && sent < 100);
  close (fd);
  close (listener);
  g_free (bp_test_take_log ());
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* Connections are not saved: the driver hears of it. */
BP_TEST (loaded)
{
  BpTest *t = vsock_new (false);
  BpTestVirtio *v = one_device_driver (t);
  int listener = server ("v_80");
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  guest_sends (v, OP_REQUEST, 1, 80, 0, NULL);
  bp_test_expect_str (guest_gets (t, v), "2 80>1 0 ");
  int fd = accept4 (listener, NULL, NULL, SOCK_NONBLOCK);
  uint64_t event = one_device_offer (v, EVENT, 4);
  uint32_t written = 0;
  bp_test_iterate (t);
  bp_test_expect (!bp_test_virtio_take (v, EVENT, NULL, NULL));
  bp_test_store32 (t, event, 0xffffffff);
  bp_test_round_trip (t);
  bp_test_expect_str (text_of (t, fd), "EOF");
  bp_test_expect (bp_test_virtio_wait (v, EVENT, NULL, &written));
  bp_test_expect_eq (written, 4);
  bp_test_expect_eq (bp_test_load32 (t, event), 0);
  guest_sends (v, OP_RW, 1, 80, 0, "gone");
  bp_test_expect_str (guest_gets (t, v), "3 80>1 0 ");
  close (fd);
  close (listener);
  vsock_end (t, v);
}

/* The guest reads no more: who writes to it is told, and not left waiting. */
BP_TEST (guest_reads_no_more)
{
  BpTest *t = vsock_new (false);
  BpTestVirtio *v = one_device_driver (t);
  int listener = server ("v_80");
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  guest_sends (v, OP_REQUEST, 1000, 80, 0, NULL);
  bp_test_expect_str (guest_gets (t, v), "2 80>1000 0 ");
  int fd = accept4 (listener, NULL, NULL, SOCK_NONBLOCK);
  guest_sends (v, OP_SHUTDOWN, 1000, 80, 1, NULL);
  bp_test_expect (send (fd, "more", 4, MSG_NOSIGNAL) == -1 && errno == EPIPE);
  guest_sends (v, OP_RW, 1000, 80, 0, "still");
  bp_test_expect_str (text_of (t, fd), "still");
  guest_sends (v, OP_SHUTDOWN, 1000, 80, 2, NULL);
  bp_test_expect_str (guest_gets (t, v), "3 80>1000 0 ");
  bp_test_expect_str (text_of (t, fd), "EOF");
  close (fd);
  close (listener);
  vsock_end (t, v);
}

/* More packets at once than there is room for replies: each gets its own, by one kick. */
BP_TEST (all_are_answered)
{
  enum { MANY = 120 };
  BpTest *t = vsock_new (false);
  BpTestVirtio *v = one_device_driver (t);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  for (unsigned i = 0; i < MANY; i++) {
    const Packet stray = { GUEST, HOST, 2000 + i, 9, 0, 1, OP_RW, 0, 0, 0 };
    bp_test_virtio_add_bytes (v, RX, NULL, 0, 64, NULL);
    bp_test_virtio_add_bytes (v, TX, &stray, HEADER, 0, NULL);
  }
  bp_test_virtio_kick (v, TX);
  for (unsigned i = 0; i < 50; i++)
    bp_test_iterate (t);
  for (unsigned i = 0; i < MANY; i++)
    bp_test_expect (bp_test_virtio_take (v, RX, NULL, NULL));
  bp_test_expect (!bp_test_virtio_take (v, RX, NULL, NULL));
  vsock_end (t, v);
}

BP_TEST (drivers_that_lie)
{
  BpTest *t = vsock_new (false);
  BpTestVirtio *v = one_device_driver (t);
  int listener = server ("v_80");
  bp_test_keep_log ("guest_errors");
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  Packet p = { GUEST, HOST, 1, 80, 0, 2, OP_REQUEST, 0, 0, 0 };
  bp_test_virtio_call (v, TX, &p, HEADER, NULL, 0);     /* a type that is not offered */
  bp_test_expect_str (guest_gets (t, v), "3 80>1 0 ");
  p = (Packet) { 99, HOST, 1, 80, 0, 1, OP_REQUEST, 0, 0, 0 };
  bp_test_virtio_call (v, TX, &p, HEADER, NULL, 0);
  p = (Packet) { GUEST, HOST, 1, 80, 0xffffffff, 1, OP_RW, 0, 0, 0 };
  bp_test_virtio_call (v, TX, &p, HEADER, NULL, 0);
  bp_test_virtio_call (v, TX, &p, 20, NULL, 0);
  guest_sends (v, OP_RST, 1, 80, 0, NULL);
  guest_sends (v, OP_REQUEST, 0, 0, 0, NULL);
  bp_test_virtio_take (v, RX, NULL, NULL);
  /* two connections by one name */
  guest_sends (v, OP_REQUEST, 1, 80, 0, NULL);
  guest_sends (v, OP_REQUEST, 1, 80, 0, NULL);
  for (unsigned i = 0; i < 200; i++)    /* nobody reads the answers */
    bp_test_virtio_call (v, TX, &p, 20, NULL, 0);
  for (unsigned i = 0; i < 100; i++) {
    Packet stray = { GUEST, HOST, 2000 + i, 9, 0, 1, OP_RW, 0, 0, 0 };
    while (bp_test_virtio_take (v, TX, NULL, NULL))
      ;
    one_device_send (v, TX, &stray, HEADER);
    bp_test_iterate (t);
  }
  one_device_offer (v, RX, HEADER);
  bp_test_iterate (t);
  bp_test_expect_eq (bp_test_virtio_status (v) & 0x40, 0x40);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "a packet from CID 99");
  bp_test_expect_has (log, "with 4294967295 bytes");
  bp_test_expect_has (log, "less than its header");
  bp_test_expect_has (log, "does not fit its connection's state");
  bp_test_expect_has (log, "too small for one");
  close (listener);
  vsock_end (t, v);
}

BP_TEST_MAIN ("virtio sockets", &guest_to_host, &host_to_guest, &credit, &loaded, &guest_reads_no_more, &all_are_answered, &drivers_that_lie)
