/* acpi-memory.c -- ACPI for memory slots (ACPI 6.4, 5.2.16, 6.3, 9.11): a device a slot, the event that tells of changes, and where memory may be. */
/* SPDX-License-Identifier: MIT */
#include "acpi.h"
#include "aml-build.h"

enum { NOTIFY_DEVICE_CHECK = 1, NOTIFY_EJECT = 3, PRESENT = 0x0f };

/* Registers as memory-slots.c has them; MSEL selects the slot that the others mean. */
static void
add_registers (Aml *a)
{
  static const AmlField read[] = { { "MADR", 64 }, { "MLEN", 64 }, { "MPX", 32 } };
  static const AmlField bits[] = { { NULL, 0x14 * 8 }, { "MES", 1 }, { "MINS", 1 }, { "MRMV", 1 }, { "MEJ", 1 } };
  static const AmlField written[] = { { "MSEL", 32 }, { "MOEV", 32 }, { "MOSC", 32 } };
  aml_name_eisa_id (a, "_HID", "PNP0A06");
  aml_name_string (a, "_UID", "memory slots");
  aml_name (a, "_CRS");
  aml_begin_resources (a);
  aml_io (a, ACPI_MEMORY_PORT, ACPI_MEMORY_SIZE);
  aml_end (a);
  aml_region (a, "MREG", AML_SYSTEM_IO, ACPI_MEMORY_PORT, ACPI_MEMORY_SIZE);
  aml_fields (a, "MREG", AML_DWORDS | AML_PRESERVE, read, G_N_ELEMENTS (read));
  aml_fields (a, "MREG", AML_BYTES | AML_WRITE_ZEROS, bits, G_N_ELEMENTS (bits));
  aml_fields (a, "MREG", AML_DWORDS | AML_PRESERVE, written, G_N_ELEMENTS (written));
  aml_mutex (a, "MLCK");
}

static void
store (Aml *a, uint8_t from, const char *to)
{
  aml_byte (a, AML_STORE);
  aml_byte (a, from);
  aml_path (a, to);
}

static void
store_integer (Aml *a, uint64_t value, const char *to)
{
  aml_byte (a, AML_STORE);
  aml_integer (a, value);
  aml_path (a, to);
}

static void
begin_locked (Aml *a, const char *method, unsigned flags)
{
  aml_begin_method (a, method, flags);
  aml_acquire (a, "MLCK");
  store (a, AML_ARG0, "MSEL");
}

/* --- methods for all slots: the first argument is the slot's number ------------------------------ */

static void
add_status (Aml *a)
{
  begin_locked (a, "MSTA", 1);
  aml_byte (a, AML_STORE);
  aml_integer (a, 0);
  aml_byte (a, AML_LOCAL0);
  aml_begin_if (a);
  aml_path (a, "MES");
  aml_byte (a, AML_STORE);
  aml_integer (a, PRESENT);
  aml_byte (a, AML_LOCAL0);
  aml_end (a);
  aml_release (a, "MLCK");
  aml_byte (a, AML_RETURN);
  aml_byte (a, AML_LOCAL0);
  aml_end (a);
}

static void
create_field (Aml *a, unsigned at, const char *name)
{
  aml_byte (a, AML_CREATE_QWORD_FIELD);
  aml_path (a, "MBUF");
  aml_integer (a, at);
  aml_path (a, name);
}

/* MLST = MADR + MLEN - 1; the caller gets a copy, since the buffer is everybody's. */
static void
add_resources (Aml *a)
{
  aml_name (a, "MBUF");
  aml_begin_resources (a);
  aml_memory64 (a, 0, 0);
  aml_end (a);
  create_field (a, AML_MEMORY64_FIRST, "MFST");
  create_field (a, AML_MEMORY64_LAST, "MLST");
  create_field (a, AML_MEMORY64_LENGTH, "MSIZ");
  begin_locked (a, "MCRS", 1);
  aml_byte (a, AML_STORE);
  aml_path (a, "MADR");
  aml_path (a, "MFST");
  aml_byte (a, AML_STORE);
  aml_path (a, "MLEN");
  aml_path (a, "MSIZ");
  aml_byte (a, AML_ADD);
  aml_path (a, "MFST");
  aml_path (a, "MSIZ");
  aml_byte (a, AML_LOCAL0);
  aml_byte (a, AML_SUBTRACT);
  aml_byte (a, AML_LOCAL0);
  aml_integer (a, 1);
  aml_path (a, "MLST");
  aml_byte (a, AML_STORE);
  aml_path (a, "MBUF");
  aml_byte (a, AML_LOCAL1);
  aml_release (a, "MLCK");
  aml_byte (a, AML_RETURN);
  aml_byte (a, AML_LOCAL1);
  aml_end (a);
}

static void
add_proximity (Aml *a)
{
  begin_locked (a, "MPXM", 1);
  aml_byte (a, AML_STORE);
  aml_path (a, "MPX");
  aml_byte (a, AML_LOCAL0);
  aml_release (a, "MLCK");
  aml_byte (a, AML_RETURN);
  aml_byte (a, AML_LOCAL0);
  aml_end (a);
}

/* The event, the status, and text that nobody reads. */
static void
add_ost (Aml *a)
{
  begin_locked (a, "MOST", 3);
  store (a, AML_ARG0 + 1, "MOEV");
  store (a, AML_ARG0 + 2, "MOSC");
  aml_release (a, "MLCK");
  aml_end (a);
}

static void
add_eject (Aml *a)
{
  begin_locked (a, "MEJC", 1);
  store_integer (a, 1, "MEJ");
  aml_release (a, "MLCK");
  aml_end (a);
}

/* --- one slot ---------------------------------------------------------------------------------------- */

static void
slot_name (char name[5], unsigned n)
{
  g_snprintf (name, 5, "MP%02X", n & 0xff);
}

/* method arguments...: `extra' of the caller's own are passed on; what gives nothing is called, not returned. */
static void
add_call (Aml *a, const char *method, unsigned arguments, const char *what, unsigned slot, unsigned extra, bool returns)
{
  aml_begin_method (a, method, arguments);
  if (returns)
    aml_byte (a, AML_RETURN);
  aml_path (a, what);
  aml_integer (a, slot);
  for (unsigned i = 0; i < extra; i++)
    aml_byte (a, (uint8_t) (AML_ARG0 + i));
  aml_end (a);
}

static void
add_slot (Aml *a, unsigned n)
{
  char name[5];
  slot_name (name, n);
  aml_begin_device (a, name);
  aml_name_eisa_id (a, "_HID", "PNP0C80");
  aml_name_integer (a, "_UID", n);
  add_call (a, "_STA", 0, "MSTA", n, 0, true);
  add_call (a, "_CRS", 0, "MCRS", n, 0, true);
  add_call (a, "_PXM", 0, "MPXM", n, 0, true);
  add_call (a, "_OST", 3, "MOST", n, 2, false);
  add_call (a, "_EJ0", 1, "MEJC", n, 0, false);
  aml_end (a);
}

/* --- the event ------------------------------------------------------------------------------------------ */

/* If (MSEL == n) { Notify (MPnn, Arg1) } for each, since a device cannot be computed. */
static void
add_notify (Aml *a, unsigned n_slots)
{
  aml_begin_method (a, "MTFY", 2);
  for (unsigned n = 0; n < n_slots; n++) {
    char name[5];
    slot_name (name, n);
    aml_begin_if (a);
    aml_byte (a, AML_EQUAL);
    aml_byte (a, AML_ARG0);
    aml_integer (a, n);
    aml_byte (a, AML_NOTIFY);
    aml_path (a, name);
    aml_byte (a, AML_ARG0 + 1);
    aml_end (a);
  }
  aml_end (a);
}

/* The event is cleared before anybody is told: one that comes meanwhile is found again. */
static void
add_look (Aml *a, const char *event, unsigned notify)
{
  aml_begin_if (a);
  aml_path (a, event);
  store_integer (a, 1, event);
  aml_path (a, "MTFY");
  aml_byte (a, AML_LOCAL0);
  aml_integer (a, notify);
  aml_end (a);
}

static void
add_scan (Aml *a, unsigned n_slots)
{
  aml_begin_method (a, "MSCN", 0);
  aml_acquire (a, "MLCK");
  aml_byte (a, AML_STORE);
  aml_integer (a, 0);
  aml_byte (a, AML_LOCAL0);
  aml_begin_while (a);
  aml_byte (a, AML_LESS);
  aml_byte (a, AML_LOCAL0);
  aml_integer (a, n_slots);
  store (a, AML_LOCAL0, "MSEL");
  add_look (a, "MINS", NOTIFY_DEVICE_CHECK);
  add_look (a, "MRMV", NOTIFY_EJECT);
  aml_byte (a, AML_INCREMENT);
  aml_byte (a, AML_LOCAL0);
  aml_end (a);
  aml_release (a, "MLCK");
  aml_end (a);
}

void
acpi_add_memory_slots (Aml *a, const AcpiFacts *facts)
{
  aml_begin_device (a, "MEMS");
  add_registers (a);
  add_status (a);
  add_resources (a);
  add_proximity (a);
  add_ost (a);
  add_eject (a);
  for (unsigned n = 0; n < facts->memory_slots; n++)
    add_slot (a, n);
  add_notify (a, facts->memory_slots);
  add_scan (a, facts->memory_slots);
  aml_end (a);
}

/* --- SRAT ------------------------------------------------------------------------------------------- */

static void
put (GByteArray *t, uint64_t value, unsigned size)
{
  uint64_t little = GUINT64_TO_LE (value);
  g_byte_array_append (t, (const uint8_t *) &little, size);
}

static void
put_processor (GByteArray *t, uint8_t apic_id)
{
  put (t, 0x1000 | (uint32_t) apic_id << 24, 4);        /* type 0, 16 bytes, domain 0 */
  put (t, 1, 4);
  put (t, 0, 8);
}

static void
put_memory (GByteArray *t, uint64_t base, uint64_t size, bool later)
{
  if (!size)
    return;
  put (t, 0x2801, 2);
  put (t, 0, 6);
  put (t, base, 8);
  put (t, size, 8);
  put (t, 0, 4);
  put (t, later ? 3 : 1, 4);    /* there; can be added and removed */
  put (t, 0, 8);
}

void
acpi_put_affinity (GByteArray *t, const AcpiFacts *f)
{
  put (t, 1, 4);
  put (t, 0, 8);
  for (guint i = 0; f->has_apic && i < f->apic_ids->len; i++)
    put_processor (t, f->apic_ids->data[i]);
  put_memory (t, 0, 0xa0000, false);
  put_memory (t, 0x100000, f->ram_end - 0x100000, false);
  put_memory (t, UINT64_C (1) << 32, f->ram_above, false);
  put_memory (t, f->memory_base, f->memory_size, true);
}
