/* tcg-tlb-model.c -- TLBs as lists of keys, and the records of a processor run through them. */
/* SPDX-License-Identifier: MIT */
#include "tcg-tlb-model.h"
#include <string.h>

/* --- one TLB --------------------------------------------------------------------------------------- */

static inline size_t
n_keys (const Tlb *t)
{
  return (size_t) (t->set_mask + 1) * t->ways;
}

void
tlb_init (Tlb *t, const TlbGeometry *g, uint64_t seed)
{
  *t = (Tlb) { .ways = g->ways, .set_mask = g->entries / g->ways - 1, .random = g->replacement == TLB_RANDOM, .state = seed ? seed : 1 };
  t->keys = g_new (uint64_t, n_keys (t));
  tlb_flush (t);
}

void
tlb_finish (Tlb *t)
{
  g_clear_pointer (&t->keys, g_free);
}

void
tlb_flush (Tlb *t)
{
  memset (t->keys, 0xff, n_keys (t) * sizeof *t->keys);
}

/* All but keys of pages that every address space has. */
static void
tlb_flush_own (Tlb *t)
{
  uint64_t space_mask = (1u << TLB_SPACE_BITS) - 1;
  for (uint64_t set = 0; set <= t->set_mask; set++) {
    uint64_t *keys = t->keys + set * t->ways;
    unsigned kept = 0;
    for (unsigned i = 0; i < t->ways; i++)
      if ((keys[i] & space_mask) == TLB_EVERY_SPACE)
        keys[kept++] = keys[i];
    while (kept < t->ways)
      keys[kept++] = TLB_NOTHING;
  }
}

/* What is free stands at the end, in both kinds: sets are filled from the front. */
static unsigned
victim (Tlb *t, const uint64_t *keys)
{
  if (!t->random || keys[t->ways - 1] == TLB_NOTHING) {
    unsigned at = t->ways - 1;
    while (t->random && at > 0 && keys[at - 1] == TLB_NOTHING)
      at--;
    return at;
  }
  t->state ^= t->state << 13;
  t->state ^= t->state >> 7;
  t->state ^= t->state << 17;
  return (unsigned) ((t->state >> 32) * t->ways >> 32);
}

static inline void
move_to_front (uint64_t *keys, unsigned at, uint64_t key)
{
  for (; at > 0; at--)
    keys[at] = keys[at - 1];
  keys[0] = key;
}

bool
tlb_access (Tlb *t, uint64_t key)
{
  uint64_t *keys = t->keys + (key >> TLB_SPACE_BITS & t->set_mask) * t->ways;
  unsigned at = 0;
  if (keys[0] == key)
    return true;
  while (at < t->ways && keys[at] != key)
    at++;
  bool hit = at < t->ways;
  if (!hit)
    at = victim (t, keys);
  if (!t->random)
    move_to_front (keys, at, key);
  else
    keys[at] = key;
  return hit;
}

/* --- a processor's ------------------------------------------------------------------------------------ */

void
tlb_core_init (TlbCore *c, const TlbConfig *config, TlbCount *by_insn, uint32_t n_by_insn)
{
  *c = (TlbCore) { .config = config, .by_insn = by_insn, .n_by_insn = n_by_insn, .has_stlb = config->stlb.entries != 0 };
  tlb_init (&c->itlb, &config->itlb, config->seed);
  tlb_init (&c->dtlb, &config->dtlb, config->seed + 1);
  if (c->has_stlb)
    tlb_init (&c->stlb, &config->stlb, config->seed + 2);
  instr_series_init (&c->series, TLB_SERIES_BINS, N_TLB_SERIES, config->interval);
}

void
tlb_core_finish (TlbCore *c)
{
  tlb_finish (&c->itlb);
  tlb_finish (&c->dtlb);
  tlb_finish (&c->stlb);
  instr_series_finish (&c->series);
}

static void
flush_one (Tlb *t, bool keeps_global)
{
  if (keeps_global)
    tlb_flush_own (t);
  else
    tlb_flush (t);
}

void
tlb_core_space (TlbCore *c, uint32_t space)
{
  if (c->has_space && c->space == space)
    return;
  if (c->has_space) {
    c->switches++;
    if (!c->config->asid) {
      flush_one (&c->itlb, c->config->global_upper);
      flush_one (&c->dtlb, c->config->global_upper);
      if (c->has_stlb)
        flush_one (&c->stlb, c->config->global_upper);
    }
  }
  c->has_space = true;
  c->space = space;
}

static void
missed (TlbCore *c, const BpInsn *insn, TlbEvent event, uint64_t key)
{
  TlbCount *total = &c->total[instr_privilege (insn)], *mine = &c->by_insn[MIN (insn->id, c->n_by_insn - 1)];
  total->n[event]++;
  mine->n[event]++;
  if (c->has_stlb && tlb_access (&c->stlb, key))
    return;
  event += TLB_FETCH_WALK - TLB_FETCH_MISS;
  total->n[event]++;
  mine->n[event]++;
}

void
tlb_core_records (TlbCore *c, const BpRecord *records, size_t n, const BpSite *sites)
{
  static const uint8_t events[] = { [BP_RECORD_LOAD] = TLB_LOAD_MISS, [BP_RECORD_STORE] = TLB_STORE_MISS, [BP_RECORD_FETCH] = TLB_FETCH_MISS };
  bool global_upper = c->config->global_upper;
  for (size_t i = 0; i < n; i++) {
    const BpRecord *r = &records[i];
    const BpSite *site = &sites[r->site];
    Tlb *tlb = site->kind == BP_RECORD_FETCH ? &c->itlb : &c->dtlb;
    uint64_t bytes = site->kind == BP_RECORD_FETCH ? 1 : bp_record_bytes (sites, r), first = r->address >> 12;
    uint64_t last = (r->address + (bytes ? bytes - 1 : 0)) >> 12;
    for (uint64_t page = first;; page = (page + 1) & (UINT64_MAX >> 12)) {
      uint64_t key = tlb_key (page << 12, global_upper && page >> 51 ? TLB_EVERY_SPACE : c->space);
      if (G_UNLIKELY (!tlb_access (tlb, key)))
        missed (c, site->insn, events[site->kind], key);
      if (page == last)
        break;
    }
  }
}

/* --- sums ------------------------------------------------------------------------------------------------ */

void
tlb_core_sum (const TlbCore *c, TlbCount *sum)
{
  *sum = (TlbCount) { { 0 } };
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
    for (unsigned i = 0; i < N_TLB_EVENTS; i++)
      sum->n[i] += c->total[p].n[i];
}

void
tlb_core_sample (TlbCore *c, uint64_t insns)
{
  TlbCount sum;
  tlb_core_sum (c, &sum);
  uint64_t now[N_TLB_SERIES] = {
    [TLB_SERIES_INSNS] = insns, [TLB_SERIES_ITLB] = sum.n[TLB_FETCH_MISS], [TLB_SERIES_DTLB] = sum.n[TLB_LOAD_MISS] + sum.n[TLB_STORE_MISS],
    [TLB_SERIES_WALKS] = sum.n[TLB_FETCH_WALK] + sum.n[TLB_LOAD_WALK] + sum.n[TLB_STORE_WALK]
  };
  uint64_t *row = instr_series_at (&c->series, c->sampled[TLB_SERIES_INSNS]);
  for (unsigned i = 0; i < N_TLB_SERIES; i++) {
    row[i] += now[i] - c->sampled[i];
    c->sampled[i] = now[i];
  }
}
