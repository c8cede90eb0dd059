/* softmmu-access.c -- guest memory when the inline probe missed, and for helpers.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include "machine-tcg.h"

#define PAGE_OFFSET(a) ((a) & ~TLB_PAGE_MASK)

/* --- small pieces --------------------------------------------------------------------- */

static inline bool
crosses (uint64_t address, unsigned size)
{
  return PAGE_OFFSET (address) + size > 1u << TLB_PAGE_BITS;
}

static inline uint64_t
swap (uint64_t value, unsigned size)
{
  return size == 2 ? __builtin_bswap16 ((uint16_t) value) : size == 4 ? __builtin_bswap32 ((uint32_t) value)
         : size == 8 ? __builtin_bswap64 (value) : value;
}

static inline uint64_t
sign_extend (uint64_t value, unsigned size)
{
  unsigned shift = 64 - 8 * size;
  return (uint64_t) ((int64_t) (value << shift) >> shift);
}

/* Both ends of an access must be addresses, before anything else is wrong with it. */
static void __attribute__ ((noinline))
check_ends (TcgVcpu *v, uint64_t address, unsigned size, unsigned mmu)
{
  const BpTcgFrontend *f = v->frontend;
  if (!BP_TABLE_HAS (f, is_address))
    return;
  if (!f->is_address (address))
    tlb_fill (v, address, BP_MMU_LOAD, mmu);
  if (!f->is_address (address + size - 1))
    tlb_fill (v, address + size - 1, BP_MMU_LOAD, mmu);
}

static void
check_access (TcgVcpu *v, uint64_t address, BpMemOp memop)
{
  unsigned size = BP_MO_BYTES (memop);
  bool misaligned = memop & BP_MO_ALIGN && address & (size - 1);
  if (G_UNLIKELY (memop & BP_MO_TOP && address + size > (uint64_t) 1 << 32))
    tcg_host_fault (v, memop & BP_MO_STACK ? BP_HOST_FAULT_TOP_STACK : BP_HOST_FAULT_TOP);
  if (G_UNLIKELY (memop & BP_MO_ADDR64 && (misaligned || crosses (address, size))))
    check_ends (v, address, size, BP_MO_MMU_INDEX (memop));
  if (misaligned)
    tcg_host_fault (v, BP_HOST_FAULT_ALIGN);
}

/* --- devices ------------------------------------------------------------------------------ */

static uint64_t
device_read (TcgVcpu *v, uint64_t physical, unsigned size)
{
  fp_leave (v);
  uint64_t value = bp_as_load (tcg_softmmu (v)->memory, physical, size);
  tcg_after_device (v);
  return value;
}

static void
device_write (TcgVcpu *v, uint64_t physical, uint64_t value, unsigned size)
{
  fp_leave (v);
  bp_as_store (tcg_softmmu (v)->memory, physical, value, size);
  tcg_after_device (v);
}

/* --- stores to watched pages ------------------------------------------------------------------ */

/* The block that is running, NULL: none. */
static Tb *
storing_block (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  uintptr_t pc = v->ret_pc - 1;
  if (!v->ret_pc)
    return NULL;
  if (!x->writer || pc - (uintptr_t) x->writer->code >= x->writer->code_size)
    x->writer = tb_left (tb_at (v->machine, pc));
  return x->writer;
}

/* The page holds translated code, or somebody logs writes to it: afterwards [address, +size) may be written directly.  The translator's
 * lock is held from here to watched_store_end, the store in between: another vCPU that translates the page hears of the store before it
 * reads the bytes, or reads them when they are new.  The log is told before the write: who clears it in between asks for SOFTMMU_LOG. */
static void
watched_store_begin (TcgVcpu *v, TlbEntry *e, TlbFull *f, uint64_t address, unsigned size)
{
  TcgMachine *m = v->machine;
  uint64_t ram_address = f->ram_address + PAGE_OFFSET (address);
  fp_leave (v);
  Tb *current = storing_block (v);
  bool own = current && tb_is_on_page (current, ram_address);   /* even when another thread has just dropped the block */
  g_mutex_lock (&m->lock);
  if (own || code_page_has_code (m, ram_address) || !bp_dirty_test (BP_DIRTY_CODE, ram_address)) {      /* or a page that was only looked at */
    bool hit = tb_invalidate_range (m, ram_address, size, current);
    if (hit && current->n_insns > 1) {
      g_mutex_unlock (&m->lock);
      tcg_redo_alone (v);
    }
  }
  bp_dirty_set (BP_DIRTY_DISPLAY, ram_address, size);
  bp_dirty_set (BP_DIRTY_MIGRATION, ram_address, size);
  f->written = 1;
  if (own || !bp_dirty_test_all (ram_address))
    return;
  __atomic_fetch_and (&e->store, ~(uint64_t) TLB_WATCHED, __ATOMIC_SEQ_CST);
  if (!bp_dirty_test_all (ram_address))         /* somebody logs it now, and may have marked the entry before */
    __atomic_fetch_or (&e->store, TLB_WATCHED, __ATOMIC_SEQ_CST);
}

static void
watched_store_end (TcgVcpu *v)
{
  g_mutex_unlock (&((TcgMachine *) v->machine)->lock);
}

/* --- data breakpoints of the guest, and a debugger's -------------------------------------------------------------- */

/* The page is one that is watched.  The vCPU stops after an access that strikes when the block ends there: the instruction must be
 * alone in it. */
static void __attribute__ ((noinline))
watch (TcgVcpu *v, uint64_t address, unsigned size, BpMmuAccess access)
{
  Tb *tb = v->ret_pc ? tb_left (tb_at (v->machine, v->ret_pc - 1)) : NULL;
  bool alone = !tb || tb->n_insns == 1;
  if (G_UNLIKELY (v->machine->debug != NULL) && debug_watch (v, address, size, access, alone))
    tcg_redo_alone (v);
  if (BP_TABLE_HAS (v->frontend, watch) && v->frontend->watch (v, address, size, access, alone))
    tcg_redo_alone (v);
}

/* Before a part is done of what cannot be done again. */
static void
watch_pages (TcgVcpu *v, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu)
{
  uint64_t tags = tlb_tag (tlb_entry_for (v, address, access, mmu), access);
  if (crosses (address, size))
    tags |= tlb_tag (tlb_entry_for (v, tlb_wrap (v, (address | ~TLB_PAGE_MASK) + 1), access, mmu), access);     /* its fault is at the page's start */
  if (G_UNLIKELY (tags & TLB_BREAKPOINT))
    watch (v, address, size, access);
}

/* What reads and writes as one: the fault is a store's, a debugger may be waiting for either. */
static void
watch_atomic (TcgVcpu *v, uint64_t address, unsigned size, unsigned mmu)
{
  watch_pages (v, address, size, BP_MMU_STORE, mmu);
  if (G_UNLIKELY (v->machine->debug != NULL))
    watch_pages (v, address, size, BP_MMU_LOAD, mmu);
}

/* --- within one page ---------------------------------------------------------------------------- */

static uint64_t
load_in_page (TcgVcpu *v, uint64_t address, unsigned size, unsigned mmu)
{
  TlbEntry *e = tlb_entry_for (v, address, BP_MMU_LOAD, mmu);
  if (G_UNLIKELY (e->load & TLB_BREAKPOINT))
    watch (v, address, size, BP_MMU_LOAD);
  if (G_LIKELY (!(e->load & TLB_DEVICE)))
    return host_load ((uint8_t *) (uintptr_t) (address + e->addend), size);
  TlbFull *f = tlb_full (v, address, mmu);
  return device_read (v, f->physical + PAGE_OFFSET (address), size);
}

static void
store_in_page (TcgVcpu *v, uint64_t address, uint64_t value, unsigned size, unsigned mmu)
{
  TlbEntry *e = tlb_entry_for (v, address, BP_MMU_STORE, mmu);
  TlbFull *f = tlb_full (v, address, mmu);
  if (G_UNLIKELY (tlb_store_tag (e) & TLB_BREAKPOINT))
    watch (v, address, size, BP_MMU_STORE);
  if (G_UNLIKELY (tlb_store_tag (e) & TLB_DEVICE)) {
    device_write (v, f->physical + PAGE_OFFSET (address), value, size);
    return;
  }
  uint8_t *p = (uint8_t *) (uintptr_t) (address + e->addend);
  if (tlb_store_tag (e) & TLB_WATCHED) {
    if (host_load (p, size) == (size == 8 ? value : value & ((UINT64_C (1) << 8 * size) - 1)))
      return;                   /* nothing changes, code neither: programs that patch theirs write much that was there */
    watched_store_begin (v, e, f, address, size);
    host_store (p, value, size);
    watched_store_end (v);
    return;
  }
  host_store (p, value, size);
}

/* --- across two pages: both must be accessible before anything happens ------------------------------ */

static uint64_t
load_across (TcgVcpu *v, uint64_t address, unsigned size, unsigned mmu)
{
  unsigned first = (1u << TLB_PAGE_BITS) - (unsigned) PAGE_OFFSET (address);
  uint64_t second = tlb_wrap (v, address + first), value = 0;
  tlb_entry_for (v, address, BP_MMU_LOAD, mmu);
  tlb_entry_for (v, second, BP_MMU_LOAD, mmu);
  for (unsigned i = 0; i < size; i++)
    value |= load_in_page (v, i < first ? address + i : tlb_wrap (v, address + i), 1, mmu) << 8 * i;
  return value;
}

/* Faults, and code that has to be run again, come before the first byte is written. */
static void
prepare_store (TcgVcpu *v, uint64_t address, unsigned size, unsigned mmu)
{
  TlbEntry *e = tlb_entry_for (v, address, BP_MMU_STORE, mmu);
  if ((tlb_store_tag (e) & (TLB_WATCHED | TLB_DEVICE)) == TLB_WATCHED) {
    TlbFull *f = tlb_full (v, address, mmu);
    watched_store_begin (v, e, f, address, size);
    watched_store_end (v);
  }
}

static void
prepare_store_across (TcgVcpu *v, uint64_t address, unsigned size, unsigned mmu)
{
  unsigned first = (1u << TLB_PAGE_BITS) - (unsigned) PAGE_OFFSET (address);
  uint64_t second = tlb_wrap (v, address + first);
  watch_pages (v, address, size, BP_MMU_STORE, mmu);
  prepare_store (v, address, first, mmu);
  prepare_store (v, second, size - first, mmu);
}

static void
store_across (TcgVcpu *v, uint64_t address, uint64_t value, unsigned size, unsigned mmu)
{
  prepare_store_across (v, address, size, mmu);
  for (unsigned i = 0; i < size; i++)
    store_in_page (v, tlb_wrap (v, address + i), (value >> 8 * i) & 0xff, 1, mmu);
}

/* Where the range lies when it is plain RAM, ready to be written if that is the access; NULL: a device.  *locked: it is watched, and
 * watched_store_end has to follow the store. */
static void *
direct_locked (TcgVcpu *v, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu, bool *locked)
{
  TlbEntry *e = tlb_entry_for (v, address, access, mmu);
  uint64_t tag = tlb_tag (e, access);
  *locked = false;
  if (tag & TLB_DEVICE)
    return NULL;
  if (access == BP_MMU_STORE && tag & TLB_WATCHED) {
    TlbFull *f = tlb_full (v, address, mmu);
    watched_store_begin (v, e, f, address, size);
    *locked = true;
  }
  return (void *) (uintptr_t) (address + e->addend);
}

static void *
direct (TcgVcpu *v, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu)
{
  bool locked;
  void *p = direct_locked (v, address, size, access, mmu, &locked);
  if (locked)
    watched_store_end (v);
  return p;
}

/* --- entry points of generated code --------------------------------------------------------------- */

uint64_t
tcg_slow_load (void *env, uint64_t address, BpMemOp memop)
{
  TcgVcpu *v = env;
  unsigned size = BP_MO_BYTES (memop), mmu = BP_MO_MMU_INDEX (memop);
  check_access (v, address, memop);
  if (memop & BP_MO_RMW && crosses (address, size))
    watch_pages (v, address, size, BP_MMU_STORE, mmu);
  uint64_t value = crosses (address, size) ? load_across (v, address, size, mmu) : load_in_page (v, address, size, mmu);
  if (memop & BP_MO_BE)
    value = swap (value, size);
  return memop & BP_MO_SIGN ? sign_extend (value, size) : value;
}

void
tcg_slow_store (void *env, uint64_t address, uint64_t value, BpMemOp memop)
{
  TcgVcpu *v = env;
  unsigned size = BP_MO_BYTES (memop), mmu = BP_MO_MMU_INDEX (memop);
  check_access (v, address, memop);
  if (memop & BP_MO_BE)
    value = swap (value, size);
  if (crosses (address, size))
    store_across (v, address, value, size, mmu);
  else
    store_in_page (v, address, value, size, mmu);
}

static uint64_t
combine (uint32_t op, uint64_t old, uint64_t value)
{
  switch (op) {
  case BP_IR_gfetch_add:
    return old + value;
  case BP_IR_gfetch_and:
    return old & value;
  case BP_IR_gfetch_or:
    return old | value;
  case BP_IR_gfetch_xor:
    return old ^ value;
  default:
    return value;
  }
}

#define ATOMIC_RMW(T, p, op, value) \
  ((op) == BP_IR_gfetch_add ? __atomic_fetch_add ((T *) (p), (T) (value), __ATOMIC_SEQ_CST) \
   : (op) == BP_IR_gfetch_and ? __atomic_fetch_and ((T *) (p), (T) (value), __ATOMIC_SEQ_CST) \
   : (op) == BP_IR_gfetch_or ? __atomic_fetch_or ((T *) (p), (T) (value), __ATOMIC_SEQ_CST) \
   : (op) == BP_IR_gfetch_xor ? __atomic_fetch_xor ((T *) (p), (T) (value), __ATOMIC_SEQ_CST) \
   : __atomic_exchange_n ((T *) (p), (T) (value), __ATOMIC_SEQ_CST))

uint64_t
tcg_slow_atomic (void *env, uint64_t address, uint64_t value, BpMemOp memop, uint32_t op)
{
  TcgVcpu *v = env;
  unsigned size = BP_MO_BYTES (memop), mmu = BP_MO_MMU_INDEX (memop);
  check_access (v, address, memop);
  watch_atomic (v, address, size, mmu);
  bool locked = false;
  void *p = crosses (address, size) ? NULL : direct_locked (v, address, size, BP_MMU_STORE, mmu, &locked);
  uint64_t old;
  if (!p) {                     /* a device, or a split lock: not atomic, as on a single bus master */
    if (crosses (address, size))
      prepare_store_across (v, address, size, mmu);
    BpMemOp plain = memop & ~(BpMemOp) BP_MO_SIGN;
    old = tcg_slow_load (env, address, plain);
    tcg_slow_store (env, address, combine (op, old, value), plain);
  } else if (size == 1)
    old = ATOMIC_RMW (uint8_t, p, op, value);
  else if (size == 2)
    old = ATOMIC_RMW (uint16_t, p, op, value);
  else if (size == 4)
    old = ATOMIC_RMW (uint32_t, p, op, value);
  else
    old = ATOMIC_RMW (uint64_t, p, op, value);
  if (locked)
    watched_store_end (v);
  return memop & BP_MO_SIGN ? sign_extend (old, size) : old;
}

#define ATOMIC_CAS(T, p, old) \
  ({ T was = (T) expected; \
     __atomic_compare_exchange_n ((T *) (p), &was, (T) desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
     (old) = was; })

uint64_t
tcg_slow_cmpxchg (void *env, uint64_t address, uint64_t expected, uint64_t desired, BpMemOp memop)
{
  TcgVcpu *v = env;
  unsigned size = BP_MO_BYTES (memop), mmu = BP_MO_MMU_INDEX (memop);
  check_access (v, address, memop);
  watch_atomic (v, address, size, mmu);
  bool locked = false;
  void *p = crosses (address, size) ? NULL : direct_locked (v, address, size, BP_MMU_STORE, mmu, &locked);
  uint64_t old, mask = size == 8 ? ~(uint64_t) 0 : ((uint64_t) 1 << 8 * size) - 1;
  if (!p) {
    if (crosses (address, size))
      prepare_store_across (v, address, size, mmu);
    BpMemOp plain = memop & ~(BpMemOp) BP_MO_SIGN;
    old = tcg_slow_load (env, address, plain);
    tcg_slow_store (env, address, old == (expected & mask) ? desired : old, plain);
  } else if (size == 1)
    ATOMIC_CAS (uint8_t, p, old);
  else if (size == 2)
    ATOMIC_CAS (uint16_t, p, old);
  else if (size == 4)
    ATOMIC_CAS (uint32_t, p, old);
  else
    ATOMIC_CAS (uint64_t, p, old);
  if (locked)
    watched_store_end (v);
  return memop & BP_MO_SIGN ? sign_extend (old, size) : old;
}

/* --- operands of native insns -------------------------------------------------------------------------- */

void *
tcg_native_operand (void *env, uint64_t address, uint32_t aux)
{
  TcgVcpu *v = env;
  unsigned size = BP_NATIVE_MEM_SIZE (aux), mmu = BP_NATIVE_MEM_MMU_INDEX (aux);
  BpMmuAccess access = aux & BP_NATIVE_MEM_WRITE ? BP_MMU_STORE : BP_MMU_LOAD;
  if (aux & BP_NATIVE_MEM_ALIGN && address & (size - 1))
    tcg_host_fault (v, BP_HOST_FAULT_ALIGN);
  if (aux & BP_NATIVE_MEM_ADDR64 && crosses (address, size))
    check_ends (v, address, size, mmu);
  v->bounce_direct = NULL;
  if (!crosses (address, size)) {
    watch_pages (v, address, size, access, mmu);
    bool locked;
    v->bounce_direct = direct_locked (v, address, size, access, mmu, &locked);
    if (locked) {               /* what is watched is stored by tcg_native_commit */
      watched_store_end (v);
      v->bounce_direct = NULL;
    }
    if (v->bounce_direct)
      return v->bounce_direct;
  } else if (access == BP_MMU_STORE) {
    prepare_store_across (v, address, size, mmu);
  } else {
    watch_pages (v, address, size, access, mmu);
  }
  if (aux & BP_NATIVE_MEM_READ)
    for (unsigned i = 0; i < size; ) {
      unsigned n = size - i >= 8 && !crosses (tlb_wrap (v, address + i), 8) ? 8 : size - i >= 4 && !crosses (tlb_wrap (v, address + i), 4) ? 4 : 1;
      uint64_t part = load_in_page (v, tlb_wrap (v, address + i), n, mmu);
      host_store (v->bounce + i, part, n);
      i += n;
    }
  return v->bounce;
}

void
tcg_native_commit (void *env, uint64_t address, uint32_t aux)
{
  TcgVcpu *v = env;
  unsigned size = BP_NATIVE_MEM_SIZE (aux), mmu = BP_NATIVE_MEM_MMU_INDEX (aux);
  if (v->bounce_direct)
    return;
  for (unsigned i = 0; i < size; ) {
    unsigned n = size - i >= 8 && !crosses (tlb_wrap (v, address + i), 8) ? 8 : size - i >= 4 && !crosses (tlb_wrap (v, address + i), 4) ? 4 : 1;
    store_in_page (v, tlb_wrap (v, address + i), host_load (v->bounce + i, n), n, mmu);
    i += n;
  }
}

/* --- for helpers --------------------------------------------------------------------------------------------- */

void *
softmmu_probe (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu)
{
  TcgVcpu *v = env;
  if (G_UNLIKELY (tlb_tag (tlb_entry_for (v, address, access, mmu), access) & TLB_BREAKPOINT))
    return NULL;                /* each access is to be heard of */
  return direct (v, address, size, access, mmu);
}

/* Another vCPU may have made blocks, between softmmu_probe and the store, from the bytes that were there.  Either it has read the new ones, or we
 * see that it watches the page (tlb_watch_page). */
void
softmmu_accessed (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu)
{
  TcgVcpu *v = env;
  TcgMachine *m = v->machine;
  if (access != BP_MMU_STORE)
    return;
  if (m->vcpus->len > 1)
    __atomic_thread_fence (__ATOMIC_SEQ_CST);
  const TlbEntry *e = tlb_entry_for (v, address, BP_MMU_STORE, mmu);
  if (G_LIKELY (!(tlb_store_tag (e) & TLB_WATCHED)))
    return;
  fp_leave (v);
  g_mutex_lock (&m->lock);
  tb_invalidate_range (m, tlb_full (v, address, mmu)->ram_address + PAGE_OFFSET (address), size, NULL);
  g_mutex_unlock (&m->lock);
}
