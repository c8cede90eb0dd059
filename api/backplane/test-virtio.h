/* test-virtio.h -- a driver of virtio devices for tests: features, queues of both layouts, buffers, kicks, interrupts. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A virtio device is tested on a real bus (types virtio-pci and virtio-mmio of plugin hw-virtio), without a CPU: this is its driver.  It follows VIRTIO 1.2
 * unless the test breaks a rule by itself, in the rings, descriptors and registers whose addresses it tells.
 *
 *     BpTest *t = bp_test_new (NULL, "[memory ram]\ntype = test-ram\nsize = 1M\n[map ram]\nregion = ram\nat = memory@0\n"
 *                                    "[device bus]\nmodule = hw-virtio\ntype = virtio-mmio\nmmio0 = memory@0x10000000\nirq0 = probe.in0\n"
 *                                    "[device probe]\ntype = test-probe\n[device d]\nmodule = my-device\ntype = my-device\nbus = bus\naddress = 0\n");
 *     BpTestVirtio *v = bp_test_virtio_mmio (t, 0x10000000, 0x1000, 0xff000);
 *     bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 1);
 *     uint8_t answer[16];
 *     bp_test_expect_eq (bp_test_virtio_call (v, 0, "request", 7, answer, sizeof answer), 16);
 *     bp_test_virtio_free (v);
 *
 * Waiting serves the main loop, and moves the clock from timer to timer when that does not help.
 */
#ifndef BACKPLANE_TEST_VIRTIO_H
#define BACKPLANE_TEST_VIRTIO_H

#include <backplane/test.h>
BP_BEGIN_DECLS

typedef struct BpTestVirtio BpTestVirtio;

/* --- finding the device ----------------------------------------------------------------------- */
/* Queues and buffers are in `size' bytes of RAM from `memory' on.  PCI: the function is started (bp_test_pci_start) and uses MSI-X when it has it. */
BP_EXPORT BpTestVirtio *bp_test_virtio_pci (BpTest *t, const char *bus, unsigned function, uint64_t memory, uint64_t size);
BP_EXPORT BpTestVirtio *bp_test_virtio_mmio (BpTest *t, uint64_t registers, uint64_t memory, uint64_t size);
BP_EXPORT void bp_test_virtio_free (BpTestVirtio *v);           /* before the machine; NULL is fine */
/* PCI: does without MSI-X from the next negotiation on. */
BP_EXPORT void bp_test_virtio_use_pin (BpTestVirtio *v);

/* --- 3.1.1: features, queues, start --------------------------------------------------------------- */
#define BP_TEST_VIRTIO_ALL (~(UINT64_C (1) << 28))        /* all that is offered but indirect descriptors */
BP_EXPORT uint32_t bp_test_virtio_device_id (BpTestVirtio *v);
BP_EXPORT uint64_t bp_test_virtio_offered (BpTestVirtio *v);
/* From a reset to FEATURES_OK with what is offered of `wanted', which it returns; VIRTIO_F_VERSION_1 always.  A device that refuses ends the test.  All buffers and all memory
 * of the driver are free again.  With VIRTIO_F_INDIRECT_DESC in use every buffer has a table of its own. */
BP_EXPORT uint64_t bp_test_virtio_negotiate (BpTestVirtio *v, uint64_t wanted);
/* The same, but a device may refuse: false. */
BP_EXPORT bool bp_test_virtio_try (BpTestVirtio *v, uint64_t wanted);
BP_EXPORT unsigned bp_test_virtio_queue_most (BpTestVirtio *v, unsigned queue); /* entries; 0: there is no such queue */
/* Memory for it, and on; size 0: as many entries as it may have. */
BP_EXPORT void bp_test_virtio_queue (BpTestVirtio *v, unsigned queue, unsigned size);
BP_EXPORT void bp_test_virtio_start (BpTestVirtio *v);
/* All of it, with the first n queues. */
BP_EXPORT uint64_t bp_test_virtio_setup (BpTestVirtio *v, uint64_t wanted, unsigned n_queues);
BP_EXPORT uint8_t bp_test_virtio_status (BpTestVirtio *v);
BP_EXPORT void bp_test_virtio_set_status (BpTestVirtio *v, uint8_t status);     /* 0: resets the device */
/* Device-specific configuration: 1, 2, 4 bytes, or 8 as two halves. */
BP_EXPORT uint64_t bp_test_virtio_config (BpTestVirtio *v, unsigned offset, unsigned size);
BP_EXPORT void bp_test_virtio_set_config (BpTestVirtio *v, unsigned offset, uint64_t value, unsigned size);

/* --- buffers ---------------------------------------------------------------------------------------- */
typedef struct BpTestPart {
  uint64_t address;
  uint32_t size;
} BpTestPart;
/* Guest memory for `size' bytes, zeros; its address. */
BP_EXPORT uint64_t bp_test_virtio_alloc (BpTestVirtio *v, uint64_t size);
/* Makes a buffer available: n_out parts for the device to read, then n_in for it to write.  A number for it. */
BP_EXPORT unsigned bp_test_virtio_add (BpTestVirtio *v, unsigned queue, const BpTestPart *parts, unsigned n_out, unsigned n_in);
/* The same with bytes: one part each that is not empty, whose addresses are told (NULL is fine). */
BP_EXPORT unsigned bp_test_virtio_add_bytes (BpTestVirtio *v, unsigned queue, const void *out, uint32_t out_size, uint32_t in_size, uint64_t *in_address);
BP_EXPORT bool bp_test_virtio_wants_kick (BpTestVirtio *v, unsigned queue);     /* for what was added since the last kick */
BP_EXPORT void bp_test_virtio_kick (BpTestVirtio *v, unsigned queue);           /* in any case */
/* A used buffer, in the order in which the device gave them back; false: there is none. */
BP_EXPORT bool bp_test_virtio_take (BpTestVirtio *v, unsigned queue, unsigned *id, uint32_t *written);
/* Likewise, waits for one.  false: none came in ten seconds. */
BP_EXPORT bool bp_test_virtio_wait (BpTestVirtio *v, unsigned queue, unsigned *id, uint32_t *written);
/* One request from beginning to end: sends `out', kicks, waits, copies what was written to `in'; how many bytes that were.  No other buffer may be used meanwhile. */
BP_EXPORT uint32_t bp_test_virtio_call (BpTestVirtio *v, unsigned queue, const void *out, uint32_t out_size, void *in, uint32_t in_size);

/* --- interrupts ---------------------------------------------------------------------------------------- */
/* How many came since the last call: of a queue, or -1 of the configuration.  Without MSI-X queues share one, and what is counted is the status bit. */
BP_EXPORT unsigned bp_test_virtio_interrupts (BpTestVirtio *v, int queue);
/* Whether the driver asks for interrupts; with event index: of the next used buffer. */
BP_EXPORT void bp_test_virtio_want_interrupts (BpTestVirtio *v, unsigned queue, bool wanted);

/* --- for tests that break rules ---------------------------------------------------------------------------- */
/* Descriptor table, available ring, used ring; packed: ring, driver and device event suppression. */
BP_EXPORT void bp_test_virtio_rings (BpTestVirtio *v, unsigned queue, uint64_t *descriptors, uint64_t *driver, uint64_t *device);
/* PCI: the common configuration; else the device's registers. */
BP_EXPORT uint64_t bp_test_virtio_registers (BpTestVirtio *v);
/* Tells the driver that the machine was loaded from another, in which `from' drove the same device. */
BP_EXPORT void bp_test_virtio_copy (BpTestVirtio *from, BpTestVirtio *to);

BP_END_DECLS

#define bp_test_virtio_pci(...) BP_TEST_NOTED (bp_test_virtio_pci (__VA_ARGS__))
#define bp_test_virtio_mmio(...) BP_TEST_NOTED (bp_test_virtio_mmio (__VA_ARGS__))
#define bp_test_virtio_negotiate(...) BP_TEST_NOTED (bp_test_virtio_negotiate (__VA_ARGS__))
#define bp_test_virtio_queue(...) BP_TEST_NOTED (bp_test_virtio_queue (__VA_ARGS__))
#define bp_test_virtio_start(...) BP_TEST_NOTED (bp_test_virtio_start (__VA_ARGS__))
#define bp_test_virtio_setup(...) BP_TEST_NOTED (bp_test_virtio_setup (__VA_ARGS__))
#define bp_test_virtio_alloc(...) BP_TEST_NOTED (bp_test_virtio_alloc (__VA_ARGS__))
#define bp_test_virtio_add(...) BP_TEST_NOTED (bp_test_virtio_add (__VA_ARGS__))
#define bp_test_virtio_add_bytes(...) BP_TEST_NOTED (bp_test_virtio_add_bytes (__VA_ARGS__))
#define bp_test_virtio_wait(...) BP_TEST_NOTED (bp_test_virtio_wait (__VA_ARGS__))
#define bp_test_virtio_call(...) BP_TEST_NOTED (bp_test_virtio_call (__VA_ARGS__))
#endif
