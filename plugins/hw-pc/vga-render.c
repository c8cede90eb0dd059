/* vga-render.c -- a line of the picture from video RAM. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "vga.h"

/* --- text ---------------------------------------------------------------------------------- */

/* The nine dots of a character's line, the first in bit 8. */
static unsigned
glyph_dots (const Vga *v, const VgaMode *m, uint32_t planes, unsigned scan)
{
  unsigned character = planes & 0xff, attribute = planes >> 8 & 0xff;
  uint8_t bits = (uint8_t) (vga_planes (v, m->font[attribute >> 3 & 1] + 32 * character + scan) >> 16);
  bool joined = m->line_graphics && character >= 0xc0 && character <= 0xdf;
  if (scan == m->underline && (attribute & 0x77) == 1)
    return 0x1ff;
  return (unsigned) bits << 1 | (joined & bits);
}

/* A row's cursor as vga-screen.c packs it: present, column, first and last line. */
static bool
cursor_covers (uint32_t cursor, unsigned column, unsigned scan)
{
  return cursor && (cursor >> 16 & 0x1ff) == column && scan >= (cursor >> 8 & 0x1f) && scan <= (cursor & 0x1f);
}

static void
text_line (const Vga *v, const VgaLine *l, uint32_t *out)
{
  const VgaPicture *p = &v->picture;
  const VgaMode *m = &p->mode;
  uint32_t cursor = p->rows[l->row].cursor;
  unsigned wide = m->dots >> m->doubled;
  for (unsigned i = 0; i <= m->columns; i++) {
    uint32_t planes = vga_planes (v, vga_cell (m, l->counter, i, l->scan));
    unsigned attribute = planes >> 8 & 0xff, dots = glyph_dots (v, m, planes, l->scan);
    uint32_t front = m->palette[attribute & 15], back = m->palette[attribute >> 4 & (m->blink ? 7 : 15)];
    if (m->blink && attribute & 0x80 && p->blinked)
      dots = 0;
    if (cursor_covers (cursor, i, l->scan))
      dots = 0x1ff;
    for (unsigned d = 0; d < wide; d++)
      *out++ = dots >> (8 - d) & 1 ? front : back;
  }
}

/* --- graphics ------------------------------------------------------------------------------- */

/* Eight pixels of four planes; what is leftmost is each byte's highest bit. */
static void
planar_pixels (const uint32_t *palette, uint32_t planes, uint32_t *out)
{
  for (unsigned i = 0; i < 8; i++)
    out[i] = palette[((planes >> (7 - i)) & 0x01010101) * 0x01020408u >> 24 & 15];
}

/* Plane 0 holds four pixels, then plane 1 does; planes 2 and 3 have the upper bits. */
static void
interleaved_pixels (const uint32_t *palette, uint32_t planes, uint32_t *out)
{
  for (unsigned i = 0; i < 8; i++) {
    unsigned shift = 8 * (i / 4) + 6 - 2 * (i & 3);
    out[i] = palette[(planes >> shift & 3) | (planes >> (shift + 16) & 3) << 2];
  }
}

/* The dot clock makes each pixel two dots. */
static void
packed_pixels (const uint32_t *palette, uint32_t planes, uint32_t *out)
{
  for (unsigned i = 0; i < 4; i++)
    out[2 * i] = out[2 * i + 1] = palette[planes >> 8 * i & 0xff];
}

static void
graphics_line (const Vga *v, const VgaLine *l, uint32_t *out)
{
  const VgaMode *m = &v->picture.mode;
  for (unsigned i = 0; i <= m->columns; i++, out += 8) {
    uint32_t planes = vga_planes (v, vga_cell (m, l->counter, i, l->scan));
    if (m->kind == VGA_PLANAR)
      planar_pixels (m->palette, planes, out);
    else if (m->kind == VGA_INTERLEAVED)
      interleaved_pixels (m->palette, planes, out);
    else
      packed_pixels (m->palette, planes, out);
  }
}

/* --- linear ----------------------------------------------------------------------------------- */

static uint32_t
widened (unsigned value, unsigned bits)
{
  return (value << (8 - bits) | value >> (2 * bits - 8)) & 0xff;
}

static uint32_t
rgb15 (unsigned c)
{
  return widened (c >> 10 & 31, 5) << 16 | widened (c >> 5 & 31, 5) << 8 | widened (c & 31, 5);
}

static uint32_t
rgb16 (unsigned c)
{
  return widened (c >> 11, 5) << 16 | widened (c >> 5 & 63, 6) << 8 | widened (c & 31, 5);
}

static void
linear_pixels (const VgaMode *m, const uint8_t *from, uint32_t *out)
{
  switch (m->kind) {
  case VGA_LINEAR_8:
    for (unsigned i = 0; i < m->width; i++)
      out[i] = m->palette[from[i]];
    break;
  case VGA_LINEAR_15:
    for (unsigned i = 0; i < m->width; i++)
      out[i] = rgb15 (from[2 * i] | from[2 * i + 1] << 8);
    break;
  case VGA_LINEAR_16:
    for (unsigned i = 0; i < m->width; i++)
      out[i] = rgb16 (from[2 * i] | (unsigned) from[2 * i + 1] << 8);
    break;
  case VGA_LINEAR_24:
    for (unsigned i = 0; i < m->width; i++)
      out[i] = from[3 * i] | (uint32_t) from[3 * i + 1] << 8 | (uint32_t) from[3 * i + 2] << 16;
    break;
  default:
    for (unsigned i = 0; i < m->width; i++)
      out[i] = from[4 * i] | (uint32_t) from[4 * i + 1] << 8 | (uint32_t) from[4 * i + 2] << 16;
  }
}

static void
linear_planes (const Vga *v, uint32_t at, uint32_t *out)
{
  const VgaMode *m = &v->picture.mode;
  uint32_t words = m->columns + (m->panning ? 1 : 0);
  for (unsigned i = 0; i < words; i++)
    planar_pixels (m->palette, vga_planes (v, at / 4 + i), v->picture.line + 8 * i);
  memcpy (out, v->picture.line + m->panning, m->width * sizeof *out);
}

static void
linear_line (const Vga *v, unsigned y, uint32_t *out)
{
  const VgaMode *m = &v->picture.mode;
  uint64_t at = m->base + (uint64_t) y * m->pitch;
  if (m->kind == VGA_LINEAR_4)
    linear_planes (v, (uint32_t) at, out);
  else
    linear_pixels (m, v->vram + at, out);
}

/* --- a line ------------------------------------------------------------------------------------- */

/* A dot of half the clock is two of the screen's.  Panning counts the dots of the guest, which in 256 colours are two each anyway. */
static void
scanned_line (Vga *v, unsigned y, uint32_t *out)
{
  const VgaMode *m = &v->picture.mode;
  const VgaLine *l = &v->picture.lines[y];
  uint32_t *line = v->picture.line;
  unsigned skip = m->kind == VGA_256 ? 2u * l->panning : l->panning;
  if (m->kind == VGA_TEXT)
    text_line (v, l, line);
  else
    graphics_line (v, l, line);
  if (!m->doubled)
    memcpy (out, line + skip, m->width * sizeof *out);
  else
    for (unsigned i = 0; i < m->width; i++)
      out[i] = line[skip + i / 2];
}

void
vga_render (Vga *v, unsigned y, uint32_t *out)
{
  const VgaMode *m = &v->picture.mode;
  if (m->kind <= VGA_BLANK)
    memset (out, 0, m->width * sizeof *out);
  else if (m->kind >= VGA_LINEAR_4)
    linear_line (v, y, out);
  else
    scanned_line (v, y, out);
}
