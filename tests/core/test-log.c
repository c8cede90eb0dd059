/* test-log.c -- topics by name, whole lines, the file. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <string.h>
#include <unistd.h>

#include <backplane/log.h>

#include "object.h"
#include "../suite.h"

static const BpTypeDesc type = { BP_TYPE ("log-device", BP_KIND_DEVICE, int), .description = "speaks" };

static char *
new_file (void)
{
  GError *error = NULL;
  char *path = NULL;
  int fd = g_file_open_tmp ("backplane-log-XXXXXX", &path, &error);
  ck_assert_int_ge (fd, 0);
  close (fd);
  ck_assert (log_set_file (path, &error));
  return path;
}

/* Frees path. */
static char *
contents (char *path)
{
  char *text = NULL;
  ck_assert (log_set_file (NULL, NULL));
  ck_assert (g_file_get_contents (path, &text, NULL, NULL));
  unlink (path);
  g_free (path);
  return text;
}

START_TEST (topics_become_bits) {
  ck_assert_uint_eq (bp_log_mask, 0);
  ck_assert (log_set_topics ("in_asm, unimp", NULL));
  ck_assert_uint_eq (bp_log_mask, BP_LOG_IN_ASM | BP_LOG_UNIMP);
  ck_assert (log_set_topics ("all", NULL));
  ck_assert (bp_log_mask & BP_LOG_OP_OPT);
  ck_assert (log_set_topics ("", NULL));
  ck_assert_uint_eq (bp_log_mask, 0);
}
END_TEST

START_TEST (unknown_topic_names_the_nearest) {
  GError *error = NULL;
  ck_assert (log_set_topics ("int", NULL));
  ck_assert (!log_set_topics ("exec,gest_errors", &error));
  ck_assert_ptr_nonnull (strstr (error->message, "`gest_errors`"));
  ck_assert_ptr_nonnull (strstr (error->message, "did you mean `guest_errors`?"));
  ck_assert_uint_eq (bp_log_mask, BP_LOG_INT);          /* as it was */
  g_error_free (error);
}
END_TEST

START_TEST (help_lists_every_topic) {
  g_autofree char *text = log_topics_text ();
  static const char *const names[] = { "in_asm", "op",  "op_opt",    "out_asm",      "exec",
                                       "int",    "mmu", "cpu_reset", "guest_errors", "unimp" };
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++) {
    ck_assert (log_set_topics (names[i], NULL));
    ck_assert_ptr_nonnull (strstr (text, names[i]));
  }
}
END_TEST

START_TEST (lines_go_to_the_file) {
  char *path = new_file ();
  BpObject *object = object_new (&type, "com1", NULL);
  void *self = object_instance (object);
  ck_assert (log_set_topics ("int,guest_errors", NULL));
  bp_log (BP_LOG_INT, "vector %d", 32);
  bp_log (BP_LOG_EXEC, "not chosen");
  bp_log_guest (self, "bad register %#x\n", 7);
  bp_log_guest (NULL, "nobody's");
  bp_log_unimp (self, "not chosen either");
  g_autofree char *text = contents (path);
  ck_assert_str_eq (text, "vector 32\ncom1: guest_errors: bad register 0x7\n-: guest_errors: nobody's\n");
  object_free (object);
}
END_TEST

static gpointer
writer (gpointer data)
{
  for (unsigned i = 0; i < 500; i++) {
    bp_log (BP_LOG_EXEC, "%s", (const char *) data);
  }
  return NULL;
}

START_TEST (threads_do_not_mix_their_lines) {
  char *path = new_file ();
  ck_assert (log_set_topics ("exec", NULL));
  GThread *a = g_thread_new ("a", writer, (char *) "aaaaaaaaaaaaaaaaaaaaaaaa"),
          *b = g_thread_new ("b", writer, (char *) "bbbbbbbbbbbb");
  g_thread_join (a);
  g_thread_join (b);
  g_autofree char *text = contents (path);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  ck_assert_uint_eq (g_strv_length (lines), 1001);
  for (unsigned i = 0; i < 1000; i++) {
    ck_assert (strcmp (lines[i], "aaaaaaaaaaaaaaaaaaaaaaaa") == 0 || strcmp (lines[i], "bbbbbbbbbbbb") == 0);
  }
}
END_TEST

START_TEST (a_file_that_cannot_be_written) {
  GError *error = NULL;
  ck_assert (!log_set_file ("/nonexistent/log", &error));
  ck_assert (g_error_matches (error, BP_ERROR, BP_ERROR_IO));
  ck_assert_ptr_nonnull (strstr (error->message, "/nonexistent/log"));
  g_error_free (error);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("log");
  TCase *tests = tcase_create ("log");
  tcase_add_test (tests, topics_become_bits);
  tcase_add_test (tests, unknown_topic_names_the_nearest);
  tcase_add_test (tests, help_lists_every_topic);
  tcase_add_test (tests, lines_go_to_the_file);
  tcase_add_test (tests, threads_do_not_mix_their_lines);
  tcase_add_test (tests, a_file_that_cannot_be_written);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
