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
  RamSender ram;
  bool two_way;
  int64_t since;                /* of the measured stretch: us, bytes */
  uint64_t since_bytes;
} Sender;

/* --- while it runs ----------------------------------------------------------------------------------------- */

static void
account (Sender *s)
{
  BpMigrationInfo *info = &s->g->info;
  g_mutex_lock (&s->g->lock);
  info->transferred = migrate_writer_bytes (s->w);
  info->pages = s->ram.pages;
  info->zero_pages = s->ram.zero_pages;
  g_mutex_unlock (&s->g->lock);
}

/* As many bytes as the time since the stretch began allows. */
static bool
keep_to_bandwidth (Sender *s)
{
  for (;;) {
    g_mutex_lock (&s->g->lock);
    uint64_t most = s->g->parameters.max_bandwidth;
    g_mutex_unlock (&s->g->lock);
    uint64_t bytes = migrate_writer_bytes (s->w) - s->since_bytes;
    int64_t due = most ? s->since + (int64_t) ((double) bytes * G_USEC_PER_SEC / (double) most) : 0, now = g_get_monotonic_time ();
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

static bool
between_last_pieces (void *user)
{
  account (user);
  return true;
}

static void
measure (Sender *s)
{
  int64_t time = g_get_monotonic_time () - s->since;
  uint64_t bytes = migrate_writer_bytes (s->w) - s->since_bytes, pages = ram_sender_left (&s->ram) / 4096;
  BpMigrationInfo *info = &s->g->info;
  g_mutex_lock (&s->g->lock);
  if (!info->bandwidth || bytes > 1 << 20)      /* (a few pages tell nothing) */
    info->bandwidth = MAX ((uint64_t) ((double) bytes * G_USEC_PER_SEC / (double) MAX (time, 1)), 1);
  info->dirty_rate = (uint64_t) ((double) pages * G_USEC_PER_SEC / (double) MAX (time, 1));
  info->remaining = pages * 4096;
  info->expected_downtime = (uint64_t) ((double) info->remaining * 1000 / (double) info->bandwidth);
  g_mutex_unlock (&s->g->lock);
}

static bool
is_near (Sender *s)
{
  g_mutex_lock (&s->g->lock);
  bool near = !s->g->info.remaining || s->g->info.expected_downtime <= s->g->parameters.downtime_limit;
  g_mutex_unlock (&s->g->lock);
  return near;
}

static void
begin_stretch (Sender *s)
{
  s->since = g_get_monotonic_time ();
  s->since_bytes = migrate_writer_bytes (s->w);
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
  do {
    begin_stretch (s);
    bool whole = ram_sender_round (&s->ram);
    if (!not_cancelled (s, error) || !migrate_writer_flush (s->w, error))
      return false;
    if (!whole)
      return snapshot_refuse (error, "RAM was not sent");
    account (s);
    measure (s);
  } while (!is_near (s));
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
  bool good = !g->cancelled || snapshot_refuse (error, "it was cancelled");
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

/* Under the machine lock: no device writes to RAM between its state and the last page. */
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
  ram_sender_round (&s->ram);
  snapshot_put (head, (uint64_t) bp_clock_now (m, BP_CLOCK_VIRTUAL), 8);
  snapshot_put (head, s->g->ran, 1);
  migrate_write (s->w, SECTION_STOPPED, head, NULL, 0);
  snapshot_write_objects (m, &sink, disks);
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
  if (!s->two_way)
    return channel_finish (s->channel, error) && migration_call (g, let_go, error);
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

static bool
switch_over (Sender *s, GError **error)
{
  Migration *g = s->g;
  g_autoptr (GError) wrong = NULL;
  migration_set_status (g, BP_MIGRATION_DEVICE);
  g_mutex_lock (&g->lock);
  int patience = (int) g->parameters.patience;
  g_mutex_unlock (&g->lock);
  if (!migration_call (g, stop_machine, error))
    return false;
  channel_set_patience (s->channel, patience);
  bool good = hand_over (s, error);
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
  return !g->m->shutdown_requested || snapshot_refuse (error, "the machine is about to end");
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
  return migrate_writer_flush (s->w, error) && (!s->two_way || migrate_expect (s->r, REPLY_FITS, error));
}

static bool
send_all (Sender *s, GError **error)
{
  Migration *g = s->g;
  if (!send_head (s, error))
    return false;
  g_mutex_lock (&g->lock);
  g->info.setup_time = migration_ms (g->start);
  g->info.total = g->info.remaining = ram_sender_total (&s->ram);
  g_mutex_unlock (&g->lock);
  migration_set_status (g, BP_MIGRATION_ACTIVE);
  ram_sender_begin (&s->ram);
  bool good = send_ram (s, error) && switch_over (s, error);
  ram_sender_end (&s->ram);
  return good;
}

void
migration_send (Migration *g)
{
  Sender s = { .g = g };
  GError *error = NULL;
  s.channel = migration_call (g, prepare, &error) ? channel_open_out (g->address, &error) : NULL;
  bool good = s.channel && migration_set_channel (g, s.channel) && not_cancelled (&s, &error);
  if (good) {
    s.two_way = channel_is_two_way (s.channel);
    s.w = migrate_writer_new (s.channel);
    s.r = migrate_reader_new (s.channel);
    s.ram = (RamSender){ .writer = s.w, .blocks = snapshot_blocks (g->m), .between = between_pieces, .user = &s };
    good = send_all (&s, &error);
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
