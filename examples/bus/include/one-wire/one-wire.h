/* one-wire/one-wire.h -- a 1-Wire bus as a device sees it and as a master provides it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Whoever makes a 1-Wire device or master for Backplane includes this, and knows nothing of the others.  A device's type has a link to
 * ONE_WIRE_BUS_ID, attaches itself in realize and detaches in unrealize.  The line is open drain: it is high while nobody pulls it low.
 * An interface of a third party is named after a domain that the party owns, and has a revision; tables are only appended to.
 */
#ifndef ONE_WIRE_ONE_WIRE_H
#define ONE_WIRE_ONE_WIRE_H

#include <backplane/property.h>
BP_BEGIN_DECLS

#define ONE_WIRE_BUS_ID "com.example.one-wire-bus/1"

/* The device's side; called [any][locked]. */
typedef struct OneWireDevice {
  uint32_t struct_size;
  /* The master has held the line low for a reset: whether the device answers with a presence pulse. */
  bool (*reset) (void *self);
  /* A time slot, in which the master leaves the line high after the first microseconds, or does not.  false: the device pulls it low.  To read, a master makes slots
   * in which it leaves the line high. */
  bool (*slot) (void *self, bool high);
} OneWireDevice;

typedef struct OneWireBus {
  uint32_t struct_size;
  /* The bus calls device with self until it is detached; device stays the caller's. [main][realized] */
  void (*attach) (void *bus, const OneWireDevice *device, void *self);
  void (*detach) (void *bus, void *self);       /* one that is not attached: nothing happens */
} OneWireBus;

static inline bool
one_wire_attach (const BpLink *bus, const OneWireDevice *device, void *self)
{
  const OneWireBus *t = (const OneWireBus *) bus->table;
  if (!BP_TABLE_HAS (t, attach))
    return false;
  t->attach (bus->instance, device, self);
  return true;
}

static inline void
one_wire_detach (const BpLink *bus, void *self)
{
  const OneWireBus *t = (const OneWireBus *) bus->table;
  if (BP_TABLE_HAS (t, detach))
    t->detach (bus->instance, self);
}

BP_END_DECLS
#endif
