/* object.h -- types as const tables, and what an instance can ask of its host. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A type is a BpTypeDesc: data and callbacks.  The host allocates the state struct (zeroed, 64-byte aligned), sets its
 * properties, creates its pins and regions, and drives the one life cycle, the same for every kind of object:
 *     configure   [main] properties are set, links too, and what the object links to was configured before it (of two that link to each other, one was not); check
 *                 what no row can say; add regions or pins whose number depends on them.  Objects that have no link between them: rely on no order
 *     realize     [main] everything is wired and mapped, and what the object links to was realized before it (of two that link to each other, one was not); acquire
 *                 host resources, attach to backends and buses, create timers
 *     reset       [main][locked] to the state after power-on (cold) or after a reset line (warm); once before the machine first runs, in the
 *                 order of realize.  Before the first object's all pins of the machine have become low without a word (no input is called): who drives a line that is
 *                 high after power-on raises it here, and an input hears of it after its own object's reset (irq.h)
 *     unrealize   [main] in the opposite order; release what configure and realize acquired: also after either has failed, and when realize was never called.
 *                 The state is zeroed before configure, so what is NULL was not acquired yet.  The host frees what rows have made: strings, pins, regions
 * Each callback may be NULL: then the nearest ancestor's is called.  One that is set takes its place, and calls it itself if it wants that.
 * configure and realize report failure through GError; the message need not name the object, the host adds file, line and section:
 * those of a key's value where it begins with the key ("size: it is no power of two").
 * The machine lock is not held in configure, realize and unrealize of a machine that is built or taken down: nothing else runs then, and what is [locked] may be called.
 * Of an object that joins a machine that runs, or leaves it, see BP_TYPE_HOT_PLUG.
 * A machine that has started may be confined ([sandbox] of its descriptor): files are opened as another user, no process is started, and system calls that machines seldom
 * make fail with EPERM.  What can be opened is opened in realize; threads leave SIGSYS unblocked.
 */
#ifndef BACKPLANE_OBJECT_H
#define BACKPLANE_OBJECT_H

#include <backplane/common.h>
#include <backplane/irq.h>
#include <backplane/memory.h>
#include <backplane/property.h>
#include <backplane/state.h>
BP_BEGIN_DECLS

/* Which section kinds of a descriptor create the type. */
typedef enum BpKind {
  BP_KIND_ACCEL, BP_KIND_CPU, BP_KIND_MEMORY, BP_KIND_BUS, BP_KIND_DEVICE, BP_KIND_BACKEND, BP_KIND_BOOT, BP_KIND_INSTRUMENT, BP_KIND_MONITOR,
  BP_KIND_DISPLAY
} BpKind;

typedef enum BpResetKind { BP_RESET_COLD, BP_RESET_WARM } BpResetKind;

/* An interface that instances of the type implement.  A table of this ABI's own interfaces has every function that its users call without asking; a type whose
 * table, or an ancestor's, lacks one is refused when its plugin is loaded, and the message names the function (a test's own types, bp_test_new, may lack what is not called there).  As large
 * in all of 1.x. */
typedef struct BpInterfaceDesc {
  const char *id;               /* "bp.char/1": name and revision; a third party's own starts with its reversed domain, and others that start with "bp." are refused.
                                 * NULL ends the table */
  const void *table;            /* starts with struct_size */
} BpInterfaceDesc;

/* For BpTypeDesc.flags; not inherited. */
enum {
  BP_TYPE_HOT_PLUG = 1 << 0,    /* objects of the type may join and leave a machine that runs (machine.h); their configure is then called beside vCPUs that run, without
                                   the lock, realize and reset locked, unrealize locked and while no vCPU runs, also after either has failed.  Not of kind accel, cpu or boot */
  BP_TYPE_STAYS = 1 << 1        /* a machine with such an object is not moved (migration.h): somebody writes to its memory who does not mark what is dirty */
};

/* What becomes of the wish to remove an object from a machine that runs. */
typedef enum BpRemoval {
  BP_REMOVAL_REFUSED,           /* with error */
  BP_REMOVAL_NOW,
  BP_REMOVAL_ASKED              /* the guest was; bp_object_removal_done or bp_object_removal_refused tells what it says */
} BpRemoval;

struct BpTypeDesc {
  uint32_t struct_size;         /* sizeof (BpTypeDesc), by BP_TYPE */
  uint16_t property_size, pin_size, region_size, state_size;    /* row sizes, by BP_TYPE */
  const char *name;             /* "uart-16550", unique among all plugins */
  const char *description;      /* one line; required */
  BpKind kind;
  uint32_t instance_size;
  const BpTypeDesc *parent;     /* inherits its rows and interfaces; its struct is the first member.  NULL: none */
  const BpProperty *properties;
  const BpPinDesc *pins;
  const BpRegionDesc *regions;
  const BpInterfaceDesc *interfaces;
  uint16_t state_version, state_minimum;        /* saved as, and the oldest that can be loaded */
  const BpStateField *state;
  bool (*configure) (void *self, GError **error);
  bool (*realize) (void *self, GError **error);
  void (*reset) (void *self, BpResetKind kind);
  void (*unrealize) (void *self);
  bool (*post_load) (void *self, GError **error);               /* after its state was restored (state.h). [main][locked] */
  void (*property_changed) (void *self, const char *name);      /* a RUNTIME property was set, and its field has the new value. [main][locked] */
  uint32_t flags;               /* BP_TYPE_* */
  /* The object shall leave the machine.  NULL: it may, at once.  Asked again while the guest thinks about it: it is reminded. [main, locked] */
  BpRemoval (*removal) (void *self, GError **error);
};

/* static const BpTypeDesc uart_type = { BP_TYPE ("uart-16550", BP_KIND_DEVICE, Uart), .description = ..., ... }; */
#define BP_TYPE(name_, kind_, T) \
  .struct_size = sizeof (BpTypeDesc), .property_size = sizeof (BpProperty), .pin_size = sizeof (BpPinDesc), .region_size = sizeof (BpRegionDesc), \
  .state_size = sizeof (BpStateField), .name = (name_), .kind = (kind_), .instance_size = sizeof (T)

#ifdef __cplusplus
extern "C++" {
/* static const BpTypeDesc uart_type = bp_type<Uart> ("uart-16550", BP_KIND_DEVICE, [] (BpTypeDesc &t) { t.description = ...; }); */
template <class T, class Fill> inline BpTypeDesc
bp_type (const char *name, BpKind kind, Fill fill)
{
  static_assert (__is_standard_layout (T), "rows find members by their offsets");
  static_assert (__is_trivial (T), "no constructor or destructor is run for an instance: what needs one is behind a pointer");
  BpTypeDesc t {};
  t.struct_size = sizeof t;
  t.property_size = sizeof (BpProperty);
  t.pin_size = sizeof (BpPinDesc);
  t.region_size = sizeof (BpRegionDesc);
  t.state_size = sizeof (BpStateField);
  t.name = name;
  t.kind = kind;
  t.instance_size = sizeof (T);
  fill (t);
  return t;
}
}
#endif

/* --- what an instance may ask ----------------------------------------------------- */

/* The object's name in the descriptor, e.g. "com1", and its type's; never NULL, and the object's.  Here and below `self' is an instance. [any] */
BP_EXPORT const char *bp_object_id (const void *self);
BP_EXPORT const char *bp_object_type_name (const void *self);
/* The machine it belongs to. [any] */
BP_EXPORT BpMachine *bp_object_machine (const void *self);
/* The table under which `self` implements the interface, or NULL. [any] */
BP_EXPORT const void *bp_object_interface (const void *self, const char *interface_id);
/* Another object by its id; NULL when there is none.  Prefer links: what is linked cannot leave.  [main or locked][configured] */
BP_EXPORT void *bp_machine_find (BpMachine *machine, const char *id);
/* Objects that implement an interface, in descriptor order, those that joined later at the end: call with *cursor = 0 first; NULL at the end.  They come and go under
 * the machine lock: who goes on after leaving it begins anew. [main or locked][configured] */
BP_EXPORT void *bp_machine_next (BpMachine *machine, const char *interface_id, unsigned *cursor);
/* The machine's address spaces: "memory" and "io" always exist. NULL when there is no such one. [any][configured] */
BP_EXPORT BpAddressSpace *bp_machine_address_space (BpMachine *machine, const char *name);

/* --- requests to the machine; done by the main loop, soon. [any] ------------------------ */
/* warm reset of everything */
BP_EXPORT void bp_machine_request_reset (BpMachine *machine, const char *reason);
/* the guest switched itself off, or a test device ended the run: the program ends with `exit_code` (0 for power-off) */
BP_EXPORT void bp_machine_request_shutdown (BpMachine *machine, int exit_code, const char *reason);

/* What the guest answers when a type's `removal' has asked it: it has let go of the object, which is removed
 * soon, by the main loop; or it keeps the object, and why (copied). [any] */
BP_EXPORT void bp_object_removal_done (void *self);
BP_EXPORT void bp_object_removal_refused (void *self, const char *why);

/* The machine lock, under which devices run.  Region and pin callbacks, timers and reset already hold it.  Recursive. [any] */
BP_EXPORT void bp_machine_lock (BpMachine *machine);
BP_EXPORT void bp_machine_unlock (BpMachine *machine);

BP_END_DECLS
#endif
