/* tcg-trace-stream.c -- instructions wait for their accesses, are skipped, counted, and written. */
/* SPDX-License-Identifier: MIT */
#include "tcg-trace-stream.h"
#include <string.h>

enum { CHAMPSIM_BATCH = 16384 };

struct TraceStream {
  TraceStreamDesc desc;
  TraceFile *file;
  TraceWriter *writer;          /* one of these two */
  Champsim *champsim;
  ChampsimRecord *records;      /* CHAMPSIM_BATCH of them, that wait to be written */
  size_t n_records;
  /* the last instruction */
  const BpInsn *insn;
  TraceAccess *accesses;
  unsigned n, size;
  uint64_t space;
  bool space_known, ended;
  uint64_t skipped, insns, n_accesses, lost, stray;
};

/* --- ChampSim's records ----------------------------------------------------------------- */

static void
write_records (TraceStream *s)
{
  const void *packed;
  size_t size = s->n_records * sizeof *s->records, stored;
  if (!size)
    return;
  stored = trace_file_pack (s->file, s->records, size, &packed);
  trace_file_write (s->file, stored ? packed : s->records, stored ? stored : size);
  s->n_records = 0;
}

static void
emit (void *user, const ChampsimRecord *records, size_t n)
{
  TraceStream *s = user;
  for (size_t i = 0; i < n; i++) {
    s->records[s->n_records++] = records[i];
    if (s->n_records == CHAMPSIM_BATCH)
      write_records (s);
  }
}

static bool
champsim_registers (void *user, const BpInsn *insn, BpInsnRegisters *out)
{
  TraceStream *s = user;
  return s->desc.registers && s->desc.registers (s->desc.user, insn, out);
}

/* --- instructions ------------------------------------------------------------------------- */

static void
write_insn (TraceStream *s)
{
  if (s->writer)
    trace_writer_insn (s->writer, s->insn, s->accesses, s->n);
  else
    champsim_insn (s->champsim, s->insn, s->accesses, s->n);
  s->insns++;
  s->n_accesses += s->n;
  if (G_UNLIKELY (s->insns == s->desc.limit))
    s->ended = true;
}

/* The last instruction has made its accesses. */
static void
finish_insn (TraceStream *s)
{
  if (!s->insn)
    return;
  if (G_LIKELY (!s->ended)) {
    if (G_LIKELY (s->skipped >= s->desc.skip))
      write_insn (s);
    else
      s->skipped++;
  }
  s->insn = NULL;
  s->n = 0;
}

void
trace_stream_insn (TraceStream *s, const BpInsn *insn)
{
  finish_insn (s);
  s->insn = insn;
}

void
trace_stream_access (TraceStream *s, const BpInsn *insn, const TraceAccess *access)
{
  if (G_UNLIKELY (s->insn != insn)) {
    s->stray++;
    return;
  }
  if (G_UNLIKELY (s->n == s->size)) {
    if (s->n == TRACE_ACCESSES_LIMIT) {         /* (a very long rep: as if it were resumed) */
      finish_insn (s);
      s->insn = insn;
    } else
      s->accesses = g_renew (TraceAccess, s->accesses, s->size *= 2);
  }
  s->accesses[s->n++] = *access;
}

/* --- between instructions -------------------------------------------------------------------- */

static bool writes (const TraceStream *s) { return !s->ended && s->skipped >= s->desc.skip; }

static void
tell_space (TraceStream *s)
{
  if (s->writer && s->space_known && !s->ended)
    trace_writer_space (s->writer, s->space);
}

void
trace_stream_jump (TraceStream *s, const BpJump *jump)
{
  finish_insn (s);
  if (!writes (s))
    return;
  if (s->writer)
    trace_writer_jump (s->writer, jump->kind, jump->from, jump->to);
  else
    champsim_interrupted (s->champsim, jump->from);
}

void
trace_stream_space (TraceStream *s, uint64_t space)
{
  if (s->space_known && s->space == space)
    return;
  finish_insn (s);
  s->space = space;
  s->space_known = true;
  tell_space (s);
}

void
trace_stream_gap (TraceStream *s, uint64_t lost)
{
  finish_insn (s);
  s->lost += lost;
  if (writes (s) && s->writer)
    trace_writer_gap (s->writer, lost);
}

const BpInsn *trace_stream_last (const TraceStream *s) { return s->insn; }
bool trace_stream_ended (const TraceStream *s) { return s->ended || trace_file_error (s->file); }

/* --- life cycle --------------------------------------------------------------------------------- */

TraceStream *
trace_stream_new (const char *path, const TraceStreamDesc *desc, GError **error)
{
  TraceFile *file = trace_file_create (path, desc->zstd_level, error);
  if (!file)
    return NULL;
  TraceStream *s = g_new0 (TraceStream, 1);
  s->desc = *desc;
  s->desc.text = NULL;
  s->file = file;
  s->size = 64;
  s->accesses = g_new (TraceAccess, s->size);
  if (desc->format == TRACE_FORMAT_BACKPLANE) {
    TraceWriterDesc writer = { .flags = desc->flags, .vcpu = desc->vcpu, .skipped = desc->skip, .text = desc->text, .registers = desc->registers,
                               .user = desc->user };
    s->writer = trace_writer_new (file, &writer);
  } else {
    s->records = g_new (ChampsimRecord, CHAMPSIM_BATCH);
    s->champsim = champsim_new (champsim_registers, emit, s);
  }
  return s;
}

void
trace_stream_flush (TraceStream *s)
{
  finish_insn (s);
  if (s->writer)
    trace_writer_flush (s->writer);
  else
    write_records (s);          /* the last one waits for its successor */
}

void
trace_stream_totals (const TraceStream *s, TraceStreamTotals *t)
{
  *t = (TraceStreamTotals) { .insns = s->insns, .accesses = s->n_accesses, .bytes = trace_file_size (s->file), .skipped = s->skipped, .lost = s->lost,
                             .stray = s->stray, .path = trace_file_path (s->file), .error = trace_file_error (s->file) };
}

void
trace_stream_free (TraceStream *s)
{
  if (!s)
    return;
  finish_insn (s);
  if (s->writer)
    trace_writer_finish (s->writer);
  else {
    champsim_finish (s->champsim);
    write_records (s);
  }
  trace_writer_free (s->writer);
  champsim_free (s->champsim);
  trace_file_close (s->file);
  g_free (s->records);
  g_free (s->accesses);
  g_free (s);
}
