/* migrate-shape.c -- what two machines must have alike for one to go on as the other: told and compared before any RAM is sent. */
/* SPDX-License-Identifier: MIT */
/*
 * A shape is u32 how many objects, each: texts id and type, u16 state version, u32 how many properties, each: text name, u8 whether it is set, text value.  They
 * are the objects that the guest can tell: processors, buses, devices; of their properties those that do not name something of the host.  RAM is told by BLOCK
 * sections, disks with the state.
 */
#include "migrate.h"
#include <string.h>

enum { DIFFERENCES_MOST = 30, OBJECTS_MOST = 1 << 20 };

/* --- ours ------------------------------------------------------------------------------------------------ */

static bool
is_of_guest (const BpObject *o)
{
  BpKind kind = o->type->kind;
  return kind == BP_KIND_CPU || kind == BP_KIND_BUS || kind == BP_KIND_DEVICE;
}

static bool
is_link_of_guest (const BpProperty *p, BpMachine *m, const char *value)
{
  const BpObject *target = g_hash_table_lookup (m->by_id, value);
  return p->kind != BP_PROPERTY_LINK || (target && is_of_guest (target));
}

static bool
is_told (const BpProperty *p)
{
  return p->kind != BP_PROPERTY_FILE && !(p->flags & (BP_PROPERTY_SECRET | BP_PROPERTY_RUNTIME));
}

/* What the guest can tell of a property, as text; NULL: nothing, as of one that is not set. */
static char *
value_of (BpObject *o, const BpProperty *p)
{
  char *value = object_get (o, p->name);
  if (value && is_link_of_guest (p, o->machine, value))
    return value;
  g_free (value);
  return NULL;
}

static void
put_object (GByteArray *out, BpObject *o)
{
  g_autoptr (GByteArray) properties = g_byte_array_new ();
  uint32_t n = 0;
  for (guint i = 0; i < o->properties->len; i++) {
    const BpProperty *p = &g_array_index (o->properties, BpProperty, i);
    if (!is_told (p))
      continue;
    g_autofree char *value = value_of (o, p);
    snapshot_put_text (properties, p->name);
    snapshot_put (properties, value != NULL, 1);
    snapshot_put_text (properties, value ? value : "");
    n++;
  }
  snapshot_put_text (out, o->id);
  snapshot_put_text (out, o->type->name);
  snapshot_put (out, o->type->state_version, 2);
  snapshot_put (out, n, 4);
  g_byte_array_append (out, properties->data, properties->len);
}

GByteArray *
shape_of (BpMachine *m)
{
  GByteArray *out = g_byte_array_new (), *objects = g_byte_array_new ();
  uint32_t n = 0;
  for (guint i = 0; i < m->objects->len; i++)
    if (is_of_guest (m->objects->pdata[i])) {
      put_object (objects, m->objects->pdata[i]);
      n++;
    }
  snapshot_put (out, n, 4);
  g_byte_array_append (out, objects->data, objects->len);
  g_byte_array_unref (objects);
  return out;
}

/* --- theirs ------------------------------------------------------------------------------------------------ */

typedef struct Compare {
  BpMachine *m;
  SnapshotBytes bytes;
  GString *differences;
  unsigned n;
  GHashTable *seen;             /* BpObject * */
} Compare;

static void G_GNUC_PRINTF (2, 3)
differs (Compare *c, const char *format, ...)
{
  va_list args;
  if (c->n++ >= DIFFERENCES_MOST)
    return;
  va_start (args, format);
  g_string_append (c->differences, "\n    ");
  g_string_append_vprintf (c->differences, format, args);
  va_end (args);
}

static bool
conclude (Compare *c, const char *machine, GError **error)
{
  bool same = c->n == 0;
  if (c->n > DIFFERENCES_MOST)
    g_string_append (c->differences, "\n    and more");
  if (!same)
    snapshot_refuse (error, "machine `%s` is not this one:%s", machine, c->differences->str);
  g_string_free (c->differences, TRUE);
  if (c->seen)
    g_hash_table_unref (c->seen);
  return same;
}

/* One that an older version did not have is not there, and is what makes it behave as before. */
static void
compare_property (Compare *c, BpObject *o)
{
  g_autofree char *name = snapshot_get_text (&c->bytes);
  bool is_set = snapshot_get (&c->bytes, 1);
  g_autofree char *value = snapshot_get_text (&c->bytes);
  const BpProperty *p = o ? object_property (o, name) : NULL;
  g_autofree char *ours = p && is_told (p) ? value_of (o, p) : NULL;
  if (!o || c->bytes.bad || g_strcmp0 (ours, is_set ? value : NULL) == 0)
    return;
  g_autofree char *there = is_set ? g_strdup_printf ("`%s`", value) : NULL, *here = ours ? g_strdup_printf ("`%s`", ours) : NULL;
  differs (c, "%s.%s is %s there and %s here", o->id, name, there ? there : "not set", here ? here : "not set");
}

static void
compare_object (Compare *c)
{
  g_autofree char *id = snapshot_get_text (&c->bytes), *type = snapshot_get_text (&c->bytes);
  unsigned version = (unsigned) snapshot_get (&c->bytes, 2);
  uint32_t n = (uint32_t) snapshot_get (&c->bytes, 4);
  BpObject *o = g_hash_table_lookup (c->m->by_id, id);
  if (c->bytes.bad)
    return;
  if (!o) {
    differs (c, "%s (type `%s`) is not here", id, type);
  } else {
    g_hash_table_add (c->seen, o);
    if (strcmp (type, o->type->name) != 0)
      differs (c, "%s is of type `%s` there and of type `%s` here", id, type, o->type->name);
    else if (version > o->type->state_version)
      differs (c, "the state of %s (type `%s`) is of version %u, and the plugin here knows version %u", id, type, version, o->type->state_version);
    else if (version < o->type->state_minimum)
      differs (c, "the state of %s (type `%s`) is of version %u, and the plugin here takes versions from %u on", id, type, version, o->type->state_minimum);
  }
  BpObject *same = o && strcmp (type, o->type->name) == 0 ? o : NULL;
  for (uint32_t i = 0; i < n && !c->bytes.bad; i++)
    compare_property (c, same);
}

bool
shape_check (BpMachine *m, const uint8_t *payload, size_t size, const char *machine, GError **error)
{
  Compare c = { .m = m, .bytes = { payload, payload + size, false }, .differences = g_string_new (NULL), .seen = g_hash_table_new (NULL, NULL) };
  uint32_t n = (uint32_t) snapshot_get (&c.bytes, 4);
  for (uint32_t i = 0; i < MIN (n, (uint32_t) OBJECTS_MOST) && !c.bytes.bad; i++)
    compare_object (&c);
  bool whole = !c.bytes.bad && c.bytes.at == c.bytes.end;
  for (guint i = 0; whole && i < m->objects->len; i++) {
    const BpObject *o = m->objects->pdata[i];
    if (is_of_guest (o) && !g_hash_table_contains (c.seen, o))
      differs (&c, "%s (type `%s`) is here and not there", o->id, o->type->name);
  }
  bool same = conclude (&c, machine, whole ? error : NULL);
  return whole ? same : snapshot_refuse (error, "the stream is damaged: a section is not as long as its contents");
}

bool
shape_check_blocks (BpMachine *m, GArray *blocks, const char *machine, GError **error)
{
  Compare c = { .m = m, .differences = g_string_new (NULL) };
  g_autoptr (GArray) here = snapshot_blocks (m);
  for (guint i = 0; i < blocks->len; i++) {
    SnapshotBlock *b = &g_array_index (blocks, SnapshotBlock, i);
    const SnapshotBlock *ours = snapshot_block_find (here, b);
    if (!ours)
      differs (&c, "RAM `%s` of %s is not here", b->name, b->owner);
    else if (ours->size != b->size)
      differs (&c, "RAM `%s` of %s has %" G_GUINT64_FORMAT " bytes there and %" G_GUINT64_FORMAT " here", b->name, b->owner, b->size, ours->size);
    else
      b->region = ours->region;
  }
  for (guint i = 0; i < here->len; i++) {
    const SnapshotBlock *ours = &g_array_index (here, SnapshotBlock, i);
    if (!snapshot_block_find (blocks, ours))
      differs (&c, "RAM `%s` of %s is here and not there", ours->name, ours->owner);
  }
  return conclude (&c, machine, error);
}
