/* tcg-coverage.c -- what code was executed: as a drcov file for reverse engineers' tools, by module and by function. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/symbols.h>
#include <backplane/log.h>
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>
#include "common/instr-blocks.h"
#include "common/instr-rows.h"
#include "tcg-coverage-drcov.h"
#include "tcg-coverage-module.h"

enum { USER_PRIVILEGE = 3, MOST_MODULES = 60000 };
/* Code that no module has is told as belonging to its 4 GiB of address space. */
#define REST_BYTES (UINT64_C (1) << 32)
#define NO_MODULE UINT32_MAX

typedef struct Coverage {
  char *file, **modules;        /* properties */
  bool rest;
  uint32_t top;
  BpInstrument *in;
  InstrBlocks blocks;           /* user: the module's number + 1; 0: none */
  CoverageModule *known;
  size_t n_known;
  bool has_failed;              /* the file: said once */
  uint64_t left_out;            /* blocks for which there was no counter any more */
} Coverage;

/* A block that was executed, as the report sees it. */
typedef struct Covered {
  uint64_t start, end;
  uint32_t module;              /* in the table of Result */
  uint32_t privilege;
} Covered;

/* What a report is made of. */
typedef struct Result {
  Covered *covered;
  size_t n;
  DrcovModule *modules;         /* those known, then the rest's */
  size_t n_modules;
  GPtrArray *names;             /* of the rest's modules */
  uint64_t left_out;            /* blocks of the rest that found no room in the table of modules */
} Result;

/* --- recording ------------------------------------------------------------------------------------- */

/* User programs share addresses: an ELF file's own code tells them apart.  A kernel patches itself, so that its code need not be the file's. */
static uint32_t
module_of (Coverage *c, const BpInstrBlock *block)
{
  unsigned n = bp_block_n_insns (block);
  const BpInsn *first = bp_block_insn (block, 0);
  for (size_t m = 0; m < c->n_known; m++) {
    bool fits = coverage_module_spans (&c->known[m], first->address);
    for (unsigned i = 0; fits && i < n && first->privilege >= USER_PRIVILEGE; i++) {
      const BpInsn *insn = bp_block_insn (block, i);
      fits = !coverage_module_contradicts (&c->known[m], insn->address, insn->bytes, MIN (insn->size, sizeof insn->bytes));
    }
    if (fits)
      return (uint32_t) m + 1;
  }
  return 0;
}

static void
coverage_block (void *user, BpInstrBlock *block)
{
  Coverage *c = user;
  bool is_new;
  InstrBlock *b = instr_blocks_find (&c->blocks, block, &is_new);
  if (is_new) {
    b->entered = bp_counter_new (c->in, 0);
    b->user = module_of (c, block);
    c->left_out += !b->entered;
  }
  bp_block_count (block, 0, b->entered, 1);
}

/* --- what was executed ------------------------------------------------------------------------------- */

static int
compare_covered (const void *pa, const void *pb)
{
  const Covered *a = pa, *b = pb;
  if (a->module != b->module)
    return a->module < b->module ? -1 : 1;
  if (a->start != b->start)
    return a->start < b->start ? -1 : 1;
  if (a->end != b->end)
    return a->end < b->end ? -1 : 1;
  return (int) a->privilege - (int) b->privilege;
}

static int
compare_u64 (const void *pa, const void *pb)
{
  uint64_t a = *(const uint64_t *) pa, b = *(const uint64_t *) pb;
  return a < b ? -1 : a > b;
}

static bool
is_executed (Coverage *c, const InstrBlock *b)
{
  for (unsigned v = 0, n = bp_instrument_n_vcpus (c->in); v < n; v++)
    if (bp_counter_get (c->in, b->entered, v))
      return true;
  return false;
}

static void
add_module (Result *r, DrcovModule module)
{
  r->modules = g_renew (DrcovModule, r->modules, r->n_modules + 1);
  r->modules[r->n_modules++] = module;
}

/* One module for each 4 GiB with code of the rest, in their order. */
static void
add_rest_modules (Result *r, GArray *regions)
{
  g_array_sort (regions, compare_u64);
  for (guint i = 0; i < regions->len && r->n_modules < MOST_MODULES; i++) {
    uint64_t base = g_array_index (regions, uint64_t, i);
    if (i && base == g_array_index (regions, uint64_t, i - 1))
      continue;
    char *name = g_strdup_printf ("[rest at 0x%" G_GINT64_MODIFIER "x]", base);
    g_ptr_array_add (r->names, name);
    add_module (r, (DrcovModule) { .base = base, .end = base + (REST_BYTES - 1), .path = name });      /* (behind the last one there is no address) */
  }
}

static uint32_t
rest_module (const Result *r, size_t n_known, uint64_t address)
{
  uint64_t base = address & ~(REST_BYTES - 1);
  size_t first = n_known, end = r->n_modules;
  while (first < end) {
    size_t middle = first + (end - first) / 2;
    if (r->modules[middle].base < base)
      first = middle + 1;
    else
      end = middle;
  }
  return first < r->n_modules && r->modules[first].base == base ? (uint32_t) first : NO_MODULE;
}

/* Executed blocks in order of module and address, those that are there twice (other pages, other processes) once. */
static void
gather (Coverage *c, Result *r)
{
  GArray *regions = g_array_new (false, false, sizeof (uint64_t));
  *r = (Result) { .names = g_ptr_array_new_with_free_func (g_free) };
  for (size_t m = 0; m < c->n_known; m++)
    add_module (r, (DrcovModule) { c->known[m].base, c->known[m].end, c->known[m].entry, c->known[m].path });
  r->covered = g_new (Covered, c->blocks.n + 1);
  for (uint32_t i = 0; i < c->blocks.n; i++) {
    const InstrBlock *b = instr_blocks_at (&c->blocks, i);
    if ((!b->user && !c->rest) || !is_executed (c, b))
      continue;
    uint64_t region = b->first->address & ~(REST_BYTES - 1);
    if (!b->user && (!regions->len || g_array_index (regions, uint64_t, regions->len - 1) != region))
      g_array_append_val (regions, region);
    r->covered[r->n++] = (Covered) { b->first->address, b->first->address + b->bytes, b->user ? b->user - 1 : NO_MODULE, b->first->privilege };
  }
  add_rest_modules (r, regions);
  for (size_t i = 0; i < r->n; i++)
    if (r->covered[i].module == NO_MODULE)
      r->covered[i].module = rest_module (r, c->n_known, r->covered[i].start);
  if (r->n)
    qsort (r->covered, r->n, sizeof *r->covered, compare_covered);
  size_t kept = 0;
  for (size_t i = 0; i < r->n; i++)
    if (!kept || compare_covered (&r->covered[i], &r->covered[kept - 1]) != 0)
      r->covered[kept++] = r->covered[i];
  for (; kept > 0 && r->covered[kept - 1].module == NO_MODULE; kept--)
    r->left_out++;
  r->n = kept;
  g_array_unref (regions);
}

static void
result_finish (Result *r)
{
  g_free (r->covered);
  g_free (r->modules);
  g_ptr_array_unref (r->names);
}

/* --- the file ------------------------------------------------------------------------------------------- */

static bool
write_file (Coverage *c, const Result *r, GError **error)
{
  DrcovBlock *blocks = g_new (DrcovBlock, r->n + 1);
  for (size_t i = 0; i < r->n; i++) {
    const Covered *b = &r->covered[i];
    blocks[i] = (DrcovBlock) { (uint32_t) (b->start - r->modules[b->module].base), (uint16_t) MIN (b->end - b->start, UINT16_MAX), (uint16_t) b->module };
  }
  bool fine = drcov_write (c->file, r->modules, r->n_modules, blocks, drcov_sort (blocks, r->n), error);
  g_free (blocks);
  return fine;
}

/* --- report: modules --------------------------------------------------------------------------------------- */

/* Bytes from `from' on that block i covers and none before it did; *until: how far those before it went. */
static uint64_t
new_bytes (const Result *r, size_t i, uint64_t *until)
{
  const Covered *b = &r->covered[i];
  if (i == 0 || r->covered[i - 1].module != b->module)
    *until = 0;
  uint64_t from = MAX (b->start, *until);
  uint64_t bytes = b->end > from ? b->end - from : 0;
  *until = MAX (*until, b->end);
  return bytes;
}

static void
report_modules (Coverage *c, BpReport *report, const Result *r)
{
  static const BpReportColumn columns[] = {
    { "module", "Module", BP_REPORT_CODE }, { "base", "Base", BP_REPORT_ADDRESS }, { "end", "End", BP_REPORT_ADDRESS },
    { "blocks", "Blocks", BP_REPORT_COUNT }, { "bytes", "Bytes executed", BP_REPORT_COUNT }, { "share", "Share of its code", BP_REPORT_SHARE },
  };
  uint64_t *blocks = g_new0 (uint64_t, r->n_modules + 1), *bytes = g_new0 (uint64_t, r->n_modules + 1), until = 0, all = 0;
  for (size_t i = 0; i < r->n; i++) {
    uint64_t n = new_bytes (r, i, &until);
    blocks[r->covered[i].module]++;
    bytes[r->covered[i].module] += n;
    all += n;
  }
  bp_report_count (report, "blocks", "Blocks executed", r->n);
  bp_report_count (report, "blocks-left-out", "Blocks not looked at, too many", c->left_out + r->left_out);
  bp_report_count (report, "bytes", "Bytes of code executed", all);
  BpReportTable *table = bp_report_table (report, "modules", "Modules", columns, G_N_ELEMENTS (columns));
  for (size_t m = 0; m < r->n_modules; m++) {
    bp_report_cell_text (table, r->modules[m].path);
    bp_report_cell_u64 (table, r->modules[m].base);
    bp_report_cell_u64 (table, r->modules[m].end);
    bp_report_cell_u64 (table, blocks[m]);
    bp_report_cell_u64 (table, bytes[m]);
    if (m < c->n_known && c->known[m].code_bytes)
      bp_report_cell_share (table, bytes[m], c->known[m].code_bytes);
    else
      bp_report_cell_none (table);
  }
  g_free (blocks);
  g_free (bytes);
}

/* --- report: functions --------------------------------------------------------------------------------------- */

enum { BYTES, BLOCKS, SIZE, N_COUNTS };

/* The object that knows it; NULL: nobody does. */
static void *
find_symbol (Coverage *c, uint64_t address, uint32_t privilege, BpSymbolAnswer *answer)
{
  const BpSymbolQuery query = { .struct_size = sizeof query, .privilege = privilege, .address = address };
  *answer = (BpSymbolAnswer) { .struct_size = sizeof *answer };
  void *object = bp_machine_symbol (bp_object_machine (c), &query, answer);
  return answer->name ? object : NULL;
}

/* The functions that [from, to) belongs to; what nobody knows is left out, but counts in the module. */
static void
add_functions (Coverage *c, InstrRows *rows, const Covered *b, uint64_t from)
{
  BpSymbolAnswer answer;
  for (uint64_t at = from; at < b->end;) {
    void *object = find_symbol (c, at, b->privilege, &answer);
    if (!object)
      return;
    InstrRow *row = rows->n ? &rows->rows[rows->n - 1] : NULL;
    if (!row || row->address != answer.start || row->user != b->module) {
      row = instr_rows_add_address (rows, answer.start);
      row->label = g_strdup (answer.name);
      row->detail = g_strdup (bp_object_id (object));
      row->privilege = b->privilege;
      row->user = b->module;
      row->counts[SIZE] = answer.size;
    }
    uint64_t end = answer.size && answer.start + answer.size < b->end ? MAX (answer.start + answer.size, at + 1) : b->end;
    row->counts[BYTES] += end - at;
    row->counts[BLOCKS] += at == b->start;
    at = end;
  }
}

static void
report_functions (Coverage *c, BpReport *report, const Result *r)
{
  static const InstrColumn columns[] = {
    { "bytes", "Bytes executed", BP_REPORT_COUNT, .count = BYTES },
    { "size", "of", BP_REPORT_COUNT, .count = SIZE },
    { "share", "Share", BP_REPORT_SHARE, .count = BYTES, .whole = SIZE },
    { "blocks", "Blocks", BP_REPORT_COUNT, .count = BLOCKS },
  };
  InstrRows rows;
  uint64_t until = 0, whole = 0;
  instr_rows_init (&rows, N_COUNTS);
  rows.kind = INSTR_BY_SYMBOL;
  for (size_t i = 0; i < r->n; i++) {
    uint64_t n = new_bytes (r, i, &until);
    if (n)
      add_functions (c, &rows, &r->covered[i], r->covered[i].end - n);
  }
  for (size_t i = 0; i < rows.n; i++)
    whole += rows.rows[i].counts[SIZE] && rows.rows[i].counts[BYTES] == rows.rows[i].counts[SIZE];
  bp_report_count (report, "functions-reached", "Functions reached", rows.n);
  bp_report_count (report, "functions-whole", "Functions executed whole", whole);
  instr_rows_top (&rows, BYTES, c->top);
  instr_rows_report (report, "functions", "Functions with the most code executed", c->in, &rows, columns, G_N_ELEMENTS (columns));
  instr_rows_finish (&rows);
}

static void
coverage_report (void *user, BpReport *report)
{
  Coverage *c = user;
  Result r;
  GError *error = NULL;
  gather (c, &r);
  report_modules (c, report, &r);
  report_functions (c, report, &r);
  if (c->file && *c->file && !write_file (c, &r, &error)) {
    bp_report_text (report, "file-failure", "The file was not written", error->message);
    if (!c->has_failed)
      bp_warn (c, "%s", error->message);
    c->has_failed = true;
    g_clear_error (&error);
  }
  result_finish (&r);
}

/* --- life cycle --------------------------------------------------------------------------------------- */

static bool
coverage_configure (void *self, GError **error)
{
  Coverage *c = self;
  size_t n = c->modules ? g_strv_length (c->modules) : 0;
  if (n > MOST_MODULES) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "modules: there is room for %d", MOST_MODULES);
    return false;
  }
  c->known = g_new0 (CoverageModule, n + 1);
  for (; c->n_known < n; c->n_known++)
    if (!coverage_module_init (&c->known[c->n_known], c->modules[c->n_known], error)) {
      coverage_module_finish (&c->known[c->n_known]);
      g_prefix_error (error, "modules: ");
      return false;
    }
  return true;
}

static bool
coverage_realize (void *self, GError **error)
{
  static const BpInstrumentOps ops = { .struct_size = sizeof ops, .block = coverage_block, .report = coverage_report };
  Coverage *c = self;
  Result nothing = { .names = g_ptr_array_new_with_free_func (g_free) };
  bool fine = instr_blocks_init (&c->blocks, false, error) && (c->in = bp_instrument_attach (self, &ops, c, error)) != NULL;
  /* A file that cannot be written is said now, not when hours are over. */
  fine = fine && (!c->file || !*c->file || write_file (c, &nothing, error));
  result_finish (&nothing);
  return fine;
}

static void
coverage_unrealize (void *self)
{
  Coverage *c = self;
  bp_instrument_detach (c->in);
  c->in = NULL;
  instr_blocks_finish (&c->blocks);
  for (size_t m = 0; m < c->n_known; m++)
    coverage_module_finish (&c->known[m]);
  g_clear_pointer (&c->known, g_free);
  c->n_known = 0;
}

/* --- tables -------------------------------------------------------------------------------------------- */

static const BpProperty coverage_properties[] = {
  BP_PROP_STRING ("file", Coverage, file, NULL, "The drcov file to write, relative to the current directory; none: only the report."),
  BP_PROP_LIST ("modules", Coverage, modules, NULL,
                "Programs that are told apart: ELF files (FILE, or FILE@BASE when it is not loaded where it was linked for), or ranges (NAME@BASE-END)."),
  BP_PROP_BOOL ("rest", Coverage, rest, true, "Also tells what belongs to no module, as modules of 4 GiB."),
  BP_PROP_U32 ("top", Coverage, top, 200, "How many functions the report shows, 0: all."),
  BP_PROP_END
};

static const BpTypeDesc coverage_type = {
  BP_TYPE ("tcg-coverage", BP_KIND_INSTRUMENT, Coverage),
  .description = "What code was executed, as a drcov file",
  .properties = coverage_properties,
  .configure = coverage_configure,
  .realize = coverage_realize,
  .unrealize = coverage_unrealize,
};

static const BpTypeDesc *const types[] = { &coverage_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-coverage", .version = "1.0", .licence = "MIT", .description = "What code was executed, as a drcov file",
                  .types = types);
