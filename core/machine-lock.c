/* machine-lock.c -- the lock under which a machine's devices run. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"
#include "machine.h"

void
bp_machine_lock (BpMachine *machine)
{
  g_rec_mutex_lock (&machine->lock);
#ifdef BP_CONTRACTS
  machine->lock_depth++;
  __atomic_store_n (&machine->lock_owner, g_thread_self (), __ATOMIC_RELAXED);
#endif
}

void
bp_machine_unlock (BpMachine *machine)
{
#ifdef BP_CONTRACTS
  if (!--machine->lock_depth)
    __atomic_store_n (&machine->lock_owner, NULL, __ATOMIC_RELAXED);
#endif
  g_rec_mutex_unlock (&machine->lock);
}
