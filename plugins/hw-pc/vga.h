/* vga.h -- the VGA adapter: its registers by name, its state, and what its files give each other. */
/* SPDX-License-Identifier: MIT */
/*
 * Video RAM holds the four planes side by side: byte A of plane P is at 4 * A + P, so that four bytes of a chain-4 or linear mode lie as the guest sees
 * them, and one 32-bit word (little-endian) is what the four planes hold at an address.  All that is not linear reaches 64K such words.
 *   vga-registers.c   ports -> registers, timing      vga-memory.c   the window at 0xa0000 -> video RAM      vga-vbe.c   Bochs VBE
 *   vga-mode.c        registers -> what the picture is made of (VgaMode)      vga-render.c   VgaMode, video RAM -> pixels of a line
 *   vga-screen.c      which lines changed for whom: bp.screen/1               vga.c          types
 *   vga-retrace.c     the interrupt
 */
#ifndef HW_PC_VGA_H
#define HW_PC_VGA_H

#include <backplane/iface/screen.h>
#include <backplane/memory.h>

/* --- registers (IBM VGA; FreeVGA's names) -------------------------------------------------- */

#define VGA_PORT_BASE 0x3b0     /* of the region pio0, up to 0x3df */
#define VGA_PORTS 0x30
enum { MISC_COLOUR = 1 << 0, MISC_RAM = 1 << 1 };
enum { SR_CLOCKING = 1, SR_MAP_MASK = 2, SR_FONTS = 3, SR_MEMORY = 4, N_SR = 8 };
enum { SR1_8_DOTS = 1 << 0, SR1_HALF_CLOCK = 1 << 3, SR1_OFF = 1 << 5 };
enum { SR4_NO_ODD_EVEN = 1 << 2, SR4_CHAIN4 = 1 << 3 };
enum { GR_SET_RESET, GR_SET_RESET_ENABLE, GR_COMPARE, GR_FUNCTION, GR_READ_MAP, GR_MODE, GR_MISC, GR_DONT_CARE, GR_BIT_MASK, N_GR = 16 };
enum { GR5_WRITE_MODE = 3, GR5_COMPARE = 1 << 3, GR5_ODD_EVEN = 1 << 4, GR5_INTERLEAVED = 1 << 5, GR5_256 = 1 << 6 };
enum { GR6_GRAPHICS = 1 << 0, GR6_CHAIN = 1 << 1 };
enum {
  CR_H_TOTAL = 0x00, CR_H_DISPLAYED = 0x01, CR_H_BLANK_END = 0x03, CR_V_TOTAL = 0x06, CR_OVERFLOW = 0x07, CR_PRESET = 0x08, CR_MAX_SCAN = 0x09, CR_CURSOR_START = 0x0a,
  CR_CURSOR_END = 0x0b, CR_START_HIGH = 0x0c, CR_CURSOR_HIGH = 0x0e, CR_V_RETRACE = 0x10, CR_V_RETRACE_END = 0x11, CR_V_DISPLAYED = 0x12, CR_OFFSET = 0x13,
  CR_UNDERLINE = 0x14, CR_MODE = 0x17, CR_LINE_COMPARE = 0x18, N_CR = 0x19
};
enum { CR11_PROTECT = 1 << 7, CR17_SYNC = 1 << 7 };
enum { AR_MODE = 0x10, AR_OVERSCAN = 0x11, AR_PLANES = 0x12, AR_PANNING = 0x13, AR_SELECT = 0x14, N_AR = 0x15, AR_INDEX_ON = 1 << 5 };
enum { AR10_LINE_GRAPHICS = 1 << 2, AR10_BLINK = 1 << 3, AR10_SPLIT_FIXED = 1 << 5, AR10_256 = 1 << 6, AR10_SELECT = 1 << 7 };

enum {
  VBE_ID, VBE_WIDTH, VBE_HEIGHT, VBE_DEPTH, VBE_ENABLE, VBE_BANK, VBE_VIRTUAL_WIDTH, VBE_VIRTUAL_HEIGHT, VBE_X_OFFSET, VBE_Y_OFFSET, VBE_MEMORY_64K, N_VBE
};
enum { VBE_ENABLED = 1 << 0, VBE_GET_LIMITS = 1 << 1, VBE_8BIT_DAC = 1 << 5, VBE_LFB = 1 << 6, VBE_NO_CLEAR = 1 << 7 };
#define VBE_MAX_WIDTH 4096u
#define VBE_MAX_HEIGHT 4096u

/* --- what a picture is made of ---------------------------------------------------------------- */

typedef enum VgaKind {
  VGA_NO_PICTURE, VGA_BLANK, VGA_TEXT,
  VGA_PLANAR,                   /* 16 colours, or 2 with one plane */
  VGA_INTERLEAVED,              /* two bits a pixel as the CGA has them, from planes 0 and 1 */
  VGA_256,
  VGA_LINEAR_4, VGA_LINEAR_8, VGA_LINEAR_15, VGA_LINEAR_16, VGA_LINEAR_24, VGA_LINEAR_32       /* VBE; the first is planar */
} VgaKind;

/* How the CRTC makes an address in a plane out of its counter and the row scan. */
enum {
  ADDRESS_DOUBLE_WORD = 1 << 0, ADDRESS_WORD = 1 << 1, ADDRESS_WRAP_15 = 1 << 2, ADDRESS_SCAN_13 = 1 << 3, ADDRESS_SCAN_14 = 1 << 4,
  ADDRESS_BY_2 = 1 << 5, ADDRESS_BY_4 = 1 << 6
};

/* All that the pixels depend on besides video RAM, the cursor and the blinking; compared as bytes, hence only words. */
typedef struct VgaMode {
  uint32_t kind, width, height; /* of the frame */
  uint32_t columns, dots;       /* a line's characters, and a character's width in the frame */
  uint32_t doubled;             /* a dot is two wide */
  uint32_t start, offset, byte_panning, panning, split_fixed, line_compare;
  uint32_t preset, max_scan, double_scan;
  uint32_t addressing;
  uint32_t font[2];             /* addresses in plane 2, by attribute bit 3 */
  uint32_t line_graphics, blink, underline;
  uint32_t base, pitch;         /* linear kinds: bytes */
  uint32_t palette[256];        /* XRGB */
} VgaMode;

typedef struct VgaLine {        /* of a picture that the CRTC makes */
  uint16_t counter, row;
  uint8_t scan, panning;
} VgaLine;

typedef struct VgaTextRow {
  uint64_t serial;
  uint32_t cursor;              /* 0: not here */
  uint16_t counter;
  bool blinks;
} VgaTextRow;

#define VGA_MAX_LINES 1024

typedef struct VgaPicture {     /* derived */
  VgaMode mode;
  uint64_t serial, mode_serial, *page_serial;   /* of the last change; of the mode's; of each page's */
  VgaLine lines[VGA_MAX_LINES];
  unsigned n_rows;
  VgaTextRow rows[VGA_MAX_LINES];
  uint16_t *cells;              /* n_rows * (columns + 1), as last seen */
  uint8_t fonts[2][0x2000];
  bool blinked;                 /* blinking characters were hidden */
  uint32_t *line;               /* a line and a character more */
} VgaPicture;

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Vga {
  uint8_t misc, feature, enable, sr_index, gr_index, cr_index, ar_index;
  bool ar_takes_data, retrace_pending;
  uint8_t sr[N_SR], gr[N_GR], cr[N_CR], ar[N_AR];
  uint8_t dac_read, dac_write, dac_component, dac_reads, dac_latch[3], pel_mask, dac[3 * 256];
  uint32_t latch;
  uint16_t vbe_index, vbe[N_VBE];
  uint64_t vram_size;
  char *rom_file;
  BpRegion *ports, *vbe_ports;
  BpRegion *vram_region, *window, *planar, *rom;
  BpRegion *direct;             /* the window's alias of video RAM, while accesses need no translation */
  uint32_t direct_at, direct_size;
  uint64_t direct_offset;
  uint8_t *vram, *rom_host;
  uint64_t vram_address;        /* in the numbering of RAM */
  BpPin *irq;
  BpTimer *retrace_timer;
  int64_t line_ns;              /* timing: a line, and in lines */
  uint32_t lines, displayed, retrace, retrace_end;
  VgaPicture picture;
  uint16_t *text_cells;         /* what was asked for as text */
} Vga;

static inline bool vga_vbe_is_on (const Vga *v) { return v->vbe[VBE_ENABLE] & VBE_ENABLED; }
static inline bool vga_vbe_is_linear (const Vga *v) { return vga_vbe_is_on (v) && v->vbe[VBE_DEPTH] >= 8; }

/* What the four planes hold at an address; plane 0 in bits 0 to 7. */
static inline uint32_t
vga_planes (const Vga *v, uint32_t address)
{
  uint32_t word;
  __builtin_memcpy (&word, v->vram + 4 * (uint64_t) address, 4);
  return GUINT32_FROM_LE (word);
}

/* --- vga-registers.c ------------------------------------------------------------------------ */
uint8_t vga_port_read (Vga *v, unsigned port);          /* 0x3b0 to 0x3df */
void vga_port_write (Vga *v, unsigned port, uint8_t value);
void vga_registers_reset (Vga *v);
void vga_registers_loaded (Vga *v);                     /* whatever they are now becomes something that can be */
bool vga_blinks_off (Vga *v, unsigned frames);          /* the dark half of a period of so many frames */

/* --- vga-memory.c ------------------------------------------------------------------------------ */
extern const BpRegionOps vga_window_ops;
void vga_memory_follow (Vga *v);                        /* registers changed: the alias goes where it belongs */
void vga_memory_release (Vga *v);

/* --- vga-retrace.c -------------------------------------------------------------------------- */
void vga_retrace_start (Vga *v);
void vga_retrace_stop (Vga *v);
void vga_retrace_follow (Vga *v);                       /* CR11 or the timing changed */

/* --- vga-vbe.c ----------------------------------------------------------------------------------- */
extern const BpRegionOps vga_vbe_ops;
uint16_t vga_vbe_read (const Vga *v, unsigned index);
void vga_vbe_write (Vga *v, unsigned index, uint16_t value);
void vga_vbe_reset (Vga *v);
void vga_vbe_loaded (Vga *v);
uint32_t vga_vbe_pitch (const Vga *v);                  /* bytes from a line to the next */
uint32_t vga_vbe_base (const Vga *v);                   /* of the picture's first byte */

/* --- vga-mode.c ------------------------------------------------------------------------------------ */
void vga_mode (const Vga *v, VgaMode *mode);
void vga_mode_lines (VgaPicture *p);                    /* fills lines, rows' counters and n_rows */
/* The address in a plane of the character `i` places from a counter. */
static inline uint32_t
vga_cell (const VgaMode *m, uint32_t counter, uint32_t i, uint32_t scan)
{
  unsigned a = m->addressing;
  uint32_t c = (counter + (a & ADDRESS_BY_4 ? i / 4 : a & ADDRESS_BY_2 ? i / 2 : i)) & 0xffff, at = c;
  if (a & ADDRESS_DOUBLE_WORD)
    at = c << 2 | c >> 14;
  else if (a & ADDRESS_WORD)
    at = c << 1 | (c >> (a & ADDRESS_WRAP_15 ? 15 : 13) & 1);
  if (a & ADDRESS_SCAN_13)
    at = (at & ~0x2000u) | (scan & 1) << 13;
  if (a & ADDRESS_SCAN_14)
    at = (at & ~0x4000u) | (scan >> 1 & 1) << 14;
  return at & 0xffff;
}

/* --- vga-render.c ------------------------------------------------------------------------------------ */
void vga_render (Vga *v, unsigned y, uint32_t *pixels); /* line y of the picture's mode */

/* --- vga-screen.c -------------------------------------------------------------------------------------- */
extern const BpScreenIface vga_screen_iface;
void vga_screen_start (Vga *v);
void vga_screen_stop (Vga *v);
void vga_screen_all_new (Vga *v);                       /* the registers were loaded */

#endif
