/* softmmu-tlb.c -- the software TLB: fill, flush, resize, watch.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "machine-tcg.h"

#define TLB_MIN_BITS 8
#define TLB_MAX_BITS 13
#define JUMP_ENTRIES (1u << JUMP_CACHE_BITS)

/* --- life ----------------------------------------------------------------------- */

static void
mode_clear (TcgVcpu *v, unsigned mmu)
{
  TlbMode *m = &tcg_softmmu (v)->mode[mmu];
  memset (v->tlb[mmu].table, 0xff, m->entries * sizeof (TlbEntry));
  m->n_journal = 0;
  m->large_base = ~(uint64_t) 0;
  m->large_mask = ~(uint64_t) 0;
}

static void
mode_resize (TcgVcpu *v, unsigned mmu, unsigned bits)
{
  TlbMode *m = &tcg_softmmu (v)->mode[mmu];
  g_free (m->full);
  g_free (m->journal);
  free (v->tlb[mmu].table);
  m->entries = 1u << bits;
  m->full = g_new0 (TlbFull, m->entries);
  m->journal = g_new (uint32_t, 2 * m->entries);
  v->tlb[mmu].table = aligned_alloc (64, m->entries * sizeof (TlbEntry));
  v->tlb[mmu].mask = (uint64_t) (m->entries - 1) << 5;
  m->fills = 0;
  mode_clear (v, mmu);
}

void
softmmu_init (TcgVcpu *v, BpAddressSpace *memory, BpAddressSpace *io)
{
  Softmmu *s = g_new0 (Softmmu, 1);
  v->softmmu = s;
  s->memory = memory;
  s->io = io;
  s->n_modes = v->frontend->n_mmu_indexes;
  for (unsigned i = 0; i < s->n_modes; i++)
    mode_resize (v, i, TLB_MIN_BITS + 2);
  v->jump_cache_full = aligned_alloc (64, JUMP_ENTRIES * sizeof (JumpEntry));
  v->jump_cache_empty = aligned_alloc (64, JUMP_ENTRIES * sizeof (JumpEntry));
  memset (v->jump_cache_full, 0xff, JUMP_ENTRIES * sizeof (JumpEntry));
  memset (v->jump_cache_empty, 0xff, JUMP_ENTRIES * sizeof (JumpEntry));
  v->jump_cache = v->jump_cache_full;
  s->jump_journal = g_new (uint32_t, JUMP_ENTRIES);
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
  free (v->jump_cache_full);
  free (v->jump_cache_empty);
  g_free (s->jump_journal);
  g_free (s);
  v->softmmu = NULL;
}

/* --- flush ----------------------------------------------------------------------- */

static void
entry_clear (TlbEntry *e)
{
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
    TlbEntry *table = v->tlb[i].table;
    if (m->fills > m->entries && mode_grow (v, i))
      continue;
    if (global_too) {
      mode_clear (v, i);
      continue;
    }
    for (uint32_t k = 0; k < m->n_journal; k++)
      if (!m->full[m->journal[k]].global)
        entry_clear (&table[m->journal[k]]);
    m->n_journal = 0;
  }
  jump_cache_flush (v, global_too);
}

void
tlb_flush_page (TcgVcpu *v, uint64_t address)
{
  Softmmu *s = tcg_softmmu (v);
  uint64_t page = address & TLB_PAGE_MASK;
  fp_leave (v);
  for (unsigned i = 0; i < s->n_modes; i++) {
    TlbMode *m = &s->mode[i];
    if (m->large_base != ~(uint64_t) 0 && (page & m->large_mask) == m->large_base) {
      mode_clear (v, i);
      continue;
    }
    TlbEntry *e = tlb_entry (v, page, i);
    if ((e->load & TLB_PAGE_MASK) == page || (e->store & TLB_PAGE_MASK) == page || (e->fetch & TLB_PAGE_MASK) == page)
      entry_clear (e);
  }
  jump_cache_flush_page (v, page);
}

void
tlb_watch_page (TcgVcpu *v, uint64_t ram_page)
{
  Softmmu *s = tcg_softmmu (v);
  for (unsigned i = 0; i < s->n_modes; i++) {
    TlbMode *m = &s->mode[i];
    for (uint32_t k = 0; k < m->entries; k++)
      if (m->full[k].ram_address == ram_page && !(v->tlb[i].table[k].store & TLB_INVALID))
        v->tlb[i].table[k].store |= TLB_WATCHED;
  }
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
  uint64_t plain = page | (p->host ? 0 : TLB_DEVICE);
  f->physical = fill->physical & TLB_PAGE_MASK;
  f->ram_address = p->ram_address;
  f->global = fill->global;
  e->addend = (uint64_t) (uintptr_t) p->host - page;
  e->load = fill->readable ? plain : ~(uint64_t) 0;
  e->fetch = fill->executable ? plain : ~(uint64_t) 0;
  if (!fill->writable)
    e->store = ~(uint64_t) 0;
  else if (!p->host || p->readonly)
    e->store = page | TLB_DEVICE;
  else {
    fp_leave (v);
    e->store = page | (bp_dirty_test_all (p->ram_address) ? 0 : TLB_WATCHED);
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
