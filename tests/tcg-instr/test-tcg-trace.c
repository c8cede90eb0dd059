/* test-tcg-trace.c -- what is written to a trace comes back; a cut file ends early, a hostile one with an error. */
/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tcg-instr/tcg-trace-reader.h"
#include "tcg-instr/tcg-trace-stream.h"
#include "../suite.h"

enum { N_INSNS = 200, N_EVENTS = 6000 };

/* --- a guest ---------------------------------------------------------------------------- */

static BpInsn insns[N_INSNS];
static GRand *rnd;

static uint64_t rnd64 (void) { return (uint64_t) g_rand_int (rnd) << 32 | g_rand_int (rnd); }
static unsigned below (unsigned n) { return (unsigned) g_rand_int_range (rnd, 0, (gint32) n); }

static void
make_insns (void)
{
  uint64_t address = UINT64_C (0xffffffff81000000);
  for (unsigned i = 0; i < N_INSNS; i++) {
    BpInsn *insn = &insns[i];
    if (below (20) == 0)
      address = rnd64 ();
    *insn = (BpInsn) { .address = address, .physical = address & 0xfffffff, .id = i * 3, .size = (uint8_t) (1 + below (15)), .privilege = below (2) * 3,
                       .insn_class = (uint8_t) below (BP_N_CLASSES), .code_bits = 64, .flags = (uint16_t) below (256),
                       .target = below (3) ? UINT64_MAX : rnd64 () };
    for (unsigned b = 0; b < insn->size; b++)
      insn->bytes[b] = (uint8_t) below (256);
    address += insn->size;
  }
}

static bool
registers (void *user, const BpInsn *insn, BpInsnRegisters *out)
{
  out->n_read = insn->id % 9;
  out->n_written = insn->id % 4;
  for (unsigned i = 0; i < 8; i++) {
    out->read[i] = (uint8_t) (insn->id + i);
    out->written[i] = (uint8_t) (insn->id * 5 + i);
  }
  return insn->id % 5 != 0;
}

/* --- what was told, and what comes back ------------------------------------------------------- */

typedef struct Told {
  TcgTraceEventKind kind;
  const BpInsn *insn;
  unsigned n;
  TraceAccess accesses[40];
  uint64_t a, b, c;
} Told;

static Told told[N_EVENTS];

static unsigned
make_accesses (const BpInsn *insn, TraceAccess *a)
{
  static const uint32_t sizes[] = { 1, 2, 4, 8, 16, 32, 64, 10, 6, 3, 512, 108, 28 };
  unsigned n = below (10) ? insn->id % 3 : below (40);
  for (unsigned i = 0; i < n; i++) {
    uint32_t bytes = sizes[below (10) ? insn->id % 4 : below (G_N_ELEMENTS (sizes))];
    a[i] = (TraceAccess) { .address = below (5) ? UINT64_C (0x7fff00001000) + below (4096) * 8 : rnd64 (), .value = bytes > 8 ? 0 : rnd64 (),
                           .bytes = bytes, .is_store = i & 1, .is_atomic = below (50) == 0 };
    if (bytes < 8)
      a[i].value &= (UINT64_C (1) << bytes * 8) - 1;
  }
  return n;
}

static void
make_told (void)
{
  unsigned at = 0;
  for (unsigned i = 0; i < N_EVENTS; i++) {
    Told *t = &told[i];
    *t = (Told) { .kind = TCG_TRACE_INSN };
    unsigned what = below (200);
    if (what < 3) {
      t->kind = (TcgTraceEventKind) (TCG_TRACE_SPACE + what);
      t->a = what == 1 ? below (2) : rnd64 ();
      t->b = rnd64 ();
      t->c = rnd64 ();
      continue;
    }
    at = below (6) ? (at + 1) % N_INSNS : below (N_INSNS);
    t->insn = &insns[at];
    t->n = make_accesses (t->insn, t->accesses);
  }
}

static void
tell (TraceWriter *w, const Told *t)
{
  switch (t->kind) {
  case TCG_TRACE_INSN: trace_writer_insn (w, t->insn, t->accesses, t->n, false); break;
  case TCG_TRACE_SPACE: trace_writer_space (w, t->a); break;
  case TCG_TRACE_JUMP: trace_writer_jump (w, (unsigned) t->a, t->b, t->c); break;
  case TCG_TRACE_GAP: trace_writer_gap (w, t->a);
  }
}

/* (Plain comparisons: they run millions of times.) */
static bool
same_registers (const BpInsn *insn, const BpInsnRegisters *got)
{
  BpInsnRegisters want = { .struct_size = sizeof want };
  if (!registers (NULL, insn, &want))
    want.n_read = want.n_written = 0;
  return got->n_read == want.n_read && got->n_written == want.n_written && !memcmp (got->read, want.read, want.n_read)
         && !memcmp (got->written, want.written, want.n_written);
}

static bool
same_access (const TraceAccess *got, const TraceAccess *want, uint32_t flags)
{
  return got->address == want->address && got->bytes == want->bytes && got->is_store == want->is_store && got->is_atomic == want->is_atomic
         && got->value == (flags & TRACE_HAS_VALUES ? want->value : 0);
}

static bool
same_insn (const TcgTraceEvent *e, const Told *t, uint32_t flags)
{
  const BpInsn *a = e->insn, *b = t->insn;
  bool same = a->address == b->address && a->physical == b->physical && a->size == b->size && !memcmp (a->bytes, b->bytes, b->size)
              && a->privilege == b->privilege && a->insn_class == b->insn_class && a->code_bits == b->code_bits && a->flags == b->flags
              && a->target == b->target && same_registers (b, e->registers) && e->n_accesses == t->n;
  for (unsigned i = 0; same && i < t->n; i++)
    same = same_access (&e->accesses[i], &t->accesses[i], flags);
  return same;
}

static bool
same_event (const TcgTraceEvent *e, const Told *t, uint32_t flags)
{
  if (e->kind != t->kind)
    return false;
  switch (e->kind) {
  case TCG_TRACE_INSN: return same_insn (e, t, flags);
  case TCG_TRACE_SPACE: return e->space == t->a;
  case TCG_TRACE_GAP: return e->lost == t->a;
  case TCG_TRACE_JUMP: return e->jump == t->a && e->from == t->b && e->to == t->c;
  }
  return false;
}

/* --- files ------------------------------------------------------------------------------------------ */

static char *
new_path (void)
{
  char *path = g_strdup ("/tmp/backplane-trace.XXXXXX");
  int fd = g_mkstemp (path);
  ck_assert_int_ge (fd, 0);
  close (fd);
  return path;
}

/* Events 0 .. n - 1, with a chunk's end every `flush`. */
static GBytes *
write_trace (unsigned n, uint32_t flags, int level, unsigned flush)
{
  GError *error = NULL;
  char *path = new_path (), *data;
  gsize size;
  TraceFile *file = trace_file_create (path, level, flush % 2, &error);
  ck_assert_msg (file != NULL, "%s", error ? error->message : "");
  TraceWriterDesc desc = { .flags = flags, .vcpu = 3, .skipped = 77, .text = "machine=test\n", .registers = registers };
  TraceWriter *w = trace_writer_new (file, &desc);
  for (unsigned i = 0; i < n; i++) {
    tell (w, &told[i]);
    if (i % flush == flush - 1)
      trace_writer_flush (w);
  }
  trace_writer_finish (w);
  trace_writer_free (w);
  ck_assert_ptr_null (trace_file_error (file));
  trace_file_close (file);
  ck_assert (g_file_get_contents (path, &data, &size, &error));
  g_unlink (path);
  g_free (path);
  return g_bytes_new_take (data, size);
}

/* How many events come back; each is checked. */
static unsigned
read_trace (const uint8_t *data, size_t size, uint32_t flags, TcgTraceInfo *info, GError **error)
{
  TcgTraceEvent e;
  unsigned n = 0;
  TcgTraceReader *r = tcg_trace_reader_open_memory (data, size, error);
  if (!r)
    return 0;
  for (; tcg_trace_reader_next (r, &e, error); n++) {
    if (n >= N_EVENTS || !same_event (&e, &told[n], flags))
      ck_abort_msg ("event %u", n);
  }
  *info = *tcg_trace_reader_info (r);
  tcg_trace_reader_close (r);
  return n;
}

START_TEST (test_round_trip)
{
  for (int level = 0; level < 2; level++)
    for (uint32_t flags = TRACE_HAS_MEMORY; flags <= (TRACE_HAS_MEMORY | TRACE_HAS_VALUES); flags += TRACE_HAS_VALUES)
      for (unsigned seed = 0; seed < 5; seed++) {
        GError *error = NULL;
        TcgTraceInfo info;
        g_rand_set_seed (rnd, seed);
        make_insns ();
        make_told ();
        GBytes *bytes = write_trace (N_EVENTS, flags, level, seed ? 500 * seed : N_EVENTS);
        ck_assert_uint_eq (read_trace (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), flags, &info, &error), N_EVENTS);
        ck_assert_msg (!error, "%s", error ? error->message : "");
        ck_assert (info.complete && !info.truncated);
        ck_assert_uint_eq (info.vcpu, 3);
        ck_assert_uint_eq (info.skipped, 77);
        g_bytes_unref (bytes);
      }
}
END_TEST

/* Cut at each byte: whole chunks come back, and nothing else. */
START_TEST (test_truncated)
{
  enum { EVENTS = 200 };
  for (int level = 0; level < 2; level++) {
    g_rand_set_seed (rnd, 11);
    make_insns ();
    make_told ();
    GBytes *bytes = write_trace (EVENTS, TRACE_HAS_MEMORY, level, 20);
    size_t size;
    const uint8_t *data = g_bytes_get_data (bytes, &size);
    unsigned before = 0;
    for (size_t cut = 0; cut < size; cut++) {
      GError *error = NULL;
      TcgTraceInfo info = { 0 };
      uint8_t *copy = g_memdup2 (data, cut);    /* so that reads behind its end are seen */
      unsigned n = read_trace (copy, cut, TRACE_HAS_MEMORY, &info, &error);
      g_free (copy);
      if (n < before || n % 20 || info.complete || (n && (error || !info.truncated || info.chunks != n / 20)))
        ck_abort_msg ("cut at %zu: %u events", cut, n);
      before = n;
      g_clear_error (&error);
    }
    ck_assert_uint_eq (before, EVENTS);
    g_bytes_unref (bytes);
  }
}
END_TEST

/* --- hostile files ------------------------------------------------------------------------------------- */

static void
read_any (const uint8_t *data, size_t size)
{
  GError *error = NULL;
  TcgTraceEvent e;
  uint64_t sum = 0;
  uint8_t *copy = g_memdup2 (data, size);
  TcgTraceReader *r = tcg_trace_reader_open_memory (copy, size, &error);
  for (unsigned n = 0; r && n < 100000 && tcg_trace_reader_next (r, &e, &error); n++)
    if (e.kind == TCG_TRACE_INSN) {
      sum += e.insn->address + e.registers->n_read;
      for (unsigned i = 0; i < e.n_accesses; i++)
        sum += e.accesses[i].address + e.accesses[i].value;
    }
  ck_assert (sum || !sum);
  tcg_trace_reader_close (r);
  g_clear_error (&error);
  g_free (copy);
}

static void put32 (uint8_t *at, uint32_t v) { memcpy (at, &v, 4); }
static uint32_t get32 (const uint8_t *at) { uint32_t v; memcpy (&v, at, 4); return v; }

/* Checksums as they should be, so that what they protect is reached. */
static void
mend (uint8_t *data, size_t size)
{
  size_t at = TRACE_HEADER_BYTES + get32 (data + TRACE_AT_TEXT_BYTES);
  if (at > size)
    return;
  put32 (data + TRACE_AT_CHECK, 0);
  put32 (data + TRACE_AT_CHECK, trace_checksum (0, data, at));
  while (size - at >= TRACE_CHUNK_BYTES) {
    uint8_t *h = data + at;
    size_t stored = get32 (h + TRACE_CHUNK_AT_STORED), rest = size - at - TRACE_CHUNK_BYTES;
    put32 (h + TRACE_CHUNK_AT_CHECK, trace_checksum (0, h + TRACE_CHUNK_BYTES, MIN (stored, rest)));
    put32 (h + TRACE_CHUNK_AT_HEADER_CHECK, trace_checksum (0, h, TRACE_CHUNK_AT_HEADER_CHECK));
    if (stored > rest)
      return;
    at += TRACE_CHUNK_BYTES + stored;
  }
}

START_TEST (test_hostile)
{
  for (int level = 0; level < 2; level++) {
    g_rand_set_seed (rnd, 21);
    make_insns ();
    make_told ();
    GBytes *bytes = write_trace (600, TRACE_HAS_MEMORY | TRACE_HAS_VALUES, level, 100);
    size_t size;
    const uint8_t *data = g_bytes_get_data (bytes, &size);
    for (unsigned i = 0; i < 2000; i++) {
      uint8_t *copy = g_memdup2 (data, size);
      for (unsigned k = 1 + below (4); k; k--)
        copy[below (3) ? below ((unsigned) size) : below (TRACE_HEADER_BYTES + 200)] = (uint8_t) (below (3) ? below (256) : 0xff);
      if (i & 1)
        mend (copy, size);
      read_any (copy, below (4) ? size : below ((unsigned) size));
      g_free (copy);
    }
    g_bytes_unref (bytes);
  }
}
END_TEST

/* A damaged file is noticed, always: every bit of it is under a checksum. */
START_TEST (test_damage_is_seen)
{
  g_rand_set_seed (rnd, 31);
  make_insns ();
  make_told ();
  GBytes *bytes = write_trace (60, TRACE_HAS_MEMORY, 0, 30);
  size_t size;
  const uint8_t *data = g_bytes_get_data (bytes, &size);
  for (size_t at = 0; at < size; at++) {
    GError *error = NULL;
    TcgTraceInfo info = { 0 };
    uint8_t *copy = g_memdup2 (data, size);
    copy[at] ^= (uint8_t) (1u << at % 8);
    read_trace (copy, size, TRACE_HAS_MEMORY, &info, &error);
    if (!error && !info.truncated)
      ck_abort_msg ("byte %zu", at);
    g_clear_error (&error);
    g_free (copy);
  }
  g_bytes_unref (bytes);
}
END_TEST

/* --- streams: records, in arrays of any size ---------------------------------------------------------------- */

enum { SITES_AN_INSN = 8, LONGEST = 5, N_RECORDS = 40000 };
enum { BLOCK_SITES = N_INSNS * SITES_AN_INSN, LEFT_SITES = BLOCK_SITES + N_INSNS * LONGEST, N_SITES = LEFT_SITES + N_INSNS * LONGEST };

static BpSite sites[N_SITES];
static TraceBlocks *blocks;
static BpWideRecord wide[N_RECORDS];
static unsigned n_records;
static GArray *expected;                /* of Told, without their accesses */
static GArray *expected_accesses;       /* of TraceAccess */

static unsigned block_site (unsigned insn, unsigned n) { return BLOCK_SITES + insn * LONGEST + n - 1; }
static unsigned left_site (unsigned insn, unsigned left) { return LEFT_SITES + insn * LONGEST + left - 1; }

/* Of each instruction: loads of 8 and 4 bytes, stores of 8 and 1, a locked load and store of 4, and a helper's stores; blocks of 1 to 5 from it on, and
 * 1 to 5 that were not executed. */
static void
make_sites (void)
{
  static const struct { uint8_t kind, flags; uint16_t bytes; } kinds[SITES_AN_INSN] = {
    { BP_RECORD_LOAD, 0, 2 }, { BP_RECORD_LOAD, 0, 8 }, { BP_RECORD_LOAD, 0, 4 }, { BP_RECORD_STORE, 0, 8 }, { BP_RECORD_STORE, 0, 1 },
    { BP_RECORD_LOAD, BP_SITE_ATOMIC, 4 }, { BP_RECORD_STORE, BP_SITE_ATOMIC, 4 }, { BP_RECORD_STORE, BP_SITE_HELPER, 0 } };
  const BpInsn *list[LONGEST];
  trace_blocks_free (blocks);
  blocks = trace_blocks_new ();
  for (unsigned i = 0; i < N_INSNS; i++) {
    for (unsigned k = 0; k < SITES_AN_INSN; k++)
      sites[i * SITES_AN_INSN + k] = (BpSite) { .insn = &insns[i], .kind = kinds[k].kind, .flags = kinds[k].flags, .bytes = kinds[k].bytes };
    for (unsigned n = 1; n <= LONGEST; n++) {
      if (i + n <= N_INSNS) {
        list[n - 1] = &insns[i + n - 1];
        sites[block_site (i, n)] = (BpSite) { .insn = &insns[i], .kind = BP_RECORD_BLOCK, .n_insns = n, .user = trace_blocks_add (blocks, list, n) };
      }
      sites[left_site (i, n)] = (BpSite) { .insn = &insns[i], .kind = BP_RECORD_LEFT, .n_insns = n };
    }
  }
}

static void
put_record (unsigned insn, unsigned site, uint64_t address, uint32_t bytes, bool is_stray)
{
  const BpSite *s = &sites[insn * SITES_AN_INSN + site];
  uint32_t size = bytes ? bytes : s->bytes;
  BpWideRecord r = { .address = address, .site = insn * SITES_AN_INSN + site, .bytes = bytes, .value = rnd64 () };
  if (size < 8)
    r.value &= (UINT64_C (1) << size * 8) - 1;
  if (size > 8)
    r.value = 0;
  wide[n_records++] = r;
  if (is_stray)
    return;
  TraceAccess a = { .address = address, .value = r.value, .bytes = size, .is_store = s->kind == BP_RECORD_STORE, .is_atomic = s->flags & BP_SITE_ATOMIC };
  g_array_append_val (expected_accesses, a);
  g_array_index (expected, Told, expected->len - 1).n++;
}

/* Mostly what the instruction did before. */
static void
put_insn (unsigned i)
{
  Told t = { .kind = TCG_TRACE_INSN, .insn = &insns[i], .a = expected_accesses->len };
  g_array_append_val (expected, t);
  unsigned n = below (40) ? i % 4 : below (12);
  for (unsigned k = 0; k < n; k++) {
    unsigned site = below (60) ? (i + k) % (SITES_AN_INSN - 1) : below (SITES_AN_INSN);
    put_record (i, site, UINT64_C (0xffff888000000000) + below (1000) * 8, site == SITES_AN_INSN - 1 ? 1 + below (64) : below (40) ? 0 : 16, false);
  }
}

static void
put_site (unsigned site)
{
  wide[n_records++] = (BpWideRecord) { .site = site, .address = sites[site].insn->address };
}

/* One in ten is left early, of those half because of an instruction that accesses memory and faults then. */
static void
put_block (unsigned first)
{
  unsigned n = MIN (1 + first % LONGEST, N_INSNS - first), left = n > 1 && below (10) == 0 ? 1 + below (n - 1) : 0;
  put_site (block_site (first, n));
  for (unsigned i = 0; i < n - left; i++)
    put_insn (first + i);
  if (left && below (2))
    put_record (first + n - left, 1, 0, 0, true);
  if (left)
    put_site (left_site (first + n - left, left));
}

static void
make_records (unsigned seed)
{
  g_rand_set_seed (rnd, seed);
  make_insns ();
  make_sites ();
  g_array_set_size (expected, 0);
  g_array_set_size (expected_accesses, 0);
  n_records = 0;
  for (unsigned at = 0; n_records < N_RECORDS - 100; at = below (7) ? (at + 1 + at % LONGEST) % N_INSNS : below (20) ? at - at % 10 : below (N_INSNS))
    put_block (at);
}

/* The file that arrays of 1 .. most records make. */
static GBytes *
stream_trace (unsigned most, bool values, uint64_t skip, uint64_t limit, TraceStreamTotals *totals)
{
  GError *error = NULL;
  char *name = new_path (), *data;
  gsize size;
  TraceStreamDesc desc = { .format = TRACE_FORMAT_BACKPLANE, .flags = TRACE_HAS_MEMORY | (values ? TRACE_HAS_VALUES : 0u), .skip = skip, .limit = limit,
                           .text = "", .thread = true, .blocks = blocks, .registers = registers };
  TraceStream *s = trace_stream_new (name, &desc, &error);
  ck_assert_msg (s != NULL, "%s", error ? error->message : "");
  for (unsigned at = 0, n; at < n_records; at += n) {
    n = 1 + below (most);
    n = MIN (n, n_records - at);
    if (values) {
      BpWideRecord *copy = g_memdup2 (wide + at, n * sizeof *copy);
      trace_stream_records (s, sites, copy, n, true);
      g_free (copy);
    } else {
      BpRecord *copy = g_new (BpRecord, n);
      for (unsigned i = 0; i < n; i++)
        copy[i] = (BpRecord) { .address = wide[at + i].address, .site = wide[at + i].site, .bytes = wide[at + i].bytes };
      trace_stream_records (s, sites, copy, n, false);
      g_free (copy);
    }
  }
  trace_stream_flush (s);
  trace_stream_totals (s, totals);
  totals->path = NULL;
  trace_stream_free (s);
  ck_assert (g_file_get_contents (name, &data, &size, &error));
  g_unlink (name);
  g_free (name);
  return g_bytes_new_take (data, size);
}

/* Instructions `first' .. `end' - 1 of what was put. */
static void
check_stream (GBytes *bytes, unsigned first, unsigned end, uint32_t flags)
{
  GError *error = NULL;
  TcgTraceEvent e;
  unsigned n = first;
  TcgTraceReader *r = tcg_trace_reader_open_memory (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &error);
  ck_assert_ptr_nonnull (r);
  for (; tcg_trace_reader_next (r, &e, &error); n++) {
    const Told *t = &g_array_index (expected, Told, MIN (n, expected->len - 1));
    bool same = n < end && e.kind == TCG_TRACE_INSN && e.insn->address == t->insn->address && e.insn->size == t->insn->size && e.n_accesses == t->n;
    for (unsigned i = 0; same && i < t->n; i++)
      same = same_access (&e.accesses[i], &g_array_index (expected_accesses, TraceAccess, t->a + i), flags);
    if (!same)
      ck_abort_msg ("instruction %u of %u: kind %u, %" PRIx64 " (want %" PRIx64 "), %u accesses (want %u) id %u", n, end, e.kind, e.kind ? 0 : e.insn->address, t->insn->address, e.n_accesses, t->n, t->insn->id / 3);
  }
  ck_assert_msg (!error, "%s", error ? error->message : "");
  ck_assert_uint_eq (n, end);
  ck_assert (tcg_trace_reader_info (r)->complete);
  tcg_trace_reader_close (r);
}

START_TEST (test_records)
{
  static const unsigned most[] = { 1, 2, 3, 7, 64, 4096, N_RECORDS };
  TraceStreamTotals totals;
  for (unsigned values = 0; values < 2; values++)
    for (unsigned seed = 100; seed < 104; seed++) {
      GBytes *first = NULL;
      for (unsigned i = 0; i < G_N_ELEMENTS (most); i++) {
        make_records (seed);
        GBytes *bytes = stream_trace (most[i], values, 0, 0, &totals);
        check_stream (bytes, 0, expected->len, TRACE_HAS_MEMORY | (values ? TRACE_HAS_VALUES : 0u));
        ck_assert_uint_eq (totals.insns, expected->len);
        ck_assert_uint_eq (totals.accesses, expected_accesses->len);
        ck_assert_uint_gt (totals.stray, 0);
        if (!first)
          first = g_bytes_ref (bytes);
        ck_assert_msg (g_bytes_equal (first, bytes), "arrays of up to %u records make another file", most[i]);
        g_bytes_unref (bytes);
      }
      g_bytes_unref (first);
    }
}
END_TEST

START_TEST (test_skip_and_limit)
{
  static const struct { uint64_t skip, limit; } cases[] = { { 0, 1 }, { 1, 0 }, { 5000, 0 }, { 100, 4000 }, { 4095, 1 }, { 1000000, 0 }, { 0, 1000000 } };
  TraceStreamTotals totals;
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    make_records (7);
    GBytes *bytes = stream_trace (4096, false, cases[i].skip, cases[i].limit, &totals);
    unsigned first = (unsigned) MIN (cases[i].skip, expected->len), end = expected->len;
    if (cases[i].limit)
      end = (unsigned) MIN (end, first + cases[i].limit);
    check_stream (bytes, first, end, TRACE_HAS_MEMORY);
    ck_assert_uint_eq (totals.insns, end - first);
    ck_assert_uint_eq (totals.skipped, first);
    g_bytes_unref (bytes);
  }
}
END_TEST

/* Jumps stand where they came.  After a loss the place is found by the handler's address. */
START_TEST (test_jumps)
{
  GError *error = NULL;
  TcgTraceEvent e;
  char *name = new_path ();
  g_rand_set_seed (rnd, 3);
  make_insns ();
  make_sites ();
  TraceStreamDesc desc = { .format = TRACE_FORMAT_BACKPLANE, .text = "", .blocks = blocks };
  TraceStream *s = trace_stream_new (name, &desc, &error);
  static const unsigned order[] = { 0, 1, 3, 6, 60, 61, 6, 60, 60, 9, 63, 9, 60 };
  static const struct { unsigned before, blocks; } jumps[] = { { 0, 0 }, { 3, 3 }, { 4, 4 }, { 10, 50 }, { 12, 52 } };
  enum { LOSS = 9 };            /* before that one records are lost, with a jump that nobody comes for */
  for (unsigned i = 0; i < G_N_ELEMENTS (jumps); i++) {
    BpJump jump = { .kind = BP_JUMP_EXCEPTION, .from = i, .to = insns[order[jumps[i].before]].address };
    trace_stream_jump (s, &jump, jumps[i].blocks);
  }
  for (unsigned i = 0; i < G_N_ELEMENTS (order); i++) {
    BpRecord r = { .site = block_site (order[i], 1), .address = insns[order[i]].address };
    if (i == LOSS)
      trace_stream_gap (s, 100);
    trace_stream_records (s, sites, &r, 1, false);
  }
  trace_stream_free (s);
  TcgTraceReader *r = tcg_trace_reader_open (name, &error);
  ck_assert_ptr_nonnull (r);
  unsigned n = 0, found = 0, gaps = 0;
  while (tcg_trace_reader_next (r, &e, &error)) {
    n += e.kind == TCG_TRACE_INSN;
    gaps += e.kind == TCG_TRACE_GAP;
    if (e.kind != TCG_TRACE_JUMP)
      continue;
    ck_assert_uint_eq (n, jumps[found].before);
    ck_assert_uint_eq (e.from, found);
    ck_assert_uint_eq (e.jump, BP_JUMP_EXCEPTION);
    found++;
  }
  ck_assert_msg (!error, "%s", error ? error->message : "");
  ck_assert_uint_eq (n, G_N_ELEMENTS (order));
  ck_assert_uint_eq (found, G_N_ELEMENTS (jumps));
  ck_assert_uint_eq (gaps, 1);
  tcg_trace_reader_close (r);
  g_unlink (name);
  g_free (name);
}
END_TEST

/* An instruction that makes more accesses than are told at once is one instruction. */
START_TEST (test_very_long)
{
  enum { MORE = 10, AT_ONCE = 4096 };
  GError *error = NULL;
  TcgTraceEvent e;
  char *name = new_path ();
  BpRecord *r = g_new (BpRecord, AT_ONCE);
  make_records (71);
  TraceStreamDesc desc = { .format = TRACE_FORMAT_BACKPLANE, .flags = TRACE_HAS_MEMORY, .text = "", .limit = 3, .blocks = blocks };
  TraceStream *s = trace_stream_new (name, &desc, &error);
  for (unsigned i = 0; i < 3; i++) {
    BpRecord block = { .site = block_site (0, 3) };
    if (i == 0)
      trace_stream_records (s, sites, &block, 1, false);
    for (uint64_t at = 0; i == 1 && at < TRACE_ACCESSES_LIMIT + MORE; at += AT_ONCE) {
      for (unsigned k = 0; k < AT_ONCE; k++)
        r[k] = (BpRecord) { .site = i * SITES_AN_INSN + 1, .address = (at + k) * 8 };
      trace_stream_records (s, sites, r, MIN (AT_ONCE, TRACE_ACCESSES_LIMIT + MORE - at), false);
    }
  }
  trace_stream_free (s);
  g_free (r);
  TcgTraceReader *reader = tcg_trace_reader_open (name, &error);
  ck_assert_ptr_nonnull (reader);
  uint64_t accesses = 0, pieces = 0, wrong = 0;
  while (tcg_trace_reader_next (reader, &e, &error)) {
    pieces += e.goes_on;
    wrong += e.goes_on && e.number != 1;
    for (unsigned i = 0; i < e.n_accesses; i++)
      wrong += e.accesses[i].address != 8 * accesses++;
  }
  ck_assert_msg (!error, "%s", error ? error->message : "");
  ck_assert_uint_eq (wrong, 0);
  ck_assert_uint_eq (pieces, 1);
  ck_assert_uint_eq (accesses, TRACE_ACCESSES_LIMIT + MORE);
  ck_assert_uint_eq (tcg_trace_reader_info (reader)->insns, 3);
  ck_assert (tcg_trace_reader_info (reader)->complete);
  tcg_trace_reader_close (reader);
  g_unlink (name);
  g_free (name);
}
END_TEST

/* /dev/full: said once, and nothing is written after it. */
START_TEST (test_full_disk)
{
  GError *error = NULL;
  TraceStreamTotals totals;
  if (access ("/dev/full", W_OK))
    return;
  make_records (9);
  TraceStreamDesc desc = { .format = TRACE_FORMAT_BACKPLANE, .text = "", .blocks = blocks };
  TraceStream *s = trace_stream_new ("/dev/full", &desc, &error);
  ck_assert_ptr_nonnull (s);
  trace_stream_records (s, sites, wide, 1000, true);
  trace_stream_flush (s);
  ck_assert (trace_stream_ended (s));
  trace_stream_records (s, sites, wide + 1000, 1000, true);
  trace_stream_totals (s, &totals);
  ck_assert_ptr_nonnull (totals.error);
  ck_assert_uint_eq (totals.bytes, 0);
  trace_stream_free (s);

  desc.format = TRACE_FORMAT_CHAMPSIM;  /* no header: it is noticed when the file is finished */
  s = trace_stream_new ("/dev/full", &desc, &error);
  trace_stream_records (s, sites, wide, 1000, true);
  ck_assert (!trace_stream_ended (s));
  trace_stream_finish (s);
  trace_stream_totals (s, &totals);
  ck_assert_ptr_nonnull (totals.error);
  trace_stream_free (s);
  ck_assert_ptr_null (trace_stream_new ("/nowhere/at/all", &desc, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "/nowhere/at/all"));
  g_error_free (error);
}
END_TEST

/* Several chunks, ended within arrays. */
START_TEST (test_many_chunks)
{
  GError *error = NULL;
  TcgTraceEvent e;
  char *name = new_path ();
  unsigned n = 0;
  make_records (61);
  TraceStreamDesc desc = { .format = TRACE_FORMAT_BACKPLANE, .flags = TRACE_HAS_MEMORY | TRACE_HAS_VALUES, .text = "", .zstd_level = 1, .blocks = blocks };
  TraceStream *s = trace_stream_new (name, &desc, &error);
  for (unsigned times = 0; times < 20; times++)
    trace_stream_records (s, sites, wide, n_records, true);
  trace_stream_free (s);
  TcgTraceReader *r = tcg_trace_reader_open (name, &error);
  ck_assert_ptr_nonnull (r);
  for (; tcg_trace_reader_next (r, &e, &error); n++) {
    const Told *t = &g_array_index (expected, Told, n % expected->len);
    if (e.insn->address != t->insn->address || e.n_accesses != t->n)
      ck_abort_msg ("instruction %u", n);
  }
  ck_assert_msg (!error, "%s", error ? error->message : "");
  ck_assert_uint_eq (n, 20 * expected->len);
  ck_assert (tcg_trace_reader_info (r)->complete);
  ck_assert_uint_gt (tcg_trace_reader_info (r)->chunks, 3);
  tcg_trace_reader_close (r);
  g_unlink (name);
  g_free (name);
}
END_TEST

/* Chunks stay below what a reader takes, also where the guest never jumps: `n' instructions, each with `accesses'. */
static uint64_t
chunks_of_straight_code (unsigned n, unsigned accesses)
{
  GError *error = NULL;
  TcgTraceEvent e;
  char *name = new_path ();
  TraceAccess *a = g_new (TraceAccess, accesses);
  for (unsigned i = 0; i < accesses; i++)
    a[i] = (TraceAccess) { .address = (uint64_t) i << 63, .bytes = 8 };
  TraceFile *file = trace_file_create (name, 1, false, &error);
  TraceWriterDesc desc = { .flags = TRACE_HAS_MEMORY | TRACE_HAS_VALUES, .text = "" };
  TraceWriter *w = trace_writer_new (file, &desc);
  for (unsigned i = 0; i < n; i++) {
    BpInsn insn = { .address = i, .physical = i, .id = i, .size = 1, .target = UINT64_MAX };
    trace_writer_insn (w, &insn, a, accesses, false);
  }
  trace_writer_finish (w);
  trace_writer_free (w);
  trace_file_close (file);
  g_free (a);
  TcgTraceReader *r = tcg_trace_reader_open (name, &error);
  ck_assert_ptr_nonnull (r);
  while (tcg_trace_reader_next (r, &e, &error))
    ck_assert_uint_eq (e.n_accesses, accesses);
  ck_assert_msg (!error, "%s", error ? error->message : "");
  TcgTraceInfo info = *tcg_trace_reader_info (r);
  ck_assert (info.complete);
  ck_assert_uint_eq (info.insns, n);
  tcg_trace_reader_close (r);
  g_unlink (name);
  g_free (name);
  return info.chunks;
}

START_TEST (test_straight_code)
{
  ck_assert_uint_ge (chunks_of_straight_code (4 * TRACE_STRAIGHT, 2), 4);
  ck_assert_uint_ge (chunks_of_straight_code (4, TRACE_ACCESSES_LIMIT), 4);
}
END_TEST

START_TEST (test_checksum)
{
  /* the check value that the polynomial's definition comes with */
  ck_assert_uint_eq (trace_checksum (0, "123456789", 9), 0xe3069283);
  uint8_t data[100];
  for (unsigned i = 0; i < sizeof data; i++)
    data[i] = (uint8_t) (i * 7);
  for (unsigned cut = 0; cut <= sizeof data; cut++)
    ck_assert_uint_eq (trace_checksum (trace_checksum (0, data, cut), data + cut, sizeof data - cut), trace_checksum (0, data, sizeof data));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("tcg-trace");
  TCase *c = tcase_create ("tcg-trace");
  tcase_set_timeout (c, 60);
  rnd = g_rand_new_with_seed (1);
  expected = g_array_new (FALSE, FALSE, sizeof (Told));
  expected_accesses = g_array_new (FALSE, FALSE, sizeof (TraceAccess));
  tcase_add_test (c, test_checksum);
  tcase_add_test (c, test_round_trip);
  tcase_add_test (c, test_truncated);
  tcase_add_test (c, test_hostile);
  tcase_add_test (c, test_damage_is_seen);
  tcase_add_test (c, test_records);
  tcase_add_test (c, test_skip_and_limit);
  tcase_add_test (c, test_jumps);
  tcase_add_test (c, test_very_long);
  tcase_add_test (c, test_many_chunks);
  tcase_add_test (c, test_straight_code);
  tcase_add_test (c, test_full_disk);
  suite_add_tcase (suite, c);
  int failed = suite_run (suite);
  trace_blocks_free (blocks);
  g_array_unref (expected);
  g_array_unref (expected_accesses);
  g_rand_free (rnd);
  return failed;
}
