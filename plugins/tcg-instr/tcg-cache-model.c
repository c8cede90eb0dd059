/* tcg-cache-model.c -- the caches of all cores: how they are put together, and which accesses need not be told. */
/* SPDX-License-Identifier: MIT */
#include "tcg-cache-model.h"

/* --- the parts --------------------------------------------------------------------------------------------------- */

static CacheLevel *
add_level (CacheModel *model, unsigned which, unsigned core, bool is_shared)
{
  static const unsigned numbers[CACHE_N_CACHES] = { 1, 1, 2, 3 };
  const CacheConfig *config = &model->config;
  if (!config->caches[which].size)
    return NULL;
  /* the first levels have as many lanes as one another: the loop over records needs but one form */
  uint32_t lanes = numbers[which] == 1 ? MAX (cache_lanes (&config->caches[CACHE_L1I]), cache_lanes (&config->caches[CACHE_L1D])) : 0;
  CacheLevel *level = cache_level_new (&config->caches[which], config->seed + model->n_levels, lanes);
  if (!level) {
    model->is_out_of_memory = true;
    return NULL;
  }
  level->number = numbers[which];
  level->is_code = which == CACHE_L1I;
  level->core = core;
  level->is_shared = is_shared;
  level->write_through = which == CACHE_L1D && config->write_through;
  level->no_allocate = which == CACHE_L1D && config->no_allocate;
  model->levels[model->n_levels++] = level;
  if (!is_shared)
    model->cores[core].own[model->cores[core].n_own++] = level;
  return level;
}

static void
put_above (CacheLevel *above, CacheLevel *below)
{
  above->below = below;
  if (!below)
    return;
  below->above = g_renew (CacheLevel *, below->above, below->n_above + 1);
  below->above[below->n_above++] = above;
}

static void
build (CacheModel *model)
{
  const CacheConfig *config = &model->config;
  CacheLevel *l2 = NULL, *l3 = NULL;
  for (unsigned i = 0; i < model->n_cores; i++) {
    CacheCore *core = &model->cores[i];
    CacheLevel *l1i = add_level (model, CACHE_L1I, i, false), *l1d = add_level (model, CACHE_L1D, i, false);
    bool is_new = !i || !config->shared_l2;
    if (is_new)
      l2 = add_level (model, CACHE_L2, i, config->shared_l2 && model->n_cores > 1);
    if (l1i)
      put_above (l1i, l2);
    if (l1d)
      put_above (l1d, l2);
    if (!i || !config->shared_l3)
      l3 = add_level (model, CACHE_L3, i, config->shared_l3 && model->n_cores > 1);
    if (l2 && is_new)
      put_above (l2, l3);
    if (!l2 && l1i)
      put_above (l1i, l3);
    if (!l2 && l1d)
      put_above (l1d, l3);
    core->first[0] = l1d;
    core->first[1] = l1i;
  }
}

/* Which hits in a first level are more than that. */
static void
find_slow_hits (CacheModel *model)
{
  for (unsigned kind = 0; kind < CACHE_N_KINDS; kind++)
    model->slow_test[kind] = CACHE_PREFETCHED;
  if (model->config.write_through) {
    model->slow_test[CACHE_STORE] |= CACHE_VALID;
  } else if (model->config.coherent && model->n_cores > 1) {
    model->slow_test[CACHE_STORE] |= CACHE_DIRTY;
    model->slow_invert[CACHE_STORE] = CACHE_DIRTY;
  }
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

CacheModel *
cache_model_new (const CacheConfig *config, unsigned n_cores)
{
  CacheModel *model = g_new0 (CacheModel, 1);
  model->config = *config;
  model->n_cores = n_cores;
  model->cores = g_new0 (CacheCore, n_cores);
  model->levels = g_new0 (CacheLevel *, (size_t) n_cores * CACHE_N_CACHES);
  model->line_bytes = config->caches[config->caches[CACHE_L1D].size ? CACHE_L1D : CACHE_L1I].line;
  model->line_mask = ~(uint64_t) (model->line_bytes - 1);
  model->space = &model->nowhere;
  model->is_out_of_memory = !instr_array_init (&model->sites, sizeof (CacheSite), 0, NULL);
  build (model);
  find_slow_hits (model);
  if (model->is_out_of_memory)
    g_clear_pointer (&model, cache_model_free);
  return model;
}

void
cache_model_free (CacheModel *model)
{
  if (!model)
    return;
  for (unsigned i = 0; i < model->n_levels; i++)
    cache_level_free (model->levels[i]);
  g_free (model->levels);
  g_free (model->cores);
  instr_array_finish (&model->sites);
  g_free (model->ram);
  g_free (model);
}

CacheMisses
cache_site_misses (const CacheModel *model, size_t site)
{
  const uint64_t *n = cache_model_site (model, site)->misses;
  CacheMisses m = { 0 };
  m.n[CACHE_MISS_L2] = n[1];
  m.n[CACHE_MISS_L3] = n[2];
  if (n[0])
    m.n[model->base[site].kind] = n[0];
  return m;
}

void
cache_model_forget (CacheModel *model)
{
  for (unsigned i = 0; i < model->n_levels; i++) {
    CacheLevel *level = model->levels[i];
    memset (&level->counts, 0, sizeof level->counts);
    memset (level->set_misses, 0, (level->set_mask + 1) * sizeof *level->set_misses);
  }
  memset (model->sites.items, 0, model->n_sites * sizeof (CacheSite));
  memset (&model->total, 0, sizeof model->total);
  for (unsigned i = 0; i < model->n_cores; i++) {
    memset (model->cores[i].uncached, 0, sizeof model->cores[i].uncached);
    memset (model->cores[i].extra_lines, 0, sizeof model->cores[i].extra_lines);
  }
  model->memory_reads = model->memory_writes = model->unknown_pages = 0;
}

/* --- what is cached ------------------------------------------------------------------------------------------------ */

void
cache_model_set_ram (CacheModel *model, const CacheRange *ranges, size_t n)
{
  g_free (model->ram);
  model->ram = n ? g_memdup2 (ranges, n * sizeof *ranges) : NULL;
  model->n_ram = n;
  model->here = (CacheRange) { 1, 0 };
}

bool
cache_is_ram (CacheModel *model, uint64_t line)
{
  if (!model->n_ram || (line >= model->here.first && line <= model->here.last))
    return true;
  size_t low = 0, high = model->n_ram;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (line > model->ram[middle].last)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == model->n_ram || line < model->ram[low].first)
    return false;
  model->here = model->ram[low];
  return true;
}

/* --- what the host may leave out --------------------------------------------------------------------------------- */

bool
cache_filter_is_exact (const CacheConfig *config, bool code)
{
  const CacheGeometry *first = &config->caches[code ? CACHE_L1I : CACHE_L1D];
  bool below = config->caches[CACHE_L2].size || config->caches[CACHE_L3].size;
  if (config->inclusive && below)
    return false;
  if (first->prefetch && (first->ways < 2 || first->policy == CACHE_FIFO || first->policy == CACHE_RANDOM))
    return false;
  return code || (!config->write_through && !config->no_allocate);
}
