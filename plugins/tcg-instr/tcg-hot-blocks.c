/* tcg-hot-blocks.c -- how often each block of code was entered, and which take the most instructions. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>
#include "common/instr-blocks.h"
#include "common/instr-names.h"
#include "common/instr-rows.h"

/* What a row counts. */
enum { INSNS, ENTRIES, LENGTH, BLOCKS, N_COUNTS };

typedef struct Hot {
  uint32_t top, lines;          /* properties */
  int sort;
  BpInstrument *in;
  InstrBlocks blocks;
  uint64_t left_out;            /* blocks for which there was no counter any more */
} Hot;

/* --- counting ------------------------------------------------------------------------------------ */

static void
hot_block (void *user, BpInstrBlock *block)
{
  Hot *h = user;
  bool is_new;
  InstrBlock *b = instr_blocks_find (&h->blocks, block, &is_new);
  if (is_new) {
    b->entered = bp_counter_new (h->in, 0);
    b->executed = bp_counter_new (h->in, 0);
    if (!b->entered || !b->executed) {
      b->entered = b->executed = 0;     /* not the one without the other */
      h->left_out++;
    }
  }
  bp_block_count (block, 0, b->entered, 1);
  bp_block_count (block, BP_EVERY_INSN, b->executed, 1);
}

/* --- report -------------------------------------------------------------------------------------- */

static void
gather (Hot *h, InstrRows *rows)
{
  instr_rows_init (rows, N_COUNTS);
  for (uint32_t i = 0; i < h->blocks.n; i++) {
    const InstrBlock *b = instr_blocks_at (&h->blocks, i);
    uint64_t entries = bp_counter_sum (h->in, b->entered);
    if (!entries)
      continue;
    InstrRow *row = instr_rows_add (rows, b->first);
    row->counts[INSNS] = bp_counter_sum (h->in, b->executed);
    row->counts[ENTRIES] = entries;
    row->counts[LENGTH] = b->n_insns;
    row->counts[BLOCKS] = 1;
    row->user = i;
  }
}

static uint64_t
report_totals (Hot *h, BpReport *report, const InstrRows *rows)
{
  uint64_t insns = instr_rows_sum (rows, INSNS), entries = instr_rows_sum (rows, ENTRIES);
  bp_report_count (report, "blocks", "Blocks executed", rows->n);
  bp_report_count (report, "blocks-left-out", "Blocks not counted, too many", h->left_out);
  bp_report_count (report, "entries", "Blocks entered", entries);
  bp_report_count (report, "instructions", "Instructions", insns);
  if (entries)
    bp_report_number (report, "mean-length", "Instructions each time", (double) insns / (double) entries);
  return insns;
}

static void
report_privileges (BpReport *report, const InstrRows *rows, uint64_t total)
{
  static const BpReportColumn columns[] = {
    { "privilege", "Privilege", BP_REPORT_COUNT }, { "blocks", "Blocks", BP_REPORT_COUNT }, { "entries", "Entries", BP_REPORT_COUNT },
    { "instructions", "Instructions", BP_REPORT_COUNT }, { "share", "Share", BP_REPORT_SHARE },
  };
  uint64_t sums[INSTR_PRIVILEGES][N_COUNTS] = { 0 };
  for (size_t i = 0; i < rows->n; i++)
    for (unsigned c = 0; c < N_COUNTS; c++)
      sums[instr_privilege (rows->rows[i].insn)][c] += rows->rows[i].counts[c];
  BpReportTable *table = bp_report_table (report, "privileges", "By privilege", columns, G_N_ELEMENTS (columns));
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++) {
    bp_report_cell_u64 (table, p);
    bp_report_cell_u64 (table, sums[p][BLOCKS]);
    bp_report_cell_u64 (table, sums[p][ENTRIES]);
    bp_report_cell_u64 (table, sums[p][INSNS]);
    bp_report_cell_share (table, sums[p][INSNS], total);
  }
}

static void
report_functions (Hot *h, BpReport *report, const InstrRows *rows, uint64_t total)
{
  const InstrColumn columns[] = {
    { "instructions", "Instructions", BP_REPORT_COUNT, .count = INSNS },
    { "share", "Share", BP_REPORT_SHARE, .count = INSNS, .whole = INSTR_WHOLE_TOTAL, .total = total },
    { "entries", "Block entries", BP_REPORT_COUNT, .count = ENTRIES },
    { "blocks", "Blocks", BP_REPORT_COUNT, .count = BLOCKS },
  };
  InstrRows functions;
  instr_rows_group (&functions, rows, INSTR_BY_SYMBOL, h->in);
  instr_rows_top (&functions, h->sort, h->top);
  instr_rows_report (report, "functions", "Hottest functions", h->in, &functions, columns, G_N_ELEMENTS (columns));
  instr_rows_finish (&functions);
}

/* The block's first instructions: "mov %eax,(%rdi); add $4,%rdi; ..." */
static char *
code_of (Hot *h, const InstrBlock *b)
{
  if (!b->insns)
    return NULL;
  GString *code = g_string_new (NULL);
  for (uint32_t i = 0; i < b->n_insns; i++) {
    char text[128];
    if (i == h->lines) {
      g_string_append (code, "; ...");
      break;
    }
    bool is_known = bp_insn_text (h->in, b->insns[i], text, sizeof text) > 0;
    g_string_append_printf (code, "%s%s", i ? "; " : "", is_known ? text : "?");
  }
  return g_string_free (code, false);
}

/* The rows are cut down here. */
static void
report_blocks (Hot *h, BpReport *report, InstrRows *rows, uint64_t total)
{
  static const BpReportColumn columns[] = {
    { "address", "Address", BP_REPORT_ADDRESS }, { "privilege", "Privilege", BP_REPORT_COUNT }, { "symbol", "Symbol", BP_REPORT_CODE },
    { "source", "Source", BP_REPORT_CODE }, { "length", "Length", BP_REPORT_COUNT }, { "bytes", "Bytes", BP_REPORT_COUNT },
    { "entries", "Entries", BP_REPORT_COUNT }, { "instructions", "Instructions", BP_REPORT_COUNT }, { "share", "Share", BP_REPORT_SHARE },
    { "code", "Code", BP_REPORT_CODE },
  };
  instr_rows_top (rows, h->sort, h->top);
  BpReportTable *table = bp_report_table (report, "hot-blocks", "Hottest blocks", columns, G_N_ELEMENTS (columns));
  for (size_t i = 0; i < rows->n; i++) {
    const InstrRow *row = &rows->rows[i];
    const InstrBlock *b = instr_blocks_at (&h->blocks, row->user);
    char *symbol, *source, *code = code_of (h, b);
    instr_place_texts (h->in, b->first, &symbol, &source);
    bp_report_cell_u64 (table, row->address);
    bp_report_cell_u64 (table, row->privilege);
    bp_report_cell_text (table, symbol);
    bp_report_cell_text (table, source);
    bp_report_cell_u64 (table, b->n_insns);
    bp_report_cell_u64 (table, b->bytes);
    bp_report_cell_u64 (table, row->counts[ENTRIES]);
    bp_report_cell_u64 (table, row->counts[INSNS]);
    bp_report_cell_share (table, row->counts[INSNS], total);
    bp_report_cell_text (table, code);
    g_free (symbol);
    g_free (source);
    g_free (code);
  }
}

static void
hot_report (void *user, BpReport *report)
{
  Hot *h = user;
  InstrRows rows;
  gather (h, &rows);
  uint64_t total = report_totals (h, report, &rows);
  report_privileges (report, &rows, total);
  report_functions (h, report, &rows, total);
  report_blocks (h, report, &rows, total);
  instr_rows_finish (&rows);
}

/* --- life cycle ----------------------------------------------------------------------------------- */

static bool
hot_realize (void *self, GError **error)
{
  static const BpInstrumentOps ops = { .struct_size = sizeof ops, .block = hot_block, .report = hot_report };
  Hot *h = self;
  if (!instr_blocks_init (&h->blocks, h->lines > 0, error))
    return false;
  h->in = bp_instrument_attach (self, &ops, h, error);
  return h->in != NULL;
}

static void
hot_unrealize (void *self)
{
  Hot *h = self;
  bp_instrument_detach (h->in);
  h->in = NULL;
  instr_blocks_finish (&h->blocks);
}

/* --- tables ----------------------------------------------------------------------------------------- */

static const char *const sorts[] = { [INSNS] = "instructions", [ENTRIES] = "entries", NULL };

static const BpProperty hot_properties[] = {
  BP_PROP_U32 ("top", Hot, top, 20, "How many blocks and functions the report shows, 0: all."),
  BP_PROP_ENUM ("sort", Hot, sort, INSNS, sorts, "What makes a block hot: the instructions that were executed in it, or how often it was entered."),
  BP_PROP_U32 ("lines", Hot, lines, 12, "How many instructions of each block the report shows at most; 0: none, which saves memory."),
  BP_PROP_END
};

static const BpTypeDesc hot_type = {
  BP_TYPE ("tcg-hot-blocks", BP_KIND_INSTRUMENT, Hot),
  .description = "The blocks of code that run most",
  .properties = hot_properties,
  .realize = hot_realize,
  .unrealize = hot_unrealize,
};

static const BpTypeDesc *const types[] = { &hot_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-hot-blocks", .version = "1.0", .licence = "MIT", .description = "The blocks of code that run most", .types = types);
