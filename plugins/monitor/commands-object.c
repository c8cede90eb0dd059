/* commands-object.c -- commands about objects, their properties and their types; as QMP sees them, a tree at /machine. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <string.h>

/* --- values ------------------------------------------------------------------------------------------- */

static const char *
type_name (const BpProperty *p, GString *buffer)
{
  static const char *const names[] = {
    [BP_PROPERTY_BOOL] = "bool", [BP_PROPERTY_U8] = "uint8", [BP_PROPERTY_U16] = "uint16", [BP_PROPERTY_U32] = "uint32", [BP_PROPERTY_U64] = "uint64",
    [BP_PROPERTY_I8] = "int8", [BP_PROPERTY_I16] = "int16", [BP_PROPERTY_I32] = "int32", [BP_PROPERTY_I64] = "int64", [BP_PROPERTY_SIZE] = "size",
    [BP_PROPERTY_STRING] = "str", [BP_PROPERTY_FILE] = "str", [BP_PROPERTY_ENUM] = "str", [BP_PROPERTY_LIST] = "strList"
  };
  if (p->kind == BP_PROPERTY_LINK) {
    g_string_printf (buffer, "link<%s>", p->interface_id ? p->interface_id : "object");
    return buffer->str;
  }
  return (unsigned) p->kind < G_N_ELEMENTS (names) ? names[p->kind] : "str";
}

static bool
is_number (const BpProperty *p)
{
  return p->kind >= BP_PROPERTY_U8 && p->kind <= BP_PROPERTY_SIZE;
}

/* The text of a number as the core prints it: sizes with a suffix. */
static int64_t
number_of (const char *text)
{
  static const char suffixes[] = "KMGT";
  char *end;
  uint64_t value = *text == '-' ? (uint64_t) g_ascii_strtoll (text, &end, 10) : g_ascii_strtoull (text, &end, 10);
  const char *suffix = *end ? strchr (suffixes, *end) : NULL;
  return (int64_t) (suffix ? value << 10 * (suffix - suffixes + 1) : value);
}

static JsonNode *
list_node (const char *text)
{
  JsonArray *list = json_array_new ();
  g_auto (GStrv) words = g_strsplit (text, ",", -1);
  for (char **w = words; *w && **words; w++)
    json_array_add_string_element (list, *w);
  return node_take_array (list);
}

/* text NULL: unset. */
static JsonNode *
value_node (const BpProperty *p, const char *text)
{
  const char *shown = text ? text : "";
  if (p->kind == BP_PROPERTY_BOOL)
    return json_node_init_boolean (json_node_alloc (), strcmp (shown, "on") == 0);
  if (is_number (p))
    return json_node_init_int (json_node_alloc (), number_of (text ? text : "0"));
  if (p->kind == BP_PROPERTY_LIST)
    return list_node (shown);
  if (p->kind == BP_PROPERTY_LINK && text)
    return node_take_string (g_strconcat ("/machine/", text, NULL));
  return node_string (shown);
}

static JsonNode *
default_node (const BpProperty *p)
{
  if (p->kind == BP_PROPERTY_BOOL)
    return json_node_init_boolean (json_node_alloc (), p->default_int != 0);
  if (is_number (p))
    return json_node_init_int (json_node_alloc (), (int64_t) p->default_int);
  if (p->kind == BP_PROPERTY_ENUM)
    return node_string (p->names[p->default_int]);
  return p->default_text ? node_string (p->default_text) : NULL;
}

static char *
list_text (JsonArray *list)
{
  GString *out = g_string_new (NULL);
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonNode *word = json_array_get_element (list, i);
    if (json_node_get_node_type (word) != JSON_NODE_VALUE || json_node_get_value_type (word) != G_TYPE_STRING) {
      g_string_free (out, TRUE);
      return NULL;
    }
    g_string_append_printf (out, "%s%s", i ? "," : "", json_node_get_string (word));
  }
  return g_string_free (out, FALSE);
}

/* What a client gave as text for the core; NULL: it is of another type, which *expected names. */
static char *
value_text (const BpProperty *p, JsonNode *node, const char **expected)
{
  bool value = json_node_get_node_type (node) == JSON_NODE_VALUE;
  GType type = value ? json_node_get_value_type (node) : G_TYPE_INVALID;
  if (p->kind == BP_PROPERTY_BOOL) {
    *expected = "boolean";
    return type == G_TYPE_BOOLEAN ? g_strdup (json_node_get_boolean (node) ? "on" : "off") : NULL;
  }
  if (is_number (p)) {
    *expected = "integer";
    return type == G_TYPE_INT64 ? g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (node)) : NULL;
  }
  if (p->kind == BP_PROPERTY_LIST && json_node_get_node_type (node) == JSON_NODE_ARRAY) {
    *expected = "array of strings";
    return list_text (json_node_get_array (node));
  }
  *expected = "string";
  return type == G_TYPE_STRING ? g_strdup (json_node_get_string (node)) : NULL;
}

/* --- paths --------------------------------------------------------------------------------------------- */

typedef enum Where { AT_ROOT, AT_MACHINE, AT_OBJECT, NOWHERE } Where;

/* "/", "/machine", "/machine/com1", "com1". */
static Where
resolve (Call *call, const char *path, void **object, GError **error)
{
  *object = NULL;
  if (strcmp (path, "/") == 0)
    return AT_ROOT;
  if (strcmp (path, "/machine") == 0 || strcmp (path, "machine") == 0 || strcmp (path, "/machine/") == 0)
    return AT_MACHINE;
  *object = monitor_object (call, path, NULL, error);
  return *object ? AT_OBJECT : NOWHERE;
}

static const BpProperty *
find_property (void *object, const char *name, GError **error)
{
  const BpProperty *p;
  for (unsigned i = 0; (p = bp_object_property (object, i)); i++)
    if (strcmp (p->name, name) == 0)
      return p;
  return monitor_fail (error, MONITOR_ERROR_GENERIC, "Property '%s.%s' not found", bp_object_type_name (object), name);
}

static void
add_row (JsonArray *list, const char *name, const char *type)
{
  JsonObject *o = json_object_new ();
  json_object_set_string_member (o, "name", name);
  json_object_set_string_member (o, "type", type);
  json_array_add_object_element (list, o);
}

/* --- qom-list, qom-get, qom-set ----------------------------------------------------------------------------- */

static void
list_object (void *object, JsonArray *list)
{
  GString *buffer = g_string_new (NULL);
  const BpProperty *p;
  for (unsigned i = 0; (p = bp_object_property (object, i)); i++)
    add_row (list, p->name, type_name (p, buffer));
  g_string_free (buffer, TRUE);
}

static void
list_machine (BpMachine *machine, JsonArray *list)
{
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next_object (machine, &cursor));) {
    g_autofree char *type = g_strdup_printf ("child<%s>", bp_object_type_name (o));
    add_row (list, bp_object_id (o), type);
  }
}

static JsonNode *
qom_list (Call *call, JsonObject *arguments, GError **error)
{
  void *object;
  JsonArray *list = json_array_new ();
  add_row (list, "type", "string");
  switch (resolve (call, argument_string (arguments, "path"), &object, error)) {
  case AT_ROOT:
    add_row (list, "machine", "child<machine>");
    break;
  case AT_MACHINE:
    list_machine (call->monitor->machine, list);
    break;
  case AT_OBJECT:
    list_object (object, list);
    break;
  default:
    json_array_unref (list);
    return NULL;
  }
  return node_take_array (list);
}

static void
print_list (JsonNode *result, GString *out)
{
  JsonArray *list = json_node_get_array (result);
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonObject *o = json_array_get_object_element (list, i);
    g_string_append_printf (out, "%s (%s)\n", json_object_get_string_member (o, "name"), json_object_get_string_member (o, "type"));
  }
}

static JsonNode *
get_property (void *object, const char *name, GError **error)
{
  const BpProperty *p;
  if (strcmp (name, "type") == 0 && !find_property (object, name, NULL))
    return node_string (bp_object_type_name (object));
  if (!(p = find_property (object, name, error)))
    return NULL;
  GError *wrong = NULL;
  g_autofree char *text = bp_object_get (object, name, &wrong);
  if (!wrong)
    return value_node (p, text);
  g_propagate_error (error, wrong);
  return NULL;
}

static JsonNode *
qom_get (Call *call, JsonObject *arguments, GError **error)
{
  void *object;
  const char *name = argument_string (arguments, "property");
  Where where = resolve (call, argument_string (arguments, "path"), &object, error);
  if (where == NOWHERE)
    return NULL;
  if (where == AT_OBJECT)
    return get_property (object, name, error);
  if (strcmp (name, "type") == 0)
    return node_string (where == AT_ROOT ? "container" : "machine");
  if (where == AT_ROOT && strcmp (name, "machine") == 0)
    return node_string ("/machine");
  if (where == AT_MACHINE && (object = bp_machine_find (call->monitor->machine, name)))
    return node_take_string (monitor_path (object));
  return monitor_fail (error, MONITOR_ERROR_GENERIC, "Property '%s.%s' not found", where == AT_ROOT ? "container" : "machine", name);
}

static JsonNode *
set_property (void *object, const char *name, JsonNode *value, GError **error)
{
  const char *expected;
  const BpProperty *p = find_property (object, name, error);
  if (!p)
    return NULL;
  g_autofree char *text = value_text (p, value, &expected);
  if (!text)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Invalid parameter type for '%s', expected: %s", name, expected);
  return bp_object_set (object, name, text, error) ? node_empty () : NULL;
}

static JsonNode *
qom_set (Call *call, JsonObject *arguments, GError **error)
{
  void *object;
  const char *name = argument_string (arguments, "property");
  switch (resolve (call, argument_string (arguments, "path"), &object, error)) {
  case AT_OBJECT:
    return set_property (object, name, json_object_get_member (arguments, "value"), error);
  case NOWHERE:
    return NULL;
  default:
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Property '%s' cannot be set: it belongs to no object", name);
  }
}

/* --- the console's get and set --------------------------------------------------------------------------------- */

/* "com1.clock"; *name is the caller's. */
static void *
split_property (Call *call, const char *text, char **name, GError **error)
{
  const char *dot = strrchr (text, '.');
  if (!dot || dot == text || !dot[1])
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "'%s' is not OBJECT.PROPERTY", text);
  g_autofree char *id = g_strndup (text, (gsize) (dot - text));
  void *object = monitor_object (call, id, NULL, error);
  *name = object ? g_strdup (dot + 1) : NULL;
  return object;
}

static void
show_property (void *object, const BpProperty *p, GString *out)
{
  g_autofree char *text = bp_object_get (object, p->name, NULL);
  g_string_append_printf (out, "%s.%s = %s%s\n", bp_object_id (object), p->name,
                          p->flags & BP_PROPERTY_SECRET ? "(secret)" : text ? text : "(unset)",
                          p->flags & BP_PROPERTY_RUNTIME ? "    ; can be set" : "");
}

static JsonNode *
get (Call *call, JsonObject *arguments, GError **error)
{
  const char *what = argument_string (arguments, "property");
  void *object = bp_machine_find (call->monitor->machine, what);
  GString *out = g_string_new (NULL);
  const BpProperty *p;
  if (object) {
    for (unsigned i = 0; (p = bp_object_property (object, i)); i++)
      show_property (object, p, out);
    return node_take_string (g_string_free (out, FALSE));
  }
  g_autofree char *name = NULL;
  object = split_property (call, what, &name, error);
  g_autofree char *text = object ? bp_object_get (object, name, error) : NULL;
  if (!object || (!text && error && *error)) {
    g_string_free (out, TRUE);
    return NULL;
  }
  show_property (object, find_property (object, name, NULL), out);
  return node_take_string (g_string_free (out, FALSE));
}

static JsonNode *
set (Call *call, JsonObject *arguments, GError **error)
{
  g_autofree char *name = NULL;
  void *object = split_property (call, argument_string (arguments, "property"), &name, error);
  return object && bp_object_set (object, name, argument_string (arguments, "value"), error) ? node_empty () : NULL;
}

/* --- types ----------------------------------------------------------------------------------------------------------- */

static const BpTypeDesc *
find_type (const char *name)
{
  unsigned cursor = 0;
  const BpTypeDesc *t;
  while ((t = bp_type_next (&cursor)))
    if (strcmp (t->name, name) == 0)
      break;
  return t;
}

/* Rows of older plugins are shorter than ours. */
static void
list_type (const BpTypeDesc *type, bool defaults, JsonArray *list)
{
  GString *buffer = g_string_new (NULL);
  if (type->parent)
    list_type (type->parent, defaults, list);
  for (const char *row = (const char *) type->properties; row; row += type->property_size) {
    BpProperty p = { 0 };
    memcpy (&p, row, MIN (sizeof p, type->property_size));
    if (!p.name)
      break;
    JsonObject *o = json_object_new ();
    JsonNode *value = defaults ? default_node (&p) : NULL;
    if (value)
      json_object_set_member (o, "default-value", value);
    json_object_set_string_member (o, "name", p.name);
    json_object_set_string_member (o, "description", p.help);
    json_object_set_string_member (o, "type", type_name (&p, buffer));
    json_array_add_object_element (list, o);
  }
  g_string_free (buffer, TRUE);
}

static JsonNode *
qom_list_properties (Call *call, JsonObject *arguments, GError **error)
{
  const char *name = argument_string (arguments, "typename");
  const BpTypeDesc *type = find_type (name);
  if (!type)
    return monitor_fail (error, MONITOR_ERROR_DEVICE_NOT_FOUND, "Class '%s' not found", name);
  JsonArray *list = json_array_new ();
  add_row (list, "type", "string");
  list_type (type, false, list);
  return node_take_array (list);
}

static JsonNode *
device_list_properties (Call *call, JsonObject *arguments, GError **error)
{
  const char *name = argument_string (arguments, "typename");
  const BpTypeDesc *type = find_type (name);
  if (!type)
    return monitor_fail (error, MONITOR_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", name);
  JsonArray *list = json_array_new ();
  list_type (type, true, list);
  return node_take_array (list);
}

static bool
implements (const BpTypeDesc *type, const char *what)
{
  for (; type; type = type->parent) {
    if (strcmp (type->name, what) == 0)
      return true;
    for (const BpInterfaceDesc *i = type->interfaces; i && i->id; i++)
      if (strcmp (i->id, what) == 0)
        return true;
  }
  return false;
}

/* implements: a type or the id of an interface. */
static JsonNode *
qom_list_types (Call *call, JsonObject *arguments, GError **error)
{
  const char *what = argument_string (arguments, "implements");
  JsonArray *list = json_array_new ();
  unsigned cursor = 0;
  for (const BpTypeDesc *t; (t = bp_type_next (&cursor));) {
    if (what && !implements (t, what))
      continue;
    JsonObject *o = json_object_new ();
    json_object_set_string_member (o, "name", t->name);
    json_object_set_string_member (o, "parent", t->parent ? t->parent->name : "object");
    json_array_add_object_element (list, o);
  }
  return node_take_array (list);
}

static JsonNode *
info_tree (Call *call, JsonObject *arguments, GError **error)
{
  return node_take_string (bp_machine_tree_text (call->monitor->machine));
}

/* --- rows ------------------------------------------------------------------------------------------------------------- */

const Command object_commands[] = {
  CONSOLE ("info tree", "objects, their links, wires and maps", info_tree, .alias = "info qom-tree"),
  BOTH ("qom-list", "qom-list", "what an object has: qom-list /machine/NAME", qom_list, .print = print_list,
    .arguments = { ARGUMENT ("path", OBJECT) }),
  QMP ("qom-get", qom_get, .arguments = { ARGUMENT ("path", STRING), ARGUMENT ("property", STRING) }),
  QMP ("qom-set", qom_set, .arguments = { ARGUMENT ("path", STRING), ARGUMENT ("property", STRING), ARGUMENT ("value", ANY) }),
  CONSOLE ("get", "an object's property, or all of them: get OBJECT.PROPERTY, get OBJECT", get,
    .arguments = { ARGUMENT ("property", PROPERTY) }),
  CONSOLE ("set", "set a property that may change while the machine runs: set OBJECT.PROPERTY VALUE", set,
    .arguments = { ARGUMENT ("property", PROPERTY), ARGUMENT ("value", REST) }),
  QMP ("qom-list-properties", qom_list_properties, .arguments = { ARGUMENT ("typename", STRING) }),
  QMP ("device-list-properties", device_list_properties, .arguments = { ARGUMENT ("typename", STRING) }),
  QMP ("qom-list-types", qom_list_types, .arguments = { OPTIONAL ("implements", STRING), OPTIONAL ("abstract", BOOL) }),
  COMMANDS_END
};
