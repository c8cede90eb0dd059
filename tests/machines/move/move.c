/* move.c -- moves a machine from process to process, cuts connections on its way, and looks at what its console says. */
/* SPDX-License-Identifier: MIT */
/*
 * move [-n TIMES] [-c CUTS] [-f FLIPS] [-t COPIES] [-s SEED] [-a unix|tcp|file|exec] [-p 'KEY':NUMBER] PROGRAM ARGUMENT...
 * starts `PROGRAM ARGUMENT...', moves it TIMES times into a new process like it, CUTS times tries to over a connection that breaks somewhere, and FLIPS times over
 * one that changes a bit; at last COPIES machines begin with a template of it.  The guest is busy-guest.c's: its console has numbers that follow each other over
 * all processes, and the word BAD when something was lost.
 */
#include "../../patience.h"
#include "../../scratch.h"
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COPIES_MOST = 32 };

typedef struct Process {
  unsigned number;
  pid_t pid;
  int qmp;
  char *out, *err;
} Process;

static char *work, *parameter;
static char **command;
static const char *kind = "unix";
static unsigned next_number;
static GString *console;        /* of all that ran, in their order */
static char *last_words;        /* what the process that has ended last has said on its standard error */

static void G_GNUC_PRINTF (1, 2) G_GNUC_NORETURN
fail (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  printf ("move: ");
  vprintf (format, args);
  printf ("\n");
  va_end (args);
  exit (1);
}

static int64_t
now_ms (void)
{
  return g_get_monotonic_time () / 1000;
}

static char *
in_work (const char *name, unsigned number)
{
  return g_strdup_printf ("%s/%s%u", work, name, number);
}

/* --- processes -------------------------------------------------------------------------------------------- */

static int
connect_to (const char *path, int64_t patience_ms)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX };
  g_strlcpy (sun.sun_path, path, sizeof sun.sun_path);
  for (int64_t end = now_ms () + patience_ms;;) {
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect (fd, (struct sockaddr *) &sun, sizeof sun) == 0)
      return fd;
    close (fd);
    if (now_ms () > end)
      return -1;
    g_usleep (5000);
  }
}

static void
run_child (const Process *p, const char *option, const char *value)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree char *qmp = in_work ("qmp", p->number);
  for (char **word = command; *word; word++)
    g_ptr_array_add (argv, *word);
  g_ptr_array_add (argv, (char *) "--monitor");
  g_ptr_array_add (argv, g_strconcat ("unix:", qmp, NULL));
  if (option) {
    g_ptr_array_add (argv, (char *) option);
    g_ptr_array_add (argv, (char *) value);
  }
  g_ptr_array_add (argv, NULL);
  prctl (PR_SET_PDEATHSIG, SIGKILL);    /* a test that fails leaves no machines behind */
  dup2 (open ("/dev/null", O_RDONLY), 0);
  dup2 (open (p->out, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
  dup2 (open (p->err, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
  execvp (argv->pdata[0], (char **) argv->pdata);
  _exit (127);
}

static Process *
start_with (const char *option, const char *value)
{
  Process *p = g_new0 (Process, 1);
  p->number = next_number++;
  p->qmp = -1;
  p->out = in_work ("out", p->number);
  p->err = in_work ("err", p->number);
  p->pid = fork ();
  if (p->pid == 0)
    run_child (p, option, value);
  return p;
}

static Process *
start (const char *incoming)
{
  return start_with (incoming ? "--incoming" : NULL, incoming);
}

static char *
file_text (const char *path)
{
  char *text = NULL;
  return g_file_get_contents (path, &text, NULL, NULL) ? text : g_strdup ("");
}

/* --- QMP -------------------------------------------------------------------------------------------------------- */

static char *
read_line (int fd)
{
  GString *line = g_string_new (NULL);
  char c;
  for (;;) {
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll (&p, 1, 30000) <= 0 || read (fd, &c, 1) != 1) {
      g_string_free (line, TRUE);
      return NULL;
    }
    if (c == '\n')
      return g_string_free (line, FALSE);
    g_string_append_c (line, c);
  }
}

/* The answer; NULL: the process is gone. */
static char *
ask (Process *p, const char *message)
{
  if (p->qmp < 0) {
    g_autofree char *path = in_work ("qmp", p->number);
    p->qmp = connect_to (path, 30000);
    if (p->qmp < 0)
      return NULL;
    g_free (read_line (p->qmp));
    g_free (ask (p, "{'execute':'qmp_capabilities'}"));
  }
  if (send (p->qmp, message, strlen (message), MSG_NOSIGNAL) < 0)
    return NULL;
  for (char *line; (line = read_line (p->qmp)); g_free (line))
    if (!strstr (line, "\"event\""))
      return line;
  return NULL;
}

static bool
says (Process *p, const char *message, const char *text)
{
  g_autofree char *answer = ask (p, message);
  return answer && strstr (answer, text);
}

static bool
runs (Process *p)
{
  return says (p, "{'execute':'query-status'}", "\"running\":true") || says (p, "{'execute':'query-status'}", "\"running\": true");
}

static uint64_t
number_in (const char *answer, const char *member)
{
  g_autofree char *key = g_strdup_printf ("\"%s\"", member);
  const char *at = answer ? strstr (answer, key) : NULL;
  return at ? g_ascii_strtoull (at + strlen (key) + strspn (at + strlen (key), ": "), NULL, 10) : 0;
}

/* "completed", "failed"; the whole answer. */
static char *
wait_for_end (Process *p)
{
  for (int64_t end = now_ms () + 240000; now_ms () < end; g_usleep (5000)) {
    char *answer = ask (p, "{'execute':'query-migrate'}");
    if (!answer || strstr (answer, "completed") || strstr (answer, "failed") || strstr (answer, "cancelled"))
      return answer;
    g_free (answer);
  }
  fail ("a migration does not end");
}

/* --- ends ----------------------------------------------------------------------------------------------------------- */

/* The exit status; its console is the next part of the whole when it has run. */
static int
finish (Process *p, bool has_run, bool quit)
{
  int status = 0;
  if (quit)
    g_free (ask (p, "{'execute':'quit'}"));
  for (int64_t end = now_ms () + 30000; waitpid (p->pid, &status, WNOHANG) == 0; g_usleep (2000))
    if (now_ms () > end)
      fail ("process %u does not end", p->number);
  if (has_run) {
    g_autofree char *text = file_text (p->out);
    g_string_append (console, text);
  }
  if (p->qmp >= 0)
    close (p->qmp);
  g_free (last_words);
  last_words = file_text (p->err);
  g_unlink (p->out);
  g_unlink (p->err);
  g_free (p->out);
  g_free (p->err);
  g_free (p);
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

/* --- a connection that breaks ----------------------------------------------------------------------------------------- */

typedef struct Relay {
  char *from, *to;
  uint64_t forth, back;         /* bytes that get through; UINT64_MAX: all */
  uint64_t flip;                /* bytes before the one that is changed on its way forth; UINT64_MAX: none is */
  int listener;
  GThread *thread;
} Relay;

static bool
pass (int from, int to, uint64_t *left, uint64_t *flip)
{
  char buffer[1 << 16];
  ssize_t n = read (from, buffer, MIN (sizeof buffer, *left));
  if (n > 0 && *flip < (uint64_t) n)
    buffer[*flip] = (char) (buffer[*flip] ^ 1 << *flip % 8);
  if (n > 0 && *flip != UINT64_MAX)
    *flip = *flip < (uint64_t) n ? UINT64_MAX : *flip - (uint64_t) n;
  for (ssize_t done = 0; done < n;) {
    ssize_t m = send (to, buffer + done, (size_t) (n - done), MSG_NOSIGNAL);
    if (m <= 0)
      return false;
    done += m;
  }
  if (n > 0 && *left != UINT64_MAX)
    *left -= (uint64_t) n;
  return n > 0 && *left > 0;
}

static void *
relay_thread (void *user)
{
  Relay *r = user;
  uint64_t no_flip = UINT64_MAX;
  int a = accept (r->listener, NULL, NULL), b = connect_to (r->to, 10000);
  for (bool open = a >= 0 && b >= 0 && r->forth && r->back; open;) {
    struct pollfd p[2] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
    if (poll (p, 2, 60000) <= 0)
      break;
    open = (!p[0].revents || pass (a, b, &r->forth, &r->flip)) && (!p[1].revents || pass (b, a, &r->back, &no_flip));
  }
  if (r->forth && r->back && b >= 0) {  /* one of them has ended: what the receiver said last arrives */
    shutdown (b, SHUT_WR);
    while (pass (b, a, &r->back, &no_flip))
      continue;
  }
  close (a);
  close (b);
  return NULL;
}

static void
relay_start (Relay *r)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX };
  g_strlcpy (sun.sun_path, r->from, sizeof sun.sun_path);
  r->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind (r->listener, (struct sockaddr *) &sun, sizeof sun) != 0 || listen (r->listener, 1) != 0)
    fail ("no socket %s", r->from);
  r->thread = g_thread_new ("relay", relay_thread, r);
}

/* --- moving --------------------------------------------------------------------------------------------------------------- */

static void
migrate (Process *p, const char *address)
{
  g_autofree char *message = g_strdup_printf ("{'execute':'migrate','arguments':{'uri':'%s'}}", address);
  g_autofree char *set = parameter ? g_strdup_printf ("{'execute':'migrate-set-parameters','arguments':{%s}}", parameter) : NULL;
  if (set && !says (p, set, "return"))
    fail ("the parameters %s are refused", parameter);
  g_autofree char *answer = ask (p, message);
  if (!answer || !strstr (answer, "\"return\""))
    fail ("%s: %s", address, answer ? answer : "no answer");
}

static char *
address_of (unsigned number)
{
  if (strcmp (kind, "tcp") == 0)
    return g_strdup_printf ("tcp:127.0.0.1:%u", 20000 + (unsigned) getpid () % 20000 + number % 1000);
  if (strcmp (kind, "exec") == 0)
    return g_strdup_printf ("exec:cat > %s/stream", work);
  return g_strdup_printf ("%s:%s/m%u", kind, work, number);
}

static bool
is_later (void)
{
  return strcmp (kind, "file") == 0 || strcmp (kind, "exec") == 0;
}

/* A receiver that listens takes a moment to. */
static void
wait_until_it_listens (Process *to)
{
  for (int64_t end = now_ms () + 30000; now_ms () < end; g_usleep (5000))
    if (says (to, "{'execute':'query-migrate'}", "setup"))
      return;
  g_autofree char *err = file_text (to->err);
  fail ("the receiver does not wait: %s", err);
}

static Process *
move_once (Process *from, uint64_t *downtime)
{
  g_autofree char *address = address_of (next_number), *in = strcmp (kind, "exec") == 0 ? g_strdup_printf ("exec:cat %s/stream", work) : g_strdup (address);
  Process *to = is_later () ? NULL : start (in);
  if (to)
    wait_until_it_listens (to);
  migrate (from, address);
  g_autofree char *answer = wait_for_end (from);
  if (!answer || !strstr (answer, "completed")) {
    g_autofree char *err = to ? file_text (to->err) : g_strdup ("");
    fail ("the machine was not moved: %s; the receiver: %s", answer ? answer : "its process is gone", err);
  }
  *downtime = number_in (answer, "downtime");
  if (runs (from))
    fail ("the sender runs on");
  if (!to)
    to = start (in);
  for (int64_t end = now_ms () + 30000; !runs (to); g_usleep (5000))
    if (now_ms () > end)
      fail ("the receiver does not run");
  if (finish (from, true, true) != 0)
    fail ("the sender has not ended well");
  return to;
}

/* Exactly one of the two has the machine afterwards. */
static Process *
break_once (Process *from, GRand *random, unsigned turn, bool flips)
{
  g_autofree char *address = in_work ("r", next_number), *to_path = in_work ("m", next_number), *in = g_strconcat ("unix:", to_path, NULL);
  Relay relay = { .from = address, .to = to_path, .forth = UINT64_MAX, .back = UINT64_MAX, .flip = UINT64_MAX };
  if (flips)
    relay.flip = (uint64_t) g_rand_double_range (random, 0, turn % 2 ? 20e6 : 5e4);
  else if (turn % 2)
    relay.back = (uint64_t) g_rand_int_range (random, 0, 64);   /* its answers are 64 bytes */
  else
    relay.forth = (uint64_t) g_rand_double_range (random, 0, turn % 4 ? 100e6 : 1e5);
  Process *to = start (in);
  wait_until_it_listens (to);
  relay_start (&relay);
  g_autofree char *uri = g_strconcat ("unix:", address, NULL);
  migrate (from, uri);
  g_autofree char *answer = wait_for_end (from);
  g_thread_join (relay.thread);
  close (relay.listener);
  g_unlink (address);
  bool here = runs (from);
  g_usleep (50000);
  bool there = runs (to);
  if (here == there) {
    g_autofree char *err = file_text (to->err);
    fail ("%s run after turn %u, %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT " bytes before the cut: %s; the receiver: %s", here ? "both" : "none of both", turn,
          relay.forth, relay.back, answer, err);
  }
  if (!there && !(answer && strstr (answer, "\"error-desc\"")))
    fail ("the sender does not say why: %s", answer);
  if (!there && flips && !strstr (answer, "the receiver refuses: ") && !strstr (answer, "damaged"))
    fail ("the sender does not say that the receiver has refused: %s", answer);
  if (!there && finish (to, false, false) != 1)
    fail ("a receiver that got nothing has not failed");
  if (!there && !strstr (last_words, "the machine did not come: "))
    fail ("the receiver does not say why: %s", last_words);
  if (there)
    finish (from, true, true);
  return there ? to : from;
}

/* --- what the console said --------------------------------------------------------------------------------------------------- */

/* Of a line of the guest's. */
static uint64_t
count_of (const char *line, const char *what)
{
  g_autofree char *word = g_strconcat (what, " ", NULL);
  const char *at = strstr (line, word);
  return at ? g_ascii_strtoull (at + strlen (word), NULL, 10) : 0;
}

static void
check_console (void)
{
  uint64_t last = 0, pages = 0, sectors = 0, pings = 0, lost = 0;
  g_auto (GStrv) lines = g_strsplit (console->str, "\n", -1);
  for (char **line = lines; *line; line++) {
    const char *tick = strstr (*line, "TICK ");
    if (strstr (*line, "BAD"))
      fail ("the guest found: %s", *line);
    if (!tick || !line[1])      /* (the last may be cut short) */
      continue;
    uint64_t number = g_ascii_strtoull (tick + 5, NULL, 10);
    if (number != last + 1)
      fail ("line %" G_GUINT64_FORMAT " of the guest's console follows line %" G_GUINT64_FORMAT ": %s", number, last, *line);
    last = number;
    pages = MAX (pages, count_of (*line, "pages"));
    sectors = MAX (sectors, count_of (*line, "sectors"));
    pings = MAX (pings, count_of (*line, "pings"));
    lost = MAX (lost, count_of (*line, "lost"));
  }
  if (last < 10)
    fail ("the guest said little");
  printf ("move: %" G_GUINT64_FORMAT " lines in their order, %" G_GUINT64_FORMAT " pages and %" G_GUINT64_FORMAT " sectors written and checked, %" G_GUINT64_FORMAT
          " pings answered and %" G_GUINT64_FORMAT " not\n", last, pages, sectors, pings, lost);
  if (lost > next_number + 5)   /* (one that was under way goes down with each process) */
    fail ("%" G_GUINT64_FORMAT " pings were not answered", lost);
}

static bool
goes_on (const char *first, const char *last, const char *what)
{
  return !count_of (first, what) || count_of (last, what) > count_of (first, what);
}

/* What the guest did before its last move it does after it as well. */
static void
wait_until_all_goes_on (Process *p)
{
  for (int64_t end = now_ms () + 20000; now_ms () < end; g_usleep (100000)) {
    g_autofree char *out = file_text (p->out);
    const char *first = strstr (out, "TICK "), *last = g_strrstr (out, "TICK ");
    const char *line_end = last ? strchr (last, '\n') : NULL;
    if (!first || !line_end || last == first)
      continue;
    if (goes_on (first, last, "pages") && goes_on (first, last, "sectors") && goes_on (first, last, "pings"))
      return;
  }
  g_autofree char *out = file_text (p->out);
  fail ("pages, sectors or pings do not go on: %s", out);
}

/* Each goes on from where the one machine was; they know nothing of each other. */
static void
begin_copies (Process *original, unsigned copies)
{
  g_autofree char *folder = g_strdup_printf ("%s/template", work);
  g_autofree char *save = g_strdup_printf ("{'execute':'x-template-save','arguments':{'folder':'%s'}}", folder);
  g_autoptr (GString) before = NULL;
  g_autofree char *answer = ask (original, "{'execute':'stop'}"), *saved = ask (original, save);
  Process *p[COPIES_MOST];
  int64_t began[COPIES_MOST];
  if (!answer || !saved || !strstr (saved, "\"return\""))
    fail ("no template: %s", saved ? saved : "no answer");
  finish (original, true, true);
  before = g_steal_pointer (&console);
  for (unsigned i = 0; i < copies; i++) {
    began[i] = now_ms ();
    p[i] = start_with ("--template", folder);
    g_free (ask (p[i], "{'execute':'cont'}"));
    while (!runs (p[i]))
      g_usleep (1000);
    printf ("move: copy %u ran %" G_GINT64_FORMAT " ms after its program was started\n", i, now_ms () - began[i]);
  }
  g_usleep ((gulong) patience (1));
  for (unsigned i = 0; i < copies; i++) {
    console = g_string_new (before->str);
    if (finish (p[i], true, true) != 0)
      fail ("copy %u has not ended well", i);
    if (console->len < before->len + 50)
      fail ("copy %u said little", i);
    check_console ();
    if (i + 1 < copies)
      g_string_free (console, TRUE);
  }
}

static int
compare_numbers (gconstpointer a, gconstpointer b)
{
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
  return x < y ? -1 : x > y;
}

static void
wait_for_console (Process *p, const char *text)
{
  for (int64_t end = now_ms () + 120000; now_ms () < end; g_usleep (20000)) {
    g_autofree char *out = file_text (p->out);
    if (strstr (out, text))
      return;
  }
  g_autofree char *out = file_text (p->out), *err = file_text (p->err);
  fail ("the guest does not start: %s%s", out, err);
}

int
main (int argc, char **argv)
{
  gint times = 3, cuts = 0, flips = 0, copies = 0, seed = 1;
  gchar *address = NULL, *given = NULL;
  const GOptionEntry entries[] = { { "times", 'n', 0, G_OPTION_ARG_INT, &times, "", "" }, { "cuts", 'c', 0, G_OPTION_ARG_INT, &cuts, "", "" },
                                   { "flips", 'f', 0, G_OPTION_ARG_INT, &flips, "", "" },
                                   { "template", 't', 0, G_OPTION_ARG_INT, &copies, "", "" },
                                   { "seed", 's', 0, G_OPTION_ARG_INT, &seed, "", "" }, { "address", 'a', 0, G_OPTION_ARG_STRING, &address, "", "" },
                                   { "parameter", 'p', 0, G_OPTION_ARG_STRING, &given, "", "" }, G_OPTION_ENTRY_NULL };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_strict_posix (context, TRUE);
  if (!g_option_context_parse (context, &argc, &argv, NULL) || argc < 2)
    return 2;
  setvbuf (stdout, NULL, _IOLBF, 0);
  signal (SIGPIPE, SIG_IGN);
  kind = address ? address : kind;
  parameter = given;
  command = argv + 1 + (strcmp (argv[1], "--") == 0);
  work = scratch_new ();
  console = g_string_new (NULL);
  g_autoptr (GRand) random = g_rand_new_with_seed ((guint32) seed);
  g_autoptr (GArray) downtimes = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  Process *p = start (NULL);
  wait_for_console (p, "TICK 10 ");
  for (gint i = 0; i < times; i++) {
    uint64_t downtime = 0;
    p = move_once (p, &downtime);
    g_array_append_val (downtimes, downtime);
  }
  unsigned went = 0;
  for (gint i = 0; i < cuts + flips; i++) {
    Process *was = p;
    p = break_once (p, random, (unsigned) i, i >= cuts);
    went += p != was;
  }
  wait_until_all_goes_on (p);
  if (copies) {
    begin_copies (p, MIN ((unsigned) copies, COPIES_MOST));
  } else {
    finish (p, true, true);
    check_console ();
  }
  g_array_sort (downtimes, compare_numbers);
  if (times)
    printf ("move: moved %d times by %s, downtime %" G_GUINT64_FORMAT " ms (median), %" G_GUINT64_FORMAT " ms (most)\n", times, kind,
            g_array_index (downtimes, uint64_t, downtimes->len / 2), g_array_index (downtimes, uint64_t, downtimes->len - 1));
  if (cuts + flips)
    printf ("move: cut %d times and changed %d times, of which the machine had gone over %u times\n", cuts, flips, went);
  scratch_free (work);
  return 0;
}
