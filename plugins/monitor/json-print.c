/* json-print.c -- JSON values as text. */
/* SPDX-License-Identifier: MIT */
#include "json.h"
#include <math.h>

static void
print_string (const char *text, GString *out)
{
  static const char specials[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
  g_autofree char *valid = g_utf8_make_valid (text ? text : "", -1);
  g_string_append_c (out, '"');
  for (const char *s = valid; *s; s = g_utf8_next_char (s)) {
    gunichar c = g_utf8_get_char (s);
    const char *special = c < 0x80 ? strchr (specials, (int) c) : NULL;
    if (special)
      g_string_append_printf (out, "\\%c", letters[special - specials]);
    else if (c >= 0x20 && c < 0x7f)
      g_string_append_c (out, (char) c);
    else if (c < 0x10000)
      g_string_append_printf (out, "\\u%04X", c);
    else
      g_string_append_printf (out, "\\u%04X\\u%04X", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
  }
  g_string_append_c (out, '"');
}

static void
print_number (const JsonNode *node, GString *out)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  if (json_node_get_value_type ((JsonNode *) node) == G_TYPE_INT64) {
    g_string_append_printf (out, "%" G_GINT64_FORMAT, json_node_get_int ((JsonNode *) node));
    return;
  }
  double number = json_node_get_double ((JsonNode *) node);
  g_string_append (out, isfinite (number) ? g_ascii_formatd (text, sizeof text, "%.17g", number) : "null");
}

static void
print_object (JsonObject *object, GString *out)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  bool first = true;
  json_object_iter_init_ordered (&iter, object);
  g_string_append_c (out, '{');
  while (json_object_iter_next_ordered (&iter, &name, &value)) {
    if (!first)
      g_string_append (out, ", ");
    first = false;
    print_string (name, out);
    g_string_append (out, ": ");
    json_print (value, out);
  }
  g_string_append_c (out, '}');
}

static void
print_array (JsonArray *array, GString *out)
{
  g_string_append_c (out, '[');
  for (guint i = 0; i < json_array_get_length (array); i++) {
    if (i)
      g_string_append (out, ", ");
    json_print (json_array_get_element (array, i), out);
  }
  g_string_append_c (out, ']');
}

void
json_print (const JsonNode *node, GString *out)
{
  switch (json_node_get_node_type ((JsonNode *) node)) {
  case JSON_NODE_OBJECT:
    print_object (json_node_get_object ((JsonNode *) node), out);
    break;
  case JSON_NODE_ARRAY:
    print_array (json_node_get_array ((JsonNode *) node), out);
    break;
  case JSON_NODE_NULL:
    g_string_append (out, "null");
    break;
  default:
    if (json_node_get_value_type ((JsonNode *) node) == G_TYPE_BOOLEAN)
      g_string_append (out, json_node_get_boolean ((JsonNode *) node) ? "true" : "false");
    else if (json_node_get_value_type ((JsonNode *) node) == G_TYPE_STRING)
      print_string (json_node_get_string ((JsonNode *) node), out);
    else
      print_number (node, out);
  }
}
