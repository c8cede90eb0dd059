/* server.c -- gdb-server: the type, its one client, and what the machine does meanwhile. */
/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "gdb.h"
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_UNSENT (1u << 20)  /* bytes: a client that takes nothing is given up */

/* --- sending -------------------------------------------------------------------------- */

static void drop (GdbServer *s);

static void
end_source (GSource **source)
{
  if (!*source)
    return;
  g_source_destroy (*source);
  g_source_unref (*source);
  *source = NULL;
}

static GSource *
watch_fd (GdbServer *s, int fd, GIOCondition condition, GUnixFDSourceFunc f)
{
  GSource *source = g_unix_fd_source_new (fd, condition);
  g_source_set_callback (source, G_SOURCE_FUNC (f), s, NULL);
  g_source_attach (source, bp_loop_context (bp_loop_main (s->machine)));
  return source;
}

/* What the client takes now; false: it is gone. */
static bool
flush (GdbServer *s)
{
  while (s->out->len) {
    ssize_t n = send (s->peer, s->out->str, s->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno == EAGAIN || errno == EWOULDBLOCK;
    g_string_erase (s->out, 0, n);
  }
  return true;
}

static gboolean
on_writable (gint fd, GIOCondition condition, gpointer user)
{
  GdbServer *s = user;
  if (!flush (s) || (s->closing && !s->out->len)) {
    drop (s);
    return G_SOURCE_CONTINUE;   /* (destroyed) */
  }
  if (!s->out->len)
    end_source (&s->write_source);
  return G_SOURCE_CONTINUE;
}

/* The connection ends in the loop, not here: callers are in the midst of a packet. */
static void
send_raw (GdbServer *s, const char *bytes, size_t size)
{
  if (s->peer < 0)
    return;
  g_string_append_len (s->out, bytes, (gssize) size);
  if (!flush (s) || s->out->len > MOST_UNSENT) {
    g_string_truncate (s->out, 0);
    s->closing = true;
  }
  if ((s->out->len || s->closing) && !s->write_source)
    s->write_source = watch_fd (s, s->peer, G_IO_OUT, on_writable);
}

void
gdb_send_bytes (GdbServer *s, const char *data, size_t size)
{
  g_string_truncate (s->last, 0);
  gdb_frame (s->last, data, size);
  send_raw (s, s->last->str, s->last->len);
}

void
gdb_send (GdbServer *s, const char *text)
{
  gdb_send_bytes (s, text, strlen (text));
}

void
gdb_send_string (GdbServer *s, GString *text)
{
  gdb_send_bytes (s, text->str, text->len);
  g_string_free (text, TRUE);
}

void
gdb_send_console (GdbServer *s, const char *text)
{
  enum { AT_ONCE = GDB_PACKET_MAX / 4 };
  for (size_t n, left = strlen (text); left; left -= n, text += n) {
    GString *packet = g_string_new ("O");
    n = MIN (left, AT_ONCE);
    gdb_hex (packet, text, n);
    gdb_send_string (s, packet);
  }
}

void
gdb_close (GdbServer *s)
{
  s->closing = true;
  if (s->peer >= 0 && !s->write_source)
    s->write_source = watch_fd (s, s->peer, G_IO_OUT, on_writable);
}

/* --- receiving -------------------------------------------------------------------------- */

/* Nothing can be asked of a machine that runs: as in the field, whatever the client says stops it. */
static void
stand_still (GdbServer *s)
{
  if (bp_machine_run_state (s->machine) == BP_RUN_RUNNING)
    bp_machine_stop (s->machine, BP_RUN_DEBUG);
}

static void
on_packet (GdbServer *s)
{
  if (s->acks)
    send_raw (s, "+", 1);
  stand_still (s);
  gdb_command (s, s->reader.data, s->reader.size);
}

static void
on_byte (GdbServer *s, uint8_t byte)
{
  switch (gdb_reader_feed (&s->reader, byte)) {
  case GDB_PACKET:
    on_packet (s);
    break;
  case GDB_BAD_SUM:
    if (s->acks)
      send_raw (s, "-", 1);
    break;
  case GDB_TOO_LONG:
    if (s->acks)
      send_raw (s, "+", 1);
    gdb_send (s, GDB_EINVAL);
    break;
  case GDB_NAK:
    if (s->acks)
      send_raw (s, s->last->str, s->last->len);
    break;
  case GDB_INTERRUPT:
    stand_still (s);
    break;
  default:
    break;
  }
}

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer user)
{
  GdbServer *s = user;
  uint8_t bytes[4096];
  ssize_t n = recv (fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n <= 0) {
    drop (s);
    return G_SOURCE_CONTINUE;
  }
  for (ssize_t i = 0; i < n && !s->closing; i++)
    on_byte (s, bytes[i]);
  return G_SOURCE_CONTINUE;
}

/* --- coming and going ---------------------------------------------------------------------- */

/* What the debugger holds runs on without it; what others hold stays. */
static void
let_go (GdbServer *s)
{
  g_autoptr (GError) error = NULL;
  stand_still (s);
  gdb_detach (s);
  if (bp_machine_run_state (s->machine) == BP_RUN_DEBUG && !bp_machine_continue (s->machine, &error))
    bp_warn (s, "%s", error->message);
}

static void
close_peer (GdbServer *s)
{
  end_source (&s->read_source);
  end_source (&s->write_source);
  if (s->peer >= 0)
    close (s->peer);
  s->peer = -1;
  s->waiting = false;
}

static void
drop (GdbServer *s)
{
  if (s->peer < 0)
    return;
  close_peer (s);
  let_go (s);
}

static void
turn_away (int fd, const char *why)
{
  g_autofree char *text = g_strdup_printf ("E.%s", why);
  GString *packet = g_string_new ("+");
  gdb_frame (packet, text, strlen (text));
  ssize_t n = send (fd, packet->str, packet->len, MSG_NOSIGNAL | MSG_DONTWAIT);
  (void) n;                     /* who does not read it is turned away without a word */
  g_string_free (packet, TRUE);
  close (fd);
}

static void
welcome (GdbServer *s, int fd)
{
  s->peer = fd;
  s->acks = true;
  s->closing = s->waiting = s->names_breaks = s->physical = false;
  s->current = 0;
  s->resumed = ALL_CPUS;
  s->step = STEP_ENABLE | STEP_NO_INTERRUPTS | STEP_NO_TIMERS;
  int view = gdb_view_by_name (s, s->architecture);
  s->view = view < 0 ? 0 : (unsigned) view;
  g_string_truncate (s->out, 0);
  g_string_truncate (s->last, 0);
  gdb_reader_init (&s->reader);
  s->read_source = watch_fd (s, fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable);
}

/* A client that is gone may not have been noticed yet. */
static bool
is_gone (int fd)
{
  char byte;
  return recv (fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool
on_client (void *user, int fd)
{
  GdbServer *s = user;
  if (s->peer >= 0 && (s->closing || is_gone (s->peer)))        /* (one that was told to go may never take its last words) */
    drop (s);
  if (s->peer >= 0) {
    turn_away (fd, "another debugger is connected");
    return true;
  }
  stand_still (s);
  if (gdb_attach (s))
    welcome (s, fd);
  else
    turn_away (fd, "the machine has a debugger");
  return true;
}

/* --- the machine's events --------------------------------------------------------------------- */

/* While state is saved or restored the machine only seems to stop: who steps goes on to step. */
static bool
is_for_gdb (BpRunState state)
{
  return state == BP_RUN_PAUSED || state == BP_RUN_DEBUG || state == BP_RUN_IO_ERROR;
}

static void
on_shutdown (GdbServer *s)
{
  gdb_send (s, "W00");
  close_peer (s);
  gdb_detach (s);
}

static void
on_event (void *user, BpMachineEvent event, const char *detail)
{
  GdbServer *s = user;
  if (s->peer < 0)
    return;
  if (event == BP_MACHINE_STOPPED && is_for_gdb (bp_machine_run_state (s->machine))) {
    gdb_collect_stops (s);
    if (s->waiting)
      gdb_report_stop (s);
  } else if (event == BP_MACHINE_RESET && s->waiting) {
    g_autofree char *text = g_strdup_printf ("The machine was reset: %s.\n", detail ? detail : "requested");
    gdb_send_console (s, text);
  } else if (event == BP_MACHINE_SHUTDOWN) {
    on_shutdown (s);
  }
}

/* --- life cycle ------------------------------------------------------------------------------- */

static bool
find_cpus (GdbServer *s, GError **error)
{
  unsigned cursor = 0;
  for (void *cpu; (cpu = bp_machine_next (s->machine, BP_CPU_DEBUG_ID, &cursor));) {
    GdbCpu c = { .cpu = cpu, .vcpu = bp_vcpu_of (cpu), .iface = bp_object_interface (cpu, BP_CPU_DEBUG_ID) };
    g_array_append_val (s->cpus, c);
  }
  cursor = 0;
  s->accel = bp_machine_next (s->machine, BP_ACCEL_ID, &cursor);
  s->accel_iface = s->accel ? bp_object_interface (s->accel, BP_ACCEL_ID) : NULL;
  if (!s->cpus->len)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the machine has no CPU that can be debugged");
  else if (!BP_TABLE_HAS (s->accel_iface, debug_take_stop))
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the machine's accelerator does not support debuggers");
  else if (gdb_view_by_name (s, s->architecture) < 0)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "architecture = %s: the machine's CPU cannot be shown so", s->architecture);
  else
    return true;
  return false;
}

static void
unrealize (void *self)
{
  GdbServer *s = self;
  if (!s->cpus)
    return;
  close_peer (s);
  g_clear_pointer (&s->listener, bp_listener_free);
  if (s->watch)
    bp_machine_unwatch (s->machine, s->watch);
  g_string_free (s->out, TRUE);
  g_string_free (s->last, TRUE);
  g_array_unref (s->cpus);
  s->cpus = NULL;
}

static bool
configure (void *self, GError **error)
{
  g_autofree char *wrong = bp_socket_wrong (((GdbServer *) self)->listen);
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "listen: %s", wrong);
  return !wrong;
}

static bool
realize (void *self, GError **error)
{
  GdbServer *s = self;
  s->machine = bp_object_machine (self);
  s->peer = -1;
  s->cpus = g_array_new (FALSE, TRUE, sizeof (GdbCpu));
  s->out = g_string_new (NULL);
  s->last = g_string_new (NULL);
  if (!find_cpus (s, error))
    return false;
  s->listener = bp_listener_new (s->listen, 0, error);
  if (!s->listener)
    return false;
  bp_listener_watch (s->listener, s->machine, false, on_client, s);
  s->watch = bp_machine_watch (s->machine, on_event, s);
  return true;
}

/* --- tables ------------------------------------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_STRING ("listen", GdbServer, listen, "127.0.0.1:1234",
                  "Where gdb connects: PORT (of 127.0.0.1), HOST:PORT or unix:PATH.  Who connects owns the machine."),
  { .name = "architecture", .kind = BP_PROPERTY_STRING, .offset = offsetof (GdbServer, architecture), .flags = BP_PROPERTY_RUNTIME,
    .default_text = "auto", .help = "How CPUs are described to gdb: i386:x86-64, i386, i8086 (real mode: the program counter is linear), or auto, which is "
                                    "what shows all registers that the CPU has.  A change counts from the next connection on." },
  BP_PROP_END
};

const BpTypeDesc gdb_server_type = {
  BP_TYPE ("gdb-server", BP_KIND_MONITOR, GdbServer),
  .description = "gdb's remote serial protocol on a socket",
  .properties = properties,
  .configure = configure, .realize = realize, .unrealize = unrealize
};
