/* console.c -- monitor-console: commands typed by people, at whatever terminal it is given. */
/* SPDX-License-Identifier: MIT */
/*
 * Two things may show it: a terminal's owner, through the console interface, or a character backend of its own, which is attached as a serial port's would be.
 * Bytes from that one come under the machine lock, so they are put aside and taken up by the loop without it.
 */
#include "console.h"
#include "line-edit.h"
#include <backplane/device.h>
#include <backplane/iface/char.h>
#include <backplane/iface/console.h>
#include <backplane/loop.h>
#include <string.h>

#define MOST_AHEAD 4096         /* bytes typed while a command goes on */

typedef struct Console {
  /* properties */
  BpLink backend;
  bool start;
  /* derived */
  Monitor *monitor;
  LineEdit *edit;
  const BpConsoleTerminal *terminal;    /* NULL: closed */
  void *user;
  Call call;
  unsigned cpu;
  GString *ahead;               /* bytes that are not looked at yet */
  GSource *turn;                /* NULL: nothing is to be done */
  bool greet;                   /* the backend has somebody new */
} Console;

/* --- output ------------------------------------------------------------------------------------------- */

/* A terminal in raw mode goes to the left edge only when it is told. */
static void
show (void *user, const char *bytes, size_t size)
{
  Console *c = user;
  GString *out = g_string_sized_new (size + 16);
  for (size_t i = 0; i < size; i++) {
    if (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r'))
      g_string_append_c (out, '\r');
    g_string_append_c (out, bytes[i]);
  }
  if (c->terminal && BP_TABLE_HAS (c->terminal, write))
    c->terminal->write (c->user, out->str, out->len);
  g_string_free (out, TRUE);
}

static void
show_text (Console *c, const char *text)
{
  show (c, text, strlen (text));
}

/* --- commands ------------------------------------------------------------------------------------------- */

static void
on_left (void *user)
{
  Console *c = user;
  show_text (c, "\n");
  if (c->terminal && BP_TABLE_HAS (c->terminal, leave))
    c->terminal->leave (c->user);
}

static void
on_line (void *user, const char *line)
{
  Console *c = user;
  g_autoptr (GString) out = g_string_new (NULL);
  command_execute (&c->call, line, out);
  show (c, out->str, out->len);
  if (!c->call.job)
    line_edit_prompt (c->edit);
}

static GPtrArray *
on_complete (void *user, const char *text, size_t *start)
{
  *start = strlen (text);
  return console_complete (((Console *) user)->monitor->machine, text, start);
}

/* Ctrl-C ends a command that goes on. */
static bool
interrupted (Console *c)
{
  const char *at = memchr (c->ahead->str, 0x03, c->ahead->len);
  if (!at)
    return false;
  g_string_erase (c->ahead, 0, at + 1 - c->ahead->str);
  g_clear_pointer (&c->call.job, job_free);
  show_text (c, "^C\n");
  return true;
}

static void
go_on (Console *c)
{
  g_autoptr (GString) out = g_string_new (NULL);
  const Job *job = c->call.job;
  bool shows = job->progress;
  if (!interrupted (c)) {
    bool ended = command_continue (&c->call, out);
    if (shows && ended)
      show_text (c, "\n");
    else if (shows)
      job->progress (job->user, out);
    if (!ended) {
      show (c, out->str, out->len);
      return;
    }
  }
  show (c, out->str, out->len);
  line_edit_prompt (c->edit);
}

static void schedule (Console *c);

/* A line, or a step of a command. */
static gboolean
on_turn (void *user)
{
  Console *c = user;
  g_clear_pointer (&c->turn, g_source_unref);
  if (c->greet) {
    c->greet = false;
    show_text (c, "Backplane's console; `help` lists its commands.\n");
    line_edit_prompt (c->edit);
  }
  if (c->call.job) {
    go_on (c);
  } else if (c->ahead->len) {
    g_autofree char *bytes = g_strndup (c->ahead->str, c->ahead->len);
    size_t size = c->ahead->len;
    g_string_truncate (c->ahead, 0);
    size_t used = line_edit_input (c->edit, bytes, size);
    g_string_prepend_len (c->ahead, bytes + used, (gssize) (size - used));
  }
  if (c->call.job || c->ahead->len)
    schedule (c);
  return G_SOURCE_REMOVE;
}

static void
schedule (Console *c)
{
  if (c->turn)
    return;
  c->turn = c->call.job && c->call.job->pause ? g_timeout_source_new (c->call.job->pause) : g_idle_source_new ();
  g_source_set_priority (c->turn, G_PRIORITY_DEFAULT);
  g_source_set_callback (c->turn, on_turn, c, NULL);
  g_source_attach (c->turn, bp_loop_context (bp_loop_main (c->monitor->machine)));
}

static void
take (Console *c, const char *bytes, size_t size)
{
  g_string_append_len (c->ahead, bytes, (gssize) MIN (size, MOST_AHEAD - MIN (MOST_AHEAD, c->ahead->len)));
  schedule (c);
}

/* --- the interface ------------------------------------------------------------------------------------------ */

static bool
console_open (void *self, const BpConsoleTerminal *terminal, void *user)
{
  Console *c = self;
  if (c->terminal || !c->monitor)
    return false;
  c->terminal = terminal;
  c->user = user;
  show_text (c, "\n");
  if (!c->call.job)
    line_edit_prompt (c->edit);
  return true;
}

static void
console_input (void *self, const char *bytes, size_t size)
{
  take (self, bytes, size);
}

static void
console_close (void *self)
{
  Console *c = self;
  if (c->terminal && c->monitor)
    show_text (c, "\n");
  c->terminal = NULL;
}

static char *
console_execute (void *self, const char *line)
{
  Console *c = self;
  if (!c->monitor)
    return g_strdup ("the machine does not run yet\n");
  Call call = { .monitor = c->monitor, .cpu = &c->cpu, .console = true };
  return command_execute_all (&call, line);
}

static bool
console_at_start (void *self)
{
  return ((Console *) self)->start;
}

static const BpConsoleIface console_iface = {
  .struct_size = sizeof console_iface, .open = console_open, .input = console_input, .close = console_close, .execute = console_execute,
  .at_start = console_at_start
};

/* --- a character backend of its own ----------------------------------------------------------------------------- */

static size_t
backend_room (void *user)
{
  return MOST_AHEAD - MIN (MOST_AHEAD, ((Console *) user)->ahead->len);
}

static void
backend_receive (void *user, const uint8_t *data, size_t size)
{
  take (user, (const char *) data, size);
}

static void
backend_event (void *user, BpCharEvent event)
{
  Console *c = user;
  if (event != BP_CHAR_OPENED)
    return;
  c->greet = true;
  schedule (c);
}

static void
backend_write (void *user, const char *bytes, size_t size)
{
  bp_char_write (&((Console *) user)->backend, (const uint8_t *) bytes, size);
}

/* There is nowhere to go back to. */
static void
backend_leave (void *user)
{
  line_edit_prompt (((Console *) user)->edit);
}

static bool
attach_backend (Console *c, GError **error)
{
  static const BpCharHandlers handlers = { sizeof handlers, backend_room, backend_receive, backend_event, NULL };
  static const BpConsoleTerminal terminal = { sizeof terminal, backend_write, backend_leave };
  if (!bp_char_attach (&c->backend, &handlers, c)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "backend `%s` has another device", bp_object_id (c->backend.instance));
    return false;
  }
  c->terminal = &terminal;
  c->user = c;
  backend_event (c, BP_CHAR_OPENED);
  return true;
}

/* --- life cycle ---------------------------------------------------------------------------------------------------- */

static bool
console_realize (void *self, GError **error)
{
  static const LineClient client = { show, on_line, on_left, on_complete };
  Console *c = self;
  c->monitor = monitor_ref (self);
  c->edit = line_edit_new (&client, c, "(backplane) ");
  c->ahead = g_string_new (NULL);
  c->call = (Call) { .monitor = c->monitor, .cpu = &c->cpu, .console = true };
  return !c->backend.instance || attach_backend (c, error);
}

static void
console_unrealize (void *self)
{
  Console *c = self;
  if (!c->monitor)
    return;
  if (c->user == c)             /* the backend is ours */
    bp_char_attach (&c->backend, NULL, NULL);
  if (c->turn)
    g_source_destroy (c->turn);
  g_clear_pointer (&c->turn, g_source_unref);
  g_clear_pointer (&c->call.job, job_free);
  g_clear_pointer (&c->edit, line_edit_free);
  g_string_free (c->ahead, TRUE);
  monitor_unref (c->monitor);
  c->monitor = NULL;
  c->terminal = NULL;
  c->user = NULL;
}

/* --- tables ---------------------------------------------------------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_LINK ("backend", Console, backend, BP_CHAR_ID, 0,
                "A terminal of its own: a character backend; without one, whoever owns a terminal hands it over when its user asks (Ctrl-A C)."),
  BP_PROP_BOOL ("start", Console, start, false, "Whether the terminal is the console's from the start, and not the guest's."),
  BP_PROP_END
};

static const BpInterfaceDesc interfaces[] = { { BP_CONSOLE_ID, &console_iface }, { NULL, NULL } };

const BpTypeDesc monitor_console_type = {
  BP_TYPE ("monitor-console", BP_KIND_MONITOR, Console),
  .description = "commands typed by people, with completion and history",
  .properties = properties,
  .interfaces = interfaces,
  .realize = console_realize,
  .unrealize = console_unrealize,
};
