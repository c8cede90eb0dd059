/* tcg-trace-stream.c -- instructions wait for their accesses, are skipped, counted, and written. */
/* SPDX-License-Identifier: MIT */
#include "tcg-trace-stream.h"
#include "tcg-trace-jumps.h"
#include <string.h>

enum { CHAMPSIM_BATCH = 16384 };

struct TraceStream {
  TraceStreamDesc desc;
  TraceFile *file;
  TraceWriter *writer;          /* one of these two */
  Champsim *champsim;
  ChampsimRecord *records;      /* CHAMPSIM_BATCH of them, that wait to be written */
  size_t n_records;
  JumpQueue *jumps;
  /* the last instruction; NULL: the writer has it */
  const BpInsn *insn;
  uint32_t site;                /* of its record; NO_SITE: not worth learning */
  TraceAccess *accesses;
  unsigned n, size;
  bool goes_on;                 /* its first accesses are written */
  uint64_t space;
  bool space_known, ended;
  uint64_t skipped, insns, n_accesses, lost, stray;
  uint64_t marked;              /* instructions so far whose site's `user' is not 0, but for the writer's quick ones */
  bool astray;                  /* records were lost: how many there were is not known */
};

#define NO_SITE UINT32_MAX

/* --- ChampSim's records ----------------------------------------------------------------- */

typedef struct Records {
  size_t size;
  ChampsimRecord records[];
} Records;

static void
finish_records (TraceFile *file, void *job)
{
  Records *r = job;
  const void *packed;
  size_t stored = trace_file_pack (file, r->records, r->size, &packed);
  trace_file_write (file, stored ? packed : r->records, stored ? stored : r->size);
  g_free (r);
}

static void
write_records (TraceStream *s)
{
  if (!s->n_records)
    return;
  Records *r = g_malloc (sizeof *r + s->n_records * sizeof *s->records);
  r->size = s->n_records * sizeof *s->records;
  memcpy (r->records, s->records, r->size);
  trace_file_post (s->file, finish_records, r);
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
stream_registers (void *user, const BpInsn *insn, BpInsnRegisters *out)
{
  TraceStream *s = user;
  return s->desc.registers && s->desc.registers (s->desc.user, insn, out);
}

/* --- instructions ------------------------------------------------------------------------- */

static uint64_t n_insns (const TraceStream *s) { return s->writer ? trace_writer_n_insns (s->writer) : s->insns; }

static void
write_insn (TraceStream *s)
{
  if (s->writer) {
    trace_writer_insn (s->writer, s->insn, s->accesses, s->n, s->goes_on);
  } else {
    champsim_insn (s->champsim, s->insn, s->accesses, s->n);
    s->insns += !s->goes_on;
    s->n_accesses += s->n;
  }
}

/* The last instruction, if the writer has it, is ours again; it is good as it is when there are no more accesses. */
static void
take_back (TraceStream *s, bool more)
{
  if (!s->insn && s->writer) {
    s->insn = trace_writer_close (s->writer, more, s->accesses, &s->n);
    s->site = NO_SITE;
    s->goes_on = false;
  }
}

/* The last instruction has made its accesses. */
static void
finish_insn (TraceStream *s, const BpSite *sites)
{
  take_back (s, false);
  if (!s->insn)
    return;
  if (G_LIKELY (!s->ended)) {
    if (G_LIKELY (s->skipped >= s->desc.skip)) {
      write_insn (s);
      s->ended = n_insns (s) == s->desc.limit;
      if (s->writer && sites && s->site != NO_SITE)
        trace_writer_learn (s->writer, s->site, &sites[s->site]);
    } else
      s->skipped++;
  }
  s->insn = NULL;
  s->n = 0;
  s->goes_on = false;
}

static void
add_access (TraceStream *s, const TraceAccess *access)
{
  if (G_UNLIKELY (s->n == TRACE_ACCESSES_LIMIT)) {      /* a very long rep */
    if (s->skipped >= s->desc.skip) {
      write_insn (s);
      s->goes_on = true;
    }
    s->n = 0;
  }
  if (G_UNLIKELY (s->n == s->size))
    s->accesses = g_renew (TraceAccess, s->accesses, s->size *= 2);
  s->accesses[s->n++] = *access;
}

/* --- records --------------------------------------------------------------------------------- */

static bool writes (const TraceStream *s) { return !s->ended && s->skipped >= s->desc.skip; }

static void
write_jump (TraceStream *s, const BpJump *jump)
{
  if (!writes (s))
    return;
  if (s->writer)
    trace_writer_jump (s->writer, jump->kind, jump->from, jump->to);
  else
    champsim_interrupted (s->champsim, jump->from);
}

/* The jumps before this record. */
static void
look_for_jumps (TraceStream *s, const BpSite *site)
{
  BpJump jump;
  uint64_t position = s->marked + (s->writer ? trace_writer_n_marked (s->writer) : 0), there;
  if (s->astray && site->kind == BP_RECORD_INSN && jump_queue_find (s->jumps, site->insn->address, &jump, &there)) {
    s->marked += there - position;
    s->astray = false;
    finish_insn (s, NULL);
    write_jump (s, &jump);
    return;
  }
  while (!s->astray && jump_queue_take (s->jumps, position, &jump)) {
    finish_insn (s, NULL);
    write_jump (s, &jump);
  }
}

/* false: the record is for the quick way after all. */
static bool
begin_insn (TraceStream *s, const BpSite *sites, uint32_t site, bool may_be_quick)
{
  finish_insn (s, sites);
  if (may_be_quick && trace_writer_knows (s->writer, site))
    return false;
  s->insn = sites[site].insn;
  s->site = site;
  s->marked += sites[site].user != 0;
  return true;
}

static void
record_access (TraceStream *s, const BpSite *site, const BpWideRecord *r, uint64_t value)
{
  TraceAccess a = { .address = r->address, .value = value, .bytes = r->bytes ? r->bytes : site->bytes, .is_store = site->kind == BP_RECORD_STORE,
                    .is_atomic = site->flags & BP_SITE_ATOMIC };
  if (!s->insn && s->writer && trace_writer_last (s->writer) == site->insn)
    take_back (s, true);
  if (s->insn != site->insn) {
    s->stray++;
    return;
  }
  add_access (s, &a);
  if (s->writer && !r->bytes)
    trace_writer_learn (s->writer, r->site, site);
}

/* How many of the next records may go the quick way: none before the first and after the last instruction that is wanted. */
static bool
is_quick (const TraceStream *s, size_t n)
{
  return s->writer && s->skipped >= s->desc.skip && (!s->desc.limit || s->desc.limit - n_insns (s) > n);
}

void
trace_stream_records (TraceStream *s, const BpSite *sites, const void *records, size_t n, bool wide)
{
  size_t size = wide ? sizeof (BpWideRecord) : sizeof (BpRecord);
  bool quick = is_quick (s, n);
  if (n)
    look_for_jumps (s, &sites[((const BpRecord *) records)->site]);
  for (size_t i = 0; i < n && !s->ended; i++) {
    const BpWideRecord *r = (const void *) ((const uint8_t *) records + i * size);
    if (quick && !s->insn) {
      i += trace_writer_records (s->writer, sites, r, n - i, wide);
      if (i == n)
        return;
      r = (const void *) ((const uint8_t *) records + i * size);
    }
    const BpSite *site = &sites[r->site];
    if (site->kind != BP_RECORD_INSN)
      record_access (s, site, r, wide ? r->value : 0);
    else if (!begin_insn (s, sites, r->site, quick))
      i--;
  }
}

/* --- between instructions -------------------------------------------------------------------- */

static void
tell_space (TraceStream *s)
{
  if (s->writer && s->space_known && !s->ended)
    trace_writer_space (s->writer, s->space);
}

void trace_stream_jump (TraceStream *s, const BpJump *jump, uint64_t position) { jump_queue_put (s->jumps, jump, position); }

void
trace_stream_space (TraceStream *s, uint64_t space)
{
  if (s->space_known && s->space == space)
    return;
  finish_insn (s, NULL);
  s->space = space;
  s->space_known = true;
  tell_space (s);
}

void
trace_stream_gap (TraceStream *s, uint64_t lost)
{
  finish_insn (s, NULL);
  s->lost += lost;
  s->astray = true;
  if (writes (s) && s->writer)
    trace_writer_gap (s->writer, lost);
}

bool trace_stream_ended (const TraceStream *s) { return s->ended || trace_file_error (s->file); }

/* --- life cycle --------------------------------------------------------------------------------- */

TraceStream *
trace_stream_new (const char *path, const TraceStreamDesc *desc, GError **error)
{
  TraceFile *file = trace_file_create (path, desc->zstd_level, desc->thread, error);
  if (!file)
    return NULL;
  TraceStream *s = g_new0 (TraceStream, 1);
  s->desc = *desc;
  s->desc.text = NULL;
  s->file = file;
  s->jumps = jump_queue_new ();
  s->size = 64;
  s->accesses = g_new (TraceAccess, s->size);
  if (desc->format == TRACE_FORMAT_BACKPLANE) {
    TraceWriterDesc writer = { .flags = desc->flags, .vcpu = desc->vcpu, .skipped = desc->skip, .text = desc->text, .registers = stream_registers,
                               .user = s };
    s->writer = trace_writer_new (file, &writer);
  } else {
    s->records = g_new (ChampsimRecord, CHAMPSIM_BATCH);
    s->champsim = champsim_new (stream_registers, emit, s);
  }
  return s;
}

void
trace_stream_flush (TraceStream *s)
{
  finish_insn (s, NULL);
  if (s->writer)
    trace_writer_flush (s->writer);
  else
    write_records (s);          /* the last one waits for its successor */
  trace_file_wait (s->file);
}

void
trace_stream_totals (const TraceStream *s, TraceStreamTotals *t)
{
  *t = (TraceStreamTotals) { .insns = n_insns (s), .accesses = s->writer ? trace_writer_n_accesses (s->writer) : s->n_accesses, .bytes = trace_file_size (s->file), .skipped = s->skipped, .lost = s->lost,
                             .stray = s->stray, .path = trace_file_path (s->file), .error = trace_file_error (s->file) };
}

void
trace_stream_free (TraceStream *s)
{
  if (!s)
    return;
  finish_insn (s, NULL);
  if (s->writer)
    trace_writer_finish (s->writer);
  else {
    champsim_finish (s->champsim);
    write_records (s);
  }
  trace_writer_free (s->writer);
  champsim_free (s->champsim);
  trace_file_close (s->file);
  jump_queue_free (s->jumps);
  g_free (s->records);
  g_free (s->accesses);
  g_free (s);
}
