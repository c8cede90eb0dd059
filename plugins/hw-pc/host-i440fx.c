/* host-i440fx.c -- Intel 82441FX host bridge (May 1996): configuration cycles, the memory map, PAM shadowing, SMRAM. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/cmos.h>
#include <backplane/iface/firmware-config.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/object.h>
#include <string.h>
#include "hw-pc.h"
#include "pci-bus.h"

/* --- registers -------------------------------------------------------------- */

enum { PAM0 = 0x59, PAM_END = 0x60, DRB0 = 0x60, SMRAM = 0x72 };
enum { PAM_READ = 1 << 0, PAM_WRITE = 1 << 1 };
enum { SMRAM_FIXED = 0x02, SMRAM_ENABLE = 1 << 3, SMRAM_LOCK = 1 << 4, SMRAM_CLOSE = 1 << 5, SMRAM_OPEN = 1 << 6 };
#define CONFIG_ENABLE 0x80000000u

#define MIB (UINT64_C (1) << 20)
#define FOUR_GIB (UINT64_C (4) << 30)
#define LEGACY 0xa0000u                 /* the hole for video memory, option ROMs and BIOS */
#define SHADOW_BASE 0xc0000u
#define HOLE_STEP 256u                  /* nothing smaller is looked for behind a segment */

/* The thirteen segments: where, how long, and the nibble of which register. */
#define N_SEGMENTS 13
static const struct { uint32_t address, size; uint8_t reg, shift; } segments[N_SEGMENTS] = {
  { 0xf0000, 0x10000, 0x59, 4 }, { 0xc0000, 0x4000, 0x5a, 0 }, { 0xc4000, 0x4000, 0x5a, 4 }, { 0xc8000, 0x4000, 0x5b, 0 },
  { 0xcc000, 0x4000, 0x5b, 4 },  { 0xd0000, 0x4000, 0x5c, 0 }, { 0xd4000, 0x4000, 0x5c, 4 }, { 0xd8000, 0x4000, 0x5d, 0 },
  { 0xdc000, 0x4000, 0x5d, 4 },  { 0xe0000, 0x4000, 0x5e, 0 }, { 0xe4000, 0x4000, 0x5e, 4 }, { 0xe8000, 0x4000, 0x5f, 0 },
  { 0xec000, 0x4000, 0x5f, 4 }
};

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Segment {
  uint8_t mode;                 /* PAM_*, as mapped */
  BpRegion *ram;                /* alias of RAM */
  BpRegion *write_only;         /* alias of the bridge's region of that name */
} Segment;

typedef struct I440fx {
  PciBus bus;                   /* first */
  uint32_t config_address;
  uint8_t smram;                /* as last accepted */
  BpLink ram, firmware, cmos;
  bool bios_ram;
  BpRegion *address_ports, *data_ports;
  BpRegion *memory, *shadow;    /* containers that the descriptor maps */
  BpRegion *ram_parts[3], *smram_window;
  Segment segment[N_SEGMENTS];
  /* Writes go to RAM, reads show what lies behind: a copy of that, made when a segment enters the mode.  It is ROM, or nothing. */
  BpRegion *write_only;
  uint8_t *copy;
  BpAddressSpace *system, *ram_space;
  BpRegion *ram_root, *ram_bottom;
  BpPciSlot *slot;
  uint8_t (*reset_read) (void *self);
  void (*reset_write) (void *self, uint8_t value);
  void *reset_self;
} I440fx;

/* --- memory map ---------------------------------------------------------------------- */

static void
write_only_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  I440fx *h = self;
  bp_as_store (h->ram_space, SHADOW_BASE + offset, value, size);
}

static const BpRegionOps write_only_ops = BP_REGION_OPS (.write = write_only_write, .impl_max = 8, .flags = BP_REGION_OPS_UNALIGNED);

/* Devices are not asked: they would notice.  A guest may have put a BAR or an APIC there. */
static void
copy_memory (I440fx *h, uint64_t address, uint8_t *to, uint64_t size)
{
  memset (to, 0xff, size);
  for (uint64_t done = 0, n; done < size; done += n) {
    const BpFlatRange *r = bp_as_lookup (h->system, address + done);
    n = MIN (size - done, HOLE_STEP - ((address + done) & (HOLE_STEP - 1)));
    if (!r)
      continue;
    uint64_t inside = address + done - r->address;
    n = MIN (size - done, r->size - inside);
    if (r->host)
      memcpy (to + done, r->host + inside, n);
    bp_as_leave (h->system);
  }
}

static void
enter_write_only (I440fx *h, unsigned n)
{
  bp_region_set_enabled (h->segment[n].ram, false);
  copy_memory (h, segments[n].address, h->copy + (segments[n].address - SHADOW_BASE), segments[n].size);
}

static void
map_segment (I440fx *h, unsigned n, uint8_t mode)
{
  Segment *s = &h->segment[n];
  if (mode == s->mode)
    return;
  if (mode == PAM_WRITE)
    enter_write_only (h, n);
  bp_memory_begin ();
  bp_region_set_enabled (s->ram, mode & PAM_READ);
  bp_region_set_readonly (s->ram, !(mode & PAM_WRITE));
  bp_region_set_enabled (s->write_only, mode == PAM_WRITE);
  bp_memory_commit ();
  s->mode = mode;
}

static void
map_segments (I440fx *h)
{
  const uint8_t *config = h->bus.state[0].config;
  for (unsigned i = 0; i < N_SEGMENTS; i++)
    map_segment (h, i, config[segments[i].reg] >> segments[i].shift & (PAM_READ | PAM_WRITE));
}

static void
map_smram (I440fx *h)
{
  bp_region_set_enabled (h->smram_window, h->smram & SMRAM_ENABLE && h->smram & SMRAM_OPEN && !(h->smram & SMRAM_CLOSE));
}

/* Locked, the register keeps all but D_CLS, and the window cannot be opened. */
static void
take_smram (I440fx *h)
{
  uint8_t *reg = &h->bus.state[0].config[SMRAM];
  uint8_t wanted = (uint8_t) ((*reg & (SMRAM_ENABLE | SMRAM_LOCK | SMRAM_CLOSE | SMRAM_OPEN)) | SMRAM_FIXED);
  if (h->smram & SMRAM_LOCK)
    wanted = (uint8_t) ((h->smram & ~SMRAM_CLOSE) | (wanted & SMRAM_CLOSE));
  if (wanted & SMRAM_LOCK)
    wanted &= (uint8_t) ~SMRAM_OPEN;
  *reg = h->smram = wanted;
  map_smram (h);
}

/* --- guest access -------------------------------------------------------------------- */

static void
config_written (void *self, unsigned offset, unsigned size)
{
  I440fx *h = self;
  if (offset < PAM_END && offset + size > PAM0)
    map_segments (h);
  if (offset <= SMRAM && offset + size > SMRAM)
    take_smram (h);
}

/* Only a double word is the register (82441FX, 3.1.1); bytes pass to PCI, where 0xcf9 is the south bridge's. */
static uint64_t
address_read (void *self, uint64_t offset, unsigned size)
{
  I440fx *h = self;
  if (size == 4)
    return h->config_address;
  if (size == 1 && offset == 1 && h->reset_read)
    return h->reset_read (h->reset_self);
  return ~UINT64_C (0);
}

static void
address_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  I440fx *h = self;
  if (size == 4)
    h->config_address = (uint32_t) value & ~3u;
  else if (size == 1 && offset == 1 && h->reset_write)
    h->reset_write (h->reset_self, (uint8_t) value);
}

/* Bus 0 is the only one. */
static bool
selects_function (const I440fx *h)
{
  return h->config_address & CONFIG_ENABLE && !(h->config_address >> 16 & 0xff);
}

static uint64_t
data_read (void *self, uint64_t offset, unsigned size)
{
  I440fx *h = self;
  if (!selects_function (h))
    return ~UINT64_C (0);
  return pci_bus_config_read (&h->bus, h->config_address >> 8 & 0xff, (unsigned) ((h->config_address & 0xfc) + offset), size);
}

static void
data_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  I440fx *h = self;
  if (selects_function (h))
    pci_bus_config_write (&h->bus, h->config_address >> 8 & 0xff, (unsigned) ((h->config_address & 0xfc) + offset), (uint32_t) value, size);
}

static void
attach_reset_port (void *bridge, uint8_t (*read) (void *self), void (*write) (void *self, uint8_t value), void *self)
{
  I440fx *h = bridge;
  h->reset_read = read;
  h->reset_write = write;
  h->reset_self = self;
}

/* --- what firmware is told -------------------------------------------------------------------- */

static uint64_t
ram_size (const I440fx *h)
{
  const BpMemoryBackendIface *t = h->ram.table;
  return t->size (h->ram.instance);
}

/* "etc/e820": address, size and kind (1: RAM) of each range, little-endian. */
static void
put_range (GByteArray *bytes, uint64_t address, uint64_t size)
{
  uint64_t range[2] = { GUINT64_TO_LE (address), GUINT64_TO_LE (size) };
  uint32_t kind = GUINT32_TO_LE (1);
  g_byte_array_append (bytes, (const uint8_t *) range, sizeof range);
  g_byte_array_append (bytes, (const uint8_t *) &kind, sizeof kind);
}

static void
make_e820 (void *self, GByteArray *bytes)
{
  uint64_t size = ram_size (self), low = MIN (size, PC_RAM_LIMIT);
  put_range (bytes, 0, low);
  if (size > low)
    put_range (bytes, FOUR_GIB, size - low);
}

/* --- life cycle: configure, realize, reset -------------------------------------------------- */

static void
add_ram_part (I440fx *h, BpRegion *ram, unsigned n, uint64_t address, uint64_t offset, uint64_t end)
{
  static const char *const names[] = { "ram below 640K", "ram above 1M", "ram above 4G" };
  if (end <= offset)
    return;
  h->ram_parts[n] = bp_region_new_alias (h, names[n], ram, offset, end - offset);
  bp_region_add (h->memory, address, h->ram_parts[n], 0);
}

static void
add_segment (I440fx *h, BpRegion *ram, unsigned n)
{
  Segment *s = &h->segment[n];
  s->ram = bp_region_new_alias (h, "shadow ram", ram, segments[n].address, segments[n].size);
  s->write_only = bp_region_new_alias (h, "shadow writes", h->write_only, segments[n].address - SHADOW_BASE, segments[n].size);
  bp_region_set_enabled (s->ram, false);
  bp_region_set_enabled (s->write_only, false);
  bp_region_add (h->shadow, segments[n].address - LEGACY, s->ram, 0);
  bp_region_add (h->shadow, segments[n].address - LEGACY, s->write_only, 0);
}

static void
add_shadow (I440fx *h, BpRegion *ram)
{
  h->shadow = bp_region_new_container (h, "shadow", MIB - LEGACY);
  h->smram_window = bp_region_new_alias (h, "smram", ram, LEGACY, SHADOW_BASE - LEGACY);
  bp_region_set_enabled (h->smram_window, false);
  bp_region_add (h->shadow, 0, h->smram_window, 0);
  h->copy = g_aligned_alloc0 (1, MIB - SHADOW_BASE, 4096);
  h->write_only = bp_region_new_rom_device (h, "shadow writes", &write_only_ops, h->copy, MIB - SHADOW_BASE);
  for (unsigned i = 0; i < N_SEGMENTS; i++)
    add_segment (h, ram, i);
}

static bool
bridge_configure (void *self, GError **error)
{
  I440fx *h = self;
  const BpMemoryBackendIface *t = h->ram.table;
  BpRegion *ram = BP_TABLE_HAS (t, region) && BP_TABLE_HAS (t, size) ? t->region (h->ram.instance) : NULL;
  if (!ram || ram_size (h) < MIB) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "the bridge needs at least 1 MiB of RAM");
    return false;
  }
  uint64_t size = ram_size (h), low = MIN (size, PC_RAM_LIMIT);
  h->bus.memory = bp_region_new_container (self, "pci memory", UINT64_MAX);
  h->bus.io = bp_region_new_container (self, "io", 0x10000);
  h->memory = bp_region_new_container (self, "memory", UINT64_MAX);
  bp_region_add (h->memory, 0, h->bus.memory, -1);
  add_ram_part (h, ram, 0, 0, 0, LEGACY);
  add_ram_part (h, ram, 1, MIB, MIB, low);
  add_ram_part (h, ram, 2, FOUR_GIB, low, size);
  add_shadow (h, ram);
  h->ram_root = bp_region_new_container (self, "ram", MIB);
  h->ram_bottom = bp_region_new_alias (self, "ram below 1M", ram, 0, MIB);
  bp_region_add (h->ram_root, 0, h->ram_bottom, 0);
  bp_region_publish (self, h->memory, "RAM, and PCI memory where there is none; map it at memory@0.");
  bp_region_publish (self, h->shadow, "What the PAM and SMRAM registers put over 0xa0000..0xfffff; map it at memory@0xa0000 above the BIOS ROM.");
  bp_region_publish (self, h->bus.io, "PCI's I/O ports, behind those that are mapped directly; map it at io@0.");
  return true;
}

static void
bridge_unrealize (void *self)
{
  I440fx *h = self;
  BpRegion **all[] = { &h->smram_window, &h->ram_parts[0], &h->ram_parts[1], &h->ram_parts[2], &h->ram_bottom, &h->ram_root, &h->memory, &h->shadow,
                       &h->bus.memory, &h->bus.io, &h->write_only };
  pci_bus_free (&h->bus);
  h->slot = NULL;
  if (h->ram_space)
    bp_address_space_free (h->ram_space);
  h->ram_space = NULL;
  for (unsigned i = 0; i < N_SEGMENTS; i++) {
    bp_region_free (h->segment[i].ram);
    bp_region_free (h->segment[i].write_only);
    h->segment[i] = (Segment) { .mode = 0 };
  }
  for (unsigned i = 0; i < G_N_ELEMENTS (all); i++) {
    bp_region_free (*all[i]);
    *all[i] = NULL;
  }
  g_clear_pointer (&h->copy, g_aligned_free);
}

static bool
bridge_realize (void *self, GError **error)
{
  I440fx *h = self;
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = 0x8086, .device_id = 0x1237, .revision = 2, .class_code = 6, .self = h,
                      .config_written = config_written };
  h->system = bp_machine_address_space (bp_object_machine (self), "memory");
  h->ram_space = bp_address_space_new (bp_object_machine (self), "i440fx ram", h->ram_root);
  h->slot = pci_bus_iface.add (&h->bus, 0, &f, error);
  if (!h->slot)
    return false;
  uint8_t *mask = pci_bus_iface.write_mask (&h->bus, h->slot);
  bp_pci_put16 (mask, BP_PCI_COMMAND, 0x0140);
  memset (mask + 0x50, 0xff, 0x100 - 0x50);
  memset (mask + DRB0, 0xff, 8);
  cmos_describe_memory (&h->cmos, ram_size (h));
  return bp_firmware_config_add_maker (&h->firmware, "etc/e820", make_e820, h, error);
}

static void
bridge_reset (void *self, BpResetKind kind)
{
  I440fx *h = self;
  uint8_t *c = h->bus.state[0].config;
  pci_bus_reset (&h->bus);
  bp_pci_put16 (c, BP_PCI_COMMAND, 0x0006);
  bp_pci_put16 (c, BP_PCI_STATUS, 0x0280);
  c[0x57] = 0x01;
  uint64_t rows = MIN (ram_size (h) / (8 * MIB), 255);
  memset (c + DRB0, (int) MAX (rows, 1), 8);    /* one row holds all */
  c[PAM0] = h->bios_ram ? (PAM_READ | PAM_WRITE) << 4 : 0;
  c[SMRAM] = h->smram = SMRAM_FIXED;
  h->config_address = 0;
  map_segments (h);
  map_smram (h);
}

static bool
bridge_post_load (void *self, GError **error)
{
  I440fx *h = self;
  pci_bus_post_load (&h->bus);
  map_segments (h);
  map_smram (h);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty bridge_properties[] = {
  BP_PROP_LINK ("ram", I440fx, ram, BP_MEMORY_BACKEND_ID, BP_PROPERTY_REQUIRED,
                "The memory backend: mapped from 0 up to 3.5 GiB, what is left of it from 4 GiB up."),
  BP_PROP_LINK ("firmware", I440fx, firmware, BP_FIRMWARE_CONFIG_ID, 0, "Where firmware looks for the memory map (file etc/e820)."),
  BP_PROP_LINK ("cmos", I440fx, cmos, BP_CMOS_ID, 0, "The clock whose CMOS RAM tells the sizes of memory to who does not ask `firmware'."),
  BP_PROP_BOOL ("bios-ram", I440fx, bios_ram, false,
                "RAM at 0xf0000 to 0xfffff from reset on, as firmware leaves it; for machines that start a kernel without firmware."),
  BP_PROP_END
};

static const BpRegionOps address_ops = BP_REGION_OPS (.read = address_read, .write = address_write, .impl_max = 4);
static const BpRegionOps data_ops = BP_REGION_OPS (.read = data_read, .write = data_write, .impl_max = 4);
static const BpRegionDesc bridge_regions[] = {
  BP_REGION_DESC ("pio0", I440fx, address_ports, &address_ops, 4, "Configuration address, 0xcf8; bytes at offset 1 reach the reset control register."),
  BP_REGION_DESC ("pio1", I440fx, data_ports, &data_ops, 4, "Configuration data, 0xcfc."),
  BP_REGION_DESC_END
};

static const BpPinDesc bridge_pins[] = {
  BP_PIN_DESC_OUTS ("pirq", I440fx, bus.intx, 4, 0, "PCI interrupt lines A to D, to the south bridge's inputs of that name."), BP_PIN_DESC_END
};

static const ResetPortIface reset_port_iface = { .struct_size = sizeof (ResetPortIface), .attach = attach_reset_port };
static const BpInterfaceDesc bridge_interfaces[] = { { BP_PCI_BUS_ID, &pci_bus_iface }, { RESET_PORT_ID, &reset_port_iface }, { PCI_PLUG_ID, &pci_plug_iface }, { NULL, NULL } };

static const BpStateField bridge_state[] = {
  PCI_BUS_STATE_FIELDS (I440fx), BP_STATE_FIELD_U32 (I440fx, config_address), BP_STATE_FIELD_U8 (I440fx, smram), BP_STATE_END
};

const BpTypeDesc i440fx_type = {
  BP_TYPE ("i440fx", BP_KIND_DEVICE, I440fx),
  .description = "Intel 82441FX host bridge: RAM, shadowing and PCI bus 0",
  .properties = bridge_properties,
  .regions = bridge_regions,
  .pins = bridge_pins,
  .interfaces = bridge_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = bridge_state,
  .configure = bridge_configure,
  .realize = bridge_realize,
  .unrealize = bridge_unrealize,
  .reset = bridge_reset,
  .post_load = bridge_post_load,
};
