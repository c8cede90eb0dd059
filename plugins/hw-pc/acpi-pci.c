/* acpi-pci.c -- ACPI for PCI functions that come and go (ACPI 6.4, 6.3): a device for each place that may be ejected, and who is told. */
/* SPDX-License-Identifier: MIT */
#include "acpi.h"
#include "aml-build.h"

enum { NOTIFY_DEVICE_CHECK = 1, NOTIFY_EJECT = 3 };

/* As pci-slots.c has them; the fourth is for people. */
static void
add_registers (Aml *a)
{
  static const AmlField fields[] = { { "PCAM", 32 }, { "PASK", 32 }, { "PEJT", 32 } };
  aml_region (a, "PREG", AML_SYSTEM_IO, ACPI_PCI_PORT, ACPI_PCI_SIZE);
  aml_fields (a, "PREG", AML_DWORDS | AML_WRITE_ZEROS, fields, G_N_ELEMENTS (fields));
  aml_mutex (a, "PLCK");
}

static void
place_name (char name[5], unsigned device)
{
  g_snprintf (name, 5, "S%02X", device & 0xff);
}

static void
add_place (Aml *a, unsigned device)
{
  char name[5];
  place_name (name, device);
  aml_begin_device (a, name);
  aml_name_integer (a, "_SUN", device);
  aml_name_integer (a, "_ADR", device << 16);
  aml_begin_method (a, "_EJ0", 1);
  aml_acquire (a, "PLCK");
  aml_byte (a, AML_STORE);
  aml_integer (a, 1u << device);
  aml_path (a, "PEJT");
  aml_release (a, "PLCK");
  aml_end (a);
  aml_end (a);
}

/* If (Arg0 & bit) { Notify (Snn, Arg1) } for each, since a device cannot be computed. */
static void
add_notify (Aml *a, uint32_t places)
{
  aml_begin_method (a, "PTFY", 2);
  for (unsigned device = 0; device < 32; device++) {
    char name[5];
    if (!(places >> device & 1))
      continue;
    place_name (name, device);
    aml_begin_if (a);
    aml_byte (a, AML_AND);
    aml_byte (a, AML_ARG0);
    aml_integer (a, 1u << device);
    aml_nothing (a);
    aml_byte (a, AML_NOTIFY);
    aml_path (a, name);
    aml_byte (a, AML_ARG0 + 1);
    aml_end (a);
  }
  aml_end (a);
}

/* Reading takes the event back. */
static void
add_look (Aml *a, const char *places, unsigned notify)
{
  aml_byte (a, AML_STORE);
  aml_path (a, places);
  aml_byte (a, AML_LOCAL0);
  aml_path (a, "PTFY");
  aml_byte (a, AML_LOCAL0);
  aml_integer (a, notify);
}

void
acpi_add_pci_slots (Aml *a, const AcpiFacts *facts)
{
  add_registers (a);
  for (unsigned device = 0; device < 32; device++)
    if (facts->pci_slots >> device & 1)
      add_place (a, device);
  add_notify (a, facts->pci_slots);
  aml_begin_method (a, "PSCN", 0);
  aml_acquire (a, "PLCK");
  add_look (a, "PCAM", NOTIFY_DEVICE_CHECK);
  add_look (a, "PASK", NOTIFY_EJECT);
  aml_release (a, "PLCK");
  aml_end (a);
}
