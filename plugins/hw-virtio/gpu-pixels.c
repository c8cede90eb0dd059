/* gpu-pixels.c -- virtio GPU device: the formats of its pixels (VIRTIO 1.2, 5.7.6.8), and a cursor over a picture. */
/* SPDX-License-Identifier: MIT */
#include "gpu.h"

enum { OPAQUE = 0xff };

/* Where the colours are in a little-endian word: a format's name tells its bytes from the lowest address on.  What a format calls X is the alpha of a cursor all the
 * same: Linux makes cursors of buffers that it says have none. */
typedef struct Format {
  uint8_t number, red, green, blue, alpha;
} Format;

static const Format formats[] = {
  { 1, 16, 8, 0, 24 },          /* B8G8R8A8 */
  { 2, 16, 8, 0, 24 },          /* B8G8R8X8 */
  { 3, 8, 16, 24, 0 },          /* A8R8G8B8 */
  { 4, 8, 16, 24, 0 },          /* X8R8G8B8 */
  { 67, 0, 8, 16, 24 },         /* R8G8B8A8 */
  { 68, 24, 16, 8, 0 },         /* X8B8G8R8 */
  { 121, 24, 16, 8, 0 },        /* A8B8G8R8 */
  { 134, 0, 8, 16, 24 },        /* R8G8B8X8 */
};

static const Format *
find (uint32_t number)
{
  for (unsigned i = 0; i < BP_N_ELEMENTS (formats); i++)
    if (formats[i].number == number)
      return &formats[i];
  return NULL;
}

bool gpu_format_exists (uint32_t format) { return find (format) != NULL; }

void
gpu_pixels_read (uint32_t format, const uint8_t *from, uint32_t *to, size_t n)
{
  const Format f = *find (format);
  memcpy (to, from, n * sizeof *to);
  for (size_t i = 0; i < n; i++) {
    uint32_t word = GUINT32_FROM_LE (to[i]);
    to[i] = (word >> f.alpha & 0xff) << 24 | (word >> f.red & 0xff) << 16 | (word >> f.green & 0xff) << 8 | (word >> f.blue & 0xff);
  }
}

/* A cursor's colours are multiplied by its alpha already; what is brighter than that allows stays within a byte. */
static uint32_t
over (uint32_t top, uint32_t below)
{
  uint32_t see_through = OPAQUE - (top >> 24), mixed = 0;
  for (unsigned shift = 0; shift < 24; shift += 8) {
    uint32_t sum = (top >> shift & 0xff) + (below >> shift & 0xff) * see_through / OPAQUE;
    mixed |= MIN (sum, 0xff) << shift;
  }
  return mixed;
}

void
gpu_pixels_blend (uint32_t *row, uint32_t width, const uint32_t *cursor, int64_t x)
{
  for (unsigned i = 0; i < GPU_CURSOR; i++)
    if (x + i >= 0 && x + i < width)
      row[x + i] = over (cursor[i], row[x + i]);
}
