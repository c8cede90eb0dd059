/* tcg-mix.c -- the mix of instructions: by class, and by mnemonic, at each privilege. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>
#include "common/instr-array.h"
#include "common/instr-names.h"
#include "common/instr-rows.h"

/* A mnemonic that was met, with its counters. */
typedef struct Mnemonic {
  char *name;
  BpCounter by_privilege[INSTR_PRIVILEGES];
} Mnemonic;

typedef struct Mix {
  bool mnemonics;               /* properties */
  uint32_t top;
  BpInstrument *in;
  BpCounter by_class[BP_N_CLASSES][INSTR_PRIVILEGES];
  /* under the translator's lock */
  GHashTable *by_name;          /* name -> index + 1 */
  GArray *names;                /* of Mnemonic */
  InstrArray of_insn;           /* uint32_t by BpInsn.id: index + 1 */
} Mix;

/* --- counting ----------------------------------------------------------------------------------- */

/* The first word, with those before it that change what it does: "add", "rep movsb", "lock cmpxchg". */
static size_t
mnemonic_length (const char *text)
{
  static const char *const prefixes[] = { "rep ", "repz ", "repnz ", "lock " };
  for (size_t i = 0; i < G_N_ELEMENTS (prefixes); i++)
    if (g_str_has_prefix (text, prefixes[i]))
      return strlen (prefixes[i]) + mnemonic_length (text + strlen (prefixes[i]));
  return strcspn (text, " \t");
}

static uint32_t
mnemonic_of (Mix *m, const BpInsn *insn)
{
  uint32_t *known = instr_array_at (&m->of_insn, insn->id);
  if (*known)
    return *known - 1;
  char text[128] = "";
  if (!bp_insn_text (m->in, insn, text, sizeof text))
    g_strlcpy (text, "?", sizeof text);
  text[mnemonic_length (text)] = 0;
  *known = GPOINTER_TO_UINT (g_hash_table_lookup (m->by_name, text));
  if (!*known) {
    Mnemonic added = { .name = g_strdup (text) };
    for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
      added.by_privilege[p] = bp_counter_new (m->in, 0);
    g_array_append_val (m->names, added);
    *known = m->names->len;
    g_hash_table_insert (m->by_name, added.name, GUINT_TO_POINTER (*known));
  }
  return *known - 1;
}

static void
mix_block (void *user, BpInstrBlock *block)
{
  Mix *m = user;
  for (unsigned i = 0, n = bp_block_n_insns (block); i < n; i++) {
    const BpInsn *insn = bp_block_insn (block, i);
    unsigned p = instr_privilege (insn);
    bp_block_count (block, i, m->by_class[instr_class (insn)][p], 1);
    if (!m->mnemonics)
      continue;
    uint32_t mnemonic = mnemonic_of (m, insn);  /* may move the names */
    bp_block_count (block, i, g_array_index (m->names, Mnemonic, mnemonic).by_privilege[p], 1);
  }
}

/* --- report ------------------------------------------------------------------------------------- */

typedef struct Row {
  const char *name;
  uint64_t all, by_privilege[INSTR_PRIVILEGES];
} Row;

static Row
row_of (Mix *m, const char *name, const BpCounter *counters)
{
  Row row = { .name = name };
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++) {
    row.by_privilege[p] = bp_counter_sum (m->in, counters[p]);
    row.all += row.by_privilege[p];
  }
  return row;
}

static int
compare_rows (const void *pa, const void *pb)
{
  const Row *a = pa, *b = pb;
  return a->all > b->all ? -1 : a->all < b->all ? 1 : strcmp (a->name, b->name);
}

static void
report_rows (BpReport *report, const char *key, const char *title, BpReportColumn name, const Row *rows, size_t n, const Row *total)
{
  const BpReportColumn columns[] = {
    name,
    { "instructions", "Instructions", BP_REPORT_COUNT }, { "share", "Share", BP_REPORT_SHARE },
    { "privilege-0", "Privilege 0", BP_REPORT_COUNT }, { "privilege-0-share", "of it", BP_REPORT_SHARE },
    { "privilege-1", "1", BP_REPORT_COUNT }, { "privilege-2", "2", BP_REPORT_COUNT },
    { "privilege-3", "3", BP_REPORT_COUNT }, { "privilege-3-share", "of it", BP_REPORT_SHARE },
  };
  BpReportTable *table = bp_report_table (report, key, title, columns, G_N_ELEMENTS (columns));
  for (size_t i = 0; i < n; i++) {
    const Row *row = &rows[i];
    bp_report_cell_text (table, row->name);
    bp_report_cell_u64 (table, row->all);
    bp_report_cell_share (table, row->all, total->all);
    bp_report_cell_u64 (table, row->by_privilege[0]);
    bp_report_cell_share (table, row->by_privilege[0], total->by_privilege[0]);
    bp_report_cell_u64 (table, row->by_privilege[1]);
    bp_report_cell_u64 (table, row->by_privilege[2]);
    bp_report_cell_u64 (table, row->by_privilege[3]);
    bp_report_cell_share (table, row->by_privilege[3], total->by_privilege[3]);
  }
}

static void
plot_rows (BpReport *report, const char *key, const char *title, const Row *rows, size_t n, uint64_t whole)
{
  BpReportPlot *plot = bp_report_plot (report, key, title, BP_PLOT_BARS, NULL, "per cent");
  for (size_t i = 0; i < n; i++)
    if (rows[i].all)
      bp_report_bar (plot, rows[i].name, 100.0 * (double) rows[i].all / (double) whole);
}

static void
report_mnemonics (Mix *m, BpReport *report, const Row *total)
{
  enum { BARS = 20 };
  size_t n = m->names->len, used = 0;
  Row *rows = g_new (Row, n + 1);
  for (size_t i = 0; i < n; i++) {
    const Mnemonic *mnemonic = &g_array_index (m->names, Mnemonic, i);
    rows[used] = row_of (m, mnemonic->name, mnemonic->by_privilege);
    used += rows[used].all > 0;
  }
  if (used)
    qsort (rows, used, sizeof *rows, compare_rows);
  bp_report_count (report, "mnemonics-executed", "Mnemonics executed", used);
  size_t shown = m->top && used > m->top ? m->top : used;
  report_rows (report, "mnemonics", "By mnemonic", (BpReportColumn) { "mnemonic", "Mnemonic", BP_REPORT_CODE }, rows, shown, total);
  plot_rows (report, "mnemonics-plot", "Most frequent mnemonics", rows, MIN (shown, BARS), total->all);
  g_free (rows);
}

static void
mix_report (void *user, BpReport *report)
{
  Mix *m = user;
  Row rows[BP_N_CLASSES], total = { .name = "" };
  for (unsigned i = 0; i < BP_N_CLASSES; i++) {
    rows[i] = row_of (m, instr_class_key (i), m->by_class[i]);
    total.all += rows[i].all;
    for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
      total.by_privilege[p] += rows[i].by_privilege[p];
  }
  bp_report_count (report, "instructions", "Instructions", total.all);
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
    bp_report_count (report, instr_privilege_key (p), instr_privilege_title (p), total.by_privilege[p]);
  report_rows (report, "classes", "By class", (BpReportColumn) { "class", "Class", BP_REPORT_TEXT }, rows, BP_N_CLASSES, &total);
  qsort (rows, BP_N_CLASSES, sizeof *rows, compare_rows);
  plot_rows (report, "classes-plot", "Classes of instructions", rows, BP_N_CLASSES, total.all);
  if (m->mnemonics)
    report_mnemonics (m, report, &total);
}

/* --- life cycle --------------------------------------------------------------------------------- */

static void
mnemonic_clear (void *item)
{
  g_free (((Mnemonic *) item)->name);
}

static bool
mix_realize (void *self, GError **error)
{
  static const BpInstrumentOps ops = { .struct_size = sizeof ops, .block = mix_block, .report = mix_report };
  Mix *m = self;
  if (m->mnemonics && !instr_array_init (&m->of_insn, sizeof (uint32_t), 0, error))
    return false;
  m->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  m->names = g_array_new (false, false, sizeof (Mnemonic));
  g_array_set_clear_func (m->names, mnemonic_clear);
  m->in = bp_instrument_attach (self, &ops, m, error);
  if (!m->in)
    return false;
  for (unsigned i = 0; i < BP_N_CLASSES; i++)
    for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
      m->by_class[i][p] = bp_counter_new (m->in, 0);
  return true;
}

static void
mix_unrealize (void *self)
{
  Mix *m = self;
  bp_instrument_detach (m->in);
  m->in = NULL;
  g_clear_pointer (&m->by_name, g_hash_table_destroy);
  g_clear_pointer (&m->names, g_array_unref);
  instr_array_finish (&m->of_insn);
}

/* --- tables -------------------------------------------------------------------------------------- */

static const BpProperty mix_properties[] = {
  BP_PROP_BOOL ("mnemonics", Mix, mnemonics, false, "Also counts by mnemonic, which costs time when code is translated."),
  BP_PROP_U32 ("top", Mix, top, 50, "How many mnemonics the report shows, 0: all."),
  BP_PROP_END
};

static const BpTypeDesc mix_type = {
  BP_TYPE ("tcg-mix", BP_KIND_INSTRUMENT, Mix),
  .description = "The mix of instructions by class and mnemonic",
  .properties = mix_properties,
  .realize = mix_realize,
  .unrealize = mix_unrealize,
};

static const BpTypeDesc *const types[] = { &mix_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-mix", .version = "1.0", .licence = "MIT", .description = "The mix of instructions by class and mnemonic",
                  .types = types);
