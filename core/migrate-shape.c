/* migrate-shape.c -- what two machines must have alike for one to go on as the other: told in both kinds of streams, and compared before anything changes. */
/* SPDX-License-Identifier: MIT */
/*
 * A shape is u32 how many objects, each: texts id and type, u16 state version, u32 how many keys, each: text name, u8 whether it is set, text value.  They
 * are the objects that the guest can tell: processors, buses, devices; of their properties those that do not name something of the host, and that nobody changes
 * while the machine runs.  Further keys are an object's outputs and regions, as a descriptor has them: what is wired to it, where it is mapped.  These are told of other
 * objects too, which come without properties.  RAM is told by BLOCK sections, disks with the state.
 */
#include "memory.h"
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
  return p->kind != BP_PROPERTY_FILE && !(p->flags & (BP_PROPERTY_SECRET | BP_PROPERTY_RUNTIME | BP_PROPERTY_HOST));
}

/* As much as a stream holds of it. */
static char *
short_text (char *text)
{
  if (text && strlen (text) > UINT16_MAX)
    text[UINT16_MAX] = 0;
  return text;
}

/* What the guest can tell of a property, as text; NULL: nothing, as of one that is not set. */
static char *
value_of (BpObject *o, const BpProperty *p)
{
  char *value = object_get (o, p->name);
  if (value && is_link_of_guest (p, o->machine, value))
    return short_text (value);
  g_free (value);
  return NULL;
}

/* Of a set, in whatever order it was written; NULL: it is empty. */
static char *
list_of (GPtrArray *texts)
{
  if (!texts->len)
    return NULL;
  g_ptr_array_sort (texts, strings_compare);
  g_ptr_array_add (texts, NULL);
  return short_text (g_strjoinv (", ", (char **) texts->pdata));
}

/* "pic.in4, apic.in4" */
static char *
wires_of (const ObjectPin *pin)
{
  g_autoptr (GPtrArray) targets = pin_targets (pin->pin), paths = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < targets->len; i++)
    g_ptr_array_add (paths, pin_path (targets->pdata[i]));
  return list_of (paths);
}

/* "io@0x3f8": a place of the descriptor's, wherever the guest has moved the region to since. */
static char *
place_of (const Mapping *map, const BpRegion *region)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const BpRegion *shown = map->region;
  g_string_printf (text, "%s@0x%" G_GINT64_MODIFIER "x", address_space_name (map->space), map->address);
  if (shown != region && shown->target_offset)
    g_string_append_printf (text, " offset 0x%" G_GINT64_MODIFIER "x", shown->target_offset);
  if (shown != region && shown->size != region->size)
    g_string_append_printf (text, " size 0x%" G_GINT64_MODIFIER "x", (uint64_t) shown->size);
  if (shown != region && shown->readonly)
    g_string_append (text, " readonly");
  if (map->priority)
    g_string_append_printf (text, " prio %d", map->priority);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* A second place is an alias of the region that the builder has made. */
static char *
maps_of (BpMachine *m, const BpRegion *region)
{
  FullMachine *fm = full_machine (m);
  g_autoptr (GPtrArray) places = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < fm->mappings->len; i++) {
    const Mapping *map = &g_array_index (fm->mappings, Mapping, i);
    const BpRegion *whose = g_hash_table_contains (fm->mapped, map->region) ? map->region : map->region->target;
    if (whose == region)
      g_ptr_array_add (places, place_of (map, region));
  }
  return list_of (places);
}

/* true: the key is one of those that are told of the object; *value: as text, NULL: it is not set. */
static bool
key_of (BpObject *o, const char *name, char **value)
{
  const BpProperty *p = is_of_guest (o) ? object_property (o, name) : NULL;
  const ObjectPin *pin = object_pin (o, name);
  const ObjectRegion *region = object_region (o, name);
  *value = NULL;
  if (p && is_told (p))
    *value = value_of (o, p);
  else if (pin && pin->desc.direction == BP_PIN_OUT)
    *value = wires_of (pin);
  else if (region)
    *value = maps_of (o->machine, region->region);
  else
    return false;
  return true;
}

static void
put_key (GByteArray *out, uint32_t *n, BpObject *o, const char *name)
{
  g_autofree char *value = NULL;
  if (!key_of (o, name, &value))
    return;
  snapshot_put_text (out, name);
  snapshot_put (out, value != NULL, 1);
  snapshot_put_text (out, value ? value : "");
  ++*n;
}

static void
put_object (GByteArray *out, BpObject *o)
{
  g_autoptr (GByteArray) keys = g_byte_array_new ();
  uint32_t n = 0;
  for (guint i = 0; i < o->properties->len; i++)
    put_key (keys, &n, o, g_array_index (o->properties, BpProperty, i).name);
  for (guint i = 0; i < o->pins->len; i++)
    put_key (keys, &n, o, g_array_index (o->pins, ObjectPin, i).name);
  for (guint i = 0; i < o->regions->len; i++)
    put_key (keys, &n, o, g_array_index (o->regions, ObjectRegion, i).name);
  snapshot_put_text (out, o->id);
  snapshot_put_text (out, o->type->name);
  snapshot_put (out, o->type->state_version, 2);
  snapshot_put (out, n, 4);
  g_byte_array_append (out, keys->data, keys->len);
}

static bool
has_shape (const BpObject *o)
{
  return is_of_guest (o) || o->pins->len || o->regions->len;
}

GByteArray *
shape_of (BpMachine *m)
{
  GByteArray *out = g_byte_array_new (), *objects = g_byte_array_new ();
  uint32_t n = 0;
  for (guint i = 0; i < m->objects->len; i++)
    if (has_shape (m->objects->pdata[i])) {
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
  SnapshotBytes *bytes;
  const char *there, *here;     /* in words */
  const SnapshotObjects *changes;       /* who leaves is not missed there; NULL: nobody leaves */
  bool versions;                /* of states; else they are checked with these */
  SnapshotDiffers *differs;
  void *user;
  GHashTable *seen;             /* BpObject * */
} Compare;

static void G_GNUC_PRINTF (2, 3)
differs (const Compare *c, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  c->differs (c->user, text);
}

/* One that an older version did not have is not there, and is what makes it behave as before. */
static void
compare_key (Compare *c, BpObject *o)
{
  g_autofree char *name = snapshot_get_text (c->bytes);
  bool is_set = snapshot_get (c->bytes, 1);
  g_autofree char *value = snapshot_get_text (c->bytes), *ours = NULL;
  if (!o || c->bytes->bad)
    return;
  key_of (o, name, &ours);
  if (g_strcmp0 (ours, is_set ? value : NULL) == 0)
    return;
  g_autofree char *there = is_set ? g_strdup_printf ("`%s`", value) : NULL, *here = ours ? g_strdup_printf ("`%s`", ours) : NULL;
  differs (c, "%s.%s is %s %s and %s %s", o->id, name, there ? there : "not set", c->there, here ? here : "not set", c->here);
}

static void
compare_object (Compare *c)
{
  g_autofree char *id = snapshot_get_text (c->bytes), *type = snapshot_get_text (c->bytes);
  unsigned version = (unsigned) snapshot_get (c->bytes, 2);
  uint32_t n = (uint32_t) snapshot_get (c->bytes, 4);
  BpObject *o = g_hash_table_lookup (c->m->by_id, id);
  if (c->bytes->bad)
    return;
  if (!o) {
    differs (c, "%s (type `%s`) is %s and not %s", id, type, c->there, c->here);
  } else {
    g_hash_table_add (c->seen, o);
    if (strcmp (type, o->type->name) != 0)
      differs (c, "%s is of type `%s` %s and of type `%s` %s", id, type, c->there, o->type->name, c->here);
    else if (!c->versions)
      ;
    else if (version > o->type->state_version)
      differs (c, "the state of %s (type `%s`) is of version %u, and the plugin here knows version %u", id, type, version, o->type->state_version);
    else if (version < o->type->state_minimum)
      differs (c, "the state of %s (type `%s`) is of version %u, and the plugin here takes versions from %u on", id, type, version, o->type->state_minimum);
  }
  BpObject *same = o && strcmp (type, o->type->name) == 0 ? o : NULL;
  for (uint32_t i = 0; i < n && !c->bytes->bad; i++)
    compare_key (c, same);
}

/* false: it is damaged. */
static bool
compare (Compare *c)
{
  uint32_t n = (uint32_t) snapshot_get (c->bytes, 4);
  c->seen = g_hash_table_new (NULL, NULL);
  for (uint32_t i = 0; i < MIN (n, (uint32_t) OBJECTS_MOST) && !c->bytes->bad; i++)
    compare_object (c);
  bool whole = !c->bytes->bad && c->bytes->at == c->bytes->end;
  for (guint i = 0; whole && i < c->m->objects->len; i++) {
    BpObject *o = c->m->objects->pdata[i];
    if (is_of_guest (o) && !g_hash_table_contains (c->seen, o) && !(c->changes && snapshot_objects_leaves (c->changes, o)))
      differs (c, "%s (type `%s`) is %s and not %s", o->id, o->type->name, c->here, c->there);
  }
  g_hash_table_unref (c->seen);
  return whole;
}

bool
shape_compare (BpMachine *m, SnapshotBytes *bytes, const SnapshotObjects *changes, SnapshotDiffers *tell, void *user)
{
  Compare c = { .m = m, .bytes = bytes, .there = "in the snapshot", .here = "in this machine", .changes = changes, .differs = tell, .user = user };
  return compare (&c);
}

/* --- all that differs, in one error ------------------------------------------------------------------------ */

typedef struct Differences {
  GString *text;
  unsigned n;
} Differences;

static void
add_difference (void *differences, const char *text)
{
  Differences *d = differences;
  if (d->n++ < DIFFERENCES_MOST)
    g_string_append_printf (d->text, "\n    %s", text);
}

static bool
conclude (Differences *d, const char *machine, GError **error)
{
  bool same = d->n == 0;
  if (d->n > DIFFERENCES_MOST)
    g_string_append (d->text, "\n    and more");
  if (!same)
    snapshot_refuse (error, "machine `%s` is not this one:%s", machine, d->text->str);
  g_string_free (d->text, TRUE);
  return same;
}

bool
shape_check (BpMachine *m, const uint8_t *payload, size_t size, const char *machine, GError **error)
{
  SnapshotBytes bytes = { payload, payload + size, false };
  Differences d = { .text = g_string_new (NULL) };
  Compare c = { .m = m, .bytes = &bytes, .there = "there", .here = "here", .versions = true, .differs = add_difference, .user = &d };
  bool whole = compare (&c), same = conclude (&d, machine, whole ? error : NULL);
  return whole ? same : snapshot_refuse (error, "the stream is damaged: a section is not as long as its contents");
}

bool
shape_check_blocks (BpMachine *m, GArray *blocks, const char *machine, GError **error)
{
  Differences d = { .text = g_string_new (NULL) };
  Compare c = { .m = m, .differs = add_difference, .user = &d };
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
  return conclude (&d, machine, error);
}
