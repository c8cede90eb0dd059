/* tcg-coverage-drcov.c -- writes drcov files, version 2, with a module table of version 2 as on Linux. */
/* SPDX-License-Identifier: MIT */
#include "tcg-coverage-drcov.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
compare_blocks (const void *pa, const void *pb)
{
  const DrcovBlock *a = pa, *b = pb;
  if (a->module != b->module)
    return a->module < b->module ? -1 : 1;
  if (a->start != b->start)
    return a->start < b->start ? -1 : 1;
  return (int) a->size - (int) b->size;
}

size_t
drcov_sort (DrcovBlock *blocks, size_t n)
{
  size_t kept = 0;
  if (n)
    qsort (blocks, n, sizeof *blocks, compare_blocks);
  for (size_t i = 0; i < n; i++)
    if (!kept || compare_blocks (&blocks[i], &blocks[kept - 1]) != 0)
      blocks[kept++] = blocks[i];
  return kept;
}

/* These two: false with errno, as soon as the host refuses. */
static bool
print_modules (FILE *f, const DrcovModule *modules, size_t n)
{
  bool fine = fprintf (f, "DRCOV VERSION: 2\nDRCOV FLAVOR: backplane\nModule Table: version 2, count %zu\nColumns: id, base, end, entry, path\n", n) > 0;
  for (size_t i = 0; fine && i < n; i++)
    fine = fprintf (f, "%3zu, 0x%016" PRIx64 ", 0x%016" PRIx64 ", 0x%016" PRIx64 ", %s\n", i, modules[i].base, modules[i].end, modules[i].entry,
                    modules[i].path) > 0;
  return fine;
}

static bool
write_blocks (FILE *f, const DrcovBlock *blocks, size_t n)
{
  bool fine = fprintf (f, "BB Table: %zu bbs\n", n) > 0;
  for (size_t i = 0; fine && i < n; i++) {
    const DrcovBlock b = { GUINT32_TO_LE (blocks[i].start), GUINT16_TO_LE (blocks[i].size), GUINT16_TO_LE (blocks[i].module) };
    G_STATIC_ASSERT (sizeof b == 8);
    fine = fwrite (&b, sizeof b, 1, f) == 1;
  }
  return fine;
}

bool
drcov_write (const char *path, const DrcovModule *modules, size_t n_modules, const DrcovBlock *blocks, size_t n_blocks, GError **error)
{
  bool special = g_file_test (path, G_FILE_TEST_EXISTS) && !g_file_test (path, G_FILE_TEST_IS_REGULAR);  /* a device, a pipe: written as it is */
  g_autofree char *draft = special ? g_strdup (path) : g_strdup_printf ("%s.new", path);
  FILE *f = fopen (draft, "we");
  bool fine = f && print_modules (f, modules, n_modules) && write_blocks (f, blocks, n_blocks);
  int why = errno;
  if (f && fclose (f) != 0 && fine) {
    fine = false;
    why = errno;
  }
  if (fine && !special && rename (draft, path) != 0) {
    fine = false;
    why = errno;
  }
  if (!fine) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write %s: %s", path, g_strerror (why));
    if (f && !special)
      unlink (draft);
  }
  return fine;
}
