/* instr-rows-report.c -- rows of counts as a report's table, with instruction, symbol and source line. */
/* SPDX-License-Identifier: MIT */
#include "instr-rows.h"

static const BpReportColumn insn_columns[] = {
  { "address", "Address", BP_REPORT_ADDRESS },
  { "instruction", "Instruction", BP_REPORT_CODE },
  { "privilege", "Privilege", BP_REPORT_COUNT },
  { "symbol", "Symbol", BP_REPORT_CODE },
  { "source", "Source", BP_REPORT_CODE },
};
static const BpReportColumn symbol_columns[] = {
  { "symbol", "Function", BP_REPORT_CODE },
  { "object", "In", BP_REPORT_TEXT },
  { "address", "Address", BP_REPORT_ADDRESS },
  { "privilege", "Privilege", BP_REPORT_COUNT },
};
static const BpReportColumn line_columns[] = {
  { "source", "Source line", BP_REPORT_CODE },
  { "symbol", "Function", BP_REPORT_CODE },
  { "privilege", "Privilege", BP_REPORT_COUNT },
};
static const BpReportColumn space_columns[] = {
  { "space", "Address space", BP_REPORT_ADDRESS },
};
static const struct {
  const BpReportColumn *columns;
  unsigned n;
} places[] = {
  [INSTR_BY_INSN] = { insn_columns, G_N_ELEMENTS (insn_columns) },
  [INSTR_BY_SYMBOL] = { symbol_columns, G_N_ELEMENTS (symbol_columns) },
  [INSTR_BY_LINE] = { line_columns, G_N_ELEMENTS (line_columns) },
  [INSTR_BY_SPACE] = { space_columns, G_N_ELEMENTS (space_columns) },
};

static void
insn_cells (BpReportTable *table, BpInstrument *in, const InstrRow *row)
{
  bp_report_cell_u64 (table, row->address);
  if (!row->insn) {
    for (unsigned i = 1; i < G_N_ELEMENTS (insn_columns); i++)
      bp_report_cell_none (table);
    return;
  }
  char text[128];
  char *symbol, *source;
  bp_report_cell_text (table, bp_insn_text (in, row->insn, text, sizeof text) ? text : NULL);
  bp_report_cell_u64 (table, row->privilege);
  instr_place_texts (in, row->insn, &symbol, &source);
  bp_report_cell_text (table, symbol);
  bp_report_cell_text (table, source);
  g_free (symbol);
  g_free (source);
}

static void
place_cells (BpReportTable *table, BpInstrument *in, const InstrRow *row, unsigned kind)
{
  switch ((InstrGrouping) kind) {
  case INSTR_BY_INSN:
    insn_cells (table, in, row);
    break;
  case INSTR_BY_SYMBOL:
    bp_report_cell_text (table, row->label);
    bp_report_cell_text (table, row->detail);
    if (row->label && row->label[0] == '[')     /* many functions, that nobody knows: no one address */
      bp_report_cell_none (table);
    else
      bp_report_cell_u64 (table, row->address);
    bp_report_cell_u64 (table, row->privilege);
    break;
  case INSTR_BY_LINE:
    bp_report_cell_text (table, row->label);
    bp_report_cell_text (table, row->detail);
    bp_report_cell_u64 (table, row->privilege);
    break;
  case INSTR_BY_SPACE:
    bp_report_cell_u64 (table, row->address);
    break;
  }
}

static void
count_cell (BpReportTable *table, const InstrRow *row, const InstrColumn *column)
{
  uint64_t part = row->counts[column->count];
  uint64_t whole = column->whole == INSTR_WHOLE_TOTAL ? column->total : row->counts[column->whole];
  if (column->kind == BP_REPORT_SHARE)
    bp_report_cell_share (table, part, whole);
  else if (column->kind == BP_REPORT_NUMBER && whole)
    bp_report_cell_number (table, (double) part / (double) whole);
  else if (column->kind == BP_REPORT_NUMBER)
    bp_report_cell_none (table);
  else
    bp_report_cell_u64 (table, part);
}

void
instr_rows_report (BpReport *report, const char *key, const char *title, BpInstrument *in, const InstrRows *rows, const InstrColumn *columns, unsigned n)
{
  enum { MOST = 24 };
  unsigned n_place = places[rows->kind].n;
  BpReportColumn all[MOST];
  g_assert (n_place + n <= MOST);
  for (unsigned i = 0; i < n_place; i++)
    all[i] = places[rows->kind].columns[i];
  for (unsigned i = 0; i < n; i++)
    all[n_place + i] = (BpReportColumn) { columns[i].key, columns[i].title, columns[i].kind };
  BpReportTable *table = bp_report_table (report, key, title, all, n_place + n);
  for (size_t i = 0; i < rows->n; i++) {
    place_cells (table, in, &rows->rows[i], rows->kind);
    for (unsigned c = 0; c < n; c++)
      count_cell (table, &rows->rows[i], &columns[c]);
  }
}
