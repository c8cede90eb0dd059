/* paint.h -- a screen's copy, a message and a help text, drawn with curses. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_PAINT_H
#define DISPLAY_TEXT_PAINT_H

#include "screen-copy.h"

typedef struct Paint {
  bool unicode, pictures;
  int pan_column, pan_row;      /* what the user has moved the window by, when the terminal is smaller than the screen */
  const char *message;          /* on the last line; NULL: none */
  const char *const *help;      /* lines in a box; NULL: none */
} Paint;

void paint_all (Paint *p, const ScreenCopy *c);

#endif
