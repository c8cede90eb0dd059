/* test-hammer.c -- random accesses to every register of every type: whatever a guest writes, the host goes on. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include <stdlib.h>
#include "hw-pc-test.h"
#include "machine.h"

/* One of each, all wired: what one register does is seen by all. */
static const char everything[] =
  "[memory ram]\ntype = harness-ram\nsize = 4M\n"
  "[device host]\ntype = i440fx\nram = ram\npio0 = io@0xcf8\npio1 = io@0xcfc\nmemory = memory@0\nshadow = memory@0xa0000 prio 10\nio = io@0\n"
  "pirq0 = piix.pirq0\npirq1 = piix.pirq1\npirq2 = piix.pirq2\npirq3 = piix.pirq3\n"
  "[device piix]\ntype = piix3\nbus = host\npio0 = io@0x3000\nirq9 = pic.in9, ioapic.in9\nirq10 = pic.in10, ioapic.in10\nirq11 = pic.in11, ioapic.in11\n"
  "[device test]\ntype = pci-testdev\nbus = host\naddress = 03.0\n"
  "[device pic]\ntype = i8259-pair\npio0 = io@0x20\npio1 = io@0xa0\npio2 = io@0x4d0\nintr = apic.lint0, ioapic.in0\n"
  "[device apic]\ntype = lapic\nmmio0 = memory@0xfee00000\npic = pic\nintr = cpu0.intr\nnmi = cpu0.nmi\ninit = cpu0.init\nsmi = cpu0.smi\n"
  "[device ioapic]\ntype = ioapic\nmmio0 = memory@0xfec00000\n"
  "[device hpet]\ntype = hpet\nmmio0 = memory@0xfed00000\nroutes = 0xffffff\nlegacy0 = pic.in0, ioapic.in2\nlegacy1 = pic.in8, ioapic.in8\n"
  "route5 = ioapic.in5\nroute20 = ioapic.in20\nroute21 = ioapic.in21\n"
  "[device pit]\ntype = i8254\npio0 = io@0x40\npio1 = io@0x61\nout0 = hpet.pit\n"
  "[device rtc]\ntype = mc146818\npio0 = io@0x70\nirq = hpet.rtc\n"
  "[device com1]\ntype = uart-16550\npio0 = io@0x3f8\nirq = pic.in4, ioapic.in4\nbackend = line\n"
  "[device kbd]\ntype = i8042\npio0 = io@0x60\npio1 = io@0x64\nirq1 = pic.in1, ioapic.in1\nirq12 = pic.in12, ioapic.in12\na20 = cpu0.a20\n"
  "[device p92]\ntype = port92\npio0 = io@0x92\na20 = cpu0.a20\n"
  "[device exit]\ntype = debug-exit\npio0 = io@0xf4\n[device e9]\ntype = debug-console\npio0 = io@0xe9\nbackend = text\n"
  "[device post]\ntype = post-port\npio0 = io@0x80\nbackend = codes\n[device cfg]\ntype = fw-cfg\npio0 = io@0x510\nram = ram\n"
  "[device t]\ntype = pc-testdev\npio0 = io@0xe0\npio1 = io@0xe4\npio2 = io@0xec\npio3 = io@0x2000\nmmio0 = memory@0xff000000\n"
  "irq0 = pic.in0, ioapic.in0\nirq3 = pic.in3, ioapic.in3\nirq14 = pic.in14, ioapic.in14\nirq22 = ioapic.in22\n"
  "[cpu]\ntype = harness-cpu\nintc = apic\n"
  "[backend line]\ntype = harness-char\n[backend text]\ntype = harness-char\n[backend codes]\ntype = harness-char\n";

static unsigned
seconds (void)
{
  const char *text = g_getenv ("BACKPLANE_HAMMER_SECONDS");
  return text ? (unsigned) atoi (text) : 1;
}

static uint64_t
random_value (GRand *random)
{
  switch (g_rand_int_range (random, 0, 5)) {
  case 0: return 0;
  case 1: return UINT64_MAX;
  case 2: return UINT64_C (1) << g_rand_int_range (random, 0, 64);
  case 3: return (uint64_t) g_rand_int_range (random, 0, 256);
  default: return (uint64_t) g_rand_int (random) << 32 | g_rand_int (random);
  }
}

static void
strike (BpRegion *region, GRand *random)
{
  unsigned size = 1u << g_rand_int_range (random, 0, 4);
  uint64_t room = bp_region_size (region);
  if (room < size)
    size = 1;
  uint64_t offset = g_rand_int (random) % (MIN (room, 0x20000) - size + 1);
  if (g_rand_boolean (random))
    bp_region_dispatch_read (region, offset, size);
  else
    bp_region_dispatch_write (region, offset, random_value (random), size);
}

/* The regions that are registers: those that a type's table names. */
static GPtrArray *
registers_of (BpObject *o)
{
  GPtrArray *all = g_ptr_array_new ();
  g_autoptr (GArray) rows = type_regions (o->type);
  for (unsigned i = 0; i < rows->len; i++)
    g_ptr_array_add (all, object_region (o, g_array_index (rows, BpRegionDesc, i).name)->region);
  return all;
}

static void
acknowledge_some (Harness *h, GRand *random)
{
  void *apic = harness_object (h, "apic");
  const BpInterruptControllerIface *t = bp_object_interface (apic, BP_INTERRUPT_CONTROLLER_ID);
  switch (g_rand_int_range (random, 0, 4)) {
  case 0:
    t->apic_base_write (apic, random_value (random));
    break;
  case 1:
    t->priority_write (apic, (uint8_t) g_rand_int_range (random, 0, 16));
    break;
  default:
    ck_assert_int_lt (t->acknowledge (apic), 256);
  }
}

/* What a guest reaches by number alone. */
static void
strike_spaces (Harness *h, GRand *random)
{
  static const uint32_t places[] = { 0xa0000, 0xc0000, 0xf0000, 0xfec00000, 0xfed00000, 0xfee00000, 0xff000000, 0xfffff000, 0xe0000000 };
  unsigned size = 1u << g_rand_int_range (random, 0, 4);
  uint64_t at = places[g_rand_int_range (random, 0, G_N_ELEMENTS (places))] + (uint64_t) g_rand_int_range (random, 0, 0x1000);
  harness_write (h, "io", (uint64_t) g_rand_int_range (random, 0, 0xfff8), random_value (random), MIN (size, 4u));
  harness_write (h, "memory", at, random_value (random), size);
  harness_read (h, "memory", at, size);
}

/* Configuration cycles that hit. */
static void
strike_configuration (Harness *h, GRand *random)
{
  static const uint8_t devices[] = { 0, 1, 3 };
  out32 (h, 0xcf8, 0x80000000u | (uint32_t) devices[g_rand_int_range (random, 0, 3)] << 11 | (uint32_t) g_rand_int_range (random, 0, 64) << 2);
  harness_write (h, "io", 0xcfc + (uint64_t) g_rand_int_range (random, 0, 4), random_value (random), 1u << g_rand_int_range (random, 0, 3));
}

static bool
machine_has (Harness *h, const BpTypeDesc *type)
{
  GPtrArray *objects = harness_machine (h)->objects;
  for (unsigned i = 0; i < objects->len; i++)
    if (g_str_equal (((BpObject *) objects->pdata[i])->type->name, type->name))
      return true;
  return false;
}

START_TEST (every_type_with_registers_is_struck)
{
  Harness *h = harness_new (hw_pc (), everything);
  for (const BpTypeDesc *const *t = hw_pc (); *t; t++)
    ck_assert_msg (!(*t)->regions || machine_has (h, *t), "%s is not in the machine of this test", (*t)->name);
  harness_free (h);
}
END_TEST

START_TEST (nothing_breaks)
{
  Harness *h = harness_new (hw_pc (), everything);
  GRand *random = g_rand_new_with_seed (20240229);
  static const char *const ids[] = { "host", "piix", "pic", "apic", "ioapic", "hpet", "pit", "rtc", "com1", "kbd", "p92", "exit", "e9", "post", "cfg", "t" };
  for (unsigned i = 0; i < G_N_ELEMENTS (ids); i++) {
    BpObject *o = object_of (harness_object (h, ids[i]));
    GPtrArray *regions = registers_of (o);
    ck_assert_uint_gt (regions->len, 0);
    int64_t end = g_get_monotonic_time () + (int64_t) seconds () * G_USEC_PER_SEC;
    for (unsigned n = 0; g_get_monotonic_time () < end; n++) {
      strike (regions->pdata[g_rand_int_range (random, 0, (int) regions->len)], random);
      if (n % 16 == 0)
        harness_advance (h, g_rand_int_range (random, 0, 100000));
      if (n % 64 == 0)
        acknowledge_some (h, random);
      if (n % 256 == 0) {
        strike_configuration (h, random);
        strike_spaces (h, random);
        harness_type (h, "line", "abcdefgh", 8);
      }
      if (n % 4096 == 0)
        harness_round_trip (h);
      harness_take_reset (h);
    }
    g_ptr_array_unref (regions);
    harness_reset (h, BP_RESET_WARM);
  }
  g_rand_free (random);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("hammer", every_type_with_registers_is_struck, nothing_breaks)
