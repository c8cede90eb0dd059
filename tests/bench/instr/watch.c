/* watch.c -- runs a command, and puts in front of each line that it prints how long it has been running and how much processor time it has had. */
/* SPDX-License-Identifier: MIT */
/* watch SECONDS COMMAND...: lines are "WALL-NS CPU-NS LINE"; the command is killed after so many seconds. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;

static void
kill_child (int signal_number)
{
  kill (child, SIGKILL);
}

static int64_t
ns_of (clockid_t clock)
{
  struct timespec t = { 0, 0 };
  clock_gettime (clock, &t);
  return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
print_lines (FILE *from)
{
  char line[4096];
  clockid_t cpu;
  int64_t start = ns_of (CLOCK_MONOTONIC);
  int known = clock_getcpuclockid (child, &cpu) == 0;
  while (fgets (line, sizeof line, from)) {
    line[strcspn (line, "\r\n")] = 0;
    printf ("%" PRId64 " %" PRId64 " %s\n", ns_of (CLOCK_MONOTONIC) - start, known ? ns_of (cpu) : 0, line);
    fflush (stdout);
  }
}

int
main (int argc, char **argv)
{
  int pipes[2], status;
  if (argc < 3 || pipe (pipes))
    return 2;
  child = fork ();
  if (child == 0) {
    dup2 (pipes[1], STDOUT_FILENO);
    close (pipes[0]);
    close (pipes[1]);
    execvp (argv[2], argv + 2);
    _exit (127);
  }
  close (pipes[1]);
  signal (SIGALRM, kill_child);
  signal (SIGTERM, kill_child);
  signal (SIGINT, kill_child);
  alarm ((unsigned) atoi (argv[1]));
  print_lines (fdopen (pipes[0], "r"));
  waitpid (child, &status, 0);
  return WIFEXITED (status) ? WEXITSTATUS (status) : 1;
}
