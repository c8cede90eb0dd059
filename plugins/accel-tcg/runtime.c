/* runtime.c -- the services of frontend.h's BpTcgOps.  Built with -mgeneral-regs-only: FP_SAFE helpers call them. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include "instr.h"

static void ops_raise (void *env) __attribute__ ((noreturn));
static void ops_leave (void *env) __attribute__ ((noreturn));
static void ops_raise (void *env) { tcg_raise (env); }
static void ops_leave (void *env) { tcg_leave_loop (env); }
static void ops_leave_soon (void *env) { tcg_leave_soon (env); }
static void ops_restore (void *env) { tcg_restore (env); }

static uint64_t
ops_load (void *env, uint64_t address, BpMemOp memop)
{
  TcgVcpu *v = env;
  unsigned size = BP_MO_BYTES (memop);
  TlbEntry *e = tlb_entry (v, address, BP_MO_MMU_INDEX (memop));
  if (((address + size - 1) & TLB_PAGE_MASK) == e->load && (address & TLB_PAGE_MASK) == e->load
      && !(memop & (BP_MO_ALIGN | BP_MO_BE | BP_MO_SIGN)))
    return host_load ((const void *) (uintptr_t) (address + e->addend), size);
  return tcg_slow_load (env, address, memop);
}

static void
ops_store (void *env, uint64_t address, uint64_t value, BpMemOp memop)
{
  TcgVcpu *v = env;
  unsigned size = BP_MO_BYTES (memop);
  TlbEntry *e = tlb_entry (v, address, BP_MO_MMU_INDEX (memop));
  uint64_t tag = tlb_store_tag (e);
  if (((address + size - 1) & TLB_PAGE_MASK) != tag || (address & TLB_PAGE_MASK) != tag || memop & (BP_MO_ALIGN | BP_MO_BE)) {
    tcg_slow_store (env, address, value, memop);
    return;
  }
  host_store ((void *) (uintptr_t) (address + e->addend), value, size);
}

/* --- physical memory and ports ----------------------------------------------------------- */

static uint64_t
ops_load_physical (void *env, uint64_t physical, unsigned size)
{
  TcgVcpu *v = env;
  const void *at = phys_host (phys_range (v, physical), physical);
  if (G_LIKELY (at && !(physical & (size - 1))))
    return host_load (at, size);
  fp_leave (v);
  return bp_as_load (tcg_softmmu (v)->memory, physical, size);
}

static void
ops_store_physical (void *env, uint64_t physical, uint64_t value, unsigned size)
{
  TcgVcpu *v = env;
  fp_leave (v);
  bp_as_store (tcg_softmmu (v)->memory, physical, value, size);
}

static bool
ops_cmpxchg_physical (void *env, uint64_t physical, uint64_t expected, uint64_t desired, unsigned size)
{
  TcgVcpu *v = env;
  const PhysRange *p = phys_range (v, physical);
  if (p->host && !p->readonly && !(physical & (size - 1))) {
    void *at = phys_host (p, physical);
    uint64_t ram_address = phys_ram_address (p, physical);
    bool done;
    if (size == 4) {
      uint32_t was = (uint32_t) expected;
      done = __atomic_compare_exchange_n ((uint32_t *) at, &was, (uint32_t) desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    } else
      done = __atomic_compare_exchange_n ((uint64_t *) at, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (done) {
      fp_leave (v);
      if (!bp_dirty_test_all (ram_address))
        bp_dirty_mark (ram_address, size);
    }
    return done;
  }
  if (ops_load_physical (env, physical, size) != expected)
    return false;
  ops_store_physical (env, physical, desired, size);
  return true;
}

static uint32_t
ops_io_read (void *env, uint16_t port, unsigned size)
{
  TcgVcpu *v = env;
  fp_leave (v);
  uint32_t value = (uint32_t) bp_as_load (tcg_softmmu (v)->io, port, size);
  tcg_after_device (v);
  return value;
}

static void
ops_io_write (void *env, uint16_t port, uint32_t value, unsigned size)
{
  TcgVcpu *v = env;
  fp_leave (v);
  bp_as_store (tcg_softmmu (v)->io, port, value, size);
  tcg_after_device (v);
}

/* --- TLB, clocks ----------------------------------------------------------------------------- */

/* Instruments' records are of the translations that are about to go. */
static inline void
before_flush (TcgVcpu *v)
{
  if (G_UNLIKELY (v->instr != NULL))
    instr_translations_change (v);
}

static void
ops_tlb_flush (void *env, bool global_too)
{
  before_flush (env);
  if (global_too)
    tlb_flush_all (env);
  else
    space_flush_current (env);
}

static void
ops_tlb_flush_page (void *env, uint64_t address)
{
  before_flush (env);
  tlb_flush_page (env, address);
}

static void
ops_tlb_switch_space (void *env, uint64_t root, uint64_t asid, bool keep)
{
  TcgVcpu *v = env;
  before_flush (v);
  if (G_UNLIKELY (v->instr != NULL))
    instr_space (v, root);
  space_switch (env, root, asid, keep);
}

static void ops_tlb_switch (void *env, uint64_t id) { ops_tlb_switch_space (env, id, 0, false); }

static void
ops_tlb_flush_space (void *env, uint64_t asid)
{
  before_flush (env);
  space_flush (env, asid);
}

static void
ops_tlb_flush_page_in (void *env, uint64_t asid, uint64_t address)
{
  before_flush (env);
  space_flush_page (env, asid, address);
}

static void
ops_tlb_flush_keys (void *env, uint32_t keys)
{
  before_flush (env);
  tlb_flush_keys (env, keys);
}

static void
ops_marker (void *env, uint64_t number)
{
  TcgVcpu *v = env;
  if (v->instr)
    instr_marker (v, number);
}

static void ops_fp_store (void *env) { fp_leave (env); }

static uint64_t
ops_instructions (void *env)
{
  fp_leave (env);
  return icount_now (env);
}

static int64_t
ops_virtual_time (void *env)
{
  TcgVcpu *v = env;
  fp_leave (v);
  return bp_clock_now (((TcgMachine *) v->machine)->machine, BP_CLOCK_VIRTUAL);
}

/* --- with instruments --------------------------------------------------------------------------- */

static uint64_t
told_load (void *env, uint64_t address, BpMemOp memop)
{
  uint64_t value = ops_load (env, address, memop);
  instr_accessed (env, address, value, BP_MO_BYTES (memop), false, BP_MO_MMU_INDEX (memop));
  return value;
}

static void
told_store (void *env, uint64_t address, uint64_t value, BpMemOp memop)
{
  ops_store (env, address, value, memop);
  instr_accessed (env, address, value, BP_MO_BYTES (memop), true, BP_MO_MMU_INDEX (memop));
}

static void
told_accessed (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu)
{
  softmmu_accessed (env, address, size, access, mmu);
  instr_accessed (env, address, 0, size, access == BP_MMU_STORE, mmu);
}

#define OPS(load_, store_, accessed_) { \
  .struct_size = sizeof (BpTcgOps), \
  .fetch = translate_fetch, \
  .raise = ops_raise, \
  .leave = ops_leave, \
  .leave_soon = ops_leave_soon, \
  .restore = ops_restore, \
  .load = load_, \
  .store = store_, \
  .probe = softmmu_probe, \
  .load_physical = ops_load_physical, \
  .store_physical = ops_store_physical, \
  .io_read = ops_io_read, \
  .io_write = ops_io_write, \
  .cmpxchg_physical = ops_cmpxchg_physical, \
  .tlb_flush = ops_tlb_flush, \
  .tlb_flush_page = ops_tlb_flush_page, \
  .tlb_switch = ops_tlb_switch, \
  .fp_store = ops_fp_store, \
  .instructions = ops_instructions, \
  .virtual_time = ops_virtual_time, \
  .tlb_switch_space = ops_tlb_switch_space, \
  .tlb_flush_space = ops_tlb_flush_space, \
  .tlb_flush_page_in = ops_tlb_flush_page_in, \
  .tlb_flush_keys = ops_tlb_flush_keys, \
  .marker = ops_marker, \
  .accessed = accessed_, \
}

const BpTcgOps tcg_ops = OPS (ops_load, ops_store, softmmu_accessed);
const BpTcgOps tcg_ops_told = OPS (told_load, told_store, told_accessed);
