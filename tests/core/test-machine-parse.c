/* test-machine-parse.c -- the reader's traps, includes, overrides, --set, and where values come from. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "descriptor.h"
#include "../scratch.h"
#include "../suite.h"
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

static void
put (const char *name, const char *text)
{
  ck_assert (g_file_set_contents (name, text, -1, NULL));
}

static Descriptor *
load (const char *text)
{
  put ("m.ini", text);
  return descriptor_load ("m.ini", NULL);
}

/* The only error begins with this. */
static void
wrong (const char *text, const char *expected)
{
  Descriptor *d = load (text);
  ck_assert_msg (d->errors->len == 1, "%u errors for: %s", d->errors->len, text);
  const char *message = d->errors->pdata[0];
  ck_assert_msg (g_str_has_prefix (message, expected), "%s", message);
  descriptor_free (d);
}

static void
expect_value (const Descriptor *d, const char *id, const char *key, const char *expected)
{
  Section *s = descriptor_section (d, id);
  ck_assert_msg (s != NULL, "no section %s", id);
  Value *v = section_value (s, key);
  ck_assert_str_eq (v ? v->text : "(none)", expected ? expected : "(none)");
}

static void
no_errors (const Descriptor *d)
{
  ck_assert_msg (d->errors->len == 0, "%s", d->errors->len ? (char *) d->errors->pdata[0] : "");
}

/* --- inih's traps ------------------------------------------------------------------------- */

START_TEST (indented_lines_are_plain)
{
  Descriptor *d =
      load ("[device u]\n  type = stub\n\tsize = 16\n    ; a comment\n  [device v]\n type = stub\n");
  no_errors (d);
  expect_value (d, "u", "type", "stub");
  expect_value (d, "u", "size", "16");
  expect_value (d, "v", "type", "stub");
  descriptor_free (d);
}
END_TEST

START_TEST (semicolons_stay_in_values)
{
  Descriptor *d = load ("[boot]\nappend = console=ttyS0 ; root=/dev/vda\nshift = 3 ; not 4\n# x\n; y\n");
  no_errors (d);
  expect_value (d, "boot", "append", "console=ttyS0");
  expect_value (d, "boot", "shift", "3");
  value_keep_comment (section_value (descriptor_section (d, "boot"), "append"));
  expect_value (d, "boot", "append", "console=ttyS0 ; root=/dev/vda");
  descriptor_free (d);
  d = load ("[boot]\nappend = a ; b\n[override boot]\nappend = c ; d\n");
  no_errors (d);
  Value *append = section_value (descriptor_section (d, "boot"), "append");
  ck_assert_str_eq (g_array_index (append->history, OldValue, 0).text, "a");
  value_keep_comment (append);
  ck_assert_str_eq (append->text, "c ; d");
  ck_assert_str_eq (g_array_index (append->history, OldValue, 0).text, "a ; b");
  descriptor_free (d);
  d = load ("[machine]\ndescription = a machine ; of sorts\nformat = 1 ; one\n");
  no_errors (d);
  expect_value (d, "machine", "description", "a machine ; of sorts");
  expect_value (d, "machine", "format", "1");
  descriptor_free (d);
}
END_TEST

START_TEST (long_names_and_lines)
{
  g_autofree char *name = g_strnfill (120, 'n');
  g_autofree char *text = g_strnfill (100000, 'v');
  g_autofree char *ini =
      g_strdup_printf ("[device %sa]\nlabel = %s\n[device %sb]\nlabel = x\n", name, text, name);
  g_autofree char *first = g_strconcat (name, "a", NULL);
  g_autofree char *second = g_strconcat (name, "b", NULL);
  Descriptor *d = load (ini);
  no_errors (d);
  expect_value (d, first, "label", text);
  expect_value (d, second, "label", "x");
  descriptor_free (d);
}
END_TEST

/* Every byte of a value passes through inih unharmed. */
START_TEST (any_bytes)
{
  const char *text = "a%41 = : [x] ;b #c 'q' \"d\" %zz \\n \xc3\xa4 \t e=f:g";
  g_autofree char *ini = g_strdup_printf ("[boot]\nappend = %s\n", text);
  Descriptor *d = load (ini);
  no_errors (d);
  value_keep_comment (section_value (descriptor_section (d, "boot"), "append"));
  expect_value (d, "boot", "append", text);
  descriptor_free (d);
}
END_TEST

START_TEST (empty_sections_are_seen)
{
  Descriptor *d = load ("[device rtc]\n[device next]\nx = 1\n");
  no_errors (d);
  ck_assert_ptr_nonnull (descriptor_section (d, "rtc"));
  descriptor_free (d);
}
END_TEST

START_TEST (repetitions_are_errors)
{
  wrong ("[device a]\nx = 1\n[device b]\n[device a]\ny = 2\n",
         "m.ini:4: [device a]: the section was there before, in line 1");
  wrong ("[device a]\nx = 1\ny = 2\nx = 3\n", "m.ini:4: [device a] x: the key was given before, in line 2");
  wrong ("[device a]\n[backend a]\n", "m.ini:2: [backend a]: the name is taken by m.ini:1, [device a]");
}
END_TEST

START_TEST (colons_do_not_separate)
{
  wrong ("[device a]\npic:irq4 = uart0.irq\n", "m.ini:2: [device a]: `:` does not separate");
  wrong ("[device a]\nirq: pic.in4\n", "m.ini:2: [device a]: `:` does not separate");
}
END_TEST

/* --- lines -------------------------------------------------------------------------------- */

START_TEST (bytes_around)
{
  Descriptor *d = load ("\xef\xbb\xbf[device a]\r\nx = 1\r\n[device b]\r\ny = 2");
  no_errors (d);
  expect_value (d, "a", "x", "1");
  expect_value (d, "b", "y", "2");
  descriptor_free (d);
  d = load ("");
  no_errors (d);
  descriptor_free (d);
  wrong ("[device a]\nx = 1\x01\n", "m.ini:2: [device a]: control byte 0x01 in column 6");
  wrong ("[device a]\nx = 1\ry = 2\n", "m.ini:2: [device a]: control byte 0x0d in column 6");
}
END_TEST

START_TEST (nul_bytes)
{
  static const char text[] = "[device a]\nx = 1\0zzz\ny = 2\n";
  ck_assert (g_file_set_contents ("m.ini", text, sizeof text - 1, NULL));
  Descriptor *d = descriptor_load ("m.ini", NULL);
  ck_assert_uint_eq (d->errors->len, 1);
  expect_value (d, "a", "y", "2");
  descriptor_free (d);
}
END_TEST

START_TEST (quotes)
{
  Descriptor *d = load ("[boot]\na = \"  ; [x] = \\\"q\\\" \\\\ \\t.\\n\"\nb = \"x\" ; comment\nc = \"\"\n");
  no_errors (d);
  expect_value (d, "boot", "a", "  ; [x] = \"q\" \\ \t.\n");
  expect_value (d, "boot", "b", "x");
  expect_value (d, "boot", "c", "");
  descriptor_free (d);
  wrong ("[boot]\na = \"x\n", "m.ini:2: [boot] a: the closing quote is missing");
  wrong ("[boot]\na = \"x\" y\n", "m.ini:2: [boot] a: text after the closing quote");
  wrong ("[boot]\na = \"\\x\"\n", "m.ini:2: [boot] a: a quoted value knows");
}
END_TEST

START_TEST (extending)
{
  Descriptor *d = load ("[boot]\nappend = console=ttyS0\nappend += quiet ; really\nappend += \",x\"\nlist = "
                        "a,\nlist += b\nnew += 1\n");
  no_errors (d);
  expect_value (d, "boot", "append", "console=ttyS0 quiet,x");
  expect_value (d, "boot", "list", "a,b");
  expect_value (d, "boot", "new", "1");
  value_keep_comment (section_value (descriptor_section (d, "boot"), "append"));
  expect_value (d, "boot", "append", "console=ttyS0 quiet ; really,x");
  descriptor_free (d);
}
END_TEST

START_TEST (malformed_lines)
{
  wrong ("[device a\n", "m.ini:1: the section line has no `]`");
  wrong ("[device a] x\n", "m.ini:1: text after the section's `]`");
  wrong ("[]\n", "m.ini:1: the section has no kind");
  wrong ("[device]\n", "m.ini:1: [device]: the section needs a name");
  wrong ("[device a b]\n", "m.ini:1: [device a b]: a section has a kind and one name");
  wrong ("[device a.b]\n", "m.ini:1: [device a.b]: a name is made of");
  wrong ("[devise a]\n",
         "m.ini:1: [devise a]: unknown section kind `devise` (did you mean `device`?)\n    [devise a]");
  wrong ("x = 1\n[device a]\n", "m.ini:1: x: the key stands before the first section");
  wrong ("[device a]\nnothing\n",
         "m.ini:2: [device a]: neither `[kind name]` nor `key = value`\n    nothing");
  wrong ("[device a]\n= 1\n", "m.ini:2: [device a]: there is no key before `=`");
  wrong ("[device a]\na b = 1\n", "m.ini:2: [device a]: a key is made of");
}
END_TEST

START_TEST (missing_file)
{
  Descriptor *d = descriptor_load ("none.ini", NULL);
  ck_assert_uint_eq (d->errors->len, 1);
  ck_assert_ptr_nonnull (strstr (d->errors->pdata[0], "No such file"));
  descriptor_free (d);
}
END_TEST

/* --- includes ----------------------------------------------------------------------------- */

START_TEST (includes)
{
  put ("base.ini",
       "[machine]\ndescription = base\nformat = 1\n[device a]\nx = 1\n[override device b]\nz = 9\n");
  put ("more.ini", "[include base]\nfile = base.ini\n[device c]\n");
  Descriptor *d = load ("[machine]\ndescription = mine\ninclude = base.ini, more.ini\n[device b]\nz = 1\n");
  no_errors (d);
  expect_value (d, "machine", "description", "mine");
  expect_value (d, "machine", "format", "1");
  expect_value (d, "a", "x", "1");
  expect_value (d, "b", "z", "9");
  ck_assert_ptr_nonnull (descriptor_section (d, "c"));
  descriptor_free (d);
}
END_TEST

START_TEST (include_relative_to_the_includer)
{
  g_mkdir ("sub", 0755);
  put ("sub/one.ini", "[include]\nfile = two.ini\n");
  put ("sub/two.ini", "[device two]\n");
  Descriptor *d = load ("[include]\nfile = sub/one.ini\n");
  no_errors (d);
  ck_assert_str_eq (descriptor_section (d, "two")->origin.file, "sub/two.ini");
  descriptor_free (d);
}
END_TEST

START_TEST (include_errors)
{
  put ("a.ini", "[include]\nfile = m.ini\n");
  wrong ("[include]\nfile = a.ini\n", "a.ini:2: include: the file includes itself: m.ini -> a.ini -> m.ini");
  wrong ("[include]\nfile = m.ini\n", "m.ini:2: include: the file includes itself: m.ini -> m.ini");
  wrong ("[include]\nfile = none.ini\n", "m.ini:2: cannot read `none.ini`: No such file");
  wrong ("[include]\n", "m.ini:1: [include]: the key `file` is missing");
  put ("b.ini", "[device x]\n");
  wrong ("[include]\nfile = b.ini\n[device x]\n",
         "m.ini:3: [device x]: already defined at b.ini:1; change it with [override device x]");
}
END_TEST

/* --- overrides and --set ------------------------------------------------------------------ */

START_TEST (overrides)
{
  Descriptor *d = load ("[override device a]\nx = 2\ny =\nz += more\n[device a]\nx = 1\ny = 1\nz = "
                        "some\n[override boot]\nappend = b\n[boot]\nappend = a\n");
  no_errors (d);
  expect_value (d, "a", "x", "2");
  expect_value (d, "a", "y", NULL);
  expect_value (d, "a", "z", "some more");
  expect_value (d, "boot", "append", "b");
  Value *x = section_value (descriptor_section (d, "a"), "x");
  ck_assert_uint_eq (x->origin.line, 2);
  ck_assert_uint_eq (x->history->len, 1);
  ck_assert_str_eq (g_array_index (x->history, OldValue, 0).text, "1");
  ck_assert_uint_eq (g_array_index (x->history, OldValue, 0).origin.line, 6);
  descriptor_free (d);
  wrong ("[device com1]\n[override device con1]\n",
         "m.ini:2: [override device con1]: there is no such section (did you mean `com1`?)");
  wrong ("[device com1]\n[override backend com1]\n",
         "m.ini:2: [override backend com1]: there is a [device com1] of that name");
}
END_TEST

START_TEST (settings)
{
  char *options[] = { (char *) "com1.backend=log",
                      (char *) "com1.backend = other ; x",
                      (char *) "machine.description=d",
                      (char *) "boot.append+=quiet",
                      (char *) "clock.mode=instructions",
                      (char *) "low.at=memory@0",
                      (char *) "com1.gone=",
                      NULL };
  put ("m.ini", "[device com1]\nbackend = console\ngone = 1\n[boot]\nappend = a=b\n[map low]\n");
  Descriptor *d = descriptor_load ("m.ini", options);
  no_errors (d);
  expect_value (d, "com1", "backend", "other ; x");
  expect_value (d, "com1", "gone", NULL);
  expect_value (d, "machine", "description", "d");
  expect_value (d, "boot", "append", "a=b quiet");
  expect_value (d, "clock", "mode", "instructions");
  expect_value (d, "map low", "at", "memory@0");
  Value *v = section_value (descriptor_section (d, "com1"), "backend");
  ck_assert_uint_eq (v->history->len, 2);
  ck_assert_str_eq (v->origin.file, "--set");
  descriptor_free (d);
}
END_TEST

static char *
more (const Descriptor *d, void *user, const char **name)
{
  ck_assert_ptr_nonnull (descriptor_section (d, "com1"));
  *name = "the command line";
  return g_strdup (user);
}

/* Sections that an option adds are like a file's, and --set comes after them. */
START_TEST (more_sections)
{
  char *options[] = { (char *) "qmp.listen=unix:b", NULL };
  put ("m.ini", "[device com1]\nx = 1\n");
  Descriptor *d = descriptor_load_more ("m.ini", options, more, (void *) "[monitor qmp]\nlisten = \"unix:a \\\"b\\\"\"\n[override com1]\nx = 2\n");
  no_errors (d);
  expect_value (d, "com1", "x", "2");
  expect_value (d, "qmp", "listen", "unix:b");
  OldValue *old = &g_array_index (section_value (descriptor_section (d, "qmp"), "listen")->history, OldValue, 0);
  ck_assert_str_eq (old->text, "unix:a \"b\"");
  descriptor_free (d);
  d = descriptor_load_more ("m.ini", NULL, more, (void *) "[monitor com1]\n");
  ck_assert_uint_eq (d->errors->len, 1);
  ck_assert_msg (g_str_has_prefix (d->errors->pdata[0], "the command line: [monitor com1]: the name is taken"), "%s", (char *) d->errors->pdata[0]);
  descriptor_free (d);
}
END_TEST

START_TEST (wrong_settings)
{
  char *options[] = { (char *) "com2.x=1", (char *) "nonsense", (char *) "com1.a b=1", (char *) ".x=1",
                      NULL };
  put ("m.ini", "[device com1]\n");
  Descriptor *d = descriptor_load ("m.ini", options);
  ck_assert_uint_eq (d->errors->len, 4);
  ck_assert (g_str_has_prefix (d->errors->pdata[0],
                               "--set: there is no object `com2` (did you mean `com1`?)\n    com2.x=1"));
  descriptor_free (d);
}
END_TEST

/* A thousand times the sections take about a thousand times the time. */
START_TEST (long_descriptors_are_linear)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (unsigned i = 0; i < 20000; i++)
    g_string_append_printf (text, "[device d%u]\ntype = stub\nregs = memory@%u\n", i, i * 16);
  gint64 start = g_get_monotonic_time ();
  Descriptor *d = load (text->str);
  no_errors (d);
  ck_assert_uint_eq (d->sections->len, 20000);
  ck_assert_int_lt (g_get_monotonic_time () - start, patience (20));
  descriptor_free (d);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("machine-parse");
  TCase *reader = tcase_create ("reader"), *parser = tcase_create ("parser");
  tcase_add_checked_fixture (reader, scratch_enter, scratch_leave);
  tcase_add_checked_fixture (parser, scratch_enter, scratch_leave);
  tcase_set_timeout (parser, 60);
  tcase_add_test (reader, indented_lines_are_plain);
  tcase_add_test (reader, semicolons_stay_in_values);
  tcase_add_test (reader, long_names_and_lines);
  tcase_add_test (reader, any_bytes);
  tcase_add_test (reader, empty_sections_are_seen);
  tcase_add_test (reader, repetitions_are_errors);
  tcase_add_test (reader, colons_do_not_separate);
  tcase_add_test (reader, bytes_around);
  tcase_add_test (reader, nul_bytes);
  tcase_add_test (reader, quotes);
  tcase_add_test (reader, extending);
  tcase_add_test (reader, malformed_lines);
  tcase_add_test (reader, missing_file);
  tcase_add_test (parser, includes);
  tcase_add_test (parser, include_relative_to_the_includer);
  tcase_add_test (parser, include_errors);
  tcase_add_test (parser, overrides);
  tcase_add_test (parser, settings);
  tcase_add_test (parser, more_sections);
  tcase_add_test (parser, wrong_settings);
  tcase_add_test (parser, long_descriptors_are_linear);
  suite_add_tcase (suite, reader);
  suite_add_tcase (suite, parser);
  return suite_run (suite);
}
