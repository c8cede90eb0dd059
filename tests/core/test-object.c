/* test-object.c -- types, their tables, and the life cycle of instances. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <string.h>

#include "object.h"
#include "../suite.h"
#include <backplane/iface/block.h>

/* --- types used below ----------------------------------------------------------------------- */

typedef struct Base {
  BpRegion *regs;
  uint32_t depth;
  BpPin *irq;
  unsigned n_configured, n_realized, n_reset, n_unrealized;
  bool refuse_realize, silent;
} Base;

typedef struct Child {
  Base base;
  bool loud;
  unsigned n_child_reset;
} Child;

static uint64_t
base_read (void *self, uint64_t offset, unsigned size)
{
  return 0x55;
}

static void
base_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
}

static bool
base_configure (void *self, GError **error)
{
  ((Base *) self)->n_configured++;
  return true;
}

static bool
base_realize (void *self, GError **error)
{
  Base *base = self;
  base->n_realized++;
  if (base->refuse_realize) {
    if (!base->silent) {
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "no luck");
    }
    return false;
  }
  return true;
}

static void
base_reset (void *self, BpResetKind kind)
{
  ((Base *) self)->n_reset++;
}

static void
base_unrealize (void *self)
{
  ((Base *) self)->n_unrealized++;
}

static void
child_reset (void *self, BpResetKind kind)
{
  ((Child *) self)->n_child_reset++;
}

static const uint32_t base_table = 4, child_table = 4;
static const BpInterfaceDesc base_interfaces[] = { { "x.base/1", &base_table },
                                                   { "x.both/1", &base_table },
                                                   { NULL, NULL } };
static const BpInterfaceDesc child_interfaces[] = { { "x.both/1", &child_table }, { NULL, NULL } };
static const BpRegionOps base_ops = BP_REGION_OPS (.read = base_read, .write = base_write);
static const BpRegionDesc base_regions[] = {
  BP_REGION_DESC ("pio0", Base, regs, &base_ops, 8, "the registers"), BP_REGION_DESC_END
};
static const BpPinDesc base_pins[] = { BP_PIN_DESC_OUT ("irq", Base, irq, BP_PIN_REQUIRED, "the interrupt"),
                                       BP_PIN_DESC_END };
static const BpProperty base_properties[] = { BP_PROP_U32 ("depth", Base, depth, 16, "Entries."),
                                              BP_PROP_END };
static const BpProperty child_properties[] = { BP_PROP_BOOL ("loud", Child, loud, true, "Whether it is."),
                                               BP_PROP_END };

static const BpTypeDesc base_type = {
  BP_TYPE ("test-base", BP_KIND_DEVICE, Base),
  .description = "a base",
  .properties = base_properties,
  .pins = base_pins,
  .regions = base_regions,
  .interfaces = base_interfaces,
  .configure = base_configure,
  .realize = base_realize,
  .reset = base_reset,
  .unrealize = base_unrealize,
};

static const BpTypeDesc child_type = {
  BP_TYPE ("test-child", BP_KIND_DEVICE, Child),
  .description = "a child",
  .parent = &base_type,
  .properties = child_properties,
  .interfaces = child_interfaces,
  .reset = child_reset,
};

/* --- the registry --------------------------------------------------------------------------- */

START_TEST (the_core_brings_stub) {
  const BpTypeDesc *type = type_find ("stub");
  ck_assert_ptr_nonnull (type);
  ck_assert_ptr_eq (type_module (type), plugin_core ());
  ck_assert_ptr_null (type_find ("none-such"));
  ck_assert_ptr_null (type_find (NULL));
}
END_TEST

START_TEST (registering) {
  GError *error = NULL;
  BpPluginDesc desc = { .id = "test", .version = "1" };
  BpModule module = { .id = (char *) "test", .desc = &desc };
  ck_assert (type_register (&child_type, &module, &error));
  ck_assert (type_register (&base_type, &module, &error));
  ck_assert_ptr_eq (type_module (type_find ("test-child")), &module);
  ck_assert_ptr_eq (type_module (&base_type), &module);
  ck_assert (!type_register (&base_type, &module, &error));
  ck_assert_ptr_nonnull (
      strstr (error->message, "duplicate type `test-base`: the plugin `test` already provides it"));
  g_error_free (error);
  g_autoptr (GPtrArray) all = type_all ();
  ck_assert_uint_eq (all->len, 3);
  ck_assert_str_eq (((const BpTypeDesc *) g_ptr_array_index (all, 0))->name, "stub");
  ck_assert_str_eq (((const BpTypeDesc *) g_ptr_array_index (all, 2))->name, "test-child");
}
END_TEST

START_TEST (kinds_have_names) {
  ck_assert_str_eq (kind_name (BP_KIND_DEVICE), "device");
  ck_assert_str_eq (kind_name (BP_KIND_MONITOR), "monitor");
  ck_assert_str_eq (kind_name (BP_KIND_DISPLAY), "display");
  ck_assert_ptr_null (kind_name ((BpKind) 99));
}
END_TEST

START_TEST (rows_of_the_parent_come_first) {
  g_autoptr (GArray) rows = type_properties (&child_type);
  ck_assert_uint_eq (rows->len, 2);
  ck_assert_str_eq (g_array_index (rows, BpProperty, 0).name, "depth");
  ck_assert_str_eq (g_array_index (rows, BpProperty, 1).name, "loud");
  ck_assert_ptr_eq (type_interface (&child_type, "x.base/1"), &base_table);
  ck_assert_ptr_eq (type_interface (&child_type, "x.both/1"), &child_table);
  ck_assert_ptr_null (type_interface (&child_type, "x.other/1"));
}
END_TEST

/* --- rows of another size ------------------------------------------------------------------- */

typedef struct LongRow {        /* a row that this ABI knows, and what a later one appended */
  BpProperty row;
  const char *unit;
} LongRow;

START_TEST (longer_rows) {
  static const LongRow rows[] = {
    { BP_PROP_U32 ("depth", Base, depth, 7, "Entries."), "entries" },
    { BP_PROP_BOOL ("quiet", Base, silent, false, "Whether it is."), NULL },
    { BP_PROP_END, NULL },
  };
  BpTypeDesc type = { BP_TYPE ("long", BP_KIND_DEVICE, Base), .description = "long rows",
                      .properties = &rows[0].row };
  type.property_size = sizeof (LongRow);
  g_autoptr (GArray) copied = type_properties (&type);
  ck_assert_uint_eq (copied->len, 2);
  ck_assert_str_eq (g_array_index (copied, BpProperty, 1).name, "quiet");
  ck_assert_uint_eq (g_array_index (copied, BpProperty, 0).default_int, 7);
}
END_TEST

typedef struct ShortRow {       /* BpPinDesc before it had `set` and `help` */
  const char *name;
  BpPinDirection direction;
  uint32_t count, offset, flags;
} ShortRow;

START_TEST (shorter_rows) {
  static const ShortRow rows[] = {
    { "a", BP_PIN_OUT, 1, offsetof (Base, irq), BP_PIN_REQUIRED },
    { "b", BP_PIN_OUT, 1, offsetof (Base, irq), 0 },
    { NULL, BP_PIN_OUT, 0, 0, 0 },
  };
  BpTypeDesc type = { BP_TYPE ("short", BP_KIND_DEVICE, Base), .description = "short rows",
                      .pins = (const BpPinDesc *) rows };
  type.pin_size = sizeof (ShortRow);
  g_autoptr (GArray) copied = type_pins (&type);
  ck_assert_uint_eq (copied->len, 2);
  ck_assert_uint_eq (g_array_index (copied, BpPinDesc, 0).flags, BP_PIN_REQUIRED);
  ck_assert_str_eq (g_array_index (copied, BpPinDesc, 1).name, "b");
  ck_assert_ptr_null (g_array_index (copied, BpPinDesc, 1).help);
}
END_TEST

/* --- what a type must not be ---------------------------------------------------------------- */

static void
wrong (const BpTypeDesc *type, const char *because)
{
  g_autofree char *verdict = type_verdict (type);
  ck_assert_ptr_nonnull (verdict);
  ck_assert_msg (strstr (verdict, because) != NULL, "%s", verdict);
}

START_TEST (verdicts) {
  ck_assert_ptr_null (type_verdict (&base_type));
  ck_assert_ptr_null (type_verdict (&child_type));
  ck_assert_ptr_null (type_verdict (&stub_type));

  BpTypeDesc type = child_type;
  type.struct_size = 16;
  wrong (&type, "no ABI had fewer than");
  type = child_type;
  type.name = "two words";
  wrong (&type, "`two words`");
  type = child_type;
  type.description = NULL;
  wrong (&type, "no description");
  type = child_type;
  type.kind = (BpKind) 77;
  wrong (&type, "kind 77");
  type = child_type;
  type.instance_size = sizeof (Base) - 1;
  wrong (&type, "parent");
  type = base_type;
  type.state_minimum = 2;
  wrong (&type, "oldest");
}
END_TEST

START_TEST (wrong_rows) {
  static const BpProperty no_help[] = { { .name = "x", .kind = BP_PROPERTY_U8, .offset = 0 }, BP_PROP_END };
  static const BpProperty outside[] = {
    { .name = "x", .kind = BP_PROPERTY_U64, .offset = sizeof (Base) - 4, .help = "h" }, BP_PROP_END
  };
  static const BpProperty twice[] = { BP_PROP_U32 ("irq", Base, depth, 0, "Named as the pin is."),
                                      BP_PROP_END };
  static const BpProperty reserved[] = { BP_PROP_U32 ("type", Base, depth, 0, "A key of every section."),
                                         BP_PROP_END };
  static const BpProperty no_names[] = { { .name = "x", .kind = BP_PROPERTY_ENUM, .offset = 0, .help = "h" },
                                         BP_PROP_END };
  static const BpPinDesc no_set[] = { BP_PIN_DESC_IN ("in", 2, NULL, 0, "nothing hears it"),
                                      BP_PIN_DESC_END };
  static const BpStateField no_version[] = { BP_STATE_FIELD_U32 (Base, depth), BP_STATE_END };
  static const BpStateField wrong_width[] = { { "depth", BP_STATE_U16, offsetof (Base, depth), 1, sizeof (uint32_t), 1, 0, NULL, NULL }, BP_STATE_END };
  BpTypeDesc type = base_type;
  type.properties = no_help;
  wrong (&type, "`x` has no help");
  type.properties = outside;
  wrong (&type, "`x` lies outside");
  type.properties = twice;
  wrong (&type, "`irq` stands for two things");
  type.properties = reserved;
  wrong (&type, "`type` stands for two things");
  type.properties = no_names;
  wrong (&type, "names");
  type = base_type;
  type.pins = no_set;
  wrong (&type, "`in` has no callback");
  type = base_type;
  type.state = no_version;
  wrong (&type, "since version 1");
  type.state_version = 1;
  ck_assert_ptr_null (type_verdict (&type));
  type.state = wrong_width;
  wrong (&type, "2 bytes");
}
END_TEST

static void
lacks (const BpInterfaceDesc *interface, const char *what)
{
  g_autofree char *verdict = interface_verdict (interface);
  ck_assert_ptr_nonnull (verdict);
  ck_assert_str_eq (verdict, what);
}

static void no_submit (void *self, BpBlockRequest *request) { }
static void no_batch (void *self) { }

START_TEST (lacking_functions) {
  BpBlockIface block = { .struct_size = sizeof block, .submit = no_submit };
  BpInterfaceDesc interface = { BP_BLOCK_ID, &block }, own = { "org.example.own/1", NULL };
  ck_assert_ptr_null (interface_verdict (&own));
  ck_assert_ptr_null (interface_verdict (&interface));
  block.submit = NULL;
  lacks (&interface, "interface `bp.block/1` has no `submit`");
  block.submit = no_submit;
  block.struct_size = offsetof (BpBlockIface, submit);
  lacks (&interface, "interface `bp.block/1` has no `submit`");
  block.struct_size = sizeof block;
  block.batch_begin = no_batch;
  lacks (&interface, "interface `bp.block/1` has no `batch_end`");
  block.batch_end = no_batch;
  ck_assert_ptr_null (interface_verdict (&interface));
  block.struct_size = 0;
  lacks (&interface, "interface `bp.block/1`: its table has a struct_size of 0, which is to be the sizeof of its type");
  interface.table = NULL;
  lacks (&interface, "interface `bp.block/1` has no `table`");
}
END_TEST

/* --- life cycle ----------------------------------------------------------------------------- */

START_TEST (a_life) {
  BpObject *object = object_new (&child_type, "it", NULL);
  Child *child = object_instance (object);
  ck_assert_uint_eq ((uintptr_t) child % 64, 0);
  ck_assert_uint_eq (child->base.depth, 16);
  ck_assert (child->loud);
  ck_assert_ptr_nonnull (child->base.irq);
  ck_assert_ptr_nonnull (child->base.regs);
  ck_assert_ptr_eq (object_region (object, "pio0")->region, child->base.regs);
  ck_assert_ptr_null (object_region (object, "pio1"));
  ck_assert_ptr_eq (object_of (child), object);
  ck_assert_str_eq (bp_object_id (child), "it");
  ck_assert_str_eq (bp_object_type_name (child), "test-child");
  ck_assert_ptr_null (bp_object_machine (child));
  ck_assert_ptr_eq (bp_object_interface (child, "x.both/1"), &child_table);

  ck_assert (object_configure (object, NULL));
  ck_assert (object_realize (object, NULL));
  object_reset (object, BP_RESET_COLD);
  ck_assert_uint_eq (child->base.n_configured, 1);      /* the parent's callback */
  ck_assert_uint_eq (child->base.n_realized, 1);
  ck_assert_uint_eq (child->base.n_reset, 0);           /* the child's stands alone */
  ck_assert_uint_eq (child->n_child_reset, 1);
  object_unrealize (object);
  object_unrealize (object);
  ck_assert_uint_eq (child->base.n_unrealized, 1);
  object_free (object);
}
END_TEST

START_TEST (a_failed_realize_is_undone) {
  GError *error = NULL;
  BpObject *object = object_new (&base_type, "it", NULL);
  Base *base = object_instance (object);
  base->refuse_realize = true;
  ck_assert (object_configure (object, NULL));
  ck_assert (!object_realize (object, &error));
  ck_assert_str_eq (error->message, "no luck");
  ck_assert_uint_eq (base->n_unrealized, 1);
  g_clear_error (&error);
  base->silent = true;
  ck_assert (!object_realize (object, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "without giving a reason"));
  g_error_free (error);
  object_free (object);
}
END_TEST

static void
count_call (void *self)
{
  (**(unsigned **) self)++;
}

static bool
refuse (void *self, GError **error)
{
  return false;
}

START_TEST (what_was_only_configured_is_released_once) {
  unsigned n_calls = 0;
  BpTypeDesc type = { BP_TYPE ("counted", BP_KIND_DEVICE, unsigned *), .description = "counts" };
  type.unrealize = count_call;
  BpObject *object = object_new (&type, "it", NULL);
  *(unsigned **) object_instance (object) = &n_calls;
  object_free (object);
  ck_assert_uint_eq (n_calls, 0);

  object = object_new (&type, "it", NULL);
  *(unsigned **) object_instance (object) = &n_calls;
  ck_assert (object_configure (object, NULL));
  object_free (object);
  ck_assert_uint_eq (n_calls, 1);

  object = object_new (&type, "it", NULL);
  *(unsigned **) object_instance (object) = &n_calls;
  ck_assert (object_configure (object, NULL) && object_realize (object, NULL));
  object_unrealize (object);
  object_free (object);
  ck_assert_uint_eq (n_calls, 2);

  type.configure = refuse;
  object = object_new (&type, "it", NULL);
  *(unsigned **) object_instance (object) = &n_calls;
  ck_assert (!object_configure (object, NULL));
  ck_assert_uint_eq (n_calls, 3);
  object_free (object);
  ck_assert_uint_eq (n_calls, 3);
}
END_TEST

START_TEST (published_regions) {
  BpObject *object = object_new (&base_type, "it", NULL);
  BpRegion *extra = bp_region_new_io (object_instance (object), "extra", &base_ops, 4);
  object_add_region (object, "extra", extra, "one more");
  ck_assert_ptr_eq (object_region (object, "extra")->region, extra);
  ck_assert_str_eq (object_region (object, "extra")->help, "one more");
  object_forget_region (object, extra);
  ck_assert_ptr_null (object_region (object, "extra"));
  object_forget_region (object, extra);
  bp_region_free (extra);
  object_free (object);
}
END_TEST

/* Whoever frees it. */
START_TEST (published_and_nobodys) {
  BpObject *object = object_new (&base_type, "it", NULL);
  BpRegion *box = bp_region_new_container (NULL, "box", 4096);
  bp_region_publish (object_instance (object), box, "a box");
  bp_region_publish (object_instance (object), bp_region_new_container (NULL, "left", 4096), "the host frees it");
  ck_assert_ptr_eq (object_region (object, "box")->region, box);
  ck_assert_ptr_null (bp_region_owner (box));
  bp_region_free (box);
  ck_assert_ptr_null (object_region (object, "box"));
  ck_assert_ptr_nonnull (object_region (object, "left"));
  object_free (object);
}
END_TEST

START_TEST (stub_has_its_size) {
  BpObject *object = object_new (type_find ("stub"), "hole", NULL);
  ck_assert (object_set (object, "size", "4k", NULL, NULL));
  ck_assert (object_set (object, "value", "0x1234", NULL, NULL));
  ck_assert (object_configure (object, NULL));
  BpRegion *regs = object_region (object, "regs")->region;
  ck_assert_uint_eq (bp_region_size (regs), 4096);
  ck_assert_uint_eq (bp_region_dispatch_read (regs, 8, 1), 0x34);
  ck_assert_uint_eq (bp_region_dispatch_read (regs, 8, 4), 0x1234);
  bp_region_dispatch_write (regs, 8, 1, 4);
  object_free (object);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("object");
  TCase *tests = tcase_create ("object");
  tcase_add_test (tests, the_core_brings_stub);
  tcase_add_test (tests, registering);
  tcase_add_test (tests, kinds_have_names);
  tcase_add_test (tests, rows_of_the_parent_come_first);
  tcase_add_test (tests, longer_rows);
  tcase_add_test (tests, shorter_rows);
  tcase_add_test (tests, verdicts);
  tcase_add_test (tests, wrong_rows);
  tcase_add_test (tests, lacking_functions);
  tcase_add_test (tests, a_life);
  tcase_add_test (tests, a_failed_realize_is_undone);
  tcase_add_test (tests, what_was_only_configured_is_released_once);
  tcase_add_test (tests, published_regions);
  tcase_add_test (tests, published_and_nobodys);
  tcase_add_test (tests, stub_has_its_size);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
