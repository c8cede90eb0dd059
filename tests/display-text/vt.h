/* vt.h -- a small terminal: what a program wrote to it, as a screen of characters (the part of xterm that curses uses). */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DISPLAY_TEXT_VT_H
#define TESTS_DISPLAY_TEXT_VT_H

#include <glib.h>
#include <stdbool.h>

enum { VT_MOST_ROWS = 100, VT_MOST_COLUMNS = 250 };
enum { VT_BOLD = 1 << 0, VT_BLINK = 1 << 1, VT_REVERSE = 1 << 2 };

typedef struct VtCell {
  gunichar character;
  int foreground, background;   /* -1: the terminal's own */
  unsigned style;
} VtCell;

typedef struct Vt {
  int rows, columns, row, column, top, bottom, saved_row, saved_column;
  VtCell cells[VT_MOST_ROWS][VT_MOST_COLUMNS], pen;
  bool alternate, cursor_visible;
  gunichar last;
  char sequence[64], utf8[8];
  int sequence_length, utf8_length;
} Vt;

void vt_init (Vt *t, int columns, int rows);
void vt_resize (Vt *t, int columns, int rows);
void vt_write (Vt *t, const char *bytes, size_t n);
/* A row as UTF-8, without blanks at its end; free with g_free. */
char *vt_row (const Vt *t, int row);
/* Where a text is on the screen; false: nowhere. */
bool vt_find (const Vt *t, const char *text, int *row, int *column);

#endif
