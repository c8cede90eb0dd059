/* alarm_queue.rs -- a device in Rust: a queue of alarms, each with a tag, of which the earliest that is due raises an interrupt. */
/* SPDX-License-Identifier: MIT */

mod backplane;

use backplane::{ffi, plugin, state, state_structs, Device, Pin, Region, Timer, Type};
use std::cell::Cell;
use std::sync::Once;

// --- registers, 32 bits each ------------------------------------------------------------------------

/// Of the alarm that is queued next.
const TAG: u64 = 0x0;
/// Written: queues an alarm that is due in so many microseconds.
const DELAY: u64 = 0x4;
/// Read: takes the earliest alarm that is due, and gives its tag; NONE: there is none.
const DUE: u64 = 0x8;
/// Bits 7:0: how many are queued; bit 31: one was lost, the queue was full; a write clears it.
const STATUS: u64 = 0xc;
const N_BYTES: u64 = 0x10;
const NONE: u32 = 0xffff_ffff;
const STATUS_LOST: u32 = 1 << 31;
const MOST: usize = 64;

// --- the queue: plain Rust, knows nothing of Backplane ------------------------------------------------

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Alarm {
    /// Virtual time, ns.
    at: u64,
    tag: u32,
}

/// In order of their times; of two at the same time the one that was queued first comes first.
#[repr(C)]
#[derive(Clone, Copy)]
struct Queue {
    alarms: [Alarm; MOST],
    count: u32,
    lost: bool,
}

impl Queue {
    const EMPTY: Queue = Queue { alarms: [Alarm { at: 0, tag: 0 }; MOST], count: 0, lost: false };

    fn first(&self) -> Option<Alarm> {
        self.alarms[..self.count as usize].first().copied()
    }

    /// `false`: it is full.
    fn add(&mut self, alarm: Alarm, capacity: u32) -> bool {
        let count = self.count as usize;
        self.lost |= self.count >= capacity;
        if self.count >= capacity {
            return false;
        }
        let place = self.alarms[..count].partition_point(|a| a.at <= alarm.at);
        self.alarms.copy_within(place..count, place + 1);
        self.alarms[place] = alarm;
        self.count += 1;
        true
    }

    fn take(&mut self, now: u64) -> Option<u32> {
        let first = self.first().filter(|a| a.at <= now)?;
        let count = self.count as usize;
        self.alarms.copy_within(1..count, 0);
        self.alarms[count - 1] = Alarm::default();
        self.count -= 1;
        Some(first.tag)
    }

    /// Whether a queue can be like this.
    fn check(&self, capacity: u32) -> Result<(), String> {
        if self.count > capacity {
            return Err(format!("{} alarms in a queue for {}", self.count, capacity));
        }
        let alarms = &self.alarms[..self.count as usize];
        if alarms.windows(2).any(|w| w[0].at > w[1].at) || alarms.last().map_or(false, |a| a.at > i64::MAX as u64) {
            return Err("the alarms are not in their order".to_string());
        }
        Ok(())
    }
}

// --- the device ----------------------------------------------------------------------------------------

#[repr(C)]
struct AlarmQueue {
    // saved
    queue: Cell<Queue>,
    tag: Cell<u32>,
    // properties and wiring: the host's
    capacity: u32,
    irq: Pin,
    regs: Region,
    timer: Timer,
}

impl AlarmQueue {
    fn time(&self) -> u64 {
        self.now() as u64
    }

    /// The queue is out of its cell only while f works on it, which calls nothing of Backplane: nobody sees it missing.
    fn with<R>(&self, f: impl FnOnce(&mut Queue) -> R) -> R {
        let mut queue = self.queue.get();
        let result = f(&mut queue);
        self.queue.set(queue);
        result
    }

    /// The pin is high while an alarm is due; the timer is for the next one.
    fn update(&self) {
        let (first, now) = (self.with(|q| q.first()), self.time());
        match first {
            Some(alarm) if alarm.at > now => self.timer.arm(alarm.at as i64),
            _ => self.timer.cancel(),
        }
        self.irq.set(first.map_or(false, |alarm| alarm.at <= now));
    }

    fn add(&self, microseconds: u32) {
        let alarm = Alarm { at: self.time() + u64::from(microseconds) * 1000, tag: self.tag.get() };
        if !self.with(|q| q.add(alarm, self.capacity)) {
            self.log_guest(&format!("an alarm is lost: there is room for {}", self.capacity));
        }
        self.update();
    }

    fn take(&self) -> u32 {
        let now = self.time();
        let taken = self.with(|q| q.take(now));
        self.update();
        taken.unwrap_or(NONE)
    }
}

// Numbers, cells of numbers, and what the host puts there, in C's layout: zeros are fine for each, and nothing wants to be dropped.
unsafe impl Device for AlarmQueue {
    fn configure(&self) -> Result<(), String> {
        if self.capacity.is_power_of_two() {
            return Ok(());
        }
        Err(format!("capacity = {}: it is a power of two", self.capacity))
    }

    fn realize(&self) -> Result<(), String> {
        self.timer.make(self);
        Ok(())
    }

    fn unrealize(&self) {
        self.timer.free();
    }

    fn reset(&self) {
        self.queue.set(Queue::EMPTY);
        self.tag.set(0);
        self.update();
    }

    /// The pin and the timer are as they were saved: an alarm may have become due before the timer fired, which it then does as soon as the machine goes on.
    fn post_load(&self) -> Result<(), String> {
        self.with(|q| q.check(self.capacity))?;
        let (first, now) = (self.with(|q| q.first()), self.time());
        if first.map_or(self.timer.is_armed(), |alarm| alarm.at > now && !self.timer.is_armed()) {
            return Err("the timer is not that of the next alarm".to_string());
        }
        Ok(())
    }

    fn read(&self, offset: u64, _size: u32) -> u64 {
        let value = match offset {
            TAG => self.tag.get(),
            DUE => self.take(),
            STATUS => self.with(|q| q.count | if q.lost { STATUS_LOST } else { 0 }),
            _ => 0,
        };
        value.into()
    }

    fn write(&self, offset: u64, value: u64, _size: u32) {
        match offset {
            TAG => self.tag.set(value as u32),
            DELAY => self.add(value as u32),
            STATUS => self.with(|q| q.lost = false),
            _ => self.log_guest(&format!("write of {value:#x} to register {offset:#x}, which cannot be written")),
        }
    }

    fn fire(&self) {
        self.update();
    }
}

// --- tables ---------------------------------------------------------------------------------------------

fn alarm_queue_type() -> *const ffi::TypeDesc {
    let alarm = vec![state("at", ffi::STATE_U64, member!(Alarm, at)), state("tag", ffi::STATE_U32, member!(Alarm, tag))];
    // (a Cell is where what is in it is)
    let queue = member!(AlarmQueue, queue).offset;
    let inside = |m: backplane::Member| backplane::Member { offset: queue + m.offset, ..m };
    Type::<AlarmQueue>::new("alarm-queue-rust", "A queue of alarms, in Rust")
        .property_u32("capacity", member!(AlarmQueue, capacity), 16, 1..=MOST as u32, "How many alarms it holds, a power of two.")
        .region32("regs", member!(AlarmQueue, regs), N_BYTES, "Tag, delay, due, status: 32 bits each; in either address space.")
        .pin_out("irq", member!(AlarmQueue, irq), "High while an alarm is due.")
        .state(vec![
            state_structs("alarms", inside(member!(Queue, alarms)), MOST as u32, alarm),
            state("count", ffi::STATE_U32, inside(member!(Queue, count))),
            state("lost", ffi::STATE_BOOL, inside(member!(Queue, lost))),
            state("tag", ffi::STATE_U32, member!(AlarmQueue, tag)),
            state("timer", ffi::STATE_TIMER, member!(AlarmQueue, timer)),
        ])
        .finish()
}

#[no_mangle]
pub extern "C" fn bp_plugin_query() -> *const ffi::PluginDesc {
    static ONCE: Once = Once::new();
    static mut DESC: *const ffi::PluginDesc = std::ptr::null();
    ONCE.call_once(|| {
        let types = vec![alarm_queue_type()];
        unsafe { DESC = plugin("alarm-queue-rust", "1.0", "MIT", "An example of a device in Rust", types) };
    });
    unsafe { DESC }
}
