/* machine.h -- the machine: its parsed descriptor, its objects, its threads; what the core's own files may use. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_MACHINE_H
#define CORE_MACHINE_H

#include "object.h"
#include <backplane/iface/accel.h>
#include <backplane/iface/boot.h>
#include <backplane/loop.h>

/* --- the descriptor as parsed (machine-parse.c) ------------------------------------------------ */

typedef struct Origin {         /* where a value came from */
  const char *file;             /* interned; "--set" for the command line */
  unsigned line;
  const char *text;             /* the raw line */
} Origin;

/* The file of sections that options like --instrument stand for: they have no lines that anybody has seen. */
#define COMMAND_LINE "the command line"

typedef struct Value {
  char *key, *text;
  Origin origin;
  GArray *history;              /* of struct { char *text; Origin origin; }: overridden values, oldest first; may be NULL */
} Value;

typedef struct Section {
  char *kind, *name;            /* "device", "com1"; [machine] has an empty name */
  Origin origin;
  GPtrArray *values;            /* of Value *, in order of first appearance */
} Section;

typedef struct Descriptor {
  char *path;
  GPtrArray *sections;          /* of Section *, in order; overrides and includes already folded in */
  GHashTable *by_name;          /* object name -> Section * */
  GPtrArray *errors;            /* of char *: "file.ini:line: [section] key: what is wrong (did you mean ...?)" */
} Descriptor;

/* machine-path.c: $BACKPLANE_MACHINES_PATH, then the installed machines; free with g_strfreev. */
char **machine_directories (void);
/* `name` as a file, or, when it holds no '/', NAME or NAME.ini in those directories. */
char *machine_find_file (const char *name, GError **error);

Descriptor *descriptor_load (const char *path, char **set_options);    /* never NULL; look at errors */
void descriptor_free (Descriptor *d);
/* Appends an error; hint may be NULL, else becomes "(did you mean `hint`?)". */
void descriptor_error (Descriptor *d, const Origin *origin, const Section *section, const char *key, const char *hint, const char *format, ...)
  G_GNUC_PRINTF (6, 7);
/* What an object of the section said of itself: at the place of the key that the message begins with, if it does.  The second puts the same in front of an error
 * that is not the descriptor's. */
void descriptor_object_error (Descriptor *d, const Section *section, const char *message);
void descriptor_place_error (const Descriptor *d, const Section *section, GError *error);
Value *section_value (const Section *s, const char *key);               /* NULL: not given */

/* --- the machine (machine-build.c, machine-run.c) ------------------------------------------------ */

struct BpMachine {
  Descriptor *descriptor;
  GPtrArray *objects;           /* of BpObject *, in descriptor order */
  GHashTable *by_id;            /* id -> BpObject * */
  GPtrArray *realize_order;     /* of BpObject * */
  GPtrArray *address_spaces;    /* of BpAddressSpace * */
  BpRegion *memory_root, *io_root;
  BpObject *accel, *boot;
  const BpAccelIface *accel_iface;
  GRecMutex lock;               /* the machine lock */
  GThread *main_thread;         /* that has built it, and runs its main loop */
  GThread *lock_owner;          /* NULL: nobody; kept where contracts are */
  unsigned lock_depth;          /* the owner's */
  BpLoop *main_loop;
  struct ClockState *clock;     /* clock.c */
  GPtrArray *vcpus;             /* of BpVcpu *, by index */
  GArray *message_takers;       /* msi.c; NULL: nobody has sent a message since objects have come or gone */
  bool deterministic;
  unsigned icount_shift;
  int exit_code;                /* what belongs to it is set before */
  bool shutdown_requested;      /* written under the lock, read anywhere by machine_is_ending */
  bool exit_on_reset;           /* [machine] on-reset = exit: a reset by the guest ends the run */
  char *shutdown_reason;
  GMainLoop *run_loop;
  GPtrArray *message_sources;   /* msi.c: of BpMsiSource *; NULL: none yet */
};

static inline bool machine_is_ending (const BpMachine *m) { return __atomic_load_n (&m->shutdown_requested, __ATOMIC_ACQUIRE); }

/* Parse result -> objects, created, checked, mapped, wired, configured (nothing realized).  NULL and errors in the descriptor when anything is wrong. */
BpMachine *machine_build (Descriptor *d);
bool machine_realize (BpMachine *m, GError **error);
void machine_reset (BpMachine *m, BpResetKind kind);    /* vCPUs stopped; also loads the boot program */
void machine_reset_objects (BpMachine *m, BpResetKind kind);    /* the same without the boot program; under the machine lock */
void machine_synchronise (BpMachine *m);                /* the accelerator forgets what it knew of the vCPUs */
int machine_run (BpMachine *m);                         /* runs until shutdown; the exit code */
void machine_free (BpMachine *m);

void symbols_collect (BpMachine *m);                    /* objects have come or gone [main] */
void symbols_forget (BpMachine *m);
void msi_objects_changed (BpMachine *m);                /* likewise: those that take messages (msi.c); machine locked [main] */

/* --- clock.c, cpu.c, loop.c: their host side ---------------------------------------------------------- */
bool clock_init (BpMachine *m);                         /* false: the host has no descriptors for it; only to be finished then */
void clock_finish (BpMachine *m);
void clock_start (BpMachine *m);                        /* virtual time runs */
void clock_stop (BpMachine *m);
void clock_set (BpMachine *m, int64_t now);             /* virtual time, while it stands (deterministic mode: the accelerator's is another) */
void clock_forget (const BpObject *o);                  /* it is freed, and its timers should have been */
unsigned clock_n_timers (BpMachine *m);                 /* that were made and not freed */
/* When a timer is armed, its turn among those that expire at the same time; and armed as it was. */
uint64_t timer_turn (const BpTimer *timer);
void timer_restore (BpTimer *timer, int64_t at, uint64_t turn);
uint64_t clock_turn (BpMachine *m);                     /* the last that was given out */
void clock_set_turn (BpMachine *m, uint64_t turn);
BpVcpu *vcpu_new (BpObject *cpu, unsigned index);
bool vcpu_is_here (const BpMachine *m);                 /* called on the thread of one of m's vCPUs? */
void vcpu_hold_current (BpMachine *m);                  /* the caller's vCPU, if it is one of m, runs no more until vcpus_start */
void vcpu_free (BpVcpu *vcpu);
void vcpu_set_pending (BpVcpu *vcpu, uint32_t pending);         /* all of the word, without a kick: the machine is stopped */
void vcpus_settle (BpMachine *m);                       /* stopped: work that was queued for them is done when it returns */
bool vcpus_init (BpMachine *m, GError **error);         /* accel->vcpu_init on each that had none; vcpus_start does too */
bool vcpus_start (BpMachine *m, GError **error);        /* threads; calls accel->vcpu_init on each first time */
void vcpus_stop (BpMachine *m);                         /* returns when all are out of guest code, parked */
void vcpus_join (BpMachine *m);
/* Whether GLib can make for itself what it needs, and ends the program when it cannot: the context of the main loop, the thread and the context of signals.
 * To be asked and done while there are no other threads, which could take it meanwhile. */
bool loop_can_begin (GError **error);
BpLoop *loop_main_new (void);
unsigned loop_n_watches (BpLoop *loop);                 /* that have not ended, on the main loop */
/* On the main loop: calls ready (user, 0) as bp_loop_watch_fd does, every `ms' milliseconds; bp_loop_unwatch ends it. */
unsigned loop_watch_time (BpLoop *loop, BpMachine *machine, unsigned ms, bool (*ready) (void *user, GIOCondition condition), void *user);
void loop_make_posts (BpLoop *loop);    /* the calls that were posted and not made yet, in their order, now [main] */

/* --- descriptions for people (machine-explain.c, plugin-describe.c) ------------------------------------------ */
void memory_print_map (BpAddressSpace *as, GString *out);               /* flat map, one line a range (memory-flatten.c) */

#endif
