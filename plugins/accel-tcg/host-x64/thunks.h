/* thunks.h -- what the C runtime needs of the x86-64 host's generated routines. */
/* SPDX-License-Identifier: MIT */
#ifndef HOST_X64_THUNKS_H
#define HOST_X64_THUNKS_H

#include <stdbool.h>

/* Stores the FP state that fp_resident names into env's FXSAVE image, gives the host's registers their C
 * defaults, and sets fp_resident = 0. fp_dropped and events are the caller's. NULL before begin(). [vcpu] */
extern void (*x64_fp_store) (void *env);

/* A host fault (SIGFPE, SIGSEGV) was taken inside a block: stores the pinned globals and resident FP state
 * that the signal's ucontext_t holds into env, and sets fp_resident = 0. Async-signal-safe. [vcpu] */
void x64_store_context (void *env, const void *ucontext);

struct Tb;
/* A signal found the vCPU inside tb: when it was about to jump through the jump cache it is sent back to
 * the start of that look-up (in the ucontext_t), so that a jump cache that the handler has emptied takes
 * effect. Async-signal-safe. */
bool x64_restart (const struct Tb *tb, void *ucontext);

#endif
