/* test-host-i440fx.c -- configuration cycles, BARs, shadowing, SMRAM, interrupt routing and reset of the host bridge and its south bridge. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/pci.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "hw-pc-test.h"

static const char board[] =
  "[memory ram]\ntype = test-ram\nsize = 16M\n"
  "[device host]\ntype = i440fx\nram = ram\npio0 = io@0xcf8\npio1 = io@0xcfc\nmemory = memory@0\nshadow = memory@0xa0000 prio 10\nio = io@0\n"
  "pirq0 = piix.pirq0\npirq1 = piix.pirq1\npirq2 = piix.pirq2\npirq3 = piix.pirq3\n"
  "[device piix]\ntype = piix3\nbus = host\nirq5 = probe.in5\nirq11 = probe.in11\n"
  "[device test]\ntype = pci-testdev\nbus = host\naddress = 03.0\n[device probe]\ntype = test-probe\n";

/* --- a device that interrupts and does DMA --------------------------------------------------- */

typedef struct Master {
  BpLink bus;
  BpPciSlot *slot;
  BpRegion *rom;
} Master;

#define MASTER_ROM 0x1000
static uint8_t master_rom[MASTER_ROM] __attribute__ ((aligned (4096))) = { 0x55, 0xaa };

static bool
master_realize (void *self, GError **error)
{
  Master *m = self;
  m->rom = bp_region_new_rom (self, "rom", master_rom, MASTER_ROM);
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = 0x1234, .device_id = 0x5678, .interrupt_pin = 1, .self = m, .rom = m->rom };
  m->slot = ((const BpPciBusIface *) m->bus.table)->add (m->bus.instance, 4 << 3, &f, error);
  return m->slot != NULL;
}

static void
master_unrealize (void *self)
{
  Master *m = self;
  if (m->slot)
    ((const BpPciBusIface *) m->bus.table)->remove (m->bus.instance, m->slot);
  m->slot = NULL;
  bp_region_free (m->rom);
  m->rom = NULL;
}

static const BpProperty master_properties[] = { BP_PROP_LINK ("bus", Master, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The bus."), BP_PROP_END };
static const BpTypeDesc master_type = {
  BP_TYPE ("test-master", BP_KIND_DEVICE, Master), .description = "Interrupts and does DMA", .properties = master_properties,
  .realize = master_realize, .unrealize = master_unrealize
};

/* --- helpers ------------------------------------------------------------------------------------ */

static uint32_t
config_get (Harness *h, unsigned device, unsigned reg, unsigned size)
{
  out32 (h, 0xcf8, 0x80000000u | device << 11 | (reg & 0xfc));
  return (uint32_t) harness_read (h, "io", 0xcfc + (reg & 3), size);
}

static void
config_put (Harness *h, unsigned device, unsigned reg, uint32_t value, unsigned size)
{
  out32 (h, 0xcf8, 0x80000000u | device << 11 | (reg & 0xfc));
  harness_write (h, "io", 0xcfc + (reg & 3), value, size);
}

static Harness *
start (const char *more)
{
  const BpTypeDesc *own[] = { &master_type, NULL };
  g_free (harness_refusal (own, ""));           /* registers the type */
  char *ini = g_strconcat (board, more, NULL);
  Harness *h = harness_new (hw_pc (), ini);
  g_free (ini);
  return h;
}

/* --- tests ---------------------------------------------------------------------------------------- */

START_TEST (functions_are_found)
{
  Harness *h = start ("");
  ck_assert_uint_eq (config_get (h, 0, 0, 4), 0x12378086);
  ck_assert_uint_eq (config_get (h, 0, 8, 4), 0x06000002);
  ck_assert_uint_eq (config_get (h, 1, 0, 4), 0x70008086);
  ck_assert_uint_eq (config_get (h, 1, 0x0e, 1), 0x80);
  ck_assert_uint_eq (config_get (h, 2, 0, 4), 0xffffffff);
  ck_assert_uint_eq (config_get (h, 3, 2, 2), 0x0005);
  ck_assert_uint_eq (config_get (h, 3, 0x2c, 4), 0x11001af4);
  config_put (h, 0, 0, 0, 4);
  ck_assert_uint_eq (config_get (h, 0, 0, 4), 0x12378086);
  out32 (h, 0xcf8, 0x80010000);                 /* bus 1 */
  ck_assert_uint_eq (in32 (h, 0xcfc), 0xffffffff);
  out32 (h, 0xcf8, 0x00000000);
  ck_assert_uint_eq (in32 (h, 0xcfc), 0xffffffff);
  out32 (h, 0xcf8, 0x80001234);
  out8 (h, 0xcf8, 0x55);                        /* a byte is not for the register */
  ck_assert_uint_eq (in32 (h, 0xcf8), 0x80001234);
  harness_free (h);
}
END_TEST

START_TEST (bars_are_sized_and_mapped)
{
  Harness *h = start ("");
  config_put (h, 3, 0x10, 0xffffffff, 4);
  config_put (h, 3, 0x14, 0xffffffff, 4);
  config_put (h, 3, 0x18, 0xffffffff, 4);
  ck_assert_uint_eq (config_get (h, 3, 0x10, 4), 0xfffff000);
  ck_assert_uint_eq (config_get (h, 3, 0x14, 4), 0xffffff01);
  ck_assert_uint_eq (config_get (h, 3, 0x18, 4), 0);
  config_put (h, 3, 0x10, 0xfeb00000, 4);
  config_put (h, 3, 0x14, 0xc000, 4);
  ck_assert_uint_eq (read32 (h, 0xfeb00004), 0xffffffff);
  config_put (h, 3, 4, 3, 2);
  harness_write (h, "memory", 0xfeb00000, 0, 1);
  ck_assert_uint_eq (read32 (h, 0xfeb00004), 0x800);
  out8 (h, 0xc000, 2);
  ck_assert_uint_eq (in8 (h, 0xc001), 1);
  ck_assert_uint_eq (in8 (h, 0xc010), 'd');
  out8 (h, 0xc080, 0x11);
  out8 (h, 0xc080, (uint8_t) in32 (h, 0xc008));
  ck_assert_uint_eq (in32 (h, 0xc00c), 1);
  config_put (h, 3, 0x10, 0xfea00000, 4);
  ck_assert_uint_eq (read32 (h, 0xfeb00004), 0xffffffff);
  ck_assert_uint_eq (read32 (h, 0xfea00004), 0x800);
  config_put (h, 3, 0x10, 0x00200000, 4);       /* RAM comes first */
  write32 (h, 0x200004, 7);
  ck_assert_uint_eq (read32 (h, 0x200004), 7);
  config_put (h, 3, 0x10, 0xfea00000, 4);
  harness_round_trip (h);
  ck_assert_uint_eq (read32 (h, 0xfea00004), 0x800);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (read32 (h, 0xfea00004), 0xffffffff);
  ck_assert_uint_eq (config_get (h, 3, 0x10, 4), 0);
  harness_free (h);
}
END_TEST

/* Whichever BAR was set first: a machine that is loaded from a snapshot sets them in another order. */
START_TEST (overlapping_bars_have_an_order)
{
  static const char more[] = "[device other]\ntype = pci-testdev\nbus = host\naddress = 05.0\n"
                             "[device pm]\ntype = piix4-pm\nbus = host\npio0 = io@0xb2\nsci = probe.in9\n";
  static const unsigned orders[][2] = { { 3, 5 }, { 5, 3 } };
  for (unsigned i = 0; i < BP_N_ELEMENTS (orders); i++) {
    Harness *h = start (more), *twin = start (more);
    for (unsigned n = 0; n < 2; n++) {
      config_put (h, orders[i][n], 0x14, 0xc000, 4);
      config_put (h, orders[i][n], 4, 1, 2);
    }
    out32 (h, 0xcf8, 0x80000b40);               /* function 3 of device 1: PMBA, the last of all */
    out32 (h, 0xcfc, 0xc001);
    out32 (h, 0xcf8, 0x80000b80);
    out8 (h, 0xcfc, 1);
    harness_copy (h, twin);
    out8 (h, 0xc000, 2);
    out8 (twin, 0xc000, 2);
    ck_assert_uint_eq (in8 (h, 0xc001), 1);
    harness_check_same (h, twin);
    config_put (h, 5, 4, 0, 2);                 /* this one was in front */
    ck_assert_uint_eq (in8 (h, 0xc001), 0);
    harness_free (twin);
    harness_free (h);
  }
}
END_TEST

START_TEST (an_expansion_rom_has_a_switch)
{
  Harness *h = start ("[device master]\ntype = test-master\nbus = host\n");
  config_put (h, 4, 0x30, 0xfffff800, 4);
  ck_assert_uint_eq (config_get (h, 4, 0x30, 4), 0xfffff000);
  config_put (h, 4, 4, 2, 2);
  config_put (h, 4, 0x30, 0xfea00000, 4);
  ck_assert_uint_eq (read32 (h, 0xfea00000), 0xffffffff);
  config_put (h, 4, 0x30, 1, 1);
  ck_assert_uint_eq (config_get (h, 4, 0x30, 4), 0xfea00001);
  ck_assert_uint_eq (read32 (h, 0xfea00000), 0x0000aa55);
  harness_round_trip (h);
  ck_assert_uint_eq (read32 (h, 0xfea00000), 0x0000aa55);
  config_put (h, 4, 4, 0, 2);
  ck_assert_uint_eq (read32 (h, 0xfea00000), 0xffffffff);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (config_get (h, 4, 0x30, 4), 0);
  harness_free (h);
}
END_TEST

START_TEST (shadowing_goes_through_its_modes)
{
  char *path = NULL, *image = g_malloc0 (0x10000);
  int fd = g_file_open_tmp ("bios-XXXXXX", &path, NULL);
  close (fd);
  memset (image, 0xb0, 0x10000);
  g_file_set_contents (path, image, 0x10000, NULL);
  char *bios = g_strdup_printf ("[device bios]\ntype = bios-rom\nfile = %s\nlow = memory@0xf0000\n", path);
  Harness *h = start (bios);
  ck_assert_uint_eq (harness_read (h, "memory", 0xf1234, 1), 0xb0);
  harness_write (h, "memory", 0xf1234, 0x11, 1);
  config_put (h, 0, 0x59, 0x20, 1);             /* read ROM, write RAM */
  ck_assert_uint_eq (harness_read (h, "memory", 0xf1234, 1), 0xb0);
  harness_write (h, "memory", 0xf1234, 0x22, 1);
  harness_write (h, "memory", 0xfffff, 0x33, 1);
  ck_assert_uint_eq (harness_read (h, "memory", 0xf1234, 1), 0xb0);
  config_put (h, 0, 0x59, 0x10, 1);             /* RAM, read-only */
  ck_assert_uint_eq (harness_read (h, "memory", 0xf1234, 1), 0x22);
  ck_assert_uint_eq (harness_read (h, "memory", 0xfffff, 1), 0x33);
  harness_write (h, "memory", 0xf1234, 0x44, 1);
  ck_assert_uint_eq (harness_read (h, "memory", 0xf1234, 1), 0x22);
  config_put (h, 0, 0x59, 0x30, 1);
  harness_write (h, "memory", 0xf1234, 0x44, 1);
  ck_assert_uint_eq (harness_read (h, "memory", 0xf1234, 1), 0x44);
  config_put (h, 0, 0x5c, 0x0233, 2);           /* d0000 and d4000: RAM; d8000: written only */
  write32 (h, 0xd4000, 0xd4);
  write32 (h, 0xd8000, 0xd8);
  harness_round_trip (h);
  ck_assert_uint_eq (harness_read (h, "memory", 0xf1234, 1), 0x44);
  ck_assert_uint_eq (read32 (h, 0xd4000), 0xd4);
  ck_assert_uint_eq (read32 (h, 0xd8000), 0xffffffff);
  config_put (h, 0, 0x5d, 0x01, 1);
  ck_assert_uint_eq (read32 (h, 0xd8000), 0xd8);
  ck_assert_uint_eq (read32 (h, 0xd0000), 0);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (harness_read (h, "memory", 0xf1234, 1), 0xb0);
  harness_free (h);
  g_unlink (path);
  g_free (path), g_free (image), g_free (bios);
}
END_TEST

/* What reads show while writes go to RAM is taken from memory; a device behind it does not see that. */
START_TEST (shadowing_does_not_read_devices)
{
  Harness *h = start ("[device com]\ntype = uart-16550\npio0 = memory@0xc8000\nbackend = line\n[backend line]\ntype = test-char\n");
  ck_assert_uint_eq (harness_type (h, "line", "x", 1), 1);
  config_put (h, 0, 0x5b, 0x02, 1);             /* c8000: written only */
  ck_assert_uint_eq (harness_read (h, "memory", 0xc8000, 1), 0xff);
  config_put (h, 0, 0x5b, 0x00, 1);
  ck_assert_uint_eq (harness_read (h, "memory", 0xc8000, 1), 'x');
  harness_free (h);
}
END_TEST

START_TEST (smram_opens_until_locked)
{
  Harness *h = start ("");
  write32 (h, 0xa0000, 1);
  ck_assert_uint_eq (read32 (h, 0xa0000), 0xffffffff);
  config_put (h, 0, 0x72, 0x4a, 1);
  write32 (h, 0xa0000, 0x12);
  ck_assert_uint_eq (read32 (h, 0xa0000), 0x12);
  config_put (h, 0, 0x72, 0x5a, 1);
  ck_assert_uint_eq (config_get (h, 0, 0x72, 1), 0x1a);
  ck_assert_uint_eq (read32 (h, 0xa0000), 0xffffffff);
  config_put (h, 0, 0x72, 0x4a, 1);
  ck_assert_uint_eq (config_get (h, 0, 0x72, 1), 0x1a);
  harness_free (h);
}
END_TEST

START_TEST (ram_has_its_holes)
{
  Harness *h = start ("");
  write32 (h, 0x9fffc, 1);
  ck_assert_uint_eq (read32 (h, 0x9fffc), 1);
  write32 (h, 0xfffffc, 2);
  ck_assert_uint_eq (read32 (h, 0xfffffc), 2);
  ck_assert_uint_eq (read32 (h, 0x1000000), 0xffffffff);
  ck_assert_uint_eq (config_get (h, 0, 0x60, 1), 2);    /* 16 MiB in units of 8 */
  harness_free (h);
}
END_TEST

START_TEST (set_up_memory_has_the_sizes)
{
  static const struct { uint8_t index, value; } expected[] = {
    { 0x15, 0x80 }, { 0x16, 0x02 }, { 0x17, 0x00 }, { 0x18, 0x7c }, { 0x30, 0x00 }, { 0x31, 0x7c }, { 0x34, 0x00 }, { 0x35, 0x01 }, { 0x5b, 0 }, { 0x5c, 0 }, { 0x5d, 0 }
  };
  Harness *h = harness_new (hw_pc (), "[memory ram]\ntype = test-ram\nsize = 32M\n[device host]\ntype = i440fx\nram = ram\ncmos = rtc\n"
                                      "[device rtc]\ntype = mc146818\npio0 = io@0x70\n");
  for (unsigned i = 0; i < G_N_ELEMENTS (expected); i++) {
    out8 (h, 0x70, expected[i].index);
    ck_assert_msg (in8 (h, 0x71) == expected[i].value, "index %02x", expected[i].index);
  }
  harness_free (h);
}
END_TEST

START_TEST (bios_ram_is_there_from_the_start)
{
  Harness *h = harness_new (hw_pc (), "[memory ram]\ntype = test-ram\nsize = 2M\n[device host]\ntype = i440fx\nram = ram\nbios-ram = on\n"
                                      "memory = memory@0\nshadow = memory@0xa0000 prio 10\n");
  write32 (h, 0xffff0, 0x1234);
  ck_assert_uint_eq (read32 (h, 0xffff0), 0x1234);
  ck_assert_uint_eq (read32 (h, 0xefffc), 0xffffffff);
  harness_free (h);
}
END_TEST

START_TEST (interrupts_are_routed)
{
  Harness *h = start ("[device master]\ntype = test-master\nbus = host\n");
  Master *m = harness_object (h, "master");
  const BpPciBusIface *bus = m->bus.table;
  config_put (h, 1, 0x60, 0x0b808080, 4);       /* line D to IRQ 11 */
  bus->set_interrupt (m->bus.instance, m->slot, 1);
  ck_assert_int_eq (harness_level (h, "host.pirq3"), 1);        /* device 4, INTA# */
  ck_assert_int_eq (harness_level (h, "piix.irq11"), 1);
  ck_assert_uint_eq (config_get (h, 4, 6, 2) & 8, 8);
  harness_round_trip (h);
  ck_assert_int_eq (harness_level (h, "piix.irq11"), 1);
  config_put (h, 1, 0x63, 0x05, 1);
  ck_assert_int_eq (harness_level (h, "piix.irq11"), 0);
  ck_assert_int_eq (harness_level (h, "piix.irq5"), 1);
  config_put (h, 4, 4, 0x400, 2);               /* interrupt disable */
  ck_assert_int_eq (harness_level (h, "piix.irq5"), 0);
  config_put (h, 4, 4, 0x000, 2);
  bus->set_interrupt (m->bus.instance, m->slot, 0);
  ck_assert_int_eq (harness_level (h, "piix.irq5"), 0);
  config_put (h, 1, 0x63, 0x0d, 1);             /* IRQ 13 is nobody's */
  bus->set_interrupt (m->bus.instance, m->slot, 1);
  ck_assert_int_eq (harness_level (h, "piix.irq13"), 0);
  harness_free (h);
}
END_TEST

START_TEST (dma_needs_a_bus_master)
{
  Harness *h = start ("[device master]\ntype = test-master\nbus = host\n");
  Master *m = harness_object (h, "master");
  const BpPciBusIface *bus = m->bus.table;
  BpAddressSpace *dma = bus->dma (m->bus.instance, m->slot);
  uint32_t value = 0x1234;
  ck_assert (!bp_as_write (dma, 0x100000, &value, 4));
  config_put (h, 4, 4, 4, 2);
  ck_assert (bp_as_write (dma, 0x100000, &value, 4));
  ck_assert_uint_eq (read32 (h, 0x100000), 0x1234);
  harness_free (h);
}
END_TEST

START_TEST (port_cf9_resets)
{
  Harness *h = start ("");
  out32 (h, 0xcf8, 0x80000000);
  out8 (h, 0xcf9, 0x02);
  ck_assert (!harness_take_reset (h));
  ck_assert_uint_eq (in8 (h, 0xcf9), 0x02);
  out8 (h, 0xcf9, 0x06);
  ck_assert (harness_take_reset (h));
  ck_assert_uint_eq (in32 (h, 0xcf8), 0x80000000);
  harness_free (h);
}
END_TEST

START_TEST (wrong_places_are_refused)
{
  static const struct { const char *more, *word; } cases[] = {
    { "[device other]\ntype = pci-testdev\nbus = host\naddress = 03.0\n", "taken" },
    { "[device other]\ntype = pci-testdev\nbus = host\naddress = 3\n", "DEVICE.FUNCTION" },
    { "[device other]\ntype = pci-testdev\nbus = ram\naddress = 04.0\n", "bp.pci-bus/1" }
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    char *ini = g_strconcat (board, cases[i].more, NULL), *text = harness_refusal (hw_pc (), ini);
    ck_assert_msg (strstr (text, cases[i].word), "%s", text);
    g_free (text), g_free (ini);
  }
}
END_TEST

HARNESS_MAIN ("host-i440fx", functions_are_found, bars_are_sized_and_mapped, overlapping_bars_have_an_order, an_expansion_rom_has_a_switch, shadowing_goes_through_its_modes,
              shadowing_does_not_read_devices, smram_opens_until_locked, ram_has_its_holes, bios_ram_is_there_from_the_start, set_up_memory_has_the_sizes,
              interrupts_are_routed, dma_needs_a_bus_master, port_cf9_resets, wrong_places_are_refused)
