/* tcg-bbv.c -- basic block vectors for SimPoint: which blocks each interval of the execution consists of. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>
#include "common/instr-blocks.h"
#include "common/instr-rows.h"
#include "tcg-bbv-vector.h"
#include <inttypes.h>

typedef struct Bbv {
  char *file;                   /* properties */
  uint64_t interval;
  bool partial;
  BpInstrument *in;
  InstrBlocks blocks;
  BbvVector *vectors;           /* one a vCPU, used on its thread */
  unsigned n_vcpus;
} Bbv;

/* --- recording ----------------------------------------------------------------------------------- */

static void
bbv_block (void *user, BpInstrBlock *block)
{
  Bbv *b = user;
  bool is_new;
  bp_block_record_block (block, instr_blocks_index (&b->blocks, instr_blocks_find (&b->blocks, block, &is_new)));
}

static void
learn (BbvSite *s, const BpSite *site)
{
  s->block = site->user;
  s->insns = site->kind == BP_RECORD_LEFT ? -(int32_t) site->n_insns : (int32_t) site->n_insns;
}

static void
bbv_records (void *user, const BpBatch *batch)
{
  Bbv *b = user;
  BbvVector *v = &b->vectors[batch->vcpu];
  const BpSite *sites = bp_sites (b->in);
  const BpRecord *r = batch->records;
  for (size_t i = 0; i < batch->n; i++) {
    BbvSite *s = bbv_vector_site (v, r[i].site);
    if (G_UNLIKELY (!s->insns))
      learn (s, &sites[r[i].site]);
    bbv_vector_add (v, r[i].site);
  }
}

/* --- the table of blocks ---------------------------------------------------------------------------- */

static bool
write_blocks (Bbv *b, GError **error)
{
  InstrFile f;
  g_autofree char *path = g_strdup_printf ("%s.blocks", b->file);
  if (!instr_file_open (&f, b, path, error))
    return false;
  instr_file_print (&f, "# id address instructions bytes privilege symbol source\n");
  instr_file_commit (&f);
  for (uint32_t i = 0; i < b->blocks.n; i++) {
    const InstrBlock *block = instr_blocks_at (&b->blocks, i);
    char *symbol, *source;
    instr_place_texts (b->in, block->first, &symbol, &source);
    instr_file_print (&f, "%" PRIu32 " 0x%" PRIx64 " %" PRIu32 " %" PRIu32 " %u %s %s\n", i + 1, block->first->address, block->n_insns, block->bytes,
                      block->first->privilege, symbol ? symbol : "-", source ? source : "-");
    instr_file_commit (&f);
    g_free (symbol);
    g_free (source);
  }
  instr_file_close (&f);
  bool fine = !f.failure;
  if (!fine)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write all of %s: %s", path, f.failure);
  instr_file_finish (&f);
  return fine;
}

/* --- report ------------------------------------------------------------------------------------------ */

static void
report_vcpus (Bbv *b, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "vcpu", "vCPU", BP_REPORT_COUNT }, { "intervals", "Intervals", BP_REPORT_COUNT }, { "instructions", "Instructions", BP_REPORT_COUNT },
    { "longest", "Longest interval", BP_REPORT_COUNT }, { "rest", "In the open interval", BP_REPORT_COUNT },
    { "bytes", "Bytes of the file", BP_REPORT_COUNT }, { "lost-intervals", "Not written", BP_REPORT_COUNT }, { "failure", "Why", BP_REPORT_TEXT },
  };
  BpReportTable *table = bp_report_table (report, "vcpus", "By vCPU", columns, G_N_ELEMENTS (columns));
  for (unsigned i = 0; i < b->n_vcpus; i++) {
    const BbvVector *v = &b->vectors[i];
    bp_report_cell_u64 (table, i);
    bp_report_cell_u64 (table, v->n_intervals);
    bp_report_cell_u64 (table, v->written_insns);
    bp_report_cell_u64 (table, v->longest);
    bp_report_cell_u64 (table, v->in_interval);
    bp_report_cell_u64 (table, instr_file_bytes (&v->file));
    bp_report_cell_u64 (table, v->file.dropped);
    bp_report_cell_text (table, v->file.failure);
  }
}

static void
bbv_report (void *user, BpReport *report)
{
  Bbv *b = user;
  GError *error = NULL;
  uint64_t insns = 0, intervals = 0;
  for (unsigned i = 0; i < b->n_vcpus; i++) {
    if (b->vectors[i].in_interval >= b->interval)
      bbv_vector_end_interval (&b->vectors[i]);
    instr_file_flush (&b->vectors[i].file);
    insns += b->vectors[i].written_insns + b->vectors[i].in_interval;
    intervals += b->vectors[i].n_intervals;
  }
  bp_report_count (report, "interval", "Instructions an interval", b->interval);
  bp_report_count (report, "instructions", "Instructions", insns);
  bp_report_count (report, "intervals", "Intervals", intervals);
  bp_report_count (report, "blocks", "Blocks", b->blocks.n);
  report_vcpus (b, report);
  if (!write_blocks (b, &error)) {
    bp_report_text (report, "blocks-failure", "The table of blocks was not written", error->message);
    g_clear_error (&error);
  }
}

/* --- life cycle --------------------------------------------------------------------------------------- */

static bool
open_vectors (Bbv *b, GError **error)
{
  b->vectors = g_new0 (BbvVector, b->n_vcpus);
  for (unsigned i = 0; i < b->n_vcpus; i++) {
    g_autofree char *path = g_strdup_printf ("%s.%u.bb", b->file, i);
    if (!bbv_vector_init (&b->vectors[i], b, path, b->interval, error))
      return false;
  }
  return write_blocks (b, error);
}

static bool
bbv_realize (void *self, GError **error)
{
  static const BpInstrumentOps ops = { .struct_size = sizeof ops, .flags = BP_INSTRUMENT_LEFT, .block = bbv_block, .records = bbv_records, .report = bbv_report };
  Bbv *b = self;
  if (!instr_blocks_init (&b->blocks, false, error))
    return false;
  b->in = bp_instrument_attach (self, &ops, b, error);
  if (!b->in)
    return false;
  b->n_vcpus = bp_instrument_n_vcpus (b->in);
  return open_vectors (b, error);
}

static void
bbv_unrealize (void *self)
{
  Bbv *b = self;
  bp_instrument_detach (b->in);
  b->in = NULL;
  for (unsigned i = 0; b->vectors && i < b->n_vcpus; i++) {
    bbv_vector_close (&b->vectors[i], b->partial);
    bbv_vector_finish (&b->vectors[i]);
  }
  g_clear_pointer (&b->vectors, g_free);
  instr_blocks_finish (&b->blocks);
}

/* --- tables -------------------------------------------------------------------------------------------- */

static const BpProperty bbv_properties[] = {
  BP_PROP_ ("file", BP_PROPERTY_STRING, Bbv, file, .flags = BP_PROPERTY_REQUIRED,
            .help = "Where to write: FILE.0.bb for vCPU 0 and so on, and FILE.blocks, which says what the numbers of blocks mean; relative to the current directory."),
  BP_PROP_ ("interval", BP_PROPERTY_U64, Bbv, interval, .default_int = 100000000, .min = 1, .max = INT64_MAX,
            .help = "Instructions of a vCPU in an interval; it ends with the block in which they are reached."),
  BP_PROP_BOOL ("partial", Bbv, partial, false, "Also writes the last interval, which is shorter than the others."),
  BP_PROP_END
};

static const BpTypeDesc bbv_type = {
  BP_TYPE ("tcg-bbv", BP_KIND_INSTRUMENT, Bbv),
  .description = "Basic block vectors for SimPoint",
  .properties = bbv_properties,
  .realize = bbv_realize,
  .unrealize = bbv_unrealize,
};

static const BpTypeDesc *const types[] = { &bbv_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-bbv", .version = "1.0", .licence = "MIT", .description = "Basic block vectors for SimPoint", .types = types);
