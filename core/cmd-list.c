/* cmd-list.c -- `backplane list`: modules, types and machines that can be found. */
/* SPDX-License-Identifier: MIT */

#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "report.h"

/* --- options -------------------------------------------------------------------------------- */

static gboolean json;

static const GOptionEntry options[] = {
  { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
  PLUGIN_PATH_ENTRY,
  G_OPTION_ENTRY_NULL,
};

/* --- modules -------------------------------------------------------------------------------- */

static void
list_module (BpReportTable *table, BpModule *module)
{
  report_row (table, module->id, module->desc->version, module->desc->licence, module->desc->description,
              module->path);
}

/* Loads what is found; a refused one is listed with the reason. */
static void
list_modules (BpReport *report)
{
  static const char *const columns[] = { "module", "version", "licence", "description", "file", NULL };
  g_auto (GStrv) ids = plugin_scan ();
  BpReportTable *table = report_table (report, "modules", columns);
  list_module (table, plugin_core ());
  for (char **id = ids; *id; id++) {
    g_autoptr (GError) error = NULL;
    BpModule *module = plugin_load (*id, &error);
    if (module) {
      list_module (table, module);
    } else {
      g_autofree char *refused = g_strdup_printf ("refused: %s", error->message);
      report_row (table, *id, NULL, NULL, refused, NULL);
    }
  }
}

/* --- types ---------------------------------------------------------------------------------- */

static void
list_types (BpReport *report)
{
  static const char *const columns[] = { "type", "section", "module", "description", NULL };
  plugin_load_all ();
  g_autoptr (GPtrArray) types = type_all ();
  BpReportTable *table = report_table (report, "types", columns);
  for (unsigned i = 0; i < types->len; i++) {
    const BpTypeDesc *type = g_ptr_array_index (types, i);
    report_row (table, type->name, kind_name (type->kind), type_module (type)->id, type->description);
  }
}

/* --- machines ------------------------------------------------------------------------------- */

static char *
machine_description (const char *path)
{
  Descriptor *descriptor = descriptor_load (path, NULL);
  char *description = NULL;
  for (unsigned i = 0; !description && i < descriptor->sections->len; i++) {
    const Section *section = g_ptr_array_index (descriptor->sections, i);
    Value *value = strcmp (section->kind, "machine") == 0 ? section_value (section, "description") : NULL;
    description = value ? g_strdup (value->text) : NULL;
  }
  if (!description && descriptor->errors->len > 0) {
    description = g_strdup_printf ("wrong: %s", (char *) g_ptr_array_index (descriptor->errors, 0));
  }
  descriptor_free (descriptor);
  return description;
}

static void
list_directory (BpReportTable *table, const char *directory)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  GDir *dir = g_dir_open (directory, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name (dir))) {
    if (g_str_has_suffix (name, ".ini")) {
      g_ptr_array_add (names, g_strdup (name));
    }
  }
  if (dir) {
    g_dir_close (dir);
  }
  g_ptr_array_sort (names, strings_compare);
  for (unsigned i = 0; i < names->len; i++) {
    const char *file = g_ptr_array_index (names, i);
    g_autofree char *path = g_build_filename (directory, file, NULL),
                    *stem = g_strndup (file, strlen (file) - 4);
    g_autofree char *description = machine_description (path);
    report_row (table, stem, description, path);
  }
}

static void
list_machines (BpReport *report)
{
  static const char *const columns[] = { "machine", "description", "file", NULL };
  g_auto (GStrv) directories = machine_directories ();
  BpReportTable *table = report_table (report, "machines", columns);
  for (char **directory = directories; *directory; directory++) {
    list_directory (table, *directory);
  }
}

/* --- the command ---------------------------------------------------------------------------- */

typedef struct Listing {
  const char *name;
  void (*list) (BpReport *report);
} Listing;

static const Listing listings[] = { { "modules", list_modules },
                                    { "types", list_types },
                                    { "machines", list_machines } };

static bool
fill (BpReport *report, const char *wanted)
{
  bool known = false;
  for (size_t i = 0; i < G_N_ELEMENTS (listings); i++) {
    if (!wanted || strcmp (wanted, listings[i].name) == 0) {
      listings[i].list (report);
      known = true;
    }
  }
  return known;
}

int
cmd_list (int argc, char **argv)
{
  int status;
  json = FALSE;
  if (!command_options (&argc, &argv, "[modules|types|machines]",
                        "Lists what can be found; everything when nothing is named.", options, &status)) {
    return status;
  }
  if (argc > 2) {
    return command_usage ("list", "one of modules, types and machines can be named");
  }
  command_offer_plugins ();
  BpReport *report = report_new ();
  if (!fill (report, argc > 1 ? argv[1] : NULL)) {
    report_free (report);
    return command_usage ("list", "it lists modules, types or machines");
  }
  g_autofree char *text = json ? report_json (report) : report_text (report, 0);
  report_free (report);
  command_print (text);
  return EXIT_OK;
}
