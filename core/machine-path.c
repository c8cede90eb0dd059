/* machine-path.c -- where machine descriptors are looked for by name. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
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
  g_autofree char *searched = g_strjoinv (", ", directories);
  g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "there is no machine `%s` here nor in: %s", name,
               searched);
  return NULL;
}
