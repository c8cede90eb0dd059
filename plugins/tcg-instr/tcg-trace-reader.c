/* tcg-trace-reader.c -- trace files read back; nothing in a file is believed before it was checked. */
/* SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H            /* elsewhere -DHAVE_ZSTD says that there is libzstd */
#include "config.h"
#endif
#include "tcg-trace-reader.h"
#include <string.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

/* A column of the chunk that is being read. */
typedef struct Column {
  const uint8_t *at, *end;
} Column;

/* An instruction that was defined, with the accesses that it makes unless an ODD token says otherwise. */
typedef struct Defined {
  BpInsn insn;
  BpInsnRegisters registers;
  uint8_t n, codes[TRACE_SHAPE_LIMIT];
  uint64_t last[TRACE_SHAPE_LIMIT];
} Defined;

struct TcgTraceReader {
  TcgTraceInfo info;
  GMappedFile *file;
  const uint8_t *at, *end;      /* of the file, after the chunk that is being read */
  bool swapped;                 /* it was written on a host of the other byte order */
  char *text;
  uint8_t *raw;                 /* the chunk, unpacked */
  size_t raw_size;
  Column control, addresses, values;
  uint64_t chunk_insns;         /* still to come in the chunk, by its header */
  GPtrArray *defined;           /* of Defined */
  uint32_t next, run;
  bool goes_on;                 /* the next instruction is the last one */
  uint64_t odd, defined_end, defined_physical;
  TraceAccess *accesses;
  size_t accesses_size;
};

static bool
broken (GError **error, const char *why)
{
  g_set_error (error, g_quark_from_static_string ("tcg-trace"), 0, "the trace is broken: %s", why);
  return false;
}

/* --- numbers ------------------------------------------------------------------------------- */

static uint32_t
get32 (const TcgTraceReader *r, const uint8_t *at)
{
  uint32_t v;
  memcpy (&v, at, sizeof v);
  return r->swapped ? GUINT32_SWAP_LE_BE (v) : v;
}

static uint64_t
get64 (const TcgTraceReader *r, const uint8_t *at)
{
  uint64_t v;
  memcpy (&v, at, sizeof v);
  return r->swapped ? GUINT64_SWAP_LE_BE (v) : v;
}

static size_t left (const Column *c) { return (size_t) (c->end - c->at); }

static bool
get_varint (Column *c, uint64_t *out)
{
  uint64_t v = 0;
  for (unsigned shift = 0; shift < 7 * TRACE_VARINT_BYTES; shift += 7) {
    if (c->at == c->end)
      return false;
    uint8_t byte = *c->at++;
    v |= (uint64_t) (byte & 0x7f) << shift;
    if (!(byte & 0x80)) {
      *out = v;
      return true;
    }
  }
  return false;
}

static bool
get_signed (Column *c, uint64_t *out)
{
  bool ok = get_varint (c, out);
  *out = ok ? trace_unzigzag (*out) : 0;
  return ok;
}

static bool
get_bytes (Column *c, void *out, size_t n)
{
  if (left (c) < n)
    return false;
  memcpy (out, c->at, n);
  c->at += n;
  return true;
}

/* --- definitions ----------------------------------------------------------------------------- */

static bool
get_registers (Column *c, BpInsnRegisters *r)
{
  uint8_t counts;
  if (!get_bytes (c, &counts, 1))
    return false;
  r->struct_size = sizeof *r;
  r->n_read = counts & 0xf;
  r->n_written = counts >> 4;
  return r->n_read <= sizeof r->read && r->n_written <= sizeof r->written && get_bytes (c, r->read, r->n_read)
         && get_bytes (c, r->written, r->n_written);
}

static bool
get_shape (Column *c, Defined *d)
{
  if (!get_bytes (c, &d->n, 1) || d->n > TRACE_SHAPE_LIMIT || !get_bytes (c, d->codes, d->n))
    return false;
  for (unsigned i = 0; i < d->n; i++)
    if (d->codes[i] >> TRACE_CODE_SIZE_SHIFT >= (int) sizeof trace_sizes)
      return false;
  return true;
}

static bool
get_definition (TcgTraceReader *r, Defined *d)
{
  Column *c = &r->control;
  BpInsn *insn = &d->insn;
  uint64_t address, physical, flags, target = 0;
  uint8_t has_target;
  if (!get_signed (c, &address) || !get_signed (c, &physical) || !get_bytes (c, &insn->size, 1) || insn->size > sizeof insn->bytes
      || !get_bytes (c, insn->bytes, insn->size) || !get_bytes (c, &insn->insn_class, 1) || !get_bytes (c, &insn->privilege, 1)
      || !get_bytes (c, &insn->code_bits, 1) || !get_varint (c, &flags) || flags > UINT16_MAX || !get_bytes (c, &has_target, 1)
      || has_target > 1 || (has_target && !get_signed (c, &target)))
    return false;
  insn->address = r->defined_end + address;
  insn->physical = r->defined_physical + physical;
  insn->flags = (uint16_t) flags;
  insn->target = has_target ? insn->address + target : UINT64_MAX;
  insn->id = r->defined->len;
  r->defined_end = insn->address + insn->size;
  r->defined_physical = insn->physical + insn->size;
  return get_registers (c, &d->registers) && get_shape (c, d);
}

static bool
define (TcgTraceReader *r, GError **error)
{
  Defined *d = g_new0 (Defined, 1);
  if (r->defined->len < UINT32_MAX - 1 && get_definition (r, d)) {
    g_ptr_array_add (r->defined, d);
    return true;
  }
  g_free (d);
  return broken (error, "an instruction's definition");
}

/* --- instructions ------------------------------------------------------------------------------- */

static bool
get_value (TcgTraceReader *r, TraceAccess *a)
{
  uint8_t bytes[8] = { 0 };
  a->value = 0;
  if (!(r->info.flags & TRACE_HAS_VALUES) || a->bytes > 8)
    return true;
  if (!get_bytes (&r->values, bytes, a->bytes))
    return false;
  for (unsigned i = 0; i < a->bytes; i++)
    a->value |= (uint64_t) bytes[i] << 8 * i;
  return true;
}

static void
want_accesses (TcgTraceReader *r, size_t n)
{
  if (r->accesses_size < n)
    r->accesses = g_renew (TraceAccess, r->accesses, r->accesses_size = MAX (n, TRACE_SHAPE_LIMIT));
}

static void
set_code (TraceAccess *a, unsigned code)
{
  a->is_store = code & TRACE_CODE_STORE;
  a->is_atomic = code & TRACE_CODE_ATOMIC;
}

static bool
get_shaped (TcgTraceReader *r, Defined *d)
{
  want_accesses (r, TRACE_SHAPE_LIMIT);
  for (unsigned i = 0; i < d->n; i++) {
    TraceAccess *a = &r->accesses[i];
    uint64_t delta;
    set_code (a, d->codes[i]);
    a->bytes = trace_sizes[d->codes[i] >> TRACE_CODE_SIZE_SHIFT];
    if (!get_signed (&r->addresses, &delta) || !get_value (r, a))
      return false;
    a->address = d->last[i] += delta;
  }
  return true;
}

static bool
get_odd (TcgTraceReader *r, size_t n)
{
  if (n > left (&r->control) || n > left (&r->addresses))
    return false;
  want_accesses (r, n);
  for (size_t i = 0; i < n; i++) {
    TraceAccess *a = &r->accesses[i];
    uint8_t code;
    uint64_t bytes, delta;
    if (!get_bytes (&r->control, &code, 1))
      return false;
    set_code (a, code);
    code >>= TRACE_CODE_SIZE_SHIFT;
    if (code < sizeof trace_sizes)
      a->bytes = trace_sizes[code];
    else if (code == TRACE_SIZE_EXPLICIT && get_varint (&r->control, &bytes) && bytes <= UINT32_MAX)
      a->bytes = (uint32_t) bytes;
    else
      return false;
    if (!get_signed (&r->addresses, &delta) || !get_value (r, a))
      return false;
    a->address = r->odd += delta;
  }
  return true;
}

/* The instruction `next`; odd: with so many accesses, -1: with its usual ones. */
static bool
get_insn (TcgTraceReader *r, int64_t odd, TcgTraceEvent *event, GError **error)
{
  if (r->next >= r->defined->len)
    return broken (error, "an instruction that was not defined");
  bool goes_on = r->goes_on;
  if (goes_on ? odd < 0 || !r->info.insns : !r->chunk_insns)
    return broken (error, "a chunk has more instructions than it says");
  Defined *d = g_ptr_array_index (r->defined, r->next);
  if (odd >= 0 ? !get_odd (r, (size_t) odd) : !get_shaped (r, d))
    return broken (error, "an access");
  unsigned n = odd >= 0 ? (unsigned) odd : d->n;
  *event = (TcgTraceEvent) { .kind = TCG_TRACE_INSN, .number = r->info.insns - goes_on, .goes_on = goes_on, .insn = &d->insn,
                             .registers = &d->registers, .accesses = r->accesses, .n_accesses = n };
  r->next++;
  r->chunk_insns -= !goes_on;
  r->info.insns += !goes_on;
  r->goes_on = false;
  r->info.accesses += n;
  return true;
}

/* --- tokens ---------------------------------------------------------------------------------------- */

typedef enum Step { STEP_AGAIN, STEP_EVENT, STEP_BROKEN } Step;

static Step
get_jump (TcgTraceReader *r, TcgTraceEvent *event, GError **error)
{
  uint64_t kind, from, to;
  if (!get_varint (&r->control, &kind) || kind > UINT8_MAX || !get_varint (&r->control, &from) || !get_varint (&r->control, &to)) {
    broken (error, "a jump");
    return STEP_BROKEN;
  }
  *event = (TcgTraceEvent) { .kind = TCG_TRACE_JUMP, .jump = (unsigned) kind, .from = from, .to = to };
  return STEP_EVENT;
}

static Step
get_number (TcgTraceReader *r, TcgTraceEvent *event, TcgTraceEventKind kind, GError **error)
{
  uint64_t v;
  if (!get_varint (&r->control, &v)) {
    broken (error, "a number is missing");
    return STEP_BROKEN;
  }
  *event = (TcgTraceEvent) { .kind = kind, .space = kind == TCG_TRACE_SPACE ? v : 0, .lost = kind == TCG_TRACE_GAP ? v : 0 };
  r->info.lost += event->lost;
  return STEP_EVENT;
}

static Step
get_other (TcgTraceReader *r, uint64_t what, TcgTraceEvent *event, GError **error)
{
  switch (what) {
  case TRACE_DEFINE: return define (r, error) ? STEP_AGAIN : STEP_BROKEN;
  case TRACE_SPACE: return get_number (r, event, TCG_TRACE_SPACE, error);
  case TRACE_GAP: return get_number (r, event, TCG_TRACE_GAP, error);
  case TRACE_JUMP: return get_jump (r, event, error);
  case TRACE_MORE: r->goes_on = true; return STEP_AGAIN;
  default: broken (error, "an unknown token"); return STEP_BROKEN;
  }
}

static Step
get_token (TcgTraceReader *r, TcgTraceEvent *event, GError **error)
{
  uint64_t token;
  if (!get_varint (&r->control, &token)) {
    broken (error, "a token");
    return STEP_BROKEN;
  }
  uint64_t v = token >> 2;
  switch (token & 3) {
  case TRACE_RUN:
    if (!v || v > r->defined->len) {
      broken (error, "a run that is too long");
      return STEP_BROKEN;
    }
    r->run = (uint32_t) v;
    return STEP_AGAIN;
  case TRACE_GOTO:
    v = r->next + trace_unzigzag (v);
    if (v >= r->defined->len) {
      broken (error, "a place that is not there");
      return STEP_BROKEN;
    }
    r->next = (uint32_t) v;
    return STEP_AGAIN;
  case TRACE_ODD:
    if (v > INT32_MAX) {
      broken (error, "an instruction with too many accesses");
      return STEP_BROKEN;
    }
    return get_insn (r, (int64_t) v, event, error) ? STEP_EVENT : STEP_BROKEN;
  default:
    return get_other (r, v, event, error);
  }
}

/* --- chunks ------------------------------------------------------------------------------------------- */

static bool
unpack (TcgTraceReader *r, const uint8_t *payload, size_t stored, size_t raw, unsigned packing, GError **error)
{
  if (r->raw_size < raw)
    r->raw = g_realloc (r->raw, r->raw_size = raw);
  if (packing == TRACE_PACKED_NONE) {
    if (stored != raw)
      return broken (error, "a chunk's sizes");
    if (raw)
      memcpy (r->raw, payload, raw);
    return true;
  }
#ifdef HAVE_ZSTD
  if (packing == TRACE_PACKED_ZSTD)
    return ZSTD_decompress (r->raw, raw, payload, stored) == raw ? true : broken (error, "a chunk cannot be unpacked");
#endif
  return broken (error, "a chunk is packed in a way that this program does not know");
}

static bool
set_columns (TcgTraceReader *r, const uint8_t *header, size_t raw, GError **error)
{
  size_t addresses = get32 (r, header + TRACE_CHUNK_AT_ADDRESSES), values = get32 (r, header + TRACE_CHUNK_AT_VALUES);
  if (addresses > raw || values > raw - addresses)
    return broken (error, "a chunk's columns");
  uint8_t *end = r->raw + raw;
  r->values = (Column) { end - values, end };
  r->addresses = (Column) { r->values.at - addresses, r->values.at };
  r->control = (Column) { r->raw, r->addresses.at };
  r->chunk_insns = get64 (r, header + TRACE_CHUNK_AT_INSNS);
  return true;
}

static bool
chunk_ended (TcgTraceReader *r, GError **error)
{
  if (r->chunk_insns || left (&r->addresses) || left (&r->values))
    return broken (error, "a chunk has less in it than it says");
  return true;
}

/* The next whole chunk.  false, without an error: there is none. */
static bool
next_chunk (TcgTraceReader *r, GError **error)
{
  size_t rest = (size_t) (r->end - r->at);
  if (r->info.complete)
    return rest ? broken (error, "something follows its end") : false;
  r->info.truncated = true;     /* until we know better */
  if (rest < TRACE_CHUNK_BYTES)
    return false;
  const uint8_t *header = r->at;
  if (get32 (r, header) != TRACE_CHUNK_MAGIC || get32 (r, header + TRACE_CHUNK_AT_HEADER_CHECK) != trace_checksum (0, header, TRACE_CHUNK_AT_HEADER_CHECK))
    return broken (error, "a chunk's header");
  uint64_t stored = get32 (r, header + TRACE_CHUNK_AT_STORED), raw = get32 (r, header + TRACE_CHUNK_AT_RAW);
  unsigned kind = header[TRACE_CHUNK_AT_KIND], packing = header[TRACE_CHUNK_AT_KIND + 1];
  if (stored > TRACE_CHUNK_LIMIT || raw > TRACE_CHUNK_LIMIT)
    return broken (error, "a chunk is too large");
  if (rest - TRACE_CHUNK_BYTES < stored)
    return false;
  if (get32 (r, header + TRACE_CHUNK_AT_CHECK) != trace_checksum (0, header + TRACE_CHUNK_BYTES, stored))
    return broken (error, "a chunk's checksum is wrong");
  r->info.truncated = false;
  r->at += TRACE_CHUNK_BYTES + stored;
  r->info.stored_bytes += TRACE_CHUNK_BYTES + stored;
  r->info.raw_bytes += raw;
  r->info.chunks++;
  if (kind == TRACE_CHUNK_END) {
    r->info.complete = true;
    if (stored || raw || get64 (r, header + TRACE_CHUNK_AT_INSNS) != r->info.insns)
      return broken (error, "its end does not fit");
    return r->at == r->end ? false : broken (error, "something follows its end");
  }
  if (kind != TRACE_CHUNK_EVENTS)
    return broken (error, "a chunk of an unknown kind");
  return unpack (r, header + TRACE_CHUNK_BYTES, stored, raw, packing, error) && set_columns (r, header, raw, error);
}

bool
tcg_trace_reader_next (TcgTraceReader *r, TcgTraceEvent *event, GError **error)
{
  Step step = STEP_AGAIN;
  while (step == STEP_AGAIN) {
    if (r->run) {
      r->run--;
      return get_insn (r, -1, event, error);
    }
    if (left (&r->control))
      step = get_token (r, event, error);
    else if (!chunk_ended (r, error) || !next_chunk (r, error))
      return false;
  }
  return step == STEP_EVENT;
}

/* --- life cycle ----------------------------------------------------------------------------------------- */

static bool
read_header (TcgTraceReader *r, GError **error)
{
  const uint8_t *h = r->at;
  size_t size = (size_t) (r->end - r->at);
  if (size < TRACE_HEADER_BYTES || memcmp (h, TRACE_MAGIC, TRACE_MAGIC_BYTES)) {
    g_set_error (error, g_quark_from_static_string ("tcg-trace"), 0, "this is not a trace of Backplane's own format");
    return false;
  }
  r->swapped = get32 (r, h + TRACE_AT_ORDER) != TRACE_ORDER;
  if (get32 (r, h + TRACE_AT_ORDER) != TRACE_ORDER)
    return broken (error, "its byte order");
  r->info.version = get32 (r, h + TRACE_AT_VERSION);
  if (r->info.version != TRACE_VERSION) {
    g_set_error (error, g_quark_from_static_string ("tcg-trace"), 0, "the trace is of version %u; this program reads version %u", r->info.version,
                 (unsigned) TRACE_VERSION);
    return false;
  }
  size_t text = get32 (r, h + TRACE_AT_TEXT_BYTES);
  if (text > TRACE_TEXT_LIMIT || text > size - TRACE_HEADER_BYTES)
    return broken (error, "its header");
  g_autofree uint8_t *copy = g_memdup2 (h, TRACE_HEADER_BYTES + text);
  memset (copy + TRACE_AT_CHECK, 0, 4);
  if (trace_checksum (0, copy, TRACE_HEADER_BYTES + text) != get32 (r, h + TRACE_AT_CHECK))
    return broken (error, "its header's checksum is wrong");
  r->text = g_strndup ((const char *) h + TRACE_HEADER_BYTES, text);
  r->info.text = r->text;
  r->info.flags = get32 (r, h + TRACE_AT_FLAGS);
  r->info.vcpu = get32 (r, h + TRACE_AT_VCPU);
  r->info.skipped = get64 (r, h + TRACE_AT_SKIPPED);
  r->info.stored_bytes = r->info.raw_bytes = TRACE_HEADER_BYTES + text;
  r->at += TRACE_HEADER_BYTES + text;
  return true;
}

TcgTraceReader *
tcg_trace_reader_open_memory (const void *data, size_t size, GError **error)
{
  TcgTraceReader *r = g_new0 (TcgTraceReader, 1);
  r->at = data;
  r->end = r->at + size;
  r->defined = g_ptr_array_new_with_free_func (g_free);
  if (read_header (r, error))
    return r;
  tcg_trace_reader_close (r);
  return NULL;
}

TcgTraceReader *
tcg_trace_reader_open (const char *path, GError **error)
{
  GMappedFile *file = g_mapped_file_new (path, FALSE, error);
  if (!file)
    return NULL;
  const char *data = g_mapped_file_get_contents (file);
  TcgTraceReader *r = tcg_trace_reader_open_memory (data ? data : "", g_mapped_file_get_length (file), error);
  if (r)
    r->file = file;
  else
    g_mapped_file_unref (file);
  return r;
}

const TcgTraceInfo *tcg_trace_reader_info (const TcgTraceReader *r) { return &r->info; }

void
tcg_trace_reader_close (TcgTraceReader *r)
{
  if (!r)
    return;
  g_ptr_array_unref (r->defined);
  g_clear_pointer (&r->file, g_mapped_file_unref);
  g_free (r->text);
  g_free (r->raw);
  g_free (r->accesses);
  g_free (r);
}
