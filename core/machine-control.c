/* machine-control.c -- stops and continues a machine, tells those who watch, and shows them its objects. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"
#include "build.h"
#include "migrate.h"
#include <backplane/iface/power.h>
#include <backplane/machine.h>
#include <string.h>

/* --- events ------------------------------------------------------------------------------- */

typedef struct Watcher {
  unsigned id;
  BpMachineWatch *watch;        /* NULL: unwatched while events were told */
  void *user;
} Watcher;

unsigned
bp_machine_watch (BpMachine *machine, BpMachineWatch *watch, void *user)
{
  CONTRACT_MAIN (machine);
  FullMachine *fm = full_machine (machine);
  Watcher w = { ++fm->last_watcher, watch, user };
  if (!fm->watchers)
    fm->watchers = g_array_new (FALSE, FALSE, sizeof (Watcher));
  g_array_append_val (fm->watchers, w);
  return w.id;
}

void
bp_machine_unwatch (BpMachine *machine, unsigned id)
{
  CONTRACT_MAIN (machine);
  GArray *watchers = full_machine (machine)->watchers;
  for (guint i = 0; watchers && i < watchers->len; i++)
    if (g_array_index (watchers, Watcher, i).id == id)
      g_array_index (watchers, Watcher, i).watch = NULL;
}

static void
forget_unwatched (GArray *watchers)
{
  for (guint i = watchers->len; i-- > 0;)
    if (!g_array_index (watchers, Watcher, i).watch)
      g_array_remove_index (watchers, i);
}

/* Who starts to watch meanwhile hears of the next event. */
void
machine_tell (BpMachine *m, BpMachineEvent event, const char *detail)
{
  FullMachine *fm = full_machine (m);
  guint n = fm->watchers ? fm->watchers->len : 0;
  fm->telling++;
  for (guint i = 0; i < n; i++) {
    Watcher w = g_array_index (fm->watchers, Watcher, i);
    if (w.watch)
      w.watch (w.user, event, detail);
  }
  if (--fm->telling == 0 && fm->watchers)
    forget_unwatched (fm->watchers);
}

/* --- run state ---------------------------------------------------------------------------- */

static const char *const state_names[] = { "prelaunch", "running", "paused", "debug", "io-error", "save-vm", "restore-vm", "shutdown",
                                          "inmigrate", "finish-migrate", "postmigrate" };

const char *
bp_run_state_name (BpRunState state)
{
  return (unsigned) state < BP_N_ELEMENTS (state_names) ? state_names[state] : "internal-error";
}

BpRunState
bp_machine_run_state (BpMachine *machine)
{
  return (BpRunState) __atomic_load_n (&full_machine (machine)->state, __ATOMIC_ACQUIRE);
}

static void
set_state (BpMachine *m, BpRunState state)
{
  __atomic_store_n (&full_machine (m)->state, state, __ATOMIC_RELEASE);
}

void
bp_machine_stop (BpMachine *machine, BpRunState state)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  bool was_running = bp_machine_run_state (machine) == BP_RUN_RUNNING;
  g_return_if_fail (state != BP_RUN_RUNNING);
  if (was_running) {
    vcpus_stop (machine);
    clock_stop (machine);
  }
  set_state (machine, state);
  if (was_running)
    machine_tell (machine, BP_MACHINE_STOPPED, NULL);
}

bool
bp_machine_continue (BpMachine *machine, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  BpRunState state = bp_machine_run_state (machine);
  if (state == BP_RUN_RUNNING)
    return true;
  if (state == BP_RUN_SHUTDOWN) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the machine has shut down; reset it first");
    return false;
  }
  if (full_machine (machine)->half_loaded) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "a snapshot was loaded in part only; reset the machine or load one");
    return false;
  }
  if (!migration_may_continue (machine, error))
    return false;
  set_state (machine, BP_RUN_RUNNING);
  clock_start (machine);
  machine_tell (machine, BP_MACHINE_RESUMING, NULL);
  if (!vcpus_start (machine, error)) {
    clock_stop (machine);
    set_state (machine, state);
    return false;
  }
  machine_tell (machine, BP_MACHINE_RESUMED, NULL);
  return true;
}

bool
bp_machine_request_powerdown (BpMachine *machine)
{
  unsigned cursor = 0;
  bp_machine_lock (machine);    /* objects come and go under it */
  bool any = bp_machine_next (machine, BP_POWER_BUTTON_ID, &cursor);
  if (any)
    machine_request (machine, REQUEST_POWERDOWN);
  bp_machine_unlock (machine);
  return any;
}

void
bp_machine_request_stop (BpMachine *machine, BpRunState state)
{
  bp_machine_lock (machine);
  full_machine (machine)->stop_state = state;
  machine_request (machine, REQUEST_STOP);
  bp_machine_unlock (machine);
}

void
machine_press_power_button (BpMachine *m)
{
  unsigned cursor = 0;
  machine_tell (m, BP_MACHINE_POWERDOWN, NULL);
  bp_machine_lock (m);
  for (void *o; (o = bp_machine_next (m, BP_POWER_BUTTON_ID, &cursor));) {
    const BpPowerButtonIface *iface = bp_object_interface (o, BP_POWER_BUTTON_ID);
    if (BP_TABLE_HAS (iface, press))
      iface->press (o);
  }
  bp_machine_unlock (m);
}

/* --- objects -------------------------------------------------------------------------------- */

void *
bp_machine_next_object (BpMachine *machine, unsigned *cursor)
{
  CONTRACT_MAIN (machine);
  return *cursor < machine->objects->len ? object_instance (machine->objects->pdata[(*cursor)++]) : NULL;
}

const BpTypeDesc *
bp_object_type (const void *self)
{
  return object_of (self)->type;
}

const BpProperty *
bp_object_property (const void *self, unsigned index)
{
  GArray *rows = object_of (self)->properties;
  return index < rows->len ? &g_array_index (rows, BpProperty, index) : NULL;
}

char *
bp_object_get (const void *self, const char *name, GError **error)
{
  CONTRACT_MAIN (bp_object_machine (self));
  BpObject *o = object_of (self);
  if (!object_has (o, name, error))
    return NULL;
  if (!(object_property (o, name)->flags & BP_PROPERTY_SECRET))
    return object_get (o, name);
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "property `%s` of %s is a secret: it can be set, and is not told", name, o->id);
  return NULL;
}

bool
bp_object_set (void *self, const char *name, const char *text, GError **error)
{
  CONTRACT_MAIN (bp_object_machine (self));
  BpObject *o = object_of (self);
  bp_machine_lock (o->machine);
  bool good = object_set (o, name, text, NULL, error);
  bp_machine_unlock (o->machine);
  return good;
}

const char *
bp_machine_description (BpMachine *machine)
{
  GPtrArray *sections = machine->descriptor->sections;
  for (guint i = 0; i < sections->len; i++) {
    Section *s = sections->pdata[i];
    Value *v = strcmp (s->kind, "machine") == 0 ? section_value (s, "description") : NULL;
    if (v)
      return v->text;
  }
  return NULL;
}

char *
bp_machine_tree_text (BpMachine *machine)
{
  CONTRACT_MAIN (machine);
  GString *out = g_string_new (NULL);
  explain_tree (machine, out);
  return g_string_free (out, FALSE);
}

char *
bp_machine_map_text (BpMachine *machine)
{
  CONTRACT_MAIN (machine);
  GString *out = g_string_new (NULL);
  explain_map (machine, out);
  return g_string_free (out, FALSE);
}

const BpTypeDesc *
bp_type_next (unsigned *cursor)
{
  g_autoptr (GPtrArray) all = type_all ();
  return *cursor < all->len ? all->pdata[(*cursor)++] : NULL;
}
