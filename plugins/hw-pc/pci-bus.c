/* pci-bus.c -- PCI configuration spaces (PCI Local Bus 3.0, chapter 6): registers, BARs, interrupt lines, DMA spaces. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include <string.h>
#include "pci-slot.h"

/* --- BARs --------------------------------------------------------------------------------- */

static unsigned bar_register (unsigned n) { return n == PCI_ROM_PLACE ? BP_PCI_ROM : BP_PCI_BAR0 + 4 * n; }

/* Where the guest wants it; false: nowhere.  What a guest writes to learn the size, all ones, is nowhere. */
static bool
bar_place (const BpPciSlot *s, unsigned n, uint64_t *address)
{
  const PciBar *bar = &s->bars[n];
  uint16_t command = bp_pci_get16 (s->config, BP_PCI_COMMAND);
  uint64_t at = pci_get32 (s->config + bar_register (n)), last;
  if (n == PCI_ROM_PLACE && !(at & BP_PCI_ROM_ENABLE))
    return false;
  if (bar->type & BP_PCI_BAR_IO) {
    at &= ~UINT64_C (3);
    last = at + bp_region_size (bar->region) - 1;
    *address = at;
    return command & BP_PCI_COMMAND_IO && at && last <= 0xffff;
  }
  at &= n == PCI_ROM_PLACE ? ~UINT64_C (2047) : ~UINT64_C (15);
  if (bar->type & BP_PCI_BAR_64BIT)
    at |= (uint64_t) pci_get32 (s->config + BP_PCI_BAR0 + 4 * n + 4) << 32;
  last = at + bp_region_size (bar->region) - 1;
  *address = at;
  if (!(command & BP_PCI_COMMAND_MEMORY) || !at || last < at || last == UINT64_MAX || last == UINT32_MAX)
    return false;
  return bar->type & BP_PCI_BAR_64BIT || last < UINT32_MAX;
}

/* Who answers where two BARs overlap follows from their places, and not from which was set last: a snapshot has the registers and not their history. */
static int priority_of (const BpPciSlot *s, unsigned n) { return (int) (1 + s->address * PCI_N_PLACES + n); }

static void
map_bar (BpPciSlot *s, unsigned n)
{
  PciBar *bar = &s->bars[n];
  uint64_t address;
  bool wanted = bar->region && bar_place (s, n, &address);
  if (bar->mapped && (!wanted || address != bar->address)) {
    bp_region_remove (bar->region);
    bar->mapped = false;
  }
  if (!wanted || bar->mapped)
    return;
  bp_region_add (bar->type & BP_PCI_BAR_IO ? s->bus->io : s->bus->memory, address, bar->region, priority_of (s, n));
  bar->mapped = true;
  bar->address = address;
}

/* --- interrupt lines --------------------------------------------------------------------------- */

/* Device d's INTA# is wired to line d - 1, and so on round, as on every i440FX board. */
static unsigned
line_of (const BpPciSlot *s)
{
  return ((s->address >> 3) + 3 + s->function.interrupt_pin - 1u) & 3;
}

/* A function that sends messages leaves its pin alone (6.8.1). */
static void
pci_slot_update_line (BpPciSlot *s)
{
  PciBus *bus = s->bus;
  bool level = s->state->level && s->function.interrupt_pin;
  if (level)
    s->config[BP_PCI_STATUS] |= BP_PCI_STATUS_INTERRUPT;
  else
    s->config[BP_PCI_STATUS] &= (uint8_t) ~BP_PCI_STATUS_INTERRUPT;
  s->driven = level && !s->ejected && !pci_n_messages (bus, s) && !(bp_pci_get16 (s->config, BP_PCI_COMMAND) & BP_PCI_COMMAND_NO_INTERRUPT);
  bool any = false;
  for (unsigned i = 0; i < PCI_N_FUNCTIONS && !any; i++)
    any = bus->slots[i] && bus->slots[i]->driven && line_of (bus->slots[i]) == line_of (s);
  bp_pin_set (bus->intx[line_of (s)], any);
}

/* Everything that follows from the registers. */
static void
follow (BpPciSlot *s)
{
  bp_memory_begin ();
  for (unsigned i = 0; i < PCI_N_PLACES; i++)
    map_bar (s, i);
  if (s->dma_window)
    bp_region_set_enabled (s->dma_window, bp_pci_get16 (s->config, BP_PCI_COMMAND) & BP_PCI_COMMAND_MASTER);
  bp_memory_commit ();
  pci_msi_follow (s);
  pci_slot_update_line (s);
}

/* --- configuration cycles ---------------------------------------------------------------------- */

/* As the guest sees it. */
static BpPciSlot *
slot_at (const PciBus *bus, unsigned address)
{
  BpPciSlot *s = address < PCI_N_FUNCTIONS ? bus->slots[address] : NULL;
  return s && !s->ejected ? s : NULL;
}

uint32_t
pci_bus_config_read (PciBus *bus, unsigned address, unsigned offset, unsigned size)
{
  BpPciSlot *s = slot_at (bus, address);
  uint32_t value = 0;
  if (!s || offset + size > 256)
    return UINT32_MAX >> (32 - 8 * size);
  if (s->function.config_read && s->function.config_read (s->function.self, offset, size, &value))
    return value;
  for (unsigned i = 0; i < size; i++)
    value |= (uint32_t) s->config[offset + i] << 8 * i;
  unsigned pending = s->msi + PCI_MSI_PENDING;
  if (s->msi && offset >= pending && offset < pending + 4)
    value |= pci_msi_fd_pending (s, 0) >> 8 * (offset - pending) & UINT32_MAX >> (32 - 8 * size);
  return value;
}

void
pci_bus_config_write (PciBus *bus, unsigned address, unsigned offset, uint32_t value, unsigned size)
{
  BpPciSlot *s = slot_at (bus, address);
  if (!s || offset + size > 256)
    return;
  for (unsigned i = 0; i < size; i++) {
    uint8_t byte = (uint8_t) (value >> 8 * i), mask = s->write_mask[offset + i];
    uint8_t kept = (uint8_t) (s->config[offset + i] & ~(byte & s->clear_mask[offset + i]));
    s->config[offset + i] = (uint8_t) ((kept & ~mask) | (byte & mask));
  }
  if ((offset < PCI_BAR_END && offset + size > BP_PCI_COMMAND) || (offset < PCI_ROM_END && offset + size > BP_PCI_ROM))
    follow (s);
  else if (pci_msi_has (s, offset, size)) {
    pci_msi_follow (s);
    pci_slot_update_line (s);
  }
  if (s->function.config_written)
    s->function.config_written (s->function.self, offset, size);
}

/* --- slots --------------------------------------------------------------------------------------- */

static bool
bar_is_fine (const BpPciFunction *f, unsigned n, GError **error)
{
  const BpPciBar *bar = &f->bars[n];
  bool io = bar->type & BP_PCI_BAR_IO, wide = bar->type & BP_PCI_BAR_64BIT;
  uint64_t size = bp_region_size (bar->region), least = io ? 4 : 16, most = io ? 256 : UINT64_C (1) << (wide ? 46 : 31);
  if (size >= least && size <= most && !(size & (size - 1)) && !(wide && (io || n == 5 || f->bars[n + 1].region)))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "BAR %u of 0x%" G_GINT64_MODIFIER "x bytes is impossible: a power of two from %" G_GUINT64_FORMAT
               " up, ports 256 at most, and a 64-bit one is of memory and takes two places", n, size, least);
  return false;
}

static bool
rom_is_fine (const BpPciFunction *f, GError **error)
{
  uint64_t size = f->rom ? bp_region_size (f->rom) : 2048;
  if (size >= 2048 && size <= UINT64_C (16) << 20 && !(size & (size - 1)))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "an expansion ROM of 0x%" G_GINT64_MODIFIER "x bytes is impossible: a power of two from 2 KiB to 16 MiB", size);
  return false;
}

static bool
bars_are_fine (const BpPciFunction *f, GError **error)
{
  for (unsigned i = 0; i < PCI_N_BARS; i++)
    if (f->bars[i].region && !bar_is_fine (f, i, error))
      return false;
  return rom_is_fine (f, error);
}

static void
write_reset_values (BpPciSlot *s)
{
  const BpPciFunction *f = &s->function;
  uint8_t *c = s->config, before[256];
  memcpy (before, c, sizeof before);
  memset (c, 0, 256);
  bp_pci_put16 (c, BP_PCI_VENDOR, f->vendor_id);
  bp_pci_put16 (c, BP_PCI_DEVICE, f->device_id);
  c[BP_PCI_REVISION] = f->revision;
  c[BP_PCI_REVISION + 1] = f->prog_if;
  c[BP_PCI_REVISION + 2] = f->subclass;
  c[BP_PCI_CLASS] = f->class_code;
  c[BP_PCI_HEADER_TYPE] = f->header_type;
  bp_pci_put16 (c, BP_PCI_SUBSYSTEM, f->subsystem_vendor_id);
  bp_pci_put16 (c, BP_PCI_SUBSYSTEM + 2, f->subsystem_id);
  c[BP_PCI_INTERRUPT_PIN] = f->interrupt_pin;
  for (unsigned i = 0; i < PCI_N_BARS; i++)
    if (s->bars[i].region)
      pci_put32 (c + BP_PCI_BAR0 + 4 * i, s->bars[i].type);
  pci_capability_reset (s, before);
  pci_msi_reset (s);
}

static void
set_masks (BpPciSlot *s)
{
  bp_pci_put16 (s->write_mask, BP_PCI_COMMAND, 0x0547);
  bp_pci_put16 (s->clear_mask, BP_PCI_STATUS, 0xf900);
  s->write_mask[0x0c] = s->write_mask[BP_PCI_INTERRUPT_LINE] = 0xff;       /* cache line size */
  s->write_mask[0x0d] = 0xf8;                                           /* latency timer */
  if (s->bars[PCI_ROM_PLACE].region)
    pci_put32 (s->write_mask + BP_PCI_ROM, (uint32_t) ~(bp_region_size (s->bars[PCI_ROM_PLACE].region) - 1) | BP_PCI_ROM_ENABLE);
  for (unsigned i = 0; i < PCI_N_BARS; i++) {
    const PciBar *bar = &s->bars[i];
    if (!bar->region)
      continue;
    uint64_t mask = ~(bp_region_size (bar->region) - 1);
    pci_put32 (s->write_mask + BP_PCI_BAR0 + 4 * i, (uint32_t) mask & (bar->type & BP_PCI_BAR_IO ? 0xfffffffc : 0xfffffff0));
    if (bar->type & BP_PCI_BAR_64BIT)
      pci_put32 (s->write_mask + BP_PCI_BAR0 + 4 * i + 4, (uint32_t) (mask >> 32));
  }
}

static BpPciSlot *
add (void *self, unsigned address, const BpPciFunction *function, GError **error)
{
  PciBus *bus = self;
  if (address >= PCI_N_FUNCTIONS || bus->slots[address]) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, address < PCI_N_FUNCTIONS ? "the place %02x.%x on `%s' is taken" : "there is no place %02x.%x on `%s'",
                 address >> 3, address & 7, bp_object_id (bus));
    return NULL;
  }
  if (function->struct_size < offsetof (BpPciFunction, rom)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the function for %02x.%x on `%s' has a struct_size of %u, which is to be sizeof (BpPciFunction)", address >> 3, address & 7,
                 bp_object_id (bus), function->struct_size);
    return NULL;
  }
  BpPciSlot *s = g_new0 (BpPciSlot, 1);
  memcpy (&s->function, function, MIN (function->struct_size, sizeof s->function));
  if (!bars_are_fine (&s->function, error)) {
    g_free (s);
    return NULL;
  }
  for (unsigned i = 0; i < PCI_N_BARS; i++)
    s->bars[i] = (PciBar) { .region = s->function.bars[i].region, .type = s->function.bars[i].type };
  s->bars[PCI_ROM_PLACE] = (PciBar) { .region = s->function.rom, .type = BP_PCI_BAR_MEMORY };
  s->function.interrupt_pin = MIN (s->function.interrupt_pin, 4);
  s->bus = bus;
  s->address = address;
  s->state = &bus->state[address];
  s->config = s->state->config;
  bus->slots[address] = s;
  set_masks (s);
  write_reset_values (s);
  return s;
}

static void
reset (void *self, BpPciSlot *s)
{
  write_reset_values (s);
  s->state->level = false;
  follow (s);
}

void
pci_slot_hide (BpPciSlot *s)
{
  memset (s->config, 0, 256);
  s->state->level = false;
  follow (s);
}

static void
remove_slot (void *self, BpPciSlot *s)
{
  PciBus *bus = self;
  pci_slot_hide (s);
  pci_plug_gone (s);
  pci_msi_finish (s);
  bus->slots[s->address] = NULL;
  if (s->dma)
    bp_address_space_free (s->dma);
  bp_region_free (s->dma_window);
  bp_region_free (s->dma_root);
  g_free (s);
}

static uint8_t *config (void *self, BpPciSlot *s) { return s->config; }
static uint8_t *write_mask (void *self, BpPciSlot *s) { return s->write_mask; }

static void
set_interrupt (void *self, BpPciSlot *s, int level)
{
  if (s->state->level == (level != 0))
    return;
  s->state->level = level != 0;
  pci_slot_update_line (s);
}

/* The machine's memory, seen while the function may be a bus master. */
static BpAddressSpace *
dma (void *self, BpPciSlot *s)
{
  BpMachine *machine = bp_object_machine (self);
  if (s->dma)
    return s->dma;
  BpRegion *system = bp_address_space_root (bp_machine_address_space (machine, "memory"));
  char name[32];
  g_snprintf (name, sizeof name, "dma %02x.%x", s->address >> 3, s->address & 7);
  s->dma_root = bp_region_new_container (self, name, UINT64_MAX);
  s->dma_window = bp_region_new_alias (self, "memory", system, 0, UINT64_MAX);
  bp_region_set_enabled (s->dma_window, bp_pci_get16 (s->config, BP_PCI_COMMAND) & BP_PCI_COMMAND_MASTER);
  bp_region_add (s->dma_root, 0, s->dma_window, 0);
  s->dma = bp_address_space_new (machine, name, s->dma_root);
  return s->dma;
}

static BpRegion *space (void *self, bool io) { return io ? ((PciBus *) self)->io : ((PciBus *) self)->memory; }

/* --- the whole bus ------------------------------------------------------------------------------ */

void
pci_bus_reset (PciBus *bus)
{
  for (unsigned i = 0; i < PCI_N_FUNCTIONS; i++)
    if (bus->slots[i])
      reset (bus, bus->slots[i]);
  bus->is_up = true;
}

/* A function may have been loaded before the bridge, which has its registers. */
void
pci_bus_post_load (PciBus *bus)
{
  for (unsigned i = 0; i < PCI_N_FUNCTIONS; i++) {
    BpPciSlot *s = bus->slots[i];
    if (!s)
      continue;
    follow (s);
    if (s->function.config_written)
      s->function.config_written (s->function.self, 0, sizeof s->bus->state[i].config);
  }
}

void
pci_bus_free (PciBus *bus)
{
  for (unsigned i = 0; i < PCI_N_FUNCTIONS; i++)
    if (bus->slots[i])
      remove_slot (bus, bus->slots[i]);
  bp_region_free (bus->messages);
  bus->messages = NULL;
}

/* --- tables: saved fields, interface ------------------------------------------------------------- */

const BpStateField pci_function_state[] = {
  BP_STATE_FIELD_BYTES (PciFunctionState, config), BP_STATE_FIELD_BOOL (PciFunctionState, level),
  BP_STATE_FIELD_BUFFER (PciFunctionState, messages), BP_STATE_END
};

const BpPciBusIface pci_bus_iface = {
  .struct_size = sizeof (BpPciBusIface), .add = add, .remove = remove_slot, .config = config, .write_mask = write_mask,
  .set_interrupt = set_interrupt, .dma = dma, .reset = reset, .space = space, .add_capability = pci_add_capability, .add_msi = pci_add_msi,
  .add_msix = pci_add_msix, .n_messages = pci_n_messages, .message = pci_message, .message_fd = pci_message_fd,
  .drain = pci_drain, .hot_plug = pci_hot_plug, .ask = pci_ask
};
