/* pci.c -- the PCI bus of a test as the test sees it: configuration cycles, pins, and the messages that were sent. */
/* SPDX-License-Identifier: MIT */
#include "stand-ins/pci.h"
#include "testing.h"
#include <backplane/test-pci.h>
#include <string.h>

static Pci *pci_of (BpTest *t, const char *bus) { return testing_object (t, bus, &stand_in_pci); }

/* --- configuration cycles ---------------------------------------------------------------------- */

static void
check_cycle (unsigned function, unsigned offset, unsigned size)
{
  if ((size != 1 && size != 2 && size != 4) || offset % size || offset > 256 - size || function >= PCI_FUNCTIONS)
    (bp_test_fail) ("there is no configuration cycle of %u bytes at 0x%x of function %u", size, offset, function);
}

uint32_t
(bp_test_pci_read) (BpTest *t, const char *bus, unsigned function, unsigned offset, unsigned size)
{
  const Pci *pci = pci_of (t, bus);
  check_cycle (function, offset, size);
  if (!pci->slots[function])
    return UINT32_MAX >> (32 - 8 * size);
  bp_machine_lock (t->machine);
  uint32_t value = stand_in_pci_read (pci->slots[function], offset, size);
  bp_machine_unlock (t->machine);
  return value;
}

void
(bp_test_pci_write) (BpTest *t, const char *bus, unsigned function, unsigned offset, uint32_t value, unsigned size)
{
  Pci *pci = pci_of (t, bus);
  check_cycle (function, offset, size);
  if (!pci->slots[function])
    return;
  bp_machine_lock (t->machine);
  stand_in_pci_write (pci->slots[function], offset, value, size);
  bp_machine_unlock (t->machine);
}

int
(bp_test_pci_interrupt) (BpTest *t, const char *bus, unsigned function)
{
  const Pci *pci = pci_of (t, bus);
  const BpPciSlot *s = function < PCI_FUNCTIONS ? pci->slots[function] : NULL;
  if (!s)
    (bp_test_fail) ("there is nothing at %02x.%u on `%s`", function >> 3, function & 7, bus);
  return pci->state[function].level && !(stand_in_pci_get (s->config + PCI_COMMAND, 2) & COMMAND_NO_INTERRUPT);
}

/* --- messages ------------------------------------------------------------------------------------ */

static Pci *
up_to_date (BpTest *t, const char *bus)
{
  Pci *pci = pci_of (t, bus);
  bp_machine_lock (t->machine);
  stand_in_pci_poll (pci);
  bp_machine_unlock (t->machine);
  return pci;
}

bool
(bp_test_pci_take_message) (BpTest *t, const char *bus, BpTestMessage *out)
{
  uint32_t size = out->struct_size;
  if (size < sizeof size)
    (bp_test_fail) ("struct_size of a BpTestMessage is not set");
  g_autofree PciMessage *m = g_queue_pop_head (&up_to_date (t, bus)->messages);
  if (!m)
    return false;
  BpTestMessage message = { .function = m->function, .address = m->address, .data = m->data };
  memcpy (out, &message, MIN (size, sizeof message));
  out->struct_size = size;
  return true;
}

unsigned
(bp_test_pci_messages) (BpTest *t, const char *bus)
{
  return up_to_date (t, bus)->messages.length;
}
