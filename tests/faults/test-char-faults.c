/* test-char-faults.c -- character backends on a host whose calls fail: a clear error at the start, and later a machine that goes on. */
/* SPDX-License-Identifier: MIT */
#include "build.h"
#include "char-backends/stream.h"
#include "char/port.h"
#include "scratch.h"
#include "sweep.h"
#include "types.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINES = 40 };

/* --- a machine ------------------------------------------------------------------------------------------- */

static BpMachine *m;
static Descriptor *d;
static Port *port;
static const char *backend;
static int peer = -1, server = -1;
static GString *heard;          /* by the peer */
static char *message;           /* of a start that failed */

static void
enter (void)
{
  static const BpTypeDesc *const types[] = { &char_file_type, &char_socket_type, &char_pty_type, &char_stdio_type, &port_type, NULL };
  types_register (types);
  scratch_enter ();
  signal (SIGPIPE, SIG_IGN);    /* the peer's own */
}

static void
spin (unsigned n)
{
  char bytes[4096];
  for (unsigned i = 0; i < n; i++) {
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (200);
    ssize_t got = peer >= 0 ? (ssize_t) read (peer, bytes, sizeof bytes) : 0;
    if (got > 0)
      g_string_append_len (heard, bytes, got);
  }
}

/* --- the scenario ---------------------------------------------------------------------------------------- */

static struct sockaddr_un
address (void)
{
  return (struct sockaddr_un) { .sun_family = AF_UNIX, .sun_path = "s" };
}

static bool is_server (void) { return strstr (backend, "unix:s") && !strstr (backend, "server = off"); }
static bool is_stdio (void) { return strstr (backend, "char-stdio"); }
static bool is_client (void) { return strstr (backend, "server = off"); }

/* This process's own standard input and output (its results go elsewhere) are a socket's end from now on. */
static void
take_stdio (void)
{
  int ends[2];
  ck_assert_int_eq (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ck_assert (dup2 (ends[0], STDIN_FILENO) == STDIN_FILENO && dup2 (ends[0], STDOUT_FILENO) == STDOUT_FILENO);
  close (ends[0]);
  peer = ends[1];
  syscall (SYS_fcntl, peer, F_SETFL, O_NONBLOCK);
}

static void
prepare (void)
{
  g_autofree char *text = g_strdup_printf ("[device port]\ntype = test-port\nbackend = b\n[backend b]\n%s\n", backend), *input = g_strnfill (9000, 'i');
  struct sockaddr_un sun = address ();
  ck_assert (g_file_set_contents ("m.ini", text, -1, NULL) && g_file_set_contents ("in", input, -1, NULL));
  g_unlink ("s");
  d = descriptor_load ("m.ini", NULL);
  m = machine_build (d);
  ck_assert (m != NULL);
  heard = g_string_new (NULL);
  if (is_stdio ())
    take_stdio ();
  if (!is_client ())
    return;
  server = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  ck_assert (bind (server, (struct sockaddr *) &sun, sizeof sun) == 0 && listen (server, 2) == 0);
}

/* The peer's own calls are not spoiled: they go round the C library. */
static void
meet_peer (void)
{
  struct sockaddr_un sun = address ();
  if (is_client ())
    peer = (int) syscall (SYS_accept4, server, NULL, NULL, SOCK_NONBLOCK);
  if (!is_server ())
    return;
  peer = (int) syscall (SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  ck_assert_int_eq ((int) syscall (SYS_connect, peer, &sun, sizeof sun), 0);
}

static void
run (void)
{
  g_autoptr (GError) error = NULL;
  g_clear_pointer (&message, g_free);
  if (!machine_realize (m, &error)) {
    message = g_strdup (error->message);
  } else {
    port = bp_machine_find (m, "port");
    meet_peer ();
    spin (10);
    for (unsigned i = 0; i < LINES; i++) {
      bp_char_write (&port->backend, (const uint8_t *) "0123456789", 10);
      if (i % 8 == 7)
        spin (3);
      if (i == 20 && peer >= 0)
        syscall (SYS_write, peer, "hello", 5);  /* it may have been left already */
    }
    spin (30);
  }
  g_clear_pointer (&m, machine_free);
  spin (4);
}

static bool
is_soft (const SweepFault *f)
{
  return f->fault == EINTR || f->fault == EAGAIN || (f->fault == INJECT_SHORT && f->kind != INJECT_READ);
}

/* What is only interrupted, late or in pieces loses nothing. */
static void
verify (const SweepFault *f, uint32_t failed)
{
  g_autofree char *out = NULL;
  if (!message && (!failed || is_soft (f))) {
    if (strstr (backend, "path = out"))
      ck_assert (g_file_get_contents ("out", &out, NULL, NULL) && strlen (out) == LINES * 10);
    else if (peer >= 0)
      ck_assert_msg (heard->len == LINES * 10, "%zu of %u bytes came", heard->len, LINES * 10);
  }
  ck_assert (!message || failed);
  ck_assert_msg (!message || strstr (message, "m.ini:4"), "no place in: %s", message);
  g_clear_pointer (&d, descriptor_free);
  g_string_free (heard, TRUE);
  if (peer >= 0)
    close (peer);
  if (server >= 0)
    close (server);
  peer = server = -1;
}

static const SweepFault files[] = { { INJECT_WRITE, EIO, 1 }, { INJECT_WRITE, ENOSPC, INJECT_FOREVER }, { INJECT_WRITE, EINTR, 1 }, { INJECT_WRITE, EAGAIN, 1 },
                                    { INJECT_WRITE, INJECT_SHORT, INJECT_FOREVER }, { INJECT_READ, EIO, 1 }, { INJECT_READ, EINTR, 1 }, { INJECT_READ, INJECT_SHORT, INJECT_FOREVER } };
static const SweepFault sockets[] = { { INJECT_SEND, EPIPE, 1 }, { INJECT_SEND, ECONNRESET, INJECT_FOREVER }, { INJECT_SEND, EINTR, 1 }, { INJECT_SEND, EAGAIN, 1 },
                                      { INJECT_SEND, INJECT_SHORT, INJECT_FOREVER }, { INJECT_READ, ECONNRESET, 1 }, { INJECT_READ, INJECT_END, 1 }, { INJECT_ACCEPT, ECONNABORTED, 1 },
                                      { INJECT_ACCEPT, EMFILE, 1 } };
static const SweepFault starts[] = { { INJECT_OPEN, EMFILE, 1 }, { INJECT_SOCKET, EMFILE, 1 }, { INJECT_CONNECT, ECONNREFUSED, 1 }, { INJECT_CONTROL, EIO, 1 } };

START_TEST (test_backends)
{
  static const SweepScenario s = { "char", prepare, run, verify };
  static const char *const all[] = { "type = char-file\npath = out\ninput = in", "type = char-pty\nlink = link", "type = char-socket\naddress = unix:s",
                                     "type = char-socket\naddress = unix:s\nserver = off", "type = char-stdio" };
  backend = all[_i];
  if (is_stdio ())
    sweep (&s, "socket:", 6, files, G_N_ELEMENTS (files));
  else if (_i >= 2)
    sweep (&s, "socket:", 6, sockets, G_N_ELEMENTS (sockets));
  else
    sweep (&s, _i ? "ptmx" : "backplane-test-", 6, files, G_N_ELEMENTS (files));
  sweep (&s, "", 6, starts, G_N_ELEMENTS (starts));
}
END_TEST

static bool
is_served (void)
{
  port = bp_machine_find (m, "port");
  bp_char_write (&port->backend, (const uint8_t *) "x", 1);
  return heard->len;
}

/* Nobody can be accepted, nor turned away: the loop does other things, and comes back to it. */
START_TEST (test_no_descriptors)
{
  backend = "type = char-socket\naddress = unix:s";
  prepare ();
  ck_assert (machine_realize (m, NULL));
  unsigned turns = 0;
  inject_arm (INJECT_ACCEPT, "", 0, INJECT_FOREVER, EMFILE);
  meet_peer ();
  for (gint64 end = g_get_monotonic_time () + 200000; g_get_monotonic_time () < end; turns++)
    g_main_context_iteration (NULL, FALSE);
  uint32_t calls = inject_disarm ();
  ck_assert_msg (turns > 100, "%u turns: it sleeps", turns);
  ck_assert_msg (calls <= 50, "%u calls", calls);
  ck_assert_uint_ge (calls, 2);
  for (unsigned i = 0; i < 100 && !is_served (); i++)
    spin (5);
  ck_assert (is_served ());
  g_clear_pointer (&m, machine_free);
  verify (&(SweepFault) { INJECT_ACCEPT, EMFILE, 1 }, 1);
}
END_TEST

int
main (void)
{
  const SweepTest tests[] = { { test_backends, 5 }, { test_no_descriptors, 1 } };
  return sweep_run ("char faults", enter, scratch_leave, tests, G_N_ELEMENTS (tests));
}
