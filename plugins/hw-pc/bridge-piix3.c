/* bridge-piix3.c -- Intel 82371SB PIIX3 (April 1997), function 0: PCI-to-ISA bridge, interrupt routing, reset control. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include "hw-pc.h"
#include "pci-bus.h"

/* --- registers -------------------------------------------------------------- */

enum { PIRQ_ROUTE = 0x60, ROUTE_OFF = 0x80, ROUTE_IRQ = 0x0f };
enum { RESET_HARD = 1 << 1, RESET_CPU = 1 << 2 };
#define ROUTABLE 0xdef8         /* IRQ 3 to 7, 9 to 12, 14, 15 (2.2.10) */

/* Reset values and writable bits of the registers that are kept but have no effect here (2.2). */
static const struct { uint8_t offset, value, writable; } kept[] = {
  { 0x4c, 0x4d, 0x7f }, { 0x4e, 0x03, 0xff }, { 0x4f, 0x00, 0x01 }, { 0x69, 0x02, 0xfe }, { 0x6a, 0x00, 0xd1 }, { 0x70, 0x80, 0xef },
  { 0x71, 0x00, 0xef }, { 0x76, 0x0c, 0x8f }, { 0x77, 0x0c, 0x8f }, { 0x78, 0x02, 0xff }, { 0x79, 0x00, 0xff }, { 0x80, 0x00, 0x7f },
  { 0x82, 0x00, 0x0f }, { 0xa0, 0x08, 0x1f }, { 0xa2, 0x00, 0xff }, { 0xa3, 0x00, 0xff }, { 0xa4, 0x00, 0xff }, { 0xa5, 0x00, 0xff },
  { 0xa6, 0x00, 0xff }, { 0xa7, 0x00, 0xff }, { 0xa8, 0x0f, 0xff }, { 0xaa, 0x00, 0xff }, { 0xab, 0x00, 0xff }, { 0xac, 0x00, 0xff },
  { 0xae, 0x00, 0xff }
};

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Piix3 {
  uint8_t lines;                /* levels of the PIRQ inputs */
  uint8_t reset_control;
  BpLink bus;
  char *address;
  BpPciSlot *slot;
  BpPin *irq[16];
  BpRegion *reset_port;
} Piix3;

static const BpPciBusIface *bus_of (const Piix3 *p) { return p->bus.table; }
static uint8_t *config_of (const Piix3 *p) { return bus_of (p)->config (p->bus.instance, p->slot); }

/* --- interrupt routing --------------------------------------------------------------- */

static void
update_irqs (Piix3 *p)
{
  const uint8_t *route = config_of (p) + PIRQ_ROUTE;
  uint32_t high = 0;
  for (unsigned i = 0; i < 4; i++)
    if (p->lines >> i & 1 && !(route[i] & ROUTE_OFF))
      high |= 1u << (route[i] & ROUTE_IRQ);
  for (unsigned i = 0; i < 16; i++)
    bp_pin_set (p->irq[i], (int) (high & ROUTABLE) >> i & 1);
}

static void
set_pirq (void *self, unsigned index, int level)
{
  Piix3 *p = self;
  p->lines = (uint8_t) (level ? p->lines | 1 << index : p->lines & ~(1 << index));
  if (p->slot)
    update_irqs (p);
}

/* --- guest access -------------------------------------------------------------------- */

static void
config_written (void *self, unsigned offset, unsigned size)
{
  if (offset < PIRQ_ROUTE + 4 && offset + size > PIRQ_ROUTE)
    update_irqs (self);
}

static uint8_t
read_reset_control (void *self)
{
  return ((Piix3 *) self)->reset_control;
}

/* The rising edge of RESET_CPU resets; both kinds reset the whole machine. */
static void
write_reset_control (void *self, uint8_t value)
{
  Piix3 *p = self;
  bool rises = value & ~p->reset_control & RESET_CPU;
  p->reset_control = value & (RESET_HARD | RESET_CPU);
  if (rises)
    bp_machine_request_reset (bp_object_machine (p), value & RESET_HARD ? "hard reset by port 0xcf9" : "soft reset by port 0xcf9");
}

static uint64_t reset_port_read (void *self, uint64_t offset, unsigned size) { return read_reset_control (self); }
static void reset_port_write (void *self, uint64_t offset, uint64_t value, unsigned size) { write_reset_control (self, (uint8_t) value); }

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static void
attach_reset_port (Piix3 *p, bool attach)
{
  const ResetPortIface *t = bp_object_interface (p->bus.instance, RESET_PORT_ID);
  if (BP_TABLE_HAS (t, attach))
    t->attach (p->bus.instance, attach ? read_reset_control : NULL, attach ? write_reset_control : NULL, attach ? p : NULL);
}

static bool
piix3_realize (void *self, GError **error)
{
  Piix3 *p = self;
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = 0x8086, .device_id = 0x7000, .subclass = 1, .class_code = 6, .header_type = 0x80, .self = p,
                      .config_written = config_written };
  int address = bp_pci_address_parse (p->address);
  if (address < 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is not a place on a PCI bus; write DEVICE.FUNCTION, as in 01.0", p->address);
    return false;
  }
  p->slot = bus_of (p)->add (p->bus.instance, (unsigned) address, &f, error);
  if (!p->slot)
    return false;
  uint8_t *mask = bus_of (p)->write_mask (p->bus.instance, p->slot);
  bp_pci_put16 (mask, BP_PCI_COMMAND, 0x0108);
  for (unsigned i = 0; i < 4; i++)
    mask[PIRQ_ROUTE + i] = ROUTE_OFF | ROUTE_IRQ;
  for (unsigned i = 0; i < G_N_ELEMENTS (kept); i++)
    mask[kept[i].offset] = kept[i].writable;
  attach_reset_port (p, true);
  return true;
}

static void
piix3_unrealize (void *self)
{
  Piix3 *p = self;
  if (!p->slot)
    return;
  attach_reset_port (p, false);
  bus_of (p)->remove (p->bus.instance, p->slot);
  p->slot = NULL;
}

static void
piix3_reset (void *self, BpResetKind kind)
{
  Piix3 *p = self;
  bus_of (p)->reset (p->bus.instance, p->slot);
  uint8_t *c = config_of (p);
  bp_pci_put16 (c, BP_PCI_COMMAND, 0x0007);
  bp_pci_put16 (c, BP_PCI_STATUS, 0x0200);
  for (unsigned i = 0; i < 4; i++)
    c[PIRQ_ROUTE + i] = ROUTE_OFF;
  for (unsigned i = 0; i < G_N_ELEMENTS (kept); i++)
    c[kept[i].offset] = kept[i].value;
  p->lines = p->reset_control = 0;
  update_irqs (p);
}

static bool
piix3_post_load (void *self, GError **error)
{
  update_irqs (self);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty piix3_properties[] = {
  BP_PROP_LINK ("bus", Piix3, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus it is on."),
  BP_PROP_STRING ("address", Piix3, address, "01.0", "Its place on the bus: device (hexadecimal) and function."),
  BP_PROP_END
};

static const BpRegionOps reset_port_ops = BP_REGION_OPS (.read = reset_port_read, .write = reset_port_write, .impl_max = 1);
static const BpRegionDesc piix3_regions[] = {
  BP_REGION_DESC ("pio0", Piix3, reset_port, &reset_port_ops, 1,
                  "Reset control, 0xcf9.  An i440fx passes accesses to that port on by itself; map it only behind other bridges."),
  BP_REGION_DESC_END
};

static const BpPinDesc piix3_pins[] = {
  BP_PIN_DESC_IN ("pirq", 4, set_pirq, BP_PIN_WIRED_OR, "PCI interrupt lines A to D."),
  BP_PIN_DESC_OUTS ("irq", Piix3, irq, 16, 0, "ISA interrupt lines to which registers 0x60 to 0x63 route the PCI lines: 3 to 7, 9 to 12, 14, 15."),
  BP_PIN_DESC_END
};

static const BpStateField piix3_state[] = { BP_STATE_FIELD_U8 (Piix3, lines), BP_STATE_FIELD_U8 (Piix3, reset_control), BP_STATE_END };

const BpTypeDesc piix3_type = {
  BP_TYPE ("piix3", BP_KIND_DEVICE, Piix3),
  .description = "Intel 82371SB PIIX3 PCI-to-ISA bridge",
  .properties = piix3_properties,
  .regions = piix3_regions,
  .pins = piix3_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = piix3_state,
  .realize = piix3_realize,
  .unrealize = piix3_unrealize,
  .reset = piix3_reset,
  .post_load = piix3_post_load,
};
