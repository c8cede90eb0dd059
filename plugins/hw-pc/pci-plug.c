/* pci-plug.c -- functions that join and leave a PCI bus in a running machine: whose they are, who tells the guest, what it sees of one that it has let go of. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include "pci-slot.h"

enum { N_DEVICES = 32, FUNCTIONS_EACH = 8 };

static unsigned device_of (const BpPciSlot *s) { return s->address / FUNCTIONS_EACH; }

/* What the tables have a device for: it is free, or has function 0 alone. */
static bool
may_leave (const PciBus *bus, unsigned device)
{
  for (unsigned i = 0; i < FUNCTIONS_EACH; i++) {
    const BpPciSlot *s = bus->slots[device * FUNCTIONS_EACH + i];
    if (s && (!s->owner || i))
      return false;
  }
  return true;
}

/* --- coming ----------------------------------------------------------------------------------- */

bool
pci_hot_plug (void *self, BpPciSlot *s, void *owner, GError **error)
{
  PciBus *bus = self;
  const char *wrong = NULL;
  s->owner = owner;
  if (bus->is_up && !bus->plugger)
    wrong = "the guest would not be told: the machine has no [device] of type pci-slots for the bus";
  else if (bus->is_up && !may_leave (bus, device_of (s)))
    wrong = "guests look for function 0 of what comes, alone in its place";
  if (wrong) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%02x.%x of `%s' cannot come to a machine that runs: %s", device_of (s), s->address % FUNCTIONS_EACH, bp_object_id (bus),
                 wrong);
    return false;
  }
  if (bus->is_up)
    bus->plugger->came (bus->plugger_self, device_of (s));
  return true;
}

/* --- going ------------------------------------------------------------------------------------ */

bool
pci_ask (void *self, BpPciSlot *s, GError **error)
{
  PciBus *bus = self;
  if (bus->plugger && may_leave (bus, device_of (s))) {
    bus->plugger->asked (bus->plugger_self, device_of (s));
    return true;
  }
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%02x.%x of `%s' cannot leave a machine that runs: %s", device_of (s), s->address % FUNCTIONS_EACH, bp_object_id (bus),
               bus->plugger ? "guests let go of function 0, alone in its place"
                            : "the guest cannot be asked, since the machine has no [device] of type pci-slots for the bus");
  return false;
}

void
pci_plug_gone (BpPciSlot *s)
{
  if (s->bus->plugger && s->owner)
    s->bus->plugger->gone (s->bus->plugger_self, device_of (s));
}

/* --- for pci-slots.c -------------------------------------------------------------------------- */

static bool
attach (void *self, const PciPlugger *plugger, void *user)
{
  PciBus *bus = self;
  if (plugger && bus->plugger)
    return false;
  bus->plugger = plugger;
  bus->plugger_self = user;
  return true;
}

static uint32_t
removable (void *self)
{
  uint32_t all = 0;
  for (unsigned device = 0; device < N_DEVICES; device++)
    all |= may_leave (self, device) ? 1u << device : 0;
  return all;
}

static void *
owner (void *self, unsigned device)
{
  const PciBus *bus = self;
  const BpPciSlot *s = bus->slots[device * FUNCTIONS_EACH];
  return s && may_leave (bus, device) ? s->owner : NULL;
}

static void
hide (void *self, unsigned device)
{
  BpPciSlot *s = ((PciBus *) self)->slots[device * FUNCTIONS_EACH];
  s->ejected = true;
  pci_slot_hide (s);
}

const PciPlugIface pci_plug_iface = { .struct_size = sizeof pci_plug_iface, .attach = attach, .removable = removable, .owner = owner, .hide = hide };
