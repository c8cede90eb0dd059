/* input.c -- keys by name, and events of people on their way to the device that takes them. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/input.h>
#include <backplane/object.h>
#include <linux/input-event-codes.h>
#include <string.h>
#include "contract.h"

/* --- names ------------------------------------------------------------------------------ */

static const struct { const char *name; uint16_t code; char plain, shifted; } keys[] = {
#define KEY(name_, code_, plain_, shifted_) { name_, KEY_##code_, plain_, shifted_ },
#include "input-keys.def"
#undef KEY
};

unsigned
bp_input_key_code (const char *name)
{
  for (unsigned i = 0; i < BP_N_ELEMENTS (keys); i++)
    if (strcmp (keys[i].name, name) == 0)
      return keys[i].code;
  return 0;
}

const char *
bp_input_key_name (unsigned code)
{
  for (unsigned i = 0; i < BP_N_ELEMENTS (keys); i++)
    if (keys[i].code == code)
      return keys[i].name;
  return NULL;
}

unsigned
bp_input_key_of_character (char character, bool *shift)
{
  for (unsigned i = 0; character && i < BP_N_ELEMENTS (keys); i++)
    if (keys[i].plain == character || keys[i].shifted == character) {
      *shift = keys[i].plain != character;
      return keys[i].code;
    }
  return 0;
}

/* --- routes ------------------------------------------------------------------------------- */

/* Under the machine lock: who takes events of the kind; NULL: nobody. */
static const BpInputIface *
find (BpMachine *machine, uint32_t kind, void **self)
{
  const BpInputIface *found = NULL;
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next (machine, BP_INPUT_ID, &cursor));) {
    const BpInputIface *t = bp_object_interface (o, BP_INPUT_ID);
    uint32_t kinds = BP_TABLE_HAS (t, kinds) ? t->kinds (o) : 0;
    if (!(kinds & kind) || (found && !(kinds & BP_INPUT_PREFERRED)))
      continue;
    found = t;
    *self = o;
    if (kinds & BP_INPUT_PREFERRED)
      break;
  }
  return found;
}

bool
bp_input_send_key (BpMachine *machine, unsigned code, bool down)
{
  CONTRACT_MAIN_OR_LOCKED (machine);
  void *self;
  bp_machine_lock (machine);
  const BpInputIface *t = find (machine, BP_INPUT_KEYS, &self);
  bool taken = BP_TABLE_HAS (t, key);
  if (taken)
    t->key (self, code, down);
  bp_machine_unlock (machine);
  return taken;
}

bool
bp_input_send_relative (BpMachine *machine, int dx, int dy, int wheel, uint32_t buttons)
{
  CONTRACT_MAIN_OR_LOCKED (machine);
  void *self;
  bp_machine_lock (machine);
  const BpInputIface *t = find (machine, BP_INPUT_RELATIVE, &self);
  bool taken = BP_TABLE_HAS (t, relative);
  if (taken)
    t->relative (self, dx, dy, wheel, buttons);
  bp_machine_unlock (machine);
  return taken;
}

bool
bp_input_send_absolute (BpMachine *machine, unsigned x, unsigned y, int wheel, uint32_t buttons)
{
  CONTRACT_MAIN_OR_LOCKED (machine);
  void *self;
  bp_machine_lock (machine);
  const BpInputIface *t = find (machine, BP_INPUT_ABSOLUTE, &self);
  bool taken = BP_TABLE_HAS (t, absolute);
  if (taken)
    t->absolute (self, MIN (x, BP_INPUT_ABSOLUTE_MAX), MIN (y, BP_INPUT_ABSOLUTE_MAX), wheel, buttons);
  bp_machine_unlock (machine);
  return taken;
}

void
bp_input_release_all (BpMachine *machine)
{
  CONTRACT_MAIN (machine);
  unsigned cursor = 0;
  void *self;
  bp_machine_lock (machine);
  while ((self = bp_machine_next (machine, BP_INPUT_ID, &cursor))) {
    const BpInputIface *t = bp_object_interface (self, BP_INPUT_ID);
    if (BP_TABLE_HAS (t, release))
      t->release (self);
  }
  bp_machine_unlock (machine);
}
