/* listen.c -- where the server listens, and who is let in. */
/* SPDX-License-Identifier: MIT */
#include "display-vnc.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_PORT = 5900, LAST_AUTO_PORT = 5999, BACKLOG = 16 };

/* --- who is let in ---------------------------------------------------------------------------- */

bool
vnc_admit (VncClient *c)
{
  VncDisplay *d = c->display;
  unsigned viewing = 0, most = d->sharing == SHARING_EXCLUSIVE ? 1 : d->max_clients;
  g_mutex_lock (&d->lock);
  for (unsigned i = 0; i < d->n_clients; i++)
    viewing += d->clients[i].state == VNC_VIEWING;
  bool fine = viewing < most && !d->ending;
  if (fine)
    c->state = VNC_VIEWING;
  g_mutex_unlock (&d->lock);
  return fine;
}

/* `control` of a place in use is closed by the main loop, after it took the place back. */
void
vnc_end_others (VncClient *c)
{
  VncDisplay *d = c->display;
  g_mutex_lock (&d->lock);
  for (unsigned i = 0; i < d->n_clients; i++)
    if (&d->clients[i] != c && d->clients[i].state == VNC_VIEWING)
      shutdown (d->clients[i].control, SHUT_RDWR);
  g_mutex_unlock (&d->lock);
}

static VncClient *
free_place (VncDisplay *d)
{
  for (unsigned i = 0; i < d->n_clients; i++)
    if (!d->clients[i].thread)
      return &d->clients[i];
  return NULL;
}

/* The host has no thread for it. */
static void
give_back (VncClient *c, int fd)
{
  g_mutex_lock (&c->display->lock);
  close (c->control);
  close (fd);
  c->control = c->socket = -1;
  c->state = VNC_FREE;
  g_mutex_unlock (&c->display->lock);
}

static void
start (VncDisplay *d, int fd)
{
  VncClient *c = free_place (d);
  int control = c && fd < FD_SETSIZE ? fcntl (fd, F_DUPFD_CLOEXEC, 0) : -1;     /* libvncserver waits with select */
  if (control < 0) {
    close (fd);
    return;
  }
  vnc_picture_update (d);       /* its size is the first thing that the client learns */
  c->socket = fd;
  c->is_authentic = false;
  g_mutex_lock (&d->lock);
  c->control = control;
  c->state = VNC_CONNECTED;
  g_mutex_unlock (&d->lock);
  c->thread = g_thread_try_new ("vnc", vnc_client_thread, c, NULL);
  if (!c->thread)
    give_back (c, fd);
  vnc_picture_follow_clients (d);
}

static bool
on_client (void *display, int fd)
{
  start (display, fd);
  return true;
}

/* --- sockets -------------------------------------------------------------------------------------- */

static bool
bind_one (VncDisplay *d, const struct addrinfo *a)
{
  int one = 1, fd = socket (a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return false;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (a->ai_family == AF_INET6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (d->n_listeners == MAX_LISTENERS || bind (fd, a->ai_addr, a->ai_addrlen) != 0 || listen (fd, BACKLOG) != 0) {
    int why = errno;
    close (fd);
    errno = why;
    return false;
  }
  d->listeners[d->n_listeners++] = bp_listener_new_of (fd);
  return true;
}

void
vnc_listen_stop (VncDisplay *d)
{
  while (d->n_listeners)
    bp_listener_free (d->listeners[--d->n_listeners]);
}

/* On every address of the host that there is; a host without IPv6 is fine. */
static bool
bind_all (VncDisplay *d, const struct addrinfo *all, unsigned port)
{
  int why = 0;
  for (const struct addrinfo *a = all; a; a = a->ai_next) {
    if (a->ai_family == AF_INET)
      ((struct sockaddr_in *) a->ai_addr)->sin_port = htons ((uint16_t) port);
    else
      ((struct sockaddr_in6 *) a->ai_addr)->sin6_port = htons ((uint16_t) port);
    if (bind_one (d, a))
      continue;
    why = errno;
    if (why == EADDRINUSE || why == EACCES)
      vnc_listen_stop (d);
    if (why == EADDRINUSE || why == EACCES)
      break;
  }
  errno = why;
  return d->n_listeners > 0;
}

static bool
is_loopback (const struct addrinfo *a)
{
  if (a->ai_family == AF_INET)
    return ntohl (((const struct sockaddr_in *) a->ai_addr)->sin_addr.s_addr) >> 24 == 127;
  return IN6_IS_ADDR_LOOPBACK (&((const struct sockaddr_in6 *) a->ai_addr)->sin6_addr);
}

bool
vnc_parse_port (const VncDisplay *d, unsigned *first, unsigned *last, GError **error)
{
  char *end;
  unsigned long port = strtoul (d->port, &end, 10);
  bool is_auto = strcmp (d->port, "auto") == 0;
  *first = is_auto ? FIRST_PORT : (unsigned) port;
  *last = is_auto ? LAST_AUTO_PORT : (unsigned) port;
  if (is_auto || (g_ascii_isdigit (d->port[0]) && !*end && port >= 1 && port <= 65535))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "port = %s is no port: 1 to 65535, or auto", d->port);
  return false;
}

static struct addrinfo *
resolve (const VncDisplay *d, GError **error)
{
  struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *all = NULL;
  const char *host = strcmp (d->listen, "*") == 0 ? NULL : d->listen;
  int status = getaddrinfo (host, "5900", &hints, &all);
  if (status == 0)
    return all;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "listen = %s: %s", d->listen, gai_strerror (status));
  return NULL;
}

static void
warn_of_strangers (const VncDisplay *d, const struct addrinfo *all)
{
  for (const struct addrinfo *a = all; a; a = a->ai_next)
    if (!d->secret && !is_loopback (a)) {
      bp_warn (d, "whoever reaches this host sees the screen%s: set a password", d->view_only ? "" : " and types");
      return;
    }
}

bool
vnc_listen (VncDisplay *d, GError **error)
{
  unsigned first, last;
  struct addrinfo *all = vnc_parse_port (d, &first, &last, error) ? resolve (d, error) : NULL;
  if (!all)
    return false;
  for (d->bound_port = first; d->bound_port <= last && !bind_all (d, all, d->bound_port); d->bound_port++)
    ;
  bool fine = d->n_listeners > 0;
  if (!fine)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot listen on %s, port %s: %s", d->listen, d->port, g_strerror (errno));
  else
    warn_of_strangers (d, all);
  freeaddrinfo (all);
  for (unsigned i = 0; i < d->n_listeners; i++)
    bp_listener_watch (d->listeners[i], bp_object_machine (d), false, on_client, d);
  return fine;
}
