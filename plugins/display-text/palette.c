/* palette.c -- the colours of terminals: ANSI's eight, sixteen, and xterm's cube of 256. */
/* SPDX-License-Identifier: MIT */
#include "palette.h"

enum { RED = 4, GREEN = 2, BLUE = 1, BRIGHT = 8 };

/* As a PC mixes them: two thirds of full light, one third for bright ones.  Brown is what dark yellow becomes. */
static unsigned
part_of (unsigned colour, unsigned bit)
{
  if (colour == (RED | GREEN) && bit == GREEN)
    return 0x55;
  return (colour & bit ? 0xaa : 0) + (colour & BRIGHT ? 0x55 : 0);
}

static unsigned weighted (unsigned red, unsigned green, unsigned blue) { return (red * 299 + green * 587 + blue * 114) / 1000; }

unsigned
palette_brightness (unsigned colour)
{
  return weighted (part_of (colour, RED), part_of (colour, GREEN), part_of (colour, BLUE));
}

static unsigned
distance (uint32_t colour, unsigned red, unsigned green, unsigned blue)
{
  int r = (int) (colour >> 16 & 255) - (int) red, g = (int) (colour >> 8 & 255) - (int) green, b = (int) (colour & 255) - (int) blue;
  return (unsigned) (r * r * 3 + g * g * 6 + b * b);
}

static int
nearest_of_few (uint32_t colour, int colours)
{
  int best = 0;
  unsigned least = ~0u;
  for (int i = 0; i < colours; i++) {
    unsigned pc = (unsigned) ((i & 1 ? RED : 0) | (i & 2 ? GREEN : 0) | (i & 4 ? BLUE : 0) | (i & 8 ? BRIGHT : 0));     /* ANSI's red is the lowest bit */
    unsigned d = distance (colour, part_of (pc, RED), part_of (pc, GREEN), part_of (pc, BLUE));
    if (d < least) {
      least = d;
      best = i;
    }
  }
  return best;
}

/* The cube has steps at 0, 95, 135, 175, 215, 255. */
static unsigned cube_step (unsigned value) { return value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40; }
static unsigned cube_value (unsigned step) { return step ? 55 + 40 * step : 0; }

static int
nearest_of_256 (uint32_t colour)
{
  unsigned red = colour >> 16 & 255, green = colour >> 8 & 255, blue = colour & 255, mean = (red + green + blue) / 3;
  unsigned r = cube_step (red), g = cube_step (green), b = cube_step (blue);
  unsigned grey = mean < 3 ? 0 : mean > 243 ? 23 : (mean - 3) / 10, level = 8 + 10 * grey;
  if (distance (colour, level, level, level) < distance (colour, cube_value (r), cube_value (g), cube_value (b)))
    return (int) (232 + grey);
  return (int) (16 + 36 * r + 6 * g + b);
}

int
palette_nearest (uint32_t colour, int colours)
{
  return colours >= 256 ? nearest_of_256 (colour) : nearest_of_few (colour, colours >= 16 ? 16 : 8);
}
