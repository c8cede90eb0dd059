/* acpi.h -- what the power management chip, the ACPI tables and the boot loaders agree on. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_ACPI_H
#define HW_PC_ACPI_H

/* Written to the APM control port, 0xb2: to ACPI, and back. */
enum { ACPI_COMMAND_ENABLE = 0xf1, ACPI_COMMAND_DISABLE = 0xf0, ACPI_COMMAND_PORT = 0xb2 };
/* Where firmware puts the chip's 64 ports: SeaBIOS does, and so do the boot loaders here. */
enum { ACPI_PM_BASE = 0xb000, ACPI_PM_SIZE = 0x40 };

#endif
