/* acpi.h -- what the power management chip, the ACPI tables and the boot loaders agree on. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_ACPI_H
#define HW_PC_ACPI_H

#include <backplane/memory.h>
#include "hw-pc.h"

typedef struct Aml Aml;         /* aml-build.h */

/* --- what the tables are made from ------------------------------------------------------------------ */
typedef struct AcpiFacts {
  BpAddressSpace *memory, *io;  /* looked into: what is mapped at the places of a PC is there */
  uint32_t ram_end;             /* below 4 GiB */
  uint64_t ram_above;           /* bytes from 4 GiB up */
  uint32_t memory_slots;        /* for memory that comes later; 0: none */
  uint64_t memory_base, memory_size;    /* where that will be */
  uint32_t pci_slots;           /* a bit for each device number of PCI that is free, or whose functions may leave */
  GByteArray *apic_ids;         /* the processors' */
  bool has_apic;                /* processors have local APICs, and there is an I/O APIC */
  uint8_t sci, timer_input, pci_input;  /* interrupts by number; the I/O APIC's inputs of the timer, and of PCI's line A */
  const char *oem_id, *oem_table_id;
  bool has_pci;                 /* a host bridge answers */
  bool is_reduced;              /* hardware-reduced ACPI: no fixed registers of power management, but `events' */
  uint16_t events;              /* first port of a device `acpi-events` */
  uint32_t events_interrupt;
  GArray *devices;              /* BpAcpiDevice: what objects tell of themselves */
} AcpiFacts;
enum { ACPI_IOAPIC = 0xfec00000, ACPI_LAPIC = 0xfee00000, ACPI_HPET = 0xfed00000 };

/* acpi-facts.c: from `memory' to the end, except what is the tables' own choice (sci, inputs, OEM).  ram: bytes; slots may be unset. [locked] */
void acpi_facts_collect (AcpiFacts *f, BpMachine *machine, uint64_t ram, const BpLink *slots);
void acpi_facts_clear (AcpiFacts *f);

static inline bool
acpi_is_mapped (BpAddressSpace *space, uint64_t address)
{
  const BpFlatRange *r = bp_as_lookup (space, address);
  if (r)
    bp_as_leave (space);
  return r != NULL;
}

/* --- acpi-events.c: registers, from its first port ------------------------------------------------ */
enum { ACPI_EVENTS_PENDING = 0, ACPI_EVENTS_SLEEP_CONTROL = 1, ACPI_EVENTS_SLEEP_STATUS = 2, ACPI_EVENTS_RESET = 3, ACPI_EVENTS_SIZE = 4 };
enum { ACPI_EVENT_BUTTON = 1 << 0, ACPI_EVENTS_RESET_VALUE = 0x42, ACPI_SLEEP_SOFT_OFF = 5 };
#define ACPI_EVENTS_ID "backplane.hw-pc.acpi-events/1"
typedef struct AcpiEventsIface {
  uint32_t struct_size;
  uint32_t (*interrupt) (void *self);
  bool (*find_port) (void *self, uint16_t *port);       /* false: its ports are mapped nowhere */
} AcpiEventsIface;

/* --- acpi-dsdt.c ------------------------------------------------------------------------------------ */
/* What follows the table's header. */
GByteArray *acpi_make_dsdt (const AcpiFacts *facts);

/* --- pci-slots.c ------------------------------------------------------------------------------------ */
#define ACPI_PCI_ID "backplane.hw-pc.acpi-pci/1"
typedef struct AcpiPciIface {
  uint32_t struct_size;
  uint32_t (*removable) (void *self);   /* AcpiFacts.pci_slots */
} AcpiPciIface;

/* --- acpi-memory.c, acpi-pci.c ---------------------------------------------------------------------- */
/* The devices of memory slots, into \_SB, with a method MEMS.MSCN for their event; those of PCI slots, into PCI's, with PSCN. */
void acpi_add_memory_slots (Aml *a, const AcpiFacts *facts);
void acpi_add_pci_slots (Aml *a, const AcpiFacts *facts);
/* What follows SRAT's header. */
void acpi_put_affinity (GByteArray *t, const AcpiFacts *facts);

/* --- acpi-build.c ----------------------------------------------------------------------------------- */
/* The three files for firmware: tables with addresses relative to files, and the commands that make them absolute. */
typedef struct AcpiFiles {
  GByteArray *tables, *rsdp, *loader;
} AcpiFiles;
#define ACPI_FILE_TABLES "etc/acpi/tables"
#define ACPI_FILE_RSDP   "etc/acpi/rsdp"
#define ACPI_FILE_LOADER "etc/table-loader"
AcpiFiles acpi_build (const AcpiFacts *facts);
void acpi_files_clear (AcpiFiles *files);

/* --- acpi-loader.c ---------------------------------------------------------------------------------- */
/* Commands of QEMU's table loader (docs/specs/acpi_bios_linker_loader in its tree): entries of 128 bytes, little-endian. */
enum { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3, LOADER_ENTRY = 128, LOADER_NAME = 56 };
enum { LOADER_ZONE_HIGH = 1, LOADER_ZONE_LOW = 2 /* 0xe0000 to 0xfffff */ };
void loader_allocate (GByteArray *loader, const char *file, uint32_t align, uint8_t zone);
/* The `size` bytes at `offset` of `file` become absolute: the address of `target` is added. */
void loader_add_pointer (GByteArray *loader, const char *file, uint32_t offset, uint8_t size, const char *target);
void loader_add_checksum (GByteArray *loader, const char *file, uint32_t offset, uint32_t start, uint32_t length);
/* Does what firmware does with them, from the files of a firmware configuration.  Files for high memory are placed downwards from *high_end, which
 * becomes their start; the others upwards from low_start to the end of the megabyte.  `root`, unless NULL: where the RSDP went. [main][locked] */
bool loader_run (const BpLink *firmware, BpAddressSpace *memory, uint64_t *high_end, uint32_t low_start, uint32_t *root, GError **error);

#endif
