/* irq.c -- pins: levels carried from an output to the inputs it is wired to, at once. */
/* SPDX-License-Identifier: MIT */

#include <backplane/log.h>
#include <string.h>

#include "contract.h"
#include "object.h"

/* One wire.  It remembers the level it has carried, so that a line changed from inside a callback ends up the
 * same everywhere. */
typedef struct Wire {
  BpPin *in;
  int level;
} Wire;

struct BpPin {
  BpObject *owner;
  BpPinDesc desc;
  unsigned index;
  int level;                    /* OUT: last driven; IN: last told to the device */
  /* OUT */
  GArray *wires;                /* of Wire */
  unsigned depth;               /* bp_pin_set calls of this pin in progress */
  bool loop_reported;
  /* IN */
  GPtrArray *drivers;           /* of BpPin * */
  unsigned n_high;              /* wires that carry a 1 */
  int forced;                   /* the level driven straight into the input, without a wire */
};

/* A line that changes itself this often within one change never settles. */
enum { DEEPEST = 32 };

/* --- wiring --------------------------------------------------------------------------------- */

BpPin *
pin_new (BpObject *owner, const BpPinDesc *desc, unsigned index)
{
  BpPin *pin = g_new0 (BpPin, 1);
  pin->owner = owner;
  pin->desc = *desc;
  pin->index = index;
  pin->wires = g_array_new (FALSE, TRUE, sizeof (Wire));
  pin->drivers = g_ptr_array_new ();
  return pin;
}

static bool
wire_find (BpPin *out, BpPin *in, unsigned *at)
{
  for (unsigned i = 0; i < out->wires->len; i++) {
    if (g_array_index (out->wires, Wire, i).in == in) {
      *at = i;
      return true;
    }
  }
  return false;
}

void
pin_free (BpPin *pin)
{
  if (!pin) {
    return;
  }
  for (unsigned i = 0; i < pin->wires->len; i++) {
    Wire *wire = &g_array_index (pin->wires, Wire, i);
    wire->in->n_high -= (unsigned) wire->level;
    g_ptr_array_remove_fast (wire->in->drivers, pin);
  }
  for (unsigned i = 0; i < pin->drivers->len; i++) {
    BpPin *out = g_ptr_array_index (pin->drivers, i);
    unsigned at;
    if (wire_find (out, pin, &at)) {
      g_array_remove_index (out->wires, at);
    }
  }
  g_array_unref (pin->wires);
  g_ptr_array_unref (pin->drivers);
  g_free (pin);
}

bool
pin_connect (BpPin *out, BpPin *in, GError **error)
{
  g_autofree char *from = pin_path (out), *to = pin_path (in);
  unsigned at;
  if (out->desc.direction != BP_PIN_OUT) {
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "%s is an input: only an output can drive %s", from,
                 to);
    return false;
  }
  if (in->desc.direction != BP_PIN_IN) {
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "%s is an output: %s can only drive an input", to,
                 from);
    return false;
  }
  if (wire_find (out, in, &at)) {
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "%s is already wired to %s", from, to);
    return false;
  }
  if (in->drivers->len > 0 && !(in->desc.flags & BP_PIN_WIRED_OR)) {
    g_autofree char *first = pin_path (g_ptr_array_index (in->drivers, 0));
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "%s has two drivers, %s and %s, and takes only one",
                 to, first, from);
    return false;
  }
  Wire wire = { .in = in };
  g_array_append_val (out->wires, wire);
  g_ptr_array_add (in->drivers, out);
  return true;
}

GPtrArray *
pin_targets (BpPin *out)
{
  GPtrArray *targets = g_ptr_array_new ();
  for (unsigned i = 0; i < out->wires->len; i++) {
    g_ptr_array_add (targets, g_array_index (out->wires, Wire, i).in);
  }
  return targets;
}

BpObject *
pin_owner (BpPin *pin)
{
  return pin->owner;
}

char *
pin_path (BpPin *pin)
{
  return pin->desc.count > 1 ? g_strdup_printf ("%s.%s%u", pin->owner->id, pin->desc.name, pin->index)
                             : g_strdup_printf ("%s.%s", pin->owner->id, pin->desc.name);
}

bool
pin_is_connected (BpPin *pin)
{
  return pin->wires->len > 0 || pin->drivers->len > 0;
}

/* --- levels --------------------------------------------------------------------------------- */

/* The input's level follows from its drivers; the device hears of a change only, and of none that it would forget in the reset that it is about to get. */
static void
input_update (BpPin *in)
{
  int level = in->n_high > 0 || in->forced;
  if (level != in->level && !in->owner->awaits_reset) {
    in->level = level;
    in->desc.set (object_instance (in->owner), in->index, level);
  }
}

/* A callback may drive the same output again.  That inner call carries its level through all wires, and the
 * outer one then finds nothing left to carry: each wire takes the level that the pin has now, not the one it
 * had when the call began. */
static void
output_update (BpPin *out)
{
  for (unsigned i = 0; i < out->wires->len; i++) {
    Wire *wire = &g_array_index (out->wires, Wire, i);
    BpPin *in = wire->in;
    if (wire->level != out->level) {
      wire->level = out->level;
      in->n_high += out->level ? 1u : -1u;
      input_update (in);
    }
  }
}

static void
report_loop (BpPin *out)
{
  if (!out->loop_reported) {
    g_autofree char *path = pin_path (out);
    bp_warn (NULL, "%s drives itself through its wires and never settles; the change is dropped", path);
    out->loop_reported = true;
  }
}

void
bp_pin_set (BpPin *pin, int level)
{
  level = level != 0;
  if (!pin) {
    return;
  }
  CONTRACT_LOCKED (pin->owner->machine);
  if (pin->desc.direction == BP_PIN_IN) {
    pin->forced = level;
    input_update (pin);
    return;
  }
  if (pin->level == level) {
    return;
  }
  if (pin->depth == DEEPEST) {
    report_loop (pin);
    return;
  }
  pin->level = level;
  pin->depth++;
  output_update (pin);
  pin->depth--;
}

int
bp_pin_level (const BpPin *pin)
{
  if (pin)
    CONTRACT_LOCKED (pin->owner->machine);
  return pin ? pin->level : 0;
}

void
pin_reset (BpPin *pin)
{
  pin->level = 0;
  pin->forced = 0;
  for (unsigned i = 0; i < pin->wires->len; i++) {
    Wire *wire = &g_array_index (pin->wires, Wire, i);
    wire->in->n_high -= (unsigned) wire->level;
    wire->level = 0;
    wire->in->level = wire->in->n_high > 0 || wire->in->forced;
  }
}

void
pin_forget (BpPin *pin)
{
  if (pin->desc.direction == BP_PIN_IN) {
    pin->level = 0;
  }
}

void
pin_tell (BpPin *pin)
{
  if (pin->desc.direction == BP_PIN_IN) {
    input_update (pin);
  }
}

/* --- snapshots ------------------------------------------------------------------------------ */

bool
pin_save (const BpPin *pin)
{
  return pin->desc.direction == BP_PIN_OUT ? pin->level : pin->forced;
}

void
pin_restore (BpPin *pin, bool level)
{
  if (pin->desc.direction == BP_PIN_IN) {
    pin->forced = level;
    return;
  }
  pin->level = level;
  for (unsigned i = 0; i < pin->wires->len; i++) {
    Wire *wire = &g_array_index (pin->wires, Wire, i);
    wire->in->n_high += (unsigned) level - (unsigned) wire->level;
    wire->level = level;
  }
}

void
pin_settle (BpPin *pin)
{
  if (pin->desc.direction == BP_PIN_IN) {
    pin->level = pin->n_high > 0 || pin->forced;
  }
}

BpPin *
bp_pin_new_out (void *self, const char *name, const char *help)
{
  CONTRACT_MAIN (bp_object_machine (self));
  BpObject *object = object_of (self);
  g_return_val_if_fail (object->magic == OBJECT_MAGIC, NULL);
  g_return_val_if_fail (object->stage == OBJECT_NEW, NULL);
  g_return_val_if_fail (!object_pin (object, name), NULL);
  char *kept_name = g_strdup (name), *kept_help = g_strdup (help);
  g_ptr_array_add (object->owned_strings, kept_name);
  g_ptr_array_add (object->owned_strings, kept_help);
  BpPinDesc desc = { .name = kept_name, .direction = BP_PIN_OUT, .count = 1, .help = kept_help };
  ObjectPin entry = { .name = g_strdup (name), .desc = desc, .pin = pin_new (object, &desc, 0) };
  g_array_append_val (object->pins, entry);
  return entry.pin;
}
