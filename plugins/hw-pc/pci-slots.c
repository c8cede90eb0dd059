/* pci-slots.c -- PCI functions that join and leave a running PC: the registers of QEMU's docs/specs/acpi_pci_hotplug, by which ACPI's methods learn of them. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include <backplane/machine.h>
#include "acpi.h"
#include "hw-pc.h"
#include "pci-bus.h"

/* --- registers -------------------------------------------------------------- */

/* A bit for each device number.  CAME and ASKED are taken back by reading. */
enum { CAME = 0x00, ASKED = 0x04, EJECT = 0x08, REMOVABLE = 0x0c };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct PciSlots {
  uint32_t came, asked;         /* what the guest has not been told yet */
  uint32_t unanswered;          /* it was asked to let go of them */
  uint32_t ejected;             /* it has: they are about to leave, and nobody sees them any more */
  BpLink bus;
  BpPin *event;
  BpRegion *registers;
  unsigned watch;
  const PciPlugIface *plug;     /* the bus's; NULL: not attached */
} PciSlots;

static void drive_event (PciSlots *s) { bp_pin_set (s->event, s->came || s->asked); }

static void
function_gone (void *self, unsigned device)
{
  PciSlots *s = self;
  uint32_t others = ~(1u << device);
  s->came &= others;
  s->asked &= others;
  s->unanswered &= others;
  s->ejected &= others;
  drive_event (s);
}

/* --- guest access ----------------------------------------------------------- */

static uint32_t
take (PciSlots *s, uint32_t *bits)
{
  uint32_t value = *bits;
  *bits = 0;
  drive_event (s);
  return value;
}

static uint64_t
registers_read (void *self, uint64_t offset, unsigned size)
{
  PciSlots *s = self;
  switch (offset) {
  case CAME: return take (s, &s->came);
  case ASKED: return take (s, &s->asked);
  case REMOVABLE: return s->plug->removable (s->bus.instance);
  default: return 0;
  }
}

static void
eject (PciSlots *s, unsigned device)
{
  void *owner = s->plug->owner (s->bus.instance, device);
  if (!owner) {
    bp_log_guest (s, "ejects device %02x, in which there is nothing that can leave", device);
    return;
  }
  function_gone (s, device);
  s->ejected |= 1u << device;
  s->plug->hide (s->bus.instance, device);
  bp_object_removal_done (owner);
}

static void
registers_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  PciSlots *s = self;
  for (unsigned i = 0; offset == EJECT && i < 32; i++)
    if (value >> i & ~(s->ejected >> i) & 1)
      eject (s, i);
}

static const BpRegionOps registers_ops = BP_REGION_OPS (.read = registers_read, .write = registers_write, .access_min = 4, .access_max = 4, .impl_min = 4,
                                                         .impl_max = 4);

/* --- the bus's functions ------------------------------------------------------ */

static void
function_came (void *self, unsigned device)
{
  PciSlots *s = self;
  s->came |= 1u << device;
  drive_event (s);
}

static void
function_asked (void *self, unsigned device)
{
  PciSlots *s = self;
  if (s->ejected >> device & 1)
    return;                     /* it leaves already */
  s->asked |= 1u << device;
  s->unanswered |= 1u << device;
  drive_event (s);
}

/* One that was ejected while the machine moved leaves where it has come to. */
static void
on_machine (void *user, BpMachineEvent event, const char *detail)
{
  PciSlots *s = user;
  if (event != BP_MACHINE_RESUMED)
    return;
  bp_machine_lock (bp_object_machine (s));
  for (unsigned i = 0; i < 32; i++)
    if (s->ejected >> i & 1)
      bp_object_removal_done (s->plug->owner (s->bus.instance, i));
  bp_machine_unlock (bp_object_machine (s));
}

static uint32_t removable (void *self) { return ((PciSlots *) self)->plug->removable (((PciSlots *) self)->bus.instance); }

/* --- life cycle: realize, reset, load ------------------------------------------ */

static bool
slots_realize (void *self, GError **error)
{
  static const PciPlugger plugger = { function_came, function_asked, function_gone };
  PciSlots *s = self;
  s->plug = bp_object_interface (s->bus.instance, PCI_PLUG_ID);
  if (s->plug && s->plug->attach (s->bus.instance, &plugger, s)) {
    s->watch = bp_machine_watch (bp_object_machine (s), on_machine, s);
    return true;
  }
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, s->plug ? "bus = %s has such slots already" : "functions of bus = %s cannot come and go", bp_object_id (s->bus.instance));
  s->plug = NULL;
  return false;
}

static void
slots_unrealize (void *self)
{
  PciSlots *s = self;
  if (s->plug) {
    bp_machine_unwatch (bp_object_machine (s), s->watch);
    s->plug->attach (s->bus.instance, NULL, NULL);
  }
  s->plug = NULL;
}

/* What is there by now an operating system finds when it starts, and of what another was asked it knows nothing. */
static void
slots_reset (void *self, BpResetKind kind)
{
  PciSlots *s = self;
  for (unsigned i = 0; i < 32; i++)
    if (s->unanswered >> i & 1)
      bp_object_removal_refused (s->plug->owner (s->bus.instance, i), "the machine was reset before the guest answered");
  s->came = s->asked = s->unanswered = 0;
  drive_event (s);
}

/* A file may say anything. */
static bool
slots_post_load (void *self, GError **error)
{
  PciSlots *s = self;
  for (unsigned i = 0; i < 32; i++) {
    if ((s->ejected | s->unanswered) >> i & 1 && !s->plug->owner (s->bus.instance, i)) {
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "device %02x was about to leave, and cannot leave here", i);
      s->ejected = s->unanswered = 0;   /* a reset may come yet */
      return false;
    }
    if (s->ejected >> i & 1)
      s->plug->hide (s->bus.instance, i);
  }
  return true;
}

/* --- tables: properties, pins, regions, saved fields, type ----------------------- */

static const BpProperty slots_properties[] = {
  BP_PROP_LINK ("bus", PciSlots, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus whose functions may come and go."), BP_PROP_END
};
static const BpPinDesc slots_pins[] = {
  BP_PIN_DESC_OUT ("event", PciSlots, event, 0, "High while the guest has not been told of a function; power management's gpi1 in a PC."), BP_PIN_DESC_END
};
static const BpRegionDesc slots_regions[] = {
  BP_REGION_DESC ("pio0", PciSlots, registers, &registers_ops, ACPI_PCI_SIZE, "Registers, 0xae00 in a PC: which came, which shall go, ejection, which can go."),
  BP_REGION_DESC_END
};
static const BpStateField slots_state[] = { BP_STATE_FIELD_U32 (PciSlots, came), BP_STATE_FIELD_U32 (PciSlots, asked), BP_STATE_FIELD_U32 (PciSlots, unanswered),
                                            BP_STATE_FIELD_U32 (PciSlots, ejected), BP_STATE_END };
static const AcpiPciIface told = { sizeof told, removable };
static const BpInterfaceDesc slots_interfaces[] = { { ACPI_PCI_ID, &told }, { NULL, NULL } };

const BpTypeDesc pci_slots_type = {
  BP_TYPE ("pci-slots", BP_KIND_DEVICE, PciSlots),
  .description = "Slots for PCI functions that are added and removed while the machine runs, by ACPI",
  .properties = slots_properties,
  .pins = slots_pins,
  .regions = slots_regions,
  .interfaces = slots_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = slots_state,
  .realize = slots_realize,
  .unrealize = slots_unrealize,
  .reset = slots_reset,
  .post_load = slots_post_load,
};
