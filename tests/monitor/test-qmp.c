/* test-qmp.c -- clients at a QMP socket: greeting, pieces, pipelines, several at once, and those that misbehave. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "monitor-test.h"
#include "monitor/qmp.h"
#include "../suite.h"
#include <check.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct Peer {
  int fd;                       /* -1: the server has gone */
  GString *got;
} Peer;

static BpMachine *machine;
static Peer *peer;
static const char *wanted;
static unsigned wanted_times;

/* --- peers ----------------------------------------------------------------------------------------- */

static Peer *
connect_peer (void)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "qmp.sock" };
  Peer *p = g_new0 (Peer, 1);
  p->got = g_string_new (NULL);
  p->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  ck_assert_int_eq (connect (p->fd, (struct sockaddr *) &sun, sizeof sun), 0);
  return p;
}

static void
drop (Peer *p)
{
  if (p->fd >= 0)
    close (p->fd);
  g_string_free (p->got, TRUE);
  g_free (p);
}

/* What has come, as far as it goes now. */
static void
take (Peer *p)
{
  char bytes[4096];
  ssize_t n = -1;
  while (p->fd >= 0 && (n = recv (p->fd, bytes, sizeof bytes, 0)) > 0)
    g_string_append_len (p->got, bytes, n);
  if (p->fd >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR))) {
    close (p->fd);
    p->fd = -1;
  }
}

static bool
has_come (void)
{
  unsigned times = 0;
  take (peer);
  for (const char *at = peer->got->str; (at = strstr (at, wanted)); at++)
    times++;
  return times >= wanted_times || peer->fd < 0;
}

/* Turns the loop until the text has come so often; what came is forgotten after that. */
static char *
expect (Peer *p, const char *text, unsigned times)
{
  peer = p;
  wanted = text;
  wanted_times = times;
  monitor_test_turn (has_come);
  ck_assert_msg (strstr (p->got->str, text) != NULL, "no %s in %s", text, p->got->str);
  char *got = g_strdup (p->got->str);
  g_string_truncate (p->got, 0);
  return got;
}

static void
expect_all (Peer *p, const char *text)
{
  g_autofree char *got = expect (p, text + (g_str_has_suffix (text, "\r\n") && strlen (text) > 24 ? strlen (text) - 24 : 0), 1);
  ck_assert_str_eq (got, text);
}

static void
say (Peer *p, const char *text)
{
  size_t size = strlen (text);
  while (size) {
    ssize_t n = send (p->fd, text, size, MSG_NOSIGNAL);
    if (n > 0) {
      text += n;
      size -= (size_t) n;
    } else {
      g_main_context_iteration (NULL, FALSE);
    }
  }
}

static Peer *
negotiated (void)
{
  Peer *p = connect_peer ();
  say (p, "{\"execute\": \"qmp_capabilities\"}");
  g_free (expect (p, "{\"return\": {}}\r\n", 1));
  return p;
}

static bool
has_gone (void)
{
  take (peer);
  return peer->fd < 0;
}

static void
expect_end (Peer *p)
{
  peer = p;
  monitor_test_turn (has_gone);
  ck_assert_int_lt (p->fd, 0);
}

/* --- conversations ------------------------------------------------------------------------------------ */

static void
start (const char *keys)
{
  g_autofree char *text = g_strconcat ("[device button]\ntype = toy-button\n[monitor qmp]\ntype = monitor-qmp\nlisten = unix:qmp.sock\n", keys, NULL);
  machine = monitor_test_machine (text);
}

START_TEST (greeting)
{
  start ("");
  Peer *p = connect_peer ();
  g_autofree char *got = expect (p, "\"capabilities\": []}}\r\n", 1);
  ck_assert (g_str_has_prefix (got, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": "));
  say (p, "{\"execute\": \"query-status\", \"id\": 1}");
  expect_all (p, "{\"id\": 1, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Expecting capabilities negotiation with 'qmp_capabilities'\"}}\r\n");
  say (p, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": [\"oob\"]}}");
  expect_all (p, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"there are no capabilities to enable\"}}\r\n");
  say (p, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": []}}");
  expect_all (p, "{\"return\": {}}\r\n");
  say (p, "{\"execute\": \"qmp_capabilities\"}");
  expect_all (p, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Capabilities negotiation is already complete, command ignored\"}}\r\n");
  drop (p);
  monitor_test_end ();
}
END_TEST

START_TEST (pieces_and_pipelines)
{
  static const char message[] = "{\"execute\": \"query-uuid\", \"id\": \"{[\\\"\"}";
  start ("");
  Peer *p = negotiated ();
  for (const char *c = message; *c; c++) {
    char one[2] = { *c, 0 };
    say (p, one);
    monitor_test_turn (NULL);
  }
  expect_all (p, "{\"return\": {\"UUID\": \"00000000-0000-0000-0000-000000000000\"}, \"id\": \"{[\\\"\"}\r\n");
  GString *many = g_string_new (NULL);
  for (unsigned i = 0; i < 500; i++)
    g_string_append_printf (many, "{\"execute\": \"query-name\", \"id\": %u}", i);
  say (p, many->str);
  g_autofree char *got = expect (p, "\"id\": 499}\r\n", 1);
  const char *at = got;
  for (unsigned i = 0; i < 500; i++) {
    g_autofree char *line = g_strdup_printf ("{\"return\": {\"name\": \"a test\"}, \"id\": %u}\r\n", i);
    ck_assert (g_str_has_prefix (at, line));
    at += strlen (line);
  }
  g_string_free (many, TRUE);
  drop (p);
  monitor_test_end ();
}
END_TEST

START_TEST (broken_messages)
{
  start ("");
  Peer *p = negotiated ();
  say (p, "{\"execute\": query}{\"execute\": \"query-name\", \"id\": 1}");
  expect_all (p, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, invalid keyword 'query'\"}}\r\n{\"return\": {\"name\": \"a test\"}, \"id\": 1}\r\n");
  say (p, "\xff{\"execute\": \"query-name\", \"id\": 2}");
  g_free (expect (p, "\"id\": 2}\r\n", 1));
  g_autofree char *filler = g_strnfill (JSON_STREAM_BYTES + 5000, 'x');
  g_autofree char *large = g_strconcat ("{\"execute\": \"", filler, "\"}\n{\"execute\": \"query-name\", \"id\": 3}", NULL);
  say (p, large);
  expect_all (p, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON token size limit exceeded\"}}\r\n{\"return\": {\"name\": \"a test\"}, \"id\": 3}\r\n");
  drop (p);
  monitor_test_end ();
}
END_TEST

START_TEST (events_for_all)
{
  start ("");
  Peer *a = negotiated (), *b = negotiated (), *mute = connect_peer ();
  say (a, "{\"execute\": \"cont\", \"id\": 1}{\"execute\": \"stop\", \"id\": 2}");
  g_autofree char *to_a = expect (a, "\"id\": 2}\r\n", 1), *to_b = expect (b, "\"STOP\"}\r\n", 1), *to_mute = expect (mute, "\"QMP\"", 1);
  ck_assert (strstr (to_a, "\"RESUME\"}\r\n{\"return\": {}, \"id\": 1}\r\n{\"timestamp\": {\"seconds\": "));
  ck_assert (strstr (to_b, "\"RESUME\"}") && !strstr (to_b, "return"));
  monitor_test_turn (NULL);
  take (mute);
  ck_assert (!strstr (to_mute, "RESUME") && !strstr (mute->got->str, "STOP"));
  drop (b);                     /* one that goes does not matter to the other */
  say (a, "{\"execute\": \"system_powerdown\"}");
  g_free (expect (a, "\"POWERDOWN\"}\r\n", 1));
  drop (mute);
  drop (a);
  monitor_test_end ();
}
END_TEST

/* The last words reach who reads late. */
START_TEST (farewell)
{
  start ("");
  Peer *p = negotiated ();
  say (p, "{\"execute\": \"quit\"}");
  full_machine (machine)->started = false;
  ck_assert_int_eq (machine_run (machine), 0);
  monitor_test_end ();
  take (p);
  ck_assert (strstr (p->got->str, "{\"return\": {}}\r\n"));
  ck_assert (g_str_has_suffix (p->got->str, "\"event\": \"SHUTDOWN\", \"data\": {\"guest\": false, \"reason\": \"host-qmp-quit\"}}\r\n"));
  ck_assert (!strstr (p->got->str, "\"STOP\""));
  ck_assert (!g_file_test ("qmp.sock", G_FILE_TEST_EXISTS));
  drop (p);
}
END_TEST

static void *
read_slowly (void *p)
{
  char bytes[4096];
  while (g_usleep (100000), recv (((Peer *) p)->fd, bytes, sizeof bytes, 0) > 0)
    ;
  return NULL;
}

/* Who takes a little at a time does not hold up the end. */
START_TEST (slow_farewell)
{
  start ("");
  Peer *p = negotiated ();
  say (p, "{\"execute\": \"cont\"}");
  for (unsigned i = 0; i < 200; i++)
    send (p->fd, "{\"execute\": \"qom-list-types\"}", 29, MSG_NOSIGNAL);
  for (unsigned i = 0; i < 2000; i++)
    g_main_context_iteration (NULL, FALSE);
  GThread *reader = g_thread_new ("slow", read_slowly, p);
  int64_t before = g_get_monotonic_time ();
  monitor_test_end ();
  ck_assert_int_lt (g_get_monotonic_time () - before, patience (2));
  g_thread_join (reader);
  drop (p);
}
END_TEST

START_TEST (too_many_clients)
{
  start ("clients = 2\n");
  Peer *a = negotiated (), *b = negotiated (), *c = connect_peer ();
  expect_end (c);
  ck_assert_str_eq (c->got->str, "");
  drop (a);
  monitor_test_turn (NULL);
  Peer *d = negotiated ();
  drop (b);
  drop (c);
  drop (d);
  monitor_test_end ();
}
END_TEST

/* Its commands wait, its events are dropped, and then it goes; the others notice nothing. */
START_TEST (slow_client)
{
  start ("patience = 1\n");
  Peer *slow = negotiated (), *quick = negotiated ();
  GString *many = g_string_new (NULL);
  for (unsigned i = 0; i < 100; i++)
    g_string_append (many, "{\"execute\": \"qom-list-types\"}");
  unsigned sent = 0;
  for (unsigned i = 0; i < 200; i++) {
    ssize_t n = send (slow->fd, many->str, many->len, MSG_NOSIGNAL);
    sent += n > 0;
    for (unsigned j = 0; j < 50; j++)
      g_main_context_iteration (NULL, FALSE);
  }
  ck_assert_uint_lt (sent, 200);        /* the server does not read any more */
  for (unsigned i = 0; i < 3; i++) {
    say (quick, "{\"execute\": \"cont\"}{\"execute\": \"stop\"}");
    g_free (expect (quick, "{\"return\": {}}\r\n", 2));
  }
  g_usleep (2200000);
  monitor_test_turn (NULL);
  g_usleep (1200000);
  monitor_test_turn (NULL);
  expect_end (slow);
  say (quick, "{\"execute\": \"query-name\"}");
  g_free (expect (quick, "a test", 1));
  g_string_free (many, TRUE);
  drop (slow);
  drop (quick);
  monitor_test_end ();
}
END_TEST

/* Megabytes are saved a piece at a time: another client is served in between, and one that leaves meanwhile harms nothing. */
START_TEST (long_commands)
{
  start ("[map far]\nregion = ram\nat = memory@0x10000000000\n");
  Peer *a = negotiated (), *b = negotiated ();
  say (a, "{\"execute\": \"pmemsave\", \"arguments\": {\"val\": 0, \"size\": 67108864, \"filename\": \"big\"}, \"id\": \"a\"}{\"execute\": \"query-name\", \"id\": \"a2\"}");
  for (unsigned i = 0; i < 4; i++)
    g_main_context_iteration (NULL, FALSE);
  say (b, "{\"execute\": \"query-name\", \"id\": \"b\"}");
  g_free (expect (b, "\"id\": \"b\"}\r\n", 1));
  take (a);
  ck_assert_str_eq (a->got->str, "");
  expect_all (a, "{\"return\": {}, \"id\": \"a\"}\r\n{\"return\": {\"name\": \"a test\"}, \"id\": \"a2\"}\r\n");
  say (a, "{\"execute\": \"pmemsave\", \"arguments\": {\"val\": 0, \"size\": 1099511627776, \"filename\": \"huge\"}}");
  for (unsigned i = 0; i < 20; i++)
    g_main_context_iteration (NULL, FALSE);
  drop (a);
  drop (b);
  monitor_test_end ();          /* in the middle of it */
  ck_assert (!g_file_test ("huge", G_FILE_TEST_EXISTS));
  g_autofree char *left = NULL;
  GDir *dir = g_dir_open (".", 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir));)
    if (g_str_has_prefix (name, "huge"))
      left = g_strdup (name);
  g_dir_close (dir);
  ck_assert_msg (!left, "%s is left over", left);
  g_unlink ("big");
}
END_TEST

static void
send_some (int fd, const char *text)
{
  ssize_t n = send (fd, text, strlen (text), MSG_NOSIGNAL | MSG_DONTWAIT);
  ck_assert_int_le (n, (ssize_t) strlen (text));
}

START_TEST (random_clients)
{
  static const char *const pieces[] = { "{\"execute\": \"query-status\"}", "{\"execute\": \"cont\"}", "{\"execute\": \"stop\"}", "{", "}", "[", "\"", "\xff", "\n", "nope",
                                        "{\"execute\": \"qmp_capabilities\"}", "{\"execute\": \"system_reset\", \"id\": 4}", "\\", "-1.5e3", "{\"execute\": \"qom-list-types\"}" };
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  Peer *peers[4] = { NULL };
  start ("clients = 3\n");
  for (unsigned i = 0; i < 4000; i++) {
    Peer **p = &peers[g_rand_int_range (rand, 0, 4)];
    int what = g_rand_int_range (rand, 0, 12);
    if (!*p)
      *p = connect_peer ();
    else if (what == 0)
      drop (g_steal_pointer (p));
    else if (what < 3)
      take (*p);
    else if ((*p)->fd >= 0)
      send_some ((*p)->fd, pieces[g_rand_int_range (rand, 0, G_N_ELEMENTS (pieces))]);
    for (int n = g_rand_int_range (rand, 0, 4); n > 0; n--)
      g_main_context_iteration (NULL, FALSE);
  }
  for (unsigned i = 0; i < 4; i++)
    if (peers[i])
      drop (peers[i]);
  monitor_test_turn (NULL);
  Peer *p = negotiated ();
  drop (p);
  monitor_test_end ();
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("qmp");
  TCase *tcase = tcase_create ("all");
  tcase_set_timeout (tcase, 60);
  tcase_add_test (tcase, greeting);
  tcase_add_test (tcase, pieces_and_pipelines);
  tcase_add_test (tcase, broken_messages);
  tcase_add_test (tcase, events_for_all);
  tcase_add_test (tcase, farewell);
  tcase_add_test (tcase, slow_farewell);
  tcase_add_test (tcase, too_many_clients);
  tcase_add_test (tcase, slow_client);
  tcase_add_test (tcase, long_commands);
  tcase_add_test (tcase, random_clients);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
