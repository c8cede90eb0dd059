/* tcg-branch-tage.c -- a predictor like TAGE: tagged tables with geometric history lengths over a bimodal one. */
/* SPDX-License-Identifier: MIT */
#include "tcg-branch-predict.h"
#include <math.h>
#include <string.h>

enum { NO_TAG = 0xffff };        /* tags have 15 bits at most */

/* --- geometry ----------------------------------------------------------------------------------- */

uint32_t
tage_history_length (const TageGeometry *g, unsigned i)
{
  if (i == 0 || g->tables == 1)
    return g->min_history;
  double ratio = (double) g->max_history / g->min_history;
  return (uint32_t) (g->min_history * pow (ratio, (double) i / (g->tables - 1)) + 0.5);
}

uint64_t
tage_bits (const TageGeometry *g)
{
  return 2 * (uint64_t) g->base_entries + (uint64_t) g->tables * g->entries * (g->tag_bits + 3 + 2);
}

static void
folded_init (Folded *f, uint32_t width, const uint32_t *lengths, unsigned n)
{
  *f = (Folded) { .width = width };
  for (unsigned i = 0; i < n; i++)
    f->out.of[i] = 1u << lengths[i] % width;
}

void
tage_init (Tage *t, const TageGeometry *g)
{
  memset (t, 0, sizeof *t);
  t->geometry = *g;
  t->random = 1;
  t->index_bits = (uint32_t) __builtin_ctz (g->entries);
  t->n_lanes = (g->tables + 3) / 4;
  bimodal_init (&t->base, g->base_entries);
  t->entries = g_new0 (TageEntry, (size_t) t->n_lanes * 4 * g->entries);
  for (size_t k = (size_t) g->tables * g->entries; k < (size_t) t->n_lanes * 4 * g->entries; k++)
    t->entries[k].tag = NO_TAG;
  for (unsigned i = 0; i < TAGE_MAX_TABLES; i++)       /* of tables that are not there: what leaves is looked up all the same, four at a time */
    t->length[i] = i < g->tables ? tage_history_length (g, i) : 1;
  folded_init (&t->index, t->index_bits, t->length, g->tables);
  folded_init (&t->tag[0], g->tag_bits, t->length, g->tables);
  folded_init (&t->tag[1], g->tag_bits - 1, t->length, g->tables);
}

void
tage_finish (Tage *t)
{
  bimodal_finish (&t->base);
  g_clear_pointer (&t->entries, g_free);
}

/* --- history --------------------------------------------------------------------------------------- */

/* All outcomes grow older by one, the oldest leaves (all ones where it was taken), a new one comes. */
static inline void
folded_push (Folded *f, unsigned lane, uint32_t in, Lane leaves)
{
  Lane v = (f->value.lane[lane] << 1) | in;
  v ^= f->out.lane[lane] & leaves;
  v ^= v >> f->width;
  f->value.lane[lane] = v & ((1u << f->width) - 1);
}

static inline void
push_history (Tage *t, bool taken)
{
  const int8_t *oldest = &t->history[t->newest + TAGE_MAX_HISTORY + 1];         /* of a history of no length */
  for (unsigned k = 0; k < t->n_lanes; k++) {
    const uint32_t *length = &t->length[4 * k];
    Lane leaves = { (uint32_t) oldest[-(ptrdiff_t) length[0]], (uint32_t) oldest[-(ptrdiff_t) length[1]],
                    (uint32_t) oldest[-(ptrdiff_t) length[2]], (uint32_t) oldest[-(ptrdiff_t) length[3]] };
    folded_push (&t->index, k, taken, leaves);
    folded_push (&t->tag[0], k, taken, leaves);
    folded_push (&t->tag[1], k, taken, leaves);
  }
  t->newest = (t->newest + 1) & (TAGE_MAX_HISTORY - 1);
  t->history[t->newest] = t->history[t->newest + TAGE_MAX_HISTORY] = taken ? -1 : 0;
}

/* --- a step ----------------------------------------------------------------------------------------- */

typedef struct Lookup {
  Lanes at, tag;                        /* of each table: in entries */
  int provider, alternative;            /* tables; -1: the bimodal one */
  bool provider_taken, alternative_taken, is_new;
} Lookup;

static inline TageEntry *
entry_in (const Tage *t, const Lookup *l, int table)
{
  return &t->entries[((uint32_t) table << t->index_bits) + l->at.of[table]];
}

static inline int
longest (uint32_t tables)
{
  return tables ? 31 - __builtin_clz (tables) : -1;
}

static inline void
find (const Tage *t, uint64_t pc, Lookup *l)
{
  uint32_t mask = (1u << t->index_bits) - 1, tag_mask = (1u << t->geometry.tag_bits) - 1, mixed = (uint32_t) (pc ^ pc >> t->index_bits), matches = 0;
  const TageEntry *table = t->entries;
  for (unsigned k = 0; k < t->n_lanes; k++) {
    uint32_t four = 0;
    l->at.lane[k] = (t->index.value.lane[k] ^ mixed) & mask;
    l->tag.lane[k] = (t->tag[0].value.lane[k] ^ (t->tag[1].value.lane[k] << 1) ^ (uint32_t) pc) & tag_mask;
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++, table += mask + 1)
      four |= (uint32_t) (table[l->at.of[4 * k + i]].tag == l->tag.of[4 * k + i]) << i;
    matches |= four << 4 * k;
  }
  l->provider = longest (matches);
  l->alternative = longest (matches & ((1u << (l->provider & 31)) - 1));
}

static inline bool
says (const Tage *t, const Lookup *l, int table, uint64_t pc)
{
  return table < 0 ? t->base.counters[pc & t->base.mask] >= 2 : entry_in (t, l, table)->counter >= 0;
}

static inline void
train (Tage *t, const Lookup *l, int table, uint64_t pc, bool taken)
{
  if (table < 0) {
    bimodal_step (&t->base, pc, taken);
    return;
  }
  int8_t *c = &entry_in (t, l, table)->counter;
  *c = (int8_t) (taken ? *c + (*c < 3) : *c - (*c > -4));
}

static inline uint32_t
next_random (Tage *t)
{
  t->random ^= t->random << 13;
  t->random ^= t->random >> 17;
  t->random ^= t->random << 5;
  return t->random;
}

/* An entry for this branch in a longer table. */
static void
allocate (Tage *t, const Lookup *l, bool taken)
{
  int n = (int) t->geometry.tables, first = l->provider + 1, at;
  if (first + 1 < n && (next_random (t) & 1))
    first++;
  for (at = first; at < n && entry_in (t, l, at)->useful; at++)
    ;
  if (at < n) {
    *entry_in (t, l, at) = (TageEntry) { .tag = (uint16_t) l->tag.of[at], .counter = taken ? 0 : -1 };
    return;
  }
  for (at = first; at < n; at++)
    entry_in (t, l, at)->useful--;
}

static void
learn (Tage *t, const Lookup *l, uint64_t pc, bool taken)
{
  if (l->provider < 0) {
    train (t, l, -1, pc, taken);
    return;
  }
  TageEntry *e = entry_in (t, l, l->provider);
  if (l->provider_taken != l->alternative_taken) {
    if (l->is_new)
      t->use_alternative = CLAMP (t->use_alternative + (l->alternative_taken == taken ? 1 : -1), -8, 7);
    if (e->useful == 0)
      train (t, l, l->alternative, pc, taken);
    if (l->provider_taken == taken)
      e->useful += e->useful < 3;
    else
      e->useful -= e->useful > 0;
  }
  train (t, l, l->provider, pc, taken);
}

static void
age (Tage *t)
{
  for (size_t k = 0; k < (size_t) t->geometry.tables * t->geometry.entries; k++)
    t->entries[k].useful >>= 1;
}

static inline bool
is_weak (const TageEntry *e)
{
  return (uint8_t) (e->counter + 1) <= 1 && e->useful == 0;
}

bool
tage_step (Tage *t, uint64_t pc, bool taken)
{
  Lookup l;
  find (t, pc, &l);
  l.alternative_taken = says (t, &l, l.alternative, pc);
  l.provider_taken = says (t, &l, l.provider, pc);
  l.is_new = l.provider >= 0 && is_weak (entry_in (t, &l, l.provider));
  bool predicted = l.is_new && t->use_alternative >= 0 ? l.alternative_taken : l.provider_taken;
  bool allocates = predicted != taken && l.provider + 1 < (int) t->geometry.tables && !(l.is_new && l.provider_taken == taken);
  learn (t, &l, pc, taken);
  if (allocates)
    allocate (t, &l, taken);
  push_history (t, taken);
  if (++t->steps % TAGE_AGING == 0)
    age (t);
  return predicted;
}
