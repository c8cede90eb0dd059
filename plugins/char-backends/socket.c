/* socket.c -- char-socket: a Unix or TCP socket, as the server or the client. */
/* SPDX-License-Identifier: MIT */
#include "stream.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct CharSocket {
  CharBase base;
  /* wiring */
  char *address;
  bool server, wait;
  /* derived: descriptors + 1, so that 0 is none */
  int listener, peer;
  unsigned listen_watch;
  bool bound_path;              /* a Unix socket's file is ours to remove */
} CharSocket;

/* --- addresses ---------------------------------------------------------------------------- */

typedef struct Address {
  const char *path;             /* unix:PATH; else NULL */
  char *host, *port;            /* tcp:HOST:PORT */
} Address;

static void
address_clear (Address *a)
{
  g_free (a->host);
  g_free (a->port);
}

static bool
address_wrong (const char *text, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address: `%s` is neither unix:PATH nor tcp:HOST:PORT",
               text);
  return false;
}

static bool
address_parse (const char *text, Address *a, GError **error)
{
  *a = (Address) { 0 };
  if (g_str_has_prefix (text, "unix:") && text[5]) {
    a->path = text + 5;
    if (strlen (a->path) < sizeof ((struct sockaddr_un *) 0)->sun_path)
      return true;
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY,
                 "address: the path of a Unix socket has at most %zu bytes",
                 sizeof ((struct sockaddr_un *)0)->sun_path - 1);
    return false;
  }
  const char *colon = g_str_has_prefix (text, "tcp:") ? strrchr (text + 4, ':') : NULL;
  if (!colon || !colon[1])
    return address_wrong (text, error);
  const char *host = text + 4, *end = colon;
  if (*host == '[' && end > host + 1 && end[-1] == ']') {       /* [::1]:5000 */
    host++;
    end--;
  }
  a->host = g_strndup (host, (gsize) (end - host));
  a->port = g_strdup (colon + 1);
  return true;
}

static struct sockaddr_un
unix_address (const char *path)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX };
  memcpy (sun.sun_path, path, strlen (path) + 1);
  return sun;
}

static bool
failed (const CharSocket *s, const char *what, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot %s %s: %s", what, s->address, g_strerror (errno));
  return false;
}

/* --- opening ------------------------------------------------------------------------------ */

/* A socket file that nobody answers on is left over from a program that ended badly. */
static bool
is_stale (const struct sockaddr_un *sun)
{
  struct stat st;
  if (lstat (sun->sun_path, &st) || !S_ISSOCK (st.st_mode))
    return false;
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  bool refused =
      fd >= 0 && connect (fd, (const struct sockaddr *) sun, sizeof *sun) < 0 && errno == ECONNREFUSED;
  if (fd >= 0)
    close (fd);
  return refused;
}

static bool
open_unix (CharSocket *s, const char *path, GError **error)
{
  struct sockaddr_un sun = unix_address (path);
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  *(s->server ? &s->listener : &s->peer) = fd + 1;
  if (fd < 0)
    return failed (s, "open", error);
  if (!s->server)
    return connect (fd, (struct sockaddr *) &sun, sizeof sun) == 0 || failed (s, "connect to", error);
  if (bind (fd, (struct sockaddr *) &sun, sizeof sun) < 0) {
    if (errno != EADDRINUSE)
      return failed (s, "listen on", error);
    bool stale = is_stale (&sun);
    errno = EADDRINUSE;
    if (!stale || unlink (path) || bind (fd, (struct sockaddr *) &sun, sizeof sun) < 0)
      return failed (s, "listen on", error);
  }
  s->bound_path = true;
  return listen (fd, 1) == 0 || failed (s, "listen on", error);
}

static bool
try_tcp (CharSocket *s, const struct addrinfo *ai)
{
  int *slot = s->server ? &s->listener : &s->peer, on = 1;
  int fd = socket (ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
  if (fd < 0)
    return false;
  if (s->server)
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bool good = s->server ? bind (fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen (fd, 1) == 0
                        : connect (fd, ai->ai_addr, ai->ai_addrlen) == 0;
  if (good) {
    *slot = fd + 1;
    return true;
  }
  int reason = errno;
  close (fd);
  errno = reason;
  return false;
}

static bool
open_tcp (CharSocket *s, const Address *a, GError **error)
{
  struct addrinfo hints = { .ai_family = AF_UNSPEC,
                            .ai_socktype = SOCK_STREAM,
                            .ai_flags = s->server ? AI_PASSIVE : 0 },
                  *list;
  int code = getaddrinfo (*a->host ? a->host : NULL, a->port, &hints, &list);
  if (code) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot resolve %s: %s", s->address, gai_strerror (code));
    return false;
  }
  bool good = false;
  for (const struct addrinfo *ai = list; ai && !good; ai = ai->ai_next)
    good = try_tcp (s, ai);
  int reason = errno;
  freeaddrinfo (list);
  errno = reason;
  return good || failed (s, s->server ? "listen on" : "connect to", error);
}

/* --- events ------------------------------------------------------------------------------- */

static void
take_peer (CharSocket *s, int fd)
{
  int on = 1;
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);    /* fails on Unix sockets, which need it not */
  s->peer = fd + 1;
  char_stream_open (s, fd, fd, true, false);
  char_stream_event (s, BP_CHAR_OPENED);
}

static void
drop_peer (CharSocket *s, bool flush)
{
  if (!s->peer)
    return;
  char_stream_close (s, flush);
  close (s->peer - 1);
  s->peer = 0;
}

static void
closed (void *self)
{
  drop_peer (self, false);
  char_stream_event (self, BP_CHAR_CLOSED);
}

/* One client at a time; the next one is turned away. */
static bool
accept_ready (void *user, GIOCondition condition)
{
  CharSocket *s = user;
  int fd = accept (s->listener - 1, NULL, NULL);
  if (fd < 0)
    return true;
  if (s->peer)
    close (fd);
  else
    take_peer (s, fd);
  return true;
}

/* --- life cycle --------------------------------------------------------------------------- */

static void
wait_for_client (CharSocket *s)
{
  fprintf (stderr, "backplane: %s: waiting for a client on %s\n", bp_object_id (s), s->address);
  struct pollfd ready = { .fd = s->listener - 1, .events = POLLIN };
  while (!s->peer) {
    int n = poll (&ready, 1, -1);
    if (n < 0 && errno != EINTR)
      break;
    if (n > 0)
      accept_ready (s, G_IO_IN);
  }
}

static bool
socket_realize (void *self, GError **error)
{
  CharSocket *s = self;
  static const CharHooks hooks = { .closed = closed, .broken = closed };
  Address a;
  char_stream_set_hooks (self, &hooks);
  bool good = address_parse (s->address, &a, error) &&
              (a.path ? open_unix (s, a.path, error) : open_tcp (s, &a, error));
  address_clear (&a);
  if (!good)
    return false;
  if (!s->server) {
    take_peer (s, s->peer - 1);
    return true;
  }
  if (s->wait)
    wait_for_client (s);
  BpMachine *machine = bp_object_machine (self);
  s->listen_watch =
      bp_loop_watch_fd (bp_loop_main (machine), machine, s->listener - 1, G_IO_IN, accept_ready, s);
  return true;
}

static void
socket_unrealize (void *self)
{
  CharSocket *s = self;
  if (s->listen_watch)
    bp_loop_unwatch (bp_loop_main (bp_object_machine (self)), s->listen_watch);
  s->listen_watch = 0;
  drop_peer (s, true);
  char_stream_finish (self, false);
  if (s->listener)
    close (s->listener - 1);
  s->listener = 0;
  if (s->bound_path)
    unlink (s->address + strlen ("unix:"));
  s->bound_path = false;
}

/* --- tables ------------------------------------------------------------------------------- */

static bool
socket_configure (void *self, GError **error)
{
  Address a;
  bool good = address_parse (((CharSocket *) self)->address, &a, error);
  address_clear (&a);
  return good;
}

static const BpProperty properties[] = {
  BP_PROP_ ("address", BP_PROPERTY_STRING, CharSocket, address, .flags = BP_PROPERTY_REQUIRED,
            .help = "unix:PATH (relative to the current directory) or tcp:HOST:PORT; without HOST, a server "
                    "listens on every interface."),
  BP_PROP_BOOL ("server", CharSocket, server, true,
                "Whether to listen for a client, one at a time, or to connect to a server at the start."),
  BP_PROP_BOOL ("wait", CharSocket, wait, false,
                "Whether a server holds the machine's start until the first client is there."),
  BP_PROP_END
};

static const BpInterfaceDesc interfaces[] = { { BP_CHAR_ID, &char_stream_iface }, { NULL, NULL } };

const BpTypeDesc char_socket_type = {
  BP_TYPE ("char-socket", BP_KIND_BACKEND, CharSocket),
  .description = "a Unix or TCP socket, as the server or the client",
  .properties = properties,
  .interfaces = interfaces,
  .configure = socket_configure,
  .realize = socket_realize,
  .unrealize = socket_unrealize,
};
