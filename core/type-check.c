/* type-check.c -- whether a type's tables hold together; a pure function of the type. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "descriptor.h"

/* The check in progress: the first thing found wrong is kept. */
typedef struct Check {
  const BpTypeDesc *type;
  BpTypeDesc ours;
  GHashTable *keys;             /* names that the descriptor uses as keys */
  char *wrong;
} Check;

static bool G_GNUC_PRINTF (2, 3)
refuse (Check *check, const char *format, ...) {
  if (!check->wrong) {
    va_list args;
    va_start (args, format);
    g_autofree char *reason = g_strdup_vprintf (format, args);
    va_end (args);
    check->wrong = g_strdup_printf ("type `%s`: %s", check->ours.name, reason);
  }
  return false;
}

static bool
inside (const Check *check, uint64_t offset, uint64_t size)
{
  return offset + size <= check->ours.instance_size;
}

static bool
key_is_new (Check *check, char *key)
{
  if (!reader_is_key (key, strlen (key))) {
    refuse (check, "the name `%s` cannot be written in a descriptor: letters, digits, '-', '_' and '.' are allowed", key);
    g_free (key);
    return false;
  }
  if (!g_hash_table_add (check->keys, key)) {
    return refuse (check, "the name `%s` stands for two things (a descriptor could not tell them apart)",
                   key);
  }
  return true;
}

/* --- sizes, by which everything else is read -------------------------------------------------- */

/* What ABI 1.0 had up to and including a member; what was appended later is read only where a size covers it. */
#define UP_TO(T, member) (offsetof (T, member) + sizeof (((T *) 0)->member))
enum { LARGEST_ROW = 4096, LARGEST_INSTANCE = 256 << 20 };

static bool
row_size_is_fine (Check *check, const char *rows, const void *table, unsigned size, size_t least)
{
  if (!table || (size >= least && size <= LARGEST_ROW && size % sizeof (void *) == 0)) {
    return true;
  }
  return refuse (check, "its %s have rows of %u bytes, and no ABI had other than %zu or more", rows, size, least);
}

/* Of the type, or of an ancestor. */
static bool
sizes_are_fine (Check *check, const BpTypeDesc *t)
{
  if (t->struct_size < UP_TO (BpTypeDesc, property_changed)) {
    return refuse (check, "its table has %u bytes, and no ABI had fewer than %zu", t->struct_size, UP_TO (BpTypeDesc, property_changed));
  }
  if (t->instance_size == 0 || t->instance_size > LARGEST_INSTANCE) {
    return t->instance_size == 0 ? refuse (check, "the instance has no size")
                                 : refuse (check, "the instance has %u bytes, and %u is the most", t->instance_size, (unsigned) LARGEST_INSTANCE);
  }
  return row_size_is_fine (check, "properties", t->properties, t->property_size, UP_TO (BpProperty, help))
         && row_size_is_fine (check, "pins", t->pins, t->pin_size, UP_TO (BpPinDesc, help))
         && row_size_is_fine (check, "regions", t->regions, t->region_size, UP_TO (BpRegionDesc, help))
         && row_size_is_fine (check, "saved fields", t->state, t->state_size, UP_TO (BpStateField, needed));
}

/* --- properties ----------------------------------------------------------------------------- */

static size_t
property_field_size (BpPropertyKind kind)
{
  switch (kind) {
  case BP_PROPERTY_BOOL: return sizeof (bool);
  case BP_PROPERTY_U8: case BP_PROPERTY_I8: return 1;
  case BP_PROPERTY_U16: case BP_PROPERTY_I16: return 2;
  case BP_PROPERTY_U32: case BP_PROPERTY_I32: return 4;
  case BP_PROPERTY_U64: case BP_PROPERTY_I64: case BP_PROPERTY_SIZE: return 8;
  case BP_PROPERTY_STRING: case BP_PROPERTY_FILE: case BP_PROPERTY_LIST: return sizeof (char *);
  case BP_PROPERTY_ENUM: return sizeof (int);
  case BP_PROPERTY_LINK: return sizeof (BpLink);
  }
  return 0;
}

static bool
enum_is_fine (Check *check, const BpProperty *p)
{
  unsigned n = 0;
  while (p->names && p->names[n]) {
    n++;
  }
  return (n > 0 && p->default_int < n) ||
         refuse (check, "property `%s`: an enum needs names, and its default must be one of them", p->name);
}

static bool
has_no_value (const BpProperty *p)
{
  bool is_signed = p->kind >= BP_PROPERTY_I8 && p->kind <= BP_PROPERTY_I64, is_number = p->kind >= BP_PROPERTY_U8 && p->kind <= BP_PROPERTY_SIZE;
  uint64_t min, max;
  property_limits (p, &min, &max);
  return is_number && (is_signed ? (int64_t) min > (int64_t) max : min > max);
}

/* (one without an interface leads to whatever there is) */
static bool
link_is_fine (Check *check, const BpProperty *p)
{
  g_autofree char *wrong = p->interface_id ? interface_id_verdict (p->interface_id) : NULL;
  return !wrong || refuse (check, "property `%s`: %s", p->name, wrong);
}

/* What no object has, because each is given another. */
static bool
default_is_fine (Check *check, const BpProperty *p)
{
  if (p->flags & BP_PROPERTY_REQUIRED || p->kind == BP_PROPERTY_LINK)
    return true;
  g_autofree char *text = property_default_text (p);
  g_autofree char *wrong = text && *text ? property_check (p, text) : NULL;
  return !wrong || refuse (check, "property `%s`: its own default is refused: %s", p->name, wrong);
}

static bool
property_is_fine (Check *check, const BpProperty *p)
{
  size_t size = property_field_size (p->kind);
  if (!size) {
    return refuse (check, "property `%s` has the unknown kind %d", p->name, (int) p->kind);
  }
  if (!inside (check, p->offset, size)) {
    return refuse (check, "property `%s` lies outside the instance", p->name);
  }
  if (!p->help || !*p->help) {
    return refuse (check, "property `%s` has no help", p->name);
  }
  if (has_no_value (p)) {
    return refuse (check, "property `%s` has a range without a number in it", p->name);
  }
  return key_is_new (check, g_strdup (p->name)) && (p->kind != BP_PROPERTY_ENUM || enum_is_fine (check, p)) && default_is_fine (check, p)
         && (p->kind != BP_PROPERTY_LINK || link_is_fine (check, p));
}

/* --- pins and regions ----------------------------------------------------------------------- */

static bool
pin_is_fine (Check *check, const BpPinDesc *pin)
{
  if (pin->count == 0 || pin->count > 65536) {
    return refuse (check, "pin `%s` has a count of %u", pin->name, pin->count);
  }
  if (pin->direction == BP_PIN_IN && !pin->set) {
    return refuse (check, "input pin `%s` has no callback", pin->name);
  }
  if (pin->direction == BP_PIN_OUT &&
      !inside (check, pin->offset, (uint64_t) pin->count * sizeof (BpPin *))) {
    return refuse (check, "output pin `%s` lies outside the instance", pin->name);
  }
  if (!pin->help || !*pin->help) {
    return refuse (check, "pin `%s` has no help", pin->name);
  }
  if (pin->count == 1) {
    return key_is_new (check, g_strdup (pin->name));
  }
  for (unsigned i = 0; i < pin->count; i++) {
    if (!key_is_new (check, g_strdup_printf ("%s%u", pin->name, i))) {
      return false;
    }
  }
  return true;
}

/* 0 stands for `least' and `most'. */
static bool
access_is_fine (unsigned min, unsigned max, unsigned least, unsigned most)
{
  min = min ? min : least;
  max = max ? max : MAX (most, min);
  return min <= max && max <= 8 && !(min & (min - 1)) && !(max & (max - 1));
}

static bool
ops_are_fine (Check *check, const BpRegionDesc *region)
{
  BpRegionOps ops = { 0 };
  memcpy (&ops, region->ops, MIN (region->ops->struct_size, sizeof ops));
  if (ops.struct_size < UP_TO (BpRegionOps, endian)) {
    return refuse (check, "region `%s`: its callbacks are a table of %u bytes, and no ABI had fewer than %zu", region->name, ops.struct_size,
                   UP_TO (BpRegionOps, endian));
  }
  return (access_is_fine (ops.access_min, ops.access_max, 1, 8) && access_is_fine (ops.impl_min, ops.impl_max, 1, 4)) ||
         refuse (check, "region `%s`: accesses of %u to %u bytes, or callbacks of %u to %u, are none", region->name, ops.access_min, ops.access_max, ops.impl_min,
                 ops.impl_max);
}

static bool
region_is_fine (Check *check, const BpRegionDesc *region)
{
  if (!region->ops) {
    return refuse (check, "region `%s` has no callbacks", region->name);
  }
  if (!ops_are_fine (check, region)) {
    return false;
  }
  if (!inside (check, region->offset, sizeof (BpRegion *))) {
    return refuse (check, "region `%s` lies outside the instance", region->name);
  }
  if (region->size == 0) {
    return refuse (check, "region `%s` has a size of 0 bytes", region->name);
  }
  if (!region->help || !*region->help) {
    return refuse (check, "region `%s` has no help", region->name);
  }
  return key_is_new (check, g_strdup (region->name));
}

/* --- saved state ---------------------------------------------------------------------------- */

static size_t
state_element_size (BpStateKind kind)
{
  switch (kind) {
  case BP_STATE_U8: case BP_STATE_BYTES: return 1;
  case BP_STATE_U16: return 2;
  case BP_STATE_U32: return 4;
  case BP_STATE_U64: return 8;
  case BP_STATE_BOOL: return sizeof (bool);
  case BP_STATE_TIMER: return sizeof (BpTimer *);
  case BP_STATE_BUFFER: case BP_STATE_BLOB: return sizeof (BpStateBuffer);
  case BP_STATE_STRUCT: case BP_STATE_TABLE: return 0;
  }
  return 0;
}

/* Rows of a struct of `size` bytes. */
static bool
state_is_fine (Check *check, const GArray *rows, uint64_t size, unsigned depth)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  for (unsigned i = 0; i < rows->len; i++) {
    const BpStateField *f = &g_array_index (rows, BpStateField, i);
    if (!g_hash_table_add (names, (char *) f->name)) {
      return refuse (check, "saved field `%s` is there twice", f->name);
    }
    if ((unsigned) f->kind > BP_STATE_BLOB || strlen (f->name) > UINT16_MAX) {
      return refuse (check, "saved field `%s` has the unknown kind %d", f->name, (int) f->kind);
    }
    bool is_table = f->kind == BP_STATE_TABLE, has_fields = is_table || f->kind == BP_STATE_STRUCT;
    uint64_t bytes = is_table ? sizeof (BpStateTable) : (uint64_t) f->count * f->size;
    if (f->count == 0 || f->offset + bytes > size) {
      return refuse (check, "saved field `%s` lies outside its struct", f->name);
    }
    if (!has_fields && f->size != state_element_size (f->kind)) {
      return refuse (check, "saved field `%s`: its kind has %u bytes, the member %u", f->name,
                     (unsigned) state_element_size (f->kind), f->size);
    }
    if ((is_table || f->kind == BP_STATE_BUFFER || f->kind == BP_STATE_BLOB) && f->count != 1) {
      return refuse (check, "saved field `%s`: buffers and tables come one by one, not as an array", f->name);
    }
    if (f->since == 0 || f->since > check->ours.state_version) {
      return refuse (check, "saved field `%s` is since version %u, and the state's version is %u", f->name,
                     f->since, check->ours.state_version);
    }
    if (has_fields) {
      if (!f->fields || depth == 8) {
        return refuse (check, "saved field `%s`: a struct needs fields, and nests at most 8 deep", f->name);
      }
      g_autoptr (GArray) nested = rows_copy (f->fields, check->ours.state_size, sizeof (BpStateField));
      if (!state_is_fine (check, nested, f->size, depth + 1)) {
        return false;
      }
    }
  }
  return true;
}

/* --- interfaces ----------------------------------------------------------------------------- */

static bool
interfaces_are_fine (Check *check)
{
  for (const BpTypeDesc *t = &check->ours; t; t = t->parent) {
    for (const BpInterfaceDesc *i = t->interfaces; i && i->id; i++) {
      g_autofree char *wrong = interface_id_verdict (i->id);
      if (wrong)
        return refuse (check, "%s", wrong);
    }
  }
  return true;
}

/* What an ancestor's table lacks does not matter where a descendant's takes its place. */
char *
type_functions_verdict (const BpTypeDesc *type)
{
  for (const BpTypeDesc *t = type; t; t = t->parent) {
    for (const BpInterfaceDesc *i = t->interfaces; i && i->id; i++) {
      g_autofree char *wrong = type_interface (type, i->id) == i->table ? interface_verdict (i) : NULL;
      if (wrong)
        return g_strdup_printf ("type `%s`: %s", type->name, wrong);
    }
  }
  return NULL;
}

/* --- the type ------------------------------------------------------------------------------- */

static bool
name_is_fine (const char *name)
{
  if (!name || !g_ascii_isalnum (*name)) {
    return false;
  }
  for (; *name; name++) {
    if (!g_ascii_isalnum (*name) && !strchr ("-_.+", *name)) {
      return false;
    }
  }
  return true;
}

/* An abstract one is in no list of types, and is looked up by its name all the same. */
static bool
ancestor_is_fine (Check *check, const BpTypeDesc *p, unsigned generation)
{
  if (!sizes_are_fine (check, p)) {
    return false;
  }
  if (!name_is_fine (p->name)) {
    return refuse (check, "a parent has the name `%s`: letters, digits, '-', '_', '.' and '+' are allowed", p->name ? p->name : "");
  }
  if (!p->description || !*p->description) {
    return refuse (check, "the parent `%s` has no description", p->name);
  }
  if (p->instance_size > check->ours.instance_size || generation > 16) {
    return refuse (check, "the parent `%s` is larger, or its ancestry has no end", p->name);
  }
  return true;
}

static bool
head_is_fine (Check *check)
{
  const BpTypeDesc *t = &check->ours;
  if (!name_is_fine (t->name)) {
    check->wrong =
        g_strdup_printf ("a type has the name `%s`: letters, digits, '-', '_', '.' and '+' are allowed",
                         t->name ? t->name : "");
    return false;
  }
  if (!t->description || !*t->description) {
    return refuse (check, "there is no description");
  }
  if (!kind_name (t->kind)) {
    return refuse (check, "unknown kind %d", (int) t->kind);
  }
  if (!sizes_are_fine (check, t)) {
    return false;
  }
  if (t->flags & BP_TYPE_HOT_PLUG && (t->kind == BP_KIND_ACCEL || t->kind == BP_KIND_CPU || t->kind == BP_KIND_BOOT)) {
    return refuse (check, "what is of kind %s does not join or leave a machine that runs, and cannot have BP_TYPE_HOT_PLUG", kind_name (t->kind));
  }
  unsigned generations = 0;
  for (const BpTypeDesc *p = t->parent; p; p = p->parent) {
    if (!ancestor_is_fine (check, p, ++generations)) {
      return false;
    }
  }
  if (t->state_minimum > t->state_version) {
    return refuse (check, "the oldest loadable state version %u is above the current one, %u",
                   t->state_minimum, t->state_version);
  }
  return true;
}

static void
check_tables (Check *check)
{
  g_autoptr (GArray) properties = type_properties (&check->ours);
  g_autoptr (GArray) pins = type_pins (&check->ours);
  g_autoptr (GArray) regions = type_regions (&check->ours);
  g_autoptr (GArray) state = type_state (&check->ours);
  bool fine = true;
  for (const char *const *key = section_kind (kind_name (check->ours.kind))->keys; fine && *key; key++) {
    fine = key_is_new (check, g_strdup (*key));
  }
  for (unsigned i = 0; fine && i < properties->len; i++) {
    fine = property_is_fine (check, &g_array_index (properties, BpProperty, i));
  }
  for (unsigned i = 0; fine && i < pins->len; i++) {
    fine = pin_is_fine (check, &g_array_index (pins, BpPinDesc, i));
  }
  for (unsigned i = 0; fine && i < regions->len; i++) {
    fine = region_is_fine (check, &g_array_index (regions, BpRegionDesc, i));
  }
  if (fine && state_is_fine (check, state, check->ours.instance_size, 0)) {
    interfaces_are_fine (check);
  }
}

char *
type_verdict (const BpTypeDesc *type)
{
  Check check = { .type = type };
  if (type->struct_size < UP_TO (BpTypeDesc, instance_size)) {
    return g_strdup_printf ("a type's table has %u bytes, and no ABI had fewer than %zu", type->struct_size, UP_TO (BpTypeDesc, property_changed));
  }
  memcpy (&check.ours, type, MIN (type->struct_size, sizeof check.ours));
  check.keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (head_is_fine (&check)) {
    check_tables (&check);
  }
  g_hash_table_unref (check.keys);
  return check.wrong;
}
