/* machine-explain.c -- a built machine for people: tree, maps, effective descriptor, origins, graph. */
/* SPDX-License-Identifier: MIT */
#include "build.h"
#include "memory.h"
#include <string.h>

/* --- what is common ----------------------------------------------------------------------- */

static void
append_origin (GString *out, const Origin *origin)
{
  if (origin_has_line (origin))
    g_string_append_printf (out, "%s:%u", origin->file, origin->line);
  else if (origin->text)
    g_string_append_printf (out, "%s %s", origin->file, origin->text);
  else
    g_string_append (out, origin->file);
}

/* BpObject * -> GPtrArray of const Mapping *: the maps of each object's regions. */
static GHashTable *
mappings_by_owner (BpMachine *m)
{
  GHashTable *table = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_ptr_array_unref);
  GArray *mappings = full_machine (m)->mappings;
  for (guint i = 0; i < mappings->len; i++) {
    Mapping *mapping = &g_array_index (mappings, Mapping, i);
    BpObject *o = mapping->region->owner ? object_of (mapping->region->owner) : NULL;
    GPtrArray *list = g_hash_table_lookup (table, o);
    if (!list)
      g_hash_table_insert (table, o, list = g_ptr_array_new ());
    g_ptr_array_add (list, mapping);
  }
  return table;
}

static BpObject *
link_target (BpObject *o, const BpProperty *p)
{
  const BpLink *link = (const BpLink *) ((const uint8_t *) object_instance (o) + p->offset);
  return p->kind == BP_PROPERTY_LINK && link->instance ? object_of (link->instance) : NULL;
}

static uint64_t
mapping_last (const Mapping *mapping)
{
  return (uint64_t) ((Wide) mapping->address + mapping->region->size - 1);
}

static const char *
region_part (const Mapping *mapping)
{
  const char *dot = strchr (mapping->what, '.');
  return dot ? dot + 1 : "region";
}

/* --- tree --------------------------------------------------------------------------------- */

/* Links, and what the descriptor says of other properties. */
static void
tree_properties (BpObject *o, GString *out)
{
  for (guint i = 0; i < o->properties->len; i++) {
    const BpProperty *p = &g_array_index (o->properties, BpProperty, i);
    BpObject *target = link_target (o, p);
    const Value *v = section_value (object_section (o), p->name);
    g_autofree char *text = p->kind != BP_PROPERTY_LINK && v && v->text ? value_text (v, o) : NULL;
    if (target || text)
      g_string_append_printf (out, "    %s = %s\n", p->name, target ? target->id : text);
  }
}

/* f for each input that an output of the object drives. */
static void
for_each_wire (BpObject *o, void (*f) (BpObject *o, const ObjectPin *from, BpPin *to, const char *path, GString *out), GString *out)
{
  for (guint i = 0; i < o->pins->len; i++) {
    const ObjectPin *pin = &g_array_index (o->pins, ObjectPin, i);
    if (pin->desc.direction != BP_PIN_OUT)
      continue;
    g_autoptr (GPtrArray) targets = pin_targets (pin->pin);
    for (guint j = 0; j < targets->len; j++) {
      g_autofree char *path = pin_path (targets->pdata[j]);
      f (o, pin, targets->pdata[j], path, out);
    }
  }
}

static void
tree_wire (BpObject *o, const ObjectPin *from, BpPin *to, const char *path, GString *out)
{
  g_string_append_printf (out, "    %s -> %s\n", from->name, path);
}

static void
tree_maps (GPtrArray *mappings, GString *out)
{
  for (guint i = 0; mappings && i < mappings->len; i++) {
    const Mapping *mapping = mappings->pdata[i];
    g_string_append_printf (out, "    %s @ %s 0x%" G_GINT64_MODIFIER "x..0x%" G_GINT64_MODIFIER "x",
                            region_part (mapping), address_space_name (mapping->space), mapping->address,
                            mapping_last (mapping));
    if (mapping->priority)
      g_string_append_printf (out, " prio %d", mapping->priority);
    if (mapping->region->readonly)
      g_string_append (out, " read-only");
    if (strcmp (mapping->section->kind, "map") == 0)
      g_string_append_printf (out, " [%s]", section_label (mapping->section));
    g_string_append_c (out, '\n');
  }
}

void
explain_tree (BpMachine *m, GString *out)
{
  g_autoptr (GHashTable) mappings = mappings_by_owner (m);
  Section *machine = descriptor_section (m->descriptor, "machine");
  Value *description = machine ? section_value (machine, "description") : NULL;
  g_string_append_printf (out, "%s%s%s\n", m->descriptor->path, description ? ": " : "",
                          description ? description->text : "");
  for (guint i = 0; i < m->objects->len; i++) {
    BpObject *o = m->objects->pdata[i];
    BpModule *module = type_module (o->type);
    g_string_append_printf (out, "  %s %s: %s (%s)\n", kind_name (o->type->kind), o->id, o->type->name,
                            module ? module->id : "core");
    tree_properties (o, out);
    for_each_wire (o, tree_wire, out);
    tree_maps (g_hash_table_lookup (mappings, o), out);
  }
}

/* --- map ---------------------------------------------------------------------------------- */

void
explain_map (BpMachine *m, GString *out)
{
  for (guint i = 0; i < m->address_spaces->len; i++) {
    BpAddressSpace *as = m->address_spaces->pdata[i];
    g_string_append_printf (out, "%s%s:\n", i ? "\n" : "", address_space_name (as));
    memory_print_map (as, out);
  }
}

/* --- the effective descriptor ------------------------------------------------------------- */

/* An object that the section makes (of several CPUs the first), or NULL. */
static BpObject *
section_object (BpMachine *m, Section *s)
{
  BpObject *o = g_hash_table_lookup (m->by_id, section_id (s));
  g_autofree char *first = g_strconcat (section_id (s), "0", NULL);
  if (!o || object_section (o) != s)
    o = g_hash_table_lookup (m->by_id, first);
  return o && object_section (o) == s ? o : NULL;
}

static bool
needs_quotes (const char *text)
{
  size_t length = strlen (text);
  if (length == 0 || g_ascii_isspace (text[0]) || g_ascii_isspace (text[length - 1]) || *text == '"' ||
      *text == ';')
    return true;
  return strpbrk (text, "\n\t") != NULL;
}

static void
append_quoted (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (; *text; text++) {
    if (*text == '"' || *text == '\\')
      g_string_append_printf (out, "\\%c", *text);
    else if (*text == '\n')
      g_string_append (out, "\\n");
    else if (*text == '\t')
      g_string_append (out, "\\t");
    else
      g_string_append_c (out, *text);
  }
  g_string_append_c (out, '"');
}

/* Files become absolute: the effective descriptor may lie elsewhere. */
static char *
effective_text (Section *s, BpObject *o, const Value *v)
{
  const BpProperty *p = o ? object_property (o, v->key) : NULL;
  if (p && p->kind == BP_PROPERTY_FILE && *v->text) {
    g_autofree char *path = object_get (o, v->key);
    return g_canonicalize_filename (path ? path : v->text, NULL);
  }
  if (strcmp (v->key, "module") == 0 && strchr (v->text, '/')) {
    g_auto (GStrv) names = schema_modules (s);
    for (char **name = names; *name; name++) {
      char *path = strchr (*name, '/') ? g_canonicalize_filename (*name, NULL) : g_strdup (*name);
      g_free (*name);
      *name = path;
    }
    return g_strjoinv (", ", names);
  }
  return g_strdup (v->text);
}

static void
effective_value (Section *s, const Value *v, BpObject *o, GString *out)
{
  bool elsewhere = g_strcmp0 (v->origin.file, s->origin.file) != 0;
  if (elsewhere || v->history) {
    g_string_append (out, "; ");
    append_origin (out, &v->origin);
    const OldValue *old = v->history ? &g_array_index (v->history, OldValue, v->history->len - 1) : NULL;
    if (old) {
      g_string_append (out, old->text ? ", replaces " : ", was unset at ");
      if (old->text)
        append_quoted (out, old->text);
      g_string_append (out, old->text ? " from " : "");
      append_origin (out, &old->origin);
    }
    g_string_append_c (out, '\n');
  }
  if (!v->text) {
    g_string_append_printf (out, "; %s is unset\n", v->key);
    return;
  }
  g_autofree char *text = effective_text (s, o, v);
  g_string_append_printf (out, "%s = ", v->key);
  if (needs_quotes (text))
    append_quoted (out, text);
  else
    g_string_append (out, text);
  g_string_append_c (out, '\n');
}

void
explain_effective (BpMachine *m, GString *out)
{
  GPtrArray *sections = m->descriptor->sections;
  for (guint i = 0; i < sections->len; i++) {
    Section *s = sections->pdata[i];
    BpObject *o = section_object (m, s);
    bool is_machine = strcmp (s->kind, "machine") == 0;
    g_string_append_printf (out, "%s; ", i ? "\n" : "");
    append_origin (out, &s->origin);
    g_string_append_printf (out, "\n[%s]\n", section_label (s));
    for (guint j = 0; j < s->values->len; j++) {
      const Value *v = s->values->pdata[j];
      if (!is_machine || strcmp (v->key, "include") != 0)
        effective_value (s, v, o, out);
    }
  }
}

/* --- one value ---------------------------------------------------------------------------- */

static void
explain_given (const Value *v, GString *out)
{
  g_string_append (out, "  from ");
  append_origin (out, &v->origin);
  g_string_append_c (out, '\n');
  for (guint i = v->history ? v->history->len : 0; i-- > 0;) {
    const OldValue *old = &g_array_index (v->history, OldValue, i);
    g_string_append_printf (out, "  before: %s, from ", old->text ? old->text : "(unset)");
    append_origin (out, &old->origin);
    g_string_append_c (out, '\n');
  }
}

/* A key that all sections of the kind have; false: none that is explained. */
static bool
explain_section_key (const char *kind, const char *key, GString *out)
{
  const SectionKey *k = section_keys (kind);
  while (k && k->name && strcmp (k->name, key) != 0)
    k++;
  if (!k || !k->name)
    return false;
  g_string_append_printf (out, "  %s%s%s\n  %s\n", k->values, k->default_text ? ", default " : "", k->default_text ? k->default_text : "", k->help);
  return true;
}

/* What the key is, from the type's tables; false: the type knows no such key. */
static bool
explain_schema (Section *s, BpObject *o, const char *key, GString *out)
{
  switch (schema_key_role (s, o, key)) {
  case KEY_PROPERTY: {
    const BpProperty *p = object_property (o, key);
    g_autofree char *range = property_range_text (p);
    g_autofree char *by_default = property_default_text (p);
    g_string_append_printf (out, "  %s", property_kind_name (p->kind));
    if (range && *range)
      g_string_append_printf (out, ", %s", range);
    if (by_default)
      g_string_append_printf (out, ", default %s", *by_default ? by_default : "empty");
    g_string_append_printf (out, "\n  %s\n", p->help ? p->help : "");
    return true;
  }
  case KEY_PIN:
    g_string_append_printf (out, "  pin: %s\n",
                            object_pin (o, key)->desc.help ? object_pin (o, key)->desc.help : "");
    return true;
  case KEY_REGION:
    g_string_append_printf (out, "  region: %s\n",
                            object_region (o, key)->help ? object_region (o, key)->help : "");
    return true;
  case KEY_RESERVED:
    explain_section_key (kind_name (o->type->kind), key, out);
    return true;
  case KEY_UNKNOWN:
    break;
  }
  return false;
}

static char *
current_text (BpObject *o, const char *key)
{
  const BpProperty *p = object_property (o, key);
  BpObject *target = p ? link_target (o, p) : NULL;
  return !p                            ? NULL
         : p->kind == BP_PROPERTY_LINK ? g_strdup (target ? target->id : NULL)
                                       : object_get (o, key);
}

static bool
explain_key (Section *s, BpObject *o, const char *path, const char *key, GString *out, GError **error)
{
  const Value *v = g_hash_table_lookup (full_section (s)->by_key, key);
  g_autofree char *text = v ? g_strdup (v->text) : o ? current_text (o, key) : NULL;
  g_autoptr (GString) schema = g_string_new (NULL);
  bool known = o ? explain_schema (s, o, key, schema) : explain_section_key (s->kind, key, schema);
  if (!v && !known) {
    g_autofree const char **keys = o ? schema_keys (o) : NULL;
    const char *hint = nearest_name (key, keys ? keys : section_kind (s->kind)->keys);
    g_autofree char *suggestion = hint ? g_strdup_printf (" (did you mean `%s`?)", hint) : g_strdup ("");
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "[%s] has no key `%s`%s", section_label (s), key,
                 suggestion);
    return false;
  }
  g_string_append_printf (out, "%s = %s\n", path, text ? text : "(unset)");
  if (v)
    explain_given (v, out);
  else
    g_string_append (out, "  not given\n");
  g_string_append (out, schema->str);
  if (v && v->text && (!known || strcmp (key, "module") == 0))
    accel_explain (s, key, out);
  return true;
}

/* All that the descriptor says of it. */
static void
explain_object (Section *s, const char *id, GString *out)
{
  for (guint i = 0; i < s->values->len; i++) {
    const Value *v = s->values->pdata[i];
    g_string_append_printf (out, "%s.%s = %s\n", id, v->key, v->text ? v->text : "(unset)");
    explain_given (v, out);
  }
}

bool
explain_value (BpMachine *m, const char *path, GString *out, GError **error)
{
  const char *dot = strchr (path, '.');
  if (dot && (dot == path || !dot[1])) {
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "`%s` is not a value; write OBJECT.KEY", path);
    return false;
  }
  g_autofree char *id = g_strndup (path, dot ? (gsize) (dot - path) : strlen (path));
  BpObject *o = g_hash_table_lookup (m->by_id, id);
  Section *s = o ? object_section (o) : descriptor_section (m->descriptor, id);
  if (!s) {
    g_autofree const char **ids = g_new0 (const char *, m->objects->len + 1);
    for (guint i = 0; i < m->objects->len; i++)
      ids[i] = ((BpObject *) m->objects->pdata[i])->id;
    const char *hint = nearest_name (id, ids);
    g_autofree char *suggestion = hint ? g_strdup_printf (" (did you mean `%s`?)", hint) : g_strdup ("");
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "there is no object `%s`%s", id, suggestion);
    return false;
  }
  if (!dot) {
    explain_object (s, id, out);
    return true;
  }
  return explain_key (s, o ? o : section_object (m, s), path, dot + 1, out, error);
}

/* --- graph -------------------------------------------------------------------------------- */

static void
dot_wire (BpObject *o, const ObjectPin *from, BpPin *to, const char *path, GString *out)
{
  g_string_append_printf (out, "  \"%s\" -> \"%s\" [label=\"%s - %s\", color=red];\n", o->id, pin_owner (to)->id, from->name, strchr (path, '.') + 1);
}

static void
dot_object (BpObject *o, GPtrArray *mappings, GString *out)
{
  g_string_append_printf (out, "  \"%s\" [label=\"%s\\n%s\"];\n", o->id, o->id, o->type->name);
  for (guint i = 0; i < o->properties->len; i++) {
    const BpProperty *p = &g_array_index (o->properties, BpProperty, i);
    BpObject *target = link_target (o, p);
    if (target)
      g_string_append_printf (out, "  \"%s\" -> \"%s\" [label=\"%s\", style=dashed];\n", o->id, target->id,
                              p->name);
  }
  for_each_wire (o, dot_wire, out);
  for (guint i = 0; mappings && i < mappings->len; i++) {
    const Mapping *mapping = mappings->pdata[i];
    g_string_append_printf (
        out, "  \"%s\" -> \"space %s\" [label=\"%s 0x%" G_GINT64_MODIFIER "x\", dir=none, color=blue];\n",
        o->id, address_space_name (mapping->space), region_part (mapping), mapping->address);
  }
}

void
explain_dot (BpMachine *m, GString *out)
{
  g_autoptr (GHashTable) mappings = mappings_by_owner (m);
  g_autofree char *base = g_path_get_basename (m->descriptor->path);
  g_autofree char *name = g_strescape (base, NULL);
  g_string_append_printf (out,
                          "digraph \"%s\" {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans\"];\n  edge "
                          "[fontname=\"sans\", fontsize=9];\n",
                          name);
  for (guint i = 0; i < m->address_spaces->len; i++) {
    const char *space = address_space_name (m->address_spaces->pdata[i]);
    g_string_append_printf (out, "  \"space %s\" [label=\"%s\", shape=ellipse];\n", space, space);
  }
  for (guint i = 0; i < m->objects->len; i++)
    dot_object (m->objects->pdata[i], g_hash_table_lookup (mappings, m->objects->pdata[i]), out);
  g_string_append (out, "}\n");
}
