/* test-type-check.c -- tables of types that do not hold together, each refused with its reason, before anything reads by them. */
/* SPDX-License-Identifier: MIT */
#include "object.h"
#include "../suite.h"
#include <backplane/bus/pci.h>
#include <backplane/iface/block.h>
#include <backplane/tcg/instrument-host.h>
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
lacks (const char *because)
{
  g_autofree char *wrong = type_functions_verdict (&type);
  ck_assert_msg (wrong && strstr (wrong, because), "`%s` instead of `%s`", wrong ? wrong : "fine", because);
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
  parent.name = NULL;
  type.parent = &parent;
  refused ("type `thing`: a parent has the name ``");
  parent = type;
  parent.description = "";
  type.parent = &parent;
  refused ("the parent `thing` has no description");
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
  properties[0].default_int = 300, properties[0].kind = BP_PROPERTY_U8;
  refused ("property `n`: its own default is refused: `300` is outside the range 0..255");
  properties[0].default_int = 0, properties[0].min = 1;
  refused ("property `n`: its own default is refused: `0` is outside the range 1..");
  properties[0].default_int = 0, properties[0].min = 1, properties[0].flags = BP_PROPERTY_REQUIRED;
  ck_assert_ptr_null (type_verdict (&type));
  setup ();
  pins[0].help = NULL;
  refused ("pin `out` has no help");
  regions[0].help = "";
  refused ("region `pio0` has no help");
  regions[0].size = 0;
  refused ("region `pio0` has a size of 0 bytes");
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

START_TEST (names)
{
  static const char *const wrong[] = { "", "My Prop=", "1.x,y", "a/b" };
  for (unsigned i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autofree char *because = g_strdup_printf ("the name `%s` cannot be written in a descriptor", wrong[i]);
    properties[0].name = wrong[i];
    refused (because);
    regions[0].name = wrong[i];
    refused (because);
    pins[0].name = wrong[i];
    pins[0].count = 1;
    refused (because);
  }
  pins[0].name = "IRQ 1.x,y";
  refused ("the name `IRQ 1.x,y0` cannot be written in a descriptor");
}
END_TEST

START_TEST (hot_plug)
{
  static const BpKind cannot[] = { BP_KIND_ACCEL, BP_KIND_CPU, BP_KIND_BOOT };
  type.flags = BP_TYPE_HOT_PLUG;
  ck_assert_ptr_null (type_verdict (&type));
  for (unsigned i = 0; i < G_N_ELEMENTS (cannot); i++) {
    type.flags = BP_TYPE_HOT_PLUG;
    type.kind = cannot[i];
    refused ("does not join or leave a machine that runs, and cannot have BP_TYPE_HOT_PLUG");
  }
}
END_TEST

/* --- interfaces ------------------------------------------------------------------------------------ */

typedef struct Linked {
  BpLink link;
} Linked;

static void no_submit (void *self, BpBlockRequest *request) { }

/* A type's own, and an abstract ancestor's. */
START_TEST (interfaces)
{
  BpBlockIface block = { .struct_size = sizeof block }, whole = { .struct_size = sizeof whole, .submit = no_submit };
  BpInterfaceDesc ids[] = { { BP_BLOCK_ID, &block }, { NULL, NULL } }, own[] = { { BP_BLOCK_ID, &whole }, { NULL, NULL } };
  BpTypeDesc parent = type, grandparent = type;
  type.interfaces = ids;
  lacks ("type `thing`: interface `bp.block/1` has no `submit`");
  grandparent.interfaces = ids;
  parent.properties = NULL, parent.pins = NULL, parent.regions = NULL, parent.state = NULL;
  type.properties = NULL, type.pins = NULL, type.regions = NULL, type.state = NULL;
  parent.parent = &grandparent;
  type.parent = &parent;
  type.interfaces = own;                /* which takes the other's place */
  ck_assert_ptr_null (type_functions_verdict (&type));
  type.interfaces = NULL;
  lacks ("type `thing`: interface `bp.block/1` has no `submit`");
  ids[0].id = "bp.chr/1";
  type.interfaces = ids;
  refused ("there is no interface `bp.chr/1` (did you mean `bp.char/1`?); one of your own begins with your domain, reversed");
}
END_TEST

static void nothing (void) { }

/* What is called unasked. */
START_TEST (functions)
{
  static const struct {
    const char *id;
    size_t size, lacks;
    const char *name;
  } cases[] = { { BP_PCI_BUS_ID, sizeof (BpPciBusIface), offsetof (BpPciBusIface, space), "space" },
                { BP_INSTRUMENT_HOST_ID, sizeof (BpInstrumentHost), offsetof (BpInstrumentHost, block_record), "block_record" },
                { BP_INSTRUMENT_HOST_ID, sizeof (BpInstrumentHost), offsetof (BpInstrumentHost, counter_new), "counter_new" },
                { BP_INSTRUMENT_HOST_ID, sizeof (BpInstrumentHost), offsetof (BpInstrumentHost, space), "space" } };
  void (*function) (void) = nothing;
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree uint8_t *table = g_malloc0 (cases[i].size);
    *(uint32_t *) table = (uint32_t) cases[i].size;
    for (size_t at = sizeof function; at < cases[i].size; at += sizeof function)
      memcpy (table + at, &function, sizeof function);
    BpInterfaceDesc ids[] = { { cases[i].id, table }, { NULL, NULL } };
    type.interfaces = ids;
    ck_assert_ptr_null (type_functions_verdict (&type));
    memset (table + cases[i].lacks, 0, sizeof function);
    g_autofree char *because = g_strdup_printf ("interface `%s` has no `%s`", cases[i].id, cases[i].name);
    lacks (because);
  }
}
END_TEST

START_TEST (links)
{
  static BpProperty one[] = { BP_PROP_LINK ("link", Linked, link, "bp.chr/1", 0, "A link."), BP_PROP_END };
  BpTypeDesc linked = { BP_TYPE ("thing", BP_KIND_DEVICE, Linked), .description = "a thing", .properties = one };
  type = linked;
  refused ("property `link`: there is no interface `bp.chr/1` (did you mean `bp.char/1`?)");
  one[0].interface_id = "org.example.own/1";
  type = linked;
  ck_assert_ptr_null (type_verdict (&type));
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
  tcase_add_test (c, names);
  tcase_add_test (c, hot_plug);
  tcase_add_test (c, interfaces);
  tcase_add_test (c, functions);
  tcase_add_test (c, links);
  suite_add_tcase (s, c);
  return suite_run (s);
}
