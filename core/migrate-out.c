/* migrate-out.c -- the sender: RAM while the guest runs, then the machine stands, and the rest changes hands. */
/* SPDX-License-Identifier: MIT */
#include "migrate.h"
#include <backplane/clock.h>
#include <backplane/log.h>

typedef struct Sender {
  Migration *g;
  MigrateChannel *channel;
  MigrateWriter *w;
  MigrateReader *r;
  MigrateThrottle *throttle;
  RamSender ram;
  bool two_way;
  bool late;                    /* the machine stood too long for what was left: it goes on, and so do rounds */
  int64_t since;                /* of the measured stretch: us, bytes, pages */
  uint64_t since_bytes, since_pages, since_zeros;
  uint64_t left;                /* bytes of RAM that there were to send when it began */
  int64_t paced_since;          /* the same of the stretch with one limit of the bandwidth */
  uint64_t paced_bytes, paced_most;
  double speed;                 /* bytes of RAM a second */
  unsigned n_slow;              /* rounds in a row that have hardly less to send than the one before */
} Sender;

/* With less there is no use in looking closely: a stop takes as long. */
enum { LATE_LEAST_MS = 50 };
enum { SLOW_ROUNDS = 2 };
enum { SWITCH_MS = 20 };        /* that devices and disks take, besides RAM */

static BpMigrationParameters
parameters_of (Sender *s)
{
  g_mutex_lock (&s->g->lock);
  BpMigrationParameters p = s->g->parameters;
  g_mutex_unlock (&s->g->lock);
  return p;
}

/* --- while it runs ----------------------------------------------------------------------------------------- */

static void
account (Sender *s)
{
  BpMigrationInfo *info = &s->g->info;
  uint64_t done = (s->ram.pages - s->since_pages + s->ram.zero_pages - s->since_zeros) * 4096;
  g_mutex_lock (&s->g->lock);
  info->remaining = s->left - MIN (done, s->left);
  info->transferred = migrate_writer_bytes (s->w);
  info->pages = s->ram.pages;
  info->zero_pages = s->ram.zero_pages;
  g_mutex_unlock (&s->g->lock);
}

/* As many bytes as the time since the limit was set allows. */
static bool
keep_to_bandwidth (Sender *s)
{
  for (;;) {
    uint64_t most = parameters_of (s).max_bandwidth, bytes = migrate_writer_bytes (s->w);
    int64_t now = g_get_monotonic_time ();
    if (most != s->paced_most) {
      s->paced_since = now;
      s->paced_bytes = bytes;
      s->paced_most = most;
    }
    int64_t due = most ? s->paced_since + (int64_t) ((double) (bytes - s->paced_bytes) * G_USEC_PER_SEC / (double) most) : 0;
    if (due <= now || migration_is_cancelled (s->g))
      return !migration_is_cancelled (s->g);
    g_usleep ((gulong) MIN (due - now, 20000));
  }
}

static bool
between_pieces (void *user)
{
  Sender *s = user;
  account (s);
  return keep_to_bandwidth (s);
}

/* The connection may have become slower than it was when the machine was stopped. */
static bool
between_last_pieces (void *user)
{
  Sender *s = user;
  account (s);
  s->late = s->g->ran && migration_ms (s->g->stopped) > 2 * (uint64_t) MAX (parameters_of (s).downtime_limit, LATE_LEAST_MS);
  return !s->late;
}

static void
measure (Sender *s)
{
  int64_t time = g_get_monotonic_time () - s->since;
  uint64_t bytes = migrate_writer_bytes (s->w) - s->since_bytes, sent = (s->ram.pages - s->since_pages) * 4096, pages = ram_sender_left (&s->ram) / 4096;
  double seconds = (double) MAX (time, 1) / G_USEC_PER_SEC;
  BpMigrationInfo *info = &s->g->info;
  g_mutex_lock (&s->g->lock);
  if (!info->bandwidth || sent > 1 << 20) {     /* (a few pages tell nothing) */
    info->bandwidth = (uint64_t) MAX ((double) bytes / seconds, 1);
    s->speed = MAX ((double) MAX (bytes, sent) / seconds, 1);   /* (compressed, more than the bytes) */
  }
  s->n_slow = pages * 4096 > s->left / 4 * 3 ? s->n_slow + 1 : 0;
  info->dirty_rate = (uint64_t) ((double) pages / seconds);
  info->remaining = s->left = pages * 4096;
  info->expected_downtime = (uint64_t) ((double) info->remaining * 1000 / s->speed);
  g_mutex_unlock (&s->g->lock);
}

/* A guest that writes as fast as it is sent is slowed down: so that it would write half as fast, if what it writes went with the time that it has. */
static void
hold_back (Sender *s)
{
  unsigned most = parameters_of (s).max_throttle;
  BpMigrationInfo *info = &s->g->info;
  g_mutex_lock (&s->g->lock);
  if (s->n_slow >= (info->throttle ? 1 : SLOW_ROUNDS)) {
    double written = (double) info->dirty_rate * 4096, share = (100 - info->throttle) / 100.0 * MIN (s->speed / 2 / MAX (written, 1), 0.75);
    info->throttle = 100 - (unsigned) (share * 100);
    s->n_slow = 0;
  }
  unsigned percent = info->throttle = MIN (info->throttle, most);
  g_mutex_unlock (&s->g->lock);
  migrate_throttle_set (s->throttle, percent);
}

static bool
is_near (Sender *s)
{
  g_mutex_lock (&s->g->lock);
  uint32_t limit = s->g->parameters.downtime_limit;
  bool near = !s->g->info.remaining || s->g->info.expected_downtime <= limit - MIN (limit / 2, SWITCH_MS);
  g_mutex_unlock (&s->g->lock);
  return near;
}

static void
begin_stretch (Sender *s)
{
  s->since = g_get_monotonic_time ();
  s->since_bytes = migrate_writer_bytes (s->w);
  s->since_pages = s->ram.pages;
  s->since_zeros = s->ram.zero_pages;
  g_mutex_lock (&s->g->lock);
  s->g->info.rounds++;
  unsigned level = s->g->parameters.compress;
  g_mutex_unlock (&s->g->lock);
  migrate_writer_compress (s->w, level);
}

static bool
not_cancelled (Sender *s, GError **error)
{
  return !migration_is_cancelled (s->g) || snapshot_refuse (error, "it was cancelled");
}

static bool
send_ram (Sender *s, GError **error)
{
  bool near = false;
  s->ram.between = between_pieces;
  while (!near) {
    begin_stretch (s);
    bool whole = ram_sender_round (&s->ram);
    if (!not_cancelled (s, error) || !migrate_writer_flush (s->w, error))
      return false;
    if (!whole)
      return snapshot_refuse (error, "RAM was not sent");
    account (s);
    measure (s);
    near = is_near (s);
    if (!near)
      hold_back (s);
  }
  migrate_throttle_set (s->throttle, 0);
  return true;
}

/* --- the machine stands [main] ------------------------------------------------------------------------------- */

static bool
stop_machine (Migration *g, GError **error)
{
  g->stopped = g_get_monotonic_time ();
  Standing standing = machine_stand (g->m, BP_RUN_MOVING);
  bool good = machine_serve_first (g->m, &standing, BP_RUN_MOVING, error);
  g->ran = standing.ran;
  g->state = standing.state;
  if (!good) {
    machine_go_on (g->m, &standing);
    return false;
  }
  g->standing = true;
  g->disks = snapshot_disks (g->m);
  return true;
}

static bool
take_back (Migration *g, GError **error)
{
  if (g->released && !disks_take (g->m, error))
    return false;
  g->released = false;
  return true;
}

static bool
start_again (Migration *g, GError **error)
{
  bool wanted = bp_machine_run_state (g->m) == BP_RUN_MOVING;   /* (else somebody has stopped it meanwhile) */
  g->standing = false;
  if (g->released) {            /* `cont' tries again */
    bp_machine_stop (g->m, BP_RUN_IO_ERROR);
    return false;
  }
  Standing standing = { g->ran && wanted, wanted ? g->state : bp_machine_run_state (g->m) };
  machine_go_on (g->m, &standing);
  migration_serve (g);
  return true;
}

static bool
release (Migration *g, GError **error)
{
  g->released = true;
  if (disks_release (g->m, error))
    return true;
  g->released = false;
  return false;
}

static bool
let_go (Migration *g, GError **error)
{
  g_mutex_lock (&g->lock);
  bool good = g->complete || !g->cancelled || snapshot_refuse (error, "it was cancelled");
  g->gone = good;
  g_mutex_unlock (&g->lock);
  if (!good)
    return false;
  bp_machine_stop (g->m, BP_RUN_MOVED);
  g->standing = false;
  migration_serve (g);
  return true;
}

/* The receiver had everything, and nobody knows whether it heard that it may run: it has the disks' locks while it lives. */
static bool
run_again (Migration *g, GError **error)
{
  g->gone = false;
  if (bp_machine_run_state (g->m) == BP_RUN_MOVED) {
    Standing standing = { g->ran, g->state };
    machine_go_on (g->m, &standing);
  }
  return true;
}

/* --- what is left -------------------------------------------------------------------------------------------------- */

/* Under the machine lock: no device writes to RAM between its state and the last page.  Until STOPPED is sent the receiver has seen no more than another round. */
static bool
send_rest (Sender *s, GError **error)
{
  BpMachine *m = s->g->m;
  g_autoptr (GArray) disks = g_steal_pointer (&s->g->disks);
  g_autoptr (GByteArray) head = g_byte_array_new ();
  SnapshotSink sink = migrate_sink (s->w);
  s->ram.between = between_last_pieces;
  begin_stretch (s);
  bp_machine_lock (m);
  if (!ram_sender_round (&s->ram) && s->late) {
    bp_machine_unlock (m);
    return snapshot_refuse (error, "the machine has stood too long");
  }
  snapshot_put (head, (uint64_t) bp_clock_now (m, BP_CLOCK_VIRTUAL), 8);
  snapshot_put (head, s->g->ran, 1);
  migrate_write (s->w, SECTION_STOPPED, head, NULL, 0);
  snapshot_write_objects (m, &sink, disks, false);
  migrate_write (s->w, SECTION_END, NULL, NULL, 0);
  bool good = migrate_writer_flush (s->w, error);
  bp_machine_unlock (m);
  account (s);
  return good;
}

static bool
say (Sender *s, uint32_t kind, GError **error)
{
  migrate_write (s->w, kind, NULL, NULL, 0);
  return migrate_writer_flush (s->w, error);
}

/* Each step is the last at which the machine can still be had back by taking back what was done before. */
static bool
hand_over (Sender *s, GError **error)
{
  Migration *g = s->g;
  if (!send_rest (s, error) || (s->two_way && !migrate_expect (s->r, REPLY_LOADED, error)) || !migration_call (g, release, error))
    return false;
  if (!s->two_way) {
    g->complete = channel_finish (s->channel, error);   /* somebody may go on from it now: to cancel is too late */
    return g->complete && migration_call (g, let_go, error);
  }
  return say (s, SECTION_RELEASED, error) && migrate_expect (s->r, REPLY_TAKEN, error) && migration_call (g, let_go, error) &&
         say (s, SECTION_COMMIT, error) && migrate_expect (s->r, REPLY_RUNS, error);
}

/* A receiver that has failed gives the disks up when it ends, which takes a moment.  After COMMIT it may run, and only its end frees its disks for us. */
static bool
come_back (Sender *s, GError **error)
{
  Migration *g = s->g;
  g_autoptr (GError) wrong = NULL;
  bool shared = disks_shared (g->m), back = migration_call (g, take_back, &wrong);
  for (unsigned i = 0; !back && i < 100; i++) {
    g_clear_error (&wrong);
    g_usleep (50000);
    back = migration_call (g, take_back, &wrong);
  }
  if (!g->gone) {
    bool good = migration_call (g, start_again, NULL);
    return good || snapshot_refuse (error, "the machine cannot go on before its disks are free: %s", wrong ? wrong->message : "the run ends");
  }
  if (shared && back && migration_call (g, run_again, &wrong))
    return true;
  return snapshot_refuse (error, "it is not known whether the receiver runs%s%s; if it does not, `cont` lets the machine go on here",
                          wrong ? ", and it seems so: " : "", wrong ? wrong->message : "");
}

/* The guest runs on, and another round begins. */
static bool
stand_no_longer (Sender *s, GError **error)
{
  g_clear_error (error);
  channel_set_patience (s->channel, -1);
  if (!migration_call (s->g, start_again, error))
    return false;
  migration_set_status (s->g, BP_MIGRATION_ACTIVE);
  return true;
}

static bool
switch_over (Sender *s, GError **error)
{
  Migration *g = s->g;
  g_autoptr (GError) wrong = NULL;
  s->late = false;
  migration_set_status (g, BP_MIGRATION_DEVICE);
  if (!migration_call (g, stop_machine, error))
    return false;
  channel_set_patience (s->channel, (int) parameters_of (s).patience);
  bool good = hand_over (s, error);
  if (s->late)
    return stand_no_longer (s, error);
  g_mutex_lock (&g->lock);
  g->info.downtime = migration_ms (g->stopped);
  g_mutex_unlock (&g->lock);
  if (good)
    return true;
  if (!come_back (s, &wrong))
    g_prefix_error (error, "%s; ", wrong->message);
  return false;
}

/* --- the whole --------------------------------------------------------------------------------------------------------- */

static bool
prepare (Migration *g, GError **error)
{
  return !machine_is_ending (g->m) || snapshot_refuse (error, "the machine is about to end");
}

static bool
send_head (Sender *s, GError **error)
{
  BpMachine *m = s->g->m;
  SnapshotHeader header = snapshot_header_now (m, "");
  SnapshotSink sink = migrate_sink (s->w);
  header.flags |= s->two_way ? SNAPSHOT_TWO_WAY : 0;
  migrate_write_header (s->w, &header);
  bp_machine_lock (m);
  snapshot_write_changes (m, &sink);
  g_autoptr (GByteArray) shape = shape_of (m);
  bp_machine_unlock (m);
  migrate_write (s->w, SECTION_SHAPE, NULL, shape->data, shape->len);
  snapshot_write_blocks (&sink, s->ram.blocks);
  migrate_write (s->w, SECTION_ASK, NULL, NULL, 0);
  snapshot_header_clear (&header);
  channel_set_patience (s->channel, (int) parameters_of (s).patience);
  bool good = migrate_writer_flush (s->w, error) && (!s->two_way || migrate_expect (s->r, REPLY_FITS, error));
  channel_set_patience (s->channel, -1);        /* the guest runs: whoever has enough of waiting cancels */
  return good;
}

static bool
send_all (Sender *s, GError **error)
{
  Migration *g = s->g;
  if (!send_head (s, error))
    return false;
  g_mutex_lock (&g->lock);
  g->info.setup_time = migration_ms (g->start);
  g->info.total = g->info.remaining = s->left = ram_sender_total (&s->ram);
  g_mutex_unlock (&g->lock);
  migration_set_status (g, BP_MIGRATION_ACTIVE);
  ram_sender_begin (&s->ram);
  s->throttle = migrate_throttle_new (g->m);
  bool good = true;
  do
    good = send_ram (s, error) && switch_over (s, error);
  while (good && s->late);
  migrate_throttle_free (s->throttle);
  ram_sender_end (&s->ram);
  return good;
}

/* A connection that breaks says nothing; the receiver may have said why before. */
static void
ask_why (Sender *s, GError **error)
{
  enum { MOMENT_MS = 500 };
  if (!s->two_way || migrate_writer_good (s->w) || migration_is_cancelled (s->g))
    return;
  channel_set_patience (s->channel, MOMENT_MS);
  g_autofree char *why = migrate_last_words (s->r);
  if (!why)
    return;
  g_clear_error (error);
  snapshot_refuse (error, "the receiver refuses: %s", why);
}

void
migration_send (Migration *g)
{
  Sender s = { .g = g };
  GError *error = NULL;
  bool good = migration_call (g, prepare, &error);
  if (good) {
    s.channel = channel_new_closed ();
    good = migration_set_channel (g, s.channel) && channel_open (s.channel, g->address, true, &error) && not_cancelled (&s, &error);
  }
  if (good) {
    s.two_way = channel_is_two_way (s.channel);
    s.w = migrate_writer_new (s.channel);
    s.r = migrate_reader_new (s.channel);
    s.ram = (RamSender){ .writer = s.w, .blocks = snapshot_blocks (g->m), .user = &s };
    good = send_all (&s, &error);
    if (!good)
      ask_why (&s, &error);
    g_array_unref (s.ram.blocks);
    migrate_reader_free (s.r);
    migrate_writer_free (s.w);
  }
  if (!good && !error)
    snapshot_refuse (&error, "it was cancelled");
  if (good)
    migration_set_status (g, BP_MIGRATION_COMPLETED);
  else
    migration_failed (g, error);
}
