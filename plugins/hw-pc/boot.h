/* boot.h -- what the boot loaders of this plugin share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_BOOT_H
#define HW_PC_BOOT_H

#include <backplane/arch/x86-state.h>
#include <backplane/iface/boot.h>
#include <backplane/common.h>

/* The first part of a boot loader's state. */
typedef struct BootCommon {
  BpLink cpu;                   /* the CPU that starts */
  BpLink ram;                   /* memory backend: how much RAM there is */
} BootCommon;

/* RAM from address 0 up, below the PCI hole. */
uint64_t boot_ram_size (const BootCommon *boot);
/* The part of it that the machine maps from BOOT_HIGH_BASE up; 0: none. */
uint64_t boot_high_ram (const BootCommon *boot, BpAddressSpace *memory);
#define BOOT_HIGH_BASE UINT64_C (0x100000000)
/* The extended BIOS data area, up to the end of conventional memory at 0xa0000. */
#define BOOT_EBDA 0x9fc00u
/* Code at the firmware's entry, 0xffff0, that resets the machine. */
void boot_write_reset_vector (BpAddressSpace *memory);
/* Interrupt controllers, timer and real-mode vectors as after a firmware's work, which has no more to do but for that entry. */
void boot_leave_firmware_state (BpMachine *machine);
/* At a reset with shutdown status 5 or 0xa in the CMOS memory: RAM stays as it is, and the CPU goes on in real mode where the far pointer at
 * 40:67 says.  false: there is no such status. */
bool boot_resume (BootCommon *boot, BpMachine *machine);
/* The tables of the MultiProcessor Specification, in the EBDA, for all x86 CPUs of the machine, of which `first` starts; the timer is wired to
 * that input of the I/O APIC. */
bool boot_write_mp_table (BpMachine *machine, const BpLink *first, uint8_t timer_input, GError **error);
/* Sets the chipset up and places the tables that firmware would have from `firmware`, at the end of RAM, which *ram_end is and moves down by up to
 * BOOT_TABLES_ROOM, and below 1 MiB; *rsdp becomes the root's address, 0 when there is none. */
bool boot_place_tables (BpMachine *machine, const BpLink *firmware, uint64_t *ram_end, uint32_t *rsdp, GError **error);
#define BOOT_TABLES_ROOM 0x40000u
/* An option ROM that reads these items of the firmware configuration into memory and enters a kernel's 16-bit setup at BOOT_SETUP. */
enum { BOOT_ROM_PIECES = 4, BOOT_SETUP = 0x10000 };
typedef struct BootPiece {
  uint16_t item;
  uint32_t size, address;
} BootPiece;
void boot_make_rom (GByteArray *bytes, const BootPiece pieces[BOOT_ROM_PIECES]);
/* A copy of a file until boot_unmap_file, behind the first `most` bytes zeros; *data is NULL when it is empty.  The message names the file. */
bool boot_map_file (const char *path, size_t most, uint8_t **data, size_t *size, GError **error);
#define BOOT_WHOLE SIZE_MAX
/* Part of a file into guest memory. */
bool boot_copy_file (const char *path, size_t offset, size_t size, BpAddressSpace *memory, uint64_t address, GError **error);
void boot_unmap_file (uint8_t **data, size_t *size);
/* Flat 32-bit protected mode, paging and interrupts off, at `entry`; a GDT with selectors `code` and `data` is put at `gdt_address`. */
void boot_enter_flat32 (BootCommon *boot, BpAddressSpace *memory, uint32_t gdt_address, uint16_t code, uint16_t data, uint32_t entry,
                        const uint64_t gpr[8]);

#endif
