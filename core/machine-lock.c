/* machine-lock.c -- the lock under which a machine's devices run. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"
#include "machine.h"

void
bp_machine_lock (BpMachine *machine)
{
  g_rec_mutex_lock (&machine->lock);
  if (G_LIKELY (!contracts_are_kept))
    return;
  machine->lock_depth++;
  __atomic_store_n (&machine->lock_owner, g_thread_self (), __ATOMIC_RELAXED);
}

void
bp_machine_unlock (BpMachine *machine)
{
  if (G_UNLIKELY (contracts_are_kept) && !--machine->lock_depth)
    __atomic_store_n (&machine->lock_owner, NULL, __ATOMIC_RELAXED);
  g_rec_mutex_unlock (&machine->lock);
}
