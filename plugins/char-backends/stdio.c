/* stdio.c -- char-stdio: the program's own terminal, raw, with Ctrl-A as its escape; or a pipe. */
/* SPDX-License-Identifier: MIT */
#include "stream.h"
#include <backplane/iface/console.h>
#include <backplane/machine.h>
#include <backplane/iface/terminal.h>
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE 0x01             /* Ctrl-A */

typedef struct CharStdio {
  CharBase base;
  /* wiring */
  bool escape, signals;
  /* derived */
  bool escaped;                 /* the last byte was the escape */
  bool wants_console;           /* whose what is typed is */
  void *console;                /* the one that is open; NULL: none */
  GString *typed;               /* for it */
  GSource *turn;                /* opens, feeds and closes it; NULL: nothing is to be done */
  GSource *resizes;             /* the terminal got another size */
  GSource *looks;               /* while the program is in the background: whether it still is */
} CharStdio;

/* There is one terminal, and signal handlers have no other way to find it. */
static CharStdio *owner;
static struct termios cooked, raw;
static volatile sig_atomic_t is_raw;
enum { LOOK_MS = 200 };

/* --- terminal ----------------------------------------------------------------------------- */

static void
set_cooked (void)
{
  if (is_raw)
    tcsetattr (STDIN_FILENO, TCSANOW, &cooked);
}

/* Of a shell's jobs: whoever then touches the terminal is stopped. */
static bool
in_background (void)
{
  pid_t group = tcgetpgrp (STDIN_FILENO);
  return group >= 0 && group != getpgrp ();
}

/* Dies of the signal as if nothing had been caught, with the terminal as it was. */
static void
on_fatal (int number)
{
  set_cooked ();
  signal (number, SIG_DFL);
  raise (number);
}

static void
on_stop (int number)
{
  int error = errno;
  set_cooked ();
  raise (SIGSTOP);
  errno = error;
}

/* Whoever stopped the program may have changed the terminal meanwhile. */
static void
on_continue (int number)
{
  int error = errno;
  if (is_raw && !in_background ())
    tcsetattr (STDIN_FILENO, TCSANOW, &raw);
  errno = error;
}

/* A signal that somebody handles already stays theirs: an accelerator may live from SIGSEGV. */
static void
catch_signal (int number, void (*handler) (int), int flags)
{
  struct sigaction now, ours = { .sa_handler = handler, .sa_flags = flags };
  sigemptyset (&ours.sa_mask);
  if (sigaction (number, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
    sigaction (number, &ours, NULL);
}

static void
release_signal (int number, void (*handler) (int))
{
  struct sigaction now;
  if (sigaction (number, NULL, &now) == 0 && now.sa_handler == handler)
    signal (number, SIG_DFL);
}

static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGHUP, SIGQUIT, SIGINT, SIGTERM };

static void
set_raw (bool signals)
{
  static bool at_exit;
  raw = cooked;
  raw.c_iflag &= ~(tcflag_t) (IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  raw.c_lflag &= ~(tcflag_t) (ECHO | ECHONL | ICANON | IEXTEN | (signals ? 0 : ISIG));
  raw.c_cflag = (raw.c_cflag & ~(tcflag_t) (CSIZE | PARENB)) | CS8;
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  if (!at_exit)
    atexit (set_cooked);
  at_exit = true;
  for (guint i = 0; i < G_N_ELEMENTS (fatal); i++)
    catch_signal (fatal[i], on_fatal, SA_NODEFER);
  catch_signal (SIGTSTP, on_stop, SA_RESTART);
  catch_signal (SIGCONT, on_continue, SA_RESTART);
  is_raw = tcsetattr (STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void
give_back (void)
{
  set_cooked ();
  is_raw = 0;
  for (guint i = 0; i < G_N_ELEMENTS (fatal); i++)
    release_signal (fatal[i], on_fatal);
  release_signal (SIGTSTP, on_stop);
  release_signal (SIGCONT, on_continue);
}

/* --- the console -------------------------------------------------------------------------- */

/* Input comes under the machine lock, and a console has to be called without it: what is to be done is left
 * to a source of the loop's. */

static void
say (CharStdio *stdio, const char *text)
{
  char_stream_write (stdio, (const uint8_t *) text, strlen (text));
}

static void
console_write (void *user, const char *bytes, size_t size)
{
  char_stream_write (user, (const uint8_t *) bytes, size);
}

static const BpConsoleIface *
console_table (void *console)
{
  return bp_object_interface (console, BP_CONSOLE_ID);
}

static void
close_console (CharStdio *stdio)
{
  void *console = g_steal_pointer (&stdio->console);
  if (console && BP_TABLE_HAS (console_table (console), close))
    console_table (console)->close (console);
}

static void schedule_turn (CharStdio *stdio);

static void
console_leave (void *user)
{
  CharStdio *stdio = user;
  stdio->wants_console = false;
  schedule_turn (stdio);
}

static void
open_console (CharStdio *stdio)
{
  static const BpConsoleTerminal terminal = { sizeof terminal, console_write, console_leave };
  unsigned cursor = 0;
  void *console = bp_machine_next (bp_object_machine (stdio), BP_CONSOLE_ID, &cursor);
  const BpConsoleIface *t = console ? console_table (console) : NULL;
  if (BP_TABLE_HAS (t, open) && t->open (console, &terminal, stdio)) {
    stdio->console = console;
    return;
  }
  stdio->wants_console = false;
  say (stdio, console ? "\nbackplane: the console is in use at another terminal\n"
                      : "\nbackplane: the machine has no console; [monitor] with type = monitor-console gives it one\n");
}

/* [main], without the machine lock. */
static gboolean
on_turn (void *user)
{
  CharStdio *stdio = user;
  g_clear_pointer (&stdio->turn, g_source_unref);
  if (stdio->wants_console && !stdio->console)
    open_console (stdio);
  g_autofree char *typed = g_strndup (stdio->typed->str, stdio->typed->len);
  size_t size = stdio->typed->len;
  g_string_truncate (stdio->typed, 0);
  if (stdio->console && size && BP_TABLE_HAS (console_table (stdio->console), input))
    console_table (stdio->console)->input (stdio->console, typed, size);
  if (!stdio->wants_console)
    close_console (stdio);
  return G_SOURCE_REMOVE;
}

static void
schedule_turn (CharStdio *stdio)
{
  if (stdio->turn)
    return;
  stdio->turn = g_idle_source_new ();
  g_source_set_priority (stdio->turn, G_PRIORITY_DEFAULT);
  g_source_set_callback (stdio->turn, on_turn, stdio, NULL);
  g_source_attach (stdio->turn, bp_loop_context (bp_loop_main (bp_object_machine (stdio))));
}

static bool
starts_in_console (CharStdio *stdio)
{
  unsigned cursor = 0;
  void *console = bp_machine_next (bp_object_machine (stdio), BP_CONSOLE_ID, &cursor);
  const BpConsoleIface *t = console ? console_table (console) : NULL;
  return BP_TABLE_HAS (t, at_start) && t->at_start (console);
}

/* --- events ------------------------------------------------------------------------------- */

/* The byte after the escape; true when it is one for the guest. */
static bool
command (CharStdio *stdio, uint8_t c)
{
  switch (c) {
  case 'x': case 'X':
    if (isatty (STDOUT_FILENO))
      say (stdio, "\n");        /* the guest was in the midst of a line, most likely */
    bp_machine_request_shutdown (bp_object_machine (stdio), 0, "Ctrl-A X");
    return false;
  case 'c': case 'C':
    stdio->wants_console = !stdio->wants_console;
    schedule_turn (stdio);
    return false;
  case 'b': case 'B':
    char_stream_event (stdio, BP_CHAR_BREAK);
    return false;
  case 'h': case 'H': case '?':
    say (stdio, "\nCtrl-A X       end the machine\n"
                "Ctrl-A C       go to the console of commands, and back\n"
                "Ctrl-A B       send a break\n"
                "Ctrl-A Ctrl-A  send Ctrl-A\n"
                "Ctrl-A H       this help\n");
    return false;
  default:
    return c == ESCAPE;
  }
}

static size_t
filter (void *self, uint8_t *data, size_t size)
{
  CharStdio *stdio = self;
  size_t kept = 0;
  for (size_t i = 0; stdio->escape && i < size; i++) {
    bool for_guest = stdio->escaped ? command (stdio, data[i]) : data[i] != ESCAPE;
    stdio->escaped = !stdio->escaped && data[i] == ESCAPE;
    if (for_guest)
      data[kept++] = data[i];
    if (for_guest && stdio->wants_console)
      g_string_append_c (stdio->typed, (char) data[--kept]);
  }
  if (!stdio->escape && stdio->wants_console) {
    g_string_append_len (stdio->typed, (const char *) data, (gssize) size);
    size = 0;
  }
  if (stdio->typed->len)
    schedule_turn (stdio);
  return stdio->escape ? kept : size;
}

/* Whoever read the output is gone: there is nobody to run for. */
static void
broken (void *self)
{
  bp_machine_request_shutdown (bp_object_machine (self), 1, "standard output was closed");
}

static bool
terminal_size (void *self, unsigned *columns, unsigned *rows)
{
  struct winsize size;
  if (owner != self || ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
    return false;
  *columns = size.ws_col;
  *rows = size.ws_row;
  return true;
}

static gboolean
on_resize (void *user)
{
  BpMachine *machine = bp_object_machine (user);
  bp_machine_lock (machine);
  char_stream_event (user, BP_CHAR_RESIZED);
  bp_machine_unlock (machine);
  return G_SOURCE_CONTINUE;
}

static void
watch_size (CharStdio *stdio)
{
  stdio->resizes = g_unix_signal_source_new (SIGWINCH);
  g_source_set_callback (stdio->resizes, on_resize, stdio, NULL);
  g_source_attach (stdio->resizes, bp_loop_context (bp_loop_main (bp_object_machine (stdio))));
}

/* --- life cycle --------------------------------------------------------------------------- */

static void
take_terminal (CharStdio *stdio)
{
  set_raw (stdio->signals);
  if (stdio->escape && isatty (STDERR_FILENO))
    g_printerr ("backplane: Ctrl-A H helps, Ctrl-A X ends the machine\n");
}

/* A shell that brings a running job to the fore sends no signal. */
static gboolean
on_look (void *user)
{
  CharStdio *stdio = user;
  BpMachine *machine = bp_object_machine (stdio);
  if (in_background ())
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&stdio->looks, g_source_unref);
  bp_machine_lock (machine);
  take_terminal (stdio);
  char_stream_open (stdio, STDIN_FILENO, STDOUT_FILENO, false, true);
  bp_machine_unlock (machine);
  return G_SOURCE_REMOVE;
}

/* Output goes to the terminal, and nothing is read from it before it is the program's. */
static void
wait_for_terminal (CharStdio *stdio)
{
  stdio->looks = g_timeout_source_new (LOOK_MS);
  g_source_set_callback (stdio->looks, on_look, stdio, NULL);
  g_source_attach (stdio->looks, bp_loop_context (bp_loop_main (bp_object_machine (stdio))));
}

/* A display goes first. */
static bool
terminal_is_taken (void *self)
{
  unsigned cursor = 0;
  BpMachine *machine = bp_object_machine (self);
  for (void *other; (other = bp_machine_next (machine, BP_TERMINAL_ID, &cursor));) {
    const BpTerminalIface *t = bp_object_interface (other, BP_TERMINAL_ID);
    if (BP_TABLE_HAS (t, takes) && t->takes (other))
      return true;
  }
  return false;
}

static bool
stdio_realize (void *self, GError **error)
{
  CharStdio *stdio = self;
  static const CharHooks hooks = { .filter = filter, .broken = broken };
  if (owner) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "standard input and output belong to `%s` already",
                 bp_object_id (owner));
    return false;
  }
  stdio->typed = g_string_new (NULL);
  if (terminal_is_taken (self))
    return true;
  owner = stdio;
  stdio->wants_console = starts_in_console (stdio);
  if (stdio->wants_console)
    schedule_turn (stdio);
  signal (SIGPIPE, SIG_IGN);    /* write() tells */
  char_stream_set_hooks (self, &hooks);
  bool terminal = isatty (STDIN_FILENO) && tcgetattr (STDIN_FILENO, &cooked) == 0;
  bool waits = terminal && in_background ();
  if (waits)
    wait_for_terminal (stdio);
  else if (terminal)
    take_terminal (stdio);
  if (isatty (STDOUT_FILENO))
    watch_size (stdio);
  char_stream_open (self, waits ? -1 : STDIN_FILENO, STDOUT_FILENO, false, terminal);
  return true;
}

static void
stdio_unrealize (void *self)
{
  CharStdio *stdio = self;
  if (stdio->turn)
    g_source_destroy (stdio->turn);
  g_clear_pointer (&stdio->turn, g_source_unref);
  GSource **sources[] = { &stdio->resizes, &stdio->looks };
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++) {
    if (*sources[i])
      g_source_destroy (*sources[i]);
    g_clear_pointer (sources[i], g_source_unref);
  }
  stdio->console = NULL;        /* it lets go by itself, and may be gone */
  if (stdio->typed)
    g_string_free (g_steal_pointer (&stdio->typed), TRUE);
  char_stream_finish (self, owner == self);
  if (owner != self)
    return;
  give_back ();
  owner = NULL;
}

/* --- tables ------------------------------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_BOOL ("escape", CharStdio, escape, true,
                "Whether Ctrl-A is the escape: X ends the machine, C goes to the console, B sends a break, H "
                "helps, Ctrl-A sends itself."),
  BP_PROP_BOOL ("signals", CharStdio, signals, false,
                "Whether Ctrl-C and its like act on the program instead of going to the guest."),
  BP_PROP_END
};

static const BpCharIface iface = { CHAR_STREAM_IFACE, .terminal_size = terminal_size };
static const BpInterfaceDesc interfaces[] = { { BP_CHAR_ID, &iface }, { NULL, NULL } };

const BpTypeDesc char_stdio_type = {
  BP_TYPE ("char-stdio", BP_KIND_BACKEND, CharStdio),
  .description = "the program's standard input and output; a terminal is switched to raw mode",
  .properties = properties,
  .interfaces = interfaces,
  .realize = stdio_realize,
  .unrealize = stdio_unrealize,
};
