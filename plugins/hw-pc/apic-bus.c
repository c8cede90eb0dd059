/* apic-bus.c -- who gets an APIC message: destinations and lowest-priority arbitration. */
/* SPDX-License-Identifier: MIT */
#include "apic-bus.h"

void
apic_bus_join (ApicBus *bus, BpMachine *machine)
{
  unsigned cursor = 0;
  void *member;
  bus->members = g_array_new (FALSE, FALSE, sizeof (BpLink));
  while ((member = bp_machine_next (machine, APIC_BUS_ID, &cursor)) != NULL) {
    BpLink link = { member, bp_object_interface (member, APIC_BUS_ID) };
    g_array_append_val (bus->members, link);
  }
}

void
apic_bus_leave (ApicBus *bus)
{
  g_clear_pointer (&bus->members, g_array_unref);
}

static bool
is_addressed (const BpLink *member, const ApicMessage *message)
{
  const ApicBusIface *t = member->table;
  return BP_TABLE_HAS (t, is_addressed) && t->is_addressed (member->instance, message);
}

static void
deliver (const BpLink *member, const ApicMessage *message)
{
  const ApicBusIface *t = member->table;
  if (BP_TABLE_HAS (t, deliver))
    t->deliver (member->instance, message);
}

/* SDM 3A, 11.6.2.4: the one that runs at the lowest priority; of equals the first. */
static bool
send_lowest (const ApicBus *bus, const ApicMessage *message)
{
  const BpLink *best = NULL;
  int lowest = G_MAXINT;
  bool found = false;
  for (unsigned i = 0; i < bus->members->len; i++) {
    const BpLink *member = &g_array_index (bus->members, BpLink, i);
    const ApicBusIface *t = member->table;
    if (!is_addressed (member, message) || !BP_TABLE_HAS (t, priority))
      continue;
    int priority = t->priority (member->instance, message->vector);
    found = true;
    if (priority >= 0 && priority < lowest) {
      lowest = priority;
      best = member;
    }
  }
  if (best)
    deliver (best, message);
  return found;
}

bool
apic_bus_send (const ApicBus *bus, const ApicMessage *message)
{
  bool found = false;
  if (message->delivery == APIC_LOWEST)
    return send_lowest (bus, message);
  for (unsigned i = 0; i < bus->members->len; i++) {
    const BpLink *member = &g_array_index (bus->members, BpLink, i);
    if (!is_addressed (member, message))
      continue;
    found = true;
    deliver (member, message);
  }
  return found;
}

void
apic_bus_broadcast (const ApicBus *bus, const ApicMessage *message, const void *except)
{
  for (unsigned i = 0; i < bus->members->len; i++) {
    const BpLink *member = &g_array_index (bus->members, BpLink, i);
    if (member->instance != except)
      deliver (member, message);
  }
}

void
apic_bus_end_of_interrupt (const ApicBus *bus, uint8_t vector)
{
  for (unsigned i = 0; i < bus->members->len; i++) {
    const BpLink *member = &g_array_index (bus->members, BpLink, i);
    const ApicBusIface *t = member->table;
    if (BP_TABLE_HAS (t, end_of_interrupt))
      t->end_of_interrupt (member->instance, vector);
  }
}
