/* test-pci.c -- the PCI bus of libbackplane-test: registers, BARs, pins, DMA, MSI and MSI-X as a device and a driver see them. */
/* SPDX-License-Identifier: MIT */
#include <backplane/test-pci.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- a device: memory BAR 0 (256 bytes, 64-bit), ports BAR 2, MSI-X in BAR 4 ------------------- */

typedef struct Toy {
  uint32_t level;
  BpLink bus;
  char *address;
  bool pinless, wide_msi, odd, own, sizeless;
  BpPciSlot *slot;
  BpRegion *memory, *ports, *vectors;
} Toy;

static uint64_t toy_read (void *self, uint64_t offset, unsigned size) { return 0x1000 + offset; }

static void
toy_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Toy *toy = self;
  const BpPciBusIface *bus = toy->bus.table;
  if (offset == 0)
    bp_pci_interrupt (&toy->bus, toy->slot, (unsigned) (value >> 8), (toy->level = value & 1) != 0);
  else if (offset == 4)
    bp_as_write (bus->dma (toy->bus.instance, toy->slot), value, "dma", 4);
}

static const BpRegionOps toy_ops = BP_REGION_OPS (.read = toy_read, .write = toy_write);

static bool
toy_realize (void *self, GError **error)
{
  Toy *toy = self;
  const BpPciBusIface *bus = toy->bus.table;
  toy->memory = bp_region_new_io (self, "memory", &toy_ops, toy->odd ? 384 : 256);
  toy->ports = bp_region_new_io (self, "ports", &toy_ops, 8);
  toy->vectors = bp_region_new_container (self, "vectors", 4096);
  BpPciFunction f = { .struct_size = toy->sizeless ? 0 : sizeof f, .vendor_id = 0x1234, .device_id = 0x5678, .class_code = 0xff, .interrupt_pin = !toy->pinless, .self = toy,
                      .bars = { { toy->memory, BP_PCI_BAR_64BIT }, { NULL, 0 }, { toy->ports, BP_PCI_BAR_IO }, { NULL, 0 }, { toy->vectors, 0 } } };
  toy->slot = bus->add (toy->bus.instance, (unsigned) bp_pci_address_parse (toy->address), &f, error);
  if (toy->slot && toy->own) {   /* one at 0x40, and two that are 0 and can be written */
    memcpy (bus->config (toy->bus.instance, toy->slot) + 0x40, (uint8_t[]) { 13, 12, 11, 10 }, 4);
    bus->write_mask (toy->bus.instance, toy->slot)[0x5c] = 0xff;
    bus->write_mask (toy->bus.instance, toy->slot)[0x64] = 0xff;
  }
  return toy->slot && bus->add_msi (toy->bus.instance, toy->slot, toy->wide_msi ? 3 : 4, error) &&
         bus->add_msix (toy->bus.instance, toy->slot, 3, 4, toy->vectors, 0, 2048, error);
}

static void
toy_unrealize (void *self)
{
  Toy *toy = self;
  const BpPciBusIface *bus = toy->bus.table;
  if (toy->slot)
    bus->remove (toy->bus.instance, toy->slot);
  bp_region_free (toy->memory);
  bp_region_free (toy->ports);
  bp_region_free (toy->vectors);
  toy->memory = toy->ports = toy->vectors = NULL;
  toy->slot = NULL;
}

static const BpProperty toy_properties[] = {
  BP_PROP_LINK ("bus", Toy, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The bus."), BP_PROP_STRING ("address", Toy, address, "03.0", "The place."),
  BP_PROP_BOOL ("pinless", Toy, pinless, false, "Has no pin."), BP_PROP_BOOL ("wide-msi", Toy, wide_msi, false, "Asks for 3 vectors."),
  BP_PROP_BOOL ("own", Toy, own, false, "Has registers of its own."), BP_PROP_BOOL ("odd", Toy, odd, false, "Has a BAR of 384 bytes."),
  BP_PROP_BOOL ("sizeless", Toy, sizeless, false, "Has forgotten struct_size."), BP_PROP_END
};
static const BpStateField toy_state[] = { BP_STATE_FIELD_U32 (Toy, level), BP_STATE_END };
static const BpTypeDesc toy_type = {
  BP_TYPE ("toy-pci", BP_KIND_DEVICE, Toy), .description = "A PCI device", .properties = toy_properties, .state_version = 1, .state_minimum = 1,
  .state = toy_state, .realize = toy_realize, .unrealize = toy_unrealize
};
static const BpTypeDesc *const types[] = { &toy_type, NULL };

#define MACHINE "[memory ram]\ntype = test-ram\nsize = 64K\n[map ram]\nregion = ram\nat = memory@0\n[device pci]\ntype = test-pci\n"
#define TOY "[device toy]\ntype = toy-pci\nbus = pci\n"
static const unsigned place = BP_TEST_PCI (3, 0);

static BpTest *
start (void)
{
  BpTest *t = bp_test_new (types, MACHINE TOY);
  bp_test_pci_start (t, "pci", place);
  return t;
}

static void
expect_message (BpTest *t, uint64_t address, uint32_t data)
{
  BpTestMessage m = { .struct_size = sizeof m };
  bp_test_expect (bp_test_pci_take_message (t, "pci", &m));
  bp_test_expect_eq (m.function, place);
  bp_test_expect_eq (m.address, address);
  bp_test_expect_eq (m.data, data);
}

/* --- registers ---------------------------------------------------------------------------------- */

BP_TEST (nobody_answers_with_ones)
{
  BpTest *t = bp_test_new (types, MACHINE TOY);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", BP_TEST_PCI (4, 0), 0, 4), 0xffffffff);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", place, 0, 4), 0x56781234);
  bp_test_pci_write (t, "pci", place, 0, 0, 4);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", place, 0, 2), 0x1234);
  bp_test_free (t);
}

BP_TEST (bars_are_where_the_registers_say)
{
  BpTest *t = start ();
  uint64_t memory = bp_test_pci_bar (t, "pci", place, 0);
  bp_test_expect_eq (memory, UINT64_C (0x8000000000));
  bp_test_expect_eq (bp_test_load32 (t, memory + 8), 0x1008);
  bp_test_expect_eq (bp_test_in32 (t, (uint16_t) bp_test_pci_bar (t, "pci", place, 2)), 0x1000);
  bp_test_pci_write (t, "pci", place, 0x10, 0x100, 4);
  bp_test_pci_write (t, "pci", place, 0x14, 0, 4);
  bp_test_expect_eq (bp_test_load32 (t, 0x108), 0x1008);        /* in front of RAM */
  bp_test_pci_write (t, "pci", place, 4, 0, 2);
  bp_test_expect_eq (bp_test_load32 (t, 0x108), 0);
  bp_test_reset (t, BP_RESET_WARM);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", place, 0x10, 4), BP_PCI_BAR_64BIT);
  bp_test_free (t);
}

BP_TEST (two_functions_do_not_meet)
{
  BpTest *t = bp_test_new (types, MACHINE TOY "[device other]\ntype = toy-pci\nbus = pci\naddress = 03.1\n");
  bp_test_pci_start (t, "pci", place);
  bp_test_pci_start (t, "pci", BP_TEST_PCI (3, 1));
  bp_test_expect (bp_test_pci_bar (t, "pci", place, 0) + 256 <= bp_test_pci_bar (t, "pci", BP_TEST_PCI (3, 1), 0));
  bp_test_free (t);
}

BP_TEST (impossible_functions_are_refused)
{
  g_autofree char *taken = bp_test_refusal (types, MACHINE TOY "[device other]\ntype = toy-pci\nbus = pci\n");
  bp_test_expect_has (taken, "03.0 on `pci`: the place is taken");
  g_autofree char *sizeless = bp_test_refusal (types, MACHINE TOY "sizeless = on\n");
  bp_test_expect_has (sizeless, "03.0 on `pci`: the function's struct_size is to be sizeof (BpPciFunction)");
  g_autofree char *odd = bp_test_refusal (types, MACHINE TOY "odd = on\n");
  bp_test_expect_has (odd, "not a power of two");
  g_autofree char *three = bp_test_refusal (types, MACHINE TOY "wide-msi = on\n");
  bp_test_expect_has (three, "1, 2, 4 .. 32");
}

/* --- interrupts and DMA ----------------------------------------------------------------------------- */

BP_TEST (the_pin_can_be_switched_off)
{
  BpTest *t = start ();
  bp_test_store32 (t, bp_test_pci_bar (t, "pci", place, 0), 1);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", place), 1);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", place, 6, 2) & 8, 8);
  bp_test_pci_write (t, "pci", place, 4, 0x407, 2);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", place), 0);
  bp_test_expect_eq (bp_test_pci_messages (t, "pci"), 0);
  bp_test_free (t);
}

BP_TEST (dma_needs_a_master)
{
  BpTest *t = start ();
  char text[4] = "";
  bp_test_store32 (t, bp_test_pci_bar (t, "pci", place, 0) + 4, 0x100);
  bp_test_read (t, 0x100, text, 4);
  bp_test_expect_str (text, "dma");
  bp_test_expect_eq (bp_test_load8 (t, 0x100), bp_test_load (t, "dma 03.0", 0x100, 1));
  bp_test_pci_write (t, "pci", place, 4, 3, 2);
  bp_test_store32 (t, bp_test_pci_bar (t, "pci", place, 0) + 4, 0x200);
  bp_test_expect_eq (bp_test_load32 (t, 0x200), 0);
  bp_test_expect_eq (bp_test_load (t, "dma 03.0", 0x100, 1), 0xff);
  bp_test_free (t);
}

BP_TEST (msi_folds_and_waits)
{
  BpTest *t = start ();
  uint64_t memory = bp_test_pci_bar (t, "pci", place, 0);
  unsigned at = bp_test_pci_capability (t, "pci", place, 5);
  bp_test_pci_use_msi (t, "pci", place, 2, 0xfee00000, 0x40);
  bp_test_store32 (t, memory, 0x301);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", place), 0);
  expect_message (t, 0xfee00000, 0x41);
  bp_test_pci_write (t, "pci", place, at + 16, 1, 4);
  bp_test_store32 (t, memory, 0x001);
  bp_test_expect_eq (bp_test_pci_messages (t, "pci"), 0);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", place, at + 20, 4), 1);
  bp_test_round_trip (t);
  bp_test_pci_write (t, "pci", place, at + 16, 0, 4);
  expect_message (t, 0xfee00000, 0x40);
  bp_test_free (t);
}

BP_TEST (messages_wait_for_the_master)
{
  BpTest *t = start ();
  uint64_t memory = bp_test_pci_bar (t, "pci", place, 0);
  bp_test_pci_use_msi (t, "pci", place, 4, 0xfee00000, 0x40);
  bp_test_pci_write (t, "pci", place, 4, 3, 2);
  bp_test_store32 (t, memory, 0x201);
  bp_test_expect_eq (bp_test_pci_messages (t, "pci"), 0);
  bp_test_pci_write (t, "pci", place, 4, 7, 2);
  expect_message (t, 0xfee00000, 0x42);
  bp_test_pci_use_msix (t, "pci", place, 0xfee01000, 0x50);
  bp_test_pci_write (t, "pci", place, 4, 3, 2);
  bp_test_store32 (t, memory, 0x101);
  bp_test_expect_eq (bp_test_pci_messages (t, "pci"), 0);
  bp_test_pci_write (t, "pci", place, 4, 7, 2);
  expect_message (t, 0xfee01000, 0x51);
  bp_test_free (t);
}

BP_TEST (capabilities_lie_beside_registers)
{
  BpTest *t = bp_test_new (types, MACHINE TOY "own = on\n");
  unsigned msi = bp_test_pci_capability (t, "pci", place, 5), msix = bp_test_pci_capability (t, "pci", place, 0x11);
  bp_test_expect_eq (msi, 0x44);
  bp_test_expect_eq (msix, 0x68);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", place, 0x40, 4), 0x0a0b0c0d);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", place, 0x60, 4), 0);
  bp_test_free (t);
}

BP_TEST (msix_has_its_tables)
{
  BpTest *t = start ();
  uint64_t memory = bp_test_pci_bar (t, "pci", place, 0), table = bp_test_pci_bar (t, "pci", place, 4);
  bp_test_expect_eq (bp_test_load32 (t, table + 12), 1);
  bp_test_pci_use_msix (t, "pci", place, 0xfee01000, 0x50);
  bp_test_store32 (t, memory, 0x201);
  expect_message (t, 0xfee01000, 0x52);
  bp_test_store32 (t, table + 16 + 12, 1);
  bp_test_store32 (t, memory, 0x101);
  bp_test_expect_eq (bp_test_load32 (t, table + 2048), 2);
  BpTest *other = bp_test_new (types, MACHINE TOY);
  bp_test_copy (t, other);
  bp_test_store32 (other, table + 16 + 12, 0);
  expect_message (other, 0xfee01000, 0x51);
  bp_test_free (other);
  bp_test_free (t);
}

BP_TEST (a_file_descriptor_sends)
{
  BpTest *t = start ();
  Toy *toy = bp_test_object (t, "toy");
  const BpPciBusIface *bus = toy->bus.table;
  int fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
  bp_test_pci_use_msi (t, "pci", place, 1, 0xfee00000, 0x40);
  bp_test_expect (bus->message_fd (toy->bus.instance, toy->slot, 0, fd));
  bp_test_expect (!bus->message_fd (toy->bus.instance, toy->slot, 4, fd));
  bp_test_expect_eq (write (fd, &(uint64_t) { 1 }, 8), 8);
  expect_message (t, 0xfee00000, 0x40);
  unsigned at = bp_test_pci_capability (t, "pci", place, 5);
  uint32_t control = bp_test_pci_read (t, "pci", place, at + 2, 2);
  bp_test_pci_write (t, "pci", place, at + 2, control & ~1u, 2);        /* while they are off, it waits */
  bp_test_expect_eq (write (fd, &(uint64_t) { 1 }, 8), 8);
  bp_test_expect_eq (bp_test_pci_messages (t, "pci"), 0);
  bp_test_pci_write (t, "pci", place, at + 2, control, 2);
  expect_message (t, 0xfee00000, 0x40);
  bus->message_fd (toy->bus.instance, toy->slot, 0, -1);
  close (fd);
  bp_test_expect_eq (bp_test_pci_messages (t, "pci"), 0);
  bp_test_free (t);
}

BP_TEST_MAIN ("pci", &nobody_answers_with_ones, &bars_are_where_the_registers_say, &two_functions_do_not_meet, &impossible_functions_are_refused,
              &the_pin_can_be_switched_off, &dma_needs_a_master, &msi_folds_and_waits, &messages_wait_for_the_master, &capabilities_lie_beside_registers, &msix_has_its_tables, &a_file_descriptor_sends)
