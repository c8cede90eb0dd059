/* test-snapshot-faults.c -- snapshots and moves on a host whose calls fail: the old file stays, the machine goes on in one place. */
/* SPDX-License-Identifier: MIT */
#include "core/migrate-pair.h"
#include "scratch.h"
#include "sweep.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* --- a chip with memory ---------------------------------------------------------------------------------- */

#define BYTES (256u << 10)

typedef struct Chip {
  uint32_t value;
  BpRegion *ram;
  uint8_t *host;
} Chip;

static bool
chip_configure (void *self, GError **error)
{
  Chip *c = self;
  c->host = g_aligned_alloc0 (1, BYTES, 4096);
  c->ram = bp_region_new_ram (self, "bytes", c->host, BYTES);
  bp_region_publish (self, c->ram, "its memory");
  return true;
}

static void
chip_unrealize (void *self)
{
  g_clear_pointer (&((Chip *) self)->host, g_aligned_free);
}

static const BpStateField chip_state[] = { BP_STATE_FIELD_U32 (Chip, value), BP_STATE_END };
static const BpTypeDesc chip_type = { BP_TYPE ("fault-chip", BP_KIND_DEVICE, Chip), .description = "a chip", .state = chip_state, .state_version = 1, .state_minimum = 1,
                                      .configure = chip_configure, .unrealize = chip_unrealize };
#define TEXT "[device a]\ntype = fault-chip\n"

static Chip *chip (BpMachine *m) { return bp_machine_find (m, "a"); }

/* What does not compress. */
static void
fill (BpMachine *m, uint32_t value)
{
  uint32_t word = value * 2654435761u;
  chip (m)->value = value;
  for (uint32_t i = 0; i < BYTES; i += 4, word = word * 1664525u + 1013904223u)
    memcpy (chip (m)->host + i, &word, 4);
}

static bool
is_filled (BpMachine *m, uint32_t value)
{
  uint32_t word = value * 2654435761u;
  bool same = chip (m)->value == value;
  for (uint32_t i = 0; i < BYTES && same; i += 4, word = word * 1664525u + 1013904223u)
    same = memcmp (chip (m)->host + i, &word, 4) == 0;
  return same;
}

static bool good;

static void
note (bool worked, GError *error)
{
  good = worked;
  ck_assert (worked == !error);
  ck_assert_msg (!error || *error->message, "an error without a word");
  g_clear_error (&error);
}

/* --- snapshots in files ----------------------------------------------------------------------------------- */

static void
clear_folder (unsigned most)
{
  unsigned n = scratch_empty (".");
  ck_assert_msg (n <= most, "%u files are left", n);
}

static void
prepare_save (void)
{
  clear_folder (100);
  from = pair_build (TEXT, false);
  fill (from, 1);
  ck_assert (bp_machine_save_snapshot (from, "x", NULL));
  fill (from, 2);
}

static void
run_save (void)
{
  GError *error = NULL;
  bool worked = bp_machine_save_snapshot (from, "x", &error);
  note (worked, error);
}

static void
verify_save (const SweepFault *f, uint32_t failed)
{
  ck_assert (good || failed);
  ck_assert (is_filled (from, 2));
  fill (from, 3);
  ck_assert (bp_machine_load_snapshot (from, "x", NULL));
  ck_assert (is_filled (from, good ? 2 : 1));
  end_machine (&from);
  clear_folder (1);
}

static void
run_load (void)
{
  GError *error = NULL;
  bool worked = bp_machine_load_snapshot (from, "x", &error);
  note (worked, error);
}

static void
verify_load (const SweepFault *f, uint32_t failed)
{
  ck_assert (good || failed);
  ck_assert (!good || is_filled (from, 1));
  ck_assert (bp_machine_load_snapshot (from, "x", NULL));
  ck_assert (is_filled (from, 1));
  end_machine (&from);
  clear_folder (1);
}

static const SweepFault saves[] = { { INJECT_OPEN, EMFILE, 1 }, { INJECT_WRITE, EIO, 1 }, { INJECT_WRITE, ENOSPC, INJECT_FOREVER }, { INJECT_WRITE, EINTR, 1 },
                                    { INJECT_WRITE, INJECT_SHORT, INJECT_FOREVER }, { INJECT_FLUSH, EIO, 1 }, { INJECT_RENAME, EIO, 1 } };
static const SweepFault loads[] = { { INJECT_OPEN, EMFILE, 1 }, { INJECT_READ, EIO, 1 }, { INJECT_READ, EINTR, 1 }, { INJECT_READ, INJECT_SHORT, INJECT_FOREVER },
                                    { INJECT_READ, INJECT_END, 1 }, { INJECT_STAT, EIO, 1 }, { INJECT_SEEK, EIO, 1 } };

START_TEST (test_files)
{
  static const SweepScenario save = { "save", prepare_save, run_save, verify_save }, load = { "load", prepare_save, run_load, verify_load };
  sweep (&save, "x.bps", 12, saves, G_N_ELEMENTS (saves));
  sweep (&load, "x.bps", 12, loads, G_N_ELEMENTS (loads));
}
END_TEST

/* --- without memory ----------------------------------------------------------------------------------------- */

#define BLOB (2u << 20)         /* what its guest has made it keep: random, so that no copy is smaller */

typedef struct Keeper {
  uint32_t seed;
  BpStateBuffer saved;
} Keeper;

static Keeper *keeper (void) { return bp_machine_find (from, "a"); }

static uint32_t
keeper_word (uint32_t seed, uint32_t i)
{
  uint32_t x = (seed + 1) * 2654435761u ^ i * 2246822519u;
  x ^= x >> 15;
  x *= 3266489917u;
  return x ^ x >> 13;
}

static bool
keeper_fill (const void *self)
{
  Keeper *k = (Keeper *) self;
  g_free (k->saved.data);
  uint32_t *words = g_try_malloc (BLOB);
  for (uint32_t i = 0; words && i < BLOB / 4; i++)
    words[i] = keeper_word (k->seed, i);
  k->saved = (BpStateBuffer) { words, BLOB };
  return true;
}

static void
keeper_forget (Keeper *k)
{
  g_free (k->saved.data);
  k->saved = (BpStateBuffer) { NULL, 0 };
}

static bool
keeper_post_load (void *self, GError **error)
{
  Keeper *k = self;
  bool whole = k->saved.size == BLOB;
  for (uint32_t i = 0; whole && i < BLOB / 4; i++)
    whole = ((uint32_t *) k->saved.data)[i] == keeper_word (k->seed, i);
  keeper_forget (k);
  return whole || snapshot_refuse (error, "it is not whole");
}

static void keeper_reset (void *self, BpResetKind kind) { keeper_forget (self); }
static void keeper_unrealize (void *self) { g_clear_pointer (&((Keeper *) self)->saved.data, g_free); }

static const BpStateField keeper_state[] = { BP_STATE_FIELD_U32 (Keeper, seed), BP_STATE_ (BP_STATE_BLOB, Keeper, saved, 1, .needed = keeper_fill), BP_STATE_END };
static const BpTypeDesc keeper_type = { BP_TYPE ("fault-keeper", BP_KIND_DEVICE, Keeper), .description = "a chip that keeps much", .state = keeper_state, .state_version = 1,
                                        .state_minimum = 1, .reset = keeper_reset, .post_load = keeper_post_load, .unrealize = keeper_unrealize };

static void
prepare_keeper (void)
{
  clear_folder (100);
  from = pair_build ("[device a]\ntype = fault-keeper\n", false);
  keeper ()->seed = 1;
  ck_assert (bp_machine_save_snapshot (from, "x", NULL));
  keeper ()->seed = 2;
}

/* What there was is there, or what was loaded; and the next attempt succeeds. */
static void
verify_keeper (const SweepFault *f, uint32_t failed)
{
  ck_assert (good || failed);
  ck_assert (keeper ()->seed == 2 || (good && keeper ()->seed == 1));
  ck_assert (bp_machine_load_snapshot (from, "x", NULL));
  ck_assert (keeper ()->seed == 1 || (good && keeper ()->seed == 2));
  end_machine (&from);
  clear_folder (1);
}

static const SweepFault memory[] = { { INJECT_MEMORY, ENOMEM, 1 }, { INJECT_MEMORY, ENOMEM, INJECT_FOREVER } };

START_TEST (test_memory)
{
  static const SweepScenario save = { "save without memory", prepare_keeper, run_save, verify_keeper }, load = { "load without memory", prepare_keeper, run_load, verify_keeper };
  if (!type_find (keeper_type.name))
    ck_assert (type_register (&keeper_type, plugin_core (), NULL));
  inject_page->least = 1 << 20;
  sweep (&save, "", 12, memory, G_N_ELEMENTS (memory));
  sweep (&load, "", 12, memory, G_N_ELEMENTS (memory));
}
END_TEST

/* --- moves ------------------------------------------------------------------------------------------------- */

static void
prepare_move (void)
{
  clear_folder (100);
  from = pair_build (TEXT, false);
  fill (from, 5);
  ck_assert (bp_machine_continue (from, NULL));
  to = pair_build (TEXT, true);
}

static void
run_move (void)
{
  g_autoptr (GError) error = NULL;
  BpMigrationInfo info = { .struct_size = sizeof info };
  good = false;
  if (!bp_migration_receive (to, "unix:socket", &error) || !bp_migration_start (from, "unix:socket", &error)) {
    ck_assert (error != NULL);
    return;
  }
  info = wait_for (from);
  good = info.status == BP_MIGRATION_COMPLETED;
  ck_assert_msg (good || *info.error, "a failure without a word");
}

/* It is in one place, and where it is it is whole. */
static void
verify_move (const SweepFault *f, uint32_t failed)
{
  ck_assert (good || failed);
  for (unsigned i = 0; i < 50; i++)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (200);
  BpRunState here = bp_machine_run_state (from), there = bp_machine_run_state (to);
  ck_assert_msg (!(here == BP_RUN_RUNNING && there == BP_RUN_RUNNING), "it runs in two places");
  if (good)
    ck_assert (is_filled (to, 5) && here != BP_RUN_RUNNING);
  else
    ck_assert_msg (is_filled (from, 5) && (here == BP_RUN_RUNNING || bp_machine_continue (from, NULL) || there == BP_RUN_RUNNING), "it is nowhere: %d, %d", here, there);
  end_machine (&to);
  end_machine (&from);
}

static const SweepFault channel[] = { { INJECT_SEND, EPIPE, 1 }, { INJECT_SEND, EINTR, 1 }, { INJECT_SEND, INJECT_SHORT, INJECT_FOREVER }, { INJECT_RECEIVE, ECONNRESET, 1 },
                                      { INJECT_RECEIVE, INJECT_END, 1 }, { INJECT_RECEIVE, INJECT_SHORT, INJECT_FOREVER }, { INJECT_READ, EIO, 1 }, { INJECT_READ, EINTR, 1 },
                                      { INJECT_READ, INJECT_END, 1 }, { INJECT_READ, INJECT_SHORT, INJECT_FOREVER }, { INJECT_WRITE, EPIPE, 1 }, { INJECT_WRITE, EINTR, 1 },
                                      { INJECT_WRITE, INJECT_SHORT, INJECT_FOREVER } };
static const SweepFault connections[] = { { INJECT_SOCKET, EMFILE, 1 }, { INJECT_CONNECT, ECONNREFUSED, 1 }, { INJECT_CONTROL, EMFILE, 1 } };

START_TEST (test_moves)
{
  static const SweepScenario s = { "move", prepare_move, run_move, verify_move };
  sweep (&s, "socket:", 10, channel, G_N_ELEMENTS (channel));
  sweep (&s, "", 10, connections, G_N_ELEMENTS (connections));
}
END_TEST

static void
setup (void)
{
  signal (SIGPIPE, SIG_IGN);
  pair_setup ();
  ck_assert_int_eq (g_chdir (folder), 0);
  if (!type_find (chip_type.name))
    ck_assert (type_register (&chip_type, plugin_core (), NULL));
}

static void
teardown (void)
{
  ck_assert_int_eq (g_chdir ("/"), 0);
  pair_teardown ();
}

int
main (void)
{
  const SweepTest tests[] = { { test_files, 1 }, { test_memory, 1 }, { test_moves, 1 } };
  return sweep_run ("snapshot faults", setup, teardown, tests, G_N_ELEMENTS (tests));
}
