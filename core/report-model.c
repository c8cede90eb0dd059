/* report-model.c -- reports are filled: sections, values, tables and plots, kept in the order in which they came. */
/* SPDX-License-Identifier: MIT */
#include "report-parts.h"
#include <math.h>
#include <stdarg.h>

/* --- texts ---------------------------------------------------------------------------------- */

/* Whatever bytes come in, UTF-8 goes out. */
static char *
valid (const char *text)
{
  return g_utf8_make_valid (text ? text : "", -1);
}

static const char *
keep (GStringChunk *strings, const char *text)
{
  if (g_utf8_validate (text, -1, NULL))
    return g_string_chunk_insert_const (strings, text);
  g_autofree char *good = valid (text);
  return g_string_chunk_insert_const (strings, good);
}

/* --- parts ---------------------------------------------------------------------------------- */

static void
series_free (void *data)
{
  Series *s = data;
  g_free (s->name);
  g_array_unref (s->points);
  g_free (s);
}

static void
plot_free (BpReportPlot *plot)
{
  g_free (plot->x_title);
  g_free (plot->y_title);
  g_ptr_array_unref (plot->series);
  g_ptr_array_unref (plot->labels);
  g_array_unref (plot->values);
  g_free (plot);
}

static void
table_free (BpReportTable *table)
{
  for (guint i = 0; i < table->columns->len; i++) {
    g_free (table_column (table, i)->key);
    g_free (table_column (table, i)->title);
  }
  g_array_unref (table->columns);
  g_array_unref (table->cells);
  g_string_chunk_free (table->strings);
  g_free (table);
}

static void
part_free (void *data)
{
  Part *part = data;
  g_free (part->key);
  g_free (part->title);
  report_free (part->section);
  g_clear_pointer (&part->table, table_free);
  g_clear_pointer (&part->plot, plot_free);
  g_free (part);
}

/* A key that is taken gets a number behind it: JSON knows each member once. */
static char *
free_key (GHashTable *taken, const char *key)
{
  g_autofree char *base = valid (key);
  char *name = g_strdup (base);
  for (unsigned i = 2; g_hash_table_contains (taken, name); i++) {
    g_free (name);
    name = g_strdup_printf ("%s-%u", base, i);
  }
  g_hash_table_add (taken, g_strdup (name));
  return name;
}

static Part *
add_part (BpReport *report, PartKind kind, const char *key, const char *title)
{
  Part *part = g_new0 (Part, 1);
  part->kind = kind;
  part->key = free_key (report->keys, key);
  part->title = title ? valid (title) : g_strdup (part->key);
  g_ptr_array_add (report->parts, part);
  return part;
}

/* --- sections ------------------------------------------------------------------------------- */

BpReport *
report_new (void)
{
  BpReport *report = g_new0 (BpReport, 1);
  report->refs = 1;
  report->parts = g_ptr_array_new_with_free_func (part_free);
  report->keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  report->strings = g_string_chunk_new (256);
  return report;
}

BpReport *
report_ref (BpReport *report)
{
  report->refs++;
  return report;
}

void
report_free (BpReport *report)
{
  if (!report || --report->refs > 0)
    return;
  g_ptr_array_unref (report->parts);
  g_hash_table_unref (report->keys);
  g_string_chunk_free (report->strings);
  g_free (report);
}

bool
report_is_empty (const BpReport *report)
{
  return report->parts->len == 0;
}

BpReport *
bp_report_section (BpReport *report, const char *key, const char *title)
{
  return add_part (report, PART_SECTION, key, title)->section = report_new ();
}

BpReport *
report_adopt (BpReport *report, const char *key, const char *title, BpReport *section)
{
  return add_part (report, PART_SECTION, key, title)->section = report_ref (section);
}

BpReport *
report_item (BpReport *report, const char *key)
{
  const Part *last = report->parts->len ? report_part (report, report->parts->len - 1) : NULL;
  Part *part;
  if (last && last->kind == PART_ITEM && g_str_equal (last->key, key)) {
    part = g_new0 (Part, 1);
    part->kind = PART_ITEM;
    part->key = g_strdup (key);
    part->title = g_strdup (key);
    g_ptr_array_add (report->parts, part);
  } else {
    part = add_part (report, PART_ITEM, key, NULL);
  }
  return part->section = report_new ();
}

void
bp_report_note (BpReport *report, const char *text)
{
  Part *part = g_new0 (Part, 1);
  part->kind = PART_NOTE;
  part->title = valid (text);
  g_ptr_array_add (report->parts, part);
}

/* --- values --------------------------------------------------------------------------------- */

static Cell
share_cell (uint64_t part, uint64_t whole)
{
  return (Cell) { .is_there = whole != 0, .count = part, .whole = whole };
}

static Cell
number_cell (double number)
{
  return (Cell) { .is_there = isfinite (number), .number = number };
}

static void
add_value (BpReport *report, const char *key, const char *title, BpReportKind kind, Cell value)
{
  Part *part = add_part (report, PART_VALUE, key, title);
  part->value_kind = kind;
  part->value = value;
}

void
bp_report_count (BpReport *report, const char *key, const char *title, uint64_t value)
{
  add_value (report, key, title, BP_REPORT_COUNT, (Cell) { .is_there = true, .count = value });
}

void
bp_report_number (BpReport *report, const char *key, const char *title, double value)
{
  add_value (report, key, title, BP_REPORT_NUMBER, number_cell (value));
}

void
bp_report_share (BpReport *report, const char *key, const char *title, uint64_t part, uint64_t whole)
{
  add_value (report, key, title, BP_REPORT_SHARE, share_cell (part, whole));
}

void
bp_report_text (BpReport *report, const char *key, const char *title, const char *text)
{
  Cell cell = { .is_there = text != NULL, .text = text ? keep (report->strings, text) : NULL };
  add_value (report, key, title, BP_REPORT_TEXT, cell);
}

void
report_value (BpReport *report, const char *key, const char *text)
{
  if (text)
    bp_report_text (report, key, NULL, text);
}

/* --- tables --------------------------------------------------------------------------------- */

BpReportTable *
bp_report_table (BpReport *report, const char *key, const char *title, const BpReportColumn *columns, unsigned n)
{
  g_return_val_if_fail (n > 0, NULL);
  BpReportTable *table = g_new0 (BpReportTable, 1);
  g_autoptr (GHashTable) taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  table->columns = g_array_new (FALSE, FALSE, sizeof (Column));
  table->cells = g_array_new (FALSE, FALSE, sizeof (Cell));
  table->strings = g_string_chunk_new (4096);
  for (unsigned i = 0; i < n; i++) {
    Column c = { .key = free_key (taken, columns[i].key), .kind = columns[i].kind };
    c.title = columns[i].title ? valid (columns[i].title) : g_strdup (c.key);
    g_array_append_val (table->columns, c);
  }
  return add_part (report, PART_TABLE, key, title)->table = table;
}

static BpReportKind
next_kind (const BpReportTable *table)
{
  return table_column (table, table->cells->len % table->columns->len)->kind;
}

/* A cell of another kind than its column's is the caller's mistake; the row stays in step. */
static void
add_cell (BpReportTable *table, bool fits, Cell cell)
{
  if (!fits) {
    g_critical ("report: a cell does not fit its column `%s`", table_column (table, table->cells->len % table->columns->len)->key);
    cell.is_there = false;
  }
  g_array_append_val (table->cells, cell);
}

void
bp_report_cell_text (BpReportTable *table, const char *text)
{
  Cell cell = { .is_there = text != NULL, .text = text ? keep (table->strings, text) : NULL };
  add_cell (table, !kind_is_number (next_kind (table)), cell);
}

void
bp_report_cell_u64 (BpReportTable *table, uint64_t value)
{
  BpReportKind kind = next_kind (table);
  add_cell (table, kind == BP_REPORT_COUNT || kind == BP_REPORT_ADDRESS, (Cell) { .is_there = true, .count = value });
}

void
bp_report_cell_number (BpReportTable *table, double value)
{
  add_cell (table, next_kind (table) == BP_REPORT_NUMBER, number_cell (value));
}

void
bp_report_cell_share (BpReportTable *table, uint64_t part, uint64_t whole)
{
  add_cell (table, next_kind (table) == BP_REPORT_SHARE, share_cell (part, whole));
}

void
bp_report_cell_none (BpReportTable *table)
{
  add_cell (table, true, (Cell) { .is_there = false });
}

BpReportTable *
report_table (BpReport *report, const char *key, const char *const *columns)
{
  guint n = g_strv_length ((char **) columns);
  g_autofree BpReportColumn *rows = g_new0 (BpReportColumn, n);
  for (guint i = 0; i < n; i++)
    rows[i].key = columns[i];           /* .kind 0 is TEXT */
  return bp_report_table (report, key, NULL, rows, n);
}

void
report_row (BpReportTable *table, ...)
{
  va_list args;
  va_start (args, table);
  for (guint i = 0; i < table->columns->len; i++)
    bp_report_cell_text (table, va_arg (args, const char *));
  va_end (args);
}

guint
table_n_rows (const BpReportTable *table)
{
  return (table->cells->len + table->columns->len - 1) / table->columns->len;
}

Cell
table_cell (const BpReportTable *table, guint row, guint column)
{
  guint at = row * table->columns->len + column;
  return at < table->cells->len ? g_array_index (table->cells, Cell, at) : (Cell) { .is_there = false };
}

/* --- plots ---------------------------------------------------------------------------------- */

BpReportPlot *
bp_report_plot (BpReport *report, const char *key, const char *title, BpPlotKind kind, const char *x_title, const char *y_title)
{
  BpReportPlot *plot = g_new0 (BpReportPlot, 1);
  plot->kind = kind;
  plot->x_title = valid (x_title);
  plot->y_title = valid (y_title);
  plot->series = g_ptr_array_new_with_free_func (series_free);
  plot->labels = g_ptr_array_new_with_free_func (g_free);
  plot->values = g_array_new (FALSE, FALSE, sizeof (double));
  return add_part (report, PART_PLOT, key, title)->plot = plot;
}

void
bp_report_series (BpReportPlot *plot, const char *name, const double *x, const double *y, size_t n)
{
  g_return_if_fail (plot->kind == BP_PLOT_LINES);
  Series *s = g_new0 (Series, 1);
  s->name = valid (name);
  s->points = g_array_sized_new (FALSE, FALSE, sizeof (double), (guint) (2 * n));
  for (size_t i = 0; i < n; i++) {
    double point[2] = { x ? x[i] : (double) i, y[i] };
    g_array_append_vals (s->points, point, 2);
  }
  g_ptr_array_add (plot->series, s);
}

void
bp_report_bar (BpReportPlot *plot, const char *label, double value)
{
  g_return_if_fail (plot->kind == BP_PLOT_BARS);
  g_ptr_array_add (plot->labels, valid (label));
  g_array_append_val (plot->values, value);
}
