/* hw-pc.h -- the types of this plugin, one a chip. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_HW_PC_H
#define HW_PC_HW_PC_H

#include <backplane/common.h>

/* RAM ends here at the latest and goes on at 4 GiB; between them is room for PCI, APICs and ROM. */
#define PC_RAM_LIMIT UINT64_C (0xe0000000)

/* --- power management ------------------------------------------------------------------------ */
/* Written to the APM control port, 0xb2: to ACPI, and back. */
enum { ACPI_COMMAND_ENABLE = 0xf1, ACPI_COMMAND_DISABLE = 0xf0, ACPI_COMMAND_PORT = 0xb2 };
/* Where firmware puts the chip's 64 ports: SeaBIOS does when it is given tables (otherwise 0xb000), and so do the boot loaders here. */
enum { ACPI_PM_BASE = 0x600, ACPI_PM_SIZE = 0x40 };

/* Memory slots and PCI slots: the registers' ports, and the general-purpose event that their events are wired to (the PIIX4's GPI1). */
enum { ACPI_MEMORY_PORT = 0xa00, ACPI_MEMORY_SIZE = 0x18, ACPI_PCI_PORT = 0xae00, ACPI_PCI_SIZE = 0x10, ACPI_SLOTS_EVENT = 9 };

/* --- cmos-memory.c --- */
void cmos_describe_memory (const BpLink *cmos, uint64_t size);

extern const BpTypeDesc i8259_pair_type, i8254_type, uart_16550_type, mc146818_type, i8042_type, port92_type;
extern const BpTypeDesc i440fx_type, piix3_type, piix4_pm_type, lapic_type, ioapic_type, hpet_type;
extern const BpTypeDesc acpi_tables_type, acpi_events_type, smbios_tables_type, memory_slots_type, dimm_type, pci_slots_type;
extern const BpTypeDesc fw_cfg_type, debug_exit_type, debug_console_type, post_port_type, pc_testdev_type, pci_testdev_type, bios_rom_type;
extern const BpTypeDesc vga_pci_type, vga_isa_type;
extern const BpTypeDesc piix3_ide_type, isa_ide_type, ide_disk_type, ide_cdrom_type;
extern const BpTypeDesc i8237_pair_type, fdc_82078_type, isa_board_type;
extern const BpTypeDesc boot_linux_type, boot_multiboot_type;

#endif
