/* pci-drive.c -- what firmware and a driver do to a function on the PCI bus of a test, by configuration cycles. */
/* SPDX-License-Identifier: MIT */
#include "stand-ins/pci.h"
#include "testing.h"
#include <backplane/test-pci.h>

#define READ(offset, size) (bp_test_pci_read) (t, bus, function, (offset), (size))
#define WRITE(offset, value, size) (bp_test_pci_write) (t, bus, function, (offset), (value), (size))

static void
need_function (BpTest *t, const char *bus, unsigned function)
{
  if (READ (0, 4) == UINT32_MAX)
    (bp_test_fail) ("there is nothing at %02x.%u on `%s`", function >> 3, function & 7, bus);
}

/* --- firmware ------------------------------------------------------------------------------ */

typedef struct Room {           /* where the next BAR of a kind goes */
  uint64_t io, memory, memory64;
} Room;

static uint64_t
place (Room *room, uint32_t type, uint64_t size)
{
  uint64_t *next = type & BP_PCI_BAR_IO ? &room->io : type & BP_PCI_BAR_64BIT ? &room->memory64 : &room->memory;
  uint64_t at = (*next + size - 1) & ~(size - 1);
  *next = at + size;
  return at;
}

/* The next free places are those behind the BARs of all other functions. */
static Room
room_on (BpTest *t, const char *bus)
{
  const Pci *pci = testing_object (t, bus, &stand_in_pci);
  Room room = { 0xc000, 0xe0000000, UINT64_C (0x8000000000) };
  for (unsigned f = 0; f < PCI_FUNCTIONS; f++)
    for (unsigned i = 0; pci->slots[f] && i < PCI_BARS; i++) {
      const BpPciSlot *s = pci->slots[f];
      uint64_t end = s->bars[i].mapped ? s->bars[i].at + bp_region_size (s->bars[i].region) : 0, *next;
      next = s->bars[i].type & BP_PCI_BAR_IO ? &room.io : s->bars[i].type & BP_PCI_BAR_64BIT ? &room.memory64 : &room.memory;
      *next = MAX (*next, end);
    }
  return room;
}

void
(bp_test_pci_start) (BpTest *t, const char *bus, unsigned function)
{
  need_function (t, bus, function);
  Room room = room_on (t, bus);
  uint32_t command = READ (PCI_COMMAND, 2);
  WRITE (PCI_COMMAND, command & ~(uint32_t) (COMMAND_IO | COMMAND_MEMORY), 2);
  for (unsigned i = 0; i < PCI_BARS; i++) {
    unsigned at = PCI_BAR0 + 4 * i;
    uint32_t type = READ (at, 4) & 15;
    type = type & BP_PCI_BAR_IO ? BP_PCI_BAR_IO : type;
    bool wide = !(type & BP_PCI_BAR_IO) && type & BP_PCI_BAR_64BIT;
    WRITE (at, 0xffffffff, 4);
    uint64_t mask = READ (at, 4) & (type & BP_PCI_BAR_IO ? ~3u : ~15u);
    if (wide) {
      WRITE (at + 4, 0xffffffff, 4);
      mask |= (uint64_t) READ (at + 4, 4) << 32;
    } else if (mask) {
      mask |= UINT64_C (0xffffffff00000000);
    }
    if (mask) {
      uint64_t where = place (&room, type, ~mask + 1);
      WRITE (at, (uint32_t) where, 4);
      if (wide)
        WRITE (at + 4, (uint32_t) (where >> 32), 4);
    }
    i += wide;
  }
  WRITE (PCI_COMMAND, command | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER, 2);
}

uint64_t
(bp_test_pci_bar) (BpTest *t, const char *bus, unsigned function, unsigned bar)
{
  need_function (t, bus, function);
  if (bar >= PCI_BARS)
    (bp_test_fail) ("BARs are 0 to 5, and there is no number %u", bar);
  uint64_t value = READ (PCI_BAR0 + 4 * bar, 4);
  if (value & BP_PCI_BAR_IO)
    return value & ~UINT64_C (3);
  if (value & BP_PCI_BAR_64BIT && bar < 5)
    value |= (uint64_t) READ (PCI_BAR0 + 4 * bar + 4, 4) << 32;
  return value & ~UINT64_C (15);
}

/* --- driver ---------------------------------------------------------------------------------- */

unsigned
(bp_test_pci_capability) (BpTest *t, const char *bus, unsigned function, uint8_t id)
{
  need_function (t, bus, function);
  unsigned at = READ (PCI_STATUS, 2) & 0x10 ? READ (PCI_CAPABILITIES, 1) & ~3u : 0;
  for (unsigned n = 0; at && READ (at, 1) != id; at = READ (at + 1, 1) & ~3u)
    if (++n == 64)
      (bp_test_fail) ("the list of capabilities of %02x.%u has no end", function >> 3, function & 7);
  return at;
}

static unsigned
need_capability (BpTest *t, const char *bus, unsigned function, uint8_t id, const char *name)
{
  unsigned at = (bp_test_pci_capability) (t, bus, function, id);
  if (!at)
    (bp_test_fail) ("the function %02x.%u has no %s", function >> 3, function & 7, name);
  return at;
}

void
(bp_test_pci_use_msi) (BpTest *t, const char *bus, unsigned function, unsigned vectors, uint64_t address, uint32_t data)
{
  unsigned at = need_capability (t, bus, function, CAPABILITY_MSI, "MSI");
  uint32_t control = READ (at + 2, 2), has = 1u << (control >> 1 & 7);
  bool wide = control & 0x80;
  if (!vectors || vectors & (vectors - 1) || vectors > has || data & (vectors - 1) || data > 0xffff)
    (bp_test_fail) ("the function has %u MSI vectors; %u of them with data 0x%x are impossible", has, vectors, data);
  WRITE (at + 4, (uint32_t) address, 4);
  if (wide)
    WRITE (at + 8, (uint32_t) (address >> 32), 4);
  WRITE (at + (wide ? 12 : 8), data, 2);
  if (control & 0x100)
    WRITE (at + (wide ? 16 : 12), 0, 4);
  WRITE (at + 2, (control & ~0x70u) | (uint32_t) __builtin_ctz (vectors) << 4 | 1, 2);
}

void
(bp_test_pci_use_msix) (BpTest *t, const char *bus, unsigned function, uint64_t address, uint32_t data)
{
  unsigned at = need_capability (t, bus, function, CAPABILITY_MSIX, "MSI-X");
  uint32_t control = READ (at + 2, 2), table = READ (at + 4, 4);
  uint64_t base = (bp_test_pci_bar) (t, bus, function, table & 7) + (table & ~7u);
  for (unsigned i = 0; i <= (control & 0x7ff); i++) {
    (bp_test_store) (t, "memory", base + 16 * i, (uint32_t) address, 4);
    (bp_test_store) (t, "memory", base + 16 * i + 4, address >> 32, 4);
    (bp_test_store) (t, "memory", base + 16 * i + 8, data + i, 4);
    (bp_test_store) (t, "memory", base + 16 * i + 12, 0, 4);
  }
  WRITE (at + 2, (control & ~0x4000u) | 0x8000, 2);
}
