/* softmmu-space.c -- the guest's address spaces in the software TLB: switches between them, and what may outlive one.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
/*
 * A guest that loads the root of its page tables means that changes which it has made to them take effect.  Real processors forget; here each
 * translation is kept with the words of the tables that it was made from, and when they still are what they were, so is the translation.
 * Looking at a word costs a nanosecond or two, a new walk some tens, and nothing has to be known of who writes to page tables.
 */
#include <string.h>
#include "machine-tcg.h"

/* More entries than this are not looked at one by one: the next owner of the time slice may need few of them. */
#define LOOK_MAX 2048

/* --- proofs ----------------------------------------------------------------------- */

static const void *
host_of (TcgVcpu *v, uint64_t physical)
{
  return phys_host (phys_range (v, physical), physical);
}

static inline bool
word_is (const void *host, uint64_t value, unsigned size)
{
  return size == 8 ? __atomic_load_n ((const uint64_t *) host, __ATOMIC_RELAXED) == value
         : __atomic_load_n ((const uint32_t *) host, __ATOMIC_RELAXED) == (uint32_t) value;
}

static bool
path_is (const TlbPath *p, const BpTlbFill *fill, unsigned n)
{
  bool same = p->serial && p->n == n;
  for (unsigned i = 0; same && i < n; i++)
    same = p->physical[i] == fill->word[i].physical && p->value[i] == fill->word[i].value;
  return same;
}

static bool
path_make (TcgVcpu *v, TlbPath *p, const BpTlbFill *fill, unsigned n)
{
  Softmmu *s = tcg_softmmu (v);
  p->serial = 0;
  p->n = (uint8_t) n;
  for (unsigned i = 0; i < n; i++) {
    p->physical[i] = fill->word[i].physical;
    p->value[i] = fill->word[i].value;
    p->host[i] = host_of (v, p->physical[i]);
    if (!p->host[i])
      return false;
  }
  if (!++s->serial)             /* (in some hundred years: what is numbered now may be taken for new) */
    s->serial = 1;
  p->serial = s->serial;
  p->round = 0;
  return true;
}

void
proof_make (TcgVcpu *v, const BpTlbFill *fill, TlbProof *proof)
{
  unsigned n = fill->n_words;
  *proof = (TlbProof) { .path = TLB_NO_PATH, .size = fill->word_size };
  if (!n || n > BP_TLB_MAX_WORDS)
    return;
  const void *leaf = host_of (v, fill->word[n - 1].physical);
  if (n > 1) {
    uint64_t last = fill->word[n - 2].physical;
    proof->path = (uint16_t) ((last >> 2 ^ last >> 9 ^ last >> 16) % TLB_PATHS);
    TlbPath *p = &tcg_softmmu (v)->current->path[proof->path];
    if (!path_is (p, fill, n - 1) && !path_make (v, p, fill, n - 1))
      return;
    proof->serial = p->serial;
  }
  proof->value = fill->word[n - 1].value;
  proof->leaf = leaf;
}

static bool
path_holds (Softmmu *s, TlbPath *p, unsigned size)
{
  if (p->round != s->round) {
    p->round = s->round;
    p->holds = true;
    for (unsigned i = 0; i < p->n; i++)
      p->holds &= word_is (p->host[i], p->value[i], size);
  }
  return p->holds;
}

bool
proof_holds (Softmmu *s, Space *space, const TlbProof *proof)
{
  if (!proof->leaf || !word_is (proof->leaf, proof->value, proof->size))
    return false;
  if (proof->path == TLB_NO_PATH)
    return true;
  TlbPath *p = &space->path[proof->path];
  return p->serial == proof->serial && path_holds (s, p, proof->size);
}

/* --- tables ------------------------------------------------------------------------ */

/* Only what is global stays. */
static void
drop_local (TcgVcpu *v, TlbTable *t)
{
  for (uint32_t k = 0; k < t->n_journal; k++) {
    TlbFull *f = &t->full[t->journal[k]];
    f->listed = 0;
    if (!f->global)
      tlb_entry_clear (v, t, t->journal[k]);
  }
  t->n_journal = 0;
}

/* Only what is global, or holds, stays. */
static void
look_at (TcgVcpu *v, Space *space, TlbTable *t)
{
  Softmmu *s = tcg_softmmu (v);
  uint32_t n = 0;
  if (t->n_journal > LOOK_MAX) {
    drop_local (v, t);
    return;
  }
  for (uint32_t k = 0; k < t->n_journal; k++) {
    uint32_t index = t->journal[k];
    TlbFull *f = &t->full[index];
    if (!f->global && proof_holds (s, space, &f->proof)) {
      t->journal[n++] = index;
      continue;
    }
    f->listed = 0;
    if (!f->global)
      tlb_entry_clear (v, t, index);
  }
  t->n_journal = n;
}

/* The current space is what a fresh look at its page tables would show. */
static void
refresh (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  s->round++;
  for (unsigned i = 0; i < s->n_modes; i++)
    look_at (v, s->current, s->mode[i]);
  s->current->doubtful = false;
  jump_cache_drop_local (v, true);
}

/* --- which modes are shared ----------------------------------------------------------- */

/* A mode with hardly any global entries, as a user's is, gets a table in each space.  Where there are many, each new space would have to find
 * them anew: then the others are lost at each switch. */
static void
consider_sharing (TcgVcpu *v, unsigned mmu)
{
  Softmmu *s = tcg_softmmu (v);
  if (s->n_local[mmu] > 64 && s->n_global[mmu] < MIN (64, s->n_local[mmu] / 4)) {
    s->private_modes |= 1u << mmu;
    tlb_table_clear (v, &s->shared[mmu]);
  }
}

static void
leave_current (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  jump_cache_drop_local (v, false);
  for (unsigned i = 0; i < s->n_modes; i++)
    if (!(s->private_modes >> i & 1)) {
      drop_local (v, &s->shared[i]);
      consider_sharing (v, i);
    }
}

/* --- spaces ----------------------------------------------------------------------------- */

static void
space_use (TcgVcpu *v, Space *space)
{
  Softmmu *s = tcg_softmmu (v);
  s->current = space;
  space->last_used = ++s->clock;
  for (unsigned i = 0; i < s->n_modes; i++)
    if (s->private_modes >> i & 1) {
      if (!space->table[i].entries)
        tlb_table_allocate (v, &space->table[i]);
      tlb_show (v, i, &space->table[i]);
    }
  jump_cache_space_changed (v);
}

static void
space_clear (TcgVcpu *v, Space *space)
{
  Softmmu *s = tcg_softmmu (v);
  for (unsigned i = 0; i < s->n_modes; i++)
    if (space->table[i].entries)
      tlb_table_clear (v, &space->table[i]);
  jump_cache_space_clear (s, space);
  for (unsigned i = 0; i < TLB_PATHS; i++)
    space->path[i].serial = 0;
  space->doubtful = false;
}

/* The one that has not been used for longest makes place. */
static Space *
space_find (TcgVcpu *v, uint64_t root, uint64_t asid)
{
  Softmmu *s = tcg_softmmu (v);
  Space *oldest = s->space;
  for (unsigned i = 0; i < N_SPACES; i++) {
    Space *space = &s->space[i];
    if (space->last_used && space->root == root && space->asid == asid)
      return space;
    if (space->last_used < oldest->last_used)
      oldest = space;
  }
  space_clear (v, oldest);
  oldest->root = root;
  oldest->asid = asid;
  return oldest;
}

/* The space of which only is known that it is the current one: it may have any root and tag. */
#define UNKNOWN (~(uint64_t) 0)
_Static_assert (UNKNOWN == BP_TLB_EVERY_ASID, "either matches all tags");

static bool
has_asid (const Space *space, uint64_t asid)
{
  return asid == BP_TLB_EVERY_ASID || space->asid == asid || space->asid == UNKNOWN;
}

static void
doubt (Softmmu *s, uint64_t asid)
{
  for (unsigned i = 0; i < N_SPACES; i++)
    s->space[i].doubtful |= has_asid (&s->space[i], asid);
}

void
space_init (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  s->current = s->space;
  s->current->root = s->current->asid = UNKNOWN;
  s->current->last_used = ++s->clock;
}

void
space_switch (TcgVcpu *v, uint64_t root, uint64_t asid, bool keep)
{
  Softmmu *s = tcg_softmmu (v);
  fp_leave (v);
  if (!keep)
    doubt (s, asid);
  if (s->current->root != root || s->current->asid != asid) {
    leave_current (v);
    if (s->current->root == UNKNOWN)
      s->current->last_used = 0;
    space_use (v, space_find (v, root, asid));
  }
  if (s->current->doubtful)
    refresh (v);
}

void
space_flush (TcgVcpu *v, uint64_t asid)
{
  Softmmu *s = tcg_softmmu (v);
  fp_leave (v);
  doubt (s, asid);
  if (s->current->doubtful)
    refresh (v);
}

void
space_flush_current (TcgVcpu *v)
{
  fp_leave (v);
  refresh (v);
}

void
space_flush_page (TcgVcpu *v, uint64_t asid, uint64_t address)
{
  Softmmu *s = tcg_softmmu (v);
  if (has_asid (s->current, asid))
    tlb_flush_page (v, address);
  for (unsigned i = 0; i < N_SPACES; i++)
    if (&s->space[i] != s->current)
      s->space[i].doubtful |= has_asid (&s->space[i], asid);
}

void
space_forget_all (TcgVcpu *v)
{
  Softmmu *s = tcg_softmmu (v);
  for (unsigned i = 0; i < N_SPACES; i++)       /* they are cleared when they are used again */
    if (&s->space[i] != s->current)
      s->space[i].last_used = 0;
  space_clear (v, s->current);
  s->current->root = s->current->asid = UNKNOWN;        /* the root may have been another for some time */
  s->private_modes = 0;
  for (unsigned i = 0; i < s->n_modes; i++) {
    s->n_local[i] = s->n_global[i] = 0;
    tlb_show (v, i, &s->shared[i]);
  }
  jump_cache_space_changed (v);
}
