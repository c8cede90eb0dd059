/* machine-reader.c -- a descriptor's text through inih, every line made harmless before inih sees it. */
/* SPDX-License-Identifier: MIT */
/*
 * inih has traps that return success: an indented line continues the previous value, ` ;` cuts a value, long
 * section names and lines are truncated,
 * `:` separates, empty and repeated sections pass unseen.  So ini_parse_stream is fed from here: each line of
 * the file becomes several short ones, in which nothing is indented, every doubtful byte is written as %XX,
 * and long texts come in pieces: [device com1]   ->   [7]   @section=device%20com1   @end= append = a ; b  ->
 * append=-   @whole=a%20%3Bb   @bare=a   @end=
 */
#include "descriptor.h"
#include <ini.h>
#include <string.h>

#define KEY_MAX_LENGTH 63
#define SECTION_MAX_LENGTH 4096

typedef struct Reader {
  const ReaderClient *client;
  void *user;
  const char *file;
  GStringChunk *strings;
  const char *at, *end;         /* what is left of the file */
  Origin origin;                /* of the line being fed */
  unsigned n_sections;
  GPtrArray *feed;              /* of char *: short lines inih has still to read */
  guint fed;
  /* collected by the handler until @end */
  char *key;
  bool is_section, quoted, extends, has_bare;
  GString *whole, *bare;
} Reader;

/* --- text --------------------------------------------------------------------------------- */

bool
reader_is_key (const char *text, size_t length)
{
  if (length == 0 || length > KEY_MAX_LENGTH)
    return false;
  for (size_t i = 0; i < length; i++)
    if (!g_ascii_isalnum (text[i]) && !strchr ("-_.", text[i]))
      return false;
  return true;
}

static bool
is_blank (char c)
{
  return c == ' ' || c == '\t';
}

/* The part before a comment: `;` at the start or after a blank. */
static char *
without_comment (const char *text)
{
  for (const char *p = text; *p; p++)
    if (*p == ';' && (p == text || is_blank (p[-1])))
      return g_strchomp (g_strndup (text, (gsize) (p - text)));
  return g_strdup (text);
}

static char *
split_quoted (const char *text, char **whole)
{
  g_autoptr (GString) out = g_string_new (NULL);
  const char *p = text + 1;
  for (; *p && *p != '"'; p++) {
    if (*p != '\\') {
      g_string_append_c (out, *p);
      continue;
    }
    p++;
    if (*p == '"' || *p == '\\')
      g_string_append_c (out, *p);
    else if (*p == 'n')
      g_string_append_c (out, '\n');
    else if (*p == 't')
      g_string_append_c (out, '\t');
    else
      return g_strdup ("a quoted value knows \\\" \\\\ \\n and \\t only");
  }
  if (!*p)
    return g_strdup ("the closing quote is missing");
  p++;
  bool apart = is_blank (*p);
  while (is_blank (*p))
    p++;
  if (*p && !(apart && (*p == ';' || *p == '#')))
    return g_strdup ("text after the closing quote; put the quotes around the whole value (and \\\" inside)");
  *whole = g_string_free (g_steal_pointer (&out), FALSE);
  return NULL;
}

static char *
reader_split_value (const char *text, char **whole, char **bare, bool *quoted)
{
  while (is_blank (*text))
    text++;
  *whole = *bare = NULL;
  *quoted = *text == '"';
  if (*quoted) {
    char *wrong = split_quoted (text, whole);
    if (!wrong)
      *bare = g_strdup (*whole);
    return wrong;
  }
  *whole = g_strchomp (g_strdup (text));
  *bare = without_comment (*whole);
  return NULL;
}

/* --- short lines for inih ----------------------------------------------------------------- */

static void
push_text (Reader *r, const char *name, const char *text)
{
  static const char digits[] = "0123456789ABCDEF";
  GString *line = g_string_new (name);
  g_string_append_c (line, '=');
  gsize prefix = line->len;
  for (const char *p = text; *p; p++) {
    unsigned char c = (unsigned char) *p;
    if (line->len > 90) {
      g_ptr_array_add (r->feed, g_string_free (line, FALSE));
      line = g_string_new (name);
      g_string_append_c (line, '=');
    }
    if (g_ascii_isalnum (*p) || (c < 0x80 && strchr ("-_./,@\"'", *p))) {
      g_string_append_c (line, *p);
    } else {
      g_string_append_c (line, '%');
      g_string_append_c (line, digits[c >> 4]);
      g_string_append_c (line, digits[c & 15]);
    }
  }
  if (line->len > prefix)
    g_ptr_array_add (r->feed, g_string_free (line, FALSE));
  else
    g_string_free (line, TRUE);
}

static void
push_decoded (GString *out, const char *text)
{
  for (const char *p = text; *p; p++) {
    if (*p == '%' && p[1] && p[2]) {
      g_string_append_c (out, (char) (g_ascii_xdigit_value (p[1]) << 4 | g_ascii_xdigit_value (p[2])));
      p += 2;
    } else {
      g_string_append_c (out, *p);
    }
  }
}

static void
wrong_line (Reader *r, const char *key, const char *message)
{
  r->client->error (r->user, &r->origin, key, message);
}

static void
feed_section (Reader *r, const char *line)
{
  const char *close = strchr (line, ']');
  if (!close) {
    wrong_line (r, NULL, "the section line has no `]`");
    return;
  }
  const char *rest = close + 1;
  while (is_blank (*rest))
    rest++;
  if (*rest && *rest != ';' && *rest != '#') {
    wrong_line (r, NULL, "text after the section's `]`");
    return;
  }
  if (close - line > SECTION_MAX_LENGTH) {
    wrong_line (r, NULL, "the section's name is too long");
    return;
  }
  g_autofree char *inner = g_strstrip (g_strndup (line + 1, (gsize) (close - line - 1)));
  g_ptr_array_add (r->feed, g_strdup_printf ("[%u]", ++r->n_sections));
  push_text (r, "@section", *inner ? inner : " ");
  g_ptr_array_add (r->feed, g_strdup ("@end="));
}

static void
feed_value (Reader *r, const char *line)
{
  const char *equals = strchr (line, '='), *colon = strchr (line, ':');
  if (!equals) {
    wrong_line (r, NULL,
                colon ? "`:` does not separate a key from its value; write `key = value`"
                      : "neither `[kind name]` nor `key = value`");
    return;
  }
  const char *key_end = equals;
  bool extends = equals > line && equals[-1] == '+';
  if (extends)
    key_end--;
  while (key_end > line && is_blank (key_end[-1]))
    key_end--;
  if (!reader_is_key (line, (size_t) (key_end - line))) {
    const char *why = "a key is made of letters, digits, `-`, `_` and `.`";
    if (key_end == line)
      why = "there is no key before `=`";
    else if (key_end - line > KEY_MAX_LENGTH)
      why = "the key is longer than 63 characters";
    else if (colon && colon < equals)
      why = "`:` does not separate a key from its value; write `key = value`";
    wrong_line (r, NULL, why);
    return;
  }
  g_autofree char *key = g_strndup (line, (gsize) (key_end - line));
  g_autofree char *whole = NULL;
  g_autofree char *bare = NULL;
  bool quoted;
  g_autofree char *wrong = reader_split_value (equals + 1, &whole, &bare, &quoted);
  if (wrong) {
    wrong_line (r, key, wrong);
    return;
  }
  g_ptr_array_add (r->feed, g_strdup_printf ("%s=%c%c%c", key, quoted ? 'q' : '-', extends ? 'x' : '-',
                                             strcmp (whole, bare) ? 'b' : '-'));
  push_text (r, "@whole", whole);
  if (strcmp (whole, bare) != 0)
    push_text (r, "@bare", bare);
  g_ptr_array_add (r->feed, g_strdup ("@end="));
}

/* --- lines of the file -------------------------------------------------------------------- */

/* The line as it may be shown: bytes a terminal would act on become `?`. */
static char *
printable (const char *line, size_t length)
{
  char *shown = g_utf8_make_valid (line, (gssize) length);
  for (char *p = shown; *p; p++)
    if (((unsigned char) *p < 0x20 && *p != '\t') || *p == 0x7f)
      *p = '?';
  return g_strchomp (shown);
}

static void
take_line (Reader *r)
{
  const char *start = r->at, *newline = memchr (start, '\n', (size_t) (r->end - start));
  size_t length = newline ? (size_t) (newline - start) : (size_t) (r->end - start);
  r->at = newline ? newline + 1 : r->end;
  r->origin.line++;
  if (length > 0 && start[length - 1] == '\r')
    length--;
  g_autofree char *shown = printable (start, length);
  r->origin.text = g_string_chunk_insert (r->strings, shown);
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char) start[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) {
      g_autofree char *message = g_strdup_printf ("control byte 0x%02x in column %zu", c, i + 1);
      wrong_line (r, NULL, message);
      return;
    }
  }
  while (length > 0 && is_blank (*start)) {
    start++;
    length--;
  }
  if (length == 0 || *start == ';' || *start == '#')
    return;
  g_autofree char *line = g_strndup (start, length);
  if (*line == '[')
    feed_section (r, line);
  else
    feed_value (r, line);
}

/* inih's fgets. */
static char *
next_line (char *buffer, int size, void *stream)
{
  Reader *r = stream;
  while (r->fed == r->feed->len) {
    if (r->at == r->end)
      return NULL;
    g_ptr_array_set_size (r->feed, 0);
    r->fed = 0;
    take_line (r);
  }
  const char *line = r->feed->pdata[r->fed++];
  g_assert (strlen (line) + 2 < (size_t) size);
  g_snprintf (buffer, (gulong) size, "%s\n", line);
  return buffer;
}

/* --- inih's handler ----------------------------------------------------------------------- */

static void
end_section (Reader *r)
{
  char *text = g_strstrip (r->whole->str);
  char *name = text;
  while (*name && !is_blank (*name))
    name++;
  if (*name)
    *name++ = 0;
  while (is_blank (*name))
    name++;
  r->client->section (r->user, &r->origin, text, name);
}

static void
end_value (Reader *r)
{
  ReaderValue v = { .key = r->key, .whole = r->whole->str, .bare = r->has_bare ? r->bare->str : r->whole->str,
                    .quoted = r->quoted, .extends = r->extends };
  r->client->value (r->user, &r->origin, &v);
}

static int
#if INI_HANDLER_LINENO
take_pair (void *user, const char *section, const char *name, const char *text, int line)
#else
take_pair (void *user, const char *section, const char *name, const char *text)
#endif
{
  Reader *r = user;
  if (!name || !text)           /* an inih that announces sections */
    return 1;
  if (strcmp (name, "@whole") == 0 || strcmp (name, "@section") == 0) {
    if (name[1] == 's' && !r->is_section) {
      r->is_section = true;
      g_string_truncate (r->whole, 0);
    }
    push_decoded (r->whole, text);
  } else if (strcmp (name, "@bare") == 0) {
    push_decoded (r->bare, text);
  } else if (strcmp (name, "@end") == 0) {
    if (r->is_section)
      end_section (r);
    else
      end_value (r);
    r->is_section = false;
    g_string_truncate (r->whole, 0);
    g_string_truncate (r->bare, 0);
  } else {
    g_free (r->key);
    r->key = g_strdup (name);
    r->quoted = text[0] == 'q';
    r->extends = text[0] && text[1] == 'x';
    r->has_bare = text[0] && text[1] && text[2] == 'b';
  }
  return 1;
}

void
reader_read (const char *data, size_t size, const char *file, GStringChunk *strings,
             const ReaderClient *client, void *user)
{
  if (size == 0)
    return;
  Reader r = {
    .client = client, .user = user, .file = file, .strings = strings, .at = data, .end = data + size
  };
  if (size >= 3 && memcmp (data, "\xef\xbb\xbf", 3) == 0)
    r.at += 3;
  r.origin.file = file;
  r.feed = g_ptr_array_new_with_free_func (g_free);
  r.whole = g_string_new (NULL);
  r.bare = g_string_new (NULL);
  int failed = ini_parse_stream (next_line, &r, take_pair, &r);
  if (failed)
    wrong_line (&r, NULL, "inih could not parse this line");
  g_ptr_array_unref (r.feed);
  g_string_free (r.whole, TRUE);
  g_string_free (r.bare, TRUE);
  g_free (r.key);
}
