/* vt.c -- a small terminal: what a program wrote to it, as a screen of characters (the part of xterm that curses uses). */
/* SPDX-License-Identifier: MIT */
#include "vt.h"
#include <stdlib.h>
#include <string.h>

static const VtCell plain = { ' ', -1, -1, 0 };

/* --- the screen ------------------------------------------------------------------------ */

static void
blank (Vt *t, int row, int from, int end)
{
  for (int x = MAX (from, 0); x < MIN (end, t->columns); x++)
    t->cells[row][x] = (VtCell) { ' ', t->pen.foreground, t->pen.background, 0 };
}

static void
move_to (Vt *t, int row, int column)
{
  t->row = CLAMP (row, 0, t->rows - 1);
  t->column = CLAMP (column, 0, t->columns - 1);
}

static void
scroll (Vt *t, int top, int n)
{
  for (int i = 0; i < ABS (n); i++) {
    if (n > 0)
      memmove (t->cells[top], t->cells[top + 1], (size_t) (t->bottom - top) * sizeof t->cells[0]);
    else
      memmove (t->cells[top + 1], t->cells[top], (size_t) (t->bottom - top) * sizeof t->cells[0]);
    blank (t, n > 0 ? t->bottom : top, 0, t->columns);
  }
}

static void
line_feed (Vt *t)
{
  if (t->row == t->bottom)
    scroll (t, t->top, 1);
  else
    move_to (t, t->row + 1, t->column);
}

static void
put (Vt *t, gunichar c)
{
  if (t->column >= t->columns) {
    t->column = 0;
    line_feed (t);
  }
  t->last = c;
  t->cells[t->row][t->column] = t->pen;
  t->cells[t->row][t->column].character = c;
  t->column++;
}

static void
shift_cells (Vt *t, int n)
{
  VtCell *row = t->cells[t->row];
  int left = t->columns - t->column;
  n = CLAMP (n, -left, left);
  if (n > 0)
    memmove (row + t->column + n, row + t->column, (size_t) (left - n) * sizeof *row);
  else
    memmove (row + t->column, row + t->column - n, (size_t) (left + n) * sizeof *row);
  blank (t, t->row, n > 0 ? t->column : t->columns + n, n > 0 ? t->column + n : t->columns);
}

void
vt_resize (Vt *t, int columns, int rows)
{
  t->columns = MIN (columns, VT_MOST_COLUMNS);
  t->rows = MIN (rows, VT_MOST_ROWS);
  t->top = 0;
  t->bottom = t->rows - 1;
  move_to (t, t->row, t->column);
}

void
vt_init (Vt *t, int columns, int rows)
{
  memset (t, 0, sizeof *t);
  t->pen = plain;
  t->cursor_visible = true;
  for (int y = 0; y < VT_MOST_ROWS; y++)
    for (int x = 0; x < VT_MOST_COLUMNS; x++)
      t->cells[y][x] = plain;
  vt_resize (t, columns, rows);
}

/* --- sequences ---------------------------------------------------------------------------- */

/* The numbers of a sequence; what is left out is 0. */
static int
numbers (const char *text, int number[16])
{
  int n = 0;
  memset (number, 0, 16 * sizeof *number);
  for (; *text && n < 16; text++)
    if (*text == ';')
      n++;
    else if (*text >= '0' && *text <= '9')
      number[n] = number[n] * 10 + *text - '0';
  return MIN (n + 1, 16);
}

static void
set_style (Vt *t, int n, const int *number)
{
  for (int i = 0; i < n; i++) {
    int c = number[i];
    if (c == 0)
      t->pen = plain;
    else if (c == 1 || c == 5 || c == 7)
      t->pen.style |= c == 1 ? VT_BOLD : c == 5 ? VT_BLINK : VT_REVERSE;
    else if (c == 22 || c == 25 || c == 27)
      t->pen.style &= ~(unsigned) (c == 22 ? VT_BOLD : c == 25 ? VT_BLINK : VT_REVERSE);
    else if ((c == 38 || c == 48) && i + 2 < n && number[i + 1] == 5) {
      *(c == 38 ? &t->pen.foreground : &t->pen.background) = number[i + 2];
      i += 2;
    } else if ((c >= 30 && c <= 37) || c == 39)
      t->pen.foreground = c == 39 ? -1 : c - 30;
    else if ((c >= 40 && c <= 47) || c == 49)
      t->pen.background = c == 49 ? -1 : c - 40;
    else if (c >= 90 && c <= 97)
      t->pen.foreground = c - 90 + 8;
    else if (c >= 100 && c <= 107)
      t->pen.background = c - 100 + 8;
  }
}

static void
set_mode (Vt *t, int mode, bool on)
{
  if (mode == 25)
    t->cursor_visible = on;
  if (mode == 1049 || mode == 47)
    t->alternate = on;
}

static void
erase (Vt *t, int what, bool lines)
{
  blank (t, t->row, what == 0 ? t->column : 0, what == 1 ? t->column + 1 : t->columns);
  for (int y = 0; lines && y < t->rows; y++)
    if ((y > t->row && what != 1) || (y < t->row && what != 0))
      blank (t, y, 0, t->columns);
}

static void
csi (Vt *t, char final)
{
  int number[16];
  bool private = t->sequence[1] == '?';
  int n = numbers (t->sequence + 1, number), one = MAX (number[0], 1);
  switch (final) {
  case 'A': move_to (t, t->row - one, t->column); break;
  case 'B': move_to (t, t->row + one, t->column); break;
  case 'C': move_to (t, t->row, t->column + one); break;
  case 'D': move_to (t, t->row, t->column - one); break;
  case 'G': move_to (t, t->row, one - 1); break;
  case 'd': move_to (t, one - 1, t->column); break;
  case 'H': case 'f': move_to (t, one - 1, MAX (number[1], 1) - 1); break;
  case 'J': erase (t, number[0], true); break;
  case 'K': erase (t, number[0], false); break;
  case 'X': blank (t, t->row, t->column, t->column + one); break;
  case '@': shift_cells (t, one); break;
  case 'P': shift_cells (t, -one); break;
  case 'L': scroll (t, t->row, -one); break;
  case 'M': scroll (t, t->row, one); break;
  case 'S': scroll (t, t->top, one); break;
  case 'T': scroll (t, t->top, -one); break;
  case 'b': for (int i = 0; i < one; i++) put (t, t->last); break;
  case 'm': set_style (t, n, number); break;
  case 'r':
    t->top = CLAMP (one - 1, 0, t->rows - 1);
    t->bottom = number[1] ? CLAMP (number[1] - 1, t->top, t->rows - 1) : t->rows - 1;
    move_to (t, 0, 0);
    break;
  case 'h': case 'l':
    for (int i = 0; private && i < n; i++)
      set_mode (t, number[i], final == 'h');
    break;
  default: break;
  }
}

/* False: more of it follows. */
static bool
sequence (Vt *t)
{
  char first = t->sequence[0], last = t->sequence[t->sequence_length - 1];
  if (first == '[') {
    if (t->sequence_length == 1 || last < 0x40 || last > 0x7e)
      return t->sequence_length == sizeof t->sequence - 1;
    csi (t, last);
    return true;
  }
  if (first == ']')
    return last == 7 || last == '\\' || t->sequence_length == sizeof t->sequence - 1;
  if (first == '(' || first == ')')
    return t->sequence_length == 2;
  if (first == 'M' && t->row == t->top)
    scroll (t, t->top, -1);
  else if (first == 'M')
    move_to (t, t->row - 1, t->column);
  if (first == '7') {
    t->saved_row = t->row;
    t->saved_column = t->column;
  } else if (first == '8')
    move_to (t, t->saved_row, t->saved_column);
  return true;
}

static void
control (Vt *t, char c)
{
  switch (c) {
  case '\r': t->column = 0; break;
  case '\n': line_feed (t); break;
  case '\b': move_to (t, t->row, t->column - 1); break;
  case '\t': move_to (t, t->row, (t->column | 7) + 1); break;
  default: break;
  }
}

static void
take (Vt *t, char c)
{
  if (t->sequence_length || c == 0x1b) {
    if (c == 0x1b) {
      t->sequence_length = 1;   /* counted from 1 while one is read, so that 0 is none */
      memset (t->sequence, 0, sizeof t->sequence);
      return;
    }
    t->sequence[t->sequence_length++ - 1] = c;
    t->sequence_length--;
    bool done = sequence (t);
    t->sequence_length = done ? 0 : t->sequence_length + 1;
    return;
  }
  if ((unsigned char) c < ' ' || c == 0x7f) {
    control (t, c);
    return;
  }
  t->utf8[t->utf8_length++] = c;
  gunichar whole = g_utf8_get_char_validated (t->utf8, t->utf8_length);
  if (whole == (gunichar) -2 && t->utf8_length < 6)
    return;
  t->utf8_length = 0;
  put (t, whole >= (gunichar) -2 ? '?' : whole);
}

void
vt_write (Vt *t, const char *bytes, size_t n)
{
  for (size_t i = 0; i < n; i++)
    take (t, bytes[i]);
}

char *
vt_row (const Vt *t, int row)
{
  GString *s = g_string_new (NULL);
  for (int x = 0; x < t->columns; x++)
    g_string_append_unichar (s, t->cells[row][x].character);
  return g_strchomp (g_string_free (s, FALSE));
}

bool
vt_find (const Vt *t, const char *text, int *row, int *column)
{
  for (*row = 0; *row < t->rows; ++*row) {
    g_autofree char *line = vt_row (t, *row);
    const char *at = strstr (line, text);
    if (!at)
      continue;
    *column = (int) g_utf8_strlen (line, at - line);
    return true;
  }
  return false;
}
