/* screen-file.c -- pictures as PNG and PPM files. */
/* SPDX-License-Identifier: MIT */
#include "monitor.h"
#include <png.h>

static void
row_bytes (uint8_t *out, const uint32_t *pixels, uint32_t width)
{
  for (uint32_t i = 0; i < width; i++) {
    *out++ = (uint8_t) (pixels[i] >> 16);
    *out++ = (uint8_t) (pixels[i] >> 8);
    *out++ = (uint8_t) pixels[i];
  }
}

bool
screen_write_ppm (NewFile *file, const uint32_t *pixels, uint32_t width, uint32_t height, GError **error)
{
  g_autofree uint8_t *row = g_malloc (3 * (size_t) width);
  g_autofree char *header = g_strdup_printf ("P6\n%u %u\n255\n", width, height);
  bool good = new_file_write (file, header, strlen (header), error);
  for (uint32_t y = 0; good && y < height; y++) {
    row_bytes (row, pixels + (size_t) y * width, width);
    good = new_file_write (file, row, 3 * (size_t) width, error);
  }
  return good;
}

/* --- PNG ------------------------------------------------------------------------------------------- */

typedef struct Output {
  NewFile *file;
  GError *error;
} Output;

static void
png_data (png_structp png, png_bytep bytes, png_size_t size)
{
  Output *o = png_get_io_ptr (png);
  if (!new_file_write (o->file, bytes, size, &o->error))
    png_error (png, "write");
}

static void
png_flush_data (png_structp png)
{
}

static void
png_complain (png_structp png, png_const_charp message)
{
  Output *o = png_get_error_ptr (png);
  if (!o->error)
    monitor_fail (&o->error, MONITOR_ERROR_GENERIC, "Could not make a PNG of '%s': %s", o->file->name, message);
  png_longjmp (png, 1);
}

static void
png_ignore (png_structp png, png_const_charp message)
{
}

/* libpng comes back by longjmp when something fails; `row` is the caller's, so that nothing is lost then. */
static bool
write_rows (png_structp png, png_infop info, const uint32_t *pixels, uint32_t width, uint32_t height, uint8_t *row)
{
  if (setjmp (png_jmpbuf (png)))
    return false;
  png_set_IHDR (png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_set_compression_level (png, 6);
  png_write_info (png, info);
  for (uint32_t y = 0; y < height; y++) {
    row_bytes (row, pixels + (size_t) y * width, width);
    png_write_row (png, row);
  }
  png_write_end (png, info);
  return true;
}

bool
screen_write_png (NewFile *file, const uint32_t *pixels, uint32_t width, uint32_t height, GError **error)
{
  Output o = { file, NULL };
  g_autofree uint8_t *row = g_malloc (3 * (size_t) width);
  png_structp png = png_create_write_struct (PNG_LIBPNG_VER_STRING, &o, png_complain, png_ignore);
  png_infop info = png ? png_create_info_struct (png) : NULL;
  bool good = false;
  if (info) {
    png_set_write_fn (png, &o, png_data, png_flush_data);
    good = write_rows (png, info, pixels, width, height, row);
  }
  if (!good && !o.error)
    monitor_fail (&o.error, MONITOR_ERROR_GENERIC, "libpng cannot be used");
  if (o.error)
    g_propagate_error (error, o.error);
  png_destroy_write_struct (&png, &info);
  return good;
}
