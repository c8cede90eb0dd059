/* test-pci-agree.c -- the bridge's PCI bus and that of libbackplane-test: the same cycles and interrupts make the same registers and messages. */
/* SPDX-License-Identifier: MIT */
#include "hw-pc-test.h"
#include <backplane/iface/msi.h>
#include <backplane/test-pci.h>
#include "../random-numbers.h"

enum { PLACE = 4, VECTORS = 4, MSIX_VECTORS = 40, TABLE = 0x800, PENDING = 0xc00, REGISTERS = 0x1000, RUNS = 20, STEPS = 400 };

/* --- who takes the bridge's messages -------------------------------------------------------------- */

typedef struct Sent {
  uint64_t address;
  uint32_t data;
} Sent;

typedef struct Sink {
  GArray *sent;
} Sink;

static bool
sink_send (void *self, uint64_t address, uint32_t data)
{
  g_array_append_vals (((Sink *) self)->sent, &(Sent) { address, data }, 1);
  return true;
}

static bool
sink_realize (void *self, GError **error)
{
  ((Sink *) self)->sent = g_array_new (FALSE, FALSE, sizeof (Sent));
  return true;
}

static void sink_unrealize (void *self) { g_array_unref (((Sink *) self)->sent); }
static const BpMsiIface sink_iface = { .struct_size = offsetof (BpMsiIface, attach_fd), .send = sink_send };
static const BpInterfaceDesc sink_interfaces[] = { { BP_MSI_ID, &sink_iface }, { NULL, NULL } };
static const BpTypeDesc sink_type = {
  BP_TYPE ("agree-sink", BP_KIND_DEVICE, Sink), .description = "Takes messages", .interfaces = sink_interfaces, .realize = sink_realize, .unrealize = sink_unrealize
};

/* --- a function with everything that a bus has to offer --------------------------------------------- */

typedef struct Function {
  BpLink bus;
  BpPciSlot *slot;
  BpRegion *wide, *region, *rom, *root, *window;
  BpAddressSpace *space;
} Function;

static const BpPciBusIface *bus_of (const Function *f) { return f->bus.table; }

static bool
function_realize (void *self, GError **error)
{
  Function *f = self;
  void *bus = f->bus.instance;
  f->wide = bp_region_new_container (self, "wide", 1 << 20);
  f->region = bp_region_new_container (self, "registers", REGISTERS);
  f->rom = bp_region_new_container (self, "rom", 65536);
  f->root = bp_region_new_container (self, "root", REGISTERS);  /* the registers, wherever the BAR is */
  f->window = bp_region_new_alias (self, "window", f->region, 0, REGISTERS);
  bp_region_add (f->root, 0, f->window, 0);
  f->space = bp_address_space_new (bp_object_machine (self), "function", f->root);
  BpPciFunction p = { .struct_size = sizeof p, .vendor_id = 0x1234, .device_id = 0x5678, .subsystem_vendor_id = 0x9abc, .subsystem_id = 0xdef0, .revision = 3,
                      .prog_if = 1, .subclass = 0x80, .class_code = 0x08, .interrupt_pin = 2, .header_type = 0x80, .self = f, .rom = f->rom,
                      .bars = { [0] = { f->wide, BP_PCI_BAR_64BIT | BP_PCI_BAR_PREFETCHABLE }, [2] = { f->region, BP_PCI_BAR_MEMORY } } };
  f->slot = bus_of (f)->add (bus, PLACE << 3, &p, error);
  if (!f->slot)
    return false;
  bus_of (f)->write_mask (bus, f->slot)[0x44] = 0x3c;           /* registers of its own, before and between capabilities */
  unsigned own = bus_of (f)->add_capability (bus, f->slot, 9, 10);
  bus_of (f)->config (bus, f->slot)[own + 3] = 0x5a;
  bus_of (f)->write_mask (bus, f->slot)[own + 3] = 0x0f;
  bus_of (f)->write_mask (bus, f->slot)[0x58] = 0xff;
  return bus_of (f)->add_msi (bus, f->slot, VECTORS, error) && bus_of (f)->add_msix (bus, f->slot, MSIX_VECTORS, 2, f->region, TABLE, PENDING, error);
}

static void
function_unrealize (void *self)
{
  Function *f = self;
  if (f->slot)
    bus_of (f)->remove (f->bus.instance, f->slot);
  bp_address_space_free (f->space);
  BpRegion *const regions[] = { f->window, f->root, f->wide, f->region, f->rom };
  for (unsigned i = 0; i < G_N_ELEMENTS (regions); i++)
    bp_region_free (regions[i]);
}

static void function_reset (void *self, BpResetKind kind) { bus_of (self)->reset (((Function *) self)->bus.instance, ((Function *) self)->slot); }
static const BpProperty function_properties[] = { BP_PROP_LINK ("bus", Function, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The bus."), BP_PROP_END };
static const BpTypeDesc function_type = {
  BP_TYPE ("agree-function", BP_KIND_DEVICE, Function), .description = "Has everything", .properties = function_properties,
  .realize = function_realize, .unrealize = function_unrealize, .reset = function_reset
};

/* --- both ------------------------------------------------------------------------------------------------ */

static const BpTypeDesc *const own[] = { &sink_type, &function_type, NULL };

static Harness *
bridge_new (void)
{
  g_free (harness_refusal (own, ""));           /* registers them */
  return harness_new (hw_pc (), "[memory ram]\ntype = test-ram\nsize = 16M\n[device probe]\ntype = test-probe\n[device sink]\ntype = agree-sink\n"
                                "[device host]\ntype = i440fx\nram = ram\npio0 = io@0xcf8\npio1 = io@0xcfc\nmemory = memory@0\nshadow = memory@0xa0000 prio 10\n"
                                "io = io@0\npirq0 = probe.in0\npirq1 = probe.in1\npirq2 = probe.in2\npirq3 = probe.in3\n"
                                "[device f]\ntype = agree-function\nbus = host\n");
}

static Harness *test_bus_new (void) { return harness_new (own, "[device pci]\ntype = test-pci\n[device f]\ntype = agree-function\nbus = pci\n"); }

static void select_register (Harness *bridge, unsigned reg) { out32 (bridge, 0xcf8, 0x80000000u | PLACE << 11 | (reg & 0xfc)); }

static uint32_t
bridge_get (Harness *bridge, unsigned reg, unsigned size)
{
  select_register (bridge, reg);
  return (uint32_t) harness_read (bridge, "io", 0xcfc + (reg & 3), size);
}

static void
put (Harness *bridge, Harness *test_bus, unsigned reg, uint32_t value, unsigned size)
{
  select_register (bridge, reg);
  harness_write (bridge, "io", 0xcfc + (reg & 3), value, size);
  bp_test_pci_write (test_bus, "pci", PLACE << 3, reg, value, size);
}

static void
compare_messages (Harness *bridge, Harness *test_bus, const char *after)
{
  GArray *sent = ((Sink *) harness_object (bridge, "sink"))->sent;
  BpTestMessage m = { .struct_size = sizeof m };
  guint n = 0;
  for (; bp_test_pci_take_message (test_bus, "pci", &m); n++) {
    ck_assert_msg (n < sent->len, "%s: the test's bus has sent 0x%x, the bridge's nothing", after, m.data);
    Sent s = g_array_index (sent, Sent, n);
    ck_assert_msg (s.address == m.address && s.data == m.data, "%s: 0x%" G_GINT64_MODIFIER "x 0x%x and 0x%" G_GINT64_MODIFIER "x 0x%x were sent", after, s.address, s.data,
                   m.address, m.data);
  }
  ck_assert_msg (n == sent->len, "%s: the bridge has sent %u messages and the test's bus %u", after, sent->len, n);
  g_array_set_size (sent, 0);
}

static void
compare (Harness *bridge, Harness *test_bus, const char *after)
{
  for (unsigned reg = 0; reg < 256; reg += 4) {
    uint32_t a = bridge_get (bridge, reg, 4), b = bp_test_pci_read (test_bus, "pci", PLACE << 3, reg, 4);
    ck_assert_msg (a == b, "%s: register 0x%x is 0x%x on the bridge's bus and 0x%x on the test's", after, reg, a, b);
  }
  for (unsigned i = 0; i < 2; i++)
    for (unsigned at = i ? PENDING : TABLE, end = at + (i ? 8 : 16 * MSIX_VECTORS); at < end; at += 4) {
      uint32_t a = (uint32_t) harness_read (bridge, "function", at, 4), b = (uint32_t) harness_read (test_bus, "function", at, 4);
      ck_assert_msg (a == b, "%s: 0x%x of the MSI-X table is 0x%x on the bridge's bus and 0x%x on the test's", after, at, a, b);
    }
  const Function *f = harness_object (bridge, "f"), *g = harness_object (test_bus, "f");
  unsigned n = bus_of (f)->n_messages (f->bus.instance, f->slot);
  ck_assert_msg (n == bus_of (g)->n_messages (g->bus.instance, g->slot), "%s: the number of messages", after);
  int a = harness_level (bridge, "probe.in0") + harness_level (bridge, "probe.in1") + harness_level (bridge, "probe.in2") + harness_level (bridge, "probe.in3");
  int b = bp_test_pci_interrupt (test_bus, "pci", PLACE << 3);
  ck_assert_msg (a == (n ? 0 : b), "%s: the pin is %d and %d", after, a, b);
  compare_messages (bridge, test_bus, after);
}

static unsigned random_below (unsigned n) { return (unsigned) (random64 () >> 32) % n; }

/* --- the same to both --------------------------------------------------------------------------------------- */

static char *
write_register (Harness *a, Harness *b)
{
  static const uint16_t places[] = { 0x04, 0x06, 0x0c, 0x10, 0x14, 0x18, 0x30, 0x3c };
  unsigned size = 1u << random_below (3), reg = random_below (3) ? 0x40 + random_below (0x60) : places[random_below (G_N_ELEMENTS (places))];
  uint32_t value = random_below (4) ? (uint32_t) random64 () : random_below (2) ? UINT32_MAX : 0;
  reg &= ~(size - 1);
  value &= UINT32_MAX >> (32 - 8 * size);
  put (a, b, reg, value, size);
  return g_strdup_printf ("0x%x of %u bytes to register 0x%x", value, size, reg);
}

static char *
write_table (Harness *a, Harness *b)
{
  unsigned at = TABLE + 4 * random_below (4 * MSIX_VECTORS);
  uint32_t value = (uint32_t) random64 ();
  harness_write (a, "function", at, value, 4);
  harness_write (b, "function", at, value, 4);
  return g_strdup_printf ("0x%x to 0x%x of the table", value, at);
}

static char *
interrupt (Harness *a, Harness *b)
{
  Harness *const both[] = { a, b };
  unsigned vector = random_below (VECTORS);
  bool level = random_below (2);
  for (unsigned i = 0; i < 2; i++) {
    const Function *f = harness_object (both[i], "f");
    bp_machine_lock (harness_machine (both[i]));
    bp_pci_interrupt (&f->bus, f->slot, vector, level);
    bp_machine_unlock (harness_machine (both[i]));
  }
  return g_strdup_printf ("vector %u is %d", vector, level);
}

static char *
reset (Harness *a, Harness *b)
{
  harness_reset (a, BP_RESET_WARM);
  harness_reset (b, BP_RESET_WARM);
  return g_strdup ("a reset");
}

/* A driver's order more often than chance would have it: a master, MSI or MSI-X on, nothing masked. */
static char *
switch_on (Harness *a, Harness *b)
{
  bool msix = random_below (2);
  unsigned msi = bp_test_pci_capability (b, "pci", PLACE << 3, 0x05), x = bp_test_pci_capability (b, "pci", PLACE << 3, 0x11);
  put (a, b, 4, 6, 2);
  put (a, b, msi + 2, msix ? 0 : 1 | random_below (4) << 4, 2);
  put (a, b, x + 2, msix ? 0x8000 : 0, 2);
  return g_strdup (msix ? "MSI-X is on" : "MSI is on");
}

START_TEST (they_agree)
{
  static char *(*const steps[]) (Harness *, Harness *) = { write_register, write_register, write_table, write_table, interrupt, interrupt, switch_on };
  for (unsigned run = 0; run < RUNS; run++) {
    Harness *a = bridge_new (), *b = test_bus_new ();
    random_seed = (run + 1) * UINT64_C (0x9e3779b97f4a7c15);
    compare (a, b, "the start");
    for (unsigned i = 0; i < STEPS; i++) {
      g_autofree char *what = random_below (100) ? steps[random_below (G_N_ELEMENTS (steps))] (a, b) : reset (a, b);
      g_autofree char *after = g_strdup_printf ("run %u, step %u, %s", run, i, what);
      compare (a, b, after);
    }
    harness_free (a);
    harness_free (b);
  }
}
END_TEST

HARNESS_MAIN ("pci-agree", they_agree)
