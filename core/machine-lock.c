/* machine-lock.c -- the lock under which a machine's devices run. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"

void
bp_machine_lock (BpMachine *machine)
{
  g_rec_mutex_lock (&machine->lock);
}

void
bp_machine_unlock (BpMachine *machine)
{
  g_rec_mutex_unlock (&machine->lock);
}
