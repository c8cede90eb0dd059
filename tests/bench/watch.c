/* watch.c -- runs a command, and puts in front of each line that it prints how long it has been running and how much processor time it has had. */
/* SPDX-License-Identifier: MIT */
/*
 * watch [-u TEXT [-m FILE]] SECONDS COMMAND...: lines are "WALL-NS CPU-NS LINE".
 * -u: the command is killed when a line holds TEXT, and that is a success; -m: what it has mapped then (/proc/PID/smaps) is kept in FILE.
 * The exit status is the command's, 124 when it is killed after so many seconds, 125 when it has ended without that line.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;
static volatile sig_atomic_t ended_by;
static const char *wanted, *map_file;
static int found;

static void
kill_child (int signal_number)
{
  ended_by = signal_number;
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
keep_map (void)
{
  char path[64], buffer[1 << 16];
  snprintf (path, sizeof path, "/proc/%ld/smaps", (long) child);
  FILE *from = fopen (path, "r"), *to = fopen (map_file, "w");
  if (from && to)
    for (size_t n; (n = fread (buffer, 1, sizeof buffer, from));)
      fwrite (buffer, 1, n, to);
  if (from)
    fclose (from);
  if (to)
    fclose (to);
}

static void
print_lines (FILE *from)
{
  char line[4096];
  clockid_t cpu;
  int64_t start = ns_of (CLOCK_MONOTONIC);
  int known = clock_getcpuclockid (child, &cpu) == 0;
  while (!found && fgets (line, sizeof line, from)) {
    line[strcspn (line, "\r\n")] = 0;
    printf ("%" PRId64 " %" PRId64 " %s\n", ns_of (CLOCK_MONOTONIC) - start, known ? ns_of (cpu) : 0, line);
    fflush (stdout);
    found = wanted && strstr (line, wanted);
  }
  if (found && map_file)
    keep_map ();
  if (found)
    kill (child, SIGKILL);
}

int
main (int argc, char **argv)
{
  int pipes[2], status, option;
  while ((option = getopt (argc, argv, "+u:m:")) != -1)
    if (option == 'u')
      wanted = optarg;
    else if (option == 'm')
      map_file = optarg;
    else
      return 2;
  if (argc < optind + 2 || pipe (pipes))
    return 2;
  child = fork ();
  if (child == 0) {
    dup2 (pipes[1], STDOUT_FILENO);
    close (pipes[0]);
    close (pipes[1]);
    execvp (argv[optind + 1], argv + optind + 1);
    _exit (127);
  }
  close (pipes[1]);
  signal (SIGALRM, kill_child);
  signal (SIGTERM, kill_child);
  signal (SIGINT, kill_child);
  alarm ((unsigned) atoi (argv[optind]));
  print_lines (fdopen (pipes[0], "r"));
  waitpid (child, &status, 0);
  if (found)
    return 0;
  if (ended_by == SIGALRM)
    return 124;
  if (wanted)
    return 125;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 1;
}
