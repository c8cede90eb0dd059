/* alarm-queue.cpp -- a device in C++17: a queue of alarms, each with a tag, of which the earliest that is due raises an interrupt. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>
#include "callback.hpp"

namespace {

/* --- registers, 32 bits each -------------------------------------------------------------- */

enum Register : uint64_t {
  TAG = 0x0,                    /* of the alarm that is queued next */
  DELAY = 0x4,                  /* written: queues an alarm that is due in so many microseconds */
  DUE = 0x8,                    /* read: takes the earliest alarm that is due, and gives its tag; NONE: there is none */
  STATUS = 0xc,                 /* bits 7:0: how many are queued; bit 31: one was lost, the queue was full; a write clears it */
  N_BYTES = 0x10
};
constexpr uint32_t NONE = 0xffffffff, STATUS_LOST = 1u << 31;
constexpr uint32_t MOST = 64;

struct Alarm {
  uint64_t at;                  /* virtual time, ns */
  uint32_t order;               /* of two at the same time the one that was queued first */
  uint32_t tag;
};

bool
is_later (const Alarm &x, const Alarm &y)
{
  return x.at != y.at ? x.at > y.at : static_cast<int32_t> (x.order - y.order) > 0;
}

/* --- the device ------------------------------------------------------------------------------ */

/* The host makes an instance of zeros and finds its members by the tables below: data as in C, and what C++ adds are functions.  What needs a
 * constructor would be behind a pointer, made by realize and deleted by unrealize. */
struct AlarmQueue {
  /* saved */
  Alarm alarms[MOST];           /* a heap, the earliest first */
  uint32_t count, order, tag;
  bool lost;
  /* properties and wiring */
  uint32_t capacity;
  BpPin *irq;
  BpRegion *regs;
  BpTimer *timer;

  uint64_t now () const { return static_cast<uint64_t> (bp_clock_now (bp_object_machine (this), BP_CLOCK_VIRTUAL)); }
  bool is_due () const { return count > 0 && alarms[0].at <= now (); }

  void update ();
  void queue (uint32_t microseconds);
  uint32_t take ();

  uint64_t read (uint64_t offset, unsigned size);
  void write (uint64_t offset, uint64_t value, unsigned size);
  void configure ();
  void realize ();
  void reset (BpResetKind kind);
  void unrealize ();
  void post_load ();
};

/* The pin is high while an alarm is due; the timer is for the next one.  Time passes meanwhile: it is looked at once, or an alarm might be due too late for the pin
 * and too early for the timer. */
void
AlarmQueue::update ()
{
  bool due = is_due ();
  if (count > 0 && !due)
    bp_timer_arm (timer, static_cast<int64_t> (alarms[0].at));
  else
    bp_timer_cancel (timer);
  bp_pin_set (irq, due);
}

void
AlarmQueue::queue (uint32_t microseconds)
{
  if (count == capacity) {
    bp_log_guest (this, "an alarm is lost: there is room for %u", capacity);
    lost = true;
    return;
  }
  alarms[count++] = Alarm { now () + uint64_t { microseconds } * 1000, order++, tag };
  std::push_heap (alarms, alarms + count, is_later);
  update ();
}

uint32_t
AlarmQueue::take ()
{
  if (!is_due ())
    return NONE;
  std::pop_heap (alarms, alarms + count, is_later);
  uint32_t taken = alarms[--count].tag;
  alarms[count] = Alarm {};
  update ();
  return taken;
}

/* --- guest access -------------------------------------------------------------------------------- */

uint64_t
AlarmQueue::read (uint64_t offset, unsigned)
{
  switch (offset) {
  case TAG: return tag;
  case DUE: return take ();
  case STATUS: return count | (lost ? STATUS_LOST : 0);
  default: return 0;
  }
}

void
AlarmQueue::write (uint64_t offset, uint64_t value, unsigned)
{
  switch (offset) {
  case TAG: tag = static_cast<uint32_t> (value); break;
  case DELAY: queue (static_cast<uint32_t> (value)); break;
  case STATUS: lost = false; break;
  default: bp_log_guest (this, "write of 0x%x to register 0x%x, which cannot be written", static_cast<unsigned> (value), static_cast<unsigned> (offset));
  }
}

/* --- life cycle -------------------------------------------------------------------------------------- */

/* What configure, realize and post_load throw becomes the host's error (callback.hpp). */
void
AlarmQueue::configure ()
{
  if (capacity & (capacity - 1))
    throw std::invalid_argument ("capacity = " + std::to_string (capacity) + ": it is a power of two");
}

void
AlarmQueue::realize ()
{
  timer = bp_timer_new (this, BP_CLOCK_VIRTUAL, callback<&AlarmQueue::update>, this);
}

void
AlarmQueue::unrealize ()
{
  if (timer)
    bp_timer_cancel (timer);
  bp_timer_free (timer);
}

void
AlarmQueue::reset (BpResetKind)
{
  std::fill_n (alarms, MOST, Alarm {});
  count = order = tag = 0;
  lost = false;
  update ();
}

/* A file may hold anything.  The pin and the timer are as they were saved: an alarm may have become due before the timer fired, which it then does as soon as the
 * machine goes on. */
void
AlarmQueue::post_load ()
{
  if (count > capacity)
    throw std::out_of_range (std::to_string (count) + " alarms in a queue for " + std::to_string (capacity));
  if (!std::is_heap (alarms, alarms + count, is_later) || std::any_of (alarms, alarms + count, [] (const Alarm &a) { return a.at > INT64_MAX; }))
    throw std::out_of_range ("the alarms are not in their order");
  if (bp_timer_is_armed (timer) ? count == 0 : count > 0 && !is_due ())
    throw std::logic_error ("the timer is not that of the next alarm");
}

/* --- tables: properties, regions, pins, saved fields, type ------------------------------------------------ */

const BpProperty properties[] = {
  BP_PROP_U32_RANGE ("capacity", AlarmQueue, capacity, 16, 1, MOST, "How many alarms it holds, a power of two."),
  BP_PROP_END
};

const BpRegionOps ops = bp_table<BpRegionOps> ([] (BpRegionOps &t) {
  t.read = callback<&AlarmQueue::read>;
  t.write = callback<&AlarmQueue::write>;
  t.impl_min = t.impl_max = 4;
});
const BpRegionDesc regions[] = {
  BP_REGION_DESC ("regs", AlarmQueue, regs, &ops, N_BYTES, "Tag, delay, due, status: 32 bits each; in either address space."),
  BP_REGION_DESC_END
};

const BpPinDesc pins[] = {
  BP_PIN_DESC_OUT ("irq", AlarmQueue, irq, 0, "High while an alarm is due."),
  BP_PIN_DESC_END
};

const BpStateField alarm_fields[] = {
  BP_STATE_FIELD_U64 (Alarm, at), BP_STATE_FIELD_U32 (Alarm, order), BP_STATE_FIELD_U32 (Alarm, tag), BP_STATE_END
};
const BpStateField fields[] = {
  BP_STATE_FIELD_STRUCTS (AlarmQueue, alarms, MOST, alarm_fields),
  BP_STATE_FIELD_U32 (AlarmQueue, count), BP_STATE_FIELD_U32 (AlarmQueue, order), BP_STATE_FIELD_U32 (AlarmQueue, tag),
  BP_STATE_FIELD_BOOL (AlarmQueue, lost), BP_STATE_FIELD_TIMER (AlarmQueue, timer),
  BP_STATE_END
};

const BpTypeDesc alarm_queue_type = bp_type<AlarmQueue> ("alarm-queue-cxx", BP_KIND_DEVICE, [] (BpTypeDesc &t) {
  t.description = "A queue of alarms, in C++";
  t.properties = properties;
  t.regions = regions;
  t.pins = pins;
  t.state_version = t.state_minimum = 1;
  t.state = fields;
  t.configure = fallible<&AlarmQueue::configure>;
  t.realize = fallible<&AlarmQueue::realize>;
  t.reset = callback<&AlarmQueue::reset>;
  t.unrealize = callback<&AlarmQueue::unrealize>;
  t.post_load = fallible<&AlarmQueue::post_load>;
});

const BpTypeDesc *const types[] = { &alarm_queue_type, nullptr };

}

BP_PLUGIN_DEFINE_WITH ([] (BpPluginDesc &p) {
  p.id = "alarm-queue-cxx";
  p.version = "1.0";
  p.licence = "MIT";
  p.description = "An example of a device in C++";
  p.types = types;
});
