/* tcg-cache-hierarchy.c -- what happens below the first level: fills, victims, write-backs, inclusion, coherence, prefetches. */
/* SPDX-License-Identifier: MIT */
#include "tcg-cache-model.h"

/* --- lines that go --------------------------------------------------------------------------------------------- */

static void write_down (CacheModel *model, CacheLevel *level, uint64_t line);

/* Takes the line out of a level and those above it; says whether any of them had written to it. */
static bool
drop_above (CacheModel *model, CacheLevel *level, uint64_t line)
{
  bool dirty = false;
  for (unsigned i = 0; i < level->n_above; i++) {
    CacheLevel *above = level->above[i];
    dirty |= drop_above (model, above, line);
    uint64_t set = cache_set (above, line);
    int way = cache_find (above, set, line);
    if (way < 0)
      continue;
    dirty |= (cache_words (above, set)[way] & CACHE_DIRTY) != 0;
    cache_level_drop (above, set, (unsigned) way);
    above->counts.inclusion_victims++;
    if (above->number == 1)
      model->cores[above->core].stale[above->is_code] = true;
  }
  return dirty;
}

/* Makes room: what was there is written down when that is needed. */
static void
evict (CacheModel *model, CacheLevel *level, uint64_t set, unsigned way)
{
  uint64_t word = cache_words (level, set)[way];
  if (!word)
    return;
  uint64_t line = word & ~(uint64_t) CACHE_FLAGS;
  bool dirty = (word & CACHE_DIRTY) != 0;
  if (model->config.inclusive)
    dirty |= drop_above (model, level, line);
  if (dirty) {
    level->counts.write_backs++;
    write_down (model, level->below, line);
  }
}

/* A whole line from above. */
static void
write_down (CacheModel *model, CacheLevel *level, uint64_t line)
{
  if (!level) {
    model->memory_writes++;
    return;
  }
  level->counts.written++;
  uint64_t set = cache_set (level, line);
  int way = cache_find (level, set, line);
  if (way >= 0) {
    cache_words (level, set)[way] |= CACHE_DIRTY;
    cache_touch (level, set, (unsigned) way);
    return;
  }
  unsigned victim = cache_level_victim (level, set);
  evict (model, level, set, victim);
  cache_level_insert (level, set, victim, line, CACHE_DIRTY);
}

/* --- other cores ------------------------------------------------------------------------------------------------- */

/* The first level that this core shares with others; NULL: memory. */
static CacheLevel *
common (const CacheCore *core)
{
  CacheLevel *level = core->own[core->n_own - 1];
  return level->below;
}

/* Others' copies are cleaned, because this core reads; or taken away, because it writes. */
static void
snoop (CacheModel *model, const CacheCore *core, uint64_t line, bool write)
{
  for (unsigned i = 0; i < model->n_cores; i++) {
    CacheCore *other = &model->cores[i];
    bool dirty = false;
    if (other == core)
      continue;
    for (unsigned k = 0; k < other->n_own; k++) {
      CacheLevel *level = other->own[k];
      uint64_t set = cache_set (level, line);
      int way = cache_find (level, set, line);
      if (way < 0)
        continue;
      uint64_t *word = cache_words (level, set) + way;
      if (*word & CACHE_DIRTY) {
        dirty = true;
        level->counts.interventions++;
        *word &= ~(uint64_t) CACHE_DIRTY;
        other->stale[level->is_code] |= level->number == 1;
      }
      if (write) {
        cache_level_drop (level, set, (unsigned) way);
        level->counts.invalidations++;
        other->stale[level->is_code] |= level->number == 1;
      }
    }
    if (dirty)
      write_down (model, common (other), line);
  }
}

static bool
is_coherent (const CacheModel *model)
{
  return model->config.coherent && model->n_cores > 1;
}

/* --- requests ------------------------------------------------------------------------------------------------------ */

static CacheSite *
charged_site (CacheModel *model, const BpSite *site)
{
  size_t number = (size_t) (site - model->base);
  if (G_UNLIKELY (number >= model->n_sites))
    model->n_sites = number + 1;
  return cache_model_site (model, number);
}

static void
charge (CacheModel *model, CacheLevel *level, uint64_t set, const CacheRequest *request)
{
  unsigned column = level->number == 1 ? (unsigned) request->kind : level->number == 2 ? CACHE_MISS_L2 : CACHE_MISS_L3;
  level->counts.misses[request->kind][request->user]++;
  level->set_misses[set]++;
  charged_site (model, request->site)->misses[level->number - 1]++;
  model->space->n[column]++;
  model->total.n[column]++;
}

/* What the level below will look at is on its way from the host's memory while this level is still busy: the line's set, and that of the line that goes. */
static void
announce (CacheLevel *level, uint64_t set, uint64_t line)
{
  cache_announce (level->below, cache_set (level->below, line));
  if (level->policy == CACHE_RANDOM)
    return;
  uint64_t word = cache_words (level, set)[cache_level_victim (level, set)];
  if (word & CACHE_DIRTY)
    cache_announce (level->below, cache_set (level->below, word));
}

static void
ask_below (CacheModel *model, CacheCore *core, CacheLevel *level, uint64_t line, const CacheRequest *request, bool write)
{
  CacheLevel *below = level->below;
  if (!level->is_shared && is_coherent (model) && (!below || below->is_shared))
    snoop (model, core, line, false);
  if (below) {
    CacheRequest next = *request;
    next.write = write;
    cache_request (model, core, below, line, cache_find (below, cache_set (below, line), line), &next);
  } else if (write)
    model->memory_writes++;
  else
    model->memory_reads++;
}

static void
fill (CacheModel *model, CacheLevel *level, uint64_t set, uint64_t line, const CacheRequest *request)
{
  unsigned way = cache_level_victim (level, set);
  evict (model, level, set, way);
  if (request->origin == level)
    cache_level_insert_behind (level, set, way, line, CACHE_PREFETCHED);
  else
    cache_level_insert (level, set, way, line, request->write && !level->write_through ? CACHE_DIRTY : 0);
}

static void
hear (CacheModel *model, CacheLevel *level)
{
  if (level->prefetch)
    model->heard[model->n_heard++] = level;
}

static void
hit (CacheModel *model, CacheCore *core, CacheLevel *level, uint64_t set, unsigned way, uint64_t line, const CacheRequest *request)
{
  uint64_t *word = cache_words (level, set) + way;
  if (!request->origin && *word & CACHE_PREFETCHED) {
    *word &= ~(uint64_t) CACHE_PREFETCHED;
    level->counts.useful++;
    hear (model, level);
  }
  cache_touch (level, set, way);
  if (!request->write)
    return;
  if (level->write_through)
    ask_below (model, core, level, line, request, true);
  else
    *word |= CACHE_DIRTY;
}

static void
miss (CacheModel *model, CacheCore *core, CacheLevel *level, uint64_t set, uint64_t line, const CacheRequest *request)
{
  if (level->below)
    announce (level, set, line);
  if (!request->origin) {
    charge (model, level, set, request);
    hear (model, level);
  } else if (request->origin != level)
    level->counts.prefetch_misses++;
  bool through = request->write && (level->write_through || level->no_allocate);
  ask_below (model, core, level, line, request, through);
  if (request->write && level->no_allocate)
    return;
  if (through && !level->below)
    model->memory_reads++;      /* the rest of the line */
  fill (model, level, set, line, request);
}

void
cache_request (CacheModel *model, CacheCore *core, CacheLevel *level, uint64_t line, int way, const CacheRequest *request)
{
  uint64_t set = cache_set (level, line);
  if (!request->origin)
    level->counts.accesses[request->kind][request->user]++;
  else if (request->origin != level)
    level->counts.prefetch_requests++;
  if (request->write && level->number == 1 && is_coherent (model) && !(way >= 0 && cache_words (level, set)[way] & CACHE_DIRTY))
    snoop (model, core, line, true);
  if (way >= 0)
    hit (model, core, level, set, (unsigned) way, line, request);
  else
    miss (model, core, level, set, line, request);
}

/* --- accesses ---------------------------------------------------------------------------------------------------------- */

void
cache_model_slow (CacheModel *model, CacheCore *core, uint64_t line, int way, const BpSite *site)
{
  CacheRequest request = { .kind = (CacheKind) site->kind, .user = site->user != 0, .write = site->kind == CACHE_STORE, .site = site };
  if (G_UNLIKELY (!cache_is_ram (model, line))) {
    model->unknown_pages += line == (UINT64_MAX & model->line_mask);    /* the host could not say */
    core->uncached[site->kind][site->user]++;
    return;
  }
  model->n_heard = 0;
  cache_request (model, core, core->first[site->kind == CACHE_FETCH], line, way, &request);
  for (unsigned i = 0; i < model->n_heard; i++)
    cache_prefetch (model, core, model->heard[i], line, &request);
}

/* Any first level, any access: the rule that the loop over records has in a faster form. */
static void
access_line (CacheModel *model, CacheCore *core, uint64_t line, const BpSite *site)
{
  CacheLevel *level = core->first[site->kind == CACHE_FETCH];
  uint64_t set = cache_set (level, line);
  int way = cache_find (level, set, line);
  uint64_t *word = cache_words (level, set) + way;
  if (way < 0 || ((*word ^ model->slow_invert[site->kind]) & model->slow_test[site->kind])) {
    cache_model_slow (model, core, line, way, site);
    return;
  }
  level->counts.accesses[site->kind][site->user]++;
  *word |= site->kind == CACHE_STORE ? CACHE_DIRTY : 0;
  cache_touch (level, set, (unsigned) way);
}

void
cache_model_access (CacheModel *model, unsigned core, uint64_t address, uint64_t virtual_address, uint32_t bytes, const BpSite *site)
{
  uint64_t line = address & model->line_mask, at = virtual_address & model->line_mask, last = (virtual_address + MAX (bytes, 1) - 1) & model->line_mask;
  bool known = address != UINT64_MAX;
  for (;;) {
    if (known) {
      access_line (model, &model->cores[core], line, site);
    } else {
      model->unknown_pages++;
      model->cores[core].uncached[site->kind][site->user]++;
    }
    if (at == last)
      return;
    model->cores[core].extra_lines[site->kind][site->user]++;
    line += model->line_bytes;
    at += model->line_bytes;
    if (!(at & CACHE_PAGE_MASK) && model->next_page)
      known = model->next_page (model->next_page_user, core, at, &line);
  }
}
