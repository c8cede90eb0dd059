/* test-@{name}.c -- the countdown on a PCI bus of the harness: registers, DMA, the pin and messages, state. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include <backplane/test-pci.h>

enum { ID = 0, COUNT = 4, CONTROL = 8, STATUS = 12, ADDRESS = 16 };
enum { START = 1, INTERRUPT = 2, DONE = 2, ERROR = 4 };
static const unsigned place = BP_TEST_PCI (5, 0);

/* Sections of a descriptor, as a user would write them; `test-ram` and `test-pci` are the harness's own. */
static const char machine[] =
  "[memory ram]\ntype = test-ram\nsize = 64K\n[map ram]\nregion = ram\nat = memory@0\n[device pci]\ntype = test-pci\n"
  "[device d]\nmodule = @{name}\ntype = @{name}\nbus = pci\naddress = 05.0\n";

/* As firmware leaves it: the BAR in its place, memory and DMA switched on. */
static BpTest *
start (uint64_t *bar)
{
  BpTest *t = bp_test_new (NULL, machine);
  bp_test_pci_start (t, "pci", place);
  *bar = bp_test_pci_bar (t, "pci", place, 0);
  return t;
}

static void
count_down (BpTest *t, uint64_t bar, uint32_t from, uint32_t address)
{
  bp_test_store32 (t, bar + COUNT, from);
  bp_test_store32 (t, bar + ADDRESS, address);
  bp_test_store32 (t, bar + CONTROL, START | INTERRUPT);
  bp_test_advance (t, 1000 * (int64_t) from);
}

BP_TEST (the_bus_finds_it)
{
  uint64_t bar;
  BpTest *t = start (&bar);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", place, 0, 4), 0x0001f055);
  bp_test_expect_eq (bp_test_load32 (t, bar + ID), 0x4e554f43);
  bp_test_expect (bp_test_pci_capability (t, "pci", place, 0x05) != 0);         /* MSI */
  bp_test_free (t);
}

BP_TEST (zero_is_told_by_memory_and_pin)
{
  uint64_t bar;
  BpTest *t = start (&bar);
  bp_test_store32 (t, 0x100, 41);
  count_down (t, bar, 10, 0x100);
  bp_test_expect_eq (bp_test_load32 (t, 0x100), 42);
  bp_test_expect_eq (bp_test_load32 (t, bar + STATUS), DONE);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", place), 1);
  bp_test_store32 (t, bar + STATUS, DONE);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", place), 0);
  bp_test_free (t);
}

/* Whatever was done before: two that were used differently are the same, and each rise is told again. */
BP_TEST (a_reset_forgets)
{
  uint64_t bar;
  BpTest *a = start (&bar), *b = start (&bar);
  bp_test_advance (a, 1000);
  bp_test_store32 (a, bar + COUNT, 10);
  bp_test_store32 (a, bar + CONTROL, START);
  bp_test_advance (a, 3000);
  bp_test_expect_eq (bp_test_load32 (a, bar + COUNT), 7);
  bp_test_advance (b, 3000);
  bp_test_store32 (b, bar + ADDRESS + 4, 1);
  count_down (b, bar, 1, 0x1000);
  bp_test_expect_eq (bp_test_load32 (b, bar + STATUS), DONE | ERROR);
  bp_test_reset (a, BP_RESET_WARM);
  bp_test_reset (b, BP_RESET_WARM);
  bp_test_expect_eq (bp_test_pci_interrupt (b, "pci", place), 0);
  bp_test_expect_same (a, b);
  bp_test_pci_start (b, "pci", place);
  count_down (b, bar, 1, 0);
  bp_test_expect_eq (bp_test_pci_interrupt (b, "pci", place), 1);
  bp_test_free (a);
  bp_test_free (b);
}

BP_TEST (messages_take_the_place_of_the_pin)
{
  uint64_t bar;
  BpTest *t = start (&bar);
  BpTestMessage m = { .struct_size = sizeof m };
  bp_test_pci_use_msi (t, "pci", place, 1, 0xfee00000, 0x41);
  count_down (t, bar, 1, 0);
  bp_test_expect (bp_test_pci_take_message (t, "pci", &m));
  bp_test_expect_eq (m.data, 0x41);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", place), 0);
  bp_test_expect_eq (bp_test_pci_messages (t, "pci"), 0);
  bp_test_free (t);
}

BP_TEST (bad_addresses_are_told)
{
  uint64_t bar;
  BpTest *t = start (&bar);
  bp_test_keep_log ("guest_errors");
  count_down (t, bar, 1, 0x7fff0000);
  bp_test_expect_eq (bp_test_load32 (t, bar + STATUS), DONE | ERROR);
  char *log = bp_test_take_log ();
  bp_test_expect_has (log, "no word at 0x7fff0000");
  g_free (log);
  bp_test_free (t);
}

BP_TEST (state_survives)
{
  uint64_t bar;
  BpTest *a = start (&bar), *b = bp_test_new (NULL, machine);
  count_down (a, bar, 0, 0x100);
  bp_test_store32 (a, bar + COUNT, 10);
  bp_test_store32 (a, bar + CONTROL, START | INTERRUPT);
  bp_test_advance (a, 4000);
  bp_test_copy (a, b);
  bp_test_advance (a, 6000);
  bp_test_advance (b, 6000);
  bp_test_expect_eq (bp_test_load32 (b, 0x100), 2);
  bp_test_expect_same (a, b);
  bp_test_free (a);
  bp_test_free (b);
}

BP_TEST (wrong_places_are_refused)
{
  char *why = bp_test_refusal (NULL, "[device pci]\ntype = test-pci\n[device d]\nmodule = @{name}\ntype = @{name}\nbus = pci\naddress = 99.0\n");
  bp_test_expect_has (why, "99.0 is not a place on a PCI bus");
  g_free (why);
}

BP_TEST_MAIN ("@{name}", &the_bus_finds_it, &zero_is_told_by_memory_and_pin, &messages_take_the_place_of_the_pin, &bad_addresses_are_told, &state_survives,
              &a_reset_forgets, &wrong_places_are_refused)
