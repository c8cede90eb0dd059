/* acpi-build.c -- ACPI's static tables (ACPI 6.4, chapter 5; IA-PC HPET 1.0a, 3.2.4): RSDP, RSDT, XSDT, FADT, FACS, MADT, HPET. */
/* SPDX-License-Identifier: MIT */
#include "acpi.h"
#include <string.h>

enum { HEADER_SIZE = 36, LENGTH_AT = 4, CHECKSUM_AT = 9 };
enum { FADT_SIZE = 244, FADT_REDUCED_SIZE = 268, FADT_FACS = 36, FADT_DSDT = 40, FADT_X_FACS = 132, FADT_X_DSDT = 140 };
enum { RSDP_SIZE = 36, RSDP_OLD_SIZE = 20, RSDP_RSDT = 16, RSDP_XSDT = 24 };
enum { SPACE_MEMORY = 0, SPACE_IO = 1 };

/* --- bytes ---------------------------------------------------------------------------------- */

static void
put (GByteArray *b, uint64_t value, unsigned size)
{
  uint64_t little = GUINT64_TO_LE (value);
  g_byte_array_append (b, (const uint8_t *) &little, size);
}

/* Exactly n characters, blanks behind a shorter text. */
static void
put_text (GByteArray *b, const char *text, unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    put (b, *text ? (uint8_t) *text : ' ', 1);
    text += *text != 0;
  }
}

static void
put_zeros (GByteArray *b, unsigned n)
{
  while (n--)
    put (b, 0, 1);
}

/* A generic address structure. */
static void
put_address (GByteArray *b, uint8_t space, uint8_t bits, uint8_t access, uint64_t address)
{
  put (b, space | bits << 8 | (uint64_t) access << 24, 4);
  put (b, address, 8);
}

/* --- tables: begin, append, end ----------------------------------------------------------------- */

typedef struct Builder {
  const AcpiFacts *facts;
  AcpiFiles files;
  guint table;                  /* where the one that was begun starts */
} Builder;

static void
begin (Builder *b, const char *signature, uint8_t revision)
{
  GByteArray *t = b->files.tables;
  put_zeros (t, -t->len & 15);
  b->table = t->len;
  put_text (t, signature, 4);
  put (t, 0, 4);
  put (t, revision, 1);
  put (t, 0, 1);
  put_text (t, b->facts->oem_id, 6);
  put_text (t, b->facts->oem_table_id, 8);
  put (t, 1, 4);
  put_text (t, "BKPL", 4);
  put (t, 1, 4);
}

/* Its place, relative to the file.  The checksum is firmware's to make, when addresses are absolute. */
static uint32_t
end (Builder *b)
{
  uint32_t length = b->files.tables->len - b->table, little = GUINT32_TO_LE (length);
  memcpy (b->files.tables->data + b->table + LENGTH_AT, &little, 4);
  loader_add_checksum (b->files.loader, ACPI_FILE_TABLES, b->table + CHECKSUM_AT, b->table, length);
  return b->table;
}

static void
point (Builder *b, uint32_t at, uint8_t size)
{
  loader_add_pointer (b->files.loader, ACPI_FILE_TABLES, at, size, ACPI_FILE_TABLES);
}

/* --- FACS, DSDT, FADT -------------------------------------------------------------------------------- */

/* It has no checksum, and lies at a multiple of 64. */
static uint32_t
add_facs (Builder *b)
{
  GByteArray *t = b->files.tables;
  put_zeros (t, -t->len & 63);
  uint32_t at = t->len;
  put_text (t, "FACS", 4);
  put (t, 64, 4);
  put_zeros (t, 24);
  put (t, 1, 1);
  put_zeros (t, 31);
  return at;
}

static uint32_t
add_dsdt (Builder *b)
{
  GByteArray *aml = acpi_make_dsdt (b->facts);
  begin (b, "DSDT", 2);
  g_byte_array_append (b->files.tables, aml->data, aml->len);
  g_byte_array_unref (aml);
  return end (b);
}

enum { PM1_EVENT = ACPI_PM_BASE, PM1_CONTROL = ACPI_PM_BASE + 4, PM_TIMER = ACPI_PM_BASE + 8, GPE0 = ACPI_PM_BASE + 0xc };
enum { BOOT_LEGACY = 1 << 0, BOOT_8042 = 1 << 1, BOOT_NO_VGA = 1 << 2, BOOT_NO_CMOS = 1 << 5 };
enum { FLAG_WBINVD = 1 << 0, FLAG_C1 = 1 << 2, FLAG_NO_SLEEP_BUTTON = 1 << 5, FLAG_RTC_NOT_FIXED = 1 << 6, FLAG_RESET = 1 << 10, FLAG_REDUCED = 1 << 20 };

/* The registers' first description: ports as numbers, and their lengths. */
static void
put_ports (Builder *b)
{
  GByteArray *t = b->files.tables;
  static const uint32_t ports[] = { PM1_EVENT, 0, PM1_CONTROL, 0, 0, PM_TIMER, GPE0, 0 };
  static const uint8_t lengths[] = { 4, 2, 0, 4, 4, 0, 0, 0 };
  for (unsigned i = 0; i < G_N_ELEMENTS (ports); i++)
    put (t, ports[i], 4);
  for (unsigned i = 0; i < G_N_ELEMENTS (lengths); i++)
    put (t, lengths[i], 1);
}

static void
put_port_addresses (GByteArray *t)
{
  put_address (t, SPACE_IO, 32, 2, PM1_EVENT);
  put_address (t, 0, 0, 0, 0);
  put_address (t, SPACE_IO, 16, 2, PM1_CONTROL);
  put_address (t, 0, 0, 0, 0);
  put_address (t, 0, 0, 0, 0);
  put_address (t, SPACE_IO, 32, 3, PM_TIMER);
  put_address (t, SPACE_IO, 32, 1, GPE0);
  put_address (t, 0, 0, 0, 0);
}

/* Revision 3, of ACPI 2.0: what every operating system with ACPI reads. */
static uint32_t
add_fadt (Builder *b, uint32_t facs, uint32_t dsdt)
{
  GByteArray *t = b->files.tables;
  uint16_t boot = BOOT_LEGACY | (acpi_is_mapped (b->facts->io, 0x60) ? BOOT_8042 : 0);
  begin (b, "FACP", 3);
  put (t, facs, 4);
  put (t, dsdt, 4);
  put (t, 0, 2);                        /* no preferred profile */
  put (t, b->facts->sci, 2);
  put (t, ACPI_COMMAND_PORT, 4);
  put (t, ACPI_COMMAND_ENABLE | ACPI_COMMAND_DISABLE << 8, 4);  /* neither S4BIOS nor P-states */
  put_ports (b);
  put (t, 0x0fff, 2);                   /* latencies of C2 and C3: so long that there are none */
  put (t, 0x0fff, 2);
  put_zeros (t, 8);                     /* caches are flushed by WBINVD; no duty cycle, no alarms beyond a day */
  put (t, 0x32, 1);                     /* the century in the CMOS memory */
  put (t, boot, 2);
  put (t, 0, 1);
  put (t, FLAG_WBINVD | FLAG_C1 | FLAG_NO_SLEEP_BUTTON | FLAG_RTC_NOT_FIXED | FLAG_RESET, 4);
  put_address (t, SPACE_IO, 8, 1, 0xcf9);
  put (t, 0x06, 1);                     /* hard reset */
  put_zeros (t, 3);
  put (t, 0, 8);                        /* FACS below 4 GiB is given above, and must not be given twice */
  put (t, dsdt, 8);
  put_port_addresses (t);
  g_assert (t->len - b->table == FADT_SIZE);
  point (b, b->table + FADT_FACS, 4);
  point (b, b->table + FADT_DSDT, 4);
  point (b, b->table + FADT_X_DSDT, 8);
  return end (b);
}

/* Of a machine with `acpi-events' (ACPI 5.0, 4.1): revision 5, everything fixed is absent. */
enum { REDUCED_BOOT = 109, REDUCED_FLAGS = 112, REDUCED_RESET = 116, REDUCED_RESET_VALUE = 128, REDUCED_SLEEP_CONTROL = 244, REDUCED_SLEEP_STATUS = 256 };

static void
set (Builder *b, unsigned at, uint64_t value, unsigned size)
{
  uint64_t little = GUINT64_TO_LE (value);
  memcpy (b->files.tables->data + b->table + at, &little, size);
}

static void
set_port (Builder *b, unsigned at, uint16_t port)
{
  set (b, at, SPACE_IO | 8 << 8 | 1 << 24, 4);
  set (b, at + 4, port, 8);
}

static uint32_t
add_reduced_fadt (Builder *b, uint32_t dsdt)
{
  const AcpiFacts *f = b->facts;
  unsigned boot = BOOT_NO_VGA | (acpi_is_mapped (f->io, 0x60) ? BOOT_8042 : 0) | (acpi_is_mapped (f->io, 0x70) ? 0 : BOOT_NO_CMOS);
  begin (b, "FACP", 5);
  put_zeros (b->files.tables, FADT_REDUCED_SIZE - HEADER_SIZE);
  set (b, FADT_DSDT, dsdt, 4);
  set (b, REDUCED_BOOT, boot, 2);
  set (b, REDUCED_FLAGS, FLAG_WBINVD | FLAG_C1 | FLAG_NO_SLEEP_BUTTON | FLAG_RTC_NOT_FIXED | FLAG_RESET | FLAG_REDUCED, 4);
  set_port (b, REDUCED_RESET, (uint16_t) (f->events + ACPI_EVENTS_RESET));
  set (b, REDUCED_RESET_VALUE, ACPI_EVENTS_RESET_VALUE, 1);
  set (b, FADT_X_DSDT, dsdt, 8);
  set_port (b, REDUCED_SLEEP_CONTROL, (uint16_t) (f->events + ACPI_EVENTS_SLEEP_CONTROL));
  set_port (b, REDUCED_SLEEP_STATUS, (uint16_t) (f->events + ACPI_EVENTS_SLEEP_STATUS));
  point (b, b->table + FADT_DSDT, 4);
  point (b, b->table + FADT_X_DSDT, 8);
  return end (b);
}

/* --- MADT, HPET ----------------------------------------------------------------------------------------- */

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_NMI = 4 };
enum { LEVEL_HIGH = 0x0d, PC_COMPATIBLE = 1 };

static void
put_processor (GByteArray *t, uint8_t uid, uint8_t apic_id)
{
  put (t, MADT_LAPIC | 8 << 8 | (uint32_t) uid << 16 | (uint32_t) apic_id << 24, 4);
  put (t, 1, 4);
}

static void
put_override (GByteArray *t, uint8_t irq, uint32_t input, uint16_t flags)
{
  put (t, MADT_OVERRIDE | 10 << 8 | (uint32_t) irq << 24, 4);
  put (t, input, 4);
  put (t, flags, 2);
}

static uint32_t
add_madt (Builder *b)
{
  GByteArray *t = b->files.tables;
  const AcpiFacts *f = b->facts;
  begin (b, "APIC", 1);
  put (t, ACPI_LAPIC, 4);
  put (t, PC_COMPATIBLE, 4);
  for (guint i = 0; i < f->apic_ids->len; i++)
    put_processor (t, (uint8_t) i, f->apic_ids->data[i]);
  put (t, MADT_IOAPIC | 12 << 8, 4);
  put (t, ACPI_IOAPIC, 4);
  put (t, 0, 4);
  if (f->timer_input != 0)
    put_override (t, 0, f->timer_input, 0);
  if (!f->is_reduced)
    put_override (t, f->sci, f->sci, LEVEL_HIGH);
  put (t, MADT_LAPIC_NMI | 6 << 8 | 0xff << 16, 3);     /* LINT1 of every processor */
  put (t, 0, 2);
  put (t, 1, 1);
  return end (b);
}

static uint32_t
add_hpet (Builder *b)
{
  GByteArray *t = b->files.tables;
  begin (b, "HPET", 1);
  put (t, bp_as_load (b->facts->memory, ACPI_HPET, 4), 4);
  put_address (t, SPACE_MEMORY, 64, 0, ACPI_HPET);
  put (t, 0, 1);
  put (t, 0x80, 2);                     /* ticks between interrupts, at least */
  put (t, 0, 1);
  return end (b);
}

/* --- the roots -------------------------------------------------------------------------------------------- */

static uint32_t
add_root (Builder *b, const char *signature, unsigned size, const uint32_t *tables, unsigned n)
{
  begin (b, signature, 1);
  for (unsigned i = 0; i < n; i++) {
    put (b->files.tables, tables[i], size);
    point (b, b->table + HEADER_SIZE + size * i, (uint8_t) size);
  }
  return end (b);
}

/* Both roots, for operating systems from ACPI 1.0 on; two checksums, the old one over the old part. */
static void
add_rsdp (Builder *b, uint32_t rsdt, uint32_t xsdt)
{
  GByteArray *r = b->files.rsdp, *loader = b->files.loader;
  put_text (r, "RSD PTR ", 8);
  put (r, 0, 1);
  put_text (r, b->facts->oem_id, 6);
  put (r, 2, 1);
  put (r, rsdt, 4);
  put (r, RSDP_SIZE, 4);
  put (r, xsdt, 8);
  put (r, 0, 4);
  loader_add_pointer (loader, ACPI_FILE_RSDP, RSDP_RSDT, 4, ACPI_FILE_TABLES);
  loader_add_pointer (loader, ACPI_FILE_RSDP, RSDP_XSDT, 8, ACPI_FILE_TABLES);
  loader_add_checksum (loader, ACPI_FILE_RSDP, 8, 0, RSDP_OLD_SIZE);
  loader_add_checksum (loader, ACPI_FILE_RSDP, 32, 0, RSDP_SIZE);
}

/* Where memory is and will be, and that all of it is as near to every processor. */
static uint32_t
add_srat (Builder *b)
{
  begin (b, "SRAT", 3);
  acpi_put_affinity (b->files.tables, b->facts);
  return end (b);
}

AcpiFiles
acpi_build (const AcpiFacts *facts)
{
  Builder b = { .facts = facts, .files = { g_byte_array_new (), g_byte_array_new (), g_byte_array_new () } };
  uint32_t listed[4];
  unsigned n = 0;
  loader_allocate (b.files.loader, ACPI_FILE_RSDP, 16, LOADER_ZONE_LOW);
  loader_allocate (b.files.loader, ACPI_FILE_TABLES, 64, LOADER_ZONE_HIGH);
  uint32_t facs = facts->is_reduced ? 0 : add_facs (&b), dsdt = add_dsdt (&b);
  listed[n++] = facts->is_reduced ? add_reduced_fadt (&b, dsdt) : add_fadt (&b, facs, dsdt);
  if (facts->has_apic)
    listed[n++] = add_madt (&b);
  if (acpi_is_mapped (facts->memory, ACPI_HPET))
    listed[n++] = add_hpet (&b);
  if (facts->memory_slots)
    listed[n++] = add_srat (&b);
  uint32_t rsdt = add_root (&b, "RSDT", 4, listed, n);
  add_rsdp (&b, rsdt, add_root (&b, "XSDT", 8, listed, n));
  return b.files;
}

void
acpi_files_clear (AcpiFiles *files)
{
  g_clear_pointer (&files->tables, g_byte_array_unref);
  g_clear_pointer (&files->rsdp, g_byte_array_unref);
  g_clear_pointer (&files->loader, g_byte_array_unref);
}
