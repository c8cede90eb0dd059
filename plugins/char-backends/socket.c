/* socket.c -- char-socket: a Unix or TCP socket, as the server or the client. */
/* SPDX-License-Identifier: MIT */
#include "stream.h"
#include <backplane/socket.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { WAIT_US = 10000 };

typedef struct CharSocket {
  CharBase base;
  /* wiring */
  char *address;
  bool server, wait;
  /* derived */
  BpListener *listener;
  int peer;                     /* a descriptor + 1, so that 0 is none */
} CharSocket;

/* --- events ------------------------------------------------------------------------------- */

static void
take_peer (CharSocket *s, int fd)
{
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
on_client (void *user, int fd)
{
  CharSocket *s = user;
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
  struct pollfd ready = { .fd = bp_listener_fd (s->listener), .events = POLLIN };
  while (!s->peer) {
    int n = poll (&ready, 1, -1), fd = n > 0 ? bp_listener_accept (s->listener) : -1;
    if (n < 0 && errno != EINTR)
      break;
    if (fd >= 0)
      on_client (s, fd);
    else
      g_usleep (WAIT_US);       /* without descriptors, not in a circle */
  }
}

static bool
realize_client (CharSocket *s, GError **error)
{
  int fd = bp_socket_connect (s->address, error);
  if (fd >= 0)
    take_peer (s, fd);
  return fd >= 0;
}

static bool
realize_server (CharSocket *s, GError **error)
{
  s->listener = bp_listener_new (s->address, BP_LISTEN_EVERYWHERE, error);
  if (!s->listener)
    return false;
  if (s->wait)
    wait_for_client (s);
  bp_listener_watch (s->listener, bp_object_machine (s), true, on_client, s);
  return true;
}

static bool
socket_realize (void *self, GError **error)
{
  CharSocket *s = self;
  static const CharHooks hooks = { .closed = closed, .broken = closed };
  char_stream_set_hooks (self, &hooks);
  return s->server ? realize_server (s, error) : realize_client (s, error);
}

static void
socket_unrealize (void *self)
{
  CharSocket *s = self;
  drop_peer (s, true);
  char_stream_finish (self, false);
  g_clear_pointer (&s->listener, bp_listener_free);
}

/* --- tables ------------------------------------------------------------------------------- */

static bool
socket_configure (void *self, GError **error)
{
  const char *address = ((CharSocket *) self)->address;
  bool has_kind = g_str_has_prefix (address, "unix:") || g_str_has_prefix (address, "tcp:");
  g_autofree char *wrong = has_kind ? bp_socket_wrong (address) : g_strdup_printf ("`%s` is neither unix:PATH nor tcp:HOST:PORT", address);
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address: %s", wrong);
  return !wrong;
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
