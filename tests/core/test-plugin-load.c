/* test-plugin-load.c -- every rung of the refusal ladder, each with its plugin, and plugins that load. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <elf.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "object.h"
#include "report.h"
#include "../suite.h"

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
  refused ("goood", "plugin `goood` not found (did you mean `good`?)");
  refused ("quite-another", "plugin `quite-another` not found; searched: /nowhere/first, /nowhere/second, " PLUGINS ", ");
  refused ("./none.so", "there is no such file");
  refused ("", "not found");
}
END_TEST

START_TEST (not_loadable) {
  refused ("missing-symbol", "not loadable: ");
  refused ("missing-symbol", "bp_function_of_the_future");
}
END_TEST

/* In a process of its own, for it may become part of the process that loads it: 0: loads, 1: refused as truncated, else what ended it. */
static int
load_cut (const char *path)
{
  int status;
  pid_t pid = fork ();
  if (pid == 0) {
    GError *error = NULL;
    bool loads = plugin_load (path, &error) != NULL;
    _exit (loads ? 0 : strstr (error->message, "not loadable: ") ? 1 : 2);
  }
  ck_assert_int_eq (waitpid (pid, &status, 0), pid);
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

/* A plugin cut off at each length: a refusal, never a crash.  What is cut off behind the last segment that is loaded (debug information, say) is not missed, and there
 * a length stands for some others. */
START_TEST (truncated) {
  g_autofree char *directory = g_dir_make_tmp ("backplane-abi-XXXXXX", NULL),
                  *path = g_build_filename (directory, "cut.so", NULL);
  g_autofree char *contents = NULL;
  size_t size, n_refused = 0, n_behind = 0;
  ck_assert (g_file_get_contents (PLUGINS "/good.so", &contents, &size, NULL));
  ck_assert (g_file_set_contents (path, contents, (gssize) size, NULL));
  for (size_t cut = size; cut-- > 0;) {
    ck_assert_int_eq (truncate (path, (off_t) cut), 0);
    g_autofree char *wrong = plugin_file_verdict (path);
    n_refused += wrong != NULL;
    ck_assert_msg (wrong || !n_refused, "cut to %zu bytes, it is taken again", cut);
    ck_assert_msg (!wrong || strstr (wrong, cut < 16 ? "not a shared object" : "truncated"), "cut to %zu bytes: %s", cut, wrong);
    if (!wrong && n_behind++ % 499 == 0)
      ck_assert_int_le (load_cut (path), 1);
    if (n_refused == 1 || (n_refused && n_refused % 4096 == 0))
      ck_assert_int_eq (load_cut (path), 1);
  }
  ck_assert_uint_gt (n_refused, 4096);
  g_unlink (path);
  g_rmdir (directory);
}
END_TEST

START_TEST (not_a_file) {
  g_autofree char *directory = g_dir_make_tmp ("backplane-abi-XXXXXX", NULL),
                  *path = g_build_filename (directory, "x.so", NULL);
  ck_assert (g_file_set_contents (path, "#!/bin/sh\necho hello, this is a script\n", -1, NULL));
  refused (path, "not a shared object");
  ck_assert (g_file_set_contents (path, "", 0, NULL));
  refused (path, "not a shared object");
  g_unlink (path);
  ck_assert_int_eq (g_mkdir (path, 0700), 0);
  refused (path, "not a regular file");
  g_rmdir (path);
  g_rmdir (directory);
}
END_TEST

/* The file's ELF header says `type' and `machine' instead of what it was. */
static void
refused_header (uint8_t class, uint8_t data, uint16_t type, uint16_t machine, const char *because)
{
  g_autofree char *directory = g_dir_make_tmp ("backplane-abi-XXXXXX", NULL), *path = g_build_filename (directory, "other.so", NULL);
  uint8_t header[64] = { 0x7f, 'E', 'L', 'F', class, data, 1 };
  bool big = data == ELFDATA2MSB;
  header[16 + big] = (uint8_t) type;
  header[17 - big] = (uint8_t) (type >> 8);
  header[18 + big] = (uint8_t) machine;
  header[19 - big] = (uint8_t) (machine >> 8);
  header[20 + 3 * big] = 1;     /* e_version */
  ck_assert (g_file_set_contents (path, (const char *) header, sizeof header, NULL));
  refused (path, because);
  g_unlink (path);
  g_rmdir (directory);
}

START_TEST (another_architecture) {
  refused_header (ELFCLASS64, ELFDATA2LSB, ET_DYN, EM_AARCH64, "not loadable: it was built for another architecture: AArch64, 64 bits, little-endian");
  refused_header (ELFCLASS64, ELFDATA2MSB, ET_DYN, EM_S390, "another architecture: S/390, 64 bits, big-endian");
  refused_header (ELFCLASS32, ELFDATA2LSB, ET_DYN, EM_RISCV, "another architecture: RISC-V, 32 bits, little-endian");
  refused_header (ELFCLASS32, ELFDATA2MSB, ET_DYN, 0x4711, "another architecture: an unknown one (18193), 32 bits, big-endian");
#if defined __x86_64__ && defined __LP64__
  refused_header (ELFCLASS32, ELFDATA2LSB, ET_DYN, EM_386, "another architecture: i386, 32 bits, little-endian; this Backplane is for x86-64, 64 bits");
  refused_header (ELFCLASS64, ELFDATA2LSB, ET_REL, EM_X86_64, "it is not a shared object (an object file");
#endif
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
  refused ("lacks-function", "type `lacks-function`: interface `bp.block/1` has no `submit`");
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
  tcase_set_timeout (tests, 240);
  tcase_add_test (tests, not_found);
  tcase_add_test (tests, not_loadable);
  tcase_add_test (tests, truncated);
  tcase_add_test (tests, not_a_file);
  tcase_add_test (tests, another_architecture);
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
  return suite_run (suite);
}
