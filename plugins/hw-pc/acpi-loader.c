/* acpi-loader.c -- commands by which firmware places tables: written, and carried out where no firmware runs. */
/* SPDX-License-Identifier: MIT */
#include <backplane/common.h>
#include <backplane/iface/firmware-config.h>
#include <string.h>
#include "acpi.h"
#include "checksum.h"

/* --- written ---------------------------------------------------------------------------------- */

static void
put_name (uint8_t *to, const char *name)
{
  g_strlcpy ((char *) to, name, LOADER_NAME);
}

static void put32 (uint8_t *to, uint32_t value) { value = GUINT32_TO_LE (value); memcpy (to, &value, 4); }

void
loader_allocate (GByteArray *loader, const char *file, uint32_t align, uint8_t zone)
{
  uint8_t entry[LOADER_ENTRY] = { LOADER_ALLOCATE };
  put_name (entry + 4, file);
  put32 (entry + 60, align);
  entry[64] = zone;
  g_byte_array_append (loader, entry, sizeof entry);
}

void
loader_add_pointer (GByteArray *loader, const char *file, uint32_t offset, uint8_t size, const char *target)
{
  uint8_t entry[LOADER_ENTRY] = { LOADER_ADD_POINTER };
  put_name (entry + 4, file);
  put_name (entry + 60, target);
  put32 (entry + 116, offset);
  entry[120] = size;
  g_byte_array_append (loader, entry, sizeof entry);
}

void
loader_add_checksum (GByteArray *loader, const char *file, uint32_t offset, uint32_t start, uint32_t length)
{
  uint8_t entry[LOADER_ENTRY] = { LOADER_ADD_CHECKSUM };
  put_name (entry + 4, file);
  put32 (entry + 60, offset);
  put32 (entry + 64, start);
  put32 (entry + 68, length);
  g_byte_array_append (loader, entry, sizeof entry);
}

/* --- carried out -------------------------------------------------------------------------------- */

#define MAX_PLACED 16

typedef struct Placed {
  char name[LOADER_NAME];
  uint64_t address;
  GByteArray *bytes;            /* a copy that the commands change */
} Placed;

typedef struct Run {
  const BpLink *firmware;
  uint64_t high_end;
  uint32_t low;
  Placed placed[MAX_PLACED];
  unsigned n;
} Run;

static uint32_t get32 (const uint8_t *at) { uint32_t v; memcpy (&v, at, 4); return GUINT32_FROM_LE (v); }

static Placed *
find (Run *r, const uint8_t *name)
{
  for (unsigned i = 0; i < r->n; i++)
    if (strncmp (r->placed[i].name, (const char *) name, LOADER_NAME) == 0)
      return &r->placed[i];
  return NULL;
}

static bool
allocate (Run *r, const uint8_t *entry)
{
  char name[LOADER_NAME + 1] = { 0 };
  memcpy (name, entry + 4, LOADER_NAME);
  const GByteArray *bytes = bp_firmware_config_file (r->firmware, name);
  uint32_t align = get32 (entry + 60);
  if (!bytes || r->n == MAX_PLACED || find (r, entry + 4) || !align || align & (align - 1) || align > 4096)
    return false;
  Placed *p = &r->placed[r->n++];
  memcpy (p->name, name, LOADER_NAME);
  p->bytes = g_byte_array_sized_new (bytes->len);
  g_byte_array_append (p->bytes, bytes->data, bytes->len);
  if (entry[64] == LOADER_ZONE_HIGH) {
    if (r->high_end < bytes->len)
      return false;
    p->address = r->high_end = (r->high_end - bytes->len) & ~(uint64_t) (align - 1);
    return true;
  }
  p->address = (r->low + align - 1) & ~(align - 1);
  r->low = (uint32_t) p->address + bytes->len;
  return r->low <= 0x100000;
}

static bool
add_pointer (Run *r, const uint8_t *entry)
{
  Placed *file = find (r, entry + 4), *target = find (r, entry + 60);
  uint32_t offset = get32 (entry + 116);
  unsigned size = entry[120];
  uint64_t value = 0;
  if (!file || !target || (size != 1 && size != 2 && size != 4 && size != 8) || offset > file->bytes->len || file->bytes->len - offset < size)
    return false;
  memcpy (&value, file->bytes->data + offset, size);
  value = GUINT64_TO_LE (GUINT64_FROM_LE (value) + target->address);
  memcpy (file->bytes->data + offset, &value, size);
  return true;
}

static bool
add_checksum (Run *r, const uint8_t *entry)
{
  Placed *file = find (r, entry + 4);
  uint32_t at = get32 (entry + 60), start = get32 (entry + 64), length = get32 (entry + 68);
  if (!file || at >= file->bytes->len || start > file->bytes->len || length > file->bytes->len - start)
    return false;
  uint8_t *bytes = file->bytes->data;
  bytes[at] = (uint8_t) (bytes[at] + checksum (bytes + start, length));
  return true;
}

static bool
obey (Run *r, const uint8_t *entry)
{
  switch (get32 (entry)) {
  case LOADER_ALLOCATE: return allocate (r, entry);
  case LOADER_ADD_POINTER: return add_pointer (r, entry);
  case LOADER_ADD_CHECKSUM: return add_checksum (r, entry);
  default: return true;         /* firmware skips what it does not know */
  }
}

/* The bytes are there when they read back: not everything below 1 MiB is RAM. */
static bool
copy_out (const Run *r, BpAddressSpace *memory)
{
  for (unsigned i = 0; i < r->n; i++) {
    const Placed *p = &r->placed[i];
    g_autofree uint8_t *back = g_malloc (p->bytes->len + 1);
    if (!bp_as_write (memory, p->address, p->bytes->data, p->bytes->len) || !bp_as_read (memory, p->address, back, p->bytes->len)
        || memcmp (back, p->bytes->data, p->bytes->len) != 0)
      return false;
  }
  return true;
}

bool
loader_run (const BpLink *firmware, BpAddressSpace *memory, uint64_t *high_end, uint32_t low_start, uint32_t *root, GError **error)
{
  const GByteArray *commands = bp_firmware_config_file (firmware, ACPI_FILE_LOADER);
  Run r = { .firmware = firmware, .high_end = *high_end, .low = low_start };
  guint at = 0, end = commands ? commands->len / LOADER_ENTRY * LOADER_ENTRY : 0;
  while (at < end && obey (&r, commands->data + at))
    at += LOADER_ENTRY;
  bool fine = at == end;
  if (!fine)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "command %u of the firmware file %s cannot be carried out", at / LOADER_ENTRY, ACPI_FILE_LOADER);
  else if (!(fine = copy_out (&r, memory)))
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no RAM for the ACPI tables at 0x%x and below 0x%" G_GINT64_MODIFIER "x", low_start, *high_end);
  const Placed *rsdp = find (&r, (const uint8_t *) ACPI_FILE_RSDP);
  if (root)
    *root = rsdp ? (uint32_t) rsdp->address : 0;
  *high_end = r.high_end;
  for (unsigned i = 0; i < r.n; i++)
    g_byte_array_unref (r.placed[i].bytes);
  return fine;
}
