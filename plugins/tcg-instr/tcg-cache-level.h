/* tcg-cache-level.h -- one cache: sets of ways, found by sixteen bits of the tag at a time. */
/* SPDX-License-Identifier: MIT */
/*
 * LAYOUT.  A line is known by its address (low bits clear).  Each way has a word, the line's address with flags in the low bits (0: nothing there), and
 * a signature, sixteen bits of the tag.  The signatures of a set lie together, so that one vector compare finds the way among eight; the word then proves
 * it.  Next to the signatures lie the ages, which are a permutation of 0 (youngest) .. ways - 1: of the accesses (LRU), or of the arrivals (FIFO).  A way
 * that holds nothing is older than all that hold something.  Sets of up to eight ways so take half a line of the host for both.
 */
#ifndef TCG_CACHE_LEVEL_H
#define TCG_CACHE_LEVEL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef enum CachePolicy { CACHE_LRU, CACHE_PLRU, CACHE_FIFO, CACHE_RANDOM } CachePolicy;
typedef enum CachePrefetch { CACHE_NO_PREFETCH, CACHE_NEXT_LINE, CACHE_STRIDE } CachePrefetch;

enum {                          /* in a way's word */
  CACHE_VALID = 1 << 0,
  CACHE_DIRTY = 1 << 1,
  CACHE_PREFETCHED = 1 << 2,    /* and not yet used */
  CACHE_FLAGS = 15              /* so lines have at least 16 bytes */
};
enum { CACHE_MAX_WAYS = 16384, CACHE_LANES = 8, CACHE_MAX_TREE = 64, CACHE_NO_AGE = 0x7fff };

typedef struct CacheGeometry {
  uint64_t size;                /* 0: there is no such cache */
  uint32_t ways, line;
  CachePolicy policy;
  CachePrefetch prefetch;
  uint32_t degree;              /* lines a prefetch */
} CacheGeometry;

typedef enum CacheKind { CACHE_LOAD, CACHE_STORE, CACHE_FETCH, CACHE_N_KINDS } CacheKind;

/* [2]: by the kernel, by user programs. */
typedef struct CacheCounts {
  uint64_t accesses[CACHE_N_KINDS][2], misses[CACHE_N_KINDS][2];
  uint64_t write_backs;         /* dirty lines that went down */
  uint64_t written;             /* lines and stores that came from above */
  uint64_t prefetches, useful;  /* lines brought in ahead; and accessed before they were thrown out */
  uint64_t prefetch_requests, prefetch_misses;  /* by a prefetcher above */
  uint64_t invalidations;       /* copies taken away by another core's store */
  uint64_t interventions;       /* dirty lines given up or cleaned because another core asked */
  uint64_t inclusion_victims;   /* lines lost because a cache below lost them */
} CacheCounts;

typedef struct CacheStride {
  uint64_t last;
  int64_t stride;
  uint32_t insn;                /* + 1; 0: none */
  uint32_t sure;
} CacheStride;
enum { CACHE_STRIDES = 256 };

typedef struct CacheLevel CacheLevel;
struct CacheLevel {
  uint64_t *words;              /* [set * lanes + way] */
  int16_t *meta;                /* [set * 2 * lanes]: signatures, then ages */
  uint64_t set_mask;
  uint32_t line_shift, signature_shift;
  uint32_t ways, lanes;         /* lanes: ways, rounded up to CACHE_LANES; nothing is ever in those beyond */
  CachePolicy policy;
  /* PLRU: the tree of each set, a bit a node (1 is the root), which says in which half the victim is; and what an access to a way does to it. */
  uint64_t *trees;
  uint64_t tree_clear[CACHE_MAX_TREE], tree_set[CACHE_MAX_TREE];
  uint8_t *last;                /* the way accessed last */
  uint64_t random;              /* state */
  uint64_t n_empty;             /* ways that hold nothing */
  /* --- its place */
  unsigned number;              /* 1, 2, 3 */
  bool is_code;                 /* L1I */
  bool is_shared, write_through, no_allocate;
  unsigned core;                /* of whom, when it is not shared */
  CacheLevel *below;            /* NULL: memory */
  CacheLevel **above;
  unsigned n_above;
  CachePrefetch prefetch;
  uint32_t degree;
  CacheStride *strides;
  /* --- results */
  CacheCounts counts;
  uint64_t *set_misses;
  void *memory;                 /* what the arrays lie in */
};

/* Ways, rounded up to whole vectors. */
uint32_t cache_lanes (const CacheGeometry *geometry);
/* lanes: at least so many.  NULL: out of memory. */
CacheLevel *cache_level_new (const CacheGeometry *geometry, uint64_t seed, uint32_t lanes);
void cache_level_free (CacheLevel *level);
/* The way that the next line of this set goes to. */
unsigned cache_level_victim (CacheLevel *level, uint64_t set);
/* Puts a line there, as the set's youngest. */
void cache_level_insert (CacheLevel *level, uint64_t set, unsigned way, uint64_t line, unsigned flags);
/*
 * The same for a line nobody has asked for yet.  LRU, PLRU: just behind the line that was accessed last, which so stays the youngest; this is what lets
 * repeated accesses to that one be left out (see cache_filter_is_exact).
 */
void cache_level_insert_behind (CacheLevel *level, uint64_t set, unsigned way, uint64_t line, unsigned flags);
/* The way is empty from now on. */
void cache_level_drop (CacheLevel *level, uint64_t set, unsigned way);

static inline uint64_t
cache_set (const CacheLevel *level, uint64_t line)
{
  return line >> level->line_shift & level->set_mask;
}

static inline int16_t
cache_signature (const CacheLevel *level, uint64_t line)
{
  return (int16_t) (line >> level->signature_shift);
}

static inline int16_t *
cache_signatures (const CacheLevel *level, uint64_t set)
{
  return level->meta + set * 2 * level->lanes;
}

static inline int16_t *
cache_ages (const CacheLevel *level, uint64_t set)
{
  return level->meta + (set * 2 + 1) * level->lanes;
}

static inline uint64_t *
cache_words (const CacheLevel *level, uint64_t set)
{
  return level->words + set * level->lanes;
}

/* The set will be looked at soon. */
static inline void
cache_announce (const CacheLevel *level, uint64_t set)
{
  const char *words = (const char *) cache_words (level, set);
  __builtin_prefetch (cache_signatures (level, set));
  for (size_t at = 0; at < level->lanes * sizeof (uint64_t) && at < 256; at += 64)
    __builtin_prefetch (words + at);
}

/* --- vectors of eight ------------------------------------------------------------------------------ */

typedef int16_t CacheVector __attribute__ ((vector_size (16), may_alias));

static inline CacheVector
cache_splat (int16_t x)
{
  return (CacheVector) { x, x, x, x, x, x, x, x };
}

/* Two bits for each of eight numbers that equals x. */
static inline unsigned
cache_equal (const int16_t *at, int16_t x)
{
#ifdef __SSE2__
  return (unsigned) _mm_movemask_epi8 (_mm_cmpeq_epi16 (_mm_load_si128 ((const __m128i *) (const void *) at), _mm_set1_epi16 (x)));
#else
  unsigned mask = 0;
  for (unsigned i = 0; i < CACHE_LANES; i++)
    mask |= at[i] == x ? 3u << 2 * i : 0;
  return mask;
#endif
}

/* Whether the word says that the line is there. */
static inline bool
cache_holds (uint64_t word, uint64_t line)
{
  return (word & ~(uint64_t) (CACHE_FLAGS & ~CACHE_VALID)) == (line | CACHE_VALID);
}

/* Where the line is in its set; -1: nowhere. */
static inline int
cache_find (const CacheLevel *level, uint64_t set, uint64_t line)
{
  const int16_t *signatures = cache_signatures (level, set);
  const uint64_t *words = cache_words (level, set);
  int16_t signature = cache_signature (level, line);
  for (unsigned base = 0; base < level->lanes; base += CACHE_LANES)
    for (unsigned mask = cache_equal (signatures + base, signature); mask; mask &= mask - 1, mask &= mask - 1) {
      unsigned way = base + (unsigned) __builtin_ctz (mask) / 2;
      if (cache_holds (words[way], line))
        return (int) way;
    }
  return -1;
}

/* The way becomes age 0, those that were younger one older. */
static inline void
cache_rejuvenate (int16_t *ages, unsigned way, uint32_t lanes)
{
  const CacheVector iota = { 0, 1, 2, 3, 4, 5, 6, 7 };
  CacheVector age = cache_splat (ages[way]);
  for (unsigned base = 0; base < lanes; base += CACHE_LANES) {
    CacheVector *v = (CacheVector *) (void *) (ages + base);
    *v = (*v - (*v < age)) & ~(iota == cache_splat ((int16_t) (way - base)));
  }
}

static inline void
cache_touch_tree (CacheLevel *level, uint64_t set, unsigned way)
{
  level->trees[set] = (level->trees[set] & ~level->tree_clear[way]) | level->tree_set[way];
  level->last[set] = (uint8_t) way;
}

/* A line that is there was accessed. */
static inline void
cache_touch (CacheLevel *level, uint64_t set, unsigned way)
{
  if (level->policy == CACHE_LRU) {
    int16_t *ages = cache_ages (level, set);
    if (ages[way])
      cache_rejuvenate (ages, way, level->lanes);
  } else if (level->policy == CACHE_PLRU)
    cache_touch_tree (level, set, way);
}

#endif
