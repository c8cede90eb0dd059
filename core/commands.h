/* commands.h -- the program's commands, one a file, and what they share. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_COMMANDS_H
#define CORE_COMMANDS_H

#include "descriptor.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_TIMED_OUT = 124 };

/* argv[0] is the command's own name; the return value is the program's exit code. */
typedef struct Command {
  const char *name;
  const char *arguments;        /* "MACHINE.ini [OPTION]..." */
  const char *help;             /* one line */
  int (*run) (int argc, char **argv);
} Command;

int cmd_run (int argc, char **argv);
int cmd_check (int argc, char **argv);
int cmd_show (int argc, char **argv);
int cmd_list (int argc, char **argv);
int cmd_describe (int argc, char **argv);
int cmd_img (int argc, char **argv);
int cmd_new (int argc, char **argv);

/* The whole program (main.c only calls it). */
BP_EXPORT int bp_main (int argc, char **argv);

/* --- commands.c --------------------------------------------------------------------------- */
/* "backplane: message" on stderr. */
void command_error (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* On standard output; what goes wrong with it ends the program with EXIT_FAILED and a message, after the command. */
void command_print (const char *text);
/* Parses options with GOption.  False: *exit_code says how the program ends (0 after --help, EXIT_USAGE with
 * the message printed). */
bool command_options (int *argc, char ***argv, const char *parameters, const char *summary,
                      const GOptionEntry *entries, int *exit_code);
/* An entry for command_options: --plugin-path. */
gboolean command_take_plugin_path (const char *option, const char *value, gpointer data, GError **error);
#define PLUGIN_PATH_ENTRY \
  { "plugin-path", 0, 0, G_OPTION_ARG_CALLBACK, command_take_plugin_path, "Search these directories for plugins first", "DIR[:DIR]..." }
/* The usage error of a wrong number of operands. */
int command_usage (const char *command, const char *message);
/* MACHINE.ini as a path, or by name in $BACKPLANE_MACHINES_PATH and the installed machines; NULL with the
 * places searched. */
/* Loads the descriptor and builds the machine; prints every error.  NULL when there was one; *descriptor is
 * then freed. */
BpMachine *command_build (const char *name, char **set_options, Descriptor **descriptor);
/* The same, with sections that options add. */
BpMachine *command_build_more (const char *name, char **set_options, DescriptorMore *more, Descriptor **descriptor);

/* What a machine without errors lacks for a guest to run; NULL: nothing.  *is_vain: nor has it devices or backends, which are of use without one. */
const char *command_lack (BpMachine *m, bool *is_vain);

/* A plugin may require what another on the search path brings, whatever their order. */
void command_offer_plugins (void);

/* run-sections.c: what options of `run' add to a descriptor. */
typedef struct RunSections {
  char **monitors;              /* --monitor; may be NULL */
  char *gdb;                    /* --gdb; may be NULL */
  char **instruments;           /* --instrument; may be NULL */
  char **symbols;               /* --symbols; may be NULL */
} RunSections;
/* NULL when fine, else what is wrong with an option. */
char *run_sections_wrong (const RunSections *options);
/* The text of the sections; free with g_free. */
char *run_sections (const Descriptor *d, const RunSections *options);

#endif
