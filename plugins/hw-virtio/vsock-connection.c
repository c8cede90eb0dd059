/* vsock-connection.c -- one connection of a virtio socket device: a Unix socket, what waits for it, and its end. */
/* SPDX-License-Identifier: MIT */
#include <backplane/loop.h>
#include "vsock.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- making and freeing ------------------------------------------------------------------------ */

VsockConnection *
vsock_connection_new (Vsock *v, int fd, VsockState state)
{
  VsockConnection *c = g_new0 (VsockConnection, 1);
  c->vsock = v;
  c->fd = fd;
  c->state = state;
  c->out = g_byte_array_new ();
  g_ptr_array_add (v->connections, c);
  return c;
}

void
vsock_connection_set_key (VsockConnection *c, uint32_t guest_port, uint32_t host_port)
{
  c->key = (uint64_t) guest_port << 32 | host_port;
  g_hash_table_insert (c->vsock->by_key, &c->key, c);
}

static BpLoop *loop_of (const VsockConnection *c) { return bp_loop_main (bp_object_machine (c->vsock)); }

void
vsock_connection_free (VsockConnection *c)
{
  if (c->key)
    g_hash_table_remove (c->vsock->by_key, &c->key);
  g_ptr_array_remove_fast (c->vsock->connections, c);
  if (c->watch)
    bp_loop_unwatch (loop_of (c), c->watch);
  close (c->fd);
  g_byte_array_unref (c->out);
  g_free (c);
}

int
vsock_connect (const Vsock *v, uint32_t port)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  int n = snprintf (a.sun_path, sizeof a.sun_path, "%s_%u", v->path, port);
  if (n < 0 || (size_t) n >= sizeof a.sun_path)
    return -1;
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && connect (fd, (struct sockaddr *) &a, sizeof a) == 0)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

/* --- credit ---------------------------------------------------------------------------------------- */

uint32_t
vsock_connection_credit (const VsockConnection *c)
{
  uint32_t there = c->sent - c->peer_forwarded;
  return there < c->peer_buffer ? c->peer_buffer - there : 0;
}

bool
vsock_connection_may_read (const VsockConnection *c)
{
  return c->state == VSOCK_OPEN && !c->tell && !(c->host_shut & SHUT_NO_SEND) && !(c->guest_shut & SHUT_NO_RECEIVE) && vsock_connection_credit (c);
}

/* The guest learns it by any packet; by one of its own when it thinks that little room is left. */
static void
forwarded (VsockConnection *c, uint32_t size)
{
  c->forwarded += size;
  if (c->forwarded - c->told_forwarded >= VSOCK_BUFFER / 4)
    vsock_tell (c, TELL_CREDIT);
}

/* --- from the guest to the host ----------------------------------------------------------------------- */

static void
nobody_listens (VsockConnection *c)
{
  c->deaf = true;
  forwarded (c, c->out->len);
  g_byte_array_set_size (c->out, 0);
  if (c->host_shut & SHUT_NO_RECEIVE || c->guest_shut & SHUT_NO_SEND)
    return;
  c->host_shut |= SHUT_NO_RECEIVE;
  vsock_tell (c, TELL_SHUTDOWN);
}

/* How many bytes went. */
static size_t
send_some (VsockConnection *c, const uint8_t *bytes, size_t size)
{
  size_t done = 0;
  while (done < size && !c->deaf) {
    ssize_t n = send (c->fd, bytes + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
      nobody_listens (c);
    if (n < 0)
      break;
    done += (size_t) n;
  }
  return done;
}

/* What the guest says no more, the host is told when it has the rest. */
static void
after_output (VsockConnection *c)
{
  if (c->out->len)
    return;
  if (c->guest_shut == SHUT_BOTH)
    vsock_tell (c, TELL_RESET);
  else if (c->guest_shut & SHUT_NO_SEND)
    shutdown (c->fd, SHUT_WR);
}

static void
flush (VsockConnection *c)
{
  size_t n = send_some (c, c->out->data, c->out->len);
  if (n && c->out->len) {
    g_byte_array_remove_range (c->out, 0, (guint) n);
    forwarded (c, (uint32_t) n);
  }
  after_output (c);
}

bool
vsock_connection_take (VsockConnection *c, const BpVirtioBuffer *b, uint64_t offset, uint32_t size)
{
  uint8_t bytes[8192];
  if (size > VSOCK_BUFFER - (c->received - c->forwarded))
    return false;
  for (uint32_t at = 0; at < size;) {
    size_t n = bp_virtio_read (b, offset + at, bytes, MIN (sizeof bytes, size - at)), sent;
    if (!n)
      return false;
    at += (uint32_t) n;
    c->received += (uint32_t) n;
    sent = c->out->len ? 0 : send_some (c, bytes, n);
    if (c->deaf)
      sent = n;
    g_byte_array_append (c->out, bytes + sent, (guint) (n - sent));
    forwarded (c, (uint32_t) sent);
  }
  vsock_connection_watch (c);
  return true;
}

void
vsock_connection_guest_shut (VsockConnection *c, unsigned flags)
{
  c->guest_shut |= flags & SHUT_BOTH;
  if (flags & SHUT_NO_RECEIVE)  /* nobody reads what the host writes: it is told (EPIPE) */
    shutdown (c->fd, SHUT_RD);
  after_output (c);
  vsock_connection_watch (c);
}

/* --- from the host ---------------------------------------------------------------------------------------- */

void
vsock_connection_ended (VsockConnection *c)
{
  struct pollfd p = { .fd = c->fd };
  c->hung_up |= poll (&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR);
  c->host_shut |= SHUT_NO_SEND | (c->hung_up ? SHUT_NO_RECEIVE : 0);
  c->readable = false;
  vsock_tell (c, TELL_SHUTDOWN);
}

/* A client that hears nothing after its CONNECT was refused. */
void
vsock_connection_response (VsockConnection *c)
{
  char text[32];
  int n = snprintf (text, sizeof text, "OK %u\n", (uint32_t) c->key);
  c->state = VSOCK_OPEN;
  if (send (c->fd, text, (size_t) n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
    vsock_tell (c, TELL_RESET);
  vsock_connection_watch (c);
}

static uint32_t
free_port (Vsock *v)
{
  for (;;) {
    uint32_t port = 0x40000000 | (v->next_port++ & 0x3fffffff);
    bool taken = false;
    for (guint i = 0; i < v->connections->len; i++)
      taken |= (uint32_t) ((VsockConnection *) v->connections->pdata[i])->key == port;
    if (!taken)
      return port;
  }
}

static bool
parse_greeting (const char *line, uint32_t *port)
{
  guint64 number;
  if (strncmp (line, "CONNECT ", 8) || !g_ascii_string_to_unsigned (line + 8, 10, 0, UINT32_MAX, &number, NULL))
    return false;
  *port = (uint32_t) number;
  return true;
}

/* One byte at a time: what comes behind the line is the guest's.  false: the connection is gone. */
static bool
read_greeting (VsockConnection *c)
{
  Vsock *v = c->vsock;
  for (;;) {
    ssize_t n = recv (c->fd, c->line + c->line_size, 1, MSG_DONTWAIT);
    uint32_t port;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      return true;
    if (n == 1 && c->line[c->line_size] != '\n' && ++c->line_size < sizeof c->line)
      continue;
    bool whole = n == 1 && c->line_size < sizeof c->line;
    if (whole)
      c->line[c->line_size] = 0;
    if (!whole || !parse_greeting (c->line, &port) || !vsock_bus (v)->features (v->bus.instance, v->device)) {
      vsock_connection_free (c);
      return false;
    }
    vsock_connection_set_key (c, port, free_port (v));
    c->state = VSOCK_REQUESTED;
    vsock_tell (c, TELL_REQUEST);
    return true;
  }
}

/* --- events ------------------------------------------------------------------------------------------------- */

static bool
on_ready (void *user, GIOCondition condition)
{
  VsockConnection *c = user;
  Vsock *v = c->vsock;
  if (c->state == VSOCK_GREETING && !read_greeting (c))
    return true;
  if (condition & (G_IO_HUP | G_IO_ERR)) {
    c->hung_up = true;
    if (c->state == VSOCK_REQUESTED)
      vsock_tell (c, TELL_RESET);
    nobody_listens (c);
    after_output (c);
  } else if (condition & G_IO_OUT)
    flush (c);
  c->readable |= (condition & (G_IO_IN | G_IO_HUP)) != 0;
  vsock_connection_watch (c);
  vsock_pump (v);
  return true;
}

/* One that hung up is always ready: what there is to read is read when the guest has room, without waiting. */
static GIOCondition
wanted (const VsockConnection *c)
{
  if (c->hung_up)
    return 0;
  if (c->state == VSOCK_GREETING)
    return G_IO_IN;
  GIOCondition condition = c->out->len ? G_IO_OUT : 0;
  if (vsock_connection_may_read (c) && !c->readable)
    condition |= G_IO_IN;
  return condition | G_IO_HUP;
}

void
vsock_connection_watch (VsockConnection *c)
{
  GIOCondition condition = wanted (c);
  if (condition == c->watched)
    return;
  if (c->watch)
    bp_loop_unwatch (loop_of (c), c->watch);
  c->watched = condition;
  c->watch = condition ? bp_loop_watch_fd (loop_of (c), bp_object_machine (c->vsock), c->fd, condition, on_ready, c) : 0;
}
