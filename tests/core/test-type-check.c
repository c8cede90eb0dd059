/* test-type-check.c -- tables of types that do not hold together, each refused with its reason, before anything reads by them. */
/* SPDX-License-Identifier: MIT */
#include "object.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct Thing {
  uint32_t n;
  BpRegion *region;
  BpPin *pins[2];
  uint64_t saved;
} Thing;

static uint64_t read_none (void *self, uint64_t offset, unsigned size) { return 0; }

static BpProperty properties[2];
static BpPinDesc pins[2];
static BpRegionOps ops;
static BpRegionDesc regions[2];
static BpStateField state[2];
static BpTypeDesc type;

static void
setup (void)
{
  properties[0] = (BpProperty) BP_PROP_U32 ("n", Thing, n, 1, "A number.");
  pins[0] = (BpPinDesc) BP_PIN_DESC_OUTS ("out", Thing, pins, 2, 0, "two");
  ops = (BpRegionOps) BP_REGION_OPS (.read = read_none);
  regions[0] = (BpRegionDesc) BP_REGION_DESC ("pio0", Thing, region, &ops, 8, "registers");
  state[0] = (BpStateField) BP_STATE_FIELD_U64 (Thing, saved);
  type = (BpTypeDesc) { BP_TYPE ("thing", BP_KIND_DEVICE, Thing), .description = "a thing", .properties = properties, .pins = pins, .regions = regions,
                        .state_version = 1, .state = state };
}

static void
refused (const char *because)
{
  g_autofree char *wrong = type_verdict (&type);
  ck_assert_msg (wrong && strstr (wrong, because), "`%s` instead of `%s`", wrong ? wrong : "fine", because);
  setup ();
}

START_TEST (fine)
{
  ck_assert_ptr_null (type_verdict (&type));
  type.struct_size = UINT32_MAX;        /* a newer ABI's, so to say */
  ck_assert_ptr_null (type_verdict (&type));
}
END_TEST

START_TEST (sizes)
{
  type.struct_size = 0;
  refused ("a type's table has 0 bytes, and no ABI had fewer than");
  type.struct_size = offsetof (BpTypeDesc, unrealize);
  refused ("type `thing`: its table has ");
  type.property_size = 0;
  refused ("its properties have rows of 0 bytes");
  type.property_size = sizeof (BpProperty) - 8;
  refused ("its properties have rows of");
  type.pin_size = 1;
  refused ("its pins have rows of 1 bytes");
  type.region_size = 65528;
  refused ("its regions have rows of 65528 bytes");
  type.state_size = sizeof (BpStateField) + 1;
  refused ("its saved fields have rows of");
  type.instance_size = 0;
  refused ("the instance has no size");
  type.instance_size = UINT32_MAX;
  refused ("the instance has 4294967295 bytes, and 268435456 is the most");
  type.instance_size = offsetof (Thing, saved);
  refused ("saved field `saved` lies outside its struct");
  type.instance_size = 2;
  refused ("property `n` lies outside the instance");
}
END_TEST

START_TEST (ancestors)
{
  BpTypeDesc parent = type;
  type.properties = NULL, type.pins = NULL, type.regions = NULL, type.state = NULL;
  type.parent = &parent;
  ck_assert_ptr_null (type_verdict (&type));
  parent.property_size = 0;
  refused ("its properties have rows of 0 bytes");
  parent = type;
  parent.instance_size++;
  type.parent = &parent;
  refused ("the parent `thing` is larger");
  type.parent = &type;
  refused ("its ancestry has no end");
}
END_TEST

START_TEST (rows)
{
  properties[0].offset = UINT32_MAX;
  refused ("property `n` lies outside the instance");
  properties[0].kind = 4711;
  refused ("the unknown kind 4711");
  properties[0].min = 5, properties[0].max = 4;
  refused ("property `n` has a range without a number in it");
  properties[0].kind = BP_PROPERTY_ENUM;
  refused ("an enum needs names");
  properties[0].help = NULL;
  refused ("property `n` has no help");
  pins[0].count = 4;
  refused ("output pin `out` lies outside the instance");
  pins[0].count = UINT32_MAX;
  refused ("a count of 4294967295");
  regions[0].ops = NULL;
  refused ("region `pio0` has no callbacks");
  ops.struct_size = 8;
  refused ("region `pio0`: its callbacks are a table of 8 bytes");
  ops.impl_min = 3;
  refused ("region `pio0`: accesses of 0 to 0 bytes, or callbacks of 3 to 0, are none");
  ops.access_min = 4, ops.access_max = 2;
  refused ("accesses of 4 to 2 bytes");
  ops.access_max = 16;
  refused ("accesses of 0 to 16 bytes");
  state[0].count = UINT32_MAX;
  refused ("saved field `saved` lies outside its struct");
  state[0].size = 4;
  refused ("its kind has 8 bytes, the member 4");
  state[0].since = 2;
  refused ("is since version 2, and the state's version is 1");
}
END_TEST

int
main (void)
{
  Suite *s = suite_create ("type-check");
  TCase *c = tcase_create ("types");
  tcase_add_checked_fixture (c, setup, NULL);
  tcase_add_test (c, fine);
  tcase_add_test (c, sizes);
  tcase_add_test (c, ancestors);
  tcase_add_test (c, rows);
  suite_add_tcase (s, c);
  return suite_run (s);
}
