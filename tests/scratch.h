/* scratch.h -- a folder for a test, which goes with all that is in it. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <errno.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <stdio.h>

static inline char *
scratch_new (void)
{
  char *scratch = g_dir_make_tmp ("backplane-test-XXXXXX", NULL);
  g_assert (scratch);
  return scratch;
}

/* What ran in it may be removing its own, too. */
static inline int
scratch_remove (const char *gone, const struct stat *status, int kind, struct FTW *where)
{
  return remove (gone) && errno != ENOENT;
}

/* How many names were in it. */
static inline unsigned
scratch_empty (const char *scratch)
{
  unsigned n = 0;
  GDir *dir = g_dir_open (scratch, 0, NULL);
  g_assert (dir);
  for (const char *name; (name = g_dir_read_name (dir)); n++) {
    g_autofree char *inside = g_build_filename (scratch, name, NULL);
    int left = nftw (inside, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
    g_assert (left == 0 || errno == ENOENT);
  }
  g_dir_close (dir);
  return n;
}

static inline void
scratch_free (char *scratch)
{
  scratch_empty (scratch);
  int left = g_rmdir (scratch);
  g_assert (left == 0);
  g_free (scratch);
}

/* --- a checked fixture: each test in a folder of its own --- */

static char *scratch_folder;

static inline void
scratch_enter (void)
{
  scratch_folder = scratch_new ();
  int result = g_chdir (scratch_folder);
  g_assert (result == 0);
}

static inline void
scratch_leave (void)
{
  int result = g_chdir ("/");
  g_assert (result == 0);
  g_clear_pointer (&scratch_folder, scratch_free);
}

#endif
