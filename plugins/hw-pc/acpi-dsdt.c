/* acpi-dsdt.c -- the ACPI name space of a PC: PCI bus, interrupt links, devices at fixed ports, processors, soft off. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/acpi.h>
#include "acpi.h"
#include "aml-build.h"

/* --- devices behind the ISA bridge ------------------------------------------------------------- */

#define NO_IRQ 0xff
#define NO_DMA 0xff

/* Which of them there are is seen as firmware would see it: something answers at their ports. */
typedef struct IsaDevice {
  const char *name, *id;
  uint16_t probe;
  struct { uint16_t base; uint8_t length; } io[3];
  uint8_t irq, dma;
  uint8_t unit;                 /* _UID of one of several; 0: it is the only one */
} IsaDevice;

static const IsaDevice isa_devices[] = {
  { "PIC", "PNP0000", 0x20, { { 0x20, 2 }, { 0xa0, 2 }, { 0x4d0, 2 } }, 2, NO_DMA, 0 },
  { "TIMR", "PNP0100", 0x40, { { 0x40, 4 } }, NO_IRQ, NO_DMA, 0 },
  { "DMAC", "PNP0200", 0x00, { { 0x00, 16 }, { 0x80, 16 }, { 0xc0, 32 } }, NO_IRQ, 4, 0 },
  { "SPKR", "PNP0800", 0x61, { { 0x61, 1 } }, NO_IRQ, NO_DMA, 0 },
  { "RTC", "PNP0B00", 0x70, { { 0x70, 2 } }, 8, NO_DMA, 0 },
  { "KBD", "PNP0303", 0x60, { { 0x60, 1 }, { 0x64, 1 } }, 1, NO_DMA, 0 },
  { "MOU", "PNP0F13", 0x60, { { 0, 0 } }, 12, NO_DMA, 0 },
  { "FDC0", "PNP0700", 0x3f2, { { 0x3f2, 4 }, { 0x3f7, 1 } }, 6, 2, 0 },
  { "LPT1", "PNP0400", 0x378, { { 0x378, 8 } }, 7, NO_DMA, 1 },
  { "COM1", "PNP0501", 0x3f8, { { 0x3f8, 8 } }, 4, NO_DMA, 1 },
  { "COM2", "PNP0501", 0x2f8, { { 0x2f8, 8 } }, 3, NO_DMA, 2 },
  { "COM3", "PNP0501", 0x3e8, { { 0x3e8, 8 } }, 4, NO_DMA, 3 },
  { "COM4", "PNP0501", 0x2e8, { { 0x2e8, 8 } }, 3, NO_DMA, 4 },
};

static void
add_isa_device (Aml *a, const IsaDevice *d)
{
  aml_begin_device (a, d->name);
  aml_name_eisa_id (a, "_HID", d->id);
  if (d->unit)
    aml_name_integer (a, "_UID", d->unit);
  aml_name (a, "_CRS");
  aml_begin_resources (a);
  for (unsigned i = 0; i < G_N_ELEMENTS (d->io) && d->io[i].length; i++)
    aml_io (a, d->io[i].base, d->io[i].length);
  if (d->irq != NO_IRQ)
    aml_irq (a, d->irq);
  if (d->dma != NO_DMA)
    aml_dma (a, d->dma);
  aml_end (a);
  aml_end (a);
}

/* Firmware's own way to the host: not a device of plug and play, but Linux has a driver for it. */
static void
add_firmware_config (Aml *a)
{
  aml_begin_device (a, "FWCF");
  aml_name_string (a, "_HID", "QEMU0002");
  aml_name (a, "_CRS");
  aml_begin_resources (a);
  aml_io (a, 0x510, 12);
  aml_end (a);
  aml_end (a);
}

static void
add_isa_devices (Aml *a, const AcpiFacts *facts)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (isa_devices); i++)
    if (acpi_is_mapped (facts->io, isa_devices[i].probe))
      add_isa_device (a, &isa_devices[i]);
  if (acpi_is_mapped (facts->io, 0x510))
    add_firmware_config (a);
}

static void
add_isa (Aml *a, const AcpiFacts *facts)
{
  static const char *const routes[] = { "PRQA", "PRQB", "PRQC", "PRQD" };
  aml_begin_device (a, "ISA");
  aml_name_integer (a, "_ADR", 0x00010000);
  aml_byte_fields (a, "PIRQ", AML_PCI_CONFIG, 0x60, routes, 4);
  add_isa_devices (a, facts);
  aml_end (a);
}

/* --- PCI's interrupts ------------------------------------------------------------------------------ */

/* Device d's INTA# is line d - 1, and so on round; without I/O APIC the lines go through the links, with it to inputs of their own. */
static void
add_routes (Aml *a, const char *name, bool links, uint8_t first_input)
{
  static const char *const link_names[] = { "\\_SB.LNKA", "\\_SB.LNKB", "\\_SB.LNKC", "\\_SB.LNKD" };
  aml_name (a, name);
  aml_begin_package (a, 31 * 4);
  for (unsigned device = 1; device < 32; device++)
    for (unsigned pin = 0; pin < 4; pin++) {
      unsigned line = (device - 1 + pin) & 3;
      aml_begin_package (a, 4);
      aml_integer (a, device << 16 | 0xffff);
      aml_integer (a, pin);
      if (links)
        aml_path (a, link_names[line]);
      else
        aml_integer (a, 0);
      aml_integer (a, links ? 0 : first_input + line);
      aml_end (a);
    }
  aml_end (a);
}

static void
return_path (Aml *a, const char *path)
{
  aml_byte (a, AML_RETURN);
  aml_path (a, path);
}

static void
add_prt (Aml *a, const AcpiFacts *facts)
{
  add_routes (a, "PRTP", true, 0);
  if (facts->has_apic)
    add_routes (a, "PRTA", false, facts->pci_input);
  aml_begin_method (a, "_PRT", 0);
  if (facts->has_apic) {
    aml_begin_if (a);
    aml_path (a, "\\PICF");
    return_path (a, "PRTA");
    aml_end (a);
  }
  return_path (a, "PRTP");
  aml_end (a);
}

/* --- interrupt links: the bridge's registers 0x60 to 0x63 -------------------------------------------- */

static void
add_link_status (Aml *a, const char *reg)
{
  aml_begin_method (a, "_STA", 0);
  aml_begin_if (a);
  aml_byte (a, AML_AND);
  aml_path (a, reg);
  aml_integer (a, 0x80);
  aml_nothing (a);
  aml_byte (a, AML_RETURN);
  aml_integer (a, 0x09);        /* there, not enabled */
  aml_end (a);
  aml_byte (a, AML_RETURN);
  aml_integer (a, 0x0b);
  aml_end (a);
}

/* A link that is switched off has the interrupt 0. */
static void
add_link_current (Aml *a, const char *reg)
{
  static const uint32_t none = 0;
  aml_name (a, "BUFF");
  aml_begin_resources (a);
  aml_pci_interrupts (a, &none, 1);
  aml_end (a);
  aml_begin_method (a, "_CRS", AML_SERIALIZED);
  aml_byte (a, AML_CREATE_DWORD_FIELD);
  aml_path (a, "BUFF");
  aml_integer (a, AML_INTERRUPT_NUMBER);
  aml_path (a, "IRQW");
  aml_byte (a, AML_STORE);
  aml_integer (a, 0);
  aml_path (a, "IRQW");
  aml_begin_if (a);
  aml_byte (a, AML_LESS);
  aml_path (a, reg);
  aml_integer (a, 0x80);
  aml_byte (a, AML_STORE);
  aml_path (a, reg);
  aml_path (a, "IRQW");
  aml_end (a);
  return_path (a, "BUFF");
  aml_end (a);
}

static void
add_link_set (Aml *a, const char *reg)
{
  aml_begin_method (a, "_SRS", 1 | AML_SERIALIZED);
  aml_byte (a, AML_CREATE_DWORD_FIELD);
  aml_byte (a, AML_ARG0);
  aml_integer (a, AML_INTERRUPT_NUMBER);
  aml_path (a, "IRQW");
  aml_byte (a, AML_STORE);
  aml_path (a, "IRQW");
  aml_path (a, reg);
  aml_end (a);
}

static void
add_link (Aml *a, unsigned n)
{
  static const char *const names[] = { "LNKA", "LNKB", "LNKC", "LNKD" };
  static const char *const registers[] = { "PCI0.ISA.PRQA", "PCI0.ISA.PRQB", "PCI0.ISA.PRQC", "PCI0.ISA.PRQD" };
  static const uint32_t possible[] = { 5, 10, 11 };
  g_autofree char *reg = g_strconcat ("\\_SB.", registers[n], NULL);
  aml_begin_device (a, names[n]);
  aml_name_eisa_id (a, "_HID", "PNP0C0F");
  aml_name_integer (a, "_UID", n + 1);
  aml_name (a, "_PRS");
  aml_begin_resources (a);
  aml_pci_interrupts (a, possible, G_N_ELEMENTS (possible));
  aml_end (a);
  add_link_status (a, reg);
  add_link_current (a, reg);
  add_link_set (a, reg);
  aml_begin_method (a, "_DIS", 0);
  aml_byte (a, AML_OR);
  aml_path (a, reg);
  aml_integer (a, 0x80);
  aml_path (a, reg);
  aml_end (a);
  aml_end (a);
}

/* --- the PCI bus ----------------------------------------------------------------------------------------- */

/* Memory from the end of RAM to the I/O APIC, all ports but those of the configuration registers, and the VGA's window. */
static void
add_pci_windows (Aml *a, const AcpiFacts *facts)
{
  aml_name (a, "_CRS");
  aml_begin_resources (a);
  aml_bus_numbers (a, 0, 0xff);
  aml_io (a, 0xcf8, 8);
  aml_io_window (a, 0, 0xcf7);
  aml_io_window (a, 0xd00, 0xffff);
  aml_memory_window (a, 0xa0000, 0xbffff, true);
  aml_memory_window (a, facts->ram_end, ACPI_IOAPIC - 1, false);
  aml_end (a);
}

static void
add_pci (Aml *a, const AcpiFacts *facts)
{
  aml_begin_device (a, "PCI0");
  aml_name_eisa_id (a, "_HID", "PNP0A03");
  aml_name_integer (a, "_UID", 0);
  add_pci_windows (a, facts);
  add_isa (a, facts);
  add_prt (a, facts);
  if (facts->pci_slots)
    acpi_add_pci_slots (a, facts);
  aml_end (a);
}

/* --- the rest ---------------------------------------------------------------------------------------- */

static void
add_hpet (Aml *a)
{
  aml_begin_device (a, "HPET");
  aml_name_eisa_id (a, "_HID", "PNP0103");
  aml_name_integer (a, "_UID", 0);
  aml_name (a, "_CRS");
  aml_begin_resources (a);
  aml_memory_fixed (a, ACPI_HPET, 0x400, true);
  aml_end (a);
  aml_end (a);
}

/* What no driver asks for and no device may be put over: power management, APICs. */
static void
add_reserved (Aml *a, const AcpiFacts *facts)
{
  aml_begin_device (a, "RSRV");
  aml_name_eisa_id (a, "_HID", "PNP0C02");
  aml_name (a, "_CRS");
  aml_begin_resources (a);
  if (facts->is_reduced) {
    aml_io (a, facts->events, ACPI_EVENTS_SIZE);
  } else {
    aml_io (a, ACPI_COMMAND_PORT, 2);
    aml_io (a, ACPI_PM_BASE, ACPI_PM_SIZE);
  }
  if (facts->pci_slots)
    aml_io (a, ACPI_PCI_PORT, ACPI_PCI_SIZE);
  if (facts->has_apic) {
    aml_memory_fixed (a, ACPI_IOAPIC, 0x1000, true);
    aml_memory_fixed (a, ACPI_LAPIC, 0x1000, true);
  }
  aml_end (a);
  aml_end (a);
}

static void
add_processors (Aml *a, const AcpiFacts *facts)
{
  for (guint i = 0; i < facts->apic_ids->len; i++) {
    char name[5];
    g_snprintf (name, sizeof name, "C%03X", i & 0xfff);
    aml_begin_device (a, name);
    aml_name_string (a, "_HID", "ACPI0007");
    aml_name_integer (a, "_UID", i);
    aml_end (a);
  }
}

/* The operating system says with which interrupt controllers it works: 1 with APICs. */
static void
add_interrupt_model (Aml *a)
{
  aml_name_integer (a, "\\PICF", 0);
  aml_begin_method (a, "\\_PIC", 1);
  aml_byte (a, AML_STORE);
  aml_byte (a, AML_ARG0);
  aml_path (a, "\\PICF");
  aml_end (a);
}

/* Sleep types for the power management chip: soft off is 0. */
static void
add_soft_off (Aml *a, const AcpiFacts *facts)
{
  aml_name (a, "\\_S5");
  aml_begin_package (a, 4);
  for (unsigned i = 0; i < 4; i++)
    aml_integer (a, facts->is_reduced && i < 2 ? ACPI_SLEEP_SOFT_OFF : 0);
  aml_end (a);
}

/* --- what there is without a chipset ------------------------------------------------------------------ */

/* The button is a device of its own, and what tells of it reads the pending events, which clears them. */
static void
add_events (Aml *a, const AcpiFacts *facts)
{
  static const char *const fields[] = { "PEND" };
  aml_begin_device (a, "PWRB");
  aml_name_eisa_id (a, "_HID", "PNP0C0C");
  aml_name_integer (a, "_UID", 0);
  aml_end (a);
  aml_begin_device (a, "GED");
  aml_name_string (a, "_HID", "ACPI0013");
  aml_name_integer (a, "_UID", 0);
  aml_name (a, "_CRS");
  aml_begin_resources (a);
  aml_interrupt (a, facts->events_interrupt);
  aml_end (a);
  aml_byte_fields (a, "EREG", AML_SYSTEM_IO, facts->events, fields, G_N_ELEMENTS (fields));
  aml_begin_method (a, "_EVT", 1 | AML_SERIALIZED);
  aml_byte (a, AML_STORE);
  aml_path (a, "PEND");
  aml_byte (a, AML_LOCAL0);
  aml_begin_if (a);
  aml_byte (a, AML_AND);
  aml_byte (a, AML_LOCAL0);
  aml_integer (a, ACPI_EVENT_BUTTON);
  aml_nothing (a);
  aml_byte (a, AML_NOTIFY);
  aml_path (a, "\\_SB.PWRB");
  aml_integer (a, 0x80);
  aml_end (a);
  aml_end (a);
  aml_end (a);
}

/* Those that nothing else leads to. */
static void
add_told_devices (Aml *a, const AcpiFacts *facts)
{
  for (guint i = 0; i < facts->devices->len; i++) {
    const BpAcpiDevice *d = &g_array_index (facts->devices, BpAcpiDevice, i);
    char name[5];
    g_snprintf (name, sizeof name, "D%03X", i & 0xfff);
    aml_begin_device (a, name);
    aml_name_string (a, "_HID", d->hid);
    aml_name_integer (a, "_UID", d->uid);
    aml_name (a, "_CRS");
    aml_begin_resources (a);
    if (d->size)
      aml_memory_fixed (a, (uint32_t) d->address, (uint32_t) d->size, true);
    if (d->interrupt != BP_ACPI_NO_INTERRUPT)
      aml_interrupt (a, d->interrupt);
    aml_end (a);
    aml_end (a);
  }
}

/* What slots have in common is the event that tells of changes. */
static void
add_slots_event (Aml *a, const AcpiFacts *facts)
{
  char name[5];
  if (!facts->memory_slots && !facts->pci_slots)
    return;
  g_snprintf (name, sizeof name, "_L%02X", ACPI_SLOTS_EVENT);
  aml_begin_scope (a, "\\_GPE");
  aml_begin_method (a, name, 0);
  if (facts->memory_slots)
    aml_path (a, "\\_SB.MEMS.MSCN");
  if (facts->pci_slots)
    aml_path (a, "\\_SB.PCI0.PSCN");
  aml_end (a);
  aml_end (a);
}

GByteArray *
acpi_make_dsdt (const AcpiFacts *facts)
{
  Aml a = aml_new ();
  add_interrupt_model (&a);
  aml_begin_scope (&a, "\\_SB");
  if (facts->has_pci) {
    add_pci (&a, facts);
    for (unsigned i = 0; i < 4; i++)
      add_link (&a, i);
  } else
    add_isa_devices (&a, facts);
  if (facts->is_reduced)
    add_events (&a, facts);
  add_told_devices (&a, facts);
  add_reserved (&a, facts);
  if (acpi_is_mapped (facts->memory, ACPI_HPET))
    add_hpet (&a);
  add_processors (&a, facts);
  if (facts->memory_slots)
    acpi_add_memory_slots (&a, facts);
  aml_end (&a);
  add_slots_event (&a, facts);
  add_soft_off (&a, facts);
  return aml_finish (&a);
}
