/* vga-vbe.c -- Bochs VBE (the "dispi" interface, 0xb0c5): index and data at 0x1ce and 0x1cf, modes, banks, offsets. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "vga.h"

enum { VBE_ID_FIRST = 0xb0c0, VBE_ID_LAST = 0xb0c5 };
enum { VBE_VIRTUAL_LIMIT = 0xfff8 };
#define BANK_BYTES 0x10000u

/* --- what the registers mean ---------------------------------------------------------------- */

static unsigned bytes_per_pixel (const Vga *v) { return (v->vbe[VBE_DEPTH] + 7u) / 8; }

/* Of a span of pixels: 16 colours are eight pixels in a word. */
static uint32_t
bytes_of (const Vga *v, uint32_t pixels)
{
  return v->vbe[VBE_DEPTH] == 4 ? (pixels + 7) / 8 * 4 : pixels * bytes_per_pixel (v);
}

uint32_t vga_vbe_pitch (const Vga *v) { return bytes_of (v, v->vbe[VBE_VIRTUAL_WIDTH]); }

uint32_t
vga_vbe_base (const Vga *v)
{
  uint32_t x = v->vbe[VBE_X_OFFSET];
  return v->vbe[VBE_Y_OFFSET] * vga_vbe_pitch (v) + bytes_of (v, v->vbe[VBE_DEPTH] == 4 ? x & ~7u : x);
}

/* Whether the last line, and a word for what panning brings in, is in video RAM. */
static bool
picture_fits (const Vga *v)
{
  uint64_t last = v->vbe[VBE_Y_OFFSET] + v->vbe[VBE_HEIGHT] - UINT64_C (1), x = v->vbe[VBE_X_OFFSET] + (uint64_t) v->vbe[VBE_WIDTH];
  return last * vga_vbe_pitch (v) + bytes_of (v, (uint32_t) x) <= v->vram_size;
}

static uint16_t within (uint32_t value, uint32_t least, uint32_t most) { return (uint16_t) CLAMP (value, least, most); }

static uint16_t
depth (uint16_t asked)
{
  static const uint8_t depths[] = { 4, 8, 15, 16, 24, 32 };
  return memchr (depths, asked & 0xff, sizeof depths) && asked <= 32 ? asked : 8;
}

/* While a mode is on its registers hold what is possible. */
static void
settle (Vga *v)
{
  uint16_t *r = v->vbe;
  if (!vga_vbe_is_on (v))
    return;
  r[VBE_DEPTH] = depth (r[VBE_DEPTH]);
  r[VBE_WIDTH] = within (r[VBE_WIDTH] & ~7u, 8, VBE_MAX_WIDTH);
  r[VBE_VIRTUAL_WIDTH] = within (r[VBE_VIRTUAL_WIDTH] & ~7u, r[VBE_WIDTH], VBE_VIRTUAL_LIMIT);
  uint64_t room = v->vram_size / vga_vbe_pitch (v);
  r[VBE_HEIGHT] = within (r[VBE_HEIGHT], 1, (uint32_t) MIN (room, VBE_MAX_HEIGHT));
  r[VBE_VIRTUAL_HEIGHT] = (uint16_t) MIN (room, UINT16_MAX);
  if (!picture_fits (v))
    r[VBE_Y_OFFSET] = 0;
  if (!picture_fits (v))
    r[VBE_X_OFFSET] = 0;
  r[VBE_BANK] &= (uint16_t) ((r[VBE_DEPTH] == 4 ? v->vram_size / 4 : v->vram_size) / BANK_BYTES - 1);
}

static void
clear (Vga *v)
{
  uint64_t size = (uint64_t) v->vbe[VBE_HEIGHT] * vga_vbe_pitch (v);
  bp_dirty_mark (v->vram_address, size);
  memset (v->vram, 0, size);
}

static void
enable (Vga *v, uint16_t value)
{
  bool was_on = vga_vbe_is_on (v);
  v->vbe[VBE_ENABLE] = value & (VBE_ENABLED | VBE_GET_LIMITS | VBE_8BIT_DAC | VBE_LFB | VBE_NO_CLEAR);
  if (was_on && vga_vbe_is_on (v))
    return;
  v->vbe[VBE_BANK] = v->vbe[VBE_X_OFFSET] = v->vbe[VBE_Y_OFFSET] = v->vbe[VBE_VIRTUAL_WIDTH] = 0;
  settle (v);
  if (vga_vbe_is_on (v) && !(value & VBE_NO_CLEAR))
    clear (v);
}

/* --- guest access -------------------------------------------------------------------- */

uint16_t
vga_vbe_read (const Vga *v, unsigned index)
{
  static const uint16_t limits[N_VBE] = { [VBE_WIDTH] = VBE_MAX_WIDTH, [VBE_HEIGHT] = VBE_MAX_HEIGHT, [VBE_DEPTH] = 32 };
  if (index >= N_VBE)
    return 0;
  if (index == VBE_MEMORY_64K)
    return (uint16_t) (v->vram_size / BANK_BYTES);
  if (v->vbe[VBE_ENABLE] & VBE_GET_LIMITS && limits[index])
    return limits[index];
  return v->vbe[index];
}

void
vga_vbe_write (Vga *v, unsigned index, uint16_t value)
{
  switch (index) {
  case VBE_ID:
    if (value >= VBE_ID_FIRST && value <= VBE_ID_LAST)
      v->vbe[VBE_ID] = value;
    return;
  case VBE_WIDTH: case VBE_HEIGHT: case VBE_DEPTH: case VBE_BANK: case VBE_VIRTUAL_WIDTH: case VBE_X_OFFSET: case VBE_Y_OFFSET:
    v->vbe[index] = value;
    settle (v);
    break;
  case VBE_ENABLE:
    enable (v, value);
    break;
  default:
    return;                     /* read-only, or not there */
  }
  vga_memory_follow (v);
}

/* Index at 0, data at 1; at 2 too, for those who want it aligned. */
static uint64_t
ports_read (void *self, uint64_t offset, unsigned size)
{
  Vga *v = self;
  return offset ? vga_vbe_read (v, v->vbe_index) : v->vbe_index;
}

static void
ports_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Vga *v = self;
  if (offset)
    vga_vbe_write (v, v->vbe_index, (uint16_t) value);
  else
    v->vbe_index = (uint16_t) value;
}

const BpRegionOps vga_vbe_ops = BP_REGION_OPS (.read = ports_read, .write = ports_write, .access_min = 2, .access_max = 2, .impl_min = 2, .impl_max = 2,
                                               .flags = BP_REGION_OPS_UNALIGNED);

/* --- life cycle: reset ---------------------------------------------------------------------- */

void
vga_vbe_reset (Vga *v)
{
  v->vbe_index = 0;
  memset (v->vbe, 0, sizeof v->vbe);
  v->vbe[VBE_ID] = VBE_ID_LAST;
}

void vga_vbe_loaded (Vga *v) { settle (v); }
