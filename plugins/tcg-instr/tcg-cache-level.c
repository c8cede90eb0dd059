/* tcg-cache-level.c -- one cache: who goes, who comes. */
/* SPDX-License-Identifier: MIT */
#include "tcg-cache-level.h"
#include <stdlib.h>
#include <sys/mman.h>

/* --- life ------------------------------------------------------------------------------------------- */

enum { ARRAYS = 5, HUGE_PAGE = 2 << 20 };

/* All arrays in one piece of memory (NULL: there is none), in huge pages when it is large: they are looked at all over, and the host's TLB has other things to do. */
static char *
allocate (size_t bytes)
{
  void *p = NULL;
  bool is_large = bytes >= HUGE_PAGE / 16;
  if (posix_memalign (&p, is_large ? HUGE_PAGE : 64, is_large ? (bytes + HUGE_PAGE - 1) & ~(size_t) (HUGE_PAGE - 1) : bytes))
    return NULL;
  if (is_large)
    madvise (p, bytes, MADV_HUGEPAGE);
  memset (p, 0, bytes);
  return p;
}

static bool
make_arrays (CacheLevel *level, uint64_t sets)
{
  bool tree = level->policy == CACHE_PLRU;
  size_t bytes[ARRAYS] = { sets * level->lanes * sizeof *level->words, sets * 2 * level->lanes * sizeof *level->meta, sets * sizeof *level->set_misses,
                           tree ? sets * sizeof *level->trees : 0, tree ? sets : 0 };
  char *array[ARRAYS];
  size_t all = 0;
  for (unsigned i = 0; i < ARRAYS; i++)
    all += (bytes[i] + 63) & ~(size_t) 63;
  level->memory = array[0] = allocate (all);
  if (!array[0])
    return false;
  for (unsigned i = 1; i < ARRAYS; i++)
    array[i] = array[i - 1] + ((bytes[i - 1] + 63) & ~(size_t) 63);
  level->words = (void *) array[0];
  level->meta = (void *) array[1];
  level->set_misses = (void *) array[2];
  level->trees = (void *) array[3];
  level->last = (void *) array[4];
  return true;
}

/* An access to a way makes each node on its path point to the other half. */
static void
plant_tree (CacheLevel *level)
{
  for (unsigned way = 0; way < level->ways; way++) {
    unsigned node = 1;
    for (unsigned half = level->ways / 2; half; half /= 2) {
      unsigned upper = (way & half) != 0;
      level->tree_clear[way] |= 1ull << node;
      if (!upper)
        level->tree_set[way] |= 1ull << node;
      node = 2 * node + upper;
    }
  }
}

uint32_t
cache_lanes (const CacheGeometry *geometry)
{
  return (geometry->ways + CACHE_LANES - 1) & ~(uint32_t) (CACHE_LANES - 1);
}

CacheLevel *
cache_level_new (const CacheGeometry *geometry, uint64_t seed, uint32_t lanes)
{
  CacheLevel *level = g_new0 (CacheLevel, 1);
  uint64_t sets = geometry->size / geometry->line / geometry->ways;
  level->ways = geometry->ways;
  level->lanes = MAX (cache_lanes (geometry), lanes);
  level->set_mask = sets - 1;
  level->line_shift = (uint32_t) __builtin_ctzll (geometry->line);
  level->signature_shift = level->line_shift + (uint32_t) __builtin_ctzll (sets);
  level->policy = geometry->policy;
  level->prefetch = geometry->prefetch;
  level->degree = geometry->degree;
  level->random = seed * 0x9e3779b97f4a7c15ull | 1;
  level->n_empty = sets * geometry->ways;
  if (!make_arrays (level, sets)) {
    g_free (level);
    return NULL;
  }
  if (level->policy == CACHE_PLRU)
    plant_tree (level);
  if (level->prefetch == CACHE_STRIDE)
    level->strides = g_new0 (CacheStride, CACHE_STRIDES);
  for (uint64_t set = 0; set < sets; set++)
    for (unsigned way = 0; way < level->lanes; way++)
      cache_ages (level, set)[way] = (int16_t) (way < level->ways ? way : CACHE_NO_AGE);
  return level;
}

void
cache_level_free (CacheLevel *level)
{
  if (!level)
    return;
  free (level->memory);
  g_free (level->strides);
  g_free (level->above);
  g_free (level);
}

/* --- who goes ---------------------------------------------------------------------------------------- */

/* The next number of the generator: xorshift64, upper half. */
static uint32_t
cache_level_random (CacheLevel *level)
{
  uint64_t x = level->random;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  level->random = x;
  return (uint32_t) (x >> 32);
}

static unsigned
way_of_age (const int16_t *ages, uint32_t lanes, int16_t age)
{
  for (unsigned base = 0; base < lanes; base += CACHE_LANES) {
    unsigned mask = cache_equal (ages + base, age);
    if (mask)
      return base + (unsigned) __builtin_ctz (mask) / 2;
  }
  g_assert_not_reached ();
}

static unsigned
victim_of_tree (const CacheLevel *level, uint64_t set)
{
  uint64_t tree = level->trees[set];
  unsigned node = 1;
  while (node < level->ways)
    node = 2 * node + (tree >> node & 1);
  return node - level->ways;
}

unsigned
cache_level_victim (CacheLevel *level, uint64_t set)
{
  if (level->policy == CACHE_LRU || level->policy == CACHE_FIFO)
    return way_of_age (cache_ages (level, set), level->lanes, (int16_t) (level->ways - 1));
  if (level->n_empty) {
    const uint64_t *words = cache_words (level, set);
    for (unsigned way = 0; way < level->ways; way++)
      if (!words[way])
        return way;
  }
  if (level->policy == CACHE_PLRU)
    return victim_of_tree (level, set);
  return (unsigned) ((uint64_t) cache_level_random (level) * level->ways >> 32);
}

/* --- who comes ----------------------------------------------------------------------------------------- */

static void
put (CacheLevel *level, uint64_t set, unsigned way, uint64_t line, unsigned flags)
{
  uint64_t *word = cache_words (level, set) + way;
  if (!*word)
    level->n_empty--;
  *word = line | CACHE_VALID | flags;
  /* as a whole vector, which the next search can then have from the host's store buffer */
  const CacheVector iota = { 0, 1, 2, 3, 4, 5, 6, 7 };
  CacheVector *signatures = (CacheVector *) (void *) (cache_signatures (level, set) + way / CACHE_LANES * CACHE_LANES);
  CacheVector here = iota == cache_splat ((int16_t) (way % CACHE_LANES));
  *signatures = (*signatures & ~here) | (cache_splat (cache_signature (level, line)) & here);
}

void
cache_level_insert (CacheLevel *level, uint64_t set, unsigned way, uint64_t line, unsigned flags)
{
  put (level, set, way, line, flags);
  if (level->policy == CACHE_PLRU)
    cache_touch_tree (level, set, way);
  else if (level->policy != CACHE_RANDOM)
    cache_rejuvenate (cache_ages (level, set), way, level->lanes);
}

void
cache_level_insert_behind (CacheLevel *level, uint64_t set, unsigned way, uint64_t line, unsigned flags)
{
  const uint64_t *words = cache_words (level, set);
  unsigned first = 0;
  bool behind = false;
  if (level->policy == CACHE_LRU)
    first = way_of_age (cache_ages (level, set), level->lanes, 0);
  else if (level->policy == CACHE_PLRU)
    first = level->last[set];
  behind = (level->policy == CACHE_LRU || level->policy == CACHE_PLRU) && first != way && words[first];
  cache_level_insert (level, set, way, line, flags);
  if (behind)
    cache_touch (level, set, first);
}

void
cache_level_drop (CacheLevel *level, uint64_t set, unsigned way)
{
  int16_t *ages = cache_ages (level, set), age = ages[way];
  cache_words (level, set)[way] = 0;
  level->n_empty++;
  for (unsigned i = 0; i < level->ways; i++)
    if (ages[i] > age)
      ages[i]--;
  ages[way] = (int16_t) (level->ways - 1);
}
