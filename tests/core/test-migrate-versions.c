/* test-migrate-versions.c -- machines moved to programs whose devices save something else than the sender's: older, newer, too old; and devices that stay. */
/* SPDX-License-Identifier: MIT */
#include "memory.h"
#include "migrate-pair.h"
#include "../suite.h"
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>

/* --- a device, as one version of its plugin and another have it ----------------------------------------------- */

typedef struct Counter {
  uint32_t laps, wide, speed, limit;
  BpRegion *ram;
  uint8_t *host;
} Counter;

static bool
counter_configure (void *self, GError **error)
{
  Counter *c = self;
  c->host = g_aligned_alloc0 (1, 4096, 4096);
  c->ram = bp_region_new_ram (self, "bytes", c->host, 4096);
  bp_region_publish (self, c->ram, "its memory");
  return true;
}

static void
counter_unrealize (void *self)
{
  g_clear_pointer (&((Counter *) self)->host, g_aligned_free);
}

static void
counter_reset (void *self, BpResetKind kind)
{
  Counter *c = self;
  c->speed = 100;
  c->limit = 1000;
}

/* A limit that was saved before there were speeds is in other units. */
static bool
counter_post_load (void *self, GError **error)
{
  Counter *c = self;
  return c->laps <= c->limit || snapshot_refuse (error, "%u laps, of %u", c->laps, c->limit);
}

static const BpStateField first_state[] = { BP_STATE_FIELD_U32 (Counter, laps), BP_STATE_FIELD_U32 (Counter, limit), BP_STATE_END };
static const BpStateField second_state[] = { BP_STATE_FIELD_U32 (Counter, laps), BP_STATE_FIELD_U32 (Counter, limit),
                                             BP_STATE_SINCE (2, BP_STATE_U32, Counter, speed, 1), BP_STATE_END };
static const BpProperty first_properties[] = { BP_PROP_U32 ("wide", Counter, wide, 1, "How wide it is."), BP_PROP_END };
static const BpTypeDesc counter_type = { BP_TYPE ("versions-counter", BP_KIND_DEVICE, Counter), .description = "a counter", .properties = first_properties, .state = first_state,
                                   .state_version = 1, .state_minimum = 1, .configure = counter_configure, .unrealize = counter_unrealize,
                                   .reset = counter_reset, .post_load = counter_post_load };

/* The core has a copy of its own of what a plugin registers. */
static BpTypeDesc *
registered (void)
{
  if (!type_find (counter_type.name))
    ck_assert (type_register (&counter_type, plugin_core (), NULL));
  return (BpTypeDesc *) (uintptr_t) type_find (counter_type.name);
}

/* The plugin that is loaded from now on. */
static void
program_is (uint16_t version, uint16_t minimum)
{
  BpTypeDesc *t = registered ();
  t->state = version == 1 ? first_state : second_state;
  t->state_version = version;
  t->state_minimum = minimum;
}

/* --- two machines ------------------------------------------------------------------------------------------------ */

static void
setup (void)
{
  pair_setup ();
  program_is (1, 1);
}

static void
teardown (void)
{
  pair_teardown ();
  registered ()->flags = 0;
}

static BpMachine *build (bool incoming) { return pair_build ("[device counter]\ntype = versions-counter\n", incoming); }
static Counter *counter_of (BpMachine *m) { return bp_machine_find (m, "counter"); }

/* By a file that a program with the first version of the plugin has written. */
static BpMigrationInfo
move (uint16_t sent, uint16_t version, uint16_t minimum, uint32_t laps)
{
  program_is (sent, 1);
  from = build (false);
  counter_of (from)->laps = laps;
  counter_of (from)->limit = 50;
  counter_of (from)->speed = 7;
  ck_assert (bp_machine_continue (from, NULL));
  ck_assert (bp_migration_start (from, address, NULL));
  ck_assert_int_eq (wait_for (from).status, BP_MIGRATION_COMPLETED);
  end_machine (&from);
  program_is (version, minimum);
  to = build (true);
  ck_assert (bp_migration_receive (to, address, NULL));
  return wait_for (to);
}

static void
check_refused (BpMigrationInfo info, const char *why)
{
  ck_assert_int_eq (info.status, BP_MIGRATION_FAILED);
  ck_assert_msg (strstr (info.error, why) != NULL, "%s", info.error);
  ck_assert_int_eq (bp_machine_run_state (to), BP_RUN_INCOMING);
}

/* What the older version did not save is as after a reset. */
START_TEST (from_an_older_version)
{
  BpMigrationInfo info = move (1, 2, 1, 11);
  ck_assert_msg (info.status == BP_MIGRATION_COMPLETED, "%s", info.error);
  ck_assert_uint_eq (counter_of (to)->laps, 11);
  ck_assert_uint_eq (counter_of (to)->limit, 50);
  ck_assert_uint_eq (counter_of (to)->speed, 100);
}
END_TEST

START_TEST (from_the_same_version)
{
  BpMigrationInfo info = move (2, 2, 1, 11);
  ck_assert_msg (info.status == BP_MIGRATION_COMPLETED, "%s", info.error);
  ck_assert_uint_eq (counter_of (to)->speed, 7);
}
END_TEST

START_TEST (from_a_newer_version)
{
  check_refused (move (2, 1, 1, 11), "the state of counter (type `versions-counter`) is of version 2, and the plugin here knows version 1");
}
END_TEST

START_TEST (from_one_that_is_too_old)
{
  check_refused (move (1, 2, 2, 11), "the state of counter (type `versions-counter`) is of version 1, and the plugin here takes versions from 2 on");
}
END_TEST

/* It fits by its form, and makes no sense. */
START_TEST (what_no_device_can_have)
{
  check_refused (move (1, 2, 1, 51), "51 laps, of 50");
}
END_TEST

START_TEST (a_device_that_stays)
{
  GError *error = NULL;
  registered ()->flags = BP_TYPE_STAYS;
  from = build (false);
  ck_assert (!bp_migration_start (from, address, &error));
  ck_assert_msg (strstr (error->message, "counter (type `versions-counter`)") != NULL, "%s", error->message);
  g_clear_error (&error);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("migrate-versions");
  TCase *tcase = tcase_create ("all");
  tcase_set_timeout (tcase, 120);
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, from_an_older_version);
  tcase_add_test (tcase, from_the_same_version);
  tcase_add_test (tcase, from_a_newer_version);
  tcase_add_test (tcase, from_one_that_is_too_old);
  tcase_add_test (tcase, what_no_device_can_have);
  tcase_add_test (tcase, a_device_that_stays);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
