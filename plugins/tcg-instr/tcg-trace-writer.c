/* tcg-trace-writer.c -- the trace's columns: what was executed, where memory was accessed, which values moved. */
/* SPDX-License-Identifier: MIT */
#include "tcg-trace-writer.h"
#include <string.h>

/* Bytes of one kind that wait for the end of the chunk. */
typedef struct Column {
  uint8_t *begin, *at, *end;
} Column;

/* An instruction that the file has been told of: what it does to memory when it does what it did at first. */
typedef struct Known {
  uint64_t end;                 /* the address behind it */
  uint32_t slot;                /* of its first access in last[] and codes[] */
  uint8_t n;
} Known;

/* What a record's site says, for the loop over records. */
typedef enum QuickKind { QUICK_UNKNOWN, QUICK_BLOCK, QUICK_ACCESS, QUICK_LEFT } QuickKind;
typedef struct Quick {
  uint32_t number;              /* of the instruction; BLOCK: of the first, whose successors have the numbers behind it */
  uint32_t slot;                /* BLOCK: of its first access; the others' follow */
  uint16_t insns;               /* BLOCK; LEFT: that were not executed */
  uint8_t kind;                 /* QuickKind */
  uint8_t n;                    /* BLOCK: accesses in the shapes */
  uint8_t code;                 /* ACCESS */
  uint8_t bytes;                /* likewise: of the value */
  bool follows;                 /* BLOCK: it stands behind the instruction of the number before */
} Quick;

/* The last block, when it came by way of the loop: it is in the columns already, and is taken out again when it does not keep to its shape. */
typedef struct Open {
  bool is_open;
  uint32_t site, first, slot;   /* of its record; of its first instruction: the number, and the slot */
  unsigned insns, seen, n;      /* accesses: seen of n */
  size_t addresses, values;     /* the columns' bytes before it */
  uint64_t before[TRACE_QUICK_ACCESSES];        /* in last[] */
  uint64_t value[TRACE_QUICK_ACCESSES];
} Open;

struct TraceWriter {
  TraceFile *file;
  TraceWriterDesc desc;
  Column control, addresses, values;
  uint32_t *ids;                /* by BpInsn.id: the number in the file, plus 1 */
  size_t n_ids;
  Known *known;
  size_t n_known, known_size;
  uint64_t *last;               /* the address of each shaped access when it was made last */
  uint8_t *codes;               /* likewise: what it is */
  uint32_t *owner;              /* likewise: the instruction */
  size_t n_last, last_size;
  uint64_t odd;                 /* of the last access without a shape */
  uint32_t next, run;           /* instructions not written yet: next - run .. next - 1 */
  uint64_t defined_end, defined_physical;       /* behind the instruction that was defined last */
  uint64_t insns, accesses, lost, chunk_insns, blocks;
  Quick *quick;                 /* by site */
  size_t n_quick;
  Open open;
};

/* Enough for a definition, an address or a value. */
enum { SLACK = 512 };

/* --- columns --------------------------------------------------------------------------- */

static void
column_reserve (Column *c, size_t bytes)
{
  size_t used = (size_t) (c->at - c->begin), size = (size_t) (c->end - c->begin);
  if (G_LIKELY (size - used >= bytes))
    return;
  size = MAX (size * 2, used + bytes + SLACK);
  c->begin = g_realloc (c->begin, size);
  c->at = c->begin + used;
  c->end = c->begin + size;
}

static size_t column_bytes (const Column *c) { return (size_t) (c->at - c->begin); }

static void put_byte (Column *c, unsigned v) { *c->at++ = (uint8_t) v; }
static void put (Column *c, uint64_t v) { c->at = trace_put_varint (c->at, v); }
static void put_signed (Column *c, uint64_t v) { put (c, trace_zigzag (v)); }
static void put_token (Column *c, unsigned token, uint64_t v) { put (c, v << 2 | token); }

/* --- chunks ------------------------------------------------------------------------------ */

static void put32 (uint8_t *at, uint32_t v) { memcpy (at, &v, sizeof v); }
static void put64 (uint8_t *at, uint64_t v) { memcpy (at, &v, sizeof v); }

/* A chunk on its way: bytes of its header, then of its payload, not packed. */
typedef struct Chunk {
  size_t raw;
  uint8_t bytes[];
} Chunk;

static void
finish_chunk (TraceFile *file, void *job)
{
  Chunk *c = job;
  uint8_t *header = c->bytes, *payload = header + TRACE_CHUNK_BYTES;
  const void *packed;
  size_t stored = c->raw ? trace_file_pack (file, payload, c->raw, &packed) : 0;
  bool is_packed = stored && stored < c->raw;
  header[TRACE_CHUNK_AT_KIND + 1] = is_packed ? TRACE_PACKED_ZSTD : TRACE_PACKED_NONE;
  if (is_packed)
    memcpy (payload, packed, stored);
  else
    stored = c->raw;
  put32 (header + TRACE_CHUNK_AT_STORED, (uint32_t) stored);
  put32 (header + TRACE_CHUNK_AT_CHECK, trace_checksum (0, payload, stored));
  put32 (header + TRACE_CHUNK_AT_HEADER_CHECK, trace_checksum (0, header, TRACE_CHUNK_AT_HEADER_CHECK));
  trace_file_write (file, c->bytes, TRACE_CHUNK_BYTES + stored);
  g_free (c);
}

static uint8_t *
take_column (Column *c, uint8_t *to)
{
  size_t n = column_bytes (c);
  if (n)
    memcpy (to, c->begin, n);
  c->at = c->begin;
  return to + n;
}

static void
write_chunk (TraceWriter *w, unsigned kind, uint64_t insns)
{
  size_t addresses = column_bytes (&w->addresses), values = column_bytes (&w->values), raw = column_bytes (&w->control) + addresses + values;
  Chunk *c = g_malloc (sizeof *c + TRACE_CHUNK_BYTES + raw);
  uint8_t *header = c->bytes;
  memset (header, 0, TRACE_CHUNK_BYTES);
  c->raw = raw;
  header[TRACE_CHUNK_AT_KIND] = (uint8_t) kind;
  put32 (header, TRACE_CHUNK_MAGIC);
  put32 (header + TRACE_CHUNK_AT_RAW, (uint32_t) raw);
  put32 (header + TRACE_CHUNK_AT_ADDRESSES, (uint32_t) addresses);
  put32 (header + TRACE_CHUNK_AT_VALUES, (uint32_t) values);
  put64 (header + TRACE_CHUNK_AT_INSNS, insns);
  put64 (header + TRACE_CHUNK_AT_LOST, w->lost);
  take_column (&w->values, take_column (&w->addresses, take_column (&w->control, header + TRACE_CHUNK_BYTES)));
  trace_file_post (w->file, finish_chunk, c);
}

static void
flush_run (TraceWriter *w)
{
  if (w->run)
    put_token (&w->control, TRACE_RUN, w->run);
  w->run = 0;
}

void
trace_writer_flush (TraceWriter *w)
{
  flush_run (w);
  if (!column_bytes (&w->control))
    return;
  write_chunk (w, TRACE_CHUNK_EVENTS, w->chunk_insns);
  w->chunk_insns = 0;
}

static void
write_header (TraceWriter *w)
{
  size_t text = strlen (w->desc.text);
  g_autofree uint8_t *header = g_malloc0 (TRACE_HEADER_BYTES + text);
  memcpy (header, TRACE_MAGIC, TRACE_MAGIC_BYTES);
  put32 (header + TRACE_AT_ORDER, TRACE_ORDER);
  put32 (header + TRACE_AT_VERSION, TRACE_VERSION);
  put32 (header + TRACE_AT_FLAGS, w->desc.flags);
  put32 (header + TRACE_AT_VCPU, w->desc.vcpu);
  put64 (header + TRACE_AT_SKIPPED, w->desc.skipped);
  put32 (header + TRACE_AT_TEXT_BYTES, (uint32_t) text);
  memcpy (header + TRACE_HEADER_BYTES, w->desc.text, text);
  put32 (header + TRACE_AT_CHECK, trace_checksum (0, header, TRACE_HEADER_BYTES + text));
  trace_file_write (w->file, header, TRACE_HEADER_BYTES + text);
}

/* --- instructions ------------------------------------------------------------------------- */

static unsigned
size_code (uint32_t bytes)
{
  for (unsigned i = 0; i < sizeof trace_sizes; i++)
    if (trace_sizes[i] == bytes)
      return i;
  return TRACE_SIZE_EXPLICIT;
}

static unsigned
access_code (const TraceAccess *a)
{
  return (a->is_store ? TRACE_CODE_STORE : 0u) | (a->is_atomic ? TRACE_CODE_ATOMIC : 0u) | size_code (a->bytes) << TRACE_CODE_SIZE_SHIFT;
}

static void
put_registers (TraceWriter *w, const BpInsn *insn)
{
  BpInsnRegisters r = { .struct_size = sizeof r };
  if (!w->desc.registers || !w->desc.registers (w->desc.user, insn, &r))
    r.n_read = r.n_written = 0;
  put_byte (&w->control, (unsigned) r.n_read | (unsigned) r.n_written << 4);
  for (unsigned i = 0; i < r.n_read; i++)
    put_byte (&w->control, r.read[i]);
  for (unsigned i = 0; i < r.n_written; i++)
    put_byte (&w->control, r.written[i]);
}

/* What it did at first is its shape, unless that was much, or of strange sizes. */
static void
put_shape (TraceWriter *w, Known *k, const TraceAccess *a, unsigned n)
{
  while (w->n_last + TRACE_SHAPE_LIMIT > w->last_size) {
    w->last_size *= 2;
    w->last = g_renew (uint64_t, w->last, w->last_size);
    w->codes = g_renew (uint8_t, w->codes, w->last_size);
    w->owner = g_renew (uint32_t, w->owner, w->last_size);
  }
  uint8_t *codes = w->codes + w->n_last;
  k->n = (uint8_t) (n <= TRACE_SHAPE_LIMIT ? n : 0);
  for (unsigned i = 0; i < k->n; i++) {
    codes[i] = (uint8_t) access_code (&a[i]);
    if (codes[i] >> TRACE_CODE_SIZE_SHIFT == TRACE_SIZE_EXPLICIT)
      k->n = 0;
  }
  put_byte (&w->control, k->n);
  for (unsigned i = 0; i < k->n; i++)
    put_byte (&w->control, codes[i]);
  k->slot = (uint32_t) w->n_last;
  for (unsigned i = 0; i < k->n; i++) {
    w->owner[w->n_last] = (uint32_t) w->n_known;
    w->last[w->n_last++] = 0;
  }
}

static uint32_t
define (TraceWriter *w, const BpInsn *insn, const TraceAccess *a, unsigned n)
{
  Column *c = &w->control;
  flush_run (w);
  column_reserve (c, SLACK);
  put_token (c, TRACE_OTHER, TRACE_DEFINE);
  put_signed (c, insn->address - w->defined_end);
  put_signed (c, insn->physical - w->defined_physical);
  unsigned size = MIN (insn->size, sizeof insn->bytes);
  put_byte (c, size);
  memcpy (c->at, insn->bytes, size);
  c->at += size;
  put_byte (c, insn->insn_class);
  put_byte (c, insn->privilege);
  put_byte (c, insn->code_bits);
  put (c, insn->flags);
  put_byte (c, insn->target != UINT64_MAX);
  if (insn->target != UINT64_MAX)
    put_signed (c, insn->target - insn->address);
  put_registers (w, insn);
  w->defined_end = insn->address + size;
  w->defined_physical = insn->physical + size;
  if (w->n_known == w->known_size)
    w->known = g_renew (Known, w->known, w->known_size = MAX (w->known_size * 2, 1024));
  w->known[w->n_known].end = w->defined_end;
  put_shape (w, &w->known[w->n_known], a, n);
  w->ids[insn->id] = (uint32_t) ++w->n_known;
  return (uint32_t) w->n_known - 1;
}

static uint32_t
number_of (TraceWriter *w, const BpInsn *insn, const TraceAccess *a, unsigned n)
{
  if (G_UNLIKELY (insn->id >= w->n_ids)) {
    size_t old = w->n_ids;
    w->n_ids = MAX (old * 2, (size_t) insn->id + 1024);
    w->ids = g_renew (uint32_t, w->ids, w->n_ids);
    memset (w->ids + old, 0, (w->n_ids - old) * sizeof *w->ids);
  }
  uint32_t number = w->ids[insn->id];
  return G_LIKELY (number) ? number - 1 : define (w, insn, a, n);
}

/* --- accesses -------------------------------------------------------------------------------- */

static bool
has_shape (const TraceWriter *w, const Known *k, const TraceAccess *a, unsigned n)
{
  if (k->n != n)
    return false;
  for (unsigned i = 0; i < n; i++) {
    unsigned code = w->codes[k->slot + i];
    if (trace_sizes[code >> TRACE_CODE_SIZE_SHIFT] != a[i].bytes || a[i].is_store != !!(code & TRACE_CODE_STORE)
        || a[i].is_atomic != !!(code & TRACE_CODE_ATOMIC))
      return false;
  }
  return true;
}

static void
put_value (TraceWriter *w, const TraceAccess *a)
{
  if (!(w->desc.flags & TRACE_HAS_VALUES) || a->bytes > 8)
    return;
  for (uint32_t i = 0; i < a->bytes; i++)
    put_byte (&w->values, (unsigned) (a->value >> 8 * i) & 0xff);
}

static void
put_odd (TraceWriter *w, const TraceAccess *a, unsigned n)
{
  column_reserve (&w->control, SLACK + (size_t) n * 8);
  put_token (&w->control, TRACE_ODD, n);
  for (unsigned i = 0; i < n; i++) {
    unsigned code = access_code (&a[i]);
    put_byte (&w->control, code);
    if (code >> TRACE_CODE_SIZE_SHIFT == TRACE_SIZE_EXPLICIT)
      put (&w->control, a[i].bytes);
    put_signed (&w->addresses, a[i].address - w->odd);
    w->odd = a[i].address;
    put_value (w, &a[i]);
  }
}

static void
go_to (TraceWriter *w, uint32_t number)
{
  if (number == w->next)
    return;
  flush_run (w);
  put_token (&w->control, TRACE_GOTO, trace_zigzag ((uint64_t) number - w->next));
  w->next = number;
}

/* Where code goes straight on, but for places now and then, so that a chunk does not grow with it. */
static bool
follows (const TraceWriter *w, uint32_t number, uint64_t address)
{
  return number % TRACE_STRAIGHT && w->known[number - 1].end == address;
}

static void
end_full_chunk (TraceWriter *w)
{
  if (G_UNLIKELY (column_bytes (&w->control) + column_bytes (&w->addresses) + column_bytes (&w->values) >= TRACE_CHUNK_TARGET))
    trace_writer_flush (w);
}

/* The instruction may not follow the one before it; here a chunk may end, and before an odd one.  (So chunks end at the same places in each run, however the
 * records came.) */
static void
arrive (TraceWriter *w, uint32_t number)
{
  end_full_chunk (w);
  column_reserve (&w->control, SLACK);
  go_to (w, number);
}

void
trace_writer_insn (TraceWriter *w, const BpInsn *insn, const TraceAccess *a, unsigned n, bool goes_on)
{
  uint32_t number = number_of (w, insn, a, n);
  const Known *k = &w->known[number];
  column_reserve (&w->control, SLACK);
  bool is_odd = goes_on || !has_shape (w, k, a, n);
  if (number != w->next || !follows (w, number, insn->address))
    arrive (w, number);
  else if (G_UNLIKELY (is_odd))
    end_full_chunk (w);
  if (n) {
    column_reserve (&w->addresses, (size_t) n * TRACE_VARINT_BYTES);
    column_reserve (&w->values, (size_t) n * 8);
  }
  if (G_LIKELY (!is_odd)) {
    w->run++;
    uint64_t *last = w->last + k->slot;
    for (unsigned i = 0; i < n; i++) {
      put_signed (&w->addresses, a[i].address - last[i]);
      last[i] = a[i].address;
      put_value (w, &a[i]);
    }
  } else {
    flush_run (w);
    if (goes_on)
      put_token (&w->control, TRACE_OTHER, TRACE_MORE);
    put_odd (w, a, n);
  }
  w->next++;
  w->insns += !goes_on;
  w->chunk_insns += !goes_on;
  w->accesses += n;
}

/* --- the loop over records ------------------------------------------------------------------------ */

static Quick *
quick_of (TraceWriter *w, uint32_t site)
{
  if (site >= w->n_quick) {
    size_t old = w->n_quick;
    w->n_quick = MAX (old * 2, (size_t) site + 1024);
    w->quick = g_renew (Quick, w->quick, w->n_quick);
    memset (w->quick + old, 0, (w->n_quick - old) * sizeof *w->quick);
  }
  return &w->quick[site];
}

/* 0: not known. */
static uint32_t
known_number (const TraceWriter *w, const BpInsn *insn)
{
  return insn->id < w->n_ids ? w->ids[insn->id] : 0;
}

void
trace_writer_learn_access (TraceWriter *w, uint32_t site, const BpSite *what)
{
  uint32_t number = known_number (w, what->insn);
  Quick *q = quick_of (w, site);
  TraceAccess a = { .bytes = what->bytes, .is_store = what->kind == BP_RECORD_STORE, .is_atomic = what->flags & BP_SITE_ATOMIC };
  if (!number || q->kind != QUICK_UNKNOWN || !what->bytes || size_code (what->bytes) == TRACE_SIZE_EXPLICIT)
    return;
  *q = (Quick) { .kind = QUICK_ACCESS, .number = number - 1, .code = (uint8_t) access_code (&a), .bytes = (uint8_t) (what->bytes <= 8 ? what->bytes : 0) };
}

/* Only blocks whose instructions have numbers in a row, and within which no chunk may end, go the quick way. */
void
trace_writer_learn_block (TraceWriter *w, uint32_t site, const TraceBlock *block)
{
  uint32_t first = known_number (w, block->insn[0]);
  Quick *q = quick_of (w, site);
  if (!first || q->kind != QUICK_UNKNOWN || block->n > UINT16_MAX)
    return;
  for (unsigned i = 1; i < block->n; i++)
    if (known_number (w, block->insn[i]) != first + i || (first + i - 1) % TRACE_STRAIGHT == 0)
      return;
  const Known *begin = &w->known[first - 1], *end = begin + block->n - 1;
  uint32_t n = end->slot + end->n - begin->slot;
  if (n <= TRACE_QUICK_ACCESSES)
    *q = (Quick) { .kind = QUICK_BLOCK, .number = first - 1, .slot = begin->slot, .insns = (uint16_t) block->n, .n = (uint8_t) n,
                   .follows = follows (w, first - 1, block->insn[0]->address) };
}

void
trace_writer_learn_left (TraceWriter *w, uint32_t site, const BpSite *what)
{
  if (what->n_insns <= UINT16_MAX)
    *quick_of (w, site) = (Quick) { .kind = QUICK_LEFT, .insns = (uint16_t) what->n_insns };
}

bool trace_writer_knows (const TraceWriter *w, uint32_t site) { return site < w->n_quick && w->quick[site].kind == QUICK_BLOCK; }

/* What the loop keeps in registers. */
typedef struct Pace {
  uint32_t next, run;
  uint8_t *addresses, *values;
  bool is_open;
  uint32_t slot;
  unsigned seen, n;
} Pace;

static inline void
take_pace (const TraceWriter *w, Pace *p)
{
  *p = (Pace) { .next = w->next, .run = w->run, .addresses = w->addresses.at, .values = w->values.at, .is_open = w->open.is_open, .slot = w->open.slot,
                .seen = w->open.seen, .n = w->open.n };
}

/* Back into the writer; insns: that were executed since the last time. */
static inline void
give_pace (TraceWriter *w, const Pace *p, uint64_t insns)
{
  w->next = p->next;
  w->run = p->run;
  w->addresses.at = p->addresses;
  w->values.at = p->values;
  w->open.is_open = p->is_open;
  w->open.slot = p->slot;
  w->open.seen = p->seen;
  w->open.n = p->n;
  w->insns += insns;
  w->chunk_insns += insns;
}

/* How many accesses its instructions that were executed make. */
static unsigned
accesses_until (const TraceWriter *w, const Open *o, unsigned left)
{
  return w->known[o->first + o->insns - left].slot - o->slot;
}

static inline __attribute__ ((always_inline)) size_t
take_records (TraceWriter *w, const void *records, size_t n, bool wide, bool values)
{
  const Quick *quick = w->quick;
  const size_t n_quick = w->n_quick;
  uint64_t *last = w->last;
  const uint8_t *codes = w->codes;
  const uint32_t *owner = w->owner;
  Open *o = &w->open;
  uint64_t insns = 0, blocks = 0, left = 0;
  Pace p;
  size_t i;
  take_pace (w, &p);
  for (i = 0; i < n; i++) {
    const BpWideRecord *r = wide ? (const BpWideRecord *) records + i : (const void *) ((const BpRecord *) records + i);
    if (G_UNLIKELY (r->site >= n_quick))
      break;
    const Quick *q = &quick[r->site];
    if (q->kind == QUICK_ACCESS) {
      if (G_UNLIKELY (r->bytes || !p.is_open || p.seen == p.n || owner[p.slot + p.seen] != q->number || codes[p.slot + p.seen] != q->code))
        break;
      uint64_t before = last[p.slot + p.seen];
      o->before[p.seen] = before;
      p.addresses = trace_put_varint (p.addresses, trace_zigzag (r->address - before));
      last[p.slot + p.seen] = r->address;
      if (values) {
        o->value[p.seen] = r->value;
        memcpy (p.values, &(uint64_t) { GUINT64_TO_LE (r->value) }, 8);
        p.values += q->bytes;
      }
      p.seen++;
    } else if (q->kind == QUICK_BLOCK) {
      if (G_UNLIKELY (p.is_open && p.seen != p.n))
        break;
      blocks++;
      if (q->number != p.next || !q->follows) {
        give_pace (w, &p, insns);
        insns = 0;
        arrive (w, q->number);  /* (a chunk that ends leaves the columns empty: there is still room) */
        take_pace (w, &p);
      }
      o->site = r->site;
      o->first = q->number;
      o->insns = q->insns;
      o->addresses = (size_t) (p.addresses - w->addresses.begin);
      o->values = (size_t) (p.values - w->values.begin);
      p.is_open = true;
      p.slot = q->slot;
      p.seen = 0;
      p.n = q->n;
      p.run += q->insns;
      p.next += q->insns;
      insns += q->insns;
    } else {
      if (q->kind != QUICK_LEFT || !p.is_open || q->insns >= o->insns || p.seen != accesses_until (w, o, q->insns))
        break;
      left++;
      p.run -= q->insns;
      p.next -= q->insns;
      insns -= q->insns;
      p.is_open = false;
    }
  }
  give_pace (w, &p, insns);
  w->blocks += blocks;
  w->accesses += i - blocks - left;
  return i;
}

size_t
trace_writer_records (TraceWriter *w, const void *records, size_t n, bool wide)
{
  column_reserve (&w->addresses, n * TRACE_VARINT_BYTES);
  column_reserve (&w->values, (n + 1) * 8);
  return wide ? take_records (w, records, n, true, w->desc.flags & TRACE_HAS_VALUES) : take_records (w, records, n, false, false);
}

uint64_t trace_writer_n_blocks (const TraceWriter *w) { return w->blocks; }

bool
trace_writer_close (TraceWriter *w, bool more, TraceTaken *taken)
{
  Open *o = &w->open;
  if (!o->is_open)
    return false;
  o->is_open = false;
  if (o->seen == o->n && !more)
    return false;
  for (unsigned i = 0; i < o->seen; i++) {      /* (each access has a place of its own in last[]) */
    unsigned code = w->codes[o->slot + i];
    taken->insn[i] = w->owner[o->slot + i] - o->first;
    taken->accesses[i] = (TraceAccess) { .address = w->last[o->slot + i], .value = w->desc.flags & TRACE_HAS_VALUES ? o->value[i] : 0,
                                         .bytes = trace_sizes[code >> TRACE_CODE_SIZE_SHIFT], .is_store = code & TRACE_CODE_STORE,
                                         .is_atomic = code & TRACE_CODE_ATOMIC };
    w->last[o->slot + i] = o->before[i];
  }
  taken->site = o->site;
  taken->n = o->seen;
  w->addresses.at = w->addresses.begin + o->addresses;
  w->values.at = w->values.begin + o->values;
  w->run -= o->insns;
  w->next -= o->insns;
  w->insns -= o->insns;
  w->chunk_insns -= o->insns;
  w->accesses -= o->seen;
  return true;
}

/* --- between instructions ------------------------------------------------------------------------ */

static Column *
other (TraceWriter *w, unsigned what)
{
  flush_run (w);
  column_reserve (&w->control, SLACK);
  put_token (&w->control, TRACE_OTHER, what);
  return &w->control;
}

void trace_writer_space (TraceWriter *w, uint64_t space) { put (other (w, TRACE_SPACE), space); }

void
trace_writer_jump (TraceWriter *w, unsigned kind, uint64_t from, uint64_t to)
{
  Column *c = other (w, TRACE_JUMP);
  put (c, kind);
  put (c, from);
  put (c, to);
}

void
trace_writer_gap (TraceWriter *w, uint64_t lost)
{
  put (other (w, TRACE_GAP), lost);
  w->lost += lost;
}

uint64_t trace_writer_n_insns (const TraceWriter *w) { return w->insns; }
uint64_t trace_writer_n_accesses (const TraceWriter *w) { return w->accesses; }

/* --- life cycle ------------------------------------------------------------------------------------- */

TraceWriter *
trace_writer_new (TraceFile *file, const TraceWriterDesc *desc)
{
  TraceWriter *w = g_new0 (TraceWriter, 1);
  w->file = file;
  w->desc = *desc;
  w->last_size = 1024;
  w->last = g_new0 (uint64_t, w->last_size);
  w->codes = g_new0 (uint8_t, w->last_size);
  w->owner = g_new0 (uint32_t, w->last_size);
  write_header (w);
  w->desc.text = NULL;          /* (it was the caller's) */
  return w;
}

void
trace_writer_finish (TraceWriter *w)
{
  trace_writer_flush (w);
  write_chunk (w, TRACE_CHUNK_END, w->insns);
}

void
trace_writer_free (TraceWriter *w)
{
  if (!w)
    return;
  g_free (w->control.begin);
  g_free (w->addresses.begin);
  g_free (w->values.begin);
  g_free (w->ids);
  g_free (w->known);
  g_free (w->last);
  g_free (w->codes);
  g_free (w->owner);
  g_free (w->quick);
  g_free (w);
}
