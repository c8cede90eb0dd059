/* object-property.c -- property values: text to field and back, ranges, what is wrong with a text. */
/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "object.h"

static const char *const kind_names[] = {
  [BP_PROPERTY_BOOL] = "bool", [BP_PROPERTY_U8] = "u8",         [BP_PROPERTY_U16] = "u16",
  [BP_PROPERTY_U32] = "u32",   [BP_PROPERTY_U64] = "u64",       [BP_PROPERTY_I8] = "i8",
  [BP_PROPERTY_I16] = "i16",   [BP_PROPERTY_I32] = "i32",       [BP_PROPERTY_I64] = "i64",
  [BP_PROPERTY_SIZE] = "size", [BP_PROPERTY_STRING] = "string", [BP_PROPERTY_FILE] = "file",
  [BP_PROPERTY_ENUM] = "enum", [BP_PROPERTY_LINK] = "link",     [BP_PROPERTY_LIST] = "list",
};

const char *
property_kind_name (BpPropertyKind kind)
{
  return (unsigned) kind < G_N_ELEMENTS (kind_names) ? kind_names[kind] : "?";
}

/* --- numbers -------------------------------------------------------------------------------- */

static bool
is_signed (BpPropertyKind kind)
{
  return kind >= BP_PROPERTY_I8 && kind <= BP_PROPERTY_I64;
}

static unsigned
width (BpPropertyKind kind)
{
  switch (kind) {
  case BP_PROPERTY_U8: case BP_PROPERTY_I8: return 8;
  case BP_PROPERTY_U16: case BP_PROPERTY_I16: return 16;
  case BP_PROPERTY_U32: case BP_PROPERTY_I32: return 32;
  default: return 64;
  }
}

/* What the kind and the row's range allow, as the row's own numbers (signed ones cast). */
void
property_limits (const BpProperty *p, uint64_t *min, uint64_t *max)
{
  unsigned bits = width (p->kind);
  *min = is_signed (p->kind) ? (uint64_t) -(INT64_C (1) << (bits - 2)) * 2 : 0;
  *max = UINT64_MAX >> (64 - bits) >> is_signed (p->kind);
  if (p->min != 0 || p->max != 0) {
    bool open_ended =
        p->max == 0 && (is_signed (p->kind) ? (int64_t) p->min > 0 : true); /* only a minimum was given */
    *min = p->min;
    *max = open_ended ? *max : p->max;
  }
}

static bool
in_limits (const BpProperty *p, uint64_t value)
{
  uint64_t min, max;
  property_limits (p, &min, &max);
  return is_signed (p->kind) ? (int64_t) value >= (int64_t) min && (int64_t) value <= (int64_t) max
                             : value >= min && value <= max;
}

/* Decimal or 0x...; no sign, no leading blanks. */
static bool
parse_digits (const char *text, uint64_t *value, const char **rest)
{
  bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  const char *digits = hex ? text + 2 : text;
  if (hex ? !g_ascii_isxdigit (*digits) : !g_ascii_isdigit (*digits)) {
    return false;
  }
  char *end;
  errno = 0;
  *value = g_ascii_strtoull (digits, &end, hex ? 16 : 10);
  *rest = end;
  return errno == 0;
}

bool
parse_size (const char *text, uint64_t *value)
{
  static const char suffixes[] = "kmgt";
  const char *rest;
  if (!parse_digits (text, value, &rest)) {
    return false;
  }
  if (*rest) {
    const char *suffix = strchr (suffixes, g_ascii_tolower (*rest));
    unsigned shift = suffix ? 10 * (unsigned) (suffix - suffixes + 1) : 0;
    if (!suffix || rest[1] || *value > UINT64_MAX >> shift) {
      return false;
    }
    *value <<= shift;
  }
  return true;
}

static bool
parse_unsigned (const char *text, uint64_t *value)
{
  const char *rest;
  return parse_digits (text, value, &rest) && !*rest;
}

static bool
parse_signed (const char *text, uint64_t *value)
{
  bool negative = *text == '-';
  if (!parse_unsigned (text + (negative || *text == '+'), value) ||
      *value > (uint64_t) INT64_MAX + negative) {
    return false;
  }
  *value = negative ? -*value : *value;
  return true;
}

static char *
print_size (uint64_t value)
{
  static const char suffixes[] = "KMGT";
  unsigned n = 0;
  while (n < 4 && value && value % 1024 == 0) {
    value /= 1024;
    n++;
  }
  return n ? g_strdup_printf ("%" G_GUINT64_FORMAT "%c", value, suffixes[n - 1])
           : g_strdup_printf ("%" G_GUINT64_FORMAT, value);
}

static char *
print_number (BpPropertyKind kind, uint64_t value)
{
  return kind == BP_PROPERTY_SIZE ? print_size (value)
         : is_signed (kind)       ? g_strdup_printf ("%" G_GINT64_FORMAT, (int64_t) value)
                                  : g_strdup_printf ("%" G_GUINT64_FORMAT, value);
}

/* --- checking ------------------------------------------------------------------------------- */

static char *
parse_number (const BpProperty *p, const char *text, uint64_t *value)
{
  bool understood = p->kind == BP_PROPERTY_SIZE ? parse_size (text, value)
                    : is_signed (p->kind)       ? parse_signed (text, value)
                                                : parse_unsigned (text, value);
  if (!understood) {
    return p->kind == BP_PROPERTY_SIZE
               ? g_strdup_printf ("`%s` is not a size (a number of bytes, or one with k, M, G or T)", text)
               : g_strdup_printf ("`%s` is not a number", text);
  }
  if (!in_limits (p, *value)) {
    g_autofree char *range = property_range_text (p);
    return g_strdup_printf ("`%s` is outside the range %s", text, range);
  }
  return NULL;
}

bool
parse_switch (const char *text, bool *value)
{
  static const char *const words[] = { "off", "on", "false", "true", "no", "yes", "0", "1", NULL };
  for (unsigned i = 0; words[i]; i++) {
    if (g_ascii_strcasecmp (text, words[i]) == 0) {
      *value = i & 1;
      return true;
    }
  }
  return false;
}

static char *
parse_bool (const char *text, uint64_t *value)
{
  bool on = false;
  if (!parse_switch (text, &on)) {
    return g_strdup_printf ("`%s` is neither on nor off", text);
  }
  *value = on;
  return NULL;
}

static char *
parse_enum (const BpProperty *p, const char *text, uint64_t *value)
{
  for (unsigned i = 0; p->names[i]; i++) {
    if (strcmp (text, p->names[i]) == 0) {
      *value = i;
      return NULL;
    }
  }
  const char *nearest = nearest_name (text, p->names);
  g_autofree char *names = property_range_text (p);
  g_autofree char *hint = nearest ? g_strdup_printf (" (did you mean `%s`?)", nearest) : g_strdup ("");
  return g_strdup_printf ("`%s` is not one of %s%s", text, names, hint);
}

/* NULL when fine, else what is wrong.  Numbers, BOOL and ENUM have a value; a text stands for itself. */
static char *
parse_value (const BpProperty *p, const char *text, uint64_t *value)
{
  switch (p->kind) {
  case BP_PROPERTY_BOOL:
    return parse_bool (text, value);
  case BP_PROPERTY_ENUM:
    return parse_enum (p, text, value);
  case BP_PROPERTY_FILE:
    return *text ? NULL : g_strdup ("the path is empty");
  case BP_PROPERTY_LINK:
    return *text ? NULL : g_strdup ("the name of an object is missing");
  case BP_PROPERTY_STRING:
  case BP_PROPERTY_LIST:
    return NULL;
  default:
    return parse_number (p, text, value);
  }
}

char *
property_check (const BpProperty *property, const char *text)
{
  uint64_t value;
  return parse_value (property, text, &value);
}

char *
property_range_text (const BpProperty *property)
{
  switch (property->kind) {
  case BP_PROPERTY_BOOL:
    return g_strdup ("on, off");
  case BP_PROPERTY_ENUM:
    return g_strjoinv (", ", (char **) property->names);
  case BP_PROPERTY_STRING:
    return g_strdup ("any text");
  case BP_PROPERTY_FILE:
    return g_strdup ("a path");
  case BP_PROPERTY_LIST:
    return g_strdup ("words joined by commas");
  case BP_PROPERTY_LINK:
    return property->interface_id ? g_strdup_printf ("an object with %s", property->interface_id)
                                  : g_strdup ("any object");
  default:
    break;
  }
  uint64_t min, max;
  property_limits (property, &min, &max);
  if (property->kind == BP_PROPERTY_SIZE && max == UINT64_MAX) {
    g_autofree char *low = print_size (min);
    return g_strdup_printf ("%s or more", low);
  }
  g_autofree char *low = print_number (property->kind, min), *high = print_number (property->kind, max);
  return g_strdup_printf ("%s..%s", low, high);
}

/* --- fields --------------------------------------------------------------------------------- */

static char *
own (BpObject *object, char *text)
{
  g_ptr_array_add (object->owned_strings, text);
  return text;
}

/* The vector and its words belong to the object; what a field held before stays valid until the object is
 * freed. */
static char **
own_list (BpObject *object, const char *text)
{
  char **words = *text ? g_strsplit (text, ",", -1) : g_new0 (char *, 1);
  for (char **word = words; *word; word++) {
    g_strstrip (*word);
    own (object, *word);
  }
  g_ptr_array_add (object->owned_strings, words);
  return words;
}

static void
store_number (BpPropertyKind kind, void *field, uint64_t value)
{
  switch (kind) {
  case BP_PROPERTY_BOOL: *(bool *) field = value != 0; break;
  case BP_PROPERTY_ENUM: *(int *) field = (int) value; break;
  case BP_PROPERTY_U8: case BP_PROPERTY_I8: *(uint8_t *) field = (uint8_t) value; break;
  case BP_PROPERTY_U16: case BP_PROPERTY_I16: *(uint16_t *) field = (uint16_t) value; break;
  case BP_PROPERTY_U32: case BP_PROPERTY_I32: *(uint32_t *) field = (uint32_t) value; break;
  default: *(uint64_t *) field = value; break;
  }
}

static uint64_t
load_number (BpPropertyKind kind, const void *field)
{
  switch (kind) {
  case BP_PROPERTY_BOOL: return *(const bool *) field;
  case BP_PROPERTY_ENUM: return (uint64_t) * (const int *) field;
  case BP_PROPERTY_U8: return *(const uint8_t *) field;
  case BP_PROPERTY_U16: return *(const uint16_t *) field;
  case BP_PROPERTY_U32: return *(const uint32_t *) field;
  case BP_PROPERTY_I8: return (uint64_t) * (const int8_t *) field;
  case BP_PROPERTY_I16: return (uint64_t) * (const int16_t *) field;
  case BP_PROPERTY_I32: return (uint64_t) * (const int32_t *) field;
  default: return *(const uint64_t *) field;
  }
}

void
property_set_default (BpObject *object, const BpProperty *p, uint8_t *self)
{
  void *field = self + p->offset;
  switch (p->kind) {
  case BP_PROPERTY_STRING:
  case BP_PROPERTY_FILE:
    *(char **) field = p->default_text ? own (object, g_strdup (p->default_text)) : NULL;
    break;
  case BP_PROPERTY_LIST:
    *(char ***) field = p->default_text ? own_list (object, p->default_text) : NULL;
    break;
  case BP_PROPERTY_LINK:
    *(BpLink *) field = (BpLink) { NULL, NULL };
    break;
  default:
    store_number (p->kind, field, p->default_int);
    break;
  }
}

static void
store_text (BpObject *object, const BpProperty *p, void *field, const char *text,
            const char *base_directory)
{
  if (p->kind == BP_PROPERTY_LIST) {
    *(char ***) field = own_list (object, text);
  } else if (p->kind == BP_PROPERTY_FILE && base_directory && !g_path_is_absolute (text)) {
    *(char **) field = own (object, g_build_filename (base_directory, text, NULL));
  } else {
    *(char **) field = own (object, g_strdup (text));
  }
}

/* --- by name -------------------------------------------------------------------------------- */

static int
property_index (BpObject *object, const char *name)
{
  for (unsigned i = 0; i < object->properties->len; i++) {
    if (strcmp (g_array_index (object->properties, BpProperty, i).name, name) == 0) {
      return (int) i;
    }
  }
  return -1;
}

bool
object_has (BpObject *object, const char *name, GError **error)
{
  if (property_index (object, name) >= 0) {
    return true;
  }
  g_autofree const char **names = g_new0 (const char *, object->properties->len + 1);
  for (unsigned i = 0; i < object->properties->len; i++) {
    names[i] = g_array_index (object->properties, BpProperty, i).name;
  }
  const char *nearest = nearest_name (name, names);
  g_autofree char *hint = nearest ? g_strdup_printf (" (did you mean `%s`?)", nearest) : g_strdup ("");
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "type `%s` has no property `%s`%s", object->type->name,
               name, hint);
  return false;
}

/* The row when it may be set now, else NULL. */
static const BpProperty *
settable (BpObject *object, const char *name, GError **error)
{
  if (!object_has (object, name, error)) {
    return NULL;
  }
  const BpProperty *p = object_property (object, name);
  if (object->stage != OBJECT_NEW && !(p->flags & BP_PROPERTY_RUNTIME)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY,
                 "property `%s` cannot be changed any more: the machine is built", name);
    return NULL;
  }
  return p;
}

static void
note_set (BpObject *object, const BpProperty *p)
{
  object->given->data[p - (const BpProperty *) (const void *) object->properties->data] = 1;
  if (object->stage == OBJECT_REALIZED) {
    object_property_changed (object, p->name);
  }
}

char *
object_set_value (BpObject *object, const BpProperty *p, const char *text, const char *base_directory)
{
  uint64_t value = 0;
  char *wrong = parse_value (p, text, &value);
  if (!wrong && p->kind == BP_PROPERTY_LINK) {
    wrong = g_strdup ("a link is set to an object, not to a text");
  }
  if (wrong) {
    return wrong;
  }
  void *field = (uint8_t *) object_instance (object) + p->offset;
  if (p->kind == BP_PROPERTY_STRING || p->kind == BP_PROPERTY_FILE || p->kind == BP_PROPERTY_LIST) {
    store_text (object, p, field, text, base_directory);
  } else {
    store_number (p->kind, field, value);
  }
  note_set (object, p);
  return NULL;
}

bool
object_set (BpObject *object, const char *name, const char *text, const char *base_directory,
            GError **error)
{
  const BpProperty *p = settable (object, name, error);
  if (!p) {
    return false;
  }
  g_autofree char *wrong = object_set_value (object, p, text, base_directory);
  if (wrong) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "property `%s`: %s", name, wrong);
  }
  return !wrong;
}

bool
object_set_link (BpObject *object, const char *name, BpObject *target, GError **error)
{
  const BpProperty *p = settable (object, name, error);
  if (!p) {
    return false;
  }
  if (p->kind != BP_PROPERTY_LINK) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "property `%s` is no link but a %s", name,
                 property_kind_name (p->kind));
    return false;
  }
  BpLink link = { NULL, NULL };
  if (target) {
    link.instance = object_instance (target);
    link.table = p->interface_id ? type_interface (target->type, p->interface_id) : NULL;
    if (p->interface_id && !link.table) {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY,
                   "property `%s` needs an object with the interface %s, and `%s` (type `%s`) has none", name,
                   p->interface_id, target->id, target->type->name);
      return false;
    }
  }
  *(BpLink *) ((uint8_t *) object_instance (object) + p->offset) = link;
  note_set (object, p);
  return true;
}

const BpProperty *
object_property (BpObject *object, const char *name)
{
  int index = property_index (object, name);
  return index < 0 ? NULL : &g_array_index (object->properties, BpProperty, index);
}

char *
object_get (BpObject *object, const char *name)
{
  const BpProperty *p = object_property (object, name);
  if (!p) {
    return NULL;
  }
  const void *field = (const uint8_t *) object_instance (object) + p->offset;
  switch (p->kind) {
  case BP_PROPERTY_BOOL:
    return g_strdup (*(const bool *) field ? "on" : "off");
  case BP_PROPERTY_ENUM:
    return g_strdup (p->names[*(const int *) field]);
  case BP_PROPERTY_STRING:
  case BP_PROPERTY_FILE:
    return g_strdup (*(char *const *) field);
  case BP_PROPERTY_LIST:
    return *(char **const *) field ? g_strjoinv (",", *(char **const *) field) : NULL;
  case BP_PROPERTY_LINK:
    return ((const BpLink *) field)->instance ? g_strdup (bp_object_id (((const BpLink *) field)->instance))
                                              : NULL;
  default:
    return print_number (p->kind, load_number (p->kind, field));
  }
}

char *
property_default_text (const BpProperty *p)
{
  switch (p->kind) {
  case BP_PROPERTY_BOOL:
    return g_strdup (p->default_int ? "on" : "off");
  case BP_PROPERTY_ENUM:
    return g_strdup (p->names[p->default_int]);
  case BP_PROPERTY_STRING:
  case BP_PROPERTY_FILE:
  case BP_PROPERTY_LIST:
    return g_strdup (p->default_text);
  case BP_PROPERTY_LINK:
    return NULL;
  default:
    return print_number (p->kind, p->default_int);
  }
}
