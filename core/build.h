/* build.h -- the builder's workbench: what machine-build.c, machine-wire.c and machine-map.c share. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_BUILD_H
#define CORE_BUILD_H

#include "descriptor.h"
#include <backplane/machine.h>

typedef struct Item {           /* one object in the making */
  Section *section;
  BpObject *object;
  bool broken;                  /* something about it was reported: what follows from that is not */
} Item;

typedef struct Build {
  Descriptor *d;
  BpMachine *m;
  GArray *items;                /* of Item, in descriptor order */
  GHashTable *item_by_object;   /* BpObject * -> index + 1 */
} Build;

/* A machine with what only its builder and its printers need. */
typedef struct FullMachine {
  BpMachine machine;
  GHashTable *sections;         /* BpObject * -> Section * */
  GPtrArray *aliases;           /* of BpRegion *: made for maps, freed with the machine */
  GArray *mappings;             /* of Mapping, in descriptor order */
  GHashTable *mapped;           /* regions that are in a place of their own */
  bool starts_stopped;          /* machine_run waits for bp_machine_continue */
  bool confined;                /* machine_run confines the process */
  bool realized, started;       /* started: machine_run has got as far as running it */
  bool boot_checked;            /* the boot program has said that it can be loaded */
  bool half_loaded;             /* a snapshot was begun and not ended: the machine must not run */
  int state;                    /* atomic, BpRunState */
  GPtrArray *instruments;       /* of instrument.h's Attached *; NULL: none yet */
  struct Results *results;      /* what they said at the end of the run; NULL: nothing */
  GArray *watchers;             /* of machine-control.c's Watcher; NULL: none yet */
  unsigned last_watcher, telling;
  /* What was requested and is not done yet, and what will serve it (NULL: nothing was requested).  Under the machine lock. */
  GSource *request;
  unsigned requested;           /* REQUEST_* */
  BpRunState stop_state;
  char *reset_reason;
  const char *load;             /* a snapshot that the run begins with; NULL: it begins with a reset */
  GPtrArray *answers;           /* of machine-hotplug.c's Answer *: what guests said to removals, under the machine lock; NULL: nothing yet */
  GPtrArray *unplugged;         /* of Section *: the descriptor's, whose objects have left; NULL: none yet */
  const char *incoming;         /* the run begins with a machine from another process: where from, or "defer"; NULL: it does not */
  const char *template;         /* a folder that the run begins with; NULL: it does not */
  int is_incoming;              /* atomic: it has not come yet */
  struct Migration *migration;  /* migrate.h; NULL: nobody has asked for any */
  unsigned timeout;             /* seconds; 0: none */
  int timeout_code;
  GPtrArray *symbols;           /* atomic: instances of objects with symbols (symbols.c); NULL: none yet */
  GSList *symbols_before;       /* what it was */
} FullMachine;

enum { REQUEST_RESET = 1, REQUEST_STOP = 2, REQUEST_POWERDOWN = 4, REQUEST_SHUTDOWN = 8, REQUEST_REMOVAL = 16 };

static inline FullMachine *full_machine (BpMachine *m) { return (FullMachine *) m; }

typedef struct Mapping {        /* one region in one address space */
  Section *section;
  Value *value;
  char *what;                   /* "com1.pio0" */
  BpRegion *region;             /* what is mapped: the region itself or an alias */
  BpAddressSpace *space;
  uint64_t address;
  int priority;
  bool background;              /* a container: others may lie over it */
} Mapping;

/* machine-run.c: the main loop will see to it, soon. [any] */
void machine_request (BpMachine *m, unsigned what);
void machine_serve (BpMachine *m);      /* what was requested, now [main] */
void machine_forget_requests (BpMachine *m);    /* but for the end of the run */
/* machine-hotplug.c */
void machine_take_answers (BpMachine *m);
void machine_free_answers (BpMachine *m);
/* The same without a question to anyone, or an event: nothing may link to it.  The machine stands. */
void machine_drop_object (BpMachine *m, BpObject *o);
/* What has left comes back, with the keys that it had. */
bool machine_replug (BpMachine *m, const char *id, GError **error);
/* What keeps it, NULL: nothing; free it. */
char *machine_users_of (BpMachine *m, BpObject *o);
/* machine-control.c */
void machine_tell (BpMachine *m, BpMachineEvent event, const char *detail);
void machine_press_power_button (BpMachine *m);

/* machine-build.c: one object of the section, its properties, its other keys. */
void build_add_object (Build *b, Section *s, const BpTypeDesc *type, const char *id, int number);
void build_set_properties (Build *b, Item *item);
void build_take_other_keys (Build *b, Item *item);
Item *build_item (Build *b, BpObject *o);                /* NULL: it is none of those in the making */
bool build_is_broken (Build *b, BpObject *o);   /* something about it was reported in this round */
/* An object by the id a value names.  NULL with the error appended, or without one when the object is known
 * to be broken (*silent). */
BpObject *build_find (Build *b, Section *s, Value *v, const char *id, bool *silent);

/* machine-wire.c */
void build_wire_key (Build *b, Item *item, Value *v);           /* irq = pic.in4, apic.in4 */
void build_wire_section (Build *b, Section *s);                 /* [wire] */
void build_check_pins (Build *b);
void build_check_backends (Build *b);      /* each serves one device */

/* machine-map.c */
void build_map_key (Build *b, Item *item, Value *v);            /* pio0 = io@0x3f8 */
void build_map_section (Build *b, Section *s);                  /* [map] */
void build_check_maps (Build *b);
void build_apply_maps (Build *b, guint first);                  /* those from that number on */
/* The object's own places, and the aliases for them; the machine is locked. */
void build_forget_maps (BpMachine *m, BpObject *o);
void mapping_clear (void *mapping);

#endif
