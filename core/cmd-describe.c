/* cmd-describe.c -- `backplane describe`: a type, a module, the verdict on a plugin's file, or its validation. */
/* SPDX-License-Identifier: MIT */

#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "report.h"
#include "validate.h"

/* --- options -------------------------------------------------------------------------------- */

static gboolean json, validate;
static int seconds;

static const GOptionEntry options[] = {
  { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
  { "validate", 0, 0, G_OPTION_ARG_NONE, &validate, "Take a plugin's types through their lives, in a process of its own, and say what is wrong with them", NULL },
  { "time-limit", 0, 0, G_OPTION_ARG_INT, &seconds, "What a step of --validate may take (10)", "SECONDS" },
  PLUGIN_PATH_ENTRY,
  G_OPTION_ENTRY_NULL,
};

/* --- finding what was named ----------------------------------------------------------------- */

static bool
describe_loaded (BpReport *report, const char *name, GError **error)
{
  BpModule *module = plugin_load (name, error);
  if (module) {
    describe_module (report, module);
  }
  return module;
}

static bool
describe_file (BpReport *report, const char *name, GError **error)
{
  g_autofree char *path = strchr (name, '/') ? g_strdup (name) : g_build_filename (".", name, NULL);
  return describe_loaded (report, path, error);
}

static bool
is_module (const char *name)
{
  g_auto (GStrv) ids = plugin_scan ();
  return strcmp (name, plugin_core ()->id) == 0 || g_strv_contains ((const char *const *) ids, name);
}

static void
unknown (const char *name, GError **error)
{
  g_autoptr (GPtrArray) types = type_all ();
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_auto (GStrv) ids = plugin_scan ();
  for (unsigned i = 0; i < types->len; i++) {
    g_ptr_array_add (names, (char *) ((const BpTypeDesc *) g_ptr_array_index (types, i))->name);
  }
  for (char **id = ids; *id; id++) {
    g_ptr_array_add (names, *id);
  }
  g_ptr_array_add (names, NULL);
  g_autofree char *here = g_strdup_printf ("./%s.so", name);
  const char *nearest = g_file_test (here, G_FILE_TEST_EXISTS) ? here : nearest_name (name, (const char *const *) names->pdata);
  g_autofree char *hint = nearest ? g_strdup_printf ("did you mean `%s`?", nearest)
                                  : g_strdup ("`backplane list` shows what there is");
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no type or module `%s` (%s)", name, hint);
}

/* The types of other plugins are looked at only when the name is not a module's. */
static bool
describe (BpReport *report, const char *name, GError **error)
{
  if (strchr (name, '/') || g_str_has_suffix (name, ".so")) {
    return describe_file (report, name, error);
  }
  if (is_module (name)) {
    return describe_loaded (report, name, error);
  }
  plugin_load_all ();
  if (section_kind (name)) {
    describe_section (report, name);
    return true;
  }
  const BpTypeDesc *type = type_find (name);
  if (type) {
    describe_type (report, type);
    return true;
  }
  unknown (name, error);
  return false;
}

/* --- validation ----------------------------------------------------------------------------- */

/* What is to be validated is a file: a module by its name is looked for. */
static int
validate_named (const char *name)
{
  g_autoptr (GError) error = NULL;
  bool is_path = strchr (name, '/') || g_str_has_suffix (name, ".so");
  g_autofree char *path = is_path ? g_strdup (name) : plugin_find (name, &error);
  if (path && !g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_set_error (&error, BP_ERROR, BP_ERROR_PLUGIN, "plugin `%s` not found: there is no such file", path);
  }
  if (error) {
    command_error ("%s", error->message);
    return EXIT_FAILED;
  }
  BpReport *report = report_new ();
  Validation v = validate_plugin (path, (unsigned) seconds, report);
  bp_report_count (report, "passed", NULL, v.passed);
  bp_report_count (report, "failed", NULL, v.failed);
  bp_report_count (report, "skipped", NULL, v.skipped);
  g_autofree char *text = json ? report_json (report) : report_text (report, 0);
  report_free (report);
  command_print (text);
  return v.failed ? EXIT_FAILED : EXIT_OK;
}

/* --- the command ---------------------------------------------------------------------------- */

int
cmd_describe (int argc, char **argv)
{
  int status;
  json = validate = FALSE;
  seconds = 10;
  if (!command_options (&argc, &argv, "TYPE|MODULE|SECTION|FILE.so",
                        "Describes a type, a module or a kind of sections, says why a plugin's file is refused, or what is wrong with its types.", options,
                        &status)) {
    return status;
  }
  if (argc != 2) {
    return command_usage ("describe", "name one type, module, kind of sections or FILE.so");
  }
  if (seconds < 1) {
    return command_usage ("describe", "--time-limit takes a number of seconds");
  }
  command_offer_plugins ();
  if (validate) {
    return validate_named (argv[1]);
  }
  g_autoptr (GError) error = NULL;
  BpReport *report = report_new ();
  bool good = describe (report, argv[1], &error);
  g_autofree char *text = json ? report_json (report) : report_text (report, 0);
  report_free (report);
  if (!good) {
    command_error ("%s", error->message);
    return EXIT_FAILED;
  }
  command_print (text);
  return EXIT_OK;
}
