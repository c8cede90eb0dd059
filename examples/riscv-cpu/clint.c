/* clint.c -- mtime, mtimecmp and msip as memory-mapped registers of the core-local interruptor (privileged, 3.2; SiFive FU540-C000 manual, chapter 9). */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include "board.h"

/* --- registers -------------------------------------------------------------- */

enum { REG_MSIP = 0x0, REG_MTIMECMP = 0x4000, REG_MTIME = 0xbff8, N_BYTES = 0x10000 };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Clint {
  uint64_t compare, offset;     /* mtimecmp; mtime at virtual time 0, modulo 2^64 */
  uint32_t msip;
  uint32_t frequency;           /* property */
  BpPin *software, *timer;
  BpRegion *regs;
  BpTimer *alarm;
} Clint;

/* --- time -------------------------------------------------------------------- */

/* Ticks since virtual time 0. */
static uint64_t
ticks_passed (const Clint *c, int64_t ns)
{
  return bp_muldiv ((uint64_t) ns, c->frequency, 1000000000);
}

static uint64_t
mtime_at (const Clint *c, int64_t ns)
{
  return ticks_passed (c, ns) + __atomic_load_n (&c->offset, __ATOMIC_RELAXED);
}

static int64_t virtual_time (const Clint *c) { return bp_clock_now (bp_object_machine (c), BP_CLOCK_VIRTUAL); }
static uint64_t mtime (const Clint *c) { return mtime_at (c, virtual_time (c)); }

/* The first ns at which mtime will be mtimecmp, which is ahead of it; INT64_MAX: not in this machine's life. */
static int64_t
when (const Clint *c, int64_t ns)
{
  unsigned __int128 ticks = (unsigned __int128) ticks_passed (c, ns) + (c->compare - mtime_at (c, ns));
  unsigned __int128 at = (ticks * 1000000000 + c->frequency - 1) / c->frequency;
  return at > INT64_MAX ? INT64_MAX : (int64_t) at;
}

/* The pin is high while mtime >= mtimecmp; the alarm is for when it will be. */
static void
update (Clint *c)
{
  int64_t ns = virtual_time (c);
  bool is_reached = mtime_at (c, ns) >= c->compare;
  bp_timer_cancel (c->alarm);
  if (!is_reached && when (c, ns) < INT64_MAX)
    bp_timer_arm (c->alarm, when (c, ns));
  bp_pin_set (c->timer, is_reached);
  bp_pin_set (c->software, c->msip & 1);
}

static void alarm_fires (void *user) { update (user); }

/* --- guest access ------------------------------------------------------------ */

static uint64_t
read_register (void *self, uint64_t offset, unsigned size)
{
  const Clint *c = self;
  switch (offset) {
  case REG_MSIP: return c->msip;
  case REG_MTIMECMP: return (uint32_t) c->compare;
  case REG_MTIMECMP + 4: return c->compare >> 32;
  case REG_MTIME: return (uint32_t) mtime (c);
  case REG_MTIME + 4: return mtime (c) >> 32;
  default:
    bp_log_guest (self, "read of 0x%x, where no register is", (unsigned) offset);
    return 0;
  }
}

static uint64_t
with_half (uint64_t whole, uint32_t half, bool high)
{
  return high ? (uint64_t) half << 32 | (uint32_t) whole : (whole & ~(uint64_t) 0xffffffff) | half;
}

static void
write_register (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Clint *c = self;
  uint64_t before = mtime (c);
  switch (offset) {
  case REG_MSIP: c->msip = value & 1; break;
  case REG_MTIMECMP: case REG_MTIMECMP + 4: c->compare = with_half (c->compare, (uint32_t) value, offset & 4); break;
  case REG_MTIME: case REG_MTIME + 4:
    __atomic_store_n (&c->offset, c->offset + with_half (before, (uint32_t) value, offset & 4) - before, __ATOMIC_RELAXED);
    break;
  default: bp_log_guest (self, "write of 0x%x to 0x%x, where no register is", (unsigned) value, (unsigned) offset);
  }
  update (c);
}

/* --- life cycle: realize, reset -------------------------------------------------- */

static bool
realize (void *self, GError **error)
{
  Clint *c = self;
  c->alarm = bp_timer_new (self, BP_CLOCK_VIRTUAL, alarm_fires, self);
  return true;
}

static void
unrealize (void *self)
{
  Clint *c = self;
  if (c->alarm)
    bp_timer_cancel (c->alarm);
  bp_timer_free (c->alarm);
}

/* Time starts at 0 and no interrupt comes before the guest has set one. */
static void
reset (void *self, BpResetKind kind)
{
  Clint *c = self;
  c->compare = UINT64_MAX;
  c->offset = 0;
  c->offset = -mtime (c);
  c->msip = 0;
  update (c);
}

/* The pins and the alarm are as they were saved: mtime may have come to mtimecmp before the alarm fired, which it then does as soon as the machine goes on.  What
 * is raised here counts for nothing at the hart (state.h). */
static bool
post_load (void *self, GError **error)
{
  Clint *c = self;
  int64_t ns = virtual_time (c);
  if (c->msip > 1 || (!bp_timer_is_armed (c->alarm) && mtime_at (c, ns) < c->compare && when (c, ns) < INT64_MAX)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the timer is in no such state: msip 0x%x, or mtimecmp without an alarm", c->msip);
    return false;
  }
  return true;
}

static uint64_t clock_ticks (void *self, int64_t ns) { return mtime_at (self, ns); }

/* --- tables: properties, regions, pins, saved fields, type ----------------------------- */

static const BpProperty properties[] = {
  BP_PROP_U32_RANGE ("frequency", Clint, frequency, 10000000, 1, 1000000000, "How fast mtime counts, in Hz."),
  BP_PROP_END
};

/* (32 bits: what a hart of RV32 can load and store) */
static const BpRegionOps ops = BP_REGION_OPS (.read = read_register, .write = write_register, .impl_min = 4, .impl_max = 4);
static const BpRegionDesc regions[] = {
  BP_REGION_DESC ("regs", Clint, regs, &ops, N_BYTES, "msip at 0x0, mtimecmp at 0x4000, mtime at 0xbff8, each little-endian."),
  BP_REGION_DESC_END
};

static const BpPinDesc pins[] = {
  BP_PIN_DESC_OUT ("software", Clint, software, 0, "Bit 0 of msip."),
  BP_PIN_DESC_OUT ("timer", Clint, timer, 0, "High while mtime is mtimecmp or more."),
  BP_PIN_DESC_END
};

static const BpStateField fields[] = {
  BP_STATE_FIELD_U64 (Clint, compare), BP_STATE_FIELD_U64 (Clint, offset), BP_STATE_FIELD_U32 (Clint, msip), BP_STATE_FIELD_TIMER (Clint, alarm),
  BP_STATE_END
};

static const RvClockIface clock_iface = { .struct_size = sizeof clock_iface, .ticks = clock_ticks };
static const BpInterfaceDesc interfaces[] = { { RV_CLOCK_ID, &clock_iface }, { NULL, NULL } };

const BpTypeDesc rv_clint_type = {
  BP_TYPE ("riscv-clint", BP_KIND_DEVICE, Clint),
  .description = "RISC-V core-local interruptor: machine timer and software interrupt",
  .properties = properties, .regions = regions, .pins = pins, .interfaces = interfaces,
  .state_version = 1, .state_minimum = 1, .state = fields,
  .realize = realize, .unrealize = unrealize, .reset = reset, .post_load = post_load
};
