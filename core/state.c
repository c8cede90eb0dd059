/* state.c -- one object's saved state as self-describing bytes, and back. */
/* SPDX-License-Identifier: MIT */
/*
 * All numbers are little-endian.  A text is a u16 length and its bytes.
 *   object  "BPST", u16 format, u16 state version, texts: type, plugin id, plugin version, then fields
 *   fields  u32 how many, then each: text name, u8 kind, u32 elements, u32 bytes of payload, payload
 *   payload integers element by element; bytes as they are, a buffer's too; a bool is a byte; a timer is u8 armed, u64
 *           expiry, u64 its turn among those that expire together; a struct is fields again, once an element, and so is each of a table
 * Loading reads the whole twice: first to check, then to store, so that a refused state changes nothing.
 */

#include <backplane/clock.h>
#include <string.h>

#include "bytes.h"
#include "machine.h"

#define STATE_MAGIC "BPST"
enum { STATE_FORMAT = 1 };

/* --- saving --------------------------------------------------------------------------------- */

static void
put (Bytes *out, uint64_t value, unsigned size)
{
  uint8_t bytes[8];
  for (unsigned i = 0; i < size; i++) {
    bytes[i] = (uint8_t) (value >> 8 * i);
  }
  bytes_put (out, bytes, size);
}

static void
put_text (Bytes *out, const char *text)
{
  size_t length = strlen (text);
  g_assert (length <= UINT16_MAX);
  put (out, length, 2);
  bytes_put (out, text, length);
}

/* Fills in a u32 that was put as 0 before its value was known. */
static void
patch_u32 (Bytes *out, size_t at, size_t value)
{
  uint32_t bytes = GUINT32_TO_LE ((uint32_t) value);
  if (!out->lacks)
    memcpy (out->data + at, &bytes, sizeof bytes);
}

static unsigned
integer_size (BpStateKind kind)
{
  switch (kind) {
  case BP_STATE_U8: return 1;
  case BP_STATE_U16: return 2;
  case BP_STATE_U32: return 4;
  case BP_STATE_U64: return 8;
  default: return 0;
  }
}

static uint64_t
load_integer (const uint8_t *at, unsigned size)
{
  switch (size) {
  case 1: return *at;
  case 2: return *(const uint16_t *) at;
  case 4: return *(const uint32_t *) at;
  default: return *(const uint64_t *) at;
  }
}

static void
store_integer (uint8_t *at, unsigned size, uint64_t value)
{
  switch (size) {
  case 1: *at = (uint8_t) value; break;
  case 2: *(uint16_t *) at = (uint16_t) value; break;
  case 4: *(uint32_t *) at = (uint32_t) value; break;
  default: *(uint64_t *) at = value; break;
  }
}

static void save_fields (Bytes *out, const BpTypeDesc *type, const void *self, const BpStateField *rows,
                         const uint8_t *base);

static void
save_timer (Bytes *out, const BpTimer *timer)
{
  bool armed = timer && bp_timer_is_armed (timer);
  put (out, armed, 1);
  put (out, armed ? (uint64_t) bp_timer_expiry (timer) : 0, 8);
  put (out, armed ? timer_turn (timer) : 0, 8);
}

static void
save_element (Bytes *out, const BpTypeDesc *type, const void *self, const BpStateField *f,
              const uint8_t *at)
{
  switch (f->kind) {
  case BP_STATE_BOOL:
    put (out, *(const bool *) at, 1);
    break;
  case BP_STATE_TIMER:
    save_timer (out, *(BpTimer *const *) at);
    break;
  case BP_STATE_STRUCT: case BP_STATE_TABLE: {
    g_autoptr (GArray) rows = rows_copy (f->fields, type->state_size, sizeof (BpStateField));
    g_array_set_size (rows, rows->len + 1);     /* a row of zeros ends the table */
    save_fields (out, type, self, (const BpStateField *) rows->data, at);
    break;
  }
  default:
    put (out, load_integer (at, integer_size (f->kind)), integer_size (f->kind));
    break;
  }
}

static const BpStateBuffer *
buffer_of (const BpStateField *f, const uint8_t *base)
{
  return (const BpStateBuffer *) (base + f->offset);
}

static const BpStateTable *
table_of (const BpStateField *f, const uint8_t *base)
{
  return (const BpStateTable *) (base + f->offset);
}

/* Where its elements are, and how many this object has of them; NULL: it has no such thing. */
static uint8_t *
elements_of (const BpStateField *f, const uint8_t *base, uint64_t *count)
{
  switch (f->kind) {
  case BP_STATE_BUFFER: case BP_STATE_BLOB:
    *count = buffer_of (f, base)->size;
    return buffer_of (f, base)->data;
  case BP_STATE_TABLE:
    *count = table_of (f, base)->count;
    return table_of (f, base)->data;
  default:
    *count = f->count;
    return (uint8_t *) base + f->offset;
  }
}

/* Of a blob `needed' comes first: it may be what puts the bytes there.  One that says true and leaves none is found by save_field. */
static bool
is_saved (const void *self, const BpStateField *f, const uint8_t *base)
{
  uint64_t count;
  if (f->kind == BP_STATE_BLOB && f->needed)
    return f->needed (self);
  return elements_of (f, base, &count) && (!f->needed || f->needed (self));
}

static void
save_field (Bytes *out, const BpTypeDesc *type, const void *self, const BpStateField *f,
            const uint8_t *base)
{
  uint64_t count;
  const uint8_t *at = elements_of (f, base, &count);
  if (!at) {                    /* a blob whose owner had no memory for it */
    out->lacks = true;
    return;
  }
  put_text (out, f->name);
  put (out, f->kind, 1);
  put (out, count, 4);
  size_t size_at = out->size;
  put (out, 0, 4);
  if (f->kind == BP_STATE_BYTES || f->kind == BP_STATE_BUFFER || f->kind == BP_STATE_BLOB) {
    bytes_put (out, at, count);
  } else {
    for (uint64_t i = 0; i < count; i++) {
      save_element (out, type, self, f, at + i * f->size);
    }
  }
  patch_u32 (out, size_at, out->size - size_at - 4);
}

/* rows end with one without a name; `needed` is asked about the instance, at whatever depth the row is. */
static void
save_fields (Bytes *out, const BpTypeDesc *type, const void *self, const BpStateField *rows,
             const uint8_t *base)
{
  size_t count_at = out->size;
  uint32_t count = 0;
  put (out, 0, 4);
  for (const BpStateField *f = rows; f->name; f++) {
    if (is_saved (self, f, base)) {
      save_field (out, type, self, f, base);
      count++;
    }
  }
  patch_u32 (out, count_at, count);
}

bool
state_save (BpObject *object, Bytes *out)
{
  const BpTypeDesc *type = object->type;
  const void *self = object_instance (object);
  BpModule *module = type_module (type);
  bytes_put (out, STATE_MAGIC, 4);
  put (out, STATE_FORMAT, 2);
  put (out, type->state_version, 2);
  put_text (out, type->name);
  put_text (out, module ? module->id : "");
  put_text (out, module ? module->desc->version : "");
  g_autoptr (GArray) rows = type_state (type);
  g_array_set_size (rows, rows->len + 1);
  save_fields (out, type, self, (const BpStateField *) rows->data, self);
  return !out->lacks;
}

GByteArray *
state_saved (BpObject *object)
{
  g_auto (Bytes) bytes = { NULL };
  if (!state_save (object, &bytes)) {
    return NULL;
  }
  return g_byte_array_new_take (g_steal_pointer (&bytes.data), bytes.size);
}

/* --- loading -------------------------------------------------------------------------------- */

typedef struct Reader {
  const uint8_t *at, *end;
  const BpTypeDesc *type;
  const void *self;
  uint16_t version;             /* of the saved state */
  char *writer;                 /* "hw-pc 1.2", for messages */
  bool store;                   /* the second pass */
  GQueue *blobs;                /* what the first one has made for it */
  char *wrong;                  /* the first thing found */
} Reader;

static bool G_GNUC_PRINTF (2, 3)
refuse (Reader *r, const char *format, ...) {
  if (!r->wrong) {
    va_list args;
    va_start (args, format);
    r->wrong = g_strdup_vprintf (format, args);
    va_end (args);
  }
  return false;
}

static bool
take (Reader *r, size_t size, const uint8_t **bytes)
{
  if ((size_t) (r->end - r->at) < size) {
    refuse (r, "the saved state ends too early");
    return false;
  }
  *bytes = r->at;
  r->at += size;
  return true;
}

static bool
get (Reader *r, unsigned size, uint64_t *value)
{
  const uint8_t *bytes;
  if (!take (r, size, &bytes)) {
    return false;
  }
  *value = 0;
  for (unsigned i = 0; i < size; i++) {
    *value |= (uint64_t) bytes[i] << 8 * i;
  }
  return true;
}

static char *
get_text (Reader *r)
{
  uint64_t length;
  const uint8_t *bytes;
  if (!get (r, 2, &length) || !take (r, length, &bytes)) {
    return NULL;
  }
  return g_strndup ((const char *) bytes, length);
}

static bool load_fields (Reader *r, const GArray *rows, uint8_t *base);

static bool
load_timer (Reader *r, const BpStateField *f, BpTimer *timer)
{
  uint64_t armed, expiry, turn;
  if (!get (r, 1, &armed) || !get (r, 8, &expiry) || !get (r, 8, &turn)) {
    return false;
  }
  if (armed && !timer) {
    return refuse (r, "field `%s`: the timer was armed, and this object has not made it", f->name);
  }
  if (r->store && timer) {
    bp_timer_cancel (timer);
    if (armed) {
      timer_restore (timer, (int64_t) expiry, turn);
    }
  }
  return true;
}

/* Integers may have become wider since they were saved, or narrower while they still fit. */
static bool
load_integer_element (Reader *r, const BpStateField *f, BpStateKind saved, uint8_t *at)
{
  unsigned size = integer_size (f->kind);
  uint64_t value;
  if (!get (r, integer_size (saved), &value)) {
    return false;
  }
  if (size < 8 && value >> 8 * size) {
    return refuse (r, "field `%s`: the saved value 0x%" G_GINT64_MODIFIER "x does not fit its %u bytes",
                   f->name, value, size);
  }
  if (r->store) {
    store_integer (at, size, value);
  }
  return true;
}

static bool
load_element (Reader *r, const BpStateField *f, BpStateKind saved, uint8_t *at)
{
  uint64_t value;
  switch (f->kind) {
  case BP_STATE_BOOL:
    if (!get (r, 1, &value)) {
      return false;
    }
    if (r->store) {
      *(bool *) at = value != 0;
    }
    return true;
  case BP_STATE_TIMER:
    return load_timer (r, f, *(BpTimer **) at);
  case BP_STATE_STRUCT: case BP_STATE_TABLE: {
    g_autoptr (GArray) rows = rows_copy (f->fields, r->type->state_size, sizeof (BpStateField));
    return load_fields (r, rows, at);
  }
  default:
    return load_integer_element (r, f, saved, at);
  }
}

static bool
load_blob (Reader *r, const BpStateField *f, uint64_t count, uint8_t *base)
{
  BpStateBuffer *b = (BpStateBuffer *) (base + f->offset);
  const uint8_t *bytes;
  if (!take (r, count, &bytes)) {
    return false;
  }
  if (r->store) {
    g_free (b->data);
    b->data = g_queue_pop_head (r->blobs);
    b->size = count;
    return true;
  }
  void *copy = g_try_malloc (MAX (count, 1));   /* an empty one is there, too: what could be saved can be saved again */
  if (!copy) {
    return refuse (r, "field `%s`: the host has no memory for %" G_GUINT64_FORMAT " bytes", f->name, count);
  }
  memcpy (copy, bytes, count);
  g_queue_push_tail (r->blobs, copy);
  return true;
}

static bool
load_payload (Reader *r, const BpStateField *f, BpStateKind saved, uint64_t count, uint8_t *base)
{
  uint64_t here;
  if (f->kind == BP_STATE_BLOB) {
    return load_blob (r, f, count, base);
  }
  uint8_t *at = elements_of (f, base, &here);
  if (f->kind == BP_STATE_BYTES || f->kind == BP_STATE_BUFFER) {
    const uint8_t *bytes;
    if (!take (r, count, &bytes)) {
      return false;
    }
    if (r->store) {
      memcpy (at, bytes, count);
    }
    return true;
  }
  for (uint64_t i = 0; i < count; i++) {
    if (!load_element (r, f, saved, at + i * f->size)) {
      return false;
    }
  }
  return true;
}

/* Of buffers and tables. */
static bool
number_is_fine (Reader *r, const BpStateField *f, uint64_t count, const uint8_t *base)
{
  const char *of = f->kind == BP_STATE_BUFFER ? "bytes" : "elements";
  uint64_t here;
  if (!elements_of (f, base, &here)) {
    return refuse (r, "field `%s` was saved with %" G_GUINT64_FORMAT " %s, and this object has no such thing",
                   f->name, count, of);
  }
  return count == here || refuse (r, "field `%s` was saved with %" G_GUINT64_FORMAT " %s and has %" G_GUINT64_FORMAT " here",
                                  f->name, count, of, here);
}

static bool
shape_is_fine (Reader *r, const BpStateField *f, uint64_t kind, uint64_t count, const uint8_t *base)
{
  bool both_integers = kind <= BP_STATE_U64 && f->kind <= BP_STATE_U64;
  if (kind > BP_STATE_BLOB || (kind != f->kind && !both_integers)) {
    return refuse (r, "field `%s` was saved as something else", f->name);
  }
  if (f->kind == BP_STATE_BLOB) {
    return true;
  }
  if (f->kind == BP_STATE_BUFFER || f->kind == BP_STATE_TABLE) {
    return number_is_fine (r, f, count, base);
  }
  /* a table that grew keeps the reset value in what is new */
  bool grew = count < f->count && r->version < r->type->state_version;
  if (count != f->count && !grew) {
    return refuse (r, "field `%s` was saved with %" G_GUINT64_FORMAT " elements and has %u here", f->name,
                   count, f->count);
  }
  return true;
}

static const BpStateField *
row_find (const GArray *rows, const char *name, unsigned *index)
{
  for (*index = 0; *index < rows->len; (*index)++) {
    const BpStateField *f = &g_array_index (rows, BpStateField, *index);
    if (strcmp (f->name, name) == 0) {
      return f;
    }
  }
  return NULL;
}

static bool
unknown_field (Reader *r, const char *name)
{
  if (r->version > r->type->state_version) {
    return refuse (r,
                   "field `%s` is not known: the state was saved as version %u (by %s), and this plugin "
                   "knows versions up to %u; a newer one is needed",
                   name, r->version, r->writer, r->type->state_version);
  }
  return refuse (r, "field `%s` is not known to this plugin (the state was saved by %s)", name, r->writer);
}

static bool
load_field (Reader *r, const GArray *rows, bool *seen, uint8_t *base)
{
  uint64_t kind, count, size;
  g_autofree char *name = get_text (r);
  if (!name || !get (r, 1, &kind) || !get (r, 4, &count) || !get (r, 4, &size)) {
    return false;
  }
  const uint8_t *payload;
  if (!take (r, size, &payload)) {
    return false;
  }
  unsigned index;
  const BpStateField *f = row_find (rows, name, &index);
  if (!f) {
    return unknown_field (r, name);
  }
  if (seen[index]) {
    return refuse (r, "field `%s` is there twice", name);
  }
  seen[index] = true;
  Reader inner = *r;
  inner.at = payload;
  inner.end = payload + size;
  bool fine =
      shape_is_fine (&inner, f, kind, count, base) && load_payload (&inner, f, (BpStateKind) kind, count, base);
  if (fine && inner.at != inner.end) {
    fine = refuse (&inner, "field `%s` holds more bytes than it should", name);
  }
  r->wrong = inner.wrong;
  return fine;
}

static bool
none_is_missing (Reader *r, const GArray *rows, const bool *seen)
{
  for (unsigned i = 0; i < rows->len; i++) {
    const BpStateField *f = &g_array_index (rows, BpStateField, i);
    bool optional = f->needed || f->kind == BP_STATE_BUFFER || f->kind == BP_STATE_TABLE || f->kind == BP_STATE_BLOB;
    if (!seen[i] && !optional && f->since <= r->version) {
      return refuse (r, "field `%s` is missing", f->name);
    }
  }
  return true;
}

static bool
load_fields (Reader *r, const GArray *rows, uint8_t *base)
{
  uint64_t count;
  if (!get (r, 4, &count)) {
    return false;
  }
  g_autofree bool *seen = g_new0 (bool, rows->len + 1);
  for (uint64_t i = 0; i < count; i++) {
    if (!load_field (r, rows, seen, base)) {
      return false;
    }
  }
  return none_is_missing (r, rows, seen);
}

static bool
load_head (Reader *r)
{
  const uint8_t *magic;
  uint64_t format, version;
  if (!take (r, 4, &magic) || !get (r, 2, &format) || !get (r, 2, &version)) {
    return false;
  }
  if (memcmp (magic, STATE_MAGIC, 4) != 0 || format != STATE_FORMAT) {
    return refuse (r, "this is no saved state, or one in another format");
  }
  r->version = (uint16_t) version;
  g_autofree char *type = get_text (r), *plugin = type ? get_text (r) : NULL,
                  *plugin_version = plugin ? get_text (r) : NULL;
  if (!plugin_version) {
    return false;
  }
  g_free (r->writer);
  r->writer = g_strdup_printf ("%s %s", *plugin ? plugin : "an unnamed plugin", plugin_version);
  if (strcmp (type, r->type->name) != 0) {
    return refuse (r, "the state is of an object of type `%s`", type);
  }
  if (r->version < r->type->state_minimum) {
    return refuse (r, "the state was saved as version %u (by %s), and this plugin loads versions from %u on",
                   r->version, r->writer, r->type->state_minimum);
  }
  return true;
}

static bool
load_pass (Reader *r, const uint8_t *data, size_t size, const GArray *rows, bool store)
{
  r->at = data;
  r->end = data + size;
  r->store = store;
  if (!load_head (r) || !load_fields (r, rows, (uint8_t *) r->self)) {
    return false;
  }
  return r->at == r->end || refuse (r, "there are bytes after the end of the state");
}

static bool
load (BpObject *object, const uint8_t *data, size_t size, bool store, GQueue *blobs, GError **error)
{
  Reader reader = { .type = object->type, .self = object_instance (object), .blobs = blobs };
  g_autoptr (GArray) rows = type_state (object->type);
  bool loaded = load_pass (&reader, data, size, rows, store);
  if (!loaded) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%s (type `%s`): %s", object->id, object->type->name,
                 reader.wrong ? reader.wrong : "the saved state cannot be read");
  }
  g_free (reader.wrong);
  g_free (reader.writer);
  return loaded;
}

bool
state_check (BpObject *object, const uint8_t *data, size_t size, GQueue *blobs, GError **error)
{
  return load (object, data, size, false, blobs, error);
}

void
state_store (BpObject *object, const uint8_t *data, size_t size, GQueue *blobs)
{
  bool stored = load (object, data, size, true, blobs, NULL);
  g_assert (stored);            /* it was checked */
}

bool
state_load (BpObject *object, const uint8_t *data, size_t size, GError **error)
{
  GQueue blobs = G_QUEUE_INIT;
  bool fine = state_check (object, data, size, &blobs, error);
  if (fine) {
    state_store (object, data, size, &blobs);
  }
  g_queue_clear_full (&blobs, g_free);
  return fine && object_post_load (object, error);
}
