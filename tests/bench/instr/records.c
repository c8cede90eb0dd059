/* records.c -- bench-records: the least that can be done with every memory record: count them. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>

typedef struct Records {
  bool thread;                  /* property */
  BpInstrument *instrument;
  uint64_t n, batches, lost;
} Records;

static void
on_block (void *user, BpInstrBlock *block)
{
  bp_block_record_memory (block, BP_EVERY_INSN, BP_LOADS | BP_STORES, 0, 0);
}

static void
on_records (void *user, const BpBatch *batch)
{
  Records *r = user;
  r->n += batch->n;
  r->lost += batch->lost;
  r->batches++;
}

static void
on_report (void *user, BpReport *report)
{
  const Records *r = user;
  bp_report_count (report, "records", "Records", r->n);
  bp_report_count (report, "lost", "Lost records", r->lost);
}

static bool
records_realize (void *self, GError **error)
{
  static const BpInstrumentOps here = { .struct_size = sizeof here, .block = on_block, .records = on_records, .report = on_report };
  static const BpInstrumentOps apart = { .struct_size = sizeof apart, .flags = BP_INSTRUMENT_THREAD, .block = on_block, .records = on_records,
                                         .report = on_report };
  Records *r = self;
  r->instrument = bp_instrument_attach (r, r->thread ? &apart : &here, r, error);
  return r->instrument != NULL;
}

static void
records_unrealize (void *self)
{
  Records *r = self;
  bp_instrument_detach (r->instrument);
  r->instrument = NULL;
}

static const BpProperty records_properties[] = {
  BP_PROP_BOOL ("thread", Records, thread, false, "Batches come on a thread of the instrument's own."),
  BP_PROP_END
};

static const BpTypeDesc records_type = {
  BP_TYPE ("bench-records", BP_KIND_INSTRUMENT, Records),
  .description = "counts memory records",
  .properties = records_properties,
  .realize = records_realize,
  .unrealize = records_unrealize,
};

static const BpTypeDesc *const types[] = { &records_type, NULL };

BP_PLUGIN_DEFINE (.id = "bench-records", .version = "1.0", .licence = "MIT", .description = "what records cost", .types = types);
