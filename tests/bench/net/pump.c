/* pump.c -- moves bytes over TCP and says how fast: `pump serve ADDRESS PORT', and against it `pump get|put ADDRESS PORT MIB', or `pump quit ADDRESS PORT'. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdbool.h>
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

/* A request is eight bytes: what, and how many MiB.  false: to serve no more. */
static bool
answer (int fd)
{
  uint32_t request[2];
  if (read (fd, request, sizeof request) != sizeof request)
    return true;
  uint64_t size = (uint64_t) request[1] * MIB;
  if (request[0] == 'g')
    send_all (fd, size);
  else if (request[0] == 'p' && receive_all (fd, size) == 0 && write (fd, "k", 1) != 1)
    perror ("write");
  return request[0] != 'q';
}

static int
serve (const char *address, uint16_t port)
{
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons (port) };
  int fd = socket (AF_INET, SOCK_STREAM, 0), yes = 1;
  inet_pton (AF_INET, address, &a.sin_addr);
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind (fd, (struct sockaddr *) &a, sizeof a) != 0 || listen (fd, 8) != 0)
    return fail ("pump");
  for (bool more = true; more;) {
    int client = accept (fd, NULL, NULL);
    if (client < 0)
      return fail ("accept");
    more = answer (client);
    close (client);
  }
  return 0;
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
  if (what[0] == 'q')
    return 0;
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
  if (argc == 4 && strcmp (argv[1], "serve") == 0)
    return serve (argv[2], (uint16_t) atoi (argv[3]));
  if (argc == 4 && strcmp (argv[1], "quit") == 0)
    return measure (argv[1], argv[2], (uint16_t) atoi (argv[3]), 0);
  if (argc == 5)
    return measure (argv[1], argv[2], (uint16_t) atoi (argv[3]), (uint32_t) atoi (argv[4]));
  fprintf (stderr, "usage: pump serve|quit ADDRESS PORT | pump get|put ADDRESS PORT MIB\n");
  return 2;
}
