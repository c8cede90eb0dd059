/* machine-wire.c -- the builder's wires: pins named in keys and in [wire] sections, and who has which backend. */
/* SPDX-License-Identifier: MIT */
#include "build.h"
#include <backplane/iface/block.h>
#include <backplane/iface/char.h>
#include <backplane/iface/net.h>
#include <string.h>

static const char **
pin_names (BpObject *o, BpPinDirection direction)
{
  GPtrArray *names = g_ptr_array_new ();
  for (guint i = 0; i < o->pins->len; i++)
    if (g_array_index (o->pins, ObjectPin, i).desc.direction == direction)
      g_ptr_array_add (names, g_array_index (o->pins, ObjectPin, i).name);
  g_ptr_array_add (names, NULL);
  return (const char **) g_ptr_array_free (names, FALSE);
}

static ObjectPin *
report_pin (Build *b, Section *s, Value *v, BpObject *o, const char *pin, BpPinDirection direction)
{
  static const char *const words[] = { "output", "input" };
  g_autofree const char **names = pin_names (o, direction);
  g_autofree char *all = g_strjoinv (", ", (char **) names);
  const char *near = nearest_name (pin, names);
  g_autofree char *hint = near ? g_strdup_printf ("%s.%s", o->id, near) : NULL;
  if (!*names)
    descriptor_error (b->d, &v->origin, s, v->key, NULL, "`%s` (%s) has no %s pins", o->id, o->type->name,
                      words[direction]);
  else if (strlen (all) > 100)
    descriptor_error (b->d, &v->origin, s, v->key, hint, "`%s` (%s) has no %s pin `%s`", o->id, o->type->name,
                      words[direction], pin);
  else
    descriptor_error (b->d, &v->origin, s, v->key, hint, "`%s` (%s) has no %s pin `%s`; it has: %s", o->id,
                      o->type->name, words[direction], pin, all);
  return NULL;
}

/* "pic.in4" -> the pin; NULL with the error appended. */
static ObjectPin *
pin_find (Build *b, Section *s, Value *v, const char *path, BpPinDirection direction)
{
  const char *dot = strchr (path, '.');
  if (!dot || dot == path || !dot[1]) {
    descriptor_error (b->d, &v->origin, s, v->key, NULL,
                      "`%s` is not a pin; write OBJECT.PIN, for example pic.in4", path);
    return NULL;
  }
  g_autofree char *id = g_strndup (path, (gsize) (dot - path));
  bool silent;
  BpObject *o = build_find (b, s, v, id, &silent);
  if (!o)
    return NULL;
  ObjectPin *pin = object_pin (o, dot + 1);
  if (pin && pin->desc.direction == direction)
    return pin;
  if (pin && direction == BP_PIN_IN)
    descriptor_error (b->d, &v->origin, s, v->key, NULL, "`%s` is an output, and cannot be driven", path);
  else if (pin)
    descriptor_error (b->d, &v->origin, s, v->key, NULL, "`%s` is an input, and drives nothing", path);
  else if (!build_is_broken (b, o))
    report_pin (b, s, v, o, dot + 1, direction);
  return NULL;
}

static void
connect (Build *b, Section *s, Value *v, BpPin *out, BpPin *in)
{
  g_autoptr (GError) error = NULL;
  if (!pin_connect (out, in, &error))
    descriptor_error (b->d, &v->origin, s, v->key, NULL, "%s", error->message);
}

void
build_wire_key (Build *b, Item *item, Value *v)
{
  ObjectPin *pin = object_pin (item->object, v->key);
  if (pin->desc.direction == BP_PIN_IN) {
    descriptor_error (
        b->d, &v->origin, item->section, v->key, NULL,
        "the pin is an input; name it in the section of the object that drives it, or in a [wire]");
    return;
  }
  g_autofree char *text = value_text (v, item->object);
  g_auto (GStrv) paths = list_split (text);
  for (char **path = paths; *path; path++) {
    ObjectPin *in = pin_find (b, item->section, v, *path, BP_PIN_IN);
    if (in)
      connect (b, item->section, v, pin->pin, in->pin);
  }
}

void
build_wire_section (Build *b, Section *s)
{
  Value *from = section_value (s, "from"), *to = section_value (s, "to");
  if (!from || !to)
    return;
  g_auto (GStrv) sources = list_split (from->text);
  g_auto (GStrv) targets = list_split (to->text);
  g_autoptr (GPtrArray) ins = g_ptr_array_new ();
  for (char **target = targets; *target; target++) {
    ObjectPin *in = pin_find (b, s, to, *target, BP_PIN_IN);
    if (in)
      g_ptr_array_add (ins, in->pin);
  }
  for (char **source = sources; *source; source++) {
    ObjectPin *out = pin_find (b, s, from, *source, BP_PIN_OUT);
    for (guint i = 0; out && i < ins->len; i++)
      connect (b, s, to, out->pin, ins->pdata[i]);
  }
}

void
build_check_pins (Build *b)
{
  for (guint i = 0; i < b->items->len; i++) {
    Item *item = &g_array_index (b->items, Item, i);
    if (!item->object || item->broken)
      continue;
    for (guint j = 0; j < item->object->pins->len; j++) {
      ObjectPin *pin = &g_array_index (item->object->pins, ObjectPin, j);
      bool tried = section_value (item->section, pin->name) != NULL;
      if ((pin->desc.flags & BP_PIN_REQUIRED) && !pin_is_connected (pin->pin) && !tried)
        descriptor_error (b->d, NULL, item->section, pin->name, NULL, "the pin must be wired (%s)",
                          pin->desc.help ? pin->desc.help : "");
    }
  }
}

/* --- backends ----------------------------------------------------------------------------- */

/* That it links to, if such backends serve one device each (`attach' of their interface); else NULL. */
static void *
backend_of (BpObject *o, const BpProperty *p)
{
  static const char *const one_each[] = { BP_BLOCK_ID, BP_CHAR_ID, BP_NET_ID };
  for (guint i = 0; p->kind == BP_PROPERTY_LINK && i < G_N_ELEMENTS (one_each); i++)
    if (g_strcmp0 (p->interface_id, one_each[i]) == 0)
      return ((const BpLink *) ((const uint8_t *) object_instance (o) + p->offset))->instance;
  return NULL;
}

static void
report_backend (Build *b, BpObject *o, const char *key, const void *backend, const BpObject *user)
{
  const Item *item = build_item (b, o);
  if (!item || item->broken)
    return;
  Value *v = section_value (item->section, key);
  descriptor_error (b->d, v ? &v->origin : NULL, item->section, key, NULL, "`%s` is in use by another device, `%s`, and serves one", bp_object_id (backend), user->id);
}

void
build_check_backends (Build *b)
{
  g_autoptr (GHashTable) users = g_hash_table_new (NULL, NULL);         /* of backends: the first */
  for (guint i = 0; i < b->m->objects->len; i++) {
    BpObject *o = b->m->objects->pdata[i];
    for (guint j = 0; j < o->properties->len; j++) {
      const BpProperty *p = &g_array_index (o->properties, BpProperty, j);
      void *backend = backend_of (o, p);
      const BpObject *user = backend ? g_hash_table_lookup (users, backend) : NULL;
      if (user)
        report_backend (b, o, p->name, backend, user);
      else if (backend)
        g_hash_table_insert (users, backend, o);
    }
  }
}
