/* faults.c -- types with one fault each, which a validation must find. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Faulty {
  uint32_t n, size;
  bool on;
  uint64_t value;
  BpTimer *timer;
  BpRegion *region;
  int fd;
} Faulty;

static void fire (void *user) { }

#define FAULTY(symbol, name_, description_, ...) \
  static const BpTypeDesc symbol = { BP_TYPE (name_, BP_KIND_DEVICE, Faulty), .description = (description_), __VA_ARGS__ }

/* --- ends the process --------------------------------------------------------------------------- */

static volatile int zero;

static bool
crash_realize (void *self, GError **error)
{
  *(volatile char *) (uintptr_t) (zero + 8) = 1;
  return true;
}
FAULTY (crashes, "fault-crash", "crashes in realize", .realize = crash_realize);

static void assert_reset (void *self, BpResetKind kind) { g_assert (kind == BP_RESET_COLD); }
FAULTY (asserts, "fault-assert", "fails an assertion in a warm reset", .reset = assert_reset);

static bool
endless_realize (void *self, GError **error)
{
  while (!zero)
    usleep (1000);
  return true;
}
FAULTY (hangs, "fault-hang", "never ends its realize", .realize = endless_realize);

static bool
exit_realize (void *self, GError **error)
{
  exit (0);
}
FAULTY (exits, "fault-exit", "ends the process in realize", .realize = exit_realize);

static bool
limit_realize (void *self, GError **error)
{
  Faulty *f = self;
  if (f->n == 100)
    abort ();
  return true;
}
static const BpProperty limit_properties[] = { BP_PROP_U32_RANGE ("n", Faulty, n, 5, 1, 100, "A number."), BP_PROP_U32 ("size", Faulty, size, 5, "Another."), BP_PROP_END };
FAULTY (at_limit, "fault-at-limit", "does not stand the greatest value that it allows", .realize = limit_realize, .properties = limit_properties);

/* --- leaves something behind -------------------------------------------------------------------------- */

static bool
timer_realize (void *self, GError **error)
{
  ((Faulty *) self)->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, fire, self);
  return true;
}
FAULTY (leaks_timer, "fault-timer", "does not free its timer", .realize = timer_realize);

static bool
armed_realize (void *self, GError **error)
{
  timer_realize (self, error);
  bp_timer_arm (((Faulty *) self)->timer, INT64_MAX);
  return true;
}
FAULTY (leaks_armed_timer, "fault-armed-timer", "does not free its timer, which is armed", .realize = armed_realize);

static bool
fd_realize (void *self, GError **error)
{
  ((Faulty *) self)->fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  return true;
}
FAULTY (leaks_fd, "fault-descriptor", "does not close its file", .realize = fd_realize);

static bool
region_realize (void *self, GError **error)
{
  ((Faulty *) self)->region = bp_region_new_container (self, "lost", 4096);
  return true;
}
FAULTY (leaks_region, "fault-region", "does not free its region", .realize = region_realize);

static bool
memory_realize (void *self, GError **error)
{
  ((Faulty *) self)->value = (uintptr_t) g_malloc (5000);
  return true;
}
FAULTY (leaks_memory, "fault-memory", "does not free its memory", .realize = memory_realize);

static bool
half_realize (void *self, GError **error)
{
  Faulty *f = self;
  f->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, fire, self);
  if (f->n != 7)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "7 is an unlucky number");
  f->timer = NULL;
  return false;
}

static void
half_unrealize (void *self)
{
  Faulty *f = self;
  bp_timer_free (f->timer);
  f->timer = NULL;
}
static const BpProperty half_properties[] = { BP_PROP_U32_RANGE ("n", Faulty, n, 1, 1, 7, "A number."), BP_PROP_END };
FAULTY (half, "fault-half", "leaves its timer when it fails half-way", .realize = half_realize, .unrealize = half_unrealize, .properties = half_properties);

/* --- contradicts itself ---------------------------------------------------------------------------------- */

static bool
picky_configure (void *self, GError **error)
{
  Faulty *f = self;
  if (f->n >= 4)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "n is too small");
  return false;
}
static const BpProperty picky_properties[] = { BP_PROP_U32 ("n", Faulty, n, 1, "A number."), BP_PROP_END };
FAULTY (picky, "fault-picky", "refuses its own default", .configure = picky_configure, .properties = picky_properties);

static const BpProperty outside_properties[] = { BP_PROP_U32_RANGE ("n", Faulty, n, 500, 1, 100, "A number."), BP_PROP_END };
FAULTY (outside, "fault-outside", "has a default outside of its range", .properties = outside_properties);

/* Writes behind what it has declared. */
static void overflow_reset (void *self, BpResetKind kind) { memset (self, 0, sizeof (Faulty)); }
static const BpTypeDesc small = { BP_TYPE ("fault-small", BP_KIND_DEVICE, uint64_t), .description = "is greater than it says", .reset = overflow_reset };

/* --- state --------------------------------------------------------------------------------------------------- */

static const BpStateField state[] = { BP_STATE_FIELD_U64 (Faulty, value), BP_STATE_END };

static bool
refuse_state (void *self, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "value is 0");
  return false;
}
FAULTY (no_load, "fault-no-load", "does not load what it has saved", .state_version = 1, .state = state, .post_load = refuse_state);

static bool
change_state (void *self, GError **error)
{
  ((Faulty *) self)->value++;
  return true;
}
FAULTY (other_load, "fault-other-load", "changes what it loads", .state_version = 1, .state = state, .post_load = change_state);

/* --- nothing is wrong ------------------------------------------------------------------------------------------ */

FAULTY (fine, "fine", "is all right", .state_version = 1, .state = state, .properties = half_properties);

static const BpTypeDesc *const types[] = { &crashes, &asserts, &hangs,  &exits,   &at_limit, &leaks_timer, &leaks_armed_timer, &leaks_fd, &leaks_region,
                                           &leaks_memory, &half, &picky, &outside, &small, &no_load, &other_load, &fine, NULL };

BP_PLUGIN_DEFINE (.id = "faults", .version = "1.0", .licence = "MIT", .description = "a fault a type", .types = types);
