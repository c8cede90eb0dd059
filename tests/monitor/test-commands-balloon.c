/* test-commands-balloon.c -- commands and events about a memory balloon. */
/* SPDX-License-Identifier: MIT */
#include "monitor-test.h"
#include "../suite.h"
#include <backplane/iface/balloon.h>
#include <check.h>
#include <string.h>

/* --- test-balloon ------------------------------------------------------------------------------ */

typedef struct Balloon {
  bool active;
  uint64_t size;
  int64_t told;
  void (*changed) (void *user);
  void *user;
} Balloon;

static bool is_active (void *self) { return ((Balloon *) self)->active; }
static uint64_t actual (void *self) { return ((Balloon *) self)->size; }

static void
set_target (void *self, uint64_t bytes)
{
  Balloon *b = self;
  b->size = bytes;
  if (b->changed)
    b->changed (b->user);
}

static unsigned
statistics (void *self, BpBalloonNumber *numbers, unsigned most, int64_t *seconds)
{
  numbers[0] = (BpBalloonNumber) { "stat-free-memory", 4096 };
  numbers[1] = (BpBalloonNumber) { "stat-swap-in", UINT64_MAX };
  *seconds = ((Balloon *) self)->told;
  return 2;
}

static void
watch (void *self, void (*changed) (void *user), void *user)
{
  Balloon *b = self;
  b->changed = changed;
  b->user = user;
}

static const BpBalloonIface iface = { .struct_size = sizeof iface, .is_active = is_active, .actual = actual, .set_target = set_target,
                                      .statistics = statistics, .watch = watch };
static const BpInterfaceDesc interfaces[] = { { BP_BALLOON_ID, &iface }, { NULL, NULL } };
static const BpProperty properties[] = {
  BP_PROP_BOOL ("active", Balloon, active, true, "Whether the guest has a driver."), BP_PROP_SIZE ("size", Balloon, size, 8 << 20, "What the guest has."),
  BP_PROP_I64 ("told", Balloon, told, 0, "When the guest told its numbers."), BP_PROP_END
};
static const BpTypeDesc balloon_type = { BP_TYPE ("test-balloon", BP_KIND_DEVICE, Balloon), .description = "a balloon", .properties = properties,
                                         .interfaces = interfaces };

static BpMachine *
balloon_machine (const char *keys)
{
  g_autofree char *text = g_strdup_printf ("[device b]\ntype = test-balloon\n%s", keys);
  if (!type_find ("test-balloon"))
    ck_assert (type_register (&balloon_type, plugin_core (), NULL));
  return monitor_test_machine (text);
}

static void
expect_qmp (const char *message, const char *answer)
{
  g_autofree char *got = monitor_test_qmp (message);
  ck_assert_str_eq (got, answer);
}

static void
expect_line (const char *line, const char *answer)
{
  g_autofree char *got = monitor_test_line (line);
  ck_assert_str_eq (got, answer);
}

/* --- tests --------------------------------------------------------------------------------------- */

START_TEST (sizes)
{
  BpMachine *m = balloon_machine ("");
  Balloon *b = bp_machine_find (m, "b");
  expect_qmp ("{\"execute\":\"query-balloon\"}", "{\"return\": {\"actual\": 8388608}}");
  expect_qmp ("{\"execute\":\"balloon\",\"arguments\":{\"value\":4194304}}", "{\"return\": {}}");
  ck_assert_uint_eq (b->size, 4 << 20);
  expect_qmp ("{\"execute\":\"balloon\",\"arguments\":{\"value\":0}}",
              "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'target' expects a size\"}}");
  expect_line ("balloon 2", "");
  ck_assert_uint_eq (b->size, 2 << 20);
  expect_line ("balloon 9223372036854775807", "");
  ck_assert_uint_eq (b->size, INT64_MAX);
  b->size = 3 << 20;
  expect_line ("info balloon", "balloon: actual=3\n");
  monitor_test_end ();
}
END_TEST

START_TEST (numbers)
{
  BpMachine *m = balloon_machine ("");
  expect_line ("info balloon-statistics", "The guest has told nothing.\n");
  ((Balloon *) bp_machine_find (m, "b"))->told = 17;
  expect_line ("info balloon-statistics", "stat-free-memory: 4096\n");
  expect_qmp ("{\"execute\":\"x-query-balloon-statistics\"}",
              "{\"return\": {\"stats\": {\"stat-free-memory\": 4096, \"stat-swap-in\": -1}, \"last-update\": 17}}");
  monitor_test_end ();
}
END_TEST

static bool has_event (void) { return monitor_test_events->len > 0; }

/* The first change is told at once, what follows within a second as one. */
START_TEST (events)
{
  BpMachine *m = balloon_machine ("");
  Balloon *b = bp_machine_find (m, "b");
  set_target (b, 1000);
  monitor_test_turn (has_event);
  ck_assert_str_eq (monitor_test_events->str, "BALLOON_CHANGE {\"actual\": 1000};");
  g_string_truncate (monitor_test_events, 0);
  for (unsigned i = 0; i < 500; i++)
    set_target (b, 2000 + i);
  monitor_test_turn (NULL);
  ck_assert_str_eq (monitor_test_events->str, "");
  monitor_test_turn (has_event);
  ck_assert_str_eq (monitor_test_events->str, "BALLOON_CHANGE {\"actual\": 2499};");
  set_target (b, 1);            /* and the end comes before it is told */
  monitor_test_end ();
}
END_TEST

START_TEST (without)
{
  static const char *const answer = "{\"error\": {\"class\": \"DeviceNotActive\", \"desc\": \"No balloon device has been activated\"}}";
  balloon_machine ("active = off\n");
  expect_qmp ("{\"execute\":\"query-balloon\"}", answer);
  expect_qmp ("{\"execute\":\"balloon\",\"arguments\":{\"value\":1}}", answer);
  expect_qmp ("{\"execute\":\"x-query-balloon-statistics\"}", answer);
  monitor_test_end ();
  monitor_test_machine ("");
  expect_qmp ("{\"execute\":\"query-balloon\"}", answer);
  monitor_test_end ();
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("balloon commands");
  TCase *tcase = tcase_create ("all");
  tcase_add_test (tcase, sizes);
  tcase_add_test (tcase, numbers);
  tcase_add_test (tcase, events);
  tcase_add_test (tcase, without);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
