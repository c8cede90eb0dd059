/* test-tcg-bbv-vector.c -- basic block vectors against vectors made the slow way, and on a full disk. */
/* SPDX-License-Identifier: MIT */
#include "test-instr.h"
#include "tcg-instr/tcg-bbv-vector.h"
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

/* A block that was entered, by a site of its own for each number of instructions; n below 0: so many of them were not executed. */
static void
add (BbvVector *v, uint32_t block, int32_t n)
{
  uint32_t site = block * 64 + (uint32_t) (n + 32);
  *bbv_vector_site (v, site) = (BbvSite) { bbv_vector_site (v, site)->times, n, block };
  bbv_vector_add (v, site);
}

static char *
contents (void)
{
  char *text = NULL;
  ck_assert (g_file_get_contents (scratch_file, &text, NULL, NULL));
  return text;
}

START_TEST (an_interval_ends_with_its_block)
{
  BbvVector v;
  ck_assert (bbv_vector_init (&v, NULL, scratch_file, 10, NULL));
  add (&v, 4, 6);
  add (&v, 0, 3);
  add (&v, 4, 6);            /* 15: the interval is over */
  add (&v, 2, 10);           /* this one, too */
  add (&v, 1, 5);
  ck_assert_uint_eq (v.n_intervals, 2);
  ck_assert_uint_eq (v.written_insns, 25);
  ck_assert_uint_eq (v.longest, 15);
  bbv_vector_close (&v, false);
  g_autofree char *text = contents ();
  ck_assert_str_eq (text, "T:1:3 :5:12 \nT:3:10 \n");
  bbv_vector_finish (&v);
}
END_TEST

START_TEST (what_is_taken_back_belongs_to_the_interval_of_its_block)
{
  BbvVector v;
  ck_assert (bbv_vector_init (&v, NULL, scratch_file, 10, NULL));
  add (&v, 3, 12);
  add (&v, 3, -4);                      /* 8: it goes on */
  add (&v, 2, 5);                       /* 13 */
  add (&v, 2, -1);                      /* 12 */
  add (&v, 1, 10);
  bbv_vector_close (&v, false);
  g_autofree char *text = contents ();
  ck_assert_str_eq (text, "T:3:4 :4:8 \nT:2:10 \n");
  bbv_vector_finish (&v);
}
END_TEST

START_TEST (the_partial_interval_is_written_when_asked_for)
{
  BbvVector v;
  ck_assert (bbv_vector_init (&v, NULL, scratch_file, 10, NULL));
  add (&v, 1, 5);
  bbv_vector_close (&v, true);
  g_autofree char *text = contents ();
  ck_assert_str_eq (text, "T:2:5 \n");
  bbv_vector_finish (&v);
}
END_TEST

START_TEST (what_was_not_executed_is_taken_back)
{
  BbvVector v;
  ck_assert (bbv_vector_init (&v, NULL, scratch_file, 10, NULL));
  add (&v, 1, 9);
  add (&v, 1, -9);
  add (&v, 0, 9);
  add (&v, 0, -2);
  add (&v, 1, 4);
  bbv_vector_close (&v, true);
  g_autofree char *text = contents ();
  ck_assert_str_eq (text, "T:1:7 :2:4 \n");
  bbv_vector_finish (&v);
}
END_TEST

/* Thousands of blocks in a random order, counted once more in a plain table. */
START_TEST (vectors_equal_those_of_a_plain_table)
{
  enum { BLOCKS = 5000, STEPS = 300000, INTERVAL = 70000 };
  uint64_t *plain = g_new0 (uint64_t, BLOCKS), in_interval = 0;
  GString *expected = g_string_new (NULL);
  BbvVector v;
  srand (7);
  ck_assert (bbv_vector_init (&v, NULL, scratch_file, INTERVAL, NULL));
  for (unsigned i = 0; i < STEPS; i++) {
    uint32_t block = (uint32_t) rand () % BLOCKS / ((unsigned) rand () % 50 + 1), n = (uint32_t) rand () % 12 + 1;
    add (&v, block, n);
    plain[block] += n;
    in_interval += n;
    if (in_interval < INTERVAL)
      continue;
    in_interval = 0;
    g_string_append (expected, "T");
    for (unsigned b = 0; b < BLOCKS; b++)
      if (plain[b])
        g_string_append_printf (expected, ":%u:%" PRIu64 " ", b + 1, plain[b]);
    g_string_append (expected, "\n");
    memset (plain, 0, BLOCKS * sizeof *plain);
  }
  bbv_vector_close (&v, false);
  g_autofree char *text = contents ();
  ck_assert_uint_gt (v.n_intervals, 20);
  ck_assert (!strcmp (text, expected->str));
  bbv_vector_finish (&v);
  g_string_free (expected, true);
  g_free (plain);
}
END_TEST

START_TEST (a_full_disk_leaves_whole_lines)
{
  BbvVector v;
  struct rlimit old, small;
  getrlimit (RLIMIT_FSIZE, &old);
  small = (struct rlimit) { .rlim_cur = 600000, .rlim_max = old.rlim_max };
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &small);
  ck_assert (bbv_vector_init (&v, NULL, scratch_file, 1000, NULL));
  for (unsigned i = 0; i < 200000; i++)
    add (&v, i % 777, 7);
  bbv_vector_close (&v, true);
  setrlimit (RLIMIT_FSIZE, &old);
  ck_assert_ptr_nonnull (v.file.failure);
  g_autofree char *text = contents ();
  size_t n = strlen (text);
  ck_assert (n > 0 && text[n - 1] == '\n' && text[0] == 'T');
  uint64_t lines = 0;
  for (const char *p = text; (p = strchr (p, '\n')); p++)
    lines++;
  ck_assert_uint_eq (lines + v.file.dropped, v.n_intervals);
  ck_assert_uint_eq (n, instr_file_bytes (&v.file));
  bbv_vector_finish (&v);
}
END_TEST

int
main (void)
{
  TCase *cases = tcase_create ("vectors");
  tcase_add_checked_fixture (cases, make_scratch, remove_scratch);
  tcase_add_test (cases, an_interval_ends_with_its_block);
  tcase_add_test (cases, what_is_taken_back_belongs_to_the_interval_of_its_block);
  tcase_add_test (cases, the_partial_interval_is_written_when_asked_for);
  tcase_add_test (cases, what_was_not_executed_is_taken_back);
  tcase_add_test (cases, vectors_equal_those_of_a_plain_table);
  tcase_add_test (cases, a_full_disk_leaves_whole_lines);
  return run_tests ("tcg-bbv-vector", cases);
}
