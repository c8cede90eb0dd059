/* tb-cache.c -- finding translation blocks: by key, by host address; links between them.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "machine-tcg.h"

/* --- modes: (base, flags, MMU index) as one small number, 1 and up ------------------ */

uint32_t
tb_mode (TcgMachine *m, uint64_t base, uint64_t flags, unsigned mmu)
{
  uint64_t h = (base * 0x9e3779b97f4a7c15u) ^ ((flags + mmu) * 0xc2b2ae3d27d4eb4fu);
  TbMode **slot = &m->modes[h >> (64 - MODE_HASH_BITS)];
  for (TbMode *p = *slot; p; p = p->next)
    if (p->base == base && p->flags == flags && p->mmu == mmu)
      return p->id;
  TbMode *p = g_new0 (TbMode, 1);
  p->base = base;
  p->flags = flags;
  p->mmu = mmu;
  p->id = ++m->n_modes;
  p->next = *slot;
  *slot = p;
  return p->id;
}

/* --- lists of blocks: low bits of pointers say by which of a block's links they go on ------ */

static Tb *listed_tb (Tb *p) { return (Tb *) ((uintptr_t) p & ~(uintptr_t) 7); }
static unsigned listed_number (Tb *p) { return (unsigned) ((uintptr_t) p & 7); }

/* --- by key --------------------------------------------------------------------------- */

static unsigned
tb_hash (const BpTbKey *key, uint64_t physical)
{
  uint64_t h = (physical + key->pc * 31 + key->flags * 0x10001 + key->base) * 0x9e3779b97f4a7c15u;
  return (unsigned) (h >> (64 - TB_HASH_BITS));
}

/* A page that runs is near, unlike the hash of all pages' blocks. */
static bool
may_begin_at (TcgMachine *m, uint64_t physical)
{
  CodePage *p = code_page_find (m, physical >> TLB_PAGE_BITS);
  unsigned at = page_start (physical);
  return p && __atomic_load_n (&p->starts[at / 64], __ATOMIC_ACQUIRE) >> at % 64 & 1;
}

Tb *
tb_lookup (TcgMachine *m, const BpTbKey *key, uint64_t physical, uint32_t cflags)
{
  Tb **slot = &m->hash[tb_hash (key, physical)];
  __builtin_prefetch (slot, 1); /* at the latest tb_insert wants it */
  if (!may_begin_at (m, physical))
    return NULL;
  /* Without the lock: a block is whole before it is in the list, and one that is taken out still leads to those behind it. */
  for (Tb *tb = __atomic_load_n (slot, __ATOMIC_ACQUIRE); tb;
       tb = __atomic_load_n (&tb->hash_next, __ATOMIC_ACQUIRE))
    if (tb->physical[0] == physical && tb->key.pc == key->pc && tb->key.flags == key->flags && tb->key.base == key->base
        && tb->cflags == cflags)
      return tb;
  return NULL;
}

static CodePage **
code_page_slot (TcgMachine *m, uint64_t page)
{
  return &m->pages[(page * 0x9e3779b97f4a7c15u) >> 52];
}

CodePage *
code_page_find (TcgMachine *m, uint64_t page)
{
  for (CodePage *p = __atomic_load_n (code_page_slot (m, page), __ATOMIC_ACQUIRE); p; p = p->next)
    if (p->page == page)
      return p;
  return NULL;
}

static CodePage *
code_page_make (TcgMachine *m, uint64_t page)
{
  CodePage *p = code_page_find (m, page), **slot = code_page_slot (m, page);
  if (p)
    return p;
  p = g_new0 (CodePage, 1);
  p->page = page;
  p->next = *slot;
  __atomic_store_n (slot, p, __ATOMIC_RELEASE);         /* code_page_has_code reads without the lock */
  return p;
}

bool
code_page_has_code (TcgMachine *m, uint64_t ram_address)
{
  CodePage *p = code_page_find (m, ram_address >> TLB_PAGE_BITS);
  return p && __atomic_load_n (&p->first, __ATOMIC_RELAXED);
}

void
code_page_watch (TcgMachine *m, uint64_t ram_page)
{
  if (!bp_dirty_test (BP_DIRTY_CODE, ram_page))
    return;
  bp_dirty_clear (BP_DIRTY_CODE, ram_page, 1u << TLB_PAGE_BITS);
  for (unsigned i = 0; i < m->vcpus->len; i++)
    tlb_watch_page (m->vcpus->pdata[i], ram_page);
}

/* 0: there are none left. */
static uint32_t
page_name (TcgMachine *m, uint64_t ram_address, uint64_t linear, unsigned mmu, uint32_t not_beside)
{
  CodePage *p = code_page_make (m, ram_address >> TLB_PAGE_BITS);
  for (unsigned i = 0; i < PAGE_NAMES; i++)
    if (p->name[i].id && p->name[i].linear == linear && p->name[i].mmu == mmu && (p->name[i].id - not_beside) % PAGE_IDS)
      return p->name[i].id;
  uint32_t id = m->n_page_ids[mmu] + 1;
  if ((id - not_beside) % PAGE_IDS == 0 || id % PAGE_IDS == 0)
    id++;
  if (id > UINT32_MAX - 4)
    return 0;
  m->n_page_ids[mmu] = id;
  p->name[p->next_name++ % PAGE_NAMES] = (PageName) { linear, mmu, id };
  return id;
}

bool
tb_name_pages (TcgMachine *m, Tb *tb)
{
  unsigned mmu = tb->cflags >> TB_MMU_SHIFT;
  uint64_t linear = tb->key.pc & TLB_PAGE_MASK, second = linear + (1u << TLB_PAGE_BITS);
  if (m->frontend->address_bits == 32)
    second = (uint32_t) second;
  tb->page_id[0] = tb->page_id[1] = 0;
  if (tb->physical[0] == ~(uint64_t) 0)
    return true;
  tb->page_id[0] = page_name (m, tb->physical[0], linear, mmu, 0);
  if (tb->physical[1] != ~(uint64_t) 0) /* both must be there at a time */
    tb->page_id[1] = page_name (m, tb->physical[1], second, mmu, tb->page_id[0]);
  return tb->page_id[0] && (tb->page_id[1] || tb->physical[1] == ~(uint64_t) 0);
}

void
tb_bytes_in_page (const Tb *tb, unsigned which, uint64_t *start, uint64_t *end)
{
  uint64_t page_end = (tb->physical[0] | ~TLB_PAGE_MASK) + 1;
  if (which == 0) {
    *start = tb->physical[0] - tb->n_before;
    *end = tb->physical[0] + tb->n_bytes;
    if (tb->physical[1] != ~(uint64_t) 0 || *end > page_end)
      *end = page_end;
  } else {
    *start = tb->physical[1];
    *end = tb->physical[1] + (tb->n_bytes - (page_end - tb->physical[0]));
  }
}

uint64_t
tb_lines_between (uint64_t start, uint64_t end)
{
  unsigned first = start >> 6 & 63, last = MAX (start, end - 1) >> 6 & 63;
  return (~(uint64_t) 0 >> (63 - (last - first))) << first;
}

uint64_t
tb_lines (const Tb *tb, unsigned which)
{
  uint64_t start, end;
  tb_bytes_in_page (tb, which, &start, &end);
  return tb_lines_between (start, end);
}

static void
page_add (CodePage *p, Tb *tb, unsigned which)
{
  Tb *next = tb->page_next[which] = p->first;
  tb->page_at[which] = &p->first;
  if (next)
    listed_tb (next)->page_at[listed_number (next)] = &tb->page_next[which];
  __atomic_store_n (&p->first, (Tb *) ((uintptr_t) tb | which), __ATOMIC_RELAXED);
  p->lines |= tb_lines (tb, which);
  unsigned at = page_start (tb->physical[0]);
  if (which == 0)
    __atomic_store_n (&p->starts[at / 64], p->starts[at / 64] | (uint64_t) 1 << at % 64, __ATOMIC_RELEASE);
}

void
tb_insert (TcgMachine *m, Tb *tb)
{
  unsigned h = tb_hash (&tb->key, tb->physical[0]);
  tb->hash_next = m->hash[h];
  __atomic_store_n (&m->hash[h], tb, __ATOMIC_RELEASE);
  for (unsigned i = 0; i < 2; i++)
    if (tb->physical[i] != ~(uint64_t) 0)
      page_add (code_page_make (m, tb->physical[i] >> TLB_PAGE_BITS), tb, i);
}

static void
hash_remove (TcgMachine *m, Tb *tb)
{
  for (Tb **link = &m->hash[tb_hash (&tb->key, tb->physical[0])]; *link; link = &(*link)->hash_next)
    if (*link == tb) {
      __atomic_store_n (link, tb->hash_next, __ATOMIC_RELEASE);
      break;
    }
}

static void
pages_remove (Tb *tb)
{
  for (unsigned i = 0; i < 2; i++) {
    Tb *next = tb->page_next[i];
    if (!tb->page_at[i])
      continue;
    __atomic_store_n (tb->page_at[i], next, __ATOMIC_RELAXED);
    if (next)
      listed_tb (next)->page_at[listed_number (next)] = tb->page_at[i];
    tb->page_at[i] = NULL;
  }
}

void
tb_modes_forget (TcgMachine *m)
{
  for (unsigned i = 0; i < BP_N_ELEMENTS (m->modes); i++)
    for (TbMode *p; (p = m->modes[i]); g_free (p))
      m->modes[i] = p->next;
  m->n_modes = 0;
  for (unsigned i = 0; i < m->vcpus->len; i++) {
    Softmmu *s = tcg_softmmu (m->vcpus->pdata[i]);
    memset (s->last_mode, 0, sizeof s->last_mode);
  }
}

/* The blocks themselves went with tb_flush_all. */
void
tb_cache_finish (TcgMachine *m)
{
  for (unsigned i = 0; i < BP_N_ELEMENTS (m->pages); i++)
    for (CodePage *p = m->pages[i], *next; p; p = next) {
      next = p->next;
      g_free (p);
    }
  tb_modes_forget (m);
}

/* --- by host address --------------------------------------------------------------------- */

TCG_IN_SIGNAL Tb **
tb_region_blocks (TcgMachine *m, unsigned region, uint32_t *n)
{
  *n = __atomic_load_n (&m->n_by_address[region], __ATOMIC_ACQUIRE);
  return m->by_address + (size_t) region * m->region_blocks;
}

/* For the next block that is registered; the counters are as many as by_address. */
uint32_t *
tb_counter (TcgMachine *m)
{
  return &m->buffer.counter[(size_t) m->region * m->region_blocks + m->n_by_address[m->region]];
}

/* Blocks that may be overwritten soon wait longer. */
void
tb_count_afresh (TcgMachine *m, Tb *tb)
{
  CodePage *p = code_page_find (m, tb->physical[0] >> TLB_PAGE_BITS);
  uint64_t n = (uint64_t) m->hot_after << (p ? MIN (p->lost, 16) : 0);
  if (tb->counter)
    __atomic_store_n (tb->counter, (uint32_t) MIN (n, INT32_MAX), __ATOMIC_RELAXED);
}

bool
tb_may_register (TcgMachine *m)
{
  return m->n_by_address[m->region] < m->region_blocks;
}

/* Code is emitted upwards, so that appending keeps a region's array sorted.  It is allocated once: a signal handler may be reading. */
void
tb_register_code (TcgMachine *m, Tb *tb)
{
  uint32_t n, *count = &m->n_by_address[m->region];
  Tb **blocks = tb_region_blocks (m, m->region, &n);
  blocks[n] = tb;
  __atomic_store_n (count, n + 1, __ATOMIC_RELEASE);
}

TCG_IN_SIGNAL static Tb *
tb_at_linear (TcgMachine *m, uintptr_t pc)
{
  for (unsigned r = 0; r < m->n_regions; r++) {
    uint32_t n;
    Tb **blocks = tb_region_blocks (m, r, &n);
    while (n-- > 0)
      if (pc >= (uintptr_t) blocks[n]->code && pc < (uintptr_t) blocks[n]->code + blocks[n]->code_size)
        return blocks[n];
  }
  return NULL;
}

TCG_IN_SIGNAL Tb *
tb_at (TcgMachine *m, uintptr_t pc)
{
  if (!m->backend->resident_fp)
    return tb_at_linear (m, pc);        /* the interpreter's programs lie where malloc put them */
  size_t offset = pc - (uintptr_t) m->buffer.rx - tb_region_start (m, 0);
  if (offset >= m->n_regions * m->region_size)
    return NULL;
  uint32_t low = 0, high;
  Tb **blocks = tb_region_blocks (m, (unsigned) (offset / m->region_size), &high);
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    Tb *tb = blocks[middle];
    if (pc < (uintptr_t) tb->code)
      high = middle;
    else if (pc >= (uintptr_t) tb->code + tb->code_size)
      low = middle + 1;
    else
      return tb;
  }
  return NULL;
}

/* --- direct links ------------------------------------------------------------------------- */

static TbExit *incoming_exit (Tb *p) { return &listed_tb (p)->exit[listed_number (p)]; }
_Static_assert (TB_MAX_EXITS == 8, "exits as low bits of pointers");

static void
incoming_add (Tb *target, Tb *tb, unsigned n)
{
  TbExit *x = &tb->exit[n];
  x->target = target;
  x->incoming_next = target->incoming;
  x->incoming_at = &target->incoming;
  if (x->incoming_next)
    incoming_exit (x->incoming_next)->incoming_at = &x->incoming_next;
  target->incoming = (Tb *) ((uintptr_t) tb | n);
}

static void
incoming_remove (TbExit *x)
{
  *x->incoming_at = x->incoming_next;
  if (x->incoming_next)
    incoming_exit (x->incoming_next)->incoming_at = x->incoming_at;
  x->target = NULL;
}

TCG_IN_SIGNAL void
tb_unlink_exits (TcgMachine *m, Tb *tb)
{
  for (unsigned n = 0; tb && n < tb->n_exits; n++)
    if (tb->exit[n].jump != TB_NO_EXIT)
      m->backend->link (&m->buffer, tb, n, NULL);
}

void
tb_link (TcgMachine *m, Tb *tb, unsigned n, Tb *target)
{
  if (tb->invalid || target->invalid || n >= tb->n_exits || tb->exit[n].jump == TB_NO_EXIT)
    return;
  TbExit *x = &tb->exit[n];
  if (x->guard != TB_NO_EXIT) {
    if (!x->page_id) {
      x->page_id = target->page_id[0];
      m->backend->guard (&m->buffer, tb, n, target->page_id[0]);
    } else if (x->page_id != target->page_id[0])        /* it cannot be told another one: somebody may be looking at it */
      return;
  }
  if (!x->target)
    incoming_add (target, tb, n);
  if (x->target != target)
    return;
  m->backend->link (&m->buffer, tb, n, target); /* (again, when a kick had taken the jump out) */
  /* A vCPU that is being kicked may just have taken it out to get out of this very block: then it stays out.  The handler sets
   * exit_request before it unlinks. */
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < m->vcpus->len; i++)
    if (__atomic_load_n (&((TcgVcpu *) m->vcpus->pdata[i])->exit_request, __ATOMIC_SEQ_CST))
      m->backend->link (&m->buffer, tb, n, NULL);
}

/* What the block jumps to does not know of it any more; with `unlink', it does not jump there either. */
static void
leave_targets (TcgMachine *m, Tb *tb, bool unlink)
{
  for (unsigned n = 0; n < tb->n_exits; n++) {
    if (!tb->exit[n].target)
      continue;
    incoming_remove (&tb->exit[n]);
    if (unlink)
      m->backend->link (&m->buffer, tb, n, NULL);
  }
}

static void
unlink_incoming (TcgMachine *m, Tb *tb)
{
  for (Tb *p = tb->incoming; p; p = incoming_exit (p)->incoming_next) {
    incoming_exit (p)->target = NULL;
    m->backend->link (&m->buffer, listed_tb (p), listed_number (p), NULL);
  }
  tb->incoming = NULL;
}

void
tb_forget (TcgMachine *m, Tb *tb, bool unlink)
{
  unlink_incoming (m, tb);
  leave_targets (m, tb, unlink);
  hash_remove (m, tb);
  pages_remove (tb);
}

void
tb_invalidate (TcgMachine *m, Tb *tb)
{
  if (tb->invalid)
    return;
  __atomic_store_n (&tb->invalid, true, __ATOMIC_SEQ_CST);      /* before the jump caches are looked at: see jump_cache_enter */
  m->n_invalidated++;
  tb_forget (m, tb, true);
  for (unsigned i = 0; i < m->vcpus->len; i++)
    jump_cache_forget (m->vcpus->pdata[i], tb);
  tb_retire (m, tb);
}

void
tb_replace (TcgMachine *m, Tb *tb, Tb *by)
{
  Tb *incoming = NULL;
  m->n_replaced++;
  for (Tb *p; (p = tb->incoming);) {    /* to a list of our own */
    TbExit *x = incoming_exit (p);
    tb->incoming = x->incoming_next;
    x->target = NULL;
    x->incoming_next = incoming;
    incoming = p;
  }
  tb_invalidate (m, tb);
  for (Tb *p = incoming, *next; p; p = next) {
    next = incoming_exit (p)->incoming_next;
    m->backend->link (&m->buffer, listed_tb (p), listed_number (p), NULL);
    tb_link (m, listed_tb (p), listed_number (p), by);
  }
}
