/* jump-cache.c -- from a guest pc to host code: the cache that generated code looks into, and which code pages are mapped.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
/*
 * A linear page, the RAM page behind it and the MMU index that fetches make a name, a small number (CodePage.name).  A set of
 * jumps holds the names that are known to be right in its address space, at page_id[name % PAGE_IDS]: generated code that jumps to another page
 * compares that place with the name that the jump was linked for.  A jump-cache entry hangs on the name of the page that its block begins in: it goes with it.
 *
 * A set belongs to an MMU index, and to a space or to all: as TLB tables do.  Only the vCPU's thread changes it, but for
 * jump_cache_forget, which any thread calls: that empties `mode` and touches nothing else.
 */
#include <stdlib.h>
#include <string.h>
#include "instr.h"

#define NO_MODE 0u              /* modes begin with 1 */
#define NO_REF 0xffffu

static inline unsigned
ref_hash (uint64_t page)
{
  uint64_t n = page >> TLB_PAGE_BITS;
  return (unsigned) ((n ^ n >> 10) & (REF_HASH - 1));
}

static inline uint64_t
frontend_pc (const TcgVcpu *v, const BpTbKey *key)
{
  uint64_t pc = key->pc - key->base;
  return v->frontend->pc_size == 4 ? (uint32_t) pc : pc;
}

/* Whoever calls jump_cache_forget may empty an entry at any time. */
static inline uint32_t
mode_of (const JumpEntry *e)
{
  return __atomic_load_n (&e->mode, __ATOMIC_RELAXED);
}

static inline void
empty (JumpEntry *e)
{
  __atomic_store_n (&e->mode, NO_MODE, __ATOMIC_RELAXED);
}

/* --- sets ------------------------------------------------------------------------- */

static JumpSet *
set_new (void)
{
  JumpSet *set = g_new0 (JumpSet, 1);
  set->entry = g_new0 (JumpEntry, 1u << JUMP_CACHE_BITS);       /* (as large as that, zeros cost nothing until they are used) */
  set->page_id = g_new0 (uint32_t, PAGE_IDS);
  set->ref = g_new0 (PageRef, PAGE_IDS);
  memset (set->hash, 0xff, sizeof set->hash);
  return set;
}

static void
set_free (JumpSet *set)
{
  if (!set)
    return;
  g_free (set->entry);
  g_free (set->page_id);
  g_free (set->ref);
  g_free (set);
}

/* What generated code looks into from now on.  While leaving is wanted, nothing is found there. */
static void
show (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  JumpSet *set = s->jump[s->fetch_mode];
  v->page_ids = set->page_id;
  v->jump_cache = set->entry;
  __atomic_signal_fence (__ATOMIC_SEQ_CST);
  if (v->exit_request)          /* looked at last: a kick may come at any moment, and it is not repeated */
    v->jump_cache = s->nothing;
}

void
jump_cache_show (TcgVcpu *v)
{
  show (v);
}

/* The live set of an MMU index, for fetches from now on. */
static JumpSet *
set_of (TcgVcpu *v, unsigned mmu)
{
  Softmmu *s = tcg_softmmu (v);
  if (G_UNLIKELY (!s->jump[mmu])) {
    JumpSet **slot = s->private_modes >> mmu & 1 ? &s->current->jump[mmu] : &s->shared_jump[mmu];
    if (!*slot) {
      fp_leave (v);
      *slot = s->jump_set[s->n_jump_sets] = set_new ();
      __atomic_store_n (&s->n_jump_sets, s->n_jump_sets + 1, __ATOMIC_SEQ_CST);         /* jump_cache_forget looks into it from now on */
    }
    s->jump[mmu] = *slot;
  }
  if (G_UNLIKELY (s->fetch_mode != mmu)) {
    s->fetch_mode = mmu;
    show (v);
  }
  return s->jump[mmu];
}

void
jump_cache_init (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  s->nothing = v->jump_cache_empty = g_new0 (JumpEntry, 1u << JUMP_CACHE_BITS);
  set_of (v, 0);
  show (v);
}

#define EACH_SET(s, set, code) \
  for (unsigned n_ = __atomic_load_n (&(s)->n_jump_sets, __ATOMIC_SEQ_CST); n_-- > 0;) { \
    JumpSet *set = (s)->jump_set[n_]; \
    code; \
  }

void
jump_cache_finish (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  EACH_SET (s, set, set_free (set));
  g_free (s->nothing);
}

/* --- names of pages ------------------------------------------------------------------ */

static void
unhash (JumpSet *set, uint16_t slot)
{
  PageRef *r = &set->ref[slot];
  for (uint16_t *link = &set->hash[ref_hash (r->page)]; *link != NO_REF; link = &set->ref[*link].next)
    if (*link == slot) {
      *link = r->next;
      return;
    }
}

/* The slot's name holds no longer.  Its jumps are swept away later. */
static void
drop_ref (JumpSet *set, uint16_t slot)
{
  set->page_id[slot] = 0;
  set->ref[slot].used = false;
  unhash (set, slot);
}

/* `id` is right for code fetched from this page now. */
static void
enter_ref (JumpSet *set, uint32_t id, const CodeFetch *from)
{
  uint16_t slot = (uint16_t) (id % PAGE_IDS);
  PageRef *r = &set->ref[slot];
  if (set->page_id[slot] == id)
    return;
  if (r->used) {                /* another page's jumps may hang on the slot */
    unhash (set, slot);
    r->crowded = true;
    set->crowded = true;
  } else {
    r->crowded = false;
    if (!r->listed) {
      r->listed = true;
      set->ref_list[set->n_refs++] = slot;
    }
  }
  r->used = true;
  r->page = from->linear & TLB_PAGE_MASK;
  r->proof = from->proof;
  r->global = from->global;
  r->next = set->hash[ref_hash (r->page)];
  set->hash[ref_hash (r->page)] = slot;
  set->n_local += !r->global;
  set->has_global |= r->global;
  if (from->page_shift > TLB_PAGE_BITS)
    large_pages_note (&set->large, r->page, from->page_shift);
  set->page_id[slot] = id;
}

/* The jumps of dropped slots go, and the lists become short again. */
static void
sweep (JumpSet *set)
{
  uint32_t n = 0;
  for (uint32_t k = 0; k < set->n_listed; k++) {
    JumpEntry *e = &set->entry[set->listed[k]];
    if (mode_of (e) != NO_MODE && set->ref[e->page].used) {
      set->listed[n++] = set->listed[k];
    } else {
      empty (e);
      e->listed = 0;
    }
  }
  set->n_listed = n;
  n = set->n_local = 0;
  set->crowded = set->has_global = false;
  for (uint32_t k = 0; k < set->n_refs; k++) {
    PageRef *r = &set->ref[set->ref_list[k]];
    r->listed = r->used;
    if (!r->used)
      continue;
    set->ref_list[n++] = set->ref_list[k];
    set->n_local += !r->global || r->crowded;
    set->has_global |= r->global || r->crowded;
    set->crowded |= r->crowded;
  }
  set->n_refs = n;
}

/* --- entering --------------------------------------------------------------------------- */

static void
set_entry (JumpSet *set, uint32_t index, uint64_t pc, uint32_t mode, Tb *tb)
{
  JumpEntry *e = &set->entry[index];
  empty (e);
  e->pc = pc;
  e->code = tb->code;
  e->page = (uint16_t) (tb->page_id[0] % PAGE_IDS);
  __atomic_store_n (&e->tb, tb, __ATOMIC_RELAXED);
  if (!e->listed) {
    e->listed = 1;
    set->listed[set->n_listed++] = (uint16_t) index;
  }
  /* Either we see that the block is being invalidated, or that one sees this entry. */
  __atomic_store_n (&e->mode, mode, __ATOMIC_SEQ_CST);
  if (__atomic_load_n (&tb->invalid, __ATOMIC_SEQ_CST))
    empty (e);
}

/* The block was found at the fetched pages: second NULL when it has one only. */
void
jump_cache_enter (TcgVcpu *v, unsigned mmu, Tb *tb, const CodeFetch *first, const CodeFetch *second)
{
  JumpSet *set = set_of (v, mmu);
  uint64_t pc = frontend_pc (v, &tb->key);
  uint32_t index = jump_index (pc);
  const JumpEntry *e = &set->entry[index];
  if (second)
    enter_ref (set, tb->page_id[1], second);
  enter_ref (set, tb->page_id[0], first);
  uint32_t before = mode_of (e);
  if (before != NO_MODE && (before != tb->mode || e->pc != pc))
    set_entry (set, index + 1, e->pc, before, e->tb);
  set_entry (set, index, pc, tb->mode, tb);
}

/* The block for the key when an entry knows it. */
Tb *
jump_cache_find (TcgVcpu *v, unsigned mmu, const BpTbKey *key)
{
  Softmmu *s = tcg_softmmu (v);
  JumpSet *set = set_of (v, mmu);
  uint64_t pc = frontend_pc (v, key);
  const JumpEntry *e = &set->entry[jump_index (pc)];
  unsigned number = instr_mode (instr_cflags (v) | mmu << TB_MMU_SHIFT);
  const LastMode *last = &s->last_mode[LAST_MODE (key, number)];
  if (last->base != key->base || last->flags != key->flags || last->mmu != number || last->mode == NO_MODE)
    return NULL;
  if ((e->pc != pc || mode_of (e) != last->mode) && ((++e)->pc != pc || mode_of (e) != last->mode))
    return NULL;
  Tb *tb = e->tb;
  if (tb->physical[1] != ~(uint64_t) 0 && set->page_id[tb->page_id[1] % PAGE_IDS] != tb->page_id[1])
    return NULL;
  return tb;
}

/* --- dropping ------------------------------------------------------------------------------ */

static void
set_clear (JumpSet *set)
{
  for (uint32_t k = 0; k < set->n_refs; k++) {
    uint16_t slot = set->ref_list[k];
    set->page_id[slot] = 0;
    set->ref[slot].used = set->ref[slot].listed = false;
  }
  for (uint32_t k = 0; k < set->n_listed; k++) {
    JumpEntry *e = &set->entry[set->listed[k]];
    empty (e);
    e->listed = 0;
  }
  set->n_refs = set->n_listed = set->n_local = 0;
  set->crowded = set->has_global = false;
  memset (set->hash, 0xff, sizeof set->hash);
  memset (&set->large, 0, sizeof set->large);
}

/* Only what is global stays, and with `look` what holds. */
static void
set_drop_local (Softmmu *s, Space *space, JumpSet *set, bool look)
{
  bool dropped = false;
  if (!set->n_local)
    return;
  for (uint32_t k = 0; k < set->n_refs; k++) {
    uint16_t slot = set->ref_list[k];
    PageRef *r = &set->ref[slot];
    if (r->used && (r->crowded || (!r->global && !(look && proof_holds (s, space, &r->proof))))) {
      drop_ref (set, slot);
      dropped = true;
    }
  }
  if (dropped)
    sweep (set);
}

static void
set_drop_page (JumpSet *set, uint64_t page)
{
  bool dropped = false, large = large_pages_has (&set->large, page);
  if (large || set->crowded) {  /* any code of the large page; whatever may hide behind another name */
    for (uint32_t k = 0; k < set->n_refs; k++) {
      uint16_t slot = set->ref_list[k];
      PageRef *r = &set->ref[slot];
      if (r->used && (r->crowded || r->page == page || (large && large_pages_same (&set->large, r->page, page)))) {
        drop_ref (set, slot);
        dropped = true;
      }
    }
  } else
    for (uint16_t slot = set->hash[ref_hash (page)], next; slot != NO_REF; slot = next) {
      next = set->ref[slot].next;
      if (set->ref[slot].page == page) {
        drop_ref (set, slot);
        dropped = true;
      }
    }
  if (dropped)
    sweep (set);
}

void
jump_cache_flush (TcgVcpu *v)
{
  EACH_SET (tcg_softmmu (v), set, set_clear (set));
}

void
jump_cache_space_clear (Softmmu *s, Space *space)
{
  for (unsigned i = 0; i < s->n_modes; i++)
    if (space->jump[i])
      set_clear (space->jump[i]);
}

/* The live sets: as look_at and drop_local of softmmu-space.c. */
void
jump_cache_drop_local (TcgVcpu *v, bool look)
{
  Softmmu *s = tcg_softmmu (v);
  for (unsigned i = 0; i < s->n_modes; i++)
    if (s->jump[i] && (look || !(s->private_modes >> i & 1)))
      set_drop_local (s, s->current, s->jump[i], look);
}

void
jump_cache_flush_page (TcgVcpu *v, uint64_t page)
{
  Softmmu *s = tcg_softmmu (v);
  for (unsigned i = 0; i < s->n_modes; i++)
    if (s->jump[i])
      set_drop_page (s->jump[i], page);
  if (s->private_modes)         /* what is global stands in every space */
    EACH_SET (s, set, {
      if (set->has_global)
        set_drop_page (set, page);
    });
}

/* The space, or which modes are shared, has changed: other sets are the live ones. */
void
jump_cache_space_changed (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  for (unsigned i = 0; i < s->n_modes; i++)
    s->jump[i] = s->private_modes >> i & 1 ? s->current->jump[i] : s->shared_jump[i];
  set_of (v, s->fetch_mode);
  show (v);
}

void
jump_cache_forget (TcgVcpu *v, const Tb *tb)
{
  uint32_t index = jump_index (frontend_pc (v, &tb->key));
  EACH_SET (tcg_softmmu (v), set, {
    for (uint32_t way = 0; way < 2; way++) {
      JumpEntry *e = &set->entry[index + way];
      if (__atomic_load_n (&e->tb, __ATOMIC_SEQ_CST) == tb)
        __atomic_store_n (&e->mode, NO_MODE, __ATOMIC_SEQ_CST);
    }
  });
}

void
jump_cache_forget_between (TcgVcpu *v, const void *from, const void *end)
{
  EACH_SET (tcg_softmmu (v), set, {
    for (uint32_t k = 0; k < set->n_listed; k++) {
      JumpEntry *e = &set->entry[set->listed[k]];
      if ((const void *) e->tb >= from && (const void *) e->tb < end)
        empty (e);
    }
  });
}
