/* test-json.c -- messages out of a stream: whole, in pieces, broken, too large, at random; and values as text. */
/* SPDX-License-Identifier: MIT */
#include "monitor/json.h"
#include "../suite.h"
#include <check.h>
#include <string.h>

static GString *heard;

static void
on_message (void *user, JsonNode *message)
{
  json_print (message, heard);
  g_string_append_c (heard, '\n');
  json_node_free (message);
}

static void
on_error (void *user, const char *why)
{
  g_string_append_printf (heard, "! %s\n", why);
}

static const JsonStreamClient client = { on_message, on_error };

/* What comes of the bytes when they come in pieces of `piece'. */
static char *
feed (const char *bytes, size_t size, size_t piece)
{
  JsonStream *s = json_stream_new (&client, NULL);
  heard = g_string_new (NULL);
  for (size_t at = 0; at < size; at += piece)
    json_stream_feed (s, bytes + at, MIN (piece, size - at));
  json_stream_free (s);
  return g_string_free (heard, FALSE);
}

static const struct { const char *in, *out; } cases[] = {
  /* values */
  { "{\"execute\": \"stop\"}", "{\"execute\": \"stop\"}\n" },
  { "{'a':[1,-2,3.5,1e3,true,false,null,\"x\"],\"b\":{}}", "{\"a\": [1, -2, 3.5, 1000, true, false, null, \"x\"], \"b\": {}}\n" },
  { "[]{}[[]]", "[]\n{}\n[[]]\n" },
  { " {\r\n\t} ", "{}\n" },
  { "5 ", "5\n" },
  { "\"x\"", "\"x\"\n" },
  { "9223372036854775807 -9223372036854775808 ", "9223372036854775807\n-9223372036854775808\n" },
  { "18446744073709551615 ", "1.8446744073709552e+19\n" },
  { "[0, -0, 0.5, -0.5e-2]", "[0, 0, 0.5, -0.0050000000000000001]\n" },
  /* strings */
  { "\"{[\\\"]}\\\\\"", "\"{[\\\"]}\\\\\"\n" },
  { "'it\\'s'", "\"it's\"\n" },
  { "\"\\b\\f\\n\\r\\t\\/\"", "\"\\b\\f\\n\\r\\t/\"\n" },
  { "\"\\u00e9\\u20ac\\ud83d\\ude00\"", "\"\\u00E9\\u20AC\\uD83D\\uDE00\"\n" },
  { "\"\xc3\xa9\"", "\"\\u00E9\"\n" },
  { "\"\x1f\"{}", "! JSON parse error, stray '\"\x1f'\n{}\n" },
  { "\"a\nb\" {}", "! JSON parse error, stray '\"a\n'\n{}\n" },
  { "\"\\x\"", "! JSON parse error, invalid escape sequence in string\n" },
  { "\"\\u12\"", "! JSON parse error, invalid hex escape in string\n" },
  { "\"\\ud800\"", "! JSON parse error, \\ud800 is not a valid Unicode character\n" },
  { "\"\\u0000\"", "! JSON parse error, \\u0000 is not a valid Unicode character\n" },
  { "\"\xc3(\"", "! JSON parse error, invalid UTF-8 sequence in string\n" },
  /* what is wrong, and where it goes on */
  { "{\"a\" 1}{}", "! JSON parse error, missing : in object pair\n{}\n" },
  { "{\"a\":1,}{}", "! JSON parse error, expecting value\n{}\n" },
  { "{1:2}{}", "! JSON parse error, key is not a string in object\n{}\n" },
  { "{\"a\":1 \"b\":2}{}", "! JSON parse error, expected separator in dict\n{}\n" },
  { "[1 2]{}", "! JSON parse error, expected separator in list\n{}\n" },
  { "[1,]{}", "! JSON parse error, expecting value\n{}\n" },
  { "{\"a\":1,\"a\":2}{}", "! JSON parse error, duplicate key\n{}\n" },
  { "{\"a\":nul}{}", "! JSON parse error, invalid keyword 'nul'\n{}\n" },
  { "}{}", "! JSON parse error, expecting value\n{}\n" },
  { "{]}{}", "! JSON parse error, expecting value\n! JSON parse error, expecting value\n{}\n" },
  { "@@{}", "! JSON parse error, stray '@'\n{}\n" },
  { "{\"a\":@\n{}", "! JSON parse error, stray '@'\n{}\n" },
  { "[01]{}", "! JSON parse error, stray '01'\n! JSON parse error, expecting value\n{}\n" },
  { "[1.]{}", "! JSON parse error, stray '1.'\n! JSON parse error, expecting value\n{}\n" },
  { "[1e400]{}", "! JSON parse error, number '1e400' is out of range\n{}\n" },
  { "{\"exe\xff{}", "! JSON parse error, stray '\"exe\xef\xbf\xbd'\n{}\n" },
  { "/* c */{}", "! JSON parse error, stray '/'\n{}\n" },
  { "[0x10]{}", "! JSON parse error, expected separator in list\n{}\n" },
};

START_TEST (table)
{
  const char *in = cases[_i].in;
  for (size_t piece = 1; piece <= strlen (in); piece++) {
    g_autofree char *out = feed (in, strlen (in), piece);
    ck_assert_msg (strcmp (out, cases[_i].out) == 0, "%s in pieces of %zu: %s instead of %s", in, piece, out, cases[_i].out);
  }
}
END_TEST

START_TEST (deep)
{
  g_autofree char *open = g_strnfill (JSON_STREAM_DEPTH, '['), *close = g_strnfill (JSON_STREAM_DEPTH, ']');
  g_autofree char *fits = g_strconcat (open, close, "{}", NULL), *much = g_strconcat ("[", open, "\n{}", NULL);
  g_autofree char *good = feed (fits, strlen (fits), 4096), *bad = feed (much, strlen (much), 4096);
  ck_assert (g_str_has_suffix (good, "]\n{}\n") && !strchr (good, '!'));
  ck_assert_str_eq (bad, "! JSON nesting depth limit exceeded\n{}\n");
}
END_TEST

START_TEST (large)
{
  g_autofree char *filler = g_strnfill (JSON_STREAM_BYTES, 'x');
  g_autofree char *text = g_strconcat ("[\"", filler, "\"]\n{}", NULL), *fits = g_strconcat ("[\"", filler + 100, "\"]{}", NULL);
  g_autofree char *bad = feed (text, strlen (text), 4096), *good = feed (fits, strlen (fits), 4096);
  ck_assert_str_eq (bad, "! JSON token size limit exceeded\n{}\n");
  ck_assert (g_str_has_suffix (good, "\n{}\n") && !strchr (good, '!'));
  GString *many = g_string_new ("[");
  for (unsigned i = 0; i < JSON_STREAM_TOKENS; i++)
    g_string_append (many, "1,");
  g_string_append (many, "\n{}");
  g_autofree char *tokens = feed (many->str, many->len, 4096);
  ck_assert (g_str_has_prefix (tokens, "! JSON token count limit exceeded\n") && g_str_has_suffix (tokens, "{}\n"));
  g_string_free (many, TRUE);
}
END_TEST

/* Whatever comes: the same in whatever pieces, and after it the stream can be used again. */
START_TEST (random_bytes)
{
  static const char alphabet[] = "{}[]:,\"'\\ \n\tu0123e-+.truefalsn\xc3\xa9\xff@";
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  for (unsigned i = 0; i < 20000; i++) {
    char in[64];
    size_t size = (size_t) g_rand_int_range (rand, 1, sizeof in - 8);
    for (size_t j = 0; j < size; j++)
      in[j] = alphabet[g_rand_int_range (rand, 0, sizeof alphabet - 1)];
    memcpy (in + size, "\xff{\"z\":1}", 8);
    g_autofree char *whole = feed (in, size + 8, sizeof in), *pieces = feed (in, size + 8, 1 + i % 5);
    ck_assert_str_eq (whole, pieces);
    ck_assert (g_str_has_suffix (whole, "{\"z\": 1}\n"));
  }
}
END_TEST

/* What is printed is read as the same. */
START_TEST (round_trip)
{
  static const char text[] = "{\"a\": [1, \"\\u0001\\u001F\\u007F\\\"\\\\\", {\"b\": null}], \"c\": -1.25, \"d\": true, \"\\uD83D\\uDE00\": []}\n";
  g_autofree char *once = feed (text, strlen (text), 7), *twice = feed (once, strlen (once), 3);
  ck_assert_str_eq (once, text);
  ck_assert_str_eq (twice, text);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("json");
  TCase *tcase = tcase_create ("all");
  tcase_add_loop_test (tcase, table, 0, G_N_ELEMENTS (cases));
  tcase_add_test (tcase, deep);
  tcase_add_test (tcase, large);
  tcase_add_test (tcase, random_bytes);
  tcase_add_test (tcase, round_trip);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
