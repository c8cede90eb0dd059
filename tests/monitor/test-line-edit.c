/* test-line-edit.c -- keys of a terminal at the line editor: what the line becomes, what is shown, history, completion. */
/* SPDX-License-Identifier: MIT */
#include "monitor/line-edit.h"
#include "../suite.h"
#include <check.h>
#include <string.h>

static LineEdit *edit;
static GString *lines, *shown;
static unsigned left;

static void
on_write (void *user, const char *bytes, size_t size)
{
  g_string_append_len (shown, bytes, (gssize) size);
}

static void
on_line (void *user, const char *line)
{
  g_string_append_printf (lines, "%s\n", line);
}

static void
on_left (void *user)
{
  left++;
}

/* The words begin where the last blank is. */
static GPtrArray *
on_complete (void *user, const char *text, size_t *start)
{
  static const char *const words[] = { "info", "inject", "stop", "folder/" };
  GPtrArray *found = g_ptr_array_new_with_free_func (g_free);
  const char *blank = strrchr (text, ' '), *prefix = blank ? blank + 1 : text;
  *start = (size_t) (prefix - text);
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_has_prefix (words[i], prefix))
      g_ptr_array_add (found, g_strdup (words[i]));
  return found;
}

static void
setup (void)
{
  static const LineClient client = { on_write, on_line, on_left, on_complete };
  lines = g_string_new (NULL);
  shown = g_string_new (NULL);
  left = 0;
  edit = line_edit_new (&client, NULL, "> ");
}

static void
teardown (void)
{
  line_edit_free (edit);
  g_string_free (lines, TRUE);
  g_string_free (shown, TRUE);
}

/* All of it, as pieces of one line each. */
static void
type (const char *keys)
{
  size_t size = strlen (keys);
  while (size) {
    size_t used = line_edit_input (edit, keys, size);
    ck_assert (used > 0 && used <= size);
    keys += used;
    size -= used;
  }
}

#define LEFT "\x1b[D"
#define RIGHT "\x1b[C"
#define UP "\x1b[A"
#define DOWN "\x1b[B"

static const struct { const char *keys, *lines; } cases[] = {
  { "stop\r", "stop\n" },
  { "stop\r\ncont\n", "stop\ncont\n" },         /* CR LF is one end of a line */
  { "\r\r", "\n\n" },
  { "sop" LEFT LEFT "t\r", "stop\n" },
  { "top\x1b[Hs\x1b[F!\r", "stop!\n" },
  { "top\x1bOHs\x1bOF!\r", "stop!\n" },
  { "top\x1b[1~s\x1b[4~!\r", "stop!\n" },
  { "top\x01s\x05!\r", "stop!\n" },
  { "stoop\x02\x02\x7f\r", "stop\n" },
  { "stoop\x02\x02\x08\r", "stop\n" },
  { "stoop" LEFT LEFT "\x1b[3~\r", "stop\n" },
  { "stoop" LEFT LEFT "\x04\r", "stop\n" },
  { "one two\x17three\r", "one three\n" },
  { "one two\x15x\r", "x\n" },
  { "one two\x01\x0bx\r", "x\n" },
  { "one two\x17\x19\x19\r", "one twotwo\n" },
  { "one two\x1b" "b\x1b" "d!\r", "one !\n" },
  { "one two\x01\x1b" "f!\r", "one! two\n" },
  { "one two\x1b[1;5D!\r", "one !two\n" },
  { "one two\x01\x1b[1;5C!\r", "one! two\n" },
  { "ab\x14\r", "ba\n" },
  { "gone\x03stay\r", "stay\n" },
  { "one\rtwo\r" UP UP "\r", "one\ntwo\none\n" },
  { "one\rtwo\r" UP UP DOWN "\r", "one\ntwo\ntwo\n" },
  { "one\rnew" UP DOWN "er\r", "one\nnewer\n" },
  { "one\rone\rtwo\r" UP UP UP "\r", "one\none\ntwo\none\n" },          /* a line that is the same is kept once */
  { "one\r\x10\x0e!\r", "one\n!\n" },
  { "\xc3\xa9" "e\x02\x02\x7fx\r", "x\xc3\xa9" "e\n" },     /* a character is not cut in two */
  { "\xc3\xa9\x7fx\r", "x\n" },
  { "\x1b[99;99;99;99;99Zx\r", "x\n" },
  { "\x1b\x1b[Dx\r", "x\n" },
  { "a\x1b[200~b\r", "ab\n" },
  { "\x07\x1cx\r", "x\n" },
  { "st\t\r", "stop \n" },
  { "in\tf\t\r", "info \n" },
  { "x fol\ty\r", "x folder/y\n" },
  { "zz\t\r", "zz\n" },
};

START_TEST (table)
{
  type (cases[_i].keys);
  ck_assert_str_eq (lines->str, cases[_i].lines);
}
END_TEST

START_TEST (what_is_shown)
{
  line_edit_prompt (edit);
  type ("ab");
  ck_assert_str_eq (shown->str, "\r> \x1b[Kab");
  g_string_truncate (shown, 0);
  type (LEFT "x");
  ck_assert_str_eq (shown->str, "\r> ab\x1b[K\x1b[1D\r> axb\x1b[K\x1b[1D");
  g_string_truncate (shown, 0);
  type ("\r");
  ck_assert_str_eq (shown->str, "\r> axb\x1b[K\r\n");
}
END_TEST

START_TEST (listing)
{
  type ("in\t");
  ck_assert (g_str_has_suffix (shown->str, "\a"));
  g_string_truncate (shown, 0);
  type ("\t");
  ck_assert_str_eq (shown->str, "\r\ninfo    inject\r\n\r> in\x1b[K");
}
END_TEST

START_TEST (leaving)
{
  type ("x\x04");
  ck_assert_uint_eq (left, 0);
  type ("\x7f\x04");
  ck_assert_uint_eq (left, 1);
}
END_TEST

START_TEST (one_line_at_a_time)
{
  ck_assert_uint_eq (line_edit_input (edit, "one\rtwo\r", 8), 4);
  ck_assert_str_eq (lines->str, "one\n");
}
END_TEST

START_TEST (long_line)
{
  for (unsigned i = 0; i < LINE_MOST + 100; i++)
    type ("x");
  ck_assert_uint_eq (strlen (line_edit_text (edit)), LINE_MOST);
  type ("\r");
  ck_assert_uint_eq (lines->len, LINE_MOST + 1);
}
END_TEST

START_TEST (long_history)
{
  for (unsigned i = 0; i < LINE_HISTORY + 50; i++) {
    g_autofree char *line = g_strdup_printf ("%u\r", i);
    type (line);
  }
  g_string_truncate (lines, 0);
  for (unsigned i = 0; i < LINE_HISTORY + 100; i++)
    type (UP);
  type ("\r");
  ck_assert_str_eq (lines->str, "50\n");
}
END_TEST

START_TEST (random_keys)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  for (unsigned i = 0; i < 200000; i++) {
    char c = (char) (g_rand_int_range (rand, 0, 3) ? g_rand_int_range (rand, 1, 128) : "\x1b[;~O3\t\r"[g_rand_int_range (rand, 0, 8)]);
    line_edit_input (edit, &c, 1);
    if (shown->len > 1 << 16)
      g_string_truncate (shown, 0);
  }
  ck_assert_uint_le (strlen (line_edit_text (edit)), LINE_MOST);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("line-edit");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_loop_test (tcase, table, 0, G_N_ELEMENTS (cases));
  tcase_add_test (tcase, what_is_shown);
  tcase_add_test (tcase, listing);
  tcase_add_test (tcase, leaving);
  tcase_add_test (tcase, one_line_at_a_time);
  tcase_add_test (tcase, long_line);
  tcase_add_test (tcase, long_history);
  tcase_add_test (tcase, random_keys);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
