/* sandbox.h -- how a machine that has started confines itself: its section, the filter of system calls, privileges. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_SANDBOX_H
#define CORE_SANDBOX_H

#include "descriptor.h"
#include <linux/filter.h>

/* --- sandbox.c: the section, and the order of things ---------------------------------------------- */

extern const SectionKey sandbox_keys[];
void sandbox_check (Descriptor *d, Section *s);
/* Before anything is realized: what must be without privileges from its beginning. */
void sandbox_prepare (BpMachine *m);
/* For good: the whole process, every thread of it.  Nothing without a [sandbox]. */
bool sandbox_enter (BpMachine *m, GError **error);
/* Whether the process may still start others; false with the error: it is confined. */
bool sandbox_may_start_commands (const char *what, GError **error);

/* --- sandbox-names.c: what the kernel calls its system calls and capabilities ----------------------- */

int syscall_number (const char *name);          /* -1: the host has none of that name */
const char *syscall_name (int number);          /* NULL: none that was known when this was built; async-signal-safe */
int capability_number (const char *name);       /* "chown"; -1: there is none */
/* What is near a word that is none; NULL: nothing. */
const char *syscall_nearest (const char *word);
const char *capability_nearest (const char *word);

/* --- sandbox-filter.c: the table as a program for the kernel's filter -------------------------------- */

/* Calls by number that are allowed besides; what is refused comes to `refusal', a SECCOMP_RET_*.  Elements are struct sock_filter. */
GArray *filter_new (const int *allowed, unsigned n, uint32_t refusal);
/* Of a call that is in the table and was refused for its arguments: what they ask for; "": the call is not in the table.  async-signal-safe */
const char *filter_refuses (int number);

/* --- sandbox-tell.c: refusals -------------------------------------------------------------------------- */

/* Installs the filter in all threads.  Calls that are refused fail with EPERM and are told, each once. */
bool filter_enforce (const int *allowed, unsigned n, GError **error);
/* The same, but calls are only told. */
bool filter_observe (const int *allowed, unsigned n, GError **error);

/* --- sandbox-privileges.c ------------------------------------------------------------------------------- */

/* The process becomes that user's, with all groups. */
bool privileges_change_user (const char *name, GError **error);
/* All threads have these capabilities (bits by number) at most, and no program that they could start gets others. */
bool privileges_drop (uint64_t kept, GError **error);
/* GLib's own thread, which takes no signals, begins without capabilities.  Not before privileges_change_user. */
void privileges_prepare (uint64_t kept);

#endif
