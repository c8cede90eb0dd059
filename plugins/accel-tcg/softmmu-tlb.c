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
  return !(tlb_store_tag (e) & (TLB_INVALID | TLB_DEVICE));
}

static void
settle_log (TlbFull *f, TlbEntry *e)
{
  if (!is_plain_store (e) || bp_dirty_test_all (f->ram_address))
    return;
  if (!(tlb_store_tag (e) & TLB_WATCHED) || f->written) {
    bp_dirty_set (BP_DIRTY_DISPLAY, f->ram_address, 1u << TLB_PAGE_BITS);
    bp_dirty_set (BP_DIRTY_MIGRATION, f->ram_address, 1u << TLB_PAGE_BITS);
  }
  f->written = 0;
  __atomic_fetch_or (&e->store, TLB_WATCHED, __ATOMIC_SEQ_CST);         /* (tlb_watch_page may do so from another thread) */
}

static void
table_settle_logs (TlbTable *t)
{
  for (uint32_t k = 0; k < t->entries; k++)
    settle_log (&t->full[k], &t->entry[k]);
}

static inline bool
is_logged (const TcgVcpu *v)
{
  return G_UNLIKELY (__atomic_load_n (&((TcgMachine *) v->machine)->logged, __ATOMIC_ACQUIRE));
}

/* --- near entries -------------------------------------------------------------------- */

/* The page of an entry; ~0 when it is empty. */
static uint64_t
entry_page (const TlbEntry *e)
{
  uint64_t tag = !(e->load & TLB_INVALID) ? e->load : !(tlb_store_tag (e) & TLB_INVALID) ? tlb_store_tag (e) : e->fetch;
  return tag & TLB_INVALID ? ~(uint64_t) 0 : tag & TLB_PAGE_MASK;
}

static void
near_drop_page (TcgVcpu *v, unsigned mmu, uint64_t page)
{
  const TlbNear *near = &v->near[mmu];
  if (near->load == page || __atomic_load_n (&near->store, __ATOMIC_RELAXED) == page)
    tlb_near_drop (v, mmu);
}

/* The MMU index of a live table, -1: it is another space's. */
static int
live_mode (TcgVcpu *v, const TlbTable *t)
{
  Softmmu *s = tcg_softmmu (v);
  for (unsigned i = 0; i < s->n_modes; i++)
    if (s->mode[i] == t)
      return (int) i;
  return -1;
}

/* --- tables: all there are, in a row ---------------------------------------------- */

#define N_TABLES(s) ((1 + N_SPACES) * (s)->n_modes)

static TlbTable *
table_at (Softmmu *s, unsigned i)
{
  unsigned which = i / s->n_modes, mmu = i % s->n_modes;
  return which == 0 ? &s->shared[mmu] : &s->space[which - 1].table[mmu];
}

static void
show_table (TcgVcpu *v, unsigned mmu)
{
  TlbTable *t = tcg_softmmu (v)->mode[mmu];
  v->tlb[mmu] = (TlbFast) { .mask = (uint64_t) (t->entries - 1) << 5, .table = t->entry };
}

void
tlb_show (TcgVcpu *v, unsigned mmu, TlbTable *t)
{
  tcg_softmmu (v)->mode[mmu] = t;
  show_table (v, mmu);
  tlb_near_drop (v, mmu);
}

static void
table_free (TlbTable *t)
{
  g_free (t->full);
  g_free (t->journal);
  free (t->entry);
}

/* Under table_lock, for others look at the tables. */
static void
table_new (TlbTable *t, unsigned bits)
{
  *t = (TlbTable) { .entries = 1u << bits };
  t->full = g_new0 (TlbFull, t->entries);
  t->journal = g_new (uint32_t, t->entries);
  t->entry = aligned_alloc (64, t->entries * sizeof (TlbEntry));
  memset (t->entry, 0xff, t->entries * sizeof (TlbEntry));
}

void
tlb_table_allocate (TcgVcpu *v, TlbTable *t)
{
  Softmmu *s = tcg_softmmu (v);
  g_mutex_lock (&s->table_lock);
  table_new (t, TLB_MIN_BITS);
  g_mutex_unlock (&s->table_lock);
}

static void
journal_add (TlbTable *t, uint32_t index)
{
  TlbFull *f = &t->full[index];
  if (f->global) {
    t->has_global = true;
    return;
  }
  if (!f->listed) {
    f->listed = 1;
    t->journal[t->n_journal++] = index;
  }
}

/* A table that pages push each other out of becomes twice as large, with what it holds. */
static void
table_grow (TcgVcpu *v, unsigned mmu)
{
  Softmmu *s = tcg_softmmu (v);
  TlbTable *t = s->mode[mmu], old = *t;
  unsigned bits = (unsigned) __builtin_ctz (t->entries);
  bool crowded = t->evictions > 2 * t->entries;
  t->fills = t->evictions = 0;
  if (bits == TLB_MAX_BITS || !crowded)
    return;
  fp_leave (v);
  g_mutex_lock (&s->table_lock);
  table_new (t, bits + 1);
  t->large = old.large;
  memcpy (t->stored, old.stored, sizeof t->stored);
  t->keys = old.keys;
  for (uint32_t k = 0; k < old.entries; k++) {
    uint64_t page = entry_page (&old.entry[k]);
    if (page == ~(uint64_t) 0)
      continue;
    uint32_t index = (uint32_t) (page >> TLB_PAGE_BITS) & (t->entries - 1);
    t->entry[index] = old.entry[k];
    t->full[index] = old.full[k];
    t->full[index].listed = 0;
    journal_add (t, index);
  }
  table_free (&old);
  show_table (v, mmu);
  g_mutex_unlock (&s->table_lock);
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
  tlb_near_drop_all (v);
  for (unsigned i = 0; i < s->n_modes; i++) {
    table_new (&s->shared[i], TLB_MIN_BITS + 2);
    tlb_show (v, i, &s->shared[i]);
  }
  space_init (v);
  jump_cache_init (v);
  phys_cache_flush (v);
}

void
softmmu_finish (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  if (!s)
    return;
  for (unsigned i = 0; i < N_TABLES (s); i++)
    table_free (table_at (s, i));
  jump_cache_finish (v);
  g_mutex_clear (&s->table_lock);
  g_free (s);
  v->softmmu = NULL;
}

/* --- flush ----------------------------------------------------------------------- */

/* (tlb_watch_page looks at the store tag from another thread) */
static inline void
entry_empty (TlbEntry *e)
{
  e->load = e->fetch = ~(uint64_t) 0;
  __atomic_store_n (&e->store, ~(uint64_t) 0, __ATOMIC_RELAXED);
}

void
tlb_entry_clear (TcgVcpu *v, TlbTable *t, uint32_t index)
{
  TlbEntry *e = &t->entry[index];
  if (is_logged (v))
    settle_log (&t->full[index], e);
  int mmu = live_mode (v, t);
  if (mmu >= 0)
    near_drop_page (v, (unsigned) mmu, entry_page (e));
  entry_empty (e);
  t->full[index].proof.leaf = NULL;
}

void
tlb_table_clear (TcgVcpu *v, TlbTable *t)
{
  int mmu = live_mode (v, t);
  if (mmu >= 0)
    tlb_near_drop (v, (unsigned) mmu);
  if (is_logged (v))
    table_settle_logs (t);
  if (t->has_global || t->n_journal > t->entries / 2) {
    memset (t->entry, 0xff, t->entries * sizeof (TlbEntry));
    for (uint32_t k = 0; k < t->n_journal; k++)
      t->full[t->journal[k]].listed = 0;
  } else
    for (uint32_t k = 0; k < t->n_journal; k++) {
      TlbEntry *e = &t->entry[t->journal[k]];
      entry_empty (e);
      t->full[t->journal[k]].listed = 0;
    }
  t->n_journal = 0;
  t->has_global = false;
  t->keys = 0;
  memset (&t->large, 0, sizeof t->large);
  memset (t->stored, 0, sizeof t->stored);
}

void
tlb_flush_all (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  fp_leave (v);
  for (unsigned i = 0; i < s->n_modes; i++)
    tlb_table_clear (v, &s->shared[i]);
  jump_cache_flush (v);
  space_forget_all (v);
}

/* --- large pages: one entry a 4 KiB page of them, and all go with the invalidation of any -------- */

static void
flush_large (TcgVcpu *v, TlbTable *t, uint64_t page, unsigned shift)
{
  uint64_t n = (uint64_t) 1 << (shift - TLB_PAGE_BITS), first = page >> shift << (shift - TLB_PAGE_BITS);
  for (uint64_t k = 0; k < MIN (n, t->entries); k++) {
    uint32_t index = (uint32_t) (first + k) & (t->entries - 1);
    if (t->full[index].page_shift == shift && entry_page (&t->entry[index]) >> shift == page >> shift)
      tlb_entry_clear (v, t, index);
  }
}

static void
tlb_table_flush_page (TcgVcpu *v, TlbTable *t, uint64_t page)
{
  for (uint32_t left = t->large.shifts; left; left &= left - 1) {
    unsigned shift = TLB_PAGE_BITS + (unsigned) __builtin_ctz (left);
    if (large_pages_has_size (&t->large, page, shift))
      flush_large (v, t, page, shift);
  }
  uint32_t index = (uint32_t) (page >> TLB_PAGE_BITS) & (t->entries - 1);
  if (entry_page (&t->entry[index]) == page)
    tlb_entry_clear (v, t, index);
}

void
tlb_flush_page (TcgVcpu *v, uint64_t address)
{
  Softmmu *s = tcg_softmmu (v);
  uint64_t page = address & TLB_PAGE_MASK;
  fp_leave (v);
  for (unsigned i = 0; i < s->n_modes; i++)
    tlb_table_flush_page (v, s->mode[i], page);
  if (s->private_modes)         /* what is global stands in every space */
    for (unsigned i = s->n_modes; i < N_TABLES (s); i++) {
      TlbTable *t = table_at (s, i);
      if (t->has_global)
        tlb_table_flush_page (v, t, page);
    }
  jump_cache_flush_page (v, page);
}

/* --- keys: no pages of most of them, and no look at the entries then ------------------------------- */

static void
drop_if_key (TcgVcpu *v, TlbTable *t, uint32_t index, uint32_t keys)
{
  unsigned key = t->full[index].key;
  if (key && keys >> (key - 1) & 1)
    tlb_entry_clear (v, t, index);
}

static void
table_flush_keys (TcgVcpu *v, TlbTable *t, uint32_t keys)
{
  if (!(t->keys & keys))
    return;
  t->keys &= ~keys;
  if (t->has_global)
    for (uint32_t k = 0; k < t->entries; k++)
      drop_if_key (v, t, k, keys);
  else
    for (uint32_t k = 0; k < t->n_journal; k++)
      drop_if_key (v, t, t->journal[k], keys);
}

/* Whose key is taken away is not on the way to code: jumps stay. */
void
tlb_flush_keys (TcgVcpu *v, uint32_t keys)
{
  Softmmu *s = tcg_softmmu (v);
  fp_leave (v);
  for (unsigned i = 0; i < N_TABLES (s); i++)
    table_flush_keys (v, table_at (s, i), keys);
}

/* --- stores to pages that code is translated from ---------------------------------------------------------------- */

static uint64_t *
stored_word (TlbTable *t, uint64_t ram_page, uint64_t *bit)
{
  unsigned at = (unsigned) (((ram_page >> TLB_PAGE_BITS) * 0x9e3779b97f4a7c15u) >> (64 - TLB_STORED_BITS));
  *bit = (uint64_t) 1 << at % 64;
  return &t->stored[at / 64];
}

static void
stored_note (TlbTable *t, uint64_t ram_page)
{
  uint64_t bit, *word = stored_word (t, ram_page, &bit);
  if (!(__atomic_load_n (word, __ATOMIC_RELAXED) & bit))
    __atomic_fetch_or (word, bit, __ATOMIC_SEQ_CST);
}

static bool
may_store (TlbTable *t, uint64_t ram_page)
{
  uint64_t bit, *word = stored_word (t, ram_page, &bit);
  return __atomic_load_n (word, __ATOMIC_SEQ_CST) & bit;
}

static void
table_watch_page (TcgVcpu *v, TlbTable *t, unsigned mmu, uint64_t ram_page)
{
  for (uint32_t k = 0; k < t->entries; k++)
    if (__atomic_load_n (&t->full[k].ram_address, __ATOMIC_RELAXED) == ram_page
        && !(__atomic_load_n (&t->entry[k].store, __ATOMIC_RELAXED) & TLB_INVALID)) {
      __atomic_fetch_or (&t->entry[k].store, TLB_WATCHED, __ATOMIC_SEQ_CST);
      /* (whatever page that is: another one is only looked for again) */
      __atomic_store_n (&v->near[mmu].store, TLB_NEAR_NONE, __ATOMIC_SEQ_CST);
    }
}

void
tlb_watch_page (TcgVcpu *v, uint64_t ram_page)
{
  Softmmu *s = tcg_softmmu (v);
  g_mutex_lock (&s->table_lock);
  for (unsigned i = 0; i < N_TABLES (s); i++)
    if (may_store (table_at (s, i), ram_page))
      table_watch_page (v, table_at (s, i), i % s->n_modes, ram_page);
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
  if (asked & SOFTMMU_LOG) {
    for (unsigned i = 0; i < N_TABLES (s); i++)
      table_settle_logs (table_at (s, i));
    tlb_near_drop_all (v);
  }
  if (asked & SOFTMMU_MAP) {
    phys_cache_flush (v);
    tlb_flush_all (v);
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

/* --- physical memory ------------------------------------------------------------------ */

void
phys_cache_flush (TcgVcpu *v)
{
  memset (tcg_softmmu (v)->range, 0, sizeof tcg_softmmu (v)->range);
}

/* The whole pages of a range; when the page of `physical` is none of them, that page, not plain. */
static PhysRange
phys_load (Softmmu *s, uint64_t physical)
{
  uint64_t page = physical & TLB_PAGE_MASK, page_size = (uint64_t) 1 << TLB_PAGE_BITS;
  PhysRange p = { .first = page, .size = page_size, .ram_address = ~(uint64_t) 0, .readonly = true };
  const BpFlatRange *r = bp_as_lookup (s->memory, physical);
  if (!r)
    return p;
  uint64_t last = r->address + r->size - 1;     /* (size 0 is 2^64) */
  uint64_t first = (r->address + page_size - 1) & TLB_PAGE_MASK, end = (last + 1) & TLB_PAGE_MASK;
  if (r->host && page >= r->address && page + (page_size - 1) <= last) {
    p.first = first;
    p.size = end - first;
    p.host = r->host + (first - r->address);
    p.readonly = r->readonly;
    if (r->ram_address != ~(uint64_t) 0)
      p.ram_address = r->ram_address + (first - r->address);
  }
  bp_as_leave (s->memory);
  return p;
}

const PhysRange *
phys_find (TcgVcpu *v, uint64_t physical)
{
  Softmmu *s = tcg_softmmu (v);
  PhysRange found;
  unsigned i = 1;
  fp_leave (v);                 /* (memmove may use any register) */
  while (i < N_PHYS_RANGES && physical - s->range[i].first >= s->range[i].size)
    i++;
  if (i < N_PHYS_RANGES) {
    found = s->range[i];
  } else {
    found = phys_load (s, physical);
    i--;
  }
  memmove (s->range + 1, s->range, i * sizeof (PhysRange));
  s->range[0] = found;
  return s->range;
}

/* --- fill ----------------------------------------------------------------------------- */

static TlbEntry *
install (TcgVcpu *v, uint64_t address, unsigned mmu, const BpTlbFill *fill)
{
  Softmmu *s = tcg_softmmu (v);
  TlbTable *t = s->mode[mmu];
  if (G_UNLIKELY (t->fills > 4 * t->entries))
    table_grow (v, mmu);
  uint64_t page = address & TLB_PAGE_MASK;
  const PhysRange *p = phys_range (v, fill->physical);
  uint64_t ram_address = phys_ram_address (p, fill->physical & TLB_PAGE_MASK);
  uint8_t *host = phys_host (p, fill->physical & TLB_PAGE_MASK);
  bool readonly = p->readonly;
  uint32_t index = tlb_index (v, address, mmu);
  TlbEntry *e = &t->entry[index];
  TlbFull *f = &t->full[index];
  if (is_logged (v)) {
    fp_leave (v);
    settle_log (f, e);
  }
  bool is_watched = fill->watched || (G_UNLIKELY (v->machine->debug != NULL) && debug_watches_page (v->machine, page));
  uint64_t watched = is_watched ? TLB_BREAKPOINT : 0, plain = page | (host ? 0 : TLB_DEVICE);
  uint64_t before = entry_page (e);
  t->evictions += before != page && before != ~(uint64_t) 0;
  near_drop_page (v, mmu, before);
  near_drop_page (v, mmu, page);
  f->physical = fill->physical & TLB_PAGE_MASK;
  __atomic_store_n (&f->ram_address, ram_address, __ATOMIC_RELAXED);
  f->global = fill->global;
  f->written = 0;
  f->page_shift = fill->page_shift;
  f->key = fill->key;
  if (fill->key)
    t->keys |= 1u << (fill->key - 1);
  e->addend = (uint64_t) (uintptr_t) host - page;
  e->load = fill->readable ? plain | watched : ~(uint64_t) 0;
  e->fetch = fill->executable ? plain : ~(uint64_t) 0;
  if (!fill->writable)
    __atomic_store_n (&e->store, ~(uint64_t) 0, __ATOMIC_RELAXED);
  else if (!host || readonly)
    __atomic_store_n (&e->store, page | TLB_DEVICE | watched, __ATOMIC_RELAXED);
  else {
    fp_leave (v);
    /* Either we see that the page is being translated from, or that vCPU sees this entry (tlb_watch_page). */
    stored_note (t, ram_address);
    __atomic_store_n (&e->store, page | watched, __ATOMIC_SEQ_CST);
    if (!bp_dirty_test_all (ram_address))
      __atomic_fetch_or (&e->store, TLB_WATCHED, __ATOMIC_SEQ_CST);
  }
  if (fill->page_shift > TLB_PAGE_BITS)
    large_pages_note (&t->large, page, fill->page_shift);
  t->fills++;
  if (fill->global) {
    s->n_global[mmu]++;
  } else {
    s->n_local[mmu]++;
    proof_make (v, fill, &f->proof);
  }
  journal_add (t, index);
  return e;
}

TlbEntry *
tlb_try (TcgVcpu *v, uint64_t address, BpMmuAccess access, unsigned mmu, bool quiet)
{
  BpTlbFill fill = { 0 };
  return v->frontend->tlb_fill (v, address, access, mmu, quiet, &fill) ? install (v, address, mmu, &fill) : NULL;
}
