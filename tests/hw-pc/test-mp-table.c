/* test-mp-table.c -- what the MultiProcessor Specification's tables say of a machine. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/pci.h>
#include <hw-pc/boot.h>
#include <string.h>
#include "hw-pc-test.h"

#define EBDA 0x9fc00u

/* --- a processor that knows its APIC, and a function with an interrupt pin ------------------------- */

typedef struct Cpu {
  uint32_t apic_id;
  bool apic;
} Cpu;

static void
cpu_cpuid (void *self, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
  const Cpu *c = self;
  uint32_t values[4] = { 0x633, c->apic_id << 24, 0, 1 | (c->apic ? 1u << 9 : 0) };
  memcpy (out, values, sizeof values);
}

static const BpX86CpuIface cpu_iface = { .struct_size = sizeof cpu_iface, .cpuid = cpu_cpuid };
static const BpInterfaceDesc cpu_interfaces[] = { { BP_X86_CPU_ID, &cpu_iface }, { NULL, NULL } };
static const BpProperty cpu_properties[] = {
  BP_PROP_U32 ("apic-id", Cpu, apic_id, 0, "Initial APIC ID."), BP_PROP_BOOL ("apic", Cpu, apic, true, "Whether there is an APIC."), BP_PROP_END
};
static const BpTypeDesc cpu_type = {
  BP_TYPE ("numbered-cpu", BP_KIND_CPU, Cpu), .description = "Answers CPUID", .interfaces = cpu_interfaces, .properties = cpu_properties
};

typedef struct Card {
  BpLink bus;
  uint32_t place, pin;
  BpPciSlot *slot;
} Card;

static bool
card_realize (void *self, GError **error)
{
  Card *c = self;
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = 0x1234, .device_id = 0x5678, .interrupt_pin = (uint8_t) c->pin,
                      .header_type = c->place & 7 ? 0 : 0x80, .self = c };
  c->slot = ((const BpPciBusIface *) c->bus.table)->add (c->bus.instance, c->place, &f, error);
  return c->slot != NULL;
}

static void
card_unrealize (void *self)
{
  Card *c = self;
  if (c->slot)
    ((const BpPciBusIface *) c->bus.table)->remove (c->bus.instance, c->slot);
  c->slot = NULL;
}

static const BpProperty card_properties[] = {
  BP_PROP_LINK ("bus", Card, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The bus."), BP_PROP_U32 ("place", Card, place, 0, "Device << 3 | function."),
  BP_PROP_U32 ("pin", Card, pin, 0, "Interrupt pin."), BP_PROP_END
};
static const BpTypeDesc card_type = {
  BP_TYPE ("test-card", BP_KIND_DEVICE, Card), .description = "Has an interrupt pin", .properties = card_properties, .realize = card_realize,
  .unrealize = card_unrealize
};

static const BpTypeDesc *const *
types (void)
{
  static const BpTypeDesc *all[64];
  unsigned n = 0;
  for (const BpTypeDesc *const *t = hw_pc (); *t; t++)
    all[n++] = *t;
  all[n++] = &cpu_type;
  all[n++] = &card_type;
  ck_assert_uint_lt (n, BP_N_ELEMENTS (all));
  return all;
}

/* --- helpers -------------------------------------------------------------------------------------- */

static const char ram[] = "[memory ram]\ntype = test-ram\nsize = 16M\n";
static const char ram_map[] = "[map ram0]\nregion = ram\nat = memory@0\n";
static const char ioapic[] = "[device ioapic]\ntype = ioapic\nmmio0 = memory@0xfec00000\n";
static const char cpus[] = "[cpu a]\ntype = numbered-cpu\n[cpu b]\ntype = numbered-cpu\napic-id = 5\n";
static const char pci[] =
  "[device host]\ntype = i440fx\nram = ram\npio0 = io@0xcf8\npio1 = io@0xcfc\nmemory = memory@0\nshadow = memory@0xa0000 prio 10\nio = io@0\n"
  "[device c]\ntype = test-card\nbus = host\nplace = 24\npin = 1\n[device d]\ntype = test-card\nbus = host\nplace = 27\npin = 4\n"
  "[device e]\ntype = test-card\nbus = host\nplace = 32\n";

static Harness *
start (const char *a, const char *b, const char *c, const char *d)
{
  char *text = g_strconcat (a, b, c, d, NULL);
  Harness *h = harness_new (types (), text);
  g_free (text);
  return h;
}

static bool
make (Harness *h, uint8_t timer_input, GError **error)
{
  BpLink first = { .instance = harness_object (h, "a") };
  bp_machine_lock (harness_machine (h));
  bool fine = boot_write_mp_table (harness_machine (h), &first, timer_input, error);
  bp_machine_unlock (harness_machine (h));
  return fine;
}

static uint8_t byte (Harness *h, uint32_t at) { return (uint8_t) harness_read (h, "memory", at, 1); }

static void
expect_bytes (Harness *h, uint32_t *at, unsigned n, ...)
{
  va_list bytes;
  va_start (bytes, n);
  for (unsigned i = 0; i < n; i++, (*at)++) {
    int wanted = va_arg (bytes, int);
    ck_assert_msg (byte (h, *at) == wanted, "byte %u of the entry is 0x%x instead of 0x%x", i, byte (h, *at), wanted);
  }
  va_end (bytes);
}

static uint8_t
sum (Harness *h, uint32_t at, unsigned n)
{
  uint8_t s = 0;
  while (n--)
    s = (uint8_t) (s + byte (h, at++));
  return s;
}

/* The number of entries; the table's header is right. */
static unsigned
check_frame (Harness *h, unsigned *length)
{
  ck_assert_uint_eq (read32 (h, EBDA), 0x5f504d5f);             /* _MP_ */
  uint32_t table = read32 (h, EBDA + 4);
  ck_assert_uint_eq (table, EBDA + 16);
  ck_assert_uint_eq (sum (h, EBDA, 16), 0);
  ck_assert_uint_eq (read32 (h, table), 0x504d4350);            /* PCMP */
  *length = (unsigned) harness_read (h, "memory", table + 4, 2);
  ck_assert_uint_eq (sum (h, table, *length), 0);
  ck_assert_uint_eq (read32 (h, table + 36), 0xfee00000);
  return (unsigned) harness_read (h, "memory", table + 34, 2);
}

/* --- tests ---------------------------------------------------------------------------------------- */

START_TEST (processors_buses_and_interrupts_are_listed)
{
  Harness *h = start (ram, ioapic, cpus, pci);
  GError *error = NULL;
  ck_assert_msg (make (h, 2, &error), "%s", error ? error->message : "");
  unsigned length, n = check_frame (h, &length);
  uint32_t at = EBDA + 16 + 44, end = EBDA + 16 + length;
  expect_bytes (h, &at, 12, 0, 0, 0x14, 3, 0x33, 6, 0, 0, 1, 2, 0, 0), at += 8;
  expect_bytes (h, &at, 12, 0, 5, 0x14, 1, 0x33, 6, 0, 0, 1, 2, 0, 0), at += 8;
  expect_bytes (h, &at, 8, 1, 0, 'P', 'C', 'I', ' ', ' ', ' ');
  expect_bytes (h, &at, 8, 1, 1, 'I', 'S', 'A', ' ', ' ', ' ');
  expect_bytes (h, &at, 8, 2, 6, 0x11, 1, 0, 0, 0xc0, 0xfe);
  expect_bytes (h, &at, 8, 3, 3, 0, 0, 1, 0, 6, 0);             /* the PIC */
  expect_bytes (h, &at, 8, 3, 0, 0, 0, 1, 0, 6, 2);             /* the timer */
  expect_bytes (h, &at, 8, 3, 0, 0, 0, 1, 1, 6, 1);
  expect_bytes (h, &at, 8, 3, 0, 0, 0, 1, 3, 6, 3);
  at += 11 * 8;
  expect_bytes (h, &at, 8, 3, 0, 0, 0, 1, 15, 6, 15);
  expect_bytes (h, &at, 8, 3, 0, 0x0f, 0, 0, 3 << 2, 6, 18);            /* 03.0, INTA# */
  expect_bytes (h, &at, 8, 3, 0, 0x0f, 0, 0, 3 << 2 | 3, 6, 17);        /* 03.3, INTD# */
  expect_bytes (h, &at, 8, 4, 3, 0, 0, 1, 0, 0, 0);
  expect_bytes (h, &at, 8, 4, 1, 0, 0, 1, 0, 0xff, 1);
  ck_assert_uint_eq (at, end);
  ck_assert_uint_eq (n, 2 + 2 + 1 + 16 + 2 + 2);
  write32 (h, 0xfec00000, 0);
  ck_assert_uint_eq (read32 (h, 0xfec00010), 0x06000000);       /* the ID that the table says */
  harness_free (h);
}
END_TEST

START_TEST (without_pci_isa_is_the_only_bus)
{
  Harness *h = start (ram, ram_map, ioapic, "[cpu a]\ntype = numbered-cpu\n");
  ck_assert (make (h, 0, NULL));
  unsigned length, n = check_frame (h, &length);
  uint32_t at = EBDA + 16 + 44 + 20;
  expect_bytes (h, &at, 8, 1, 0, 'I', 'S', 'A', ' ', ' ', ' ');
  expect_bytes (h, &at, 8, 2, 1, 0x11, 1, 0, 0, 0xc0, 0xfe);
  expect_bytes (h, &at, 8, 3, 0, 0, 0, 0, 0, 1, 0);             /* the timer at input 0, so not the PIC */
  ck_assert_uint_eq (n, 1 + 1 + 1 + 15 + 2);
  harness_free (h);
}
END_TEST

static void
expect_refusal (Harness *h, const char *word)
{
  GError *error = NULL;
  ck_assert (!make (h, 2, &error));
  ck_assert_msg (strstr (error->message, word), "%s", error->message);
  g_error_free (error);
  harness_free (h);
}

START_TEST (what_is_missing_is_named)
{
  expect_refusal (start (ram, ram_map, cpus, ""), "I/O APIC");
  expect_refusal (start (ram, ram_map, ioapic, "[cpu a]\ntype = numbered-cpu\n[cpu b]\ntype = numbered-cpu\napic = off\n"), "`b' has no local APIC");
  expect_refusal (start (ram, ioapic, cpus, ""), "no RAM");
  GString *many = g_string_new (ram_map);
  for (unsigned i = 0; i < 50; i++)
    g_string_append_printf (many, "[cpu %c%u]\ntype = numbered-cpu\napic-id = %u\n", 'p', i, i);
  g_string_append (many, "[cpu a]\ntype = numbered-cpu\n");
  expect_refusal (start (ram, ioapic, many->str, ""), "does not fit");
  g_string_free (many, TRUE);
}
END_TEST

HARNESS_MAIN ("mp-table", processors_buses_and_interrupts_are_listed, without_pci_isa_is_the_only_bus, what_is_missing_is_named)
