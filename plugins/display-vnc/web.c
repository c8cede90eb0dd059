/* web.c -- the web client's files, over HTTP on the server's own port: a GET that does not want a WebSocket. */
/* SPDX-License-Identifier: MIT */
#include "display-vnc.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUEST_MOST 8192u
enum { SILENT_MS = 100, REQUEST_MS = 5000, STALL_MS = 10000 };

/* --- the request ------------------------------------------------------------------------------- */

/* Looks at what has come without taking it; false: it is not there in time. */
static bool
peek_request (int fd, char *text)
{
  int64_t end = g_get_monotonic_time () + REQUEST_MS * 1000;
  ssize_t n = 0, before = -1;
  while (g_get_monotonic_time () < end && n < (ssize_t) REQUEST_MOST) {
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (n == before)
      g_usleep (5000);          /* what was seen stays readable */
    if (poll (&p, 1, n ? REQUEST_MS : SILENT_MS) <= 0)
      return false;
    before = n;
    n = recv (fd, text, REQUEST_MOST, MSG_PEEK);
    if (n <= 0)
      return false;
    text[n] = 0;
    if (strncmp (text, "GET ", (size_t) MIN (n, 4)) != 0)
      return false;
    if (strstr (text, "\r\n\r\n"))
      return true;
  }
  return false;
}

bool
vnc_web_wants (int fd)
{
  char *text = g_malloc (REQUEST_MOST + 1);
  bool wants = peek_request (fd, text);
  if (wants) {
    char *folded = g_ascii_strdown (text, -1);
    wants = !strstr (folded, "\r\nupgrade:");
    g_free (folded);
  }
  g_free (text);
  return wants;
}

/* The path of the request, decoded; NULL: there is none. */
static char *
path_of (char *text)
{
  char *start = text + 4, *end = start + strcspn (start, " ?#\r\n");
  *end = 0;
  char *path = *start == '/' ? g_uri_unescape_string (start, NULL) : NULL;
  if (path && strcmp (path, "/") == 0) {
    g_free (path);
    path = g_strdup ("/vnc.html");
  }
  return path;
}

/* --- the answer -------------------------------------------------------------------------------- */

static bool
write_all (int fd, const char *bytes, size_t size)
{
  while (size) {
    ssize_t n = send (fd, bytes, size, MSG_NOSIGNAL);
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    if (n < 0 && (errno != EAGAIN || poll (&p, 1, STALL_MS) <= 0))
      return false;
    if (n > 0) {
      bytes += n;
      size -= (size_t) n;
    }
  }
  return true;
}

static const char *
media_type (const char *path)
{
  static const struct { const char *end, *type; } types[] = {
    { ".html", "text/html; charset=utf-8" }, { ".js", "text/javascript" },    { ".css", "text/css" },  { ".svg", "image/svg+xml" },
    { ".png", "image/png" },                 { ".json", "application/json" }, { ".ico", "image/x-icon" }, { ".woff2", "font/woff2" },
    { ".woff", "font/woff" },                { ".ttf", "font/ttf" },          { ".oga", "audio/ogg" }, { ".mp3", "audio/mpeg" },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_has_suffix (path, types[i].end))
      return types[i].type;
  return "application/octet-stream";
}

static void
say (int fd, const char *status)
{
  char *text = g_strdup_printf ("HTTP/1.0 %s\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n%s\n", status, status);
  write_all (fd, text, strlen (text));
  g_free (text);
}

/* A regular file in the folder, links followed; -1: no such. */
static int
open_inside (const char *folder, const char *path, uint64_t *size)
{
  char *name = g_build_filename (folder, path, NULL), *real = realpath (name, NULL), *root = realpath (folder, NULL);
  size_t n = root ? strlen (root) : 0;
  bool inside = real && root && strncmp (real, root, n) == 0 && real[n] == '/';
  struct stat s;
  int fd = inside ? open (real, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
  if (fd >= 0 && (fstat (fd, &s) != 0 || !S_ISREG (s.st_mode))) {
    close (fd);
    fd = -1;
  }
  if (fd >= 0)
    *size = (uint64_t) s.st_size;
  free (real);
  free (root);
  g_free (name);
  return fd;
}

static void
send_file (int fd, const char *path, int file, uint64_t size)
{
  char *head = g_strdup_printf ("HTTP/1.0 200 OK\r\nContent-Type: %s\r\nContent-Length: %" G_GUINT64_FORMAT "\r\nConnection: close\r\n\r\n", media_type (path), size);
  char *buffer = g_malloc (65536);
  bool fine = write_all (fd, head, strlen (head));
  while (fine && size) {
    ssize_t n = read (file, buffer, MIN (size, 65536));
    fine = n > 0 && write_all (fd, buffer, (size_t) n);
    size -= fine ? (uint64_t) n : 0;
  }
  g_free (buffer);
  g_free (head);
}

void
vnc_web_serve (VncDisplay *d, int fd)
{
  char *text = g_malloc (REQUEST_MOST + 1);
  ssize_t n = recv (fd, text, REQUEST_MOST, 0);
  text[MAX (n, 0)] = 0;
  uint64_t size;
  char *path = n > 4 ? path_of (text) : NULL;
  int file = path ? open_inside (d->web, path, &size) : -1;
  if (file >= 0)
    send_file (fd, path, file, size);
  else
    say (fd, path ? "404 Not Found" : "400 Bad Request");
  if (file >= 0)
    close (file);
  shutdown (fd, SHUT_WR);
  close (fd);
  g_free (path);
  g_free (text);
}
