/* test-snapshot-shape.c -- a snapshot goes into a machine with the same properties, wires and maps, in whatever words, and into no other. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "toy.h"
#include "../scratch.h"
#include "../suite.h"
#include "../types.h"
#include <backplane/snapshot.h>
#include <check.h>
#include <string.h>

typedef struct Chip {
  uint32_t value, model, said, policy;
  char *file;
  BpPin *line;
  BpRegion *ram;
  uint8_t *host;
} Chip;

static void
set_sense (void *self, unsigned index, int level)
{
}

static bool
configure (void *self, GError **error)
{
  Chip *c = self;
  c->host = g_aligned_alloc0 (1, 16384, 4096);
  c->ram = bp_region_new_ram (self, "bytes", c->host, 16384);
  bp_region_publish (self, c->ram, "its memory");
  return true;
}

static void
unrealize (void *self)
{
  g_clear_pointer (&((Chip *) self)->host, g_aligned_free);
}

static const BpStateField state[] = { BP_STATE_FIELD_U32 (Chip, value), BP_STATE_END };
static const BpPinDesc pins[] = { BP_PIN_DESC_OUT ("line", Chip, line, 0, "out"), BP_PIN_DESC_IN ("sense", 1, set_sense, 0, "in"),
                                  BP_PIN_DESC_IN ("other", 1, set_sense, BP_PIN_WIRED_OR, "in"), BP_PIN_DESC_END };
static const BpProperty properties[] = {
  BP_PROP_U32 ("model", Chip, model, 1, "Which it is."),
  BP_PROP_FILE ("file", Chip, file, BP_PROPERTY_MAYBE_NEW, "Of the host."),
  { .name = "said", .kind = BP_PROPERTY_U32, .offset = offsetof (Chip, said), .flags = BP_PROPERTY_RUNTIME, .max = 100, .help = "By people." },
  { .name = "policy", .kind = BP_PROPERTY_U32, .offset = offsetof (Chip, policy), .flags = BP_PROPERTY_HOST, .max = 100, .help = "For the host." },
  BP_PROP_END
};
static const BpTypeDesc chip_type = { BP_TYPE ("shape-chip", BP_KIND_DEVICE, Chip), .description = "a chip", .properties = properties, .pins = pins, .state = state,
                                      .state_version = 1, .state_minimum = 1, .configure = configure, .unrealize = unrealize };

static BpMachine *machine;

static void
build (const char *text)
{
  static const BpTypeDesc *const types[] = { &chip_type, NULL };
  g_autofree char *errors = NULL;
  if (machine)
    toy_free (machine);
  toy_forget ();
  types_register (types);
  machine = toy_build (text, NULL, &errors);
  ck_assert_msg (machine != NULL, "%s", errors);
  ck_assert (machine_realize (machine, NULL));
  machine_reset (machine, BP_RESET_COLD);
}

static void
teardown (void)
{
  toy_free (machine);
  machine = NULL;
  scratch_leave ();
}

static Chip *chip (const char *id) { return bp_machine_find (machine, id); }

static void
save (void)
{
  build ("[device a]\ntype = shape-chip\nline = b.sense, b.other\n[device b]\ntype = shape-chip\nline = a.sense\nbytes = memory@0x4000\n");
  chip ("a")->value = 7;
  ck_assert (bp_machine_save_snapshot (machine, "x", NULL));
}

/* Of each difference all is said once: the object, the key, what it was and what it is. */
START_TEST (others)
{
#define A "[device a]\ntype = shape-chip\n"
#define WIRED A "line = b.sense, b.other\n"
#define B "[device b]\ntype = shape-chip\nline = a.sense\n"
  static const char *const machines[][2] = {
    { WIRED B "bytes = memory@0x4000\nmodel = 2\n", "b.model is `1` in the snapshot and `2` in this machine" },
    { WIRED B "bytes = memory@0x8000\n", "b.bytes is `memory@0x4000` in the snapshot and `memory@0x8000` in this machine" },
    { WIRED B "bytes = memory@0x4000 prio 1\n", "b.bytes is `memory@0x4000` in the snapshot and `memory@0x4000 prio 1` in this machine" },
    { WIRED B, "b.bytes is `memory@0x4000` in the snapshot and not set in this machine" },
    { WIRED B "bytes = memory@0x4000\n[map more]\nregion = b.bytes\nat = memory@0x10000\noffset = 4K\nreadonly = on\n",
      "b.bytes is `memory@0x4000` in the snapshot and `memory@0x10000 offset 0x1000 size 0x3000 readonly, memory@0x4000` in this machine" },
    { A "line = b.other\n" B "bytes = memory@0x4000\n", "a.line is `b.other, b.sense` in the snapshot and `b.other` in this machine" },
    { A B "bytes = memory@0x4000\n", "a.line is `b.other, b.sense` in the snapshot and not set in this machine" },
    { WIRED B "bytes = memory@0x4000\n[device c]\ntype = shape-chip\n", "c (type `shape-chip`) is in this machine and not in the snapshot" },
    { A, "b (type `shape-chip`) is in the snapshot and not in this machine" },
  };
  g_autoptr (GError) error = NULL;
  save ();
  build (machines[_i][0]);
  chip ("a")->value = 5;
  ck_assert (!bp_machine_load_snapshot (machine, "x", &error));
  const char *said = strstr (error->message, machines[_i][1]);
  ck_assert_msg (said && !strstr (said + 1, machines[_i][1]), "%s", error->message);
  ck_assert_uint_eq (chip ("a")->value, 5);
}
END_TEST

/* What is the host's, or may change at run time, may be another. */
START_TEST (other_words)
{
  GError *error = NULL;
  save ();
  build (A B "bytes = memory@16384 size 16K\nsaid = 7\npolicy = 8\nfile = nothing\n[wire w]\nfrom = a.line\nto = b.other, b.sense\n");
  ck_assert_msg (bp_machine_load_snapshot (machine, "x", &error), "%s", error->message);
  ck_assert_uint_eq (chip ("a")->value, 7);
  ck_assert_uint_eq (chip ("b")->said, 7);
}
END_TEST

/* What a guest does with its regions is not what the descriptor says of them. */
START_TEST (moved_by_the_guest)
{
  GError *error = NULL;
  save ();
  bp_machine_lock (machine);
  bp_region_set_offset (chip ("b")->ram, 0x20000);
  bp_region_set_enabled (chip ("b")->ram, false);
  bp_machine_unlock (machine);
  ck_assert_msg (bp_machine_load_snapshot (machine, "x", &error), "%s", error->message);
}
END_TEST

int
main (void)
{
#ifndef HAVE_ZSTD
  puts ("built without libzstd");
  return 77;
#endif
  Suite *suite = suite_create ("snapshot-shape");
  TCase *all = tcase_create ("all");
  tcase_add_checked_fixture (all, scratch_enter, teardown);
  tcase_add_loop_test (all, others, 0, 9);
  tcase_add_test (all, other_words);
  tcase_add_test (all, moved_by_the_guest);
  suite_add_tcase (suite, all);
  return suite_run (suite);
}
