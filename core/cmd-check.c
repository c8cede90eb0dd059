/* cmd-check.c -- `backplane check`: every error of a descriptor at once, and nothing started. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <stdio.h>

static char **settings;
static gboolean quiet;

static const GOptionEntry entries[] = {
  { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &settings, "Set a key of an object; the last one wins",
    "OBJECT.KEY=VALUE" },
  PLUGIN_PATH_ENTRY,
  { "quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Say nothing when all is well", NULL },
  G_OPTION_ENTRY_NULL
};

int
cmd_check (int argc, char **argv)
{
  int code;
  if (!command_options (&argc, &argv, "MACHINE.ini",
                        "Finds everything that is wrong with a descriptor; starts nothing.", entries, &code))
    return code;
  if (argc != 2)
    return command_usage ("check", argc < 2 ? "which machine?" : "one machine at a time");
  Descriptor *d = NULL;
  BpMachine *m = command_build (argv[1], settings, &d);
  if (!m)
    return EXIT_FAILED;
  bool is_vain;
  const char *lack = command_lack (m, &is_vain);
  if (!quiet)
    printf ("%s: %u objects, no errors\n", d->path, m->objects->len);
  if (!quiet && lack)
    printf ("%s: note: %s\n", d->path, lack);
  machine_free (m);
  descriptor_free (d);
  return EXIT_OK;
}
