/* json-parse.c -- tokens of one JSON message as a value. */
/* SPDX-License-Identifier: MIT */
#include "json.h"
#include <errno.h>
#include <math.h>
#include <string.h>

typedef struct Parse {
  const char *text;
  const JsonToken *tokens;
  unsigned at, n;
  char *why;
} Parse;

static JsonNode *parse_value (Parse *p);

static JsonNode *
wrong (Parse *p, const char *format, ...)
{
  if (!p->why) {
    va_list arguments;
    va_start (arguments, format);
    g_autofree char *what = g_strdup_vprintf (format, arguments);
    va_end (arguments);
    p->why = g_strconcat ("JSON parse error, ", what, NULL);
  }
  return NULL;
}

/* The token's character when it is punctuation; 0 otherwise and at the end. */
static char
punctuation (const Parse *p)
{
  return p->at < p->n && p->tokens[p->at].kind == JSON_PUNCTUATION ? p->text[p->tokens[p->at].start] : 0;
}

static bool
take (Parse *p, char c)
{
  if (punctuation (p) != c)
    return false;
  p->at++;
  return true;
}

/* --- strings ------------------------------------------------------------------------------ */

/* Four hexadecimal digits; -1: that is something else. */
static int
hex4 (const char *s, const char *end)
{
  int value = 0;
  if (end - s < 4)
    return -1;
  for (int i = 0; i < 4; i++) {
    int digit = g_ascii_xdigit_value (s[i]);
    if (digit < 0)
      return -1;
    value = value << 4 | digit;
  }
  return value;
}

/* After \u; a pair of surrogates is one character. */
static const char *
take_unicode (Parse *p, const char *s, const char *end, GString *out)
{
  const char *start = s;
  int c = hex4 (s, end);
  if (c < 0) {
    wrong (p, "invalid hex escape in string");
    return NULL;
  }
  s += 4;
  if (c >= 0xd800 && c < 0xdc00 && end - s >= 6 && s[0] == '\\' && s[1] == 'u') {
    int low = hex4 (s + 2, end);
    if (low >= 0xdc00 && low < 0xe000) {
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
      s += 6;
    }
  }
  if (c == 0 || !g_unichar_validate ((gunichar) c)) {   /* a C string holds no NUL */
    wrong (p, "\\u%.4s is not a valid Unicode character", start);
    return NULL;
  }
  g_string_append_unichar (out, (gunichar) c);
  return s;
}

static char *
parse_string (Parse *p)
{
  static const char letters[] = "\"'\\/bfnrt", meanings[] = "\"'\\/\b\f\n\r\t";
  const JsonToken *t = &p->tokens[p->at++];
  const char *s = p->text + t->start, *end = s + t->length;
  GString *out = g_string_sized_new (t->length);
  while (s && s < end) {
    const char *letter;
    if (*s != '\\') {
      g_string_append_c (out, *s++);
    } else if (s[1] == 'u') {
      s = take_unicode (p, s + 2, end, out);
    } else if (s[1] && (letter = strchr (letters, s[1]))) {
      g_string_append_c (out, meanings[letter - letters]);
      s += 2;
    } else {
      wrong (p, "invalid escape sequence in string");
      break;
    }
  }
  if (!p->why && !g_utf8_validate (out->str, (gssize) out->len, NULL))
    wrong (p, "invalid UTF-8 sequence in string");
  return g_string_free (out, p->why != NULL);
}

/* --- numbers, keywords -------------------------------------------------------------------- */

static JsonNode *
parse_number (Parse *p)
{
  const JsonToken *t = &p->tokens[p->at++];
  g_autofree char *text = g_strndup (p->text + t->start, t->length);
  JsonNode *node = json_node_alloc ();
  errno = 0;
  gint64 integer = g_ascii_strtoll (text, NULL, 10);
  if (!strpbrk (text, ".eE") && errno == 0)
    return json_node_init_int (node, integer);
  double number = g_ascii_strtod (text, NULL);
  if (isfinite (number))
    return json_node_init_double (node, number);
  json_node_free (node);
  return wrong (p, "number '%.40s' is out of range", text);
}

static JsonNode *
parse_keyword (Parse *p)
{
  const JsonToken *t = &p->tokens[p->at++];
  g_autofree char *text = g_strndup (p->text + t->start, t->length);
  if (strcmp (text, "null") == 0)
    return json_node_init_null (json_node_alloc ());
  if (strcmp (text, "true") == 0 || strcmp (text, "false") == 0)
    return json_node_init_boolean (json_node_alloc (), *text == 't');
  return wrong (p, "invalid keyword '%.40s'", text);
}

/* --- objects, arrays ---------------------------------------------------------------------- */

static bool
parse_member (Parse *p, JsonObject *object)
{
  if (p->at >= p->n || p->tokens[p->at].kind != JSON_STRING)
    return wrong (p, p->at < p->n && p->tokens[p->at].kind != JSON_PUNCTUATION ? "key is not a string in object" : "expecting value");
  g_autofree char *key = parse_string (p);
  if (!key)
    return false;
  if (!take (p, ':'))
    return wrong (p, "missing : in object pair");
  JsonNode *value = parse_value (p);
  if (!value)
    return false;
  if (json_object_has_member (object, key)) {
    json_node_free (value);
    return wrong (p, "duplicate key");
  }
  json_object_set_member (object, key, value);
  return true;
}

static bool
parse_element (Parse *p, JsonArray *array)
{
  JsonNode *value = parse_value (p);
  if (value)
    json_array_add_element (array, value);
  return value;
}

static JsonNode *
parse_object (Parse *p)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_init_object (json_node_alloc (), object);
  json_object_unref (object);
  if (take (p, '}'))
    return node;
  while (parse_member (p, object)) {
    if (take (p, '}'))
      return node;
    if (!take (p, ',')) {
      wrong (p, "expected separator in dict");
      break;
    }
  }
  json_node_free (node);
  return NULL;
}

static JsonNode *
parse_array (Parse *p)
{
  JsonArray *array = json_array_new ();
  JsonNode *node = json_node_init_array (json_node_alloc (), array);
  json_array_unref (array);
  if (take (p, ']'))
    return node;
  while (parse_element (p, array)) {
    if (take (p, ']'))
      return node;
    if (!take (p, ',')) {
      wrong (p, "expected separator in list");
      break;
    }
  }
  json_node_free (node);
  return NULL;
}

static JsonNode *
parse_value (Parse *p)
{
  if (p->at >= p->n)
    return wrong (p, "premature EOI");
  switch (p->tokens[p->at].kind) {
  case JSON_NUMBER:
    return parse_number (p);
  case JSON_KEYWORD:
    return parse_keyword (p);
  case JSON_STRING: {
    g_autofree char *text = parse_string (p);
    return text ? json_node_init_string (json_node_alloc (), text) : NULL;
  }
  default:
    return take (p, '{') ? parse_object (p) : take (p, '[') ? parse_array (p) : wrong (p, "expecting value");
  }
}

JsonNode *
json_parse_tokens (const char *text, const JsonToken *tokens, unsigned n, char **why)
{
  Parse p = { .text = text, .tokens = tokens, .n = n };
  JsonNode *node = parse_value (&p);
  if (node && p.at < n) {       /* a bracket of one kind was closed with the other's */
    g_clear_pointer (&node, json_node_free);
    wrong (&p, "expecting value");
  }
  *why = p.why;
  return node;
}
