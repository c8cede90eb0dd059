/* tcg-cache-batch.c -- arrays of the host's records through the model: the loop that everything waits for. */
/* SPDX-License-Identifier: MIT */
/*
 * A record that is a plain hit in a first level of the usual kinds (at most sixteen ways; LRU, FIFO or random) is dealt with here without a branch that
 * depends on it; all others go to the hierarchy.  What the loop needs is copied to where no store of the model can change it, as far as the compiler knows.
 */
#include "tcg-cache-batch.h"

typedef struct Hot {            /* of a first level */
  uint64_t *words;
  int16_t *meta;
  uint64_t set_mask;
} Hot;

typedef struct Loop {
  Hot hot[2];                   /* [is_code] */
  uint64_t line_mask;
  uint32_t line_bytes, line_shift, signature_shift[2];
  uint8_t invert[CACHE_N_KINDS], test[CACHE_N_KINDS];
  uint64_t hits[CACHE_N_KINDS][2];
} Loop;

static void
loop_init (Loop *loop, const CacheModel *model, const CacheCore *core)
{
  *loop = (Loop) { .line_mask = model->line_mask, .line_bytes = model->line_bytes, .line_shift = (uint32_t) __builtin_ctz (model->line_bytes) };
  memcpy (loop->invert, model->slow_invert, sizeof loop->invert);
  memcpy (loop->test, model->slow_test, sizeof loop->test);
  for (unsigned code = 0; code < 2; code++) {
    const CacheLevel *level = core->first[code];
    if (!level)
      continue;
    loop->hot[code] = (Hot) { level->words, level->meta, level->set_mask };
    loop->signature_shift[code] = level->signature_shift;
  }
}

static void
loop_finish (const Loop *loop, const CacheCore *core)
{
  for (unsigned kind = 0; kind < CACHE_N_KINDS; kind++)
    for (unsigned user = 0; user < 2; user++)
      if (loop->hits[kind][user])
        core->first[kind == CACHE_FETCH]->counts.accesses[kind][user] += loop->hits[kind][user];
}

/* lanes, lru: constants. */
static inline __attribute__ ((always_inline)) void
one (Loop *loop, CacheModel *model, unsigned core, uint64_t address, uint64_t virtual_address, uint32_t bytes, const BpSite *site, unsigned lanes, bool lru)
{
  uint64_t line = address & loop->line_mask;
  unsigned code = site->kind >> 1;
  Hot *hot = &loop->hot[code];
  if (G_UNLIKELY (address - line + bytes > loop->line_bytes)) {
    cache_model_access (model, core, address, virtual_address, bytes, site);
    return;
  }
  uint64_t set = line >> loop->line_shift & hot->set_mask;
  int16_t *signatures = hot->meta + set * 2 * lanes;
  int16_t signature = (int16_t) (line >> loop->signature_shift[code]);
  uint64_t *words = hot->words + set * lanes;
  int way = -1;
  uint32_t mask = cache_equal (signatures, signature);
  if (lanes == 2 * CACHE_LANES)
    mask |= cache_equal (signatures + CACHE_LANES, signature) << 16;
  for (; mask; mask &= mask - 1, mask &= mask - 1) {
    unsigned candidate = (unsigned) __builtin_ctz (mask) / 2;
    if (G_LIKELY (cache_holds (words[candidate], line))) {
      uint64_t word = words[candidate];
      way = (int) candidate;
      if (G_UNLIKELY ((word ^ loop->invert[site->kind]) & loop->test[site->kind]))
        break;
      words[candidate] = word | (uint64_t) (site->kind & CACHE_STORE) << 1;
      loop->hits[site->kind][site->user]++;
      if (lru)
        cache_rejuvenate (signatures + lanes, candidate, lanes);
      return;
    }
  }
  cache_model_slow (model, &model->cores[core], line, way, site);
}

G_STATIC_ASSERT ((unsigned) CACHE_LOAD == BP_RECORD_LOAD && (unsigned) CACHE_STORE == BP_RECORD_STORE && (unsigned) CACHE_FETCH == BP_RECORD_FETCH);
G_STATIC_ASSERT (CACHE_STORE << 1 == CACHE_DIRTY && CACHE_FETCH >> 1 == 1 && !(CACHE_FETCH & CACHE_STORE));

/* Which form of the loop. */
typedef enum Form { FORM_GENERAL, FORM_8_LRU, FORM_16_LRU, FORM_8, FORM_16 } Form;

static Form
form_of (const CacheCore *core)
{
  const CacheLevel *data = core->first[0] ? core->first[0] : core->first[1], *code = core->first[1] ? core->first[1] : data;
  bool lru = data->policy == CACHE_LRU, plain = data->policy == CACHE_FIFO || data->policy == CACHE_RANDOM;
  if (lru ? code->policy != CACHE_LRU : !plain || (code->policy != CACHE_FIFO && code->policy != CACHE_RANDOM))
    return FORM_GENERAL;
  if (data->lanes == CACHE_LANES)
    return lru ? FORM_8_LRU : FORM_8;
  if (data->lanes == 2 * CACHE_LANES)
    return lru ? FORM_16_LRU : FORM_16;
  return FORM_GENERAL;
}

#define EACH(call_) \
  for (size_t i = 0; i < n; i++) { \
    const BpSite *site = &sites[records[i].site]; \
    uint32_t bytes = records[i].bytes ? records[i].bytes : site->bytes; \
    call_; \
  } \
  break

#define RUN(physical_) \
  do { \
    Loop loop; \
    model->base = sites; \
    loop_init (&loop, model, &model->cores[core]); \
    switch (form_of (&model->cores[core])) { \
    case FORM_8_LRU: EACH (one (&loop, model, core, physical_, records[i].address, bytes, site, CACHE_LANES, true)); \
    case FORM_16_LRU: EACH (one (&loop, model, core, physical_, records[i].address, bytes, site, 2 * CACHE_LANES, true)); \
    case FORM_8: EACH (one (&loop, model, core, physical_, records[i].address, bytes, site, CACHE_LANES, false)); \
    case FORM_16: EACH (one (&loop, model, core, physical_, records[i].address, bytes, site, 2 * CACHE_LANES, false)); \
    default: EACH (cache_model_access (model, core, physical_, records[i].address, bytes, site)); \
    } \
    loop_finish (&loop, &model->cores[core]); \
  } while (0)

void
cache_run_wide (CacheModel *model, unsigned core, const BpSite *sites, const BpWideRecord *records, size_t n)
{
  RUN (records[i].physical);
}

void
cache_run (CacheModel *model, unsigned core, const BpSite *sites, const BpRecord *records, size_t n)
{
  RUN (records[i].address);
}
