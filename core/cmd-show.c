/* cmd-show.c -- `backplane show`: what a descriptor makes, seen from several sides; nothing is started. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "descriptor.h"
#include <stdio.h>

static char **settings, **explained;
static gboolean tree, map, effective, dot;

static const GOptionEntry entries[] = {
  { "tree", 0, 0, G_OPTION_ARG_NONE, &tree, "Objects with their types, what was set, links, wires and maps (the default)",
    NULL },
  { "map", 0, 0, G_OPTION_ARG_NONE, &map, "The flat maps of memory and I/O ports", NULL },
  { "effective", 0, 0, G_OPTION_ARG_NONE, &effective,
    "The merged descriptor, as an .ini, with where each value came from", NULL },
  { "explain", 0, 0, G_OPTION_ARG_STRING_ARRAY, &explained, "Where a value comes from, and what it replaced; of an OBJECT, all of them",
    "OBJECT.KEY" },
  { "dot", 0, 0, G_OPTION_ARG_NONE, &dot, "A graph for graphviz", NULL },
  { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &settings, "Set a key of an object; the last one wins",
    "OBJECT.KEY=VALUE" },
  PLUGIN_PATH_ENTRY,
  G_OPTION_ENTRY_NULL
};

static bool
explain_all (BpMachine *m, GString *out)
{
  for (char **path = explained; path && *path; path++) {
    g_autoptr (GError) error = NULL;
    if (!explain_value (m, *path, out, &error)) {
      command_error ("%s", error->message);
      return false;
    }
  }
  return true;
}

static bool
show (BpMachine *m, GString *out)
{
  if (tree || !(map || effective || dot || explained))
    explain_tree (m, out);
  if (map)
    explain_map (m, out);
  if (effective)
    explain_effective (m, out);
  if (dot)
    explain_dot (m, out);
  return explain_all (m, out);
}

int
cmd_show (int argc, char **argv)
{
  int code;
  if (!command_options (&argc, &argv, "MACHINE.ini", "Shows what a descriptor makes; starts nothing.",
                        entries, &code))
    return code;
  if (argc != 2)
    return command_usage ("show", argc < 2 ? "which machine?" : "one machine at a time");
  int others = !!tree + !!map + !!explained;
  if ((dot || effective) && dot + effective + others > 1)
    return command_usage ("show", dot ? "--dot is a whole file; nothing else can be shown with it" : "--effective is a whole file; nothing else can be shown with it");
  Descriptor *d = NULL;
  BpMachine *m = command_build (argv[1], settings, &d);
  if (!m)
    return EXIT_FAILED;
  g_autoptr (GString) out = g_string_new (NULL);
  bool good = show (m, out);
  command_print (out->str);
  machine_free (m);
  descriptor_free (d);
  return good ? EXIT_OK : EXIT_FAILED;
}
