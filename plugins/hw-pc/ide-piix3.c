/* ide-piix3.c -- Intel 82371SB PIIX3 (April 1997), function 1: two IDE channels at their legacy ports, and a bus master for each. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/pci.h>
#include <backplane/iface/firmware-config.h>
#include <backplane/object.h>
#include <string.h>
#include "hw-pc.h"
#include "ide-channel.h"

/* --- registers -------------------------------------------------------------- */

enum { TIMING = 0x40, TIMING_END = 0x48, TIMING_DECODE = 0x80 /* in its second byte */ };       /* 2.3 */
#define MASTER_PORTS 16u
#define MASTER_STRIDE 8u

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Piix3Ide {
  IdeAdapter adapter;           /* first */
  BpLink bus, firmware;
  char *address;
  bool enabled;
  BpPciSlot *slot;
  BpRegion *commands[IDE_N_CHANNELS], *controls[IDE_N_CHANNELS], *master;
} Piix3Ide;

static const BpPciBusIface *bus_of (const Piix3Ide *p) { return p->bus.table; }
static uint8_t *config_of (const Piix3Ide *p) { return bus_of (p)->config (p->bus.instance, p->slot); }

/* --- guest access -------------------------------------------------------------------- */

/* The legacy ports are decoded while I/O space and the channel's own bit are on. */
static void
follow (Piix3Ide *p)
{
  const uint8_t *c = config_of (p);
  bp_memory_begin ();
  for (unsigned i = 0; i < IDE_N_CHANNELS; i++) {
    bool on = bp_pci_get16 (c, BP_PCI_COMMAND) & BP_PCI_COMMAND_IO && c[TIMING + 2 * i + 1] & TIMING_DECODE;
    bp_region_set_enabled (p->commands[i], on);
    bp_region_set_enabled (p->controls[i], on);
  }
  bp_memory_commit ();
}

static void
config_written (void *self, unsigned offset, unsigned size)
{
  if ((offset < TIMING_END && offset + size > TIMING) || offset <= BP_PCI_COMMAND)
    follow (self);
}

static uint64_t
master_read (void *self, uint64_t offset, unsigned size)
{
  Piix3Ide *p = self;
  return ide_master_read (&p->adapter.channels[offset / MASTER_STRIDE], (unsigned) offset % MASTER_STRIDE);
}

static void
master_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Piix3Ide *p = self;
  ide_master_write (&p->adapter.channels[offset / MASTER_STRIDE], (unsigned) offset % MASTER_STRIDE, (uint8_t) value);
}

/* --- what firmware is told -------------------------------------------------------------- */

/* Lines of SeaBIOS's file "bios-geometry": a device path, and cylinders, heads and sectors for the BIOS's own calls. */
static void
make_geometry (void *self, GByteArray *bytes)
{
  Piix3Ide *p = self;
  int address = bp_pci_address_parse (p->address);
  for (unsigned i = 0; i < 2 * IDE_N_CHANNELS; i++) {
    const BpAtaSlot *slot = &p->adapter.channels[i >> 1].slots[i & 1];
    if (!slot->there || !slot->drive.sectors)
      continue;
    g_autofree char *line = g_strdup_printf ("%s/pci@i0cf8/ide@%x,%x/drive@%u/disk@%u %u %u %u", bytes->len ? "\n" : "", (unsigned) address >> 3, (unsigned) address & 7, i >> 1, i & 1,
                                             slot->drive.cylinders, slot->drive.heads, slot->drive.sectors);
    g_byte_array_append (bytes, (const uint8_t *) line, (guint) strlen (line));
  }
  g_byte_array_append (bytes, (const uint8_t *) "", 1);
}

/* --- life cycle: configure, realize, reset -------------------------------------------------- */

static const BpRegionOps master_ops = BP_REGION_OPS (.read = master_read, .write = master_write, .impl_max = 1);

static bool
ide_configure (void *self, GError **error)
{
  Piix3Ide *p = self;
  ide_adapter_init (&p->adapter);
  p->master = bp_region_new_io (self, "bus master", &master_ops, MASTER_PORTS);
  return true;
}

static bool
ide_realize (void *self, GError **error)
{
  Piix3Ide *p = self;
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = 0x8086, .device_id = 0x7010, .class_code = 1, .subclass = 1, .prog_if = 0x80, .self = p,
                      .config_written = config_written };
  int address = bp_pci_address_parse (p->address);
  f.bars[4] = (BpPciBar) { .region = p->master, .type = BP_PCI_BAR_IO };
  if (address < 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is not a place on a PCI bus; write DEVICE.FUNCTION, as in 01.1", p->address);
    return false;
  }
  p->slot = bus_of (p)->add (p->bus.instance, (unsigned) address, &f, error);
  if (!p->slot)
    return false;
  uint8_t *mask = bus_of (p)->write_mask (p->bus.instance, p->slot);
  bp_pci_put16 (mask, BP_PCI_COMMAND, BP_PCI_COMMAND_IO | BP_PCI_COMMAND_MASTER);
  for (unsigned i = TIMING; i < TIMING_END - 4; i++)
    mask[i] = i & 1 ? 0xf3 : 0xff;
  mask[0x44] = 0xff;            /* timing of the slaves */
  for (unsigned i = 0; i < IDE_N_CHANNELS; i++)
    p->adapter.channels[i].memory = bus_of (p)->dma (p->bus.instance, p->slot);
  return bp_firmware_config_add_maker (&p->firmware, "bios-geometry", make_geometry, p, error);
}

static void
ide_unrealize (void *self)
{
  Piix3Ide *p = self;
  if (p->slot)
    bus_of (p)->remove (p->bus.instance, p->slot);
  p->slot = NULL;
  bp_region_free (p->master);
  p->master = NULL;
}

static void
ide_reset (void *self, BpResetKind kind)
{
  Piix3Ide *p = self;
  ide_adapter_reset (&p->adapter);
  bus_of (p)->reset (p->bus.instance, p->slot);
  uint8_t *c = config_of (p);
  bp_pci_put16 (c, BP_PCI_COMMAND, p->enabled ? BP_PCI_COMMAND_IO : 0);
  bp_pci_put16 (c, BP_PCI_STATUS, 0x0280);
  c[TIMING + 1] = c[TIMING + 3] = p->enabled ? TIMING_DECODE : 0;
  follow (p);
}

static bool
ide_post_load (void *self, GError **error)
{
  Piix3Ide *p = self;
  ide_adapter_post_load (&p->adapter);
  follow (p);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty ide_properties[] = {
  BP_PROP_LINK ("bus", Piix3Ide, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus it is on."),
  IDE_ADAPTER_PROPERTIES (Piix3Ide),
  BP_PROP_STRING ("address", Piix3Ide, address, "01.1", "Its place on the bus: device (hexadecimal) and function."),
  BP_PROP_LINK ("firmware", Piix3Ide, firmware, BP_FIRMWARE_CONFIG_ID, 0, "Where firmware looks for the geometry of the disks (file bios-geometry)."),
  BP_PROP_BOOL ("enabled", Piix3Ide, enabled, false,
                "Both channels answer from reset on, as firmware leaves them; for machines that start a kernel without firmware."),
  BP_PROP_END
};

static const BpRegionDesc ide_regions[] = {
  BP_REGION_DESC ("pio0", Piix3Ide, commands[0], &ide_command_ops[0], 8, "Channel 0's command block, 0x1f0."),
  BP_REGION_DESC ("pio1", Piix3Ide, controls[0], &ide_control_ops[0], 1, "Channel 0's device control, 0x3f6."),
  BP_REGION_DESC ("pio2", Piix3Ide, commands[1], &ide_command_ops[1], 8, "Channel 1's command block, 0x170."),
  BP_REGION_DESC ("pio3", Piix3Ide, controls[1], &ide_control_ops[1], 1, "Channel 1's device control, 0x376."),
  BP_REGION_DESC_END
};

static const BpPinDesc ide_pins[] = {
  BP_PIN_DESC_OUT ("irq14", Piix3Ide, adapter.channels[0].irq, 0, "Channel 0's interrupt."),
  BP_PIN_DESC_OUT ("irq15", Piix3Ide, adapter.channels[1].irq, 0, "Channel 1's interrupt."), BP_PIN_DESC_END
};

static const BpInterfaceDesc ide_interfaces[] = { { BP_ATA_BUS_ID, &ide_bus_iface }, { NULL, NULL } };

static const BpStateField ide_state[] = {
  BP_STATE_FIELD_STRUCTS (Piix3Ide, adapter.channels, IDE_N_CHANNELS, ide_channel_state), BP_STATE_END
};

const BpTypeDesc piix3_ide_type = {
  BP_TYPE ("piix3-ide", BP_KIND_DEVICE, Piix3Ide),
  .description = "Intel 82371SB PIIX3 IDE adapter: two channels with bus masters",
  .properties = ide_properties,
  .regions = ide_regions,
  .pins = ide_pins,
  .interfaces = ide_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = ide_state,
  .configure = ide_configure,
  .realize = ide_realize,
  .unrealize = ide_unrealize,
  .reset = ide_reset,
  .post_load = ide_post_load,
};
