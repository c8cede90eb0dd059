/* validate-process.c -- a process in which a plugin may do anything: started, listened to, ended, and nothing of it is left. */
/* SPDX-License-Identifier: MIT */
#include "validate.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MOST = 8192, CHUNK = 16384, CHUNKS_LEFT = 64, GLANCE_MS = 50, FIRST_DESCRIPTOR = 100 };

/* --- interruptions ------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;       /* by this signal; 0: it goes on */
static const int interruptions[] = { SIGINT, SIGTERM, SIGHUP };
static struct sigaction before[G_N_ELEMENTS (interruptions)], before_children;

static void interrupt (int number) { interrupted = number; }

/* Who interrupts it leaves neither a child nor a folder behind.  Children are waited for, whatever this process was started with. */
void
process_watch_begin (void)
{
  struct sigaction action = { .sa_handler = interrupt }, by_default = { .sa_handler = SIG_DFL };
  interrupted = 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (interruptions); i++) {
    sigaction (interruptions[i], &action, &before[i]);
    if (before[i].sa_handler == SIG_IGN)
      sigaction (interruptions[i], &before[i], NULL);
  }
  sigaction (SIGCHLD, &by_default, &before_children);
}

/* What came meanwhile comes again. */
void
process_watch_end (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (interruptions); i++)
    sigaction (interruptions[i], &before[i], NULL);
  sigaction (SIGCHLD, &before_children, NULL);
  if (interrupted)
    raise (interrupted);
}

/* --- in the child -------------------------------------------------------------------------------------- */

/* Far from the descriptors that plugins get, and may close once too often. */
static int
move_far (int fd)
{
  int far = fcntl (fd, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
  if (far < 0)                  /* there may be no such numbers */
    far = fcntl (fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (far < 0)
    _exit (127);
  close (fd);
  return far;
}

/* fd is greater. */
static void
redirect (int to, int fd)
{
  if (dup2 (fd, to) < 0)
    _exit (127);
}

/* What it says goes to the descriptor that is returned. */
static int
arrange (const Process *p, int said, int words)
{
  close (p->said.fd);
  close (p->words.fd);
  said = move_far (said);
  words = move_far (words);
  int null = move_far (open ("/dev/null", O_RDWR | O_CLOEXEC));
  redirect (STDIN_FILENO, null);
  redirect (STDOUT_FILENO, null);
  redirect (STDERR_FILENO, words);
  close (null);
  close (words);
  return said;
}

/* When memory ends, this process is the one to go. */
static void
volunteer (void)
{
  int fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && write (fd, "1000", 4) < 0)
    errno = 0;
  if (fd >= 0)
    close (fd);
}

/* Without a terminal, which a plugin could take, in a folder of its own, without a core dump, and not for longer than its parent. */
static void G_GNUC_NORETURN
become (const Process *p, const char *directory, pid_t parent, int said, int words, ProcessBody *body, void *user)
{
  const struct rlimit none = { 0, 0 };
  for (unsigned i = 0; i < G_N_ELEMENTS (interruptions); i++)
    sigaction (interruptions[i], &before[i], NULL);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (127);
  setsid ();
  volunteer ();
  setrlimit (RLIMIT_CORE, &none);
  if (chdir (directory) < 0)
    _exit (127);
  body (user, arrange (p, said, words));
  _exit (0);
}

/* --- lines --------------------------------------------------------------------------------------------- */

/* What is longer than a line can be is cut off. */
static bool
take_bytes (ProcessStream *s, const char *bytes, size_t n, ProcessLine *line, void *user)
{
  bool good = false;
  for (size_t i = 0; i < n; i++) {
    if (bytes[i] != '\n') {
      if (s->line->len < LINE_MOST)
        g_string_append_c (s->line, bytes[i]);
      continue;
    }
    good |= line (user, s->line->str);
    g_string_truncate (s->line, 0);
  }
  return good;
}

/* false: there is nothing to be read now.  *good: a line was. */
static bool
take_chunk (ProcessStream *s, ProcessLine *line, void *user, bool *good)
{
  char bytes[CHUNK];
  ssize_t n = s->fd >= 0 ? read (s->fd, bytes, sizeof bytes) : -1;
  if (n > 0)
    *good |= take_bytes (s, bytes, (size_t) n, line, user);
  if (n == 0) {                 /* its end is closed, and the process may be there still */
    close (s->fd);
    s->fd = -1;
  }
  return n > 0;
}

/* --- a process ----------------------------------------------------------------------------------------- */

static bool
open_pipe (ProcessStream *s, int *other_end)
{
  int ends[2];
  if (pipe2 (ends, O_CLOEXEC) < 0)
    return false;
  fcntl (ends[0], F_SETFL, O_NONBLOCK);         /* of this end alone */
  *s = (ProcessStream) { ends[0], g_string_new (NULL) };
  *other_end = ends[1];
  return true;
}

static void
close_stream (ProcessStream *s)
{
  if (s->fd >= 0)
    close (s->fd);
  if (s->line)
    g_string_free (s->line, TRUE);
  *s = (ProcessStream) { -1, NULL };
}

bool
process_start (Process *p, const char *directory, ProcessBody *body, void *user)
{
  int said = -1, words = -1;
  pid_t parent = getpid ();
  *p = (Process) { .pid = -1, .said = { -1, NULL }, .words = { -1, NULL } };
  if (open_pipe (&p->said, &said) && open_pipe (&p->words, &words))
    p->pid = fork ();
  if (p->pid == 0)
    become (p, directory, parent, said, words, body, user);
  int error = errno;
  if (said >= 0)
    close (said);
  if (words >= 0)
    close (words);
  if (p->pid < 0) {
    close_stream (&p->said);
    close_stream (&p->words);
  }
  errno = error;
  return p->pid > 0;
}

static bool
is_dead (const Process *p)
{
  siginfo_t info = { 0 };
  return waitid (P_PID, (id_t) p->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ? errno != EINTR : info.si_pid == p->pid;
}

/* What is in the pipe now; whoever writes may go on. */
static bool
take_all (ProcessStream *s, ProcessLine *line, void *user)
{
  bool good = false;
  for (unsigned i = 0; i < CHUNKS_LEFT && take_chunk (s, line, user, &good); i++)
    ;
  return good;
}

/* What it said last; one that it started may hold the pipes open. */
static void
take_rest (Process *p, ProcessLine *said, ProcessLine *words, void *user)
{
  take_all (&p->said, said, user);
  take_all (&p->words, words, user);
  if (p->words.line->len)
    words (user, p->words.line->str);
}

/* Its words are taken as they come, so that they fill neither pipe nor disk, and are no sign of life. */
ProcessState
process_listen (Process *p, unsigned seconds, ProcessLine *said, ProcessLine *words, void *user)
{
  gint64 end = g_get_monotonic_time () + seconds * G_TIME_SPAN_SECOND;
  for (;;) {
    struct pollfd fds[2] = { { .fd = p->said.fd, .events = POLLIN }, { .fd = p->words.fd, .events = POLLIN } };
    poll (fds, 2, GLANCE_MS);
    if (interrupted)
      return PROCESS_INTERRUPTED;
    if (is_dead (p)) {
      take_rest (p, said, words, user);
      return PROCESS_DEAD;
    }
    bool talks = take_all (&p->said, said, user);
    take_all (&p->words, words, user);  /* after what it said, so that words from before that are not missed when it was the last */
    if (talks)
      return PROCESS_TALKS;
    if (g_get_monotonic_time () > end)
      return PROCESS_SILENT;
  }
}

/* Its own children, which are of its group, go with it; until it is waited for, the group's number is nobody else's. */
int
process_end (Process *p)
{
  siginfo_t info;
  int status = 0;
  kill (p->pid, SIGKILL);
  while (waitid (P_PID, (id_t) p->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
    ;
  kill (-p->pid, SIGKILL);
  while (waitpid (p->pid, &status, 0) < 0 && errno == EINTR)
    ;
  close_stream (&p->said);
  close_stream (&p->words);
  return status;
}
