/* test-display-vnc.c -- the VNC server: pictures, several clients, those that stall or send garbage, passwords, what it refuses. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "vnc-test.h"
#include "../suite.h"
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const int32_t plain[] = { 0 }, sizes[] = { 0, -223 }, wishes[] = { 0, -308 };

static void
fill (uint32_t seed)
{
  for (uint32_t i = 0; i < screen.width * screen.height; i++)
    screen.pixels[i] = (i * 2654435761u + seed) & 0xffffff;
  screen_changed (0, screen.height);
}

static bool
shows_screen (const Client *c)
{
  return c->width == screen.width && c->height == screen.height && memcmp (c->pixels, screen.pixels, (size_t) c->width * c->height * 4) == 0;
}

/* --- pictures ----------------------------------------------------------------------------------- */

static void
look (void *user)
{
  Client c;
  ck_assert (client_open (&c, NULL, true));
  ck_assert_str_eq (c.name, "A test");
  client_encodings (&c, 1, plain);
  client_request (&c, false);
  ck_assert (client_update (&c));
  ck_assert (shows_screen (&c));
  client_close (&c);
}

START_TEST (a_client_sees_the_screen)
{
  vnc_start ("");
  fill (1);
  aside (look, NULL);
  vnc_stop ();
}
END_TEST

START_TEST (nothing_is_drawn_without_clients)
{
  vnc_start ("");
  run_main (200);
  ck_assert_uint_eq (screen.updates, 0);
  aside (look, NULL);
  run_main (100);
  unsigned before = screen.updates;
  run_main (200);
  ck_assert_uint_eq (screen.updates, before);
  vnc_stop ();
}
END_TEST

static void
watch_a_change (void *user)
{
  Client c;
  ck_assert (client_open (&c, NULL, true));
  client_encodings (&c, 1, plain);
  client_request (&c, false);
  ck_assert (client_update (&c));
  client_request (&c, true);
  g_usleep (100000);
  bp_machine_lock (vnc_machine ());
  screen.pixels[20 * screen.width + 10] ^= 0xff;
  screen.pixels[21 * screen.width + 13] ^= 0xff;
  screen_changed (16, 40);      /* the adapter is vague */
  bp_machine_unlock (vnc_machine ());
  ck_assert (client_update (&c));
  ck_assert (shows_screen (&c));
  ck_assert_uint_eq (c.left, 10);
  ck_assert_uint_eq (c.top, 20);
  ck_assert_uint_eq (c.right, 14);
  ck_assert_uint_eq (c.bottom, 22);
  client_close (&c);
}

START_TEST (only_what_changed_is_sent)
{
  vnc_start ("");
  fill (2);
  aside (watch_a_change, NULL);
  vnc_stop ();
}
END_TEST

static void
resize_screen (uint32_t width, uint32_t height)
{
  bp_machine_lock (vnc_machine ());
  screen_size (width, height);
  fill (width);
  bp_machine_unlock (vnc_machine ());
}

static void
follow_sizes (void *user)
{
  static const uint32_t all[][2] = { { 100, 30 }, { 20, 90 }, { 1024, 768 }, { 8, 8 } };
  Client c;
  ck_assert (client_open (&c, NULL, true));
  client_encodings (&c, 2, sizes);
  for (unsigned i = 0; i < G_N_ELEMENTS (all); i++) {
    resize_screen (all[i][0], all[i][1]);
    for (unsigned n = 0; n < 10 && !shows_screen (&c); n++) {
      client_request (&c, true);
      ck_assert (client_update (&c));
    }
    ck_assert (shows_screen (&c));
  }
  ck_assert (c.resized);
  client_close (&c);
}

START_TEST (a_client_follows_sizes)
{
  vnc_start ("");
  aside (follow_sizes, NULL);
  vnc_stop ();
}
END_TEST

/* The answer to a wish: with a picture of that size, or why not. */
static void
expect_answer (Client *c, unsigned width, unsigned height, unsigned n_screens, unsigned status)
{
  client_size (c, width, height, n_screens);
  c->reason = 99;
  for (unsigned n = 0; n < 10 && c->reason != 1; n++) {
    client_request (c, true);
    ck_assert (client_update (c));
  }
  ck_assert_uint_eq (c->reason, 1);
  ck_assert_uint_eq (c->status, status);
  if (status == 0)
    ck_assert (c->width == width && c->height == height);
}

static void
wish_for_sizes (void *user)
{
  Client c;
  ck_assert (client_open (&c, NULL, true));
  client_encodings (&c, 2, wishes);
  client_request (&c, false);
  ck_assert (client_update (&c));
  expect_answer (&c, 200, 100, 1, user ? 1 : 0);
  if (!user) {
    expect_answer (&c, 200, 100, 1, 0);
    expect_answer (&c, 300, 100, 2, 3);
    expect_answer (&c, 0, 100, 1, 3);
    expect_answer (&c, 1024, 768, 1, 0);
    expect_answer (&c, 5000, 768, 1, 3);
  }
  client_close (&c);
}

START_TEST (a_client_asks_for_a_size)
{
  screen.follows = true;
  vnc_start ("");
  aside (wish_for_sizes, NULL);
  vnc_stop ();
  vnc_start ("view-only = on\n");
  aside (wish_for_sizes, "only looks");
  vnc_stop ();
  screen.follows = false;
}
END_TEST

static void
look_at_green (void *user)
{
  Client c;
  ck_assert (client_open (&c, NULL, true));
  client_encodings (&c, 1, plain);
  client_request (&c, false);
  ck_assert (client_update (&c));
  ck_assert (c.width == 2 && c.height == 1 && c.pixels[0] == 0xff00 && c.pixels[1] == 0xff00);
  client_close (&c);
}

START_TEST (another_head_is_shown)
{
  screen.has_second = true;
  vnc_start ("head = 1\n");
  aside (look_at_green, NULL);
  vnc_stop ();
  screen.has_second = false;
}
END_TEST

/* One that cannot follow has black where there is nothing, and a part of what is larger. */
static void
stay_small (void *user)
{
  Client c;
  ck_assert (client_open (&c, NULL, true));
  client_encodings (&c, 1, plain);
  client_request (&c, false);
  ck_assert (client_update (&c));
  resize_screen (32, 100);
  for (unsigned n = 0; n < 10 && c.pixels[33]; n++) {
    client_request (&c, true);
    ck_assert (client_update (&c));
  }
  ck_assert_uint_eq (c.width, 64);
  ck_assert_uint_eq (c.height, 48);
  for (unsigned y = 0; y < 48; y++)
    for (unsigned x = 0; x < 64; x++)
      ck_assert_uint_eq (c.pixels[y * 64 + x], x < 32 ? screen.pixels[y * 32 + x] : 0);
  client_close (&c);
}

START_TEST (a_client_that_cannot_follow_keeps_its_size)
{
  vnc_start ("");
  fill (3);
  aside (stay_small, NULL);
  vnc_stop ();
}
END_TEST

/* --- several, and those that do not behave ----------------------------------------------------------- */

static void
look_at_four (void *user)
{
  Client c[4], extra;
  for (unsigned i = 0; i < 4; i++) {
    ck_assert (client_open (&c[i], NULL, true));
    client_encodings (&c[i], 1, plain);
  }
  ck_assert (!client_open (&extra, NULL, true));        /* it speaks 3.3 to those it refuses */
  client_close (&extra);
  for (unsigned round = 0; round < 3; round++) {
    resize_screen (64, 48);
    for (unsigned i = 0; i < 4; i++) {
      do {
        client_request (&c[i], false);
        ck_assert (client_update (&c[i]));
      } while (!shows_screen (&c[i]));
    }
  }
  client_close (&c[2]);
  g_usleep (200000);
  ck_assert (client_open (&extra, NULL, true));
  client_close (&extra);
  for (unsigned i = 0; i < 4; i++)
    client_close (&c[i]);
}

START_TEST (several_look_and_too_many_are_refused)
{
  vnc_start ("max-clients = 4\n");
  aside (look_at_four, NULL);
  vnc_stop ();
}
END_TEST

static void
read_refusal (void *user)
{
  Client c;
  char text[64] = { 0 };
  ck_assert (client_open (&c, NULL, true));
  int fd = client_connect ("127.0.0.1");
  ck_assert (client_read (fd, text, 12 + 8 + 25));
  ck_assert_str_eq (text + 20, "somebody else is watching");
  close (fd);
  client_close (&c);
}

START_TEST (exclusive_is_one_at_a_time)
{
  vnc_start ("sharing = exclusive\n");
  aside (read_refusal, NULL);
  vnc_stop ();
}
END_TEST

static void
ask_to_be_alone (void *user)
{
  Client a, b, c;
  ck_assert (client_open (&a, NULL, true));
  ck_assert (client_open (&b, NULL, true));
  ck_assert (client_open (&c, NULL, false));
  ck_assert (client_has_ended (a.fd));
  ck_assert (client_has_ended (b.fd));
  client_request (&c, false);
  ck_assert (client_update (&c));
  client_close (&a);
  client_close (&b);
  client_close (&c);
}

START_TEST (one_asks_to_be_alone)
{
  vnc_start ("sharing = ask\n");
  aside (ask_to_be_alone, NULL);
  vnc_stop ();
}
END_TEST

/* They never read: what they asked for fills all buffers.  Others see every picture, and the main loop runs. */
static void
look_beside_stalled (void *user)
{
  Client stalled[3], c;
  for (unsigned i = 0; i < 3; i++) {
    int small = 4096;
    ck_assert (client_open (&stalled[i], NULL, true));
    setsockopt (stalled[i].fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_encodings (&stalled[i], 1, plain);
    for (unsigned n = 0; n < 20; n++)
      client_request (&stalled[i], false);
  }
  ck_assert (client_open (&c, NULL, true));
  client_encodings (&c, 1, plain);
  int64_t start = g_get_monotonic_time ();
  for (unsigned i = 0; i < 10; i++) {
    bp_machine_lock (vnc_machine ());
    fill (i);
    bp_machine_unlock (vnc_machine ());
    do {
      client_request (&c, true);
      ck_assert (client_update (&c));
    } while (!shows_screen (&c));
  }
  ck_assert_int_lt (g_get_monotonic_time () - start, patience (3));
  client_close (&c);
  for (unsigned i = 0; i < 3; i++)
    client_close (&stalled[i]);
}

START_TEST (a_client_that_stalls_holds_up_nobody)
{
  vnc_start ("");
  screen_size (1280, 1024);
  aside (look_beside_stalled, NULL);
  vnc_stop ();
}
END_TEST

/* The end does not wait for it either. */
static void
stall (void *user)
{
  Client *c = user;
  ck_assert (client_open (c, NULL, true));
  client_encodings (c, 1, plain);
  for (unsigned n = 0; n < 20; n++)
    client_request (c, false);
  client_write (c->fd, "\4", 1);        /* and half a message */
  g_usleep (200000);
}

START_TEST (the_end_waits_for_nobody)
{
  Client c, half;
  vnc_start ("");
  screen_size (1280, 1024);
  aside (stall, &c);
  half.fd = client_connect ("127.0.0.1");
  client_write (half.fd, "RFB 0", 5);
  run_main (200);
  int64_t start = g_get_monotonic_time ();
  vnc_stop ();
  ck_assert_int_lt (g_get_monotonic_time () - start, patience (2));
  close (half.fd);
  client_close (&c);
}
END_TEST

static void
send_garbage (void *user)
{
  GRand *random = g_rand_new_with_seed (20);
  for (unsigned round = 0; round < 60; round++) {
    uint8_t bytes[512];
    Client c;
    for (unsigned i = 0; i < sizeof bytes; i++)
      bytes[i] = (uint8_t) g_rand_int (random);
    int fd = client_connect ("127.0.0.1");
    if (round % 3) {
      ck_assert (client_open (&c, NULL, true));
      bytes[0] = round % 3 == 1 ? 99 : (uint8_t) (round % 8);   /* no such message, or a message of nonsense */
      client_write (c.fd, bytes, sizeof bytes);
      if (round % 3 == 1)
        ck_assert (client_has_ended (c.fd));
      client_close (&c);
    } else {
      client_write (fd, bytes, sizeof bytes);
      if (round % 2)
        ck_assert (client_has_ended (fd));
    }
    close (fd);
  }
  g_rand_free (random);
  look (NULL);
}

START_TEST (a_client_that_sends_garbage_is_dropped)
{
  vnc_start ("");
  aside (send_garbage, NULL);
  vnc_stop ();
}
END_TEST

/* --- passwords --------------------------------------------------------------------------------------- */

static void
try_passwords (void *user)
{
  Client c;
  ck_assert (!client_open (&c, "wrong", true));
  client_close (&c);
  ck_assert (!client_open (&c, NULL, true));
  client_close (&c);
  ck_assert (client_open (&c, user, true));
  client_close (&c);
}

START_TEST (a_password_is_needed)
{
  vnc_start ("password = secret\n");
  aside (try_passwords, (void *) "secret");
  GError *error = NULL;
  ck_assert (bp_object_set (bp_machine_find (vnc_machine (), "vnc"), "password", "other", &error));
  aside (try_passwords, (void *) "other");
  ck_assert (!bp_object_get (bp_machine_find (vnc_machine (), "vnc"), "password", &error));
  ck_assert_str_eq (error->message, "property `password` of vnc is a secret: it can be set, and is not told");
  g_error_free (error);
  vnc_stop ();
}
END_TEST

START_TEST (a_password_is_read_from_a_file)
{
  char *name = g_strdup_printf ("%s/backplane-vnc-%d.password", g_get_tmp_dir (), (int) getpid ());
  char *properties = g_strdup_printf ("password-file = %s\n", name);
  ck_assert (g_file_set_contents (name, "from a file\nand more\n", -1, NULL));
  vnc_start (properties);
  aside (try_passwords, (void *) "from a f");
  vnc_stop ();
  g_unlink (name);
  g_free (properties);
  g_free (name);
}
END_TEST

/* --- where it listens ----------------------------------------------------------------------------------- */

static void
connect_by_6 (void *user)
{
  char version[12];
  int fd = client_connect ("::1");
  ck_assert_int_ge (fd, 0);
  ck_assert (client_read (fd, version, 12));
  close (fd);
}

START_TEST (it_listens_on_6)
{
  int fd = socket (AF_INET6, SOCK_STREAM, 0);
  if (fd < 0 || !g_file_test ("/proc/net/if_inet6", G_FILE_TEST_EXISTS))
    return;
  close (fd);
  vnc_start ("listen = ::1\n");
  aside (connect_by_6, NULL);
  vnc_stop ();
}
END_TEST

static void
expect_refusal (const char *properties, const char *what)
{
  char *message = vnc_refusal (properties);
  ck_assert_msg (strstr (message, what) != NULL, "%s", message);
  g_free (message);
}

START_TEST (what_is_wrong_is_said)
{
  struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = g_htonl (INADDR_LOOPBACK) };
  socklen_t size = sizeof any;
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  ck_assert (bind (fd, (struct sockaddr *) &any, size) == 0 && listen (fd, 1) == 0 && getsockname (fd, (struct sockaddr *) &any, &size) == 0);
  char *taken = g_strdup_printf ("port = %u\n", g_ntohs (any.sin_port));
  expect_refusal (taken, "Address already in use");
  close (fd);
  expect_refusal ("port = 0\n", "port = 0 is no port");
  expect_refusal ("port = 59x\n", "is no port");
  expect_refusal ("port = auto\nlisten = no.such.host.invalid\n", "listen = no.such.host.invalid");
  expect_refusal ("port = auto\nlisten = 203.0.113.7\n", "cannot listen on 203.0.113.7");
  expect_refusal ("port = auto\npassword-file = /dev/null\n", "holds no password");
  expect_refusal ("port = auto\npassword = a\npassword-file = /dev/null\n", "exclude each other");
  expect_refusal ("port = auto\nweb = /dev/null\n", "web = /dev/null is no folder");
  expect_refusal ("port = auto\nhead = 1\n", "head = 1: the heads of screen are 0 to 0");
  expect_refusal ("[device", "no screen to show");
  g_free (taken);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("display-vnc");
  TCase *tc = tcase_create ("all");
  tcase_set_timeout (tc, 120);
  tcase_add_test (tc, a_client_sees_the_screen);
  tcase_add_test (tc, nothing_is_drawn_without_clients);
  tcase_add_test (tc, only_what_changed_is_sent);
  tcase_add_test (tc, a_client_follows_sizes);
  tcase_add_test (tc, a_client_asks_for_a_size);
  tcase_add_test (tc, another_head_is_shown);
  tcase_add_test (tc, a_client_that_cannot_follow_keeps_its_size);
  tcase_add_test (tc, several_look_and_too_many_are_refused);
  tcase_add_test (tc, exclusive_is_one_at_a_time);
  tcase_add_test (tc, one_asks_to_be_alone);
  tcase_add_test (tc, a_client_that_stalls_holds_up_nobody);
  tcase_add_test (tc, the_end_waits_for_nobody);
  tcase_add_test (tc, a_client_that_sends_garbage_is_dropped);
  tcase_add_test (tc, a_password_is_needed);
  tcase_add_test (tc, a_password_is_read_from_a_file);
  tcase_add_test (tc, it_listens_on_6);
  tcase_add_test (tc, what_is_wrong_is_said);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}
