/* tb-revive.c -- blocks whose bytes were overwritten, kept for when the same bytes come back.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
/*
 * Kernels switch instructions of theirs back and forth, and old programs change theirs between a few forms.  A block that a write takes away stays
 * in the code buffer until its part of it is emptied; until then it can be found here, by where it was and what it begins with.  When all of
 * its bytes are there again it is put back, unlinked, as if it had just been made: what a translation depends on is its key and its bytes.
 *
 * The table is small, and its sets lose what was put there first.  Nobody asks it for pages on which no block has ever gone.
 */
#include "machine-tcg.h"

/* --- names ------------------------------------------------------------------------------ */

/* Blocks are told apart by as many of their first bytes as this, or 2^n fewer. */
#define MOST_LOG2 4u

static inline unsigned
bytes_in_first_page (const Tb *tb)
{
  unsigned in_page = (1u << TLB_PAGE_BITS) - (unsigned) (tb->physical[0] & ~TLB_PAGE_MASK);
  return MIN (tb->n_bytes, in_page);
}

static inline unsigned
size_log2 (unsigned n)
{
  unsigned log2 = 31 - (unsigned) __builtin_clz (n);
  return MIN (log2, MOST_LOG2);
}

static inline uint64_t
read_64 (const uint8_t *p)
{
  uint64_t x;
  __builtin_memcpy (&x, p, 8);
  return x;
}

static inline uint64_t
first_bytes (const uint8_t *p, unsigned log2)
{
  uint16_t two;
  uint32_t four;
  switch (log2) {
  case 0: return *p;
  case 1:
    __builtin_memcpy (&two, p, 2);
    return two;
  case 2:
    __builtin_memcpy (&four, p, 4);
    return four;
  case 3: return read_64 (p);
  default: return read_64 (p) ^ read_64 (p + 8) * 0x9e3779b97f4a7c15u;
  }
}

/* Never 0. */
static inline uint64_t
tag_of (uint64_t physical, const BpTbKey *key, const uint8_t *code, unsigned log2)
{
  uint64_t h = (physical ^ key->pc << 20 ^ key->flags << 40) * 0xc2b2ae3d27d4eb4fu + first_bytes (code, log2) + log2;
  h = (h ^ h >> 31) * 0x9e3779b97f4a7c15u;
  return h | 1;
}

static inline Retired *
set_of (TcgMachine *m, uint64_t tag)
{
  return m->retired[tag >> (64 - RETIRED_BITS)];
}

/* Not memcmp: the guest's FP registers may be in use. */
static bool
is_same (const uint8_t *a, const uint8_t *b, unsigned n)
{
  unsigned i = 0;
  for (; i + 8 <= n; i += 8)
    if (read_64 (a + i) != read_64 (b + i))
      return false;
  for (; i < n; i++)
    if (a[i] != b[i])
      return false;
  return true;
}

/* --- coming and going ------------------------------------------------------------------------ */

/* Under the lock: a block that is found no longer. */
void
tb_retire (TcgMachine *m, Tb *tb)
{
  if (!tb->bytes || tb->physical[0] == ~(uint64_t) 0)
    return;
  unsigned log2 = size_log2 (bytes_in_first_page (tb));
  uint64_t tag = tag_of (tb->physical[0], &tb->key, tb->bytes, log2);
  Retired *set = set_of (m, tag);
  for (unsigned i = RETIRED_WAYS - 1; i > 0; i--) {
    __atomic_store_n (&set[i].tb, set[i - 1].tb, __ATOMIC_RELAXED);
    __atomic_store_n (&set[i].tag, set[i - 1].tag, __ATOMIC_RELAXED);
  }
  __atomic_store_n (&set[0].tb, tb, __ATOMIC_RELAXED);
  __atomic_store_n (&set[0].tag, tag, __ATOMIC_RELAXED);
  CodePage *p = code_page_find (m, tb->physical[0] >> TLB_PAGE_BITS);
  if (p)
    __atomic_fetch_or (&p->retired_sizes, (uint8_t) (1u << log2), __ATOMIC_RELAXED);
}

/* The blocks that lie there are about to be overwritten. */
void
tb_retired_forget_between (TcgMachine *m, const void *from, const void *end)
{
  for (unsigned i = 0; i < 1u << RETIRED_BITS; i++)
    for (unsigned k = 0; k < RETIRED_WAYS; k++) {
      Retired *r = &m->retired[i][k];
      if ((const void *) r->tb >= from && (const void *) r->tb < end)
        *r = (Retired) { 0, NULL };
    }
}

/* --- putting back -------------------------------------------------------------------------------- */

/* The host's bytes of the page after that of `linear`, and its RAM page; NULL when there is none. */
static const uint8_t *
second_page (TcgVcpu *v, uint64_t linear, unsigned mmu, uint64_t *ram_page)
{
  uint64_t next = tlb_wrap (v, (linear | ~TLB_PAGE_MASK) + 1);
  const TlbEntry *e = tlb_entry_quiet (v, next, BP_MMU_FETCH, mmu);
  if (!e || e->fetch & TLB_DEVICE)
    return NULL;
  *ram_page = tlb_full (v, next, mmu)->ram_address;
  return (const uint8_t *) (uintptr_t) (next + e->addend);
}

/* The page of a block's first bytes, and the one behind it if any block asks for that. */
typedef struct CodeBytes {
  uint64_t physical[2];
  const uint8_t *at[2];
} CodeBytes;

/* Under the lock.  Who writes to its pages has to tell before they are compared, as in a translation. */
static bool
bytes_are_back (TcgMachine *m, const Tb *tb, const CodeBytes *code)
{
  unsigned first = bytes_in_first_page (tb);
  code_page_watch (m, tb->physical[0] & TLB_PAGE_MASK);
  if (!is_same (tb->bytes, code->at[0], first))
    return false;
  if (tb->physical[1] == ~(uint64_t) 0)
    return true;
  if (!code->at[1] || code->physical[1] != tb->physical[1])
    return false;
  code_page_watch (m, tb->physical[1]);
  return is_same (tb->bytes + first, code->at[1], tb->n_bytes - first);
}

static Tb *
put_back (TcgMachine *m, Retired *r, uint64_t tag, const BpTbKey *key, uint32_t cflags, const CodeBytes *code)
{
  Tb *tb = r->tb;
  if (r->tag != tag || tb->physical[0] != code->physical[0] || tb->key.pc != key->pc || tb->key.base != key->base
      || tb->key.flags != key->flags || tb->cflags != cflags || !bytes_are_back (m, tb, code))
    return NULL;
  __atomic_store_n (&r->tag, 0, __ATOMIC_RELAXED);
  __atomic_store_n (&r->tb, NULL, __ATOMIC_RELAXED);
  tb_count_afresh (m, tb);
  __atomic_store_n (&tb->invalid, false, __ATOMIC_SEQ_CST);
  tb_insert (m, tb);
  m->n_revived++;
  return tb;
}

/* Those of the set that bear the tag: mostly one. */
static Tb *
try_set (TcgVcpu *v, uint64_t tag, const BpTbKey *key, uint32_t cflags, CodeBytes *code)
{
  TcgMachine *m = v->machine;
  Retired *set = set_of (m, tag);
  for (unsigned k = 0; k < RETIRED_WAYS; k++) {
    if (__atomic_load_n (&set[k].tag, __ATOMIC_RELAXED) != tag)
      continue;
    const Tb *seen = __atomic_load_n (&set[k].tb, __ATOMIC_RELAXED);    /* (no block's memory is used again while this vCPU runs) */
    if (seen && seen->physical[1] != ~(uint64_t) 0 && !code->at[1])
      code->at[1] = second_page (v, key->pc, cflags >> TB_MMU_SHIFT, &code->physical[1]);
    fp_leave (v);               /* before the core is called */
    g_mutex_lock (&m->lock);
    Tb *tb = put_back (m, &set[k], tag, key, cflags, code);
    g_mutex_unlock (&m->lock);
    if (tb)
      return tb;
  }
  return NULL;
}

/* The block for the key, whose code the TLB has just been asked for and has at `physical`, when it was there before; NULL: it must be made. */
Tb *
tb_revive (TcgVcpu *v, const BpTbKey *key, uint64_t physical, uint32_t cflags)
{
  TcgMachine *m = v->machine;
  CodePage *p = code_page_find (m, physical >> TLB_PAGE_BITS);
  uint32_t sizes = p ? __atomic_load_n (&p->retired_sizes, __ATOMIC_RELAXED) : 0;
  const TlbEntry *e = tlb_entry (v, key->pc, cflags >> TB_MMU_SHIFT);
  if (!sizes || (e->fetch & TLB_DEVICE))
    return NULL;
  CodeBytes code = { .physical = { physical }, .at = { (const uint8_t *) (uintptr_t) (key->pc + e->addend) } };
  unsigned in_page = (1u << TLB_PAGE_BITS) - (unsigned) (physical & ~TLB_PAGE_MASK);
  for (; sizes; sizes &= sizes - 1) {
    unsigned log2 = (unsigned) __builtin_ctz (sizes);
    if (1u << log2 > in_page)
      break;
    Tb *tb = try_set (v, tag_of (physical, key, code.at[0], log2), key, cflags, &code);
    if (tb)
      return tb;
  }
  return NULL;
}
