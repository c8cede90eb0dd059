/* paint.c -- draws text screens as they are, and pictures in half blocks, with as many colours as the terminal has. */
/* SPDX-License-Identifier: MIT */
#include "paint.h"
#include "code-page.h"
#include "curses-wide.h"
#include "palette.h"
#include "terminal.h"
#include <stdio.h>

/* --- characters and colours --------------------------------------------------------------- */

/* The attributes and the pair of two colours out of 16. */
static attr_t
style_of (unsigned foreground, unsigned background, int *pair)
{
  static const uint8_t ansi[8] = { 0, 4, 2, 6, 1, 5, 3, 7 };    /* a PC's blue is the lowest bit */
  int fore = ansi[foreground & 7], back = ansi[background & 7];
  *pair = 0;
  if (COLORS >= 16) {
    *pair = alloc_pair (fore + (foreground & 8 ? 8 : 0), back + (background & 8 ? 8 : 0));
    return A_NORMAL;
  }
  attr_t bright = foreground & 8 ? A_BOLD : A_NORMAL;
  if (COLORS >= 8) {
    *pair = alloc_pair (fore, back);
    return bright;
  }
  return bright | (palette_brightness (background) > palette_brightness (foreground) ? A_REVERSE : A_NORMAL);
}

static void
put_character (const Paint *p, int y, int x, uint8_t character, attr_t attributes, int pair)
{
  wchar_t text[2] = { p->unicode ? code_page_unicode (character) : (wchar_t) code_page_ascii (character), 0 };
  cchar_t cell;
  setcchar (&cell, text, attributes, 0, &pair);
  mvadd_wch (y, x, &cell);
}

/* --- text ------------------------------------------------------------------------------------- */

static void
put_cell (const Paint *p, const BpScreenText *t, int y, int x, uint16_t cell)
{
  unsigned attribute = cell >> 8, background = attribute >> 4;
  int pair;
  bool blinks = t->blinks && attribute & 0x80;
  attr_t style = style_of (attribute & 15, t->blinks ? background & 7 : background, &pair);
  put_character (p, y, x, (uint8_t) cell, style | (blinks ? A_BLINK : A_NORMAL), pair);
}

/* Where the window begins along one direction: the cursor stays in it, unless the user has moved it away. */
static int
window_start (int size, int room, int cursor, int *pan)
{
  if (size <= room)
    return *pan = 0;
  int start = CLAMP (cursor - room + 1, 0, size - room), moved = CLAMP (start + *pan, 0, size - room);
  *pan = moved - start;
  return moved;
}

static void
paint_text (Paint *p, const BpScreenText *t)
{
  int columns = (int) t->columns, rows = (int) t->rows;
  int left = window_start (columns, COLS, t->cursor_visible ? (int) t->cursor_column : 0, &p->pan_column);
  int top = window_start (rows, LINES, t->cursor_visible ? (int) t->cursor_row : rows - 1, &p->pan_row);
  for (int y = 0; y < MIN (LINES, rows); y++)
    for (int x = 0; x < MIN (COLS, columns); x++)
      put_cell (p, t, y, x, t->cells[(y + top) * columns + x + left]);
  int y = (int) t->cursor_row - top, x = (int) t->cursor_column - left;
  bool shown = t->cursor_visible && y >= 0 && y < LINES && x >= 0 && x < COLS;
  curs_set (shown ? 1 : 0);
  if (shown) {
    terminal_shape_cursor (t->cursor_height);
    move (y, x);
  }
}

/* --- pictures ------------------------------------------------------------------------------------- */

typedef struct Scale {
  const BpScreenFrame *frame;
  uint32_t columns, lines;      /* of the result: two lines in a row of the terminal */
} Scale;

static Scale
scale_to_terminal (const BpScreenFrame *f)
{
  Scale s = { f, (uint32_t) COLS, (uint32_t) LINES * 2 };
  if ((uint64_t) f->width * s.lines > (uint64_t) f->height * s.columns)
    s.lines = MAX ((uint32_t) ((uint64_t) f->height * s.columns / f->width), 1);
  else
    s.columns = MAX ((uint32_t) ((uint64_t) f->width * s.lines / f->height), 1);
  return s;
}

/* The mean of a few dots of the area that becomes one. */
static uint32_t
sample (const Scale *s, uint32_t x, uint32_t y)
{
  enum { DOTS = 3 };
  const BpScreenFrame *f = s->frame;
  uint32_t red = 0, green = 0, blue = 0;
  for (uint32_t i = 0; i < DOTS * DOTS; i++) {
    uint64_t from_x = ((uint64_t) x * DOTS + i % DOTS) * f->width / (s->columns * DOTS), from_y = ((uint64_t) y * DOTS + i / DOTS) * f->height / (s->lines * DOTS);
    uint32_t dot = f->pixels[from_y * f->width + from_x];
    red += dot >> 16 & 255;
    green += dot >> 8 & 255;
    blue += dot & 255;
  }
  return red / (DOTS * DOTS) << 16 | green / (DOTS * DOTS) << 8 | blue / (DOTS * DOTS);
}

static void
put_half_blocks (const Paint *p, int y, int x, uint32_t upper, uint32_t lower)
{
  const uint8_t upper_half_block = 0xdf;
  int fore = palette_nearest (upper, COLORS), back = palette_nearest (lower, COLORS);
  put_character (p, y, x, p->unicode ? upper_half_block : ' ', A_NORMAL, alloc_pair (fore, back));
}

static void
paint_blocks (const Paint *p, const BpScreenFrame *f)
{
  Scale s = scale_to_terminal (f);
  for (uint32_t y = 0; y < s.lines; y += 2)
    for (uint32_t x = 0; x < s.columns; x++) {
      uint32_t upper = sample (&s, x, y), lower = y + 1 < s.lines ? sample (&s, x, y + 1) : 0;
      put_half_blocks (p, (int) (y / 2), (int) x, upper, lower);
    }
}

static void
paint_picture (const Paint *p, const BpScreenFrame *f)
{
  curs_set (0);
  if (p->pictures && COLORS >= 8)
    paint_blocks (p, f);
  else
    mvprintw (0, 0, "graphics, %u x %u", f->width, f->height);
}

/* --- message and help ------------------------------------------------------------------------------- */

static void
paint_line (int y, int x, int width, const char *text)
{
  attrset (A_REVERSE);
  mvprintw (y, x, "%-*.*s", width, width, text);
  attrset (A_NORMAL);
}

static void
paint_help (const char *const *lines)
{
  int width = 0, rows = 0;
  for (; lines[rows]; rows++)
    width = MAX (width, (int) strlen (lines[rows]));
  width = MIN (width + 2, COLS);
  int top = MAX ((LINES - rows) / 2, 0), left = (COLS - width) / 2;
  for (int i = 0; i < rows && top + i < LINES; i++) {
    g_autofree char *text = g_strconcat (" ", lines[i], NULL);
    paint_line (top + i, left, width, text);
  }
}

void
paint_all (Paint *p, const ScreenCopy *c)
{
  int y, x;
  erase ();
  switch (c->kind) {
  case COPY_NOTHING:
    curs_set (0);
    break;
  case COPY_TEXT:
    paint_text (p, &c->text);
    break;
  case COPY_PICTURE:
    paint_picture (p, &c->frame);
    break;
  }
  getyx (stdscr, y, x);
  if (p->help)
    paint_help (p->help);
  if (p->message)
    paint_line (LINES - 1, 0, MIN ((int) strlen (p->message), COLS - 1), p->message);
  move (y, x);
  refresh ();
}
