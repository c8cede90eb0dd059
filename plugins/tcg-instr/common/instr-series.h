/* instr-series.h -- counts over time in a bounded number of bins: when they are full, two become one. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_INSTR_SERIES_H
#define TCG_INSTR_SERIES_H

#include <backplane/report.h>

/* The time is whatever grows: instructions, accesses.  One a vCPU, or used by one thread at a time. */
typedef struct InstrSeries {
  uint64_t *sums;               /* n_bins rows of n_values */
  uint64_t width;               /* of a bin, in units of time: a power of two times the first */
  unsigned n_bins, n_values;
  unsigned used;                /* bins up to the last that something was added to */
} InstrSeries;

/* n_bins: even; first_width: of a bin before anything was folded. */
void instr_series_init (InstrSeries *s, unsigned n_bins, unsigned n_values, uint64_t first_width);
void instr_series_finish (InstrSeries *s);
/* The row of sums for this time, to add to. */
uint64_t *instr_series_at (InstrSeries *s, uint64_t time);
/* Adds another one's sums: of another vCPU, with as many bins and values and the same first width. */
void instr_series_merge (InstrSeries *to, const InstrSeries *from);

/* --- as a plot --------------------------------------------------------------------------- */

/* A line of the plot: sums [value], or the quotient sums [value] / sums [whole]; a bin without a whole is left out. */
typedef struct InstrSeriesLine {
  const char *name;
  unsigned value;
  int whole;                    /* INSTR_SERIES_ALONE: none */
  double scale;                 /* the number is multiplied by it; 0: 1 */
} InstrSeriesLine;
enum { INSTR_SERIES_ALONE = -1 };

void instr_series_plot (BpReport *report, const char *key, const char *title, const char *x_title, const char *y_title, const InstrSeries *s,
                        const InstrSeriesLine *lines, unsigned n);

#endif
