/* report-html.c -- a report as one page of HTML that needs nothing else: no network, no fonts, no other file. */
/* SPDX-License-Identifier: MIT */
#include "report-parts.h"
#include <string.h>

#define LONG_VALUE 40           /* characters of a value that gets a line of its own */
#define LONG_CELL 48            /* of one that may be broken into lines */

typedef struct Page {
  GString *out;
  unsigned n_anchors;
} Page;

/* --- texts -------------------------------------------------------------------------------- */

static void
append_element (GString *out, const char *open, const char *text, const char *close)
{
  g_string_append (out, open);
  append_escaped (out, text);
  g_string_append (out, close);
}

/* --- values ------------------------------------------------------------------------------- */

static const char *
value_class (const Part *part, const char *text)
{
  if (part->value_kind != BP_REPORT_TEXT)
    return "";
  if (part_has_lines (part))
    return " class=\"wide lines\"";
  return g_utf8_strlen (text, -1) > LONG_VALUE ? " class=wide" : " class=words";
}

/* Values that follow each other are one list; the last one's number. */
static guint
append_values (GString *out, const BpReport *report, guint i)
{
  g_string_append (out, "<dl>\n");
  for (; i < report->parts->len && report_part (report, i)->kind == PART_VALUE; i++) {
    const Part *part = report_part (report, i);
    g_autofree char *text = cell_for_people (part->value_kind, part->value);
    g_string_append_printf (out, "<div%s>", value_class (part, text ? text : ""));
    append_element (out, "<dt>", part->title, "</dt>");
    append_element (out, text ? "<dd>" : "<dd class=none>", text ? text : "\xe2\x80\x93", "</dd></div>\n");
  }
  g_string_append (out, "</dl>\n");
  return i - 1;
}

/* --- tables ------------------------------------------------------------------------------- */

static const char *
column_class (BpReportKind kind)
{
  switch (kind) {
  case BP_REPORT_COUNT: case BP_REPORT_NUMBER: return "n";
  case BP_REPORT_SHARE: return "n s";
  case BP_REPORT_ADDRESS: return "n m";
  case BP_REPORT_CODE: return "m";
  default: return "";
  }
}

/* What rows are sorted by. */
static void
append_sort_value (GString *out, BpReportKind kind, Cell cell)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  double share = kind == BP_REPORT_SHARE ? (double) cell.count / (double) cell.whole : 0;
  if (kind == BP_REPORT_COUNT || kind == BP_REPORT_ADDRESS)
    g_string_append_printf (out, " data-v=%" G_GUINT64_FORMAT, cell.count);
  else
    g_string_append_printf (out, " data-v=%s", g_ascii_dtostr (number, sizeof number, kind == BP_REPORT_SHARE ? share : cell.number));
  if (kind == BP_REPORT_SHARE)
    g_string_append_printf (out, " style=\"--p:%s%%\"", g_ascii_formatd (number, sizeof number, "%.1f", CLAMP (100 * share, 0, 100)));
}

static void
append_cell (GString *out, BpReportKind kind, Cell cell)
{
  g_autofree char *text = cell_for_people (kind, cell);
  if (!text) {
    g_string_append_printf (out, "<td class=\"%s\">\xe2\x80\x93</td>", kind_is_number (kind) ? "n none" : "none");
    return;
  }
  bool is_long = !kind_is_number (kind) && g_utf8_strlen (text, -1) > LONG_CELL;
  g_string_append_printf (out, "<td class=\"%s%s\"", column_class (kind), is_long ? " long" : "");
  if (kind_is_number (kind))
    append_sort_value (out, kind, cell);
  append_element (out, ">", text, "</td>");
}

static void
append_table (GString *out, const Part *part)
{
  const BpReportTable *table = part->table;
  guint n = table_n_rows (table);
  append_element (out, "<div class=table><div class=head><strong>", part->title, "</strong>");
  g_string_append_printf (out, "<span class=rows>%u %s</span></div>\n<div class=scroll><table><thead><tr>", n, n == 1 ? "row" : "rows");
  for (guint i = 0; i < table->columns->len; i++) {
    g_string_append_printf (out, "<th class=\"%s\">", kind_is_number (table_column (table, i)->kind) ? "n" : "");
    append_element (out, "", table_column (table, i)->title, "</th>");
  }
  g_string_append (out, "</tr></thead><tbody>\n");
  for (guint row = 0; row < n; row++) {
    g_string_append (out, "<tr>");
    for (guint i = 0; i < table->columns->len; i++)
      append_cell (out, table_column (table, i)->kind, table_cell (table, row, i));
    g_string_append (out, "</tr>\n");
  }
  g_string_append (out, "</tbody></table></div></div>\n");
}

/* --- sections ----------------------------------------------------------------------------- */

static bool
is_section (const Part *part)
{
  return part->kind == PART_SECTION || part->kind == PART_ITEM;
}

static void append_parts (Page *page, const BpReport *report, guint from, guint to, unsigned depth);

static void
append_section (Page *page, const Part *part, unsigned depth)
{
  unsigned level = MIN (depth + 2, 4);
  g_string_append_printf (page->out, "<section id=s%u>\n<h%u>", ++page->n_anchors, level);
  append_escaped (page->out, part->title);
  g_string_append_printf (page->out, "</h%u>\n", level);
  append_parts (page, part->section, 0, part->section->parts->len, depth + 1);
  g_string_append (page->out, "</section>\n");
}

static void
append_parts (Page *page, const BpReport *report, guint from, guint to, unsigned depth)
{
  GString *out = page->out;
  for (guint i = from; i < to; i++) {
    const Part *part = report_part (report, i);
    if (part_is_empty (part)) {
      append_element (out, "<p class=empty><strong>", part->title, "</strong>: nothing</p>\n");
      continue;
    }
    switch (part->kind) {
    case PART_SECTION: case PART_ITEM: append_section (page, part, depth); break;
    case PART_NOTE: append_element (out, "<p class=note>", part->title, "</p>\n"); break;
    case PART_VALUE: i = append_values (out, report, i); break;
    case PART_TABLE: append_table (out, part); break;
    case PART_PLOT: plot_svg (part->plot, part->title, out); break;
    }
  }
}

/* What stands between sections has a frame of its own. */
static void
append_body (Page *page, const BpReport *report)
{
  guint n = report->parts->len;
  for (guint from = 0, to; from < n; from = to) {
    bool framed = is_section (report_part (report, from));
    for (to = from + 1; !framed && to < n && !is_section (report_part (report, to));)
      to++;
    g_string_append (page->out, framed ? "" : "<section>\n");
    append_parts (page, report, from, to, 0);
    g_string_append (page->out, framed ? "" : "</section>\n");
  }
}

/* --- the page ----------------------------------------------------------------------------- */

/* How many sections there are in all, this one not counted. */
static unsigned
count_sections (const BpReport *report)
{
  unsigned n = 0;
  for (guint i = 0; i < report->parts->len; i++)
    if (is_section (report_part (report, i)))
      n += 1 + count_sections (report_part (report, i)->section);
  return n;
}

/* Links to the outermost sections; anchors are numbered in the order of the page. */
static void
append_contents (GString *out, const BpReport *report)
{
  unsigned anchor = 1;
  g_string_append (out, "<nav aria-label=Contents>\n");
  for (guint i = 0; i < report->parts->len; i++) {
    const Part *part = report_part (report, i);
    if (!is_section (part))
      continue;
    g_string_append_printf (out, "<a href=\"#s%u\">", anchor);
    append_element (out, "", part->title, "</a>\n");
    anchor += 1 + count_sections (part->section);
  }
  g_string_append (out, "</nav>\n");
}

/* The page may load nothing and run nothing but its own script. */
static void
append_head (GString *out, const char *title)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 digest[32];
  gsize length = sizeof digest;
  g_checksum_update (sum, (const guchar *) page_script, -1);
  g_checksum_get_digest (sum, digest, &length);
  g_autofree char *hash = g_base64_encode (digest, length);
  g_string_append (out, "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n");
  g_string_append_printf (out, "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-%s'\">\n", hash);
  g_string_append (out, "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n");
  append_element (out, "<title>", title, "</title>\n");
  g_string_append_printf (out, "<style>\n%s</style>\n</head>\n<body>\n", page_style);
}

char *
report_html (const BpReport *report, const char *title, const char *subtitle)
{
  Page page = { g_string_new (NULL), 0 };
  g_autofree char *name = g_utf8_make_valid (title, -1), *more = subtitle ? g_utf8_make_valid (subtitle, -1) : NULL;
  append_head (page.out, name);
  append_element (page.out, "<header>\n<h1>", name, "</h1>\n");
  if (more)
    append_element (page.out, "<p>", more, "</p>\n");
  g_string_append (page.out, "</header>\n");
  if (count_sections (report) > 1)
    append_contents (page.out, report);
  g_string_append (page.out, "<main>\n");
  append_body (&page, report);
  g_string_append (page.out, "</main>\n<script>");
  g_string_append (page.out, page_script);
  g_string_append (page.out, "</script>\n</body>\n</html>\n");
  return g_string_free (page.out, FALSE);
}
