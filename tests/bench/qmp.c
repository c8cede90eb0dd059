/* qmp.c -- asks a machine's QMP monitor and says how long its answer took. */
/* SPDX-License-Identifier: MIT */
/*
 * qmp SOCKET COMMAND [TEXT]: prints "NS ANSWER".  It waits for the socket; with TEXT it asks again until the answer holds TEXT.
 * The exit status is 1 when the answer is an error, or when there is none in time.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 60 };         /* seconds */
static char answer[1 << 16];

static int64_t
now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static int
connect_to (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  snprintf (address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);
  for (int i = 0; i < PATIENCE * 100; i++, usleep (10000))
    if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
      return fd;
  return -1;
}

static int
read_line (int fd)
{
  size_t n = 0;
  for (struct pollfd p = { .fd = fd, .events = POLLIN }; n < sizeof answer - 1;) {
    if (poll (&p, 1, PATIENCE * 1000) <= 0 || read (fd, answer + n, 1) != 1)
      return 0;
    if (answer[n++] == '\n')
      break;
  }
  answer[n] = 0;
  return 1;
}

static int
ask (int fd, const char *command)
{
  if (write (fd, command, strlen (command)) < 0 || write (fd, "\n", 1) != 1)
    return 0;
  while (read_line (fd))
    if (!strstr (answer, "\"event\""))
      return 1;
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc < 3)
    return 2;
  int fd = connect_to (argv[1]);
  if (fd < 0 || !read_line (fd) || !ask (fd, "{\"execute\":\"qmp_capabilities\"}"))
    return 1;
  int64_t start = now (), end = start + (int64_t) PATIENCE * 1000000000;
  do {
    if (!ask (fd, argv[2]))
      return 1;
    if (argc < 4 || strstr (answer, argv[3]))
      break;
    usleep (2000);
  } while (now () < end);
  printf ("%" PRId64 " %s", now () - start, answer);
  return strstr (answer, "\"error\"") || (argc > 3 && !strstr (answer, argv[3]));
}
