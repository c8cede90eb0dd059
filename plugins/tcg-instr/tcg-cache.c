/* tcg-cache.c -- the instrument: asks for records and counters, feeds the model with them. */
/* SPDX-License-Identifier: MIT */
#include "tcg-cache.h"

static const char *const cache_keys[CACHE_N_CACHES] = { "l1i", "l1d", "l2", "l3" };

/* --- counts ------------------------------------------------------------------------------------------------------ */

CacheTotals
cache_totals_of (const TcgCache *c, unsigned vcpu)
{
  CacheTotals totals = { 0 };
  for (unsigned i = 0; i < CACHE_N_TOTALS; i++)
    for (unsigned user = 0; user < 2; user++)
      if (c->counters[i][user])
        totals.n[i][user] = bp_counter_get (c->instrument, c->counters[i][user], vcpu) - c->vcpus[vcpu].base.n[i][user];
  return totals;
}

uint64_t
cache_first_accesses (const TcgCache *c, unsigned core, CacheKind kind, unsigned user)
{
  const CacheCore *of = &c->model->cores[core];
  const CacheLevel *level = of->first[kind == CACHE_FETCH];
  if (!level)
    return 0;
  if (kind != CACHE_FETCH && !c->filtered[0])
    return level->counts.accesses[kind][user];
  CacheTotals totals = cache_totals_of (c, core);
  if (kind == CACHE_FETCH)
    return totals.n[CACHE_INSNS][user] + totals.n[CACHE_STRADDLES][user] - of->uncached[kind][user];
  return totals.n[kind == CACHE_STORE ? CACHE_STORES : CACHE_LOADS][user] + of->extra_lines[kind][user] - of->uncached[kind][user];
}

static CacheSpace *
space_of (TcgCache *c, uint64_t space)
{
  CacheSpace *found = g_hash_table_lookup (c->by_space, &space);
  if (!found) {
    found = g_new0 (CacheSpace, 1);
    found->space = space;
    g_hash_table_insert (c->by_space, &found->space, found);
  }
  return found;
}

static void
add_to_series (TcgCache *c, uint64_t insns, uint64_t data)
{
  const CacheGeometry *caches = c->config.caches;
  uint64_t *sums = instr_series_at (&c->series, c->now), m[CACHE_N_MISSES], accesses[CACHE_N_CACHES], misses[CACHE_N_CACHES];
  for (unsigned i = 0; i < CACHE_N_MISSES; i++)
    m[i] = c->model->total.n[i] - c->last.n[i];
  c->last = c->model->total;
  misses[CACHE_L1I] = m[CACHE_MISS_FETCH];
  misses[CACHE_L1D] = m[CACHE_MISS_LOAD] + m[CACHE_MISS_STORE];
  misses[CACHE_L2] = m[CACHE_MISS_L2];
  misses[CACHE_L3] = m[CACHE_MISS_L3];
  accesses[CACHE_L1I] = insns;
  accesses[CACHE_L1D] = data;
  accesses[CACHE_L2] = misses[CACHE_L1I] + misses[CACHE_L1D];
  accesses[CACHE_L3] = caches[CACHE_L2].size ? misses[CACHE_L2] : accesses[CACHE_L2];
  for (unsigned i = 0; i < CACHE_N_CACHES; i++)
    if (caches[i].size) {
      sums[CACHE_SERIES_ACCESSES + i] += accesses[i];
      sums[CACHE_SERIES_HITS + i] += accesses[i] > misses[i] ? accesses[i] - misses[i] : 0;
    }
}

/* What went by since the last time is put to the account of the address space that ran. [locked] */
static void
cache_account (TcgCache *c, unsigned vcpu)
{
  CacheVcpu *v = &c->vcpus[vcpu];
  CacheSpace *space = space_of (c, v->space);
  CacheAbout went;
  for (unsigned i = 0; i < CACHE_N_LIVE; i++) {
    went.n[i] = v->live->n[i] - v->seen.n[i];
    space->about.n[i] += went.n[i];
    v->seen.n[i] = v->live->n[i];
  }
  uint64_t insns = went.n[CACHE_LIVE_KERNEL] + went.n[CACHE_LIVE_USER];
  add_to_series (c, insns, went.n[CACHE_LIVE_DATA]);
  c->now += insns;
}

/* The caches are warm: all that was counted until now is not. */
static void
begin (TcgCache *c)
{
  c->warm = true;
  cache_model_forget (c->model);
  g_hash_table_remove_all (c->by_space);
  c->model->space = &c->model->nowhere;
  for (unsigned i = 0; i < c->n_vcpus; i++) {
    CacheTotals now = cache_totals_of (c, i);
    for (unsigned k = 0; k < CACHE_N_TOTALS; k++)
      for (unsigned user = 0; user < 2; user++)
        c->vcpus[i].base.n[k][user] += now.n[k][user];
  }
  memset (&c->last, 0, sizeof c->last);
  instr_series_finish (&c->series);
  instr_series_init (&c->series, CACHE_BINS, CACHE_N_SERIES, CACHE_FIRST_BIN);
  c->now = 0;
  c->n_records = c->n_lost = 0;
}

/* --- what the guest does ------------------------------------------------------------------------------------------ */

static void
count_about (TcgCache *c, BpInstrBlock *block, unsigned user)
{
  unsigned n = bp_block_n_insns (block), data = 0;
  for (unsigned i = 0; i < n; i++) {
    unsigned flags = bp_block_insn (block, i)->flags;
    data += !!(flags & BP_INSN_LOADS) + !!(flags & BP_INSN_STORES);
  }
  bp_block_count (block, 0, c->live + 8 * (user ? CACHE_LIVE_USER : CACHE_LIVE_KERNEL), n);
  if (data)
    bp_block_count (block, 0, c->live + 8 * CACHE_LIVE_DATA, data);
}

/* Instructions that lie in two lines are fetched twice. */
static void
count_straddles (TcgCache *c, BpInstrBlock *block, unsigned user)
{
  uint64_t line = c->model->line_bytes;
  for (unsigned i = 0, n = bp_block_n_insns (block); i < n; i++) {
    const BpInsn *insn = bp_block_insn (block, i);
    if ((insn->address & (line - 1)) + insn->size > line)
      bp_block_count (block, i, c->counters[CACHE_STRADDLES][user], 1);
  }
}

static void
on_block (void *self, BpInstrBlock *block)
{
  TcgCache *c = self;
  unsigned user = bp_block_insn (block, 0)->privilege == 3;
  if (c->who == (user ? CACHE_KERNEL : CACHE_USER))
    return;
  bp_block_count (block, BP_EVERY_INSN, c->counters[CACHE_INSNS][user], 1);
  count_about (c, block, user);
  if (c->config.caches[CACHE_L1I].size) {
    count_straddles (c, block, user);
    bp_block_record_fetch (block, c->model->line_bytes, c->filters[1], user);
  }
  if (!c->config.caches[CACHE_L1D].size)
    return;
  if (c->filtered[0]) {
    bp_block_count_memory (block, BP_EVERY_INSN, BP_LOADS, c->counters[CACHE_LOADS][user], 1);
    bp_block_count_memory (block, BP_EVERY_INSN, BP_STORES, c->counters[CACHE_STORES][user], 1);
  }
  bp_block_record_memory (block, BP_EVERY_INSN, BP_LOADS | BP_STORES, c->filters[0], user);
}

/* Lines that others took away must be asked for again. */
static void
forget_stale (TcgCache *c, unsigned vcpu)
{
  bool *stale = c->model->cores[vcpu].stale;
  for (unsigned code = 0; code < 2; code++)
    if (stale[code]) {
      stale[code] = false;
      if (c->filtered[code])
        bp_filter_clear (c->instrument, c->filters[code], vcpu);
    }
}

static void
on_records (void *self, const BpBatch *batch)
{
  TcgCache *c = self;
  g_mutex_lock (&c->lock);
  c->vcpus[batch->vcpu].space = batch->space;
  c->model->space = &space_of (c, batch->space)->misses;
  if (c->index == CACHE_PHYSICAL)
    cache_run_wide (c->model, batch->vcpu, bp_sites (c->instrument), batch->records, batch->n);
  else
    cache_run (c->model, batch->vcpu, bp_sites (c->instrument), batch->records, batch->n);
  c->n_records += batch->n;
  c->n_lost += batch->lost;
  cache_account (c, batch->vcpu);
  if (!c->warm && c->now >= c->warm_up)
    begin (c);
  forget_stale (c, batch->vcpu);
  g_mutex_unlock (&c->lock);
}

static void
on_space (void *self, unsigned vcpu, uint64_t space)
{
  TcgCache *c = self;
  g_mutex_lock (&c->lock);
  cache_account (c, vcpu);
  c->vcpus[vcpu].space = space;
  forget_stale (c, vcpu);
  g_mutex_unlock (&c->lock);
}

static bool
next_page (void *self, unsigned core, uint64_t virtual_address, uint64_t *address)
{
  TcgCache *c = self;
  return bp_translate (c->instrument, core, virtual_address, address);
}

static void
on_report (void *self, BpReport *report)
{
  TcgCache *c = self;
  g_mutex_lock (&c->lock);
  for (unsigned i = 0; i < c->n_vcpus; i++)
    cache_account (c, i);
  cache_fill_report (c, report);
  g_mutex_unlock (&c->lock);
}

/* --- what is memory ------------------------------------------------------------------------------------------------ */

static int
compare_ranges (const void *a, const void *b)
{
  const CacheRange *x = a, *y = b;
  return (x->first > y->first) - (x->first < y->first);
}

static void
on_map_add (void *self, const BpFlatRange *range)
{
  TcgCache *c = self;
  CacheRange row = { range->address, range->address + range->size - 1 };
  if (range->host)
    g_array_append_val (c->ram, row);
}

static void
on_map_remove (void *self, const BpFlatRange *range)
{
  TcgCache *c = self;
  for (unsigned i = 0; i < c->ram->len; i++)
    if (g_array_index (c->ram, CacheRange, i).first == range->address) {
      g_array_remove_index (c->ram, i);
      return;
    }
}

static void
on_map_commit (void *self)
{
  TcgCache *c = self;
  g_array_sort (c->ram, compare_ranges);
  g_mutex_lock (&c->lock);
  cache_model_set_ram (c->model, (const CacheRange *) (void *) c->ram->data, c->ram->len);
  g_mutex_unlock (&c->lock);
}

static const BpMemoryListener map_listener = {
  .struct_size = sizeof map_listener, .add = on_map_add, .remove = on_map_remove, .commit = on_map_commit,
};

/* --- life cycle -------------------------------------------------------------------------------------------------------- */

static bool
tcg_cache_configure (void *self, GError **error)
{
  TcgCache *c = self;
  c->config = (CacheConfig) { .shared_l2 = c->shared_l2, .shared_l3 = c->shared_l3, .inclusive = c->inclusive, .write_through = c->write == 1,
                              .no_allocate = !c->write_allocate, .coherent = c->coherence, .seed = c->seed };
  for (unsigned i = 0; i < CACHE_N_CACHES; i++) {
    static const uint64_t sizes[CACHE_N_CACHES] = { 32 << 10, 32 << 10, 1 << 20, 16 << 20 };
    c->config.caches[i] = (CacheGeometry) { .size = sizes[i], .ways = i < CACHE_L2 ? 8 : 16, .line = 64, .degree = 1 };
    if (!cache_geometry_parse (&c->config.caches[i], cache_keys[i], c->caches[i], error))
      return false;
  }
  return cache_config_check (&c->config, error);
}

/* true, and no filter: this model needs every access, or what its sets make of the filter is no use. */
static bool
make_filter (TcgCache *c, bool code, GError **error)
{
  const CacheGeometry *g = &c->config.caches[code ? CACHE_L1I : CACHE_L1D];
  if (!g->size || !c->filter || !cache_filter_is_exact (&c->config, code))
    return true;
  uint64_t sets = g->size / g->line / g->ways;
  BpFilterDesc desc = { .struct_size = sizeof desc, .line_bytes = g->line, .entries = (uint32_t) MIN (MIN (sets, 4096 / g->line), 64), .stores_apart = !code };
  if (desc.entries < 4)
    return true;
  c->filters[code] = bp_filter_new (c->instrument, &desc, error);
  c->filtered[code] = c->filters[code] != 0;
  return c->filtered[code];
}

static bool
tcg_cache_realize (void *self, GError **error)
{
  static const BpInstrumentOps wide = { .struct_size = sizeof wide, .flags = BP_INSTRUMENT_WIDE, .block = on_block, .records = on_records,
                                        .space = on_space, .report = on_report };
  static const BpInstrumentOps narrow = { .struct_size = sizeof narrow, .block = on_block, .records = on_records, .space = on_space,
                                          .report = on_report };
  TcgCache *c = self;
  g_mutex_init (&c->lock);
  c->by_space = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_free);
  c->ram = g_array_new (FALSE, FALSE, sizeof (CacheRange));
  c->instrument = bp_instrument_attach (self, c->index == CACHE_PHYSICAL ? &wide : &narrow, self, error);
  if (!c->instrument)
    return false;
  c->n_vcpus = bp_instrument_n_vcpus (c->instrument);
  c->vcpus = g_new0 (CacheVcpu, c->n_vcpus);
  c->model = cache_model_new (&c->config, c->n_vcpus);
  if (!c->model) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the host has no memory for caches of %u cores", c->n_vcpus);
    return false;
  }
  c->warm = !c->warm_up;
  instr_series_init (&c->series, CACHE_BINS, CACHE_N_SERIES, CACHE_FIRST_BIN);
  for (unsigned i = 0; i < CACHE_N_TOTALS; i++)
    for (unsigned user = 0; user < 2; user++)
      c->counters[i][user] = bp_counter_new (c->instrument, 0);
  c->live = bp_scoreboard_new (c->instrument, sizeof (CacheAbout));
  for (unsigned i = 0; i < c->n_vcpus; i++)
    c->vcpus[i].live = bp_counter_at (c->instrument, c->live, i);
  if (!make_filter (c, false, error) || !make_filter (c, true, error))
    return false;
  if (c->index == CACHE_VIRTUAL)
    return true;
  c->model->next_page = next_page;
  c->model->next_page_user = c;
  c->memory = bp_machine_address_space (bp_object_machine (self), "memory");
  c->listener = bp_as_listen (c->memory, &map_listener, c);
  return true;
}

static void
tcg_cache_unrealize (void *self)
{
  TcgCache *c = self;
  if (c->memory)
    bp_as_unlisten (c->memory, c->listener);
  bp_instrument_detach (c->instrument);
  cache_model_free (c->model);
  instr_series_finish (&c->series);
  g_clear_pointer (&c->by_space, g_hash_table_unref);
  g_clear_pointer (&c->ram, g_array_unref);
  g_clear_pointer (&c->vcpus, g_free);
  g_mutex_clear (&c->lock);
  c->memory = NULL;
  c->instrument = NULL;
  c->model = NULL;
}

/* --- tables --------------------------------------------------------------------------------------------------------------- */

static const char *const write_names[] = { "back", "through", NULL };
static const char *const index_names[] = { "physical", "virtual", NULL };
static const char *const who_names[] = { "all", "user", "kernel", NULL };
static const char *const rank_names[] = { "l1", "l1i", "l1d", "l2", "l3", NULL };

static const BpProperty properties[] = {
  BP_PROP_STRING ("l1i", TcgCache, caches[CACHE_L1I], "size=32K,ways=8,line=64,policy=lru",
                  "Each core's code cache: size=BYTES, ways=N|full, line=BYTES, policy=lru|plru|fifo|random, prefetch=none|next-line, degree=LINES; "
                  "or none."),
  BP_PROP_STRING ("l1d", TcgCache, caches[CACHE_L1D], "size=32K,ways=8,line=64,policy=lru",
                  "Each core's data cache, in the words of l1i; prefetch=stride too."),
  BP_PROP_STRING ("l2", TcgCache, caches[CACHE_L2], "size=1M,ways=16,line=64,policy=lru",
                  "The cache for code and data below the first ones, in the words of l1d; none: there is none."),
  BP_PROP_STRING ("l3", TcgCache, caches[CACHE_L3], "none", "The cache below l2, in the words of l1d; none: there is none."),
  BP_PROP_BOOL ("shared-l2", TcgCache, shared_l2, false, "One l2 for all vCPUs; off: one for each."),
  BP_PROP_BOOL ("shared-l3", TcgCache, shared_l3, true, "One l3 for all vCPUs; off: one for each."),
  BP_PROP_BOOL ("inclusive", TcgCache, inclusive, false,
                "A cache holds all that the ones above it hold: what it throws out, they lose too.  Every access is recorded then, which is slower."),
  BP_PROP_ENUM ("write", TcgCache, write, 0, write_names,
                "What a store does in l1d: `back' makes the line dirty, `through' goes on to the level below (and every access is recorded, which is "
                "slower)."),
  BP_PROP_BOOL ("write-allocate", TcgCache, write_allocate, true,
                "A store that misses in l1d brings the line in; off: it goes to the level below alone (and every access is recorded, which is slower)."),
  BP_PROP_BOOL ("coherence", TcgCache, coherence, true,
                "With several vCPUs: a store takes the line out of the other cores' caches, a load makes their dirty copies clean."),
  BP_PROP_ENUM ("index", TcgCache, index, CACHE_PHYSICAL, index_names,
                "The addresses that lines are known by.  Virtual ones of different address spaces are not told apart; devices look like memory."),
  BP_PROP_BOOL ("filter", TcgCache, filter, true,
                "Where nothing depends on it, accesses to the line that its set saw last are counted but not recorded; off: every access is recorded.  The "
                "results are the same."),
  BP_PROP_ENUM ("privilege", TcgCache, who, CACHE_ALL, who_names,
                "Whose accesses there are: everybody's, those of user programs (privilege 3) alone, or those of all other code alone."),
  BP_PROP_U64 ("seed", TcgCache, seed, 1, "What the random policy starts from."),
  BP_PROP_U64 ("warm-up", TcgCache, warm_up, 0, "Instructions of all vCPUs together that fill the caches before counting begins."),
  BP_PROP_U32_RANGE ("top", TcgCache, top, 25, 0, 100000, "Rows of each table of the report that names instructions, symbols, lines, processes; 0: all."),
  BP_PROP_ENUM ("rank", TcgCache, rank, CACHE_RANK_L1, rank_names, "The misses that those tables are sorted by; l1: those of l1i and l1d together."),
  BP_PROP_END
};

static const BpTypeDesc tcg_cache_type = {
  BP_TYPE ("tcg-cache", BP_KIND_INSTRUMENT, TcgCache),
  .description = "caches of the whole system, exactly: L1I, L1D, L2 and L3 of every core",
  .properties = properties,
  .configure = tcg_cache_configure,
  .realize = tcg_cache_realize,
  .unrealize = tcg_cache_unrealize,
};

static const BpTypeDesc *const types[] = { &tcg_cache_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-cache", .version = "1.0", .licence = "MIT", .description = "a model of the caches of the whole system", .types = types);
