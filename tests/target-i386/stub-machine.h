/* stub-machine.h -- a CPU over flat memory without translator or core: what the tests of the runtime's system half stand on. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TARGET_I386_STUB_MACHINE_H
#define TESTS_TARGET_I386_STUB_MACHINE_H

#include <backplane/clock.h>
#include <backplane/iface/accel.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include <check.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include "target-i386/cpu.h"
#include "target-i386/runtime/common.h"
#include "target-i386/runtime/helpers.h"
#include "../suite.h"

#define RAM_SIZE (4u << 20)
#define INSN_EIP 0x100u         /* eip of the instruction under test */

typedef struct Stub {
  sigjmp_buf leave;
  bool in_insn, raised, left;
  unsigned flushes_all, flushes, switches, page_flushes, leave_soons, resets, shutdowns;
  uint64_t root, asid, flushed_asid, flushed_page;
  uint32_t flushed_keys;
  bool kept;
  uint32_t pending, withdrawn;  /* withdrawn: goes from pending while the machine's lock is waited for */
  unsigned index;               /* of the vCPU */
  int64_t time;
  int vector;                   /* what the controller answers */
  int pin_level, pin_edges;
  uint16_t port;
  uint32_t port_value;
  uint8_t ram[RAM_SIZE];
} Stub;

static Stub stub;
static X86Cpu *env;

/* --- memory ------------------------------------------------------------------------------ */

static inline uint64_t
peek (uint64_t physical, unsigned size)
{
  uint64_t value = 0;
  if (physical + size > RAM_SIZE)
    return ~(uint64_t) 0;
  memcpy (&value, stub.ram + physical, size);
  return value;
}

static inline void
poke (uint64_t physical, uint64_t value, unsigned size)
{
  if (physical + size <= RAM_SIZE)
    memcpy (stub.ram + physical, &value, size);
}

static inline uint32_t peek16 (uint64_t p) { return (uint32_t) peek (p, 2); }
static inline uint32_t peek32 (uint64_t p) { return (uint32_t) peek (p, 4); }
static inline void poke16 (uint64_t p, uint32_t v) { poke (p, v, 2); }
static inline void poke32 (uint64_t p, uint32_t v) { poke (p, v, 4); }

/* --- the accelerator's services -------------------------------------------------------------- */

static void __attribute__ ((noreturn))
stub_leave (void *cpu)
{
  stub.left = true;
  siglongjmp (stub.leave, 1);
}

static void
stub_restore (void *cpu)
{
  if (stub.in_insn)
    env->eip = INSN_EIP;
}

static void __attribute__ ((noreturn))
stub_raise (void *cpu)
{
  stub_restore (cpu);
  stub.raised = true;
  siglongjmp (stub.leave, 1);
}

static uint64_t
translate (uint64_t linear, BpMmuAccess access, unsigned mmu)
{
  BpTlbFill fill = { 0 };
  if (!x86_tlb_fill (env, linear, access, mmu, false, &fill))
    stub_raise (env);
  return fill.physical | (linear & 0xfff);
}

static uint64_t
address_of (uint64_t address, unsigned i, BpMemOp mo)
{
  return mo & BP_MO_ADDR64 ? address + i : (uint32_t) (address + i);
}

static uint64_t
stub_load (void *cpu, uint64_t address, BpMemOp mo)
{
  uint64_t value = 0;
  for (unsigned i = 0; i < BP_MO_BYTES (mo); i++)
    value |= peek (translate (address_of (address, i, mo), BP_MMU_LOAD, BP_MO_MMU_INDEX (mo)), 1) << 8 * i;
  return value;
}

static void
stub_store (void *cpu, uint64_t address, uint64_t value, BpMemOp mo)
{
  for (unsigned i = 0; i < BP_MO_BYTES (mo); i++)
    translate (address_of (address, i, mo), BP_MMU_STORE, BP_MO_MMU_INDEX (mo));
  for (unsigned i = 0; i < BP_MO_BYTES (mo); i++)
    poke (translate (address_of (address, i, mo), BP_MMU_STORE, BP_MO_MMU_INDEX (mo)), value >> 8 * i, 1);
}

static void *
stub_probe (void *cpu, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu)
{
  uint64_t physical = translate (address, access, mmu);
  return physical + size <= RAM_SIZE ? stub.ram + physical : NULL;
}

static uint64_t stub_load_physical (void *cpu, uint64_t p, unsigned size) { return peek (p, size); }
static void stub_store_physical (void *cpu, uint64_t p, uint64_t v, unsigned size) { poke (p, v, size); }

static bool
stub_cmpxchg (void *cpu, uint64_t p, uint64_t expected, uint64_t desired, unsigned size)
{
  if (peek (p, size) != expected)
    return false;
  poke (p, desired, size);
  return true;
}

static uint32_t
stub_io_read (void *cpu, uint16_t port, unsigned size)
{
  stub.port = port;
  return stub.port_value;
}

static void
stub_io_write (void *cpu, uint16_t port, uint32_t value, unsigned size)
{
  stub.port = port;
  stub.port_value = value;
}

static void stub_flush (void *cpu, bool global_too) { *(global_too ? &stub.flushes_all : &stub.flushes) += 1; }
static void
stub_flush_page (void *cpu, uint64_t address)
{
  stub.page_flushes++;
  stub.flushed_page = address;
}
static void
stub_switch (void *cpu, uint64_t root, uint64_t asid, bool keep)
{
  stub.switches++;
  stub.root = root;
  stub.asid = asid;
  stub.kept = keep;
}
static void
stub_flush_space (void *cpu, uint64_t asid)
{
  stub.flushes++;
  stub.flushed_asid = asid;
}
static void
stub_flush_page_in (void *cpu, uint64_t asid, uint64_t address)
{
  stub.page_flushes++;
  stub.flushed_asid = asid;
  stub.flushed_page = address;
}
static void stub_flush_keys (void *cpu, uint32_t keys) { stub.flushed_keys |= keys; }
static void stub_leave_soon (void *cpu) { stub.leave_soons++; }
static void stub_fp_store (void *cpu) { }
static uint64_t stub_instructions (void *cpu) { return 0; }
static int64_t stub_time (void *cpu) { return stub.time; }

static const BpTcgOps stub_ops = {
  .struct_size = sizeof (BpTcgOps), .raise = stub_raise, .leave = stub_leave, .leave_soon = stub_leave_soon, .restore = stub_restore,
  .load = stub_load, .store = stub_store, .probe = stub_probe, .load_physical = stub_load_physical, .store_physical = stub_store_physical,
  .io_read = stub_io_read, .io_write = stub_io_write, .cmpxchg_physical = stub_cmpxchg, .tlb_flush = stub_flush,
  .tlb_flush_page = stub_flush_page, .tlb_switch_space = stub_switch, .tlb_flush_space = stub_flush_space,
  .tlb_flush_page_in = stub_flush_page_in, .tlb_flush_keys = stub_flush_keys, .fp_store = stub_fp_store, .instructions = stub_instructions,
  .virtual_time = stub_time
};

/* --- the core ------------------------------------------------------------------------------------ */

uint32_t bp_log_mask;
void bp_log_write (BpLogTopic topic, const char *format, ...) { }
void bp_log_object (const void *self, BpLogTopic topic, const char *format, ...) { }
GQuark bp_error_quark (void) { return g_quark_from_static_string ("test"); }
BpMachine *bp_object_machine (const void *self) { return NULL; }
void bp_machine_lock (BpMachine *machine) { stub.pending &= ~stub.withdrawn; }
void bp_machine_unlock (BpMachine *machine) { }
void bp_machine_request_reset (BpMachine *machine, const char *reason) { stub.resets++; }
int64_t bp_clock_now (BpMachine *machine, BpClock clock) { return stub.time; }
bool bp_machine_catch_up (BpMachine *machine, int64_t now) { return false; }
void bp_machine_request_shutdown (BpMachine *machine, int exit_code, const char *reason) { stub.shutdowns++; }
BpAddressSpace *bp_machine_address_space (BpMachine *machine, const char *name) { return NULL; }
void *bp_machine_next (BpMachine *machine, const char *interface, unsigned *cursor) { return NULL; }
BpVcpu *bp_vcpu_of (const void *cpu) { return NULL; }
unsigned bp_vcpu_index (const BpVcpu *vcpu) { return stub.index; }
void bp_vcpu_raise (BpVcpu *vcpu, uint32_t bits) { stub.pending |= bits; }
uint32_t bp_vcpu_pending (const BpVcpu *vcpu) { return stub.pending; }
void bp_vcpu_lower (BpVcpu *vcpu, uint32_t bits) { stub.pending &= ~bits; }
bool bp_vcpu_is_current (const BpVcpu *vcpu) { return true; }
void bp_vcpu_run_on (BpVcpu *vcpu, void (*f) (void *cpu, void *user), void *user, bool wait) { }
void
bp_pin_set (BpPin *pin, int level)
{
  stub.pin_edges += level && !stub.pin_level;
  stub.pin_level = level;
}

static int stub_acknowledge (void *self) { return stub.vector; }
static const BpInterruptControllerIface stub_intc = { .struct_size = sizeof (BpInterruptControllerIface), .acknowledge = stub_acknowledge };

/* --- running something ------------------------------------------------------------------------------- */

/* As an instruction at INSN_EIP; a fault stays recorded. */
#define ATTEMPT(...) do { \
    stub.raised = stub.left = false; \
    stub.in_insn = true; \
    env->eip = INSN_EIP; \
    if (!sigsetjmp (stub.leave, 0)) { __VA_ARGS__; } \
    stub.in_insn = false; \
  } while (0)

#define FAULTS(vector, error, ...) do { \
    ATTEMPT (__VA_ARGS__); \
    ck_assert_msg (stub.raised, "nothing raised"); \
    ck_assert_int_eq (env->exc_vector, (vector)); \
    ck_assert_uint_eq (env->exc_error, (error)); \
    ck_assert_uint_eq (env->eip, INSN_EIP); \
    env->exc_vector = env->exc_old = -1; \
  } while (0)

#define SUCCEEDS(...) do { \
    ATTEMPT (__VA_ARGS__); \
    ck_assert_msg (!stub.raised, "raised %d error %x", env->exc_vector, env->exc_error); \
  } while (0)

/* Delivers what is recorded, and what comes up meanwhile; returns how many attempts it took. */
static inline unsigned
deliver (void)
{
  volatile unsigned n = 0;
  stub.in_insn = false;
  while (env->exc_vector >= 0 && n < 5) {
    n++;
    if (!sigsetjmp (stub.leave, 0))
      x86_deliver (env);
  }
  return n;
}

static inline bool
take_interrupt (void)
{
  volatile bool taken = true;
  stub.in_insn = false;
  if (!sigsetjmp (stub.leave, 0))
    taken = x86_interrupt (env, stub.pending);
  deliver ();
  return taken;
}

/* Raised and then delivered, or delivered on the spot. */
#define DELIVERS(...) do { \
    ATTEMPT (__VA_ARGS__); \
    ck_assert_msg (stub.raised || env->eip != INSN_EIP, "nothing raised"); \
    deliver (); \
  } while (0)

/* --- set-up ------------------------------------------------------------------------------------------- */

enum { GDT = 0x1000, LDT = 0x1800, IDT = 0x2000, TSS = 0x3000, STACK0 = 0x8000, STACK3 = 0x9000 };
enum { CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x18 | 3, DATA3 = 0x20 | 3, TSS_SEL = 0x28, FREE = 0x30 /* and up: the test's own */ };

static inline void
set_descriptor (uint32_t table, unsigned selector, uint32_t base, uint32_t limit, uint32_t attributes)
{
  uint32_t at = table + (selector & 0xfff8);
  if (attributes & SEG_G)
    limit >>= 12;
  poke32 (at, (base & 0xffff) << 16 | (limit & 0xffff));
  poke32 (at + 4, (base & 0xff000000) | (base >> 16 & 0xff) | (limit & 0xf0000) | attributes << 8);
}

static inline void
set_gate (uint32_t at, unsigned selector, uint32_t offset, unsigned type, unsigned dpl, bool present, unsigned parameters)
{
  poke32 (at, selector << 16 | (offset & 0xffff));
  poke32 (at + 4, (offset & 0xffff0000) | (present ? 0x8000u : 0) | dpl << 13 | type << 8 | parameters);
}

static inline void
set_idt (unsigned vector, unsigned selector, uint32_t offset, unsigned type, unsigned dpl)
{
  set_gate (IDT + 8 * vector, selector, offset, type, dpl, true, 0);
}

static inline void
load_flat (unsigned seg, unsigned selector, uint32_t attributes)
{
  x86_set_segment (env, seg, (uint16_t) selector, 0, 0xffffffff, attributes);
}

/* Flat protected mode at privilege level cpl; a 32-bit TSS with its stack for level 0; every vector goes to 0x5000 + vector * 16. */
static inline void
enter_protected (unsigned cpl)
{
  unsigned dpl = cpl << SEG_DPL_SHIFT;
  set_descriptor (GDT, CODE0, 0, 0xffffffff, 0xc09b);
  set_descriptor (GDT, DATA0, 0, 0xffffffff, 0xc093);
  set_descriptor (GDT, CODE3, 0, 0xffffffff, 0xc0fb);
  set_descriptor (GDT, DATA3, 0, 0xffffffff, 0xc0f3);
  set_descriptor (GDT, TSS_SEL, TSS, 0x3ff, 0x8b);
  env->gdtr.base = GDT;
  env->gdtr.limit = 0x7ff;
  env->idtr.base = IDT;
  env->idtr.limit = 0x7ff;
  for (unsigned v = 0; v < 256; v++)
    set_idt (v, CODE0, 0x5000 + 16 * v, SYS_INT32, 0);
  poke32 (TSS + 4, STACK0);
  poke16 (TSS + 8, DATA0);
  poke16 (TSS + 102, 0x80);
  env->cr0 = CR0_PE | CR0_ET | CR0_NE;
  load_flat (X86_CS, cpl ? CODE3 : CODE0, 0xc09b | dpl);
  for (unsigned seg = X86_ES; seg <= X86_GS; seg++)
    if (seg != X86_CS)
      load_flat (seg, cpl ? DATA3 : DATA0, 0xc093 | dpl);
  x86_set_segment (env, BP_X86_TR, TSS_SEL, TSS, 0x3ff, 0x8b);
  x86_set_segment (env, BP_X86_LDTR, 0, 0, 0, 0);
  set_gpr (env, X86_RSP, cpl ? STACK3 : STACK0);
}

/* --- long mode ----------------------------------------------------------------------------------- */

enum { PML4 = 0x20000, PDPT4 = 0x21000, PD4 = 0x22000, RSP0 = 0x8000, IST1 = 0xa008, HANDLERS = 0x5000 };
enum { LONG_CODE0 = 0x08, LONG_DATA0 = 0x10, LONG_CODE3 = 0x18 | 3, LONG_DATA3 = 0x20 | 3, LONG_TSS = 0x28 /* and 30 */, LONG_CODE32 = 0x38 | 3,
       LONG_FREE = 0x40 };

static inline void
set_descriptor64 (unsigned selector, uint64_t base, uint32_t limit, uint32_t attributes)
{
  set_descriptor (GDT, selector, (uint32_t) base, limit, attributes);
  poke (GDT + (selector & 0xfff8) + 8, base >> 32, 8);
}

static inline void
set_gate64 (uint64_t at, unsigned selector, uint64_t offset, unsigned type, unsigned dpl, unsigned ist)
{
  set_gate ((uint32_t) at, selector, (uint32_t) offset, type, dpl, true, ist);
  poke (at + 8, offset >> 32, 8);
}

/* The first 4 MB are mapped as they are, open to all; the same once more at the top of the address space.  Every vector goes to
 * HANDLERS + vector * 16. */
static inline void
enter_long (unsigned cpl, bool code64)
{
  enter_protected (cpl);
  for (unsigned i = 0; i < 512; i += 511)
    poke (PML4 + 8 * i, PDPT4 | 7, 8);
  for (unsigned i = 0; i < 512; i += 511)
    poke (PDPT4 + 8 * i, PD4 | 7, 8);
  for (unsigned i = 0; i < 512; i++)
    poke (PD4 + 8 * i, (i % 2) * 0x200000 | 0x87, 8);
  set_descriptor (GDT, LONG_CODE0, 0, 0xffffffff, 0xa09b);
  set_descriptor (GDT, LONG_CODE3, 0, 0xffffffff, 0xa0fb);
  set_descriptor (GDT, LONG_CODE32, 0, 0xffffffff, 0xc0fb);
  set_descriptor64 (LONG_TSS, TSS, 0x3ff, 0x8b);
  env->idtr.limit = 0xfff;
  for (unsigned v = 0; v < 256; v++)
    set_gate64 (IDT + 16 * v, LONG_CODE0, HANDLERS + 16 * v, SYS_INT32, 0, 0);
  poke (TSS + 4, RSP0, 8);
  poke (TSS + 36, IST1, 8);
  env->cr0 |= CR0_PG;
  env->cr4 |= CR4_PAE;
  env->cr3 = PML4;
  env->efer = EFER_LME | EFER_LMA;
  unsigned dpl = cpl << SEG_DPL_SHIFT;
  x86_set_segment (env, X86_CS, code64 ? (cpl ? LONG_CODE3 : LONG_CODE0) : LONG_CODE32, 0, 0xffffffff, (code64 ? 0xa09b : 0xc09b) | dpl);
}

/* Virtual-8086 mode: CS 1000, SS 2000 (stack at 0x20ffe), IOPL as given. */
static inline void
enter_v86 (unsigned level)
{
  enter_protected (3);
  env->eflags = 2 | X86_FL_VM | level << 12 | X86_FL_IF;
  for (unsigned seg = X86_ES; seg <= X86_GS; seg++)
    x86_put_v86 (env, seg, 0x1000 + 0x1000 * (seg == X86_SS));
  x86_update_hflags (env);
  set_gpr (env, X86_RSP, 0x0ffe);
}

static inline void
setup (void)
{
  memset (&stub, 0, sizeof stub);
  if (!env)
    env = aligned_alloc (64, (sizeof (X86Cpu) + 63) & ~(size_t) 63);
  memset (env, 0, sizeof *env);
  env->tcg.ops = &stub_ops;
  env->intc.table = &stub_intc;
  env->a20_mask = 0xffffffff;
  env->physical_bits = 36;
  env->cr4_allowed = 0x7ff;
  env->cc_op = CC_EFLAGS;
  env->df = 1;
  env->eflags = 2;
  env->dr[6] = 0xffff0ff0;
  env->dr[7] = 0x400;
  env->exc_vector = env->exc_old = -1;
  env->feature[X86_FEATURE_CPUID] = env->feature[X86_FEATURE_SEP] = true;
  for (unsigned seg = X86_ES; seg <= X86_GS; seg++)
    x86_set_segment (env, seg, 0, 0, 0xffff, 0x93);
  env->idtr.limit = 0x3ff;
  set_gpr (env, X86_RSP, 0x8000);
}

#ifdef STUB_WITH_CPU
/* Physical memory as debuggers get at it. */
static BpFlatRange stub_range = { .struct_size = sizeof (BpFlatRange), .size = RAM_SIZE, .host = stub.ram };
const BpFlatRange *bp_as_lookup (BpAddressSpace *as, uint64_t address) { return address < RAM_SIZE ? &stub_range : NULL; }
void bp_as_leave (BpAddressSpace *as) { }

bool
bp_as_read (BpAddressSpace *as, uint64_t address, void *buffer, uint64_t size)
{
  bool there = address < RAM_SIZE && size <= RAM_SIZE - address;
  if (there)
    memcpy (buffer, stub.ram + address, size);
  return there;
}

bool
bp_as_write_rom (BpAddressSpace *as, uint64_t address, const void *buffer, uint64_t size)
{
  bool there = address < RAM_SIZE && size <= RAM_SIZE - address;
  if (there)
    memcpy (stub.ram + address, buffer, size);
  return there;
}
#endif

#ifndef STUB_WITH_CPU
void x86_dump (const void *cpu, char *out, size_t size) { out[0] = 0; }
void x86_reset_registers (X86Cpu *cpu, bool init) { cpu->eip = 0xfff0; }
#endif

static inline int
run_suite (const char *name, void (*const *tests) (TCase *), unsigned n)
{
  Suite *s = suite_create (name);
  TCase *tc = tcase_create ("all");
  tcase_add_checked_fixture (tc, setup, NULL);
  for (unsigned i = 0; i < n; i++)
    tests[i] (tc);
  suite_add_tcase (s, tc);
  return suite_run (s);
}

#endif
