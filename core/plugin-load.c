/* plugin-load.c -- finds plugins, takes them through the refusal ladder, registers their types. */
/* SPDX-License-Identifier: MIT */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <gmodule.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "object.h"
#include <backplane/iface/accel.h>
#include <backplane/tcg/frontend.h>
#include <backplane/tcg/instrument-host.h>

#ifndef PLUGINDIR
#define PLUGINDIR "/usr/local/lib/backplane"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static char *prepended;         /* colon-separated */
static char *descriptor_directory;
static GPtrArray *loaded;       /* of BpModule * */
static GPtrArray *offered;      /* of char *: names the descriptor mentions */

/* --- the core's own module ------------------------------------------------------------------ */

static const BpTypeDesc *const core_types[] = { &stub_type, NULL };

static const BpPluginDesc core_desc = {
  .magic = BP_PLUGIN_MAGIC,
  .struct_size = sizeof (BpPluginDesc),
  .abi_major = BP_ABI_MAJOR,
  .abi_minor = BP_ABI_MINOR,
  .build_flags = BP_BUILD_FLAGS,
  .id = "core",
  .version = PACKAGE_VERSION,
  .licence = "MIT",
  .description = "types that Backplane itself provides",
  .types = core_types,
};

BpModule *
plugin_core (void)
{
  static BpModule core = { .id = (char *) "core", .desc = &core_desc };
  return &core;
}

static GPtrArray *
modules (void)
{
  if (!loaded) {
    loaded = g_ptr_array_new ();
    g_ptr_array_add (loaded, plugin_core ());
  }
  return loaded;
}

GPtrArray *
plugin_loaded (void)
{
  return g_ptr_array_ref (modules ());
}

/* --- finding -------------------------------------------------------------------------------- */

void
plugin_path_prepend (const char *directories)
{
  char *longer = prepended ? g_strdup_printf ("%s:%s", directories, prepended) : g_strdup (directories);
  g_free (prepended);
  prepended = longer;
}

/* NULL stays NULL; an empty part is no directory, and is left out. */
static char *
anchored (const char *directories)
{
  g_auto (GStrv) parts = directories ? g_strsplit (directories, ":", -1) : NULL;
  GString *all = directories ? g_string_new (NULL) : NULL;
  for (char **part = parts; part && *part; part++) {
    g_autofree char *absolute = g_canonicalize_filename (*part, NULL);
    if (**part)
      g_string_append_printf (all, "%s%s", all->len ? ":" : "", absolute);
  }
  return all ? g_string_free (all, FALSE) : NULL;
}

void
plugin_path_anchor (void)
{
  char *before = prepended;
  g_autofree char *given = anchored (g_getenv ("BACKPLANE_PLUGIN_PATH"));
  prepended = anchored (before);
  g_free (before);
  if (given)
    g_setenv ("BACKPLANE_PLUGIN_PATH", given, TRUE);
}

void
plugin_path_set_descriptor (const char *directory)
{
  g_free (descriptor_directory);
  descriptor_directory = g_strdup (directory);
}

void
plugin_offer (const char *const *names)
{
  if (!offered) {
    offered = g_ptr_array_new_with_free_func (g_free);
  }
  for (; *names; names++) {
    if (!g_ptr_array_find_with_equal_func (offered, *names, g_str_equal, NULL)) {
      g_ptr_array_add (offered, g_strdup (*names));
    }
  }
}

static void
append_directories (GPtrArray *path, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text ? text : "", ":", -1);
  for (char **part = parts; *part; part++) {
    if (**part && !g_ptr_array_find_with_equal_func (path, *part, g_str_equal, NULL)) {
      g_ptr_array_add (path, g_strdup (*part));
    }
  }
}

static GPtrArray *
search_path (void)
{
  GPtrArray *path = g_ptr_array_new_with_free_func (g_free);
  append_directories (path, prepended);
  append_directories (path, g_getenv ("BACKPLANE_PLUGIN_PATH"));
  if (descriptor_directory &&
      !g_ptr_array_find_with_equal_func (path, descriptor_directory, g_str_equal, NULL)) {
    g_ptr_array_add (path, g_strdup (descriptor_directory));    /* may hold a colon */
  }
  append_directories (path, PLUGINDIR);
  return path;
}

static void
scan_directory (const char *directory, GPtrArray *ids)
{
  GDir *dir = g_dir_open (directory, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name (dir))) {
    if (!g_str_has_suffix (name, ".so")) {
      continue;
    }
    char *id = g_strndup (name, strlen (name) - 3);
    if (*id && !g_ptr_array_find_with_equal_func (ids, id, g_str_equal, NULL)) {
      g_ptr_array_add (ids, id);
    } else {
      g_free (id);
    }
  }
  if (dir) {
    g_dir_close (dir);
  }
}

char **
plugin_scan (void)
{
  g_autoptr (GPtrArray) path = search_path ();
  GPtrArray *ids = g_ptr_array_new ();
  for (unsigned i = 0; i < path->len; i++) {
    scan_directory (g_ptr_array_index (path, i), ids);
  }
  g_ptr_array_sort (ids, strings_compare);
  g_ptr_array_add (ids, NULL);
  return (char **) g_ptr_array_free (ids, FALSE);
}

static char *
find_path (const char *name, GError **error)
{
  if (!g_path_is_absolute (name) && descriptor_directory) {
    char *beside = g_build_filename (descriptor_directory, name, NULL);
    if (g_file_test (beside, G_FILE_TEST_EXISTS)) {
      return beside;
    }
    g_free (beside);
  }
  if (g_file_test (name, G_FILE_TEST_EXISTS)) {
    return g_strdup (name);
  }
  g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "plugin `%s` not found: there is no such file", name);
  return NULL;
}

char *
plugin_find (const char *name, GError **error)
{
  if (strchr (name, '/')) {
    return find_path (name, error);
  }
  g_autofree char *file = g_str_has_suffix (name, ".so") ? g_strdup (name) : g_strconcat (name, ".so", NULL);
  g_autoptr (GPtrArray) path = search_path ();
  for (unsigned i = 0; *name && i < path->len; i++) {
    char *candidate = g_build_filename (g_ptr_array_index (path, i), file, NULL);
    if (g_file_test (candidate, G_FILE_TEST_EXISTS)) {
      return candidate;
    }
    g_free (candidate);
  }
  g_auto (GStrv) ids = plugin_scan ();
  const char *nearest = nearest_name (name, (const char *const *) ids);
  if (nearest) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "plugin `%s` not found (did you mean `%s`?)", name, nearest);
    return NULL;
  }
  g_ptr_array_add (path, NULL);
  g_autofree char *searched = g_strjoinv (", ", (char **) path->pdata);
  g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "plugin `%s` not found; searched: %s", name, searched);
  return NULL;
}

/* --- interfaces ----------------------------------------------------------------------------- */

static bool
desc_provides (const BpPluginDesc *desc, const char *interface_id)
{
  for (const BpTypeDesc *const *type = desc->types; type && *type; type++) {
    if (type_interface (*type, interface_id)) {
      return true;
    }
  }
  return false;
}

static bool
interface_is_known (const BpPluginDesc *desc, const char *interface_id)
{
  if (interface_is_ours (interface_id) || desc_provides (desc, interface_id)) {
    return true;
  }
  for (unsigned i = 0; i < modules ()->len; i++) {
    BpModule *module = g_ptr_array_index (modules (), i);
    if (desc_provides (module->desc, interface_id)) {
      return true;
    }
  }
  return false;
}

/* Opens a file far enough to read its descriptor. */
static GModule *
open_file (const char *path, const BpPluginDesc **desc, GError **error)
{
  gpointer query;
  g_autofree char *wrong = plugin_file_verdict (path);
  if (wrong) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: not loadable: %s", path, wrong);
    return NULL;
  }
  GModule *handle = g_module_open (path, G_MODULE_BIND_LOCAL);
  if (!handle) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: not loadable: %s", path, g_module_error ());
    return NULL;
  }
  if (!g_module_symbol (handle, BP_PLUGIN_QUERY_SYMBOL, &query) || !query) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: not a Backplane plugin: it does not export %s", path,
                 BP_PLUGIN_QUERY_SYMBOL);
    g_module_close (handle);
    return NULL;
  }
  *desc = ((BpPluginQuery) query) ();
  wrong = *desc ? plugin_verdict (*desc) : g_strdup ("its " BP_PLUGIN_QUERY_SYMBOL " gives no descriptor");
  if (wrong) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: %s", path, wrong);
    g_module_close (handle);
    return NULL;
  }
  return handle;
}

static bool
file_provides (const char *name, const char *interface_id)
{
  const BpPluginDesc *desc;
  g_autofree char *path = plugin_find (name, NULL);
  GModule *handle = path ? open_file (path, &desc, NULL) : NULL;
  bool provides = handle && desc_provides (desc, interface_id);
  if (handle) {
    g_module_close (handle);
  }
  return provides;
}

/* Loads the plugin that the descriptor names elsewhere and that brings the interface. */
static bool
load_offered (const char *interface_id)
{
  static int depth;             /* two plugins may each require what the other brings */
  bool found = false;
  for (unsigned i = 0; offered && depth < 8 && !found && i < offered->len; i++) {
    const char *name = g_ptr_array_index (offered, i);
    depth++;
    found = file_provides (name, interface_id) && plugin_load (name, NULL);
    depth--;
  }
  return found;
}

static char *
provider_on_path (const char *interface_id)
{
  g_auto (GStrv) ids = plugin_scan ();
  for (char **id = ids; *id; id++) {
    if (file_provides (*id, interface_id)) {
      return g_strdup (*id);
    }
  }
  return NULL;
}

static bool
check_interfaces (const char *path, const BpPluginDesc *desc, GError **error)
{
  for (const char *const *id = desc->requires_interfaces; id && *id; id++) {
    if (interface_is_known (desc, *id) || load_offered (*id)) {
      continue;
    }
    g_autofree char *provider = provider_on_path (*id);
    g_autofree char *who = provider
                               ? g_strdup_printf ("the plugin `%s` provides it: load that one too", provider)
                               : g_strdup ("no plugin on the search path provides it");
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: missing interface `%s`: %s", path, *id, who);
    return false;
  }
  return true;
}

/* --- loading -------------------------------------------------------------------------------- */

static BpModule *
loaded_by_id (const char *id)
{
  for (unsigned i = 0; i < modules ()->len; i++) {
    BpModule *module = g_ptr_array_index (modules (), i);
    if (strcmp (module->id, id) == 0) {
      return module;
    }
  }
  return NULL;
}

static BpModule *
loaded_by_path (const char *path)
{
  for (unsigned i = 0; i < modules ()->len; i++) {
    BpModule *module = g_ptr_array_index (modules (), i);
    if (module->path && strcmp (module->path, path) == 0) {
      return module;
    }
  }
  return NULL;
}

/* Structs of these grow in every minor. */
static bool
check_minor (const char *path, const BpPluginDesc *desc, const BpTypeDesc *type, GError **error)
{
  static const char *const ids[] = { BP_ACCEL_ID, BP_TCG_FRONTEND_ID, BP_INSTRUMENT_HOST_ID };
  for (size_t i = 0; i < G_N_ELEMENTS (ids) && !(desc->build_flags & BP_PLUGIN_SAME_MINOR); i++) {
    if (type_interface (type, ids[i])) {
      g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN,
                   "%s: type `%s` has the interface `%s`, which is the same within a minor only: the plugin needs the build flag BP_PLUGIN_SAME_MINOR "
                   "(BP_PLUGIN_DEFINE_FLAGS)", path, type->name, ids[i]);
      return false;
    }
  }
  return true;
}

static bool
check_functions (const char *path, const BpTypeDesc *type, GError **error)
{
  g_autofree char *wrong = type_functions_verdict (type);
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: %s", path, wrong);
  return !wrong;
}

/* Every type is checked before the first is registered: a refused plugin leaves nothing behind. */
static bool
check_types (const char *path, const BpPluginDesc *desc, GError **error)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  for (const BpTypeDesc *const *type = desc->types; type && *type; type++) {
    g_autofree char *wrong = type_verdict (*type);
    if (wrong) {
      g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: %s", path, wrong);
      return false;
    }
    const BpTypeDesc *there = type_find ((*type)->name);
    if (there || !g_hash_table_add (names, (char *) (*type)->name)) {
      g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN,
                   "%s: duplicate type `%s`: the plugin `%s` already provides it", path, (*type)->name,
                   there ? type_module (there)->id : desc->id);
      return false;
    }
    if (!check_functions (path, *type, error) || !check_minor (path, desc, *type, error)) {
      return false;
    }
  }
  return true;
}

static bool
call_load (const char *path, const BpPluginDesc *desc, GError **error)
{
  GError *reason = NULL;
  if (!desc->load || desc->load (&reason)) {
    return true;
  }
  g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: the plugin refused to start: %s", path,
               reason ? reason->message : "it gave no reason");
  g_clear_error (&reason);
  return false;
}

static bool
check_all (const char *path, const char *expected_id, const BpPluginDesc *desc, GError **error)
{
  BpModule *same = loaded_by_id (desc->id);
  if (expected_id && strcmp (expected_id, desc->id) != 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN,
                 "%s: the plugin in it calls itself `%s`; the file must be named %s.so", path, desc->id,
                 desc->id);
    return false;
  }
  if (same) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: a plugin `%s` is already loaded, from %s", path,
                 desc->id, same->path ? same->path : "the program itself");
    return false;
  }
  return check_interfaces (path, desc, error) && check_types (path, desc, error) &&
         call_load (path, desc, error);
}

/* expected_id: what the plugin must call itself, NULL when it was named by its file. */
static BpModule *
load_file (const char *path, const char *expected_id, GError **error)
{
  const BpPluginDesc *theirs;
  GModule *handle = open_file (path, &theirs, error);
  if (!handle) {
    return NULL;
  }
  BpPluginDesc *desc = g_new0 (BpPluginDesc, 1);
  memcpy (desc, theirs, MIN (theirs->struct_size, sizeof *desc));
  if (!check_all (path, expected_id, desc, error)) {
    g_free (desc);
    g_module_close (handle);
    return NULL;
  }
  g_module_make_resident (handle);
  BpModule *module = g_new0 (BpModule, 1);
  module->id = g_strdup (desc->id);
  module->path = g_strdup (path);
  module->desc = desc;
  for (const BpTypeDesc *const *type = desc->types; type && *type; type++) {
    bool registered = type_register (*type, module, NULL);
    g_assert (registered);
  }
  g_ptr_array_add (modules (), module);
  return module;
}

BpModule *
plugin_load (const char *name, GError **error)
{
  g_autofree char *id =
      g_str_has_suffix (name, ".so") ? g_strndup (name, strlen (name) - 3) : g_strdup (name);
  bool by_path = strchr (name, '/') != NULL;
  BpModule *module = by_path ? NULL : loaded_by_id (id);
  if (module) {
    return module;
  }
  g_autofree char *found = plugin_find (name, error);
  if (!found) {
    return NULL;
  }
  char *real = realpath (found, NULL);
  g_autofree char *path = g_strdup (real ? real : found);
  free (real);
  module = loaded_by_path (path);
  return module ? module : load_file (path, by_path ? NULL : id, error);
}

void
plugin_load_all (void)
{
  g_auto (GStrv) ids = plugin_scan ();
  for (char **id = ids; *id; id++)
    plugin_load (*id, NULL);
}
