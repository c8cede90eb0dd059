/* tcg-trace.c -- tcg-trace: every instruction and access of the guest, in order, in a file. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include <backplane/iface/cpu-debug.h>
#include <backplane/log.h>
#include <backplane/machine.h>
#include <backplane/plugin.h>
#include <string.h>
#include "common/instr-spec.h"
#include "tcg-trace-stream.h"

enum { COMPRESS_NONE, COMPRESS_ZSTD };

/* --- state: wiring | derived -------------------------------------------------------------- */

typedef struct Vcpu {
  TraceStream *stream;
  bool warned;
} Vcpu;

typedef struct Trace {
  /* properties */
  char *output;
  int format, compress;
  uint32_t level;
  uint64_t limit, skip;
  bool memory, values;
  /* derived */
  BpInstrument *instrument;
  BpCounter begun;              /* blocks: says where jumps belong */
  TraceBlocks *blocks;
  unsigned n_vcpus;
  Vcpu *vcpus;
  bool opened, all_ended;
} Trace;

/* --- blocks ------------------------------------------------------------------------------------ */

static void
on_block (void *user, BpInstrBlock *block)
{
  Trace *t = user;
  unsigned n = bp_block_n_insns (block);
  g_autofree const BpInsn **insn = g_new (const BpInsn *, n);
  for (unsigned i = 0; i < n; i++)
    insn[i] = bp_block_insn (block, i);
  bp_block_record_block (block, trace_blocks_add (t->blocks, insn, n));
  bp_block_count (block, 0, t->begun, 1);       /* (what the records of blocks are) */
  if (t->memory)
    bp_block_record_memory (block, BP_EVERY_INSN, BP_LOADS | BP_STORES, 0, 0);
}

/* --- interrupts and exceptions --------------------------------------------------------------------- */

static void
on_jump (void *user, unsigned vcpu, const BpJump *jump)
{
  Trace *t = user;
  trace_stream_jump (t->vcpus[vcpu].stream, jump, *(const uint64_t *) bp_counter_at (t->instrument, t->begun, vcpu));
}

/* --- records -------------------------------------------------------------------------------------------- */

/* The person at the terminal is told once, wherever it is noticed. */
static void
tell_error (Trace *t, Vcpu *v)
{
  TraceStreamTotals totals;
  trace_stream_totals (v->stream, &totals);
  if (totals.error && !v->warned) {
    bp_warn (t, "%s: %s; what was written until now is kept, nothing more is recorded", totals.path, totals.error);
    v->warned = true;
  }
}

/* The limit is reached, or the disk is full: on all vCPUs, nothing need be recorded any more. */
static void
ended (Trace *t, Vcpu *v)
{
  tell_error (t, v);
  for (unsigned i = 0; i < t->n_vcpus; i++)
    if (!trace_stream_ended (t->vcpus[i].stream))
      return;
  if (!__atomic_exchange_n (&t->all_ended, true, __ATOMIC_RELAXED))
    bp_instrument_set_running (t->instrument, false);
}

static void
on_records (void *user, const BpBatch *batch)
{
  Trace *t = user;
  Vcpu *v = &t->vcpus[batch->vcpu];
  if (!trace_stream_ended (v->stream)) {
    if (batch->lost)
      trace_stream_gap (v->stream, batch->lost);
    trace_stream_space (v->stream, batch->space);
    trace_stream_records (v->stream, bp_sites (t->instrument), batch->records, batch->n, t->values);
  }
  if (trace_stream_ended (v->stream))
    ended (t, v);
}

static bool
registers_of (void *user, const BpInsn *insn, BpInsnRegisters *out)
{
  Trace *t = user;
  return bp_insn_registers (t->instrument, insn, out);
}

/* --- report ------------------------------------------------------------------------------------------------ */

static void
on_report (void *user, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "vcpu", "vCPU", BP_REPORT_COUNT }, { "file", NULL, BP_REPORT_CODE }, { "instructions", NULL, BP_REPORT_COUNT },
    { "accesses", NULL, BP_REPORT_COUNT }, { "bytes", NULL, BP_REPORT_COUNT }, { "skipped", NULL, BP_REPORT_COUNT },
    { "stray-accesses", "accesses of instructions that faulted", BP_REPORT_COUNT }, { "lost", "lost records", BP_REPORT_COUNT },
    { "error", NULL, BP_REPORT_TEXT },
  };
  Trace *t = user;
  BpReportTable *table = bp_report_table (report, "files", "Files", columns, BP_N_ELEMENTS (columns));
  for (unsigned i = 0; i < t->n_vcpus; i++) {
    TraceStreamTotals totals;
    trace_stream_flush (t->vcpus[i].stream);
    tell_error (t, &t->vcpus[i]);
    trace_stream_totals (t->vcpus[i].stream, &totals);
    bp_report_cell_u64 (table, i);
    bp_report_cell_text (table, totals.path);
    bp_report_cell_u64 (table, totals.insns);
    bp_report_cell_u64 (table, totals.accesses);
    bp_report_cell_u64 (table, totals.bytes);
    bp_report_cell_u64 (table, totals.skipped);
    bp_report_cell_u64 (table, totals.stray);
    bp_report_cell_u64 (table, totals.lost);
    bp_report_cell_text (table, totals.error);
  }
}

/* --- life cycle: configure, realize, unrealize ---------------------------------------------------------------- */

static bool
trace_configure (void *self, GError **error)
{
  Trace *t = self;
  if (!t->output || !*t->output)
    return instr_refuse (error, "output: the file to write");
  if (!strcmp (t->output, "-"))
    return instr_refuse (error, "output = -: a trace is for a file (the terminal and pipes cannot be cut back when the disk is full)");
  if (t->values && !t->memory)
    return instr_refuse (error, "values = on: needs memory = on");
  if (t->values && t->format == TRACE_FORMAT_CHAMPSIM)
    return instr_refuse (error, "values = on: ChampSim's format has none");
  if (!t->memory && t->format == TRACE_FORMAT_CHAMPSIM)
    return instr_refuse (error, "memory = off: a ChampSim trace without memory says nothing; format = backplane takes it");
  return true;
}

/* What the machine is, as far as a reader might want to know it. */
static char *
machine_text (Trace *t)
{
  GString *text = g_string_new ("producer=backplane " PACKAGE_VERSION "\n");
  BpMachine *m = bp_object_machine (t);
  const char *description = bp_machine_description (m);
  unsigned cursor = 0;
  void *cpu = bp_machine_next (m, BP_CPU_DEBUG_ID, &cursor);
  const BpCpuDebugIface *iface = cpu ? bp_object_interface (cpu, BP_CPU_DEBUG_ID) : NULL;
  if (description)
    g_string_append_printf (text, "machine=%s\n", description);
  if (cpu)
    g_string_append_printf (text, "cpu=%s\n", bp_object_type_name (cpu));
  if (BP_TABLE_HAS (iface, view) && iface->view (cpu, 0))
    g_string_append_printf (text, "architecture=%s\n", iface->view (cpu, 0));
  g_string_append_printf (text, "vcpus=%u\n", t->n_vcpus);
  return g_string_free (text, FALSE);
}

static bool
open_streams (Trace *t, GError **error)
{
  g_autofree char *text = machine_text (t);
  TraceStreamDesc desc = { .format = (TraceFormat) t->format, .zstd_level = t->compress == COMPRESS_ZSTD ? (int) t->level : 0, .thread = true,
                           .flags = (t->memory ? TRACE_HAS_MEMORY : 0u) | (t->values ? TRACE_HAS_VALUES : 0u), .skip = t->skip, .limit = t->limit,
                           .text = text, .blocks = t->blocks, .registers = registers_of, .user = t };
  t->vcpus = g_new0 (Vcpu, t->n_vcpus);
  for (unsigned i = 0; i < t->n_vcpus; i++) {
    g_autofree char *path = t->n_vcpus > 1 ? g_strdup_printf ("%s.%u", t->output, i) : g_strdup (t->output);
    desc.vcpu = i;
    t->vcpus[i].stream = trace_stream_new (path, &desc, error);
    if (!t->vcpus[i].stream)
      return false;
  }
  return true;
}

static void
trace_unrealize (void *self)
{
  Trace *t = self;
  if (t->instrument && t->opened)
    bp_instrument_flush (t->instrument);
  for (unsigned i = 0; t->vcpus && i < t->n_vcpus && t->vcpus[i].stream; i++) {
    trace_stream_finish (t->vcpus[i].stream);
    tell_error (t, &t->vcpus[i]);
    trace_stream_free (t->vcpus[i].stream);
  }
  bp_instrument_detach (t->instrument);
  t->instrument = NULL;
  g_clear_pointer (&t->vcpus, g_free);
  g_clear_pointer (&t->blocks, trace_blocks_free);
}

static bool
trace_realize (void *self, GError **error)
{
  static const BpInstrumentOps plain = { .struct_size = sizeof plain, .flags = BP_INSTRUMENT_LEFT, .block = on_block, .records = on_records,
                                         .jump = on_jump, .report = on_report };
  static const BpInstrumentOps wide = { .struct_size = sizeof wide, .flags = BP_INSTRUMENT_WIDE | BP_INSTRUMENT_LEFT, .block = on_block,
                                        .records = on_records, .jump = on_jump, .report = on_report };
  Trace *t = self;
  t->blocks = trace_blocks_new ();
  t->instrument = bp_instrument_attach (t, t->values ? &wide : &plain, t, error);
  if (!t->instrument)
    return false;
  t->begun = bp_counter_new (t->instrument, BP_COUNTER_LIVE);
  if (!t->begun) {
    g_set_error_literal (error, BP_ERROR, BP_ERROR_FAILED, "there is no room for one more counter: other instruments have them all");
    return false;
  }
  t->n_vcpus = bp_instrument_n_vcpus (t->instrument);
  return t->opened = open_streams (t, error);
}

/* --- tables ------------------------------------------------------------------------------------------------------ */

static const char *const format_names[] = { "backplane", "champsim", NULL };
static const char *const compress_names[] = { "none", "zstd", NULL };

static const BpProperty trace_properties[] = {
  BP_PROP_ ("output", BP_PROPERTY_STRING, Trace, output, .flags = BP_PROPERTY_REQUIRED,
            .help = "The file to write, relative to the current directory; with several vCPUs FILE.0, FILE.1 and so on."),
  BP_PROP_ENUM ("format", Trace, format, TRACE_FORMAT_BACKPLANE, format_names, "backplane: compact, read by backplane-trace; champsim: records of 64 bytes as ChampSim reads them."),
  BP_PROP_U64 ("skip", Trace, skip, 0, "How many instructions of each vCPU are left out before the first that is recorded."),
  BP_PROP_U64 ("limit", Trace, limit, 0, "How many instructions of each vCPU are recorded; then the guest runs on without a trace of it.  0: all."),
  BP_PROP_ENUM ("compress", Trace, compress, COMPRESS_NONE, compress_names, "zstd: each chunk is compressed (a ChampSim file becomes a .zst file)."),
  BP_PROP_U32_RANGE ("level", Trace, level, 1, 1, 19, "How hard zstd tries."),
  BP_PROP_BOOL ("memory", Trace, memory, true, "Records loads and stores."),
  BP_PROP_BOOL ("values", Trace, values, false, "Records what was loaded and stored, too (up to 8 bytes an access)."),
  BP_PROP_END
};

static const BpTypeDesc trace_type = {
  BP_TYPE ("tcg-trace", BP_KIND_INSTRUMENT, Trace),
  .description = "every instruction and access of the guest, in a file",
  .properties = trace_properties,
  .configure = trace_configure,
  .realize = trace_realize,
  .unrealize = trace_unrealize,
};

static const BpTypeDesc *const types[] = { &trace_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-trace", .version = "1.0", .licence = "MIT", .description = "traces of execution, Backplane's and ChampSim's", .types = types);
