/* machine.h -- the machine as monitors, debuggers and displays see it: its run state, its events, its objects and their properties. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Devices do not need this header (object.h has the two requests that they make).  A monitor, a debugger or a display is an object like any
 * other; what it may do beyond that is here.  Unless said otherwise functions are called on the main loop's thread, without the machine lock:
 * stopping waits for vCPUs that may be waiting for that very lock.
 */
#ifndef BACKPLANE_MACHINE_H
#define BACKPLANE_MACHINE_H

#include <backplane/object.h>
BP_BEGIN_DECLS

/* --- run state ---------------------------------------------------------------------- */

/* In every state but RUNNING vCPUs are parked and virtual time stands. */
typedef enum BpRunState {
  BP_RUN_PRELAUNCH,             /* built, has not run yet */
  BP_RUN_RUNNING,
  BP_RUN_PAUSED,                /* somebody asked for it */
  BP_RUN_DEBUG,                 /* a debugger holds it */
  BP_RUN_IO_ERROR,              /* a disk failed and its policy is to wait */
  BP_RUN_SAVING,
  BP_RUN_LOADING,
  BP_RUN_SHUTDOWN,              /* the guest has switched itself off */
  BP_RUN_INCOMING,              /* waits for a machine from another process (migration.h) */
  BP_RUN_MOVING,                /* stands while the last of it goes to another process */
  BP_RUN_MOVED                  /* another process has it */
} BpRunState;

BP_EXPORT BpRunState bp_machine_run_state (BpMachine *machine);                        /* [any] */
/* "running", "paused" ...: the words of the field, never NULL. [any] */
BP_EXPORT const char *bp_run_state_name (BpRunState state);
/* Returns when no vCPU runs guest code.  A machine that stands already only changes its state. [main] */
BP_EXPORT void bp_machine_stop (BpMachine *machine, BpRunState state);
/* false, with error: it has shut down, or the accelerator cannot start. [main] */
BP_EXPORT bool bp_machine_continue (BpMachine *machine, GError **error);
/* The same, done soon by the main loop. [any] */
BP_EXPORT void bp_machine_request_stop (BpMachine *machine, BpRunState state);
/* Presses the power button: every object that has one (iface/power.h) is told; without any, nothing happens. false: there is none. [any] */
BP_EXPORT bool bp_machine_request_powerdown (BpMachine *machine);

/* --- events ------------------------------------------------------------------------- */

typedef enum BpMachineEvent {
  BP_MACHINE_STOPPED,
  BP_MACHINE_RESUMED,
  BP_MACHINE_RESET,             /* detail: why */
  BP_MACHINE_POWERDOWN,         /* the button was pressed */
  BP_MACHINE_SHUTDOWN,          /* detail: why; the last one */
  BP_MACHINE_RESUMING,          /* time goes on, processors are about to: what waited for that is done now, at a time that a deterministic machine repeats.  The
                                   machine must not be stopped */
  BP_MACHINE_OBJECT_ADDED,      /* detail: its id */
  BP_MACHINE_OBJECT_REMOVED,    /* detail: its id; it is gone */
  BP_MACHINE_REMOVAL_REFUSED    /* detail: its id, ": ", and why the guest keeps it */
} BpMachineEvent;

/* Called [main], never under the machine lock; detail lives for the call and may be NULL.  It may stop and continue the machine, and watch and unwatch. */
typedef void BpMachineWatch (void *user, BpMachineEvent event, const char *detail);
BP_EXPORT unsigned bp_machine_watch (BpMachine *machine, BpMachineWatch *watch, void *user);   /* an id > 0 [main] */
BP_EXPORT void bp_machine_unwatch (BpMachine *machine, unsigned id);                   /* [main] */

/* --- objects -------------------------------------------------------------------------- */

/* All objects in the descriptor's order: call with *cursor = 0 first; NULL at the end. [main][configured] */
BP_EXPORT void *bp_machine_next_object (BpMachine *machine, unsigned *cursor);
/* The host's copy of it, as are its parents: it has the host's size, and is never the plugin's own table; compare names. [any] */
BP_EXPORT const BpTypeDesc *bp_object_type (const void *self);
/* The object's properties, its parents' first, each once; NULL after the last. [any] */
BP_EXPORT const BpProperty *bp_object_property (const void *self, unsigned index);
/* A property's value as text that the descriptor would take; NULL: unset, or, with error, no such property, or a secret.  Free with g_free. [main] */
BP_EXPORT char *bp_object_get (const void *self, const char *name, GError **error);
/* Only RUNTIME properties can be set after configure. false: error says what would be right. [main] */
BP_EXPORT bool bp_object_set (void *self, const char *name, const char *text, GError **error);
/* The descriptor's `description`; NULL without. [any] */
BP_EXPORT const char *bp_machine_description (BpMachine *machine);
/* For people, as `backplane show` prints them: objects with their links, wires and maps; and what is where in the address spaces now.  Free with
 * g_free. [main] */
BP_EXPORT char *bp_machine_tree_text (BpMachine *machine);
BP_EXPORT char *bp_machine_map_text (BpMachine *machine);
/* --- objects that join and leave a machine that was realized, whether it runs or stands ---- */

typedef struct BpObjectKey {
  const char *key, *value;      /* as in the section; key NULL ends the table */
} BpObjectKey;                  /* as large in all of 1.x */
/* Adds what the section [KIND ID] (NULL: of the kind that `type' belongs to) with these keys would have made, with the same checks: `type' and `module',
 * properties, wires, maps.  The type must have BP_TYPE_HOT_PLUG.  NULL with error, which has a line for each thing that is wrong: nothing has changed. [main] */
BP_EXPORT void *bp_machine_add_object (BpMachine *machine, const char *kind, const char *id, const BpObjectKey *keys, GError **error);
/* An object of such a type that nothing links to, from the descriptor or added.  BP_REMOVAL_NOW: it is gone; BP_REMOVAL_ASKED: an event (above) will tell.
 * What devices do with its memory at the time is waited for. [main] */
BP_EXPORT BpRemoval bp_machine_remove_object (BpMachine *machine, const char *id, GError **error);
/* Whether the guest was asked to let the object go and has not answered. [main] */
BP_EXPORT bool bp_object_is_leaving (const void *self);

/* Every type that is loaded, by name: call with *cursor = 0 first; NULL at the end. [main] */
BP_EXPORT const BpTypeDesc *bp_type_next (unsigned *cursor);

BP_END_DECLS
#endif
