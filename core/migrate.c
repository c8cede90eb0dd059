/* migrate.c -- the account of a machine's migration, what it asks of the main loop, and what monitors may ask of it. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"
#include "config.h"
#include "migrate.h"
#include <backplane/socket.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct MainCall {
  bool (*f) (Migration *g, GError **error);
  GError **error;
  bool done, good;
} MainCall;

typedef struct StatusWatcher {
  unsigned id;
  BpMigrationWatch *watch;
  void *user;
} StatusWatcher;

static const BpMigrationParameters defaults = {
  .struct_size = sizeof defaults, .downtime_limit = 300, .max_bandwidth = 0, .patience = 10000, .compress = 0,
  .max_throttle = MIGRATE_THROTTLE_MOST
};

/* --- life ---------------------------------------------------------------------------------------------- */

/* made when there is none */
static Migration *
migration_of (BpMachine *m)
{
  FullMachine *fm = full_machine (m);
  if (fm->migration)
    return fm->migration;
  Migration *g = g_new0 (Migration, 1);
  g->m = m;
  g->parameters = defaults;
  g->info.struct_size = sizeof g->info;
  g->watchers = g_array_new (FALSE, FALSE, sizeof (StatusWatcher));
  g_queue_init (&g->told);
  g_mutex_init (&g->lock);
  g_cond_init (&g->called);
  fm->migration = g;
  return g;
}

static void make_call (void *user);

/* One that has told its end may ask for something still. [main] */
static void
join (Migration *g)
{
  if (!g->thread)
    return;
  g_mutex_lock (&g->lock);
  while (!g->thread_ended) {
    if (!g->call) {
      g_cond_wait (&g->called, &g->lock);
      continue;
    }
    g_mutex_unlock (&g->lock);
    make_call (g);
    g_mutex_lock (&g->lock);
  }
  g_mutex_unlock (&g->lock);
  g_thread_join (g->thread);
  g->thread = NULL;
  snapshot_plan_free (g_steal_pointer (&g->plan));
  snapshot_objects_free (g_steal_pointer (&g->changes));
}

static void
stop_listening (Migration *g)
{
  bp_listener_free (g->listener);
  g->listener = NULL;
}

void
migration_free (BpMachine *m)
{
  Migration *g = full_machine (m)->migration;
  if (!g)
    return;
  full_machine (m)->migration = NULL;
  stop_listening (g);
  g_array_unref (g->watchers);
  g_queue_clear (&g->told);
  g_mutex_clear (&g->lock);
  g_cond_clear (&g->called);
  g_free (g->address);
  g_free (g->error);
  g_free (g);
}

/* --- calls of the thread on the main loop ---------------------------------------------------------------- */

static MainCall *
take_call (Migration *g)
{
  g_mutex_lock (&g->lock);
  MainCall *c = g_steal_pointer (&g->call);
  g_mutex_unlock (&g->lock);
  return c;
}

static void
answer_call (Migration *g, MainCall *c, bool good)
{
  g_mutex_lock (&g->lock);
  c->good = good;
  c->done = true;
  g_cond_broadcast (&g->called);
  g_mutex_unlock (&g->lock);
}

static void
make_call (void *user)
{
  Migration *g = user;
  MainCall *c = take_call (g);
  if (c)
    answer_call (g, c, c->f (g, c->error));
}

bool
migration_call (Migration *g, bool (*f) (Migration *g, GError **error), GError **error)
{
  MainCall call = { f, error, false, false };
  g_mutex_lock (&g->lock);
  g->call = &call;
  g_cond_broadcast (&g->called);
  bp_loop_post (g->m->main_loop, false, NULL, make_call, g);
  while (!call.done)
    g_cond_wait (&g->called, &g->lock);
  g_mutex_unlock (&g->lock);
  return call.good;
}

/* Whatever the thread asks for is refused, until it has ended. */
void
migration_finish (BpMachine *m)
{
  Migration *g = full_machine (m)->migration;
  if (!g)
    return;
  stop_listening (g);
  g_mutex_lock (&g->lock);
  g->cancelled = true;
  if (g->channel)
    channel_cancel (g->channel);
  while (g->thread && !g->thread_ended) {
    MainCall *c = g_steal_pointer (&g->call);
    if (c) {
      c->good = snapshot_refuse (c->error, "the machine has ended");
      c->done = true;
      g_cond_broadcast (&g->called);
    }
    g_cond_wait (&g->called, &g->lock);
  }
  g_mutex_unlock (&g->lock);
  join (g);
}

void
migration_serve (void *user)
{
  BpMachine *m = ((Migration *) user)->m;
  bp_machine_lock (m);
  unsigned requested = full_machine (m)->requested;
  bp_machine_unlock (m);
  if (requested)
    machine_request (m, requested);
}

/* --- the thread -------------------------------------------------------------------------------------------- */

typedef struct Start {
  Migration *g;
  void (*run) (Migration *g);
} Start;

static void *
run_thread (void *user)
{
  Start s = *(Start *) user;
  g_free (user);
  s.run (s.g);
  migration_drop_channel (s.g);
  g_mutex_lock (&s.g->lock);
  s.g->thread_ended = true;
  bp_loop_post (s.g->m->main_loop, false, NULL, migration_serve, s.g);
  g_cond_broadcast (&s.g->called);
  g_mutex_unlock (&s.g->lock);
  return NULL;
}

/* [main] */
static bool
migration_start_thread (Migration *g, const char *name, void (*run) (Migration *g), GError **error)
{
  Start *s = g_memdup2 (&(Start){ g, run }, sizeof *s);
  join (g);
  g->thread_ended = false;
  g->thread = g_thread_try_new (name, run_thread, s, error);
  if (!g->thread)
    g_free (s);
  return g->thread;
}

bool
migration_set_channel (Migration *g, MigrateChannel *c)
{
  g_mutex_lock (&g->lock);
  bool good = !g->cancelled;
  g->channel = c;
  if (!good)
    channel_cancel (c);
  g_mutex_unlock (&g->lock);
  return good;
}

void
migration_drop_channel (Migration *g)
{
  g_mutex_lock (&g->lock);
  MigrateChannel *c = g_steal_pointer (&g->channel);
  g_mutex_unlock (&g->lock);
  channel_free (c);
}

bool
migration_is_cancelled (Migration *g)
{
  g_mutex_lock (&g->lock);
  bool is = g->cancelled;
  g_mutex_unlock (&g->lock);
  return is;
}

uint64_t
migration_ms (int64_t since)
{
  return (uint64_t) MAX (g_get_monotonic_time () - since, 0) / 1000;
}

/* --- status -------------------------------------------------------------------------------------------------- */

static const char *const status_names[] = { "none", "setup", "active", "device", "completed", "failed", "cancelling", "cancelled" };

const char *
bp_migration_status_name (BpMigrationStatus status)
{
  return (unsigned) status < BP_N_ELEMENTS (status_names) ? status_names[status] : "none";
}

static bool
has_ended (BpMigrationStatus s)
{
  return s == BP_MIGRATION_NONE || s == BP_MIGRATION_COMPLETED || s == BP_MIGRATION_FAILED || s == BP_MIGRATION_CANCELLED;
}

/* Who starts to watch meanwhile hears of the next one. */
static void
tell_status (Migration *g, BpMigrationStatus status)
{
  guint n = g->watchers->len;
  g->telling = true;
  for (guint i = 0; i < n; i++) {
    StatusWatcher w = g_array_index (g->watchers, StatusWatcher, i);
    if (w.watch)
      w.watch (w.user, status);
  }
  g->telling = false;
  for (guint i = g->watchers->len; i-- > 0;)
    if (!g_array_index (g->watchers, StatusWatcher, i).watch)
      g_array_remove_index (g->watchers, i);
}

/* Each once and in its order, however many posts there are. */
static void
tell (void *user)
{
  Migration *g = user;
  for (;;) {
    g_mutex_lock (&g->lock);
    bool any = !g_queue_is_empty (&g->told);
    BpMigrationStatus status = any ? GPOINTER_TO_UINT (g_queue_pop_head (&g->told)) : BP_MIGRATION_NONE;
    g_mutex_unlock (&g->lock);
    if (!any)
      return;
    tell_status (g, status);
  }
}

/* Under the lock. */
static void
note_status (Migration *g, BpMigrationStatus status)
{
  g->info.status = status;
  if (has_ended (status))
    g->info.total_time = migration_ms (g->start);
  g_queue_push_tail (&g->told, GUINT_TO_POINTER (status));
  bp_loop_post (g->m->main_loop, false, NULL, tell, g);
}

void
migration_set_status (Migration *g, BpMigrationStatus status)
{
  g_mutex_lock (&g->lock);
  note_status (g, status);
  g_mutex_unlock (&g->lock);
}

void
migration_show (Migration *g, bool ended)
{
  int64_t now = g_get_monotonic_time ();
  if (!isatty (STDERR_FILENO) || (ended ? !g->shown : now - g->shown < 100000))
    return;
  g->shown = now;
  g_mutex_lock (&g->lock);
  BpMigrationInfo i = g->info;
  g_mutex_unlock (&g->lock);
  fprintf (stderr, "\rreceiving: %" G_GUINT64_FORMAT " MiB came, of %" G_GUINT64_FORMAT " MiB of RAM%s", i.transferred >> 20, i.total >> 20, ended ? "\n" : " ");
}

/* a fresh account of it [main] */
static void
migration_begin (Migration *g, bool incoming, const char *address)
{
  join (g);
  g_free (g->address);
  g->address = g_strdup (address);
  g->start = g_get_monotonic_time ();
  g->stopped = g->shown = 0;
  g->standing = g->gone = g->complete = false;
  g_mutex_lock (&g->lock);
  g->info = (BpMigrationInfo){ .struct_size = sizeof g->info, .incoming = incoming };
  g->cancelled = false;
  g_clear_pointer (&g->error, g_free);
  g_mutex_unlock (&g->lock);
  migration_set_status (g, BP_MIGRATION_SETUP);
}

void
migration_failed (Migration *g, GError *error)
{
  g_mutex_lock (&g->lock);
  bool cancelled = g->cancelled;
  g_free (g->error);
  g->error = g_strdup (error->message);
  g_mutex_unlock (&g->lock);
  g_error_free (error);
  migration_set_status (g, cancelled ? BP_MIGRATION_CANCELLED : BP_MIGRATION_FAILED);
}

void
bp_migration_info (BpMachine *machine, BpMigrationInfo *info)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  Migration *g = migration_of (machine);
  uint32_t size = MIN (info->struct_size, (uint32_t) sizeof *info);
  g_mutex_lock (&g->lock);
  BpMigrationInfo full = g->info;
  full.error = g->error;
  g_mutex_unlock (&g->lock);
  if (!has_ended (full.status))
    full.total_time = migration_ms (g->start);
  full.struct_size = size;
  memcpy (info, &full, size);
}

unsigned
bp_migration_watch (BpMachine *machine, BpMigrationWatch *watch, void *user)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  Migration *g = migration_of (machine);
  StatusWatcher w = { ++g->last_watcher, watch, user };
  g_array_append_val (g->watchers, w);
  return w.id;
}

void
bp_migration_unwatch (BpMachine *machine, unsigned id)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  Migration *g = full_machine (machine)->migration;
  for (guint i = 0; g && i < g->watchers->len; i++) {
    if (g_array_index (g->watchers, StatusWatcher, i).id != id)
      continue;
    g_array_index (g->watchers, StatusWatcher, i).watch = NULL;
    if (!g->telling)
      g_array_remove_index (g->watchers, i);
    return;
  }
}

/* --- parameters ------------------------------------------------------------------------------------------------ */

void
bp_migration_parameters (BpMachine *machine, BpMigrationParameters *parameters)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  Migration *g = migration_of (machine);
  uint32_t size = MIN (parameters->struct_size, (uint32_t) sizeof *parameters);
  memcpy (parameters, &g->parameters, size);
  parameters->struct_size = size;
}

bool
bp_migration_set_parameters (BpMachine *machine, const BpMigrationParameters *parameters, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  Migration *g = migration_of (machine);
  BpMigrationParameters wanted = g->parameters;
  memcpy (&wanted, parameters, MIN (parameters->struct_size, (uint32_t) sizeof wanted));
  wanted.struct_size = sizeof wanted;
  if (wanted.downtime_limit < 1 || wanted.downtime_limit > 2000000)
    return snapshot_refuse (error, "the downtime limit is 1 to 2000000 ms");
  if (wanted.patience < 100 || wanted.patience > 3600000)
    return snapshot_refuse (error, "the patience is 100 to 3600000 ms");
  if (wanted.compress > 19)
    return snapshot_refuse (error, "zstd's levels are 1 to 19; 0 is no compression");
  if (wanted.max_throttle > MIGRATE_THROTTLE_MOST)
    return snapshot_refuse (error, "vCPUs are held for 0 to %d percent of their time", MIGRATE_THROTTLE_MOST);
#ifndef HAVE_ZSTD
  if (wanted.compress)
    return snapshot_refuse (error, "this program was built without libzstd");
#endif
  g_mutex_lock (&g->lock);
  g->parameters = wanted;
  g_mutex_unlock (&g->lock);
  return true;
}

/* --- begin and cancel -------------------------------------------------------------------------------------------- */

static bool
may_begin (Migration *g, const char *address, GError **error)
{
  g_autofree char *wrong = channel_wrong (address);
  if (wrong)
    return snapshot_refuse (error, "%s", wrong);
  return has_ended (g->info.status) || snapshot_refuse (error, "the machine is on its way already");
}

static bool
objects_movable (BpMachine *m, GError **error)
{
  g_autoptr (GString) bad = g_string_new (NULL);
  for (guint i = 0; i < m->objects->len; i++) {
    const BpObject *o = m->objects->pdata[i];
    if (o->type->flags & BP_TYPE_STAYS)
      g_string_append_printf (bad, "%s%s (type `%s`)", bad->len ? ", " : "", o->id, o->type->name);
  }
  return !bad->len || snapshot_refuse (error, "the machine stays where it is: nobody knows what of its memory is written to by %s", bad->str);
}

bool
bp_migration_start (BpMachine *machine, const char *address, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  Migration *g = migration_of (machine);
  BpRunState state = bp_machine_run_state (machine);
  if (!may_begin (g, address, error))
    return false;
  if (bp_machine_is_incoming (machine))
    return snapshot_refuse (error, "the machine has not come here yet");
  if (state == BP_RUN_SHUTDOWN || state == BP_RUN_MOVED || full_machine (machine)->half_loaded)
    return snapshot_refuse (error, "the machine is not one that could go on elsewhere: its state is %s", bp_run_state_name (state));
  if (!objects_movable (machine, error) || !disks_movable (machine, error))
    return false;
  migration_begin (g, false, address);
  if (migration_start_thread (g, "migration", migration_send, error))
    return true;
  migration_set_status (g, BP_MIGRATION_FAILED);
  return false;
}

void
bp_migration_cancel (BpMachine *machine)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  Migration *g = migration_of (machine);
  g_mutex_lock (&g->lock);
  bool may = !has_ended (g->info.status) && !g->info.incoming && !g->gone;
  g->cancelled |= may;
  if (may && g->channel)
    channel_cancel (g->channel);
  if (may)                      /* (before the thread can say how it has ended) */
    note_status (g, BP_MIGRATION_CANCELLING);
  g_mutex_unlock (&g->lock);
}

/* --- incoming ------------------------------------------------------------------------------------------------------ */

bool
bp_machine_is_incoming (BpMachine *machine)
{
  return __atomic_load_n (&full_machine (machine)->is_incoming, __ATOMIC_ACQUIRE);
}

static bool
begin_to_take (Migration *g, MigrateChannel *c, GError **error)
{
  migration_set_channel (g, c);
  if (migration_start_thread (g, "incoming", migration_take, error))
    return true;
  migration_drop_channel (g);
  migration_set_status (g, BP_MIGRATION_FAILED);
  return false;
}

/* The first who comes; nobody else is listened to. */
static bool
on_client (void *user, int fd)
{
  Migration *g = user;
  g_autoptr (GError) error = NULL;
  stop_listening (g);
  if (!begin_to_take (g, channel_new (fd), &error))
    bp_machine_request_shutdown (g->m, 1, error->message);
  return false;
}

bool
bp_migration_receive (BpMachine *machine, const char *address, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  Migration *g = migration_of (machine);
  if (!bp_machine_is_incoming (machine))
    return snapshot_refuse (error, "the machine was not started with --incoming");
  if (g->listener || !may_begin (g, address, error))
    return g->listener ? snapshot_refuse (error, "the machine is waited for already") : false;
  if (channel_listens (address)) {
    g->listener = bp_listener_new (address, 0, error);
    if (!g->listener)
      return false;
    migration_begin (g, true, address);
    bp_listener_watch (g->listener, machine, false, on_client, g);
    return true;
  }
  MigrateChannel *c = channel_new_open (address, false, error);
  if (!c)
    return false;
  migration_begin (g, true, address);
  return begin_to_take (g, c, error);
}

bool
migration_await (BpMachine *m, const char *address, bool stays_stopped, GError **error)
{
  migration_of (m)->stays_stopped = stays_stopped;
  bp_machine_stop (m, BP_RUN_INCOMING);
  return strcmp (address, "defer") == 0 || bp_migration_receive (m, address, error);
}

/* --- what others ask ------------------------------------------------------------------------------------------------- */

bool
migration_holds (BpMachine *m)
{
  const Migration *g = full_machine (m)->migration;
  return (g && g->standing) || bp_machine_is_incoming (m);
}

/* The list of objects and RAM is the thread's while there is one. */
bool
migration_may_change (BpMachine *m, GError **error)
{
  Migration *g = full_machine (m)->migration;
  if (!g || !g->thread || g->joining)
    return true;
  g_mutex_lock (&g->lock);
  bool may = g->thread_ended;
  g_mutex_unlock (&g->lock);
  return may || snapshot_refuse (error, "the machine is on its way from one process to another: until then no object joins or leaves it");
}

bool
migration_may_continue (BpMachine *m, GError **error)
{
  Migration *g = full_machine (m)->migration;
  if (migration_holds (m))
    return snapshot_refuse (error, "the machine is on its way from one process to another");
  if (!g || !g->released)
    return true;
  if (!disks_take (m, error)) {
    g_prefix_error (error, "the machine has gone to another process, and its disks with it: ");
    return false;
  }
  g->released = false;
  return true;
}
