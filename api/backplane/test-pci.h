/* test-pci.h -- a PCI bus of a test: configuration cycles, BARs, DMA, and messages that are kept instead of delivered. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  The type `test-pci` (device) is a bus for `bus = NAME` of a PCI device (bus/pci.h), with nothing on it.  BARs appear in the machine's address spaces
 * "memory" and "io", in front of everything else, where the registers say; interrupts stay in the bus until the test looks at them.
 *
 *     BpTest *t = bp_test_new (NULL, "[device pci]\ntype = test-pci\n[device d]\nmodule = my-device\ntype = my-device\nbus = pci\naddress = 03.0\n");
 *     unsigned f = BP_TEST_PCI (3, 0);
 *     bp_test_pci_start (t, "pci", f);
 *     bp_test_store32 (t, bp_test_pci_bar (t, "pci", f, 0) + 4, 1);
 *     bp_test_expect_eq (bp_test_pci_interrupt (t, "pci", f), 1);
 */
#ifndef BACKPLANE_TEST_PCI_H
#define BACKPLANE_TEST_PCI_H

#include <backplane/bus/pci.h>
#include <backplane/test.h>
BP_BEGIN_DECLS

#define BP_TEST_PCI(device, function) ((unsigned) (device) << 3 | (unsigned) (function))

/* Configuration cycles of 1, 2 or 4 bytes; ones where nobody answers. */
BP_EXPORT uint32_t bp_test_pci_read (BpTest *t, const char *bus, unsigned function, unsigned offset, unsigned size);
BP_EXPORT void bp_test_pci_write (BpTest *t, const char *bus, unsigned function, unsigned offset, uint32_t value, unsigned size);
/* What firmware does: every BAR is sized and gets a place of its own (memory from 0xe0000000, 64-bit ones from 0x8000000000, ports from 0xc000), and the command
 * register switches them and DMA on. */
BP_EXPORT void bp_test_pci_start (BpTest *t, const char *bus, unsigned function);
BP_EXPORT uint64_t bp_test_pci_bar (BpTest *t, const char *bus, unsigned function, unsigned bar);       /* where the registers put it */
/* Where the capability is in configuration space; 0: there is none. */
BP_EXPORT unsigned bp_test_pci_capability (BpTest *t, const char *bus, unsigned function, uint8_t id);
/* The level of the interrupt pin, as the bus sees it: low while the command register switches it off. */
BP_EXPORT int bp_test_pci_interrupt (BpTest *t, const char *bus, unsigned function);

/* What a driver does: switches MSI on with so many vectors, or MSI-X with all; vector v is `address' and `data' + v.  MSI: data a multiple of vectors. */
BP_EXPORT void bp_test_pci_use_msi (BpTest *t, const char *bus, unsigned function, unsigned vectors, uint64_t address, uint32_t data);
BP_EXPORT void bp_test_pci_use_msix (BpTest *t, const char *bus, unsigned function, uint64_t address, uint32_t data);

typedef struct BpTestMessage {
  uint32_t struct_size;         /* set by the caller */
  uint32_t function;
  uint64_t address;
  uint32_t data;
} BpTestMessage;
/* The oldest that was not taken; false: none is left. */
BP_EXPORT bool bp_test_pci_take_message (BpTest *t, const char *bus, BpTestMessage *out);
/* How many were not taken. */
BP_EXPORT unsigned bp_test_pci_messages (BpTest *t, const char *bus);

BP_END_DECLS

#define bp_test_pci_read(...) BP_TEST_NOTED (bp_test_pci_read (__VA_ARGS__))
#define bp_test_pci_write(...) BP_TEST_NOTED (bp_test_pci_write (__VA_ARGS__))
#define bp_test_pci_start(...) BP_TEST_NOTED (bp_test_pci_start (__VA_ARGS__))
#define bp_test_pci_bar(...) BP_TEST_NOTED (bp_test_pci_bar (__VA_ARGS__))
#define bp_test_pci_capability(...) BP_TEST_NOTED (bp_test_pci_capability (__VA_ARGS__))
#define bp_test_pci_interrupt(...) BP_TEST_NOTED (bp_test_pci_interrupt (__VA_ARGS__))
#define bp_test_pci_use_msi(...) BP_TEST_NOTED (bp_test_pci_use_msi (__VA_ARGS__))
#define bp_test_pci_use_msix(...) BP_TEST_NOTED (bp_test_pci_use_msix (__VA_ARGS__))
#define bp_test_pci_take_message(...) BP_TEST_NOTED (bp_test_pci_take_message (__VA_ARGS__))
#define bp_test_pci_messages(...) BP_TEST_NOTED (bp_test_pci_messages (__VA_ARGS__))
#endif
