/* socket.c -- net-socket: packets over a connected socket, each behind its length (32 bits, big-endian), between two machines. */
/* SPDX-License-Identifier: MIT */
#include "backend.h"
#include <backplane/clock.h>
#include <backplane/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LENGTH_SIZE = 4, IN_SIZE = 4 * (PACKET_MOST + LENGTH_SIZE), OUT_MOST = 1 << 20 };

/* One attempt to connect, on a thread of its own, since the host may take minutes; it may outlive the object. */
typedef struct Attempt {
  int refs;                     /* atomic: the object's, the thread's */
  char *address;
  int event;                    /* signalled when the rest is there */
  int fd;                       /* -1: failed, */
  GError *error;                /* and why */
} Attempt;

typedef struct NetSocket {
  NetBackend net;
  /* wiring */
  char *address;
  bool server;
  uint32_t reconnect;           /* ms */
  /* derived */
  BpListener *listener;
  Attempt *attempt;
  BpTimer *again;
  int fd;                       /* + 1; 0: no peer */
  unsigned attempt_watch, in_watch, out_watch;
  uint8_t *in;
  uint32_t in_at, in_end;
  GByteArray *out;
  uint32_t out_at;
  bool refused;                 /* send has said no */
  bool warned;
} NetSocket;

static BpLoop *loop_of (const NetSocket *s) { return bp_loop_main (bp_object_machine (s)); }

static void
unwatch (const NetSocket *s, unsigned *watch)
{
  if (*watch)
    bp_loop_unwatch (loop_of (s), *watch);
  *watch = 0;
}

/* --- the peer ------------------------------------------------------------------------------- */

static void try_again (NetSocket *s);
static void read_more (NetSocket *s);

static void
drop_peer (NetSocket *s)
{
  if (!s->fd)
    return;
  unwatch (s, &s->in_watch);
  unwatch (s, &s->out_watch);
  close (s->fd - 1);
  s->fd = 0;
  s->in_at = s->in_end = s->out_at = 0;
  g_byte_array_set_size (s->out, 0);
}

static void
lose_peer (NetSocket *s)
{
  drop_peer (s);
  net_set_cable (s, false);
  if (s->refused)
    net_can_send (s);           /* to nobody */
  s->refused = false;
  try_again (s);
}

/* A host that is gone says nothing: it is asked after a while, so that whoever comes back finds his place free. */
static void
keep_alive (int fd)
{
  const int on = 1, idle = 10, interval = 5, times = 3; /* seconds */
  if (setsockopt (fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle) != 0)
    return;                     /* a Unix socket */
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
  setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static void
take_peer (NetSocket *s, int fd)
{
  keep_alive (fd);
  fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  s->fd = fd + 1;
  s->warned = false;
  read_more (s);
  net_set_cable (s, true);
}

static bool
on_client (void *user, int fd)
{
  NetSocket *s = user;
  if (s->fd)
    close (fd);                 /* two machines, not three */
  else
    take_peer (s, fd);
  return true;
}

/* --- connecting ------------------------------------------------------------------------------ */

static void
attempt_unref (Attempt *a)
{
  if (!g_atomic_int_dec_and_test (&a->refs))
    return;
  if (a->fd >= 0)
    close (a->fd);
  close (a->event);
  g_clear_error (&a->error);
  g_free (a->address);
  g_free (a);
}

static void
connect_over (Attempt *a)
{
  const uint64_t one = 1;
  while (write (a->event, &one, sizeof one) < 0 && errno == EINTR)
    ;
  attempt_unref (a);
}

static void *
connect_thread (void *data)
{
  Attempt *a = data;
  a->fd = bp_socket_connect (a->address, &a->error);
  connect_over (a);
  return NULL;
}

static bool
on_attempt (void *user, GIOCondition condition)
{
  NetSocket *s = user;
  Attempt *a = g_steal_pointer (&s->attempt);
  uint64_t count;
  s->attempt_watch = 0;
  if (read (a->event, &count, sizeof count) == sizeof count && a->fd >= 0) {
    take_peer (s, a->fd);
    a->fd = -1;
  } else {
    if (!s->warned)
      bp_warn (s, "%s; it is tried again every %u ms", a->error ? a->error->message : "no connection", s->reconnect);
    s->warned = true;
    try_again (s);
  }
  attempt_unref (a);
  return false;
}

static void
start_attempt (void *user)
{
  NetSocket *s = user;
  int event = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) {
    try_again (s);
    return;
  }
  Attempt *a = s->attempt = g_new0 (Attempt, 1);
  *a = (Attempt){ .refs = 2, .address = g_strdup (s->address), .event = event, .fd = -1 };
  s->attempt_watch = bp_loop_watch_fd (loop_of (s), bp_object_machine (s), event, G_IO_IN, on_attempt, s);
  GThread *thread = g_thread_try_new ("net-socket", connect_thread, a, &a->error);
  if (thread)
    g_thread_unref (thread);
  else
    connect_over (a);           /* as if it had failed */
}

static void
try_again (NetSocket *s)
{
  if (!s->server && s->reconnect)
    bp_timer_arm (s->again, bp_clock_now (bp_object_machine (s), BP_CLOCK_REALTIME) + s->reconnect * INT64_C (1000000));
}

/* --- from the peer ------------------------------------------------------------------------------ */

/* What is there whole; false: what came is no length, and the peer is gone. */
static bool
deliver (NetSocket *s)
{
  bool sense = true;
  while (!net_is_full (s) && s->in_end - s->in_at >= LENGTH_SIZE) {
    uint32_t size = packet_get32 (s->in + s->in_at);
    sense = size <= PACKET_MOST;
    if (!sense || s->in_end - s->in_at - LENGTH_SIZE < size)
      break;
    const uint8_t *frame = s->in + s->in_at + LENGTH_SIZE;
    s->in_at += LENGTH_SIZE + size;
    net_receive_frame (s, frame, size, false);
  }
  net_receive_end (s);
  memmove (s->in, s->in + s->in_at, s->in_end - s->in_at);
  s->in_end -= s->in_at;
  s->in_at = 0;
  if (!sense) {
    bp_warn (s, "the peer speaks something else than packets behind their lengths; the connection is closed");
    lose_peer (s);
  }
  return sense;
}

static bool
on_readable (void *user, GIOCondition condition)
{
  NetSocket *s = user;
  ssize_t n = recv (s->fd - 1, s->in + s->in_end, IN_SIZE - s->in_end, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return true;
  if (n <= 0) {
    lose_peer (s);
    return false;
  }
  s->in_end += (uint32_t) n;
  if (!deliver (s))
    return false;
  bool more = !net_is_full (s);
  if (!more)
    s->in_watch = 0;
  return more;
}

static void
read_more (NetSocket *s)
{
  if (s->fd && !s->in_watch)
    s->in_watch = bp_loop_watch_fd (loop_of (s), bp_object_machine (s), s->fd - 1, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, s);
}

static void
socket_wanted (void *self)
{
  NetSocket *s = self;
  if (s->fd && deliver (s) && !net_is_full (s))
    read_more (s);
}

/* --- to the peer ---------------------------------------------------------------------------------- */

/* false: it is gone. */
static bool
drain (NetSocket *s)
{
  while (s->out_at < s->out->len) {
    ssize_t n = send (s->fd - 1, s->out->data + s->out_at, s->out->len - s->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno == EAGAIN;
    s->out_at += (uint32_t) n;
  }
  g_byte_array_set_size (s->out, 0);
  s->out_at = 0;
  return true;
}

static bool
on_writable (void *user, GIOCondition condition)
{
  NetSocket *s = user;
  if (!drain (s)) {
    s->out_watch = 0;
    lose_peer (s);
    return false;
  }
  bool more = s->out->len > 0;
  if (!more)
    s->out_watch = 0;
  if (s->refused && s->out->len - s->out_at < OUT_MOST / 2) {
    s->refused = false;
    net_can_send (s);           /* may fill it again, and watch */
  }
  return more;
}

/* Written by the loop, all that a kick brought at once. */
static bool
socket_send (void *self, const BpNetPacket *p)
{
  NetSocket *s = self;
  uint8_t length[LENGTH_SIZE];
  if (s->out->len - s->out_at > OUT_MOST) {
    s->refused = true;
    return false;
  }
  if (s->out_at > OUT_MOST) {   /* a peer that is never quite done: what it has taken goes all the same */
    g_byte_array_remove_range (s->out, 0, s->out_at);
    s->out_at = 0;
  }
  packet_put32 (length, p->size);
  g_byte_array_append (s->out, length, sizeof length);
  for (unsigned i = 0; i < p->n_iov; i++)
    g_byte_array_append (s->out, p->iov[i].iov_base, (guint) p->iov[i].iov_len);
  if (!s->out_watch)
    s->out_watch = bp_loop_watch_fd (loop_of (s), bp_object_machine (s), s->fd - 1, G_IO_OUT, on_writable, s);
  return true;
}

static void
socket_describe (void *self, BpNetInfo *info)
{
  const NetSocket *s = self;
  g_snprintf (info->what, sizeof info->what, "socket, %s %s%s", s->server ? "listens on" : "connects to", s->address,
              s->fd ? "" : ", no peer");
}

static const NetOps ops = { .describe = socket_describe, .send = socket_send, .wanted = socket_wanted };

/* --- life cycle ------------------------------------------------------------------------------------ */

static bool
socket_configure (void *self, GError **error)
{
  g_autofree char *wrong = bp_socket_wrong (((NetSocket *) self)->address);
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address: %s", wrong);
  return !wrong;
}

static bool
socket_realize (void *self, GError **error)
{
  NetSocket *s = self;
  s->in = g_malloc (IN_SIZE);
  s->out = g_byte_array_new ();
  s->again = bp_timer_new (s, BP_CLOCK_REALTIME, start_attempt, s);
  s->net.unplugged = true;
  if (!net_realize (s, &ops, error))
    return false;
  if (s->server) {
    s->listener = bp_listener_new (s->address, 0, error);
    if (s->listener)
      bp_listener_watch (s->listener, bp_object_machine (s), true, on_client, s);
    else
      g_prefix_error (error, "address: ");
    return s->listener;
  }
  if (s->reconnect) {
    start_attempt (s);
    return true;
  }
  int fd = bp_socket_connect (s->address, error);
  if (fd >= 0)
    take_peer (s, fd);
  else
    g_prefix_error (error, "address: ");
  return fd >= 0;
}

static void
socket_unrealize (void *self)
{
  NetSocket *s = self;
  if (s->fd && s->out->len)
    drain (s);
  if (s->fd)
    drop_peer (s);
  unwatch (s, &s->attempt_watch);
  g_clear_pointer (&s->attempt, attempt_unref);
  g_clear_pointer (&s->listener, bp_listener_free);
  g_clear_pointer (&s->again, bp_timer_free);
  g_clear_pointer (&s->in, g_free);
  g_clear_pointer (&s->out, g_byte_array_unref);
  net_finish (s);
}

/* --- tables: properties, saved fields, type ------------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_ ("address", BP_PROPERTY_STRING, NetSocket, address, .flags = BP_PROPERTY_REQUIRED,
            .help = "Where the two machines meet: unix:PATH or HOST:PORT, without HOST on the loopback."),
  BP_PROP_BOOL ("server", NetSocket, server, true, "Whether to listen there for the other machine, one at a time, or to connect to it."),
  BP_PROP_U32 ("reconnect", NetSocket, reconnect, 1000,
               "Milliseconds after which who connects tries again, at the start and when the other machine has gone; 0: never, and it must be there at the start."),
  NET_PROPERTIES (NetSocket),
  BP_PROP_END
};
static const BpStateField state[] = { NET_STATE (NetSocket), BP_STATE_END };

const BpTypeDesc net_socket_type = {
  BP_TYPE ("net-socket", BP_KIND_BACKEND, NetSocket),
  .description = "a cable to another machine, over a connected socket",
  .properties = properties,
  .interfaces = net_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = state,
  .configure = socket_configure,
  .realize = socket_realize,
  .unrealize = socket_unrealize,
};
