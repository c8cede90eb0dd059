/* instr-series.c -- counts over time in a bounded number of bins. */
/* SPDX-License-Identifier: MIT */
#include "instr-series.h"
#include <string.h>

void
instr_series_init (InstrSeries *s, unsigned n_bins, unsigned n_values, uint64_t first_width)
{
  g_assert (n_bins >= 2 && n_bins % 2 == 0 && first_width > 0);
  *s = (InstrSeries) { .n_bins = n_bins, .n_values = n_values, .width = first_width, .sums = g_new0 (uint64_t, (size_t) n_bins * n_values) };
}

void
instr_series_finish (InstrSeries *s)
{
  g_free (s->sums);
  *s = (InstrSeries) { .n_bins = 0 };
}

/* Bins of twice the width. */
static void
fold (InstrSeries *s)
{
  unsigned v = s->n_values, half = s->n_bins / 2;
  for (unsigned bin = 0; bin < half; bin++)
    for (unsigned i = 0; i < v; i++)
      s->sums[bin * v + i] = s->sums[2 * bin * v + i] + s->sums[(2 * bin + 1) * v + i];
  memset (s->sums + (size_t) half * v, 0, (size_t) (s->n_bins - half) * v * sizeof *s->sums);
  s->width *= 2;
  s->used = (s->used + 1) / 2;
}

uint64_t *
instr_series_at (InstrSeries *s, uint64_t time)
{
  while (time / s->width >= s->n_bins)
    fold (s);
  unsigned bin = (unsigned) (time / s->width);
  if (bin >= s->used)
    s->used = bin + 1;
  return s->sums + (size_t) bin * s->n_values;
}

void
instr_series_merge (InstrSeries *to, const InstrSeries *from)
{
  g_assert (to->n_bins == from->n_bins && to->n_values == from->n_values);
  while (to->width < from->width)
    fold (to);
  for (unsigned bin = 0; bin < from->used; bin++) {
    uint64_t *sums = instr_series_at (to, bin * from->width);
    for (unsigned i = 0; i < to->n_values; i++)
      sums[i] += from->sums[(size_t) bin * from->n_values + i];
  }
}
