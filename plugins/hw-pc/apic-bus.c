/* apic-bus.c -- who gets an APIC message: destinations and lowest-priority arbitration. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
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

/* --- messages in memory ----------------------------------------------------------------------------- */

#define MESSAGES UINT64_C (0xfee00000)
enum { ADDRESS_LOGICAL = 1 << 2, ADDRESS_REDIRECT = 1 << 3, ADDRESS_DESTINATION = 12 /* shift */, DATA_ASSERT = 1 << 14, DATA_LEVEL = 1 << 15 };

void
apic_message_encode (const ApicMessage *m, uint64_t *address, uint32_t *data)
{
  *address = MESSAGES | (uint64_t) (m->destination & 0xff) << ADDRESS_DESTINATION | (m->logical ? ADDRESS_LOGICAL : 0);
  *data = m->vector | (uint32_t) m->delivery << 8 | (m->level ? DATA_LEVEL | DATA_ASSERT : 0);
}

/* With the redirection hint it is for one of those addressed.  Reserved and start-up delivery are none of a device's (table 11-3, figure 11-25). */
bool
apic_message_decode (uint64_t address, uint32_t data, ApicMessage *m)
{
  if (address >> 20 != MESSAGES >> 20)
    return false;
  *m = (ApicMessage) { .delivery = (ApicDelivery) (data >> 8 & 7), .vector = (uint8_t) data, .logical = address & ADDRESS_LOGICAL,
                       .destination = apic_destination_8 (address >> ADDRESS_DESTINATION & 0xff), .level = data & DATA_LEVEL };
  if (m->delivery == APIC_FIXED && address & ADDRESS_REDIRECT)
    m->delivery = APIC_LOWEST;
  return m->delivery != APIC_REMOTE_READ && m->delivery != APIC_STARTUP;
}
