/* display-text.c -- display-text: the screen in the terminal that the program was started in, and the terminal's keys for the guest. */
/* SPDX-License-Identifier: MIT */
#include "display-text.h"
#include <backplane/iface/console.h>
#include <backplane/iface/input.h>
#include <backplane/iface/terminal.h>
#include <backplane/loop.h>
#include <backplane/machine.h>
#include <glib-unix.h>
#include <linux/input-event-codes.h>
#include <unistd.h>
#include "paint.h"
#include "screenshot.h"
#include "terminal.h"
#include "typist.h"

enum { QUIET_MS = 100, PICTURE_MS = 100, QUIET_AFTER = 30, SETTLE_MS = 50, MESSAGE_US = 4000000, ESCAPE = 0x01 };

typedef enum Characters { CHARACTERS_AUTO, CHARACTERS_UNICODE, CHARACTERS_ASCII } Characters;

/* What the next key means. */
typedef enum Escape { ESCAPE_NONE, ESCAPE_COMMAND, ESCAPE_CTRL_ALT, ESCAPE_PAN } Escape;

typedef struct Display {
  /* wiring */
  BpLink screen;
  bool pictures;
  int characters;               /* Characters */
  uint32_t rate;
  /* derived */
  BpMachine *machine;
  bool shows;                   /* it has the terminal */
  ScreenCopy copy;
  Paint paint;
  Typist typist;
  KeyParser parser;
  Escape escape;
  GSource *tick, *keys, *settle;
  unsigned quiet;               /* ticks without anything new */
  int64_t picture_at;           /* when graphics were looked at last */
  char *message;
  int64_t message_until;
  BpRunState state;
  bool must_paint;
  /* the console */
  void *console;                /* it has the terminal; NULL: we have */
  const BpConsoleIface *console_iface;
  bool console_leaves, console_escaped;
  bool started;                 /* it was asked whether it wants to be open from the start */
} Display;

/* There is one terminal. */
static Display *owner;

static const char *const help[] = {
  "Ctrl-A X        end the machine",
  "Ctrl-A C        go to the console, and back",
  "Ctrl-A A        send Ctrl-A (or Ctrl-A twice)",
  "Ctrl-A D        send Ctrl-Alt-Delete",
  "Ctrl-A M KEY    send Ctrl-Alt-KEY",
  "Ctrl-A 1 ... 0  send F1 ... F10; - is F11, = is F12",
  "Ctrl-A S        write the screen to a file",
  "Ctrl-A arrows   move the window, if the terminal is small",
  "Ctrl-A R        draw everything anew",
  "Ctrl-A H        this help",
  NULL
};

/* --- sources ---------------------------------------------------------------------------------- */

static GSource *
attach (Display *d, GSource *source, GSourceFunc f)
{
  g_source_set_callback (source, f, d, NULL);
  g_source_attach (source, bp_loop_context (bp_loop_main (d->machine)));
  return source;
}

static void
detach (GSource **source)
{
  if (*source) {
    g_source_destroy (*source);
    g_source_unref (*source);
  }
  *source = NULL;
}

/* --- showing ------------------------------------------------------------------------------------- */

static void
show_message (Display *d, char *text)
{
  g_free (d->message);
  d->message = text;
  d->message_until = text ? g_get_monotonic_time () + MESSAGE_US : 0;
  d->must_paint = true;
}

static const char *
state_message (const Display *d)
{
  switch (d->state) {
  case BP_RUN_RUNNING: case BP_RUN_PRELAUNCH: return NULL;
  case BP_RUN_SHUTDOWN: return "The machine has shut down.";
  default: return "The machine stands.  Ctrl-A C is the console.";
  }
}

static void
show (Display *d)
{
  d->paint.message = d->message ? d->message : state_message (d);
  d->must_paint = false;
  paint_all (&d->paint, &d->copy);
}

static bool
state_changed (Display *d)
{
  BpRunState now = bp_machine_run_state (d->machine);
  bool changed = now != d->state;
  d->state = now;
  return changed;
}

/* Pictures cost more to draw, and change more. */
static bool
take_screen (Display *d)
{
  int64_t now = g_get_monotonic_time ();
  bool pictures = now >= d->picture_at + PICTURE_MS * 1000;
  if (pictures)
    d->picture_at = now;
  return screen_copy_take (&d->copy, d->machine, &d->screen, pictures);
}

static void console_start (Display *d);
static void console_close (Display *d);
static gboolean on_tick (void *user);

static void
tick_after (Display *d, unsigned ms)
{
  detach (&d->tick);
  d->tick = attach (d, g_timeout_source_new (ms), on_tick);
}

static unsigned frame_ms (const Display *d) { return 1000 / d->rate; }

static void
look (Display *d)
{
  bool changed = take_screen (d) | state_changed (d) | terminal_needs_drawing () | d->must_paint;
  if (d->message && g_get_monotonic_time () > d->message_until) {
    show_message (d, NULL);
    changed = true;
  }
  d->quiet = changed ? 0 : d->quiet + 1;
  if (changed)
    show (d);
}

static gboolean
on_tick (void *user)
{
  Display *d = user;
  if (!d->started)
    console_start (d);
  d->started = true;
  if (d->console && d->console_leaves)
    console_close (d);
  if (!d->console)
    look (d);
  tick_after (d, d->quiet < QUIET_AFTER ? frame_ms (d) : MAX (frame_ms (d), QUIET_MS));
  return G_SOURCE_REMOVE;
}

/* Somebody types, and wants to see it. */
static void
wake (Display *d)
{
  d->quiet = 0;
  tick_after (d, frame_ms (d));
}

/* --- the console --------------------------------------------------------------------------------------- */

static void
write_all (const char *bytes, size_t size)
{
  while (size) {
    ssize_t n = write (STDOUT_FILENO, bytes, size);
    if (n <= 0)
      return;
    bytes += n;
    size -= (size_t) n;
  }
}

static void console_write (void *user, const char *bytes, size_t size) { write_all (bytes, size); }
static void console_leave (void *user) { ((Display *) user)->console_leaves = true; }

/* The first one serves. */
static void *
find_console (Display *d)
{
  unsigned cursor = 0;
  void *self = bp_machine_next (d->machine, BP_CONSOLE_ID, &cursor);
  d->console_iface = self ? bp_object_interface (self, BP_CONSOLE_ID) : NULL;
  return BP_TABLE_HAS (d->console_iface, open) && BP_TABLE_HAS (d->console_iface, input) && BP_TABLE_HAS (d->console_iface, close) ? self : NULL;
}

static void
console_open (Display *d)
{
  static const BpConsoleTerminal terminal = { .struct_size = sizeof (BpConsoleTerminal), .write = console_write, .leave = console_leave };
  void *console = find_console (d);
  if (!console) {
    show_message (d, g_strdup ("This machine has no console."));
    return;
  }
  terminal_lend ();
  d->console = console;
  d->console_leaves = d->console_escaped = false;
  if (d->console_iface->open (console, &terminal, d))
    return;
  d->console = NULL;
  terminal_reclaim ();
  show_message (d, g_strdup ("The console is in use elsewhere."));
}

static void
console_start (Display *d)
{
  void *console = find_console (d);
  if (console && BP_TABLE_HAS (d->console_iface, at_start) && d->console_iface->at_start (console))
    console_open (d);
}

static void
console_close (Display *d)
{
  d->console_iface->close (d->console);
  d->console = NULL;
  terminal_reclaim ();
  wake (d);
}

static void
quit (Display *d)
{
  bp_machine_request_shutdown (d->machine, 0, "Ctrl-A X");
}

/* The byte after Ctrl-A; true: the console gets it. */
static bool
console_command (Display *d, char c)
{
  if (g_ascii_tolower (c) == 'c')
    d->console_leaves = true;
  else if (g_ascii_tolower (c) == 'x')
    quit (d);
  return c == ESCAPE || g_ascii_tolower (c) == 'a';
}

/* How many bytes are done with; the rest is not for the console. */
static size_t
console_input (Display *d, const char *bytes, size_t n)
{
  size_t i = 0;
  for (; i < n && !d->console_leaves; i++) {
    char c = bytes[i];
    bool for_console = d->console_escaped ? console_command (d, c) : c != ESCAPE;
    if (d->console_escaped && for_console)
      c = ESCAPE;
    d->console_escaped = !d->console_escaped && bytes[i] == ESCAPE;
    if (for_console)
      d->console_iface->input (d->console, &c, 1);
  }
  if (d->console_leaves)
    console_close (d);
  return i;
}

/* --- keys ------------------------------------------------------------------------------------------------ */

static const Chord ctrl_a = { KEY_A, CHORD_CTRL }, ctrl_alt_delete = { KEY_DELETE, CHORD_CTRL | CHORD_ALT };

static void
screenshot (Display *d)
{
  GError *error = NULL;
  char *name = screenshot_write (d->machine, &d->screen, &error);
  show_message (d, name ? g_strdup_printf ("The screen was written to %s.", name) : g_strdup (error->message));
  g_clear_error (&error);
  g_free (name);
}

/* More of them may follow. */
static bool
pan (Display *d, unsigned key)
{
  int columns = key == KEY_LEFT ? -8 : key == KEY_RIGHT ? 8 : 0, rows = key == KEY_UP ? -1 : key == KEY_DOWN ? 1 : 0;
  d->paint.pan_column += columns;
  d->paint.pan_row += rows;
  if (columns || rows)
    d->escape = ESCAPE_PAN;
  return columns || rows;
}

static bool
function_key (Display *d, unsigned key)
{
  unsigned f = key >= KEY_1 && key <= KEY_0 ? KEY_F1 + key - KEY_1 : key == KEY_MINUS ? KEY_F11 : key == KEY_EQUAL ? KEY_F12 : 0;
  if (f)
    typist_press (&d->typist, (Chord) { (uint16_t) f, 0 });
  return f != 0;
}

static void
command (Display *d, unsigned key)
{
  switch (key) {
  case KEY_X: quit (d); break;
  case KEY_C: console_open (d); break;
  case KEY_A: typist_press (&d->typist, ctrl_a); break;
  case KEY_D: typist_press (&d->typist, ctrl_alt_delete); break;
  case KEY_M: d->escape = ESCAPE_CTRL_ALT; break;
  case KEY_S: screenshot (d); break;
  case KEY_R: terminal_redraw (); break;
  case KEY_H: case KEY_SLASH: d->paint.help = help; break;
  default:
    if (!function_key (d, key) && !pan (d, key))
      show_message (d, g_strdup ("Ctrl-A H lists what may follow Ctrl-A."));
  }
}

/* A key that is no command. */
static void
take_key (Display *d, Chord chord)
{
  if (d->paint.help)            /* any key closes it */
    d->paint.help = NULL;
  else
    typist_press (&d->typist, chord);
}

static void
take_chord (void *user, Chord chord)
{
  Display *d = user;
  Escape escape = d->escape;
  d->escape = ESCAPE_NONE;
  d->must_paint |= d->paint.help || escape != ESCAPE_NONE;
  if (escape == ESCAPE_COMMAND) {
    d->paint.help = NULL;
    command (d, chord.key);
  } else if (escape == ESCAPE_CTRL_ALT)
    typist_press (&d->typist, (Chord) { chord.key, chord.modifiers | CHORD_CTRL | CHORD_ALT });
  else if (chord.key == KEY_A && chord.modifiers == CHORD_CTRL)
    d->escape = ESCAPE_COMMAND;
  else if (escape != ESCAPE_PAN || !pan (d, chord.key))
    take_key (d, chord);
}

static gboolean
on_settled (void *user)
{
  Display *d = user;
  detach (&d->settle);
  keys_settle (&d->parser, take_chord, d);
  return G_SOURCE_REMOVE;
}

/* How many bytes are done with: a key may open the console, which gets the rest. */
static size_t
take_keys (Display *d, const uint8_t *bytes, size_t n)
{
  size_t i = 0;
  detach (&d->settle);
  while (i < n && !d->console)
    keys_take (&d->parser, bytes + i++, 1, take_chord, d);
  if (keys_are_pending (&d->parser))
    d->settle = attach (d, g_timeout_source_new (SETTLE_MS), on_settled);
  wake (d);
  return i;
}

static gboolean
on_keys (int fd, GIOCondition condition, void *user)
{
  Display *d = user;
  uint8_t bytes[256];
  ssize_t n = read (fd, bytes, sizeof bytes);
  if (n <= 0) {
    detach (&d->keys);
    bp_machine_request_shutdown (d->machine, 1, "the terminal is gone");
    return G_SOURCE_REMOVE;
  }
  for (size_t i = 0; i < (size_t) n;)
    i += d->console ? console_input (d, (const char *) bytes + i, (size_t) n - i) : take_keys (d, bytes + i, (size_t) n - i);
  return G_SOURCE_CONTINUE;
}

/* --- life cycle ----------------------------------------------------------------------------------------------- */

static bool
find_screen (Display *d, GError **error)
{
  unsigned cursor = 0;
  if (d->screen.instance)
    return true;
  d->screen.instance = bp_machine_next (d->machine, BP_SCREEN_ID, &cursor);
  if (!d->screen.instance) {
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "no device of this machine has a screen");
    return false;
  }
  d->screen.table = bp_object_interface (d->screen.instance, BP_SCREEN_ID);
  return true;
}

static bool takes_terminal (void *self) { return terminal_is_there (); }

static bool
display_realize (void *self, GError **error)
{
  Display *d = self;
  d->machine = bp_object_machine (d);
  if (!find_screen (d, error))
    return false;
  if (!terminal_is_there ()) {
    if (isatty (STDERR_FILENO))
      bp_warn (d, "standard input and output are not a terminal that can show it: the screen is not shown");
    return true;
  }
  if (owner) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "the terminal belongs to `%s` already", bp_object_id (owner));
    return false;
  }
  if (!terminal_take (error))
    return false;
  owner = d;
  d->shows = d->must_paint = true;
  d->paint = (Paint) { .pictures = d->pictures };
  d->paint.unicode = d->characters == CHARACTERS_UNICODE || (d->characters == CHARACTERS_AUTO && terminal_has_unicode ());
  typist_init (&d->typist, d->machine);
  d->keys = g_unix_fd_source_new (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR);
  attach (d, d->keys, G_SOURCE_FUNC (on_keys));
  show_message (d, g_strdup ("Ctrl-A H helps, Ctrl-A X ends the machine."));
  wake (d);
  return true;
}

static void
display_unrealize (void *self)
{
  Display *d = self;
  if (!d->shows)
    return;
  d->console = NULL;            /* it lets go by itself, and may be gone */
  detach (&d->tick);
  detach (&d->keys);
  detach (&d->settle);
  typist_finish (&d->typist);
  terminal_give_back ();
  screen_copy_finish (&d->copy);
  g_clear_pointer (&d->message, g_free);
  d->shows = false;
  owner = NULL;
}

/* --- tables --------------------------------------------------------------------------------------------------- */

static const char *const character_names[] = { "auto", "unicode", "ascii", NULL };

static const BpProperty properties[] = {
  BP_PROP_LINK ("screen", Display, screen, BP_SCREEN_ID, 0, "The adapter whose screen is shown; without it, the machine's first one."),
  BP_PROP_ENUM ("characters", Display, characters, CHARACTERS_AUTO, character_names,
                "What the terminal can show: unicode, ascii (frames become signs), or auto, which looks at the locale."),
  BP_PROP_BOOL ("pictures", Display, pictures, true,
                "Whether graphics modes are drawn in half blocks, as far as the terminal has colours; off: only their size is shown."),
  BP_PROP_U32_RANGE ("rate", Display, rate, 30, 1, 60, "How often a second the screen is looked at, at most."),
  BP_PROP_END
};

static const BpTerminalIface terminal_iface = { .struct_size = sizeof (BpTerminalIface), .takes = takes_terminal };
static const BpInterfaceDesc interfaces[] = { { BP_TERMINAL_ID, &terminal_iface }, { NULL, NULL } };

const BpTypeDesc display_text_type = {
  BP_TYPE ("display-text", BP_KIND_DISPLAY, Display),
  .description = "the screen in the terminal, with its keys",
  .properties = properties,
  .interfaces = interfaces,
  .realize = display_realize,
  .unrealize = display_unrealize,
};
