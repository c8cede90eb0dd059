/* object-type.c -- the registry of types, and their tables with the parents' rows folded in. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "object.h"

typedef struct TypeEntry {
  BpTypeDesc desc;              /* of our own size: what an older plugin does not know is zero */
  const BpTypeDesc *original;
  BpModule *module;
} TypeEntry;

static GHashTable *registry;    /* name -> TypeEntry * */
static GPtrArray *by_name;      /* sorted; NULL: to be made again */

static const char *const kind_names[] = {
  [BP_KIND_ACCEL] = "accel",   [BP_KIND_CPU] = "cpu",         [BP_KIND_MEMORY] = "memory",
  [BP_KIND_BUS] = "bus",       [BP_KIND_DEVICE] = "device",   [BP_KIND_BACKEND] = "backend",
  [BP_KIND_BOOT] = "boot",     [BP_KIND_INSTRUMENT] = "instrument", [BP_KIND_MONITOR] = "monitor",
  [BP_KIND_DISPLAY] = "display",
};

const char *
kind_name (BpKind kind)
{
  return (unsigned) kind < G_N_ELEMENTS (kind_names) ? kind_names[kind] : NULL;
}

/* --- registering ---------------------------------------------------------------------------- */

static void
copy_desc (BpTypeDesc *ours, const BpTypeDesc *theirs)
{
  memset (ours, 0, sizeof *ours);
  memcpy (ours, theirs, MIN (theirs->struct_size, sizeof *ours));
}

/* A parent is registered under its own name when it can be created, and found here; an abstract one is kept
 * for its children only. */
static const BpTypeDesc *
our_parent (const BpTypeDesc *theirs)
{
  TypeEntry *entry = g_hash_table_lookup (registry, theirs->name);
  if (entry && entry->original == theirs) {
    return &entry->desc;
  }
  BpTypeDesc *copy = g_new (BpTypeDesc, 1);
  copy_desc (copy, theirs);
  if (copy->parent) {
    copy->parent = our_parent (copy->parent);
  }
  return copy;
}

static void
add (const BpTypeDesc *type, BpModule *module)
{
  TypeEntry *entry = g_new0 (TypeEntry, 1);
  copy_desc (&entry->desc, type);
  entry->original = type;
  entry->module = module;
  if (type->parent) {
    entry->desc.parent = our_parent (type->parent);
  }
  g_hash_table_insert (registry, (char *) type->name, entry);
  g_clear_pointer (&by_name, g_ptr_array_unref);
}

static GHashTable *
types (void)
{
  if (!registry) {
    registry = g_hash_table_new (g_str_hash, g_str_equal);
    BpModule *core = plugin_core ();
    for (const BpTypeDesc *const *type = core->desc->types; *type; type++) {
      add (*type, core);
    }
  }
  return registry;
}

static TypeEntry *
entry_find (const char *name)
{
  return name ? g_hash_table_lookup (types (), name) : NULL;
}

bool
type_register (const BpTypeDesc *type, BpModule *module, GError **error)
{
  g_autofree char *wrong = type_verdict (type);
  if (wrong) {
    g_set_error_literal (error, BP_ERROR, BP_ERROR_PLUGIN, wrong);
    return false;
  }
  TypeEntry *there = entry_find (type->name);
  if (there) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "duplicate type `%s`: the plugin `%s` already provides it",
                 type->name, there->module ? there->module->id : "?");
    return false;
  }
  add (type, module);
  return true;
}

const BpTypeDesc *
type_find (const char *name)
{
  TypeEntry *entry = entry_find (name);
  return entry ? &entry->desc : NULL;
}

BpModule *
type_module (const BpTypeDesc *type)
{
  TypeEntry *entry = entry_find (type->name);
  return entry && (type == &entry->desc || type == entry->original) ? entry->module : NULL;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  const BpTypeDesc *const *left = a, *const *right = b;
  return strcmp ((*left)->name, (*right)->name);
}

GPtrArray *
type_all (void)
{
  if (!by_name) {
    GHashTableIter iter;
    gpointer entry;
    by_name = g_ptr_array_new ();
    g_hash_table_iter_init (&iter, types ());
    while (g_hash_table_iter_next (&iter, NULL, &entry)) {
      g_ptr_array_add (by_name, &((TypeEntry *) entry)->desc);
    }
    g_ptr_array_sort (by_name, compare_names);
  }
  return g_ptr_array_ref (by_name);
}

/* --- tables --------------------------------------------------------------------------------- */

static void
rows_append (GArray *to, const void *rows, size_t row_size)
{
  size_t our_size = g_array_get_element_size (to);
  if (row_size == 0) {
    row_size = our_size;        /* a type written without BP_TYPE */
  }
  for (const uint8_t *row = rows; row; row += row_size) {
    const char *name;
    memcpy (&name, row, sizeof name);           /* every table's rows begin with their name */
    if (!name) {
      break;
    }
    g_array_set_size (to, to->len + 1);
    memcpy (to->data + (to->len - 1) * our_size, row, MIN (row_size, our_size));
  }
}

GArray *
rows_copy (const void *rows, size_t row_size, size_t our_size)
{
  GArray *copies = g_array_new (FALSE, TRUE, (guint) our_size);
  rows_append (copies, rows, row_size);
  return copies;
}

/* A table of the type behind those of its parents: where BpTypeDesc has it, and the size of its rows. */
static void
append_table (GArray *to, const BpTypeDesc *type, size_t rows, size_t row_size)
{
  const char *at = (const char *) type;
  if (type->parent)
    append_table (to, type->parent, rows, row_size);
  rows_append (to, *(const void *const *) (const void *) (at + rows), *(const uint16_t *) (const void *) (at + row_size));
}

static GArray *
whole_table (const BpTypeDesc *type, size_t our_size, size_t rows, size_t row_size)
{
  GArray *all = g_array_new (FALSE, TRUE, (guint) our_size);
  append_table (all, type, rows, row_size);
  return all;
}

#define WHOLE_TABLE(type, Row, rows, row_size) whole_table (type, sizeof (Row), offsetof (BpTypeDesc, rows), offsetof (BpTypeDesc, row_size))

GArray *type_properties (const BpTypeDesc *type) { return WHOLE_TABLE (type, BpProperty, properties, property_size); }
GArray *type_pins (const BpTypeDesc *type) { return WHOLE_TABLE (type, BpPinDesc, pins, pin_size); }
GArray *type_regions (const BpTypeDesc *type) { return WHOLE_TABLE (type, BpRegionDesc, regions, region_size); }
GArray *type_state (const BpTypeDesc *type) { return WHOLE_TABLE (type, BpStateField, state, state_size); }

const void *
type_interface (const BpTypeDesc *type, const char *interface_id)
{
  for (; type; type = type->parent) {
    for (const BpInterfaceDesc *row = type->interfaces; row && row->id; row++) {
      if (strcmp (row->id, interface_id) == 0) {
        return row->table;
      }
    }
  }
  return NULL;
}
