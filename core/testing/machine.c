/* machine.c -- the machine of a test: made from a descriptor's text, accessed, reset. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include "private.h"
#include <backplane/loop.h>
#include <string.h>

/* The harness's own calls do not note where they are. */
#undef bp_test_fail

/* --- making one ---------------------------------------------------------------------------- */

static void
register_types (const BpTypeDesc *const *types)
{
  for (const BpTypeDesc *const *type = types; type && *type; type++) {
    g_autoptr (GError) error = NULL;
    if (!bp_private_register_type (*type, &error))
      bp_test_fail ("%s", error->message);
  }
}

static BpMachine *
build (const BpTypeDesc *const *types, const char *sections, char **errors)
{
  static const BpTypeDesc *const own[] = {
    &testing_clock, &stand_in_ram, &stand_in_char, &stand_in_block, &testing_probe, &stand_in_pci, &stand_in_cpu, NULL
  };
  stand_in_on_fault (testing_fail);
  register_types (own);
  register_types (types);
  g_autofree char *text = g_strconcat ("[machine]\nformat = 1\n\n[accel]\ntype = test-clock\n\n[clock]\nmode = instructions\n\n", sections, NULL);
  return bp_private_machine_new ("test.ini", text, errors);
}

BpTest *
(bp_test_new) (const BpTypeDesc *const *types, const char *sections)
{
  char *errors = NULL;
  BpMachine *m = build (types, sections, &errors);
  if (!m)
    testing_fail (errors);
  BpTest *t = g_new0 (BpTest, 1);
  t->machine = m;
  return t;
}

void
(bp_test_free) (BpTest *t)
{
  bp_private_machine_free (t->machine);
  g_free (t);
}

char *
(bp_test_refusal) (const BpTypeDesc *const *types, const char *sections)
{
  char *errors = NULL;
  BpMachine *m = build (types, sections, &errors);
  if (!m)
    return errors;
  bp_private_machine_free (m);
  return g_strdup ("");
}

void
(bp_test_plugin_path) (const char *directories)
{
  bp_private_plugin_path (directories);
}

/* --- its objects ------------------------------------------------------------------------------ */

BpMachine *
bp_test_machine (BpTest *t)
{
  return t->machine;
}

void *
(bp_test_object) (BpTest *t, const char *id)
{
  void *object = bp_machine_find (t->machine, id);
  if (!object)
    bp_test_fail ("the machine under test has no object `%s`", id);
  return object;
}

void *
testing_object (BpTest *t, const char *id, const BpTypeDesc *type)
{
  void *object = (bp_test_object) (t, id);
  if (strcmp (bp_object_type_name (object), type->name) != 0)
    bp_test_fail ("`%s` is a %s and not a %s", id, bp_object_type_name (object), type->name);
  return object;
}

const void *
(bp_test_interface) (BpTest *t, const char *id, const char *interface_id)
{
  void *object = (bp_test_object) (t, id);
  const void *table = bp_object_interface (object, interface_id);
  if (!table)
    bp_test_fail ("`%s`, a %s, does not implement %s", id, bp_object_type_name (object), interface_id);
  return table;
}

void
(bp_test_reset) (BpTest *t, BpResetKind kind)
{
  bp_private_reset (t->machine, kind);
}

unsigned
(bp_test_iterate) (BpTest *t)
{
  GMainContext *context = bp_loop_context (bp_loop_main (t->machine));
  unsigned n = 0;
  while (g_main_context_iteration (context, FALSE))
    if (++n == 1000)
      bp_test_fail ("the main loop is still busy after 1000 rounds");
  return n;
}

bool
(bp_test_take_reset) (BpTest *t)
{
  return bp_private_take_reset (t->machine);
}

int
(bp_test_exit_code) (BpTest *t)
{
  return bp_private_exit_code (t->machine);
}

/* --- access ------------------------------------------------------------------------------------- */

static BpAddressSpace *
space_of (BpTest *t, const char *name, unsigned size)
{
  BpAddressSpace *as = bp_private_address_space (t->machine, name);
  if (!as)
    bp_test_fail ("the machine under test has no address space `%s`", name);
  if (size != 1 && size != 2 && size != 4 && size != 8)
    bp_test_fail ("an access has 1, 2, 4 or 8 bytes, and not %u", size);
  return as;
}

uint64_t
(bp_test_load) (BpTest *t, const char *space, uint64_t address, unsigned size)
{
  return bp_as_load (space_of (t, space, size), address, size);
}

void
(bp_test_store) (BpTest *t, const char *space, uint64_t address, uint64_t value, unsigned size)
{
  bp_as_store (space_of (t, space, size), address, value, size);
}

void
(bp_test_read) (BpTest *t, uint64_t address, void *to, size_t size)
{
  if (!bp_as_read (space_of (t, "memory", 1), address, to, size))
    bp_test_fail ("not all of the %zu bytes from 0x%" G_GINT64_MODIFIER "x on are memory", size, address);
}

void
(bp_test_write) (BpTest *t, uint64_t address, const void *from, size_t size)
{
  if (!bp_as_write (space_of (t, "memory", 1), address, from, size))
    bp_test_fail ("not all of the %zu bytes from 0x%" G_GINT64_MODIFIER "x on are memory", size, address);
}

/* --- pins ------------------------------------------------------------------------------------------ */

static BpPin *
pin_by_path (BpTest *t, const char *path)
{
  BpPin *pin = bp_private_pin (t->machine, path);
  if (!pin)
    bp_test_fail ("the machine under test has no pin `%s`", path);
  return pin;
}

int
(bp_test_level) (BpTest *t, const char *pin)
{
  return bp_pin_level (pin_by_path (t, pin));
}

void
(bp_test_drive) (BpTest *t, const char *input, int level)
{
  BpPin *pin = pin_by_path (t, input);
  bp_machine_lock (t->machine);
  bp_pin_set (pin, level);
  bp_machine_unlock (t->machine);
}
