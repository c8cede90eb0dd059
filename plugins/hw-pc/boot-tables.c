/* boot-tables.c -- firmware's part in ACPI, for kernels that start without it: the chipset set up, the tables in memory. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include "acpi.h"
#include "boot.h"

enum { HOST_BRIDGE = 0x12378086, PM_FUNCTION = 0x71138086 };
#define TABLES_LOW 0xf0000u

static void
pci_select (BpAddressSpace *io, unsigned address, unsigned reg)
{
  bp_as_store (io, 0xcf8, 0x80000000 | address << 8 | reg, 4);
}

/* The 82441FX shows RAM where the BIOS would be; the PIIX4 gets its registers to where the tables say. */
static void
set_up_function (BpAddressSpace *io, unsigned address)
{
  pci_select (io, address, 0);
  uint32_t id = (uint32_t) bp_as_load (io, 0xcfc, 4);
  if (id == HOST_BRIDGE) {
    pci_select (io, address, 0x58);
    bp_as_store (io, 0xcfd, 0x30, 1);
  } else if (id == PM_FUNCTION) {
    pci_select (io, address, 0x40);
    bp_as_store (io, 0xcfc, ACPI_PM_BASE | 1, 4);
    pci_select (io, address, 0x80);
    bp_as_store (io, 0xcfc, 1, 1);
    pci_select (io, address, 0x3c);
    bp_as_store (io, 0xcfc, 9, 1);
  }
}

bool
boot_place_tables (BpMachine *machine, const BpLink *firmware, uint64_t *ram_end, uint32_t *rsdp, GError **error)
{
  BpAddressSpace *io = bp_machine_address_space (machine, "io"), *memory = bp_machine_address_space (machine, "memory");
  uint64_t end = *ram_end;
  for (unsigned address = 0; address < 256; address++)
    set_up_function (io, address);
  bp_as_store (io, 0xcf8, 0, 4);
  if (!loader_run (firmware, memory, ram_end, TABLES_LOW, rsdp, error))
    return false;
  *ram_end &= ~UINT64_C (0xfff);
  if (end - *ram_end <= BOOT_TABLES_ROOM)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the ACPI tables take %" G_GUINT64_FORMAT " KiB, for which there is no room", (end - *ram_end) >> 10);
  return false;
}
