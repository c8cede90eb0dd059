/* aml-build.c -- writes ACPI machine language (ACPI 6.4, chapters 20 and 6.4): lengths, names, integers, resource descriptors. */
/* SPDX-License-Identifier: MIT */
#include "aml-build.h"
#include <string.h>

enum {
  OP_NAME = 0x08, OP_BYTE = 0x0a, OP_WORD = 0x0b, OP_DWORD = 0x0c, OP_STRING = 0x0d, OP_QWORD = 0x0e, OP_SCOPE = 0x10, OP_BUFFER = 0x11, OP_PACKAGE = 0x12,
  OP_METHOD = 0x14, OP_DUAL_NAME = 0x2e, OP_MULTI_NAME = 0x2f, OP_EXTENDED = 0x5b, OP_IF = 0xa0, OP_WHILE = 0xa2
};
enum { EXT_MUTEX = 0x01, EXT_ACQUIRE = 0x23, EXT_RELEASE = 0x27, EXT_REGION = 0x80, EXT_FIELD = 0x81, EXT_DEVICE = 0x82 };

Aml
aml_new (void)
{
  return (Aml) { .bytes = g_byte_array_new () };
}

GByteArray *
aml_finish (Aml *a)
{
  g_assert (a->depth == 0);
  return g_steal_pointer (&a->bytes);
}

static void
put (Aml *a, uint64_t value, unsigned size)
{
  uint64_t little = GUINT64_TO_LE (value);
  g_byte_array_append (a->bytes, (const uint8_t *) &little, size);
}

void aml_byte (Aml *a, uint8_t byte) { put (a, byte, 1); }

/* --- lengths ------------------------------------------------------------------------------ */

static void
insert (Aml *a, guint at, const uint8_t *bytes, unsigned n)
{
  guint len = a->bytes->len;
  g_byte_array_set_size (a->bytes, len + n);
  memmove (a->bytes->data + at + n, a->bytes->data + at, len - at);
  memcpy (a->bytes->data + at, bytes, n);
}

/* PkgLength counts itself: 6 bits in one byte, or 4 bits and up to three bytes more (20.2.4). */
static void
insert_length (Aml *a, guint at)
{
  uint32_t length = a->bytes->len - at + 1;
  uint8_t code[4] = { (uint8_t) length };
  unsigned more = 0;
  if (length > 0x3f) {
    more = length + 1 <= 0xfff ? 1 : length + 2 <= 0xfffff ? 2 : 3;
    length += more;
    code[0] = (uint8_t) (more << 6 | (length & 15));
    for (unsigned i = 1; i <= more; i++)
      code[i] = (uint8_t) (length >> (8 * i - 4));
  }
  g_assert (length < 1u << 28);
  insert (a, at, code, 1 + more);
}

static void
begin (Aml *a, bool resources)
{
  g_assert (a->depth < AML_MAX_DEPTH);
  a->open[a->depth].at = a->bytes->len;
  a->open[a->depth++].resources = resources;
}

/* A buffer's size comes before its bytes; the end tag's checksum 0 means that there is none. */
static void
end_resources (Aml *a, guint at)
{
  put (a, 0x0079, 2);
  uint32_t size = a->bytes->len - at;
  g_assert (size <= 0xffff);
  uint8_t code[3] = { OP_WORD, (uint8_t) size, (uint8_t) (size >> 8) };
  if (size <= 0xff)
    insert (a, at, (const uint8_t[]) { OP_BYTE, (uint8_t) size }, 2);
  else
    insert (a, at, code, 3);
}

void
aml_end (Aml *a)
{
  g_assert (a->depth > 0);
  guint at = a->open[--a->depth].at;
  if (a->open[a->depth].resources)
    end_resources (a, at);
  insert_length (a, at);
}

/* --- terms --------------------------------------------------------------------------------- */

static void
put_segment (Aml *a, const char *text, size_t n)
{
  char segment[4] = { '_', '_', '_', '_' };
  g_assert (n >= 1 && n <= 4);
  memcpy (segment, text, n);
  g_byte_array_append (a->bytes, (const uint8_t *) segment, 4);
}

void
aml_path (Aml *a, const char *path)
{
  for (; *path == '\\' || *path == '^'; path++)
    aml_byte (a, (uint8_t) *path);
  g_auto (GStrv) segments = g_strsplit (path, ".", -1);
  unsigned n = g_strv_length (segments);
  if (n == 0)
    aml_byte (a, 0);
  else if (n == 2)
    aml_byte (a, OP_DUAL_NAME);
  else if (n > 2)
    put (a, OP_MULTI_NAME | n << 8, 2);
  for (unsigned i = 0; i < n; i++)
    put_segment (a, segments[i], strlen (segments[i]));
}

void
aml_integer (Aml *a, uint64_t value)
{
  static const struct { uint64_t limit; uint8_t op, size; } kinds[] = {
    { 0xff, OP_BYTE, 1 }, { 0xffff, OP_WORD, 2 }, { 0xffffffff, OP_DWORD, 4 }, { UINT64_MAX, OP_QWORD, 8 }
  };
  unsigned i = 0;
  if (value <= 1) {
    aml_byte (a, (uint8_t) value);
    return;
  }
  while (value > kinds[i].limit)
    i++;
  aml_byte (a, kinds[i].op);
  put (a, value, kinds[i].size);
}

static void
aml_string (Aml *a, const char *text)
{
  aml_byte (a, OP_STRING);
  g_byte_array_append (a->bytes, (const uint8_t *) text, (guint) strlen (text) + 1);
}

/* Three letters of five bits and four hexadecimal digits, the highest byte first. */
void
aml_eisa_id (Aml *a, const char *id)
{
  uint32_t letters = (uint32_t) ((id[0] - '@') << 10 | (id[1] - '@') << 5 | (id[2] - '@'));
  uint32_t number = (uint32_t) g_ascii_strtoull (id + 3, NULL, 16);
  g_assert (strlen (id) == 7);
  aml_byte (a, OP_DWORD);
  put (a, GUINT32_SWAP_LE_BE (letters << 16 | number), 4);
}

void aml_nothing (Aml *a) { aml_byte (a, 0); }

/* --- names -------------------------------------------------------------------------------------- */

void
aml_name (Aml *a, const char *path)
{
  aml_byte (a, OP_NAME);
  aml_path (a, path);
}

void
aml_name_integer (Aml *a, const char *path, uint64_t value)
{
  aml_name (a, path);
  aml_integer (a, value);
}

void
aml_name_eisa_id (Aml *a, const char *path, const char *id)
{
  aml_name (a, path);
  aml_eisa_id (a, id);
}

void
aml_name_string (Aml *a, const char *path, const char *text)
{
  aml_name (a, path);
  aml_string (a, text);
}

/* --- what has a length ----------------------------------------------------------------------------- */

void
aml_begin_scope (Aml *a, const char *path)
{
  aml_byte (a, OP_SCOPE);
  begin (a, false);
  aml_path (a, path);
}

void
aml_begin_device (Aml *a, const char *path)
{
  put (a, OP_EXTENDED | EXT_DEVICE << 8, 2);
  begin (a, false);
  aml_path (a, path);
}

void
aml_begin_method (Aml *a, const char *path, unsigned flags)
{
  aml_byte (a, OP_METHOD);
  begin (a, false);
  aml_path (a, path);
  aml_byte (a, (uint8_t) flags);
}

void
aml_begin_package (Aml *a, uint8_t n_elements)
{
  aml_byte (a, OP_PACKAGE);
  begin (a, false);
  aml_byte (a, n_elements);
}

void
aml_begin_if (Aml *a)
{
  aml_byte (a, OP_IF);
  begin (a, false);
}

void
aml_begin_while (Aml *a)
{
  aml_byte (a, OP_WHILE);
  begin (a, false);
}

/* --- locks ----------------------------------------------------------------------------------------- */

void
aml_mutex (Aml *a, const char *path)
{
  put (a, OP_EXTENDED | EXT_MUTEX << 8, 2);
  aml_path (a, path);
  aml_byte (a, 0);              /* in no order with others */
}

void
aml_acquire (Aml *a, const char *path)
{
  put (a, OP_EXTENDED | EXT_ACQUIRE << 8, 2);
  aml_path (a, path);
  put (a, 0xffff, 2);
}

void
aml_release (Aml *a, const char *path)
{
  put (a, OP_EXTENDED | EXT_RELEASE << 8, 2);
  aml_path (a, path);
}

/* --- fields ------------------------------------------------------------------------------------------ */

void
aml_region (Aml *a, const char *region, uint8_t space, uint64_t offset, uint64_t size)
{
  put (a, OP_EXTENDED | EXT_REGION << 8, 2);
  aml_path (a, region);
  aml_byte (a, space);
  aml_integer (a, offset);
  aml_integer (a, size);
}

/* A field's length is a PkgLength without itself. */
static void
put_bits (Aml *a, uint16_t bits)
{
  g_assert (bits <= 0xfff);
  if (bits <= 0x3f)
    aml_byte (a, (uint8_t) bits);
  else
    put (a, 0x40u | (bits & 15u) | (unsigned) (bits >> 4) << 8, 2);
}

void
aml_fields (Aml *a, const char *region, uint8_t flags, const AmlField *fields, unsigned n)
{
  put (a, OP_EXTENDED | EXT_FIELD << 8, 2);
  begin (a, false);
  aml_path (a, region);
  aml_byte (a, flags);
  for (unsigned i = 0; i < n; i++) {
    if (fields[i].name)
      put_segment (a, fields[i].name, strlen (fields[i].name));
    else
      aml_byte (a, 0);
    put_bits (a, fields[i].bits);
  }
  aml_end (a);
}

void
aml_byte_fields (Aml *a, const char *region, uint8_t space, uint64_t offset, const char *const *names, unsigned n)
{
  AmlField fields[16];
  g_assert (n <= G_N_ELEMENTS (fields));
  for (unsigned i = 0; i < n; i++)
    fields[i] = (AmlField) { names[i], 8 };
  aml_region (a, region, space, offset, n);
  aml_fields (a, region, AML_BYTES | AML_PRESERVE, fields, n);
}

/* --- resources -------------------------------------------------------------------------------------- */

void
aml_begin_resources (Aml *a)
{
  aml_byte (a, OP_BUFFER);
  begin (a, true);
}

void
aml_io (Aml *a, uint16_t base, uint8_t length)
{
  put (a, 0x0147, 2);           /* decodes 16 bits */
  put (a, base, 2);
  put (a, base, 2);
  put (a, 1 | (unsigned) length << 8, 2);
}

void
aml_irq (Aml *a, unsigned irq)
{
  aml_byte (a, 0x22);
  put (a, 1u << irq, 2);
}

void
aml_dma (Aml *a, unsigned channel)
{
  put (a, 0x002a | 1u << (8 + channel), 3);     /* compatible timing, bytes, no bus master */
}

void
aml_memory_fixed (Aml *a, uint32_t base, uint32_t length, bool writable)
{
  put (a, 0x000986, 3);
  aml_byte (a, writable);
  put (a, base, 4);
  put (a, length, 4);
}

static void
put_interrupts (Aml *a, uint8_t how, const uint32_t *numbers, unsigned n)
{
  aml_byte (a, 0x89);
  put (a, 2 + 4 * n, 2);
  aml_byte (a, how);
  aml_byte (a, (uint8_t) n);
  for (unsigned i = 0; i < n; i++)
    put (a, numbers[i], 4);
}

enum { CONSUMER = 1 << 0, ACTIVE_LOW = 1 << 2, SHARED = 1 << 3 };       /* (level unless bit 1) */

void aml_pci_interrupts (Aml *a, const uint32_t *numbers, unsigned n) { put_interrupts (a, CONSUMER | ACTIVE_LOW | SHARED, numbers, n); }
void aml_interrupt (Aml *a, uint32_t number) { put_interrupts (a, CONSUMER, &number, 1); }

/* Both ends fixed, cacheable and writable; consumed by the device. */
void
aml_memory64 (Aml *a, uint64_t first, uint64_t last)
{
  const uint64_t values[5] = { 0, first, last, 0, last - first + 1 };
  put (a, 0x002b8a, 3);
  put (a, 0x030d00, 3);
  for (unsigned i = 0; i < 5; i++)
    put (a, values[i], 8);
}

/* An address space descriptor: produced by this device, both ends fixed.  kind 0 memory, 1 I/O, 2 buses. */
static void
put_window (Aml *a, uint8_t tag, unsigned width, uint8_t kind, uint8_t specific, uint64_t first, uint64_t last)
{
  const uint64_t values[5] = { 0, first, last, 0, last - first + 1 };
  aml_byte (a, tag);
  put (a, 3 + 5 * width, 2);
  put (a, kind | 0x0c << 8 | (uint64_t) specific << 16, 3);
  for (unsigned i = 0; i < 5; i++)
    put (a, values[i], width);
}

void aml_bus_numbers (Aml *a, uint16_t first, uint16_t last) { put_window (a, 0x88, 2, 2, 0, first, last); }
void aml_io_window (Aml *a, uint16_t first, uint16_t last) { put_window (a, 0x88, 2, 1, 3, first, last); }

void
aml_memory_window (Aml *a, uint32_t first, uint32_t last, bool cacheable)
{
  put_window (a, 0x87, 4, 0, cacheable ? 3 : 1, first, last);
}
