/* json-stream.c -- cuts a stream of bytes into tokens and those into messages, whatever pieces it comes in. */
/* SPDX-License-Identifier: MIT */
#include "json.h"
#include <string.h>

typedef enum State { BETWEEN, IN_STRING, IN_ESCAPE, IN_NUMBER, IN_KEYWORD, LOST, SKIPPING } State;

struct JsonStream {
  JsonStreamClient client;
  void *user;
  State state;
  char quote;                   /* the one that ends the string */
  unsigned braces, brackets;
  GString *text;                /* of the tokens so far, and of the one in the making */
  GArray *tokens;               /* of JsonToken */
  unsigned start;               /* of the token in the making */
};

JsonStream *
json_stream_new (const JsonStreamClient *client, void *user)
{
  JsonStream *s = g_new0 (JsonStream, 1);
  s->client = *client;
  s->user = user;
  s->text = g_string_new (NULL);
  s->tokens = g_array_new (FALSE, FALSE, sizeof (JsonToken));
  return s;
}

void
json_stream_free (JsonStream *s)
{
  if (!s)
    return;
  g_string_free (s->text, TRUE);
  g_array_unref (s->tokens);
  g_free (s);
}

/* --- messages ----------------------------------------------------------------------------- */

static void
forget (JsonStream *s)
{
  s->braces = s->brackets = 0;
  s->start = 0;
  g_array_set_size (s->tokens, 0);
  g_string_truncate (s->text, 0);
  if (s->text->allocated_len > 1 << 16) {       /* one large message does not cost memory for good */
    g_string_free (s->text, TRUE);
    s->text = g_string_new (NULL);
  }
}

static void
fail (JsonStream *s, const char *why)
{
  forget (s);
  s->client.error (s->user, why);
}

/* More than a message may have: all of the line goes, for what is left of it is only more of the same. */
static void
too_much (JsonStream *s, const char *why)
{
  s->state = SKIPPING;
  fail (s, why);
}

/* What there is of a token belongs nowhere. */
static void
stray (JsonStream *s)
{
  gsize length = MIN (s->text->len - s->start, 60);
  g_autofree char *what = g_utf8_make_valid (s->text->str + s->start, (gssize) length);
  g_autofree char *why = g_strdup_printf ("JSON parse error, stray '%s%s'", s->state == IN_STRING ? "\"" : "", what);
  s->state = LOST;
  fail (s, why);
}

static void
finish_message (JsonStream *s)
{
  g_autofree char *why = NULL;
  JsonNode *message = json_parse_tokens (s->text->str, &g_array_index (s->tokens, JsonToken, 0), s->tokens->len, &why);
  forget (s);                   /* first: the client may do anything */
  if (message)
    s->client.message (s->user, message);
  else
    s->client.error (s->user, why);
}

static void
finish_token (JsonStream *s, JsonTokenKind kind)
{
  JsonToken t = { kind, s->start, (unsigned) s->text->len - s->start };
  char c = kind == JSON_PUNCTUATION ? s->text->str[s->start] : 0;
  bool balanced = false;
  s->state = BETWEEN;
  s->start = (unsigned) s->text->len;
  g_array_append_val (s->tokens, t);
  s->braces += c == '{';
  s->brackets += c == '[';
  if (c == '}' || c == ']') {
    unsigned *open = c == '}' ? &s->braces : &s->brackets;
    balanced = *open == 0;      /* one that closes nothing: the parser says what is wrong */
    *open -= !balanced;
  }
  if (balanced || s->braces + s->brackets == 0)
    finish_message (s);
  else if (s->braces + s->brackets > JSON_STREAM_DEPTH)
    too_much (s, "JSON nesting depth limit exceeded");
  else if (s->tokens->len >= JSON_STREAM_TOKENS)
    too_much (s, "JSON token count limit exceeded");
}

/* --- characters --------------------------------------------------------------------------- */

static bool
is_structural (char c)
{
  return c && strchr ("{}[]:,", c);
}

static bool
is_of_number (char c)
{
  return g_ascii_isdigit (c) || (c && strchr ("+-.eE", c));
}

static bool
digits (const char **p)
{
  const char *first = *p;
  while (g_ascii_isdigit (**p))
    (*p)++;
  return *p > first;
}

static bool
is_number (const char *p)
{
  p += *p == '-';
  if (*p == '0' ? !p++ : !digits (&p))
    return false;
  if (*p == '.' && (p++, !digits (&p)))
    return false;
  if (*p == 'e' || *p == 'E') {
    p++;
    p += *p == '+' || *p == '-';
    if (!digits (&p))
      return false;
  }
  return *p == 0;
}

/* After a token's last character. */
static void
begin (JsonStream *s, char c)
{
  if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
    return;
  if (c == '"' || c == '\'') {
    s->quote = c;
    s->state = IN_STRING;
  } else if (is_structural (c)) {
    g_string_append_c (s->text, c);
    finish_token (s, JSON_PUNCTUATION);
  } else if (c == '-' || g_ascii_isdigit (c)) {
    g_string_append_c (s->text, c);
    s->state = IN_NUMBER;
  } else if (g_ascii_islower (c)) {
    g_string_append_c (s->text, c);
    s->state = IN_KEYWORD;
  } else {
    g_string_append_c (s->text, c);
    stray (s);
  }
}

static void
in_string (JsonStream *s, char c)
{
  if (s->state == IN_ESCAPE)
    s->state = IN_STRING;       /* which it is, the parser looks */
  else if (c == s->quote) {
    finish_token (s, JSON_STRING);
    return;
  } else if (c == '\\')
    s->state = IN_ESCAPE;
  g_string_append_c (s->text, c);
  if ((unsigned char) c < 0x20 || (unsigned char) c >= 0xfe) {
    s->state = IN_STRING;
    stray (s);
  }
}

/* true: the character was used; false: it is to be looked at once more. */
static bool
step (JsonStream *s, char c)
{
  switch (s->state) {
  case LOST:
  case SKIPPING:
    if ((unsigned char) c >= 0x20 && (unsigned char) c < 0xfe && !(s->state == LOST && is_structural (c)))
      return true;
    s->state = BETWEEN;
    return (unsigned char) c >= 0xfe;   /* what a client sends to be sure that nothing is left of what was before */
  case IN_STRING:
  case IN_ESCAPE:
    in_string (s, c);
    return true;
  case IN_NUMBER:
    if (is_of_number (c)) {
      g_string_append_c (s->text, c);
      return true;
    }
    if (is_number (s->text->str + s->start))
      finish_token (s, JSON_NUMBER);
    else
      stray (s);
    return false;
  case IN_KEYWORD:
    if (g_ascii_islower (c)) {
      g_string_append_c (s->text, c);
      return true;
    }
    finish_token (s, JSON_KEYWORD);
    return false;
  default:
    begin (s, c);
    return true;
  }
}

void
json_stream_feed (JsonStream *s, const char *bytes, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    while (!step (s, bytes[i]))
      ;
    if (s->text->len > JSON_STREAM_BYTES)
      too_much (s, "JSON token size limit exceeded");
  }
}
