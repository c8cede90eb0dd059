/* vga-test.h -- a VGA under test: its ports, the modes that a BIOS sets, and frames. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_VGA_TEST_H
#define TESTS_VGA_TEST_H

#include <backplane/iface/screen.h>
#include "hw-pc-test.h"

/* Values as a BIOS writes them. */
typedef struct VgaRegisters {
  uint8_t misc, sr[5], cr[25], gr[9], ar_mode, ar_planes, ar_panning;
} VgaRegisters;
extern const VgaRegisters mode_3, mode_4, mode_6, mode_d, mode_12, mode_13;

/* An ISA adapter `vga' with 1 MiB, its video RAM at 0xe0000000. */
Harness *vga_new (void);
static inline void sr_put (Harness *h, unsigned index, uint8_t value) { out16 (h, 0x3c4, (uint16_t) (index | value << 8)); }
static inline void gr_put (Harness *h, unsigned index, uint8_t value) { out16 (h, 0x3ce, (uint16_t) (index | value << 8)); }
static inline void cr_put (Harness *h, unsigned index, uint8_t value) { out16 (h, 0x3d4, (uint16_t) (index | value << 8)); }
void ar_put (Harness *h, unsigned index, uint8_t value);
uint8_t cr_get (Harness *h, unsigned index);
uint8_t gr_get (Harness *h, unsigned index);
/* All registers; attribute i is colour i, colours are as vga_colour says. */
void vga_set (Harness *h, const VgaRegisters *mode);
uint32_t vga_colour (unsigned index);           /* XRGB */
static inline void vbe_put (Harness *h, unsigned index, uint16_t value) { out16 (h, 0x1ce, (uint16_t) index); out16 (h, 0x1cf, value); }
static inline uint16_t vbe_get (Harness *h, unsigned index) { out16 (h, 0x1ce, (uint16_t) index); return in16 (h, 0x1cf); }
/* On, cleared, with an 8-bit DAC that leaves vga_colour as it is. */
void vbe_set (Harness *h, unsigned width, unsigned height, unsigned depth);
enum { ID, WIDTH, HEIGHT, DEPTH, ENABLE, BANK, VIRTUAL_WIDTH, VIRTUAL_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY };

static inline void poke (Harness *h, uint32_t address, uint8_t value) { harness_write (h, "memory", address, value, 1); }
static inline uint8_t peek (Harness *h, uint32_t address) { return (uint8_t) harness_read (h, "memory", address, 1); }
uint32_t vram_get (Harness *h, uint32_t word);          /* the four planes at an address */
void vram_put (Harness *h, uint32_t word, uint32_t value);

void screen_update (Harness *h, BpScreenFrame *f);
bool screen_text (Harness *h, BpScreenText *t);
static inline uint32_t pixel (const BpScreenFrame *f, unsigned x, unsigned y) { return f->pixels[y * f->width + x]; }
#define ck_assert_pixel(f, x, y, colour) \
  ck_assert_msg (pixel (f, x, y) == (colour), "pixel %u,%u is %06x, not %06x", (unsigned) (x), (unsigned) (y), pixel (f, x, y), (unsigned) (colour))

#endif
