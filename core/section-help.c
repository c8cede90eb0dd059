/* section-help.c -- the keys of sections that make no object, and what all that make one share: for `backplane describe machine'. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "descriptor.h"
#include "report.h"

/* --- keys ----------------------------------------------------------------------------------- */

/* What machine-schema.c checks, in words. */
static const SectionKey machine_rows[] = {
  { "format", "1", "1", "The format of the file." },
  { "description", NULL, "any text", "What the machine is, for people and `backplane list machines`." },
  { "include", NULL, "FILE, ...", "Files that are read first; relative to this one, or machines by name." },
  { "on-reset", "reset", "reset, exit", "What a reset that the guest asks for does: the machine starts over, or the run ends." },
  { "snapshot", "off", "on, off", "Write to no disk: what the guest writes is forgotten at the end." },
  { NULL, NULL, NULL, NULL }
};

static const SectionKey clock_rows[] = {
  { "mode", "host", "host, instructions", "What virtual time follows: the host's clock, or the instructions executed, which makes runs alike." },
  { "shift", "2", "0..16", "With mode = instructions: one takes 2 to that power nanoseconds." },
  { NULL, NULL, NULL, NULL }
};

static const SectionKey map_rows[] = {
  { "region", NULL, "OBJECT, OBJECT.REGION", "What is mapped; required." },
  { "at", NULL, "SPACE@ADDRESS", "Where, as in memory@0xe0000; required." },
  { "offset", "0", "a size", "Where the part of the region that is mapped begins." },
  { "size", NULL, "a size", "How long that part is; without it, to the region's end." },
  { "clip", "off", "on, off", "Map what there is of a part that goes beyond the region's end." },
  { "readonly", "off", "on, off", "The guest's writes do nothing." },
  { "priority", "0", "a whole number", "What wins where regions overlap: the higher." },
  { NULL, NULL, NULL, NULL }
};

static const SectionKey wire_rows[] = {
  { "from", NULL, "OBJECT.PIN, ...", "Output pins; required." },
  { "to", NULL, "OBJECT.PIN, ...", "Input pins; required." },
  { NULL, NULL, NULL, NULL }
};

static const SectionKey plugin_rows[] = {
  { "module", NULL, "NAME, PATH", "The plugin; required." },
  { NULL, NULL, NULL, NULL }
};

static const SectionKey include_rows[] = {
  { "file", NULL, "FILE", "What is read first; relative to this file, or a machine by name." },
  { NULL, NULL, NULL, NULL }
};

static const struct {
  const char *kind;
  const SectionKey *rows;
} plain[] = { { "machine", machine_rows }, { "clock", clock_rows },   { "map", map_rows },
              { "wire", wire_rows },       { "plugin", plugin_rows }, { "include", include_rows } };

/* Those among a kind's reserved keys. */
static const SectionKey object_rows[] = {
  { "module", NULL, "NAME, PATH", "The plugin; without it, the type's is looked for." },
  { "type", NULL, "NAME", "The type; may be left out where the plugin has one for such a section." },
  { "count", NULL, "a number", "That many objects, NAME0, NAME1 ...; in a device also the section whose count it takes over." },
  { NULL, NULL, NULL, NULL }
};

/* --- reports -------------------------------------------------------------------------------- */

static void
add_keys (BpReportTable *table, const SectionKey *key, const char *const *among)
{
  for (; key && key->name; key++)
    if (!among || g_strv_contains (among, key->name))
      report_row (table, key->name, key->default_text, key->values, key->help);
}

static void
add_types (BpReport *report, BpKind kind)
{
  static const char *const columns[] = { "type", "module", "description", NULL };
  g_autoptr (GPtrArray) types = type_all ();
  BpReportTable *table = report_table (report, "types", columns);
  for (guint i = 0; i < types->len; i++) {
    const BpTypeDesc *type = types->pdata[i];
    if (type->kind == kind)
      report_row (table, type->name, type_module (type)->id, type->description);
  }
}

void
describe_section (BpReport *report, const char *name)
{
  static const char *const columns[] = { "key", "default", "values", "help", NULL };
  const SectionKind *kind = section_kind (name);
  report_value (report, "section", name);
  report_value (report, "description", kind->help);
  if (kind->is_object)
    report_value (report, "other keys", "properties, output pins and regions of its type: `backplane describe TYPE`");
  else if (!kind->keys)
    report_value (report, "other keys", "those of the section that it names, as in [override device com1]; an empty value unsets one, += extends it");
  BpReportTable *table = report_table (report, "section keys", columns);
  if (kind->is_object)
    add_keys (table, object_rows, kind->keys);
  add_keys (table, section_keys (name), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (plain); i++)
    if (strcmp (plain[i].kind, name) == 0)
      add_keys (table, plain[i].rows, NULL);
  if (kind->is_object)
    add_types (report, kind->kind);
}
