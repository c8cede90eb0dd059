/* test-virtio-pci.c -- virtio functions on PCI: identity, capabilities, vectors, configuration cycles, several on a bus, the ports of 0.9.5. */
/* SPDX-License-Identifier: MIT */
#include "virtio-test.h"

static const VirtioCase pci = { "pci", .pci = true };
#define F BP_TEST_PCI (3, 0)
#define RNG BP_TEST_PCI (4, 1)
#define READ(offset, size) bp_test_pci_read (t, "pci", F, (offset), (size))

BP_TEST (identity)
{
  BpTest *t = virtio_test_new (&pci, NULL, "[device rng]\ntype = virtio-rng\nbus = bus\naddress = 04.1\nseed = 3\n");
  bp_test_expect_eq (READ (0, 4), 0x107f1af4);
  bp_test_expect_eq (READ (8, 4), 0xff000001);
  bp_test_expect_eq (READ (0x2c, 2), 0x1af4);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", RNG, 0, 4), 0x10441af4);
  BpTestVirtio *v = virtio_test_driver (t, &pci), *w = bp_test_virtio_pci (t, "pci", RNG, 0x80000, 0x10000);
  uint8_t bytes[16];
  char back[4];
  bp_test_virtio_setup (w, BP_TEST_VIRTIO_ALL, 1);
  bp_test_expect_eq (bp_test_virtio_call (w, 0, NULL, 0, bytes, sizeof bytes), sizeof bytes);
  bp_test_expect_eq (bp_test_virtio_call (v, 0, "abc", 4, back, sizeof back), 4);
  bp_test_expect_eq (bp_test_virtio_interrupts (w, 0), 1);
  bp_test_expect_eq (bp_test_virtio_interrupts (v, 0), 1);
  bp_test_virtio_free (v);
  bp_test_virtio_free (w);
  bp_test_free (t);
}

static unsigned
find_capability (BpTest *t, unsigned type)
{
  unsigned at = READ (0x34, 1);
  while (at && !(READ (at, 1) == 9 && READ (at + 3, 1) == type))
    at = READ (at + 1, 1);
  return at;
}

/* Registers by configuration cycles alone (4.1.4.9). */
BP_TEST (configuration_cycles_reach_registers)
{
  BpTest *t = virtio_test_new (&pci, NULL, NULL);
  unsigned at = find_capability (t, 5), common = find_capability (t, 1), config = find_capability (t, 4);
  bp_test_expect (at && common && config);
  bp_test_pci_write (t, "pci", F, at + 4, READ (common + 4, 1), 1);
  bp_test_pci_write (t, "pci", F, at + 8, READ (common + 8, 4) + 0x14, 4);
  bp_test_pci_write (t, "pci", F, at + 12, 1, 4);
  bp_test_pci_write (t, "pci", F, at + 16, 3, 1);
  bp_test_expect_eq (READ (at + 16, 1), 3);
  bp_test_pci_write (t, "pci", F, at + 8, READ (config + 8, 4) + 4, 4);
  bp_test_pci_write (t, "pci", F, at + 12, 4, 4);
  bp_test_expect_eq (READ (at + 16, 4), 0x17161514);
  bp_test_pci_write (t, "pci", F, at + 16, 0xabcd, 4);
  bp_test_expect_eq (READ (at + 16, 4), 0xabcd);
  bp_test_pci_write (t, "pci", F, at + 12, 3, 4);       /* not a size */
  bp_test_pci_write (t, "pci", F, at + 16, 0, 4);
  bp_test_pci_write (t, "pci", F, at + 12, 4, 4);
  bp_test_expect_eq (READ (at + 16, 4), 0xabcd);
  bp_test_pci_write (t, "pci", F, at + 8, 0xfffffff0, 4);
  bp_test_pci_read (t, "pci", F, at + 16, 4);
  bp_test_free (t);
}

BP_TEST (vectors)
{
  BpTest *t = virtio_test_new (&pci, NULL, NULL);
  BpTestVirtio *v = virtio_test_driver (t, &pci);
  uint64_t at = bp_test_virtio_registers (v);
  unsigned msix = bp_test_pci_capability (t, "pci", F, 0x11);
  char in[4];
  bp_test_expect_eq (READ (msix + 2, 2) & 0x7ff, ECHO_QUEUES);  /* one more than that */
  bp_test_store16 (t, at + 0x10, ECHO_QUEUES + 1);
  bp_test_expect_load (t, "memory", at + 0x10, 2, 0xffff);
  bp_test_store16 (t, at + 0x16, 1);
  bp_test_store16 (t, at + 0x1a, 0xffff);
  bp_test_virtio_call (v, 1, "x", 1, in, sizeof in);
  bp_test_expect_eq (bp_test_virtio_interrupts (v, 1), 0);
  bp_test_store16 (t, at + 0x16, 1);
  bp_test_store16 (t, at + 0x1a, 2);
  bp_test_virtio_call (v, 1, "x", 1, in, sizeof in);
  bp_test_expect_eq (bp_test_virtio_interrupts (v, 1), 1);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", F), 0);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (without_vectors)
{
  VirtioCase c = { "pin", .pci = true };
  BpTest *t = virtio_test_new (&c, NULL, "[override device bus]\nvectors = 0\n");
  BpTestVirtio *v = virtio_test_driver (t, &c);
  char in[4];
  bp_test_expect_eq (bp_test_pci_capability (t, "pci", F, 0x11), 0);
  bp_test_virtio_call (v, 0, "x", 1, in, sizeof in);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", F), 1);
  bp_test_round_trip (t);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", F), 1);
  bp_test_expect_eq (bp_test_virtio_interrupts (v, 0), 1);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", F), 0);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* A driver of the time before 1.0: one span of memory for a ring, page numbers, no FEATURES_OK. */
BP_TEST (ports)
{
  enum { RING = 0x20000, SIZE = 256, AVAILABLE = RING + 16 * SIZE, USED = (AVAILABLE + 6 + 2 * SIZE + 4095) & ~4095 };
  VirtioCase c = { "pin", .pci = true };
  BpTest *t = virtio_test_new (&c, NULL, "[override device bus]\nvectors = 0\nlegacy = on\n[device rng]\ntype = virtio-rng\nbus = bus\naddress = 04.1\nseed = 3\n");
  bp_test_expect_eq (bp_test_pci_read (t, "pci", RNG, 0, 4), 0x10051af4);
  bp_test_expect_eq (bp_test_pci_read (t, "pci", RNG, 0x2e, 2), 4);
  bp_test_expect_eq (READ (0, 4), 0x107f1af4);          /* old drivers know no such device */
  bp_test_pci_start (t, "pci", RNG);
  uint16_t io = (uint16_t) bp_test_pci_bar (t, "pci", RNG, 0);
  bp_test_out8 (t, io + 0x12, 0);
  bp_test_out8 (t, io + 0x12, 3);
  bp_test_expect_eq (bp_test_in32 (t, io) & 0xff000000, 0x38000000);
  bp_test_out32 (t, io + 4, 0);
  bp_test_out16 (t, io + 0x0e, 0);
  bp_test_expect_eq (bp_test_in16 (t, io + 0x0c), SIZE);
  bp_test_out32 (t, io + 8, RING / 4096);
  bp_test_expect_eq (bp_test_in32 (t, io + 8), RING / 4096);
  bp_test_out8 (t, io + 0x12, 7);
  bp_test_expect_eq (bp_test_in8 (t, io + 0x12), 7);
  bp_test_store64 (t, RING, 0x40000);
  bp_test_store32 (t, RING + 8, 100);
  bp_test_store16 (t, RING + 12, 2);
  bp_test_store16 (t, AVAILABLE + 2, 1);
  bp_test_out16 (t, io + 0x10, 0);
  bp_test_expect_load (t, "memory", USED + 2, 2, 1);
  bp_test_expect_load (t, "memory", USED + 8, 4, 100);
  bp_test_expect (bp_test_load64 (t, 0x40000 + 8) != 0);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", RNG), 1);
  bp_test_round_trip (t);
  bp_test_expect_eq (bp_test_in8 (t, io + 0x13), 1);
  bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", RNG), 0);
  bp_test_store16 (t, AVAILABLE + 2, 2);
  bp_test_out16 (t, io + 0x10, 0);
  bp_test_expect_load (t, "memory", USED + 2, 2, 2);
  bp_test_out8 (t, io + 0x12, 0);
  bp_test_expect_eq (bp_test_in32 (t, io + 8), 0);
  /* and the same function to a driver of today */
  BpTestVirtio *v = bp_test_virtio_pci (t, "pci", RNG, VIRTIO_TEST_MEMORY, VIRTIO_TEST_SIZE);
  uint8_t bytes[16];
  bp_test_expect_eq (bp_test_virtio_device_id (v), 4);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 1);
  bp_test_expect_eq (bp_test_virtio_call (v, 0, NULL, 0, bytes, sizeof bytes), sizeof bytes);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* Drivers older than 1.0 may use a queue before they set DRIVER_OK (3.1.2); and may put it somewhere else. */
BP_TEST (ports_before_driver_ok)
{
  enum { RING = 0x20000, OTHER = 0x30000, SIZE = 256, AVAILABLE = 16 * SIZE, USED = (AVAILABLE + 6 + 2 * SIZE + 4095) & ~4095 };
  VirtioCase c = { "pin", .pci = true };
  for (unsigned doorbells = 0; doorbells < 2; doorbells++) {
    g_autofree char *more = g_strdup_printf ("[override device bus]\nvectors = 0\nlegacy = on\ndoorbells = %s\n"
                                             "[device rng]\ntype = virtio-rng\nbus = bus\naddress = 04.1\nseed = 3\n", doorbells ? "on" : "off");
    BpTest *t = virtio_test_new (&c, NULL, more);
    bp_test_pci_start (t, "pci", RNG);
    uint16_t io = (uint16_t) bp_test_pci_bar (t, "pci", RNG, 0);
    bp_test_out8 (t, io + 0x12, 3);
    bp_test_out32 (t, io + 4, 0);
    bp_test_out32 (t, io + 8, RING / 4096);
    bp_test_store64 (t, RING, 0x40000);
    bp_test_store32 (t, RING + 8, 100);
    bp_test_store16 (t, RING + 12, 2);
    bp_test_store16 (t, RING + AVAILABLE + 2, 1);
    bp_test_out16 (t, io + 0x10, 0);
    bp_test_iterate (t);
    bp_test_expect_load (t, "memory", RING + USED + 2, 2, 1);
    bp_test_round_trip (t);
    bp_test_out8 (t, io + 0x12, 7);
    bp_test_store16 (t, RING + AVAILABLE + 2, 2);
    bp_test_out16 (t, io + 0x10, 0);
    bp_test_iterate (t);
    bp_test_expect_load (t, "memory", RING + USED + 2, 2, 2);
    bp_test_store64 (t, OTHER, 0x40000);
    bp_test_store32 (t, OTHER + 8, 100);
    bp_test_store16 (t, OTHER + 12, 2);
    bp_test_store16 (t, OTHER + AVAILABLE + 2, 1);
    bp_test_out32 (t, io + 8, OTHER / 4096);
    bp_test_out16 (t, io + 0x10, 0);
    bp_test_iterate (t);
    bp_test_expect_load (t, "memory", OTHER + USED + 2, 2, 1);
    bp_test_free (t);
  }
}

/* A queue that a driver of today has switched on with few entries, at the end of memory, and that the ports then give all it may have: nothing behind
 * memory is touched. */
BP_TEST (ports_after_registers)
{
  enum { TOP = 0x100000, SMALL = 4, RING = 0x20000, AVAILABLE = 16 * 256, USED = (AVAILABLE + 6 + 2 * 256 + 4095) & ~4095 };
  VirtioCase c = { "pin", .pci = true };
  BpTest *t = virtio_test_new (&c, NULL, "[override device bus]\nvectors = 0\nlegacy = on\n[device rng]\ntype = virtio-rng\nbus = bus\naddress = 04.1\nseed = 3\n");
  BpTestVirtio *v = bp_test_virtio_pci (t, "pci", RNG, VIRTIO_TEST_MEMORY, VIRTIO_TEST_SIZE);
  uint64_t at = bp_test_virtio_registers (v);
  uint16_t io = (uint16_t) bp_test_pci_bar (t, "pci", RNG, 0);
  bp_test_virtio_negotiate (v, 0);
  bp_test_store16 (t, at + 0x16, 0);
  bp_test_store16 (t, at + 0x18, SMALL);
  bp_test_store32 (t, at + 0x20, TOP - 0x1000);
  bp_test_store32 (t, at + 0x28, TOP - 0x800);
  bp_test_store32 (t, at + 0x30, TOP - (4 + 8 * SMALL));
  bp_test_store16 (t, at + 0x1c, 1);
  bp_test_virtio_set_status (v, 15);
  bp_test_out16 (t, io + 0x10, 0);      /* it has looked, and knows where the rings are */
  bp_test_out32 (t, io + 8, RING / 4096);
  for (unsigned i = 0; i < 200; i++) {
    bp_test_store64 (t, RING, 0x40000);
    bp_test_store32 (t, RING + 8, 1);
    bp_test_store16 (t, RING + 12, 2);
    bp_test_store16 (t, RING + AVAILABLE + 2, (uint16_t) (i + 1));
    bp_test_out16 (t, io + 0x10, 0);
    bp_test_expect_load (t, "memory", RING + USED + 2, 2, i + 1);
  }
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (places)
{
  static const char *const cases[][2] = { { "03.0", "taken" }, { "40.0", "not a place on a PCI bus" }, { "nowhere", "write DEVICE.FUNCTION" } };
  for (unsigned i = 0; i < BP_N_ELEMENTS (cases); i++) {
    g_autofree char *section = g_strdup_printf ("[device rng]\ntype = virtio-rng\nbus = bus\naddress = %s\n", cases[i][0]);
    g_autofree char *refusal = virtio_test_refusal (&pci, section);
    bp_test_expect_has (refusal, cases[i][1]);
  }
  g_autofree char *sizeless = virtio_test_refusal (&pci, "[device other]\ntype = echo\nbus = bus\naddress = 05.0\nsizeless = on\n");
  bp_test_expect_has (sizeless, "its struct_size is to be sizeof (BpVirtioFunction)");
}

BP_TEST_MAIN ("virtio-pci", &identity, &configuration_cycles_reach_registers, &vectors, &without_vectors, &ports, &ports_before_driver_ok, &ports_after_registers, &places)
