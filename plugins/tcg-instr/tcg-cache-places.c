/* tcg-cache-places.c -- where the misses are: by instruction, symbol, source line and process. */
/* SPDX-License-Identifier: MIT */
#include "tcg-cache-report.h"

/* One row of any of the tables. */
typedef struct Place {
  CacheMisses misses;
  uint64_t address;             /* of the instruction; the lowest of those that make up a symbol or line; of the space */
  const BpInsn *insn;
  BpSymbol symbol;
  const CacheSpace *space;
  bool user;
} Place;

/* --- order ---------------------------------------------------------------------------------------------------------- */

static uint64_t
rank_of (const CacheMisses *m, int rank)
{
  switch (rank) {
  case CACHE_RANK_L1I: return m->n[CACHE_MISS_FETCH];
  case CACHE_RANK_L1D: return m->n[CACHE_MISS_LOAD] + m->n[CACHE_MISS_STORE];
  case CACHE_RANK_L2: return m->n[CACHE_MISS_L2];
  case CACHE_RANK_L3: return m->n[CACHE_MISS_L3];
  default: return m->n[CACHE_MISS_FETCH] + m->n[CACHE_MISS_LOAD] + m->n[CACHE_MISS_STORE];
  }
}

/* Most misses first; then by address, by place in memory, by privilege. */
static int
compare_places (const void *a, const void *b, void *rank)
{
  const Place *x = a, *y = b;
  uint64_t m = rank_of (&x->misses, GPOINTER_TO_INT (rank)), n = rank_of (&y->misses, GPOINTER_TO_INT (rank));
  if (m != n)
    return m > n ? -1 : 1;
  if (x->address != y->address)
    return x->address < y->address ? -1 : 1;
  if (x->insn && y->insn && x->insn->physical != y->insn->physical)
    return x->insn->physical < y->insn->physical ? -1 : 1;
  if (x->insn && y->insn && x->insn->id != y->insn->id)
    return x->insn->id < y->insn->id ? -1 : 1;
  return (int) x->user - (int) y->user;
}

static void
sort_places (const TcgCache *c, GArray *places)
{
  g_array_sort_with_data (places, compare_places, GINT_TO_POINTER (c->rank));
}

static void
add_misses (CacheMisses *to, const CacheMisses *from)
{
  for (unsigned i = 0; i < CACHE_N_MISSES; i++)
    to->n[i] += from->n[i];
}

/* --- gathering -------------------------------------------------------------------------------------------------------- */

static GArray *
gather_insns (const TcgCache *c)
{
  GArray *places = g_array_new (FALSE, TRUE, sizeof (Place));
  for (size_t i = 0; i < c->model->n_insns; i++) {
    const CacheInsn *insn = &c->model->insns[i];
    if (!insn->insn)
      continue;
    Place place = { .misses = insn->misses, .insn = insn->insn, .address = insn->insn->address, .user = insn->insn->privilege == 3,
                    .symbol = { .struct_size = sizeof (BpSymbol) } };
    bp_insn_symbol (c->instrument, insn->insn, &place.symbol);
    g_array_append_val (places, place);
  }
  return places;
}

static char *
symbol_key (const Place *p)
{
  return g_strdup_printf ("%s|%s|%d", p->symbol.object ? p->symbol.object : "", p->symbol.name ? p->symbol.name : "", p->user);
}

static char *
line_key (const Place *p)
{
  return g_strdup_printf ("%s|%u|%s|%d", p->symbol.file ? p->symbol.file : "", p->symbol.file ? p->symbol.line : 0,
                          p->symbol.object ? p->symbol.object : "", p->user);
}

/* The places of one key together. */
static GArray *
merge (const TcgCache *c, const GArray *insns, char *(*key_of) (const Place *p))
{
  GArray *places = g_array_new (FALSE, TRUE, sizeof (Place));
  g_autoptr (GHashTable) by_key = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (unsigned i = 0; i < insns->len; i++) {
    const Place *one = &g_array_index (insns, Place, i);
    char *key = key_of (one);
    unsigned at = GPOINTER_TO_UINT (g_hash_table_lookup (by_key, key));
    if (!at) {
      g_array_append_val (places, *one);
      g_hash_table_insert (by_key, key, GUINT_TO_POINTER (places->len));
      continue;
    }
    Place *all = &g_array_index (places, Place, at - 1);
    add_misses (&all->misses, &one->misses);
    if (one->address < all->address) {
      all->address = one->address;
      all->insn = one->insn;
    }
    g_free (key);
  }
  sort_places (c, places);
  return places;
}

static GArray *
gather_spaces (const TcgCache *c)
{
  GArray *places = g_array_new (FALSE, TRUE, sizeof (Place));
  GHashTableIter iter;
  void *value;
  g_hash_table_iter_init (&iter, c->by_space);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const CacheSpace *space = value;
    Place place = { .misses = space->misses, .address = space->space, .space = space };
    g_array_append_val (places, place);
  }
  sort_places (c, places);
  return places;
}

/* --- tables -------------------------------------------------------------------------------------------------------------- */

#define MISS_COLUMNS \
  { "l1i", "L1I misses", BP_REPORT_COUNT }, { "l1d-loads", "L1D, loads", BP_REPORT_COUNT }, { "l1d-stores", "L1D, stores", BP_REPORT_COUNT }, \
  { "l2", "L2 misses", BP_REPORT_COUNT }, { "l3", "L3 misses", BP_REPORT_COUNT }, { "share", NULL, BP_REPORT_SHARE }

static void
miss_cells (const TcgCache *c, BpReportTable *table, const CacheMisses *m)
{
  bp_report_cell_u64 (table, m->n[CACHE_MISS_FETCH]);
  bp_report_cell_u64 (table, m->n[CACHE_MISS_LOAD]);
  bp_report_cell_u64 (table, m->n[CACHE_MISS_STORE]);
  bp_report_cell_u64 (table, m->n[CACHE_MISS_L2]);
  bp_report_cell_u64 (table, m->n[CACHE_MISS_L3]);
  bp_report_cell_share (table, rank_of (m, c->rank), rank_of (&c->model->total, c->rank));
}

static void
source_cell (BpReportTable *table, const BpSymbol *symbol)
{
  if (!symbol->file) {
    bp_report_cell_none (table);
    return;
  }
  g_autofree char *text = symbol->line ? g_strdup_printf ("%s:%u", symbol->file, symbol->line) : g_strdup (symbol->file);
  bp_report_cell_text (table, text);
}

static void
insn_table (const TcgCache *c, BpReport *report, const GArray *places)
{
  static const BpReportColumn columns[] = {
    { "address", NULL, BP_REPORT_ADDRESS }, { "by", NULL, BP_REPORT_TEXT }, MISS_COLUMNS, { "instruction", NULL, BP_REPORT_CODE },
    { "symbol", NULL, BP_REPORT_CODE }, { "source", NULL, BP_REPORT_CODE },
  };
  BpReportTable *table = bp_report_table (report, "by-instruction", "Misses by instruction", columns, G_N_ELEMENTS (columns));
  for (unsigned i = 0; i < MIN (places->len, c->top); i++) {
    const Place *p = &g_array_index (places, Place, i);
    char text[128] = "";
    bp_report_cell_u64 (table, p->address);
    bp_report_cell_text (table, p->user ? "user" : "kernel");
    miss_cells (c, table, &p->misses);
    bp_report_cell_text (table, bp_insn_text (c->instrument, p->insn, text, sizeof text) ? text : NULL);
    g_autofree char *name = p->symbol.name ? g_strdup_printf ("%s+0x%" G_GINT64_MODIFIER "x", p->symbol.name, p->symbol.offset) : NULL;
    bp_report_cell_text (table, name);
    source_cell (table, &p->symbol);
  }
}

static void
symbol_table (const TcgCache *c, BpReport *report, const GArray *insns)
{
  static const BpReportColumn columns[] = {
    { "symbol", NULL, BP_REPORT_CODE }, { "object", NULL, BP_REPORT_TEXT }, { "by", NULL, BP_REPORT_TEXT }, MISS_COLUMNS,
  };
  g_autoptr (GArray) places = merge (c, insns, symbol_key);
  BpReportTable *table = bp_report_table (report, "by-symbol", "Misses by symbol", columns, G_N_ELEMENTS (columns));
  for (unsigned i = 0; i < MIN (places->len, c->top); i++) {
    const Place *p = &g_array_index (places, Place, i);
    bp_report_cell_text (table, p->symbol.name);
    bp_report_cell_text (table, p->symbol.object);
    bp_report_cell_text (table, p->user ? "user" : "kernel");
    miss_cells (c, table, &p->misses);
  }
}

static void
line_table (const TcgCache *c, BpReport *report, const GArray *insns)
{
  static const BpReportColumn columns[] = {
    { "source", NULL, BP_REPORT_CODE }, { "symbol", NULL, BP_REPORT_CODE }, { "by", NULL, BP_REPORT_TEXT }, MISS_COLUMNS,
  };
  g_autoptr (GArray) places = merge (c, insns, line_key);
  BpReportTable *table = bp_report_table (report, "by-line", "Misses by source line", columns, G_N_ELEMENTS (columns));
  for (unsigned i = 0, n = 0; i < places->len && n < c->top; i++) {
    const Place *p = &g_array_index (places, Place, i);
    if (!p->symbol.file)
      continue;
    n++;
    source_cell (table, &p->symbol);
    bp_report_cell_text (table, p->symbol.name);
    bp_report_cell_text (table, p->user ? "user" : "kernel");
    miss_cells (c, table, &p->misses);
  }
}

static void
space_table (const TcgCache *c, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "space", "address space", BP_REPORT_ADDRESS }, { "instructions", "instructions, about", BP_REPORT_COUNT }, { "instructions-user", "in user programs", BP_REPORT_COUNT },
    MISS_COLUMNS,
  };
  g_autoptr (GArray) places = gather_spaces (c);
  BpReportTable *table = bp_report_table (report, "by-process", "Misses by process", columns, G_N_ELEMENTS (columns));
  for (unsigned i = 0; i < MIN (places->len, c->top); i++) {
    const Place *p = &g_array_index (places, Place, i);
    bp_report_cell_u64 (table, p->address);
    bp_report_cell_u64 (table, p->space->about.n[CACHE_LIVE_KERNEL] + p->space->about.n[CACHE_LIVE_USER]);
    bp_report_cell_u64 (table, p->space->about.n[CACHE_LIVE_USER]);
    miss_cells (c, table, &p->misses);
  }
}

void
cache_report_places (TcgCache *c, BpReport *report)
{
  g_autoptr (GArray) insns = gather_insns (c);
  if (!c->top)
    return;
  sort_places (c, insns);
  insn_table (c, report, insns);
  symbol_table (c, report, insns);
  line_table (c, report, insns);
  space_table (c, report);
}
