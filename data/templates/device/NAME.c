/* @{name}.c -- a countdown: it counts down from what the guest writes, and interrupts at zero. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include <backplane/device.h>

/* --- registers -------------------------------------------------------------- */

/* 32 bits each; other sizes read as ones and are not written. */
enum {
  REG_ID = 0x00,                /* "COUN" */
  REG_COUNT = 0x04,             /* what is left; writing it is only possible while it stands */
  REG_CONTROL = 0x08,
  REG_STATUS = 0x0c,            /* DONE is cleared by writing a one */
  N_BYTES = 0x10
};
#define ID 0x4e554f43u
enum { CONTROL_START = 1, CONTROL_INTERRUPT = 2 };
enum { STATUS_RUNNING = 1, STATUS_DONE = 2 };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct @{CName} {
  uint32_t count, control, status;
  uint64_t began;               /* ns of virtual time, while it runs */
  BpTimer *timer;               /* fires at zero */
  uint32_t tick;                /* property: ns a step */
  BpPin *irq;
  BpRegion *regs;
} @{CName};

/* --- events ----------------------------------------------------------------- */

static void
update_irq (@{CName} *d)
{
  bp_pin_set (d->irq, d->control & CONTROL_INTERRUPT && d->status & STATUS_DONE);
}

static void
at_zero (void *user)
{
  @{CName} *d = user;
  d->count = 0;
  d->status = STATUS_DONE;
  update_irq (d);
}

/* --- guest access ----------------------------------------------------------- */

static uint64_t now (const @{CName} *d) { return (uint64_t) bp_clock_now (bp_object_machine (d), BP_CLOCK_VIRTUAL); }

static uint32_t
left (const @{CName} *d)
{
  uint64_t steps = d->status & STATUS_RUNNING ? (now (d) - d->began) / d->tick : 0;
  return steps < d->count ? d->count - (uint32_t) steps : 0;
}

static uint64_t
@{c_name}_read (void *self, uint64_t offset, unsigned size)
{
  const @{CName} *d = self;
  switch (offset) {
  case REG_ID: return ID;
  case REG_COUNT: return left (d);
  case REG_CONTROL: return d->control;
  default: return d->status;
  }
}

static void
write_control (@{CName} *d, uint32_t value)
{
  d->control = value & CONTROL_INTERRUPT;
  if (value & CONTROL_START && d->status & STATUS_RUNNING) {
    bp_log_guest (d, "started while it runs: ignored");
  } else if (value & CONTROL_START) {
    d->status = STATUS_RUNNING;
    d->began = now (d);
    bp_timer_arm (d->timer, (int64_t) (d->began + (uint64_t) d->count * d->tick));
  }
  update_irq (d);
}

/* A guest may write anything anywhere: what the device has no answer to is logged, and nothing else happens. */
static void
@{c_name}_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  @{CName} *d = self;
  if (offset == REG_CONTROL) {
    write_control (d, (uint32_t) value);
  } else if (offset == REG_STATUS) {
    d->status &= ~((uint32_t) value & STATUS_DONE);
    update_irq (d);
  } else if (offset == REG_COUNT && !(d->status & STATUS_RUNNING)) {
    d->count = (uint32_t) value;
  } else {
    bp_log_guest (self, "write of 0x%08x to register 0x%02x", (unsigned) value, (unsigned) offset);
  }
}

/* --- life cycle: realize, reset, unrealize, post_load ------------------------ */

static bool
@{c_name}_realize (void *self, GError **error)
{
  @{CName} *d = self;
  d->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, at_zero, d);
  return true;
}

static void
@{c_name}_reset (void *self, BpResetKind kind)
{
  @{CName} *d = self;
  bp_timer_cancel (d->timer);
  d->count = d->control = d->status = 0;
  d->began = 0;
  update_irq (d);
}

/* Also when realize failed, or was never called. */
static void
@{c_name}_unrealize (void *self)
{
  @{CName} *d = self;
  bp_timer_free (d->timer);
  d->timer = NULL;
}

/* A file may hold anything: what cannot be is refused. */
static bool
@{c_name}_post_load (void *self, GError **error)
{
  @{CName} *d = self;
  bool running = d->status & STATUS_RUNNING;
  if (d->status > STATUS_DONE || d->control & ~(uint32_t) CONTROL_INTERRUPT || running != bp_timer_is_armed (d->timer) || (running && d->began > now (d))) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the countdown is in no such state: status 0x%x, control 0x%x", d->status, d->control);
    return false;
  }
  update_irq (d);
  return true;
}

/* --- tables: properties, regions, pins, saved fields, type ------------------ */

static const BpProperty properties[] = {
  BP_PROP_ ("tick", BP_PROPERTY_U32, @{CName}, tick, .default_int = 1000, .min = 1, .max = 1000000000, .help = "Nanoseconds that a step of the count takes."),
  BP_PROP_END
};

static const BpRegionOps ops = BP_REGION_OPS (.read = @{c_name}_read, .write = @{c_name}_write, .access_min = 4, .access_max = 4, .impl_min = 4, .impl_max = 4);
static const BpRegionDesc regions[] = {
  BP_REGION_DESC ("regs", @{CName}, regs, &ops, N_BYTES, "Identity, count, control, status: four registers of 32 bits."),
  BP_REGION_DESC_END
};

static const BpPinDesc pins[] = {
  BP_PIN_DESC_OUT ("irq", @{CName}, irq, 0, "High while the count is done and the control register wants interrupts."),
  BP_PIN_DESC_END
};

static const BpStateField state[] = {
  BP_STATE_FIELD_U32 (@{CName}, count), BP_STATE_FIELD_U32 (@{CName}, control), BP_STATE_FIELD_U32 (@{CName}, status), BP_STATE_FIELD_U64 (@{CName}, began),
  BP_STATE_FIELD_TIMER (@{CName}, timer), BP_STATE_END
};

static const BpTypeDesc @{c_name}_type = {
  BP_TYPE ("@{name}", BP_KIND_DEVICE, @{CName}),
  .description = "Countdown with an interrupt",
  .properties = properties,
  .regions = regions,
  .pins = pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = state,
  .realize = @{c_name}_realize,
  .reset = @{c_name}_reset,
  .unrealize = @{c_name}_unrealize,
  .post_load = @{c_name}_post_load,
};

static const BpTypeDesc *const types[] = { &@{c_name}_type, NULL };

BP_PLUGIN_DEFINE (.id = "@{name}", .version = "1.0", .licence = "@{licence}", .description = "A countdown", .types = types);
