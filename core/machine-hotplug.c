/* machine-hotplug.c -- objects that join and leave a realized machine, as sections of its descriptor would make them. */
/* SPDX-License-Identifier: MIT */
/*
 * An object joins in the builder's steps, of which each can fail: then all that was done is undone, and what was wrong is told in the words of a descriptor's
 * errors.  It leaves, or is undone, while no vCPU runs and no disk transfers anything, so that nobody holds a pointer into it or its memory.
 */
#include "contract.h"
#include "instrument.h"
#include "memory.h"
#include "migrate.h"
#include <string.h>

/* --- joining ------------------------------------------------------------------------------------ */

static const Origin added_origin = { "", 0, NULL };

static bool
refuse_type (Descriptor *d, Section *s, const BpTypeDesc *type)
{
  g_autoptr (GPtrArray) all = type_all ();
  g_autoptr (GString) others = g_string_new (NULL);
  for (guint i = 0; i < all->len; i++) {
    const BpTypeDesc *t = all->pdata[i];
    if (t->kind == type->kind && t->flags & BP_TYPE_HOT_PLUG)
      g_string_append_printf (others, "%s%s", others->len ? ", " : "", t->name);
  }
  descriptor_error (d, NULL, s, "type", NULL, "a `%s` cannot join a machine that runs%s%s", type->name, others->len ? "; these can: " : "", others->str);
  return false;
}

static bool
make (Build *b, Section *s)
{
  if (section_value (s, "count")) {
    descriptor_error (b->d, NULL, s, "count", NULL, "objects join one at a time");
    return false;
  }
  schema_load_module (b->d, s);
  const BpTypeDesc *type = schema_type (b->d, s);
  if (!type || (!(type->flags & BP_TYPE_HOT_PLUG) && !refuse_type (b->d, s, type)))
    return false;
  bp_machine_lock (b->m);
  build_add_object (b, s, type, s->name, -1);
  if (b->items->len > 0)
    g_array_index (b->items, Item, 0).object->apart = true;
  bp_machine_unlock (b->m);
  return b->items->len > 0;
}

static bool
configure (Build *b, Item *item)
{
  g_autoptr (GError) error = NULL;
  build_set_properties (b, item);
  if (item->broken)
    return false;
  if (object_try_configure (item->object, &error))
    return true;
  descriptor_object_error (b->d, item->section, error->message);
  return false;
}

/* The guest sees it when it is ready. */
static bool
connect (Build *b, Item *item)
{
  guint first = full_machine (b->m)->mappings->len;
  g_autoptr (GError) error = NULL;
  build_take_other_keys (b, item);
  build_check_pins (b);
  build_check_backends (b);
  build_check_maps (b);
  if (b->d->errors->len)
    return false;
  if (!object_try_realize (item->object, &error)) {
    descriptor_object_error (b->d, item->section, error->message);
    return false;
  }
  g_ptr_array_add (b->m->realize_order, item->object);
  object_reset (item->object, BP_RESET_COLD);
  build_apply_maps (b, first);
  item->object->apart = false;
  msi_objects_changed (b->m);
  return true;
}

/* Everything that points to it, and then itself.  The machine is locked, and no vCPU runs. */
static void
forget (BpMachine *m, BpObject *o)
{
  FullMachine *fm = full_machine (m);
  o->apart = true;
  msi_objects_changed (m);
  build_forget_maps (m, o);
  for (guint i = 0; i < o->pins->len; i++) {
    const ObjectPin *p = &g_array_index (o->pins, ObjectPin, i);
    if (p->desc.direction == BP_PIN_OUT)
      bp_pin_set (p->pin, 0);
  }
  object_release (o);
  instrument_forget (o);
  g_ptr_array_remove (m->objects, o);
  g_ptr_array_remove (m->realize_order, o);
  g_hash_table_remove (m->by_id, o->id);
  g_hash_table_remove (fm->sections, o);
  object_free_when_called (o, m->main_loop);
}

static void
stop_and_forget (BpMachine *m, BpObject *o)
{
  bool ran = bp_machine_run_state (m) == BP_RUN_RUNNING;
  g_autoptr (GError) error = NULL;
  if (ran)
    vcpus_stop (m);
  vcpus_settle (m);
  if (!o->apart)                /* else nobody has seen its memory, and it may be a disk that cannot be asked */
    machine_drain_disks (m);
  bp_machine_lock (m);
  forget (m, o);
  symbols_collect (m);
  bp_machine_unlock (m);
  if (ran && !machine_is_ending (m) && !vcpus_start (m, &error))
    bp_machine_request_shutdown (m, 1, error->message);
}

/* With the section in the descriptor; on failure it is there still, and nothing else is. */
static BpObject *
join (BpMachine *m, Section *s, GError **error)
{
  Build b = { m->descriptor, m, g_array_new (FALSE, FALSE, sizeof (Item)), g_hash_table_new (NULL, NULL) };
  descriptor_clear_errors (b.d);
  bool good = make (&b, s);
  Item *item = good ? &g_array_index (b.items, Item, 0) : NULL;
  BpObject *o = good ? item->object : NULL;
  good = good && configure (&b, item);
  bp_machine_lock (m);
  good = good && connect (&b, item);
  if (good)
    symbols_collect (m);
  bp_machine_unlock (m);
  if (!good && o)
    stop_and_forget (m, o);
  if (!good) {
    g_ptr_array_add (b.d->errors, NULL);
    g_autofree char *all = g_strjoinv ("\n", (char **) b.d->errors->pdata);
    g_set_error_literal (error, BP_ERROR, BP_ERROR_DESCRIPTOR, *all ? all : "it was refused without a reason");
    g_ptr_array_set_size (b.d->errors, (int) b.d->errors->len - 1);
  }
  descriptor_clear_errors (b.d);
  g_array_unref (b.items);
  g_hash_table_unref (b.item_by_object);
  return good ? o : NULL;
}

static bool
check_place (BpMachine *m, const char *kind, const char *id, GError **error)
{
  const SectionKind *k = section_kind (kind);
  const Section *there = descriptor_section (m->descriptor, id);
  if (!full_machine (m)->realized)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the machine is not ready yet");
  else if (!k || !k->is_object)
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "a section [%s] makes no object", kind);
  else if (!section_is_name (id))
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "`%s` is no name for an object: letters, digits, `-` and `_`", id);
  else if (there || g_hash_table_contains (m->by_id, id))
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "the object `%s` exists%s%s%s", id, there ? ": [" : "", there ? section_label (there) : "",
                 there ? "]" : "");
  else
    return true;
  return false;
}

static bool
put_keys (Section *s, const BpObjectKey *keys, GError **error)
{
  for (const BpObjectKey *k = keys; k && k->key; k++) {
    RawValue raw = { (char *) k->key, (char *) k->value, (char *) k->value, false, true, added_origin };
    const char *wrong = !reader_is_key (k->key, strlen (k->key)) ? "is not a key"
                        : section_value (s, k->key)              ? "is there twice"
                        : !g_utf8_validate (k->value, -1, NULL)  ? "has a value that is not UTF-8"
                                                                 : NULL;
    if (wrong) {
      g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "[%s] `%s` %s", section_label (s), k->key, wrong);
      return false;
    }
    section_put (s, &raw, false);
  }
  return true;
}

static const char *
value_of (const BpObjectKey *keys, const char *key)
{
  for (; keys && keys->key; keys++)
    if (strcmp (keys->key, key) == 0)
      return keys->value;
  return NULL;
}

/* That of the type that the keys name; NULL with error. */
static const char *
kind_of_keys (const BpObjectKey *keys, GError **error)
{
  const char *module = value_of (keys, "module"), *name = value_of (keys, "type");
  if (module && !plugin_load (module, error))
    return NULL;
  const BpTypeDesc *type = name ? schema_find_type (name) : NULL;
  if (type)
    return kind_name (type->kind);
  if (!name) {
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "the key `type` is missing");
    return NULL;
  }
  g_autoptr (GPtrArray) all = type_all ();
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  for (guint i = 0; i < all->len; i++)
    g_ptr_array_add (names, (char *) ((const BpTypeDesc *) all->pdata[i])->name);
  g_ptr_array_add (names, NULL);
  const char *near = nearest_name (name, (const char *const *) names->pdata);
  g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "no plugin here has a type `%s`%s%s%s", name, near ? " (did you mean `" : "", near ? near : "",
               near ? "`?)" : "");
  return NULL;
}

void *
bp_machine_add_object (BpMachine *machine, const char *kind, const char *id, const BpObjectKey *keys, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  g_return_val_if_fail (machine && id, NULL);
  if (!migration_may_change (machine, error) || (!kind && !(kind = kind_of_keys (keys, error))))
    return NULL;
  if (!check_place (machine, kind, id, error))
    return NULL;
  Section *s = descriptor_add (machine->descriptor, kind, id, &added_origin);
  BpObject *o = put_keys (s, keys, error) ? join (machine, s, error) : NULL;
  if (!o) {
    descriptor_take_out (machine->descriptor, s);
    section_free (s);
    return NULL;
  }
  machine_tell (machine, BP_MACHINE_OBJECT_ADDED, o->id);
  return object_instance (o);
}

/* --- leaving ------------------------------------------------------------------------------------ */

static bool
links_to (BpObject *user, const void *instance, const char **key)
{
  for (guint i = 0; i < user->properties->len; i++) {
    const BpProperty *p = &g_array_index (user->properties, BpProperty, i);
    const BpLink *link = (const BpLink *) ((const uint8_t *) object_instance (user) + p->offset);
    *key = p->name;
    if (p->kind == BP_PROPERTY_LINK && link->instance == instance)
      return true;
  }
  return false;
}

static bool
is_driven (BpMachine *m, BpObject *o, char **by)
{
  for (guint i = 0; i < m->objects->len; i++) {
    BpObject *other = m->objects->pdata[i];
    for (guint j = 0; other != o && j < other->pins->len; j++) {
      const ObjectPin *pin = &g_array_index (other->pins, ObjectPin, j);
      g_autoptr (GPtrArray) targets = pin->desc.direction == BP_PIN_OUT ? pin_targets (pin->pin) : g_ptr_array_new ();
      for (guint k = 0; k < targets->len; k++)
        if (pin_owner (targets->pdata[k]) == o) {
          *by = g_strdup_printf ("the pin %s.%s drives it", other->id, pin->name);
          return true;
        }
    }
  }
  return false;
}

static bool
shows (const BpRegion *region, const void *instance)
{
  while (region && region->owner != instance && region->publisher != instance)
    region = region->target;
  return region;
}

char *
machine_users_of (BpMachine *m, BpObject *o)
{
  GArray *mappings = full_machine (m)->mappings;
  char *by = NULL;
  const char *key;
  for (guint i = 0; i < m->objects->len; i++) {
    BpObject *other = m->objects->pdata[i];
    if (other != o && links_to (other, object_instance (o), &key))
      return g_strdup_printf ("`%s` uses it (%s = %s)", other->id, key, o->id);
  }
  for (guint i = 0; i < mappings->len; i++) {
    const Mapping *map = &g_array_index (mappings, Mapping, i);
    if (map->section != object_section (o) && shows (map->region, object_instance (o)))
      return g_strdup_printf ("[%s] maps it", section_label (map->section));
  }
  return is_driven (m, o, &by) ? by : NULL;
}

static bool
may_leave (BpMachine *m, BpObject *o, GError **error)
{
  if (!(o->type->flags & BP_TYPE_HOT_PLUG))
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "`%s` is a `%s`, which cannot leave a machine that runs", o->id, o->type->name);
  else if (o->index >= 0)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "`%s` is one of several that [%s] makes", o->id, section_label (object_section (o)));
  else {
    g_autofree char *user = machine_users_of (m, o);
    if (user)
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "`%s` cannot leave: %s", o->id, user);
    return !user;
  }
  return false;
}

/* The section of one that was added goes with it; one of the descriptor is kept, for who goes back to a time when it was there. */
static void
drop_section (BpMachine *m, Section *s)
{
  FullMachine *fm = full_machine (m);
  descriptor_take_out (m->descriptor, s);
  if (section_is_added (s)) {
    section_free (s);
    return;
  }
  if (!fm->unplugged)
    fm->unplugged = g_ptr_array_new_with_free_func (section_free);
  g_ptr_array_add (fm->unplugged, s);
}

void
machine_drop_object (BpMachine *m, BpObject *o)
{
  g_autofree char *id = g_strdup (o->id);
  Section *s = object_section (o);
  stop_and_forget (m, o);
  drop_section (m, s);
  machine_tell (m, BP_MACHINE_OBJECT_REMOVED, id);
}

BpRemoval
bp_machine_remove_object (BpMachine *machine, const char *id, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  BpObject *o = g_hash_table_lookup (machine->by_id, id);
  if (!o) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no object `%s`", id);
    return BP_REMOVAL_REFUSED;
  }
  if (!migration_may_change (machine, error) || !may_leave (machine, o, error))
    return BP_REMOVAL_REFUSED;
  bp_machine_lock (machine);
  BpRemoval what = object_removal (o, error);
  o->leaving = what == BP_REMOVAL_ASKED;
  bp_machine_unlock (machine);
  if (what == BP_REMOVAL_NOW)
    machine_drop_object (machine, o);
  return what;
}

bool
bp_object_is_leaving (const void *self)
{
  CONTRACT_MAIN (bp_object_machine (self));
  return object_of (self)->leaving;
}

bool
machine_replug (BpMachine *m, const char *id, GError **error)
{
  GPtrArray *all = full_machine (m)->unplugged;
  for (guint i = 0; all && i < all->len; i++) {
    Section *s = all->pdata[i];
    if (strcmp (s->name, id) != 0 || !check_place (m, s->kind, id, error))
      continue;
    g_ptr_array_steal_index (all, i);
    descriptor_put_back (m->descriptor, s);
    if (join (m, s, error)) {
      machine_tell (m, BP_MACHINE_OBJECT_ADDED, id);
      return true;
    }
    drop_section (m, s);
    return false;
  }
  return (error && *error) || snapshot_refuse (error, "the machine never had an object `%s`", id);
}

/* --- what guests answer --------------------------------------------------------------------------- */

typedef struct Answer {
  char *id;
  char *why;                    /* it stays; NULL: it goes */
} Answer;

static void
answer_free (void *data)
{
  Answer *a = data;
  g_free (a->id);
  g_free (a->why);
  g_free (a);
}

static void
put_answer (const void *self, const char *why)
{
  BpMachine *m = bp_object_machine (self);
  FullMachine *fm = full_machine (m);
  Answer *a = g_new (Answer, 1);
  *a = (Answer) { g_strdup (bp_object_id (self)), g_strdup (why) };
  bp_machine_lock (m);
  if (!fm->answers)
    fm->answers = g_ptr_array_new_with_free_func (answer_free);
  g_ptr_array_add (fm->answers, a);
  machine_request (m, REQUEST_REMOVAL);
  bp_machine_unlock (m);
}

void
bp_object_removal_done (void *self)
{
  put_answer (self, NULL);
}

void
bp_object_removal_refused (void *self, const char *why)
{
  put_answer (self, why ? why : "it does not say why");
}

/* By its id: it may have left meanwhile, and somebody may have begun to use it. */
static void
take_answer (BpMachine *m, const Answer *a)
{
  BpObject *o = g_hash_table_lookup (m->by_id, a->id);
  g_autoptr (GError) error = NULL;
  if (!o)
    return;
  o->leaving = false;
  bool goes = !a->why && may_leave (m, o, &error);
  if (goes) {
    machine_drop_object (m, o);
    return;
  }
  g_autofree char *detail = g_strdup_printf ("%s: %s", a->id, a->why ? a->why : error->message);
  machine_tell (m, BP_MACHINE_REMOVAL_REFUSED, detail);
}

void
machine_take_answers (BpMachine *m)
{
  bp_machine_lock (m);
  g_autoptr (GPtrArray) answers = g_steal_pointer (&full_machine (m)->answers);
  bp_machine_unlock (m);
  for (guint i = 0; answers && i < answers->len; i++)
    take_answer (m, answers->pdata[i]);
}

void
machine_free_answers (BpMachine *m)
{
  bp_machine_lock (m);
  g_clear_pointer (&full_machine (m)->answers, g_ptr_array_unref);
  bp_machine_unlock (m);
}
