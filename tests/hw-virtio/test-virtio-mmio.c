/* test-virtio-mmio.c -- slots of memory-mapped virtio registers: what they say, empty ones, sizes of accesses, pins, ACPI. */
/* SPDX-License-Identifier: MIT */
#include "virtio-test.h"
#include <backplane/iface/acpi.h>

static const VirtioCase mmio = { "mmio", .pci = false };
enum { AT = VIRTIO_TEST_MMIO };

BP_TEST (registers)
{
  BpTest *t = virtio_test_new (&mmio, NULL, NULL);
  static const struct { unsigned offset; uint32_t value; } first[] = {
    { 0x00, 0x74726976 }, { 0x04, 2 }, { 0x08, 63 }, { 0x0c, 0x4e4c5042 }, { 0x34, 16 }, { 0x44, 0 }, { 0x60, 0 }, { 0x70, 0 }, { 0xb0, UINT32_MAX },
    { 0xbc, UINT32_MAX }, { 0xfc, 0 }, { 0x100, 0x13121110 }
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (first); i++)
    bp_test_expect_load (t, "memory", AT + first[i].offset, 4, first[i].value);
  for (unsigned slot = 1; slot < 32; slot += 30) {
    bp_test_expect_load (t, "memory", AT + 0x1000 * slot, 4, 0x74726976);
    bp_test_expect_load (t, "memory", AT + 0x1000 * slot + 4, 4, 2);
    bp_test_expect_load (t, "memory", AT + 0x1000 * slot + 8, 4, 0);
    bp_test_expect_load (t, "memory", AT + 0x1000 * slot + 0x34, 4, 0);
    bp_test_store32 (t, AT + 0x1000 * slot + 0x70, 3);
    bp_test_expect_load (t, "memory", AT + 0x1000 * slot + 0x70, 4, 0);
  }
  bp_test_keep_log ("guest_errors");
  bp_test_expect_load (t, "memory", AT, 2, 0);
  bp_test_store8 (t, AT + 0x70, 1);
  bp_test_expect_load (t, "memory", AT + 0x70, 4, 0);
  bp_test_store32 (t, AT + 0x08, 1);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "registers have four");
  bp_test_expect_has (log, "slot 0: a write of 0x1, 4 bytes, to its register 0x8");
  bp_test_free (t);
}

BP_TEST (the_pin_follows_the_status)
{
  BpTest *t = virtio_test_new (&mmio, NULL, NULL);
  BpTestVirtio *v = virtio_test_driver (t, &mmio);
  Echo *e = virtio_test_echo (t);
  char in[4];
  bp_test_virtio_call (v, 0, "x", 1, in, sizeof in);
  bp_test_expect_level (t, "probe.in0", 1);
  bp_test_expect_load (t, "memory", AT + 0x60, 4, 1);
  bp_machine_lock (bp_test_machine (t));
  echo_bus (e)->config_changed (e->bus.instance, e->device);
  bp_machine_unlock (bp_test_machine (t));
  bp_test_expect_load (t, "memory", AT + 0x60, 4, 3);
  bp_test_expect_load (t, "memory", AT + 0xfc, 4, 1);
  bp_test_store32 (t, AT + 0x64, 1);
  bp_test_expect_level (t, "probe.in0", 1);
  bp_test_round_trip (t);
  bp_test_expect_level (t, "probe.in0", 1);
  bp_test_store32 (t, AT + 0x64, 2);
  bp_test_expect_level (t, "probe.in0", 0);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (acpi_names_the_slots)
{
  BpTest *t = virtio_test_new (&mmio, NULL, "[override device bus]\ngsi = 5\n[device rng]\ntype = virtio-rng\nbus = bus\naddress = 7\n");
  const BpAcpiIface *acpi = bp_test_interface (t, "bus", BP_ACPI_ID);
  BpAcpiDevice d = { .struct_size = sizeof d };
  void *bus = bp_test_object (t, "bus");
  bp_test_expect (acpi->device (bus, 0, &d));
  bp_test_expect_str (d.hid, "LNRO0005");
  bp_test_expect_eq (d.interrupt, 5);
  bp_test_expect_eq (d.address, AT);
  bp_test_expect (acpi->device (bus, 1, &d));
  bp_test_expect_eq (d.uid, 7);
  bp_test_expect_eq (d.interrupt, 12);
  bp_test_expect_eq (d.address, AT + 0x7000);
  bp_test_expect_eq (d.size, 0x1000);
  bp_test_expect (!acpi->device (bus, 2, &d));
  bp_test_free (t);
}

BP_TEST_MAIN ("virtio-mmio", &registers, &the_pin_follows_the_status, &acpi_names_the_slots)
