/* tcg-cache.h -- tcg-cache's object: the model, what feeds it, and what it is counted by. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_CACHE_H
#define TCG_CACHE_H

#include "tcg-cache-batch.h"
#include "common/instr-series.h"
#include <backplane/plugin.h>

typedef enum CacheIndex { CACHE_PHYSICAL, CACHE_VIRTUAL } CacheIndex;
typedef enum CacheWho { CACHE_ALL, CACHE_USER, CACHE_KERNEL } CacheWho;
typedef enum CacheRank { CACHE_RANK_L1, CACHE_RANK_L1I, CACHE_RANK_L1D, CACHE_RANK_L2, CACHE_RANK_L3 } CacheRank;

/* What generated code counts: [1]: by programs, [0]: by the kernel. */
typedef enum CacheTotal { CACHE_INSNS, CACHE_STRADDLES, CACHE_LOADS, CACHE_STORES, CACHE_N_TOTALS } CacheTotal;
typedef struct CacheTotals {
  uint64_t n[CACHE_N_TOTALS][2];
} CacheTotals;

/* The same while the guest runs, when looking at those is dear: of each block that was entered, all instructions and the accesses that they announce. */
typedef enum CacheLive { CACHE_LIVE_KERNEL, CACHE_LIVE_USER, CACHE_LIVE_DATA, CACHE_N_LIVE } CacheLive;
typedef struct CacheAbout {
  uint64_t n[CACHE_N_LIVE];
} CacheAbout;

typedef struct CacheSpace {     /* a process, or so */
  uint64_t space;
  CacheMisses misses;
  CacheAbout about;
} CacheSpace;

typedef struct CacheVcpu {
  CacheTotals base;             /* when counting began */
  CacheAbout *live, seen;       /* generated code adds to these; when they were last looked at */
  uint64_t space;               /* runs now */
} CacheVcpu;

/* For each of CACHE_L1I .. CACHE_L3: accesses, and of them hits. */
enum { CACHE_SERIES_ACCESSES, CACHE_SERIES_HITS = CACHE_N_CACHES, CACHE_N_SERIES = 2 * CACHE_N_CACHES, CACHE_BINS = 256, CACHE_FIRST_BIN = 65536 };

typedef struct TcgCache {
  /* --- properties */
  char *caches[CACHE_N_CACHES];
  bool shared_l2, shared_l3, inclusive, write_allocate, coherence, filter;
  int write, index, who, rank;
  uint64_t seed, warm_up;
  uint32_t top;
  /* --- wiring */
  BpInstrument *instrument;
  BpCounter counters[CACHE_N_TOTALS][2], live;
  BpFilter filters[2];          /* [is_code]; 0: every access comes */
  BpAddressSpace *memory;
  unsigned listener;
  /* --- derived */
  CacheConfig config;
  CacheModel *model;
  unsigned n_vcpus;
  CacheVcpu *vcpus;
  bool filtered[2], warm;       /* warm: what comes is counted */
  GMutex lock;                  /* the model's and all below: a batch, a change of the memory map */
  GHashTable *by_space;         /* of CacheSpace */
  GArray *ram;                  /* of CacheRange, as the listener was told */
  InstrSeries series;           /* CACHE_SERIES_* over instructions */
  uint64_t now;                 /* instructions, about, since counting began */
  CacheMisses last;             /* when the series was last added to */
  uint64_t n_records, n_lost;
} TcgCache;


/* A vCPU's counts up to now, since counting began. */
CacheTotals cache_totals_of (const TcgCache *c, unsigned vcpu);
/* Accesses to a first level of a core, hits included. */
uint64_t cache_first_accesses (const TcgCache *c, unsigned core, CacheKind kind, unsigned user);
/* What went by since the last time is put to the account of the address space that ran. [locked] */
void cache_fill_report (TcgCache *c, BpReport *report);

#endif
