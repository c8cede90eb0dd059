/* test-plugin-load.c -- every rung of the refusal ladder, each with its plugin, and plugins that load. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "object.h"
#include "report.h"

#define PLUGINS BUILDDIR "/tests/abi/.libs"

static void
setup (void)
{
  g_setenv ("BACKPLANE_PLUGIN_PATH", PLUGINS, TRUE);
}

/* The message. */
static char *
refusal (const char *name)
{
  GError *error = NULL;
  setup ();
  BpModule *module = plugin_load (name, &error);
  ck_assert_ptr_null (module);
  ck_assert_ptr_nonnull (error);
  ck_assert (g_error_matches (error, BP_ERROR, BP_ERROR_PLUGIN));
  char *message = g_strdup (error->message);
  g_error_free (error);
  return message;
}

static void
refused (const char *name, const char *because)
{
  g_autofree char *message = refusal (name), *again = refusal (name);
  ck_assert_msg (strstr (message, because) != NULL, "%s", message);
  ck_assert_str_eq (message, again);
}

/* --- the ladder ----------------------------------------------------------------------------- */

START_TEST (not_found) {
  setup ();
  plugin_path_prepend ("/nowhere/first:/nowhere/second");
  g_autofree char *message = refusal ("goood");
  ck_assert_ptr_nonnull (strstr (
      message,
      "plugin `goood` not found (did you mean `good`?); searched: /nowhere/first, /nowhere/second, " PLUGINS
      ", "));
  refused ("./none.so", "there is no such file");
  refused ("", "not found");
}
END_TEST

START_TEST (not_loadable) {
  refused ("missing-symbol", "not loadable: ");
  refused ("missing-symbol", "bp_function_of_the_future");
}
END_TEST

/* A plugin cut off at each of many places, a text, a directory: never a crash. */
START_TEST (truncated) {
  g_autofree char *directory = g_dir_make_tmp ("backplane-abi-XXXXXX", NULL),
                  *path = g_build_filename (directory, "cut.so", NULL);
  g_autofree char *contents = NULL;
  size_t size;
  ck_assert (g_file_get_contents (PLUGINS "/good.so", &contents, &size, NULL));
  /* what is cut off after the last loaded segment (debug information, say) is not missed */
  unsigned n_refused = 0;
  for (size_t cut = 0; cut < size; cut += 251) {
    ck_assert (g_file_set_contents (path, contents, (gssize) cut, NULL));
    g_autofree char *wrong = plugin_file_verdict (path);
    if (!wrong) {
      break;
    }
    g_autofree char *message = refusal (path);
    ck_assert_msg (strstr (message, "not loadable: ") != NULL, "%s", message);
    ck_assert_msg (cut < 256 || strstr (message, "truncated") != NULL, "%s", message);
    n_refused++;
  }
  ck_assert_uint_gt (n_refused, 16);
  ck_assert (g_file_set_contents (path, "#!/bin/sh\necho hello, this is a script\n", -1, NULL));
  refused (path, "not a shared object");
  g_unlink (path);
  ck_assert_int_eq (g_mkdir (path, 0700), 0);
  refused (path, "not a regular file");
  g_rmdir (path);
  g_rmdir (directory);
}
END_TEST

START_TEST (not_a_plugin) {
  refused ("no-query", "not a Backplane plugin: it does not export bp_plugin_query");
  refused ("no-descriptor", "gives no descriptor");
}
END_TEST

static void
refused_abi (const char *name, const char *rung, unsigned major, unsigned minor)
{
  g_autofree char *because = g_strdup_printf ("%s %u.%u, ", rung, major, minor);
  g_autofree char *ours = g_strdup_printf ("this Backplane has %u.%u", BP_ABI_MAJOR, BP_ABI_MINOR);
  refused (name, because);
  refused (name, ours);
}

START_TEST (wrong_versions) {
  refused ("wrong-magic", "wrong magic");
  refused_abi ("other-major", "other ABI major: the plugin was built for ABI",
               BP_ABI_MAJOR + 1, BP_ABI_MINOR);
  refused_abi ("newer-minor", "newer ABI minor: the plugin was built for ABI",
               BP_ABI_MAJOR, BP_ABI_MINOR + 1);
  refused_abi ("same-minor", "needs exactly the ABI minor that it was built for,",
               BP_ABI_MAJOR, BP_ABI_MINOR + 1);
  refused ("other-build", "incompatible build flag LP64");
  refused ("other-build", "the plugin was built without it, this Backplane with");
}
END_TEST

START_TEST (missing_interface) {
  refused ("missing-interface",
           "missing interface `org.example.sensor/1`: the plugin `interface-provider` provides it");
}
END_TEST

START_TEST (duplicate_type) {
  refused ("duplicate-type", "duplicate type `stub`: the plugin `core` already provides it");
  ck_assert_ptr_null (type_find ("duplicate-own"));     /* nothing of it is left behind */
}
END_TEST

START_TEST (wrong_tables) {
  refused ("no-help", "type `no-help`: property `level` has no help");
  refused ("misnamed", "calls itself `other-name`");
  refused ("load-fails", "refused to start: the moon is not full");
}
END_TEST

/* --- plugins that load ---------------------------------------------------------------------- */

START_TEST (loading) {
  GError *error = NULL;
  setup ();
  BpModule *module = plugin_load ("good", &error);
  ck_assert_msg (module != NULL, "%s", error ? error->message : "");
  ck_assert_str_eq (module->id, "good");
  ck_assert_ptr_eq (plugin_load ("good", NULL), module);
  ck_assert_ptr_eq (plugin_load (PLUGINS "/good.so", NULL), module);
  ck_assert_ptr_eq (plugin_load ("core", NULL), plugin_core ());
  const BpTypeDesc *type = type_find ("good");
  ck_assert_ptr_nonnull (type);
  ck_assert_ptr_eq (type_module (type), module);
  BpObject *object = object_new (type, "it", NULL);
  ck_assert (object_set (object, "level", "9", NULL, NULL));
  ck_assert (object_configure (object, NULL));
  ck_assert_str_eq (*(const char **) ((uint8_t *) object_instance (object) + 8),
                    "it"); /* what it asked of the library */
  object_free (object);
  g_autoptr (GPtrArray) all = plugin_loaded ();
  ck_assert_ptr_eq (g_ptr_array_index (all, 0), plugin_core ());
  ck_assert_ptr_eq (g_ptr_array_index (all, 1), module);
}
END_TEST

START_TEST (a_copy_is_refused) {
  g_autofree char *directory = g_dir_make_tmp ("backplane-abi-XXXXXX", NULL),
                  *path = g_build_filename (directory, "copy.so", NULL);
  g_autofree char *contents = NULL;
  size_t size;
  setup ();
  ck_assert_ptr_nonnull (plugin_load ("good", NULL));
  ck_assert (g_file_get_contents (PLUGINS "/good.so", &contents, &size, NULL));
  ck_assert (g_file_set_contents (path, contents, (gssize) size, NULL));
  refused (path, "a plugin `good` is already loaded, from ");
  g_unlink (path);
  g_rmdir (directory);
}
END_TEST

START_TEST (the_order_of_offered_plugins_does_not_matter) {
  static const char *const names[] = { "missing-interface", "good", "interface-provider", NULL };
  setup ();
  plugin_offer (names);
  ck_assert_ptr_nonnull (plugin_load ("missing-interface", NULL));
  ck_assert_ptr_nonnull (type_find ("interface-provider"));
}
END_TEST

START_TEST (scanning) {
  setup ();
  g_auto (GStrv) ids = plugin_scan ();
  ck_assert (g_strv_contains ((const char *const *) ids, "good"));
  ck_assert (g_strv_contains ((const char *const *) ids, "wrong-magic"));
  g_autofree char *path = plugin_find ("good", NULL);
  ck_assert_str_eq (path, PLUGINS "/good.so");
}
END_TEST

START_TEST (beside_the_descriptor) {
  g_unsetenv ("BACKPLANE_PLUGIN_PATH");
  plugin_path_set_descriptor (PLUGINS);
  g_autofree char *by_name = plugin_find ("good", NULL), *by_path = plugin_find ("./good.so", NULL);
  ck_assert_str_eq (by_name, PLUGINS "/good.so");
  ck_assert_ptr_nonnull (by_path);
  plugin_path_set_descriptor (NULL);
}
END_TEST

START_TEST (descriptions) {
  setup ();
  BpModule *module = plugin_load ("good", NULL);
  BpReport *report = report_new ();
  describe_module (report, module);
  g_autofree char *text = report_text (report, 0);
  report_free (report);
  ck_assert_ptr_nonnull (strstr (text, "MIT"));
  ck_assert_ptr_nonnull (strstr (text, "a device that loads"));
  report = report_new ();
  describe_type (report, type_find ("good"));
  g_autofree char *type_text = report_text (report, 0), *type_json = report_json (report);
  report_free (report);
  ck_assert_ptr_nonnull (strstr (type_text, "How loud it is."));
  ck_assert_ptr_nonnull (strstr (type_text, "1..9"));
  ck_assert_ptr_nonnull (strstr (type_json, "\"How loud it is.\""));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("plugin-load");
  TCase *tests = tcase_create ("plugin-load");
  tcase_add_test (tests, not_found);
  tcase_add_test (tests, not_loadable);
  tcase_add_test (tests, truncated);
  tcase_add_test (tests, not_a_plugin);
  tcase_add_test (tests, wrong_versions);
  tcase_add_test (tests, missing_interface);
  tcase_add_test (tests, duplicate_type);
  tcase_add_test (tests, wrong_tables);
  tcase_add_test (tests, loading);
  tcase_add_test (tests, a_copy_is_refused);
  tcase_add_test (tests, the_order_of_offered_plugins_does_not_matter);
  tcase_add_test (tests, scanning);
  tcase_add_test (tests, beside_the_descriptor);
  tcase_add_test (tests, descriptions);
  suite_add_tcase (suite, tests);
  SRunner *runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return n_failed ? 1 : 0;
}
