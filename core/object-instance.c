/* object-instance.c -- instances: allocation, the one life cycle, pins and regions by name. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "machine.h"

/* Where object_instance puts the instance. */
#define INSTANCE_OFFSET ((sizeof (BpObject) + 63) & ~(size_t) 63)

/* Bytes behind the instance that its type has no right to.  Sanitizers watch those behind the allocation. */
#if defined __SANITIZE_ADDRESS__
enum { GUARD_SIZE = 0 };
#else
enum { GUARD_SIZE = 64 };
#endif
#define GUARD_BYTE 0xa5

/* --- callbacks ------------------------------------------------------------------------------ */

/* A callback that a type does not set is its nearest ancestor's; one that it sets stands alone. */
#define CALLBACK(object, member) \
  ({ \
    const BpTypeDesc *t_ = (object)->type; \
    while (t_->parent && !t_->member) { \
      t_ = t_->parent; \
    } \
    t_->member; \
  })

/* --- making and freeing --------------------------------------------------------------------- */

static void
pin_clear (void *data)
{
  ObjectPin *entry = data;
  g_free (entry->name);
  pin_free (entry->pin);
}

static void
region_clear (void *data)
{
  ObjectRegion *entry = data;
  g_free (entry->name);
  g_free (entry->help);
}

static void
create_pins (BpObject *object)
{
  g_autoptr (GArray) rows = type_pins (object->type);
  for (unsigned i = 0; i < rows->len; i++) {
    BpPinDesc *row = &g_array_index (rows, BpPinDesc, i);
    for (unsigned n = 0; n < row->count; n++) {
      ObjectPin entry = { .desc = *row, .index = n, .pin = pin_new (object, row, n) };
      entry.name = row->count > 1 ? g_strdup_printf ("%s%u", row->name, n) : g_strdup (row->name);
      if (row->direction == BP_PIN_OUT) {
        BpPin **fields = (BpPin **) ((uint8_t *) object_instance (object) + row->offset);
        fields[n] = entry.pin;
      }
      g_array_append_val (object->pins, entry);
    }
  }
}

static void
create_regions (BpObject *object)
{
  g_autoptr (GArray) rows = type_regions (object->type);
  void *self = object_instance (object);
  for (unsigned i = 0; i < rows->len; i++) {
    BpRegionDesc *row = &g_array_index (rows, BpRegionDesc, i);
    BpRegion *region = bp_region_new_io (self, row->name, row->ops, row->size);
    *(BpRegion **) ((uint8_t *) self + row->offset) = region;
    object_add_region (object, row->name, region, row->help);
  }
}

static void
set_defaults (BpObject *object)
{
  uint8_t *self = object_instance (object);
  for (unsigned i = 0; i < object->properties->len; i++) {
    property_set_default (object, &g_array_index (object->properties, BpProperty, i), self);
  }
}

BpObject *
object_new (const BpTypeDesc *type, const char *id, BpMachine *machine)
{
  BpObject *object = g_aligned_alloc0 (1, INSTANCE_OFFSET + type->instance_size + GUARD_SIZE, 64);
  memset ((uint8_t *) object + INSTANCE_OFFSET + type->instance_size, GUARD_BYTE, GUARD_SIZE);
  object->magic = OBJECT_MAGIC;
  object->stage = OBJECT_NEW;
  object->id = g_strdup (id);
  object->type = type;
  object->machine = machine;
  object->properties = type_properties (type);
  object->pins = g_array_new (FALSE, TRUE, sizeof (ObjectPin));
  g_array_set_clear_func (object->pins, pin_clear);
  object->regions = g_array_new (FALSE, TRUE, sizeof (ObjectRegion));
  g_array_set_clear_func (object->regions, region_clear);
  object->owned_strings = g_ptr_array_new_with_free_func (g_free);
  object->given = g_byte_array_new ();
  g_byte_array_set_size (object->given, object->properties->len);
  if (object->given->len) {
    memset (object->given->data, 0, object->given->len);
  }
  set_defaults (object);
  create_pins (object);
  create_regions (object);
  return object;
}

bool
object_is_intact (const BpObject *object)
{
  const uint8_t *guard = (const uint8_t *) object + INSTANCE_OFFSET + object->type->instance_size;
  for (unsigned i = 0; i < GUARD_SIZE; i++) {
    if (guard[i] != GUARD_BYTE) {
      return false;
    }
  }
  return true;
}

static void
free_regions (BpObject *object)
{
  while (object->regions->len > 0) {
    BpRegion *region = g_array_index (object->regions, ObjectRegion, object->regions->len - 1).region;
    g_array_set_size (object->regions, object->regions->len - 1);
    bp_region_free (region);
  }
}

/* At most once a realize. */
static void
release (BpObject *object)
{
  void (*unrealize) (void *) = CALLBACK (object, unrealize);
  if (unrealize && !object->released) {
    object->released = true;
    unrealize (object_instance (object));
  }
}

static void
finish (BpObject *object)
{
  object_release (object);      /* what only configure acquired goes the same way */
  clock_forget (object);
  free_regions (object);
  g_array_unref (object->regions);
  g_array_unref (object->pins);
  g_array_unref (object->properties);
  g_ptr_array_unref (object->owned_strings);
  g_byte_array_unref (object->given);
  g_free (object->id);
  object->magic = 0;
}

void
object_free (BpObject *object)
{
  if (!object) {
    return;
  }
  finish (object);
  g_aligned_free (object);
}

void
object_free_when_called (BpObject *object, BpLoop *loop)
{
  finish (object);
  bp_loop_post (loop, false, NULL, g_aligned_free, object);
}

/* --- life cycle ----------------------------------------------------------------------------- */

/* A callback that failed without a word still gets an error. */
static bool
failed (GError *reason, const char *step, GError **error)
{
  if (!reason) {
    g_set_error (&reason, BP_ERROR, BP_ERROR_FAILED, "%s failed without giving a reason", step);
  }
  g_propagate_error (error, reason);
  return false;
}

static bool
required_are_given (BpObject *object, GError **error)
{
  for (unsigned i = 0; i < object->properties->len; i++) {
    const BpProperty *p = &g_array_index (object->properties, BpProperty, i);
    if ((p->flags & BP_PROPERTY_REQUIRED) && !object->given->data[i]) {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "the required property `%s` is not set (%s)", p->name,
                   p->help ? p->help : "");
      return false;
    }
  }
  return true;
}

bool
object_try_configure (BpObject *object, GError **error)
{
  g_assert (object->stage == OBJECT_NEW);
  if (!required_are_given (object, error)) {
    return false;
  }
  bool (*configure) (void *, GError **) = CALLBACK (object, configure);
  GError *reason = NULL;
  bool good = !configure || configure (object_instance (object), &reason);
  object->stage = OBJECT_CONFIGURED;
  return good || failed (reason, "configure", error);
}

bool
object_configure (BpObject *object, GError **error)
{
  if (object_try_configure (object, error)) {
    return true;
  }
  object_release (object);
  object->stage = OBJECT_NEW;
  return false;
}

bool
object_try_realize (BpObject *object, GError **error)
{
  g_assert (object->stage == OBJECT_CONFIGURED);
  bool (*realize) (void *, GError **) = CALLBACK (object, realize);
  GError *reason = NULL;
  object->released = false;
  if (realize && !realize (object_instance (object), &reason)) {
    return failed (reason, "realize", error);
  }
  object->stage = OBJECT_REALIZED;
  return true;
}

bool
object_realize (BpObject *object, GError **error)
{
  if (object_try_realize (object, error)) {
    return true;
  }
  object_release (object);
  return false;
}

static void
each_pin (BpObject *object, void (*f) (BpPin *pin))
{
  for (unsigned i = 0; i < object->pins->len; i++) {
    f (g_array_index (object->pins, ObjectPin, i).pin);
  }
}

/* An object without a reset forgets nothing, and hears of levels when they come. */
void
object_await_reset (BpObject *object)
{
  void (*reset) (void *, BpResetKind) = CALLBACK (object, reset);
  if (reset && !object->awaits_reset) {
    object->awaits_reset = true;
    each_pin (object, pin_forget);
  }
}

void
object_reset (BpObject *object, BpResetKind kind)
{
  g_assert (object->stage == OBJECT_REALIZED);
  void (*reset) (void *, BpResetKind) = CALLBACK (object, reset);
  if (reset) {
    object_await_reset (object);
    reset (object_instance (object), kind);
    object->awaits_reset = false;
    each_pin (object, pin_tell);
  }
}

void
object_unrealize (BpObject *object)
{
  if (object->stage == OBJECT_REALIZED) {
    object_release (object);
  }
}

void
object_release (BpObject *object)
{
  if (object->stage != OBJECT_NEW) {
    object->stage = OBJECT_CONFIGURED;
    release (object);
  }
}

BpRemoval
object_removal (BpObject *object, GError **error)
{
  BpRemoval (*removal) (void *, GError **) = CALLBACK (object, removal);
  GError *reason = NULL;
  BpRemoval what = removal ? removal (object_instance (object), &reason) : BP_REMOVAL_NOW;
  if (what == BP_REMOVAL_REFUSED) {
    failed (reason, "removal", error);
  }
  return what;
}

bool
object_post_load (BpObject *object, GError **error)
{
  bool (*post_load) (void *, GError **) = CALLBACK (object, post_load);
  GError *reason = NULL;
  if (post_load && !post_load (object_instance (object), &reason)) {
    return failed (reason, "post_load", error);
  }
  return true;
}

void
object_property_changed (BpObject *object, const char *name)
{
  void (*changed) (void *, const char *) = CALLBACK (object, property_changed);
  if (changed) {
    changed (object_instance (object), name);
  }
}

/* --- pins and regions ----------------------------------------------------------------------- */

ObjectPin *
object_pin (BpObject *object, const char *name)
{
  for (unsigned i = 0; i < object->pins->len; i++) {
    ObjectPin *entry = &g_array_index (object->pins, ObjectPin, i);
    if (strcmp (entry->name, name) == 0) {
      return entry;
    }
  }
  return NULL;
}

ObjectRegion *
object_region (BpObject *object, const char *name)
{
  for (unsigned i = 0; i < object->regions->len; i++) {
    ObjectRegion *entry = &g_array_index (object->regions, ObjectRegion, i);
    if (strcmp (entry->name, name) == 0) {
      return entry;
    }
  }
  return NULL;
}

void
object_add_region (BpObject *object, const char *name, BpRegion *region, const char *help)
{
  ObjectRegion entry = { .name = g_strdup (name), .help = g_strdup (help), .region = region };
  g_array_append_val (object->regions, entry);
}

void
object_forget_region (BpObject *object, BpRegion *region)
{
  for (unsigned i = 0; i < object->regions->len; i++) {
    if (g_array_index (object->regions, ObjectRegion, i).region == region) {
      g_array_remove_index (object->regions, i);
      return;
    }
  }
}

/* --- what an instance may ask --------------------------------------------------------------- */

static BpObject *
checked (const void *self)
{
  BpObject *object = object_of (self);
  g_assert (object->magic == OBJECT_MAGIC);
  return object;
}

const char *
bp_object_id (const void *self)
{
  g_return_val_if_fail (self, "?");
  return checked (self)->id;
}

const char *
bp_object_type_name (const void *self)
{
  g_return_val_if_fail (self, "?");
  return checked (self)->type->name;
}

BpMachine *
bp_object_machine (const void *self)
{
  g_return_val_if_fail (self, NULL);
  return checked (self)->machine;
}

const void *
bp_object_interface (const void *self, const char *interface_id)
{
  g_return_val_if_fail (self && interface_id, NULL);
  return type_interface (checked (self)->type, interface_id);
}
