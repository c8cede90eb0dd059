/* softmmu-tlb.c -- the software TLB: fill, flush, resize, watch.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "machine-tcg.h"

#define TLB_MIN_BITS 8
#define TLB_MAX_BITS 13

/* --- dirty logs -------------------------------------------------------------------- */

/*
 * An entry that is not WATCHED lets stores pass unseen.  Whoever clears dirty bits has us look through the entries,
 * but stores go on until we do.  So a page that could have been written meanwhile counts as written: when we look, and
 * when its entry is dropped before that.
 */

static inline bool
is_plain_store (const TlbEntry *e)
{
  return !(e->store & (TLB_INVALID | TLB_DEVICE));
}

static void
settle_log (TlbFull *f, TlbEntry *e)
{
  if (!is_plain_store (e) || bp_dirty_test_all (f->ram_address))
    return;
  if (!(e->store & TLB_WATCHED) || f->written) {
    bp_dirty_set (BP_DIRTY_DISPLAY, f->ram_address, 1u << TLB_PAGE_BITS);
    bp_dirty_set (BP_DIRTY_MIGRATION, f->ram_address, 1u << TLB_PAGE_BITS);
  }
  f->written = 0;
  __atomic_fetch_or (&e->store, TLB_WATCHED, __ATOMIC_SEQ_CST);         /* (tlb_watch_page may do so from another thread) */
}

static void
mode_settle_logs (TcgVcpu *v, unsigned mmu)
{
  TlbMode *m = &tcg_softmmu (v)->mode[mmu];
  for (uint32_t k = 0; k < m->entries; k++)
    settle_log (&m->full[k], &v->tlb[mmu].table[k]);
}

static inline bool
is_logged (const TcgVcpu *v)
{
  return G_UNLIKELY (__atomic_load_n (&((TcgMachine *) v->machine)->logged, __ATOMIC_ACQUIRE));
}

/* --- life ----------------------------------------------------------------------- */

static void
mode_clear (TcgVcpu *v, unsigned mmu)
{
  TlbMode *m = &tcg_softmmu (v)->mode[mmu];
  if (is_logged (v))
    mode_settle_logs (v, mmu);
  memset (v->tlb[mmu].table, 0xff, m->entries * sizeof (TlbEntry));
  m->n_journal = 0;
  m->large_base = ~(uint64_t) 0;
  m->large_mask = ~(uint64_t) 0;
}

static void
mode_resize (TcgVcpu *v, unsigned mmu, unsigned bits)
{
  TlbMode *m = &tcg_softmmu (v)->mode[mmu];
  if (is_logged (v) && m->entries)
    mode_settle_logs (v, mmu);
  g_mutex_lock (&tcg_softmmu (v)->table_lock);
  g_free (m->full);
  g_free (m->journal);
  free (v->tlb[mmu].table);
  m->entries = 1u << bits;
  m->full = g_new0 (TlbFull, m->entries);
  m->journal = g_new (uint32_t, 2 * m->entries);
  v->tlb[mmu].table = aligned_alloc (64, m->entries * sizeof (TlbEntry));
  v->tlb[mmu].mask = (uint64_t) (m->entries - 1) << 5;
  m->fills = 0;
  memset (v->tlb[mmu].table, 0xff, m->entries * sizeof (TlbEntry));
  g_mutex_unlock (&tcg_softmmu (v)->table_lock);
  mode_clear (v, mmu);
}

void
softmmu_init (TcgVcpu *v, BpAddressSpace *memory, BpAddressSpace *io)
{
  Softmmu *s = g_new0 (Softmmu, 1);
  v->softmmu = s;
  g_mutex_init (&s->table_lock);
  s->memory = memory;
  s->io = io;
  s->n_modes = v->frontend->n_mmu_indexes;
  for (unsigned i = 0; i < s->n_modes; i++)
    mode_resize (v, i, TLB_MIN_BITS + 2);
  jump_cache_init (v);
  phys_cache_flush (v);
}

void
softmmu_finish (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  if (!s)
    return;
  for (unsigned i = 0; i < s->n_modes; i++) {
    g_free (s->mode[i].full);
    g_free (s->mode[i].journal);
    free (v->tlb[i].table);
  }
  jump_cache_finish (v);
  g_mutex_clear (&s->table_lock);
  g_free (s);
  v->softmmu = NULL;
}

/* --- flush ----------------------------------------------------------------------- */

static void
entry_clear (TcgVcpu *v, unsigned mmu, uint32_t index)
{
  TlbEntry *e = &v->tlb[mmu].table[index];
  if (is_logged (v))
    settle_log (&tcg_softmmu (v)->mode[mmu].full[index], e);
  e->load = e->store = e->fetch = ~(uint64_t) 0;
}

/* A table that was refilled more than once over since the last look doubles: what does not fit is missed again and again. */
static bool
mode_grow (TcgVcpu *v, unsigned mmu)
{
  TlbMode *m = &tcg_softmmu (v)->mode[mmu];
  unsigned bits = (unsigned) __builtin_ctz (m->entries);
  bool grow = m->fills > m->entries && bits < TLB_MAX_BITS;
  m->fills = 0;
  fp_leave (v);
  if (grow)
    mode_resize (v, mmu, bits + 1);
  return grow;
}

void
tlb_flush (TcgVcpu *v, bool global_too)
{
  Softmmu *s = tcg_softmmu (v);
  fp_leave (v);
  for (unsigned i = 0; i < s->n_modes; i++) {
    TlbMode *m = &s->mode[i];
    if (m->fills > m->entries && mode_grow (v, i))
      continue;
    if (global_too) {
      mode_clear (v, i);
      continue;
    }
    for (uint32_t k = 0; k < m->n_journal; k++)
      if (!m->full[m->journal[k]].global)
        entry_clear (v, i, m->journal[k]);
    m->n_journal = 0;
  }
  jump_cache_flush (v, global_too);
}

void
tlb_flush_page (TcgVcpu *v, uint64_t address)
{
  Softmmu *s = tcg_softmmu (v);
  uint64_t page = address & TLB_PAGE_MASK;
  bool large = false;
  fp_leave (v);
  for (unsigned i = 0; i < s->n_modes; i++) {
    TlbMode *m = &s->mode[i];
    if (m->large_base != ~(uint64_t) 0 && (page & m->large_mask) == m->large_base) {
      mode_clear (v, i);
      large = true;
      continue;
    }
    TlbEntry *e = tlb_entry (v, page, i);
    if ((e->load & TLB_PAGE_MASK) == page || (e->store & TLB_PAGE_MASK) == page || (e->fetch & TLB_PAGE_MASK) == page)
      entry_clear (v, i, tlb_index (v, page, i));
  }
  if (large)
    jump_cache_flush (v, true);         /* code of the same large page may start anywhere in it */
  else
    jump_cache_flush_page (v, page);
}

void
tlb_watch_page (TcgVcpu *v, uint64_t ram_page)
{
  Softmmu *s = tcg_softmmu (v);
  g_mutex_lock (&s->table_lock);
  for (unsigned i = 0; i < s->n_modes; i++) {
    TlbMode *m = &s->mode[i];
    for (uint32_t k = 0; k < m->entries; k++)
      if (m->full[k].ram_address == ram_page && !(v->tlb[i].table[k].store & TLB_INVALID))
        __atomic_fetch_or (&v->tlb[i].table[k].store, TLB_WATCHED, __ATOMIC_SEQ_CST);
  }
  g_mutex_unlock (&s->table_lock);
}

/* --- what other threads ask for ---------------------------------------------------------- */

void
softmmu_do_asked (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  if (G_LIKELY (!__atomic_load_n (&s->asked, __ATOMIC_SEQ_CST)))
    return;
  uint32_t asked = __atomic_exchange_n (&s->asked, 0, __ATOMIC_SEQ_CST);
  fp_leave (v);
  if (asked & SOFTMMU_LOG)
    for (unsigned i = 0; i < s->n_modes; i++)
      mode_settle_logs (v, i);
  if (asked & SOFTMMU_MAP) {
    phys_cache_flush (v);
    tlb_flush (v, true);
    tcg_extra (v)->last_tb = NULL;
  }
}

void
softmmu_ask (TcgVcpu *v, uint32_t what)
{
  uint32_t before = __atomic_fetch_or (&tcg_softmmu (v)->asked, what, __ATOMIC_SEQ_CST);
  if (!bp_vcpu_is_current (v->vcpu)) {
    if (~before & what)
      bp_vcpu_kick (v->vcpu);
    return;
  }
  softmmu_do_asked (v);
  if (what & SOFTMMU_MAP)
    tcg_leave_soon (v);         /* the block that runs may itself be elsewhere now */
}

/* --- physical pages ------------------------------------------------------------------ */

void
phys_cache_flush (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  for (unsigned i = 0; i < BP_N_ELEMENTS (s->phys); i++)
    s->phys[i].page = ~(uint64_t) 0;
}

static void
phys_page_load (Softmmu *s, PhysPage *p, uint64_t page)
{
  const BpFlatRange *r = bp_as_lookup (s->memory, page);
  p->page = page;
  p->host = NULL;
  p->ram_address = ~(uint64_t) 0;
  p->readonly = 1;
  if (r && r->host && (r->size == 0 || r->address + r->size - page >= 1u << TLB_PAGE_BITS)) {
    p->host = r->host + (page - r->address);
    p->readonly = r->readonly;
    if (r->ram_address != ~(uint64_t) 0)
      p->ram_address = r->ram_address + (page - r->address);
  }
  if (r)
    bp_as_leave (s->memory);
}

PhysPage *
phys_page (TcgVcpu *v, uint64_t physical)
{
  Softmmu *s = tcg_softmmu (v);
  uint64_t page = physical & TLB_PAGE_MASK;
  PhysPage *p = &s->phys[(page >> TLB_PAGE_BITS) & (BP_N_ELEMENTS (s->phys) - 1)];
  if (G_UNLIKELY (p->page != page)) {
    fp_leave (v);
    phys_page_load (s, p, page);
  }
  return p;
}

/* --- fill ----------------------------------------------------------------------------- */

/* The journal lists what a flush that spares global entries must clear; it holds twice the entries, so that dropping repeats when it
 * is full is paid for by as many fills. */
static void
journal_add (TlbMode *m, uint32_t index)
{
  if (m->full[index].global)
    return;
  if (m->n_journal < 2 * m->entries) {
    m->journal[m->n_journal++] = index;
    return;
  }
  m->n_journal = 0;
  for (uint32_t k = 0; k < m->entries; k++)
    if (!m->full[k].global)
      m->journal[m->n_journal++] = k;
}

static void
note_large (TlbMode *m, uint64_t page, unsigned shift)
{
  uint64_t mask = ~(((uint64_t) 1 << shift) - 1);
  if (m->large_base == ~(uint64_t) 0) {
    m->large_base = page & mask;
    m->large_mask = mask;
    return;
  }
  mask &= m->large_mask;
  while ((page ^ m->large_base) & mask)
    mask <<= 1;
  m->large_mask = mask;
  m->large_base &= mask;
}

static TlbEntry *
install (TcgVcpu *v, uint64_t address, unsigned mmu, const BpTlbFill *fill)
{
  TlbMode *m = &tcg_softmmu (v)->mode[mmu];
  if (G_UNLIKELY (m->fills > 8 * m->entries))
    mode_grow (v, mmu);
  uint64_t page = address & TLB_PAGE_MASK;
  PhysPage *p = phys_page (v, fill->physical);
  uint32_t index = tlb_index (v, address, mmu);
  TlbEntry *e = &v->tlb[mmu].table[index];
  TlbFull *f = &m->full[index];
  if (is_logged (v)) {
    fp_leave (v);
    settle_log (f, e);
  }
  uint64_t watched = fill->watched ? TLB_BREAKPOINT : 0, plain = page | (p->host ? 0 : TLB_DEVICE);
  f->physical = fill->physical & TLB_PAGE_MASK;
  f->ram_address = p->ram_address;
  f->global = fill->global;
  f->written = 0;
  e->addend = (uint64_t) (uintptr_t) p->host - page;
  e->load = fill->readable ? plain | watched : ~(uint64_t) 0;
  e->fetch = fill->executable ? plain : ~(uint64_t) 0;
  if (!fill->writable)
    e->store = ~(uint64_t) 0;
  else if (!p->host || p->readonly)
    e->store = page | TLB_DEVICE | watched;
  else {
    fp_leave (v);
    /* Either we see that the page is being translated from, or that vCPU sees this entry (tlb_watch_page). */
    __atomic_store_n (&e->store, page | watched, __ATOMIC_SEQ_CST);
    if (!bp_dirty_test_all (p->ram_address))
      __atomic_fetch_or (&e->store, TLB_WATCHED, __ATOMIC_SEQ_CST);
  }
  if (fill->page_shift > TLB_PAGE_BITS)
    note_large (m, page, fill->page_shift);
  m->fills++;
  journal_add (m, index);
  return e;
}

TlbEntry *
tlb_fill (TcgVcpu *v, uint64_t address, BpMmuAccess access, unsigned mmu)
{
  BpTlbFill fill = { 0 };
  if (!v->frontend->tlb_fill (v, address, access, mmu, false, &fill))
    tcg_raise (v);
  return install (v, address, mmu, &fill);
}

bool
tlb_fill_quiet (TcgVcpu *v, uint64_t address, BpMmuAccess access, unsigned mmu)
{
  BpTlbFill fill = { 0 };
  if (!v->frontend->tlb_fill (v, address, access, mmu, true, &fill))
    return false;
  install (v, address, mmu, &fill);
  return true;
}
