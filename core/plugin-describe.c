/* plugin-describe.c -- types and modules as reports: what `backplane describe` prints. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "descriptor.h"
#include "report.h"

/* --- rows ----------------------------------------------------------------------------------- */

static void
add_word (GString *words, bool is_so, const char *word)
{
  if (is_so)
    g_string_append_printf (words, "%s%s", words->len ? ", " : "", word);
}

static void
describe_properties (BpReport *report, const BpTypeDesc *type)
{
  static const char *const columns[] = { "property", "kind", "default", "range", "flags", "help", NULL };
  g_autoptr (GArray) rows = type_properties (type);
  BpReportTable *table = report_table (report, "properties", columns);
  for (unsigned i = 0; i < rows->len; i++) {
    const BpProperty *p = &g_array_index (rows, BpProperty, i);
    g_autofree char *value = p->flags & BP_PROPERTY_REQUIRED ? NULL : property_default_text (p);
    g_autofree char *range = property_range_text (p);
    g_autoptr (GString) flags = g_string_new (NULL);
    add_word (flags, p->flags & BP_PROPERTY_REQUIRED, "required");
    add_word (flags, p->flags & BP_PROPERTY_RUNTIME, "runtime");
    add_word (flags, p->flags & BP_PROPERTY_SECRET, "secret");
    add_word (flags, p->flags & BP_PROPERTY_MAYBE_NEW, "may be new");
    add_word (flags, p->flags & BP_PROPERTY_FOLDER, "folder");
    add_word (flags, p->flags & BP_PROPERTY_HOST, "host");
    report_row (table, p->name, property_kind_name (p->kind), value, range, flags->len ? flags->str : NULL, p->help);
  }
}

/* Keys that the section has whatever its type. */
static void
describe_section_keys (BpReport *report, const char *kind)
{
  static const char *const columns[] = { "key", "default", "values", "help", NULL };
  const SectionKey *key = section_keys (kind);
  if (!key)
    return;
  BpReportTable *table = report_table (report, "section keys", columns);
  for (; key->name; key++)
    report_row (table, key->name, key->default_text, key->values, key->help);
}

static void
describe_pins (BpReport *report, const BpTypeDesc *type)
{
  static const char *const columns[] = { "pin", "direction", "flags", "help", NULL };
  g_autoptr (GArray) rows = type_pins (type);
  BpReportTable *table = report_table (report, "pins", columns);
  for (unsigned i = 0; i < rows->len; i++) {
    const BpPinDesc *pin = &g_array_index (rows, BpPinDesc, i);
    bool required = pin->flags & BP_PIN_REQUIRED, wired_or = pin->flags & BP_PIN_WIRED_OR;
    g_autofree char *name = pin->count > 1
                                ? g_strdup_printf ("%s0..%s%u", pin->name, pin->name, pin->count - 1)
                                : g_strdup (pin->name);
    const char *flags = required && wired_or ? "required, wired-or"
                        : required           ? "required"
                        : wired_or           ? "wired-or"
                                             : NULL;
    report_row (table, name, pin->direction == BP_PIN_IN ? "in" : "out", flags, pin->help);
  }
}

static void
describe_regions (BpReport *report, const BpTypeDesc *type)
{
  static const char *const columns[] = { "region", "bytes", "help", NULL };
  g_autoptr (GArray) rows = type_regions (type);
  BpReportTable *table = report_table (report, "regions", columns);
  for (unsigned i = 0; i < rows->len; i++) {
    const BpRegionDesc *region = &g_array_index (rows, BpRegionDesc, i);
    g_autofree char *size = g_strdup_printf ("%" G_GUINT64_FORMAT, region->size);
    report_row (table, region->name, size, region->help);
  }
}

static void
describe_interfaces (BpReport *report, const BpTypeDesc *type)
{
  static const char *const columns[] = { "interface", "from", NULL };
  BpReportTable *table = report_table (report, "interfaces", columns);
  for (const BpTypeDesc *t = type; t; t = t->parent) {
    for (const BpInterfaceDesc *row = t->interfaces; row && row->id; row++) {
      report_row (table, row->id, t->name);
    }
  }
}

/* "u8[16]" */
static char *
state_field_text (const BpStateField *field)
{
  static const char *const names[] = {
    [BP_STATE_U8] = "u8",         [BP_STATE_U16] = "u16",     [BP_STATE_U32] = "u32",
    [BP_STATE_U64] = "u64",       [BP_STATE_BOOL] = "bool",   [BP_STATE_BYTES] = "bytes",
    [BP_STATE_STRUCT] = "struct", [BP_STATE_TIMER] = "timer",   [BP_STATE_BUFFER] = "buffer",
    [BP_STATE_TABLE] = "table",   [BP_STATE_BLOB] = "blob",
  };
  const char *name = (unsigned) field->kind < G_N_ELEMENTS (names) ? names[field->kind] : "?";
  return field->count > 1 ? g_strdup_printf ("%s[%u]", name, field->count) : g_strdup (name);
}

static void
describe_state_rows (BpReportTable *table, const BpTypeDesc *type, const GArray *rows, const char *prefix)
{
  for (unsigned i = 0; i < rows->len; i++) {
    const BpStateField *f = &g_array_index (rows, BpStateField, i);
    g_autofree char *name = g_strconcat (prefix, f->name, NULL), *kind = state_field_text (f);
    g_autofree char *since = g_strdup_printf ("%u", f->since);
    report_row (table, name, kind, since, f->needed || f->kind == BP_STATE_BUFFER || f->kind == BP_STATE_TABLE || f->kind == BP_STATE_BLOB ? "when needed" : "always");
    if (f->kind == BP_STATE_STRUCT || f->kind == BP_STATE_TABLE) {
      g_autoptr (GArray) nested = rows_copy (f->fields, type->state_size, sizeof (BpStateField));
      g_autofree char *deeper = g_strconcat (name, ".", NULL);
      describe_state_rows (table, type, nested, deeper);
    }
  }
}

static void
describe_state (BpReport *report, const BpTypeDesc *type)
{
  static const char *const columns[] = { "field", "kind", "since", "saved", NULL };
  g_autoptr (GArray) rows = type_state (type);
  BpReportTable *table = report_table (report, "state", columns);
  describe_state_rows (table, type, rows, "");
}

/* --- types and modules ---------------------------------------------------------------------- */

void
describe_type (BpReport *report, const BpTypeDesc *type)
{
  BpModule *module = type_module (type);
  report_value (report, "type", type->name);
  report_value (report, "description", type->description);
  report_value (report, "section", kind_name (type->kind));
  report_value (report, "module", module ? module->id : NULL);
  report_value (report, "parent", type->parent ? type->parent->name : NULL);
  if (type->state_version) {
    bp_report_count (report, "state-version", "state version", type->state_version);
    bp_report_count (report, "oldest-state", "loads state from", MAX (type->state_minimum, 1));
  }
  if (type->flags & BP_TYPE_HOT_PLUG)
    report_value (report, "hot-plug", "objects may join and leave a machine that runs");
  if (type->flags & BP_TYPE_STAYS)
    report_value (report, "migration", "a machine with such an object is not moved");
  describe_properties (report, type);
  describe_section_keys (report, kind_name (type->kind));
  describe_pins (report, type);
  describe_regions (report, type);
  describe_interfaces (report, type);
  describe_state (report, type);
}

/* By its path a plugin loads whatever the file is called. */
static char *
verdict_of (const BpModule *module)
{
  g_autofree char *file = module->path ? g_path_get_basename (module->path) : NULL, *wanted = g_strconcat (module->id, ".so", NULL);
  return !file || strcmp (file, wanted) == 0 ? g_strdup ("loads")
                                             : g_strdup_printf ("loads by its path; for `module = %s` the file must be named %s", module->id, wanted);
}

void
describe_module (BpReport *report, BpModule *module)
{
  const BpPluginDesc *desc = module->desc;
  g_autofree char *abi = g_strdup_printf (
      "%u.%u%s", desc->abi_major, desc->abi_minor,
      desc->build_flags & BP_PLUGIN_SAME_MINOR ? " (and no other minor)" : " (and every later minor)");
  g_autofree char *required =
      desc->requires_interfaces ? g_strjoinv (", ", (char **) desc->requires_interfaces) : NULL;
  report_value (report, "module", desc->id);
  report_value (report, "description", desc->description);
  report_value (report, "version", desc->version);
  report_value (report, "licence", desc->licence);
  report_value (report, "ABI", abi);
  report_value (report, "file", module->path);
  report_value (report, "requires", required);
  g_autofree char *verdict = verdict_of (module);
  report_value (report, "verdict", verdict);
  for (const BpTypeDesc *const *type = desc->types; type && *type; type++) {
    describe_type (report_item (report, "types"), type_find ((*type)->name));
  }
}
