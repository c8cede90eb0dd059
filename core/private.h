/* private.h -- what libbackplane-test uses of the core beyond the public headers; exported for it alone, and promised to nobody. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_PRIVATE_H
#define CORE_PRIVATE_H

#include <backplane/object.h>

/* --- plugins and types */
BP_EXPORT void bp_private_plugin_path (const char *directories);
/* As a type of the core's own; a type that is there already is fine. */
BP_EXPORT bool bp_private_register_type (const BpTypeDesc *type, GError **error);

/* --- machines: [main] all of it, and no vCPU ever runs */
/* Realized, and reset once.  NULL: what is wrong with the descriptor, one error a line, is in *errors (g_free). */
BP_EXPORT BpMachine *bp_private_machine_new (const char *name, const char *text, char **errors);
BP_EXPORT void bp_private_machine_free (BpMachine *m);
BP_EXPORT void bp_private_reset (BpMachine *m, BpResetKind kind);
BP_EXPORT BpAddressSpace *bp_private_address_space (BpMachine *m, const char *name);     /* also one that an object has made; NULL: none */
BP_EXPORT BpPin *bp_private_pin (BpMachine *m, const char *path);       /* "pic.in4"; NULL: none */
BP_EXPORT bool bp_private_take_reset (BpMachine *m);    /* whether one was requested since the last call */
BP_EXPORT int bp_private_exit_code (const BpMachine *m);        /* -1: nobody asked to end the run */

/* --- state: what a snapshot of the machine without its disks holds */
BP_EXPORT GByteArray *bp_private_save (BpMachine *m, int64_t now, GError **error);
/* Tells those who watch that the machine is about to run again. */
BP_EXPORT void bp_private_resume (BpMachine *m);
BP_EXPORT bool bp_private_load (BpMachine *m, GByteArray *bytes, void (*set_clock) (void *user, int64_t now), void *user, GError **error);
/* What two of them differ in first, for people (g_free); NULL: nothing. */
BP_EXPORT char *bp_private_difference (GByteArray *a, GByteArray *b);
/* Of two machines of one descriptor: a buffer that is saved while it holds something has other old bytes in it otherwise, which show up when it is
 * filled in part. */
BP_EXPORT void bp_private_copy_old_bytes (BpMachine *from, BpMachine *to);

/* --- log: lines go there, one at a time; NULL: where they went before */
BP_EXPORT void bp_private_log_sink (void (*take) (const char *line));

#endif
