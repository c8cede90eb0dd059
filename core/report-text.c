/* report-text.c -- a report for a terminal: values, tables in columns, what a plot shows in numbers. */
/* SPDX-License-Identifier: MIT */
#include "report-parts.h"
#include <math.h>
#include <string.h>

#define KEY_WIDTH 14
#define CELL_WIDTH 60           /* where tables are cut, texts in them are too */
#define BAR_WIDTH 40
#define LINES_A_ROW 10          /* where tables are cut to N rows, a text of many lines is to 10 N */

typedef struct Printer {
  GString *out;
  unsigned max_rows;            /* 0: everything */
} Printer;

/* --- cells as people read them ---------------------------------------------------------------- */

/* 1234567 -> 1,234,567 */
static char *
group_digits (const char *digits)
{
  size_t n = strlen (digits);
  GString *out = g_string_new (NULL);
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && (n - i) % 3 == 0)
      g_string_append_c (out, ',');
    g_string_append_c (out, digits[i]);
  }
  return g_string_free (out, FALSE);
}

static char *
count_for_people (uint64_t count)
{
  char digits[24];
  g_snprintf (digits, sizeof digits, "%" G_GUINT64_FORMAT, count);
  return group_digits (digits);
}

char *
number_for_people (double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  if (!isfinite (number))
    return g_strdup ("\xe2\x80\x93");
  if (fabs (number) >= 1000 && fabs (number) < 1e15) {
    g_autofree char *digits = g_strdup_printf ("%.0f", fabs (number));
    g_autofree char *grouped = group_digits (digits);
    return g_strconcat (number < 0 ? "-" : "", grouped, NULL);
  }
  return g_strdup (g_ascii_formatd (text, sizeof text, "%.4g", number));
}

/* Two decimals, or as many as show that it is not nothing. */
static char *
share_for_people (Cell cell)
{
  double per_cent = 100.0 * ((double) cell.count / (double) cell.whole);
  int decimals = per_cent > 0 ? CLAMP ((int) ceil (-log10 (per_cent)), 2, 9) : 2;
  return g_strdup_printf ("%.*f %%", decimals, per_cent);
}

char *
cell_for_people (BpReportKind kind, Cell cell)
{
  if (!cell.is_there)
    return NULL;
  switch (kind) {
  case BP_REPORT_COUNT: return count_for_people (cell.count);
  case BP_REPORT_NUMBER: return number_for_people (cell.number);
  case BP_REPORT_SHARE: return share_for_people (cell);
  case BP_REPORT_ADDRESS: return g_strdup_printf ("0x%" G_GINT64_MODIFIER "x", cell.count);
  default: return g_strdup (cell.text);
  }
}

/* --- columns ---------------------------------------------------------------------------------- */

/* Bytes that a terminal would act on become `?'. */
static char *
harmless (char *text)
{
  for (char *p = text; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    if (c < 0x20 || c == 0x7f)
      *p = '?';
    else if (c >= 0x80 && c < 0xa0)
      memcpy (p, "??", 2);      /* C1 controls: two bytes in UTF-8 */
  }
  return text;
}

static char *
cut (char *text, glong width)
{
  if (width == 0 || g_utf8_strlen (text, -1) <= width)
    return text;
  g_autofree char *kept = g_utf8_substring (text, 0, width - 3);
  g_free (text);
  return g_strconcat (kept, "...", NULL);
}

static guint
text_width (const char *text)
{
  return (guint) g_utf8_strlen (text, -1);
}

static void
spaces (GString *out, guint n)
{
  g_string_append_printf (out, "%*s", (int) n, "");
}

static void
pad (GString *out, const char *text, guint width, bool to_the_right)
{
  guint n = text_width (text), missing = width > n ? width - n : 0;
  if (to_the_right)
    spaces (out, missing);
  g_string_append (out, text);
  if (!to_the_right)
    spaces (out, missing);
}

static void
end_line (GString *out)
{
  while (out->len > 0 && out->str[out->len - 1] == ' ')
    g_string_truncate (out, out->len - 1);
  g_string_append_c (out, '\n');
}

/* What is printed of a table: its heads and the rows that are not cut off, all as texts. */
typedef struct Grid {
  GPtrArray *texts;             /* of char *, row by row, the heads first */
  guint *widths;
  guint n_columns;
} Grid;

static void
grid_add (Grid *grid, char *text)
{
  guint column = grid->texts->len % grid->n_columns;
  grid->widths[column] = MAX (grid->widths[column], text_width (text));
  g_ptr_array_add (grid->texts, text);
}

static void
print_grid (const Grid *grid, const BpReportTable *table, GString *out)
{
  for (guint i = 0; i < grid->texts->len; i++) {
    guint column = i % grid->n_columns;
    pad (out, grid->texts->pdata[i], grid->widths[column], kind_is_number (table_column (table, column)->kind));
    if (column + 1 < grid->n_columns)
      g_string_append (out, "  ");
    else
      end_line (out);
  }
}

static void
print_table (Printer *p, const BpReportTable *table)
{
  guint n = table_n_rows (table), shown = p->max_rows ? MIN (n, p->max_rows) : n, columns = table->columns->len;
  g_autofree guint *widths = g_new0 (guint, columns);
  Grid grid = { g_ptr_array_new_with_free_func (g_free), widths, columns };
  for (guint i = 0; i < columns; i++)
    grid_add (&grid, harmless (g_utf8_strup (table_column (table, i)->title, -1)));
  for (guint i = 0; i < shown * columns; i++) {
    char *text = cell_for_people (table_column (table, i % columns)->kind, table_cell (table, i / columns, i % columns));
    grid_add (&grid, text ? cut (harmless (text), p->max_rows ? CELL_WIDTH : 0) : g_strdup ("-"));
  }
  print_grid (&grid, table, p->out);
  if (shown < n) {
    g_autofree char *more = count_for_people (n - shown);
    g_string_append_printf (p->out, "... %s more\n", more);
  }
  g_ptr_array_unref (grid.texts);
}

/* --- plots -------------------------------------------------------------------------------------- */

/* Every `stride'-th of the values, from the last of the first `stride' on. */
static void
add_range (BpReportTable *table, const char *name, const GArray *values, guint stride)
{
  double least = INFINITY, most = -INFINITY, sum = 0;
  guint n = 0;
  for (guint i = stride - 1; i < values->len; i += stride) {
    double y = g_array_index (values, double, i);
    if (isfinite (y)) {
      least = MIN (least, y);
      most = MAX (most, y);
      sum += y;
      n++;
    }
  }
  bp_report_cell_text (table, name);
  bp_report_cell_u64 (table, n);
  bp_report_cell_number (table, least);
  bp_report_cell_number (table, n ? sum / n : NAN);
  bp_report_cell_number (table, most);
}

static void
add_bars (BpReportTable *table, const BpReportPlot *plot)
{
  double most = 0;
  for (guint i = 0; i < plot->values->len; i++)
    if (isfinite (g_array_index (plot->values, double, i)))
      most = fmax (most, g_array_index (plot->values, double, i));
  for (guint i = 0; i < plot->values->len; i++) {
    double value = g_array_index (plot->values, double, i);
    char bar[BAR_WIDTH + 1] = "";
    if (isfinite (value) && value > 0)
      memset (bar, '#', (size_t) lround (BAR_WIDTH * (value / most)));
    bp_report_cell_text (table, g_ptr_array_index (plot->labels, i));
    bp_report_cell_number (table, value);
    bp_report_cell_text (table, bar);
  }
}

/* Lines cannot be drawn here, but told, and neither can more bars than a table has rows: half of them say nothing. */
static void
print_plot (Printer *p, const BpReportPlot *plot)
{
  static const BpReportColumn of_lines[] = { { "series", NULL, BP_REPORT_TEXT }, { "points", NULL, BP_REPORT_COUNT }, { "least", NULL, BP_REPORT_NUMBER },
                                             { "mean", NULL, BP_REPORT_NUMBER }, { "most", NULL, BP_REPORT_NUMBER } };
  BpReportColumn of_bars[] = { { "label", plot->x_title, BP_REPORT_TEXT }, { "value", plot->y_title, BP_REPORT_NUMBER }, { "bar", "", BP_REPORT_TEXT } };
  BpReport *scratch = report_new ();
  BpReportTable *table;
  bool draws = plot->kind == BP_PLOT_BARS && (!p->max_rows || plot->values->len <= p->max_rows);
  if (draws) {
    table = bp_report_table (scratch, "plot", NULL, of_bars, G_N_ELEMENTS (of_bars));
    add_bars (table, plot);
  } else {
    table = bp_report_table (scratch, "plot", NULL, of_lines, G_N_ELEMENTS (of_lines));
    for (guint i = 0; i < plot->series->len; i++)
      add_range (table, ((Series *) plot->series->pdata[i])->name, ((Series *) plot->series->pdata[i])->points, 2);
    if (plot->kind == BP_PLOT_BARS)
      add_range (table, plot->y_title, plot->values, 1);
  }
  print_table (p, table);
  report_free (scratch);
}

/* --- sections ----------------------------------------------------------------------------------- */

static void
separate (GString *out)
{
  if (out->len > 0 && !g_str_has_suffix (out->str, "\n\n"))
    g_string_append_c (out, '\n');
}

static void
print_heading (GString *out, const char *title, char underline)
{
  g_autofree char *text = harmless (g_strdup (title));
  separate (out);
  g_string_append_printf (out, "%s%s\n", text, underline ? "" : ":");
  for (guint i = underline ? text_width (text) : 0; i-- > 0;)
    g_string_append_c (out, underline);
  if (underline)
    g_string_append_c (out, '\n');
}

static void
print_line (GString *out, const char *line)
{
  g_auto (GStrv) parts = g_strsplit (line, "\t", -1);
  for (char **part = parts; *part; part++)
    g_string_append_printf (out, "%s%s", harmless (*part), part[1] ? "\t" : "");
  g_string_append_c (out, '\n');
}

/* A text of several lines: what a program printed. */
static void
print_lines (Printer *p, const Part *part)
{
  g_auto (GStrv) lines = g_strsplit (part->value.text, "\n", -1);
  guint n = g_strv_length (lines), shown = 0, most = p->max_rows ? p->max_rows * LINES_A_ROW : G_MAXUINT;
  if (!*lines[n - 1])
    n--;
  print_heading (p->out, part->title, 0);
  for (; shown < n && shown < most; shown++)
    print_line (p->out, lines[shown]);
  if (shown < n)
    g_string_append_printf (p->out, "... %u more lines\n", n - shown);
}

/* Values that follow each other are put under each other; the last one's number. */
static guint
print_values (Printer *p, const BpReport *report, guint i)
{
  GString *out = p->out;
  guint end = i, width = KEY_WIDTH;
  if (part_has_lines (report_part (report, i))) {
    print_lines (p, report_part (report, i));
    return i;
  }
  for (; end < report->parts->len && report_part (report, end)->kind == PART_VALUE && !part_has_lines (report_part (report, end)); end++)
    width = MAX (width, text_width (report_part (report, end)->title) + 2);
  for (; i < end; i++) {
    const Part *part = report_part (report, i);
    g_autofree char *title = harmless (g_strdup (part->title)), *text = cell_for_people (part->value_kind, part->value);
    pad (out, title, width, false);
    g_string_append (out, text ? harmless (text) : "-");
    end_line (out);
  }
  return end - 1;
}

static bool
is_line (const Part *part)
{
  return (part->kind == PART_VALUE && !part_has_lines (part)) || part->kind == PART_NOTE;
}

static void
print_section (Printer *p, const BpReport *report, unsigned depth)
{
  GString *out = p->out;
  for (guint i = 0; i < report->parts->len; i++) {
    const Part *part = report_part (report, i);
    bool needs_no_heading = report->parts->len == 1 && part->title && part->key && g_str_equal (part->title, part->key);
    if (part_is_empty (part))
      continue;
    if (i > 0 && is_line (part) && !is_line (report_part (report, i - 1)))
      separate (out);
    switch (part->kind) {
    case PART_VALUE:
      i = print_values (p, report, i);
      break;
    case PART_NOTE: {
      g_autofree char *text = harmless (g_strdup (part->title));
      g_string_append_printf (out, "%s\n", text);
      break;
    }
    case PART_SECTION:
      print_heading (out, part->title, depth == 0 ? '=' : '-');
      print_section (p, part->section, depth + 1);
      break;
    case PART_ITEM:
      separate (out);
      print_section (p, part->section, depth);
      break;
    case PART_TABLE:
    case PART_PLOT:
      if (!needs_no_heading)
        print_heading (out, part->title, 0);
      if (part->kind == PART_TABLE)
        print_table (p, part->table);
      else
        print_plot (p, part->plot);
      break;
    }
  }
}

char *
report_text (const BpReport *report, unsigned max_rows)
{
  Printer p = { g_string_new (NULL), max_rows };
  print_section (&p, report, 0);
  return g_string_free (p.out, FALSE);
}
