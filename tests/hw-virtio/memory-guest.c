/* memory-guest.c -- a guest program that takes memory and frees it: what it gets must be zeros, and what it has written must stay. */
/* SPDX-License-Identifier: MIT */
/* churn MIB SECONDS PAUSE-MS */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { KEPT = 8 << 20, STEP = 16 /* words: two a cache line */ };

static uint64_t
mix (uint64_t x)
{
  x ^= x >> 31;
  x *= UINT64_C (0x9e3779b97f4a7c15);
  return x ^ x >> 29;
}

static uint64_t *
take (size_t bytes)
{
  uint64_t *p = mmap (NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

static void
fill (uint64_t *p, size_t bytes, uint64_t seed)
{
  for (size_t i = 0; i < bytes / 8; i += STEP)
    p[i] = mix (seed + i);
}

/* Exits with a word of it when one is not as it was written; seed 0: zeros. */
static void
check (const uint64_t *p, size_t bytes, uint64_t seed, const char *what)
{
  for (size_t i = 0; i < bytes / 8; i += STEP)
    if (p[i] != (seed ? mix (seed + i) : 0)) {
      printf ("TEST failed: %s: page %zu has %llx\n", what, i / 512, (unsigned long long) p[i]);
      exit (1);
    }
}

int
main (int argc, char **argv)
{
  size_t bytes = (size_t) atoi (argv[1]) << 20;
  time_t end = time (NULL) + atoi (argv[2]);
  uint64_t *kept = take (KEPT), rounds = 0;
  if (!kept)
    return 1;
  fill (kept, KEPT, 1);
  for (; time (NULL) < end; rounds++) {
    uint64_t *p = take (bytes);
    if (!p)
      return 1;
    check (p, bytes, 0, "new memory");
    fill (p, bytes, 2 + rounds);
    check (p, bytes, 2 + rounds, "memory in use");
    check (kept, KEPT, 1, "memory that was kept");
    munmap (p, bytes);
    usleep ((useconds_t) atoi (argv[3]) * 1000);
  }
  printf ("TEST churned %s\n", rounds > 3 ? "often" : "too seldom");
  return 0;
}
