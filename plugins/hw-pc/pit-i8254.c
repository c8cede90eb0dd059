/* pit-i8254.c -- Intel 8254 (September 1993): three counters, six modes, and port B of the PC. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/iface/tone.h>
#include <backplane/object.h>
#include "hw-pc.h"

#define PIT_HZ 1193182u
#define SHORT_PERIOD 60         /* ticks: 50 us */
#define SHORTEST_SLEEP_NS INT64_C (50000)

/* --- registers -------------------------------------------------------------- */

enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };
enum { PORTB_GATE2 = 1 << 0, PORTB_SPEAKER = 1 << 1, PORTB_REFRESH = 1 << 4, PORTB_OUT2 = 1 << 5 };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Counter {
  uint32_t reload;              /* 1..65536 (10000 in BCD) */
  int64_t start;                /* virtual time in ns when counting (re)started */
  uint64_t paused;              /* ticks counted when the gate went low */
  uint16_t latch;
  uint8_t mode, access, bcd;
  uint8_t latched;              /* bytes of the latch still to be read: ACCESS_* or 0 */
  uint8_t status, status_latched;
  uint8_t write_low;            /* first byte of a two-byte load */
  bool write_high_next, read_high_next, loaded, gate, triggered;
} Counter;

typedef struct Pit {
  Counter counter[3];
  uint8_t port_b;
  bool out0_level;              /* as driven, which lags behind when the host does */
  uint64_t edge;                /* next edge of counter 0's output, in ticks since its start */
  BpTimer *timer;               /* fires then */
  BpPin *out0;
  BpLink speaker;
  BpRegion *ports, *port_b_region;
} Pit;

/* --- counting ------------------------------------------------------------------ */

static int64_t now (Pit *p) { return bp_clock_now (bp_object_machine (p), BP_CLOCK_VIRTUAL); }
static uint64_t ns_to_ticks (int64_t ns) { return bp_muldiv ((uint64_t) ns, PIT_HZ, (uint32_t) BP_NS_PER_SECOND); }
/* Rounded up, so that a timer set for a tick finds it done. */
static int64_t
ticks_to_ns (uint64_t ticks)
{
  return (int64_t) (((unsigned __int128) ticks * (uint64_t) BP_NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ);
}

static bool is_periodic (const Counter *c) { return c->mode == 2 || c->mode == 3; }
/* Modes 1 and 5 start at a rising gate; the others count while it is high. */
static bool is_gated_by_edge (const Counter *c) { return c->mode == 1 || c->mode == 5; }

static uint64_t
elapsed_at (const Counter *c, int64_t at)
{
  if (!c->loaded || (is_gated_by_edge (c) && !c->triggered))
    return 0;
  if (!c->gate && !is_gated_by_edge (c))
    return c->paused;
  return ns_to_ticks (at - c->start);
}

static uint64_t elapsed (Pit *p, const Counter *c) { return elapsed_at (c, now (p)); }

static uint16_t to_bcd (uint32_t n) { return (uint16_t) (n % 10 | (n / 10 % 10) << 4 | (n / 100 % 10) << 8 | (n / 1000 % 10) << 12); }
static uint32_t from_bcd (uint16_t n) { return (n & 15u) + ((n >> 4) & 15u) * 10 + ((n >> 8) & 15u) * 100 + (n >> 12) * 1000u; }

static uint16_t
current_count (Pit *p, const Counter *c)
{
  uint64_t t = elapsed (p, c);
  uint32_t range = c->bcd ? 10000 : 65536, value;
  switch (c->mode) {
  case 2:
    value = c->reload - (uint32_t) (t % c->reload);
    break;
  case 3:                       /* counts by two, twice a period */
    value = (uint32_t) ((c->reload & ~1u) - 2 * t % (c->reload & ~1u ? c->reload & ~1u : 2));
    break;
  default:
    value = c->reload % range + range - (uint32_t) (t % range);
  }
  value %= range;
  return c->bcd ? to_bcd (value) : (uint16_t) value;
}

/* The output pin, t ticks after the start. */
static int
output_at (const Counter *c, uint64_t t)
{
  switch (c->mode) {
  case 0:
    return c->loaded && t >= c->reload;
  case 1:
    return !c->triggered || t >= c->reload;
  case 2:
    return !c->gate || !c->loaded || t % c->reload != c->reload - 1;
  case 3:
    return !c->gate || !c->loaded || t % c->reload < (c->reload + 1) / 2;
  default:                      /* 4, 5: low for one tick at the end */
    return !c->loaded || t != c->reload;
  }
}

static int output (Pit *p, const Counter *c) { return output_at (c, elapsed (p, c)); }

/* Modes in which the output is low for one tick. */
static bool is_pulse (const Counter *c) { return c->mode == 2 || c->mode > 3; }

/* Ticks since the start at which the output changes after t, of a pulse its end; 0: never. */
static uint64_t
next_edge (const Counter *c, uint64_t t)
{
  uint64_t base = t - t % c->reload;
  if (!c->loaded || (!c->gate && !is_gated_by_edge (c)) || (is_gated_by_edge (c) && !c->triggered))
    return 0;
  switch (c->mode) {
  case 0:
  case 1:
    return t < c->reload ? c->reload : 0;
  case 2:
    return base + c->reload;
  case 3:
    return t % c->reload < (c->reload + 1) / 2 ? base + (c->reload + 1) / 2 : base + c->reload;
  default:
    return t <= c->reload ? c->reload + 1 : 0;
  }
}

/* However short the guest makes the period, the host is not asked to do more than this. */
static void
arm (Pit *p, const Counter *c)
{
  int64_t soonest = is_periodic (c) && c->reload < SHORT_PERIOD ? now (p) + SHORTEST_SLEEP_NS : 0;
  if (p->edge)
    bp_timer_arm (p->timer, MAX (c->start + ticks_to_ns (p->edge), soonest));
  else
    bp_timer_cancel (p->timer);
}

static void
drive_out0 (Pit *p, int level)
{
  p->out0_level = level != 0;
  bp_pin_set (p->out0, level);
}

/* As of `at`, a reading of the clock before: the host may be late already, and a pulse that is over by now is yet to be made. */
static void
update_counter0 (Pit *p, int64_t at)
{
  Counter *c = &p->counter[0];
  uint64_t t = elapsed_at (c, at);
  drive_out0 (p, output_at (c, t));
  p->edge = next_edge (c, t);
  arm (p, c);
}

/* The edge is made as of its own time, though the host is late; else a pulse of one tick would be missed.  Both edges of one are made at its end, without
 * letting go of the machine between them: a low that a host makes longer than its tick takes a request back that an i8259 has shown the guest already.  Whole
 * periods that have gone by are lost. */
static void
run_counter0 (Pit *p)
{
  Counter *c = &p->counter[0];
  uint64_t t = elapsed (p, c);
  if (!p->edge || p->edge > t) {
    arm (p, c);
    return;
  }
  if (is_pulse (c))
    drive_out0 (p, output_at (c, p->edge - 1));
  drive_out0 (p, output_at (c, p->edge));
  p->edge = next_edge (c, p->edge);
  if (is_periodic (c) && p->edge && p->edge < t)
    p->edge += (t - p->edge) / c->reload * c->reload;
  arm (p, c);
}

/* --- the loudspeaker ----------------------------------------------------------- */

/* What counter 2's output does from now on, if nobody touches it (table of modes in output_at). */
static BpTone
counter_tone (Pit *p, const Counter *c)
{
  BpTone tone = { .struct_size = sizeof tone, .hz = PIT_HZ, .start = c->start, .first = UINT64_MAX, .level = output (p, c) };
  if (!c->loaded || (is_gated_by_edge (c) ? !c->triggered : !c->gate))
    return tone;
  if (c->mode == 2 || c->mode == 3) {
    tone.level = true;
    tone.first = c->mode == 2 ? c->reload - 1 : (c->reload + 1) / 2;
    tone.period = c->reload;
  } else if (c->mode < 2) {
    tone.level = false;
    tone.first = c->reload;
  }                             /* 4, 5: a low of one tick, which moves no membrane */
  return tone;
}

/* Bit 1 of port B lets it through. */
static void
update_speaker (Pit *p)
{
  BpTone tone = { .struct_size = sizeof tone, .hz = PIT_HZ, .start = now (p), .first = UINT64_MAX, .level = false };
  if (!p->speaker.instance)
    return;
  if (p->port_b & PORTB_SPEAKER)
    tone = counter_tone (p, &p->counter[2]);
  bp_tone_set (&p->speaker, now (p), &tone);
}

static void
update (Pit *p, const Counter *c, int64_t at)
{
  if (c == &p->counter[0])
    update_counter0 (p, at);
  else if (c == &p->counter[2] && p->port_b & PORTB_SPEAKER)
    update_speaker (p);
}

/* --- guest access -------------------------------------------------------------------- */

static void
load_count (Pit *p, Counter *c, uint32_t value)
{
  int64_t at = now (p);
  if (c->bcd)
    value = from_bcd ((uint16_t) value);
  c->reload = value ? value : c->bcd ? 10000 : 65536;
  if (is_periodic (c) && c->reload == 1)
    c->reload = 2;              /* illegal (table 2 and 3) */
  /* In modes 2 and 3 a new count takes effect at the end of the period; restarting at once is what software can tell apart only by
   * reading back, and is how a stopped counter starts. */
  if (!is_gated_by_edge (c)) {
    c->start = at;
    c->paused = 0;
  }
  c->loaded = true;
  update (p, c, at);
}

static void
write_counter (Pit *p, Counter *c, uint8_t value)
{
  switch (c->access) {
  case ACCESS_LOW:
    load_count (p, c, value);
    break;
  case ACCESS_HIGH:
    load_count (p, c, (uint32_t) value << 8);
    break;
  default:
    if (c->write_high_next)
      load_count (p, c, (uint32_t) value << 8 | c->write_low);
    else {
      c->write_low = value;
      if (c->mode == 0) {       /* the first byte stops the count */
        c->loaded = false;
        update (p, c, now (p));
      }
    }
    c->write_high_next = !c->write_high_next;
  }
}

static void
latch_count (Pit *p, Counter *c)
{
  if (c->latched)
    return;
  c->latch = current_count (p, c);
  c->latched = c->access;
}

static void
latch_status (Pit *p, Counter *c)
{
  if (c->status_latched)
    return;
  c->status = (uint8_t) (output (p, c) << 7 | (!c->loaded) << 6 | c->access << 4 | c->mode << 1 | c->bcd);
  c->status_latched = 1;
}

static void
write_control (Pit *p, uint8_t value)
{
  unsigned select = value >> 6, access = (value >> 4) & 3, mode = (value >> 1) & 7;
  if (select == 3) {            /* read-back */
    for (unsigned i = 0; i < 3; i++) {
      if (!(value & 2 << i))
        continue;
      if (!(value & 0x20))
        latch_count (p, &p->counter[i]);
      if (!(value & 0x10))
        latch_status (p, &p->counter[i]);
    }
    return;
  }
  Counter *c = &p->counter[select];
  if (access == ACCESS_LATCH) {
    latch_count (p, c);
    return;
  }
  bool gate = c->gate;
  *c = (Counter) { .reload = 65536, .access = (uint8_t) access, .mode = (uint8_t) (mode > 5 ? mode & 3 : mode), .bcd = value & 1, .gate = gate };
  update (p, c, now (p));
}

static uint8_t
read_counter (Pit *p, Counter *c)
{
  if (c->status_latched) {
    c->status_latched = 0;
    return c->status;
  }
  uint16_t value = c->latched ? c->latch : current_count (p, c);
  unsigned access = c->latched ? c->latched : c->access;
  bool high = access == ACCESS_HIGH || (access == ACCESS_BOTH && c->read_high_next);
  if (access == ACCESS_BOTH) {
    c->read_high_next = !c->read_high_next;
    if (!c->read_high_next)
      c->latched = 0;
  } else
    c->latched = 0;
  return (uint8_t) (high ? value >> 8 : value);
}

static uint64_t
pit_read (void *self, uint64_t offset, unsigned size)
{
  Pit *p = self;
  return offset < 3 ? read_counter (p, &p->counter[offset]) : 0xff;
}

static void
pit_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Pit *p = self;
  if (offset < 3)
    write_counter (p, &p->counter[offset], (uint8_t) value);
  else
    write_control (p, (uint8_t) value);
}

static void
set_gate (Pit *p, Counter *c, bool gate)
{
  if (gate == c->gate)
    return;
  int64_t at = now (p);
  if (!gate && !is_gated_by_edge (c))
    c->paused = elapsed_at (c, at);
  c->gate = gate;
  if (gate && is_gated_by_edge (c)) {
    c->triggered = true;
    c->start = at;
  } else if (gate)              /* modes 2 and 3 start over, 0 and 4 go on */
    c->start = at - (is_periodic (c) ? 0 : ticks_to_ns (c->paused));
  update (p, c, at);
}

static uint64_t
port_b_read (void *self, uint64_t offset, unsigned size)
{
  Pit *p = self;
  uint8_t value = p->port_b;
  if ((now (p) / 15085) & 1)    /* refresh toggles about every 15.085 us */
    value |= PORTB_REFRESH;
  if (output (p, &p->counter[2]))
    value |= PORTB_OUT2;
  return value;
}

static void
port_b_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Pit *p = self;
  uint8_t before = p->port_b;
  p->port_b = (uint8_t) value & 0x0f;
  set_gate (p, &p->counter[2], value & PORTB_GATE2);
  if ((before ^ p->port_b) & PORTB_SPEAKER)
    update_speaker (p);
}

/* --- events (input, timers) ------------------------------------------------------------ */

static void
on_edge (void *user)
{
  run_counter0 (user);
}

static void
set_gate_pin (void *self, unsigned index, int level)
{
  Pit *p = self;
  set_gate (p, &p->counter[0], level);
}

/* --- life cycle: realize, reset ----------------------------------------------------------- */

static bool
pit_realize (void *self, GError **error)
{
  Pit *p = self;
  p->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_edge, p);
  return true;
}

static void
pit_unrealize (void *self)
{
  Pit *p = self;
  bp_timer_free (p->timer);
  p->timer = NULL;
}

static void
pit_reset (void *self, BpResetKind kind)
{
  Pit *p = self;
  for (unsigned i = 0; i < 3; i++)
    p->counter[i] = (Counter) { .reload = 65536, .access = ACCESS_BOTH, .mode = 3, .gate = i != 2 };
  p->port_b = 0;
  update_speaker (p);
  p->edge = 0;
  bp_timer_cancel (p->timer);
  drive_out0 (p, 0);
}

/* What a damaged state could hold would divide by zero. */
static bool
pit_post_load (void *self, GError **error)
{
  Pit *p = self;
  for (unsigned i = 0; i < 3; i++) {
    Counter *c = &p->counter[i];
    if (c->reload < 1 || c->reload > 65536 || c->mode > 5 || c->access > ACCESS_BOTH || (is_periodic (c) && c->reload < 2)) {
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "counter %u holds an impossible state", i);
      return false;
    }
  }
  bp_pin_set (p->out0, p->out0_level);
  update_speaker (p);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty pit_properties[] = {
  BP_PROP_LINK ("speaker", Pit, speaker, BP_TONE_ID, 0, "Who hears the loudspeaker, such as a tone-wav; none: it is silent."), BP_PROP_END
};

static const BpRegionOps pit_ops = BP_REGION_OPS (.read = pit_read, .write = pit_write, .impl_max = 1);
static const BpRegionOps port_b_ops = BP_REGION_OPS (.read = port_b_read, .write = port_b_write, .impl_max = 1);

static const BpRegionDesc pit_regions[] = {
  BP_REGION_DESC ("pio0", Pit, ports, &pit_ops, 4, "Counters 0 to 2 and the control word, 0x40 in a PC."),
  BP_REGION_DESC ("pio1", Pit, port_b_region, &port_b_ops, 1, "Port B: gate and output of counter 2, speaker, refresh; 0x61 in a PC."),
  BP_REGION_DESC_END
};

static const BpPinDesc pit_pins[] = {
  BP_PIN_DESC_OUT ("out0", Pit, out0, 0, "Output of counter 0, IRQ 0 in a PC."),
  BP_PIN_DESC_IN ("gate0", 1, set_gate_pin, 0, "Gate of counter 0; high unless wired."),
  BP_PIN_DESC_END
};

static const BpStateField counter_state[] = {
  BP_STATE_FIELD_U32 (Counter, reload), BP_STATE_FIELD_U64 (Counter, start), BP_STATE_FIELD_U64 (Counter, paused), BP_STATE_FIELD_U16 (Counter, latch),
  BP_STATE_FIELD_U8 (Counter, mode), BP_STATE_FIELD_U8 (Counter, access), BP_STATE_FIELD_U8 (Counter, bcd), BP_STATE_FIELD_U8 (Counter, latched),
  BP_STATE_FIELD_U8 (Counter, status), BP_STATE_FIELD_U8 (Counter, status_latched), BP_STATE_FIELD_U8 (Counter, write_low),
  BP_STATE_FIELD_BOOL (Counter, write_high_next), BP_STATE_FIELD_BOOL (Counter, read_high_next), BP_STATE_FIELD_BOOL (Counter, loaded),
  BP_STATE_FIELD_BOOL (Counter, gate), BP_STATE_FIELD_BOOL (Counter, triggered), BP_STATE_END
};
static const BpStateField pit_state[] = {
  BP_STATE_FIELD_STRUCTS (Pit, counter, 3, counter_state), BP_STATE_FIELD_U8 (Pit, port_b), BP_STATE_FIELD_BOOL (Pit, out0_level),
  BP_STATE_FIELD_U64 (Pit, edge), BP_STATE_FIELD_TIMER (Pit, timer), BP_STATE_END
};

const BpTypeDesc i8254_type = {
  BP_TYPE ("i8254", BP_KIND_DEVICE, Pit),
  .description = "Intel 8254 programmable interval timer, 1.193182 MHz, with port B",
  .properties = pit_properties,
  .regions = pit_regions,
  .pins = pit_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = pit_state,
  .realize = pit_realize,
  .unrealize = pit_unrealize,
  .reset = pit_reset,
  .post_load = pit_post_load,
};
