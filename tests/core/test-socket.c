/* test-socket.c -- addresses as users write them, sockets that listen and connect. */
/* SPDX-License-Identifier: MIT */
#include "../scratch.h"
#include "../suite.h"
#include <backplane/socket.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static BpListener *
listens (const char *address, unsigned flags)
{
  GError *error = NULL;
  BpListener *l = bp_listener_new (address, flags, &error);
  ck_assert_msg (l != NULL, "%s", error ? error->message : "");
  return l;
}

static void
refuses (const char *address, const char *because)
{
  GError *error = NULL;
  ck_assert (!bp_listener_new (address, 0, &error));
  ck_assert_str_eq (error->message, because);
  g_error_free (error);
}

/* --- addresses --------------------------------------------------------------------------------- */

START_TEST (addresses)
{
  static const char *const good[] = { "unix:x", "localhost:1", ":4444", "1234", "tcp:1", "tcp:h:5", "tcp:[::1]:5", "[::1]:65535" };
  static const char *const bad[] = { "", ":", "unix:", "x", "x:", "x:y", "tcp:", "h:65536", "h:-1", "h: 1", "h:123456789", "[::1]", "stdio" };
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    ck_assert_msg (!bp_socket_wrong (good[i]), "%s", good[i]);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autofree char *wrong = bp_socket_wrong (bad[i]);
    ck_assert_msg (wrong != NULL, "%s", bad[i]);
    refuses (bad[i], wrong);
    ck_assert_int_eq (bp_socket_connect (bad[i], NULL), -1);
  }
  g_autofree char *port = bp_socket_wrong ("tcp:h:99999"), *word = bp_socket_wrong ("foo");
  ck_assert_str_eq (port, "`tcp:h:99999`: a port is a number in 1..65535");
  ck_assert_str_eq (word, "`foo` is not an address; write unix:PATH or tcp:HOST:PORT");
  g_autofree char *path = g_strnfill (200, 'p'), *name = g_strconcat ("unix:", path, NULL), *wrong = bp_socket_wrong (name);
  ck_assert (strstr (wrong, "longer than"));
}
END_TEST

/* --- Unix --------------------------------------------------------------------------------------- */

START_TEST (unix_sockets)
{
  mode_t before = umask (0);
  BpListener *l = listens ("unix:s", 0);
  struct stat st;
  ck_assert_int_eq (stat ("s", &st), 0);
  ck_assert_uint_eq (st.st_mode & 0777, 0600);  /* whatever the umask */
  umask (before);
  ck_assert_int_eq (bp_listener_accept (l), -1);
  refuses ("unix:s", "cannot listen on unix:s: Address already in use");
  close (bp_listener_accept (l));       /* who looked whether somebody answers */
  int client = bp_socket_connect ("unix:s", NULL), server = bp_listener_accept (l);
  ck_assert_int_ge (client, 0);
  ck_assert_int_ge (server, 0);
  ck_assert_int_eq (fcntl (server, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  ck_assert_int_eq (fcntl (server, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  close (client);
  close (server);
  bp_listener_free (l);
  ck_assert (!g_file_test ("s", G_FILE_TEST_EXISTS));
  refuses ("unix:/nonexistent/x", "cannot listen on unix:/nonexistent/x: No such file or directory");
  bp_listener_free (NULL);
}
END_TEST

START_TEST (left_over)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "s" };
  int old = socket (AF_UNIX, SOCK_STREAM, 0);
  ck_assert_int_eq (bind (old, (struct sockaddr *) &sun, sizeof sun), 0);
  ck_assert_int_eq (listen (old, 1), 0);
  close (old);                  /* as if its program had crashed */
  bp_listener_free (listens ("unix:s", 0));
  ck_assert (g_file_set_contents ("s", "mine", -1, NULL));
  refuses ("unix:s", "cannot listen on unix:s: Address already in use");
  ck_assert (g_file_test ("s", G_FILE_TEST_IS_REGULAR));
}
END_TEST

/* --- TCP ------------------------------------------------------------------------------------------ */

static uint32_t
bound_to (const BpListener *l, unsigned *port)
{
  struct sockaddr_in sin;
  socklen_t size = sizeof sin;
  ck_assert_int_eq (getsockname (bp_listener_fd (l), (struct sockaddr *) &sin, &size), 0);
  *port = ntohs (sin.sin_port);
  return ntohl (sin.sin_addr.s_addr);
}

START_TEST (without_a_host)
{
  unsigned port;
  BpListener *l = listens (":0", 0);
  ck_assert_uint_eq (bound_to (l, &port), INADDR_LOOPBACK);
  g_autofree char *address = g_strdup_printf ("%u", port);
  int client = bp_socket_connect (address, NULL), server = bp_listener_accept (l);
  ck_assert_int_ge (client, 0);
  ck_assert_int_ge (server, 0);
  close (client);
  close (server);
  bp_listener_free (l);
  ck_assert_int_eq (bp_socket_connect (address, NULL), -1);
  l = listens ("tcp::0", BP_LISTEN_EVERYWHERE);
  ck_assert_uint_ne (bound_to (l, &port), INADDR_LOOPBACK);
  bp_listener_free (l);
}
END_TEST

/* --- descriptors ----------------------------------------------------------------------------------- */

/* Else a loop that watches the listener would turn for ever. */
START_TEST (no_descriptors_left)
{
  BpListener *l = listens ("unix:s", 0);
  int client = bp_socket_connect ("unix:s", NULL), fillers[64], n = 0;
  struct rlimit before, few;
  char byte;
  ck_assert_int_eq (getrlimit (RLIMIT_NOFILE, &before), 0);
  few = before;
  few.rlim_cur = 32;
  ck_assert_int_eq (setrlimit (RLIMIT_NOFILE, &few), 0);
  while ((fillers[n] = dup (client)) >= 0)
    n++;
  ck_assert_int_eq (bp_listener_accept (l), -1);
  ck_assert_int_eq (recv (client, &byte, 1, MSG_DONTWAIT), 0);  /* hung up on */
  int next = bp_socket_connect ("unix:s", NULL);
  ck_assert_int_eq (next, -1);
  while (n)
    close (fillers[--n]);
  next = bp_socket_connect ("unix:s", NULL);
  int server = bp_listener_accept (l);
  ck_assert_int_ge (server, 0);
  close (server);
  close (next);
  close (client);
  bp_listener_free (l);
  ck_assert_int_eq (setrlimit (RLIMIT_NOFILE, &before), 0);
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = { addresses, unix_sockets, left_over, without_a_host, no_descriptors_left };
  Suite *suite = suite_create ("socket");
  TCase *all = tcase_create ("all");
  tcase_add_checked_fixture (all, scratch_enter, scratch_leave);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    tcase_add_test (all, tests[i]);
  suite_add_tcase (suite, all);
  return suite_run (suite);
}
