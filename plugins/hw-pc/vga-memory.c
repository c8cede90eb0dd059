/* vga-memory.c -- the window at 0xa0000: latches, read and write modes, odd/even and chain-4, and where it is video RAM itself. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "vga.h"

#define WINDOW_SIZE 0x20000u
#define BANK_SIZE 0x10000u

/* A bit a plane becomes a byte a plane. */
static uint32_t
expand (unsigned planes)
{
  return ((planes & 15) * 0x00204081u & 0x01010101) * 0xff;
}

/*
 * The window is not under the machine lock: a lock costs more than the access.  Two CPUs that draw at once may see each other's latch, as they would on the
 * bus.  Registers change under the lock meanwhile, so each address is held against the end of video RAM where it is used.
 */

/* --- from an address in the window to one in a plane --------------------------------------- */

typedef struct Place {
  uint32_t address;
  unsigned planes;              /* those that it reaches */
} Place;

/* The window is one of four; false: nothing answers. */
static bool
decode_window (const Vga *v, uint32_t *offset)
{
  static const struct { uint32_t at, size; } maps[4] = { { 0, 0x20000 }, { 0, 0x10000 }, { 0x10000, 0x8000 }, { 0x18000, 0x8000 } };
  unsigned map = v->gr[GR_MISC] >> 2 & 3;
  if (!(v->misc & MISC_RAM) || *offset - maps[map].at >= maps[map].size)
    return false;
  *offset -= maps[map].at;
  return true;
}

/* VBE's 16 colours: banks of the planes, which are longer than 64K there. */
static uint32_t
plane_address (const Vga *v, uint32_t offset)
{
  if (!vga_vbe_is_on (v))
    return offset & 0xffff;
  return (offset & 0xffff) + v->vbe[VBE_BANK] * BANK_SIZE;
}

static bool
place_write (const Vga *v, uint32_t offset, Place *p)
{
  if (!decode_window (v, &offset))
    return false;
  if (v->sr[SR_MEMORY] & SR4_CHAIN4)
    *p = (Place) { offset >> 2, 1u << (offset & 3) };
  else if (v->sr[SR_MEMORY] & SR4_NO_ODD_EVEN)
    *p = (Place) { plane_address (v, offset), 15 };
  else
    *p = (Place) { plane_address (v, v->gr[GR_MISC] & GR6_CHAIN ? offset & ~1u : offset), offset & 1 ? 10 : 5 };
  return p->address < v->vram_size / 4;
}

/* planes: the one that is read. */
static bool
place_read (const Vga *v, uint32_t offset, Place *p)
{
  unsigned map = v->gr[GR_READ_MAP];
  if (!decode_window (v, &offset))
    return false;
  if (v->sr[SR_MEMORY] & SR4_CHAIN4)
    *p = (Place) { offset >> 2, offset & 3 };
  else if (v->gr[GR_MODE] & GR5_ODD_EVEN)
    *p = (Place) { plane_address (v, v->gr[GR_MISC] & GR6_CHAIN ? offset & ~1u : offset), (map & 2) | (offset & 1) };
  else
    *p = (Place) { plane_address (v, offset), map };
  return p->address < v->vram_size / 4;
}

/* --- a byte in, a byte out ------------------------------------------------------------------- */

/* A bit is 1 where every plane that counts has the colour compared with. */
static uint8_t
compare (const Vga *v)
{
  uint32_t differs = (v->latch ^ expand (v->gr[GR_COMPARE])) & expand (v->gr[GR_DONT_CARE]);
  differs |= differs >> 16;
  differs |= differs >> 8;
  return (uint8_t) ~differs;
}

static uint8_t
read_byte (Vga *v, uint32_t offset)
{
  Place p;
  if (!v->enable)
    return 0xff;
  if (vga_vbe_is_linear (v)) {  /* only what lies beyond the bank comes here */
    uint64_t at = v->vbe[VBE_BANK] * (uint64_t) BANK_SIZE + offset;
    return offset < BANK_SIZE && at < v->vram_size ? v->vram[at] : 0xff;
  }
  if (!place_read (v, offset, &p))
    return 0xff;
  v->latch = vga_planes (v, p.address);
  return v->gr[GR_MODE] & GR5_COMPARE ? compare (v) : (uint8_t) (v->latch >> 8 * p.planes);
}

/* What write modes 0, 2 and 3 bring to the planes, and which of its bits count. */
static uint32_t
written (const Vga *v, uint8_t value, uint8_t *bits)
{
  unsigned turn = v->gr[GR_FUNCTION] & 7;
  uint8_t turned = (uint8_t) (value >> turn | value << (8 - turn));
  uint32_t enabled = expand (v->gr[GR_SET_RESET_ENABLE]);
  *bits = v->gr[GR_BIT_MASK];
  switch (v->gr[GR_MODE] & GR5_WRITE_MODE) {
  case 0:
    return (turned * 0x01010101u & ~enabled) | (expand (v->gr[GR_SET_RESET]) & enabled);
  case 2:
    return expand (value);
  default:
    *bits &= turned;
    return expand (v->gr[GR_SET_RESET]);
  }
}

static uint32_t
combined (const Vga *v, uint8_t value)
{
  uint8_t bits;
  if ((v->gr[GR_MODE] & GR5_WRITE_MODE) == 1)
    return v->latch;
  uint32_t data = written (v, value, &bits), mask = bits * 0x01010101u;
  switch (v->gr[GR_FUNCTION] >> 3 & 3) {
  case 1:
    data &= v->latch;
    break;
  case 2:
    data |= v->latch;
    break;
  case 3:
    data ^= v->latch;
    break;
  default:
    break;
  }
  return (data & mask) | (v->latch & ~mask);
}

static void
write_byte (Vga *v, uint32_t offset, uint8_t value)
{
  Place p;
  if (!v->enable)
    return;
  if (vga_vbe_is_linear (v)) {
    uint64_t at = v->vbe[VBE_BANK] * (uint64_t) BANK_SIZE + offset;
    if (offset < BANK_SIZE && at < v->vram_size) {
      bp_dirty_mark (v->vram_address + at, 1);
      v->vram[at] = value;
    }
    return;
  }
  if (!place_write (v, offset, &p))
    return;
  uint32_t mask = expand (p.planes & v->sr[SR_MAP_MASK]);
  uint32_t word = GUINT32_TO_LE ((vga_planes (v, p.address) & ~mask) | (combined (v, value) & mask));
  memcpy (v->vram + 4 * (uint64_t) p.address, &word, 4);
  bp_dirty_mark (v->vram_address + 4 * (uint64_t) p.address, 4);
}

/* --- guest access -------------------------------------------------------------------- */

static uint64_t
window_read (void *self, uint64_t offset, unsigned size)
{
  uint64_t value = 0;
  for (unsigned i = 0; i < size; i++)
    value |= (uint64_t) read_byte (self, (uint32_t) offset + i) << 8 * i;
  return value;
}

static void
window_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  for (unsigned i = 0; i < size; i++)
    write_byte (self, (uint32_t) offset + i, (uint8_t) (value >> 8 * i));
}

/* Late: what a write does depends on registers, latches (reads) and earlier writes alone, and nobody looks before the screen is drawn. */
const BpRegionOps vga_window_ops = BP_REGION_OPS (.read = window_read, .write = window_write, .impl_max = 8,
                                                 .flags = BP_REGION_OPS_UNALIGNED | BP_REGION_OPS_LOCK_FREE | BP_REGION_OPS_LATE_WRITES);

/* --- the window as an alias ------------------------------------------------------------------- */

typedef struct Direct {
  uint32_t at, size;            /* in the window; size 0: none */
  uint64_t offset;              /* in video RAM */
} Direct;

/* In chain-4 a byte goes to its place as it is, if the graphics controller adds nothing. */
static bool
is_plain (const Vga *v)
{
  const uint8_t *gr = v->gr;
  return v->misc & MISC_RAM && v->sr[SR_MEMORY] & SR4_CHAIN4 && v->sr[SR_MAP_MASK] == 15 && !(gr[GR_MODE] & (GR5_WRITE_MODE | GR5_COMPARE))
    && !gr[GR_FUNCTION] && !gr[GR_SET_RESET_ENABLE] && gr[GR_BIT_MASK] == 0xff;
}

static Direct
wanted (const Vga *v)
{
  static const Direct maps[4] = { { 0, 0x20000, 0 }, { 0, 0x10000, 0 }, { 0x10000, 0x8000, 0 }, { 0x18000, 0x8000, 0 } };
  if (!v->enable)
    return (Direct) { 0, 0, 0 };
  if (vga_vbe_is_linear (v))
    return (Direct) { 0, BANK_SIZE, v->vbe[VBE_BANK] * (uint64_t) BANK_SIZE };
  if (!vga_vbe_is_on (v) && is_plain (v))
    return maps[v->gr[GR_MISC] >> 2 & 3];
  return (Direct) { 0, 0, 0 };
}

void
vga_memory_follow (Vga *v)
{
  Direct d = wanted (v);
  if (d.at == v->direct_at && d.size == v->direct_size && d.offset == v->direct_offset)
    return;
  bp_memory_begin ();
  bp_region_free (v->direct);
  v->direct = NULL;
  if (d.size) {
    v->direct = bp_region_new_alias (v, "video ram", v->vram_region, d.offset, d.size);
    bp_region_add (v->window, d.at, v->direct, 1);
  }
  bp_memory_commit ();
  v->direct_at = d.at;
  v->direct_size = d.size;
  v->direct_offset = d.offset;
}

void
vga_memory_release (Vga *v)
{
  bp_region_free (v->direct);
  v->direct = NULL;
  v->direct_at = v->direct_size = 0;
  v->direct_offset = 0;
}
