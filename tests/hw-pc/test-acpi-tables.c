/* test-acpi-tables.c -- AML bytes, the tables of small and large machines, their placing in memory, and iasl's opinion of them. */
/* SPDX-License-Identifier: MIT */
#include "hw-pc-test.h"
#include "../scratch.h"
#include <backplane/iface/firmware-config.h>
#include <stdlib.h>
#include <string.h>
#include "hw-pc/acpi.h"
#include "hw-pc/aml-build.h"

/* --- AML ---------------------------------------------------------------------------------------------- */

static void
expect_bytes (Aml *a, const char *expected, unsigned n)
{
  GByteArray *bytes = aml_finish (a);
  ck_assert_uint_eq (bytes->len, n);
  ck_assert_mem_eq (bytes->data, expected, n);
  g_byte_array_unref (bytes);
}

START_TEST (integers_take_as_little_as_they_need)
{
  Aml a = aml_new ();
  for (unsigned i = 0; i < 3; i++)
    aml_integer (&a, i);
  aml_integer (&a, 0x100);
  aml_integer (&a, 0x10000);
  aml_integer (&a, UINT64_C (0x100000000));
  expect_bytes (&a, "\x00\x01\x0a\x02\x0b\x00\x01\x0c\x00\x00\x01\x00\x0e\x00\x00\x00\x00\x01\x00\x00\x00", 21);
}
END_TEST

START_TEST (paths_are_padded_and_counted)
{
  Aml a = aml_new ();
  aml_path (&a, "\\_SB");
  aml_path (&a, "^PCI0.ISA");
  aml_path (&a, "\\_SB.PCI0.ISA");
  expect_bytes (&a, "\\_SB_^\x2ePCI0ISA_\\\x2f\x03_SB_PCI0ISA_", 5 + 10 + 15);
}
END_TEST

START_TEST (eisa_ids_are_packed)
{
  Aml a = aml_new ();
  aml_eisa_id (&a, "PNP0A03");
  expect_bytes (&a, "\x0c\x41\xd0\x0a\x03", 5);
}
END_TEST

/* PkgLength: one byte up to 63, two up to 4095, then three. */
START_TEST (lengths_grow)
{
  static const struct { unsigned n, prefix; const char *code; } cases[] = {
    { 57, 1, "\x3f" }, { 58, 2, "\x41\x04" }, { 4088, 2, "\x4f\xff" }, { 4089, 3, "\x81\x00\x01" }
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    Aml a = aml_new ();
    aml_begin_scope (&a, "\\_SB");
    for (unsigned j = 0; j < cases[i].n; j++)
      aml_byte (&a, 0xa3);
    aml_end (&a);
    GByteArray *bytes = aml_finish (&a);
    ck_assert_uint_eq (bytes->len, 1 + cases[i].prefix + 5 + cases[i].n);
    ck_assert_mem_eq (bytes->data + 1, cases[i].code, cases[i].prefix);
    g_byte_array_unref (bytes);
  }
}
END_TEST

START_TEST (resources_are_a_buffer)
{
  Aml a = aml_new ();
  aml_begin_resources (&a);
  aml_io (&a, 0x3f8, 8);
  aml_irq (&a, 4);
  aml_end (&a);
  expect_bytes (&a, "\x11\x10\x0a\x0d\x47\x01\xf8\x03\xf8\x03\x01\x08\x22\x10\x00\x79\x00", 17);
}
END_TEST

/* --- a processor with an APIC -------------------------------------------------------------------------- */

typedef struct Cpu {
  uint32_t apic_id;
} Cpu;

static void
cpu_cpuid (void *self, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
  uint32_t values[4] = { 0x633, ((Cpu *) self)->apic_id << 24, 0, 1u << 9 };
  memcpy (out, values, sizeof values);
}

static const BpX86CpuIface cpu_iface = { .struct_size = sizeof cpu_iface, .cpuid = cpu_cpuid };
static const BpInterfaceDesc cpu_interfaces[] = { { BP_X86_CPU_ID, &cpu_iface }, { NULL, NULL } };
static const BpProperty cpu_properties[] = { BP_PROP_U32 ("apic-id", Cpu, apic_id, 0, "Initial APIC ID."), BP_PROP_END };
static const BpTypeDesc cpu_type = {
  BP_TYPE ("numbered-cpu", BP_KIND_CPU, Cpu), .description = "Answers CPUID", .interfaces = cpu_interfaces, .properties = cpu_properties
};

static const BpTypeDesc *const *
types (void)
{
  static const BpTypeDesc *all[64] = { &cpu_type };
  for (unsigned i = 0; hw_pc ()[i]; i++)
    all[i + 1] = hw_pc ()[i];
  return all;
}

/* --- machines --------------------------------------------------------------------------------------------- */

#define RAM(size) "[memory ram]\ntype = test-ram\nsize = " size "\n" \
  "[device host]\ntype = i440fx\nram = ram\nmemory = memory@0\nshadow = memory@0xa0000 prio 10\nio = io@0\npio0 = io@0xcf8\npio1 = io@0xcfc\n"
#define FIRMWARE "[device fw]\ntype = fw-cfg\nram = ram\n[device acpi]\ntype = acpi-tables\nfirmware = fw\nram = ram\n"
#define FIRMWARE_SLOTS FIRMWARE "slots = slots\n"
#define PM "[device pm]\ntype = piix4-pm\nbus = host\npio0 = io@0xb2\n"

/* The least: a processor without APIC, and nothing at the usual ports. */
static const char least[] = RAM ("16M") FIRMWARE PM "[cpu]\ntype = test-cpu\n";

static const char most[] = RAM ("16M") FIRMWARE PM
  "[device ioapic]\ntype = ioapic\nmmio0 = memory@0xfec00000\n[device hpet]\ntype = hpet\nmmio0 = memory@0xfed00000\n"
  "[device pic]\ntype = i8259-pair\npio0 = io@0x20\npio1 = io@0xa0\npio2 = io@0x4d0\n[device pit]\ntype = i8254\npio0 = io@0x40\npio1 = io@0x61\n"
  "[device rtc]\ntype = mc146818\npio0 = io@0x70\n[device kbd]\ntype = i8042\npio0 = io@0x60\npio1 = io@0x64\n"
  "[device com1]\ntype = uart-16550\npio0 = io@0x3f8\n[device com2]\ntype = uart-16550\npio0 = io@0x2f8\n"
  "[device com3]\ntype = stub\nsize = 8\nregs = io@0x3e8\n[device com4]\ntype = stub\nsize = 8\nregs = io@0x2e8\n"
  "[device lpt]\ntype = stub\nsize = 8\nregs = io@0x378\n[device fdc]\ntype = stub\nsize = 4\nregs = io@0x3f2\n[device dma]\ntype = stub\nsize = 16\nregs = io@0\n"
  "[device window]\ntype = stub\nsize = 12\nregs = io@0x510\n"
  "[cpu]\ntype = numbered-cpu\ncount = 3\napic-id = ${index}\n";

/* With PCI functions that come and go, and one that stays. */
static const char open_places[] = RAM ("16M") FIRMWARE PM "[device places]\ntype = pci-slots\nbus = host\npio0 = io@0xae00\nevent = pm.gpi1\n"
  "[device card]\ntype = pci-testdev\nbus = host\naddress = 05.0\n[cpu]\ntype = test-cpu\n";

/* With room for memory that comes later. */
static const char growing[] = RAM ("16M") FIRMWARE_SLOTS PM
  "[device slots]\ntype = memory-slots\nram = ram\nslots = 40\nmaxmem = 8G\npio0 = io@0xa00\nmemory = memory@0\n"
  "[device ioapic]\ntype = ioapic\nmmio0 = memory@0xfec00000\n[cpu]\ntype = numbered-cpu\ncount = 2\napic-id = ${index}\n";

typedef struct Machine {
  Harness *h;
  uint64_t end;                 /* of RAM, and where the tables begin then */
  uint32_t rsdp;
} Machine;

static Machine
start (const char *text)
{
  Machine m = { .h = harness_new (types (), text), .end = 16 << 20 };
  GError *error = NULL;
  void *fw = harness_object (m.h, "fw");
  BpLink link = { fw, bp_object_interface (fw, BP_FIRMWARE_CONFIG_ID) };
  out32 (m.h, 0xcf8, 0x80000058);       /* RAM at 0xf0000 */
  out8 (m.h, 0xcfd, 0x30);
  ck_assert_msg (loader_run (&link, bp_machine_address_space (harness_machine (m.h), "memory"), &m.end, 0xf0000, &m.rsdp, &error), "%s",
                 error ? error->message : "");
  return m;
}

/* A table's bytes, of which the sum is 0. */
static uint8_t *
table (Machine *m, uint32_t at, const char *signature, uint32_t *size)
{
  *size = read32 (m->h, at + 4);
  ck_assert_uint_ge (at, m->end);
  ck_assert_uint_le (at + *size, 16 << 20);
  uint8_t *bytes = g_malloc (*size), sum = 0;
  ck_assert (bp_as_read (bp_machine_address_space (harness_machine (m->h), "memory"), at, bytes, *size));
  for (uint32_t i = 0; i < *size; i++)
    sum = (uint8_t) (sum + bytes[i]);
  ck_assert_uint_eq (sum, 0);
  ck_assert_mem_eq (bytes, signature, 4);
  return bytes;
}

static uint32_t get32 (const uint8_t *at) { uint32_t v; memcpy (&v, at, 4); return v; }

/* Where the table of that name is, by the RSDT, and by the XSDT the same; 0: there is none. */
static uint32_t
lookup (Machine *m, const char *signature)
{
  uint32_t size, found = 0, x_size;
  g_autofree uint8_t *rsdt = table (m, read32 (m->h, m->rsdp + 16), "RSDT", &size);
  g_autofree uint8_t *xsdt = table (m, read32 (m->h, m->rsdp + 24), "XSDT", &x_size);
  ck_assert_uint_eq ((x_size - 36) / 8, (size - 36) / 4);
  for (uint32_t i = 0; i < (size - 36) / 4; i++) {
    uint32_t at = get32 (rsdt + 36 + 4 * i);
    ck_assert_uint_eq (get32 (xsdt + 36 + 8 * i), at);
    ck_assert_uint_eq (get32 (xsdt + 40 + 8 * i), 0);
    if (read32 (m->h, at) == get32 ((const uint8_t *) signature))
      found = at;
  }
  return found;
}

START_TEST (the_root_is_in_low_memory)
{
  Machine m = start (least);
  uint8_t old = 0, whole = 0;
  ck_assert_uint_eq (m.rsdp, 0xf0000);
  for (unsigned i = 0; i < 36; i++) {
    uint8_t byte = (uint8_t) harness_read (m.h, "memory", m.rsdp + i, 1);
    ck_assert (i >= 8 || byte == (uint8_t) "RSD PTR "[i]);
    old = (uint8_t) (old + (i < 20 ? byte : 0));
    whole = (uint8_t) (whole + byte);
  }
  ck_assert_uint_eq (old, 0);
  ck_assert_uint_eq (whole, 0);
  harness_free (m.h);
}
END_TEST

START_TEST (power_management_is_described)
{
  Machine m = start (least);
  uint32_t size, dsdt_size;
  g_autofree uint8_t *fadt = table (&m, lookup (&m, "FACP"), "FACP", &size);
  ck_assert_uint_eq (size, 244);
  ck_assert_uint_eq (get32 (fadt + 36) & 63, 0);
  ck_assert_uint_eq (read32 (m.h, get32 (fadt + 36)), 0x53434146);      /* FACS */
  g_autofree uint8_t *dsdt = table (&m, get32 (fadt + 40), "DSDT", &dsdt_size);
  ck_assert_uint_eq (get32 (fadt + 140), get32 (fadt + 40));
  ck_assert_uint_eq (fadt[46], 9);
  ck_assert_uint_eq (get32 (fadt + 48), 0xb2);
  ck_assert_uint_eq (get32 (fadt + 56), 0x600);
  ck_assert_uint_eq (get32 (fadt + 64), 0x604);
  ck_assert_uint_eq (get32 (fadt + 76), 0x608);
  ck_assert_uint_eq (get32 (fadt + 120), 0xcf9);
  ck_assert_uint_eq (get32 (fadt + 152), 0x600);
  ck_assert_uint_eq (get32 (fadt + 212), 0x608);
  harness_free (m.h);
}
END_TEST

START_TEST (what_is_not_there_is_not_described)
{
  Machine m = start (least);
  uint32_t size;
  ck_assert_uint_eq (lookup (&m, "APIC"), 0);
  ck_assert_uint_eq (lookup (&m, "HPET"), 0);
  g_autofree uint8_t *fadt = table (&m, lookup (&m, "FACP"), "FACP", &size);
  g_autofree uint8_t *dsdt = table (&m, get32 (fadt + 40), "DSDT", &size);
  ck_assert_ptr_null (memmem (dsdt, size, "COM1", 4));
  ck_assert_ptr_null (memmem (dsdt, size, "PRTA", 4));
  ck_assert_ptr_nonnull (memmem (dsdt, size, "LNKD", 4));
  ck_assert_ptr_nonnull (memmem (dsdt, size, "_S5_", 4));
  harness_free (m.h);
}
END_TEST

START_TEST (what_is_there_is_described)
{
  static const char *const names[] = { "PIC_", "TIMR", "DMAC", "SPKR", "RTC_", "KBD_", "MOU_", "FDC0", "LPT1", "COM1", "COM2", "COM3", "COM4", "FWCF", "HPET", "C002" };
  Machine m = start (most);
  uint32_t size;
  g_autofree uint8_t *fadt = table (&m, lookup (&m, "FACP"), "FACP", &size);
  g_autofree uint8_t *dsdt = table (&m, get32 (fadt + 40), "DSDT", &size);
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++)
    ck_assert_msg (memmem (dsdt, size, names[i], 4), "%s is not in the DSDT", names[i]);
  uint32_t hpet_size;
  g_autofree uint8_t *hpet = table (&m, lookup (&m, "HPET"), "HPET", &hpet_size);
  ck_assert_uint_eq (hpet_size, 56);
  ck_assert_uint_eq (get32 (hpet + 36), 0x8086a201);
  ck_assert_uint_eq (get32 (hpet + 44), 0xfed00000);
  harness_free (m.h);
}
END_TEST

START_TEST (processors_and_overrides_are_listed)
{
  static const uint8_t entries[] = {
    0x00, 0x00, 0xe0, 0xfe, 1, 0, 0, 0,                         /* local APICs, and a PIC pair */
    0, 8, 0, 0, 1, 0, 0, 0, 0, 8, 1, 1, 1, 0, 0, 0, 0, 8, 2, 2, 1, 0, 0, 0,
    1, 12, 0, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0,            /* I/O APIC */
    2, 10, 0, 0, 2, 0, 0, 0, 0, 0,                              /* the timer is input 2 */
    2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0,                           /* the SCI is a level */
    4, 6, 0xff, 0, 0, 1                                         /* NMI */
  };
  Machine m = start (most);
  uint32_t size;
  g_autofree uint8_t *madt = table (&m, lookup (&m, "APIC"), "APIC", &size);
  ck_assert_uint_eq (size, 36 + sizeof entries);
  ck_assert_mem_eq (madt + 36, entries, sizeof entries);
  harness_free (m.h);
}
END_TEST

/* --- what the loader refuses ---------------------------------------------------------------------------- */

static const struct { const char *what; uint8_t entry[LOADER_ENTRY]; } bad_commands[] = {
  { "a file that is not there", { LOADER_ALLOCATE, 0, 0, 0, 'x', [60] = 16, [64] = LOADER_ZONE_HIGH } },
  { "an alignment that is none", { LOADER_ALLOCATE, 0, 0, 0, 'f', [60] = 3, [64] = LOADER_ZONE_HIGH } },
  { "no alignment", { LOADER_ALLOCATE, 0, 0, 0, 'f', [64] = LOADER_ZONE_HIGH } },
  { "a pointer in a file without place", { LOADER_ADD_POINTER, 0, 0, 0, 'f', [60] = 'f', [120] = 4 } },
  { "a checksum in a file without place", { LOADER_ADD_CHECKSUM, 0, 0, 0, 'f' } },
};
static const struct { const char *what; uint8_t entry[LOADER_ENTRY]; } bad_places[] = {
  { "a pointer over the end", { LOADER_ADD_POINTER, 0, 0, 0, 'f', [60] = 'f', [116] = 6, [120] = 4 } },
  { "a pointer beyond the end", { LOADER_ADD_POINTER, 0, 0, 0, 'f', [60] = 'f', [116] = 0xff, [117] = 0xff, [118] = 0xff, [119] = 0xff, [120] = 1 } },
  { "a pointer of three bytes", { LOADER_ADD_POINTER, 0, 0, 0, 'f', [60] = 'f', [120] = 3 } },
  { "a pointer to a file without place", { LOADER_ADD_POINTER, 0, 0, 0, 'f', [60] = 'x', [120] = 4 } },
  { "a checksum beyond the end", { LOADER_ADD_CHECKSUM, 0, 0, 0, 'f', [60] = 8 } },
  { "a sum beyond the end", { LOADER_ADD_CHECKSUM, 0, 0, 0, 'f', [64] = 4, [68] = 5 } },
  { "a sum of very much", { LOADER_ADD_CHECKSUM, 0, 0, 0, 'f', [68] = 0xff, [69] = 0xff, [70] = 0xff, [71] = 0xff } },
  { "a second place", { LOADER_ALLOCATE, 0, 0, 0, 'f', [60] = 16, [64] = LOADER_ZONE_HIGH } },
};

static GByteArray commands, file;

static const GByteArray *
fake_file (void *self, const char *name)
{
  return strcmp (name, ACPI_FILE_LOADER) == 0 ? &commands : strcmp (name, "f") == 0 ? &file : NULL;
}

static const BpFirmwareConfigIface fake = { .struct_size = sizeof fake, .file = fake_file };

static void
expect_refusal (Harness *h, const char *what, const uint8_t *first, const uint8_t *second)
{
  uint8_t bytes[2 * LOADER_ENTRY], eight[8] = { 0 };
  unsigned n = 0;
  if (first)
    memcpy (bytes + LOADER_ENTRY * n++, first, LOADER_ENTRY);
  memcpy (bytes + LOADER_ENTRY * n++, second, LOADER_ENTRY);
  commands = (GByteArray) { bytes, LOADER_ENTRY * n };
  file = (GByteArray) { eight, sizeof eight };
  char self;
  BpLink link = { &self, &fake };
  uint64_t end = 1 << 20;
  GError *error = NULL;
  ck_assert_msg (!loader_run (&link, bp_machine_address_space (harness_machine (h), "memory"), &end, 0xf0000, NULL, &error), "%s", what);
  ck_assert_ptr_nonnull (strstr (error->message, "cannot be carried out"));
  g_error_free (error);
}

START_TEST (bad_commands_are_refused)
{
  Harness *h = harness_new (hw_pc (), RAM ("16M") "[cpu]\ntype = test-cpu\n");
  static const uint8_t place[LOADER_ENTRY] = { LOADER_ALLOCATE, 0, 0, 0, 'f', [60] = 16, [64] = LOADER_ZONE_HIGH };
  for (unsigned i = 0; i < G_N_ELEMENTS (bad_commands); i++)
    expect_refusal (h, bad_commands[i].what, NULL, bad_commands[i].entry);
  for (unsigned i = 0; i < G_N_ELEMENTS (bad_places); i++)
    expect_refusal (h, bad_places[i].what, place, bad_places[i].entry);
  harness_free (h);
}
END_TEST

START_TEST (tables_need_ram)
{
  Harness *h = harness_new (hw_pc (), least);
  void *fw = harness_object (h, "fw");
  BpLink link = { fw, bp_object_interface (fw, BP_FIRMWARE_CONFIG_ID) };
  uint64_t end = 16 << 20;
  GError *error = NULL;
  ck_assert (!loader_run (&link, bp_machine_address_space (harness_machine (h), "memory"), &end, 0xf0000, NULL, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "no RAM for the ACPI tables"));
  g_error_free (error);
  harness_free (h);
}
END_TEST

/* Every slot is a device, the event has its method, and the span of addresses is told. */
START_TEST (memory_that_comes_later)
{
  Machine m = start (growing);
  uint32_t size;
  g_autofree uint8_t *fadt = table (&m, lookup (&m, "FACP"), "FACP", &size);
  g_autofree uint8_t *dsdt = table (&m, get32 (fadt + 40), "DSDT", &size);
  ck_assert_ptr_nonnull (memmem (dsdt, size, "MP00", 4));
  ck_assert_ptr_nonnull (memmem (dsdt, size, "MP27", 4));
  ck_assert_ptr_null (memmem (dsdt, size, "MP28", 4));
  ck_assert_ptr_nonnull (memmem (dsdt, size, "_L09", 4));
  g_autofree uint8_t *srat = table (&m, lookup (&m, "SRAT"), "SRAT", &size);
  ck_assert_uint_eq (size, 48 + 2 * 16 + 3 * 40);
  const uint8_t *last = srat + size - 40;
  ck_assert (last[0] == 1 && last[1] == 40 && get32 (last + 8) == 0 && get32 (last + 12) == 1);
  ck_assert_uint_eq (get32 (last + 16), (uint32_t) ((UINT64_C (8) << 30) - (16 << 20)));
  ck_assert_uint_eq (get32 (last + 28), 3);
  harness_free (m.h);
}
END_TEST

/* Every place that is free is a device, and the event has its method. */
START_TEST (functions_that_come_later)
{
  Machine m = start (open_places);
  uint32_t size;
  g_autofree uint8_t *fadt = table (&m, lookup (&m, "FACP"), "FACP", &size);
  g_autofree uint8_t *dsdt = table (&m, get32 (fadt + 40), "DSDT", &size);
  ck_assert_ptr_nonnull (memmem (dsdt, size, "S04_", 4));
  ck_assert_ptr_nonnull (memmem (dsdt, size, "S1F_", 4));
  ck_assert_ptr_null (memmem (dsdt, size, "S00_", 4));  /* the bridge */
  ck_assert_ptr_null (memmem (dsdt, size, "S05_", 4));
  ck_assert_ptr_nonnull (memmem (dsdt, size, "_EJ0", 4));
  ck_assert_ptr_nonnull (memmem (dsdt, size, "_L09", 4));
  ck_assert_ptr_null (memmem (dsdt, size, "MEMS", 4));
  harness_free (m.h);
}
END_TEST

/* --- iasl ------------------------------------------------------------------------------------------------- */

static bool
run_iasl (const char *folder, const char *arguments)
{
  g_autofree char *command = g_strdup_printf ("cd '%s' && iasl -vs %s >out 2>&1 && ! grep -E 'Error|Warning|Remark' out | grep -v -E ' 0 Errors, 0 Warnings, 0 Remarks'",
                                              folder, arguments);
  return system (command) == 0;
}

/* Decompiled, and what came out compiled, without a complaint. */
static void
ask_iasl (const char *folder, Machine *m, uint32_t at, const char *signature)
{
  uint32_t size;
  g_autofree uint8_t *bytes = table (m, at, signature, &size);
  g_autofree char *path = g_strdup_printf ("%s/%s.dat", folder, signature);
  g_autofree char *decompile = g_strdup_printf ("-d %s.dat", signature), *compile = g_strdup_printf ("-we -p again %s.dsl", signature);
  ck_assert (g_file_set_contents (path, (const char *) bytes, size, NULL));
  ck_assert_msg (run_iasl (folder, decompile), "iasl does not decompile %s without complaint: see %s", signature, folder);
  ck_assert_msg (run_iasl (folder, compile), "iasl does not compile %s again without complaint: see %s", signature, folder);
}

static void
ask_about (const char *text)
{
  char *folder = scratch_new ();
  Machine m = start (text);
  uint32_t fadt = lookup (&m, "FACP"), madt = lookup (&m, "APIC"), hpet = lookup (&m, "HPET");
  ask_iasl (folder, &m, fadt, "FACP");
  ask_iasl (folder, &m, read32 (m.h, fadt + 40), "DSDT");
  ask_iasl (folder, &m, read32 (m.h, m.rsdp + 16), "RSDT");
  ask_iasl (folder, &m, read32 (m.h, m.rsdp + 24), "XSDT");
  if (madt)
    ask_iasl (folder, &m, madt, "APIC");
  if (hpet)
    ask_iasl (folder, &m, hpet, "HPET");
  if (lookup (&m, "SRAT"))
    ask_iasl (folder, &m, lookup (&m, "SRAT"), "SRAT");
  harness_free (m.h);
  scratch_free (folder);
}

START_TEST (iasl_has_no_complaints)
{
  if (system ("iasl -v >/dev/null 2>&1") != 0) {
    printf ("acpi-tables: iasl is not installed; the tables were not decompiled\n");
    return;
  }
  ask_about (least);
  ask_about (most);
  ask_about (growing);
  ask_about (open_places);
}
END_TEST

HARNESS_MAIN ("acpi-tables", integers_take_as_little_as_they_need, paths_are_padded_and_counted, eisa_ids_are_packed, lengths_grow, resources_are_a_buffer,
              the_root_is_in_low_memory, power_management_is_described, what_is_not_there_is_not_described, what_is_there_is_described, processors_and_overrides_are_listed,
              bad_commands_are_refused, tables_need_ram, memory_that_comes_later, functions_that_come_later, iasl_has_no_complaints)
