/* test-instr-common.c -- top rows, groups, series, spaces, values of several parts, files of instruments. */
/* SPDX-License-Identifier: MIT */
#include "test-instr.h"
#include "tcg-instr/common/instr-array.h"
#include "tcg-instr/common/instr-file.h"
#include "tcg-instr/common/instr-rows.h"
#include "tcg-instr/common/instr-series.h"
#include "tcg-instr/common/instr-spaces.h"
#include "tcg-instr/common/instr-spec.h"
#include <signal.h>
#include <sys/resource.h>

/* --- rows --------------------------------------------------------------------------------------- */

static void
add (InstrRows *rows, uint64_t address, unsigned privilege, uint64_t a, uint64_t b)
{
  InstrRow *row = instr_rows_add (rows, fake_insn (address, privilege));
  row->counts[0] = a;
  row->counts[1] = b;
}

START_TEST (the_top_is_in_order_and_ties_are_by_address)
{
  InstrRows rows;
  instr_rows_init (&rows, 2);
  add (&rows, 0x1300, 0, 5, 1);
  add (&rows, 0x1100, 0, 5, 1);
  add (&rows, 0x1200, 0, 5, 9);
  add (&rows, 0x1000, 0, 0, 100);
  add (&rows, 0x1400, 0, 70, 0);
  add (&rows, 0x1500, 0, 1, 0);
  ck_assert_uint_eq (instr_rows_sum (&rows, 0), 86);
  instr_rows_top (&rows, 0, 4);
  ck_assert_uint_eq (rows.n, 4);
  uint64_t order[] = { 0x1400, 0x1200, 0x1100, 0x1300 };
  for (unsigned i = 0; i < 4; i++)
    ck_assert_uint_eq (rows.rows[i].address, order[i]);
  instr_rows_finish (&rows);
}
END_TEST

START_TEST (groups_do_not_depend_on_the_order_of_rows)
{
  for (unsigned way = 0; way < 2; way++) {
    InstrRows rows, groups;
    instr_rows_init (&rows, 2);
    struct { uint64_t address; unsigned privilege, count; } data[] = {
      { 0x1210, 0, 3 }, { 0x1200, 0, 4 }, { 0x1220, 0, 0 }, { 0x1300, 0, 7 }, { 0x1204, 3, 2 }, { 0x20000, 3, 1 }, { 0x30000, 3, 5 }, { 0x30000, 0, 2 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS (data); i++) {
      unsigned at = way ? G_N_ELEMENTS (data) - 1 - i : i;
      add (&rows, data[at].address, data[at].privilege, data[at].count, 0);
    }
    instr_rows_group (&groups, &rows, INSTR_BY_SYMBOL, fake_instrument ());
    instr_rows_top (&groups, 0, 0);
    struct { const char *label; unsigned privilege, count; uint64_t address; } expected[] = {
      { "f12", 0, 7, 0x1200 }, { "f13", 0, 7, 0x1300 }, { "[privilege 3]", 3, 6, 0x20000 }, { "f12", 3, 2, 0x1200 }, { "[privilege 0]", 0, 2, 0x30000 },
    };
    ck_assert_uint_eq (groups.n, G_N_ELEMENTS (expected));
    for (unsigned i = 0; i < groups.n; i++) {
      ck_assert_str_eq (groups.rows[i].label, expected[i].label);
      ck_assert_uint_eq (groups.rows[i].privilege, expected[i].privilege);
      ck_assert_uint_eq (groups.rows[i].counts[0], expected[i].count);
      ck_assert_uint_eq (groups.rows[i].address, expected[i].address);
    }
    instr_rows_finish (&groups);
    instr_rows_group (&groups, &rows, INSTR_BY_LINE, fake_instrument ());
    instr_rows_top (&groups, 0, 1);
    ck_assert_str_eq (groups.rows[0].label, "fake.c:304");
    ck_assert_str_eq (groups.rows[0].detail, "f13");
    instr_rows_finish (&groups);
    instr_rows_finish (&rows);
  }
}
END_TEST

/* A line of an inlined function is in each that it became part of: its row names the lowest one's. */
START_TEST (a_line_in_two_functions_has_the_first_one)
{
  for (unsigned way = 0; way < 2; way++) {
    InstrRows rows, groups;
    instr_rows_init (&rows, 2);
    add (&rows, way ? 0xe100 : 0xe200, 0, 2, 0);
    add (&rows, way ? 0xe200 : 0xe100, 0, 3, 0);
    instr_rows_group (&groups, &rows, INSTR_BY_LINE, fake_instrument ());
    ck_assert_uint_eq (groups.n, 1);
    ck_assert_uint_eq (groups.rows[0].counts[0], 5);
    ck_assert_str_eq (groups.rows[0].label, "fake.h:1");
    ck_assert_str_eq (groups.rows[0].detail, "fe1");
    instr_rows_finish (&groups);
    instr_rows_finish (&rows);
  }
}
END_TEST

START_TEST (places_have_texts)
{
  char *symbol, *source;
  instr_place_texts (fake_instrument (), fake_insn (0x1234, 0), &symbol, &source);
  ck_assert_str_eq (symbol, "f12+0x34");
  ck_assert_str_eq (source, "fake.c:291");
  g_free (symbol);
  g_free (source);
  instr_place_texts (fake_instrument (), fake_insn (0x50000, 0), &symbol, &source);
  ck_assert_ptr_null (symbol);
  ck_assert_ptr_null (source);
}
END_TEST

/* --- arrays, series, spaces ---------------------------------------------------------------------- */

START_TEST (an_array_is_zero_and_stays_in_place)
{
  InstrArray a;
  ck_assert (instr_array_init (&a, 16, 0, NULL));
  uint64_t *far = instr_array_at (&a, INSTR_MAX_IDS - 1);
  ck_assert_uint_eq (far[1], 0);
  far[1] = 7;
  ck_assert_ptr_eq (instr_array_at (&a, UINT32_MAX), far);
  instr_array_finish (&a);
}
END_TEST

START_TEST (a_series_folds_and_loses_nothing)
{
  InstrSeries s, other;
  instr_series_init (&s, 8, 2, 10);
  instr_series_init (&other, 8, 2, 10);
  for (uint64_t t = 0; t < 1000; t++) {
    uint64_t *sums = instr_series_at (&s, t);
    sums[0] += 1;
    sums[1] += t;
  }
  ck_assert_uint_eq (s.width, 160);
  ck_assert_uint_eq (s.used, 7);
  ck_assert_uint_eq (s.sums[0], 160);
  ck_assert_uint_eq (s.sums[12], 40);
  instr_series_at (&other, 5)[0] += 3;
  instr_series_at (&other, 79)[0] += 4;
  instr_series_merge (&other, &s);
  ck_assert_uint_eq (other.width, 160);
  uint64_t n = 0, sum = 0;
  for (unsigned i = 0; i < other.used; i++) {
    n += other.sums[i * 2];
    sum += other.sums[i * 2 + 1];
  }
  ck_assert_uint_eq (n, 1007);
  ck_assert_uint_eq (sum, 999 * 1000 / 2);
  instr_series_finish (&s);
  instr_series_finish (&other);
}
END_TEST

START_TEST (spaces_are_numbered_as_they_come)
{
  InstrSpaces s;
  instr_spaces_init (&s);
  for (unsigned round = 0; round < 2; round++)
    for (uint32_t i = 0; i < 5000; i++)
      ck_assert_uint_eq (instr_spaces_index (&s, (uint64_t) i << 12), i);
  ck_assert_uint_eq (s.n, 5000);
  ck_assert_uint_eq (s.spaces[4999], UINT64_C (4999) << 12);
  instr_spaces_finish (&s);
}
END_TEST

/* --- values of several parts ---------------------------------------------------------------------- */

typedef struct Level {
  uint64_t size;
  uint32_t ways;
  int policy;
  bool inclusive;
} Level;
static const char *const policies[] = { "lru", "fifo", "random", NULL };
static const InstrSpec level_rows[] = {
  { "size", INSTR_SPEC_SIZE, offsetof (Level, size), INSTR_SPEC_POWER_OF_TWO | INSTR_SPEC_REQUIRED, 64, 1 << 30, NULL },
  { "ways", INSTR_SPEC_U32, offsetof (Level, ways), 0, 1, 64, NULL },
  { "policy", INSTR_SPEC_ENUM, offsetof (Level, policy), 0, 0, 0, policies },
  { "inclusive", INSTR_SPEC_BOOL, offsetof (Level, inclusive), 0, 0, 0, NULL },
  { .name = NULL }
};

START_TEST (parts_are_parsed)
{
  Level l = { .ways = 3 };
  GError *error = NULL;
  ck_assert (instr_spec_parse ("size=32K, policy=fifo,inclusive", level_rows, &l, &error));
  ck_assert_uint_eq (l.size, 32768);
  ck_assert_uint_eq (l.ways, 3);
  ck_assert_int_eq (l.policy, 1);
  ck_assert (l.inclusive);
  struct { const char *text, *says; } bad[] = {
    { "size=33K", "power of two" }, { "size=32", "range" }, { "ways=8", "size=... is missing" }, { "size=64K,wais=8", "did you mean `ways`" },
    { "size=64K,policy=rand", "did you mean `random`" }, { "size=64K,size=64K", "twice" }, { "size", "no value" }, { "size=64K,inclusive=1", "neither" },
    { "size=-1", "no number" }, { "size=0x", "no number" }, { "size=99999999999G", "no number" }, { "size=1KB", "no number" },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++) {
    ck_assert (!instr_spec_parse (bad[i].text, level_rows, &l, &error));
    ck_assert_msg (strstr (error->message, bad[i].says) != NULL, "%s: %s", bad[i].text, error->message);
    g_clear_error (&error);
  }
}
END_TEST

START_TEST (numbers_go_to_the_last)
{
  uint64_t n;
  struct { const char *text; uint64_t value; } good[] = {
    { "0", 0 }, { "0x1fff", 0x1fff }, { "2K", 2048 }, { "3g", UINT64_C (3) << 30 }, { "0xffffffffffffffff", UINT64_MAX }, { "18446744073709551615", UINT64_MAX },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (good); i++)
    ck_assert_msg (instr_parse_number (good[i].text, &n, NULL) && n == good[i].value, "%s", good[i].text);
  const char *bad[] = { "", "a", "-1", "0x10000000000000000", "18446744073709551616", "0xffffffffffffffffK", "1 2" };
  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++) {
    GError *error = NULL;
    ck_assert_msg (!instr_parse_number (bad[i], &n, &error) && strstr (error->message, "is no number"), "%s", bad[i]);
    g_clear_error (&error);
  }
}
END_TEST

/* --- files ---------------------------------------------------------------------------------------- */

START_TEST (what_is_not_committed_does_not_stay)
{
  InstrFile f;
  g_autofree char *text = NULL;
  ck_assert (instr_file_open (&f, NULL, scratch_file, NULL));
  instr_file_print (&f, "%s %d\n", "line", 1);
  instr_file_commit (&f);
  for (unsigned i = 0; i < 100000; i++)
    instr_file_print (&f, "line %d\n", 2);      /* more than a buffer */
  ck_assert_uint_eq (instr_file_bytes (&f), 7);
  instr_file_finish (&f);
  ck_assert (g_file_get_contents (scratch_file, &text, NULL, NULL));
  ck_assert_str_eq (text, "line 1\n");
}
END_TEST

START_TEST (a_full_disk_leaves_whole_records)
{
  InstrFile f;
  char record[1000];
  gsize size = 0;
  g_autofree char *text = NULL;
  memset (record, 'x', sizeof record);
  /* A limit of the process stands for the disk's. */
  struct rlimit old, small;
  getrlimit (RLIMIT_FSIZE, &old);
  small = (struct rlimit) { .rlim_cur = 1000100, .rlim_max = old.rlim_max };
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &small);
  ck_assert (instr_file_open (&f, NULL, scratch_file, NULL));
  for (unsigned i = 0; i < 2000; i++) {
    instr_file_write (&f, record, sizeof record);
    instr_file_commit (&f);
  }
  setrlimit (RLIMIT_FSIZE, &old);
  ck_assert_ptr_nonnull (f.failure);
  uint64_t said = instr_file_bytes (&f), dropped = f.dropped;
  instr_file_finish (&f);
  ck_assert (g_file_get_contents (scratch_file, &text, &size, NULL));
  ck_assert_uint_eq (size % sizeof record, 0);
  ck_assert_uint_eq (size, said);
  ck_assert_uint_gt (size, 700000);
  ck_assert_uint_eq (size / sizeof record + dropped, 2000);
}
END_TEST

/* The second record's beginning is written before its end is refused. */
START_TEST (a_full_disk_leaves_no_half_of_a_large_record)
{
  enum { LARGE = 400 << 10 };
  InstrFile f;
  gsize size = 0;
  g_autofree char *record = g_malloc0 (LARGE), *text = NULL;
  struct rlimit old, small;
  getrlimit (RLIMIT_FSIZE, &old);
  small = (struct rlimit) { .rlim_cur = 2 * LARGE - 1000, .rlim_max = old.rlim_max };
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &small);
  ck_assert (instr_file_open (&f, NULL, scratch_file, NULL));
  for (unsigned i = 0; i < 2; i++) {
    instr_file_write (&f, record, LARGE);
    instr_file_commit (&f);
    ck_assert_uint_eq (instr_file_bytes (&f), (i + 1) * LARGE);
  }
  instr_file_flush (&f);
  setrlimit (RLIMIT_FSIZE, &old);
  ck_assert_ptr_nonnull (f.failure);
  ck_assert_uint_eq (instr_file_bytes (&f), LARGE);
  ck_assert_uint_eq (f.dropped, 1);
  instr_file_finish (&f);
  ck_assert (g_file_get_contents (scratch_file, &text, &size, NULL));
  ck_assert_uint_eq (size, LARGE);
}
END_TEST

START_TEST (a_file_that_cannot_be_made_is_an_error)
{
  InstrFile f;
  GError *error = NULL;
  ck_assert (!instr_file_open (&f, NULL, "/nonexistent/x", &error));
  ck_assert (strstr (error->message, "/nonexistent/x") != NULL);
  g_clear_error (&error);
  instr_file_finish (&f);
}
END_TEST

int
main (void)
{
  TCase *cases = tcase_create ("common");
  tcase_add_checked_fixture (cases, make_scratch, remove_scratch);
  tcase_add_test (cases, the_top_is_in_order_and_ties_are_by_address);
  tcase_add_test (cases, groups_do_not_depend_on_the_order_of_rows);
  tcase_add_test (cases, a_line_in_two_functions_has_the_first_one);
  tcase_add_test (cases, places_have_texts);
  tcase_add_test (cases, an_array_is_zero_and_stays_in_place);
  tcase_add_test (cases, a_series_folds_and_loses_nothing);
  tcase_add_test (cases, spaces_are_numbered_as_they_come);
  tcase_add_test (cases, parts_are_parsed);
  tcase_add_test (cases, numbers_go_to_the_last);
  tcase_add_test (cases, what_is_not_committed_does_not_stay);
  tcase_add_test (cases, a_full_disk_leaves_whole_records);
  tcase_add_test (cases, a_full_disk_leaves_no_half_of_a_large_record);
  tcase_add_test (cases, a_file_that_cannot_be_made_is_an_error);
  return run_tests ("instr-common", cases);
}
