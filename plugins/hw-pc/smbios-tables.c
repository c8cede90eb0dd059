/* smbios-tables.c -- gives firmware SMBIOS 2.8 structures (DSP0134): who made the machine, its processors and memory.  Type 0 is firmware's own. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-state.h>
#include <backplane/iface/firmware-config.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/object.h>
#include <string.h>
#include "checksum.h"
#include "hw-pc.h"

/* --- layout ---------------------------------------------------------------- */

enum {                          /* structure types, which are handles' upper bytes as well */
  TYPE_SYSTEM = 1, TYPE_BOARD = 2, TYPE_CHASSIS = 3, TYPE_PROCESSOR = 4, TYPE_MEMORY_ARRAY = 16, TYPE_MEMORY_DEVICE = 17,
  TYPE_MEMORY_RANGE = 19, TYPE_BOOT = 32, TYPE_END = 127
};
#define HANDLE(type, n) ((uint16_t) ((type) << 8 | (n)))
enum { ANCHOR_SIZE = 31, INTERMEDIATE = 16, NOTHING = 0xfffe /* no handle */ };
enum { UNKNOWN = 2, OTHER = 1 };        /* what most enumerations begin with */
#define FILE_TABLES "etc/smbios/smbios-tables"
#define FILE_ANCHOR "etc/smbios/smbios-anchor"
#define ITEM_UUID 0x02
#define MIB (UINT64_C (1) << 20)
#define KNOWN_SIZE (UINT64_C (0x7fff) << 20)    /* above, memory sizes have a place of their own */

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Smbios {
  BpLink firmware, ram;
  char *manufacturer, *product, *version, *serial, *uuid, *family;
  uint8_t uuid_bytes[16];
} Smbios;

/* --- structures: begin, fields, strings, end --------------------------------------------------- */

typedef struct Builder {
  GByteArray *bytes;
  GString *strings;             /* of the structure that was begun, each with its zero */
  guint start;
  uint8_t n_strings;
  uint16_t n, largest;          /* structures, and the bytes of the longest */
} Builder;

static void
put (Builder *b, uint64_t value, unsigned size)
{
  uint64_t little = GUINT64_TO_LE (value);
  g_byte_array_append (b->bytes, (const uint8_t *) &little, size);
}

/* A field that is a text's number; none for an empty one. */
static void
put_text (Builder *b, const char *text)
{
  if (text && *text) {
    g_string_append_len (b->strings, text, (gssize) strlen (text) + 1);
    put (b, ++b->n_strings, 1);
  } else
    put (b, 0, 1);
}

static void
begin (Builder *b, uint8_t type, uint16_t handle)
{
  b->start = b->bytes->len;
  b->n_strings = 0;
  g_string_truncate (b->strings, 0);
  put (b, type, 1);
  put (b, 0, 1);
  put (b, handle, 2);
}

static void
end (Builder *b)
{
  b->bytes->data[b->start + 1] = (uint8_t) (b->bytes->len - b->start);
  g_byte_array_append (b->bytes, (const uint8_t *) b->strings->str, (guint) b->strings->len);
  put (b, 0, b->n_strings ? 1 : 2);
  b->largest = MAX (b->largest, (uint16_t) (b->bytes->len - b->start));
  b->n++;
}

/* --- who made it --------------------------------------------------------------------------------- */

static void
add_system (Builder *b, const Smbios *s)
{
  begin (b, TYPE_SYSTEM, HANDLE (TYPE_SYSTEM, 0));
  put_text (b, s->manufacturer);
  put_text (b, s->product);
  put_text (b, s->version);
  put_text (b, s->serial);
  g_byte_array_append (b->bytes, s->uuid_bytes, sizeof s->uuid_bytes);
  put (b, 6, 1);                /* woken by the power switch */
  put (b, 0, 1);
  put_text (b, s->family);
  end (b);
}

static void
add_board (Builder *b, const Smbios *s)
{
  begin (b, TYPE_BOARD, HANDLE (TYPE_BOARD, 0));
  put_text (b, s->manufacturer);
  put_text (b, s->product);
  put_text (b, s->version);
  put_text (b, s->serial);
  put (b, 0, 1);
  put (b, 1, 1);                /* hosts a processor */
  put (b, 0, 1);
  put (b, HANDLE (TYPE_CHASSIS, 0), 2);
  put (b, 10, 1);               /* a motherboard */
  put (b, 0, 1);
  end (b);
}

static void
add_chassis (Builder *b, const Smbios *s)
{
  begin (b, TYPE_CHASSIS, HANDLE (TYPE_CHASSIS, 0));
  put_text (b, s->manufacturer);
  put (b, OTHER, 1);
  put_text (b, s->version);
  put_text (b, s->serial);
  put (b, 0, 1);
  put (b, 0x03030303, 4);       /* booted, powered, cool, open: safe, safe, safe, none */
  put (b, 0, 4);
  put (b, 0, 4);
  put (b, 0, 1);
  end (b);
}

/* --- processors and memory ------------------------------------------------------------------------- */

static void
add_processor (Builder *b, const Smbios *s, void *cpu, unsigned n)
{
  const BpX86CpuIface *t = bp_object_interface (cpu, BP_X86_CPU_ID);
  uint32_t leaf[4] = { 0 };
  g_autofree char *socket = g_strdup_printf ("CPU %u", n);
  t->cpuid (cpu, 1, 0, leaf);
  begin (b, TYPE_PROCESSOR, HANDLE (TYPE_PROCESSOR, n));
  put_text (b, socket);
  put (b, 3, 1);                /* a central processor */
  put (b, OTHER, 1);
  put_text (b, s->manufacturer);
  put (b, leaf[0], 4);
  put (b, leaf[3], 4);
  put_text (b, s->version);
  put (b, 0, 1);
  put (b, 0, 2);                /* external clock, and speeds: unknown */
  put (b, 0, 4);
  put (b, 0x41, 1);             /* there is one, and it is enabled */
  put (b, OTHER, 1);
  put (b, UINT64_C (0xffffffffffff), 6);        /* no caches known */
  put (b, 0, 3);
  put (b, 0x010101, 3);         /* cores, those enabled, threads */
  put (b, UNKNOWN, 2);
  put (b, OTHER, 2);
  end (b);
}

static void
add_memory_array (Builder *b, uint64_t size)
{
  uint64_t kib = size >> 10;
  begin (b, TYPE_MEMORY_ARRAY, HANDLE (TYPE_MEMORY_ARRAY, 0));
  put (b, OTHER, 1);
  put (b, 3, 1);                /* system memory */
  put (b, 6, 1);                /* multi-bit correction, as far as it needs any */
  put (b, kib < 0x80000000 ? kib : 0x80000000, 4);
  put (b, NOTHING, 2);
  put (b, 1, 2);
  put (b, kib < 0x80000000 ? 0 : size, 8);
  end (b);
}

static void
add_memory_device (Builder *b, const Smbios *s, uint64_t size)
{
  begin (b, TYPE_MEMORY_DEVICE, HANDLE (TYPE_MEMORY_DEVICE, 0));
  put (b, HANDLE (TYPE_MEMORY_ARRAY, 0), 2);
  put (b, NOTHING, 2);
  put (b, 0xffffffff, 4);       /* widths: unknown */
  put (b, size < KNOWN_SIZE ? size / MIB : 0x7fff, 2);
  put (b, 9, 1);                /* a DIMM */
  put (b, 0, 1);
  put_text (b, "DIMM 0");
  put_text (b, NULL);
  put (b, 7, 1);                /* RAM */
  put (b, OTHER << 1, 2);
  put (b, 0, 2);
  put_text (b, s->manufacturer);
  put (b, 0, 4);                /* serial, tag, part number; rank */
  put (b, size < KNOWN_SIZE ? 0 : size / MIB, 4);
  put (b, 0, 8);                /* speed and voltages: unknown */
  end (b);
}

/* In KiB, or in bytes where that does not fit. */
static void
add_memory_range (Builder *b, unsigned n, uint64_t start, uint64_t size)
{
  bool wide = (start + size - 1) >> 10 >= 0xffffffff;
  begin (b, TYPE_MEMORY_RANGE, HANDLE (TYPE_MEMORY_RANGE, n));
  put (b, wide ? 0xffffffff : start >> 10, 4);
  put (b, wide ? 0xffffffff : (start + size - 1) >> 10, 4);
  put (b, HANDLE (TYPE_MEMORY_ARRAY, 0), 2);
  put (b, 1, 1);
  put (b, wide ? start : 0, 8);
  put (b, wide ? start + size - 1 : 0, 8);
  end (b);
}

static void
add_memory (Builder *b, const Smbios *s)
{
  const BpMemoryBackendIface *ram = s->ram.table;
  uint64_t size = ram->size (s->ram.instance), low = MIN (size, PC_RAM_LIMIT);
  add_memory_array (b, size);
  add_memory_device (b, s, size);
  add_memory_range (b, 0, 0, low);
  if (size > low)
    add_memory_range (b, 1, UINT64_C (4) << 30, size - low);
}

/* --- the whole -------------------------------------------------------------------------------------- */

static Builder
build (Smbios *s)
{
  Builder b = { .bytes = g_byte_array_new (), .strings = g_string_new (NULL) };
  unsigned cursor = 0, n = 0;
  add_system (&b, s);
  add_board (&b, s);
  add_chassis (&b, s);
  for (void *cpu; (cpu = bp_machine_next (bp_object_machine (s), BP_X86_CPU_ID, &cursor)); n++)
    add_processor (&b, s, cpu, n);
  add_memory (&b, s);
  begin (&b, TYPE_BOOT, HANDLE (TYPE_BOOT, 0));
  put (&b, 0, 7);               /* no errors detected */
  end (&b);
  begin (&b, TYPE_END, HANDLE (TYPE_END, 0));
  end (&b);
  g_string_free (b.strings, TRUE);
  return b;
}

static void
make_tables (void *self, GByteArray *bytes)
{
  Builder b = build (self);
  g_byte_array_append (bytes, b.bytes->data, b.bytes->len);
  g_byte_array_unref (b.bytes);
}

/* The entry point; firmware fills the address in, and both checksums anew. */
static void
make_anchor (void *self, GByteArray *bytes)
{
  Builder b = build (self);
  uint16_t length = GUINT16_TO_LE ((uint16_t) b.bytes->len), n = GUINT16_TO_LE (b.n), largest = GUINT16_TO_LE (b.largest);
  uint8_t a[ANCHOR_SIZE] = { '_', 'S', 'M', '_', 0, ANCHOR_SIZE, 2, 8, [INTERMEDIATE] = '_', 'D', 'M', 'I', '_', [30] = 0x28 };
  memcpy (a + 8, &largest, 2);
  memcpy (a + 22, &length, 2);
  memcpy (a + 28, &n, 2);
  a[INTERMEDIATE + 5] = checksum (a + INTERMEDIATE, ANCHOR_SIZE - INTERMEDIATE);
  a[4] = checksum (a, ANCHOR_SIZE);
  g_byte_array_append (bytes, a, sizeof a);
  g_byte_array_unref (b.bytes);
}

/* --- life cycle: configure, realize ------------------------------------------------------------ */

/* 8-4-4-4-12 hexadecimal digits; the first three groups are little-endian numbers (DSP0134, 7.2.1). */
static bool
parse_uuid (const char *text, uint8_t uuid[16])
{
  static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
  unsigned n = 0;
  for (; *text && n < 32; text++) {
    int digit = g_ascii_xdigit_value (*text);
    if (*text == '-' && (n == 8 || n == 12 || n == 16 || n == 20) && text[1] != '-')
      continue;
    if (digit < 0)
      return false;
    uuid[order[n / 2]] = (uint8_t) (n & 1 ? uuid[order[n / 2]] | digit : digit << 4);
    n++;
  }
  return n == 32 && !*text;
}

static bool
smbios_configure (void *self, GError **error)
{
  Smbios *s = self;
  const BpMemoryBackendIface *ram = s->ram.table;
  if (s->uuid && *s->uuid && !parse_uuid (s->uuid, s->uuid_bytes)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "uuid = %s is not of the form 01234567-89ab-cdef-0123-456789abcdef", s->uuid);
    return false;
  }
  if (BP_TABLE_HAS (ram, size))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "the RAM's backend does not say how large it is");
  return false;
}

/* Firmware's own copy of the UUID is in the order of the text. */
static void
tell_uuid (const Smbios *s)
{
  static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
  uint8_t uuid[16];
  for (unsigned i = 0; i < 16; i++)
    uuid[i] = s->uuid_bytes[order[i]];
  g_autoptr (GBytes) bytes = g_bytes_new (uuid, sizeof uuid);
  bp_firmware_config_set_item (&s->firmware, ITEM_UUID, bytes);
}

static bool
smbios_realize (void *self, GError **error)
{
  Smbios *s = self;
  tell_uuid (s);
  return bp_firmware_config_add_maker (&s->firmware, FILE_TABLES, make_tables, s, error)
         && bp_firmware_config_add_maker (&s->firmware, FILE_ANCHOR, make_anchor, s, error);
}

/* --- tables: properties, type ------------------------------------------------------------------- */

static const BpProperty smbios_properties[] = {
  BP_PROP_LINK ("firmware", Smbios, firmware, BP_FIRMWARE_CONFIG_ID, BP_PROPERTY_REQUIRED, "Where firmware looks for the structures."),
  BP_PROP_LINK ("ram", Smbios, ram, BP_MEMORY_BACKEND_ID, BP_PROPERTY_REQUIRED, "The memory backend whose size is told."),
  BP_PROP_STRING ("manufacturer", Smbios, manufacturer, "Backplane", "Who made system, board, chassis, processors and memory."),
  BP_PROP_STRING ("product", Smbios, product, "PC", "The product's name."),
  BP_PROP_STRING ("version", Smbios, version, "0.1", "Its version."),
  BP_PROP_STRING ("serial", Smbios, serial, NULL, "Its serial number; none by default."),
  BP_PROP_STRING ("uuid", Smbios, uuid, NULL, "The machine's UUID, 01234567-89ab-cdef-0123-456789abcdef; zeros, which means none, by default."),
  BP_PROP_STRING ("family", Smbios, family, NULL, "The family that the product belongs to; none by default."),
  BP_PROP_END
};

const BpTypeDesc smbios_tables_type = {
  BP_TYPE ("smbios-tables", BP_KIND_DEVICE, Smbios),
  .description = "SMBIOS structures for firmware: maker, processors, memory",
  .properties = smbios_properties,
  .configure = smbios_configure,
  .realize = smbios_realize,
};
