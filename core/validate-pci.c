/* validate-pci.c -- a PCI bus without a guest behind it: configuration space, capabilities, messages that are off. */
/* SPDX-License-Identifier: MIT */
#include "validate.h"
#include "machine.h"
#include <backplane/bus/pci.h>
#include <string.h>

enum { N_SLOTS = 256, CONFIG_SIZE = 256, FIRST_CAPABILITY = 0x40, CAPABILITIES = 0x34, STATUS = 6, STATUS_CAPABILITIES = 0x10, MSI = 5, MSIX = 17 };

struct BpPciSlot {
  unsigned address, next_capability, last_capability;
  BpPciFunction function;
  uint8_t config[CONFIG_SIZE], write_mask[CONFIG_SIZE];
};

typedef struct PciBus {
  BpPciSlot *slots[N_SLOTS];
  BpRegion *spaces[2];
} PciBus;

/* --- functions ------------------------------------------------------------------------------------ */

static void
put16 (uint8_t *at, uint16_t value)
{
  at[0] = (uint8_t) value;
  at[1] = (uint8_t) (value >> 8);
}

static BpPciSlot *
add (void *bus, unsigned address, const BpPciFunction *function, GError **error)
{
  PciBus *b = bus;
  if (address >= N_SLOTS || b->slots[address]) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no free place %02x.%u on the bus", address >> 3, address & 7);
    return NULL;
  }
  BpPciSlot *s = g_new0 (BpPciSlot, 1);
  s->address = address;
  s->next_capability = FIRST_CAPABILITY;
  memcpy (&s->function, function, MIN (function->struct_size, sizeof s->function));
  put16 (s->config, s->function.vendor_id);
  put16 (s->config + 2, s->function.device_id);
  s->config[0x3d] = s->function.interrupt_pin;
  b->slots[address] = s;
  return s;
}

static void
remove_function (void *bus, BpPciSlot *slot)
{
  ((PciBus *) bus)->slots[slot->address] = NULL;
  g_free (slot);
}

static uint8_t *config (void *bus, BpPciSlot *slot) { return slot->config; }
static uint8_t *write_mask (void *bus, BpPciSlot *slot) { return slot->write_mask; }
static void set_interrupt (void *bus, BpPciSlot *slot, int level) { }
static BpAddressSpace *dma (void *bus, BpPciSlot *slot) { return bp_machine_address_space (bp_object_machine (bus), "memory"); }
static void reset (void *bus, BpPciSlot *slot) { }
static BpRegion *space (void *bus, bool io) { return ((PciBus *) bus)->spaces[io]; }

/* --- capabilities and messages ----------------------------------------------------------------------- */

static unsigned
add_capability (void *bus, BpPciSlot *s, uint8_t id, unsigned size)
{
  unsigned at = s->next_capability;
  size = (size + 3) & ~3u;
  if (size < 4 || size > CONFIG_SIZE - at)
    return 0;
  s->config[at] = id;
  s->config[s->last_capability ? s->last_capability + 1 : CAPABILITIES] = (uint8_t) at;
  s->config[STATUS] |= STATUS_CAPABILITIES;
  s->last_capability = at;
  s->next_capability += size;
  return at;
}

static bool
add_messages (BpPciSlot *s, uint8_t id, unsigned size, bool good, GError **error)
{
  if (!good)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "this is no number of vectors");
  else if (!add_capability (NULL, s, id, size))
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no room for a capability");
  else
    return true;
  return false;
}

static bool
add_msi (void *bus, BpPciSlot *s, unsigned vectors, GError **error)
{
  return add_messages (s, MSI, 24, vectors >= 1 && vectors <= 32 && !(vectors & (vectors - 1)), error);
}

static bool
add_msix (void *bus, BpPciSlot *s, unsigned vectors, unsigned bar, BpRegion *region, uint64_t table, uint64_t pending, GError **error)
{
  bool good = vectors >= 1 && vectors <= 2048 && bar < 6 && region && !(table & 7) && !(pending & 7) && table + 16 * (uint64_t) vectors <= bp_region_size (region)
              && pending + (vectors + 63) / 64 * 8 <= bp_region_size (region);
  return add_messages (s, MSIX, 12, good, error);
}

static unsigned n_messages (void *bus, BpPciSlot *slot) { return 0; }
static bool message (void *bus, BpPciSlot *slot, unsigned vector) { return false; }
static bool message_fd (void *bus, BpPciSlot *slot, unsigned vector, int fd) { return true; }

/* --- life cycle, tables --------------------------------------------------------------------------------- */

static bool
realize_spaces (void *self, GError **error)
{
  PciBus *b = self;
  b->spaces[0] = bp_region_new_container (self, "memory", UINT64_MAX);
  b->spaces[1] = bp_region_new_container (self, "io", 0x10000);
  return true;
}

static void
unrealize (void *self)
{
  PciBus *b = self;
  for (unsigned i = 0; i < 2; i++)
    g_clear_pointer (&b->spaces[i], bp_region_free);
  for (unsigned i = 0; i < N_SLOTS; i++)
    g_clear_pointer (&b->slots[i], g_free);
}

static const BpPciBusIface iface = {
  .struct_size = sizeof iface, .add = add, .remove = remove_function, .config = config, .write_mask = write_mask, .set_interrupt = set_interrupt, .dma = dma,
  .reset = reset, .space = space, .add_capability = add_capability, .add_msi = add_msi, .add_msix = add_msix, .n_messages = n_messages, .message = message,
  .message_fd = message_fd
};
static const BpInterfaceDesc interfaces[] = { { BP_PCI_BUS_ID, &iface }, { NULL, NULL } };
const BpTypeDesc stand_in_pci = {
  BP_TYPE ("stand-in-pci", BP_KIND_BUS, PciBus), .description = "stands in for a PCI bus", .interfaces = interfaces, .configure = realize_spaces, .unrealize = unrealize
};
