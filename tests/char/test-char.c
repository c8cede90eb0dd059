/* test-char.c -- the character backends, each with a device of the test's own at its end. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "build.h"
#include "char-backends/stream.h"
#include "port.h"
#include "../scratch.h"
#include "../suite.h"
#include "../types.h"
#include <backplane/iface/console.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* --- machines ----------------------------------------------------------------------------- */

static BpMachine *m;
static Descriptor *d;
static Port *port;

static void
enter (void)
{
  static const BpTypeDesc *const types[] = {
    &char_stdio_type, &char_file_type, &char_null_type, &char_socket_type, &char_pty_type, &port_type, NULL
  };
  types_register (types);
  scratch_enter ();
}

/* Builds a port with the backend; false with the message of a failed realize. */
static bool
start (const char *backend, char **message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text =
      g_strdup_printf ("[device port]\ntype = test-port\nbackend = b\n[backend b]\n%s\n", backend);
  ck_assert (g_file_set_contents ("m.ini", text, -1, NULL));
  d = descriptor_load ("m.ini", NULL);
  m = machine_build (d);
  ck_assert_msg (m != NULL, "%s", d->errors->len ? (char *) d->errors->pdata[0] : "");
  bool good = machine_realize (m, &error);
  if (!good && message)
    *message = g_strdup (error->message);
  ck_assert_msg (good || message, "%s", error ? error->message : "");
  port = good ? bp_machine_find (m, "port") : NULL;
  return good;
}

static void
stop (void)
{
  g_clear_pointer (&m, machine_free);
  g_clear_pointer (&d, descriptor_free);
}

static void
say (const char *text)
{
  bp_char_write (&port->backend, (const uint8_t *) text, strlen (text));
}

/* Runs the loop until the port has received the text, or for five seconds. */
static void
expect_input (const char *text)
{
  gint64 end = patience_ends (5);
  while (strcmp (port->input->str, text) != 0 && g_get_monotonic_time () < end)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
  ck_assert_str_eq (port->input->str, text);
}

static void
spin (void)
{
  for (unsigned i = 0; i < 50; i++)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
}

static void
expect_read (int fd, const char *text)
{
  char buffer[256] = "";
  size_t n = 0;
  gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;
  fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  while (n < strlen (text) && g_get_monotonic_time () < end) {
    ssize_t got = read (fd, buffer + n, sizeof buffer - 1 - n);
    if (got > 0)
      n += (size_t) got;
    else
      spin ();
  }
  ck_assert_str_eq (buffer, text);
}

static int
connect_unix (const char *path)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX };
  g_strlcpy (sun.sun_path, path, sizeof sun.sun_path);
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);
  ck_assert_int_eq (connect (fd, (struct sockaddr *) &sun, sizeof sun), 0);
  return fd;
}

/* --- null and file ------------------------------------------------------------------------ */

START_TEST (null)
{
  start ("type = char-null", NULL);
  say ("gone");
  bp_char_accept_input (&port->backend);
  spin ();
  ck_assert_str_eq (port->input->str, "");
  stop ();
}
END_TEST

START_TEST (file)
{
  g_autofree char *contents = NULL;
  ck_assert (g_file_set_contents ("in", "hello", -1, NULL));
  start ("type = char-file\npath = out\ninput = in", NULL);
  say ("one ");
  say ("two");
  expect_input ("hello");
  stop ();
  start ("type = char-file\npath = out\nappend = on", NULL);
  say (" three");
  stop ();
  ck_assert (g_file_get_contents ("out", &contents, NULL, NULL));
  ck_assert_str_eq (contents, "one two three");
}
END_TEST

START_TEST (file_errors)
{
  char *message = NULL;
  ck_assert (!start ("type = char-file\npath = .", &message));
  ck_assert_msg (strstr (message, "m.ini:4: [backend b]: cannot open `.`: Is a directory") != NULL, "%s", message);
  g_free (message);
  stop ();
}
END_TEST

/* What the builder says of two backends, which is one error or (NULL) none. */
static void
two_files (const char *first, const char *second, const char *wanted)
{
  g_autofree char *text = g_strdup_printf ("[backend a]\ntype = char-file\n%s\n[backend b]\ntype = char-file\n%s\n", first, second);
  ck_assert (g_file_set_contents ("m.ini", text, -1, NULL));
  d = descriptor_load ("m.ini", NULL);
  m = machine_build (d);
  ck_assert_uint_eq (d->errors->len, wanted ? 1 : 0);
  ck_assert_msg (!wanted || g_str_has_prefix (d->errors->pdata[0], wanted), "%s", wanted ? (char *) d->errors->pdata[0] : "");
  machine_free (m);
  descriptor_free (d);
}

START_TEST (files_that_cannot_be_written)
{
  const char *twice = "m.ini:6: [backend b] path: `a` writes `./out` too, and one would overwrite the other";
  ck_assert_int_eq (mkfifo ("fifo", 0600), 0);
  two_files ("path = out", "path = none/out", "m.ini:6: [backend b] path: cannot write `none/out`: there is no directory `none`");
  two_files ("path = out", "path = ./out", twice);
  two_files ("path = out\nappend = off", "path = out2", NULL);
  two_files ("path = out\nappend = on", "path = ./out\nappend = on", NULL);
  two_files ("path = fifo", "path = fifo", NULL);
}
END_TEST

/* Input waits until the device can take it, in order and complete. */
START_TEST (flow_control)
{
  g_autofree char *text = g_strnfill (20000, 'x');
  for (unsigned i = 0; i < 20000; i++)
    text[i] = (char) ('a' + i % 26);
  ck_assert (g_file_set_contents ("in", text, -1, NULL));
  start ("type = char-file\npath = out\ninput = in", NULL);
  port->room = 3;
  spin ();
  ck_assert_uint_eq (port->input->len, 3);
  spin ();
  ck_assert_uint_eq (port->input->len, 3);
  for (unsigned i = 0; i < 20000 && port->input->len < 20000; i++) {
    port->room = 100;
    bp_char_accept_input (&port->backend);
    while (g_main_context_iteration (NULL, FALSE))
      ;
  }
  ck_assert_str_eq (port->input->str, text);
  stop ();
}
END_TEST

/* A device that asks for room can wait for a slow reader, and hears when there is some; nobody there is no reason to wait. */
START_TEST (room)
{
  static uint8_t block[65536];
  start ("type = char-socket\naddress = unix:room", NULL);
  ck_assert (!bp_char_is_open (&port->backend));
  ck_assert_uint_eq (bp_char_room (&port->backend), SIZE_MAX);
  int fd = connect_unix ("room");
  spin ();
  ck_assert (bp_char_is_open (&port->backend));
  size_t sent = 0, got = 0, n;
  while ((n = bp_char_room (&port->backend)) && sent < 100u << 20) {
    bp_char_write (&port->backend, block, MIN (n, sizeof block));
    sent += MIN (n, sizeof block);
  }
  ck_assert_uint_lt (sent, 4u << 20);
  spin ();
  ck_assert_uint_eq (port->n_writes, 0);
  fcntl (fd, F_SETFL, O_NONBLOCK);
  for (gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC; got < sent && g_get_monotonic_time () < end; spin ())
    for (ssize_t r; (r = read (fd, block, sizeof block)) > 0; got += (size_t) r)
      ;
  ck_assert_uint_eq (got, sent);
  ck_assert_uint_eq (port->n_writes, 1);
  while ((n = bp_char_room (&port->backend)))
    bp_char_write (&port->backend, block, MIN (n, sizeof block));
  close (fd);
  for (gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC; port->n_writes < 2 && g_get_monotonic_time () < end;)
    spin ();
  ck_assert_uint_eq (port->n_writes, 2);
  ck_assert (!bp_char_is_open (&port->backend));
  stop ();
}
END_TEST

START_TEST (one_device_at_a_time)
{
  ck_assert (g_file_set_contents ("m.ini", "[device port]\ntype = test-port\nbackend = b\n[device other]\ntype = test-port\nbackend = b\n[backend b]\ntype = char-null\n", -1, NULL));
  d = descriptor_load ("m.ini", NULL);
  ck_assert_ptr_null (machine_build (d));
  ck_assert_ptr_nonnull (strstr (d->errors->pdata[0], "m.ini:6: [device other] backend: `b` is in use by another device, `port`, and serves one"));
  stop ();
}
END_TEST

/* --- sockets ------------------------------------------------------------------------------ */

START_TEST (unix_server)
{
  start ("type = char-socket\naddress = unix:s", NULL);
  say ("nobody hears this");
  int fd = connect_unix ("s");
  spin ();
  ck_assert_uint_eq (port->n_opened, 1);
  ck_assert_int_eq (write (fd, "ping", 4), 4);
  expect_input ("ping");
  say ("pong");
  expect_read (fd, "pong");
  close (fd);
  spin ();
  ck_assert_uint_eq (port->n_closed, 1);
  fd = connect_unix ("s");      /* and the next one */
  spin ();
  say ("again");
  expect_read (fd, "again");
  close (fd);
  stop ();
  ck_assert (!g_file_test ("s", G_FILE_TEST_EXISTS));
}
END_TEST

START_TEST (client)
{
  start ("type = char-socket\naddress = unix:s", NULL);
  BpMachine *server = m;
  Descriptor *server_d = d;
  Port *server_port = port;
  start ("type = char-socket\naddress = unix:s\nserver = off", NULL);
  say ("from the client");
  Port *client_port = port;
  port = server_port;
  expect_input ("from the client");
  say ("from the server");
  port = client_port;
  expect_input ("from the server");
  stop ();
  m = server;
  d = server_d;
  stop ();
}
END_TEST

START_TEST (stale_and_taken)
{
  char *message = NULL;
  struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "s" };
  int old = socket (AF_UNIX, SOCK_STREAM, 0);
  ck_assert_int_eq (bind (old, (struct sockaddr *) &sun, sizeof sun), 0);
  ck_assert_int_eq (listen (old, 1), 0);
  ck_assert (!start ("type = char-socket\naddress = unix:s", &message));
  ck_assert_msg (strstr (message, "cannot listen on unix:s: Address already in use") != NULL, "%s", message);
  g_free (message);
  stop ();
  ck_assert (g_file_test ("s", G_FILE_TEST_EXISTS));    /* it is not ours */
  close (old);
  start ("type = char-socket\naddress = unix:s", NULL);  /* nobody answers any more */
  stop ();
}
END_TEST

START_TEST (socket_errors)
{
  char *message = NULL;
  ck_assert (!start ("type = char-socket\naddress = unix:none\nserver = off", &message));
  ck_assert_ptr_nonnull (strstr (message, "cannot connect to unix:none: No such file"));
  g_free (message);
  stop ();
  ck_assert (g_file_set_contents ("m.ini", "[backend b]\ntype = char-socket\naddress = udp:1\n", -1, NULL));
  d = descriptor_load ("m.ini", NULL);
  ck_assert_ptr_null (machine_build (d));
  ck_assert_ptr_nonnull (strstr (d->errors->pdata[0], "`udp:1` is neither unix:PATH nor tcp:HOST:PORT"));
  stop ();
}
END_TEST

/* Buffered output is written before the socket closes, however slowly it is read. */
START_TEST (nothing_is_lost_at_the_end)
{
  g_autofree char *text = g_strnfill (4 << 20, 'z');
  start ("type = char-socket\naddress = unix:s", NULL);
  pid_t reader = fork ();
  if (reader == 0) {
    int fd = connect_unix ("s");
    static char buffer[65536];
    size_t n = 0;
    ssize_t got;
    while ((got = read (fd, buffer, sizeof buffer)) > 0)
      n += (size_t) got;
    _exit (n == 4 << 20 ? 0 : 1);
  }
  while (port->n_opened == 0)
    spin ();
  bp_char_write (&port->backend, (const uint8_t *) text, 4 << 20);
  stop ();
  int status;
  ck_assert_int_eq (waitpid (reader, &status, 0), reader);
  ck_assert_int_eq (status, 0);
}
END_TEST

/* The machine stands while it drains. */
START_TEST (a_slow_reader_does_not_hold_the_machine)
{
  g_autofree char *text = g_strnfill (8 << 20, 'z');
  start ("type = char-socket\naddress = unix:s", NULL);
  pid_t reader = fork ();
  if (reader == 0) {
    int fd = connect_unix ("s");
    static char buffer[4096];
    while (read (fd, buffer, sizeof buffer) > 0)
      g_usleep (20000);
    _exit (0);
  }
  while (port->n_opened == 0)
    spin ();
  bp_char_write (&port->backend, (const uint8_t *) text, 8 << 20);
  const BpCharIface *iface = port->backend.table;
  gint64 before = g_get_monotonic_time ();
  iface->drain (port->backend.instance);
  ck_assert_int_lt (g_get_monotonic_time () - before, 4 * G_USEC_PER_SEC);
  kill (reader, SIGKILL);
  ck_assert_int_eq (waitpid (reader, NULL, 0), reader);
  stop ();
}
END_TEST

/* --- pty and stdio ------------------------------------------------------------------------ */

START_TEST (pty)
{
  start ("type = char-pty\nlink = tty", NULL);
  int fd = open ("tty", O_RDWR | O_NOCTTY | O_NONBLOCK);
  ck_assert_int_ge (fd, 0);
  ck_assert_int_eq (write (fd, "in\r", 3), 3);
  expect_input ("in\r");
  say ("out\n");
  expect_read (fd, "out\n");
  close (fd);
  stop ();
  ck_assert (!g_file_test ("tty", G_FILE_TEST_IS_SYMLINK));
}
END_TEST

/* A child whose terminal is a new pty: bytes to type, and what it must print. */
static void
in_terminal_with (const char *sections, const char *greeting, const char *typed, const char *printed, int code)
{
  int master = posix_openpt (O_RDWR | O_NOCTTY);
  ck_assert (master >= 0 && grantpt (master) == 0 && unlockpt (master) == 0);
  g_autofree char *path = g_strdup (ptsname (master));
  int slave = open (path, O_RDWR | O_NOCTTY);
  struct termios before, after;
  tcgetattr (slave, &before);
  pid_t pid = fork ();
  if (pid == 0) {
    setsid ();
    dup2 (slave, 0);
    dup2 (slave, 1);
    start (sections, NULL);
    say ("ready\n");
    machine_set_timeout (m, 5, 124);
    int result = machine_run (m);
    g_autofree char *got = g_strdup_printf ("<%s|%u>\n", port->input->str, port->n_breaks);
    say (got);
    stop ();
    _exit (result);
  }
  expect_read (master, greeting);
  ck_assert_int_eq (write (master, typed, strlen (typed)), (ssize_t) strlen (typed));
  expect_read (master, printed);
  int status;
  ck_assert_int_eq (waitpid (pid, &status, 0), pid);
  ck_assert_int_eq (WEXITSTATUS (status), code);
  tcgetattr (slave, &after);
  ck_assert_uint_eq (before.c_lflag, after.c_lflag);
  ck_assert_uint_eq (before.c_iflag, after.c_iflag);
  close (slave);
  close (master);
}

static void
in_terminal (const char *typed, const char *printed, int code)
{
  in_terminal_with ("type = char-stdio", "ready\r\n", typed, printed, code);
}

/* Says what it is told; a q leaves it. */
typedef struct Console {
  bool first;
  const BpConsoleTerminal *terminal;
  void *user;
} Console;

static void
console_say (Console *c, const char *text)
{
  c->terminal->write (c->user, text, strlen (text));
}

static bool
console_open (void *self, const BpConsoleTerminal *terminal, void *user)
{
  Console *c = self;
  ck_assert (!c->terminal);
  c->terminal = terminal;
  c->user = user;
  console_say (c, "{");
  return true;
}

static void
console_input (void *self, const char *bytes, size_t size)
{
  Console *c = self;
  c->terminal->write (c->user, bytes, size);
  if (memchr (bytes, 'q', size))
    c->terminal->leave (c->user);
}

static void
console_close (void *self)
{
  Console *c = self;
  console_say (c, "}");
  c->terminal = NULL;
}

static bool console_at_start (void *self) { return ((Console *) self)->first; }
static const BpConsoleIface console_iface = {
  .struct_size = sizeof console_iface, .open = console_open, .input = console_input, .close = console_close, .at_start = console_at_start
};
static const BpInterfaceDesc console_interfaces[] = { { BP_CONSOLE_ID, &console_iface }, { NULL, NULL } };
static const BpProperty console_properties[] = { BP_PROP_BOOL ("first", Console, first, false, "Whether it has the terminal first."), BP_PROP_END };
static const BpTypeDesc console_type = { BP_TYPE ("test-console", BP_KIND_MONITOR, Console), .description = "a console",
                                         .properties = console_properties, .interfaces = console_interfaces };

START_TEST (stdio_console)
{
  ck_assert (type_register (&console_type, plugin_core (), NULL));
  in_terminal_with ("type = char-stdio\n[monitor c]\ntype = test-console\n", "ready\r\n", "a\x01" "c\x01\x01zq\x01x", "\r\n{\x01zq}<a|0>\r\n", 0);
  in_terminal_with ("type = char-stdio\n[monitor c]\ntype = test-console\nfirst = on\n", "ready\r\n{", "ab\x01x", "\r\nab<|0>\r\n", 0);
}
END_TEST

START_TEST (stdio_escapes)
{
  in_terminal ("a\x03\rb\x01\x01\x01" "b\x01qc\x01x", "\r\n<a\x03\rb\x01" "c|1>\r\n", 0);
  in_terminal ("\x01" "c\x01x", "\r\n\r\nbackplane: the machine has no console; [monitor] with type = monitor-console gives it one\r\n<|0>\r\n", 0);
}
END_TEST

START_TEST (stdio_pipe)
{
  int in[2], out[2];
  ck_assert_int_eq (pipe (in), 0);
  ck_assert_int_eq (pipe (out), 0);
  pid_t pid = fork ();
  if (pid == 0) {
    dup2 (in[0], 0);
    dup2 (out[1], 1);
    close (in[1]);
    start ("type = char-stdio\nescape = off", NULL);
    expect_input ("piped\x01x");
    spin ();
    say ("seen\n");
    stop ();
    _exit (0);
  }
  ck_assert_int_eq (write (in[1], "piped\x01x", 7), 7);
  close (in[1]);
  expect_read (out[0], "seen\n");
  int status;
  ck_assert_int_eq (waitpid (pid, &status, 0), pid);
  ck_assert_int_eq (status, 0);
}
END_TEST

START_TEST (stdio_once)
{
  char *message = NULL;
  ck_assert (!start ("type = char-stdio\n[backend c]\ntype = char-stdio", &message));
  ck_assert_ptr_nonnull (strstr (message, "[backend c]: standard input and output belong to `b` already"));
  g_free (message);
  stop ();
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("char-backends");
  TCase *tcase = tcase_create ("char");
  tcase_add_checked_fixture (tcase, enter, scratch_leave);
  tcase_set_timeout (tcase, 30);
  tcase_add_test (tcase, null);
  tcase_add_test (tcase, file);
  tcase_add_test (tcase, file_errors);
  tcase_add_test (tcase, files_that_cannot_be_written);
  tcase_add_test (tcase, flow_control);
  tcase_add_test (tcase, room);
  tcase_add_test (tcase, one_device_at_a_time);
  tcase_add_test (tcase, unix_server);
  tcase_add_test (tcase, client);
  tcase_add_test (tcase, stale_and_taken);
  tcase_add_test (tcase, socket_errors);
  tcase_add_test (tcase, nothing_is_lost_at_the_end);
  tcase_add_test (tcase, a_slow_reader_does_not_hold_the_machine);
  tcase_add_test (tcase, pty);
  tcase_add_test (tcase, stdio_escapes);
  tcase_add_test (tcase, stdio_console);
  tcase_add_test (tcase, stdio_pipe);
  tcase_add_test (tcase, stdio_once);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
