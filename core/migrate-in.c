/* migrate-in.c -- the receiver: a stream checked section by section, RAM as it comes, and the machine once all is there. */
/* SPDX-License-Identifier: MIT */
#include "migrate.h"
#include <string.h>

typedef struct Receiver {
  Migration *g;
  MigrateChannel *channel;
  MigrateReader *r;
  MigrateWriter *w;             /* of replies */
  SnapshotHeader header;
  GArray *blocks, *disks;
  bool two_way, shaped, asked;
} Receiver;

static bool
damaged (GError **error, const char *what)
{
  return snapshot_refuse (error, "the stream is damaged: %s", what);
}

static bool
reply (Receiver *s, uint32_t kind, GError **error)
{
  if (!s->two_way)
    return true;
  migrate_write (s->w, kind, NULL, NULL, 0);
  return migrate_writer_flush (s->w, error);
}

/* --- RAM ---------------------------------------------------------------------------------------------------- */

static bool
take_block (Receiver *s, const uint8_t *payload, size_t size, GError **error)
{
  SnapshotBytes b = { payload, payload + size, false };
  if (!s->shaped || s->asked)
    return damaged (error, "its sections are not in order");
  bool good = snapshot_read_block (s->blocks, &b);
  return (good && !b.bad && b.at == b.end) || damaged (error, "a piece of RAM is none");
}

static bool
answer (Receiver *s, GError **error)
{
  Migration *g = s->g;
  uint64_t total = 0;
  if (!s->shaped || s->asked)
    return damaged (error, "its sections are not in order");
  if (!shape_check_blocks (g->m, s->blocks, s->header.machine, error))
    return false;
  for (guint i = 0; i < s->blocks->len; i++)
    total += g_array_index (s->blocks, SnapshotBlock, i).size;
  g_mutex_lock (&g->lock);
  g->info.total = total;
  g_mutex_unlock (&g->lock);
  s->asked = true;
  migration_set_status (g, BP_MIGRATION_ACTIVE);
  return reply (s, REPLY_FITS, error);
}

static bool
take_change (Receiver *s, const uint8_t *payload, size_t size, GError **error)
{
  SnapshotBytes b = { payload, payload + size, false };
  if (s->shaped)
    return damaged (error, "its sections are not in order");
  if (!s->g->changes)
    s->g->changes = snapshot_objects_new (s->g->m);
  return (snapshot_objects_read (s->g->changes, &b) && b.at == b.end) || damaged (error, "a change of the machine is none");
}

/* [main] */
static bool
join (Migration *g, GError **error)
{
  g->joining = true;
  bool good = snapshot_objects_bring (g->changes, error);
  g->joining = false;
  return good;
}

static bool
take_shape (Receiver *s, const uint8_t *payload, size_t size, GError **error)
{
  if (s->shaped)
    return damaged (error, "its sections are not in order");
  s->shaped = true;
  if (s->g->changes && !migration_call (s->g, join, error))
    return false;
  bp_machine_lock (s->g->m);
  bool good = shape_check (s->g->m, payload, size, s->header.machine, error);
  bp_machine_unlock (s->g->m);
  return good;
}

static void
account (Receiver *s, uint64_t pages, uint64_t zero_pages)
{
  BpMigrationInfo *info = &s->g->info;
  g_mutex_lock (&s->g->lock);
  info->transferred = migrate_reader_bytes (s->r);
  info->pages += pages;
  info->zero_pages += zero_pages;
  g_mutex_unlock (&s->g->lock);
  migration_show (s->g, false);
}

static bool
take_pages (Receiver *s, uint32_t kind, const uint8_t *payload, size_t size, GError **error)
{
  if (!s->asked)
    return damaged (error, "its sections are not in order");
  account (s, kind == SECTION_PAGES ? size / 4096 : 0, kind == SECTION_ZERO);
  return kind == SECTION_PAGES ? snapshot_put_pages (s->blocks, payload, size, error) : snapshot_put_zeros (s->blocks, payload, size, error);
}

/* From now on the sender waits for us or we for it: whose end does not come to know that the other is gone must not keep the disks.  It may take the sender a
 * while to write them. */
static void
set_patience (Receiver *s)
{
  enum { TIMES = 3 };
  if (!s->two_way)
    return;
  g_mutex_lock (&s->g->lock);
  channel_set_patience (s->channel, (int) s->g->parameters.patience * TIMES);
  g_mutex_unlock (&s->g->lock);
}

static bool
take_stopped (Receiver *s, const uint8_t *payload, size_t size, GError **error)
{
  SnapshotBytes b = { payload, payload + size, false };
  s->header.vm_clock = (int64_t) snapshot_get (&b, 8);
  s->g->runs = snapshot_get (&b, 1);
  s->g->stopped = g_get_monotonic_time ();
  if (b.bad || b.at != b.end || !s->asked || s->header.vm_clock < 0)
    return damaged (error, "the machine stands at no time");
  set_patience (s);
  migration_set_status (s->g, BP_MIGRATION_DEVICE);
  return true;
}

/* Up to and with STOPPED. */
static bool
take_ram (Receiver *s, GError **error)
{
  uint32_t kind = 0;
  const uint8_t *payload;
  size_t size;
  bool good = true;
  while (good && kind != SECTION_STOPPED) {
    if (!migrate_read (s->r, &kind, &payload, &size, error))
      return false;
    switch (kind) {
    case SECTION_CHANGE: good = take_change (s, payload, size, error); break;
    case SECTION_SHAPE: good = take_shape (s, payload, size, error); break;
    case SECTION_BLOCK: good = take_block (s, payload, size, error); break;
    case SECTION_ASK: good = answer (s, error); break;
    case SECTION_PAGES:
    case SECTION_ZERO: good = take_pages (s, kind, payload, size, error); break;
    case SECTION_STOPPED: good = take_stopped (s, payload, size, error); break;
    default: good = damaged (error, "a section of a kind that has no business here");
    }
  }
  return good;
}

/* --- the machine [main] ----------------------------------------------------------------------------------------- */

static bool
apply (Migration *g, GError **error)
{
  if (!snapshot_plan_apply (g->plan, error))
    return false;
  bp_machine_lock (g->m);
  machine_synchronise (g->m);
  bp_machine_unlock (g->m);
  machine_forget_requests (g->m);
  return true;
}

static bool
take_disks (Migration *g, GError **error)
{
  return disks_take (g->m, error);
}

static bool
run (Migration *g, GError **error)
{
  __atomic_store_n (&full_machine (g->m)->is_incoming, 0, __ATOMIC_RELEASE);
  if (g->runs && !g->stays_stopped)
    return bp_machine_continue (g->m, error);
  bp_machine_stop (g->m, BP_RUN_PAUSED);
  return true;
}

static bool
end (Migration *g, GError **error)
{
  g_autofree char *why = g_strdup_printf ("the machine did not come: %s", g->error ? g->error : "no reason is known");
  bp_machine_request_shutdown (g->m, 1, why);
  return true;
}

/* --- the whole ------------------------------------------------------------------------------------------------------ */

static bool
take_header (Receiver *s, GError **error)
{
  if (!migrate_read_header (s->r, &s->header, error))
    return false;
  bool deterministic = s->header.flags & SNAPSHOT_DETERMINISTIC;
  bool asks = s->header.flags & SNAPSHOT_TWO_WAY;
  s->two_way = asks && channel_is_two_way (s->channel);
  if (asks && !s->two_way)
    return snapshot_refuse (error, "it was sent to a receiver that answers, not into a file or a command");
  if (deterministic != s->g->m->deterministic)
    return snapshot_refuse (error, "machine `%s` is not this one: [clock] mode = instructions is %s there and %s here", s->header.machine,
                            deterministic ? "set" : "not set", deterministic ? "not" : "set");
  return true;
}

static bool
list_disks (Migration *g, GError **error)
{
  g->disks = snapshot_disks (g->m);
  return true;
}

static bool
take_all (Receiver *s, GError **error)
{
  Migration *g = s->g;
  SnapshotPull pull = migrate_pull (s->r);
  if (!take_header (s, error) || !take_ram (s, error) || !migration_call (g, list_disks, error))
    return false;
  s->disks = g_steal_pointer (&g->disks);
  g->plan = snapshot_plan_rest (g->m, &pull, s->disks, &s->header, error);
  account (s, 0, 0);
  if (!g->plan || (!s->two_way && !migrate_expect_end (s->r, error)) || !migration_call (g, apply, error) || !reply (s, REPLY_LOADED, error))
    return false;
  if (s->two_way && !migrate_expect (s->r, SECTION_RELEASED, error))
    return false;
  if (!migration_call (g, take_disks, error) || !reply (s, REPLY_TAKEN, error))
    return false;
  if (s->two_way && !migrate_expect (s->r, SECTION_COMMIT, error))
    return false;
  if (!migration_call (g, run, error))
    return false;
  g_mutex_lock (&g->lock);
  g->info.downtime = migration_ms (g->stopped);
  g_mutex_unlock (&g->lock);
  reply (s, REPLY_RUNS, NULL);  /* (it runs, whoever hears of it) */
  return true;
}

static void
refuse (Receiver *s, const GError *error)
{
  if (!channel_is_two_way (s->channel))
    return;
  channel_set_patience (s->channel, 2000);
  migrate_write_text (s->w, REPLY_REFUSED, error->message);
  migrate_writer_flush (s->w, NULL);
}

void
migration_take (Migration *g)
{
  Receiver s = { .g = g, .channel = g->channel, .blocks = snapshot_blocks_new () };
  GError *error = NULL;
  s.r = migrate_reader_new (s.channel);
  s.w = migrate_writer_new (s.channel);
  bool good = take_all (&s, &error);
  migration_show (g, true);
  if (!good)
    refuse (&s, error);
  migrate_reader_free (s.r);
  migrate_writer_free (s.w);
  snapshot_header_clear (&s.header);
  g_array_unref (s.blocks);
  if (s.disks)
    g_array_unref (s.disks);
  if (good) {
    migration_set_status (g, BP_MIGRATION_COMPLETED);
    return;
  }
  migration_failed (g, error);
  migration_drop_channel (g);
  migration_call (g, end, NULL);
}
