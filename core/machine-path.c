/* machine-path.c -- where machine descriptors are looked for by name. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "object.h"
#include <string.h>

char **
machine_directories (void)
{
  const char *text = g_getenv ("BACKPLANE_MACHINES_PATH");
  GPtrArray *directories = g_ptr_array_new ();
  g_auto (GStrv) parts = g_strsplit (text ? text : "", ":", -1);
  for (char **part = parts; *part; part++)
    if (**part)
      g_ptr_array_add (directories, g_strdup (*part));
  g_ptr_array_add (directories, g_strdup (MACHINESDIR));
  g_ptr_array_add (directories, NULL);
  return (char **) g_ptr_array_free (directories, FALSE);
}

static void
add_machines (GPtrArray *names, const char *directory)
{
  GDir *dir = g_dir_open (directory, 0, NULL);
  const char *file;
  while (dir && (file = g_dir_read_name (dir)))
    if (g_str_has_suffix (file, ".ini"))
      g_ptr_array_add (names, g_strndup (file, strlen (file) - 4));
  if (dir)
    g_dir_close (dir);
}

static char *
no_machine (const char *name, char **directories)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *stem = g_strndup (name, strlen (name) - (g_str_has_suffix (name, ".ini") ? 4 : 0));
  for (char **directory = directories; *directory; directory++)
    add_machines (names, *directory);
  guint by_name = names->len;           /* those behind are files of this directory, which are not found without their .ini */
  add_machines (names, ".");
  g_ptr_array_add (names, NULL);
  const char *nearest = nearest_name (stem, (const char *const *) names->pdata);
  guint at;
  if (nearest && g_ptr_array_find_with_equal_func (names, nearest, g_str_equal, &at))
    return g_strdup_printf ("there is no machine `%s` (did you mean `%s%s`?)", name, nearest, at < by_name ? "" : ".ini");
  g_autofree char *searched = g_strjoinv (", ", directories);
  return g_strdup_printf ("there is no machine `%s` here nor in: %s; `backplane list machines` shows those there are", name, searched);
}

char *
machine_find_file (const char *name, GError **error)
{
  if (g_file_test (name, G_FILE_TEST_EXISTS) && !g_file_test (name, G_FILE_TEST_IS_DIR))
    return g_strdup (name);
  if (strchr (name, '/')) {
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "there is no file `%s`", name);
    return NULL;
  }
  g_auto (GStrv) directories = machine_directories ();
  g_autofree char *file =
      g_str_has_suffix (name, ".ini") ? g_strdup (name) : g_strconcat (name, ".ini", NULL);
  for (char **directory = directories; *directory; directory++) {
    char *path = g_build_filename (*directory, file, NULL);
    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return path;
    g_free (path);
  }
  g_autofree char *message = no_machine (name, directories);
  g_set_error_literal (error, BP_ERROR, BP_ERROR_DESCRIPTOR, message);
  return NULL;
}
