/* listen.c -- the socket on which gdb is expected: a TCP port, on the loopback interface unless told otherwise, or a Unix socket. */
/* SPDX-License-Identifier: MIT */
#include "gdb.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int
failed (int fd, const char *where, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "listen: cannot listen on %s: %s", where, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

/* --- Unix -------------------------------------------------------------------------------- */

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

/* Who can open the file owns the machine: it is the user's alone. */
static int
listen_unix (const char *path, GError **error)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX };
  if (strlen (path) >= sizeof sun.sun_path) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "listen: the path of a Unix socket has at most %zu bytes", sizeof sun.sun_path - 1);
    return -1;
  }
  memcpy (sun.sun_path, path, strlen (path) + 1);
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  mode_t mask = umask (077);
  bool bound = fd >= 0 && bind (fd, (struct sockaddr *) &sun, sizeof sun) == 0;
  if (fd >= 0 && !bound && errno == EADDRINUSE) {
    bool stale = is_stale (&sun);
    errno = EADDRINUSE;
    bound = stale && unlink (path) == 0 && bind (fd, (struct sockaddr *) &sun, sizeof sun) == 0;
  }
  umask (mask);
  return bound && listen (fd, 2) == 0 ? fd : failed (fd, path, error);
}

/* --- TCP --------------------------------------------------------------------------------- */

static int
listen_on (const struct addrinfo *ai)
{
  int on = 1, fd = socket (ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
  if (fd < 0)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind (fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen (fd, 2) == 0)
    return fd;
  int reason = errno;
  close (fd);
  errno = reason;
  return -1;
}

/* PORT, HOST:PORT, [ADDRESS]:PORT; with tcp: before it, as other sockets are written, or without. */
static int
listen_tcp (const char *where, GError **error)
{
  gdb_skip (&where, "tcp:");
  const char *colon = strrchr (where, ':'), *port = colon ? colon + 1 : where;
  g_autofree char *host = colon && colon > where ? g_strndup (where, (gsize) (colon - where)) : g_strdup ("127.0.0.1");
  size_t length = strlen (host);
  struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *list;
  guint64 number;
  if (!g_ascii_string_to_unsigned (port, 10, 1, 65535, &number, NULL)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "listen: `%s` is neither PORT, HOST:PORT nor unix:PATH", where);
    return -1;
  }
  if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
    memmove (host, host + 1, length - 2);
    host[length - 2] = 0;
  }
  int code = getaddrinfo (host, port, &hints, &list);
  if (code) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "listen: cannot resolve %s: %s", host, gai_strerror (code));
    return -1;
  }
  int fd = -1;
  for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
    fd = listen_on (ai);
  int reason = errno;
  freeaddrinfo (list);
  errno = reason;
  return fd >= 0 ? fd : failed (fd, where, error);
}

int
gdb_listen (const char *where, char **path, GError **error)
{
  bool is_unix = g_str_has_prefix (where, "unix:");
  int fd = is_unix ? listen_unix (where + 5, error) : listen_tcp (where, error);
  *path = fd >= 0 && is_unix ? g_strdup (where + 5) : NULL;
  return fd;
}
