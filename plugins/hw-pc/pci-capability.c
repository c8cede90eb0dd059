/* pci-capability.c -- capabilities of a PCI function (PCI Local Bus 3.0, 6.7): room for them, their list, their reset values. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "pci-slot.h"

enum { FIRST = 0x40, END = 0x100 };

/* Registers that a device has put there itself are found by what it made of them. */
static bool
is_free (const BpPciSlot *s, unsigned offset, unsigned size)
{
  for (unsigned i = offset; i < offset + size; i++)
    if (s->taken >> i / 4 & 1 || s->config[i] || s->write_mask[i] || s->clear_mask[i])
      return false;
  return true;
}

static unsigned
find_room (const BpPciSlot *s, unsigned size)
{
  for (unsigned offset = FIRST; offset + size <= END; offset += 4)
    if (is_free (s, offset, size))
      return offset;
  return 0;
}

/* The pointer may be one whose reset value is known already. */
static void
link_to (BpPciSlot *s, unsigned pointer, unsigned offset)
{
  s->config[pointer] = s->reset_values[pointer] = (uint8_t) offset;
}

unsigned
pci_add_capability (void *bus, BpPciSlot *s, uint8_t id, unsigned size)
{
  g_return_val_if_fail (size >= 2 && size <= END - FIRST, 0);
  unsigned rounded = (size + 3) & ~3u, offset = find_room (s, rounded);
  if (!offset)
    return 0;
  for (unsigned i = offset; i < offset + rounded; i += 4)
    s->taken |= UINT64_C (1) << i / 4;
  s->config[offset] = id;
  link_to (s, s->last_capability ? s->last_capability + 1u : BP_PCI_CAPABILITIES, offset);
  s->last_capability = (uint8_t) offset;
  s->config[BP_PCI_STATUS] |= BP_PCI_STATUS_CAPABILITIES;
  return offset;
}

void
pci_capability_reset (BpPciSlot *s, const uint8_t before[256])
{
  if (!s->taken)
    return;
  for (unsigned i = FIRST; i < END; i += 4) {
    uint64_t bit = UINT64_C (1) << i / 4;
    if (!(s->taken & bit))
      continue;
    if (!(s->kept & bit))
      memcpy (s->reset_values + i, before + i, 4);
    memcpy (s->config + i, s->reset_values + i, 4);
  }
  s->kept = s->taken;
  s->config[BP_PCI_STATUS] |= BP_PCI_STATUS_CAPABILITIES;
  s->config[BP_PCI_CAPABILITIES] = s->reset_values[BP_PCI_CAPABILITIES];
}
