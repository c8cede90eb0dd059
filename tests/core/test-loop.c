/* test-loop.c -- I/O threads, posted calls, watched file descriptors. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static BpMachine machine;

static void
setup (void)
{
  memset (&machine, 0, sizeof machine);
  g_rec_mutex_init (&machine.lock);
  machine.main_loop = loop_main_new ();
}

static void
teardown (void)
{
  bp_loop_free (machine.main_loop);
  g_rec_mutex_clear (&machine.lock);
}

static GString *
post_log (void)
{
  static GString *log;
  return log ? log : (log = g_string_new (NULL));
}

static void
say (void *user)
{
  g_string_append (post_log (), user);
}

START_TEST (posts_run_once_and_in_order)
{
  g_string_truncate (post_log (), 0);
  ck_assert_ptr_eq (bp_loop_main (&machine), machine.main_loop);
  bp_loop_post (machine.main_loop, false, NULL, say, "a");
  bp_loop_post (machine.main_loop, true, &machine, say, "b");
  bp_loop_post (machine.main_loop, false, NULL, say, "c");
  ck_assert_str_eq (post_log ()->str, "");
  while (g_main_context_iteration (NULL, FALSE))
    ;
  ck_assert_str_eq (post_log ()->str, "abc");
  /* An I/O thread runs what was posted before it ends. */
  BpLoop *loop = bp_loop_new_thread ("io");
  for (unsigned i = 0; i < 100; i++)
    bp_loop_post (loop, i & 1, &machine, say, "x");
  bp_loop_free (loop);
  ck_assert_uint_eq (post_log ()->len, 103);
}
END_TEST

/* What was posted and not called is called when the machine ends, in its order, and never again: the main context goes on. */
START_TEST (posts_do_not_outlive_the_loop)
{
  g_string_truncate (post_log (), 0);
  BpLoop *loop = loop_main_new ();
  bp_loop_post (loop, true, &machine, say, "a");
  bp_loop_post (loop, false, NULL, say, "b");
  loop_make_posts (loop);
  ck_assert_str_eq (post_log ()->str, "ab");
  bp_loop_post (loop, true, &machine, say, "c");
  bp_loop_free (loop);
  ck_assert_str_eq (post_log ()->str, "abc");
  while (g_main_context_iteration (NULL, FALSE))
    ;
  ck_assert_str_eq (post_log ()->str, "abc");
}
END_TEST

/* A thread's loop needs one descriptor, and has it before it begins. */
START_TEST (without_descriptors)
{
  struct rlimit before, few;
  int fillers[64], n = 0;
  ck_assert_int_eq (getrlimit (RLIMIT_NOFILE, &before), 0);
  few = before;
  few.rlim_cur = 48;
  ck_assert_int_eq (setrlimit (RLIMIT_NOFILE, &few), 0);
  while ((fillers[n] = dup (0)) >= 0)
    n++;
  ck_assert_ptr_null (bp_loop_new_thread ("io"));
  close (fillers[--n]);
  BpLoop *loop = bp_loop_new_thread ("io");
  ck_assert_ptr_nonnull (loop);
  g_string_truncate (post_log (), 0);
  bp_loop_post (loop, false, NULL, say, "a");
  bp_loop_free (loop);
  ck_assert_str_eq (post_log ()->str, "a");
  while (n)
    close (fillers[--n]);
  ck_assert_int_eq (setrlimit (RLIMIT_NOFILE, &before), 0);
}
END_TEST

/* --- watches ---------------------------------------------------------------------------------- */

typedef struct Pipe {
  int fds[2];
  unsigned n;                   /* atomic */
  bool once;
  GThread *thread;
} Pipe;

static bool
readable (void *user, GIOCondition condition)
{
  Pipe *p = user;
  char c;
  ck_assert (condition & G_IO_IN);
  ck_assert_int_eq (read (p->fds[0], &c, 1), 1);
  p->thread = g_thread_self ();
  __atomic_add_fetch (&p->n, 1, __ATOMIC_SEQ_CST);
  return !p->once;
}

static void
wait_for (Pipe *p, unsigned n)
{
  for (unsigned i = 0; i < 5000 && __atomic_load_n (&p->n, __ATOMIC_SEQ_CST) < n; i++) {
    g_main_context_iteration (NULL, FALSE);
    g_usleep (200);
  }
  ck_assert_uint_eq (__atomic_load_n (&p->n, __ATOMIC_SEQ_CST), n);
}

START_TEST (watches_on_either_kind_of_loop)
{
  BpLoop *loop = _i ? bp_loop_new_thread ("io") : machine.main_loop;
  Pipe p = { .n = 0 };
  ck_assert_int_eq (pipe (p.fds), 0);
  unsigned id = bp_loop_watch_fd (loop, &machine, p.fds[0], G_IO_IN, readable, &p);
  ck_assert_uint_gt (id, 0);
  for (unsigned i = 1; i <= 3; i++) {
    ck_assert_int_eq (write (p.fds[1], "x", 1), 1);
    wait_for (&p, i);
  }
  ck_assert ((p.thread == g_thread_self ()) == !_i);
  /* Unwatched under the lock: never called again, not even if the loop already saw the byte. */
  bp_machine_lock (&machine);
  ck_assert_int_eq (write (p.fds[1], "x", 1), 1);
  g_usleep (5000);
  bp_loop_unwatch (loop, id);
  bp_machine_unlock (&machine);
  g_usleep (5000);
  wait_for (&p, 3);
  bp_loop_unwatch (loop, id);
  /* A callback that returns false ends its watch. */
  p.once = true;
  bp_loop_watch_fd (loop, &machine, p.fds[0], G_IO_IN, readable, &p);
  wait_for (&p, 4);
  ck_assert_int_eq (write (p.fds[1], "x", 1), 1);
  g_usleep (5000);
  wait_for (&p, 4);
  if (_i)
    bp_loop_free (loop);
  close (p.fds[0]);
  close (p.fds[1]);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("loop");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, posts_run_once_and_in_order);
  tcase_add_test (tcase, posts_do_not_outlive_the_loop);
  tcase_add_test (tcase, without_descriptors);
  tcase_add_loop_test (tcase, watches_on_either_kind_of_loop, 0, 2);
  tcase_set_timeout (tcase, 30);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
