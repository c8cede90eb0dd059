/* contract.c -- whether a caller is on the thread, and has the lock, that a public header says. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"

#include <backplane/machine.h>

#include "machine.h"

#ifdef BP_CONTRACTS
bool contracts_are_kept = true;
#else
bool contracts_are_kept;
#endif

/* A machine that nobody has built (a unit test's) has no main thread, and is not looked at. */
static bool is_built (const BpMachine *m) { return m && m->main_thread; }
static bool is_main (const BpMachine *m) { return m->main_thread == g_thread_self (); }
static bool is_locked (const BpMachine *m) { return __atomic_load_n (&m->lock_owner, __ATOMIC_RELAXED) == g_thread_self (); }
static bool stands (const BpMachine *m) { return bp_machine_run_state ((BpMachine *) m) != BP_RUN_RUNNING; }

static void
insist (bool holds, const char *function, const char *what)
{
  if (!holds)
    g_error ("%s was called %s", function, what);
}

void
contract_main (const BpMachine *m, const char *function)
{
  insist (!is_built (m) || is_main (m), function, "on a thread that is not the main loop's");
}

void
contract_locked (const BpMachine *m, const char *function)
{
  insist (!is_built (m) || is_locked (m) || (is_main (m) && stands (m)), function, "without the machine lock");
}

void
contract_main_or_locked (const BpMachine *m, const char *function)
{
  insist (!is_built (m) || is_main (m) || is_locked (m), function, "neither on the main loop's thread nor with the machine lock");
}

static void
contract_unlocked (const BpMachine *m, const char *function)
{
  insist (!is_built (m) || !is_locked (m), function, "under the machine lock");
}

void
contract_main_unlocked (const BpMachine *m, const char *function)
{
  contract_main (m, function);
  contract_unlocked (m, function);
}

void
contract_vcpu_unlocked (const BpMachine *m, const char *function)
{
  insist (!is_built (m) || vcpu_is_here (m) || (is_main (m) && stands (m)), function, "on a thread that is no vCPU's");
  contract_unlocked (m, function);
}
