/* acpi-events.c -- power management of a machine without a chipset: the generic event device of hardware-reduced ACPI (ACPI 6.4, 4.1, 4.8.4.7, 5.6.9). */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/power.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include "acpi.h"
#include "hw-pc.h"

/* Sleep control (4.8.3.7): the type, and when to go to sleep. */
enum { SLEEP_TYPE_SHIFT = 2, SLEEP_TYPE_MASK = 7, SLEEP_ENABLE = 1 << 5 };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct AcpiEvents {
  uint8_t pending;              /* ACPI_EVENT_* that the guest has not read yet */
  uint32_t gsi;
  BpPin *irq;
  BpRegion *ports;
} AcpiEvents;

/* --- guest access -------------------------------------------------------------------- */

static uint64_t
events_read (void *self, uint64_t offset, unsigned size)
{
  AcpiEvents *e = self;
  if (offset != ACPI_EVENTS_PENDING)
    return 0;
  uint8_t pending = e->pending;
  e->pending = 0;
  bp_pin_set (e->irq, 0);
  return pending;
}

static void
sleep_control (AcpiEvents *e, uint8_t value)
{
  unsigned type = value >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK;
  if (!(value & SLEEP_ENABLE))
    return;
  if (type == ACPI_SLEEP_SOFT_OFF)
    bp_machine_request_shutdown (bp_object_machine (e), 0, "the guest switched the machine off (ACPI S5)");
  else
    bp_log_unimp (e, "suspend of type %u; the machine goes on. Only soft off (type %u, S5) is there, and no table offers another", type, ACPI_SLEEP_SOFT_OFF);
}

static void
events_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  if (offset == ACPI_EVENTS_SLEEP_CONTROL)
    sleep_control (self, (uint8_t) value);
  else if (offset == ACPI_EVENTS_RESET && value == ACPI_EVENTS_RESET_VALUE)
    bp_machine_request_reset (bp_object_machine (self), "the guest wrote to ACPI's reset register");
}

/* --- the button, and what the tables ask ------------------------------------------------- */

static void
press (void *self)
{
  AcpiEvents *e = self;
  e->pending |= ACPI_EVENT_BUTTON;
  bp_pin_set (e->irq, 1);
}

static uint32_t interrupt (void *self) { return ((AcpiEvents *) self)->gsi; }

/* Where the descriptor has mapped the ports. */
static bool
find_port (void *self, uint16_t *port)
{
  AcpiEvents *e = self;
  BpAddressSpace *io = bp_machine_address_space (bp_object_machine (self), "io");
  bool found = false;
  for (uint32_t at = 0; at < 0x10000 && !found; at++) {
    const BpFlatRange *r = bp_as_lookup (io, at);
    found = r && r->region == e->ports && r->region_offset == 0;
    *port = (uint16_t) at;
    if (r)
      bp_as_leave (io);
  }
  return found;
}

/* --- life cycle: reset ---------------------------------------------------------------------- */

static void
events_reset (void *self, BpResetKind kind)
{
  AcpiEvents *e = self;
  e->pending = 0;
  bp_pin_set (e->irq, 0);
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty events_properties[] = {
  BP_PROP_ ("gsi", BP_PROPERTY_U32, AcpiEvents, gsi, .default_int = 9, .max = 23, .help = "The I/O APIC's input that `irq' is wired to: the tables say so."),
  BP_PROP_END
};
static const BpPinDesc events_pins[] = { BP_PIN_DESC_OUT ("irq", AcpiEvents, irq, 0, "High while there are events that the guest has not read."), BP_PIN_DESC_END };
static const BpRegionOps events_ops = BP_REGION_OPS (.read = events_read, .write = events_write, .impl_max = 1);
static const BpRegionDesc events_regions[] = {
  BP_REGION_DESC ("pio0", AcpiEvents, ports, &events_ops, ACPI_EVENTS_SIZE, "Pending events (read clears), sleep control, sleep status, reset."),
  BP_REGION_DESC_END
};
static const BpStateField events_state[] = { BP_STATE_FIELD_U8 (AcpiEvents, pending), BP_STATE_END };
static const BpPowerButtonIface button = { sizeof button, press };
static const AcpiEventsIface told = { sizeof told, interrupt, find_port };
static const BpInterfaceDesc events_interfaces[] = { { BP_POWER_BUTTON_ID, &button }, { ACPI_EVENTS_ID, &told }, { NULL, NULL } };

const BpTypeDesc acpi_events_type = {
  BP_TYPE ("acpi-events", BP_KIND_DEVICE, AcpiEvents),
  .description = "Power button, soft off and reset by hardware-reduced ACPI, for machines without a chipset",
  .properties = events_properties,
  .pins = events_pins,
  .regions = events_regions,
  .interfaces = events_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = events_state,
  .reset = events_reset,
};
