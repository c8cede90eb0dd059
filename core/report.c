/* report.c -- named values and tables, printed for people or as JSON. */
/* SPDX-License-Identifier: MIT */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <glib.h>
#include <stdarg.h>
#ifdef HAVE_JSON_GLIB
#include <json-glib/json-glib.h>
#endif

#include "report.h"

typedef struct Table {
  char *name;
  char **columns;
  unsigned n_columns;
  GPtrArray *cells;             /* of char *, row by row */
} Table;

struct Report {
  GPtrArray *values;            /* of char *: key, value, key, value ... */
  GPtrArray *tables;            /* of Table * */
  char *inner_name;
  GPtrArray *inner;             /* of Report * */
};

/* --- filling -------------------------------------------------------------------------------- */

static void
table_free (void *data)
{
  Table *table = data;
  g_free (table->name);
  g_strfreev (table->columns);
  g_ptr_array_unref (table->cells);
  g_free (table);
}

Report *
report_new (void)
{
  Report *report = g_new0 (Report, 1);
  report->values = g_ptr_array_new_with_free_func (g_free);
  report->tables = g_ptr_array_new_with_free_func (table_free);
  report->inner = g_ptr_array_new_with_free_func ((GDestroyNotify) report_free);
  return report;
}

void
report_free (Report *report)
{
  if (report) {
    g_ptr_array_unref (report->values);
    g_ptr_array_unref (report->tables);
    g_ptr_array_unref (report->inner);
    g_free (report->inner_name);
    g_free (report);
  }
}

void
report_value (Report *report, const char *key, const char *value)
{
  if (value) {
    g_ptr_array_add (report->values, g_strdup (key));
    g_ptr_array_add (report->values, g_strdup (value));
  }
}

void
report_table (Report *report, const char *name, const char *const *columns)
{
  Table *table = g_new0 (Table, 1);
  table->name = g_strdup (name);
  table->columns = g_strdupv ((char **) columns);
  table->n_columns = g_strv_length (table->columns);
  table->cells = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (report->tables, table);
}

void
report_row (Report *report, ...)
{
  Table *table = g_ptr_array_index (report->tables, report->tables->len - 1);
  va_list args;
  va_start (args, report);
  for (unsigned i = 0; i < table->n_columns; i++) {
    g_ptr_array_add (table->cells, g_strdup (va_arg (args, const char *)));
  }
  va_end (args);
}

void
report_add (Report *report, const char *name, Report *inner)
{
  g_assert (!report->inner_name || g_str_equal (report->inner_name, name));
  g_free (report->inner_name);
  report->inner_name = g_strdup (name);
  g_ptr_array_add (report->inner, inner);
}

/* --- text ----------------------------------------------------------------------------------- */

static const char *
cell (const Table *table, unsigned row, unsigned column)
{
  return g_ptr_array_index (table->cells, row * table->n_columns + column);
}

static unsigned
n_rows (const Table *table)
{
  return table->cells->len / table->n_columns;
}

static unsigned
text_width (const char *text)
{
  return (unsigned) (text ? g_utf8_strlen (text, -1) : 1);
}

static unsigned
column_width (const Table *table, unsigned column)
{
  unsigned width = text_width (table->columns[column]);
  for (unsigned row = 0; row < n_rows (table); row++) {
    width = MAX (width, text_width (cell (table, row, column)));
  }
  return width;
}

static void
pad (GString *out, const char *text, unsigned width)
{
  g_string_append (out, text);
  for (unsigned n = text_width (text); n < width; n++) {
    g_string_append_c (out, ' ');
  }
}

static void
end_line (GString *out)
{
  while (out->len > 0 && out->str[out->len - 1] == ' ') {
    g_string_truncate (out, out->len - 1);
  }
  g_string_append_c (out, '\n');
}

static void
table_text (const Table *table, GString *out)
{
  g_autofree unsigned *widths = g_new (unsigned, table->n_columns);
  for (unsigned column = 0; column < table->n_columns; column++) {
    widths[column] = column_width (table, column) + 2;
    g_autofree char *upper = g_ascii_strup (table->columns[column], -1);
    pad (out, upper, widths[column]);
  }
  end_line (out);
  for (unsigned row = 0; row < n_rows (table); row++) {
    for (unsigned column = 0; column < table->n_columns; column++) {
      const char *text = cell (table, row, column);
      pad (out, text ? text : "-", widths[column]);
    }
    end_line (out);
  }
}

static void
append_text (const Report *report, GString *out)
{
  for (unsigned i = 0; i < report->values->len; i += 2) {
    pad (out, g_ptr_array_index (report->values, i), 14);
    g_string_append (out, g_ptr_array_index (report->values, i + 1));
    end_line (out);
  }
  for (unsigned i = 0; i < report->tables->len; i++) {
    const Table *table = g_ptr_array_index (report->tables, i);
    if (n_rows (table) == 0) {
      continue;
    }
    if (out->len > 0) {
      g_string_append_c (out, '\n');
    }
    if (report->tables->len > 1 || report->values->len > 0) {
      g_string_append_printf (out, "%s:\n", table->name);
    }
    table_text (table, out);
  }
  for (unsigned i = 0; i < report->inner->len; i++) {
    g_string_append_c (out, '\n');
    append_text (g_ptr_array_index (report->inner, i), out);
  }
}

char *
report_text (const Report *report)
{
  GString *out = g_string_new (NULL);
  append_text (report, out);
  return g_string_free (out, FALSE);
}

/* --- JSON ----------------------------------------------------------------------------------- */

#ifdef HAVE_JSON_GLIB
static void
table_json (const Table *table, JsonBuilder *builder)
{
  json_builder_begin_array (builder);
  for (unsigned row = 0; row < n_rows (table); row++) {
    json_builder_begin_object (builder);
    for (unsigned column = 0; column < table->n_columns; column++) {
      json_builder_set_member_name (builder, table->columns[column]);
      json_builder_add_string_value (builder, cell (table, row, column));       /* NULL becomes null */
    }
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
}

static void
append_json (const Report *report, JsonBuilder *builder)
{
  json_builder_begin_object (builder);
  for (unsigned i = 0; i < report->values->len; i += 2) {
    json_builder_set_member_name (builder, g_ptr_array_index (report->values, i));
    json_builder_add_string_value (builder, g_ptr_array_index (report->values, i + 1));
  }
  for (unsigned i = 0; i < report->tables->len; i++) {
    const Table *table = g_ptr_array_index (report->tables, i);
    json_builder_set_member_name (builder, table->name);
    table_json (table, builder);
  }
  if (report->inner->len > 0) {
    json_builder_set_member_name (builder, report->inner_name);
    json_builder_begin_array (builder);
    for (unsigned i = 0; i < report->inner->len; i++) {
      append_json (g_ptr_array_index (report->inner, i), builder);
    }
    json_builder_end_array (builder);
  }
  json_builder_end_object (builder);
}

char *
report_json (const Report *report)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  append_json (report, builder);
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  return json_to_string (root, TRUE);
}
#else
char *
report_json (const Report *report)
{
  return NULL;
}
#endif
