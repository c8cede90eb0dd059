/* test-machine-reset.c -- a level that is driven in a reset reaches its input in whatever order objects are reset, once; a load of a snapshot tells nobody. */
/* SPDX-License-Identifier: MIT */
#include "toy.h"
#include "../scratch.h"
#include "../suite.h"
#include "../types.h"
#include <backplane/snapshot.h>
#include <backplane/state.h>
#include <check.h>
#include <string.h>

#define HEAD "[accel]\ntype = toy-accel\n[cpu]\ntype = toy-cpu\n"
#define DRIVER "[device driver]\ntype = test-driver\nline = sensor.in0\n"
#define SENSOR "[device sensor]\ntype = test-sensor\n"

/* --- a driver, which raises its line in its reset, and who hears it ------------------------------------- */

typedef struct Driver {
  BpPin *line;
} Driver;

static void
driver_reset (void *self, BpResetKind kind)
{
  bp_pin_raise (((Driver *) self)->line);
}

static const BpPinDesc driver_pins[] = { BP_PIN_DESC_OUT ("line", Driver, line, 0, "raised by its reset"), BP_PIN_DESC_END };
static const BpTypeDesc driver_type = {
  BP_TYPE ("test-driver", BP_KIND_DEVICE, Driver), .description = "a driver", .pins = driver_pins, .reset = driver_reset
};

/* Keeps what its inputs are, and forgets it in its reset. */
typedef struct Sensor {
  BpPin *echo, *early;          /* what in0 is; raised when it is realized */
  uint8_t level[2];             /* `any' is with in0 */
  unsigned n_calls, n_unready;  /* calls of set, and those before the reset */
  bool is_reset;
} Sensor;

static void
sensor_set (void *self, unsigned index, int level)
{
  Sensor *s = self;
  s->n_calls++;
  s->n_unready += !s->is_reset;
  s->level[index] = (uint8_t) level;
  if (index == 0)
    bp_pin_set (s->echo, level);
}

static bool
sensor_realize (void *self, GError **error)
{
  bp_pin_raise (((Sensor *) self)->early);
  return true;
}

static void
sensor_reset (void *self, BpResetKind kind)
{
  Sensor *s = self;
  memset (s->level, 0, sizeof s->level);
  bp_pin_lower (s->echo);
  s->n_calls = 0;
  s->is_reset = true;
}

static const BpPinDesc sensor_pins[] = {
  BP_PIN_DESC_IN ("in", 2, sensor_set, 0, "inputs"), BP_PIN_DESC_IN ("any", 1, sensor_set, BP_PIN_WIRED_OR, "for many"),
  BP_PIN_DESC_OUT ("echo", Sensor, echo, 0, "follows in0"), BP_PIN_DESC_OUT ("early", Sensor, early, 0, "raised before any reset"),
  BP_PIN_DESC_END
};
static const BpStateField sensor_state[] = { BP_STATE_FIELD_ARRAY (BP_STATE_U8, Sensor, level, 2), BP_STATE_END };
static const BpTypeDesc sensor_type = {
  BP_TYPE ("test-sensor", BP_KIND_DEVICE, Sensor), .description = "a sensor", .pins = sensor_pins, .realize = sensor_realize, .reset = sensor_reset,
  .state_version = 1, .state_minimum = 1, .state = sensor_state, .flags = BP_TYPE_HOT_PLUG
};

/* Forgets nothing, and counts. */
static const BpTypeDesc counter_type = {
  BP_TYPE ("test-counter", BP_KIND_DEVICE, Sensor), .description = "a sensor without a reset", .pins = sensor_pins
};

/* --- a machine ------------------------------------------------------------------------------------------- */

static BpMachine *machine;

static void
build (const char *text)
{
  g_autofree char *errors = NULL, *all = g_strconcat (HEAD, text, NULL);
  machine = toy_build (all, NULL, &errors);
  ck_assert_msg (machine != NULL, "%s", errors);
  ck_assert (machine_realize (machine, NULL));
}

static Sensor *
sensor (const char *id)
{
  return bp_machine_find (machine, id);
}

static void
setup (void)
{
  scratch_enter ();
  toy_forget ();
}

static void
teardown (void)
{
  toy_free (machine);
  scratch_leave ();
}

/* --- tests ------------------------------------------------------------------------------------------------ */

START_TEST (in_either_order)
{
  build (_i ? DRIVER SENSOR : SENSOR DRIVER);
  for (unsigned i = 0; i < 3; i++) {
    machine_reset (machine, i ? BP_RESET_WARM : BP_RESET_COLD);
    ck_assert_uint_eq (sensor ("sensor")->level[0], 1);
    ck_assert_uint_eq (sensor ("sensor")->n_calls, 1);
    ck_assert_uint_eq (sensor ("sensor")->n_unready, 0);
  }
}
END_TEST

START_TEST (through_another)
{
  static const char *const parts[] = { DRIVER, SENSOR "echo = last.in0\n", "[device last]\ntype = test-sensor\n" };
  static const uint8_t orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
  const uint8_t *o = orders[_i];
  g_autofree char *text = g_strconcat (parts[o[0]], parts[o[1]], parts[o[2]], NULL);
  build (text);
  machine_reset (machine, BP_RESET_COLD);
  machine_reset (machine, BP_RESET_WARM);
  ck_assert_uint_eq (sensor ("last")->level[0], 1);
  ck_assert_uint_eq (sensor ("last")->n_calls, 1);
  ck_assert_uint_eq (sensor ("last")->n_unready, 0);
}
END_TEST

START_TEST (several_drivers)
{
  build ("[device a]\ntype = test-driver\nline = sensor.any\n" SENSOR "[device b]\ntype = test-driver\nline = sensor.any\n");
  machine_reset (machine, BP_RESET_COLD);
  ck_assert_uint_eq (sensor ("sensor")->level[0], 1);
  ck_assert_uint_eq (sensor ("sensor")->n_calls, 1);
}
END_TEST

START_TEST (without_a_reset)
{
  build (_i ? "[device driver]\ntype = test-driver\nline = c.in0\n[device c]\ntype = test-counter\n"
            : "[device c]\ntype = test-counter\n[device driver]\ntype = test-driver\nline = c.in0\n");
  machine_reset (machine, BP_RESET_COLD);
  ck_assert_uint_eq (sensor ("c")->n_calls, 1);
  machine_reset (machine, BP_RESET_WARM);
  ck_assert_uint_eq (sensor ("c")->n_calls, 2);
}
END_TEST

/* Nobody else was reset with it: what is high stays so, and it forgot. */
START_TEST (joins)
{
  static const BpObjectKey keys[] = { { "type", "test-sensor" }, { "early", "sensor.in1" }, { NULL, NULL } };
  GError *error = NULL;
  build ("");
  machine_reset (machine, BP_RESET_COLD);
  ck_assert_msg (bp_machine_add_object (machine, "device", "sensor", keys, &error) != NULL, "%s", error ? error->message : "");
  ck_assert_uint_eq (sensor ("sensor")->level[1], 1);
  ck_assert_uint_eq (sensor ("sensor")->n_calls, 1);
  machine_reset (machine, BP_RESET_WARM);
  ck_assert_uint_eq (sensor ("sensor")->level[1], 0);           /* which only its realize raises */
}
END_TEST

/* It resets, of which the call is; then levels and fields are put in place. */
START_TEST (not_by_a_load)
{
  build (DRIVER SENSOR);
  machine_reset (machine, BP_RESET_COLD);
  BpPin *line = ((Driver *) bp_machine_find (machine, "driver"))->line;
  bp_machine_lock (machine);
  bp_pin_lower (line);
  bp_machine_unlock (machine);
  ck_assert (bp_machine_save_snapshot (machine, "state", NULL));
  ck_assert (bp_machine_load_snapshot (machine, "state", NULL));
  ck_assert_int_eq (bp_pin_level (line), 0);
  ck_assert_uint_eq (sensor ("sensor")->level[0], 0);
  ck_assert_uint_eq (sensor ("sensor")->n_calls, 1);
  bp_machine_lock (machine);
  bp_pin_raise (line);
  bp_machine_unlock (machine);
  ck_assert_uint_eq (sensor ("sensor")->n_calls, 2);
}
END_TEST

int
main (void)
{
  static const BpTypeDesc *const types[] = { &driver_type, &sensor_type, &counter_type, NULL };
  types_register_of ("test", types);
  Suite *s = suite_create ("machine-reset");
  TCase *c = tcase_create ("machine-reset");
  tcase_add_checked_fixture (c, setup, teardown);
  tcase_add_loop_test (c, in_either_order, 0, 2);
  tcase_add_loop_test (c, through_another, 0, 6);
  tcase_add_test (c, several_drivers);
  tcase_add_loop_test (c, without_a_reset, 0, 2);
  tcase_add_test (c, joins);
  tcase_add_test (c, not_by_a_load);
  suite_add_tcase (s, c);
  return suite_run (s);
}
