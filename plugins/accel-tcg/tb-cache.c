/* tb-cache.c -- finding translation blocks: by key, by host address, through the jump cache.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "machine-tcg.h"

/* --- modes: (base, flags) as one small number -------------------------------------- */

uint32_t
tb_mode (TcgMachine *m, uint64_t base, uint64_t flags)
{
  uint64_t h = (base * 0x9e3779b97f4a7c15u) ^ (flags * 0xc2b2ae3d27d4eb4fu);
  TbMode **slot = &m->modes[h >> (64 - MODE_HASH_BITS)];
  for (TbMode *p = *slot; p; p = p->next)
    if (p->base == base && p->flags == flags)
      return p->id;
  TbMode *p = g_new0 (TbMode, 1);
  p->base = base;
  p->flags = flags;
  p->id = m->n_modes++;
  p->next = *slot;
  *slot = p;
  return p->id;
}

/* --- by key --------------------------------------------------------------------------- */

static unsigned
tb_hash (const BpTbKey *key, uint64_t physical)
{
  uint64_t h = (physical + key->pc * 31 + key->flags * 0x10001 + key->base) * 0x9e3779b97f4a7c15u;
  return (unsigned) (h >> (64 - TB_HASH_BITS));
}

Tb *
tb_lookup (TcgMachine *m, const BpTbKey *key, uint64_t physical, uint32_t cflags)
{
  for (Tb *tb = m->hash[tb_hash (key, physical)]; tb; tb = tb->hash_next)
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
  for (CodePage *p = *code_page_slot (m, page); p; p = p->next)
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
  return p && p->first;
}

void
tb_insert (TcgMachine *m, Tb *tb)
{
  unsigned h = tb_hash (&tb->key, tb->physical[0]);
  tb->hash_next = m->hash[h];
  m->hash[h] = tb;
  for (unsigned i = 0; i < 2; i++) {
    if (tb->physical[i] == ~(uint64_t) 0)
      continue;
    CodePage *p = code_page_make (m, tb->physical[i] >> TLB_PAGE_BITS);
    tb->page_next[i] = p->first;
    p->first = (Tb *) ((uintptr_t) tb | i);
  }
}

static void
page_list_remove (CodePage *p, Tb *tb, unsigned which)
{
  Tb **link = &p->first;
  while (*link) {
    Tb *t = (Tb *) ((uintptr_t) *link & ~(uintptr_t) 7);
    unsigned n = (unsigned) ((uintptr_t) *link & 7);
    if (t == tb && n == which) {
      *link = t->page_next[n];
      return;
    }
    link = &t->page_next[n];
  }
}

static void
tb_remove (TcgMachine *m, Tb *tb)
{
  for (Tb **link = &m->hash[tb_hash (&tb->key, tb->physical[0])]; *link; link = &(*link)->hash_next)
    if (*link == tb) {
      *link = tb->hash_next;
      break;
    }
  for (unsigned i = 0; i < 2; i++) {
    CodePage *p = tb->physical[i] == ~(uint64_t) 0 ? NULL : code_page_find (m, tb->physical[i] >> TLB_PAGE_BITS);
    if (p)
      page_list_remove (p, tb, i);
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
  for (unsigned i = 0; i < BP_N_ELEMENTS (m->modes); i++)
    for (TbMode *p = m->modes[i], *next; p; p = next) {
      next = p->next;
      g_free (p);
    }
}

/* --- by host address --------------------------------------------------------------------- */

/* Code is emitted upwards, so that appending keeps the array sorted.  It is allocated once: a signal handler may be reading. */
void
tb_register_code (TcgMachine *m, Tb *tb)
{
  if (m->n_by_address < m->by_address_size) {
    m->by_address[m->n_by_address] = tb;
    __atomic_store_n (&m->n_by_address, m->n_by_address + 1, __ATOMIC_RELEASE);
  }
}

static Tb *
tb_at_linear (TcgMachine *m, uintptr_t pc)
{
  for (uint32_t i = m->n_by_address; i-- > 0;)
    if (pc >= (uintptr_t) m->by_address[i]->code && pc < (uintptr_t) m->by_address[i]->code + m->by_address[i]->code_size)
      return m->by_address[i];
  return NULL;
}

Tb *
tb_at (TcgMachine *m, uintptr_t pc)
{
  if (!m->backend->resident_fp)
    return tb_at_linear (m, pc);        /* the interpreter's programs lie where malloc put them */
  uint32_t low = 0, high = __atomic_load_n (&m->n_by_address, __ATOMIC_ACQUIRE);
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    Tb *tb = m->by_address[middle];
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

static Tb *incoming_tb (Tb *p) { return (Tb *) ((uintptr_t) p & ~(uintptr_t) 7); }
static unsigned incoming_exit (Tb *p) { return (unsigned) ((uintptr_t) p & 7); }

void
tb_link (TcgMachine *m, Tb *tb, unsigned n, Tb *target)
{
  if (tb->invalid || target->invalid || tb->exit_jump[n] == TB_NO_EXIT)
    return;
  if (!tb->exit_target[n]) {
    tb->exit_target[n] = target;
    tb->incoming_next[n] = target->incoming;
    target->incoming = (Tb *) ((uintptr_t) tb | n);
  }
  if (tb->exit_target[n] != target)
    return;
  m->backend->link (&m->buffer, tb, n, target); /* (again, when a kick had taken the jump out) */
  /* A vCPU that is being kicked may just have taken it out to get out of this very block: then it stays out.  The handler sets
   * exit_request before it unlinks. */
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < m->vcpus->len; i++)
    if (__atomic_load_n (&((TcgVcpu *) m->vcpus->pdata[i])->exit_request, __ATOMIC_SEQ_CST))
      m->backend->link (&m->buffer, tb, n, NULL);
}

static void
unlink_outgoing (TcgMachine *m, Tb *tb)
{
  for (unsigned n = 0; n < 2; n++) {
    Tb *target = tb->exit_target[n];
    if (!target)
      continue;
    for (Tb **link = &target->incoming; *link; link = &incoming_tb (*link)->incoming_next[incoming_exit (*link)])
      if (*link == (Tb *) ((uintptr_t) tb | n)) {
        *link = tb->incoming_next[n];
        break;
      }
    tb->exit_target[n] = NULL;
    m->backend->link (&m->buffer, tb, n, NULL);
  }
}

static void
unlink_incoming (TcgMachine *m, Tb *tb)
{
  for (Tb *p = tb->incoming, *next; p; p = next) {
    Tb *from = incoming_tb (p);
    unsigned n = incoming_exit (p);
    next = from->incoming_next[n];
    from->exit_target[n] = NULL;
    m->backend->link (&m->buffer, from, n, NULL);
  }
  tb->incoming = NULL;
}

void
tb_invalidate (TcgMachine *m, Tb *tb)
{
  if (tb->invalid)
    return;
  __atomic_store_n (&tb->invalid, true, __ATOMIC_SEQ_CST);      /* before the jump caches are looked at: see jump_cache_enter */
  m->n_invalidated++;
  unlink_incoming (m, tb);
  unlink_outgoing (m, tb);
  tb_remove (m, tb);
  for (unsigned i = 0; i < m->vcpus->len; i++)
    jump_cache_forget (m->vcpus->pdata[i], tb);
}

/* --- the jump cache ---------------------------------------------------------------------------- */

/*
 * An entry is of a global page or not, and each kind has a list of the indexes that were entered since its last flush;
 * `listed` says in which an index stands already.  Only the vCPU's thread writes entries, but for jump_cache_forget,
 * which any thread calls: that empties `mode` and touches nothing else.
 */
#define JUMP_GLOBAL 4u
#define JUMP_LISTED(which) (1u << (which))
#define JUMP_NONE (~(uint64_t) 0)

static uint32_t
jump_index (uint64_t pc)
{
  return (uint32_t) ((pc ^ (pc >> JUMP_CACHE_BITS)) & ((1u << JUMP_CACHE_BITS) - 1));
}

void
jump_cache_init (TcgVcpu *v)
{
  size_t size = (1u << JUMP_CACHE_BITS) * sizeof (JumpEntry);
  v->jump_cache_full = aligned_alloc (64, size);
  v->jump_cache_empty = aligned_alloc (64, size);
  for (uint32_t i = 0; i < 1u << JUMP_CACHE_BITS; i++)
    v->jump_cache_full[i] = v->jump_cache_empty[i] = (JumpEntry) { .pc = JUMP_NONE, .mode = JUMP_NONE };
  v->jump_cache = v->jump_cache_full;
}

void
jump_cache_finish (TcgVcpu *v)
{
  free (v->jump_cache_full);
  free (v->jump_cache_empty);
}

void
jump_cache_enter (TcgVcpu *v, uint64_t pc, const Tb *tb, bool global)
{
  Softmmu *s = tcg_softmmu (v);
  uint32_t index = jump_index (pc);
  JumpEntry *e = &v->jump_cache_full[index];
  e->mode = JUMP_NONE;
  e->pc = pc;
  e->code = tb->code;
  if (!(e->listed & JUMP_LISTED (global)))
    s->jumps[global].index[s->jumps[global].n++] = (uint16_t) index;
  e->listed = (e->listed & ~(uint64_t) JUMP_GLOBAL) | JUMP_LISTED (global) | (global ? JUMP_GLOBAL : 0);
  s->jump_pages[(tb->key.pc >> TLB_PAGE_BITS) & 4095] = 1;
  s->jump_pages[(tlb_wrap (v, tb->key.pc + tb->n_bytes - 1) >> TLB_PAGE_BITS) & 4095] = 1;
  /* Either we see that the block is being invalidated, or that one sees this entry. */
  __atomic_store_n (&e->mode, tb->mode, __ATOMIC_SEQ_CST);
  if (__atomic_load_n (&tb->invalid, __ATOMIC_SEQ_CST))
    e->mode = JUMP_NONE;
}

static void
jump_list_flush (TcgVcpu *v, bool global)
{
  JumpList *list = &tcg_softmmu (v)->jumps[global];
  for (uint32_t k = 0; k < list->n; k++) {
    JumpEntry *e = &v->jump_cache_full[list->index[k]];
    e->listed &= ~(uint64_t) JUMP_LISTED (global);
    if (!(e->listed & JUMP_GLOBAL) == !global)
      e->mode = e->pc = JUMP_NONE;
  }
  list->n = 0;
}

void
jump_cache_flush (TcgVcpu *v, bool global_too)
{
  jump_list_flush (v, false);
  if (!global_too)
    return;
  jump_list_flush (v, true);
  memset (tcg_softmmu (v)->jump_pages, 0, sizeof tcg_softmmu (v)->jump_pages);
}

void
jump_cache_flush_page (TcgVcpu *v, uint64_t page)
{
  if (tcg_softmmu (v)->jump_pages[(page >> TLB_PAGE_BITS) & 4095])
    jump_cache_flush (v, true);
}

void
jump_cache_forget (TcgVcpu *v, const Tb *tb)
{
  uint64_t pc = tb->key.pc - tb->key.base;
  JumpEntry *e = &v->jump_cache_full[jump_index (v->frontend->pc_size == 4 ? (uint32_t) pc : pc)];
  if (__atomic_load_n (&e->code, __ATOMIC_SEQ_CST) == tb->code)
    __atomic_store_n (&e->mode, JUMP_NONE, __ATOMIC_SEQ_CST);
}
