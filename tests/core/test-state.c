/* test-state.c -- saved state: tables there and back, older and newer versions, damage. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <string.h>

#include "object.h"
#include "../suite.h"

/* --- two versions of one type --------------------------------------------------------------- */

typedef struct Channel {
  uint16_t count;
  bool busy;
} Channel;

typedef struct Chip {
  uint8_t control;
  uint32_t regs[3];
  bool ready;
  uint8_t fifo[8];
  uint32_t fifo_used;
  Channel channels[2];
  uint64_t divisor;             /* since version 2 */
  unsigned n_post_load;
  bool refuse;
} Chip;

static bool
fifo_needed (const void *self)
{
  return ((const Chip *) self)->fifo_used > 0;
}

static bool
chip_post_load (void *self, GError **error)
{
  Chip *chip = self;
  chip->n_post_load++;
  if (chip->refuse) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "it does not add up");
  }
  return !chip->refuse;
}

static const BpStateField channel_state[] = { BP_STATE_FIELD_U16 (Channel, count),
                                              BP_STATE_FIELD_BOOL (Channel, busy), BP_STATE_END };

#define COMMON_STATE \
  BP_STATE_FIELD_ARRAY (BP_STATE_U32, Chip, regs, 3), BP_STATE_FIELD_BOOL (Chip, ready), \
      { .name = "fifo", \
        .kind = BP_STATE_BYTES, \
        .offset = offsetof (Chip, fifo), \
        .count = 8, \
        .size = 1, \
        .since = 1, \
        .needed = fifo_needed }, \
      BP_STATE_FIELD_U32 (Chip, fifo_used), BP_STATE_FIELD_STRUCTS (Chip, channels, 2, channel_state)

static const BpStateField state_1[] = { BP_STATE_FIELD_U8 (Chip, control), COMMON_STATE, BP_STATE_END };
static const BpStateField state_2[] = {
  COMMON_STATE,
  BP_STATE_FIELD_U8 (Chip, control),
  { .name = "divisor",
    .kind = BP_STATE_U64,
    .offset = offsetof (Chip, divisor),
    .count = 1,
    .size = 8,
    .since = 2 },
  BP_STATE_END,
};

static const BpTypeDesc type_1 = { BP_TYPE ("chip", BP_KIND_DEVICE, Chip),
                                   .description = "a chip",
                                   .state_version = 1,
                                   .state_minimum = 1,
                                   .state = state_1,
                                   .post_load = chip_post_load };
static const BpTypeDesc type_2 = { BP_TYPE ("chip", BP_KIND_DEVICE, Chip),
                                   .description = "a chip",
                                   .state_version = 2,
                                   .state_minimum = 1,
                                   .state = state_2,
                                   .post_load = chip_post_load };

static const Chip sample = {
  .control = 0x81,
  .regs = { 1, 0x80000000, 3 },
  .ready = true,
  .fifo = "abcdefg",
  .fifo_used = 7,
  .channels = { { 10, false }, { 20, true } },
  .divisor = 99,
};

static GByteArray *
saved (const BpTypeDesc *type, const Chip *contents)
{
  BpObject *object = object_new (type, "chip0", NULL);
  memcpy (object_instance (object), contents, sizeof *contents);
  GByteArray *bytes = state_saved (object);
  object_free (object);
  return bytes;
}

/* What is wrong, or NULL. */
static char *
loaded (const BpTypeDesc *type, const uint8_t *data, size_t size, Chip *contents)
{
  GError *error = NULL;
  BpObject *object = object_new (type, "chip0", NULL);
  memcpy (object_instance (object), contents, sizeof *contents);
  bool fine = state_load (object, data, size, &error);
  memcpy (contents, object_instance (object), sizeof *contents);
  object_free (object);
  char *wrong = error ? g_strdup (error->message) : NULL;
  ck_assert (fine == !wrong);
  g_clear_error (&error);
  return wrong;
}

static void
refused (const BpTypeDesc *type, const GByteArray *bytes, const char *because)
{
  Chip chip = { 0 }, before = { 0 };
  g_autofree char *wrong = loaded (type, bytes->data, bytes->len, &chip);
  ck_assert_ptr_nonnull (wrong);
  ck_assert_msg (strstr (wrong, because) != NULL, "%s", wrong);
  ck_assert_mem_eq (&chip, &before, sizeof chip);
}

/* --- tests ---------------------------------------------------------------------------------- */

START_TEST (there_and_back) {
  g_autoptr (GByteArray) bytes = saved (&type_2, &sample);
  Chip chip = { 0 };
  ck_assert_ptr_null (loaded (&type_2, bytes->data, bytes->len, &chip));
  ck_assert_uint_eq (chip.control, 0x81);
  ck_assert_uint_eq (chip.regs[1], 0x80000000);
  ck_assert (chip.ready);
  ck_assert_str_eq ((char *) chip.fifo, "abcdefg");
  ck_assert_uint_eq (chip.channels[1].count, 20);
  ck_assert (chip.channels[1].busy && !chip.channels[0].busy);
  ck_assert_uint_eq (chip.divisor, 99);
  ck_assert_uint_eq (chip.n_post_load, 1);
}
END_TEST

START_TEST (older_state) {
  g_autoptr (GByteArray) bytes = saved (&type_1, &sample);
  Chip chip = { .divisor = 12 };
  ck_assert_ptr_null (loaded (&type_2, bytes->data, bytes->len, &chip));
  ck_assert_uint_eq (chip.control, 0x81);
  ck_assert_uint_eq (chip.divisor, 12);         /* younger than the state: its reset value */
}
END_TEST

START_TEST (newer_state) {
  g_autoptr (GByteArray) bytes = saved (&type_2, &sample);
  refused (&type_1, bytes, "field `divisor` is not known: the state was saved as version 2");
}
END_TEST

START_TEST (too_old_a_state) {
  g_autoptr (GByteArray) bytes = saved (&type_1, &sample);
  BpTypeDesc type = type_2;
  type.state_minimum = 2;
  refused (&type, bytes, "saved as version 1");
}
END_TEST

START_TEST (subsections) {
  Chip contents = sample;
  contents.fifo_used = 0;
  g_autoptr (GByteArray) with = saved (&type_2, &sample), without = saved (&type_2, &contents);
  ck_assert_uint_lt (without->len, with->len);
  Chip chip = { .fifo = "old" };
  ck_assert_ptr_null (loaded (&type_2, without->data, without->len, &chip));
  ck_assert_str_eq ((char *) chip.fifo, "old");
}
END_TEST

START_TEST (a_missing_field) {
  static const BpStateField fewer[] = { COMMON_STATE, BP_STATE_END };
  BpTypeDesc type = type_1;
  type.state = fewer;
  g_autoptr (GByteArray) bytes = saved (&type, &sample);
  refused (&type_1, bytes, "field `control` is missing");
}
END_TEST

START_TEST (another_type) {
  BpTypeDesc type = type_1;
  type.name = "other";
  g_autoptr (GByteArray) bytes = saved (&type, &sample);
  refused (&type_1, bytes, "of an object of type `other`");
}
END_TEST

START_TEST (wider_integers) {
  /* `control` becomes 32 bits in a later version; going back works while the value fits */
  typedef struct Wide { uint32_t control; } Wide;
  static const BpStateField narrow_state[] = {
    { .name = "control", .kind = BP_STATE_U8, .offset = 0, .count = 1, .size = 1, .since = 1 }, BP_STATE_END
  };
  static const BpStateField wide_state[] = { BP_STATE_FIELD_U32 (Wide, control), BP_STATE_END };
  BpTypeDesc narrow = type_1, wide = type_1;
  narrow.state = narrow_state;
  wide.state = wide_state;
  Chip contents = { .control = 0x7f };
  g_autoptr (GByteArray) bytes = saved (&narrow, &contents);
  Chip chip = { 0 };
  ck_assert_ptr_null (loaded (&wide, bytes->data, bytes->len, &chip));
  ck_assert_uint_eq (chip.control, 0x7f);
  *(uint32_t *) (void *) &contents = 0x100;
  g_autoptr (GByteArray) large = saved (&wide, &contents);
  refused (&narrow, large, "does not fit");
}
END_TEST

START_TEST (arrays_that_grew) {
  static const BpStateField two[] = { { .name = "regs",
                                        .kind = BP_STATE_U32,
                                        .offset = offsetof (Chip, regs),
                                        .count = 2,
                                        .size = 4,
                                        .since = 1 },
                                      BP_STATE_END };
  static const BpStateField three[] = { BP_STATE_FIELD_ARRAY (BP_STATE_U32, Chip, regs, 3), BP_STATE_END };
  BpTypeDesc old = type_1, young = type_2;
  old.state = two;
  young.state = three;
  g_autoptr (GByteArray) bytes = saved (&old, &sample);
  Chip chip = { .regs = { 7, 7, 7 } };
  ck_assert_ptr_null (loaded (&young, bytes->data, bytes->len, &chip));
  ck_assert_uint_eq (chip.regs[1], 0x80000000);
  ck_assert_uint_eq (chip.regs[2], 7);
  g_autoptr (GByteArray) longer = saved (&young, &sample);
  refused (&old, longer, "3 elements");
}
END_TEST

/* --- buffers ---------------------------------------------------------------------------------- */

typedef struct Box {
  uint8_t control;
  BpStateBuffer table;
} Box;

static const BpStateField box_state[] = { BP_STATE_FIELD_U8 (Box, control), BP_STATE_FIELD_BUFFER (Box, table), BP_STATE_END };
static const BpStateField bare_state[] = { BP_STATE_FIELD_U8 (Box, control), BP_STATE_END };
static const BpTypeDesc box_type = { BP_TYPE ("box", BP_KIND_DEVICE, Box), .description = "a box", .state_version = 1, .state_minimum = 1,
                                     .state = box_state };
static const BpTypeDesc bare_type = { BP_TYPE ("box", BP_KIND_DEVICE, Box), .description = "a box", .state_version = 1, .state_minimum = 1,
                                      .state = bare_state };

static GByteArray *
box_saved (const BpTypeDesc *type, char *table, size_t size)
{
  BpObject *object = object_new (type, "box0", NULL);
  *(Box *) object_instance (object) = (Box) { .control = 7, .table = { table, size } };
  GByteArray *bytes = state_saved (object);
  object_free (object);
  return bytes;
}

/* What is wrong, or NULL. */
static char *
box_loaded (const GByteArray *bytes, char *table, size_t size)
{
  GError *error = NULL;
  BpObject *object = object_new (&box_type, "box0", NULL);
  ((Box *) object_instance (object))->table = (BpStateBuffer) { table, size };
  bool fine = state_load (object, bytes->data, bytes->len, &error);
  ck_assert_ptr_eq (((Box *) object_instance (object))->table.data, table);
  object_free (object);
  char *wrong = error ? g_strdup (error->message) : NULL;
  ck_assert (fine == !wrong);
  g_clear_error (&error);
  return wrong;
}

START_TEST (buffers_are_saved_while_they_exist) {
  char full[] = "0123456789", other[] = "..........";
  g_autoptr (GByteArray) with = box_saved (&box_type, full, 10), without = box_saved (&box_type, NULL, 0),
                         before = box_saved (&bare_type, NULL, 0);
  ck_assert_ptr_null (box_loaded (with, other, 10));
  ck_assert_str_eq (other, full);
  /* without one the saved bytes are those of a type that never had any, and load where one is */
  ck_assert_uint_eq (without->len, before->len);
  ck_assert_mem_eq (without->data, before->data, before->len);
  ck_assert_ptr_null (box_loaded (before, other, 10));
  ck_assert_str_eq (other, full);
  g_autofree char *none = box_loaded (with, NULL, 0), *small = box_loaded (with, other, 4);
  ck_assert_msg (strstr (none, "`table` was saved with 10 bytes, and this object has no such thing") != NULL, "%s", none);
  ck_assert_msg (strstr (small, "`table` was saved with 10 bytes and has 4 here") != NULL, "%s", small);
  for (guint i = 0; i < with->len; i++) {
    GByteArray cut = { with->data, i };
    g_autofree char *wrong = box_loaded (&cut, other, 10);
    ck_assert_ptr_nonnull (wrong);
  }
}
END_TEST

/* --- blobs --------------------------------------------------------------------------------------- */

static const BpStateField bag_state[] = { BP_STATE_FIELD_U8 (Box, control), BP_STATE_FIELD_BLOB (Box, table), BP_STATE_END };
static const BpTypeDesc bag_type = { BP_TYPE ("box", BP_KIND_DEVICE, Box), .description = "a bag", .state_version = 1, .state_minimum = 1,
                                     .state = bag_state };

/* What is in it afterwards, or NULL when the state is refused. */
static char *
bag_loaded (const GByteArray *bytes)
{
  BpObject *object = object_new (&bag_type, "box0", NULL);
  Box *bag = object_instance (object);
  bag->table = (BpStateBuffer) { g_strdup ("it was"), 6 };
  bool fine = state_load (object, bytes->data, bytes->len, NULL);
  char *text = g_strndup (bag->table.data, bag->table.size);
  ck_assert (fine || strcmp (text, "it was") == 0);
  if (!fine)
    g_clear_pointer (&text, g_free);
  g_free (bag->table.data);
  object_free (object);
  return text;
}

START_TEST (blobs_have_the_size_that_was_saved) {
  char full[] = "0123456789";
  g_autoptr (GByteArray) with = box_saved (&bag_type, full, 10), one = box_saved (&bag_type, full, 1), without = box_saved (&bag_type, NULL, 0),
                         buffer = box_saved (&box_type, full, 10);
  g_autofree char *ten = bag_loaded (with), *first = bag_loaded (one), *none = bag_loaded (without), *other = bag_loaded (buffer);
  ck_assert_str_eq (ten, full);
  ck_assert_str_eq (first, "0");
  ck_assert_str_eq (none, "it was");
  ck_assert_ptr_null (other);
  for (guint i = 0; i < with->len; i++) {
    GByteArray cut = { with->data, i };
    g_autofree char *text = bag_loaded (&cut);
    ck_assert_ptr_null (text);
  }
}
END_TEST

static unsigned n_asked;
static bool lacks_memory;

static bool
bag_fill (const void *self)
{
  Box *bag = (Box *) self;
  n_asked++;
  g_free (bag->table.data);
  bag->table = (BpStateBuffer) { NULL, 0 };
  if (bag->control && !lacks_memory)
    bag->table = (BpStateBuffer) { g_strdup ("filled"), bag->control };
  return bag->control;
}

static const BpStateField filled_state[] = { BP_STATE_FIELD_U8 (Box, control), BP_STATE_ (BP_STATE_BLOB, Box, table, 1, .needed = bag_fill), BP_STATE_END };
static const BpTypeDesc filled_type = { BP_TYPE ("box", BP_KIND_DEVICE, Box), .description = "a bag", .state_version = 1, .state_minimum = 1,
                                        .state = filled_state };

START_TEST (a_blob_is_made_when_it_is_asked_for) {
  BpObject *from = object_new (&filled_type, "box0", NULL), *to = object_new (&filled_type, "box1", NULL);
  Box *box = object_instance (from), *there = object_instance (to);
  box->control = 6;
  lacks_memory = true;
  g_autoptr (GByteArray) lost = state_saved (from);
  ck_assert_ptr_null (lost);
  ck_assert_uint_eq (n_asked, 1);
  lacks_memory = false;
  g_autoptr (GByteArray) bytes = state_saved (from);
  ck_assert_uint_eq (n_asked, 2);
  ck_assert (bytes && state_load (to, bytes->data, bytes->len, NULL));
  ck_assert_uint_eq (there->table.size, 6);
  ck_assert_mem_eq (there->table.data, "filled", 6);
  /* who does not need it has said so */
  box->control = 0;
  g_autoptr (GByteArray) without = state_saved (from);
  ck_assert (without && without->len < bytes->len);
  ck_assert_ptr_null (box->table.data);
  g_free (there->table.data);
  object_free (from);
  object_free (to);
}
END_TEST

START_TEST (an_empty_blob_is_there) {
  char none[] = "";
  g_autoptr (GByteArray) empty = box_saved (&bag_type, none, 0);
  BpObject *object = object_new (&bag_type, "box0", NULL);
  Box *bag = object_instance (object);
  ck_assert (state_load (object, empty->data, empty->len, NULL));
  ck_assert (bag->table.data && bag->table.size == 0);
  g_free (bag->table.data);
  object_free (object);
}
END_TEST

/* --- tables ------------------------------------------------------------------------------------ */

typedef struct Lane {
  uint16_t speed;
  BpStateBuffer cargo;
} Lane;

typedef struct Road {
  uint32_t number;
  BpStateTable lanes;
} Road;

typedef struct Map {
  BpStateTable roads;
} Map;

static const BpStateField lane_state[] = { BP_STATE_FIELD_U16 (Lane, speed), BP_STATE_FIELD_BUFFER (Lane, cargo), BP_STATE_END };
static const BpStateField road_state[] = { BP_STATE_FIELD_U32 (Road, number), BP_STATE_FIELD_TABLE (Road, lanes, Lane, lane_state), BP_STATE_END };
static const BpStateField map_state[] = { BP_STATE_FIELD_TABLE (Map, roads, Road, road_state), BP_STATE_END };
static const BpStateField empty_state[] = { BP_STATE_END };
static const BpTypeDesc map_type = { BP_TYPE ("map", BP_KIND_DEVICE, Map), .description = "a map", .state_version = 1, .state_minimum = 1, .state = map_state };
static const BpTypeDesc empty_type = { BP_TYPE ("map", BP_KIND_DEVICE, Map), .description = "a map", .state_version = 1, .state_minimum = 1,
                                       .state = empty_state };

static GByteArray *
map_saved (const BpTypeDesc *type, Road *roads, uint32_t n)
{
  BpObject *object = object_new (type, "map0", NULL);
  *(Map *) object_instance (object) = (Map) { { roads, n } };
  GByteArray *bytes = state_saved (object);
  object_free (object);
  return bytes;
}

/* What is wrong, or NULL. */
static char *
map_loaded (const GByteArray *bytes, Road *roads, uint32_t n)
{
  GError *error = NULL;
  BpObject *object = object_new (&map_type, "map0", NULL);
  *(Map *) object_instance (object) = (Map) { { roads, n } };
  bool fine = state_load (object, bytes->data, bytes->len, &error);
  object_free (object);
  char *wrong = error ? g_strdup (error->message) : NULL;
  ck_assert (fine == !wrong);
  g_clear_error (&error);
  return wrong;
}

START_TEST (tables_within_tables) {
  char from[] = "abc", to[] = "...";
  Lane lanes[3] = { { 30, { from, 3 } }, { 50, { NULL, 0 } }, { 70, { NULL, 0 } } }, others[3] = { { 0, { to, 3 } } };
  Road roads[2] = { { 7, { lanes, 2 } }, { 8, { lanes + 2, 1 } } }, there[2] = { { 0, { others, 2 } }, { 0, { others + 2, 1 } } };
  g_autoptr (GByteArray) with = map_saved (&map_type, roads, 2), without = map_saved (&map_type, NULL, 0), before = map_saved (&empty_type, NULL, 0);
  ck_assert_ptr_null (map_loaded (with, there, 2));
  ck_assert_uint_eq (there[0].number, 7);
  ck_assert_uint_eq (there[1].number, 8);
  ck_assert_uint_eq (others[0].speed, 30);
  ck_assert_uint_eq (others[2].speed, 70);
  ck_assert_str_eq (to, "abc");
  ck_assert_ptr_eq (there[0].lanes.data, others);
  /* without any, the saved bytes are those of a type that never had them */
  ck_assert_uint_eq (without->len, before->len);
  ck_assert_mem_eq (without->data, before->data, before->len);
  ck_assert_ptr_null (map_loaded (without, there, 2));
  g_autofree char *none = map_loaded (with, NULL, 0), *fewer = map_loaded (with, there, 1);
  ck_assert_msg (strstr (none, "`roads` was saved with 2 elements, and this object has no such thing") != NULL, "%s", none);
  ck_assert_msg (strstr (fewer, "`roads` was saved with 2 elements and has 1 here") != NULL, "%s", fewer);
  there[0].lanes.count = 1;
  g_autofree char *inner = map_loaded (with, there, 2);
  ck_assert_msg (strstr (inner, "`lanes` was saved with 2 elements and has 1 here") != NULL, "%s", inner);
  there[0].lanes.count = 2;
  for (guint i = 0; i < with->len; i++) {
    GByteArray cut = { with->data, i };
    g_autofree char *wrong = map_loaded (&cut, there, 2);
    ck_assert_ptr_nonnull (wrong);
  }
}
END_TEST

START_TEST (a_refusing_post_load) {
  g_autoptr (GByteArray) bytes = saved (&type_1, &sample);
  Chip chip = { .refuse = true };
  g_autofree char *wrong = loaded (&type_1, bytes->data, bytes->len, &chip);
  ck_assert_str_eq (wrong, "it does not add up");
}
END_TEST

START_TEST (every_truncation_is_refused) {
  g_autoptr (GByteArray) bytes = saved (&type_2, &sample);
  for (unsigned size = 0; size < bytes->len; size++) {
    g_autofree uint8_t *exact =
        g_memdup2 (bytes->data, size); /* so that a memory checker sees a read beyond */
    Chip chip = { 0 }, before = { 0 };
    g_autofree char *wrong = loaded (&type_2, exact, size, &chip);
    ck_assert_ptr_nonnull (wrong);
    ck_assert_mem_eq (&chip, &before, sizeof chip);
  }
  g_byte_array_append (bytes, (const uint8_t *) "x", 1);
  refused (&type_2, bytes, "after the end");
}
END_TEST

START_TEST (damage_does_not_crash) {
  g_autoptr (GByteArray) bytes = saved (&type_2, &sample);
  GRand *rand = g_rand_new_with_seed (1);
  for (unsigned i = 0; i < 20000; i++) {
    g_autofree uint8_t *damaged = g_memdup2 (bytes->data, bytes->len);
    for (unsigned n = 0; n < 3; n++) {
      damaged[g_rand_int_range (rand, 0, (int) bytes->len)] = (uint8_t) g_rand_int (rand);
    }
    Chip chip = { 0 };
    g_free (loaded (&type_2, damaged, bytes->len, &chip));
  }
  g_rand_free (rand);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("state");
  TCase *tests = tcase_create ("state");
  tcase_add_test (tests, there_and_back);
  tcase_add_test (tests, older_state);
  tcase_add_test (tests, newer_state);
  tcase_add_test (tests, too_old_a_state);
  tcase_add_test (tests, subsections);
  tcase_add_test (tests, a_missing_field);
  tcase_add_test (tests, another_type);
  tcase_add_test (tests, wider_integers);
  tcase_add_test (tests, arrays_that_grew);
  tcase_add_test (tests, buffers_are_saved_while_they_exist);
  tcase_add_test (tests, blobs_have_the_size_that_was_saved);
  tcase_add_test (tests, a_blob_is_made_when_it_is_asked_for);
  tcase_add_test (tests, an_empty_blob_is_there);
  tcase_add_test (tests, tables_within_tables);
  tcase_add_test (tests, a_refusing_post_load);
  tcase_add_test (tests, every_truncation_is_refused);
  tcase_add_test (tests, damage_does_not_crash);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
