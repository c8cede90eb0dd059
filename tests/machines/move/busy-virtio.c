/* busy-virtio.c -- the busy guest on virtio: requests of several threads to a disk, past the guest's caches, and pings; all that comes back is checked. */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "busy-guest.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

/* --- modules ------------------------------------------------------------------------------------------ */

static void
load_modules (void)
{
  struct dirent **names;
  int n = scandir ("/modules", &names, NULL, alphasort);
  for (int i = 0; i < n; i++) {
    char path[300];
    snprintf (path, sizeof path, "/modules/%s", names[i]->d_name);
    int fd = names[i]->d_name[0] == '.' ? -1 : open (path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && syscall (SYS_finit_module, fd, "", 0) != 0)
      printf ("%s: %s\n", path, strerror (errno));
    if (fd >= 0)
      close (fd);
  }
}

/* --- a disk ------------------------------------------------------------------------------------------- */

enum { BLOCK = 4096, WORDS = BLOCK / 8, BLOCKS = 256, RUN_MOST = 16, DISK_THREADS = 4, WHOLE_EVERY = 512 };

/* What a block holds follows from its number and how often it was written. */
static void
check_block (const uint64_t *data, uint64_t block, unsigned times)
{
  for (unsigned i = 0; i < WORDS; i++) {
    uint64_t wanted = mix (block << 32 | times, i);
    if (times && data[i] != wanted) {
      bad ("disk's word", block * WORDS + i, data[i], wanted);
      return;
    }
  }
}

static void
read_blocks (int fd, uint64_t *data, uint64_t first, unsigned at, unsigned n, const unsigned *times)
{
  ssize_t got = pread (fd, data, (size_t) n * BLOCK, (off_t) (first + at) * BLOCK);
  if (got != (ssize_t) n * BLOCK)
    bad ("disk's read of block", first + at, (uint64_t) got, (uint64_t) errno);
  for (unsigned i = 0; i < n && got > 0; i++)
    check_block (data + i * WORDS, first + at + i, times[at + i]);
}

static void
write_blocks (int fd, uint64_t *data, uint64_t first, unsigned at, unsigned n, unsigned *times)
{
  for (unsigned i = 0; i < n; i++) {
    times[at + i]++;
    for (unsigned w = 0; w < WORDS; w++)
      data[i * WORDS + w] = mix ((first + at + i) << 32 | times[at + i], w);
  }
  ssize_t put = pwrite (fd, data, (size_t) n * BLOCK, (off_t) (first + at) * BLOCK);
  if (put != (ssize_t) n * BLOCK)
    bad ("disk's write of block", first + at, (uint64_t) put, (uint64_t) errno);
  __atomic_fetch_add (&n_sectors_written, n * BLOCK / 512, __ATOMIC_RELAXED);
}

/* Each thread has blocks of its own; now and then it looks at all of them. */
static void *
use_disk (void *user)
{
  uintptr_t me = (uintptr_t) user;
  int fd = open ("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
  uint64_t *data = aligned_alloc (BLOCK, RUN_MOST * BLOCK), first = me * BLOCKS, seed = me + 4711;
  unsigned *times = calloc (BLOCKS, sizeof *times);
  if (fd < 0)
    bad ("disk", me, (uint64_t) errno, 0);
  for (unsigned turn = 1; fd >= 0; turn++) {
    uint64_t r = random_next (&seed);
    unsigned n = 1 + (unsigned) (r >> 32) % RUN_MOST, at = (unsigned) r % (BLOCKS - n);
    read_blocks (fd, data, first, at, n, times);
    write_blocks (fd, data, first, at, n, times);
    if (turn % 64 == 0 && fdatasync (fd) != 0)
      bad ("disk's flush", turn, (uint64_t) errno, 0);
    for (unsigned b = 0; turn % WHOLE_EVERY == 0 && b < BLOCKS; b += RUN_MOST)
      read_blocks (fd, data, first, b, RUN_MOST, times);
  }
  return NULL;
}

/* --- a network ------------------------------------------------------------------------------------------ */

enum { PAYLOAD = 1000, PING_US = 20000, PATIENCE_S = 2 };

typedef struct Echo {
  struct icmphdr head;
  uint8_t payload[PAYLOAD];
} Echo;

static struct sockaddr_in
address (const char *text)
{
  struct sockaddr_in a = { .sin_family = AF_INET };
  inet_pton (AF_INET, text, &a.sin_addr);
  return a;
}

static bool
network_up (void)
{
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in ours = address ("10.0.2.15"), mask = address ("255.255.255.0");
  struct ifreq r = { .ifr_name = "eth0" };
  memcpy (&r.ifr_addr, &ours, sizeof ours);
  bool up = fd >= 0 && ioctl (fd, SIOCSIFADDR, &r) == 0;
  memcpy (&r.ifr_addr, &mask, sizeof mask);
  up = up && ioctl (fd, SIOCSIFNETMASK, &r) == 0;
  r.ifr_flags = IFF_UP | IFF_RUNNING;
  up = up && ioctl (fd, SIOCSIFFLAGS, &r) == 0;
  if (fd >= 0)
    close (fd);
  return up;
}

static uint16_t
checksum (const void *data, size_t size)
{
  const uint16_t *at = data;
  uint32_t sum = 0;
  for (; size > 1; size -= 2)
    sum += *at++;
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t) ~sum;
}

static void
make_echo (Echo *e, uint16_t number)
{
  memset (e, 0, sizeof *e);
  e->head.type = ICMP_ECHO;
  e->head.un.echo.id = htons (4711);
  e->head.un.echo.sequence = htons (number);
  for (unsigned i = 0; i < PAYLOAD; i++)
    e->payload[i] = (uint8_t) mix (number, i);
  e->head.checksum = checksum (e, sizeof *e);
}

/* The answer to that one; what came too late for another is passed over. */
static bool
take_answer (int fd, const Echo *sent)
{
  for (;;) {
    union { uint8_t bytes[2048]; struct iphdr ip; } packet;
    ssize_t n = recv (fd, &packet, sizeof packet, 0);
    size_t skip = packet.ip.ihl * 4u;
    const Echo *e = (const Echo *) (packet.bytes + skip);
    if (n < 0)
      return false;
    if ((size_t) n < skip + sizeof e->head || e->head.type != ICMP_ECHOREPLY || e->head.un.echo.id != sent->head.un.echo.id
        || e->head.un.echo.sequence != sent->head.un.echo.sequence)
      continue;
    if ((size_t) n != skip + sizeof *e || memcmp (e->payload, sent->payload, PAYLOAD) != 0)
      bad ("ping", ntohs (sent->head.un.echo.sequence), (uint64_t) n, skip + sizeof *e);
    return true;
  }
}

static void *
ping (void *user)
{
  struct sockaddr_in router = address ("10.0.2.2");
  struct timeval patience = { .tv_sec = PATIENCE_S };
  int fd = socket (AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  for (uint16_t number = 1;; number++) {
    Echo e;
    make_echo (&e, number);
    bool answered = sendto (fd, &e, sizeof e, 0, (struct sockaddr *) &router, sizeof router) == (ssize_t) sizeof e && take_answer (fd, &e);
    if (answered)
      n_pings++;
    else
      n_pings_lost++;
    usleep (PING_US);
  }
  return NULL;
}

/* --- the whole -------------------------------------------------------------------------------------------- */

void
virtio_begin (void)
{
  load_modules ();
  mount ("dev", "/dev", "devtmpfs", 0, NULL);
  for (unsigned i = 0; i < 100 && access ("/dev/vda", F_OK) != 0; i++)
    usleep (20000);
  for (uintptr_t i = 0; i < DISK_THREADS && access ("/dev/vda", F_OK) == 0; i++)
    start (use_disk, i);
  if (network_up ())
    start (ping, 0);
  else
    printf ("no network: %s\n", strerror (errno));
}
