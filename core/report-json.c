/* report-json.c -- a report as JSON (RFC 8259): the same contents give the same bytes. */
/* SPDX-License-Identifier: MIT */
#include "report-parts.h"
#include <math.h>

/* --- scalars -------------------------------------------------------------------------------- */

/* The letter of a short escape; 0: there is none. */
static char
escape_letter (char c)
{
  switch (c) {
  case '"': case '\\': return c;
  case '\b': return 'b';
  case '\f': return 'f';
  case '\n': return 'n';
  case '\r': return 'r';
  case '\t': return 't';
  default: return 0;
  }
}

static void
append_string (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (const char *p = text; *p; p++) {
    char letter = escape_letter (*p);
    if (letter)
      g_string_append_printf (out, "\\%c", letter);
    else if ((unsigned char) *p < 0x20 || *p == 0x7f)
      g_string_append_printf (out, "\\u%04x", (unsigned char) *p);
    else
      g_string_append_c (out, *p);
  }
  g_string_append_c (out, '"');
}

/* With as few digits as give the same number back. */
static void
append_double (GString *out, double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  if (!isfinite (number)) {
    g_string_append (out, "null");
    return;
  }
  for (int digits = 15; digits <= 17; digits++) {
    char format[8];
    g_snprintf (format, sizeof format, "%%.%dg", digits);
    g_ascii_formatd (text, sizeof text, format, number);
    if (g_ascii_strtod (text, NULL) == number)
      break;
  }
  g_string_append (out, text);
}

static void
append_cell (GString *out, BpReportKind kind, Cell cell)
{
  if (!cell.is_there)
    g_string_append (out, "null");
  else if (!kind_is_number (kind))
    append_string (out, cell.text);
  else if (kind == BP_REPORT_COUNT)
    g_string_append_printf (out, "%" G_GUINT64_FORMAT, cell.count);
  else if (kind == BP_REPORT_ADDRESS)
    g_string_append_printf (out, "\"0x%" G_GINT64_MODIFIER "x\"", cell.count);
  else
    append_double (out, kind == BP_REPORT_SHARE ? (double) cell.count / (double) cell.whole : cell.number);
}

/* --- tables and plots: a row or a series is a line -------------------------------------------- */

static void
indent (GString *out, unsigned depth)
{
  g_string_append_printf (out, "\n%*s", (int) (2 * depth), "");
}

/* An array, an item a line. */
typedef void AppendItem (GString *out, const void *of, guint i);

static void
append_list (GString *out, const void *of, guint n, AppendItem *append, unsigned depth)
{
  g_string_append_c (out, '[');
  for (guint i = 0; i < n; i++) {
    indent (out, depth + 1);
    append (out, of, i);
    if (i + 1 < n)
      g_string_append_c (out, ',');
  }
  if (n > 0)
    indent (out, depth);
  g_string_append_c (out, ']');
}

static void
append_row (GString *out, const void *of, guint row)
{
  const BpReportTable *table = of;
  for (guint i = 0; i < table->columns->len; i++) {
    g_string_append (out, i ? ", " : "{");
    append_string (out, table_column (table, i)->key);
    g_string_append (out, ": ");
    append_cell (out, table_column (table, i)->kind, table_cell (table, row, i));
  }
  g_string_append_c (out, '}');
}

static void
append_axis (GString *out, const Series *s, const char *name, double (*get) (const Series *, guint))
{
  g_string_append_printf (out, ", \"%s\": [", name);
  for (guint i = 0; i < series_n (s); i++) {
    g_string_append (out, i ? ", " : "");
    append_double (out, get (s, i));
  }
  g_string_append_c (out, ']');
}

static void
append_series (GString *out, const void *of, guint i)
{
  const Series *s = g_ptr_array_index (((const BpReportPlot *) of)->series, i);
  g_string_append (out, "{\"name\": ");
  append_string (out, s->name);
  append_axis (out, s, "x", series_x);
  append_axis (out, s, "y", series_y);
  g_string_append_c (out, '}');
}

static void
append_bar (GString *out, const void *of, guint i)
{
  const BpReportPlot *plot = of;
  g_string_append (out, "{\"label\": ");
  append_string (out, g_ptr_array_index (plot->labels, i));
  g_string_append (out, ", \"value\": ");
  append_double (out, g_array_index (plot->values, double, i));
  g_string_append_c (out, '}');
}

static void
append_plot (GString *out, const BpReportPlot *plot, unsigned depth)
{
  if (plot->kind == BP_PLOT_LINES)
    append_list (out, plot, plot->series->len, append_series, depth);
  else
    append_list (out, plot, plot->labels->len, append_bar, depth);
}

/* --- sections --------------------------------------------------------------------------------- */

static void append_section (GString *out, const BpReport *report, unsigned depth);

/* Items that follow each other, from *i on, which becomes the last. */
static void
append_items (GString *out, const BpReport *report, guint *i, unsigned depth)
{
  const char *key = report_part (report, *i)->key;
  g_string_append_c (out, '[');
  for (bool first = true;; first = false) {
    g_string_append (out, first ? "" : ",");
    indent (out, depth + 1);
    append_section (out, report_part (report, *i)->section, depth + 1);
    const Part *next = *i + 1 < report->parts->len ? report_part (report, *i + 1) : NULL;
    if (!next || next->kind != PART_ITEM || !g_str_equal (next->key, key))
      break;
    (*i)++;
  }
  indent (out, depth);
  g_string_append_c (out, ']');
}

static void
append_section (GString *out, const BpReport *report, unsigned depth)
{
  bool empty = true;
  g_string_append_c (out, '{');
  for (guint i = 0; i < report->parts->len; i++) {
    const Part *part = report_part (report, i);
    if (part->kind == PART_NOTE)
      continue;
    g_string_append (out, empty ? "" : ",");
    empty = false;
    indent (out, depth + 1);
    append_string (out, part->key);
    g_string_append (out, ": ");
    switch (part->kind) {
    case PART_SECTION: append_section (out, part->section, depth + 1); break;
    case PART_ITEM: append_items (out, report, &i, depth + 1); break;
    case PART_VALUE: append_cell (out, part->value_kind, part->value); break;
    case PART_TABLE: append_list (out, part->table, table_n_rows (part->table), append_row, depth + 1); break;
    case PART_PLOT: append_plot (out, part->plot, depth + 1); break;
    case PART_NOTE: break;
    }
  }
  if (!empty)
    indent (out, depth);
  g_string_append_c (out, '}');
}

char *
report_json (const BpReport *report)
{
  GString *out = g_string_new (NULL);
  append_section (out, report, 0);
  g_string_append_c (out, '\n');
  return g_string_free (out, FALSE);
}
