/* test-property.c -- property values: parsing, ranges, texts, links. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <string.h>

#include "object.h"
#include "../suite.h"

enum { COLOUR_RED, COLOUR_GREEN };
static const char *const colours[] = { "red", "green", NULL };

typedef struct Thing {
  bool on;
  uint8_t u8;
  uint16_t u16;
  uint32_t u32, ranged;
  uint64_t u64;
  int8_t i8;
  int64_t i64;
  uint64_t size;
  char *text, *file;
  char **list;
  int colour;
  BpLink peer;
  char changed[16];
} Thing;

static void
thing_changed (void *self, const char *name)
{
  g_strlcpy (((Thing *) self)->changed, name, sizeof ((Thing *) self)->changed);
}

static const BpProperty properties[] = {
  BP_PROP_BOOL ("on", Thing, on, true, "h"),
  BP_PROP_U8 ("u8", Thing, u8, 200, "h"),
  BP_PROP_ ("u16", BP_PROPERTY_U16, Thing, u16, .help = "h"),
  BP_PROP_U32 ("u32", Thing, u32, 0, "h"),
  BP_PROP_U32_RANGE ("ranged", Thing, ranged, 5, 1, 15, "h"),
  BP_PROP_U64 ("u64", Thing, u64, UINT64_MAX, "h"),
  BP_PROP_ ("i8", BP_PROPERTY_I8, Thing, i8, .default_int = (uint64_t) -3, .flags = BP_PROPERTY_RUNTIME,
            .help = "h"),
  BP_PROP_I64 ("i64", Thing, i64, -5, "h"),
  BP_PROP_SIZE_REQUIRED ("size", Thing, size, 4096, 1 << 30, "h"),
  BP_PROP_STRING ("text", Thing, text, "hello", "h"),
  BP_PROP_FILE ("file", Thing, file, 0, "h"),
  BP_PROP_LIST ("list", Thing, list, "a, b", "h"),
  BP_PROP_ENUM ("colour", Thing, colour, COLOUR_GREEN, colours, "h"),
  BP_PROP_LINK ("peer", Thing, peer, "x.peer/1", 0, "h"),
  BP_PROP_END,
};

static const uint32_t peer_table = 4;
static const BpInterfaceDesc interfaces[] = { { "x.peer/1", &peer_table }, { NULL, NULL } };
static const BpTypeDesc type = { BP_TYPE ("thing", BP_KIND_DEVICE, Thing), .description = "a thing",
                                 .properties = properties, .interfaces = interfaces,
                                 .property_changed = thing_changed };
static const BpTypeDesc plain = { BP_TYPE ("plain", BP_KIND_DEVICE, int),
                                  .description = "a thing without an interface" };

static BpObject *object;
static Thing *thing;

static void
setup (void)
{
  object = object_new (&type, "it", NULL);
  thing = object_instance (object);
}

static void
refused (const char *name, const char *text, const char *because)
{
  GError *error = NULL;
  ck_assert_msg (!object_set (object, name, text, NULL, &error), "%s = %s", name, text);
  ck_assert_msg (strstr (error->message, because) != NULL, "%s", error->message);
  g_error_free (error);
}

static void
round_trip (const char *name, const char *text, const char *expected)
{
  ck_assert_msg (object_set (object, name, text, "/base", NULL), "%s = %s", name, text);
  g_autofree char *got = object_get (object, name);
  ck_assert_str_eq (got, expected);
  ck_assert (object_set (object, name, got, NULL, NULL));
}

START_TEST (defaults) {
  setup ();
  ck_assert (thing->on);
  ck_assert_uint_eq (thing->u8, 200);
  ck_assert_uint_eq (thing->u64, UINT64_MAX);
  ck_assert_int_eq (thing->i8, -3);
  ck_assert_int_eq (thing->i64, -5);
  ck_assert_str_eq (thing->text, "hello");
  ck_assert_ptr_null (thing->file);
  ck_assert_str_eq (thing->list[1], "b");
  ck_assert_ptr_null (thing->list[2]);
  ck_assert_int_eq (thing->colour, COLOUR_GREEN);
  ck_assert_ptr_null (thing->peer.instance);
  ck_assert_ptr_null (object_get (object, "file"));
  ck_assert_ptr_null (object_get (object, "peer"));
  ck_assert_ptr_null (object_get (object, "none"));
  object_free (object);
}
END_TEST

START_TEST (values) {
  setup ();
  round_trip ("on", "off", "off");
  round_trip ("on", "Yes", "on");
  round_trip ("u8", "0xff", "255");
  round_trip ("u16", "65535", "65535");
  round_trip ("u32", "010", "10");
  round_trip ("u64", "18446744073709551615", "18446744073709551615");
  round_trip ("i8", "-128", "-128");
  round_trip ("i64", "-0x8000000000000000", "-9223372036854775808");
  round_trip ("size", "8k", "8K");
  round_trip ("size", "0x100000", "1M");
  round_trip ("size", "4097", "4097");
  round_trip ("text", "", "");
  round_trip ("file", "disk.img", "/base/disk.img");
  round_trip ("file", "/abs", "/abs");
  round_trip ("list", "x, y ,z", "x,y,z");
  round_trip ("list", "", "");
  round_trip ("colour", "red", "red");
  ck_assert_int_eq (thing->colour, COLOUR_RED);
  ck_assert_str_eq (thing->file, "/abs");
  object_free (object);
}
END_TEST

START_TEST (wrong_values) {
  setup ();
  refused ("on", "maybe", "neither on nor off");
  refused ("u8", "256", "outside the range 0..255");
  refused ("u8", "-1", "not a number");
  refused ("u8", "", "not a number");
  refused ("u8", "12k", "not a number");
  refused ("u8", " 1", "not a number");
  refused ("u64", "18446744073709551616", "not a number");
  refused ("ranged", "0", "outside the range 1..15");
  refused ("ranged", "16", "outside the range 1..15");
  refused ("i8", "128", "outside the range -128..127");
  refused ("i64", "9223372036854775808", "not a number");
  refused ("size", "4095", "outside the range 4K..1G");
  refused ("size", "4x", "not a size");
  refused ("size", "16777216T", "not a size");
  refused ("file", "", "path is empty");
  refused ("colour", "grean", "did you mean `green`?");
  refused ("peer", "it", "link");
  refused ("colours", "red", "did you mean `colour`?");
  ck_assert_uint_eq (thing->u8, 200);
  object_free (object);
}
END_TEST

START_TEST (links) {
  GError *error = NULL;
  setup ();
  BpObject *other = object_new (&type, "other", NULL), *none = object_new (&plain, "none", NULL);
  ck_assert (object_set_link (object, "peer", other, &error));
  ck_assert_ptr_eq (thing->peer.instance, object_instance (other));
  ck_assert_ptr_eq (thing->peer.table, &peer_table);
  g_autofree char *got = object_get (object, "peer");
  ck_assert_str_eq (got, "other");
  ck_assert (!object_set_link (object, "peer", none, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "x.peer/1"));
  g_clear_error (&error);
  ck_assert (!object_set_link (object, "u8", other, &error));
  g_clear_error (&error);
  ck_assert (object_set_link (object, "peer", NULL, NULL));
  ck_assert_ptr_null (thing->peer.instance);
  object_free (object);
  object_free (other);
  object_free (none);
}
END_TEST

START_TEST (required_and_run_time) {
  GError *error = NULL;
  setup ();
  ck_assert (!object_configure (object, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "required property `size`"));
  g_clear_error (&error);
  ck_assert (object_set (object, "size", "1M", NULL, NULL));
  ck_assert (object_configure (object, NULL));
  ck_assert (object_realize (object, NULL));
  refused ("u8", "1", "cannot be changed any more");
  ck_assert (object_set (object, "i8", "9", NULL, NULL));
  ck_assert_str_eq (thing->changed, "i8");
  object_free (object);
}
END_TEST

START_TEST (checking_without_an_object) {
  ck_assert_ptr_null (property_check (&properties[4], "15"));
  g_autofree char *wrong = property_check (&properties[4], "99");
  ck_assert_ptr_nonnull (wrong);
  ck_assert_ptr_null (property_check (&properties[13], "anything"));
}
END_TEST

START_TEST (ranges_as_text) {
  static const char *const expected[] = {
    "on, off",    "0..255",
    "0..65535",   "0..4294967295",
    "1..15",      "0..18446744073709551615",
    "-128..127",  "-9223372036854775808..9223372036854775807",
    "4K..1G",     "any text",
    "a path",     "words joined by commas",
    "red, green", "an object with x.peer/1",
  };
  for (size_t i = 0; i < G_N_ELEMENTS (expected); i++) {
    g_autofree char *text = property_range_text (&properties[i]);
    ck_assert_str_eq (text, expected[i]);
  }
}
END_TEST

START_TEST (sizes) {
  uint64_t value;
  ck_assert (parse_size ("256M", &value) && value == 256 << 20);
  ck_assert (parse_size ("1T", &value) && value == UINT64_C (1) << 40);
  ck_assert (parse_size ("0x10k", &value) && value == 16384);
  ck_assert (parse_size ("0", &value) && value == 0);
  ck_assert (!parse_size ("", &value) && !parse_size ("k", &value) && !parse_size ("1kk", &value) &&
             !parse_size ("0x", &value));
  ck_assert (!parse_size ("-1", &value) && !parse_size ("1 M", &value));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("property");
  TCase *tests = tcase_create ("property");
  tcase_add_test (tests, defaults);
  tcase_add_test (tests, values);
  tcase_add_test (tests, wrong_values);
  tcase_add_test (tests, links);
  tcase_add_test (tests, required_and_run_time);
  tcase_add_test (tests, checking_without_an_object);
  tcase_add_test (tests, ranges_as_text);
  tcase_add_test (tests, sizes);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
