/* terminal-session.c -- runs a program in a pseudo-terminal, types into it and looks at its screen, as a script on standard input says. */
/* SPDX-License-Identifier: MIT */
/*
 * terminal-session [-s COLUMNSxROWS] PROGRAM ARGUMENT... <SCRIPT
 * Each line of the script is a command; texts go to the end of the line, and know C's escapes (\033 is Escape).
 *   await SECONDS TEXT         the screen shows it in that time
 *   gone SECONDS TEXT          it does not any more
 *   send TEXT                  typed
 *   style TEXT=FORE,BACK,BITS  colours (-1: the terminal's own) and style of its first character
 *   cursor COLUMN,ROW          or `none'
 *   size COLUMNSxROWS          the window changes
 *   signal NUMBER              to the program
 *   sleep MILLISECONDS
 *   ends SECONDS STATUS        exit status, or 128 + the signal's number
 *   restored                   the terminal is as it was at first
 *   taken                      it is not: the program shows a screen of its own
 *   print                      the screen, to standard output
 * `style', `cursor', `restored' and `taken' have 5 seconds to come true.  What fails prints the screen and ends the run with 1.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>
#include "vt.h"

static struct Session {
  int master;
  pid_t child;
  int status;                   /* once it has ended */
  bool ended;
  struct termios at_first;
  Vt vt;
} session;

/* --- the program ---------------------------------------------------------------------------- */

static void
start (char **argv, int columns, int rows)
{
  struct winsize size = { .ws_col = (unsigned short) columns, .ws_row = (unsigned short) rows };
  int slave;
  if (openpty (&session.master, &slave, NULL, NULL, &size) < 0) {
    perror ("terminal-session: openpty");
    exit (77);
  }
  tcgetattr (slave, &session.at_first);
  session.child = fork ();
  if (session.child == 0) {
    login_tty (slave);
    execvp (argv[0], argv);
    perror (argv[0]);
    _exit (127);
  }
  vt_init (&session.vt, columns, rows);         /* our copy of the slave stays open: what the program wrote last is not lost */
}

static void
take_output (int ms)
{
  char bytes[4096];
  struct pollfd ready = { .fd = session.master, .events = POLLIN };
  while (poll (&ready, 1, ms) > 0) {
    ssize_t n = read (session.master, bytes, sizeof bytes);
    if (n <= 0)
      return;
    vt_write (&session.vt, bytes, (size_t) n);
    ms = 0;
  }
}

static bool
has_ended (void)
{
  int status;
  if (!session.ended && waitpid (session.child, &status, WNOHANG) == session.child) {
    session.ended = true;
    session.status = WIFSIGNALED (status) ? 128 + WTERMSIG (status) : WEXITSTATUS (status);
  }
  return session.ended;
}

/* --- commands -------------------------------------------------------------------------------- */

static void
print_screen (void)
{
  for (int y = 0; y < session.vt.rows; y++) {
    g_autofree char *row = vt_row (&session.vt, y);
    printf ("|%s\n", row);
  }
  if (has_ended ())
    printf ("(the program has ended with %d)\n", session.status);
  fflush (stdout);
}

/* Until it is there (or not there), or the time is over. */
static bool
await (const char *text, bool there, double seconds)
{
  gint64 end = g_get_monotonic_time () + (gint64) (seconds * 1e6);
  int row, column;
  while (vt_find (&session.vt, text, &row, &column) != there) {
    if (g_get_monotonic_time () > end)
      return false;
    take_output (20);
  }
  return true;
}

static bool
await_end (double seconds, int status)
{
  gint64 end = g_get_monotonic_time () + (gint64) (seconds * 1e6);
  while (!has_ended ()) {
    if (g_get_monotonic_time () > end)
      return false;
    take_output (20);
  }
  take_output (100);
  return session.status == status;
}

static bool
send_text (const char *text)
{
  g_autofree char *bytes = g_strcompress (text);
  take_output (0);
  return write (session.master, bytes, strlen (bytes)) == (ssize_t) strlen (bytes);
}

/* Facts: looked at again and again, for 5 seconds. */
static bool
has_style (const char *argument)
{
  const char *equals = strrchr (argument, '=');
  int row, column, foreground, background;
  unsigned style;
  if (!equals || sscanf (equals + 1, "%d,%d,%u", &foreground, &background, &style) != 3)
    return false;
  g_autofree char *text = g_strndup (argument, (gsize) (equals - argument));
  if (!vt_find (&session.vt, text, &row, &column))
    return false;
  const VtCell *c = &session.vt.cells[row][column];
  return c->foreground == foreground && c->background == background && c->style == style;
}

static bool
cursor_is (const char *argument)
{
  int row, column;
  if (strcmp (argument, "none") == 0)
    return !session.vt.cursor_visible;
  return sscanf (argument, "%d,%d", &column, &row) == 2 && session.vt.cursor_visible && session.vt.row == row && session.vt.column == column;
}

static bool
is_restored (const char *argument)
{
  struct termios now;
  tcgetattr (session.master, &now);
  bool modes = now.c_lflag == session.at_first.c_lflag && now.c_iflag == session.at_first.c_iflag && now.c_oflag == session.at_first.c_oflag;
  return modes && !session.vt.alternate && session.vt.cursor_visible;
}

static bool is_taken (const char *argument) { return session.vt.alternate; }

static bool
comes_true (bool (*fact) (const char *argument), const char *argument)
{
  for (unsigned i = 0; i < 100 && !fact (argument); i++)
    take_output (50);
  return fact (argument);
}

static bool
set_size (const char *argument)
{
  int columns, rows;
  if (sscanf (argument, "%dx%d", &columns, &rows) != 2)
    return false;
  struct winsize size = { .ws_col = (unsigned short) columns, .ws_row = (unsigned short) rows };
  vt_resize (&session.vt, columns, rows);
  return ioctl (session.master, TIOCSWINSZ, &size) == 0;
}

static bool
obey (const char *command, char *argument)
{
  char *text;
  double seconds = g_ascii_strtod (argument, &text);
  text += *text == ' ';
  if (strcmp (command, "await") == 0 || strcmp (command, "gone") == 0) {
    g_autofree char *wanted = g_strcompress (text);
    return await (wanted, command[0] == 'a', seconds);
  }
  if (strcmp (command, "send") == 0)
    return send_text (argument);
  if (strcmp (command, "style") == 0)
    return comes_true (has_style, argument);
  if (strcmp (command, "cursor") == 0)
    return comes_true (cursor_is, argument);
  if (strcmp (command, "size") == 0)
    return set_size (argument);
  if (strcmp (command, "signal") == 0)
    return kill (session.child, atoi (argument)) == 0;
  if (strcmp (command, "ends") == 0)
    return await_end (seconds, atoi (text));
  if (strcmp (command, "restored") == 0)
    return comes_true (is_restored, argument);
  if (strcmp (command, "taken") == 0)
    return comes_true (is_taken, argument);
  if (strcmp (command, "sleep") == 0) {
    gint64 end = g_get_monotonic_time () + (gint64) (seconds * 1e3);
    while (g_get_monotonic_time () < end)
      take_output (10);
    return true;
  }
  if (strcmp (command, "print") == 0) {
    take_output (100);
    print_screen ();
    return true;
  }
  printf ("`%s' is no command\n", command);
  return false;
}

/* --- the script ------------------------------------------------------------------------------- */

static bool
play (void)
{
  char line[1024];
  unsigned n = 0;
  while (fgets (line, sizeof line, stdin)) {
    n++;
    line[strcspn (line, "\n")] = 0;
    char *command = line + strspn (line, " "), *argument = command + strcspn (command, " ");
    if (*command == 0 || *command == '#')
      continue;
    g_autofree char *whole = g_strdup (command);
    if (*argument)
      *argument++ = 0;
    if (obey (command, argument))
      continue;
    printf ("line %u failed: %s\n", n, whole);
    print_screen ();
    printf ("cursor %d,%d, %s, %s screen\n", session.vt.column, session.vt.row, session.vt.cursor_visible ? "visible" : "hidden",
            session.vt.alternate ? "alternate" : "main");
    return false;
  }
  return true;
}

int
main (int argc, char **argv)
{
  int columns = 100, rows = 30, first = 1;
  if (argc > 3 && strcmp (argv[1], "-s") == 0 && sscanf (argv[2], "%dx%d", &columns, &rows) == 2)
    first = 3;
  if (argc <= first) {
    fprintf (stderr, "usage: terminal-session [-s COLUMNSxROWS] PROGRAM ARGUMENT... <SCRIPT\n");
    return 2;
  }
  start (argv + first, columns, rows);
  bool good = play ();
  if (!has_ended ()) {
    kill (session.child, SIGKILL);
    kill (session.child, SIGCONT);
    waitpid (session.child, NULL, 0);
  }
  return !good;
}
