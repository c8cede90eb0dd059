/* vsock-peer.c -- both ends of a stream for test-linux-vsock: sends standard input and prints what comes back, or sends back what it gets; in a guest, and on the host. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

static int
failed (const char *what)
{
  fprintf (stderr, "vsock-peer: %s: %s\n", what, strerror (errno));
  exit (1);
}

static int
open_socket (const char *where, unsigned cid, bool serves)
{
  struct sockaddr_vm v = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = (unsigned) atoi (where) };
  struct sockaddr_un u = { .sun_family = AF_UNIX };
  bool is_unix = strchr (where, '/');
  struct sockaddr *a = is_unix ? (struct sockaddr *) &u : (struct sockaddr *) &v;
  socklen_t size = is_unix ? sizeof u : sizeof v;
  snprintf (u.sun_path, sizeof u.sun_path, "%s", where);
  int fd = socket (is_unix ? AF_UNIX : AF_VSOCK, SOCK_STREAM, 0);
  if (fd < 0)
    failed ("socket");
  if (!serves)
    return connect (fd, a, size) ? failed ("connect") : fd;
  if (bind (fd, a, size) || listen (fd, 1))
    failed ("bind");
  int peer = accept (fd, NULL, NULL);
  return peer < 0 ? failed ("accept") : peer;
}

static void
write_all (int fd, const char *bytes, size_t size)
{
  for (ssize_t n; size; bytes += n, size -= (size_t) n)
    if ((n = write (fd, bytes, size)) < 0)
      failed ("write");
}

static void
echo (int fd)
{
  char bytes[65536];
  ssize_t n;
  while ((n = read (fd, bytes, sizeof bytes)) > 0)
    write_all (fd, bytes, (size_t) n);
  if (n < 0)
    failed ("read");
}

/* Both directions at a time. */
static void
converse (int fd)
{
  char out[65536], in[65536];
  size_t at = 0, end = 0;
  struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
  while (poll (&p, 1, -1) == 1) {
    if (p.events & POLLOUT && at == end) {
      ssize_t n = read (STDIN_FILENO, out, sizeof out);
      at = 0;
      end = n > 0 ? (size_t) n : 0;
      if (!end) {
        shutdown (fd, SHUT_WR);
        p.events = POLLIN;
      }
    }
    if (p.revents & POLLOUT && at < end) {
      ssize_t n = send (fd, out + at, end - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno != EAGAIN)
        failed ("send");
      at += n > 0 ? (size_t) n : 0;
    }
    if (p.revents & (POLLIN | POLLHUP)) {
      ssize_t n = recv (fd, in, sizeof in, MSG_DONTWAIT);
      if (n == 0)
        return;
      if (n < 0 && errno != EAGAIN)
        failed ("recv");
      if (n > 0)
        write_all (STDOUT_FILENO, in, (size_t) n);
    }
  }
}

static void
ask_for_port (int fd, const char *port)
{
  char line[64] = "";
  int n = snprintf (line, sizeof line, "CONNECT %s\n", port);
  write_all (fd, line, (size_t) n);
  for (n = 0; n < (int) sizeof line - 1 && read (fd, line + n, 1) == 1 && line[n] != '\n'; n++)
    ;
  if (strncmp (line, "OK ", 3)) {
    fprintf (stderr, "vsock-peer: refused\n");
    exit (3);
  }
}

int
main (int argc, char **argv)
{
  if (argc == 3 && strcmp (argv[1], "echo") == 0)
    echo (open_socket (argv[2], VMADDR_CID_ANY, true));
  else if (argc == 3 && strcmp (argv[1], "talk") == 0)
    converse (open_socket (argv[2], VMADDR_CID_HOST, false));
  else if (argc == 4 && strcmp (argv[1], "talk") == 0) {
    int fd = open_socket (argv[2], 0, false);
    ask_for_port (fd, argv[3]);
    converse (fd);
  } else {
    fprintf (stderr, "usage: vsock-peer echo PORT|PATH, talk PORT, talk PATH PORT\n");
    return 2;
  }
  return 0;
}
