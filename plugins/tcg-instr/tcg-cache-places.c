/* tcg-cache-places.c -- where the misses are: by instruction, function, source line and process. */
/* SPDX-License-Identifier: MIT */
#include "tcg-cache-report.h"
#include "common/instr-rows.h"

enum { RANK = CACHE_N_MISSES /* what rows are sorted by */, INSNS, INSNS_USER, N_COUNTS };
G_STATIC_ASSERT ((unsigned) N_COUNTS <= INSTR_ROW_COUNTS);

static uint64_t
rank_of (const TcgCache *c, const CacheMisses *m)
{
  switch (c->rank) {
  case CACHE_RANK_L1I: return m->n[CACHE_MISS_FETCH];
  case CACHE_RANK_L1D: return m->n[CACHE_MISS_LOAD] + m->n[CACHE_MISS_STORE];
  case CACHE_RANK_L2: return m->n[CACHE_MISS_L2];
  case CACHE_RANK_L3: return m->n[CACHE_MISS_L3];
  default: return m->n[CACHE_MISS_FETCH] + m->n[CACHE_MISS_LOAD] + m->n[CACHE_MISS_STORE];
  }
}

static void
fill_row (const TcgCache *c, InstrRow *row, const CacheMisses *m)
{
  for (unsigned i = 0; i < CACHE_N_MISSES; i++)
    row->counts[i] = m->n[i];
  row->counts[RANK] = rank_of (c, m);
}

/* --- columns ------------------------------------------------------------------------------------------------------ */

enum { N_MISS_COLUMNS = CACHE_N_MISSES + 1 };

/* Those of the caches that there are; returns how many. */
static unsigned
miss_columns (const TcgCache *c, InstrColumn *columns)
{
  static const InstrColumn all[CACHE_N_MISSES] = {
    { "l1i", "L1I misses", BP_REPORT_COUNT, CACHE_MISS_FETCH, 0, 0 }, { "l1d-loads", "L1D, loads", BP_REPORT_COUNT, CACHE_MISS_LOAD, 0, 0 },
    { "l1d-stores", "L1D, stores", BP_REPORT_COUNT, CACHE_MISS_STORE, 0, 0 }, { "l2", "L2 misses", BP_REPORT_COUNT, CACHE_MISS_L2, 0, 0 },
    { "l3", "L3 misses", BP_REPORT_COUNT, CACHE_MISS_L3, 0, 0 },
  };
  static const unsigned of[CACHE_N_MISSES] = { CACHE_L1I, CACHE_L1D, CACHE_L1D, CACHE_L2, CACHE_L3 };
  unsigned n = 0;
  columns[n++] = (InstrColumn) { "share", "Share", BP_REPORT_SHARE, RANK, INSTR_WHOLE_TOTAL, rank_of (c, &c->model->total) };
  for (unsigned i = 0; i < CACHE_N_MISSES; i++)
    if (c->config.caches[of[i]].size)
      columns[n++] = all[i];
  return n;
}

/* --- tables --------------------------------------------------------------------------------------------------------- */

static void
report_spaces (const TcgCache *c, BpReport *report)
{
  InstrColumn columns[N_MISS_COLUMNS + 2];
  unsigned n = miss_columns (c, columns);
  InstrRows rows;
  GHashTableIter iter;
  void *value;
  columns[n++] = (InstrColumn) { "instructions", "Instructions, about", BP_REPORT_COUNT, INSNS, 0, 0 };
  columns[n++] = (InstrColumn) { "instructions-user", "In user programs", BP_REPORT_COUNT, INSNS_USER, 0, 0 };
  instr_rows_init (&rows, N_COUNTS);
  rows.kind = INSTR_BY_SPACE;
  g_hash_table_iter_init (&iter, c->by_space);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const CacheSpace *space = value;
    InstrRow *row = instr_rows_add_address (&rows, space->space);
    fill_row (c, row, &space->misses);
    row->counts[INSNS] = space->about.n[CACHE_LIVE_KERNEL] + space->about.n[CACHE_LIVE_USER];
    row->counts[INSNS_USER] = space->about.n[CACHE_LIVE_USER];
  }
  instr_rows_top (&rows, RANK, c->top);
  instr_rows_report (report, "by-space", "Misses by address space (process)", c->instrument, &rows, columns, n);
  instr_rows_finish (&rows);
}

static void
report_group (const TcgCache *c, BpReport *report, const char *key, const char *title, const InstrRows *insns, InstrGrouping by)
{
  InstrColumn columns[N_MISS_COLUMNS];
  unsigned n = miss_columns (c, columns);
  InstrRows rows;
  instr_rows_group (&rows, insns, by, c->instrument);
  instr_rows_top (&rows, RANK, c->top);
  instr_rows_report (report, key, title, c->instrument, &rows, columns, n);
  instr_rows_finish (&rows);
}

static int
compare_sites (const void *a, const void *b, void *base)
{
  const BpSite *sites = base;
  uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
  uint32_t m = sites[x].insn->id, n = sites[y].insn->id;
  return m != n ? (m > n) - (m < n) : (x > y) - (x < y);
}

/* A row for each instruction: the sum of its sites. */
static void
add_insns (const TcgCache *c, InstrRows *rows)
{
  const CacheModel *model = c->model;
  g_autoptr (GArray) sites = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  for (uint32_t i = 0; i < model->n_sites; i++) {
    const uint64_t *n = cache_model_site (model, i)->misses;
    if (n[0] | n[1] | n[2])
      g_array_append_val (sites, i);
  }
  g_array_sort_with_data (sites, compare_sites, (void *) (uintptr_t) model->base);
  for (unsigned i = 0; i < sites->len;) {
    const BpInsn *insn = model->base[g_array_index (sites, uint32_t, i)].insn;
    CacheMisses all = { 0 };
    for (; i < sites->len && model->base[g_array_index (sites, uint32_t, i)].insn == insn; i++) {
      CacheMisses one = cache_site_misses (model, g_array_index (sites, uint32_t, i));
      for (unsigned k = 0; k < CACHE_N_MISSES; k++)
        all.n[k] += one.n[k];
    }
    fill_row (c, instr_rows_add (rows, insn), &all);
  }
}

void
cache_report_places (TcgCache *c, BpReport *report)
{
  InstrColumn columns[N_MISS_COLUMNS];
  unsigned n = miss_columns (c, columns);
  InstrRows insns;
  instr_rows_init (&insns, N_COUNTS);
  add_insns (c, &insns);
  report_group (c, report, "by-line", "Misses by source line", &insns, INSTR_BY_LINE);
  report_group (c, report, "by-function", "Misses by function", &insns, INSTR_BY_SYMBOL);
  instr_rows_top (&insns, RANK, c->top);
  instr_rows_report (report, "by-instruction", "Misses by instruction", c->instrument, &insns, columns, n);
  instr_rows_finish (&insns);
  report_spaces (c, report);
}
