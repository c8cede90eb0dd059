/* private.c -- what libbackplane-test uses of the core: machines from a text, their pins, requests and state. */
/* SPDX-License-Identifier: MIT */
#include "private.h"
#include "build.h"
#include "contract.h"
#include "memory.h"
#include "snapshot.h"
#include <string.h>

/* --- plugins, types, log ------------------------------------------------------------------------ */

void
bp_private_plugin_path (const char *directories)
{
  plugin_path_prepend (directories);
}

bool
bp_private_register_type (const BpTypeDesc *type, GError **error)
{
  return type_module (type) || type_register (type, plugin_core (), error);
}

void
bp_private_log_sink (void (*take) (const char *line))
{
  log_set_sink (take);
}

/* --- machines ------------------------------------------------------------------------------------ */

static char *
errors_of (const Descriptor *d)
{
  GString *all = g_string_new (NULL);
  for (guint i = 0; i < d->errors->len; i++)
    g_string_append_printf (all, "%s%s", i ? "\n" : "", (const char *) d->errors->pdata[i]);
  return g_string_free (all, FALSE);
}

typedef struct Text {
  const char *name, *text;
} Text;

static char *
all_of_it (const Descriptor *d, void *user, const char **name)
{
  const Text *t = user;
  *name = t->name;
  return g_strdup (t->text);
}

BpMachine *
bp_private_machine_new (const char *name, const char *text, char **errors)
{
  g_autoptr (GError) error = NULL;
  Text t = { name, text };
  contracts_are_kept = true;
  Descriptor *d = descriptor_load_more (NULL, NULL, all_of_it, &t);
  BpMachine *m = machine_build (d);
  if (!m) {
    *errors = errors_of (d);
    descriptor_free (d);
    return NULL;
  }
  if (!machine_realize (m, &error)) {
    *errors = g_strdup (error->message);
    bp_private_machine_free (m);
    return NULL;
  }
  machine_reset (m, BP_RESET_COLD);
  return m;
}

void
bp_private_machine_free (BpMachine *m)
{
  Descriptor *d = m->descriptor;
  machine_free (m);
  descriptor_free (d);
}

void
bp_private_reset (BpMachine *m, BpResetKind kind)
{
  machine_reset (m, kind);
}

BpAddressSpace *
bp_private_address_space (BpMachine *m, const char *name)
{
  return memory_space_find (m, name);
}

BpPin *
bp_private_pin (BpMachine *m, const char *path)
{
  g_auto (GStrv) words = g_strsplit (path, ".", 2);
  BpObject *o = words[0] && words[1] ? g_hash_table_lookup (m->by_id, words[0]) : NULL;
  ObjectPin *pin = o ? object_pin (o, words[1]) : NULL;
  return pin ? pin->pin : NULL;
}

bool
bp_private_take_reset (BpMachine *m)
{
  FullMachine *fm = full_machine (m);
  bp_machine_lock (m);
  bool requested = fm->requested & REQUEST_RESET;
  fm->requested &= ~(unsigned) REQUEST_RESET;
  bp_machine_unlock (m);
  return requested;
}

int
bp_private_exit_code (const BpMachine *m)
{
  return machine_is_ending (m) ? m->exit_code : -1;
}

/* --- saving and loading ------------------------------------------------------------------------------ */

typedef struct Stream {
  GByteArray *bytes;
  size_t at;
} Stream;

static bool
stream_write (void *user, const void *data, size_t size, GError **error)
{
  g_byte_array_append (((Stream *) user)->bytes, data, (guint) size);
  return true;
}

static ssize_t
stream_read (void *user, void *data, size_t size, GError **error)
{
  Stream *s = user;
  size_t n = MIN (size, s->bytes->len - s->at);
  if (n)
    memcpy (data, s->bytes->data + s->at, n);
  s->at += n;
  return (ssize_t) n;
}

GByteArray *
bp_private_save (BpMachine *m, int64_t now, GError **error)
{
  Stream s = { g_byte_array_new (), 0 };
  SnapshotPlace place = { stream_write, stream_read, &s };
  SnapshotHeader header = { .name = (char *) "test", .machine = (char *) "test", .version = (char *) "0", .flags = SNAPSHOT_DETERMINISTIC, .vm_clock = now };
  g_autoptr (GArray) disks = g_array_new (FALSE, FALSE, sizeof (SnapshotDisk)), blocks = snapshot_blocks (m);
  uint64_t bytes;
  SnapshotWriter *w = snapshot_writer_new (&place, &header);
  SnapshotSink sink = snapshot_sink (w);
  snapshot_write_objects (m, &sink, disks, false);
  snapshot_write_memory (&sink, blocks);
  if (snapshot_writer_finish (w, &bytes, error))
    return s.bytes;
  g_byte_array_unref (s.bytes);
  return NULL;
}

bool
bp_private_load (BpMachine *m, GByteArray *bytes, void (*set_clock) (void *user, int64_t now), void *user, GError **error)
{
  Stream s = { bytes, 0 };
  SnapshotPlace place = { stream_write, stream_read, &s };
  SnapshotHeader header = { 0 };
  g_autoptr (GArray) disks = g_array_new (FALSE, FALSE, sizeof (SnapshotDisk));
  SnapshotPlan *plan = snapshot_plan_new (m, &place, disks, &header, error);
  bool fine = plan != NULL;
  if (fine) {
    set_clock (user, header.vm_clock);
    fine = snapshot_plan_apply (plan, error);
  }
  s.at = 0;
  fine = fine && snapshot_plan_fill (plan, error);
  if (fine)
    snapshot_plan_settle (plan);
  if (plan)
    snapshot_plan_free (plan);
  snapshot_header_clear (&header);
  return fine;
}

void
bp_private_resume (BpMachine *m)
{
  machine_tell (m, BP_MACHINE_RESUMING, NULL);
}

/* --- differences ----------------------------------------------------------------------------------------- */

static bool
is_name (const uint8_t *at, guint n)
{
  for (guint i = 0; i < n; i++)
    if (!g_ascii_islower (at[i]) && !g_ascii_isdigit (at[i]) && !strchr ("_.", at[i]))
      return false;
  return n > 1;
}

/* The field that differs: the last name before the first byte that does (core/state.c: a name is a text with its length in front, and a kind follows). */
static char *
field_at (const GByteArray *a, const GByteArray *b)
{
  guint at = 0;
  while (at < a->len && at < b->len && a->data[at] == b->data[at])
    at++;
  for (guint n = at; n >= 2; n--) {
    guint length = a->data[n - 2];
    if (a->data[n - 1] == 0 && n + length + 9 <= at && is_name (a->data + n, length) && a->data[n + length] <= BP_STATE_BLOB)
      return g_strdup_printf ("%.*s, byte %u", (int) length, a->data + n, at - n - length - 9);
  }
  return g_strdup ("?");
}

static GPtrArray *
sections_of (GByteArray *bytes, GArray *kinds)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) g_byte_array_unref);
  Stream s = { bytes, 0 };
  SnapshotPlace place = { stream_write, stream_read, &s };
  SnapshotHeader header = { 0 };
  SnapshotReader *r = snapshot_reader_new (&place, &header, NULL);
  uint32_t kind = 0;
  const uint8_t *payload;
  size_t size;
  while (r && kind != SECTION_END && snapshot_read_section (r, &kind, &payload, &size, NULL)) {
    g_array_append_val (kinds, kind);
    g_ptr_array_add (all, g_byte_array_append (g_byte_array_new (), payload, (guint) size));
  }
  if (r)
    snapshot_reader_free (r);
  snapshot_header_clear (&header);
  return all;
}

char *
bp_private_difference (GByteArray *before, GByteArray *after)
{
  g_autoptr (GArray) kinds = g_array_new (FALSE, FALSE, 4), kinds_after = g_array_new (FALSE, FALSE, 4);
  g_autoptr (GPtrArray) a = sections_of (before, kinds), b = sections_of (after, kinds_after);
  bool machine = false;         /* vCPUs, the turn of timers: what an object has explains it better */
  for (guint i = 0; i < MIN (a->len, b->len); i++) {
    const GByteArray *x = a->pdata[i], *y = b->pdata[i];
    uint32_t kind = g_array_index (kinds, uint32_t, i);
    if (x->len == y->len && memcmp (x->data, y->data, x->len) == 0)
      continue;
    if (kind == SECTION_MACHINE || kind == SECTION_END) {
      machine = true;
      continue;
    }
    /* Of an object this is its id; others say enough by their kind and first text. */
    SnapshotBytes text = { x->data, x->data + x->len, false };
    g_autofree char *id = snapshot_get_text (&text);
    g_autofree char *field = field_at (x, y);
    return g_strdup_printf ("section %u, kind %u, is another: %s: %s", i, kind, id, field);
  }
  if (a->len != b->len)
    return g_strdup_printf ("%u sections and not %u", b->len, a->len);
  return machine ? g_strdup ("the order in which timers were armed is another") : NULL;
}

static void
copy_rows (const BpTypeDesc *type, const GArray *rows, const uint8_t *from, uint8_t *to)
{
  for (guint i = 0; i < rows->len; i++) {
    const BpStateField *f = &g_array_index (rows, BpStateField, i);
    if (f->kind == BP_STATE_BYTES && f->needed)
      memcpy (to + f->offset, from + f->offset, f->count);
    for (uint32_t n = 0; f->kind == BP_STATE_STRUCT && n < f->count; n++) {
      g_autoptr (GArray) inner = rows_copy (f->fields, type->state_size, sizeof (BpStateField));
      copy_rows (type, inner, from + f->offset + (size_t) n * f->size, to + f->offset + (size_t) n * f->size);
    }
  }
}

void
bp_private_copy_old_bytes (BpMachine *from, BpMachine *to)
{
  for (guint i = 0; from != to && i < MIN (from->objects->len, to->objects->len); i++) {
    BpObject *a = from->objects->pdata[i], *b = to->objects->pdata[i];
    g_autoptr (GArray) rows = type_state (a->type);
    if (a->type == b->type)
      copy_rows (a->type, rows, object_instance (a), object_instance (b));
  }
}
