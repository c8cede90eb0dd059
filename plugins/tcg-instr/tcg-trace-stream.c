/* tcg-trace-stream.c -- instructions wait for their accesses, are skipped, counted, and written. */
/* SPDX-License-Identifier: MIT */
#include "tcg-trace-stream.h"
#include "tcg-trace-jumps.h"
#include <string.h>

enum { CHAMPSIM_BATCH = 16384 };

struct TraceStream {
  TraceStreamDesc desc;
  const BpSite *sites;
  TraceFile *file;
  TraceWriter *writer;          /* one of these two */
  Champsim *champsim;
  ChampsimRecord *records;      /* CHAMPSIM_BATCH of them, that wait to be written */
  size_t n_records;
  JumpQueue *jumps;
  /* the last block; NULL: the writer has it */
  const TraceBlock *block;
  uint32_t site;                /* of its record; NO_SITE: not worth learning */
  unsigned executed;            /* of its instructions */
  unsigned told;                /* of those, that are written already */
  bool goes_on;                 /* the next one to be told: its first accesses have been dealt with, */
  bool goes_on_wanted;          /* and written */
  TraceAccess *accesses;        /* of those that are to be told */
  const BpInsn **owners;        /* who made each */
  unsigned n, size;
  TraceTaken taken;
  uint64_t space;
  bool space_known, finished;
  bool ended;                   /* atomic: other vCPUs' threads ask */
  uint64_t skipped, insns, n_accesses, lost, stray;
  uint64_t blocks;              /* records of blocks so far, but for those that the writer took */
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

static void end_stream (TraceStream *s) { __atomic_store_n (&s->ended, true, __ATOMIC_RELAXED); }
static uint64_t n_insns (const TraceStream *s) { return s->writer ? trace_writer_n_insns (s->writer) : s->insns; }
static bool writes (const TraceStream *s) { return !s->ended && s->skipped >= s->desc.skip; }

static void
write_insn (TraceStream *s, const BpInsn *insn, const TraceAccess *a, unsigned n, bool goes_on)
{
  if (s->writer) {
    trace_writer_insn (s->writer, insn, a, n, goes_on);
  } else {
    champsim_insn (s->champsim, insn, a, n);
    s->insns += !goes_on;
    s->n_accesses += n;
  }
}

/* The next instruction, with accesses [at, end); more of them may come, if it is not done. */
static void
tell_insn (TraceStream *s, unsigned at, unsigned end, bool done)
{
  const BpInsn *insn = s->block->insn[s->told];
  if (s->goes_on ? s->goes_on_wanted && !s->ended : writes (s)) {
    write_insn (s, insn, s->accesses + at, end - at, s->goes_on);
    s->goes_on_wanted = true;
  } else if (!s->goes_on) {
    s->skipped += !s->ended;
    s->goes_on_wanted = false;
  }
  s->goes_on = !done;
  s->told += done;
  if (done && s->desc.limit && n_insns (s) == s->desc.limit)
    end_stream (s);
}

/* Instructions before `end' with what they did; returns how many accesses that was. */
static unsigned
tell_until (TraceStream *s, unsigned end)
{
  unsigned at = 0;
  while (s->told < end) {
    unsigned from = at;
    while (at < s->n && s->owners[at] == s->block->insn[s->told])
      at++;
    tell_insn (s, from, at, true);
  }
  return at;
}

/* --- blocks ---------------------------------------------------------------------------------- */

static void
begin_block (TraceStream *s, const BpSite *site, uint32_t number)
{
  s->block = trace_blocks_at (s->desc.blocks, site->user);
  s->site = number;
  s->executed = s->block->n;
  s->told = s->n = 0;
  s->goes_on = false;
}

/* The last block, if the writer has it, is ours again; it is good as it is when there are no more accesses. */
static void
take_back (TraceStream *s, const BpSite *sites, bool more)
{
  const TraceTaken *t = &s->taken;
  if (s->block || !s->writer || !trace_writer_close (s->writer, more, &s->taken))
    return;
  begin_block (s, &sites[t->site], NO_SITE);
  memcpy (s->accesses, t->accesses, t->n * sizeof *s->accesses);
  for (unsigned i = 0; i < t->n; i++)
    s->owners[i] = s->block->insn[t->insn[i]];
  s->n = t->n;
}

/* The last block is over. */
static void
finish_block (TraceStream *s)
{
  take_back (s, s->sites, false);
  if (!s->block)
    return;
  s->stray += s->n - tell_until (s, s->executed);
  if (s->writer && s->site != NO_SITE)
    trace_writer_learn_block (s->writer, s->site, s->block);
  s->block = NULL;
}

/* A very long rep: what there is, is told. */
static void
make_room (TraceStream *s)
{
  const BpInsn *last = s->owners[s->n - 1];
  unsigned i = s->told;
  while (i < s->block->n && s->block->insn[i] != last)
    i++;
  if (i < s->block->n)
    tell_insn (s, tell_until (s, i), s->n, false);
  s->n = 0;
}

static void
add_access (TraceStream *s, const BpInsn *insn, const TraceAccess *access)
{
  if (G_UNLIKELY (s->n == TRACE_ACCESSES_LIMIT))
    make_room (s);
  if (G_UNLIKELY (s->n == s->size)) {
    s->size *= 2;
    s->accesses = g_renew (TraceAccess, s->accesses, s->size);
    s->owners = g_renew (const BpInsn *, s->owners, s->size);
  }
  s->owners[s->n] = insn;
  s->accesses[s->n++] = *access;
}

/* --- records --------------------------------------------------------------------------------- */

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
  uint64_t quick = s->writer ? trace_writer_n_blocks (s->writer) : 0, there;
  if (s->astray && site->kind == BP_RECORD_BLOCK && jump_queue_find (s->jumps, site->insn->address, &jump, &there)) {
    s->blocks = there - quick;
    s->astray = false;
    finish_block (s);
    write_jump (s, &jump);
    return;
  }
  while (!s->astray && jump_queue_take (s->jumps, s->blocks + quick, &jump)) {
    finish_block (s);
    write_jump (s, &jump);
  }
}

static void
record_access (TraceStream *s, const BpSite *site, const BpWideRecord *r, uint64_t value)
{
  TraceAccess a = { .address = r->address, .value = value, .bytes = r->bytes ? r->bytes : site->bytes, .is_store = site->kind == BP_RECORD_STORE,
                    .is_atomic = site->flags & BP_SITE_ATOMIC };
  take_back (s, s->sites, true);
  if (!s->block) {
    s->stray++;
    return;
  }
  add_access (s, site->insn, &a);
  if (s->writer && !r->bytes)
    trace_writer_learn_access (s->writer, r->site, site);
}

static void
record_left (TraceStream *s, const BpSite *site, uint32_t number)
{
  take_back (s, s->sites, true);
  if (s->block)
    s->executed = s->block->n - MIN (site->n_insns, s->block->n);
  if (s->writer)
    trace_writer_learn_left (s->writer, number, site);
  finish_block (s);
}

/* false: the record is for the quick way after all. */
static bool
record_block (TraceStream *s, const BpSite *site, uint32_t number, bool may_be_quick)
{
  finish_block (s);
  if (may_be_quick && trace_writer_knows (s->writer, number))
    return false;
  begin_block (s, site, number);
  s->blocks++;
  return true;
}

/* Whether the next records may go the quick way: none before the first and after the last instruction that is wanted. */
static bool
is_quick (const TraceStream *s, size_t n)
{
  enum { MOST = 1024 };         /* instructions in a block */
  return s->writer && s->skipped >= s->desc.skip && (!s->desc.limit || s->desc.limit - n_insns (s) > n * MOST);
}

void
trace_stream_records (TraceStream *s, const BpSite *sites, const void *records, size_t n, bool wide)
{
  size_t size = wide ? sizeof (BpWideRecord) : sizeof (BpRecord);
  bool quick = is_quick (s, n);
  s->sites = sites;
  if (n)
    look_for_jumps (s, &sites[((const BpRecord *) records)->site]);
  for (size_t i = 0; i < n && !s->ended; i++) {
    const BpWideRecord *r = (const void *) ((const uint8_t *) records + i * size);
    if (quick && !s->block) {
      i += trace_writer_records (s->writer, r, n - i, wide);
      if (i == n)
        return;
      r = (const void *) ((const uint8_t *) records + i * size);
    }
    const BpSite *site = &sites[r->site];
    if (site->kind == BP_RECORD_BLOCK)
      i -= !record_block (s, site, r->site, quick);
    else if (site->kind == BP_RECORD_LEFT)
      record_left (s, site, r->site);
    else
      record_access (s, site, r, wide ? r->value : 0);
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
  finish_block (s);
  s->space = space;
  s->space_known = true;
  tell_space (s);
}

void
trace_stream_gap (TraceStream *s, uint64_t lost)
{
  finish_block (s);
  s->lost += lost;
  s->astray = true;
  if (writes (s) && s->writer)
    trace_writer_gap (s->writer, lost);
}

bool trace_stream_ended (const TraceStream *s) { return __atomic_load_n (&s->ended, __ATOMIC_RELAXED) || trace_file_error (s->file); }

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
  s->size = TRACE_QUICK_ACCESSES + 1;
  s->accesses = g_new (TraceAccess, s->size);
  s->owners = g_new (const BpInsn *, s->size);
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
  finish_block (s);
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
trace_stream_finish (TraceStream *s)
{
  if (s->finished)
    return;
  s->finished = true;
  finish_block (s);
  if (s->writer)
    trace_writer_finish (s->writer);
  else {
    champsim_finish (s->champsim);
    write_records (s);
  }
  trace_file_finish (s->file);
}

void
trace_stream_free (TraceStream *s)
{
  if (!s)
    return;
  trace_stream_finish (s);
  trace_writer_free (s->writer);
  champsim_free (s->champsim);
  trace_file_close (s->file);
  jump_queue_free (s->jumps);
  g_free (s->records);
  g_free (s->accesses);
  g_free (s->owners);
  g_free (s);
}
