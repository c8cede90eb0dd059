/* test-machine-explain.c -- what `backplane show` prints: tree, map, effective descriptor, origins, graph. */
/* SPDX-License-Identifier: MIT */
#include "toy.h"
#include "../scratch.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char machine[] =
  "[machine]\ndescription = a toy ; really\n"
  "[accel]\ntype = toy-accel\n"
  "[cpu]\ntype = toy-cpu\ncount = 2\n"
  "[memory ram]\ntype = toy-ram\nsize = 64K\n"
  "[map low]\nregion = ram\nat = memory@0x1000\nreadonly = on\n"
  "[device com1]\ntype = toy-uart   ; a comment\nbackend = console\npio0 = "
  "io@0x3f8 prio 2\nirq = pic.in4\nlabel = \"  quoted\"\n"
  "[backend console]\ntype = toy-char\n"
  "[device pic]\ntype = toy-pic\nintr = cpu0.intr\n"
  "[override device com1]\ndepth = 32\n";

static BpMachine *m;
static GString *out;

static void
enter (void)
{
  char *settings[] = { (char *) "com1.depth=8", NULL };
  g_autofree char *errors = NULL;
  scratch_enter ();
  m = toy_build (machine, settings, &errors);
  ck_assert_msg (m != NULL, "%s", errors);
  out = g_string_new (NULL);
}

static void
leave (void)
{
  toy_free (m);
  g_string_free (out, TRUE);
  scratch_leave ();
}

static void
holds (const char *text)
{
  ck_assert_msg (strstr (out->str, text) != NULL, "`%s` is not in:\n%s", text, out->str);
}

START_TEST (tree)
{
  explain_tree (m, out);
  holds (".ini: a toy ; really\n");
  holds ("  cpu cpu1: toy-cpu (toy)\n");
  holds ("  device com1: toy-uart (toy)\n    backend = console\n    depth = 8\n    label =   quoted\n    irq -> pic.in4\n    pio0 @ io "
         "0x3f8..0x3ff prio 2\n");
  holds ("    region @ memory 0x1000..0x10fff read-only [map low]\n");
}
END_TEST

START_TEST (map)
{
  explain_map (m, out);
  holds ("memory:\n");
  holds ("io:\n");
  holds ("com1");
}
END_TEST

/* The effective descriptor builds the same machine again. */
START_TEST (effective)
{
  g_autofree char *errors = NULL;
  explain_effective (m, out);
  holds ("[device com1]\ntype = toy-uart\n");
  holds ("label = \"  quoted\"\n");
  holds ("description = a toy ; really\n");
  holds ("; --set com1.depth=8, replaces \"32\" from toy-");
  ck_assert_ptr_null (strstr (out->str, "override"));
  BpMachine *again = toy_build (out->str, NULL, &errors);
  ck_assert_msg (again != NULL, "%s", errors);
  g_autoptr (GString) first = g_string_new (NULL);
  g_autoptr (GString) second = g_string_new (NULL);
  explain_tree (m, first);
  explain_tree (again, second);
  ck_assert_str_eq (strchr (first->str, ':'), strchr (second->str, ':'));
  toy_free (again);
}
END_TEST

START_TEST (values)
{
  g_autoptr (GError) error = NULL;
  ck_assert (explain_value (m, "com1.depth", out, NULL));
  holds ("com1.depth = 8\n  from --set com1.depth=8\n  before: 32, from toy-");
  holds ("default 16\n  Entries of its FIFO.\n");
  ck_assert (explain_value (m, "com1.parity", out, NULL));
  holds ("com1.parity = none\n  not given\n");
  ck_assert (explain_value (m, "com1.backend", out, NULL));
  holds ("com1.backend = console\n");
  ck_assert (explain_value (m, "cpu1.id", out, NULL));
  holds ("cpu1.id = 0\n");
  ck_assert (explain_value (m, "com1.irq", out, NULL));
  holds ("  pin: the interrupt\n");
  ck_assert (explain_value (m, "map low.at", out, NULL));
  holds ("map low.at = memory@0x1000\n");
  ck_assert (!explain_value (m, "com1.detph", out, &error));
  ck_assert_str_eq (error->message, "[device com1] has no key `detph` (did you mean `depth`?)");
  g_clear_error (&error);
  ck_assert (!explain_value (m, "con1.depth", out, &error));
  ck_assert_str_eq (error->message, "there is no object `con1` (did you mean `com1`?)");
  g_clear_error (&error);
  ck_assert (!explain_value (m, "com1.", out, &error));
  ck_assert_str_eq (error->message, "`com1.` is not a value; write OBJECT.KEY");
  g_string_truncate (out, 0);
  ck_assert (explain_value (m, "com1", out, NULL));
  holds ("com1.type = toy-uart\n  from toy-");
  holds ("com1.depth = 8\n  from --set com1.depth=8\n  before: 32, from toy-");
}
END_TEST

START_TEST (dot)
{
  explain_dot (m, out);
  ck_assert (g_str_has_prefix (out->str, "digraph \"toy-"));
  holds ("\"com1\" -> \"console\" [label=\"backend\", style=dashed];\n");
  holds ("\"com1\" -> \"pic\" [label=\"irq - in4\", color=red];\n");
  holds ("\"com1\" -> \"space io\" [label=\"pio0 0x3f8\"");
  ck_assert (g_str_has_suffix (out->str, "}\n"));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("machine-explain");
  TCase *tcase = tcase_create ("explain");
  tcase_add_checked_fixture (tcase, enter, leave);
  tcase_add_test (tcase, tree);
  tcase_add_test (tcase, map);
  tcase_add_test (tcase, effective);
  tcase_add_test (tcase, values);
  tcase_add_test (tcase, dot);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
