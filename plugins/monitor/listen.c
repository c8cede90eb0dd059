/* listen.c -- a socket that clients connect to, by the address that a user writes. */
/* SPDX-License-Identifier: MIT */
#include "listen.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- addresses -------------------------------------------------------------------------------------- */

static const char *
unix_path (const char *address)
{
  return g_str_has_prefix (address, "unix:") ? address + strlen ("unix:") : NULL;
}

/* HOST:PORT, [HOST]:PORT; *host is the caller's.  Returns the port, NULL: there is none. */
static const char *
split_tcp (const char *address, char **host)
{
  const char *text = g_str_has_prefix (address, "tcp:") ? address + strlen ("tcp:") : address, *colon = strrchr (text, ':');
  if (!colon || !colon[1] || strchr (colon, ']') || strspn (colon + 1, "0123456789") != strlen (colon + 1))
    return NULL;
  *host = g_strndup (text, (gsize) (colon - text));
  size_t length = strlen (*host);
  if (length > 1 && (*host)[0] == '[' && (*host)[length - 1] == ']') {
    memmove (*host, *host + 1, length - 2);
    (*host)[length - 2] = 0;
  }
  return colon + 1;
}

char *
listen_wrong (const char *address)
{
  const char *path = unix_path (address);
  g_autofree char *host = NULL;
  if (path && !*path)
    return g_strdup ("the path is empty");
  if (path && strlen (path) >= sizeof ((struct sockaddr_un *) 0)->sun_path)
    return g_strdup_printf ("the path is longer than a Unix socket's may be (%zu bytes)", sizeof ((struct sockaddr_un *) 0)->sun_path - 1);
  const char *port = path ? NULL : split_tcp (address, &host);
  if (path || (port && strlen (port) <= 5 && atoi (port) <= 65535))
    return NULL;
  return g_strdup_printf ("`%s` is not an address; write unix:PATH or HOST:PORT", address);
}

static bool
failed (Listener *l, const char *address, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot listen on %s: %s", address, g_strerror (errno));
  listen_close (l);
  return false;
}

/* --- opening ------------------------------------------------------------------------------------------ */

/* A socket file that nobody answers on is left over from a program that ended badly. */
static bool
is_stale (const struct sockaddr_un *sun)
{
  struct stat st;
  if (lstat (sun->sun_path, &st) || !S_ISSOCK (st.st_mode))
    return false;
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  bool refused = fd >= 0 && connect (fd, (const struct sockaddr *) sun, sizeof *sun) < 0 && errno == ECONNREFUSED;
  if (fd >= 0)
    close (fd);
  return refused;
}

static bool
bind_unix (int fd, const struct sockaddr_un *sun)
{
  if (bind (fd, (const struct sockaddr *) sun, sizeof *sun) == 0)
    return true;
  if (errno != EADDRINUSE)
    return false;
  bool stale = is_stale (sun);
  errno = EADDRINUSE;
  return stale && unlink (sun->sun_path) == 0 && bind (fd, (const struct sockaddr *) sun, sizeof *sun) == 0;
}

static bool
open_unix (Listener *l, const char *path)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX };
  g_strlcpy (sun.sun_path, path, sizeof sun.sun_path);
  l->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (l->fd < 0 || !bind_unix (l->fd, &sun))
    return false;
  l->path = g_strdup (path);
  return listen (l->fd, 8) == 0;
}

static bool
try_tcp (Listener *l, const struct addrinfo *ai)
{
  int on = 1;
  l->fd = socket (ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
  if (l->fd < 0)
    return false;
  setsockopt (l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind (l->fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen (l->fd, 8) == 0)
    return true;
  int reason = errno;
  close (l->fd);
  l->fd = -1;
  errno = reason;
  return false;
}

bool
listen_open (Listener *l, const char *address, GError **error)
{
  const char *path = unix_path (address);
  *l = (Listener) { .fd = -1 };
  if (path)
    return open_unix (l, path) || failed (l, address, error);
  g_autofree char *host = NULL;
  const char *port = split_tcp (address, &host);
  struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list;
  int code = getaddrinfo (*host ? host : "127.0.0.1", port, &hints, &list);
  if (code) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot resolve %s: %s", address, gai_strerror (code));
    return false;
  }
  bool good = false;
  for (const struct addrinfo *ai = list; ai && !good; ai = ai->ai_next)
    good = try_tcp (l, ai);
  int reason = errno;
  freeaddrinfo (list);
  errno = reason;
  return good || failed (l, address, error);
}

void
listen_close (Listener *l)
{
  if (l->fd >= 0)
    close (l->fd);
  if (l->path)
    unlink (l->path);
  g_free (l->path);
  *l = (Listener) { .fd = -1 };
}

int
listen_accept (const Listener *l)
{
  int on = 1, fd = accept4 (l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0)
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  /* fails on Unix sockets, which need it not */
  return fd;
}
