/* socket.c -- stream sockets by the addresses that users write: listening and connecting. */
/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "contract.h"
#include "machine.h"
#include <backplane/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 8 };
#define PATH_MOST (sizeof ((struct sockaddr_un *) 0)->sun_path - 1)

struct BpListener {
  int fd;
  int reserve;                  /* a descriptor to spare; -1: there is none now */
  char *path;                   /* of a Unix socket, ours to remove; NULL: none */
  BpMachine *machine;           /* whose main loop announces clients; NULL: nobody is announced */
  bool locked;
  bool (*client) (void *user, int fd);
  void *user;
  unsigned watch;               /* of the socket, or of the time until it is watched again; 0: none */
};

/* --- addresses -------------------------------------------------------------------------------------- */

typedef struct Address {
  const char *path, *port;      /* unix:PATH, or the port: within the text */
  char *host;                   /* NULL: none was given */
} Address;

static void
address_clear (Address *a)
{
  g_free (a->host);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Address, address_clear)

static char *
host_of (const char *text, size_t length)
{
  bool brackets = length > 2 && text[0] == '[' && text[length - 1] == ']';
  return !length ? NULL : brackets ? g_strndup (text + 1, length - 2) : g_strndup (text, length);
}

/* Forms that whoever takes an address takes. */
static char *
wrong_address (const char *text, const char *port)
{
  bool is_number = *port && strspn (port, "0123456789") == strlen (port);
  return is_number ? g_strdup_printf ("`%s`: a port is a number in 1..65535", text)
                   : g_strdup_printf ("`%s` is not an address; write unix:PATH or tcp:HOST:PORT", text);
}

/* Returns what is wrong, NULL: nothing. */
static char *
address_parse (const char *text, Address *a)
{
  const char *tcp = g_str_has_prefix (text, "tcp:") ? text + strlen ("tcp:") : text, *colon = strrchr (tcp, ':');
  guint64 number;
  *a = (Address) { .path = g_str_has_prefix (text, "unix:") ? text + strlen ("unix:") : NULL, .port = colon ? colon + 1 : tcp };
  if (a->path && !*a->path)
    return g_strdup ("the path is empty");
  if (a->path && strlen (a->path) > PATH_MOST)
    return g_strdup_printf ("the path is longer than a Unix socket's may be (%zu bytes)", PATH_MOST);
  if (!a->path && !g_ascii_string_to_unsigned (a->port, 10, 0, 65535, &number, NULL))
    return wrong_address (text, a->port);
  a->host = a->path || !colon ? NULL : host_of (tcp, (size_t) (colon - tcp));
  return NULL;
}

char *
bp_socket_wrong (const char *address)
{
  g_auto (Address) a = { NULL };
  return address_parse (address, &a);
}

static bool
parse (const char *text, Address *a, GError **error)
{
  g_autofree char *wrong = address_parse (text, a);
  if (wrong)
    g_set_error_literal (error, BP_ERROR, BP_ERROR_PROPERTY, wrong);
  return !wrong;
}

/* What errno says of it. */
static bool
failed (const char *what, const char *address, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot %s %s: %s", what, address, g_strerror (errno));
  return false;
}

static void
close_quietly (int fd)
{
  int reason = errno;
  if (fd >= 0)
    close (fd);
  errno = reason;
}

/* --- TCP ---------------------------------------------------------------------------------------------- */

static int
try_listen (const struct addrinfo *ai)
{
  int on = 1, fd = socket (ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
  if (fd < 0)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind (fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen (fd, BACKLOG) == 0)
    return fd;
  close_quietly (fd);
  return -1;
}

static int
try_connect (const struct addrinfo *ai)
{
  int fd = socket (ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
  if (fd < 0 || connect (fd, ai->ai_addr, ai->ai_addrlen) == 0)
    return fd;
  close_quietly (fd);
  return -1;
}

/* The first of the host's addresses with which it works; -1 with error. */
static int
open_tcp (const char *text, const Address *a, const char *host, bool listens, GError **error)
{
  struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | (listens ? AI_PASSIVE : 0) }, *list;
  int fd = -1, code = getaddrinfo (host, a->port, &hints, &list);
  if (code) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot resolve %s: %s", text, gai_strerror (code));
    return -1;
  }
  for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
    fd = listens ? try_listen (ai) : try_connect (ai);
  int reason = errno;
  freeaddrinfo (list);
  errno = reason;
  if (fd < 0)
    failed (listens ? "listen on" : "connect to", text, error);
  return fd;
}

static void
set_no_delay (int fd)
{
  int on = 1;
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);    /* fails on Unix sockets, which need it not */
}

/* --- Unix --------------------------------------------------------------------------------------------- */

static struct sockaddr_un
unix_address (const char *path)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX };
  g_strlcpy (sun.sun_path, path, sizeof sun.sun_path);
  return sun;
}

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

/* The mode that the file gets is the socket's; the process's umask is every thread's and stays as it is. */
static bool
listen_unix (BpListener *l, const char *path)
{
  struct sockaddr_un sun = unix_address (path);
  l->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (l->fd < 0 || fchmod (l->fd, 0600) || !bind_unix (l->fd, &sun))
    return false;
  l->path = g_strdup (path);
  return listen (l->fd, BACKLOG) == 0;
}

/* --- connecting --------------------------------------------------------------------------------------- */

static int
connect_unix (const char *path)
{
  struct sockaddr_un sun = unix_address (path);
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect (fd, (const struct sockaddr *) &sun, sizeof sun) == 0)
    return fd;
  close_quietly (fd);
  return -1;
}

int
bp_socket_connect (const char *address, GError **error)
{
  g_auto (Address) a = { NULL };
  if (!parse (address, &a, error))
    return -1;
  int fd = a.path ? connect_unix (a.path) : open_tcp (address, &a, a.host ? a.host : "127.0.0.1", false, error);
  if (fd < 0 && a.path)
    failed ("connect to", address, error);
  if (fd >= 0)
    set_no_delay (fd);
  return fd;
}

/* --- listening ---------------------------------------------------------------------------------------- */

static int
spare_descriptor (void)
{
  return open ("/dev/null", O_RDONLY | O_CLOEXEC);
}

BpListener *
bp_listener_new_of (int fd)
{
  BpListener *l = g_new0 (BpListener, 1);
  l->fd = fd;
  l->reserve = fd >= 0 ? spare_descriptor () : -1;
  return l;
}

BpListener *
bp_listener_new (const char *address, unsigned flags, GError **error)
{
  g_auto (Address) a = { NULL };
  if (!parse (address, &a, error))
    return NULL;
  BpListener *l = bp_listener_new_of (-1);
  bool good;
  if (a.path) {
    good = listen_unix (l, a.path) || failed ("listen on", address, error);
  } else {
    l->fd = open_tcp (address, &a, a.host || flags & BP_LISTEN_EVERYWHERE ? a.host : "127.0.0.1", true, error);
    good = l->fd >= 0;
  }
  if (!good) {
    bp_listener_free (l);
    return NULL;
  }
  l->reserve = spare_descriptor ();
  return l;
}

void
bp_listener_free (BpListener *l)
{
  if (!l)
    return;
  if (l->watch)
    bp_loop_unwatch (bp_loop_main (l->machine), l->watch);
  if (l->fd >= 0)
    close (l->fd);
  if (l->reserve >= 0)
    close (l->reserve);
  if (l->path)
    unlink (l->path);
  g_free (l->path);
  g_free (l);
}

int
bp_listener_fd (const BpListener *l)
{
  return l->fd;
}

/* false: he waits still. */
static bool
hang_up (BpListener *l)
{
  if (l->reserve >= 0)
    close (l->reserve);
  int fd = accept4 (l->fd, NULL, NULL, SOCK_CLOEXEC);
  bool good = fd >= 0 || errno == EAGAIN;
  if (fd >= 0)
    close (fd);
  l->reserve = spare_descriptor ();
  return good;
}

/* waits: somebody could not even be turned away. */
static int
accept_one (BpListener *l, bool *waits)
{
  int fd = accept4 (l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  *waits = fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) && !hang_up (l);
  if (fd >= 0)
    set_no_delay (fd);
  return fd;
}

int
bp_listener_accept (BpListener *l)
{
  bool waits;
  return accept_one (l, &waits);
}

/* --- announcing --------------------------------------------------------------------------------------- */

enum { SHORTAGE_MS = 10 };

static void watch_socket (BpListener *l);

static bool
after_shortage (void *listener, GIOCondition none)
{
  watch_socket (listener);
  return false;
}

/* Who cannot be turned away is there again at once: the loop must not turn in circles for him. */
static bool
on_socket (void *listener, GIOCondition condition)
{
  BpListener *l = listener;
  bool waits;
  int fd = accept_one (l, &waits);
  if (fd >= 0)
    return l->client (l->user, fd);
  if (waits)
    l->watch = loop_watch_time (bp_loop_main (l->machine), l->locked ? l->machine : NULL, SHORTAGE_MS, after_shortage, l);
  return !waits;
}

static void
watch_socket (BpListener *l)
{
  l->watch = bp_loop_watch_fd (bp_loop_main (l->machine), l->locked ? l->machine : NULL, l->fd, G_IO_IN, on_socket, l);
}

void
bp_listener_watch (BpListener *l, BpMachine *machine, bool locked, bool (*client) (void *user, int fd), void *user)
{
  CONTRACT_MAIN (machine);
  l->machine = machine;
  l->locked = locked;
  l->client = client;
  l->user = user;
  watch_socket (l);
}
