/* vga-mode.c -- what the VGA's registers say of the picture: its kind, its size, where its lines come from, its colours. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "vga.h"

/* --- colours ------------------------------------------------------------------------------ */

static uint32_t
dac_colour (const Vga *v, unsigned index)
{
  const uint8_t *c = v->dac + 3 * (index & v->pel_mask);
  uint32_t rgb = 0;
  for (unsigned i = 0; i < 3; i++)
    rgb = rgb << 8 | (uint32_t) (v->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? c[i] : (c[i] & 63) << 2 | (c[i] >> 4 & 3));
  return rgb;
}

/* Through the attribute controller. */
static uint32_t
attribute_colour (const Vga *v, unsigned pixel)
{
  unsigned index = v->ar[pixel & v->ar[AR_PLANES] & 15], select = v->ar[AR_SELECT];
  if (v->ar[AR_MODE] & AR10_SELECT)
    index = (index & 0x0f) | (select & 3) << 4;
  return dac_colour (v, (index & 0x3f) | (select & 0x0c) << 4);
}

static void
set_palette (const Vga *v, VgaMode *m)
{
  bool whole = m->kind == VGA_256 || m->kind == VGA_LINEAR_8;
  bool sixteen = m->kind <= VGA_INTERLEAVED || m->kind == VGA_LINEAR_4;
  for (unsigned i = 0; i < (whole ? 256 : sixteen ? 16 : 0); i++)
    m->palette[i] = whole ? dac_colour (v, i) : attribute_colour (v, i);
}

/* --- VBE -------------------------------------------------------------------------------------- */

static void
linear_mode (const Vga *v, VgaMode *m)
{
  switch (v->vbe[VBE_DEPTH]) {
  case 4:
    m->kind = VGA_LINEAR_4;
    m->panning = v->vbe[VBE_X_OFFSET] & 7;
    break;
  case 15:
    m->kind = VGA_LINEAR_15;
    break;
  case 16:
    m->kind = VGA_LINEAR_16;
    break;
  case 24:
    m->kind = VGA_LINEAR_24;
    break;
  case 32:
    m->kind = VGA_LINEAR_32;
    break;
  default:
    m->kind = VGA_LINEAR_8;
  }
  m->width = v->vbe[VBE_WIDTH];
  m->height = v->vbe[VBE_HEIGHT];
  m->pitch = vga_vbe_pitch (v);
  m->base = vga_vbe_base (v);
  m->columns = (m->width + 7) / 8;
  m->dots = 8;
}

/* --- what the CRTC makes -------------------------------------------------------------------------- */

static uint32_t cr16 (const Vga *v, unsigned high) { return (uint32_t) v->cr[high] << 8 | v->cr[high + 1]; }

static unsigned
addressing (const Vga *v)
{
  unsigned underline = v->cr[CR_UNDERLINE], mode = v->cr[CR_MODE], a = 0;
  if (!(underline & 0x40))
    a |= mode & 0x40 ? 0 : ADDRESS_WORD;
  else if (!(v->sr[SR_MEMORY] & SR4_CHAIN4))    /* chain-4 puts four bytes into a word here, as the counter goes */
    a |= ADDRESS_DOUBLE_WORD;
  a |= mode & 0x20 ? ADDRESS_WRAP_15 : 0;
  a |= mode & 0x01 ? 0 : ADDRESS_SCAN_13;
  a |= mode & 0x02 ? 0 : ADDRESS_SCAN_14;
  a |= underline & 0x20 ? ADDRESS_BY_4 : mode & 0x08 ? ADDRESS_BY_2 : 0;
  return a;
}

/* Columns of nine dots are counted from 8, which is none. */
static unsigned
panning (const Vga *v, const VgaMode *m, unsigned dots)
{
  unsigned p = v->ar[AR_PANNING];
  if (m->kind == VGA_256)
    return (p & 7) >> 1;
  return dots == 9 ? (p + 1) % 9 : p & 7;
}

static void
set_text (const Vga *v, VgaMode *m)
{
  unsigned fonts = v->sr[SR_FONTS];
  unsigned block[2] = { (fonts & 3) | (fonts >> 4 & 1) << 2, (fonts >> 2 & 3) | (fonts >> 5 & 1) << 2 };
  for (unsigned i = 0; i < 2; i++)
    m->font[i] = (block[i] & 3) * 0x4000 + (block[i] >> 2) * 0x2000;
  m->line_graphics = v->ar[AR_MODE] & AR10_LINE_GRAPHICS;
  m->blink = v->ar[AR_MODE] & AR10_BLINK;
  m->underline = v->cr[CR_UNDERLINE] & 0x1f;
}

static VgaKind
kind_of (const Vga *v)
{
  if (!(v->cr[CR_MODE] & CR17_SYNC))
    return VGA_NO_PICTURE;
  if (!(v->gr[GR_MISC] & GR6_GRAPHICS))
    return VGA_TEXT;
  if (v->gr[GR_MODE] & GR5_256)
    return VGA_256;
  return v->gr[GR_MODE] & GR5_INTERLEAVED ? VGA_INTERLEAVED : VGA_PLANAR;
}

static void
scanned_mode (const Vga *v, VgaMode *m)
{
  const uint8_t *cr = v->cr;
  m->kind = kind_of (v);
  if (m->kind == VGA_NO_PICTURE)
    return;
  unsigned dots = m->kind == VGA_TEXT && !(v->sr[SR_CLOCKING] & SR1_8_DOTS) ? 9 : 8;
  m->doubled = v->sr[SR_CLOCKING] & SR1_HALF_CLOCK ? 1 : 0;
  m->columns = cr[CR_H_DISPLAYED] + 1u;
  m->dots = dots << m->doubled;
  m->width = m->columns * m->dots;
  m->height = v->cr[CR_V_DISPLAYED] + 1u + (cr[CR_OVERFLOW] >> 1 & 1u) * 256 + (cr[CR_OVERFLOW] >> 6 & 1u) * 512;
  m->start = cr16 (v, CR_START_HIGH);
  m->offset = cr[CR_OFFSET] * 2u;
  m->byte_panning = cr[CR_PRESET] >> 5 & 3;
  m->panning = panning (v, m, dots);
  m->split_fixed = v->ar[AR_MODE] & AR10_SPLIT_FIXED;
  m->line_compare = cr[CR_LINE_COMPARE] | (cr[CR_OVERFLOW] >> 4 & 1u) << 8 | (cr[CR_MAX_SCAN] >> 6 & 1u) << 9;
  m->preset = cr[CR_PRESET] & 0x1f;
  m->max_scan = cr[CR_MAX_SCAN] & 0x1f;
  m->double_scan = cr[CR_MAX_SCAN] >> 7;
  m->addressing = addressing (v);
  if (m->kind == VGA_TEXT)
    set_text (v, m);
}

/* --- the picture ---------------------------------------------------------------------------- */

void
vga_mode (const Vga *v, VgaMode *m)
{
  memset (m, 0, sizeof *m);
  if (vga_vbe_is_on (v))
    linear_mode (v, m);
  else
    scanned_mode (v, m);
  bool off = v->sr[SR_CLOCKING] & SR1_OFF || !(v->ar_index & AR_INDEX_ON);
  if (m->kind != VGA_NO_PICTURE && off)
    *m = (VgaMode) { .kind = VGA_BLANK, .width = m->width, .height = m->height };
  else
    set_palette (v, m);
}

void
vga_mode_lines (VgaPicture *p)
{
  const VgaMode *m = &p->mode;
  uint32_t start = m->start + m->byte_panning, scan = m->preset, panned = m->panning, row = 0;
  bool twice = false;
  p->n_rows = 0;
  if (m->kind < VGA_TEXT || m->kind >= VGA_LINEAR_4)
    return;
  for (unsigned y = 0; y < m->height; y++) {
    p->lines[y] = (VgaLine) { .counter = (uint16_t) start, .row = (uint16_t) row, .scan = (uint8_t) scan, .panning = (uint8_t) panned };
    p->rows[row].counter = (uint16_t) start;
    p->n_rows = row + 1;
    if (y == m->line_compare) {         /* what follows is the lower part of a split screen */
      start = m->split_fixed ? 0 : m->byte_panning;
      panned = m->split_fixed ? 0 : m->panning;
      scan = 0;
      twice = false;
      row++;
      continue;
    }
    twice = m->double_scan && !twice;
    if (twice)
      continue;
    if (scan == m->max_scan) {
      start += m->offset;
      scan = 0;
      row++;
    } else {
      scan = (scan + 1) & 31;
    }
  }
}
