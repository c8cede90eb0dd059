/* test-report.c -- reports as text, JSON and HTML, and what hostile contents do to them: nothing. */
/* SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "report.h"
#include "../suite.h"
#include <check.h>
#include <glib.h>
#ifdef HAVE_JSON_GLIB
#include <json-glib/json-glib.h>
#endif
#include <math.h>
#include <stdio.h>
#include <string.h>

static BpReport *report;
static char *made;

static void
setup (void)
{
  report = report_new ();
}

static void
teardown (void)
{
  report_free (report);
  g_clear_pointer (&made, g_free);
}

/* The report in a form; lives until the next. */
static const char *
take (char *text)
{
  g_free (made);
  return made = text;
}

/* Somebody else's parser takes it; member: that text is there as it was. */
static void
is_json (const char *text, const char *member)
{
#ifdef HAVE_JSON_GLIB
  g_autoptr (JsonParser) parser = json_parser_new ();
  ck_assert (json_parser_load_from_data (parser, text, -1, NULL));
  if (member)
    ck_assert_str_eq (json_object_get_string_member (json_node_get_object (json_parser_get_root (parser)), member), member);
#endif
}

static void
json_is (const char *wanted)
{
  ck_assert_str_eq (take (report_json (report)), wanted);
  is_json (made, NULL);
}

static void
text_is (const char *wanted)
{
  ck_assert_str_eq (take (report_text (report, 3)), wanted);
}

static void
has (const char *text, const char *part)
{
  ck_assert_msg (strstr (text, part) != NULL, "no `%s` in\n%s", part, text);
}

static void
has_not (const char *text, const char *part)
{
  ck_assert_msg (strstr (text, part) == NULL, "`%s` in\n%s", part, text);
}

/* --- values --------------------------------------------------------------------------------- */

START_TEST (nothing)
{
  json_is ("{}\n");
  text_is ("");
  has (take (report_html (report, "t", NULL)), "<title>t</title>");
}
END_TEST

START_TEST (values)
{
  bp_report_note (report, "For people.");
  bp_report_count (report, "insns", "Instructions", 1234567);
  bp_report_count (report, "most", NULL, UINT64_MAX);
  bp_report_number (report, "pi", NULL, 3.14159265358979);
  bp_report_number (report, "big", NULL, -1234567.8);
  bp_report_number (report, "not", NULL, NAN);
  bp_report_share (report, "rate", "Hit rate", 1, 3);
  bp_report_share (report, "tiny", NULL, 1, 1000000);
  bp_report_share (report, "no-rate", NULL, 0, 0);
  bp_report_text (report, "name", NULL, "L1");
  bp_report_text (report, "no-name", NULL, NULL);
  json_is ("{\n  \"insns\": 1234567,\n  \"most\": 18446744073709551615,\n  \"pi\": 3.14159265358979,\n  \"big\": -1234567.8,\n  \"not\": null,\n"
           "  \"rate\": 0.3333333333333333,\n  \"tiny\": 1e-06,\n  \"no-rate\": null,\n  \"name\": \"L1\",\n  \"no-name\": null\n}\n");
  text_is ("For people.\nInstructions  1,234,567\nmost          18,446,744,073,709,551,615\npi            3.142\nbig           -1,234,568\nnot           -\n"
           "Hit rate      33.33 %\ntiny          0.0001 %\nno-rate       -\nname          L1\nno-name       -\n");
  const char *page = take (report_html (report, "T & T", "sub<title>"));
  has (page, "<dt>Instructions</dt><dd>1,234,567</dd>");
  has (page, "<title>T &amp; T</title>");
  has (page, "sub&lt;title&gt;");
}
END_TEST

START_TEST (several_lines)
{
  bp_report_count (report, "n", NULL, 1);
  bp_report_text (report, "said", "What it said", "one\n\ttwo\x1b\n\nfour\n");
  bp_report_count (report, "m", NULL, 2);
  text_is ("n             1\n\nWhat it said:\none\n\ttwo?\n\nfour\n\nm             2\n");
  json_is ("{\n  \"n\": 1,\n  \"said\": \"one\\n\\ttwo\\u001b\\n\\nfour\\n\",\n  \"m\": 2\n}\n");
  has (take (report_html (report, "t", NULL)), "<div class=\"wide lines\"><dt>What it said</dt><dd>one\n\ttwo");
  GString *many = g_string_new (NULL);
  for (unsigned i = 0; i < 100; i++)
    g_string_append_printf (many, "%u\n", i);
  bp_report_text (report, "many", NULL, many->str);
  g_string_free (many, TRUE);
  has (take (report_text (report, 3)), "\n29\n... 70 more lines\n");
  has_not (take (report_text (report, 0)), "...");
}
END_TEST

/* Every double comes back from its text. */
START_TEST (doubles)
{
  static const double some[] = { 0.1, 1.0 / 3, 1e300, 5e-324, 123456789.123456789, 0.30000000000000004, -0.5 };
  for (guint i = 0; i < G_N_ELEMENTS (some); i++) {
    BpReport *r = report_new ();
    bp_report_number (r, "x", NULL, some[i]);
    g_autofree char *text = report_json (r);
    ck_assert (g_ascii_strtod (strchr (text, ':') + 1, NULL) == some[i]);
    report_free (r);
  }
  bp_report_number (report, "x", NULL, 0.1);
  json_is ("{\n  \"x\": 0.1\n}\n");
}
END_TEST

START_TEST (keys_once)
{
  bp_report_count (report, "a", NULL, 1);
  bp_report_count (report, "a", NULL, 2);
  bp_report_section (report, "a", NULL);
  json_is ("{\n  \"a\": 1,\n  \"a-2\": 2,\n  \"a-3\": {}\n}\n");
}
END_TEST

/* --- sections, tables, plots ------------------------------------------------------------------ */

START_TEST (sections)
{
  BpReport *l1 = bp_report_section (report, "l1", "Level 1"), *l2 = bp_report_section (l1, "ways", NULL);
  bp_report_count (report, "after", NULL, 3);
  bp_report_count (l2, "deep", NULL, 2);
  bp_report_count (l1, "hits", NULL, 1);
  json_is ("{\n  \"l1\": {\n    \"ways\": {\n      \"deep\": 2\n    },\n    \"hits\": 1\n  },\n  \"after\": 3\n}\n");
  text_is ("Level 1\n=======\n\nways\n----\ndeep          2\n\nhits          1\n\nafter         3\n");
  const char *page = take (report_html (report, "t", NULL));
  has (page, "<a href=\"#s1\">Level 1</a>");
  has (page, "<section id=s1>\n<h2>Level 1</h2>");
  has (page, "<h3>ways</h3>");
}
END_TEST

START_TEST (items)
{
  report_value (report_item (report, "types"), "a", "1");
  report_value (report_item (report, "types"), "a", "2");
  report_value (report, "left out", NULL);
  json_is ("{\n  \"types\": [\n    {\n      \"a\": \"1\"\n    },\n    {\n      \"a\": \"2\"\n    }\n  ]\n}\n");
  text_is ("a             1\n\na             2\n");
}
END_TEST

static BpReportTable *
sample_table (void)
{
  static const BpReportColumn columns[] = { { "pc", "Address", BP_REPORT_ADDRESS }, { "code", NULL, BP_REPORT_CODE }, { "n", "Count", BP_REPORT_COUNT },
                                            { "share", "Share", BP_REPORT_SHARE }, { "mean", "Mean", BP_REPORT_NUMBER } };
  return bp_report_table (report, "top", "Top", columns, G_N_ELEMENTS (columns));
}

static void
sample_row (BpReportTable *t, uint64_t pc, const char *code, uint64_t n)
{
  bp_report_cell_u64 (t, pc);
  bp_report_cell_text (t, code);
  bp_report_cell_u64 (t, n);
  bp_report_cell_share (t, n, 4000);
  bp_report_cell_number (t, (double) n / 16);
}

START_TEST (tables)
{
  BpReportTable *t = sample_table ();
  sample_row (t, 0xffffffff81000000, "nop", 1000);
  bp_report_cell_u64 (t, 0x10);         /* a row that is not whole */
  bp_report_cell_none (t);
  json_is ("{\n  \"top\": [\n    {\"pc\": \"0xffffffff81000000\", \"code\": \"nop\", \"n\": 1000, \"share\": 0.25, \"mean\": 62.5},\n"
           "    {\"pc\": \"0x10\", \"code\": null, \"n\": null, \"share\": null, \"mean\": null}\n  ]\n}\n");
  text_is ("Top:\n           ADDRESS  CODE  COUNT    SHARE  MEAN\n0xffffffff81000000  nop   1,000  25.00 %  62.5\n              0x10  -         -        -     -\n");
  const char *page = take (report_html (report, "t", NULL));
  has (page, "<td class=\"n m\" data-v=18446744071578845184>0xffffffff81000000</td><td class=\"m\">nop</td><td class=\"n\" data-v=1000>1,000</td>");
  has (page, "data-v=0.25 style=\"--p:25.0%\">25.00 %</td>");
}
END_TEST

/* What is cut off is counted; JSON and the page have all of it. */
START_TEST (long_tables)
{
  BpReportTable *t = sample_table ();
  for (unsigned i = 0; i < 5000; i++)
    sample_row (t, i, i == 0 ? "a name that is much longer than anybody would ever want to read it in a column" : "nop", 1);
  has (take (report_text (report, 3)), "\n... 4,997 more\n");
  has (made, "a name that is much longer than anybody would ever want t...");
  has_not (take (report_text (report, 0)), "...");
  has (made, "0x1387");
  has (take (report_json (report)), "0x1387");
  has (take (report_html (report, "t", NULL)), "0x1387");
}
END_TEST

START_TEST (empty_table)
{
  sample_table ();
  json_is ("{\n  \"top\": []\n}\n");
  text_is ("");
  has (take (report_html (report, "t", NULL)), "<strong>Top</strong>: nothing");
}
END_TEST

START_TEST (plots)
{
  static const double y[] = { 1, 2.5, NAN, 2 }, x[] = { 0, 1000, 2000, 3000 };
  BpReportPlot *lines = bp_report_plot (report, "lines", "Lines", BP_PLOT_LINES, "time", "rate");
  bp_report_series (lines, "one", x, y, 4);
  bp_report_series (lines, "two", NULL, y, 2);
  BpReportPlot *bars = bp_report_plot (report, "bars", "Bars", BP_PLOT_BARS, "what", "n");
  bp_report_bar (bars, "a", 4);
  bp_report_bar (bars, "b", 2);
  json_is ("{\n  \"lines\": [\n    {\"name\": \"one\", \"x\": [0, 1000, 2000, 3000], \"y\": [1, 2.5, null, 2]},\n    {\"name\": \"two\", \"x\": [0, 1], \"y\": [1, 2.5]}\n  ],\n"
           "  \"bars\": [\n    {\"label\": \"a\", \"value\": 4},\n    {\"label\": \"b\", \"value\": 2}\n  ]\n}\n");
  text_is ("Lines:\nSERIES  POINTS  LEAST   MEAN  MOST\none          3      1  1.833   2.5\ntwo          2      1   1.75   2.5\n\n"
           "Bars:\nWHAT  N\na     4  ########################################\nb     2  ####################\n");
  const char *page = take (report_html (report, "t", NULL));
  has (page, "<figcaption>Lines</figcaption>");
  has (page, "<title>one\ntime: 1,000\nrate: 2.5</title>");
  has (page, "<title>a: 4</title>");
  has (page, "</svg>one</li>");
}
END_TEST

/* Nothing that a plot may hold makes a picture without numbers. */
START_TEST (strange_plots)
{
  static const double flat[] = { 7, 7 }, none[] = { NAN, INFINITY }, huge[] = { -1e308, 1e308 };
  static double many[5000];
  const struct { const double *y; size_t n; } all[] = { { flat, 2 }, { flat, 1 }, { none, 2 }, { NULL, 0 }, { huge, 2 }, { many, G_N_ELEMENTS (many) } };
  for (guint i = 0; i < G_N_ELEMENTS (many); i++)
    many[i] = i % 97;
  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    BpReportPlot *p = bp_report_plot (report, "p", NULL, BP_PLOT_LINES, NULL, NULL);
    bp_report_series (p, "s", NULL, all[i].y, all[i].n);
  }
  BpReportPlot *b = bp_report_plot (report, "b", NULL, BP_PLOT_BARS, "", ""), *zero = bp_report_plot (report, "z", NULL, BP_PLOT_BARS, "", "");
  for (guint i = 0; i < 300; i++)
    bp_report_bar (b, "x", i % 2 ? NAN : -(double) i);
  bp_report_bar (zero, "0", 0);
  const char *page = take (report_html (report, "t", NULL));
  const char *body = strstr (page, "<main>");
  has_not (body, "\"nan");
  has_not (body, "\"-nan");
  has_not (body, "inf");
  ck_assert_uint_lt (strlen (page), 400000);
  take (report_text (report, 3));
}
END_TEST

/* A terminal draws all of them, or none. */
START_TEST (many_bars)
{
  BpReportPlot *b = bp_report_plot (report, "b", "Bars", BP_PLOT_BARS, "what", "n");
  for (guint i = 0; i < 4; i++)
    bp_report_bar (b, "x", i);
  ck_assert_str_eq (take (report_text (report, 3)), "Bars:\nSERIES  POINTS  LEAST  MEAN  MOST\nn            4      0   1.5     3\n");
  has (take (report_text (report, 4)), "x     3  ########################################\n");
}
END_TEST

START_TEST (endless_bars)
{
  BpReportPlot *b = bp_report_plot (report, "b", "Bars", BP_PLOT_BARS, "what", "n");
  bp_report_bar (b, "endless", INFINITY);
  bp_report_bar (b, "none", NAN);
  bp_report_bar (b, "two", 2);
  json_is ("{\n  \"b\": [\n    {\"label\": \"endless\", \"value\": null},\n    {\"label\": \"none\", \"value\": null},\n    {\"label\": \"two\", \"value\": 2}\n  ]\n}\n");
  text_is ("Bars:\nWHAT     N\nendless  -\nnone     -\ntwo      2  ########################################\n");
  const char *page = take (report_html (report, "t", NULL));
  has (page, "<title>endless: \xe2\x80\x93</title>");
  has_not (strstr (page, "<main>"), ">inf");
  has_not (strstr (page, "<main>"), "nan");
}
END_TEST

/* --- hostile contents --------------------------------------------------------------------------- */

#define HOSTILE "</script><script>alert(1)</script>\"'&\x1b[31m\n\xff\xc2\x9b" "\x7f\\"

START_TEST (hostile)
{
  static const BpReportColumn columns[] = { { HOSTILE, HOSTILE, BP_REPORT_CODE } };
  bp_report_note (report, HOSTILE);
  bp_report_text (report, HOSTILE, HOSTILE, HOSTILE);
  bp_report_section (report, HOSTILE, HOSTILE);
  bp_report_cell_text (bp_report_table (report, "table", HOSTILE, columns, 1), HOSTILE);
  BpReportPlot *p = bp_report_plot (report, "plot", HOSTILE, BP_PLOT_LINES, HOSTILE, HOSTILE), *b = bp_report_plot (report, "bars", HOSTILE, BP_PLOT_BARS, HOSTILE, HOSTILE);
  bp_report_series (p, HOSTILE, NULL, (const double[]) { 1, 2 }, 2);
  bp_report_bar (b, HOSTILE, 1);

  const char *page = take (report_html (report, HOSTILE, HOSTILE));
  ck_assert (g_utf8_validate (page, -1, NULL));
  has_not (page, "<script>alert");
  has_not (page, "\x1b");
  has_not (page, "\"'&\x1b");
  unsigned scripts = 0;
  for (const char *at = page; (at = strstr (at, "<script")); at++)
    scripts++;
  ck_assert_uint_eq (scripts, 1);

  ck_assert (g_utf8_validate (take (report_json (report)), -1, NULL));
  g_autofree char *valid = g_utf8_make_valid (HOSTILE, -1);
  is_json (made, valid);

  const char *text = take (report_text (report, 3));
  ck_assert (g_utf8_validate (text, -1, NULL));
  has_not (text, "\x1b");
  has_not (text, "\x7f");
  has_not (text, "\xc2\x9b");
}
END_TEST

/* A page needs nothing from elsewhere. */
START_TEST (self_contained)
{
  sample_row (sample_table (), 1, "x", 2);
  const char *page = take (report_html (report, "t", NULL));
  has_not (page, "http:");
  has_not (page, "https:");
  has_not (page, "src=");
  has_not (page, "url(");
  has (page, "default-src 'none'");
  g_autofree char *again = report_html (report, "t", NULL);
  ck_assert_str_eq (page, again);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("report");
  TCase *tests = tcase_create ("report");
  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_test (tests, nothing);
  tcase_add_test (tests, values);
  tcase_add_test (tests, several_lines);
  tcase_add_test (tests, doubles);
  tcase_add_test (tests, keys_once);
  tcase_add_test (tests, sections);
  tcase_add_test (tests, items);
  tcase_add_test (tests, tables);
  tcase_add_test (tests, long_tables);
  tcase_add_test (tests, empty_table);
  tcase_add_test (tests, plots);
  tcase_add_test (tests, strange_plots);
  tcase_add_test (tests, many_bars);
  tcase_add_test (tests, endless_bars);
  tcase_add_test (tests, hostile);
  tcase_add_test (tests, self_contained);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
