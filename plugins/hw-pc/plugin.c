/* plugin.c -- hw-pc: the chips of a PC, and the loaders that start programs on it. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include "hw-pc.h"

static const BpTypeDesc *const types[] = {
  &i8259_pair_type,
  &i8254_type,
  &mc146818_type,
  &uart_16550_type,
  &i8237_pair_type,
  &fdc_82078_type,
  &isa_board_type,
  &i8042_type,
  &port92_type,
  &lapic_type,
  &ioapic_type,
  &hpet_type,
  &i440fx_type,
  &piix3_type,
  &piix4_pm_type,
  &bios_rom_type,
  &piix3_ide_type,
  &isa_ide_type,
  &ide_disk_type,
  &ide_cdrom_type,
  &vga_pci_type,
  &vga_isa_type,
  &fw_cfg_type,
  &acpi_tables_type,
  &acpi_events_type,
  &memory_slots_type,
  &dimm_type,
  &pci_slots_type,
  &smbios_tables_type,
  &post_port_type,
  &debug_console_type,
  &debug_exit_type,
  &pc_testdev_type,
  &pci_testdev_type,
  &boot_linux_type,
  &boot_multiboot_type,
  NULL
};

BP_PLUGIN_DEFINE (.id = "hw-pc", .version = "0.1", .licence = "MIT", .description = "Chips of a PC: interrupt controllers, timers, UART, PCI, VGA, boot loaders",
                  .types = types);
