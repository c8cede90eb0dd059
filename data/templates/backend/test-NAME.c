/* test-@{name}.c -- what a device writes comes out in lines with numbers. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include <backplane/iface/char.h>
#include <backplane/test.h>
#include <string.h>

/* A machine with the backend alone; `path` is a file of the test's, gone when it ends. */
static BpTest *
start (const char *path)
{
  char *sections = g_strdup_printf ("[backend b]\nmodule = @{name}\ntype = @{name}\npath = %s\n", path);
  BpTest *t = bp_test_new (NULL, sections);
  g_free (sections);
  return t;
}

/* As a device does. */
static void
say (BpTest *t, const char *text)
{
  BpLink b = { .instance = bp_test_object (t, "b"), .table = bp_test_interface (t, "b", BP_CHAR_ID) };
  bp_char_write (&b, (const uint8_t *) text, strlen (text));
}

static void
expect_file (const char *path, const char *expected)
{
  char *is;
  bp_test_expect (g_file_get_contents (path, &is, NULL, NULL));
  bp_test_expect_str (is, expected);
  g_free (is);
}

BP_TEST (lines_get_numbers)
{
  char *path = bp_test_file ("out", "", 0);
  BpTest *t = start (path);
  say (t, "one\r\ntw");
  say (t, "o\n\nunended");
  const BpCharIface *iface = bp_test_interface (t, "b", BP_CHAR_ID);
  iface->drain (bp_test_object (t, "b"));
  expect_file (path, "   1  one\n   2  two\n   3  \n");
  bp_test_free (t);
  expect_file (path, "   1  one\n   2  two\n   3  \n   4  unended\n");
  g_free (path);
}

/* The longest line is whole, with a carriage return too; what is longer is not. */
BP_TEST (long_lines_come_in_pieces)
{
  char *path = bp_test_file ("out", "", 0), *longest = g_strnfill (4096, 'x');
  BpTest *t = start (path);
  say (t, longest);
  say (t, "\r\n");
  say (t, longest);
  say (t, "y\n");
  bp_test_free (t);
  char *expected = g_strdup_printf ("   1  %s\n   2  %s\n   3  y\n", longest, longest);
  expect_file (path, expected);
  g_free (expected);
  g_free (longest);
  g_free (path);
}

BP_TEST (one_device_at_a_time)
{
  static const BpCharHandlers handlers = { .struct_size = sizeof handlers };
  BpTest *t = start ("");
  const BpCharIface *iface = bp_test_interface (t, "b", BP_CHAR_ID);
  void *b = bp_test_object (t, "b");
  bp_test_expect (iface->attach (b, &handlers, NULL));
  bp_test_expect (!iface->attach (b, &handlers, NULL));
  bp_test_expect (iface->attach (b, NULL, NULL));
  bp_test_free (t);
}

BP_TEST (a_file_that_cannot_be_is_named)
{
  char *why = bp_test_refusal (NULL, "[backend b]\nmodule = @{name}\ntype = @{name}\npath = /nowhere/out\n");
  bp_test_expect_has (why, "cannot open `/nowhere/out`");
  g_free (why);
}

BP_TEST_MAIN ("@{name}", &lines_get_numbers, &long_lines_come_in_pieces, &one_device_at_a_time, &a_file_that_cannot_be_is_named)
