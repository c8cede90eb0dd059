/* clock.c -- virtual time under the test's hand: an accelerator that runs nothing. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include <backplane/iface/accel.h>

typedef struct Clock {
  int64_t now;
  int64_t pace;                 /* ns that go by at each reading: of a slow host, for who writes it here */
  TestingInstruments *instruments;
} Clock;

static bool
configure (void *self, GError **error)
{
  ((Clock *) self)->instruments = testing_instruments_new ();
  return true;
}

static void
unrealize (void *self)
{
  testing_instruments_free (((Clock *) self)->instruments);
  ((Clock *) self)->instruments = NULL;
}

static int64_t
virtual_time (void *self)
{
  Clock *clock = self;
  return clock->now += clock->pace;
}

static void timer_moved (void *self, int64_t at) { }

static const BpAccelIface iface = { .struct_size = sizeof iface, .virtual_time = virtual_time, .timer_moved = timer_moved };
static const BpInterfaceDesc interfaces[] = { { BP_ACCEL_ID, &iface }, { BP_INSTRUMENT_HOST_ID, &testing_instrument_host }, { NULL, NULL } };
const BpTypeDesc testing_clock = {
  BP_TYPE ("test-clock", BP_KIND_ACCEL, Clock), .description = "Virtual time under the test's hand", .interfaces = interfaces,
  .configure = configure, .unrealize = unrealize
};

void *
testing_accel (BpTest *t)
{
  unsigned cursor = 0;
  return bp_machine_next (t->machine, BP_ACCEL_ID, &cursor);
}

static Clock *clock_of (BpTest *t) { return testing_accel (t); }
TestingInstruments *testing_instruments (void *accel) { return ((Clock *) accel)->instruments; }

void
testing_clock_set (void *test, int64_t now)
{
  clock_of (test)->now = now;
}

int64_t
bp_test_now (BpTest *t)
{
  return clock_of (t)->now;
}

int64_t
bp_test_next_timer (BpTest *t)
{
  return bp_machine_next_virtual_timer (t->machine);
}

/* Timers run at their own times. */
void
(bp_test_advance) (BpTest *t, int64_t ns)
{
  Clock *clock = clock_of (t);
  int64_t end, next;
  if (ns < 0)
    (bp_test_fail) ("time does not go back");
  if (__builtin_add_overflow (clock->now, ns, &end))
    (bp_test_fail) ("time ends before that");
  while ((next = bp_machine_next_virtual_timer (t->machine)) <= end) {
    clock->now = MAX (clock->now, next);
    bp_machine_run_virtual_timers (t->machine);
  }
  clock->now = end;
}
