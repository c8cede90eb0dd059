/* machine-schema.c -- what sections may hold: their modules, types and keys. */
/* SPDX-License-Identifier: MIT */
#include "sandbox.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* --- modules and types -------------------------------------------------------------------- */

/* A plugin's id, or a path relative to the descriptor. */
static char *
module_path (const Value *v, const char *text)
{
  if (!strchr (text, '/') || g_path_is_absolute (text))
    return g_strdup (text);
  g_autofree char *directory = origin_directory (&v->origin);
  return g_build_filename (directory, text, NULL);
}

char **
schema_modules (Section *s)
{
  Value *v = section_value (s, "module");
  if (!v)
    return NULL;
  bool several = strcmp (s->kind, "accel") == 0 && strchr (v->text, ',');
  g_auto (GStrv) items = several ? list_split (v->text) : NULL;
  guint n = items ? g_strv_length (items) : 0;
  char **names = g_new0 (char *, MAX (n, 1) + 1);
  for (guint i = 0; i < n; i++)
    names[i] = module_path (v, items[i]);
  if (!n)
    names[0] = module_path (v, v->text);
  return names;
}

/* The one that counts. */
static char *
module_name (Section *s)
{
  if (full_section (s)->choice)
    return g_strdup (accel_module (s));
  g_auto (GStrv) names = schema_modules (s);
  return names ? g_strdup (names[0]) : NULL;
}

static BpModule *
module_of (Descriptor *d, Section *s)
{
  g_autofree char *name = module_name (s);
  return name && !g_hash_table_contains (full_descriptor (d)->bad_modules, name) ? plugin_load (name, NULL)
                                                                                 : NULL;
}

/* A module that does not load is reported once, whoever else names it. */
void
schema_load_module (Descriptor *d, Section *s)
{
  GHashTable *bad = full_descriptor (d)->bad_modules;
  if (strcmp (s->kind, "machine") == 0 || strcmp (s->kind, "map") == 0)
    return;
  g_auto (GStrv) names = schema_modules (s);
  if (names && names[0] && names[1]) {
    accel_choose (d, s, names);
    return;
  }
  g_autofree char *name = names ? g_strdup (names[0]) : NULL;
  g_autoptr (GError) error = NULL;
  if (name && !g_hash_table_contains (bad, name) && !plugin_load (name, &error)) {
    descriptor_error (d, &section_value (s, "module")->origin, s, "module", NULL, "%s", error->message);
    g_hash_table_add (bad, g_steal_pointer (&name));
  }
}

static const char **
type_names (BpKind kind)
{
  g_autoptr (GPtrArray) all = type_all ();
  GPtrArray *names = g_ptr_array_new ();
  for (guint i = 0; i < all->len; i++)
    if (((const BpTypeDesc *) all->pdata[i])->kind == kind)
      g_ptr_array_add (names, (void *) ((const BpTypeDesc *) all->pdata[i])->name);
  g_ptr_array_add (names, NULL);
  return (const char **) g_ptr_array_free (names, FALSE);
}

/* The module's only type of the kind. */
static const BpTypeDesc *
only_type (Descriptor *d, Section *s, BpModule *module, const SectionKind *kind)
{
  g_autoptr (GString) names = g_string_new (NULL);
  const BpTypeDesc *found = NULL;
  unsigned n = 0;
  for (const BpTypeDesc *const *t = module->desc->types; t && *t; t++) {
    if ((*t)->kind != kind->kind)
      continue;
    g_string_append_printf (names, "%s%s", n++ ? ", " : "", (*t)->name);
    found = type_find ((*t)->name);
  }
  if (n == 1 && found)
    return found;
  Value *v = section_value (s, "module");
  if (n == 0)
    descriptor_error (d, &v->origin, s, "module", NULL, "the plugin `%s` has no type for a [%s] section",
                      module->id, kind->name);
  else
    descriptor_error (d, &v->origin, s, "module", NULL,
                      "the plugin `%s` has several types for a [%s]; add `type =` one of: %s", module->id,
                      kind->name, names->str);
  return NULL;
}

/* A type whose plugin no section names: the plugins on the search path are loaded until one has it. */
static const BpTypeDesc *
type_on_path (const char *name)
{
  g_auto (GStrv) ids = plugin_scan ();
  const BpTypeDesc *type = NULL;
  for (char **id = ids; !type && *id; id++)
    if (plugin_load (*id, NULL))
      type = type_find (name);
  return type;
}

const BpTypeDesc *
schema_find_type (const char *name)
{
  const BpTypeDesc *type = type_find (name);
  return type ? type : type_on_path (name);
}

/* Without a type no key can be judged, but a mistyped `type` or `module` can. */
static void
report_typeless (Descriptor *d, Section *s, const SectionKind *kind)
{
  for (guint i = 0; i < s->values->len; i++) {
    Value *v = s->values->pdata[i];
    const char *hint = nearest_name (v->key, kind->keys);
    if (hint) {
      descriptor_error (d, &v->origin, s, v->key, hint, "unknown key, and the section has no type");
      return;
    }
  }
  descriptor_error (d, NULL, s, NULL, NULL,
                    "the key `type` (or `module`, where the plugin has one type for a [%s]) is missing",
                    kind->name);
}

static bool
is_replaced (const Value *v, const Value *beside)
{
  return v->history && beside && !beside->history;
}

/* The type and the plugin do not go together.  What was replaced did: `type` alone takes its plugin with it, `module` alone the plugin's only type. */
static const BpTypeDesc *
reconcile (Descriptor *d, Section *s, const BpTypeDesc *type, BpModule *module)
{
  Value *v = section_value (s, "type"), *m = section_value (s, "module");
  bool by_type = is_replaced (v, m);
  if (!by_type && !is_replaced (m, v)) {
    descriptor_error (d, &v->origin, s, "type", NULL, "`%s` is not of the plugin `%s` but of `%s`", v->text,
                      module->id, type_module (type)->id);
    return NULL;
  }
  if (!by_type && !(type = only_type (d, s, module, section_kind (s->kind))))
    return NULL;
  const char *text = by_type ? type_module (type)->id : type->name;
  RawValue raw = { .key = by_type ? "module" : "type", .whole = (char *) text, .bare = (char *) text, .origin = by_type ? v->origin : m->origin };
  section_put (s, &raw, true);
  return type;
}

const BpTypeDesc *
schema_type (Descriptor *d, Section *s)
{
  const SectionKind *kind = section_kind (s->kind);
  BpModule *module = module_of (d, s);
  Value *v = section_value (s, "type");
  if (full_section (s)->choice && !module)
    return NULL;                /* none of them can run here, and that was said */
  if (!v) {
    if (module)
      return only_type (d, s, module, kind);
    if (!section_value (s, "module"))
      report_typeless (d, s, kind);
    return NULL;
  }
  const BpTypeDesc *type = type_find (v->text);
  if (!type && !module && section_value (s, "module"))
    return NULL;                /* its module did not load, and that was said */
  if (!type)
    type = type_on_path (v->text);
  if (!type) {
    g_autofree const char **names = type_names (kind->kind);
    const char *near = nearest_name (v->text, names);
    descriptor_error (d, &v->origin, s, "type", near, "no plugin here has a type `%s`%s", v->text,
                      near ? "" : "; `backplane list types` shows those there are");
    return NULL;
  }
  if (type->kind != kind->kind) {
    descriptor_error (d, &v->origin, s, "type", NULL, "`%s` belongs into a [%s] section, not into a [%s]",
                      v->text, kind_name (type->kind), kind->name);
    return NULL;
  }
  return module && type_module (type) != module ? reconcile (d, s, type, module) : type;
}

/* --- keys --------------------------------------------------------------------------------- */

const SectionKey *
section_keys (const char *kind)
{
  return strcmp (kind, "instrument") == 0 ? instrument_keys : strcmp (kind, "sandbox") == 0 ? sandbox_keys : NULL;
}

static bool
in_list (const char *const *list, const char *word)
{
  return list && g_strv_contains (list, word);
}

KeyRole
schema_key_role (Section *s, BpObject *o, const char *key)
{
  if (in_list (section_kind (s->kind)->keys, key))
    return KEY_RESERVED;
  if (object_property (o, key))
    return KEY_PROPERTY;
  if (object_pin (o, key))
    return KEY_PIN;
  if (object_region (o, key))
    return KEY_REGION;
  return KEY_UNKNOWN;
}

const char **
schema_keys (BpObject *o)
{
  GPtrArray *names = g_ptr_array_new ();
  for (guint i = 0; i < o->properties->len; i++)
    g_ptr_array_add (names, (void *) g_array_index (o->properties, BpProperty, i).name);
  for (guint i = 0; i < o->pins->len; i++)
    if (g_array_index (o->pins, ObjectPin, i).desc.direction == BP_PIN_OUT)
      g_ptr_array_add (names, g_array_index (o->pins, ObjectPin, i).name);
  for (guint i = 0; i < o->regions->len; i++)
    g_ptr_array_add (names, g_array_index (o->regions, ObjectRegion, i).name);
  for (const char *const *key = section_kind (kind_name (o->type->kind))->keys; *key; key++)
    g_ptr_array_add (names, (void *) *key);
  g_ptr_array_add (names, NULL);
  return (const char **) g_ptr_array_free (names, FALSE);
}

bool
schema_check_file (Descriptor *d, Section *s, Value *v, const char *path, bool is_folder)
{
  if (g_file_test (path, G_FILE_TEST_IS_DIR) ? !is_folder : is_folder && g_file_test (path, G_FILE_TEST_EXISTS)) {
    descriptor_error (d, &v->origin, s, v->key, NULL, "`%s` is %s", path, is_folder ? "a file, not a directory" : "a directory, not a file");
    return false;
  }
  if (access (path, R_OK) == 0)
    return true;
  descriptor_error (d, &v->origin, s, v->key, NULL, "cannot read `%s`: %s", path, g_strerror (errno));
  return false;
}

/* --- sections that make no object --------------------------------------------------------- */

static void
check_required (Descriptor *d, Section *s, const char *key)
{
  Value *v = section_value (s, key);
  if (!v)
    descriptor_error (d, NULL, s, NULL, NULL, "the key `%s` is missing", key);
  else if (!*v->text)
    descriptor_error (d, &v->origin, s, key, NULL, "the value is empty");
}

static void
check_format (Descriptor *d, Section *s)
{
  Value *v = section_value (s, "format");
  if (v && strcmp (v->text, "1") != 0)
    descriptor_error (d, &v->origin, s, "format", NULL, "`%s` is not a format this program reads; it reads 1",
                      v->text);
}

static void
check_on_reset (Descriptor *d, Section *s)
{
  static const char *const ways[] = { "reset", "exit", NULL };
  Value *v = section_value (s, "on-reset");
  if (v && !g_strv_contains (ways, v->text))
    descriptor_error (d, &v->origin, s, "on-reset", nearest_name (v->text, ways), "`%s` is neither reset nor exit", v->text);
}

static void
check_snapshot (Descriptor *d, Section *s)
{
  static const char *const ways[] = { "on", "off", NULL };
  Value *v = section_value (s, "snapshot");
  if (v && !g_strv_contains (ways, v->text))
    descriptor_error (d, &v->origin, s, "snapshot", nearest_name (v->text, ways), "`%s` is neither on nor off", v->text);
}

static void
check_clock (Descriptor *d, Section *s)
{
  static const char *const modes[] = { "host", "instructions", NULL };
  Value *mode = section_value (s, "mode"), *shift = section_value (s, "shift");
  uint64_t n;
  if (mode && !g_strv_contains (modes, mode->text))
    descriptor_error (d, &mode->origin, s, "mode", nearest_name (mode->text, modes),
                      "`%s` is neither host nor instructions", mode->text);
  if (shift && (!parse_size (shift->text, &n) || n > 16))
    descriptor_error (d, &shift->origin, s, "shift", NULL,
                      "`%s` is not in 0..16 (an instruction takes 2 to that power nanoseconds)", shift->text);
  else if (shift && (!mode || strcmp (mode->text, "host") == 0))
    descriptor_error (d, &shift->origin, s, "shift", NULL, "it counts only with mode = instructions");
}

static void
check_map (Descriptor *d, Section *s)
{
  static const char *const sizes[] = { "offset", "size" }, *const switches[] = { "clip", "readonly" };
  uint64_t n;
  bool on;
  int priority;
  check_required (d, s, "region");
  check_required (d, s, "at");
  Value *at = section_value (s, "at");
  Place place = { 0 };
  g_autofree char *wrong = at && *at->text ? place_parse (at->text, &place) : NULL;
  if (wrong)
    descriptor_error (d, &at->origin, s, "at", NULL, "%s", wrong);
  g_free (place.space);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    Value *v = section_value (s, sizes[i]);
    if (v && (!parse_size (v->text, &n) || (n == 0 && i == 1)))
      descriptor_error (d, &v->origin, s, v->key, NULL, "`%s` is not a size (bytes; K, M, G or T may follow)",
                        v->text);
  }
  for (guint i = 0; i < G_N_ELEMENTS (switches); i++) {
    Value *v = section_value (s, switches[i]);
    if (v && !parse_switch (v->text, &on))
      descriptor_error (d, &v->origin, s, v->key, NULL, "`%s` is neither on nor off", v->text);
  }
  Value *prio = section_value (s, "priority");
  if (prio && !parse_priority (prio->text, &priority))
    descriptor_error (d, &prio->origin, s, "priority", NULL, "`%s` is not a priority (a whole number)",
                      prio->text);
}

void
schema_check_plain (Descriptor *d, Section *s)
{
  const SectionKind *kind = section_kind (s->kind);
  for (guint i = 0; i < s->values->len; i++) {
    Value *v = s->values->pdata[i];
    if (!in_list (kind->keys, v->key))
      descriptor_error (d, &v->origin, s, v->key, nearest_name (v->key, kind->keys), "unknown key");
  }
  if (strcmp (s->kind, "machine") == 0) {
    check_format (d, s);
    check_on_reset (d, s);
    check_snapshot (d, s);
  } else if (strcmp (s->kind, "clock") == 0)
    check_clock (d, s);
  else if (strcmp (s->kind, "sandbox") == 0)
    sandbox_check (d, s);
  else if (strcmp (s->kind, "map") == 0)
    check_map (d, s);
  else if (strcmp (s->kind, "plugin") == 0)
    check_required (d, s, "module");
  else if (strcmp (s->kind, "wire") == 0) {
    check_required (d, s, "from");
    check_required (d, s, "to");
  }
}
