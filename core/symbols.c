/* symbols.c -- names for guest addresses, and addresses for names, from all objects of a machine that have symbols. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include <backplane/iface/symbols.h>
#include <string.h>

/* Who knows nothing leaves nothing in the answer for the next one. */
void *
bp_machine_symbol (BpMachine *machine, const BpSymbolQuery *query, BpSymbolAnswer *answer)
{
  uint32_t size = answer->struct_size;
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next (machine, BP_SYMBOLS_ID, &cursor));) {
    const BpSymbolsIface *iface = bp_object_interface (o, BP_SYMBOLS_ID);
    memset (answer, 0, size);
    answer->struct_size = size;
    if (BP_TABLE_HAS (iface, find) && iface->find (o, query, answer))
      return o;
  }
  return NULL;
}

bool
bp_machine_symbol_address (BpMachine *machine, const char *name, uint64_t *address)
{
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next (machine, BP_SYMBOLS_ID, &cursor));) {
    const BpSymbolsIface *iface = bp_object_interface (o, BP_SYMBOLS_ID);
    if (BP_TABLE_HAS (iface, address) && iface->address (o, name, address))
      return true;
  }
  return false;
}
