/* tcg-cache-series.c -- how misses went over time, in memory that does not grow. */
/* SPDX-License-Identifier: MIT */
#include "tcg-cache-series.h"

static void
add (CacheSample *to, const CacheSample *from)
{
  to->insns += from->insns;
  to->data += from->data;
  for (unsigned i = 0; i < CACHE_N_MISSES; i++)
    to->misses.n[i] += from->misses.n[i];
}

static void
halve (CacheSeries *series)
{
  for (unsigned i = 0; i < CACHE_BINS / 2; i++) {
    CacheSample both = series->bins[2 * i];
    add (&both, &series->bins[2 * i + 1]);
    series->bins[i] = both;
  }
  memset (series->bins + CACHE_BINS / 2, 0, sizeof series->bins / 2);
  series->n = CACHE_BINS / 2;
  series->width *= 2;
}

void
cache_series_init (CacheSeries *series, uint64_t width)
{
  memset (series, 0, sizeof *series);
  series->n = 1;
  series->width = width;
}

void
cache_series_add (CacheSeries *series, const CacheSample *sample)
{
  if (series->bins[series->n - 1].insns >= series->width) {
    if (series->n == CACHE_BINS)
      halve (series);
    if (series->bins[series->n - 1].insns >= series->width)
      series->n++;
  }
  add (&series->bins[series->n - 1], sample);
}
