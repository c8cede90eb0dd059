/* symbols.c -- names for guest addresses, and addresses for names, from all objects of a machine that have symbols. */
/* SPDX-License-Identifier: MIT */
#include "build.h"
#include <backplane/iface/symbols.h>
#include <string.h>

/*
 * A vCPU's thread asks while it translates, without the machine lock, and objects join meanwhile: so what it looks at is an array of those with symbols that never
 * changes.  There is a new one when one of them joins or leaves; those before are kept, because nobody knows who looks at them still.
 */
void
symbols_collect (BpMachine *m)
{
  FullMachine *fm = full_machine (m);
  GPtrArray *now = g_ptr_array_new ();
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next (m, BP_SYMBOLS_ID, &cursor));)
    g_ptr_array_add (now, o);
  guint n = fm->symbols ? fm->symbols->len : 0;
  if (now->len == n && (!n || memcmp (now->pdata, fm->symbols->pdata, n * sizeof *now->pdata) == 0)) {
    g_ptr_array_unref (now);
    return;
  }
  if (fm->symbols)
    fm->symbols_before = g_slist_prepend (fm->symbols_before, fm->symbols);
  __atomic_store_n (&fm->symbols, now, __ATOMIC_RELEASE);
}

void
symbols_forget (BpMachine *m)
{
  FullMachine *fm = full_machine (m);
  g_clear_pointer (&fm->symbols, g_ptr_array_unref);
  g_slist_free_full (g_steal_pointer (&fm->symbols_before), (GDestroyNotify) g_ptr_array_unref);
}

/* Who knows nothing leaves nothing in the answer for the next one. */
void *
bp_machine_symbol (BpMachine *machine, const BpSymbolQuery *query, BpSymbolAnswer *answer)
{
  const GPtrArray *all = __atomic_load_n (&full_machine (machine)->symbols, __ATOMIC_ACQUIRE);
  uint32_t size = answer->struct_size;
  for (guint i = 0; all && i < all->len; i++) {
    void *o = all->pdata[i];
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
  const GPtrArray *all = __atomic_load_n (&full_machine (machine)->symbols, __ATOMIC_ACQUIRE);
  for (guint i = 0; all && i < all->len; i++) {
    const BpSymbolsIface *iface = bp_object_interface (all->pdata[i], BP_SYMBOLS_ID);
    if (BP_TABLE_HAS (iface, address) && iface->address (all->pdata[i], name, address))
      return true;
  }
  return false;
}
