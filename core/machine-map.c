/* machine-map.c -- the builder's maps: regions placed into address spaces, and what can be wrong. */
/* SPDX-License-Identifier: MIT */
#include "build.h"
#include "memory.h"
#include <stdlib.h>
#include <string.h>

void
mapping_clear (void *mapping)
{
  g_free (((Mapping *) mapping)->what);
}

/* --- taking them from the descriptor ------------------------------------------------------ */

static BpAddressSpace *
space_find (Build *b, Section *s, Value *v, const char *name)
{
  BpAddressSpace *as = bp_machine_address_space (b->m, name);
  if (as)
    return as;
  GPtrArray *spaces = b->m->address_spaces;
  g_autofree const char **names = g_new0 (const char *, spaces->len + 1);
  for (guint i = 0; i < spaces->len; i++)
    names[i] = address_space_name (spaces->pdata[i]);
  g_autofree char *all = g_strjoinv (", ", (char **) names);
  descriptor_error (b->d, &v->origin, s, v->key, nearest_name (name, names),
                    "there is no address space `%s`; there are: %s", name, all);
  return NULL;
}

static char *
hex (Wide n)
{
  return n >= WIDE_2_64 ? g_strdup_printf ("0x1%016" G_GINT64_MODIFIER "x", (uint64_t) (n - WIDE_2_64))
                        : g_strdup_printf ("0x%" G_GINT64_MODIFIER "x", (uint64_t) n);
}

static bool
fits (Build *b, Section *s, Value *v, const Place *place, Wide size, BpAddressSpace *as)
{
  Wide end = (Wide) place->address + size, limit = as->root->size;
  if (end <= limit)
    return true;
  g_autofree char *last = hex (end - 1);
  g_autofree char *space_last = hex (limit - 1);
  g_autofree char *first = hex (place->address);
  descriptor_error (b->d, &v->origin, s, v->key, NULL,
                    "%s..%s reaches beyond the address space `%s`, which ends at %s", first, last,
                    address_space_name (as), space_last);
  return false;
}

/* What is shown of the region: NULL with the error appended when the part is not inside it. */
typedef struct Part {
  uint64_t offset;
  Wide size;
  bool readonly;
} Part;

static bool
part_is_inside (Build *b, Section *s, Value *v, BpRegion *region, const char *what, const Part *part)
{
  if ((Wide) part->offset + part->size <= region->size)
    return true;
  g_autofree char *wanted = hex ((Wide) part->offset + part->size);
  g_autofree char *there = hex (region->size);
  descriptor_error (b->d, &v->origin, s, v->key, NULL, "the map needs %s bytes of `%s`, which has %s", wanted,
                    what, there);
  return false;
}

/* A region can be in one place; a second place, a part of it, or a read-only view of it is an alias. */
static BpRegion *
region_for (Build *b, BpRegion *region, const char *what, const Part *part)
{
  FullMachine *fm = full_machine (b->m);
  bool taken = region->container != NULL;
  if (!taken && part->offset == 0 && part->size == region->size && !part->readonly)
    if (g_hash_table_add (fm->mapped, region))
      return region;
  uint64_t size = part->size >= WIDE_2_64 ? UINT64_MAX : (uint64_t) part->size;
  BpRegion *alias = bp_region_new_alias (region->owner, what, region, part->offset, size);
  bp_region_set_readonly (alias, part->readonly);
  g_ptr_array_add (fm->aliases, alias);
  return alias;
}

static bool
is_background (const BpRegion *region)
{
  while (region->kind == REGION_ALIAS && region->target)
    region = region->target;
  return region->kind == REGION_CONTAINER;
}

static void
add_mapping (Build *b, Section *s, Value *v, BpRegion *region, const char *what, const Place *place,
             const Part *part)
{
  BpAddressSpace *as = space_find (b, s, v, place->space);
  if (!as || !part_is_inside (b, s, v, region, what, part) || !fits (b, s, v, place, part->size, as))
    return;
  Mapping mapping = {
    .section = s,
    .value = v,
    .what = g_strdup (what),
    .region = region_for (b, region, what, part),
    .space = as,
    .address = place->address,
    .priority = place->priority,
    .background = is_background (region),
  };
  g_array_append_val (full_machine (b->m)->mappings, mapping);
}

void
build_map_key (Build *b, Item *item, Value *v)
{
  BpRegion *region = object_region (item->object, v->key)->region;
  g_autofree char *what = g_strdup_printf ("%s.%s", item->object->id, v->key);
  g_autofree char *text = value_text (v, item->object);
  g_auto (GStrv) places = list_split (text);
  for (char **one = places; *one; one++) {
    Place place;
    g_autofree char *wrong = place_parse (*one, &place);
    g_autofree char *space = place.space;
    if (wrong) {
      descriptor_error (b->d, &v->origin, item->section, v->key, NULL, "%s", wrong);
      continue;
    }
    Part part = { 0, place.has_size ? (Wide) place.size : region->size, false };
    add_mapping (b, item->section, v, region, what, &place, &part);
  }
}

/* region = ram, or ram.ram */
static BpRegion *
region_find (Build *b, Section *s, Value *v)
{
  g_auto (GStrv) words = g_strsplit (v->text, ".", 2);
  bool silent;
  BpObject *o = build_find (b, s, v, words[0], &silent);
  if (!o)
    return NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  for (guint i = 0; i < o->regions->len; i++)
    g_ptr_array_add (names, g_array_index (o->regions, ObjectRegion, i).name);
  g_ptr_array_add (names, NULL);
  ObjectRegion *row = words[1]               ? object_region (o, words[1])
                      : o->regions->len == 1 ? &g_array_index (o->regions, ObjectRegion, 0)
                                             : NULL;
  if (row)
    return row->region;
  if (build_is_broken (b, o))
    return NULL;
  g_autofree char *all = g_strjoinv (", ", (char **) names->pdata);
  const char *near = words[1] ? nearest_name (words[1], (const char *const *) names->pdata) : NULL;
  g_autofree char *hint = near ? g_strdup_printf ("%s.%s", o->id, near) : NULL;
  if (o->regions->len == 0)
    descriptor_error (b->d, &v->origin, s, v->key, NULL, "`%s` (%s) has no regions", o->id, o->type->name);
  else if (words[1])
    descriptor_error (b->d, &v->origin, s, v->key, hint, "`%s` (%s) has no region `%s`; it has: %s", o->id,
                      o->type->name, words[1], all);
  else
    descriptor_error (b->d, &v->origin, s, v->key, NULL,
                      "`%s` (%s) has several regions; write OBJECT.REGION with one of: %s", o->id,
                      o->type->name, all);
  return NULL;
}

/* What there is of a part of which not all needs to be there; false: nothing. */
static bool
clip (Part *part, bool has_size, const BpRegion *region)
{
  Wide there = part->offset < region->size ? region->size - part->offset : 0;
  part->size = has_size ? MIN (part->size, there) : there;
  return part->size > 0;
}

/* The keys were checked by the schema; what it refused is left out here. */
void
build_map_section (Build *b, Section *s)
{
  Value *v = section_value (s, "region"), *at = section_value (s, "at"),
        *offset = section_value (s, "offset");
  Value *size = section_value (s, "size"), *readonly = section_value (s, "readonly"),
        *priority = section_value (s, "priority"), *clipped = section_value (s, "clip");
  bool may_clip = false;
  BpRegion *region = v && *v->text ? region_find (b, s, v) : NULL;
  if (!at || !region)
    return;
  Place place;
  g_autofree char *wrong = place_parse (at->text, &place);
  g_autofree char *space = place.space;
  if (wrong)
    return;
  Part part = { 0 };
  uint64_t n = place.size;
  if ((offset && !parse_size (offset->text, &part.offset)) ||
      (size && (!parse_size (size->text, &n) || n == 0)))
    return;
  part.size = size || place.has_size ? (Wide) n : region->size - part.offset;
  if (readonly)
    parse_switch (readonly->text, &part.readonly);
  if (clipped && parse_switch (clipped->text, &may_clip) && may_clip && !clip (&part, size || place.has_size, region))
    return;
  if (priority)
    place.priority = (int) g_ascii_strtoll (priority->text, NULL, 10);
  if (part.size <= 0) {         /* without a size, the part goes on to the region's end */
    descriptor_error (b->d, offset ? &offset->origin : NULL, s, "offset", NULL,
                      "it lies beyond the end of `%s`", v->text);
    return;
  }
  add_mapping (b, s, at, region, v->text, &place, &part);
}

/* --- overlaps ----------------------------------------------------------------------------- */

static Wide
mapping_end (const Mapping *x)
{
  return (Wide) x->address + x->region->size;
}

static int
compare_mappings (const void *a, const void *b)
{
  const Mapping *x = *(const Mapping *const *) a, *y = *(const Mapping *const *) b;
  if (x->space != y->space)
    return x->space < y->space ? -1 : 1;
  if (x->priority != y->priority)
    return x->priority < y->priority ? -1 : 1;
  if (x->address != y->address)
    return x->address < y->address ? -1 : 1;
  return x < y ? -1 : x > y;    /* both are elements of one array: descriptor order */
}

static void
report_overlap (Build *b, const Mapping *x, const Mapping *y)
{
  if (x > y) {                  /* the later one of the descriptor gets the message */
    const Mapping *t = x;
    x = y;
    y = t;
  }
  g_autofree char *x_first = hex (x->address);
  g_autofree char *x_last = hex (mapping_end (x) - 1);
  g_autofree char *y_first = hex (y->address);
  g_autofree char *y_last = hex (mapping_end (y) - 1);
  const Origin *o = &x->value->origin;
  g_autofree char *where = origin_has_line (o) ? g_strdup_printf (" (%s:%u)", o->file, o->line)
                           : *o->file          ? g_strdup_printf (" (%s)", o->file)
                                               : g_strdup ("");         /* it joined: no file has it */
  descriptor_error (
      b->d, &y->value->origin, y->section, y->value->key, NULL,
      "%s..%s of `%s` overlaps `%s` at %s..%s%s; move one, or give the one that shall win a higher `prio`",
      y_first, y_last, address_space_name (y->space), x->what, x_first, x_last, where);
}

/* Sorted by address, an overlap is with the one that reaches farthest so far. */
static void
check_overlaps (Build *b, const GArray *mappings)
{
  g_autofree const Mapping **sorted = g_new (const Mapping *, mappings->len + 1);
  guint n = 0;
  for (guint i = 0; i < mappings->len; i++) {
    const Mapping *mapping = &g_array_index (mappings, Mapping, i);
    if (!mapping->background)
      sorted[n++] = mapping;
  }
  qsort (sorted, n, sizeof *sorted, compare_mappings);
  const Mapping *farthest = NULL;
  for (guint i = 0; i < n; i++) {
    const Mapping *mapping = sorted[i];
    bool same = farthest && farthest->space == mapping->space && farthest->priority == mapping->priority;
    if (same && mapping->address < mapping_end (farthest))
      report_overlap (b, farthest, mapping);
    if (!same || mapping_end (mapping) > mapping_end (farthest))
      farthest = mapping;
  }
}

void
build_check_maps (Build *b)
{
  check_overlaps (b, full_machine (b->m)->mappings);
}

void
build_apply_maps (Build *b, guint first)
{
  GArray *mappings = full_machine (b->m)->mappings;
  bp_memory_begin ();
  /* of equals the later one wins: backgrounds go first */
  for (int background = 1; background >= 0; background--) {
    for (guint i = first; i < mappings->len; i++) {
      Mapping *mapping = &g_array_index (mappings, Mapping, i);
      if (mapping->background == (bool) background)
        bp_region_add (mapping->space->root, mapping->address, mapping->region, mapping->priority);
    }
  }
  bp_memory_commit ();
}

void
build_forget_maps (BpMachine *m, BpObject *o)
{
  FullMachine *fm = full_machine (m);
  Section *s = object_section (o);
  bp_memory_begin ();
  for (guint i = fm->mappings->len; i-- > 0;) {
    BpRegion *region = g_array_index (fm->mappings, Mapping, i).region;
    if (g_array_index (fm->mappings, Mapping, i).section != s)
      continue;
    bp_region_remove (region);
    g_hash_table_remove (fm->mapped, region);
    if (g_ptr_array_remove (fm->aliases, region))
      bp_region_free (region);
    g_array_remove_index (fm->mappings, i);
  }
  bp_memory_commit ();
}
