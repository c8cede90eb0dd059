/* snapshot-objects.c -- objects that joined or left the machine, named in a snapshot; and a machine that is brought to have the same ones. */
/* SPDX-License-Identifier: MIT */
/*
 * What a snapshot has and the machine lacks joins before anything is checked, and leaves again when the snapshot is refused.  What the machine has and the
 * snapshot lacks leaves when the snapshot is loaded, and not before: its memory could not be had back.
 */
#include "snapshot.h"
#include <backplane/log.h>
#include <string.h>

enum { JOINED = 1, LEFT = 2 };
enum { RECORDS_MOST = 4096, KEYS_MOST = 256 };

typedef struct Record {
  uint8_t what;
  char *kind, *id;
  GArray *keys;                 /* of BpObjectKey, owned, ended by zeros */
} Record;

struct SnapshotObjects {
  BpMachine *m;
  GArray *records;              /* of Record */
  GPtrArray *joined;            /* ids, in order: what has to leave when nothing comes of it */
  bool keep;
};

/* --- saving --------------------------------------------------------------------------------------- */

static bool
is_hot (BpMachine *m, BpObject *o)
{
  return section_is_added (g_hash_table_lookup (full_machine (m)->sections, o));
}

bool
snapshot_has_changed_objects (BpMachine *m)
{
  GPtrArray *unplugged = full_machine (m)->unplugged;
  for (guint i = 0; i < m->objects->len; i++)
    if (is_hot (m, m->objects->pdata[i]))
      return true;
  return unplugged && unplugged->len;
}

static void
put_key (GByteArray *out, uint32_t *n, const char *key, const char *text)
{
  if (!text || strlen (text) > UINT16_MAX)
    return;
  snapshot_put_text (out, key);
  snapshot_put_text (out, text);
  ++*n;
}

/* What it was given, wires and maps too; and properties as they are by now, since some were chosen when it was realized.  Plugins are found by the type. */
static void
put_keys (GByteArray *out, BpObject *o, Section *s)
{
  g_autoptr (GByteArray) keys = g_byte_array_new ();
  uint32_t n = 0;
  for (guint i = 0; i < s->values->len; i++) {
    const Value *v = s->values->pdata[i];
    const BpProperty *p = object_property (o, v->key);
    if (v->text && strcmp (v->key, "module") != 0 && (!p || p->flags & BP_PROPERTY_SECRET))
      put_key (keys, &n, v->key, v->text);
  }
  if (!section_value (s, "type"))
    put_key (keys, &n, "type", o->type->name);
  for (guint i = 0; i < o->properties->len; i++) {
    const BpProperty *p = &g_array_index (o->properties, BpProperty, i);
    g_autofree char *text = p->flags & BP_PROPERTY_SECRET ? NULL : object_get (o, p->name), *otherwise = property_default_text (p);
    if (text && (section_value (s, p->name) || g_strcmp0 (text, otherwise) != 0))
      put_key (keys, &n, p->name, text);
  }
  snapshot_put (out, n, 4);
  g_byte_array_append (out, keys->data, keys->len);
}

static void
write_record (const SnapshotSink *sink, uint8_t what, const Section *s, BpObject *o)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  snapshot_put (out, what, 1);
  snapshot_put_text (out, s->kind);
  snapshot_put_text (out, s->name);
  if (o)
    put_keys (out, o, (Section *) s);
  else
    snapshot_put (out, 0, 4);
  sink->put (sink->user, SECTION_CHANGE, out, NULL, 0);
}

/* In the order in which they joined: who uses another comes after it. */
void
snapshot_write_changes (BpMachine *m, const SnapshotSink *sink)
{
  GPtrArray *unplugged = full_machine (m)->unplugged;
  for (guint i = 0; unplugged && i < unplugged->len; i++)
    write_record (sink, LEFT, unplugged->pdata[i], NULL);
  for (guint i = 0; i < m->objects->len; i++)
    if (is_hot (m, m->objects->pdata[i]))
      write_record (sink, JOINED, object_section (m->objects->pdata[i]), m->objects->pdata[i]);
}

/* --- reading --------------------------------------------------------------------------------------- */

static void
record_clear (void *data)
{
  Record *r = data;
  g_free (r->kind);
  g_free (r->id);
  for (guint i = 0; i < r->keys->len; i++) {
    g_free ((char *) g_array_index (r->keys, BpObjectKey, i).key);
    g_free ((char *) g_array_index (r->keys, BpObjectKey, i).value);
  }
  g_array_unref (r->keys);
}

SnapshotObjects *
snapshot_objects_new (BpMachine *m)
{
  SnapshotObjects *s = g_new0 (SnapshotObjects, 1);
  s->m = m;
  s->records = g_array_new (FALSE, TRUE, sizeof (Record));
  g_array_set_clear_func (s->records, record_clear);
  s->joined = g_ptr_array_new_with_free_func (g_free);
  return s;
}

bool
snapshot_objects_read (SnapshotObjects *s, SnapshotBytes *b)
{
  Record r = { (uint8_t) snapshot_get (b, 1), snapshot_get_text (b), snapshot_get_text (b), g_array_new (TRUE, TRUE, sizeof (BpObjectKey)) };
  uint32_t n = (uint32_t) snapshot_get (b, 4);
  for (uint32_t i = 0; i < MIN (n, KEYS_MOST) && !b->bad; i++) {
    char *key = snapshot_get_text (b), *value = snapshot_get_text (b);
    BpObjectKey row = { key, value };
    g_array_append_val (r.keys, row);
  }
  g_array_append_val (s->records, r);
  return !b->bad && n <= KEYS_MOST && (r.what == JOINED || r.what == LEFT) && s->records->len <= RECORDS_MOST;
}

/* --- joining: what the machine lacks ----------------------------------------------------------------- */

static const Record *
find_record (const SnapshotObjects *s, uint8_t what, const char *id)
{
  for (guint i = 0; i < s->records->len; i++) {
    const Record *r = &g_array_index (s->records, Record, i);
    if (r->what == what && strcmp (r->id, id) == 0)
      return r;
  }
  return NULL;
}

static const char *
key_of (const Record *r, const char *key)
{
  for (guint i = 0; i < r->keys->len; i++)
    if (strcmp (g_array_index (r->keys, BpObjectKey, i).key, key) == 0)
      return g_array_index (r->keys, BpObjectKey, i).value;
  return NULL;
}

/* A file that only the snapshot names is not touched: it comes from who knows where. */
static bool
names_file (const Record *r, GError **error)
{
  const char *name = key_of (r, "type");
  const BpTypeDesc *type = name ? schema_find_type (name) : NULL;
  g_autoptr (GArray) rows = type ? type_properties (type) : NULL;
  for (guint i = 0; rows && i < rows->len; i++) {
    const BpProperty *p = &g_array_index (rows, BpProperty, i);
    const char *file = p->kind == BP_PROPERTY_FILE ? key_of (r, p->name) : NULL;
    if (file && *file)
      return !snapshot_refuse (error, "it needs the file `%s`: add it before", file);
  }
  return false;
}

static bool
join (SnapshotObjects *s, const Record *r, GError **error)
{
  if (key_of (r, "module"))
    return snapshot_refuse (error, "a snapshot names no plugins");
  if (names_file (r, error) || !bp_machine_add_object (s->m, r->kind, r->id, (const BpObjectKey *) r->keys->data, error))
    return false;
  g_ptr_array_add (s->joined, g_strdup (r->id));
  return true;
}

/* One of that name is there: it must be as it was. */
static void
compare (const Record *r, BpObject *o, SnapshotDiffers *differs, void *user)
{
  for (guint i = 0; i < r->keys->len; i++) {
    const BpObjectKey *k = &g_array_index (r->keys, BpObjectKey, i);
    const BpProperty *p = object_property (o, k->key);
    g_autofree char *now = p && !(p->flags & (BP_PROPERTY_RUNTIME | BP_PROPERTY_SECRET | BP_PROPERTY_HOST)) ? object_get (o, k->key) : NULL;
    if (strcmp (k->key, "type") == 0 && strcmp (k->value, o->type->name) != 0) {
      g_autofree char *text = g_strdup_printf ("%s is of type `%s` in the snapshot and of type `%s` in this machine", r->id, k->value, o->type->name);
      differs (user, text);
      return;
    }
    if (now && p->kind != BP_PROPERTY_FILE && strcmp (now, k->value) != 0) {
      g_autofree char *text = g_strdup_printf ("%s.%s is `%s` in the snapshot and `%s` in this machine", r->id, k->key, k->value, now);
      differs (user, text);
    }
  }
}

/* Of the descriptor, gone from the machine, and there in the snapshot. */
static void
return_unplugged (SnapshotObjects *s, SnapshotDiffers *differs, void *user)
{
  GPtrArray *unplugged = full_machine (s->m)->unplugged;
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; unplugged && i < unplugged->len; i++) {
    const char *id = ((Section *) unplugged->pdata[i])->name;
    if (!find_record (s, LEFT, id) && !find_record (s, JOINED, id))
      g_ptr_array_add (ids, g_strdup (id));
  }
  for (guint pass = 0, before = ids->len + 1; ids->len && ids->len < before; pass++) {  /* who uses another comes after it, in whatever order they left */
    before = ids->len;
    for (guint i = ids->len; i-- > 0;)
      if (machine_replug (s->m, ids->pdata[i], NULL)) {
        g_ptr_array_add (s->joined, g_strdup (ids->pdata[i]));
        g_ptr_array_remove_index (ids, i);
      }
  }
  for (guint i = 0; i < ids->len; i++) {
    g_autoptr (GError) error = NULL;
    machine_replug (s->m, ids->pdata[i], &error);
    g_autofree char *text = g_strdup_printf ("%s has left this machine, and cannot come back: %s", (char *) ids->pdata[i], error ? error->message : "?");
    differs (user, text);
  }
}

void
snapshot_objects_join (SnapshotObjects *s, SnapshotDiffers *differs, void *user)
{
  return_unplugged (s, differs, user);
  for (guint i = 0; i < s->records->len; i++) {
    const Record *r = &g_array_index (s->records, Record, i);
    g_autoptr (GError) error = NULL;
    BpObject *o = g_hash_table_lookup (s->m->by_id, r->id);
    if (r->what == LEFT)
      continue;
    if (o) {
      compare (r, o, differs, user);
    } else if (!join (s, r, &error)) {
      g_autofree char *text = g_strdup_printf ("%s had joined the machine, and cannot join this one: %s", r->id, error->message);
      differs (user, text);
    }
  }
}

/* --- leaving: what the snapshot lacks ------------------------------------------------------------------ */

bool
snapshot_objects_leaves (const SnapshotObjects *s, BpObject *o)
{
  return is_hot (s->m, o) ? !find_record (s, JOINED, o->id) : find_record (s, LEFT, o->id) && o->type->flags & BP_TYPE_HOT_PLUG && o->index < 0;
}

static void
drop_all (SnapshotObjects *s, bool (*leaves) (const SnapshotObjects *s, BpObject *o))
{
  BpMachine *m = s->m;
  bool any = true;
  while (any) {                 /* who is used waits for who uses it */
    any = false;
    for (guint i = m->objects->len; i-- > 0;) {
      BpObject *o = m->objects->pdata[i];
      g_autofree char *user = leaves (s, o) ? machine_users_of (m, o) : g_strdup ("");
      if (user)
        continue;
      machine_drop_object (m, o);
      any = true;
      i = MIN (i, m->objects->len);
    }
  }
  for (guint i = 0; i < m->objects->len; i++)
    if (leaves (s, m->objects->pdata[i]))
      bp_warn (NULL, "`%s` is not in the snapshot, and is used by what is", ((BpObject *) m->objects->pdata[i])->id);
}

void
snapshot_objects_settle (SnapshotObjects *s)
{
  s->keep = true;
  drop_all (s, snapshot_objects_leaves);
}

static void
tell_wrong (void *text, const char *what)
{
  g_string_append_printf (text, "\n    %s", what);
}

bool
snapshot_objects_bring (SnapshotObjects *s, GError **error)
{
  g_autoptr (GString) wrong = g_string_new (NULL);
  snapshot_objects_join (s, tell_wrong, wrong);
  if (wrong->len)
    return snapshot_refuse (error, "the machine cannot become the one that comes:%s", wrong->str);
  snapshot_objects_settle (s);
  return true;
}

static bool
has_just_joined (const SnapshotObjects *s, BpObject *o)
{
  return g_ptr_array_find_with_equal_func (s->joined, o->id, g_str_equal, NULL);
}

void
snapshot_objects_free (SnapshotObjects *s)
{
  if (!s)
    return;
  if (!s->keep && s->joined->len)
    drop_all (s, has_just_joined);
  g_array_unref (s->records);
  g_ptr_array_unref (s->joined);
  g_free (s);
}
