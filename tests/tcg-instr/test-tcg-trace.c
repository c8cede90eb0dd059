/* test-tcg-trace.c -- what is written to a trace comes back; a cut file ends early, a hostile one with an error. */
/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tcg-instr/tcg-trace-reader.h"
#include "tcg-instr/tcg-trace-stream.h"

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
  case TCG_TRACE_INSN: trace_writer_insn (w, t->insn, t->accesses, t->n); break;
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
  TraceFile *file = trace_file_create (path, level, &error);
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

/* --- streams --------------------------------------------------------------------------------------------- */

static TraceStream *
new_stream (const char *path, TraceFormat format, uint64_t skip, uint64_t limit)
{
  GError *error = NULL;
  TraceStreamDesc desc = { .format = format, .flags = TRACE_HAS_MEMORY, .skip = skip, .limit = limit, .text = "", .registers = registers };
  TraceStream *s = trace_stream_new (path, &desc, &error);
  ck_assert_msg (s != NULL, "%s", error ? error->message : "");
  return s;
}

START_TEST (test_skip_and_limit)
{
  GError *error = NULL;
  char *path = new_path ();
  TcgTraceEvent e;
  unsigned n = 0;
  g_rand_set_seed (rnd, 41);
  make_insns ();
  TraceStream *s = new_stream (path, TRACE_FORMAT_BACKPLANE, 10, 20);
  for (unsigned i = 0; i < N_INSNS; i++) {
    TraceAccess a = { .address = i * 16, .bytes = 4 };
    trace_stream_insn (s, &insns[i]);
    trace_stream_access (s, &insns[i], &a);
    if (i == 15)
      trace_stream_access (s, &insns[i + 1], &a);       /* of an instruction that faulted */
    ck_assert_int_eq (trace_stream_ended (s), i > 29);
  }
  TraceStreamTotals totals;
  trace_stream_totals (s, &totals);
  ck_assert_uint_eq (totals.insns, 20);
  ck_assert_uint_eq (totals.stray, 1);
  trace_stream_free (s);
  TcgTraceReader *r = tcg_trace_reader_open (path, &error);
  ck_assert_ptr_nonnull (r);
  for (; tcg_trace_reader_next (r, &e, &error); n++) {
    ck_assert_uint_eq (e.insn->address, insns[10 + n].address);
    ck_assert_uint_eq (e.n_accesses, 1);
    ck_assert_uint_eq (e.accesses[0].address, (10 + n) * 16);
  }
  ck_assert_uint_eq (n, 20);
  ck_assert (tcg_trace_reader_info (r)->complete);
  ck_assert_uint_eq (tcg_trace_reader_info (r)->skipped, 10);
  tcg_trace_reader_close (r);
  g_unlink (path);
  g_free (path);
}
END_TEST

/* /dev/full: said once, and nothing is written after it. */
START_TEST (test_full_disk)
{
  if (access ("/dev/full", W_OK))
    return;
  g_rand_set_seed (rnd, 51);
  make_insns ();
  TraceStream *s = new_stream ("/dev/full", TRACE_FORMAT_BACKPLANE, 0, 0);
  trace_stream_insn (s, &insns[0]);
  trace_stream_flush (s);
  ck_assert (trace_stream_ended (s));
  trace_stream_insn (s, &insns[1]);
  TraceStreamTotals totals;
  trace_stream_totals (s, &totals);
  ck_assert_ptr_nonnull (totals.error);
  ck_assert_uint_eq (totals.bytes, 0);
  trace_stream_free (s);
}
END_TEST

/* --- ChampSim ---------------------------------------------------------------------------------------------- */

enum { IP = CHAMPSIM_INSTRUCTION_POINTER, SP = CHAMPSIM_STACK_POINTER, FL = CHAMPSIM_FLAGS, RAX = 10, RCX = 9, RBX = 7 };
enum { G_RAX = 0, G_RCX = 1, G_RBX = 3, G_RSP = 4, G_RIP = 16, G_FLAGS = 17 };

typedef struct Sample {
  const char *name;
  BpInsn insn;
  uint8_t n_read, read[4], n_written, written[4];
  uint8_t sources[4], destinations[2];
  int kind;                     /* ChampSim's own, below */
} Sample;

enum { DIRECT_JUMP, INDIRECT_JUMP, CONDITIONAL_JUMP, DIRECT_CALL, INDIRECT_CALL, RETURNS, OTHER_BRANCH, NONE };

#define INSN(k, at, n, class_, flags_) { .id = (k), .address = (at), .size = (n), .insn_class = (class_), .flags = (flags_), .target = UINT64_MAX }
static const Sample samples[] = {
  { "add %rcx,%rax", INSN (0, 0x1000, 3, BP_CLASS_ARITHMETIC, 0), 2, { G_RAX, G_RCX }, 2, { G_FLAGS, G_RAX }, { RAX, RCX }, { RAX, FL }, NONE },
  { "mov 8(%rip),%rax", INSN (1, 0x1003, 7, BP_CLASS_MOVE, BP_INSN_LOADS), 1, { G_RIP }, 1, { G_RAX }, { 0 }, { RAX }, NONE },
  { "push %rbx", INSN (2, 0x100a, 1, BP_CLASS_MOVE, BP_INSN_STORES), 2, { G_RBX, G_RSP }, 1, { G_RSP }, { RBX, SP }, { SP }, NONE },
  { "jz", INSN (3, 0x100b, 2, BP_CLASS_BRANCH, BP_INSN_BRANCH | BP_INSN_CONDITIONAL), 2, { G_FLAGS, G_RIP }, 1, { G_RIP }, { IP, FL }, { IP }, CONDITIONAL_JUMP },
  { "jrcxz", INSN (4, 0x100d, 2, BP_CLASS_BRANCH, BP_INSN_BRANCH | BP_INSN_CONDITIONAL), 1, { G_RCX }, 0, { 0 }, { IP, RCX }, { IP }, CONDITIONAL_JUMP },
  { "loop", INSN (5, 0x100f, 2, BP_CLASS_BRANCH, BP_INSN_BRANCH | BP_INSN_CONDITIONAL), 1, { G_RCX }, 1, { G_RCX }, { IP, RCX }, { IP, RCX }, CONDITIONAL_JUMP },
  { "jmp", INSN (6, 0x1011, 2, BP_CLASS_JUMP, BP_INSN_BRANCH), 0, { 0 }, 0, { 0 }, { IP }, { IP }, DIRECT_JUMP },
  { "jmp *%rax", INSN (7, 0x1013, 2, BP_CLASS_JUMP, BP_INSN_BRANCH | BP_INSN_INDIRECT), 1, { G_RAX }, 0, { 0 }, { RAX }, { IP }, INDIRECT_JUMP },
  { "jmp *8(%rip)", INSN (8, 0x1015, 6, BP_CLASS_JUMP, BP_INSN_BRANCH | BP_INSN_INDIRECT | BP_INSN_LOADS), 1, { G_RIP }, 0, { 0 }, { CHAMPSIM_UNNAMED }, { IP },
    INDIRECT_JUMP },
  { "call", INSN (9, 0x101b, 5, BP_CLASS_CALL, BP_INSN_BRANCH | BP_INSN_CALL | BP_INSN_STORES), 1, { G_RSP }, 1, { G_RSP }, { IP, SP }, { IP, SP }, DIRECT_CALL },
  { "call *%rbx", INSN (10, 0x1020, 2, BP_CLASS_CALL, BP_INSN_BRANCH | BP_INSN_CALL | BP_INSN_INDIRECT | BP_INSN_STORES), 2, { G_RSP, G_RBX }, 1, { G_RSP },
    { IP, SP, RBX }, { IP, SP }, INDIRECT_CALL },
  { "ret", INSN (11, 0x1022, 1, BP_CLASS_RETURN, BP_INSN_BRANCH | BP_INSN_RETURN | BP_INSN_INDIRECT | BP_INSN_LOADS), 1, { G_RSP }, 1, { G_RSP }, { SP }, { IP, SP },
    RETURNS },
  { "syscall", INSN (12, 0x1023, 2, BP_CLASS_SYSTEM_CALL, BP_INSN_BRANCH | BP_INSN_INDIRECT), 0, { 0 }, 2, { G_RCX, 11 }, { FL }, { IP }, OTHER_BRANCH },
  { "xmm", INSN (13, 0x1025, 4, BP_CLASS_VECTOR_FLOAT, 0), 2, { 32, 47 }, 1, { 48 }, { 64, 79 }, { 80 }, NONE },
};

static bool
sample_registers (void *user, const BpInsn *insn, BpInsnRegisters *out)
{
  const Sample *s = &samples[insn->id];
  out->n_read = s->n_read;
  out->n_written = s->n_written;
  memcpy (out->read, s->read, sizeof s->read);
  memcpy (out->written, s->written, sizeof s->written);
  return true;
}

static GArray *emitted;

static void emit (void *user, const ChampsimRecord *records, size_t n) { g_array_append_vals (emitted, records, (guint) n); }

static bool
has (const uint8_t *set, unsigned n, uint8_t r)
{
  for (unsigned i = 0; i < n; i++)
    if (set[i] == r)
      return true;
  return false;
}

/* How ChampSim tells the kinds apart, from what its documentation says of registers. */
static int
champsim_kind (const ChampsimRecord *r)
{
  bool reads_ip = has (r->source_registers, 4, IP), reads_sp = has (r->source_registers, 4, SP), reads_flags = has (r->source_registers, 4, FL);
  bool writes_ip = has (r->destination_registers, 2, IP), writes_sp = has (r->destination_registers, 2, SP), reads_other = false;
  for (unsigned i = 0; i < 4; i++)
    reads_other |= r->source_registers[i] && r->source_registers[i] != IP && r->source_registers[i] != SP && r->source_registers[i] != FL;
  if (!writes_ip)
    return NONE;
  if (writes_sp && reads_sp)
    return !reads_ip ? RETURNS : reads_flags ? OTHER_BRANCH : reads_other ? INDIRECT_CALL : DIRECT_CALL;
  if (reads_sp)
    return OTHER_BRANCH;
  if (!reads_flags && !reads_other)
    return DIRECT_JUMP;
  if (!reads_ip)
    return reads_flags ? OTHER_BRANCH : INDIRECT_JUMP;
  return writes_sp ? OTHER_BRANCH : CONDITIONAL_JUMP;
}

START_TEST (test_champsim_registers)
{
  Champsim *c = champsim_new (sample_registers, emit, NULL);
  g_array_set_size (emitted, 0);
  for (unsigned i = 0; i < G_N_ELEMENTS (samples); i++)
    champsim_insn (c, &samples[i].insn, NULL, 0);
  champsim_finish (c);
  champsim_free (c);
  ck_assert_uint_eq (emitted->len, G_N_ELEMENTS (samples));
  for (unsigned i = 0; i < emitted->len; i++) {
    const ChampsimRecord *r = &g_array_index (emitted, ChampsimRecord, i);
    const Sample *s = &samples[i];
    ck_assert_uint_eq (r->ip, s->insn.address);
    ck_assert_msg (!memcmp (r->source_registers, s->sources, 4), "sources of %s: %u %u %u %u", s->name, r->source_registers[0], r->source_registers[1],
                   r->source_registers[2], r->source_registers[3]);
    ck_assert_msg (!memcmp (r->destination_registers, s->destinations, 2), "destinations of %s", s->name);
    ck_assert_msg (champsim_kind (r) == s->kind, "kind of %s: %d", s->name, champsim_kind (r));
    ck_assert_int_eq (r->is_branch, s->kind != NONE);
    /* conditional ones fall through here, all others go somewhere */
    ck_assert_msg (r->branch_taken == (s->kind != NONE && s->kind != CONDITIONAL_JUMP), "%s taken: %u", s->name, r->branch_taken);
  }
}
END_TEST

START_TEST (test_champsim_taken)
{
  const BpInsn *add = &samples[0].insn, *jz = &samples[3].insn, *next = &samples[4].insn;
  struct { const BpInsn *after; uint64_t interrupted; int taken; } cases[] = { { add, 0, 1 }, { next, 0, 0 }, { add, 0x100d, 0 }, { next, 0x2000, 1 } };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    Champsim *c = champsim_new (sample_registers, emit, NULL);
    g_array_set_size (emitted, 0);
    champsim_insn (c, jz, NULL, 0);
    if (cases[i].interrupted)
      champsim_interrupted (c, cases[i].interrupted);
    champsim_insn (c, cases[i].after, NULL, 0);
    champsim_free (c);
    ck_assert_uint_eq (emitted->len, 1);
    ck_assert_int_eq (g_array_index (emitted, ChampsimRecord, 0).branch_taken, cases[i].taken);
  }
}
END_TEST

static guint
champsim_memory (const TraceAccess *a, unsigned n)
{
  Champsim *c = champsim_new (sample_registers, emit, NULL);
  g_array_set_size (emitted, 0);
  champsim_insn (c, &samples[1].insn, a, n);
  champsim_finish (c);
  champsim_free (c);
  return emitted->len;
}

START_TEST (test_champsim_memory)
{
  const ChampsimRecord *r;
  TraceAccess one = { .address = 0x2010, .bytes = 8 };
  ck_assert_uint_eq (champsim_memory (&one, 1), 1);
  r = &g_array_index (emitted, ChampsimRecord, 0);
  ck_assert_uint_eq (r->source_memory[0], 0x2010);
  ck_assert_uint_eq (r->source_memory[1], 0);
  ck_assert_uint_eq (r->destination_memory[0], 0);

  TraceAccess crossing = { .address = 0x203c, .bytes = 8, .is_store = true };
  ck_assert_uint_eq (champsim_memory (&crossing, 1), 1);
  r = &g_array_index (emitted, ChampsimRecord, 0);
  ck_assert_uint_eq (r->destination_memory[0], 0x203c);
  ck_assert_uint_eq (r->destination_memory[1], 0x2040);

  /* eight bytes of one line are one */
  TraceAccess bytes[8];
  for (unsigned i = 0; i < 8; i++)
    bytes[i] = (TraceAccess) { .address = 0x3000 + i, .bytes = 1 };
  ck_assert_uint_eq (champsim_memory (bytes, 8), 1);
  ck_assert_uint_eq (g_array_index (emitted, ChampsimRecord, 0).source_memory[1], 0);

  /* rep movs of ten lines: two stores a record, no line is lost */
  TraceAccess moves[20];
  for (unsigned i = 0; i < 10; i++) {
    moves[2 * i] = (TraceAccess) { .address = 0x4000 + i * 64, .bytes = 64 };
    moves[2 * i + 1] = (TraceAccess) { .address = 0x8000 + i * 64, .bytes = 64, .is_store = true };
  }
  ck_assert_uint_eq (champsim_memory (moves, 20), 5);
  unsigned loads = 0, stores = 0;
  for (guint i = 0; i < emitted->len; i++) {
    r = &g_array_index (emitted, ChampsimRecord, i);
    ck_assert_uint_eq (r->ip, samples[1].insn.address);
    for (unsigned k = 0; k < 4; k++)
      if (r->source_memory[k])
        ck_assert_uint_eq (r->source_memory[k], 0x4000 + 64 * loads++);
    for (unsigned k = 0; k < 2; k++)
      if (r->destination_memory[k])
        ck_assert_uint_eq (r->destination_memory[k], 0x8000 + 64 * stores++);
  }
  ck_assert_uint_eq (loads, 10);
  ck_assert_uint_eq (stores, 10);
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
  emitted = g_array_new (FALSE, FALSE, sizeof (ChampsimRecord));
  tcase_add_test (c, test_checksum);
  tcase_add_test (c, test_round_trip);
  tcase_add_test (c, test_truncated);
  tcase_add_test (c, test_hostile);
  tcase_add_test (c, test_damage_is_seen);
  tcase_add_test (c, test_skip_and_limit);
  tcase_add_test (c, test_full_disk);
  tcase_add_test (c, test_champsim_registers);
  tcase_add_test (c, test_champsim_taken);
  tcase_add_test (c, test_champsim_memory);
  suite_add_tcase (suite, c);
  SRunner *runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  int failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  g_array_unref (emitted);
  g_rand_free (rnd);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
