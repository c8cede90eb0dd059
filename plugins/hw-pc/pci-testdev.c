/* pci-testdev.c -- PCI test device 1b36:0005 (QEMU's docs/specs/pci-testdev): numbered write tests on a memory and a port BAR. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/pci.h>
#include <backplane/object.h>
#include <string.h>
#include "hw-pc.h"

/* --- registers -------------------------------------------------------------- */

enum {                          /* the header at the start of each BAR */
  HDR_TEST = 0x00, HDR_WIDTH = 0x01, HDR_OFFSET = 0x04, HDR_DATA = 0x08, HDR_COUNT = 0x0c, HDR_NAME = 0x10
};
#define MEMORY_SIZE 0x1000
#define PORTS_SIZE 0x100
#define TEST_DATA 0xfau
#define NO_TEST 0xff

/* A test: writes of `width` bytes to `offset` are counted, those of TEST_DATA alone with `match`.  The counter starts when it is chosen. */
static const struct { const char *name; uint8_t width; bool match; } tests[] = {
  { "no-eventfd", 1, false }, { "wildcard-eventfd", 1, false }, { "datamatch-eventfd", 1, true }
};
static const uint32_t test_offsets[2] = { 0x800, 0x80 };        /* memory, ports */

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Bar {
  uint8_t test;
  uint32_t count;
} Bar;

typedef struct PciTestdev {
  Bar bar[2];                   /* memory, ports */
  BpLink bus;
  char *address;
  BpPciSlot *slot;
  BpRegion *memory, *ports;
} PciTestdev;

/* --- guest access -------------------------------------------------------------------- */

static uint8_t
header_byte (const PciTestdev *t, unsigned n, unsigned offset)
{
  const Bar *bar = &t->bar[n];
  bool chosen = bar->test < G_N_ELEMENTS (tests);
  if (offset == HDR_WIDTH)
    return chosen ? tests[bar->test].width : 0;
  if (!chosen)
    return 0;
  if (offset >= HDR_OFFSET && offset < HDR_DATA)
    return (uint8_t) (test_offsets[n] >> 8 * (offset - HDR_OFFSET));
  if (offset == HDR_DATA)
    return TEST_DATA;
  if (offset >= HDR_COUNT && offset < HDR_NAME)
    return (uint8_t) (bar->count >> 8 * (offset - HDR_COUNT));
  if (offset >= HDR_NAME && offset - HDR_NAME < strlen (tests[bar->test].name))
    return (uint8_t) tests[bar->test].name[offset - HDR_NAME];
  return 0;
}

static uint64_t
bar_read (const PciTestdev *t, unsigned n, uint64_t offset, unsigned size)
{
  uint64_t value = 0;
  for (unsigned i = 0; i < size; i++)
    value |= (uint64_t) header_byte (t, n, (unsigned) offset + i) << 8 * i;
  return value;
}

static void
bar_write (PciTestdev *t, unsigned n, uint64_t offset, uint64_t value, unsigned size)
{
  Bar *bar = &t->bar[n];
  if (offset == HDR_TEST) {
    bar->test = (uint8_t) value;
    bar->count = 0;
    return;
  }
  if (bar->test >= G_N_ELEMENTS (tests) || offset != test_offsets[n] || size != tests[bar->test].width)
    return;
  if (!tests[bar->test].match || value == TEST_DATA)
    bar->count++;
}

static uint64_t memory_read (void *self, uint64_t offset, unsigned size) { return bar_read (self, 0, offset, size); }
static uint64_t ports_read (void *self, uint64_t offset, unsigned size) { return bar_read (self, 1, offset, size); }
static void memory_write (void *self, uint64_t offset, uint64_t value, unsigned size) { bar_write (self, 0, offset, value, size); }
static void ports_write (void *self, uint64_t offset, uint64_t value, unsigned size) { bar_write (self, 1, offset, value, size); }

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static const BpRegionOps memory_ops = BP_REGION_OPS (.read = memory_read, .write = memory_write, .impl_max = 4);
static const BpRegionOps ports_ops = BP_REGION_OPS (.read = ports_read, .write = ports_write, .impl_max = 4);

static bool
testdev_configure (void *self, GError **error)
{
  PciTestdev *t = self;
  if (bp_pci_address_parse (t->address) >= 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is not a place on a PCI bus; write DEVICE.FUNCTION, as in 05.0", t->address);
  return false;
}

static bool
testdev_realize (void *self, GError **error)
{
  PciTestdev *t = self;
  const BpPciBusIface *bus = t->bus.table;
  t->memory = bp_region_new_io (self, "memory", &memory_ops, MEMORY_SIZE);
  t->ports = bp_region_new_io (self, "ports", &ports_ops, PORTS_SIZE);
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = 0x1b36, .device_id = 0x0005, .subsystem_vendor_id = 0x1af4, .subsystem_id = 0x1100,
                      .class_code = 0xff, .bars = { { t->memory, BP_PCI_BAR_MEMORY }, { t->ports, BP_PCI_BAR_IO } }, .self = t };
  t->slot = bus->add (t->bus.instance, (unsigned) bp_pci_address_parse (t->address), &f, error);
  return t->slot != NULL;
}

static void
testdev_unrealize (void *self)
{
  PciTestdev *t = self;
  const BpPciBusIface *bus = t->bus.table;
  if (t->slot)
    bus->remove (t->bus.instance, t->slot);
  bp_region_free (t->memory);
  bp_region_free (t->ports);
  t->slot = NULL;
  t->memory = t->ports = NULL;
}

static void
testdev_reset (void *self, BpResetKind kind)
{
  PciTestdev *t = self;
  const BpPciBusIface *bus = t->bus.table;
  bus->reset (t->bus.instance, t->slot);
  for (unsigned i = 0; i < 2; i++)
    t->bar[i] = (Bar) { .test = NO_TEST };
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty testdev_properties[] = {
  BP_PROP_LINK ("bus", PciTestdev, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus it is on."),
  BP_PROP_ ("address", BP_PROPERTY_STRING, PciTestdev, address, .flags = BP_PROPERTY_REQUIRED,
            .help = "Its place on the bus: device (hexadecimal) and function, as in 05.0."),
  BP_PROP_END
};

static const BpStateField bar_state[] = { BP_STATE_FIELD_U8 (Bar, test), BP_STATE_FIELD_U32 (Bar, count), BP_STATE_END };
static const BpStateField testdev_state[] = { BP_STATE_FIELD_STRUCTS (PciTestdev, bar, 2, bar_state), BP_STATE_END };

const BpTypeDesc pci_testdev_type = {
  BP_TYPE ("pci-testdev", BP_KIND_DEVICE, PciTestdev),
  .description = "PCI test device: counts writes to a memory and a port BAR",
  .properties = testdev_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = testdev_state,
  .configure = testdev_configure,
  .realize = testdev_realize,
  .unrealize = testdev_unrealize,
  .reset = testdev_reset,
};
