/* pci-messages.c -- MSI and MSI-X of the PCI bus of a test (PCI Local Bus 3.0, 6.8): messages are kept. */
/* SPDX-License-Identifier: MIT */
#include "pci.h"
#include <string.h>
#include <unistd.h>

enum { MSI_CONTROL = 2, MSI_ADDRESS = 4, MSI_DATA = 12, MSI_MASK = 16, MSI_PENDING = 20, MSI_SIZE = 24 };
enum { MSIX_CONTROL = 2, MSIX_TABLE = 4, MSIX_PENDING = 8, MSIX_SIZE = 12 };
enum { MSIX_ENABLE = 0x8000, MSIX_MASK_ALL = 0x4000 };

/* --- sending ---------------------------------------------------------------------------------- */

static void
keep (BpPciSlot *s, uint64_t address, uint32_t data)
{
  PciMessage *m = g_new (PciMessage, 1);
  *m = (PciMessage) { s->address, address, data };
  g_queue_push_tail (&s->bus->messages, m);
}

static unsigned
msi_granted (const BpPciSlot *s)
{
  uint32_t control = s->n_msi ? stand_in_pci_get (s->config + s->msi + MSI_CONTROL, 2) : 0;
  return control & 1 ? MIN (1u << (control >> 4 & 7), s->n_msi) : 0;
}

static bool
msix_is_on (const BpPciSlot *s)
{
  return s->n_msix && stand_in_pci_get (s->config + s->msix + MSIX_CONTROL, 2) & MSIX_ENABLE;
}

static void
send_msi (BpPciSlot *s, unsigned vector)
{
  const uint8_t *c = s->config + s->msi;
  uint64_t address = stand_in_pci_get (c + MSI_ADDRESS, 4) | (uint64_t) stand_in_pci_get (c + MSI_ADDRESS + 4, 4) << 32;
  uint32_t data = stand_in_pci_get (c + MSI_DATA, 2), low = msi_granted (s) - 1;
  keep (s, address, (data & ~low) | vector);
}

unsigned
stand_in_pci_n_messages (void *bus, BpPciSlot *s)
{
  return msix_is_on (s) ? s->n_msix : msi_granted (s);
}

static bool
refuse_vector (const BpPciSlot *s, const char *what, unsigned n, unsigned vector)
{
  stand_in_fault ("the function %02x.%u has %u %s vectors, and sends number %u", s->address >> 3, s->address & 7, n, what, vector);
  return true;
}

bool
stand_in_pci_message (void *bus, BpPciSlot *s, unsigned vector)
{
  if (msix_is_on (s)) {
    if (vector >= s->n_msix)
      return refuse_vector (s, "MSI-X", s->n_msix, vector);
    s->table[vector].pending = true;
    stand_in_pci_messages_follow (s);
    return true;
  }
  if (!msi_granted (s))
    return false;
  if (vector >= s->n_msi)
    return refuse_vector (s, "MSI", s->n_msi, vector);
  uint8_t *pending = s->config + s->msi + MSI_PENDING;
  stand_in_pci_put (pending, stand_in_pci_get (pending, 4) | 1u << vector % msi_granted (s), 4);
  stand_in_pci_messages_follow (s);
  return true;
}

void
stand_in_pci_messages_follow (BpPciSlot *s)
{
  if (!(stand_in_pci_get (s->config + PCI_COMMAND, 2) & COMMAND_MASTER))
    return;                     /* a message is a write like any other, and waits */
  if (msix_is_on (s) && !(stand_in_pci_get (s->config + s->msix + MSIX_CONTROL, 2) & MSIX_MASK_ALL))
    for (unsigned i = 0; i < s->n_msix; i++)
      if (s->table[i].pending && !(s->table[i].control & 1)) {
        s->table[i].pending = false;
        keep (s, s->table[i].address, s->table[i].data);
      }
  for (unsigned i = 0, n = msi_granted (s); i < n; i++) {
    uint8_t *c = s->config + s->msi;
    uint32_t pending = stand_in_pci_get (c + MSI_PENDING, 4), bit = 1u << i;
    if (!(pending & ~stand_in_pci_get (c + MSI_MASK, 4) & bit))
      continue;
    stand_in_pci_put (c + MSI_PENDING, pending & ~bit, 4);
    send_msi (s, i);
  }
}

void
stand_in_pci_messages_reset (BpPciSlot *s)
{
  for (unsigned i = 0; i < s->n_msix; i++)
    s->table[i] = (MsixEntry) { .control = 1 };
}

/* --- MSI-X's tables: one region of the bus has all of them, and a function shows its part ---------------- */

static BpPciSlot *
slot_of_entry (const Pci *bus, unsigned n)
{
  for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
    BpPciSlot *s = bus->slots[i];
    if (s && s->n_msix && &bus->entries[n] >= s->table && &bus->entries[n] < s->table + s->n_msix)
      return s;
  }
  return NULL;
}

static uint64_t
table_read (void *self, uint64_t offset, unsigned size)
{
  const MsixEntry *e = &((const Pci *) self)->entries[offset / 16];
  switch (offset / 4 % 4) {
  case 0: return (uint32_t) e->address;
  case 1: return e->address >> 32;
  case 2: return e->data;
  default: return e->control;
  }
}

static void
table_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Pci *bus = self;
  MsixEntry *e = &bus->entries[offset / 16];
  switch (offset / 4 % 4) {
  case 0: e->address = (e->address & ~UINT64_C (0xffffffff)) | (value & ~UINT64_C (3)); break;
  case 1: e->address = (uint32_t) e->address | value << 32; break;
  case 2: e->data = (uint32_t) value; break;
  default: e->control = value & 1; break;
  }
  BpPciSlot *s = slot_of_entry (bus, (unsigned) (offset / 16));
  if (s)
    stand_in_pci_messages_follow (s);
}

static uint64_t
pending_read (void *self, uint64_t offset, unsigned size)
{
  const Pci *bus = self;
  uint64_t value = 0;
  for (unsigned i = 0; i < 32; i++)
    value |= (uint64_t) bus->entries[offset * 8 + i].pending << i;
  return value;
}

static const BpRegionOps table_ops = BP_REGION_OPS (.read = table_read, .write = table_write, .impl_min = 4, .impl_max = 4);
static const BpRegionOps pending_ops = BP_REGION_OPS (.read = pending_read, .impl_min = 4, .impl_max = 4);

void
stand_in_pci_messages_init (Pci *bus)
{
  bus->table = bp_region_new_io (bus, "msi-x table", &table_ops, MSIX_VECTORS * 16);
  bus->pending = bp_region_new_io (bus, "msi-x pending", &pending_ops, MSIX_VECTORS / 8);
}

/* --- what a function registers -------------------------------------------------------------------------- */

static bool
refuse (GError **error, const BpPciSlot *s, const char *what, const char *why)
{
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%s of %02x.%u: %s", what, s->address >> 3, s->address & 7, why);
  return false;
}

bool
stand_in_pci_add_msi (void *bus, BpPciSlot *s, unsigned vectors, GError **error)
{
  if (s->n_msi || !vectors || vectors > 32 || vectors & (vectors - 1))
    return refuse (error, s, "MSI", s->n_msi ? "it is there already" : "vectors are 1, 2, 4 .. 32");
  unsigned at = stand_in_pci_add_capability (bus, s, CAPABILITY_MSI, MSI_SIZE);
  if (!at)
    return refuse (error, s, "MSI", "configuration space is full");
  unsigned log = (unsigned) __builtin_ctz (vectors);
  stand_in_pci_put (s->config + at + MSI_CONTROL, log << 1 | 0x180, 2);
  stand_in_pci_put (s->write_mask + at + MSI_CONTROL, 0x71, 2);
  stand_in_pci_put (s->write_mask + at + MSI_ADDRESS, 0xfffffffc, 4);
  stand_in_pci_put (s->write_mask + at + MSI_ADDRESS + 4, 0xffffffff, 4);
  stand_in_pci_put (s->write_mask + at + MSI_DATA, 0xffff, 2);
  stand_in_pci_put (s->write_mask + at + MSI_MASK, vectors == 32 ? 0xffffffff : (1u << vectors) - 1, 4);
  s->msi = at;
  s->n_msi = vectors;
  return true;
}

static const char *
msix_verdict (const BpPciSlot *s, unsigned vectors, unsigned bar, BpRegion *region, uint64_t table, uint64_t pending)
{
  if (s->n_msix)
    return "it is there already";
  if (!vectors || vectors > 2048)
    return "vectors are 1 to 2048";
  if (bar >= PCI_BARS || s->bars[bar].region != region || s->bars[bar].type & BP_PCI_BAR_IO)
    return "the region is not what this memory BAR shows";
  if ((table | pending) % 8)
    return "the table and the pending bits are at multiples of 8";
  uint64_t size = bp_region_size (region), t = (uint64_t) vectors * 16, p = (vectors + 63) / 64 * 8;
  if (table > size || t > size - table || pending > size || p > size - pending)
    return "the table or the pending bits are not within the region";
  return table < pending + p && pending < table + t ? "the table and the pending bits overlap" : NULL;
}

bool
stand_in_pci_add_msix (void *self, BpPciSlot *s, unsigned vectors, unsigned bar, BpRegion *region, uint64_t table, uint64_t pending, GError **error)
{
  Pci *bus = self;
  const char *wrong = msix_verdict (s, vectors, bar, region, table, pending);
  if (wrong)
    return refuse (error, s, "MSI-X", wrong);
  unsigned rounded = (vectors + 63) & ~63u;
  unsigned at = rounded <= MSIX_VECTORS - bus->n_entries ? stand_in_pci_add_capability (bus, s, CAPABILITY_MSIX, MSIX_SIZE) : 0;
  if (!at)
    return refuse (error, s, "MSI-X", "configuration space is full, or the 4096 vectors of this bus are used up");
  stand_in_pci_put (s->config + at + MSIX_CONTROL, vectors - 1, 2);
  stand_in_pci_put (s->write_mask + at + MSIX_CONTROL, MSIX_ENABLE | MSIX_MASK_ALL, 2);
  stand_in_pci_put (s->config + at + MSIX_TABLE, (uint32_t) table | bar, 4);
  stand_in_pci_put (s->config + at + MSIX_PENDING, (uint32_t) pending | bar, 4);
  s->table_window = bp_region_new_alias (bus, "msi-x table", bus->table, (uint64_t) bus->n_entries * 16, (uint64_t) vectors * 16);
  s->pending_window = bp_region_new_alias (bus, "msi-x pending", bus->pending, bus->n_entries / 8, rounded / 8);
  bp_region_add (region, table, s->table_window, 1);
  bp_region_add (region, pending, s->pending_window, 1);
  s->table = bus->entries + bus->n_entries;
  s->msix = at;
  s->n_msix = vectors;
  bus->n_entries += rounded;
  stand_in_pci_messages_reset (s);
  return true;
}

void
stand_in_pci_messages_free (BpPciSlot *s)
{
  bp_region_free (s->table_window);
  bp_region_free (s->pending_window);
  if (s->fds)
    g_array_unref (s->fds);
}

/* --- eventfds: looked at when somebody asks for messages ------------------------------------------------ */

bool
stand_in_pci_message_fd (void *bus, BpPciSlot *s, unsigned vector, int fd)
{
  if (vector >= MAX (s->n_msi, s->n_msix))
    return false;
  if (!s->fds)
    s->fds = g_array_new (FALSE, FALSE, sizeof (SlotFd));
  for (guint i = s->fds->len; i-- > 0;)
    if (g_array_index (s->fds, SlotFd, i).vector == vector)
      g_array_remove_index (s->fds, i);
  if (fd >= 0)
    g_array_append_vals (s->fds, &(SlotFd) { vector, fd }, 1);
  return true;
}

void
stand_in_pci_poll (Pci *bus)
{
  for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
    BpPciSlot *s = bus->slots[i];
    unsigned on = s ? stand_in_pci_n_messages (bus, s) : 0;
    for (guint n = 0; on && s->fds && n < s->fds->len; n++) {
      SlotFd e = g_array_index (s->fds, SlotFd, n);
      GPollFD ready = { .fd = e.fd, .events = G_IO_IN };
      uint64_t count;
      if ((!msix_is_on (s) || e.vector < on) && g_poll (&ready, 1, 0) > 0 && read (e.fd, &count, sizeof count) == sizeof count)
        stand_in_pci_message (bus, s, e.vector);
    }
  }
}
