/* screen-edid.c -- what an adapter's monitor says of itself (VESA E-EDID 1.4): 128 bytes, made for a preferred picture. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/screen.h>

enum { REFRESH = 60, H_BLANK = 160, H_FRONT = 48, H_SYNC = 32, V_FRONT = 3, V_BACK_LEAST = 6, V_BLANK_US = 460 };       /* CVT with reduced blanking */
enum { DOTS_PER_INCH = 100, CLOCK_MOST = 65535 };       /* 10 kHz */

static unsigned millimetres (unsigned dots) { return dots * 254 / (10 * DOTS_PER_INCH); }

/* --- timing -------------------------------------------------------------------------------- */

/* CVT tells the shape of the picture by the length of the vertical sync. */
static unsigned
vertical_sync (unsigned width, unsigned height)
{
  static const struct { unsigned x, y, lines; } shapes[] = { { 4, 3, 4 }, { 16, 9, 5 }, { 16, 10, 6 }, { 5, 4, 7 }, { 15, 9, 7 } };
  for (unsigned i = 0; i < BP_N_ELEMENTS (shapes); i++)
    if (height * shapes[i].x == width * shapes[i].y)
      return shapes[i].lines;
  return 10;
}

/* Lines of the vertical blank: as many as take 460 us. */
static unsigned
vertical_blank (unsigned height, unsigned sync)
{
  double line_us = (1e6 / REFRESH - V_BLANK_US) / height;
  return MAX ((unsigned) (V_BLANK_US / line_us) + 1, V_FRONT + sync + V_BACK_LEAST);
}

static void
detailed_timing (uint8_t *d, unsigned width, unsigned height)
{
  unsigned sync = vertical_sync (width, height), blank = vertical_blank (height, sync);
  unsigned clock = (width + H_BLANK) * (height + blank) * REFRESH / 10000;      /* 10 kHz */
  unsigned width_mm = millimetres (width), height_mm = millimetres (height);
  clock = MIN (clock, CLOCK_MOST) / 25 * 25;    /* of the largest pictures there are fewer a second */
  uint8_t all[18] = {
    (uint8_t) clock, (uint8_t) (clock >> 8),
    (uint8_t) width, H_BLANK, (uint8_t) (width >> 8 << 4),
    (uint8_t) height, (uint8_t) blank, (uint8_t) (height >> 8 << 4 | blank >> 8),
    H_FRONT, H_SYNC, (uint8_t) (V_FRONT << 4 | sync), 0,
    (uint8_t) width_mm, (uint8_t) height_mm, (uint8_t) (width_mm >> 8 << 4 | height_mm >> 8),
    0, 0, 0x1a                  /* digital, separate; horizontal sync is positive */
  };
  memcpy (d, all, sizeof all);
}

/* Standard timings: columns / 8 - 31, and the shape in the highest bits. */
static void
standard_timings (uint8_t *d)
{
  enum { SHAPE_16_10 = 0x00, SHAPE_4_3 = 0x40, SHAPE_5_4 = 0x80, SHAPE_16_9 = 0xc0 };
  static const struct { uint16_t width; uint8_t shape; } modes[8] = {
    { 1920, SHAPE_16_9 }, { 1600, SHAPE_4_3 }, { 1680, SHAPE_16_10 }, { 1440, SHAPE_16_10 },
    { 1280, SHAPE_5_4 }, { 1280, SHAPE_16_10 }, { 1280, SHAPE_16_9 }, { 1152, SHAPE_4_3 },
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (modes); i++) {
    d[2 * i] = (uint8_t) (modes[i].width / 8 - 31);
    d[2 * i + 1] = modes[i].shape | (REFRESH - 60);
  }
}

/* --- descriptors ------------------------------------------------------------------------------ */

static void
text_descriptor (uint8_t *d, uint8_t tag, const char *text)
{
  size_t n = strlen (text);
  d[3] = tag;
  memset (d + 5, ' ', 13);
  memcpy (d + 5, text, n);
  if (n < 13)
    d[5 + n] = '\n';
}

static void
range_descriptor (uint8_t *d)
{
  static const uint8_t range[18] = { 0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 70, 0x01, '\n', ' ', ' ', ' ', ' ', ' ', ' ' };  /* Hz, kHz, 700 MHz, only these limits */
  memcpy (d, range, sizeof range);
}

/* --- the whole --------------------------------------------------------------------------------- */

void
bp_screen_edid (uint8_t edid[BP_SCREEN_EDID_SIZE], unsigned width, unsigned height, unsigned head)
{
  char serial[13];
  static const uint8_t first[54] = {
    0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00,
    0x09, 0x70, 0x11, 0x11, 0, 0, 0, 0, 0, 2026 - 1990, 1, 4,          /* BKP, 1111, EDID 1.4 */
    0xa0, 0, 0, 120, 0x06,                                              /* digital, 8 bits a colour; gamma 2.2; sRGB, the first timing is its own */
    0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54,         /* sRGB's colours */
    0x21, 0x08, 0x00                                                    /* 640x480, 800x600, 1024x768 */
  };
  memset (edid, 0, BP_SCREEN_EDID_SIZE);
  memcpy (edid, first, sizeof first);
  edid[21] = (uint8_t) ((millimetres (width) + 5) / 10);
  edid[22] = (uint8_t) ((millimetres (height) + 5) / 10);
  standard_timings (edid + 38);
  detailed_timing (edid + 54, width, height);
  range_descriptor (edid + 72);
  text_descriptor (edid + 90, 0xfc, "Backplane");
  g_snprintf (serial, sizeof serial, "%u", head + 1);
  text_descriptor (edid + 108, 0xff, serial);
  for (unsigned i = 0; i < BP_SCREEN_EDID_SIZE - 1; i++)
    edid[BP_SCREEN_EDID_SIZE - 1] -= edid[i];
}
