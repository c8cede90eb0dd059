/* report.h -- results as values, tables and plots: filled once, shown on a terminal, as JSON and as a page of HTML. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Who has results (an instrument, BpInstrumentOps.report) fills a report; where it goes is the host's business.  A report is a tree of
 * sections.  Each part has a key, which is its member's name in JSON (lower case, words joined by '-', unique in its section: a second one gets a number behind it),
 * and a title for people (NULL: the key).  Parts come out in the order in which they were added, and the same contents give the same bytes.
 * All strings are copied; what is not UTF-8 in them is replaced.  Numbers that are not finite are shown as none (JSON null).  Sections, tables and plots can be added to
 * in any order until the function that got the report returns.  One thread at a time.  Nothing here fails.
 */
#ifndef BACKPLANE_REPORT_H
#define BACKPLANE_REPORT_H

#include <backplane/common.h>
BP_BEGIN_DECLS

typedef struct BpReport BpReport;       /* a section; the host owns it */
typedef struct BpReportTable BpReportTable;
typedef struct BpReportPlot BpReportPlot;

/* A section within a section. */
BP_EXPORT BpReport *bp_report_section (BpReport *report, const char *key, const char *title);
/* A paragraph for people; not in JSON. */
BP_EXPORT void bp_report_note (BpReport *report, const char *text);

/* --- values --------------------------------------------------------------------------- */

BP_EXPORT void bp_report_count (BpReport *report, const char *key, const char *title, uint64_t value);
BP_EXPORT void bp_report_number (BpReport *report, const char *key, const char *title, double value);
/* A part of a whole, 0 to 1: people see per cent.  whole 0: there is none (JSON null). */
BP_EXPORT void bp_report_share (BpReport *report, const char *key, const char *title, uint64_t part, uint64_t whole);
/* text NULL: none (JSON null).  One of several lines is shown below its title. */
BP_EXPORT void bp_report_text (BpReport *report, const char *key, const char *title, const char *text);

/* --- tables ---------------------------------------------------------------------------- */

typedef enum BpReportKind {
  BP_REPORT_TEXT,
  BP_REPORT_COUNT,              /* people see 1,234,567 */
  BP_REPORT_NUMBER,
  BP_REPORT_SHARE,              /* people see per cent */
  BP_REPORT_ADDRESS,            /* hexadecimal; a string "0x..." in JSON */
  BP_REPORT_CODE                /* text in a fixed width: an instruction, a path */
} BpReportKind;

typedef struct BpReportColumn {
  const char *key, *title;
  BpReportKind kind;
} BpReportColumn;               /* as large in all of 1.x */

/* n at least 1; a column's title NULL: its key.  People see the first rows on the terminal, and how many more there are; JSON and the page have them all, and the page sorts and filters them: put the
 * most important ones first. */
BP_EXPORT BpReportTable *bp_report_table (BpReport *report, const char *key, const char *title, const BpReportColumn *columns, unsigned n);
/* Cells fill the table row by row; the function must be that of the column's kind (or _none). */
BP_EXPORT void bp_report_cell_text (BpReportTable *table, const char *text);           /* TEXT, CODE; NULL: as _none */
BP_EXPORT void bp_report_cell_u64 (BpReportTable *table, uint64_t value);              /* COUNT, ADDRESS */
BP_EXPORT void bp_report_cell_number (BpReportTable *table, double value);             /* NUMBER */
BP_EXPORT void bp_report_cell_share (BpReportTable *table, uint64_t part, uint64_t whole);     /* SHARE */
BP_EXPORT void bp_report_cell_none (BpReportTable *table);

/* --- plots: on the page of HTML, drawn; in JSON, the numbers; on the terminal, bars or what the lines range over ----------------------------- */

typedef enum BpPlotKind { BP_PLOT_LINES, BP_PLOT_BARS } BpPlotKind;
BP_EXPORT BpReportPlot *bp_report_plot (BpReport *report, const char *key, const char *title, BpPlotKind kind, const char *x_title, const char *y_title);
/* Several series of LINES share the axes; x grows, and is finite.  x may be NULL: 0, 1, 2 ...; a y that is not finite is a gap. */
BP_EXPORT void bp_report_series (BpReportPlot *plot, const char *name, const double *x, const double *y, size_t n);
/* BARS: one bar. */
BP_EXPORT void bp_report_bar (BpReportPlot *plot, const char *label, double value);

BP_END_DECLS
#endif
