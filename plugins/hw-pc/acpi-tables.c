/* acpi-tables.c -- gives firmware the ACPI tables of the machine, made from what is in it. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/memory-slots.h>
#include <backplane/iface/firmware-config.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/object.h>
#include <string.h>
#include "acpi.h"
#include "hw-pc.h"

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct AcpiTables {
  BpLink firmware, ram, slots;
  uint8_t sci, timer_input, pci_input;
  char *oem_id, *oem_table_id;
} AcpiTables;

/* --- files ---------------------------------------------------------------------------------- */

static AcpiFiles
make_files (const AcpiTables *a)
{
  AcpiFacts f = { .sci = a->sci, .timer_input = a->timer_input, .pci_input = a->pci_input, .oem_id = a->oem_id, .oem_table_id = a->oem_table_id };
  const BpMemoryBackendIface *ram = a->ram.table;
  acpi_facts_collect (&f, bp_object_machine (a), ram->size (a->ram.instance), &a->slots);
  AcpiFiles files = acpi_build (&f);
  acpi_facts_clear (&f);
  return files;
}

/* Each of the three is made for itself, and all are the same every time. */
static void
copy_bytes (GByteArray *to, const GByteArray *from)
{
  g_byte_array_append (to, from->data, from->len);
}

static void
make_tables (void *self, GByteArray *bytes)
{
  AcpiFiles files = make_files (self);
  copy_bytes (bytes, files.tables);
  acpi_files_clear (&files);
}

static void
make_rsdp (void *self, GByteArray *bytes)
{
  AcpiFiles files = make_files (self);
  copy_bytes (bytes, files.rsdp);
  acpi_files_clear (&files);
}

static void
make_loader (void *self, GByteArray *bytes)
{
  AcpiFiles files = make_files (self);
  copy_bytes (bytes, files.loader);
  acpi_files_clear (&files);
}

/* --- life cycle: configure, realize ------------------------------------------------------------ */

static bool
tables_configure (void *self, GError **error)
{
  const AcpiTables *a = self;
  const BpMemoryBackendIface *ram = a->ram.table;
  const char *wrong = NULL;
  if (!BP_TABLE_HAS (ram, size))
    wrong = "the RAM's backend does not say how large it is";
  else if (strlen (a->oem_id) > 6 || strlen (a->oem_table_id) > 8)
    wrong = "oem-id has up to 6 characters, oem-table-id up to 8";
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s", wrong);
  return !wrong;
}

static bool
tables_realize (void *self, GError **error)
{
  AcpiTables *a = self;
  return bp_firmware_config_add_maker (&a->firmware, ACPI_FILE_TABLES, make_tables, a, error)
         && bp_firmware_config_add_maker (&a->firmware, ACPI_FILE_RSDP, make_rsdp, a, error)
         && bp_firmware_config_add_maker (&a->firmware, ACPI_FILE_LOADER, make_loader, a, error);
}

/* --- tables: properties, type ------------------------------------------------------------------- */

static const BpProperty tables_properties[] = {
  BP_PROP_LINK ("firmware", AcpiTables, firmware, BP_FIRMWARE_CONFIG_ID, BP_PROPERTY_REQUIRED, "Where firmware looks for the tables."),
  BP_PROP_LINK ("ram", AcpiTables, ram, BP_MEMORY_BACKEND_ID, BP_PROPERTY_REQUIRED, "The memory backend: PCI's memory begins where it ends."),
  BP_PROP_LINK ("slots", AcpiTables, slots, BP_MEMORY_SLOTS_ID, 0, "The memory slots, whose registers are at I/O 0xa00; unset: none."),
  BP_PROP_ ("sci", BP_PROPERTY_U8, AcpiTables, sci, .default_int = 9, .max = 15, .help = "The ISA interrupt that power management's `sci' is wired to."),
  BP_PROP_ ("timer-input", BP_PROPERTY_U8, AcpiTables, timer_input, .default_int = 2, .max = 23,
            .help = "The I/O APIC's input that the interval timer is wired to."),
  BP_PROP_ ("pci-input", BP_PROPERTY_U8, AcpiTables, pci_input, .default_int = 16, .max = 20,
            .help = "The I/O APIC's input that PCI's line A is wired to; B, C and D follow."),
  BP_PROP_STRING ("oem-id", AcpiTables, oem_id, "BKPLNE", "Who made the tables: up to 6 characters."),
  BP_PROP_STRING ("oem-table-id", AcpiTables, oem_table_id, "PC", "Their model: up to 8 characters."),
  BP_PROP_END
};

const BpTypeDesc acpi_tables_type = {
  BP_TYPE ("acpi-tables", BP_KIND_DEVICE, AcpiTables),
  .description = "ACPI tables for firmware, made from what is in the machine",
  .properties = tables_properties,
  .configure = tables_configure,
  .realize = tables_realize,
};
