/* commands.c -- bp_main: picks the command; and what the commands share: options, machine names, messages. */
/* SPDX-License-Identifier: MIT */
#include "build.h"
#include "commands.h"
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_CONFIG_H
#include "config.h"
#include "contract.h"
#endif

#ifndef MACHINESDIR
#define MACHINESDIR "/usr/local/share/backplane/machines"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static const Command commands[] = {
  { "run", "MACHINE.ini [OPTION]...", "run the machine", cmd_run },
  { "check", "MACHINE.ini", "find everything that is wrong with a descriptor", cmd_check },
  { "show", "MACHINE.ini [--tree|--map|--effective|--explain OBJECT.KEY|--dot]",
    "show what a descriptor makes", cmd_show },
  { "list", "[modules|types|machines]", "list what there is", cmd_list },
  { "describe", "TYPE|MODULE|SECTION|FILE.so", "describe a type, a plugin or a kind of sections", cmd_describe },
  { "new", "plugin NAME [--kind device|backend|instrument|bus] [OPTION]...", "write a project for a plugin", cmd_new },
  { "img", "create|info|check|convert|resize|snapshot ...", "work with disk images", cmd_img },
};

/* --- messages ----------------------------------------------------------------------------- */

void
command_error (const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  fflush (stdout);
  fprintf (stderr, "backplane: %s\n", message);
}

void
command_offer_plugins (void)
{
  g_auto (GStrv) ids = plugin_scan ();
  plugin_offer ((const char *const *) ids);
}

int
command_usage (const char *command, const char *message)
{
  command_error ("%s: %s", command, message);
  fprintf (stderr, "Try `backplane %s --help`.\n", command);
  return EXIT_USAGE;
}

/* --- output ------------------------------------------------------------------------------- */

static int output_error;        /* why a text could not be written; 0: nobody knows of any that could not */

void
command_print (const char *text)
{
  if (fputs (text, stdout) < 0 && !output_error)
    output_error = errno;
}

/* What has been written so far may still be in a buffer; a disk that is full shows only now.  A reader that went away, as head does, has what he wanted. */
static int
finish_output (int code)
{
  int reason = fflush (stdout) != 0 ? errno : output_error;
  if (code != EXIT_OK || (!reason && !ferror (stdout)))
    return code;
  if (reason != EPIPE)
    command_error ("cannot write to standard output: %s", reason ? g_strerror (reason) : "what it took is not all");
  return EXIT_FAILED;
}

/* --- options ------------------------------------------------------------------------------ */

gboolean
command_take_plugin_path (const char *option, const char *value, gpointer data, GError **error)
{
  plugin_path_prepend (value);
  return TRUE;
}

/* What hands that know QEMU type first, and what it is called here. */
static const char *const elsewhere[][2] = {
  { "-m", "--set ram.size=SIZE" }, { "-smp", "--set cpu.count=N" }, { "-s", "--gdb 1234" }, { "-nographic", "--set screen.type=display-none" },
  { "-enable-kvm", "--set accel.module=accel-kvm" }, { "-accel", "--set accel.module=NAME" }, { "-machine", "MACHINE.ini" }, { "-M", "MACHINE.ini" },
  { "-cpu", "--set cpu.model=NAME" }, { "-cdrom", "--set cdrom.file=FILE" }, { "-qmp", "--monitor ADDRESS" }, { "-loadvm", "--load NAME" },
  { "-device", "a section of MACHINE.ini" }, { "-monitor", "--monitor ADDRESS" }, { "-hda", "--set hda.file=FILE" }, { "-hdb", "--set hdb.file=FILE" },
  { "-fda", "--set fda.file=FILE" }, { "-drive", "--set hda.file=FILE" }, { "-serial", "--set console.type=char-pty" },
  { "-kernel", "--kernel FILE" }, { "-append", "--append TEXT" }, { "-initrd", "--initrd FILE" }, { "-netdev", "--set network.type=net-user" },
  { "-nic", "--set network.type=net-user" }, { "-net", "--set network.type=net-user" }, { "-display", "--set screen.type=display-vnc" },
  { "-vnc", "--set screen.type=display-vnc" }, { "-no-reboot", "--set machine.on-reset=exit" }
};

/* GLib says "Unknown option --kernal".  Free with g_free; NULL: no idea what was meant. */
static char *
meant_option (const char *command, const char *message, const GOptionEntry *entries)
{
  const char *option = strrchr (message, ' ');
  if (!option || option[1] != '-')
    return NULL;
  option++;
  for (guint i = 0; strcmp (command, "run") == 0 && i < G_N_ELEMENTS (elsewhere); i++)
    if (strcmp (option, elsewhere[i][0]) == 0)
      return g_strdup (elsewhere[i][1]);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  for (const GOptionEntry *e = entries; e->long_name; e++)
    g_ptr_array_add (names, (void *) e->long_name);
  g_ptr_array_add (names, NULL);
  const char *near = nearest_name (option + strspn (option, "-"), (const char *const *) names->pdata);
  return near ? g_strconcat ("--", near, NULL) : NULL;
}

static int
wrong_option (const char *command, const GError *error, const GOptionEntry *entries)
{
  bool unknown = g_error_matches (error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION);
  g_autofree char *meant = unknown ? meant_option (command, error->message, entries) : NULL;
  g_autofree char *message = meant ? g_strdup_printf ("%s (did you mean `%s`?)", error->message, meant) : g_strdup (error->message);
  return command_usage (command, message);
}

bool
command_options (int *argc, char ***argv, const char *parameters, const char *summary,
                 const GOptionEntry *entries, int *exit_code)
{
  gboolean help = FALSE;
  const GOptionEntry help_entry[] = {
    { "help", 'h', 0, G_OPTION_ARG_NONE, &help, "Show this help and exit", NULL }, G_OPTION_ENTRY_NULL
  };
  g_autoptr (GOptionContext) context = g_option_context_new (parameters);
  g_autoptr (GError) error = NULL;
  g_autofree char *command = g_strdup ((*argv)[0]);
  g_autofree char *program = g_strdup_printf ("backplane %s", command);
  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_set_summary (context, summary);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_main_entries (context, help_entry, NULL);
  g_set_prgname (program);
  bool good = g_option_context_parse (context, argc, argv, &error);
  if (good && !help) {
    if (*argc > 1 && strcmp ((*argv)[1], "--") == 0) {
      (*argv)[1] = (*argv)[0];
      (*argv)++;
      (*argc)--;
    }
    return true;
  }
  *exit_code = good ? EXIT_OK : wrong_option (command, error, entries);
  if (good) {
    g_autofree char *text = g_option_context_get_help (context, TRUE, NULL);
    command_print (text);
  }
  return false;
}

/* --- machines ----------------------------------------------------------------------------- */

static void
print_errors (const Descriptor *d)
{
  fflush (stdout);
  for (guint i = 0; i < d->errors->len; i++)
    fprintf (stderr, "backplane: %s\n", (char *) d->errors->pdata[i]);
  if (d->errors->len > 1)
    fprintf (stderr, "backplane: %s: %u errors\n", d->path, d->errors->len);
}

BpMachine *
command_build (const char *name, char **set_options, Descriptor **descriptor)
{
  return command_build_more (name, set_options, NULL, descriptor);
}

BpMachine *
command_build_more (const char *name, char **set_options, DescriptorMore *more, Descriptor **descriptor)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = machine_find_file (name, &error);
  if (!path) {
    command_error ("%s", error->message);
    return NULL;
  }
  Descriptor *d = descriptor_load_more (path, set_options, more, NULL);
  BpMachine *m = machine_build (d);
  if (!m) {
    print_errors (d);
    g_clear_pointer (&d, descriptor_free);
  }
  *descriptor = d;
  return m;
}

/* Who has a descriptor's own objects; what the command line adds to them looks on. */
static bool
has_kinds (BpMachine *m, unsigned kinds)
{
  for (guint i = 0; i < m->objects->len; i++) {
    BpObject *o = m->objects->pdata[i];
    if (kinds >> o->type->kind & 1 && g_strcmp0 (object_section (o)->origin.file, COMMAND_LINE) != 0)
      return true;
  }
  return false;
}

const char *
command_lack (BpMachine *m, bool *is_vain)
{
  enum { MEMORY = 1 << BP_KIND_MEMORY, PASSIVE = MEMORY | 1 << BP_KIND_ACCEL };
  *is_vain = !has_kinds (m, ~(unsigned) PASSIVE);
  if (*is_vain)
    return "the machine has no CPU and no devices: nothing would ever happen; add [accel], [cpu], [memory] and [boot], or include a machine ([machine] include = linux-i386.ini)";
  if (m->vcpus->len == 0)
    return "the machine has no CPU, so no program runs in it: [accel] and [cpu] are missing";
  if (has_kinds (m, MEMORY) || full_machine (m)->mappings->len > 0)
    return NULL;
  return "the machine has no memory in which its CPU could find a program: [memory] is missing";
}

/* --- the program -------------------------------------------------------------------------- */

static void
print_usage (FILE *out)
{
  fputs ("Usage: backplane COMMAND [ARGUMENT]...\n"
         "Assembles machines from plug-in modules described in .ini files, and runs them.\n\n", out);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    fprintf (out, "  %-10s%s\n            backplane %s %s\n", commands[i].name, commands[i].help,
             commands[i].name, commands[i].arguments);
  fputs ("\n  --help      this text; before or after a command, its options\n  --version   the version and licence\n",
         out);
}

static const Command *
command_find (const char *name)
{
  const char *names[G_N_ELEMENTS (commands) + 1] = { NULL };
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++) {
    if (strcmp (commands[i].name, name) == 0)
      return &commands[i];
    names[i] = commands[i].name;
  }
  const char *hint = nearest_name (name, names);
  if (hint)
    command_error ("unknown command `%s` (did you mean `%s`?)", name, hint);
  else
    command_error ("unknown command `%s`", name);
  fputs ("Try `backplane --help`.\n", stderr);
  return NULL;
}

/* One that is closed would be the number of the next file that is opened, an image perhaps, and what the program has to say would be written into it. */
static bool
fill_standard_streams (void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", O_RDWR) != fd)
      return false;             /* and nobody there to be told */
  return true;
}

/* `help run' is `run --help'. */
static int
help (int n, char **words)
{
  if (n == 0) {
    print_usage (stdout);
    return EXIT_OK;
  }
  const Command *command = command_find (words[0]);
  g_autofree char **call = g_new0 (char *, n + 2);      /* of which the command may take some out; they are not ours */
  memcpy (call, words, (size_t) n * sizeof *call);
  call[n] = (char[]) { "--help" };
  return command ? command->run (n + 1, call) : EXIT_USAGE;
}

static int
run_command (int argc, char **argv)
{
  if (argc < 2) {
    print_usage (stderr);
    return EXIT_USAGE;
  }
  if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0 || strcmp (argv[1], "help") == 0)
    return help (argc - 2, argv + 2);
  if (strcmp (argv[1], "--version") == 0) {
    printf ("backplane %s\nABI %d.%d\nLicence: MIT\n", PACKAGE_VERSION, BP_ABI_MAJOR, BP_ABI_MINOR);
    return EXIT_OK;
  }
  const Command *command = command_find (argv[1]);
  return command ? command->run (argc - 1, argv + 1) : EXIT_USAGE;
}

int
bp_main (int argc, char **argv)
{
  if (!fill_standard_streams ())
    return EXIT_FAILED;
  setlocale (LC_CTYPE, "");
  contracts_are_kept |= g_getenv ("BACKPLANE_CONTRACTS") != NULL;
  return finish_output (run_command (argc, argv));
}
