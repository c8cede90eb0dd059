/* line-edit.c -- a line that is typed at a terminal in raw mode: editing, history, completion. */
/* SPDX-License-Identifier: MIT */
#include "line-edit.h"
#include <stdio.h>
#include <string.h>

#define CTRL(c) ((c) & 0x1f)
#define ESC 0x1b

typedef enum State { PLAIN, ESCAPE, SEQUENCE, LETTER } State;  /* LETTER: after ESC O */

struct LineEdit {
  LineClient client;
  void *user;
  char *prompt;
  GString *text;
  size_t cursor;                /* byte in text */
  char *killed;                 /* what Ctrl-K, U and W took, for Ctrl-Y */
  GPtrArray *history;           /* of char * */
  guint at;                     /* in history; its length: the new line */
  char *unfinished;             /* the new line, while another is shown */
  State state;
  char sequence[16];            /* after ESC [ */
  size_t sequence_length;
  bool after_return;            /* a line feed is the return's other half */
  bool entered;
  bool listed;                  /* the last key completed nothing: the next one lists */
};

static void
forget (void *text)
{
  g_free (text);
}

LineEdit *
line_edit_new (const LineClient *client, void *user, const char *prompt)
{
  LineEdit *e = g_new0 (LineEdit, 1);
  e->client = *client;
  e->user = user;
  e->prompt = g_strdup (prompt);
  e->text = g_string_new (NULL);
  e->history = g_ptr_array_new_with_free_func (forget);
  return e;
}

void
line_edit_free (LineEdit *e)
{
  if (!e)
    return;
  g_free (e->prompt);
  g_free (e->killed);
  g_free (e->unfinished);
  g_string_free (e->text, TRUE);
  g_ptr_array_unref (e->history);
  g_free (e);
}

const char *
line_edit_text (const LineEdit *e)
{
  return e->text->str;
}

/* --- showing -------------------------------------------------------------------------------------- */

static void
write_text (LineEdit *e, const char *text)
{
  e->client.write (e->user, text, strlen (text));
}

/* Of UTF-8: bytes that begin no character take no column. */
static bool
continues (char c)
{
  return ((unsigned char) c & 0xc0) == 0x80;
}

static size_t
columns (const char *text, size_t size)
{
  size_t n = 0;
  for (size_t i = 0; i < size; i++)
    n += !continues (text[i]);
  return n;
}

/* The line anew, where it is. */
static void
show (LineEdit *e)
{
  size_t behind = columns (e->text->str + e->cursor, e->text->len - e->cursor);
  GString *out = g_string_new (NULL);
  g_string_append_printf (out, "\r%s%s\x1b[K", e->prompt, e->text->str);
  if (behind)
    g_string_append_printf (out, "\x1b[%zuD", behind);
  e->client.write (e->user, out->str, out->len);
  g_string_free (out, TRUE);
}

void
line_edit_prompt (LineEdit *e)
{
  show (e);
}

static void
bell (LineEdit *e)
{
  write_text (e, "\a");
}

/* --- moving ------------------------------------------------------------------------------------------ */

static size_t
before (const LineEdit *e, size_t at)
{
  while (at > 0 && continues (e->text->str[--at]))
    ;
  return at;
}

static size_t
behind (const LineEdit *e, size_t at)
{
  if (at < e->text->len)
    at++;
  while (at < e->text->len && continues (e->text->str[at]))
    at++;
  return at;
}

static bool
is_of_word (char c)
{
  return g_ascii_isalnum (c) || c == '_' || (unsigned char) c >= 0x80;
}

static size_t
word_before (const LineEdit *e, size_t at)
{
  while (at > 0 && !is_of_word (e->text->str[at - 1]))
    at--;
  while (at > 0 && is_of_word (e->text->str[at - 1]))
    at--;
  return at;
}

static size_t
word_behind (const LineEdit *e, size_t at)
{
  while (at < e->text->len && !is_of_word (e->text->str[at]))
    at++;
  while (at < e->text->len && is_of_word (e->text->str[at]))
    at++;
  return at;
}

static void
move (LineEdit *e, size_t to)
{
  e->cursor = to;
  show (e);
}

/* --- changing ------------------------------------------------------------------------------------------ */

static void
insert (LineEdit *e, const char *bytes, size_t size)
{
  if (e->text->len + size > LINE_MOST) {
    bell (e);
    return;
  }
  g_string_insert_len (e->text, (gssize) e->cursor, bytes, (gssize) size);
  e->cursor += size;
  if (e->cursor == e->text->len)
    e->client.write (e->user, bytes, size);
  else
    show (e);
}

static void
erase (LineEdit *e, size_t from, size_t to, bool keep)
{
  if (from >= to)
    return;
  if (keep) {
    g_free (e->killed);
    e->killed = g_strndup (e->text->str + from, to - from);
  }
  g_string_erase (e->text, (gssize) from, (gssize) (to - from));
  move (e, from);
}

static void
transpose (LineEdit *e)
{
  size_t second = e->cursor == e->text->len ? before (e, e->cursor) : e->cursor, first = before (e, second), end = behind (e, second);
  if (second == 0)
    return;
  g_autofree char *moved = g_strndup (e->text->str + first, second - first);
  g_string_erase (e->text, (gssize) first, (gssize) (second - first));
  g_string_insert (e->text, (gssize) (first + end - second), moved);
  move (e, end);
}

static void
set_text (LineEdit *e, const char *text)
{
  g_string_assign (e->text, text);
  move (e, e->text->len);
}

/* --- history ---------------------------------------------------------------------------------------------- */

static void
recall (LineEdit *e, int direction)
{
  if ((direction < 0 && e->at == 0) || (direction > 0 && e->at == e->history->len))
    return;
  if (e->at == e->history->len) {
    g_free (e->unfinished);
    e->unfinished = g_strdup (e->text->str);
  }
  e->at += (guint) direction;
  set_text (e, e->at < e->history->len ? e->history->pdata[e->at] : e->unfinished);
}

static void
remember (LineEdit *e, const char *line)
{
  const char *last = e->history->len ? e->history->pdata[e->history->len - 1] : "";
  if (*line && *line != ' ' && strcmp (line, last) != 0) {
    if (e->history->len == LINE_HISTORY)
      g_ptr_array_remove_index (e->history, 0);
    g_ptr_array_add (e->history, g_strdup (line));
  }
  e->at = e->history->len;
}

static void
enter (LineEdit *e)
{
  g_autofree char *line = g_strdup (e->text->str);
  if (e->cursor < e->text->len)
    move (e, e->text->len);
  write_text (e, "\r\n");
  g_string_truncate (e->text, 0);
  e->cursor = 0;
  remember (e, line);
  e->entered = true;
  e->client.entered (e->user, line);
}

/* --- completion ---------------------------------------------------------------------------------------------- */

static size_t
common_length (const GPtrArray *words)
{
  const char *first = words->pdata[0];
  size_t length = strlen (first);
  for (guint i = 1; i < words->len; i++) {
    const char *word = words->pdata[i];
    size_t n = 0;
    while (n < length && word[n] == first[n])
      n++;
    length = n;
  }
  return length;
}

/* Below the line, in columns. */
static void
list (LineEdit *e, const GPtrArray *words)
{
  size_t width = 0;
  GString *out = g_string_new ("\r\n");
  for (guint i = 0; i < words->len; i++)
    width = MAX (width, strlen (words->pdata[i]) + 2);
  guint per_line = (guint) MAX (1, 80 / width);
  for (guint i = 0; i < words->len; i++) {
    bool last = i + 1 == words->len || (i + 1) % per_line == 0;
    g_string_append_printf (out, "%-*s%s", last ? 0 : (int) width, (char *) words->pdata[i], last ? "\r\n" : "");
  }
  e->client.write (e->user, out->str, out->len);
  g_string_free (out, TRUE);
  show (e);
}

static int
by_name (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* A word that is the only one is finished with a blank, a folder with nothing. */
static void
complete (LineEdit *e)
{
  size_t start = e->cursor;
  g_autofree char *text = g_strndup (e->text->str, e->cursor);
  GPtrArray *words = e->client.complete ? e->client.complete (e->user, text, &start) : NULL;
  if (!words || words->len == 0) {
    bell (e);
  } else {
    const char *first = words->pdata[0];
    size_t have = e->cursor - start, common = common_length (words);
    char last = common ? first[common - 1] : 0;
    if (common > have)
      insert (e, first + have, common - have);
    if (words->len == 1 && last != '/' && last != '.')
      insert (e, " ", 1);
    else if (words->len > 1 && common == have) {
      if (e->listed) {
        g_ptr_array_sort (words, by_name);
        list (e, words);
      } else {
        bell (e);
      }
      e->listed = !e->listed;
    }
  }
  if (words)
    g_ptr_array_unref (words);
}

/* --- keys ------------------------------------------------------------------------------------------------------ */

static void
clear_screen (LineEdit *e)
{
  write_text (e, "\x1b[H\x1b[2J");
  show (e);
}

/* false: it is no control key. */
static bool
control_key (LineEdit *e, char c)
{
  switch (c) {
  case CTRL ('A'): move (e, 0); break;
  case CTRL ('B'): move (e, before (e, e->cursor)); break;
  case CTRL ('E'): move (e, e->text->len); break;
  case CTRL ('F'): move (e, behind (e, e->cursor)); break;
  case CTRL ('H'): case 0x7f: erase (e, before (e, e->cursor), e->cursor, false); break;
  case CTRL ('K'): erase (e, e->cursor, e->text->len, true); break;
  case CTRL ('L'): clear_screen (e); break;
  case CTRL ('N'): recall (e, 1); break;
  case CTRL ('P'): recall (e, -1); break;
  case CTRL ('T'): transpose (e); break;
  case CTRL ('U'): erase (e, 0, e->cursor, true); break;
  case CTRL ('W'): erase (e, word_before (e, e->cursor), e->cursor, true); break;
  case CTRL ('Y'):
    if (e->killed)
      insert (e, e->killed, strlen (e->killed));
    break;
  case CTRL ('C'):
    write_text (e, "^C\r\n");
    e->at = e->history->len;
    set_text (e, "");
    break;
  case CTRL ('D'):
    if (e->text->len == 0)
      e->client.left (e->user);
    else
      erase (e, e->cursor, behind (e, e->cursor), false);
    break;
  case '\t': complete (e); break;
  case '\r': enter (e); break;
  case '\n':
    if (!e->after_return)
      enter (e);
    break;
  default: return (unsigned char) c < 0x20;
  }
  return true;
}

/* ESC [ ... and ESC O ...; numbers and modifiers as xterm and the Linux console send them. */
static void
cursor_key (LineEdit *e, char last)
{
  bool modified = strchr (e->sequence, ';') != NULL;
  switch (last) {
  case 'A': recall (e, -1); break;
  case 'B': recall (e, 1); break;
  case 'C': move (e, modified ? word_behind (e, e->cursor) : behind (e, e->cursor)); break;
  case 'D': move (e, modified ? word_before (e, e->cursor) : before (e, e->cursor)); break;
  case 'H': move (e, 0); break;
  case 'F': move (e, e->text->len); break;
  case '~':
    switch (*e->sequence) {
    case '1': case '7': move (e, 0); break;
    case '3': erase (e, e->cursor, behind (e, e->cursor), false); break;
    case '4': case '8': move (e, e->text->len); break;
    default: break;
    }
    break;
  default: break;
  }
}

static void
escape_key (LineEdit *e, char c)
{
  e->state = c == '[' ? SEQUENCE : c == 'O' ? LETTER : PLAIN;
  e->sequence_length = 0;
  memset (e->sequence, 0, sizeof e->sequence);
  switch (c) {
  case 'b': move (e, word_before (e, e->cursor)); break;
  case 'f': move (e, word_behind (e, e->cursor)); break;
  case 'd': erase (e, e->cursor, word_behind (e, e->cursor), true); break;
  case CTRL ('H'): case 0x7f: erase (e, word_before (e, e->cursor), e->cursor, true); break;
  case ESC: e->state = ESCAPE; break;
  default: break;
  }
}

static void
key (LineEdit *e, char c)
{
  switch (e->state) {
  case ESCAPE:
    escape_key (e, c);
    return;
  case LETTER:
    e->state = PLAIN;
    cursor_key (e, c);
    return;
  case SEQUENCE:
    if (c >= 0x40 && c < 0x7f) {
      e->state = PLAIN;
      cursor_key (e, c);
    } else if ((unsigned char) c < 0x20 || e->sequence_length + 1 >= sizeof e->sequence) {
      e->state = PLAIN;
    } else {
      e->sequence[e->sequence_length++] = c;
    }
    return;
  default:
    if (c == ESC)
      e->state = ESCAPE;
    else if (!control_key (e, c))
      insert (e, &c, 1);
  }
}

size_t
line_edit_input (LineEdit *e, const char *bytes, size_t size)
{
  e->entered = false;
  for (size_t i = 0; i < size; i++) {
    char c = bytes[i];
    if (c != '\t')
      e->listed = false;
    key (e, c);
    e->after_return = c == '\r';
    if (e->entered)
      return i + 1;
  }
  return size;
}
