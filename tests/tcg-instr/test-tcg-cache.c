/* test-tcg-cache.c -- the cache model against one that is obviously right, access for access, with and without the host's filter. */
/* SPDX-License-Identifier: MIT */
#include "cache-reference.h"
#include "tcg-instr/tcg-cache-batch.h"
#include "../suite.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_INSNS = 40, N_PAGES = 64, PAGE = 4096 };

static BpInsn insns[N_INSNS];
static BpSite sites[512];       /* of the filtered model: the records of a batch; the last one: the other model's */

/* --- numbers -------------------------------------------------------------------------------------------------------- */

static uint64_t dice;

static uint32_t
roll (uint32_t n)
{
  dice = dice * 6364136223846793005ull + 1442695040888963407ull;
  return (uint32_t) ((dice >> 33) % n);
}

/* --- the host's filter, by the words of instrument.h ---------------------------------------------------------------- */

typedef struct Filter {
  uint32_t line, entries;
  uint64_t last[64];            /* + 1 */
  bool stored[64];              /* the last access that was not left out was a store to that line */
} Filter;

static void
filter_init (Filter *f, const CacheGeometry *g)
{
  uint64_t sets = g->size / g->line / g->ways;
  *f = (Filter) { .line = g->line, .entries = (uint32_t) MIN (MIN (sets, PAGE / g->line), 64) };
}

static bool
left_out (Filter *f, uint64_t address, uint32_t bytes, bool store)
{
  uint64_t line = address / f->line, end = (address + bytes - 1) / f->line;
  uint32_t at = line % f->entries;
  if (line == end && f->last[at] == line + 1 && (!store || f->stored[at]))
    return true;
  for (; line <= end; line++) {
    f->last[line % f->entries] = line + 1;
    f->stored[line % f->entries] = store;
  }
  return false;
}

/* --- what is accessed --------------------------------------------------------------------------------------------------- */

typedef struct Access {
  unsigned core;
  uint64_t address;             /* virtual */
  uint32_t bytes, insn;
  CacheKind kind;
} Access;

typedef struct Mix {
  unsigned kind, n_cores;
  uint32_t span, stores, fetches, conflict;
  uint64_t at[8];
  int64_t stride[8];
} Mix;

static Access
next_access (Mix *m)
{
  Access a = { .core = roll (m->n_cores), .bytes = 1u << roll (4), .insn = roll (N_INSNS) };
  unsigned stream = a.insn % 8;
  a.kind = roll (100) < m->fetches ? CACHE_FETCH : roll (100) < m->stores ? CACHE_STORE : CACHE_LOAD;
  switch (m->kind) {
  case 0:                       /* anywhere */
    a.address = roll (m->span);
    break;
  case 1:                       /* streams, each with a step of its own */
    a.address = m->at[stream] = (m->at[stream] + (uint64_t) m->stride[stream]) % (N_PAGES * PAGE);
    break;
  case 2:                       /* lines of one set, mostly */
    a.address = roll (8) ? (uint64_t) roll (12) * m->conflict % (N_PAGES * PAGE) + roll (8) : roll (m->span);
    break;
  default:                      /* a copy: two streams in step */
    a.address = m->at[0] += 8;
    a.kind = a.address & 8 ? CACHE_STORE : CACHE_LOAD;
    a.address = (a.address / 16 * 8 + (a.address & 8 ? N_PAGES * PAGE / 2 : 0)) % (N_PAGES * PAGE);
    break;
  }
  if (!roll (30))
    a.bytes = 1 + roll (200);
  if (a.kind == CACHE_FETCH)
    a.bytes = 1;
  if (a.address + a.bytes > N_PAGES * PAGE)
    a.address = 0;
  return a;
}

/* --- a geometry ---------------------------------------------------------------------------------------------------------- */

static void
any_cache (CacheGeometry *g, uint32_t line, unsigned sets_log, bool code)
{
  static const uint32_t ways[] = { 1, 2, 4, 8, 3, 12, 16, 5 };
  *g = (CacheGeometry) { .line = line, .policy = (CachePolicy) roll (4), .ways = ways[roll (8)], .degree = 1 + roll (3) };
  if (g->policy == CACHE_PLRU)
    g->ways = 1u << roll (5);
  if (!roll (3))
    g->prefetch = code ? CACHE_NEXT_LINE : (CachePrefetch) (1 + roll (2));
  g->size = ((uint64_t) g->ways * line) << roll (sets_log);
}

static void
any_config (CacheConfig *c)
{
  uint32_t line = 16u << roll (4);
  memset (c, 0, sizeof *c);
  c->seed = roll (1000);
  any_cache (&c->caches[CACHE_L1I], line, 4, true);
  any_cache (&c->caches[CACHE_L1D], line, 5, false);
  if (roll (4))
    any_cache (&c->caches[CACHE_L2], line, 6, false);
  if (!roll (3))
    any_cache (&c->caches[CACHE_L3], line, 7, false);
  c->shared_l2 = roll (2);
  c->shared_l3 = c->shared_l2 || roll (2);
  c->inclusive = !roll (3);
  c->write_through = !roll (4);
  c->no_allocate = !roll (4);
  c->coherent = roll (2);
}

/* --- comparing ------------------------------------------------------------------------------------------------------------- */

static uint64_t
sum (const uint64_t n[CACHE_N_KINDS][2])
{
  return n[0][0] + n[0][1] + n[1][0] + n[1][1] + n[2][0] + n[2][1];
}

/* false: their counts differ. */
static bool
same_counts (const CacheModel *m, const Ref *ref)
{
  bool same = m->memory_reads == ref->reads && m->memory_writes == ref->writes;
  for (unsigned i = 0; i < m->n_levels; i++) {
    const CacheCounts *a = &m->levels[i]->counts;
    const RefCache *b = &ref->caches[i];
    same &= sum (a->misses) == b->misses && a->write_backs == b->write_backs && a->written == b->written && a->prefetches == b->prefetches
            && a->useful == b->useful && a->invalidations == b->invalidations && a->interventions == b->interventions && a->inclusion_victims == b->lost;
  }
  return same;
}

static bool
same_lines (const CacheModel *m, Ref *ref)
{
  for (unsigned i = 0; i < m->n_levels; i++) {
    const CacheLevel *level = m->levels[i];
    RefCache *c = &ref->caches[i];
    for (uint64_t line = 0; line < N_PAGES * PAGE; line += c->g.line) {
      RefLine *l = ref_find (c, line);
      int way = cache_find (level, cache_set (level, line), line);
      uint64_t word = way < 0 ? 0 : cache_words (level, cache_set (level, line))[way];
      if (!l != (way < 0) || (l && (l->dirty != !!(word & CACHE_DIRTY) || l->ahead != !!(word & CACHE_PREFETCHED))))
        return false;
    }
  }
  return true;
}

static void
explain (unsigned round, const CacheConfig *c, const CacheModel *m, const Ref *ref, unsigned n, const char *what)
{
  fprintf (stderr, "round %u, access %u, %s: inclusive %d through %d no-allocate %d coherent %d shared %d %d cores %u\n", round, n, what, c->inclusive,
           c->write_through, c->no_allocate, c->coherent, c->shared_l2, c->shared_l3, m->n_cores);
  for (unsigned i = 0; i < CACHE_N_CACHES; i++) {
    g_autofree char *text = cache_geometry_text (&c->caches[i]);
    fprintf (stderr, "  %s; size %u\n", text, (unsigned) c->caches[i].size);
  }
  fprintf (stderr, "  memory %u %u, reference %u %u\n", (unsigned) m->memory_reads, (unsigned) m->memory_writes, (unsigned) ref->reads,
           (unsigned) ref->writes);
  for (unsigned i = 0; i < m->n_levels; i++) {
    const CacheCounts *a = &m->levels[i]->counts;
    const RefCache *b = &ref->caches[i];
    fprintf (stderr, "  L%u: misses %u back %u written %u ahead %u useful %u inv %u int %u lost %u\n", m->levels[i]->number, (unsigned) sum (a->misses),
             (unsigned) a->write_backs, (unsigned) a->written, (unsigned) a->prefetches, (unsigned) a->useful, (unsigned) a->invalidations,
             (unsigned) a->interventions, (unsigned) a->inclusion_victims);
    fprintf (stderr, "  ref         %u      %u         %u       %u        %u     %u     %u      %u\n", (unsigned) b->misses, (unsigned) b->write_backs,
             (unsigned) b->written, (unsigned) b->prefetches, (unsigned) b->useful, (unsigned) b->invalidations, (unsigned) b->interventions,
             (unsigned) b->lost);
  }
}

/* --- a round ------------------------------------------------------------------------------------------------------------------ */

typedef struct Round {
  CacheConfig config;
  unsigned n_cores;
  CacheModel *all, *filtered;   /* told everything; what the filter lets through */
  Ref *ref;
  Filter filters[8][2];
  bool filter[2];
  uint64_t pages[N_PAGES];      /* where virtual pages lie */
  Access queue[256];            /* passed the filter; the filtered model hears of them in batches, as from the host */
  unsigned n_queued, batch;
  uint64_t passed, made;
} Round;

static uint64_t
physical (const Round *r, uint64_t address)
{
  return r->pages[address / PAGE] + address % PAGE;
}

static bool
next_page (void *user, unsigned core, uint64_t virtual_address, uint64_t *address)
{
  Round *r = user;
  *address = physical (r, virtual_address);
  return true;
}

/* What another core took away is asked for again. */
static void
forget_stale (Round *r)
{
  for (unsigned i = 0; i < r->n_cores; i++)
    for (unsigned code = 0; code < 2; code++)
      if (r->filtered->cores[i].stale[code]) {
        memset (r->filters[i][code].last, 0, sizeof r->filters[i][code].last);
        r->filtered->cores[i].stale[code] = false;
      }
}

/* One core's records, as the host has them. */
static void
deliver (Round *r)
{
  BpWideRecord records[G_N_ELEMENTS (r->queue)];
  for (unsigned i = 0; i < r->n_queued; i++) {
    const Access *a = &r->queue[i];
    bool told = roll (2);
    sites[i] = (BpSite) { .insn = &insns[a->insn], .bytes = (uint16_t) (told ? 0 : a->bytes), .kind = (uint8_t) a->kind };
    records[i] = (BpWideRecord) { .address = a->address, .physical = physical (r, a->address), .site = i, .bytes = told ? a->bytes : 0 };
  }
  if (r->n_queued)
    cache_run_wide (r->filtered, r->queue[0].core, sites, records, r->n_queued);
  r->n_queued = 0;
  forget_stale (r);
}

static void
step (Round *r, Mix *mix)
{
  Access a = next_access (mix);
  bool code = a.kind == CACHE_FETCH;
  for (uint64_t at = a.address; at < a.address + a.bytes;) {    /* the reference is told of each page apart */
    uint64_t end = MIN (a.address + a.bytes, at / PAGE * PAGE + PAGE);
    ref_access (r->ref, a.core, r->pages[at / PAGE] + at % PAGE, (uint32_t) (end - at), a.kind, a.insn);
    at = end;
  }
  BpSite *site = &sites[G_N_ELEMENTS (sites) - 1];
  *site = (BpSite) { .insn = &insns[a.insn], .bytes = (uint16_t) a.bytes, .kind = (uint8_t) a.kind, .user = a.core & 1 };
  r->all->base = sites;
  cache_model_access (r->all, a.core, physical (r, a.address), a.address, a.bytes, site);
  r->made++;
  if (r->filter[code] && left_out (&r->filters[a.core][code], a.address, a.bytes, a.kind == CACHE_STORE))
    return;
  r->passed++;
  r->queue[r->n_queued++] = a;
  if (r->n_queued == r->batch)
    deliver (r);
}

static void
round_init (Round *r)
{
  memset (r, 0, sizeof *r);
  any_config (&r->config);
  ck_assert (cache_config_check (&r->config, NULL));
  r->n_cores = roll (3) ? 1 : 1 + roll (4);
  r->batch = r->n_cores > 1 ? 1 : 1 + roll (G_N_ELEMENTS (r->queue));    /* batches of several cores change their order */
  r->all = cache_model_new (&r->config, r->n_cores);
  r->filtered = cache_model_new (&r->config, r->n_cores);
  r->ref = ref_new (&r->config, r->n_cores);
  r->all->next_page = r->filtered->next_page = next_page;
  r->all->next_page_user = r->filtered->next_page_user = r;
  for (unsigned i = 0; i < N_PAGES; i++)        /* some pages are seen twice */
    r->pages[i] = (uint64_t) roll (N_PAGES) * PAGE;
  for (unsigned code = 0; code < 2; code++) {
    r->filter[code] = cache_filter_is_exact (&r->config, code);
    for (unsigned i = 0; i < r->n_cores; i++)
      filter_init (&r->filters[i][code], &r->config.caches[code ? CACHE_L1I : CACHE_L1D]);
  }
}

static void
round_finish (Round *r)
{
  cache_model_free (r->all);
  cache_model_free (r->filtered);
  ref_free (r->ref);
}

static void
compare (unsigned round, Round *r, unsigned n, bool lines)
{
  bool right = same_counts (r->all, r->ref) && (!lines || same_lines (r->all, r->ref));
  if (!right)
    explain (round, &r->config, r->all, r->ref, n, "all accesses");
  ck_assert (right);
  if (lines)
    deliver (r);
  if (r->n_queued)
    return;
  right = same_counts (r->filtered, r->ref) && (!lines || same_lines (r->filtered, r->ref));
  if (!right)
    explain (round, &r->config, r->filtered, r->ref, n, "filtered");
  ck_assert (right);
}

static uint64_t passed, made;

START_TEST (test_random_geometries)
{
  const char *rounds = g_getenv ("CACHE_ROUNDS"), *seed = g_getenv ("CACHE_SEED");
  for (unsigned i = 0; i < N_INSNS; i++)
    insns[i] = (BpInsn) { .id = i };
  dice = seed ? strtoull (seed, NULL, 0) : 1;
  for (unsigned round = 0, n = rounds ? (unsigned) atoi (rounds) : 1500; round < n; round++) {
    Round r;
    round_init (&r);
    Mix mix = { .kind = roll (4), .n_cores = r.n_cores, .span = 1u << (8 + roll (10)), .stores = roll (100), .fetches = roll (3) ? 0 : roll (100),
                .conflict = r.config.caches[CACHE_L1D].line << roll (8) };
    for (unsigned i = 0; i < 8; i++) {
      mix.at[i] = roll (N_PAGES * PAGE);
      mix.stride[i] = roll (3) ? (int64_t) roll (256) - 64 : (int64_t) roll (16) * r.config.caches[CACHE_L1D].line;
    }
    for (unsigned i = 0; i < 1500; i++) {
      step (&r, &mix);
      compare (round, &r, i, !(i % 500));
    }
    compare (round, &r, 1500, true);
    passed += r.passed;
    made += r.made;
    round_finish (&r);
  }
  ck_assert (passed < made);    /* the filter did something */
}
END_TEST

/* --- geometries ---------------------------------------------------------------------------------------------------------------- */

static const CacheGeometry base = { .size = 32 << 10, .ways = 8, .line = 64, .degree = 1 };

static void
refused (const char *text, const char *word)
{
  CacheGeometry g = base;
  g_autoptr (GError) error = NULL;
  ck_assert_msg (!cache_geometry_parse (&g, "l1d", text, &error), "%s was taken", text);
  ck_assert_msg (error && strstr (error->message, "l1d") && strstr (error->message, word), "%s: %s", text, error ? error->message : "no message");
}

START_TEST (test_geometries)
{
  CacheGeometry g = base;
  g_autoptr (GError) error = NULL;
  ck_assert (cache_geometry_parse (&g, "l1d", " size=48K , ways=12, policy=plru", &error) == false);
  ck_assert (strstr (error->message, "power of two") != NULL);
  g = base;
  ck_assert (cache_geometry_parse (&g, "l1d", " size=48K , ways=12,policy=fifo,prefetch=stride,degree=4", NULL));
  ck_assert (g.size == 48 << 10 && g.ways == 12 && g.line == 64 && g.policy == CACHE_FIFO && g.prefetch == CACHE_STRIDE && g.degree == 4);
  ck_assert (cache_geometry_parse (&g, "l1d", "size=4K,ways=full,line=32,policy=lru", NULL));
  ck_assert (g.ways == 128);
  ck_assert (cache_geometry_parse (&g, "l1d", "none", NULL));
  ck_assert (g.size == 0);
  refused ("size=33K", "power of two");
  refused ("size=32768,ways=7", "28672");
  refused ("size=0", "above 0");
  refused ("size=x", "not a number");
  refused ("size=1000000000000000000000", "not a number");
  refused ("size=0xffffffffffffffc0", "2^28 lines");
  refused ("size=64,ways=8", "power of two");
  refused ("line=48", "line=48");
  refused ("line=8", "from 16");
  refused ("line=8192", "4096");
  refused ("ways=65", "64");
  refused ("policy=mru", "random");
  refused ("prefetch=always", "next-line");
  refused ("colour=red", "colour");
  refused ("32K", "NAME=VALUE");
  refused ("size=100M,ways=full", "16384");
}
END_TEST

START_TEST (test_configurations)
{
  CacheConfig good = { .caches = { base, base, base, base }, .shared_l3 = true }, c = good;
  ck_assert (cache_config_check (&good, NULL));
  c.caches[CACHE_L2].line = 128;
  ck_assert (!cache_config_check (&c, NULL));
  c = good;
  c.caches[CACHE_L1I].size = c.caches[CACHE_L1D].size = 0;
  ck_assert (!cache_config_check (&c, NULL));
  c = good;
  c.caches[CACHE_L1I].prefetch = CACHE_STRIDE;
  ck_assert (!cache_config_check (&c, NULL));
  c = good;
  c.shared_l2 = true;
  c.shared_l3 = false;
  ck_assert (!cache_config_check (&c, NULL));
}
END_TEST

/* --- accesses that are not cached, sites, beginning again -------------------------------------------------------------------------- */

START_TEST (test_devices)
{
  CacheConfig c = { .caches = { base, base, base } };
  CacheModel *m = cache_model_new (&c, 1);
  const CacheRange ram[] = { { 0, 0x9ffff }, { 0x100000, 0xfffffff } };
  BpInsn insn = { .id = 7 };
  BpSite site[2] = { { .insn = &insn, .kind = BP_RECORD_LOAD, .bytes = 4, .user = 1 }, { .insn = &insn, .kind = BP_RECORD_STORE, .bytes = 64 } };
  BpRecord records[] = { { 0xa0000, 0, 0 }, { 0xfee00000, 0, 0 }, { 0x9fffc, 0, 0 }, { 0x100000, 0, 0 }, { 0x100004, 0, 8 }, { 0x1fffffff0, 1, 0 },
                         { 0x100020, 1, 0 } };
  cache_model_set_ram (m, ram, G_N_ELEMENTS (ram));
  cache_run (m, 0, site, records, G_N_ELEMENTS (records));
  ck_assert_uint_eq (m->cores[0].uncached[CACHE_LOAD][1], 2);
  ck_assert_uint_eq (m->cores[0].uncached[CACHE_STORE][0], 2);
  ck_assert_uint_eq (m->cores[0].extra_lines[CACHE_STORE][0], 2);
  ck_assert_uint_eq (m->total.n[CACHE_MISS_LOAD], 2);
  ck_assert_uint_eq (m->total.n[CACHE_MISS_STORE], 1);  /* the second line of the last one */
  ck_assert_uint_eq (cache_site_misses (m, 0).n[CACHE_MISS_LOAD], 2);
  ck_assert_uint_eq (cache_site_misses (m, 1).n[CACHE_MISS_STORE], 1);
  ck_assert_uint_eq (cache_site_misses (m, 1).n[CACHE_MISS_L2], 1);
  cache_model_forget (m);
  cache_run (m, 0, site, records, G_N_ELEMENTS (records));
  ck_assert_uint_eq (m->total.n[CACHE_MISS_LOAD] + m->total.n[CACHE_MISS_STORE] + m->memory_reads, 0);   /* all is there */
  ck_assert_uint_eq (m->cores[0].uncached[CACHE_LOAD][1], 2);
  cache_model_free (m);
}
END_TEST

/* The host could not say where they are: no cache saw them, and none may count them as hits. */
START_TEST (test_unknown_pages)
{
  CacheConfig c = { .caches = { base, base } };
  CacheModel *m = cache_model_new (&c, 1);
  const CacheRange ram = { 0, 0xfffffff };
  BpInsn insn = { .id = 7 };
  BpSite site = { .insn = &insn, .kind = BP_RECORD_LOAD, .bytes = 8 };
  BpWideRecord records[] = { { .address = 0x1000, .physical = UINT64_MAX }, { .address = 0x1000, .physical = UINT64_MAX, .bytes = 1 },
                             { .address = 0x1038, .physical = UINT64_MAX, .bytes = 16 }, { .address = 0x1000, .physical = 0x1000 } };
  cache_model_set_ram (m, &ram, 1);
  cache_run_wide (m, 0, &site, records, G_N_ELEMENTS (records));
  ck_assert_uint_eq (m->unknown_pages, 4);
  ck_assert_uint_eq (m->cores[0].uncached[CACHE_LOAD][0], 4);
  ck_assert_uint_eq (m->cores[0].extra_lines[CACHE_LOAD][0], 1);
  ck_assert_uint_eq (m->cores[0].first[0]->counts.accesses[CACHE_LOAD][0], 1);
  cache_model_free (m);
}
END_TEST

/* Many more lines of one set than ways, and lines whose signatures are the same. */
START_TEST (test_signatures)
{
  CacheConfig c = { .caches = { [CACHE_L1D] = base, [CACHE_L2] = base } };
  CacheModel *m = cache_model_new (&c, 1);
  BpInsn insn = { .id = 0 };
  BpSite site = { .insn = &insn, .kind = BP_RECORD_LOAD, .bytes = 8 };
  BpRecord records[24];
  for (unsigned i = 0; i < 24; i++)
    records[i] = (BpRecord) { .address = (uint64_t) (i % 8) << 28 };    /* 64 sets of 64 bytes: a signature of address bits 12 to 27 */
  cache_run (m, 0, &site, records, 24);
  ck_assert_uint_eq (m->total.n[CACHE_MISS_LOAD], 8);
  for (unsigned i = 0; i < 24; i++)
    records[i].address = (uint64_t) (i % 9) << 28;
  cache_run (m, 0, &site, records, 24);
  ck_assert_uint_eq (m->total.n[CACHE_MISS_LOAD], 8 + 16);      /* 0 to 7 are there; then each takes the place of the next */
  cache_model_free (m);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("tcg-cache");
  TCase *model = tcase_create ("model");
  tcase_set_timeout (model, 120);
  tcase_add_test (model, test_geometries);
  tcase_add_test (model, test_configurations);
  tcase_add_test (model, test_devices);
  tcase_add_test (model, test_unknown_pages);
  tcase_add_test (model, test_signatures);
  tcase_add_test (model, test_random_geometries);
  suite_add_tcase (suite, model);
  return suite_run (suite);
}
