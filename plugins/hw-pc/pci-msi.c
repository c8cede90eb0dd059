/* pci-msi.c -- message-signalled interrupts of PCI functions: MSI (PCI Local Bus 3.0, 6.8.1) and MSI-X (6.8.2). */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include <backplane/object.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "pci-slot.h"

/* --- registers -------------------------------------------------------------- */

enum { MSI_ID = 0x05, MSI_CONTROL = 2, MSI_ADDRESS = 4, MSI_DATA = 12, MSI_MASKS = 16, MSI_PENDING = PCI_MSI_PENDING, MSI_SIZE = 24, MSI_MOST = 32 };
enum { MSI_ENABLE = 1 << 0, MSI_CAPABLE = 1 /* shifts */, MSI_GRANTED = 4, MSI_HAS_64 = 1 << 7, MSI_HAS_MASKS = 1 << 8 };
enum { MSIX_ID = 0x11, MSIX_CONTROL = 2, MSIX_TABLE = 4, MSIX_PENDING = 8, MSIX_SIZE = 12, MSIX_MOST = 2048 };
enum { MSIX_MASK_ALL = 1 << 14, MSIX_ENABLE = 1 << 15 };
enum { ENTRY_ADDRESS = 0, ENTRY_DATA = 8, ENTRY_CONTROL = 12, ENTRY_SIZE = 16, ENTRY_MASKED = 1 << 0 };

/* One region of the bus shows the tables of all functions, so that an access says whose it is: 64 KiB each, the second half for pending bits. */
enum { WINDOW_SHIFT = 16, WINDOW_PENDING = 0x8000 };

static unsigned pending_size (unsigned vectors) { return (vectors + 63) / 64 * 8; }

/* --- what a vector sends ---------------------------------------------------------- */

typedef struct Message {
  uint64_t address;
  uint32_t data;
  bool held;                    /* masked, or the function must not master the bus */
  uint8_t *pending, bit;
} Message;

static bool is_msix (const BpPciSlot *s) { return s->msix && bp_pci_get16 (s->config, s->msix + MSIX_CONTROL) & MSIX_ENABLE; }

/* A guest that grants more than was asked for does not change what there is. */
unsigned
pci_n_messages (void *bus, BpPciSlot *s)
{
  if (is_msix (s))
    return s->msix_vectors;
  uint16_t control = s->msi ? bp_pci_get16 (s->config, s->msi + MSI_CONTROL) : 0;
  unsigned granted = 1u << (control >> MSI_GRANTED & 7);
  return control & MSI_ENABLE ? MIN (granted, s->msi_vectors) : 0;
}

static uint8_t *entry_of (const BpPciSlot *s, unsigned vector) { return (uint8_t *) s->state->messages.data + vector * (size_t) ENTRY_SIZE; }
static uint8_t *pending_bits (const BpPciSlot *s) { return entry_of (s, s->msix_vectors); }

static Message
msix_message (const BpPciSlot *s, unsigned vector)
{
  const uint8_t *entry = entry_of (s, vector);
  bool masked = bp_pci_get16 (s->config, s->msix + MSIX_CONTROL) & MSIX_MASK_ALL || entry[ENTRY_CONTROL] & ENTRY_MASKED;
  return (Message) { .address = (uint64_t) pci_get32 (entry + ENTRY_ADDRESS + 4) << 32 | pci_get32 (entry + ENTRY_ADDRESS),
                     .data = pci_get32 (entry + ENTRY_DATA), .held = masked, .pending = pending_bits (s) + vector / 8, .bit = (uint8_t) (1 << vector % 8) };
}

/* The function varies as many low bits of the data as it was granted (6.8.1.3). */
static Message
msi_message (const BpPciSlot *s, unsigned vector, unsigned n)
{
  uint8_t *c = s->config + s->msi;
  vector &= n - 1;
  return (Message) { .address = (uint64_t) pci_get32 (c + MSI_ADDRESS + 4) << 32 | pci_get32 (c + MSI_ADDRESS),
                     .data = (bp_pci_get16 (c, MSI_DATA) & ~(n - 1)) | vector, .held = pci_get32 (c + MSI_MASKS) >> vector & 1,
                     .pending = c + MSI_PENDING + vector / 8, .bit = (uint8_t) (1 << vector % 8) };
}

static Message
message_of (const BpPciSlot *s, unsigned vector, unsigned n)
{
  Message m = is_msix (s) ? msix_message (s, vector) : msi_message (s, vector, n);
  m.held |= !(bp_pci_get16 (s->config, BP_PCI_COMMAND) & BP_PCI_COMMAND_MASTER);
  return m;
}

static void
send (const BpPciSlot *s, const Message *m)
{
  if (!bp_msi_send (bp_object_machine (s->bus), m->address, m->data))
    bp_log_guest (s->bus, "message 0x%" G_GINT64_MODIFIER "x = %08x of function %02x.%x: nobody takes it", m->address, m->data, s->address >> 3, s->address & 7);
}

bool
pci_message (void *bus, BpPciSlot *s, unsigned vector)
{
  unsigned n = pci_n_messages (bus, s);
  if (!n)
    return false;
  g_return_val_if_fail (vector < MAX (s->msi_vectors, s->msix_vectors), true);
  if (is_msix (s) && vector >= n)
    return true;                /* MSI has more of them, and is off */
  Message m = message_of (s, vector, n);
  if (m.held)
    *m.pending |= m.bit;
  else
    send (s, &m);
  return true;
}

/* --- eventfds ------------------------------------------------------------------------ */

static void
drop_source (PciVector *v)
{
  bp_msi_source_free (v->source);
  v->source = NULL;
}

/* Nothing reads an eventfd that is held from the start; what it counts meanwhile is sent once it has a source. */
static void
follow_fd (BpPciSlot *s, unsigned vector, unsigned n)
{
  PciVector *v = &s->vectors[vector];
  if (v->fd < 0 || !n || (is_msix (s) && vector >= n)) {
    drop_source (v);
    return;
  }
  Message m = message_of (s, vector, n);
  if (!v->source && !m.held)
    v->source = bp_msi_source_new (bp_object_machine (s->bus), v->fd, m.address, m.data);
  else if (v->source) {
    if (m.held)
      bp_msi_source_mask (v->source, true);
    bp_msi_source_set (v->source, m.address, m.data);
    bp_msi_source_mask (v->source, m.held);
  }
}

static unsigned n_vectors (const BpPciSlot *s) { return MAX (s->msi_vectors, s->msix_vectors); }

bool
pci_message_fd (void *bus, BpPciSlot *s, unsigned vector, int fd)
{
  if (vector >= n_vectors (s))
    return false;
  if (!s->vectors && fd >= 0) {
    s->vectors = g_new0 (PciVector, n_vectors (s));
    for (unsigned i = 0; i < n_vectors (s); i++)
      s->vectors[i].fd = -1;
  }
  if (!s->vectors)
    return true;
  drop_source (&s->vectors[vector]);
  s->vectors[vector].fd = fd;
  follow_fd (s, vector, pci_n_messages (bus, s));
  return true;
}

static bool
is_signalled (int fd)
{
  struct pollfd p = { .fd = fd, .events = POLLIN };
  return fd >= 0 && poll (&p, 1, 0) == 1 && p.revents & POLLIN;
}

/* Whether the vector's eventfd had counted anything, which it has no more. */
static bool
take_count (const BpPciSlot *s, unsigned vector)
{
  uint64_t count;
  int fd = s->vectors ? s->vectors[vector].fd : -1;
  return is_signalled (fd) && read (fd, &count, sizeof count) == sizeof count;
}

static void
drain_slot (BpPciSlot *s)
{
  unsigned n = pci_n_messages (s->bus, s), end = is_msix (s) ? n : s->msi_vectors;
  for (unsigned i = 0; n && s->vectors && i < end; i++)
    if (take_count (s, i))
      pci_message (s->bus, s, i);
}

void
pci_drain (void *self)
{
  PciBus *bus = self;
  for (unsigned i = 0; i < PCI_N_FUNCTIONS; i++)
    if (bus->slots[i])
      drain_slot (bus->slots[i]);
}

/* What eventfds have to say of the 32 vectors from `first' while they are held. */
uint32_t
pci_msi_fd_pending (BpPciSlot *s, unsigned first)
{
  unsigned n = pci_n_messages (s->bus, s), end = MIN (first + 32, is_msix (s) ? n : s->msi_vectors);
  uint32_t bits = 0;
  for (unsigned i = first; n && s->vectors && i < end; i++)
    if (message_of (s, i, n).held && is_signalled (s->vectors[i].fd))
      bits |= 1u << (is_msix (s) ? i - first : i & (n - 1));
  return bits;
}

/* --- what follows from the registers ------------------------------------------------------ */

/* A pending bit and what the eventfd has counted since are one message. */
static void
follow_vector (BpPciSlot *s, unsigned vector, unsigned n)
{
  Message m = message_of (s, vector, n);
  if (*m.pending & m.bit && !m.held) {
    *m.pending &= (uint8_t) ~m.bit;
    take_count (s, vector);
    send (s, &m);
  }
}

void
pci_msi_follow (BpPciSlot *s)
{
  unsigned n = pci_n_messages (s->bus, s);
  for (unsigned i = 0; i < n; i++)
    follow_vector (s, i, n);
  for (unsigned i = 0; s->vectors && i < n_vectors (s); i++)
    follow_fd (s, i, n);
}

bool
pci_msi_has (const BpPciSlot *s, unsigned offset, unsigned size)
{
  bool msi = s->msi && offset < s->msi + MSI_SIZE && offset + size > s->msi;
  return msi || (s->msix && offset < s->msix + MSIX_SIZE && offset + size > s->msix);
}

/* --- guest access to MSI-X tables --------------------------------------------------------- */

/* The bus's region outlives a function's window of it: an access that was on its way when the function was removed still comes. */
static BpPciSlot *
slot_at (PciBus *bus, uint64_t offset)
{
  BpPciSlot *s = bus->slots[offset >> WINDOW_SHIFT];
  unsigned at = (unsigned) offset & ((1u << WINDOW_SHIFT) - 1), vectors = s && s->msix ? s->msix_vectors : 0;
  bool is_there = at < WINDOW_PENDING ? at < vectors * ENTRY_SIZE : at - WINDOW_PENDING < pending_size (vectors);
  return is_there ? s : NULL;
}

static uint64_t
messages_read (void *self, uint64_t offset, unsigned size)
{
  BpPciSlot *s = slot_at (self, offset);
  unsigned at = (unsigned) offset & ((1u << WINDOW_SHIFT) - 1);
  if (!s)
    return UINT32_MAX;
  if (at < WINDOW_PENDING)
    return pci_get32 (entry_of (s, 0) + at);
  at -= WINDOW_PENDING;
  uint32_t by_fd = is_msix (s) ? pci_msi_fd_pending (s, at * 8) : 0;
  return pci_get32 (pending_bits (s) + at) | by_fd;
}

static void
messages_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  static const uint32_t writable[] = { 0xfffffffc, 0xffffffff, 0xffffffff, ENTRY_MASKED };
  BpPciSlot *s = slot_at (self, offset);
  unsigned at = (unsigned) offset & ((1u << WINDOW_SHIFT) - 1);
  if (!s || at >= WINDOW_PENDING)
    return;                     /* pending bits are read-only */
  pci_put32 (entry_of (s, 0) + at, (uint32_t) value & writable[at / 4 % 4]);
  if (!is_msix (s))
    return;
  follow_vector (s, at / ENTRY_SIZE, s->msix_vectors);
  if (s->vectors)
    follow_fd (s, at / ENTRY_SIZE, s->msix_vectors);
}

/* --- life cycle ------------------------------------------------------------------------------ */

bool
pci_add_msi (void *bus, BpPciSlot *s, unsigned vectors, GError **error)
{
  if (s->msi || vectors == 0 || vectors > MSI_MOST || vectors & (vectors - 1)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, s->msi ? "the function has MSI already" : "MSI with %u vectors is impossible: a power of two up to 32", vectors);
    return false;
  }
  unsigned offset = pci_add_capability (bus, s, MSI_ID, MSI_SIZE);
  if (!offset) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no room for MSI in the function's configuration space");
    return false;
  }
  unsigned shift = (unsigned) __builtin_ctz (vectors);
  bp_pci_put16 (s->config, offset + MSI_CONTROL, (uint16_t) (shift << MSI_CAPABLE | MSI_HAS_64 | MSI_HAS_MASKS));
  bp_pci_put16 (s->write_mask, offset + MSI_CONTROL, 7 << MSI_GRANTED | MSI_ENABLE);
  pci_put32 (s->write_mask + offset + MSI_ADDRESS, 0xfffffffc);
  pci_put32 (s->write_mask + offset + MSI_ADDRESS + 4, 0xffffffff);
  bp_pci_put16 (s->write_mask, offset + MSI_DATA, 0xffff);
  pci_put32 (s->write_mask + offset + MSI_MASKS, UINT32_MAX >> (32 - vectors));
  s->msi = offset;
  s->msi_vectors = vectors;
  return true;
}

static const BpRegionOps messages_ops = BP_REGION_OPS (.read = messages_read, .write = messages_write, .access_min = 4, .access_max = 8, .impl_min = 4,
                                                       .impl_max = 4);

static bool
is_msix_fine (const BpPciSlot *s, unsigned vectors, unsigned bar, BpRegion *region, uint64_t table, uint64_t pending, GError **error)
{
  const char *wrong = NULL;
  uint64_t table_end = table + (uint64_t) vectors * ENTRY_SIZE, pending_end = pending + pending_size (vectors);
  if (s->msix)
    wrong = "the function has it already";
  else if (vectors == 0 || vectors > MSIX_MOST)
    wrong = "1 to 2048 vectors are possible";
  else if (bar >= PCI_N_BARS || !region || s->function.bars[bar].region != region || s->function.bars[bar].type & BP_PCI_BAR_IO)
    wrong = "the region is not that of the memory BAR";
  else if (table % 8 || pending % 8 || table > UINT32_MAX || pending > UINT32_MAX)
    wrong = "table and pending bits begin at multiples of 8 within 4 GiB";
  else if (MAX (table_end, pending_end) > bp_region_size (region) || (table < pending_end && pending < table_end))
    wrong = "table and pending bits must fit into the region, side by side";
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "MSI-X with %u vectors in BAR %u: %s", vectors, bar, wrong);
  return !wrong;
}

static BpRegion *
add_window (BpPciSlot *s, const char *name, BpRegion *region, uint64_t at, uint64_t offset, uint64_t size)
{
  BpRegion *window = bp_region_new_alias (s->bus, name, s->bus->messages, ((uint64_t) s->address << WINDOW_SHIFT) + offset, size);
  bp_region_add (region, at, window, 1);
  return window;
}

bool
pci_add_msix (void *self, BpPciSlot *s, unsigned vectors, unsigned bar, BpRegion *region, uint64_t table, uint64_t pending, GError **error)
{
  PciBus *bus = self;
  if (!is_msix_fine (s, vectors, bar, region, table, pending, error))
    return false;
  unsigned offset = pci_add_capability (bus, s, MSIX_ID, MSIX_SIZE);
  if (!offset) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no room for MSI-X in the function's configuration space");
    return false;
  }
  bp_pci_put16 (s->config, offset + MSIX_CONTROL, (uint16_t) (vectors - 1));
  bp_pci_put16 (s->write_mask, offset + MSIX_CONTROL, MSIX_ENABLE | MSIX_MASK_ALL);
  pci_put32 (s->config + offset + MSIX_TABLE, (uint32_t) table | bar);
  pci_put32 (s->config + offset + MSIX_PENDING, (uint32_t) pending | bar);
  s->msix = offset;
  s->msix_vectors = vectors;
  s->state->messages.size = (uint64_t) vectors * ENTRY_SIZE + pending_size (vectors);
  s->state->messages.data = g_malloc0 (s->state->messages.size);
  if (!bus->messages)
    bus->messages = bp_region_new_io (bus, "messages", &messages_ops, (uint64_t) PCI_N_FUNCTIONS << WINDOW_SHIFT);
  s->table = add_window (s, "msi-x table", region, table, 0, (uint64_t) vectors * ENTRY_SIZE);
  s->pending = add_window (s, "msi-x pending", region, pending, WINDOW_PENDING, pending_size (vectors));
  pci_msi_reset (s);
  return true;
}

void
pci_msi_reset (BpPciSlot *s)
{
  if (!s->msix)
    return;
  memset (s->state->messages.data, 0, s->state->messages.size);
  for (unsigned i = 0; i < s->msix_vectors; i++)
    entry_of (s, i)[ENTRY_CONTROL] = ENTRY_MASKED;
}

void
pci_msi_finish (BpPciSlot *s)
{
  for (unsigned i = 0; s->vectors && i < n_vectors (s); i++)
    drop_source (&s->vectors[i]);
  g_clear_pointer (&s->vectors, g_free);
  bp_region_free (s->table);
  bp_region_free (s->pending);
  s->table = s->pending = NULL;
  g_clear_pointer (&s->state->messages.data, g_free);
  s->state->messages.size = 0;
}
