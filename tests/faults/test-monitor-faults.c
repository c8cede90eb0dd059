/* test-monitor-faults.c -- monitors on a host whose calls fail: answers with an error, whole files or none, and clients that go at any moment. */
/* SPDX-License-Identifier: MIT */
#include "monitor/monitor-test.h"
#include "monitor/qmp.h"
#include "scratch.h"
#include "sweep.h"
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define DONE "{\"return\": {}}"

static char *answer;

static void
enter (void)
{
  signal (SIGPIPE, SIG_IGN);
  scratch_enter ();
}

/* --- files ----------------------------------------------------------------------------------------------- */

static const char *command;
static bool replaces;

static void
prepare_file (void)
{
  scratch_empty (".");
  if (replaces)
    ck_assert (g_file_set_contents ("file", "old", -1, NULL));
  monitor_test_machine ("[device screen]\ntype = test-screen\n");
}

static void
run_file (void)
{
  answer = monitor_test_qmp (command);
}

/* The new file, or an error and what there was before; nothing else in the folder, and the machine goes on. */
static void
verify_file (const SweepFault *f, uint32_t failed)
{
  g_autofree char *bytes = NULL, *next = monitor_test_qmp ("{\"execute\": \"query-status\"}");
  bool good = strcmp (answer, DONE) == 0, there = g_file_get_contents ("file", &bytes, NULL, NULL);
  ck_assert_msg (good || strstr (answer, "GenericError"), "%s", answer);
  ck_assert_msg (good || failed, "%s", answer);
  ck_assert_msg (good || strstr (answer, "file'"), "no file in: %s", answer);
  ck_assert (good ? there && strcmp (bytes, "old") != 0 : there == replaces && (!there || strcmp (bytes, "old") == 0));
  ck_assert_msg (strstr (next, "return"), "%s", next);
  monitor_test_end ();
  g_clear_pointer (&answer, g_free);
  ck_assert_uint_eq (scratch_empty ("."), there);
}

static const SweepFault files[] = { { INJECT_WRITE, EIO, 1 }, { INJECT_WRITE, ENOSPC, INJECT_FOREVER }, { INJECT_WRITE, EINTR, 1 }, { INJECT_WRITE, INJECT_SHORT, INJECT_FOREVER },
                                    { INJECT_RENAME, EIO, 1 } };
static const SweepFault opens[] = { { INJECT_OPEN, EMFILE, 1 }, { INJECT_OPEN, ENOSPC, 1 } };

START_TEST (test_files)
{
  static const SweepScenario s = { "a monitor's file", prepare_file, run_file, verify_file };
  static const char *const all[] = {
    "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"file\"}}",
    "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"file\", \"format\": \"png\"}}",
    "{\"execute\": \"pmemsave\", \"arguments\": {\"val\": 0, \"size\": 100000, \"filename\": \"file\"}}",
  };
  command = all[_i / 2];
  replaces = _i & 1;
  sweep (&s, "file", 8, files, G_N_ELEMENTS (files));
  sweep (&s, "file", 8, opens, G_N_ELEMENTS (opens));
}
END_TEST

/* --- clients --------------------------------------------------------------------------------------------- */

static int peer = -1;

static int
connect_peer (void)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "qmp.sock" };
  int fd = (int) syscall (SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  ck_assert_int_eq ((int) syscall (SYS_connect, fd, &sun, sizeof sun), 0);
  return fd;
}

static void
spin (unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (200);
}

/* A conversation; what the peer says and hears is not spoiled. */
static bool
talk (int fd, const char *text, const char *expected)
{
  static char bytes[65536];
  size_t size = 0;
  syscall (SYS_write, fd, text, strlen (text));
  for (unsigned i = 0; i < 200; i++) {
    spin (1);
    ssize_t n = (ssize_t) syscall (SYS_read, fd, bytes + size, sizeof bytes - 1 - size);
    size += n > 0 ? (size_t) n : 0;
    bytes[size] = 0;
    if (strstr (bytes, expected))
      return true;
    if (n == 0)
      return false;
  }
  return false;
}

static void
prepare_client (void)
{
  scratch_empty (".");
  monitor_test_machine ("[monitor qmp]\ntype = monitor-qmp\nlisten = unix:qmp.sock\n");
}

static void
run_client (void)
{
  peer = connect_peer ();
  talk (peer, "{\"execute\": \"qmp_capabilities\"}", "return");
  talk (peer, "{\"execute\": \"query-commands\"}{\"execute\": \"query-qmp-schema\"}", "\"id\": 5");
  talk (peer, "{\"execute\": \"query-status\", \"id\": 7}{\"execute\": ", "\"id\": 7");
}

/* Whatever became of that client, the next one is served. */
static void
verify_client (const SweepFault *f, uint32_t failed)
{
  close (peer);
  spin (10);
  int next = connect_peer ();
  ck_assert (talk (next, "", "QMP"));
  ck_assert (talk (next, "{\"execute\": \"qmp_capabilities\"}", "return"));
  ck_assert (talk (next, "{\"execute\": \"query-status\", \"id\": 9}", "\"id\": 9"));
  close (next);
  spin (10);
  monitor_test_end ();
}

static const SweepFault sockets[] = { { INJECT_SEND, EPIPE, 1 }, { INJECT_SEND, EINTR, 1 }, { INJECT_SEND, EAGAIN, 1 }, { INJECT_SEND, INJECT_SHORT, INJECT_FOREVER },
                                      { INJECT_RECEIVE, ECONNRESET, 1 }, { INJECT_RECEIVE, INJECT_END, 1 }, { INJECT_RECEIVE, INJECT_SHORT, INJECT_FOREVER },
                                      { INJECT_RECEIVE, EINTR, 1 }, { INJECT_ACCEPT, EMFILE, 1 }, { INJECT_ACCEPT, ECONNABORTED, 1 } };

START_TEST (test_clients)
{
  static const SweepScenario s = { "a client", prepare_client, run_client, verify_client };
  sweep (&s, "socket:", 8, sockets, G_N_ELEMENTS (sockets));
}
END_TEST

int
main (void)
{
  const SweepTest tests[] = { { test_files, 6 }, { test_clients, 1 } };
  return sweep_run ("monitor faults", enter, scratch_leave, tests, G_N_ELEMENTS (tests));
}
