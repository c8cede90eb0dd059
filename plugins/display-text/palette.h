/* palette.h -- the colours of terminals. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_PALETTE_H
#define DISPLAY_TEXT_PALETTE_H

#include <stdint.h>

/* Of one of a PC's 16 colours, 0 to 255. */
unsigned palette_brightness (unsigned colour);
/* The number of the colour that looks most like it (0xrrggbb), on a terminal that has so many: 8, 16 or 256. */
int palette_nearest (uint32_t colour, int colours);

#endif
