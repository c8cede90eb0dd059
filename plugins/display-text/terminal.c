/* terminal.c -- the program's terminal: curses on it, and signal handlers that give it back when the program dies or stops. */
/* SPDX-License-Identifier: MIT */
#include "terminal.h"
#include "curses-wide.h"
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

/* --- state: there is one terminal, and signal handlers have no other way to find it -------------------- */

static SCREEN *screen;
static struct termios cooked, current;
static char leave[256];         /* what makes the terminal as it was */
static size_t leave_size;
static int errors = -1, real_stderr = -1;       /* standard error goes into a file while the screen is shown */
static volatile sig_atomic_t is_ours, is_lent, was_continued, was_resized;

/* --- standard error --------------------------------------------------------------------------------- */

enum { MOST_ERRORS = 1 << 20 };

static void
capture_errors (void)
{
  if (!isatty (STDERR_FILENO))
    return;
  errors = memfd_create ("standard error", MFD_CLOEXEC);
  if (errors < 0)
    return;
  real_stderr = dup (STDERR_FILENO);
  dup2 (errors, STDERR_FILENO);
}

/* From a signal handler too. */
static void
show_errors (void)
{
  char bytes[512];
  off_t at = 0;
  ssize_t n;
  if (errors < 0)
    return;
  dup2 (real_stderr, STDERR_FILENO);
  while ((n = pread (errors, bytes, sizeof bytes, at)) > 0) {
    if (write (STDERR_FILENO, bytes, (size_t) n) < n)
      break;
    at += n;
  }
  close (errors);
  close (real_stderr);
  errors = real_stderr = -1;
}

/* A log that somebody sent here and nobody reads. */
static void
limit_errors (void)
{
  if (errors >= 0 && lseek (errors, 0, SEEK_END) > MOST_ERRORS && ftruncate (errors, 0) == 0)
    lseek (errors, 0, SEEK_SET);
}

/* --- signals ------------------------------------------------------------------------------------------ */

static void
restore (void)
{
  if (!is_ours)
    return;
  if (!is_lent && write (STDOUT_FILENO, leave, leave_size) < 0)
    return;
  tcsetattr (STDIN_FILENO, TCSANOW, &cooked);
}

static void
at_exit (void)
{
  if (!is_ours)
    return;
  restore ();
  is_ours = 0;
  show_errors ();
}

/* Dies of the signal as if nothing had been caught. */
static void
on_fatal (int number)
{
  at_exit ();
  signal (number, SIG_DFL);
  raise (number);
}

static void
on_stop (int number)
{
  int error = errno;
  restore ();
  raise (SIGSTOP);
  errno = error;
}

static void
on_continue (int number)
{
  int error = errno;
  if (is_ours && tcgetpgrp (STDIN_FILENO) == getpgrp ())
    tcsetattr (STDIN_FILENO, TCSANOW, &current);
  was_continued = 1;
  errno = error;
}

static void
on_resize (int number)
{
  was_resized = 1;
}

static const struct Caught {
  int number;
  void (*handler) (int);
} caught[] = {
  { SIGSEGV, on_fatal }, { SIGBUS, on_fatal }, { SIGILL, on_fatal }, { SIGFPE, on_fatal }, { SIGABRT, on_fatal }, { SIGHUP, on_fatal },
  { SIGQUIT, on_fatal }, { SIGINT, on_fatal }, { SIGTERM, on_fatal }, { SIGTSTP, on_stop }, { SIGCONT, on_continue }, { SIGWINCH, on_resize }
};

/* One that somebody handles already stays theirs: an accelerator may live from SIGFPE. */
static void
catch_signals (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (caught); i++) {
    struct sigaction now, ours = { .sa_handler = caught[i].handler, .sa_flags = caught[i].handler == on_fatal ? SA_NODEFER : SA_RESTART };
    sigemptyset (&ours.sa_mask);
    if (sigaction (caught[i].number, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
      sigaction (caught[i].number, &ours, NULL);
  }
}

static void
release_signals (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (caught); i++) {
    struct sigaction now;
    if (sigaction (caught[i].number, NULL, &now) == 0 && now.sa_handler == caught[i].handler)
      signal (caught[i].number, SIG_DFL);
  }
}

/* --- capabilities --------------------------------------------------------------------------------------- */

static const char *
capability (const char *name)
{
  const char *text = tigetstr ((char *) name);
  return text == (const char *) -1 ? NULL : text;
}

bool
terminal_is_there (void)
{
  static int answer = -1;
  int error;
  if (answer >= 0)
    return answer;
  answer = 0;
  if (!isatty (STDIN_FILENO) || !isatty (STDOUT_FILENO) || setupterm (NULL, STDOUT_FILENO, &error) != OK)
    return false;
  answer = capability ("cup") != NULL;
  del_curterm (cur_term);
  return answer;
}

/* Without the padding that it may have in terminfo. */
static void
add_capability (const char *name)
{
  for (const char *text = capability (name); text && *text && leave_size < sizeof leave; text++) {
    if (text[0] == '$' && text[1] == '<') {
      text = strchr (text, '>');
      if (!text)
        return;
    } else
      leave[leave_size++] = *text;
  }
}

static void
note_capabilities (void)
{
  static const char *const names[] = { "sgr0", "op", "Se", "cnorm", "rmcup" };
  leave_size = 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++)
    add_capability (names[i]);
}

bool
terminal_has_unicode (void)
{
  return g_ascii_strcasecmp (nl_langinfo (CODESET), "UTF-8") == 0;
}

/* A block or an underline, blinking like a PC's: xterm's sequence, where terminfo has it. */
void
terminal_shape_cursor (unsigned height)
{
  static int now;
  int shape = height > 50 ? 1 : 3;
  const char *text = capability ("Ss");
  if (shape != now && text)
    putp (tiparm (text, shape));
  now = shape;
}

/* --- taking and giving ----------------------------------------------------------------------------------- */

/* curses catches signals itself, and ends the program from them.  It leaves SIGTSTP alone, also while it draws, if somebody has it already. */
static SCREEN *
new_screen (void)
{
  static const int numbers[] = { SIGINT, SIGTERM, SIGTSTP, SIGWINCH };
  struct sigaction before[G_N_ELEMENTS (numbers)];
  for (unsigned i = 0; i < G_N_ELEMENTS (numbers); i++)
    sigaction (numbers[i], NULL, &before[i]);
  signal (SIGTSTP, SIG_IGN);
  SCREEN *made = newterm (NULL, stdout, stdin);
  for (unsigned i = 0; i < G_N_ELEMENTS (numbers); i++)
    sigaction (numbers[i], &before[i], NULL);
  return made;
}

static void
set_up_curses (void)
{
  set_term (screen);
  raw ();
  noecho ();
  nonl ();
  if (has_colors ()) {
    start_color ();
    use_default_colors ();
  }
  note_capabilities ();
  tcgetattr (STDIN_FILENO, &current);
}

bool
terminal_take (GError **error)
{
  static bool registered;
  setlocale (LC_CTYPE, "");
  if (screen || tcgetattr (STDIN_FILENO, &cooked) != 0 || !(screen = new_screen ())) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, screen ? "another display has the terminal" : "the terminal cannot be used: %s", g_strerror (errno));
    return false;
  }
  set_up_curses ();
  if (!registered)
    atexit (at_exit);
  registered = true;
  is_ours = 1;
  catch_signals ();
  capture_errors ();
  return true;
}

void
terminal_give_back (void)
{
  if (!screen)
    return;
  if (!is_lent)
    endwin ();
  leave_size = 0;               /* curses has said it; what it does not know of follows */
  add_capability ("Se");
  delscreen (screen);
  screen = NULL;
  restore ();
  is_ours = is_lent = 0;
  release_signals ();
  show_errors ();
}

void
terminal_lend (void)
{
  endwin ();
  is_lent = 1;
  current = cooked;             /* lines end as usual, but nothing is echoed or waited for */
  current.c_iflag &= ~(tcflag_t) (IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  current.c_lflag &= ~(tcflag_t) (ECHO | ECHONL | ICANON | IEXTEN | ISIG);
  current.c_cc[VMIN] = 1;
  current.c_cc[VTIME] = 0;
  tcsetattr (STDIN_FILENO, TCSANOW, &current);
  show_errors ();
}

void
terminal_reclaim (void)
{
  is_lent = 0;
  capture_errors ();
  reset_prog_mode ();
  tcgetattr (STDIN_FILENO, &current);
  was_continued = 1;
}

void
terminal_redraw (void)
{
  was_resized = 1;
}

bool
terminal_needs_drawing (void)
{
  struct winsize size;
  limit_errors ();
  if (!was_continued && !was_resized)
    return false;
  if (was_continued)
    endwin ();                  /* the next refresh sets everything up */
  was_continued = was_resized = 0;
  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
    resizeterm (size.ws_row, size.ws_col);
  clearok (curscr, TRUE);
  return true;
}
