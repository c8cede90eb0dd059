/* pump.c -- moves bytes over TCP and says how fast: `pump serve PORT' on the loopback, `pump get|put ADDRESS PORT MIB' against it. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024, MIB = 1024 * 1024 };
static char buffer[CHUNK];

static int
fail (const char *what)
{
  perror (what);
  return 1;
}

static int
receive_all (int fd, uint64_t size)
{
  while (size) {
    ssize_t n = read (fd, buffer, size < CHUNK ? size : CHUNK);
    if (n <= 0)
      return -1;
    size -= (uint64_t) n;
  }
  return 0;
}

static int
send_all (int fd, uint64_t size)
{
  while (size) {
    ssize_t n = write (fd, buffer, size < CHUNK ? size : CHUNK);
    if (n <= 0)
      return -1;
    size -= (uint64_t) n;
  }
  return 0;
}

/* A request is eight bytes: what, and how many MiB. */
static void
answer (int fd)
{
  uint32_t request[2];
  if (read (fd, request, sizeof request) != sizeof request)
    return;
  uint64_t size = (uint64_t) request[1] * MIB;
  if (request[0] == 'g')
    send_all (fd, size);
  else if (receive_all (fd, size) == 0 && write (fd, "k", 1) != 1)
    perror ("write");
}

static int
serve (uint16_t port)
{
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons (port), .sin_addr = { htonl (INADDR_LOOPBACK) } };
  int fd = socket (AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind (fd, (struct sockaddr *) &a, sizeof a) != 0 || listen (fd, 8) != 0)
    return fail ("pump");
  for (;;) {
    int client = accept (fd, NULL, NULL);
    if (client < 0)
      return fail ("accept");
    answer (client);
    close (client);
  }
}

static double
now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static int
measure (const char *what, const char *address, uint16_t port, uint32_t mib)
{
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons (port) };
  uint32_t request[2] = { (uint32_t) what[0], mib };
  char k;
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  inet_pton (AF_INET, address, &a.sin_addr);
  if (connect (fd, (struct sockaddr *) &a, sizeof a) != 0 || write (fd, request, sizeof request) != sizeof request)
    return fail ("connect");
  double start = now ();
  int bad = what[0] == 'g' ? receive_all (fd, (uint64_t) mib * MIB) : send_all (fd, (uint64_t) mib * MIB) != 0 || read (fd, &k, 1) != 1;
  if (bad)
    return fail (what);
  printf ("bench %s %.2f MiB/s\n", what, mib / (now () - start));
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc == 3 && strcmp (argv[1], "serve") == 0)
    return serve ((uint16_t) atoi (argv[2]));
  if (argc == 5)
    return measure (argv[1], argv[2], (uint16_t) atoi (argv[3]), (uint32_t) atoi (argv[4]));
  fprintf (stderr, "usage: pump serve PORT | pump get|put ADDRESS PORT MIB\n");
  return 2;
}
