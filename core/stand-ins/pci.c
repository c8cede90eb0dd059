/* pci.c -- the PCI bus of a test (PCI Local Bus 3.0, chapter 6): configuration spaces, BARs, pins, DMA spaces, capabilities. */
/* SPDX-License-Identifier: MIT */
#include "pci.h"
#include <string.h>

uint32_t
stand_in_pci_get (const uint8_t *at, unsigned size)
{
  uint32_t value = 0;
  for (unsigned i = 0; i < size; i++)
    value |= (uint32_t) at[i] << 8 * i;
  return value;
}

void
stand_in_pci_put (uint8_t *at, uint32_t value, unsigned size)
{
  for (unsigned i = 0; i < size; i++)
    at[i] = (uint8_t) (value >> 8 * i);
}

/* --- BARs --------------------------------------------------------------------------------- */

static unsigned bar_register (unsigned n) { return n == PCI_ROM_PLACE ? PCI_ROM : PCI_BAR0 + 4 * n; }

/* Where the test wants it; false: nowhere, as with all ones, which ask for its size. */
static bool
bar_place (const BpPciSlot *s, unsigned n, uint64_t *at)
{
  uint32_t command = stand_in_pci_get (s->config + PCI_COMMAND, 2), type = s->bars[n].type;
  uint64_t value = stand_in_pci_get (s->config + bar_register (n), 4), size = bp_region_size (s->bars[n].region);
  if (n == PCI_ROM_PLACE && !(value & 1))
    return false;
  value &= type & BP_PCI_BAR_IO ? ~UINT64_C (3) : n == PCI_ROM_PLACE ? ~UINT64_C (2047) : ~UINT64_C (15);
  if (type & BP_PCI_BAR_64BIT)
    value |= (uint64_t) stand_in_pci_get (s->config + bar_register (n) + 4, 4) << 32;
  *at = value;
  uint64_t top = type & BP_PCI_BAR_IO ? 0x10000 : type & BP_PCI_BAR_64BIT ? UINT64_C (1) << 62 : UINT64_C (0xffffffff);
  return command & (type & BP_PCI_BAR_IO ? COMMAND_IO : COMMAND_MEMORY) && value && value < top && size <= top - value;
}

static void
map_bar (BpPciSlot *s, unsigned n)
{
  uint64_t at;
  bool wanted = s->bars[n].region && bar_place (s, n, &at);
  if (s->bars[n].mapped && (!wanted || at != s->bars[n].at)) {
    bp_region_remove (s->bars[n].region);
    s->bars[n].mapped = false;
  }
  if (!wanted || s->bars[n].mapped)
    return;
  bp_region_add (s->bars[n].type & BP_PCI_BAR_IO ? s->bus->io : s->bus->memory, at, s->bars[n].region, (int) (1 + s->address * PCI_PLACES + n));
  s->bars[n].mapped = true;
  s->bars[n].at = at;
}

/* Everything that follows from the registers. */
static void
follow (BpPciSlot *s)
{
  bp_memory_begin ();
  for (unsigned i = 0; i < PCI_PLACES; i++)
    map_bar (s, i);
  if (s->dma_window)
    bp_region_set_enabled (s->dma_window, stand_in_pci_get (s->config + PCI_COMMAND, 2) & COMMAND_MASTER);
  bp_memory_commit ();
  stand_in_pci_put (s->config + PCI_STATUS, (stand_in_pci_get (s->config + PCI_STATUS, 2) & ~8u) | (s->bus->state[s->address].level ? 8 : 0), 2);
  stand_in_pci_messages_follow (s);
}

/* --- functions --------------------------------------------------------------------------------- */

/* What a function is wrong about is found here and not in a guest. */
static const char *
verdict (const BpPciFunction *f)
{
  if (f->struct_size < offsetof (BpPciFunction, rom))
    return "the function's struct_size is to be sizeof (BpPciFunction)";
  for (unsigned i = 0; i < PCI_BARS; i++) {
    const BpPciBar *bar = &f->bars[i];
    uint64_t size = bar->region ? bp_region_size (bar->region) : 16;
    if (size & (size - 1))
      return "a BAR's size is not a power of two";
    if (size < (bar->type & BP_PCI_BAR_IO ? 4 : 16) || (bar->type & BP_PCI_BAR_IO && size > 256))
      return "a BAR has 16 bytes at least, and one of ports 4 to 256";
    if (bar->region && bar->type & BP_PCI_BAR_64BIT && (bar->type & BP_PCI_BAR_IO || i == 5 || f->bars[i + 1].region))
      return "a 64-bit BAR is of memory and takes two places";
    if (bar->region && !(bar->type & BP_PCI_BAR_64BIT) && size > UINT64_C (1) << 31)
      return "a 32-bit BAR has 2 GiB at most";
  }
  uint64_t rom = f->rom ? bp_region_size (f->rom) : 2048;
  if (rom < 2048 || rom > 16 << 20 || rom & (rom - 1))
    return "an expansion ROM has a power of two from 2 KiB to 16 MiB";
  return f->interrupt_pin > 4 ? "an interrupt pin is 0 (none) to 4 (INTD#)" : NULL;
}

static void
write_reset_values (BpPciSlot *s)
{
  const BpPciFunction *f = &s->function;
  uint8_t *c = s->config;
  memset (c, 0, 64);
  stand_in_pci_put (c, f->vendor_id | (uint32_t) f->device_id << 16, 4);
  stand_in_pci_put (c + 8, f->revision | (uint32_t) f->prog_if << 8 | (uint32_t) f->subclass << 16 | (uint32_t) f->class_code << 24, 4);
  c[0x0e] = f->header_type;
  stand_in_pci_put (c + 0x2c, f->subsystem_vendor_id | (uint32_t) f->subsystem_id << 16, 4);
  c[PCI_PIN] = f->interrupt_pin;
  for (unsigned i = 0; i < PCI_BARS; i++)
    if (s->bars[i].region)
      stand_in_pci_put (c + PCI_BAR0 + 4 * i, s->bars[i].type, 4);
}

static void
set_masks (BpPciSlot *s)
{
  stand_in_pci_put (s->write_mask + PCI_COMMAND, 0x0547, 2);
  s->write_mask[0x0c] = s->write_mask[0x3c] = 0xff;     /* cache line size, interrupt line */
  s->write_mask[0x0d] = 0xf8;                           /* latency timer */
  for (unsigned i = 0; i < PCI_PLACES; i++) {
    if (!s->bars[i].region)
      continue;
    uint64_t mask = ~(bp_region_size (s->bars[i].region) - 1);
    stand_in_pci_put (s->write_mask + bar_register (i), (uint32_t) mask | (i == PCI_ROM_PLACE), 4);
    if (s->bars[i].type & BP_PCI_BAR_64BIT)
      stand_in_pci_put (s->write_mask + bar_register (i) + 4, (uint32_t) (mask >> 32), 4);
  }
}

static BpPciSlot *
add (void *self, unsigned address, const BpPciFunction *function, GError **error)
{
  Pci *bus = self;
  BpPciSlot *s = g_new0 (BpPciSlot, 1);
  memcpy (&s->function, function, MIN (function->struct_size, sizeof s->function));
  const char *wrong = address >= PCI_FUNCTIONS ? "there is no such place" : bus->slots[address] ? "the place is taken" : verdict (&s->function);
  if (wrong) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%02x.%u on `%s`: %s", address >> 3, address & 7, bp_object_id (bus), wrong);
    g_free (s);
    return NULL;
  }
  for (unsigned i = 0; i < PCI_PLACES; i++) {
    s->bars[i].region = i == PCI_ROM_PLACE ? s->function.rom : s->function.bars[i].region;
    s->bars[i].type = i == PCI_ROM_PLACE ? BP_PCI_BAR_MEMORY : s->function.bars[i].type;
  }
  s->bus = bus;
  s->address = address;
  s->config = bus->state[address].config;
  s->end = 0x40;
  bus->slots[address] = s;
  set_masks (s);
  write_reset_values (s);
  return s;
}

static void
reset (void *self, BpPciSlot *s)
{
  if (!s->sealed)
    memcpy (s->first, s->config, 256);
  s->sealed = true;
  memcpy (s->config, s->first, 256);
  s->bus->state[s->address].level = false;
  stand_in_pci_messages_reset (s);
  follow (s);
}

static void
remove_slot (void *self, BpPciSlot *s)
{
  memset (s->config, 0, 256);
  s->bus->state[s->address].level = false;
  s->n_msi = s->n_msix = 0;
  follow (s);
  s->bus->slots[s->address] = NULL;
  if (s->dma)
    bp_address_space_free (s->dma);
  bp_region_free (s->dma_window);
  bp_region_free (s->dma_root);
  stand_in_pci_messages_free (s);
  g_free (s);
}

static uint8_t *config (void *self, BpPciSlot *s) { return s->config; }
static uint8_t *write_mask (void *self, BpPciSlot *s) { return s->write_mask; }

static void
set_interrupt (void *self, BpPciSlot *s, int level)
{
  if (level && !s->function.interrupt_pin) {
    stand_in_fault ("the function %02x.%u has no interrupt pin, and raises it", s->address >> 3, s->address & 7);
    return;
  }
  s->bus->state[s->address].level = level != 0;
  stand_in_pci_put (s->config + PCI_STATUS, (stand_in_pci_get (s->config + PCI_STATUS, 2) & ~8u) | (level ? 8 : 0), 2);
}

static BpAddressSpace *
dma (void *self, BpPciSlot *s)
{
  BpMachine *m = bp_object_machine (self);
  if (s->dma)
    return s->dma;
  g_autofree char *name = g_strdup_printf ("dma %02x.%u", s->address >> 3, s->address & 7);
  s->dma_root = bp_region_new_container (self, name, UINT64_MAX);
  s->dma_window = bp_region_new_alias (self, "memory", bp_address_space_root (bp_machine_address_space (m, "memory")), 0, UINT64_MAX);
  bp_region_set_enabled (s->dma_window, stand_in_pci_get (s->config + PCI_COMMAND, 2) & COMMAND_MASTER);
  bp_region_add (s->dma_root, 0, s->dma_window, 0);
  s->dma = bp_address_space_new (m, name, s->dma_root);
  return s->dma;
}

static void drain (void *self) { stand_in_pci_poll (self); }
static BpRegion *space (void *self, bool io) { return io ? ((Pci *) self)->io : ((Pci *) self)->memory; }

/* Registers that a device has put there itself are found by what it made of them. */
static bool
is_free (const BpPciSlot *s, unsigned at, unsigned size)
{
  for (unsigned i = at; i < at + size; i++)
    if (s->config[i] || s->write_mask[i])
      return false;
  return true;
}

unsigned
stand_in_pci_add_capability (void *self, BpPciSlot *s, uint8_t id, unsigned size)
{
  unsigned at = s->end, link = PCI_CAPABILITIES;
  if (size < 2 || size > 256)
    return 0;
  while (at + size <= 256 && !is_free (s, at, size))
    at += 4;
  if (at + size > 256)
    return 0;
  while (s->config[link])
    link = s->config[link] + 1u;
  s->config[link] = (uint8_t) at;
  s->config[at] = id;
  s->config[PCI_STATUS] |= 0x10;
  s->end = (at + size + 3) & ~3u;
  return at;
}

/* --- configuration cycles ---------------------------------------------------------------------- */

uint32_t
stand_in_pci_read (const BpPciSlot *s, unsigned offset, unsigned size)
{
  uint32_t value;
  if (s->function.config_read && s->function.config_read (s->function.self, offset, size, &value))
    return value;
  return stand_in_pci_get (s->config + offset, size);
}

void
stand_in_pci_write (BpPciSlot *s, unsigned offset, uint32_t value, unsigned size)
{
  for (unsigned i = 0; i < size; i++) {
    uint8_t mask = s->write_mask[offset + i];
    s->config[offset + i] = (uint8_t) ((s->config[offset + i] & ~mask) | (value >> 8 * i & mask));
  }
  follow (s);
  if (s->function.config_written)
    s->function.config_written (s->function.self, offset, size);
}

/* --- life cycle ------------------------------------------------------------------------------------ */

static bool
pci_configure (void *self, GError **error)
{
  Pci *bus = self;
  bus->memory = bp_region_new_container (self, "pci memory", UINT64_MAX);
  bus->io = bp_region_new_container (self, "pci io", 0x10000);
  stand_in_pci_messages_init (bus);
  g_queue_init (&bus->messages);
  return true;
}

static bool
pci_realize (void *self, GError **error)
{
  Pci *bus = self;
  BpMachine *m = bp_object_machine (self);
  bp_region_add (bp_address_space_root (bp_machine_address_space (m, "memory")), 0, bus->memory, 1);
  bp_region_add (bp_address_space_root (bp_machine_address_space (m, "io")), 0, bus->io, 1);
  return true;
}

static void
pci_reset (void *self, BpResetKind kind)
{
  Pci *bus = self;
  for (unsigned i = 0; i < PCI_FUNCTIONS; i++)
    if (bus->slots[i])
      reset (bus, bus->slots[i]);
}

/* A function may have been loaded before its bus, which has its registers. */
static bool
pci_post_load (void *self, GError **error)
{
  Pci *bus = self;
  for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
    BpPciSlot *s = bus->slots[i];
    if (!s)
      continue;
    follow (s);
    if (s->function.config_written)
      s->function.config_written (s->function.self, 0, 256);
  }
  return true;
}

static void
pci_unrealize (void *self)
{
  Pci *bus = self;
  for (unsigned i = 0; i < PCI_FUNCTIONS; i++)
    if (bus->slots[i])
      remove_slot (bus, bus->slots[i]);
  bp_region_free (bus->memory);
  bp_region_free (bus->io);
  bp_region_free (bus->table);
  bp_region_free (bus->pending);
  bus->memory = bus->io = bus->table = bus->pending = NULL;
  g_queue_clear_full (&bus->messages, g_free);
}

/* --- tables: saved fields, interface, type ----------------------------------------------------------- */

static const BpStateField function_state[] = { BP_STATE_FIELD_BYTES (PciState, config), BP_STATE_FIELD_BOOL (PciState, level), BP_STATE_END };
static const BpStateField entry_state[] = {
  BP_STATE_FIELD_U64 (MsixEntry, address), BP_STATE_FIELD_U32 (MsixEntry, data), BP_STATE_FIELD_U32 (MsixEntry, control),
  BP_STATE_FIELD_BOOL (MsixEntry, pending), BP_STATE_END
};
static const BpStateField pci_state[] = {
  BP_STATE_FIELD_STRUCTS (Pci, state, PCI_FUNCTIONS, function_state), BP_STATE_FIELD_STRUCTS (Pci, entries, MSIX_VECTORS, entry_state), BP_STATE_END
};
static const BpPciBusIface iface = {
  .struct_size = sizeof iface, .add = add, .remove = remove_slot, .config = config, .write_mask = write_mask, .set_interrupt = set_interrupt, .dma = dma,
  .reset = reset, .space = space, .add_capability = stand_in_pci_add_capability, .add_msi = stand_in_pci_add_msi, .add_msix = stand_in_pci_add_msix, .n_messages = stand_in_pci_n_messages,
  .message = stand_in_pci_message, .message_fd = stand_in_pci_message_fd, .drain = drain
};
static const BpInterfaceDesc interfaces[] = { { BP_PCI_BUS_ID, &iface }, { NULL, NULL } };
const BpTypeDesc stand_in_pci = {
  BP_TYPE ("test-pci", BP_KIND_DEVICE, Pci), .description = "PCI bus of a test", .interfaces = interfaces, .state_version = 1, .state_minimum = 1,
  .state = pci_state, .configure = pci_configure, .realize = pci_realize, .reset = pci_reset, .unrealize = pci_unrealize, .post_load = pci_post_load
};
