/* presser.c -- plugin for tests: presses the machine's power button every second of its time. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <backplane/machine.h>
#include <backplane/plugin.h>

typedef struct Presser {
  uint32_t period;
  BpTimer *timer;
} Presser;

static void
arm (Presser *p)
{
  bp_timer_arm (p->timer, bp_clock_now (bp_object_machine (p), BP_CLOCK_VIRTUAL) + p->period * INT64_C (1000000));
}

static void
on_time (void *user)
{
  bp_machine_request_powerdown (bp_object_machine (user));
  arm (user);
}

static bool
realize (void *self, GError **error)
{
  Presser *p = self;
  p->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_time, p);
  arm (p);
  return true;
}

static void
unrealize (void *self)
{
  Presser *p = self;
  bp_timer_free (p->timer);
  p->timer = NULL;
}

static const BpProperty properties[] = {
  BP_PROP_U32_RANGE ("period", Presser, period, 1000, 1, 1000000, "Milliseconds of virtual time from one to the next."), BP_PROP_END
};

static const BpTypeDesc presser_type = {
  BP_TYPE ("presser", BP_KIND_DEVICE, Presser), .description = "Presses the power button", .properties = properties,
  .realize = realize, .unrealize = unrealize
};

static const BpTypeDesc *const types[] = { &presser_type, NULL };
BP_PLUGIN_DEFINE (.id = "presser", .version = "0.1", .licence = "MIT", .description = "Presses the power button", .types = types);
