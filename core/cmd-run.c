/* cmd-run.c -- `backplane run`: builds, realizes and runs a machine. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "instrument.h"
#include "sandbox.h"
#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct RunOptions {
  char **set;
  RunSections sections;
  char *kernel, *initrd, *append, *load, *incoming, *template, *topics, *log_file, *output;
  int timeout;
  gboolean stop, snapshot, no_report;
} RunOptions;

static RunOptions given;

static const GOptionEntry entries[] = {
  { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &given.set, "Set a key of an object; the last one wins",
    "OBJECT.KEY=VALUE" },
  { "monitor", 0, 0, G_OPTION_ARG_STRING_ARRAY, &given.sections.monitors,
    "Serve a monitor: QMP at unix:PATH or tcp:HOST:PORT, the console on this terminal with stdio", "ADDRESS" },
  { "gdb", 0, 0, G_OPTION_ARG_STRING, &given.sections.gdb, "Serve gdb; with --stop the machine waits for it", "[HOST:]PORT|unix:PATH" },
  { "instrument", 0, 0, G_OPTION_ARG_STRING_ARRAY, &given.sections.instruments, "Add an instrument, with keys for its section", "MODULE[,KEY=VALUE]..." },
  { "symbols", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &given.sections.symbols, "A program or a kernel of the guest, or a list of its symbols: for names in reports and in start=NAME", "FILE" },
  { "output", 'o', 0, G_OPTION_ARG_FILENAME, &given.output, "Write what the instruments report to a file: JSON, or a page when the name ends in .html; `-` is standard output",
    "FILE" },
  { "no-report", 0, 0, G_OPTION_ARG_NONE, &given.no_report, "Do not print what the instruments report", NULL },
  { "kernel", 0, 0, G_OPTION_ARG_FILENAME, &given.kernel, "The same as --set boot.kernel=FILE", "FILE" },
  { "initrd", 0, 0, G_OPTION_ARG_FILENAME, &given.initrd, "The same as --set boot.initrd=FILE", "FILE" },
  { "append", 0, 0, G_OPTION_ARG_STRING, &given.append, "The same as --set boot.append=TEXT", "TEXT" },
  { "load", 0, 0, G_OPTION_ARG_STRING, &given.load, "Begin with a snapshot: one in the machine's disks, or a file *.bps", "NAME" },
  { "incoming", 0, 0, G_OPTION_ARG_STRING, &given.incoming,
    "Wait for the machine from another process, at unix:PATH, tcp:HOST:PORT, file:PATH, exec:COMMAND or fd:NUMBER; defer: a monitor will say", "ADDRESS" },
  { "template", 0, 0, G_OPTION_ARG_FILENAME, &given.template, "Begin with a template: a folder that a monitor's template-save has made", "FOLDER" },
  { "snapshot", 0, 0, G_OPTION_ARG_NONE, &given.snapshot, "Write to no disk: what the guest writes is forgotten at the end", NULL },
  { "stop", 'S', 0, G_OPTION_ARG_NONE, &given.stop, "Wait for a monitor or a debugger to start the machine", NULL },
  PLUGIN_PATH_ENTRY,
  { "debug", 'd', 0, G_OPTION_ARG_STRING, &given.topics, "Log these topics; `-d help` lists them",
    "TOPIC[,TOPIC]..." },
  { "debug-file", 'D', 0, G_OPTION_ARG_FILENAME, &given.log_file, "Write the log to a file", "FILE" },
  { "machine-timeout", 0, 0, G_OPTION_ARG_INT, &given.timeout,
    "End the run after so long, with exit code 124", "SECONDS" },
  G_OPTION_ENTRY_NULL
};

/* --kernel, --snapshot and their like are --set options that come before the others. */
static char **
all_settings (const RunOptions *o)
{
  GPtrArray *all = g_ptr_array_new ();
  const char *const sugar[][2] = { { "kernel", o->kernel },
                                   { "initrd", o->initrd },
                                   { "append", o->append } };
  for (guint i = 0; i < G_N_ELEMENTS (sugar); i++)
    if (sugar[i][1])
      g_ptr_array_add (all, g_strdup_printf ("boot.%s=%s", sugar[i][0], sugar[i][1]));
  if (o->snapshot)
    g_ptr_array_add (all, g_strdup ("machine.snapshot=on"));
  for (char **s = o->set; s && *s; s++)
    g_ptr_array_add (all, g_strdup (*s));
  g_ptr_array_add (all, NULL);
  return (char **) g_ptr_array_free (all, FALSE);
}

static bool
start_log (const RunOptions *o)
{
  g_autoptr (GError) error = NULL;
  if ((!o->topics || log_set_topics (o->topics, &error)) &&
      (!o->log_file || log_set_file (o->log_file, &error)))
    return true;
  command_error ("%s", error->message);
  return false;
}

/* One signal ends the run, and what comes after it (timeout(1) sends two) must not end the program before results are written: GLib's handler, which only
 * takes a note, stays for as long as there is any source. */
static void
hold_signals (void)
{
  static GSource *held[2];
  if (held[0])
    return;
  held[0] = g_unix_signal_source_new (SIGINT);
  held[1] = g_unix_signal_source_new (SIGTERM);
}

/* GLib's thread for signals is made now, not when a realized machine may have taken the last descriptor. */
static bool
prepare_process (BpMachine *m, GError **error)
{
  if (!loop_can_begin (error))
    return false;
  sandbox_prepare (m);
  g_source_unref (g_unix_signal_source_new (SIGTERM));
  return true;
}

/* People would look at a terminal on which nothing happens.  What reads standard error from a file knows what it asked for. */
static void
say_how_it_begins (void)
{
  if (!isatty (STDERR_FILENO))
    return;
  if (given.load)
    command_error ("goes on from the snapshot `%s`", given.load);
  if (!given.stop)
    return;
  if (given.sections.gdb)
    command_error ("waits for gdb: target remote %s%s", strspn (given.sections.gdb, "0123456789") == strlen (given.sections.gdb) ? ":" : "",
                   given.sections.gdb + (g_str_has_prefix (given.sections.gdb, "unix:") ? 5 : 0));
  else
    command_error ("waits for a monitor's `cont` (Ctrl-A C goes to the console)");
}

/* Devices without a CPU are somebody's to look at, and so is anything by a monitor. */
static bool
may_happen (BpMachine *m)
{
  bool is_vain;
  const char *lack = command_lack (m, &is_vain);
  is_vain &= !given.sections.monitors;
  if (lack && (is_vain || m->vcpus->len > 0))
    command_error ("%s%s: %s", is_vain ? "" : "warning: ", m->descriptor->path, lack);
  return !is_vain;
}

static int
run_machine (BpMachine *m)
{
  g_autoptr (GError) error = NULL;
  if (!may_happen (m))
    return EXIT_FAILED;
  machine_set_load (m, given.load);
  machine_set_incoming (m, given.incoming);
  machine_set_template (m, given.template);
  machine_set_confined (m, true);
  if (!prepare_process (m, &error) || !machine_realize (m, &error)) {
    command_error ("%s", error->message);
    return EXIT_FAILED;
  }
  if (given.output && !full_machine (m)->instruments) {
    command_error ("--output: the machine has no instrument that could report anything (see --instrument)");
    return EXIT_FAILED;
  }
  if (given.timeout > 0)
    machine_set_timeout (m, (unsigned) given.timeout, EXIT_TIMED_OUT);
  machine_set_stopped (m, given.stop);
  hold_signals ();
  say_how_it_begins ();
  return machine_run (m);
}

static char *
more_sections (const Descriptor *d, void *user, const char **name)
{
  *name = COMMAND_LINE;
  return run_sections (d, &given.sections);
}

static void
tell (const char *message)
{
  command_error ("%s", message);
}

/* On the terminal it comes after what the guest has written there, perhaps without an end of line. */
static bool
print_results (const Results *results)
{
  g_autofree char *text = results_text (results);
  if (printf ("\n%s", text) >= 0 && fflush (stdout) == 0)
    return true;
  command_error ("cannot print the report: %s", g_strerror (errno));
  return false;
}

/* Each way is tried, whatever became of the others. */
static bool
show_results (const Results *results)
{
  g_autoptr (GError) error = NULL;
  if (!results)
    return true;
  bool good = given.no_report || g_strcmp0 (given.output, "-") == 0 || print_results (results);
  good = results_write_own (results, tell) && good;
  if (!given.output || results_write (results, given.output, &error))
    return good;
  command_error ("%s", error->message);
  return false;
}

static int
run_file (const char *name)
{
  g_auto (GStrv) settings = all_settings (&given);
  Descriptor *d = NULL;
  BpMachine *m = command_build_more (name, settings, more_sections, &d);
  if (!m)
    return EXIT_FAILED;
  g_autofree char *taken = accel_taken_text (d);
  if (taken)
    command_error ("accelerator: %s", taken);
  int code = run_machine (m);
  g_autofree char *reason = code ? g_strdup (m->shutdown_reason) : NULL;
  Results *results = machine_take_results (m);
  machine_free (m);             /* gives the terminal back before anything is said */
  descriptor_free (d);
  if (reason)
    command_error ("%s", reason);
  bool good = show_results (results);
  results_free (results);
  return code || good ? code : EXIT_FAILED;
}

int
cmd_run (int argc, char **argv)
{
  int code;
  if (!command_options (&argc, &argv, "MACHINE.ini", "Runs a machine until it switches itself off.", entries,
                        &code))
    return code;
  if (given.topics && strcmp (given.topics, "help") == 0) {
    g_autofree char *text = log_topics_text ();
    puts (g_strchomp (text));
    return EXIT_OK;
  }
  if (given.log_file && !given.topics)
    command_error ("--debug-file: without -d TOPIC nothing is logged until a monitor says `log TOPIC` (`-d help` lists topics)");
  if (argc != 2)
    return command_usage ("run", argc < 2 ? "which machine? (`backplane list machines` shows those there are)" : "one machine at a time");
  if (given.timeout < 0)
    return command_usage ("run", "--machine-timeout takes a number of seconds");
  if (!!given.load + !!given.incoming + !!given.template > 1)
    return command_usage ("run", "a machine begins with one of --load, --incoming and --template");
  g_autofree char *wrong = run_sections_wrong (&given.sections);
  if (wrong)
    return command_usage ("run", wrong);
  g_autofree char *output = given.output && strcmp (given.output, "-") != 0 ? output_wrong (given.output) : NULL;
  if (output) {
    command_error ("--output: %s", output);
    return EXIT_FAILED;
  }
  return start_log (&given) ? run_file (argv[1]) : EXIT_USAGE;
}
