/* tcg-cache-series.h -- how misses went over time, in memory that does not grow. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_CACHE_SERIES_H
#define TCG_CACHE_SERIES_H

#include "tcg-cache-model.h"

typedef struct CacheSample {
  uint64_t insns, data;         /* how many there were, about */
  CacheMisses misses;
} CacheSample;

enum { CACHE_BINS = 256 };
typedef struct CacheSeries {
  CacheSample bins[CACHE_BINS];
  unsigned n;                   /* the last one is still being filled */
  uint64_t width;               /* instructions a bin */
} CacheSeries;

void cache_series_init (CacheSeries *series, uint64_t width);
/* What went by since the last time.  When all bins are full, each two become one. */
void cache_series_add (CacheSeries *series, const CacheSample *sample);

#endif
