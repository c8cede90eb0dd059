/* tcg-branch-tage.c -- a predictor like TAGE: tagged tables with geometric history lengths over a bimodal one. */
/* SPDX-License-Identifier: MIT */
#include "tcg-branch-predict.h"
#include <math.h>
#include <string.h>

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
folded_init (Folded *f, uint32_t width, uint32_t length)
{
  *f = (Folded) { .width = width, .out = length % width };
}

void
tage_init (Tage *t, const TageGeometry *g)
{
  memset (t, 0, sizeof *t);
  t->geometry = *g;
  t->random = 1;
  t->index_bits = (uint32_t) __builtin_ctz (g->entries);
  bimodal_init (&t->base, g->base_entries);
  for (unsigned i = 0; i < g->tables; i++) {
    TageTable *table = &t->table[i];
    table->entries = g_new0 (TageEntry, g->entries);
    table->length = tage_history_length (g, i);
    folded_init (&table->index, t->index_bits, table->length);
    folded_init (&table->tag[0], g->tag_bits, table->length);
    folded_init (&table->tag[1], g->tag_bits - 1, table->length);
  }
}

void
tage_finish (Tage *t)
{
  bimodal_finish (&t->base);
  for (unsigned i = 0; i < TAGE_MAX_TABLES; i++)
    g_clear_pointer (&t->table[i].entries, g_free);
}

/* --- history --------------------------------------------------------------------------------------- */

/* All outcomes grow older by one, the oldest leaves, a new one comes. */
static inline void
folded_push (Folded *f, uint32_t in, uint32_t leaves)
{
  uint32_t v = f->value << 1 | in;
  v ^= leaves << f->out;
  v ^= v >> f->width;
  f->value = v & ((1u << f->width) - 1);
}

static inline void
push_history (Tage *t, bool taken)
{
  for (unsigned i = 0; i < t->geometry.tables; i++) {
    TageTable *table = &t->table[i];
    uint32_t leaves = t->history[(t->newest - (table->length - 1)) & (TAGE_MAX_HISTORY - 1)];
    folded_push (&table->index, taken, leaves);
    folded_push (&table->tag[0], taken, leaves);
    folded_push (&table->tag[1], taken, leaves);
  }
  t->newest = (t->newest + 1) & (TAGE_MAX_HISTORY - 1);
  t->history[t->newest] = taken;
}

/* --- a step ----------------------------------------------------------------------------------------- */

typedef struct Lookup {
  TageEntry *entry[TAGE_MAX_TABLES];    /* of each table */
  uint16_t tag[TAGE_MAX_TABLES];
  int provider, alternative;            /* tables; -1: the bimodal one */
  bool provider_taken, alternative_taken, is_new;
} Lookup;

static inline void
find (Tage *t, uint64_t pc, Lookup *l)
{
  uint64_t mask = t->geometry.entries - 1, tag_mask = (1u << t->geometry.tag_bits) - 1, mixed = pc ^ pc >> t->index_bits;
  l->provider = l->alternative = -1;
  for (int i = 0; i < (int) t->geometry.tables; i++) {
    TageTable *table = &t->table[i];
    l->entry[i] = &table->entries[(mixed ^ table->index.value) & mask];
    l->tag[i] = (uint16_t) ((pc ^ table->tag[0].value ^ table->tag[1].value << 1) & tag_mask);
    if (l->entry[i]->tag == l->tag[i]) {
      l->alternative = l->provider;
      l->provider = i;
    }
  }
}

static inline bool
says (const Tage *t, const Lookup *l, int table, uint64_t pc)
{
  return table < 0 ? t->base.counters[pc & t->base.mask] >= 2 : l->entry[table]->counter >= 0;
}

static inline void
train (Tage *t, const Lookup *l, int table, uint64_t pc, bool taken)
{
  if (table < 0) {
    bimodal_step (&t->base, pc, taken);
    return;
  }
  int8_t *c = &l->entry[table]->counter;
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
  for (at = first; at < n && l->entry[at]->useful; at++)
    ;
  if (at < n) {
    *l->entry[at] = (TageEntry) { .tag = l->tag[at], .counter = taken ? 0 : -1 };
    return;
  }
  for (at = first; at < n; at++)
    l->entry[at]->useful--;
}

static void
learn (Tage *t, const Lookup *l, uint64_t pc, bool taken)
{
  if (l->provider < 0) {
    train (t, l, -1, pc, taken);
    return;
  }
  TageEntry *e = l->entry[l->provider];
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
  for (unsigned i = 0; i < t->geometry.tables; i++)
    for (uint32_t k = 0; k < t->geometry.entries; k++)
      t->table[i].entries[k].useful >>= 1;
}

bool
tage_step (Tage *t, uint64_t pc, bool taken)
{
  Lookup l;
  find (t, pc, &l);
  l.alternative_taken = says (t, &l, l.alternative, pc);
  l.provider_taken = says (t, &l, l.provider, pc);
  int counter = l.provider < 0 ? 3 : l.entry[l.provider]->counter;
  l.is_new = (counter == 0 || counter == -1) && l.entry[l.provider]->useful == 0;
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
