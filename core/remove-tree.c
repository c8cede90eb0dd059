/* remove-tree.c -- a folder goes with all that is in it. */
/* SPDX-License-Identifier: MIT */
#include "object.h"
#include <glib/gstdio.h>

void
remove_tree (const char *path)
{
  bool is_folder = !g_file_test (path, G_FILE_TEST_IS_SYMLINK) && g_file_test (path, G_FILE_TEST_IS_DIR);
  if (is_folder)
    g_chmod (path, 0700);
  GDir *dir = is_folder ? g_dir_open (path, 0, NULL) : NULL;
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *inside = g_build_filename (path, name, NULL);
    remove_tree (inside);
  }
  if (dir)
    g_dir_close (dir);
  g_remove (path);
}
