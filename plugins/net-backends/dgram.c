/* dgram.c -- net-dgram: each packet a datagram, over UDP, to a group of machines or over Unix sockets. */
/* SPDX-License-Identifier: MIT */
#include "backend.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { AT_ONCE = 64 };

typedef union Address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  struct sockaddr_un un;
  struct sockaddr_storage room;
} Address;

typedef struct NetDgram {
  NetBackend net;
  /* wiring */
  char *local, *remote, *interface;
  /* derived */
  bool group;                   /* remote is one */
  int in_fd, out_fd;            /* + 1; 0: none.  The same, but for a group */
  unsigned in_watch, out_watch;
  Address to, own;              /* own: where our packets to a group come from */
  socklen_t to_size;
  char *path;                   /* of our Unix socket, ours to remove */
  uint8_t *frame;
} NetDgram;

static BpLoop *loop_of (const NetDgram *d) { return bp_loop_main (bp_object_machine (d)); }

/* --- addresses ------------------------------------------------------------------------------ */

static bool
fail (GError **error, const char *key, const char *text, const char *why)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s = %s: %s", key, text, why);
  return false;
}

static bool
resolve_udp (const char *key, const char *text, Address *a, socklen_t *size, GError **error)
{
  const char *rest = g_str_has_prefix (text, "udp:") ? text + 4 : text, *colon = strrchr (rest, ':');
  struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV }, *found = NULL;
  if (!colon || !g_ascii_string_to_unsigned (colon + 1, 10, 1, 65535, NULL, NULL))
    return fail (error, key, text, "HOST:PORT or unix:PATH is meant");
  bool brackets = rest[0] == '[' && colon > rest + 1 && colon[-1] == ']';
  g_autofree char *host = brackets ? g_strndup (rest + 1, (gsize) (colon - rest - 2)) : colon == rest ? g_strdup ("127.0.0.1") : g_strndup (rest, (gsize) (colon - rest));
  int wrong = getaddrinfo (host, colon + 1, &hints, &found);
  if (wrong)
    return fail (error, key, text, gai_strerror (wrong));
  memcpy (a, found->ai_addr, found->ai_addrlen);
  *size = found->ai_addrlen;
  freeaddrinfo (found);
  return true;
}

static bool
resolve (const char *key, const char *text, Address *a, socklen_t *size, GError **error)
{
  memset (a, 0, sizeof *a);
  if (!g_str_has_prefix (text, "unix:"))
    return resolve_udp (key, text, a, size, error);
  if (strlen (text + 5) >= sizeof a->un.sun_path || !text[5])
    return fail (error, key, text, "a Unix socket's path has 1 to 107 bytes");
  a->un.sun_family = AF_UNIX;
  g_strlcpy (a->un.sun_path, text + 5, sizeof a->un.sun_path);
  *size = sizeof a->un;
  return true;
}

/* --- packets ---------------------------------------------------------------------------------- */

static bool
is_own (const NetDgram *d, const Address *from)
{
  return d->group && from->any.sa_family == AF_INET && from->v4.sin_port == d->own.v4.sin_port && from->v4.sin_addr.s_addr == d->own.v4.sin_addr.s_addr;
}

static bool
on_readable (void *user, GIOCondition condition)
{
  NetDgram *d = user;
  for (unsigned i = 0; i < AT_ONCE && !net_is_full (d); i++) {
    Address from = { 0 };
    socklen_t size = sizeof from;
    ssize_t n = recvfrom (d->in_fd - 1, d->frame, PACKET_MOST, MSG_DONTWAIT, &from.any, &size);
    if (n < 0 && errno != EINTR && errno != ECONNREFUSED)       /* refused: somebody was not there for one of ours */
      break;
    if (n > 0 && !is_own (d, &from))
      net_receive_frame (d, d->frame, (uint32_t) n, false);
  }
  net_receive_end (d);
  if (!net_is_full (d))
    return true;
  d->in_watch = 0;
  return false;
}

static void
dgram_wanted (void *self)
{
  NetDgram *d = self;
  if (d->in_fd && !d->in_watch)
    d->in_watch = bp_loop_watch_fd (loop_of (d), bp_object_machine (d), d->in_fd - 1, G_IO_IN, on_readable, d);
}

/* A Unix socket waits for room at the other side only when that is the only one it has; and no longer than for that: it hears nobody else, not even one that comes by
 * the same name. */
static void
tie (const NetDgram *d, bool tied)
{
  static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
  if (d->path)
    connect (d->out_fd - 1, tied ? &d->to.any : &nobody, tied ? d->to_size : sizeof nobody);
}

static bool
on_writable (void *user, GIOCondition condition)
{
  NetDgram *d = user;
  d->out_watch = 0;
  tie (d, false);
  net_can_send (d);
  return false;
}

/* Nobody may be there: that is what a network is like. */
static bool
dgram_send (void *self, const BpNetPacket *p)
{
  NetDgram *d = self;
  struct msghdr m = { .msg_name = &d->to, .msg_namelen = d->to_size, .msg_iov = (struct iovec *) (uintptr_t) p->iov, .msg_iovlen = p->n_iov };
  struct iovec one = { d->frame, p->size };
  enum { PARTS_MOST = 1024 };
  if (p->n_iov > PARTS_MOST) {
    packet_copy (p, d->frame, PACKET_MOST);
    m.msg_iov = &one;
    m.msg_iovlen = 1;
  }
  ssize_t done;
  do
    done = sendmsg (d->out_fd - 1, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (done < 0 && errno == EINTR);
  if (done >= 0 || errno != EAGAIN)
    return true;
  tie (d, true);
  if (!d->out_watch)
    d->out_watch = bp_loop_watch_fd (loop_of (d), bp_object_machine (d), d->out_fd - 1, G_IO_OUT, on_writable, d);
  return false;
}

static void
dgram_describe (void *self, BpNetInfo *info)
{
  const NetDgram *d = self;
  g_snprintf (info->what, sizeof info->what, d->group ? "dgram, group %s" : "dgram, %s from %s", d->remote, d->local);
}

static const NetOps ops = { .describe = dgram_describe, .send = dgram_send, .wanted = dgram_wanted };

/* --- opening ------------------------------------------------------------------------------------ */

static int
new_socket (int family)
{
  return socket (family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) + 1;
}

/* A file that a program left behind when it ended badly is taken over, one that is in use is not. */
static void
remove_left_over (const Address *a, socklen_t size)
{
  int fd = new_socket (AF_UNIX) - 1;
  if (fd < 0)
    return;
  if (connect (fd, &a->any, size) != 0 && errno == ECONNREFUSED)
    unlink (a->un.sun_path);
  close (fd);
}

static bool
open_pair (NetDgram *d, GError **error)
{
  Address local;
  socklen_t size;
  if (!d->local)
    return fail (error, "remote", d->remote, "this is no group of machines, so `local` has to say where packets arrive");
  if (!resolve ("local", d->local, &local, &size, error))
    return false;
  if (local.any.sa_family != d->to.any.sa_family)
    return fail (error, "remote", d->remote, "this is of another kind than `local`");
  if (local.any.sa_family == AF_UNIX)
    remove_left_over (&local, size);
  d->in_fd = d->out_fd = new_socket (local.any.sa_family);
  mode_t mask = umask (0077);
  bool bound = d->in_fd && bind (d->in_fd - 1, &local.any, size) == 0;
  int reason = errno;
  umask (mask);
  if (!bound)
    return fail (error, "local", d->local, reason == EADDRINUSE ? "another program has this address, choose another one" : g_strerror (reason));
  if (local.any.sa_family == AF_UNIX)
    d->path = g_strdup (local.un.sun_path);
  else if (connect (d->in_fd - 1, &d->to.any, d->to_size) != 0) /* what others send is not for us */
    return fail (error, "remote", d->remote, g_strerror (errno));
  else
    d->to_size = 0;
  return true;
}

static bool
open_group (NetDgram *d, GError **error)
{
  socklen_t size = sizeof d->own;
  const int yes = 1;
  struct ip_mreqn join = { 0 };
  if (d->local)
    return fail (error, "local", d->local, "`remote` is a group of machines, whose packets arrive at its own address");
  join.imr_multiaddr = d->to.v4.sin_addr;
  if (inet_pton (AF_INET, d->interface, &join.imr_address) != 1)
    return fail (error, "interface", d->interface, "this is no IPv4 address");
  d->own.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = join.imr_address };
  d->in_fd = new_socket (AF_INET);
  d->out_fd = new_socket (AF_INET);
  if (!d->in_fd || !d->out_fd || setsockopt (d->in_fd - 1, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0
      || bind (d->in_fd - 1, &d->to.any, d->to_size) != 0 || setsockopt (d->in_fd - 1, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join) != 0
      || bind (d->out_fd - 1, &d->own.any, sizeof d->own.v4) != 0 || getsockname (d->out_fd - 1, &d->own.any, &size) != 0
      || setsockopt (d->out_fd - 1, IPPROTO_IP, IP_MULTICAST_IF, &join, sizeof join) != 0
      || setsockopt (d->out_fd - 1, IPPROTO_IP, IP_MULTICAST_LOOP, &yes, sizeof yes) != 0)
    return fail (error, "remote", d->remote, g_strerror (errno));
  return true;
}

/* --- life cycle ------------------------------------------------------------------------------------ */

static bool
dgram_realize (void *self, GError **error)
{
  NetDgram *d = self;
  d->frame = g_malloc (PACKET_MOST);
  if (!net_realize (d, &ops, error) || !resolve ("remote", d->remote, &d->to, &d->to_size, error))
    return false;
  d->group = d->to.any.sa_family == AF_INET && IN_MULTICAST (ntohl (d->to.v4.sin_addr.s_addr));
  return d->group ? open_group (d, error) : open_pair (d, error);
}

static void
dgram_unrealize (void *self)
{
  NetDgram *d = self;
  if (d->in_watch)
    bp_loop_unwatch (loop_of (d), d->in_watch);
  if (d->out_watch)
    bp_loop_unwatch (loop_of (d), d->out_watch);
  d->in_watch = d->out_watch = 0;
  if (d->out_fd && d->out_fd != d->in_fd)
    close (d->out_fd - 1);
  if (d->in_fd)
    close (d->in_fd - 1);
  d->in_fd = d->out_fd = 0;
  if (d->path)
    unlink (d->path);
  g_clear_pointer (&d->path, g_free);
  g_clear_pointer (&d->frame, g_free);
  net_finish (d);
}

/* --- tables: properties, saved fields, type ------------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_ ("remote", BP_PROPERTY_STRING, NetDgram, remote, .flags = BP_PROPERTY_REQUIRED,
            .help = "Where packets go: HOST:PORT (UDP), who alone is listened to; unix:PATH; or a group of machines, each of which gets all packets: 230.0.0.1:1234."),
  BP_PROP_STRING ("local", NetDgram, local, NULL, "Where packets arrive, unless `remote` is a group: HOST:PORT, without HOST on the loopback, or unix:PATH."),
  BP_PROP_STRING ("interface", NetDgram, interface, "127.0.0.1", "The host's address on the network of a group; the loopback: machines on this host alone."),
  NET_PROPERTIES (NetDgram),
  BP_PROP_END
};
static const BpStateField state[] = { NET_STATE (NetDgram), BP_STATE_END };

const BpTypeDesc net_dgram_type = {
  BP_TYPE ("net-dgram", BP_KIND_BACKEND, NetDgram),
  .description = "a cable to another machine, or to many: each packet a datagram",
  .properties = properties,
  .interfaces = net_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = state,
  .realize = dgram_realize,
  .unrealize = dgram_unrealize,
};
