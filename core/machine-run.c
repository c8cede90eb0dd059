/* machine-run.c -- a built machine's life: realize, reset, run, and what ends or restarts it. */
/* SPDX-License-Identifier: MIT */
#include "instrument.h"
#include "migrate.h"
#include "sandbox.h"
#include <backplane/log.h>
#include <backplane/snapshot.h>
#include <glib-unix.h>
#include <signal.h>

/* --- realize ------------------------------------------------------------------------------ */

static void
place_error (BpObject *o, GError **error)
{
  if (error && *error)
    descriptor_place_error (o->machine->descriptor, object_section (o), *error);
}

static bool
check_boot (BpMachine *m, GError **error)
{
  const BpBootIface *iface = m->boot ? type_interface (m->boot->type, BP_BOOT_ID) : NULL;
  if (full_machine (m)->boot_checked || !BP_TABLE_HAS (iface, check) || iface->check (object_instance (m->boot), error)) {
    full_machine (m)->boot_checked = true;
    return true;
  }
  place_error (m->boot, error);
  return false;
}

/* unrealize releases what configure and realize acquired; a type's is called once. */
void
machine_unrealize (BpMachine *m)
{
  for (guint i = m->realize_order->len; i-- > 0;) {
    BpObject *o = m->realize_order->pdata[i];
    if (o->stage != OBJECT_REALIZED)
      continue;
    object_unrealize (o);
    instrument_forget (o);
    o->stage = OBJECT_NEW;
  }
}

bool
machine_realize (BpMachine *m, GError **error)
{
  FullMachine *fm = full_machine (m);
  g_assert (!fm->realized);
  bool good = true;
  for (guint i = 0; good && i < m->realize_order->len; i++) {
    BpObject *o = m->realize_order->pdata[i];
    good = object_realize (o, error);
    if (!good) {
      place_error (o, error);
      instrument_forget (o);
      o->stage = OBJECT_NEW;    /* a failed realize was followed by its unrealize */
    }
  }
  /* A run that begins with a snapshot needs a program when it is reset, and is told then when there is none. */
  good = good && (fm->load || fm->incoming || fm->template || check_boot (m, error)) && (m->vcpus->len == 0 || vcpus_init (m, error));
  if (!good) {
    vcpus_join (m);             /* those that were made are the accelerator's: they go before it does */
    machine_unrealize (m);
  }
  fm->realized = good;
  return good;
}

/* --- reset -------------------------------------------------------------------------------- */

static void
load_boot (BpMachine *m)
{
  const BpBootIface *iface = m->boot ? type_interface (m->boot->type, BP_BOOT_ID) : NULL;
  g_autoptr (GError) error = NULL;
  if (!BP_TABLE_HAS (iface, load))
    return;
  if (check_boot (m, &error)) {
    if (iface->load (object_instance (m->boot), &error))
      return;
    place_error (m->boot, &error);
  }
  bp_machine_request_shutdown (m, 1, error ? error->message : "the boot program could not be loaded");
}

void
machine_synchronise (BpMachine *m)
{
  if (!BP_TABLE_HAS (m->accel_iface, vcpu_synchronise))
    return;
  for (guint i = 0; i < m->vcpus->len; i++)
    m->accel_iface->vcpu_synchronise (object_instance (m->accel), m->vcpus->pdata[i]);
}

void
machine_reset_objects (BpMachine *m, BpResetKind kind)
{
  for (guint i = 0; i < m->objects->len; i++) {
    BpObject *o = m->objects->pdata[i];
    for (guint j = 0; j < o->pins->len; j++)
      pin_reset (g_array_index (o->pins, ObjectPin, j).pin);
  }
  for (guint i = 0; i < m->realize_order->len; i++)
    object_await_reset (m->realize_order->pdata[i]);
  for (guint i = 0; i < m->realize_order->len; i++)
    object_reset (m->realize_order->pdata[i], kind);
}

void
machine_reset (BpMachine *m, BpResetKind kind)
{
  bp_machine_lock (m);
  machine_reset_objects (m, kind);
  full_machine (m)->half_loaded = false;
  load_boot (m);
  machine_synchronise (m);
  bp_machine_unlock (m);
}

/* --- requests ----------------------------------------------------------------------------- */

/* What runs goes on, what stands stays where it is. */
static void
restart (BpMachine *m, const char *reason)
{
  g_autoptr (GError) error = NULL;
  bool was_running = bp_machine_run_state (m) == BP_RUN_RUNNING;
  vcpus_stop (m);
  machine_reset (m, BP_RESET_WARM);
  if (was_running && !machine_is_ending (m) && !vcpus_start (m, &error))
    bp_machine_request_shutdown (m, 1, error->message);
  machine_tell (m, BP_MACHINE_RESET, reason);
}

void
machine_serve (BpMachine *m)
{
  FullMachine *fm = full_machine (m);
  bp_machine_lock (m);
  unsigned requested = fm->requested;
  if (migration_holds (m))
    requested &= REQUEST_SHUTDOWN;
  if (!migration_may_change (m, NULL))
    requested &= ~(unsigned) REQUEST_REMOVAL;
  BpRunState stop_state = fm->stop_state;
  g_autofree char *reason = requested & REQUEST_RESET ? g_steal_pointer (&fm->reset_reason) : NULL;
  fm->requested &= ~requested;
  machine_drop_requests (m);
  bp_machine_unlock (m);
  if (requested & REQUEST_SHUTDOWN && m->run_loop) {
    g_main_loop_quit (m->run_loop);
    return;
  }
  if (requested & REQUEST_RESET && fm->started)
    restart (m, reason);
  if (requested & REQUEST_REMOVAL)
    machine_take_answers (m);
  if (requested & REQUEST_STOP)
    bp_machine_stop (m, stop_state);
  if (requested & REQUEST_POWERDOWN)
    machine_press_power_button (m);
}

static gboolean
serve (void *user)
{
  machine_serve (user);
  return G_SOURCE_REMOVE;
}

void
machine_request (BpMachine *m, unsigned what)
{
  FullMachine *fm = full_machine (m);
  bp_machine_lock (m);
  fm->requested |= what;
  if (what & (REQUEST_RESET | REQUEST_STOP | REQUEST_SHUTDOWN))
    vcpu_hold_current (m);
  if (!fm->request) {
    fm->request = g_idle_source_new ();
    g_source_set_priority (fm->request, G_PRIORITY_DEFAULT);
    g_source_set_callback (fm->request, serve, m, NULL);
    g_source_attach (fm->request, bp_loop_context (m->main_loop));
  }
  bp_machine_unlock (m);
}

void
machine_drop_requests (BpMachine *m)
{
  FullMachine *fm = full_machine (m);
  bp_machine_lock (m);
  if (fm->request) {
    g_source_destroy (fm->request);
    g_clear_pointer (&fm->request, g_source_unref);
  }
  bp_machine_unlock (m);
}

void
machine_forget_requests (BpMachine *m)
{
  bp_machine_lock (m);
  full_machine (m)->requested &= REQUEST_SHUTDOWN;
  machine_free_answers (m);
  bp_machine_unlock (m);
}

void
bp_machine_request_reset (BpMachine *machine, const char *reason)
{
  bp_log (BP_LOG_CPU_RESET, "machine reset: %s", reason ? reason : "requested");
  if (machine->exit_on_reset) {
    bp_machine_request_shutdown (machine, 0, reason);
    return;
  }
  bp_machine_lock (machine);
  g_free (full_machine (machine)->reset_reason);
  full_machine (machine)->reset_reason = g_strdup (reason);
  machine_request (machine, REQUEST_RESET);
  bp_machine_unlock (machine);
}

void
bp_machine_request_shutdown (BpMachine *machine, int exit_code, const char *reason)
{
  bp_machine_lock (machine);
  if (!machine->shutdown_requested) {   /* the first reason counts */
    machine->exit_code = exit_code;
    machine->shutdown_reason = g_strdup (reason);
    __atomic_store_n (&machine->shutdown_requested, true, __ATOMIC_RELEASE);
  }
  machine_request (machine, REQUEST_SHUTDOWN);
  bp_machine_unlock (machine);
}

/* --- run ---------------------------------------------------------------------------------- */

void
machine_set_timeout (BpMachine *m, unsigned seconds, int exit_code)
{
  full_machine (m)->timeout = seconds;
  full_machine (m)->timeout_code = exit_code;
}

static gboolean
on_timeout (void *user)
{
  BpMachine *m = user;
  g_autofree char *reason = g_strdup_printf ("timed out after %u seconds", full_machine (m)->timeout);
  bp_machine_request_shutdown (m, full_machine (m)->timeout_code, reason);
  return G_SOURCE_REMOVE;
}

/* The source goes, and with it the handler: a second signal ends the program at once. */
static gboolean
on_signal (void *user)
{
  bp_machine_request_shutdown (user, 1, "interrupted");
  return G_SOURCE_REMOVE;
}

static GSource *
attach (BpMachine *m, GSource *source, GSourceFunc f)
{
  g_source_set_callback (source, f, m, NULL);
  g_source_attach (source, bp_loop_context (m->main_loop));
  return source;
}

static void
detach (GSource *source)
{
  if (source) {
    g_source_destroy (source);
    g_source_unref (source);
  }
}

static void
run_loop (BpMachine *m)
{
  unsigned seconds = full_machine (m)->timeout;
  GSource *interrupt = attach (m, g_unix_signal_source_new (SIGINT), on_signal);
  GSource *terminate = attach (m, g_unix_signal_source_new (SIGTERM), on_signal);
  GSource *timeout = seconds ? attach (m, g_timeout_source_new_seconds (seconds), on_timeout) : NULL;
  m->run_loop = g_main_loop_new (bp_loop_context (m->main_loop), FALSE);
  if (!machine_is_ending (m))
    g_main_loop_run (m->run_loop);
  g_clear_pointer (&m->run_loop, g_main_loop_unref);
  detach (timeout);
  detach (terminate);
  detach (interrupt);
}

void
machine_set_stopped (BpMachine *m, bool stopped)
{
  full_machine (m)->starts_stopped = stopped;
}

void
machine_set_load (BpMachine *m, const char *snapshot)
{
  full_machine (m)->load = snapshot;
}

void
machine_set_incoming (BpMachine *m, const char *address)
{
  full_machine (m)->incoming = address;
  __atomic_store_n (&full_machine (m)->is_incoming, address != NULL, __ATOMIC_RELEASE);
}

void
machine_set_template (BpMachine *m, const char *folder)
{
  full_machine (m)->template = folder;
}

void
machine_set_confined (BpMachine *m, bool confined)
{
  full_machine (m)->confined = confined;
}

static bool
begin_elsewhere (BpMachine *m, GError **error)
{
  FullMachine *fm = full_machine (m);
  bool ran = true;
  if (fm->incoming)
    return migration_await (m, fm->incoming, fm->starts_stopped, error);
  if (!fm->template)
    return bp_machine_load_snapshot (m, fm->load, error);
  bool good = template_begin (m, fm->template, &ran, error);
  fm->starts_stopped |= !ran;
  return good;
}

static bool
confine (BpMachine *m)
{
  g_autoptr (GError) error = NULL;
  if (!full_machine (m)->confined || sandbox_enter (m, &error))
    return true;
  bp_machine_request_shutdown (m, 1, error->message);
  return false;
}

/* A snapshot, or another process, has in RAM what its program has made of itself.  What reads a kernel or a snapshot is confined already, so that a reset will find
 * nothing forbidden that the start was allowed; a machine that comes from elsewhere has its socket or its command first. */
static void
begin (BpMachine *m)
{
  FullMachine *fm = full_machine (m);
  g_autoptr (GError) error = NULL;
  if (!fm->incoming && !confine (m))
    return;
  if (!fm->load && !fm->incoming && !fm->template) {
    machine_reset (m, BP_RESET_COLD);
    return;
  }
  bp_machine_lock (m);
  machine_reset_objects (m, BP_RESET_COLD);
  bp_machine_unlock (m);
  if (!begin_elsewhere (m, &error))
    bp_machine_request_shutdown (m, 1, error->message);
  else if (fm->incoming)
    confine (m);
}

int
machine_run (BpMachine *m)
{
  FullMachine *fm = full_machine (m);
  g_autoptr (GError) error = NULL;
  g_assert (fm->realized);
  begin (m);
  fm->started = true;
  if (!machine_is_ending (m)) {
    if (!fm->starts_stopped && !fm->incoming && !bp_machine_continue (m, &error))
      bp_machine_request_shutdown (m, 1, error->message);
    run_loop (m);
  }
  migration_finish (m);
  bp_machine_stop (m, BP_RUN_SHUTDOWN);
  machine_tell (m, BP_MACHINE_SHUTDOWN, m->shutdown_reason);
  fm->results = results_collect (m);
  vcpus_join (m);
  return m->exit_code;
}

struct Results *
machine_take_results (BpMachine *m)
{
  return g_steal_pointer (&full_machine (m)->results);
}
