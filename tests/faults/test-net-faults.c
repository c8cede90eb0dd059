/* test-net-faults.c -- network backends on a host whose calls fail: what arrives is whole, what comes back is taken, captures have no half packets. */
/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "build.h"
#include "net-backends/backend.h"
#include "scratch.h"
#include "sweep.h"
#include "types.h"
#include <backplane/plugin.h>
#include <errno.h>
#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

const BpPluginDesc *bp_plugin_query (void);

enum { SIZE = 700, PACKETS = 24 };

/* --- a machine ------------------------------------------------------------------------------------------- */

typedef struct Port {
  BpLink backend;
  uint32_t received, next;      /* next: the least number that may come */
} Port;

static bool
port_receive (void *user, const BpNetPacket *p)
{
  Port *port = user;
  uint8_t bytes[PACKET_MOST];
  packet_copy (p, bytes, sizeof bytes);
  if (bytes[12] != 0x88 || bytes[13] != 0xb5)
    return true;                /* libslirp's own */
  uint32_t number = packet_get32 (bytes + 14);
  ck_assert_uint_eq (p->size, SIZE);
  ck_assert_msg (number >= port->next, "packet %u came after %u", number, port->next);
  for (uint32_t i = 18; i < SIZE; i++)
    ck_assert_uint_eq (bytes[i], (uint8_t) (number + i));
  port->next = number + 1;
  port->received++;
  return true;
}

static void port_nothing (void *user) { }

static bool
port_realize (void *self, GError **error)
{
  static const BpNetHandlers handlers = { sizeof handlers, port_receive, port_nothing, port_nothing };
  return bp_net_attach (&((Port *) self)->backend, &handlers, self);
}

static void
port_unrealize (void *self)
{
  bp_net_attach (&((Port *) self)->backend, NULL, NULL);
}

static const BpProperty port_properties[] = { BP_PROP_LINK ("backend", Port, backend, BP_NET_ID, 0, "Its network."), BP_PROP_END };
static const BpTypeDesc port_type = { BP_TYPE ("port", BP_KIND_DEVICE, Port), .description = "the end of a network", .properties = port_properties,
                                      .realize = port_realize, .unrealize = port_unrealize };

static char *message;
static const char *one, *two;
static BpMachine *m;
static Descriptor *d;
static Port *a, *b;
static uint32_t number;

static void
enter (void)
{
  static const BpTypeDesc *types[16] = { &port_type };
  for (unsigned i = 0; bp_plugin_query ()->types[i]; i++)
    types[i + 1] = bp_plugin_query ()->types[i];
  types_register (types);
  scratch_enter ();
}

static void
spin (unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (200);
}

static bool is_up (void) { return bp_net_info (&a->backend).link_up && bp_net_info (&b->backend).link_up; }

static void
send_one (Port *from)
{
  uint8_t frame[SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
  struct iovec iov[2] = { { frame, 6 }, { frame + 6, SIZE - 6 } };
  BpNetPacket packet = { .struct_size = sizeof packet, .iov = iov, .n_iov = 2, .size = SIZE };
  packet_put32 (frame + 14, number);
  for (uint32_t i = 18; i < SIZE; i++)
    frame[i] = (uint8_t) (number + i);
  number++;
  for (unsigned i = 0; i < 50 && !bp_net_send (&from->backend, &packet); i++)
    spin (1);                   /* no room: as a device, later */
}

/* UDP to a port of the host's loopback: libslirp opens a socket for it. */
static void
send_datagram (Port *from, uint16_t port)
{
  uint8_t frame[60] = { 0x52, 0x55, 10, 0, 2, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2 };
  uint32_t sum = 0;
  struct iovec iov = { frame, sizeof frame };
  BpNetPacket packet = { .struct_size = sizeof packet, .iov = &iov, .n_iov = 1, .size = sizeof frame };
  for (unsigned i = 14; i < 34; i += 2)
    sum += (uint32_t) (frame[i] << 8 | frame[i + 1]);
  sum = 0xffff - (sum % 0xffff);
  frame[24] = (uint8_t) (sum >> 8);
  frame[25] = (uint8_t) sum;
  frame[34] = (uint8_t) (port >> 8), frame[35] = (uint8_t) port;
  frame[37] = 9;
  frame[39] = 26;
  bp_net_send (&from->backend, &packet);
}

/* --- the scenario ---------------------------------------------------------------------------------------- */

static void
prepare (void)
{
  g_autofree char *text = g_strdup_printf ("[device a]\ntype = port\nbackend = na\n[device b]\ntype = port\nbackend = nb\n[backend na]\n%s\n[backend nb]\n%s\n", one, two);
  ck_assert (g_file_set_contents ("m.ini", text, -1, NULL));
  g_unlink ("capture");
  number = 0;
  d = descriptor_load ("m.ini", NULL);
  m = machine_build (d);
  ck_assert_msg (m != NULL, "%s", d->errors->len ? (char *) d->errors->pdata[0] : "");
}

static void
run (void)
{
  g_autoptr (GError) error = NULL;
  g_clear_pointer (&message, g_free);
  a = b = NULL;
  if (!machine_realize (m, &error)) {
    message = g_strdup (error->message);
    return;
  }
  a = bp_machine_find (m, "a");
  b = bp_machine_find (m, "b");
  for (unsigned i = 0; i < 40 && !is_up (); i++)
    spin (5);
  for (unsigned i = 0; i < PACKETS; i++) {
    send_one (i & 1 ? a : b);
    send_datagram (b, (uint16_t) (3000 + i));
    spin (i % 4 ? 0 : 4);
  }
  spin (20);
}

/* Whole records, and nothing behind them. */
static void
check_capture (void)
{
  g_autofree char *bytes = NULL;
  gsize size, at = 24;
  if (!g_file_get_contents ("capture", &bytes, &size, NULL))
    return;
  while (at + 16 <= size) {
    uint32_t kept;
    memcpy (&kept, bytes + at + 8, 4);
    at += 16 + kept;
  }
  ck_assert_msg (at == size || size == 0, "a capture of %zu bytes ends at %zu", size, at);
}

/* Once the host is well, the two meet again. */
static void
verify (const SweepFault *f, uint32_t failed)
{
  bool harmless = !f || !failed || f->fault == EINTR || f->fault == EAGAIN || f->fault == INJECT_SHORT;
  if (message) {
    ck_assert (failed);
    ck_assert_msg (strstr (message, "m.ini:"), "no place in: %s", message);
  } else if (strstr (two, "unix:")) {
    ck_assert_msg (!harmless || a->received + b->received == PACKETS, "%u of %u packets came", a->received + b->received, PACKETS);
    for (unsigned i = 0; i < 400 && !is_up (); i++)
      spin (5);
    uint32_t before = b->received;
    for (unsigned i = 0; i < 100 && b->received == before; i++) {
      send_one (a);
      spin (5);
    }
    ck_assert_uint_gt (b->received, before);
  }
  g_clear_pointer (&m, machine_free);
  g_clear_pointer (&d, descriptor_free);
  spin (4);
  g_usleep (1000);              /* an attempt to connect may be about to end on its thread */
  check_capture ();
}

static const SweepFault traffic[] = { { INJECT_SEND, EPIPE, 1 }, { INJECT_SEND, ENOBUFS, 1 }, { INJECT_SEND, EINTR, 1 }, { INJECT_SEND, EAGAIN, 1 }, { INJECT_RECEIVE, ECONNRESET, 1 },
                                      { INJECT_RECEIVE, EINTR, 1 }, { INJECT_ACCEPT, EMFILE, 1 } };
static const SweepFault stream[] = { { INJECT_SEND, INJECT_SHORT, INJECT_FOREVER }, { INJECT_RECEIVE, INJECT_SHORT, INJECT_FOREVER }, { INJECT_RECEIVE, INJECT_END, 1 } };
static const SweepFault files[] = { { INJECT_WRITE, EIO, 1 }, { INJECT_WRITE, ENOSPC, INJECT_FOREVER }, { INJECT_WRITE, EINTR, 1 }, { INJECT_WRITE, INJECT_SHORT, INJECT_FOREVER },
                                    { INJECT_OPEN, EACCES, 1 } };
static const SweepFault starts[] = { { INJECT_SOCKET, EMFILE, 1 }, { INJECT_CONNECT, ECONNREFUSED, 1 }, { INJECT_CONTROL, EMFILE, 1 } };

START_TEST (test_backends)
{
  static const SweepScenario s = { "net", prepare, run, verify };
  static const char *const all[][2] = {
    { "type = net-socket\naddress = unix:s\ncapture = capture", "type = net-socket\nserver = off\nreconnect = 2\naddress = unix:s" },
    { "type = net-dgram\nlocal = unix:s\nremote = unix:t\ncapture = capture", "type = net-dgram\nlocal = unix:t\nremote = unix:s" },
    { "type = net-none\ncapture = capture", "type = net-user" },
  };
  one = all[_i][0];
  two = all[_i][1];
  if (_i == 2 && !type_find ("net-user"))
    return;
  sweep (&s, "socket:", 6, traffic, G_N_ELEMENTS (traffic));
  if (_i == 0)
    sweep (&s, "socket:", 6, stream, G_N_ELEMENTS (stream));
  if (_i < 2)
    sweep (&s, "capture", 6, files, G_N_ELEMENTS (files));
  sweep (&s, "", 6, starts, G_N_ELEMENTS (starts));
}
END_TEST

/* --- a tap interface ------------------------------------------------------------------------------------- */

static int wire = -1;           /* the kernel's end of it; what is done there goes round the C library */
static uint32_t on_wire;

static void
listen_on_wire (void)
{
  struct ifreq r = { .ifr_name = "faults0" };
  wire = (int) syscall (SYS_socket, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons (0x88b5));
  ck_assert_int_ge (wire, 0);
  ck_assert_int_eq ((int) syscall (SYS_ioctl, wire, SIOCGIFINDEX, &r), 0);
  struct sockaddr_ll there = { .sll_family = AF_PACKET, .sll_protocol = htons (0x88b5), .sll_ifindex = r.ifr_ifindex };
  r.ifr_flags = IFF_UP;
  ck_assert_int_eq ((int) syscall (SYS_ioctl, wire, SIOCSIFFLAGS, &r), 0);
  ck_assert_int_eq ((int) syscall (SYS_bind, wire, &there, sizeof there), 0);
}

/* Each packet that comes goes back. */
static void
answer_on_wire (void)
{
  uint8_t bytes[2 * SIZE];
  struct sockaddr_ll from;
  socklen_t size = sizeof from;
  for (ssize_t n; (n = (ssize_t) syscall (SYS_recvfrom, wire, bytes, sizeof bytes, 0, &from, &size)) > 0; size = sizeof from) {
    if (from.sll_pkttype == PACKET_OUTGOING)
      continue;
    on_wire++;
    syscall (SYS_sendto, wire, bytes, (size_t) n, 0, NULL, 0);
  }
}

static void
run_tap (void)
{
  g_autoptr (GError) error = NULL;
  g_clear_pointer (&message, g_free);
  on_wire = 0;
  if (!machine_realize (m, &error)) {
    message = g_strdup (error->message);
    return;
  }
  a = bp_machine_find (m, "a");
  listen_on_wire ();
  for (unsigned i = 0; i < PACKETS; i++) {
    send_one (a);
    answer_on_wire ();
    spin (2);
  }
  spin (10);
}

/* The kernel loses nothing here; what one call in a row refuses is tried again, or is a packet that is lost. */
static void
verify_tap (const SweepFault *f, uint32_t failed)
{
  bool harmless = !f || !failed || f->fault == EINTR || f->fault == EAGAIN;
  if (message) {
    ck_assert (failed);
    ck_assert_msg (strstr (message, "m.ini:"), "no place in: %s", message);
  } else {
    ck_assert_msg (on_wire == PACKETS || (!harmless && on_wire >= PACKETS - failed), "%u of %u packets came", on_wire, PACKETS);
    ck_assert_msg (a->received == on_wire || (!harmless && a->received >= on_wire - failed), "%u of %u packets came back", a->received, on_wire);
    close (wire);
  }
  g_clear_pointer (&m, machine_free);
  g_clear_pointer (&d, descriptor_free);
}

static const SweepFault packets[] = { { INJECT_WRITE, EIO, 1 }, { INJECT_WRITE, EINTR, 1 }, { INJECT_WRITE, EAGAIN, 1 }, { INJECT_READ, EIO, 1 }, { INJECT_READ, EINTR, 1 },
                                      { INJECT_READ, EAGAIN, 1 }, { INJECT_OPEN, ENOENT, 1 } };
static const SweepFault asks[] = { { INJECT_CONTROL, EPERM, 1 }, { INJECT_CONTROL, EINVAL, INJECT_FOREVER } };

/* In a network of its own, which takes root. */
START_TEST (test_tap)
{
  static const SweepScenario s = { "a tap interface", prepare, run_tap, verify_tap };
  if (access ("/dev/net/tun", R_OK | W_OK) || unshare (CLONE_NEWNET))
    return;
  one = _i ? "type = net-tap\nifname = faults0\noffload = off" : "type = net-tap\nifname = faults0";
  two = "type = net-none";
  sweep (&s, "/dev/net/tun", 6, packets, G_N_ELEMENTS (packets));
  sweep (&s, "/dev/net/tun", 6, asks, G_N_ELEMENTS (asks));
}
END_TEST

int
main (void)
{
  const SweepTest tests[] = { { test_backends, 3 }, { test_tap, 2 } };
  return sweep_run ("net faults", enter, scratch_leave, tests, G_N_ELEMENTS (tests));
}
