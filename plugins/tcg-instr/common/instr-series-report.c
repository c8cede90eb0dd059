/* instr-series-report.c -- counts over time as a report's plot. */
/* SPDX-License-Identifier: MIT */
#include "instr-series.h"

void
instr_series_plot (BpReport *report, const char *key, const char *title, const char *x_title, const char *y_title, const InstrSeries *s,
                   const InstrSeriesLine *lines, unsigned n)
{
  BpReportPlot *plot = bp_report_plot (report, key, title, BP_PLOT_LINES, x_title, y_title);
  double *x = g_new (double, s->used + 1), *y = g_new (double, s->used + 1);
  for (unsigned i = 0; i < n; i++) {
    size_t points = 0;
    for (unsigned bin = 0; bin < s->used; bin++) {
      const uint64_t *sums = s->sums + (size_t) bin * s->n_values;
      if (lines[i].whole != INSTR_SERIES_ALONE && !sums[lines[i].whole])
        continue;
      double value = (double) sums[lines[i].value] * (lines[i].scale != 0 ? lines[i].scale : 1);
      x[points] = (double) bin * (double) s->width;
      y[points++] = lines[i].whole == INSTR_SERIES_ALONE ? value : value / (double) sums[lines[i].whole];
    }
    bp_report_series (plot, lines[i].name, x, y, points);
  }
  g_free (x);
  g_free (y);
}
