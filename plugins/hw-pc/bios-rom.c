/* bios-rom.c -- a flat BIOS image in ROM: whole below 4 GiB, its end below 1 MiB. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "hw-pc.h"

#define WINDOW_SIZE (UINT64_C (16) << 20)
#define LOW_SIZE (UINT64_C (128) << 10)
#define BLOCK (UINT64_C (64) << 10)

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct BiosRom {
  char *file;
  uint8_t *host;
  uint64_t size;
  BpRegion *rom, *low, *top, *in_top;
} BiosRom;

/* --- the image -------------------------------------------------------------------------- */

static bool
refuse (GError **error, const BiosRom *b, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s: %s", b->file, text);
  g_free (text);
  return false;
}

static bool
check_size (const BiosRom *b, uint64_t size, GError **error)
{
  if (size == 0)
    return refuse (error, b, "is empty");
  if (size % BLOCK != 0)
    return refuse (error, b, "has %" G_GUINT64_FORMAT " bytes; a BIOS image is a multiple of 64 KiB", size);
  if (size > WINDOW_SIZE)
    return refuse (error, b, "has %" G_GUINT64_FORMAT " MiB; a BIOS image has 16 MiB at most", size >> 20);
  return true;
}

/* Without a file the descriptor can still be checked: a block of empty ROM stands in. */
static bool
no_image (BiosRom *b)
{
  b->size = BLOCK;
  b->host = g_aligned_alloc (1, BLOCK, 4096);
  memset (b->host, 0xff, BLOCK);
  return true;
}

static bool
read_image (BiosRom *b, GError **error)
{
  if (!b->file)
    return no_image (b);
  FILE *f = fopen (b->file, "rb");
  if (!f)
    return refuse (error, b, "%s", g_strerror (errno));
  bool fine = true;
  if (fseek (f, 0, SEEK_END) != 0 || ftell (f) < 0)
    fine = refuse (error, b, "%s", g_strerror (errno));
  b->size = fine ? (uint64_t) ftell (f) : 0;
  fine = fine && check_size (b, b->size, error);
  if (fine) {
    b->host = g_aligned_alloc0 (1, b->size, 4096);
    rewind (f);
    if (fread (b->host, 1, b->size, f) != b->size)
      fine = refuse (error, b, "%s", ferror (f) ? g_strerror (errno) : "became shorter while it was read");
  }
  fclose (f);
  return fine;
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static bool
rom_configure (void *self, GError **error)
{
  BiosRom *b = self;
  if (!read_image (b, error)) {
    g_clear_pointer (&b->host, g_aligned_free);
    return false;
  }
  uint64_t low = MIN (b->size, LOW_SIZE);
  b->rom = bp_region_new_rom (self, "rom", b->host, b->size);
  b->low = bp_region_new_alias (self, "low", b->rom, b->size - low, low);
  b->top = bp_region_new_container (self, "top", WINDOW_SIZE);
  b->in_top = bp_region_new_alias (self, "rom in top", b->rom, 0, b->size);
  bp_region_add (b->top, WINDOW_SIZE - b->size, b->in_top, 0);
  bp_region_publish (self, b->rom, "The whole image; it ends at 4 GiB in a PC.");
  bp_region_publish (self, b->low, "The image's end, 128 KiB or all of a smaller one; it ends at 1 MiB in a PC.");
  bp_region_publish (self, b->top, "The 16 MiB below 4 GiB with the image at their end, whatever its size: map it at 0xff000000.");
  return true;
}

static bool
rom_realize (void *self, GError **error)
{
  BiosRom *b = self;
  if (b->file)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no BIOS image: name one with `file = FILE', or with --set %s.file=FILE", bp_object_id (b));
  return false;
}

/* The host memory goes last: regions wait for their readers when they are freed. */
static void
rom_unrealize (void *self)
{
  BiosRom *b = self;
  bp_region_free (b->in_top);
  bp_region_free (b->top);
  bp_region_free (b->low);
  bp_region_free (b->rom);
  b->in_top = b->top = b->low = b->rom = NULL;
  g_clear_pointer (&b->host, g_aligned_free);
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty rom_properties[] = {
  BP_PROP_FILE ("file", BiosRom, file, 0, "The image: a multiple of 64 KiB, 16 MiB at most, the reset vector 16 bytes before its end."),
  BP_PROP_END
};

const BpTypeDesc bios_rom_type = {
  BP_TYPE ("bios-rom", BP_KIND_DEVICE, BiosRom),
  .description = "Flat BIOS image in ROM",
  .properties = rom_properties,
  .configure = rom_configure,
  .realize = rom_realize,
  .unrealize = rom_unrealize,
};
