/* tcg-branch.c -- how well predictors would do: conditional branches, returns and indirect targets, exactly as the guest executes them. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>
#include <string.h>
#include "common/instr-array.h"
#include "common/instr-rows.h"
#include "common/instr-spec.h"
#include "tcg-branch-core.h"

#define MAX_BRANCHES (1u << 24) /* those beyond share the last number */

typedef struct Branch {
  char **predictors;            /* properties */
  uint32_t top;
  BranchConfig config;
  BpInstrument *in;
  BpCounter insns[INSTR_PRIVILEGES];
  InstrArray numbers;           /* uint32_t by BpInsn.id: the branch's number, from 1 */
  InstrArray branches;          /* const BpInsn * by number */
  uint32_t n_branches;          /* and one */
  BranchCore *cores;            /* of each vCPU */
  InstrArray *counts;           /* BranchCount by number, of each vCPU */
  unsigned n_cores;
} Branch;

static const char *const predictor_keys[N_PREDICTORS + 1] = { "bimodal", "gshare", "tage", NULL };
static const char *const predictor_titles[N_PREDICTORS] = { "Bimodal", "Gshare", "TAGE" };

/* --- what is asked for ---------------------------------------------------------------------------- */

static uint32_t
number_of (Branch *b, const BpInsn *insn)
{
  uint32_t *number = instr_array_at (&b->numbers, insn->id);
  if (*number == 0) {
    *number = MIN (b->n_branches, MAX_BRANCHES - 1);
    *(const BpInsn **) instr_array_at (&b->branches, *number) = insn;
    __atomic_store_n (&b->n_branches, *number + 1, __ATOMIC_RELEASE);
  }
  return *number;
}

/* Each block, each branch, and what comes behind a branch within the block. */
static void
on_block (void *user, BpInstrBlock *block)
{
  Branch *b = user;
  bool behind = false;
  bp_block_count (block, BP_EVERY_INSN, b->insns[instr_privilege (bp_block_insn (block, 0))], 1);
  bp_block_record_block (block, 0);
  for (unsigned i = 0, n = bp_block_n_insns (block); i < n; i++) {
    const BpInsn *insn = bp_block_insn (block, i);
    bool followed = branch_is_followed (insn);
    if (followed || behind)
      bp_block_record_insn (block, i, followed ? number_of (b, insn) : 0);
    behind = followed;
  }
}

static void
on_records (void *user, const BpBatch *batch)
{
  BranchCore *c = &((Branch *) user)->cores[batch->vcpu];
  if (batch->lost || batch->space != c->space) {
    branch_core_break (c);
    c->lost += batch->lost;
    c->space = batch->space;
  }
  branch_core_records (c, batch->records, batch->n, bp_sites (((Branch *) user)->in));
}

static void
on_jump (void *user, unsigned vcpu, const BpJump *jump)
{
  Branch *b = user;
  bp_instrument_flush (b->in);
  branch_core_jump (&b->cores[vcpu], jump->from);
}

static void
on_started (void *user, unsigned vcpu)
{
  Branch *b = user;
  bp_instrument_flush (b->in);
  branch_core_break (&b->cores[vcpu]);
}

/* --- report: totals ----------------------------------------------------------------------------------- */

typedef struct Totals {
  uint64_t insns[INSTR_PRIVILEGES], all_insns, calls, unknown, lost;
  BranchCount by_privilege[INSTR_PRIVILEGES][N_BRANCH_KINDS];
  BranchCount all[N_BRANCH_KINDS];
} Totals;

static void
add_count (BranchCount *to, const BranchCount *from)
{
  to->executed += from->executed;
  to->taken += from->taken;
  for (unsigned p = 0; p < N_PREDICTORS; p++)
    to->missed[p] += from->missed[p];
}

static void
sum_up (Branch *b, Totals *t)
{
  memset (t, 0, sizeof *t);
  for (unsigned i = 0; i < b->n_cores; i++) {
    BranchCore *c = &b->cores[i];
    t->calls += c->calls;
    t->unknown += c->unknown;
    t->lost += c->lost;
    for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
      for (unsigned k = 0; k < N_BRANCH_KINDS; k++)
        add_count (&t->by_privilege[p][k], &c->total[p][k]);
  }
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++) {
    t->insns[p] = bp_counter_sum (b->in, b->insns[p]);
    t->all_insns += t->insns[p];
    for (unsigned k = 0; k < N_BRANCH_KINDS; k++)
      add_count (&t->all[k], &t->by_privilege[p][k]);
  }
}

static void
cell_per_thousand (BpReportTable *table, uint64_t part, uint64_t whole)
{
  if (whole)
    bp_report_cell_number (table, 1000.0 * (double) part / (double) whole);
  else
    bp_report_cell_none (table);
}

static uint64_t
predictor_bits (const BranchConfig *c, unsigned predictor)
{
  return predictor == PREDICTOR_BIMODAL ? 2 * (uint64_t) c->bimodal_entries : predictor == PREDICTOR_GSHARE ? 2 * (uint64_t) c->gshare_entries
         : tage_bits (&c->tage);
}

static void
report_predictors (Branch *b, const Totals *t, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "predictor", "Predictor", BP_REPORT_TEXT }, { "bytes", "Bytes of state", BP_REPORT_COUNT }, { "mispredicted", "Mispredicted", BP_REPORT_COUNT },
    { "accuracy", "Accuracy", BP_REPORT_SHARE }, { "mpki", "MPKI", BP_REPORT_NUMBER }
  };
  const BranchCount *all = &t->all[BRANCH_CONDITIONAL];
  BpReportTable *table = bp_report_table (report, "predictors", "Predictors of conditional branches", columns, G_N_ELEMENTS (columns));
  for (unsigned k = 0; k < N_PREDICTORS; k++) {
    if (!b->config.uses[k])
      continue;
    bp_report_cell_text (table, predictor_keys[k]);
    bp_report_cell_u64 (table, predictor_bits (&b->config, k) / 8);
    bp_report_cell_u64 (table, all->missed[k]);
    bp_report_cell_share (table, all->executed - all->missed[k], all->executed);
    cell_per_thousand (table, all->missed[k], t->all_insns);
  }
}

static void
report_targets (const Totals *t, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "kind", "Targets of", BP_REPORT_TEXT }, { "predictor", "Predicted by", BP_REPORT_TEXT }, { "executed", "Executed", BP_REPORT_COUNT },
    { "mispredicted", "Mispredicted", BP_REPORT_COUNT }, { "accuracy", "Accuracy", BP_REPORT_SHARE }, { "mpki", "MPKI", BP_REPORT_NUMBER }
  };
  static const char *const names[N_BRANCH_KINDS][2] = { { NULL, NULL }, { "returns", "return stack" }, { "indirect", "last target" } };
  BpReportTable *table = bp_report_table (report, "targets", "Returns, indirect jumps and calls", columns, G_N_ELEMENTS (columns));
  for (unsigned k = BRANCH_RETURN; k < N_BRANCH_KINDS; k++) {
    bp_report_cell_text (table, names[k][0]);
    bp_report_cell_text (table, names[k][1]);
    bp_report_cell_u64 (table, t->all[k].executed);
    bp_report_cell_u64 (table, t->all[k].missed[0]);
    bp_report_cell_share (table, t->all[k].executed - t->all[k].missed[0], t->all[k].executed);
    cell_per_thousand (table, t->all[k].missed[0], t->all_insns);
  }
}

static void
report_privilege (Branch *b, const Totals *t, unsigned p, BpReport *report)
{
  const BranchCount *conditional = &t->by_privilege[p][BRANCH_CONDITIONAL], *returns = &t->by_privilege[p][BRANCH_RETURN],
                    *indirect = &t->by_privilege[p][BRANCH_INDIRECT];
  BpReport *section = bp_report_section (report, instr_privilege_key (p), instr_privilege_title (p));
  static const BpReportColumn columns[] = {
    { "predictor", "Predictor", BP_REPORT_TEXT }, { "mispredicted", "Mispredicted", BP_REPORT_COUNT },
    { "accuracy", "Accuracy", BP_REPORT_SHARE }, { "mpki", "MPKI", BP_REPORT_NUMBER }
  };
  bp_report_count (section, "instructions", "Instructions", t->insns[p]);
  bp_report_count (section, "conditional", "Conditional branches", conditional->executed);
  bp_report_share (section, "taken", "Taken", conditional->taken, conditional->executed);
  bp_report_share (section, "return-accuracy", "Returns predicted", returns->executed - returns->missed[0], returns->executed);
  bp_report_share (section, "indirect-accuracy", "Indirect targets predicted", indirect->executed - indirect->missed[0], indirect->executed);
  BpReportTable *table = bp_report_table (section, "predictors", "Predictors", columns, G_N_ELEMENTS (columns));
  for (unsigned k = 0; k < N_PREDICTORS; k++) {
    if (!b->config.uses[k])
      continue;
    bp_report_cell_text (table, predictor_keys[k]);
    bp_report_cell_u64 (table, conditional->missed[k]);
    bp_report_cell_share (table, conditional->executed - conditional->missed[k], conditional->executed);
    cell_per_thousand (table, conditional->missed[k], t->insns[p]);
  }
}

/* --- report: branches ------------------------------------------------------------------------------------ */

/* In a row: executed, taken, missed by each predictor. */
enum { ROW_EXECUTED, ROW_TAKEN, ROW_MISSED, N_ROW_COUNTS = ROW_MISSED + N_PREDICTORS };

static void
gather (Branch *b, bool conditional, InstrRows *rows)
{
  instr_rows_init (rows, N_ROW_COUNTS);
  for (uint32_t n = 1; n < b->n_branches; n++) {
    const BpInsn *insn = *(const BpInsn **) instr_array_at (&b->branches, n);
    BranchCount sum = { 0 };
    if ((branch_kind (insn) == BRANCH_CONDITIONAL) != conditional)
      continue;
    for (unsigned i = 0; i < b->n_cores; i++)
      add_count (&sum, instr_array_at (&b->counts[i], n));
    if (sum.executed == 0)
      continue;
    InstrRow *row = instr_rows_add (rows, insn);
    row->counts[ROW_EXECUTED] = sum.executed;
    row->counts[ROW_TAKEN] = sum.taken;
    for (unsigned k = 0; k < N_PREDICTORS; k++)
      row->counts[ROW_MISSED + k] = sum.missed[k];
  }
}

/* The best predictor there is decides which branches are hard. */
static unsigned
best (const Branch *b)
{
  unsigned k = N_PREDICTORS - 1;
  while (k > 0 && !b->config.uses[k])
    k--;
  return k;
}

static unsigned
conditional_columns (const Branch *b, InstrColumn *columns)
{
  static const char *const rate_keys[N_PREDICTORS] = { "bimodal-rate", "gshare-rate", "tage-rate" };
  static const char *const rate_titles[N_PREDICTORS] = { "Bimodal rate", "Gshare rate", "TAGE rate" };
  unsigned n = 0;
  columns[n++] = (InstrColumn) { "executed", "Executed", BP_REPORT_COUNT, ROW_EXECUTED, 0, 0 };
  columns[n++] = (InstrColumn) { "taken", "Taken", BP_REPORT_SHARE, ROW_TAKEN, ROW_EXECUTED, 0 };
  for (unsigned k = 0; k < N_PREDICTORS; k++)
    if (b->config.uses[k]) {
      columns[n++] = (InstrColumn) { predictor_keys[k], predictor_titles[k], BP_REPORT_COUNT, ROW_MISSED + k, 0, 0 };
      columns[n++] = (InstrColumn) { rate_keys[k], rate_titles[k], BP_REPORT_SHARE, ROW_MISSED + k, ROW_EXECUTED, 0 };
    }
  return n;
}

static void
report_tables (Branch *b, BpReport *report)
{
  static const InstrColumn target_columns[] = {
    { "executed", "Executed", BP_REPORT_COUNT, ROW_EXECUTED, 0, 0 }, { "mispredicted", "Mispredicted", BP_REPORT_COUNT, ROW_MISSED, 0, 0 },
    { "rate", "Rate", BP_REPORT_SHARE, ROW_MISSED, ROW_EXECUTED, 0 }
  };
  InstrColumn columns[2 + 2 * N_PREDICTORS];
  InstrRows rows, functions;
  unsigned n = conditional_columns (b, columns);
  gather (b, true, &rows);
  instr_rows_group (&functions, &rows, INSTR_BY_SYMBOL, b->in);
  instr_rows_top (&rows, ROW_MISSED + best (b), b->top);
  instr_rows_top (&functions, ROW_MISSED + best (b), b->top);
  instr_rows_report (report, "branches", "Conditional branches with most mispredictions", b->in, &rows, columns, n);
  instr_rows_report (report, "functions", "Functions with most mispredictions of conditional branches", b->in, &functions, columns, n);
  instr_rows_finish (&functions);
  instr_rows_finish (&rows);
  gather (b, false, &rows);
  instr_rows_top (&rows, ROW_MISSED, b->top);
  instr_rows_report (report, "indirect-branches", "Returns, indirect jumps and calls with most mispredictions", b->in, &rows, target_columns,
                     G_N_ELEMENTS (target_columns));
  instr_rows_finish (&rows);
}

static void
report_series (Branch *b, BpReport *report)
{
  InstrSeries all;
  InstrSeriesLine lines[N_PREDICTORS];
  unsigned n = 0;
  instr_series_init (&all, SERIES_BINS, N_SERIES, b->config.interval);
  for (unsigned i = 0; i < b->n_cores; i++) {
    branch_core_sample (&b->cores[i]);
    instr_series_merge (&all, &b->cores[i].series);
  }
  for (unsigned k = 0; k < N_PREDICTORS; k++)
    if (b->config.uses[k])
      lines[n++] = (InstrSeriesLine) { predictor_keys[k], k, SERIES_INSNS, 1000 };
  instr_series_plot (report, "over-time", "Mispredictions over time", "Instructions of each vCPU", "MPKI", &all, lines, n);
  instr_series_finish (&all);
}

static void
on_report (void *user, BpReport *report)
{
  Branch *b = user;
  Totals t;
  sum_up (b, &t);
  bp_report_count (report, "instructions", "Instructions", t.all_insns);
  bp_report_count (report, "conditional", "Conditional branches", t.all[BRANCH_CONDITIONAL].executed);
  bp_report_share (report, "taken", "Taken", t.all[BRANCH_CONDITIONAL].taken, t.all[BRANCH_CONDITIONAL].executed);
  bp_report_count (report, "calls", "Calls", t.calls);
  bp_report_count (report, "returns", "Returns", t.all[BRANCH_RETURN].executed);
  bp_report_count (report, "indirect", "Indirect jumps and calls", t.all[BRANCH_INDIRECT].executed);
  bp_report_count (report, "unknown", "Branches whose outcome was not seen", t.unknown);
  bp_report_count (report, "lost", "Records lost", t.lost);
  report_predictors (b, &t, report);
  report_targets (&t, report);
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
    if (t.insns[p])
      report_privilege (b, &t, p, report);
  report_tables (b, report);
  report_series (b, report);
}

static const BpInstrumentOps ops = {
  .struct_size = sizeof ops, .block = on_block, .records = on_records, .jump = on_jump, .started = on_started, .report = on_report
};

/* --- life cycle --------------------------------------------------------------------------------------------- */

static bool
choose_predictors (Branch *b, GError **error)
{
  if (b->predictors && b->predictors[0] && !b->predictors[1] && strcmp (b->predictors[0], "none") == 0)
    return true;
  for (char **name = b->predictors; name && *name; name++) {
    unsigned k = 0;
    while (k < N_PREDICTORS && strcmp (*name, predictor_keys[k]) != 0)
      k++;
    if (k == N_PREDICTORS) {
      const char *near = instr_nearest (*name, predictor_keys);
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "predictors: there is no \"%s\"%s%s%s; there are bimodal, gshare and tage, and none", *name,
                   near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
      return false;
    }
    b->config.uses[k] = true;
  }
  return true;
}

static bool
check_power (const char *name, uint32_t value, GError **error)
{
  if ((value & (value - 1)) == 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s = %u: must be a power of two", name, value);
  return false;
}

static bool
branch_configure (void *self, GError **error)
{
  Branch *b = self;
  BranchConfig *c = &b->config;
  if (!choose_predictors (b, error) || !check_power ("bimodal-entries", c->bimodal_entries, error)
      || !check_power ("gshare-entries", c->gshare_entries, error) || !check_power ("tage-base-entries", c->tage.base_entries, error)
      || !check_power ("tage-entries", c->tage.entries, error) || !check_power ("indirect-entries", c->indirect_entries, error))
    return false;
  uint32_t index_bits = (uint32_t) __builtin_ctz (c->gshare_entries);
  if (c->gshare_history > index_bits) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "gshare-history = %u: %u entries have %u bits of index", c->gshare_history, c->gshare_entries,
                 index_bits);
    return false;
  }
  if (c->tage.max_history < c->tage.min_history) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "tage-max-history = %u: less than tage-min-history = %u", c->tage.max_history,
                 c->tage.min_history);
    return false;
  }
  return true;
}

static bool
make_cores (Branch *b, GError **error)
{
  b->n_cores = bp_instrument_n_vcpus (b->in);
  b->cores = g_malloc0 (b->n_cores * sizeof *b->cores);
  b->counts = g_new0 (InstrArray, b->n_cores);
  for (unsigned i = 0; i < b->n_cores; i++) {
    if (!instr_array_init (&b->counts[i], sizeof (BranchCount), MAX_BRANCHES, error))
      return false;
    branch_core_init (&b->cores[i], &b->config, b->counts[i].items);
  }
  return true;
}

static bool
branch_realize (void *self, GError **error)
{
  Branch *b = self;
  b->n_branches = 1;
  if (!instr_array_init (&b->numbers, sizeof (uint32_t), 0, error)
      || !instr_array_init (&b->branches, sizeof (const BpInsn *), MAX_BRANCHES, error))
    return false;
  b->in = bp_instrument_attach (self, &ops, b, error);
  if (!b->in)
    return false;
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
    b->insns[p] = bp_counter_new (b->in, 0);
  return make_cores (b, error);
}

static void
branch_unrealize (void *self)
{
  Branch *b = self;
  bp_instrument_detach (b->in);
  b->in = NULL;
  for (unsigned i = 0; i < b->n_cores; i++) {
    branch_core_finish (&b->cores[i]);
    instr_array_finish (&b->counts[i]);
  }
  b->n_cores = 0;
  g_clear_pointer (&b->cores, g_free);
  g_clear_pointer (&b->counts, g_free);
  instr_array_finish (&b->numbers);
  instr_array_finish (&b->branches);
}

/* --- tables ---------------------------------------------------------------------------------------------------- */

#define C(field) config.field
static const BpProperty properties[] = {
  BP_PROP_LIST ("predictors", Branch, predictors, "bimodal,gshare,tage", "Which predictors run side by side: bimodal, gshare, tage; or none."),
  BP_PROP_U32_RANGE ("bimodal-entries", Branch, C (bimodal_entries), 4096, 2, 1 << 24, "2-bit counters of the bimodal predictor, a power of two."),
  BP_PROP_U32_RANGE ("gshare-entries", Branch, C (gshare_entries), 16384, 2, 1 << 24, "2-bit counters of gshare, a power of two."),
  BP_PROP_U32_RANGE ("gshare-history", Branch, C (gshare_history), 12, 1, 24, "Outcomes in gshare's history, at most the bits of its index."),
  BP_PROP_U32_RANGE ("tage-tables", Branch, C (tage.tables), 7, 1, TAGE_MAX_TABLES, "Tagged tables of TAGE."),
  BP_PROP_U32_RANGE ("tage-entries", Branch, C (tage.entries), 1024, 16, 1 << 16, "Entries of each tagged table, a power of two."),
  BP_PROP_U32_RANGE ("tage-base-entries", Branch, C (tage.base_entries), 4096, 2, 1 << 24, "2-bit counters under TAGE's tables, a power of two."),
  BP_PROP_U32_RANGE ("tage-tag-bits", Branch, C (tage.tag_bits), 11, 4, 15, "Bits of TAGE's tags."),
  BP_PROP_U32_RANGE ("tage-min-history", Branch, C (tage.min_history), 4, 1, TAGE_MAX_HISTORY, "Outcomes that TAGE's first tagged table looks at."),
  BP_PROP_U32_RANGE ("tage-max-history", Branch, C (tage.max_history), 128, 1, TAGE_MAX_HISTORY,
                     "Outcomes that its last one looks at; those between follow a geometric series."),
  BP_PROP_U32_RANGE ("return-entries", Branch, C (return_entries), 16, 1, 1 << 16, "Entries of the return-address stack."),
  BP_PROP_U32_RANGE ("indirect-entries", Branch, C (indirect_entries), 512, 1, 1 << 24,
                     "Entries of the table of last targets of indirect jumps and calls, a power of two."),
  BP_PROP_U32_RANGE ("top", Branch, top, 20, 0, 100000, "Rows of the tables of branches and functions; 0: all."),
  BP_PROP_ ("interval", BP_PROPERTY_U64, Branch, C (interval), .default_int = 1000000, .min = 1000, .max = UINT64_C (1) << 40,
            .help = "Instructions of a vCPU between points of the plot; doubled as often as needed to keep it at 512 points."),
  BP_PROP_END
};

static const BpTypeDesc branch_type = {
  BP_TYPE ("tcg-branch", BP_KIND_INSTRUMENT, Branch), .description = "Models of branch predictors: mispredictions by branch, function and privilege",
  .properties = properties, .configure = branch_configure, .realize = branch_realize, .unrealize = branch_unrealize
};
static const BpTypeDesc *const types[] = { &branch_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-branch", .version = "1.0", .licence = "MIT", .description = "models of branch predictors", .types = types);
