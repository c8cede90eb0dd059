/* test_alarm_queue.rs -- the device without a guest: its registers, its pin, its clock, its saved state. */
/* SPDX-License-Identifier: MIT */
//! libbackplane-test's C functions (`backplane/test.h`), as far as they are needed.  Each test runs in a process of its own.

use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int, c_void};
use std::panic::catch_unwind;
use std::ptr::null;

#[repr(C)]
struct TestCase {
    struct_size: u32,
    name: *const c_char,
    run: extern "C" fn(),
}

extern "C" {
    fn bp_test_main(suite: *const c_char, tests: *const *const TestCase, argc: c_int, argv: *const *const c_char) -> c_int;
    fn bp_test_plugin_path(directories: *const c_char);
    fn bp_test_new(types: *const c_void, sections: *const c_char) -> *mut c_void;
    fn bp_test_free(t: *mut c_void);
    fn bp_test_refusal(types: *const c_void, sections: *const c_char) -> *mut c_char;
    fn bp_test_load(t: *mut c_void, space: *const c_char, address: u64, size: u32) -> u64;
    fn bp_test_store(t: *mut c_void, space: *const c_char, address: u64, value: u64, size: u32);
    fn bp_test_level(t: *mut c_void, pin: *const c_char) -> c_int;
    fn bp_test_rises(t: *mut c_void, probe: *const c_char, input: u32) -> u32;
    fn bp_test_advance(t: *mut c_void, ns: i64);
    fn bp_test_reset(t: *mut c_void, kind: c_int);
    fn bp_test_round_trip(t: *mut c_void);
    fn bp_test_copy(from: *mut c_void, to: *mut c_void);
    fn bp_test_expect_same(a: *mut c_void, b: *mut c_void);
    fn bp_test_save(t: *mut c_void) -> *mut c_void;
    fn bp_test_load_state(t: *mut c_void, state: *mut c_void) -> *mut c_char;
    fn bp_test_keep_log(topics: *const c_char);
    fn bp_test_take_log() -> *mut c_char;
}

const MEMORY: *const c_char = b"memory\0".as_ptr().cast();
const TAG: u64 = 0x1000;
const DELAY: u64 = 0x1004;
const DUE: u64 = 0x1008;
const STATUS: u64 = 0x100c;
const NONE: u32 = 0xffff_ffff;

fn machine(capacity: u32) -> CString {
    unsafe { bp_test_plugin_path(b".\0".as_ptr().cast()) };
    CString::new(format!(
        "[device queue]\nmodule = alarm-queue-rust\ntype = alarm-queue-rust\nregs = memory@0x1000\nirq = probe.in0\ncapacity = {capacity}\n\
         [device probe]\ntype = test-probe\n"
    ))
    .unwrap()
}

fn told(text: *mut c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A machine with the device, and nothing that runs.
struct Test(*mut c_void);

impl Test {
    fn new(capacity: u32) -> Test {
        Test(unsafe { bp_test_new(null(), machine(capacity).as_ptr()) })
    }
    fn load(&self, address: u64) -> u32 {
        unsafe { bp_test_load(self.0, MEMORY, address, 4) as u32 }
    }
    fn store(&self, address: u64, value: u32) {
        unsafe { bp_test_store(self.0, MEMORY, address, value.into(), 4) }
    }
    fn queue(&self, tag: u32, microseconds: u32) {
        self.store(TAG, tag);
        self.store(DELAY, microseconds);
    }
    fn advance(&self, ns: i64) {
        unsafe { bp_test_advance(self.0, ns) }
    }
    fn irq(&self) -> bool {
        unsafe { bp_test_level(self.0, b"queue.irq\0".as_ptr().cast()) != 0 }
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        unsafe { bp_test_free(self.0) }
    }
}

fn comes_in_order() {
    let t = Test::new(16);
    for (tag, delay) in [('c', 30), ('a', 10), ('b', 20), ('B', 20)] {
        t.queue(tag as u32, delay);
    }
    assert_eq!(t.load(STATUS), 4);
    assert_eq!(t.load(DUE), NONE);
    t.advance(9999);
    assert!(!t.irq());
    t.advance(1);
    assert!(t.irq());
    assert_eq!(t.load(DUE), 'a' as u32);
    assert!(!t.irq());
    t.advance(20000);
    assert_eq!([(); 4].map(|_| t.load(DUE)), ['b' as u32, 'B' as u32, 'c' as u32, NONE]);
    assert_eq!(unsafe { bp_test_rises(t.0, b"probe\0".as_ptr().cast(), 0) }, 2);
}

fn tells_what_is_lost() {
    let t = Test::new(2);
    unsafe { bp_test_keep_log(b"guest_errors\0".as_ptr().cast()) };
    (0..3).for_each(|i| t.queue(i, 1));
    assert!(told(unsafe { bp_test_take_log() }).contains("an alarm is lost: there is room for 2"));
    assert_eq!(t.load(STATUS), 0x8000_0002);
    t.store(STATUS, 0);
    assert_eq!(t.load(STATUS), 2);
    unsafe { bp_test_reset(t.0, 1) };
    assert_eq!(t.load(STATUS), 0);
    t.advance(5000);
    assert!(!t.irq());
}

fn goes_on_elsewhere() {
    let (t, other) = (Test::new(16), Test::new(16));
    (0..10).for_each(|i| t.queue(i, i * 7 % 10 * 100));
    t.advance(350_000);
    unsafe { bp_test_round_trip(t.0) };
    unsafe { bp_test_copy(t.0, other.0) };
    for _ in 0..10 {
        t.advance(100_000);
        other.advance(100_000);
        assert_eq!(t.load(DUE), other.load(DUE));
        unsafe { bp_test_expect_same(t.0, other.0) };
    }
}

fn refuses() {
    let said = told(unsafe { bp_test_refusal(null(), machine(3).as_ptr()) });
    assert!(said.contains("capacity = 3: it is a power of two"), "{said}");
    let (large, small) = (Test::new(16), Test::new(4));
    (0..10).for_each(|i| large.queue(i, 1));
    let said = told(unsafe { bp_test_load_state(small.0, bp_test_save(large.0)) });
    assert!(said.contains("10 alarms in a queue for 4"), "{said}");
}

/// What fails panics; it is told already when that comes here, and must not go on into C.
macro_rules! case {
    ($f:ident) => {{
        extern "C" fn run() {
            if catch_unwind($f).is_err() {
                std::process::exit(1);
            }
        }
        TestCase { struct_size: std::mem::size_of::<TestCase>() as u32, name: concat!(stringify!($f), "\0").as_ptr().cast(), run }
    }};
}

fn main() {
    let cases = [case!(comes_in_order), case!(tells_what_is_lost), case!(goes_on_elsewhere), case!(refuses)];
    let mut tests: Vec<*const TestCase> = cases.iter().map(|c| c as *const _).collect();
    tests.push(null());
    let arguments: Vec<CString> = std::env::args().map(|a| CString::new(a).unwrap()).collect();
    let argv: Vec<*const c_char> = arguments.iter().map(|a| a.as_ptr()).chain([null()]).collect();
    std::process::exit(unsafe { bp_test_main(b"alarm-queue\0".as_ptr().cast(), tests.as_ptr(), arguments.len() as c_int, argv.as_ptr()) });
}
