/* screen-file.c -- pictures as PNG and PPM files, written a few rows at a time. */
/* SPDX-License-Identifier: MIT */
#include "monitor.h"
#include <png.h>

#define STEP_US 4000            /* a picture of noise takes a second: the machine's timers do not wait for that */

struct ScreenFile {
  NewFile file;
  uint32_t *pixels, width, height, row;
  uint8_t *bytes;               /* of one row */
  png_structp png;              /* NULL: a PPM */
  png_infop info;
  GError *error;                /* what libpng's writing met */
};

static void
fill_row (ScreenFile *s)
{
  const uint32_t *pixels = s->pixels + (size_t) s->row * s->width;
  uint8_t *out = s->bytes;
  for (uint32_t i = 0; i < s->width; i++) {
    *out++ = (uint8_t) (pixels[i] >> 16);
    *out++ = (uint8_t) (pixels[i] >> 8);
    *out++ = (uint8_t) pixels[i];
  }
}

/* --- PPM ------------------------------------------------------------------------------------------- */

static bool
begin_ppm (ScreenFile *s, GError **error)
{
  g_autofree char *header = g_strdup_printf ("P6\n%u %u\n255\n", s->width, s->height);
  return new_file_write (&s->file, header, strlen (header), error);
}

/* --- PNG ------------------------------------------------------------------------------------------- */

/* libpng comes back by longjmp when something fails. */

static void
png_data (png_structp png, png_bytep bytes, png_size_t size)
{
  ScreenFile *s = png_get_io_ptr (png);
  if (!new_file_write (&s->file, bytes, size, &s->error))
    png_error (png, "write");
}

static void
png_flush_data (png_structp png)
{
}

static void
png_complain (png_structp png, png_const_charp message)
{
  ScreenFile *s = png_get_error_ptr (png);
  if (!s->error)
    monitor_fail (&s->error, MONITOR_ERROR_GENERIC, "Could not make a PNG of '%s': %s", s->file.name, message);
  png_longjmp (png, 1);
}

static void
png_ignore (png_structp png, png_const_charp message)
{
}

static bool
png_failed (ScreenFile *s, GError **error)
{
  if (s->error)
    g_propagate_error (error, g_steal_pointer (&s->error));
  else
    monitor_fail (error, MONITOR_ERROR_GENERIC, "libpng cannot be used");
  return false;
}

static bool
begin_png (ScreenFile *s, GError **error)
{
  s->png = png_create_write_struct (PNG_LIBPNG_VER_STRING, s, png_complain, png_ignore);
  s->info = s->png ? png_create_info_struct (s->png) : NULL;
  if (!s->info || setjmp (png_jmpbuf (s->png)))
    return png_failed (s, error);
  png_set_write_fn (s->png, s, png_data, png_flush_data);
  png_set_IHDR (s->png, s->info, s->width, s->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info (s->png, s->info);
  return true;
}

static bool
png_row (ScreenFile *s, GError **error)
{
  if (setjmp (png_jmpbuf (s->png)))
    return png_failed (s, error);
  png_write_row (s->png, s->bytes);
  if (s->row + 1 == s->height)
    png_write_end (s->png, s->info);
  return true;
}

/* --- both -------------------------------------------------------------------------------------------- */

ScreenFile *
screen_file_new (const char *name, bool png, uint32_t *pixels, uint32_t width, uint32_t height, GError **error)
{
  ScreenFile *s = g_new0 (ScreenFile, 1);
  s->pixels = pixels;
  s->width = width;
  s->height = height;
  s->bytes = g_malloc (3 * (size_t) width);
  if (new_file_open (&s->file, name, error) && (png ? begin_png (s, error) : begin_ppm (s, error)))
    return s;
  screen_file_free (s);
  return NULL;
}

bool
screen_file_step (void *user, bool *done, GError **error)
{
  ScreenFile *s = user;
  gint64 end = g_get_monotonic_time () + STEP_US;
  for (; s->row < s->height; s->row++) {
    if (g_get_monotonic_time () > end)
      return true;
    fill_row (s);
    if (!(s->png ? png_row (s, error) : new_file_write (&s->file, s->bytes, 3 * (size_t) s->width, error)))
      return false;
  }
  *done = true;
  return new_file_commit (&s->file, error);
}

void
screen_file_free (void *user)
{
  ScreenFile *s = user;
  png_destroy_write_struct (&s->png, &s->info);
  new_file_discard (&s->file);
  g_clear_error (&s->error);
  g_free (s->pixels);
  g_free (s->bytes);
  g_free (s);
}
