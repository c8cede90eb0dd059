/* tcg-cache-model.h -- the caches of all cores, and what an access does to them; knows nothing of the host. */
/* SPDX-License-Identifier: MIT */
/*
 * AN ACCESS touches one or more lines, one after the other.  A line that is not in the first level is asked for below, and so on down to memory; on the
 * way back each level throws a victim out (a dirty one is written to the level below, which takes it in if it has not got it) and puts the line in.
 * Then come the prefetchers: of the first level, then of those below.
 * A prefetcher looks at the accesses that missed in its level and at the first use of each line that it brought in itself; it stays within a page of
 * 4 KiB.
 *
 * RECORDS THAT ARE LEFT OUT.  An access to the line that its set saw last, when that line is still there, changes nothing: it is the set's youngest
 * already (LRU, PLRU), or hits have no influence (FIFO, random).  So the host may leave such accesses out, if the line is there for sure.  It is not
 * when the access before did not bring it in (a store that missed without write-allocate), when somebody else took it out (inclusion: a cache below loses a
 * line that is hot above; seen too late, because records come in batches), or when a prefetch took its place (direct-mapped, FIFO, random).  And the
 * access changes something else when stores go through to the level below.  cache_filter_is_exact knows the cases; there, every access must come.
 */
#ifndef TCG_CACHE_MODEL_H
#define TCG_CACHE_MODEL_H

#include "tcg-cache-level.h"
#include <backplane/tcg/instrument.h>
#include "common/instr-array.h"

enum { CACHE_PAGE_MASK = 4095 };  /* prefetchers stay within a page, physical addresses are known up to its end */
enum { CACHE_L1I, CACHE_L1D, CACHE_L2, CACHE_L3, CACHE_N_CACHES };

typedef struct CacheConfig {
  CacheGeometry caches[CACHE_N_CACHES];
  bool shared_l2, shared_l3, inclusive, write_through, no_allocate, coherent;
  uint64_t seed;
} CacheConfig;

/* Reads "size=32K,ways=8,line=64,policy=lru", or "none".  What is not said stays as it is in *geometry. */
bool cache_geometry_parse (CacheGeometry *geometry, const char *key, const char *text, GError **error);
/* "32 KiB, 8 ways of 64 bytes, LRU"; free with g_free. */
char *cache_geometry_text (const CacheGeometry *geometry);
/* What no single cache can say. */
bool cache_config_check (const CacheConfig *config, GError **error);
/* Whether accesses to the line accessed last among those of its set may be left out, stores when that was a store. */
bool cache_filter_is_exact (const CacheConfig *config, bool code);

/* --- what misses are counted by ----------------------------------------------------------------------------- */

enum { CACHE_MISS_LOAD, CACHE_MISS_STORE, CACHE_MISS_FETCH, CACHE_MISS_L2, CACHE_MISS_L3, CACHE_N_MISSES };
typedef struct CacheMisses {
  uint64_t n[CACHE_N_MISSES];
} CacheMisses;
/* Of the accesses of a site, which are all of a kind: in each level. */
typedef struct CacheSite {
  uint64_t misses[3];
} CacheSite;

typedef struct CacheRange {     /* first and last byte */
  uint64_t first, last;
} CacheRange;

typedef struct CacheCore {
  CacheLevel *first[2];         /* [is_code]; NULL: not modelled */
  CacheLevel *own[CACHE_N_CACHES];          /* all that are this core's alone */
  unsigned n_own;
  uint64_t uncached[CACHE_N_KINDS][2];  /* accesses to devices, and to pages that are not known: no cache saw them */
  uint64_t extra_lines[CACHE_N_KINDS][2];       /* touched by accesses beyond their first */
  bool stale[2];                /* [is_code] a line was taken out or made clean behind this core's back: its filter must forget */
} CacheCore;

typedef struct CacheModel {
  CacheConfig config;
  unsigned n_cores, n_levels;
  bool is_out_of_memory;
  CacheCore *cores;
  CacheLevel **levels;          /* in the order of the report: core by core L1I, L1D, L2, L3 */
  uint32_t line_bytes;
  uint64_t line_mask;
  uint8_t slow_invert[CACHE_N_KINDS], slow_test[CACHE_N_KINDS]; /* hits whose (flags ^ invert) & test have more to do */
  /* --- who is charged for misses */
  const BpSite *base;           /* the host's sites, by number; NULL before the first access */
  InstrArray sites;             /* CacheSite by the same number: a guest decides how many */
  size_t n_sites;               /* those above were never charged */
  CacheMisses *space;           /* of the address space that runs now; never NULL */
  CacheMisses nowhere, total;
  /* --- memory */
  CacheRange *ram;              /* what is cached, sorted; n_ram 0: everything */
  size_t n_ram;
  CacheRange here;              /* the one that was hit last */
  uint64_t memory_reads, memory_writes; /* lines, and stores of single data */
  CacheLevel *heard[3];
  unsigned n_heard;
  /* The next page of an access that crosses one: its address here, or false: not known (then it is left out).  NULL: addresses just go on. */
  bool (*next_page) (void *user, unsigned core, uint64_t virtual_address, uint64_t *address);
  void *next_page_user;
  uint64_t unknown_pages;       /* accesses to such, which are `uncached', too */
} CacheModel;

/* config has been checked.  NULL: out of memory. */
CacheModel *cache_model_new (const CacheConfig *config, unsigned n_cores);
void cache_model_free (CacheModel *model);
static inline CacheSite *cache_model_site (const CacheModel *model, size_t site) { return instr_array_at (&model->sites, (uint32_t) site); }
/* The misses of a site, whatever they are called by now. */
CacheMisses cache_site_misses (const CacheModel *model, size_t site);
/* All counts begin again; the caches keep their lines. */
void cache_model_forget (CacheModel *model);
/* What is memory and not a device, sorted and apart; copied. */
void cache_model_set_ram (CacheModel *model, const CacheRange *ranges, size_t n);

/* --- accesses -------------------------------------------------------------------------------------------------- */

/* site: one of the host's array that model->base is, with the kind, the instruction, and in `user' 1 for programs, 0 for the kernel.  virtual_address: of
 * the same byte, for next_page. */
void cache_model_access (CacheModel *model, unsigned core, uint64_t address, uint64_t virtual_address, uint32_t bytes, const BpSite *site);
/* An access within one line, whose address that is; way: where it is in the first level, -1: nowhere. */
void cache_model_slow (CacheModel *model, CacheCore *core, uint64_t line, int way, const BpSite *site);

/* --- between the model's own files ----------------------------------------------------------------------------- */

typedef struct CacheRequest {
  CacheKind kind;
  bool user;
  bool write;                   /* the data of a store are put here */
  const BpSite *site;
  const CacheLevel *origin;     /* whose prefetcher asks; NULL: the program does */
} CacheRequest;

/* Asks a level for a line; way: where it is there, -1: nowhere.  Levels whose prefetchers should hear of it end up in model->heard. */
void cache_request (CacheModel *model, CacheCore *core, CacheLevel *level, uint64_t line, int way, const CacheRequest *request);
void cache_prefetch (CacheModel *model, CacheCore *core, CacheLevel *level, uint64_t line, const CacheRequest *request);
bool cache_is_ram (CacheModel *model, uint64_t line);

#endif
