/* test-frozen.c -- a plugin that was compiled for ABI 1.0 and never since: each of its types does what it did. */
/* SPDX-License-Identifier: MIT */
#include <backplane/test.h>
#include <backplane/test-pci.h>
#include <string.h>

#define FROZEN "module = frozen\n"

/* --- the device ----------------------------------------------------------------------------------------- */

static BpTest *
device_machine (const char *keys)
{
  g_autofree char *sections = g_strconcat ("[device d]\n" FROZEN "type = frozen-device\nregs = io@0x100\nirq = probe.in0\nline = e\n", keys,
                                           "[backend e]\n" FROZEN "type = frozen-char\n[device probe]\ntype = test-probe\n", NULL);
  return bp_test_new (NULL, sections);
}

BP_TEST (registers_pins_and_timer)
{
  BpTest *t = device_machine ("");
  bp_test_out8 (t, 0x100, 'a');
  bp_test_expect_eq (bp_test_in8 (t, 0x104), 'b');
  bp_test_out8 (t, 0x102, 1);
  bp_test_expect_level (t, "d.irq", 1);
  bp_test_out8 (t, 0x102, 0);
  bp_test_drive (t, "d.in0", 1);
  bp_test_drive (t, "d.in1", 1);
  bp_test_expect_eq (bp_test_in8 (t, 0x108), 3);
  unsigned before = bp_test_rises (t, "probe", 0);
  bp_test_out8 (t, 0x101, 50);
  bp_test_advance (t, 49999);
  bp_test_expect_eq (bp_test_rises (t, "probe", 0), before);
  bp_test_advance (t, 1);
  bp_test_expect_eq (bp_test_rises (t, "probe", 0), before + 1);
  bp_test_expect_eq (bp_test_in8 (t, 0x109), 1);
  bp_test_reset (t, BP_RESET_COLD);
  bp_test_expect_eq (bp_test_in8 (t, 0x109), 0);
  bp_test_free (t);
}

BP_TEST (properties)
{
  BpTest *t = device_machine ("level = 9\ntext = fr\nlist = a,b,c,d\nmode = fast\nsize = 1M\n");
  bp_test_expect_eq (bp_test_in8 (t, 0x10a), 4);
  bp_test_expect_eq (bp_test_in8 (t, 0x10b), 2 + 9);
  bp_test_free (t);
  t = device_machine ("");
  bp_test_expect_eq (bp_test_in8 (t, 0x10a), 2);
  bp_test_expect_eq (bp_test_in8 (t, 0x10b), strlen ("frozen") + 3);
  bp_test_free (t);
  g_autofree char *why = bp_test_refusal (NULL, "[device d]\n" FROZEN "type = frozen-device\nregs = io@0x100\nlevel = 10\nmode = fats\n");
  bp_test_expect_has (why, "1..9");
  bp_test_expect_has (why, "fast");
  g_autofree char *loud = bp_test_refusal (NULL, "[device d]\n" FROZEN "type = frozen-device\nregs = io@0x100\nloud = off\nmode = fast\n");
  bp_test_expect_has (loud, "what is fast is loud");
}

BP_TEST (state)
{
  BpTest *a = device_machine (""), *b = device_machine ("");
  bp_test_out8 (a, 0x103, 7);
  bp_test_out8 (a, 0x101, 20);
  bp_test_advance (a, 5000);
  bp_test_copy (a, b);
  bp_test_expect_eq (bp_test_in8 (b, 0x103), 7);
  bp_test_advance (a, 20000);
  bp_test_advance (b, 20000);
  bp_test_expect_eq (bp_test_in8 (b, 0x109), 1);
  bp_test_expect_same (a, b);
  bp_test_free (a);
  bp_test_free (b);
}

/* --- the others ------------------------------------------------------------------------------------------ */

BP_TEST (memory_and_bus)
{
  BpTest *t = bp_test_new (NULL, "[memory m]\n" FROZEN "type = frozen-memory\nsize = 64k\n[map m]\nregion = m\nat = memory@0x10000\n"
                                 "[bus b]\n" FROZEN "type = frozen-bus\n"
                                 "[device c1]\n" FROZEN "type = frozen-child\nbus = b\nregs = io@0x10\n"
                                 "[device c2]\n" FROZEN "type = frozen-child\nbus = b\nregs = io@0x20\n");
  bp_test_store32 (t, 0x1fffc, 0x12345678);
  bp_test_expect_eq (bp_test_load32 (t, 0x1fffc), 0x12345678);
  bp_test_expect_eq (bp_test_in8 (t, 0x10) + bp_test_in8 (t, 0x20), 3);
  bp_test_free (t);
}

BP_TEST (pci)
{
  BpTest *t = bp_test_new (NULL, "[device pci]\ntype = test-pci\n[device p]\n" FROZEN "type = frozen-pci\nbus = pci\naddress = 04.0\n"
                                 "[memory m]\ntype = test-ram\nsize = 64k\n[map m]\nregion = m\nat = memory@0\n");
  unsigned f = BP_TEST_PCI (4, 0);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", f, 0, 4), 0x10ff1af4);
  bp_test_pci_start (t, "pci", f);
  uint64_t bar = bp_test_pci_bar (t, "pci", f, 0);
  bp_test_store32 (t, 0x1000, 0x12345678);
  bp_test_store32 (t, bar, 0x1000);
  bp_test_store32 (t, bar + 4, 1);
  bp_test_expect_eq (bp_test_load32 (t, 0x1004), ~0x12345678u);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", f), 1);
  bp_test_store32 (t, bar + 4, 0);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", f), 0);
  bp_test_pci_use_msi (t, "pci", f, 1, 0xfee00000, 0x41);
  bp_test_store32 (t, bar + 4, 1);
  BpTestMessage message = { .struct_size = sizeof message };
  bp_test_expect (bp_test_pci_take_message (t, "pci", &message));
  bp_test_expect_eq (message.data, 0x41);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", f), 0);
  bp_test_round_trip (t);
  bp_test_free (t);
}

int
main (int argc, char **argv)
{
  const BpTestCase *const tests[] = { &registers_pins_and_timer, &properties, &state, &memory_and_bus, &pci, NULL };
  bp_test_plugin_path (g_getenv ("FROZEN_PLUGINS") ? g_getenv ("FROZEN_PLUGINS") : SRCDIR "/tests/abi/1.0");
  return bp_test_main ("frozen", tests, argc, argv);
}
