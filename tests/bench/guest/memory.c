/* memory.c -- loads that depend on each other in what fits into L1, L2 or neither, pages in a scattered order, streams, string moves. */
/* SPDX-License-Identifier: MIT */
#include "sys.h"

/* A ring of words; neighbours in it are far from each other in memory. */
static void
link_up (u32 *next, u32 words)
{
  for (u32 i = 0; i < words; i++)
    next[i] = (i * 521 + 7) & (words - 1);
}

static u32
follow (const u32 *next, u32 times)
{
  u32 p = 0;
  for (u32 i = 0; i < times; i++)
    p = next[p];
  return p;
}

void
work_chase (void)
{
  static u32 next[1024];
  link_up (next, 1024);
  sink += follow (next, 100000);
}

void
work_chase_l2 (void)
{
  static u32 next[64 << 10];
  if (!next[0])
    link_up (next, 64 << 10);
  sink += follow (next, 100000);
}

/* A word in each cache line of 64 MiB, in an order that no prefetcher follows. */
void
work_chase_ram (void)
{
  enum { LINES = 1 << 20, WORDS = 16 };
  static u32 *next;
  static u32 at;
  if (!next) {
    next = map_pages (LINES * WORDS * 4, 0);
    for (u32 i = 0; i < LINES; i++)
      next[i * WORDS] = ((i * 1664525 + 1013904223) & (LINES - 1)) * WORDS;
  }
  for (int i = 0; i < 20000; i++)
    at = next[at];
  sink += at;
}

/* One word of each of 8,192 pages, in a scattered order: more pages than a TLB has room for. */
void
work_tlb (void)
{
  enum { PAGES = 8192, PAGE = 4096 };
  static u8 *pages;
  u32 sum = 0;
  if (!pages) {
    pages = map_pages (PAGES * PAGE, 0);
    for (u32 i = 0; i < PAGES; i++)
      pages[i * PAGE] = (u8) i;
  }
  for (u32 i = 0; i < PAGES; i++) {
    u32 page = (i * 2731 + 5) & (PAGES - 1);
    sum += pages[page * PAGE + (page & 63) * 64];
  }
  sink += sum;
}

/* STREAM's copy and triad, with doubles. */
void
work_stream (void)
{
  enum { N = (1 << 20) / 8 };
  double *a = (double *) (void *) buffer_a;
  const double *b = (const double *) (const void *) buffer_b;
  for (int i = 0; i < N; i++)
    a[i] = b[i];
  for (int i = 0; i < N; i++)
    a[i] = b[i] + 3.0 * a[i];
}

void
work_rep_movs (void)
{
  for (int i = 0; i < 16; i++)
    memcpy (buffer_a, buffer_b, sizeof buffer_a);
}
