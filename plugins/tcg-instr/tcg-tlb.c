/* tcg-tlb.c -- misses of first- and second-level TLBs, by instruction, function and address space. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>
#include <string.h>
#include "common/instr-array.h"
#include "common/instr-rows.h"
#include "common/instr-spaces.h"
#include "common/instr-spec.h"
#include "tcg-tlb-model.h"

enum { PAGE = 4096, MAX_WAYS = 1024, MAX_ENTRIES = 1 << 20 };
enum { GLOBAL_NONE, GLOBAL_UPPER_HALF };

/* A vCPU's own, written on its thread. */
typedef struct Vcpu {
  TlbCore core;
  InstrArray by_insn;           /* TlbCount by BpInsn.id */
  InstrSpaces spaces;
  GArray *by_space;             /* TlbCount by the spaces' numbers */
} Vcpu;

typedef struct TlbInstrument {
  char *itlb, *dtlb, *stlb;     /* properties */
  int global;
  uint32_t top;
  TlbConfig config;
  BpInstrument *in;
  BpCounter insns[INSTR_PRIVILEGES], memory[INSTR_PRIVILEGES];
  BpCounter time;               /* live: instructions of the blocks that were entered, for the series */
  BpFilter code_filter, data_filter;
  InstrArray insn_of;           /* const BpInsn * by id */
  uint32_t n_insns;             /* ids are below */
  Vcpu *vcpus;
  unsigned n_vcpus;
} TlbInstrument;

/* --- what is asked for ------------------------------------------------------------------------------- */

static void
on_block (void *user, BpInstrBlock *block)
{
  TlbInstrument *t = user;
  unsigned p = instr_privilege (bp_block_insn (block, 0));
  bp_block_count (block, BP_EVERY_INSN, t->insns[p], 1);
  bp_block_count (block, 0, t->time, bp_block_n_insns (block));
  for (unsigned i = 0, n = bp_block_n_insns (block); i < n; i++) {
    const BpInsn *insn = bp_block_insn (block, i);
    if (insn->flags & (BP_INSN_LOADS | BP_INSN_STORES))
      bp_block_count (block, i, t->memory[p], 1);
    *(const BpInsn **) instr_array_at (&t->insn_of, insn->id) = insn;
    t->n_insns = MAX (t->n_insns, insn->id + 1);
  }
  bp_block_record_fetch (block, PAGE, t->code_filter, 0);
  bp_block_record_memory (block, BP_EVERY_INSN, BP_LOADS | BP_STORES, t->data_filter, 0);
}

static void
on_records (void *user, const BpBatch *batch)
{
  TlbInstrument *t = user;
  Vcpu *v = &t->vcpus[batch->vcpu];
  uint32_t space = instr_spaces_index (&v->spaces, batch->space);
  TlbCount before, after;
  if (space >= v->by_space->len)
    g_array_set_size (v->by_space, space + 1);
  v->core.lost += batch->lost;
  tlb_core_space (&v->core, tlb_space_number (space));
  tlb_core_sum (&v->core, &before);
  tlb_core_records (&v->core, batch->records, batch->n, bp_sites (t->in));
  tlb_core_sum (&v->core, &after);
  TlbCount *mine = &g_array_index (v->by_space, TlbCount, space);
  for (unsigned i = 0; i < N_TLB_EVENTS; i++)
    mine->n[i] += after.n[i] - before.n[i];
  uint64_t now = bp_counter_get (t->in, t->time, batch->vcpu);
  if (now - v->core.sampled[TLB_SERIES_INSNS] >= t->config.interval)
    tlb_core_sample (&v->core, now);
}

/* --- report: totals ------------------------------------------------------------------------------------- */

typedef struct Totals {
  uint64_t insns[INSTR_PRIVILEGES], memory[INSTR_PRIVILEGES], all_insns, all_memory, switches, lost;
  TlbCount by_privilege[INSTR_PRIVILEGES], all;
} Totals;

static void
add_count (TlbCount *to, const TlbCount *from)
{
  for (unsigned i = 0; i < N_TLB_EVENTS; i++)
    to->n[i] += from->n[i];
}

static void
sum_up (TlbInstrument *t, Totals *s)
{
  memset (s, 0, sizeof *s);
  for (unsigned i = 0; i < t->n_vcpus; i++) {
    const TlbCore *c = &t->vcpus[i].core;
    s->switches += c->switches;
    s->lost += c->lost;
    for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
      add_count (&s->by_privilege[p], &c->total[p]);
  }
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++) {
    s->insns[p] = bp_counter_sum (t->in, t->insns[p]);
    s->memory[p] = bp_counter_sum (t->in, t->memory[p]);
    s->all_insns += s->insns[p];
    s->all_memory += s->memory[p];
    add_count (&s->all, &s->by_privilege[p]);
  }
}

static uint64_t data_misses (const TlbCount *c) { return c->n[TLB_LOAD_MISS] + c->n[TLB_STORE_MISS]; }
static uint64_t l1_misses (const TlbCount *c) { return c->n[TLB_FETCH_MISS] + data_misses (c); }
static uint64_t walks (const TlbCount *c) { return c->n[TLB_FETCH_WALK] + c->n[TLB_LOAD_WALK] + c->n[TLB_STORE_WALK]; }

static void
tlb_cells (BpReportTable *table, const char *name, const TlbGeometry *g, uint64_t misses, uint64_t whole, uint64_t insns)
{
  bp_report_cell_text (table, name);
  if (g) {
    bp_report_cell_u64 (table, g->entries);
    bp_report_cell_u64 (table, g->ways);
    bp_report_cell_text (table, g->replacement == TLB_RANDOM ? "random" : "LRU");
  }
  bp_report_cell_u64 (table, misses);
  bp_report_cell_share (table, misses, whole);
  if (insns)
    bp_report_cell_number (table, 1000.0 * (double) misses / (double) insns);
  else
    bp_report_cell_none (table);
}

#define MISS_COLUMNS \
  { "misses", "Misses", BP_REPORT_COUNT }, { "rate", "Of those who asked", BP_REPORT_SHARE }, { "mpki", "Misses of 1000 instructions", BP_REPORT_NUMBER }

static void
report_tlbs (TlbInstrument *t, const Totals *s, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "tlb", "TLB", BP_REPORT_TEXT }, { "entries", "Entries", BP_REPORT_COUNT }, { "ways", "Ways", BP_REPORT_COUNT },
    { "replacement", "Replacement", BP_REPORT_TEXT }, MISS_COLUMNS
  };
  BpReportTable *table = bp_report_table (report, "tlbs", "TLBs", columns, G_N_ELEMENTS (columns));
  tlb_cells (table, "instructions", &t->config.itlb, s->all.n[TLB_FETCH_MISS], s->all_insns, s->all_insns);
  tlb_cells (table, "data", &t->config.dtlb, data_misses (&s->all), s->all_memory, s->all_insns);
  if (t->config.stlb.entries)
    tlb_cells (table, "second-level", &t->config.stlb, walks (&s->all), l1_misses (&s->all), s->all_insns);
}

static void
report_privilege (const Totals *s, unsigned p, BpReport *report)
{
  static const BpReportColumn columns[] = { { "tlb", "TLB", BP_REPORT_TEXT }, MISS_COLUMNS };
  const TlbCount *c = &s->by_privilege[p];
  BpReport *section = bp_report_section (report, instr_privilege_key (p), instr_privilege_title (p));
  bp_report_count (section, "instructions", "Instructions", s->insns[p]);
  bp_report_count (section, "memory-instructions", "Instructions that load or store", s->memory[p]);
  BpReportTable *table = bp_report_table (section, "tlbs", "TLBs", columns, G_N_ELEMENTS (columns));
  tlb_cells (table, "instructions", NULL, c->n[TLB_FETCH_MISS], s->insns[p], s->insns[p]);
  tlb_cells (table, "data", NULL, data_misses (c), s->memory[p], s->insns[p]);
  tlb_cells (table, "walks", NULL, walks (c), l1_misses (c), s->insns[p]);
}

/* --- report: where ------------------------------------------------------------------------------------------ */

/* In a row: the events, and sums of them. */
enum { ROW_MISSES = N_TLB_EVENTS, ROW_WALKS, N_ROW_COUNTS };

static const InstrColumn row_columns[] = {
  { "misses", "Misses", BP_REPORT_COUNT, ROW_MISSES, 0, 0 },
  { "fetch-misses", "Of fetches", BP_REPORT_COUNT, TLB_FETCH_MISS, 0, 0 },
  { "load-misses", "Of loads", BP_REPORT_COUNT, TLB_LOAD_MISS, 0, 0 },
  { "store-misses", "Of stores", BP_REPORT_COUNT, TLB_STORE_MISS, 0, 0 },
  { "walks", "Walks", BP_REPORT_COUNT, ROW_WALKS, 0, 0 },
  { "walk-share", "Of misses", BP_REPORT_SHARE, ROW_WALKS, ROW_MISSES, 0 }
};

static void
fill_row (InstrRow *row, const TlbCount *c)
{
  for (unsigned i = 0; i < N_TLB_EVENTS; i++)
    row->counts[i] = c->n[i];
  row->counts[ROW_MISSES] = l1_misses (c);
  row->counts[ROW_WALKS] = walks (c);
}

static void
report_insns (TlbInstrument *t, BpReport *report)
{
  InstrRows rows, functions;
  instr_rows_init (&rows, N_ROW_COUNTS);
  for (uint32_t id = 0; id < MIN (t->n_insns, t->insn_of.n); id++) {
    TlbCount sum = { { 0 } };
    for (unsigned i = 0; i < t->n_vcpus; i++)
      add_count (&sum, instr_array_at (&t->vcpus[i].by_insn, id));
    if (l1_misses (&sum))
      fill_row (instr_rows_add (&rows, *(const BpInsn **) instr_array_at (&t->insn_of, id)), &sum);
  }
  instr_rows_group (&functions, &rows, INSTR_BY_SYMBOL, t->in);
  instr_rows_top (&rows, ROW_MISSES, t->top);
  instr_rows_top (&functions, ROW_MISSES, t->top);
  instr_rows_report (report, "by-instruction", "Instructions with most misses", t->in, &rows, row_columns, G_N_ELEMENTS (row_columns));
  instr_rows_report (report, "by-function", "Functions with most misses", t->in, &functions, row_columns, G_N_ELEMENTS (row_columns));
  instr_rows_finish (&functions);
  instr_rows_finish (&rows);
}

static void
report_spaces (TlbInstrument *t, BpReport *report)
{
  InstrSpaces all;
  InstrRows rows;
  GArray *sums = g_array_new (FALSE, TRUE, sizeof (TlbCount));
  instr_spaces_init (&all);
  for (unsigned i = 0; i < t->n_vcpus; i++) {
    const Vcpu *v = &t->vcpus[i];
    for (uint32_t k = 0; k < v->by_space->len; k++) {
      uint32_t at = instr_spaces_index (&all, v->spaces.spaces[k]);
      if (at >= sums->len)
        g_array_set_size (sums, at + 1);
      add_count (&g_array_index (sums, TlbCount, at), &g_array_index (v->by_space, TlbCount, k));
    }
  }
  instr_rows_init (&rows, N_ROW_COUNTS);
  rows.kind = INSTR_BY_SPACE;
  for (uint32_t k = 0; k < sums->len; k++)
    fill_row (instr_rows_add_address (&rows, all.spaces[k]), &g_array_index (sums, TlbCount, k));
  instr_rows_top (&rows, ROW_MISSES, t->top);
  instr_rows_report (report, "by-space", "Address spaces with most misses", t->in, &rows, row_columns, G_N_ELEMENTS (row_columns));
  instr_rows_finish (&rows);
  instr_spaces_finish (&all);
  g_array_free (sums, TRUE);
}

static void
report_series (TlbInstrument *t, BpReport *report)
{
  static const InstrSeriesLine lines[] = {
    { "instructions", TLB_SERIES_ITLB, TLB_SERIES_INSNS, 1000 }, { "data", TLB_SERIES_DTLB, TLB_SERIES_INSNS, 1000 },
    { "walks", TLB_SERIES_WALKS, TLB_SERIES_INSNS, 1000 }
  };
  InstrSeries all;
  instr_series_init (&all, TLB_SERIES_BINS, N_TLB_SERIES, t->config.interval);
  for (unsigned i = 0; i < t->n_vcpus; i++) {
    tlb_core_sample (&t->vcpus[i].core, bp_counter_get (t->in, t->time, i));
    instr_series_merge (&all, &t->vcpus[i].core.series);
  }
  instr_series_plot (report, "over-time", "Misses over time", "Instructions of each vCPU", "Of 1000 instructions", &all, lines, G_N_ELEMENTS (lines));
  instr_series_finish (&all);
}

static void
on_report (void *user, BpReport *report)
{
  TlbInstrument *t = user;
  Totals s;
  sum_up (t, &s);
  bp_report_count (report, "instructions", "Instructions", s.all_insns);
  bp_report_count (report, "memory-instructions", "Instructions that load or store", s.all_memory);
  bp_report_count (report, "walks", "Walks", walks (&s.all));
  bp_report_count (report, "space-switches", "Switches of the address space", s.switches);
  bp_report_count (report, "lost", "Records lost", s.lost);
  report_tlbs (t, &s, report);
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
    if (s.insns[p])
      report_privilege (&s, p, report);
  report_insns (t, report);
  report_spaces (t, report);
  report_series (t, report);
}

static const BpInstrumentOps ops = { .struct_size = sizeof ops, .block = on_block, .records = on_records, .report = on_report };

/* --- life cycle ------------------------------------------------------------------------------------------------- */

static bool
parse_tlb (const char *name, const char *text, bool may_be_none, TlbGeometry *g, GError **error)
{
  static const char *const replacements[] = { "lru", "random", NULL };
  static const InstrSpec rows[] = {
    { "entries", INSTR_SPEC_U32, offsetof (TlbGeometry, entries), INSTR_SPEC_REQUIRED, 1, MAX_ENTRIES, NULL },
    { "ways", INSTR_SPEC_U32, offsetof (TlbGeometry, ways), 0, 1, MAX_WAYS, NULL },
    { "replacement", INSTR_SPEC_ENUM, offsetof (TlbGeometry, replacement), 0, 0, 0, replacements },
    { NULL, 0, 0, 0, 0, 0, NULL }
  };
  *g = (TlbGeometry) { 0, 0, TLB_LRU };
  if (may_be_none && (!text || !*text || strcmp (text, "none") == 0))
    return true;
  if (!instr_spec_parse (text ? text : "", rows, g, error)) {
    g_prefix_error (error, "%s: ", name);
    return false;
  }
  if (g->ways == 0)
    g->ways = MIN (g->entries, MAX_WAYS);
  uint32_t sets = g->entries / g->ways;
  if (sets * g->ways == g->entries && (sets & (sets - 1)) == 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s: %u entries of %u ways are %s%.6g sets; it must be a power of two", name, g->entries, g->ways,
               sets * g->ways == g->entries ? "" : "about ", (double) g->entries / g->ways);
  return false;
}

static bool
tlb_configure (void *self, GError **error)
{
  TlbInstrument *t = self;
  t->config.global_upper = t->global == GLOBAL_UPPER_HALF;
  return parse_tlb ("itlb", t->itlb, false, &t->config.itlb, error) && parse_tlb ("dtlb", t->dtlb, false, &t->config.dtlb, error)
         && parse_tlb ("stlb", t->stlb, true, &t->config.stlb, error);
}

static bool
make_vcpus (TlbInstrument *t, GError **error)
{
  t->n_vcpus = bp_instrument_n_vcpus (t->in);
  t->vcpus = g_malloc0 (t->n_vcpus * sizeof *t->vcpus);
  for (unsigned i = 0; i < t->n_vcpus; i++) {
    Vcpu *v = &t->vcpus[i];
    if (!instr_array_init (&v->by_insn, sizeof (TlbCount), 0, error))
      return false;
    tlb_core_init (&v->core, &t->config, v->by_insn.items, v->by_insn.n);
    instr_spaces_init (&v->spaces);
    v->by_space = g_array_new (FALSE, TRUE, sizeof (TlbCount));
  }
  return true;
}

static bool
make_filters (TlbInstrument *t, GError **error)
{
  BpFilterDesc desc = { .struct_size = sizeof desc, .line_bytes = PAGE, .entries = 1 };
  t->code_filter = bp_filter_new (t->in, &desc, error);
  t->data_filter = t->code_filter ? bp_filter_new (t->in, &desc, error) : 0;
  return t->data_filter != 0;
}

static bool
tlb_realize (void *self, GError **error)
{
  TlbInstrument *t = self;
  if (!instr_array_init (&t->insn_of, sizeof (const BpInsn *), 0, error))
    return false;
  t->in = bp_instrument_attach (self, &ops, t, error);
  if (!t->in || !make_filters (t, error))
    return false;
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++) {
    t->insns[p] = bp_counter_new (t->in, 0);
    t->memory[p] = bp_counter_new (t->in, 0);
  }
  t->time = bp_counter_new (t->in, BP_COUNTER_LIVE);
  return make_vcpus (t, error);
}

static void
tlb_unrealize (void *self)
{
  TlbInstrument *t = self;
  bp_instrument_detach (t->in);
  t->in = NULL;
  for (unsigned i = 0; i < t->n_vcpus; i++) {
    Vcpu *v = &t->vcpus[i];
    if (v->by_space) {
      tlb_core_finish (&v->core);
      instr_spaces_finish (&v->spaces);
      g_array_free (v->by_space, TRUE);
    }
    instr_array_finish (&v->by_insn);
  }
  t->n_vcpus = 0;
  g_clear_pointer (&t->vcpus, g_free);
  instr_array_finish (&t->insn_of);
}

/* --- tables ------------------------------------------------------------------------------------------------------ */

static const char *const global_names[] = { "none", "upper-half", NULL };

static const BpProperty properties[] = {
  BP_PROP_STRING ("itlb", TlbInstrument, itlb, "entries=64,ways=8",
                  "The TLB of instructions: entries=N,ways=N,replacement=lru or random; without ways it is fully associative."),
  BP_PROP_STRING ("dtlb", TlbInstrument, dtlb, "entries=64,ways=4", "The TLB of data, likewise."),
  BP_PROP_STRING ("stlb", TlbInstrument, stlb, "entries=1536,ways=12", "The second level, for both; none: misses of the first are walks."),
  BP_PROP_BOOL ("asid", TlbInstrument, config.asid, false, "Entries are tagged with their address space, and survive its switch; off: a switch flushes."),
  BP_PROP_ENUM ("global", TlbInstrument, global, GLOBAL_NONE, global_names,
                "Which pages count as global, shared by all address spaces and kept when one is switched: none, or those of the upper half (the kernel's)."),
  BP_PROP_U64 ("seed", TlbInstrument, config.seed, 1, "Of random replacement."),
  BP_PROP_U32_RANGE ("top", TlbInstrument, top, 20, 0, 100000, "Rows of the tables of instructions, functions and address spaces; 0: all."),
  BP_PROP_ ("interval", BP_PROPERTY_U64, TlbInstrument, config.interval, .default_int = 1000000, .min = 1000, .max = UINT64_C (1) << 40,
            .help = "Instructions of a vCPU between points of the plot; doubled as often as needed to keep it at 512 points."),
  BP_PROP_END
};

static const BpTypeDesc tlb_type = {
  BP_TYPE ("tcg-tlb", BP_KIND_INSTRUMENT, TlbInstrument),
  .description = "Models of TLBs: misses and page walks by instruction, function, privilege and address space", .properties = properties,
  .configure = tlb_configure, .realize = tlb_realize, .unrealize = tlb_unrealize
};
static const BpTypeDesc *const types[] = { &tlb_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-tlb", .version = "1.0", .licence = "MIT", .description = "models of TLBs", .types = types);
