/* cmd-img.c -- `backplane img`: makes, examines, checks, copies and resizes disk images, and has their snapshots. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/iface/image-tool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_CORRUPT = 2, EXIT_LEAKS = 3, EXIT_UNSUPPORTED = 63 };       /* of check, as scripts for qemu-img know them */

typedef struct Given {          /* options of all subcommands */
  char *format, *out_format, *backing, *backing_format, *output, *repair;
  char **options;
  char *create, *apply, *delete;
  gboolean list, shrink, share, quiet, progress;
} Given;

static Given given;

#define COMMON_ENTRIES \
  PLUGIN_PATH_ENTRY, \
  { "quiet", 'q', 0, G_OPTION_ARG_NONE, &given.quiet, "Say nothing but errors", NULL }
#define FORMAT_ENTRY { "format", 'f', 0, G_OPTION_ARG_STRING, &given.format, "The image's format (raw, qcow2)", "FMT" }
#define SHARE_ENTRY { "force-share", 'U', 0, G_OPTION_ARG_NONE, &given.share, "Look at it even while others write it", NULL }
#define OPTIONS_ENTRY \
  { "options", 'o', 0, G_OPTION_ARG_STRING_ARRAY, &given.options, "Options of the new image's format", "KEY=VALUE[,KEY=VALUE]..." }

/* --- what they share -------------------------------------------------------------------------------- */

/* The plugin that has it is found by loading what there is. */
static const BpImageTool *
find_tool (void)
{
  g_auto (GStrv) ids = plugin_scan ();
  for (char **id = ids; *id; id++) {
    BpModule *module = plugin_load (*id, NULL);
    for (const BpTypeDesc *const *type = module ? module->desc->types : NULL; type && *type; type++) {
      const BpImageTool *tool = type_interface (*type, BP_IMAGE_TOOL_ID);
      if (tool)
        return tool;
    }
  }
  command_error ("img: no plugin has disk images (block-backends has)");
  return NULL;
}

/* "key=a,other=b" of each -o as a list of its own. */
static char **
split_options (void)
{
  GPtrArray *all = g_ptr_array_new ();
  for (char **o = given.options; o && *o; o++) {
    g_auto (GStrv) parts = g_strsplit (*o, ",", -1);
    for (char **part = parts; *part; part++)
      if (**part)
        g_ptr_array_add (all, g_strdup (*part));
  }
  g_ptr_array_add (all, NULL);
  return (char **) g_ptr_array_free (all, FALSE);
}

static bool
take_size (const char *text, uint64_t *size)
{
  if (parse_size (text, size))
    return true;
  command_error ("img: `%s` is not a size (a number, with k, M, G or T for binary multiples)", text);
  return false;
}

static char *
size_text (uint64_t bytes)
{
  static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
  unsigned i = 0;
  double value = (double) bytes;
  for (; value >= 1024 && i + 1 < G_N_ELEMENTS (units); i++)
    value /= 1024;
  return g_strdup_printf ("%.3g %s", value, units[i]);
}

static int
done (bool good, GError **error)        /* a pointer: it is set by what gives `good` */
{
  if (!good)
    command_error ("%s", (*error)->message);
  return good ? EXIT_OK : EXIT_FAILED;
}

/* --- create ----------------------------------------------------------------------------------------- */

static int
img_create (int argc, char **argv)
{
  static const GOptionEntry entries[] = {
    FORMAT_ENTRY, OPTIONS_ENTRY, COMMON_ENTRIES,
    { "backing", 'b', 0, G_OPTION_ARG_FILENAME, &given.backing, "What is not written yet is read from this file", "FILE" },
    { "backing-format", 'F', 0, G_OPTION_ARG_STRING, &given.backing_format, "The backing file's format", "FMT" },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GError) error = NULL;
  uint64_t size = UINT64_MAX;
  int code;
  if (!command_options (&argc, &argv, "FILE [SIZE]", "Makes an image. The size may be left out when there is a backing file.", entries, &code))
    return code;
  if (argc != 2 && argc != 3)
    return command_usage ("img create", "name one file, and its size");
  if (argc == 3 && !take_size (argv[2], &size))
    return EXIT_USAGE;
  const BpImageTool *tool = find_tool ();
  g_auto (GStrv) options = split_options ();
  return !tool ? EXIT_FAILED
               : done (tool->create (argv[1], given.format, size, given.backing, given.backing_format, (BpImageOptions) options, &error), &error);
}

/* --- info ------------------------------------------------------------------------------------------- */

static char *
clock_text (uint64_t ns)
{
  uint64_t ms = ns / 1000000;
  return g_strdup_printf ("%02u:%02u:%02u.%03u", (unsigned) (ms / 3600000), (unsigned) (ms / 60000 % 60), (unsigned) (ms / 1000 % 60),
                          (unsigned) (ms % 1000));
}

static void
print_snapshots (const BpImageInfo *info)
{
  if (!info->n_snapshots)
    return;
  printf ("Snapshot list:\n%-8s  %-16s %12s  %-19s %12s\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK");
  for (unsigned i = 0; i < info->n_snapshots; i++) {
    const BpImageSnapshot *s = &info->snapshots[i];
    g_autoptr (GDateTime) date = g_date_time_new_from_unix_local (s->date);
    g_autofree char *when = date ? g_date_time_format (date, "%Y-%m-%d %H:%M:%S") : g_strdup ("?");
    g_autofree char *size = size_text (s->vm_state_size), *clock = clock_text (s->vm_clock);
    printf ("%-8s  %-16s %12s  %-19s %12s\n", s->id, s->name, size, when, clock);
  }
}

static void
print_info (const char *file, const BpImageInfo *info)
{
  g_autofree char *size = size_text (info->size), *disk_size = size_text (info->disk_size);
  printf ("image: %s\nfile format: %s\nvirtual size: %s (%" G_GUINT64_FORMAT " bytes)\ndisk size: %s\n", file, info->format, size, info->size,
          disk_size);
  if (info->dirty)
    printf ("cleanly shut down: no\n");
  if (info->cluster_size)
    printf ("cluster_size: %" G_GUINT64_FORMAT "\n", info->cluster_size);
  if (info->backing)
    printf (g_strcmp0 (info->backing, info->backing_path) ? "backing file: %s (actual path: %s)\n" : "backing file: %s\n", info->backing,
            info->backing_path ? info->backing_path : "not a file");
  if (info->backing_format)
    printf ("backing file format: %s\n", info->backing_format);
  print_snapshots (info);
  if (*info->details)
    printf ("Format specific information:\n");
  for (const char *const *d = info->details; *d; d += 2)
    printf ("    %s: %s\n", d[0], d[1]);
}

/* A string of JSON; bytes that are no UTF-8 become U+FFFD. */
static char *
quoted (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_new ("\"");
  for (const char *p = valid; *p; p++)
    if ((unsigned char) *p < 0x20)
      g_string_append_printf (out, "\\u%04x", (unsigned char) *p);
    else
      g_string_append_printf (out, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
  g_string_append_c (out, '"');
  return g_string_free (out, FALSE);
}

static void
json_string (const char *key, const char *text)
{
  g_autofree char *value = text ? quoted (text) : NULL;
  if (value)
    printf ("    \"%s\": %s,\n", key, value);
}

static void
json_snapshots (const BpImageInfo *info)
{
  if (!info->n_snapshots)
    return;
  printf ("    \"snapshots\": [\n");
  for (unsigned i = 0; i < info->n_snapshots; i++) {
    const BpImageSnapshot *s = &info->snapshots[i];
    g_autofree char *id = quoted (s->id), *name = quoted (s->name);
    printf ("        { \"id\": %s, \"name\": %s, \"vm-state-size\": %" G_GUINT64_FORMAT ", \"date-sec\": %" G_GINT64_FORMAT
            ", \"vm-clock-sec\": %" G_GUINT64_FORMAT ", \"vm-clock-nsec\": %" G_GUINT64_FORMAT " }%s\n",
            id, name, s->vm_state_size, s->date, s->vm_clock / 1000000000, s->vm_clock % 1000000000, i + 1 < info->n_snapshots ? "," : "");
  }
  printf ("    ],\n");
}

/* The format's own: switches and numbers as such, but versions as text. */
static void
json_details (const BpImageInfo *info)
{
  if (!*info->details)
    return;
  printf ("    \"format-specific\": {\n        \"type\": \"%s\",\n        \"data\": {", info->format);
  for (const char *const *d = info->details; *d; d += 2) {
    g_autofree char *key = g_strdelimit (quoted (d[0]), " ", '-'), *value = quoted (d[1]);
    bool plain = strcmp (d[1], "true") == 0 || strcmp (d[1], "false") == 0 || d[1][strspn (d[1], "0123456789")] == 0;
    printf ("%s\n            %s: %s", d == info->details ? "" : ",", key, plain ? d[1] : value);
  }
  printf ("\n        }\n    },\n");
}

static void
json_info (const char *file, const BpImageInfo *info)
{
  printf ("{\n");
  json_string ("filename", file);
  json_string ("format", info->format);
  json_string ("backing-filename", info->backing);
  json_string ("full-backing-filename", info->backing_path);
  json_string ("backing-filename-format", info->backing_format);
  if (info->cluster_size)
    printf ("    \"cluster-size\": %" G_GUINT64_FORMAT ",\n", info->cluster_size);
  json_snapshots (info);
  json_details (info);
  printf ("    \"virtual-size\": %" G_GUINT64_FORMAT ",\n    \"actual-size\": %" G_GUINT64_FORMAT ",\n    \"dirty-flag\": %s\n}\n", info->size,
          info->disk_size, info->dirty ? "true" : "false");
}

static int
img_info (int argc, char **argv)
{
  static const GOptionEntry entries[] = {
    FORMAT_ENTRY, SHARE_ENTRY, COMMON_ENTRIES, { "output", 0, 0, G_OPTION_ARG_STRING, &given.output, "human (the default) or json", "HOW" },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GError) error = NULL;
  BpImageInfo info = { .struct_size = sizeof info };
  int code;
  if (!command_options (&argc, &argv, "FILE", "Shows what is known of an image.", entries, &code))
    return code;
  if (argc != 2)
    return command_usage ("img info", "name one file");
  bool json = g_strcmp0 (given.output, "json") == 0;
  if (given.output && !json && strcmp (given.output, "human") != 0)
    return command_usage ("img info", "--output is human or json");
  const BpImageTool *tool = find_tool ();
  if (!tool)
    return EXIT_FAILED;
  if (!tool->info (argv[1], given.format, given.share ? BP_IMAGE_SHARE : 0, &info, &error))
    return done (false, &error);
  (json ? json_info : print_info) (argv[1], &info);
  return EXIT_OK;
}

/* --- check ------------------------------------------------------------------------------------------ */

static void
say (void *user, const char *text)
{
  if (!given.quiet)
    puts (text);
}

static void
print_check (const BpImageCheck *c)
{
  if (c->leaks_fixed || c->corruptions_fixed)
    printf ("The following inconsistencies were found and repaired:\n\n    %" G_GUINT64_FORMAT " leaked clusters\n    %" G_GUINT64_FORMAT
            " corruptions\n\n", c->leaks_fixed, c->corruptions_fixed);
  if (!c->corruptions && !c->leaks && !c->errors)
    printf ("No errors were found on the image.\n");
  if (c->corruptions)
    printf ("\n%" G_GUINT64_FORMAT " errors were found on the image.\nData may be corrupted, or further writes to the image may corrupt it.\n",
            c->corruptions);
  if (c->leaks)
    printf ("\n%" G_GUINT64_FORMAT " leaked clusters were found on the image.\nThis means waste of disk space, but no harm to data.\n", c->leaks);
  if (c->errors)
    printf ("\n%" G_GUINT64_FORMAT " internal errors have occurred during the check.\n", c->errors);
  if (c->total_clusters)
    printf ("%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " = %.2f%% allocated, %" G_GUINT64_FORMAT " compressed clusters\n", c->allocated_clusters,
            c->total_clusters, 100.0 * (double) c->allocated_clusters / (double) c->total_clusters, c->compressed_clusters);
  printf ("Image end offset: %" G_GUINT64_FORMAT "\n", c->end_offset);
}

static int
img_check (int argc, char **argv)
{
  static const GOptionEntry entries[] = {
    FORMAT_ENTRY, SHARE_ENTRY, COMMON_ENTRIES,
    { "repair", 'r', 0, G_OPTION_ARG_STRING, &given.repair, "Repair leaked clusters, or all that can be repaired", "leaks|all" },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GError) error = NULL;
  BpImageCheck check = { .struct_size = sizeof check, .say = say };
  int code;
  if (!command_options (&argc, &argv, "FILE", "Looks for contradictions in an image. Exit code 2: there are some; 3: only space is wasted.", entries,
                        &code))
    return code;
  bool all = g_strcmp0 (given.repair, "all") == 0;
  if (argc != 2 || (given.repair && !all && strcmp (given.repair, "leaks") != 0))
    return command_usage ("img check", argc != 2 ? "name one file" : "-r is leaks or all");
  unsigned flags = (given.share ? BP_IMAGE_SHARE : 0) | (all ? BP_IMAGE_REPAIR_ALL : given.repair ? BP_IMAGE_REPAIR_LEAKS : 0);
  const BpImageTool *tool = find_tool ();
  if (!tool)
    return EXIT_FAILED;
  if (!tool->check (argv[1], given.format, flags, &check, &error))
    return done (false, &error);
  if (!check.supported) {
    command_error ("`%s`: images of this format have nothing that could be checked", argv[1]);
    return EXIT_UNSUPPORTED;
  }
  if (!given.quiet)
    print_check (&check);
  return check.errors ? EXIT_FAILED : check.corruptions ? EXIT_CORRUPT : check.leaks ? EXIT_LEAKS : EXIT_OK;
}

/* --- convert ---------------------------------------------------------------------------------------- */

static void
show_progress (void *user, uint64_t now, uint64_t all)
{
  printf ("    (%.2f/100%%)\r%s", 100.0 * (double) now / (double) all, now == all ? "\n" : "");
  fflush (stdout);
}

static int
img_convert (int argc, char **argv)
{
  static const GOptionEntry entries[] = {
    FORMAT_ENTRY, OPTIONS_ENTRY, COMMON_ENTRIES,
    { "output-format", 'O', 0, G_OPTION_ARG_STRING, &given.out_format, "The new image's format; raw when not given", "FMT" },
    { "progress", 'p', 0, G_OPTION_ARG_NONE, &given.progress, "Show how far it is", NULL },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GError) error = NULL;
  int code;
  if (!command_options (&argc, &argv, "IN OUT", "Copies what a guest sees of an image into a new one.", entries, &code))
    return code;
  if (argc != 3)
    return command_usage ("img convert", "name two files");
  const BpImageTool *tool = find_tool ();
  g_auto (GStrv) options = split_options ();
  return !tool ? EXIT_FAILED
               : done (tool->convert (argv[1], given.format, argv[2], given.out_format, (BpImageOptions) options,
                                      given.progress ? show_progress : NULL, NULL, &error), &error);
}

/* --- resize ----------------------------------------------------------------------------------------- */

/* "-1G" is a size, not an option: it is taken out before options are looked for. */
static char *
take_difference (int *argc, char **argv)
{
  for (int i = 1; i < *argc; i++)
    if ((*argv[i] == '-' || *argv[i] == '+') && g_ascii_isdigit (argv[i][1])) {
      char *text = argv[i];
      memmove (argv + i, argv + i + 1, (size_t) (*argc - i) * sizeof *argv);
      --*argc;
      return text;
    }
  return NULL;
}

static int
img_resize (int argc, char **argv)
{
  static const GOptionEntry entries[] = {
    FORMAT_ENTRY, COMMON_ENTRIES,
    { "shrink", 0, 0, G_OPTION_ARG_NONE, &given.shrink, "What is behind the new end may be lost", NULL }, G_OPTION_ENTRY_NULL
  };
  g_autoptr (GError) error = NULL;
  char *text = take_difference (&argc, argv);
  int code, direction = !text ? 0 : *text == '+' ? 1 : -1;
  uint64_t size;
  if (!command_options (&argc, &argv, "FILE [+|-]SIZE", "Makes the disk in an image longer or shorter.", entries, &code))
    return code;
  if (argc != (text ? 2 : 3))
    return command_usage ("img resize", "name one file and a size");
  if (!take_size (text ? text + 1 : argv[2], &size))
    return EXIT_USAGE;
  const BpImageTool *tool = find_tool ();
  return !tool ? EXIT_FAILED
               : done (tool->resize (argv[1], given.format, direction, size, given.shrink ? BP_IMAGE_SHRINK : 0, &error), &error);
}

/* --- snapshot --------------------------------------------------------------------------------------- */

static int
list_snapshots (const BpImageTool *tool, const char *file)
{
  g_autoptr (GError) error = NULL;
  BpImageInfo info = { .struct_size = sizeof info };
  if (!tool->info (file, given.format, given.share ? BP_IMAGE_SHARE : 0, &info, &error))
    return done (false, &error);
  print_snapshots (&info);
  return EXIT_OK;
}

static int
img_snapshot (int argc, char **argv)
{
  static const GOptionEntry entries[] = {
    FORMAT_ENTRY, SHARE_ENTRY, COMMON_ENTRIES,
    { "list", 'l', 0, G_OPTION_ARG_NONE, &given.list, "List them (the default)", NULL },
    { "create", 'c', 0, G_OPTION_ARG_STRING, &given.create, "Keep the disk as it is now", "NAME" },
    { "apply", 'a', 0, G_OPTION_ARG_STRING, &given.apply, "Make the disk what it was then", "NAME" },
    { "delete", 'd', 0, G_OPTION_ARG_STRING, &given.delete, "Forget it", "NAME" },
    G_OPTION_ENTRY_NULL
  };
  g_autoptr (GError) error = NULL;
  int code;
  if (!command_options (&argc, &argv, "FILE", "The snapshots inside an image.", entries, &code))
    return code;
  const char *name = given.create ? given.create : given.apply ? given.apply : given.delete;
  if (argc != 2 || given.list + (given.create != NULL) + (given.apply != NULL) + (given.delete != NULL) > 1)
    return command_usage ("img snapshot", argc != 2 ? "name one file" : "one of -l, -c, -a and -d");
  const BpImageTool *tool = find_tool ();
  if (!tool)
    return EXIT_FAILED;
  if (!name)
    return list_snapshots (tool, argv[1]);
  BpImageSnapshotOp op = given.create ? BP_IMAGE_SNAPSHOT_CREATE : given.apply ? BP_IMAGE_SNAPSHOT_APPLY : BP_IMAGE_SNAPSHOT_DELETE;
  return done (tool->snapshot (argv[1], given.format, op, name, &error), &error);
}

/* --- the command ------------------------------------------------------------------------------------ */

static const Command commands[] = {
  { "create", "[-f FMT] [-b BACKING -F FMT] [-o OPTIONS] FILE [SIZE]", "make an image", img_create },
  { "info", "[--output json] FILE", "show what is known of an image", img_info },
  { "check", "[-r leaks|all] FILE", "look for contradictions", img_check },
  { "convert", "[-f FMT] [-O FMT] [-o OPTIONS] IN OUT", "copy into another format", img_convert },
  { "resize", "[--shrink] FILE [+|-]SIZE", "make the disk longer or shorter", img_resize },
  { "snapshot", "[-l|-c NAME|-a NAME|-d NAME] FILE", "list, create, apply or delete snapshots", img_snapshot },
};

static void
print_usage (FILE *out)
{
  fputs ("Usage: backplane img COMMAND [OPTION]... FILE...\n\n", out);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    fprintf (out, "  %-10s%s\n            backplane img %s %s\n", commands[i].name, commands[i].help, commands[i].name, commands[i].arguments);
}

int
cmd_img (int argc, char **argv)
{
  const char *names[G_N_ELEMENTS (commands) + 1] = { NULL };
  memset (&given, 0, sizeof given);
  if (argc < 2 || strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0) {
    print_usage (argc < 2 ? stderr : stdout);
    return argc < 2 ? EXIT_USAGE : EXIT_OK;
  }
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++) {
    names[i] = commands[i].name;
    if (strcmp (argv[1], names[i]) == 0) {
      g_autofree char *name = g_strdup_printf ("img %s", names[i]);
      argv[1] = name;
      return commands[i].run (argc - 1, argv + 1);
    }
  }
  const char *hint = nearest_name (argv[1], names);
  g_autofree char *message = hint ? g_strdup_printf ("unknown command `%s` (did you mean `%s`?)", argv[1], hint)
                                  : g_strdup_printf ("unknown command `%s`", argv[1]);
  return command_usage ("img", message);
}
