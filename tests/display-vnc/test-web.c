/* test-web.c -- files over HTTP and RFB in WebSocket frames, on the port of the VNC server. */
/* SPDX-License-Identifier: MIT */
#include "vnc-test.h"
#include "../scratch.h"
#include "../suite.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char *folder;

static void
enter (void)
{
  folder = scratch_new ();
  char *page = g_build_filename (folder, "vnc.html", NULL), *script = g_build_filename (folder, "a b.js", NULL);
  char *outside = g_build_filename (folder, "outside", NULL), *inner = g_build_filename (folder, "dir", NULL);
  char *large = g_strnfill (300000, 'x');
  ck_assert (g_file_set_contents (page, large, -1, NULL));
  ck_assert (g_file_set_contents (script, "script", -1, NULL));
  ck_assert (symlink ("/etc/passwd", outside) == 0);
  ck_assert (g_mkdir (inner, 0700) == 0);
  char *properties = g_strdup_printf ("web = %s\nmax-clients = 1\n", folder);
  vnc_start (properties);
  g_free (properties);
  g_free (large);
  g_free (page);
  g_free (script);
  g_free (outside);
  g_free (inner);
}

static void
leave (void)
{
  vnc_stop ();
  g_clear_pointer (&folder, scratch_free);
}

/* All that the server answers. */
static GString *
ask (const char *request)
{
  GString *answer = g_string_new (NULL);
  char bytes[4096];
  ssize_t n;
  int fd = client_connect ("127.0.0.1");
  ck_assert_int_ge (fd, 0);
  client_write (fd, request, strlen (request));
  while ((n = recv (fd, bytes, sizeof bytes, 0)) > 0)
    g_string_append_len (answer, bytes, n);
  close (fd);
  return answer;
}

static void
expect (const char *request, const char *status, const char *part, size_t least)
{
  GString *answer = ask (request);
  ck_assert_msg (g_str_has_prefix (answer->str, status), "%s: %.100s", request, answer->str);
  ck_assert_msg (strstr (answer->str, part) != NULL, "%s: %.100s", request, answer->str);
  ck_assert_uint_ge (answer->len, least);
  g_string_free (answer, TRUE);
}

static void
browse (void *user)
{
  expect ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.0 200", "Content-Type: text/html", 300000);
  expect ("GET /vnc.html?autoconnect=1 HTTP/1.1\r\n\r\n", "HTTP/1.0 200", "Content-Length: 300000\r\n", 300000);
  expect ("GET /a%20b.js HTTP/1.0\r\n\r\n", "HTTP/1.0 200", "\r\n\r\nscript", 0);
  expect ("GET /none HTTP/1.0\r\n\r\n", "HTTP/1.0 404", "", 0);
  expect ("GET /dir HTTP/1.0\r\n\r\n", "HTTP/1.0 404", "", 0);
  expect ("GET /outside HTTP/1.0\r\n\r\n", "HTTP/1.0 404", "", 0);
  expect ("GET /../../../../../../etc/passwd HTTP/1.0\r\n\r\n", "HTTP/1.0 404", "", 0);
  expect ("GET /%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.0\r\n\r\n", "HTTP/1.0 404", "", 0);
  expect ("GET vnc.html HTTP/1.0\r\n\r\n", "HTTP/1.0 400", "", 0);
  expect ("GET /%00 HTTP/1.0\r\n\r\n", "HTTP/1.0 400", "", 0);
}

START_TEST (files_are_served)
{
  aside (browse, NULL);
}
END_TEST

/* Frames of up to 125 bytes; what a client sends is masked. */
static void
send_frame (int fd, const void *bytes, size_t size)
{
  uint8_t frame[136] = { 0x82, (uint8_t) (0x80 | size), 1, 2, 3, 4 };
  for (size_t i = 0; i < size; i++)
    frame[6 + i] = ((const uint8_t *) bytes)[i] ^ frame[2 + (i & 3)];
  ck_assert (client_write (fd, frame, 6 + size));
}

static void
expect_frame (int fd, const void *bytes, size_t size)
{
  uint8_t head[2], is[125];
  ck_assert (client_read (fd, head, 2));
  ck_assert_uint_eq (head[0], 0x82);
  ck_assert_uint_eq (head[1], size);
  ck_assert (client_read (fd, is, size));
  ck_assert_mem_eq (is, bytes, size);
}

static void
speak_rfb (void *user)
{
  static const char upgrade[] = "GET /websockify HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: binary\r\nSec-WebSocket-Version: 13\r\nOrigin: http://localhost\r\n\r\n";
  char head[4096] = { 0 };
  size_t n = 0;
  int fd = client_connect ("127.0.0.1");
  ck_assert (client_write (fd, upgrade, strlen (upgrade)));
  while (n < sizeof head - 1 && !strstr (head, "\r\n\r\n") && client_read (fd, head + n, 1))
    n++;
  ck_assert_msg (strstr (head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != NULL, "%s", head);
  expect_frame (fd, "RFB 003.008\n", 12);
  send_frame (fd, "RFB 003.008\n", 12);
  expect_frame (fd, "\1\1", 2);
  send_frame (fd, "\1", 1);
  expect_frame (fd, "\0\0\0\0", 4);
  send_frame (fd, "\1", 1);
  uint8_t init[2 + 24 + 6];
  ck_assert (client_read (fd, init, sizeof init));
  ck_assert_uint_eq (init[3], 64);
  ck_assert_uint_eq (init[5], 48);
  send_frame (fd, "\4\1\0\0\0\0\0a\4\0\0\0\0\0\0a", 16);        /* two messages in a frame */
  g_usleep (200000);
  close (fd);
}

START_TEST (a_browser_speaks_rfb)
{
  aside (speak_rfb, NULL);
  run_main (100);
  ck_assert_str_eq (typed->str, "+30 -30 ");
}
END_TEST

/* Half a request; and while the only client looks, files are still served. */
static void
stall (void *user)
{
  Client c;
  int half = client_connect ("127.0.0.1");
  client_write (half, "GET /vnc", 8);
  ck_assert (client_open (&c, NULL, true));
  browse (NULL);
  client_close (&c);
  close (half);
}

START_TEST (half_a_request_holds_up_nobody)
{
  aside (stall, NULL);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("display-vnc web");
  TCase *tc = tcase_create ("all");
  tcase_set_timeout (tc, 60);
  tcase_add_checked_fixture (tc, enter, leave);
  tcase_add_test (tc, files_are_served);
  tcase_add_test (tc, a_browser_speaks_rfb);
  tcase_add_test (tc, half_a_request_holds_up_nobody);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}
