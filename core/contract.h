/* contract.h -- the threads that public headers promise and ask for, asserted by a build with --enable-contracts. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_CONTRACT_H
#define CORE_CONTRACT_H

#include <backplane/common.h>
#include "config.h"

/*
 * At the begin of an exported function whose header has the tag.  What is not so ends the process with the function's name: it is the caller's error.
 * While nothing of the machine runs its first thread has it for itself, and needs no lock: objects are configured and realized like that.
 */
#ifdef BP_CONTRACTS
#define CONTRACT_MAIN(machine) contract_main ((machine), G_STRFUNC)
#define CONTRACT_LOCKED(machine) contract_locked ((machine), G_STRFUNC)
#define CONTRACT_MAIN_OR_LOCKED(machine) contract_main_or_locked ((machine), G_STRFUNC)
/* [main], and not under the machine lock, which vCPUs may be waiting for. */
#define CONTRACT_MAIN_UNLOCKED(machine) contract_main_unlocked ((machine), G_STRFUNC)
/* [vcpu], one of the machine's, and not under the machine lock. */
#define CONTRACT_VCPU_UNLOCKED(machine) contract_vcpu_unlocked ((machine), G_STRFUNC)
#else
#define CONTRACT_MAIN(machine) ((void) (machine))
#define CONTRACT_LOCKED(machine) ((void) (machine))
#define CONTRACT_MAIN_OR_LOCKED(machine) ((void) (machine))
#define CONTRACT_MAIN_UNLOCKED(machine) ((void) (machine))
#define CONTRACT_VCPU_UNLOCKED(machine) ((void) (machine))
#endif

void contract_main (const BpMachine *machine, const char *function);
void contract_locked (const BpMachine *machine, const char *function);
void contract_main_or_locked (const BpMachine *machine, const char *function);
void contract_main_unlocked (const BpMachine *machine, const char *function);
void contract_vcpu_unlocked (const BpMachine *machine, const char *function);

#endif
