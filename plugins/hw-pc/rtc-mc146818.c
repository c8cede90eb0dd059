/* rtc-mc146818.c -- Motorola MC146818A real-time clock and 128 bytes of CMOS RAM. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/iface/cmos.h>
#include <backplane/object.h>
#include <time.h>
#include "hw-pc.h"

/* --- registers -------------------------------------------------------------- */

enum {
  REG_SECONDS, REG_SECONDS_ALARM, REG_MINUTES, REG_MINUTES_ALARM, REG_HOURS, REG_HOURS_ALARM, REG_WEEKDAY, REG_DAY, REG_MONTH, REG_YEAR,
  REG_A, REG_B, REG_C, REG_D, REG_CENTURY = 0x32
};
enum { A_UIP = 0x80, A_DIVIDER = 0x70, A_RATE = 0x0f, A_RUNNING = 0x20 };
enum { B_24H = 2, B_BINARY = 4, B_UPDATE = 0x10, B_ALARM = 0x20, B_PERIODIC = 0x40, B_SET = 0x80 };
enum { C_UPDATE = 0x10, C_ALARM = 0x20, C_PERIODIC = 0x40, C_IRQF = 0x80 };
enum { D_VALID = 0x80 };

#define PERIOD_HZ 32768u
#define UPDATE_NS 244000                /* the time registers are unstable for so long before the second */

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Rtc {
  uint8_t cmos[128];            /* the registers; those of the time count only while the clock is halted, else the time is base + host clock */
  uint8_t index;
  int64_t base;                 /* seconds since 1970 that the guest's clock shows, at host-clock time 0 */
  uint64_t periods_seen;        /* periodic ticks and seconds up to the last read of register C */
  int64_t seconds_seen;
  BpTimer *periodic, *second;
  BpPin *irq;
  BpRegion *ports;
  bool local_time;
  char *start;
} Rtc;

static int64_t now (Rtc *r, BpClock clock) { return bp_clock_now (bp_object_machine (r), clock); }

/* --- the time registers ------------------------------------------------------------ */

static bool is_halted (const Rtc *r) { return r->cmos[REG_B] & B_SET || (r->cmos[REG_A] & A_DIVIDER) != A_RUNNING; }

static int64_t guest_seconds (Rtc *r) { return r->base + now (r, BP_CLOCK_HOST) / BP_NS_PER_SECOND; }

static uint8_t encode (const Rtc *r, int n) { return (uint8_t) (r->cmos[REG_B] & B_BINARY ? n : n / 10 << 4 | n % 10); }
static int decode (const Rtc *r, uint8_t v) { return r->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15); }

static uint8_t
encode_hour (const Rtc *r, int hour)
{
  if (r->cmos[REG_B] & B_24H)
    return encode (r, hour);
  return (uint8_t) (encode (r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0));
}

static int
decode_hour (const Rtc *r, uint8_t v)
{
  if (r->cmos[REG_B] & B_24H)
    return decode (r, v);
  return decode (r, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

static const uint8_t time_registers[] = { REG_SECONDS, REG_MINUTES, REG_HOURS, REG_WEEKDAY, REG_DAY, REG_MONTH, REG_YEAR, REG_CENTURY };

static uint8_t
register_of (const Rtc *r, unsigned index, const struct tm *tm)
{
  switch (index) {
  case REG_SECONDS:
    return encode (r, tm->tm_sec);
  case REG_MINUTES:
    return encode (r, tm->tm_min);
  case REG_HOURS:
    return encode_hour (r, tm->tm_hour);
  case REG_WEEKDAY:
    return encode (r, tm->tm_wday + 1);
  case REG_DAY:
    return encode (r, tm->tm_mday);
  case REG_MONTH:
    return encode (r, tm->tm_mon + 1);
  case REG_YEAR:
    return encode (r, MAX (tm->tm_year + 1900, 0) % 100);
  default:
    return encode (r, MAX (tm->tm_year + 1900, 0) / 100 % 100);
  }
}

/* The time registers as of now. */
static void
latch_time (Rtc *r)
{
  time_t t = (time_t) guest_seconds (r);
  struct tm tm;
  gmtime_r (&t, &tm);
  for (unsigned i = 0; i < G_N_ELEMENTS (time_registers); i++)
    r->cmos[time_registers[i]] = register_of (r, time_registers[i], &tm);
}

/* The clock goes on from what the registers hold; the day of the week follows from the date. */
static void
start_from_registers (Rtc *r)
{
  const uint8_t *c = r->cmos;
  struct tm tm = { .tm_sec = decode (r, c[REG_SECONDS]), .tm_min = decode (r, c[REG_MINUTES]), .tm_hour = decode_hour (r, c[REG_HOURS]),
                   .tm_mday = decode (r, c[REG_DAY]), .tm_mon = decode (r, c[REG_MONTH]) - 1,
                   .tm_year = decode (r, c[REG_CENTURY]) * 100 + decode (r, c[REG_YEAR]) - 1900 };
  r->base = (int64_t) timegm (&tm) - now (r, BP_CLOCK_HOST) / BP_NS_PER_SECOND;
}

static uint8_t
time_register (Rtc *r, unsigned index)
{
  if (!is_halted (r))
    latch_time (r);
  return r->cmos[index];
}

static void
set_time_register (Rtc *r, unsigned index, uint8_t value)
{
  bool runs = !is_halted (r);
  if (runs)
    latch_time (r);
  r->cmos[index] = value;
  if (runs)
    start_from_registers (r);
}

/* --- events (input, timers) ------------------------------------------------------------ */

static void
update_irq (Rtc *r)
{
  bool on = r->cmos[REG_C] & r->cmos[REG_B] & (C_UPDATE | C_ALARM | C_PERIODIC);
  r->cmos[REG_C] = (uint8_t) ((r->cmos[REG_C] & ~C_IRQF) | (on ? C_IRQF : 0));
  bp_pin_set (r->irq, on);
}

static int64_t
period (const Rtc *r)
{
  unsigned rate = r->cmos[REG_A] & A_RATE;
  if (rate == 0)
    return 0;
  if (rate < 3)
    rate += 7;
  return (int64_t) bp_muldiv ((uint64_t) 1 << (rate - 1), (uint32_t) BP_NS_PER_SECOND, PERIOD_HZ);
}

static void
arm_periodic (Rtc *r)
{
  int64_t ns = period (r);
  if (!ns || !(r->cmos[REG_B] & B_PERIODIC)) {
    bp_timer_cancel (r->periodic);
    return;
  }
  bp_timer_arm (r->periodic, (now (r, BP_CLOCK_VIRTUAL) / ns + 1) * ns);
}

static void
on_periodic (void *user)
{
  Rtc *r = user;
  r->cmos[REG_C] |= C_PERIODIC;
  update_irq (r);
  arm_periodic (r);
}

static bool
alarm_matches (Rtc *r)
{
  static const uint8_t pairs[3][2] = { { REG_SECONDS_ALARM, REG_SECONDS }, { REG_MINUTES_ALARM, REG_MINUTES }, { REG_HOURS_ALARM, REG_HOURS } };
  for (unsigned i = 0; i < 3; i++) {
    uint8_t alarm = r->cmos[pairs[i][0]];
    if ((alarm & 0xc0) != 0xc0 && alarm != time_register (r, pairs[i][1]))
      return false;
  }
  return true;
}

/* Updates are only watched while somebody can see them. */
static void
arm_second (Rtc *r)
{
  if (is_halted (r) || !(r->cmos[REG_B] & (B_UPDATE | B_ALARM))) {
    bp_timer_cancel (r->second);
    return;
  }
  bp_timer_arm (r->second, (now (r, BP_CLOCK_HOST) / BP_NS_PER_SECOND + 1) * BP_NS_PER_SECOND);
}

static void
on_second (void *user)
{
  Rtc *r = user;
  r->cmos[REG_C] |= C_UPDATE;
  if (alarm_matches (r))
    r->cmos[REG_C] |= C_ALARM;
  update_irq (r);
  arm_second (r);
}

/* --- guest access -------------------------------------------------------------------- */

static bool is_time (unsigned index) { return index <= REG_YEAR && index != 1 && index != 3 && index != 5; }

/* Flags are set whether or not their interrupts are enabled; for guests that only poll, no timer runs. */
static void
note_passed_ticks (Rtc *r)
{
  int64_t ns = period (r), second = now (r, BP_CLOCK_HOST) / BP_NS_PER_SECOND;
  uint64_t periods = ns ? (uint64_t) (now (r, BP_CLOCK_VIRTUAL) / ns) : 0;
  if (ns && periods != r->periods_seen)
    r->cmos[REG_C] |= C_PERIODIC;
  if (!is_halted (r) && second != r->seconds_seen)
    r->cmos[REG_C] |= C_UPDATE;
  r->periods_seen = periods;
  r->seconds_seen = second;
}

static uint8_t
read_register (Rtc *r, unsigned index)
{
  uint8_t value;
  if (is_time (index) || index == REG_CENTURY)
    return time_register (r, index);
  switch (index) {
  case REG_A:
    if (!is_halted (r) && now (r, BP_CLOCK_HOST) % BP_NS_PER_SECOND >= BP_NS_PER_SECOND - UPDATE_NS)
      return r->cmos[REG_A] | A_UIP;
    return r->cmos[REG_A];
  case REG_C:
    note_passed_ticks (r);
    value = r->cmos[REG_C];
    r->cmos[REG_C] = 0;
    update_irq (r);
    return value;
  case REG_D:
    return D_VALID;
  default:
    return r->cmos[index];
  }
}

static void
write_mode (Rtc *r, unsigned index, uint8_t value)
{
  bool was_halted = is_halted (r);
  note_passed_ticks (r);
  if (!was_halted)
    latch_time (r);
  r->cmos[index] = index == REG_A ? value & 0x7f : value;
  if (value & B_SET && index == REG_B)
    r->cmos[REG_B] &= (uint8_t) ~B_UPDATE;
  if (was_halted && !is_halted (r))
    start_from_registers (r);
  if (index == REG_A && period (r))
    r->periods_seen = (uint64_t) (now (r, BP_CLOCK_VIRTUAL) / period (r));
  arm_periodic (r);
  arm_second (r);
  update_irq (r);
}

static void
write_register (Rtc *r, unsigned index, uint8_t value)
{
  if (is_time (index) || index == REG_CENTURY)
    set_time_register (r, index, value);
  else if (index == REG_A || index == REG_B)
    write_mode (r, index, value);
  else if (index != REG_C && index != REG_D)
    r->cmos[index] = value;
}

static uint64_t
rtc_read (void *self, uint64_t offset, unsigned size)
{
  Rtc *r = self;
  return offset ? read_register (r, r->index) : 0xff;
}

static void
rtc_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Rtc *r = self;
  if (offset)
    write_register (r, r->index, (uint8_t) value);
  else
    r->index = value & 0x7f;    /* bit 7 masks NMI in the chipset, which has no source here */
}

/* --- the interface of who knows what is in the machine ---------------------------------- */

enum { CMOS_FIRST = 0x0e, CMOS_SUMMED = 0x10, CMOS_SUM = 0x2e };

static void
set_cmos (void *self, unsigned index, uint8_t mask, uint8_t value)
{
  Rtc *r = self;
  unsigned sum = 0;
  if (index < CMOS_FIRST || index >= sizeof r->cmos || index == REG_CENTURY)
    return;
  r->cmos[index] = (uint8_t) ((r->cmos[index] & ~mask) | (value & mask));
  for (unsigned i = CMOS_SUMMED; i < CMOS_SUM; i++)
    sum += r->cmos[i];
  r->cmos[CMOS_SUM] = (uint8_t) (sum >> 8);
  r->cmos[CMOS_SUM + 1] = (uint8_t) sum;
}

static const BpCmosIface cmos_iface = { .struct_size = sizeof cmos_iface, .set = set_cmos };

/* --- life cycle: realize, reset ------------------------------------------------------------ */

/* "now", or a date that makes runs repeatable. */
static bool
parse_start (Rtc *r, int64_t *seconds, GError **error)
{
  *seconds = INT64_MIN;
  if (!r->start || !*r->start || g_strcmp0 (r->start, "now") == 0)
    return true;
  GTimeZone *utc = g_time_zone_new_utc ();
  GDateTime *t = g_date_time_new_from_iso8601 (r->start, utc);
  g_time_zone_unref (utc);
  if (!t) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "start = %s is neither `now' nor a date and time such as 2024-02-29T12:00:00Z", r->start);
    return false;
  }
  *seconds = g_date_time_to_unix (t);
  g_date_time_unref (t);
  return true;
}

static bool
rtc_configure (void *self, GError **error)
{
  int64_t ignored;
  return parse_start (self, &ignored, error);
}

static bool
rtc_realize (void *self, GError **error)
{
  Rtc *r = self;
  int64_t start;
  if (!parse_start (r, &start, error))
    return false;
  if (start != INT64_MIN)
    r->base = start - now (r, BP_CLOCK_HOST) / BP_NS_PER_SECOND;
  else if (r->local_time) {
    GDateTime *t = g_date_time_new_now_local ();
    r->base = g_date_time_get_utc_offset (t) / G_USEC_PER_SEC;
    g_date_time_unref (t);
  }
  r->periodic = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_periodic, r);
  r->second = bp_timer_new (self, BP_CLOCK_HOST, on_second, r);
  r->cmos[REG_A] = 0x26;
  r->cmos[REG_B] = B_24H;
  latch_time (r);
  return true;
}

static void
rtc_unrealize (void *self)
{
  Rtc *r = self;
  bp_timer_free (r->periodic);
  bp_timer_free (r->second);
  r->periodic = r->second = NULL;
}

/* The battery keeps time and memory; RESET only clears the interrupt enables and flags. */
static void
rtc_reset (void *self, BpResetKind kind)
{
  Rtc *r = self;
  r->cmos[REG_B] &= (uint8_t) ~(B_PERIODIC | B_ALARM | B_UPDATE);
  r->index = 0;
  note_passed_ticks (r);
  r->cmos[REG_C] = 0;
  bp_timer_cancel (r->periodic);
  bp_timer_cancel (r->second);
  bp_pin_lower (r->irq);
}

static bool
rtc_post_load (void *self, GError **error)
{
  Rtc *r = self;
  r->index &= 0x7f;
  update_irq (r);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty rtc_properties[] = {
  BP_PROP_STRING ("start", Rtc, start, "now", "Date and time that the clock shows at power-on: `now', or ISO 8601 in UTC such as 2024-02-29T12:00:00Z."),
  BP_PROP_BOOL ("local-time", Rtc, local_time, false, "With start = now: keep local time instead of UTC."),
  BP_PROP_END
};

static const BpRegionOps rtc_ops = BP_REGION_OPS (.read = rtc_read, .write = rtc_write, .impl_max = 1);
static const BpRegionDesc rtc_regions[] = {
  BP_REGION_DESC ("pio0", Rtc, ports, &rtc_ops, 2, "Index and data port, 0x70 in a PC."), BP_REGION_DESC_END
};
static const BpPinDesc rtc_pins[] = { BP_PIN_DESC_OUT ("irq", Rtc, irq, 0, "Interrupt request, IRQ 8 in a PC."), BP_PIN_DESC_END };

static const BpInterfaceDesc rtc_interfaces[] = { { BP_CMOS_ID, &cmos_iface }, { NULL, NULL } };

static const BpStateField rtc_state[] = {
  BP_STATE_FIELD_BYTES (Rtc, cmos), BP_STATE_FIELD_U8 (Rtc, index), BP_STATE_FIELD_U64 (Rtc, base), BP_STATE_FIELD_U64 (Rtc, periods_seen),
  BP_STATE_FIELD_U64 (Rtc, seconds_seen),
  BP_STATE_FIELD_TIMER (Rtc, periodic), BP_STATE_FIELD_TIMER (Rtc, second), BP_STATE_END
};

const BpTypeDesc mc146818_type = {
  BP_TYPE ("mc146818", BP_KIND_DEVICE, Rtc),
  .description = "Motorola MC146818A real-time clock with 128 bytes of CMOS RAM",
  .properties = rtc_properties,
  .regions = rtc_regions,
  .pins = rtc_pins,
  .interfaces = rtc_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = rtc_state,
  .configure = rtc_configure,
  .realize = rtc_realize,
  .unrealize = rtc_unrealize,
  .reset = rtc_reset,
  .post_load = rtc_post_load,
};
