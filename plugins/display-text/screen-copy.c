/* screen-copy.c -- takes a copy of the adapter's screen, holding the machine lock no longer than that. */
/* SPDX-License-Identifier: MIT */
#include "screen-copy.h"

static bool
same_text (const ScreenCopy *c, const BpScreenText *t)
{
  const BpScreenText *o = &c->text;
  return c->kind == COPY_TEXT && o->columns == t->columns && o->rows == t->rows && o->cursor_column == t->cursor_column &&
         o->cursor_row == t->cursor_row && o->cursor_visible == t->cursor_visible && o->cursor_height == t->cursor_height && o->blinks == t->blinks &&
         memcmp (c->cells, t->cells, (size_t) t->columns * t->rows * sizeof *c->cells) == 0;
}

static bool
take_text (ScreenCopy *c, const BpScreenText *t)
{
  if (same_text (c, t))
    return false;
  size_t n = (size_t) t->columns * t->rows;
  c->cells = g_renew (uint16_t, c->cells, n);
  memcpy (c->cells, t->cells, n * sizeof *c->cells);
  c->text = *t;
  c->text.cells = c->cells;
  c->kind = COPY_TEXT;
  return true;
}

static bool
take_picture (ScreenCopy *c, const BpLink *screen)
{
  const BpScreenIface *t = screen->table;
  bool was_other = c->kind == COPY_TEXT;
  c->frame.struct_size = sizeof c->frame;
  t->update (screen->instance, &c->frame);
  CopyKind kind = c->frame.width && c->frame.height ? COPY_PICTURE : COPY_NOTHING;
  bool changed = was_other || kind != c->kind || c->frame.resized || c->frame.end_row;
  c->kind = kind;
  return changed;
}

bool
screen_copy_take (ScreenCopy *c, BpMachine *machine, const BpLink *screen, bool pictures)
{
  const BpScreenIface *t = screen->table;
  BpScreenText text = { .struct_size = sizeof text };
  bool changed = false;
  bp_machine_lock (machine);
  if (BP_TABLE_HAS (t, text) && t->text (screen->instance, &text))
    changed = take_text (c, &text);
  else if (pictures && BP_TABLE_HAS (t, update))
    changed = take_picture (c, screen);
  bp_machine_unlock (machine);
  return changed;
}

void
screen_copy_finish (ScreenCopy *c)
{
  g_clear_pointer (&c->cells, g_free);
  bp_screen_frame_clear (&c->frame);
}
