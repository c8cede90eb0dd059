/* vga-screen.c -- which lines of the picture changed since whom: bp.screen/1 of the VGA. */
/* SPDX-License-Identifier: MIT */
/*
 * A serial counts the looks at video RAM that found something new.  Pages that the dirty log names, and the rows of a text screen, keep the serial
 * of their last change, so that each asker gets what changed since its own, although the log's bits are cleared once.
 */
#include <backplane/object.h>
#include <string.h>
#include "vga.h"

#define PAGE 4096u
#define SCANNED_SIZE 0x40000u   /* what the CRTC reaches */
#define LINE_WORDS 4608u        /* more than any line with what panning brings in */
enum { CURSOR_FRAMES = 16, BLINK_FRAMES = 32 };

/* --- video RAM ---------------------------------------------------------------------------- */

static void
shown_span (const VgaMode *m, uint64_t *first, uint64_t *size)
{
  bool linear = m->kind >= VGA_LINEAR_4;
  *first = linear ? m->base & ~(PAGE - 1) : 0;
  *size = m->kind <= VGA_BLANK ? 0 : linear ? m->base - *first + (uint64_t) m->pitch * m->height + PAGE : SCANNED_SIZE;
}

/* Bits are cleared before anything is read: a write that comes later sets them again. */
static bool
take_dirty_pages (Vga *v, uint64_t serial)
{
  uint64_t first, size, at;
  shown_span (&v->picture.mode, &first, &size);
  size = MIN (size, v->vram_size - first);
  if (!size)
    return false;
  bp_dirty_sync (v->vram_address + first, size);
  bool any = false;
  for (at = first; at < first + size; at += PAGE) {
    uint64_t start = at;
    while (at < first + size && bp_dirty_test (BP_DIRTY_DISPLAY, v->vram_address + at)) {
      v->picture.page_serial[at / PAGE] = serial;
      at += PAGE;
    }
    if (at == start)
      continue;
    bp_dirty_clear (BP_DIRTY_DISPLAY, v->vram_address + start, at - start);
    any = true;
  }
  return any;
}

static uint64_t
newest (const Vga *v, uint64_t first, uint64_t end)
{
  uint64_t serial = 0;
  for (uint64_t page = first / PAGE; page <= (MIN (end, v->vram_size) - 1) / PAGE; page++)
    serial = MAX (serial, v->picture.page_serial[page]);
  return serial;
}

/* --- text: characters, fonts, cursor, blinking -------------------------------------------------- */

static bool
take_font (Vga *v, unsigned n)
{
  uint8_t *seen = v->picture.fonts[n];
  bool changed = false;
  for (unsigned i = 0; i < 0x2000; i++) {
    uint8_t is = (uint8_t) (vga_planes (v, v->picture.mode.font[n] + i) >> 16);
    changed |= is != seen[i];
    seen[i] = is;
  }
  return changed;
}

static void
take_row (Vga *v, unsigned row, uint64_t serial)
{
  VgaPicture *p = &v->picture;
  VgaTextRow *r = &p->rows[row];
  uint16_t *seen = p->cells + row * (p->mode.columns + 1);
  r->blinks = false;
  for (unsigned i = 0; i < p->mode.columns + (p->mode.panning ? 1 : 0); i++) {
    uint16_t is = (uint16_t) vga_planes (v, vga_cell (&p->mode, r->counter, i, 0));
    r->blinks |= is >> 15;
    if (is != seen[i])
      r->serial = serial;
    seen[i] = is;
  }
}

static void
take_text (Vga *v, uint64_t serial)
{
  VgaPicture *p = &v->picture;
  bool fonts = take_font (v, 0);
  fonts |= take_font (v, 1);
  if (fonts || p->mode.addressing & (ADDRESS_SCAN_13 | ADDRESS_SCAN_14))        /* then a row has more than one line of characters */
    p->mode_serial = serial;
  for (unsigned row = 0; row < p->n_rows; row++)
    take_row (v, row, serial);
}

/* The cursor's column in a row; -1: it is elsewhere. */
static int
cursor_column (const Vga *v, const VgaTextRow *r)
{
  unsigned at = ((unsigned) v->cr[CR_CURSOR_HIGH] << 8 | v->cr[CR_CURSOR_HIGH + 1]) + (v->cr[CR_CURSOR_END] >> 5 & 3);
  unsigned column = (at - r->counter) & 0xffff;
  return column < v->picture.mode.columns ? (int) column : -1;
}

static bool cursor_is_on (const Vga *v) { return !(v->cr[CR_CURSOR_START] & 0x20) && (v->cr[CR_CURSOR_START] & 31) <= (v->cr[CR_CURSOR_END] & 31); }

static bool
take_cursor (Vga *v, uint64_t serial)
{
  VgaPicture *p = &v->picture;
  bool on = cursor_is_on (v) && !vga_blinks_off (v, CURSOR_FRAMES), changed = false;
  uint32_t shape = UINT32_C (1) << 31 | (v->cr[CR_CURSOR_START] & 31u) << 8 | (v->cr[CR_CURSOR_END] & 31u);
  for (unsigned row = 0; row < p->n_rows; row++) {
    VgaTextRow *r = &p->rows[row];
    int column = on ? cursor_column (v, r) : -1;
    uint32_t is = column < 0 ? 0 : shape | (uint32_t) column << 16;
    if (is == r->cursor)
      continue;
    r->cursor = is;
    r->serial = serial;
    changed = true;
  }
  return changed;
}

static bool
take_blinking (Vga *v, uint64_t serial)
{
  VgaPicture *p = &v->picture;
  bool off = p->mode.blink && vga_blinks_off (v, BLINK_FRAMES), changed = false;
  if (off == p->blinked)
    return false;
  p->blinked = off;
  for (unsigned row = 0; row < p->n_rows; row++) {
    if (!p->rows[row].blinks)
      continue;
    p->rows[row].serial = serial;
    changed = true;
  }
  return changed;
}

/* --- what is new ---------------------------------------------------------------------------------- */

static bool
take_mode (Vga *v, uint64_t serial)
{
  VgaPicture *p = &v->picture;
  VgaMode m;
  vga_mode (v, &m);
  if (memcmp (&m, &p->mode, sizeof m) == 0)
    return false;
  p->mode = m;
  p->mode_serial = serial;
  vga_mode_lines (p);
  g_free (p->cells);
  p->cells = m.kind == VGA_TEXT ? g_new0 (uint16_t, (gsize) p->n_rows * (m.columns + 1)) : NULL;
  return true;
}

static void
look (Vga *v)
{
  VgaPicture *p = &v->picture;
  uint64_t serial = p->serial + 1;
  bp_memory_flush_writes (bp_object_machine (v));
  bool mode = take_mode (v, serial), changed = take_dirty_pages (v, serial) || mode;
  if (p->mode.kind == VGA_TEXT) {
    if (changed)
      take_text (v, serial);
    changed |= take_cursor (v, serial);
    changed |= take_blinking (v, serial);
  }
  if (changed)
    p->serial = serial;
}

/* Of the last change of a line: by its row, or by the pages that it comes from. */
static uint64_t
line_serial (const Vga *v, unsigned y)
{
  const VgaPicture *p = &v->picture;
  const VgaMode *m = &p->mode;
  if (m->kind <= VGA_BLANK)
    return p->mode_serial;
  if (m->kind >= VGA_LINEAR_4) {
    uint64_t at = m->base + (uint64_t) y * m->pitch, size = m->kind == VGA_LINEAR_4 ? 4 * (m->columns + 1) : m->pitch;
    return MAX (p->mode_serial, newest (v, at, at + size));
  }
  const VgaLine *l = &p->lines[y];
  if (m->kind == VGA_TEXT)
    return MAX (p->mode_serial, p->rows[l->row].serial);
  uint32_t first = vga_cell (m, l->counter, 0, l->scan), last = vga_cell (m, l->counter, m->columns, l->scan);
  bool wraps = last < first || last - first > 4 * m->columns;
  return MAX (p->mode_serial, wraps ? newest (v, 0, SCANNED_SIZE) : newest (v, 4 * (uint64_t) first, 4 * (uint64_t) last + 4));
}

/* --- for askers --------------------------------------------------------------------------------------- */

static void
resize (const VgaMode *m, BpScreenFrame *f)
{
  g_free (f->pixels);
  f->pixels = m->width && m->height ? g_try_new0 (uint32_t, (gsize) m->width * m->height) : NULL;
  f->width = f->pixels ? m->width : 0;  /* without memory there is no picture this time */
  f->height = f->pixels ? m->height : 0;
  f->resized = true;
}

static void
update (void *self, BpScreenFrame *f)
{
  Vga *v = self;
  const VgaPicture *p = &v->picture;
  uint64_t since = f->serial;
  look (v);
  f->resized = false;
  f->first_row = f->end_row = 0;
  if (f->width != p->mode.width || f->height != p->mode.height) {
    resize (&p->mode, f);
    since = 0;
  }
  f->serial = p->serial;
  if (since == p->serial)
    return;
  for (unsigned y = 0; y < f->height; y++) {
    if (line_serial (v, y) <= since)
      continue;
    vga_render (v, y, f->pixels + (gsize) y * f->width);
    if (!f->end_row)
      f->first_row = y;
    f->end_row = y + 1;
  }
}

/* Lines of a character that the cursor covers, in percent. */
static uint32_t
cursor_height (const Vga *v)
{
  uint32_t lines = v->picture.mode.max_scan + 1, first = v->cr[CR_CURSOR_START] & 31, end = MIN (v->cr[CR_CURSOR_END] & 31u, lines - 1) + 1;
  return first < end ? (end - first) * 100 / lines : 0;
}

static bool
text (void *self, BpScreenText *t)
{
  Vga *v = self;
  const VgaPicture *p = &v->picture;
  look (v);
  if (p->mode.kind != VGA_TEXT)
    return false;
  v->text_cells = g_renew (uint16_t, v->text_cells, (gsize) p->n_rows * p->mode.columns);
  t->columns = p->mode.columns;
  t->rows = p->n_rows;
  t->cells = v->text_cells;
  t->blinks = p->mode.blink != 0;
  t->cursor_column = t->cursor_row = 0;
  t->cursor_visible = false;
  if (t->struct_size >= offsetof (BpScreenText, cursor_height) + sizeof t->cursor_height)
    t->cursor_height = cursor_height (v);
  for (unsigned row = 0; row < p->n_rows; row++) {
    int column = cursor_column (v, &p->rows[row]);
    memcpy (v->text_cells + row * p->mode.columns, p->cells + row * (p->mode.columns + 1), p->mode.columns * sizeof (uint16_t));
    if (column < 0 || t->cursor_visible)
      continue;
    t->cursor_column = (uint32_t) column;
    t->cursor_row = row;
    t->cursor_visible = cursor_is_on (v);
  }
  return true;
}

const BpScreenIface vga_screen_iface = { .struct_size = sizeof (BpScreenIface), .update = update, .text = text };

/* --- life cycle: realize ------------------------------------------------------------------------- */

void
vga_screen_start (Vga *v)
{
  VgaPicture *p = &v->picture;
  p->serial = p->mode_serial = 1;
  p->page_serial = g_new0 (uint64_t, v->vram_size / PAGE);
  p->line = g_new0 (uint32_t, LINE_WORDS);
  bp_dirty_enable (BP_DIRTY_DISPLAY, true);
}

void
vga_screen_stop (Vga *v)
{
  VgaPicture *p = &v->picture;
  if (!p->page_serial)
    return;
  bp_dirty_enable (BP_DIRTY_DISPLAY, false);
  g_clear_pointer (&p->page_serial, g_free);
  g_clear_pointer (&p->line, g_free);
  g_clear_pointer (&p->cells, g_free);
  g_clear_pointer (&v->text_cells, g_free);
}

void
vga_screen_all_new (Vga *v)
{
  v->picture.mode_serial = ++v->picture.serial;
  bp_dirty_set (BP_DIRTY_DISPLAY, v->vram_address, v->vram_size);
}
