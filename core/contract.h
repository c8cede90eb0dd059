/* contract.h -- the threads that public headers promise and ask for, asserted where somebody wants to know. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_CONTRACT_H
#define CORE_CONTRACT_H

#include <backplane/common.h>
#include "config.h"

/*
 * At the begin of an exported function whose header has the tag.  What is not so ends the process with the function's name: it is the caller's error.
 * While nothing of the machine runs its first thread has it for itself, and needs no lock: objects are configured and realized like that.
 */
#define CONTRACT_KEEP(how, machine) \
  G_STMT_START { \
    if (G_UNLIKELY (contracts_are_kept)) \
      contract_##how ((machine), G_STRFUNC); \
  } G_STMT_END
#define CONTRACT_MAIN(machine) CONTRACT_KEEP (main, machine)
#define CONTRACT_LOCKED(machine) CONTRACT_KEEP (locked, machine)
#define CONTRACT_MAIN_OR_LOCKED(machine) CONTRACT_KEEP (main_or_locked, machine)
/* [main], and not under the machine lock, which vCPUs may be waiting for. */
#define CONTRACT_MAIN_UNLOCKED(machine) CONTRACT_KEEP (main_unlocked, machine)
/* [vcpu], one of the machine's, and not under the machine lock. */
#define CONTRACT_VCPU_UNLOCKED(machine) CONTRACT_KEEP (vcpu_unlocked, machine)

/* In a build with --enable-contracts, with BACKPLANE_CONTRACTS in the environment, in tests by libbackplane-test.  Set before there are threads. */
extern bool contracts_are_kept;

void contract_main (const BpMachine *machine, const char *function);
void contract_locked (const BpMachine *machine, const char *function);
void contract_main_or_locked (const BpMachine *machine, const char *function);
void contract_main_unlocked (const BpMachine *machine, const char *function);
void contract_vcpu_unlocked (const BpMachine *machine, const char *function);

#endif
