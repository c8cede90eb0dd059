/* tcg-cache-report.c -- what is told of the caches: totals, by kind of access, over time, by set. */
/* SPDX-License-Identifier: MIT */
#include "tcg-cache-report.h"

static const char *const cache_names[] = { "L1I", "L1D", "L2", "L3" };

static unsigned
which_cache (const CacheLevel *level)
{
  return level->number == 1 ? (level->is_code ? CACHE_L1I : CACHE_L1D) : level->number == 2 ? CACHE_L2 : CACHE_L3;
}

/* Accesses of a kind, hits included. */
static uint64_t
accesses_of (const TcgCache *c, const CacheLevel *level, unsigned kind, unsigned user)
{
  if (level->number > 1)
    return level->counts.accesses[kind][user];
  return level->is_code == (kind == CACHE_FETCH) ? cache_first_accesses (c, level->core, (CacheKind) kind, user) : 0;
}

/* --- sums ------------------------------------------------------------------------------------------------------------ */

static void
add_counts (CacheCounts *to, const CacheCounts *from)
{
  uint64_t *a = (uint64_t *) to;
  const uint64_t *b = (const uint64_t *) from;
  G_STATIC_ASSERT (sizeof *to % sizeof *a == 0);
  for (unsigned i = 0; i < sizeof *to / sizeof *a; i++)
    a[i] += b[i];
}

/* The counts of a cache, with all its accesses. */
static CacheCounts
counts_of (const TcgCache *c, const CacheLevel *level)
{
  CacheCounts counts = level->counts;
  for (unsigned kind = 0; kind < CACHE_N_KINDS; kind++)
    for (unsigned user = 0; user < 2; user++)
      counts.accesses[kind][user] = accesses_of (c, level, kind, user);
  return counts;
}

static CacheCounts
counts_of_all (const TcgCache *c, unsigned which)
{
  CacheCounts all = { 0 };
  for (unsigned i = 0; i < c->model->n_levels; i++)
    if (which_cache (c->model->levels[i]) == which) {
      CacheCounts counts = counts_of (c, c->model->levels[i]);
      add_counts (&all, &counts);
    }
  return all;
}

static uint64_t
sum (const uint64_t n[CACHE_N_KINDS][2])
{
  return n[0][0] + n[0][1] + n[1][0] + n[1][1] + n[2][0] + n[2][1];
}

static uint64_t
less (uint64_t a, uint64_t b)
{
  return a > b ? a - b : 0;
}

static CacheTotals
totals_of_all (const TcgCache *c)
{
  CacheTotals all = { 0 };
  for (unsigned i = 0; i < c->n_vcpus; i++) {
    CacheTotals one = cache_totals_of (c, i);
    for (unsigned k = 0; k < CACHE_N_TOTALS; k++)
      for (unsigned user = 0; user < 2; user++)
        all.n[k][user] += one.n[k][user];
  }
  return all;
}

/* --- the caches ------------------------------------------------------------------------------------------------------- */

typedef void LevelCells (BpReportTable *table, const CacheCounts *n, uint64_t insns);

static void
hit_cells (BpReportTable *table, const CacheCounts *n, uint64_t insns)
{
  uint64_t accesses = sum (n->accesses), misses = sum (n->misses);
  bp_report_cell_u64 (table, accesses);
  bp_report_cell_u64 (table, less (accesses, misses));
  bp_report_cell_u64 (table, misses);
  bp_report_cell_share (table, misses, accesses);
  if (insns)
    bp_report_cell_number (table, 1000.0 * (double) misses / (double) insns);
  else
    bp_report_cell_none (table);
  bp_report_cell_u64 (table, n->write_backs);
  bp_report_cell_u64 (table, n->written);
}

static void
prefetch_cells (BpReportTable *table, const CacheCounts *n, uint64_t insns)
{
  bp_report_cell_u64 (table, n->prefetches);
  bp_report_cell_u64 (table, n->useful);
  bp_report_cell_share (table, n->useful, n->prefetches);
  bp_report_cell_u64 (table, n->prefetch_requests);
  bp_report_cell_u64 (table, n->prefetch_misses);
}

static void
sharing_cells (BpReportTable *table, const CacheCounts *n, uint64_t insns)
{
  bp_report_cell_u64 (table, n->invalidations);
  bp_report_cell_u64 (table, n->interventions);
  bp_report_cell_u64 (table, n->inclusion_victims);
}

/* A row for each kind of cache, and one for each core's when there are several. */
static void
level_rows (const TcgCache *c, BpReportTable *table, uint64_t insns, LevelCells *cells)
{
  for (unsigned which = 0; which < CACHE_N_CACHES; which++) {
    CacheCounts all = counts_of_all (c, which);
    unsigned n = 0;
    for (unsigned i = 0; i < c->model->n_levels; i++)
      n += which_cache (c->model->levels[i]) == which;
    if (!n)
      continue;
    bp_report_cell_text (table, cache_names[which]);
    bp_report_cell_text (table, "all");
    cells (table, &all, insns);
    for (unsigned i = 0; n > 1 && i < c->model->n_levels; i++) {
      const CacheLevel *level = c->model->levels[i];
      if (which_cache (level) != which)
        continue;
      CacheTotals totals = cache_totals_of (c, level->core);
      CacheCounts counts = counts_of (c, level);
      g_autofree char *core = g_strdup_printf ("%u", level->core);
      bp_report_cell_text (table, cache_names[which]);
      bp_report_cell_text (table, core);
      cells (table, &counts, totals.n[CACHE_INSNS][0] + totals.n[CACHE_INSNS][1]);
    }
  }
}

static void
report_levels (const TcgCache *c, BpReport *report, uint64_t insns)
{
  static const BpReportColumn hits[] = {
    { "cache", "Cache", BP_REPORT_TEXT }, { "core", "Core", BP_REPORT_TEXT }, { "accesses", "Accesses", BP_REPORT_COUNT },
    { "hits", "Hits", BP_REPORT_COUNT }, { "misses", "Misses", BP_REPORT_COUNT }, { "miss-rate", "Miss rate", BP_REPORT_SHARE },
    { "misses-per-1000-instructions", "Of 1000 instructions", BP_REPORT_NUMBER }, { "write-backs", "Write-backs", BP_REPORT_COUNT },
    { "written", "Written from above", BP_REPORT_COUNT },
  };
  static const BpReportColumn prefetches[] = {
    { "cache", "Cache", BP_REPORT_TEXT }, { "core", "Core", BP_REPORT_TEXT }, { "prefetches", "Prefetches", BP_REPORT_COUNT },
    { "useful", "Useful", BP_REPORT_COUNT }, { "useful-share", "Of all", BP_REPORT_SHARE }, { "requests", "From above", BP_REPORT_COUNT },
    { "requests-missed", "Of them misses", BP_REPORT_COUNT },
  };
  static const BpReportColumn sharing[] = {
    { "cache", "Cache", BP_REPORT_TEXT }, { "core", "Core", BP_REPORT_TEXT }, { "invalidations", "Taken by stores elsewhere", BP_REPORT_COUNT },
    { "interventions", "Dirty lines given up", BP_REPORT_COUNT }, { "inclusion-victims", "Lost by inclusion", BP_REPORT_COUNT },
  };
  bool ahead = false;
  for (unsigned i = 0; i < CACHE_N_CACHES; i++)
    ahead |= c->config.caches[i].size && c->config.caches[i].prefetch;
  level_rows (c, bp_report_table (report, "caches", "Caches", hits, G_N_ELEMENTS (hits)), insns, hit_cells);
  if (ahead)
    level_rows (c, bp_report_table (report, "prefetchers", "Prefetchers", prefetches, G_N_ELEMENTS (prefetches)), insns, prefetch_cells);
  if (c->n_vcpus > 1 || c->config.inclusive)
    level_rows (c, bp_report_table (report, "lost", "Lines lost to others", sharing, G_N_ELEMENTS (sharing)), insns, sharing_cells);
}

static void
report_kinds (const TcgCache *c, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "cache", "Cache", BP_REPORT_TEXT }, { "access", "Access", BP_REPORT_TEXT }, { "by", "By", BP_REPORT_TEXT }, { "accesses", "Accesses", BP_REPORT_COUNT },
    { "misses", "Misses", BP_REPORT_COUNT }, { "miss-rate", "Miss rate", BP_REPORT_SHARE },
  };
  static const char *const kinds[] = { "load", "store", "fetch" };
  BpReportTable *table = bp_report_table (report, "by-kind", "By kind of access and privilege", columns, G_N_ELEMENTS (columns));
  for (unsigned which = 0; which < CACHE_N_CACHES; which++) {
    CacheCounts n = counts_of_all (c, which);
    for (unsigned kind = 0; kind < CACHE_N_KINDS; kind++)
      for (unsigned user = 0; user < 2; user++) {
        bool possible = which == CACHE_L1I ? kind == CACHE_FETCH : which != CACHE_L1D || kind != CACHE_FETCH;
        if (!c->config.caches[which].size || !possible)
          continue;
        bp_report_cell_text (table, cache_names[which]);
        bp_report_cell_text (table, kinds[kind]);
        bp_report_cell_text (table, user ? "user" : "kernel");
        bp_report_cell_u64 (table, n.accesses[kind][user]);
        bp_report_cell_u64 (table, n.misses[kind][user]);
        bp_report_cell_share (table, n.misses[kind][user], n.accesses[kind][user]);
      }
  }
}

/* --- plots -------------------------------------------------------------------------------------------------------------- */

static void
report_time (const TcgCache *c, BpReport *report)
{
  InstrSeriesLine lines[CACHE_N_CACHES];
  unsigned n = 0;
  for (unsigned i = 0; i < CACHE_N_CACHES; i++)
    if (c->config.caches[i].size)
      lines[n++] = (InstrSeriesLine) { cache_names[i], CACHE_SERIES_HITS + i, (int) (CACHE_SERIES_ACCESSES + i), 100 };
  instr_series_plot (report, "over-time", "Hits over time", "Instructions", "Hits, per cent", &c->series, lines, n);
}

/* All cores' caches of a kind together, in at most 64 groups of sets. */
static void
report_sets (const TcgCache *c, BpReport *report, unsigned which)
{
  g_autofree char *key = g_ascii_strdown (cache_names[which], -1), *full_key = g_strconcat ("sets-", key, NULL);
  g_autofree char *title = g_strdup_printf ("Misses by set of %s", cache_names[which]);
  const CacheGeometry *g = &c->config.caches[which];
  uint64_t sets = g->size ? g->size / g->line / g->ways : 0, groups = MIN (sets, 64);
  if (sets < 2)
    return;
  BpReportPlot *plot = bp_report_plot (report, full_key, title, BP_PLOT_BARS, sets > groups ? "first set of a group" : "set", "misses");
  for (uint64_t group = 0; group < groups; group++) {
    uint64_t misses = 0, first = group * (sets / groups);
    for (unsigned i = 0; i < c->model->n_levels; i++)
      for (uint64_t k = 0; which_cache (c->model->levels[i]) == which && k < sets / groups; k++)
        misses += c->model->levels[i]->set_misses[first + k];
    g_autofree char *label = g_strdup_printf ("%" G_GUINT64_FORMAT, first);
    bp_report_bar (plot, label, (double) misses);
  }
}

/* --- all of it ------------------------------------------------------------------------------------------------------------ */

static const char *
records_text (const TcgCache *c, bool code)
{
  if (!c->config.caches[code ? CACHE_L1I : CACHE_L1D].size)
    return "none";
  return c->filtered[code] ? "without repeated lines" : "all";
}

static void
report_geometry (const TcgCache *c, BpReport *report)
{
  static const char *const keys[] = { "l1i", "l1d", "l2", "l3" };
  BpReport *section = bp_report_section (report, "model", "What was modelled");
  for (unsigned i = 0; i < CACHE_N_CACHES; i++) {
    g_autofree char *text = cache_geometry_text (&c->config.caches[i]);
    bp_report_text (section, keys[i], cache_names[i], text);
  }
  bp_report_count (section, "cores", "Cores", c->n_vcpus);
  bp_report_text (section, "shared-l2", "L2 is", c->config.shared_l2 ? "one for all" : "each core's own");
  bp_report_text (section, "shared-l3", "L3 is", c->config.shared_l3 ? "one for all" : "each core's own");
  bp_report_text (section, "inclusion", "Inclusion", c->config.inclusive ? "inclusive" : "neither inclusive nor exclusive");
  bp_report_text (section, "write", "Stores in L1D", c->config.write_through ? "go through" : "are written back");
  bp_report_text (section, "write-allocate", "Store misses in L1D", c->config.no_allocate ? "go past it" : "bring the line in");
  bp_report_text (section, "coherence", "Coherence", c->n_vcpus < 2 ? "one core" : c->config.coherent ? "kept" : "not modelled");
  bp_report_text (section, "index", "Addresses", c->index == CACHE_PHYSICAL ? "physical" : "virtual");
  bp_report_text (section, "privilege", "Accesses of", c->who == CACHE_ALL ? "everybody" : c->who == CACHE_USER ? "user programs" : "the kernel");
  bp_report_text (section, "records-data", "Records of data accesses", records_text (c, false));
  bp_report_text (section, "records-code", "Records of code lines", records_text (c, true));
}

void
cache_fill_report (TcgCache *c, BpReport *report)
{
  CacheTotals totals = totals_of_all (c);
  uint64_t insns = totals.n[CACHE_INSNS][0] + totals.n[CACHE_INSNS][1], uncached = 0;
  for (unsigned i = 0; i < c->model->n_cores; i++)
    uncached += sum (c->model->cores[i].uncached);
  if (!c->warm)
    bp_report_note (report, "The warm-up was not over: what follows was counted during it.");
  bp_report_count (report, "instructions", "Instructions", insns);
  bp_report_count (report, "instructions-user", "Of them in user programs", totals.n[CACHE_INSNS][1]);
  bp_report_count (report, "memory-reads", "Lines read from memory", c->model->memory_reads);
  bp_report_count (report, "memory-writes", "Lines or stores written to memory", c->model->memory_writes);
  bp_report_count (report, "uncached", "Accesses to devices, not cached", less (uncached, c->model->unknown_pages));
  bp_report_count (report, "records", "Records looked at", c->n_records);
  bp_report_count (report, "records-lost", "Records lost", c->n_lost);
  bp_report_count (report, "unknown-pages", "Accesses left out, their page not known", c->model->unknown_pages);
  report_levels (c, report, insns);
  report_kinds (c, report);
  cache_report_places (c, report);
  report_time (c, report);
  for (unsigned i = 0; i < CACHE_N_CACHES; i++)
    report_sets (c, report, i);
  report_geometry (c, report);
}
