/* mp-table.c -- Intel MultiProcessor Specification 1.4 (May 1997): the tables that tell a kernel of APICs, where there is no ACPI. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include <string.h>
#include "boot.h"
#include "checksum.h"

/* --- the specification's numbers ----------------------------------------------------- */

enum { POINTER_SIZE = 16, HEADER_SIZE = 44, ROOM = 0x3f0 };     /* the last bytes of the EBDA are another's */
enum { ENTRY_PROCESSOR, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_INTERRUPT, ENTRY_LOCAL };
enum { INTERRUPT_VECTORED, INTERRUPT_NMI, INTERRUPT_SMI, INTERRUPT_EXTERNAL };
enum { AS_THE_BUS = 0, ACTIVE_LOW_LEVEL = 0x0f };
enum { PROCESSOR_ENABLED = 1, PROCESSOR_BOOTS = 2, CPUID_APIC = 1 << 9, LAPIC_VERSION = 0x14, EVERY_LAPIC = 0xff };
#define LAPIC_ADDRESS  0xfee00000u
#define IOAPIC_ADDRESS 0xfec00000u

typedef struct Table {
  BpAddressSpace *memory, *io;
  GByteArray *bytes;
  uint16_t n_entries;
  uint8_t isa_bus, ioapic, boot_lapic, last_lapic;
} Table;

static void
add (Table *t, const uint8_t *entry, unsigned size)
{
  g_byte_array_append (t->bytes, entry, size);
  t->n_entries++;
}

static void put32 (uint8_t *p, uint32_t v) { v = GUINT32_TO_LE (v); memcpy (p, &v, 4); }

/* --- processors -------------------------------------------------------------------------- */

static bool
add_processors (Table *t, BpMachine *machine, const BpLink *first, GError **error)
{
  unsigned cursor = 0;
  for (void *cpu; (cpu = bp_machine_next (machine, BP_X86_CPU_ID, &cursor));) {
    const BpX86CpuIface *table = bp_object_interface (cpu, BP_X86_CPU_ID);
    uint32_t leaf[4];           /* EAX EBX ECX EDX */
    table->cpuid (cpu, 1, 0, leaf);
    if (!(leaf[3] & CPUID_APIC)) {
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "mp-table = on, but `%s' has no local APIC: its `intc' must be one", bp_object_id (cpu));
      return false;
    }
    uint8_t id = (uint8_t) (leaf[1] >> 24);
    bool boots = cpu == first->instance;
    uint8_t entry[20] = { ENTRY_PROCESSOR, id, LAPIC_VERSION, PROCESSOR_ENABLED | (boots ? PROCESSOR_BOOTS : 0) };
    put32 (entry + 4, leaf[0]);
    put32 (entry + 8, leaf[3]);
    add (t, entry, sizeof entry);
    t->last_lapic = MAX (t->last_lapic, id);
    if (boots)
      t->boot_lapic = id;
  }
  return true;
}

/* --- buses and their interrupts ------------------------------------------------------------ */

static void
add_bus (Table *t, uint8_t id, const char name[6])
{
  uint8_t entry[8] = { ENTRY_BUS, id };
  memcpy (entry + 2, name, 6);
  add (t, entry, sizeof entry);
}

static void
add_interrupt (Table *t, uint8_t type, uint8_t flags, uint8_t bus, uint8_t source, uint8_t pin)
{
  uint8_t entry[8] = { ENTRY_INTERRUPT, type, flags, 0, bus, source, t->ioapic, pin };
  add (t, entry, sizeof entry);
}

static uint32_t
pci_read (Table *t, unsigned device, unsigned function, unsigned reg)
{
  bp_as_store (t->io, 0xcf8, 0x80000000 | device << 11 | function << 8 | reg, 4);
  return (uint32_t) bp_as_load (t->io, 0xcfc, 4);
}

/* Whoever is there on bus 0 and has an interrupt pin.  INTA# of device D is line (D - 1) mod 4, and the lines are inputs 16 to 19. */
static void
add_pci_interrupts (Table *t)
{
  for (unsigned device = 0; device < 32; device++) {
    bool several = pci_read (t, device, 0, 0x0c) >> 23 & 1;
    for (unsigned function = 0; function < (several ? 8 : 1); function++) {
      unsigned pin = pci_read (t, device, function, 0x3c) >> 8 & 0xff;
      if ((uint16_t) pci_read (t, device, function, 0) != 0xffff && pin >= 1 && pin <= 4)
        add_interrupt (t, INTERRUPT_VECTORED, ACTIVE_LOW_LEVEL, 0, (uint8_t) (device << 2 | (pin - 1)), (uint8_t) (16 + (device + pin + 2) % 4));
    }
  }
  bp_as_store (t->io, 0xcf8, 0, 4);
}

/* Lines of the ISA bus have the input of their number, but for the timer's; the PIC is at input 0 then. */
static void
add_isa_interrupts (Table *t, uint8_t timer_input)
{
  if (timer_input != 0)
    add_interrupt (t, INTERRUPT_EXTERNAL, AS_THE_BUS, t->isa_bus, 0, 0);
  for (uint8_t line = 0; line < 16; line++)
    if (line != 2)
      add_interrupt (t, INTERRUPT_VECTORED, AS_THE_BUS, t->isa_bus, line, line ? line : timer_input);
}

static void
add_local_interrupts (Table *t)
{
  uint8_t lint0[8] = { ENTRY_LOCAL, INTERRUPT_EXTERNAL, AS_THE_BUS, 0, t->isa_bus, 0, t->boot_lapic, 0 };
  uint8_t lint1[8] = { ENTRY_LOCAL, INTERRUPT_NMI, AS_THE_BUS, 0, t->isa_bus, 0, EVERY_LAPIC, 1 };
  add (t, lint0, sizeof lint0);
  add (t, lint1, sizeof lint1);
}

/* --- I/O APIC ---------------------------------------------------------------------------------- */

static uint32_t
ioapic_read (Table *t, uint8_t index)
{
  bp_as_store (t->memory, IOAPIC_ADDRESS, index, 4);
  return (uint32_t) bp_as_load (t->memory, IOAPIC_ADDRESS + 0x10, 4);
}

/* It gets the first ID behind the processors', as from firmware. */
static bool
add_ioapic (Table *t, GError **error)
{
  uint32_t version = ioapic_read (t, 1);
  if (version == UINT32_MAX || (version >> 16 & 0xff) < 15) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "mp-table = on, but there is no I/O APIC at 0x%x", IOAPIC_ADDRESS);
    return false;
  }
  t->ioapic = MIN (t->last_lapic + 1, 15);
  bp_as_store (t->memory, IOAPIC_ADDRESS, 0, 4);
  bp_as_store (t->memory, IOAPIC_ADDRESS + 0x10, (uint32_t) t->ioapic << 24, 4);
  uint8_t entry[8] = { ENTRY_IOAPIC, t->ioapic, (uint8_t) version, 1 };
  put32 (entry + 4, IOAPIC_ADDRESS);
  add (t, entry, sizeof entry);
  return true;
}

/* --- the whole ---------------------------------------------------------------------------------- */

static bool
add_entries (Table *t, BpMachine *machine, const BpLink *first, uint8_t timer_input, GError **error)
{
  bool pci = (uint16_t) pci_read (t, 0, 0, 0) != 0xffff;
  t->isa_bus = pci ? 1 : 0;
  if (!add_processors (t, machine, first, error))
    return false;
  if (pci)
    add_bus (t, 0, "PCI   ");
  add_bus (t, t->isa_bus, "ISA   ");
  if (!add_ioapic (t, error))
    return false;
  add_isa_interrupts (t, timer_input);
  if (pci)
    add_pci_interrupts (t);
  add_local_interrupts (t);
  if (POINTER_SIZE + t->bytes->len <= ROOM)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the table of %u processors and interrupts does not fit into %u bytes", t->n_entries, ROOM);
  return false;
}

static bool
write_table (Table *t)
{
  uint8_t pointer[POINTER_SIZE] = { '_', 'M', 'P', '_', [8] = 1, [9] = 4 }, *header = t->bytes->data;
  memcpy (header, "PCMP", 4);
  header[4] = (uint8_t) t->bytes->len;
  header[5] = (uint8_t) (t->bytes->len >> 8);
  header[6] = 4;                                /* 1.4 */
  memcpy (header + 8, "BACKPLANPC          ", 20);
  header[34] = (uint8_t) t->n_entries;
  header[35] = (uint8_t) (t->n_entries >> 8);
  put32 (header + 36, LAPIC_ADDRESS);
  header[7] = checksum (header, t->bytes->len);
  put32 (pointer + 4, BOOT_EBDA + POINTER_SIZE);
  pointer[10] = checksum (pointer, sizeof pointer);
  return bp_as_write (t->memory, BOOT_EBDA, pointer, sizeof pointer)
         && bp_as_write (t->memory, BOOT_EBDA + POINTER_SIZE, t->bytes->data, t->bytes->len);
}

bool
boot_write_mp_table (BpMachine *machine, const BpLink *first, uint8_t timer_input, GError **error)
{
  Table t = { .memory = bp_machine_address_space (machine, "memory"), .io = bp_machine_address_space (machine, "io"), .bytes = g_byte_array_new () };
  g_byte_array_set_size (t.bytes, HEADER_SIZE);
  memset (t.bytes->data, 0, HEADER_SIZE);
  bool fine = add_entries (&t, machine, first, timer_input, error);
  if (fine && !(fine = write_table (&t)))
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no RAM at 0x%x for the processors' table", BOOT_EBDA);
  g_byte_array_unref (t.bytes);
  return fine;
}
