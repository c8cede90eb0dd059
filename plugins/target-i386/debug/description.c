/* description.c -- target.xml: the view's registers and their types for gdb. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "debug.h"

/* --- types that gdb does not know by itself -------------------------------------------------- */

typedef struct Flag {
  const char *name;
  uint8_t first, last;          /* bits */
} Flag;

static const Flag eflags[] = {
  { "CF", 0, 0 }, { "", 1, 1 }, { "PF", 2, 2 }, { "AF", 4, 4 }, { "ZF", 6, 6 }, { "SF", 7, 7 }, { "TF", 8, 8 }, { "IF", 9, 9 }, { "DF", 10, 10 },
  { "OF", 11, 11 }, { "IOPL", 12, 13 }, { "NT", 14, 14 }, { "RF", 16, 16 }, { "VM", 17, 17 }, { "AC", 18, 18 }, { "VIF", 19, 19 }, { "VIP", 20, 20 },
  { "ID", 21, 21 }
};
static const Flag mxcsr[] = {
  { "IE", 0, 0 }, { "DE", 1, 1 }, { "ZE", 2, 2 }, { "OE", 3, 3 }, { "UE", 4, 4 }, { "PE", 5, 5 }, { "DAZ", 6, 6 }, { "IM", 7, 7 }, { "DM", 8, 8 },
  { "ZM", 9, 9 }, { "OM", 10, 10 }, { "UM", 11, 11 }, { "PM", 12, 12 }, { "RC", 13, 14 }, { "FZ", 15, 15 }
};
static const Flag cr0[] = {
  { "PE", 0, 0 }, { "MP", 1, 1 }, { "EM", 2, 2 }, { "TS", 3, 3 }, { "ET", 4, 4 }, { "NE", 5, 5 }, { "WP", 16, 16 }, { "AM", 18, 18 }, { "NW", 29, 29 },
  { "CD", 30, 30 }, { "PG", 31, 31 }
};
static const Flag cr4[] = {
  { "VME", 0, 0 }, { "PVI", 1, 1 }, { "TSD", 2, 2 }, { "DE", 3, 3 }, { "PSE", 4, 4 }, { "PAE", 5, 5 }, { "MCE", 6, 6 }, { "PGE", 7, 7 }, { "PCE", 8, 8 },
  { "OSFXSR", 9, 9 }, { "OSXMMEXCPT", 10, 10 }, { "UMIP", 11, 11 }, { "LA57", 12, 12 }, { "FSGSBASE", 16, 16 }, { "PCIDE", 17, 17 },
  { "OSXSAVE", 18, 18 }, { "SMEP", 20, 20 }, { "SMAP", 21, 21 }, { "PKE", 22, 22 }, { "PKS", 24, 24 }
};
static const Flag efer[] = { { "SCE", 0, 0 }, { "LME", 8, 8 }, { "LMA", 10, 10 }, { "NXE", 11, 11 } };

static void
add_flags (GString *s, const char *id, unsigned size, const Flag *flag, unsigned n)
{
  g_string_append_printf (s, "    <flags id=\"%s\" size=\"%u\">\n", id, size);
  for (; n-- > 0; flag++)
    g_string_append_printf (s, "      <field name=\"%s\" start=\"%u\" end=\"%u\"%s/>\n", flag->name, flag->first, flag->last,
                            flag->first == flag->last ? " type=\"bool\"" : "");
  g_string_append (s, "    </flags>\n");
}
#define ADD_FLAGS(s, id, size, table) add_flags (s, id, size, table, BP_N_ELEMENTS (table))

/* All that an XMM register may hold. */
static void
add_vector (GString *s)
{
  static const struct { const char *id, *type; unsigned count; const char *field; } vectors[] = {
    { "v8bf16", "bfloat16", 8, "v8_bfloat16" }, { "v4f", "ieee_single", 4, "v4_float" }, { "v2d", "ieee_double", 2, "v2_double" },
    { "v16i8", "int8", 16, "v16_int8" }, { "v8i16", "int16", 8, "v8_int16" }, { "v4i32", "int32", 4, "v4_int32" }, { "v2i64", "int64", 2, "v2_int64" }
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (vectors); i++)
    g_string_append_printf (s, "    <vector id=\"%s\" type=\"%s\" count=\"%u\"/>\n", vectors[i].id, vectors[i].type, vectors[i].count);
  g_string_append (s, "    <union id=\"vec128\">\n");
  for (unsigned i = 0; i < BP_N_ELEMENTS (vectors); i++)
    g_string_append_printf (s, "      <field name=\"%s\" type=\"%s\"/>\n", vectors[i].field, vectors[i].id);
  g_string_append (s, "      <field name=\"uint128\" type=\"uint128\"/>\n    </union>\n");
}

static void
add_types (GString *s, const char *feature, X86View view)
{
  unsigned word = view == VIEW_X86_64 ? 8 : 4;
  if (strcmp (feature, FEATURE_CORE) == 0)
    ADD_FLAGS (s, "i386_eflags", 4, eflags);
  else if (strcmp (feature, FEATURE_SSE) == 0) {
    add_vector (s);
    ADD_FLAGS (s, "i386_mxcsr", 4, mxcsr);
  } else if (strcmp (feature, FEATURE_SYSTEM) == 0) {
    ADD_FLAGS (s, "x86_cr0", word, cr0);
    ADD_FLAGS (s, "x86_cr4", word, cr4);
    if (view == VIEW_X86_64)
      ADD_FLAGS (s, "x86_efer", word, efer);
  }
}

/* --- the file ---------------------------------------------------------------------------------- */

char *
x86_debug_description (const X86Cpu *env, X86View view, const char *file)
{
  const char *feature = NULL;
  const X86DebugRow *row;
  if (strcmp (file, "target.xml") != 0)
    return NULL;
  GString *s = g_string_new ("<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n");
  g_string_append_printf (s, "  <architecture>%s</architecture>\n", x86_debug_view_names[view]);
  if (view == VIEW_I8086)
    g_string_append (s, "  <osabi>none</osabi>\n");    /* gdb takes it for Linux's otherwise, and warns that there is none such */
  for (unsigned i = 0; (row = x86_debug_row (env, view, i)); i++) {
    const BpDebugRegister *r = &row->reg;
    if (!feature || strcmp (feature, r->feature) != 0) {
      g_string_append_printf (s, "%s  <feature name=\"%s\">\n", feature ? "  </feature>\n" : "", r->feature);
      add_types (s, r->feature, view);
      feature = r->feature;
    }
    g_string_append_printf (s, "    <reg name=\"%s\" bitsize=\"%u\" type=\"%s\" group=\"%s\" regnum=\"%u\"/>\n", r->name, r->bits, r->type, r->group, i);
  }
  g_string_append (s, "  </feature>\n</target>\n");
  return g_string_free (s, FALSE);
}
