/* acpi-facts.c -- what ACPI tables are made from, collected from the objects of a machine. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-state.h>
#include <backplane/bus/memory-slots.h>
#include <backplane/iface/acpi.h>
#include <backplane/object.h>
#include "acpi.h"

enum { CPUID_APIC = 1 << 9 };

/* The processors' APIC IDs; false: one of them has no local APIC. */
static bool
collect_processors (BpMachine *machine, GByteArray *ids)
{
  bool all = true;
  unsigned cursor = 0;
  for (void *cpu; (cpu = bp_machine_next (machine, BP_X86_CPU_ID, &cursor));) {
    const BpX86CpuIface *t = bp_object_interface (cpu, BP_X86_CPU_ID);
    uint32_t leaf[4] = { 0 };
    t->cpuid (cpu, 1, 0, leaf);
    all = all && leaf[3] & CPUID_APIC;
    uint8_t id = (uint8_t) (leaf[1] >> 24);
    g_byte_array_append (ids, &id, 1);
  }
  return all && ids->len;
}

/* What objects tell of themselves. */
static GArray *
collect_devices (BpMachine *machine)
{
  GArray *devices = g_array_new (FALSE, TRUE, sizeof (BpAcpiDevice));
  unsigned cursor = 0;
  for (void *object; (object = bp_machine_next (machine, BP_ACPI_ID, &cursor));) {
    const BpAcpiIface *t = bp_object_interface (object, BP_ACPI_ID);
    BpAcpiDevice d = { .struct_size = sizeof d };
    for (unsigned n = 0; BP_TABLE_HAS (t, device) && t->device (object, n, &d); n++) {
      d.hid = g_intern_string (d.hid);
      g_array_append_val (devices, d);
      d = (BpAcpiDevice) { .struct_size = sizeof d };
    }
  }
  return devices;
}

static void
look_for_events (AcpiFacts *f, BpMachine *machine)
{
  unsigned cursor = 0;
  void *events = bp_machine_next (machine, ACPI_EVENTS_ID, &cursor);
  if (!events)
    return;
  const AcpiEventsIface *t = bp_object_interface (events, ACPI_EVENTS_ID);
  f->is_reduced = t->find_port (events, &f->events);
  f->events_interrupt = t->interrupt (events);
}

static void
add_slots (AcpiFacts *f, const BpLink *slots)
{
  const BpMemorySlotsIface *t = slots->table;
  BpMemorySlotsInfo info = { .struct_size = sizeof info };
  if (!BP_TABLE_HAS (t, info) || !acpi_is_mapped (f->io, ACPI_MEMORY_PORT))
    return;
  t->info (slots->instance, &info);
  f->memory_slots = info.slots;
  f->memory_base = info.base;
  f->memory_size = info.size;
}

static void
add_pci_slots (AcpiFacts *f, BpMachine *machine)
{
  unsigned cursor = 0;
  void *slots = f->has_pci && acpi_is_mapped (f->io, ACPI_PCI_PORT) ? bp_machine_next (machine, ACPI_PCI_ID, &cursor) : NULL;
  if (slots)
    f->pci_slots = ((const AcpiPciIface *) bp_object_interface (slots, ACPI_PCI_ID))->removable (slots);
}

void
acpi_facts_collect (AcpiFacts *f, BpMachine *machine, uint64_t ram, const BpLink *slots)
{
  f->memory = bp_machine_address_space (machine, "memory");
  f->io = bp_machine_address_space (machine, "io");
  f->ram_end = (uint32_t) MIN (ram, PC_RAM_LIMIT);
  f->ram_above = ram > PC_RAM_LIMIT ? ram - PC_RAM_LIMIT : 0;
  f->has_pci = acpi_is_mapped (f->io, 0xcf8);
  f->devices = collect_devices (machine);
  look_for_events (f, machine);
  add_slots (f, slots);
  add_pci_slots (f, machine);
  f->apic_ids = g_byte_array_new ();
  f->has_apic = collect_processors (machine, f->apic_ids) && acpi_is_mapped (f->memory, ACPI_IOAPIC);
}

void
acpi_facts_clear (AcpiFacts *f)
{
  g_byte_array_unref (f->apic_ids);
  g_array_unref (f->devices);
}
