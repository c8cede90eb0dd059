/* cache-model.c -- nanoseconds a record that reaches the cache model, for several kinds of access; no guest, no host's filter. */
/* SPDX-License-Identifier: MIT */
#include "tcg-instr/tcg-cache-batch.h"
#include <stdio.h>
#include <time.h>

enum { N_RECORDS = 4096, N_SITES = 1024 };

static BpWideRecord records[N_RECORDS];
static BpSite sites[N_SITES];
static BpInsn insns[N_SITES];
static uint64_t position;

static uint64_t
hash (uint64_t x)
{
  x *= 0x9e3779b97f4a7c15ull;
  x ^= x >> 29;
  x *= 0xbf58476d1ce4e5b9ull;
  return x ^ x >> 32;
}

/* --- kinds of access: the next address ------------------------------------------------------------------------------ */

/* Fits the first level; each access to another line than the last in its set, as the filter leaves them. */
static uint64_t
resident (uint64_t i)
{
  return hash (i) % 24576;
}

static uint64_t
second_level (uint64_t i)
{
  return hash (i) % (512 << 10);
}

static uint64_t
memory (uint64_t i)
{
  return hash (i) % (1ull << 30);
}

/* Two streams whose lines share sets, by words of eight bytes. */
static uint64_t
copy (uint64_t i)
{
  return (i & 1 ? 64 << 20 : 0) + i / 2 * 8 % (32 << 20);
}

/* Nine lines of one set of eight ways. */
static uint64_t
conflict (uint64_t i)
{
  return i % 9 * 4096;
}

static uint64_t
column (uint64_t i)
{
  return i % 1000 * 8000 + i / 1000 % 1000 * 8;
}

static const struct {
  const char *name;
  uint64_t (*next) (uint64_t i);
} mixes[] = {
  { "hits in L1", resident }, { "hits in L2", second_level }, { "memory", memory }, { "copy by words", copy }, { "nine lines of a set", conflict },
  { "columns of a matrix", column },
};

/* --- measuring ---------------------------------------------------------------------------------------------------------- */

static double
now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

static double
measure (CacheModel *model, uint64_t (*next) (uint64_t i), double *misses)
{
  double best = 1e30;
  uint64_t before = 0, total = 0;
  for (unsigned round = 0; round < 60; round++) {
    for (unsigned i = 0; i < N_RECORDS; i++, position++) {
      uint64_t address = next (position);
      records[i] = (BpWideRecord) { .address = address & ~7ull, .physical = address & ~7ull, .site = (uint32_t) (hash (position / 4) % N_SITES) };
    }
    if (round == 20)
      before = model->total.n[CACHE_MISS_LOAD] + model->total.n[CACHE_MISS_STORE];
    double start = now ();
    cache_run_wide (model, 0, sites, records, N_RECORDS);
    double time = (now () - start) / N_RECORDS;
    if (round >= 20) {
      total += N_RECORDS;
      best = MIN (best, time);
    }
  }
  *misses = (double) (model->total.n[CACHE_MISS_LOAD] + model->total.n[CACHE_MISS_STORE] - before) / (double) total;
  return best;
}

static void
row (const char *name, const char *l1, const char *l2)
{
  CacheConfig config = { .seed = 1 };
  CacheGeometry base = { .ways = 8, .line = 64, .degree = 1 };
  config.caches[CACHE_L1D] = config.caches[CACHE_L1I] = config.caches[CACHE_L2] = base;
  g_autoptr (GError) error = NULL;
  if (!cache_geometry_parse (&config.caches[CACHE_L1D], "l1d", l1, &error) || !cache_geometry_parse (&config.caches[CACHE_L1I], "l1i", l1, &error)
      || !cache_geometry_parse (&config.caches[CACHE_L2], "l2", l2, &error))
    g_error ("%s", error->message);
  printf ("%-28s", name);
  for (unsigned i = 0; i < G_N_ELEMENTS (mixes); i++) {
    CacheModel *model = cache_model_new (&config, 1);
    double misses, ns;
    position = 0;
    ns = measure (model, mixes[i].next, &misses);
    printf (" %12.1f (%3.0f%%)", ns, 100 * misses);
    cache_model_free (model);
  }
  printf ("\n");
}

int
main (void)
{
  for (unsigned i = 0; i < N_SITES; i++) {
    insns[i] = (BpInsn) { .id = i };
    sites[i] = (BpSite) { .insn = &insns[i], .bytes = 8, .kind = i % 3 == 0 ? CACHE_STORE : CACHE_LOAD };
  }
  printf ("ns a record (misses in L1)  ");
  for (unsigned i = 0; i < G_N_ELEMENTS (mixes); i++)
    printf (" %19s", mixes[i].name);
  printf ("\n");
  row ("L1 32K 8-way LRU, L2 1M 16", "size=32K,ways=8", "size=1M,ways=16");
  row ("L1 48K 12-way LRU, L2 1M 16", "size=48K,ways=12", "size=1M,ways=16");
  row ("L1 32K 8-way PLRU, L2 PLRU", "size=32K,ways=8,policy=plru", "size=1M,ways=16,policy=plru");
  row ("L1 32K 8-way FIFO, L2 FIFO", "size=32K,ways=8,policy=fifo", "size=1M,ways=16,policy=fifo");
  row ("L1 32K 8-way random, L2 too", "size=32K,ways=8,policy=random", "size=1M,ways=16,policy=random");
  row ("L1 32K 64-way LRU, L2 64-way", "size=32K,ways=64", "size=1M,ways=64");
  row ("L1 LRU stride, L2 next-line", "size=32K,ways=8,prefetch=stride", "size=1M,ways=16,prefetch=next-line");
  return 0;
}
