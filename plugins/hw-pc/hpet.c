/* hpet.c -- IA-PC HPET 1.0a (October 2004): a 64-bit counter, three comparators, legacy replacement of PIT and RTC. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include "hw-pc.h"

#define N_TIMERS 3
#define N_ROUTES 24
#define FS_PER_NS 1000000u
#define SHORTEST_SLEEP_NS INT64_C (50000)

/* --- registers -------------------------------------------------------------- */

enum { REG_CAPABILITIES = 0x000, REG_CONFIG = 0x010, REG_STATUS = 0x020, REG_COUNTER = 0x0f0, REG_TIMERS = 0x100 };
#define REG_END (REG_TIMERS + N_TIMERS * 0x20)
enum { TIMER_CONFIG = 0x00, TIMER_COMPARATOR = 0x08 };
enum { CAPABILITIES = 0x80860000 | 1 << 15 /* legacy replacement */ | 1 << 13 /* 64 bits */ | (N_TIMERS - 1) << 8 | 1 };
enum { CONFIG_ENABLE = 1 << 0, CONFIG_LEGACY = 1 << 1 };
enum {
  T_LEVEL = 1 << 1, T_ENABLE = 1 << 2, T_PERIODIC = 1 << 3, T_CAN_PERIODIC = 1 << 4, T_CAN_64 = 1 << 5, T_SET_VALUE = 1 << 6, T_32BIT = 1 << 8,
  T_ROUTE_SHIFT = 9, T_ROUTE = 31 << T_ROUTE_SHIFT, T_WRITABLE = T_LEVEL | T_ENABLE | T_PERIODIC | T_SET_VALUE | T_32BIT | T_ROUTE
};

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Comparator {
  uint32_t config;
  uint64_t value, period;       /* the match to come; what is added to it then, in periodic mode */
  uint64_t next;                /* the count at which it comes, in all 64 bits */
  bool waiting;                 /* it will come */
  bool edge;                    /* the output is high since the last match, in edge mode */
  BpTimer *timer;
} Comparator;

typedef struct Hpet {
  uint32_t config, status;
  uint64_t base;                /* the count at `start`, or while it is halted */
  int64_t start;                /* virtual time, ns */
  uint8_t inputs;               /* levels of what legacy replacement cuts off: PIT, RTC */
  Comparator comparator[N_TIMERS];
  uint32_t period_fs, routes;
  BpPin *legacy[2], *route[N_ROUTES];
  BpRegion *mmio;
} Hpet;

/* --- counting ------------------------------------------------------------------ */

static int64_t now (Hpet *h) { return bp_clock_now (bp_object_machine (h), BP_CLOCK_VIRTUAL); }
static bool is_running (const Hpet *h) { return h->config & CONFIG_ENABLE; }

static uint64_t
count (Hpet *h)
{
  return is_running (h) ? h->base + (uint64_t) ((unsigned __int128) (uint64_t) (now (h) - h->start) * FS_PER_NS / h->period_fs) : h->base;
}

/* Rounded up, so that a timer set for a tick finds it done; INT64_MAX: not in this life. */
static int64_t
time_of (const Hpet *h, uint64_t at)
{
  unsigned __int128 ns = ((unsigned __int128) (at - h->base) * h->period_fs + FS_PER_NS - 1) / FS_PER_NS;
  return ns > INT64_MAX / 2 ? INT64_MAX : h->start + (int64_t) ns;
}

/* --- outputs ------------------------------------------------------------------------ */

static bool
output (const Hpet *h, unsigned n)
{
  const Comparator *c = &h->comparator[n];
  if (!is_running (h) || !(c->config & T_ENABLE))
    return false;
  return c->config & T_LEVEL ? h->status >> n & 1 : c->edge;
}

/* 2.3.5: with legacy replacement timers 0 and 1 take the lines of PIT and RTC; else each goes where its route says. */
static void
update_lines (Hpet *h)
{
  uint32_t routed = 0;
  bool replaced = h->config & CONFIG_LEGACY;
  for (unsigned n = 0; n < N_TIMERS; n++)
    if (output (h, n) && !(replaced && n < 2))
      routed |= 1u << ((h->comparator[n].config & T_ROUTE) >> T_ROUTE_SHIFT);
  routed &= h->routes;
  for (unsigned i = 0; i < 2; i++)
    bp_pin_set (h->legacy[i], replaced ? output (h, i) : h->inputs >> i & 1);
  for (unsigned i = 0; i < N_ROUTES; i++)
    bp_pin_set (h->route[i], routed >> i & 1);
}

/* In edge mode the line stays high until the next match, because an 8259A forgets an edge that is gone before it is acknowledged. */
static void
signal_match (Hpet *h, unsigned n)
{
  Comparator *c = &h->comparator[n];
  if (c->config & T_LEVEL)
    h->status |= 1u << n;
  else if (c->config & T_ENABLE) {
    c->edge = false;
    update_lines (h);
    c->edge = true;
  }
  update_lines (h);
}

/* --- matches ------------------------------------------------------------------------- */

static bool is_periodic (const Comparator *c) { return c->config & T_PERIODIC; }
static uint64_t width_mask (const Comparator *c) { return c->config & T_32BIT ? UINT32_MAX : UINT64_MAX; }

/* However short the guest makes the period, the host is not asked to do more than this. */
static void
arm (Hpet *h, Comparator *c)
{
  bool wanted = is_running (h) && c->waiting && c->config & (T_ENABLE | T_LEVEL);
  int64_t at = wanted ? time_of (h, c->next) : INT64_MAX;
  if (at == INT64_MAX)
    bp_timer_cancel (c->timer);
  else
    bp_timer_arm (c->timer, is_periodic (c) && (unsigned __int128) c->period * h->period_fs < (uint64_t) SHORTEST_SLEEP_NS * FS_PER_NS
                            ? MAX (at, now (h) + SHORTEST_SLEEP_NS) : at);
}

/* A value that the counter, which stands or stood `at`, has passed matches after it has wrapped around, which 64 bits never do.  An access reads the counter
 * once: were the host to stand still between two readings, what matches in between would never have matched. */
static void
await (Hpet *h, uint64_t at, Comparator *c)
{
  uint64_t distance = (c->value - at) & width_mask (c);
  c->next = at + distance;
  c->waiting = distance <= INT64_MAX;
  arm (h, c);
}

/* The match that has come, once however late it is: whole periods that have gone by are lost. */
static void
match (Hpet *h, unsigned n, uint64_t at)
{
  Comparator *c = &h->comparator[n];
  uint64_t period = is_periodic (c) ? c->period & width_mask (c) : c->config & T_32BIT ? UINT64_C (1) << 32 : 0;
  c->waiting = period != 0 && period <= INT64_MAX;
  if (period)
    c->next += ((at - c->next) / period + 1) * period;
  if (is_periodic (c))
    c->value = c->next & width_mask (c);
  signal_match (h, n);
}

static void
sync_timer (Hpet *h, uint64_t at, unsigned n)
{
  Comparator *c = &h->comparator[n];
  if (!is_running (h) || !c->waiting || (int64_t) (at - c->next) < 0)
    return;
  match (h, n, at);
  arm (h, c);
}

/* --- guest access -------------------------------------------------------------------- */

static uint64_t
read_register (Hpet *h, uint64_t offset)
{
  switch (offset) {
  case REG_CAPABILITIES:
    return (uint64_t) h->period_fs << 32 | (uint32_t) CAPABILITIES;
  case REG_CONFIG:
    return h->config;
  case REG_STATUS:
    return h->status;
  case REG_COUNTER:
    return count (h);
  }
  if (offset < REG_TIMERS || offset >= REG_END)
    return 0;
  unsigned n = (unsigned) (offset - REG_TIMERS) / 0x20;
  const Comparator *c = &h->comparator[n];
  sync_timer (h, count (h), n);
  switch (offset & 0x1f) {
  case TIMER_CONFIG:
    return (uint64_t) h->routes << 32 | T_CAN_64 | T_CAN_PERIODIC | (c->config & ~(uint32_t) T_SET_VALUE);
  case TIMER_COMPARATOR:
    return c->value;
  default:
    return 0;                   /* no messages instead of lines: FSB_INT_DEL_CAP is 0 */
  }
}

static void
write_config (Hpet *h, uint64_t at, uint32_t value)
{
  bool turned = (h->config ^ value) & CONFIG_ENABLE;
  h->config = value & (CONFIG_ENABLE | CONFIG_LEGACY);
  if (turned) {
    h->base = at;
    h->start = now (h);
  }
  for (unsigned n = 0; n < N_TIMERS && turned; n++) {
    h->comparator[n].edge = false;
    await (h, at, &h->comparator[n]);
  }
  update_lines (h);
}

static void
write_counter (Hpet *h, uint64_t value)
{
  if (is_running (h))
    bp_log_guest (h, "the main counter is written while it runs");
  h->base = value;
  h->start = now (h);
  for (unsigned n = 0; n < N_TIMERS; n++)
    await (h, value, &h->comparator[n]);
}

/* A route that the timer cannot take leaves the old one (2.3.8, Tn_INT_ROUTE_CNF). */
static void
write_timer_config (Hpet *h, uint64_t at, Comparator *c, uint32_t value)
{
  uint32_t changed = c->config ^ value, route = (value & T_ROUTE) >> T_ROUTE_SHIFT;
  if (!(h->routes >> route & 1))
    value = (value & ~(uint32_t) T_ROUTE) | (c->config & T_ROUTE);
  c->config = value & T_WRITABLE;
  if (!(c->config & T_ENABLE) || c->config & T_LEVEL)
    c->edge = false;
  if (changed & (T_32BIT | T_PERIODIC))
    await (h, at, c);
  else
    arm (h, c);
  update_lines (h);
}

/* 2.3.9.2.2: in periodic mode a write sets the period, and the match to come only after T_SET_VALUE was written. */
static void
write_comparator (Hpet *h, uint64_t at, Comparator *c, uint64_t value, uint64_t mask)
{
  bool direct = !is_periodic (c) || c->config & T_SET_VALUE;
  c->period = (c->period & ~mask) | value;
  if (direct)
    c->value = (c->value & ~mask) | value;
  c->config &= ~(uint32_t) T_SET_VALUE;
  if (direct)
    await (h, at, c);
  else
    arm (h, c);
}

/* `mask` says which half, or both, is written. */
static void
write_register (Hpet *h, uint64_t at, uint64_t offset, uint64_t value, uint64_t mask)
{
  bool low = (uint32_t) mask;
  if (offset == REG_CONFIG && low)
    write_config (h, at, (uint32_t) value);
  else if (offset == REG_STATUS && low) {
    h->status &= ~(uint32_t) value;
    update_lines (h);
  } else if (offset == REG_COUNTER)
    write_counter (h, (at & ~mask) | value);
  if (offset < REG_TIMERS || offset >= REG_END)
    return;
  Comparator *c = &h->comparator[(offset - REG_TIMERS) / 0x20];
  if ((offset & 0x1f) == TIMER_CONFIG && low)
    write_timer_config (h, at, c, (uint32_t) value);
  else if ((offset & 0x1f) == TIMER_COMPARATOR)
    write_comparator (h, at, c, value, mask);
}

static uint64_t
hpet_read (void *self, uint64_t offset, unsigned size)
{
  uint64_t value = read_register (self, offset & ~UINT64_C (7));
  return offset & 4 ? value >> 32 : size == 4 ? (uint32_t) value : value;
}

static void
hpet_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Hpet *h = self;
  unsigned shift = offset & 4 ? 32 : 0;
  uint64_t at = count (h);
  for (unsigned n = 0; n < N_TIMERS; n++)
    sync_timer (h, at, n);
  write_register (h, at, offset & ~UINT64_C (7), value << shift, (size == 8 ? UINT64_MAX : UINT32_MAX) << shift);
}

/* --- events (input, timers) ------------------------------------------------------------ */

static void
on_match (void *user)
{
  Hpet *h = user;
  for (unsigned n = 0; n < N_TIMERS; n++) {
    sync_timer (h, count (h), n);
    if (!bp_timer_is_armed (h->comparator[n].timer))
      arm (h, &h->comparator[n]);
  }
}

static void
set_input (Hpet *h, unsigned index, int level)
{
  h->inputs = (uint8_t) (level ? h->inputs | 1u << index : h->inputs & ~(1u << index));
  if (!(h->config & CONFIG_LEGACY))
    bp_pin_set (h->legacy[index], level);
}

static void set_pit (void *self, unsigned index, int level) { set_input (self, 0, level); }
static void set_rtc (void *self, unsigned index, int level) { set_input (self, 1, level); }

/* --- life cycle: realize, reset ----------------------------------------------------------- */

static bool
hpet_realize (void *self, GError **error)
{
  Hpet *h = self;
  for (unsigned n = 0; n < N_TIMERS; n++)
    h->comparator[n].timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_match, h);
  return true;
}

static void
hpet_unrealize (void *self)
{
  Hpet *h = self;
  for (unsigned n = 0; n < N_TIMERS; n++)
    g_clear_pointer (&h->comparator[n].timer, bp_timer_free);
}

static void
hpet_reset (void *self, BpResetKind kind)
{
  Hpet *h = self;
  h->config = h->status = 0;
  h->base = 0;
  h->start = 0;
  h->inputs = 0;
  for (unsigned n = 0; n < N_TIMERS; n++) {
    Comparator *c = &h->comparator[n];
    bp_timer_cancel (c->timer);
    *c = (Comparator) { .value = UINT64_MAX, .timer = c->timer };
  }
  update_lines (h);
}

static bool
hpet_post_load (void *self, GError **error)
{
  update_lines (self);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty hpet_properties[] = {
  BP_PROP_U32_RANGE ("period", Hpet, period_fs, 10000000, 1000000, 100000000,
                     "Femtoseconds of a tick of the main counter: 10 ns, 100 MHz by default."),
  BP_PROP_U32_RANGE ("routes", Hpet, routes, 0x00f00000, 0, 0x00ffffff,
                     "Which of the pins `route0` to `route23` a timer may be routed to, a bit each; by default 20 to 23."),
  BP_PROP_END
};

static const BpRegionOps hpet_ops = BP_REGION_OPS (.read = hpet_read, .write = hpet_write, .access_min = 4, .access_max = 8, .impl_min = 4,
                                                    .impl_max = 8);
static const BpRegionDesc hpet_regions[] = {
  BP_REGION_DESC ("mmio0", Hpet, mmio, &hpet_ops, 0x400, "The registers, 32 or 64 bits at a time; 0xfed00000 in a PC."), BP_REGION_DESC_END
};

static const BpPinDesc hpet_pins[] = {
  BP_PIN_DESC_IN ("pit", 1, set_pit, 0, "The interval timer's output, which `legacy0` follows until legacy replacement cuts it off."),
  BP_PIN_DESC_IN ("rtc", 1, set_rtc, 0, "The real-time clock's interrupt request, likewise for `legacy1`."),
  BP_PIN_DESC_OUTS ("legacy", Hpet, legacy, 2, 0, "IRQ 0 and IRQ 8, driven by timers 0 and 1 while legacy replacement is on."),
  BP_PIN_DESC_OUTS ("route", Hpet, route, N_ROUTES, 0, "Interrupts of timers that are routed to the I/O APIC's input of this number."),
  BP_PIN_DESC_END
};

static const BpStateField comparator_state[] = {
  BP_STATE_FIELD_U32 (Comparator, config), BP_STATE_FIELD_U64 (Comparator, value), BP_STATE_FIELD_U64 (Comparator, period),
  BP_STATE_FIELD_U64 (Comparator, next), BP_STATE_FIELD_BOOL (Comparator, waiting), BP_STATE_FIELD_BOOL (Comparator, edge),
  BP_STATE_FIELD_TIMER (Comparator, timer), BP_STATE_END
};
static const BpStateField hpet_state[] = {
  BP_STATE_FIELD_U32 (Hpet, config), BP_STATE_FIELD_U32 (Hpet, status), BP_STATE_FIELD_U64 (Hpet, base), BP_STATE_FIELD_U64 (Hpet, start),
  BP_STATE_FIELD_U8 (Hpet, inputs), BP_STATE_FIELD_STRUCTS (Hpet, comparator, N_TIMERS, comparator_state), BP_STATE_END
};

const BpTypeDesc hpet_type = {
  BP_TYPE ("hpet", BP_KIND_DEVICE, Hpet),
  .description = "High precision event timer (IA-PC HPET 1.0a), three comparators",
  .properties = hpet_properties,
  .regions = hpet_regions,
  .pins = hpet_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = hpet_state,
  .realize = hpet_realize,
  .unrealize = hpet_unrealize,
  .reset = hpet_reset,
  .post_load = hpet_post_load,
};
