/* context.h -- how signal handlers see a vCPU's thread that runs generated code of the x86-64 host. */
/* SPDX-License-Identifier: MIT */
#ifndef HOST_X64_CONTEXT_H
#define HOST_X64_CONTEXT_H

#include "../tcg.h"

/* All of them are async-signal-safe; context: the handler's ucontext_t. [vcpu] */

uintptr_t x64_context_pc (const void *context);

/* A signal found the vCPU inside tb: when it was about to jump through the jump cache it is sent back to
 * the start of that look-up (in the context), so that a jump cache that the handler has emptied takes
 * effect. */
bool x64_restart (const Tb *tb, void *context);

/* Stores the pinned globals and resident FP state that the context holds into env, and sets fp_resident = 0. */
void x64_store_context (void *env, const void *context);

/* SIGFPE inside a block: as x64_store_context, and the handler's return goes to `entry', which does not return, as if the block had called it. */
void x64_take_fault (TcgVcpu *v, void *context, void (*entry) (TcgVcpu *v, BpHostFault fault));

#endif
