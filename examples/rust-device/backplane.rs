/* backplane.rs -- Backplane's plugin ABI as far as a device needs it, and safe wrappers. */
/* SPDX-License-Identifier: MIT */
//! The first half is the C headers `plugin.h`, `object.h`, `property.h`, `memory.h`, `irq.h`, `state.h`, `clock.h` again, member by member.
//! The second is what a device in Rust is written against: the trait `Device`, `Type` that makes its tables, `Pin`, `Timer`, `Region`.
//!
//! A panic must not come to Backplane, which is written in C: each callback catches it.

use std::ffi::CString;
use std::os::raw::{c_char, c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::{null, null_mut};

// --- the C ABI -----------------------------------------------------------------------------------

pub mod ffi {
    use super::*;

    pub const ABI_MAJOR: u16 = 1;
    pub const ABI_MINOR: u16 = 0;
    pub const PLUGIN_MAGIC: u32 = 0x4e4c5042;
    pub const BUILD_LP64: u32 = 1 << 0;
    pub const BUILD_BIG_ENDIAN: u32 = 1 << 1;
    pub const KIND_DEVICE: c_int = 4;
    pub const PROPERTY_U32: c_int = 3;
    pub const STATE_U32: c_int = 2;
    pub const STATE_U64: c_int = 3;
    pub const STATE_BOOL: c_int = 4;
    pub const STATE_STRUCT: c_int = 6;
    pub const STATE_TIMER: c_int = 7;
    pub const PIN_OUT: c_int = 0;
    pub const CLOCK_VIRTUAL: c_int = 0;
    pub const ERROR_FAILED: c_int = 0;
    pub const LOG_GUEST_ERRORS: c_int = 1 << 8;

    #[repr(C)]
    pub struct PluginDesc {
        pub magic: u32,
        pub struct_size: u32,
        pub abi_major: u16,
        pub abi_minor: u16,
        pub build_flags: u32,
        pub id: *const c_char,
        pub version: *const c_char,
        pub licence: *const c_char,
        pub description: *const c_char,
        pub types: *const *const TypeDesc,
        pub requires_interfaces: *const *const c_char,
        pub load: Option<unsafe extern "C" fn(*mut *mut GError) -> bool>,
        pub unload: Option<unsafe extern "C" fn()>,
    }

    #[repr(C)]
    pub struct TypeDesc {
        pub struct_size: u32,
        pub property_size: u16,
        pub pin_size: u16,
        pub region_size: u16,
        pub state_size: u16,
        pub name: *const c_char,
        pub description: *const c_char,
        pub kind: c_int,
        pub instance_size: u32,
        pub parent: *const TypeDesc,
        pub properties: *const Property,
        pub pins: *const PinDesc,
        pub regions: *const RegionDesc,
        pub interfaces: *const c_void,
        pub state_version: u16,
        pub state_minimum: u16,
        pub state: *const StateField,
        pub configure: Option<unsafe extern "C" fn(*mut c_void, *mut *mut GError) -> bool>,
        pub realize: Option<unsafe extern "C" fn(*mut c_void, *mut *mut GError) -> bool>,
        pub reset: Option<unsafe extern "C" fn(*mut c_void, c_int)>,
        pub unrealize: Option<unsafe extern "C" fn(*mut c_void)>,
        pub post_load: Option<unsafe extern "C" fn(*mut c_void, *mut *mut GError) -> bool>,
        pub property_changed: Option<unsafe extern "C" fn(*mut c_void, *const c_char)>,
        pub flags: u32,
        pub removal: Option<unsafe extern "C" fn(*mut c_void, *mut *mut GError) -> c_int>,
    }

    #[repr(C)]
    pub struct Property {
        pub name: *const c_char,
        pub kind: c_int,
        pub offset: u32,
        pub flags: u32,
        pub default_int: u64,
        pub default_text: *const c_char,
        pub min: u64,
        pub max: u64,
        pub names: *const *const c_char,
        pub interface_id: *const c_char,
        pub help: *const c_char,
    }

    #[repr(C)]
    pub struct PinDesc {
        pub name: *const c_char,
        pub direction: c_int,
        pub count: u32,
        pub offset: u32,
        pub flags: u32,
        pub set: Option<unsafe extern "C" fn(*mut c_void, u32, c_int)>,
        pub help: *const c_char,
    }

    #[repr(C)]
    pub struct RegionOps {
        pub struct_size: u32,
        pub flags: u32,
        pub read: Option<unsafe extern "C" fn(*mut c_void, u64, u32) -> u64>,
        pub write: Option<unsafe extern "C" fn(*mut c_void, u64, u64, u32)>,
        pub access_min: u8,
        pub access_max: u8,
        pub impl_min: u8,
        pub impl_max: u8,
        pub endian: u8,
    }

    #[repr(C)]
    pub struct RegionDesc {
        pub name: *const c_char,
        pub offset: u32,
        pub ops: *const RegionOps,
        pub size: u64,
        pub flags: u32,
        pub help: *const c_char,
    }

    #[repr(C)]
    pub struct StateField {
        pub name: *const c_char,
        pub kind: c_int,
        pub offset: u32,
        pub count: u32,
        pub size: u32,
        pub since: u16,
        pub flags: u16,
        pub fields: *const StateField,
        pub needed: Option<unsafe extern "C" fn(*const c_void) -> bool>,
    }

    pub enum GError {}
    pub enum BpPin {}
    pub enum BpRegion {}
    pub enum BpTimer {}
    pub enum BpMachine {}

    extern "C" {
        pub fn bp_error_quark() -> u32;
        pub fn g_set_error_literal(error: *mut *mut GError, domain: u32, code: c_int, message: *const c_char);
        pub fn bp_warn(this: *const c_void, format: *const c_char, ...);
        pub fn bp_log_object(this: *const c_void, topic: c_int, format: *const c_char, ...);
        pub static bp_log_mask: u32;
        pub fn bp_object_machine(this: *const c_void) -> *mut BpMachine;
        pub fn bp_clock_now(machine: *mut BpMachine, clock: c_int) -> i64;
        pub fn bp_pin_set(pin: *mut BpPin, level: c_int);
        pub fn bp_timer_new(this: *mut c_void, clock: c_int, fire: unsafe extern "C" fn(*mut c_void), user: *mut c_void) -> *mut BpTimer;
        pub fn bp_timer_free(timer: *mut BpTimer);
        pub fn bp_timer_arm(timer: *mut BpTimer, at: i64);
        pub fn bp_timer_cancel(timer: *mut BpTimer);
        pub fn bp_timer_is_armed(timer: *const BpTimer) -> bool;
    }

    // What the headers' structs take on a 64-bit host: a member that was forgotten above does not compile.
    #[cfg(target_pointer_width = "64")]
    const _: () = {
        use std::mem::size_of;
        assert!(size_of::<PluginDesc>() == 80 && size_of::<TypeDesc>() == 160 && size_of::<Property>() == 80 && size_of::<PinDesc>() == 40);
        assert!(size_of::<RegionOps>() == 32 && size_of::<RegionDesc>() == 48 && size_of::<StateField>() == 48);
    };
}

// --- a device -------------------------------------------------------------------------------------

/// What a device does.  The state struct that implements it must be `#[repr(C)]`, valid when it is all zeros, and own nothing: the host allocates it, finds
/// its members by the tables, and runs no destructor.  Callbacks get `&self`, for they may be entered again (a pin that is set may lead to a read of
/// this very device): what changes, or what the host changes when it loads a state, is in a `Cell`.
///
/// Callbacks come on any thread, one at a time: the machine lock keeps the others out.  So nothing here need be `Sync`, but what the state leads to must be
/// `Send`: no `Rc` that somebody else has too, nothing that belongs to one thread.
///
/// # Safety
/// All of the above.
pub unsafe trait Device: Sized {
    fn configure(&self) -> Result<(), String> {
        Ok(())
    }
    fn realize(&self) -> Result<(), String> {
        Ok(())
    }
    fn reset(&self) {}
    fn unrealize(&self) {}
    /// The saved fields were loaded; a file may hold anything.
    fn post_load(&self) -> Result<(), String> {
        Ok(())
    }
    fn read(&self, offset: u64, size: u32) -> u64;
    fn write(&self, offset: u64, value: u64, size: u32);
    /// The timer.
    fn fire(&self) {}

    /// Virtual time, in ns.
    fn now(&self) -> i64 {
        unsafe { ffi::bp_clock_now(ffi::bp_object_machine(address(self)), ffi::CLOCK_VIRTUAL) }
    }
    /// The guest broke a rule: a line for `-d guest_errors`.
    fn log_guest(&self, text: &str) {
        unsafe {
            if std::ptr::addr_of!(ffi::bp_log_mask).read_volatile() & ffi::LOG_GUEST_ERRORS as u32 != 0 {
                ffi::bp_log_object(address(self), ffi::LOG_GUEST_ERRORS, PERCENT_S.as_ptr().cast(), c_text(text).as_ptr());
            }
        }
    }
}

const PERCENT_S: &[u8] = b"%s\0";

fn address<D>(device: &D) -> *const c_void {
    (device as *const D).cast()
}

fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

/// An output pin; the host puts it there.
#[repr(transparent)]
pub struct Pin(*mut ffi::BpPin);

impl Pin {
    pub fn set(&self, level: bool) {
        unsafe { ffi::bp_pin_set(self.0, level.into()) }
    }
}

/// A region's place in the state; the host puts it there.
#[repr(transparent)]
pub struct Region(*mut ffi::BpRegion);

/// A timer, none at first.
#[repr(transparent)]
pub struct Timer(std::cell::Cell<*mut ffi::BpTimer>);

impl Timer {
    /// In `realize`: makes it, for `device.fire ()`.
    pub fn make<D: Device>(&self, device: &D) {
        self.free();
        let this = address(device) as *mut c_void;
        self.0.set(unsafe { ffi::bp_timer_new(this, ffi::CLOCK_VIRTUAL, fire::<D>, this) });
    }
    /// From `realize` on.
    pub fn arm(&self, at: i64) {
        assert!(!self.0.get().is_null(), "the timer has not been made");
        unsafe { ffi::bp_timer_arm(self.0.get(), at) }
    }
    pub fn cancel(&self) {
        if !self.0.get().is_null() {
            unsafe { ffi::bp_timer_cancel(self.0.get()) }
        }
    }
    pub fn is_armed(&self) -> bool {
        !self.0.get().is_null() && unsafe { ffi::bp_timer_is_armed(self.0.get()) }
    }
    /// In `unrealize`, which also comes when `realize` was never called.
    pub fn free(&self) {
        self.cancel();
        unsafe { ffi::bp_timer_free(self.0.replace(null_mut())) }
    }
}

// --- callbacks: from C, with panics kept in ----------------------------------------------------------

fn panic_text(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string()).or_else(|| panic.downcast_ref::<String>().cloned());
    // What was thrown may panic when it is dropped; what that throws stays.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    format!("panicked: {}", text.unwrap_or_default())
}

unsafe fn caught<D: Device, R: Default>(this: *mut c_void, f: impl FnOnce(&D) -> R) -> R {
    let device = &*(this as *const D);
    catch_unwind(AssertUnwindSafe(|| f(device))).unwrap_or_else(|panic| {
        ffi::bp_warn(this, PERCENT_S.as_ptr().cast(), c_text(&panic_text(panic)).as_ptr());
        R::default()
    })
}

unsafe fn fallible<D: Device>(this: *mut c_void, error: *mut *mut ffi::GError, f: impl FnOnce(&D) -> Result<(), String>) -> bool {
    let device = &*(this as *const D);
    let result = catch_unwind(AssertUnwindSafe(|| f(device))).unwrap_or_else(|panic| Err(panic_text(panic)));
    if let Err(text) = &result {
        ffi::g_set_error_literal(error, ffi::bp_error_quark(), ffi::ERROR_FAILED, c_text(text).as_ptr());
    }
    result.is_ok()
}

unsafe extern "C" fn configure<D: Device>(this: *mut c_void, error: *mut *mut ffi::GError) -> bool {
    fallible(this, error, D::configure)
}
unsafe extern "C" fn realize<D: Device>(this: *mut c_void, error: *mut *mut ffi::GError) -> bool {
    fallible(this, error, D::realize)
}
unsafe extern "C" fn post_load<D: Device>(this: *mut c_void, error: *mut *mut ffi::GError) -> bool {
    fallible(this, error, D::post_load)
}
unsafe extern "C" fn reset<D: Device>(this: *mut c_void, _kind: c_int) {
    caught(this, D::reset)
}
unsafe extern "C" fn unrealize<D: Device>(this: *mut c_void) {
    caught(this, D::unrealize)
}
unsafe extern "C" fn fire<D: Device>(this: *mut c_void) {
    caught(this, D::fire)
}
unsafe extern "C" fn read<D: Device>(this: *mut c_void, offset: u64, size: u32) -> u64 {
    caught(this, |d: &D| d.read(offset, size))
}
unsafe extern "C" fn write<D: Device>(this: *mut c_void, offset: u64, value: u64, size: u32) {
    caught(this, |d: &D| d.write(offset, value, size))
}

// --- tables -------------------------------------------------------------------------------------------

/// Where a member is in a `#[repr(C)]` struct, and how large it is.
#[macro_export]
macro_rules! member {
    ($T:ty, $($field:tt).+) => {{
        let whole = std::mem::MaybeUninit::<$T>::uninit();
        let base = whole.as_ptr();
        let part = unsafe { std::ptr::addr_of!((*base).$($field).+) };
        $crate::backplane::Member { offset: (part as usize - base as usize) as u32, size: $crate::backplane::size_behind(part) }
    }};
}

pub struct Member {
    pub offset: u32,
    pub size: u32,
}

pub fn size_behind<T>(_: *const T) -> u32 {
    std::mem::size_of::<T>() as u32
}

/// Tables live as long as the process: the host keeps pointers to them.
fn text(s: &str) -> *const c_char {
    c_text(s).into_raw()
}

fn table<T>(mut rows: Vec<T>) -> *const T {
    // All zeros ends each of them; the rows' types are pointers, numbers and optional functions.
    rows.push(unsafe { std::mem::zeroed() });
    Box::leak(rows.into_boxed_slice()).as_ptr()
}

/// A row of saved state.
pub fn state(name: &str, kind: c_int, member: Member) -> ffi::StateField {
    ffi::StateField { name: text(name), kind, offset: member.offset, count: 1, size: member.size, since: 1, flags: 0, fields: null(), needed: None }
}

/// An array of `count` structs in saved state.
pub fn state_structs(name: &str, member: Member, count: u32, fields: Vec<ffi::StateField>) -> ffi::StateField {
    let size = member.size / count;
    ffi::StateField { count, size, fields: table(fields), ..state(name, ffi::STATE_STRUCT, member) }
}

/// A device's type, in the making.
pub struct Type<D> {
    desc: ffi::TypeDesc,
    properties: Vec<ffi::Property>,
    pins: Vec<ffi::PinDesc>,
    regions: Vec<ffi::RegionDesc>,
    device: std::marker::PhantomData<D>,
}

impl<D: Device> Type<D> {
    /// What of the promises of `Device` can be checked when it compiles.
    const KEPT: () = {
        assert!(!std::mem::needs_drop::<D>(), "no destructor is run for an instance: what needs one is behind a raw pointer");
        assert!(std::mem::align_of::<D>() <= 64, "the host aligns instances to 64 bytes");
    };

    pub fn new(name: &str, description: &str) -> Self {
        use std::mem::size_of;
        let () = Self::KEPT;
        let desc = ffi::TypeDesc {
            struct_size: size_of::<ffi::TypeDesc>() as u32,
            property_size: size_of::<ffi::Property>() as u16,
            pin_size: size_of::<ffi::PinDesc>() as u16,
            region_size: size_of::<ffi::RegionDesc>() as u16,
            state_size: size_of::<ffi::StateField>() as u16,
            name: text(name),
            description: text(description),
            kind: ffi::KIND_DEVICE,
            instance_size: size_of::<D>() as u32,
            parent: null(),
            properties: null(),
            pins: null(),
            regions: null(),
            interfaces: null(),
            state_version: 1,
            state_minimum: 1,
            state: null(),
            configure: Some(configure::<D>),
            realize: Some(realize::<D>),
            reset: Some(reset::<D>),
            unrealize: Some(unrealize::<D>),
            post_load: Some(post_load::<D>),
            property_changed: None,
            flags: 0,
            removal: None,
        };
        Type { desc, properties: vec![], pins: vec![], regions: vec![], device: std::marker::PhantomData }
    }

    pub fn property_u32(mut self, name: &str, member: Member, default: u32, range: std::ops::RangeInclusive<u32>, help: &str) -> Self {
        self.properties.push(ffi::Property {
            name: text(name),
            kind: ffi::PROPERTY_U32,
            offset: member.offset,
            flags: 0,
            default_int: default.into(),
            default_text: null(),
            min: (*range.start()).into(),
            max: (*range.end()).into(),
            names: null(),
            interface_id: null(),
            help: text(help),
        });
        self
    }

    pub fn pin_out(mut self, name: &str, member: Member, help: &str) -> Self {
        let help = text(help);
        self.pins.push(ffi::PinDesc { name: text(name), direction: ffi::PIN_OUT, count: 1, offset: member.offset, flags: 0, set: None, help });
        self
    }

    /// Registers of 32 bits; the dispatcher splits and widens other accesses.
    pub fn region32(mut self, name: &str, member: Member, bytes: u64, help: &str) -> Self {
        let ops = Box::leak(Box::new(ffi::RegionOps {
            struct_size: std::mem::size_of::<ffi::RegionOps>() as u32,
            flags: 0,
            read: Some(read::<D>),
            write: Some(write::<D>),
            access_min: 0,
            access_max: 0,
            impl_min: 4,
            impl_max: 4,
            endian: 0,
        }));
        self.regions.push(ffi::RegionDesc { name: text(name), offset: member.offset, ops, size: bytes, flags: 0, help: text(help) });
        self
    }

    pub fn state(mut self, fields: Vec<ffi::StateField>) -> Self {
        self.desc.state = table(fields);
        self
    }

    pub fn finish(mut self) -> *const ffi::TypeDesc {
        self.desc.properties = table(self.properties);
        self.desc.pins = table(self.pins);
        self.desc.regions = table(self.regions);
        Box::leak(Box::new(self.desc))
    }
}

/// For `bp_plugin_query`.
pub fn plugin(id: &str, version: &str, licence: &str, description: &str, types: Vec<*const ffi::TypeDesc>) -> *const ffi::PluginDesc {
    let lp64 = if cfg!(target_pointer_width = "64") { ffi::BUILD_LP64 } else { 0 };
    let big_endian = if cfg!(target_endian = "big") { ffi::BUILD_BIG_ENDIAN } else { 0 };
    Box::leak(Box::new(ffi::PluginDesc {
        magic: ffi::PLUGIN_MAGIC,
        struct_size: std::mem::size_of::<ffi::PluginDesc>() as u32,
        abi_major: ffi::ABI_MAJOR,
        abi_minor: ffi::ABI_MINOR,
        build_flags: lp64 | big_endian,
        id: text(id),
        version: text(version),
        licence: text(licence),
        description: text(description),
        types: table(types),
        requires_interfaces: null(),
        load: None,
        unload: None,
    }))
}
