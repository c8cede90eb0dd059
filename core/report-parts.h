/* report-parts.h -- what a report is made of: what the files that print it look at. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_REPORT_PARTS_H
#define CORE_REPORT_PARTS_H

#include "report.h"
#include <glib.h>
#include <string.h>

/* One value, of a kind that its column (or its part) says. */
typedef struct Cell {
  bool is_there;
  union {
    uint64_t count;             /* COUNT, ADDRESS; SHARE: the part */
    double number;              /* NUMBER */
    const char *text;           /* TEXT, CODE: valid UTF-8 */
  };
  uint64_t whole;               /* SHARE: not 0 */
} Cell;

typedef struct Column {
  char *key, *title;
  BpReportKind kind;
} Column;

struct BpReportTable {
  GArray *columns;              /* of Column */
  GArray *cells;                /* of Cell, row by row; the last row may be short */
  GStringChunk *strings;
};

typedef struct Series {
  char *name;
  GArray *points;               /* of double: x, y, x, y ... */
} Series;

struct BpReportPlot {
  BpPlotKind kind;
  char *x_title, *y_title;
  GPtrArray *series;            /* of Series *: LINES */
  GPtrArray *labels;            /* of char *: BARS */
  GArray *values;               /* of double: BARS */
};

typedef enum PartKind { PART_SECTION, PART_ITEM, PART_NOTE, PART_VALUE, PART_TABLE, PART_PLOT } PartKind;

typedef struct Part {
  PartKind kind;
  char *key, *title;            /* NOTE: NULL, the paragraph; ITEM: the array's key */
  BpReportKind value_kind;      /* VALUE */
  Cell value;
  BpReport *section;
  BpReportTable *table;
  BpReportPlot *plot;
} Part;

struct BpReport {
  unsigned refs;
  GPtrArray *parts;             /* of Part * */
  GHashTable *keys;             /* taken ones */
  GStringChunk *strings;        /* of values */
};

static inline const Part *report_part (const BpReport *report, guint i) { return (const Part *) g_ptr_array_index (report->parts, i); }
static inline bool
part_has_lines (const Part *part)
{
  return part->kind == PART_VALUE && part->value_kind == BP_REPORT_TEXT && part->value.is_there && strchr (part->value.text, '\n');
}
static inline const Column *table_column (const BpReportTable *table, guint i) { return &g_array_index (table->columns, Column, i); }
guint table_n_rows (const BpReportTable *table);
/* A table without rows, a plot without lines and bars. */
static inline bool
part_is_empty (const Part *part)
{
  return (part->kind == PART_TABLE && table_n_rows (part->table) == 0)
         || (part->kind == PART_PLOT && part->plot->series->len == 0 && part->plot->labels->len == 0);
}
/* Those that a short last row lacks are not there. */
Cell table_cell (const BpReportTable *table, guint row, guint column);
static inline guint series_n (const Series *s) { return s->points->len / 2; }
static inline double series_x (const Series *s, guint i) { return g_array_index (s->points, double, 2 * i); }
static inline double series_y (const Series *s, guint i) { return g_array_index (s->points, double, 2 * i + 1); }

/* report-text.c: a cell as people read it: "1,234", "12.34 %"; free with g_free.  NULL: it is not there. */
char *cell_for_people (BpReportKind kind, Cell cell);
char *number_for_people (double number);        /* a dash: it is not finite */
/* Numbers are put to the right. */
static inline bool kind_is_number (BpReportKind kind) { return kind != BP_REPORT_TEXT && kind != BP_REPORT_CODE; }

/* report-svg.c */
void plot_svg (const BpReportPlot *plot, const char *title, GString *out);
/* report-page.c */
extern const char page_style[], page_script[];
/* `<', `&' and their like, and control characters, made harmless. */
void append_escaped (GString *out, const char *text);

#endif
